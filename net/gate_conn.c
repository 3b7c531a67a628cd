/* One connection of the gate: greeting, requests in, replies out (net/gate_impl.h). */
#include <stdlib.h>
#include <string.h>

#include "net/gate_impl.h"
#include "net/wire.h"

enum {
    BODY_FIRST = 65536, /* bytes taken for a body before any of it has come */
    BODY_FACTOR = 4,    /* then so many times what has come */

};

static const uint8_t our_hello[GATE_HELLO_BYTES] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};   /* REP */
static const uint8_t their_hello[GATE_HELLO_BYTES] = {0, 'S', 'P', 0, 0, 0x30, 0, 0}; /* REQ */

/* --- ends ----------------------------------------------------------------------------------------
 */

static void drop_body(vs_gate *gate, vs_gate_body *body)
{
    free(body->p);
    gate->counts.body_bytes -= body->cap;
    *body = (vs_gate_body){0};
}

static void drop_reply(vs_gate *gate, gate_req *r)
{
    gate->counts.reply_bytes -= r->reply.len;
    vs_buf_free(&r->reply);
    r->reply = (vs_buf){0};
    r->state = GATE_FREE;
}

bool vs_gate_conn_is_quiet(const gate_conn *c)
{
    for (uint32_t i = 0; i < VS_GATE_SLOTS; i++) {
        if (c->req[i].state != GATE_FREE) return false;
    }
    return !c->tx_busy;
}

/* Once nothing is under way. What is queued goes when the role takes it. */
static nng_stream *finish(gate_conn *c)
{
    vs_gate *gate = c->gate;
    nng_stream *stream = c->stream;
    if (!c->closing || c->rx_busy || c->tx_busy || stream == NULL) return NULL;
    drop_body(gate, &c->body);
    for (uint32_t i = 0; i < VS_GATE_SLOTS; i++) {
        gate_req *r = &c->req[i];
        if (r->state == GATE_REPLY) drop_reply(gate, r);
        if (r->state == GATE_HELD) r->state = GATE_FREE;
    }
    c->stream = NULL;
    c->sending = NULL;
    c->gen++;
    gate->counts.connections--;
    vs_gate_host_left(gate, c->host);
    return stream;
}

nng_stream *vs_gate_conn_close(gate_conn *c)
{
    if (c->stream == NULL) return NULL;
    if (!c->closing) {
        if (c->phase == GATE_NO_ROOM) c->gate->n_no_room--;
        c->phase = GATE_FULL;
        c->closing = true;
        nng_stream_close(c->stream);
        if (c->rx_busy) nng_aio_abort(c->rx, NNG_ECANCELED);
        if (c->tx_busy) nng_aio_abort(c->tx, NNG_ECANCELED);
    }
    return finish(c);
}

/* After an operation was begun: nng 1.5.2 keeps one that is begun on a stream that was closed a
 * moment before, and never ends it. */
static void end_if_closed(gate_conn *c)
{
    (void)pthread_mutex_lock(&c->gate->mutex);
    if (c->closing && c->rx_busy) nng_aio_abort(c->rx, NNG_ECANCELED);
    if (c->closing && c->tx_busy) nng_aio_abort(c->tx, NNG_ECANCELED);
    (void)pthread_mutex_unlock(&c->gate->mutex);
}

/* --- sending -------------------------------------------------------------------------------------
 */

/* The next reply, if one waits and nothing is being sent. */
static bool prepare_tx(gate_conn *c)
{
    gate_req *next = NULL;
    if (c->closing || c->tx_busy) return false;
    for (uint32_t i = 0; i < VS_GATE_SLOTS; i++) {
        gate_req *r = &c->req[i];
        if (r->state == GATE_REPLY && (next == NULL || r->order < next->order)) next = r;
    }
    if (next == NULL) return false;
    uint64_t length = next->reply.len + 4;
    for (uint32_t i = 0; i < 8; i++) c->tx_head[i] = (uint8_t)(length >> (56 - 8 * i));
    for (uint32_t i = 0; i < 4; i++) c->tx_head[8 + i] = (uint8_t)(next->id >> (24 - 8 * i));
    c->tx_head_len = GATE_HEAD_BYTES;
    c->tx_sent = 0;
    c->sending = next;
    c->tx_since_ms = vs_gate_now_ms();
    c->tx_deadline_ms =
        c->tx_since_ms + c->gate->limits.reply_ms + length / c->gate->limits.bytes_per_ms;
    c->tx_busy = true;
    return true;
}

