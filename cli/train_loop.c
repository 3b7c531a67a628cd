#include "cli/train_loop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <sodium.h>

#include "base/file.h"
#include "cli/out.h"
#include "fl/evaluate.h"
#include "fl/linear.h"
#include "fl/safetensors.h"
#include "net/call.h"
#include "net/client_run.h"
#include "net/receipt.h"
#include "net/update_file.h"

enum {
    CALL_TIMEOUT_MS = 10000,
    POLL_MS = 100,       /* while rounds follow each other */
    POLL_IDLE_MS = 2000, /* after IDLE_POLLS polls without a new one */
    IDLE_POLLS = 600,
    PATIENCE_MS = 120000, /* without progress of a submission */
    PATH_BYTES = 4096,
    /* Beside the values, in any container. */
    MODEL_HEADER_BYTES = VS_SAFETENSORS_HEADER_MAX + 16384,
};

vs_err vs_trainer_init(vs_trainer *t, vs_diag *diag)
{
    vs_linear_init();
    t->n_params = vs_model_n_params(&t->model);
    vs_err err = vs_workload_part(&t->own, &t->work, t->client, diag);
    if (err == VS_OK) err = vs_model_fits(&t->model, &t->own, diag);
    if (err == VS_OK && t->fed->privacy.mechanism == VS_MECHANISM_NONE &&
        t->own.n_rows > t->fed->quantiser.max_weight) {
        err = vs_fail(diag, VS_ERR_LIMIT,
                      "%zu rows are a weight above the federation's max_weight %" PRIu64,
                      t->own.n_rows, t->fed->quantiser.max_weight);
    }
    if (err == VS_OK) {
        t->round = calloc(1, sizeof *t->round);
        t->params = calloc(t->n_params, sizeof *t->params);
        t->delta = calloc(t->n_params, sizeof *t->delta);
        if (t->round == NULL || t->params == NULL || t->delta == NULL) {
            err = vs_fail(diag, VS_ERR_NOMEM, "out of memory for %zu parameters", t->n_params);
        }
    }
    if (err != VS_OK) vs_trainer_clear(t);
    return err;
}

void vs_trainer_clear(vs_trainer *t)
{
    vs_dataset_free(&t->own);
    if (t->delta != NULL) sodium_memzero(t->delta, t->n_params * sizeof *t->delta);
    free(t->delta);
    free(t->params);
    free(t->round);
    t->delta = t->params = NULL;
    t->round = NULL;
}

/* --- lines -------------------------------------------------------------------------------------
 */

static void print_json(json_t *line)
{
    char *text = line == NULL ? NULL : json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(15));
    (void)puts(text == NULL ? "{\"event\":\"out-of-memory\"}" : text);
    free(text);
    json_decref(line);
    (void)fflush(stdout);
}

static void tell_ready(const vs_trainer *t)
{
    char spec[VS_MODEL_SPEC_BYTES];
    vs_model_format(spec, &t->model);
    if (t->json) {
        print_json(json_pack("{s:s, s:I, s:I, s:s}", "event", "ready", "client",
                             (json_int_t)t->client, "rows", (json_int_t)t->own.n_rows, "model",
                             spec));
        return;
    }
    (void)printf("client %u of %u: %zu rows, model %s; waiting for rounds of \"%s\"\n", t->client,
                 t->work.n_clients, t->own.n_rows, spec, t->fed->name);
    (void)fflush(stdout);
}

static void tell_done(const vs_trainer *t, const vs_train_report *report,
                      const vs_client_status *status)
{
    char pseudonym[VS_HEX_CHARS(32)], clipped[96] = "";
    const double part = (double)status->clipped / (double)t->n_params;
    const bool weighted = t->fed->privacy.mechanism == VS_MECHANISM_NONE;
    vs_hex_encode(pseudonym, status->pseudonym.b, 32);
    if (status->clipped > 0 || status->norm_clipped) {
        (void)snprintf(clipped, sizeof clipped,
                       "; clipped: %.2g %% of the coordinates, norm %.3g%s", 100 * part,
                       status->norm, status->norm_clipped ? "" : " not");
    }
    if (t->json) {
        print_json(json_pack(
            "{s:s, s:I, s:I, s:s, s:I, s:f, s:I, s:I, s:I, s:I, s:f, s:f, s:b, s:s}", "event",
            "submitted", "round", (json_int_t)status->round, "client", (json_int_t)t->client,
            "pseudonym", pseudonym, "weight", weighted ? (json_int_t)report->n_rows : 1, "loss",
            report->loss, "bytes_sent", (json_int_t)status->bytes_sent, "receipts",
            (json_int_t)status->receipts, "shareholders", (json_int_t)status->listed, "clipped",
            (json_int_t)status->clipped, "clipped_fraction", part, "norm", status->norm,
            "norm_clipped", (int)status->norm_clipped, "note", status->error.text));
        return;
    }
    (void)printf("round %" PRIu64 ": trained on %zu rows, loss %.4f; sent %.1f kB, %u of %u "
                 "receipts, pseudonym %.16s%s%s%s\n",
                 status->round, report->n_rows, report->loss, (double)status->bytes_sent / 1000,
                 status->receipts, status->listed, pseudonym, clipped,
                 status->error.text[0] == '\0' ? "" : "; ", status->error.text);
    (void)fflush(stdout);
}

