/* net/call_wait.h - wait for the end of a round. */
#ifndef VS_NET_CALL_WAIT_H
#define VS_NET_CALL_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/call.h"

typedef struct vs_wait_options {
    uint64_t timeout_ms; /* of the whole wait; 0: never */
    uint64_t away_ms;    /* of an aggregator that does not answer; 0: never */
    /* Sleep so long; true ends the wait with VS_ERR_STATE. NULL: just sleep. */
    bool (*sleep)(void *ctx, uint32_t ms);
    void (*progress)(void *ctx, const vsw_RoundInfo *info); /* after each answer; may be NULL */
    void *ctx;
} vs_wait_options;

/* Until the round is final (VS_OK) or aborted (VS_ERR_STATE with the reason); *info is its last
 * word. An aggregator that is away for a while is waited for. VS_ERR_TIMEOUT; VS_ERR_STATE also
 * when the aggregator refuses to answer. */
VS_MUST_CHECK vs_err vs_call_wait(const vs_caller *caller, uint64_t round,
                                  const vs_wait_options *options, vsw_RoundInfo *info,
                                  vs_diag *diag);

#endif /* VS_NET_CALL_WAIT_H */
