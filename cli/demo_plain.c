/* Federated averaging without protection, on the same rows with the same seeds: what the private
 * rounds of the demo are compared with. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cli/demo.h"
#include "fl/evaluate.h"
#include "fl/fedavg.h"
#include "fl/linear.h"

struct vs_plain {
    const vs_demo *d;
    size_t n_params;
    double *params;
    double *delta; /* n_clients * n_params */
    vs_fedavg average;
    uint32_t round;
    bool wanted[VS_LOOPBACK_CLIENTS_MAX + 1], done[VS_LOOPBACK_CLIENTS_MAX + 1];
    bool running;
    pthread_t thread;
    vs_err err; /* of the thread; read after it was joined */
    vs_diag diag;
};

static double *delta_of(const vs_plain *p, uint32_t i)
{
    return p->delta + (size_t)(i - 1) * p->n_params;
}

vs_err vs_plain_new(vs_plain **out, const vs_demo *d, const double *params, vs_diag *diag)
{
    vs_plain *p = calloc(1, sizeof *p);
    *out = NULL;
    if (p == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    p->d = d;
    p->n_params = vs_model_n_params(&d->o.model);
    p->params = malloc(p->n_params * sizeof *p->params);
    p->delta = calloc((size_t)d->o.work.n_clients * p->n_params, sizeof *p->delta);
    vs_err err = p->params == NULL || p->delta == NULL ? VS_ERR_NOMEM
                                                       : vs_fedavg_init(&p->average, p->n_params);
    if (err != VS_OK) {
        vs_plain_free(p);
        return vs_fail(diag, err, "out of memory for the plain updates of %u clients",
                       d->o.work.n_clients);
    }
    memcpy(p->params, params, p->n_params * sizeof *params);
    vs_linear_init();
    *out = p;
    return VS_OK;
}

static void join(vs_plain *p)
{
    if (p->running) (void)pthread_join(p->thread, NULL);
    p->running = false;
}

void vs_plain_free(vs_plain *p)
{
    if (p == NULL) return;
    join(p);
    vs_fedavg_clear(&p->average);
    free(p->delta);
    free(p->params);
    free(p);
}

/* Train every client that is wanted and not done. */
static vs_err train_wanted(vs_plain *p, vs_diag *diag)
{
    const vs_demo *d = p->d;
    vs_train_options options = d->o.training;
    for (uint32_t i = 1; i <= d->o.work.n_clients; i++) {
        size_t n;
        if (!p->wanted[i] || p->done[i]) continue;
        const uint32_t *rows = vs_partition_rows(&d->parts, i - 1, &n);
        options.seed = vs_workload_seed(&d->o.work, p->round, i);
        vs_err err = vs_train_local(delta_of(p, i), NULL, &d->o.model, p->params, &d->train, rows,
                                    n, &options, diag);
        if (err != VS_OK) return err;
        p->done[i] = true;
    }
    return VS_OK;
}

static void *run(void *ctx)
{
    vs_plain *p = ctx;
    p->err = train_wanted(p, &p->diag);
    return NULL;
}

vs_err vs_plain_begin(vs_plain *p, uint32_t round, const bool *expected, vs_diag *diag)
{
    VS_ASSERT(!p->running);
    p->round = round;
    memset(p->done, 0, sizeof p->done);
    memcpy(p->wanted, expected, sizeof p->wanted);
    if (pthread_create(&p->thread, NULL, run, p) != 0) {
        return vs_fail(diag, VS_ERR_IO, "cannot start a thread for plain training");
    }
    p->running = true;
    return VS_OK;
}

vs_err vs_plain_end(vs_plain *p, const bool *included, double *accuracy, vs_diag *diag)
{
    const vs_demo *d = p->d;
    vs_evaluation evaluation;
    join(p);
    if (p->err != VS_OK) return vs_fail(diag, p->err, "plain training: %s", p->diag.text);
    memcpy(p->wanted, included, sizeof p->wanted); /* usually those that were expected */
    vs_err err = train_wanted(p, diag);
    if (err != VS_OK) return err;
    vs_fedavg_reset(&p->average);
    for (uint32_t i = 1; i <= d->o.work.n_clients; i++) {
        size_t n;
        if (!included[i]) continue;
        (void)vs_partition_rows(&d->parts, i - 1, &n);
        vs_fedavg_add(&p->average, delta_of(p, i), n);
    }
    double *mean = delta_of(p, 1); /* not needed any more in this round */
    vs_fedavg_mean(mean, &p->average);
    vs_fedavg_step(p->params, mean, p->n_params, 1.0);
    err = vs_model_evaluate(&evaluation, &d->o.model, p->params, &d->test, diag);
    if (err == VS_OK) *accuracy = evaluation.accuracy;
    return err;
}
