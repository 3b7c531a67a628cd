/* Every kernel of the table ISA against the plainest code and against the portable table, on
 * random values and on the largest sums, at all short lengths and alignments. Included by one
 * program per instruction set. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <gmp.h>

#include "mpc/kernels.h"
#include "tests/support.h"

enum { ROWS = VS_SHAREHOLDERS_MAX, COLS = 232, LENGTHS = 200 };

static vs_fe row[ROWS][COLS];
static const vs_fe *rows[ROWS];
static vs_fe coef[ROWS];

/* The table under test, or NULL (and the program is counted as skipped). */
static const vs_kernels *table(void)
{
    const vs_kernels *k = vs_kernels_by_name(ISA);
    if (k == NULL) vs_test_skip("this machine cannot run " ISA);
    return k;
}

static vs_fe edge(uint64_t seed, uint64_t i)
{
    static const uint64_t edges[] = {0, 1, VS_FE_P - 1, VS_FE_P / 2, (UINT64_C(1) << 52) - 1};
    uint64_t v = vs_test_u64(seed, i);
    return (vs_fe){(v >> 62) == 0 ? edges[v % 5] : v % VS_FE_P};
}

/* kind 0: all p - 1, the largest sums; 1: random; 2: edge values mixed in; 3: all zero. */
enum { KINDS = 4 };
static void fill(int kind)
{
    for (uint32_t a = 0; a < ROWS; a++) {
        rows[a] = row[a];
        coef[a].v = kind == 0 ? VS_FE_P - 1 : vs_test_u64(1, a) % VS_FE_P;
        if (kind == 2) coef[a] = edge(3, a);
        for (uint32_t c = 0; c < COLS; c++) {
            uint64_t at = (uint64_t)a * COLS + c;
            row[a][c].v = kind == 0 ? VS_FE_P - 1 : vs_test_u64(2, at) % VS_FE_P;
            if (kind == 2) row[a][c] = edge(4, at);
            if (kind == 3) row[a][c].v = 0;
        }
    }
}

static void expect_same(const vs_fe *got, const vs_fe *want, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++) cr_assert_eq(got[i].v, want[i].v, "%s: element %zu", what, i);
}

/* A row of COLS that the code under test may change only between from and from + n. */
static void expect_outside_kept(const vs_fe *got, const vs_fe *before, size_t from, size_t n)
{
    for (size_t c = 0; c < COLS; c++) {
        if (c < from || c >= from + n) cr_assert_eq(got[c].v, before[c].v, "column %zu", c);
    }
}

Test(ISA_SUITE, add_and_sub_equal_the_scalar_ones)
{
    const vs_kernels *k = table();
    if (k == NULL) return;
    for (int kind = 0; kind < KINDS; kind++) {
        fill(kind);
        for (size_t at = 0; at < 8; at++) {
            for (size_t n = 0; n <= LENGTHS; n++) {
                vs_fe sum[COLS];
                vs_fe diff[COLS];
                memcpy(sum, row[0], sizeof sum);
                memcpy(diff, row[0], sizeof diff);
                k->add(sum + at, row[1] + n % 8, n);
                k->sub(diff + at, row[1] + n % 8, n);
                for (size_t c = 0; c < n; c++) {
                    cr_assert_eq(sum[at + c].v, vs_fe_add(row[0][at + c], row[1][n % 8 + c]).v);
                    cr_assert_eq(diff[at + c].v, vs_fe_sub(row[0][at + c], row[1][n % 8 + c]).v);
                }
                expect_outside_kept(sum, row[0], at, n);
                expect_outside_kept(diff, row[0], at, n);
            }
        }
    }
}

