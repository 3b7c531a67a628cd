/* AVX2: sharing with t and k known to the compiler, for the committees of `federation new`; the
 * seed shares are drawn on the way, so that their AES runs beside additions, and stores drain. */
#include "mpc/kernels_avx2_aes.h"
#include "mpc/kernels_avx2_group.h"

enum { K_MAX = 6 };

INLINE void put_row(const group *gr, uint32_t j, unsigned u_count, const v4 *x)
{
    vs_fe *out = gr->w->out[j];
    if (out == NULL) return;
    out += gr->w->first + gr->at;
    UNROLL for (unsigned u = 0; u < u_count; u++) put(gr, out + u * V4_LANES, x[u]);
}

typedef struct limbs {
    v4 low[U_MAX], high[U_MAX];
} limbs;

INLINE limbs limbs_of(const v4 *x, unsigned u_count)
{
    limbs l;
    UNROLL for (unsigned u = 0; u < u_count; u++)
    {
        l.low[u] = limb_low(x[u]);
        l.high[u] = limb_high(x[u]);
    }
    /* cppcheck-suppress uninitvar ; the entries in use */
    return l;
}

/* Shares t+1..r, and the limbs of the secrets. */
INLINE void first_shares(const group *gr, unsigned t, unsigned k, unsigned u_count, v4 (*d)[U_MAX],
                         limbs *secret)
{
    UNROLL for (unsigned i = 0; i < k; i++)
    {
        const vs_fe *from = gr->w->secrets[i] + gr->w->first + gr->at;
        const v4 flip = v4_set(((k - 1 - i) & 1) != 0 ? VS_FE_P : 0); /* vs_sharing_negative */
        v4 x[U_MAX], share[U_MAX];
        differences_step(t, u_count, d);
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            x[u] = v4_load(from + u * V4_LANES);
            prefetch(gr, from + u * V4_LANES);
            share[u] = v4_add(x[u], d[0][u]);
            x[u] = _mm256_xor_si256(x[u], flip);
        }
        put_row(gr, i, u_count, share);
        secret[i] = limbs_of(x, u_count);
    }
}

/* Shares beyond r: g goes on in limbs, which are not reduced between the steps. All coefficients,
 * those of g included, add to less than 2^VS_SMALL_SUM_BITS: sums below 2^53 and 2^52, joined
 * below 2^61 - 2^31 + 2^53 + 2^22 < 2p. */
INLINE void other_shares(const group *gr, unsigned t, unsigned k, unsigned u_count, limbs *d,
                         const limbs *secret)
{
    const vs_sharing *s = gr->s;
    for (uint32_t row = 0; row < s->n - s->r; row++) {
        const uint64_t *coef = s->small + (size_t)row * k;
        v4 share[U_MAX];
        UNROLL for (unsigned i = t - 1; i-- > 0;)
        {
            UNROLL for (unsigned u = 0; u < u_count; u++)
            {
                d[i].low[u] = _mm256_add_epi64(d[i].low[u], d[i + 1].low[u]);
                d[i].high[u] = _mm256_add_epi64(d[i].high[u], d[i + 1].high[u]);
            }
        }
        limbs sum = d[0];
        UNROLL for (unsigned i = 0; i < k; i++)
        {
            const v4 c = v4_set(coef[i]);
            UNROLL for (unsigned u = 0; u < u_count; u++)
            {
                v4 low = _mm256_mul_epu32(c, secret[i].low[u]);
                v4 high = _mm256_mul_epu32(c, secret[i].high[u]);
                sum.low[u] = _mm256_add_epi64(sum.low[u], low);
                sum.high[u] = _mm256_add_epi64(sum.high[u], high);
            }
        }
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            share[u] = v4_reduce_once(limbs_join(sum.low[u], sum.high[u]));
        }
        put_row(gr, k + row, u_count, share);
    }
}

/* --- seed shares ------------------------------------------------------------------------------ */

typedef struct drawn {
    const group *gr;
    const vs_share_draw *draw;
    __m128i counter; /* of the next group, block number little-endian */
    v4 above;        /* of the groups so far */
    v4 next_above;   /* of the next group */
    uint64_t *next;  /* its values at x = t, t-1, .., 1, each of u_count vectors */
} drawn;

enum { BLOCKS_MAX = 10 }; /* t * 2 u_count */

INLINE void seeds_draw(drawn *dr, unsigned t, unsigned u_count)
{
    const unsigned blocks = 2 * u_count;
    __m128i b[BLOCKS_MAX];
    UNROLL for (unsigned n = 0; n < blocks; n++, dr->counter = counter_step(dr->counter))
    {
        const __m128i block = counter_bytes(dr->counter);
        UNROLL for (unsigned i = 0; i < t; i++)
        {
            b[i * blocks + n] = _mm_xor_si128(block, round_key(dr->draw->key[t - 1 - i], 0));
        }
    }
    UNROLL for (unsigned r = 1; r <= ROUNDS; r++)
    {
        UNROLL for (unsigned i = 0; i < t; i++)
        {
            const __m128i k = round_key(dr->draw->key[t - 1 - i], r);
            UNROLL for (unsigned n = i * blocks; n < (i + 1) * blocks; n++)
            {
                b[n] = r < ROUNDS ? _mm_aesenc_si128(b[n], k) : _mm_aesenclast_si128(b[n], k);
            }
        }
    }
    UNROLL for (unsigned v = 0; v < t * u_count; v++)
    {
        v4 pair = mask_pair(_mm256_set_m128i(b[2 * v + 1], b[2 * v]), &dr->next_above);
        v4_store(dr->next + v * V4_LANES, pair);
    }
}

