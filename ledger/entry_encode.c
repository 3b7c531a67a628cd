#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/entry.h"
#include "ledger/entry_fields.h"
#include "ledger/text.h"

/* text is UTF-8 (checked before). */
static void put_string(vs_buf *b, const char *text)
{
    vs_buf_u8(b, '"');
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            vs_buf_printf(b, "\\%c", *c);
        } else if ((unsigned char)*c < 0x20) {
            vs_buf_printf(b, "\\u%04x", (unsigned)(unsigned char)*c);
        } else {
            vs_buf_u8(b, (uint8_t)*c);
        }
    }
    vs_buf_u8(b, '"');
}

static void put_hash(vs_buf *b, const void *hash)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hex_encode(hex, hash, VS_H32_BYTES);
    put_string(b, hex);
}

/* len is at most 64. */
static void put_base64(vs_buf *b, const void *data, size_t len)
{
    char b64[VS_BASE64_CHARS(64)];
    VS_ASSERT(len <= 64);
    vs_base64_encode(b64, data, len);
    put_string(b, b64);
}

/* The shortest of 15 to 17 digits that reads back as the same double, always with a point or an
 * exponent so that it is a real. The program never calls setlocale. */
static void put_real(vs_buf *b, double v)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    vs_buf_printf(b, "%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
}

static vs_err out_of_range(vs_diag *diag, const vs_field *f)
{
    return vs_fail(diag, VS_ERR_LIMIT, "member \"%s\" is out of range", f->name);
}

static vs_err put_integer(vs_buf *b, const vs_field *f, uint64_t v, vs_diag *diag)
{
    if (v < f->min || v > f->max) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"%s\": %llu is not in %llu..%llu", f->name,
                       (unsigned long long)v, (unsigned long long)f->min,
                       (unsigned long long)f->max);
    }
    vs_buf_printf(b, "%llu", (unsigned long long)v);
    return VS_OK;
}

/* Texts: origin, detail, kind, reason, verifier key. */
static vs_err put_text(vs_buf *b, const char *at, const vs_field *f, vs_diag *diag)
{
    char vkey[VS_VKEY_CHARS];
    const char *text = at;
    if (f->type == VS_FIELD_KIND) {
        vs_entry_kind kind;
        memcpy(&kind, at, sizeof kind);
        text = vs_entry_kind_name(kind);
    } else if (f->type == VS_FIELD_REASON) {
        vs_abort_reason reason;
        memcpy(&reason, at, sizeof reason);
        if (reason < VS_ABORT_CANCELLED || reason > VS_ABORT_EXPIRED) return out_of_range(diag, f);
        text = vs_abort_reason_name(reason);
    } else if (f->type == VS_FIELD_NAME) {
        unsigned value;
        memcpy(&value, at, sizeof value);
        if (value < f->min || value > f->max) return out_of_range(diag, f);
        text = f->names[value];
    } else if (f->type == VS_FIELD_VKEY) {
        vs_note_key key;
        memcpy(&key, at, sizeof key);
        key.name[VS_NOTE_NAME_MAX] = '\0';
        vs_note_key_format(vkey, &key);
        vs_note_key again;
        if (key.type != VS_NOTE_ED25519 || vs_note_key_parse(&again, vkey, NULL) != VS_OK) {
            return out_of_range(diag, f);
        }
        text = vkey;
    } else if (f->type == VS_FIELD_ORIGIN) {
        size_t len = strnlen(at, VS_NOTE_NAME_MAX + 1);
        if (!vs_text_name_ok(at, len)) return out_of_range(diag, f);
    } else {
        size_t len = strnlen(at, f->max + 1);
        if (len > f->max || !vs_text_ok(at, len, false)) return out_of_range(diag, f);
    }
    put_string(b, text);
    return VS_OK;
}

static vs_err put_number(vs_buf *b, const char *at, const vs_field *f, vs_diag *diag)
{
    if (f->type == VS_FIELD_U64) {
        uint64_t v;
        memcpy(&v, at, sizeof v);
        return put_integer(b, f, v, diag);
    }
    if (f->type == VS_FIELD_MARGIN) {
        int32_t v;
        memcpy(&v, at, sizeof v);
        if (v < -(int32_t)VS_ENTRY_SHAREHOLDERS_MAX || v > (int32_t)VS_ENTRY_SHAREHOLDERS_MAX) {
            return out_of_range(diag, f);
        }
        vs_buf_printf(b, "%d", (int)v);
        return VS_OK;
    }
    if (f->type == VS_FIELD_REAL) {
        double v;
        memcpy(&v, at, sizeof v);
        if (!isfinite(v) || !(f->min == 0 ? v >= 0 : v > 0)) return out_of_range(diag, f);
        put_real(b, v);
        return VS_OK;
    }
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return put_integer(b, f, v, diag);
}

