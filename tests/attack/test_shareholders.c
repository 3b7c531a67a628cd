/* Shareholders that lie, against a real aggregator and real shareholders. n 7, t 2, k 1, margin 2:
 * three sum shares give the sum, two wrong ones are corrected. The test plays shareholders 5, 6
 * and 7. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "net/keys.h"
#include "net/seal.h"
#include "tests/attack/support_arena.h"

enum { CLIENTS = 3, LIARS = 1 << 5 | 1 << 6 | 1 << 7 };

/* What the liars do, each from `from` to 7; the others of the test are honest. */
typedef struct lie {
    uint32_t from;
    bool colluding;      /* wrong shares of one other polynomial */
    bool no_vote;        /* refuse to vote */
    bool forged_vote;    /* sign it with another key */
    bool silent_answer;  /* never answer */
    bool other_set;      /* answer for another set */
    bool both;           /* 4 to 6 do not vote; 7 votes and signs closed */
    vs_buf accusation;   /* given as evidence, if it is not empty */
    vs_buf sealed[8];    /* the forged answer, by j */
    vs_buf answer;       /* last honest envelope of shareholder 7 */
    vs_buf other_answer; /* and the one for another set */
} lie;

static void lie_free(lie *l)
{
    for (uint32_t j = 0; j < 8; j++) vs_buf_free(&l->sealed[j]);
    vs_buf_free(&l->accusation);
    vs_buf_free(&l->answer);
    vs_buf_free(&l->other_answer);
}

/* The sum share of j with an error in every column: one of its own, or that of the polynomial
 * (x-1)(x-2), of degree below r = 3, so that colluding shares lie on one other codeword. */
static void wrong_sum(arena *a, const lie *l, uint32_t j, vs_buf *sum)
{
    vs_test_sum_share(sum, a->sub, CLIENTS, j);
    for (size_t at = 0; at < sum->len; at += VS_FE_BYTES) {
        uint64_t v = vs_load_le64(sum->p + at);
        uint64_t error = l->colluding ? (uint64_t)(j - 1) * (j - 2) : 1 + at * 7 + j * j * j;
        vs_store_le64(sum->p + at, (v + error) % VS_FE_P);
    }
}

/* Seal and sign a wrong answer in place of the real role's. */
static void forge_answer(arena *a, lie *l, uint32_t j, vs_buf *reply)
{
    const uint8_t *key = a->tf->shareholder[j - 1]->identity_seed;
    vs_reply real;
    vs_dsse dsse = {0};
    vs_entry e;
    vs_hash h;
    vs_h32 ctx;
    vs_seal *seal = NULL;
    vs_buf sum = {0}, envelope = {0};
    uint8_t secret[32];
    vs_diag diag;
    cr_assert_eq(vs_reply_decode(&real, reply->p, reply->len), VS_OK);
    if (real.head.which_result != vsw_Reply_answer_tag) return;
    cr_assert_eq(vs_dsse_parse(&dsse, real.body, real.body_len, &diag), VS_OK);
    cr_assert_eq(vs_entry_decode(&e, dsse.kind, dsse.payload.p, dsse.payload.len, &diag), VS_OK);
    wrong_sum(a, l, j, &sum);
    vs_answer_hash_start(&h, &a->round.id, j);
    vs_hash_bytes(&h, sum.p, sum.len);
    vs_hash_final(&h, &e.u.answer.answer_hash);
    vs_test_bytes(secret, sizeof secret, 900 + j);
    vs_answer_context(&ctx, &a->round.id, &e.u.answer.set);
    cr_assert_eq(vs_seal_new_sender(&seal, secret, &a->round.open.aggregator_key, &ctx, j), VS_OK);
    vs_buf_reset(&l->sealed[j]);
    cr_assert_eq(vs_seal_chunk(seal, vs_buf_extend(&l->sealed[j], sum.len + VS_SEAL_TAG_BYTES),
                               sum.p, sum.len, 0, true),
                 VS_OK);
    vs_seal_free(seal);
    vs_test_sign_entry(&envelope, &e, key);
    vsw_Reply head = {.which_result = vsw_Reply_answer_tag, .result.answer = {.chunks = 1}};
    vs_h32 pk;
    vs_seal_public(&pk, secret);
    memcpy(head.result.answer.ephemeral_key, pk.b, sizeof pk.b);
    vs_buf_reset(reply);
    cr_assert_eq(vs_reply_encode(reply, &head, envelope.p, envelope.len), VS_OK);
    vs_dsse_free(&dsse);
    vs_buf_free(&sum);
    vs_buf_free(&envelope);
}

