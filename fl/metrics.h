/* fl/metrics.h - what clients report besides the update, summed the same secret way.
 *
 * Three coordinates of their own, between the update and the weight digits: loss, accuracy,
 * and whether the update's norm was within clip_norm ("unclipped", for adaptive clipping: Andrew et
 * al. 2021, arXiv 1905.03871). top = 2^b - 1, w = weight / max_weight.
 *   without noise: loss and accuracy floor(x w top + u), u uniform in [0, 1); unclipped 0 or top
 *   with noise:    round(x levels) + (top - levels - 1) / 2 + noise, put into 0..top
 * x is accuracy, loss / 16 put into [0, 1], or 0 or 1.
 * Secret: the values and the integers. No branch on them. */
#ifndef VS_FL_METRICS_H
#define VS_FL_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "fl/privacy.h"
#include "fl/quantise.h"

#define VS_METRICS_N 3u
#define VS_METRICS_LOSS_MAX 16.0 /* nats; losses above count as this */

typedef struct vs_metrics {
    double loss;      /* mean over the examples, weighted by them across clients */
    double accuracy;  /* 0..1 */
    double unclipped; /* a client: 1 or 0; the mean: the part of the clients, each the same */
} vs_metrics;

/* VS_ERR_LIMIT: loss is not finite and >= 0, or accuracy not in [0, 1]. */
VS_MUST_CHECK vs_err vs_metrics_check(const vs_metrics *m, vs_diag *diag);
/* A client's integers. rnd: one uniform word each; noise: one value each, NULL without noise. */
void vs_metrics_encode(uint32_t out[VS_METRICS_N], const vs_metrics *m, const vs_quantiser *q,
                       const vs_privacy_round *p, uint64_t weight, const uint64_t rnd[VS_METRICS_N],
                       const int64_t *noise);
/* Means from the sums over n_clients > 0 clients of summed weight weight_sum > 0. With noise they
 * may lie outside their ranges. */
void vs_metrics_decode(vs_metrics *mean, const uint64_t sums[VS_METRICS_N], const vs_quantiser *q,
                       const vs_privacy_round *p, uint32_t n_clients, uint64_t weight_sum);
/* The next clip_norm: clip exp(-rate (unclipped - target)), unclipped put into [0, 1]. */
double vs_metrics_next_clip(double clip, double unclipped, double target, double rate);

#endif /* VS_FL_METRICS_H */
