#include "net/edge.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>

#include "net/address.h"
#include "net/edge_stats.h"
#include "net/queue.h"
#include "net/wire.h"

enum {
    CONTEXTS_MAX = 256,
    CONNECTIONS_MAX = 1024,   /* accepted at once; each may hold one message of up to 4 MiB */
    ASKS_PER_PEER_MAX = 1024, /* requests of ours under way to one peer */
    RECONNECT_MIN_MS = 50,    /* between dials of a peer that is down */
    RECONNECT_MAX_MS = 1000,  /* so a restarted peer is found within a second */
    LOOK_MS = 50,             /* between looks at failed dials while something waits for one */
    REPLY_TIMEOUT_MS = 10000, /* a client that does not take its reply loses it */
    STEP_MS = 5,
    QUIET_MS = 250,      /* for replies under way when the edge is freed */
    CLOSE_MS = 2000,     /* for connections to close */
    HOLD_MAX_MS = 60000, /* a request that its role never answered is dropped */
};

typedef enum task_state {
    FREE,      /* ours: not in use */
    SENDING,   /* ours: the request, until a connection takes it; theirs: the reply */
    RECEIVING, /* ours: waiting for the reply; theirs: for a request */
    ARRIVED,   /* its event is in the queue */
    HELD,      /* theirs: the role has it */
} task_state;

/* One context with its aio: a place for one request of others, or one request of ours. It is its
 * own place in the queue, so that queueing an event cannot fail and the queue is bounded by the
 * number of contexts. */
typedef struct task {
    vs_queue_node node; /* first: the queue gives it back */
    struct task *next;  /* of the same peer */
    vs_edge *edge;
    struct peer *peer; /* NULL: a request of others */
    nng_ctx ctx;
    nng_aio *aio; /* NULL: an event only, made when a request could not even start */
    task_state state;
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
} task;

typedef struct peer {
    vs_edge *edge;
    nng_socket socket;
    nng_dialer dialer;
    bool dialled;
    uint32_t n_pipes; /* connections that are up */
    task *tasks;
    uint32_t n_tasks;
} peer;

struct vs_edge {
    pthread_mutex_t mutex; /* guards states and conns of tasks, n_pipes */
    vs_queue queue;
    bool listens;
    nng_socket socket;
    nng_listener listener;
    task *theirs[CONTEXTS_MAX];
    uint32_t n_theirs;
    uint32_t n_pipes;
    peer *peers[VS_PEERS_MAX];
    nng_msg *current; /* of the event that the role is looking at */
    uint64_t looked_ms;
};

static uint64_t now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static vs_err nng_fail(vs_diag *diag, const char *address, const char *doing, int rv)
{
    vs_err err = rv == NNG_ENOMEM ? VS_ERR_NOMEM : VS_ERR_IO;
    return vs_fail(diag, err, "%s: cannot %s: %s", address, doing, nng_strerror(rv));
}

/* From one state to another, if it is in that one. */
static bool move_on(task *t, task_state from, task_state to)
{
    (void)pthread_mutex_lock(&t->edge->mutex);
    bool was = t->state == from;
    if (was) t->state = to;
    (void)pthread_mutex_unlock(&t->edge->mutex);
    return was;
}

/* --- requests of others -------------------------------------------------------------------------
 */

