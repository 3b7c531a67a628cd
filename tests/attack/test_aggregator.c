/* An aggregator that lies, against a real shareholder. The test holds the aggregator's keys and
 * writes the log; of the five shareholders (t 1, k 2, q 4) number 2 is a real daemon. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "ledger/dsse.h"
#include "net/keys.h"
#include "net/result.h"
#include "tests/attack/support_arena.h"
#include "tests/net/support_open.h"

enum { REAL = 2, CLIENTS = 4, ALL_OTHERS = 1 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 };

typedef struct liar {
    arena *a;
    vs_test_log *log;
    vs_test_open *open;
    vs_buf envelope; /* of open */
    vs_buf records;
} liar;

static void log_entry(liar *l, const vs_entry *e, const uint8_t *seed)
{
    vs_buf envelope = {0};
    vs_test_sign_entry(&envelope, e, seed);
    vs_test_log_add(l->log, &envelope, e->kind);
    vs_buf_free(&envelope);
}

static const uint8_t *own_key(const liar *l)
{
    return l->a->tf->aggregator->identity_seed;
}

/* The log from `first` on. */
static vsw_Code push(liar *l, const vs_test_log *log, uint32_t first)
{
    vsw_Request head = {.which_op = vsw_Request_log_entries_tag,
                        .op.log_entries = {.first_index = first, .count = log->n - first}};
    vs_buf body = {0};
    for (uint32_t i = first; i < log->n; i++) {
        vs_buf_u32(&body, (uint32_t)log->entry[i].len);
        vs_buf_bytes(&body, log->entry[i].p, log->entry[i].len);
    }
    vsw_Code code = arena_ask(l->a, REAL, &head, body.p, body.len);
    vs_buf_free(&body);
    return code;
}

static vsw_Code cosign(liar *l, const vs_test_log *log)
{
    vsw_Request head = {.which_op = vsw_Request_cosign_tag};
    vs_buf note = {0};
    vs_test_log_note(log, &note, 0);
    vsw_Code code = arena_ask(l->a, REAL, &head, note.p, note.len);
    vs_buf_free(&note);
    return code;
}

static vsw_Code send_open(liar *l, const vs_buf *envelope)
{
    vsw_Request head = {.which_op = vsw_Request_open_tag, .op.open = {.round = 1}};
    return arena_ask(l->a, REAL, &head, envelope->p, envelope->len);
}

/* The real shareholder's round key goes into our `open`. */
static void ask_key(liar *l)
{
    vsw_Request head = {.which_op = vsw_Request_round_key_tag, .op.round_key = {.round = 1}};
    vs_entry_shareholder *s = &l->open->entry.u.open.shareholders[REAL - 1];
    arena_expect(l->a, arena_ask(l->a, REAL, &head, NULL, 0), vsw_Code_OK, "");
    memcpy(s->key.b, l->a->head.head.result.round_key.key, sizeof s->key.b);
    memcpy(s->sig, l->a->head.head.result.round_key.signature, sizeof s->sig);
}

/* A round is open and four clients have submitted to the real shareholder. */
static liar begin(void)
{
    liar l = {.a = arena_new(&(arena_config){.absent = ALL_OTHERS})};
    vs_entry e;
    l.log = vs_test_log_new(l.a->tf);
    e = vs_test_entry_federation(l.log);
    log_entry(&l, &e, own_key(&l));
    l.open = vs_test_open_new(l.a->tf, 1, ARENA_DIM, (uint64_t)time(NULL), 7);
    l.open->entry.prev = l.log->prev;
    ask_key(&l);
    vs_test_open_envelope(&l.envelope, l.open, l.a->tf);
    l.a->round = vs_test_open_round(l.open, l.a->tf);
    l.a->number = 1;
    log_entry(&l, &l.open->entry, own_key(&l));
    arena_expect(l.a, send_open(&l, &l.envelope), vsw_Code_OK, "");
    arena_expect(l.a, push(&l, l.log, 0), vsw_Code_OK, "");
    arena_expect(l.a, cosign(&l, l.log), vsw_Code_OK, "");
    for (uint32_t i = 0; i < CLIENTS; i++) {
        l.a->sub[i] = arena_sub(l.a, i, 100 + i, NULL);
        arena_expect(l.a, arena_upload(l.a, REAL, l.a->sub[i]), vsw_Code_OK, "");
    }
    return l;
}

