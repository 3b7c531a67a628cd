/* AVX-512: sharing. Column groups of 8 * U lanes, everything of a group in registers or L1. */
#include "mpc/kernels_avx512_group.h"

/* Backward differences of g at x = t as in kernels_portable.c, in registers; t is known to the
 * compiler. */
INLINE void differences_build(const group *gr, unsigned t, unsigned u_count, v8 (*d)[U_MAX])
{
    UNROLL for (unsigned i = 0; i < t; i++)
    {
        const vs_fe *seed = gr->w->seeds[t - 1 - i] + gr->w->seed_first + gr->at;
        UNROLL for (unsigned u = 0; u < u_count; u++) d[i][u] = v8_load(seed + u * V8_LANES, gr->m);
    }
    differences_of(t, u_count, d);
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

INLINE void group_any(const group *gr, unsigned t, bool one_secret, unsigned u_count)
{
    v8 d[T_MAX + 1][U_MAX];
    if (t == 0) {
        group_memory(gr, u_count);
        return;
    }
    differences_build(gr, t, u_count, d);
    if (one_secret) {
        group_one_secret(gr, t, u_count, d);
    } else {
        group_secrets(gr, t, u_count, d);
    }
}

/* All columns; t = 0 stands for "more than T_MAX". */
INLINE void share_loop(const vs_sharing *s, const vs_share_work *w, unsigned t, bool one_secret,
                       unsigned u_count, bool stream)
{
    const size_t width = (size_t)u_count * V8_LANES;
    size_t at = 0;
    for (; w->cols - at >= width; at += width) {
        const group gr = {s, w, at, 0xff, stream};
        group_any(&gr, t, one_secret, u_count);
    }
    for (; at < w->cols; at += V8_LANES) {
        __mmask8 m = w->cols - at < V8_LANES ? v8_first(w->cols - at) : 0xff;
        const group gr = {s, w, at, m, false};
        group_any(&gr, t, one_secret, 1);
    }
}

INLINE void share_any(const vs_sharing *s, const vs_share_work *w, bool one_secret, bool stream)
{
    switch (s->t) { /* t * u_count registers hold g's differences; 8 more the sums of an extra */
    case 1: share_loop(s, w, 1, one_secret, 4, stream); break;
    case 2: share_loop(s, w, 2, one_secret, 4, stream); break;
    case 3: share_loop(s, w, 3, one_secret, 4, stream); break;
    case 4: share_loop(s, w, 4, one_secret, 4, stream); break;
    case 5: share_loop(s, w, 5, one_secret, 2, stream); break;
    case 6: share_loop(s, w, 6, one_secret, 2, stream); break;
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

void vs_avx512_share(const vs_sharing *s, const vs_share_work *w)
{
    if (w->to_memory && rows_are_aligned(s, w)) {
        share_secrets(s, w, true);
    } else {
        share_secrets(s, w, false);
    }
}

void vs_avx512_finish(void)
{
    _mm_sfence();
}
