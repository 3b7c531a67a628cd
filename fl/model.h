/* fl/model.h - the networks that are trained here: shape, text form, parameters.
 *
 * A spec is what the input is, then layers joined by '-':
 *     784-200-10          input of 784 values, 200 hidden units (ReLU), 10 classes
 *     784-10              softmax regression
 *     30-1                logistic regression: one output, the log-odds of class 1 of two
 *     28x28-c8k5-p2-10    image 28 x 28 x 1; c8k5: 8 filters of 5 x 5, ReLU; p2: the largest of
 * each 2 x 2; then 10 classes. HxWxC is an image of C channels. Convolutions have stride 1 and no
 * padding; pooling windows do not overlap, a rest that fills no window is left out. Images and
 * activations are row-major, channels last. Parameters are one flat float64 vector: for each layer
 * that has any, W[in][out] row-major, then b[out]; a convolution's in is side * side * channels, in
 * the order of an image patch. */
#ifndef VS_FL_MODEL_H
#define VS_FL_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fl/dataset.h"

#define VS_MODEL_LAYERS_MAX 12u
#define VS_MODEL_WIDTH_MAX 65536u              /* units of a layer of one width */
#define VS_MODEL_UNITS_MAX (UINT32_C(1) << 20) /* activations of one image in one layer */
#define VS_MODEL_PARAMS_MAX ((size_t)1 << 25)  /* 256 MiB */
#define VS_MODEL_SPEC_BYTES 192u               /* of the text form, with the final zero */

typedef enum vs_layer_kind { VS_LAYER_DENSE, VS_LAYER_CONV, VS_LAYER_POOL } vs_layer_kind;

/* A block of activations of one row. An input given as one width is 1 x width x 1. */
typedef struct vs_extent {
    uint32_t height, width, channels;
} vs_extent;

typedef struct vs_layer {
    vs_layer_kind kind;
    uint32_t side; /* of the filters, of the window; 0 for DENSE */
    vs_extent in, out;
} vs_layer;

typedef struct vs_model {
    uint32_t n_layers;                       /* 1..VS_MODEL_LAYERS_MAX */
    uint32_t width[VS_MODEL_LAYERS_MAX + 1]; /* units: width[0] inputs, width[n_layers] outputs */
    vs_layer layer[VS_MODEL_LAYERS_MAX];     /* from width[i] to width[i + 1] */
} vs_model;

/* Decimal numbers without sign, space or leading zero. On error *out is zero.
 * VS_ERR_MALFORMED or VS_ERR_LIMIT with a message that quotes the spec. */
VS_MUST_CHECK vs_err vs_model_parse(vs_model *out, const char *spec, vs_diag *diag);
void vs_model_format(char out[VS_MODEL_SPEC_BYTES], const vs_model *m);
size_t vs_model_n_params(const vs_model *m);
/* Classes it tells apart: its outputs, or 2 for logistic regression. */
uint32_t vs_model_n_classes(const vs_model *m);
/* Rows of layer l's matrix, and how many times it is applied to one row of data. A pool has 0 rows.
 */
size_t vs_layer_n_inputs(const vs_layer *l);
size_t vs_layer_n_places(const vs_layer *l);
/* VS_ERR_LIMIT when set has another number of features, or labels the model has no class for. */
VS_MUST_CHECK vs_err vs_model_fits(const vs_model *m, const vs_dataset *set, vs_diag *diag);

/* Start values: zero for softmax and logistic regression, else W ~ N(0, 2/fan_in) (He et al. 2015)
 * and b = 0, drawn in the order of the parameters. params[n_params]. */
void vs_model_init(double *params, const vs_model *m, uint64_t seed);

#endif /* VS_FL_MODEL_H */
