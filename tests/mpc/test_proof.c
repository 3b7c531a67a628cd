#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "mpc/lagrange.h"
#include "mpc/proof.h"
#include "mpc/sharing.h"
#include "tests/support.h"

/* One submission: n share vectors of M + 2 columns and the W that the client publishes. */
typedef struct submission {
    uint32_t n, t, k, r;
    uint32_t columns; /* M */
    size_t total;     /* M + 2 */
    vs_fe2 rho;
    vs_fe *cells;
    vs_fe *share[VS_SHAREHOLDERS_MAX]; /* by j - 1 */
    vs_fe2 w[VS_SHAREHOLDERS_MAX];     /* at 1..r */
} submission;

static vs_fe2 value_of(const submission *s, uint32_t j, size_t piece)
{
    vs_proof_acc acc;
    vs_proof_start(&acc, s->rho, s->columns);
    for (size_t at = 0; at < s->total; at += piece) {
        vs_proof_update(&acc, s->share[j - 1] + at, s->total - at < piece ? s->total - at : piece);
    }
    return vs_proof_final(&acc);
}

static bool accepted(const submission *s, uint32_t j)
{
    return vs_fe2_equal(value_of(s, j, s->total), vs_proof_eval(s->w, s->r, j));
}

static submission submission_new(uint32_t n, uint32_t t, uint32_t k, uint32_t columns)
{
    submission s = {.n = n, .t = t, .k = k, .r = t + k, .columns = columns, .total = columns + 2};
    size_t n_cells = (n + k) * s.total;
    vs_sharing *sharing = NULL;
    const vs_fe *secrets[VS_SHAREHOLDERS_MAX];
    s.cells = calloc(n_cells, sizeof *s.cells);
    cr_assert_not_null(s.cells);
    vs_test_bytes(s.cells, n_cells * sizeof *s.cells, n + 1000 * columns);
    for (size_t i = 0; i < n_cells; i++) s.cells[i] = vs_fe_of_u64(s.cells[i].v);
    for (uint32_t j = 0; j < n; j++) s.share[j] = s.cells + j * s.total;
    for (uint32_t i = 0; i < k; i++) secrets[i] = s.cells + (n + i) * s.total;
    s.rho = (vs_fe2){vs_fe_of_u64(vs_test_u64(5, n)), vs_fe_of_u64(vs_test_u64(6, n))};
    cr_assert_eq(vs_sharing_new(&sharing, n, t, k), VS_OK);
    vs_share_columns(sharing, s.share + t, secrets, (const vs_fe *const *)s.share, s.total);
    vs_sharing_free(sharing);
    for (uint32_t j = 1; j <= s.r; j++) s.w[j - 1] = value_of(&s, j, s.total);
    return s;
}

static void submission_free(submission *s)
{
    free(s->cells);
}

Test(proof, honest_submission_is_accepted_by_everyone)
{
    static const uint32_t ntk[][3] = {{2, 1, 1}, {5, 2, 1}, {7, 1, 4}, {10, 3, 6}, {128, 40, 50}};
    static const uint32_t columns[] = {0, 1, 7, 8, 9, 200, 1022, 1023, 1024, 1025, 2100};
    for (size_t i = 0; i < sizeof ntk / sizeof ntk[0]; i++) {
        for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
            submission s = submission_new(ntk[i][0], ntk[i][1], ntk[i][2], columns[c]);
            for (uint32_t j = 1; j <= s.n; j++) cr_assert(accepted(&s, j), "%zu j=%u", i, j);
            submission_free(&s);
        }
    }
}

/* W(j) by the formula of section 5, one power after another. */
Test(proof, agrees_with_the_formula_in_any_pieces)
{
    enum { M = 2200 };
    static const size_t pieces[] = {1, 2, 3, 63, 100, 202, 1023, 1024, 1025};
    submission s = submission_new(5, 2, 2, M);
    for (uint32_t j = 1; j <= 5; j++) {
        vs_fe2 want = {s.share[j - 1][M], s.share[j - 1][M + 1]};
        vs_fe2 power = s.rho;
        for (size_t m = 0; m < M; m++) {
            want = vs_fe2_add(want, vs_fe2_scale(power, s.share[j - 1][m]));
            power = vs_fe2_mul(power, s.rho);
        }
        for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
            cr_assert(vs_fe2_equal(value_of(&s, j, pieces[p]), want), "pieces of %zu", pieces[p]);
        }
    }
    submission_free(&s);
}

