#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fl/quantise.h"
#include "fl/quantise_loops.h"
#include "tests/support.h"

static vs_quantiser quantiser(double range, uint32_t bits, bool stochastic)
{
    return (vs_quantiser){.clip_norm = 0.0,
                          .clipping_range = range,
                          .bits = bits,
                          .max_weight = 1,
                          .stochastic_rounding = stochastic};
}

static const vs_quantise_scale UNIT = {.factor = 1.0, .norm = 0.0, .norm_clipped = false};

static vs_quantise_scale scan(const vs_quantiser *q, const double *x, size_t n, uint64_t weight)
{
    vs_quantise_scale scale;
    vs_diag diag = {0};
    cr_assert_eq(vs_quantise_scan(&scale, q, x, n, weight, &diag), VS_OK, "%s", diag.text);
    return scale;
}

static uint64_t levels_of(uint32_t bits)
{
    return (UINT64_C(1) << bits) - 1;
}

/* Uniform in [-1, 1). */
static double uniform(uint64_t seed, uint64_t i)
{
    return (double)(vs_test_u64(seed, i) >> 11) * 0x1p-52 - 1.0;
}

Test(quantise, check_names_the_field)
{
    const vs_quantiser good = quantiser(0.5, 16, true);
    const double bad_reals[] = {-1.0, NAN, INFINITY, -INFINITY, 1e-200, 1e200};
    vs_diag diag;
    vs_quantiser q = good;
    cr_expect_eq(vs_quantiser_check(&q, &diag), VS_OK);
    for (size_t i = 0; i < 6; i++) {
        q = good;
        q.clip_norm = bad_reals[i];
        cr_expect_eq(vs_quantiser_check(&q, &diag), VS_ERR_LIMIT);
        cr_expect_not_null(strstr(diag.text, "clip_norm"));
        q = good;
        q.clipping_range = bad_reals[i];
        cr_expect_eq(vs_quantiser_check(&q, &diag), VS_ERR_LIMIT);
        cr_expect_not_null(strstr(diag.text, "clipping_range"));
    }
    q = good;
    q.clipping_range = 0.0;
    cr_expect_eq(vs_quantiser_check(&q, NULL), VS_ERR_LIMIT);
    for (uint32_t bits = 0; bits <= 40; bits++) {
        q = good;
        q.bits = bits;
        bool ok = bits >= 1 && bits <= 32;
        cr_expect_eq(vs_quantiser_check(&q, &diag), ok ? VS_OK : VS_ERR_LIMIT);
        if (!ok) cr_expect_not_null(strstr(diag.text, "quantization_bits"));
    }
    q = good;
    q.max_weight = 0;
    cr_expect_eq(vs_quantiser_check(&q, &diag), VS_ERR_LIMIT);
    q.max_weight = (UINT64_C(1) << 48) + 1;
    cr_expect_eq(vs_quantiser_check(&q, &diag), VS_ERR_LIMIT);
    cr_expect_not_null(strstr(diag.text, "max_weight"));
    q.max_weight--;
    cr_expect_eq(vs_quantiser_check(&q, &diag), VS_OK);
}

/* Exactly at +-R, whatever the rounding word: the ends of the integer range, not clipped. */
Test(quantise, ends_of_the_range_are_exact)
{
    const double ranges[] = {0.5, 0.1, 1.0 / 3.0, 8.0, 1e-100, 1e100, 0.7071067811865476};
    const uint64_t words[] = {0, 1, UINT64_C(1) << 63, UINT64_MAX - 1, UINT64_MAX};
    for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; r++) {
        for (uint32_t bits = 1; bits <= 32; bits++) {
            vs_quantiser q = quantiser(ranges[r], bits, true);
            for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
                const double x[] = {-ranges[r], ranges[r]};
                const uint64_t rnd[] = {words[w], words[w]};
                uint32_t out[2];
                cr_assert_eq(vs_quantise(out, &q, &UNIT, x, rnd, 2), 0);
                cr_assert_eq(out[0], 0, "range %g bits %u word %zu", ranges[r], bits, w);
                cr_assert_eq(out[1], levels_of(bits), "range %g bits %u word %zu", ranges[r], bits,
                             w);
            }
        }
    }
}

