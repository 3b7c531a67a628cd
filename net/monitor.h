/* net/monitor.h - what a daemon tells about itself: /metrics, /status, /healthz, and notices of
 * what its role did.
 *
 * It stands beside the role: it sees every event that goes in and every message that comes out, and
 * asks the role for its status as any peer may. The role stays pure and knows nothing of it. Never
 * a secret, a client's key, pseudonym or address. All calls on the daemon's thread. */
#ifndef VS_NET_MONITOR_H
#define VS_NET_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/edge.h"
#include "net/federation.h"
#include "net/http.h"
#include "net/step.h"

typedef struct vs_monitor vs_monitor;

/* index 0: the aggregator. edge and fed are borrowed. notice: as in vs_daemon, may be NULL. */
VS_MUST_CHECK vs_err vs_monitor_new(vs_monitor **out, const vs_federation *fed, uint32_t index,
                                    vs_edge *edge, void (*notice)(void *ctx, const char *text),
                                    void *ctx, vs_diag *diag);
void vs_monitor_free(vs_monitor *m);

/* Before and after a step: item[from..] of the box is what the step has put there. */
void vs_monitor_in(vs_monitor *m, const vs_event *event);
void vs_monitor_out(vs_monitor *m, const vs_event *event, const vs_outbox *box, size_t from,
                    double seconds);
/* Durable now: that took so long. */
void vs_monitor_committed(vs_monitor *m, double seconds);

/* The requests, k = 0, 1, ... until false, by which the monitor asks the role for its status;
 * vs_monitor_out takes the replies, and the edge drops them. Step with them after ticks. */
bool vs_monitor_question(vs_monitor *m, uint32_t k, vs_event *event);

/* The routes, IN_LOOP; before vs_http_start, whose wake must be the edge's. */
void vs_monitor_serve(vs_monitor *m, vs_http *http);

#endif /* VS_NET_MONITOR_H */
