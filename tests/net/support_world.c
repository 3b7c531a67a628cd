#include "tests/net/support_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/file.h"
#include "ledger/dsse.h"
#include "net/replay.h"
#include "net/submission.h"

#define START_MS UINT64_C(1800000000000)
#define STEP_MS 50u

/* --- life ------------------------------------------------------------------------------------- */

static void on_notice(void *ctx, const char *text)
{
    vs_world *w = ctx;
    if (getenv("WORLD_VERBOSE"))
        (void)fprintf(stderr, "%llu %s\n", (unsigned long long)w->now_ms, text);
    vs_buf_text(&w->notices, text);
    vs_buf_u8(&w->notices, '\n');
}

static void must(vs_err err, const vs_diag *diag)
{
    if (err != VS_OK) (void)fprintf(stderr, "%s: %s\n", vs_err_name(err), diag->text);
    VS_ASSERT(err == VS_OK);
}

static void start_aggregator(vs_world *w)
{
    vs_diag diag = {{0}};
    must(vs_log_open(&w->log, w->folder, &w->tf->fed->log_key, w->tf->aggregator->log_seed, &diag),
         &diag);
    must(vs_aggregator_new(&w->ag, w->tf->fed, w->tf->aggregator, w->log, w->store,
                           vs_test_rng_of(&w->rng), w->now_ms, &diag),
         &diag);
    vs_aggregator_on_notice(w->ag, on_notice, w);
    w->failed = false;
}

static void start_shareholder(vs_world *w, uint32_t j)
{
    vs_diag diag = {{0}};
    must(vs_shareholder_new(&w->sh[j], w->tf->fed, w->tf->shareholder[j - 1], w->sh_store[j],
                            vs_test_rng_of(&w->sh_rng[j]), w->now_ms, &diag),
         &diag);
}

vs_world *vs_world_new(const vs_world_config *config)
{
    vs_test_fed_config fc = {.committee = config->committee,
                             .n_clients = config->n_clients,
                             .max_clients = config->max_clients,
                             .min_clients = config->min_clients,
                             .demo = true,
                             .public_results = config->public_results,
                             .seed = config->seed};
    vs_diag diag = {{0}};
    vs_world *w = calloc(1, sizeof *w);
    VS_ASSERT(w != NULL && config->n_clients <= WORLD_CLIENTS_MAX);
    w->config = *config;
    w->tf = vs_test_federation_new(&fc);
    w->now_ms = START_MS;
    w->folder = vs_test_folder_new();
    w->rng.seed = config->seed + 1;
    must(vs_store_mem_open(&w->store), &diag);
    must(vs_log_create(&w->log, w->folder, w->tf->fed->origin, &w->tf->fed->log_key,
                       w->tf->aggregator->log_seed, &diag),
         &diag);
    vs_log_close(w->log);
    start_aggregator(w);
    for (uint32_t j = 1; j <= w->tf->fed->committee.n; j++) {
        w->sh_rng[j].seed = config->seed + 100 + j;
        must(vs_store_mem_open(&w->sh_store[j]), &diag);
        start_shareholder(w, j);
    }
    for (uint32_t i = 0; i < config->n_clients; i++) {
        w->client_rng[i].seed = config->seed + 200 + i;
        must(vs_store_mem_open(&w->client_store[i]), &diag);
        w->update[i] = calloc(config->dim, sizeof(double));
        VS_ASSERT(w->update[i] != NULL);
        for (uint32_t x = 0; x < config->dim; x++) {
            w->update[i][x] = (double)(vs_test_u64(config->seed + i, x) % 2001) / 1000.0 - 1.0;
        }
    }
    return w;
}

static void drop_messages(vs_world *w, bool of_aggregator_only)
{
    vs_world_message **at = &w->first;
    w->last = NULL;
    while (*at != NULL) {
        vs_world_message *m = *at;
        if (of_aggregator_only && m->from_client != 0) {
            w->last = m;
            at = &m->next;
            continue;
        }
        *at = m->next;
        vs_buf_free(&m->bytes);
        free(m);
    }
}

