/* net/ledger_state.h - what a ledger amounts to: members, keys, rounds, submissions, credits.
 *
 * A pure function of the log's entries and the record blobs that they name (docs/LEDGER.md
 * "State"): who reads the same log gets the same state. Run an audit first; this only adds up, and
 * makes sure that it adds up the entries that the audit saw. Public data. */
#ifndef VS_NET_LEDGER_STATE_H
#define VS_NET_LEDGER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/audit_source.h"
#include "net/federation.h"
#include "net/keyring.h"
#include "net/submission.h"

/* One submission that a `set` names. Pseudonyms ascend within a round, accepted ones first. */
typedef struct vs_state_submission {
    uint64_t round;
    vs_h32 pseudonym;
    bool accepted;    /* in the set */
    vs_reject reason; /* where it is not */
    bool counted;     /* the round has a result; else it was aborted or still runs: no credits */
    int64_t credits;
} vs_state_submission;

typedef struct vs_ledger_state {
    uint64_t size;
    vs_h32 root;
    uint64_t n_rounds, n_final, n_aborted;
    uint64_t running;            /* number of the round that is neither; 0: none */
    uint64_t accepted, rejected; /* submissions of final rounds */
    int64_t credits;             /* granted in all */
    vs_keyring keys;             /* owned */
    uint32_t n_client_keys_revoked, n_client_keys_rotated, n_evidence;
} vs_ledger_state;

void vs_ledger_state_free(vs_ledger_state *state);

/* The first size entries, which must have this root (an audit's). on_submission may be NULL.
 * VS_ERR_PROOF: the log is not what was audited; VS_ERR_MALFORMED, VS_ERR_STATE (a blob is
 * missing). */
VS_MUST_CHECK vs_err vs_ledger_state_compute(
    vs_ledger_state *out, const vs_audit_source *source, const vs_federation *fed, uint64_t size,
    const vs_h32 *root, void (*on_submission)(void *ctx, const vs_state_submission *submission),
    void *ctx, vs_diag *diag);

/* The federation file that the log's first `federation` entry names, by its hash. The caller frees.
 */
VS_MUST_CHECK vs_err vs_ledger_state_federation(vs_federation **out, const vs_audit_source *source,
                                                vs_diag *diag);

#endif /* VS_NET_LEDGER_STATE_H */
