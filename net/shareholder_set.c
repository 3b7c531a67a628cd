/* The list, the one vote, and `closed` (net/shareholder_impl.h, design section 8). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "net/shareholder_impl.h"

/* --- list ----------------------------------------------------------------------------------------
 */

static int compare_records(const void *a, const void *b)
{
    return memcmp(a, b, VS_H32_BYTES); /* pseudonyms: public */
}

/* Root and signature over r->list. */
static vs_err sign_list(vs_shareholder *sh, sh_round *r)
{
    uint32_t count = (uint32_t)(r->list.len / VS_RECORD_BYTES);
    vs_buf bytes = {0};
    vs_err err = vs_records_root(&r->list_root, r->list.p, count);
    if (err == VS_OK) err = vs_list_bytes(&bytes, &r->round.id, sh->j, count, &r->list_root);
    if (err == VS_OK) vs_sign(r->list_sig, bytes.p, bytes.len, sh->keys->identity_seed);
    vs_buf_free(&bytes);
    return err;
}

vs_err vs_sh_list_load(vs_shareholder *sh, sh_round *r, vs_diag *diag)
{
    sh_name key = vs_sh_key(r->round.id.round, "list", NULL);
    vs_err err = vs_sh_get(sh, &key, &r->list, &r->frozen, diag);
    if (err == VS_OK && r->frozen) err = sign_list(sh, r);
    if (err == VS_ERR_MALFORMED) err = vs_fail(diag, VS_ERR_IO, "%s does not decode", key.text);
    return err;
}

/* Accepted clients without evidence against them, for ever. Durable on return. */
static vs_err freeze(vs_shareholder *sh, sh_round *r, vs_diag *diag)
{
    sh_name key = vs_sh_key(sh->newest, "list", NULL);
    uint8_t record[VS_RECORD_BYTES];
    uint32_t n = 0;
    if (r->frozen) return VS_OK;
    vs_buf_reset(&r->list);
    for (uint32_t i = 0; i < r->n_clients; i++) {
        const sh_client *c = &r->client[i];
        if (c->state != SH_ACCEPTED || c->twice) continue;
        vs_record rec = {.pseudonym = c->pseudonym,
                         .manifest_hash = c->manifest_hash,
                         .commit_root = c->commit_root};
        vs_record_encode(record, &rec);
        vs_buf_bytes(&r->list, record, sizeof record);
        n++;
    }
    if (vs_buf_check(&r->list) != VS_OK) return vs_fail(diag, VS_ERR_NOMEM, "list: out of memory");
    if (n > 1) qsort(r->list.p, n, VS_RECORD_BYTES, compare_records);
    vs_err err = sign_list(sh, r);
    VS_ASSERT(err != VS_ERR_MALFORMED); /* pseudonyms are hashes over different keys */
    if (err != VS_OK) return err;
    static const uint8_t empty;
    vs_store_item item = vs_sh_item(&key, n == 0 ? &empty : r->list.p, r->list.len);
    err = vs_sh_put(sh, &item, 1, diag);
    if (err == VS_OK) r->frozen = true;
    return err;
}

vs_err vs_sh_on_list(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    vsw_Reply head = {.which_result = vsw_Reply_list_tag};
    vs_err err = VS_OK;
    size_t body_len = 0;
    sh_round *r = vs_sh_active(sh, req->head.op.list.round, reply, &err);
    if (r == NULL || !vs_sh_is_order(sh, VS_ORDER_LIST, req, &body_len, reply, &err)) return err;
    if (r->sit_out) return vs_reply_error(reply, vsw_Code_CANNOT, 0, "sits this round out");
    if (r->over) return vs_reply_error(reply, vsw_Code_STATE, 0, "the round is over");
    if (!r->frozen && r->closed) {
        return vs_reply_error(reply, vsw_Code_STATE, 0, "the round was closed");
    }
    err = freeze(sh, r, diag);
    if (err != VS_OK) return err;
    vs_sh_upload_drop(sh, NULL);
    head.result.list.count = (uint32_t)(r->list.len / VS_RECORD_BYTES);
    memcpy(head.result.list.signature, r->list_sig, sizeof r->list_sig);
    return vs_reply_encode(reply, &head, r->list.p, r->list.len);
}

