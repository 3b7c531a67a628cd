/* Whole rounds of the aggregator: what ends well, what aborts and how, and what a restart changes
 * (nothing). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "net/seal.h"
#include "tests/net/support_world.h"

static const vs_committee FOUR = {.n = 4, .t = 1, .k = 1, .margin = 1}; /* q 3, r 2, needed 3 */
static const vs_committee FIVE = {.n = 5, .t = 1, .k = 2, .margin = 1}; /* q 4, r 3, needed 4 */

static vs_world *world_of(vs_committee committee, uint32_t n_clients, uint64_t seed)
{
    vs_world_config config = {.committee = committee,
                              .n_clients = n_clients,
                              .min_clients = 2,
                              .max_clients = 8,
                              .dim = 30,
                              .seed = seed};
    return vs_world_new(&config);
}

/* Open the round, submit with all clients, stop when collection has ended. */
static void open_and_submit(vs_world *w, uint64_t round)
{
    vsw_Code code = vs_world_open(w, round, w->config.n_clients);
    /* A reply that got lost: the caller asks again, and the round opens already. */
    cr_assert(code == vsw_Code_OK || (w->kill_after != 0 && code == vsw_Code_BUSY));
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    for (uint32_t i = 0; i < w->config.n_clients; i++) vs_world_submit(w, i);
}

static vs_entry *entry_of(vs_world *w, uint64_t round, vs_entry_kind kind)
{
    vs_entry *e = calloc(1, sizeof *e);
    cr_assert(vs_world_entry(w, round, kind, 0, e), "%s", vs_entry_kind_name(kind));
    return e;
}

Test(aggregator, brings_a_round_to_the_exact_sum)
{
    vs_world *w = world_of(FIVE, 3, 1);
    open_and_submit(w, 1);
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 60000));
    vs_world_expect_sums(w, 1, 7);
    vs_world_expect_valid_log(w);
    vs_entry *e = entry_of(w, 1, VS_ENTRY_RESULT);
    cr_expect(e->u.result.certain && e->u.result.count == 3 && e->u.result.n_answers == 5);
    cr_expect_eq(e->u.result.weight_sum, 6);
    vsw_RoundInfo info = vs_world_info(w, 1);
    cr_expect(info.clients_included == 3 && info.shareholders_answered == 5);
    cr_expect_eq(info.next_round, 2);
    free(e);
    vs_world_free(w);
}

Test(aggregator, runs_one_round_after_another)
{
    vs_world *w = world_of(FOUR, 3, 2);
    open_and_submit(w, 1);
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 60000));
    cr_expect_eq(vs_world_open(w, 1, 3), vsw_Code_CONFLICT, "a number is used once");
    cr_expect_eq(vs_world_open(w, 3, 3), vsw_Code_CONFLICT, "no gap");
    cr_expect_eq(vs_world_open(w, 2, 0), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    cr_expect_eq(vs_world_open(w, 3, 3), vsw_Code_BUSY, "one at a time");
    cr_expect_eq(vs_world_end(w, VS_OPERATION_CANCEL, 2), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_ABORTED, 60000));
    cr_expect_eq(vs_world_info(w, 1).phase, vsw_Phase_FINAL);
    vs_world_expect_valid_log(w);
    vs_world_free(w);
}

Test(aggregator, does_not_open_with_too_few_shareholders)
{
    vs_world *w = world_of(FIVE, 2, 3);
    w->down[2] = w->down[4] = true; /* 3 of 5, 4 are needed */
    cr_assert_eq(vs_world_open(w, 1, 0), vsw_Code_OK);
    cr_assert_eq(vs_world_info(w, 1).phase, vsw_Phase_OPENING);
    cr_assert(vs_world_run_to(w, vsw_Phase_IDLE, 60000));
    cr_expect_not_null(strstr(vs_world_info(w, 1).detail, "3 of 5"));
    cr_expect_eq(vs_log_size(w->log), 1, "nothing is logged of a round that was not opened");
    w->down[2] = false; /* one is enough */
    open_and_submit(w, 1);
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 60000));
    vs_world_expect_sums(w, 1, 3);
    vs_world_free(w);
}

