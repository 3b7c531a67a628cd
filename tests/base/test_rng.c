#include <string.h>

#include <criterion/criterion.h>

#include "base/rng.h"
#include "tests/support.h"

Test(rng, system_source_fills_every_byte_and_differs)
{
    uint8_t a[64];
    uint8_t b[64];
    bool seen[64] = {false};
    vs_rng rng = vs_rng_system();
    for (int round = 0; round < 20; round++) { /* a byte stays 0 twenty times: 2^-160 */
        memset(a, 0, sizeof a);
        cr_assert_eq(vs_rng_fill(&rng, a, sizeof a), VS_OK);
        for (size_t i = 0; i < sizeof a; i++) seen[i] = seen[i] || a[i] != 0;
    }
    for (size_t i = 0; i < sizeof a; i++) cr_expect(seen[i], "byte %zu", i);
    cr_assert_eq(vs_rng_fill(&rng, b, sizeof b), VS_OK);
    cr_expect_arr_neq(a, b, sizeof a);
    cr_expect_eq(vs_rng_fill(&rng, a, 0), VS_OK);
}

Test(rng, test_source_replays_and_fails_on_demand)
{
    vs_test_rng one = {.seed = 5};
    vs_test_rng two = {.seed = 5, .fail_at = 2};
    uint8_t a[16];
    uint8_t b[16];
    vs_rng r1 = vs_test_rng_of(&one);
    vs_rng r2 = vs_test_rng_of(&two);
    cr_assert_eq(vs_rng_fill(&r1, a, 16), VS_OK);
    cr_assert_eq(vs_rng_fill(&r2, b, 16), VS_OK);
    cr_expect_arr_eq(a, b, 16);
    cr_assert_eq(vs_rng_fill(&r1, a, 16), VS_OK);
    cr_expect_arr_neq(a, b, 16);
    cr_expect_eq(vs_rng_fill(&r2, b, 16), VS_ERR_IO);
    for (size_t i = 0; i < 16; i++) cr_expect_eq(b[i], 0);
}
