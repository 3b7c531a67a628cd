/* Rules of `evidence` and `key` entries (net/replay.h). */
#include <inttypes.h>
#include <stdlib.h>

#include "net/evidence.h"
#include "net/replay_impl.h"

/* After a set comes nothing but answers and the end: what an answer names stays short. */
static vs_err check_place(const vs_replay *rp, const vs_entry *e, vs_diag *diag)
{
    if (e->round != rp->last_round) {
        return vs_fail(diag, VS_ERR_PROOF, "%s of round %" PRIu64 ", the newest is %" PRIu64,
                       vs_entry_kind_name(e->kind), e->round, rp->last_round);
    }
    if (rp->last_round != 0 && rp->view.phase == VS_REPLAY_SET) {
        return vs_fail(diag, VS_ERR_PROOF, "%s between a set and the end of its round",
                       vs_entry_kind_name(e->kind));
    }
    return VS_OK;
}

vs_err vs_replay_check_evidence(const vs_replay *rp, const vs_entry *e, vs_diag *diag)
{
    const vs_entry_evidence *evidence = &e->u.evidence;
    vs_err err = check_place(rp, e, diag);
    if (err != VS_OK) return err;
    if (evidence->about > e->round) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "evidence about round %" PRIu64 ", which is not open yet", evidence->about);
    }
    if (evidence->size > VS_EVIDENCE_MAX) {
        return vs_fail(diag, VS_ERR_PROOF, "evidence of %" PRIu64 " bytes, at most %" PRIu64,
                       evidence->size, VS_EVIDENCE_MAX);
    }
    if (!rp->check_records || rp->trusted) return VS_OK;
    uint8_t *bytes = malloc((size_t)evidence->size);
    if (bytes == NULL) return vs_fail(diag, VS_ERR_NOMEM, "evidence: out of memory");
    err = vs_replay_read_blob(rp, &evidence->blob, evidence->size, bytes, diag);
    if (err != VS_OK) vs_diag_prefix(diag, "evidence");
    if (err == VS_OK) {
        err = vs_evidence_matches(evidence, rp->fed, bytes, (size_t)evidence->size, diag);
        if (err == VS_ERR_MALFORMED || err == VS_ERR_LIMIT) err = VS_ERR_PROOF; /* of the blob */
    }
    free(bytes);
    return err;
}

vs_err vs_replay_check_key(const vs_replay *rp, const vs_entry *e, vs_diag *diag)
{
    vs_err err = check_place(rp, e, diag);
    if (err != VS_OK) return err;
    bool running = rp->last_round != 0 && rp->view.phase == VS_REPLAY_OPEN;
    if (running && e->u.key.party == VS_PARTY_SHAREHOLDER) {
        return vs_fail(diag, VS_ERR_PROOF, "key of shareholder %u while round %" PRIu64 " runs",
                       e->u.key.index, rp->last_round);
    }
    return rp->trusted ? VS_OK : vs_keyring_check(&rp->keys, rp->fed, &e->u.key, diag);
}
