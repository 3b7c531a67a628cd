#include "net/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>

#include "net/address.h"
#include "net/edge_impl.h"
#include "net/gate_impl.h"
#include "net/nng_error.h"
#include "net/wire.h"

enum {
    PAUSE_MS = 100, /* when no descriptors are left */
    LOOK_MS = 50,
    EXPIRE_MAX = 256,    /* connections closed by one look */
    HOLD_MAX_MS = 60000, /* a request that its role never answered is dropped */
    QUIET_MS = 250,      /* for replies under way when the gate is freed */
    STEP_MS = 5,
    FILES_KEPT = 192, /* for everything that is not a connection */
};

uint64_t vs_gate_now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

bool vs_gate_is_address(const char *address)
{
    return strncmp(address, "tcp://", 6) == 0 || vs_tls_is_address(address);
}

/* --- hosts ---------------------------------------------------------------------------------------
 */

/* An IPv4 address, or the network half of an IPv6 address: one party has all of the other half. */
static uint64_t host_of(nng_stream *stream)
{
    nng_sockaddr a;
    uint64_t host = 0;
    if (nng_stream_get_addr(stream, NNG_OPT_REMADDR, &a) != 0) return 0;
    if (a.s_family == NNG_AF_INET) return UINT64_C(1) << 32 | a.s_in.sa_addr;
    if (a.s_family == NNG_AF_INET6) memcpy(&host, a.s_in6.sa_addr, sizeof host);
    return host;
}

static gate_host *find_host(vs_gate *gate, uint64_t host)
{
    for (uint32_t i = 0; i < gate->n_hosts; i++) {
        if (gate->hosts[i].host == host) return &gate->hosts[i];
    }
    return NULL;
}

static void host_came(vs_gate *gate, uint64_t host)
{
    gate_host *h = find_host(gate, host);
    if (h == NULL) {
        h = &gate->hosts[gate->n_hosts++];
        *h = (gate_host){.host = host};
    }
    h->n++;
}

void vs_gate_host_left(vs_gate *gate, uint64_t host)
{
    gate_host *h = find_host(gate, host);
    VS_ASSERT(h != NULL && h->n > 0);
    if (--h->n == 0) *h = gate->hosts[--gate->n_hosts];
}

/* --- room ----------------------------------------------------------------------------------------
 */

/* Of the host with the most connections the one that was quiet longest; one that is busy only if
 * all of them are. */
static gate_conn *find_victim(vs_gate *gate, const gate_conn *newest)
{
    gate_conn *victim = NULL;
    uint32_t most = 0;
    bool victim_quiet = false;
    for (uint32_t i = 0; i < gate->n_hosts; i++) {
        if (gate->hosts[i].n > most) most = gate->hosts[i].n;
    }
    for (uint32_t i = 0; i < gate->n_used; i++) {
        gate_conn *c = &gate->conns[i];
        if (c->stream == NULL || c->closing || c == newest) continue;
        const gate_host *host = find_host(gate, c->host);
        VS_ASSERT(host != NULL); /* every open connection is counted */
        if (host->n < most) continue;
        bool quiet = vs_gate_conn_is_quiet(c);
        if (victim != NULL && victim_quiet && !quiet) continue;
        if (victim == NULL || quiet != victim_quiet || c->since_ms < victim->since_ms) {
            victim = c;
            victim_quiet = quiet;
        }
    }
    return victim;
}

nng_stream *vs_gate_make_room(vs_gate *gate)
{
    uint64_t now = vs_gate_now_ms();
    gate_conn *oldest = NULL;
    for (uint32_t i = 0; i < gate->n_used; i++) {
        gate_conn *c = &gate->conns[i];
        bool coming = c->phase == GATE_BODY || c->phase == GATE_NO_ROOM;
        if (c->stream == NULL || c->closing || !coming || c->body.cap == 0) continue;
        if (oldest == NULL || c->since_ms < oldest->since_ms) oldest = c;
    }
    if (oldest == NULL || now - oldest->since_ms < gate->limits.patience_ms) return NULL;
    gate->counts.evicted++;
    return vs_gate_conn_close(oldest);
}

