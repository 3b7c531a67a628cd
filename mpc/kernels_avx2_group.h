/* mpc/kernels_avx2_group.h - sharing a group of columns, for kernels_avx2_share.c (any t and k) and
 * kernels_avx2_known.c (t and k known to the compiler). */
#ifndef VS_MPC_KERNELS_AVX2_GROUP_H
#define VS_MPC_KERNELS_AVX2_GROUP_H

#include "mpc/kernels_avx2.h"

/* Lines ahead in secrets that stream from memory. */
#define PREFETCH_ELEMENTS 128u

/* Up to this t the differences of g live in registers. */
enum { T_MAX = 5, U_MAX = 4 };

/* How one group is stored. */
typedef struct group {
    const vs_sharing *s;
    const vs_share_work *w;
    size_t at;   /* first column, relative to w->first */
    bool stream; /* non-temporal stores: every row is aligned */
} group;

/* A prefetch never faults, so it may run past the end. */
INLINE void prefetch(const group *g, const vs_fe *x)
{
    if (!g->stream) return;
    _mm_prefetch((const char *)((uintptr_t)x + PREFETCH_ELEMENTS * sizeof *x), _MM_HINT_T0);
}

INLINE void put(const group *g, vs_fe *row, v4 v)
{
    if (g->stream) {
        _mm256_stream_si256((void *)row, v);
    } else {
        v4_store(row, v);
    }
}

/* --- shares beyond r: sums of small coefficients times limbs of the secrets ---------------------
 *
 * Limbs of 31 and 30 bits of secret i, or of p - secret_i (= secret_i XOR p) where its
 * coefficients are negative. */

#define LIMB_BITS 31

INLINE v4 limb_low(v4 x)
{
    return _mm256_and_si256(x, v4_set((UINT64_C(1) << LIMB_BITS) - 1));
}

INLINE v4 limb_high(v4 x)
{
    return _mm256_srli_epi64(x, LIMB_BITS);
}

/* low + 2^31 high, not yet reduced: 2^31 high = 2^31 (low 30 bits) + (high >> 30). */
INLINE v4 limbs_join(v4 low, v4 high)
{
    v4 x = _mm256_and_si256(_mm256_slli_epi64(high, LIMB_BITS), v4_p());
    low = _mm256_add_epi64(low, _mm256_srli_epi64(high, 61 - LIMB_BITS));
    return _mm256_add_epi64(low, x);
}

/* --- g as backward differences at x, in registers; t is known to the compiler ------------------
 */

/* From the values at x = t, t-1, .., 1 to the differences at t, as in kernels_portable.c. */
INLINE void differences_of(unsigned t, unsigned u_count, v4 (*d)[U_MAX])
{
    UNROLL for (unsigned level = 1; level < t; level++)
    {
        UNROLL for (unsigned i = t - 1; i >= level; i--)
        {
            UNROLL for (unsigned u = 0; u < u_count; u++) d[i][u] = v4_sub(d[i - 1][u], d[i][u]);
        }
    }
}

INLINE void differences_build(const group *gr, unsigned t, unsigned u_count, v4 (*d)[U_MAX])
{
    UNROLL for (unsigned i = 0; i < t; i++)
    {
        const vs_fe *seed = gr->w->seeds[t - 1 - i] + gr->w->seed_first + gr->at;
        UNROLL for (unsigned u = 0; u < u_count; u++) d[i][u] = v4_load(seed + u * V4_LANES);
    }
    differences_of(t, u_count, d);
}

/* To the next point, for a polynomial of degree < terms. */
INLINE void differences_step(unsigned terms, unsigned u_count, v4 (*d)[U_MAX])
{
    UNROLL for (unsigned i = terms - 1; i-- > 0;)
    {
        UNROLL for (unsigned u = 0; u < u_count; u++) d[i][u] = v4_add(d[i][u], d[i + 1][u]);
    }
}

/* Non-temporal stores want whole lines. */
static inline bool rows_are_aligned(const vs_sharing *s, const vs_share_work *w)
{
    uintptr_t bits = 0;
    for (uint32_t j = 0; j < s->n - s->t; j++) {
        if (w->out[j] != NULL) bits |= (uintptr_t)(w->out[j] + w->first);
    }
    return bits % 64 == 0;
}

#endif /* VS_MPC_KERNELS_AVX2_GROUP_H */
