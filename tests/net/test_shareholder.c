/* The shareholder and its clients: round keys, open, uploads, receipts. */
#include <stdio.h>

#include "tests/net/shareholder_world.h"

/* --- round keys and open -------------------------------------------------------------------------
 */

Test(shareholder, gives_one_signed_key_per_round)
{
    world *w = world_new(4, 0, 0);
    vs_h32 first, second;
    vs_buf bytes = {0};
    must_be(w, ask_key(w, 1));
    memcpy(first.b, w->reply.head.result.round_key.key, 32);
    const vs_round_id id = {.federation_id = w->tf->fed->id, .round = 1};
    cr_assert_eq(vs_round_key_bytes(&bytes, &id, 4, &first), VS_OK);
    cr_expect_eq(vs_verify(w->reply.head.result.round_key.signature, bytes.p, bytes.len,
                           &w->tf->fed->shareholder[3].party.key),
                 VS_OK);
    restart(w);
    must_be(w, ask_key(w, 1));
    cr_expect(memcmp(first.b, w->reply.head.result.round_key.key, 32) == 0);
    must_be(w, ask_key(w, 2));
    memcpy(second.b, w->reply.head.result.round_key.key, 32);
    cr_expect(!vs_h32_equal(&first, &second));
    vs_buf_free(&bytes);
    world_free(w);
}

/* Requests for keys are not signed: whatever numbers they name, the store stays small and the next
 * round can open. */
Test(shareholder, keeps_few_round_keys_whatever_is_asked)
{
    world *w = world_new(4, 0, 0);
    for (uint64_t round = 1000; round > 900; round--) must_be(w, ask_key(w, round));
    expect_code(w, ask_key(w, UINT64_MAX), vsw_Code_BUSY);
    cr_expect_eq(count_keys(w, "key/"), 16);
    restart(w);
    expect_code(w, ask_key(w, 0), vsw_Code_STATE);
    open_round(w, 1, DIM);
    cr_expect(has_secret(w, 1));
    expect_code(w, ask_key(w, 1), vsw_Code_OK);
    open_round(w, 2, DIM); /* a newer round: the older one's secret goes */
    cr_expect(!has_secret(w, 1));
    expect_code(w, ask_key(w, 1), vsw_Code_STATE);
    world_free(w);
}

Test(shareholder, takes_one_open_per_round)
{
    world *w = world_new(4, 0, 0);
    must_be(w, ask_key(w, 1));
    make_open(w, 1, DIM);
    must_be(w, send_open(w));
    must_be(w, send_open(w));
    restart(w);
    must_be(w, send_open(w));
    must_be(w, ask_key(w, 1));
    make_open(w, 1, DIM + 1);
    expect_code(w, send_open(w), vsw_Code_CONFLICT);
    world_free(w);
}

Test(shareholder, refuses_an_open_that_is_wrong)
{
    world *w = world_new(4, 0, 0);
    must_be(w, ask_key(w, 1));
    make_open(w, 1, DIM);
    vs_test_open_unlist(w->open, 4);
    vs_buf_reset(&w->open_bytes);
    vs_test_open_envelope(&w->open_bytes, w->open, w->tf);
    expect_code(w, send_open(w), vsw_Code_REFUSED); /* not listed */

    must_be(w, ask_key(w, 1));
    make_open(w, 1, DIM);
    w->open_bytes.p[w->open_bytes.len / 2] ^= 1;
    cr_expect_neq(send_open(w), vsw_Code_OK);

    must_be(w, ask_key(w, 1));
    make_open(w, 1, DIM);
    w->open->entry.u.open.shareholders[3].sig[0] ^= 1;
    vs_buf_reset(&w->open_bytes);
    vs_test_open_envelope(&w->open_bytes, w->open, w->tf);
    expect_code(w, send_open(w), vsw_Code_REFUSED);
    must_be(w, ask_key(w, 2)); /* our key of round 2, well signed for round 1 */
    memcpy(w->open->entry.u.open.shareholders[3].key.b, w->reply.head.result.round_key.key, 32);
    vs_test_open_sign_keys(w->open, w->tf);
    vs_buf_reset(&w->open_bytes);
    vs_test_open_envelope(&w->open_bytes, w->open, w->tf);
    expect_code(w, send_open(w), vsw_Code_CANNOT);

    must_be(w, ask_key(w, 1));
    make_open(w, 1, DIM);
    w->now_ms += 1000 * 400; /* the deadline is far behind */
    expect_code(w, send_open(w), vsw_Code_REFUSED);
    w->now_ms -= 1000 * 800; /* opened in the future */
    expect_code(w, send_open(w), vsw_Code_REFUSED);
    w->now_ms += 1000 * 400;
    must_be(w, send_open(w));
    world_free(w);
}

