/* net/edge_impl.h - the edge's own parts: edge.c moves messages, edge_open.c makes and frees. */
#ifndef VS_NET_EDGE_IMPL_H
#define VS_NET_EDGE_IMPL_H

#include <pthread.h>

#include <nng/nng.h>

#include "net/edge.h"
#include "net/gate.h"
#include "net/queue.h"
#include "net/tls.h"

#define VS_EDGE_CONTEXTS_MAX 256u

typedef enum vs_task_state {
    FREE,      /* ours: not in use */
    SENDING,   /* ours: the request, until a connection takes it; theirs: the reply */
    RECEIVING, /* ours: waiting for the reply; theirs: for a request */
    ARRIVED,   /* its event is in the queue */
    HELD,      /* theirs: the role has it */
} vs_task_state;

/* One context with its aio: a place for one request of others, or one request of ours. It is its
 * own place in the queue, so that queueing an event cannot fail and the queue is bounded by the
 * number of contexts. */
typedef struct vs_task {
    vs_queue_node node;   /* first: the queue gives it back */
    struct vs_task *next; /* of the same peer */
    vs_edge *edge;
    struct vs_peer *peer; /* NULL: a request of others */
    nng_ctx ctx;
    nng_aio *aio; /* NULL: an event only, made when a request could not even start */
    vs_task_state state;
    nng_msg *msg;
    int rv;            /* ours: 0, or why there is no reply */
    bool was_sent;     /* ours: taken by a connection */
    uint64_t conn;     /* theirs: place and a count, so that no late reply meets the next request */
    uint64_t since_ms; /* theirs: when the role got it, 0 when it has none */
    uint32_t peer_id;
    uint64_t tag;
    uint64_t deadline_ms;
    uint64_t failed_dials; /* of the peer when this request began */
    bool knows_dials;
} vs_task;

typedef struct vs_peer {
    vs_edge *edge;
    nng_socket socket;
    nng_dialer dialer;
    bool dialled;
    uint32_t n_pipes; /* connections that are up */
    vs_task *tasks;
    uint32_t n_tasks;
} vs_peer;

struct vs_edge {
    pthread_mutex_t mutex; /* guards states and conns of tasks, n_pipes */
    vs_queue queue;
    const vs_tls *tls; /* NULL: no TLS addresses */
    bool listens;
    nng_socket socket;
    nng_listener listener;
    vs_gate *gate;             /* listens on TCP and TLS; NULL: the socket above does, or nobody */
    vs_gate_body current_body; /* of the event that the role is looking at */
    vs_task *theirs[VS_EDGE_CONTEXTS_MAX];
    uint32_t n_theirs;
    uint32_t n_pipes;
    vs_peer *peers[VS_PEERS_MAX];
    nng_msg *current; /* of the event that the role is looking at */
    uint64_t looked_ms;
};

/* Wait for the next request; the state is RECEIVING already. */
void vs_edge_await_request(vs_task *t);
/* nng's callback for requests of others: one has come in, or the reply is out. */
void vs_edge_on_theirs(void *arg);

/* edge_tls.c: nothing to do for other addresses; clear errors when tls lacks what is needed. */
VS_MUST_CHECK vs_err vs_edge_tls_stream(nng_stream_listener *listener, const char *address,
                                        const vs_tls *tls, vs_diag *diag);
VS_MUST_CHECK vs_err vs_edge_tls_dialer(nng_dialer dialer, const char *address, const vs_tls *tls,
                                        vs_diag *diag);

#endif /* VS_NET_EDGE_IMPL_H */
