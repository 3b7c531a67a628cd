/* The real code over p = 7, where everything can be tried: every polynomial, every subset.
 * The sources are compiled into this program with the small prime; nothing of the library's
 * 61-bit build is linked. */
#define VS_FIELD_BITS 3
#include "mpc/field.c"
#include "mpc/kernels.c"
#include "mpc/kernels_portable.c"
#include "mpc/lagrange.c"
#include "mpc/locate.c"
#include "mpc/prg.c"
#include "mpc/proof.c"
#include "mpc/reconstruct.c"
#include "mpc/sharing.c"

#include <criterion/criterion.h>

#include "tests/support.h"

enum { Q = 7, N_MAX = 6, COLS_MAX = 7 * 7 * 7 * 7 * 7 * 7 };

_Static_assert(VS_FE_P == Q, "this program is about p = 7");

/* Column c is the c-th choice of t seed shares and k secrets, as digits of base 7. */
static vs_fe cells[2 * N_MAX][COLS_MAX];
static vs_fe got[N_MAX][COLS_MAX];
static vs_fe *share_row[N_MAX];
static vs_fe *secret_row[N_MAX];

static size_t power_of_7(uint32_t e)
{
    size_t v = 1;
    while (e-- > 0) v *= Q;
    return v;
}

static void share_everything(uint32_t n, uint32_t t, uint32_t k)
{
    size_t cols = power_of_7(t + k);
    vs_sharing *s = NULL;
    for (uint32_t j = 0; j < n; j++) share_row[j] = cells[j];
    for (uint32_t i = 0; i < k; i++) secret_row[i] = cells[N_MAX + i];
    for (size_t c = 0; c < cols; c++) {
        size_t digits = c;
        for (uint32_t j = 0; j < t; j++, digits /= Q) share_row[j][c].v = digits % Q;
        for (uint32_t i = 0; i < k; i++, digits /= Q) secret_row[i][c].v = digits % Q;
    }
    cr_assert_eq(vs_sharing_new(&s, n, t, k), VS_OK);
    vs_share_columns(s, share_row + t, (const vs_fe *const *)secret_row,
                     (const vs_fe *const *)share_row, cols);
    vs_sharing_free(s);
}

static uint32_t members(uint32_t subset, uint32_t n, uint32_t idx[N_MAX])
{
    uint32_t count = 0;
    for (uint32_t j = 0; j < n; j++) {
        if ((subset >> j) & 1) idx[count++] = j + 1;
    }
    return count;
}

/* For each choice of secrets, the t shares of the subset take every value exactly once as the
 * seeds run through all values: uniform and independent of the secrets. */
static void expect_independent(const uint32_t *idx, uint32_t t, uint32_t k)
{
    static uint8_t seen[COLS_MAX];
    size_t n_seeds = power_of_7(t);
    size_t cols = power_of_7(t + k);
    memset(seen, 0, cols);
    for (size_t c = 0; c < cols; c++) {
        size_t tuple = 0;
        for (uint32_t a = 0; a < t; a++) tuple = tuple * Q + share_row[idx[a] - 1][c].v;
        size_t secrets = c / n_seeds;
        cr_assert_eq(seen[secrets * n_seeds + tuple], 0, "t=%u k=%u column %zu", t, k, c);
        seen[secrets * n_seeds + tuple] = 1;
    }
}

static void expect_reconstructs(uint32_t n, uint32_t t, uint32_t k, const uint32_t *idx)
{
    const vs_fe *rows[N_MAX];
    vs_fe *out[N_MAX];
    size_t cols = power_of_7(t + k);
    vs_recon *rec = NULL;
    for (uint32_t a = 0; a < t + k; a++) rows[a] = share_row[idx[a] - 1];
    for (uint32_t i = 0; i < k; i++) out[i] = got[i];
    cr_assert_eq(vs_recon_new(&rec, n, t, k, idx), VS_OK);
    vs_recon_columns(rec, out, rows, cols);
    for (uint32_t i = 0; i < k; i++) {
        cr_assert_arr_eq(got[i], secret_row[i], cols * sizeof(vs_fe), "n=%u t=%u k=%u", n, t, k);
    }
    for (uint32_t j = 1; j <= n; j++) {
        vs_recon_share(rec, got[0], j, rows, cols);
        cr_assert_arr_eq(got[0], share_row[j - 1], cols * sizeof(vs_fe));
    }
    vs_recon_free(rec);
}

static void every_subset(uint32_t n, uint32_t t, uint32_t k)
{
    share_everything(n, t, k);
    for (uint32_t subset = 0; subset < 1u << n; subset++) {
        uint32_t idx[N_MAX];
        uint32_t count = members(subset, n, idx);
        if (count == t) expect_independent(idx, t, k);
        if (count == t + k) expect_reconstructs(n, t, k, idx);
    }
}

