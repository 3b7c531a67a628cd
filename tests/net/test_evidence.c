#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "net/evidence.h"
#include "net/keys.h"
#include "net/seal.h"
#include "tests/net/replay_scene.h"

/* A round with submissions of client 0 (honest, other salt), 1 (a wrong share for shareholder 3)
 * and evidence built from them. n 5, t 1, k 2. */
typedef struct bench {
    scene *s;
    vs_test_sub *first, *second, *cheat, *seed_cheat;
    vs_buf b;
} bench;

static bench bench_new(void)
{
    const vs_test_cheat share3 = {.wrong_share = 3}, share1 = {.wrong_share = 1};
    bench x = {.s = scene_new(true)};
    to_open(x.s);
    x.first = vs_test_sub_new(x.s->tf, &x.s->round, 0, 1, NULL);
    x.second = vs_test_sub_new(x.s->tf, &x.s->round, 0, 2, NULL);
    x.cheat = vs_test_sub_new(x.s->tf, &x.s->round, 1, 3, &share3);
    x.seed_cheat = vs_test_sub_new(x.s->tf, &x.s->round, 1, 4, &share1);
    return x;
}

static void bench_free(bench *x)
{
    vs_test_sub_free(x->first);
    vs_test_sub_free(x->second);
    vs_test_sub_free(x->cheat);
    vs_test_sub_free(x->seed_cheat);
    vs_buf_free(&x->b);
    scene_free(x->s);
}

static void begin(bench *x, vs_claim claim, uint32_t index, uint8_t n)
{
    vs_buf_reset(&x->b);
    vs_evidence_begin(&x->b, &x->s->round.id, claim, index, n);
}

static vs_entry_evidence expect_proven(bench *x)
{
    vs_entry_evidence e;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_evidence_check(&e, x->s->tf->fed, x->b.p, x->b.len, &diag), VS_OK, "%s",
                 diag.text);
    cr_expect_eq(vs_evidence_matches(&e, x->s->tf->fed, x->b.p, x->b.len, &diag), VS_OK);
    /* Every byte counts: whatever is changed proves nothing any more. */
    for (size_t at = 0; at < x->b.len; at += 1 + x->b.len / 97) {
        vs_entry_evidence other;
        x->b.p[at] ^= 1;
        cr_expect_neq(vs_evidence_matches(&e, x->s->tf->fed, x->b.p, x->b.len, &diag), VS_OK,
                      "byte %zu", at);
        (void)!vs_evidence_check(&other, x->s->tf->fed, x->b.p, x->b.len, &diag);
        x->b.p[at] ^= 1;
    }
    cr_expect_neq(vs_evidence_check(&e, x->s->tf->fed, x->b.p, x->b.len - 1, &diag), VS_OK);
    cr_expect_eq(e.claim, 0);
    cr_assert_eq(vs_evidence_check(&e, x->s->tf->fed, x->b.p, x->b.len, &diag), VS_OK);
    return e;
}

static void expect_not(bench *x, const char *text)
{
    vs_entry_evidence e;
    vs_diag diag = {{0}};
    vs_err err = vs_evidence_check(&e, x->s->tf->fed, x->b.p, x->b.len, &diag);
    cr_expect(err == VS_ERR_PROOF || err == VS_ERR_MALFORMED, "%s: %s", text, vs_err_name(err));
    cr_expect_not_null(strstr(diag.text, text), "\"%s\" expected, got: %s", text, diag.text);
    cr_expect_eq(e.claim, 0, "zero on error");
}

static void header_part(bench *x, const vs_test_sub *sub)
{
    vs_evidence_part(&x->b, sub->begin.p, sub->begin.len - 64); /* without the enrolment */
}

