/* mpc/proof.h - proof that the n shares of a submission lie on polynomials of degree < r.
 *
 * W(x) = B(x) + sum over m < M of rho^(m+1) f_m(x), B the random polynomial over F_{p^2} of the
 * two mask columns (column M = re, column M+1 = im). The client publishes W(1..r); shareholder j
 * accepts iff its own share vector gives W(j). (PROTOCOL.md; soundness in SECURITY.md.) */
#ifndef VS_MPC_PROOF_H
#define VS_MPC_PROOF_H

#include <stddef.h>
#include <stdint.h>

#include "mpc/field.h"

/* rho^1 .. rho^VS_POWER_TABLE. */
#define VS_POWER_TABLE 1024u
typedef struct vs_powers {
    vs_fe re[VS_POWER_TABLE], im[VS_POWER_TABLE];
} vs_powers;

/* sum over i of rho^(i+1) x[i], over elements fed in order in any pieces (multiples of
 * VS_POWER_TABLE are fastest). rho is public. */
typedef struct vs_power_sum {
    vs_fe2 sum;    /* of the elements so far */
    vs_fe2 power;  /* rho^(elements so far) */
    vs_powers rho; /* 16 KiB */
} vs_power_sum;
void vs_power_sum_start(vs_power_sum *s, vs_fe2 rho);
void vs_power_sum_update(vs_power_sum *s, const vs_fe *x, size_t count);

/* Running value of one share vector. Secret: everything but rho and position. */
typedef struct vs_proof_acc {
    vs_power_sum weighted; /* columns 0..M-1 */
    vs_fe2 mask;           /* columns M, M+1 */
    uint32_t position;     /* columns seen */
    uint32_t columns;      /* M; M + 2 elements in all */
} vs_proof_acc;

void vs_proof_start(vs_proof_acc *acc, vs_fe2 rho, uint32_t columns);
/* Next count elements of the vector, in order; at most M + 2 in all (VS_ASSERT). */
void vs_proof_update(vs_proof_acc *acc, const vs_fe *x, size_t count);
/* The same, and sum[i] += x[i] in one pass; data columns only: position + count <= M (VS_ASSERT),
 * since mask columns are never added up. */
void vs_proof_update_add(vs_proof_acc *acc, vs_fe *sum, const vs_fe *x, size_t count);
/* W(j) of this vector; all M + 2 elements must have been fed (VS_ASSERT). Wipes acc. */
vs_fe2 vs_proof_final(vs_proof_acc *acc);

/* W at x = j from its values at 1..r (extrapolation over consecutive
 * points), 1 <= j <= 128. Public data. */
vs_fe2 vs_proof_eval(const vs_fe2 *w, uint32_t r, uint32_t j);

#endif /* VS_MPC_PROOF_H */