Test(shareholder, answers_only_its_own_federation_and_known_rounds)
{
    world *w = world_new(4, 1, 0);
    vs_event event = {.kind = VS_EVENT_REQUEST, .conn = 1};
    vsw_Request head = {.which_op = vsw_Request_status_tag};
    vs_buf msg = {0};
    cr_assert_eq(vs_request_encode(&msg, &head, NULL, 0), VS_OK); /* federation id of zeros */
    event.msg = msg.p;
    event.len = msg.len;
    cr_assert_eq(vs_shareholder_step(w->sh, w->now_ms, &event, &w->box, NULL), VS_OK);
    cr_assert_eq(vs_reply_decode(&w->reply, w->box.item[0].msg.p, w->box.item[0].msg.len), VS_OK);
    expect_code(w, code(w), vsw_Code_WRONG_FEDERATION);
    vs_outbox_clear(&w->box);
    event.len = 3;
    cr_assert_eq(vs_shareholder_step(w->sh, w->now_ms, &event, &w->box, NULL), VS_OK);
    cr_assert_eq(vs_reply_decode(&w->reply, w->box.item[0].msg.p, w->box.item[0].msg.len), VS_OK);
    expect_code(w, code(w), vsw_Code_MALFORMED);
    vs_buf_free(&msg);

    must_be(w, call(w, &head, NULL, 0));
    cr_expect_eq(w->reply.head.result.status.index, 4);
    w->round.id.round = 1;
    expect_code(w, list(w), vsw_Code_UNKNOWN_ROUND);
    expect_code(w, close_round(w), vsw_Code_UNKNOWN_ROUND);
    expect_code(w, answer(w, 0), vsw_Code_UNKNOWN_ROUND);
    vsw_Request other = {.which_op = vsw_Request_round_info_tag};
    expect_code(w, call(w, &other, NULL, 0), vsw_Code_REFUSED);
    world_free(w);
}

Test(shareholder, refuses_a_store_or_key_of_somebody_else)
{
    world *w = world_new(4, 1, 0);
    vs_shareholder *sh = NULL;
    vs_rng rng = vs_test_rng_of(&w->rng);
    vs_store other;
    cr_expect_eq(vs_shareholder_new(&sh, w->tf->fed, w->tf->shareholder[2], w->store, rng, 0, NULL),
                 VS_ERR_STATE);
    cr_assert_eq(vs_store_mem_open(&other), VS_OK);
    cr_expect_eq(vs_shareholder_new(&sh, w->tf->fed, w->tf->client[0], other, rng, 0, NULL),
                 VS_ERR_STATE);
    vs_store_mem_close(&other);
    world_free(w);
}

/* --- submissions ---------------------------------------------------------------------------------
 */

static void accepts_honest(uint32_t j, uint32_t dim)
{
    world *w = world_new(j, 2, 0);
    open_round(w, 1, dim);
    submit_all(w, 2);
    must_be(w, submit(w, w->sub[0])); /* again: the same receipt */
    expect_receipt(w, w->sub[0]);
    restart(w);
    must_be(w, submit(w, w->sub[0]));
    expect_receipt(w, w->sub[0]);
    must_be(w, list(w));
    expect_list(w, w->sub, 2);
    restart(w);
    must_be(w, list(w));
    expect_list(w, w->sub, 2);
    world_free(w);
}

Test(shareholder, accepts_an_honest_vector)
{
    accepts_honest(4, DIM);
}

Test(shareholder, accepts_an_honest_vector_of_many_chunks)
{
    accepts_honest(5, LONG_DIM);
}

Test(shareholder, accepts_an_honest_seed)
{
    accepts_honest(1, LONG_DIM);
}

/* Change the header, sign again, restore. */
static vs_test_sub *changed(world *w, vs_test_sub *s)
{
    uint8_t sig[64];
    uint32_t i = s->client;
    vs_buf_reset(&s->begin);
    cr_assert_eq(vs_header_encode(&s->begin, &s->h), VS_OK);
    vs_sign(sig, s->begin.p, s->begin.len, w->tf->client[i]->identity_seed);
    vs_buf_bytes(&s->begin, sig, sizeof sig);
    vs_buf_bytes(&s->begin, w->tf->enrolment[i], 64);
    return s;
}