/* --- vote ----------------------------------------------------------------------------------------
 */

/* What the aggregator asks us to vote for. */
typedef struct ballot {
    vs_proposal p;
    const uint8_t *proposal; /* exact bytes */
    size_t proposal_len;
    const uint8_t *records, *rejected;
} ballot;

vs_err vs_sh_vote_parse(vs_proposal *p, uint8_t sig[64], const vs_buf *stored)
{
    size_t len = vs_proposal_len();
    if (stored->len != len + 64) return VS_ERR_MALFORMED;
    memcpy(sig, stored->p + len, 64);
    return vs_proposal_decode(p, stored->p, len);
}

/* Shape: lengths, order and roots agree. False: malformed. */
static bool read_ballot(ballot *b, const vs_request *req, size_t body_len)
{
    const vsw_Vote *op = &req->head.op.vote;
    vs_reader in = vs_reader_of(req->body, body_len);
    vs_h32 root, rejected_root;
    if (op->record_count > SH_RECORDS_MAX || op->rejected_count > SH_RECORDS_MAX) return false;
    b->proposal_len = vs_proposal_len();
    b->proposal = vs_read_bytes(&in, b->proposal_len);
    b->records = vs_read_bytes(&in, (size_t)op->record_count * VS_RECORD_BYTES);
    b->rejected = vs_read_bytes(&in, (size_t)op->rejected_count * VS_RECORD_BYTES);
    if (!vs_reader_done(&in)) return false;
    return vs_proposal_decode(&b->p, b->proposal, b->proposal_len) == VS_OK &&
           b->p.count == op->record_count && b->p.rejected_count == op->rejected_count &&
           vs_records_root(&root, b->records, b->p.count) == VS_OK &&
           vs_records_root(&rejected_root, b->rejected, b->p.rejected_count) == VS_OK &&
           vs_h32_equal(&root, &b->p.root) && vs_h32_equal(&rejected_root, &b->p.rejected_root);
}

static const char *rejected_fault(const ballot *b)
{
    static const uint8_t zeros[31];
    for (uint32_t i = 0, k = 0; k < b->p.rejected_count; k++) {
        const uint8_t *rejected = b->rejected + (size_t)k * VS_RECORD_BYTES, *tail = rejected + 64;
        if (tail[0] < VS_REJECT_LATE || tail[0] > VS_REJECT_INCOMPLETE ||
            memcmp(tail + 1, zeros, sizeof zeros) != 0) {
            return "a rejected record has no valid reason";
        }
        while (i < b->p.count &&
               memcmp(b->records + (size_t)i * VS_RECORD_BYTES, rejected, VS_H32_BYTES) < 0) {
            i++;
        }
        if (i < b->p.count &&
            memcmp(b->records + (size_t)i * VS_RECORD_BYTES, rejected, VS_H32_BYTES) == 0) {
            return "a client is included and rejected";
        }
    }
    return NULL;
}

/* Is every record of U on our own frozen list? Both are sorted. */
static bool holds_all(const sh_round *r, const ballot *b)
{
    size_t n = r->list.len / VS_RECORD_BYTES, at = 0;
    for (uint32_t i = 0; i < b->p.count; i++) {
        const uint8_t *rec = b->records + (size_t)i * VS_RECORD_BYTES;
        while (at < n && memcmp(r->list.p + at * VS_RECORD_BYTES, rec, VS_H32_BYTES) < 0) at++;
        if (at == n || memcmp(r->list.p + at * VS_RECORD_BYTES, rec, VS_RECORD_BYTES) != 0) {
            return false;
        }
    }
    return true;
}

