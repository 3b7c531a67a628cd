/* fl/model.h - softmax regression and ReLU networks: shape, parameters, forward pass, evaluation.
 *
 * A spec "784-200-10" lists layer widths: inputs, hidden layers (ReLU), classes; "784-10" is
 * softmax regression. Parameters are one flat float64 vector: for each layer W[in][out] row-major,
 * then b[out]. */
#ifndef VS_FL_MODEL_H
#define VS_FL_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fl/dataset.h"

#define VS_MODEL_LAYERS_MAX 8u                /* weight matrices */
#define VS_MODEL_WIDTH_MAX 65536u             /* units of one layer */
#define VS_MODEL_PARAMS_MAX ((size_t)1 << 25) /* 256 MiB */
#define VS_MODEL_SPEC_BYTES 64u               /* of the text form, with the final zero */

typedef struct vs_model {
    uint32_t n_layers;                       /* weight matrices, 1..VS_MODEL_LAYERS_MAX */
    uint32_t width[VS_MODEL_LAYERS_MAX + 1]; /* width[0] inputs, width[n_layers] classes */
} vs_model;

/* Decimal widths joined by '-', no sign, space or leading zero. On error *out is zero.
 * VS_ERR_MALFORMED or VS_ERR_LIMIT with a message that quotes the spec. */
VS_MUST_CHECK vs_err vs_model_parse(vs_model *out, const char *spec, vs_diag *diag);
void vs_model_format(char out[VS_MODEL_SPEC_BYTES], const vs_model *m);
size_t vs_model_n_params(const vs_model *m);
/* VS_ERR_LIMIT when set has another number of features, or labels the model has no class for. */
VS_MUST_CHECK vs_err vs_model_fits(const vs_model *m, const vs_dataset *set, vs_diag *diag);

/* Start values: zero for softmax regression, else W ~ N(0, 2/fan_in) and b = 0, drawn in the
 * order of the parameters. params[n_params]. */
void vs_model_init(double *params, const vs_model *m, uint64_t seed);

/* Memory for passes of up to max_rows rows. */
typedef struct vs_model_pass {
    double *memory; /* owned; the rest points into it */
    size_t max_rows;
    double *layer[VS_MODEL_LAYERS_MAX + 1]; /* layer[0]: the inputs, max_rows * width[0] */
} vs_model_pass;

/* Zero-initialised by init; clear wipes (activations tell about the data) and releases. */
VS_MUST_CHECK vs_err vs_model_pass_init(vs_model_pass *p, const vs_model *m, size_t max_rows);
void vs_model_pass_clear(vs_model_pass *p, const vs_model *m);

/* From p->layer[0], n rows (1..max_rows): fills layer[1..n_layers]; the last one are logits. */
void vs_model_forward(vs_model_pass *p, const vs_model *m, const double *params, size_t n);

/* One row of logits becomes class probabilities. Returns the cross-entropy for label, in nats;
 * *best (may be NULL) is the first largest class. */
double vs_model_softmax(double *logits, uint32_t n_classes, uint32_t label, uint32_t *best);

typedef struct vs_evaluation {
    double accuracy; /* 0..1 */
    double loss;     /* mean cross-entropy, nats */
    size_t n_rows;
} vs_evaluation;

/* Over all of set (at least one row). VS_ERR_LIMIT as vs_model_fits, VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_model_evaluate(vs_evaluation *out, const vs_model *m, const double *params,
                                       const vs_dataset *set, vs_diag *diag);

#endif /* VS_FL_MODEL_H */
