/* Many short rounds in bad weather, each decided by a string of pseudo-random bytes: the seeds of
 * fuzz_round, fuzz_aggregator and fuzz_client, and what those found. */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "tests/net/support_storm.h"
#include "tests/support.h"

enum { BYTES = 600 };

/* Weather seed: mostly calm, `wild` of 256 events are not. */
static vs_storm_end one(vs_storm_kind kind, uint64_t seed, uint32_t wild)
{
    uint8_t data[BYTES];
    vs_test_bytes(data, sizeof data, seed);
    for (size_t i = 4; i < sizeof data; i++) {
        if (vs_test_u64(seed, i) % 256 >= wild) data[i] &= 0x7f;
    }
    return vs_storm_run(kind, data, sizeof data);
}

static void many(vs_storm_kind kind, uint32_t first, uint32_t runs, uint32_t wild)
{
    vs_storm_end sum = {0};
    uint32_t finals = 0;
    for (uint32_t seed = first; seed < first + runs; seed++) {
        if (getenv("VEILSUM_SIM_VERBOSE") != NULL) (void)fprintf(stderr, "--- seed %u\n", seed);
        vs_storm_end e = one(kind, seed, wild);
        finals += e.final;
        sum.deaths += e.deaths;
        sum.damaged += e.damaged;
    }
    printf("%u rounds, %u came to a result, %u deaths, %u damaged messages\n", runs, finals,
           sum.deaths, sum.damaged);
    (void)fflush(stdout);
    cr_expect_gt(finals, runs / 3, "%u of %u", finals, runs);
    cr_expect_gt(sum.deaths + sum.damaged, runs);
}

Test(storm, a_wild_schedule_gives_the_exact_sum_or_none)
{
    const char *runs = getenv("VEILSUM_STORM_RUNS");
    many(VS_STORM_SCHEDULE, 1, runs == NULL ? 30 : (uint32_t)atoi(runs), 40);
}

Test(storm, damage_on_the_way_to_the_aggregator_gives_the_exact_sum_or_none)
{
    const char *runs = getenv("VEILSUM_STORM_RUNS");
    many(VS_STORM_AGGREGATOR, 1000, runs == NULL ? 20 : (uint32_t)atoi(runs), 40);
}

Test(storm, damage_on_the_way_to_clients_gives_the_exact_sum_or_none)
{
    const char *runs = getenv("VEILSUM_STORM_RUNS");
    many(VS_STORM_CLIENT, 2000, runs == NULL ? 20 : (uint32_t)atoi(runs), 60);
}
