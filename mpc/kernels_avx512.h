/* mpc/kernels_avx512.h - F_p on 8 lanes of 64 bits. Included by kernels_avx512*.c only.
 *
 * "Canonical" is below p = 2^61 - 1. IFMA multiplies the low 52 bits of its operands and adds the
 * low or the high 52 bits of the product to a 64-bit lane, so 4,096 results add up without
 * overflow. */
#ifndef VS_MPC_KERNELS_AVX512_H
#define VS_MPC_KERNELS_AVX512_H

#include <immintrin.h>

#include "mpc/kernels.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef __m512i v8; /* 8 elements */
enum { V8_LANES = 8 };

void vs_avx512_share(const vs_sharing *s, const vs_share_work *w);
bool vs_avx512_draws(const vs_sharing *s);
uint64_t vs_avx512_share_drawn(const vs_sharing *s, const vs_share_work *w,
                               const vs_share_draw *draw);
void vs_avx512_finish(void);
void vs_avx512_combine(vs_fe *out, const vs_fe *coef, const vs_fe *const *rows, uint32_t n_rows,
                       size_t first, size_t cols);
vs_fe2 vs_avx512_inner(const vs_powers *rho, const vs_fe *x, size_t n);
vs_fe2 vs_avx512_add_inner(vs_fe *acc, const vs_powers *rho, const vs_fe *x, size_t n);
void vs_avx512_aes_key(vs_aes_key *key, const uint8_t seed[VS_SEED_BYTES]);
void vs_avx512_words(const vs_aes_key *key, const vs_ctr *ctr, uint64_t *out, size_t n);
uint64_t vs_avx512_elements(const vs_aes_key *key, const vs_ctr *ctr, vs_fe *out, size_t n);

INLINE v8 v8_set(uint64_t v)
{
    return _mm512_set1_epi64((long long)v);
}

INLINE v8 v8_p(void)
{
    return v8_set(VS_FE_P);
}

/* The first n lanes, n <= 8. */
INLINE __mmask8 v8_first(size_t n)
{
    return (__mmask8)((1u << n) - 1);
}

/* Lanes outside the mask are neither read nor written. */
INLINE v8 v8_load(const vs_fe *x, __mmask8 m)
{
    return _mm512_maskz_loadu_epi64(m, x);
}

INLINE void v8_store(vs_fe *x, __mmask8 m, v8 v)
{
    _mm512_mask_storeu_epi64(x, m, v);
}

/* x < 2p to canonical: if x < p, then x - p wraps and is the larger one. Minimum, like AES, has
 * one execution port and comparison the other: V8_BESIDE_AES is for what is mixed with AES. */
INLINE v8 v8_reduce_once(v8 x)
{
#ifdef V8_BESIDE_AES
    return _mm512_mask_sub_epi64(x, _mm512_cmpge_epu64_mask(x, v8_p()), x, v8_p());
#else
    return _mm512_min_epu64(x, _mm512_sub_epi64(x, v8_p()));
#endif
}

INLINE v8 v8_add(v8 a, v8 b)
{
    return v8_reduce_once(_mm512_add_epi64(a, b));
}

INLINE v8 v8_sub(v8 a, v8 b)
{
    v8 d = _mm512_sub_epi64(a, b); /* wraps if a < b: then d + p is the smaller one */
#ifdef V8_BESIDE_AES
    return _mm512_mask_add_epi64(d, _mm512_cmplt_epu64_mask(a, b), d, v8_p());
#else
    return _mm512_min_epu64(d, _mm512_add_epi64(d, v8_p()));
#endif
}

/* Any 64-bit x to at most p + 7. */
INLINE v8 v8_fold(v8 x)
{
    return _mm512_add_epi64(_mm512_and_si512(x, v8_p()), _mm512_srli_epi64(x, 61));
}

INLINE v8 v8_reduce(v8 x)
{
    return v8_reduce_once(v8_fold(x));
}

/* --- sums of products ---------------------------------------------------------------------------
 *
 * a = a0 + 2^52 a1 with a1 < 2^9, and b likewise: a*b = lo(a0 b0) + 2^52 (hi(a0 b0) + lo(a0 b1) +
 * lo(a1 b0)) + 2^104 (hi(a0 b1) + hi(a1 b0) + lo(a1 b1)). Each of the seven has a sum of its own,
 * so that no IFMA waits for another of the same product. 1,024 results stay below 2^62. */
#define V8_SUM_PRODUCTS 1024u

typedef struct v8_sum {
    v8 d0, d1[3], d2[3]; /* weights 1, 2^52, 2^104 */
} v8_sum;

INLINE v8_sum v8_sum_zero(void)
{
    v8 z = _mm512_setzero_si512();
    return (v8_sum){z, {z, z, z}, {z, z, z}};
}

/* s + a*b; a1, b1 are a, b shifted right by 52. */
INLINE v8_sum v8_sum_add(v8_sum s, v8 a, v8 a1, v8 b, v8 b1)
{
    s.d0 = _mm512_madd52lo_epu64(s.d0, a, b);
    s.d1[0] = _mm512_madd52hi_epu64(s.d1[0], a, b);
    s.d1[1] = _mm512_madd52lo_epu64(s.d1[1], a, b1);
    s.d1[2] = _mm512_madd52lo_epu64(s.d1[2], a1, b);
    s.d2[0] = _mm512_madd52hi_epu64(s.d2[0], a, b1);
    s.d2[1] = _mm512_madd52hi_epu64(s.d2[1], a1, b);
    s.d2[2] = _mm512_madd52lo_epu64(s.d2[2], a1, b1);
    return s;
}

INLINE v8 v8_sum_of_3(const v8 d[3]) /* below 3 * 2^62 */
{
    return _mm512_add_epi64(_mm512_add_epi64(d[0], d[1]), d[2]);
}

/* 2^61 = 1: 2^52 d1 = 2^52 (low 9 bits) + (d1 >> 9), 2^104 d2 = 2^43 d2 = 2^43 (low 18 bits) +
 * (d2 >> 18). Each term is at most 2^61 + 2, and they are 5: the sum is below 2^64. */
INLINE v8 v8_sum_reduce(v8_sum s)
{
    v8 d1 = v8_sum_of_3(s.d1);
    v8 d2 = v8_sum_of_3(s.d2);
    v8 y = _mm512_slli_epi64(_mm512_and_si512(d1, v8_set(0x1ff)), 52);
    v8 z = _mm512_slli_epi64(_mm512_and_si512(d2, v8_set(0x3ffff)), 43);
    y = _mm512_add_epi64(y, _mm512_srli_epi64(d1, 9));
    z = _mm512_add_epi64(z, _mm512_srli_epi64(d2, 18));
    return v8_reduce(_mm512_add_epi64(_mm512_add_epi64(v8_fold(s.d0), y), z));
}

/* Sum of the 8 canonical lanes: below 2^64, then canonical. */
INLINE vs_fe v8_horizontal(v8 x)
{
    uint64_t lane[V8_LANES];
    uint64_t sum = 0;
    _mm512_storeu_si512(lane, x);
    for (unsigned i = 0; i < V8_LANES; i++) sum += lane[i];
    return vs_fe_reduce_word(sum);
}

#endif /* VS_MPC_KERNELS_AVX512_H */
