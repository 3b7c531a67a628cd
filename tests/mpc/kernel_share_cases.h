/* Sharing on the table ISA against the portable table and GMP, seed shares given and drawn. */
#ifndef VS_TESTS_MPC_KERNEL_SHARE_CASES_H
#define VS_TESTS_MPC_KERNEL_SHARE_CASES_H

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <gmp.h>
#include <openssl/evp.h>

#include "mpc/kernels.h"
#include "tests/mpc/kernel_values.h"
#include "tests/support.h"

enum { SHARE_ROWS = 2 * VS_SHAREHOLDERS_MAX };
static vs_fe cell[SHARE_ROWS][COLS];
static vs_fe got_cell[VS_SHAREHOLDERS_MAX][COLS];
static _Alignas(64) uint64_t scratch[VS_SHARE_SCRATCH + 1];

static void share_with(const vs_kernels *k, const vs_sharing *s, vs_fe (*to)[COLS], size_t offset,
                       size_t cols, bool to_memory, uint32_t left_out)
{
    vs_fe *out[VS_SHAREHOLDERS_MAX];
    const vs_fe *seeds[VS_SHAREHOLDERS_MAX];
    const vs_fe *secrets[VS_SHAREHOLDERS_MAX];
    for (uint32_t j = 0; j < s->t; j++) seeds[j] = cell[j] + 1;
    for (uint32_t i = 0; i < s->k; i++) secrets[i] = cell[s->t + i];
    for (uint32_t j = 0; j < s->n - s->t; j++) out[j] = j == left_out ? NULL : to[j];
    scratch[VS_SHARE_SCRATCH_OF(s->r)] = 4711;
    const vs_share_work range = {.out = out,
                                 .secrets = secrets,
                                 .seeds = seeds,
                                 .first = offset,
                                 .seed_first = 2,
                                 .cols = cols,
                                 .to_memory = to_memory,
                                 .scratch = scratch};
    k->share(s, &range);
    k->finish();
    cr_assert_eq(scratch[VS_SHARE_SCRATCH_OF(s->r)], 4711, "more scratch than promised");
}

static void expect_share_as_portable(const vs_kernels *k, const vs_sharing *s, size_t offset,
                                     size_t cols, bool to_memory)
{
    static vs_fe want[VS_SHAREHOLDERS_MAX][COLS];
    uint32_t left_out = cols % 3 == 0 ? (uint32_t)cols % (s->n - s->t) : VS_SHAREHOLDERS_MAX;
    memset(want, 0x5a, sizeof want);
    memset(got_cell, 0x5a, sizeof got_cell);
    share_with(&vs_kernels_portable, s, want, offset, cols, false, left_out);
    share_with(k, s, got_cell, offset, cols, to_memory, left_out);
    for (uint32_t j = 0; j < s->n - s->t; j++) {
        cr_assert_arr_eq(got_cell[j], want[j], sizeof want[j],
                         "n=%u t=%u k=%u share %u, %zu columns from %zu", s->n, s->t, s->k,
                         s->t + 1 + j, cols, offset);
    }
}

static void fill_cells(int kind)
{
    for (size_t i = 0; i < SHARE_ROWS; i++) {
        for (size_t c = 0; c < COLS; c++) {
            cell[i][c] = kind == 0   ? (vs_fe){VS_FE_P - 1}
                         : kind == 3 ? (vs_fe){0}
                                     : edge(30 + (uint64_t)kind, i * COLS + c);
        }
    }
}

static vs_sharing *sharing_of(uint32_t n, uint32_t t, uint32_t k)
{
    vs_sharing *s = NULL;
    cr_assert_eq(vs_sharing_new(&s, n, t, k), VS_OK);
    return s;
}

Test(ISA_SUITE, share_equals_portable_for_all_small_parameters)
{
    const vs_kernels *kernels = table();
    if (kernels == NULL) return;
    for (int kind = 0; kind < KINDS; kind++) {
        fill_cells(kind);
        for (uint32_t n = 2; n <= 10; n++) {
            for (uint32_t t = 1; t < n; t++) {
                for (uint32_t k = 1; t + k <= n; k++) {
                    vs_sharing *s = sharing_of(n, t, k);
                    expect_share_as_portable(kernels, s, 1, 75, true);
                    expect_share_as_portable(kernels, s, 0, 32, true);
                    vs_sharing_free(s);
                }
            }
        }
    }
}

