#include "mpc/lagrange.h"

static vs_fe difference(uint32_t a, uint32_t b)
{
    return vs_fe_sub(vs_fe_of_u64(a), vs_fe_of_u64(b));
}

void vs_lagrange_weights(vs_fe *weight, const uint32_t *x, uint32_t count)
{
    for (uint32_t a = 0; a < count; a++) {
        vs_fe product = {1};
        for (uint32_t b = 0; b < count; b++) {
            if (b != a) product = vs_fe_mul(product, difference(x[a], x[b]));
        }
        VS_ASSERT(product.v != 0);
        weight[a] = vs_fe_inv(product);
    }
}

void vs_lagrange_basis(vs_fe *basis, const vs_fe *weight, const uint32_t *x, uint32_t count,
                       uint32_t at)
{
    /* The product over all b but a is (product below a) * (product above a): two passes. */
    vs_fe below = {1};
    for (uint32_t a = 0; a < count; a++) {
        basis[a] = vs_fe_mul(weight[a], below);
        below = vs_fe_mul(below, difference(at, x[a]));
    }
    vs_fe above = {1};
    for (uint32_t a = count; a-- > 0;) {
        basis[a] = vs_fe_mul(basis[a], above);
        above = vs_fe_mul(above, difference(at, x[a]));
    }
}
