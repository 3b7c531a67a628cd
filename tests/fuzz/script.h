/* tests/fuzz/script.h - what several fuzz targets do with a message or a file that was good: some
 * bytes changed, cut or added, as the input says. */
#ifndef VS_TESTS_FUZZ_SCRIPT_H
#define VS_TESTS_FUZZ_SCRIPT_H

#include "base/bytes.h"

/* Replace `cut` bytes at `at` by `len` bytes of the input. */
static inline void fuzz_splice(vs_buf *b, size_t at, size_t cut, size_t len, vs_reader *in)
{
    vs_buf tail = {0};
    if (at > b->len) at = b->len;
    if (cut > b->len - at) cut = b->len - at;
    if (len > in->left) len = in->left;
    vs_buf_bytes(&tail, b->p == NULL ? (const uint8_t *)"" : b->p + at + cut, b->len - at - cut);
    b->len = at;
    vs_buf_bytes(b, vs_read_bytes(in, len), len);
    vs_buf_bytes(b, tail.len == 0 ? (const uint8_t *)"" : tail.p, tail.len);
    vs_buf_free(&tail);
}

/* Up to seven changes. False: nothing was tried. */
static inline bool fuzz_damage(vs_buf *b, vs_reader *in)
{
    uint8_t n = vs_read_u8(in) % 8;
    for (uint8_t i = 0; i < n; i++) {
        size_t at = vs_read_u32(in);
        uint8_t how = vs_read_u8(in);
        if (b->len > 0) at %= b->len;
        if (how < 128 && b->len > 0) {
            b->p[at] ^= how + 1;
        } else if (how < 224) {
            fuzz_splice(b, at, how % 4, how / 4 % 8, in);
        } else {
            fuzz_splice(b, at, vs_read_u32(in), 0, in);
        }
    }
    return n > 0;
}

/* A message whose head has the given 32 bytes in front and then the input's, and the input's body.
 */
static inline void fuzz_make_up(vs_buf *msg, const vs_h32 *federation_id, vs_reader *in)
{
    uint32_t head = vs_read_u8(in), body = (uint32_t)vs_read_u8(in) << 4;
    if (head > in->left) head = (uint32_t)in->left;
    vs_buf_u32(msg, (federation_id != NULL ? 34 : 0) + head);
    if (federation_id != NULL) {
        vs_buf_u8(msg, 0x0a);
        vs_buf_u8(msg, 32);
        vs_buf_h32(msg, federation_id);
    }
    vs_buf_bytes(msg, vs_read_bytes(in, head), head);
    if (body > in->left) body = (uint32_t)in->left;
    vs_buf_bytes(msg, vs_read_bytes(in, body), body);
}

#endif /* VS_TESTS_FUZZ_SCRIPT_H */
