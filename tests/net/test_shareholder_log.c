/* The shareholder as a mirror: entries, cosignatures, review of results, and power cuts. */
#include "tests/net/shareholder_world.h"

#include "net/result.h"

static vs_err give_size(void *ctx, uint32_t a, uint64_t *bytes)
{
    *bytes = ((vs_buf *)ctx)[a].len;
    return VS_OK;
}

static vs_err give(void *ctx, uint32_t a, uint64_t first, uint8_t *out, size_t count)
{
    memcpy(out, ((vs_buf *)ctx)[a].p + first * 8, count * 8);
    return VS_OK;
}

static vs_err take(void *ctx, uint64_t first, const uint64_t *sums, size_t n)
{
    (void)first;
    for (size_t i = 0; i < n; i++) vs_hash_u64(ctx, sums[i]);
    return VS_OK;
}

/* Answers of everybody and the result in the log; sum[j-1] are the published sum shares. */
static void log_result(world *w, vs_buf sum[5], vs_test_sub *const *subs, uint32_t n)
{
    vs_h32 leaf = w->log->leaf[w->log->n - 1];
    vs_entry answers[5];
    vs_hash sums;
    vs_result found;
    vs_sum_source source = {.size = give_size, .read = give, .ctx = sum};
    vs_sum_sink sink = {.sums = take, .ctx = &sums};
    vs_result_in in = {.committee = &w->tf->fed->committee,
                       .layout = &w->round.layout,
                       .id = w->round.id,
                       .n_clients = n,
                       .weight_digits = w->round.open.weight_digits,
                       .set_leaf_hash = leaf,
                       .n_answers = 5};
    for (uint32_t j = 1; j <= 5; j++) {
        vs_test_sum_share(&sum[j - 1], subs, n, j);
        answers[j - 1] = vs_test_entry_answer(w->log, &w->round, j, &leaf, &sum[j - 1]);
        in.index[j - 1] = j;
        in.answer_hash[j - 1] = answers[j - 1].u.answer.answer_hash;
    }
    for (uint32_t j = 1; j <= 5; j++) {
        log_entry(w, &answers[j - 1], w->tf->shareholder[j - 1]->identity_seed);
    }
    vs_hash_init(&sums);
    cr_assert_eq(vs_result_compute(&found, &in, &source, &sink, NULL), VS_OK);
    vs_entry e = vs_test_entry(w->log, VS_ENTRY_RESULT, w->round.id.round);
    vs_hash_final(&sums, &e.u.result.sum_blob);
    e.u.result.set = leaf;
    e.u.result.sum_hash = found.sum_hash;
    e.u.result.count = n;
    e.u.result.weight_sum = found.weight_sum;
    e.u.result.margin = found.margin;
    e.u.result.certain = found.certain;
    e.u.result.n_answers = 5;
    for (uint32_t j = 1; j <= 5; j++) {
        e.u.result.answers[j - 1].index = j;
        vs_sha256(&e.u.result.answers[j - 1].blob, sum[j - 1].p, sum[j - 1].len);
    }
    log_entry(w, &e, w->tf->aggregator->identity_seed);
}

static vs_err try_share(world *w, uint32_t j, const vs_buf *sum, uint64_t from, size_t len)
{
    vsw_Request head = {.which_op = vsw_Request_sum_share_tag};
    head.op.sum_share.round = w->round.id.round;
    head.op.sum_share.index = j;
    head.op.sum_share.offset = from;
    head.op.sum_share.total = sum->len;
    return try_call(w, &head, sum->p + from, len);
}

static vsw_Code share(world *w, uint32_t j, const vs_buf *sum, uint64_t from, size_t len)
{
    cr_assert_eq(try_share(w, j, sum, from, len), VS_OK);
    return code(w);
}

/* Everything up to the vote of clients 0..n-1, and the set in the log. */
static void to_set(world *w, uint32_t n)
{
    open_round(w, 1, DIM);
    submit_all(w, n);
    must_be(w, vote(w, w->sub, n));
    log_set(w, w->sub, n);
}

