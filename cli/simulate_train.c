/* Local training of many clients, a thread each for some of them. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "cli/simulate.h"

typedef struct job {
    const vs_simulate *s;
    double *updates;
    const double *params;
    const uint32_t *clients;
    uint32_t n_clients, round;
    atomic_uint next;
    atomic_int err; /* the first that went wrong */
} job;

static vs_err train_one(job *j, uint32_t at)
{
    const vs_simulate *s = j->s;
    const uint32_t client = j->clients[at];
    vs_train_options o = s->o.training;
    size_t n;
    const uint32_t *rows = vs_partition_rows(&s->parts, client - 1, &n);
    o.seed = vs_workload_seed(&s->o.work, j->round, client);
    const bool lies = s->flipped != NULL && client <= s->o.attackers.n;
    double *update = j->updates + (size_t)at * s->n_params;
    vs_dataset set = s->train; /* borrows */
    if (lies) set.labels = s->flipped;
    vs_err err = vs_train_local(update, NULL, &s->model, j->params, &set, rows, n, &o, NULL);
    for (size_t i = 0; lies && i < s->n_params; i++) update[i] *= s->o.attackers.factor;
    return err;
}

static void *work(void *ctx)
{
    job *j = ctx;
    for (;;) {
        uint32_t at = atomic_fetch_add(&j->next, 1);
        if (at >= j->n_clients || atomic_load(&j->err) != VS_OK) return NULL;
        vs_err err = train_one(j, at);
        if (err != VS_OK) atomic_store(&j->err, (int)err);
    }
}

vs_err vs_simulate_train(double *updates, const vs_simulate *s, const double *params,
                         const uint32_t *clients, uint32_t n_clients, uint32_t round, vs_diag *diag)
{
    job j = {.s = s,
             .updates = updates,
             .params = params,
             .clients = clients,
             .n_clients = n_clients,
             .round = round};
    pthread_t thread[VS_SIMULATE_THREADS_MAX];
    uint32_t started = 0;
    while (started + 1 < s->o.threads && started + 1 < n_clients &&
           pthread_create(&thread[started], NULL, work, &j) == 0) {
        started++;
    }
    (void)work(&j); /* this one too; fewer threads than asked for only take longer */
    for (uint32_t i = 0; i < started; i++) (void)pthread_join(thread[i], NULL);
    vs_err err = (vs_err)atomic_load(&j.err);
    if (err != VS_OK)
        (void)vs_fail(diag, err, "round %u: training failed: %s", round, vs_err_name(err));
    return err;
}
