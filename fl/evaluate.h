/* fl/evaluate.h - how good a model is: loss, accuracy, area under the ROC curve. */
#ifndef VS_FL_EVALUATE_H
#define VS_FL_EVALUATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fl/dataset.h"
#include "fl/model.h"

/* One row of n_outputs logits becomes class probabilities; with one output, the probability of
 * class 1 of two. Returns the cross-entropy for label, in nats; *best (may be NULL) is the first
 * most likely class. label < n_outputs, or < 2. */
double vs_softmax(double *logits, uint32_t n_outputs, uint32_t label, uint32_t *best);

typedef struct vs_evaluation {
    double accuracy; /* 0..1 */
    double loss;     /* mean cross-entropy, nats */
    double auc;      /* area under the ROC curve, 0..1: two classes, both present; else NAN */
    size_t n_rows;
    size_t n_right;
} vs_evaluation;

/* Over all of set (at least one row). VS_ERR_LIMIT as vs_model_fits, VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_model_evaluate(vs_evaluation *out, const vs_model *m, const double *params,
                                       const vs_dataset *set, vs_diag *diag);

/* A row of two classes: how likely class 1 is said to be, and whether it is. */
typedef struct vs_scored {
    double score; /* not NAN */
    bool positive;
} vs_scored;

/* Area under the ROC curve: the chance that a row of class 1 scores above a row of class 0, a tie
 * counts half (Mann-Whitney; Hanley and McNeil 1982). NAN when a class has no row. Sorts rows. */
double vs_auc(vs_scored *rows, size_t n);

#endif /* VS_FL_EVALUATE_H */