/* --- following -----------------------------------------------------------------------------------
 */

Test(shareholder_log, cosigns_what_it_replayed_and_never_a_smaller_tree)
{
    world *w = world_new(4, 2, 0);
    vs_buf old = {0};
    vsw_Request head = {.which_op = vsw_Request_cosign_tag};
    open_round(w, 1, DIM);
    vs_test_log_note(w->log, &old, 0);
    expect_code(w, cosign(w), vsw_Code_STATE); /* nothing was sent */
    must_be(w, push(w, 0));
    cr_expect_eq(next(w), 2);
    must_be(w, cosign(w));
    cr_expect_eq(w->reply.head.result.cosign.size, 2);
    vs_checkpoint c;
    vs_note_result r;
    cr_assert_eq(vs_note_verify(&r, old.p, old.len, &w->tf->fed->log_key, 1, NULL), VS_OK);
    uint8_t sig[VS_COSIGNATURE_BYTES];
    memcpy(sig, &w->reply.head.result.cosign.cosignature, sizeof sig);
    cr_expect_eq(vs_cosign_verify(sig, (const char *)old.p, r.text_len,
                                  &w->tf->fed->shareholder[3].cosigner_key),
                 VS_OK);
    cr_assert_eq(vs_checkpoint_parse(&c, old.p, r.text_len, NULL), VS_OK);

    submit_all(w, 2);
    must_be(w, vote(w, w->sub, 2));
    log_set(w, w->sub, 2);
    must_be(w, push(w, 2));
    must_be(w, cosign(w));
    expect_code(w, call(w, &head, old.p, old.len), vsw_Code_CONFLICT);
    cr_expect_eq(w->reply.head.result.error.value, 3);
    restart(w);
    expect_code(w, call(w, &head, old.p, old.len), vsw_Code_CONFLICT);
    cr_expect_eq(w->reply.head.result.error.value, 3);
    must_be(w, cosign(w)); /* the same once more */
    vs_buf_free(&old);
    world_free(w);
}

Test(shareholder_log, refuses_a_checkpoint_that_is_not_the_logs)
{
    world *w = world_new(4, 2, 0);
    vsw_Request head = {.which_op = vsw_Request_cosign_tag};
    vs_buf note = {0};
    open_round(w, 1, DIM);
    must_be(w, push(w, 0));
    vs_test_log_note(w->log, &note, 0);
    note.p[note.len - 10] ^= 1;
    cr_expect_neq(call(w, &head, note.p, note.len), vsw_Code_OK);
    expect_code(w, call(w, &head, "x", 1), vsw_Code_MALFORMED);
    w->log->tree.node[0].b[3] ^= 1;
    expect_code(w, cosign(w), vsw_Code_CONFLICT); /* well signed, another root */
    w->log->tree.node[0].b[3] ^= 1;
    must_be(w, cosign(w));
    w->log->tree.node[0].b[3] ^= 1;
    expect_code(w, cosign(w), vsw_Code_CONFLICT);
    w->log->tree.node[0].b[3] ^= 1;
    vs_buf_free(&note);
    world_free(w);
}

Test(shareholder_log, forgets_what_was_not_cosigned_and_keeps_what_was)
{
    world *w = world_new(4, 2, 0);
    vsw_Request head = {.which_op = vsw_Request_status_tag};
    open_round(w, 1, DIM);
    must_be(w, push(w, 0));
    restart(w);
    must_be(w, call(w, &head, NULL, 0));
    cr_expect_eq(w->reply.head.result.status.log_size, 0);
    must_be(w, push(w, 1)); /* a gap: it says where to go on */
    cr_expect_eq(next(w), 0);
    must_be(w, push(w, 0));
    must_be(w, cosign(w));
    restart(w);
    must_be(w, call(w, &head, NULL, 0));
    cr_expect_eq(w->reply.head.result.status.log_size, 2);
    must_be(w, push(w, 0)); /* the same again is fine */
    cr_expect_eq(next(w), 2);
    world_free(w);
}

