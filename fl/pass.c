#include "fl/pass.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "fl/conv.h"
#include "fl/linear.h"

/* --- memory ---------------------------------------------------------------------------------- */

/* Largest matrix of patches of any convolution. */
static size_t patches_len(const vs_model *m)
{
    size_t most = 0;
    for (uint32_t i = 0; i < m->n_layers; i++) {
        const vs_layer *l = &m->layer[i];
        size_t n = l->kind == VS_LAYER_CONV ? vs_layer_n_places(l) * vs_layer_n_inputs(l) : 0;
        most = n > most ? n : most;
    }
    return most;
}

static double *cut(double **at, size_t len)
{
    double *part = *at;
    *at += len;
    return part;
}

vs_err vs_pass_init(vs_pass *p, const vs_model *m, size_t max_rows, bool backward)
{
    VS_ASSERT(p != NULL && m != NULL && max_rows >= 1 && max_rows <= VS_DATASET_ROWS_MAX);
    const size_t n_patches = patches_len(m);
    size_t all = 0, widest = 0;
    memset(p, 0, sizeof *p);
    vs_linear_init();
    for (uint32_t i = 0; i <= m->n_layers; i++) all += m->width[i];
    for (uint32_t i = 1; i <= m->n_layers; i++)
        widest = m->width[i] > widest ? m->width[i] : widest;
    p->memory_len = max_rows * all + n_patches;
    if (backward) p->memory_len += n_patches + 2 * max_rows * widest;
    p->memory = malloc(p->memory_len * sizeof *p->memory);
    if (p->memory == NULL) {
        memset(p, 0, sizeof *p);
        return VS_ERR_NOMEM;
    }
    p->max_rows = max_rows;
    double *at = p->memory;
    for (uint32_t i = 0; i <= m->n_layers; i++) p->layer[i] = cut(&at, max_rows * m->width[i]);
    p->patches[0] = cut(&at, n_patches);
    if (!backward) return VS_OK;
    p->patches[1] = cut(&at, n_patches);
    for (int i = 0; i < 2; i++) p->back[i] = cut(&at, max_rows * widest);
    return VS_OK;
}

void vs_pass_clear(vs_pass *p)
{
    if (p->memory != NULL) sodium_memzero(p->memory, p->memory_len * sizeof *p->memory);
    free(p->memory);
    memset(p, 0, sizeof *p);
}

/* --- forward --------------------------------------------------------------------------------- */

/* out[n][outputs] = bias + in[n][inputs] w */
static void affine(double *out, const double *in, const double *w, size_t n, size_t n_in,
                   size_t n_out)
{
    const double *bias = w + n_in * n_out;
    for (size_t i = 0; i < n; i++) memcpy(out + i * n_out, bias, n_out * sizeof *out);
    vs_linear_mul(out, 1.0, in, w, n, n_in, n_out);
}

static void forward_layer(vs_pass *p, const vs_model *m, uint32_t i, const double *w, size_t n)
{
    const vs_layer *l = &m->layer[i];
    const double *in = p->layer[i];
    double *out = p->layer[i + 1];
    const size_t n_in = vs_layer_n_inputs(l);
    switch (l->kind) {
    case VS_LAYER_DENSE: affine(out, in, w, n, n_in, l->out.channels); break;
    case VS_LAYER_CONV:
        for (size_t row = 0; row < n; row++) {
            vs_conv_unroll(p->patches[0], in + row * m->width[i], l);
            affine(out + row * m->width[i + 1], p->patches[0], w, vs_layer_n_places(l), n_in,
                   l->out.channels);
        }
        break;
    case VS_LAYER_POOL:
        for (size_t row = 0; row < n; row++) {
            vs_pool_forward(out + row * m->width[i + 1], in + row * m->width[i], l);
        }
        return; /* no activation */
    }
    if (i + 1 == m->n_layers) return; /* logits */
    for (size_t k = 0; k < n * m->width[i + 1]; k++) out[k] = out[k] > 0.0 ? out[k] : 0.0;
}

