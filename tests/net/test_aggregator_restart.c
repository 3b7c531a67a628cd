/* The aggregator killed after every step, and every write of its store failing once. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/net/support_world.h"

static const vs_committee FOUR = {.n = 4, .t = 1, .k = 1, .margin = 1};

static const vs_committee FIVE = {.n = 5, .t = 1, .k = 2, .margin = 1}; /* needed 4, q 4, r 3 */

static vs_world *world_of(vs_committee committee, uint32_t n_clients)
{
    vs_world_config config = {.committee = committee,
                              .n_clients = n_clients,
                              .min_clients = 2,
                              .max_clients = 8,
                              .dim = 30,
                              .seed = 20};
    return vs_world_new(&config);
}

static vs_world *new_world(void)
{
    return world_of(FOUR, 2);
}

/* Whatever step it is killed after, the round ends with the same sum. Clients and shareholders see
 * a lost reply at worst. */
static uint64_t round_with_kill(uint64_t kill_after, uint64_t *life)
{
    vs_world *w = new_world();
    w->kill_after = kill_after;
    vsw_Code code = vs_world_open(w, 1, 2);
    /* A reply that got lost: the caller asks again, and the round opens already. */
    cr_assert(code == vsw_Code_OK || (kill_after != 0 && code == vsw_Code_BUSY));
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    for (uint32_t i = 0; i < 2; i++) vs_world_submit(w, i);
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 120000), "killed after step %llu: %s",
              (unsigned long long)kill_after, vs_world_info(w, 1).detail);
    vs_world_expect_sums(w, 1, 3);
    vs_world_expect_valid_log(w);
    uint64_t steps = w->steps;
    *life = w->life;
    vs_world_free(w);
    return steps;
}

Test(aggregator_restart, goes_on_after_being_killed_at_any_step)
{
    uint64_t life = 0;
    uint64_t steps = round_with_kill(0, &life);
    for (uint64_t k = 1; k <= steps; k++) (void)round_with_kill(k, &life);
    (void)round_with_kill(steps / 2, &life);
    cr_expect_eq(life, 1);
}

/* Every change of the store made to fail in turn: the process stops, comes back and goes on. */
Test(aggregator_restart, goes_on_after_any_failed_write)
{
    uint64_t calls = 1;
    for (uint64_t k = 0; k <= calls; k++) { /* 0: none fails */
        vs_world *w = new_world();
        vs_store_mem_fail_at(&w->store, k);
        uint64_t before = vs_store_mem_calls(&w->store);
        for (int tries = 0; tries < 3; tries++) { /* the first may be what fails */
            if (vs_world_info(w, 1).phase == vsw_Phase_IDLE) (void)vs_world_open(w, 1, 2);
        }
        cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
        for (uint32_t i = 0; i < 2; i++) vs_world_submit(w, i);
        cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 120000), "write %llu", (unsigned long long)k);
        vs_world_expect_sums(w, 1, 3);
        vs_world_expect_valid_log(w);
        if (k == 0) calls = vs_store_mem_calls(&w->store) - before;
        cr_expect_eq(w->life, k == 0 ? 0 : 1, "write %llu of %llu failed", (unsigned long long)k,
                     (unsigned long long)calls);
        vs_world_free(w);
    }
}

/* The same for a round that is cancelled in the vote, and one cancelled while answers come in: no
 * restart turns an abort into something else, or opens what was closed. */
static vs_world_fate stall(void *ctx, vs_world *w, uint32_t j, const vs_request *request,
                           vs_buf *reply)
{
    const pb_size_t *op = ctx;
    (void)w;
    (void)reply;
    return j >= 2 && request->head.which_op == *op ? VS_WORLD_LOSE : VS_WORLD_DELIVER;
}

