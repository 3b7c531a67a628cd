#include "net/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "net/vectors_impl.h"

enum { CASES_MAX = 256 };

static const vs_suite *const suites[] = {
    &vs_suite_reconstruction, &vs_suite_sealing,   &vs_suite_manifest,
    &vs_suite_records,        &vs_suite_quantiser, &vs_suite_redraw,
    &vs_suite_errors,         &vs_suite_update,    &vs_suite_chunk,
};
enum { N_SUITES = sizeof suites / sizeof suites[0], PREFIX_CHARS = 32 };

static const vs_suite *find_suite(const char *name, vs_diag *diag)
{
    vs_buf names = {0};
    for (size_t i = 0; i < N_SUITES; i++) {
        if (strcmp(suites[i]->name, name) == 0) return suites[i];
    }
    for (size_t i = 0; i < N_SUITES; i++) {
        vs_buf_printf(&names, "%s%s", i == 0 ? "" : ", ", suites[i]->name);
    }
    vs_buf_u8(&names, '\0');
    (void)vs_fail(diag, VS_ERR_LIMIT, "\"%s\" is not a suite: there are %s", name,
                  names.failed ? "others" : (const char *)names.p);
    vs_buf_free(&names);
    return NULL;
}

/* --- text --------------------------------------------------------------------------------------
 * Canonical: one top-level member a line, one case a line, everything else without spaces. */

static void dump(vs_buf *out, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) {
        out->failed = true;
        return;
    }
    vs_buf_text(out, text);
    free(text);
}

static vs_err print(vs_buf *out, const json_t *object)
{
    const char *key;
    json_t *value;
    bool first = true;
    vs_buf_text(out, "{\n");
    json_object_foreach((json_t *)object, key, value)
    {
        vs_buf_printf(out, "%s \"%s\": ", first ? "" : ",\n", key);
        first = false;
        if (strcmp(key, "cases") != 0) {
            dump(out, value);
            continue;
        }
        for (size_t i = 0; i < json_array_size(value); i++) {
            vs_buf_text(out, i == 0 ? "[\n  " : ",\n  ");
            dump(out, json_array_get(value, i));
        }
        vs_buf_text(out, "\n ]");
    }
    vs_buf_text(out, "\n}\n");
    return vs_buf_check(out);
}

/* --- making ------------------------------------------------------------------------------------
 */

static vs_draw draw_for(char prefix[PREFIX_CHARS], const vs_suite *suite, vs_vectors_seed seed)
{
    prefix[0] = '\0';
    if (suite != NULL) (void)snprintf(prefix, PREFIX_CHARS, "%s/", suite->name);
    return (vs_draw){.seed = seed, .prefix = prefix};
}

vs_err vs_vectors_generate(vs_buf *out, const vs_vectors_params *params, vs_vectors_seed seed,
                           vs_diag *diag)
{
    char prefix[PREFIX_CHARS];
    vs_draw draw = draw_for(prefix, NULL, seed);
    vs_case inputs = {.out = json_object(), .diag = diag};
    vs_case c = {.in = inputs.out, .out = json_object(), .diag = diag};
    VS_ASSERT(seed.len >= 1 && seed.len <= VS_VECTORS_SEED_MAX);
    if (inputs.out == NULL || c.out == NULL) c.err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    if (c.err == VS_OK) vs_core_make(&inputs, params, &draw);
    if (c.err == VS_OK) c.err = inputs.err;
    if (c.err == VS_OK) vs_core_compute(&c);
    if (c.err == VS_OK) c.err = print(out, c.out);
    json_decref(inputs.out);
    json_decref(c.out);
    return c.err;
}

/* Every input case of a suite, computed; NULL on error. */
static json_t *make_suite(const vs_suite *suite, vs_vectors_seed seed, vs_diag *diag)
{
    char prefix[PREFIX_CHARS];
    vs_draw draw = draw_for(prefix, suite, seed);
    json_t *inputs = json_array();
    json_t *cases = json_array();
    vs_err err = inputs == NULL || cases == NULL ? VS_ERR_NOMEM : suite->make(inputs, &draw);
    if (err != VS_OK) (void)vs_fail(diag, err, "suite %s: out of memory", suite->name);
    for (size_t i = 0; err == VS_OK && i < json_array_size(inputs); i++) {
        vs_case c = {.in = json_array_get(inputs, i), .out = json_object(), .diag = diag};
        (void)snprintf(c.path, sizeof c.path, "cases[%zu].", i);
        if (!vs_json_push(cases, c.out)) err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
        if (err != VS_OK) break;
        (void)vs_case_text(&c, "name");
        suite->compute(&c);
        err = c.err;
    }
    json_decref(inputs);
    if (err == VS_OK) return cases;
    json_decref(cases);
    return NULL;
}

