/* ledger/text.h - text rules that notes, checkpoints, receipts and payloads share: UTF-8, key
 * names, canonical decimals, lines. Nothing here allocates or keeps a pointer. */
#ifndef VS_LEDGER_TEXT_H
#define VS_LEDGER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Valid UTF-8 (no overlong forms, no surrogates) without ASCII control characters other than LF,
 * and without LF unless allow_lf. */
bool vs_text_ok(const void *text, size_t len, bool allow_lf);
/* A key name: 1..255 bytes of such text without '+' and Unicode white space. */
bool vs_text_name_ok(const void *name, size_t len);
/* ASCII decimal below 2^63 without sign or leading zeros; false otherwise. */
bool vs_text_decimal(uint64_t *out, const char *text, size_t len);

/* Borrowed text that is read line by line. */
typedef struct vs_lines {
    const char *next;
    size_t left; /* bytes */
} vs_lines;
/* The next line without its LF; false at the end or when what is left has no LF. */
bool vs_lines_next(vs_lines *lines, const char **line, size_t *len);

#endif /* VS_LEDGER_TEXT_H */