Test(aggregator, closes_a_round_of_too_few_clients)
{
    vs_world *w = world_of(FIVE, 1, 4);
    cr_assert_eq(vs_world_open(w, 1, 0), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    vs_world_submit(w, 0);
    cr_assert(vs_world_run_client(w, 0, 10000), "%s", vs_client_state(w->client[0])->error.text);
    cr_assert(vs_world_run_to(w, vsw_Phase_ABORTED, 60000));
    vs_entry *e = entry_of(w, 1, VS_ENTRY_ABORT);
    cr_expect_eq(e->u.abort.reason, VS_ABORT_TOO_FEW_CLIENTS);
    cr_expect(e->u.abort.closed);
    vsw_Request head = {.which_op = vsw_Request_closure_tag, .op.closure = {.round = 1}};
    vs_reply reply = vs_world_call(w, &head, NULL, 0);
    cr_assert_eq(reply.head.which_result, vsw_Reply_count_tag);
    cr_expect_geq(reply.head.result.count.count, vs_committee_closed(&FIVE));
    vs_world_expect_valid_log(w);
    free(e);
    vs_world_free(w);
}

static vs_world_fate dies_when_asked(void *ctx, vs_world *w, uint32_t j, const vs_request *request,
                                     vs_buf *reply)
{
    (void)ctx;
    (void)reply;
    if (j == 3 && request->head.which_op == vsw_Request_answer_tag) w->down[3] = true;
    return w->down[j] ? VS_WORLD_LOSE : VS_WORLD_DELIVER;
}

Test(aggregator, finishes_without_a_shareholder_that_is_lost_after_the_set)
{
    vs_world *w = world_of(FIVE, 3, 5);
    w->hook = dies_when_asked;
    open_and_submit(w, 1);
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 120000));
    vs_world_expect_sums(w, 1, 7);
    vs_world_expect_valid_log(w);
    w->hook = NULL;
    w->down[3] = false; /* back: it is told all it missed, sum shares included */
    uint64_t size = vs_log_size(w->log);
    vs_world_run_for(w, 30000);
    open_and_submit(w, 2);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    cr_expect_eq(vs_log_size(w->log), size + 1);
    vs_entry *e = entry_of(w, 2, VS_ENTRY_OPEN);
    cr_expect_eq(e->u.open.n_shareholders, 5);
    free(e);
    vs_world_free(w);
}

Test(aggregator, finishes_without_a_shareholder_that_is_lost_before_the_set)
{
    vs_world *w = world_of(FIVE, 3, 6);
    open_and_submit(w, 1);
    for (uint32_t i = 0; i < 3; i++) cr_assert(vs_world_run_client(w, i, 10000));
    w->down[5] = true;
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 120000));
    vs_world_expect_sums(w, 1, 7);
    vs_world_expect_valid_log(w);
    vs_world_free(w);
}

static vs_world_fate lose_answers(void *ctx, vs_world *w, uint32_t j, const vs_request *request,
                                  vs_buf *reply)
{
    const uint32_t *first = ctx;
    (void)w;
    (void)reply;
    bool answer = request->head.which_op == vsw_Request_answer_tag;
    return answer && j >= *first ? VS_WORLD_LOSE : VS_WORLD_DELIVER;
}

Test(aggregator, aborts_when_answers_are_too_few_or_leave_no_margin)
{
    const struct {
        uint32_t first_lost;
        vs_abort_reason reason;
    } row[] = {{3, VS_ABORT_TOO_FEW_ANSWERS}, {4, VS_ABORT_UNCERTAIN}}; /* r 3, margin 1 */
    for (size_t i = 0; i < 2; i++) {
        vs_world *w = world_of(FIVE, 2, 7 + i);
        uint32_t first = row[i].first_lost;
        w->hook = lose_answers;
        w->hook_ctx = &first;
        open_and_submit(w, 1);
        cr_assert(vs_world_run_to(w, vsw_Phase_ABORTED, 200000));
        vs_entry *e = entry_of(w, 1, VS_ENTRY_ABORT);
        cr_expect_eq(e->u.abort.reason, row[i].reason, "%s",
                     vs_abort_reason_name(e->u.abort.reason));
        cr_expect_not(e->u.abort.closed, "a certificate exists: it can never be closed");
        cr_expect_leq(w->now_ms / 1000, vs_world_info(w, 1).hard_expiry);
        vs_world_expect_valid_log(w);
        free(e);
        vs_world_free(w);
    }
}

