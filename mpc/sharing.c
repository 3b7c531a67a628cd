#include "mpc/sharing.h"

#include <stdlib.h>

#include <sodium.h>

#include "mpc/kernels.h"
#include "mpc/lagrange.h"

/* Shares beyond r. e = f - g has degree < r, is 0 at 1..t and secret_i at t+i. So
 *     f(j) = g(j) + sum over i of lambda_i(j) * secret_i,
 * lambda_i the Lagrange polynomial of point t+i over 1..r: k products instead of r, and g goes
 * on by its difference table. */
static void extra_coefficients(vs_sharing *s)
{
    uint32_t points[VS_SHAREHOLDERS_MAX] = {0};
    vs_fe weight[VS_SHAREHOLDERS_MAX];
    vs_fe basis[VS_SHAREHOLDERS_MAX];
    for (uint32_t a = 0; a < s->r; a++) points[a] = a + 1;
    vs_lagrange_weights(weight, points, s->r);
    for (uint32_t j = s->r + 1; j <= s->n; j++) {
        vs_lagrange_basis(basis, weight, points, s->r, j);
        for (uint32_t i = 0; i < s->k; i++) {
            s->extra[(size_t)(j - s->r - 1) * s->k + i] = basis[s->t + i];
        }
    }
}

vs_err vs_sharing_new(vs_sharing **out, uint32_t n, uint32_t t, uint32_t k)
{
    *out = NULL;
    if (n > VS_POINTS_MAX || t < 1 || t >= n || k < 1 || k > n - t) {
        return VS_ERR_LIMIT;
    }
    vs_sharing *s = calloc(1, sizeof *s);
    if (s == NULL) return VS_ERR_NOMEM;
    *s = (vs_sharing){.n = n, .t = t, .k = k, .r = t + k};
    s->extra = calloc((size_t)(n - s->r) * k + 1, sizeof *s->extra); /* + 1: never 0 bytes */
    if (s->extra == NULL) {
        free(s);
        return VS_ERR_NOMEM;
    }
    extra_coefficients(s);
    *out = s;
    return VS_OK;
}

void vs_sharing_free(vs_sharing *s)
{
    if (s == NULL) return;
    free(s->extra);
    free(s);
}

void vs_share_columns(const vs_sharing *s, vs_fe *const *out, const vs_fe *const *secrets,
                      const vs_fe *const *seed_shares, size_t cols)
{
    const vs_kernels *kernels = vs_kernels_get();
    vs_fe scratch[VS_SHAREHOLDERS_MAX * VS_TILE_COLUMNS]; /* 64 KiB; t rows of it are used */
    for (size_t first = 0; first < cols; first += VS_TILE_COLUMNS) {
        size_t tile = cols - first < VS_TILE_COLUMNS ? cols - first : VS_TILE_COLUMNS;
        kernels->share(s, out, secrets, seed_shares, first, tile, scratch);
    }
    sodium_memzero(scratch, (size_t)s->t * VS_TILE_COLUMNS * sizeof scratch[0]);
}
