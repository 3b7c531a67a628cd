/* The samplers against a second implementation, and against the distributions they claim. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/hash.h"
#include "fl/noise.h"
#include "tests/fl/noise_vectors.h"
#include "tests/support.h"

enum { N_SAMPLES = 1000000, BATCH = 1024 };

/* --- known answers -------------------------------------------------------------------------------
 */

typedef struct sha_stream {
    uint64_t seed, block;
} sha_stream;

static vs_err sha_fill(void *ctx, void *out, size_t len)
{
    sha_stream *s = ctx;
    uint8_t *p = out;
    VS_ASSERT(len % 32 == 0);
    for (size_t at = 0; at < len; at += 32) {
        uint8_t message[16];
        vs_h32 h;
        vs_store_le64(message, s->seed);
        vs_store_le64(message + 8, s->block++);
        vs_sha256(&h, message, sizeof message);
        memcpy(p + at, h.b, 32);
    }
    return VS_OK;
}

Test(noise, gives_what_a_second_implementation_gives_on_the_same_stream)
{
    for (size_t v = 0; v < sizeof VECTORS / sizeof VECTORS[0]; v++) {
        sha_stream stream = {.seed = VECTORS[v].seed};
        const vs_rng rng = {.fill = sha_fill, .ctx = &stream};
        int64_t out[N_VALUES];
        vs_noise *n;
        cr_assert_eq(
            vs_noise_new(&n,
                         VECTORS[v].skellam ? VS_MECHANISM_SKELLAM : VS_MECHANISM_DISCRETE_GAUSSIAN,
                         VECTORS[v].variance),
            VS_OK);
        cr_assert_eq(vs_noise_fill(n, &rng, out, N_VALUES), VS_OK);
        for (int i = 0; i < N_VALUES; i++) {
            cr_assert_eq(out[i], VECTORS[v].value[i], "vector %zu value %d: %lld", v, i,
                         (long long)out[i]);
        }
        vs_noise_free(n);
    }
}

/* --- distributions -------------------------------------------------------------------------------
 */

/* AES or ChaCha would do as well: vs_test_rng is libsodium's ChaCha20. The seed is fixed: a
 * test that passes once passes always. */
static int64_t *draw(vs_mechanism m, uint64_t variance, uint64_t seed)
{
    vs_test_rng state = {.seed = seed};
    const vs_rng rng = vs_test_rng_of(&state);
    int64_t *out = malloc(N_SAMPLES * sizeof *out);
    vs_noise *n;
    cr_assert_not_null(out);
    cr_assert_eq(vs_noise_new(&n, m, variance), VS_OK);
    for (size_t at = 0; at < N_SAMPLES; at += BATCH) {
        size_t count = N_SAMPLES - at < BATCH ? N_SAMPLES - at : BATCH;
        cr_assert_eq(vs_noise_fill(n, &rng, out + at, count), VS_OK);
    }
    vs_noise_free(n);
    return out;
}

/* Density on -half..half, normalised; Skellam's by convolving two Poissons. */
static double *density(vs_mechanism m, double variance, int half)
{
    double *p = calloc(2 * (size_t)half + 1, sizeof *p);
    double sum = 0;
    cr_assert_not_null(p);
    for (int x = -half; x <= half; x++) {
        if (m == VS_MECHANISM_DISCRETE_GAUSSIAN) {
            p[x + half] = exp(-(double)x * x / (2 * variance));
        } else {
            const double mean = variance / 2;
            for (int k = x > 0 ? x : 0; k < 4 * half; k++) {
                p[x + half] +=
                    exp((2 * k - x) * log(mean) - 2 * mean - lgamma(k + 1.0) - lgamma(k - x + 1.0));
            }
        }
        sum += p[x + half];
    }
    for (int i = 0; i <= 2 * half; i++) p[i] /= sum;
    return p;
}

/* Wilson and Hilferty: chi-square as a standard normal. */
static double normal_of(double chi_square, double df)
{
    return (cbrt(chi_square / df) - (1 - 2 / (9 * df))) / sqrt(2 / (9 * df));
}

