#include "mpc/sharing.h"

#include <stdlib.h>
#include <string.h>

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

/* g at x = r + steps from its backward differences at r: the coefficients are C(steps + i - 1, i)
 * for i < t and add to C(steps + t - 1, t - 1). The sum, or anything above limit. */
static uint64_t step_coefficients(uint32_t t, uint32_t steps, uint64_t limit)
{
    uint64_t sum = 1;
    for (uint32_t i = 1; i < t && sum <= limit; i++) sum = sum * (steps + i) / i;
    return sum;
}

/* The table as magnitudes with the sign of the position, if they are small enough: lambda_i(j) at
 * consecutive integers is an integer, C(j-1, m-1) C(j-m-1, r-m) (-1)^(r-m) with m = t+i. The
 * coefficients are looked at, not believed. */
static bool small_coefficients(vs_sharing *s)
{
    for (uint32_t row = 0; row < s->n - s->r; row++) {
        uint64_t sum = step_coefficients(s->t, row + 1, UINT64_C(1) << VS_SMALL_SUM_BITS);
        for (uint32_t i = 0; i < s->k; i++) {
            size_t at = (size_t)row * s->k + i;
            vs_fe c = vs_sharing_negative(s, i) ? vs_fe_neg(s->extra[at]) : s->extra[at];
            if ((c.v >> VS_SMALL_COEF_BITS) != 0) return false;
            s->small[at] = c.v;
            sum += c.v;
        }
        if ((sum >> VS_SMALL_SUM_BITS) != 0) return false;
    }
    return true;
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
    size_t n_extra = (size_t)(n - s->r) * k + 1; /* + 1: never 0 bytes */
    s->extra = calloc(n_extra, sizeof *s->extra);
    s->small = calloc(n_extra, sizeof *s->small);
    if (s->extra == NULL || s->small == NULL) {
        vs_sharing_free(s);
        return VS_ERR_NOMEM;
    }
    extra_coefficients(s);
    s->is_small = small_coefficients(s);
    *out = s;
    return VS_OK;
}

void vs_sharing_free(vs_sharing *s)
{
    if (s == NULL) return;
    free(s->extra);
    free(s->small);
    free(s);
}

void vs_share_columns(const vs_sharing *s, vs_fe *const *out, const vs_fe *const *secrets,
                      const vs_fe *const *seed_shares, size_t cols)
{
    _Alignas(64) uint64_t scratch[VS_SHARE_SCRATCH]; /* 64 KiB */
    const vs_share_work range = {
        .out = out, .secrets = secrets, .seeds = seed_shares, .cols = cols, .scratch = scratch};
    vs_kernels_get()->share(s, &range);
    sodium_memzero(scratch, VS_SHARE_SCRATCH_OF(s->r) * sizeof scratch[0]);
}