Test(quantise, clips_and_counts_what_lies_outside)
{
    vs_quantiser q = quantiser(0.5, 8, false);
    const double x[] = {
        nextafter(0.5, 1.0), nextafter(-0.5, -1.0), 0.5, -0.5, DBL_MAX, -DBL_MAX, 0.25, 0.0};
    uint32_t out[8];
    cr_expect_eq(vs_quantise(out, &q, &UNIT, x, NULL, 8), 4);
    const uint32_t want[] = {255, 0, 255, 0, 255, 0, 191, 128};
    for (size_t i = 0; i < 8; i++) cr_expect_eq(out[i], want[i], "%zu: %u", i, out[i]);
}

/* One client, one coordinate at a time: within a step (stochastic) or half a step. */
Test(quantise, round_trip_error_is_bounded_at_every_width)
{
    enum { N = 500 };
    for (uint32_t bits = 1; bits <= 32; bits++) {
        for (int stochastic = 0; stochastic <= 1; stochastic++) {
            vs_quantiser q = quantiser(0.5, bits, stochastic != 0);
            double step = 1.0 / (double)levels_of(bits);
            for (uint64_t i = 0; i < N; i++) {
                double x = 0.5 * uniform(bits, i);
                uint64_t rnd = vs_test_u64(bits + 100, i);
                uint32_t out;
                double back;
                cr_assert_eq(vs_quantise(&out, &q, &UNIT, &x, &rnd, 1), 0);
                cr_assert_leq(out, levels_of(bits));
                uint64_t sum = out;
                vs_dequantise(&back, &q, &sum, 1, 1, 1);
                double bound = (stochastic != 0 ? 1.0 : 0.5) * step * (1 + 1e-6);
                cr_assert_leq(fabs(back - x), bound, "bits %u: %.17g -> %.17g", bits, x, back);
            }
        }
    }
}

/* The mean over many rounding words comes back: 6 standard errors of a step's rounding. */
Test(quantise, stochastic_rounding_is_unbiased)
{
    enum { DRAWS = 20000 };
    const double xs[] = {-0.4999, -0.3, -0.001, 0.0, 0.1, 0.123456, 0.4999};
    const uint32_t widths[] = {1, 2, 4, 8, 16};
    for (size_t b = 0; b < 5; b++) {
        vs_quantiser q = quantiser(0.5, widths[b], true);
        double step = 1.0 / (double)levels_of(widths[b]);
        for (size_t k = 0; k < 7; k++) {
            uint64_t sum = 0;
            double mean;
            for (uint64_t i = 0; i < DRAWS; i++) {
                uint64_t rnd = vs_test_u64(b * 7 + k, i);
                uint32_t out;
                (void)vs_quantise(&out, &q, &UNIT, &xs[k], &rnd, 1);
                sum += out;
            }
            vs_dequantise(&mean, &q, &sum, 1, DRAWS, DRAWS);
            cr_expect_leq(fabs(mean - xs[k]), 6 * 0.5 * step / sqrt(DRAWS), "bits %u x %g mean %g",
                          widths[b], xs[k], mean);
        }
    }
}

Test(quantise, without_stochastic_rounding_is_deterministic)
{
    vs_quantiser q = quantiser(0.5, 12, false);
    for (uint64_t i = 0; i < 200; i++) {
        double x = 0.6 * uniform(3, i);
        uint64_t rnd = vs_test_u64(4, i);
        uint32_t a;
        uint32_t b;
        (void)vs_quantise(&a, &q, &UNIT, &x, NULL, 1);
        (void)vs_quantise(&b, &q, &UNIT, &x, &rnd, 1);
        cr_expect_eq(a, b);
    }
}

