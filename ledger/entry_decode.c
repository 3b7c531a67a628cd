#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ledger/entry.h"
#include "ledger/entry_fields.h"
#include "ledger/text.h"

static vs_err bad(vs_diag *diag, const vs_field *f, const char *should)
{
    return vs_fail(diag, VS_ERR_MALFORMED, "member \"%s\" is not %s", f->name, should);
}

static vs_err get_integer(uint64_t *out, const json_t *v, const vs_field *f, vs_diag *diag)
{
    if (!json_is_integer(v)) return bad(diag, f, "an integer");
    json_int_t i = json_integer_value(v);
    if (i < 0 || (uint64_t)i < f->min || (uint64_t)i > f->max) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"%s\": %lld is not in %llu..%llu", f->name,
                       (long long)i, (unsigned long long)f->min, (unsigned long long)f->max);
    }
    *out = (uint64_t)i;
    return VS_OK;
}

static vs_err get_number(char *at, const json_t *v, const vs_field *f, vs_diag *diag)
{
    uint64_t u = 0;
    if (f->type == VS_FIELD_REAL) {
        if (!json_is_real(v)) return bad(diag, f, "a real number");
        double d = json_real_value(v);
        if (!isfinite(d) || !(f->min == 0 ? d >= 0 : d > 0)) {
            return vs_fail(diag, VS_ERR_LIMIT, "member \"%s\" is out of range", f->name);
        }
        memcpy(at, &d, sizeof d);
        return VS_OK;
    }
    if (f->type == VS_FIELD_MARGIN) {
        if (!json_is_integer(v)) return bad(diag, f, "an integer");
        json_int_t i = json_integer_value(v);
        if (i < -(json_int_t)VS_ENTRY_SHAREHOLDERS_MAX || i > VS_ENTRY_SHAREHOLDERS_MAX) {
            return vs_fail(diag, VS_ERR_LIMIT, "member \"%s\": %lld is not in -%u..%u", f->name,
                           (long long)i, VS_ENTRY_SHAREHOLDERS_MAX, VS_ENTRY_SHAREHOLDERS_MAX);
        }
        int32_t small = (int32_t)i;
        memcpy(at, &small, sizeof small);
        return VS_OK;
    }
    vs_err err = get_integer(&u, v, f, diag);
    if (err != VS_OK) return err;
    uint32_t u32 = (uint32_t)u; /* within f->max */
    if (f->type == VS_FIELD_U64) {
        memcpy(at, &u, sizeof u);
    } else {
        memcpy(at, &u32, sizeof u32);
    }
    return VS_OK;
}

static vs_err get_base64(char *at, size_t want, const char *text, size_t len, const vs_field *f,
                         vs_diag *diag)
{
    uint8_t raw[64];
    size_t got = 0;
    if (vs_base64_decode(raw, want, &got, text, len) != VS_OK || got != want) {
        return vs_fail(diag, VS_ERR_MALFORMED, "member \"%s\" is not the base64 of %zu bytes",
                       f->name, want);
    }
    memcpy(at, raw, want);
    return VS_OK;
}

static vs_err get_hash(char *at, const char *text, const vs_field *f, vs_diag *diag)
{
    uint8_t raw[VS_H32_BYTES];
    if (vs_hex_decode(raw, sizeof raw, text) != VS_OK || strpbrk(text, "ABCDEF") != NULL) {
        return bad(diag, f, "64 lower-case hex digits");
    }
    memcpy(at, raw, sizeof raw);
    return VS_OK;
}

static vs_err get_vkey(char *at, const char *text, const vs_field *f, vs_diag *diag)
{
    vs_note_key key;
    if (vs_note_key_parse(&key, text, NULL) != VS_OK || key.type != VS_NOTE_ED25519) {
        return bad(diag, f, "a verifier key of type 0x01");
    }
    memcpy(at, &key, sizeof key);
    return VS_OK;
}

