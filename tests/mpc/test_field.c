#include <criterion/criterion.h>
#include <gmp.h>

#include "mpc/field.h"
#include "mpc/kernels.h"
#include "tests/support.h"

/* Around 0, p/2, p, and where a carry or a fold happens. */
static const uint64_t EDGE[] = {
    0,
    1,
    2,
    3,
    0xffffffff,
    UINT64_C(1) << 32,
    UINT64_C(1) << 60,
    (UINT64_C(1) << 60) - 1,
    VS_FE_P / 2,
    VS_FE_P / 2 + 1,
    VS_FE_P - 3,
    VS_FE_P - 2,
    VS_FE_P - 1,
};
enum { N_EDGE = sizeof EDGE / sizeof EDGE[0], N_RANDOM = 51, N_VALUES = N_EDGE + N_RANDOM };

static vs_fe value(size_t i)
{
    uint64_t v = i < N_EDGE ? EDGE[i] : vs_test_u64(1, i) % VS_FE_P;
    return (vs_fe){v};
}

static mpz_t P;

static uint64_t mod_p(mpz_t v)
{
    mpz_mod(v, v, P);
    return mpz_get_ui(v);
}

static void setup(void)
{
    mpz_init_set_ui(P, 1);
    mpz_mul_2exp(P, P, 61);
    mpz_sub_ui(P, P, 1);
}

static void teardown(void)
{
    mpz_clear(P);
}

TestSuite(field, .init = setup, .fini = teardown);

Test(field, modulus_is_the_documented_prime)
{
    cr_expect_eq(VS_FE_P, mpz_get_ui(P));
    cr_expect_neq(mpz_probab_prime_p(P, 30), 0);
    cr_expect_eq(VS_FE_P % 4, 3); /* so i^2 = -1 has no root and F_{p^2} is a field */
}

Test(field, add_sub_mul_agree_with_gmp_on_every_pair)
{
    mpz_t a, b, r;
    mpz_inits(a, b, r, NULL);
    for (size_t i = 0; i < N_VALUES; i++) {
        for (size_t j = 0; j < N_VALUES; j++) {
            vs_fe x = value(i);
            vs_fe y = value(j);
            mpz_set_ui(a, x.v);
            mpz_set_ui(b, y.v);
            mpz_add(r, a, b);
            cr_assert_eq(vs_fe_add(x, y).v, mod_p(r), "%zu + %zu", i, j);
            mpz_sub(r, a, b);
            cr_assert_eq(vs_fe_sub(x, y).v, mod_p(r), "%zu - %zu", i, j);
            mpz_mul(r, a, b);
            cr_assert_eq(vs_fe_mul(x, y).v, mod_p(r), "%zu * %zu", i, j);
        }
    }
    mpz_clears(a, b, r, NULL);
}

Test(field, neg_and_inverse_undo)
{
    for (size_t i = 0; i < N_VALUES; i++) {
        vs_fe x = value(i);
        cr_assert_eq(vs_fe_add(x, vs_fe_neg(x)).v, 0);
        cr_assert_eq(vs_fe_mul(x, vs_fe_inv(x)).v, x.v == 0 ? 0 : 1, "case %zu", i);
    }
    cr_assert_eq(vs_fe_inv((vs_fe){0}).v, 0);
}

Test(field, reduces_any_64_bit_integer)
{
    static const uint64_t wide[] = {
        VS_FE_P,     VS_FE_P + 1, 2 * VS_FE_P - 1, 2 * VS_FE_P,       7 * VS_FE_P,
        8 * VS_FE_P, UINT64_MAX,  UINT64_MAX - 7,  UINT64_C(1) << 61, UINT64_C(1) << 63,
    };
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        cr_assert_eq(vs_fe_of_u64(wide[i]).v, wide[i] % VS_FE_P, "case %zu", i);
    }
    for (size_t i = 0; i < 1000; i++) {
        uint64_t v = vs_test_u64(2, i);
        cr_assert_eq(vs_fe_of_u64(v).v, v % VS_FE_P);
    }
}

