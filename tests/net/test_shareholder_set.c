/* The shareholder and the aggregator: vote once, answer once, follow the log, sit out. */
#include <stdio.h>

#include "tests/net/shareholder_world.h"

/* --- the whole way -------------------------------------------------------------------------------
 */

static void answers_honestly(uint32_t j, uint32_t dim)
{
    world *w = world_new(j, 3, 0);
    open_round(w, 1, dim);
    submit_all(w, 3);
    must_be(w, list(w));
    must_be(w, vote(w, w->sub, 3));
    log_set(w, w->sub, 3);
    must_be(w, push(w, 0));
    must_be(w, cosign(w));
    must_be(w, answer(w, 4));
    expect_sum(w, w->sub, 3);
    world_free(w);
}

Test(shareholder_set, answers_the_sum_of_the_set_and_no_mask_column)
{
    answers_honestly(4, DIM);
    answers_honestly(2, LONG_DIM);
    answers_honestly(1, LONG_DIM);
}

/* A client on the list that is not in the set is subtracted; after a restart the sum is rebuilt. */
static void leaves_out(uint32_t j, bool restarted)
{
    world *w = world_new(j, 5, 0);
    open_round(w, 1, DIM);
    submit_all(w, 5);
    must_be(w, list(w));
    must_be(w, vote(w, w->sub + 1, 4));
    log_set(w, w->sub + 1, 4);
    must_be(w, push(w, 0));
    if (restarted) {
        restart(w);
        must_be(w, push(w, 0)); /* what was not cosigned is forgotten */
    }
    must_be(w, answer(w, 4)); /* the quorum's checkpoint is enough to follow it */
    expect_sum(w, w->sub + 1, 4);
    world_free(w);
}

Test(shareholder_set, subtracts_who_is_not_in_the_set)
{
    leaves_out(4, false);
    leaves_out(1, false);
    leaves_out(4, true);
}

/* --- vote ----------------------------------------------------------------------------------------
 */

/* A packet from anywhere must not freeze a list, spend the vote or close the round. */
Test(shareholder_set, obeys_orders_of_the_aggregator_only)
{
    static const struct {
        pb_size_t op;
        vs_order order;
    } orders[] = {{vsw_Request_list_tag, VS_ORDER_LIST},
                  {vsw_Request_vote_tag, VS_ORDER_VOTE},
                  {vsw_Request_close_tag, VS_ORDER_CLOSE}};
    world *w = world_new(4, 2, 0);
    open_round(w, 1, DIM);
    must_be(w, submit(w, sub_of(w, 0, NULL)));
    for (size_t i = 0; i < 3; i++) {
        vsw_Request head = {.which_op = orders[i].op};
        vs_buf body = {0};
        head.op.list.round = 1;
        expect_code(w, call(w, &head, NULL, 0), vsw_Code_UNAUTHORISED);
        vs_test_order(&body, w->tf, 1, orders[(i + 1) % 3].order); /* another order */
        expect_code(w, call(w, &head, body.p, body.len), vsw_Code_UNAUTHORISED);
        vs_buf_reset(&body);
        vs_test_order(&body, w->tf, 2, orders[i].order); /* another round */
        expect_code(w, call(w, &head, body.p, body.len), vsw_Code_UNAUTHORISED);
        vs_buf_reset(&body);
        vs_test_order(&body, w->tf, 1, orders[i].order);
        body.p[i] ^= 1;
        expect_code(w, call(w, &head, body.p, body.len), vsw_Code_UNAUTHORISED);
        vs_buf_free(&body);
    }
    must_be(w, submit(w, sub_of(w, 1, NULL))); /* nothing was frozen or closed */
    must_be(w, vote(w, w->sub, 2));
    world_free(w);
}

Test(shareholder_set, votes_at_most_once_across_a_restart)
{
    world *w = world_new(4, 5, 0);
    uint8_t sig[64];
    open_round(w, 1, DIM);
    submit_all(w, 5);
    must_be(w, vote(w, w->sub, 5)); /* without being asked for its list */
    memcpy(sig, w->reply.head.result.vote.signature, 64);
    must_be(w, vote(w, w->sub, 5));
    expect_code(w, vote(w, w->sub, 4), vsw_Code_CONFLICT);
    restart(w);
    expect_code(w, vote(w, w->sub, 4), vsw_Code_CONFLICT);
    must_be(w, vote(w, w->sub, 5));
    cr_expect(memcmp(sig, w->reply.head.result.vote.signature, 64) == 0);

    vs_buf records = {0}, bytes = {0};
    vs_test_records(&records, w->sub, 5);
    vs_proposal p = vs_test_proposal(&w->round, &records);
    cr_assert_eq(vs_vote_bytes(&bytes, &p, 4), VS_OK);
    cr_expect_eq(vs_verify(sig, bytes.p, bytes.len, &w->tf->fed->shareholder[3].party.key), VS_OK);
    vs_buf_free(&records);
    vs_buf_free(&bytes);
    world_free(w);
}

