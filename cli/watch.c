#include "cli/watch.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "net/call_wait.h"
#include "net/client_run.h"
#include "net/update_file.h"

enum {
    CALL_TIMEOUT_MS = 15000,
    FILE_POLL_MS = 200,
    ROUND_POLL_MS = 1000,
    RETRY_MS = 2000,
    NAME_BYTES = 64,
};

/* --- lines -------------------------------------------------------------------------------------
 */

static void tell(const vs_watch *w, const char *event, uint64_t round, const char *fmt, ...)
    VS_PRINTF(4, 5);
static void tell(const vs_watch *w, const char *event, uint64_t round, const char *fmt, ...)
{
    vs_diag line; /* one line, printable */
    char text[VS_DIAG_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)vs_fail(&line, VS_OK, "%s", text);
    if (w->json) {
        json_t *object = json_pack("{s:s, s:I, s:s}", "event", event, "round", (json_int_t)round,
                                   "text", line.text);
        char *out = json_dumps(object, JSON_COMPACT);
        (void)puts(out == NULL ? "{\"event\":\"out-of-memory\"}" : out);
        free(out);
        json_decref(object);
    } else if (round == 0) {
        (void)puts(line.text);
    } else {
        (void)printf("[ROUND %" PRIu64 "] %s\n", round, line.text);
    }
    (void)fflush(stdout);
}

static vs_err save_state(vs_watch *w, const char *phase, const char *detail, vs_diag *diag)
{
    w->state.phase = phase;
    w->state.detail = detail;
    return vs_watch_write_state(w->dir, &w->state, diag);
}

static bool sleep_or_stop(void *ctx, uint32_t ms)
{
    return vs_stop_sleep(((vs_watch *)ctx)->stop, ms);
}

static bool is_stopped(void *ctx)
{
    return vs_stop_asked(((vs_watch *)ctx)->stop);
}

/* --- the update --------------------------------------------------------------------------------
 */

/* Say once what is wrong with this very file. */
static void reject(vs_watch *w, const vs_watch_seen *seen, const vs_diag *why)
{
    w->rejected = *seen;
    tell(w, "refused", w->round->id.round,
         "not taken: %s; waiting for another one (write it under another name, then rename)",
         why->text);
}

/* Is it of this machine or connection, so that the same file may do later? */
static bool is_passing(vs_err err)
{
    return err == VS_ERR_TIMEOUT || err == VS_ERR_IO || err == VS_ERR_NOMEM;
}

static vs_err send_update(vs_watch *w, const vs_update *update, vs_client_status *status,
                          vs_diag *diag)
{
    vs_watch_words words = w->words;
    vs_err err = vs_watch_read_words(&words, w->dir, w->round->id.round, diag);
    if (err != VS_OK) return err;
    vs_client_input input = {.round = w->round->id.round,
                             .update = update->values,
                             .dim = update->n,
                             .weight = words.weight,
                             .has_metrics = words.has_metrics,
                             .loss = words.loss,
                             .accuracy = words.accuracy,
                             .model_hash = w->round->open.model_hash,
                             .threads = w->threads,
                             .purpose = words.purpose};
    const vs_client_run_options run = {
        .patience_ms = w->patience_ms, .stop = is_stopped, .stop_ctx = w};
    memcpy(input.enrolment, w->member->enrolment, sizeof input.enrolment);
    return vs_client_run(status, w->member->fed, w->member->keys, w->member->store, &input, &run,
                         diag);
}

/* Submit the update that is there; *sent when it is in. A file that cannot be sent is told about,
 * once. */