/* The real answer's envelope, renamed to another set and signed. */
static void answer_other_set(arena *a, lie *l, uint32_t j, vs_buf *reply)
{
    vs_reply real;
    vs_dsse dsse = {0};
    vs_entry e;
    vs_diag diag;
    cr_assert_eq(vs_reply_decode(&real, reply->p, reply->len), VS_OK);
    if (real.head.which_result != vsw_Reply_answer_tag) return;
    vs_buf_reset(&l->answer);
    vs_buf_reset(&l->other_answer);
    vs_buf_bytes(&l->answer, real.body, real.body_len);
    cr_assert_eq(vs_dsse_parse(&dsse, real.body, real.body_len, &diag), VS_OK);
    cr_assert_eq(vs_entry_decode(&e, dsse.kind, dsse.payload.p, dsse.payload.len, &diag), VS_OK);
    e.u.answer.set.b[0] ^= 1;
    vs_test_sign_entry(&l->other_answer, &e, a->tf->shareholder[j - 1]->identity_seed);
    vsw_Reply head = real.head;
    vs_buf_reset(reply);
    cr_assert_eq(vs_reply_encode(reply, &head, l->other_answer.p, l->other_answer.len), VS_OK);
    vs_dsse_free(&dsse);
}

static void give_forged(lie *l, uint32_t j, vs_buf *reply)
{
    vsw_Reply head = {.which_result = vsw_Reply_progress_tag,
                      .result.progress = {.next = 1, .total = 1}};
    if (l->sealed[j].len == 0) return;
    vs_buf_reset(reply);
    cr_assert_eq(vs_reply_encode(reply, &head, l->sealed[j].p, l->sealed[j].len), VS_OK);
}

static void forge_vote(vs_buf *reply)
{
    vs_reply real;
    cr_assert_eq(vs_reply_decode(&real, reply->p, reply->len), VS_OK);
    vsw_Reply head = real.head;
    if (head.which_result != vsw_Reply_vote_tag) return;
    head.result.vote.signature[7] ^= 1;
    vs_buf_reset(reply);
    cr_assert_eq(vs_reply_encode(reply, &head, NULL, 0), VS_OK);
}

/* Evidence number 0 is the accusation; there is no other. */
static void accuse(lie *l, const vs_request *q, vs_buf *reply)
{
    vsw_Reply head = {.which_result = vsw_Reply_progress_tag,
                      .result.progress = {.next = l->accusation.len, .total = l->accusation.len}};
    if (l->accusation.len == 0 || q->head.op.evidence.number != 0) return;
    vs_buf_reset(reply);
    cr_assert_eq(vs_reply_encode(reply, &head, l->accusation.p, l->accusation.len), VS_OK);
}

/* Shareholder 7 voted: the real role would refuse this. */
static void forge_closed(arena *a, vs_buf *reply)
{
    vs_entry e;
    vs_dsse dsse = {0};
    vs_buf envelope = {0};
    const vsw_Reply head = {.which_result = vsw_Reply_ok_tag};
    vs_diag diag;
    cr_assert_eq(vs_dsse_parse(&dsse, a->open.p, a->open.len, &diag), VS_OK);
    cr_assert_eq(vs_entry_decode(&e, dsse.kind, dsse.payload.p, dsse.payload.len, &diag), VS_OK);
    e.kind = VS_ENTRY_CLOSED; /* origin, federation, round and prev are the open's */
    e.u.closed = (vs_entry_closed){.index = 7, .params_hash = a->round.params_hash};
    vs_test_sign_entry(&envelope, &e, a->tf->shareholder[6]->identity_seed);
    vs_buf_reset(reply);
    cr_assert_eq(vs_reply_encode(reply, &head, envelope.p, envelope.len), VS_OK);
    vs_dsse_free(&dsse);
    vs_buf_free(&envelope);
}

static void vote_and_close(arena *a, uint32_t j, const vs_request *q, vs_buf *reply)
{
    if (q->head.which_op == vsw_Request_vote_tag && j < 7) {
        vs_buf_reset(reply);
        cr_assert_eq(vs_reply_error(reply, vsw_Code_REFUSED, 0, "no"), VS_OK);
    }
    if (q->head.which_op == vsw_Request_close_tag && j == 7) forge_closed(a, reply);
}

static void hook(void *ctx, arena *a, uint32_t j, const vs_request *q, vs_buf *reply)
{
    lie *l = ctx;
    if (l->both) vote_and_close(a, j, q, reply);
    if (l->from == 0 || j < l->from) return;
    switch (q->head.which_op) {
    case vsw_Request_evidence_tag: accuse(l, q, reply); break;
    case vsw_Request_vote_tag:
        if (l->no_vote) {
            vs_buf_reset(reply);
            cr_assert_eq(vs_reply_error(reply, vsw_Code_REFUSED, 0, "I do not feel like it"),
                         VS_OK);
        }
        if (l->forged_vote) forge_vote(reply);
        break;
    case vsw_Request_answer_tag:
        if (l->silent_answer)
            vs_buf_reset(reply);
        else if (l->other_set)
            answer_other_set(a, l, j, reply);
        else if (!l->no_vote && !l->forged_vote && l->accusation.len == 0)
            forge_answer(a, l, j, reply);
        break;
    case vsw_Request_answer_chunk_tag: give_forged(l, j, reply); break;
    default: break;
    }
}

