/* A shareholder dies, or its disk or its randomness fails, at every place of a round in turn. */
#include <criterion/criterion.h>

#include "tests/net/support_fault_loop.h"

/* Killed and started again, it costs nobody anything: every run ends in the sum over all clients.
 */
static void never_lost(vs_fault_kind kind, uint32_t j, bool power_cut, uint32_t at_least)
{
    vs_fault_loop l = vs_fault_loop_run(kind, j, power_cut, 1);
    cr_expect_geq(l.places, at_least, "%u", l.places);
    cr_expect_eq(l.results, l.places, "%u of %u", l.results, l.places);
    cr_expect_eq(l.stops, l.places, "%u of %u", l.stops, l.places);
}

Test(faults_shareholder, loses_nothing_though_killed_before_any_write)
{
    never_lost(VS_FAULT_KILL_BEFORE_WRITE, FAULT_SEED_HOLDER, true, 20);
    never_lost(VS_FAULT_KILL_BEFORE_WRITE, FAULT_VECTOR_HOLDER, true, 20);
}

Test(faults_shareholder, loses_nothing_though_killed_after_any_write)
{
    never_lost(VS_FAULT_KILL_AFTER_WRITE, FAULT_SEED_HOLDER, true, 20);
    never_lost(VS_FAULT_KILL_AFTER_WRITE, FAULT_EXTRA_HOLDER, false, 20);
}

Test(faults_shareholder, loses_nothing_though_killed_in_the_middle_of_a_write)
{
    never_lost(VS_FAULT_KILL_TORN_WRITE, FAULT_SEED_HOLDER, false, 4);
    never_lost(VS_FAULT_KILL_TORN_WRITE, FAULT_VECTOR_HOLDER, false, 4);
}

Test(faults_shareholder, stops_and_goes_on_when_a_write_fails)
{
    never_lost(VS_FAULT_EIO, FAULT_VECTOR_HOLDER, false, 20);
    never_lost(VS_FAULT_ENOSPC, FAULT_EXTRA_HOLDER, false, 20);
}

Test(faults_shareholder, loses_nothing_though_randomness_fails_once)
{
    never_lost(VS_FAULT_RNG, FAULT_VECTOR_HOLDER, false, 2);
}
