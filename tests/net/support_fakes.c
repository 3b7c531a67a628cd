#include "tests/net/support_fakes.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "mpc/prg.h"
#include "mpc/proof.h"
#include "net/seal.h"
#include "net/submission.h"

#define NOW_S UINT64_C(1800000000)

/* --- world -------------------------------------------------------------------------------------
 */

vs_fakes *vs_fakes_new(uint32_t dim, uint64_t seed)
{
    const vs_test_fed_config config = {.n_clients = 1, .demo = true, .seed = 1};
    vs_fakes *w = calloc(1, sizeof *w);
    cr_assert_not_null(w);
    w->tf = vs_test_federation_new(&config);
    w->now_ms = NOW_S * 1000;
    w->open = vs_test_open_new(w->tf, 3, dim, NOW_S, 7);
    w->phase = vsw_Phase_COLLECT;
    w->rng.seed = seed;
    cr_assert_eq(vs_store_mem_open(&w->store), VS_OK);
    w->update = calloc(dim, sizeof *w->update);
    for (uint32_t i = 0; i < dim; i++) {
        w->update[i] = ((double)(vs_test_u64(seed, i) >> 11) * 0x1p-52 - 1.0) / 100;
    }
    w->input = (vs_client_input){
        .update = w->update, .dim = dim, .weight = 120, .round = 3, .purpose = ""};
    memcpy(w->input.enrolment, w->tf->enrolment[0], 64);
    vs_fakes_reopen(w);
    return w;
}

static void forget(vs_fake_shareholder *f)
{
    vs_buf_reset(&f->header);
    vs_buf_reset(&f->sealed);
    f->next = 0;
    f->has_receipt = false;
}

void vs_fakes_reopen(vs_fakes *w)
{
    vs_diag diag = {{0}};
    vs_test_open_sign_keys(w->open, w->tf);
    vs_buf_reset(&w->envelope);
    vs_test_open_envelope(&w->envelope, w->open, w->tf);
    for (uint32_t j = 1; j <= VS_SHAREHOLDERS_MAX; j++) forget(&w->sh[j]);
    vs_buf_reset(&w->header);
    /* a test may break a rule on purpose: then round stays zero */
    w->round = (vs_round){0};
    if (vs_round_from_open(&w->round, w->tf->fed, w->envelope.p, w->envelope.len, &diag) != VS_OK) {
        w->round.id.round = w->open->entry.round;
    }
}

void vs_fakes_free(vs_fakes *w)
{
    for (uint32_t j = 0; j <= VS_SHAREHOLDERS_MAX; j++) {
        vs_buf_free(&w->sh[j].header);
        vs_buf_free(&w->sh[j].sealed);
    }
    vs_buf_free(&w->envelope);
    vs_buf_free(&w->closure);
    vs_buf_free(&w->header);
    vs_store_mem_close(&w->store);
    vs_test_open_free(w->open);
    vs_test_federation_free(w->tf);
    free(w->update);
    free(w);
}

void vs_fakes_add_closed(vs_fakes *w, uint32_t j, uint64_t round, const vs_h32 *params,
                         const vs_keys *signer)
{
    vs_entry e = {.kind = VS_ENTRY_CLOSED, .round = round};
    vs_buf payload = {0}, envelope = {0};
    memcpy(e.origin, w->tf->fed->origin, sizeof e.origin);
    e.federation = w->tf->fed->id;
    e.u.closed.index = j;
    e.u.closed.params_hash = *params;
    cr_assert_eq(vs_entry_encode(&payload, &e, NULL), VS_OK);
    cr_assert_eq(
        vs_dsse_sign(&envelope, "closed", payload.p, payload.len, signer->identity_seed, NULL),
        VS_OK);
    vs_buf_u32(&w->closure, (uint32_t)envelope.len);
    vs_buf_bytes(&w->closure, envelope.p, envelope.len);
    vs_buf_free(&payload);
    vs_buf_free(&envelope);
}

/* --- shareholder -------------------------------------------------------------------------------
 */

static void reply_progress(vs_fakes *w, uint32_t j, vs_buf *reply)
{
    vsw_Reply head = vsw_Reply_init_zero;
    head.which_result = vsw_Reply_progress_tag;
    head.result.progress.next = w->sh[j].next;
    head.result.progress.total =
        vs_sealed_share_chunks(w->round.layout.columns, j <= w->tf->fed->committee.t) +
        (w->sh[j].wrong_total ? 1 : 0);
    cr_assert_eq(vs_reply_encode(reply, &head, NULL, 0), VS_OK);
}

