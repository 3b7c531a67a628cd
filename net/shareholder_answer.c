/* The answer: the sum over U, once, sealed to the aggregator (net/shareholder_impl.h). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "ledger/dsse.h"
#include "ledger/policy.h"
#include "net/shareholder_impl.h"

/* Stored under round/<round>/answer in one step with the flag that it is: */
#define ANSWER_HEAD_BYTES (32u + 4u + 32u) /* ephemeral key, chunks, answer hash; the envelope */
#define ANSWER_REPLY_CHUNKS (VS_WIRE_BODY_MAX / (VS_SEAL_CHUNK_MAX + VS_SEAL_TAG_BYTES))

/* --- repeating what was answered -----------------------------------------------------------------
 */

static vs_err load_answer(vs_shareholder *sh, uint64_t round, vs_buf *stored, bool *found,
                          vs_diag *diag)
{
    sh_name key = vs_sh_key(round, "answer", NULL);
    vs_err err = vs_sh_get(sh, &key, stored, found, diag);
    if (err == VS_OK && *found && stored->len <= ANSWER_HEAD_BYTES) {
        err = vs_fail(diag, VS_ERR_IO, "%s does not decode", key.text);
    }
    return err;
}

static vs_err reply_answer(const vs_buf *stored, vs_buf *reply)
{
    vsw_Reply head = {.which_result = vsw_Reply_answer_tag};
    memcpy(head.result.answer.ephemeral_key, stored->p, VS_H32_BYTES);
    head.result.answer.chunks = vs_load_le32(stored->p + 32);
    return vs_reply_encode(reply, &head, stored->p + ANSWER_HEAD_BYTES,
                           stored->len - ANSWER_HEAD_BYTES);
}

vs_err vs_sh_on_answer_chunk(vs_shareholder *sh, const vs_request *req, vs_buf *reply,
                             vs_diag *diag)
{
    const vsw_AnswerChunk *op = &req->head.op.answer_chunk;
    vsw_Reply head = {.which_result = vsw_Reply_progress_tag};
    vs_buf stored = {0}, chunks = {0};
    bool found = false;
    vs_err err = load_answer(sh, op->round, &stored, &found, diag);
    uint32_t n = found && err == VS_OK ? vs_load_le32(stored.p + 32) : 0;
    if (err == VS_OK && op->first_chunk >= n) {
        err = vs_reply_error(reply, found ? vsw_Code_NOT_FOUND : vsw_Code_STATE, n,
                             found ? "the answer has %u chunks" : "there is no answer yet (%u)", n);
    } else if (err == VS_OK) {
        sh_name blob = vs_sh_blob_name(op->round, "answer", NULL);
        const size_t step = VS_SEAL_CHUNK_MAX + VS_SEAL_TAG_BYTES;
        err = sh->store.ops->blob_read(sh->store.ctx, blob.text, op->first_chunk * step,
                                       ANSWER_REPLY_CHUNKS * step, &chunks, &found, diag);
        if (err == VS_OK && (!found || chunks.len == 0)) {
            err = vs_reply_error(reply, vsw_Code_STATE, 0, "the round is over: its answer is gone");
        } else if (err == VS_OK) {
            head.result.progress.next = op->first_chunk + (chunks.len + step - 1) / step;
            head.result.progress.total = n;
            err = vs_reply_encode(reply, &head, chunks.p, chunks.len);
        }
    }
    vs_buf_free(&stored);
    vs_buf_free(&chunks);
    return err;
}

/* --- making it -----------------------------------------------------------------------------------
 */

typedef struct answer {
    vs_checkpoint checkpoint;
    const vs_round_view *view; /* of the log that holds the set */
    vs_h32 ephemeral_key, hash;
    uint32_t chunks;
    vs_buf value; /* what is stored */
} answer;

/* Seal the sum chunk by chunk into the answer's blob, hashing what it is. */
static vs_err seal_sum(vs_shareholder *sh, answer *a, vs_seal *seal, vs_diag *diag)
{
    const sh_round *r = sh->round;
    const uint32_t columns = r->sum.columns; /* M: mask columns are not in the sum */
    sh_name blob = vs_sh_blob_name(sh->newest, "answer", NULL);
    vs_hash h;
    uint64_t offset = 0;
    vs_err err = sh->store.ops->blob_remove(sh->store.ctx, blob.text, diag); /* an unfinished one */
    vs_answer_hash_start(&h, &r->round.id, sh->j);
    a->chunks = vs_sealed_sum_chunks(columns);
    for (uint32_t chunk = 0; chunk < a->chunks && err == VS_OK; chunk++) {
        uint32_t first = chunk * VS_CHUNK_ELEMENTS;
        size_t n = columns - first < VS_CHUNK_ELEMENTS ? columns - first : VS_CHUNK_ELEMENTS;
        vs_fe_encode_many(sh->plain, r->sum.column + first, n);
        vs_hash_bytes(&h, sh->plain, n * VS_FE_BYTES);
        vs_buf_reset(&sh->sealed);
        uint8_t *out = vs_buf_extend(&sh->sealed, n * VS_FE_BYTES + VS_SEAL_TAG_BYTES);
        if (out == NULL) {
            err = vs_fail(diag, VS_ERR_NOMEM, "answer: out of memory");
            break;
        }
        err = vs_seal_chunk(seal, out, sh->plain, n * VS_FE_BYTES, chunk, chunk + 1 == a->chunks);
        if (err == VS_OK) {
            err = sh->store.ops->blob_write(sh->store.ctx, blob.text, offset, sh->sealed.p,
                                            sh->sealed.len, diag);
        }
        offset += sh->sealed.len;
    }
    sodium_memzero(sh->plain, VS_SEAL_CHUNK_MAX);
    vs_hash_final(&h, &a->hash);
    if (err == VS_OK) err = sh->store.ops->blob_sync(sh->store.ctx, blob.text, diag);
    return err;
}