/* Weighted mean of several clients, as the aggregator decodes it. */
Test(quantise, decodes_the_weighted_mean)
{
    enum { N_CLIENTS = 5, DIM = 64 };
    const uint64_t weights[N_CLIENTS] = {1, 100, 600, 600, 37};
    vs_quantiser q = quantiser(0.5, 20, true);
    q.max_weight = 600;
    uint64_t sums[DIM] = {0};
    double want[DIM] = {0};
    double mean[DIM];
    uint64_t weight_sum = 0;
    for (uint64_t c = 0; c < N_CLIENTS; c++) {
        double x[DIM];
        uint64_t rnd[DIM];
        uint32_t out[DIM];
        for (uint64_t i = 0; i < DIM; i++) x[i] = 0.4 * uniform(c, i);
        vs_test_bytes(rnd, sizeof rnd, c);
        vs_quantise_scale scale = scan(&q, x, DIM, weights[c]);
        cr_assert_eq(vs_quantise(out, &q, &scale, x, rnd, DIM), 0);
        for (size_t i = 0; i < DIM; i++) {
            sums[i] += out[i];
            want[i] += (double)weights[c] * x[i];
        }
        weight_sum += weights[c];
    }
    vs_dequantise(mean, &q, sums, DIM, N_CLIENTS, weight_sum);
    double step = 1.0 / (double)levels_of(20);
    double bound = N_CLIENTS * step * 600.0 / (double)weight_sum;
    for (size_t i = 0; i < DIM; i++) {
        cr_expect_leq(fabs(mean[i] - want[i] / (double)weight_sum), bound, "coordinate %zu", i);
    }
}

/* The extreme sums of the widest parameter set neither wrap nor lose their sign. */
Test(quantise, decodes_extreme_sums)
{
    vs_quantiser q = quantiser(0.5, 32, false);
    const uint32_t n = UINT32_C(1) << 28;
    const uint64_t top = levels_of(32) * n;
    const uint64_t sums[] = {0, top, top / 2};
    double mean[3];
    vs_dequantise(mean, &q, sums, 3, n, n);
    cr_expect_float_eq(mean[0], -0.5, 1e-15);
    cr_expect_float_eq(mean[1], 0.5, 1e-15);
    cr_expect_float_eq(mean[2], 0.0, 1e-15);
}

Test(quantise, scan_clips_the_norm_and_applies_the_weight)
{
    const double x[] = {3.0, 0.0, -4.0};
    vs_quantiser q = quantiser(0.5, 16, true);
    q.max_weight = 10;
    vs_quantise_scale s = scan(&q, x, 3, 5);
    cr_expect_float_eq(s.norm, 5.0, 1e-15);
    cr_expect_float_eq(s.factor, 0.5, 1e-15);
    cr_expect_not(s.norm_clipped);

    q.clip_norm = 5.0;
    cr_expect_not(scan(&q, x, 3, 10).norm_clipped);
    q.clip_norm = 1.0;
    s = scan(&q, x, 3, 5);
    cr_expect(s.norm_clipped);
    cr_expect_float_eq(s.factor, 0.1, 1e-15);
    cr_expect_eq(scan(&q, x, 0, 5).norm, 0.0);
}

Test(quantise, norm_does_not_overflow_or_vanish)
{
    const double huge[] = {1e200, -1e200, 1e200, 1e200};
    const double tiny[] = {3e-310, 4e-310};
    const double largest[] = {DBL_MAX, DBL_MAX};
    vs_quantiser q = quantiser(0.5, 16, true);
    q.clip_norm = 1.0;
    vs_quantise_scale s = scan(&q, huge, 4, 1);
    cr_expect_float_eq(s.norm / 2e200, 1.0, 1e-12);
    cr_expect_float_eq(s.factor * 2e200, 1.0, 1e-12);
    cr_expect_float_eq(scan(&q, tiny, 2, 1).norm / 5e-310, 1.0, 1e-9);
    s = scan(&q, largest, 2, 1);
    cr_expect(isfinite(s.norm) && s.norm_clipped && isfinite(s.factor));
}