static vs_world_fate lose_votes(void *ctx, vs_world *w, uint32_t j, const vs_request *request,
                                vs_buf *reply)
{
    (void)ctx;
    (void)w;
    (void)reply;
    bool vote = request->head.which_op == vsw_Request_vote_tag;
    return vote && j >= 3 ? VS_WORLD_LOSE : VS_WORLD_DELIVER;
}

Test(aggregator, aborts_when_votes_are_too_few_and_names_who_did_not_vote)
{
    vs_world *w = world_of(FIVE, 2, 9);
    w->hook = lose_votes;
    open_and_submit(w, 1);
    cr_assert(vs_world_run_to(w, vsw_Phase_ABORTED, 200000));
    vs_entry *e = entry_of(w, 1, VS_ENTRY_ABORT);
    cr_expect_eq(e->u.abort.reason, VS_ABORT_TOO_FEW_VOTES);
    cr_expect(e->u.abort.closed, "3 did not vote and never will: n + t - q + 1 = 3");
    cr_assert_eq(e->u.abort.n_not_voting, 3);
    for (uint32_t i = 0; i < 3; i++) cr_expect_eq(e->u.abort.not_voting[i], 3 + i);
    vs_world_expect_valid_log(w);
    free(e);
    vs_world_free(w);
}

Test(aggregator, cancels_before_and_after_the_set)
{
    const struct {
        vsw_Phase phase;
        bool closed;
    } row[] = {{vsw_Phase_COLLECT, true}, {vsw_Phase_ANSWERING, false}};
    for (size_t i = 0; i < 2; i++) {
        vs_world *w = world_of(FIVE, 2, 10 + i);
        uint32_t first = 1;
        w->hook = lose_answers; /* it stays in ANSWERING */
        w->hook_ctx = &first;
        open_and_submit(w, 1);
        cr_assert(vs_world_run_to(w, row[i].phase, 60000));
        cr_expect_eq(vs_world_end(w, VS_OPERATION_CANCEL, 1), vsw_Code_OK);
        cr_assert(vs_world_run_to(w, vsw_Phase_ABORTED, 60000));
        vs_entry *e = entry_of(w, 1, VS_ENTRY_ABORT);
        cr_expect_eq(e->u.abort.reason, VS_ABORT_CANCELLED);
        cr_expect_eq(e->u.abort.closed, row[i].closed);
        vs_entry *answer = calloc(1, sizeof *answer);
        cr_expect_not(vs_world_entry(w, 1, VS_ENTRY_ANSWER, 0, answer), "nothing is released");
        cr_expect_eq(vs_world_end(w, VS_OPERATION_CANCEL, 1), vsw_Code_STATE);
        vs_world_expect_valid_log(w);
        free(answer);
        free(e);
        vs_world_free(w);
    }
}

Test(aggregator, ends_collection_when_told)
{
    vs_world *w = world_of(FOUR, 2, 12);
    cr_assert_eq(vs_world_open(w, 1, 0), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    for (uint32_t i = 0; i < 2; i++) vs_world_submit(w, i);
    for (uint32_t i = 0; i < 2; i++) cr_assert(vs_world_run_client(w, i, 10000));
    cr_expect_eq(vs_world_info(w, 0).phase, vsw_Phase_COLLECT);
    cr_expect_eq(vs_world_end(w, VS_OPERATION_CLOSE, 1), vsw_Code_OK);
    uint64_t before = w->now_ms;
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 60000));
    cr_expect_lt(w->now_ms - before, 10000, "long before the deadline");
    cr_expect_eq(vs_world_end(w, VS_OPERATION_CLOSE, 1), vsw_Code_STATE);
    vs_world_expect_sums(w, 1, 3);
    vs_world_free(w);
}

