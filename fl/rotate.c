#include "fl/rotate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* gcc: off in ISO mode */
#endif

#define SIGNS_PER_STREAM_BLOCK 512u /* bits of a ChaCha20 block */
#define SIGN_BYTES (VS_ROTATE_BLOCK / 8 + 64)

void vs_rotate_block(uint64_t i, uint64_t dim, uint64_t *first, uint32_t *len)
{
    VS_ASSERT(first != NULL && len != NULL && i < dim);
    uint64_t whole = dim / VS_ROTATE_BLOCK * VS_ROTATE_BLOCK;
    if (i < whole) {
        *first = i / VS_ROTATE_BLOCK * VS_ROTATE_BLOCK;
        *len = VS_ROTATE_BLOCK;
        return;
    }
    uint64_t at = whole;
    uint32_t rest = (uint32_t)(dim - whole), size = VS_ROTATE_BLOCK / 2;
    for (;; size /= 2) { /* the bits of rest, highest first; i lies in one of them */
        if ((rest & size) == 0) continue;
        if (i < at + size) break;
        at += size;
    }
    *first = at;
    *len = size;
}

/* Multiply by the signs: the sign bit of a double is flipped, no branch. */
static void apply_signs(double *x, const uint8_t seed[32], uint64_t first, uint32_t len)
{
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES] = {0};
    uint8_t bits[SIGN_BYTES] = {0};
    uint32_t skip = (uint32_t)(first % SIGNS_PER_STREAM_BLOCK);
    size_t n_bytes = (skip + (size_t)len + 7) / 8;
    VS_ASSERT(n_bytes <= sizeof bits);
    VS_ASSERT(crypto_stream_chacha20_xor_ic(bits, bits, n_bytes, nonce,
                                            first / SIGNS_PER_STREAM_BLOCK, seed) == 0);
    for (uint32_t i = 0; i < len; i++) {
        uint64_t word, at = skip + (uint64_t)i;
        memcpy(&word, &x[i], sizeof word);
        word ^= (uint64_t)(bits[at / 8] >> (at % 8) & 1) << 63;
        memcpy(&x[i], &word, sizeof word);
    }
}

/* Unnormalised, in place. */
static void walsh_hadamard(double *x, uint32_t len)
{
    for (uint32_t half = 1; half < len; half *= 2) {
        for (uint32_t start = 0; start < len; start += 2 * half) {
            double *low = x + start, *high = low + half;
            for (uint32_t i = 0; i < half; i++) {
                double a = low[i], b = high[i];
                low[i] = a + b;
                high[i] = a - b;
            }
        }
    }
}

static void transform(double *x, uint32_t len)
{
    VS_ASSERT(x != NULL && len >= 1 && len <= VS_ROTATE_BLOCK && (len & (len - 1)) == 0);
    const double scale = 1.0 / sqrt((double)len);
    /* Scaled first: sums of finite numbers near the largest double stay finite. */
    for (uint32_t i = 0; i < len; i++) x[i] *= scale;
    walsh_hadamard(x, len);
}

void vs_rotate_forward(double *x, const uint8_t seed[32], uint64_t first, uint32_t len)
{
    apply_signs(x, seed, first, len);
    transform(x, len);
}

void vs_rotate_inverse(double *x, const uint8_t seed[32], uint64_t first, uint32_t len)
{
    transform(x, len); /* its own inverse */
    apply_signs(x, seed, first, len);
}

void vs_rotate_inverse_all(double *x, const uint8_t seed[32], uint64_t dim)
{
    for (uint64_t i = 0; i < dim;) {
        uint64_t first;
        uint32_t len;
        vs_rotate_block(i, dim, &first, &len);
        vs_rotate_inverse(x + first, seed, first, len);
        i = first + len;
    }
}

/* --- a view --------------------------------------------------------------------------------------
 */

struct vs_rotated {
    uint8_t seed[32];
    const double *x; /* borrowed */
    uint64_t dim;
    uint64_t first; /* of the block in memory */
    uint32_t len;   /* 0: none yet */
    double block[VS_ROTATE_BLOCK];
};

vs_err vs_rotated_new(vs_rotated **out, const uint8_t seed[32], const double *x, uint64_t dim)
{
    VS_ASSERT(out != NULL && seed != NULL && x != NULL);
    vs_rotated *r = malloc(sizeof *r);
    *out = r;
    if (r == NULL) return VS_ERR_NOMEM;
    memcpy(r->seed, seed, sizeof r->seed);
    r->x = x;
    r->dim = dim;
    r->first = 0;
    r->len = 0;
    return VS_OK;
}

void vs_rotated_free(vs_rotated *r)
{
    if (r == NULL) return;
    sodium_memzero(r, sizeof *r);
    free(r);
}

const double *vs_rotated_read(vs_rotated *r, uint64_t first, size_t count, size_t *n)
{
    VS_ASSERT(r != NULL && n != NULL && first < r->dim);
    if (first < r->first || first - r->first >= r->len) {
        vs_rotate_block(first, r->dim, &r->first, &r->len);
        memcpy(r->block, r->x + r->first, r->len * sizeof *r->block);
        vs_rotate_forward(r->block, r->seed, r->first, r->len);
    }
    uint64_t at = first - r->first, left = r->len - at;
    *n = left < count ? (size_t)left : count;
    return r->block + at;
}