static vs_err try_update(vs_watch *w, vs_result_format *format, bool *sent, vs_diag *diag)
{
    char path[VS_WATCH_PATH_BYTES];
    const uint64_t round = w->round->id.round;
    vs_container container;
    vs_watch_seen seen;
    vs_update update;
    vs_client_status status = {0};
    *sent = false;
    if (!vs_watch_find_update(path, &container, &seen, w->dir, round)) return VS_OK;
    if (vs_watch_seen_equal(&seen, &w->rejected)) return VS_OK;
    vs_err err = vs_update_open(&update, w->member->fed, path, diag);
    if (err != VS_OK) {
        if (err == VS_ERR_NOMEM) return err;
        reject(w, &seen, diag);
        return VS_OK;
    }
    err = send_update(w, &update, &status, diag);
    if (err == VS_OK) {
        *sent = true;
        tell(w, "submitted", round,
             "submitted update-%" PRIu64 "%s: %" PRIu64 " values, %" PRIu64
             " clipped, %u of %u receipts%s%s",
             round, vs_container_extension(container), update.n, status.clipped, status.receipts,
             status.listed, status.error.text[0] == '\0' ? "" : "; ", status.error.text);
        *format = update.format;
        update.format = (vs_result_format){0};
    } else if (is_stopped(w)) {
        err = VS_OK;
    } else if (is_passing(err)) {
        tell(w, "retry", round, "%s", diag->text);
        (void)vs_stop_sleep(w->stop, RETRY_MS);
        err = VS_OK;
    } else {
        reject(w, &seen, diag);
        err = VS_OK;
    }
    vs_update_free(&update);
    return err;
}

/* Wait for an update as long as the round collects. */
static vs_err await_update(vs_watch *w, vs_result_format *format, bool *sent, vs_diag *diag)
{
    vsw_RoundInfo info = {.phase = vsw_Phase_COLLECT};
    vs_diag why;
    uint32_t since_ms = 0;
    for (;;) {
        vs_err err = try_update(w, format, sent, diag);
        if (err != VS_OK || *sent) return err;
        if (info.phase != vsw_Phase_COLLECT) return VS_OK; /* looked once more after its end */
        if (vs_stop_sleep(w->stop, FILE_POLL_MS)) return VS_OK;
        since_ms += FILE_POLL_MS;
        if (since_ms < ROUND_POLL_MS) continue;
        since_ms = 0;
        vsw_RoundInfo now;
        if (vs_call_round_info(&w->caller, w->round->id.round, &now, NULL, NULL, &why) == VS_OK) {
            info = now;
        }
    }
}

/* --- the result --------------------------------------------------------------------------------
 */

static vs_err write_result(vs_watch *w, const vs_result_format *format, vs_diag *diag)
{
    char path[VS_WATCH_PATH_BYTES], name[NAME_BYTES];
    vs_fetched_result result;
    const uint64_t round = w->round->id.round;
    const char *ending = vs_container_extension(format->container);
    vs_err err = vs_watch_path(path, w->dir, "result", round, ending, diag);
    if (err == VS_OK) {
        err = vs_result_to_file(&result, &w->caller, round, path, format, VS_DTYPE_F64, NULL, diag);
    }
    if (err != VS_OK) return err;
    (void)snprintf(name, sizeof name, "result-%" PRIu64 "%s", round, ending);
    w->state.result = name;
    w->state.clients = result.result.count;
    w->state.weight_sum = result.result.weight_sum;
    w->state.epsilon = result.round.open.epsilon;
    err = save_state(w, "final", NULL, diag);
    w->state.result = NULL;
    if (err == VS_OK) {
        tell(w, "final", round, "final: mean of %u clients, summed weight %" PRIu64 ", to %s",
             result.result.count, result.result.weight_sum, name);
    }
    return err;
}

/* Wait for the end and fetch the mean; an aggregator that is away is waited for. *result is false
 * for an aborted round. */
