/* Evidence: its layout, and what shareholders, the aggregator and the log can be shown to have done
 * (net/evidence.h). Clients: evidence_client.c. */
#include "net/evidence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "ledger/tree.h"
#include "net/evidence_impl.h"
#include "net/keys.h"

#define EVIDENCE_LABEL "veilsum/v1 evidence"
#define COMPLAINT_LABEL "veilsum/v1 complaint"

/* --- layout ----------------------------------------------------------------------------------- */

void vs_evidence_begin(vs_buf *out, const vs_round_id *id, vs_claim claim, uint32_t index,
                       uint8_t n_parts)
{
    VS_ASSERT(n_parts >= 1 && n_parts <= VS_EVIDENCE_PARTS_MAX);
    vs_buf_label(out, EVIDENCE_LABEL);
    vs_buf_h32(out, &id->federation_id);
    vs_buf_u64(out, id->round);
    vs_buf_u8(out, (uint8_t)claim);
    vs_buf_u32(out, index);
    vs_buf_u8(out, n_parts);
}

void vs_evidence_part2(vs_buf *out, const void *a, size_t a_len, const void *b, size_t b_len)
{
    VS_ASSERT(a_len <= VS_EVIDENCE_MAX && b_len <= VS_EVIDENCE_MAX);
    vs_buf_u32(out, (uint32_t)(a_len + b_len));
    vs_buf_bytes(out, a, a_len);
    if (b_len > 0) vs_buf_bytes(out, b, b_len);
}

void vs_evidence_part(vs_buf *out, const void *bytes, size_t len)
{
    vs_evidence_part2(out, bytes, len, NULL, 0);
}

static uint8_t parts_of(vs_claim claim)
{
    switch (claim) {
    case VS_CLAIM_TWO_PROOFS:
    case VS_CLAIM_INCONSISTENT_SHARE:
    case VS_CLAIM_TWO_LOGS: return 3;
    case VS_CLAIM_STATEMENT: return 1;
    default: return 2;
    }
}

static vs_err read_parts(evidence *e, const uint8_t *bytes, size_t len)
{
    vs_reader r = vs_reader_of(bytes, len);
    vs_read_label(&r, EVIDENCE_LABEL);
    vs_read_h32(&r, &e->id.federation_id);
    e->id.round = vs_read_u64(&r);
    uint8_t claim = vs_read_u8(&r);
    e->index = vs_read_u32(&r);
    e->n = vs_read_u8(&r);
    e->claim = (vs_claim)claim;
    bool good = !r.bad && claim >= VS_CLAIM_TWO_SUBMISSIONS && claim <= VS_CLAIM_STATEMENT &&
                e->n == parts_of(e->claim);
    for (uint8_t i = 0; good && i < e->n; i++) {
        e->part[i].len = vs_read_u32(&r);
        e->part[i].p = vs_read_bytes(&r, e->part[i].len);
    }
    return good && vs_reader_done(&r)
               ? VS_OK
               : vs_fail(e->diag, VS_ERR_MALFORMED, "evidence: does not decode");
}

vs_err vs_evidence_refuse(const evidence *e, const char *why)
{
    return vs_fail(e->diag, VS_ERR_PROOF, "evidence: %s", why);
}

bool vs_evidence_signed(const evidence *e, uint32_t i, vs_bytes *text, const uint8_t **sig)
{
    const vs_bytes *part = &e->part[i];
    if (part->len <= 64) return false;
    *text = (vs_bytes){part->p, part->len - 64};
    *sig = part->p + part->len - 64;
    return true;
}

/* --- shareholders ----------------------------------------------------------------------------- */

static const vs_h32 *shareholder_key(const evidence *e)
{
    return &e->fed->shareholder[e->index - 1].party.key;
}

static vs_err two_lists(const evidence *e)
{
    vs_bytes text[2];
    vs_buf begins = {0};
    vs_h32 zero = {{0}};
    vs_err err = vs_list_bytes(&begins, &e->id, e->index, 0, &zero);
    size_t fixed = begins.len - 4 - VS_H32_BYTES; /* all but count and root */
    for (uint32_t i = 0; i < 2 && err == VS_OK; i++) {
        const uint8_t *sig;
        if (!vs_evidence_signed(e, i, &text[i], &sig) || text[i].len != begins.len ||
            memcmp(text[i].p, begins.p, fixed) != 0) {
            err = vs_evidence_refuse(e, "a part is not a list of this shareholder and round");
        } else if (vs_verify(sig, text[i].p, text[i].len, shareholder_key(e)) != VS_OK) {
            err = vs_evidence_refuse(e, "the signature of a list fails");
        }
    }
    if (err == VS_OK && memcmp(text[0].p, text[1].p, begins.len) == 0) {
        err = vs_evidence_refuse(e, "the lists are the same");
    }
    vs_buf_free(&begins);
    return err;
}