Test(shareholder_set, refuses_a_set_below_min_clients)
{
    world *w = world_new(4, 1, 0);
    open_round(w, 1, DIM);
    submit_all(w, 1);
    expect_code(w, vote(w, w->sub, 1), vsw_Code_REFUSED);
    cr_expect_not_null(strstr(text(w), "min_clients is 2"), "%s", text(w));
    expect_code(w, vote(w, w->sub, 0), vsw_Code_REFUSED);
    world_free(w);
}

Test(shareholder_set, refuses_a_set_above_max_clients)
{
    world *w = world_new(4, 3, 0);
    open_round(w, 1, DIM);
    submit_all(w, 2);
    vs_buf many = {0};
    const vs_buf none = {0};
    for (uint8_t i = 0; i < 17; i++) {
        uint8_t record[VS_RECORD_BYTES] = {i};
        vs_buf_bytes(&many, record, sizeof record);
    }
    vs_proposal p = vs_test_proposal(&w->round, &many);
    cr_assert_eq(try_vote_on(w, &p, &many, &none), VS_OK);
    expect_code(w, code(w), vsw_Code_REFUSED);
    cr_expect_not_null(strstr(text(w), "max_clients is 16"), "%s", text(w));
    vs_buf_free(&many);
    world_free(w);
}

Test(shareholder_set, refuses_a_set_that_covers_too_little_of_its_list)
{
    world *w = world_new(4, 5, 0);
    open_round(w, 1, DIM);
    submit_all(w, 5);
    expect_code(w, vote(w, w->sub, 3), vsw_Code_REFUSED);
    cr_expect_not_null(strstr(text(w), "min_cover"), "%s", text(w));
    must_be(w, vote(w, w->sub, 4)); /* 80 % */
    world_free(w);
}

Test(shareholder_set, refuses_a_set_with_a_submission_that_it_does_not_hold)
{
    world *w = world_new(4, 3, 0);
    open_round(w, 1, DIM);
    submit_all(w, 2);
    (void)sub_of(w, 2, NULL);
    expect_code(w, vote(w, w->sub, 3), vsw_Code_CANNOT);
    w->sub[1]->record.manifest_hash.b[0] ^= 1; /* another manifest of a client that it holds */
    expect_code(w, vote(w, w->sub, 2), vsw_Code_CANNOT);
    w->sub[1]->record.manifest_hash.b[0] ^= 1;
    w->sub[1]->record.commit_root.b[0] ^= 1;
    expect_code(w, vote(w, w->sub, 2), vsw_Code_CANNOT);
    w->sub[1]->record.commit_root.b[0] ^= 1;
    must_be(w, vote(w, w->sub, 2));
    world_free(w);
}