static void over(liar *l)
{
    arena_stop(l->a, REAL); /* it was never at fault */
    vs_buf_free(&l->envelope);
    vs_buf_free(&l->records);
    vs_test_open_free(l->open);
    vs_test_log_free(l->log);
    arena_free(l->a);
}

/* Order a vote for the first n clients. */
static vsw_Code vote(liar *l, uint32_t n)
{
    vsw_Request head = {.which_op = vsw_Request_vote_tag,
                        .op.vote = {.round = 1, .record_count = n}};
    vs_buf body = {0};
    vs_test_records(&l->records, l->a->sub, n);
    vs_proposal p = vs_test_proposal(&l->a->round, &l->records);
    cr_assert_eq(vs_proposal_encode(&body, &p), VS_OK);
    vs_buf_bytes(&body, l->records.p, l->records.len);
    vs_test_order(&body, l->a->tf, 1, VS_ORDER_VOTE);
    vsw_Code code = arena_ask(l->a, REAL, &head, body.p, body.len);
    vs_buf_free(&body);
    return code;
}

static void to_set(liar *l, uint32_t votes)
{
    arena_expect(l->a, vote(l, CLIENTS), vsw_Code_OK, "");
    vs_entry set = vs_test_entry_set(l->log, &l->a->round, &l->records, votes);
    log_entry(l, &set, own_key(l));
}

static vsw_Code answer(liar *l, uint32_t cosigners)
{
    vsw_Request head = {.which_op = vsw_Request_answer_tag, .op.answer = {.round = 1}};
    vs_buf note = {0};
    vs_test_log_note(l->log, &note, cosigners);
    vsw_Code code = arena_ask(l->a, REAL, &head, note.p, note.len);
    vs_buf_free(&note);
    return code;
}

/* What it keeps against us, as anybody can check it. */
static void expect_kept(liar *l, uint32_t nth, const char *words)
{
    vs_buf bytes = {0};
    arena_kept_evidence(l->a, REAL, nth, &bytes);
    arena_expect_evidence_file(l->a, &bytes, words);
    vs_buf_free(&bytes);
}

Test(attack_aggregator, asks_for_votes_for_two_sets)
{
    liar l = begin();
    arena_expect(l.a, vote(&l, 4), vsw_Code_OK, "");
    arena_expect(l.a, vote(&l, 3), vsw_Code_CONFLICT, "voted for another set already");
    arena_expect(l.a, vote(&l, 4), vsw_Code_OK, ""); /* the same again is the same vote */
    expect_kept(&l, 0, "proven: the aggregator ordered votes for two sets in round 1");
    over(&l);
}

Test(attack_aggregator, set_below_min_clients)
{
    liar l = begin();
    arena_expect(l.a, vote(&l, 1), vsw_Code_REFUSED, "the set has 1 clients, min_clients is 2");
    over(&l);
}

Test(attack_aggregator, shrinks_the_set)
{
    liar l = begin();
    arena_expect(l.a, vote(&l, 3), vsw_Code_REFUSED,
                 "the set covers 3 of our 4 clients, min_cover is 0.8");
    over(&l);
}

