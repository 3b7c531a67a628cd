/* mpc/kernels_avx2.h - F_p on 4 lanes of 64 bits. Included by kernels_avx2*.c only.
 *
 * "Canonical" is below p = 2^61 - 1. AVX2 has no 64-bit minimum and multiplies 32 by 32 bits, so
 * a reduction is a compare and a choice, and products are made of limbs. Columns beyond a multiple
 * of 4 are left to the portable table. */
#ifndef VS_MPC_KERNELS_AVX2_H
#define VS_MPC_KERNELS_AVX2_H

#include <immintrin.h>

#include "mpc/kernels.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef __m256i v4; /* 4 elements */
enum { V4_LANES = 4 };

void vs_avx2_share(const vs_sharing *s, const vs_share_work *w);
/* The committees that have loops of their own, with seed shares drawn or (draw = NULL) given. */
bool vs_avx2_knows(const vs_sharing *s);
uint64_t vs_avx2_share_drawn(const vs_sharing *s, const vs_share_work *w,
                             const vs_share_draw *draw);
void vs_avx2_finish(void);
void vs_avx2_aes_key(vs_aes_key *key, const uint8_t seed[VS_SEED_BYTES]);
void vs_avx2_words(const vs_aes_key *key, const vs_ctr *ctr, uint64_t *out, size_t n);
uint64_t vs_avx2_elements(const vs_aes_key *key, const vs_ctr *ctr, vs_fe *out, size_t n);

INLINE v4 v4_set(uint64_t v)
{
    return _mm256_set1_epi64x((long long)v);
}

INLINE v4 v4_p(void)
{
    return v4_set(VS_FE_P);
}

INLINE v4 v4_load(const void *x)
{
    return _mm256_loadu_si256(x);
}

INLINE void v4_store(void *x, v4 v)
{
    _mm256_storeu_si256(x, v);
}

/* x < 2p to canonical. (A blend by the sign of x - p costs one operation more.) */
INLINE v4 v4_reduce_once(v4 x)
{
    v4 above = _mm256_cmpgt_epi64(x, v4_set(VS_FE_P - 1));
    return _mm256_sub_epi64(x, _mm256_and_si256(above, v4_p()));
}

INLINE v4 v4_add(v4 a, v4 b)
{
    return v4_reduce_once(_mm256_add_epi64(a, b));
}

INLINE v4 v4_sub(v4 a, v4 b)
{
    v4 d = _mm256_sub_epi64(a, b);
    v4 below = _mm256_cmpgt_epi64(b, a);
    return _mm256_add_epi64(d, _mm256_and_si256(below, v4_p()));
}

/* Any 64-bit x to at most p + 7. */
INLINE v4 v4_fold(v4 x)
{
    return _mm256_add_epi64(_mm256_and_si256(x, v4_p()), _mm256_srli_epi64(x, 61));
}

INLINE v4 v4_reduce(v4 x)
{
    return v4_reduce_once(v4_fold(x));
}

/* 2^s x mod p, for x < 2^63 and 12 <= s <= 52: at most 2^61 + 2^54. */
INLINE v4 v4_shift(v4 x, int s)
{
    v4 low = _mm256_slli_epi64(_mm256_and_si256(x, v4_set((UINT64_C(1) << (61 - s)) - 1)), s);
    return _mm256_add_epi64(low, _mm256_srli_epi64(x, 61 - s));
}

/* --- sums of products ---------------------------------------------------------------------------
 *
 * x = x0 + 2^31 x1 (31 and 30 bits), c = c0 + 2^21 c1 + 2^42 c2 (21, 21 and 19 bits): every
 * product of limbs is below 2^52, so 1,024 of them stay below 2^62. */
#define V4_SUM_PRODUCTS 1024u

typedef struct v4_sum {
    v4 d[6]; /* weights 2^0, 2^31, 2^21, 2^52, 2^42, 2^73 = 2^12 */
} v4_sum;

typedef struct v4_x {
    v4 x0, x1;
} v4_x;

typedef struct v4_c {
    v4 c0, c1, c2;
} v4_c;

INLINE v4_sum v4_sum_zero(void)
{
    v4 z = _mm256_setzero_si256();
    return (v4_sum){{z, z, z, z, z, z}};
}

INLINE v4_x v4_x_of(v4 x)
{
    return (v4_x){_mm256_and_si256(x, v4_set((UINT64_C(1) << 31) - 1)), _mm256_srli_epi64(x, 31)};
}

INLINE v4_c v4_c_of(v4 c)
{
    const v4 mask = v4_set((1u << 21) - 1);
    return (v4_c){_mm256_and_si256(c, mask), _mm256_and_si256(_mm256_srli_epi64(c, 21), mask),
                  _mm256_srli_epi64(c, 42)};
}

/* s + x*c. */
INLINE v4_sum v4_sum_add(v4_sum s, v4_x x, v4_c c)
{
    s.d[0] = _mm256_add_epi64(s.d[0], _mm256_mul_epu32(x.x0, c.c0));
    s.d[1] = _mm256_add_epi64(s.d[1], _mm256_mul_epu32(x.x1, c.c0));
    s.d[2] = _mm256_add_epi64(s.d[2], _mm256_mul_epu32(x.x0, c.c1));
    s.d[3] = _mm256_add_epi64(s.d[3], _mm256_mul_epu32(x.x1, c.c1));
    s.d[4] = _mm256_add_epi64(s.d[4], _mm256_mul_epu32(x.x0, c.c2));
    s.d[5] = _mm256_add_epi64(s.d[5], _mm256_mul_epu32(x.x1, c.c2));
    return s;
}

/* Six terms of at most 2^61 + 2^54 add to less than 2^64. */
INLINE v4 v4_sum_reduce(v4_sum s)
{
    v4 a = _mm256_add_epi64(v4_fold(s.d[0]), v4_shift(s.d[1], 31));
    v4 b = _mm256_add_epi64(v4_shift(s.d[2], 21), v4_shift(s.d[3], 52));
    v4 c = _mm256_add_epi64(v4_shift(s.d[4], 42), v4_shift(s.d[5], 12));
    return v4_reduce(_mm256_add_epi64(_mm256_add_epi64(a, b), c));
}

#endif /* VS_MPC_KERNELS_AVX2_H */
