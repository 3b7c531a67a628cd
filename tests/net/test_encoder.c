#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpc/pack.h"
#include "mpc/prg.h"
#include "mpc/proof.h"
#include "mpc/sharing.h"
#include "net/encoder.h"
#include "net/encoder_stage.h"
#include "tests/support.h"

typedef struct setup {
    vs_federation *fed;
    vs_round round;
    double *update;
    uint8_t seed[32];
} setup;

static setup setup_of(uint32_t n, uint32_t t, uint32_t k, uint32_t dim, bool stochastic)
{
    setup s = {.fed = calloc(1, sizeof *s.fed), .update = calloc(dim, sizeof *s.update)};
    s.fed->committee = (vs_committee){.n = n, .t = t, .k = k, .margin = t};
    s.fed->quantiser = (vs_quantiser){.clip_norm = 0,
                                      .clipping_range = 1,
                                      .bits = 16,
                                      .max_weight = 1000000,
                                      .stochastic_rounding = stochastic};
    s.round.quantiser = s.fed->quantiser;
    s.round.open.dim = dim;
    s.round.open.weight_digits = vs_weight_digits(1000000, 16);
    s.round.open.n_shareholders = n;
    for (uint32_t j = 1; j <= n; j++) s.round.open.shareholders[j - 1].index = j;
    cr_assert_eq(
        vs_layout_make(&s.round.layout, 16, 100, k, dim + s.round.open.weight_digits, NULL), VS_OK);
    for (uint32_t i = 0; i < dim; i++) {
        s.update[i] = (double)(vs_test_u64(3, i) >> 11) * 0x1p-52 - 1.0; /* -1..1 */
    }
    vs_test_bytes(s.seed, 32, 4);
    return s;
}

static void setup_free(setup *s)
{
    free(s->fed);
    free(s->update);
}

static vs_encoder *encoder_of(const setup *s, uint64_t weight)
{
    vs_encoder *enc = NULL;
    vs_diag diag = {0};
    cr_assert_eq(vs_encoder_new(&enc, s->fed, &s->round, s->seed, s->update, s->round.open.dim,
                                weight, &diag),
                 VS_OK, "%s", diag.text);
    return enc;
}

/* All blocks; share j's row is at rows + (j-1) * (M+2). */
static vs_fe *all_rows(vs_encoder *enc, const setup *s)
{
    uint32_t n = s->fed->committee.n, total = s->round.layout.columns + VS_MASK_COLUMNS;
    vs_fe *rows = calloc((size_t)n * total, sizeof *rows);
    uint32_t at = 0;
    for (uint32_t b = 0; b < vs_encoder_blocks(enc); b++) {
        size_t count = 0;
        cr_assert_eq(vs_encoder_make(enc, b, 1), VS_OK);
        for (uint32_t j = 1; j <= n; j++) {
            const vs_fe *row = vs_encoder_share(enc, j, b, &count);
            memcpy(rows + (size_t)(j - 1) * total + at, row, count * sizeof *row);
        }
        at += (uint32_t)count;
    }
    cr_assert_eq(at, total);
    return rows;
}

/* The coordinates that the r shareholders idx[] reconstruct. */
static void expect_reconstructs(const setup *s, const vs_fe *rows, const uint32_t *idx,
                                const uint32_t *expected)
{
    const vs_committee *c = &s->fed->committee;
    const vs_layout *l = &s->round.layout;
    uint32_t total = l->columns + VS_MASK_COLUMNS;
    const vs_fe *shares[VS_SHAREHOLDERS_MAX];
    vs_fe *secrets[VS_SHAREHOLDERS_MAX];
    vs_recon *rec;
    uint64_t *coords = calloc(l->dim, sizeof *coords);
    cr_assert_eq(vs_recon_new(&rec, c->n, c->t, c->k, idx), VS_OK);
    for (uint32_t a = 0; a < vs_committee_r(c); a++) {
        shares[a] = rows + (size_t)(idx[a] - 1) * total;
    }
    for (uint32_t i = 0; i < c->k; i++) secrets[i] = calloc(l->columns, sizeof **secrets);
    vs_recon_columns(rec, secrets, shares, l->columns);
    cr_assert_eq(
        vs_unpack_columns(l, coords, l->dim, (const vs_fe *const *)secrets, l->columns, UINT16_MAX),
        VS_OK);
    for (uint32_t i = 0; i < l->dim; i++) {
        cr_assert_eq(coords[i], expected[i], "coordinate %u of %u", i, l->dim);
    }
    for (uint32_t i = 0; i < c->k; i++) free(secrets[i]);
    free(coords);
    vs_recon_free(rec);
}