/* The rules of design section 8 for a ballot of good shape; the list is frozen. */
static vs_err check_ballot(vs_shareholder *sh, const ballot *b, vs_buf *reply)
{
    const sh_round *r = sh->round;
    const vs_entry_open *open = &r->round.open;
    const uint32_t own = (uint32_t)(r->list.len / VS_RECORD_BYTES);
    const char *fault = rejected_fault(b);
    if (!vs_h32_equal(&b->p.id.federation_id, &sh->fed->id) || b->p.id.round != sh->newest) {
        return vs_reply_error(reply, vsw_Code_REFUSED, 0, "the proposal is of another round");
    }
    if (!vs_h32_equal(&b->p.params_hash, &r->round.params_hash)) {
        return vs_reply_error(reply, vsw_Code_MODEL_MISMATCH, 0,
                              "the proposal's params_hash is not the open's");
    }
    if (b->p.count < open->min_clients) {
        return vs_reply_error(reply, vsw_Code_REFUSED, open->min_clients,
                              "the set has %u clients, min_clients is %u", b->p.count,
                              open->min_clients);
    }
    if (b->p.count > open->max_clients) {
        return vs_reply_error(reply, vsw_Code_REFUSED, open->max_clients,
                              "the set has %u clients, max_clients is %u", b->p.count,
                              open->max_clients);
    }
    if (fault != NULL) return vs_reply_error(reply, vsw_Code_REFUSED, 0, "%s", fault);
    if (!holds_all(r, b)) {
        return vs_reply_error(reply, vsw_Code_CANNOT, 0,
                              "the set has a submission that is not on our list");
    }
    if ((double)b->p.count < sh->fed->min_cover * (double)own) {
        return vs_reply_error(reply, vsw_Code_REFUSED, own,
                              "the set covers %u of our %u clients, min_cover is %g", b->p.count,
                              own, sh->fed->min_cover);
    }
    return VS_OK;
}

static vs_err reply_vote(const sh_round *r, vs_buf *reply)
{
    vsw_Reply head = {.which_result = vsw_Reply_vote_tag};
    memcpy(head.result.vote.signature, r->vote.p + r->vote.len - 64, 64);
    return vs_reply_encode(reply, &head, NULL, 0);
}

/* Vote and records of U durable in one step. */
static vs_err cast(vs_shareholder *sh, const ballot *b, vs_diag *diag)
{
    sh_round *r = sh->round;
    sh_name vote = vs_sh_key(sh->newest, "vote", NULL), set = vs_sh_key(sh->newest, "set", NULL);
    uint8_t sig[64];
    vs_buf bytes = {0}, value = {0};
    vs_err err = vs_vote_bytes(&bytes, &b->p, sh->j);
    if (err == VS_OK) {
        vs_sign(sig, bytes.p, bytes.len, sh->keys->identity_seed);
        vs_buf_bytes(&value, b->proposal, b->proposal_len);
        vs_buf_bytes(&value, sig, sizeof sig);
        err = vs_buf_check(&value);
    }
    if (err == VS_OK) {
        vs_store_item items[] = {
            vs_sh_item(&vote, value.p, value.len),
            vs_sh_item(&set, b->records, (size_t)b->p.count * VS_RECORD_BYTES)};
        err = vs_sh_put(sh, items, 2, diag);
    }
    if (err == VS_OK) {
        vs_buf_free(&r->vote);
        r->vote = value;
        value = (vs_buf){0};
    }
    vs_buf_free(&bytes);
    vs_buf_free(&value);
    return err;
}

