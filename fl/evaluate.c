#include "fl/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "fl/pass.h"

enum { EVALUATE_ROWS = 250 };

static double sigmoid(double *logit, uint32_t label, uint32_t *best)
{
    VS_ASSERT(label < 2);
    const double z = *logit;
    const double e = exp(-fabs(z)); /* at most 1: no overflow */
    *logit = z >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
    if (best != NULL) *best = z > 0.0;
    return log1p(e) + ((z > 0.0) == (label == 1) ? 0.0 : fabs(z));
}

double vs_softmax(double *logits, uint32_t n_outputs, uint32_t label, uint32_t *best)
{
    if (n_outputs == 1) return sigmoid(logits, label, best);
    VS_ASSERT(label < n_outputs);
    uint32_t top = 0;
    double sum = 0.0;
    for (uint32_t c = 1; c < n_outputs; c++) top = logits[c] > logits[top] ? c : top;
    const double max = logits[top];
    const double own = logits[label] - max;
    for (uint32_t c = 0; c < n_outputs; c++) {
        logits[c] = exp(logits[c] - max);
        sum += logits[c];
    }
    for (uint32_t c = 0; c < n_outputs; c++) logits[c] /= sum;
    if (best != NULL) *best = top;
    return log(sum) - own;
}

/* --- area under the ROC curve ---------------------------------------------------------------- */

static int by_score(const void *a, const void *b)
{
    const double x = ((const vs_scored *)a)->score;
    const double y = ((const vs_scored *)b)->score;
    return (x > y) - (x < y);
}

double vs_auc(vs_scored *rows, size_t n)
{
    double wins = 0.0; /* pairs (class 1, class 0) in the right order, ties half */
    double n_pos = 0.0, n_neg = 0.0;
    VS_ASSERT(rows != NULL);
    qsort(rows, n, sizeof *rows, by_score);
    for (size_t i = 0; i < n;) {
        double pos = 0.0, neg = 0.0; /* in this run of equal scores */
        size_t end = i;
        for (; end < n && rows[end].score == rows[i].score; end++) {
            pos += rows[end].positive;
            neg += !rows[end].positive;
        }
        wins += pos * (n_neg + neg / 2);
        n_pos += pos;
        n_neg += neg;
        i = end;
    }
    return n_pos > 0.0 && n_neg > 0.0 ? wins / (n_pos * n_neg) : NAN;
}

/* --- a whole set ----------------------------------------------------------------------------- */

/* scored (may be NULL): each row with the probability of class 1. */
static void evaluate_rows(vs_evaluation *out, vs_scored *scored, vs_pass *pass, const vs_model *m,
                          const double *params, const vs_dataset *set)
{
    const uint32_t n_outputs = m->width[m->n_layers];
    for (size_t at = 0; at < set->n_rows; at += EVALUATE_ROWS) {
        size_t n = set->n_rows - at < EVALUATE_ROWS ? set->n_rows - at : EVALUATE_ROWS;
        vs_dataset_features(pass->layer[0], set, NULL, at, n);
        vs_pass_forward(pass, m, params, n);
        for (size_t i = 0; i < n; i++) {
            double *row = pass->layer[m->n_layers] + i * n_outputs;
            const uint32_t label = set->labels[at + i];
            uint32_t best;
            out->loss += vs_softmax(row, n_outputs, label, &best);
            out->n_right += best == label;
            if (scored != NULL) scored[at + i] = (vs_scored){row[n_outputs - 1], label == 1};
        }
    }
    out->n_rows = set->n_rows;
    out->accuracy = (double)out->n_right / (double)set->n_rows;
    out->loss /= (double)set->n_rows;
}

vs_err vs_model_evaluate(vs_evaluation *out, const vs_model *m, const double *params,
                         const vs_dataset *set, vs_diag *diag)
{
    VS_ASSERT(out != NULL && params != NULL && set != NULL && set->n_rows >= 1);
    const bool two = vs_model_n_classes(m) == 2;
    vs_pass pass = {0};
    vs_scored *scored = NULL;
    *out = (vs_evaluation){.auc = NAN};
    vs_err err = vs_model_fits(m, set, diag);
    if (err != VS_OK) return err;
    if (two) scored = malloc(set->n_rows * sizeof *scored);
    if ((two && scored == NULL) || vs_pass_init(&pass, m, EVALUATE_ROWS, false) != VS_OK) {
        err = vs_fail(diag, VS_ERR_NOMEM, "out of memory for an evaluation");
        goto cleanup;
    }
    evaluate_rows(out, scored, &pass, m, params, set);
    if (two && isfinite(out->loss)) out->auc = vs_auc(scored, set->n_rows);
cleanup:
    if (scored != NULL) sodium_memzero(scored, set->n_rows * sizeof *scored);
    free(scored);
    vs_pass_clear(&pass);
    return err;
}
