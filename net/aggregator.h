/* net/aggregator.h - the aggregator: opens rounds, collects, fixes the set, reconstructs, keeps the
 * log. */
#ifndef VS_NET_AGGREGATOR_H
#define VS_NET_AGGREGATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "ledger/log.h"
#include "net/federation.h"
#include "net/keys.h"
#include "net/step.h"
#include "net/store.h"

typedef struct vs_aggregator vs_aggregator;

/* Go on where the log and the store say (or start fresh: appends the `federation` entry). fed,
 * keys, log are borrowed. */
VS_MUST_CHECK vs_err vs_aggregator_new(vs_aggregator **out, const vs_federation *fed,
                                       const vs_keys *keys, vs_log *log, vs_store store, vs_rng rng,
                                       uint64_t now_ms, vs_diag *diag);
void vs_aggregator_free(vs_aggregator *ag);

/* One event. A peer's fault gives an Error reply or is counted against that peer; anything but
 * VS_OK is the machine's and the process must stop. */
VS_MUST_CHECK vs_err vs_aggregator_step(vs_aggregator *ag, uint64_t now_ms, const vs_event *event,
                                        vs_outbox *out, vs_diag *diag);

/* For logs and tests: one line per thing worth telling ("round 3: set fixed, 8 of 10 clients"). The
 * callback must not keep the text. */
void vs_aggregator_on_notice(vs_aggregator *ag, void (*notice)(void *ctx, const char *text),
                             void *ctx);

#endif /* VS_NET_AGGREGATOR_H */
