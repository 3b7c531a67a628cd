#include "fl/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "fl/draw.h"
#include "fl/linear.h"

enum { EVALUATE_ROWS = 250 };

/* --- shape ------------------------------------------------------------------------------- */

static vs_err parse_width(uint32_t *out, const char **text, const char *spec, vs_diag *diag)
{
    const char *p = *text;
    uint32_t value = 0;
    if (*p < '1' || *p > '9') {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "model \"%.40s\": want layer widths like 784-200-10 or 784-10", spec);
    }
    for (; *p >= '0' && *p <= '9'; p++) {
        value = 10 * value + (uint32_t)(*p - '0');
        if (value > VS_MODEL_WIDTH_MAX) {
            return vs_fail(diag, VS_ERR_LIMIT, "model \"%.40s\": a layer is wider than %u", spec,
                           VS_MODEL_WIDTH_MAX);
        }
    }
    *out = value;
    *text = p;
    return VS_OK;
}

/* Widths of one to VS_MODEL_LAYERS_MAX + 1 layers. */
static vs_err parse_widths(vs_model *m, const char *spec, vs_diag *diag)
{
    const char *p = spec;
    uint32_t n = 0;
    for (;;) {
        if (n > VS_MODEL_LAYERS_MAX) {
            return vs_fail(diag, VS_ERR_LIMIT, "model \"%.40s\": more than %u hidden layers", spec,
                           VS_MODEL_LAYERS_MAX - 1);
        }
        vs_err err = parse_width(&m->width[n], &p, spec, diag);
        if (err != VS_OK) return err;
        n++;
        if (*p == '\0') break;
        if (*p++ != '-') {
            return vs_fail(diag, VS_ERR_MALFORMED,
                           "model \"%.40s\": want layer widths like 784-200-10 or 784-10", spec);
        }
    }
    m->n_layers = n - 1;
    return VS_OK;
}

vs_err vs_model_parse(vs_model *out, const char *spec, vs_diag *diag)
{
    VS_ASSERT(out != NULL && spec != NULL);
    vs_model m = {0};
    memset(out, 0, sizeof *out);
    vs_err err = parse_widths(&m, spec, diag);
    if (err != VS_OK) return err;
    if (m.n_layers == 0 || m.width[m.n_layers] < 2 || m.width[m.n_layers] > 256) {
        return vs_fail(
            diag, VS_ERR_LIMIT,
            "model \"%.40s\": want inputs, then any hidden layers, then 2 to 256 classes", spec);
    }
    if (vs_model_n_params(&m) > VS_MODEL_PARAMS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "model \"%.40s\": %zu parameters, the limit is %zu",
                       spec, vs_model_n_params(&m), VS_MODEL_PARAMS_MAX);
    }
    *out = m;
    return VS_OK;
}

void vs_model_format(char out[VS_MODEL_SPEC_BYTES], const vs_model *m)
{
    VS_ASSERT(out != NULL && m != NULL && m->n_layers <= VS_MODEL_LAYERS_MAX);
    size_t at = 0;
    for (uint32_t i = 0; i <= m->n_layers; i++) {
        int n = snprintf(out + at, VS_MODEL_SPEC_BYTES - at, "%s%u", i > 0 ? "-" : "", m->width[i]);
        VS_ASSERT(n > 0 && (size_t)n < VS_MODEL_SPEC_BYTES - at); /* 9 widths of 5 digits: 53 */
        at += (size_t)n;
    }
}

