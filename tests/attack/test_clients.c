/* Clients that lie, against real daemons. n 5, t 1, k 2; clients 0 to 2 are honest. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "net/call.h"
#include "net/keys.h"
#include "tests/attack/support_arena.h"

enum { HONEST = 3, LIAR = 3 };

static arena *with_round(void)
{
    arena *a = arena_new(&(arena_config){0});
    arena_open(a, NULL);
    return a;
}

/* The honest ones submit and get their exact sum, alone or with client 3, and the ledger is good.
 */
static void honest_end(arena *a, uint32_t n)
{
    for (uint32_t i = 0; i < HONEST; i++) {
        if (a->sub[i] == NULL) (void)arena_submit(a, i);
    }
    (void)arena_finish(a);
    arena_expect_honest(a, n);
}

static void over(arena *a)
{
    arena_expect_audit(a);
    arena_free(a);
}

static void expect_unmasked(arena *a, const vs_entry_evidence *e, vs_claim claim, uint32_t client)
{
    cr_expect_eq(e->claim, claim, "%s", vs_claim_name(e->claim));
    cr_expect_eq(e->party, VS_PARTY_CLIENT);
    cr_expect(vs_h32_equal(&e->key, &a->tf->client[client]->pub.identity));
    cr_expect_eq(e->about, a->number);
}

/* The header again with other bytes, signed by client i. */
static void resign(const arena *a, uint32_t i, vs_buf *begin)
{
    size_t len = begin->len - 128;
    vs_sign(begin->p + len, begin->p, len, a->tf->client[i]->identity_seed);
}

static vs_buf copy_of(const vs_buf *b)
{
    vs_buf copy = {0};
    vs_buf_bytes(&copy, b->p, b->len);
    return copy;
}

Test(attack_clients, inconsistent_shares)
{
    arena *a = with_round();
    const vs_test_cheat cheat = {.wrong_share = 3};
    a->sub[LIAR] = arena_sub(a, LIAR, 9, &cheat);
    for (uint32_t j = 1; j <= 5; j++) {
        vsw_Code code = arena_upload(a, j, a->sub[LIAR]);
        if (j != 3) arena_expect(a, code, vsw_Code_OK, "");
        if (j == 3) {
            arena_expect(a, code, vsw_Code_SHARE_INCONSISTENT,
                         "the share does not lie on the polynomials that W proves");
        }
    }
    arena_expect(a, arena_manifest(a, a->sub[LIAR]), vsw_Code_OK, "");
    honest_end(a, 4); /* four shareholders hold consistent shares: one well-defined vector */
    vs_entry_evidence e = arena_evidence(a, 0);
    expect_unmasked(a, &e, VS_CLAIM_INCONSISTENT_SHARE, LIAR);
    cr_expect_eq(e.index, 3, "who published its share");
    over(a);
}

Test(attack_clients, share_that_does_not_match_its_commitment)
{
    arena *a = with_round();
    const vs_test_cheat cheat = {.wrong_commitment = 2};
    vs_test_sub *sub = arena_sub(a, LIAR, 9, &cheat);
    arena_expect(a, arena_upload(a, 2, sub), vsw_Code_COMMITMENT_MISMATCH,
                 "the share does not open its commitment in the header");
    honest_end(a, HONEST);
    vs_entry_evidence e = arena_evidence(a, 0);
    cr_expect_eq(e.claim, VS_CLAIM_STATEMENT, "not a proof");
    cr_expect_eq(e.reason, VS_REJECT_COMMITMENT_MISMATCH);
    cr_expect_eq(e.index, 2);
    cr_expect(vs_h32_is_zero(&e.key), "it unmasks nobody");
    cr_expect(vs_h32_equal(&e.pseudonym, &sub->h.pseudonym));
    vs_test_sub_free(sub);
    over(a);
}

Test(attack_clients, copied_manifest_and_ciphertext_under_another_name)
{
    arena *a = with_round();
    vs_test_sub *alice = arena_submit(a, 0), *thief = arena_sub(a, LIAR, 5, NULL);
    vs_buf begin = copy_of(&alice->begin);
    /* the victim's commitments, keys and ciphertexts; the thief's name, signature, enrolment */
    vs_header h = alice->h;
    h.client_key = a->tf->client[LIAR]->pub.identity;
    vs_header_derive(&h);
    vs_buf_reset(&begin);
    cr_assert_eq(vs_header_encode(&begin, &h), VS_OK);
    vs_buf_bytes(&begin, alice->begin.p + alice->begin.len - 128, 64);
    vs_buf_bytes(&begin, a->tf->enrolment[LIAR], 64);
    resign(a, LIAR, &begin);
    thief->h = h;
    for (uint32_t j = 1; j <= 5; j++) {
        arena_expect(a, arena_begin(a, j, &begin), vsw_Code_OK, "");
        arena_expect(a, arena_chunks(a, j, thief, &alice->sealed[j - 1]), vsw_Code_MALFORMED,
                     "fails authentication");
    }
    /* and word for word it is nothing new: the victim's own submission once more */
    arena_expect(a, arena_upload(a, 2, alice), vsw_Code_OK, "");
    honest_end(a, HONEST);
    cr_expect_not(arena_has_entry(a, VS_ENTRY_EVIDENCE, 0), "nobody can be shown to have lied");
    vs_buf_free(&begin);
    vs_test_sub_free(thief);
    over(a);
}

