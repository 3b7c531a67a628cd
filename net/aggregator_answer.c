/* ANSWERING: the shareholders' sum shares, unsealed into the store. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/aggregator_impl.h"

#define RESERVE_MAX_MS 10000u /* between the last answer and the hard expiry */

void vs_ag_sum_name(char out[64], uint64_t round, uint32_t j)
{
    (void)snprintf(out, 64, "%08llu/sum/%03u", (unsigned long long)round, j);
}

void vs_ag_answer_forget(ag_peer *p)
{
    vs_buf_free(&p->answer);
    p->answer = (vs_buf){0};
    vs_seal_free(p->seal);
    p->seal = NULL;
    p->next_chunk = 0;
}

static void answer_key(const ag_t *ag, char out[VS_STORE_NAME_MAX + 1], uint32_t j)
{
    char rest[32];
    (void)snprintf(rest, sizeof rest, "answer/%03u", j);
    vs_ag_key(out, ag->last_round, rest);
}

/* --- checks ----------------------------------------------------------------------------------- */

/* Shareholder j's `answer` of this round, for this set and its checkpoint. */
static bool entry_is_right(const ag_t *ag, uint32_t j, const vs_entry *entry, const vs_h32 *root)
{
    const vs_entry_answer *a = &entry->u.answer;
    return entry->kind == VS_ENTRY_ANSWER && strcmp(entry->origin, ag->fed->origin) == 0 &&
           vs_h32_equal(&entry->federation, &ag->fed->id) && entry->round == ag->last_round &&
           vs_h32_equal(&entry->prev, &ag->prev) && a->index == j &&
           vs_h32_equal(&a->set, &ag->set_leaf) && a->checkpoint_size == ag->set_index + 1 &&
           vs_h32_equal(&a->checkpoint_root, root);
}

static vs_err set_root(ag_t *ag, vs_h32 *root)
{
    vs_tree_reader tree = vs_log_tree(ag->log);
    return vs_tree_root(&tree, ag->set_index + 1, root);
}

static vs_err check_answer(ag_t *ag, uint32_t j, const uint8_t *envelope, size_t len,
                           vs_h32 *answer_hash)
{
    vs_dsse dsse = {0};
    vs_h32 root;
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    vs_err err = set_root(ag, &root);
    if (err == VS_OK) err = vs_dsse_parse(&dsse, envelope, len, NULL);
    if (err == VS_OK) err = vs_dsse_verify(&dsse, &ag->fed->shareholder[j - 1].party.key, NULL);
    if (err == VS_OK) {
        err = vs_entry_decode(entry, dsse.kind, dsse.payload.p, dsse.payload.len, NULL);
    }
    if (err == VS_OK && (dsse.n_signatures != 1 || !entry_is_right(ag, j, entry, &root))) {
        err = VS_ERR_PROOF;
    }
    if (err == VS_OK) *answer_hash = entry->u.answer.answer_hash;
    vs_dsse_free(&dsse);
    free(entry);
    return err;
}

/* --- restart ---------------------------------------------------------------------------------- */

/* Sum shares that were received whole before. */
vs_err vs_ag_answer_restore(ag_t *ag)
{
    uint64_t index;
    vs_err err = VS_OK;
    if (vs_ag_find(ag, ag->last_round, VS_ENTRY_ANSWER, 0, &index)) {
        ag->answers_logged = true;
        vs_ag_enter(ag, vsw_Phase_ANSWERING);
        return VS_OK; /* advance goes on with the result */
    }
    for (uint32_t j = 1; err == VS_OK && j <= ag->fed->committee.n; j++) {
        ag_peer *p = &ag->peer[j];
        char key[VS_STORE_NAME_MAX + 1];
        bool found = false;
        answer_key(ag, key, j);
        err = vs_ag_get(ag, key, &p->answer, &found);
        if (err == VS_OK && found) {
            err = check_answer(ag, j, p->answer.p, p->answer.len, &p->answer_hash);
            p->next_chunk = vs_sealed_sum_chunks(ag->round.layout.columns);
            if (err == VS_ERR_MALFORMED || err == VS_ERR_PROOF || err == VS_ERR_LIMIT) {
                err =
                    vs_fail(ag->diag, VS_ERR_IO, "the aggregator's store: bad record \"%s\"", key);
            }
        }
    }
    return err;
}

/* --- requests --------------------------------------------------------------------------------- */

