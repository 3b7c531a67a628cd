#include <signal.h>
#include <stdlib.h>

#include <criterion/criterion.h>
#include <gmp.h>

#include "mpc/sharing.h"
#include "tests/support.h"

enum { COLS_MAX = 200 };

typedef struct fixture {
    uint32_t n, t, k, r;
    size_t cols;
    vs_sharing *sharing;
    vs_fe *cells;
    vs_fe *share[VS_SHAREHOLDERS_MAX];  /* by j - 1 */
    vs_fe *secret[VS_SHAREHOLDERS_MAX]; /* by i - 1 */
} fixture;

static const vs_fe *const *readable(vs_fe *const *rows)
{
    return (const vs_fe *const *)rows;
}

/* Random secrets and seed shares, with edge values mixed in, all shares computed. */
static fixture fixture_new(uint32_t n, uint32_t t, uint32_t k, size_t cols)
{
    static const uint64_t edge[] = {0, 1, VS_FE_P - 1, VS_FE_P / 2};
    fixture f = {.n = n, .t = t, .k = k, .r = t + k, .cols = cols};
    size_t n_cells = (size_t)(n + k) * cols;
    f.cells = calloc(n_cells + 1, sizeof *f.cells);
    cr_assert_not_null(f.cells);
    vs_test_bytes(f.cells, n_cells * sizeof *f.cells, n * 10000 + t * 100 + k);
    for (size_t i = 0; i < n_cells; i++) {
        uint64_t v = f.cells[i].v;
        f.cells[i].v = (v >> 61) == 0 ? edge[v % 4] : v % VS_FE_P;
    }
    for (uint32_t j = 0; j < n; j++) f.share[j] = f.cells + j * cols;
    for (uint32_t i = 0; i < k; i++) f.secret[i] = f.cells + (n + i) * cols;
    cr_assert_eq(vs_sharing_new(&f.sharing, n, t, k), VS_OK);
    vs_share_columns(f.sharing, f.share + t, readable(f.secret), readable(f.share), cols);
    return f;
}

static void fixture_free(fixture *f)
{
    vs_sharing_free(f->sharing);
    free(f->cells);
}

/* Lagrange's formula in GMP: value at `at` of the polynomial through (x[a], y[a]). */
static uint64_t oracle(const uint32_t *x, const uint64_t *y, uint32_t count, uint32_t at)
{
    mpz_t p, sum, num, den;
    mpz_inits(p, sum, num, den, NULL);
    mpz_set_ui(p, VS_FE_P);
    for (uint32_t a = 0; a < count; a++) {
        mpz_set_ui(num, y[a]);
        mpz_set_ui(den, 1);
        for (uint32_t b = 0; b < count; b++) {
            if (b == a) continue;
            mpz_mul_si(num, num, (long)at - (long)x[b]);
            mpz_mul_si(den, den, (long)x[a] - (long)x[b]);
            mpz_mod(num, num, p);
            mpz_mod(den, den, p);
        }
        cr_assert_neq(mpz_invert(den, den, p), 0);
        mpz_addmul(sum, num, den);
    }
    mpz_mod(sum, sum, p);
    uint64_t result = mpz_get_ui(sum);
    mpz_clears(p, sum, num, den, NULL);
    return result;
}

/* Column c of the fixture must be what section 4 says, by Lagrange over 1..t and over 1..r. */
static void expect_column(const fixture *f, size_t c)
{
    uint32_t x[VS_SHAREHOLDERS_MAX];
    uint64_t y[VS_SHAREHOLDERS_MAX];
    for (uint32_t j = 0; j < f->r; j++) {
        x[j] = j + 1;
        y[j] = f->share[j][c].v;
    }
    for (uint32_t i = 1; i <= f->k; i++) {
        uint64_t g = oracle(x, y, f->t, f->t + i);
        cr_assert_eq(y[f->t + i - 1], (f->secret[i - 1][c].v + g) % VS_FE_P,
                     "n=%u t=%u k=%u: secret %u column %zu", f->n, f->t, f->k, i, c);
    }
    for (uint32_t j = f->r + 1; j <= f->n; j++) {
        cr_assert_eq(f->share[j - 1][c].v, oracle(x, y, f->r, j),
                     "n=%u t=%u k=%u: share %u column %zu", f->n, f->t, f->k, j, c);
    }
}

Test(sharing, agrees_with_a_gmp_lagrange_oracle_for_all_small_parameters)
{
    for (uint32_t n = 2; n <= 8; n++) {
        for (uint32_t t = 1; t < n; t++) {
            for (uint32_t k = 1; t + k <= n; k++) {
                fixture f = fixture_new(n, t, k, 4);
                for (size_t c = 0; c < f.cols; c++) expect_column(&f, c);
                fixture_free(&f);
            }
        }
    }
}

