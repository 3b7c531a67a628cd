#include "tests/net/support_sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "ledger/log.h"
#include "net/submission.h"
#include "tests/net/support_fed.h"
#include "tests/support.h"

enum { TICK_MS = 100, HOP_MS = 1, LATER_MS = 700, RESET_MS = 50, MAX_QUEUE = 100000 };

/* One request under way: its reply, or LOST, goes back to `from` exactly once. */
typedef struct call {
    uint64_t id;
    uint32_t from, to;
    uint64_t tag;
    uint64_t timeout_at;
    bool open;
} call;

typedef struct message {
    uint64_t at, call_id;
    bool is_reply;
    vs_buf msg;
} message;

typedef struct client_actor {
    vs_client *role;
    vs_store store;
    vs_client_input input;
    char purpose[64];
    double *update;
    uint32_t *coords;
    uint32_t n_coords;
    bool started;
    vs_test_rng rng;
} client_actor;

struct vs_sim {
    vs_sim_config config;
    vs_test_fed *parties;
    char *folder;
    vs_log *log;
    vs_aggregator *aggregator;
    vs_store aggregator_store;
    vs_test_rng aggregator_rng;
    vs_shareholder *shareholder[VS_SHAREHOLDERS_MAX + 1];
    vs_store shareholder_store[VS_SHAREHOLDERS_MAX + 1];
    vs_test_rng shareholder_rng[VS_SHAREHOLDERS_MAX + 1];
    client_actor *client;
    uint64_t now_ms, next_tick, order;
    call *calls;
    size_t n_calls, cap_calls;
    message *queue;
    size_t n_queue, cap_queue;
    uint64_t next_id;
    vs_sim_hook hook;
    void *hook_ctx;
    bool recording;
    vs_buf record;
    vs_buf admin_reply;
    bool admin_done;
};

static void must(vs_err err, const char *what, const vs_diag *diag)
{
    if (err == VS_OK) return;
    (void)fprintf(stderr, "simulation: %s: %s: %s\n", what, vs_err_name(err), diag->text);
    abort();
}

/* --- parties -------------------------------------------------------------------------------------
 */

static void print_notice(void *ctx, const char *text)
{
    const vs_sim *sim = ctx;
    if (getenv("VEILSUM_SIM_VERBOSE") != NULL) {
        (void)fprintf(stderr, "%8llu aggregator: %s\n",
                      (unsigned long long)(sim->now_ms % 100000000), text);
    }
}

static void aggregator_up(vs_sim *sim)
{
    vs_diag diag = {{0}};
    const vs_keys *keys = sim->parties->aggregator;
    if (sim->log == NULL) {
        char path[600];
        (void)snprintf(path, sizeof path, "%s/ledger/ledger.db", sim->folder);
        FILE *there = fopen(path, "rb");
        (void)snprintf(path, sizeof path, "%s/ledger", sim->folder);
        if (there != NULL) {
            (void)fclose(there);
            must(vs_log_open(&sim->log, path, &sim->parties->fed->log_key, keys->log_seed, &diag),
                 "log open", &diag);
        } else {
            must(vs_log_create(&sim->log, path, sim->parties->fed->origin,
                               &sim->parties->fed->log_key, keys->log_seed, &diag),
                 "log create", &diag);
        }
    }
    must(vs_aggregator_new(&sim->aggregator, sim->parties->fed, keys, sim->log,
                           sim->aggregator_store, vs_test_rng_of(&sim->aggregator_rng), sim->now_ms,
                           &diag),
         "aggregator", &diag);
    vs_aggregator_on_notice(sim->aggregator, print_notice, sim);
}

static void shareholder_up(vs_sim *sim, uint32_t j)
{
    vs_diag diag = {{0}};
    must(vs_shareholder_new(&sim->shareholder[j], sim->parties->fed,
                            sim->parties->shareholder[j - 1], sim->shareholder_store[j],
                            vs_test_rng_of(&sim->shareholder_rng[j]), sim->now_ms, &diag),
         "shareholder", &diag);
}

