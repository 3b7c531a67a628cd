/* net/gate_impl.h - inside of the gate: gate.c opens, accepts and makes room; gate_conn.c is one
 * connection.
 *
 * One mutex guards everything. Operations of nng are begun outside of it, so that it does not
 * matter whether nng calls back at once: rx_busy and tx_busy say that one is (about to be) under
 * way, and while one is, the stream is not released. */
#ifndef VS_NET_GATE_IMPL_H
#define VS_NET_GATE_IMPL_H

#include <pthread.h>

#include <nng/nng.h>

#include "net/gate.h"

#define GATE_HELLO_BYTES 8u
#define GATE_HEAD_BYTES 12u /* u64 length, u32 request id, both big-endian */
#define GATE_SPARE 16u      /* places for connections that come before another has gone */

typedef enum gate_phase {
    GATE_HELLO,
    GATE_HEAD,
    GATE_BODY,
    GATE_NO_ROOM, /* a body waits for memory: not read on */
    GATE_FULL,    /* a reply must go, or a slot be free, before it is read on */
} gate_phase;

typedef enum gate_req_state { GATE_FREE, GATE_QUEUED, GATE_HELD, GATE_REPLY } gate_req_state;

typedef struct gate_req {
    vs_queue_node node; /* first: the queue gives it back */
    struct gate_conn *conn;
    uint64_t gen;   /* of the connection that it came by */
    uint64_t order; /* replies leave in the order in which requests came */
    gate_req_state state;
    uint32_t id;
    vs_gate_body body; /* QUEUED */
    vs_buf reply;      /* REPLY */
    uint64_t since_ms;
} gate_req;

typedef struct gate_conn {
    vs_gate *gate;
    nng_aio *rx, *tx;   /* made when the place is first used */
    nng_stream *stream; /* NULL: no connection */
    uint64_t gen;       /* counts the connections of this place */
    bool closing, rx_busy, tx_busy;
    uint64_t host;
    /* receiving */
    gate_phase phase;
    uint8_t head[GATE_HEAD_BYTES];
    size_t head_got;
    uint32_t id;
    vs_gate_body body;
    size_t body_got;
    uint64_t since_ms;    /* it began to be idle, or this message began to come */
    uint64_t deadline_ms; /* of what is awaited; not in FULL */
    /* sending */
    uint8_t tx_head[GATE_HEAD_BYTES];
    size_t tx_head_len, tx_sent; /* of head and reply together */
    gate_req *sending;           /* NULL: the greeting */
    uint64_t tx_since_ms, tx_deadline_ms;
    gate_req req[VS_GATE_SLOTS];
} gate_conn;

typedef struct gate_host {
    uint64_t host;
    uint32_t n;
} gate_host;

struct vs_gate {
    pthread_mutex_t mutex;
    vs_queue *queue;
    vs_gate_limits limits;
    nng_stream_listener *listener;
    nng_aio *accept_aio;
    bool pausing; /* accept_aio sleeps: no descriptors were left */
    bool closing;
    gate_conn *conns;
    uint32_t n_places;
    uint32_t n_used;  /* places from here on never had a connection */
    gate_host *hosts; /* n_places of them */
    uint32_t n_hosts;
    uint32_t n_no_room;
    uint64_t looked_ms;
    vs_gate_counts counts;
};

uint64_t vs_gate_now_ms(void);

/* --- gate_conn.c: all with the mutex, but for the first three ----------------------------------
 */

void vs_gate_on_rx(void *conn);
void vs_gate_on_tx(void *conn);
/* Greet and read; the place has its stream. */
void vs_gate_conn_begin(gate_conn *c);
/* Close it. The stream that is to be freed after unlocking, or NULL: operations are under way, the
 * last one frees it. */
nng_stream *vs_gate_conn_close(gate_conn *c);
/* True when there is memory for the next part of its body, which is then taken. */
bool vs_gate_conn_grow(gate_conn *c);
bool vs_gate_conn_is_quiet(const gate_conn *c); /* nothing of it is with the role or on its way */
/* rx_busy is set; afterwards, without the mutex, vs_gate_conn_receive. */
void vs_gate_conn_prepare_rx(gate_conn *c);
void vs_gate_conn_receive(gate_conn *c);

/* --- gate.c, with the mutex --- */

/* A message that has been coming for too long makes room. As vs_gate_conn_close. */
nng_stream *vs_gate_make_room(vs_gate *gate);
void vs_gate_host_left(vs_gate *gate, uint64_t host);
/* Without the mutex: memory was released, read on what waits for it. */
void vs_gate_resume(vs_gate *gate);

#endif /* VS_NET_GATE_IMPL_H */
