/* Submissions: header, sealed chunks, trailer, receipt (net/shareholder_impl.h). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "net/shareholder_impl.h"

#define SIGNATURE_BYTES ((size_t)64)

/* A client that has only begun may be forgotten in a crash: it begins again. */
static vs_err store_client(vs_shareholder *sh, const sh_client *c, const vs_store_item *more,
                           vs_diag *diag)
{
    const size_t n = more == NULL ? 1 : 2;
    uint8_t record[SH_CLIENT_BYTES];
    sh_name key = vs_sh_key(sh->newest, "client", &c->key);
    vs_sh_client_encode(record, c);
    vs_store_item items[2] = {vs_sh_item(&key, record, sizeof record)};
    if (more != NULL) items[1] = *more;
    if (c->state == SH_UPLOADING && !c->twice) {
        return vs_store_put_later(&sh->store, items, n, diag);
    }
    return vs_sh_put(sh, items, n, diag);
}

/* The first signed bytes that contradict what the client signed before are kept as evidence; then
 * it stays out of the list, unless that is frozen already. */
static vs_err signed_twice(vs_shareholder *sh, sh_client *c, bool header, const vs_request *req,
                           vs_diag *diag)
{
    if (c->twice) return VS_OK;
    vs_err err = header ? vs_sh_accuse_header(sh, c, req->body, req->body_len, diag)
                        : vs_sh_accuse_proof(sh, c, req->body, req->body_len, diag);
    if (err != VS_OK) return err;
    c->twice = true;
    return store_client(sh, c, NULL, diag);
}

static vs_err reject(vs_shareholder *sh, sh_client *c, vs_reject reason, vs_diag *diag)
{
    sh->round->n_rejected += c->state != SH_REJECTED;
    c->state = SH_REJECTED;
    c->reason = reason;
    vs_sh_upload_drop(sh, c);
    return store_client(sh, c, NULL, diag); /* its bytes go with the file, when the round is over */
}

static vs_err reply_rejected(vs_buf *reply, const sh_client *c)
{
    switch (c->reason) {
    case VS_REJECT_COMMITMENT_MISMATCH:
        return vs_reply_error(reply, vsw_Code_COMMITMENT_MISMATCH, 0,
                              "the share does not open its commitment in the header");
    case VS_REJECT_SHARE_INCONSISTENT:
        return vs_reply_error(reply, vsw_Code_SHARE_INCONSISTENT, 0,
                              "the share does not lie on the polynomials that W proves");
    default:
        return vs_reply_error(reply, vsw_Code_MALFORMED, 0, "the submission was rejected: %s",
                              vs_reject_name(c->reason));
    }
}

static vs_err reply_twice(vs_buf *reply)
{
    return vs_reply_error(reply, vsw_Code_DUPLICATE, 0,
                          "this client signed two different submissions for the round");
}

/* NULL, or why nothing is accepted any more. */
static const char *why_late(const sh_round *r)
{
    if (r->over) return "the round is over";
    if (r->sit_out) return "this shareholder sits the round out";
    if (r->closed) return "the round was closed";
    if (r->frozen) return "the list of submissions is frozen";
    return NULL;
}

/* --- begin ---------------------------------------------------------------------------------------
 */

/* What can be said from the header alone. On refusal the reply is written. */
static vs_err check_header(vs_shareholder *sh, const vs_header *h, vs_buf *reply)
{
    const sh_round *r = sh->round;
    const vs_entry_open *open = &r->round.open;
    if (!vs_h32_equal(&h->id.federation_id, &sh->fed->id)) {
        return vs_reply_error(reply, vsw_Code_WRONG_FEDERATION, 0,
                              "the header is for another federation");
    }
    if (h->id.round != sh->newest) {
        return vs_reply_error(reply, vsw_Code_UNKNOWN_ROUND, sh->newest,
                              "the header is for round %" PRIu64, h->id.round);
    }
    if (!vs_h32_equal(&h->model_hash, &open->model_hash)) {
        return vs_reply_error(reply, vsw_Code_MODEL_MISMATCH, 0,
                              "model_hash is not that of the round");
    }
    if (!vs_h32_equal(&h->params_hash, &r->round.params_hash)) {
        return vs_reply_error(reply, vsw_Code_MODEL_MISMATCH, 0,
                              "params_hash is not that of the round's open");
    }
    bool same = h->count == open->n_shareholders;
    for (uint32_t i = 0; same && i < h->count; i++) {
        bool is_seed = h->share[i].j <= sh->fed->committee.t;
        same = h->share[i].j == open->shareholders[i].index &&
               h->share[i].sealed_len == vs_sealed_share_len(r->round.layout.columns, is_seed);
    }
    if (!same) {
        return vs_reply_error(reply, vsw_Code_MALFORMED, 0,
                              "the header must list the shareholders of open, each with the length "
                              "of its sealed share");
    }
    return VS_OK;
}

