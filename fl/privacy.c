#include "fl/privacy.h"

#include <math.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* gcc: off in ISO mode */
#endif

#define MULTIPLIER_MAX 1e6
#define EPSILON_MAX 1e6
/* Noise covers the rounding of a metric many times over; finer steps would only cost sampling. */
#define METRIC_LEVELS_MAX 4096.0

/* --- rules ---------------------------------------------------------------------------------------
 */

static vs_err check_off(const vs_privacy *p, vs_diag *diag)
{
    const char *name = NULL;
    if (p->noise_multiplier != 0.0) name = "noise_multiplier";
    if (p->delta != 0.0) name = "delta";
    if (p->max_epsilon != 0.0) name = "max_epsilon";
    if (p->colluding_clients != 0) name = "colluding_clients";
    if (p->clients_per_round != 0) name = "clients_per_round";
    if (p->metrics_noise_multiplier != 0.0) name = "metrics_noise_multiplier";
    if (name == NULL) return VS_OK;
    return vs_fail(diag, VS_ERR_LIMIT,
                   "%s is given, but there is no mechanism (discrete_gaussian or skellam)", name);
}

static vs_err check_numbers(const vs_privacy *p, vs_diag *diag)
{
    if (!(p->noise_multiplier > 0 && p->noise_multiplier <= MULTIPLIER_MAX)) {
        return vs_fail(diag, VS_ERR_LIMIT, "noise_multiplier %g must be above 0 and at most %g",
                       p->noise_multiplier, MULTIPLIER_MAX);
    }
    if (!(p->delta > 0 && p->delta < 1)) {
        return vs_fail(diag, VS_ERR_LIMIT, "delta %g must be above 0 and below 1", p->delta);
    }
    if (!(p->max_epsilon > 0 && p->max_epsilon <= EPSILON_MAX)) {
        return vs_fail(diag, VS_ERR_LIMIT, "max_epsilon %g must be above 0 and at most %g",
                       p->max_epsilon, EPSILON_MAX);
    }
    if (!(p->beta >= 0 && p->beta < 1)) {
        return vs_fail(diag, VS_ERR_LIMIT, "beta %g must be at least 0 and below 1", p->beta);
    }
    return VS_OK;
}

static vs_err check_quantiser(const vs_quantiser *q, vs_diag *diag)
{
    if (q->clip_norm == 0.0) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "clip_norm is 0: noise protects only updates of a bounded norm");
    }
    if (q->max_weight != 1) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "max_weight %llu must be 1: under differential privacy every client counts "
                       "the same",
                       (unsigned long long)q->max_weight);
    }
    if (!q->stochastic_rounding) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "stochastic_rounding must be true under differential privacy");
    }
    return VS_OK;
}

vs_err vs_privacy_check(const vs_privacy *p, const vs_quantiser *q, uint32_t min_clients,
                        uint32_t max_clients, uint32_t n_metrics, vs_diag *diag)
{
    VS_ASSERT(p != NULL && q != NULL);
    if (p->mechanism == VS_MECHANISM_NONE) return check_off(p, diag);
    vs_err err = check_numbers(p, diag);
    if (err == VS_OK) err = check_quantiser(q, diag);
    if (err != VS_OK) return err;
    if (min_clients < 2 || p->colluding_clients > min_clients - 2) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "colluding_clients %u must be at least 2 below min_clients %u",
                       p->colluding_clients, min_clients);
    }
    if (p->clients_per_round < min_clients || p->clients_per_round > max_clients) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "clients_per_round %u is outside min_clients %u to max_clients %u",
                       p->clients_per_round, min_clients, max_clients);
    }
    if (n_metrics > 0 &&
        !(p->metrics_noise_multiplier > 0 && p->metrics_noise_multiplier <= MULTIPLIER_MAX)) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "metrics_noise_multiplier %g must be above 0 and at most %g: metrics need "
                       "noise too",
                       p->metrics_noise_multiplier, MULTIPLIER_MAX);
    }
    if (n_metrics == 0 && p->metrics_noise_multiplier != 0.0) {
        return vs_fail(diag, VS_ERR_LIMIT, "metrics_noise_multiplier is given without metrics");
    }
    return VS_OK;
}

/* --- one round -----------------------------------------------------------------------------------
 */

/* Levels of a signal whose noise has stddev per_level times as many steps, so that
 * levels + 2 (HEADROOM (per_level levels + 3/2) + 1) <= all. 0 or less: no room. */
static double levels_within(double all, double per_level)
{
    return floor((all - 2.0 - 3.0 * VS_PRIVACY_HEADROOM) /
                 (1.0 + 2.0 * VS_PRIVACY_HEADROOM * per_level));
}

/* Rounded up: never less noise than promised. Skellam's is even. */
static vs_err variance_of(uint64_t *out, vs_mechanism m, double stddev, vs_diag *diag)
{
    const bool skellam = m == VS_MECHANISM_SKELLAM;
    const double max = skellam ? (double)VS_NOISE_SKELLAM_MAX : (double)VS_NOISE_GAUSSIAN_MAX;
    double v = skellam ? 2.0 * ceil(stddev * stddev / 2.0) : ceil(stddev * stddev);
    const double least = skellam ? 2.0 : 1.0;
    if (v < least) v = least;
    if (!(v <= max)) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "quantization_bits give noise of a variance of %.3g grid steps, %s takes at "
                       "most %.3g: use fewer bits",
                       v, vs_mechanism_name(m), max);
    }
    *out = (uint64_t)v;
    return VS_OK;
}

