#include "net/local.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fl/draw.h"
#include "ledger/log.h"
#include "net/aggregator.h"
#include "net/shareholder.h"

enum {
    TICK_MS = 100,
    PATIENCE_MS = 3600 * 1000,
    PATH_BYTES = 4096,
    CALLS_MAX = 8 * VS_SHAREHOLDERS_MAX + 64, /* under way at once */
};

/* Who sends: the aggregator, a shareholder by its number, or */
#define CLIENT (VS_PEERS_MAX)
#define ADMIN (VS_PEERS_MAX + 1)

/* A request that waits for its reply. `conn` is its place in the table and a number of its own. */
typedef struct call {
    uint64_t conn; /* 0: free */
    uint32_t from, to;
    uint64_t tag;
} call;

/* A message under way. */
typedef struct message {
    uint64_t conn;
    bool is_reply;
    vs_buf bytes;
} message;

/* A stream of random bytes from a seed. */
typedef struct seeded {
    vs_draw draw;
} seeded;

struct vs_local {
    vs_federation *fed;
    char folder[PATH_BYTES];
    uint32_t n_clients;
    uint64_t seed, now_ms, submissions;
    bool keep_on_disk;
    vs_keys *admin, *aggregator_keys, *shareholder_keys[VS_SHAREHOLDERS_MAX];
    vs_log *log;
    vs_aggregator *aggregator;
    vs_shareholder *shareholder[VS_SHAREHOLDERS_MAX]; /* [j - 1] */
    vs_store store[VS_PEERS_MAX];                     /* [0] the aggregator's */
    seeded rng[VS_PEERS_MAX];
    vs_client *client; /* the one that submits now, or NULL */
    call calls[CALLS_MAX];
    uint64_t next_conn;
    message *queue; /* owned; first in, first out: queue[head .. n) */
    size_t head, n, cap;
    vs_buf *admin_reply; /* where the admin waits for it */
    vs_local_bytes traffic;
};

/* --- randomness and keys -----------------------------------------------------------------------
 */

static vs_err seeded_fill(void *ctx, void *out, size_t len)
{
    seeded *s = ctx;
    uint8_t *p = out;
    while (len > 0) {
        uint8_t word[8];
        size_t n = len < sizeof word ? len : sizeof word;
        vs_store_le64(word, vs_draw_u64(&s->draw));
        memcpy(p, word, n);
        p += n;
        len -= n;
    }
    return VS_OK;
}

static vs_rng seeded_rng(seeded *s, uint64_t seed, uint64_t who, uint64_t what)
{
    vs_draw_init(&s->draw, vs_draw_derive(seed, who, what), VS_DRAW_PARTY);
    return (vs_rng){.fill = seeded_fill, .ctx = s};
}

/* Second letters tell the roles apart: admin, aggregator, shareholder, client. */
static vs_err make_keys(vs_keys **out, uint64_t seed, const char *role, uint32_t i, vs_diag *diag)
{
    char name[40];
    seeded s;
    vs_rng rng = seeded_rng(&s, seed, (uint64_t)(unsigned char)role[1] << 32 | i, UINT64_MAX);
    (void)snprintf(name, sizeof name, "%s-%" PRIu32, role, i);
    return vs_keys_generate(out, name, &rng, diag);
}

static void fill_party(vs_fed_party *party, const vs_keys *keys, uint32_t i)
{
    memcpy(party->name, keys->pub.name, sizeof party->name);
    party->key = keys->pub.identity;
    (void)snprintf(party->address, sizeof party->address, "inproc://veilsum-local-%" PRIu32, i);
}