static vs_err check_signatures(vs_shareholder *sh, const vs_header *h, const uint8_t *body,
                               size_t header_len, vs_buf *reply)
{
    const uint8_t *sig = body + header_len, *enrolment = sig + SIGNATURE_BYTES;
    vs_err admitted =
        vs_keyring_admits(vs_replay_keys(sh->ahead), sh->fed, &h->client_key, enrolment);
    if (admitted != VS_OK) {
        return vs_reply_error(reply, vsw_Code_UNREGISTERED, 0, "the client key %s",
                              admitted == VS_ERR_STATE ? "was revoked"
                                                       : "is not enrolled in this federation");
    }
    if (vs_verify(sig, body, header_len, &h->client_key) != VS_OK) {
        return vs_reply_error(reply, vsw_Code_BAD_SIGNATURE, 0,
                              "the client's signature of the header fails");
    }
    return VS_OK;
}

/* The header must give a key: an ephemeral key of low order does not. */
static vs_err check_ephemeral(vs_shareholder *sh, const vs_header *h, vs_buf *reply, vs_diag *diag)
{
    const vs_header_share *share = &h->share[vs_round_position(&sh->round->round, sh->j)];
    vs_buf secret = {0};
    vs_seal *seal = NULL;
    bool found = false;
    vs_err err = vs_sh_round_secret(sh, sh->newest, &secret, &found, diag);
    if (err == VS_OK && !found) {
        err = vs_reply_error(reply, vsw_Code_CANNOT, 0, "the secret of this round is erased");
    } else if (err == VS_OK) {
        err = vs_seal_new_receiver(&seal, secret.p, &share->ephemeral_key, &h->ctx, sh->j);
        if (err == VS_ERR_PROOF) {
            err = vs_reply_error(reply, vsw_Code_MALFORMED, 0,
                                 "the ephemeral key for shareholder %u is of low order", sh->j);
        }
    }
    vs_seal_free(seal);
    vs_buf_free_secret(&secret);
    return err;
}

static vs_err resume(vs_shareholder *sh, sh_client *c, vs_buf *reply, vs_diag *diag)
{
    sh_round *r = sh->round;
    sh_upload *up = NULL;
    if (c->twice) return reply_twice(reply);
    if (c->state == SH_REJECTED) return reply_rejected(reply, c);
    if (c->state == SH_ACCEPTED) return vs_sh_progress(reply, r->chunks, r->chunks);
    if (why_late(r) != NULL) return vs_reply_error(reply, vsw_Code_LATE, 0, "%s", why_late(r));
    vs_err err = vs_sh_upload_get(sh, c, &up, diag);
    if (err == VS_ERR_STATE) {
        return vs_reply_error(reply, vsw_Code_CANNOT, 0, "the secret of this round is erased");
    }
    if (err != VS_OK) return err;
    if (up == NULL) {
        return vs_reply_error(reply, vsw_Code_BUSY, 0, "%u uploads are running", SH_UPLOADS_MAX);
    }
    return vs_sh_progress(reply, up->next, r->chunks);
}

/* A client that was rejected or cheated keeps its entry, so the table is bounded by 2 N. */
static bool quota_is_full(const sh_round *r)
{
    return r->n_clients - r->n_rejected >= r->round.open.max_clients ||
           r->n_clients >= 2 * r->round.open.max_clients;
}

static vs_err begin_new(vs_shareholder *sh, const vs_header *h, const vs_request *req,
                        vs_buf *reply, vs_diag *diag)
{
    sh_round *r = sh->round;
    sh_client c = {.key = h->client_key,
                   .submission = h->submission,
                   .pseudonym = h->pseudonym,
                   .commit_root = h->commit_root,
                   .state = SH_UPLOADING};
    if (why_late(r) != NULL) return vs_reply_error(reply, vsw_Code_LATE, 0, "%s", why_late(r));
    if (sh->now_s > r->round.open.deadline) {
        return vs_reply_error(reply, vsw_Code_LATE, r->round.open.deadline,
                              "the deadline has passed");
    }
    if (quota_is_full(r)) {
        return vs_reply_error(reply, vsw_Code_QUOTA, r->round.open.max_clients,
                              "the round admits %u clients", r->round.open.max_clients);
    }
    vs_err err = check_ephemeral(sh, h, reply, diag);
    if (err != VS_OK || reply->len != 0) return err;
    sh_name key = vs_sh_key(sh->newest, "header", &h->submission);
    vs_store_item header = vs_sh_item(&key, req->body, req->body_len);
    vs_sh_client_place(r, &c);
    err = store_client(sh, &c, &header, diag);
    if (err == VS_OK) err = vs_sh_client_add(r, &c);
    if (err == VS_OK) err = vs_sh_progress(reply, 0, r->chunks);
    return err;
}

