#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "net/submission.h"
#include "tests/net/support_sim_impl.h"

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

const vs_client_status *vs_sim_client(const vs_sim *sim, uint32_t i)
{
    return sim->client[i].role == NULL ? NULL : vs_client_state(sim->client[i].role);
}

const uint32_t *vs_sim_coordinates(const vs_sim *sim, uint32_t i, uint32_t *n)
{
    *n = sim->client[i].n_coords;
    return sim->client[i].coords;
}

uint32_t vs_sim_n_clients(const vs_sim *sim)
{
    return sim->config.n_clients;
}

const char *vs_sim_why_stopped(const vs_sim *sim)
{
    return sim->why;
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
    vs_sim_must(vs_request_encode(&msg, &copy, body, body_len), "request", &(vs_diag){{0}});
    vs_sim_ask(sim, actor, &msg);
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
    vs_sim_must(vs_control_bytes(&msg, &id, op, control.unix_time, &hash), "control",
                &(vs_diag){{0}});
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
        vs_sim_must(vs_log_entry(sim->log, i - 1, &entry, &diag), "entry", &diag);
        vs_sim_must(vs_dsse_parse(&dsse, entry.p, entry.len, &diag), "envelope", &diag);
        if (strcmp(dsse.kind, kind) == 0) {
            vs_sim_must(
                vs_entry_decode(decoded, dsse.kind, dsse.payload.p, dsse.payload.len, &diag), kind,
                &diag);
            found = decoded->round == round;
        }
        vs_dsse_free(&dsse);
    }
    vs_buf_free(&entry);
    return found;
}

bool vs_sim_logged(vs_sim *sim, uint64_t round, const char *kind)
{
    vs_entry *entry = calloc(1, sizeof *entry);
    VS_ASSERT(entry != NULL);
    bool found = sim->log == NULL || find_entry(sim, round, kind, entry);
    free(entry);
    return found;
}

uint64_t vs_sim_newest(vs_sim *sim)
{
    if (sim->log == NULL || vs_log_size(sim->log) == sim->newest_size) return sim->newest;
    sim->newest_size = vs_log_size(sim->log);
    while (vs_sim_logged(sim, sim->newest + 1, "open")) sim->newest++;
    return sim->newest;
}

static void read_blob(vs_sim *sim, const vs_h32 *name, vs_buf *out)
{
    vs_diag diag = {{0}};
    char *path = vs_log_blob_path(sim->log, name);
    vs_sim_must(vs_file_read(out, path, 1u << 30, &diag), "blob", &diag);
    free(path);
}

bool vs_sim_records(vs_sim *sim, uint64_t round, vs_buf *records, vs_buf *rejected)
{
    vs_entry *set = calloc(1, sizeof *set);
    VS_ASSERT(set != NULL);
    bool found = find_entry(sim, round, "set", set);
    if (found) read_blob(sim, &set->u.set.records_blob, records);
    if (found && set->u.set.rejected_count > 0) {
        read_blob(sim, &set->u.set.rejected_blob, rejected);
    }
    free(set);
    return found;
}

bool vs_sim_included(vs_sim *sim, uint64_t round, uint32_t i)
{
    vs_buf records = {0}, rejected = {0};
    bool found = false;
    const vs_client_status *status = vs_sim_client(sim, i);
    if (status == NULL || !vs_sim_records(sim, round, &records, &rejected)) {
        return false;
    }
    for (size_t at = 0; at + VS_RECORD_BYTES <= records.len; at += VS_RECORD_BYTES) {
        vs_record record;
        vs_record_decode(&record, records.p + at);
        found |= vs_h32_equal(&record.pseudonym, &status->pseudonym) &&
                 vs_h32_equal(&record.manifest_hash, &status->manifest_hash);
    }
    vs_buf_free(&records);
    vs_buf_free(&rejected);
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
