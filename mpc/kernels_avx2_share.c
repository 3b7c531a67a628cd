/* AVX2: sharing. Column groups of 4 * U lanes, everything of a group in registers or L1. */
#include "mpc/kernels_avx2_group.h"

INLINE void limbs_make(const group *g, unsigned u_count, uint64_t *limbs)
{
    const vs_sharing *s = g->s;
    for (uint32_t i = 0; i < s->k; i++) {
        const vs_fe *row = g->w->secrets[i] + g->w->first + g->at;
        v4 flip = v4_set(vs_sharing_negative(s, i) ? VS_FE_P : 0);
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            v4 x = _mm256_xor_si256(v4_load(row + u * V4_LANES), flip);
            uint64_t *to = limbs + ((size_t)i * u_count + u) * 2 * V4_LANES;
            v4_store(to, limb_low(x));
            v4_store(to + V4_LANES, limb_high(x));
        }
    }
}

/* Sums below 2^53 and 2^52, and g on top of the lower: joined below 2^61 + 2^53 + 2^61 + 2^22 < 3p.
 */
INLINE v4 limbs_reduce(v4 low, v4 high)
{
    return v4_reduce_once(v4_reduce_once(limbs_join(low, high)));
}

/* Share r+1+row from its g. */
INLINE void extra_small(const group *gr, unsigned u_count, const uint64_t *limbs, uint32_t row,
                        const v4 *g, vs_fe *out)
{
    const uint32_t k = gr->s->k;
    const uint64_t *coef = gr->s->small + (size_t)row * k;
    v4 low[U_MAX], high[U_MAX];
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        low[u] = g[u];
        high[u] = _mm256_setzero_si256();
    }
    for (uint32_t i = 0; i < k; i++) {
        v4 c = v4_set(coef[i]);
        const uint64_t *from = limbs + (size_t)i * u_count * 2 * V4_LANES;
        UNROLL for (unsigned u = 0; u < u_count; u++, from += 2 * V4_LANES)
        {
            low[u] = _mm256_add_epi64(low[u], _mm256_mul_epu32(c, v4_load(from)));
            high[u] = _mm256_add_epi64(high[u], _mm256_mul_epu32(c, v4_load(from + V4_LANES)));
        }
    }
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        put(gr, out + u * V4_LANES, limbs_reduce(low[u], high[u]));
    }
}

/* The same with coefficients of any size; k < V4_SUM_PRODUCTS. */
INLINE void extra_any(const group *gr, unsigned u_count, uint32_t row, const v4 *g, vs_fe *out)
{
    const uint32_t k = gr->s->k;
    const vs_fe *coef = gr->s->extra + (size_t)row * k;
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        v4_sum sum = v4_sum_zero();
        for (uint32_t i = 0; i < k; i++) {
            const vs_fe *from = gr->w->secrets[i] + gr->w->first + gr->at + u * V4_LANES;
            sum = v4_sum_add(sum, v4_x_of(v4_load(from)), v4_c_of(v4_set(coef[i].v)));
        }
        put(gr, out + u * V4_LANES, v4_add(g[u], v4_sum_reduce(sum)));
    }
}

/* --- one group of columns -----------------------------------------------------------------------
 */

/* Share t+1+j of the group, whose g is given. */
INLINE void group_share(const group *gr, unsigned u_count, const uint64_t *limbs, uint32_t j,
                        const v4 *g)
{
    const vs_sharing *s = gr->s;
    vs_fe *out = gr->w->out[j];
    if (out == NULL) return;
    out += gr->w->first + gr->at;
    if (j < s->k) {
        const vs_fe *secret = gr->w->secrets[j] + gr->w->first + gr->at;
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            prefetch(gr, secret + u * V4_LANES);
            put(gr, out + u * V4_LANES, v4_add(v4_load(secret + u * V4_LANES), g[u]));
        }
    } else if (s->is_small) {
        extra_small(gr, u_count, limbs, j - s->k, g, out);
    } else {
        extra_any(gr, u_count, j - s->k, g, out);
    }
}

INLINE void group_registers(const group *gr, unsigned t, unsigned u_count)
{
    const vs_sharing *s = gr->s;
    v4 d[T_MAX][U_MAX];
    uint64_t *limbs = gr->w->scratch;
    differences_build(gr, t, u_count, d);
    if (s->is_small && s->n > s->r) limbs_make(gr, u_count, limbs);
    for (uint32_t j = 0; j < s->n - s->t; j++) {
        differences_step(t, u_count, d);
        group_share(gr, u_count, limbs, j, d[0]);
    }
}

/* k = 1: f - g is 0 at 1..t and the secret at t+1, so there all of its t+1 differences are the
 * secret. With them added, the table goes on as that of f: additions only. */
