/* fl/conv.h - convolution as a matrix product (im2col), and max pooling, of one image.
 *
 * Images are row-major with channels last; a patch lists side x side pixels row by row. The matrix
 * of patches has one row per place of the output (row-major) and vs_layer_n_inputs columns.
 * No allocation, no error: sizes come from a vs_layer that vs_model_parse made. Sources:
 * Chellapilla, Puri, Simard 2006 (unrolling); the gradient of a maximum goes to the first largest
 * value. */
#ifndef VS_FL_CONV_H
#define VS_FL_CONV_H

#include "fl/model.h"

/* patches[n_places][n_inputs] of image. */
void vs_conv_unroll(double *patches, const double *image, const vs_layer *l);
/* image = the sum of each patch's values put back at their pixels: the transpose of unroll. */
void vs_conv_fold(double *image, const double *patches, const vs_layer *l);

void vs_pool_forward(double *out, const double *in, const vs_layer *l);
/* d_in = d_out at the pixel that each window took, zero elsewhere. */
void vs_pool_backward(double *d_in, const double *d_out, const double *in, const vs_layer *l);

#endif /* VS_FL_CONV_H */
