/* fl/server_opt.h - how the server turns the mean of the updates into the next model.
 *
 *   fedavg   w += eta D                                            McMahan et al. 2017
 *   fedavgm  m = beta1 m + D; w += eta m                           Hsu, Qi, Brown 2019
 *   fedadam  m = beta1 m + (1 - beta1) D;
 *            v = beta2 v + (1 - beta2) D^2; w += eta m/(sqrt v + tau)   Reddi et al. 2021, Alg. 2
 *   fedyogi  the same with v -= (1 - beta2) D^2 sign(v - D^2)
 * D is the mean of w_local - w_global; v starts at tau^2. The mean is public to the federation:
 * nothing here is secret. */
#ifndef VS_FL_SERVER_OPT_H
#define VS_FL_SERVER_OPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef enum vs_server_rule {
    VS_SERVER_FEDAVG,
    VS_SERVER_FEDAVGM,
    VS_SERVER_FEDADAM,
    VS_SERVER_FEDYOGI,
} vs_server_rule;

typedef struct vs_server_options {
    vs_server_rule rule;
    double learning_rate; /* eta: > 0, <= 1000 (server_learning_rate) */
    double beta1, beta2;  /* 0 <= beta < 1 */
    double tau;           /* > 0, <= 1: how far from zero the divisor stays */
} vs_server_options;

/* eta 1 for fedavg and fedavgm, 0.01 for the others; beta1 0.9, beta2 0.99, tau 0.001 (the
 * paper's). */
vs_server_options vs_server_defaults(vs_server_rule rule);
/* "fedavg", "fedavgm", "fedadam", "fedyogi". */
VS_MUST_CHECK vs_err vs_server_rule_parse(vs_server_rule *out, const char *name, vs_diag *diag);
const char *vs_server_rule_name(vs_server_rule rule);
/* VS_ERR_LIMIT and a message naming the field. */
VS_MUST_CHECK vs_err vs_server_check(const vs_server_options *o, vs_diag *diag);

typedef struct vs_server_opt {
    vs_server_options o;
    size_t len;
    double *m, *v; /* owned; NULL where the rule has none */
} vs_server_opt;

/* len >= 1 parameters; o passes vs_server_check. VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_server_opt_init(vs_server_opt *s, const vs_server_options *o, size_t len);
void vs_server_opt_clear(vs_server_opt *s);
/* params[len] and the state take one step along mean[len]. */
void vs_server_opt_step(vs_server_opt *s, double *params, const double *mean);

#endif /* VS_FL_SERVER_OPT_H */