static arena *begin(lie *l)
{
    arena *a = arena_new(&(arena_config){.committee = {.n = 7, .t = 2, .k = 1, .margin = 2},
                                         .liars = l->both ? LIARS | 1 << 4 : LIARS});
    a->hook = hook;
    a->hook_ctx = l;
    arena_open(a, NULL);
    for (uint32_t i = 0; i < CLIENTS; i++) (void)arena_submit(a, i);
    return a;
}

static void over(arena *a, lie *l)
{
    arena_expect_audit(a);
    lie_free(l);
    arena_free(a);
}

static void expect_wrong(arena *a, uint32_t n, const uint32_t *who)
{
    vs_entry_result r = arena_entry(a, VS_ENTRY_RESULT, 0).u.result;
    cr_expect(r.certain);
    cr_assert_eq(r.n_wrong, n);
    for (uint32_t i = 0; i < n; i++) cr_expect_eq(r.wrong[i], who[i]);
    cr_expect_eq(r.n_outvoted, 0);
}

Test(attack_shareholders, one_wrong_sum_share_is_corrected_and_named)
{
    lie l = {.from = 7};
    arena *a = begin(&l);
    (void)arena_finish(a);
    arena_expect_honest(a, CLIENTS);
    expect_wrong(a, 1, (const uint32_t[]){7});
    over(a, &l);
}

Test(attack_shareholders, as_many_wrong_sum_shares_as_are_correctable)
{
    lie l = {.from = 6};
    arena *a = begin(&l);
    (void)arena_finish(a);
    arena_expect_honest(a, CLIENTS);
    expect_wrong(a, 2, (const uint32_t[]){6, 7});
    over(a, &l);
}

Test(attack_shareholders, one_too_many_wrong_sum_shares_abort_the_round)
{
    lie l = {.from = 5};
    arena *a = begin(&l);
    cr_assert_eq(arena_finish(a), vsw_Phase_ABORTED);
    vs_entry e = arena_entry(a, VS_ENTRY_ABORT, 0);
    cr_expect_eq(e.u.abort.reason, VS_ABORT_UNDECODABLE);
    cr_expect_not(arena_has_entry(a, VS_ENTRY_RESULT, 0), "never a guess");
    over(a, &l);
}

/* Two that agree on one other polynomial are still corrected and named. */
Test(attack_shareholders, colluding_wrong_shares_at_the_margin_are_corrected)
{
    lie l = {.from = 6, .colluding = true};
    arena *a = begin(&l);
    (void)arena_finish(a);
    arena_expect_honest(a, CLIENTS);
    expect_wrong(a, 2, (const uint32_t[]){6, 7});
    over(a, &l);
}

/* Beyond t liars nothing is claimed (docs/SECURITY.md): three that hold to one polynomial through
 * the shares of shareholders 1 and 2 outnumber 3 and 4, who are named instead. */
Test(attack_shareholders, colluding_wrong_shares_beyond_the_margin_bend_the_sum)
{
    lie l = {.from = 5, .colluding = true};
    arena *a = begin(&l);
    cr_assert_eq(arena_finish(a), vsw_Phase_FINAL);
    expect_wrong(a, 2, (const uint32_t[]){3, 4});
    over(a, &l);
}

Test(attack_shareholders, a_listed_shareholder_that_does_not_vote)
{
    lie l = {.from = 6, .no_vote = true};
    arena *a = begin(&l);
    (void)arena_finish(a);
    arena_expect_honest(a, CLIENTS);
    vs_entry set = arena_entry(a, VS_ENTRY_SET, 0);
    cr_assert_eq(set.u.set.n_votes, 5);
    over(a, &l);
}

/* With three the round is closed, and the three are named. */
Test(attack_shareholders, too_many_that_do_not_vote_are_named_in_the_abort)
{
    lie l = {.from = 5, .no_vote = true};
    arena *a = begin(&l);
    cr_assert_eq(arena_finish(a), vsw_Phase_ABORTED);
    vs_entry e = arena_entry(a, VS_ENTRY_ABORT, 0);
    cr_expect_eq(e.u.abort.reason, VS_ABORT_TOO_FEW_VOTES);
    cr_assert_eq(e.u.abort.n_not_voting, 3);
    for (uint32_t i = 0; i < 3; i++) cr_expect_eq(e.u.abort.not_voting[i], 5 + i);
    over(a, &l);
}