void vs_world_free(vs_world *w)
{
    drop_messages(w, false);
    vs_aggregator_free(w->ag);
    vs_log_close(w->log);
    vs_store_mem_close(&w->store);
    for (uint32_t j = 1; j <= w->tf->fed->committee.n; j++) {
        vs_shareholder_free(w->sh[j]);
        vs_store_mem_close(&w->sh_store[j]);
    }
    for (uint32_t i = 0; i < w->config.n_clients; i++) {
        vs_client_free(w->client[i]);
        vs_store_mem_close(&w->client_store[i]);
        free(w->update[i]);
        free(w->coords[i]);
    }
    vs_buf_free(&w->notices);
    vs_buf_free(&w->manifest);
    vs_buf_free(&w->answer);
    vs_test_folder_remove(w->folder);
    vs_test_federation_free(w->tf);
    free(w);
}

void vs_world_restart(vs_world *w)
{
    vs_aggregator_free(w->ag);
    vs_log_close(w->log);
    vs_store_mem_power_cut(&w->store);
    drop_messages(w, true);
    w->life++;
    start_aggregator(w);
}

void vs_world_restart_shareholder(vs_world *w, uint32_t j)
{
    vs_shareholder_free(w->sh[j]);
    start_shareholder(w, j);
    w->down[j] = false;
}

/* --- messages --------------------------------------------------------------------------------- */

static void push(vs_world *w, uint32_t from_client, const vs_out *item)
{
    vs_world_message *m = calloc(1, sizeof *m);
    VS_ASSERT(m != NULL);
    m->from_client = from_client;
    m->to = item->peer;
    m->tag = item->tag;
    m->life = w->life;
    vs_buf_bytes(&m->bytes, item->msg.p, item->msg.len);
    VS_ASSERT(!m->bytes.failed);
    if (w->last == NULL)
        w->first = m;
    else
        w->last->next = m;
    w->last = m;
}

/* One step of the aggregator. Its reply to a request (if any) is appended to *reply. */
static void step_aggregator(vs_world *w, const vs_event *event, vs_buf *reply)
{
    vs_outbox box = {0};
    vs_diag diag = {{0}};
    if (w->failed) return;
    w->steps++;
    vs_err err = vs_aggregator_step(w->ag, w->now_ms, event, &box, &diag);
    if (err != VS_OK) { /* the process stops: nothing of this step leaves */
        w->failed = true;
    } else {
        for (size_t i = 0; i < box.n; i++) {
            if (box.item[i].kind == VS_OUT_SEND)
                push(w, 0, &box.item[i]);
            else if (reply != NULL)
                vs_buf_bytes(reply, box.item[i].msg.p, box.item[i].msg.len);
        }
    }
    vs_outbox_free(&box);
    if (w->failed || w->steps == w->kill_after) vs_world_restart(w);
}

static void step_shareholder(vs_world *w, uint32_t j, const vs_event *event, vs_buf *reply)
{
    vs_outbox box = {0};
    vs_diag diag = {{0}};
    must(vs_shareholder_step(w->sh[j], w->now_ms, event, &box, &diag), &diag);
    for (size_t i = 0; i < box.n; i++) {
        VS_ASSERT(box.item[i].kind == VS_OUT_REPLY);
        vs_buf_bytes(reply, box.item[i].msg.p, box.item[i].msg.len);
    }
    vs_outbox_free(&box);
}

static void step_client(vs_world *w, uint32_t i, const vs_event *event)
{
    vs_outbox box = {0};
    vs_diag diag = {{0}};
    must(vs_client_step(w->client[i], w->now_ms, event, &box, &diag), &diag);
    for (size_t k = 0; k < box.n; k++) push(w, i + 1, &box.item[k]);
    vs_outbox_free(&box);
}

static void note_manifest(vs_world *w, const vs_world_message *m)
{
    vs_request q;
    if (vs_request_decode(&q, m->bytes.p, m->bytes.len) != VS_OK) return;
    if (q.head.which_op != vsw_Request_manifest_tag) return;
    vs_buf_reset(&w->manifest);
    vs_buf_bytes(&w->manifest, q.body, q.body_len);
}

