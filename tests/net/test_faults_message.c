/* A shareholder or the aggregator is killed at every message of a round in turn. */
#include <criterion/criterion.h>

#include "tests/net/support_fault_loop.h"

static void never_lost(uint32_t actor, bool power_cut, uint32_t at_least)
{
    vs_fault_loop l = vs_fault_loop_run(VS_FAULT_KILL_AT_MESSAGE, actor, power_cut, 1);
    cr_expect_geq(l.places, at_least, "%u", l.places);
    cr_expect_eq(l.results, l.places, "%u of %u", l.results, l.places);
    cr_expect_eq(l.stops, l.places);
}

Test(faults_message, nothing_is_lost_by_a_shareholder_of_seeds)
{
    never_lost(FAULT_SEED_HOLDER, true, 40);
}

Test(faults_message, nothing_is_lost_by_a_shareholder_of_vectors)
{
    never_lost(FAULT_VECTOR_HOLDER, true, 40);
}

Test(faults_message, nothing_is_lost_by_the_aggregator)
{
    never_lost(VS_PEER_AGGREGATOR, true, 100);
}