/* The widest inputs of both reductions, which products of canonical values do not reach. */
Test(field, wide_reductions_hold_at_their_bounds)
{
    vs_u128 square = (vs_u128)VS_FE_P * VS_FE_P;
    cr_expect_eq(vs_fe_reduce_wide(square).v, 0);
    cr_expect_eq(vs_fe_reduce_wide(square - 1).v, VS_FE_P - 1);
    cr_expect_eq(vs_fe_reduce_wide(VS_FE_P).v, 0);
    const vs_u128 all_ones = ~(vs_u128)0;
    cr_expect_eq(vs_fe_reduce_sum(all_ones).v, (uint64_t)(all_ones % VS_FE_P));
    cr_expect_eq(vs_fe_reduce_sum(all_ones - 1).v, (uint64_t)((all_ones - 1) % VS_FE_P));
    cr_expect_eq(vs_fe_reduce_sum(square).v, 0);
    vs_u128 lazy = VS_LAZY_PRODUCTS * ((vs_u128)(VS_FE_P - 1) * (VS_FE_P - 1));
    cr_expect_eq(lazy / VS_LAZY_PRODUCTS, (vs_u128)(VS_FE_P - 1) * (VS_FE_P - 1), "overflow");
    cr_expect_eq(vs_fe_reduce_sum(lazy).v, VS_LAZY_PRODUCTS);
    for (size_t i = 0; i < 1000; i++) {
        vs_u128 v = ((vs_u128)vs_test_u64(3, i) << 64) | vs_test_u64(4, i);
        cr_assert_eq(vs_fe_reduce_sum(v).v, (uint64_t)(v % VS_FE_P));
    }
}

Test(field, encodes_little_endian_and_decodes_back)
{
    uint8_t bytes[8];
    vs_fe_encode(bytes, (vs_fe){UINT64_C(0x0102030405060708)});
    for (size_t i = 0; i < 8; i++) cr_expect_eq(bytes[i], 8 - i);
    for (size_t i = 0; i < N_VALUES; i++) {
        vs_fe back = {99};
        vs_fe_encode(bytes, value(i));
        cr_assert_eq(vs_fe_decode(&back, bytes), 0);
        cr_assert_eq(back.v, value(i).v);
    }
}

Test(field, decode_refuses_every_non_canonical_value)
{
    static const uint64_t bad[] = {
        VS_FE_P,           VS_FE_P + 1, UINT64_C(1) << 62,
        UINT64_C(1) << 63, UINT64_MAX,  2 * VS_FE_P,
        UINT64_C(1) << 61, 4 * VS_FE_P, (UINT64_C(1) << 63) + VS_FE_P - 1,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t bytes[8];
        vs_fe x = {7};
        vs_store_le64(bytes, bad[i]);
        cr_expect_eq(vs_fe_decode(&x, bytes), 1, "case %zu", i);
        cr_expect_eq(x.v, 0, "case %zu: output must be zero", i);
    }
}

/* One bad element at each position of an array. */
Test(field, decode_many_refuses_one_bad_element_anywhere)
{
    enum { N = 9 };
    uint8_t bytes[N * VS_FE_BYTES];
    vs_fe in[N];
    vs_fe out[N];
    for (size_t i = 0; i < N; i++) in[i] = value(N_EDGE + i);
    vs_fe_encode_many(bytes, in, N);
    cr_assert_eq(vs_fe_decode_many(out, bytes, N), VS_OK);
    for (size_t i = 0; i < N; i++) cr_assert_eq(out[i].v, in[i].v);
    for (size_t at = 0; at < N; at++) {
        vs_fe_encode_many(bytes, in, N);
        vs_store_le64(bytes + at * VS_FE_BYTES, VS_FE_P);
        cr_expect_eq(vs_fe_decode_many(out, bytes, N), VS_ERR_MALFORMED, "at %zu", at);
        for (size_t i = 0; i < N; i++) cr_expect_lt(out[i].v, VS_FE_P);
    }
    cr_expect_eq(vs_fe_decode_many(out, bytes, 0), VS_OK);
}

