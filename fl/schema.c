#include "fl/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fl/csv.h"
#include "fl/dataset.h"

static const char *const kinds[] = {"number", "category", "label", "skip"};

void vs_schema_free(vs_schema *schema)
{
    if (schema == NULL) return;
    for (size_t i = 0; i < schema->n_columns; i++) {
        vs_schema_column *c = &schema->column[i];
        for (uint32_t k = 0; k < c->n_values; k++) free(c->value[k]);
        free(c->value);
        free(c->name);
    }
    free(schema->column);
    memset(schema, 0, sizeof *schema);
}

const vs_schema_column *vs_schema_find(const vs_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->n_columns; i++) {
        if (strcmp(schema->column[i].name, name) == 0) return &schema->column[i];
    }
    return NULL;
}

bool vs_schema_value(uint32_t *out, const vs_schema_column *column, const char *text)
{
    const uint32_t n = column->other ? column->n_values - 1 : column->n_values;
    for (*out = 0; *out < n; ++*out) {
        VS_ASSERT(column->value[*out] != NULL);
        if (strcmp(column->value[*out], text) == 0) return true;
    }
    return column->other; /* *out is the last one */
}

/* --- reading --------------------------------------------------------------------------------- */

typedef struct reader {
    vs_csv csv;
    vs_schema *schema;
    size_t room;
    bool has_label;
    vs_diag *diag;
} reader;

static vs_err bad(const reader *r, const char *what)
{
    return vs_fail(r->diag, VS_ERR_MALFORMED, "%s: line %zu: column \"%.60s\": %s", r->csv.name,
                   r->csv.line, vs_csv_field(&r->csv, 0), what);
}

static vs_err no_memory(const reader *r)
{
    return vs_fail(r->diag, VS_ERR_NOMEM, "%s: out of memory", r->csv.name);
}

static vs_err read_kind(const reader *r, vs_schema_kind *out)
{
    if (r->csv.n_fields < 2) return bad(r, "want NAME,KIND");
    for (unsigned i = 0; i < 4; i++) {
        if (strcmp(vs_csv_field(&r->csv, 1), kinds[i]) != 0) continue;
        *out = (vs_schema_kind)i;
        return VS_OK;
    }
    return bad(r, "the kind must be number, category, label or skip");
}

static bool read_real(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && strpbrk(text, "xXnN") == NULL && isfinite(*out);
}

static vs_err read_scale(const reader *r, vs_schema_column *c)
{
    if (r->csv.n_fields == 2) return VS_OK;
    if (r->csv.n_fields != 4) return bad(r, "want NAME,number or NAME,number,CENTRE,SCALE");
    if (!read_real(vs_csv_field(&r->csv, 2), &c->centre) ||
        !read_real(vs_csv_field(&r->csv, 3), &c->scale) || !(c->scale > 0)) {
        return bad(r, "centre and scale must be decimal numbers, the scale above 0");
    }
    c->scaled = true;
    return VS_OK;
}

static vs_err read_values(const reader *r, vs_schema_column *c)
{
    const size_t n = r->csv.n_fields - 2;
    if (n > (c->kind == VS_SCHEMA_LABEL ? 256 : VS_SCHEMA_VALUES_MAX)) {
        return bad(r, "more than 256 labels or 4096 categories");
    }
    if (n == 0) return c->kind == VS_SCHEMA_LABEL ? VS_OK : bad(r, "a category needs its values");
    c->value = calloc(n, sizeof *c->value);
    if (c->value == NULL) return no_memory(r);
    for (uint32_t i = 0; i < n; i++) {
        const char *text = vs_csv_field(&r->csv, i + 2);
        uint32_t twin;
        if (vs_schema_value(&twin, c, text)) return bad(r, "a value stands twice");
        if (text[0] == '\0') return bad(r, "an empty value; missing ones need none");
        char *copy = strdup(text);
        if (copy == NULL) return no_memory(r);
        c->value[c->n_values++] = copy;
    }
    c->other = c->kind == VS_SCHEMA_CATEGORY && strcmp(vs_csv_field(&r->csv, n + 1), "*") == 0;
    return VS_OK;
}

static vs_err make_room(reader *r)
{
    vs_schema *s = r->schema;
    if (s->n_columns < r->room) return VS_OK;
    if (s->n_columns >= VS_SCHEMA_COLUMNS_MAX) {
        return vs_fail(r->diag, VS_ERR_LIMIT, "%s: more than %u columns", r->csv.name,
                       VS_SCHEMA_COLUMNS_MAX);
    }
    const size_t room = r->room == 0 ? 16 : 2 * r->room;
    vs_schema_column *more = realloc(s->column, room * sizeof *more);
    if (more == NULL) return no_memory(r);
    s->column = more;
    r->room = room;
    return VS_OK;
}