Test(aggregator, keeps_nothing_secret_of_a_finished_round)
{
    vs_world *w = world_of(FOUR, 2, 30);
    open_and_submit(w, 1);
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 60000));
    vs_buf value = {0};
    bool found = true;
    cr_assert_eq(
        w->store.ops->secret_get(w->store.ctx, "round/00000001/secret", &value, &found, NULL),
        VS_OK);
    cr_expect_not(found);
    vs_buf_free(&value);
    vs_world_free(w);
}

Test(aggregator, refuses_a_key_or_a_ledger_of_another_party)
{
    vs_world *w = world_of(FOUR, 2, 31);
    vs_world *other = world_of(FOUR, 2, 32);
    vs_aggregator *ag = NULL;
    vs_diag diag = {{0}};
    cr_expect_eq(vs_aggregator_new(&ag, w->tf->fed, w->tf->shareholder[0], w->log, w->store,
                                   vs_test_rng_of(&w->rng), w->now_ms, &diag),
                 VS_ERR_STATE);
    cr_expect_not_null(strstr(diag.text, "is not the aggregator's key"));
    cr_expect_eq(vs_aggregator_new(&ag, w->tf->fed, w->tf->aggregator, other->log, w->store,
                                   vs_test_rng_of(&w->rng), w->now_ms, &diag),
                 VS_ERR_STATE);
    cr_expect_not_null(strstr(diag.text, "another data folder"), "%s", diag.text);
    cr_expect_null(ag);
    vs_world_free(other);
    vs_world_free(w);
}

/* --- shareholders that lie -------------------------------------------------------------------- */

typedef struct liar {
    uint32_t j;
    bool about_hash; /* the sealed sum is not the one that it signed */
    vs_buf sealed;   /* chunks of the forged sum share */
} liar;

/* An answer of another sum, correctly signed and sealed: the shareholder's own lie. */
static void forge_answer(liar *f, vs_world *w, vs_buf *reply)
{
    vs_reply real;
    vs_dsse dsse = {0};
    vs_buf payload = {0}, envelope = {0}, plain = {0};
    vs_entry *e = calloc(1, sizeof *e);
    vs_entry *open = entry_of(w, 1, VS_ENTRY_OPEN);
    vs_seal *seal = NULL;
    uint8_t secret[32] = {5};
    vs_h32 public_key, ctx;
    vs_hash h;
    cr_assert_eq(vs_reply_decode(&real, reply->p, reply->len), VS_OK);
    if (real.head.which_result != vsw_Reply_answer_tag) goto cleanup;
    cr_assert_eq(vs_dsse_parse(&dsse, real.body, real.body_len, NULL), VS_OK);
    cr_assert_eq(vs_entry_decode(e, dsse.kind, dsse.payload.p, dsse.payload.len, NULL), VS_OK);
    vs_layout layout;
    cr_assert_eq(vs_layout_make(&layout, open->u.open.quantization_bits, open->u.open.max_clients,
                                w->config.committee.k,
                                open->u.open.dim + open->u.open.weight_digits, NULL),
                 VS_OK);
    for (uint32_t m = 0; m < layout.columns; m++) vs_buf_u64(&plain, m + 1);
    if (f->about_hash) vs_buf_u8(&plain, 0);
    vs_round_id id = {w->tf->fed->id, 1};
    vs_answer_hash_start(&h, &id, f->j);
    vs_hash_bytes(&h, plain.p, plain.len);
    vs_hash_final(&h, &e->u.answer.answer_hash);
    plain.len -= f->about_hash;
    cr_assert_eq(vs_entry_encode(&payload, e, NULL), VS_OK);
    cr_assert_eq(vs_dsse_sign(&envelope, "answer", payload.p, payload.len,
                              w->tf->shareholder[f->j - 1]->identity_seed, NULL),
                 VS_OK);
    vs_answer_context(&ctx, &id, &e->u.answer.set);
    vs_seal_public(&public_key, secret);
    cr_assert_eq(vs_seal_new_sender(&seal, secret, &open->u.open.aggregator_key, &ctx, f->j),
                 VS_OK);
    vs_buf_reset(&f->sealed);
    uint8_t *to = vs_buf_extend(&f->sealed, plain.len + VS_SEAL_TAG_BYTES);
    cr_assert_eq(vs_seal_chunk(seal, to, plain.p, plain.len, 0, true), VS_OK);
    vsw_Reply head = {.which_result = vsw_Reply_answer_tag, .result.answer = {.chunks = 1}};
    memcpy(head.result.answer.ephemeral_key, public_key.b, 32);
    vs_buf_reset(reply);
    cr_assert_eq(vs_reply_encode(reply, &head, envelope.p, envelope.len), VS_OK);

cleanup:
    vs_seal_free(seal);
    vs_dsse_free(&dsse);
    vs_buf_free(&payload);
    vs_buf_free(&envelope);
    vs_buf_free(&plain);
    free(open);
    free(e);
}

