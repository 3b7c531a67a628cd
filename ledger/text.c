#include "ledger/text.h"

#include <string.h>

#include "ledger/note.h"

/* Decode one code point. Returns its length in bytes, 0 if it is not UTF-8. */
static size_t next_code_point(const uint8_t *p, size_t left, uint32_t *out)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (p[0] < 0x80) {
        *out = p[0];
        return 1;
    }
    size_t len = p[0] >= 0xf0 ? 4 : (p[0] >= 0xe0 ? 3 : 2);
    if (p[0] < 0xc2 || p[0] > 0xf4 || len > left) return 0;
    uint32_t c = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        c = (c << 6) | (p[i] & 0x3fu);
    }
    bool surrogate = c >= 0xd800 && c <= 0xdfff;
    if (c < smallest[len] || c > 0x10ffff || surrogate) return 0;
    *out = c;
    return len;
}

bool vs_text_ok(const void *text, size_t len, bool allow_lf)
{
    const uint8_t *p = text;
    while (len > 0) {
        uint32_t c;
        size_t n = next_code_point(p, len, &c);
        if (n == 0 || (c < 0x20 && !(c == '\n' && allow_lf))) return false;
        p += n;
        len -= n;
    }
    return true;
}

/* Unicode property White_Space, above the ASCII controls. */
static bool is_space(uint32_t c)
{
    return c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool vs_text_name_ok(const void *name, size_t len)
{
    const uint8_t *p = name;
    if (len == 0 || len > VS_NOTE_NAME_MAX) return false;
    while (len > 0) {
        uint32_t c;
        size_t n = next_code_point(p, len, &c);
        if (n == 0 || c < 0x20 || c == '+' || is_space(c)) return false;
        p += n;
        len -= n;
    }
    return true;
}

bool vs_text_decimal(uint64_t *out, const char *text, size_t len)
{
    uint64_t v = 0;
    if (len == 0 || len > 19 || (text[0] == '0' && len > 1)) return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        v = v * 10 + (uint64_t)(text[i] - '0'); /* 19 digits fit in 64 bits */
    }
    if (v > (uint64_t)INT64_MAX) return false;
    *out = v;
    return true;
}

bool vs_lines_next(vs_lines *lines, const char **line, size_t *len)
{
    const char *lf = lines->left == 0 ? NULL : memchr(lines->next, '\n', lines->left);
    if (lf == NULL) return false;
    *line = lines->next;
    *len = (size_t)(lf - lines->next);
    lines->next = lf + 1;
    lines->left -= *len + 1;
    return true;
}
