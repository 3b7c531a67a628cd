/* fl/train.h - what a client does in a round: plain SGD on its own rows, and the update.
 *
 * Cross-entropy, mean over the batch; no decay; all float64. The update is delta = w_local -
 * w_global. Secret: the rows, delta and the report. Not constant time: data stay on the machine
 * that trains. */
#ifndef VS_FL_TRAIN_H
#define VS_FL_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fl/dataset.h"
#include "fl/model.h"

#define VS_TRAIN_EPOCHS_MAX 10000u
#define VS_TRAIN_BATCH_MAX 65536u
#define VS_TRAIN_RATE_MAX 1000.0

typedef struct vs_train_options {
    uint32_t local_epochs; /* 1..VS_TRAIN_EPOCHS_MAX */
    uint32_t batch_size;   /* rows, 1..VS_TRAIN_BATCH_MAX; the last short batch is kept */
    double learning_rate;  /* > 0, <= VS_TRAIN_RATE_MAX */
    double momentum;       /* 0 <= m < 1: v = m v + gradient; w -= learning_rate v. v starts at 0 */
    double proximal_mu;    /* 0 <= mu <= VS_TRAIN_RATE_MAX: FedProx (Li et al. 2020) adds
                              mu/2 |w - w_global|^2 to the loss */
    bool shuffle;          /* a new order each epoch; else the given order */
    uint64_t seed;         /* of the shuffles: one per client and round (vs_draw_derive) */
} vs_train_options;

/* VS_ERR_LIMIT and a message naming the field. */
VS_MUST_CHECK vs_err vs_train_check(const vs_train_options *o, vs_diag *diag);

typedef struct vs_train_report {
    double loss;      /* mean cross-entropy over the last epoch, each batch before its step */
    size_t n_rows;    /* the weight of the update */
    size_t n_batches; /* steps taken */
} vs_train_report;

/* Train on the listed rows of set (rows NULL: all n_rows = set->n_rows of them) from
 * params[n_params]; writes delta[n_params], which must not overlap params. report may be NULL.
 * On error delta is zero: VS_ERR_LIMIT (no rows, options, model does not fit), VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_train_local(double *delta, vs_train_report *report, const vs_model *m,
                                    const double *params, const vs_dataset *set,
                                    const uint32_t *rows, size_t n_rows, const vs_train_options *o,
                                    vs_diag *diag);

#endif /* VS_FL_TRAIN_H */