Test(shareholder_set, refuses_a_proposal_that_is_not_well_formed)
{
    world *w = world_new(4, 2, 0);
    vs_buf records = {0}, rejected = {0}, none = {0};
    uint8_t rec[VS_RECORD_BYTES];
    const vs_h32 zero = {{0}};
    open_round(w, 1, DIM);
    submit_all(w, 2);
    vs_test_records(&records, w->sub, 2);
    const vs_proposal good = vs_test_proposal(&w->round, &records);
    vs_proposal p = good;
#define TRY(expected)                                                                              \
    do {                                                                                           \
        cr_assert_eq(try_vote_on(w, &p, &records, &rejected), VS_OK);                              \
        expect_code(w, code(w), expected);                                                         \
        p = good;                                                                                  \
    } while (0)
    p.root.b[0] ^= 1;
    TRY(vsw_Code_MALFORMED);
    p.rejected_root.b[0] ^= 1;
    TRY(vsw_Code_MALFORMED);
    p.count++;
    TRY(vsw_Code_MALFORMED);
    p.params_hash.b[0] ^= 1;
    TRY(vsw_Code_MODEL_MISMATCH);
    p.id.federation_id.b[0] ^= 1;
    TRY(vsw_Code_REFUSED);
    p.id.round++;
    TRY(vsw_Code_REFUSED);
    vs_rejected_encode(rec, &w->sub[0]->record.pseudonym, &zero, VS_REJECT_LATE); /* in U as well */
    vs_buf_bytes(&rejected, rec, sizeof rec);
    p.rejected_count = 1;
    cr_assert_eq(vs_records_root(&p.rejected_root, rejected.p, 1), VS_OK);
    TRY(vsw_Code_REFUSED);
    vs_rejected_encode(rejected.p, &zero, &zero, VS_REJECT_LATE);
    rejected.p[64] = 99; /* no such reason */
    p.rejected_count = 1;
    cr_assert_eq(vs_records_root(&p.rejected_root, rejected.p, 1), VS_OK);
    TRY(vsw_Code_REFUSED);
    vs_rejected_encode(rejected.p, &zero, &zero, VS_REJECT_LATE);
    p.rejected_count = 1;
    cr_assert_eq(vs_records_root(&p.rejected_root, rejected.p, 1), VS_OK);
    uint8_t *r = records.p; /* not sorted */
    for (uint32_t i = 0; i < VS_RECORD_BYTES; i++) {
        uint8_t t = r[i];
        r[i] = r[i + VS_RECORD_BYTES];
        r[i + VS_RECORD_BYTES] = t;
    }
    const vs_proposal with_rejected = p;
    TRY(vsw_Code_MALFORMED);
    vs_test_records(&records, w->sub, 2);
    p = with_rejected;
    TRY(vsw_Code_OK);
    vs_buf_free(&records);
    vs_buf_free(&rejected);
    vs_buf_free(&none);
    world_free(w);
}

Test(shareholder_set, never_votes_after_closed)
{
    world *w = world_new(5, 2, 0); /* log_set has the votes of 1..4 */
    vs_buf envelope = {0};
    open_round(w, 1, DIM);
    submit_all(w, 2);
    must_be(w, list(w));
    must_be(w, close_round(w));
    vs_buf_bytes(&envelope, w->reply.body, w->reply.body_len);
    expect_code(w, vote(w, w->sub, 2), vsw_Code_REFUSED);
    restart(w);
    expect_code(w, vote(w, w->sub, 2), vsw_Code_REFUSED);
    must_be(w, close_round(w));
    cr_expect_eq(w->reply.body_len, envelope.len);
    cr_expect(memcmp(w->reply.body, envelope.p, envelope.len) == 0);
    log_set(w, w->sub, 2);
    must_be(w, push(w, 0));
    expect_code(w, answer(w, 4), vsw_Code_REFUSED);
    w->now_ms += 100 * 1000; /* a statement is a statement, after the hard expiry too */
    must_be(w, close_round(w));
    vs_buf_free(&envelope);
    world_free(w);
}

/* The closed entry is one that the log takes. */
Test(shareholder_set, signs_a_closed_that_the_log_accepts)
{
    world *w = world_new(4, 2, 0);
    vs_buf envelope = {0};
    open_round(w, 1, DIM);
    must_be(w, close_round(w));
    vs_buf_bytes(&envelope, w->reply.body, w->reply.body_len);
    vs_test_log_add(w->log, &envelope, VS_ENTRY_CLOSED);
    must_be(w, push(w, 0));
    must_be(w, cosign(w));
    vs_buf_free(&envelope);
    world_free(w);
}

Test(shareholder_set, never_closes_after_its_vote)
{
    world *w = world_new(4, 2, 0);
    open_round(w, 1, DIM);
    submit_all(w, 2);
    must_be(w, vote(w, w->sub, 2));
    expect_code(w, close_round(w), vsw_Code_REFUSED);
    restart(w);
    expect_code(w, close_round(w), vsw_Code_REFUSED);
    w->now_ms += 100 * 1000;
    expect_code(w, close_round(w), vsw_Code_REFUSED);
    world_free(w);
}

/* --- answer --------------------------------------------------------------------------------------
 */

static void to_set(world *w)
{
    open_round(w, 1, DIM);
    submit_all(w, 3);
    must_be(w, vote(w, w->sub, 3));
    log_set(w, w->sub, 3);
}

