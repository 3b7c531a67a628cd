#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/net/support_sim_impl.h"

enum {
    TICK_MS = 100,
    HOP_MS = 1,
    LATER_MS = 700,
    RESET_MS = 50,
    MAX_QUEUE = 100000,
    RESTART_MS = 500
};

void vs_sim_must(vs_err err, const char *what, const vs_diag *diag)
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

static vs_fault *fault_of(const vs_sim *sim, uint32_t actor)
{
    vs_fault *f = sim->config.fault;
    return f != NULL && f->kind != VS_FAULT_NONE && f->actor == actor ? f : NULL;
}

/* The party's store, behind the fault if it is this party's. */
static vs_store store_of(vs_sim *sim, uint32_t actor)
{
    vs_fault *f = fault_of(sim, actor);
    vs_store plain = *vs_sim_store(sim, actor);
    if (sim->config.group && actor < VS_SIM_CLIENT) vs_store_hold(&plain);
    return f == NULL || f->kind == VS_FAULT_DISK ? plain : vs_fault_store(f, plain);
}

static vs_rng rng_of(vs_sim *sim, uint32_t actor, vs_test_rng *state)
{
    vs_fault *f = fault_of(sim, actor);
    return f == NULL ? vs_test_rng_of(state) : vs_fault_rng(f, vs_test_rng_of(state));
}

static vs_err log_up(vs_sim *sim, vs_diag *diag)
{
    char path[600];
    (void)snprintf(path, sizeof path, "%s/ledger", sim->folder);
    return vs_log_open_or_create(&sim->log, path, sim->parties->fed->origin,
                                 &sim->parties->fed->log_key, sim->parties->aggregator->log_seed,
                                 diag);
}

static vs_err aggregator_up(vs_sim *sim, vs_diag *diag)
{
    vs_err err = sim->log == NULL ? log_up(sim, diag) : VS_OK;
    if (err == VS_OK) {
        err = vs_aggregator_new(&sim->aggregator, sim->parties->fed, sim->parties->aggregator,
                                sim->log, store_of(sim, VS_PEER_AGGREGATOR),
                                rng_of(sim, VS_PEER_AGGREGATOR, &sim->aggregator_rng), sim->now_ms,
                                diag);
    }
    if (err == VS_OK) vs_aggregator_on_notice(sim->aggregator, print_notice, sim);
    return err;
}

static vs_err shareholder_up(vs_sim *sim, uint32_t j, vs_diag *diag)
{
    return vs_shareholder_new(&sim->shareholder[j], sim->parties->fed,
                              sim->parties->shareholder[j - 1], store_of(sim, j),
                              rng_of(sim, j, &sim->shareholder_rng[j]), sim->now_ms, diag);
}

static void reveal(void *ctx, uint64_t round, const uint32_t *coords, uint32_t n)
{
    client_actor *c = ctx;
    (void)round;
    free(c->coords);
    vs_fault_alloc_pause(true); /* the test's memory, not the client's */
    c->coords = malloc((size_t)n * sizeof *coords);
    vs_fault_alloc_pause(false);
    VS_ASSERT(c->coords != NULL);
    memcpy(c->coords, coords, (size_t)n * sizeof *coords);
    c->n_coords = n;
}

static vs_err client_up(vs_sim *sim, uint32_t i, vs_diag *diag)
{
    client_actor *c = &sim->client[i];
    return vs_client_new(&c->role, sim->parties->fed, sim->parties->client[i],
                         store_of(sim, VS_SIM_CLIENT + i), rng_of(sim, VS_SIM_CLIENT + i, &c->rng),
                         &c->input, diag);
}

static vs_err open_store(vs_sim *sim, uint32_t actor, vs_diag *diag);