/* A vote of the shareholder, with the proposal that it is for. */
static vs_err read_vote(const evidence *e, uint32_t i, vs_proposal *p)
{
    vs_bytes text;
    const uint8_t *sig;
    vs_buf bytes = {0};
    if (!vs_evidence_signed(e, i, &text, &sig) ||
        vs_proposal_decode(p, text.p, text.len) != VS_OK ||
        !vs_h32_equal(&p->id.federation_id, &e->id.federation_id) || p->id.round != e->id.round) {
        return vs_evidence_refuse(e, "a part is not a proposal of this round and a vote");
    }
    vs_err err = vs_vote_bytes(&bytes, p, e->index);
    if (err == VS_OK && vs_verify(sig, bytes.p, bytes.len, shareholder_key(e)) != VS_OK) {
        err = vs_evidence_refuse(e, "the signature of a vote fails");
    }
    vs_buf_free(&bytes);
    return err;
}

static vs_err two_votes(const evidence *e)
{
    vs_proposal p;
    vs_err err = read_vote(e, 0, &p);
    if (err == VS_OK) err = read_vote(e, 1, &p);
    if (err == VS_OK && e->part[0].len == e->part[1].len &&
        memcmp(e->part[0].p, e->part[1].p, e->part[0].len) == 0) {
        err = vs_evidence_refuse(e, "the votes are the same");
    }
    return err;
}

/* Envelope in part i, signed with this key. */
static vs_err read_envelope(const evidence *e, uint32_t i, const vs_h32 *key, vs_entry *entry)
{
    vs_dsse dsse = {0};
    vs_diag why = {{0}};
    vs_err err = vs_dsse_parse(&dsse, e->part[i].p, e->part[i].len, &why);
    if (err == VS_OK) {
        err = vs_entry_decode(entry, dsse.kind, dsse.payload.p, dsse.payload.len, &why);
    }
    if (err == VS_OK && vs_dsse_verify(&dsse, key, &why) != VS_OK) {
        err = vs_fail(&why, VS_ERR_PROOF, "its signature is not the accused's");
    }
    vs_dsse_free(&dsse);
    if (err != VS_OK) {
        return vs_fail(e->diag, err, "evidence: envelope %u: %s", (unsigned)i + 1, why.text);
    }
    if (!vs_h32_equal(&entry->federation, &e->id.federation_id) || entry->round != e->id.round) {
        return vs_evidence_refuse(e, "an envelope is of another federation or round");
    }
    return VS_OK;
}

static vs_err vote_and_closed(const evidence *e)
{
    vs_proposal p;
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return vs_fail(e->diag, VS_ERR_NOMEM, "evidence: out of memory");
    vs_err err = read_vote(e, 0, &p);
    if (err == VS_OK) err = read_envelope(e, 1, shareholder_key(e), entry);
    if (err == VS_OK && (entry->kind != VS_ENTRY_CLOSED || entry->u.closed.index != e->index ||
                         !vs_h32_equal(&entry->u.closed.params_hash, &p.params_hash))) {
        err = vs_evidence_refuse(e, "the envelope is not a closed of this shareholder and round");
    }
    free(entry);
    return err;
}

/* --- envelopes -------------------------------------------------------------------------------- */

static bool same_answer(const vs_entry_answer *a, const vs_entry_answer *b)
{
    return vs_h32_equal(&a->set, &b->set) && vs_h32_equal(&a->answer_hash, &b->answer_hash);
}

/* The same proposal may come with other votes: what was voted on counts. */
static bool same_set(const vs_entry_set *a, const vs_entry_set *b)
{
    return vs_h32_equal(&a->params_hash, &b->params_hash) && a->count == b->count &&
           vs_h32_equal(&a->records, &b->records) && a->rejected_count == b->rejected_count &&
           vs_h32_equal(&a->rejected, &b->rejected);
}

static bool same_result(const vs_entry_result *a, const vs_entry_result *b)
{
    return vs_h32_equal(&a->set, &b->set) && vs_h32_equal(&a->sum_hash, &b->sum_hash) &&
           a->weight_sum == b->weight_sum;
}

static bool same_payload(const evidence *e)
{
    vs_dsse a = {0}, b = {0};
    bool same = vs_dsse_parse(&a, e->part[0].p, e->part[0].len, NULL) == VS_OK &&
                vs_dsse_parse(&b, e->part[1].p, e->part[1].len, NULL) == VS_OK &&
                a.payload.len == b.payload.len &&
                memcmp(a.payload.p, b.payload.p, a.payload.len) == 0;
    vs_dsse_free(&a);
    vs_dsse_free(&b);
    return same;
}

