/* fl/partition.h - which rows of a data set belong to which client of a simulation.
 *
 * Every row goes to exactly one client. Seeded: the same seed gives the same partition in every
 * process, so clients need not be told theirs. */
#ifndef VS_FL_PARTITION_H
#define VS_FL_PARTITION_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define VS_PARTITION_CLIENTS_MAX (UINT32_C(1) << 20)

typedef enum vs_partition_kind {
    VS_PARTITION_IID,       /* a random permutation cut into K parts */
    VS_PARTITION_SHARDS,    /* sorted by label, 2K shards, 2 each: McMahan et al. 2017 */
    VS_PARTITION_STRIDED,   /* client k owns k, k + K, k + 2K, ...; ignores the seed */
    VS_PARTITION_DIRICHLET, /* each label's rows are dealt in proportions drawn from a symmetric
                               Dirichlet(alpha) over the clients: Hsu, Qi, Brown 2019 */
} vs_partition_kind;

#define VS_PARTITION_ALPHA_MIN 0.01
#define VS_PARTITION_ALPHA_MAX 1000.0
#define VS_PARTITION_TEXT_BYTES 32u

typedef struct vs_partition_rule {
    vs_partition_kind kind;
    double alpha; /* DIRICHLET only; small is uneven, large is even */
} vs_partition_rule;

/* "iid", "shards", "strided", "dirichlet:0.5" ("dirichlet" alone is alpha 0.5).
 * VS_ERR_MALFORMED with the names in the message. */
VS_MUST_CHECK vs_err vs_partition_parse(vs_partition_rule *out, const char *text, vs_diag *diag);
void vs_partition_format(char out[VS_PARTITION_TEXT_BYTES], vs_partition_rule rule);

typedef struct vs_partition {
    uint32_t n_clients;
    uint32_t *rows; /* owned; all rows, client by client */
    size_t *start;  /* owned; n_clients + 1: client k has rows[start[k]] .. rows[start[k+1] - 1] */
} vs_partition;

/* Parts (and shards) differ by at most one row, larger ones first, as numpy's array_split; with
 * DIRICHLET they differ as drawn, and a client without a row gets one of the largest part.
 * labels[n_rows] is read for SHARDS and DIRICHLET. On VS_OK the caller owns *out
 * (vs_partition_free), else it is zero. VS_ERR_LIMIT when there are fewer rows than parts, no
 * client, or too many. */
VS_MUST_CHECK vs_err vs_partition_make(vs_partition *out, vs_partition_rule rule,
                                       const uint8_t *labels, size_t n_rows, uint32_t n_clients,
                                       uint64_t seed, vs_diag *diag);
void vs_partition_free(vs_partition *p);

/* Client k's rows, borrowed; *n says how many. k < n_clients. */
const uint32_t *vs_partition_rows(const vs_partition *p, uint32_t k, size_t *n);

#endif /* VS_FL_PARTITION_H */
