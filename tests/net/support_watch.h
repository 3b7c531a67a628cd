/* tests/net/support_watch.h - what must hold whatever happens, checked on every message of a
 * simulated federation of honest parties. A broken promise stops the program.
 *
 * A shareholder's list, vote and answer of a round are the same bytes every time; its list holds
 * every submission that it gave a receipt for; it never closes and votes, in either order; nobody
 * answers before the set is in the log. A client sends the same header every time. */
#ifndef VS_TESTS_NET_SUPPORT_WATCH_H
#define VS_TESTS_NET_SUPPORT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/net/support_sim.h"

typedef struct vs_watch vs_watch;

vs_watch *vs_watch_new(vs_sim *sim);
void vs_watch_free(vs_watch *w);
/* Every message, before the network does anything to it. */
void vs_watch_message(vs_watch *w, uint32_t from, uint32_t to, bool is_reply, const vs_buf *msg);

/* The newest round is over: its result is the exact sum over its set, or it has none; a client that
 * reports success is in the set; the audit has no complaint (it takes the aggregator down).
 * *included (may be NULL): clients in the set. True: FINAL, false: ABORTED or never opened. */
bool vs_watch_end(vs_watch *w, uint64_t round, uint32_t *included);

#endif /* VS_TESTS_NET_SUPPORT_WATCH_H */