vs_err vs_vectors_generate_suite(vs_buf *out, const char *suite, vs_vectors_seed seed,
                                 vs_diag *diag)
{
    const vs_suite *found = find_suite(suite, diag);
    VS_ASSERT(seed.len >= 1 && seed.len <= VS_VECTORS_SEED_MAX);
    if (found == NULL) return VS_ERR_LIMIT;
    json_t *cases = make_suite(found, seed, diag);
    if (cases == NULL) return VS_ERR_NOMEM;
    json_t *object = json_pack("{s:s, s:o, s:o}", "suite", found->name, "seed",
                               vs_json_hex(seed.bytes, seed.len), "cases", cases);
    vs_err err = object == NULL ? VS_ERR_NOMEM : print(out, object);
    if (err != VS_OK) (void)vs_fail(diag, err, "out of memory");
    json_decref(object);
    return err;
}

/* --- checking ----------------------------------------------------------------------------------
 */

/* One object of the file: compute from its own inputs, compare, and compare its inputs with those
 * of the seed (from_seed, or NULL). */
static vs_err check_object(vs_buf *report, const char *name, vs_case *c,
                           void (*compute)(vs_case *c), const json_t *from_seed)
{
    c->out = json_object();
    if (c->out == NULL) return vs_fail(c->diag, VS_ERR_NOMEM, "out of memory");
    if (compute != vs_core_compute) (void)vs_case_text(c, "name");
    compute(c);
    vs_err err = c->err;
    if (from_seed != NULL) {
        /* A changed input shows here by its own name, whatever it made of the outputs. */
        vs_err same = vs_vectors_compare(report, name, c->path, c->in, from_seed, true);
        if (err == VS_OK) err = same;
    }
    if (err == VS_OK) err = vs_vectors_compare(report, name, c->path, c->in, c->out, false);
    json_decref(c->out);
    c->out = NULL;
    return err;
}

/* The inputs that the seed gives for the numbers of this file. On error *out is NULL. */
static vs_err core_from_seed(json_t **out, const json_t *file, vs_vectors_seed seed, vs_diag *diag)
{
    char prefix[PREFIX_CHARS];
    vs_draw draw = draw_for(prefix, NULL, seed);
    vs_vectors_params p;
    vs_case numbers = {.in = file, .diag = diag};
    *out = NULL;
    p.n = (uint32_t)vs_case_uint(&numbers, "n", 0, UINT32_MAX);
    p.t = (uint32_t)vs_case_uint(&numbers, "t", 0, UINT32_MAX);
    p.k = (uint32_t)vs_case_uint(&numbers, "k", 0, UINT32_MAX);
    p.bits = (uint32_t)vs_case_uint(&numbers, "bits", 0, UINT32_MAX);
    p.max_clients = (uint32_t)vs_case_uint(&numbers, "max_clients", 0, UINT32_MAX);
    p.len = (uint32_t)json_array_size(json_object_get(file, "coordinates"));
    if (numbers.err != VS_OK) return numbers.err;
    vs_case made = {.out = json_object(), .diag = diag};
    vs_core_make(&made, &p, &draw);
    if (made.err == VS_OK) {
        *out = made.out;
    } else {
        json_decref(made.out);
    }
    return made.err;
}

static vs_err check_core(vs_buf *report, const json_t *file, const char *name,
                         const vs_vectors_seed *seed, vs_diag *diag)
{
    json_t *made = NULL;
    vs_diag why = {{0}};
    vs_case c = {.in = file, .diag = diag};
    vs_err made_err = seed == NULL ? VS_OK : core_from_seed(&made, file, *seed, &why);
    /* What keeps the inputs from being made is better said by the computation. */
    vs_err err = check_object(report, name, &c, vs_core_compute, made);
    if (err == VS_OK && made_err != VS_OK) err = vs_fail(diag, made_err, "%s", why.text);
    json_decref(made);
    return err;
}