static void cancelled_with_kill(pb_size_t stalled, vsw_Phase phase, bool closed,
                                uint64_t kill_in_steps, uint64_t *steps)
{
    vs_world *w = new_world();
    w->hook = stall;
    w->hook_ctx = &stalled;
    cr_assert_eq(vs_world_open(w, 1, 2), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    for (uint32_t i = 0; i < 2; i++) vs_world_submit(w, i);
    cr_assert(vs_world_run_to(w, phase, 60000));
    uint64_t before = w->steps;
    w->kill_after = kill_in_steps == 0 ? 0 : before + kill_in_steps;
    (void)vs_world_end(w, VS_OPERATION_CANCEL, 1);
    cr_assert(vs_world_run_to(w, vsw_Phase_ABORTED, 120000));
    vs_entry *e = calloc(1, sizeof *e);
    cr_assert(vs_world_entry(w, 1, VS_ENTRY_ABORT, 0, e));
    cr_expect_eq(e->u.abort.reason, VS_ABORT_CANCELLED);
    cr_expect_eq(e->u.abort.closed, closed, "killed after %llu", (unsigned long long)kill_in_steps);
    vs_world_expect_valid_log(w);
    *steps = w->steps - before;
    free(e);
    vs_world_free(w);
}

Test(aggregator_restart, an_abort_stays_an_abort)
{
    uint64_t steps = 0;
    cancelled_with_kill(vsw_Request_vote_tag, vsw_Phase_VOTING, true, 0, &steps);
    for (uint64_t k = 1, n = steps; k <= n && k < 40; k += 2) {
        cancelled_with_kill(vsw_Request_vote_tag, vsw_Phase_VOTING, true, k, &steps);
    }
    cancelled_with_kill(vsw_Request_answer_tag, vsw_Phase_ANSWERING, false, 0, &steps);
    for (uint64_t k = 1, n = steps; k <= n && k < 20; k += 2) {
        cancelled_with_kill(vsw_Request_answer_tag, vsw_Phase_ANSWERING, false, k, &steps);
    }
}

/* --- what must be stored ---------------------------------------------------------------------- */

typedef struct lossy {
    uint32_t list_of;    /* its list is lost */
    uint32_t votes_from; /* votes of these and higher are lost, 0: of none */
    uint32_t answers_from, answers_to;
} lossy;

static vs_world_fate lose(void *ctx, vs_world *w, uint32_t j, const vs_request *request,
                          vs_buf *reply)
{
    const lossy *l = ctx;
    pb_size_t op = request->head.which_op;
    (void)w;
    (void)reply;
    bool lost = (op == vsw_Request_list_tag && j == l->list_of) ||
                (op == vsw_Request_vote_tag && l->votes_from != 0 && j >= l->votes_from) ||
                (op == vsw_Request_answer_tag && j >= l->answers_from && j <= l->answers_to);
    return lost ? VS_WORLD_LOSE : VS_WORLD_DELIVER;
}

/* One vote is cast when it dies; afterwards other lists could be had, which give another set. */
Test(aggregator_restart, proposes_the_same_set_again)
{
    vs_world *w = world_of(FIVE, 3);
    lossy l = {.list_of = 5, .votes_from = 2};
    w->hook = lose;
    w->hook_ctx = &l;
    cr_assert_eq(vs_world_open(w, 1, 3), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    for (uint32_t i = 0; i < 2; i++) vs_world_submit(w, i);
    for (uint32_t i = 0; i < 2; i++) cr_assert(vs_world_run_client(w, i, 10000));
    w->down[5] = true; /* it never sees client 2 */
    vs_world_submit(w, 2);
    cr_assert(vs_world_run_to(w, vsw_Phase_VOTING, 60000));
    w->down[5] = false;
    l = (lossy){.list_of = 4};
    vs_world_restart(w);
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 120000), "%s", vs_world_info(w, 1).detail);
    vs_world_expect_sums(w, 1, 7);
    vs_world_expect_valid_log(w);
    vs_world_free(w);
}

/* Answers that came before a restart count after it, even if who gave them is gone. */
Test(aggregator_restart, keeps_the_answers_that_it_has)
{
    vs_world *w = world_of(FIVE, 2);
    lossy l = {.answers_from = 4, .answers_to = 5};
    w->hook = lose;
    w->hook_ctx = &l;
    cr_assert_eq(vs_world_open(w, 1, 2), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    for (uint32_t i = 0; i < 2; i++) vs_world_submit(w, i);
    cr_assert(vs_world_run_to(w, vsw_Phase_ANSWERING, 60000));
    cr_assert_eq(vs_world_info(w, 1).shareholders_answered, 3);
    l = (lossy){.answers_from = 1, .answers_to = 3};
    vs_world_restart(w);
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 120000), "%s", vs_world_info(w, 1).detail);
    cr_expect_eq(vs_world_info(w, 1).shareholders_answered, 5);
    vs_world_expect_sums(w, 1, 3);
    vs_world_expect_valid_log(w);
    vs_world_free(w);
}
