/* The rules of the log after the set: answers, closed, abort, result. */
#include "tests/net/replay_scene.h"

/* --- answer --------------------------------------------------------------------------------------
 */

Test(replay_result, refuses_an_answer_before_the_set)
{
    scene *s = scene_new(true);
    to_open(s);
    (void)set_entry(s);
    vs_entry e = answer_entry(s, 1);
    refuse(s, &e, shareholder(s, 1), "there is no set to answer");
    scene_free(s);
}

Test(replay_result, refuses_an_answer_that_breaks_a_rule)
{
    scene *s = scene_new(true);
    to_set(s);
    vs_entry e = answer_entry(s, 2), wrong = e;
    wrong.u.answer.set.b[0] ^= 1;
    refuse(s, &wrong, shareholder(s, 2), "answer of shareholder 2 names another set");
    wrong = e;
    wrong.u.answer.checkpoint_size--; /* the set is not under it */
    refuse(s, &wrong, shareholder(s, 2), "does not cover the set");
    wrong = e;
    wrong.u.answer.checkpoint_size++;
    refuse(s, &wrong, shareholder(s, 2), "does not cover the set");
    wrong = e;
    wrong.u.answer.checkpoint_root.b[0] ^= 1;
    refuse(s, &wrong, shareholder(s, 2), "another root");
    refuse(s, &e, shareholder(s, 3), "answer of shareholder 2 is not signed by it");
    refuse(s, &e, aggregator(s), "answer of shareholder 2 is not signed by it");
    wrong = e;
    wrong.u.answer.index = 6;
    refuse(s, &wrong, shareholder(s, 2), "the federation has 5");
    accept(s, &e, shareholder(s, 2));
    refuse(s, &e, shareholder(s, 2), "a second answer of shareholder 2");
    scene_free(s);
}

/* Shareholder 5 is not in `open`. */
Test(replay_result, refuses_an_answer_and_a_closed_of_an_unlisted_shareholder)
{
    scene *s = scene_new(true);
    vs_test_open_unlist(s->open, 5);
    to_open(s);
    vs_entry e = closed_entry(s, 5);
    refuse(s, &e, shareholder(s, 5), "open does not list it");
    e = set_entry(s);
    vs_entry wrong = e;
    wrong.u.set.votes[3].index = 5;
    refuse(s, &wrong, aggregator(s), "vote of shareholder 5, which open does not list");
    accept(s, &e, aggregator(s));
    s->set_leaf = s->log->leaf[s->log->n - 1];
    e = answer_entry(s, 5);
    refuse(s, &e, shareholder(s, 5), "open does not list it");
    scene_free(s);
}

Test(replay_result, refuses_an_answer_after_closed)
{
    scene *s = scene_new(true);
    to_open(s);
    vs_entry e = closed_entry(s, 5);
    accept(s, &e, shareholder(s, 5));
    e = set_entry(s);
    accept(s, &e, aggregator(s));
    s->set_leaf = s->log->leaf[s->log->n - 1];
    e = answer_entry(s, 5);
    refuse(s, &e, shareholder(s, 5), "after its closed");
    scene_free(s);
}

/* --- closed, abort -------------------------------------------------------------------------------
 */

Test(replay_result, refuses_a_closed_that_breaks_a_rule)
{
    scene *s = scene_new(true);
    to_open(s);
    vs_entry e = closed_entry(s, 1), wrong = e;
    wrong.u.closed.params_hash.b[0] ^= 1;
    refuse(s, &wrong, shareholder(s, 1), "params_hash");
    refuse(s, &e, shareholder(s, 2), "closed of shareholder 1 is not signed by it");
    accept(s, &e, shareholder(s, 1));
    refuse(s, &e, shareholder(s, 1), "a second closed of shareholder 1");
    scene_free(s);
}

Test(replay_result, refuses_a_closed_after_the_set)
{
    scene *s = scene_new(true);
    to_set(s);
    vs_entry e = closed_entry(s, 5);
    refuse(s, &e, shareholder(s, 5), "the round is not open");
    scene_free(s);
}

