#include "ledger/policy.h"

#include <string.h>

/* Same public key under another name, or the same name and id: either would let one party count
 * twice. */
static bool same_key(const vs_note_key *a, const vs_note_key *b)
{
    return vs_h32_equal(&a->public_key, &b->public_key) ||
           (a->id == b->id && strcmp(a->name, b->name) == 0);
}

vs_err vs_policy_check(const vs_policy *policy, vs_diag *diag)
{
    if (policy->log_key.type != VS_NOTE_ED25519) {
        return vs_fail(diag, VS_ERR_LIMIT, "policy: log key %s is not of type 0x01",
                       policy->log_key.name);
    }
    if (policy->n_cosigners > VS_POLICY_COSIGNERS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "policy: %u cosigners, at most %u",
                       (unsigned)policy->n_cosigners, VS_POLICY_COSIGNERS_MAX);
    }
    if (policy->quorum > policy->n_cosigners) {
        return vs_fail(diag, VS_ERR_LIMIT, "policy: quorum %u is above the %u cosigners",
                       (unsigned)policy->quorum, (unsigned)policy->n_cosigners);
    }
    for (uint32_t i = 0; i < policy->n_cosigners; i++) {
        const vs_note_key *key = &policy->cosigner[i];
        if (key->type != VS_NOTE_COSIGNATURE) {
            return vs_fail(diag, VS_ERR_LIMIT, "policy: cosigner key %s is not of type 0x04",
                           key->name);
        }
        bool repeated = same_key(key, &policy->log_key);
        for (uint32_t k = 0; k < i; k++) repeated |= same_key(key, &policy->cosigner[k]);
        if (repeated) {
            return vs_fail(diag, VS_ERR_LIMIT, "policy: cosigner key %s has a second role",
                           key->name);
        }
    }
    return VS_OK;
}

/* note is verified: count, and read the checkpoint. */
static vs_err judge(vs_policy_result *out, const vs_policy *policy, const vs_note_result *who,
                    const uint8_t *note, vs_diag *diag)
{
    if (!who->verified[0]) {
        return vs_fail(diag, VS_ERR_PROOF, "checkpoint: not signed by the log key %s+%08x",
                       policy->log_key.name, (unsigned)policy->log_key.id);
    }
    vs_err err = vs_checkpoint_parse(&out->checkpoint, note, who->text_len, diag);
    if (err != VS_OK) return err;
    if (strcmp(out->checkpoint.origin, policy->log_key.name) != 0) {
        return vs_fail(diag, VS_ERR_PROOF, "checkpoint: its origin is %s, the log's key is of %s",
                       out->checkpoint.origin, policy->log_key.name);
    }
    for (uint32_t i = 0; i < policy->n_cosigners; i++) {
        out->cosigned[i] = who->verified[1 + i];
        out->time_s[i] = who->verified_time[1 + i];
        if (out->cosigned[i]) out->n_cosigned++;
    }
    if (out->n_cosigned < policy->quorum) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "checkpoint of size %llu: %u of %u cosignatures, %u needed",
                       (unsigned long long)out->checkpoint.size, (unsigned)out->n_cosigned,
                       (unsigned)policy->n_cosigners, (unsigned)policy->quorum);
    }
    return VS_OK;
}

vs_err vs_policy_verify(vs_policy_result *out, const vs_policy *policy, const uint8_t *note,
                        size_t len, vs_diag *diag)
{
    vs_note_key keys[1 + VS_POLICY_COSIGNERS_MAX];
    vs_note_result who;
    memset(out, 0, sizeof *out);
    vs_err err = vs_policy_check(policy, diag);
    if (err != VS_OK) return err;
    keys[0] = policy->log_key;
    memcpy(keys + 1, policy->cosigner, policy->n_cosigners * sizeof keys[0]);
    err = vs_note_verify(&who, note, len, keys, 1 + policy->n_cosigners, diag);
    if (err == VS_OK) err = judge(out, policy, &who, note, diag);
    if (err != VS_OK) memset(out, 0, sizeof *out);
    return err;
}