/* Two-sided tail at x, an upper bound. Gaussian: sub-Gaussian with its variance (arXiv 2004.00010).
 * Skellam: Chernoff, exponent min_t v (cosh t - 1) - t x, at sinh t = x / v. */
static double tail(vs_mechanism m, double variance, double x)
{
    if (m == VS_MECHANISM_DISCRETE_GAUSSIAN) return 2 * exp(-x * x / (2 * variance));
    const double u = x / variance;
    return 2 * exp(variance * (sqrt(1 + u * u) - 1) - x * asinh(u));
}

static double overflow_of(const vs_privacy_round *r, vs_mechanism m, double all, uint32_t dim,
                          uint32_t n_metrics, uint32_t max_clients)
{
    const double room = (all - (double)r->signal_levels + 1) / 2;
    const double metric_room = (all - (double)r->metric_levels + 1) / 2;
    double each =
        (double)dim * (tail(m, (double)r->variance, room) + vs_noise_error(m, r->variance));
    if (n_metrics > 0) {
        each += (double)n_metrics * (tail(m, (double)r->metric_variance, metric_room) +
                                     vs_noise_error(m, r->metric_variance));
    }
    return fmin(1.0, each * (double)max_clients);
}

static vs_err make_metrics(vs_privacy_round *r, const vs_privacy *p, double all, uint32_t n_metrics,
                           vs_diag *diag)
{
    /* All of them together are one vector of norm sqrt(n_metrics) at most. */
    const double z =
        p->metrics_noise_multiplier * sqrt((double)n_metrics) / sqrt((double)r->n_noising);
    double levels = levels_within(all, z);
    if (levels > METRIC_LEVELS_MAX) levels = METRIC_LEVELS_MAX;
    if (!(levels >= 2)) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "quantization_bits are too few for metrics_noise_multiplier %g",
                       p->metrics_noise_multiplier);
    }
    r->metric_levels = (uint64_t)levels & ~UINT64_C(1);
    levels = (double)r->metric_levels;
    vs_err err = variance_of(&r->metric_variance, p->mechanism, z * levels, diag);
    r->metrics = (vs_rdp_sum){.mechanism = p->mechanism,
                              .sensitivity = levels * sqrt((double)n_metrics),
                              .variance = (double)r->metric_variance,
                              .n_noising = r->n_noising,
                              .dim = (double)n_metrics};
    return err;
}

static vs_err make_update(vs_privacy_round *r, const vs_privacy *p, const vs_quantiser *q,
                          double all, uint32_t dim, vs_diag *diag)
{
    const double stddev = p->noise_multiplier * q->clip_norm / sqrt((double)r->n_noising);
    const double per_level = stddev / (2.0 * q->clipping_range);
    const double levels = levels_within(all, per_level);
    if (!(levels >= 2)) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "quantization_bits %u are too few: %g standard deviations of noise leave no "
                       "room for the update",
                       q->bits, VS_PRIVACY_HEADROOM);
    }
    r->signal_levels = (uint64_t)levels & ~UINT64_C(1);
    const double even = (double)r->signal_levels;
    vs_err err = variance_of(&r->variance, p->mechanism, per_level * even, diag);
    r->grid = 2.0 * q->clipping_range / even;
    r->stddev = sqrt((double)r->variance) * r->grid;
    r->sensitivity = vs_rdp_rounded_norm(q->clip_norm, r->grid, (double)dim, p->beta) / r->grid;
    r->update = (vs_rdp_sum){.mechanism = p->mechanism,
                             .sensitivity = r->sensitivity,
                             .variance = (double)r->variance,
                             .n_noising = r->n_noising,
                             .dim = (double)dim};
    return err;
}

vs_err vs_privacy_round_make(vs_privacy_round *out, const vs_privacy *p, const vs_quantiser *q,
                             uint32_t min_clients, uint32_t max_clients, uint32_t dim,
                             uint32_t n_metrics, vs_diag *diag)
{
    VS_ASSERT(out != NULL && p != NULL && q != NULL && dim >= 1);
    VS_ASSERT(q->bits >= 1 && q->bits <= VS_QUANTISE_BITS_MAX);
    const uint64_t top = (UINT64_C(1) << q->bits) - 1;
    const double all = (double)top;
    vs_privacy_round r = {
        .signal_levels = top, .grid = 2.0 * q->clipping_range / all, .metric_levels = top};
    *out = (vs_privacy_round){0};
    if (p->mechanism != VS_MECHANISM_NONE) {
        VS_ASSERT(p->colluding_clients < min_clients);
        r.n_noising = min_clients - p->colluding_clients;
        vs_err err = make_update(&r, p, q, all, dim, diag);
        if (err == VS_OK && n_metrics > 0) err = make_metrics(&r, p, all, n_metrics, diag);
        if (err != VS_OK) return err;
        r.overflow = overflow_of(&r, p->mechanism, all, dim, n_metrics, max_clients);
    }
    *out = r;
    return VS_OK;
}

void vs_privacy_add(vs_rdp *curve, const vs_privacy_round *round)
{
    VS_ASSERT(curve != NULL && round != NULL);
    if (round->variance == 0) return;
    vs_rdp_add(curve, &round->update, 1.0);
    if (round->metric_variance != 0) vs_rdp_add(curve, &round->metrics, 1.0);
}

double vs_privacy_extra_delta(double epsilon, double overflow_sum)
{
    return (1 + exp(epsilon)) * overflow_sum;
}