/* The reply to m; false: lost. */
static bool carry(vs_world *w, const vs_world_message *m, vs_buf *reply)
{
    vs_event event = {.kind = VS_EVENT_REQUEST, .conn = 1, .msg = m->bytes.p, .len = m->bytes.len};
    vs_request q;
    if (m->to == VS_PEER_AGGREGATOR) {
        uint64_t life = w->life;
        note_manifest(w, m);
        step_aggregator(w, &event, reply);
        return w->life == life && reply->len > 0;
    }
    if (w->down[m->to]) return false;
    bool hooked = w->hook != NULL && m->from_client == 0;
    VS_ASSERT(vs_request_decode(&q, m->bytes.p, m->bytes.len) == VS_OK);
    if (hooked && w->hook(w->hook_ctx, w, m->to, &q, NULL) == VS_WORLD_LOSE) return false;
    step_shareholder(w, m->to, &event, reply);
    return !(hooked && w->hook(w->hook_ctx, w, m->to, &q, reply) == VS_WORLD_LOSE);
}

static void deliver_one(vs_world *w)
{
    vs_world_message *m = w->first;
    vs_buf reply = {0};
    w->first = m->next;
    if (w->first == NULL) w->last = NULL;
    bool arrived = carry(w, m, &reply);
    vs_event event = {.kind = arrived ? VS_EVENT_REPLY : VS_EVENT_LOST,
                      .peer = m->to,
                      .tag = m->tag,
                      .msg = reply.p,
                      .len = reply.len,
                      .text = "lost in the test"};
    if (m->from_client != 0)
        step_client(w, m->from_client - 1, &event);
    else if (m->life == w->life)
        step_aggregator(w, &event, NULL);
    vs_buf_free(&reply);
    vs_buf_free(&m->bytes);
    free(m);
}

static void turn(vs_world *w)
{
    vs_event tick = {.kind = VS_EVENT_TICK};
    vs_buf none = {0};
    for (uint32_t n = 0; w->first != NULL && n < 10000; n++) deliver_one(w);
    VS_ASSERT(w->first == NULL); /* nobody talks for ever without a pause */
    w->now_ms += STEP_MS;
    step_aggregator(w, &tick, NULL);
    for (uint32_t j = 1; j <= w->tf->fed->committee.n; j++) {
        if (!w->down[j]) step_shareholder(w, j, &tick, &none);
    }
    for (uint32_t i = 0; i < w->config.n_clients; i++) {
        if (w->client[i] != NULL) step_client(w, i, &tick);
    }
}

void vs_world_run_for(vs_world *w, uint64_t ms)
{
    for (uint64_t end = w->now_ms + ms; w->now_ms < end;) turn(w);
}

bool vs_world_run_to(vs_world *w, vsw_Phase phase, uint64_t max_ms)
{
    for (uint64_t end = w->now_ms + max_ms; w->now_ms < end;) {
        if (vs_world_info(w, 0).phase == phase) return true;
        turn(w);
    }
    return vs_world_info(w, 0).phase == phase;
}

bool vs_world_run_client(vs_world *w, uint32_t i, uint64_t max_ms)
{
    for (uint64_t end = w->now_ms + max_ms; w->now_ms < end;) {
        vs_client_phase phase = vs_client_state(w->client[i])->phase;
        if (phase == VS_CLIENT_DONE) return true;
        if (phase == VS_CLIENT_FAILED) return false;
        turn(w);
    }
    return false;
}

/* --- clients ---------------------------------------------------------------------------------- */

static void reveal(void *ctx, uint64_t round, const uint32_t *coords, uint32_t n)
{
    const vs_world_reveal *to = ctx;
    (void)round;
    free(to->w->coords[to->i]);
    to->w->coords[to->i] = malloc(n * sizeof *coords);
    VS_ASSERT(to->w->coords[to->i] != NULL);
    memcpy(to->w->coords[to->i], coords, n * sizeof *coords);
    to->w->n_coords = n;
}

void vs_world_submit(vs_world *w, uint32_t i)
{
    vs_diag diag = {{0}};
    vs_client_input input = {.update = w->update[i],
                             .dim = w->config.dim,
                             .weight = 1 + i,
                             .purpose = "",
                             .reveal = reveal,
                             .reveal_ctx = &w->reveal[i]};
    memcpy(input.enrolment, w->tf->enrolment[i], sizeof input.enrolment);
    w->reveal[i] = (vs_world_reveal){w, i};
    vs_client_free(w->client[i]);
    must(vs_client_new(&w->client[i], w->tf->fed, w->tf->client[i], w->client_store[i],
                       vs_test_rng_of(&w->client_rng[i]), &input, &diag),
         &diag);
}

/* --- requests to the aggregator --------------------------------------------------------------- */

