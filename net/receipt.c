/* What a receipt proves. */
#include "net/receipt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "ledger/tlog_proof.h"
#include "net/receipt_impl.h"

const char *vs_receipt_outcome_name(vs_receipt_outcome outcome)
{
    switch (outcome) {
    case VS_RECEIPT_PENDING: return "pending";
    case VS_RECEIPT_COUNTED: return "counted";
    case VS_RECEIPT_REJECTED: return "rejected";
    case VS_RECEIPT_ABORTED: return "aborted";
    }
    return "unknown";
}

vs_err vs_receipt_begin(vs_buf *out, const vs_receipt_claim *claim)
{
    const vs_receipt r = {.claim = *claim};
    return vs_receipt_encode(out, &r);
}

static vs_err wrong(vs_diag *diag, const char *what)
{
    return vs_fail(diag, VS_ERR_PROOF, "receipt: %s", what);
}

/* The entry is in the log under a cosigned checkpoint, signed by the aggregator, of this round. */
static vs_err check_entry(vs_entry *e, vs_receipt_verdict *v, const vs_receipt_entry *in,
                          const vs_receipt *r, const vs_federation *fed, const char *what,
                          vs_diag *diag)
{
    vs_dsse dsse = {0};
    vs_policy_result *who = malloc(sizeof *who);
    if (who == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = vs_tlog_proof_verify_entry(who, in->proof.p, in->proof.len, &fed->policy,
                                            in->envelope.p, in->envelope.len, diag);
    if (err == VS_OK) {
        v->size = who->checkpoint.size;
        v->n_cosignatures = who->n_cosigned;
        err = vs_dsse_parse(&dsse, in->envelope.p, in->envelope.len, diag);
    }
    if (err == VS_OK) err = vs_dsse_verify(&dsse, &fed->aggregator.key, diag);
    if (err == VS_OK) {
        err = vs_entry_decode(e, dsse.kind, dsse.payload.p, dsse.payload.len, diag);
    }
    if (err == VS_OK && (!vs_h32_equal(&e->federation, &fed->id) || e->round != r->claim.round)) {
        err = vs_fail(diag, VS_ERR_PROOF, "is of another federation or round");
    }
    if (err != VS_OK) vs_diag_prefix(diag, "receipt: %s", what);
    vs_dsse_free(&dsse);
    free(who);
    return err;
}

/* The client's record is in the list that `set` commits to. */
static vs_err check_record(vs_receipt_verdict *v, const vs_receipt *r, const vs_entry_set *set,
                           vs_diag *diag)
{
    vs_h32 leaf;
    vs_record record;
    uint64_t count = r->rejected ? set->rejected_count : set->count;
    const vs_h32 *root = r->rejected ? &set->rejected : &set->records;
    vs_merkle_leaf(&leaf, r->record.p, r->record.len);
    if (r->record_index >= count ||
        vs_tree_verify_inclusion(&leaf, r->record_index, count, root, &r->path) != VS_OK) {
        return wrong(diag, "the record is not in the list that the set commits to");
    }
    vs_record_decode(&record, r->record.p);
    if (!vs_h32_equal(&record.pseudonym, &r->claim.pseudonym) ||
        !vs_h32_equal(&record.manifest_hash, &r->claim.manifest_hash)) {
        return wrong(diag, "the record is of another submission");
    }
    v->included = set->count;
    if (r->rejected) v->reason = (vs_reject)r->record.p[64];
    return VS_OK;
}

static vs_err check_claim(const vs_receipt_claim *c, vs_diag *diag)
{
    vs_h32 pseudonym;
    const vs_round_id id = {.federation_id = c->federation, .round = c->round};
    if (vs_h32_is_zero(&c->salt)) return VS_OK; /* then it is only a claim whose it is */
    vs_pseudonym(&pseudonym, &id, &c->client_key, &c->salt);
    return vs_h32_equal(&pseudonym, &c->pseudonym)
               ? VS_OK
               : wrong(diag, "the pseudonym is not that of the client key and salt");
}

static vs_err check_end(vs_receipt_verdict *v, const vs_receipt *r, const vs_entry *end,
                        vs_diag *diag)
{
    vs_h32 leaf;
    if (end->kind == VS_ENTRY_ABORT) {
        v->outcome = VS_RECEIPT_ABORTED;
        (void)snprintf(v->abort, sizeof v->abort, "%s%s%s",
                       vs_abort_reason_name(end->u.abort.reason),
                       end->u.abort.detail[0] == '\0' ? "" : ": ", end->u.abort.detail);
        return VS_OK;
    }
    if (end->kind != VS_ENTRY_RESULT || !r->has_set) {
        return wrong(diag, "the end of the round is neither result nor abort");
    }
    vs_merkle_leaf(&leaf, r->set.envelope.p, r->set.envelope.len);
    if (!vs_h32_equal(&leaf, &end->u.result.set)) {
        return wrong(diag, "the result is not of this set");
    }
    v->certain = end->u.result.certain;
    v->outcome = VS_RECEIPT_COUNTED;
    return VS_OK;
}

vs_err vs_receipt_check(vs_receipt_verdict *out, const vs_receipt *r, const vs_federation *fed,
                        vs_diag *diag)
{
    vs_entry *e = calloc(2, sizeof *e);
    if (e == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = VS_OK;
    if (!vs_h32_equal(&fed->id, &r->claim.federation)) {
        err = wrong(diag, "is of another federation");
    }
    if (err == VS_OK) err = check_claim(&r->claim, diag);
    if (err == VS_OK && r->has_set) {
        err = check_entry(&e[0], out, &r->set, r, fed, "set", diag);
        if (err == VS_OK && e[0].kind != VS_ENTRY_SET) err = wrong(diag, "set is of another kind");
        if (err == VS_OK) err = check_record(out, r, &e[0].u.set, diag);
    }
    if (err == VS_OK) err = check_entry(&e[1], out, &r->end, r, fed, "end", diag);
    if (err == VS_OK) err = check_end(out, r, &e[1], diag);
    if (err == VS_OK && r->has_set && r->rejected) out->outcome = VS_RECEIPT_REJECTED;
    free(e);
    return err;
}

vs_err vs_receipt_verify(vs_receipt_verdict *out, const uint8_t *receipt, size_t len,
                         const vs_federation *fed, vs_diag *diag)
{
    vs_receipt r;
    vs_federation *own = NULL;
    vs_receipt_verdict v = {.outcome = VS_RECEIPT_PENDING};
    *out = (vs_receipt_verdict){0};
    vs_err err = vs_receipt_decode(&r, receipt, len, diag);
    if (err != VS_OK) return err;
    v.claim = r.claim;
    if (r.complete && fed == NULL) {
        err = vs_federation_parse(&own, r.federation.p, r.federation.len,
                                  "the receipt's federation file", diag);
        v.own_federation = true;
        fed = own;
    }
    if (err == VS_OK)
        err = r.complete ? vs_receipt_check(&v, &r, fed, diag) : check_claim(&r.claim, diag);
    if (err == VS_OK) *out = v;
    vs_federation_free(own);
    vs_receipt_free(&r);
    return err;
}