static void reveal(void *ctx, uint64_t round, const uint32_t *coords, uint32_t n)
{
    client_actor *c = ctx;
    (void)round;
    free(c->coords);
    c->coords = malloc((size_t)n * sizeof *coords);
    VS_ASSERT(c->coords != NULL);
    memcpy(c->coords, coords, (size_t)n * sizeof *coords);
    c->n_coords = n;
}

static void client_up(vs_sim *sim, uint32_t i)
{
    vs_diag diag = {{0}};
    client_actor *c = &sim->client[i];
    must(vs_client_new(&c->role, sim->parties->fed, sim->parties->client[i], c->store,
                       vs_test_rng_of(&c->rng), &c->input, &diag),
         "client", &diag);
}

static void client_make(vs_sim *sim, uint32_t i)
{
    client_actor *c = &sim->client[i];
    c->rng.seed = sim->config.seed + 5000 + i;
    must(vs_store_mem_open(&c->store), "store", &(vs_diag){{0}});
    c->update = malloc(sim->config.dim * sizeof(double));
    VS_ASSERT(c->update != NULL);
    for (uint32_t d = 0; d < sim->config.dim; d++) {
        uint64_t word = vs_test_u64(sim->config.seed + 77 * (i + 1), d);
        c->update[d] = (double)(word >> 11) * 0x1p-52 - 1.0;
    }
    c->input = (vs_client_input){.update = c->update, .dim = sim->config.dim, .weight = 1 + i};
    memcpy(c->input.enrolment, sim->parties->enrolment[i], 64);
    c->input.reveal = reveal;
    c->input.reveal_ctx = c;
    c->input.purpose = c->purpose;
}

vs_sim *vs_sim_new(const vs_sim_config *config)
{
    vs_sim *sim = calloc(1, sizeof *sim);
    VS_ASSERT(sim != NULL);
    sim->config = *config;
    sim->now_ms = UINT64_C(1790000000000);
    sim->next_tick = sim->now_ms;
    sim->next_id = 1;
    sim->folder = vs_test_folder_new();
    sim->parties = vs_test_federation_new(&(vs_test_fed_config){.committee = config->committee,
                                                                .max_clients = config->max_clients,
                                                                .min_clients = config->min_clients,
                                                                .n_clients = config->n_clients,
                                                                .demo = true,
                                                                .seed = config->seed});
    must(vs_store_mem_open(&sim->aggregator_store), "store", &(vs_diag){{0}});
    sim->aggregator_rng.seed = config->seed + 1;
    aggregator_up(sim);
    for (uint32_t j = 1; j <= config->committee.n; j++) {
        must(vs_store_mem_open(&sim->shareholder_store[j]), "store", &(vs_diag){{0}});
        sim->shareholder_rng[j].seed = config->seed + 100 + j;
        shareholder_up(sim, j);
    }
    sim->client = calloc(config->n_clients, sizeof *sim->client);
    VS_ASSERT(sim->client != NULL);
    for (uint32_t i = 0; i < config->n_clients; i++) client_make(sim, i);
    return sim;
}

void vs_sim_free(vs_sim *sim)
{
    vs_aggregator_free(sim->aggregator);
    vs_log_close(sim->log);
    vs_store_mem_close(&sim->aggregator_store);
    for (uint32_t j = 1; j <= sim->config.committee.n; j++) {
        vs_shareholder_free(sim->shareholder[j]);
        vs_store_mem_close(&sim->shareholder_store[j]);
    }
    for (uint32_t i = 0; i < sim->config.n_clients; i++) {
        vs_client_free(sim->client[i].role);
        vs_store_mem_close(&sim->client[i].store);
        free(sim->client[i].update);
        free(sim->client[i].coords);
    }
    for (size_t m = 0; m < sim->n_queue; m++) vs_buf_free(&sim->queue[m].msg);
    free(sim->queue);
    free(sim->calls);
    free(sim->client);
    vs_buf_free(&sim->record);
    vs_buf_free(&sim->admin_reply);
    vs_test_federation_free(sim->parties);
    vs_test_folder_remove(sim->folder);
    free(sim);
}

