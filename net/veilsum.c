/* The public C interface (net/veilsum.h) over members, updates and rounds. */
#include "net/veilsum.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/beside.h"
#include "base/file.h"
#include "base/hash.h"
#include "mpc/parallel.h"
#include "net/call_wait.h"
#include "net/client_run.h"
#include "net/member.h"
#include "net/update_file.h"

_Static_assert(VEILSUM_MESSAGE_BYTES == VS_DIAG_BYTES, "one line");

enum { CALL_TIMEOUT_MS = 15000, TIMEOUT_S = 60, POLL_MS = 50 };

struct veilsum {
    vs_member member;
    vs_caller caller;
    vs_diag diag;
    atomic_int interrupted;
    uint64_t timeout_ms;
    uint32_t threads;
    char scratch[VS_BESIDE_BYTES]; /* results pass through here */
};

static veilsum_status status_of(vs_err err)
{
    switch (err) {
    case VS_OK: return VEILSUM_OK;
    case VS_ERR_TIMEOUT: return VEILSUM_LATER;
    case VS_ERR_NOMEM:
    case VS_ERR_IO: return VEILSUM_SYSTEM;
    default: return VEILSUM_REFUSED;
    }
}

/* The end of a call. */
static veilsum_status done(veilsum *v, vs_err err)
{
    const bool told = atomic_exchange(&v->interrupted, 0) != 0;
    if (err == VS_OK) v->diag.text[0] = '\0';
    return err != VS_OK && told ? VEILSUM_LATER : status_of(err);
}

/* --- open, close --------------------------------------------------------------------------------
 */

static vs_err open_member(veilsum *v, const veilsum_options *o, vs_diag *diag)
{
    char data[VS_BESIDE_BYTES];
    vs_err err = VS_OK;
    if (o == NULL || o->federation == NULL || o->key == NULL) {
        return vs_fail(diag, VS_ERR_STATE, "veilsum_open: federation and key are needed");
    }
    if (o->threads > VS_THREADS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "veilsum_open: %u threads, at most %u can be used",
                       o->threads, VS_THREADS_MAX);
    }
    const vs_member_paths paths = {
        .federation = o->federation, .key = o->key, .enrolment = o->enrolment, .data = o->data};
    if (o->data == NULL) err = vs_path_beside(data, o->key, ".state", diag);
    if (err == VS_OK) {
        const int n =
            snprintf(v->scratch, sizeof v->scratch, "%s/result", o->data == NULL ? data : o->data);
        if (n < 0 || (size_t)n >= sizeof v->scratch) {
            err = vs_fail(diag, VS_ERR_LIMIT, "the path of the data folder is too long");
        }
    }
    if (err == VS_OK) err = vs_member_load(&v->member, &paths, diag);
    if (err == VS_OK) err = vs_member_open_store(&v->member, &paths, diag);
    v->threads = o->threads == 0 ? 1 : o->threads;
    v->timeout_ms = (uint64_t)(o->timeout_s == 0 ? TIMEOUT_S : o->timeout_s) * 1000;
    v->caller = vs_member_caller(&v->member, CALL_TIMEOUT_MS);
    return err;
}

veilsum_status veilsum_open(veilsum **out, const veilsum_options *options, char *message)
{
    vs_diag diag = {{0}};
    if (message != NULL) message[0] = '\0';
    if (out == NULL) return VEILSUM_REFUSED;
    *out = NULL;
    veilsum *v = calloc(1, sizeof *v);
    vs_err err =
        v == NULL ? vs_fail(&diag, VS_ERR_NOMEM, "out of memory") : open_member(v, options, &diag);
    if (err == VS_OK) {
        *out = v;
        return VEILSUM_OK;
    }
    if (message != NULL) memcpy(message, diag.text, sizeof diag.text);
    veilsum_close(v);
    return status_of(err);
}

void veilsum_close(veilsum *v)
{
    if (v == NULL) return;
    vs_member_free(&v->member);
    free(v);
}

const char *veilsum_message(const veilsum *v)
{
    return v == NULL ? "" : v->diag.text;
}

void veilsum_interrupt(veilsum *v)
{
    if (v != NULL) atomic_store(&v->interrupted, 1);
}

static bool is_interrupted(void *ctx)
{
    return atomic_load(&((veilsum *)ctx)->interrupted) != 0;
}

/* Sleeps so long, or until interrupted. */
static bool sleep_or_stop(void *ctx, uint32_t ms)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    for (uint32_t slept = 0; slept < ms && !is_interrupted(ctx); slept += POLL_MS) {
        (void)nanosleep(&pause, NULL);
    }
    return is_interrupted(ctx);
}

/* --- rounds -------------------------------------------------------------------------------------
 */