vs_err vs_sh_on_begin(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    vs_err err = VS_OK;
    sh_round *r = vs_sh_active(sh, req->head.op.submit_begin.round, reply, &err);
    if (r == NULL) return err;
    if (r->over) return vs_reply_error(reply, vsw_Code_LATE, 0, "the round is over");
    vs_header *h = malloc(sizeof *h);
    if (h == NULL) return vs_fail(diag, VS_ERR_NOMEM, "submission: out of memory");
    size_t header_len =
        req->body_len > 2 * SIGNATURE_BYTES ? req->body_len - 2 * SIGNATURE_BYTES : 0;
    if (vs_header_decode(h, req->body, header_len) != VS_OK) {
        err = vs_reply_error(reply, vsw_Code_MALFORMED, 0,
                             "not a header and two signatures of 64 bytes");
    }
    if (err == VS_OK && reply->len == 0) err = check_header(sh, h, reply);
    if (err == VS_OK && reply->len == 0) {
        err = check_signatures(sh, h, req->body, header_len, reply);
    }
    if (err == VS_OK && reply->len == 0) {
        sh_client *known = vs_sh_client_by_key(r, &h->client_key);
        if (known == NULL) {
            err = begin_new(sh, h, req, reply, diag);
        } else if (vs_h32_equal(&known->submission, &h->submission)) {
            err = resume(sh, known, reply, diag);
        } else {
            err = signed_twice(sh, known, true, req, diag);
            if (err == VS_OK) err = reply_twice(reply);
        }
    }
    free(h);
    return err;
}

/* --- chunks --------------------------------------------------------------------------------------
 */

/* Open, hash and check chunks from up->next on; *at moves behind them. VS_ERR_LIMIT: one is cut
 * short; else as vs_sh_upload_feed. */
static vs_err feed_chunks(vs_shareholder *sh, sh_upload *up, const vs_request *req, size_t *at)
{
    const sh_round *r = sh->round;
    while (*at < req->body_len && up->next < r->chunks) {
        size_t len = vs_sh_chunk_len(r, up->next);
        if (req->body_len - *at < len) return VS_ERR_LIMIT;
        vs_err err = vs_sh_upload_feed(sh, up, req->body + *at, len);
        if (err != VS_OK) return err;
        *at += len;
    }
    return VS_OK;
}

/* Take the chunks from up->next on. at: where they start in the body. They follow each other on the
 * disk as well: one write. */
static vs_err take_chunks(vs_shareholder *sh, sh_client *c, sh_upload *up, const vs_request *req,
                          size_t at, vs_buf *reply, vs_diag *diag)
{
    const sh_round *r = sh->round;
    const size_t first = at;
    const sh_place place = vs_sh_chunk_place(sh, c, up->next);
    vs_err fed = feed_chunks(sh, up, req, &at);
    vs_err err = VS_OK;
    if (at > first) {
        err = sh->store.ops->blob_write(sh->store.ctx, place.blob.text, place.offset,
                                        req->body + first, at - first, diag);
    }
    if (err != VS_OK) return err;
    switch (fed) {
    case VS_OK: break;
    case VS_ERR_LIMIT:
        return vs_reply_error(reply, vsw_Code_MALFORMED, up->next, "chunk %u is cut short",
                              up->next);
    case VS_ERR_PROOF:
        return vs_reply_error(reply, vsw_Code_MALFORMED, up->next, "chunk %u fails authentication",
                              up->next);
    case VS_ERR_MALFORMED: /* the client itself sealed this */
        err = vs_sh_complain(sh, c, VS_REJECT_MALFORMED, diag);
        if (err == VS_OK) err = reject(sh, c, VS_REJECT_MALFORMED, diag);
        return err == VS_OK ? reply_rejected(reply, c) : err;
    default: return fed;
    }
    if (at != req->body_len) {
        return vs_reply_error(reply, vsw_Code_MALFORMED, up->next, "bytes after the last chunk");
    }
    return vs_sh_progress(reply, up->next, r->chunks);
}

