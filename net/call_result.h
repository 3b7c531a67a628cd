/* net/call_result.h - entries and results from the aggregator, checked before they are believed. */
#ifndef VS_NET_CALL_RESULT_H
#define VS_NET_CALL_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/entry.h"
#include "net/call.h"
#include "net/round.h"

/* The nth entry of a kind of a round, with the aggregator's signature (of `answer` and `closed`:
 * not here) verified and this federation, round and kind in its payload. VS_ERR_PROOF or MALFORMED
 * if the aggregator sent something else. */
VS_MUST_CHECK vs_err vs_call_checked_entry(const vs_caller *caller, uint64_t round,
                                           vs_entry_kind kind, uint32_t nth, vs_entry *out,
                                           vs_diag *diag);

/* A finished round, decoded. */
typedef struct vs_fetched_result {
    vs_round round;
    vs_entry_result result;
    uint64_t *sums;     /* L values, weight digits last; owned */
    double *mean;       /* dim values: the weighted mean; owned */
    vs_metrics metrics; /* zeros where the round has none */
} vs_fetched_result;

/* round_info's `open`, the `result` entry and its sums: signatures, blob name, result hash over the
 * sums, number of sums and weight all agree. The caller releases *out. */
VS_MUST_CHECK vs_err vs_call_result(vs_fetched_result *out, const vs_caller *caller, uint64_t round,
                                    vs_diag *diag);
void vs_fetched_result_free(vs_fetched_result *result);

/* Receives the mean in order, n values at a time. Its error ends the call. */
typedef struct vs_mean_sink {
    vs_err (*put)(void *ctx, const vs_round *round, const double *mean, size_t n, vs_diag *diag);
    void *ctx;
} vs_mean_sink;

/* vs_call_result in about 2 MiB of memory, whatever the length: the sums go through a temporary
 * file beside path (and, if keep, to path itself, in the end), the mean to the sink, once all
 * checks were passed. *out has no sums and no mean: nothing to release. */
VS_MUST_CHECK vs_err vs_call_result_to(vs_fetched_result *out, const vs_caller *caller,
                                       uint64_t round, const char *path, bool keep,
                                       const vs_mean_sink *sink, vs_diag *diag);

/* Parts of both. Round and `result` entry; no sums yet. */
VS_MUST_CHECK vs_err vs_call_result_head(vs_fetched_result *out, const vs_caller *caller,
                                         uint64_t round, vs_diag *diag);
/* The sums after those of the update: the weight is the logged one (VS_ERR_PROOF), metrics decoded.
 */
VS_MUST_CHECK vs_err vs_call_check_tail(vs_fetched_result *f, const uint64_t *tail, vs_diag *diag);

#endif /* VS_NET_CALL_RESULT_H */
