/* Reconstruction from any r shares; the interface is in sharing.h. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mpc/kernels.h"
#include "mpc/lagrange.h"
#include "mpc/sharing.h"

struct vs_recon {
    uint32_t n, k, r;
    uint32_t idx[VS_SHAREHOLDERS_MAX];
    vs_fe weight[VS_SHAREHOLDERS_MAX]; /* Lagrange weights over idx */
    vs_fe coef[];                      /* k rows of r: secret i = sum of coef * share */
};

/* secret_i = f(t+i) - g(t+i) with f(x) = sum over a of lambda_a(x) share_a and g(t+i) =
 * sum over j <= t of mu_j(t+i) f(j), mu the Lagrange basis over 1..t. One row of r
 * coefficients per secret. */
static void secret_coefficients(vs_recon *rec, uint32_t t)
{
    uint32_t low[VS_SHAREHOLDERS_MAX] = {0};
    vs_fe low_weight[VS_SHAREHOLDERS_MAX];
    vs_fe mu[VS_SHAREHOLDERS_MAX];
    vs_fe lambda[VS_SHAREHOLDERS_MAX];
    for (uint32_t j = 0; j < t; j++) low[j] = j + 1;
    vs_lagrange_weights(low_weight, low, t);
    for (uint32_t i = 0; i < rec->k; i++) {
        vs_lagrange_basis(rec->coef + (size_t)i * rec->r, rec->weight, rec->idx, rec->r, t + 1 + i);
    }
    for (uint32_t j = 1; j <= t; j++) {
        vs_lagrange_basis(lambda, rec->weight, rec->idx, rec->r, j);
        for (uint32_t i = 0; i < rec->k; i++) {
            vs_fe *row = rec->coef + (size_t)i * rec->r;
            vs_lagrange_basis(mu, low_weight, low, t, t + 1 + i);
            for (uint32_t a = 0; a < rec->r; a++) {
                row[a] = vs_fe_sub(row[a], vs_fe_mul(mu[j - 1], lambda[a]));
            }
        }
    }
}

vs_err vs_recon_new(vs_recon **out, uint32_t n, uint32_t t, uint32_t k, const uint32_t *idx)
{
    *out = NULL;
    if (n > VS_POINTS_MAX || t < 1 || t >= n || k < 1 || k > n - t) {
        return VS_ERR_LIMIT;
    }
    uint32_t r = t + k;
    bool seen[VS_SHAREHOLDERS_MAX + 1] = {false};
    for (uint32_t a = 0; a < r; a++) {
        if (idx[a] < 1 || idx[a] > n || seen[idx[a]]) return VS_ERR_LIMIT;
        seen[idx[a]] = true;
    }
    vs_recon *rec = calloc(1, sizeof *rec + (size_t)k * r * sizeof rec->coef[0]);
    if (rec == NULL) return VS_ERR_NOMEM;
    rec->n = n;
    rec->k = k;
    rec->r = r;
    memcpy(rec->idx, idx, r * sizeof idx[0]);
    vs_lagrange_weights(rec->weight, rec->idx, r);
    secret_coefficients(rec, t);
    *out = rec;
    return VS_OK;
}

void vs_recon_free(vs_recon *rec)
{
    free(rec); /* public coefficients only */
}

void vs_recon_columns(const vs_recon *rec, vs_fe *const *secrets, const vs_fe *const *shares,
                      size_t cols)
{
    const vs_kernels *kernels = vs_kernels_get();
    for (size_t first = 0; first < cols; first += VS_TILE_COLUMNS) {
        size_t tile = cols - first < VS_TILE_COLUMNS ? cols - first : VS_TILE_COLUMNS;
        for (uint32_t i = 0; i < rec->k; i++) {
            kernels->combine(secrets[i] + first, rec->coef + (size_t)i * rec->r, shares, rec->r,
                             first, tile);
        }
    }
}

void vs_recon_share(const vs_recon *rec, vs_fe *out, uint32_t j, const vs_fe *const *shares,
                    size_t cols)
{
    VS_ASSERT(j >= 1 && j <= rec->n);
    vs_fe lambda[VS_SHAREHOLDERS_MAX];
    vs_lagrange_basis(lambda, rec->weight, rec->idx, rec->r, j);
    vs_kernels_get()->combine(out, lambda, shares, rec->r, 0, cols);
}