Test(p7, any_t_shares_say_nothing_and_any_r_say_all)
{
    for (uint32_t n = 2; n <= N_MAX; n++) {
        for (uint32_t t = 1; t < n; t++) {
            for (uint32_t k = 1; t + k <= n && t + k <= 5; k++) every_subset(n, t, k);
        }
    }
}

Test(p7, the_largest_case_of_all_six_points)
{
    every_subset(6, 2, 4);
}

/* One more than t shares do depend on the secrets: the threshold is not higher than stated. */
Test(p7, t_plus_1_shares_do_say_something)
{
    static bool seen[Q][Q][Q];
    share_everything(3, 1, 2);
    for (size_t c = 0; c < power_of_7(3); c++) {
        seen[secret_row[0][c].v][share_row[0][c].v][share_row[1][c].v] = true;
    }
    size_t pairs = 0;
    for (size_t a = 0; a < Q; a++) {
        for (size_t b = 0; b < Q; b++) pairs += seen[3][a][b];
    }
    cr_expect_eq(pairs, Q); /* of 49: shares 1 and 2 give secret 1 */
}

Test(p7, points_must_differ_mod_p)
{
    vs_sharing *s = NULL;
    cr_expect_eq(vs_sharing_new(&s, 7, 1, 1), VS_ERR_LIMIT);
}

/* All of F_7 and F_49 against schoolbook arithmetic. */
Test(p7, field_is_right_everywhere)
{
    for (uint64_t a = 0; a < Q; a++) {
        for (uint64_t b = 0; b < Q; b++) {
            cr_assert_eq(vs_fe_add((vs_fe){a}, (vs_fe){b}).v, (a + b) % Q);
            cr_assert_eq(vs_fe_sub((vs_fe){a}, (vs_fe){b}).v, (a + Q - b) % Q);
            cr_assert_eq(vs_fe_mul((vs_fe){a}, (vs_fe){b}).v, a * b % Q);
            vs_fe2 z = {{a}, {b}};
            vs_fe2 one = vs_fe2_mul(z, vs_fe2_inv(z));
            cr_assert_eq(one.re.v, a + b == 0 ? 0 : 1);
            cr_assert_eq(one.im.v, 0);
        }
    }
    for (uint64_t v = 0; v < 5000; v++) cr_assert_eq(vs_fe_of_u64(v).v, v % Q);
    cr_assert_eq(vs_fe_of_u64(UINT64_MAX).v, UINT64_MAX % Q);
}

/* --- the consistency proof, n = 4, t = 1, k = 1, one column --------------------------------------
 */

static vs_fe2 element(uint64_t v)
{
    return (vs_fe2){{v % Q}, {v / Q % Q}};
}

/* Shares of one column by the real code: seed share and secret given. */
static void share_one(const vs_sharing *s, vs_fe out[4], uint64_t seed, uint64_t secret)
{
    const vs_fe value = {secret};
    const vs_fe *secrets[1] = {&value};
    const vs_fe *seeds[1] = {&out[0]};
    vs_fe *rest[3] = {&out[1], &out[2], &out[3]};
    out[0].v = seed;
    vs_share_columns(s, rest, secrets, seeds, 1);
}

/* W's value of one share vector of one column; started: vs_proof_start of the challenge. */
static vs_fe2 proof_of(const vs_proof_acc *started, uint64_t share, uint64_t re, uint64_t im)
{
    vs_proof_acc acc = *started;
    const vs_fe column[3] = {{share}, {re}, {im}};
    vs_proof_update(&acc, column, 3);
    return vs_proof_final(&acc);
}

/* By the real code: share j of a column by seed and secret, and W's value by share and masks. */
static vs_fe shares_of[Q][Q][4];
static vs_fe2 value_of[Q][Q][Q];

static void fill_tables(vs_fe2 rho)
{
    vs_sharing *s = NULL;
    vs_proof_acc started;
    vs_proof_start(&started, rho, 1);
    cr_assert_eq(vs_sharing_new(&s, 4, 1, 1), VS_OK);
    for (uint64_t a = 0; a < Q; a++) {
        for (uint64_t b = 0; b < Q; b++) {
            share_one(s, shares_of[a][b], a, b);
            for (uint64_t c = 0; c < Q; c++) value_of[a][b][c] = proof_of(&started, a, b, c);
        }
    }
    vs_sharing_free(s);
}

/* Everything that the shareholder of point j sees, W too: how often, over all random choices. */
static void count_views(uint64_t secret, uint32_t j, uint16_t *count)
{
    for (uint64_t c = 0; c < power_of_7(5); c++) {
        const vs_fe *f = shares_of[c % Q][secret];
        const vs_fe *re = shares_of[c / Q % Q][c / 49 % Q];
        const vs_fe *im = shares_of[c / 343 % Q][c / 2401];
        uint64_t view = f[j - 1].v + Q * (re[j - 1].v + Q * im[j - 1].v);
        for (uint32_t x = 0; x < 2; x++) { /* W is a line: two values are all of it */
            vs_fe2 w = value_of[f[x].v][re[x].v][im[x].v];
            view = (view * Q + w.re.v) * Q + w.im.v;
        }
        count[view]++;
    }
}