static vs_err get_name(char *at, const char *text, const vs_field *f, vs_diag *diag)
{
    for (unsigned value = (unsigned)f->min; value <= f->max; value++) {
        if (strcmp(f->names[value], text) != 0) continue;
        memcpy(at, &value, sizeof value);
        return VS_OK;
    }
    return bad(diag, f, "a known name");
}

static vs_err get_text(char *at, const json_t *v, const vs_field *f, vs_diag *diag)
{
    if (!json_is_string(v)) return bad(diag, f, "a string");
    const char *text = json_string_value(v);
    size_t len = json_string_length(v);
    vs_entry_kind kind;
    vs_abort_reason reason;
    switch (f->type) {
    case VS_FIELD_HASH: return get_hash(at, text, f, diag);
    case VS_FIELD_KEY: return get_base64(at, VS_H32_BYTES, text, len, f, diag);
    case VS_FIELD_SIG: return get_base64(at, 64, text, len, f, diag);
    case VS_FIELD_VKEY: return get_vkey(at, text, f, diag);
    case VS_FIELD_NAME: return get_name(at, text, f, diag);
    case VS_FIELD_KIND:
        if (vs_entry_kind_parse(&kind, text) != VS_OK) return bad(diag, f, "a known kind");
        memcpy(at, &kind, sizeof kind);
        return VS_OK;
    case VS_FIELD_REASON:
        if (vs_abort_reason_parse(&reason, text) != VS_OK) return bad(diag, f, "a known reason");
        memcpy(at, &reason, sizeof reason);
        return VS_OK;
    case VS_FIELD_ORIGIN:
        if (!vs_text_name_ok(text, len)) return bad(diag, f, "a key name");
        break;
    default:
        if (len > f->max || !vs_text_ok(text, len, false)) {
            return vs_fail(diag, VS_ERR_LIMIT,
                           "member \"%s\" has control characters or more than %u bytes", f->name,
                           (unsigned)f->max);
        }
        break;
    }
    memcpy(at, text, len + 1);
    return VS_OK;
}

static vs_err get_value(char *base, const json_t *v, const vs_field *f, vs_diag *diag)
{
    char *at = base + f->offset;
    switch (f->type) {
    case VS_FIELD_U32:
    case VS_FIELD_U64:
    case VS_FIELD_MARGIN:
    case VS_FIELD_REAL: return get_number(at, v, f, diag);
    case VS_FIELD_BOOL: {
        if (!json_is_boolean(v)) return bad(diag, f, "true or false");
        bool flag = json_is_true(v);
        memcpy(at, &flag, sizeof flag);
        return VS_OK;
    }
    default: return get_text(at, v, f, diag);
    }
}

static vs_err get_index(char *at, const json_t *v, const vs_field *f, vs_diag *diag)
{
    static const vs_field plain = {
        .name = "index", .type = VS_FIELD_U32, .min = 1, .max = VS_ENTRY_SHAREHOLDERS_MAX};
    vs_field named = plain;
    named.name = f->name;
    return get_number(at, v, &named, diag);
}

/* One object of a list: exactly its members. */
static vs_err get_element(char *at, const json_t *v, const vs_field *f, vs_diag *diag)
{
    if (f->element == NULL) return get_index(at, v, f, diag);
    if (!json_is_object(v)) return bad(diag, f, "a list of objects");
    for (size_t i = 0; i < f->n_element; i++) {
        const json_t *member = json_object_get(v, f->element[i].name);
        if (member == NULL) {
            return vs_fail(diag, VS_ERR_MALFORMED,
                           "member \"%s\" is missing in an element of "
                           "\"%s\"",
                           f->element[i].name, f->name);
        }
        vs_err err = get_value(at, member, &f->element[i], diag);
        if (err != VS_OK) return err;
    }
    if (json_object_size(v) != f->n_element) {
        return vs_fail(diag, VS_ERR_MALFORMED, "an element of \"%s\" has unknown members", f->name);
    }
    return VS_OK;
}

