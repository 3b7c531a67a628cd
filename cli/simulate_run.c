/* The rounds of a simulation. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "cli/out.h"
#include "cli/pipeline.h"
#include "cli/simulate.h"
#include "fl/draw.h"
#include "fl/fedavg.h"
#include "fl/linear.h"
#include "net/call_result.h"

enum {
    CHUNK = 16, /* updates in memory at once, for each thread */
    ROUND_TIMEOUT_S = 86400,
    ANSWER_TIMEOUT_S = 3600,
};

/* Sub-seeds of the one seed; cli/workload.c has 1 to 3. */
enum { SEED_WEIGHTS = 4, SEED_PARTIES = 5, SEED_SAMPLE = 6 };

/* Two models that start alike. */
typedef struct run {
    vs_simulate *s;
    double *params[2]; /* owned: private, plain */
    vs_server_opt server[2];
    vs_fedavg average;
    double *updates, *mean; /* owned */
    uint32_t chunk;         /* clients in updates */
    uint32_t *present;      /* owned: of the round, those that submit */
    uint32_t n_present;
    vs_progress bar;
} run;

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t sub_seed(const vs_simulate *s, uint64_t what)
{
    return vs_draw_derive(s->o.work.seed, 0, what);
}

/* --- the federation -------------------------------------------------------------------------- */