/* Two logs after the `open`: provisional entries may be replaced, cosigned ones may not. */
Test(shareholder_log, refuses_a_fork_of_what_it_cosigned)
{
    world *w = world_new(4, 2, 0);
    open_round(w, 1, DIM);
    vs_entry e = vs_test_entry(w->log, VS_ENTRY_ABORT, 1);
    e.u.abort.reason = VS_ABORT_CANCELLED;
    const vs_test_log common = *w->log;
    log_entry(w, &e, w->tf->aggregator->identity_seed);
    must_be(w, push(w, 0));
    cr_expect_eq(next(w), 3);

    vs_test_log first = *w->log;
    *w->log = common;
    w->log->entry[2] = (vs_buf){0};
    e.u.abort.reason = VS_ABORT_EXPIRED;
    log_entry(w, &e, w->tf->aggregator->identity_seed);
    must_be(w, push(w, 2)); /* other bytes: back to what was cosigned, which is nothing */
    cr_expect_eq(next(w), 0);
    must_be(w, push(w, 0));
    cr_expect_eq(next(w), 3);
    must_be(w, cosign(w));

    vs_buf other = w->log->entry[2];
    w->log->entry[2] = first.entry[2];
    expect_code(w, push(w, 2), vsw_Code_CONFLICT);
    w->log->entry[2] = other;
    vs_buf_free(&first.entry[2]);
    world_free(w);
}

Test(shareholder_log, refuses_an_open_other_than_the_one_it_was_sent)
{
    world *w = world_new(4, 2, 0);
    open_round(w, 1, DIM);
    vs_buf_reset(&w->log->entry[1]);
    w->open->entry.u.open.dim++;
    vs_test_open_envelope(&w->log->entry[1], w->open, w->tf);
    expect_code(w, push(w, 0), vsw_Code_REFUSED);
    cr_expect_not_null(strstr(text(w), "not the one that was sent"), "%s", text(w));
    world_free(w);
}

Test(shareholder_log, refuses_messages_that_are_not_entries)
{
    world *w = world_new(4, 2, 0);
    vsw_Request head = {.which_op = vsw_Request_log_entries_tag, .op.log_entries.count = 1};
    expect_code(w, call(w, &head, NULL, 0), vsw_Code_MALFORMED);
    expect_code(w, call(w, &head, "\0\0\0\0", 4), vsw_Code_MALFORMED);
    expect_code(w, call(w, &head, "\1\0\0\0xy", 6), vsw_Code_MALFORMED);
    expect_code(w, call(w, &head, "\1\0\0\0x", 5), vsw_Code_MALFORMED); /* an entry of no kind */
    head.op.log_entries.count = 5000;
    expect_code(w, call(w, &head, NULL, 0), vsw_Code_MALFORMED);
    world_free(w);
}

/* --- review of the result ------------------------------------------------------------------------
 */

