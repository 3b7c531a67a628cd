/* AVX-512: sharing. Column groups of 8 * U lanes, everything of a group in registers or L1. */
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
    bool stream; /* non-temporal where the row allows it */
} group;

INLINE void put(const group *g, vs_fe *row, v8 v)
{
    if (g->stream && ((uintptr_t)row & 63) == 0) {
        _mm512_stream_si512((void *)row, v);
    } else {
        v8_store(row, g->m, v);
    }
}

/* --- shares beyond r: sums of small coefficients times limbs of the secrets ---------------------
 *
 * Limbs of 31 and 30 bits of secret i, or of p - secret_i (= secret_i XOR p) where its
 * coefficients are negative. A coefficient is below 2^21, so a product is below 2^52: IFMA's low
 * half is all of it. At most 32 products: sums below 2^57 and 2^56. */

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

/* g + low + 2^31 high: 2^31 high = 2^31 (low 30 bits) + (high >> 30); all terms together are below
 * 2^61 + 2^57 + 2^61 + 2^26. */
INLINE v8 limbs_reduce(v8 g, v8 low, v8 high)
{
    v8 x = _mm512_slli_epi64(_mm512_and_si512(high, v8_set((1u << 30) - 1)), LIMB_BITS);
    x = _mm512_add_epi64(x, _mm512_srli_epi64(high, 61 - LIMB_BITS));
    return v8_reduce(_mm512_add_epi64(_mm512_add_epi64(g, low), x));
}

/* Share r+1+row from its g. */
INLINE void extra_small(const group *gr, unsigned u_count, const uint64_t *limbs, uint32_t row,
                        const v8 *g, vs_fe *out)
{
    const uint32_t k = gr->s->k;
    const uint32_t *coef = gr->s->small + (size_t)row * k;
    v8 low[U_MAX], high[U_MAX];
    UNROLL for (unsigned u = 0; u < u_count; u++) low[u] = high[u] = _mm512_setzero_si512();
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
        put(gr, out + u * V8_LANES, limbs_reduce(g[u], low[u], high[u]));
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
            if (gr->stream) {
                _mm_prefetch((const char *)((uintptr_t)(secret + u * V8_LANES) +
                                            PREFETCH_ELEMENTS * sizeof *secret),
                             _MM_HINT_T0);
            }
            put(gr, out + u * V8_LANES, v8_add(v8_load(secret + u * V8_LANES, gr->m), g[u]));
        }
    } else if (s->is_small) {
        extra_small(gr, u_count, limbs, j - s->k, g, out);
    } else {
        extra_any(gr, u_count, j - s->k, g, out);
    }
}

/* Backward differences as in kernels_portable.c, t <= T_MAX known to the compiler: d[i] of one
 * vector each, all in registers. */
INLINE void group_registers(const group *gr, unsigned t, unsigned u_count)
{
    const vs_sharing *s = gr->s;
    v8 d[T_MAX][U_MAX];
    uint64_t *limbs = gr->w->scratch;
    UNROLL for (unsigned i = 0; i < t; i++)
    {
        const vs_fe *seed = gr->w->seeds[t - 1 - i] + gr->w->seed_first + gr->at;
        UNROLL for (unsigned u = 0; u < u_count; u++) d[i][u] = v8_load(seed + u * V8_LANES, gr->m);
    }
    UNROLL for (unsigned level = 1; level < t; level++)
    {
        UNROLL for (unsigned i = t - 1; i >= level; i--)
        {
            UNROLL for (unsigned u = 0; u < u_count; u++) d[i][u] = v8_sub(d[i - 1][u], d[i][u]);
        }
    }
    if (s->is_small && s->n > s->r) limbs_make(gr, u_count, limbs);
    for (uint32_t j = 0; j < s->n - s->t; j++) {
        UNROLL for (unsigned i = t - 1; i-- > 0;)
        {
            UNROLL for (unsigned u = 0; u < u_count; u++) d[i][u] = v8_add(d[i][u], d[i + 1][u]);
        }
        group_share(gr, u_count, limbs, j, d[0]);
    }
}

/* Any t: the differences in scratch, t rows of u_count vectors, behind the limbs. */
INLINE void group_memory(const group *gr, unsigned u_count)
{
    const vs_sharing *s = gr->s;
    const size_t width = (size_t)u_count * V8_LANES;
    uint64_t *limbs = gr->w->scratch;
    uint64_t *diff = limbs + 2 * width * s->k;
    v8 carry[U_MAX];
    for (uint32_t i = 0; i < s->t; i++) {
        const vs_fe *seed = gr->w->seeds[s->t - 1 - i] + gr->w->seed_first + gr->at;
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            _mm512_store_si512(diff + i * width + u * V8_LANES,
                               v8_load(seed + u * V8_LANES, gr->m));
        }
    }
    for (uint32_t level = 1; level < s->t; level++) {
        /* From the last row down in the portable code; upwards with the old value carried. */
        uint64_t *row = diff + (level - 1) * width;
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            carry[u] = _mm512_load_si512(row + u * V8_LANES);
        }
        for (uint32_t i = level; i < s->t; i++) {
            row = diff + i * width;
            UNROLL for (unsigned u = 0; u < u_count; u++)
            {
                v8 old = _mm512_load_si512(row + u * V8_LANES);
                _mm512_store_si512(row + u * V8_LANES, v8_sub(carry[u], old));
                carry[u] = old;
            }
        }
    }
    if (s->is_small && s->n > s->r) limbs_make(gr, u_count, limbs);
    for (uint32_t j = 0; j < s->n - s->t; j++) {
        uint64_t *row = diff + (s->t - 1) * width;
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            carry[u] = _mm512_load_si512(row + u * V8_LANES);
        }
        for (uint32_t i = s->t - 1; i-- > 0;) {
            row = diff + i * width;
            UNROLL for (unsigned u = 0; u < u_count; u++)
            {
                carry[u] = v8_add(_mm512_load_si512(row + u * V8_LANES), carry[u]);
                _mm512_store_si512(row + u * V8_LANES, carry[u]);
            }
        }
        group_share(gr, u_count, limbs, j, carry);
    }
}

INLINE void group_any(const group *gr, unsigned t, unsigned u_count)
{
    if (t == 0) {
        group_memory(gr, u_count);
    } else {
        group_registers(gr, t, u_count);
    }
}

/* All columns; t = 0 stands for "more than T_MAX". */
INLINE void share_loop(const vs_sharing *s, const vs_share_work *w, unsigned t, unsigned u_count)
{
    const size_t width = (size_t)u_count * V8_LANES;
    size_t at = 0;
    for (; w->cols - at >= width; at += width) {
        const group gr = {s, w, at, 0xff, w->to_memory};
        group_any(&gr, t, u_count);
    }
    for (; at < w->cols; at += V8_LANES) {
        __mmask8 m = w->cols - at < V8_LANES ? v8_first(w->cols - at) : 0xff;
        const group gr = {s, w, at, m, false};
        group_any(&gr, t, 1);
    }
}

void vs_avx512_share(const vs_sharing *s, const vs_share_work *w)
{
    switch (s->t) { /* t * u_count registers hold g's differences; 8 more the sums of an extra */
    case 1: share_loop(s, w, 1, 4); break;
    case 2: share_loop(s, w, 2, 4); break;
    case 3: share_loop(s, w, 3, 4); break;
    case 4: share_loop(s, w, 4, 4); break;
    case 5: share_loop(s, w, 5, 2); break;
    case 6: share_loop(s, w, 6, 2); break;
    default: share_loop(s, w, 0, 4); break;
    }
}

void vs_avx512_finish(void)
{
    _mm_sfence();
}