Test(attack_aggregator, changes_the_model_between_clients)
{
    liar l = begin();
    vs_buf other = {0};
    l.open->entry.u.open.model_hash.b[0] = 1;
    vs_test_open_envelope(&other, l.open, l.a->tf);
    arena_expect(l.a, send_open(&l, &other), vsw_Code_CONFLICT, "round 1 has another open already");
    expect_kept(&l, 0, "proven: the aggregator signed two entries that contradict each other");
    vs_round theirs = vs_test_open_round(l.open, l.a->tf); /* a client that was shown the other */
    vs_test_sub *sub = vs_test_sub_new(l.a->tf, &theirs, 5, 9, NULL);
    arena_expect(l.a, arena_begin(l.a, REAL, &sub->begin), vsw_Code_MODEL_MISMATCH, "");
    vs_test_sub_free(sub);
    vs_buf_free(&other);
    over(&l);
}

Test(attack_aggregator, orders_that_it_did_not_sign)
{
    liar l = begin();
    const uint8_t forged[64] = {1};
    vsw_Request list = {.which_op = vsw_Request_list_tag, .op.list = {.round = 1}};
    vsw_Request close = {.which_op = vsw_Request_close_tag, .op.close = {.round = 1}};
    vsw_Request evidence = {.which_op = vsw_Request_evidence_tag};
    arena_expect(l.a, arena_ask(l.a, REAL, &list, forged, 64), vsw_Code_UNAUTHORISED, "signature");
    arena_expect(l.a, arena_ask(l.a, REAL, &close, forged, 64), vsw_Code_UNAUTHORISED, "signature");
    arena_expect(l.a, arena_ask(l.a, REAL, &evidence, forged, 64), vsw_Code_UNAUTHORISED,
                 "signature");
    arena_expect(l.a, vote(&l, 4), vsw_Code_OK, ""); /* nothing was frozen or closed */
    over(&l);
}

Test(attack_aggregator, forged_votes_in_a_set)
{
    liar l = begin();
    arena_expect(l.a, vote(&l, CLIENTS), vsw_Code_OK, "");
    vs_entry set = vs_test_entry_set(l.log, &l.a->round, &l.records, 4);
    set.u.set.votes[2].sig[9] ^= 1;
    log_entry(&l, &set, own_key(&l));
    arena_expect(l.a, push(&l, l.log, 2), vsw_Code_REFUSED,
                 "the signature of shareholder 3's vote fails");
    arena_expect(l.a, cosign(&l, l.log), vsw_Code_STATE, "3 entries, 2 were sent");
    arena_expect(l.a, answer(&l, 5), vsw_Code_STATE, "not one of the log that was followed");
    over(&l);
}

Test(attack_aggregator, too_few_votes_in_a_set)
{
    liar l = begin();
    to_set(&l, 3);
    arena_expect(l.a, push(&l, l.log, 2), vsw_Code_REFUSED, "set has 3 votes, 4 are needed");
    over(&l);
}

Test(attack_aggregator, two_sets_in_the_log)
{
    liar l = begin();
    to_set(&l, 4);
    arena_expect(l.a, push(&l, l.log, 2), vsw_Code_OK, "");
    vs_test_records(&l.records, l.a->sub, 3);
    vs_entry set = vs_test_entry_set(l.log, &l.a->round, &l.records, 4); /* liars voted twice */
    log_entry(&l, &set, own_key(&l));
    arena_expect(l.a, push(&l, l.log, 3), vsw_Code_REFUSED, "a second set of one round");
    expect_kept(&l, 0, "proven: the aggregator signed two entries that contradict each other");
    over(&l);
}

Test(attack_aggregator, asks_for_the_sum_without_a_quorum)
{
    liar l = begin();
    to_set(&l, 4);
    arena_expect(l.a, push(&l, l.log, 2), vsw_Code_OK, "");
    arena_expect(l.a, answer(&l, 3), vsw_Code_BAD_SIGNATURE, "3 of 5 cosignatures");
    over(&l);
}