void vs_sim_crash(vs_sim *sim, uint32_t actor, bool power_cut)
{
    vs_store *store = vs_sim_store(sim, actor);
    if (actor == VS_PEER_AGGREGATOR) {
        vs_aggregator_free(sim->aggregator);
        sim->aggregator = NULL;
        vs_log_close(sim->log);
        sim->log = NULL;
    } else if (actor >= VS_SIM_CLIENT) {
        vs_client_free(sim->client[actor - VS_SIM_CLIENT].role);
        sim->client[actor - VS_SIM_CLIENT].role = NULL;
    } else {
        vs_shareholder_free(sim->shareholder[actor]);
        sim->shareholder[actor] = NULL;
    }
    if (power_cut) vs_store_mem_power_cut(store);
    for (size_t c = 0; c < sim->n_calls; c++) {
        if (sim->calls[c].from == actor) sim->calls[c].open = false;
    }
}

void vs_sim_restart(vs_sim *sim, uint32_t actor)
{
    VS_ASSERT(!vs_sim_is_up(sim, actor));
    if (actor == VS_PEER_AGGREGATOR) {
        aggregator_up(sim);
    } else if (actor >= VS_SIM_CLIENT) {
        client_up(sim, actor - VS_SIM_CLIENT);
    } else {
        shareholder_up(sim, actor);
    }
}

bool vs_sim_is_up(const vs_sim *sim, uint32_t actor)
{
    if (actor == VS_PEER_AGGREGATOR) return sim->aggregator != NULL;
    if (actor == VS_SIM_ADMIN) return true;
    if (actor >= VS_SIM_CLIENT) return sim->client[actor - VS_SIM_CLIENT].role != NULL;
    return sim->shareholder[actor] != NULL;
}

vs_store *vs_sim_store(vs_sim *sim, uint32_t actor)
{
    if (actor == VS_PEER_AGGREGATOR) return &sim->aggregator_store;
    if (actor >= VS_SIM_CLIENT) return &sim->client[actor - VS_SIM_CLIENT].store;
    return &sim->shareholder_store[actor];
}

/* --- network
 * --------------------------------------------------------------------------------------- */

static call *call_of(vs_sim *sim, uint64_t id)
{
    for (size_t c = 0; c < sim->n_calls; c++) {
        if (sim->calls[c].id == id) return &sim->calls[c];
    }
    return NULL;
}

/* Takes over *msg. */
static void enqueue(vs_sim *sim, uint64_t call_id, bool is_reply, vs_buf *msg, uint64_t delay_ms)
{
    VS_ASSERT(sim->n_queue < MAX_QUEUE);
    if (sim->n_queue == sim->cap_queue) {
        sim->cap_queue = sim->cap_queue == 0 ? 64 : 2 * sim->cap_queue;
        sim->queue = realloc(sim->queue, sim->cap_queue * sizeof *sim->queue);
        VS_ASSERT(sim->queue != NULL);
    }
    sim->queue[sim->n_queue++] = (message){
        .at = sim->now_ms + delay_ms, .call_id = call_id, .is_reply = is_reply, .msg = *msg};
    *msg = (vs_buf){0};
}

static uint64_t new_call(vs_sim *sim, uint32_t from, uint32_t to, uint64_t tag, uint64_t timeout_ms)
{
    size_t c = 0;
    while (c < sim->n_calls && sim->calls[c].open) c++;
    if (c == sim->n_calls && sim->n_calls == sim->cap_calls) {
        sim->cap_calls = sim->cap_calls == 0 ? 64 : 2 * sim->cap_calls;
        sim->calls = realloc(sim->calls, sim->cap_calls * sizeof *sim->calls);
        VS_ASSERT(sim->calls != NULL);
    }
    if (c == sim->n_calls) sim->n_calls++;
    sim->calls[c] = (call){.id = sim->next_id++,
                           .from = from,
                           .to = to,
                           .tag = tag,
                           .timeout_at = sim->now_ms + timeout_ms,
                           .open = true};
    return sim->calls[c].id;
}

/* A hook may keep a message back, repeat it or change it; returns false if it is not to be queued.
 */
