/* bench/ledger.h - `veilsum bench ledger`: what the log costs, beside the disk's own fsync rate.
 *
 * Appends and raw fsyncs are sampled in turn on one disk; wall time, since waiting for the disk is
 * what an append consists of. Proofs are made from tiles in SQLite and verified; a log of a
 * thousand rounds with real signatures is audited. Everything happens in a folder that is removed.
 */
#ifndef VS_BENCH_LEDGER_H
#define VS_BENCH_LEDGER_H

#include <stdint.h>

#include "base/err.h"

#define VS_BENCH_LEDGER_SIZES_MAX 4u

typedef struct vs_bench_ledger_spec {
    const char *dir;      /* where; NULL: the current folder */
    uint32_t reps;        /* appends, fsyncs and proofs of each kind; batches: a quarter; 0: 200 */
    uint32_t batch;       /* entries of a batch */
    uint32_t entry_bytes; /* 1..65535 */
    uint32_t n_sizes;     /* trees for proofs, ascending */
    uint64_t size[VS_BENCH_LEDGER_SIZES_MAX];
    uint32_t rounds; /* to audit; 0: none */
    /* What is being done, for a person who waits; may be NULL. */
    void (*progress)(void *ctx, const char *text);
    void *ctx;
} vs_bench_ledger_spec;

/* Medians in microseconds, wall time. */
typedef struct vs_bench_ledger_proofs {
    uint64_t size;
    double prove_inclusion, verify_inclusion;
    double prove_consistency, verify_consistency;
    double build_s; /* to append the entries that make this size, in batches of 4,096 */
} vs_bench_ledger_proofs;

typedef struct vs_bench_ledger_result {
    double fsync_us, fsync_p10, fsync_p90; /* 4 KiB rewritten in place and synced */
    double single_us, single_p10, single_p90;
    double batch_us;        /* of a whole batch */
    double fsyncs_per_s;    /* from medians, as all rates here */
    double single_per_s;    /* entries */
    double batch_per_s;     /* entries */
    double single_to_fsync; /* single_per_s / fsyncs_per_s */
    double batch_to_fsync;  /* batch_per_s / fsyncs_per_s */
    uint32_t n_proofs;
    vs_bench_ledger_proofs proofs[VS_BENCH_LEDGER_SIZES_MAX];
    uint32_t rounds;
    uint64_t round_entries;   /* of their log */
    double make_s;            /* to make that log */
    double audit_s;           /* of the ledger's folder */
    double audit_published_s; /* of the same log, published in a folder */
    double export_s;
} vs_bench_ledger_result;

/* VS_ERR_LIMIT: parameters; VS_ERR_PROOF: something does not verify; VS_ERR_IO, VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_bench_ledger(vs_bench_ledger_result *out, const vs_bench_ledger_spec *spec,
                                     vs_diag *diag);

#endif /* VS_BENCH_LEDGER_H */