Test(attack_clients, replay_of_an_old_round)
{
    arena *a = with_round();
    honest_end(a, HONEST);
    vs_buf old = copy_of(&a->sub[0]->begin);
    arena_open(a, NULL);
    vsw_Request head = {.which_op = vsw_Request_submit_begin_tag, .op.submit_begin = {.round = 1}};
    arena_expect(a, arena_ask(a, 2, &head, old.p, old.len), vsw_Code_STATE,
                 "round 1 is over, round 2 is open");
    arena_expect(a, arena_begin(a, 2, &old), vsw_Code_UNKNOWN_ROUND, "the header is for round 1");
    honest_end(a, HONEST);
    vs_buf_free(&old);
    over(a);
}

Test(attack_clients, second_different_submission)
{
    arena *a = with_round();
    vs_test_sub *first = arena_sub(a, LIAR, 5, NULL), *second = arena_sub(a, LIAR, 6, NULL);
    for (uint32_t j = 1; j <= 5; j++) arena_expect(a, arena_upload(a, j, first), vsw_Code_OK, "");
    for (uint32_t j = 1; j <= 5; j++) {
        arena_expect(a, arena_begin(a, j, &second->begin), vsw_Code_DUPLICATE,
                     "this client signed two different submissions for the round");
    }
    arena_expect(a, arena_manifest(a, first), vsw_Code_OK, "");
    arena_expect(a, arena_manifest(a, second), vsw_Code_DUPLICATE, "another manifest");
    honest_end(a, HONEST);
    vs_entry_evidence e = arena_evidence(a, 0);
    expect_unmasked(a, &e, VS_CLAIM_TWO_SUBMISSIONS, LIAR);
    cr_expect(vs_h32_equal(&e.pseudonym, &first->h.pseudonym));
    arena_pump(a, 300);
    cr_expect_not(arena_has_entry(a, VS_ENTRY_EVIDENCE, 1), "six saw it, one entry says it");
    vs_test_sub_free(first);
    vs_test_sub_free(second);
    over(a);
}

Test(attack_clients, two_proofs_for_one_commitment)
{
    arena *a = with_round();
    vs_test_sub *sub = a->sub[LIAR] = arena_sub(a, LIAR, 5, NULL);
    vs_buf other = copy_of(&sub->finish);
    size_t len = other.len - 64;
    other.p[len - 9] ^= 1; /* another W */
    vs_sign(other.p + len, other.p, len, a->tf->client[LIAR]->identity_seed);
    for (uint32_t j = 1; j <= 5; j++) arena_expect(a, arena_upload(a, j, sub), vsw_Code_OK, "");
    arena_expect(a, arena_end_upload(a, 4, sub, &other), vsw_Code_DUPLICATE,
                 "this client signed two different submissions");
    honest_end(a, 4); /* one shareholder lacks it, which is within what the round tolerates */
    vs_entry_evidence e = arena_evidence(a, 0);
    expect_unmasked(a, &e, VS_CLAIM_TWO_PROOFS, LIAR);
    vs_buf_free(&other);
    over(a);
}

Test(attack_clients, late_submission)
{
    arena *a = with_round();
    for (uint32_t i = 0; i < HONEST; i++) (void)arena_submit(a, i);
    vs_test_sub *late = arena_sub(a, LIAR, 5, NULL), *half = arena_sub(a, 4, 6, NULL);
    arena_expect(a, arena_begin(a, 2, &half->begin), vsw_Code_OK, "");
    (void)arena_finish(a);
    for (uint32_t j = 1; j <= 5; j++) {
        arena_expect(a, arena_begin(a, j, &late->begin), vsw_Code_LATE, "");
    }
    arena_expect(a, arena_chunks(a, 2, half, &half->sealed[1]), vsw_Code_LATE, "");
    arena_expect(a, arena_manifest(a, late), vsw_Code_LATE, "");
    arena_expect_honest(a, HONEST);
    vs_test_sub_free(late);
    vs_test_sub_free(half);
    over(a);
}