static size_t layer_params(const vs_layer *l)
{
    return l->kind == VS_LAYER_POOL ? 0 : (vs_layer_n_inputs(l) + 1) * l->out.channels;
}

void vs_pass_forward(vs_pass *p, const vs_model *m, const double *params, size_t n)
{
    VS_ASSERT(n >= 1 && n <= p->max_rows);
    for (uint32_t i = 0; i < m->n_layers; i++) {
        forward_layer(p, m, i, params, n);
        params += layer_params(&m->layer[i]);
    }
}

/* --- backward -------------------------------------------------------------------------------- */

/* w -= in^T d, and the bias behind it -= column sums of d[n][n_out]. */
static void subtract_gradient(double *w, const double *in, const double *d, size_t n, size_t n_in,
                              size_t n_out)
{
    double *bias = w + n_in * n_out;
    vs_linear_add_tn(w, -1.0, in, d, n, n_in, n_out);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n_out; j++) bias[j] -= d[i * n_out + j];
    }
}

/* d_in[n][width[i]] from d[n][width[i + 1]]; w: parameters of layer i. */
static void gradient_of_inputs(double *d_in, vs_pass *p, const vs_model *m, uint32_t i,
                               const double *w, const double *d, size_t n)
{
    const vs_layer *l = &m->layer[i];
    const size_t n_in = vs_layer_n_inputs(l), places = vs_layer_n_places(l);
    if (l->kind == VS_LAYER_DENSE) {
        vs_linear_mul_nt(d_in, d, w, n, l->out.channels, n_in);
        return;
    }
    for (size_t row = 0; row < n; row++) {
        const double *d_out = d + row * m->width[i + 1];
        if (l->kind == VS_LAYER_CONV) {
            vs_linear_mul_nt(p->patches[1], d_out, w, places, l->out.channels, n_in);
            vs_conv_fold(d_in + row * m->width[i], p->patches[1], l);
        } else {
            vs_pool_backward(d_in + row * m->width[i], d_out, p->layer[i] + row * m->width[i], l);
        }
    }
}

static void subtract_layer(double *into, vs_pass *p, const vs_model *m, uint32_t i, const double *d,
                           size_t n)
{
    const vs_layer *l = &m->layer[i];
    const size_t n_in = vs_layer_n_inputs(l);
    if (l->kind == VS_LAYER_DENSE) {
        subtract_gradient(into, p->layer[i], d, n, n_in, l->out.channels);
        return;
    }
    for (size_t row = 0; l->kind == VS_LAYER_CONV && row < n; row++) {
        vs_conv_unroll(p->patches[0], p->layer[i] + row * m->width[i], l);
        subtract_gradient(into, p->patches[0], d + row * m->width[i + 1], vs_layer_n_places(l),
                          n_in, l->out.channels);
    }
}

void vs_pass_backward(double *into, vs_pass *p, const vs_model *m, const double *params, size_t n)
{
    VS_ASSERT(n >= 1 && n <= p->max_rows && p->back[0] != NULL);
    size_t at = vs_model_n_params(m);
    double *d = p->back[0];
    double *d_in = p->back[1];
    for (uint32_t i = m->n_layers; i-- > 0;) {
        at -= layer_params(&m->layer[i]);
        if (i > 0) { /* before the parameters change */
            const double *active = p->layer[i];
            gradient_of_inputs(d_in, p, m, i, params + at, d, n);
            /* Through ReLU; what comes out of a pool has been through it already. */
            for (size_t k = 0; m->layer[i - 1].kind != VS_LAYER_POOL && k < n * m->width[i]; k++) {
                d_in[k] = active[k] > 0.0 ? d_in[k] : 0.0;
            }
        }
        subtract_layer(into + at, p, m, i, d, n);
        double *t = d;
        d = d_in;
        d_in = t;
    }
}