Test(shareholder, refuses_a_header_that_is_wrong_and_stores_nothing)
{
    world *w = world_new(4, 2, 0);
    open_round(w, 1, DIM);
    vs_test_sub *s = sub_of(w, 0, NULL);
    const vs_header good = s->h;
    s->begin.p[s->begin.len - 1] ^= 1;
    expect_code(w, begin(w, s), vsw_Code_UNREGISTERED);
    s->begin.p[s->begin.len - 1] ^= 1;
    s->begin.p[s->begin.len - 65] ^= 1;
    expect_code(w, begin(w, s), vsw_Code_BAD_SIGNATURE);
    s->begin.p[s->begin.len - 65] ^= 1;
    s->begin.len--;
    expect_code(w, begin(w, s), vsw_Code_MALFORMED);
    s->begin.len = 20;
    expect_code(w, begin(w, s), vsw_Code_MALFORMED);

    s->h.params_hash.b[0] ^= 1;
    expect_code(w, begin(w, changed(w, s)), vsw_Code_MODEL_MISMATCH);
    s->h = good;
    s->h.model_hash.b[0] ^= 1;
    expect_code(w, begin(w, changed(w, s)), vsw_Code_MODEL_MISMATCH);
    s->h = good;
    s->h.id.federation_id.b[0] ^= 1;
    expect_code(w, begin(w, changed(w, s)), vsw_Code_WRONG_FEDERATION);
    s->h = good;
    s->h.count--;
    expect_code(w, begin(w, changed(w, s)), vsw_Code_MALFORMED);
    s->h = good;
    s->h.share[1].sealed_len++; /* not even ours */
    expect_code(w, begin(w, changed(w, s)), vsw_Code_MALFORMED);
    s->h = good;
    memset(&s->h.share[3].ephemeral_key, 0, 32); /* low order */
    expect_code(w, begin(w, changed(w, s)), vsw_Code_MALFORMED);
    s->h = good;
    s->h.client_key = w->tf->client[1]->pub.identity; /* somebody else's key */
    expect_code(w, begin(w, changed(w, s)), vsw_Code_UNREGISTERED);
    s->h = good;
    cr_expect_eq(count_keys(w, "round/0000000000000001/client/"), 0);
    cr_expect_eq(count_keys(w, "round/0000000000000001/header/"), 0);
    must_be(w, submit(w, changed(w, s)));
    world_free(w);
}

Test(shareholder, refuses_what_is_late)
{
    world *w = world_new(4, 3, 0);
    open_round(w, 1, DIM);
    must_be(w, submit(w, sub_of(w, 0, NULL)));
    must_be(w, begin(w, sub_of(w, 1, NULL)));
    w->now_ms += 31 * 1000;
    expect_code(w, begin(w, sub_of(w, 2, NULL)), vsw_Code_LATE);
    must_be(w, chunks(w, w->sub[1], 0, 2)); /* begun in time */
    must_be(w, list(w));
    expect_code(w, finish(w, w->sub[1]), vsw_Code_LATE);
    expect_code(w, begin(w, w->sub[1]), vsw_Code_LATE);
    expect_code(w, begin(w, w->sub[2]), vsw_Code_LATE);
    must_be(w, finish(w, w->sub[0]));
    expect_receipt(w, w->sub[0]);
    must_be(w, list(w));
    expect_list(w, w->sub, 1);
    w->now_ms += 31 * 1000; /* hard expiry */
    expect_code(w, finish(w, w->sub[0]), vsw_Code_LATE);
    expect_code(w, list(w), vsw_Code_STATE);
    cr_expect(!has_secret(w, 1));
    world_free(w);
}

Test(shareholder, refuses_more_clients_than_the_round_admits)
{
    world *w = world_new(4, 5, 5);
    open_round(w, 1, DIM);
    /* the open says 5 too; make one of them a cheat, who does not count */
    const vs_test_cheat cheat = {.wrong_share = 4};
    expect_code(w, submit(w, sub_of(w, 0, &cheat)), vsw_Code_SHARE_INCONSISTENT);
    for (uint32_t i = 1; i < 5; i++) must_be(w, begin(w, sub_of(w, i, NULL)));
    world_free(w);

    w = world_new(4, 3, 0);
    w->tf->fed->max_clients = 2; /* what the round's open then says */
    open_round(w, 1, DIM);
    must_be(w, begin(w, sub_of(w, 0, NULL)));
    must_be(w, begin(w, sub_of(w, 1, NULL)));
    expect_code(w, begin(w, sub_of(w, 2, NULL)), vsw_Code_QUOTA);
    world_free(w);
}