Test(ISA_SUITE, add_rows_equals_additions)
{
    const vs_kernels *k = table();
    if (k == NULL) return;
    for (int kind = 0; kind < KINDS; kind++) {
        fill(kind);
        for (uint32_t n_rows = 0; n_rows <= VS_ADD_ROWS; n_rows++) {
            for (size_t n = 0; n <= LENGTHS; n++) {
                vs_fe sum[COLS];
                memcpy(sum, row[9], sizeof sum);
                k->add_rows(sum + n % 5, rows, n_rows, n % 7, n);
                for (size_t c = 0; c < n; c++) {
                    vs_fe want = row[9][n % 5 + c];
                    for (uint32_t a = 0; a < n_rows; a++) {
                        want = vs_fe_add(want, row[a][n % 7 + c]);
                    }
                    cr_assert_eq(sum[n % 5 + c].v, want.v, "%u rows, %zu", n_rows, n);
                }
                expect_outside_kept(sum, row[9], n % 5, n);
            }
        }
    }
}

Test(ISA_SUITE, combine_equals_one_product_at_a_time)
{
    static const uint32_t counts[] = {0, 1, 2, 7, 63, 64, 65, 127, 128};
    const vs_kernels *k = table();
    if (k == NULL) return;
    for (int kind = 0; kind < KINDS; kind++) {
        fill(kind);
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            for (size_t cols = 0; cols <= LENGTHS; cols += cols < 40 ? 1 : 29) {
                vs_fe out[COLS];
                memcpy(out, row[5], sizeof out);
                k->combine(out + 3, coef, rows, counts[i], 5, cols);
                for (uint32_t c = 0; c < cols; c++) {
                    vs_fe want = {0};
                    for (uint32_t a = 0; a < counts[i]; a++) {
                        want = vs_fe_add(want, vs_fe_mul(coef[a], row[a][5 + c]));
                    }
                    cr_assert_eq(out[3 + c].v, want.v, "%u rows", counts[i]);
                }
                expect_outside_kept(out, row[5], 3, cols);
            }
        }
    }
}

/* More rows than one lazy sum takes, all terms as large as they can be. */
Test(ISA_SUITE, combine_of_very_many_rows_does_not_overflow)
{
    enum { MANY = 5000 };
    static vs_fe many_coef[MANY];
    static const vs_fe *many[MANY];
    const vs_kernels *k = table();
    vs_fe out[9];
    vs_fe want = {0};
    if (k == NULL) return;
    fill(0);
    for (size_t a = 0; a < MANY; a++) {
        many_coef[a].v = VS_FE_P - 1;
        many[a] = row[0];
        want = vs_fe_add(want, vs_fe_mul(many_coef[a], row[0][0]));
    }
    k->combine(out, many_coef, many, MANY, 0, 9);
    for (size_t c = 0; c < 9; c++) cr_assert_eq(out[c].v, want.v);
}

Test(ISA_SUITE, inner_and_add_inner_equal_one_product_at_a_time)
{
    static vs_powers rho;
    static vs_fe x[VS_POWER_TABLE + 8];
    static vs_fe acc[VS_POWER_TABLE + 8];
    const vs_kernels *k = table();
    if (k == NULL) return;
    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < VS_POWER_TABLE + 8; i++) {
            vs_fe v[3] = {{VS_FE_P - 1}, {vs_test_u64(8, i) % VS_FE_P}, edge(9, i)};
            x[i] = v[kind];
            if (i < VS_POWER_TABLE) rho.re[i] = kind == 0 ? v[0] : edge(10, i);
            if (i < VS_POWER_TABLE) rho.im[i] = kind == 0 ? v[0] : edge(11, i);
        }
        vs_fe2 want = {{0}, {0}};
        const vs_fe *from = x + 3;
        for (size_t n = 0; n <= VS_POWER_TABLE; n++) {
            if (n <= LENGTHS || n > VS_POWER_TABLE - 10) {
                vs_fe2 got = k->inner(&rho, from, n);
                cr_assert(vs_fe2_equal(got, want), "n = %zu", n);
                for (size_t i = 0; i < VS_POWER_TABLE + 8; i++) acc[i] = edge(12, i);
                got = k->add_inner(acc + 1, &rho, from, n);
                cr_assert(vs_fe2_equal(got, want), "n = %zu", n);
                for (size_t i = 0; i < VS_POWER_TABLE + 7; i++) {
                    vs_fe sum = edge(12, i + 1);
                    if (i < n) sum = vs_fe_add(sum, from[i]);
                    cr_assert_eq(acc[i + 1].v, sum.v);
                }
            }
            if (n == VS_POWER_TABLE) break;
            vs_fe2 w = {rho.re[n], rho.im[n]};
            want = vs_fe2_add(want, vs_fe2_scale(w, from[n]));
        }
    }
}

