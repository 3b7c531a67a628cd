/* mpc/kernels_avx512_group.h - sharing a group of columns, for kernels_avx512_share.c (seed shares
 * given) and kernels_avx512_draw.c (seed shares drawn on the way). */
#ifndef VS_MPC_KERNELS_AVX512_GROUP_H
#define VS_MPC_KERNELS_AVX512_GROUP_H

#include "mpc/kernels_avx512.h"

/* Lines ahead in secrets that stream from memory. */
#define PREFETCH_ELEMENTS 128u

/* Up to this t the differences of g live in registers. */
enum { T_MAX = 6, U_MAX = 4 };

/* How one group is stored. */
typedef struct group {
    const vs_sharing *s;
    const vs_share_work *w;
    size_t at;   /* first column, relative to w->first */
    __mmask8 m;  /* lanes of the (only) vector of the last group, else 0xff */
    bool stream; /* non-temporal stores: every row is aligned */
} group;

/* A prefetch never faults, so it may run past the end. */
INLINE void prefetch(const group *g, const vs_fe *x)
{
    if (!g->stream) return;
    _mm_prefetch((const char *)((uintptr_t)x + PREFETCH_ELEMENTS * sizeof *x), _MM_HINT_T0);
}

INLINE void put(const group *g, vs_fe *row, v8 v)
{
    if (g->stream) {
        _mm512_stream_si512((void *)row, v);
    } else {
        v8_store(row, g->m, v);
    }
}

/* --- shares beyond r: sums of small coefficients times limbs of the secrets ---------------------
 *
 * Limbs of 31 and 30 bits of secret i, or of p - secret_i (= secret_i XOR p) where its
 * coefficients are negative. A coefficient is below 2^21, so a product is below 2^52: IFMA's low
 * half is all of it. The coefficients add to less than 2^22: sums below 2^53 and 2^52. */

#define LIMB_BITS 31

INLINE void limbs_make(const group *g, unsigned u_count, uint64_t *limbs)
{
    const vs_sharing *s = g->s;
    const v8 mask = v8_set((UINT64_C(1) << LIMB_BITS) - 1);
    for (uint32_t i = 0; i < s->k; i++) {
        const vs_fe *row = g->w->secrets[i] + g->w->first + g->at;
        v8 flip = v8_set(vs_sharing_negative(s, i) ? VS_FE_P : 0);
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            v8 x = _mm512_xor_si512(v8_load(row + u * V8_LANES, g->m), flip);
            uint64_t *to = limbs + ((size_t)i * u_count + u) * 2 * V8_LANES;
            _mm512_store_si512(to, _mm512_and_si512(x, mask));
            _mm512_store_si512(to + V8_LANES, _mm512_srli_epi64(x, LIMB_BITS));
        }
    }
}

/* low + 2^31 high, not yet reduced. IFMA's high half of high * 2^22 is high >> 30, which has weight
 * 2^61 = 1; the low 30 bits of high have weight 2^31. */
INLINE v8 limbs_join(v8 low, v8 high)
{
    v8 x = _mm512_and_si512(_mm512_slli_epi64(high, LIMB_BITS), v8_p());
    low = _mm512_madd52hi_epu64(low, high, v8_set(UINT64_C(1) << 22));
    return _mm512_add_epi64(low, x);
}

/* g is in low already: all together below 2^61 + 2^53 + 2^22 + 2^61 < 3p. */
INLINE v8 limbs_reduce(v8 low, v8 high)
{
    return v8_reduce_once(v8_reduce_once(limbs_join(low, high)));
}

/* Share r+1+row from its g. */
INLINE void extra_small(const group *gr, unsigned u_count, const uint64_t *limbs, uint32_t row,
                        const v8 *g, vs_fe *out)
{
    const uint32_t k = gr->s->k;
    const uint64_t *coef = gr->s->small + (size_t)row * k;
    v8 low[U_MAX], high[U_MAX];
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        low[u] = g[u];
        high[u] = _mm512_setzero_si512();
    }
    for (uint32_t i = 0; i < k; i++) {
        v8 c = v8_set(coef[i]);
        const uint64_t *from = limbs + (size_t)i * u_count * 2 * V8_LANES;
        UNROLL for (unsigned u = 0; u < u_count; u++, from += 2 * V8_LANES)
        {
            low[u] = _mm512_madd52lo_epu64(low[u], c, _mm512_load_si512(from));
            high[u] = _mm512_madd52lo_epu64(high[u], c, _mm512_load_si512(from + V8_LANES));
        }
    }
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        put(gr, out + u * V8_LANES, limbs_reduce(low[u], high[u]));
    }
}