Test(attack_shareholders, two_answers_for_different_sets)
{
    lie l = {.from = 7, .other_set = true};
    arena *a = begin(&l);
    vs_buf bytes = {0};
    (void)arena_finish(a);
    arena_expect_honest(a, CLIENTS); /* the aggregator takes no answer for another set */
    vs_entry_result r = arena_entry(a, VS_ENTRY_RESULT, 0).u.result;
    cr_expect_eq(r.n_answers, 6);
    cr_assert_gt(l.answer.len, 0);
    vs_evidence_begin(&bytes, &a->round.id, VS_CLAIM_TWO_ENTRIES, 7, 2);
    vs_evidence_part(&bytes, l.answer.p, l.answer.len);
    vs_evidence_part(&bytes, l.other_answer.p, l.other_answer.len);
    arena_expect_evidence_file(
        a, &bytes,
        "proven: shareholder 7 signed two entries that contradict each other in round 1");
    vs_buf_free(&bytes);
    over(a, &l);
}

Test(attack_shareholders, forged_votes)
{
    lie l = {.from = 7, .forged_vote = true};
    arena *a = begin(&l);
    (void)arena_finish(a);
    arena_expect_honest(a, CLIENTS);
    vs_entry set = arena_entry(a, VS_ENTRY_SET, 0);
    for (uint32_t i = 0; i < set.u.set.n_votes; i++) cr_expect_neq(set.u.set.votes[i].index, 7);
    cr_expect_geq(set.u.set.n_votes, 5);
    over(a, &l);
}

/* A client's real header and trailer with a made-up share: nothing that was signed is contradicted.
 */
Test(attack_shareholders, a_false_accusation_of_an_honest_client)
{
    lie l = {.from = 7};
    arena *a = begin(&l);
    const vs_test_sub *honest = a->sub[0];
    uint8_t share[VS_NONCE_BYTES + 8] = {1};
    vs_evidence_begin(&l.accusation, &a->round.id, VS_CLAIM_INCONSISTENT_SHARE, 7, 3);
    vs_evidence_part(&l.accusation, honest->begin.p, honest->begin.len - 64);
    vs_evidence_part(&l.accusation, honest->finish.p, honest->finish.len);
    vs_evidence_part2(&l.accusation, share, VS_NONCE_BYTES, honest->rows,
                      (honest->columns + 2) * VS_FE_BYTES);
    (void)arena_finish(a);
    arena_expect_honest(a, CLIENTS);
    arena_pump(a, 700);
    cr_expect_not(arena_has_entry(a, VS_ENTRY_EVIDENCE, 0), "nothing is logged against it");
    over(a, &l);
}

/* What cannot be proven is logged as what it is: the shareholder's own word. */
Test(attack_shareholders, a_complaint_without_a_proof_is_a_statement)
{
    lie l = {.from = 7};
    arena *a = begin(&l);
    const vs_test_sub *honest = a->sub[0];
    vs_buf text = {0};
    uint8_t sig[64];
    cr_assert_eq(vs_complaint_bytes(&text, &a->round.id, 7, &honest->h.pseudonym,
                                    &honest->h.submission, VS_REJECT_COMMITMENT_MISMATCH),
                 VS_OK);
    vs_sign(sig, text.p, text.len, a->tf->shareholder[6]->identity_seed);
    vs_evidence_begin(&l.accusation, &a->round.id, VS_CLAIM_STATEMENT, 7, 1);
    vs_evidence_part2(&l.accusation, text.p, text.len, sig, sizeof sig);
    (void)arena_finish(a);
    arena_expect_honest(a, CLIENTS); /* the client stays in the sum */
    vs_entry_evidence e = arena_evidence(a, 0);
    cr_expect_eq(e.claim, VS_CLAIM_STATEMENT);
    cr_expect_eq(e.index, 7, "whose word it is");
    cr_expect(vs_h32_is_zero(&e.key), "nobody is unmasked");
    vs_buf_free(&text);
    over(a, &l);
}

Test(attack_shareholders, a_vote_and_the_word_never_to_vote)
{
    lie l = {.both = true};
    arena *a = begin(&l);
    cr_assert_eq(arena_finish(a), vsw_Phase_ABORTED);
    cr_expect_eq(arena_entry(a, VS_ENTRY_ABORT, 0).u.abort.reason, VS_ABORT_TOO_FEW_VOTES);
    vs_entry_evidence e = arena_evidence(a, 0);
    cr_expect_eq(e.claim, VS_CLAIM_VOTE_AND_CLOSED);
    cr_expect_eq(e.party, VS_PARTY_SHAREHOLDER);
    cr_expect_eq(e.index, 7);
    over(a, &l);
}