static void round_trip(uint32_t n, uint32_t t, uint32_t k, uint32_t dim, bool stochastic)
{
    setup s = setup_of(n, t, k, dim, stochastic);
    vs_encoder *enc = encoder_of(&s, 123456);
    uint32_t r = t + k, idx[VS_SHAREHOLDERS_MAX];
    uint32_t *coords = calloc(s.round.layout.dim, sizeof *coords);
    vs_fe *rows = all_rows(enc, &s);
    cr_assert_eq(vs_encoder_coordinates(enc, coords), VS_OK);
    for (uint32_t a = 0; a < r; a++) idx[a] = a + 1;
    expect_reconstructs(&s, rows, idx, coords);
    for (uint32_t a = 0; a < r; a++) idx[a] = n - r + 1 + a;
    expect_reconstructs(&s, rows, idx, coords);

    /* the weight travels as digits */
    uint64_t weight = 0;
    for (uint32_t d = 0; d < s.round.open.weight_digits; d++) {
        weight |= (uint64_t)coords[dim + d] << (16 * d);
    }
    cr_expect_eq(weight, 123456);
    free(coords);
    free(rows);
    vs_encoder_free(enc);
    setup_free(&s);
}

Test(encoder, shares_of_any_r_reconstruct_the_quantised_coordinates)
{
    round_trip(5, 1, 2, 1, true);
    round_trip(5, 1, 2, 1000, true);
    round_trip(4, 1, 1, 777, false);
    round_trip(16, 3, 7, 5000, true);
    round_trip(3, 2, 1, 3, true);
}

Test(encoder, spans_blocks_and_hits_every_block_boundary)
{
    /* S = floor(60 / 23) = 2, k = 2: 4 coordinates a column, 2 weight digits */
    round_trip(4, 1, 2, 4 * 8190 - 2, true);     /* exactly one block */
    round_trip(4, 1, 2, 4 * 8191 - 2, true);     /* masks cut by the boundary */
    round_trip(4, 1, 2, 4 * 8192 - 2, true);     /* masks alone in the second block */
    round_trip(4, 1, 2, 4 * 8192 * 2 + 5, true); /* three blocks */
}

Test(encoder, seed_shares_are_the_stream_of_their_seed)
{
    setup s = setup_of(5, 2, 2, 40000, true);
    vs_encoder *enc = encoder_of(&s, 5);
    uint32_t total = s.round.layout.columns + VS_MASK_COLUMNS;
    vs_fe *rows = all_rows(enc, &s), *expected = calloc(total, sizeof *expected);
    for (uint32_t j = 1; j <= 2; j++) {
        uint8_t seed[32];
        vs_prg *prg;
        vs_encoder_seed(enc, j, seed);
        cr_assert_eq(vs_prg_new(&prg, seed, VS_PRG_SHARE), VS_OK);
        vs_prg_fill(prg, expected, 0, total);
        cr_expect(memcmp(expected, rows + (size_t)(j - 1) * total, total * sizeof *rows) == 0);
        vs_prg_free(prg);
    }
    free(expected);
    free(rows);
    vs_encoder_free(enc);
    setup_free(&s);
}

