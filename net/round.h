/* net/round.h - the parameters of one round as `open` fixes them, checked against the federation.
 */
#ifndef VS_NET_ROUND_H
#define VS_NET_ROUND_H

#include <stdint.h>

#include "base/err.h"
#include "fl/metrics.h"
#include "ledger/entry.h"
#include "mpc/commit.h"
#include "mpc/params.h"
#include "net/federation.h"

typedef struct vs_round {
    vs_round_id id;
    vs_entry_open open;     /* decoded payload */
    vs_h32 params_hash;     /* SHA-256 of the payload bytes */
    vs_layout layout;       /* L = dim + metrics + weight_digits */
    vs_quantiser quantiser; /* with this round's clip_norm, clipping_range and signal_levels */
    vs_privacy_round privacy;
    uint32_t divisor;     /* of the mean under differential privacy; 0: the summed weight */
    vs_h32 rotation_seed; /* H("veilsum/v1 rotation" || federation_id || round || params_hash) */
} vs_round;

#define VS_CLIP_SPAN 1024.0 /* adaptive clip_norm stays within this factor of the federation's */

/* What the federation makes of dim coordinates and a clip_norm: layout numbers, range, noise.
 * o->dim and o->clip_norm are set; fills the other members up to noise_variance. VS_ERR_LIMIT: no
 * such round can be. */
VS_MUST_CHECK vs_err vs_round_fill_open(vs_entry_open *o, const vs_federation *fed, vs_diag *diag);
/* The quantiser and the noise alone. */
VS_MUST_CHECK vs_err vs_round_derive(vs_quantiser *q, vs_privacy_round *p, const vs_federation *fed,
                                     uint32_t dim, double clip_norm, vs_diag *diag);
/* L: coordinates, metrics and weight digits of a round of dim coordinates. */
uint64_t vs_round_coordinates(const vs_federation *fed, uint32_t dim);

/* From an `open` envelope: signature of the aggregator, every parameter allowed by the federation
 * (bits, N, min_clients, quantiser, weight digits, deadlines in order and within its timeouts),
 * round keys signed by their shareholders, at least max(q, r + margin) of them. VS_ERR_PROOF or
 * VS_ERR_MALFORMED with a message naming the rule. */
VS_MUST_CHECK vs_err vs_round_from_open(vs_round *out, const vs_federation *fed,
                                        const uint8_t *envelope, size_t len, vs_diag *diag);
/* The mean of the update (open.dim values) from the sums of n_clients clients: dequantised, divided
 * by weight_sum or the fixed divisor, rotated back. */
void vs_round_decode(double *mean, const vs_round *round, const uint64_t *sums, uint32_t n_clients,
                     uint64_t weight_sum);
/* The same for values first .. first+n-1 alone, a block of the rotation (fl/rotate.h): sums[n]. */
void vs_round_decode_block(double *mean, const vs_round *round, const uint64_t *sums,
                           uint64_t first, uint32_t n, uint32_t n_clients, uint64_t weight_sum);
/* The metrics' means, from their sums (VS_METRICS_N, after the update's). The round has metrics. */
void vs_round_metrics(vs_metrics *mean, const vs_round *round, const uint64_t *metric_sums,
                      uint32_t n_clients, uint64_t weight_sum);
/* Position of shareholder j in open.shareholders, or -1. */
int vs_round_position(const vs_round *round, uint32_t j);

#endif /* VS_NET_ROUND_H */
