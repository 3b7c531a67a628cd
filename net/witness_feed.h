/* net/witness_feed.h - our log's checkpoints to outside witnesses, their cosignatures into the log.
 *
 * One thread of its own speaks HTTP, so a slow witness delays nobody; the log is read and written
 * by the thread that calls tick only. A witness that cannot be reached is asked again after half a
 * minute, with the newest checkpoint then. */
#ifndef VS_NET_WITNESS_FEED_H
#define VS_NET_WITNESS_FEED_H

#include "base/err.h"
#include "ledger/log.h"
#include "ledger/policy_text.h"

typedef struct vs_witness_feed vs_witness_feed;

/* The witnesses of the policy that have a URL (their submission prefix); VS_ERR_LIMIT if none has.
 * log is borrowed. notice may be NULL. */
VS_MUST_CHECK vs_err vs_witness_feed_new(vs_witness_feed **out, const vs_tlog_policy *policy,
                                         vs_log *log, void (*notice)(void *ctx, const char *text),
                                         void *ctx, vs_diag *diag);
void vs_witness_feed_free(vs_witness_feed *feed); /* NULL is a no-op; waits for a call under way */
/* Take what came, ask for what is missing. Errors: of the log only. */
VS_MUST_CHECK vs_err vs_witness_feed_tick(vs_witness_feed *feed, uint64_t now_ms, vs_diag *diag);

#endif /* VS_NET_WITNESS_FEED_H */