/* Bins of one integer each where 10 or more are expected, the tails in one bin each. */
static double chi_square(const int64_t *x, const double *p, int half)
{
    double expected = 0, statistic = 0;
    uint64_t *seen = calloc(2 * (size_t)half + 1, sizeof *seen), observed = 0;
    int bins = 0;
    cr_assert_not_null(seen);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        int64_t v = x[i] < -half ? -half : x[i] > half ? half : x[i];
        seen[v + half]++;
    }
    for (int i = 0; i <= 2 * half; i++) {
        expected += p[i] * N_SAMPLES;
        observed += seen[i];
        if (expected < 10 && i < 2 * half) continue;
        if (expected < 10) break; /* the last few: too rare to judge */
        statistic += ((double)observed - expected) * ((double)observed - expected) / expected;
        expected = 0;
        observed = 0;
        bins++;
    }
    free(seen);
    return normal_of(statistic, bins - 1);
}

static void expect_density(vs_mechanism m, uint64_t variance, uint64_t seed)
{
    const int half = (int)(8 * sqrt((double)variance)) + 8;
    int64_t *x = draw(m, variance, seed);
    double *p = density(m, (double)variance, half);
    double z = chi_square(x, p, half);
    cr_expect_lt(fabs(z), 4.0, "%s, variance %llu: chi-square is %.2f deviations off",
                 vs_mechanism_name(m), (unsigned long long)variance, z);
    free(p);
    free(x);
}

Test(noise, a_million_discrete_gaussians_pass_chi_square)
{
    expect_density(VS_MECHANISM_DISCRETE_GAUSSIAN, 1, 1);
    expect_density(VS_MECHANISM_DISCRETE_GAUSSIAN, 50, 2);
}

Test(noise, a_million_skellams_pass_chi_square)
{
    expect_density(VS_MECHANISM_SKELLAM, 2, 3);
    expect_density(VS_MECHANISM_SKELLAM, 50, 4);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* For a large variance both distributions are a normal to within 1/variance: moments, and
 * Kolmogorov-Smirnov with the continuity correction of half a step. */
static void expect_normal(vs_mechanism m, uint64_t variance, uint64_t seed)
{
    const double n = N_SAMPLES, sd = sqrt((double)variance);
    double sum[5] = {0}, worst = 0;
    int64_t *x = draw(m, variance, seed);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        double y = (double)x[i] / sd, power = 1;
        for (int k = 1; k <= 4; k++) sum[k] += power *= y;
    }
    /* Standard errors of the sample moments of a normal: 1, sqrt 2, sqrt 15, sqrt 96. */
    cr_expect_lt(fabs(sum[1] / n), 4 / sqrt(n), "mean %g", sum[1] / n);
    cr_expect_lt(fabs(sum[2] / n - 1), 4 * sqrt(2 / n), "variance %g", sum[2] / n);
    cr_expect_lt(fabs(sum[3] / n), 4 * sqrt(15 / n), "third moment %g", sum[3] / n);
    cr_expect_lt(fabs(sum[4] / n - 3), 4 * sqrt(96 / n), "fourth moment %g", sum[4] / n);
    qsort(x, N_SAMPLES, sizeof *x, by_value);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        if (i + 1 < N_SAMPLES && x[i + 1] == x[i]) continue; /* the step is after the last equal */
        double f = 0.5 * erfc(-((double)x[i] + 0.5) / sd / sqrt(2.0));
        worst = fmax(worst, fabs((double)(i + 1) / n - f));
    }
    cr_expect_lt(worst * sqrt(n), 1.95, "KS %g (0.1 %% point 1.95)", worst * sqrt(n));
    free(x);
}

Test(noise, a_million_wide_discrete_gaussians_pass_moments_and_kolmogorov_smirnov)
{
    expect_normal(VS_MECHANISM_DISCRETE_GAUSSIAN, 7398400, 5);
}

Test(noise, a_million_wide_skellams_pass_moments_and_kolmogorov_smirnov)
{
    expect_normal(VS_MECHANISM_SKELLAM, 7398400, 6);
}

