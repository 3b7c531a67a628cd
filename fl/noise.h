/* fl/noise.h - discrete Gaussian and Skellam noise from uniform bytes: integers only.
 *
 * discrete Gaussian: P(x) proportional to exp(-x^2 / (2 variance)) on the integers, sampled
 * exactly by rejection from a discrete Laplace, with Bernoulli(exp(-fraction)) from fractions
 * (Canonne, Kamath, Steinke, arXiv 2004.00010, algorithms 1 to 3).
 * Skellam: the difference of two Poisson(variance / 2). Poisson by inversion of a table of
 * integer weights w(k), w(mode) = 2^(127 - b), b the bits of variance/2, each the exact ratio
 * times its neighbour rounded down. Not exact: |w(k) - exact| <= |k - mode|, so that the
 * distribution is within total variation vs_noise_error of Skellam's (docs/FL.md).
 *
 * Secret: the noise. NOT constant time: rejection, and table look-ups that depend on the value;
 * it runs on the client's own machine. Bytes are read from the rng in blocks and consumed as
 * docs/FL.md says, so that a seed gives the same noise everywhere. */
#ifndef VS_FL_NOISE_H
#define VS_FL_NOISE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

typedef enum vs_mechanism {
    VS_MECHANISM_NONE,
    VS_MECHANISM_DISCRETE_GAUSSIAN,
    VS_MECHANISM_SKELLAM,
} vs_mechanism;

#define VS_NOISE_GAUSSIAN_MAX (UINT64_C(1) << 40) /* largest variance */
#define VS_NOISE_SKELLAM_MAX (UINT64_C(1) << 31)  /* its table: 24 sqrt(variance) of 16 bytes */

typedef struct vs_noise vs_noise; /* parameters and table: public, read-only once made */

/* "none", "discrete_gaussian", "skellam". */
const char *vs_mechanism_name(vs_mechanism m);
VS_MUST_CHECK vs_err vs_mechanism_parse(vs_mechanism *out, const char *name);

/* variance 1..the maximum of m; even for Skellam (caller bugs). VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_noise_new(vs_noise **out, vs_mechanism m, uint64_t variance);
void vs_noise_free(vs_noise *n);
/* out[count] independent values. VS_ERR_IO (zeros) when the rng fails. */
VS_MUST_CHECK vs_err vs_noise_fill(const vs_noise *n, const vs_rng *rng, int64_t *out,
                                   size_t count);
/* coords[count] of 0..levels: to the middle of 0..top, plus noise, what falls outside put to the
 * nearer end. levels even, top odd, levels < top. Constant time in both. */
void vs_noise_place(uint32_t *coords, const int64_t *noise, size_t count, uint64_t levels,
                    uint64_t top);
/* Total variation between one value and the named distribution: 0 for the Gaussian, at most
 * 2^(1.5 b - 119), b the bits of variance/2, for Skellam. */
double vs_noise_error(vs_mechanism m, uint64_t variance);

#endif /* VS_FL_NOISE_H */