static vs_err compare_entries(const evidence *e, const vs_entry *a, const vs_entry *b)
{
    bool same;
    if (a->kind != b->kind) return vs_evidence_refuse(e, "the envelopes are of different kinds");
    switch (a->kind) {
    case VS_ENTRY_ANSWER:
        if (a->u.answer.index != e->index || b->u.answer.index != e->index) {
            return vs_evidence_refuse(e, "the answers are not both of this shareholder");
        }
        same = same_answer(&a->u.answer, &b->u.answer);
        break;
    case VS_ENTRY_OPEN: same = same_payload(e); break;
    case VS_ENTRY_SET: same = same_set(&a->u.set, &b->u.set); break;
    case VS_ENTRY_RESULT: same = same_result(&a->u.result, &b->u.result); break;
    default: return vs_evidence_refuse(e, "two entries of this kind do not contradict each other");
    }
    if ((a->kind == VS_ENTRY_ANSWER) != (e->index != 0)) {
        return vs_evidence_refuse(e, "another party signs entries of this kind");
    }
    return same ? vs_evidence_refuse(e, "the envelopes say the same") : VS_OK;
}

static vs_err two_entries(const evidence *e)
{
    const vs_h32 *key = e->index == 0 ? &e->fed->aggregator.key : shareholder_key(e);
    vs_entry *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    vs_err err =
        a == NULL || b == NULL ? vs_fail(e->diag, VS_ERR_NOMEM, "evidence: out of memory") : VS_OK;
    if (err == VS_OK) err = read_envelope(e, 0, key, a);
    if (err == VS_OK) err = read_envelope(e, 1, key, b);
    if (err == VS_OK) err = compare_entries(e, a, b);
    free(a);
    free(b);
    return err;
}

/* --- the aggregator's orders, the log --------------------------------------------------------- */

static vs_err two_proposals(const evidence *e)
{
    vs_bytes text[2];
    vs_buf begins = {0};
    vs_err err = vs_order_bytes(&begins, &e->id, VS_ORDER_VOTE, "", 0);
    size_t fixed = begins.len - VS_H32_BYTES; /* all but the hash of the body */
    for (uint32_t i = 0; i < 2 && err == VS_OK; i++) {
        const uint8_t *sig;
        if (!vs_evidence_signed(e, i, &text[i], &sig) || text[i].len != begins.len ||
            memcmp(text[i].p, begins.p, fixed) != 0) {
            err = vs_evidence_refuse(e, "a part is not an order to vote in this round");
        } else if (vs_verify(sig, text[i].p, text[i].len, &e->fed->aggregator.key) != VS_OK) {
            err = vs_evidence_refuse(e, "the aggregator's signature of an order fails");
        }
    }
    if (err == VS_OK && memcmp(text[0].p, text[1].p, begins.len) == 0) {
        err = vs_evidence_refuse(e, "the orders are the same");
    }
    vs_buf_free(&begins);
    return err;
}

static vs_err read_checkpoint(const evidence *e, uint32_t i, vs_checkpoint *c)
{
    vs_diag why = {{0}};
    vs_note_result *r = malloc(sizeof *r);
    if (r == NULL) return vs_fail(e->diag, VS_ERR_NOMEM, "evidence: out of memory");
    vs_err err = vs_note_verify(r, e->part[i].p, e->part[i].len, &e->fed->log_key, 1, &why);
    if (err == VS_OK) err = vs_checkpoint_parse(c, e->part[i].p, r->text_len, &why);
    free(r);
    if (err == VS_OK && strcmp(c->origin, e->fed->origin) != 0) {
        err = vs_fail(&why, VS_ERR_PROOF, "it is of another log");
    }
    if (err == VS_OK) return VS_OK;
    return vs_fail(e->diag, err, "evidence: checkpoint %u: %s", (unsigned)i + 1, why.text);
}

