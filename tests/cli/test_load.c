#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "tests/cli/support_run.h"
#include "tests/support.h"

static double number(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    cr_assert(json_is_number(v), "%s", name);
    return json_number_value(v);
}

static void expect_usage(const json_t *row, const char *process)
{
    const json_t *u = json_object_get(row, process);
    cr_expect_gt(number(u, "peak_rss_bytes"), 1 << 20, "%s", process);
    cr_expect_geq(number(u, "cpu_seconds"), 0, "%s", process);
}

/* Rounds of 10 and 12 clients with real daemons, and an unprotected one beside them. */
Test(load, reports_memory_time_and_bytes_of_every_role_beside_an_unprotected_round)
{
    char *dir = vs_test_folder_new();
    char file[300];
    (void)snprintf(file, sizeof file, "%s/load.json", dir);
    vs_run run = VS_RUN("/", "load", "--clients", "12", "--len", "3000", "--parallel", "4",
                        "--shareholders", "3", "--json", file);
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_expect_str_empty(run.err);
    cr_expect_not_null(strstr(run.out, "clients"));
    cr_expect_not_null(strstr(run.out, "Unprotected"));
    json_t *json = json_load_file(file, JSON_REJECT_DUPLICATES, NULL);
    const json_t *rows = json_object_get(json, "rows"), *plain = json_object_get(json, "plain");
    cr_assert_eq(json_array_size(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(rows, i);
        cr_expect_eq(number(row, "clients"), i == 0 ? 10 : 12);
        cr_expect_eq(number(row, "included"), number(row, "clients"));
        cr_expect_gt(number(row, "submissions_per_second"), 0);
        cr_expect_geq(number(row, "total_seconds"), number(row, "seconds"));
        cr_expect(json_is_true(json_object_get(row, "audit_ok")));
        cr_expect_gt(number(row, "bytes"), number(row, "clients") * 2 * 3000);
        expect_usage(row, "aggregator");
        expect_usage(row, "shareholder");
        expect_usage(row, "clients_process");
    }
    cr_expect_eq(number(plain, "bytes"), 12 * 3000 * 4);
    cr_expect_gt(number(plain, "ratio_bytes"), 1);
    cr_expect_eq(json_array_size(json_object_get(plain, "runs")), 2);
    json_decref(json);
    vs_run_free(&run);
    vs_test_folder_remove(dir);
}

Test(load, wrong_numbers_are_usage_errors)
{
    vs_run one = VS_RUN("/", "load", "--clients", "1");
    cr_expect_eq(one.status, 2);
    vs_run_free(&one);
    vs_run none = VS_RUN("/", "load", "--parallel", "0");
    cr_expect_eq(none.status, 2);
    vs_run_free(&none);
}

/* --- the pool ------------------------------------------------------------------------------------
 */

static vs_err third_fails(void *ctx, uint32_t client, bool (*stop)(void *), void *stop_ctx,
                          uint64_t *bytes, vs_diag *diag)
{
    (void)ctx;
    cr_expect_not(stop(stop_ctx));
    *bytes = client;
    return client == 3 ? vs_fail(diag, VS_ERR_STATE, "client 3 will not") : VS_OK;
}

Test(load, a_client_that_fails_is_counted_and_the_first_reason_kept)
{
    vs_load_result r;
    const vs_load_pool pool = {.clients = 10, .parallel = 3, .job = third_fails};
    cr_assert_eq(vs_load_pool_run(&r, &pool, NULL), VS_OK);
    cr_expect_eq(r.done, 9);
    cr_expect_eq(r.failed, 1);
    cr_expect_eq(r.bytes, 45);
    cr_expect_str_eq(r.first_failure.text, "client 3 will not");
}

static bool at_once(void *ctx, uint32_t done)
{
    (void)ctx, (void)done;
    return true;
}

static vs_err until_stopped(void *ctx, uint32_t client, bool (*stop)(void *), void *stop_ctx,
                            uint64_t *bytes, vs_diag *diag)
{
    (void)ctx, (void)client, (void)bytes;
    while (!stop(stop_ctx)) continue;
    return vs_fail(diag, VS_ERR_STATE, "stopped");
}

Test(load, is_stopped_by_its_watcher)
{
    vs_load_result r;
    const vs_load_pool pool = {
        .clients = 1000, .parallel = 2, .job = until_stopped, .watch = at_once};
    cr_expect_eq(vs_load_pool_run(&r, &pool, NULL), VS_ERR_STATE);
    cr_expect_leq(r.failed, 2);
}