/* The state is RECEIVING already. */
static void await_request(task *t)
{
    nng_aio_set_timeout(t->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(t->ctx, t->aio);
}

/* A request has come in, or the reply is out; in nng's thread. */
static void on_theirs(void *arg)
{
    task *t = arg;
    int rv = nng_aio_result(t->aio);
    nng_msg *msg = nng_aio_get_msg(t->aio); /* a reply that was not taken is still ours */
    nng_aio_set_msg(t->aio, NULL);
    bool was_reply = move_on(t, SENDING, RECEIVING);
    /* In-process connections know no largest size. */
    if (was_reply || rv != 0 || nng_msg_len(msg) > VS_WIRE_MESSAGE_MAX) {
        if (msg != NULL && (was_reply ? rv != 0 : rv == 0)) nng_msg_free(msg);
        if (rv != NNG_ECLOSED && rv != NNG_ECANCELED) await_request(t); /* else being freed */
        return;
    }
    t->msg = msg;
    (void)pthread_mutex_lock(&t->edge->mutex);
    t->conn += CONTEXTS_MAX;
    t->state = ARRIVED;
    (void)pthread_mutex_unlock(&t->edge->mutex);
    vs_queue_add(&t->edge->queue, &t->node);
}

static void on_their_connection(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    vs_edge *edge = arg;
    (void)pthread_mutex_lock(&edge->mutex);
    edge->n_pipes += ev == NNG_PIPE_EV_ADD_PRE ? 1u : UINT32_MAX;
    bool full = edge->n_pipes > CONNECTIONS_MAX;
    (void)pthread_mutex_unlock(&edge->mutex);
    if (full && ev == NNG_PIPE_EV_ADD_PRE) (void)nng_pipe_close(pipe);
}

static nng_msg *message_of(const vs_buf *bytes)
{
    nng_msg *msg;
    if (nng_msg_alloc(&msg, 0) != 0) return NULL;
    if (nng_msg_append(msg, bytes->p, bytes->len) == 0) return msg;
    nng_msg_free(msg);
    return NULL;
}

/* The request held under this conn, or NULL: it was dropped, or is answered already. */
static task *find_held(vs_edge *edge, uint64_t conn)
{
    uint64_t place = conn % CONTEXTS_MAX;
    task *t = place < edge->n_theirs ? edge->theirs[place] : NULL;
    (void)pthread_mutex_lock(&edge->mutex);
    if (t != NULL && (t->conn != conn || t->state != HELD)) t = NULL;
    (void)pthread_mutex_unlock(&edge->mutex);
    return t;
}

static vs_err send_reply(vs_edge *edge, const vs_out *out)
{
    task *t = find_held(edge, out->conn);
    if (t == NULL) return VS_OK;
    nng_msg *msg = message_of(&out->msg);
    if (msg == NULL) return VS_ERR_NOMEM;
    t->since_ms = 0;
    (void)move_on(t, HELD, SENDING);
    nng_aio_set_msg(t->aio, msg);
    nng_aio_set_timeout(t->aio, REPLY_TIMEOUT_MS);
    nng_ctx_send(t->ctx, t->aio);
    return VS_OK;
}

/* A role that forgets a request must not cost a context for ever. */
static void drop_forgotten(vs_edge *edge, uint64_t now)
{
    for (uint32_t i = 0; i < edge->n_theirs; i++) {
        task *t = edge->theirs[i];
        bool old = t->since_ms != 0 && now - t->since_ms > HOLD_MAX_MS;
        if (old) t->since_ms = 0;
        if (old && move_on(t, HELD, RECEIVING)) await_request(t);
    }
}

/* --- requests of ours ---------------------------------------------------------------------------
 */

/* The request was taken by a connection, or the reply is there, or it failed; in nng's thread. */
static void on_ours(void *arg)
{
    task *t = arg;
    int rv = nng_aio_result(t->aio);
    nng_msg *msg = nng_aio_get_msg(t->aio);
    nng_aio_set_msg(t->aio, NULL);
    if (t->state == SENDING && rv == 0) {
        uint64_t now = now_ms();
        uint64_t left = t->deadline_ms > now ? t->deadline_ms - now : 1;
        (void)pthread_mutex_lock(&t->edge->mutex);
        t->state = RECEIVING;
        t->was_sent = true;
        (void)pthread_mutex_unlock(&t->edge->mutex);
        nng_aio_set_timeout(t->aio, (nng_duration)left);
        nng_ctx_recv(t->ctx, t->aio);
        return;
    }
    if (rv != 0 && t->state == SENDING && msg != NULL) nng_msg_free(msg);
    if (rv != 0) msg = NULL;
    if (msg != NULL && nng_msg_len(msg) > VS_WIRE_MESSAGE_MAX) {
        nng_msg_free(msg);
        msg = NULL;
        rv = NNG_EMSGSIZE;
    }
    t->msg = msg;
    t->rv = rv;
    (void)pthread_mutex_lock(&t->edge->mutex);
    t->state = ARRIVED;
    (void)pthread_mutex_unlock(&t->edge->mutex);
    vs_queue_add(&t->edge->queue, &t->node);
}

static void on_our_connection(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    peer *p = arg;
    (void)pipe;
    (void)pthread_mutex_lock(&p->edge->mutex);
    p->n_pipes += ev == NNG_PIPE_EV_ADD_PRE ? 1u : UINT32_MAX;
    (void)pthread_mutex_unlock(&p->edge->mutex);
}

/* An event without a request: the reason why it could not start. */
static vs_err refuse_to_send(vs_edge *edge, const vs_out *out, int rv)
{
    task *t = calloc(1, sizeof *t);
    if (t == NULL) return VS_ERR_NOMEM;
    *t = (task){.edge = edge, .peer_id = out->peer, .tag = out->tag, .rv = rv};
    vs_queue_add(&edge->queue, &t->node);
    return VS_OK;
}

/* A free task of this peer, or a new one; NULL when out of memory or at the maximum. */
static task *take_task(peer *p)
{
    for (task *t = p->tasks; t != NULL; t = t->next) {
        if (move_on(t, FREE, SENDING)) return t;
    }
    task *t = p->n_tasks == ASKS_PER_PEER_MAX ? NULL : calloc(1, sizeof *t);
    if (t == NULL) return NULL;
    *t = (task){.edge = p->edge, .peer = p, .state = SENDING};
    if (nng_ctx_open(&t->ctx, p->socket) != 0) {
        free(t);
        return NULL;
    }
    if (nng_aio_alloc(&t->aio, on_ours, t) != 0) {
        (void)nng_ctx_close(t->ctx);
        free(t);
        return NULL;
    }
    t->next = p->tasks;
    p->tasks = t;
    p->n_tasks++;
    return t;
}

static vs_err send_request(vs_edge *edge, const vs_out *out)
{
    VS_ASSERT(out->peer < VS_PEERS_MAX);
    peer *p = edge->peers[out->peer];
    if (p == NULL) return refuse_to_send(edge, out, NNG_EADDRINVAL);
    bool first = !p->dialled;
    if (first) {
        int rv = nng_dialer_start(p->dialer, NNG_FLAG_NONBLOCK);
        if (rv != 0) return refuse_to_send(edge, out, rv);
        p->dialled = true;
    }
    task *t = take_task(p);
    if (t == NULL) return refuse_to_send(edge, out, NNG_EAGAIN);
    nng_msg *msg = message_of(&out->msg);
    if (msg == NULL) return VS_ERR_NOMEM;
    t->peer_id = out->peer;
    t->tag = out->tag;
    t->was_sent = false;
    t->rv = 0;
    t->deadline_ms = now_ms() + out->timeout_ms;
    t->failed_dials = 0;
    t->knows_dials = first; /* none has failed before the first one */
    nng_aio_set_msg(t->aio, msg);
    nng_aio_set_timeout(t->aio,
                        out->timeout_ms < INT32_MAX ? (nng_duration)out->timeout_ms : INT32_MAX);
    nng_ctx_send(t->ctx, t->aio);
    return VS_OK;
}

vs_err vs_edge_flush(vs_edge *edge, vs_outbox *box, vs_diag *diag)
{
    vs_err err = VS_OK;
    for (size_t i = 0; err == VS_OK && i < box->n; i++) {
        const vs_out *out = &box->item[i];
        err = out->kind == VS_OUT_REPLY ? send_reply(edge, out) : send_request(edge, out);
    }
    vs_outbox_clear(box);
    return err == VS_OK ? VS_OK : vs_fail(diag, err, "network: out of memory");
}

/* --- peers that are down ------------------------------------------------------------------------
 */

static void give_up(peer *p, vs_dials d)
{
    for (task *t = p->tasks; t != NULL; t = t->next) {
        (void)pthread_mutex_lock(&p->edge->mutex);
        bool waits = t->state == SENDING && p->n_pipes == 0;
        (void)pthread_mutex_unlock(&p->edge->mutex);
        if (!waits) continue;
        if (t->knows_dials && d.failed > t->failed_dials) {
            nng_aio_abort(t->aio, d.refused > 0 ? NNG_ECONNREFUSED : NNG_EUNREACHABLE);
        } else {
            t->knows_dials = true;
            t->failed_dials = d.failed;
        }
    }
}

/* True iff a request of ours waits for a connection to this peer. */
static bool is_waiting(peer *p)
{
    bool waits = false;
    (void)pthread_mutex_lock(&p->edge->mutex);
    for (task *t = p->tasks; t != NULL && p->n_pipes == 0; t = t->next) {
        waits |= t->state == SENDING;
    }
    (void)pthread_mutex_unlock(&p->edge->mutex);
    return waits;
}

/* True iff something waits for a dial: look again soon. */
static bool look_at_dials(vs_edge *edge, uint64_t now)
{
    peer *waiting[VS_PEERS_MAX];
    int dialer[VS_PEERS_MAX];
    vs_dials dials[VS_PEERS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < VS_PEERS_MAX; i++) {
        peer *p = edge->peers[i];
        if (p == NULL || !is_waiting(p)) continue;
        dialer[n] = nng_dialer_id(p->dialer);
        waiting[n++] = p;
    }
    if (n == 0 || now - edge->looked_ms < LOOK_MS) return n > 0;
    edge->looked_ms = now;
    if (vs_stats_dials(dials, dialer, n)) {
        for (uint32_t i = 0; i < n; i++) give_up(waiting[i], dials[i]);
    }
    return true;
}

/* --- waiting ------------------------------------------------------------------------------------
 */

static const char *reason(const task *t)
{
    switch (t->rv) {
    case NNG_ETIMEDOUT: return t->was_sent ? "no reply in time" : "no connection in time";
    case NNG_ECONNREFUSED: return "connection refused";
    case NNG_EUNREACHABLE: return "cannot connect";
    case NNG_ECONNRESET: return "connection lost before the reply";
    case NNG_EADDRINVAL: return "no address";
    case NNG_EAGAIN: return "too many requests under way";
    case NNG_EMSGSIZE: return "reply over the largest size";
    case NNG_ENOMEM: return "out of memory";
    default: return nng_strerror(t->rv);
    }
}

/* The event of a task taken from the queue. */
static void fill_event(vs_edge *edge, vs_event *event, task *t)
{
    edge->current = t->msg;
    t->msg = NULL;
    if (t->peer == NULL && t->aio != NULL) {
        *event = (vs_event){.kind = VS_EVENT_REQUEST, .conn = t->conn};
        t->since_ms = now_ms();
        (void)move_on(t, ARRIVED, HELD);
    } else {
        *event = (vs_event){.kind = t->rv == 0 ? VS_EVENT_REPLY : VS_EVENT_LOST,
                            .peer = t->peer_id,
                            .tag = t->tag,
                            .text = t->rv == 0 ? NULL : reason(t)};
        if (t->aio == NULL) {
            free(t);
        } else {
            (void)move_on(t, ARRIVED, FREE);
        }
    }
    if (edge->current != NULL) {
        event->msg = nng_msg_body(edge->current);
        event->len = nng_msg_len(edge->current);
    }
}

vs_err vs_edge_wait(vs_edge *edge, vs_event *event, uint32_t timeout_ms)
{
    uint64_t now = now_ms();
    uint64_t end = now + timeout_ms;
    *event = (vs_event){.kind = VS_EVENT_TICK};
    if (edge->current != NULL) nng_msg_free(edge->current);
    edge->current = NULL;
    for (;;) {
        task *t = (task *)vs_queue_take(&edge->queue);
        if (t != NULL) {
            fill_event(edge, event, t);
            return VS_OK;
        }
        drop_forgotten(edge, now);
        bool soon = look_at_dials(edge, now);
        uint64_t left = end > now ? end - now : 0;
        if (vs_queue_sleep(&edge->queue, soon && left > LOOK_MS ? LOOK_MS : left)) left = 0;
        if (left == 0) return VS_ERR_TIMEOUT;
        now = now_ms();
    }
}

void vs_edge_wake(vs_edge *edge)
{
    vs_queue_wake(&edge->queue);
}

/* --- making and freeing -------------------------------------------------------------------------
 */

/* Listener or dialer options that not every transport knows. */
static int optional(int rv)
{
    return rv == NNG_ENOTSUP ? 0 : rv;
}

/* Both of these are told for every connection, even one that is refused in between. */
static int watch_connections(nng_socket socket, nng_pipe_cb told, void *arg)
{
    int rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, told, arg);
    return rv == 0 ? nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, told, arg) : rv;
}

