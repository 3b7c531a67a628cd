/* ledger/tlog_proof.h - receipts: c2sp.org/tlog-proof@v1.
 *
 * "c2sp.org/tlog-proof@v1 LF [extra base64 LF] index N LF {base64 hash LF} LF checkpoint": an
 * inclusion path and the checkpoint note it leads to, verbatim. Everything needed to check offline,
 * given the policy, that an entry is in the log. */
#ifndef VS_LEDGER_TLOG_PROOF_H
#define VS_LEDGER_TLOG_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/policy.h"
#include "ledger/tree.h"

#define VS_TLOG_PROOF_EXTRA_MAX 4096u                        /* bytes, decoded */
#define VS_TLOG_PROOF_MAX_BYTES (VS_NOTE_MAX_BYTES + 16384u) /* the whole receipt */

typedef struct vs_tlog_proof {
    uint64_t index;
    vs_tree_path path;
    vs_buf extra; /* opaque, not authenticated; empty if there is none. Owned */
    bool has_extra;
    vs_buf checkpoint; /* the signed note, verbatim. Owned */
} vs_tlog_proof;

/* Append the receipt. checkpoint and extra are borrowed. VS_ERR_LIMIT, VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_tlog_proof_format(vs_buf *out, const vs_tlog_proof *proof);
/* Strict; does not look into the checkpoint. On VS_OK the caller releases *out, on error it is
 * empty. VS_ERR_MALFORMED, VS_ERR_LIMIT, VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_tlog_proof_parse(vs_tlog_proof *out, const uint8_t *text, size_t len,
                                         vs_diag *diag);
void vs_tlog_proof_free(vs_tlog_proof *proof);

/* The one check: log signature and cosignature quorum of the checkpoint, and that leaf_hash is its
 * leaf `index`. VS_ERR_PROOF or VS_ERR_MALFORMED; on error *out is zero. out may be NULL. */
VS_MUST_CHECK vs_err vs_tlog_proof_verify(vs_policy_result *out, const vs_tlog_proof *proof,
                                          const vs_policy *policy, const vs_h32 *leaf_hash,
                                          vs_diag *diag);
/* The same from the receipt's bytes and the entry's bytes. */
VS_MUST_CHECK vs_err vs_tlog_proof_verify_entry(vs_policy_result *out, const uint8_t *receipt,
                                                size_t receipt_len, const vs_policy *policy,
                                                const void *entry, size_t entry_len, vs_diag *diag);

#endif /* VS_LEDGER_TLOG_PROOF_H */