Test(ISA_SUITE, share_equals_portable_for_large_parameters)
{
    static const uint32_t ntk[][3] = {
        {16, 5, 6},   {16, 3, 7},    {20, 6, 12},   {20, 1, 10},   {20, 9, 1},    {21, 3, 9},
        {33, 8, 20},  {64, 20, 40},  {64, 1, 63},   {128, 1, 1},   {128, 1, 31},  {128, 3, 2},
        {128, 40, 3}, {128, 127, 1}, {128, 1, 127}, {128, 63, 64}, {128, 42, 43},
    };
    const vs_kernels *kernels = table();
    if (kernels == NULL) return;
    for (int kind = 0; kind < KINDS; kind++) {
        fill_cells(kind);
        for (size_t i = 0; i < sizeof ntk / sizeof ntk[0]; i++) {
            vs_sharing *s = sharing_of(ntk[i][0], ntk[i][1], ntk[i][2]);
            expect_share_as_portable(kernels, s, 3, 101, kind == 1);
            vs_sharing_free(s);
        }
    }
}

Test(ISA_SUITE, share_equals_portable_at_all_lengths_and_alignments)
{
    static const uint32_t ntk[][3] = {{3, 1, 1}, {7, 2, 3}, {10, 3, 4}, {12, 5, 4}, {24, 8, 3}};
    const vs_kernels *kernels = table();
    if (kernels == NULL) return;
    fill_cells(2);
    for (size_t i = 0; i < sizeof ntk / sizeof ntk[0]; i++) {
        vs_sharing *s = sharing_of(ntk[i][0], ntk[i][1], ntk[i][2]);
        for (size_t cols = 0; cols <= LENGTHS; cols++) {
            expect_share_as_portable(kernels, s, cols % 9, cols, cols % 2 == 0);
        }
        vs_sharing_free(s);
    }
}

/* The last n with small coefficients, where limbs are largest, and the first without. */
Test(ISA_SUITE, share_equals_portable_where_small_coefficients_end)
{
    static const uint32_t last[][3] = {{17, 5, 6}, {24, 3, 4}, {56, 2, 3},
                                       {16, 3, 7}, {19, 6, 4}, {20, 10, 1}};
    const vs_kernels *kernels = table();
    if (kernels == NULL) return;
    for (int kind = 0; kind < KINDS; kind++) {
        fill_cells(kind);
        for (size_t i = 0; i < sizeof last / sizeof last[0]; i++) {
            for (uint32_t more = 0; more < 2; more++) {
                vs_sharing *s = sharing_of(last[i][0] + more, last[i][1], last[i][2]);
                if (i < 3) cr_assert_eq(s->is_small, more == 0, "n = %u", s->n);
                expect_share_as_portable(kernels, s, 0, 64, true);
                vs_sharing_free(s);
            }
        }
    }
}

/* Which committees have loops of their own; a new table says so here. */
Test(ISA_SUITE, draws_the_committees_of_federation_new)
{
    static const uint32_t ntk[][3] = {{5, 1, 2}, {7, 2, 3}, {10, 3, 4}, {16, 5, 6}};
    const vs_kernels *kernels = table();
    if (kernels == NULL) return;
    cr_assert_eq(kernels->draws == NULL, kernels->aes_key == NULL);
    for (size_t i = 0; i < sizeof ntk / sizeof ntk[0] && kernels->draws != NULL; i++) {
        vs_sharing *s = sharing_of(ntk[i][0], ntk[i][1], ntk[i][2]);
        cr_assert(kernels->draws(s));
        vs_sharing_free(s);
    }
}

