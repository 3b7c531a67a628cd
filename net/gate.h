/* net/gate.h - connections of others over TCP and TLS, bounded in number, memory and time.
 *
 * The server's end of nng's REQ/REP protocol on nng's streams (what is said is as nng's REP says
 * it: docs/WIRE.md). nng 1.5.2's own REP socket has no bound on the memory of messages that are
 * half received, no deadline for them, and no way to make room. Here:
 * - at most VS_GATE_CONNECTIONS_MAX connections; a new one beyond makes room for itself: the host
 *   with the most connections loses the one that was quiet longest;
 * - bodies take memory as their bytes arrive, together at most VS_GATE_BODIES_MAX, replies that
 *   wait for their receivers at most VS_GATE_REPLIES_MAX. A connection whose body finds no room is
 *   not read on (backpressure) until there is; the message that has been coming for longest makes
 *   room if it takes too long;
 * - each connection has at most VS_GATE_SLOTS requests with the role and reads on only when its
 *   replies are taken;
 * - greeting, message and reply each have a deadline: a fixed time and one that grows with length.
 *
 * Requests come out of the queue that was given; take, release, reply and look belong to one
 * thread. */
#ifndef VS_NET_GATE_H
#define VS_NET_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/queue.h"
#include "net/step.h"
#include "net/tls.h"

#define VS_GATE_CONNECTIONS_MAX 2048u            /* fewer where the system gives fewer files */
#define VS_GATE_SLOTS 4u                         /* requests of one connection with the role */
#define VS_GATE_BODIES_MAX (UINT32_C(64) << 20)  /* bytes */
#define VS_GATE_REPLIES_MAX (UINT32_C(64) << 20) /* bytes */

/* vs_event.conn of the gate's requests: the highest two bits are 01. */
#define VS_GATE_CONN (UINT64_C(1) << 62)
static inline bool vs_gate_is_conn(uint64_t conn)
{
    return conn >> 62 == 1;
}

typedef struct vs_gate vs_gate;

/* Times in milliseconds; zeros take the defaults. Tests shorten them. */
typedef struct vs_gate_limits {
    uint32_t connections;
    uint32_t bodies; /* bytes; at least one message */
    uint32_t hello_ms, idle_ms, message_ms, reply_ms;
    uint32_t bytes_per_ms; /* a message or reply that is slower than this is late */
    uint32_t patience_ms;  /* a body that comes longer than this makes room when there is none */
} vs_gate_limits;

/* Is this an address that a gate listens on: tcp:// or tls+tcp://? */
bool vs_gate_is_address(const char *address);
/* Errors as vs_edge_new_tls. limits may be NULL. Nodes of the queue have of_gate set. */
VS_MUST_CHECK vs_err vs_gate_new(vs_gate **out, vs_queue *queue, const char *address,
                                 const vs_tls *tls, const vs_gate_limits *limits, vs_diag *diag);
/* Close everything; replies under way get a moment. Nothing is added to the queue any more. */
void vs_gate_stop(vs_gate *gate);
/* After stop, and when no node of the gate is looked at any more: those in the queue are freed. */
void vs_gate_free(vs_gate *gate);

/* The request of a node that was taken from the queue. False: its connection is gone. The body is
 * the caller's until it gives it back by release. */
typedef struct vs_gate_body {
    uint8_t *p; /* NULL: nothing to release */
    size_t len, cap;
} vs_gate_body;
bool vs_gate_take(vs_gate *gate, vs_queue_node *node, vs_event *event, vs_gate_body *body);
void vs_gate_release(vs_gate *gate, vs_gate_body *body);
/* Takes the bytes. A connection that is gone, or a second reply: they are dropped. */
void vs_gate_reply(vs_gate *gate, uint64_t conn, vs_buf *msg);
/* Keep deadlines; to be called about every 100 ms. */
void vs_gate_look(vs_gate *gate);

typedef struct vs_gate_counts {
    uint64_t accepted, refused; /* connections since the start */
    uint64_t evicted;           /* to make room for others */
    uint64_t expired;           /* by a deadline */
    uint64_t requests;
    uint32_t connections; /* now */
    uint64_t body_bytes, reply_bytes;
} vs_gate_counts;
vs_gate_counts vs_gate_count(vs_gate *gate); /* any thread */

#endif /* VS_NET_GATE_H */
