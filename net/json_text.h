/* net/json_text.h - JSON text seen as tokens with line numbers.
 *
 * For two jobs that jansson does not do: telling the line of a member in an error message, and
 * reading a small flat object (a key file) without copying its secret into memory that is not
 * ours to wipe. Borrows the text, allocates nothing, recurses never. */
#ifndef VS_NET_JSON_TEXT_H
#define VS_NET_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* One member of a flat object. name and is_string are given; p and len are filled in. */
typedef struct vs_json_member {
    const char *name;
    bool is_string; /* else a whole number >= 0 */
    const char *p;  /* what stands between the quotes, or the digits; borrowed */
    size_t len;
    uint32_t line;
} vs_json_member;

/* Read an object that has exactly these n members, in any order, each a string without escapes or
 * a whole number. VS_ERR_MALFORMED and "<name>: line <i>: ..." otherwise. On error every p is
 * NULL. No value is ever printed. */
VS_MUST_CHECK vs_err vs_json_flat(vs_json_member *members, uint32_t n, const uint8_t *text,
                                  size_t len, const char *name, vs_diag *diag);

/* Line (from 1) where the member or element of this path stands, e.g. "shareholders[2].address":
 * of its name, for an element of its first character. A path that is not there gives the line of
 * the longest part of it that is. The text must be JSON; other text gives some line of it. */
uint32_t vs_json_line(const uint8_t *text, size_t len, const char *path);

#endif /* VS_NET_JSON_TEXT_H */