Test(ISA_SUITE, decode_refuses_exactly_the_values_from_p_on)
{
    static const uint64_t bad[] = {VS_FE_P, VS_FE_P + 1, UINT64_C(1) << 63, UINT64_MAX};
    static uint8_t bytes[COLS * 8 + 1];
    const vs_kernels *k = table();
    if (k == NULL) return;
    fill(2);
    for (size_t n = 0; n <= LENGTHS; n++) {
        uint8_t *in = bytes + n % 2;
        vs_fe out[COLS];
        for (size_t i = 0; i < COLS - 1; i++) vs_fe_encode(in + 8 * i, row[3][i]);
        memcpy(out, row[4], sizeof out);
        cr_assert_eq(k->decode(out + 2, in, n), 0);
        expect_same(out + 2, row[3], n, "decode");
        expect_outside_kept(out, row[4], 2, n);
        if (n == 0) continue;
        size_t at = vs_test_u64(20, n) % n;
        vs_store_le64(in + 8 * at, bad[n % 4]);
        cr_assert_neq(k->decode(out + 2, in, n), 0, "%zu of %zu", at, n);
        cr_assert_eq(out[2 + at].v, 0);
        vs_fe_encode(in + 8 * at, row[3][at]);
        vs_store_le64(in + 8 * n, VS_FE_P); /* one behind the end does not count */
        cr_assert_eq(k->decode(out + 2, in, n), 0);
    }
}

/* --- sharing ------------------------------------------------------------------------------------
 */

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
    if (kernels == NULL || kernels->share_drawn == NULL) return;
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

/* --- slots --------------------------------------------------------------------------------------
 */

Test(ISA_SUITE, pack_and_unpack_equal_shifting_by_hand)
{
    static uint32_t coords[20000];
    static uint64_t sums[20000];
    static vs_fe to[8][64];
    vs_fe *out[8];
    const vs_kernels *kernels = table();
    if (kernels == NULL) return;
    for (uint32_t i = 0; i < 8; i++) out[i] = to[i];
    for (uint32_t bits = 1; bits <= 32; bits++) {
        for (uint32_t k = 1; k <= 8; k += bits % 3 + 1) {
            vs_layout l;
            cr_assert_eq(vs_layout_make(&l, bits, bits % 2 ? 2 : 4000, k, 1000, NULL), VS_OK);
            size_t cols = 31 + bits % 4;
            size_t n = cols * k * l.slots;
            cr_assert_lt(n, sizeof coords / sizeof coords[0]);
            for (size_t i = 0; i < n; i++) {
                coords[i] = (uint32_t)(vs_test_u64(bits, i) & ((UINT64_C(1) << bits) - 1));
                if (i % 5 == 0) coords[i] = (uint32_t)((UINT64_C(1) << bits) - 1);
            }
            kernels->pack(&l, out, 2, coords, cols);
            for (size_t i = 0; i < n; i++) {
                size_t element = i / l.slots;
                uint64_t v = to[element % k][2 + element / k].v;
                uint64_t slot = v >> (i % l.slots * l.slot_width);
                cr_assert_eq(slot & ((UINT64_C(1) << l.slot_width) - 1), coords[i]);
                if (i % l.slots == l.slots - 1) cr_assert_eq(slot >> l.slot_width, 0);
            }
            uint64_t most = (UINT64_C(1) << bits) - 1;
            const vs_fe *const *in = (const vs_fe *const *)out;
            cr_assert_eq(kernels->unpack(&l, sums, in, 2, cols, most), 0);
            for (size_t i = 0; i < n; i++) cr_assert_eq(sums[i], coords[i]);
            cr_assert_neq(kernels->unpack(&l, sums, in, 2, cols, most - 1), 0);
            vs_fe *last = &to[k - 1][2 + cols - 1];
            uint32_t used = l.slots * l.slot_width;
            last->v |= UINT64_C(1) << used;
            if (used < 61) cr_assert_neq(kernels->unpack(&l, sums, in, 2, cols, most), 0);
        }
    }
}