Test(evidence, two_submissions_of_a_client_unmask_it)
{
    bench x = bench_new();
    begin(&x, VS_CLAIM_TWO_SUBMISSIONS, 0, 2);
    header_part(&x, x.first);
    header_part(&x, x.second);
    vs_entry_evidence e = expect_proven(&x);
    vs_diag text;
    cr_expect_eq(e.party, VS_PARTY_CLIENT);
    cr_expect(vs_h32_equal(&e.key, &x.s->tf->client[0]->pub.identity));
    cr_expect(vs_h32_equal(&e.pseudonym, &x.first->h.pseudonym));
    vs_evidence_describe(&text, &e);
    cr_expect_not_null(strstr(text.text, "signed two submissions in round 1"), "%s", text.text);
    begin(&x, VS_CLAIM_TWO_SUBMISSIONS, 0, 2);
    header_part(&x, x.first);
    header_part(&x, x.first);
    expect_not(&x, "the same");
    begin(&x, VS_CLAIM_TWO_SUBMISSIONS, 0, 2);
    header_part(&x, x.first);
    header_part(&x, x.cheat);
    expect_not(&x, "different clients");
    bench_free(&x);
}

/* Another W for the same header, signed. */
static void resign_proof(const bench *x, const vs_test_sub *sub, vs_buf *out, bool other)
{
    vs_buf_bytes(out, sub->finish.p, sub->finish.len - 64);
    uint8_t sig[64];
    if (other) out->p[out->len - 3] ^= 1;
    vs_sign(sig, out->p, out->len, x->s->tf->client[sub->client]->identity_seed);
    vs_buf_bytes(out, sig, sizeof sig);
}

Test(evidence, two_proofs_for_one_submission)
{
    bench x = bench_new();
    vs_buf other = {0}, same = {0};
    resign_proof(&x, x.first, &other, true);
    resign_proof(&x, x.first, &same, false);
    begin(&x, VS_CLAIM_TWO_PROOFS, 0, 3);
    header_part(&x, x.first);
    vs_evidence_part(&x.b, x.first->finish.p, x.first->finish.len);
    vs_evidence_part(&x.b, other.p, other.len);
    cr_expect_eq(expect_proven(&x).party, VS_PARTY_CLIENT);
    begin(&x, VS_CLAIM_TWO_PROOFS, 0, 3);
    header_part(&x, x.first);
    vs_evidence_part(&x.b, x.first->finish.p, x.first->finish.len);
    vs_evidence_part(&x.b, same.p, same.len);
    expect_not(&x, "the same");
    vs_buf_free(&other);
    vs_buf_free(&same);
    bench_free(&x);
}

/* The share that shareholder j decrypts: nonce and bytes. */
static void open_share(const bench *x, const vs_test_sub *sub, uint32_t j, vs_buf *out)
{
    const vs_buf *sealed = &sub->sealed[j - 1];
    vs_seal *seal = NULL;
    bool is_seed = j <= 1;
    uint32_t chunks = vs_sealed_share_chunks(sub->columns, is_seed);
    size_t at = 0;
    cr_assert_eq(vs_seal_new_receiver(&seal, x->s->open->round_secret[j - 1],
                                      &sub->h.share[j - 1].ephemeral_key, &sub->h.ctx, j),
                 VS_OK);
    for (uint32_t c = 0; c < chunks; c++) {
        size_t len = vs_sealed_share_plain(sub->columns, is_seed, c);
        cr_assert_eq(vs_unseal_chunk(seal, vs_buf_extend(out, len), sealed->p + at,
                                     len + VS_SEAL_TAG_BYTES, c, c + 1 == chunks),
                     VS_OK);
        at += len + VS_SEAL_TAG_BYTES;
    }
    vs_seal_free(seal);
}

static void complain(bench *x, const vs_test_sub *sub, uint32_t j)
{
    vs_buf share = {0};
    open_share(x, sub, j, &share);
    begin(x, VS_CLAIM_INCONSISTENT_SHARE, j, 3);
    header_part(x, sub);
    vs_evidence_part(&x->b, sub->finish.p, sub->finish.len);
    vs_evidence_part(&x->b, share.p, share.len);
    vs_buf_free(&share);
}

