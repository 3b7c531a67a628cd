#include "net/federation_json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "net/json_text.h"

enum { PATH_CHARS = 64, TIMEOUT_MAX_S = 30 * 24 * 3600 };

typedef enum kind {
    KIND_U32,
    KIND_U64,
    KIND_REAL,
    KIND_BOOL,
    KIND_NAME,
    KIND_ROTATION,  /* a bool: "none" or "hadamard" */
    KIND_MECHANISM, /* a vs_mechanism */
} kind;

/* A scalar of the top level. min and max are for whole numbers only. */
typedef struct field {
    const char *name;
    kind kind;
    bool required;
    size_t offset;
    uint64_t min, max;
} field;

#define AT(member) offsetof(vs_federation, member)
/* The committee's numbers are judged together, by vs_committee_check. */
static const field fields[] = {
    {"name", KIND_NAME, true, AT(name), 0, 0},
    {"origin", KIND_NAME, true, AT(origin), 0, 0},
    {"demo", KIND_BOOL, false, AT(demo), 0, 0},
    {"public_results", KIND_BOOL, false, AT(public_results), 0, 0},
    {"num_shares", KIND_U32, true, AT(committee.n), 0, UINT32_MAX},
    {"privacy_threshold", KIND_U32, true, AT(committee.t), 0, UINT32_MAX},
    {"packing", KIND_U32, true, AT(committee.k), 0, UINT32_MAX},
    {"margin", KIND_U32, false, AT(committee.margin), 0, UINT32_MAX},
    {"max_clients", KIND_U32, true, AT(max_clients), 2, VS_CLIENTS_MAX},
    {"min_clients", KIND_U32, true, AT(min_clients), 2, VS_CLIENTS_MAX},
    {"max_missing", KIND_REAL, false, AT(max_missing), 0, 0},
    {"min_cover", KIND_REAL, false, AT(min_cover), 0, 0},
    {"reward_included", KIND_U32, false, AT(reward_included), 1, VS_REWARD_MAX},
    {"reward_rejected", KIND_U32, false, AT(reward_rejected), 1, VS_REWARD_MAX},
    {"round_timeout", KIND_U32, true, AT(round_timeout_s), 1, TIMEOUT_MAX_S},
    {"answer_timeout", KIND_U32, true, AT(answer_timeout_s), 1, TIMEOUT_MAX_S},
    {"quantization_bits", KIND_U32, true, AT(quantiser.bits), 0, UINT32_MAX},
    {"clip_norm", KIND_REAL, true, AT(quantiser.clip_norm), 0, 0},
    {"clipping_range", KIND_REAL, false, AT(quantiser.clipping_range), 0, 0},
    {"max_weight", KIND_U64, true, AT(quantiser.max_weight), 0, INT64_MAX},
    {"stochastic_rounding", KIND_BOOL, false, AT(quantiser.stochastic_rounding), 0, 0},
    {"rotation", KIND_ROTATION, false, AT(rotation), 0, 0},
    {"k_stddevs", KIND_REAL, false, AT(k_stddevs), 0, 0},
    {"metrics", KIND_BOOL, false, AT(metrics), 0, 0},
    {"target_unclipped_quantile", KIND_REAL, false, AT(target_unclipped_quantile), 0, 0},
    {"adaptive_clip_learning_rate", KIND_REAL, false, AT(adaptive_clip_learning_rate), 0, 0},
    {"mechanism", KIND_MECHANISM, false, AT(privacy.mechanism), 0, 0},
    {"noise_multiplier", KIND_REAL, false, AT(privacy.noise_multiplier), 0, 0},
    {"delta", KIND_REAL, false, AT(privacy.delta), 0, 0},
    {"max_epsilon", KIND_REAL, false, AT(privacy.max_epsilon), 0, 0},
    {"beta", KIND_REAL, false, AT(privacy.beta), 0, 0},
    {"colluding_clients", KIND_U32, false, AT(privacy.colluding_clients), 0, VS_CLIENTS_MAX},
    {"clients_per_round", KIND_U32, false, AT(privacy.clients_per_round), 1, VS_CLIENTS_MAX},
    {"metrics_noise_multiplier", KIND_REAL, false, AT(privacy.metrics_noise_multiplier), 0, 0},
    {"num_params", KIND_U32, false, AT(num_params), 1, VS_DIM_MAX},
};
enum { N_FIELDS = sizeof fields / sizeof fields[0] };

