/* The rules of the log up to the set: an honest round is accepted, every broken rule is refused by
 * name. */
#include "tests/net/replay_scene.h"

/* --- accepted ------------------------------------------------------------------------------------
 */

Test(replay, accepts_an_honest_round_and_the_next_open)
{
    scene *s = scene_new(true);
    to_answers(s);
    const vs_round_view *v = vs_replay_round(s->rp, 1);
    cr_expect_eq(v->n_answers, 5);
    for (uint32_t i = 0; i < 5; i++) cr_expect_eq(v->answer_index[i], i + 1);
    vs_entry e = result_entry(s);
    cr_expect_eq(e.u.result.weight_sum, 3 * CLIENTS);
    accept(s, &e, aggregator(s));
    cr_expect_eq(v->phase, VS_REPLAY_RESULT);
    vs_h32 prev;
    vs_replay_prev(s->rp, &prev);
    cr_expect(vs_h32_equal(&prev, &s->log->prev));

    vs_test_open *next = vs_test_open_new(s->tf, 2, DIM, NOW + 100, 9);
    next->entry.prev = s->log->prev;
    accept(s, &next->entry, aggregator(s));
    cr_expect_eq(vs_replay_last_round(s->rp), 2);
    cr_expect_null(vs_replay_round(s->rp, 1));
    vs_test_open_free(next);
    scene_free(s);
}

Test(replay, accepts_a_closed_round)
{
    scene *s = scene_new(true);
    to_open(s);
    for (uint32_t j = 1; j <= 3; j++) {
        vs_entry e = closed_entry(s, j);
        accept(s, &e, shareholder(s, j));
    }
    vs_entry wrong = abort_entry(s, VS_ABORT_TOO_FEW_CLIENTS, false);
    refuse(s, &wrong, aggregator(s), "closed is false");
    vs_entry e = abort_entry(s, VS_ABORT_TOO_FEW_CLIENTS, true);
    accept(s, &e, aggregator(s));
    cr_expect_eq(vs_replay_round(s->rp, 1)->phase, VS_REPLAY_ABORT);
    refuse(s, &e, aggregator(s), "prev is not");
    e.prev = s->log->prev;
    refuse(s, &e, aggregator(s), "abort of a round that is over");
    scene_free(s);
}

/* One wrong sum share: named, and the sum is still certain with a margin. */
Test(replay, accepts_a_result_that_names_a_wrong_answer)
{
    scene *s = scene_new(true);
    to_set(s);
    s->sum[4].p[8] ^= 1;
    for (uint32_t j = 1; j <= 5; j++) {
        vs_entry e = answer_entry(s, j);
        accept(s, &e, shareholder(s, j));
        put_blob(s, s->sum[j].p, s->sum[j].len);
    }
    vs_entry e = result_entry(s);
    cr_assert_eq(e.u.result.n_wrong, 1);
    cr_assert_eq(e.u.result.wrong[0], 4);
    vs_entry wrong = e;
    wrong.u.result.wrong[0] = 3;
    refuse(s, &wrong, aggregator(s), "wrong does not name exactly");
    wrong = e;
    wrong.u.result.n_wrong = 0;
    refuse(s, &wrong, aggregator(s), "wrong does not name exactly");
    accept(s, &e, aggregator(s));
    scene_free(s);
}

Test(replay, trusted_entries_rebuild_the_same_state)
{
    scene *s = scene_new(true);
    vs_replay *again = NULL;
    vs_blob_source none = {.size = blob_size, .read = blob_read, .ctx = s};
    vs_h32 a, b;
    to_answers(s);
    vs_entry e = result_entry(s);
    accept(s, &e, aggregator(s));
    s->n_blobs = 0; /* the sum shares are gone by then */
    cr_assert_eq(vs_replay_new(&again, s->tf->fed, &none, true), VS_OK);
    vs_replay_set_trusted(again, true);
    for (uint32_t i = 0; i < s->log->n; i++) {
        cr_assert_eq(vs_replay_entry(again, s->log->entry[i].p, s->log->entry[i].len, NULL), VS_OK);
    }
    vs_replay_root(s->rp, &a);
    vs_replay_root(again, &b);
    cr_expect(vs_h32_equal(&a, &b));
    cr_expect_eq(vs_replay_round(again, 1)->phase, VS_REPLAY_RESULT);
    vs_replay_free(again);
    scene_free(s);
}

Test(replay, a_clone_goes_its_own_way)
{
    scene *s = scene_new(true);
    vs_replay *copy = NULL;
    to_set(s);
    cr_assert_eq(vs_replay_clone(&copy, s->rp), VS_OK);
    vs_entry e = answer_entry(s, 1);
    accept(s, &e, shareholder(s, 1));
    cr_expect_eq(vs_replay_round(copy, 1)->n_answers, 0);
    cr_expect_eq(vs_replay_size(copy) + 1, vs_replay_size(s->rp));
    vs_replay_free(copy);
    scene_free(s);
}

