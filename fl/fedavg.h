/* fl/fedavg.h - plain federated averaging, the unprotected reference, and the server's step.
 *
 * Mean of the deltas weighted by examples; then w += server_learning_rate * mean. */
#ifndef VS_FL_FEDAVG_H
#define VS_FL_FEDAVG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct vs_fedavg {
    double *sum; /* owned; len weighted sums */
    size_t len;
    size_t n_updates;
    uint64_t weight_sum; /* examples */
} vs_fedavg;

/* len >= 1 zeros. VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_fedavg_init(vs_fedavg *f, size_t len);
void vs_fedavg_reset(vs_fedavg *f); /* zero again, for the next round */
void vs_fedavg_clear(vs_fedavg *f);
/* sum += weight * delta[len], weight >= 1. */
void vs_fedavg_add(vs_fedavg *f, const double *delta, uint64_t weight);
/* mean[len]; at least one update was added. */
void vs_fedavg_mean(double *mean, const vs_fedavg *f);

/* params[len] += server_learning_rate * mean[len]: the same for a securely aggregated mean. */
void vs_fedavg_step(double *params, const double *mean, size_t len, double server_learning_rate);

#endif /* VS_FL_FEDAVG_H */
