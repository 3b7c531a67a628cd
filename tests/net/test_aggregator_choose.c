/* Which shareholders make the certificate, and which clients the set: lists made by hand. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "net/aggregator_impl.h"
#include "tests/net/support_fed.h"
#include "tests/support.h"

typedef struct lists {
    vs_test_fed *tf;
    ag_t *ag;
    ag_choice c;
} lists;

/* Client i's record. Pseudonyms ascend with i; variant 1 is another manifest of it. */
static void record_of(uint8_t out[VS_RECORD_BYTES], uint32_t i, uint32_t variant)
{
    vs_record r = {.manifest_hash = {{9}}, .commit_root = {{8}}};
    vs_store_be64(r.pseudonym.b, i);
    r.manifest_hash.b[1] = (uint8_t)variant;
    vs_store_be64(r.commit_root.b + 8, i);
    vs_record_encode(out, &r);
}

/* n shareholders, none has returned a list yet. */
static lists lists_of(vs_committee committee, uint32_t max_clients)
{
    vs_test_fed_config config = {
        .committee = committee, .max_clients = max_clients, .n_clients = 0, .seed = 1};
    lists l = {.tf = vs_test_federation_new(&config), .ag = calloc(1, sizeof(ag_t))};
    cr_assert_not_null(l.ag);
    l.ag->fed = l.tf->fed;
    return l;
}

/* Shareholder j holds the clients [from, to) but `except`. */
static void holds(lists *l, uint32_t j, uint32_t from, uint32_t to, uint32_t except)
{
    ag_peer *p = &l->ag->peer[j];
    free(p->list);
    p->list = malloc((to - from + 1) * VS_RECORD_BYTES);
    cr_assert_not_null(p->list);
    p->n_list = 0;
    for (uint32_t i = from; i < to; i++) {
        if (i == except) continue;
        record_of(p->list + (size_t)p->n_list++ * VS_RECORD_BYTES, i, 0);
    }
}

static void knows(lists *l, uint32_t i, bool duplicate)
{
    uint8_t bytes[VS_RECORD_BYTES];
    ag_t *ag = l->ag;
    ag->manifests = realloc(ag->manifests, (ag->n_manifests + 1) * sizeof *ag->manifests);
    cr_assert_not_null(ag->manifests);
    record_of(bytes, i, 0);
    ag_manifest *m = &ag->manifests[ag->n_manifests++];
    *m = (ag_manifest){.duplicate = duplicate};
    vs_record_decode(&m->record, bytes);
}

static void choose(lists *l)
{
    vs_buf_free(&l->c.records);
    vs_buf_free(&l->c.rejected);
    l->c = (ag_choice){0};
    cr_assert_eq(vs_ag_choose(l->ag, &l->c), VS_OK);
    vs_h32 root;
    cr_expect_eq(vs_records_root(&root, l->c.records.p, l->c.count), VS_OK, "sorted");
    cr_expect_eq(vs_records_root(&root, l->c.rejected.p, l->c.rejected_count), VS_OK, "sorted");
    cr_expect_eq(l->c.records.len, (size_t)l->c.count * VS_RECORD_BYTES);
    cr_expect_eq(l->c.rejected.len, (size_t)l->c.rejected_count * VS_RECORD_BYTES);
}

static void lists_free(lists *l)
{
    for (uint32_t j = 1; j <= VS_SHAREHOLDERS_MAX; j++) free(l->ag->peer[j].list);
    free(l->ag->manifests);
    free(l->ag);
    vs_buf_free(&l->c.records);
    vs_buf_free(&l->c.rejected);
    vs_test_federation_free(l->tf);
}

