#include "net/edge_impl.h"

#include <stdlib.h>

#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>

#include "net/address.h"
#include "net/edge_stats.h"
#include "net/nng_error.h"
#include "net/wire.h"

enum {
    CONNECTIONS_MAX = 1024,  /* in-process or of this machine; for the network's see net/gate.h */
    RECONNECT_MIN_MS = 50,   /* between dials of a peer that is down */
    RECONNECT_MAX_MS = 1000, /* so a restarted peer is found within a second */
    STEP_MS = 5,
    QUIET_MS = 250,  /* for replies under way when the edge is freed */
    CLOSE_MS = 2000, /* for connections to close */
};

static void on_their_connection(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    vs_edge *edge = arg;
    (void)pthread_mutex_lock(&edge->mutex);
    edge->n_pipes += ev == NNG_PIPE_EV_ADD_PRE ? 1u : UINT32_MAX;
    bool full = edge->n_pipes > CONNECTIONS_MAX;
    (void)pthread_mutex_unlock(&edge->mutex);
    if (full && ev == NNG_PIPE_EV_ADD_PRE) (void)nng_pipe_close(pipe);
}

static void on_our_connection(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    vs_peer *p = arg;
    (void)pipe;
    (void)pthread_mutex_lock(&p->edge->mutex);
    p->n_pipes += ev == NNG_PIPE_EV_ADD_PRE ? 1u : UINT32_MAX;
    (void)pthread_mutex_unlock(&p->edge->mutex);
}

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
    if (rv != 0) return vs_nng_fail(diag, address, "open a socket", rv);
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
    return rv == 0 ? VS_OK : vs_nng_fail(diag, address, "listen", rv);
}

static vs_err open_contexts(vs_edge *edge, uint32_t n, vs_diag *diag)
{
    for (uint32_t i = 0; i < n; i++) {
        vs_task *t = calloc(1, sizeof *t);
        if (t == NULL) return vs_fail(diag, VS_ERR_NOMEM, "network: out of memory");
        *t = (vs_task){.edge = edge, .state = RECEIVING, .conn = i};
        int rv = nng_ctx_open(&t->ctx, edge->socket);
        if (rv == 0) rv = nng_aio_alloc(&t->aio, vs_edge_on_theirs, t);
        if (rv != 0) { /* the context goes with its socket */
            free(t);
            return vs_nng_fail(diag, "network", "make a context", rv);
        }
        edge->theirs[edge->n_theirs++] = t;
        vs_edge_await_request(t);
    }
    return VS_OK;
}

vs_err vs_edge_new(vs_edge **out, const char *listen_address, uint32_t max_inflight, vs_diag *diag)
{
    return vs_edge_new_tls(out, listen_address, max_inflight, NULL, diag);
}

vs_err vs_edge_new_tls(vs_edge **out, const char *listen_address, uint32_t max_inflight,
                       const vs_tls *tls, vs_diag *diag)
{
    VS_ASSERT(max_inflight >= 1 && max_inflight <= VS_EDGE_CONTEXTS_MAX);
    *out = NULL;
    vs_edge *edge = calloc(1, sizeof *edge);
    if (edge == NULL) return vs_fail(diag, VS_ERR_NOMEM, "network: out of memory");
    edge->tls = tls;
    (void)pthread_mutex_init(&edge->mutex, NULL);
    vs_err err = vs_queue_init(&edge->queue, diag);
    if (err == VS_OK && listen_address != NULL && vs_gate_is_address(listen_address)) {
        err = vs_gate_new(&edge->gate, &edge->queue, listen_address, tls, NULL, diag);
    } else if (err == VS_OK && listen_address != NULL) {
        err = listen_on(edge, listen_address, diag);
        if (err == VS_OK) err = open_contexts(edge, max_inflight, diag);
    }
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
    vs_peer *p = calloc(1, sizeof *p);
    if (p == NULL) return vs_fail(diag, VS_ERR_NOMEM, "network: out of memory");
    p->edge = edge;
    int rv = nng_req0_open(&p->socket);
    if (rv != 0) {
        free(p);
        return vs_nng_fail(diag, address, "open a socket", rv);
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
    err = rv == 0 ? vs_edge_tls_dialer(p->dialer, address, edge->tls, diag)
                  : vs_nng_fail(diag, address, "prepare a connection", rv);
    if (err != VS_OK) {
        (void)nng_close(p->socket);
        free(p);
        return err;
    }
    edge->peers[peer_id] = p;
    return VS_OK;
}

static void free_task(vs_task *t)
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
        vs_peer *p = edge->peers[i];
        for (vs_task *t = p == NULL ? NULL : p->tasks; t != NULL; t = t->next) {
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

/* Connections of ours that are up, as far as nng has told: cheaper to ask than is_held. */
static bool has_pipes(vs_edge *edge)
{
    bool has = false;
    (void)pthread_mutex_lock(&edge->mutex);
    has |= edge->n_pipes > 0;
    for (uint32_t i = 0; i < VS_PEERS_MAX; i++) {
        has |= edge->peers[i] != NULL && edge->peers[i]->n_pipes > 0;
    }
    (void)pthread_mutex_unlock(&edge->mutex);
    return has;
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
        vs_peer *p = edge->peers[i];
        if (p == NULL) continue;
        dialled |= p->dialled;
        for (vs_task *t = p->tasks; t != NULL; t = t->next) {
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
        vs_peer *p = edge->peers[i];
        for (vs_task *t = p == NULL ? NULL : p->tasks; t != NULL; t = t->next) nng_aio_stop(t->aio);
        if (p != NULL) (void)nng_dialer_close(p->dialer);
    }
    if (edge->listens) (void)nng_listener_close(edge->listener);
    wait_while(has_pipes, edge, CLOSE_MS);
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
    vs_gate_stop(edge->gate);
    if (!stop_everything(edge)) return; /* its callbacks may still come: leave the memory alone */
    for (vs_queue_node *node; (node = vs_queue_take(&edge->queue)) != NULL;) {
        vs_task *t = node->of_gate ? NULL : (vs_task *)node;
        if (t != NULL && t->aio == NULL) free_task(t);
    }
    free(edge->current_body.p);
    vs_gate_free(edge->gate);
    for (uint32_t i = 0; i < edge->n_theirs; i++) free_task(edge->theirs[i]);
    for (uint32_t i = 0; i < VS_PEERS_MAX; i++) {
        vs_peer *p = edge->peers[i];
        for (vs_task *t = p == NULL ? NULL : p->tasks, *next; t != NULL; t = next) {
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
