/* base/bytes.h - 32-byte ids, little-endian integers, bounded readers and writers,
 * growable buffers, hex and base64.
 *
 * Every layout that we hash or sign is read and written here: a reader never runs past
 * its end, and vs_reader_done refuses leftovers. */
#ifndef VS_BASE_BYTES_H
#define VS_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A hash, an id, a public key: 32 public bytes. */
#define VS_H32_BYTES 32u
typedef struct vs_h32 {
    uint8_t b[VS_H32_BYTES];
} vs_h32;

/* True iff equal. Constant time. */
bool vs_h32_equal(const vs_h32 *a, const vs_h32 *b);
/* Order of the bytes, for sorting public ids; <0, 0, >0 like memcmp. Variable time. */
int vs_h32_compare_vartime(const vs_h32 *a, const vs_h32 *b);
bool vs_h32_is_zero(const vs_h32 *a);

/* Written out byte by byte: gcc 12 at -O2 makes one load or store of this, but not of a loop. */
static inline void vs_store_le32(uint8_t out[4], uint32_t v)
{
    out[0] = (uint8_t)v;
    out[1] = (uint8_t)(v >> 8);
    out[2] = (uint8_t)(v >> 16);
    out[3] = (uint8_t)(v >> 24);
}

static inline void vs_store_le64(uint8_t out[8], uint64_t v)
{
    out[0] = (uint8_t)v;
    out[1] = (uint8_t)(v >> 8);
    out[2] = (uint8_t)(v >> 16);
    out[3] = (uint8_t)(v >> 24);
    out[4] = (uint8_t)(v >> 32);
    out[5] = (uint8_t)(v >> 40);
    out[6] = (uint8_t)(v >> 48);
    out[7] = (uint8_t)(v >> 56);
}

static inline uint32_t vs_load_le32(const uint8_t in[4])
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static inline uint64_t vs_load_le64(const uint8_t in[8])
{
    return (uint64_t)in[0] | (uint64_t)in[1] << 8 | (uint64_t)in[2] << 16 | (uint64_t)in[3] << 24 |
           (uint64_t)in[4] << 32 | (uint64_t)in[5] << 40 | (uint64_t)in[6] << 48 |
           (uint64_t)in[7] << 56;
}

static inline void vs_store_be64(uint8_t out[8], uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) out[i] = (uint8_t)(v >> (56 - 8 * i));
}

static inline uint64_t vs_load_be64(const uint8_t in[8])
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++) v = (v << 8) | in[i];
    return v;
}

/* --- bounded reader over borrowed bytes ------------------------------------------- */

typedef struct vs_reader {
    const uint8_t *next;
    size_t left; /* bytes not read yet */
    bool bad;    /* set by the first read past the end or wrong label; sticky */
} vs_reader;

vs_reader vs_reader_of(const void *data, size_t len);
/* After a failed read these give 0, zero bytes or NULL; check vs_reader_done once at the end. */
uint8_t vs_read_u8(vs_reader *r);
uint32_t vs_read_u32(vs_reader *r);
uint64_t vs_read_u64(vs_reader *r);
void vs_read_h32(vs_reader *r, vs_h32 *out);
/* Borrow len bytes in place, or NULL and bad. */
const uint8_t *vs_read_bytes(vs_reader *r, size_t len);
/* The label's ASCII bytes and one zero byte must come next, else bad. */
void vs_read_label(vs_reader *r, const char *label);
/* True iff no read failed and nothing is left over. */
bool vs_reader_done(const vs_reader *r);

/* --- growable buffer ---------------------------------------------------------------- */

/* Owns p. Zero-initialise to start; vs_buf_free releases. Out of memory is recorded in
 * `failed` and every later append is a no-op, so that a run of appends is checked once. */
typedef struct vs_buf {
    uint8_t *p;
    size_t len;
    size_t cap;
    bool failed;
} vs_buf;

void vs_buf_bytes(vs_buf *b, const void *data, size_t len);
void vs_buf_u8(vs_buf *b, uint8_t v);
void vs_buf_u32(vs_buf *b, uint32_t v);
void vs_buf_u64(vs_buf *b, uint64_t v);
void vs_buf_h32(vs_buf *b, const vs_h32 *v);
void vs_buf_label(vs_buf *b, const char *label); /* ASCII bytes and one zero byte */
void vs_buf_text(vs_buf *b, const char *text);   /* without the final zero */
void vs_buf_printf(vs_buf *b, const char *fmt, ...) VS_PRINTF(2, 3);
/* Append len uninitialised bytes and return where they start, or NULL when out of memory. */
uint8_t *vs_buf_extend(vs_buf *b, size_t len);
/* VS_OK, or VS_ERR_NOMEM if any append failed. */
VS_MUST_CHECK vs_err vs_buf_check(const vs_buf *b);
void vs_buf_reset(vs_buf *b); /* length 0, keeps the memory */
void vs_buf_free(vs_buf *b);
void vs_buf_free_secret(vs_buf *b); /* wipes first */

/* --- text forms ----------------------------------------------------------------------- */

#define VS_HEX_CHARS(len) (2 * (len) + 1)              /* with the final zero */
#define VS_BASE64_CHARS(len) (((len) + 2) / 3 * 4 + 1) /* with the final zero */

/* Lower-case hex; out holds VS_HEX_CHARS(len). */
void vs_hex_encode(char *out, const void *data, size_t len);
/* Exactly 2*len hex digits (either case), nothing else. VS_ERR_MALFORMED otherwise. */
VS_MUST_CHECK vs_err vs_hex_decode(uint8_t *out, size_t len, const char *text);
/* RFC 4648 section 4 with padding; out holds VS_BASE64_CHARS(len). */
void vs_base64_encode(char *out, const void *data, size_t len);
/* Strict: canonical padding and trailing bits, no white space. text_len chars are read, at
 * most cap bytes written. VS_ERR_MALFORMED otherwise. */
VS_MUST_CHECK vs_err vs_base64_decode(uint8_t *out, size_t cap, size_t *out_len, const char *text,
                                      size_t text_len);

#endif /* VS_BASE_BYTES_H */
