/* net/receipt.h - a client's receipt: one file that proves, offline, what became of its submission.
 *
 * It begins with what the client alone knows (its pseudonym and how that is made, the hash of its
 * manifest). Completed from a published log it holds the round's `set` and its end with their
 * proofs (tlog-proof, under a checkpoint that a quorum cosigned), and the path from the client's
 * own record to the root that `set` commits to. JSON, docs/LEDGER.md. Whoever shows it shows which
 * pseudonym is his in that round. */
#ifndef VS_NET_RECEIPT_H
#define VS_NET_RECEIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/fetch.h"
#include "net/federation.h"
#include "net/submission.h"

#define VS_RECEIPT_MAX_BYTES (UINT32_C(1) << 21)

typedef enum vs_receipt_outcome {
    VS_RECEIPT_PENDING = 1, /* nothing is proven yet */
    VS_RECEIPT_COUNTED,     /* in the set, and the sum over the set is final */
    VS_RECEIPT_REJECTED,    /* with a reason */
    VS_RECEIPT_ABORTED,     /* the round ended without a result */
} vs_receipt_outcome;
const char *vs_receipt_outcome_name(vs_receipt_outcome outcome); /* "pending" etc. */

/* What the client keeps. salt zero: not known any more. */
typedef struct vs_receipt_claim {
    vs_h32 federation, client_key, salt, pseudonym, manifest_hash;
    uint64_t round;
} vs_receipt_claim;

/* A pending receipt, appended to *out. */
VS_MUST_CHECK vs_err vs_receipt_begin(vs_buf *out, const vs_receipt_claim *claim);

/* Append the completed receipt to *out. fed: the federation that the client trusts. VS_ERR_STATE:
 * the log does not tell yet (no cosigned end of the round), or names the pseudonym nowhere;
 * VS_ERR_PROOF: what is served does not verify. */
VS_MUST_CHECK vs_err vs_receipt_complete(vs_buf *out, const uint8_t *receipt, size_t len,
                                         const vs_federation *fed, const vs_fetch *log,
                                         vs_diag *diag);

typedef struct vs_receipt_verdict {
    vs_receipt_outcome outcome;
    vs_receipt_claim claim;
    bool own_federation; /* the federation file in the receipt was believed */
    vs_reject reason;    /* REJECTED */
    char abort[VS_DIAG_BYTES];
    uint32_t included;       /* clients in the set */
    bool certain;            /* COUNTED */
    uint64_t size;           /* entries of the checkpoint */
    uint32_t n_cosignatures; /* on it */
} vs_receipt_verdict;

/* Check everything in the file. fed NULL: the federation file within is believed. VS_ERR_MALFORMED,
 * VS_ERR_PROOF name what is wrong; a pending receipt is VS_OK. On error *out is zero. */
VS_MUST_CHECK vs_err vs_receipt_verify(vs_receipt_verdict *out, const uint8_t *receipt, size_t len,
                                       const vs_federation *fed, vs_diag *diag);

#endif /* VS_NET_RECEIPT_H */