/* The one that waits for longest and can go on. */
static gate_conn *next_with_room(vs_gate *gate)
{
    gate_conn *oldest = NULL;
    for (uint32_t i = 0; i < gate->n_used; i++) {
        gate_conn *c = &gate->conns[i];
        if (c->stream == NULL || c->closing || c->phase != GATE_NO_ROOM) continue;
        if (oldest == NULL || c->since_ms < oldest->since_ms) oldest = c;
    }
    return oldest != NULL && vs_gate_conn_grow(oldest) ? oldest : NULL;
}

void vs_gate_resume(vs_gate *gate)
{
    for (;;) {
        (void)pthread_mutex_lock(&gate->mutex);
        gate_conn *c = gate->n_no_room > 0 ? next_with_room(gate) : NULL;
        if (c != NULL) {
            gate->n_no_room--;
            c->phase = GATE_BODY;
            vs_gate_conn_prepare_rx(c);
        }
        (void)pthread_mutex_unlock(&gate->mutex);
        if (c == NULL) return;
        vs_gate_conn_receive(c);
    }
}

/* --- deadlines -----------------------------------------------------------------------------------
 */

static bool is_late(const gate_conn *c, uint64_t now)
{
    if (c->stream == NULL || c->closing) return false;
    if (c->phase != GATE_FULL && now >= c->deadline_ms) return true;
    if (c->tx_busy && now >= c->tx_deadline_ms) return true;
    for (uint32_t i = 0; i < VS_GATE_SLOTS; i++) {
        const gate_req *r = &c->req[i];
        if (r->state == GATE_HELD && now >= r->since_ms + HOLD_MAX_MS) return true;
    }
    return false;
}

/* Close one that is late, from place *at on. False: there is none. */
static bool close_late(vs_gate *gate, uint32_t *at, uint64_t now)
{
    nng_stream *gone = NULL;
    (void)pthread_mutex_lock(&gate->mutex);
    while (*at < gate->n_used && !is_late(&gate->conns[*at], now)) (*at)++;
    bool found = *at < gate->n_used;
    if (found) {
        gate->counts.expired++;
        gone = vs_gate_conn_close(&gate->conns[*at]);
        (*at)++;
    }
    (void)pthread_mutex_unlock(&gate->mutex);
    if (gone != NULL) nng_stream_free(gone);
    return found;
}

/* As long as bodies wait for memory: the oldest go, and what can go on does. */
static void relieve(vs_gate *gate)
{
    for (uint32_t n = 0; n < EXPIRE_MAX; n++) {
        (void)pthread_mutex_lock(&gate->mutex);
        nng_stream *gone = NULL;
        uint64_t evicted = gate->counts.evicted;
        if (gate->n_no_room > 0) gone = vs_gate_make_room(gate);
        bool more = gate->counts.evicted != evicted;
        (void)pthread_mutex_unlock(&gate->mutex);
        if (gone != NULL) nng_stream_free(gone);
        if (!more) return;
        vs_gate_resume(gate);
    }
}

void vs_gate_look(vs_gate *gate)
{
    uint64_t now = vs_gate_now_ms();
    if (now - gate->looked_ms < LOOK_MS) return;
    gate->looked_ms = now;
    for (uint32_t at = 0, n = 0; n < EXPIRE_MAX && close_late(gate, &at, now); n++) continue;
    vs_gate_resume(gate);
    relieve(gate);
}

vs_gate_counts vs_gate_count(vs_gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    vs_gate_counts counts = gate->counts;
    (void)pthread_mutex_unlock(&gate->mutex);
    return counts;
}

/* --- accepting -----------------------------------------------------------------------------------
 */

static bool is_free(const gate_conn *c)
{
    if (c->stream != NULL) return false;
    for (uint32_t i = 0; i < VS_GATE_SLOTS; i++) {
        if (c->req[i].state != GATE_FREE) return false; /* in the queue still */
    }
    return true;
}

static bool make_aios(gate_conn *c)
{
    if (c->rx == NULL && nng_aio_alloc(&c->rx, vs_gate_on_rx, c) != 0) return false;
    return c->tx != NULL || nng_aio_alloc(&c->tx, vs_gate_on_tx, c) == 0;
}