Test(shareholder_log, cosigns_a_result_that_it_recomputed_and_cleans_up)
{
    world *w = world_new(4, 3, 0);
    vs_buf sum[5] = {{0}};
    to_set(w, 3);
    must_be(w, push(w, 0));
    must_be(w, answer(w, 4));
    log_result(w, sum, w->sub, 3);
    expect_code(w, push(w, 3), vsw_Code_CANNOT); /* the sum shares are not here */
    for (uint32_t j = 1; j <= 5; j++) {
        must_be(w, share(w, j, &sum[j - 1], 0, 16));
        cr_expect_eq(next(w), 16);
        must_be(w, share(w, j, &sum[j - 1], 32, 8)); /* a gap */
        cr_expect_eq(next(w), 16);
        must_be(w, share(w, j, &sum[j - 1], 0, 16)); /* again */
        cr_expect_eq(next(w), 16);
        must_be(w, share(w, j, &sum[j - 1], 16, sum[j - 1].len - 16));
        cr_expect_eq(next(w), sum[j - 1].len);
    }
    must_be(w, push(w, 3));
    cr_expect_eq(next(w), w->log->n);
    must_be(w, cosign(w));
    cr_expect_eq(count_keys(w, "round/0000000000000001/client/"), 0);
    cr_expect_eq(count_keys(w, "round/0000000000000001/blob/"), 0);
    cr_expect_eq(count_keys(w, "key/"), 0);
    restart(w);
    vsw_Request head = {.which_op = vsw_Request_status_tag};
    must_be(w, call(w, &head, NULL, 0));
    cr_expect_eq(w->reply.head.result.status.phase, vsw_Phase_FINAL);
    must_be(w, share(w, 1, &sum[0], 0, 8)); /* done is done */
    cr_expect_eq(next(w), sum[0].len);
    open_round(w, 2, DIM);
    for (uint32_t j = 0; j < 5; j++) vs_buf_free(&sum[j]);
    world_free(w);
}

Test(shareholder_log, refuses_a_result_that_is_not_the_sum_and_keeps_why)
{
    world *w = world_new(4, 3, 0);
    vs_buf sum[5] = {{0}};
    to_set(w, 3);
    must_be(w, push(w, 0));
    must_be(w, answer(w, 4));
    log_result(w, sum, w->sub, 3);
    for (uint32_t j = 1; j <= 5; j++) must_be(w, share(w, j, &sum[j - 1], 0, sum[j - 1].len));
    vs_entry e = vs_test_entry(w->log, VS_ENTRY_RESULT, 1);
    vs_buf_free(&w->log->entry[--w->log->n]);
    w->log->prev = w->log->leaf[0];
    e.prev = w->log->prev;
    e.u.result.set = w->log->leaf[2];
    e.u.result.count = 3;
    e.u.result.n_answers = 5;
    for (uint32_t j = 1; j <= 5; j++) {
        e.u.result.answers[j - 1].index = j;
        vs_sha256(&e.u.result.answers[j - 1].blob, sum[j - 1].p, sum[j - 1].len);
    }
    log_entry(w, &e, w->tf->aggregator->identity_seed); /* sum_hash is wrong */
    expect_code(w, push(w, 3), vsw_Code_REFUSED);
    cr_expect_not_null(strstr(text(w), "sum_hash"), "%s", text(w));
    cr_expect_eq(count_keys(w, "log/refused/"), 1);
    expect_code(w, cosign(w), vsw_Code_STATE);
    for (uint32_t j = 0; j < 5; j++) vs_buf_free(&sum[j]);
    world_free(w);
}

/* Anybody can send bytes; what counts is what the log names. */
Test(shareholder_log, lets_the_real_sum_share_replace_a_false_one)
{
    world *w = world_new(4, 2, 0);
    vs_buf sum = {0}, bad = {0};
    to_set(w, 2);
    must_be(w, push(w, 0));
    vs_test_sum_share(&sum, w->sub, 2, 3);
    vs_buf_bytes(&bad, sum.p, sum.len);
    bad.p[20] ^= 1;
    must_be(w, share(w, 3, &bad, 0, bad.len));
    cr_expect_eq(next(w), bad.len);
    must_be(w, share(w, 3, &sum, 16, 32)); /* differs: from the start, please */
    cr_expect_eq(next(w), 0);
    must_be(w, share(w, 3, &sum, 0, sum.len));
    cr_expect_eq(next(w), sum.len);
    must_be(w, share(w, 3, &bad, 0, bad.len));
    must_be(w, share(w, 3, &sum, 0, sum.len)); /* at once over a whole one */
    cr_expect_eq(next(w), sum.len);
    expect_code(w, share(w, 3, &sum, 0, 0), vsw_Code_MALFORMED);
    expect_code(w, share(w, 6, &sum, 0, 8), vsw_Code_MALFORMED);
    sum.len -= 8;
    expect_code(w, share(w, 3, &sum, 0, 8), vsw_Code_MALFORMED); /* another total */
    w->round.id.round = 2;
    expect_code(w, share(w, 3, &sum, 0, 8), vsw_Code_UNKNOWN_ROUND);
    vs_buf_free(&sum);
    vs_buf_free(&bad);
    world_free(w);
}

