/* fl/quantise.h - real vectors to small non-negative integers and back.
 *
 * Client: reject non-finite; L2 clip to clip_norm; multiply by weight/max_weight; coordinate clip
 * to [-R, R]; s = 2R/(2^b - 1); q = floor((x + R)/s + u), u uniform in [0, 1) (or 1/2 without
 * stochastic rounding): an integer in [0, 2^b - 1].
 * Decode: mean = (sum q - |U| * R/s) * s * max_weight / (summed weight). Unbiased apart from the
 * clips; the clipped fraction is reported. (Names and formulas: docs/PROTOCOL.md "Quantiser".)
 * Secret: delta, q, weight. Floating point is not claimed constant time; there is no branch or
 * index on a value. */
#ifndef VS_FL_QUANTISE_H
#define VS_FL_QUANTISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define VS_QUANTISE_REAL_MIN 1e-100 /* of clip_norm and clipping_range: far from over- */
#define VS_QUANTISE_REAL_MAX 1e100  /* and underflow in every formula here */
#define VS_QUANTISE_BITS_MAX 32u
#define VS_QUANTISE_WEIGHT_MAX (UINT64_C(1) << 48) /* examples of one client */

typedef struct vs_quantiser {
    double clip_norm;      /* L2 bound of an update; 0 = no L2 clip */
    double clipping_range; /* R > 0: coordinates are clipped to [-R, R] */
    uint32_t bits;         /* b, 1..32 */
    uint64_t max_weight;   /* 1..2^48: the largest weight (number of examples) of one client */
    bool stochastic_rounding;
    /* 0: -R and R are the integers 0 and 2^b - 1. Else even and below 2^b - 1: -R and R are 0 and
     * signal_levels, and vs_noise_place moves that to the middle of 0..2^b - 1 (fl/privacy.h). */
    uint64_t signal_levels;
} vs_quantiser;

/* VS_ERR_LIMIT and a message naming the field (clip_norm, clipping_range, quantization_bits,
 * max_weight). */
VS_MUST_CHECK vs_err vs_quantiser_check(const vs_quantiser *q, vs_diag *diag);

/* How one update is scaled: made once per update from its norm and weight. */
typedef struct vs_quantise_scale {
    double factor; /* L2 clip and weight/max_weight in one */
    double norm;   /* L2 norm before clipping; finite also where its square is not */
    bool norm_clipped;
} vs_quantise_scale;

/* What a scan has seen, in 16 fixed lanes. */
#define VS_QUANTISE_LANES 16u
typedef struct vs_quantise_seen {
    double max[VS_QUANTISE_LANES]; /* of |x| */
    double sum[VS_QUANTISE_LANES]; /* of x^2 */
    uint64_t bad;                  /* not 0 iff an x is NaN or infinite */
} vs_quantise_seen;

/* The scale of an update that the L2 clip leaves as it is; norm 0. Errors: VS_ERR_LIMIT when weight
 * is 0 or above max_weight. */
VS_MUST_CHECK vs_err vs_quantise_unclipped(vs_quantise_scale *out, const vs_quantiser *q,
                                           uint64_t weight, vs_diag *diag);
/* A scan in pieces (multiples of VS_QUANTISE_LANES but for the last), from {0}: so that a caller
 * can use a piece while it is in cache. */
void vs_quantise_scan_piece(vs_quantise_seen *seen, const double *x, size_t len);
/* Will the L2 clip shrink it? Once true it stays so; false may change. Not constant time. */
bool vs_quantise_scan_clips(const vs_quantise_seen *seen, const vs_quantiser *q);
/* All of delta[len] was seen. Errors and result as vs_quantise_scan. */
VS_MUST_CHECK vs_err vs_quantise_scan_end(vs_quantise_scale *out, const vs_quantiser *q,
                                          const vs_quantise_seen *seen, const double *delta,
                                          size_t len, uint64_t weight, vs_diag *diag);

/* Scans delta[len]. VS_ERR_MALFORMED naming the first non-finite coordinate; VS_ERR_LIMIT when
 * weight is 0 or above max_weight. */
VS_MUST_CHECK vs_err vs_quantise_scan(vs_quantise_scale *out, const vs_quantiser *q,
                                      const double *delta, size_t len, uint64_t weight,
                                      vs_diag *diag);

/* Quantise count coordinates; rnd holds count uniform 64-bit words (ignored without stochastic
 * rounding, may then be NULL). Returns how many coordinates were clipped to +-R. out may not
 * alias delta. */
size_t vs_quantise(uint32_t *out, const vs_quantiser *q, const vs_quantise_scale *scale,
                   const double *delta, const uint64_t *rnd, size_t count);

/* Coordinates of `bits` bits in 1, 2 or 4 bytes each, as this machine orders them: to be kept, not
 * to be sent. What does not fit is cut off. Constant time. */
uint32_t vs_coords_width(uint32_t bits);
void vs_coords_store(uint8_t *out, const uint32_t *coords, uint32_t width, size_t count);
void vs_coords_load(uint32_t *coords, const uint8_t *in, uint32_t width, size_t count);

/* Digits of the weight in base 2^bits, lowest first; n_digits as vs_weight_digits says (a
 * weight that needs more is a caller bug). */
void vs_quantise_weight(uint32_t *digits, uint32_t n_digits, uint64_t weight, uint32_t bits);
/* Recombine summed digits. VS_ERR_LIMIT on overflow of 64 bits. */
VS_MUST_CHECK vs_err vs_dequantise_weight(uint64_t *weight_sum, const uint64_t *digit_sums,
                                          uint32_t n_digits, uint32_t bits);

/* The integer that stands for 0 in units of half a step: 2^b - 1, or 2^b - 2 with signal_levels. */
uint64_t vs_quantise_zero_doubled(const vs_quantiser *q);
/* mean[count] from sums[count] of n_clients clients and the summed weight (> 0). Exact integer
 * arithmetic until one last rounding; the caller has checked sums <= n_clients * (2^b - 1). With
 * max_weight 1, any fixed divisor may stand for the weight (differential privacy). */
void vs_dequantise(double *mean, const vs_quantiser *q, const uint64_t *sums, size_t count,
                   uint32_t n_clients, uint64_t weight_sum);

#endif /* VS_FL_QUANTISE_H */