/* The group that is next becomes the one at hand. */
INLINE void seeds_take(drawn *dr, unsigned t, unsigned u_count, v4 (*d)[U_MAX])
{
    vs_fe *const *keep = dr->draw->seed_out;
    dr->above = _mm256_or_si256(dr->above, dr->next_above);
    dr->next_above = _mm256_setzero_si256();
    UNROLL for (unsigned i = 0; i < t; i++)
    {
        vs_fe *row = keep != NULL ? keep[t - 1 - i] : NULL;
        UNROLL for (unsigned u = 0; u < u_count; u++)
        {
            d[i][u] = v4_load(dr->next + (i * u_count + u) * V4_LANES);
            if (row == NULL) continue;
            v4_store(row + dr->gr->w->first + dr->gr->at + u * V4_LANES, d[i][u]);
        }
    }
}

/* --- groups of columns ------------------------------------------------------------------------ */

/* dr = NULL: the seed shares are given. */
INLINE void group_known(const group *gr, drawn *dr, unsigned t, unsigned k, unsigned u_count)
{
    v4 d[T_MAX][U_MAX];
    limbs g[T_MAX], secret[K_MAX];
    if (dr == NULL) {
        differences_build(gr, t, u_count, d);
    } else {
        seeds_take(dr, t, u_count, d);
        seeds_draw(dr, t, u_count);
        differences_of(t, u_count, d);
    }
    first_shares(gr, t, k, u_count, d, secret);
    UNROLL for (unsigned i = 0; i < t; i++) g[i] = limbs_of(d[i], u_count);
    other_shares(gr, t, k, u_count, g, secret);
}

/* Whole groups; how many columns are done. */
INLINE size_t known_loop(group *gr, drawn *dr, unsigned t, unsigned k, unsigned u_count)
{
    const size_t width = (size_t)u_count * V4_LANES;
    for (; gr->w->cols - gr->at >= width; gr->at += width) group_known(gr, dr, t, k, u_count);
    return gr->at;
}

INLINE void given_loop(const vs_sharing *s, const vs_share_work *w, unsigned t, unsigned k,
                       unsigned u_count, bool stream)
{
    group gr = {s, w, 0, stream};
    size_t done = known_loop(&gr, NULL, t, k, u_count);
    if (done == w->cols) return;
    vs_share_work rest = *w;
    rest.first += done;
    rest.seed_first += done;
    rest.cols -= done;
    vs_kernels_portable.share(s, &rest);
}

INLINE uint64_t drawn_loop(const vs_sharing *s, const vs_share_work *w, const vs_share_draw *draw,
                           unsigned t, unsigned k, unsigned u_count, bool stream)
{
    group gr = {s, w, 0, stream};
    drawn dr = {.gr = &gr,
                .draw = draw,
                .counter = counter_first(&draw->ctr),
                .above = _mm256_setzero_si256(),
                .next_above = _mm256_setzero_si256(),
                .next = w->scratch};
    seeds_draw(&dr, t, u_count);
    (void)known_loop(&gr, &dr, t, k, u_count);
    return any_above(dr.above);
}

/* draw = NULL: given. Nonzero: a value of p was drawn. */
INLINE uint64_t share_known(const vs_sharing *s, const vs_share_work *w, const vs_share_draw *draw,
                            unsigned t, unsigned k, unsigned u_count)
{
    const bool stream = w->to_memory && rows_are_aligned(s, w);
    if (draw != NULL) {
        if (stream) return drawn_loop(s, w, draw, t, k, u_count, true);
        return drawn_loop(s, w, draw, t, k, u_count, false);
    }
    if (stream) {
        given_loop(s, w, t, k, u_count, true);
    } else {
        given_loop(s, w, t, k, u_count, false);
    }
    return 0;
}

bool vs_avx2_knows(const vs_sharing *s)
{
    if (!s->is_small) return false;
    return (s->t == 1 && s->k == 2) || (s->t == 2 && s->k == 3) || (s->t == 3 && s->k == 4) ||
           (s->t == 5 && s->k == 6);
}

uint64_t vs_avx2_share_drawn(const vs_sharing *s, const vs_share_work *w, const vs_share_draw *draw)
{
    VS_ASSERT(vs_avx2_knows(s));
    switch (s->t) {
    case 1: return share_known(s, w, draw, 1, 2, 2);
    case 2: return share_known(s, w, draw, 2, 3, 2);
    case 3: return share_known(s, w, draw, 3, 4, 1);
    default: return share_known(s, w, draw, 5, 6, 1);
    }
}