/* A place for this stream, or NULL. *gone: a stream to free, of the one that made room. */
static gate_conn *take_place(vs_gate *gate, nng_stream *stream, nng_stream **gone)
{
    gate_conn *place = NULL;
    uint64_t host = host_of(stream);
    (void)pthread_mutex_lock(&gate->mutex);
    for (uint32_t i = 0; i < gate->n_places && place == NULL; i++) {
        if (is_free(&gate->conns[i])) place = &gate->conns[i];
    }
    gate->counts.accepted++;
    if (place == NULL || gate->closing || !make_aios(place)) {
        gate->counts.refused++;
        place = NULL;
    } else {
        uint32_t at = (uint32_t)(place - gate->conns);
        if (at >= gate->n_used) gate->n_used = at + 1;
        place->stream = stream;
        place->closing = false;
        place->phase = GATE_FULL;
        place->since_ms = vs_gate_now_ms();
        place->host = host;
        host_came(gate, host);
        gate->counts.connections++;
    }
    if (gate->counts.connections > gate->limits.connections) {
        gate_conn *victim = find_victim(gate, place);
        if (victim != NULL) {
            gate->counts.evicted++;
            *gone = vs_gate_conn_close(victim);
        }
    }
    (void)pthread_mutex_unlock(&gate->mutex);
    return place;
}

static void on_accept(void *arg)
{
    vs_gate *gate = arg;
    int rv = nng_aio_result(gate->accept_aio);
    bool was_pause = gate->pausing;
    nng_stream *gone = NULL;
    gate->pausing = false;
    if (rv == 0 && !was_pause) {
        nng_stream *stream = nng_aio_get_output(gate->accept_aio, 0);
        gate_conn *c = take_place(gate, stream, &gone);
        if (c != NULL) {
            vs_gate_conn_begin(c);
        } else {
            nng_stream_free(stream);
        }
        if (gone != NULL) nng_stream_free(gone);
    }
    (void)pthread_mutex_lock(&gate->mutex);
    bool closing = gate->closing;
    (void)pthread_mutex_unlock(&gate->mutex);
    if (closing || rv == NNG_ECLOSED || rv == NNG_ECANCELED) return;
    gate->pausing = rv != 0;
    if (rv != 0) {
        nng_sleep_aio(PAUSE_MS, gate->accept_aio);
    } else {
        nng_stream_listener_accept(gate->listener, gate->accept_aio);
    }
}

/* --- opening and closing -------------------------------------------------------------------------
 */

static void set(uint32_t *limit, uint32_t fallback)
{
    if (*limit == 0) *limit = fallback;
}

static void set_limits(vs_gate *gate, const vs_gate_limits *limits)
{
    struct rlimit files;
    if (limits != NULL) gate->limits = *limits;
    set(&gate->limits.connections, VS_GATE_CONNECTIONS_MAX);
    set(&gate->limits.bodies, VS_GATE_BODIES_MAX);
    set(&gate->limits.hello_ms, 10000);
    set(&gate->limits.idle_ms, 300000);
    set(&gate->limits.message_ms, 15000);
    set(&gate->limits.reply_ms, 15000);
    set(&gate->limits.bytes_per_ms, 64);
    set(&gate->limits.patience_ms, 500);
    VS_ASSERT(gate->limits.bodies >= VS_WIRE_MESSAGE_MAX);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
        rlim_t most =
            files.rlim_cur > (rlim_t)2 * FILES_KEPT ? files.rlim_cur - FILES_KEPT : FILES_KEPT;
        if (gate->limits.connections > most) gate->limits.connections = (uint32_t)most;
    }
}

static vs_err make_places(vs_gate *gate)
{
    gate->n_places = gate->limits.connections + GATE_SPARE;
    gate->conns = calloc(gate->n_places, sizeof *gate->conns);
    gate->hosts = calloc(gate->n_places, sizeof *gate->hosts);
    if (gate->conns == NULL || gate->hosts == NULL) return VS_ERR_NOMEM;
    for (uint32_t i = 0; i < gate->n_places; i++) {
        gate->conns[i].gate = gate;
        for (uint32_t k = 0; k < VS_GATE_SLOTS; k++) gate->conns[i].req[k].conn = &gate->conns[i];
    }
    return nng_aio_alloc(&gate->accept_aio, on_accept, gate) == 0 ? VS_OK : VS_ERR_NOMEM;
}