static vs_err listen_on(vs_edge *edge, const char *address, vs_diag *diag)
{
    vs_err err = vs_address_check(address, diag);
    if (err != VS_OK) return err;
    int rv = nng_rep0_open(&edge->socket);
    if (rv != 0) return nng_fail(diag, address, "open a socket", rv);
    edge->listens = true;
    rv = nng_socket_set_size(edge->socket, NNG_OPT_RECVMAXSZ, VS_WIRE_MESSAGE_MAX);
    if (rv == 0) rv = watch_connections(edge->socket, on_their_connection, edge);
    if (rv == 0) rv = nng_listener_create(&edge->listener, edge->socket, address);
    if (rv == 0) {
        rv =
            optional(nng_listener_set_size(edge->listener, NNG_OPT_RECVMAXSZ, VS_WIRE_MESSAGE_MAX));
    }
    if (rv == 0) rv = optional(nng_listener_set_bool(edge->listener, NNG_OPT_TCP_KEEPALIVE, true));
    if (rv == 0) rv = nng_listener_start(edge->listener, 0);
    return rv == 0 ? VS_OK : nng_fail(diag, address, "listen", rv);
}

static vs_err open_contexts(vs_edge *edge, uint32_t n, vs_diag *diag)
{
    for (uint32_t i = 0; i < n; i++) {
        task *t = calloc(1, sizeof *t);
        if (t == NULL) return vs_fail(diag, VS_ERR_NOMEM, "network: out of memory");
        *t = (task){.edge = edge, .state = RECEIVING, .conn = i};
        int rv = nng_ctx_open(&t->ctx, edge->socket);
        if (rv == 0) rv = nng_aio_alloc(&t->aio, on_theirs, t);
        if (rv != 0) { /* the context goes with its socket */
            free(t);
            return nng_fail(diag, "network", "make a context", rv);
        }
        edge->theirs[edge->n_theirs++] = t;
        await_request(t);
    }
    return VS_OK;
}