static bool through_hook(vs_sim *sim, uint32_t from, uint32_t to, uint64_t id, bool is_reply,
                         vs_buf *msg)
{
    vs_sim_fate fate = VS_SIM_DELIVER;
    if (sim->hook != NULL) fate = sim->hook(sim->hook_ctx, from, to, is_reply, msg);
    if (sim->recording) vs_buf_bytes(&sim->record, msg->p, msg->len);
    if (fate == VS_SIM_DROP || fate == VS_SIM_SILENT) {
        call *c = call_of(sim, id);
        if (fate == VS_SIM_DROP && c != NULL && c->timeout_at > sim->now_ms + RESET_MS) {
            c->timeout_at = sim->now_ms + RESET_MS;
        }
        vs_buf_free(msg);
        return false;
    }
    if (fate == VS_SIM_TWICE && !is_reply) {
        vs_buf again = {0};
        vs_buf_bytes(&again, msg->p, msg->len);
        uint64_t ghost = new_call(sim, VS_SIM_ADMIN + 1, to, 0, 60000);
        enqueue(sim, ghost, false, &again, LATER_MS);
    }
    enqueue(sim, id, is_reply, msg, fate == VS_SIM_LATER ? LATER_MS : HOP_MS);
    return true;
}

static void step_actor(vs_sim *sim, uint32_t actor, const vs_event *event);

static void lose(vs_sim *sim, call *c, const char *text)
{
    call lost = *c;
    c->open = false;
    if (lost.from == VS_SIM_ADMIN) sim->admin_done = true;
    if (lost.from >= VS_SIM_ADMIN || !vs_sim_is_up(sim, lost.from)) return;
    vs_event event = {.kind = VS_EVENT_LOST, .peer = lost.to, .tag = lost.tag, .text = text};
    step_actor(sim, lost.from, &event);
}

static void send_out(vs_sim *sim, uint32_t actor, vs_outbox *box)
{
    for (size_t i = 0; i < box->n; i++) {
        vs_out *o = &box->item[i];
        if (o->kind == VS_OUT_SEND) {
            uint64_t id = new_call(sim, actor, o->peer, o->tag, o->timeout_ms);
            (void)through_hook(sim, actor, o->peer, id, false, &o->msg);
            continue;
        }
        call *c = call_of(sim, o->conn);
        if (c != NULL && c->open) (void)through_hook(sim, actor, c->from, c->id, true, &o->msg);
    }
}

static void step_actor(vs_sim *sim, uint32_t actor, const vs_event *event)
{
    vs_outbox box = {0};
    vs_diag diag = {{0}};
    vs_err err = VS_OK;
    if (!vs_sim_is_up(sim, actor)) return;
    if (actor == VS_PEER_AGGREGATOR) {
        err = vs_aggregator_step(sim->aggregator, sim->now_ms, event, &box, &diag);
    } else if (actor >= VS_SIM_CLIENT) {
        err = vs_client_step(sim->client[actor - VS_SIM_CLIENT].role, sim->now_ms, event, &box,
                             &diag);
    } else {
        err = vs_shareholder_step(sim->shareholder[actor], sim->now_ms, event, &box, &diag);
    }
    if (err == VS_OK) {
        send_out(sim, actor, &box);
    } else { /* the machine failed: the process stops, nothing leaves it */
        if (getenv("VEILSUM_SIM_VERBOSE") != NULL) {
            (void)fprintf(stderr, "actor %u stops: %s\n", actor, diag.text);
        }
        vs_sim_crash(sim, actor, false);
    }
    vs_outbox_free(&box);
}

static void deliver_reply(vs_sim *sim, call *c, const vs_buf *msg)
{
    call done = *c;
    c->open = false;
    if (done.from == VS_SIM_ADMIN) {
        vs_buf_bytes(&sim->admin_reply, msg->p, msg->len);
        sim->admin_done = true;
        return;
    }
    if (done.from > VS_SIM_ADMIN) return;
    vs_event event = {
        .kind = VS_EVENT_REPLY, .peer = done.to, .tag = done.tag, .msg = msg->p, .len = msg->len};
    step_actor(sim, done.from, &event);
}