static void take_begin(vs_fakes *w, uint32_t j, const vs_request *req, vs_buf *reply)
{
    vs_fake_shareholder *f = &w->sh[j];
    vs_header h;
    cr_assert_gt(req->body_len, 128);
    size_t len = req->body_len - 128;
    cr_assert_eq(vs_header_decode(&h, req->body, len), VS_OK);
    cr_assert_eq(vs_verify(req->body + len, req->body, len, &h.client_key), VS_OK);
    cr_assert_eq(vs_enrolment_verify(req->body + len + 64, &w->tf->fed->id, &h.client_key,
                                     &w->tf->fed->admin_key),
                 VS_OK);
    cr_assert(vs_h32_equal(&h.params_hash, &w->round.params_hash));
    cr_assert_eq(h.count, w->round.open.n_shareholders);
    if (w->header.len == 0) vs_buf_bytes(&w->header, req->body, len);
    cr_assert_eq(w->header.len, len);
    cr_assert(memcmp(w->header.p, req->body, len) == 0, "a second header for one round");
    if (f->header.len == 0) vs_buf_bytes(&f->header, req->body, len);
    reply_progress(w, j, reply);
}

static void take_chunks(vs_fakes *w, uint32_t j, const vs_request *req, vs_buf *reply)
{
    vs_fake_shareholder *f = &w->sh[j];
    bool is_seed = j <= w->tf->fed->committee.t;
    uint32_t total = vs_sealed_share_chunks(w->round.layout.columns, is_seed);
    uint32_t chunk = req->head.op.submit_chunk.first_chunk;
    uint64_t at = 0;
    size_t used = 0;
    f->chunk_requests++;
    if (f->header.len == 0) {
        cr_assert_eq(vs_reply_error(reply, vsw_Code_NOT_FOUND, 0, "begin it first"), VS_OK);
        return;
    }
    cr_assert_leq(req->body_len, 8 * (65536 + 16));
    cr_assert_leq(chunk, f->next);
    for (uint32_t i = 0; i < chunk; i++) {
        at += vs_sealed_share_plain(w->round.layout.columns, is_seed, i) + 16;
    }
    for (; used < req->body_len; chunk++) {
        cr_assert_lt(chunk, total);
        size_t len = vs_sealed_share_plain(w->round.layout.columns, is_seed, chunk) + 16;
        cr_assert_leq(used + len, req->body_len);
        if (chunk < f->next) {
            cr_assert(memcmp(f->sealed.p + at, req->body + used, len) == 0, "a chunk changed");
        } else {
            vs_buf_bytes(&f->sealed, req->body + used, len);
            f->next++;
        }
        at += len;
        used += len;
    }
    reply_progress(w, j, reply);
}

/* What a real shareholder checks: every chunk opens, c_j, W(j). */
static void check_share(vs_fakes *w, uint32_t j, const vs_header *h, const vs_fe2 *w_values)
{
    vs_fake_shareholder *f = &w->sh[j];
    const vs_committee *c = &w->tf->fed->committee;
    uint32_t columns = w->round.layout.columns, total = columns + VS_MASK_COLUMNS;
    bool is_seed = j <= c->t;
    uint32_t n_chunks = vs_sealed_share_chunks(columns, is_seed);
    const vs_header_share *s = &h->share[vs_round_position(&w->round, j)];
    vs_buf plain = {0};
    vs_seal *seal;
    size_t at = 0;
    cr_assert_eq(f->sealed.len, s->sealed_len);
    cr_assert_eq(
        vs_seal_new_receiver(&seal, w->open->round_secret[j - 1], &s->ephemeral_key, &h->ctx, j),
        VS_OK);
    for (uint32_t i = 0; i < n_chunks; i++) {
        size_t len = vs_sealed_share_plain(columns, is_seed, i);
        uint8_t *out = vs_buf_extend(&plain, len);
        cr_assert_eq(vs_unseal_chunk(seal, out, f->sealed.p + at, len + 16, i, i + 1 == n_chunks),
                     VS_OK);
        at += len + 16;
    }
    vs_h32 root, commitment;
    vs_fe *row = calloc(total, sizeof *row);
    if (is_seed) {
        vs_prg *prg;
        vs_share_root_seed(&root, plain.p + 32);
        cr_assert_eq(vs_prg_new(&prg, plain.p + 32, VS_PRG_SHARE), VS_OK);
        vs_prg_fill(prg, row, 0, total);
        vs_prg_free(prg);
    } else {
        vs_share_root r;
        vs_share_root_init(&r);
        vs_share_root_update(&r, plain.p + 32, plain.len - 32);
        vs_share_root_final(&r, &root);
        cr_assert_eq(vs_fe_decode_many(row, plain.p + 32, total), VS_OK);
    }
    vs_commit_share(&commitment, &h->ctx, j, plain.p, &root);
    cr_assert(vs_h32_equal(&commitment, &s->commitment));
    vs_fe2 rho;
    vs_proof_acc acc;
    cr_assert_eq(vs_challenge(&rho, &h->ctx, &h->commit_root), VS_OK);
    vs_proof_start(&acc, rho, columns);
    vs_proof_update(&acc, row, total);
    cr_assert(vs_fe2_equal(vs_proof_final(&acc), vs_proof_eval(w_values, vs_committee_r(c), j)));
    free(row);
    vs_buf_free(&plain);
    vs_seal_free(seal);
}