/* Start a party. What the fault stops is tried again later; any other trouble is the test's. */
static void bring_up(vs_sim *sim, uint32_t actor)
{
    vs_diag diag = {{0}};
    vs_fault *f = fault_of(sim, actor);
    vs_err err = open_store(sim, actor, &diag);
    vs_fault_alloc_begin(f);
    if (err != VS_OK) {
    } else if (actor == VS_PEER_AGGREGATOR) {
        err = aggregator_up(sim, &diag);
    } else if (actor >= VS_SIM_CLIENT) {
        err = client_up(sim, actor - VS_SIM_CLIENT, &diag);
    } else {
        err = shareholder_up(sim, actor, &diag);
    }
    vs_fault_alloc_end();
    bool dead = f != NULL && f->dead;
    if (err == VS_OK && !dead) return;
    if (f == NULL || !vs_fault_fired(f)) vs_sim_must(err, "start", &diag);
    (void)snprintf(sim->why, sizeof sim->why, "%s", diag.text);
    vs_sim_crash(sim, actor, f->power_cut);
    sim->restart_at = sim->now_ms + RESTART_MS;
}

static vs_err open_store(vs_sim *sim, uint32_t actor, vs_diag *diag)
{
    vs_store *store = vs_sim_store(sim, actor);
    char dir[600];
    if (store->ops != NULL) return VS_OK; /* in memory, it is always there */
    if (sim->config.open_store == NULL) return vs_store_mem_open(store);
    (void)snprintf(dir, sizeof dir, "%s/store-%u", sim->folder, actor);
    return sim->config.open_store(store, dir, diag);
}

static void close_store(vs_sim *sim, vs_store *store)
{
    if (store->ops == NULL) return;
    if (sim->config.close_store == NULL) {
        vs_store_mem_close(store);
    } else {
        sim->config.close_store(store);
    }
}

static void client_make(vs_sim *sim, uint32_t i)
{
    client_actor *c = &sim->client[i];
    c->rng.seed = sim->config.seed + 5000 + i;
    c->update = malloc(sim->config.dim * sizeof(double));
    VS_ASSERT(c->update != NULL);
    for (uint32_t d = 0; d < sim->config.dim; d++) {
        uint64_t word = vs_test_u64(sim->config.seed + 77 * (i + 1), d);
        c->update[d] = (double)(word >> 11) * 0x1p-52 - 1.0;
    }
    c->input = (vs_client_input){.update = c->update,
                                 .dim = sim->config.dim,
                                 .weight = 1 + i,
                                 .has_metrics = true,
                                 .loss = 0.5 + 0.25 * i,
                                 .accuracy = 0.0625 * i};
    if (sim->parties->fed->quantiser.max_weight == 1) c->input.weight = 1;
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
    sim->client = calloc(config->n_clients, sizeof *sim->client);
    VS_ASSERT(sim->client != NULL);
    sim->now_ms = UINT64_C(1790000000000);
    sim->next_tick = sim->now_ms;
    sim->next_id = 1;
    sim->folder = config->folder != NULL ? strdup(config->folder) : vs_test_folder_new();
    sim->parties = vs_test_federation_new(&(vs_test_fed_config){.committee = config->committee,
                                                                .max_clients = config->max_clients,
                                                                .min_clients = config->min_clients,
                                                                .n_clients = config->n_clients,
                                                                .demo = true,
                                                                .seed = config->seed,
                                                                .adjust = config->adjust});
    sim->aggregator_rng.seed = config->seed + 1;
    bring_up(sim, VS_PEER_AGGREGATOR);
    for (uint32_t j = 1; j <= config->committee.n; j++) {
        sim->shareholder_rng[j].seed = config->seed + 100 + j;
        bring_up(sim, j);
    }
    for (uint32_t i = 0; i < config->n_clients; i++) client_make(sim, i);
    return sim;
}

