#include "fl/quantise.h"

#include <float.h>
#include <math.h>

#include "fl/quantise_loops.h"

static uint64_t levels_of(uint32_t bits)
{
    return (UINT64_C(1) << bits) - 1;
}

/* Integers between -R and R. */
static uint64_t signal_of(const vs_quantiser *q)
{
    return q->signal_levels != 0 ? q->signal_levels : levels_of(q->bits);
}

uint64_t vs_quantise_zero_doubled(const vs_quantiser *q)
{
    return levels_of(q->bits) - (q->signal_levels != 0 ? 1 : 0);
}

static bool in_range(double x)
{
    return x >= VS_QUANTISE_REAL_MIN && x <= VS_QUANTISE_REAL_MAX; /* false for NaN */
}

vs_err vs_quantiser_check(const vs_quantiser *q, vs_diag *diag)
{
    VS_ASSERT(q != NULL);
    if (q->clip_norm != 0.0 && !in_range(q->clip_norm)) {
        return vs_fail(diag, VS_ERR_LIMIT, "clip_norm is %g: must be 0 (off) or between %g and %g",
                       q->clip_norm, VS_QUANTISE_REAL_MIN, VS_QUANTISE_REAL_MAX);
    }
    if (!in_range(q->clipping_range)) {
        return vs_fail(diag, VS_ERR_LIMIT, "clipping_range is %g: must be between %g and %g",
                       q->clipping_range, VS_QUANTISE_REAL_MIN, VS_QUANTISE_REAL_MAX);
    }
    if (q->bits < 1 || q->bits > VS_QUANTISE_BITS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "quantization_bits is %u: must be 1 to %u", q->bits,
                       VS_QUANTISE_BITS_MAX);
    }
    if (q->max_weight < 1 || q->max_weight > VS_QUANTISE_WEIGHT_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "max_weight is %llu: must be 1 to 2^48",
                       (unsigned long long)q->max_weight);
    }
    return VS_OK;
}

/* L2 norm, scaled by a power of two first so that no square over- or underflows. sum: squares
 * without scaling. Where the largest is far from both ends of the exponents its root is the same
 * bits: a power of two goes through every rounding, and what underflows in one of the two is too
 * small to show beside max^2. */
static double norm_of(const double *x, size_t len, double max, double sum_plain)
{
    int exponent;
    if (max == 0.0) return 0.0;
    if (max > 0x1p-400 && max < 0x1p400) return sqrt(sum_plain);
    (void)frexp(max, &exponent);
    if (exponent < -1000) exponent = -1000; /* 2^-exponent stays finite */
    double scale = ldexp(1.0, -exponent);
    double sum = vs_quantise_loops_get()->squares(x, len, scale);
    double norm = ldexp(sqrt(sum), exponent);
    return norm < DBL_MAX ? norm : DBL_MAX;
}

static vs_err name_non_finite(const double *delta, size_t len, vs_diag *diag)
{
    size_t i = 0;
    while (i < len && isfinite(delta[i])) i++;
    VS_ASSERT(i < len);
    return vs_fail(diag, VS_ERR_MALFORMED, "the update is not finite: coordinate %zu of %zu is %s",
                   i, len, isnan(delta[i]) ? "NaN" : "infinite");
}

vs_err vs_quantise_unclipped(vs_quantise_scale *out, const vs_quantiser *q, uint64_t weight,
                             vs_diag *diag)
{
    VS_ASSERT(out != NULL && q != NULL && vs_quantiser_check(q, NULL) == VS_OK);
    *out = (vs_quantise_scale){0};
    if (weight == 0) {
        return vs_fail(diag, VS_ERR_LIMIT, "the weight is 0: a client needs at least one example");
    }
    if (weight > q->max_weight) {
        return vs_fail(diag, VS_ERR_LIMIT, "the weight is above max_weight = %llu",
                       (unsigned long long)q->max_weight);
    }
    out->factor = (double)weight / (double)q->max_weight;
    return VS_OK;
}

void vs_quantise_scan_piece(vs_quantise_seen *seen, const double *x, size_t len)
{
    VS_ASSERT(seen != NULL && (x != NULL || len == 0));
    vs_quantise_loops_get()->scan(seen, x, len);
}

static double sum_of(const vs_quantise_seen *seen)
{
    double sum[VS_QUANTISE_LANES];
    for (size_t l = 0; l < VS_QUANTISE_LANES; l++) sum[l] = seen->sum[l];
    for (size_t half = VS_QUANTISE_LANES / 2; half > 0; half /= 2) {
        for (size_t l = 0; l < half; l++) sum[l] += sum[l + half];
    }
    return sum[0];
}

bool vs_quantise_scan_clips(const vs_quantise_seen *seen, const vs_quantiser *q)
{
    VS_ASSERT(seen != NULL && q != NULL);
    /* A millionth is far more than the sum's rounding can take back. */
    return q->clip_norm > 0.0 && sum_of(seen) > q->clip_norm * q->clip_norm * 1.000001;
}