vs_err vs_fed_bad(const vs_fed_text *text, vs_err err, const char *path, const char *fmt, ...)
{
    vs_diag rule;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(rule.text, sizeof rule.text, fmt, args);
    va_end(args);
    return vs_fail(text->diag, err, "%s: line %u: %s", text->name,
                   vs_json_line(text->bytes, text->len, path), rule.text);
}

/* --- one member --------------------------------------------------------------------------------
 */

/* path = "prefix.name", or name where the prefix is empty. */
static void join(char path[PATH_CHARS], const char *prefix, const char *name)
{
    (void)snprintf(path, PATH_CHARS, "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", name);
}

static vs_err missing(const vs_fed_text *text, const char *prefix, const char *name)
{
    return vs_fed_bad(text, VS_ERR_MALFORMED, prefix, "%s%smember \"%s\" is missing", prefix,
                      prefix[0] == '\0' ? "" : ": ", name);
}

static vs_err read_string(const vs_fed_text *text, const json_t *object, const char *prefix,
                          const char *name, size_t max, char *out)
{
    char path[PATH_CHARS];
    const json_t *value = json_object_get(object, name);
    join(path, prefix, name);
    if (value == NULL) return missing(text, prefix, name);
    if (!json_is_string(value)) {
        return vs_fed_bad(text, VS_ERR_MALFORMED, path, "%s must be a string", path);
    }
    const char *s = json_string_value(value);
    size_t len = json_string_length(value); /* no zero byte inside: jansson refuses it */
    if (len < 1 || len > max) {
        return vs_fed_bad(text, VS_ERR_LIMIT, path, "%s must have 1 to %zu bytes, not %zu", path,
                          max, len);
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) {
            return vs_fed_bad(text, VS_ERR_MALFORMED, path, "%s holds a control character", path);
        }
    }
    memcpy(out, s, len + 1);
    return VS_OK;
}

static vs_err read_whole(const vs_fed_text *text, const json_t *value, const char *path,
                         uint64_t min, uint64_t max, uint64_t *out)
{
    if (!json_is_integer(value)) {
        return vs_fed_bad(text, VS_ERR_MALFORMED, path, "%s must be a whole number", path);
    }
    json_int_t v = json_integer_value(value);
    if (v < 0 || (uint64_t)v < min || (uint64_t)v > max) {
        return vs_fed_bad(text, VS_ERR_LIMIT, path,
                          "%s %" JSON_INTEGER_FORMAT " is outside %" PRIu64 "..%" PRIu64, path, v,
                          min, max);
    }
    *out = (uint64_t)v;
    return VS_OK;
}

/* A word of a choice. */
static vs_err read_word(const vs_fed_text *text, const json_t *root, const field *f, char *at)
{
    char word[32];
    vs_mechanism mechanism;
    vs_err err = read_string(text, root, "", f->name, sizeof word - 1, word);
    if (err != VS_OK) return err;
    if (f->kind == KIND_MECHANISM) {
        if (vs_mechanism_parse(&mechanism, word) != VS_OK) {
            return vs_fed_bad(text, VS_ERR_MALFORMED, f->name,
                              "%s must be \"none\", \"discrete_gaussian\" or \"skellam\"", f->name);
        }
        memcpy(at, &mechanism, sizeof mechanism);
        return VS_OK;
    }
    bool rotation = strcmp(word, "hadamard") == 0;
    if (!rotation && strcmp(word, "none") != 0) {
        return vs_fed_bad(text, VS_ERR_MALFORMED, f->name, "%s must be \"none\" or \"hadamard\"",
                          f->name);
    }
    memcpy(at, &rotation, sizeof rotation);
    return VS_OK;
}