vs_err vs_ag_answer_next(ag_t *ag, uint32_t j)
{
    ag_peer *p = &ag->peer[j];
    uint64_t size = ag->set_index + 1;
    if (ag->answers_logged || p->done) return VS_OK;
    vs_err err = vs_ag_catch_up(ag, j);
    if (err != VS_OK || p->op != AG_NONE) return err;
    if (!p->listed || p->cosigned_size != size) return vs_ag_follow_next(ag, j);
    if (p->seal != NULL) {
        vsw_Request head = {
            .which_op = vsw_Request_answer_chunk_tag,
            .op.answer_chunk = {.round = ag->last_round, .first_chunk = p->next_chunk}};
        return vs_ag_send(ag, j, AG_ANSWER_CHUNK, &head, NULL, 0, VS_AG_LONG_TIMEOUT_MS);
    }
    vs_buf note = {0};
    vsw_Request head = {.which_op = vsw_Request_answer_tag, .op.answer = {.round = ag->last_round}};
    err = vs_log_checkpoint_at(ag->log, size, &note, ag->diag);
    if (err == VS_OK) {
        err = vs_ag_send(ag, j, AG_ANSWER, &head, note.p, note.len, VS_AG_LONG_TIMEOUT_MS);
    }
    vs_buf_free(&note);
    return err;
}

/* --- replies ---------------------------------------------------------------------------------- */

static vs_err on_answer(ag_t *ag, uint32_t j, const vs_reply *reply)
{
    ag_peer *p = &ag->peer[j];
    const vsw_AnswerReply *m = &reply->head.result.answer;
    vs_round_id id = vs_ag_id(ag, ag->last_round);
    vs_h32 ephemeral;
    vs_h32 ctx;
    vs_err err = check_answer(ag, j, reply->body, reply->body_len, &p->answer_hash);
    if (err == VS_ERR_NOMEM || err == VS_ERR_IO) return err;
    if (err != VS_OK) {
        vs_ag_peer_fail(ag, j, "its answer entry is not valid");
        return VS_OK;
    }
    if (m->chunks != vs_sealed_sum_chunks(ag->round.layout.columns)) {
        vs_ag_peer_fail(ag, j, "its sum share has a wrong length");
        return VS_OK;
    }
    memcpy(ephemeral.b, m->ephemeral_key, sizeof ephemeral.b);
    vs_answer_context(&ctx, &id, &ag->set_leaf);
    vs_ag_answer_forget(p);
    err = vs_seal_new_receiver(&p->seal, ag->round_secret, &ephemeral, &ctx, j);
    if (err == VS_ERR_PROOF) {
        vs_ag_peer_fail(ag, j, "its ephemeral key is not a valid one");
        return VS_OK;
    }
    if (err != VS_OK) return err;
    vs_buf_bytes(&p->answer, reply->body, reply->body_len);
    vs_answer_hash_start(&p->plain_hash, &id, j);
    vs_ag_peer_ok(p);
    return vs_buf_check(&p->answer);
}

/* All chunks are here: does the sum share hash to what was signed? Then it is durable. */
static vs_err finish_answer(ag_t *ag, uint32_t j)
{
    ag_peer *p = &ag->peer[j];
    char name[64];
    char key[VS_STORE_NAME_MAX + 1];
    vs_h32 hash;
    vs_hash_final(&p->plain_hash, &hash);
    vs_seal_free(p->seal);
    p->seal = NULL;
    if (!vs_h32_equal(&hash, &p->answer_hash)) {
        vs_ag_answer_forget(p);
        vs_ag_peer_fail(ag, j, "its sum share does not hash to its answer entry");
        return VS_OK;
    }
    vs_ag_sum_name(name, ag->last_round, j);
    vs_err err = ag->store.ops->blob_sync(ag->store.ctx, name, ag->diag);
    answer_key(ag, key, j);
    if (err == VS_OK) err = vs_ag_put(ag, key, p->answer.p, p->answer.len);
    if (err != VS_OK) return err;
    p->done = true;
    vs_ag_notice(ag, "round %" PRIu64 ": shareholder %u answered", ag->last_round, j);
    return VS_OK;
}