static vs_err finish_round(vs_watch *w, const vs_result_format *format, bool *result, vs_diag *diag)
{
    const vs_wait_options options = {.sleep = sleep_or_stop, .ctx = w};
    vsw_RoundInfo info = vsw_RoundInfo_init_zero;
    const uint64_t round = w->round->id.round;
    vs_diag told = {{0}};
    *result = false;
    while (!is_stopped(w)) {
        vs_err err = vs_call_wait(&w->caller, round, &options, &info, diag);
        if (is_stopped(w)) return VS_OK;
        if (err == VS_ERR_STATE && info.phase == vsw_Phase_ABORTED) {
            tell(w, "aborted", round, "aborted: %s", info.detail);
            return save_state(w, "aborted", info.detail, diag);
        }
        if (err == VS_OK) err = write_result(w, format, diag);
        *result = err == VS_OK;
        if (err == VS_OK) return VS_OK;
        if (err == VS_ERR_NOMEM) return err;
        if (strcmp(told.text, diag->text) != 0) tell(w, "retry", round, "%s", diag->text);
        told = *diag;
        (void)vs_stop_sleep(w->stop, RETRY_MS);
    }
    return VS_OK;
}

/* --- a round -----------------------------------------------------------------------------------
 */

static void begin_state(vs_watch *w, const vsw_RoundInfo *info)
{
    w->state = (vs_watch_state){.round = w->round->id.round,
                                .dim = w->round->open.dim,
                                .deadline = info->deadline,
                                .hard_expiry = info->hard_expiry,
                                .model_hash = w->round->open.model_hash};
    w->rejected = (vs_watch_seen){0};
    w->global[0] = '\0';
}

/* The round's model, and the word that it is there. */
static vs_err announce(vs_watch *w, vs_diag *diag)
{
    char update[NAME_BYTES];
    const uint64_t round = w->round->id.round;
    vs_err err = vs_watch_write_global(w->global, w->dir, &w->caller, w->round, diag);
    if (err != VS_OK) return err;
    (void)snprintf(update, sizeof update, "update-%" PRIu64 ".safetensors", round);
    w->state.global = w->global;
    w->state.update = update;
    err = save_state(w, "collect", NULL, diag);
    w->state.update = NULL;
    if (err == VS_OK) {
        tell(w, "open", round, "open: %s%swaiting for %s", w->global,
             w->global[0] == '\0' ? "" : ", ", update);
    }
    return err;
}

/* One round from its `open` on: *done when it is over for us, *result when there is one. */
static vs_err take_part(vs_watch *w, const vsw_RoundInfo *info, bool *took_part, bool *result,
                        vs_diag *diag)
{
    vs_result_format format = {0};
    bool sent = false;
    vs_err err = VS_OK;
    *took_part = *result = false;
    begin_state(w, info);
    if (info->phase == vsw_Phase_COLLECT) err = announce(w, diag);
    if (err == VS_OK) err = await_update(w, &format, &sent, diag);
    if (err == VS_OK && sent) {
        *took_part = true;
        err = save_state(w, "submitted", NULL, diag);
        if (err == VS_OK) err = finish_round(w, &format, result, diag);
    } else if (err == VS_OK && !is_stopped(w)) {
        tell(w, "missed", w->round->id.round, "not taken part: its collection is over");
        err = save_state(w, "missed", NULL, diag);
    }
    vs_result_format_free(&format);
    return err;
}

/* Fetch `open` of a round, the newest one for 0. VS_ERR_STATE: there is none. */
static vs_err look(vs_watch *w, uint64_t number, vsw_RoundInfo *info, vs_diag *diag)
{
    vs_buf open = {0};
    vs_err err = vs_call_round_info(&w->caller, number, info, &open, NULL, diag);
    if (err == VS_OK && (info->round == 0 || info->phase == vsw_Phase_IDLE ||
                         info->phase == vsw_Phase_OPENING || open.len == 0)) {
        err = VS_ERR_STATE;
        (void)vs_fail(diag, err, "no round is open");
    }
    if (err == VS_OK) err = vs_round_from_open(w->round, w->member->fed, open.p, open.len, diag);
    vs_buf_free(&open);
    return err;
}