static void tell_failed(const vs_trainer *t, uint64_t round, const vs_diag *why)
{
    if (t->json) {
        print_json(json_pack("{s:s, s:I, s:I, s:s}", "event", "failed", "round", (json_int_t)round,
                             "client", (json_int_t)t->client, "error", why->text));
        return;
    }
    (void)printf("round %" PRIu64 ": not taken part: %s\n", round, why->text);
    (void)fflush(stdout);
}

/* --- one round ---------------------------------------------------------------------------------
 */

/* Wait for a round that collects and is new to us: *info and t->round. False: told to stop. */
static bool wait_round(vs_trainer *t, const vs_caller *caller, vsw_RoundInfo *info)
{
    vs_diag diag, told = {""};
    for (uint32_t polls = 0; !vs_stop_asked(t->stop); polls++) {
        vs_buf open = {0};
        vsw_Code code;
        vs_err err = vs_call_round_info(caller, 0, info, &open, &code, &diag);
        if (err == VS_OK && info->phase == vsw_Phase_COLLECT && info->round > t->last_round) {
            err = vs_round_from_open(t->round, t->fed, open.p, open.len, &diag);
            if (err == VS_OK) t->last_round = t->round->id.round;
            vs_buf_free(&open);
            if (err == VS_OK) return true;
        }
        vs_buf_free(&open);
        if (err != VS_OK && code == vsw_Code_OK && strcmp(told.text, diag.text) != 0) {
            (void)fprintf(stderr, "veilsum: waiting: %s\n", diag.text); /* each reason once */
            told = diag;
        }
        (void)vs_stop_sleep(t->stop, polls < IDLE_POLLS ? POLL_MS : POLL_IDLE_MS);
    }
    return false;
}

/* The model file that `open` names, into t->params. */
static vs_err fetch_model(vs_trainer *t, const vs_caller *caller, vs_diag *diag)
{
    const vs_entry_open *open = &t->round->open;
    vs_buf file = {0};
    vs_tensors tensors = {0};
    vs_update model = {0};
    if (vs_h32_is_zero(&open->model_hash)) {
        return vs_fail(diag, VS_ERR_STATE, "the round names no model file to train from");
    }
    if (open->dim != t->n_params) {
        return vs_fail(diag, VS_ERR_STATE, "the round adds up %u coordinates, our model has %zu",
                       open->dim, t->n_params);
    }
    vs_err err = vs_call_get_blob(caller, &open->model_hash,
                                  t->n_params * sizeof(double) + MODEL_HEADER_BYTES, &file, diag);
    if (err == VS_OK) {
        err = vs_tensors_parse(&tensors, file.p, file.len, "model file", t->n_params, diag);
    }
    if (err == VS_OK) err = vs_update_take(&model, t->fed, &tensors, "model file", diag);
    if (err == VS_OK && model.n != t->n_params) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "model file: %" PRIu64 " values, our model has %zu",
                      model.n, t->n_params);
    }
    if (err == VS_OK) memcpy(t->params, model.values, t->n_params * sizeof *t->params);
    vs_update_free(&model);
    vs_tensors_free(&tensors);
    vs_buf_free(&file);
    return err;
}