static vs_err read_field(vs_federation *fed, const field *f, const json_t *root,
                         const vs_fed_text *text)
{
    char *at = (char *)fed + f->offset;
    const json_t *value = json_object_get(root, f->name);
    uint64_t whole = 0;
    vs_err err = VS_OK;
    if (value == NULL) return f->required ? missing(text, "", f->name) : VS_OK;
    switch (f->kind) {
    case KIND_U32:
    case KIND_U64:
        err = read_whole(text, value, f->name, f->min, f->max, &whole);
        if (err != VS_OK) return err;
        if (f->kind == KIND_U64) {
            memcpy(at, &whole, sizeof whole);
        } else {
            uint32_t narrow = (uint32_t)whole;
            memcpy(at, &narrow, sizeof narrow);
        }
        return VS_OK;
    case KIND_REAL:
        if (!json_is_number(value)) {
            return vs_fed_bad(text, VS_ERR_MALFORMED, f->name, "%s must be a number", f->name);
        }
        double real = json_number_value(value);
        memcpy(at, &real, sizeof real);
        return VS_OK;
    case KIND_BOOL:
        if (!json_is_boolean(value)) {
            return vs_fed_bad(text, VS_ERR_MALFORMED, f->name, "%s must be true or false", f->name);
        }
        bool flag = json_is_true(value);
        memcpy(at, &flag, sizeof flag);
        return VS_OK;
    case KIND_NAME: return read_string(text, root, "", f->name, VS_NOTE_NAME_MAX, at);
    case KIND_ROTATION:
    case KIND_MECHANISM: return read_word(text, root, f, at);
    }
    return VS_OK;
}

static vs_err read_key(const vs_fed_text *text, const json_t *object, const char *prefix,
                       const char *name, vs_h32 *out)
{
    char path[PATH_CHARS];
    char base64[VS_BASE64_CHARS(32)];
    size_t len = 0;
    vs_h32 key;
    join(path, prefix, name);
    vs_err err = read_string(text, object, prefix, name, sizeof base64 - 1, base64);
    if (err != VS_OK) return err;
    if (vs_base64_decode(key.b, sizeof key.b, &len, base64, strlen(base64)) != VS_OK ||
        len != sizeof key.b) {
        return vs_fed_bad(text, VS_ERR_MALFORMED, path, "%s must be base64 of 32 bytes", path);
    }
    *out = key;
    return VS_OK;
}

static vs_err read_note_key(const vs_fed_text *text, const json_t *object, const char *prefix,
                            const char *name, uint8_t type, vs_note_key *out)
{
    char path[PATH_CHARS];
    char vkey[VS_VKEY_CHARS];
    vs_diag why;
    join(path, prefix, name);
    vs_err err = read_string(text, object, prefix, name, sizeof vkey - 1, vkey);
    if (err != VS_OK) return err;
    err = vs_note_key_parse(out, vkey, &why);
    if (err != VS_OK) return vs_fed_bad(text, err, path, "%s: %s", path, why.text);
    if (out->type == type) return VS_OK;
    return vs_fed_bad(text, VS_ERR_MALFORMED, path, "%s has key type 0x%02x, 0x%02x is needed",
                      path, out->type, type);
}

/* --- objects -----------------------------------------------------------------------------------
 */

/* names ends with NULL. */
static vs_err check_known(const vs_fed_text *text, json_t *object, const char *prefix,
                          const char *const *names)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        bool known = false;
        for (const char *const *n = names; *n != NULL; n++) known |= strcmp(*n, key) == 0;
        for (size_t i = 0; prefix[0] == '\0' && i < N_FIELDS; i++) {
            known |= strcmp(fields[i].name, key) == 0;
        }
        if (known) continue;
        char path[PATH_CHARS]; /* a name too long for it gives the line of the object */
        bool fits = strlen(prefix) + strlen(key) + 2 <= sizeof path && !strpbrk(key, ".[");
        join(path, prefix, fits ? key : "");
        return vs_fed_bad(text, VS_ERR_MALFORMED, path, "%s%sunknown member \"%.60s\"", prefix,
                          prefix[0] == '\0' ? "" : ": ", key);
    }
    return VS_OK;
}

static vs_err read_party(const vs_fed_text *text, const json_t *object, const char *prefix,
                         vs_fed_party *out)
{
    vs_err err = read_string(text, object, prefix, "name", VS_NOTE_NAME_MAX, out->name);
    if (err == VS_OK) err = read_key(text, object, prefix, "key", &out->key);
    if (err == VS_OK) {
        err = read_string(text, object, prefix, "address", VS_ADDRESS_MAX, out->address);
    }
    return err;
}

