/* fl/pass.h - rows through a network and their gradients back.
 *
 * Memory for a fixed number of rows is taken once. Activations tell about the data: clear wipes.
 * Not constant time: data stay on the machine that trains. */
#ifndef VS_FL_PASS_H
#define VS_FL_PASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fl/model.h"

typedef struct vs_pass {
    double *memory; /* owned; the rest points into it */
    size_t memory_len;
    size_t max_rows;
    double *layer[VS_MODEL_LAYERS_MAX + 1]; /* activations: max_rows * width[i]; [0]: the inputs */
    double *patches[2];                     /* of one image: values, and their gradients */
    double *back[2];                        /* gradients by a layer's units, max_rows * widest */
} vs_pass;

/* For up to max_rows rows (1..VS_DATASET_ROWS_MAX); backward: with room for gradients. */
VS_MUST_CHECK vs_err vs_pass_init(vs_pass *p, const vs_model *m, size_t max_rows, bool backward);
void vs_pass_clear(vs_pass *p);

/* From p->layer[0], n rows (1..max_rows): fills layer[1..n_layers]; the last one are logits. */
void vs_pass_forward(vs_pass *p, const vs_model *m, const double *params, size_t n);

/* After forward over the same n rows, and with the gradient by the logits in
 * p->back[0][n][outputs]: into[n_params] -= the gradient by the parameters. into may be params
 * itself. */
void vs_pass_backward(double *into, vs_pass *p, const vs_model *m, const double *params, size_t n);

#endif /* VS_FL_PASS_H */