Test(evidence, a_share_that_opens_its_commitment_and_fails_the_proof)
{
    bench x = bench_new();
    complain(&x, x.cheat, 3);
    vs_entry_evidence e = expect_proven(&x);
    cr_expect_eq(e.party, VS_PARTY_CLIENT);
    cr_expect_eq(e.index, 3);
    cr_expect(vs_h32_equal(&e.key, &x.s->tf->client[1]->pub.identity));
    complain(&x, x.seed_cheat, 1); /* the seed alone */
    cr_expect_lt(x.b.len, 2000);
    (void)expect_proven(&x);
    complain(&x, x.cheat, 4); /* an honest share accuses nobody */
    expect_not(&x, "is the one that the client's W proves");
    complain(&x, x.cheat, 3);
    x.b.p[x.b.len - 8] ^= 2; /* a shareholder that makes it up */
    expect_not(&x, "does not open its commitment");
    complain(&x, x.first, 1);
    expect_not(&x, "is the one that the client's W proves");
    bench_free(&x);
}

static void signed_part(bench *x, const vs_buf *text, const uint8_t *seed)
{
    uint8_t sig[64];
    vs_sign(sig, text->p, text->len, seed);
    vs_evidence_part2(&x->b, text->p, text->len, sig, sizeof sig);
}

static void list_part(bench *x, uint32_t j, uint32_t count, const uint8_t *seed)
{
    vs_buf text = {0};
    vs_h32 root = {{1}};
    cr_assert_eq(vs_list_bytes(&text, &x->s->round.id, j, count, &root), VS_OK);
    signed_part(x, &text, seed);
    vs_buf_free(&text);
}

Test(evidence, two_lists_of_a_shareholder)
{
    bench x = bench_new();
    const uint8_t *seed = shareholder(x.s, 2);
    begin(&x, VS_CLAIM_TWO_LISTS, 2, 2);
    list_part(&x, 2, 3, seed);
    list_part(&x, 2, 4, seed);
    vs_entry_evidence e = expect_proven(&x);
    cr_expect_eq(e.party, VS_PARTY_SHAREHOLDER);
    cr_expect_eq(e.index, 2);
    begin(&x, VS_CLAIM_TWO_LISTS, 2, 2);
    list_part(&x, 2, 3, seed);
    list_part(&x, 2, 3, seed);
    expect_not(&x, "the same");
    begin(&x, VS_CLAIM_TWO_LISTS, 2, 2);
    list_part(&x, 2, 3, seed);
    list_part(&x, 2, 4, shareholder(x.s, 3));
    expect_not(&x, "signature of a list fails");
    begin(&x, VS_CLAIM_TWO_LISTS, 2, 2);
    list_part(&x, 2, 3, seed);
    list_part(&x, 3, 4, seed);
    expect_not(&x, "not a list of this shareholder");
    begin(&x, VS_CLAIM_TWO_LISTS, 6, 2);
    list_part(&x, 2, 3, seed);
    list_part(&x, 2, 4, seed);
    expect_not(&x, "names a shareholder that there is not");
    bench_free(&x);
}

static void vote_part(bench *x, uint32_t j, uint32_t count, const uint8_t *seed)
{
    vs_proposal p = {.id = x->s->round.id, .params_hash = x->s->round.params_hash, .count = count};
    vs_buf text = {0}, vote = {0};
    uint8_t sig[64];
    cr_assert_eq(vs_proposal_encode(&text, &p), VS_OK);
    cr_assert_eq(vs_vote_bytes(&vote, &p, j), VS_OK);
    vs_sign(sig, vote.p, vote.len, seed);
    vs_evidence_part2(&x->b, text.p, text.len, sig, sizeof sig);
    vs_buf_free(&text);
    vs_buf_free(&vote);
}

static void closed_part(bench *x, uint32_t j)
{
    vs_entry e = closed_entry(x->s, j);
    vs_buf envelope = {0};
    vs_test_sign_entry(&envelope, &e, shareholder(x->s, j));
    vs_evidence_part(&x->b, envelope.p, envelope.len);
    vs_buf_free(&envelope);
}