vs_err vs_sh_on_chunk(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    const vsw_SubmitChunk *op = &req->head.op.submit_chunk;
    vs_err err = VS_OK;
    vs_h32 submission;
    sh_upload *up = NULL;
    sh_round *r = vs_sh_active(sh, op->round, reply, &err);
    if (r == NULL) return err;
    memcpy(submission.b, op->submission, VS_H32_BYTES);
    sh_client *c = vs_sh_client_by_submission(r, &submission);
    if (r->over) return vs_reply_error(reply, vsw_Code_LATE, 0, "the round is over");
    if (c == NULL) {
        return vs_reply_error(reply, vsw_Code_NOT_FOUND, 0, "no such upload: begin it first");
    }
    if (c->twice || c->state != SH_UPLOADING || why_late(r) != NULL) {
        return resume(sh, c, reply, diag);
    }
    err = vs_sh_upload_get(sh, c, &up, diag);
    if (err == VS_ERR_STATE || (err == VS_OK && up == NULL)) return resume(sh, c, reply, diag);
    if (err != VS_OK) return err;
    /* What we have already is skipped; after a gap we say where to go on. */
    size_t at = 0;
    uint32_t chunk = op->first_chunk;
    if (chunk > up->next) return vs_sh_progress(reply, up->next, r->chunks);
    for (; chunk < up->next && at < req->body_len; chunk++) {
        size_t len = vs_sh_chunk_len(r, chunk);
        if (req->body_len - at < len) {
            return vs_reply_error(reply, vsw_Code_MALFORMED, chunk, "chunk %u is cut short", chunk);
        }
        at += len;
    }
    if (at == req->body_len) return vs_sh_progress(reply, up->next, r->chunks);
    return take_chunks(sh, c, up, req, at, reply, diag);
}

/* --- finish --------------------------------------------------------------------------------------
 */

static vs_err reply_receipt(vs_shareholder *sh, const sh_client *c, vs_buf *reply)
{
    vsw_Reply head = {.which_result = vsw_Reply_receipt_tag};
    vs_buf bytes = {0};
    vs_err err = vs_receipt_bytes(&bytes, &sh->round->round.id, sh->j, &c->manifest_hash);
    if (err == VS_OK) {
        memcpy(head.result.receipt.manifest_hash, c->manifest_hash.b, VS_H32_BYTES);
        vs_sign(head.result.receipt.signature, bytes.p, bytes.len, sh->keys->identity_seed);
        err = vs_reply_encode(reply, &head, NULL, 0);
    }
    vs_buf_free(&bytes);
    return err;
}

/* Everything is here: does the share open c_j, and does W hold it? 0, or the reason. */
static vs_reject judge(vs_shareholder *sh, const sh_upload *up, const vs_fe2 *w)
{
    const vs_committee *cm = &sh->fed->committee;
    vs_h32 root = up->seed_root, commitment;
    vs_reject reason = (vs_reject)0;
    if (!sh->round->is_seed) {
        vs_share_root copy = up->root;
        vs_share_root_final(&copy, &root);
    }
    vs_commit_share(&commitment, &up->ctx, sh->j, up->nonce, &root);
    vs_proof_acc proof = up->proof;
    vs_fe2 ours = vs_proof_final(&proof); /* wipes the copy */
    vs_fe2 claimed = vs_proof_eval(w, vs_committee_r(cm), sh->j);
    if (vs_fe2_equal(ours, claimed) != 1) reason = VS_REJECT_SHARE_INCONSISTENT;
    if (!vs_h32_equal(&commitment, &up->commitment)) reason = VS_REJECT_COMMITMENT_MISMATCH;
    return reason;
}