/* --- AES ----------------------------------------------------------------------------------------
 */

/* A table with no AES of its own has nothing to show here. */
static vs_prg *prg_of(const vs_kernels *k, const uint8_t *seed, uint32_t stream)
{
    vs_prg *prg = NULL;
    cr_assert_eq(vs_prg_new_for(&prg, k, seed, stream), VS_OK);
    return prg;
}

Test(ISA_SUITE, prg_equals_libcrypto_at_any_place_and_length)
{
    enum { N = 3 * VS_PRG_TILE };
    static vs_fe got[N], want[N];
    static uint64_t words[N], want_words[N];
    const vs_kernels *k = table();
    if (k == NULL) return;
    for (uint64_t i = 0; i < 400; i++) {
        uint8_t seed[VS_SEED_BYTES];
        uint64_t first = i < 200 ? i : vs_test_u64(50, i) % ((UINT64_C(1) << 25) - N);
        size_t count = i < 200 ? (size_t)i : (size_t)(vs_test_u64(51, i) % N);
        vs_test_bytes(seed, sizeof seed, i);
        vs_prg *ours = prg_of(k, seed, (uint32_t)i * 0x01020304u);
        vs_prg *theirs = prg_of(&vs_kernels_portable, seed, (uint32_t)i * 0x01020304u);
        memset(got, 0x77, sizeof got);
        memset(words, 0x77, sizeof words);
        vs_prg_fill(ours, got, first, count);
        vs_prg_fill(theirs, want, first, count);
        cr_assert_arr_eq(got, want, count * sizeof got[0], "%zu from %llu", count,
                         (unsigned long long)first);
        vs_prg_words(ours, words, first, count);
        vs_prg_words(theirs, want_words, first, count);
        cr_assert_arr_eq(words, want_words, count * sizeof words[0]);
        if (count < N) cr_assert_eq(words[count], UINT64_C(0x7777777777777777));
        vs_prg_free(ours);
        vs_prg_free(theirs);
    }
}

/* All fields of the counter block, and the highest block number. */
Test(ISA_SUITE, counter_blocks_are_as_the_protocol_says)
{
    static const vs_ctr ctrs[] = {{0, 0, 0, 0},
                                  {1, 0, 0, 0xfe},
                                  {0x01020304, 0x05060708, 0x090a0b0c, 0x0d0e0f00},
                                  {UINT32_MAX, 1, 2, UINT32_MAX - 127}};
    const vs_kernels *k = table();
    if (k == NULL || k->aes_key == NULL) return;
    for (size_t i = 0; i < sizeof ctrs / sizeof ctrs[0]; i++) {
        uint8_t seed[VS_SEED_BYTES];
        vs_aes_key key;
        uint64_t got[256], one[2];
        vs_test_bytes(seed, sizeof seed, i);
        k->aes_key(&key, seed);
        k->words(&key, &ctrs[i], got, 256);
        vs_prg *theirs = prg_of(&vs_kernels_portable, seed, ctrs[i].stream);
        for (uint32_t b = 0; b < 128; b++) {
            vs_ctr ctr = ctrs[i];
            ctr.block += b;
            k->words(&key, &ctr, one, 2);
            cr_assert_arr_eq(one, got + (size_t)2 * b, sizeof one);
            if (ctr.tile != 0 || ctr.attempt != 0) continue;
            vs_prg_words(theirs, one, (uint64_t)2 * ctr.block, 2);
            cr_assert_arr_eq(one, got + (size_t)2 * b, sizeof one);
        }
        vs_prg_free(theirs);
    }
}