Test(quantise, refuses_non_finite_values_by_index)
{
    const double bad[] = {NAN, INFINITY, -INFINITY};
    vs_quantiser q = quantiser(0.5, 16, true);
    for (size_t k = 0; k < 3; k++) {
        for (size_t at = 0; at < 5; at++) {
            double x[5] = {1, 2, 3, 4, 5};
            char want[40];
            vs_diag diag;
            vs_quantise_scale s;
            x[at] = bad[k];
            (void)snprintf(want, sizeof want, "coordinate %zu of 5 is %s", at,
                           k == 0 ? "NaN" : "infinite");
            cr_expect_eq(vs_quantise_scan(&s, &q, x, 5, 1, &diag), VS_ERR_MALFORMED);
            cr_expect_not_null(strstr(diag.text, want), "%s", diag.text);
            cr_expect_eq(s.factor, 0.0);
        }
    }
}

Test(quantise, refuses_weights_out_of_range)
{
    const double x[] = {1.0};
    vs_quantiser q = quantiser(0.5, 16, true);
    vs_quantise_scale s;
    q.max_weight = 600;
    cr_expect_eq(vs_quantise_scan(&s, &q, x, 1, 0, NULL), VS_ERR_LIMIT);
    cr_expect_eq(vs_quantise_scan(&s, &q, x, 1, 601, NULL), VS_ERR_LIMIT);
    cr_expect_eq(vs_quantise_scan(&s, &q, x, 1, 600, NULL), VS_OK);
}

/* Every width: digits of summed weights recombine, one client or many. */
Test(quantise, weight_digits_recombine_at_every_width)
{
    const uint64_t weights[] = {1, 600, 65535, 65536, (UINT64_C(1) << 48) - 1, UINT64_C(1) << 48};
    for (uint32_t bits = 1; bits <= 32; bits++) {
        uint32_t n_digits = (49 + bits - 1) / bits;
        uint64_t sums[49] = {0};
        uint64_t want = 0;
        uint64_t got;
        for (size_t k = 0; k < sizeof weights / sizeof weights[0]; k++) {
            uint32_t digits[49];
            vs_quantise_weight(digits, n_digits, weights[k], bits);
            for (uint32_t i = 0; i < n_digits; i++) {
                cr_assert_leq(digits[i], levels_of(bits));
                sums[i] += digits[i];
            }
            want += weights[k];
        }
        cr_assert_eq(vs_dequantise_weight(&got, sums, n_digits, bits), VS_OK);
        cr_assert_eq(got, want, "bits %u", bits);
    }
}

Test(quantise, weight_sum_overflow_is_refused)
{
    uint64_t got = 1;
    const uint64_t carry[] = {UINT64_MAX, 1};
    cr_expect_eq(vs_dequantise_weight(&got, carry, 2, 16), VS_ERR_LIMIT);
    cr_expect_eq(got, 0);
    const uint64_t shifted_out[] = {0, UINT64_C(1) << 48};
    cr_expect_eq(vs_dequantise_weight(&got, shifted_out, 2, 16), VS_ERR_LIMIT);
    const uint64_t beyond[] = {0, 0, 1};
    cr_expect_eq(vs_dequantise_weight(&got, beyond, 3, 32), VS_ERR_LIMIT);
    const uint64_t zero_beyond[] = {5, 0, 0};
    cr_expect_eq(vs_dequantise_weight(&got, zero_beyond, 3, 32), VS_OK);
    cr_expect_eq(got, 5);
    const uint64_t full[] = {UINT32_MAX, UINT32_MAX};
    cr_expect_eq(vs_dequantise_weight(&got, full, 2, 32), VS_OK);
    cr_expect_eq(got, UINT64_MAX);
}