static void take_finish(vs_fakes *w, uint32_t j, const vs_request *req, vs_buf *reply)
{
    vs_fake_shareholder *f = &w->sh[j];
    uint32_t r = vs_committee_r(&w->tf->fed->committee);
    vs_header h;
    vs_fe2 values[VS_SHAREHOLDERS_MAX];
    vs_h32 manifest;
    vs_buf bytes = {0};
    if (f->header.len == 0) {
        cr_assert_eq(vs_reply_error(reply, vsw_Code_NOT_FOUND, 0, "begin it first"), VS_OK);
        return;
    }
    cr_assert_eq(vs_header_decode(&h, f->header.p, f->header.len), VS_OK);
    cr_assert_eq(req->body_len, vs_trailer_len(r) + 64);
    cr_assert_eq(
        vs_trailer_decode(values, r, &w->round.id, &h.submission, req->body, req->body_len - 64),
        VS_OK);
    cr_assert_eq(
        vs_verify(req->body + req->body_len - 64, req->body, req->body_len - 64, &h.client_key),
        VS_OK);
    check_share(w, j, &h, values);
    vs_manifest_hash(&manifest, f->header.p, f->header.len, values, r);
    if (f->wrong_manifest) manifest.b[0] ^= 1;
    vsw_Reply head = vsw_Reply_init_zero;
    head.which_result = vsw_Reply_receipt_tag;
    memcpy(head.result.receipt.manifest_hash, manifest.b, 32);
    cr_assert_eq(vs_receipt_bytes(&bytes, &w->round.id, j, &manifest), VS_OK);
    vs_sign(head.result.receipt.signature, bytes.p, bytes.len,
            w->tf->shareholder[f->wrong_signature ? j % 5 : j - 1]->identity_seed);
    cr_assert_eq(vs_reply_encode(reply, &head, NULL, 0), VS_OK);
    f->has_receipt = true;
    vs_buf_free(&bytes);
}

/* False: the reply is lost. */
static bool shareholder(vs_fakes *w, uint32_t j, const vs_request *req, vs_buf *reply)
{
    vs_fake_shareholder *f = &w->sh[j];
    pb_size_t op = req->head.which_op;
    vsw_Code refuse = op == vsw_Request_submit_begin_tag    ? f->refuse_begin
                      : op == vsw_Request_submit_finish_tag ? f->refuse_finish
                                                            : vsw_Code_OK;
    f->requests++;
    if (f->down) return false;
    if (f->forget_after != 0 && f->requests == f->forget_after) forget(f);
    if (f->busy > 0) {
        f->busy--;
        cr_assert_eq(vs_reply_error(reply, vsw_Code_BUSY, 0, "later"), VS_OK);
    } else if (f->unknown > 0) {
        f->unknown--;
        cr_assert_eq(vs_reply_error(reply, vsw_Code_UNKNOWN_ROUND, 0, "not yet"), VS_OK);
    } else if (refuse != vsw_Code_OK) {
        cr_assert_eq(vs_reply_error(reply, refuse, 0, "scripted"), VS_OK);
    } else if (f->garbage) {
        vs_buf_text(reply, "garbage");
    } else if (f->other_reply) {
        vsw_Reply head = vsw_Reply_init_zero;
        head.which_result = vsw_Reply_vote_tag;
        cr_assert_eq(vs_reply_encode(reply, &head, NULL, 0), VS_OK);
    } else if (op == vsw_Request_submit_begin_tag) {
        take_begin(w, j, req, reply);
    } else if (op == vsw_Request_submit_chunk_tag) {
        take_chunks(w, j, req, reply);
    } else {
        cr_assert_eq(op, vsw_Request_submit_finish_tag);
        take_finish(w, j, req, reply);
    }
    return f->lose_every == 0 || f->requests % f->lose_every != 0;
}

/* --- aggregator --------------------------------------------------------------------------------
 */

