/* net/call_result.h - entries and results from the aggregator, checked before they are believed. */
#ifndef VS_NET_CALL_RESULT_H
#define VS_NET_CALL_RESULT_H

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

#endif /* VS_NET_CALL_RESULT_H */