/* --- what every entry must have ------------------------------------------------------------------
 */

Test(replay, refuses_bytes_that_are_no_entry)
{
    scene *s = scene_new(true);
    uint8_t *big = calloc(1, 70000);
    vs_diag diag = {{0}};
    cr_expect_eq(vs_replay_entry(s->rp, big, 0, &diag), VS_ERR_MALFORMED);
    cr_expect_eq(vs_replay_entry(s->rp, big, 70000, &diag), VS_ERR_MALFORMED);
    cr_expect_not_null(strstr(diag.text, "70000"), "%s", diag.text);
    cr_expect_eq(vs_replay_entry(s->rp, (const uint8_t *)"{}", 2, &diag), VS_ERR_MALFORMED);
    free(big);
    scene_free(s);
}

Test(replay, refuses_a_foreign_or_unsigned_entry)
{
    scene *s = scene_new(true);
    vs_entry e = vs_test_entry_federation(s->log), wrong = e;
    wrong.origin[0] ^= 1;
    refuse(s, &wrong, aggregator(s), "origin");
    wrong = e;
    wrong.federation.b[0] ^= 1;
    wrong.u.federation.file = wrong.federation; /* the encoder wants them equal */
    refuse(s, &wrong, aggregator(s), "federation is another one's id");
    refuse(s, &e, shareholder(s, 1), "federation is not signed by the aggregator");
    scene_free(s);
}

Test(replay, refuses_a_wrong_federation_entry)
{
    scene *s = scene_new(true);
    s->round.id.round = 1;
    vs_entry e = abort_entry(s, VS_ABORT_CANCELLED, false);
    refuse(s, &e, aggregator(s), "the first entry must be the federation's");
    refuse(s, &s->open->entry, aggregator(s), "the first entry must be the federation's");
    e = vs_test_entry_federation(s->log);
    vs_entry wrong = e;
    wrong.u.federation.log_key = s->tf->aggregator->pub.log; /* another name */
    refuse(s, &wrong, aggregator(s), "log_key");
    accept(s, &e, aggregator(s));
    refuse(s, &e, aggregator(s), "prev is not"); /* a second one cannot even name the first */
    s->open->entry.prev = s->log->prev;
    s->open->entry.prev.b[0] ^= 1;
    refuse(s, &s->open->entry, aggregator(s), "prev is not");
    scene_free(s);
}

/* --- open ----------------------------------------------------------------------------------------
 */

Test(replay, refuses_a_round_out_of_order)
{
    scene *s = scene_new(true);
    to_federation(s);
    vs_test_open *later = vs_test_open_new(s->tf, 2, DIM, NOW, 9);
    later->entry.prev = s->log->prev;
    refuse(s, &later->entry, aggregator(s), "the next one is 1");
    to_open(s);
    refuse(s, &s->open->entry, aggregator(s), "a second open of round 1");
    refuse(s, &later->entry, aggregator(s), "before round 1 has a result or abort");
    vs_entry e = abort_entry(s, VS_ABORT_CANCELLED, false);
    e.round = 2;
    refuse(s, &e, aggregator(s), "not the open round");
    vs_test_open_free(later);
    scene_free(s);
}

Test(replay, refuses_an_open_that_breaks_the_federation)
{
    scene *s = scene_new(true);
    to_federation(s);
    s->open->entry.prev = s->log->prev;
    s->open->entry.u.open.max_clients = 5;
    refuse(s, &s->open->entry, aggregator(s), "max_clients");
    scene_free(s);
}

/* --- set -----------------------------------------------------------------------------------------
 */

Test(replay, refuses_a_set_without_its_votes)
{
    scene *s = scene_new(true);
    to_open(s);
    vs_entry e = set_entry(s), wrong = e;
    wrong.u.set.n_votes = 3;
    refuse(s, &wrong, aggregator(s), "set has 3 votes, 4 are needed");
    wrong = e;
    wrong.u.set.votes[2].sig[5] ^= 1;
    refuse(s, &wrong, aggregator(s), "signature of shareholder 3's vote");
    wrong = e;
    wrong.u.set.votes[3].index = 5; /* the vote of 4 under another name */
    refuse(s, &wrong, aggregator(s), "signature of shareholder 5's vote");
    wrong = e;
    wrong.u.set.params_hash.b[0] ^= 1;
    refuse(s, &wrong, aggregator(s), "params_hash");
    wrong = e;
    wrong.u.set.records.b[0] ^= 1; /* not what was voted on */
    refuse(s, &wrong, aggregator(s), "vote");
    refuse(s, &e, shareholder(s, 1), "not signed by the aggregator");
    accept(s, &e, aggregator(s));
    refuse(s, &e, aggregator(s), "a second set");
    scene_free(s);
}