static void rejects(uint32_t j, const vs_test_cheat *cheat, vsw_Code expected)
{
    world *w = world_new(j, 2, 0);
    open_round(w, 1, DIM);
    must_be(w, submit(w, sub_of(w, 0, NULL)));
    expect_code(w, submit(w, sub_of(w, 1, cheat)), expected);
    expect_code(w, submit(w, w->sub[1]), expected);
    restart(w);
    expect_code(w, begin(w, w->sub[1]), expected);
    expect_code(w, finish(w, w->sub[1]), expected);
    must_be(w, list(w));
    expect_list(w, w->sub, 1);
    world_free(w);
}

Test(shareholder, rejects_a_share_off_the_polynomials)
{
    rejects(4, &(vs_test_cheat){.wrong_share = 4}, vsw_Code_SHARE_INCONSISTENT);
    rejects(1, &(vs_test_cheat){.wrong_share = 1}, vsw_Code_SHARE_INCONSISTENT);
}

Test(shareholder, rejects_a_share_that_does_not_open_its_commitment)
{
    rejects(4, &(vs_test_cheat){.wrong_commitment = 4}, vsw_Code_COMMITMENT_MISMATCH);
    rejects(1, &(vs_test_cheat){.wrong_commitment = 1}, vsw_Code_COMMITMENT_MISMATCH);
}

Test(shareholder, rejects_an_element_that_is_not_canonical)
{
    rejects(4, &(vs_test_cheat){.not_canonical = 4}, vsw_Code_MALFORMED);
}

/* A share of somebody else may be wrong: that is for the others to see. */
Test(shareholder, judges_its_own_share_only)
{
    world *w = world_new(4, 1, 0);
    const vs_test_cheat cheat = {.wrong_share = 5, .wrong_commitment = 3};
    open_round(w, 1, DIM);
    must_be(w, submit(w, sub_of(w, 0, &cheat)));
    world_free(w);
}

Test(shareholder, keeps_both_submissions_of_one_client_and_leaves_it_out)
{
    world *w = world_new(4, 2, 0);
    open_round(w, 1, DIM);
    submit_all(w, 2);
    vs_test_sub *other = vs_test_sub_new(w->tf, &w->round, 1, 999, NULL);
    expect_code(w, begin(w, other), vsw_Code_DUPLICATE);
    expect_code(w, begin(w, w->sub[1]), vsw_Code_DUPLICATE);
    restart(w);
    expect_code(w, finish(w, w->sub[1]), vsw_Code_DUPLICATE);
    cr_expect_eq(count_keys(w, "evidence/"), 1);
    must_be(w, list(w));
    expect_list(w, w->sub, 1);
    vs_test_sub_free(other);
    world_free(w);
}

Test(shareholder, keeps_both_trailers_of_one_client)
{
    world *w = world_new(4, 1, 0);
    uint8_t sig[64];
    open_round(w, 1, DIM);
    submit_all(w, 1);
    vs_buf *f = &w->sub[0]->finish;
    f->p[f->len - 65 - 7] ^= 1; /* another W, properly signed */
    expect_code(w, finish(w, w->sub[0]), vsw_Code_BAD_SIGNATURE);
    vs_sign(sig, f->p, f->len - 64, w->tf->client[0]->identity_seed);
    memcpy(f->p + f->len - 64, sig, 64);
    expect_code(w, finish(w, w->sub[0]), vsw_Code_DUPLICATE);
    must_be(w, list(w));
    expect_list(w, w->sub, 0);
    world_free(w);
}

/* --- chunks --------------------------------------------------------------------------------------
 */

Test(shareholder, discards_a_damaged_chunk_and_not_the_client)
{
    world *w = world_new(4, 1, 0);
    open_round(w, 1, LONG_DIM);
    vs_test_sub *s = sub_of(w, 0, NULL);
    uint8_t *second = s->sealed[3].p + chunk_offset(w, 1);
    must_be(w, begin(w, s));
    second[100] ^= 1;
    expect_code(w, chunks(w, s, 0, 3), vsw_Code_MALFORMED);
    cr_expect_not_null(strstr(text(w), "chunk 1 fails authentication"), "%s", text(w));
    cr_expect_eq(w->reply.head.result.error.value, 1);
    second[100] ^= 1;
    must_be(w, begin(w, s));
    cr_expect_eq(next(w), 1);
    must_be(w, submit(w, s));
    expect_receipt(w, s);
    world_free(w);
}

