#include "fl/metrics.h"

#include <math.h>

static double between(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

vs_err vs_metrics_check(const vs_metrics *m, vs_diag *diag)
{
    VS_ASSERT(m != NULL);
    if (!(m->loss >= 0 && isfinite(m->loss))) {
        return vs_fail(diag, VS_ERR_LIMIT, "the loss is not a finite number of at least 0");
    }
    if (!(m->accuracy >= 0 && m->accuracy <= 1)) {
        return vs_fail(diag, VS_ERR_LIMIT, "the accuracy is not between 0 and 1");
    }
    return VS_OK;
}

void vs_metrics_encode(uint32_t out[VS_METRICS_N], const vs_metrics *m, const vs_quantiser *q,
                       const vs_privacy_round *p, uint64_t weight, const uint64_t rnd[VS_METRICS_N],
                       const int64_t *noise)
{
    VS_ASSERT(out != NULL && m != NULL && q != NULL && p != NULL && rnd != NULL);
    VS_ASSERT((noise != NULL) == (p->metric_variance != 0));
    const uint64_t top = (UINT64_C(1) << q->bits) - 1;
    const double x[VS_METRICS_N] = {between(m->loss / VS_METRICS_LOSS_MAX, 0, 1),
                                    between(m->accuracy, 0, 1), between(m->unclipped, 0, 1)};
    const double w = (double)weight / (double)q->max_weight;
    const double levels = (double)p->metric_levels;
    for (uint32_t i = 0; i < VS_METRICS_N; i++) {
        const double share = i < 2 ? w : 1.0; /* weight 1 of 1 under noise */
        const double u = noise == NULL ? (double)(rnd[i] >> 11) * 0x1p-53 : 0.5;
        out[i] = (uint32_t)fmin(floor(x[i] * share * levels + u), levels);
    }
    if (noise != NULL) vs_noise_place(out, noise, VS_METRICS_N, p->metric_levels, top);
}

void vs_metrics_decode(vs_metrics *mean, const uint64_t sums[VS_METRICS_N], const vs_quantiser *q,
                       const vs_privacy_round *p, uint32_t n_clients, uint64_t weight_sum)
{
    VS_ASSERT(mean != NULL && sums != NULL && q != NULL && p != NULL);
    VS_ASSERT(n_clients > 0 && weight_sum > 0);
    const uint64_t top = (UINT64_C(1) << q->bits) - 1;
    const bool noisy = p->metric_variance != 0;
    const uint64_t zero = noisy ? (top - p->metric_levels - 1) / 2 * n_clients : 0;
    const double levels = (double)p->metric_levels;
    const double weight = noisy ? (double)n_clients : (double)weight_sum / (double)q->max_weight;
    const double divisor[VS_METRICS_N] = {weight, weight, (double)n_clients};
    double x[VS_METRICS_N];
    for (uint32_t i = 0; i < VS_METRICS_N; i++) {
        x[i] = (double)((int64_t)sums[i] - (int64_t)zero) / levels / divisor[i];
    }
    *mean = (vs_metrics){.loss = x[0] * VS_METRICS_LOSS_MAX, .accuracy = x[1], .unclipped = x[2]};
}

double vs_metrics_next_clip(double clip, double unclipped, double target, double rate)
{
    return clip * exp(-rate * (between(unclipped, 0, 1) - target));
}
