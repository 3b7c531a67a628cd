/* mpc/lagrange.h - Lagrange interpolation over public points 1..n. Inside mpc/ only.
 *
 * Everything here is public: points and coefficients, never values. */
#ifndef VS_MPC_LAGRANGE_H
#define VS_MPC_LAGRANGE_H

#include <stdint.h>

#include "mpc/field.h"

/* weight[a] = 1 / product over b != a of (x[a] - x[b]). Points distinct mod p (VS_ASSERT). */
void vs_lagrange_weights(vs_fe *weight, const uint32_t *x, uint32_t count);

/* basis[a] = value at `at` of the polynomial of degree < count that is 1 at x[a] and 0 at the
 * other points. So f(at) = sum of basis[a] * f(x[a]). */
void vs_lagrange_basis(vs_fe *basis, const vs_fe *weight, const uint32_t *x, uint32_t count,
                       uint32_t at);

#endif /* VS_MPC_LAGRANGE_H */