/* Zero-knowledge: for every challenge, what one shareholder sees with W is equally distributed for
 * all secrets. */
Test(p7, a_proof_says_nothing_that_a_share_does_not)
{
    enum { VIEWS = 7 * 7 * 7 * 7 * 7 * 7 * 7 };
    static uint16_t first[VIEWS], other[VIEWS];
    for (uint64_t r = 0; r < 49; r++) {
        fill_tables(element(r));
        uint32_t j = 1 + (uint32_t)(r % 4);
        memset(first, 0, sizeof first);
        count_views(0, j, first);
        for (uint64_t secret = 1; secret < Q; secret++) {
            memset(other, 0, sizeof other);
            count_views(secret, j, other);
            cr_assert(memcmp(first, other, sizeof first) == 0, "secret %d, rho %d, share %u",
                      (int)secret, (int)r, j);
        }
    }
}

/* Two columns whose share is off by d1 and d2, the masks by d0: what accepts are the roots of
 * d0 + d1 rho + d2 rho^2, never more than two of 49 unless all are zero. */
Test(p7, a_wrong_share_passes_for_at_most_as_many_challenges_as_columns)
{
    static uint32_t accepted[7 * 7 * 7 * 3];
    const vs_fe right[4] = {{0}, {0}, {0}, {0}};
    uint32_t most = 0;
    for (uint64_t r = 0; r < 49; r++) {
        vs_proof_acc started;
        vs_proof_start(&started, element(r), 2);
        vs_proof_acc honest = started;
        vs_proof_update(&honest, right, 4);
        vs_fe2 want = vs_proof_final(&honest);
        for (uint64_t e = 0; e < sizeof accepted / sizeof accepted[0]; e++) {
            const vs_fe wrong[4] = {{e % Q}, {e / Q % Q}, {e / 49 % Q}, {e / 343}};
            vs_proof_acc liar = started;
            vs_proof_update(&liar, wrong, 4);
            if (vs_fe2_equal(vs_proof_final(&liar), want)) accepted[e]++;
        }
    }
    cr_expect_eq(accepted[0], 49);
    for (size_t e = 1; e < sizeof accepted / sizeof accepted[0]; e++) {
        if (accepted[e] > most) most = accepted[e];
    }
    cr_expect_eq(most, 2); /* M = 2: the bound is reached, and kept */
}

/* --- error location against the definition: the nearest of all 49^2 codewords -------------------
 */

static uint32_t distance(const vs_fe2 *word, vs_fe2 c0, vs_fe2 c1, bool wrong[6])
{
    uint32_t far = 0;
    for (uint32_t i = 0; i < 6; i++) {
        vs_fe2 v = vs_fe2_add(c0, vs_fe2_scale(c1, vs_fe_of_u64(i + 1)));
        wrong[i] = !vs_fe2_equal(v, word[i]);
        far += wrong[i];
    }
    return far;
}

/* m = 6, r = 2: at most one codeword is within 2; wrong[] of it, or false. */
static bool nearest(const vs_fe2 *word, bool wrong[6])
{
    for (uint64_t a = 0; a < 49; a++) {
        for (uint64_t b = 0; b < 49; b++) {
            if (distance(word, element(a), element(b), wrong) <= 2) return true;
        }
    }
    return false;
}

Test(p7, location_equals_brute_force)
{
    const uint32_t points[6] = {1, 2, 3, 4, 5, 6};
    uint32_t n_decodable = 0;
    for (uint64_t trial = 0; trial < 600; trial++) {
        vs_fe2 word[6];
        vs_fe2 c0 = element(vs_test_u64(1, trial) % 49);
        vs_fe2 c1 = element(vs_test_u64(2, trial) % 49);
        uint64_t hit = trial % 7 == 6 ? 63 : vs_test_u64(3, trial) % 64;
        for (uint32_t i = 0; i < 6; i++) {
            word[i] = vs_fe2_add(c0, vs_fe2_scale(c1, vs_fe_of_u64(i + 1)));
            if ((hit >> i) & 1) word[i] = element(vs_test_u64(4 + i, trial) % 49);
        }
        bool wrong[6];
        bool decodable = nearest(word, wrong);
        vs_location l;
        cr_assert_eq(vs_locate(&l, points, word, 6, 2, 1), VS_OK);
        cr_assert_eq(l.decodable, decodable, "trial %llu", (unsigned long long)trial);
        n_decodable += decodable;
        for (uint32_t i = 0; i < 6 && decodable; i++) cr_assert_eq(l.wrong[i], wrong[i]);
    }
    cr_expect(n_decodable > 100 && n_decodable < 500, "%u", n_decodable);
}