/* tx_busy is set, so all of this is ours. */
static void send_on(gate_conn *c)
{
    nng_iov iov[2];
    unsigned n = 0;
    size_t sent = c->tx_sent;
    if (sent < c->tx_head_len) {
        iov[n++] = (nng_iov){c->tx_head + sent, c->tx_head_len - sent};
        sent = c->tx_head_len;
    }
    size_t at = sent - c->tx_head_len;
    if (c->sending != NULL && at < c->sending->reply.len) {
        iov[n++] = (nng_iov){c->sending->reply.p + at, c->sending->reply.len - at};
    }
    (void)nng_aio_set_iov(c->tx, n, iov);
    nng_stream_send(c->stream, c->tx);
    end_if_closed(c);
}

static bool may_read(const gate_conn *c)
{
    bool free_slot = false;
    for (uint32_t i = 0; i < VS_GATE_SLOTS; i++) {
        if (c->req[i].state == GATE_REPLY) return false;
        free_slot |= c->req[i].state == GATE_FREE;
    }
    return free_slot;
}

/* Read on after a pause, if nothing is in the way any more. */
static bool leave_full(gate_conn *c)
{
    if (c->closing || c->phase != GATE_FULL || c->rx_busy || !may_read(c)) return false;
    c->phase = GATE_HEAD;
    c->since_ms = vs_gate_now_ms();
    c->deadline_ms = c->since_ms + c->gate->limits.idle_ms;
    vs_gate_conn_prepare_rx(c);
    return true;
}

void vs_gate_on_tx(void *conn)
{
    gate_conn *c = conn;
    vs_gate *gate = c->gate;
    nng_stream *gone = NULL;
    bool send = false, receive = false;
    int rv = nng_aio_result(c->tx);
    size_t n = nng_aio_count(c->tx);
    (void)pthread_mutex_lock(&gate->mutex);
    c->tx_busy = false;
    c->tx_sent += n;
    size_t total = c->tx_head_len + (c->sending != NULL ? c->sending->reply.len : 0);
    if (rv != 0 || c->closing) {
        gone = vs_gate_conn_close(c);
    } else if (c->tx_sent < total) {
        send = c->tx_busy = true;
    } else {
        if (c->sending != NULL) drop_reply(gate, c->sending);
        c->sending = NULL;
        send = prepare_tx(c);
        receive = !send && leave_full(c);
    }
    (void)pthread_mutex_unlock(&gate->mutex);
    if (send) send_on(c);
    if (receive) vs_gate_conn_receive(c);
    if (gone != NULL) nng_stream_free(gone);
}

/* --- receiving -----------------------------------------------------------------------------------
 */

void vs_gate_conn_prepare_rx(gate_conn *c)
{
    c->rx_busy = true;
}

/* rx_busy is set, so what is received into is ours. */
void vs_gate_conn_receive(gate_conn *c)
{
    nng_iov iov;
    if (c->phase == GATE_BODY) {
        iov = (nng_iov){c->body.p + c->body_got, c->body.cap - c->body_got};
    } else {
        size_t want = c->phase == GATE_HELLO ? GATE_HELLO_BYTES : GATE_HEAD_BYTES;
        iov = (nng_iov){c->head + c->head_got, want - c->head_got};
    }
    (void)nng_aio_set_iov(c->rx, 1, &iov);
    nng_stream_recv(c->stream, c->rx);
    end_if_closed(c);
}

bool vs_gate_conn_grow(gate_conn *c)
{
    vs_gate *gate = c->gate;
    size_t cap = c->body.cap == 0 ? BODY_FIRST : c->body.cap * BODY_FACTOR;
    if (cap > c->body.len) cap = c->body.len;
    if (gate->counts.body_bytes + (cap - c->body.cap) > gate->limits.bodies) return false;
    uint8_t *grown = realloc(c->body.p, cap);
    if (grown == NULL) return false; /* as if there were no room: it waits */
    gate->counts.body_bytes += cap - c->body.cap;
    c->body.p = grown;
    c->body.cap = cap;
    return true;
}