/* Drawn seed shares: whatever the portable kernel makes of the same keystream. */
static void expect_drawn(const vs_kernels *k, const vs_sharing *s, size_t offset, size_t cols,
                         bool to_memory, bool keep)
{
    static vs_fe want[VS_SHAREHOLDERS_MAX][COLS], seed[VS_DRAWN_T_MAX][COLS];
    static vs_aes_key key[VS_DRAWN_T_MAX];
    const vs_ctr ctr = {3, 1, 7, UINT32_C(0x01fffffd)}; /* carries inside the block number */
    uint32_t left_out = cols % 3 == 0 ? (uint32_t)cols % (s->n - s->t) : VS_SHAREHOLDERS_MAX;
    vs_share_draw draw = {.ctr = ctr};
    vs_fe *out[VS_SHAREHOLDERS_MAX], *want_out[VS_SHAREHOLDERS_MAX], *kept[VS_DRAWN_T_MAX];
    const vs_fe *secrets[VS_SHAREHOLDERS_MAX], *seeds[VS_DRAWN_T_MAX];
    if (!k->draws(s)) return;
    memset(want, 0x5a, sizeof want);
    memset(got_cell, 0x5a, sizeof got_cell);
    memset(seed, 0x5a, sizeof seed);
    for (uint32_t j = 0; j < s->t; j++) {
        uint8_t bytes[VS_SEED_BYTES];
        vs_test_bytes(bytes, sizeof bytes, 900 + j);
        k->aes_key(&key[j], bytes);
        draw.key[j] = &key[j];
        cr_assert_eq(k->elements(&key[j], &ctr, want[j] + offset, cols), 0);
        seeds[j] = want[j];
        kept[j] = j == 1 ? NULL : seed[j];
    }
    if (keep) draw.seed_out = kept;
    for (uint32_t i = 0; i < s->k; i++) secrets[i] = cell[s->t + i];
    for (uint32_t j = 0; j < s->n - s->t; j++) {
        out[j] = j == left_out ? NULL : got_cell[j];
        want_out[j] = j == left_out ? NULL : want[s->t + j];
    }
    vs_share_work work = {.out = want_out,
                          .secrets = secrets,
                          .seeds = seeds,
                          .first = offset,
                          .seed_first = offset,
                          .cols = cols,
                          .scratch = scratch};
    vs_kernels_portable.share(s, &work);
    work.out = out;
    work.seeds = NULL;
    work.to_memory = to_memory;
    scratch[VS_SHARE_SCRATCH_OF(s->r)] = 4711;
    cr_assert_eq(k->share_drawn(s, &work, &draw), 0);
    k->finish();
    cr_assert_eq(scratch[VS_SHARE_SCRATCH_OF(s->r)], 4711, "more scratch than promised");
    for (uint32_t j = 0; j < s->n - s->t; j++) {
        cr_assert_arr_eq(got_cell[j], want[s->t + j], sizeof want[j],
                         "n=%u t=%u k=%u share %u, %zu columns from %zu", s->n, s->t, s->k,
                         s->t + 1 + j, cols, offset);
    }
    for (uint32_t j = 0; j < s->t; j++) {
        if (!keep || kept[j] == NULL) memset(want[j], 0x5a, sizeof want[j]);
        cr_assert_arr_eq(seed[j], want[j], sizeof want[j], "seed share %u", j + 1);
    }
}

Test(ISA_SUITE, share_with_drawn_seed_shares_equals_portable)
{
    static const uint32_t large[][3] = {{16, 5, 6},  {11, 5, 6},  {14, 5, 6},  {16, 3, 7},
                                        {20, 6, 9},  {20, 1, 12}, {128, 1, 2}, {128, 6, 40},
                                        {128, 2, 3}, {24, 3, 4},  {60, 5, 6}};
    const vs_kernels *kernels = table();
    if (kernels == NULL || kernels->draws == NULL) return;
    for (int kind = 0; kind < KINDS; kind++) {
        fill_cells(kind);
        for (uint32_t n = 2; n <= 10; n++) {
            for (uint32_t t = 1; t < n && t <= VS_DRAWN_T_MAX; t++) {
                for (uint32_t k = 1; t + k <= n; k++) {
                    vs_sharing *s = sharing_of(n, t, k);
                    expect_drawn(kernels, s, 0, 3 * VS_DRAWN_COLUMNS, true, true);
                    expect_drawn(kernels, s, 5, 2 * VS_DRAWN_COLUMNS, false, false);
                    vs_sharing_free(s);
                }
            }
        }
        for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
            vs_sharing *s = sharing_of(large[i][0], large[i][1], large[i][2]);
            expect_drawn(kernels, s, 3, 2 * VS_DRAWN_COLUMNS, true, true);
            expect_drawn(kernels, s, 8, 3 * VS_DRAWN_COLUMNS, true, false);
            vs_sharing_free(s);
        }
    }
}