Test(encoder, pass_two_makes_what_pass_one_made_in_any_order)
{
    setup s = setup_of(5, 1, 2, 70000, true);
    vs_encoder *enc = encoder_of(&s, 5), *other = encoder_of(&s, 5);
    uint32_t total = s.round.layout.columns + VS_MASK_COLUMNS;
    vs_fe *first = all_rows(enc, &s), *second = all_rows(enc, &s);
    cr_expect(memcmp(first, second, (size_t)5 * total * sizeof *first) == 0);
    for (uint32_t b = vs_encoder_blocks(other); b-- > 0;) { /* backwards, from nothing */
        size_t count;
        cr_assert_eq(vs_encoder_make(other, b, 1), VS_OK);
        for (uint32_t j = 1; j <= 5; j++) {
            const vs_fe *row = vs_encoder_share(other, j, b, &count);
            cr_expect(memcmp(row, first + (size_t)(j - 1) * total + b * VS_CHUNK_ELEMENTS,
                             count * sizeof *row) == 0);
        }
    }
    free(first);
    free(second);
    vs_encoder_free(enc);
    vs_encoder_free(other);
    setup_free(&s);
}

/* Rows 1..n of both encoders, block by block in this order of blocks. */
static void expect_same_blocks(vs_encoder *a, vs_encoder *b, uint32_t n, bool backwards)
{
    const uint32_t blocks = vs_encoder_blocks(a);
    cr_assert_eq(vs_encoder_blocks(b), blocks);
    for (uint32_t i = 0; i < blocks; i++) {
        const uint32_t block = backwards ? blocks - 1 - i : i;
        cr_assert_eq(vs_encoder_make(a, block, 1), VS_OK);
        cr_assert_eq(vs_encoder_make(b, block, 1), VS_OK);
        for (uint32_t j = 1; j <= n; j++) {
            size_t x_len, y_len;
            const vs_fe *x = vs_encoder_share(a, j, block, &x_len);
            const vs_fe *y = vs_encoder_share(b, j, block, &y_len);
            cr_assert_eq(x_len, y_len);
            cr_assert(memcmp(x, y, x_len * sizeof *x) == 0, "block %u, share %u", block, j);
        }
    }
}

/* Kept coordinates of 1, 2 and 4 bytes, and none kept. */
Test(encoder, keeping_coordinates_changes_nothing)
{
    static const uint32_t bits[] = {7, 16, 27};
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        setup s = setup_of(7, 2, 3, 150000, true);
        s.round.quantiser.bits = bits[i];
        s.round.open.weight_digits = vs_weight_digits(1000000, bits[i]);
        cr_assert_eq(vs_layout_make(&s.round.layout, bits[i], 100, 3,
                                    150000 + s.round.open.weight_digits, NULL),
                     VS_OK);
        s.update[0] = 2; /* clipped */
        vs_encoder *kept = encoder_of(&s, 5), *not_kept = encoder_of(&s, 5);
        vs_encoder_keep(not_kept, s.round.open.dim * (uint64_t)(bits[i] <= 8    ? 1
                                                                : bits[i] <= 16 ? 2
                                                                                : 4) -
                                      1);
        expect_same_blocks(kept, not_kept, 7, false);
        expect_same_blocks(kept, not_kept, 7, false);
        expect_same_blocks(kept, not_kept, 7, true);
        cr_expect(vs_encoder_keeps(kept) && !vs_encoder_keeps(not_kept));
        cr_expect_eq(vs_encoder_clipped(kept), vs_encoder_clipped(not_kept));
        vs_encoder_free(kept);
        vs_encoder_free(not_kept);
        setup_free(&s);
    }
}

/* The scan rounds an update that the L2 clip leaves as it is; one that turns out to be clipped,
 * early, at the end or by a hair, is rounded again. clip_norm in norms of the update, 0: none. */