Test(shareholder, says_where_to_go_on)
{
    world *w = world_new(4, 1, 0);
    open_round(w, 1, LONG_DIM);
    vs_test_sub *s = sub_of(w, 0, NULL);
    expect_code(w, chunks(w, s, 0, 1), vsw_Code_NOT_FOUND);
    must_be(w, begin(w, s));
    cr_expect_eq(next(w), 0);
    cr_expect_eq(w->reply.head.result.progress.total, 3);
    must_be(w, chunks(w, s, 1, 2)); /* a gap */
    cr_expect_eq(next(w), 0);
    must_be(w, chunks(w, s, 0, 2));
    cr_expect_eq(next(w), 2);
    must_be(w, chunks(w, s, 0, 1)); /* again */
    cr_expect_eq(next(w), 2);
    must_be(w, finish(w, s)); /* too early */
    cr_expect_eq(next(w), 2);
    must_be(w, chunks(w, s, 1, 2)); /* overlap */
    cr_expect_eq(next(w), 3);
    must_be(w, finish(w, s));
    expect_receipt(w, s);
    must_be(w, begin(w, s));
    cr_expect_eq(next(w), 3);
    world_free(w);
}

Test(shareholder, resumes_at_the_first_missing_chunk_after_a_restart)
{
    for (uint32_t j = 1; j <= 4; j += 3) {
        world *w = world_new(j, 1, 0);
        open_round(w, 1, LONG_DIM);
        vs_test_sub *s = sub_of(w, 0, NULL);
        must_be(w, begin(w, s));
        must_be(w, chunks(w, s, 0, chunk_count(w) - 1));
        restart(w);
        must_be(w, begin(w, s));
        cr_expect_eq(next(w), chunk_count(w) - 1);
        must_be(w, chunks(w, s, chunk_count(w) - 1, 1));
        vs_shareholder_free(w->sh); /* and once more, with everything sent but not accepted */
        vs_store_mem_power_cut(&w->store);
        start(w);
        must_be(w, begin(w, s));
        cr_expect_eq(next(w), 0); /* nothing was durable, nothing was promised */
        must_be(w, submit(w, s));
        expect_receipt(w, s);
        world_free(w);
    }
}

Test(shareholder, runs_more_uploads_than_it_has_places_for_and_sweeps_them_away)
{
    enum { MANY = 70 };
    world *w = world_new(4, MANY, 0);
    vs_test_sub *subs[MANY];
    uint32_t busy = 0;
    open_round(w, 1, DIM);
    for (uint32_t i = 0; i < MANY; i++) {
        subs[i] = vs_test_sub_new(w->tf, &w->round, i, 500 + i, NULL);
        must_be(w, begin(w, subs[i]));
        busy += chunks(w, subs[i], 0, 1) == vsw_Code_BUSY;
    }
    cr_expect_eq(busy, MANY - 64);
    w->now_ms += 2500; /* then the oldest lose their place and are rebuilt */
    for (uint32_t i = MANY; i-- > 0;) {
        must_be(w, begin(w, subs[i]));
        must_be(w, submit(w, subs[i]));
        expect_receipt(w, subs[i]);
    }
    /* the end of the round: the secret goes at once, the files in slices, restarts or not */
    w->now_ms += 100 * 1000;
    const vs_event tick = {.kind = VS_EVENT_TICK};
    vs_outbox_clear(&w->box);
    cr_assert_eq(vs_shareholder_step(w->sh, w->now_ms, &tick, &w->box, NULL), VS_OK);
    cr_expect(!has_secret(w, 1));
    uint32_t left = count_keys(w, "round/0000000000000001/header/");
    cr_expect(left > 0 && left < MANY);
    restart(w);
    for (uint32_t i = 0; i < 10; i++) {
        cr_assert_eq(vs_shareholder_step(w->sh, w->now_ms, &tick, &w->box, NULL), VS_OK);
    }
    cr_expect_eq(count_keys(w, "round/0000000000000001/header/"), 0);
    cr_expect_eq(count_keys(w, "round/0000000000000001/client/"), 0);
    cr_expect_eq(count_keys(w, "sweep/"), 0);
    for (uint32_t i = 0; i < MANY; i++) vs_test_sub_free(subs[i]);
    world_free(w);
}