static vs_err accept(vs_shareholder *sh, sh_client *c, const vs_h32 *manifest, const vs_fe2 *w,
                     const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    sh_round *r = sh->round;
    sh_name blob = vs_sh_uploads_name(sh->newest, c->file);
    sh_upload *up = NULL;
    vs_err err = vs_sh_upload_get(sh, c, &up, diag);
    if (err == VS_ERR_STATE || (err == VS_OK && up == NULL)) return resume(sh, c, reply, diag);
    if (err != VS_OK) return err;
    if (up->next < r->chunks) return vs_sh_progress(reply, up->next, r->chunks);

    vs_reject reason = judge(sh, up, w);
    if (reason != 0) { /* a share that fails the signed W is proof; the rest is our word */
        err = reason == VS_REJECT_SHARE_INCONSISTENT
                  ? vs_sh_accuse_share(sh, c, up, req->body, req->body_len, diag)
                  : vs_sh_complain(sh, c, reason, diag);
        if (err == VS_OK) err = reject(sh, c, reason, diag);
        return err == VS_OK ? reply_rejected(reply, c) : err;
    }
    err = sh->store.ops->blob_sync(sh->store.ctx, blob.text, diag);
    if (err != VS_OK) return err;
    c->state = SH_ACCEPTED;
    c->manifest_hash = *manifest;
    sh_name key = vs_sh_key(sh->newest, "trailer", &c->submission);
    vs_store_item trailer = vs_sh_item(&key, req->body, req->body_len);
    err = store_client(sh, c, &trailer, diag);
    if (err != VS_OK) return err;
    r->n_accepted++;
    err = vs_sh_sum_include(sh, c, up, diag);
    vs_sh_upload_drop(sh, c);
    return err == VS_OK ? reply_receipt(sh, c, reply) : err;
}

/* A valid trailer for this client: manifest is its hash. */
static vs_err finish(vs_shareholder *sh, sh_client *c, const vs_h32 *manifest, const vs_fe2 *w,
                     const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    const sh_round *r = sh->round;
    if (c->state == SH_REJECTED) return reply_rejected(reply, c);
    if (c->state == SH_ACCEPTED && !vs_h32_equal(&c->manifest_hash, manifest)) {
        vs_err err = signed_twice(sh, c, false, req, diag);
        return err == VS_OK ? reply_twice(reply) : err;
    }
    if (c->twice) return reply_twice(reply);
    if (c->state != SH_ACCEPTED &&
        vs_keyring_client(vs_replay_keys(sh->ahead), &c->key) == VS_KEY_REVOKED) {
        return vs_reply_error(reply, vsw_Code_UNREGISTERED, 0, "the client key was revoked");
    }
    if (c->state == SH_ACCEPTED) return reply_receipt(sh, c, reply);
    if (why_late(r) != NULL) return vs_reply_error(reply, vsw_Code_LATE, 0, "%s", why_late(r));
    return accept(sh, c, manifest, w, req, reply, diag);
}

vs_err vs_sh_on_submitted(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    const vsw_SubmitFinish *op = &req->head.op.submit_finish;
    const uint32_t r_shares = vs_committee_r(&sh->fed->committee);
    const size_t trailer_len = vs_trailer_len(r_shares);
    vs_err err = VS_OK;
    vs_h32 submission, manifest;
    vs_fe2 w[VS_SHAREHOLDERS_MAX];
    sh_round *r = vs_sh_active(sh, op->round, reply, &err);
    if (r == NULL) return err;
    if (r->over) return vs_reply_error(reply, vsw_Code_LATE, 0, "the round is over");
    memcpy(submission.b, op->submission, VS_H32_BYTES);
    sh_client *c = vs_sh_client_by_submission(r, &submission);
    if (c == NULL) {
        return vs_reply_error(reply, vsw_Code_NOT_FOUND, 0, "no such upload: begin it first");
    }
    if (req->body_len != trailer_len + SIGNATURE_BYTES) {
        return vs_reply_error(reply, vsw_Code_MALFORMED, 0,
                              "not a trailer of %zu bytes and a signature of 64", trailer_len);
    }
    if (vs_verify(req->body + trailer_len, req->body, trailer_len, &c->key) != VS_OK) {
        return vs_reply_error(reply, vsw_Code_BAD_SIGNATURE, 0,
                              "the client's signature of the trailer fails");
    }
    if (vs_trailer_decode(w, r_shares, &r->round.id, &submission, req->body, trailer_len) !=
        VS_OK) {
        return vs_reply_error(reply, vsw_Code_MALFORMED, 0,
                              "not a trailer of this submission, or W is not canonical");
    }
    vs_header *h = malloc(sizeof *h);
    vs_buf header = {0};
    err = h == NULL ? VS_ERR_NOMEM : vs_sh_header_load(sh, &submission, &header, h, diag);
    if (err == VS_OK) {
        vs_manifest_hash(&manifest, header.p, header.len - 2 * SIGNATURE_BYTES, w, r_shares);
        err = finish(sh, c, &manifest, w, req, reply, diag);
    }
    free(h);
    vs_buf_free(&header);
    return err;
}