Test(encoder, a_clip_that_the_scan_finds_changes_nothing)
{
    static const double clips[] = {0, 10, 1 + 1e-9, 1 - 1e-9, 0.999, 0.05};
    double norm = 0;
    for (size_t i = 0; i < sizeof clips / sizeof clips[0]; i++) {
        setup s = setup_of(4, 1, 2, 400000, true);
        bool clipped = false;
        s.round.quantiser.clip_norm = clips[i] * norm;
        s.round.quantiser.clipping_range = 0.5;
        vs_encoder *kept = encoder_of(&s, 900000), *not_kept = encoder_of(&s, 900000);
        vs_encoder_keep(not_kept, 0);
        expect_same_blocks(kept, not_kept, 4, i % 2 == 0);
        norm = vs_encoder_norm(kept, &clipped);
        cr_expect(norm > 364 && norm < 366, "%g", norm);
        cr_expect_eq(clipped, clips[i] != 0 && clips[i] < 1);
        cr_expect_eq(vs_encoder_clipped(kept), vs_encoder_clipped(not_kept));
        cr_expect_eq(vs_encoder_clipped(kept) > 0, clips[i] != 0.05);
        vs_encoder_free(kept);
        vs_encoder_free(not_kept);
        setup_free(&s);
    }
}

/* Any number of blocks at once, from any block on; and the roots that pass 1 makes of them. */
Test(encoder, groups_of_blocks_are_the_blocks)
{
    setup s = setup_of(4, 1, 1, 200000, true); /* 13 blocks; 3 vectors: groups of 5 */
    vs_encoder *enc = encoder_of(&s, 5), *one = encoder_of(&s, 5);
    const uint32_t blocks = vs_encoder_blocks(enc), group = vs_encoder_group(enc);
    vs_share_root root[4], want[4], *roots[4] = {NULL};
    cr_assert_gt(group, 1);
    cr_assert_gt(blocks, 2 * group);
    for (uint32_t j = 2; j <= 4; j++) {
        roots[j - 1] = &root[j - 1];
        vs_share_root_init(&root[j - 1]);
        vs_share_root_init(&want[j - 1]);
    }
    for (uint32_t first = 0; first < blocks;) {
        uint32_t count = 1 + first % group; /* different groups from time to time */
        if (count > blocks - first) count = blocks - first;
        const bool all = first % 2 == 0; /* else without the row of the seed */
        cr_assert_eq(all ? vs_encoder_make(enc, first, count)
                         : vs_encoder_make_vectors(enc, first, count),
                     VS_OK);
        cr_assert_eq(vs_encoder_hash(enc, roots, 4, first, count, NULL), VS_OK);
        for (uint32_t b = first; b < first + count; b++) {
            cr_assert_eq(vs_encoder_make(one, b, 1), VS_OK);
            for (uint32_t j = all ? 1 : 2; j <= 4; j++) {
                size_t n, m;
                const vs_fe *x = vs_encoder_share(enc, j, b, &n),
                            *y = vs_encoder_share(one, j, b, &m);
                cr_assert_eq(n, m);
                cr_assert(memcmp(x, y, n * sizeof *x) == 0, "block %u, share %u", b, j);
                if (j > 1) vs_share_root_update(&want[j - 1], y, n * sizeof *y);
            }
        }
        first += count;
    }
    for (uint32_t j = 2; j <= 4; j++) {
        vs_h32 x, y;
        vs_share_root_final(&root[j - 1], &x);
        vs_share_root_final(&want[j - 1], &y);
        cr_expect(vs_h32_equal(&x, &y), "share %u", j);
    }
    vs_encoder_free(enc);
    vs_encoder_free(one);
    setup_free(&s);
}

Test(encoder, everything_random_changes_with_the_seed)
{
    setup s = setup_of(5, 2, 2, 1000, true);
    vs_encoder *a = encoder_of(&s, 5);
    s.seed[31] ^= 1;
    vs_encoder *b = encoder_of(&s, 5);
    uint8_t x[32], y[32];
    vs_h32 salt_a, salt_b;
    vs_encoder_salt(a, &salt_a);
    vs_encoder_salt(b, &salt_b);
    cr_expect(!vs_h32_equal(&salt_a, &salt_b));
    for (uint32_t j = 1; j <= 5; j++) {
        vs_encoder_nonce(a, j, x);
        vs_encoder_nonce(b, j, y);
        cr_expect(memcmp(x, y, 32) != 0);
        vs_encoder_ephemeral_secret(a, j, x);
        vs_encoder_ephemeral_secret(b, j, y);
        cr_expect(memcmp(x, y, 32) != 0);
    }
    uint32_t *ca = calloc(s.round.layout.dim, 4), *cb = calloc(s.round.layout.dim, 4);
    uint32_t differ = 0;
    cr_assert_eq(vs_encoder_coordinates(a, ca), VS_OK);
    cr_assert_eq(vs_encoder_coordinates(b, cb), VS_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        cr_expect(labs((long)ca[i] - (long)cb[i]) <= 1);
        differ += ca[i] != cb[i];
    }
    cr_expect_gt(differ, 100); /* rounding words differ */
    free(ca);
    free(cb);
    vs_encoder_free(a);
    vs_encoder_free(b);
    setup_free(&s);
}