static vs_err read_column(reader *r)
{
    vs_schema *s = r->schema;
    vs_schema_kind kind = VS_SCHEMA_SKIP;
    vs_err err = read_kind(r, &kind);
    if (err == VS_OK) err = make_room(r);
    if (err != VS_OK) return err;
    if (vs_schema_find(s, vs_csv_field(&r->csv, 0)) != NULL) return bad(r, "stands twice");
    char *name = strdup(vs_csv_field(&r->csv, 0));
    if (name == NULL) return no_memory(r);
    vs_schema_column *c = &s->column[s->n_columns++]; /* from here vs_schema_free has it */
    *c = (vs_schema_column){.name = name, .kind = kind, .scale = 1, .feature = s->n_features};
    if (kind == VS_SCHEMA_LABEL && r->has_label) return bad(r, "a second label");
    if (kind == VS_SCHEMA_LABEL) r->has_label = true;
    if (kind == VS_SCHEMA_SKIP && r->csv.n_fields != 2) return bad(r, "want NAME,skip");
    if (kind == VS_SCHEMA_NUMBER) err = read_scale(r, c);
    if (kind == VS_SCHEMA_CATEGORY || kind == VS_SCHEMA_LABEL) err = read_values(r, c);
    if (err != VS_OK) return err;
    s->n_numbers += kind == VS_SCHEMA_NUMBER;
    if (kind == VS_SCHEMA_NUMBER) s->n_features++;
    if (kind == VS_SCHEMA_CATEGORY) s->n_features += c->n_values;
    if (s->n_features <= VS_DATASET_FEATURES_MAX) return VS_OK;
    return vs_fail(r->diag, VS_ERR_LIMIT, "%s: line %zu: more than %u features", r->csv.name,
                   r->csv.line, VS_DATASET_FEATURES_MAX);
}

vs_err vs_schema_parse(vs_schema *out, const uint8_t *bytes, size_t len, const char *name,
                       vs_diag *diag)
{
    VS_ASSERT(out != NULL && name != NULL);
    memset(out, 0, sizeof *out);
    reader r = {.schema = out, .diag = diag};
    bool more = true;
    vs_err err = VS_OK;
    vs_csv_open(&r.csv, bytes, len, name);
    while (err == VS_OK && more) {
        err = vs_csv_next(&r.csv, &more, diag);
        if (err == VS_OK && more) err = read_column(&r);
    }
    if (err == VS_OK && !r.has_label) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: no column is the label: want NAME,label", name);
    }
    if (err == VS_OK && out->n_features == 0) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: no column is a number or category", name);
    }
    vs_csv_free(&r.csv);
    if (err != VS_OK) vs_schema_free(out);
    return err;
}

vs_err vs_schema_read(vs_schema *out, const char *path, vs_diag *diag)
{
    vs_buf bytes = {0};
    VS_ASSERT(out != NULL && path != NULL);
    memset(out, 0, sizeof *out);
    vs_err err = vs_file_read(&bytes, path, VS_SCHEMA_BYTES_MAX, diag);
    if (err == VS_OK) err = vs_schema_parse(out, bytes.p, bytes.len, path, diag);
    vs_buf_free(&bytes);
    return err;
}

/* --- writing --------------------------------------------------------------------------------- */

static void put_field(vs_buf *out, const char *text)
{
    /* A first byte of a byte order mark would be passed over at the start of a file. */
    if (strpbrk(text, ",\"\r\n") == NULL && (uint8_t)text[0] != 0xef) {
        vs_buf_text(out, text);
        return;
    }
    vs_buf_u8(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"') vs_buf_u8(out, '"');
        vs_buf_u8(out, (uint8_t)*text);
    }
    vs_buf_u8(out, '"');
}

void vs_schema_format(vs_buf *out, const vs_schema *schema)
{
    for (size_t i = 0; i < schema->n_columns; i++) {
        const vs_schema_column *c = &schema->column[i];
        put_field(out, c->name);
        vs_buf_printf(out, ",%s", kinds[c->kind]);
        if (c->scaled) vs_buf_printf(out, ",%.9g,%.9g", c->centre, c->scale);
        for (uint32_t k = 0; k < c->n_values; k++) {
            vs_buf_u8(out, ',');
            put_field(out, c->value[k]);
        }
        vs_buf_u8(out, '\n');
    }
}