static vs_err put_value(vs_buf *b, const char *base, const vs_field *f, vs_diag *diag)
{
    const char *at = base + f->offset;
    bool flag;
    switch (f->type) {
    case VS_FIELD_ORIGIN:
    case VS_FIELD_DETAIL:
    case VS_FIELD_KIND:
    case VS_FIELD_REASON:
    case VS_FIELD_NAME:
    case VS_FIELD_VKEY: return put_text(b, at, f, diag);
    case VS_FIELD_HASH: put_hash(b, at); return VS_OK;
    case VS_FIELD_KEY: put_base64(b, at, VS_H32_BYTES); return VS_OK;
    case VS_FIELD_SIG: put_base64(b, at, 64); return VS_OK;
    case VS_FIELD_BOOL:
        memcpy(&flag, at, sizeof flag);
        vs_buf_text(b, flag ? "true" : "false");
        return VS_OK;
    case VS_FIELD_U32:
    case VS_FIELD_U64:
    case VS_FIELD_MARGIN:
    case VS_FIELD_REAL: return put_number(b, at, f, diag);
    case VS_FIELD_LIST: break;
    }
    VS_ASSERT(!"a list is not a value");
    return VS_ERR_LIMIT;
}

static vs_err put_element(vs_buf *b, const char *at, const vs_field *f, vs_diag *diag)
{
    if (f->element == NULL) {
        uint32_t index;
        memcpy(&index, at, sizeof index);
        vs_buf_printf(b, "%u", (unsigned)index);
        return VS_OK;
    }
    for (size_t i = 0; i < f->n_element; i++) {
        vs_buf_printf(b, "%c\"%s\":", i == 0 ? '{' : ',', f->element[i].name);
        vs_err err = put_value(b, at, &f->element[i], diag);
        if (err != VS_OK) return err;
    }
    vs_buf_u8(b, '}');
    return VS_OK;
}

static vs_err put_list(vs_buf *b, const char *base, const vs_field *f, vs_diag *diag)
{
    uint32_t n;
    uint32_t last = 0;
    memcpy(&n, base + f->count_offset, sizeof n);
    if (n < f->min || n > f->max) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"%s\": %u elements, not %u..%u", f->name,
                       (unsigned)n, (unsigned)f->min, (unsigned)f->max);
    }
    vs_buf_u8(b, '[');
    for (uint32_t i = 0; i < n; i++) {
        const char *at = base + f->offset + i * f->stride;
        uint32_t index;
        memcpy(&index, at, sizeof index); /* the first member of every element */
        if (index <= last || index > VS_ENTRY_SHAREHOLDERS_MAX) {
            return vs_fail(diag, VS_ERR_LIMIT,
                           "member \"%s\": index %u is not in 1..%u or not ascending", f->name,
                           (unsigned)index, VS_ENTRY_SHAREHOLDERS_MAX);
        }
        last = index;
        if (i > 0) vs_buf_u8(b, ',');
        vs_err err = put_element(b, at, f, diag);
        if (err != VS_OK) return err;
    }
    vs_buf_u8(b, ']');
    return VS_OK;
}

static vs_err put_table(vs_buf *b, const void *base, vs_field_table table, bool first,
                        vs_diag *diag)
{
    for (size_t i = 0; i < table.n; i++) {
        const vs_field *f = &table.field[i];
        if (f->optional && vs_field_is_zero(f, (const char *)base + f->offset)) continue;
        vs_buf_printf(b, "%c\"%s\":", first && i == 0 ? '{' : ',', f->name);
        vs_err err =
            f->type == VS_FIELD_LIST ? put_list(b, base, f, diag) : put_value(b, base, f, diag);
        if (err != VS_OK) return err;
    }
    return VS_OK;
}

vs_err vs_entry_encode(vs_buf *payload, const vs_entry *entry, vs_diag *diag)
{
    size_t before = payload->len;
    vs_field_table kind_table = vs_entry_kind_fields(entry->kind);
    vs_err err = put_table(payload, entry, vs_entry_head_fields(), true, diag);
    if (err == VS_OK) err = put_table(payload, &entry->u, kind_table, false, diag);
    if (err == VS_OK) err = vs_entry_check(entry, diag);
    vs_buf_u8(payload, '}');
    if (err == VS_OK && payload->failed) err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    if (err != VS_OK) payload->len = before;
    if (err != VS_OK) vs_diag_prefix(diag, "%s entry", vs_entry_kind_name(entry->kind));
    return err;
}