/* Both tables against a formula of GMP's: share j > r by Lagrange over 1..r. */
Test(ISA_SUITE, shares_beyond_r_lie_on_the_polynomial_by_gmp)
{
    static const uint32_t ntk[][3] = {{7, 2, 3}, {16, 5, 6}, {20, 2, 9}, {40, 5, 30}};
    const vs_kernels *kernels = table();
    mpz_t p, sum, num, den;
    if (kernels == NULL) return;
    mpz_inits(p, sum, num, den, NULL);
    mpz_set_ui(p, VS_FE_P);
    fill_cells(2);
    for (size_t i = 0; i < sizeof ntk / sizeof ntk[0]; i++) {
        vs_sharing *s = sharing_of(ntk[i][0], ntk[i][1], ntk[i][2]);
        share_with(kernels, s, got_cell, 0, 40, false, VS_SHAREHOLDERS_MAX);
        for (size_t c = 0; c < 40; c += 13) {
            mpz_set_ui(sum, 0);
            for (uint32_t a = 1; a <= s->r; a++) {
                uint64_t y = a <= s->t ? cell[a - 1][3 + c].v : got_cell[a - s->t - 1][c].v;
                mpz_set_ui(num, y);
                mpz_set_ui(den, 1);
                for (uint32_t b = 1; b <= s->r; b++) {
                    if (b == a) continue;
                    mpz_mul_si(num, num, (long)s->n - (long)b);
                    mpz_mul_si(den, den, (long)a - (long)b);
                }
                mpz_mod(den, den, p);
                mpz_invert(den, den, p);
                mpz_addmul(sum, num, den);
            }
            mpz_mod(sum, sum, p);
            cr_assert_eq(got_cell[s->n - s->t - 1][c].v, mpz_get_ui(sum));
        }
        vs_sharing_free(s);
    }
    mpz_clears(p, sum, num, den, NULL);
}

/* The same for a seed share that a share kernel draws, whichever of the t streams it is in. */
Test(ISA_SUITE, sharing_reports_a_drawn_value_of_p_wherever_it_is)
{
    enum { N = 9, T_LAST = 3, COLUMNS = 2 * VS_DRAWN_COLUMNS };
    const vs_kernels *k = table();
    if (k == NULL || k->draws == NULL) return;
    uint8_t seed[VS_SEED_BYTES] = {9}, counter[16];
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    cr_assert_eq(EVP_DecryptInit_ex(cipher, EVP_aes_256_ecb(), NULL, seed, NULL), 1);
    cr_assert_eq(EVP_CIPHER_CTX_set_padding(cipher, 0), 1);
    vs_aes_key hitting, plain;
    k->aes_key(&hitting, seed);
    seed[0] = 10;
    k->aes_key(&plain, seed);
    fill_cells(1);
    for (uint32_t half = 0; half < 2; half++) {
        uint64_t block[2] = {5, 5};
        int len = 0;
        block[half] = VS_FE_P;
        cr_assert_eq(EVP_DecryptUpdate(cipher, counter, &len, (const uint8_t *)block, 16), 1);
        uint32_t number = (uint32_t)counter[12] << 24 | (uint32_t)counter[13] << 16 |
                          (uint32_t)counter[14] << 8 | counter[15];
        for (uint32_t at = 0; at <= COLUMNS / 2; at++) { /* in the last round: just behind */
            for (uint32_t t = 1; t <= T_LAST; t++) {
                for (uint32_t j = 0; j < t; j++) {
                    vs_sharing *s = sharing_of(N, t, t + 1);
                    vs_share_draw draw = {.ctr = {vs_load_le32(counter), vs_load_le32(counter + 4),
                                                  vs_load_le32(counter + 8), number - at}};
                    vs_fe *out[N];
                    const vs_fe *secrets[N];
                    for (uint32_t i = 0; i < N; i++) {
                        out[i] = got_cell[i];
                        secrets[i] = cell[i];
                        draw.key[i] = i == j ? &hitting : &plain;
                    }
                    const vs_share_work work = {
                        .out = out, .secrets = secrets, .cols = COLUMNS, .scratch = scratch};
                    cr_assert_eq(k->share_drawn(s, &work, &draw) != 0, at < COLUMNS / 2,
                                 "block %u, stream %u of %u", at, j, t);
                    vs_sharing_free(s);
                }
            }
        }
    }
    EVP_CIPHER_CTX_free(cipher);
}

#endif /* VS_TESTS_MPC_KERNEL_SHARE_CASES_H */