Test(attack_clients, field_elements_that_are_not_canonical)
{
    arena *a = with_round();
    const vs_test_cheat cheat = {.not_canonical = 4};
    vs_test_sub *sub = arena_sub(a, LIAR, 5, &cheat);
    arena_expect(a, arena_upload(a, 4, sub), vsw_Code_MALFORMED, "rejected: malformed");
    vs_buf w = copy_of(&sub->finish);
    size_t len = w.len - 64;
    vs_store_le64(w.p + len - 8, VS_FE_P); /* in W: refused before it is looked at */
    vs_sign(w.p + len, w.p, len, a->tf->client[LIAR]->identity_seed);
    arena_expect(a, arena_begin(a, 2, &sub->begin), vsw_Code_OK, "");
    arena_expect(a, arena_chunks(a, 2, sub, &sub->sealed[1]), vsw_Code_OK, "");
    arena_expect(a, arena_end_upload(a, 2, sub, &w), vsw_Code_MALFORMED, "W is not canonical");
    honest_end(a, HONEST);
    vs_entry_evidence e = arena_evidence(a, 0);
    cr_expect_eq(e.claim, VS_CLAIM_STATEMENT);
    cr_expect_eq(e.reason, VS_REJECT_MALFORMED);
    vs_buf_free(&w);
    vs_test_sub_free(sub);
    over(a);
}

Test(attack_clients, wrong_lengths)
{
    arena *a = with_round();
    vs_test_sub *sub = arena_sub(a, LIAR, 5, NULL);
    vs_buf cut = copy_of(&sub->begin);
    cut.len--;
    arena_expect(a, arena_begin(a, 2, &cut), vsw_Code_MALFORMED, "not a header and two signatures");
    vs_header h = sub->h; /* a sealed length that is not the round's, signed */
    h.share[1].sealed_len += 8;
    vs_header_derive(&h);
    vs_buf_reset(&cut);
    cr_assert_eq(vs_header_encode(&cut, &h), VS_OK);
    vs_buf_bytes(&cut, sub->begin.p + sub->begin.len - 128, 128);
    resign(a, LIAR, &cut);
    arena_expect(a, arena_begin(a, 2, &cut), vsw_Code_MALFORMED, "with the length of its sealed");
    arena_expect(a, arena_begin(a, 2, &sub->begin), vsw_Code_OK, "");
    vs_buf shorter = copy_of(&sub->sealed[1]), longer = copy_of(&sub->sealed[1]);
    shorter.len -= 3;
    vs_buf_u8(&longer, 0);
    arena_expect(a, arena_chunks(a, 2, sub, &shorter), vsw_Code_MALFORMED, "is cut short");
    arena_expect(a, arena_chunks(a, 2, sub, &longer), vsw_Code_MALFORMED,
                 "bytes after the last chunk");
    cut.len = 70;
    arena_expect(a, arena_end_upload(a, 2, sub, &cut), vsw_Code_MALFORMED, "not a trailer of");
    honest_end(a, HONEST);
    vs_buf_free(&cut);
    vs_buf_free(&shorter);
    vs_buf_free(&longer);
    vs_test_sub_free(sub);
    over(a);
}

Test(attack_clients, model_hash_mismatch)
{
    arena *a = with_round();
    vs_test_sub *sub = arena_sub(a, LIAR, 5, NULL);
    vs_header h = sub->h;
    h.model_hash.b[5] ^= 1;
    vs_header_derive(&h);
    vs_buf begin = {0};
    cr_assert_eq(vs_header_encode(&begin, &h), VS_OK);
    vs_buf_bytes(&begin, sub->begin.p + sub->begin.len - 128, 128);
    resign(a, LIAR, &begin);
    for (uint32_t j = 1; j <= 5; j++) {
        arena_expect(a, arena_begin(a, j, &begin), vsw_Code_MODEL_MISMATCH,
                     "model_hash is not that of the round");
    }
    honest_end(a, HONEST);
    vs_buf_free(&begin);
    vs_test_sub_free(sub);
    over(a);
}

Test(attack_clients, submission_withheld_from_some_shareholders)
{
    arena *a = with_round();
    vs_test_sub *sub = arena_sub(a, 6, 5, NULL);
    arena_expect(a, arena_manifest(a, sub), vsw_Code_OK, "");
    for (uint32_t j = 1; j <= 2; j++) arena_expect(a, arena_upload(a, j, sub), vsw_Code_OK, "");
    for (uint32_t i = 0; i < 5; i++) (void)arena_submit(a, i);
    honest_end(a, 5); /* five of the six that shareholders 1 and 2 hold: above min_cover */
    vs_entry set = arena_entry(a, VS_ENTRY_SET, 0);
    cr_expect_eq(set.u.set.rejected_count, 1, "left out as incomplete");
    vs_test_sub_free(sub);
    over(a);
}

