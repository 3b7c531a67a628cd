/* fl/privacy.h - distributed differential privacy of a round: from the federation's words to the
 * noise of a client, and what it costs.
 *
 * Every client adds noise of its own; the sum holds enough of it as long as min_clients -
 * colluding_clients honest clients are in the set. Names as in the federation file
 * (docs/FL.md has every formula). Everything here is public. */
#ifndef VS_FL_PRIVACY_H
#define VS_FL_PRIVACY_H

#include <stdbool.h>
#include <stdint.h>

#include "fl/noise.h"
#include "fl/quantise.h"
#include "fl/rdp.h"

#define VS_PRIVACY_BETA 0.6065306597126334 /* exp(-1/2): default of beta */
/* Standard deviations of a client's noise that the grid has room for on each side. */
#define VS_PRIVACY_HEADROOM 14.0

/* What the federation says; mechanism none: the rest is not used. */
typedef struct vs_privacy {
    vs_mechanism mechanism;
    double noise_multiplier;    /* z: standard deviation of the promised sum's noise / clip_norm */
    double delta;               /* 0 < delta < 1 */
    double max_epsilon;         /* no round is opened above it */
    double beta;                /* 0 <= beta < 1; 0: unconditional rounding */
    uint32_t colluding_clients; /* clients that may pool what they know, their noise included */
    uint32_t clients_per_round; /* the fixed divisor of the mean */
    double metrics_noise_multiplier; /* the same z for the metrics; 0 without metrics */
} vs_privacy;

/* One round's numbers. They follow from the federation, the effective clip_norm and
 * clipping_range, and dim, by operations that IEEE 754 rounds correctly: equal everywhere. */
typedef struct vs_privacy_round {
    uint64_t signal_levels; /* even: grid steps between -R and R */
    uint64_t variance;      /* of one client's noise, grid steps^2; 0 without a mechanism */
    double grid;            /* step, real units: 2R / signal_levels */
    double stddev;          /* of one client's noise, real units: sqrt(variance) * grid */
    uint64_t metric_levels; /* grid steps between a metric's 0 and 1 */
    uint64_t metric_variance;
    /* What follows uses logarithms: for comparisons, never hashed or sent. */
    uint32_t n_noising; /* min_clients - colluding_clients */
    double sensitivity; /* largest L2 norm of a client's integers */
    double overflow;    /* probability that noise of anyone's coordinate leaves the grid and is
                           clamped, sampler's error included; over all max_clients */
    vs_rdp_sum update, metrics;
} vs_privacy_round;

/* The rules between the federation's words. VS_ERR_LIMIT and a message that begins with the
 * member's name. n_metrics: 0 or how many. */
VS_MUST_CHECK vs_err vs_privacy_check(const vs_privacy *p, const vs_quantiser *q,
                                      uint32_t min_clients, uint32_t max_clients,
                                      uint32_t n_metrics, vs_diag *diag);
/* q: with the round's clip_norm and clipping_range. VS_ERR_LIMIT when bits are too few for the
 * noise, or the noise too much for the sampler. Without a mechanism: levels 2^bits - 1, no noise.
 */
VS_MUST_CHECK vs_err vs_privacy_round_make(vs_privacy_round *out, const vs_privacy *p,
                                           const vs_quantiser *q, uint32_t min_clients,
                                           uint32_t max_clients, uint32_t dim, uint32_t n_metrics,
                                           vs_diag *diag);
/* curve += the divergence of this round. */
void vs_privacy_add(vs_rdp *curve, const vs_privacy_round *round);
/* What clamping adds to delta over all rounds so far: (1 + e^epsilon) times their summed overflow
 * (a clamped round is within total variation `overflow` of one that is not). */
double vs_privacy_extra_delta(double epsilon, double overflow_sum);

#endif /* VS_FL_PRIVACY_H */