static vs_err two_logs(const evidence *e)
{
    vs_checkpoint a, b;
    vs_tree_path path = {0};
    vs_h32 root;
    vs_reader r = vs_reader_of(e->part[2].p, e->part[2].len);
    vs_err err = read_checkpoint(e, 0, &a);
    if (err == VS_OK) err = read_checkpoint(e, 1, &b);
    if (err != VS_OK) return err;
    vs_read_h32(&r, &root);
    while (!r.bad && r.left > 0 && path.n < VS_TREE_PATH_MAX) {
        vs_read_h32(&r, &path.node[path.n++]);
    }
    if (!vs_reader_done(&r) || b.size == 0 || b.size > a.size) {
        return vs_evidence_refuse(e, "the second checkpoint must be of 1 to as many entries as the "
                                     "first");
    }
    if (vs_tree_verify_consistency(b.size, &root, a.size, &a.root, &path) != VS_OK) {
        return vs_evidence_refuse(e, "the consistency path fails");
    }
    if (vs_h32_equal(&root, &b.root)) {
        return vs_evidence_refuse(e, "both checkpoints are of one log");
    }
    return VS_OK;
}

/* --- statements ------------------------------------------------------------------------------- */

vs_err vs_complaint_bytes(vs_buf *out, const vs_round_id *id, uint32_t j, const vs_h32 *pseudonym,
                          const vs_h32 *submission, vs_reject reason)
{
    vs_buf_label(out, COMPLAINT_LABEL);
    vs_buf_h32(out, &id->federation_id);
    vs_buf_u64(out, id->round);
    vs_buf_u32(out, j);
    vs_buf_h32(out, pseudonym);
    vs_buf_h32(out, submission);
    vs_buf_u8(out, (uint8_t)reason);
    return vs_buf_check(out);
}

static vs_err statement(const evidence *e)
{
    vs_bytes text;
    const uint8_t *sig;
    vs_h32 federation_id, submission;
    if (!vs_evidence_signed(e, 0, &text, &sig)) {
        return vs_evidence_refuse(e, "the part is not a complaint");
    }
    vs_reader r = vs_reader_of(text.p, text.len);
    vs_read_label(&r, COMPLAINT_LABEL);
    vs_read_h32(&r, &federation_id);
    uint64_t round = vs_read_u64(&r);
    uint32_t j = vs_read_u32(&r);
    vs_read_h32(&r, &e->out->pseudonym);
    vs_read_h32(&r, &submission);
    uint8_t reason = vs_read_u8(&r);
    if (!vs_reader_done(&r) || !vs_h32_equal(&federation_id, &e->id.federation_id) ||
        round != e->id.round || j != e->index || reason < VS_REJECT_LATE ||
        reason > VS_REJECT_INCOMPLETE || vs_h32_is_zero(&e->out->pseudonym)) {
        return vs_evidence_refuse(e, "the part is not a complaint of this shareholder and round");
    }
    if (vs_verify(sig, text.p, text.len, shareholder_key(e)) != VS_OK) {
        return vs_evidence_refuse(e, "the shareholder's signature of the complaint fails");
    }
    e->out->reason = reason;
    e->out->party = VS_PARTY_CLIENT;
    return VS_OK;
}

/* --- all of it -------------------------------------------------------------------------------- */

static vs_err check_claim(const evidence *e)
{
    switch (e->claim) {
    case VS_CLAIM_TWO_SUBMISSIONS:
    case VS_CLAIM_TWO_PROOFS:
    case VS_CLAIM_INCONSISTENT_SHARE: return vs_evidence_client(e);
    case VS_CLAIM_TWO_LISTS: return two_lists(e);
    case VS_CLAIM_TWO_VOTES: return two_votes(e);
    case VS_CLAIM_VOTE_AND_CLOSED: return vote_and_closed(e);
    case VS_CLAIM_TWO_ENTRIES: return two_entries(e);
    case VS_CLAIM_TWO_PROPOSALS: return two_proposals(e);
    case VS_CLAIM_TWO_LOGS: return two_logs(e);
    case VS_CLAIM_STATEMENT: return statement(e);
    }
    return VS_ERR_MALFORMED;
}

static bool index_fits(const evidence *e)
{
    switch (e->claim) {
    case VS_CLAIM_TWO_SUBMISSIONS:
    case VS_CLAIM_TWO_PROOFS:
    case VS_CLAIM_TWO_PROPOSALS:
    case VS_CLAIM_TWO_LOGS: return e->index == 0;
    case VS_CLAIM_TWO_ENTRIES: return e->index <= e->fed->committee.n;
    default: return e->index >= 1 && e->index <= e->fed->committee.n;
    }
}

/* Who is accused, where the claim did not say it. */
static void name_accused(const evidence *e)
{
    vs_entry_evidence *out = e->out;
    if (e->claim == VS_CLAIM_TWO_LOGS) {
        out->party = VS_PARTY_LOG;
        out->key = e->fed->log_key.public_key;
    } else if (out->party == 0 && e->index == 0) {
        out->party = VS_PARTY_AGGREGATOR;
        out->key = e->fed->aggregator.key;
    } else if (out->party == 0) {
        out->party = VS_PARTY_SHAREHOLDER;
        out->key = *shareholder_key(e);
    }
}