Test(evidence, two_votes_or_a_vote_and_closed_of_a_shareholder)
{
    bench x = bench_new();
    const uint8_t *seed = shareholder(x.s, 4);
    begin(&x, VS_CLAIM_TWO_VOTES, 4, 2);
    vote_part(&x, 4, 2, seed);
    vote_part(&x, 4, 3, seed);
    cr_expect_eq(expect_proven(&x).index, 4);
    begin(&x, VS_CLAIM_TWO_VOTES, 4, 2);
    vote_part(&x, 4, 2, seed);
    vote_part(&x, 4, 2, seed);
    expect_not(&x, "the same");
    begin(&x, VS_CLAIM_TWO_VOTES, 4, 2);
    vote_part(&x, 4, 2, seed);
    vote_part(&x, 4, 3, shareholder(x.s, 5)); /* a forged vote accuses nobody */
    expect_not(&x, "signature of a vote fails");
    begin(&x, VS_CLAIM_VOTE_AND_CLOSED, 4, 2);
    vote_part(&x, 4, 2, seed);
    closed_part(&x, 4);
    cr_expect_eq(expect_proven(&x).index, 4);
    begin(&x, VS_CLAIM_VOTE_AND_CLOSED, 4, 2);
    vote_part(&x, 4, 2, seed);
    closed_part(&x, 5);
    expect_not(&x, "signature is not the accused's");
    bench_free(&x);
}

static void entry_part(bench *x, const vs_entry *e, const uint8_t *seed)
{
    vs_buf envelope = {0};
    vs_test_sign_entry(&envelope, e, seed);
    vs_evidence_part(&x->b, envelope.p, envelope.len);
    vs_buf_free(&envelope);
}

Test(evidence, two_entries_of_the_aggregator_or_of_a_shareholder)
{
    bench x = bench_new();
    vs_entry a = vs_test_entry(x.s->log, VS_ENTRY_SET, 1);
    a.u.set = (vs_entry_set){.count = 3, .n_votes = 1, .votes = {{.index = 1}}};
    vs_entry b = a;
    b.u.set.count = 2;
    begin(&x, VS_CLAIM_TWO_ENTRIES, 0, 2);
    entry_part(&x, &a, aggregator(x.s));
    entry_part(&x, &b, aggregator(x.s));
    cr_expect_eq(expect_proven(&x).party, VS_PARTY_AGGREGATOR);
    b = a;
    b.u.set.votes[0].index = 2; /* the same set, with other votes */
    begin(&x, VS_CLAIM_TWO_ENTRIES, 0, 2);
    entry_part(&x, &a, aggregator(x.s));
    entry_part(&x, &b, aggregator(x.s));
    expect_not(&x, "say the same");
    b.round = 2;
    begin(&x, VS_CLAIM_TWO_ENTRIES, 0, 2);
    entry_part(&x, &a, aggregator(x.s));
    entry_part(&x, &b, aggregator(x.s));
    expect_not(&x, "another federation or round");
    a = x.s->open->entry;
    b = a;
    b.u.open.model_hash.b[0] ^= 1; /* another model for other clients */
    begin(&x, VS_CLAIM_TWO_ENTRIES, 0, 2);
    entry_part(&x, &a, aggregator(x.s));
    entry_part(&x, &b, aggregator(x.s));
    cr_expect_eq(expect_proven(&x).party, VS_PARTY_AGGREGATOR);
    a = vs_test_entry(x.s->log, VS_ENTRY_ANSWER, 1);
    a.u.answer = (vs_entry_answer){.index = 5, .checkpoint_size = 3};
    b = a;
    b.u.answer.checkpoint_size = 4; /* restated under a later checkpoint */
    begin(&x, VS_CLAIM_TWO_ENTRIES, 5, 2);
    entry_part(&x, &a, shareholder(x.s, 5));
    entry_part(&x, &b, shareholder(x.s, 5));
    expect_not(&x, "say the same");
    b.u.answer.set.b[0] = 1; /* another set */
    begin(&x, VS_CLAIM_TWO_ENTRIES, 5, 2);
    entry_part(&x, &a, shareholder(x.s, 5));
    entry_part(&x, &b, shareholder(x.s, 5));
    cr_expect_eq(expect_proven(&x).index, 5);
    begin(&x, VS_CLAIM_TWO_ENTRIES, 0, 2);
    entry_part(&x, &a, aggregator(x.s));
    entry_part(&x, &b, aggregator(x.s));
    expect_not(&x, "answers are not both of this shareholder");
    bench_free(&x);
}