static void deliver(vs_sim *sim, size_t position)
{
    message m = sim->queue[position];
    memmove(&sim->queue[position], &sim->queue[position + 1],
            (sim->n_queue - position - 1) * sizeof *sim->queue);
    sim->n_queue--;
    call *c = call_of(sim, m.call_id);
    if (c != NULL && c->open) {
        if (m.is_reply) {
            deliver_reply(sim, c, &m.msg);
        } else if (!vs_sim_is_up(sim, c->to)) {
            lose(sim, c, "connection refused");
        } else {
            vs_event event = {
                .kind = VS_EVENT_REQUEST, .conn = c->id, .msg = m.msg.p, .len = m.msg.len};
            step_actor(sim, c->to, &event);
        }
    }
    vs_buf_free(&m.msg);
}

/* Position of the next message that is due, or n_queue. */
static size_t pick(vs_sim *sim)
{
    size_t n_due = 0;
    size_t best = sim->n_queue;
    for (size_t m = 0; m < sim->n_queue; m++) {
        if (sim->queue[m].at > sim->now_ms) continue;
        n_due++;
        if (!sim->config.shuffle) return m;
        if (vs_test_u64(sim->config.seed ^ 0x5eed, sim->order++) % n_due == 0) best = m;
    }
    return best;
}

static void advance(vs_sim *sim)
{
    uint64_t next = sim->next_tick;
    for (size_t m = 0; m < sim->n_queue; m++) {
        if (sim->queue[m].at < next) next = sim->queue[m].at;
    }
    if (next > sim->now_ms) sim->now_ms = next;
    for (size_t c = 0; c < sim->n_calls; c++) {
        if (sim->calls[c].open && sim->calls[c].timeout_at <= sim->now_ms) {
            lose(sim, &sim->calls[c], "timed out");
        }
    }
    if (sim->now_ms < sim->next_tick) return;
    sim->next_tick = sim->now_ms + TICK_MS;
    vs_event tick = {.kind = VS_EVENT_TICK};
    for (uint32_t a = 0; a <= sim->config.committee.n; a++) step_actor(sim, a, &tick);
    for (uint32_t i = 0; i < sim->config.n_clients; i++) step_actor(sim, VS_SIM_CLIENT + i, &tick);
}

bool vs_sim_run(vs_sim *sim, bool (*done)(void *ctx, vs_sim *sim), void *ctx, uint64_t max_ms)
{
    uint64_t end = sim->now_ms + max_ms;
    while (sim->now_ms < end) {
        if (done != NULL && done(ctx, sim)) return true;
        size_t m = pick(sim);
        if (m < sim->n_queue) {
            deliver(sim, m);
        } else {
            advance(sim);
        }
    }
    return done == NULL;
}

/* --- what a test asks for
 * ---------------------------------------------------------------------------- */

void vs_sim_hook_set(vs_sim *sim, vs_sim_hook hook, void *ctx)
{
    sim->hook = hook;
    sim->hook_ctx = ctx;
}

uint64_t vs_sim_now(const vs_sim *sim)
{
    return sim->now_ms;
}

const vs_federation *vs_sim_federation(const vs_sim *sim)
{
    return sim->parties->fed;
}

const char *vs_sim_ledger_folder(const vs_sim *sim)
{
    return sim->folder;
}

void vs_sim_record(vs_sim *sim)
{
    sim->recording = true;
}

const vs_buf *vs_sim_recorded(const vs_sim *sim)
{
    return &sim->record;
}

const double *vs_sim_update(const vs_sim *sim, uint32_t i)
{
    return sim->client[i].update;
}

void vs_sim_client_start(vs_sim *sim, uint32_t i, uint64_t round, const char *purpose)
{
    client_actor *c = &sim->client[i];
    vs_client_free(c->role);
    c->role = NULL;
    c->input.round = round;
    (void)snprintf(c->purpose, sizeof c->purpose, "%s", purpose);
    c->started = true;
    client_up(sim, i);
}