/* Asked again it repeats the stored bytes; a second sum does not exist. */
Test(attack_aggregator, replays_a_round)
{
    liar l = begin();
    to_set(&l, 4);
    arena_expect(l.a, push(&l, l.log, 2), vsw_Code_OK, "");
    arena_expect(l.a, answer(&l, 5), vsw_Code_OK, "");
    vs_buf first = {0};
    vs_buf_bytes(&first, l.a->reply.p, l.a->reply.len);
    arena_expect(l.a, vote(&l, 3), vsw_Code_CONFLICT, "voted for another set already");
    arena_expect(l.a, answer(&l, 5), vsw_Code_OK, "");
    cr_expect_eq(first.len, l.a->reply.len);
    cr_expect_eq(memcmp(first.p, l.a->reply.p, first.len), 0, "byte for byte");
    l.open->entry.u.open.deadline++; /* the same round once more, with other parameters */
    vs_buf again = {0};
    vs_test_open_envelope(&again, l.open, l.a->tf);
    arena_expect(l.a, send_open(&l, &again), vsw_Code_CONFLICT, "another open already");
    vs_buf_free(&first);
    vs_buf_free(&again);
    over(&l);
}

static vs_err give_size(void *ctx, uint32_t i, uint64_t *bytes)
{
    *bytes = ((vs_buf *)ctx)[i].len;
    return VS_OK;
}

static vs_err give(void *ctx, uint32_t i, uint64_t first, uint8_t *out, size_t count)
{
    memcpy(out, ((vs_buf *)ctx)[i].p + first * VS_FE_BYTES, count * VS_FE_BYTES);
    return VS_OK;
}

static vs_err take(void *ctx, uint64_t first, const uint64_t *sums, size_t n)
{
    (void)first;
    for (size_t i = 0; i < n; i++) vs_hash_u64(ctx, sums[i]);
    return VS_OK;
}

/* Answers of all five and the result that they give, in the log. */
static vs_entry log_answers(liar *l, vs_buf sum[5])
{
    arena *a = l->a;
    vs_h32 leaf = l->log->leaf[l->log->n - 1];
    vs_entry answers[5];
    vs_hash sums;
    vs_result found;
    vs_sum_source source = {.size = give_size, .read = give, .ctx = sum};
    vs_sum_sink sink = {.sums = take, .ctx = &sums};
    vs_result_in in = {.committee = &a->tf->fed->committee,
                       .layout = &a->round.layout,
                       .id = a->round.id,
                       .n_clients = CLIENTS,
                       .weight_digits = a->round.open.weight_digits,
                       .set_leaf_hash = leaf,
                       .n_answers = 5};
    for (uint32_t j = 1; j <= 5; j++) {
        vs_test_sum_share(&sum[j - 1], a->sub, CLIENTS, j);
        answers[j - 1] = vs_test_entry_answer(l->log, &a->round, j, &leaf, &sum[j - 1]);
        in.index[j - 1] = j;
        in.answer_hash[j - 1] = answers[j - 1].u.answer.answer_hash;
    }
    for (uint32_t j = 1; j <= 5; j++) {
        log_entry(l, &answers[j - 1], a->tf->shareholder[j - 1]->identity_seed);
    }
    vs_hash_init(&sums);
    cr_assert_eq(vs_result_compute(&found, &in, &source, &sink, NULL), VS_OK);
    vs_entry e = vs_test_entry(l->log, VS_ENTRY_RESULT, 1);
    e.u.result = (vs_entry_result){.set = leaf,
                                   .sum_hash = found.sum_hash,
                                   .count = CLIENTS,
                                   .weight_sum = found.weight_sum,
                                   .margin = found.margin,
                                   .certain = found.certain,
                                   .n_answers = 5};
    vs_hash_final(&sums, &e.u.result.sum_blob);
    for (uint32_t j = 1; j <= 5; j++) {
        e.u.result.answers[j - 1].index = j;
        vs_sha256(&e.u.result.answers[j - 1].blob, sum[j - 1].p, sum[j - 1].len);
    }
    return e;
}

static void give_sums(liar *l, const vs_buf sum[5])
{
    for (uint32_t j = 1; j <= 5; j++) {
        vsw_Request head = {.which_op = vsw_Request_sum_share_tag,
                            .op.sum_share = {.round = 1, .index = j, .total = sum[j - 1].len}};
        arena_expect(l->a, arena_ask(l->a, REAL, &head, sum[j - 1].p, sum[j - 1].len), vsw_Code_OK,
                     "");
    }
}

