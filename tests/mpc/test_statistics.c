/* Shares look uniform whatever is shared. Seeds are fixed, so a run says the same every time; the
 * limits are far beyond what chance gives (six standard deviations of chi-square), so what fails is
 * a real bias, such as a bit that is never set. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "mpc/prg.h"
#include "mpc/sharing.h"
#include "tests/support.h"

enum { COLS = 1 << 16, T = 2, K = 2, N = 5 };

static vs_fe cells[N][COLS];
static vs_fe secret_cells[K][COLS];

/* chi-square of counts that should be equal, as standard deviations from its mean (n - 1). */
static double deviation(const uint32_t *count, size_t n, double total)
{
    double mean = total / (double)n;
    double chi = 0;
    for (size_t i = 0; i < n; i++)
        chi += ((double)count[i] - mean) * ((double)count[i] - mean) / mean;
    return (chi - (double)(n - 1)) / sqrt(2.0 * (double)(n - 1));
}

static void expect_uniform(const vs_fe *x, const char *what, unsigned which)
{
    for (unsigned bit = 0; bit < VS_FIELD_BITS; bit++) {
        uint32_t count[2] = {0};
        for (size_t i = 0; i < COLS; i++) count[x[i].v >> bit & 1]++;
        cr_expect_lt(deviation(count, 2, COLS), 20, "%s %u: bit %u is biased", what, which, bit);
    }
    for (unsigned at = 0; at + 8 <= VS_FIELD_BITS; at++) {
        uint32_t count[256] = {0};
        for (size_t i = 0; i < COLS; i++) count[x[i].v >> at & 0xff]++;
        double d = deviation(count, 256, COLS);
        cr_expect(d > -6 && d < 6, "%s %u: bits %u.. deviate by %g", what, which, at, d);
    }
}

/* The top four bits of two vectors at the same column: 256 equally likely pairs. */
static void expect_independent(const vs_fe *x, const vs_fe *y, unsigned a, unsigned b)
{
    uint32_t count[256] = {0};
    for (size_t i = 0; i < COLS; i++) {
        count[x[i].v >> (VS_FIELD_BITS - 4) << 4 | y[i].v >> (VS_FIELD_BITS - 4)]++;
    }
    double d = deviation(count, 256, COLS);
    cr_expect(d > -6 && d < 6, "shares %u and %u: pairs deviate by %g", a, b, d);
}

static void seed_shares_from(uint64_t seed)
{
    for (uint32_t j = 0; j < T; j++) {
        uint8_t key[VS_SEED_BYTES];
        vs_prg *prg = NULL;
        vs_test_bytes(key, sizeof key, seed + j);
        cr_assert_eq(vs_prg_new(&prg, key, VS_PRG_SHARE), VS_OK);
        vs_prg_fill(prg, cells[j], 0, COLS);
        vs_prg_free(prg);
    }
}

Test(statistics, seed_shares_are_uniform_and_independent)
{
    seed_shares_from(1);
    for (unsigned j = 0; j < T; j++) expect_uniform(cells[j], "seed share", j + 1);
    expect_independent(cells[0], cells[1], 1, 2);
}

/* The other shares, of secrets as far from random as can be, and any two of all. */
Test(statistics, shares_of_constant_secrets_are_uniform_and_pairwise_independent)
{
    const uint64_t extreme[] = {0, VS_FE_P - 1};
    vs_sharing *s = NULL;
    cr_assert_eq(vs_sharing_new(&s, N, T, K), VS_OK);
    for (size_t e = 0; e < 2; e++) {
        seed_shares_from(100 * (e + 1));
        for (size_t i = 0; i < COLS; i++) {
            for (uint32_t j = 0; j < K; j++) secret_cells[j][i].v = extreme[e];
        }
        vs_fe *const out[] = {cells[2], cells[3], cells[4]};
        const vs_fe *const secrets[] = {secret_cells[0], secret_cells[1]};
        const vs_fe *const seeds[] = {cells[0], cells[1]};
        vs_share_columns(s, out, secrets, seeds, COLS);
        for (unsigned j = T; j < N; j++) expect_uniform(cells[j], "share", j + 1);
        for (unsigned a = 0; a < N; a++) {
            for (unsigned b = a + 1; b < N; b++)
                expect_independent(cells[a], cells[b], a + 1, b + 1);
        }
    }
    vs_sharing_free(s);
}

/* What is wrong is seen: one bit held, one share repeated with a shift. */
Test(statistics, the_test_itself_sees_a_bias)
{
    uint32_t biased[2] = {COLS / 2 - 600, COLS / 2 + 600};
    cr_expect_gt(deviation(biased, 2, COLS), 10);
    seed_shares_from(1);
    uint32_t count[256] = {0};
    for (size_t i = 0; i < COLS; i++) {
        uint64_t v = cells[0][i].v >> (VS_FIELD_BITS - 4);
        count[v << 4 | (v ^ 5)]++;
    }
    cr_expect_gt(deviation(count, 256, COLS), 1000);
}