static vs_err read_object(const vs_fed_text *text, json_t *parent, const char *name,
                          const char *const *names, json_t **out)
{
    *out = json_object_get(parent, name);
    if (*out == NULL) return missing(text, "", name);
    if (!json_is_object(*out)) {
        return vs_fed_bad(text, VS_ERR_MALFORMED, name, "%s must be an object", name);
    }
    return check_known(text, *out, name, names);
}

static vs_err read_shareholder(vs_federation *fed, const vs_fed_text *text, json_t *object,
                               uint32_t position)
{
    static const char *const names[] = {"index", "name", "key", "cosigner_key", "address", NULL};
    char prefix[PATH_CHARS / 2];
    char path[PATH_CHARS];
    uint64_t index = 0;
    vs_fed_shareholder *s = &fed->shareholder[position];
    (void)snprintf(prefix, sizeof prefix, "shareholders[%u]", position);
    join(path, prefix, "index");
    if (!json_is_object(object)) {
        return vs_fed_bad(text, VS_ERR_MALFORMED, prefix, "%s must be an object", prefix);
    }
    vs_err err = check_known(text, object, prefix, names);
    if (err != VS_OK) return err;
    const json_t *value = json_object_get(object, "index");
    if (value == NULL) return missing(text, prefix, "index");
    err = read_whole(text, value, path, 1, VS_SHAREHOLDERS_MAX, &index);
    if (err != VS_OK) return err;
    if (index != position + 1) {
        return vs_fed_bad(text, VS_ERR_LIMIT, path,
                          "%s %" PRIu64
                          " is not %u: shareholders stand in the order of their index",
                          path, index, position + 1);
    }
    err = read_party(text, object, prefix, &s->party);
    if (err != VS_OK) return err;
    return read_note_key(text, object, prefix, "cosigner_key", VS_NOTE_COSIGNATURE,
                         &s->cosigner_key);
}

static vs_err read_shareholders(vs_federation *fed, const vs_fed_text *text, json_t *root)
{
    json_t *list = json_object_get(root, "shareholders");
    if (list == NULL) return missing(text, "", "shareholders");
    if (!json_is_array(list)) {
        return vs_fed_bad(text, VS_ERR_MALFORMED, "shareholders", "shareholders must be a list");
    }
    size_t n = json_array_size(list);
    if (n != fed->committee.n) {
        return vs_fed_bad(text, VS_ERR_LIMIT, "shareholders",
                          "shareholders has %zu elements, num_shares is %u", n, fed->committee.n);
    }
    for (size_t i = 0; i < n && i < VS_SHAREHOLDERS_MAX; i++) {
        vs_err err = read_shareholder(fed, text, json_array_get(list, i), (uint32_t)i);
        if (err != VS_OK) return err;
    }
    return VS_OK;
}

static vs_err read_parties(vs_federation *fed, const vs_fed_text *text, json_t *root)
{
    static const char *const admin_names[] = {"name", "key", NULL};
    static const char *const aggregator_names[] = {"name", "key", "log_key", "address", NULL};
    json_t *admin;
    json_t *aggregator;
    vs_err err = read_object(text, root, "admin", admin_names, &admin);
    if (err != VS_OK) return err;
    err = read_string(text, admin, "admin", "name", VS_NOTE_NAME_MAX, fed->admin_name);
    if (err == VS_OK) err = read_key(text, admin, "admin", "key", &fed->admin_key);
    if (err != VS_OK) return err;
    err = read_object(text, root, "aggregator", aggregator_names, &aggregator);
    if (err != VS_OK) return err;
    err = read_party(text, aggregator, "aggregator", &fed->aggregator);
    if (err != VS_OK) return err;
    return read_note_key(text, aggregator, "aggregator", "log_key", VS_NOTE_ED25519, &fed->log_key);
}

/* --- the whole file ----------------------------------------------------------------------------
 */

static vs_err read_version(const vs_fed_text *text, const json_t *root)
{
    uint64_t version = 0;
    const json_t *value = json_object_get(root, "veilsum_federation");
    if (value == NULL) return missing(text, "", "veilsum_federation");
    return read_whole(text, value, "veilsum_federation", 1, 1, &version);
}