/* The whole message is here. */
static bool deliver(gate_conn *c)
{
    vs_gate *gate = c->gate;
    gate_req *r = NULL;
    for (uint32_t i = 0; i < VS_GATE_SLOTS && r == NULL; i++) {
        if (c->req[i].state == GATE_FREE) r = &c->req[i];
    }
    VS_ASSERT(r != NULL); /* it is read only when there is one */
    *r = (gate_req){.node = {.of_gate = true},
                    .conn = c,
                    .gen = c->gen,
                    .order = gate->counts.requests,
                    .state = GATE_QUEUED,
                    .id = c->id,
                    .body = c->body};
    c->body = (vs_gate_body){0};
    c->body_got = c->head_got = 0;
    c->phase = GATE_FULL;
    gate->counts.requests++;
    vs_queue_add(gate->queue, &r->node);
    return leave_full(c);
}

/* More of the body is to come: true to read on, false to wait for memory. */
static bool await_body(gate_conn *c)
{
    c->phase = GATE_BODY;
    if (c->body_got < c->body.cap || vs_gate_conn_grow(c)) {
        vs_gate_conn_prepare_rx(c);
        return true;
    }
    c->phase = GATE_NO_ROOM;
    c->gate->n_no_room++;
    return false;
}

/* Length and id of a request. False: not one of ours. */
static bool read_head(gate_conn *c)
{
    uint64_t length = 0;
    c->id = 0;
    for (uint32_t i = 0; i < 8; i++) length = length << 8 | c->head[i];
    for (uint32_t i = 8; i < GATE_HEAD_BYTES; i++) c->id = c->id << 8 | c->head[i];
    /* The highest bit marks the last id of a path: there are no devices in between. */
    if (length < 4 || length - 4 > VS_WIRE_MESSAGE_MAX || c->id >> 31 == 0) return false;
    c->body.len = (size_t)(length - 4);
    c->body_got = 0;
    c->deadline_ms += length / c->gate->limits.bytes_per_ms;
    return true;
}

/* n bytes have come. *good = false: what came is no protocol. True: read on. */
static bool take_bytes(gate_conn *c, size_t n, bool *good)
{
    const vs_gate_limits *limits = &c->gate->limits;
    *good = true;
    if (c->phase == GATE_BODY) {
        c->body_got += n;
        return c->body_got == c->body.len ? deliver(c) : await_body(c);
    }
    if (c->phase == GATE_HEAD && c->head_got == 0) {
        c->since_ms = vs_gate_now_ms();
        c->deadline_ms = c->since_ms + limits->message_ms;
    }
    c->head_got += n;
    if (c->head_got < (c->phase == GATE_HELLO ? GATE_HELLO_BYTES : GATE_HEAD_BYTES)) {
        vs_gate_conn_prepare_rx(c);
        return true;
    }
    if (c->phase == GATE_HELLO) {
        *good = memcmp(c->head, their_hello, sizeof their_hello) == 0;
        c->head_got = 0;
        c->phase = GATE_FULL;
        return *good && leave_full(c);
    }
    *good = read_head(c);
    if (!*good) return false;
    return c->body.len == 0 ? deliver(c) : await_body(c);
}

void vs_gate_on_rx(void *conn)
{
    gate_conn *c = conn;
    vs_gate *gate = c->gate;
    nng_stream *gone = NULL, *other = NULL;
    bool receive = false, good = true;
    int rv = nng_aio_result(c->rx);
    size_t n = nng_aio_count(c->rx);
    (void)pthread_mutex_lock(&gate->mutex);
    c->rx_busy = false;
    if (rv == 0 && n > 0 && !c->closing) {
        receive = take_bytes(c, n, &good);
    } else {
        good = false;
    }
    if (!good) gone = vs_gate_conn_close(c);
    if (good && c->phase == GATE_NO_ROOM) other = vs_gate_make_room(gate);
    bool waiting = gate->n_no_room > 0;
    (void)pthread_mutex_unlock(&gate->mutex);
    if (receive) vs_gate_conn_receive(c);
    if (gone != NULL) nng_stream_free(gone);
    if (other != NULL) nng_stream_free(other);
    if (waiting && (gone != NULL || other != NULL)) vs_gate_resume(gate);
}