static void order_part(bench *x, vs_order order, const char *body, const uint8_t *seed)
{
    vs_buf text = {0};
    cr_assert_eq(vs_order_bytes(&text, &x->s->round.id, order, body, strlen(body)), VS_OK);
    signed_part(x, &text, seed);
    vs_buf_free(&text);
}

Test(evidence, two_orders_to_vote_of_the_aggregator)
{
    bench x = bench_new();
    begin(&x, VS_CLAIM_TWO_PROPOSALS, 0, 2);
    order_part(&x, VS_ORDER_VOTE, "one set", aggregator(x.s));
    order_part(&x, VS_ORDER_VOTE, "another", aggregator(x.s));
    cr_expect_eq(expect_proven(&x).party, VS_PARTY_AGGREGATOR);
    begin(&x, VS_CLAIM_TWO_PROPOSALS, 0, 2);
    order_part(&x, VS_ORDER_VOTE, "one set", aggregator(x.s));
    order_part(&x, VS_ORDER_VOTE, "one set", aggregator(x.s));
    expect_not(&x, "the same");
    begin(&x, VS_CLAIM_TWO_PROPOSALS, 0, 2);
    order_part(&x, VS_ORDER_VOTE, "one set", aggregator(x.s));
    order_part(&x, VS_ORDER_CLOSE, "", aggregator(x.s)); /* a vote that failed may be closed */
    expect_not(&x, "not an order to vote");
    bench_free(&x);
}

/* Checkpoint note of these leaves; root: their root. */
static void note_of(const scene *s, uint32_t n, uint8_t tag, vs_buf *note, vs_h32 *root)
{
    vs_checkpoint c = {.size = n};
    vs_merkle tree;
    vs_buf text = {0};
    vs_merkle_init(&tree);
    for (uint32_t i = 0; i < n; i++) {
        vs_h32 leaf = {{(uint8_t)(i + 1), i == 0 ? tag : 0}};
        vs_merkle_append(&tree, &leaf);
    }
    vs_merkle_root(&tree, root);
    memcpy(c.origin, s->tf->fed->origin, sizeof c.origin);
    c.root = *root;
    cr_assert_eq(vs_checkpoint_format(&text, &c), VS_OK);
    cr_assert_eq(vs_note_sign(note, (const char *)text.p, text.len, &s->tf->fed->log_key,
                              s->tf->aggregator->log_seed),
                 VS_OK);
    vs_buf_free(&text);
}

Test(evidence, checkpoints_of_two_logs)
{
    bench x = bench_new();
    vs_buf whole = {0}, fork = {0}, prefix = {0};
    vs_h32 root, other, part, node = {{3}};
    note_of(x.s, 3, 0, &whole, &root);
    note_of(x.s, 3, 9, &fork, &other);
    begin(&x, VS_CLAIM_TWO_LOGS, 0, 3);
    vs_evidence_part(&x.b, whole.p, whole.len);
    vs_evidence_part(&x.b, fork.p, fork.len);
    vs_evidence_part(&x.b, root.b, sizeof root.b); /* of one size: no path */
    cr_expect_eq(expect_proven(&x).party, VS_PARTY_LOG);
    vs_buf_reset(&fork);
    note_of(x.s, 2, 9, &fork, &other);
    note_of(x.s, 2, 0, &prefix, &part); /* of the first two entries of the log of three */
    begin(&x, VS_CLAIM_TWO_LOGS, 0, 3);
    vs_evidence_part(&x.b, whole.p, whole.len);
    vs_evidence_part(&x.b, fork.p, fork.len);
    vs_evidence_part2(&x.b, part.b, sizeof part.b, node.b, sizeof node.b);
    (void)expect_proven(&x);
    begin(&x, VS_CLAIM_TWO_LOGS, 0, 3); /* an honest log that grew */
    vs_evidence_part(&x.b, whole.p, whole.len);
    vs_evidence_part(&x.b, prefix.p, prefix.len);
    vs_evidence_part2(&x.b, part.b, sizeof part.b, node.b, sizeof node.b);
    expect_not(&x, "both checkpoints are of one log");
    begin(&x, VS_CLAIM_TWO_LOGS, 0, 3);
    vs_evidence_part(&x.b, whole.p, whole.len);
    vs_evidence_part(&x.b, prefix.p, prefix.len);
    vs_evidence_part2(&x.b, other.b, sizeof other.b, node.b, sizeof node.b);
    expect_not(&x, "consistency path fails");
    vs_buf_free(&whole);
    vs_buf_free(&fork);
    vs_buf_free(&prefix);
    bench_free(&x);
}