/* W from shares 1..r is what every shareholder computes from its own share. */
Test(encoder, shares_pass_the_consistency_proof)
{
    setup s = setup_of(7, 2, 3, 100000, true);
    vs_encoder *enc = encoder_of(&s, 5);
    uint32_t total = s.round.layout.columns + VS_MASK_COLUMNS, r = 5;
    vs_fe *rows = all_rows(enc, &s);
    vs_fe2 rho = {{12345}, {67890}}, w[7];
    for (uint32_t j = 1; j <= 7; j++) {
        vs_proof_acc acc;
        vs_proof_start(&acc, rho, s.round.layout.columns);
        vs_proof_update(&acc, rows + (size_t)(j - 1) * total, total);
        w[j - 1] = vs_proof_final(&acc);
    }
    for (uint32_t j = 1; j <= 7; j++) cr_expect(vs_fe2_equal(vs_proof_eval(w, r, j), w[j - 1]));
    free(rows);
    vs_encoder_free(enc);
    setup_free(&s);
}

Test(encoder, counts_clipped_coordinates_once)
{
    setup s = setup_of(5, 1, 2, 100000, true);
    s.update[0] = 2;
    s.update[50000] = -3;
    s.update[99999] = 1.5;
    vs_encoder *enc = encoder_of(&s, 1000000); /* weight = max_weight: factor 1 */
    free(all_rows(enc, &s));
    cr_expect_eq(vs_encoder_clipped(enc), 3);
    free(all_rows(enc, &s));
    cr_expect_eq(vs_encoder_clipped(enc), 3);
    bool clipped = true;
    cr_expect_gt(vs_encoder_norm(enc, &clipped), 100.0);
    cr_expect(!clipped);
    vs_encoder_free(enc);
    setup_free(&s);
}

Test(encoder, leaves_out_shareholders_that_are_not_listed)
{
    setup s = setup_of(7, 1, 2, 1000, true);
    vs_encoder *full = encoder_of(&s, 5);
    s.round.open.n_shareholders = 5; /* 1, 4..7: share 2 and 3 are still needed for W */
    for (uint32_t i = 1; i < 5; i++) s.round.open.shareholders[i].index = i + 3;
    vs_encoder *enc = encoder_of(&s, 5);
    cr_assert_eq(vs_encoder_make(full, 0, 1), VS_OK);
    cr_assert_eq(vs_encoder_make(enc, 0, 1), VS_OK);
    for (uint32_t j = 1; j <= 7; j++) {
        size_t a, b;
        const vs_fe *x = vs_encoder_share(full, j, 0, &a), *y = vs_encoder_share(enc, j, 0, &b);
        cr_assert_eq(a, b);
        cr_expect(memcmp(x, y, a * sizeof *x) == 0, "share %u", j);
    }
    vs_encoder_free(full);
    vs_encoder_free(enc);
    setup_free(&s);
}

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void); /* GCC installs no header for it */

/* Bytes that an encoder of this many coordinates allocates. */
static size_t memory_of(uint32_t dim, uint64_t keep)
{
    setup s = setup_of(16, 3, 7, dim, true);
    size_t before = __sanitizer_get_current_allocated_bytes();
    vs_encoder *enc = encoder_of(&s, 5);
    vs_encoder_keep(enc, keep);
    cr_assert_eq(vs_encoder_make(enc, 0, 1), VS_OK);
    size_t after = __sanitizer_get_current_allocated_bytes();
    vs_encoder_free(enc);
    setup_free(&s);
    return after - before;
}

