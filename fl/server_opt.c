#include "fl/server_opt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = {"fedavg", "fedavgm", "fedadam", "fedyogi"};

vs_server_options vs_server_defaults(vs_server_rule rule)
{
    const bool adaptive = rule == VS_SERVER_FEDADAM || rule == VS_SERVER_FEDYOGI;
    return (vs_server_options){.rule = rule,
                               .learning_rate = adaptive ? 0.01 : 1.0,
                               .beta1 = 0.9,
                               .beta2 = 0.99,
                               .tau = 1e-3};
}

const char *vs_server_rule_name(vs_server_rule rule)
{
    VS_ASSERT(rule <= VS_SERVER_FEDYOGI);
    return NAMES[rule];
}

vs_err vs_server_rule_parse(vs_server_rule *out, const char *name, vs_diag *diag)
{
    VS_ASSERT(out != NULL && name != NULL);
    *out = VS_SERVER_FEDAVG;
    for (unsigned i = 0; i <= VS_SERVER_FEDYOGI; i++) {
        if (strcmp(name, NAMES[i]) != 0) continue;
        *out = (vs_server_rule)i;
        return VS_OK;
    }
    return vs_fail(diag, VS_ERR_MALFORMED,
                   "server optimiser \"%.40s\": want fedavg, fedavgm, fedadam or fedyogi", name);
}

vs_err vs_server_check(const vs_server_options *o, vs_diag *diag)
{
    VS_ASSERT(o != NULL && o->rule <= VS_SERVER_FEDYOGI);
    if (!(o->learning_rate > 0.0 && o->learning_rate <= 1000.0)) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "server_learning_rate is %g: must be above 0, at most 1000",
                       o->learning_rate);
    }
    if (!(o->beta1 >= 0.0 && o->beta1 < 1.0) || !(o->beta2 >= 0.0 && o->beta2 < 1.0)) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "beta1 is %g, beta2 is %g: each must be at least 0 and below 1", o->beta1,
                       o->beta2);
    }
    if (!(o->tau > 0.0 && o->tau <= 1.0)) {
        return vs_fail(diag, VS_ERR_LIMIT, "tau is %g: must be above 0, at most 1", o->tau);
    }
    return VS_OK;
}

vs_err vs_server_opt_init(vs_server_opt *s, const vs_server_options *o, size_t len)
{
    VS_ASSERT(s != NULL && len >= 1 && vs_server_check(o, NULL) == VS_OK);
    const bool adaptive = o->rule == VS_SERVER_FEDADAM || o->rule == VS_SERVER_FEDYOGI;
    *s = (vs_server_opt){.o = *o, .len = len};
    if (o->rule != VS_SERVER_FEDAVG) s->m = calloc(len, sizeof *s->m);
    if (adaptive) s->v = malloc(len * sizeof *s->v);
    if ((o->rule != VS_SERVER_FEDAVG && s->m == NULL) || (adaptive && s->v == NULL)) {
        vs_server_opt_clear(s);
        return VS_ERR_NOMEM;
    }
    for (size_t i = 0; adaptive && i < len; i++) s->v[i] = o->tau * o->tau;
    return VS_OK;
}

void vs_server_opt_clear(vs_server_opt *s)
{
    if (s == NULL) return;
    free(s->m);
    free(s->v);
    memset(s, 0, sizeof *s);
}

static double second_moment(const vs_server_options *o, double v, double square)
{
    if (o->rule == VS_SERVER_FEDADAM) return o->beta2 * v + (1.0 - o->beta2) * square;
    const double sign = (double)((v > square) - (v < square));
    return v - (1.0 - o->beta2) * square * sign;
}

void vs_server_opt_step(vs_server_opt *s, double *params, const double *mean)
{
    const vs_server_options *o = &s->o;
    VS_ASSERT(params != NULL && mean != NULL);
    for (size_t i = 0; i < s->len; i++) {
        const double d = mean[i];
        switch (o->rule) {
        case VS_SERVER_FEDAVG: params[i] += o->learning_rate * d; break;
        case VS_SERVER_FEDAVGM:
            s->m[i] = o->beta1 * s->m[i] + d;
            params[i] += o->learning_rate * s->m[i];
            break;
        case VS_SERVER_FEDADAM:
        case VS_SERVER_FEDYOGI:
            s->m[i] = o->beta1 * s->m[i] + (1.0 - o->beta1) * d;
            s->v[i] = second_moment(o, s->v[i], d * d);
            params[i] += o->learning_rate * s->m[i] / (sqrt(s->v[i]) + o->tau);
            break;
        }
    }
}