/* The same with coefficients of any size. */
INLINE void extra_any(const group *gr, unsigned u_count, uint32_t row, const v8 *g, vs_fe *out)
{
    const uint32_t k = gr->s->k;
    const vs_fe *coef = gr->s->extra + (size_t)row * k;
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        v8_sum sum = v8_sum_zero(); /* k < V8_SUM_PRODUCTS */
        for (uint32_t i = 0; i < k; i++) {
            v8 c = v8_set(coef[i].v);
            const vs_fe *from = gr->w->secrets[i] + gr->w->first + gr->at + u * V8_LANES;
            v8 x = v8_load(from, gr->m);
            sum = v8_sum_add(sum, x, _mm512_srli_epi64(x, 52), c, v8_set(coef[i].v >> 52));
        }
        put(gr, out + u * V8_LANES, v8_add(g[u], v8_sum_reduce(sum)));
    }
}

/* --- one group of columns -----------------------------------------------------------------------
 */

/* Share t+1+j of the group, whose g is given. */
INLINE void group_share(const group *gr, unsigned u_count, const uint64_t *limbs, uint32_t j,
                        const v8 *g)
{
    const vs_sharing *s = gr->s;
    vs_fe *out = gr->w->out[j];
    if (out == NULL) return;
    out += gr->w->first + gr->at;
    if (j < s->k) {
        const vs_fe *secret = gr->w->secrets[j] + gr->w->first + gr->at;
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            prefetch(gr, secret + u * V8_LANES);
            put(gr, out + u * V8_LANES, v8_add(v8_load(secret + u * V8_LANES, gr->m), g[u]));
        }
    } else if (s->is_small) {
        extra_small(gr, u_count, limbs, j - s->k, g, out);
    } else {
        extra_any(gr, u_count, j - s->k, g, out);
    }
}

/* --- g as backward differences at x, in registers; t is known to the compiler ------------------
 */

/* From the values at x = t, t-1, .., 1 to the differences at t, as in kernels_portable.c. */
INLINE void differences_of(unsigned t, unsigned u_count, v8 (*d)[U_MAX])
{
    UNROLL for (unsigned level = 1; level < t; level++)
    {
        UNROLL for (unsigned i = t - 1; i >= level; i--)
        {
            UNROLL for (unsigned u = 0; u < u_count; u++) d[i][u] = v8_sub(d[i - 1][u], d[i][u]);
        }
    }
}

/* To the next point, for a polynomial of degree < terms. */
INLINE void differences_step(unsigned terms, unsigned u_count, v8 (*d)[U_MAX])
{
    UNROLL for (unsigned i = terms - 1; i-- > 0;)
    {
        UNROLL for (unsigned u = 0; u < u_count; u++) d[i][u] = v8_add(d[i][u], d[i + 1][u]);
    }
}

/* All shares of the group from the differences at x = t. */
INLINE void group_secrets(const group *gr, unsigned t, unsigned u_count, v8 (*d)[U_MAX])
{
    const vs_sharing *s = gr->s;
    uint64_t *limbs = gr->w->scratch;
    if (s->is_small && s->n > s->r) limbs_make(gr, u_count, limbs);
    for (uint32_t j = 0; j < s->n - s->t; j++) {
        differences_step(t, u_count, d);
        group_share(gr, u_count, limbs, j, d[0]);
    }
}

/* k = 1: f - g is 0 at 1..t and the secret at t+1, so there all of its t+1 differences are the
 * secret. With them added, the table goes on as that of f: additions only. */
INLINE void group_one_secret(const group *gr, unsigned t, unsigned u_count, v8 (*d)[U_MAX])
{
    const vs_sharing *s = gr->s;
    const vs_fe *secret = gr->w->secrets[0] + gr->w->first + gr->at;
    differences_step(t, u_count, d);
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        prefetch(gr, secret + u * V8_LANES);
        d[t][u] = v8_load(secret + u * V8_LANES, gr->m);
        UNROLL for (unsigned i = 0; i < t; i++) d[i][u] = v8_add(d[i][u], d[t][u]);
    }
    for (uint32_t j = 0; j < s->n - s->t; j++) {
        if (j > 0) differences_step(t + 1, u_count, d);
        if (gr->w->out[j] == NULL) continue;
        vs_fe *out = gr->w->out[j] + gr->w->first + gr->at;
        UNROLL for (unsigned u = 0; u < u_count; u++) put(gr, out + u * V8_LANES, d[0][u]);
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

#endif /* VS_MPC_KERNELS_AVX512_GROUP_H */