/* Short of one group, of one or several, and far longer. */
Test(encoder, needs_the_same_memory_for_any_length)
{
    const size_t small = memory_of(10, 0), group = memory_of(1000000, 0),
                 large = memory_of(3000000, 0);
    cr_expect_lt(small, (16 + 7) * 65536 + 400000);
    cr_expect_lt(group, 6u << 20);
    cr_expect_leq(large, group + 4096, "%zu, %zu", group, large);
}

Test(encoder, keeps_two_bytes_for_a_coordinate_of_sixteen_bits)
{
    const size_t none = memory_of(3000000, 0), kept = memory_of(3000000, 6000000);
    cr_expect_eq(memory_of(3000000, 5999999), none);
    cr_expect_geq(kept, none + 6000000);
    cr_expect_leq(kept, none + 6000000 + 4096);
}
#endif

Test(encoder, refuses_bad_updates_and_weights)
{
    setup s = setup_of(5, 1, 2, 100, true);
    vs_encoder *enc = NULL;
    vs_diag diag;
    cr_expect_eq(vs_encoder_new(&enc, s.fed, &s.round, s.seed, s.update, 99, 5, &diag),
                 VS_ERR_LIMIT);
    cr_expect_not_null(strstr(diag.text, "99 coordinates"));
    cr_expect_eq(vs_encoder_new(&enc, s.fed, &s.round, s.seed, s.update, 100, 0, &diag),
                 VS_ERR_LIMIT);
    cr_expect_eq(vs_encoder_new(&enc, s.fed, &s.round, s.seed, s.update, 100, 1000001, &diag),
                 VS_ERR_LIMIT);
    s.update[40] = NAN;
    cr_expect_eq(vs_encoder_new(&enc, s.fed, &s.round, s.seed, s.update, 100, 5, &diag),
                 VS_ERR_MALFORMED);
    cr_expect_not_null(strstr(diag.text, "coordinate 40"));
    cr_expect_null(enc);
    setup_free(&s);
}

/* --- rotation and noise --------------------------------------------------------------------------
 */

