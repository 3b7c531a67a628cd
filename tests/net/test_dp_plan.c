/* The planner against the accountant that opens rounds: what it promises, they grant, and no more.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "net/budget.h"
#include "net/dp_plan.h"
#include "net/round.h"
#include "tests/support.h"

static vs_federation goal_federation(uint64_t i)
{
    vs_federation f = {.committee = {.n = 5, .t = 1, .k = 2, .margin = 1},
                       .rotation = i % 3 != 0,
                       .k_stddevs = 3 + (double)(i % 3),
                       .metrics = i % 4 == 1};
    f.min_clients = 10 + (uint32_t)(vs_test_u64(1, i) % 2000);
    f.max_clients = f.min_clients + (uint32_t)(vs_test_u64(2, i) % 500);
    f.quantiser.clip_norm = 0.05 + (double)(vs_test_u64(3, i) % 100) / 10;
    f.quantiser.clipping_range = f.quantiser.clip_norm / 20;
    f.privacy =
        (vs_privacy){.mechanism = i % 2 ? VS_MECHANISM_SKELLAM : VS_MECHANISM_DISCRETE_GAUSSIAN,
                     .delta = i % 5 ? 1e-6 : 1e-5,
                     .max_epsilon = 0.5 + (double)(vs_test_u64(4, i) % 120) / 10,
                     .beta = i % 6 ? VS_PRIVACY_BETA : 0,
                     .colluding_clients = (uint32_t)(vs_test_u64(5, i) % (f.min_clients / 3))};
    return f;
}

/* Rounds that the budget of a federation with the plan's numbers opens, at most one more than
 * `most`; *epsilon of the last one. */
static uint32_t rounds_granted(const vs_dp_plan *plan, uint32_t dim, uint32_t most, double *epsilon)
{
    vs_budget b;
    vs_quantiser q;
    vs_privacy_round p;
    vs_entry_open next = {.dim = dim};
    uint32_t n = 0;
    vs_budget_init(&b, &plan->fed);
    cr_assert_eq(vs_round_derive(&q, &p, &plan->fed, dim, plan->fed.quantiser.clip_norm, NULL),
                 VS_OK);
    while (n <= most && vs_budget_next(&b, &plan->fed, &next, NULL) == VS_OK) {
        *epsilon = next.epsilon;
        vs_budget_take(&b, &p, 0, false);
        n++;
    }
    return n;
}

Test(dp_plan, what_is_planned_is_what_rounds_are_granted_and_not_one_more)
{
    for (uint64_t i = 0; i < 40; i++) {
        const vs_federation f = goal_federation(i);
        const vs_dp_goal goal = {.fed = &f,
                                 .rounds = 1 + (uint32_t)(vs_test_u64(6, i) % 80),
                                 .dim = 100 + (uint32_t)(vs_test_u64(7, i) % 200000)};
        vs_dp_plan *plan = calloc(1, sizeof *plan);
        vs_diag diag = {{0}};
        double epsilon = 0;
        cr_assert_eq(vs_dp_plan_make(plan, &goal, &diag), VS_OK, "goal %u: %s", (unsigned)i,
                     diag.text);
        cr_expect_leq(plan->epsilon, f.privacy.max_epsilon);
        cr_expect_geq(plan->epsilon, 0.98 * f.privacy.max_epsilon, "goal %u wastes noise",
                      (unsigned)i);
        cr_expect_leq(plan->fed.privacy.noise_multiplier, 1.021 * plan->ideal_multiplier);
        cr_expect_geq(plan->fed.privacy.noise_multiplier, plan->ideal_multiplier);
        cr_expect_lt(plan->extra_delta, 0.01 * f.privacy.delta);
        uint32_t granted = rounds_granted(plan, goal.dim, goal.rounds, &epsilon);
        cr_expect_eq(granted, goal.rounds, "goal %u: %u of %u rounds", (unsigned)i, granted,
                     goal.rounds);
        cr_expect_float_eq(epsilon, plan->epsilon, 1e-9 * epsilon);
        free(plan);
    }
}

/* A bit less than the bits that were chosen costs more than 2 % of noise, or does not work. */
Test(dp_plan, fewer_bits_would_cost_more_noise)
{
    for (uint64_t i = 0; i < 10; i++) {
        vs_federation f = goal_federation(i);
        vs_dp_goal goal = {.fed = &f, .rounds = 30, .dim = 7850};
        vs_dp_plan *plan = calloc(2, sizeof *plan);
        cr_assert_eq(vs_dp_plan_make(&plan[0], &goal, NULL), VS_OK);
        f.quantiser.bits = plan[0].fed.quantiser.bits - 1;
        if (vs_dp_plan_make(&plan[1], &goal, NULL) == VS_OK) {
            cr_expect_gt(plan[1].fed.privacy.noise_multiplier, 1.02 * plan[0].ideal_multiplier);
        }
        free(plan);
    }
}

Test(dp_plan, what_cannot_be_is_refused_with_the_reason)
{
    vs_federation f = goal_federation(1);
    vs_dp_goal goal = {.fed = &f, .rounds = 10, .dim = 1000};
    vs_dp_plan *plan = calloc(1, sizeof *plan);
    vs_diag diag = {{0}};
    f.quantiser.bits = 5;
    cr_expect_eq(vs_dp_plan_make(plan, &goal, &diag), VS_ERR_LIMIT);
    cr_expect_not_null(strstr(diag.text, "bits"), "%s", diag.text);
    f.quantiser.bits = 0;
    f.privacy.max_epsilon = 1e-9;
    cr_expect_eq(vs_dp_plan_make(plan, &goal, &diag), VS_ERR_LIMIT);
    cr_expect_not_null(strstr(diag.text, "no noise gives"), "%s", diag.text);
    f = goal_federation(1);
    f.privacy.mechanism = VS_MECHANISM_NONE;
    cr_expect_eq(vs_dp_plan_make(plan, &goal, &diag), VS_ERR_LIMIT);
    f = goal_federation(1);
    f.privacy.colluding_clients = f.min_clients;
    cr_expect_eq(vs_dp_plan_make(plan, &goal, &diag), VS_ERR_LIMIT);
    cr_expect_not_null(strstr(diag.text, "colluding_clients"), "%s", diag.text);
    free(plan);
}