Test(sharing, agrees_with_the_oracle_for_large_parameters)
{
    static const uint32_t ntk[][3] = {
        {10, 2, 4}, {10, 3, 6}, {16, 3, 7}, {20, 6, 12}, {64, 20, 30}, {128, 1, 1}, {128, 63, 64},
    };
    for (size_t i = 0; i < sizeof ntk / sizeof ntk[0]; i++) {
        fixture f = fixture_new(ntk[i][0], ntk[i][1], ntk[i][2], 65);
        expect_column(&f, 0);
        if (f.n < 64) expect_column(&f, 64); /* the second tile */
        fixture_free(&f);
    }
}

/* Tiles of 64: every number of columns around a border gives the same column values. */
Test(sharing, does_not_depend_on_how_columns_are_cut)
{
    fixture f = fixture_new(7, 2, 3, COLS_MAX);
    static const size_t cuts[] = {0, 1, 2, 63, 64, 65, 127, 128, 129, COLS_MAX};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        vs_fe cells[5][COLS_MAX + 1];
        vs_fe *rows[5];
        for (size_t j = 0; j < 5; j++) {
            rows[j] = cells[j];
            cells[j][cuts[i]].v = 4711; /* must stay */
        }
        vs_share_columns(f.sharing, rows, readable(f.secret), readable(f.share), cuts[i]);
        for (size_t j = 0; j < 5; j++) {
            cr_assert_eq(cells[j][cuts[i]].v, 4711);
            for (size_t c = 0; c < cuts[i]; c++) cr_assert_eq(cells[j][c].v, f.share[2 + j][c].v);
        }
    }
    fixture_free(&f);
}

Test(sharing, leaves_out_a_row_that_nobody_wants)
{
    fixture f = fixture_new(6, 2, 2, 70);
    for (size_t skip = 0; skip < 4; skip++) {
        vs_fe cells[4][70];
        vs_fe *rows[4];
        for (size_t j = 0; j < 4; j++) rows[j] = j == skip ? NULL : cells[j];
        vs_share_columns(f.sharing, rows, readable(f.secret), readable(f.share), 70);
        for (size_t j = 0; j < 4; j++) {
            for (size_t c = 0; c < 70 && j != skip; c++) {
                cr_assert_eq(cells[j][c].v, f.share[2 + j][c].v);
            }
        }
    }
    fixture_free(&f);
}

static void expect_reconstructs(const fixture *f, const uint32_t *idx)
{
    vs_recon *rec = NULL;
    const vs_fe *rows[VS_SHAREHOLDERS_MAX];
    vs_fe *cells = calloc((f->k + 1) * f->cols, sizeof *cells);
    vs_fe *secrets[VS_SHAREHOLDERS_MAX];
    cr_assert_not_null(cells);
    cr_assert_eq(vs_recon_new(&rec, f->n, f->t, f->k, idx), VS_OK);
    for (uint32_t a = 0; a < f->r; a++) rows[a] = f->share[idx[a] - 1];
    for (uint32_t i = 0; i < f->k; i++) secrets[i] = cells + i * f->cols;
    vs_recon_columns(rec, secrets, rows, f->cols);
    for (uint32_t i = 0; i < f->k; i++) {
        for (size_t c = 0; c < f->cols; c++) cr_assert_eq(secrets[i][c].v, f->secret[i][c].v);
    }
    vs_fe *other = cells + f->k * f->cols;
    for (uint32_t j = 1; j <= f->n; j++) {
        vs_recon_share(rec, other, j, rows, f->cols);
        for (size_t c = 0; c < f->cols; c++) cr_assert_eq(other[c].v, f->share[j - 1][c].v);
    }
    vs_recon_free(rec);
    free(cells);
}

/* Every subset of r of n = 7 shareholders, for three thresholds. */
Test(sharing, any_r_shares_give_secrets_and_all_other_shares)
{
    static const uint32_t tk[][2] = {{1, 1}, {2, 3}, {3, 1}, {1, 6}};
    for (size_t i = 0; i < 4; i++) {
        fixture f = fixture_new(7, tk[i][0], tk[i][1], 3);
        for (uint32_t subset = 0; subset < 1u << 7; subset++) {
            uint32_t idx[7];
            uint32_t count = 0;
            for (uint32_t j = 7; j > 0; j--) { /* falling: the order is free */
                if ((subset >> (j - 1)) & 1) idx[count++] = j;
            }
            if (count == f.r) expect_reconstructs(&f, idx);
        }
        fixture_free(&f);
    }
}