static vs_err make_federation(vs_simulate *s, vs_diag *diag)
{
    vs_federation *draft = calloc(1, sizeof *draft);
    if (draft == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory for a federation");
    const uint32_t n = s->o.clients_per_round;
    memcpy(draft->name, "simulation", sizeof "simulation");
    draft->demo = s->o.attackers.skip_clipping; /* no other federation lets a client try that */
    draft->committee = s->o.committee;
    draft->max_clients = n;
    draft->min_clients = s->o.pipeline->min_clients;
    draft->max_missing = 0.05;
    draft->min_cover = 0.8;
    draft->round_timeout_s = ROUND_TIMEOUT_S;
    draft->answer_timeout_s = ANSWER_TIMEOUT_S;
    vs_pipeline_use(draft, s->o.pipeline, &s->parts, s->o.work.n_clients);
    const vs_local_options o = {.draft = draft,
                                .n_clients = s->o.work.n_clients,
                                .seed = sub_seed(s, SEED_PARTIES),
                                .folder = s->folder};
    vs_err err = vs_local_new(&s->local, &o, diag);
    free(draft);
    return err;
}

/* --- memory ---------------------------------------------------------------------------------- */

static vs_err start(run *r, vs_simulate *s, vs_diag *diag)
{
    const size_t n = s->n_params;
    *r = (run){.s = s, .chunk = CHUNK * s->o.threads};
    if (r->chunk > s->o.clients_per_round) r->chunk = s->o.clients_per_round;
    for (int k = 0; k < 2; k++) {
        r->params[k] = malloc(n * sizeof(double));
        if (r->params[k] == NULL || vs_server_opt_init(&r->server[k], &s->o.server, n) != VS_OK) {
            return vs_fail(diag, VS_ERR_NOMEM, "out of memory for %zu parameters", n);
        }
    }
    r->updates = malloc(r->chunk * n * sizeof(double));
    r->mean = malloc(n * sizeof(double));
    r->present = malloc(s->o.clients_per_round * sizeof *r->present);
    if (r->updates == NULL || r->mean == NULL || r->present == NULL ||
        vs_fedavg_init(&r->average, n) != VS_OK) {
        return vs_fail(diag, VS_ERR_NOMEM, "out of memory for the updates of %u clients", r->chunk);
    }
    vs_model_init(r->params[0], &s->model, sub_seed(s, SEED_WEIGHTS));
    memcpy(r->params[1], r->params[0], n * sizeof(double));
    vs_linear_init();
    return make_federation(s, diag);
}

static void finish(run *r)
{
    for (int k = 0; k < 2; k++) {
        free(r->params[k]);
        vs_server_opt_clear(&r->server[k]);
    }
    vs_fedavg_clear(&r->average);
    free(r->updates);
    free(r->mean);
    free(r->present);
}

/* --- one round ------------------------------------------------------------------------------- */

/* Who takes part, and who of them is lost. */
static void sample(run *r, vs_simulate_row *row)
{
    const vs_simulate_options *o = &r->s->o;
    vs_draw draw;
    vs_draw_init(&draw, vs_draw_derive(sub_seed(r->s, SEED_SAMPLE), row->round, 0),
                 VS_DRAW_CLIENTS);
    vs_draw_choose(&draw, r->present, o->clients_per_round, o->work.n_clients);
    row->sampled = o->clients_per_round;
    r->n_present = 0;
    for (uint32_t i = 0; i < o->clients_per_round; i++) {
        if (vs_draw_unit(&draw) >= o->dropout) r->present[r->n_present++] = r->present[i] + 1;
    }
}

static uint64_t weight_of(const vs_simulate *s, uint32_t client)
{
    size_t n;
    (void)vs_partition_rows(&s->parts, client - 1, &n);
    return n;
}

static vs_err stopped(run *r, vs_diag *diag)
{
    if (!vs_stop_asked(&r->s->stop)) return VS_OK;
    return vs_fail(diag, VS_ERR_STATE, "told to stop after %u rounds", r->s->n_rows);
}

/* The round's model as a client sees it on its own rows, before it trains. */
static vs_err look(const run *r, uint32_t client, vs_client_input *input, vs_diag *diag)
{
    const vs_simulate *s = r->s;
    vs_dataset own;
    vs_evaluation e;
    size_t n;
    const uint32_t *rows = vs_partition_rows(&s->parts, client - 1, &n);
    vs_err err = vs_dataset_take(&own, &s->train, rows, n);
    if (err != VS_OK) return vs_fail(diag, err, "out of memory for the rows of a client");
    err = vs_model_evaluate(&e, &s->model, r->params[0], &own, diag);
    vs_dataset_free(&own);
    input->has_metrics = true;
    input->loss = e.loss;
    input->accuracy = e.accuracy;
    return err;
}

static vs_err open_round(run *r, vs_simulate_row *row, vs_h32 *model, vs_diag *diag)
{
    vs_simulate *s = r->s;
    vs_caller admin = vs_local_caller(s->local);
    vs_err err = vs_call_put_blob(&admin, r->params[0], s->n_params * sizeof(double), model, diag);
    if (err != VS_OK) return err;
    const vs_call_open open = {
        .round = row->round, .dim = (uint32_t)s->n_params, .model_hash = *model};
    admin = vs_local_caller(s->local);
    return vs_call_open_round(&admin, &open, diag);
}

/* Train and submit, some clients at a time. */
static vs_err submit_all(run *r, vs_simulate_row *row, const vs_h32 *model, vs_diag *diag)
{
    vs_simulate *s = r->s;
    double clipped = 0.0, norms = 0.0, bytes = 0.0;
    vs_err err = VS_OK;
    for (uint32_t at = 0; err == VS_OK && at < r->n_present; at += r->chunk) {
        const uint32_t n = r->n_present - at < r->chunk ? r->n_present - at : r->chunk;
        double t = seconds();
        err = vs_simulate_train(r->updates, s, r->params[0], r->present + at, n, row->round, diag);
        row->train_s += seconds() - t;
        t = seconds();
        for (uint32_t i = 0; err == VS_OK && i < n; i++) {
            const uint32_t client = r->present[at + i];
            vs_client_input input = {.round = row->round,
                                     .update = r->updates + i * s->n_params,
                                     .dim = s->n_params,
                                     .weight = weight_of(s, client),
                                     .model_hash = *model,
                                     .purpose = ""};
            vs_client_status status = {0};
            if (s->o.pipeline->privacy.mechanism != VS_MECHANISM_NONE) input.weight = 1;
            if (s->o.attackers.kind != VS_ATTACK_NONE && client <= s->o.attackers.n) {
                input.skip_norm_clip = s->o.attackers.skip_clipping;
                row->attackers++;
            }
            if (s->o.pipeline->metrics) err = look(r, client, &input, diag);
            if (err == VS_OK) err = vs_local_submit(s->local, client, &input, &status, diag);
            clipped += (double)status.clipped;
            norms += status.norm_clipped;
            bytes += (double)status.bytes_total;
            if (err == VS_OK) err = stopped(r, diag);
            vs_progress_set(&r->bar, at + i + 1, r->n_present);
        }
        row->submit_s += seconds() - t;
    }
    row->submitted = r->n_present;
    if (r->n_present > 0) {
        const double n = (double)r->n_present;
        row->clipped = clipped / n / (double)s->n_params;
        row->norm_clipped = norms / n;
        row->upload_bytes = (uint64_t)(bytes / n);
    }
    return err;
}

/* The mean of the round, or an error: whoever simulates wants to know why a round aborts. */
static vs_err close_round(run *r, vs_simulate_row *row, vs_diag *diag)
{
    vs_simulate *s = r->s;
    vs_fetched_result result = {0};
    vsw_Phase phase = vsw_Phase_FINAL;
    const double t = seconds();
    vs_caller admin = vs_local_caller(s->local);
    vs_err err = vs_call_end_round(&admin, VS_OPERATION_CLOSE, row->round, diag);
    if (err == VS_OK) err = vs_local_finish(s->local, row->round, &phase, diag);
    admin = vs_local_caller(s->local);
    if (err == VS_OK) err = vs_call_result(&result, &admin, row->round, diag);
    if (err == VS_OK) {
        row->included = result.result.count;
        row->epsilon = result.round.open.epsilon;
        row->clip_norm = result.round.open.clip_norm;
        row->metrics = result.metrics;
        memcpy(r->mean, result.mean, s->n_params * sizeof(double));
        vs_server_opt_step(&r->server[0], r->params[0], r->mean);
    }
    vs_fetched_result_free(&result);
    row->aggregate_s = seconds() - t;
    if (err == VS_OK) {
        err = vs_model_evaluate(&row->private_, &s->model, r->params[0], &s->test, diag);
    }
    return err;
}

static vs_err private_round(run *r, vs_simulate_row *row, vs_diag *diag)
{
    vs_h32 model;
    const double t = seconds();
    vs_err err = open_round(r, row, &model, diag);
    row->aggregate_s = seconds() - t;
    if (err == VS_OK) err = submit_all(r, row, &model, diag);
    if (err == VS_OK) {
        const double opening = row->aggregate_s;
        err = close_round(r, row, diag);
        row->aggregate_s += opening;
    }
    if (err != VS_OK) vs_diag_prefix(diag, "round %u", row->round);
    return err;
}

/* The same clients from the plain model, their floats averaged. */
static vs_err plain_round(run *r, vs_simulate_row *row, vs_diag *diag)
{
    vs_simulate *s = r->s;
    vs_err err = VS_OK;
    vs_fedavg_reset(&r->average);
    for (uint32_t at = 0; err == VS_OK && at < r->n_present; at += r->chunk) {
        const uint32_t n = r->n_present - at < r->chunk ? r->n_present - at : r->chunk;
        double t = seconds();
        err = vs_simulate_train(r->updates, s, r->params[1], r->present + at, n, row->round, diag);
        row->plain_train_s += seconds() - t;
        t = seconds();
        for (uint32_t i = 0; err == VS_OK && i < n; i++) {
            vs_fedavg_add(&r->average, r->updates + i * s->n_params,
                          weight_of(s, r->present[at + i]));
        }
        row->plain_average_s += seconds() - t;
        if (err == VS_OK) err = stopped(r, diag);
    }
    if (err != VS_OK) return err;
    const double t = seconds();
    vs_fedavg_mean(r->mean, &r->average);
    vs_server_opt_step(&r->server[1], r->params[1], r->mean);
    row->plain_average_s += seconds() - t;
    return vs_model_evaluate(&row->plain, &s->model, r->params[1], &s->test, diag);
}

vs_err vs_simulate_run(vs_simulate *s, vs_diag *diag)
{
    run r;
    vs_err err = start(&r, s, diag);
    for (uint32_t round = 1; err == VS_OK && round <= s->o.rounds; round++) {
        vs_simulate_row *row = &s->row[s->n_rows];
        *row = (vs_simulate_row){.round = round};
        r.bar = vs_progress_start("clients");
        sample(&r, row);
        err = private_round(&r, row, diag);
        if (err == VS_ERR_STATE && s->n_rows > 0 && strstr(diag->text, "max_epsilon") != NULL) {
            s->why_stopped = *diag; /* as it should be */
            vs_progress_end(&r.bar);
            err = VS_OK;
            break;
        }
        if (err == VS_OK && s->o.plain) err = plain_round(&r, row, diag);
        vs_progress_end(&r.bar);
        if (err != VS_OK) break;
        s->n_rows++;
        vs_simulate_print_row(s, row);
    }
    finish(&r);
    return err;
}
