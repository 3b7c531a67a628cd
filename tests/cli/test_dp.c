/* Differential privacy from the command line: plan, federation file, rounds that end with the
 * budget. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cli/support_run.h"
#include "tests/support.h"

static double number(const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);
    cr_assert(json_is_number(value), "%s", name);
    return json_number_value(value);
}

Test(cli_dp, plan_prints_noise_bits_clip_and_bandwidth)
{
    char *folder = vs_test_folder_new();
    vs_run run = VS_RUN(folder, "dp", "plan", "--epsilon", "4", "--delta", "1e-6", "--clients",
                        "1000", "--rounds", "100");
    cr_assert_eq(run.status, 0, "%s", run.err);
    static const char *const parts[] = {"epsilon 4.0000 of 4", "noise_multiplier", "clip_norm",
                                        "quantization_bits",   "upload",           "float32",
                                        "federation new"};
    for (size_t i = 0; i < 7; i++) cr_expect_not_null(strstr(run.out, parts[i]), "%s", run.out);
    for (char *line = strtok(run.out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        cr_expect_leq(strlen(line), 90, "%s", line);
    }
    vs_run_free(&run);
    vs_test_folder_remove(folder);
}

/* 1000 clients, z = 12.68 without rounding: the same as the accountant's formula by hand:
 * a = 7: 100 * 7 / (2 z^2) + ln(6/7) - (ln 1e-6 + ln 7)/6 = 4. */
Test(cli_dp, plan_as_json_agrees_with_the_formula)
{
    char *folder = vs_test_folder_new();
    vs_run run = VS_RUN(folder, "dp", "plan", "--epsilon", "4", "--delta", "1e-6", "--clients",
                        "1000", "--rounds", "100", "--json");
    cr_assert_eq(run.status, 0, "%s", run.err);
    json_t *plan = json_loads(run.out, 0, NULL);
    cr_assert_not_null(plan);
    const double z = number(plan, "ideal_noise_multiplier");
    cr_expect_float_eq(700 / (2 * z * z) + log(6.0 / 7) - (log(1e-6) + log(7)) / 6, 4, 1e-6);
    cr_expect_float_eq(number(plan, "noise_of_client"),
                       number(plan, "noise_multiplier") / sqrt(1000), 1e-4);
    cr_expect(number(plan, "epsilon") <= 4 && number(plan, "epsilon") > 3.99);
    json_decref(plan);
    vs_run_free(&run);
    vs_test_folder_remove(folder);
}

Test(cli_dp, plan_refuses_what_is_missing_or_cannot_be)
{
    char *folder = vs_test_folder_new();
    vs_run run = VS_RUN(folder, "dp", "plan", "--epsilon", "4", "--delta", "1e-6");
    cr_expect_eq(run.status, 2, "%s", run.err);
    vs_run_free(&run);
    run = VS_RUN(folder, "dp", "plan", "--epsilon", "4", "--delta", "1e-6", "--clients", "100",
                 "--rounds", "10", "--rotation", "none");
    cr_expect_eq(run.status, 2);
    cr_expect_not_null(strstr(run.err, "--clipping-range"), "%s", run.err);
    vs_run_free(&run);
    run = VS_RUN(folder, "dp", "plan", "--epsilon", "4", "--delta", "1e-6", "--clients", "100",
                 "--rounds", "10", "--quantization-bits", "6");
    cr_expect_eq(run.status, 1);
    cr_expect_not_null(strstr(run.err, "bits"), "%s", run.err);
    vs_run_free(&run);
    vs_test_folder_remove(folder);
}

/* Real processes: noisy rounds, exact integer sums, epsilon in the table and in JSON; the third
 * round would exceed max_epsilon and is not opened. */
Test(cli_dp, training_stops_where_max_epsilon_is_reached)
{
    char *folder = vs_test_folder_new();
    vs_run run = VS_RUN(
        folder, "demo", "--rounds", "3", "--clients", "4", "--model", "784-10", "--data",
        "digits:600", "--shareholders", "3", "--drop-clients", "0", "--drop-shareholders", "0",
        "--rotation", "hadamard", "--metrics", "--clip-norm", "1", "--quantization-bits", "18",
        "--mechanism", "discrete_gaussian", "--noise-multiplier", "2", "--metrics-noise-multiplier",
        "4", "--delta", "1e-5", "--max-epsilon", "4", "--keep", "kept");
    cr_expect_eq(run.status, 1, "%s", run.out);
    cr_expect_not_null(strstr(run.out, "[ROUND 2/3]"), "%s\n%s", run.out, run.err);
    cr_expect_null(strstr(run.out, "[ROUND 3/3]"), "%s", run.out);
    cr_expect_not_null(strstr(run.out, "epsilon 2."), "%s", run.out);
    cr_expect_not_null(strstr(run.out, "of 4, delta 1e-05"), "%s", run.out);
    cr_expect_not_null(strstr(run.out, "clients: loss"), "%s", run.out);
    cr_expect_null(strstr(run.out, "sum exact: NO"), "%s", run.out);
    cr_expect_not_null(strstr(run.err, "max_epsilon 4 is reached"), "%s", run.err);
    vs_run_free(&run);
    run = VS_RUN(folder, "federation", "show", "kept/federation.json");
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_not_null(strstr(run.out, "epsilon 4, delta 1e-05 over all rounds"), "%s", run.out);
    vs_run_free(&run);
    run = VS_RUN(folder, "audit", "--federation", "kept/federation.json", "kept/aggregator/ledger");
    cr_expect_eq(run.status, 0, "%s%s", run.out, run.err);
    vs_run_free(&run);
    vs_test_folder_remove(folder);
}