/* In pieces: the same scale; the clip is foreseen when it is sure. */
Test(quantise, a_scan_in_pieces_is_the_scan)
{
    enum { LEN = 1000 };
    static double x[LEN];
    for (size_t i = 0; i < LEN; i++) x[i] = uniform(9, i);
    for (int clip = 0; clip < 3; clip++) {
        vs_quantiser q = quantiser(1.0, 16, true);
        q.clip_norm = clip * 10.0; /* none, 10, 20: the norm is about 18 */
        const vs_quantise_scale want = scan(&q, x, LEN, 1);
        vs_quantise_seen seen = {0};
        vs_quantise_scale got, unclipped;
        bool foreseen = false;
        for (size_t at = 0; at < LEN; at += 48) {
            vs_quantise_scan_piece(&seen, x + at, LEN - at < 48 ? LEN - at : 48);
            cr_expect(!foreseen || vs_quantise_scan_clips(&seen, &q));
            foreseen = vs_quantise_scan_clips(&seen, &q);
        }
        cr_expect_eq(foreseen, clip == 1);
        cr_assert_eq(vs_quantise_scan_end(&got, &q, &seen, x, LEN, 1, NULL), VS_OK);
        cr_assert_eq(vs_quantise_unclipped(&unclipped, &q, 1, NULL), VS_OK);
        cr_expect(got.factor == want.factor && got.norm == want.norm);
        cr_expect_eq(got.norm_clipped, clip == 1);
        cr_expect_eq(got.factor == unclipped.factor, clip != 1);
    }
}

Test(quantise, weight_with_too_few_digits_is_a_caller_bug, .signal = SIGABRT)
{
    uint32_t digits[2];
    vs_quantise_weight(digits, 2, 65536, 8);
}

static double largest(const double *x, size_t len)
{
    double max = 0.0;
    for (size_t i = 0; i < len; i++) max = fabs(x[i]) > max ? fabs(x[i]) : max;
    return max;
}

static double largest_of(const vs_quantise_seen *seen)
{
    return largest(seen->max, VS_QUANTISE_LANES);
}

/* In the order that is the norm's. */
static double sum_of(const vs_quantise_seen *seen)
{
    double s[VS_QUANTISE_LANES];
    memcpy(s, seen->sum, sizeof s);
    for (size_t half = VS_QUANTISE_LANES / 2; half > 0; half /= 2) {
        for (size_t l = 0; l < half; l++) s[l] += s[l + half];
    }
    return s[0];
}

/* A restarted client may run on another machine: every instruction set gives the same bits. */
Test(quantise, every_instruction_set_gives_the_same_bits)
{
    enum { LEN = 200 };
    static const char *const names[] = {"avx2", "avx512"};
    const vs_quantise_loops *portable = vs_quantise_loops_by_name("portable");
    double x[LEN + 8];
    uint64_t rnd[LEN + 8];
    uint64_t state = 1;
    for (size_t i = 0; i < LEN + 8; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        x[i] = ((double)(state >> 11) * 0x1p-53 - 0.5) * 2.4;
        rnd[i] = state * UINT64_C(0x9e3779b97f4a7c15);
    }
    x[7] = 1.0, x[8] = -1.0, rnd[7] = UINT64_MAX, rnd[8] = UINT64_MAX;
    for (size_t n = 0; n < 2; n++) {
        const vs_quantise_loops *loops = vs_quantise_loops_by_name(names[n]);
        if (loops == NULL) continue;
        for (size_t len = 0; len <= LEN; len++) {
            const size_t at = len % 8;
            const vs_quantise_numbers q = {.factor = 1.0,
                                           .range = 1.0,
                                           .levels = (double)levels_of(1 + (uint32_t)len % 32),
                                           .scale = (double)levels_of(1 + (uint32_t)len % 32) / 2,
                                           .stochastic = len % 3 != 0};
            uint32_t want[LEN] = {0}, got[LEN] = {0};
            cr_assert_eq(portable->quantise(want, &q, x + at, rnd + at, len),
                         loops->quantise(got, &q, x + at, rnd + at, len));
            cr_assert_arr_eq(want, got, sizeof want);
            cr_assert_eq(portable->squares(x + at, len, 0.25), loops->squares(x + at, len, 0.25));
            vs_quantise_seen a = {0}, b = {0}, pieces = {0};
            const size_t cut = len / 2 / 16 * 16;
            portable->scan(&a, x + at, len);
            loops->scan(&b, x + at, len);
            loops->scan(&pieces, x + at, cut);
            loops->scan(&pieces, x + at + cut, len - cut);
            cr_assert_eq(sum_of(&a), loops->squares(x + at, len, 1));
            cr_assert_arr_eq(a.sum, b.sum, sizeof a.sum);
            cr_assert_arr_eq(a.sum, pieces.sum, sizeof a.sum);
            cr_assert_eq(largest_of(&a), largest(x + at, len));
            cr_assert_eq(largest_of(&b), largest(x + at, len));
            cr_assert_eq(largest_of(&pieces), largest(x + at, len));
            cr_assert(a.bad == 0 && b.bad == 0 && pieces.bad == 0);
            if (len == 0) continue;
            double saved = x[at + len / 2];
            x[at + len / 2] = len % 2 == 0 ? NAN : -INFINITY;
            loops->scan(&b, x + at, len);
            cr_assert_neq(b.bad, 0);
            x[at + len / 2] = saved;
            loops->scan(&b, x + at, len);
            cr_assert_neq(b.bad, 0, "forgotten");
        }
    }
}