vs_err vs_edge_new(vs_edge **out, const char *listen_address, uint32_t max_inflight, vs_diag *diag)
{
    VS_ASSERT(max_inflight >= 1 && max_inflight <= CONTEXTS_MAX);
    *out = NULL;
    vs_edge *edge = calloc(1, sizeof *edge);
    if (edge == NULL) return vs_fail(diag, VS_ERR_NOMEM, "network: out of memory");
    (void)pthread_mutex_init(&edge->mutex, NULL);
    vs_err err = vs_queue_init(&edge->queue, diag);
    if (err == VS_OK && listen_address != NULL) err = listen_on(edge, listen_address, diag);
    if (err == VS_OK && listen_address != NULL) err = open_contexts(edge, max_inflight, diag);
    if (err != VS_OK) {
        vs_edge_free(edge);
        return err;
    }
    *out = edge;
    return VS_OK;
}

vs_err vs_edge_set_peer(vs_edge *edge, uint32_t peer_id, const char *address, vs_diag *diag)
{
    VS_ASSERT(peer_id < VS_PEERS_MAX && edge->peers[peer_id] == NULL);
    vs_err err = vs_address_check(address, diag);
    if (err != VS_OK) return err;
    peer *p = calloc(1, sizeof *p);
    if (p == NULL) return vs_fail(diag, VS_ERR_NOMEM, "network: out of memory");
    p->edge = edge;
    int rv = nng_req0_open(&p->socket);
    if (rv != 0) {
        free(p);
        return nng_fail(diag, address, "open a socket", rv);
    }
    rv = nng_socket_set_size(p->socket, NNG_OPT_RECVMAXSZ, VS_WIRE_MESSAGE_MAX);
    /* Retries are the role's business, and nng then tells when the connection is lost. */
    if (rv == 0) rv = nng_socket_set_ms(p->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    if (rv == 0) rv = nng_socket_set_ms(p->socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    if (rv == 0) rv = nng_socket_set_ms(p->socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    if (rv == 0) rv = watch_connections(p->socket, on_our_connection, p);
    if (rv == 0) rv = nng_dialer_create(&p->dialer, p->socket, address);
    if (rv == 0) {
        rv = optional(nng_dialer_set_size(p->dialer, NNG_OPT_RECVMAXSZ, VS_WIRE_MESSAGE_MAX));
    }
    if (rv == 0) rv = optional(nng_dialer_set_bool(p->dialer, NNG_OPT_TCP_KEEPALIVE, true));
    if (rv != 0) {
        (void)nng_close(p->socket);
        free(p);
        return nng_fail(diag, address, "prepare a connection", rv);
    }
    edge->peers[peer_id] = p;
    return VS_OK;
}

static void free_task(task *t)
{
    if (t->aio != NULL) nng_aio_free(t->aio);
    if (t->msg != NULL) nng_msg_free(t->msg);
    free(t);
}

/* Requests of ours whose replies may come any moment. */
static bool awaits_replies(vs_edge *edge)
{
    bool awaits = false;
    (void)pthread_mutex_lock(&edge->mutex);
    for (uint32_t i = 0; i < VS_PEERS_MAX; i++) {
        peer *p = edge->peers[i];
        for (task *t = p == NULL ? NULL : p->tasks; t != NULL; t = t->next) {
            awaits |= t->state == RECEIVING;
        }
    }
    (void)pthread_mutex_unlock(&edge->mutex);
    return awaits;
}

/* nng holds something that nng_close would wait for. */
static bool is_held(vs_edge *edge)
{
    int socket[VS_PEERS_MAX + 1];
    uint32_t n = 0;
    if (edge->listens) socket[n++] = nng_socket_id(edge->socket);
    for (uint32_t i = 0; i < VS_PEERS_MAX; i++) {
        if (edge->peers[i] != NULL) socket[n++] = nng_socket_id(edge->peers[i]->socket);
    }
    return vs_stats_held(socket, n) > 0;
}

static void wait_while(bool (*holds)(vs_edge *), vs_edge *edge, int ms)
{
    for (int waited = 0; waited < ms && holds(edge); waited += STEP_MS) nng_msleep(STEP_MS);
}

/* Take no more requests, send none, and let replies under way arrive. */
static void quieten(vs_edge *edge)
{
    bool dialled = false;
    for (uint32_t i = 0; i < edge->n_theirs; i++) nng_aio_stop(edge->theirs[i]->aio);
    for (uint32_t i = 0; i < VS_PEERS_MAX; i++) {
        peer *p = edge->peers[i];
        if (p == NULL) continue;
        dialled |= p->dialled;
        for (task *t = p->tasks; t != NULL; t = t->next) {
            (void)pthread_mutex_lock(&edge->mutex);
            bool unsent = t->state == SENDING;
            (void)pthread_mutex_unlock(&edge->mutex);
            if (unsent) nng_aio_abort(t->aio, NNG_ECANCELED);
        }
    }
    wait_while(awaits_replies, edge, QUIET_MS);
    if (dialled || edge->n_pipes > 0) nng_msleep(STEP_MS);
}

/* Stop every operation and close every connection. False: nng could not let go of one.
 *
 * nng 1.5.2 loses a connection's receive that is restarted by arriving bytes at the very moment
 * when the connection is closed, and then waits for it for ever (its issue 1813). So we close when
 * it is quiet, and look whether everything is gone before we call nng_close, which would wait for
 * it without end. */
static bool stop_everything(vs_edge *edge)
{
    quieten(edge);
    for (uint32_t i = 0; i < VS_PEERS_MAX; i++) {
        peer *p = edge->peers[i];
        for (task *t = p == NULL ? NULL : p->tasks; t != NULL; t = t->next) nng_aio_stop(t->aio);
        if (p != NULL) (void)nng_dialer_close(p->dialer);
    }
    if (edge->listens) (void)nng_listener_close(edge->listener);
    wait_while(is_held, edge, CLOSE_MS);
    if (is_held(edge)) return false;
    if (edge->listens) (void)nng_close(edge->socket);
    for (uint32_t i = 0; i < VS_PEERS_MAX; i++) {
        if (edge->peers[i] != NULL) (void)nng_close(edge->peers[i]->socket);
    }
    return true;
}

void vs_edge_free(vs_edge *edge)
{
    if (edge == NULL) return;
    if (!stop_everything(edge)) return; /* its callbacks may still come: leave the memory alone */
    for (task *t; (t = (task *)vs_queue_take(&edge->queue)) != NULL;) {
        if (t->aio == NULL) free_task(t);
    }
    for (uint32_t i = 0; i < edge->n_theirs; i++) free_task(edge->theirs[i]);
    for (uint32_t i = 0; i < VS_PEERS_MAX; i++) {
        peer *p = edge->peers[i];
        for (task *t = p == NULL ? NULL : p->tasks, *next; t != NULL; t = next) {
            next = t->next;
            free_task(t);
        }
        free(p);
    }
    if (edge->current != NULL) nng_msg_free(edge->current);
    vs_queue_clear(&edge->queue);
    (void)pthread_mutex_destroy(&edge->mutex);
    free(edge);
}