/* Read last of the committee's numbers: it only repeats what t and k say. */
static vs_err read_threshold(const vs_federation *fed, const vs_fed_text *text, const json_t *root)
{
    const json_t *value = json_object_get(root, "reconstruction_threshold");
    uint64_t r = 0;
    if (value == NULL) return VS_OK;
    vs_err err = read_whole(text, value, "reconstruction_threshold", 0, UINT32_MAX, &r);
    if (err != VS_OK) return err;
    uint64_t sum = (uint64_t)fed->committee.t + fed->committee.k;
    if (r == sum) return VS_OK;
    return vs_fed_bad(text, VS_ERR_LIMIT, "reconstruction_threshold",
                      "reconstruction_threshold %" PRIu64
                      " is not privacy_threshold %u + packing %u = %" PRIu64,
                      r, fed->committee.t, fed->committee.k, sum);
}

static vs_err read_committee(vs_federation *fed, const vs_fed_text *text, const json_t *root)
{
    vs_diag rule;
    vs_err err = read_threshold(fed, text, root);
    if (err != VS_OK) return err;
    if (json_object_get(root, "margin") == NULL) fed->committee.margin = fed->committee.t;
    err = vs_committee_check(&fed->committee, &rule);
    if (err == VS_OK) return VS_OK;
    char path[PATH_CHARS]; /* the message starts with the member's name */
    (void)snprintf(path, sizeof path, "%.*s", (int)strcspn(rule.text, " "), rule.text);
    return vs_fed_bad(text, err, path, "%s", rule.text);
}

/* With rotation the range follows from the round's dimension; and the mean's divisor from the
 * smallest set, where none is given. */
static vs_err read_range(vs_federation *fed, const vs_fed_text *text, const json_t *root)
{
    const bool given = json_object_get(root, "clipping_range") != NULL;
    if (!fed->rotation && !given) return missing(text, "", "clipping_range");
    if (fed->rotation && given) {
        return vs_fed_bad(text, VS_ERR_LIMIT, "clipping_range",
                          "clipping_range does not go with rotation hadamard: it is k_stddevs * "
                          "clip_norm / sqrt(dim) then");
    }
    if (fed->rotation) fed->quantiser.clipping_range = fed->quantiser.clip_norm;
    if (fed->privacy.mechanism != VS_MECHANISM_NONE && fed->privacy.clients_per_round == 0) {
        fed->privacy.clients_per_round = fed->min_clients;
    }
    return VS_OK;
}

static vs_err read_root(vs_federation *fed, const vs_fed_text *text, json_t *root)
{
    static const char *const names[] = {"veilsum_federation",
                                        "reconstruction_threshold",
                                        "admin",
                                        "aggregator",
                                        "shareholders",
                                        "tensors",
                                        NULL};
    if (!json_is_object(root)) {
        return vs_fed_bad(text, VS_ERR_MALFORMED, "", "the file must hold one JSON object");
    }
    vs_err err = read_version(text, root);
    if (err == VS_OK) err = check_known(text, root, "", names);
    fed->max_missing = 0.05;
    fed->min_cover = 0.8;
    fed->quantiser.stochastic_rounding = true;
    fed->k_stddevs = VS_FED_K_STDDEVS;
    fed->adaptive_clip_learning_rate = VS_FED_CLIP_RATE;
    fed->privacy.beta = VS_PRIVACY_BETA;
    for (size_t i = 0; err == VS_OK && i < N_FIELDS; i++) {
        err = read_field(fed, &fields[i], root, text);
    }
    if (err == VS_OK) err = read_range(fed, text, root);
    if (err == VS_OK) err = read_committee(fed, text, root);
    if (err == VS_OK) err = read_parties(fed, text, root);
    if (err == VS_OK) err = read_shareholders(fed, text, root);
    if (err == VS_OK) err = vs_fed_read_tensors(fed, text, json_object_get(root, "tensors"));
    return err;
}

vs_err vs_fed_read_json(vs_federation *fed, const vs_fed_text *text)
{
    json_error_t error;
    json_t *root = json_loadb((const char *)text->bytes, text->len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        if (json_error_code(&error) == json_error_out_of_memory) {
            return vs_fail(text->diag, VS_ERR_NOMEM, "%s: out of memory", text->name);
        }
        return vs_fail(text->diag, VS_ERR_MALFORMED, "%s: line %d: %s", text->name,
                       error.line < 1 ? 1 : error.line, error.text);
    }
    vs_err err = read_root(fed, text, root);
    json_decref(root);
    return err;
}
