#include "fl/fedavg.h"

#include <stdlib.h>
#include <string.h>

vs_err vs_fedavg_init(vs_fedavg *f, size_t len)
{
    VS_ASSERT(f != NULL && len >= 1);
    memset(f, 0, sizeof *f);
    f->sum = calloc(len, sizeof *f->sum);
    if (f->sum == NULL) return VS_ERR_NOMEM;
    f->len = len;
    return VS_OK;
}

void vs_fedavg_reset(vs_fedavg *f)
{
    memset(f->sum, 0, f->len * sizeof *f->sum);
    f->n_updates = 0;
    f->weight_sum = 0;
}

void vs_fedavg_clear(vs_fedavg *f)
{
    free(f->sum);
    memset(f, 0, sizeof *f);
}

void vs_fedavg_add(vs_fedavg *f, const double *delta, uint64_t weight)
{
    VS_ASSERT(f != NULL && delta != NULL && weight >= 1);
    for (size_t i = 0; i < f->len; i++) f->sum[i] += (double)weight * delta[i];
    VS_ASSERT(!__builtin_add_overflow(f->weight_sum, weight, &f->weight_sum));
    f->n_updates++;
}

void vs_fedavg_mean(double *mean, const vs_fedavg *f)
{
    VS_ASSERT(mean != NULL && f->n_updates >= 1);
    for (size_t i = 0; i < f->len; i++) mean[i] = f->sum[i] / (double)f->weight_sum;
}

void vs_fedavg_step(double *params, const double *mean, size_t len, double server_learning_rate)
{
    for (size_t i = 0; i < len; i++) params[i] += server_learning_rate * mean[i];
}