Test(attack_aggregator, publishes_a_wrong_result)
{
    liar l = begin();
    vs_buf sum[5] = {{0}};
    to_set(&l, 4);
    arena_expect(l.a, push(&l, l.log, 2), vsw_Code_OK, "");
    arena_expect(l.a, answer(&l, 5), vsw_Code_OK, "");
    vs_entry right = log_answers(&l, sum), wrong = right;
    give_sums(&l, sum);
    wrong.u.result.sum_hash.b[0] ^= 1;
    log_entry(&l, &wrong, own_key(&l));
    arena_expect(l.a, push(&l, l.log, 3), vsw_Code_REFUSED,
                 "sum_hash is not that of the sum of the published shares");
    arena_expect(l.a, cosign(&l, l.log), vsw_Code_STATE, "9 entries, 8 were sent");
    char path[400]; /* what it refused is kept as it was signed */
    vs_buf kept = {0};
    (void)snprintf(path, sizeof path, "%s/s2/blobs/refused-0000000000000008", l.a->folder);
    cr_assert_eq(vs_file_read(&kept, path, VS_ENTRY_MAX_BYTES, NULL), VS_OK);
    cr_expect_eq(kept.len, l.log->entry[8].len);
    cr_expect_eq(memcmp(kept.p, l.log->entry[8].p, kept.len), 0);
    vs_buf_free(&kept);
    /* the right one in its place is recomputed and cosigned */
    vs_test_log honest = *l.log;
    vs_buf envelope = {0};
    vs_merkle_init(&honest.tree);
    honest.n = 8;
    for (uint32_t i = 0; i < honest.n; i++) vs_merkle_append(&honest.tree, &honest.leaf[i]);
    vs_test_sign_entry(&envelope, &right, own_key(&l));
    honest.entry[8] = (vs_buf){0};
    vs_test_log_add(&honest, &envelope, VS_ENTRY_RESULT);
    arena_expect(l.a, push(&l, &honest, 8), vsw_Code_OK, "");
    arena_expect(l.a, cosign(&l, &honest), vsw_Code_OK, "");
    vs_buf_free(&honest.entry[8]);
    vs_buf_free(&envelope);
    for (uint32_t j = 0; j < 5; j++) vs_buf_free(&sum[j]);
    over(&l);
}

Test(attack_aggregator, rolled_back_ledger)
{
    liar l = begin();
    vs_test_log old = *l.log;
    vs_merkle_init(&old.tree);
    old.n = 1;
    vs_merkle_append(&old.tree, &old.leaf[0]);
    arena_expect(l.a, cosign(&l, &old), vsw_Code_CONFLICT, "cosigned size 2 already");
    over(&l);
}

/* Another history from entry 1 on, for others; this shareholder cosigned the first. */
Test(attack_aggregator, forked_ledger)
{
    liar l = begin();
    vs_test_log *fork = vs_test_log_new(l.a->tf);
    vs_buf other = {0};
    vs_test_log_add(fork, &l.log->entry[0], VS_ENTRY_FEDERATION);
    l.open->entry.u.open.target_clients = 3;
    vs_test_open_envelope(&other, l.open, l.a->tf);
    vs_test_log_add(fork, &other, VS_ENTRY_OPEN);
    arena_expect(l.a, push(&l, fork, 1), vsw_Code_CONFLICT,
                 "entry 1 is not the one that was cosigned");
    expect_kept(&l, 0, "proven: the aggregator signed two entries that contradict each other");
    arena_expect(l.a, cosign(&l, fork), vsw_Code_CONFLICT, "has another root");
    expect_kept(&l, 1, "proven: the log signed checkpoints of two logs");
    vs_buf_free(&other);
    vs_test_log_free(fork);
    over(&l);
}