static vs_world_fate lying(void *ctx, vs_world *w, uint32_t j, const vs_request *request,
                           vs_buf *reply)
{
    liar *f = ctx;
    if (j != f->j || reply == NULL) return VS_WORLD_DELIVER;
    if (request->head.which_op == vsw_Request_answer_tag) forge_answer(f, w, reply);
    if (request->head.which_op == vsw_Request_answer_chunk_tag) {
        vsw_Reply head = {.which_result = vsw_Reply_progress_tag,
                          .result.progress = {.next = 1, .total = 1}};
        vs_buf_reset(reply);
        cr_assert_eq(vs_reply_encode(reply, &head, f->sealed.p, f->sealed.len), VS_OK);
    }
    return VS_WORLD_DELIVER;
}

Test(aggregator, names_a_shareholder_that_lies_about_its_sum)
{
    for (uint32_t j = 1; j <= 5; j += 2) {
        vs_world *w = world_of(FIVE, 3, 40 + j);
        liar f = {.j = j};
        w->hook = lying;
        w->hook_ctx = &f;
        open_and_submit(w, 1);
        cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 60000), "%s", vs_world_info(w, 1).detail);
        vs_world_expect_sums(w, 1, 7);
        vs_world_expect_valid_log(w);
        vs_entry *e = entry_of(w, 1, VS_ENTRY_RESULT);
        cr_expect(e->u.result.certain && e->u.result.n_answers == 5);
        cr_assert_eq(e->u.result.n_wrong, 1);
        cr_expect_eq(e->u.result.wrong[0], j);
        free(e);
        vs_buf_free(&f.sealed);
        vs_world_free(w);
    }
}

typedef struct late_liar {
    liar liar;
    uint32_t late; /* gets no order to answer, 0: everybody does */
} late_liar;

static vs_world_fate lying_and_late(void *ctx, vs_world *w, uint32_t j, const vs_request *request,
                                    vs_buf *reply)
{
    late_liar *f = ctx;
    bool lost = j == f->late && request->head.which_op == vsw_Request_answer_tag;
    return lost ? VS_WORLD_LOSE : lying(&f->liar, w, j, request, reply);
}

/* Four answers with a lie among them decide nothing: the fifth is waited for, though it is late. */
Test(aggregator, waits_for_another_answer_when_those_it_has_contradict_each_other)
{
    vs_world *w = world_of(FIVE, 3, 49);
    late_liar f = {.liar = {.j = 2}, .late = 3};
    w->hook = lying_and_late;
    w->hook_ctx = &f;
    open_and_submit(w, 1);
    cr_assert(vs_world_run_to(w, vsw_Phase_ANSWERING, 60000));
    vs_world_run_for(w, 10000);
    cr_expect_eq(vs_world_info(w, 1).phase, vsw_Phase_ANSWERING);
    cr_expect(vs_world_noticed(w, "contradict"));
    f.late = 0;
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 60000), "%s", vs_world_info(w, 1).detail);
    vs_world_expect_sums(w, 1, 7);
    vs_world_expect_valid_log(w);
    vs_entry *e = entry_of(w, 1, VS_ENTRY_RESULT);
    cr_expect(e->u.result.certain && e->u.result.n_answers == 5);
    cr_expect(e->u.result.n_wrong == 1 && e->u.result.wrong[0] == 2);
    free(e);
    vs_buf_free(&f.liar.sealed);
    vs_world_free(w);
}

