/* mpc/field.h - integers mod the Mersenne prime p = 2^61 - 1, and F_{p^2} = F_p[i]/(i^2 + 1).
 *
 * Constant time throughout. VS_FIELD_BITS can be set to 3 or 5 (p = 7, 31; both Mersenne and
 * 3 mod 4 like the real one) to run the very same code over a prime small enough to test
 * every polynomial and every subset; only tests do that. */
#ifndef VS_MPC_FIELD_H
#define VS_MPC_FIELD_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/ct.h"
#include "base/err.h"

#ifndef VS_FIELD_BITS
#define VS_FIELD_BITS 61
#endif

#define VS_FE_BYTES 8u
#define VS_FE_P ((UINT64_C(1) << VS_FIELD_BITS) - 1)

__extension__ typedef unsigned __int128 vs_u128; /* ISO C has no such type; gcc and clang do */

typedef struct vs_fe {
    uint64_t v; /* canonical: v < VS_FE_P */
} vs_fe;

/* x < 2p to canonical. */
static inline vs_fe vs_fe_reduce_once(uint64_t x)
{
    uint64_t d = x - VS_FE_P; /* top bit set iff x < p */
    return (vs_fe){d + (VS_FE_P & (0u - (vs_ct_barrier(d) >> 63)))};
}

static inline vs_fe vs_fe_add(vs_fe a, vs_fe b)
{
    VS_VERIFY_CHECK(a.v < VS_FE_P && b.v < VS_FE_P);
    return vs_fe_reduce_once(a.v + b.v);
}

static inline vs_fe vs_fe_sub(vs_fe a, vs_fe b)
{
    VS_VERIFY_CHECK(a.v < VS_FE_P && b.v < VS_FE_P);
    return vs_fe_reduce_once(a.v + VS_FE_P - b.v);
}

static inline vs_fe vs_fe_neg(vs_fe a)
{
    return vs_fe_sub((vs_fe){0}, a);
}

/* Any 128-bit product of two values below 2^61 (2^VS_FIELD_BITS) to canonical: fold twice. */
static inline vs_fe vs_fe_reduce_wide(vs_u128 x)
{
    uint64_t folded = (uint64_t)(x & VS_FE_P) + (uint64_t)(x >> VS_FIELD_BITS);
    return vs_fe_reduce_once(folded);
}

static inline vs_fe vs_fe_mul(vs_fe a, vs_fe b)
{
    VS_VERIFY_CHECK(a.v < VS_FE_P && b.v < VS_FE_P);
    return vs_fe_reduce_wide((vs_u128)a.v * b.v);
}

/* The integer v mod p, any v. */
vs_fe vs_fe_of_u64(uint64_t v);
/* 1 / a by Fermat (fixed exponent); 0 for a = 0. */
vs_fe vs_fe_inv(vs_fe a);

/* Encode to / decode from 8 little-endian bytes. Decode returns 0 if canonical, else 1 and
 * *r = 0; OR the results of many and look once. */
static inline void vs_fe_encode(uint8_t out[VS_FE_BYTES], vs_fe a)
{
    vs_store_le64(out, a.v);
}

static inline uint64_t vs_fe_decode(vs_fe *r, const uint8_t in[VS_FE_BYTES])
{
    uint64_t v = vs_load_le64(in);
    uint64_t ok = vs_ct_mask(v ^ VS_FE_P) & ~vs_ct_mask(v >> VS_FIELD_BITS);
    r->v = v & ok;
    return ~ok & 1;
}

/* Arrays: n elements from / to 8n bytes. vs_fe_decode_many: VS_ERR_MALFORMED if any element is
 * not canonical (out is then unspecified but canonical); the time does not tell which. */
void vs_fe_encode_many(uint8_t *out, const vs_fe *in, size_t n);
/* The 8n bytes of n elements: x itself where memory is the encoding, else encoded to scratch. */
const uint8_t *vs_fe_bytes(const vs_fe *x, size_t n, uint8_t *scratch);
VS_MUST_CHECK vs_err vs_fe_decode_many(vs_fe *out, const uint8_t *in, size_t n);
/* acc[i] += x[i]; acc[i] -= x[i]. */
void vs_fe_add_many(vs_fe *acc, const vs_fe *x, size_t n);
void vs_fe_sub_many(vs_fe *acc, const vs_fe *x, size_t n);
/* acc[i] += rows[0][i] + rows[1][i] + ...: several rows per pass over acc. */
void vs_fe_add_rows(vs_fe *acc, const vs_fe *const *rows, uint32_t n_rows, size_t n);

/* --- F_{p^2} ------------------------------------------------------------------------------ */

#define VS_FE2_BYTES 16u /* re, im */
typedef struct vs_fe2 {
    vs_fe re, im;
} vs_fe2;

static inline vs_fe2 vs_fe2_add(vs_fe2 a, vs_fe2 b)
{
    return (vs_fe2){vs_fe_add(a.re, b.re), vs_fe_add(a.im, b.im)};
}

static inline vs_fe2 vs_fe2_sub(vs_fe2 a, vs_fe2 b)
{
    return (vs_fe2){vs_fe_sub(a.re, b.re), vs_fe_sub(a.im, b.im)};
}

static inline vs_fe2 vs_fe2_mul(vs_fe2 a, vs_fe2 b)
{
    return (vs_fe2){vs_fe_sub(vs_fe_mul(a.re, b.re), vs_fe_mul(a.im, b.im)),
                    vs_fe_add(vs_fe_mul(a.re, b.im), vs_fe_mul(a.im, b.re))};
}

/* a times an element of the base field. */
static inline vs_fe2 vs_fe2_scale(vs_fe2 a, vs_fe s)
{
    return (vs_fe2){vs_fe_mul(a.re, s), vs_fe_mul(a.im, s)};
}

/* 1 / a = conj(a) / (re^2 + im^2); 0 for a = 0. */
vs_fe2 vs_fe2_inv(vs_fe2 a);
static inline uint64_t vs_fe2_equal(vs_fe2 a, vs_fe2 b) /* 1 or 0, constant time */
{
    return ~vs_ct_mask((a.re.v ^ b.re.v) | (a.im.v ^ b.im.v)) & 1;
}

#endif /* VS_MPC_FIELD_H */