Test(shareholder_set, answers_once_across_a_restart)
{
    world *w = world_new(4, 3, 0);
    vs_buf first = {0};
    uint8_t key[32];
    to_set(w);
    must_be(w, push(w, 0));
    must_be(w, answer(w, 4));
    vs_buf_bytes(&first, w->reply.body, w->reply.body_len);
    memcpy(key, w->reply.head.result.answer.ephemeral_key, 32);
    cr_expect(!has_secret(w, 1), "no secret once the answer is durable");
    restart(w);
    vs_store_mem_power_cut(&w->store);
    must_be(w, answer(w, 0)); /* repeated without any certificate: it is out already */
    cr_expect_eq(w->reply.body_len, first.len);
    cr_expect(memcmp(w->reply.body, first.p, first.len) == 0);
    cr_expect(memcmp(w->reply.head.result.answer.ephemeral_key, key, 32) == 0);
    expect_sum(w, w->sub, 3);
    vs_buf_free(&first);
    world_free(w);
}

Test(shareholder_set, answers_nothing_without_a_certificate)
{
    world *w = world_new(4, 3, 0);
    vsw_Request head = {.which_op = vsw_Request_answer_chunk_tag, .op.answer_chunk.round = 1};
    to_set(w);
    expect_code(w, answer(w, 4), vsw_Code_STATE); /* not followed */
    must_be(w, push(w, 0));
    expect_code(w, answer(w, 3), vsw_Code_BAD_SIGNATURE); /* no quorum */
    vsw_Request ask = {.which_op = vsw_Request_answer_tag, .op.answer.round = 1};
    expect_code(w, call(w, &ask, "checkpoint", 10), vsw_Code_MALFORMED);
    w->log->tree.node[0].b[0] ^= 1; /* a quorum for another tree of this size */
    expect_code(w, answer(w, 4), vsw_Code_STATE);
    w->log->tree.node[0].b[0] ^= 1;
    expect_code(w, call(w, &head, NULL, 0), vsw_Code_STATE);
    must_be(w, answer(w, 4));
    world_free(w);
}

Test(shareholder_set, answers_nothing_before_the_set_or_after_the_expiry)
{
    world *w = world_new(4, 3, 0);
    open_round(w, 1, DIM);
    submit_all(w, 3);
    must_be(w, push(w, 0));
    expect_code(w, answer(w, 4), vsw_Code_STATE);
    log_set(w, w->sub, 3);
    must_be(w, push(w, 0));
    w->now_ms += 61 * 1000;
    expect_code(w, answer(w, 4), vsw_Code_CANNOT);
    cr_expect(!has_secret(w, 1));
    world_free(w);
}

static void tick(world *w)
{
    const vs_event event = {.kind = VS_EVENT_TICK};
    vs_outbox box = {0};
    cr_assert_eq(vs_shareholder_step(w->sh, w->now_ms, &event, &box, NULL), VS_OK);
    cr_expect_eq(box.n, 0);
    vs_outbox_free(&box);
}

/* The sum that a restart lost comes back a slice at a time; until then the answer is "busy". */
Test(shareholder_set, adds_up_again_in_slices_after_a_restart)
{
    for (uint32_t ask_early = 0; ask_early < 2; ask_early++) {
        world *w = world_new(4, SUBS, 0);
        open_round(w, 1, DIM);
        submit_all(w, SUBS);
        must_be(w, vote(w, w->sub, SUBS - 1)); /* one of them is left out of the set */
        log_set(w, w->sub, SUBS - 1);
        must_be(w, push(w, 0));
        restart(w);
        must_be(w, push(w, 0));
        cr_expect(vs_shareholder_is_busy(w->sh));
        if (ask_early == 1) {
            expect_code(w, answer(w, 4), vsw_Code_BUSY);
            cr_expect_gt(w->reply.head.result.error.value, 0);
            cr_expect_lt(w->reply.head.result.error.value, SUBS);
        }
        for (uint32_t i = 0; i < SUBS && vs_shareholder_is_busy(w->sh); i++) tick(w);
        cr_expect_not(vs_shareholder_is_busy(w->sh));
        must_be(w, answer(w, 4));
        expect_sum(w, w->sub, SUBS - 1);
        cr_expect_not(vs_shareholder_is_busy(w->sh));
        world_free(w);
    }
}

/* It did not vote, but the logged set is what it holds. */
Test(shareholder_set, answers_without_its_vote_if_it_holds_the_set)
{
    world *w = world_new(5, 3, 0); /* votes are of 1..4 */
    open_round(w, 1, DIM);
    submit_all(w, 3);
    must_be(w, list(w));
    log_set(w, w->sub, 3);
    must_be(w, push(w, 0));
    must_be(w, answer(w, 4));
    expect_sum(w, w->sub, 3);
    world_free(w);
}

