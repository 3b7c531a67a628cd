/* net/shareholder.h - the shareholder: holds shares, votes once, answers once, cosigns what it
 * rechecked.
 *
 * Purely reactive: every request gets one reply in the same step. State that must survive is in the
 * store before the reply leaves (receipt, list, vote, closed, answer, cosignature). */
#ifndef VS_NET_SHAREHOLDER_H
#define VS_NET_SHAREHOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "net/federation.h"
#include "net/keys.h"
#include "net/step.h"
#include "net/store.h"

typedef struct vs_shareholder vs_shareholder;

/* Rebuild from the store (or start fresh). fed, keys are borrowed. VS_ERR_STATE if the key is not a
 * shareholder of this federation or the store belongs to another. */
VS_MUST_CHECK vs_err vs_shareholder_new(vs_shareholder **out, const vs_federation *fed,
                                        const vs_keys *keys, vs_store store, vs_rng rng,
                                        uint64_t now_ms, vs_diag *diag);
void vs_shareholder_free(vs_shareholder *sh);

/* One event (REQUEST or TICK). A peer's fault gives an Error reply and VS_OK; anything but VS_OK is
 * the machine's and the process must stop. now_ms: unix time in milliseconds. */
VS_MUST_CHECK vs_err vs_shareholder_step(vs_shareholder *sh, uint64_t now_ms, const vs_event *event,
                                         vs_outbox *out, vs_diag *diag);

/* It has adding up to do (after a restart) and wants the next TICK at once. */
bool vs_shareholder_is_busy(const vs_shareholder *sh);
/* One line for whoever runs it: evidence that was kept. The callback must not keep the text. */
void vs_shareholder_on_notice(vs_shareholder *sh, void (*notice)(void *ctx, const char *text),
                              void *ctx);

uint32_t vs_shareholder_index(const vs_shareholder *sh);

#endif /* VS_NET_SHAREHOLDER_H */