INLINE void group_one_secret(const group *gr, unsigned t, unsigned u_count)
{
    const vs_sharing *s = gr->s;
    v4 d[T_MAX + 1][U_MAX];
    const vs_fe *secret = gr->w->secrets[0] + gr->w->first + gr->at;
    differences_build(gr, t, u_count, d);
    differences_step(t, u_count, d);
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        prefetch(gr, secret + u * V4_LANES);
        d[t][u] = v4_load(secret + u * V4_LANES);
        UNROLL for (unsigned i = 0; i < t; i++) d[i][u] = v4_add(d[i][u], d[t][u]);
    }
    for (uint32_t j = 0; j < s->n - s->t; j++) {
        if (j > 0) differences_step(t + 1, u_count, d);
        if (gr->w->out[j] == NULL) continue;
        vs_fe *out = gr->w->out[j] + gr->w->first + gr->at;
        UNROLL for (unsigned u = 0; u < u_count; u++) put(gr, out + u * V4_LANES, d[0][u]);
    }
}

/* Any t: the differences in scratch, t rows of u_count vectors, behind the limbs. */
INLINE void group_memory(const group *gr, unsigned u_count)
{
    const vs_sharing *s = gr->s;
    const size_t width = (size_t)u_count * V4_LANES;
    uint64_t *limbs = gr->w->scratch;
    uint64_t *diff = limbs + 2 * width * s->k;
    v4 carry[U_MAX];
    for (uint32_t i = 0; i < s->t; i++) {
        const vs_fe *seed = gr->w->seeds[s->t - 1 - i] + gr->w->seed_first + gr->at;
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            v4_store(diff + i * width + u * V4_LANES, v4_load(seed + u * V4_LANES));
        }
    }
    for (uint32_t level = 1; level < s->t; level++) {
        /* From the last row down in the portable code; upwards with the old value carried. */
        uint64_t *row = diff + (level - 1) * width;
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            carry[u] = v4_load(row + u * V4_LANES);
        }
        for (uint32_t i = level; i < s->t; i++) {
            row = diff + i * width;
            UNROLL for (unsigned u = 0; u < u_count; u++)
            {
                v4 old = v4_load(row + u * V4_LANES);
                v4_store(row + u * V4_LANES, v4_sub(carry[u], old));
                carry[u] = old;
            }
        }
    }
    if (s->is_small && s->n > s->r) limbs_make(gr, u_count, limbs);
    for (uint32_t j = 0; j < s->n - s->t; j++) {
        uint64_t *row = diff + (s->t - 1) * width;
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            carry[u] = v4_load(row + u * V4_LANES);
        }
        for (uint32_t i = s->t - 1; i-- > 0;) {
            row = diff + i * width;
            UNROLL for (unsigned u = 0; u < u_count; u++)
            {
                carry[u] = v4_add(v4_load(row + u * V4_LANES), carry[u]);
                v4_store(row + u * V4_LANES, carry[u]);
            }
        }
        group_share(gr, u_count, limbs, j, carry);
    }
}

INLINE void group_any(const group *gr, unsigned t, bool one_secret, unsigned u_count)
{
    if (t == 0) {
        group_memory(gr, u_count);
    } else if (one_secret) {
        group_one_secret(gr, t, u_count);
    } else {
        group_registers(gr, t, u_count);
    }
}

/* All columns; t = 0 stands for differences in memory. */
INLINE void share_loop(const vs_sharing *s, const vs_share_work *w, unsigned t, bool one_secret,
                       unsigned u_count, bool stream)
{
    const size_t width = (size_t)u_count * V4_LANES;
    size_t at = 0;
    for (; w->cols - at >= width; at += width) {
        const group gr = {s, w, at, stream};
        group_any(&gr, t, one_secret, u_count);
    }
    for (; w->cols - at >= V4_LANES; at += V4_LANES) {
        const group gr = {s, w, at, false};
        group_any(&gr, t, one_secret, 1);
    }
    if (at == w->cols) return;
    vs_share_work rest = *w;
    rest.first += at;
    rest.seed_first += at;
    rest.cols -= at;
    vs_kernels_portable.share(s, &rest);
}

INLINE void share_any(const vs_sharing *s, const vs_share_work *w, bool one_secret, bool stream)
{
    switch (s->t) { /* 16 registers: t * u_count differences, and the sums of an extra share */
    case 1: share_loop(s, w, 1, one_secret, 4, stream); break;
    case 2: share_loop(s, w, 2, one_secret, 2, stream); break;
    case 3: share_loop(s, w, 3, one_secret, 2, stream); break;
    case 4: share_loop(s, w, one_secret ? 4 : 0, one_secret, one_secret ? 2 : 4, stream); break;
    default: share_loop(s, w, 0, one_secret, 4, stream); break;
    }
}

INLINE void share_secrets(const vs_sharing *s, const vs_share_work *w, bool stream)
{
    if (s->k == 1) {
        share_any(s, w, true, stream);
    } else {
        share_any(s, w, false, stream);
    }
}

void vs_avx2_share(const vs_sharing *s, const vs_share_work *w)
{
    if (vs_avx2_knows(s)) {
        (void)vs_avx2_share_drawn(s, w, NULL);
    } else if (w->to_memory && rows_are_aligned(s, w)) {
        share_secrets(s, w, true);
    } else {
        share_secrets(s, w, false);
    }
}

void vs_avx2_finish(void)
{
    _mm_sfence();
}