Test(replay_result, refuses_an_abort_that_is_not_true)
{
    scene *s = scene_new(true);
    to_open(s);
    vs_entry e = abort_entry(s, VS_ABORT_TOO_FEW_CLIENTS, true);
    refuse(s, &e, aggregator(s), "0 closed statements are logged, 3 prove it");
    e = abort_entry(s, VS_ABORT_RANGE, false);
    refuse(s, &e, aggregator(s), "reason range without a set");
    e = abort_entry(s, VS_ABORT_CANCELLED, false);
    e.u.abort.n_not_voting = 1;
    e.u.abort.not_voting[0] = 9;
    refuse(s, &e, aggregator(s), "not_voting names shareholder 9");
    e = set_entry(s);
    accept(s, &e, aggregator(s));
    e = abort_entry(s, VS_ABORT_RANGE, true);
    refuse(s, &e, aggregator(s), "there is a set");
    e = abort_entry(s, VS_ABORT_RANGE, false);
    accept(s, &e, aggregator(s));
    scene_free(s);
}

/* --- result --------------------------------------------------------------------------------------
 */

Test(replay_result, refuses_a_result_that_is_not_the_sum)
{
    scene *s = scene_new(true);
    to_answers(s);
    vs_entry e = result_entry(s), wrong = e;
    wrong.u.result.set.b[0] ^= 1;
    refuse(s, &wrong, aggregator(s), "names another set");
    wrong = e;
    wrong.u.result.count = 2;
    refuse(s, &wrong, aggregator(s), "count is 2, the set has 3");
    wrong = e;
    wrong.u.result.model_hash.b[0] ^= 1;
    refuse(s, &wrong, aggregator(s), "model_hash");
    wrong = e;
    wrong.u.result.sum_hash.b[0] ^= 1;
    refuse(s, &wrong, aggregator(s), "sum_hash");
    wrong = e;
    wrong.u.result.sum_blob.b[0] ^= 1;
    refuse(s, &wrong, aggregator(s), "sum_blob");
    wrong = e;
    wrong.u.result.weight_sum++;
    refuse(s, &wrong, aggregator(s), "weight_sum is 10, the shares give 9");
    wrong = e;
    wrong.u.result.margin++;
    refuse(s, &wrong, aggregator(s), "margin 3");
    wrong = e;
    wrong.u.result.certain = false;
    refuse(s, &wrong, aggregator(s), "uncertain");
    wrong = e;
    wrong.u.result.n_wrong = 1;
    wrong.u.result.wrong[0] = 2; /* a slander */
    refuse(s, &wrong, aggregator(s), "does not name exactly");
    wrong = e;
    wrong.u.result.n_outvoted = 1;
    wrong.u.result.outvoted[0] = 2;
    refuse(s, &wrong, aggregator(s), "does not name exactly");
    wrong = e;
    wrong.u.result.n_answers = 4; /* one sum share is withheld */
    refuse(s, &wrong, aggregator(s), "margin 2");
    refuse(s, &e, shareholder(s, 1), "not signed by the aggregator");
    accept(s, &e, aggregator(s));
    refuse(s, &e, aggregator(s), "prev");
    scene_free(s);
}

Test(replay_result, refuses_a_result_of_too_few_answers)
{
    scene *s = scene_new(true);
    to_answers(s);
    vs_entry e = result_entry(s);
    scene_free(s);

    s = scene_new(true);
    to_set(s);
    for (uint32_t j = 1; j <= 2; j++) {
        vs_entry a = answer_entry(s, j);
        accept(s, &a, shareholder(s, j));
        put_blob(s, s->sum[j].p, s->sum[j].len);
    }
    e.prev = s->log->prev;
    e.u.result.set = s->set_leaf;
    refuse(s, &e, aggregator(s), "answer of shareholder 3 that is not in the log");
    e.u.result.n_answers = 2;
    refuse(s, &e, aggregator(s), "are too few");
    vs_entry a = answer_entry(s, 3);
    accept(s, &a, shareholder(s, 3));
    put_blob(s, s->sum[3].p, s->sum[3].len);
    e.u.result.n_answers = 3;
    refuse(s, &e, aggregator(s), "less than the federation's margin");
    scene_free(s);
}

Test(replay_result, asks_for_sum_shares_that_are_missing_or_damaged)
{
    scene *s = scene_new(true);
    to_answers(s);
    vs_entry e = result_entry(s);
    uint32_t all = s->n_blobs;
    s->n_blobs--; /* sum share of 1 */
    refuse_with(s, &e, aggregator(s), VS_ERR_STATE, "sum share of shareholder 1: its blob is not");
    s->n_blobs = all;
    s->blob[all - 1].p[0] ^= 1;
    refuse(s, &e, aggregator(s), "does not hash to its name");
    s->blob[all - 1].p[0] ^= 1;
    s->fail_blobs = true;
    refuse_with(s, &e, aggregator(s), VS_ERR_IO, "sum share");
    s->fail_blobs = false;
    accept(s, &e, aggregator(s));
    scene_free(s);
}