/* Demo federations only: what is submitted, for the check that sums are exact. */
static void leave_update(void *ctx, uint64_t round, const uint32_t *coords, uint32_t n)
{
    const vs_trainer *t = ctx;
    char path[PATH_BYTES];
    vs_buf bytes = {0};
    vs_diag diag;
    int len = snprintf(path, sizeof path, "%s/round-%" PRIu64 "-client-%u.u32", t->reveal, round,
                       t->client);
    for (uint32_t i = 0; i < n; i++) vs_buf_u32(&bytes, coords[i]);
    vs_err err = len < PATH_BYTES ? vs_buf_check(&bytes) : VS_ERR_LIMIT;
    (void)vs_fail(&diag, err, "%s: cannot be written", t->reveal);
    if (err == VS_OK) err = vs_file_write_durable(path, bytes.p, bytes.len, 0600, &diag);
    if (err != VS_OK) (void)fprintf(stderr, "veilsum: %s\n", diag.text);
    vs_buf_free_secret(&bytes);
}

static bool is_stopped(void *ctx)
{
    return vs_stop_asked(ctx);
}

static vs_err take_part(vs_trainer *t, const vs_caller *caller, vs_train_report *report,
                        vs_client_status *status, vs_diag *diag)
{
    vs_client_input input = {.round = t->round->id.round,
                             .update = t->delta,
                             .dim = t->n_params,
                             .model_hash = t->round->open.model_hash,
                             .threads = t->threads,
                             .purpose = "",
                             .reveal = t->reveal == NULL ? NULL : leave_update,
                             .reveal_ctx = t};
    memcpy(input.enrolment, t->enrolment, sizeof input.enrolment);
    t->options.seed = vs_workload_seed(&t->work, input.round, t->client);
    vs_err err = fetch_model(t, caller, diag);
    if (err == VS_OK && t->fed->metrics) {
        vs_evaluation e; /* of the model that everybody starts from */
        err = vs_model_evaluate(&e, &t->model, t->params, &t->own, diag);
        if (err == VS_OK) {
            input.has_metrics = true;
            input.loss = e.loss;
            input.accuracy = e.accuracy;
        }
    }
    if (err == VS_OK) {
        err = vs_train_local(t->delta, report, &t->model, t->params, &t->own, NULL, t->own.n_rows,
                             &t->options, diag);
    }
    if (err != VS_OK) return err;
    /* Under differential privacy every client counts the same. */
    input.weight = t->fed->privacy.mechanism == VS_MECHANISM_NONE ? report->n_rows : 1;
    const vs_client_run_options run = {
        .patience_ms = PATIENCE_MS, .stop = is_stopped, .stop_ctx = t->stop};
    return vs_client_run(status, t->fed, t->keys, t->store, &input, &run, diag);
}

/* What proves later what became of the submission. One of the same round that is there stays. */
static vs_err leave_receipt(const vs_trainer *t, const vs_client_status *status, vs_diag *diag)
{
    char path[PATH_BYTES];
    vs_buf text = {0};
    const vs_receipt_claim claim = {.federation = t->fed->id,
                                    .client_key = t->keys->pub.identity,
                                    .salt = status->salt,
                                    .pseudonym = status->pseudonym,
                                    .manifest_hash = status->manifest_hash,
                                    .round = status->round};
    if (t->receipts == NULL) return VS_OK;
    int len =
        snprintf(path, sizeof path, "%s/round-%" PRIu64 ".receipt", t->receipts, status->round);
    if (len <= 0 || len >= PATH_BYTES) {
        return vs_fail(diag, VS_ERR_LIMIT, "--receipts: the path is too long");
    }
    vs_err err = vs_receipt_begin(&text, &claim);
    if (err != VS_OK) return vs_fail(diag, err, "out of memory");
    err = vs_file_create_durable(path, text.p, text.len, 0600, diag);
    if (err != VS_OK) vs_diag_prefix(diag, "submitted, but no receipt was written");
    vs_buf_free(&text);
    return err;
}

uint64_t vs_trainer_run(vs_trainer *t, uint64_t n_rounds)
{
    const vs_caller caller = {
        .fed = t->fed, .keys = t->keys, .enrolment = t->enrolment, .timeout_ms = CALL_TIMEOUT_MS};
    vsw_RoundInfo info;
    uint64_t n_failed = 0;
    tell_ready(t);
    for (uint64_t i = 0; i < n_rounds && wait_round(t, &caller, &info); i++) {
        vs_train_report report = {0};
        vs_client_status status = {0};
        vs_diag why;
        vs_err err = take_part(t, &caller, &report, &status, &why);
        if (vs_stop_asked(t->stop)) break;
        if (err == VS_OK) err = leave_receipt(t, &status, &why);
        if (err == VS_OK) {
            tell_done(t, &report, &status);
        } else {
            tell_failed(t, info.round, &why);
            n_failed++;
        }
    }
    return n_failed;
}