size_t vs_model_n_params(const vs_model *m)
{
    size_t n = 0;
    for (uint32_t i = 0; i < m->n_layers; i++) n += ((size_t)m->width[i] + 1) * m->width[i + 1];
    return n;
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
    if (set->n_classes > m->width[m->n_layers]) {
        return vs_fail(diag, VS_ERR_LIMIT, "model %s knows %u classes, the data have %u", spec,
                       m->width[m->n_layers], set->n_classes);
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
    for (uint32_t l = 0; l < m->n_layers; l++) {
        size_t n = (size_t)m->width[l] * m->width[l + 1];
        double deviation = sqrt(2.0 / m->width[l]);
        for (size_t i = 0; i < n; i++) params[i] = deviation * vs_draw_normal(&draw);
        params += n + m->width[l + 1];
    }
}

/* --- forward pass ------------------------------------------------------------------------ */

static size_t pass_width(const vs_model *m)
{
    size_t n = 0;
    for (uint32_t i = 0; i <= m->n_layers; i++) n += m->width[i];
    return n;
}

vs_err vs_model_pass_init(vs_model_pass *p, const vs_model *m, size_t max_rows)
{
    VS_ASSERT(p != NULL && m != NULL && max_rows >= 1 && max_rows <= VS_DATASET_ROWS_MAX);
    memset(p, 0, sizeof *p);
    vs_linear_init();
    p->memory = malloc(max_rows * pass_width(m) * sizeof *p->memory);
    if (p->memory == NULL) return VS_ERR_NOMEM;
    p->max_rows = max_rows;
    double *at = p->memory;
    for (uint32_t i = 0; i <= m->n_layers; i++) {
        p->layer[i] = at;
        at += max_rows * m->width[i];
    }
    return VS_OK;
}

void vs_model_pass_clear(vs_model_pass *p, const vs_model *m)
{
    if (p->memory != NULL) {
        sodium_memzero(p->memory, p->max_rows * pass_width(m) * sizeof *p->memory);
    }
    free(p->memory);
    memset(p, 0, sizeof *p);
}

void vs_model_forward(vs_model_pass *p, const vs_model *m, const double *params, size_t n)
{
    VS_ASSERT(n >= 1 && n <= p->max_rows);
    for (uint32_t l = 0; l < m->n_layers; l++) {
        const size_t in = m->width[l];
        const size_t out = m->width[l + 1];
        const double *bias = params + in * out;
        double *z = p->layer[l + 1];
        for (size_t i = 0; i < n; i++) memcpy(z + i * out, bias, out * sizeof *z);
        vs_linear_mul(z, 1.0, p->layer[l], params, n, in, out);
        if (l + 1 < m->n_layers) {
            for (size_t i = 0; i < n * out; i++) z[i] = z[i] > 0.0 ? z[i] : 0.0;
        }
        params += (in + 1) * out;
    }
}

double vs_model_softmax(double *logits, uint32_t n_classes, uint32_t label, uint32_t *best)
{
    VS_ASSERT(label < n_classes);
    uint32_t top = 0;
    double sum = 0.0;
    for (uint32_t c = 1; c < n_classes; c++) top = logits[c] > logits[top] ? c : top;
    const double max = logits[top];
    const double own = logits[label] - max;
    for (uint32_t c = 0; c < n_classes; c++) {
        logits[c] = exp(logits[c] - max); /* at most 1: no overflow */
        sum += logits[c];
    }
    for (uint32_t c = 0; c < n_classes; c++) logits[c] /= sum;
    if (best != NULL) *best = top;
    return log(sum) - own;
}

vs_err vs_model_evaluate(vs_evaluation *out, const vs_model *m, const double *params,
                         const vs_dataset *set, vs_diag *diag)
{
    VS_ASSERT(out != NULL && params != NULL && set != NULL && set->n_rows >= 1);
    memset(out, 0, sizeof *out);
    vs_err err = vs_model_fits(m, set, diag);
    if (err != VS_OK) return err;
    const uint32_t n_classes = m->width[m->n_layers];
    vs_model_pass pass;
    if (vs_model_pass_init(&pass, m, EVALUATE_ROWS) != VS_OK) {
        return vs_fail(diag, VS_ERR_NOMEM, "out of memory for an evaluation");
    }
    size_t n_right = 0;
    double loss = 0.0;
    for (size_t at = 0; at < set->n_rows; at += EVALUATE_ROWS) {
        size_t n = set->n_rows - at < EVALUATE_ROWS ? set->n_rows - at : EVALUATE_ROWS;
        vs_dataset_features(pass.layer[0], set, NULL, at, n);
        vs_model_forward(&pass, m, params, n);
        for (size_t i = 0; i < n; i++) {
            uint32_t best;
            uint32_t label = set->labels[at + i];
            loss +=
                vs_model_softmax(pass.layer[m->n_layers] + i * n_classes, n_classes, label, &best);
            n_right += best == label;
        }
    }
    vs_model_pass_clear(&pass, m);
    out->n_rows = set->n_rows;
    out->accuracy = (double)n_right / (double)set->n_rows;
    out->loss = loss / (double)set->n_rows;
    return VS_OK;
}