Test(quantise, kept_coordinates_come_back)
{
    enum { LEN = 150 };
    static const char *const names[] = {"portable", "avx2", "avx512"};
    for (uint32_t bits = 1; bits <= 32; bits++) {
        const uint32_t width = vs_coords_width(bits);
        uint32_t x[LEN], back[LEN + 1];
        uint8_t kept[4 * LEN + 1];
        cr_assert_eq(width, bits <= 8 ? 1 : bits <= 16 ? 2 : 4);
        for (uint32_t i = 0; i < LEN; i++) {
            x[i] = (uint32_t)(vs_test_u64(bits, i) & levels_of(bits));
            if (i % 7 == 0) x[i] = (uint32_t)levels_of(bits);
        }
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
            const vs_quantise_loops *loops = vs_quantise_loops_by_name(names[n]);
            if (loops == NULL) continue;
            for (size_t len = 0; len <= LEN; len++) {
                memset(kept, 0xee, sizeof kept);
                memset(back, 0xee, sizeof back);
                loops->narrow(kept, x, width, len);
                cr_assert_eq(kept[len * width], 0xee, "%s: written past the end", names[n]);
                loops->widen(back, kept, width, len);
                cr_assert_arr_eq(back, x, len * sizeof *x, "%s, %u bits", names[n], bits);
                cr_assert_eq(back[len], 0xeeeeeeee, "%s: written past the end", names[n]);
            }
        }
        vs_coords_store(kept, x, width, LEN);
        vs_coords_load(back, kept, width, LEN);
        cr_assert_arr_eq(back, x, sizeof x);
    }
}

/* With signal_levels the range takes fewer integers, 0 is one of them, and what decodes is moved to
 * the middle of the grid first (noise of 0 here). */
Test(quantise, signal_levels_leave_room_on_both_sides_and_decode_exactly)
{
    vs_quantiser q = quantiser(0.5, 10, false);
    q.signal_levels = 100;
    const double x[] = {-0.5, -0.25, 0.0, 0.01, 0.5, 9.0};
    const uint32_t want[] = {0, 25, 50, 51, 100, 100};
    uint32_t out[6];
    uint64_t sums[6];
    double mean[6];
    cr_expect_eq(vs_quantise(out, &q, &UNIT, x, NULL, 6), 1);
    for (int i = 0; i < 6; i++) cr_expect_eq(out[i], want[i], "%d: %u", i, out[i]);
    const uint64_t offset = (1023 - 100 - 1) / 2;
    for (int i = 0; i < 6; i++) sums[i] = 3 * (out[i] + offset);
    vs_dequantise(mean, &q, sums, 6, 3, 3);
    for (int i = 0; i < 5; i++) cr_expect_float_eq(mean[i], x[i], 1e-15);
    vs_dequantise(mean, &q, sums, 6, 3, 6); /* a fixed divisor */
    for (int i = 0; i < 5; i++) cr_expect_float_eq(mean[i], x[i] / 2, 1e-15);
}
