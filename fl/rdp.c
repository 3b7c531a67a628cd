#include "fl/rdp.h"

#include <math.h>

#define PI 3.14159265358979323846

double vs_rdp_rounded_norm(double c, double g, double d, double beta)
{
    const double always = c + g * sqrt(d);
    if (beta == 0.0) return always;
    const double mostly =
        c * c + g * g * d / 4 + sqrt(2 * log(1 / beta)) * g * (c + g * sqrt(d) / 2);
    return fmin(always, sqrt(mostly));
}

double vs_rdp_tau(uint32_t n, double variance)
{
    double sum = 0.0;
    for (uint32_t k = 1; k < n; k++) {
        sum += exp(-2 * PI * PI * variance * (double)k / ((double)k + 1));
    }
    return 10 * sum;
}

static double gaussian(const vs_rdp_sum *s, double a, double tau)
{
    const double ratio = s->sensitivity / sqrt((double)s->n_noising * s->variance);
    const double shifted = ratio + sqrt(s->dim) * tau;
    return fmin(a / 2 * ratio * ratio + tau * s->dim, a / 2 * shifted * shifted);
}

static double skellam(const vs_rdp_sum *s, double a)
{
    const double l2 = s->sensitivity, m = (double)s->n_noising * s->variance;
    const double l1 = fmin(sqrt(s->dim) * l2, l2 * l2);
    const double second = fmin(((2 * a - 1) * l2 * l2 + 6 * l1) / (4 * m * m), 3 * l1 / (2 * m));
    return a * l2 * l2 / (2 * m) + second;
}

static double tau_of(const vs_rdp_sum *s)
{
    VS_ASSERT(s != NULL && s->variance > 0 && s->n_noising >= 1);
    VS_ASSERT(s->mechanism != VS_MECHANISM_NONE);
    return s->mechanism == VS_MECHANISM_SKELLAM ? 0.0 : vs_rdp_tau(s->n_noising, s->variance);
}

static double of_order(const vs_rdp_sum *s, double a, double tau)
{
    return s->mechanism == VS_MECHANISM_SKELLAM ? skellam(s, a) : gaussian(s, a, tau);
}

double vs_rdp_of_order(const vs_rdp_sum *s, double a)
{
    return of_order(s, a, tau_of(s));
}

void vs_rdp_add(vs_rdp *curve, const vs_rdp_sum *s, double times)
{
    VS_ASSERT(curve != NULL);
    const double tau = tau_of(s);
    for (uint32_t i = 0; i < VS_RDP_ORDERS; i++) {
        curve->at[i] += times * of_order(s, (double)(i + VS_RDP_ORDER_MIN), tau);
    }
}

double vs_rdp_epsilon(const vs_rdp *curve, double delta, uint32_t *order)
{
    VS_ASSERT(curve != NULL && delta > 0 && delta < 1);
    double best = INFINITY;
    uint32_t where = VS_RDP_ORDER_MIN;
    for (uint32_t i = 0; i < VS_RDP_ORDERS; i++) {
        const double a = (double)(i + VS_RDP_ORDER_MIN);
        const double eps = curve->at[i] + log((a - 1) / a) - (log(delta) + log(a)) / (a - 1);
        if (!(eps < best)) continue;
        best = eps;
        where = i + VS_RDP_ORDER_MIN;
    }
    if (order != NULL) *order = where;
    return best > 0 ? best : 0.0;
}

double vs_rdp_zcdp_epsilon(double rho, double delta)
{
    return rho + 2 * sqrt(rho * log(1 / delta));
}
