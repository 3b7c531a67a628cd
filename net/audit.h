/* net/audit.h - `veilsum audit`: every check of docs/LEDGER.md from the log and blobs alone.
 *
 * The log is a ledger's folder (ledger.db) or a published one (ledger/export.h), in a folder or
 * behind HTTP: entries come from bundles, and every tile is compared with the entries too. */
#ifndef VS_NET_AUDIT_H
#define VS_NET_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/fetch.h"
#include "ledger/policy_text.h"
#include "net/federation.h"

typedef struct vs_audit_round {
    uint64_t round;
    bool aborted;
    char detail[256]; /* "8 of 10 clients, 4 answers, certain", or the reason of the abort */
    uint32_t included, rejected, answers, votes;
    bool certain;
    bool recomputed; /* the sum, from the published sum shares; false: they are not public */
} vs_audit_round;

typedef struct vs_audit_report {
    char origin[VS_NOTE_NAME_MAX + 1];
    uint64_t size; /* entries */
    vs_h32 root;
    uint32_t n_rounds, n_aborted;
    uint32_t n_not_recomputed; /* results whose sum shares are not public */
    uint32_t cosignatures;     /* verified on the newest checkpoint that satisfies the policy */
    uint64_t cosigned_size;    /* size of that checkpoint */
    /* Of a published log: the newest round, if it has a result that no quorum has cosigned yet;
     * else 0. Any older round like that is a problem, and so is every one of a ledger at rest. */
    uint64_t not_final;
    uint32_t n_proofs, n_statements; /* evidence entries, each checked */
    uint32_t n_keys;                 /* revocations and rotations */
    bool ok;
    uint32_t n_problems;
    bool remembered;       /* there was a checkpoint from an earlier audit */
    uint64_t earlier_size; /* its size */
} vs_audit_report;

/* All but the callbacks' ctx may be NULL. Everything is borrowed for the call. */
typedef struct vs_audit_in {
    const vs_federation *fed;     /* that the auditor trusts; NULL: the one that the log names */
    const vs_tlog_policy *policy; /* whose signatures a checkpoint needs; NULL: the federation's */
    /* File with the last checkpoint that an audit of this log accepted. A log that is smaller now,
     * or of which that checkpoint is no part, is a problem (rolled back, forked): the file stays,
     * and the contradicting checkpoint is written to "<state>.fork". Else the file is replaced. */
    const char *state;
    /* Where `state` is NULL: the folder for such files, one per log key (so that copies of one log
     * are compared with each other wherever they are found); NULL: nothing is remembered. */
    const char *state_folder;
    void (*on_round)(void *ctx, const vs_audit_round *round);
    void (*on_problem)(void *ctx, const char *text);
    void *ctx;
} vs_audit_in;

/* dir: a ledger's data folder. VS_OK when the audit ran to its end, ok or not. */
VS_MUST_CHECK vs_err vs_audit_ledger(vs_audit_report *report, const char *dir,
                                     const vs_audit_in *in, vs_diag *diag);
/* The same of a published log. */
VS_MUST_CHECK vs_err vs_audit_published(vs_audit_report *report, const vs_fetch *fetch,
                                        const vs_audit_in *in, vs_diag *diag);

/* vs_audit_ledger without policy and state. */
VS_MUST_CHECK vs_err vs_audit_dir(vs_audit_report *report, const char *dir,
                                  const vs_federation *fed,
                                  void (*on_round)(void *ctx, const vs_audit_round *round),
                                  void (*on_problem)(void *ctx, const char *text), void *ctx,
                                  vs_diag *diag);

#endif /* VS_NET_AUDIT_H */