Test(field, add_many_and_sub_many_go_element_by_element)
{
    vs_fe acc[N_VALUES];
    vs_fe x[N_VALUES];
    for (size_t n = 0; n <= N_VALUES; n++) {
        for (size_t i = 0; i < N_VALUES; i++) {
            acc[i] = value(i);
            x[i] = value(N_VALUES - 1 - i);
        }
        vs_fe_add_many(acc, x, n);
        for (size_t i = 0; i < N_VALUES; i++) {
            vs_fe want = i < n ? vs_fe_add(value(i), x[i]) : value(i);
            cr_assert_eq(acc[i].v, want.v);
        }
        vs_fe_sub_many(acc, x, n);
        for (size_t i = 0; i < N_VALUES; i++) cr_assert_eq(acc[i].v, value(i).v);
    }
}

Test(field, square_extension_multiplies_like_complex_numbers)
{
    mpz_t re, im, t;
    mpz_inits(re, im, t, NULL);
    for (size_t i = 0; i + 3 < N_VALUES; i++) {
        vs_fe2 a = {value(i), value(i + 2)};
        vs_fe2 b = {value(N_VALUES - 1 - i), value(i + 3)};
        vs_fe2 r = vs_fe2_mul(a, b);
        mpz_set_ui(re, a.re.v);
        mpz_mul_ui(re, re, b.re.v);
        mpz_set_ui(t, a.im.v);
        mpz_submul_ui(re, t, b.im.v);
        mpz_set_ui(im, a.re.v);
        mpz_mul_ui(im, im, b.im.v);
        mpz_addmul_ui(im, t, b.re.v);
        cr_assert_eq(r.re.v, mod_p(re));
        cr_assert_eq(r.im.v, mod_p(im));
        cr_assert(vs_fe2_equal(vs_fe2_scale(a, b.re), vs_fe2_mul(a, (vs_fe2){b.re, {0}})));
        cr_assert(vs_fe2_equal(vs_fe2_sub(vs_fe2_add(a, b), b), a));
    }
    mpz_clears(re, im, t, NULL);
}

Test(field, square_extension_inverse)
{
    const vs_fe2 one = {{1}, {0}};
    const vs_fe2 zero = {{0}, {0}};
    for (size_t i = 0; i < N_VALUES; i++) {
        for (size_t j = 0; j < N_EDGE; j++) {
            vs_fe2 a = {value(i), value(j)};
            vs_fe2 want = vs_fe2_equal(a, zero) ? zero : one;
            cr_assert(vs_fe2_equal(vs_fe2_mul(a, vs_fe2_inv(a)), want), "%zu %zu", i, j);
        }
    }
}

Test(field, square_extension_equality_sees_both_parts)
{
    const vs_fe2 a = {{5}, {6}};
    cr_expect_eq(vs_fe2_equal(a, a), 1);
    cr_expect_eq(vs_fe2_equal(a, (vs_fe2){{5}, {7}}), 0);
    cr_expect_eq(vs_fe2_equal(a, (vs_fe2){{4}, {6}}), 0);
}

/* Any number of rows: none, fewer and more than one call of the kernel takes. */
Test(field, add_rows_adds_every_row_once)
{
    enum { ROWS = 3 * VS_ADD_ROWS + 1, LEN = 9 };
    static vs_fe x[ROWS][LEN];
    const vs_fe *rows[ROWS];
    for (uint32_t a = 0; a < ROWS; a++) {
        rows[a] = x[a];
        for (size_t i = 0; i < LEN; i++) x[a][i] = value((a + 7 * i) % N_VALUES);
    }
    for (uint32_t n_rows = 0; n_rows <= ROWS; n_rows++) {
        vs_fe acc[LEN + 1];
        for (size_t i = 0; i <= LEN; i++) acc[i] = value(i);
        vs_fe_add_rows(acc, rows, n_rows, LEN);
        for (size_t i = 0; i <= LEN; i++) {
            vs_fe want = value(i);
            for (uint32_t a = 0; i < LEN && a < n_rows; a++) want = vs_fe_add(want, x[a][i]);
            cr_assert_eq(acc[i].v, want.v, "%u rows, element %zu", n_rows, i);
        }
    }
}