const vs_client_status *vs_sim_client(const vs_sim *sim, uint32_t i)
{
    return sim->client[i].role == NULL ? NULL : vs_client_state(sim->client[i].role);
}

const uint32_t *vs_sim_coordinates(const vs_sim *sim, uint32_t i, uint32_t *n)
{
    *n = sim->client[i].n_coords;
    return sim->client[i].coords;
}

static bool admin_done(void *ctx, vs_sim *sim)
{
    (void)ctx;
    return sim->admin_done;
}

void vs_sim_call(vs_sim *sim, uint32_t actor, const vsw_Request *head, const void *body,
                 size_t body_len, vs_buf *reply)
{
    vs_buf msg = {0};
    vsw_Request copy = *head;
    memcpy(copy.federation_id, sim->parties->fed->id.b, 32);
    must(vs_request_encode(&msg, &copy, body, body_len), "request", &(vs_diag){{0}});
    sim->admin_done = false;
    vs_buf_reset(&sim->admin_reply);
    uint64_t id = new_call(sim, VS_SIM_ADMIN, actor, 0, 20000);
    enqueue(sim, id, false, &msg, HOP_MS);
    (void)vs_sim_run(sim, admin_done, NULL, 30000);
    vs_buf_bytes(reply, sim->admin_reply.p, sim->admin_reply.len);
}

static vsw_Control control_of(const vs_sim *sim, uint64_t round, vs_operation op,
                              const vs_buf *arguments)
{
    vsw_Control control = {0};
    vs_buf msg = {0};
    vs_h32 hash;
    vs_round_id id = {.federation_id = sim->parties->fed->id, .round = round};
    const vs_keys *admin = sim->parties->admin;
    control.unix_time = sim->now_ms / 1000;
    memcpy(control.key, admin->pub.identity.b, 32);
    vs_sha256(&hash, arguments->p, arguments->len);
    must(vs_control_bytes(&msg, &id, op, control.unix_time, &hash), "control", &(vs_diag){{0}});
    vs_sign(control.signature, msg.p, msg.len, admin->identity_seed);
    vs_buf_free(&msg);
    return control;
}

static vsw_Code call_code(vs_sim *sim, const vsw_Request *head, uint64_t *value)
{
    vs_buf msg = {0};
    vs_reply reply;
    vsw_Code code = vsw_Code_NOT_FOUND;
    vs_sim_call(sim, VS_PEER_AGGREGATOR, head, NULL, 0, &msg);
    if (vs_reply_decode(&reply, msg.p, msg.len) == VS_OK) {
        bool failed = reply.head.which_result == vsw_Reply_error_tag;
        code = failed ? reply.head.result.error.code : vsw_Code_OK;
        if (failed) (void)fprintf(stderr, "control: %s\n", reply.head.result.error.text);
        if (!failed && reply.head.which_result == vsw_Reply_round_info_tag && value != NULL) {
            *value = reply.head.result.round_info.round;
        }
    }
    vs_buf_free(&msg);
    return code;
}

vsw_Code vs_sim_open(vs_sim *sim, uint32_t target_clients, uint64_t *round)
{
    vs_buf arguments = {0};
    vsw_Request head = {.which_op = vsw_Request_control_open_tag};
    vsw_ControlOpen *open = &head.op.control_open;
    vs_h32 no_model = {{0}};
    *round = vs_sim_round_info(sim, 0).next_round;
    open->has_control = true;
    open->round = *round;
    open->dim = sim->config.dim;
    open->target_clients = target_clients;
    vs_buf_u32(&arguments, open->dim);
    vs_buf_h32(&arguments, &no_model);
    vs_buf_u32(&arguments, target_clients);
    vs_buf_u32(&arguments, 0);
    open->control = control_of(sim, *round, VS_OPERATION_OPEN, &arguments);
    vs_buf_free(&arguments);
    return call_code(sim, &head, NULL);
}

vsw_Code vs_sim_control(vs_sim *sim, vs_operation op, uint64_t round)
{
    vs_buf none = {0};
    vsw_Request head = {0};
    head.which_op =
        op == VS_OPERATION_CLOSE ? vsw_Request_control_close_tag : vsw_Request_control_cancel_tag;
    vsw_ControlRound *control = &head.op.control_close; /* both are a ControlRound */
    control->has_control = true;
    control->round = round;
    control->control = control_of(sim, round, op, &none);
    return call_code(sim, &head, NULL);
}