/* The chi-square is one that can fail: 1 % more variance is far out. */
Test(noise, the_chi_square_sees_a_variance_that_is_a_hundredth_off)
{
    const int half = 80;
    int64_t *x = draw(VS_MECHANISM_DISCRETE_GAUSSIAN, 50, 2);
    double *p = density(VS_MECHANISM_DISCRETE_GAUSSIAN, 50.5, half);
    cr_expect_gt(chi_square(x, p, half), 4.0);
    free(p);
    free(x);
}

/* --- edges ---------------------------------------------------------------------------------------
 */

Test(noise, the_widest_tables_are_within_their_memory_and_their_error)
{
    const uint64_t variances[] = {2, 4, 6, VS_NOISE_SKELLAM_MAX - 2, VS_NOISE_SKELLAM_MAX};
    for (size_t i = 0; i < 5; i++) {
        vs_test_rng state = {.seed = 9};
        const vs_rng rng = vs_test_rng_of(&state);
        const double sd = sqrt((double)variances[i]);
        int64_t x[1000];
        double sum = 0;
        vs_noise *n;
        cr_assert_eq(vs_noise_new(&n, VS_MECHANISM_SKELLAM, variances[i]), VS_OK);
        cr_assert_eq(vs_noise_fill(n, &rng, x, 1000), VS_OK);
        for (int k = 0; k < 1000; k++) sum += (double)x[k] / sd * ((double)x[k] / sd);
        cr_expect(fabs(sum / 1000 - 1) < 0.3, "variance %g", sum / 1000);
        vs_noise_free(n);
    }
    cr_expect_eq(vs_noise_error(VS_MECHANISM_DISCRETE_GAUSSIAN, 100), 0.0);
    cr_expect_leq(vs_noise_error(VS_MECHANISM_SKELLAM, VS_NOISE_SKELLAM_MAX), 0x1p-72);
}

Test(noise, a_failing_source_gives_zeros_and_an_error_at_every_call)
{
    for (uint64_t k = 1; k <= 4; k++) {
        for (int m = VS_MECHANISM_DISCRETE_GAUSSIAN; m <= VS_MECHANISM_SKELLAM; m++) {
            vs_test_rng state = {.seed = k, .fail_at = k};
            const vs_rng rng = vs_test_rng_of(&state);
            int64_t x[400];
            vs_noise *n;
            cr_assert_eq(vs_noise_new(&n, (vs_mechanism)m, 1000000), VS_OK);
            cr_expect_eq(vs_noise_fill(n, &rng, x, 400), VS_ERR_IO);
            for (int i = 0; i < 400; i++) cr_assert_eq(x[i], 0);
            vs_noise_free(n);
        }
    }
}

Test(noise, placing_moves_to_the_middle_and_stops_at_the_ends)
{
    uint32_t c[] = {0, 10, 5, 0, 10, 5, 5};
    const int64_t z[] = {0, 0, 0, -200, 200, INT64_C(1) << 40, -(INT64_C(1) << 40)};
    vs_noise_place(c, z, 7, 10, 255); /* offset (255 - 10 - 1) / 2 = 122, zero at 127 */
    const uint32_t want[] = {122, 132, 127, 0, 255, 255, 0};
    for (int i = 0; i < 7; i++) cr_expect_eq(c[i], want[i], "%d: %u", i, c[i]);
    uint32_t wide = UINT32_MAX - 1;
    const int64_t one = 1;
    vs_noise_place(&wide, &one, 1, UINT32_MAX - 1, UINT32_MAX);
    cr_expect_eq(wide, UINT32_MAX);
}

Test(noise, names_are_read_back)
{
    for (int m = VS_MECHANISM_NONE; m <= VS_MECHANISM_SKELLAM; m++) {
        vs_mechanism back;
        cr_expect_eq(vs_mechanism_parse(&back, vs_mechanism_name((vs_mechanism)m)), VS_OK);
        cr_expect_eq((int)back, m);
    }
    vs_mechanism m;
    cr_expect_eq(vs_mechanism_parse(&m, "gauss"), VS_ERR_MALFORMED);
}