static vs_err read_round(veilsum *v, uint64_t number, veilsum_round_info *out)
{
    vsw_RoundInfo info;
    vs_buf open = {0};
    vs_round *round = malloc(sizeof *round);
    vs_err err = round == NULL ? vs_fail(&v->diag, VS_ERR_NOMEM, "out of memory") : VS_OK;
    if (err == VS_OK) {
        err = vs_call_round_info(&v->caller, number, &info, &open, NULL, &v->diag);
    }
    if (err == VS_OK &&
        (info.phase == vsw_Phase_IDLE || info.phase == vsw_Phase_OPENING || open.len == 0)) {
        err = vs_fail(&v->diag, VS_ERR_STATE, "there is no round yet");
    }
    if (err == VS_OK) {
        err = vs_round_from_open(round, v->member.fed, open.p, open.len, &v->diag);
    }
    if (err == VS_OK) {
        *out = (veilsum_round_info){.round = round->id.round,
                                    .num_params = round->open.dim,
                                    .deadline = info.deadline,
                                    .phase = VEILSUM_ADDING};
        if (info.phase == vsw_Phase_COLLECT) out->phase = VEILSUM_COLLECTING;
        if (info.phase == vsw_Phase_FINAL) out->phase = VEILSUM_FINAL;
        if (info.phase == vsw_Phase_ABORTED) out->phase = VEILSUM_ABORTED;
        memcpy(out->model_sha256, round->open.model_hash.b, sizeof out->model_sha256);
    }
    if (err == VS_OK && info.phase == vsw_Phase_ABORTED) {
        (void)vs_fail(&v->diag, VS_OK, "round %" PRIu64 " was aborted: %s", info.round,
                      info.detail);
    } else if (err == VS_OK) {
        v->diag.text[0] = '\0';
    }
    vs_buf_free(&open);
    free(round);
    return err;
}

veilsum_status veilsum_round(veilsum *v, uint64_t round, veilsum_round_info *out)
{
    if (v == NULL || out == NULL) return VEILSUM_REFUSED;
    *out = (veilsum_round_info){0};
    return status_of(read_round(v, round, out));
}

veilsum_status veilsum_wait(veilsum *v, uint64_t round, uint32_t timeout_s)
{
    vsw_RoundInfo info;
    if (v == NULL) return VEILSUM_REFUSED;
    const vs_wait_options options = {
        .timeout_ms = (uint64_t)timeout_s * 1000, .sleep = sleep_or_stop, .ctx = v};
    return done(v, vs_call_wait(&v->caller, round, &options, &info, &v->diag));
}

/* --- updates ------------------------------------------------------------------------------------
 */

/* A tensor in memory as one of a file. */
static vs_err take_tensor(vs_tensor *out, const veilsum_tensor *in, size_t i, bool named,
                          vs_diag *diag)
{
    const char *why;
    if ((in->values == NULL) || (in->n_dims > 0 && in->dims == NULL) ||
        in->n_dims > VS_TENSOR_DIMS_MAX ||
        (in->type != VEILSUM_FLOAT64 && in->type != VEILSUM_FLOAT32)) {
        return vs_fail(diag, VS_ERR_STATE,
                       "tensor %zu: needs values, a type, and at most %u dimensions", i,
                       VS_TENSOR_DIMS_MAX);
    }
    if (named) {
        if (in->name == NULL) return vs_fail(diag, VS_ERR_STATE, "tensor %zu: has no name", i);
        if (vs_tensor_name_check(in->name, strlen(in->name), &why) != VS_OK) {
            return vs_fail(diag, VS_ERR_STATE, "tensor %zu: its name %s", i, why);
        }
        memcpy(out->shape.name, in->name, strlen(in->name) + 1);
    }
    out->shape.n_dims = in->n_dims;
    for (uint32_t d = 0; d < in->n_dims; d++) out->shape.dims[d] = in->dims[d];
    out->dtype = in->type == VEILSUM_FLOAT64 ? VS_DTYPE_F64 : VS_DTYPE_F32;
    out->data = in->values;
    if (vs_tensor_size(&out->n, &out->shape, VS_DIM_MAX) == VS_OK) return VS_OK;
    return vs_fail(diag, VS_ERR_LIMIT, "tensor %zu: more than %u values", i, VS_DIM_MAX);
}

static vs_err take_tensors(vs_update *out, veilsum *v, const veilsum_tensor *tensors, size_t count)
{
    const bool named = tensors != NULL && count > 0 && tensors[0].name != NULL;
    vs_tensors t = {.container = named ? VS_CONTAINER_SAFETENSORS : VS_CONTAINER_NPY};
    vs_err err = VS_OK;
    if (tensors == NULL || count < 1 || count > VS_TENSORS_MAX || (!named && count > 1)) {
        return vs_fail(&v->diag, VS_ERR_STATE,
                       "an update is one unnamed vector, or 1 to %u named tensors", VS_TENSORS_MAX);
    }
    t.list = calloc(count, sizeof *t.list);
    if (t.list == NULL) return vs_fail(&v->diag, VS_ERR_NOMEM, "out of memory");
    t.count = (uint32_t)count;
    for (size_t i = 0; err == VS_OK && i < count; i++) {
        err = take_tensor(&t.list[i], &tensors[i], i, named, &v->diag);
    }
    if (err == VS_OK) err = vs_update_take(out, v->member.fed, &t, "update", &v->diag);
    if (err != VS_OK) vs_tensors_free(&t);
    return err;
}