vs_reply vs_world_call(vs_world *w, const vsw_Request *head, const void *body, size_t len)
{
    vsw_Request h = *head;
    vs_buf request = {0};
    vs_reply reply = {0};
    uint8_t zeros[32] = {0};
    if (memcmp(h.federation_id, zeros, 32) == 0) memcpy(h.federation_id, w->tf->fed->id.b, 32);
    VS_ASSERT(vs_request_encode(&request, &h, body, len) == VS_OK);
    for (uint32_t tries = 0; tries < 3; tries++) { /* it may be killed while it answers */
        vs_event event = {
            .kind = VS_EVENT_REQUEST, .conn = 9, .msg = request.p, .len = request.len};
        uint64_t life = w->life;
        vs_buf_reset(&w->answer);
        step_aggregator(w, &event, &w->answer);
        if (w->life == life) break;
    }
    vs_buf_free(&request);
    VS_ASSERT(vs_reply_decode(&reply, w->answer.p, w->answer.len) == VS_OK);
    return reply;
}

vsw_RoundInfo vs_world_info(vs_world *w, uint64_t round)
{
    vsw_Request head = {.which_op = vsw_Request_round_info_tag, .op.round_info = {.round = round}};
    vs_reply reply = vs_world_call(w, &head, NULL, 0);
    VS_ASSERT(reply.head.which_result == vsw_Reply_round_info_tag);
    return reply.head.result.round_info;
}

vsw_Control vs_world_control(const vs_world *w, const vs_keys *keys, vs_operation op,
                             uint64_t round, const vs_buf *arguments)
{
    static const uint8_t none[1] = {0};
    vs_round_id id = {.federation_id = w->tf->fed->id, .round = round};
    vsw_Control c = {.unix_time = w->now_ms / 1000};
    vs_buf statement = {0};
    vs_h32 hash;
    vs_sha256(&hash, arguments == NULL ? none : arguments->p,
              arguments == NULL ? 0 : arguments->len);
    VS_ASSERT(vs_control_bytes(&statement, &id, op, c.unix_time, &hash) == VS_OK);
    memcpy(c.key, keys->pub.identity.b, sizeof c.key);
    vs_sign(c.signature, statement.p, statement.len, keys->identity_seed);
    vs_buf_free(&statement);
    return c;
}

static vsw_Code code_of(const vs_reply *reply)
{
    bool failed = reply->head.which_result == vsw_Reply_error_tag;
    return failed ? reply->head.result.error.code : vsw_Code_OK;
}

vsw_Code vs_world_open(vs_world *w, uint64_t round, uint32_t target_clients)
{
    vsw_Request head = {.which_op = vsw_Request_control_open_tag};
    vsw_ControlOpen *m = &head.op.control_open;
    vs_buf arguments = {0};
    m->round = round;
    m->dim = w->config.dim;
    m->target_clients = target_clients;
    m->collect_s = 30;
    vs_buf_u32(&arguments, m->dim);
    vs_buf_bytes(&arguments, m->model_hash, sizeof m->model_hash);
    vs_buf_u32(&arguments, m->target_clients);
    vs_buf_u32(&arguments, m->collect_s);
    m->has_control = true;
    m->control = vs_world_control(w, w->tf->admin, VS_OPERATION_OPEN, round, &arguments);
    vs_buf_free(&arguments);
    vs_reply reply = vs_world_call(w, &head, NULL, 0);
    return code_of(&reply);
}

vsw_Code vs_world_end(vs_world *w, vs_operation op, uint64_t round)
{
    bool cancel = op == VS_OPERATION_CANCEL;
    vsw_Request head = {.which_op = cancel ? vsw_Request_control_cancel_tag
                                           : vsw_Request_control_close_tag};
    head.op.control_close.round = round;
    head.op.control_close.has_control = true;
    head.op.control_close.control = vs_world_control(w, w->tf->admin, op, round, NULL);
    vs_reply reply = vs_world_call(w, &head, NULL, 0);
    return code_of(&reply);
}