Test(evidence, a_statement_proves_only_who_makes_it)
{
    bench x = bench_new();
    vs_buf text = {0};
    cr_assert_eq(vs_complaint_bytes(&text, &x.s->round.id, 3, &x.first->h.pseudonym,
                                    &x.first->h.submission, VS_REJECT_COMMITMENT_MISMATCH),
                 VS_OK);
    begin(&x, VS_CLAIM_STATEMENT, 3, 1);
    signed_part(&x, &text, shareholder(x.s, 3));
    vs_entry_evidence e = expect_proven(&x);
    vs_diag words;
    cr_expect(vs_h32_is_zero(&e.key), "it unmasks nobody");
    cr_expect_eq(e.reason, VS_REJECT_COMMITMENT_MISMATCH);
    vs_evidence_describe(&words, &e);
    cr_expect_not_null(strstr(words.text, "not a proof"), "%s", words.text);
    begin(&x, VS_CLAIM_STATEMENT, 3, 1);
    signed_part(&x, &text, shareholder(x.s, 2));
    expect_not(&x, "signature of the complaint fails");
    vs_buf_free(&text);
    bench_free(&x);
}

static vs_entry evidence_entry(bench *x)
{
    vs_entry e = vs_test_entry(x->s->log, VS_ENTRY_EVIDENCE, 1);
    e.u.evidence = expect_proven(x);
    return e;
}

Test(evidence, the_replay_checks_it_from_its_blob_and_where_it_stands)
{
    bench x = bench_new();
    begin(&x, VS_CLAIM_TWO_SUBMISSIONS, 0, 2);
    header_part(&x, x.first);
    header_part(&x, x.second);
    vs_entry e = evidence_entry(&x);
    refuse_with(x.s, &e, aggregator(x.s), VS_ERR_STATE, "is not here");
    put_blob(x.s, x.b.p, x.b.len);
    vs_entry bent = e;
    bent.u.evidence.key.b[0] ^= 1;
    refuse(x.s, &bent, aggregator(x.s), "prove something else than it says");
    bent = e;
    bent.round = 2;
    refuse(x.s, &bent, aggregator(x.s), "evidence of round 2, which is not the open round");
    bent = e;
    bent.u.evidence.about = 2;
    refuse(x.s, &bent, aggregator(x.s), "which is not open yet");
    refuse(x.s, &e, shareholder(x.s, 1), "not signed by the aggregator");
    accept(x.s, &e, aggregator(x.s));
    accept(x.s, &e, aggregator(x.s)); /* twice is no lie */
    vs_entry set = set_entry(x.s);
    accept(x.s, &set, aggregator(x.s));
    refuse(x.s, &e, aggregator(x.s), "between a set and the end of its round");
    bench_free(&x);
}

/* --- keys ------------------------------------------------------------------------------------- */

static vs_entry key_entry(scene *s, vs_key_action action, uint32_t index, const vs_h32 *old_key,
                          const vs_h32 *new_key, const vs_keys *signer)
{
    vs_entry e = vs_test_entry(s->log, VS_ENTRY_KEY, vs_replay_last_round(s->rp));
    vs_entry_key *k = &e.u.key;
    vs_buf text = {0};
    k->action = action;
    k->party = index == 0 ? VS_PARTY_CLIENT : VS_PARTY_SHAREHOLDER;
    k->index = index;
    k->old_key = *old_key;
    if (new_key != NULL) k->new_key = *new_key;
    k->signer = signer->pub.identity;
    cr_assert_eq(vs_key_statement_bytes(&text, &s->tf->fed->id, k), VS_OK);
    vs_sign(k->sig, text.p, text.len, signer->identity_seed);
    vs_buf_free(&text);
    return e;
}