/* --- power cuts ----------------------------------------------------------------------------------
 */

typedef struct promise {
    bool receipt[2], frozen, voted, answered;
    uint8_t vote[64];
    vs_buf answer;
} promise;

/* One step of the round; false when the process died in it. */
static bool step(world *w, uint32_t at, promise *p)
{
    vs_test_sub *s = w->sub[at / 3 < 2 ? at / 3 : 0];
    vs_err err;
    switch (at) {
    case 0:
    case 3: err = try_begin(w, s); break;
    case 1:
    case 4:
        err = try_begin(w, s);
        if (err == VS_OK) err = try_chunks(w, s, 0, chunk_count(w));
        break;
    case 2:
    case 5:
        err = try_begin(w, s);
        if (err == VS_OK) err = try_chunks(w, s, 0, chunk_count(w));
        if (err == VS_OK) err = try_finish(w, s);
        if (err == VS_OK) {
            must_be(w, code(w));
            expect_receipt(w, s);
            p->receipt[at / 3] = true;
        }
        break;
    case 6:
        err = try_list(w);
        if (err == VS_OK) expect_list(w, w->sub, 2);
        break;
    case 7:
        err = try_vote(w, w->sub, 2);
        if (err != VS_OK) break;
        must_be(w, code(w));
        if (p->voted) cr_expect(memcmp(p->vote, w->reply.head.result.vote.signature, 64) == 0);
        memcpy(p->vote, w->reply.head.result.vote.signature, 64);
        p->voted = true;
        break;
    case 8: err = try_push(w, 0); break;
    case 9:
        err = try_push(w, 0);
        if (err == VS_OK) err = try_cosign(w);
        break;
    default:
        err = try_answer(w, 4);
        if (err != VS_OK) break;
        must_be(w, code(w));
        vs_buf_reset(&p->answer);
        vs_buf_bytes(&p->answer, w->reply.body, w->reply.body_len);
        p->answered = true;
        break;
    }
    if (err == VS_OK) must_be(w, code(w));
    return err == VS_OK;
}

/* The k-th call that changes the store fails and the power goes. True if that happened. */
static bool cut_at(uint32_t j, uint64_t k)
{
    world *w = world_new(j, 2, 0);
    promise p = {0};
    bool cut = false;
    open_round(w, 1, DIM);
    for (uint32_t i = 0; i < 2; i++) (void)sub_of(w, i, NULL);
    vs_store_mem_fail_at(&w->store, k);
    for (uint32_t at = 0; at <= 10; at++) {
        if (at == 8) log_set(w, w->sub, 2);
        while (!step(w, at, &p)) {
            cr_assert(!cut, "it fails once only");
            cut = true;
            vs_shareholder_free(w->sh);
            vs_store_mem_fail_at(&w->store, 0);
            vs_store_mem_power_cut(&w->store);
            w->sh = NULL;
            start(w);
            if (at > 8) cr_assert_eq(try_push(w, 0), VS_OK);
        }
    }
    expect_sum(w, w->sub, 2); /* nothing that was promised is lost, nothing is counted twice */
    vs_buf_free(&p.answer);
    world_free(w);
    return cut;
}

Test(shareholder_log, keeps_its_word_wherever_the_power_goes)
{
    for (uint32_t j = 1; j <= 4; j += 3) {
        uint64_t k = 1;
        while (cut_at(j, k)) k++;
        cr_expect_gt(k, 15, "only %llu calls change the store", (unsigned long long)k);
    }
}