vs_err vs_evidence_check(vs_entry_evidence *out, const vs_federation *fed, const uint8_t *bytes,
                         size_t len, vs_diag *diag)
{
    VS_ASSERT(out != NULL && fed != NULL && (bytes != NULL || len == 0));
    memset(out, 0, sizeof *out);
    evidence e = {.fed = fed, .out = out, .diag = diag};
    if (len > VS_EVIDENCE_MAX) return vs_fail(diag, VS_ERR_LIMIT, "evidence: too long");
    vs_err err = read_parts(&e, bytes, len);
    if (err == VS_OK && !vs_h32_equal(&e.id.federation_id, &fed->id)) {
        err = vs_evidence_refuse(&e, "it is about another federation");
    }
    if (err == VS_OK && (!index_fits(&e) || e.id.round > VS_ENTRY_INT_MAX)) {
        err = vs_evidence_refuse(&e, "it names a shareholder that there is not");
    }
    if (err == VS_OK) err = check_claim(&e);
    if (err == VS_OK) {
        name_accused(&e);
        out->claim = e.claim;
        out->index = e.index;
        out->about = e.id.round;
        out->size = len;
        vs_sha256(&out->blob, bytes, len);
        return VS_OK;
    }
    memset(out, 0, sizeof *out);
    return err;
}

vs_err vs_evidence_matches(const vs_entry_evidence *entry, const vs_federation *fed,
                           const uint8_t *bytes, size_t len, vs_diag *diag)
{
    vs_entry_evidence found;
    vs_err err = vs_evidence_check(&found, fed, bytes, len, diag);
    if (err != VS_OK) return err;
    bool same = found.claim == entry->claim && found.party == entry->party &&
                found.index == entry->index && vs_h32_equal(&found.key, &entry->key) &&
                vs_h32_equal(&found.pseudonym, &entry->pseudonym) && found.about == entry->about &&
                found.reason == entry->reason && found.size == entry->size &&
                vs_h32_equal(&found.blob, &entry->blob);
    if (same) return VS_OK;
    return vs_fail(diag, VS_ERR_PROOF, "evidence: its bytes prove something else than it says");
}

static const char *deed(vs_claim claim)
{
    switch (claim) {
    case VS_CLAIM_TWO_SUBMISSIONS: return "signed two submissions";
    case VS_CLAIM_TWO_PROOFS: return "signed two proofs for one submission";
    case VS_CLAIM_INCONSISTENT_SHARE: return "committed to a share that its own proof refutes";
    case VS_CLAIM_TWO_LISTS: return "signed two lists";
    case VS_CLAIM_TWO_VOTES: return "voted for two sets";
    case VS_CLAIM_VOTE_AND_CLOSED: return "voted and signed that it never will";
    case VS_CLAIM_TWO_ENTRIES: return "signed two entries that contradict each other";
    case VS_CLAIM_TWO_PROPOSALS: return "ordered votes for two sets";
    case VS_CLAIM_TWO_LOGS: return "signed checkpoints of two logs";
    case VS_CLAIM_STATEMENT: break;
    }
    return "complained";
}

void vs_evidence_describe(vs_diag *out, const vs_entry_evidence *e)
{
    char key[VS_BASE64_CHARS(VS_H32_BYTES)], pseudonym[VS_HEX_CHARS(VS_H32_BYTES)];
    char who[160], when[40] = "";
    vs_base64_encode(key, e->key.b, sizeof e->key.b);
    vs_hex_encode(pseudonym, e->pseudonym.b, sizeof e->pseudonym.b);
    if (e->about != 0) (void)snprintf(when, sizeof when, " in round %" PRIu64, e->about);
    if (e->claim == VS_CLAIM_STATEMENT) {
        (void)vs_fail(out, VS_OK,
                      "statement, not a proof: shareholder %u says that the submission of "
                      "%.16s...%s failed: %s",
                      e->index, pseudonym, when, vs_reject_name((vs_reject)e->reason));
        return;
    }
    if (e->party == VS_PARTY_CLIENT) {
        (void)snprintf(who, sizeof who, "client %s, pseudonym %.16s...,", key, pseudonym);
    } else if (e->party == VS_PARTY_SHAREHOLDER) {
        (void)snprintf(who, sizeof who, "shareholder %u", e->index);
    } else {
        (void)snprintf(who, sizeof who, "the %s", vs_party_name(e->party));
    }
    (void)vs_fail(out, VS_OK, "%s %s%s", who, deed(e->claim), when);
}
