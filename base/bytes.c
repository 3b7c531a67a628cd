#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

bool vs_h32_equal(const vs_h32 *a, const vs_h32 *b)
{
    return sodium_memcmp(a->b, b->b, sizeof a->b) == 0;
}

int vs_h32_compare_vartime(const vs_h32 *a, const vs_h32 *b)
{
    return memcmp(a->b, b->b, sizeof a->b);
}

bool vs_h32_is_zero(const vs_h32 *a)
{
    return sodium_is_zero(a->b, sizeof a->b) == 1;
}

vs_reader vs_reader_of(const void *data, size_t len)
{
    return (vs_reader){.next = data, .left = len, .bad = false};
}

const uint8_t *vs_read_bytes(vs_reader *r, size_t len)
{
    if (r->bad || len > r->left) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *at = r->next;
    if (len != 0) r->next += len;
    r->left -= len;
    return at;
}

uint8_t vs_read_u8(vs_reader *r)
{
    const uint8_t *at = vs_read_bytes(r, 1);
    return r->bad ? 0 : at[0];
}

uint32_t vs_read_u32(vs_reader *r)
{
    const uint8_t *at = vs_read_bytes(r, 4);
    return r->bad ? 0 : vs_load_le32(at);
}

uint64_t vs_read_u64(vs_reader *r)
{
    const uint8_t *at = vs_read_bytes(r, 8);
    return r->bad ? 0 : vs_load_le64(at);
}

void vs_read_h32(vs_reader *r, vs_h32 *out)
{
    const uint8_t *at = vs_read_bytes(r, VS_H32_BYTES);
    if (r->bad) {
        memset(out, 0, sizeof *out);
        return;
    }
    memcpy(out->b, at, VS_H32_BYTES);
}

void vs_read_label(vs_reader *r, const char *label)
{
    size_t len = strlen(label) + 1;
    const uint8_t *at = vs_read_bytes(r, len);
    if (at == NULL || memcmp(at, label, len) != 0) r->bad = true;
}

bool vs_reader_done(const vs_reader *r)
{
    return !r->bad && r->left == 0;
}

uint8_t *vs_buf_extend(vs_buf *b, size_t len)
{
    if (b->failed) return NULL;
    if (len > SIZE_MAX / 2 - b->len) {
        b->failed = true;
        return NULL;
    }
    size_t need = b->len + len;
    if (need > b->cap || b->p == NULL) {
        size_t cap = b->cap < 64 ? 64 : b->cap;
        while (cap < need) cap *= 2;
        /* Not realloc: a buffer may hold a secret, and realloc leaves the old copy behind. */
        uint8_t *grown = malloc(cap);
        if (grown == NULL) {
            b->failed = true;
            return NULL;
        }
        if (b->p != NULL) {
            memcpy(grown, b->p, b->len);
            sodium_memzero(b->p, b->len);
            free(b->p);
        }
        b->p = grown;
        b->cap = cap;
    }
    uint8_t *at = b->p + b->len;
    b->len = need;
    return at;
}

void vs_buf_bytes(vs_buf *b, const void *data, size_t len)
{
    uint8_t *at = vs_buf_extend(b, len);
    if (at != NULL && len != 0) memcpy(at, data, len);
}

void vs_buf_u8(vs_buf *b, uint8_t v)
{
    vs_buf_bytes(b, &v, 1);
}

void vs_buf_u32(vs_buf *b, uint32_t v)
{
    uint8_t le[4];
    vs_store_le32(le, v);
    vs_buf_bytes(b, le, sizeof le);
}

void vs_buf_u64(vs_buf *b, uint64_t v)
{
    uint8_t le[8];
    vs_store_le64(le, v);
    vs_buf_bytes(b, le, sizeof le);
}

void vs_buf_h32(vs_buf *b, const vs_h32 *v)
{
    vs_buf_bytes(b, v->b, sizeof v->b);
}

void vs_buf_label(vs_buf *b, const char *label)
{
    vs_buf_bytes(b, label, strlen(label) + 1);
}

void vs_buf_text(vs_buf *b, const char *text)
{
    vs_buf_bytes(b, text, strlen(text));
}

void vs_buf_printf(vs_buf *b, const char *fmt, ...)
{
    va_list args;
    va_list again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) {
        b->failed = true;
    } else {
        uint8_t *at = vs_buf_extend(b, (size_t)len + 1);
        if (at != NULL) {
            (void)vsnprintf((char *)at, (size_t)len + 1, fmt, again);
            b->len--; /* drop the final zero */
        }
    }
    va_end(again);
}

vs_err vs_buf_check(const vs_buf *b)
{
    return b->failed ? VS_ERR_NOMEM : VS_OK;
}

void vs_buf_reset(vs_buf *b)
{
    b->len = 0;
}

void vs_buf_free(vs_buf *b)
{
    free(b->p);
    *b = (vs_buf){0};
}

void vs_buf_free_secret(vs_buf *b)
{
    if (b->p != NULL) sodium_memzero(b->p, b->cap);
    vs_buf_free(b);
}

void vs_hex_encode(char *out, const void *data, size_t len)
{
    (void)sodium_bin2hex(out, VS_HEX_CHARS(len), data, len);
}

vs_err vs_hex_decode(uint8_t *out, size_t len, const char *text)
{
    size_t got = 0;
    if (strlen(text) != 2 * len) return VS_ERR_MALFORMED;
    if (sodium_hex2bin(out, len, text, 2 * len, NULL, &got, NULL) != 0 || got != len) {
        return VS_ERR_MALFORMED;
    }
    return VS_OK;
}

void vs_base64_encode(char *out, const void *data, size_t len)
{
    (void)sodium_bin2base64(out, VS_BASE64_CHARS(len), data, len, sodium_base64_VARIANT_ORIGINAL);
}

vs_err vs_base64_decode(uint8_t *out, size_t cap, size_t *out_len, const char *text,
                        size_t text_len)
{
    const char *end = NULL;
    unsigned char any = 0;
    if (text_len % 4 != 0) return VS_ERR_MALFORMED;
    /* libsodium 1.0.18 takes some bytes from 0x80 up for digits (its char is signed). */
    for (size_t i = 0; i < text_len; i++) any |= (unsigned char)text[i];
    if (any >= 0x80) return VS_ERR_MALFORMED;
    if (sodium_base642bin(out, cap, text, text_len, NULL, out_len, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        end != text + text_len) {
        return VS_ERR_MALFORMED;
    }
    return VS_OK;
}