void vs_sim_free(vs_sim *sim)
{
    vs_aggregator_free(sim->aggregator);
    vs_log_close(sim->log);
    close_store(sim, &sim->aggregator_store);
    for (uint32_t j = 1; j <= sim->config.committee.n; j++) {
        vs_shareholder_free(sim->shareholder[j]);
        close_store(sim, &sim->shareholder_store[j]);
    }
    for (uint32_t i = 0; i < sim->config.n_clients; i++) {
        vs_client_free(sim->client[i].role);
        close_store(sim, &sim->client[i].store);
        free(sim->client[i].update);
        free(sim->client[i].coords);
    }
    for (size_t m = 0; m < sim->n_queue; m++) vs_buf_free(&sim->queue[m].msg);
    for (uint32_t a = 0; a <= VS_SHAREHOLDERS_MAX; a++) vs_outbox_free(&sim->pending[a]);
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
    if (actor < VS_SIM_CLIENT) vs_outbox_clear(&sim->pending[actor]);
    if (sim->config.open_store != NULL) {
        close_store(sim, store);
        *store = (vs_store){0};
    } else if (power_cut) {
        vs_store_mem_power_cut(store);
    }
    for (size_t c = 0; c < sim->n_calls; c++) {
        call *lost = &sim->calls[c];
        if (lost->from == actor) lost->open = false;
        if (lost->open && lost->to == actor && lost->timeout_at > sim->now_ms + RESET_MS) {
            lost->timeout_at = sim->now_ms + RESET_MS; /* its connections break */
        }
    }
}

