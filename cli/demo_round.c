/* One round of the demo: the coordinator's part, and the parties that are killed in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "cli/demo.h"
#include "fl/evaluate.h"
#include "fl/fedavg.h"
#include "fl/npy.h"

enum {
    POLL_MS = 50,
    WATCH_MS = 20, /* the log, while the moment after the set must not be missed */
    WATCH_US = 200,
    REPORT_MS = 5000, /* clients report their submission within this time */
};

typedef struct watch {
    bool drop; /* parties are killed in this round */
    bool shareholders_dropped;
    vsw_RoundInfo info; /* newest */
    double start;
    bool closed; /* by us */
} watch;

static double now_s(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- killing and starting again
 * --------------------------------------------------------------------- */

static void drop_clients(vs_demo *d)
{
    for (uint32_t i = 0; i < d->o.drop_clients; i++) {
        vs_process_kill(vs_demo_client(d, d->o.work.n_clients - i));
    }
}

static void drop_shareholders(vs_demo *d)
{
    for (uint32_t i = 0; i < d->o.drop_shareholders; i++) {
        vs_process_kill(vs_demo_shareholder(d, d->o.shareholders - i));
    }
}

static vs_err bring_back(vs_demo *d, vs_diag *diag)
{
    vs_err err = VS_OK;
    for (uint32_t j = 1; err == VS_OK && j <= d->o.shareholders; j++) {
        if (vs_demo_shareholder(d, j)->pid == 0) err = vs_loopback_start(&d->here, j, NULL, diag);
    }
    if (err == VS_OK) err = vs_loopback_wait(&d->here, diag);
    for (uint32_t i = 1; err == VS_OK && i <= d->o.work.n_clients; i++) {
        if (vs_demo_client(d, i)->pid == 0) err = vs_demo_start_client(d, i, diag);
    }
    return err == VS_OK ? vs_demo_wait_clients(d, diag) : err;
}

/* --- the coordinator
 * --------------------------------------------------------------------------------- */

/* Put the model at the aggregator and open the round. */
static vs_err open_round(vs_demo *d, uint32_t round, const double *params, uint32_t target,
                         vs_diag *diag)
{
    const vs_caller caller = vs_loopback_caller(&d->here);
    const size_t n = vs_model_n_params(&d->o.model);
    vs_call_open open = {.round = round, .dim = (uint32_t)n, .target_clients = target};
    char name[32], path[VS_PROCESS_PATH_BYTES];
    vs_map file = {0};
    (void)snprintf(name, sizeof name, "model-%u.npy", round);
    vs_err err = vs_loopback_path(&d->here, path, name, diag);
    if (err == VS_OK) err = vs_npy_write(path, params, &n, 1, diag);
    if (err == VS_OK) err = vs_map_file(&file, path, diag);
    if (err == VS_OK) err = vs_call_put_blob(&caller, file.p, file.len, &open.model_hash, diag);
    if (err == VS_OK) err = vs_call_open_round(&caller, &open, diag);
    vs_unmap(&file);
    return err;
}

static const char *doing(vsw_Phase phase)
{
    switch (phase) {
    case vsw_Phase_OPENING: return "shareholders hand in their round keys";
    case vsw_Phase_COLLECT: return "clients train and submit";
    case vsw_Phase_LISTING: return "shareholders list whom they hold";
    case vsw_Phase_VOTING: return "shareholders vote for the set";
    case vsw_Phase_SETTING: return "the set goes to the log";
    case vsw_Phase_ANSWERING: return "shareholders send their sums";
    case vsw_Phase_PUBLISHING: return "shareholders check the result and cosign";
    default: return "closing the round";
    }
}

static void show(const vs_demo *d, const watch *w, uint32_t round, uint32_t target)
{
    char detail[64] = "";
    if (w->info.phase == vsw_Phase_COLLECT) {
        (void)snprintf(detail, sizeof detail, ": %u of %u", w->info.clients_submitted, target);
    } else if (w->info.phase == vsw_Phase_ANSWERING) {
        (void)snprintf(detail, sizeof detail, ": %u of %u", w->info.shareholders_answered,
                       w->info.shareholders_open);
    }
    vs_demo_progress("round %u of %u  %5.1f s  %s%s", round, d->o.rounds, now_s() - w->start,
                     doing(w->info.phase), detail);
}

/* Answers follow the set within milliseconds, and a shareholder is to be killed in between: the
 * aggregator's log tells it sooner than a request could. Watches for WATCH_MS. */
static bool set_is_fixed(vs_demo *d, uint32_t round)
{
    const struct timespec pause = {.tv_nsec = WATCH_US * 1000L};
    const double until = now_s() + WATCH_MS / 1000.0;
    char text[64];
    (void)snprintf(text, sizeof text, "round %u: set fixed", round);
    do {
        if (vs_process_log_has(vs_demo_aggregator(d), text)) return true;
        (void)nanosleep(&pause, NULL);
    } while (now_s() < until);
    return false;
}

/* As a coordinator who knows that some are lost and waits no longer for them: all `present` clients
 * have submitted, or the round goes on by itself. */
static vs_err close_when_all_are_in(const vs_demo *d, watch *w, uint32_t round, uint32_t present,
                                    vs_diag *diag)
{
    const vs_caller caller = vs_loopback_caller(&d->here);
    if (w->closed || present == d->o.work.n_clients || w->info.phase != vsw_Phase_COLLECT ||
        w->info.clients_submitted < present) {
        return VS_OK;
    }
    w->closed = true;
    return vs_call_end_round(&caller, VS_OPERATION_CLOSE, round, diag);
}

/* Until the round is final. Kills shareholders as soon as the set is fixed, where that is due. */
static vs_err watch_round(vs_demo *d, watch *w, uint32_t round, uint32_t target, vs_diag *diag)
{
    const vs_caller caller = vs_loopback_caller(&d->here);
    for (;;) {
        vs_err err = vs_call_round_info(&caller, round, &w->info, NULL, NULL, diag);
        if (err != VS_OK) return err;
        const vsw_Phase phase = w->info.phase;
        if (w->drop && !w->shareholders_dropped && phase >= vsw_Phase_SETTING &&
            phase < vsw_Phase_FINAL) {
            drop_shareholders(d);
            w->shareholders_dropped = true;
        }
        if (phase == vsw_Phase_FINAL) return VS_OK;
        if (phase == vsw_Phase_IDLE) return vs_fail(diag, VS_ERR_STATE, "%s", w->info.detail);
        if (phase == vsw_Phase_ABORTED) {
            return vs_fail(diag, VS_ERR_STATE, "round %u was aborted: %s", round, w->info.detail);
        }
        show(d, w, round, target);
        err = close_when_all_are_in(d, w, round, target, diag);
        if (err == VS_OK) err = vs_loopback_alive(&d->here, diag);
        if (err != VS_OK) return err;
        if (!w->drop || w->shareholders_dropped || d->o.drop_shareholders == 0) {
            (void)vs_stop_sleep(&d->here.stop, POLL_MS);
        } else if (set_is_fixed(d, round)) {
            drop_shareholders(d);
            w->shareholders_dropped = true;
        }
    }
}

/* --- result
 * ------------------------------------------------------------------------------------------ */

/* Clients report on their own: the last one may do so a moment after the round is final. */
static vs_err fetch_result(vs_demo *d, uint32_t round, vs_demo_result *result, vs_diag *diag)
{
    vs_err err = vs_demo_fetch_result(d, round, result, diag);
    for (int waited = 0; err == VS_ERR_STATE && waited < REPORT_MS; waited += POLL_MS) {
        if (vs_stop_sleep(&d->here.stop, POLL_MS)) break;
        err = vs_demo_fetch_result(d, round, result, diag);
    }
    return err;
}

static vs_err take_result(vs_demo *d, vs_plain *plain, uint32_t round, double *params,
                          vs_demo_row *row, vs_diag *diag)
{
    const size_t n = vs_model_n_params(&d->o.model);
    vs_demo_result result = {.mean = malloc(n * sizeof(double))};
    vs_evaluation evaluation;
    if (result.mean == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = fetch_result(d, round, &result, diag);
    if (err == VS_OK) {
        vs_fedavg_step(params, result.mean, n, 1.0);
        err = vs_model_evaluate(&evaluation, &d->o.model, params, &d->test, diag);
    }
    if (err == VS_OK) err = vs_plain_end(plain, result.included, &row->plain_accuracy, diag);
    if (err == VS_OK) {
        row->accuracy = evaluation.accuracy;
        row->included = result.n_included;
        row->dropped = d->o.work.n_clients - result.n_included;
        row->sum_exact = result.exact;
        row->upload_bytes = result.upload_bytes;
        row->epsilon = result.epsilon;
        row->clip_norm = result.clip_norm;
        row->has_metrics = result.has_metrics;
        row->metrics = result.metrics;
    }
    free(result.mean);
    return err;
}

vs_err vs_demo_round(vs_demo *d, vs_plain *plain, uint32_t round, double *params, vs_demo_row *row,
                     vs_diag *diag)
{
    watch w = {.drop = round == d->o.drop_round, .start = now_s()};
    bool expected[VS_LOOPBACK_CLIENTS_MAX + 1] = {false};
    uint32_t target = d->o.work.n_clients;
    if (w.drop) {
        drop_clients(d); /* now, so that they surely have not submitted */
        target -= d->o.drop_clients;
    }
    for (uint32_t i = 1; i <= target; i++) expected[i] = true;
    *row = (vs_demo_row){.round = round};
    vs_err err = open_round(d, round, params, d->o.work.n_clients, diag);
    if (err == VS_OK) err = vs_plain_begin(plain, round, expected, diag);
    if (err == VS_OK) err = watch_round(d, &w, round, target, diag);
    if (err != VS_OK) return err;
    row->seconds = now_s() - w.start;
    row->submitted = w.info.clients_submitted;
    row->answered = w.info.shareholders_answered;
    vs_demo_progress("round %u of %u  %5.1f s  comparing with plain training", round, d->o.rounds,
                     row->seconds);
    err = take_result(d, plain, round, params, row, diag);
    if (err == VS_OK && w.drop && round < d->o.rounds) err = bring_back(d, diag);
    return err;
}
