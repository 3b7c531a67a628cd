/* AVX-512: sharing with the seed shares drawn in registers. VAES works on one execution port and
 * additions on two: the seed shares of the next group are drawn between the shares of this one, and
 * its stores drain meanwhile. */
#define V8_BESIDE_AES
#include "mpc/kernels_avx512_aes.h"
#include "mpc/kernels_avx512_group.h"

enum { K_MAX = 6 };

typedef struct drawn {
    const group *gr;
    const vs_share_draw *draw;
    v8 counter;      /* of the group after the next, block number little-endian */
    v8 block[U_MAX]; /* counter blocks of the next group */
    v8 above;        /* bit 61: an element of a group so far was p */
    v8 next_above;   /* of the next group */
} drawn;

/* The next group's seed share at x = t - i. */
INLINE void seed_draw(drawn *dr, unsigned t, unsigned u_count, unsigned i, v8 (*x)[U_MAX])
{
    const vs_aes_key *key = dr->draw->key[t - 1 - i];
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        x[i][u] = _mm512_xor_si512(dr->block[u], round_key(key, 0));
    }
    UNROLL for (unsigned r = 1; r < ROUNDS; r++)
    {
        v8 k = round_key(key, r);
        UNROLL for (unsigned u = 0; u < u_count; u++) x[i][u] = _mm512_aesenc_epi128(x[i][u], k);
    }
    v8 k = round_key(key, ROUNDS);
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        x[i][u] = _mm512_and_si512(_mm512_aesenclast_epi128(x[i][u], k), v8_p());
        /* x + 1 has bit 61 set iff x = p. */
        v8 next = _mm512_add_epi64(x[i][u], v8_set(1));
        dr->next_above = _mm512_or_si512(dr->next_above, next);
    }
}

INLINE void blocks_next(drawn *dr, unsigned u_count)
{
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        dr->block[u] = counter_bytes(dr->counter);
        dr->counter = counter_step(dr->counter, 4);
    }
}

INLINE void seeds_draw(drawn *dr, unsigned t, unsigned u_count, v8 (*x)[U_MAX])
{
    blocks_next(dr, u_count);
    UNROLL for (unsigned i = 0; i < t; i++) seed_draw(dr, t, u_count, i, x);
}

INLINE void seeds_keep(const drawn *dr, unsigned t, unsigned u_count, v8 (*d)[U_MAX])
{
    if (dr->draw->seed_out == NULL) return;
    UNROLL for (unsigned i = 0; i < t; i++)
    {
        vs_fe *row = dr->draw->seed_out[t - 1 - i];
        if (row == NULL) continue;
        row += dr->gr->w->first + dr->gr->at;
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            _mm512_storeu_si512(row + u * V8_LANES, d[i][u]);
        }
    }
}

/* As group_secrets with k known to the compiler: the limbs of the secrets stay in registers. */
INLINE void group_known(drawn *dr, const group *gr, unsigned t, unsigned k, unsigned u_count,
                        v8 (*d)[U_MAX], v8 (*next)[U_MAX])
{
    const vs_sharing *s = gr->s;
    const v8 mask = v8_set((UINT64_C(1) << LIMB_BITS) - 1);
    const size_t at = gr->w->first + gr->at;
    blocks_next(dr, u_count);
    v8 low_limb[K_MAX][U_MAX], high_limb[K_MAX][U_MAX];
    UNROLL for (unsigned i = 0; i < k; i++)
    {
        const vs_fe *secret = gr->w->secrets[i] + at;
        vs_fe *out = gr->w->out[i];
        differences_step(t, u_count, d);
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            v8 x = v8_load(secret + u * V8_LANES, 0xff);
            prefetch(gr, secret + u * V8_LANES);
            if (out != NULL) put(gr, out + at + u * V8_LANES, v8_add(x, d[0][u]));
            if (((k - 1 - i) & 1) != 0) x = _mm512_xor_si512(x, v8_p());
            low_limb[i][u] = _mm512_and_si512(x, mask);
            high_limb[i][u] = _mm512_srli_epi64(x, LIMB_BITS);
        }
        if (i < t) seed_draw(dr, t, u_count, i, next);
    }
    for (uint32_t row = 0; row < s->n - s->r; row++) {
        const uint64_t *coef = s->small + (size_t)row * k;
        vs_fe *out = gr->w->out[k + row];
        v8 low[U_MAX], high[U_MAX];
        differences_step(t, u_count, d);
        if (out == NULL) continue;
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            low[u] = d[0][u];
            high[u] = _mm512_setzero_si512();
        }
        UNROLL for (unsigned i = 0; i < k; i++)
        {
            v8 c = v8_set(coef[i]);
            UNROLL for (unsigned u = 0; u < u_count; u++)
            {
                low[u] = _mm512_madd52lo_epu64(low[u], c, low_limb[i][u]);
                high[u] = _mm512_madd52lo_epu64(high[u], c, high_limb[i][u]);
            }
        }
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            put(gr, out + at + u * V8_LANES, limbs_reduce(low[u], high[u]));
        }
    }
}

