/* ledger/policy.h - who must have signed a checkpoint before we believe it.
 *
 * One log key and n cosigner keys, of which at least `quorum` must have cosigned. */
#ifndef VS_LEDGER_POLICY_H
#define VS_LEDGER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/note.h"

#define VS_POLICY_COSIGNERS_MAX 128u

typedef struct vs_policy {
    vs_note_key log_key; /* type 0x01; its signature is always needed */
    uint32_t n_cosigners;
    uint32_t quorum; /* 0..n_cosigners; 0: the log's signature is enough */
    vs_note_key cosigner[VS_POLICY_COSIGNERS_MAX]; /* type 0x04, all different */
} vs_policy;

/* VS_ERR_LIMIT and a message naming the rule: key types, two equal keys, quorum > n_cosigners. */
VS_MUST_CHECK vs_err vs_policy_check(const vs_policy *policy, vs_diag *diag);

/* Who signed one checkpoint. */
typedef struct vs_policy_result {
    vs_checkpoint checkpoint;
    uint32_t n_cosigned;                      /* distinct cosigners that verified */
    bool cosigned[VS_POLICY_COSIGNERS_MAX];   /* by position in policy.cosigner */
    uint64_t time_s[VS_POLICY_COSIGNERS_MAX]; /* when, unix seconds; 0: no statement on time */
} vs_policy_result;

/* Verify a checkpoint note: origin equals the log key's name, signed by the log key, cosigned by
 * at least `quorum` of the cosigners; unknown signatures are ignored, a bad signature by a known
 * key is not. VS_ERR_MALFORMED, VS_ERR_PROOF (the message counts: "3 of 5 cosignatures, 4
 * needed"). On error *out is zero. */
VS_MUST_CHECK vs_err vs_policy_verify(vs_policy_result *out, const vs_policy *policy,
                                      const uint8_t *note, size_t len, vs_diag *diag);

#endif /* VS_LEDGER_POLICY_H */