vsw_RoundInfo vs_sim_round_info(vs_sim *sim, uint64_t round)
{
    vs_buf msg = {0};
    vs_reply reply;
    vsw_RoundInfo info = vsw_RoundInfo_init_zero;
    vsw_Request head = {.which_op = vsw_Request_round_info_tag};
    head.op.round_info.round = round;
    vs_sim_call(sim, VS_PEER_AGGREGATOR, &head, NULL, 0, &msg);
    if (vs_reply_decode(&reply, msg.p, msg.len) == VS_OK &&
        reply.head.which_result == vsw_Reply_round_info_tag) {
        info = reply.head.result.round_info;
    }
    vs_buf_free(&msg);
    return info;
}

static bool round_over(void *ctx, vs_sim *sim)
{
    (void)ctx;
    vsw_Phase phase = vs_sim_round_info(sim, 0).phase;
    return phase == vsw_Phase_FINAL || phase == vsw_Phase_ABORTED;
}

bool vs_sim_run_round(vs_sim *sim, uint64_t max_ms)
{
    return vs_sim_run(sim, round_over, NULL, max_ms);
}

/* The newest entry of this kind and round; false if there is none. */
static bool find_entry(vs_sim *sim, uint64_t round, const char *kind, vs_entry *decoded)
{
    vs_buf entry = {0};
    vs_diag diag = {{0}};
    bool found = false;
    for (uint64_t i = vs_log_size(sim->log); i > 0 && !found; i--) {
        vs_dsse dsse = {0};
        vs_buf_reset(&entry);
        must(vs_log_entry(sim->log, i - 1, &entry, &diag), "entry", &diag);
        must(vs_dsse_parse(&dsse, entry.p, entry.len, &diag), "envelope", &diag);
        if (strcmp(dsse.kind, kind) == 0) {
            must(vs_entry_decode(decoded, dsse.kind, dsse.payload.p, dsse.payload.len, &diag), kind,
                 &diag);
            found = decoded->round == round;
        }
        vs_dsse_free(&dsse);
    }
    vs_buf_free(&entry);
    return found;
}

static void read_blob(vs_sim *sim, const vs_h32 *name, vs_buf *out)
{
    vs_diag diag = {{0}};
    char *path = vs_log_blob_path(sim->log, name);
    must(vs_file_read(out, path, 1u << 30, &diag), "blob", &diag);
    free(path);
}

bool vs_sim_included(vs_sim *sim, uint64_t round, uint32_t i)
{
    vs_entry set;
    vs_buf records = {0};
    bool found = false;
    const vs_client_status *status = vs_sim_client(sim, i);
    if (status == NULL || !find_entry(sim, round, "set", &set)) return false;
    read_blob(sim, &set.u.set.records_blob, &records);
    for (size_t at = 0; at + VS_RECORD_BYTES <= records.len; at += VS_RECORD_BYTES) {
        vs_record record;
        vs_record_decode(&record, records.p + at);
        found |= vs_h32_equal(&record.pseudonym, &status->pseudonym) &&
                 vs_h32_equal(&record.manifest_hash, &status->manifest_hash);
    }
    vs_buf_free(&records);
    return found;
}

uint64_t *vs_sim_sums(vs_sim *sim, uint64_t round, uint32_t *n)
{
    vs_entry result;
    vs_buf blob = {0};
    *n = 0;
    if (!find_entry(sim, round, "result", &result)) return NULL;
    read_blob(sim, &result.u.result.sum_blob, &blob);
    *n = (uint32_t)(blob.len / 8);
    uint64_t *sums = calloc(*n, sizeof *sums);
    VS_ASSERT(sums != NULL);
    for (uint32_t c = 0; c < *n; c++) sums[c] = vs_load_le64(blob.p + 8 * (size_t)c);
    vs_buf_free(&blob);
    return sums;
}