/* Unseal one chunk and keep it. *ok = false: it does not authenticate. */
static vs_err take_chunk(ag_t *ag, uint32_t j, const uint8_t *sealed, uint32_t plain_len, bool last,
                         bool *ok)
{
    ag_peer *p = &ag->peer[j];
    uint8_t plain[VS_SEAL_CHUNK_MAX];
    char name[64];
    vs_err err =
        vs_unseal_chunk(p->seal, plain, sealed, plain_len + VS_SEAL_TAG_BYTES, p->next_chunk, last);
    *ok = err == VS_OK;
    if (err == VS_ERR_PROOF || err == VS_ERR_MALFORMED) return VS_OK;
    if (err != VS_OK) return err;
    vs_hash_bytes(&p->plain_hash, plain, plain_len);
    vs_ag_sum_name(name, ag->last_round, j);
    err = ag->store.ops->blob_write(ag->store.ctx, name, (uint64_t)p->next_chunk * VS_CHUNK_BYTES,
                                    plain, plain_len, ag->diag);
    if (err == VS_OK) p->next_chunk++;
    return err;
}

static vs_err on_chunks(ag_t *ag, uint32_t j, const vs_reply *reply)
{
    ag_peer *p = &ag->peer[j];
    uint32_t chunks = vs_sealed_sum_chunks(ag->round.layout.columns);
    uint64_t total = (uint64_t)ag->round.layout.columns * VS_FE_BYTES;
    const uint8_t *at = reply->body;
    size_t left = reply->body_len;
    bool ok = left > 0;
    while (ok && left > 0) {
        uint64_t begin = (uint64_t)p->next_chunk * VS_CHUNK_BYTES;
        uint64_t rest = begin < total ? total - begin : 0;
        uint32_t plain = rest < VS_CHUNK_BYTES ? (uint32_t)rest : VS_CHUNK_BYTES;
        if (p->next_chunk >= chunks || left < plain + VS_SEAL_TAG_BYTES) {
            ok = false;
            break;
        }
        vs_err err = take_chunk(ag, j, at, plain, p->next_chunk + 1 == chunks, &ok);
        if (err != VS_OK) return err;
        at += plain + VS_SEAL_TAG_BYTES;
        left -= plain + VS_SEAL_TAG_BYTES;
    }
    if (!ok) {
        vs_ag_answer_forget(p);
        vs_ag_peer_fail(ag, j, "its sealed sum share does not open");
        return VS_OK;
    }
    vs_ag_peer_ok(p);
    return p->next_chunk == chunks ? finish_answer(ag, j) : VS_OK;
}

vs_err vs_ag_answer_reply(ag_t *ag, uint32_t j, ag_op op, const vs_reply *reply)
{
    ag_peer *p = &ag->peer[j];
    pb_size_t want = op == AG_ANSWER ? vsw_Reply_answer_tag : vsw_Reply_progress_tag;
    if (reply->head.which_result == vsw_Reply_error_tag) {
        vs_ag_answer_forget(p); /* what is there is asked for again from the start */
        vs_ag_peer_error(ag, j, &reply->head.result.error);
        return VS_OK;
    }
    if (reply->head.which_result != want) {
        vs_ag_peer_fail(ag, j, "its reply is of another kind");
        return VS_OK;
    }
    return op == AG_ANSWER ? on_answer(ag, j, reply) : on_chunks(ag, j, reply);
}

/* --- enough? ---------------------------------------------------------------------------------- */

static uint64_t answering_ends_ms(const ag_t *ag)
{
    uint64_t reserve = (uint64_t)ag->fed->answer_timeout_s * 1000 / 8;
    return vs_ag_expiry_ms(ag) - (reserve < RESERVE_MAX_MS ? reserve : RESERVE_MAX_MS);
}

vs_err vs_ag_answer_advance(ag_t *ag, bool *moved)
{
    const vs_committee *c = &ag->fed->committee;
    uint32_t r = vs_committee_r(c);
    if (ag->answers_logged) {
        *moved = true;
        return vs_ag_finish(ag);
    }
    uint32_t chunks = vs_sealed_sum_chunks(ag->round.layout.columns);
    for (uint32_t j = 1; j <= c->n; j++) { /* received before a restart */
        if (ag->peer[j].listed && ag->peer[j].next_chunk == chunks) ag->peer[j].done = true;
    }
    uint32_t have = vs_ag_count_done(ag);
    bool over = vs_ag_grace_over(ag, have >= r + c->margin);
    if (vs_ag_any_waiting(ag, true) && ag->now_ms < answering_ends_ms(ag)) {
        bool enough = false;
        vs_err err = over ? vs_ag_answers_decode(ag, &enough) : VS_OK;
        if (err != VS_OK || !enough) return err; /* one liar more than these can locate, say */
    }
    *moved = true;
    if (have >= r) return vs_ag_finish(ag);
    return vs_ag_abort(ag, VS_ABORT_TOO_FEW_ANSWERS,
                       "%u shareholders answered, %u are needed to reconstruct", have, r);
}