void vs_sim_restart(vs_sim *sim, uint32_t actor)
{
    VS_ASSERT(!vs_sim_is_up(sim, actor));
    bring_up(sim, actor);
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

/* The fault's actor stops now: nothing of it goes on, and it comes back later. */
static void stop(vs_sim *sim, uint32_t actor, const char *why)
{
    vs_fault *f = fault_of(sim, actor);
    if (getenv("VEILSUM_SIM_VERBOSE") != NULL) {
        (void)fprintf(stderr, "%8llu actor %u stops: %s\n",
                      (unsigned long long)(sim->now_ms % 100000000), actor, why);
    }
    vs_sim_crash(sim, actor, f != NULL && f->power_cut);
    if (f == NULL || !vs_fault_fired(f)) return;
    (void)snprintf(sim->why, sizeof sim->why, "%s", why);
    f->dead = true;
    sim->restart_at = sim->now_ms + RESTART_MS;
}

/* False: the process died at a message boundary. */
static bool passes(vs_sim *sim, uint32_t actor)
{
    vs_fault *f = fault_of(sim, actor);
    if (f == NULL || !vs_fault_message(f)) return true;
    stop(sim, actor, "killed");
    return false;
}

static void send_out(vs_sim *sim, uint32_t actor, vs_outbox *box)
{
    for (size_t i = 0; i < box->n; i++) {
        vs_out *o = &box->item[i];
        if (!passes(sim, actor)) return;
        if (o->kind == VS_OUT_SEND) {
            uint64_t id = new_call(sim, actor, o->peer, o->tag, o->timeout_ms);
            (void)through_hook(sim, actor, o->peer, id, false, &o->msg);
            continue;
        }
        call *c = call_of(sim, o->conn);
        if (c != NULL && c->open) (void)through_hook(sim, actor, c->from, c->id, true, &o->msg);
    }
}

/* Everything promised becomes durable, then the messages leave. */
static void let_go(vs_sim *sim, uint32_t actor)
{
    vs_diag diag = {{0}};
    vs_fault *f = fault_of(sim, actor);
    vs_outbox box = sim->pending[actor];
    sim->pending[actor] = (vs_outbox){0};
    vs_err err = vs_store_flush(vs_sim_store(sim, actor), &diag);
    if (err == VS_OK && (f == NULL || !f->dead)) {
        send_out(sim, actor, &box);
    } else {
        stop(sim, actor, diag.text);
    }
    vs_outbox_free(&box);
}

/* The messages of a step: at once, or (group) together with those of the next ones. */
static void send_later(vs_sim *sim, uint32_t actor, vs_outbox *box)
{
    if (!sim->config.group || actor >= VS_SIM_CLIENT) {
        send_out(sim, actor, box);
        return;
    }
    for (size_t i = 0; i < box->n; i++) {
        vs_out *from = &box->item[i];
        vs_out *to = from->kind == VS_OUT_REPLY ? vs_outbox_reply(&sim->pending[actor], from->conn)
                                                : vs_outbox_send(&sim->pending[actor], from->peer,
                                                                 from->tag, from->timeout_ms);
        VS_ASSERT(to != NULL);
        to->msg = from->msg;
        from->msg = (vs_buf){0};
    }
    if (!vs_store_promised(vs_sim_store(sim, actor))) let_go(sim, actor);
}

/* Nobody has more to do now: true if something left. */
static bool let_all_go(vs_sim *sim)
{
    bool any = false;
    const uint32_t n = sim->config.committee.n;
    VS_ASSERT(n <= VS_SHAREHOLDERS_MAX);
    for (uint32_t a = 0; sim->config.group && a <= n && a <= VS_SHAREHOLDERS_MAX; a++) {
        if (!vs_sim_is_up(sim, a)) continue;
        bool waits = sim->pending[a].n > 0;
        if (waits || vs_store_promised(vs_sim_store(sim, a))) let_go(sim, a);
        any |= waits;
    }
    return any;
}

static void step_actor(vs_sim *sim, uint32_t actor, const vs_event *event)
{
    vs_outbox box = {0};
    vs_diag diag = {{0}};
    vs_err err = VS_OK;
    if (!vs_sim_is_up(sim, actor)) return;
    vs_fault *f = fault_of(sim, actor);
    if (event->kind != VS_EVENT_TICK && event->kind != VS_EVENT_LOST && !passes(sim, actor)) return;
    vs_fault_alloc_begin(f);
    if (actor == VS_PEER_AGGREGATOR) {
        err = vs_aggregator_step(sim->aggregator, sim->now_ms, event, &box, &diag);
    } else if (actor >= VS_SIM_CLIENT) {
        err = vs_client_step(sim->client[actor - VS_SIM_CLIENT].role, sim->now_ms, event, &box,
                             &diag);
    } else {
        err = vs_shareholder_step(sim->shareholder[actor], sim->now_ms, event, &box, &diag);
    }
    vs_fault_alloc_end();
    if (err == VS_OK && (f == NULL || !f->dead)) {
        send_later(sim, actor, &box);
    } else { /* the machine failed: the process stops, nothing leaves it */
        stop(sim, actor, diag.text);
    }
    vs_outbox_free(&box);
}

static void restart_when_due(vs_sim *sim)
{
    if (sim->restart_at == 0 || sim->now_ms < sim->restart_at) return;
    vs_fault *f = sim->config.fault;
    sim->restart_at = 0;
    vs_fault_heal(f);
    if (sim->config.restarting != NULL) sim->config.restarting();
    if (!vs_sim_is_up(sim, f->actor)) bring_up(sim, f->actor);
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
    if (let_all_go(sim)) return;
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
    restart_when_due(sim);
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

void vs_sim_ask(vs_sim *sim, uint32_t actor, vs_buf *msg)
{
    sim->admin_done = false;
    vs_buf_reset(&sim->admin_reply);
    enqueue(sim, new_call(sim, VS_SIM_ADMIN, actor, 0, 20000), false, msg, HOP_MS);
}

void vs_sim_throw(vs_sim *sim, uint32_t actor, const vs_buf *msg)
{
    vs_buf copy = {0};
    vs_buf_bytes(&copy, msg->p, msg->len);
    enqueue(sim, new_call(sim, VS_SIM_ADMIN + 1, actor, 0, 20000), false, &copy, HOP_MS);
}

void vs_sim_client_start(vs_sim *sim, uint32_t i, uint64_t round, const char *purpose)
{
    client_actor *c = &sim->client[i];
    vs_client_free(c->role);
    c->role = NULL;
    c->input.round = round;
    (void)snprintf(c->purpose, sizeof c->purpose, "%s", purpose);
    c->started = true;
    bring_up(sim, VS_SIM_CLIENT + i);
}
