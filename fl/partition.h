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
    VS_PARTITION_IID,     /* a random permutation cut into K parts */
    VS_PARTITION_SHARDS,  /* sorted by label, 2K shards, 2 each: McMahan et al. 2017 */
    VS_PARTITION_STRIDED, /* client k owns k, k + K, k + 2K, ...; ignores the seed */
} vs_partition_kind;

/* "iid", "shards", "strided". Never NULL. */
const char *vs_partition_name(vs_partition_kind kind);
/* VS_ERR_MALFORMED with the three names in the message. */
VS_MUST_CHECK vs_err vs_partition_parse(vs_partition_kind *out, const char *name, vs_diag *diag);

typedef struct vs_partition {
    uint32_t n_clients;
    uint32_t *rows; /* owned; all rows, client by client */
    size_t *start;  /* owned; n_clients + 1: client k has rows[start[k]] .. rows[start[k+1] - 1] */
} vs_partition;

/* Parts (and shards) differ by at most one row, larger ones first, as numpy's array_split.
 * labels[n_rows] is read for SHARDS only. On VS_OK the caller owns *out (vs_partition_free), else
 * it is zero. VS_ERR_LIMIT when there are fewer rows than parts, no client, or too many. */
VS_MUST_CHECK vs_err vs_partition_make(vs_partition *out, vs_partition_kind kind,
                                       const uint8_t *labels, size_t n_rows, uint32_t n_clients,
                                       uint64_t seed, vs_diag *diag);
void vs_partition_free(vs_partition *p);

/* Client k's rows, borrowed; *n says how many. k < n_clients. */
const uint32_t *vs_partition_rows(const vs_partition *p, uint32_t k, size_t *n);

#endif /* VS_FL_PARTITION_H */