/* One pass over the vector instead of two, same value, and the sum is the sum. */
Test(proof, update_add_is_update_and_add)
{
    enum { M = VS_POWER_TABLE + 77 };
    static vs_fe x[M + VS_MASK_COLUMNS], sum[M + 1], want[M + 1];
    const vs_fe2 rho = {{123456789}, {VS_FE_P - 5}};
    static const size_t sizes[] = {1, 33, 1023, 1024, 1025, M};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        vs_proof_acc one, two;
        for (size_t m = 0; m < M + VS_MASK_COLUMNS; m++) x[m] = vs_fe_of_u64(vs_test_u64(i, m));
        for (size_t m = 0; m < M + 1; m++) want[m] = sum[m] = vs_fe_of_u64(vs_test_u64(9, m));
        vs_proof_start(&one, rho, M);
        vs_proof_start(&two, rho, M);
        for (size_t at = 0; at < M; at += sizes[i]) {
            size_t part = M - at < sizes[i] ? M - at : sizes[i];
            vs_proof_update_add(&one, sum + at, x + at, part);
        }
        vs_proof_update(&one, x + M, VS_MASK_COLUMNS);
        vs_proof_update(&two, x, M + VS_MASK_COLUMNS);
        cr_expect(vs_fe2_equal(vs_proof_final(&one), vs_proof_final(&two)));
        vs_fe_add_many(want, x, M);
        cr_expect_arr_eq(sum, want, sizeof sum);
    }
}

Test(proof, a_mask_column_is_never_added_up, .signal = SIGABRT)
{
    vs_fe x[4] = {{1}, {2}, {3}, {4}}, sum[4] = {{0}};
    vs_proof_acc acc;
    vs_proof_start(&acc, (vs_fe2){{2}, {3}}, 3);
    vs_proof_update_add(&acc, sum, x, 4);
}

/* Lazy sums at their bound: every product is (p-1)^2. */
Test(proof, largest_values_do_not_overflow)
{
    enum { M = 2 * VS_POWER_TABLE + 5 };
    vs_fe x[M];
    const vs_fe2 rho = {{VS_FE_P - 1}, {VS_FE_P - 1}};
    vs_fe2 want = {{0}, {0}};
    vs_fe2 power = rho;
    vs_power_sum s;
    for (size_t m = 0; m < M; m++) {
        x[m].v = VS_FE_P - 1;
        want = vs_fe2_add(want, vs_fe2_scale(power, x[m]));
        power = vs_fe2_mul(power, rho);
    }
    vs_power_sum_start(&s, rho);
    vs_power_sum_update(&s, x, M);
    cr_expect(vs_fe2_equal(s.sum, want));
    /* The same with a table that really is full of p - 1. */
    for (size_t i = 0; i < VS_POWER_TABLE; i++) s.rho.re[i] = s.rho.im[i] = rho.re;
    s.sum = (vs_fe2){{0}, {0}};
    s.power = (vs_fe2){{1}, {0}};
    vs_power_sum_update(&s, x, VS_POWER_TABLE);
    cr_expect_eq(s.sum.re.v, VS_POWER_TABLE); /* (-1)(-1) each */
    cr_expect_eq(s.sum.im.v, VS_POWER_TABLE);
}

/* Any one element of any vector, mask columns included: that shareholder refuses and, the other
 * vectors being untouched, nobody else does. */
Test(proof, one_changed_element_is_refused_by_its_shareholder)
{
    submission s = submission_new(7, 2, 3, 70);
    for (uint32_t j = 1; j <= s.n; j++) {
        for (size_t m = 0; m < s.total; m++) {
            vs_fe *x = &s.share[j - 1][m];
            vs_fe old = *x;
            *x = vs_fe_add(old, (vs_fe){m % 2 ? 1 : VS_FE_P / 3});
            cr_assert_not(accepted(&s, j), "share %u column %zu", j, m);
            *x = old;
        }
        cr_assert(accepted(&s, j));
    }
    submission_free(&s);
}

Test(proof, exchanged_columns_or_vectors_are_refused)
{
    submission s = submission_new(5, 2, 2, 10);
    for (uint32_t j = 1; j <= 5; j++) {
        vs_fe *row = s.share[j - 1];
        for (size_t m = 0; m + 1 < s.total; m++) {
            vs_fe old = row[m];
            row[m] = row[m + 1];
            row[m + 1] = old;
            cr_assert_not(accepted(&s, j));
            row[m + 1] = row[m];
            row[m] = old;
        }
        s.share[j - 1] = s.share[j % 5];
        cr_assert_not(accepted(&s, j));
        s.share[j - 1] = row;
    }
    submission_free(&s);
}

Test(proof, any_changed_value_of_w_is_refused)
{
    submission s = submission_new(7, 2, 3, 10);
    for (uint32_t a = 0; a < s.r; a++) {
        for (int part = 0; part < 2; part++) {
            vs_fe *x = part ? &s.w[a].im : &s.w[a].re;
            *x = vs_fe_add(*x, (vs_fe){1});
            cr_expect_not(accepted(&s, a + 1));
            /* A value of the Lagrange basis is 0 at the other points of 1..r only. */
            for (uint32_t j = s.r + 1; j <= s.n; j++) cr_expect_not(accepted(&s, j));
            *x = vs_fe_sub(*x, (vs_fe){1});
        }
    }
    submission_free(&s);
}