void vs_gate_conn_begin(gate_conn *c)
{
    vs_gate *gate = c->gate;
    (void)pthread_mutex_lock(&gate->mutex);
    c->phase = GATE_HELLO;
    c->head_got = 0;
    c->since_ms = c->tx_since_ms = vs_gate_now_ms();
    c->deadline_ms = c->tx_deadline_ms = c->since_ms + gate->limits.hello_ms;
    memcpy(c->tx_head, our_hello, sizeof our_hello);
    c->tx_head_len = sizeof our_hello;
    c->tx_sent = 0;
    c->rx_busy = c->tx_busy = true;
    (void)pthread_mutex_unlock(&gate->mutex);
    send_on(c);
    vs_gate_conn_receive(c);
}

/* --- the role's end ------------------------------------------------------------------------------
 */

/* Without place and slot, which are the lowest 16 bits. */
static uint64_t conn_name(const gate_conn *c)
{
    return VS_GATE_CONN | (c->gen << 16 & (VS_GATE_CONN - 1));
}

bool vs_gate_take(vs_gate *gate, vs_queue_node *node, vs_event *event, vs_gate_body *body)
{
    gate_req *r = (gate_req *)node;
    gate_conn *c = r->conn;
    (void)pthread_mutex_lock(&gate->mutex);
    bool there = r->gen == c->gen && !c->closing;
    if (there) {
        uint64_t place = (uint64_t)(c - gate->conns), slot = (uint64_t)(r - c->req);
        uint64_t at = place * VS_GATE_SLOTS + slot;
        *body = r->body;
        *event = (vs_event){
            .kind = VS_EVENT_REQUEST, .conn = conn_name(c) | at, .msg = body->p, .len = body->len};
        r->body = (vs_gate_body){0};
        r->state = GATE_HELD;
        r->since_ms = vs_gate_now_ms();
    } else {
        drop_body(gate, &r->body);
        r->state = GATE_FREE;
    }
    (void)pthread_mutex_unlock(&gate->mutex);
    return there;
}

void vs_gate_release(vs_gate *gate, vs_gate_body *body)
{
    if (body->p == NULL) return;
    (void)pthread_mutex_lock(&gate->mutex);
    drop_body(gate, body);
    bool waiting = gate->n_no_room > 0;
    (void)pthread_mutex_unlock(&gate->mutex);
    if (waiting) vs_gate_resume(gate);
}

/* Replies that nobody takes are given up, the oldest first. */
static nng_stream *drop_slowest(vs_gate *gate, uint64_t now)
{
    gate_conn *slowest = NULL;
    if (gate->counts.reply_bytes <= VS_GATE_REPLIES_MAX) return NULL;
    for (uint32_t i = 0; i < gate->n_used; i++) {
        gate_conn *c = &gate->conns[i];
        if (c->stream == NULL || c->closing || !c->tx_busy || c->sending == NULL) continue;
        if (now - c->tx_since_ms < gate->limits.patience_ms) continue;
        if (slowest == NULL || c->tx_since_ms < slowest->tx_since_ms) slowest = c;
    }
    if (slowest == NULL) return NULL;
    gate->counts.evicted++;
    return vs_gate_conn_close(slowest);
}

void vs_gate_reply(vs_gate *gate, uint64_t conn, vs_buf *msg)
{
    uint64_t at = conn & 0xffff, place = at / VS_GATE_SLOTS;
    nng_stream *gone = NULL, *self = NULL;
    bool send = false;
    VS_ASSERT(place < gate->n_places);
    gate_conn *c = &gate->conns[place];
    gate_req *r = &c->req[at % VS_GATE_SLOTS];
    (void)pthread_mutex_lock(&gate->mutex);
    bool ours = conn_name(c) == (conn & ~UINT64_C(0xffff));
    if (ours && !c->closing && r->state == GATE_HELD && r->gen == c->gen) {
        r->reply = *msg;
        *msg = (vs_buf){0};
        r->state = GATE_REPLY;
        gate->counts.reply_bytes += r->reply.len;
        gone = drop_slowest(gate, vs_gate_now_ms());
        if (gate->counts.reply_bytes > VS_GATE_REPLIES_MAX && gone == NULL && c->tx_busy) {
            self = vs_gate_conn_close(c);
        }
        send = prepare_tx(c);
    }
    (void)pthread_mutex_unlock(&gate->mutex);
    if (send) send_on(c);
    if (gone != NULL) nng_stream_free(gone);
    if (self != NULL) nng_stream_free(self);
}