Test(shareholder_set, cannot_answer_for_a_record_that_it_lacks)
{
    world *w = world_new(5, 3, 0);
    open_round(w, 1, DIM);
    submit_all(w, 2);
    (void)sub_of(w, 2, NULL);
    must_be(w, list(w));
    log_set(w, w->sub, 3);
    must_be(w, push(w, 0));
    expect_code(w, answer(w, 4), vsw_Code_CANNOT);
    world_free(w);
}

/* Stored bytes that no longer open to c_j: cannot, never a partial sum. */
Test(shareholder_set, cannot_answer_when_a_stored_share_is_damaged)
{
    world *w = world_new(4, 3, 0);
    const char blob[] = "0000000000000001/uploads/00000000";
    const uint8_t bad = 0;
    to_set(w);
    const uint64_t slot = w->sub[1]->sealed[3].len; /* of the second client */
    must_be(w, push(w, 0));
    restart(w);
    must_be(w, push(w, 0));
    cr_assert_eq(w->store.ops->blob_write(w->store.ctx, blob, slot + 60, &bad, 1, NULL), VS_OK);
    cr_assert_eq(w->store.ops->blob_write(w->store.ctx, blob, slot + 61, &bad, 1, NULL), VS_OK);
    expect_code(w, answer(w, 4), vsw_Code_CANNOT);
    expect_code(w, answer(w, 4), vsw_Code_CANNOT);
    cr_expect_eq(count_keys(w, "round/0000000000000001/answer"), 0);
    world_free(w);
}

/* Bytes that open (their client sealed them) but are not what it committed to. */
Test(shareholder_set, cannot_answer_with_another_share_than_the_committed_one)
{
    for (uint32_t j = 1; j <= 4; j += 3) {
        world *w = world_new(j, 3, 0);
        const vs_test_cheat cheat = {.wrong_share = j};
        const char blob[] = "0000000000000001/uploads/00000000";
        to_set(w);
        vs_test_sub *other = vs_test_sub_new(w->tf, &w->round, 1, 501, &cheat); /* same keys */
        const vs_buf *sealed = &other->sealed[j - 1];
        cr_assert_eq(
            w->store.ops->blob_write(w->store.ctx, blob, sealed->len, sealed->p, sealed->len, NULL),
            VS_OK);
        restart(w);
        must_be(w, push(w, 0));
        expect_code(w, answer(w, 4), vsw_Code_CANNOT);
        vs_test_sub_free(other);
        world_free(w);
    }
}

/* --- statements that it does not remember --------------------------------------------------------
 */

Test(shareholder_set, sits_out_a_round_in_which_the_log_shows_a_vote_that_it_forgot)
{
    world *w = world_new(4, 3, 0); /* its store is an old copy: the vote of 4 is in the log */
    open_round(w, 1, DIM);
    submit_all(w, 3);
    must_be(w, list(w));
    log_set(w, w->sub, 3);
    must_be(w, push(w, 0));
    must_be(w, cosign(w)); /* it still follows */
    expect_code(w, answer(w, 4), vsw_Code_CANNOT);
    restart(w);
    expect_code(w, answer(w, 4), vsw_Code_CANNOT);
    expect_code(w, vote(w, w->sub, 3), vsw_Code_CANNOT);
    expect_code(w, close_round(w), vsw_Code_CANNOT);
    expect_code(w, list(w), vsw_Code_CANNOT);
    world_free(w);
}

Test(shareholder_set, sits_out_a_round_in_which_the_log_shows_an_answer_that_it_forgot)
{
    world *w = world_new(5, 3, 0);
    vs_buf sum = {0};
    open_round(w, 1, DIM);
    submit_all(w, 3);
    must_be(w, list(w));
    log_set(w, w->sub, 3);
    vs_test_sum_share(&sum, w->sub, 3, 5);
    vs_h32 leaf = w->log->leaf[w->log->n - 1];
    vs_entry e = vs_test_entry_answer(w->log, &w->round, 5, &leaf, &sum);
    log_entry(w, &e, w->tf->shareholder[4]->identity_seed);
    must_be(w, push(w, 0));
    expect_code(w, answer(w, 4), vsw_Code_CANNOT);
    vs_buf_free(&sum);
    world_free(w);
}
