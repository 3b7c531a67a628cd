#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "tests/cli/support_run.h"
#include "tests/support.h"

static const char *const names[] = {"share",  "reconstruct", "accumulate", "expand",     "prove",
                                    "verify", "pack",        "client",     "shareholder"};
enum { NAMES = sizeof names / sizeof names[0] };

static json_t *bench_json(const char *name, const char *len)
{
    vs_run run = VS_RUN("/", "bench", name, "--n", "5", "--t", "2", "--k", "2", "--len", len,
                        "--reps", "3", "--json");
    cr_assert_eq(run.status, 0, "%s: %s", name, run.err);
    cr_expect_str_empty(run.err);
    json_t *json = json_loads(run.out, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(json, "%s: %s", name, run.out);
    vs_run_free(&run);
    return json;
}

static bool is_number_or_null(const json_t *v)
{
    return json_is_null(v) || (json_is_real(v) && json_real_value(v) > 0);
}

Test(bench, every_name_prints_every_member)
{
    static const char *const maybe[] = {
        "ratio_to_floor",     "baseline_gmp_ns",     "speedup_gmp",    "baseline_flint_ns",
        "baseline_isal_ns",   "ratio_to_accumulate", "ratio_to_parts", "hash_many_ns",
        "ratio_to_own_parts", "peak_memory_mb"};
    static const char *const always[] = {"ns_per_element", "gb_per_s", "p10", "p90", "min"};
    for (size_t i = 0; i < NAMES; i++) {
        json_t *b = bench_json(names[i], "2001");
        cr_expect_str_eq(json_string_value(json_object_get(b, "name")), names[i]);
        cr_expect(json_is_string(json_object_get(b, "isa")));
        cr_expect(json_is_string(json_object_get(b, "cpu")));
        cr_expect_eq(json_integer_value(json_object_get(b, "n")), 5);
        cr_expect_eq(json_integer_value(json_object_get(b, "t")), 2);
        cr_expect_eq(json_integer_value(json_object_get(b, "k")), 2);
        cr_expect_eq(json_integer_value(json_object_get(b, "len")), i == 7 ? 2001 : 2000);
        cr_expect_eq(json_integer_value(json_object_get(b, "reps")), 3);
        cr_expect_eq(json_integer_value(json_object_get(b, "threads")), 1);
        for (size_t m = 0; m < sizeof maybe / sizeof maybe[0]; m++) {
            const json_t *v = json_object_get(b, maybe[m]);
            cr_expect(v != NULL && is_number_or_null(v), "%s %s", names[i], maybe[m]);
        }
        for (size_t m = 0; m < sizeof always / sizeof always[0]; m++) {
            cr_expect_gt(json_real_value(json_object_get(b, always[m])), 0, "%s %s", names[i],
                         always[m]);
        }
        const json_t *floor = json_object_get(b, "floor");
        cr_expect(is_number_or_null(json_object_get(floor, "prg")));
        cr_expect(is_number_or_null(json_object_get(floor, "memory")));
        json_decref(b);
    }
}

Test(bench, ratios_are_what_the_figures_beside_them_say)
{
    json_t *b = bench_json("share", "20000");
    double ns = json_real_value(json_object_get(b, "ns_per_element"));
    const json_t *floor = json_object_get(b, "floor");
    double prg = json_real_value(json_object_get(floor, "prg"));
    double memory = json_real_value(json_object_get(floor, "memory"));
    double ratio = json_real_value(json_object_get(b, "ratio_to_floor"));
    double gmp = json_real_value(json_object_get(b, "baseline_gmp_ns"));
    cr_expect(fabs(ratio - fmax(prg, memory) / ns) < 1e-6 * ratio);
    cr_expect(fabs(json_real_value(json_object_get(b, "speedup_gmp")) - gmp / ns) < 1e-6 * gmp);
    cr_expect_leq(json_real_value(json_object_get(b, "min")), ns);
    json_decref(b);
}

Test(bench, a_wrong_result_is_found_before_it_is_timed)
{
    for (size_t i = 0; i < NAMES; i++) {
        for (uint64_t len = 6; len < 100000; len = len * 30 + 1) {
            vs_bench_spec spec = {.name = names[i],
                                  .n = 6,
                                  .t = 2,
                                  .k = 3,
                                  .len = len,
                                  .threads = 1,
                                  .reps = 1,
                                  .bits = 16,
                                  .max_clients = 128};
            vs_bench_result result;
            vs_diag diag = {""};
            cr_expect_eq(vs_bench_run(&result, &spec, &diag), VS_OK, "%s %llu: %s", names[i],
                         (unsigned long long)len, diag.text);
            spec.corrupt = true;
            cr_expect_eq(vs_bench_run(&result, &spec, &diag), VS_ERR_PROOF, "%s %llu", names[i],
                         (unsigned long long)len);
            cr_expect(strstr(diag.text, "the result is wrong") != NULL, "%s", diag.text);
        }
    }
}

Test(bench, several_threads_share_and_are_checked_too)
{
    static const char *const several[] = {"share", "reconstruct", "accumulate", "expand", "client"};
    for (size_t i = 0; i < sizeof several / sizeof several[0]; i++) {
        vs_run one =
            VS_RUN("/", "bench", several[i], "--len", "300000", "--threads", "3", "--reps", "2");
        cr_expect_eq(one.status, 0, "%s: %s", several[i], one.err);
        cr_expect(strstr(one.out, "3 threads") != NULL);
        vs_run_free(&one);
    }
    vs_run run = VS_RUN("/", "bench", "share", "--len", "200000", "--threads", "2", "--reps", "2");
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect(strstr(run.out, "2 threads") != NULL);
    vs_run_free(&run);
}

Test(bench, wrong_parameters_are_named)
{
    cr_expect(VS_RUN_EXPECT("/", 1, "",
                            "veilsum: bench: n 4, t 3, k 2: t and k are at least 1, t + k at most "
                            "n, n at most 128\n",
                            "bench", "share", "--n", "4", "--t", "3", "--k", "2"));
    cr_expect(VS_RUN_EXPECT("/", 1, "",
                            "veilsum: bench: pack works on one thread: several are for share, "
                            "reconstruct, accumulate, expand and client\n",
                            "bench", "pack", "--threads", "2"));
    cr_expect(VS_RUN_EXPECT("/", 1, "", "veilsum: bench: len 1 is not k (2) to 134217728\n",
                            "bench", "share", "--len", "1"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", NULL, "bench"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", NULL, "bench", "shard"));
}

Test(bench, ledger_prints_its_figures_and_leaves_nothing)
{
    char *folder = vs_test_folder_new();
    vs_run run = VS_RUN(folder, "bench", "ledger", "--dir", ".", "--reps", "4", "--entries", "300",
                        "--rounds", "2", "--json");
    cr_assert_eq(run.status, 0, "%s", run.err);
    static const char *const members[] = {
        "\"fsync\"",          "\"append_one\"",         "\"append_batch\"",
        "\"ratio_to_fsync\"", "\"prove_inclusion_us\"", "\"verify_consistency_us\"",
        "\"published_s\""};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        cr_expect(strstr(run.out, members[i]) != NULL, "%s", members[i]);
    }
    cr_expect(strstr(run.out, "\"rounds\": 2") != NULL, "%s", run.out);
    vs_run_free(&run);
    cr_expect_eq(rmdir(folder), 0, "the folder is empty again");
    free(folder);
}