static bool included(const lists *l, uint32_t i)
{
    uint8_t want[VS_RECORD_BYTES];
    record_of(want, i, 0);
    for (uint32_t k = 0; k < l->c.count; k++) {
        if (memcmp(l->c.records.p + (size_t)k * VS_RECORD_BYTES, want, VS_RECORD_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* The reason, 0 if it is not among the rejected. */
static uint8_t rejected(const lists *l, uint32_t i)
{
    uint8_t want[VS_RECORD_BYTES];
    record_of(want, i, 0);
    for (uint32_t k = 0; k < l->c.rejected_count; k++) {
        const uint8_t *r = l->c.rejected.p + (size_t)k * VS_RECORD_BYTES;
        if (memcmp(r, want, 32) == 0) return r[64];
    }
    return 0;
}

static const vs_committee FIVE = {.n = 5, .t = 1, .k = 2, .margin = 1}; /* needed 4 */

Test(aggregator_choose, takes_everybody_whom_all_hold)
{
    lists l = lists_of(FIVE, 100);
    for (uint32_t j = 1; j <= 5; j++) holds(&l, j, 0, 40, UINT32_MAX);
    choose(&l);
    cr_expect(l.c.count == 40 && l.c.rejected_count == 0 && l.c.n_q == 5);
    lists_free(&l);
}

Test(aggregator_choose, drops_a_shareholder_only_above_max_missing)
{
    lists l = lists_of(FIVE, 100);
    for (uint32_t j = 1; j <= 5; j++) holds(&l, j, 0, 40, UINT32_MAX);
    holds(&l, 3, 2, 40, UINT32_MAX); /* misses 2 of 40 = 5 %: stays, the clients go */
    choose(&l);
    cr_expect(l.c.in_q[3] && l.c.n_q == 5 && l.c.count == 38);
    cr_expect_eq(rejected(&l, 0), VS_REJECT_INCOMPLETE);
    cr_expect_eq(rejected(&l, 1), VS_REJECT_INCOMPLETE);
    holds(&l, 3, 3, 40, UINT32_MAX); /* 3 of 40: out */
    choose(&l);
    cr_expect(!l.c.in_q[3] && l.c.n_q == 4 && l.c.count == 40 && l.c.rejected_count == 0);
    lists_free(&l);
}

Test(aggregator_choose, never_goes_below_the_needed_number)
{
    lists l = lists_of(FIVE, 100);
    for (uint32_t j = 1; j <= 5; j++) holds(&l, j, 0, 40, UINT32_MAX);
    holds(&l, 2, 10, 40, UINT32_MAX);
    holds(&l, 5, 20, 40, UINT32_MAX); /* the worst goes, the other must stay */
    choose(&l);
    cr_expect(!l.c.in_q[5] && l.c.in_q[2] && l.c.n_q == 4);
    cr_expect_eq(l.c.count, 30);
    cr_expect_eq(l.c.rejected_count, 10);
    lists_free(&l);
}

Test(aggregator_choose, needs_no_list_of_a_lost_shareholder)
{
    lists l = lists_of(FIVE, 100);
    for (uint32_t j = 1; j <= 4; j++) holds(&l, j, 0, 10, UINT32_MAX);
    choose(&l);
    cr_expect(l.c.n_q == 4 && !l.c.in_q[5] && l.c.count == 10);
    lists_free(&l);
}

/* A liar lists clients that nobody else has: nobody else looks incomplete for it. */
Test(aggregator_choose, does_not_count_clients_that_a_liar_made_up)
{
    lists l = lists_of(FIVE, 100);
    for (uint32_t j = 1; j <= 5; j++) holds(&l, j, 0, 20, UINT32_MAX);
    holds(&l, 4, 0, 90, UINT32_MAX);
    choose(&l);
    cr_expect(l.c.n_q == 5 && l.c.count == 20);
    cr_expect_eq(l.c.rejected_count, 70);
    lists_free(&l);
}

/* Two manifests of one pseudonym: what most hold counts, what not all of Q hold is left out. */
Test(aggregator_choose, does_not_mix_two_manifests_of_one_client)
{
    lists l = lists_of(FIVE, 100);
    for (uint32_t j = 1; j <= 5; j++) holds(&l, j, 0, 20, UINT32_MAX);
    record_of(l.ag->peer[1].list + 7 * VS_RECORD_BYTES, 7, 1);
    choose(&l);
    cr_expect(l.c.count == 19 && !included(&l, 7) && l.c.n_q == 5);
    cr_expect_eq(rejected(&l, 7), VS_REJECT_INCOMPLETE);
    cr_expect_eq(l.c.rejected_count, 1, "a pseudonym appears once");
    lists_free(&l);
}

Test(aggregator_choose, rejects_what_only_the_aggregator_knows_and_who_signed_twice)
{
    lists l = lists_of(FIVE, 100);
    for (uint32_t j = 1; j <= 5; j++) holds(&l, j, 10, 20, UINT32_MAX);
    knows(&l, 30, false);
    knows(&l, 2, false);
    knows(&l, 15, true);
    knows(&l, 12, false);
    choose(&l);
    cr_expect_eq(l.c.count, 9);
    cr_expect(included(&l, 12) && !included(&l, 15));
    cr_expect_eq(l.c.rejected_count, 3);
    cr_expect_eq(rejected(&l, 2), VS_REJECT_INCOMPLETE);
    cr_expect_eq(rejected(&l, 30), VS_REJECT_INCOMPLETE);
    cr_expect_eq(rejected(&l, 15), VS_REJECT_DUPLICATE);
    lists_free(&l);
}

Test(aggregator_choose, gives_an_empty_set_for_empty_lists)
{
    lists l = lists_of(FIVE, 100);
    for (uint32_t j = 1; j <= 5; j++) holds(&l, j, 0, 0, UINT32_MAX);
    choose(&l);
    cr_expect(l.c.count == 0 && l.c.rejected_count == 0);
    lists_free(&l);
}

/* U fills most of a vote request: what a liar made up goes first, what others know stays. */
Test(aggregator_choose, keeps_the_proposal_within_one_message)
{
    enum { N = 32768, MADE_UP = 1000000 };
    lists l = lists_of(FIVE, N);
    for (uint32_t j = 1; j <= 4; j++) holds(&l, j, 0, N - 2, UINT32_MAX);
    holds(&l, 5, MADE_UP, MADE_UP + N, UINT32_MAX);
    knows(&l, 2000000, false);
    choose(&l);
    cr_expect(l.c.count == N - 2 && l.c.n_q == 4);
    size_t body = vs_proposal_len() + l.c.records.len + l.c.rejected.len;
    cr_expect_leq(body, VS_WIRE_BODY_MAX);
    cr_expect_gt(body, VS_WIRE_BODY_MAX - 2 * VS_RECORD_BYTES);
    cr_expect_eq(rejected(&l, 2000000), VS_REJECT_INCOMPLETE, "it sorts last and still has room");
    lists_free(&l);
}

/* Random lists: U is exactly the records on all lists of Q. */
Test(aggregator_choose, agrees_with_a_plain_count)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        enum { CLIENTS = 30 };
        lists l = lists_of(FIVE, 100);
        bool has[6][CLIENTS];
        for (uint32_t j = 1; j <= 5; j++) {
            ag_peer *p = &l.ag->peer[j];
            p->list = malloc(CLIENTS * VS_RECORD_BYTES);
            cr_assert_not_null(p->list);
            for (uint32_t i = 0; i < CLIENTS; i++) {
                has[j][i] = vs_test_u64(seed, j * CLIENTS + i) % 16 != 0;
                if (has[j][i]) record_of(p->list + (size_t)p->n_list++ * VS_RECORD_BYTES, i, 0);
            }
        }
        choose(&l);
        uint32_t known = 0;
        for (uint32_t i = 0; i < CLIENTS; i++) {
            bool all = true;
            bool any = false;
            for (uint32_t j = 1; j <= 5; j++) {
                all &= !l.c.in_q[j] || has[j][i];
                any |= has[j][i];
            }
            known += any;
            cr_expect_eq(included(&l, i), all, "seed %llu client %u", (unsigned long long)seed, i);
        }
        cr_expect_eq(l.c.count + l.c.rejected_count, known, "everybody is in one of the lists");
        lists_free(&l);
    }
}