Test(aggregator, drops_an_answer_that_is_not_what_was_signed)
{
    vs_world *w = world_of(FIVE, 3, 50);
    liar f = {.j = 4, .about_hash = true};
    w->hook = lying;
    w->hook_ctx = &f;
    open_and_submit(w, 1);
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 60000), "%s", vs_world_info(w, 1).detail);
    vs_world_expect_sums(w, 1, 7);
    vs_world_expect_valid_log(w);
    cr_expect(vs_world_noticed(w, "shareholder 4 is lost for answering"));
    vs_entry *e = entry_of(w, 1, VS_ENTRY_RESULT);
    cr_expect(e->u.result.n_answers == 4 && e->u.result.n_wrong == 0);
    free(e);
    vs_buf_free(&f.sealed);
    vs_world_free(w);
}

/* --- garbage ---------------------------------------------------------------------------------- */

typedef struct vandal {
    uint32_t j;
    pb_size_t op; /* whose replies it spoils */
    uint32_t how;
    uint32_t spoiled;
} vandal;

static vs_world_fate spoil(void *ctx, vs_world *w, uint32_t j, const vs_request *request,
                           vs_buf *reply)
{
    vandal *v = ctx;
    vs_reply decoded;
    (void)w;
    if (j != v->j || reply == NULL || request->head.which_op != v->op) return VS_WORLD_DELIVER;
    v->spoiled++;
    if (v->how == 0) { /* not a message */
        vs_test_bytes(reply->p, reply->len, 5);
    } else if (v->how == 1) { /* another kind of reply */
        vsw_Reply head = {.which_result = vsw_Reply_count_tag, .result.count = {.count = 5}};
        vs_buf_reset(reply);
        cr_assert_eq(vs_reply_encode(reply, &head, NULL, 0), VS_OK);
    } else if (vs_reply_decode(&decoded, reply->p, reply->len) == VS_OK) {
        /* one bit of the content: the body, or a signature in the head */
        size_t at = decoded.body_len > 0 ? reply->len - 1 - decoded.body_len / 2 : reply->len - 3;
        reply->p[at] ^= 1;
    }
    return VS_WORLD_DELIVER;
}

/* Whatever one shareholder of five answers to any request, the round ends with the right sum. */
Test(aggregator, survives_garbage_from_one_shareholder_at_any_request)
{
    const pb_size_t ops[] = {vsw_Request_status_tag,       vsw_Request_round_key_tag,
                             vsw_Request_open_tag,         vsw_Request_list_tag,
                             vsw_Request_vote_tag,         vsw_Request_log_entries_tag,
                             vsw_Request_cosign_tag,       vsw_Request_answer_tag,
                             vsw_Request_answer_chunk_tag, vsw_Request_sum_share_tag};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        for (uint32_t how = 0; how < 3; how++) {
            vs_world *w = world_of(FIVE, 2, 60);
            vandal v = {.j = 2, .op = ops[i], .how = how};
            w->hook = spoil;
            w->hook_ctx = &v;
            open_and_submit(w, 1);
            cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 120000), "operation %u, way %u: %s, %s",
                      (unsigned)ops[i], how, vs_phase_name(vs_world_info(w, 1).phase),
                      vs_world_info(w, 1).detail);
            vs_world_expect_sums(w, 1, 3);
            vs_world_expect_valid_log(w);
            cr_expect_gt(v.spoiled, 0, "operation %u", (unsigned)ops[i]);
            vs_world_free(w);
        }
    }
}