Test(sharing, reconstructs_large_committees)
{
    static const uint32_t ntk[][3] = {{20, 6, 12}, {64, 20, 30}, {128, 63, 65}, {128, 127, 1}};
    for (size_t i = 0; i < 4; i++) {
        fixture f = fixture_new(ntk[i][0], ntk[i][1], ntk[i][2], i == 0 ? 130 : 2);
        uint32_t idx[VS_SHAREHOLDERS_MAX];
        for (uint32_t a = 0; a < f.r; a++) idx[a] = f.n - a;
        expect_reconstructs(&f, idx);
        fixture_free(&f);
    }
}

/* What the protocol is for: shares of a sum are sums of shares. */
Test(sharing, sum_of_shares_is_a_share_of_the_sum)
{
    fixture a = fixture_new(10, 3, 4, 20);
    fixture b = fixture_new(10, 3, 5, 20);
    fixture sum = fixture_new(10, 3, 4, 20);
    const uint32_t idx[7] = {10, 2, 9, 4, 7, 1, 5};
    fixture_free(&b);
    for (uint32_t j = 0; j < 10; j++) vs_fe_add_many(sum.share[j], a.share[j], 20);
    for (uint32_t i = 0; i < 4; i++) vs_fe_add_many(sum.secret[i], a.secret[i], 20);
    expect_reconstructs(&sum, idx);
    fixture_free(&a);
    fixture_free(&sum);
}

Test(sharing, one_wrong_share_changes_the_secrets)
{
    fixture f = fixture_new(5, 2, 2, 1);
    const uint32_t idx[4] = {1, 3, 4, 5};
    const vs_fe *rows[4];
    vs_fe got[2];
    vs_fe *secrets[2] = {&got[0], &got[1]};
    vs_recon *rec = NULL;
    cr_assert_eq(vs_recon_new(&rec, 5, 2, 2, idx), VS_OK);
    for (uint32_t a = 0; a < 4; a++) rows[a] = f.share[idx[a] - 1];
    for (uint32_t a = 0; a < 4; a++) {
        vs_fe *bad = &f.share[idx[a] - 1][0];
        *bad = vs_fe_add(*bad, (vs_fe){1});
        vs_recon_columns(rec, secrets, rows, 1);
        cr_expect(got[0].v != f.secret[0][0].v || got[1].v != f.secret[1][0].v);
        *bad = vs_fe_sub(*bad, (vs_fe){1});
    }
    vs_recon_free(rec);
    fixture_free(&f);
}

Test(sharing, refuses_parameters_outside_the_rules)
{
    static const uint32_t bad[][3] = {
        {1, 1, 1}, {0, 0, 0}, {129, 1, 1},        {5, 0, 1},          {5, 5, 1},
        {5, 1, 0}, {5, 3, 3}, {5, 1, UINT32_MAX}, {5, UINT32_MAX, 2}, {UINT32_MAX, 1, 1},
    };
    const uint32_t idx[5] = {1, 2, 3, 4, 5};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vs_sharing *s = (vs_sharing *)&s;
        vs_recon *rec = (vs_recon *)&rec;
        cr_expect_eq(vs_sharing_new(&s, bad[i][0], bad[i][1], bad[i][2]), VS_ERR_LIMIT);
        cr_expect_eq(vs_recon_new(&rec, bad[i][0], bad[i][1], bad[i][2], idx), VS_ERR_LIMIT);
        cr_expect_null(s, "case %zu", i);
        cr_expect_null(rec, "case %zu", i);
    }
    vs_sharing_free(NULL);
    vs_recon_free(NULL);
}

Test(sharing, reconstruction_refuses_bad_index_lists)
{
    static const uint32_t bad[][3] = {
        {1, 2, 2}, {1, 1, 2}, {0, 1, 2}, {1, 2, 6}, {3, 2, 3}, {1, 2, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vs_recon *rec = NULL;
        cr_expect_eq(vs_recon_new(&rec, 5, 1, 2, bad[i]), VS_ERR_LIMIT, "case %zu", i);
        cr_expect_null(rec);
    }
}

static vs_recon *recon_of_three(void)
{
    const uint32_t idx[2] = {1, 3};
    vs_recon *rec = NULL;
    cr_assert_eq(vs_recon_new(&rec, 3, 1, 1, idx), VS_OK);
    return rec;
}

Test(sharing, there_is_no_share_0, .signal = SIGABRT)
{
    const vs_fe one = {1};
    const vs_fe *rows[2] = {&one, &one};
    vs_fe out;
    vs_recon_share(recon_of_three(), &out, 0, rows, 1);
}

Test(sharing, there_is_no_share_beyond_n, .signal = SIGABRT)
{
    const vs_fe one = {1};
    const vs_fe *rows[2] = {&one, &one};
    vs_fe out;
    vs_recon_share(recon_of_three(), &out, 4, rows, 1);
}