/* k = 0: any. Columns are whole groups. */
INLINE uint64_t draw_loop(const vs_sharing *s, const vs_share_work *w, const vs_share_draw *draw,
                          unsigned t, unsigned k, unsigned u_count, bool stream)
{
    group gr = {s, w, 0, 0xff, stream};
    drawn dr = {.gr = &gr,
                .draw = draw,
                .counter = counter_first(&draw->ctr),
                .above = _mm512_setzero_si512(),
                .next_above = _mm512_setzero_si512()};
    v8 d[T_MAX + 1][U_MAX], next[T_MAX][U_MAX];
    seeds_draw(&dr, t, u_count, next);
    for (; gr.at < w->cols; gr.at += (size_t)u_count * V8_LANES) {
        UNROLL for (unsigned i = 0; i < t; i++)
        {
            UNROLL for (unsigned u = 0; u < u_count; u++) d[i][u] = next[i][u];
        }
        dr.above = _mm512_or_si512(dr.above, dr.next_above);
        dr.next_above = _mm512_setzero_si512();
        seeds_keep(&dr, t, u_count, d);
        if (k < 2) seeds_draw(&dr, t, u_count, next);
        differences_of(t, u_count, d);
        if (k == 1) {
            group_one_secret(&gr, t, u_count, d);
        } else if (k == 0) {
            group_secrets(&gr, t, u_count, d);
        } else {
            group_known(&dr, &gr, t, k, u_count, d, next);
        }
    }
    return (uint64_t)_mm512_reduce_or_epi64(dr.above) >> 61;
}

/* Any k: u_count so that t * u_count differences and the sums of a share fit the registers. */
INLINE uint64_t draw_any(const vs_sharing *s, const vs_share_work *w, const vs_share_draw *draw,
                         unsigned k, bool stream)
{
    switch (s->t) {
    case 1: return draw_loop(s, w, draw, 1, k, 4, stream);
    case 2: return draw_loop(s, w, draw, 2, k, 4, stream);
    case 3: return draw_loop(s, w, draw, 3, k, 2, stream);
    case 4: return draw_loop(s, w, draw, 4, k, 2, stream);
    case 5: return draw_loop(s, w, draw, 5, k, 2, stream);
    default: VS_ASSERT(s->t == 6); return draw_loop(s, w, draw, 6, k, 2, stream);
    }
}

/* The committees of `federation new` have loops of their own. */
INLINE uint64_t draw_secrets(const vs_sharing *s, const vs_share_work *w, const vs_share_draw *draw,
                             bool stream)
{
    if (s->k == 1) return draw_any(s, w, draw, 1, stream);
    if (s->is_small) {
        if (s->t == 1 && s->k == 2) return draw_loop(s, w, draw, 1, 2, 2, stream);
        if (s->t == 2 && s->k == 3) return draw_loop(s, w, draw, 2, 3, 2, stream);
        if (s->t == 3 && s->k == 4) return draw_loop(s, w, draw, 3, 4, 2, stream);
        if (s->t == 5 && s->k == 6) return draw_loop(s, w, draw, 5, 6, 2, stream);
    }
    return draw_any(s, w, draw, 0, stream);
}

bool vs_avx512_draws(const vs_sharing *s)
{
    return s->t <= VS_DRAWN_T_MAX;
}

uint64_t vs_avx512_share_drawn(const vs_sharing *s, const vs_share_work *w,
                               const vs_share_draw *draw)
{
    if (w->to_memory && rows_are_aligned(s, w)) return draw_secrets(s, w, draw, true);
    return draw_secrets(s, w, draw, false);
}
