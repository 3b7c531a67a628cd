#include "fl/model.h"

#include <math.h>
#include <string.h>

#include "fl/draw.h"

size_t vs_layer_n_inputs(const vs_layer *l)
{
    switch (l->kind) {
    case VS_LAYER_DENSE: return (size_t)l->in.height * l->in.width * l->in.channels;
    case VS_LAYER_CONV: return (size_t)l->side * l->side * l->in.channels;
    case VS_LAYER_POOL: break;
    }
    return 0;
}

size_t vs_layer_n_places(const vs_layer *l)
{
    return l->kind == VS_LAYER_CONV ? (size_t)l->out.height * l->out.width : 1;
}

size_t vs_model_n_params(const vs_model *m)
{
    size_t n = 0;
    for (uint32_t i = 0; i < m->n_layers; i++) {
        const vs_layer *l = &m->layer[i];
        if (l->kind != VS_LAYER_POOL) n += (vs_layer_n_inputs(l) + 1) * l->out.channels;
    }
    return n;
}

uint32_t vs_model_n_classes(const vs_model *m)
{
    return m->width[m->n_layers] == 1 ? 2 : m->width[m->n_layers];
}

vs_err vs_model_fits(const vs_model *m, const vs_dataset *set, vs_diag *diag)
{
    char spec[VS_MODEL_SPEC_BYTES];
    VS_ASSERT(m != NULL && set != NULL);
    vs_model_format(spec, m);
    if (set->n_features != m->width[0]) {
        return vs_fail(diag, VS_ERR_LIMIT, "model %s takes %u inputs, the data have %u features",
                       spec, m->width[0], set->n_features);
    }
    if (set->n_classes > vs_model_n_classes(m)) {
        return vs_fail(diag, VS_ERR_LIMIT, "model %s knows %u classes, the data have %u", spec,
                       vs_model_n_classes(m), set->n_classes);
    }
    return VS_OK;
}

void vs_model_init(double *params, const vs_model *m, uint64_t seed)
{
    VS_ASSERT(params != NULL && m != NULL);
    vs_draw draw;
    vs_draw_init(&draw, seed, VS_DRAW_WEIGHTS);
    memset(params, 0, vs_model_n_params(m) * sizeof *params);
    if (m->n_layers == 1) return; /* convex: zero is the best start */
    for (uint32_t i = 0; i < m->n_layers; i++) {
        const vs_layer *l = &m->layer[i];
        if (l->kind == VS_LAYER_POOL) continue;
        const size_t in = vs_layer_n_inputs(l);
        const double deviation = sqrt(2.0 / (double)in);
        for (size_t k = 0; k < in * l->out.channels; k++) {
            params[k] = deviation * vs_draw_normal(&draw);
        }
        params += (in + 1) * l->out.channels;
    }
}