Test(replay, refuses_a_set_with_a_vote_after_closed)
{
    scene *s = scene_new(true);
    to_open(s);
    vs_entry closed = closed_entry(s, 2);
    accept(s, &closed, shareholder(s, 2));
    vs_entry e = set_entry(s);
    refuse(s, &e, aggregator(s), "vote of shareholder 2 after its closed");
    scene_free(s);
}

Test(replay, refuses_a_set_of_the_wrong_size)
{
    scene *s = scene_new(true);
    vs_buf one = {0};
    to_open(s);
    (void)set_entry(s);
    vs_test_records(&one, s->sub, 1);
    vs_entry e = vs_test_entry_set(s->log, &s->round, &one, 4);
    refuse(s, &e, aggregator(s), "set of 1 clients, the round admits 2 to 4");
    vs_buf many = {0};
    for (uint8_t i = 0; i < 5; i++) {
        uint8_t record[VS_RECORD_BYTES] = {i};
        vs_buf_bytes(&many, record, sizeof record);
    }
    e = vs_test_entry_set(s->log, &s->round, &many, 4);
    refuse(s, &e, aggregator(s), "set of 5 clients, the round admits 2 to 4");
    vs_buf_free(&one);
    vs_buf_free(&many);
    scene_free(s);
}

/* The same votes over a changed proposal: sign again with these rejected records. */
static vs_entry set_with_rejected(scene *s, const uint8_t *rejected, uint32_t n)
{
    vs_entry e = vs_test_entry_set(s->log, &s->round, &s->records, 4);
    vs_proposal p = vs_test_proposal(&s->round, &s->records);
    p.rejected_count = n;
    if (vs_records_root(&p.rejected_root, rejected, n) != VS_OK) {
        memset(&p.rejected_root, 1, sizeof p.rejected_root);
    }
    e.u.set.rejected_count = n;
    e.u.set.rejected = p.rejected_root;
    vs_sha256(&e.u.set.rejected_blob, rejected, (size_t)n * VS_RECORD_BYTES);
    put_blob(s, rejected, (size_t)n * VS_RECORD_BYTES);
    for (uint32_t j = 1; j <= 4; j++) {
        vs_buf bytes = {0};
        cr_assert_eq(vs_vote_bytes(&bytes, &p, j), VS_OK);
        vs_sign(e.u.set.votes[j - 1].sig, bytes.p, bytes.len, shareholder(s, j));
        vs_buf_free(&bytes);
    }
    return e;
}

Test(replay, refuses_rejected_records_that_are_wrong)
{
    scene *s = scene_new(true);
    uint8_t rec[2 * VS_RECORD_BYTES];
    vs_h32 high = {{0}}, low = {{0}};
    to_open(s);
    (void)set_entry(s);
    memset(high.b, 0xff, sizeof high.b);

    vs_rejected_encode(rec, &high, &low, VS_REJECT_INCOMPLETE);
    rec[64]++;
    vs_entry e = set_with_rejected(s, rec, 1);
    refuse(s, &e, aggregator(s), "no valid reason");
    vs_rejected_encode(rec, &high, &low, VS_REJECT_LATE);
    rec[95] = 1;
    e = set_with_rejected(s, rec, 1);
    refuse(s, &e, aggregator(s), "no valid reason");
    vs_rejected_encode(rec, &s->sub[1]->record.pseudonym, &low, VS_REJECT_LATE);
    e = set_with_rejected(s, rec, 1);
    refuse(s, &e, aggregator(s), "included and rejected");
    vs_rejected_encode(rec, &high, &low, VS_REJECT_LATE);
    vs_rejected_encode(rec + VS_RECORD_BYTES, &low, &low, VS_REJECT_LATE);
    e = set_with_rejected(s, rec, 2);
    refuse(s, &e, aggregator(s), "rejected records are not sorted");
    e = set_with_rejected(s, rec, 1);
    accept(s, &e, aggregator(s));
    scene_free(s);
}

Test(replay, refuses_a_set_whose_record_blob_is_wrong)
{
    scene *s = scene_new(true);
    to_open(s);
    vs_entry e = set_entry(s);
    vs_buf *blob = &s->blob[1];
    blob->p[7] ^= 1;
    refuse(s, &e, aggregator(s), "does not hash to its name");
    blob->p[7] ^= 1;
    blob->len--;
    refuse(s, &e, aggregator(s), "has 287 bytes, not 288");
    blob->len++;
    s->n_blobs = 1;
    refuse_with(s, &e, aggregator(s), VS_ERR_STATE, "is not here");
    s->n_blobs = 2;
    accept(s, &e, aggregator(s));
    scene_free(s);
}

Test(replay, leaves_records_to_those_who_voted_on_them)
{
    scene *s = scene_new(false);
    to_open(s);
    vs_entry e = set_entry(s);
    s->n_blobs = 0;
    accept(s, &e, aggregator(s));
    scene_free(s);
}