static vs_err seal_answer(vs_shareholder *sh, answer *a, vs_diag *diag)
{
    const vs_round *round = &sh->round->round;
    uint8_t secret[SH_SECRET_BYTES];
    vs_seal *seal = NULL;
    vs_h32 ctx;
    vs_err err = vs_rng_fill(&sh->rng, secret, sizeof secret);
    if (err != VS_OK) return vs_fail(diag, err, "answer: no randomness");
    vs_answer_context(&ctx, &round->id, &a->view->set_leaf);
    vs_seal_public(&a->ephemeral_key, secret);
    err = vs_seal_new_sender(&seal, secret, &round->open.aggregator_key, &ctx, sh->j);
    if (err == VS_OK) err = seal_sum(sh, a, seal, diag);
    vs_seal_free(seal);
    sodium_memzero(secret, sizeof secret);
    return err;
}

static vs_err sign_answer(vs_shareholder *sh, answer *a, vs_diag *diag)
{
    vs_buf payload = {0};
    vs_entry *e = calloc(1, sizeof *e);
    if (e == NULL) return vs_fail(diag, VS_ERR_NOMEM, "answer: out of memory");
    VS_ASSERT(a->view != NULL); /* that a set is there was checked on entry */
    e->kind = VS_ENTRY_ANSWER;
    memcpy(e->origin, sh->fed->origin, sizeof e->origin);
    e->federation = sh->fed->id;
    e->round = sh->newest;
    vs_replay_prev(sh->log, &e->prev);
    e->u.answer = (vs_entry_answer){.index = sh->j,
                                    .set = a->view->set_leaf,
                                    .answer_hash = a->hash,
                                    .checkpoint_size = a->checkpoint.size,
                                    .checkpoint_root = a->checkpoint.root};
    vs_err err = vs_entry_encode(&payload, e, diag);
    vs_buf_h32(&a->value, &a->ephemeral_key);
    vs_buf_u32(&a->value, a->chunks);
    vs_buf_h32(&a->value, &a->hash);
    if (err == VS_OK) err = vs_buf_check(&a->value);
    if (err == VS_OK) {
        err = vs_dsse_sign(&a->value, vs_entry_kind_name(e->kind), payload.p, payload.len,
                           sh->keys->identity_seed, diag);
    }
    vs_buf_free(&payload);
    free(e);
    return err;
}

/* "answered", the hash and where the sealed bytes are in one durable step; only then is the secret
 * of the round erased, and only then does anything leave. */
static vs_err store_answer(vs_shareholder *sh, const answer *a, vs_diag *diag)
{
    sh_name key = vs_sh_key(sh->newest, "answer", NULL);
    vs_store_item item = vs_sh_item(&key, a->value.p, a->value.len);
    vs_err err = vs_sh_put(sh, &item, 1, diag);
    if (err == VS_OK) err = vs_sh_erase_secret(sh, sh->newest, diag);
    if (err == VS_OK) {
        sh->round->answered = true;
        vs_sh_sum_wipe(sh->round);
    }
    return err;
}

/* Records of U: those we voted on, or our own list, if the logged set is exactly that. */
static vs_err find_records(vs_shareholder *sh, const vs_entry_set *set, vs_buf *records,
                           bool *found, vs_diag *diag)
{
    const sh_round *r = sh->round;
    VS_ASSERT(set != NULL);
    sh_name key = vs_sh_key(sh->newest, "set", NULL);
    vs_h32 root;
    vs_err err = vs_sh_get(sh, &key, records, found, diag);
    if (err != VS_OK) return err;
    for (int source = 0; source < 2; source++) {
        *found = records->len == (size_t)set->count * VS_RECORD_BYTES &&
                 vs_records_root(&root, records->p, set->count) == VS_OK &&
                 vs_h32_equal(&root, &set->records);
        if (*found || source == 1) break;
        vs_buf_reset(records);
        vs_buf_bytes(records, r->list.p, r->list.len);
        err = vs_buf_check(records);
        if (err != VS_OK) break;
    }
    return err;
}