uint8_t *vs_world_blob(vs_world *w, const vs_h32 *name, size_t *len)
{
    vs_buf bytes = {0};
    vs_buf arguments = {0};
    for (;;) {
        vsw_Request head = {.which_op = vsw_Request_blob_tag};
        vsw_Blob *m = &head.op.blob;
        memcpy(m->name, name->b, sizeof m->name);
        m->offset = bytes.len;
        vs_buf_reset(&arguments);
        vs_buf_h32(&arguments, name);
        vs_buf_u64(&arguments, m->offset);
        m->has_control = true;
        m->control =
            vs_world_control(w, w->tf->shareholder[0], VS_OPERATION_READ_BLOB, 0, &arguments);
        vs_reply reply = vs_world_call(w, &head, NULL, 0);
        if (reply.head.which_result != vsw_Reply_progress_tag) {
            vs_buf_free(&bytes);
            break;
        }
        vs_buf_bytes(&bytes, reply.body, reply.body_len);
        if (bytes.len == reply.head.result.progress.total) break;
    }
    vs_buf_free(&arguments);
    *len = bytes.len;
    return bytes.p;
}

/* --- what came of it -------------------------------------------------------------------------- */

bool vs_world_entry(vs_world *w, uint64_t round, vs_entry_kind kind, uint32_t nth, vs_entry *out)
{
    vsw_Request head = {.which_op = vsw_Request_entry_tag,
                        .op.entry = {.round = round, .nth = nth}};
    vs_dsse dsse = {0};
    (void)snprintf(head.op.entry.kind, sizeof head.op.entry.kind, "%s", vs_entry_kind_name(kind));
    vs_reply reply = vs_world_call(w, &head, NULL, 0);
    if (reply.head.which_result != vsw_Reply_ok_tag) return false;
    VS_ASSERT(vs_dsse_parse(&dsse, reply.body, reply.body_len, NULL) == VS_OK);
    VS_ASSERT(vs_entry_decode(out, dsse.kind, dsse.payload.p, dsse.payload.len, NULL) == VS_OK);
    vs_dsse_free(&dsse);
    return true;
}

void vs_world_expect_sums(vs_world *w, uint64_t round, uint32_t mask)
{
    vs_entry *e = calloc(1, sizeof *e);
    size_t len = 0;
    VS_ASSERT(e != NULL && vs_world_entry(w, round, VS_ENTRY_RESULT, 0, e));
    uint8_t *bytes = vs_world_blob(w, &e->u.result.sum_blob, &len);
    VS_ASSERT(bytes != NULL && len == 8u * w->n_coords);
    for (uint32_t x = 0; x < w->n_coords; x++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < w->config.n_clients; i++) {
            if ((mask >> i & 1) != 0) sum += w->coords[i][x];
        }
        VS_ASSERT(sum == vs_load_le64(bytes + 8u * x));
    }
    free(bytes);
    free(e);
}

static vs_err blob_size(void *ctx, const vs_h32 *name, uint64_t *bytes)
{
    vs_world *w = ctx;
    vs_map map = {0};
    char *path = vs_log_blob_path(w->log, name);
    vs_err err = vs_map_file(&map, path, NULL);
    free(path);
    *bytes = map.len;
    vs_unmap(&map);
    return err == VS_OK ? VS_OK : VS_ERR_STATE;
}

static vs_err blob_read(void *ctx, const vs_h32 *name, uint64_t offset, uint8_t *out, size_t len)
{
    vs_world *w = ctx;
    vs_map map = {0};
    char *path = vs_log_blob_path(w->log, name);
    vs_err err = vs_map_file(&map, path, NULL);
    free(path);
    if (err != VS_OK || offset + len > map.len)
        err = VS_ERR_STATE;
    else
        memcpy(out, map.p + offset, len);
    vs_unmap(&map);
    return err;
}

void vs_world_expect_valid_log(vs_world *w)
{
    vs_blob_source blobs = {blob_size, blob_read, w};
    vs_replay *rp = NULL;
    vs_diag diag = {{0}};
    must(vs_replay_new(&rp, w->tf->fed, &blobs, true), &diag);
    for (uint64_t i = 0; i < vs_log_size(w->log); i++) {
        vs_buf entry = {0};
        must(vs_log_entry(w->log, i, &entry, &diag), &diag);
        must(vs_replay_entry(rp, entry.p, entry.len, &diag), &diag);
        vs_buf_free(&entry);
    }
    vs_replay_free(rp);
}

bool vs_world_noticed(const vs_world *w, const char *text)
{
    vs_buf all = {0};
    vs_buf_bytes(&all, w->notices.p, w->notices.len);
    vs_buf_u8(&all, 0);
    bool found = strstr((const char *)all.p, text) != NULL;
    vs_buf_free(&all);
    return found;
}