static vs_err listen_on(vs_gate *gate, const char *address, const vs_tls *tls, vs_diag *diag)
{
    int rv = nng_stream_listener_alloc(&gate->listener, address);
    if (rv != 0) return vs_nng_fail(diag, address, "make a listener", rv);
    vs_err err = vs_edge_tls_stream(gate->listener, address, tls, diag);
    if (err != VS_OK) return err;
    /* Half-open connections are found by the system; not every stream knows these. */
    (void)nng_stream_listener_set_bool(gate->listener, NNG_OPT_TCP_KEEPALIVE, true);
    (void)nng_stream_listener_set_bool(gate->listener, NNG_OPT_TCP_NODELAY, true);
    rv = nng_stream_listener_listen(gate->listener);
    if (rv != 0) return vs_nng_fail(diag, address, "listen", rv);
    nng_stream_listener_accept(gate->listener, gate->accept_aio);
    return VS_OK;
}

vs_err vs_gate_new(vs_gate **out, vs_queue *queue, const char *address, const vs_tls *tls,
                   const vs_gate_limits *limits, vs_diag *diag)
{
    *out = NULL;
    vs_err err = vs_address_check(address, diag);
    if (err != VS_OK) return err;
    vs_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", address);
    (void)pthread_mutex_init(&gate->mutex, NULL);
    gate->queue = queue;
    set_limits(gate, limits);
    err = make_places(gate);
    if (err != VS_OK) (void)vs_fail(diag, err, "%s: out of memory", address);
    if (err == VS_OK) err = listen_on(gate, address, tls, diag);
    if (err != VS_OK) {
        vs_gate_stop(gate);
        vs_gate_free(gate);
        return err;
    }
    *out = gate;
    return VS_OK;
}

static bool is_sending(vs_gate *gate)
{
    bool sending = false;
    (void)pthread_mutex_lock(&gate->mutex);
    for (uint32_t i = 0; i < gate->n_places; i++) sending |= gate->conns[i].sending != NULL;
    (void)pthread_mutex_unlock(&gate->mutex);
    return sending;
}

static void stop_conn(gate_conn *c)
{
    (void)pthread_mutex_lock(&c->gate->mutex);
    nng_stream *gone = vs_gate_conn_close(c);
    (void)pthread_mutex_unlock(&c->gate->mutex);
    if (gone != NULL) nng_stream_free(gone);
    if (c->rx != NULL) nng_aio_stop(c->rx); /* their callbacks have returned, */
    if (c->tx != NULL) nng_aio_stop(c->tx); /* and the last one has freed the stream */
}

void vs_gate_stop(vs_gate *gate)
{
    if (gate == NULL) return;
    (void)pthread_mutex_lock(&gate->mutex);
    gate->closing = true;
    (void)pthread_mutex_unlock(&gate->mutex);
    if (gate->listener != NULL) nng_stream_listener_close(gate->listener);
    if (gate->accept_aio != NULL) nng_aio_stop(gate->accept_aio);
    if (gate->conns == NULL) return;
    for (int waited = 0; waited < QUIET_MS && is_sending(gate); waited += STEP_MS) {
        nng_msleep(STEP_MS);
    }
    for (uint32_t i = 0; i < gate->n_places; i++) stop_conn(&gate->conns[i]);
}

void vs_gate_free(vs_gate *gate)
{
    if (gate == NULL) return;
    for (uint32_t i = 0; gate->conns != NULL && i < gate->n_places; i++) {
        gate_conn *c = &gate->conns[i];
        if (c->rx != NULL) nng_aio_free(c->rx);
        if (c->tx != NULL) nng_aio_free(c->tx);
        for (uint32_t k = 0; k < VS_GATE_SLOTS; k++) free(c->req[k].body.p);
    }
    if (gate->accept_aio != NULL) nng_aio_free(gate->accept_aio);
    if (gate->listener != NULL) nng_stream_listener_free(gate->listener);
    free(gate->conns);
    free(gate->hosts);
    (void)pthread_mutex_destroy(&gate->mutex);
    free(gate);
}