/* A round whose update was sent before we were stopped, and which went on without us. */
static vs_err catch_up(vs_watch *w, uint64_t newest, uint64_t *failed, vs_diag *diag)
{
    const uint64_t round = vs_watch_unfinished(w->dir, newest);
    vsw_RoundInfo info;
    vs_result_format format = {.container = VS_CONTAINER_SAFETENSORS};
    vs_update update = {0};
    char path[VS_WATCH_PATH_BYTES];
    vs_watch_seen seen;
    bool result = false;
    if (round == 0) return VS_OK;
    vs_err err = look(w, round, &info, diag);
    if (err != VS_OK) return VS_OK; /* the next time */
    begin_state(w, &info);
    if (vs_watch_find_update(path, &format.container, &seen, w->dir, round) &&
        vs_update_open(&update, w->member->fed, path, diag) == VS_OK) {
        format = update.format;
        update.format = (vs_result_format){0};
        vs_update_drop_values(&update);
        err = finish_round(w, &format, &result, diag);
        if (!result) ++*failed;
    } else {
        err = save_state(w, "aborted", "its update cannot be read any more", diag);
    }
    vs_result_format_free(&format);
    return err;
}

/* Errors that are the machine's end this; those of others are waited out, each told once. */
static bool is_fatal(vs_watch *w, vs_err err, vs_diag *told, const vs_diag *diag)
{
    if (err == VS_OK) return false;
    if (err == VS_ERR_NOMEM) return true;
    if (strcmp(told->text, diag->text) != 0) tell(w, "retry", 0, "%s", diag->text);
    *told = *diag;
    (void)vs_stop_sleep(w->stop, RETRY_MS);
    return false;
}

static vs_err run(vs_watch *w, uint64_t n_rounds, uint64_t *failed, vs_diag *diag)
{
    vsw_RoundInfo info = vsw_RoundInfo_init_zero;
    vs_diag told = {{0}};
    uint64_t last = 0, done = 0;
    tell(w, "ready", 0, "watching %s for rounds of \"%s\"", w->dir, w->member->fed->name);
    while (!is_stopped(w) && (n_rounds == 0 || done < n_rounds)) {
        bool took_part = false, result = false;
        vs_err err = look(w, 0, &info, diag);
        const bool fresh = err == VS_OK && info.round > last;
        if (fresh) err = catch_up(w, info.round, failed, diag);
        if (err == VS_OK && fresh) err = look(w, info.round, &info, diag);
        const bool over = info.phase == vsw_Phase_FINAL || info.phase == vsw_Phase_ABORTED;
        if (err == VS_OK && fresh && !vs_watch_has_result(w->dir, info.round) &&
            (!over || vs_watch_unfinished(w->dir, info.round + 1) == info.round)) {
            err = take_part(w, &info, &took_part, &result, diag);
        }
        if (err == VS_ERR_STATE && !fresh) { /* no round yet */
            (void)vs_stop_sleep(w->stop, ROUND_POLL_MS);
            continue;
        }
        if (is_fatal(w, err, &told, diag)) return err;
        if (err != VS_OK || is_stopped(w)) continue;
        if (fresh) last = info.round;
        done += took_part ? 1 : 0;
        *failed += took_part && !result ? 1 : 0;
        if (!fresh) (void)vs_stop_sleep(w->stop, FILE_POLL_MS);
    }
    tell(w, "stopped", 0, "stopped");
    return VS_OK;
}

vs_err vs_watch_run(vs_watch *w, uint64_t n_rounds, uint64_t *failed, vs_diag *diag)
{
    VS_ASSERT(w != NULL && failed != NULL);
    *failed = 0;
    w->caller = vs_member_caller(w->member, CALL_TIMEOUT_MS);
    w->round = calloc(1, sizeof *w->round);
    if (w->round == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = run(w, n_rounds, failed, diag);
    free(w->round);
    w->round = NULL;
    return err;
}
