/* ledger/entry_fields.h - inside ledger/ only: the members of each payload as tables, so that
 * encoder and decoder cannot disagree on names, order or bounds. */
#ifndef VS_LEDGER_ENTRY_FIELDS_H
#define VS_LEDGER_ENTRY_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/entry.h"

typedef enum vs_field_type {
    VS_FIELD_ORIGIN, /* char[]: a key name */
    VS_FIELD_DETAIL, /* char[]: UTF-8, at most max bytes */
    VS_FIELD_KIND,   /* vs_entry_kind */
    VS_FIELD_REASON, /* vs_abort_reason */
    VS_FIELD_NAME,   /* an enum of min..max, by its name in names[] */
    VS_FIELD_HASH,   /* vs_h32, hex */
    VS_FIELD_KEY,    /* vs_h32, base64 */
    VS_FIELD_SIG,    /* uint8_t[64], base64 */
    VS_FIELD_VKEY,   /* vs_note_key of type 0x01 */
    VS_FIELD_U32,    /* min..max */
    VS_FIELD_U64,
    VS_FIELD_MARGIN, /* int32_t, -128..128 */
    VS_FIELD_BOOL,
    VS_FIELD_REAL, /* double, finite, >= 0; > 0 when min is 1 */
    VS_FIELD_LIST, /* min..max elements, ascending index; without `element` plain indices */
} vs_field_type;

typedef struct vs_field {
    const char *name;
    vs_field_type type;
    size_t offset; /* in the struct that the table describes */
    uint64_t min, max;
    bool optional;                  /* BOOL, U32, U64, REAL: left out where it is 0 or false */
    size_t count_offset;            /* LIST: of its uint32_t n_x */
    size_t stride;                  /* LIST: bytes of one element */
    const struct vs_field *element; /* LIST: the first is the index */
    size_t n_element;
    const char *const *names; /* NAME */
} vs_field;

typedef struct vs_field_table {
    const vs_field *field;
    size_t n;
} vs_field_table;

/* The members that every payload begins with (offsets in vs_entry). */
vs_field_table vs_entry_head_fields(void);
/* The members of a kind (offsets in vs_entry.u). */
vs_field_table vs_entry_kind_fields(vs_entry_kind kind);
VS_MUST_CHECK vs_err vs_abort_reason_parse(vs_abort_reason *out, const char *name);
/* The member at `at` is 0 or false. Optional members only. */
bool vs_field_is_zero(const vs_field *f, const char *at);
/* Rules between members; every member alone was checked before. Names the member. */
VS_MUST_CHECK vs_err vs_entry_check(const vs_entry *entry, vs_diag *diag);

#endif /* VS_LEDGER_ENTRY_FIELDS_H */
