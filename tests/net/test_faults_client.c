/* A client dies, or its disk or its randomness fails, at every place of a round in turn. */
#include <criterion/criterion.h>

#include "tests/net/support_fault_loop.h"

/* Killed and started again, it is in the sum, every time. */
static void always_included(vs_fault_kind kind, bool power_cut, uint32_t at_least)
{
    vs_fault_loop l = vs_fault_loop_run(kind, VS_SIM_CLIENT, power_cut, 1);
    cr_expect_geq(l.places, at_least, "%u", l.places);
    cr_expect_eq(l.results, l.places, "%u of %u", l.results, l.places);
    cr_expect_eq(l.stops, l.places);
}

Test(faults_client, is_in_the_sum_though_killed_at_any_write)
{
    always_included(VS_FAULT_KILL_BEFORE_WRITE, true, 4);
    always_included(VS_FAULT_KILL_AFTER_WRITE, true, 4);
}

Test(faults_client, is_in_the_sum_though_any_write_fails)
{
    always_included(VS_FAULT_EIO, false, 4);
    always_included(VS_FAULT_ENOSPC, false, 4);
}

Test(faults_client, is_in_the_sum_though_killed_at_any_message)
{
    always_included(VS_FAULT_KILL_AT_MESSAGE, true, 20);
}

Test(faults_client, is_in_the_sum_though_randomness_fails_once)
{
    always_included(VS_FAULT_RNG, false, 2);
}
