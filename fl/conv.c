#include "fl/conv.h"

#include <string.h>

void vs_conv_unroll(double *patches, const double *image, const vs_layer *l)
{
    const size_t run = (size_t)l->side * l->in.channels; /* neighbours in one row of the image */
    const size_t row = (size_t)l->in.width * l->in.channels;
    for (size_t y = 0; y < l->out.height; y++) {
        for (size_t x = 0; x < l->out.width; x++) {
            const double *from = image + y * row + x * l->in.channels;
            for (size_t i = 0; i < l->side; i++) {
                memcpy(patches, from + i * row, run * sizeof *patches);
                patches += run;
            }
        }
    }
}

void vs_conv_fold(double *image, const double *patches, const vs_layer *l)
{
    const size_t run = (size_t)l->side * l->in.channels;
    const size_t row = (size_t)l->in.width * l->in.channels;
    memset(image, 0, l->in.height * row * sizeof *image);
    for (size_t y = 0; y < l->out.height; y++) {
        for (size_t x = 0; x < l->out.width; x++) {
            double *to = image + y * row + x * l->in.channels;
            for (size_t i = 0; i < l->side; i++) {
                for (size_t j = 0; j < run; j++) to[i * row + j] += patches[j];
                patches += run;
            }
        }
    }
}

/* Index in the image of the first largest value of channel c in the window at (y, x). */
static size_t largest(const double *in, const vs_layer *l, size_t y, size_t x, size_t c)
{
    const size_t channels = l->in.channels;
    size_t best = (y * l->side * l->in.width + x * l->side) * channels + c;
    for (size_t i = 0; i < l->side; i++) {
        for (size_t j = 0; j < l->side; j++) {
            size_t at = ((y * l->side + i) * l->in.width + x * l->side + j) * channels + c;
            best = in[at] > in[best] ? at : best;
        }
    }
    return best;
}

void vs_pool_forward(double *out, const double *in, const vs_layer *l)
{
    for (size_t y = 0; y < l->out.height; y++) {
        for (size_t x = 0; x < l->out.width; x++) {
            for (size_t c = 0; c < l->in.channels; c++) *out++ = in[largest(in, l, y, x, c)];
        }
    }
}

void vs_pool_backward(double *d_in, const double *d_out, const double *in, const vs_layer *l)
{
    memset(d_in, 0, (size_t)l->in.height * l->in.width * l->in.channels * sizeof *d_in);
    for (size_t y = 0; y < l->out.height; y++) {
        for (size_t x = 0; x < l->out.width; x++) {
            for (size_t c = 0; c < l->in.channels; c++) d_in[largest(in, l, y, x, c)] += *d_out++;
        }
    }
}