static vs_err make_answer(vs_shareholder *sh, answer *a, vs_buf *reply, vs_diag *diag)
{
    vs_buf records = {0};
    bool found = false, missing = false;
    uint32_t left = 0;
    vs_err err = find_records(sh, &a->view->set, &records, &found, diag);
    if (err == VS_OK && !found) {
        err = vs_reply_error(reply, vsw_Code_CANNOT, 0,
                             "the records of the logged set are not "
                             "here");
    } else if (err == VS_OK) {
        err = vs_sh_sum_exactly(sh, records.p, a->view->set.count, &missing, &left, diag);
    }
    if (err == VS_OK && reply->len == 0 && !missing && left > 0) {
        err =
            vs_reply_error(reply, vsw_Code_BUSY, left, "%u shares are still to be added up", left);
    }
    if (err == VS_OK && reply->len == 0 && missing) {
        err = vs_reply_error(reply, vsw_Code_CANNOT, 0,
                             "a submission of the set is not here or no longer opens");
    }
    if (err == VS_OK && reply->len == 0) err = seal_answer(sh, a, diag);
    if (err == VS_ERR_PROOF) {
        err = vs_reply_error(reply, vsw_Code_REFUSED, 0, "aggregator_key of open is of low order");
    }
    if (err == VS_OK && reply->len == 0) err = sign_answer(sh, a, diag);
    if (err == VS_OK && reply->len == 0) {
        err = store_answer(sh, a, diag);
        if (err == VS_OK) err = reply_answer(&a->value, reply);
    }
    vs_buf_free(&records);
    return err;
}

/* The note must be a quorum's, of a log that we followed, and the set must be under it. */
static vs_err check_certificate(vs_shareholder *sh, const vs_request *req, answer *a, vs_buf *reply,
                                vs_diag *diag)
{
    vs_diag why = {{0}};
    bool ours = false;
    vs_policy_result *verified = malloc(sizeof *verified);
    if (verified == NULL) return vs_fail(diag, VS_ERR_NOMEM, "answer: out of memory");
    vs_err err = vs_policy_verify(verified, &sh->fed->policy, req->body, req->body_len, &why);
    a->checkpoint = verified->checkpoint;
    const uint32_t quorum = sh->fed->policy.quorum;
    if (err == VS_OK &&
        vs_keyring_cosigned(vs_replay_keys(sh->ahead), sh->fed, verified) < quorum) {
        err = vs_fail(&why, VS_ERR_PROOF, "%u cosignatures of valid keys are needed", quorum);
    }
    free(verified);
    if (err != VS_OK) {
        if (vs_sh_is_fatal(err)) return vs_fail(diag, err, "%s", why.text);
        return vs_reply_error(reply,
                              err == VS_ERR_MALFORMED ? vsw_Code_MALFORMED : vsw_Code_BAD_SIGNATURE,
                              0, "checkpoint: %s", why.text);
    }
    err = vs_sh_log_reach(sh, a->checkpoint.size, &a->checkpoint.root, &ours, diag);
    if (err != VS_OK) return err;
    if (!ours) {
        return vs_reply_error(reply, vsw_Code_STATE, vs_replay_size(sh->ahead),
                              "the checkpoint is not one of the log that was followed");
    }
    a->view = vs_replay_round(sh->log, sh->newest);
    if (a->view == NULL || a->view->phase != VS_REPLAY_SET ||
        a->view->set_index >= a->checkpoint.size) {
        return vs_reply_error(reply, vsw_Code_STATE, vs_replay_size(sh->log),
                              "the checkpoint does not cover a set of this round, or it is over");
    }
    return VS_OK;
}

vs_err vs_sh_on_answer(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    uint64_t round = req->head.op.answer.round;
    vs_buf stored = {0};
    bool found = false;
    vs_err err = load_answer(sh, round, &stored, &found, diag);
    if (err == VS_OK && found) err = reply_answer(&stored, reply);
    vs_buf_free(&stored);
    if (err != VS_OK || found) return err;

    answer a = {0};
    sh_round *r = vs_sh_active(sh, round, reply, &err);
    if (r == NULL) return err;
    if (r->closed) {
        return vs_reply_error(reply, vsw_Code_REFUSED, 0, "signed closed for this round");
    }
    if (!r->sit_out && !r->over) err = check_certificate(sh, req, &a, reply, diag);
    if (err != VS_OK || reply->len != 0) return err;
    if (r->sit_out || r->over) { /* following the log may just have told so */
        return vs_reply_error(reply, vsw_Code_CANNOT, 0, "%s",
                              r->sit_out ? "sits this round out" : "the round is over");
    }
    err = make_answer(sh, &a, reply, diag);
    vs_buf_free(&a.value);
    return err;
}