/* A column of degree r, consistent at no r + 1 shareholders: somebody refuses whatever W says. */
Test(proof, polynomial_of_too_high_degree_is_refused)
{
    submission s = submission_new(6, 2, 2, 5);
    for (uint32_t j = 1; j <= 6; j++) { /* add x^4 (r = 4) to column 3 */
        vs_fe x = vs_fe_of_u64(j);
        vs_fe x2 = vs_fe_mul(x, x);
        s.share[j - 1][3] = vs_fe_add(s.share[j - 1][3], vs_fe_mul(x2, x2));
    }
    for (uint32_t j = 1; j <= s.r; j++) s.w[j - 1] = value_of(&s, j, s.total);
    for (uint32_t j = 1; j <= s.r; j++) cr_expect(accepted(&s, j));
    cr_expect_not(accepted(&s, 5));
    cr_expect_not(accepted(&s, 6));
    submission_free(&s);
}

Test(proof, extrapolation_equals_lagrange)
{
    static const uint32_t rs[] = {1, 2, 3, 10, 64, 127};
    for (size_t i = 0; i < sizeof rs / sizeof rs[0]; i++) {
        uint32_t r = rs[i];
        uint32_t x[VS_SHAREHOLDERS_MAX] = {0};
        vs_fe weight[VS_SHAREHOLDERS_MAX];
        vs_fe basis[VS_SHAREHOLDERS_MAX];
        vs_fe2 w[VS_SHAREHOLDERS_MAX];
        for (uint32_t a = 0; a < r; a++) {
            x[a] = a + 1;
            w[a] = (vs_fe2){vs_fe_of_u64(vs_test_u64(r, a)), vs_fe_of_u64(vs_test_u64(r + 1, a))};
        }
        vs_lagrange_weights(weight, x, r);
        for (uint32_t j = 1; j <= VS_SHAREHOLDERS_MAX; j++) {
            vs_fe2 want = {{0}, {0}};
            vs_lagrange_basis(basis, weight, x, r, j);
            for (uint32_t a = 0; a < r; a++) want = vs_fe2_add(want, vs_fe2_scale(w[a], basis[a]));
            cr_assert(vs_fe2_equal(vs_proof_eval(w, r, j), want), "r=%u j=%u", r, j);
        }
    }
}

Test(proof, state_is_wiped)
{
    submission s = submission_new(2, 1, 1, 3);
    vs_proof_acc acc;
    vs_proof_start(&acc, s.rho, 3);
    vs_proof_update(&acc, s.share[0], 5);
    (void)vs_proof_final(&acc);
    const uint8_t *bytes = (const uint8_t *)&acc;
    for (size_t i = 0; i < sizeof acc; i++) cr_assert_eq(bytes[i], 0);
    submission_free(&s);
}

static void feed(size_t count)
{
    const vs_fe x[8] = {{1}};
    vs_proof_acc acc;
    vs_proof_start(&acc, (vs_fe2){{2}, {3}}, 4);
    vs_proof_update(&acc, x, count);
    (void)vs_proof_final(&acc);
}

Test(proof, one_element_too_many_is_a_caller_bug, .signal = SIGABRT)
{
    feed(7);
}

Test(proof, one_element_too_few_is_a_caller_bug, .signal = SIGABRT)
{
    feed(5);
}

Test(proof, the_mask_columns_are_part_of_the_vector)
{
    feed(6);
}

Test(proof, takes_the_most_columns_there_are)
{
    vs_proof_acc acc;
    vs_proof_start(&acc, (vs_fe2){{1}, {2}}, VS_COLUMNS_MAX - VS_MASK_COLUMNS);
    cr_expect_eq(acc.columns, VS_COLUMNS_MAX - VS_MASK_COLUMNS);
}

Test(proof, one_column_more_is_a_caller_bug, .signal = SIGABRT)
{
    vs_proof_acc acc;
    vs_proof_start(&acc, (vs_fe2){{1}, {2}}, VS_COLUMNS_MAX - VS_MASK_COLUMNS + 1);
}

Test(proof, there_is_no_value_at_0, .signal = SIGABRT)
{
    const vs_fe2 w[2] = {{{1}, {2}}, {{3}, {4}}};
    (void)vs_proof_eval(w, 2, 0);
}

Test(proof, no_values_are_a_caller_bug, .signal = SIGABRT)
{
    const vs_fe2 w[1] = {{{1}, {2}}};
    (void)vs_proof_eval(w, 0, 1);
}

Test(proof, the_last_point_is_128)
{
    vs_fe2 w[VS_SHAREHOLDERS_MAX];
    for (uint32_t i = 0; i < VS_SHAREHOLDERS_MAX; i++) w[i] = (vs_fe2){{3}, {4}};
    cr_expect(vs_fe2_equal(vs_proof_eval(w, VS_SHAREHOLDERS_MAX, VS_SHAREHOLDERS_MAX), w[0]));
}
