/* fl/rdp.h - the accountant: Renyi differential privacy of summed discrete noise.
 *
 * Sources: distributed discrete Gaussian: Kairouz, Liu, Steinke, arXiv 2102.06387, theorem 1 and
 * proposition 14; Skellam: Agarwal, Kairouz, Liu, arXiv 2110.04995; RDP to (epsilon, delta):
 * Canonne, Kamath, Steinke, arXiv 2004.00010; zCDP: Bun, Steinke, arXiv 1605.02065. Adjacency: one
 * client's vector is replaced by zeros. Everything here is public; no function can fail. */
#ifndef VS_FL_RDP_H
#define VS_FL_RDP_H

#include <stdint.h>

#include "fl/noise.h"

#define VS_RDP_ORDER_MIN 2u
#define VS_RDP_ORDER_MAX 512u
#define VS_RDP_ORDERS (VS_RDP_ORDER_MAX - VS_RDP_ORDER_MIN + 1)

/* A curve: at[a - 2] is the Renyi divergence of order a. Rounds add up. */
typedef struct vs_rdp {
    double at[VS_RDP_ORDERS];
} vs_rdp;

/* A sum of n_noising clients' integer vectors with noise, in steps of the grid. */
typedef struct vs_rdp_sum {
    vs_mechanism mechanism;
    double sensitivity; /* L2 norm of one client's integers, at most */
    double variance;    /* of one client's noise in one coordinate */
    uint32_t n_noising; /* clients that surely added noise, and keep it secret */
    double dim;         /* coordinates */
} vs_rdp_sum;

/* Largest L2 norm after conditional rounding to a grid of step g of a vector of norm c and d
 * coordinates; beta = 0: unconditional. min( c + g sqrt(d),
 * sqrt(c^2 + g^2 d / 4 + sqrt(2 ln(1/beta)) g (c + g sqrt(d) / 2)) ). */
double vs_rdp_rounded_norm(double c, double g, double d, double beta);
/* 10 sum_{k=1}^{n-1} exp(-2 pi^2 variance k / (k+1)): how far a sum of n discrete Gaussians is from
 * one discrete Gaussian. */
double vs_rdp_tau(uint32_t n, double variance);
/* Divergence of one order a > 1. Gaussian, n = n_noising, v = variance:
 *   min( a/2 S^2/(n v) + tau d, a/2 (S/sqrt(n v) + sqrt(d) tau)^2 )
 * Skellam, m = n v: a S^2/(2 m) + min( ((2a-1) S^2 + 6 S1)/(4 m^2), 3 S1/(2 m) ),
 *   S1 = min(sqrt(d) S, S^2). */
double vs_rdp_of_order(const vs_rdp_sum *s, double a);
/* curve += times * (s of every order). */
void vs_rdp_add(vs_rdp *curve, const vs_rdp_sum *s, double times);
/* min over the orders of RDP(a) + ln((a-1)/a) - (ln delta + ln a)/(a-1), at least 0; *order is
 * where (may be NULL). 0 < delta < 1. */
double vs_rdp_epsilon(const vs_rdp *curve, double delta, uint32_t *order);
/* rho-zCDP: rho + 2 sqrt(rho ln(1/delta)). A cross-check that is never far off. */
double vs_rdp_zcdp_epsilon(double rho, double delta);

#endif /* VS_FL_RDP_H */
