/* cli/workload.h - the training data of a simulation: which set, cut into which parts.
 *
 * Every process that is given the same words finds the same parts, so `veilsum train` and the plain
 * reference of `veilsum demo` train on the same rows. Parts are numbered from 1. */
#ifndef VS_CLI_WORKLOAD_H
#define VS_CLI_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "fl/dataset.h"
#include "fl/partition.h"

typedef struct vs_workload {
    const char *data; /* borrowed: a folder (vs_dataset_load), "digits" or "digits:ROWS" */
    vs_partition_rule partition;
    vs_table_options table; /* how CSV files are read */
    const char *schema;     /* borrowed: file that says what their columns mean, or NULL */
    bool standardise;       /* vs_workload_all only: numbers by mean and deviation of the training
                               set, as a round of sums would give them */
    uint32_t n_clients;
    uint64_t seed;
} vs_workload;

/* Only the rows of one client (1..n_clients). On VS_OK the caller owns *own, else it is zero. */
VS_MUST_CHECK vs_err vs_workload_part(vs_dataset *own, const vs_workload *w, uint32_t client,
                                      vs_diag *diag);
/* Everything: training set, test set and parts (client i has part i - 1). All owned by the caller
 * on VS_OK, else zero. */
VS_MUST_CHECK vs_err vs_workload_all(vs_dataset *train, vs_dataset *test, vs_partition *parts,
                                     const vs_workload *w, vs_diag *diag);
/* Seed of client i's shuffles in a round. */
uint64_t vs_workload_seed(const vs_workload *w, uint64_t round, uint32_t client);

#endif /* VS_CLI_WORKLOAD_H */
