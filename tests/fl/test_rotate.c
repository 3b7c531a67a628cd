#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fl/rotate.h"
#include "tests/support.h"

static const uint8_t SEED[32] = {1, 2, 3};

static double *values(size_t n, uint64_t seed)
{
    double *x = malloc(n * sizeof *x);
    cr_assert_not_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (double)(vs_test_u64(seed, i) >> 11) * 0x1p-52 - 1.0;
    return x;
}

Test(rotate, blocks_are_falling_powers_of_two_that_cover_everything_once)
{
    const uint64_t dims[] = {1, 2, 3, 7850, 65535, 65536, 65537, 159010, 200000, 100000000};
    for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d++) {
        uint64_t at = 0;
        uint32_t before = VS_ROTATE_BLOCK;
        while (at < dims[d]) {
            uint64_t first;
            uint32_t len;
            vs_rotate_block(at, dims[d], &first, &len);
            cr_assert_eq(first, at);
            cr_assert(len <= before && (len & (len - 1)) == 0);
            cr_assert(len == VS_ROTATE_BLOCK || len < before || at == 0);
            for (uint64_t i = first; i<first + len; i += len> 7 ? len / 7 : 1) {
                uint64_t f;
                uint32_t l;
                vs_rotate_block(i, dims[d], &f, &l);
                cr_assert(f == first && l == len, "coordinate %llu", (unsigned long long)i);
            }
            before = len;
            at += len;
        }
        cr_expect_eq(at, dims[d]);
    }
}

/* H_4 on (1, 0, 0, 0) etc. by hand, with the signs taken out again. */
Test(rotate, four_coordinates_are_the_hadamard_matrix)
{
    for (uint32_t i = 0; i < 4; i++) {
        double x[4] = {0}, sign[4] = {1, 1, 1, 1};
        for (uint32_t k = 0; k < 4; k++) { /* length 1: the sign alone */
            vs_rotate_forward(&sign[k], SEED, k, 1);
            cr_assert_eq(fabs(sign[k]), 1.0);
        }
        x[i] = sign[i];
        vs_rotate_forward(x, SEED, 0, 4);
        for (uint32_t k = 0; k < 4; k++) {
            double want = __builtin_popcount(i & k) % 2 == 0 ? 0.5 : -0.5;
            cr_expect_eq(x[k], want, "H[%u][%u] = %g", k, i, x[k]);
        }
    }
}

Test(rotate, forth_and_back_is_the_identity_and_keeps_the_norm)
{
    const uint64_t dims[] = {1, 3, 77, 4096, 7850, 70001, 200000};
    for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d++) {
        const size_t n = dims[d];
        double *x = values(n, d), *y = values(n, d);
        double before = 0, after = 0;
        vs_rotated *r;
        cr_assert_eq(vs_rotated_new(&r, SEED, x, n), VS_OK);
        for (uint64_t at = 0; at < n;) {
            size_t got;
            const double *view = vs_rotated_read(r, at, 1000, &got);
            memcpy(y + at, view, got * sizeof *y);
            at += got;
        }
        vs_rotated_free(r);
        for (size_t i = 0; i < n; i++) before += x[i] * x[i], after += y[i] * y[i];
        cr_expect_float_eq(before, after, 1e-9 * before);
        vs_rotate_inverse_all(y, SEED, n);
        for (size_t i = 0; i < n; i++) cr_assert_float_eq(x[i], y[i], 1e-12, "%zu of %zu", i, n);
        free(x);
        free(y);
    }
}

/* What is it for: one large coordinate becomes 65,536 small ones. */
Test(rotate, a_single_spike_is_spread_evenly)
{
    double *x = calloc(VS_ROTATE_BLOCK, sizeof *x);
    cr_assert_not_null(x);
    x[12345] = 256.0;
    vs_rotate_forward(x, SEED, 0, VS_ROTATE_BLOCK);
    for (uint32_t i = 0; i < VS_ROTATE_BLOCK; i++) cr_assert_eq(fabs(x[i]), 1.0);
    free(x);
}

Test(rotate, any_order_of_reading_gives_the_same_values)
{
    enum { N = 140000 };
    double *x = values(N, 5);
    vs_rotated *r;
    cr_assert_eq(vs_rotated_new(&r, SEED, x, N), VS_OK);
    size_t n;
    double a = *vs_rotated_read(r, 70000, 1, &n), b = *vs_rotated_read(r, 3, 1, &n);
    cr_expect_eq(*vs_rotated_read(r, 70000, 1, &n), a);
    cr_expect_eq(*vs_rotated_read(r, 3, 1, &n), b);
    (void)vs_rotated_read(r, 65530, 100, &n);
    cr_expect_eq(n, 6, "a read ends with its block");
    vs_rotated_free(r);
    free(x);
}

Test(rotate, signs_depend_on_the_seed_and_are_balanced)
{
    enum { N = 4096 };
    uint8_t other[32] = {9};
    int negative = 0, differ = 0;
    for (uint32_t i = 0; i < N; i++) {
        double a = 1, b = 1;
        vs_rotate_forward(&a, SEED, i, 1);
        vs_rotate_forward(&b, other, i, 1);
        negative += a < 0;
        differ += a != b;
    }
    cr_expect(abs(negative - N / 2) < 200 && abs(differ - N / 2) < 200);
}

/* openssl enc -chacha20 with this key and iv 0: bytes 0..7 and 192..199. */
Test(rotate, signs_are_the_bits_of_the_chacha20_keystream)
{
    static const uint8_t bytes[2][8] = {{0x67, 0xff, 0x46, 0x76, 0x99, 0x60, 0x63, 0xf5},
                                        {0xb1, 0xd8, 0xe5, 0xd5, 0xcd, 0xb6, 0x04, 0xa3}};
    for (uint32_t part = 0; part < 2; part++) {
        for (uint32_t i = 0; i < 64; i++) {
            double x = 1;
            vs_rotate_forward(&x, SEED, 8 * 192 * part + i, 1);
            cr_expect_eq(x < 0, (bytes[part][i / 8] >> (i % 8) & 1) != 0, "%u of %u", i, part);
        }
    }
}
