#include "net/edge.h"

#include <stdlib.h>
#include <time.h>

#include <nng/nng.h>

#include "net/edge_impl.h"
#include "net/edge_stats.h"
#include "net/wire.h"

enum {
    ASKS_PER_PEER_MAX = 1024, /* requests of ours under way to one peer */
    LOOK_MS = 50,             /* between looks at failed dials while something waits for one */
    REPLY_TIMEOUT_MS = 10000, /* a client that does not take its reply loses it */
    HOLD_MAX_MS = 60000,      /* a request that its role never answered is dropped */
};

static uint64_t now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* From one state to another, if it is in that one. */
static bool move_on(vs_task *t, vs_task_state from, vs_task_state to)
{
    (void)pthread_mutex_lock(&t->edge->mutex);
    bool was = t->state == from;
    if (was) t->state = to;
    (void)pthread_mutex_unlock(&t->edge->mutex);
    return was;
}

/* --- requests of others -------------------------------------------------------------------------
 */

void vs_edge_await_request(vs_task *t)
{
    nng_aio_set_timeout(t->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(t->ctx, t->aio);
}

void vs_edge_on_theirs(void *arg)
{
    vs_task *t = arg;
    int rv = nng_aio_result(t->aio);
    nng_msg *msg = nng_aio_get_msg(t->aio); /* a reply that was not taken is still ours */
    nng_aio_set_msg(t->aio, NULL);
    bool was_reply = move_on(t, SENDING, RECEIVING);
    /* In-process connections know no largest size. */
    if (was_reply || rv != 0 || nng_msg_len(msg) > VS_WIRE_MESSAGE_MAX) {
        if (msg != NULL && (was_reply ? rv != 0 : rv == 0)) nng_msg_free(msg);
        if (rv != NNG_ECLOSED && rv != NNG_ECANCELED)
            vs_edge_await_request(t); /* else being freed */
        return;
    }
    t->msg = msg;
    (void)pthread_mutex_lock(&t->edge->mutex);
    t->conn += VS_EDGE_CONTEXTS_MAX;
    t->state = ARRIVED;
    (void)pthread_mutex_unlock(&t->edge->mutex);
    vs_queue_add(&t->edge->queue, &t->node);
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
static vs_task *find_held(vs_edge *edge, uint64_t conn)
{
    uint64_t place = conn % VS_EDGE_CONTEXTS_MAX;
    vs_task *t = place < edge->n_theirs ? edge->theirs[place] : NULL;
    (void)pthread_mutex_lock(&edge->mutex);
    if (t != NULL && (t->conn != conn || t->state != HELD)) t = NULL;
    (void)pthread_mutex_unlock(&edge->mutex);
    return t;
}

static vs_err send_reply(vs_edge *edge, vs_out *out)
{
    if (vs_gate_is_conn(out->conn)) {
        vs_gate_reply(edge->gate, out->conn, &out->msg);
        return VS_OK;
    }
    vs_task *t = find_held(edge, out->conn);
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
        vs_task *t = edge->theirs[i];
        bool old = t->since_ms != 0 && now - t->since_ms > HOLD_MAX_MS;
        if (old) t->since_ms = 0;
        if (old && move_on(t, HELD, RECEIVING)) vs_edge_await_request(t);
    }
}

/* --- requests of ours ---------------------------------------------------------------------------
 */

/* The request was taken by a connection, or the reply is there, or it failed; in nng's thread. */
static void on_ours(void *arg)
{
    vs_task *t = arg;
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

/* An event without a request: the reason why it could not start. */
static vs_err refuse_to_send(vs_edge *edge, const vs_out *out, int rv)
{
    vs_task *t = calloc(1, sizeof *t);
    if (t == NULL) return VS_ERR_NOMEM;
    *t = (vs_task){.edge = edge, .peer_id = out->peer, .tag = out->tag, .rv = rv};
    vs_queue_add(&edge->queue, &t->node);
    return VS_OK;
}

/* A free task of this peer, or a new one; NULL when out of memory or at the maximum. */
static vs_task *take_task(vs_peer *p)
{
    for (vs_task *t = p->tasks; t != NULL; t = t->next) {
        if (move_on(t, FREE, SENDING)) return t;
    }
    vs_task *t = p->n_tasks == ASKS_PER_PEER_MAX ? NULL : calloc(1, sizeof *t);
    if (t == NULL) return NULL;
    *t = (vs_task){.edge = p->edge, .peer = p, .state = SENDING};
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
    vs_peer *p = edge->peers[out->peer];
    if (p == NULL) return refuse_to_send(edge, out, NNG_EADDRINVAL);
    bool first = !p->dialled;
    if (first) {
        int rv = nng_dialer_start(p->dialer, NNG_FLAG_NONBLOCK);
        if (rv != 0) return refuse_to_send(edge, out, rv);
        p->dialled = true;
        edge->looked_ms = now_ms(); /* most dials take less than LOOK_MS: looking costs much */
    }
    vs_task *t = take_task(p);
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
        vs_out *out = &box->item[i];
        err = out->kind == VS_OUT_REPLY ? send_reply(edge, out) : send_request(edge, out);
    }
    vs_outbox_clear(box);
    return err == VS_OK ? VS_OK : vs_fail(diag, err, "network: out of memory");
}

/* --- peers that are down ------------------------------------------------------------------------
 */

static void give_up(vs_peer *p, vs_dials d)
{
    for (vs_task *t = p->tasks; t != NULL; t = t->next) {
        (void)pthread_mutex_lock(&p->edge->mutex);
        bool waits = t->state == SENDING && p->n_pipes == 0;
        (void)pthread_mutex_unlock(&p->edge->mutex);
        if (!waits) continue;
        if (t->knows_dials && d.failed > t->failed_dials) {
            int why = d.refused > 0 ? NNG_ECONNREFUSED : NNG_EUNREACHABLE;
            nng_aio_abort(t->aio, d.auth > 0 ? NNG_EPEERAUTH : why);
        } else {
            t->knows_dials = true;
            t->failed_dials = d.failed;
        }
    }
}

/* True iff a request of ours waits for a connection to this peer. */
static bool is_waiting(vs_peer *p)
{
    bool waits = false;
    (void)pthread_mutex_lock(&p->edge->mutex);
    for (vs_task *t = p->tasks; t != NULL && p->n_pipes == 0; t = t->next) {
        waits |= t->state == SENDING;
    }
    (void)pthread_mutex_unlock(&p->edge->mutex);
    return waits;
}

/* True iff something waits for a dial: look again soon. */
static bool look_at_dials(vs_edge *edge, uint64_t now)
{
    vs_peer *waiting[VS_PEERS_MAX];
    int dialer[VS_PEERS_MAX];
    vs_dials dials[VS_PEERS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < VS_PEERS_MAX; i++) {
        vs_peer *p = edge->peers[i];
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

static const char *reason(const vs_task *t)
{
    switch (t->rv) {
    case NNG_ETIMEDOUT: return t->was_sent ? "no reply in time" : "no connection in time";
    case NNG_ECONNREFUSED: return "connection refused";
    case NNG_EUNREACHABLE: return "cannot connect";
    case NNG_EPEERAUTH: return "TLS: its certificate is not valid here (veilsum doctor tells why)";
    case NNG_ECONNRESET: return "connection lost before the reply";
    case NNG_EADDRINVAL: return "no address";
    case NNG_EAGAIN: return "too many requests under way";
    case NNG_EMSGSIZE: return "reply over the largest size";
    case NNG_ENOMEM: return "out of memory";
    default: return nng_strerror(t->rv);
    }
}

/* The event of a task taken from the queue. */
static void fill_event(vs_edge *edge, vs_event *event, vs_task *t)
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
    if (edge->gate != NULL) vs_gate_release(edge->gate, &edge->current_body);
    for (;;) {
        if (edge->gate != NULL) vs_gate_look(edge->gate);
        vs_queue_node *node = vs_queue_take(&edge->queue);
        if (node != NULL && node->of_gate) {
            if (vs_gate_take(edge->gate, node, event, &edge->current_body)) return VS_OK;
            continue;
        }
        if (node != NULL) {
            fill_event(edge, event, (vs_task *)node);
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

void vs_edge_count(vs_edge *edge, vs_edge_counts *out)
{
    *out = (vs_edge_counts){0};
    (void)pthread_mutex_lock(&edge->mutex);
    out->accepted = edge->n_pipes;
    if (edge->gate != NULL) out->accepted += vs_gate_count(edge->gate).connections;
    for (uint32_t i = 0; i < edge->n_theirs; i++) {
        vs_task_state state = edge->theirs[i]->state;
        out->waiting += state == ARRIVED || state == HELD;
    }
    for (uint32_t i = 0; i < VS_PEERS_MAX; i++) {
        vs_peer *p = edge->peers[i];
        out->connected[i] = p != NULL && p->n_pipes > 0;
        for (vs_task *t = p == NULL ? NULL : p->tasks; t != NULL; t = t->next) {
            out->asking += t->state == SENDING || t->state == RECEIVING;
        }
    }
    (void)pthread_mutex_unlock(&edge->mutex);
}

void vs_edge_wake(vs_edge *edge)
{
    vs_queue_wake(&edge->queue);
}
