/* net/edge.h - the one place that speaks nng: sockets in, events out.
 *
 * A listener and a REQ socket per peer, all asynchronous; everything that happens is put into one
 * bounded queue that the role's thread takes from. TCP and TLS are listened on by net/gate.h, which
 * bounds connections, memory and time; in-process and local (ipc) addresses by a REP socket with a
 * fixed number of contexts. NNG_OPT_RECVMAXSZ is set on every socket. */
#ifndef VS_NET_EDGE_H
#define VS_NET_EDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/step.h"
#include "net/tls.h"

typedef struct vs_edge vs_edge;

/* listen_address NULL for a pure client. Errors are clear and final: "tcp://127.0.0.1:7101: cannot
 * listen: Address in use". max_inflight: requests held at once (1..256) of in-process and local
 * peers.
 */
VS_MUST_CHECK vs_err vs_edge_new(vs_edge **out, const char *listen_address, uint32_t max_inflight,
                                 vs_diag *diag);
/* The same for tls+tcp:// addresses too: to listen needs tls->host. Borrowed until the edge is
 * freed; NULL: without TLS. Addresses that need what is not there: VS_ERR_STATE. */
VS_MUST_CHECK vs_err vs_edge_new_tls(vs_edge **out, const char *listen_address,
                                     uint32_t max_inflight, const vs_tls *tls, vs_diag *diag);
void vs_edge_free(vs_edge *edge);
/* Tell where a peer is, once per peer: tcp://HOST:PORT, tls+tcp://HOST:PORT, ipc://PATH or
 * inproc://NAME, else VS_ERR_MALFORMED. It is dialled when first needed and redialled in the
 * background. */
VS_MUST_CHECK vs_err vs_edge_set_peer(vs_edge *edge, uint32_t peer, const char *address,
                                      vs_diag *diag);

/* Wait up to timeout_ms for the next event. VS_ERR_TIMEOUT if none came, or when woken
 * (event->kind is TICK then). event->msg stays valid until the next call. One thread at a time. */
VS_MUST_CHECK vs_err vs_edge_wait(vs_edge *edge, vs_event *event, uint32_t timeout_ms);
/* Send everything in the box and clear it. A peer that cannot be reached gives LOST later: when a
 * dial since then has failed, when the connection is lost, at the latest after its timeout. A reply
 * to a request that was dropped meanwhile is dropped too. VS_ERR_NOMEM only. */
VS_MUST_CHECK vs_err vs_edge_flush(vs_edge *edge, vs_outbox *box, vs_diag *diag);
typedef struct vs_edge_counts {
    uint32_t accepted;            /* connections of others that are up */
    uint32_t waiting;             /* requests that came in and are not answered yet */
    uint32_t asking;              /* requests of ours without a reply yet */
    bool connected[VS_PEERS_MAX]; /* to this peer */
} vs_edge_counts;
/* Now; the thread that waits. */
void vs_edge_count(vs_edge *edge, vs_edge_counts *out);
/* Make the current or next vs_edge_wait return: from any thread, async-signal-safe. */
void vs_edge_wake(vs_edge *edge);

/* One request to one address, waiting for its reply; for short commands. The reply's bytes are
 * appended to *reply. Errors: VS_ERR_TIMEOUT, VS_ERR_IO with a message naming the address. */
VS_MUST_CHECK vs_err vs_edge_call(const char *address, const vs_buf *request, uint32_t timeout_ms,
                                  vs_buf *reply, vs_diag *diag);
VS_MUST_CHECK vs_err vs_edge_call_tls(const char *address, const vs_tls *tls, const vs_buf *request,
                                      uint32_t timeout_ms, vs_buf *reply, vs_diag *diag);

#endif /* VS_NET_EDGE_H */