/* FIPS 197 appendix C.3: the counter block is the plaintext 00 11 22 .. ff. */
Test(ISA_SUITE, aes_gives_the_block_of_fips_197)
{
    static const uint64_t want[2] = {UINT64_C(0xbf456751cab7a28e), UINT64_C(0x8960494b9049fcea)};
    const vs_ctr ctr = {0x33221100, 0x77665544, 0xbbaa9988, 0xccddeeff};
    const vs_kernels *k = table();
    uint8_t seed[VS_SEED_BYTES];
    uint64_t got[2];
    vs_aes_key key;
    if (k == NULL || k->aes_key == NULL) return;
    for (uint8_t i = 0; i < VS_SEED_BYTES; i++) seed[i] = i;
    k->aes_key(&key, seed);
    k->words(&key, &ctr, got, 2);
    cr_assert_arr_eq(got, want, sizeof want);
}

/* Which 2^-61 event is reported: x = p and nothing near it. A block is found for given plaintext
 * by decryption, so that chosen elements come out. */
#include <openssl/evp.h>

Test(ISA_SUITE, elements_report_a_value_of_p_wherever_it_is)
{
    static const struct {
        uint64_t word;
        bool hit;
    } cases[] = {{VS_FE_P, true},      {UINT64_MAX, true}, {VS_FE_P - 1, false},
                 {VS_FE_P + 1, false}, {0, false},         {UINT64_MAX - 1, false}};
    const vs_kernels *k = table();
    if (k == NULL || k->aes_key == NULL) return;
    uint8_t seed[VS_SEED_BYTES] = {9};
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    cr_assert_eq(EVP_DecryptInit_ex(cipher, EVP_aes_256_ecb(), NULL, seed, NULL), 1);
    cr_assert_eq(EVP_CIPHER_CTX_set_padding(cipher, 0), 1);
    vs_aes_key key;
    k->aes_key(&key, seed);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint32_t half = 0; half < 2; half++) {
            uint64_t block[2] = {5, 5};
            uint8_t counter[16];
            int len = 0;
            block[half] = cases[i].word;
            cr_assert_eq(EVP_DecryptUpdate(cipher, counter, &len, (const uint8_t *)block, 16), 1);
            cr_assert_eq(len, 16);
            for (uint32_t at = 0; at < 90; at++) { /* the hit is in block `at` of the call */
                uint32_t number = (uint32_t)counter[12] << 24 | (uint32_t)counter[13] << 16 |
                                  (uint32_t)counter[14] << 8 | counter[15];
                const vs_ctr ctr = {vs_load_le32(counter), vs_load_le32(counter + 4),
                                    vs_load_le32(counter + 8), number - at};
                vs_fe out[200];
                size_t n = (size_t)at * 2 + half; /* not yet */
                cr_assert_eq(k->elements(&key, &ctr, out, n), 0);
                for (size_t more = 1; more < 20; more++) {
                    uint64_t hits = k->elements(&key, &ctr, out, n + more);
                    cr_assert_eq(hits != 0, cases[i].hit, "case %zu, element %zu", i, n);
                    cr_assert_eq(out[n].v, cases[i].word & VS_FE_P);
                }
            }
        }
    }
    EVP_CIPHER_CTX_free(cipher);
}

/* The same for a seed share that a share kernel draws, whichever of the t streams it is in. */
Test(ISA_SUITE, sharing_reports_a_drawn_value_of_p_wherever_it_is)
{
    enum { N = 9, T_LAST = 3, COLUMNS = 2 * VS_DRAWN_COLUMNS };
    const vs_kernels *k = table();
    if (k == NULL || k->share_drawn == NULL) return;
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