Test(attack_clients, unregistered_client)
{
    arena *a = with_round();
    vs_test_sub *sub = arena_sub(a, LIAR, 5, NULL);
    sub->begin.p[sub->begin.len - 1] ^= 1; /* the enrolment */
    for (uint32_t j = 1; j <= 5; j++) {
        arena_expect(a, arena_begin(a, j, &sub->begin), vsw_Code_UNREGISTERED,
                     "the client key is not enrolled in this federation");
    }
    arena_expect(a, arena_manifest(a, sub), vsw_Code_UNREGISTERED, "unregistered");
    honest_end(a, HONEST);
    vs_test_sub_free(sub);
    over(a);
}

static void change_key(arena *a, vs_key_action action, const vs_h32 *old_key, const vs_h32 *new_key)
{
    vs_caller admin = {.fed = a->tf->fed, .keys = a->tf->admin, .timeout_ms = 20000};
    vs_entry_key k = {.action = action,
                      .party = VS_PARTY_CLIENT,
                      .old_key = *old_key,
                      .signer = a->tf->admin->pub.identity};
    vs_buf text = {0};
    vs_diag diag = {{0}};
    if (new_key != NULL) k.new_key = *new_key;
    cr_assert_eq(vs_key_statement_bytes(&text, &a->tf->fed->id, &k), VS_OK);
    vs_sign(k.sig, text.p, text.len, a->tf->admin->identity_seed);
    cr_assert_eq(vs_call_key(&admin, &k, &diag), VS_OK, "%s", diag.text);
    vs_buf_free(&text);
}

/* Every shareholder has followed the log so far. */
static void await_log(arena *a)
{
    for (uint32_t j = 1; j <= 5; j++) {
        uint64_t want, have = 0;
        vsw_Request head = {.which_op = vsw_Request_status_tag};
        cr_assert_eq(arena_ask(a, 0, &head, NULL, 0), vsw_Code_OK);
        want = a->head.head.result.status.log_size;
        for (int k = 0; k < 1000 && have < want; k++) {
            arena_pump(a, 10);
            cr_assert_eq(arena_ask(a, j, &head, NULL, 0), vsw_Code_OK);
            have = a->head.head.result.status.log_size;
        }
        cr_assert_geq(have, want);
    }
}

Test(attack_clients, revoked_key)
{
    arena *a = with_round();
    vs_test_sub *revoked = arena_sub(a, LIAR, 5, NULL), *old_key = arena_sub(a, 4, 6, NULL);
    change_key(a, VS_KEY_REVOKE, &a->tf->client[LIAR]->pub.identity, NULL);
    change_key(a, VS_KEY_ROTATE, &a->tf->client[4]->pub.identity,
               &(vs_h32){{1, 2, 3}}); /* its old key is revoked too */
    await_log(a);
    for (uint32_t j = 1; j <= 5; j++) {
        arena_expect(a, arena_begin(a, j, &revoked->begin), vsw_Code_UNREGISTERED,
                     "the client key was revoked");
        arena_expect(a, arena_begin(a, j, &old_key->begin), vsw_Code_UNREGISTERED,
                     "the client key was revoked");
    }
    arena_expect(a, arena_manifest(a, revoked), vsw_Code_UNREGISTERED, "");
    honest_end(a, HONEST);
    cr_expect(arena_has_entry(a, VS_ENTRY_KEY, 1));
    vs_test_sub_free(revoked);
    vs_test_sub_free(old_key);
    over(a);
}

/* The key that another was rotated to needs no enrolment; one that nobody rotated to does. */
Test(attack_clients, a_rotated_key_takes_part_and_its_old_key_does_not)
{
    arena *a = arena_new(&(arena_config){0});
    const vs_h32 *new_key = &a->tf->client[2]->pub.identity;
    memset(a->tf->enrolment[2], 0, 64); /* client 2 was never enrolled */
    change_key(a, VS_KEY_ROTATE, &a->tf->client[LIAR]->pub.identity, new_key);
    arena_open(a, NULL);
    await_log(a);
    vs_test_sub *old_key = arena_sub(a, LIAR, 5, NULL);
    arena_expect(a, arena_begin(a, 3, &old_key->begin), vsw_Code_UNREGISTERED,
                 "the client key was revoked");
    honest_end(a, HONEST);
    vs_test_sub_free(old_key);
    over(a);
}
