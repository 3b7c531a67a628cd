/* The text form of a network (grammar: fl/model.h). */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fl/model.h"

typedef struct reader {
    const char *spec; /* whole, for messages */
    const char *at;
    vs_diag *diag;
} reader;

static vs_err malformed(const reader *r)
{
    return vs_fail(r->diag, VS_ERR_MALFORMED,
                   "model \"%.80s\": want layers like 784-200-10, 784-10 or 28x28-c8k5-p2-10",
                   r->spec);
}

static vs_err too_wide(const reader *r)
{
    return vs_fail(r->diag, VS_ERR_LIMIT,
                   "model \"%.80s\": a layer is wider than %u, or an image than %u values", r->spec,
                   VS_MODEL_WIDTH_MAX, VS_MODEL_UNITS_MAX);
}

static vs_err read_number(uint32_t *out, reader *r)
{
    uint32_t value = 0;
    if (*r->at < '1' || *r->at > '9') return malformed(r);
    for (; *r->at >= '0' && *r->at <= '9'; r->at++) {
        value = 10 * value + (uint32_t)(*r->at - '0');
        if (value > VS_MODEL_WIDTH_MAX) return too_wide(r);
    }
    *out = value;
    return VS_OK;
}

/* Units of one row, or 0 when there are too many. */
static uint32_t units(const vs_extent *e)
{
    uint64_t n = (uint64_t)e->height * e->width; /* each at most 2^16 */
    if (n > VS_MODEL_UNITS_MAX) return 0;
    n *= e->channels;
    return n > VS_MODEL_UNITS_MAX ? 0 : (uint32_t)n;
}

/* "784" or "28x28" or "28x28x3". *image: it has rows and columns. */
static vs_err read_input(vs_extent *out, bool *image, reader *r)
{
    *out = (vs_extent){1, 1, 1};
    *image = false;
    vs_err err = read_number(&out->width, r);
    if (err != VS_OK || *r->at != 'x') return err;
    r->at++;
    *image = true;
    out->height = out->width;
    err = read_number(&out->width, r);
    if (err != VS_OK || *r->at != 'x') return err;
    r->at++;
    return read_number(&out->channels, r);
}

/* A convolution or a pool at r->at, on an image of extent l->in. */
static vs_err read_image_layer(vs_layer *l, reader *r)
{
    l->kind = *r->at++ == 'c' ? VS_LAYER_CONV : VS_LAYER_POOL;
    l->out = l->in;
    vs_err err = VS_OK;
    if (l->kind == VS_LAYER_CONV) {
        err = read_number(&l->out.channels, r);
        if (err == VS_OK && *r->at++ != 'k') err = malformed(r);
    }
    if (err == VS_OK) err = read_number(&l->side, r);
    if (err != VS_OK) return err;
    if (l->side > l->in.height || l->side > l->in.width) {
        return vs_fail(r->diag, VS_ERR_LIMIT,
                       "model \"%.80s\": a side of %u does not fit into an image of %u x %u",
                       r->spec, l->side, l->in.height, l->in.width);
    }
    if (l->kind == VS_LAYER_CONV) {
        l->out.height = l->in.height - l->side + 1;
        l->out.width = l->in.width - l->side + 1;
    } else {
        l->out.height = l->in.height / l->side;
        l->out.width = l->in.width / l->side;
    }
    return VS_OK;
}

static vs_err read_layer(vs_layer *l, bool *image, reader *r)
{
    if (*r->at == 'c' || *r->at == 'p') {
        if (!*image) {
            return vs_fail(r->diag, VS_ERR_MALFORMED,
                           "model \"%.80s\": c and p need an image: start like 28x28, and put "
                           "them before the layers of one width",
                           r->spec);
        }
        return read_image_layer(l, r);
    }
    *image = false;
    l->kind = VS_LAYER_DENSE;
    l->out = (vs_extent){1, 1, 1};
    return read_number(&l->out.channels, r);
}

static vs_err read_layers(vs_model *m, reader *r)
{
    vs_extent extent;
    bool image;
    vs_err err = read_input(&extent, &image, r);
    if (err != VS_OK) return err;
    m->width[0] = units(&extent);
    if (m->width[0] == 0 || m->width[0] > VS_DATASET_FEATURES_MAX) return too_wide(r);
    while (*r->at != '\0') {
        if (*r->at++ != '-') return malformed(r);
        if (m->n_layers == VS_MODEL_LAYERS_MAX) {
            return vs_fail(r->diag, VS_ERR_LIMIT, "model \"%.80s\": more than %u layers", r->spec,
                           VS_MODEL_LAYERS_MAX);
        }
        vs_layer *l = &m->layer[m->n_layers++];
        l->in = extent;
        err = read_layer(l, &image, r);
        if (err != VS_OK) return err;
        extent = l->out;
        m->width[m->n_layers] = units(&extent);
        if (m->width[m->n_layers] == 0) return too_wide(r);
    }
    return VS_OK;
}

VS_PRINTF(3, 4)
static void put(char *out, size_t *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(out + *at, VS_MODEL_SPEC_BYTES - *at, fmt, args);
    va_end(args);
    VS_ASSERT(n > 0 && (size_t)n < VS_MODEL_SPEC_BYTES - *at); /* at most 17 + 12 * 13 */
    *at += (size_t)n;
}

void vs_model_format(char out[VS_MODEL_SPEC_BYTES], const vs_model *m)
{
    VS_ASSERT(out != NULL && m != NULL && m->n_layers >= 1 && m->n_layers <= VS_MODEL_LAYERS_MAX);
    const vs_extent *in = &m->layer[0].in;
    size_t at = 0;
    if (in->height > 1 || in->channels > 1 || m->layer[0].kind != VS_LAYER_DENSE) {
        put(out, &at, "%ux", in->height);
    }
    put(out, &at, "%u", in->width);
    if (in->channels > 1) put(out, &at, "x%u", in->channels);
    for (uint32_t i = 0; i < m->n_layers; i++) {
        const vs_layer *l = &m->layer[i];
        switch (l->kind) {
        case VS_LAYER_DENSE: put(out, &at, "-%u", l->out.channels); break;
        case VS_LAYER_CONV: put(out, &at, "-c%uk%u", l->out.channels, l->side); break;
        case VS_LAYER_POOL: put(out, &at, "-p%u", l->side); break;
        }
    }
}

vs_err vs_model_parse(vs_model *out, const char *spec, vs_diag *diag)
{
    VS_ASSERT(out != NULL && spec != NULL);
    vs_model m = {0};
    reader r = {.spec = spec, .at = spec, .diag = diag};
    memset(out, 0, sizeof *out);
    vs_err err = read_layers(&m, &r);
    if (err != VS_OK) return err;
    if (m.n_layers == 0 || m.layer[m.n_layers - 1].kind != VS_LAYER_DENSE ||
        m.width[m.n_layers] > 256) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "model \"%.80s\": want inputs, then any hidden layers, then 1 (logistic) or "
                       "2 to 256 classes",
                       spec);
    }
    if (vs_model_n_params(&m) > VS_MODEL_PARAMS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "model \"%.80s\": %zu parameters, the limit is %zu",
                       spec, vs_model_n_params(&m), VS_MODEL_PARAMS_MAX);
    }
    char canonical[VS_MODEL_SPEC_BYTES];
    vs_model_format(canonical, &m);
    if (strcmp(canonical, spec) != 0) { /* one text for one network */
        return vs_fail(diag, VS_ERR_MALFORMED, "model \"%.80s\": write it as %s", spec, canonical);
    }
    *out = m;
    return VS_OK;
}
