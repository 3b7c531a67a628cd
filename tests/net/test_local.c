#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "net/audit.h"
#include "net/call_result.h"
#include "net/local.h"
#include "tests/support.h"

enum { DIM = 300, N_CLIENTS = 7 };

static vs_federation draft_of(void)
{
    vs_federation fed = {.committee = {.n = 5, .t = 1, .k = 2, .margin = 1},
                         .max_clients = N_CLIENTS,
                         .min_clients = 2,
                         .max_missing = 0.05,
                         .min_cover = 0.8,
                         .round_timeout_s = 3600,
                         .answer_timeout_s = 600,
                         .quantiser = {.clip_norm = 100,
                                       .clipping_range = 1,
                                       .bits = 20,
                                       .max_weight = 50,
                                       .stochastic_rounding = true}};
    memcpy(fed.name, "local", sizeof "local");
    return fed;
}

static void update_of(double *out, uint32_t client)
{
    for (size_t i = 0; i < DIM; i++) {
        out[i] = sin((double)client + 0.01 * (double)i) / 2;
    }
}

static vs_local *local_of(const char *folder, uint64_t seed)
{
    vs_diag diag = {0};
    vs_federation draft = draft_of();
    const vs_local_options o = {
        .draft = &draft, .n_clients = N_CLIENTS, .seed = seed, .folder = folder};
    vs_local *l;
    cr_assert_eq(vs_local_new(&l, &o, &diag), VS_OK, "%s", diag.text);
    return l;
}

static void open_round(vs_local *l, uint64_t round)
{
    vs_diag diag = {0};
    vs_caller admin = vs_local_caller(l);
    const vs_call_open open = {.round = round, .dim = DIM};
    cr_assert_eq(vs_call_open_round(&admin, &open, &diag), VS_OK, "%s", diag.text);
}

static vs_err submit(vs_local *l, uint64_t round, uint32_t client, const char *purpose,
                     vs_diag *diag)
{
    double update[DIM];
    vs_client_status status;
    update_of(update, client);
    const vs_client_input input = {
        .round = round, .update = update, .dim = DIM, .weight = 10 + client, .purpose = purpose};
    return vs_local_submit(l, client, &input, &status, diag);
}

/* Clients 1..n submit; the round is closed and read. */
static vs_fetched_result play(vs_local *l, uint64_t round, uint32_t n, const char *purpose)
{
    vs_diag diag = {0};
    vs_fetched_result result;
    vsw_Phase phase;
    open_round(l, round);
    for (uint32_t i = 1; i <= n; i++) {
        cr_assert_eq(submit(l, round, i, purpose, &diag), VS_OK, "%s", diag.text);
    }
    vs_caller admin = vs_local_caller(l);
    cr_assert_eq(vs_call_end_round(&admin, VS_OPERATION_CLOSE, round, &diag), VS_OK, "%s",
                 diag.text);
    cr_assert_eq(vs_local_finish(l, round, &phase, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(phase, vsw_Phase_FINAL);
    admin = vs_local_caller(l);
    cr_assert_eq(vs_call_result(&result, &admin, round, &diag), VS_OK, "%s", diag.text);
    return result;
}

Test(local, rounds_give_the_weighted_mean_and_pass_the_audit)
{
    char *folder = vs_test_folder_new();
    char path[300];
    vs_diag diag = {0};
    vs_audit_report report;
    vs_local *l = local_of(folder, 1);
    for (uint64_t round = 1; round <= 2; round++) {
        const uint32_t n = round == 1 ? N_CLIENTS : 3; /* the others drop out */
        double want[DIM] = {0}, weights = 0;
        vs_fetched_result r = play(l, round, n, round == 1 ? "a" : "b");
        cr_expect_eq(r.result.count, n);
        for (uint32_t i = 1; i <= n; i++) {
            double update[DIM];
            update_of(update, i);
            for (size_t d = 0; d < DIM; d++) want[d] += (10 + i) * update[d];
            weights += 10 + i;
        }
        for (size_t d = 0; d < DIM; d++) { /* half a step of 2^-19 for each client */
            cr_assert_float_eq(r.mean[d], want[d] / weights, 2e-5, "coordinate %zu", d);
        }
        vs_fetched_result_free(&r);
    }
    vs_local_bytes bytes = vs_local_traffic(l);
    cr_expect_gt(bytes.clients, 10 * DIM);
    cr_expect_gt(bytes.committee, 0);
    vs_local_free(l);
    (void)snprintf(path, sizeof path, "%s/" VS_LOCAL_LEDGER, folder);
    cr_assert_eq(vs_audit_dir(&report, path, NULL, NULL, NULL, NULL, &diag), VS_OK, "%s",
                 diag.text);
    cr_expect(report.ok);
    cr_expect_eq(report.n_rounds, 2);
    vs_test_folder_remove(folder);
}

Test(local, the_same_seed_gives_the_same_log_and_another_does_not)
{
    vs_h32 root[3];
    const uint64_t seeds[3] = {5, 5, 6};
    for (int k = 0; k < 3; k++) {
        char *folder = vs_test_folder_new();
        char path[300];
        vs_audit_report report;
        vs_diag diag = {0};
        vs_local *l = local_of(folder, seeds[k]);
        vs_fetched_result r = play(l, 1, 4, "");
        vs_fetched_result_free(&r);
        vs_local_free(l);
        (void)snprintf(path, sizeof path, "%s/" VS_LOCAL_LEDGER, folder);
        cr_assert_eq(vs_audit_dir(&report, path, NULL, NULL, NULL, NULL, &diag), VS_OK, "%s",
                     diag.text);
        root[k] = report.root;
        vs_test_folder_remove(folder);
    }
    cr_expect(vs_h32_equal(&root[0], &root[1]));
    cr_expect(!vs_h32_equal(&root[0], &root[2]));
}

Test(local, a_refusal_is_an_error_that_names_the_client)
{
    char *folder = vs_test_folder_new();
    vs_diag diag = {0};
    vs_local *l = local_of(folder, 3);
    cr_expect_eq(submit(l, 9, 2, "", &diag), VS_ERR_TIMEOUT, "it waits for round 9");
    cr_expect_eq(strncmp(diag.text, "client 2: ", 10), 0, "%s", diag.text);
    vs_fetched_result r = play(l, 1, 3, "");
    cr_expect_eq(r.result.count, 3);
    vs_fetched_result_free(&r);
    cr_expect_eq(submit(l, 1, 4, "", &diag), VS_ERR_STATE, "the round is over");
    vs_local_free(l);
    vs_test_folder_remove(folder);
}
