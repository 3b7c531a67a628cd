#include "fl/train.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "fl/draw.h"
#include "fl/linear.h"

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
    return VS_OK;
}

/* --- one step ------------------------------------------------------------------------------ */

vs_err vs_sgd_init(vs_sgd *s, const vs_model *m, size_t max_rows)
{
    VS_ASSERT(s != NULL && m != NULL);
    memset(s, 0, sizeof *s);
    uint32_t widest = 0;
    for (uint32_t i = 1; i <= m->n_layers; i++) {
        widest = m->width[i] > widest ? m->width[i] : widest;
    }
    vs_err err = vs_model_pass_init(&s->pass, m, max_rows);
    if (err != VS_OK) return err;
    s->back_len = max_rows * widest;
    s->back[0] = malloc(s->back_len * sizeof(double));
    s->back[1] = malloc(s->back_len * sizeof(double));
    if (s->back[0] != NULL && s->back[1] != NULL) return VS_OK;
    vs_sgd_clear(s, m);
    return VS_ERR_NOMEM;
}

void vs_sgd_clear(vs_sgd *s, const vs_model *m)
{
    for (int i = 0; i < 2; i++) {
        if (s->back[i] != NULL) sodium_memzero(s->back[i], s->back_len * sizeof(double));
        free(s->back[i]);
    }
    vs_model_pass_clear(&s->pass, m);
    memset(s, 0, sizeof *s);
}

/* b -= column sums of d[n][width]. */
static void step_bias(double *bias, const double *d, size_t n, size_t width)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < width; j++) bias[j] -= d[i * width + j];
    }
}

/* Gradient through ReLU: zero where the unit was off. */
static void mask_relu(double *d, const double *activation, size_t len)
{
    for (size_t i = 0; i < len; i++) d[i] = activation[i] > 0.0 ? d[i] : 0.0;
}

double vs_sgd_step(vs_sgd *s, const vs_model *m, double *params, const uint8_t *labels, size_t n,
                   double learning_rate)
{
    const uint32_t n_classes = m->width[m->n_layers];
    const double scale = learning_rate / (double)n;
    double loss = 0.0;
    double *d = s->back[0];
    double *d_next = s->back[1];
    vs_model_forward(&s->pass, m, params, n);

    /* d: learning_rate times the gradient of the mean loss by the logits. */
    memcpy(d, s->pass.layer[m->n_layers], n * n_classes * sizeof *d);
    for (size_t i = 0; i < n; i++) {
        double *row = d + i * n_classes;
        loss += vs_model_softmax(row, n_classes, labels[i], NULL);
        row[labels[i]] -= 1.0;
        for (uint32_t c = 0; c < n_classes; c++) row[c] *= scale;
    }
    double *w = params + vs_model_n_params(m);
    for (uint32_t l = m->n_layers; l-- > 0;) {
        const size_t in = m->width[l];
        const size_t out = m->width[l + 1];
        w -= (in + 1) * out;
        if (l > 0) { /* before the step changes w */
            vs_linear_mul_nt(d_next, d, w, n, out, in);
            mask_relu(d_next, s->pass.layer[l], n * in);
        }
        vs_linear_add_tn(w, -1.0, s->pass.layer[l], d, n, in, out);
        step_bias(w + in * out, d, n, out);
        double *t = d;
        d = d_next;
        d_next = t;
    }
    return loss;
}

/* --- local training -------------------------------------------------------------------------- */

/* One epoch over order[n_rows]; returns the summed loss. labels holds batch_size bytes. */
static double run_epoch(vs_sgd *s, double *params, uint8_t *labels, const vs_model *m,
                        const vs_dataset *set, const uint32_t *order, size_t n_rows,
                        const vs_train_options *o)
{
    double loss = 0.0;
    for (size_t at = 0; at < n_rows; at += o->batch_size) {
        size_t n = n_rows - at < o->batch_size ? n_rows - at : o->batch_size;
        vs_dataset_features(s->pass.layer[0], set, order + at, 0, n);
        for (size_t i = 0; i < n; i++) labels[i] = set->labels[order[at + i]];
        loss += vs_sgd_step(s, m, params, labels, n, o->learning_rate);
    }
    return loss;
}

static double run_epochs(vs_sgd *s, double *params, uint8_t *labels, uint32_t *order,
                         const vs_model *m, const vs_dataset *set, size_t n_rows,
                         const vs_train_options *o)
{
    vs_draw draw;
    double loss = 0.0;
    vs_draw_init(&draw, o->seed, VS_DRAW_SHUFFLE);
    for (uint32_t e = 0; e < o->local_epochs; e++) {
        if (o->shuffle) vs_draw_shuffle(&draw, order, n_rows);
        loss = run_epoch(s, params, labels, m, set, order, n_rows, o);
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
    vs_sgd sgd = {0};
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
    if (order == NULL || labels == NULL || vs_sgd_init(&sgd, m, batch) != VS_OK) {
        err = vs_fail(diag, VS_ERR_NOMEM, "out of memory for training");
        goto cleanup;
    }
    for (size_t i = 0; i < n_rows; i++) order[i] = rows != NULL ? rows[i] : (uint32_t)i;
    memcpy(delta, params, n_params * sizeof *delta); /* w_local, for now */
    double loss = run_epochs(&sgd, delta, labels, order, m, set, n_rows, o);
    for (size_t i = 0; i < n_params; i++) delta[i] -= params[i];
    if (report != NULL) {
        report->loss = loss;
        report->n_rows = n_rows;
        report->n_batches = o->local_epochs * ((n_rows + batch - 1) / batch);
    }
cleanup:
    vs_sgd_clear(&sgd, m);
    free(order);
    free(labels);
    return err;
}