vs_err vs_sh_on_vote(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    ballot b;
    vs_err err = VS_OK;
    size_t body_len = 0;
    sh_round *r = vs_sh_active(sh, req->head.op.vote.round, reply, &err);
    if (r == NULL || !vs_sh_is_order(sh, VS_ORDER_VOTE, req, &body_len, reply, &err)) return err;
    if (r->sit_out) return vs_reply_error(reply, vsw_Code_CANNOT, 0, "sits this round out");
    if (r->closed) {
        return vs_reply_error(reply, vsw_Code_REFUSED, 0, "signed closed for this round");
    }
    if (r->over) return vs_reply_error(reply, vsw_Code_STATE, 0, "the round is over");
    if (!read_ballot(&b, req, body_len)) {
        return vs_reply_error(reply, vsw_Code_MALFORMED, 0,
                              "not a proposal with its records, sorted, and their roots");
    }
    err = vs_sh_note_proposal(sh, req, body_len, diag);
    if (err != VS_OK) return err;
    if (r->vote.len != 0) {
        if (memcmp(r->vote.p, b.proposal, b.proposal_len) == 0) return reply_vote(r, reply);
        return vs_reply_error(reply, vsw_Code_CONFLICT, 0, "voted for another set already");
    }
    if (b.p.count == 0) {
        return vs_reply_error(reply, vsw_Code_REFUSED, 0, "the set has no clients");
    }
    err = freeze(sh, r, diag);
    if (err == VS_OK) err = check_ballot(sh, &b, reply);
    if (err != VS_OK || reply->len != 0) return err;
    err = cast(sh, &b, diag);
    return err == VS_OK ? reply_vote(r, reply) : err;
}

/* --- closed --------------------------------------------------------------------------------------
 */

static vs_err make_closed(vs_shareholder *sh, vs_buf *envelope, vs_diag *diag)
{
    const sh_round *r = sh->round;
    vs_buf payload = {0};
    vs_entry *e = calloc(1, sizeof *e);
    if (e == NULL) return vs_fail(diag, VS_ERR_NOMEM, "closed: out of memory");
    e->kind = VS_ENTRY_CLOSED;
    memcpy(e->origin, sh->fed->origin, sizeof e->origin);
    e->federation = sh->fed->id;
    e->round = sh->newest;
    e->prev = r->prev;
    e->u.closed.index = sh->j;
    e->u.closed.params_hash = r->round.params_hash;
    vs_err err = vs_entry_encode(&payload, e, diag);
    if (err == VS_OK) {
        err = vs_dsse_sign(envelope, vs_entry_kind_name(e->kind), payload.p, payload.len,
                           sh->keys->identity_seed, diag);
    }
    vs_buf_free(&payload);
    free(e);
    return err;
}

/* Durable before it leaves: from then on there is no vote. Fine after the hard expiry too. */
vs_err vs_sh_on_close(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    vsw_Reply head = {.which_result = vsw_Reply_ok_tag};
    vs_err err = VS_OK;
    vs_buf envelope = {0};
    bool found = false;
    size_t body_len = 0;
    sh_round *r = vs_sh_active(sh, req->head.op.close.round, reply, &err);
    if (r == NULL || !vs_sh_is_order(sh, VS_ORDER_CLOSE, req, &body_len, reply, &err)) return err;
    if (r->sit_out) return vs_reply_error(reply, vsw_Code_CANNOT, 0, "sits this round out");
    if (r->vote.len != 0 || r->answered) {
        return vs_reply_error(reply, vsw_Code_REFUSED, 0, "voted in this round");
    }
    sh_name key = vs_sh_key(sh->newest, "closed", NULL);
    err = vs_sh_get(sh, &key, &envelope, &found, diag);
    if (err == VS_OK && !found) {
        err = make_closed(sh, &envelope, diag);
        vs_store_item item = vs_sh_item(&key, envelope.p, envelope.len);
        if (err == VS_OK) err = vs_sh_put(sh, &item, 1, diag);
    }
    if (err == VS_OK) {
        r->closed = true;
        vs_sh_upload_drop(sh, NULL);
        err = vs_reply_encode(reply, &head, envelope.p, envelope.len);
    }
    vs_buf_free(&envelope);
    return err;
}