/* Everybody's keys, and the federation's text read back: what every real party does. */
static vs_err make_federation(vs_local *l, const vs_federation *numbers, vs_diag *diag)
{
    vs_federation *draft = malloc(sizeof *draft);
    vs_buf text = {0};
    if (draft == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory for a federation");
    *draft = *numbers;
    draft->file = (vs_buf){0};
    vs_err err = make_keys(&l->admin, l->seed, "admin", 0, diag);
    if (err == VS_OK) err = make_keys(&l->aggregator_keys, l->seed, "aggregator", 0, diag);
    if (err == VS_OK) {
        memcpy(draft->admin_name, l->admin->pub.name, sizeof draft->admin_name);
        draft->admin_key = l->admin->pub.identity;
        fill_party(&draft->aggregator, l->aggregator_keys, 0);
        (void)snprintf(draft->origin, sizeof draft->origin, "veilsum.simulation/log");
        err = vs_note_key_make(&draft->log_key, draft->origin, VS_NOTE_ED25519,
                               &l->aggregator_keys->pub.log.public_key, diag);
    }
    for (uint32_t j = 1; err == VS_OK && j <= draft->committee.n && j <= VS_SHAREHOLDERS_MAX; j++) {
        vs_keys **keys = &l->shareholder_keys[j - 1];
        err = make_keys(keys, l->seed, "shareholder", j, diag);
        if (err == VS_OK) {
            fill_party(&draft->shareholder[j - 1].party, *keys, j);
            draft->shareholder[j - 1].cosigner_key = (*keys)->pub.cosigner;
        }
    }
    if (err == VS_OK) err = vs_federation_format(&text, draft, diag);
    if (err == VS_OK) err = vs_federation_parse(&l->fed, text.p, text.len, "simulation", diag);
    vs_buf_free(&text);
    free(draft);
    return err;
}

/* --- parties -----------------------------------------------------------------------------------
 */

static vs_err path_of(const vs_local *l, char out[PATH_BYTES], const char *name, vs_diag *diag)
{
    int len = snprintf(out, PATH_BYTES, "%s/%s", l->folder, name);
    if (len > 0 && len < PATH_BYTES) return VS_OK;
    return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", l->folder);
}

static vs_err open_store(vs_local *l, uint32_t peer, vs_diag *diag)
{
    char path[PATH_BYTES], name[32];
    if (!l->keep_on_disk) return vs_store_mem_open(&l->store[peer]);
    (void)snprintf(name, sizeof name, "state-%" PRIu32, peer);
    vs_err err = path_of(l, path, name, diag);
    return err == VS_OK ? vs_store_disk_open(&l->store[peer], path, diag) : err;
}

static void close_store(vs_local *l, uint32_t peer)
{
    if (l->store[peer].ops == NULL) return;
    if (l->keep_on_disk) {
        vs_store_disk_close(&l->store[peer]);
    } else {
        vs_store_mem_close(&l->store[peer]);
    }
}

static vs_err start_parties(vs_local *l, vs_diag *diag)
{
    char path[PATH_BYTES];
    vs_err err = path_of(l, path, VS_LOCAL_LEDGER, diag);
    if (err == VS_OK) {
        err = vs_log_create(&l->log, path, l->fed->origin, &l->fed->log_key,
                            l->aggregator_keys->log_seed, diag);
    }
    if (err == VS_OK) err = open_store(l, VS_PEER_AGGREGATOR, diag);
    if (err == VS_OK) {
        vs_rng rng = seeded_rng(&l->rng[VS_PEER_AGGREGATOR], l->seed, VS_PEER_AGGREGATOR, 0);
        err = vs_aggregator_new(&l->aggregator, l->fed, l->aggregator_keys, l->log,
                                l->store[VS_PEER_AGGREGATOR], rng, l->now_ms, diag);
    }
    for (uint32_t j = 1; err == VS_OK && j <= l->fed->committee.n; j++) {
        err = open_store(l, j, diag);
        if (err != VS_OK) break;
        vs_rng rng = seeded_rng(&l->rng[j], l->seed, j, 0);
        err = vs_shareholder_new(&l->shareholder[j - 1], l->fed, l->shareholder_keys[j - 1],
                                 l->store[j], rng, l->now_ms, diag);
    }
    return err;
}

vs_err vs_local_new(vs_local **out, const vs_local_options *o, vs_diag *diag)
{
    VS_ASSERT(out != NULL && o != NULL && o->draft != NULL && o->folder != NULL);
    VS_ASSERT(o->n_clients >= 1 && o->n_clients <= VS_LOCAL_CLIENTS_MAX);
    vs_local *l = calloc(1, sizeof *l);
    *out = NULL;
    if (l == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory for a federation");
    l->n_clients = o->n_clients;
    l->seed = o->seed;
    l->keep_on_disk = o->keep_on_disk;
    l->now_ms = UINT64_C(1700000000000); /* any: what a run writes does not tell when it ran */
    l->next_conn = 1;
    int len = snprintf(l->folder, sizeof l->folder, "%s", o->folder);
    vs_err err = len > 0 && len < (int)sizeof l->folder
                     ? VS_OK
                     : vs_fail(diag, VS_ERR_LIMIT, "%.200s: path too long", o->folder);
    if (err == VS_OK) err = make_federation(l, o->draft, diag);
    if (err == VS_OK) err = start_parties(l, diag);
    if (err != VS_OK) {
        vs_local_free(l);
        return err;
    }
    *out = l;
    return VS_OK;
}

void vs_local_free(vs_local *l)
{
    if (l == NULL) return;
    vs_client_free(l->client);
    vs_aggregator_free(l->aggregator);
    vs_log_close(l->log);
    for (uint32_t j = 0; j < VS_SHAREHOLDERS_MAX; j++) {
        vs_shareholder_free(l->shareholder[j]);
        vs_keys_free(l->shareholder_keys[j]);
    }
    for (uint32_t i = 0; i < VS_PEERS_MAX; i++) close_store(l, i);
    for (size_t i = l->head; i < l->n; i++) vs_buf_free(&l->queue[i].bytes);
    free(l->queue);
    vs_keys_free(l->aggregator_keys);
    vs_keys_free(l->admin);
    vs_federation_free(l->fed);
    free(l);
}

const vs_federation *vs_local_federation(const vs_local *l)
{
    return l->fed;
}

vs_local_bytes vs_local_traffic(const vs_local *l)
{
    return l->traffic;
}

/* --- messages ----------------------------------------------------------------------------------
 */

static call *call_of(vs_local *l, uint64_t conn)
{
    call *c = &l->calls[conn % CALLS_MAX];
    return conn != 0 && c->conn == conn ? c : NULL;
}

/* Put a message at the end. Takes over *bytes. */
static vs_err enqueue(vs_local *l, uint64_t conn, bool is_reply, vs_buf *bytes)
{
    if (l->head == l->n) l->head = l->n = 0;
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        message *queue = realloc(l->queue, cap * sizeof *queue);
        if (queue == NULL) return VS_ERR_NOMEM;
        l->queue = queue;
        l->cap = cap;
    }
    l->queue[l->n++] = (message){.conn = conn, .is_reply = is_reply, .bytes = *bytes};
    *bytes = (vs_buf){0};
    return VS_OK;
}

static vs_err send(vs_local *l, uint32_t from, uint32_t to, uint64_t tag, vs_buf *bytes)
{
    uint32_t tried = 0;
    while (l->calls[l->next_conn % CALLS_MAX].conn != 0) {
        VS_ASSERT(++tried < CALLS_MAX); /* roles bound what they have under way */
        l->next_conn++;
    }
    uint64_t conn = l->next_conn++;
    l->calls[conn % CALLS_MAX] = (call){.conn = conn, .from = from, .to = to, .tag = tag};
    return enqueue(l, conn, false, bytes);
}

static vs_err step(vs_local *l, uint32_t who, const vs_event *event, vs_diag *diag)
{
    vs_outbox box = {0};
    vs_err err = VS_OK;
    if (who == VS_PEER_AGGREGATOR) {
        err = vs_aggregator_step(l->aggregator, l->now_ms, event, &box, diag);
    } else if (who == CLIENT) {
        err = vs_client_step(l->client, l->now_ms, event, &box, diag);
    } else {
        err = vs_shareholder_step(l->shareholder[who - 1], l->now_ms, event, &box, diag);
    }
    for (size_t i = 0; err == VS_OK && i < box.n; i++) {
        vs_out *o = &box.item[i];
        if (o->kind == VS_OUT_SEND) {
            err = send(l, who, o->peer, o->tag, &o->msg);
        } else if (call_of(l, o->conn) != NULL) {
            err = enqueue(l, o->conn, true, &o->msg);
        }
    }
    if (err == VS_ERR_NOMEM) err = vs_fail(diag, err, "out of memory for messages");
    vs_outbox_free(&box);
    return err;
}

static void count(vs_local *l, const call *c, size_t len)
{
    if (c->from == CLIENT) {
        l->traffic.clients += len;
    } else if (c->from != ADMIN) {
        l->traffic.committee += len;
    }
}

static vs_err deliver(vs_local *l, message *m, vs_diag *diag)
{
    call *c = call_of(l, m->conn);
    if (c == NULL) return VS_OK;
    const call here = *c;
    vs_event event = {.msg = m->bytes.p, .len = m->bytes.len};
    count(l, c, m->bytes.len);
    if (!m->is_reply) {
        event.kind = VS_EVENT_REQUEST;
        event.conn = here.conn;
        return step(l, here.to, &event, diag);
    }
    *c = (call){0};
    if (here.from == ADMIN) {
        if (l->admin_reply != NULL) vs_buf_bytes(l->admin_reply, m->bytes.p, m->bytes.len);
        l->admin_reply = NULL;
        return VS_OK;
    }
    if (here.from == CLIENT && l->client == NULL) return VS_OK; /* it has left */
    event.kind = VS_EVENT_REPLY;
    event.peer = here.to;
    event.tag = here.tag;
    return step(l, here.from, &event, diag);
}

static vs_err tick(vs_local *l, uint32_t who, vs_diag *diag)
{
    const vs_event event = {.kind = VS_EVENT_TICK};
    return step(l, who, &event, diag);
}

/* The next thing to do: a message, a busy role, or the clock goes on. */
static vs_err advance(vs_local *l, vs_diag *diag)
{
    if (l->head < l->n) {
        message m = l->queue[l->head++];
        vs_err err = deliver(l, &m, diag);
        vs_buf_free(&m.bytes);
        return err;
    }
    if (l->client != NULL && vs_client_is_busy(l->client)) return tick(l, CLIENT, diag);
    bool busy = false;
    vs_err err = VS_OK;
    for (uint32_t j = 1; err == VS_OK && j <= l->fed->committee.n; j++) {
        if (!vs_shareholder_is_busy(l->shareholder[j - 1])) continue;
        busy = true;
        err = tick(l, j, diag);
    }
    if (busy || err != VS_OK) return err;
    l->now_ms += TICK_MS;
    err = tick(l, VS_PEER_AGGREGATOR, diag);
    for (uint32_t j = 1; err == VS_OK && j <= l->fed->committee.n; j++) err = tick(l, j, diag);
    if (err == VS_OK && l->client != NULL) err = tick(l, CLIENT, diag);
    return err;
}

/* --- what a simulation does --------------------------------------------------------------------
 */

static vs_err admin_send(void *ctx, uint32_t peer, const vs_buf *request, vs_buf *reply,
                         vs_diag *diag)
{
    vs_local *l = ctx;
    const uint64_t until = l->now_ms + PATIENCE_MS;
    vs_buf copy = {0};
    vs_buf_bytes(&copy, request->p, request->len);
    vs_err err = vs_buf_check(&copy);
    l->admin_reply = reply;
    if (err == VS_OK) err = send(l, ADMIN, peer, 0, &copy);
    vs_buf_free(&copy);
    if (err != VS_OK) (void)vs_fail(diag, err, "out of memory for a request");
    while (err == VS_OK && l->admin_reply != NULL) {
        err = l->now_ms < until ? advance(l, diag)
                                : vs_fail(diag, VS_ERR_TIMEOUT, "no reply within an hour");
    }
    l->admin_reply = NULL;
    return err == VS_OK ? vs_buf_check(reply) : err;
}

vs_caller vs_local_caller(vs_local *l)
{
    return (vs_caller){.fed = l->fed,
                       .keys = l->admin,
                       .send = admin_send,
                       .send_ctx = l,
                       .unix_time = l->now_ms / 1000};
}

/* Until the client in l->client is done or has failed. */
static vs_err run_client(vs_local *l, vs_diag *diag)
{
    const vs_client_status *s = vs_client_state(l->client);
    const uint64_t until = l->now_ms + PATIENCE_MS;
    vs_err err = tick(l, CLIENT, diag);
    while (err == VS_OK && s->phase != VS_CLIENT_DONE && s->phase != VS_CLIENT_FAILED) {
        err = l->now_ms < until
                  ? advance(l, diag)
                  : vs_fail(diag, VS_ERR_TIMEOUT, "not done within an hour: %s", s->error.text);
    }
    if (err == VS_OK && s->phase == VS_CLIENT_FAILED) {
        err = vs_fail(diag, VS_ERR_STATE, "%s", s->error.text);
    }
    return err;
}

vs_err vs_local_submit(vs_local *l, uint32_t i, const vs_client_input *input,
                       vs_client_status *status, vs_diag *diag)
{
    VS_ASSERT(l->client == NULL && i >= 1 && i <= l->n_clients);
    vs_client_input own = *input;
    vs_keys *keys = NULL;
    vs_store store = {0};
    seeded s;
    *status = (vs_client_status){0};
    vs_err err = make_keys(&keys, l->seed, "client", i, diag);
    if (err == VS_OK) err = vs_store_mem_open(&store);
    if (err == VS_OK) {
        vs_enrolment_sign(own.enrolment, &l->fed->id, &keys->pub.identity, l->admin->identity_seed);
        vs_rng rng = seeded_rng(&s, l->seed, VS_PEERS_MAX + (uint64_t)i, ++l->submissions);
        err = vs_client_new(&l->client, l->fed, keys, store, rng, &own, diag);
    }
    if (err == VS_OK) {
        err = run_client(l, diag);
        *status = *vs_client_state(l->client);
    }
    if (err != VS_OK) vs_diag_prefix(diag, "client %" PRIu32, i);
    vs_client_free(l->client);
    l->client = NULL;
    if (store.ops != NULL) vs_store_mem_close(&store);
    vs_keys_free(keys);
    return err;
}

vs_err vs_local_finish(vs_local *l, uint64_t round, vsw_Phase *phase, vs_diag *diag)
{
    const uint64_t until = l->now_ms + PATIENCE_MS;
    vs_err err;
    do {
        vsw_RoundInfo info;
        vs_caller admin = vs_local_caller(l);
        err = vs_call_round_info(&admin, round, &info, NULL, NULL, diag);
        *phase = info.phase;
        if (err != VS_OK || *phase == vsw_Phase_FINAL || *phase == vsw_Phase_ABORTED) return err;
        for (int k = 0; k < 16 && err == VS_OK; k++) err = advance(l, diag);
    } while (err == VS_OK && l->now_ms < until);
    if (err != VS_OK) return err;
    return vs_fail(diag, VS_ERR_TIMEOUT, "round %" PRIu64 " is not over after an hour: %s", round,
                   vs_phase_name(*phase));
}
