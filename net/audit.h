/* net/audit.h - `veilsum audit`: every check of docs/LEDGER.md from the log and blobs alone. */
#ifndef VS_NET_AUDIT_H
#define VS_NET_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/federation.h"

typedef struct vs_audit_round {
    uint64_t round;
    bool aborted;
    char detail[256]; /* "8 of 10 clients, 4 answers, certain", or the reason of the abort */
    uint32_t included, rejected, answers;
    bool certain;
} vs_audit_round;

typedef struct vs_audit_report {
    uint64_t size; /* entries */
    vs_h32 root;
    uint32_t n_rounds, n_aborted;
    uint32_t cosignatures;  /* verified on the newest checkpoint that satisfies the policy */
    uint64_t cosigned_size; /* size of that checkpoint */
    bool ok;
    uint32_t n_problems;
} vs_audit_report;

/* dir: a ledger's data folder. fed: the federation the auditor trusts; NULL takes the one the log
 * names (the report says so). The callbacks may be NULL. VS_OK when the audit ran to its end, ok or
 * not. */
VS_MUST_CHECK vs_err vs_audit_dir(vs_audit_report *report, const char *dir,
                                  const vs_federation *fed,
                                  void (*on_round)(void *ctx, const vs_audit_round *round),
                                  void (*on_problem)(void *ctx, const char *text), void *ctx,
                                  vs_diag *diag);

#endif /* VS_NET_AUDIT_H */