static setup private_setup(vs_mechanism m, bool rotation, uint32_t dim)
{
    setup s = setup_of(5, 1, 2, dim, true);
    vs_diag diag = {{0}};
    s.fed->min_clients = 20;
    s.fed->max_clients = 100;
    s.fed->rotation = rotation;
    s.fed->k_stddevs = 4;
    s.fed->metrics = true;
    s.fed->quantiser.bits = 18;
    s.fed->quantiser.clip_norm = 3;
    s.fed->quantiser.max_weight = 1;
    s.fed->privacy = (vs_privacy){.mechanism = m,
                                  .noise_multiplier = 1,
                                  .delta = 1e-6,
                                  .max_epsilon = 8,
                                  .beta = VS_PRIVACY_BETA,
                                  .clients_per_round = 20,
                                  .metrics_noise_multiplier = 5};
    s.round.open.clip_norm = 3;
    cr_assert_eq(vs_round_fill_open(&s.round.open, s.fed, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(vs_round_derive(&s.round.quantiser, &s.round.privacy, s.fed, dim, 3, &diag), VS_OK,
                 "%s", diag.text);
    cr_assert_eq(
        vs_layout_make(&s.round.layout, 18, 100, 2, vs_round_coordinates(s.fed, dim), NULL), VS_OK);
    vs_test_bytes(s.round.rotation_seed.b, 32, 6);
    return s;
}

static uint32_t *coordinates(vs_encoder *enc, uint32_t n)
{
    uint32_t *c = calloc(n, sizeof *c);
    cr_assert_eq(vs_encoder_coordinates(enc, c), VS_OK);
    return c;
}

/* One client alone: centred integers times the grid, rotated back, are the clipped update plus
 * noise of the promised deviation; the same seed gives the same integers in any order. */
static void expect_noisy(vs_mechanism m, bool rotation)
{
    enum { N = 20000 };
    setup s = private_setup(m, rotation, N);
    vs_encoder *enc = encoder_of(&s, 1), *again = encoder_of(&s, 1);
    const uint32_t all = s.round.layout.dim;
    cr_assert_eq(vs_encoder_set_metrics(enc, 1.5, 0.75), VS_OK);
    cr_assert_eq(vs_encoder_set_metrics(again, 1.5, 0.75), VS_OK);
    for (uint32_t b = vs_encoder_blocks(again); b-- > 0;) {
        cr_assert_eq(vs_encoder_make(again, b, 1), VS_OK);
    }
    uint32_t *c = coordinates(enc, all), *d = coordinates(again, all);
    cr_expect_arr_eq(c, d, all * sizeof *c);
    uint64_t *sums = calloc(all, sizeof *sums);
    double *mean = calloc(N, sizeof *mean), norm = 0, squares = 0;
    for (uint32_t i = 0; i < all; i++) {
        sums[i] = c[i];
        cr_assert_lt(c[i], 1u << 18);
    }
    for (uint32_t i = 0; i < N; i++) norm += s.update[i] * s.update[i];
    s.round.divisor = 1;
    vs_round_decode(mean, &s.round, sums, 1, 1);
    for (uint32_t i = 0; i < N; i++) {
        double noise = (mean[i] - s.update[i] * 3 / sqrt(norm)) / s.round.privacy.stddev;
        squares += noise * noise;
    }
    cr_expect_float_eq(squares / N, 1, 0.05, "variance %g", squares / N);
    cr_expect_float_eq(s.round.privacy.stddev, 3 / sqrt(20), 1e-3);
    cr_expect_eq(c[all - 1], 1, "the weight");
    vs_encoder_free(enc);
    vs_encoder_free(again);
    free(c), free(d), free(sums), free(mean);
    setup_free(&s);
}

Test(encoder, gaussian_noise_with_rotation)
{
    expect_noisy(VS_MECHANISM_DISCRETE_GAUSSIAN, true);
}

Test(encoder, skellam_noise_with_rotation)
{
    expect_noisy(VS_MECHANISM_SKELLAM, true);
}

Test(encoder, noise_without_rotation)
{
    expect_noisy(VS_MECHANISM_DISCRETE_GAUSSIAN, false);
}

/* The integers before the noise are within the sensitivity that the accountant uses, for 200 seeds;
 * without the condition (beta near 1, so the bound is what is likely) some first attempts are not.
 */
Test(encoder, conditional_rounding_keeps_the_norm_within_the_sensitivity)
{
    enum { N = 400 };
    setup s = private_setup(VS_MECHANISM_DISCRETE_GAUSSIAN, false, N);
    s.fed->privacy.beta = 0.999;
    s.fed->quantiser.bits = 8; /* coarse: rounding matters */
    s.fed->privacy.noise_multiplier = 0.05;
    s.fed->metrics = false;
    s.fed->privacy.metrics_noise_multiplier = 0;
    s.round.open.clip_norm = 3;
    cr_assert_eq(vs_round_fill_open(&s.round.open, s.fed, NULL), VS_OK);
    cr_assert_eq(vs_round_derive(&s.round.quantiser, &s.round.privacy, s.fed, N, 3, NULL), VS_OK);
    uint32_t beyond = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        vs_quantise_scale scale;
        vs_stage *stage;
        vs_prg *first;
        uint64_t words[N];
        uint32_t c[N];
        double norm[2] = {0, 0};
        size_t n;
        vs_test_bytes(s.seed, 32, seed);
        cr_assert_eq(vs_quantise_scan(&scale, &s.round.quantiser, s.update, N, 1, NULL), VS_OK);
        cr_assert_eq(vs_stage_new(&stage, &s.round, s.seed, s.update, &scale, NULL), VS_OK);
        cr_assert_eq(vs_encoder_prg(&first, s.seed, "rounding", 0), VS_OK);
        for (int k = 0; k < 2; k++) {
            vs_prg_words(k == 0 ? vs_stage_rounding(stage) : first, words, 0, N);
            (void)vs_quantise(c, &s.round.quantiser, &scale, vs_stage_read(stage, 0, N, &n), words,
                              N);
            for (uint32_t i = 0; i < N; i++) {
                double v = (double)c[i] - (double)(s.round.privacy.signal_levels / 2);
                norm[k] += v * v;
            }
        }
        cr_expect_leq(sqrt(norm[0]), s.round.privacy.sensitivity);
        beyond += sqrt(norm[1]) > s.round.privacy.sensitivity;
        vs_prg_free(first);
        vs_stage_free(stage);
    }
    cr_expect(beyond > 0 && beyond < 200, "%u first attempts were beyond", beyond);
    setup_free(&s);
}

/* Noise belongs to its coordinate: in one piece or in many it is the same, and no two coordinates
 * share theirs. */
Test(encoder, noise_is_of_its_coordinate_however_it_is_asked_for)
{
    enum { N = 10000 };
    setup s = private_setup(VS_MECHANISM_DISCRETE_GAUSSIAN, false, N);
    vs_quantise_scale scale;
    vs_stage *stage;
    uint32_t *whole = calloc(N, sizeof *whole), *parts = calloc(N, sizeof *parts);
    cr_assert_eq(vs_quantise_scan(&scale, &s.round.quantiser, s.update, N, 1, NULL), VS_OK);
    cr_assert_eq(vs_stage_new(&stage, &s.round, s.seed, s.update, &scale, NULL), VS_OK);
    cr_assert_eq(vs_stage_noise(stage, whole, 0, N), VS_OK);
    for (uint32_t at = 0; at < N; at += 777) {
        uint32_t n = N - at < 777 ? N - at : 777;
        cr_assert_eq(vs_stage_noise(stage, parts + at, at, n), VS_OK);
    }
    cr_expect_arr_eq(whole, parts, N * sizeof *whole);
    /* Equal neighbours at any of these distances are as rare as chance has it: below 1 in 100. */
    const uint32_t distances[] = {1, 777, 1024, 4096, 8192};
    for (size_t d = 0; d < 5; d++) {
        uint32_t equal = 0;
        for (uint32_t i = 0; i + distances[d] < N; i++)
            equal += whole[i] == whole[i + distances[d]];
        cr_expect_lt(equal, N / 100, "%u equal at distance %u", equal, distances[d]);
    }
    vs_stage_free(stage);
    free(whole), free(parts);
    setup_free(&s);
}

/* Three blocks, the last with padding and mask columns. */
Test(encoder, the_number_of_threads_changes_nothing)
{
    static const uint32_t threads[] = {1, 2, 3, 8};
    setup s = setup_of(7, 2, 3, 130000, true);
    vs_encoder *enc = encoder_of(&s, 77);
    vs_fe *want = all_rows(enc, &s);
    size_t bytes = (size_t)7 * (s.round.layout.columns + VS_MASK_COLUMNS) * sizeof *want;
    uint64_t clipped = vs_encoder_clipped(enc);
    vs_encoder_free(enc);
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        vs_pool *pool = NULL;
        cr_assert_eq(vs_pool_new(&pool, threads[i]), VS_OK);
        enc = encoder_of(&s, 77);
        vs_encoder_use_pool(enc, pool);
        if (i % 2 == 0) vs_encoder_keep(enc, 0);
        vs_fe *got = all_rows(enc, &s);
        cr_expect_eq(memcmp(got, want, bytes), 0, "%u threads", threads[i]);
        cr_expect_eq(vs_encoder_clipped(enc), clipped);
        free(got);
        got = all_rows(enc, &s); /* the second pass */
        cr_expect_eq(memcmp(got, want, bytes), 0, "%u threads, again", threads[i]);
        cr_expect_eq(vs_encoder_clipped(enc), clipped, "counted once");
        free(got);
        vs_encoder_free(enc);
        vs_pool_free(pool);
    }
    free(want);
    setup_free(&s);
}
