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

/* Registers are short while many limbs are in use: the next group's seed shares wait in scratch. */
INLINE bool is_parked(unsigned t, unsigned k)
{
    return k > 1 && t > 2;
}

INLINE void seeds_park(const group *gr, unsigned t, unsigned u_count, v8 (*x)[U_MAX])
{
    UNROLL for (unsigned i = 0; i < t; i++)
    {
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            _mm512_store_si512(gr->w->scratch + (i * u_count + u) * V8_LANES, x[i][u]);
        }
    }
}

INLINE void seeds_fetch(const group *gr, unsigned t, unsigned u_count, v8 (*x)[U_MAX])
{
    UNROLL for (unsigned i = 0; i < t; i++)
    {
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            x[i][u] = _mm512_load_si512(gr->w->scratch + (i * u_count + u) * V8_LANES);
        }
    }
}

typedef struct limbs {
    v8 low[U_MAX], high[U_MAX];
} limbs;

INLINE limbs limbs_of(const v8 *x, unsigned u_count)
{
    limbs l;
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        l.low[u] = _mm512_and_si512(x[u], v8_set((UINT64_C(1) << LIMB_BITS) - 1));
        l.high[u] = _mm512_srli_epi64(x[u], LIMB_BITS);
    }
    /* cppcheck-suppress uninitvar ; the entries in use */
    return l;
}

/* Shares beyond r: g goes on in limbs, which are not reduced between the steps. All coefficients,
 * those of g included, add to less than 2^VS_SMALL_SUM_BITS: sums below 2^53 and 2^52, joined
 * below 2^61 - 2^31 + 2^53 + 2^22 < 2p. */
INLINE void other_shares(const group *gr, unsigned t, unsigned k, unsigned u_count, limbs *d,
                         const limbs *secret)
{
    const vs_sharing *s = gr->s;
    const size_t at = gr->w->first + gr->at;
    for (uint32_t row = 0; row < s->n - s->r; row++) {
        const uint64_t *coef = s->small + (size_t)row * k;
        vs_fe *out = gr->w->out[k + row];
        UNROLL for (unsigned i = t - 1; i-- > 0;)
        {
            UNROLL for (unsigned u = 0; u < u_count; u++)
            {
                d[i].low[u] = _mm512_add_epi64(d[i].low[u], d[i + 1].low[u]);
                d[i].high[u] = _mm512_add_epi64(d[i].high[u], d[i + 1].high[u]);
            }
        }
        if (out == NULL) continue;
        v8 low[U_MAX], high[U_MAX];
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            low[u] = d[0].low[u];
            high[u] = d[0].high[u];
        }
        UNROLL for (unsigned i = 0; i < k; i++)
        {
            v8 c = v8_set(coef[i]);
            UNROLL for (unsigned u = 0; u < u_count; u++)
            {
                low[u] = _mm512_madd52lo_epu64(low[u], c, secret[i].low[u]);
                high[u] = _mm512_madd52lo_epu64(high[u], c, secret[i].high[u]);
            }
        }
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            put(gr, out + at + u * V8_LANES, v8_reduce_once(limbs_join(low[u], high[u])));
        }
    }
}

/* As group_secrets with k known to the compiler, and the next group's seed shares drawn. */
INLINE void group_known(drawn *dr, const group *gr, unsigned t, unsigned k, unsigned u_count,
                        v8 (*d)[U_MAX], v8 (*next)[U_MAX])
{
    const size_t at = gr->w->first + gr->at;
    limbs g[T_MAX], secret_limbs[K_MAX];
    blocks_next(dr, u_count);
    UNROLL for (unsigned i = 0; i < k; i++)
    {
        const vs_fe *secret = gr->w->secrets[i] + at;
        vs_fe *out = gr->w->out[i];
        v8 x[U_MAX];
        differences_step(t, u_count, d);
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            x[u] = v8_load(secret + u * V8_LANES, 0xff);
            prefetch(gr, secret + u * V8_LANES);
            if (out != NULL) put(gr, out + at + u * V8_LANES, v8_add(x[u], d[0][u]));
            if (((k - 1 - i) & 1) != 0) x[u] = _mm512_xor_si512(x[u], v8_p());
        }
        secret_limbs[i] = limbs_of(x, u_count);
        if (i < t) seed_draw(dr, t, u_count, i, next);
    }
    UNROLL for (unsigned i = 0; i < t; i++) g[i] = limbs_of(d[i], u_count);
    if (is_parked(t, k)) seeds_park(gr, t, u_count, next);
    other_shares(gr, t, k, u_count, g, secret_limbs);
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
    if (is_parked(t, k)) seeds_park(&gr, t, u_count, next);
    for (; gr.at < w->cols; gr.at += (size_t)u_count * V8_LANES) {
        UNROLL for (unsigned i = 0; i < t; i++)
        {
            UNROLL for (unsigned u = 0; u < u_count; u++) d[i][u] = next[i][u];
        }
        if (is_parked(t, k)) seeds_fetch(&gr, t, u_count, d);
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