static bool aggregator(vs_fakes *w, const vs_request *req, vs_buf *reply)
{
    vsw_Reply head = vsw_Reply_init_zero;
    const vs_buf *body = NULL;
    if (w->aggregator_lost > 0) {
        w->aggregator_lost--;
        return false;
    }
    if (w->aggregator_busy > 0) {
        w->aggregator_busy--;
        cr_assert_eq(vs_reply_error(reply, vsw_Code_BUSY, 0, "later"), VS_OK);
        return true;
    }
    switch (req->head.which_op) {
    case vsw_Request_round_info_tag:
        w->info_asked++;
        head.which_result = vsw_Reply_round_info_tag;
        head.result.round_info.round = w->open->entry.round;
        head.result.round_info.phase = w->phase;
        if (w->phase != vsw_Phase_OPENING) body = &w->envelope;
        break;
    case vsw_Request_closure_tag:
        w->closure_asked++;
        head.which_result = vsw_Reply_count_tag;
        body = &w->closure;
        break;
    case vsw_Request_manifest_tag:
        w->manifests++;
        cr_assert_eq(req->body_len,
                     vs_header_len(w->round.open.n_shareholders) + 128 + vs_trailer_len(3) + 64);
        if (w->stand_in == NULL) cr_assert(memcmp(req->body, w->header.p, w->header.len) == 0);
        if (w->refuse_manifest != vsw_Code_OK) {
            cr_assert_eq(vs_reply_error(reply, w->refuse_manifest, 0, "scripted"), VS_OK);
            return true;
        }
        head.which_result = vsw_Reply_ok_tag;
        break;
    default: cr_assert_fail("unexpected request %d", (int)req->head.which_op);
    }
    cr_assert_eq(vs_reply_encode(reply, &head, body ? body->p : NULL, body ? body->len : 0), VS_OK);
    return true;
}

/* --- driving -----------------------------------------------------------------------------------
 */

vs_client *vs_fakes_client(vs_fakes *w)
{
    vs_client *client = NULL;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_client_new(&client, w->tf->fed, w->tf->client[0], w->store,
                               vs_test_rng_of(&w->rng), &w->input, &diag),
                 VS_OK, "%s", diag.text);
    return client;
}

static vs_err step(vs_fakes *w, vs_client *client, const vs_event *event, vs_outbox *out,
                   vs_diag *diag)
{
    w->steps++;
    return vs_client_step(client, w->now_ms, event, out, diag);
}

static bool is_over(const vs_client *client)
{
    vs_client_phase phase = vs_client_state(client)->phase;
    return phase == VS_CLIENT_DONE || phase == VS_CLIENT_FAILED;
}

bool vs_fakes_answer(vs_fakes *w, uint32_t peer, const uint8_t *msg, size_t len, vs_buf *reply)
{
    vs_request req;
    cr_assert_eq(vs_request_decode(&req, msg, len), VS_OK);
    cr_assert(memcmp(req.head.federation_id, w->tf->fed->id.b, 32) == 0);
    if (peer == VS_PEER_AGGREGATOR) return aggregator(w, &req, reply);
    if (w->stand_in != NULL) return w->stand_in(w->stand_in_ctx, peer, msg, len, reply);
    return shareholder(w, peer, &req, reply);
}

/* Deliver one message and step the client with what comes back. */
static vs_err deliver(vs_fakes *w, vs_client *client, const vs_out *item, vs_outbox *out,
                      vs_diag *diag)
{
    vs_buf reply = {0};
    cr_assert_eq(item->kind, VS_OUT_SEND);
    bool there = vs_fakes_answer(w, item->peer, item->msg.p, item->msg.len, &reply);
    vs_event event = {.kind = there ? VS_EVENT_REPLY : VS_EVENT_LOST,
                      .peer = item->peer,
                      .tag = item->tag,
                      .msg = reply.p,
                      .len = reply.len,
                      .text = "connection refused"};
    vs_err err = step(w, client, &event, out, diag);
    vs_buf_free(&reply);
    return err;
}

vs_err vs_fakes_run(vs_fakes *w, vs_client *client, uint32_t max_steps, vs_diag *diag)
{
    const vs_event tick = {.kind = VS_EVENT_TICK};
    uint64_t end = w->now_ms + 120000;
    uint32_t first = w->steps;
    vs_outbox out = {0}, next = {0};
    vs_err err = VS_OK;
    while (err == VS_OK && !is_over(client) && w->now_ms < end) {
        if (max_steps != 0 && w->steps - first >= max_steps) break;
        err = step(w, client, &tick, &out, diag);
        while (err == VS_OK && out.n > 0) {
            for (size_t i = 0; i < out.n && err == VS_OK && !is_over(client); i++) {
                if (max_steps != 0 && w->steps - first >= max_steps) break;
                err = deliver(w, client, &out.item[i], &next, diag);
            }
            vs_outbox_clear(&out);
            vs_outbox swap = out;
            out = next;
            next = swap;
            if (max_steps != 0 && w->steps - first >= max_steps) break;
        }
        w->now_ms += 50;
    }
    vs_outbox_free(&out);
    vs_outbox_free(&next);
    return err;
}