static vs_err get_list(char *base, const json_t *v, const vs_field *f, vs_diag *diag)
{
    if (!json_is_array(v)) return bad(diag, f, "a list");
    size_t n = json_array_size(v);
    uint32_t last = 0;
    if (n < f->min || n > f->max) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"%s\": %zu elements, not %u..%u", f->name, n,
                       (unsigned)f->min, (unsigned)f->max);
    }
    for (size_t i = 0; i < n; i++) {
        char *at = base + f->offset + i * f->stride;
        vs_err err = get_element(at, json_array_get(v, i), f, diag);
        if (err != VS_OK) {
            vs_diag_prefix(diag, "\"%s\"[%zu]", f->name, i);
            return err;
        }
        uint32_t index;
        memcpy(&index, at, sizeof index); /* the first member of every element */
        if (index <= last) {
            return vs_fail(diag, VS_ERR_MALFORMED, "member \"%s\" is not in ascending order",
                           f->name);
        }
        last = index;
    }
    uint32_t count = (uint32_t)n;
    memcpy(base + f->count_offset, &count, sizeof count);
    return VS_OK;
}

static vs_err get_table(void *base, const json_t *object, vs_field_table table, vs_diag *diag)
{
    for (size_t i = 0; i < table.n; i++) {
        const vs_field *f = &table.field[i];
        const json_t *v = json_object_get(object, f->name);
        if (v == NULL && f->optional) continue; /* *base was zeroed */
        if (v == NULL) {
            return vs_fail(diag, VS_ERR_MALFORMED, "member \"%s\" is missing", f->name);
        }
        vs_err err =
            f->type == VS_FIELD_LIST ? get_list(base, v, f, diag) : get_value(base, v, f, diag);
        if (err != VS_OK) return err;
        if (f->optional && vs_field_is_zero(f, (const char *)base + f->offset)) {
            return vs_fail(diag, VS_ERR_MALFORMED, "member \"%s\" must be left out where it is %s",
                           f->name, f->type == VS_FIELD_BOOL ? "false" : "0");
        }
    }
    return VS_OK;
}

static bool table_has(vs_field_table table, const char *name)
{
    for (size_t i = 0; i < table.n; i++) {
        if (strcmp(table.field[i].name, name) == 0) return true;
    }
    return false;
}

static vs_err refuse_unknown(json_t *object, vs_field_table head, vs_field_table rest,
                             vs_diag *diag)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (!table_has(head, name) && !table_has(rest, name)) {
            return vs_fail(diag, VS_ERR_MALFORMED, "member \"%.40s\" is unknown", name);
        }
    }
    return VS_OK;
}

static vs_err decode_object(vs_entry *out, vs_entry_kind kind, json_t *object, vs_diag *diag)
{
    vs_field_table head = vs_entry_head_fields();
    vs_field_table rest = vs_entry_kind_fields(kind);
    vs_err err = get_table(out, object, head, diag);
    if (err != VS_OK) return err;
    if (out->kind != kind) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "member \"kind\" is \"%s\", which is not what the envelope "
                       "says",
                       vs_entry_kind_name(out->kind));
    }
    err = get_table(&out->u, object, rest, diag);
    if (err == VS_OK) err = refuse_unknown(object, head, rest, diag);
    if (err == VS_OK) err = vs_entry_check(out, diag);
    return err;
}

vs_err vs_entry_decode(vs_entry *out, const char *kind, const void *payload, size_t len,
                       vs_diag *diag)
{
    json_error_t why;
    vs_entry_kind k;
    memset(out, 0, sizeof *out);
    if (vs_entry_kind_parse(&k, kind) != VS_OK) {
        return vs_fail(diag, VS_ERR_MALFORMED, "entries of kind \"%.40s\" are unknown here", kind);
    }
    json_t *object = json_loadb(payload, len, JSON_REJECT_DUPLICATES, &why);
    if (object == NULL) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s entry: payload: %s", kind, why.text);
    }
    vs_err err = json_is_object(object)
                     ? decode_object(out, k, object, diag)
                     : vs_fail(diag, VS_ERR_MALFORMED, "payload is not a JSON object");
    json_decref(object);
    if (err != VS_OK) {
        vs_diag_prefix(diag, "%s entry", kind);
        memset(out, 0, sizeof *out);
    }
    return err;
}
