#include "fl/train.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "fl/draw.h"
#include "fl/evaluate.h"
#include "fl/pass.h"

vs_err vs_train_check(const vs_train_options *o, vs_diag *diag)
{
    VS_ASSERT(o != NULL);
    if (o->local_epochs < 1 || o->local_epochs > VS_TRAIN_EPOCHS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "local_epochs is %u: must be 1 to %u", o->local_epochs,
                       VS_TRAIN_EPOCHS_MAX);
    }
    if (o->batch_size < 1 || o->batch_size > VS_TRAIN_BATCH_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "batch_size is %u: must be 1 to %u", o->batch_size,
                       VS_TRAIN_BATCH_MAX);
    }
    if (!(o->learning_rate > 0.0 && o->learning_rate <= VS_TRAIN_RATE_MAX)) {
        return vs_fail(diag, VS_ERR_LIMIT, "learning_rate is %g: must be above 0, at most %g",
                       o->learning_rate, VS_TRAIN_RATE_MAX);
    }
    if (!(o->momentum >= 0.0 && o->momentum < 1.0)) {
        return vs_fail(diag, VS_ERR_LIMIT, "momentum is %g: must be at least 0 and below 1",
                       o->momentum);
    }
    if (!(o->proximal_mu >= 0.0 && o->proximal_mu <= VS_TRAIN_RATE_MAX)) {
        return vs_fail(diag, VS_ERR_LIMIT, "proximal_mu is %g: must be 0 to %g", o->proximal_mu,
                       VS_TRAIN_RATE_MAX);
    }
    return VS_OK;
}

/* --- one step ------------------------------------------------------------------------------ */

typedef struct sgd {
    vs_pass pass;
    const vs_train_options *o;
    const vs_model *m;
    const double *start; /* w_global */
    double *params;      /* w_local */
    double *velocity;    /* owned; NULL: plain SGD, which steps in place */
    size_t n_params;
} sgd;

static vs_err sgd_init(sgd *s, size_t max_rows)
{
    vs_err err = vs_pass_init(&s->pass, s->m, max_rows, true);
    if (err != VS_OK || (s->o->momentum == 0.0 && s->o->proximal_mu == 0.0)) return err;
    s->velocity = calloc(s->n_params, sizeof *s->velocity);
    return s->velocity != NULL ? VS_OK : VS_ERR_NOMEM;
}

static void sgd_clear(sgd *s)
{
    if (s->velocity != NULL) sodium_memzero(s->velocity, s->n_params * sizeof *s->velocity);
    free(s->velocity);
    vs_pass_clear(&s->pass);
}

/* p->back[0] = learning_rate times the gradient of the mean loss by the logits. Returns the summed
 * (not mean) loss. */
static double loss_gradient(vs_pass *p, const vs_model *m, const uint8_t *labels, size_t n,
                            double learning_rate)
{
    const uint32_t n_outputs = m->width[m->n_layers];
    const double scale = learning_rate / (double)n;
    double loss = 0.0;
    memcpy(p->back[0], p->layer[m->n_layers], n * n_outputs * sizeof(double));
    for (size_t i = 0; i < n; i++) {
        double *row = p->back[0] + i * n_outputs;
        loss += vs_softmax(row, n_outputs, labels[i], NULL);
        if (n_outputs == 1) {
            row[0] -= labels[i];
        } else {
            row[labels[i]] -= 1.0;
        }
        for (uint32_t c = 0; c < n_outputs; c++) row[c] *= scale;
    }
    return loss;
}

/* One step on n rows whose inputs are in s->pass.layer[0]. velocity holds -learning_rate v. */
static double sgd_step(sgd *s, const uint8_t *labels, size_t n)
{
    const vs_train_options *o = s->o;
    const double pull = o->learning_rate * o->proximal_mu;
    double *v = s->velocity;
    vs_pass_forward(&s->pass, s->m, s->params, n);
    double loss = loss_gradient(&s->pass, s->m, labels, n, o->learning_rate);
    for (size_t i = 0; v != NULL && i < s->n_params; i++) {
        v[i] = o->momentum * v[i] - pull * (s->params[i] - s->start[i]);
    }
    vs_pass_backward(v != NULL ? v : s->params, &s->pass, s->m, s->params, n);
    for (size_t i = 0; v != NULL && i < s->n_params; i++) s->params[i] += v[i];
    return loss;
}

/* --- local training -------------------------------------------------------------------------- */

/* One epoch over order[n_rows]; returns the summed loss. labels holds batch_size bytes. */
static double run_epoch(sgd *s, uint8_t *labels, const vs_dataset *set, const uint32_t *order,
                        size_t n_rows)
{
    double loss = 0.0;
    for (size_t at = 0; at < n_rows; at += s->o->batch_size) {
        size_t n = n_rows - at < s->o->batch_size ? n_rows - at : s->o->batch_size;
        vs_dataset_features(s->pass.layer[0], set, order + at, 0, n);
        for (size_t i = 0; i < n; i++) labels[i] = set->labels[order[at + i]];
        loss += sgd_step(s, labels, n);
    }
    return loss;
}

static double run_epochs(sgd *s, uint8_t *labels, uint32_t *order, const vs_dataset *set,
                         size_t n_rows)
{
    vs_draw draw;
    double loss = 0.0;
    vs_draw_init(&draw, s->o->seed, VS_DRAW_SHUFFLE);
    for (uint32_t e = 0; e < s->o->local_epochs; e++) {
        if (s->o->shuffle) vs_draw_shuffle(&draw, order, n_rows);
        loss = run_epoch(s, labels, set, order, n_rows);
    }
    return loss / (double)n_rows;
}

vs_err vs_train_local(double *delta, vs_train_report *report, const vs_model *m,
                      const double *params, const vs_dataset *set, const uint32_t *rows,
                      size_t n_rows, const vs_train_options *o, vs_diag *diag)
{
    VS_ASSERT(delta != NULL && m != NULL && params != NULL && set != NULL && o != NULL);
    VS_ASSERT(rows != NULL || n_rows == set->n_rows);
    const size_t n_params = vs_model_n_params(m);
    sgd s = {.o = o, .m = m, .start = params, .params = delta, .n_params = n_params};
    uint32_t *order = NULL;
    uint8_t *labels = NULL;
    if (report != NULL) memset(report, 0, sizeof *report);
    memset(delta, 0, n_params * sizeof *delta);
    vs_err err = vs_train_check(o, diag);
    if (err == VS_OK) err = vs_model_fits(m, set, diag);
    if (err != VS_OK) return err;
    if (n_rows == 0) return vs_fail(diag, VS_ERR_LIMIT, "no rows to train on");

    const size_t batch = n_rows < o->batch_size ? n_rows : o->batch_size;
    order = malloc(n_rows * sizeof *order);
    labels = malloc(batch);
    if (order == NULL || labels == NULL || sgd_init(&s, batch) != VS_OK) {
        err = vs_fail(diag, VS_ERR_NOMEM, "out of memory for training");
        goto cleanup;
    }
    for (size_t i = 0; i < n_rows; i++) order[i] = rows != NULL ? rows[i] : (uint32_t)i;
    memcpy(delta, params, n_params * sizeof *delta); /* w_local, for now */
    double loss = run_epochs(&s, labels, order, set, n_rows);
    for (size_t i = 0; i < n_params; i++) delta[i] -= params[i];
    if (report != NULL) {
        report->loss = loss;
        report->n_rows = n_rows;
        report->n_batches = o->local_epochs * ((n_rows + batch - 1) / batch);
    }
cleanup:
    sgd_clear(&s);
    free(order);
    free(labels);
    return err;
}