static vs_err hash_model(vs_h32 *out, const char *path, vs_diag *diag)
{
    vs_map map = {0};
    vs_err err = vs_map_file(&map, path, diag);
    if (err != VS_OK) return err;
    vs_sha256(out, map.p, map.len);
    vs_unmap(&map);
    return VS_OK;
}

static vs_err send_update(veilsum *v, const veilsum_update *u, const vs_update *update,
                          veilsum_submission *out)
{
    vs_client_status s = {0};
    vs_client_input input = {.round = u->round,
                             .update = update->values,
                             .dim = update->n,
                             .weight = u->weight,
                             .has_metrics = u->has_metrics != 0,
                             .loss = u->loss,
                             .accuracy = u->accuracy,
                             .threads = v->threads,
                             .purpose = u->purpose == NULL ? "" : u->purpose};
    const vs_client_run_options run = {
        .patience_ms = v->timeout_ms, .stop = is_interrupted, .stop_ctx = v};
    vs_err err = VS_OK;
    memcpy(input.enrolment, v->member.enrolment, sizeof input.enrolment);
    if (u->model != NULL) err = hash_model(&input.model_hash, u->model, &v->diag);
    if (err == VS_OK) {
        err = vs_client_run(&s, v->member.fed, v->member.keys, v->member.store, &input, &run,
                            &v->diag);
    }
    if (err == VS_OK && out != NULL) {
        *out = (veilsum_submission){.round = s.round,
                                    .receipts = s.receipts,
                                    .shareholders = s.listed,
                                    .bytes_sent = s.bytes_sent,
                                    .clipped = s.clipped,
                                    .norm = s.norm};
    }
    return err;
}

veilsum_status veilsum_submit(veilsum *v, const veilsum_update *update,
                              const veilsum_tensor *tensors, size_t count, veilsum_submission *out)
{
    vs_update u = {0};
    if (out != NULL) *out = (veilsum_submission){0};
    if (v == NULL || update == NULL) return VEILSUM_REFUSED;
    vs_err err = take_tensors(&u, v, tensors, count);
    if (err == VS_OK) err = send_update(v, update, &u, out);
    vs_update_free(&u);
    return done(v, err);
}

veilsum_status veilsum_submit_file(veilsum *v, const veilsum_update *update, const char *path,
                                   veilsum_submission *out)
{
    vs_update u = {0};
    if (out != NULL) *out = (veilsum_submission){0};
    if (v == NULL || update == NULL || path == NULL) return VEILSUM_REFUSED;
    vs_err err = vs_update_open(&u, v->member.fed, path, &v->diag);
    if (err == VS_OK) err = send_update(v, update, &u, out);
    vs_update_free(&u);
    return done(v, err);
}

/* --- results ------------------------------------------------------------------------------------
 */

typedef struct target {
    double *values;
    uint64_t n, at;
} target;

static vs_err put_mean(void *ctx, const vs_round *round, const double *mean, size_t n,
                       vs_diag *diag)
{
    target *t = ctx;
    if (round->open.dim != t->n) {
        return vs_fail(diag, VS_ERR_LIMIT, "the result has %u values, there is room for %" PRIu64,
                       round->open.dim, t->n);
    }
    memcpy(t->values + t->at, mean, n * sizeof *mean);
    t->at += n;
    return VS_OK;
}

static veilsum_status give_mean(veilsum *v, vs_err err, const vs_fetched_result *f,
                                veilsum_mean *out)
{
    if (err == VS_OK && out != NULL) {
        const double epsilon = f->round.open.epsilon;
        *out = (veilsum_mean){.round = f->round.id.round,
                              .num_params = f->round.open.dim,
                              .clients = f->result.count,
                              .weight_sum = f->result.weight_sum,
                              .certain = f->result.certain ? 1 : 0,
                              .epsilon = epsilon,
                              .delta = epsilon > 0 ? v->member.fed->privacy.delta : 0,
                              .loss = f->metrics.loss,
                              .accuracy = f->metrics.accuracy};
    }
    return done(v, err);
}

veilsum_status veilsum_result(veilsum *v, uint64_t round, double *values, uint64_t n,
                              veilsum_mean *out)
{
    vs_fetched_result f = {0};
    if (out != NULL) *out = (veilsum_mean){0};
    if (v == NULL || values == NULL) return VEILSUM_REFUSED;
    target t = {.values = values, .n = n};
    const vs_mean_sink sink = {.put = put_mean, .ctx = &t};
    vs_err err = vs_call_result_to(&f, &v->caller, round, v->scratch, false, &sink, &v->diag);
    return give_mean(v, err, &f, out);
}

veilsum_status veilsum_result_file(veilsum *v, uint64_t round, const char *path, veilsum_mean *out)
{
    vs_fetched_result f = {0};
    if (out != NULL) *out = (veilsum_mean){0};
    if (v == NULL || path == NULL) return VEILSUM_REFUSED;
    vs_err err = vs_result_to_file(&f, &v->caller, round, path, NULL, VS_DTYPE_F64, NULL, &v->diag);
    return give_mean(v, err, &f, out);
}
