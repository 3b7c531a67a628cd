/* fl/quantise_loops.h - the loops of the quantiser, compiled for several instruction sets.
 *
 * Inside fl/ only. Every version gives the same bits: sums are made in 16 fixed lanes, and no
 * multiplication is fused with an addition. */
#ifndef VS_FL_QUANTISE_LOOPS_H
#define VS_FL_QUANTISE_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fl/quantise.h"

typedef struct vs_quantise_numbers {
    double factor, range;
    double levels; /* 2^bits - 1 */
    double scale;  /* levels / (2 range) */
    bool stochastic;
} vs_quantise_numbers;

typedef struct vs_quantise_loops {
    /* Goes on with *seen; len is a multiple of 16 but for the last piece. Reads every coordinate.
     */
    void (*scan)(vs_quantise_seen *seen, const double *x, size_t len);
    /* Sum of (x * scale)^2. */
    double (*squares)(const double *x, size_t len, double scale);
    /* q = floor((x + R)/s + u) of each; how many were clipped. rnd is not read unless stochastic.
     */
    size_t (*quantise)(uint32_t *out, const vs_quantise_numbers *q, const double *delta,
                       const uint64_t *rnd, size_t count);
    /* The low width bytes (1, 2, 4) of each coordinate, and back. */
    void (*narrow)(uint8_t *out, const uint32_t *in, uint32_t width, size_t count);
    void (*widen)(uint32_t *out, const uint8_t *in, uint32_t width, size_t count);
} vs_quantise_loops;

/* For this machine. */
const vs_quantise_loops *vs_quantise_loops_get(void);
/* By name, for tests: portable, avx2, avx512; NULL where it cannot run. */
const vs_quantise_loops *vs_quantise_loops_by_name(const char *name);

#endif /* VS_FL_QUANTISE_LOOPS_H */
