/* net/result.h - from sum shares to the sum: error location, reconstruction, range check.
 *
 * The aggregator computes a result with it, shareholders and auditors recompute it. Streams: memory
 * is O(block), whatever M is. */
#ifndef VS_NET_RESULT_H
#define VS_NET_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "fl/metrics.h"
#include "mpc/commit.h"
#include "mpc/params.h"

/* Sum shares: read count elements (8 bytes each) of answer number a from element first. VS_ERR_IO
 * when it cannot be read; a sum share of wrong length counts as an erasure and is not asked for
 * again. */
typedef struct vs_sum_source {
    vs_err (*size)(void *ctx, uint32_t a, uint64_t *bytes);
    vs_err (*read)(void *ctx, uint32_t a, uint64_t first, uint8_t *out, size_t count);
    void *ctx;
} vs_sum_source;

/* Receives decoded sums in order (coordinates first.. first+n). They count only if the verdict is
 * VS_RESULT_OK in the end: a value out of range may come after them. */
typedef struct vs_sum_sink {
    vs_err (*sums)(void *ctx, uint64_t first, const uint64_t *sums, size_t n);
    void *ctx;
} vs_sum_sink;

typedef struct vs_result_in {
    const vs_committee *committee;
    const vs_layout *layout;
    vs_round_id id;
    uint32_t n_clients; /* |U| */
    uint32_t weight_digits;
    uint32_t n_metrics; /* coordinates before the weight digits, 0 or VS_METRICS_N */
    vs_h32 set_leaf_hash;
    uint32_t n_answers;                      /* m logged answers, ascending j */
    uint32_t index[VS_SHAREHOLDERS_MAX];     /* j */
    vs_h32 answer_hash[VS_SHAREHOLDERS_MAX]; /* as logged */
} vs_result_in;

typedef enum vs_result_verdict {
    VS_RESULT_OK,
    VS_RESULT_TOO_FEW,     /* fewer than r usable answers */
    VS_RESULT_UNDECODABLE, /* more wrong answers than can be located */
    VS_RESULT_UNCERTAIN,   /* decodes, but m - r - e is below the federation's margin */
    VS_RESULT_RANGE,       /* an element, slot, padding or weight out of range */
} vs_result_verdict;

typedef struct vs_result {
    vs_result_verdict verdict;
    bool certain;                    /* m - r - e >= t */
    int32_t margin;                  /* m - r - e */
    bool wrong[VS_SHAREHOLDERS_MAX]; /* by position: located as wrong (or an erasure) */
    uint32_t n_wrong;
    vs_h32 sum_hash; /* the result hash over all L sums */
    uint64_t weight_sum;
    uint64_t metric_sum[VS_METRICS_N];
} vs_result;

/* VS_OK whenever a verdict was reached. An answer whose bytes do not hash to its logged answer hash
 * is an erasure. sink may be NULL. */
VS_MUST_CHECK vs_err vs_result_compute(vs_result *out, const vs_result_in *in,
                                       const vs_sum_source *source, const vs_sum_sink *sink,
                                       vs_diag *diag);

#endif /* VS_NET_RESULT_H */
