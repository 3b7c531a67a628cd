/* net/audit_state.h - inside of the audit: the checkpoint that the last audit of a log accepted. */
#ifndef VS_NET_AUDIT_STATE_H
#define VS_NET_AUDIT_STATE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/policy_text.h"

typedef struct vs_audit_state {
    const char *path; /* NULL: nothing is remembered */
    bool found;
    vs_checkpoint seen; /* signed by a log of the policy */
} vs_audit_state;

/* A missing file is VS_OK with found = false. A file that is not a checkpoint of a log of the
 * policy is VS_ERR_STATE: someone must look at it. */
VS_MUST_CHECK vs_err vs_audit_state_load(vs_audit_state *out, const char *path,
                                         const vs_tlog_policy *policy, vs_diag *diag);
/* Durably: the new checkpoint to remember, or (fork) the one that contradicts what was seen, beside
 * the file. */
VS_MUST_CHECK vs_err vs_audit_state_save(const vs_audit_state *state, const vs_buf *note, bool fork,
                                         vs_diag *diag);

#endif /* VS_NET_AUDIT_STATE_H */