Test(keys, a_client_key_is_revoked_by_the_admin_or_by_itself_once)
{
    scene *s = scene_new(true);
    const vs_test_fed *tf = s->tf;
    const vs_h32 *alice = &tf->client[0]->pub.identity;
    to_federation(s);
    vs_entry e = key_entry(s, VS_KEY_REVOKE, 0, alice, NULL, tf->client[1]);
    refuse(s, &e, aggregator(s), "neither with the admin's key nor with the old key");
    e = key_entry(s, VS_KEY_REVOKE, 0, alice, NULL, tf->client[0]);
    refuse(s, &e, aggregator(s), "old key is not enrolled"); /* it must show that it is */
    memcpy(e.u.key.enrolment, tf->enrolment[0], 64);
    e.u.key.sig[3] ^= 1;
    refuse(s, &e, aggregator(s), "its signature fails");
    e.u.key.sig[3] ^= 1;
    accept(s, &e, aggregator(s));
    cr_expect_eq(vs_keyring_client(vs_replay_keys(s->rp), alice), VS_KEY_REVOKED);
    cr_expect_eq(vs_keyring_admits(vs_replay_keys(s->rp), tf->fed, alice, tf->enrolment[0]),
                 VS_ERR_STATE);
    cr_expect_eq(vs_keyring_admits(vs_replay_keys(s->rp), tf->fed, &tf->client[1]->pub.identity,
                                   tf->enrolment[1]),
                 VS_OK);
    e = key_entry(s, VS_KEY_REVOKE, 0, alice, NULL, tf->admin);
    refuse(s, &e, aggregator(s), "revoked already");
    scene_free(s);
}

Test(keys, a_rotation_admits_the_new_key_and_revokes_the_old_one)
{
    static const uint8_t none[64];
    scene *s = scene_new(true);
    const vs_test_fed *tf = s->tf;
    const vs_h32 *alice = &tf->client[0]->pub.identity;
    const vs_h32 fresh = {{7}}, fresher = {{2}};
    to_open(s); /* while clients submit */
    vs_entry e = key_entry(s, VS_KEY_ROTATE, 0, alice, &fresh, tf->admin);
    accept(s, &e, aggregator(s));
    cr_expect_eq(vs_keyring_client(vs_replay_keys(s->rp), alice), VS_KEY_REVOKED);
    cr_expect_eq(vs_keyring_admits(vs_replay_keys(s->rp), tf->fed, &fresh, none), VS_OK);
    cr_expect_neq(vs_keyring_admits(vs_replay_keys(s->rp), tf->fed, &fresher, none), VS_OK);
    e = key_entry(s, VS_KEY_ROTATE, 0, &fresh, alice, tf->admin);
    refuse(s, &e, aggregator(s), "new key was used before"); /* what is revoked stays so */
    e = key_entry(s, VS_KEY_ROTATE, 0, &fresh, &fresher, tf->admin);
    accept(s, &e, aggregator(s));
    cr_expect_neq(vs_keyring_admits(vs_replay_keys(s->rp), tf->fed, &fresh, none), VS_OK);
    cr_expect_eq(vs_keyring_admits(vs_replay_keys(s->rp), tf->fed, &fresher, none), VS_OK);
    scene_free(s);
}

Test(keys, a_revoked_shareholder_is_in_no_later_round)
{
    scene *s = scene_new(true);
    const vs_test_fed *tf = s->tf;
    const vs_h32 *second = &tf->shareholder[1]->pub.identity;
    to_federation(s);
    vs_entry e = key_entry(s, VS_KEY_REVOKE, 3, second, NULL, tf->admin);
    refuse(s, &e, aggregator(s), "old_key is not that of the shareholder");
    e = key_entry(s, VS_KEY_REVOKE, 2, second, NULL, tf->admin);
    accept(s, &e, aggregator(s));
    refuse(s, &e, aggregator(s), "revoked already");
    s->open->entry.prev = s->log->prev;
    refuse(s, &s->open->entry, aggregator(s), "open lists shareholder 2, whose key is revoked");
    vs_test_open_unlist(s->open, 2);
    to_open(s);
    e = key_entry(s, VS_KEY_REVOKE, 3, &tf->shareholder[2]->pub.identity, NULL, tf->admin);
    refuse(s, &e, aggregator(s), "while round 1 runs");
    scene_free(s);
}