/* The seed that a suite file names itself, unless one was given. */
static vs_err suite_seed(vs_case *file, uint8_t bytes[VS_VECTORS_SEED_MAX],
                         const vs_vectors_seed **seed, vs_vectors_seed *own)
{
    vs_buf text = {0};
    if (json_object_get(file->in, "seed") == NULL) return VS_OK;
    vs_case_blob(file, "seed", &text, VS_VECTORS_SEED_MAX);
    if (file->err == VS_OK && text.len == 0) {
        (void)vs_case_fail(file, VS_ERR_MALFORMED, "seed", "must have 1 to 64 bytes");
    }
    if (file->err == VS_OK) memcpy(bytes, text.p, text.len);
    *own = (vs_vectors_seed){.bytes = bytes, .len = text.len};
    if (*seed == NULL) *seed = own;
    vs_buf_free(&text);
    return file->err;
}

static vs_err check_suite(vs_buf *report, const json_t *object, const char *name,
                          const vs_vectors_seed *seed, vs_diag *diag)
{
    char prefix[PREFIX_CHARS];
    uint8_t bytes[VS_VECTORS_SEED_MAX];
    vs_vectors_seed own;
    vs_case file = {.in = object, .diag = diag};
    size_t count;
    const char *named = vs_case_text(&file, "suite");
    if (file.err != VS_OK) return file.err;
    const vs_suite *suite = find_suite(named, diag);
    if (suite == NULL) return VS_ERR_MALFORMED;
    const json_t *cases = vs_case_array(&file, "cases", 1, CASES_MAX, &count);
    if (suite_seed(&file, bytes, &seed, &own) != VS_OK || cases == NULL) return file.err;
    vs_case_end(&file, &file); /* no other members */
    json_t *made = NULL;
    vs_err err = file.err;
    if (err == VS_OK && seed != NULL) {
        vs_draw draw = draw_for(prefix, suite, *seed);
        made = json_array();
        err = made == NULL ? VS_ERR_NOMEM : suite->make(made, &draw);
        if (err != VS_OK) (void)vs_fail(diag, err, "out of memory");
        if (err == VS_OK && json_array_size(made) != count) {
            err = vs_case_fail(&file, VS_ERR_MALFORMED, "cases", "has %zu entries, must have %zu",
                               count, json_array_size(made));
        }
    }
    size_t n_changed = 0;
    for (size_t i = 0; err == VS_OK && i < count; i++) {
        size_t before = report->len;
        vs_case c = vs_entry_nested(&file, cases, i, "cases");
        err = c.err != VS_OK ? c.err
                             : check_object(report, name, &c, suite->compute,
                                            made == NULL ? NULL : json_array_get(made, i));
        n_changed += report->len > before;
    }
    if (made != NULL && n_changed > 1) {
        vs_buf_printf(report, "%s: seed: %zu of %zu cases differ: is it the seed of this file?\n",
                      name, n_changed, count);
    }
    json_decref(made);
    return err;
}

vs_err vs_vectors_check(vs_buf *report, const uint8_t *text, size_t len, const char *name,
                        const vs_vectors_seed *seed, vs_diag *diag)
{
    json_error_t where;
    size_t before = report->len;
    vs_diag inner = {{0}};
    VS_ASSERT(seed == NULL || (seed->len >= 1 && seed->len <= VS_VECTORS_SEED_MAX));
    if (len > VS_VECTORS_FILE_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: more than %u bytes", name, VS_VECTORS_FILE_MAX);
    }
    json_t *file =
        json_loadb(len == 0 ? "" : (const char *)text, len, JSON_REJECT_DUPLICATES, &where);
    if (file == NULL) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: line %d: %s", name, where.line, where.text);
    }
    vs_err err;
    if (!json_is_object(file)) {
        err = vs_fail(&inner, VS_ERR_MALFORMED, "must be a JSON object");
    } else if (json_object_get(file, "suite") != NULL || json_object_get(file, "cases") != NULL) {
        err = check_suite(report, file, name, seed, &inner);
    } else {
        err = check_core(report, file, name, seed, &inner);
    }
    json_decref(file);
    if (err != VS_OK && report->len > before) { /* both say something: the file is wrong */
        vs_buf_printf(report, "%s: %s\n", name, inner.text);
        return VS_ERR_PROOF;
    }
    if (err != VS_OK) return vs_fail(diag, err, "%s: %s", name, inner.text);
    return report->len > before ? VS_ERR_PROOF : VS_OK;
}
