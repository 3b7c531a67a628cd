#include "fl/scale.h"

#include <math.h>

void vs_scale_list(uint32_t *list, uint32_t *n, uint32_t n_features, const vs_schema *schema)
{
    VS_ASSERT(list != NULL && n != NULL);
    *n = 0;
    for (uint32_t i = 0; schema == NULL && i < n_features; i++) list[(*n)++] = i;
    for (size_t i = 0; schema != NULL && i < schema->n_columns; i++) {
        const vs_schema_column *c = &schema->column[i];
        if (c->kind == VS_SCHEMA_NUMBER) list[(*n)++] = c->feature;
    }
}

void vs_scale_fractions(double *fractions, size_t *outside, const vs_dataset *set,
                        const uint32_t *list, uint32_t n, double limit)
{
    VS_ASSERT(fractions != NULL && set != NULL && set->values != NULL && set->n_rows >= 1);
    for (uint32_t i = 0; i < n; i++) {
        double sum = 0, squares = 0;
        size_t n_values = 0, n_outside = 0;
        VS_ASSERT(list[i] < set->n_features);
        for (size_t row = 0; row < set->n_rows; row++) {
            const double v = (double)set->values[row * set->n_features + list[i]];
            if (isnan(v)) continue;
            const double z = fmin(fmax(v, -limit), limit);
            n_outside += z != v;
            n_values++;
            sum += z;
            squares += z * z;
        }
        const double rows = (double)set->n_rows;
        double *own = fractions + (size_t)i * VS_SCALE_N;
        own[0] = sum / rows;
        own[1] = squares / rows;
        own[2] = (double)n_values / rows;
        if (outside != NULL) outside[i] = n_outside;
    }
}

uint32_t vs_scale_fit(double *centre, double *deviation, const double *fractions, uint32_t n,
                      double floor)
{
    uint32_t n_flat = 0;
    VS_ASSERT(centre != NULL && deviation != NULL && fractions != NULL && floor >= 0);
    for (uint32_t i = 0; i < n; i++) {
        const double *f = fractions + (size_t)i * VS_SCALE_N;
        centre[i] = 0;
        deviation[i] = 1;
        if (f[2] > floor) centre[i] = f[0] / f[2];
        const double variance = f[2] > floor ? f[1] / f[2] - centre[i] * centre[i] : 0;
        if (variance > floor * floor) {
            deviation[i] = sqrt(variance);
        } else {
            n_flat++;
        }
    }
    return n_flat;
}

void vs_scale_apply(vs_dataset *set, const uint32_t *list, const double *centre,
                    const double *deviation, uint32_t n)
{
    VS_ASSERT(set != NULL && set->values != NULL);
    for (size_t row = 0; row < set->n_rows; row++) {
        for (uint32_t i = 0; i < n; i++) {
            float *v = &set->values[row * set->n_features + list[i]];
            *v = (float)(((double)*v - centre[i]) / deviation[i]);
        }
    }
}