vs_err vs_quantise_scan_end(vs_quantise_scale *out, const vs_quantiser *q,
                            const vs_quantise_seen *seen, const double *delta, size_t len,
                            uint64_t weight, vs_diag *diag)
{
    VS_ASSERT(seen != NULL && (delta != NULL || len == 0));
    vs_err err = vs_quantise_unclipped(out, q, weight, diag);
    if (err != VS_OK) return err;
    if (seen->bad != 0) { /* a verdict may show in the time */
        *out = (vs_quantise_scale){0};
        return name_non_finite(delta, len, diag);
    }
    double max = seen->max[0];
    for (size_t l = 1; l < VS_QUANTISE_LANES; l++) max = seen->max[l] > max ? seen->max[l] : max;
    const double norm = norm_of(delta, len, max, sum_of(seen));
    const bool clipped = (q->clip_norm > 0.0) & (norm > q->clip_norm);
    const double shrink = clipped ? q->clip_norm / norm : 1.0;
    out->factor = shrink * out->factor;
    out->norm = norm;
    out->norm_clipped = clipped;
    return VS_OK;
}

vs_err vs_quantise_scan(vs_quantise_scale *out, const vs_quantiser *q, const double *delta,
                        size_t len, uint64_t weight, vs_diag *diag)
{
    vs_quantise_seen seen = {0};
    vs_err err = vs_quantise_unclipped(out, q, weight, diag);
    if (err != VS_OK) return err;
    vs_quantise_scan_piece(&seen, delta, len);
    return vs_quantise_scan_end(out, q, &seen, delta, len, weight, diag);
}

size_t vs_quantise(uint32_t *out, const vs_quantiser *q, const vs_quantise_scale *scale,
                   const double *delta, const uint64_t *rnd, size_t count)
{
    VS_ASSERT(q != NULL && scale != NULL && q->bits >= 1 && q->bits <= VS_QUANTISE_BITS_MAX);
    VS_ASSERT((out != NULL && delta != NULL) || count == 0);
    VS_ASSERT(rnd != NULL || !q->stochastic_rounding || count == 0);
    VS_ASSERT(q->signal_levels <= levels_of(q->bits));
    const double levels = (double)signal_of(q);
    const vs_quantise_numbers numbers = {.factor = scale->factor,
                                         .range = q->clipping_range,
                                         .levels = levels,
                                         .scale = levels / (2.0 * q->clipping_range),
                                         .stochastic = q->stochastic_rounding};
    return vs_quantise_loops_get()->quantise(out, &numbers, delta, rnd, count);
}

uint32_t vs_coords_width(uint32_t bits)
{
    VS_ASSERT(bits >= 1 && bits <= VS_QUANTISE_BITS_MAX);
    return bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
}

void vs_coords_store(uint8_t *out, const uint32_t *coords, uint32_t width, size_t count)
{
    VS_ASSERT(width == 1 || width == 2 || width == 4);
    vs_quantise_loops_get()->narrow(out, coords, width, count);
}

void vs_coords_load(uint32_t *coords, const uint8_t *in, uint32_t width, size_t count)
{
    VS_ASSERT(width == 1 || width == 2 || width == 4);
    vs_quantise_loops_get()->widen(coords, in, width, count);
}

void vs_quantise_weight(uint32_t *digits, uint32_t n_digits, uint64_t weight, uint32_t bits)
{
    VS_ASSERT(digits != NULL && bits >= 1 && bits <= VS_QUANTISE_BITS_MAX);
    for (uint32_t i = 0; i < n_digits; i++) {
        digits[i] = (uint32_t)(weight & levels_of(bits));
        weight >>= bits;
    }
    VS_ASSERT(weight == 0);
}

vs_err vs_dequantise_weight(uint64_t *weight_sum, const uint64_t *digit_sums, uint32_t n_digits,
                            uint32_t bits)
{
    VS_ASSERT(weight_sum != NULL && (digit_sums != NULL || n_digits == 0));
    VS_ASSERT(bits >= 1 && bits <= VS_QUANTISE_BITS_MAX);
    uint64_t sum = 0;
    *weight_sum = 0;
    for (uint32_t i = 0; i < n_digits; i++) {
        uint64_t shift = (uint64_t)bits * i;
        uint64_t d = digit_sums[i];
        if (d == 0) continue; /* sums are public */
        if (shift >= 64 || (shift > 0 && d >> (64 - shift) != 0)) return VS_ERR_LIMIT;
        if (__builtin_add_overflow(sum, d << shift, &sum)) return VS_ERR_LIMIT;
    }
    *weight_sum = sum;
    return VS_OK;
}

void vs_dequantise(double *mean, const vs_quantiser *q, const uint64_t *sums, size_t count,
                   uint32_t n_clients, uint64_t weight_sum)
{
    VS_ASSERT(q != NULL && ((mean != NULL && sums != NULL) || count == 0));
    VS_ASSERT(q->bits >= 1 && q->bits <= VS_QUANTISE_BITS_MAX && weight_sum > 0);
    /* 2 |U| times the integer of 0, which may be half-odd. */
    const uint64_t offset = n_clients * vs_quantise_zero_doubled(q);
    const double half_step = q->clipping_range / (double)signal_of(q); /* s/2 */
    const double unit = half_step * ((double)q->max_weight / (double)weight_sum);
    for (size_t i = 0; i < count; i++) mean[i] = (double)(int64_t)(2 * sums[i] - offset) * unit;
}
