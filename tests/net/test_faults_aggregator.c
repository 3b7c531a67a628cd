/* The aggregator dies, or its disk or its randomness fails, at every place of a round in turn. */
#include <criterion/criterion.h>

#include "tests/net/support_fault_loop.h"

static void never_lost(vs_fault_kind kind, bool power_cut, uint32_t at_least)
{
    vs_fault_loop l = vs_fault_loop_run(kind, VS_PEER_AGGREGATOR, power_cut, 1);
    cr_expect_geq(l.places, at_least, "%u", l.places);
    cr_expect_eq(l.results, l.places, "%u of %u", l.results, l.places);
    cr_expect_eq(l.stops, l.places, "%u of %u", l.stops, l.places);
}

Test(faults_aggregator, finishes_the_round_though_killed_at_any_write)
{
    never_lost(VS_FAULT_KILL_BEFORE_WRITE, true, 15);
    never_lost(VS_FAULT_KILL_AFTER_WRITE, true, 15);
    never_lost(VS_FAULT_KILL_TORN_WRITE, false, 2);
}

Test(faults_aggregator, finishes_the_round_though_any_write_fails)
{
    never_lost(VS_FAULT_EIO, false, 15);
    never_lost(VS_FAULT_ENOSPC, false, 15);
}

Test(faults_aggregator, finishes_the_round_though_randomness_fails_once)
{
    never_lost(VS_FAULT_RNG, false, 1);
}
