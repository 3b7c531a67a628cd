/* veilsum model and veilsum table: from start values and tables to the next round. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "fl/npy.h"
#include "fl/server_opt.h"
#include "tests/cli/support_run.h"
#include "tests/support.h"

static void put(const char *folder, const char *name, const char *text)
{
    char path[4096];
    vs_diag diag;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(vs_file_write_durable(path, text, strlen(text), 0600, &diag), VS_OK);
}

static void put_values(const char *folder, const char *name, const double *values, size_t n)
{
    char path[4096];
    vs_diag diag;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(vs_npy_write(path, values, &n, 1, &diag), VS_OK);
}

static void expect_values(const char *folder, const char *name, const double *want, size_t n)
{
    char path[4096];
    vs_npy npy;
    vs_diag diag = {0};
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(vs_npy_read(&npy, path, 1000, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(npy.n, n);
    for (size_t i = 0; i < n; i++) {
        cr_expect_float_eq(npy.data[i], want[i], 1e-9, "%s: value %zu is %g, not %g", name, i,
                           npy.data[i], want[i]);
    }
    vs_npy_free(&npy);
}

Test(cli_model, goes_from_start_values_to_the_next_model)
{
    char *folder = vs_test_folder_new();
    const double zero[3] = {0}, mean[3] = {1, -2, 0.5};
    cr_expect(VS_RUN_EXPECT(folder, 0, "m0.npy: 3 parameters\n", "", "model", "new", "--model",
                            "2-1", "--out", "m0.npy"));
    expect_values(folder, "m0.npy", zero, 3);
    put_values(folder, "mean.npy", mean, 3);
    cr_expect(VS_RUN_EXPECT(
        folder, 0, "m1.npy: 3 parameters, fedavg of rate 1 along a mean of norm 2.291\n", "",
        "model", "step", "--params", "m0.npy", "--mean", "mean.npy", "--out", "m1.npy"));
    expect_values(folder, "m1.npy", mean, 3);
    vs_test_folder_remove(folder);
}

/* Two steps by two processes are two steps of fl/server_opt.h in one. */
Test(cli_model, remembers_what_a_rule_needs_between_rounds)
{
    static const char *const rules[] = {"fedavgm", "fedadam", "fedyogi"};
    const double mean[2][3] = {{1, -2, 0.5}, {0.25, 0, -1}};
    char *folder = vs_test_folder_new();
    put_values(folder, "1.npy", mean[0], 3);
    put_values(folder, "2.npy", mean[1], 3);
    for (size_t i = 0; i < 3; i++) {
        vs_server_rule rule;
        vs_server_opt s;
        vs_diag diag;
        double params[3] = {0};
        char state[32];
        (void)snprintf(state, sizeof state, "%s.npy", rules[i]);
        put_values(folder, "m.npy", params, 3);
        for (int step = 1; step <= 2; step++) {
            cr_expect(VS_RUN_EXPECT(folder, 0, NULL, "", "model", "step", "--params", "m.npy",
                                    "--mean", step == 1 ? "1.npy" : "2.npy", "--server", rules[i],
                                    "--state", state, "--out", "m.npy"));
        }
        cr_assert_eq(vs_server_rule_parse(&rule, rules[i], &diag), VS_OK);
        const vs_server_options o = vs_server_defaults(rule);
        cr_assert_eq(vs_server_opt_init(&s, &o, 3), VS_OK);
        for (int step = 0; step < 2; step++) vs_server_opt_step(&s, params, mean[step]);
        vs_server_opt_clear(&s);
        expect_values(folder, "m.npy", params, 3);
    }
    vs_test_folder_remove(folder);
}

Test(cli_model, says_what_does_not_fit)
{
    char *folder = vs_test_folder_new();
    const double two[] = {1, 2}, three[] = {1, 2, 3}, bad[] = {1, NAN};
    put_values(folder, "two.npy", two, 2);
    put_values(folder, "three.npy", three, 3);
    put_values(folder, "bad.npy", bad, 2);
#define STEP "model", "step", "--params", "two.npy", "--out", "out.npy"
    cr_expect(VS_RUN_EXPECT(folder, 1, "", "veilsum: three.npy: 3 values, the model has 2\n", STEP,
                            "--mean", "three.npy"));
    cr_expect(VS_RUN_EXPECT(folder, 1, "", "veilsum: bad.npy: has values that are not finite\n",
                            STEP, "--mean", "bad.npy"));
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: three.npy: 3 values; this model and rule have 4\n", STEP,
                            "--mean", "two.npy", "--server", "fedadam", "--state", "three.npy"));
    cr_expect(VS_RUN_EXPECT(folder, 2, "", NULL, STEP, "--mean", "two.npy", "--server", "fedadam"));
    cr_expect(VS_RUN_EXPECT(folder, 2, "", NULL, STEP, "--mean", "two.npy", "--state", "s.npy"));
    cr_expect(VS_RUN_EXPECT(folder, 1, "", "veilsum: two.npy: 2 values, the model has 7850\n",
                            "model", "evaluate", "--model", "784-10", "--params", "two.npy"));
    vs_test_folder_remove(folder);
}

Test(cli_model, evaluates_two_classes_with_auc_and_the_share_of_the_largest)
{
    char *folder = vs_test_folder_new();
    const double params[] = {1, 0}; /* the value itself is the score */
    put(folder, "train.csv", "a,y\n1,no\n");
    put(folder, "test.csv", "a,y\n-1,no\n-2,no\n3,no\n2,yes\n");
    put(folder, "schema.csv", "a,number\ny,label,no,yes\n");
    put_values(folder, "m.npy", params, 2);
    cr_expect(VS_RUN_EXPECT(folder, 0,
                            "rows      4\nloss      0.9039\naccuracy  75.00 % (always the largest "
                            "class: 75.00 %)\nAUC       0.6667\n",
                            "", "model", "evaluate", "--model", "1-1", "--params", "m.npy",
                            "--data", ".", "--schema", "schema.csv"));
    vs_test_folder_remove(folder);
}

/* What a round of sums does, here with one party. */
Test(cli_table, standardises_by_a_round_of_sums)
{
    char *folder = vs_test_folder_new();
    put(folder, "schema.csv", "a,number,0,10\nshop,category,\"x, y\",z\ny,label,no,yes\n");
    put(folder, "train.csv", "shop,a,y\n\"x, y\",2,no\nz,4,yes\n,NA,no\nz,50,no\n");
    cr_expect(VS_RUN_EXPECT(folder, 0, NULL, "", "table", "show", "schema.csv"));
    cr_expect(VS_RUN_EXPECT(folder, 0,
                            "a: 1 of 4 values are more than 10 from 0 and count as that far\n"
                            "sums.npy: 3 values of 1 columns; submit it with --weight 4\n",
                            "", "table", "sums", "train.csv", "--schema", "schema.csv", "--out",
                            "sums.npy"));
    const double want[] = {1.6 / 4, 1.2 / 4, 0.75}; /* 0.2, 0.4 and 1 */
    char path[4096];
    vs_npy npy;
    vs_diag diag;
    (void)snprintf(path, sizeof path, "%s/sums.npy", folder);
    cr_assert_eq(vs_npy_read(&npy, path, 10, &diag), VS_OK);
    for (size_t i = 0; i < 3; i++) cr_expect_float_eq(npy.data[i], want[i], 1e-7);
    vs_npy_free(&npy);
    cr_expect(VS_RUN_EXPECT(folder, 0,
                            "a: mean 5.33333, deviation 3.39935, known in 75.00 % of the rows\n",
                            "", "table", "standardise", "--schema", "schema.csv", "--sums",
                            "sums.npy", "--out", "new.csv"));
    cr_expect(VS_RUN_EXPECT(folder, 0, NULL, "", "table", "show", "new.csv", "--json"));
    const double flat[] = {0.5, 0.25, 1};
    put_values(folder, "flat.npy", flat, 3);
    cr_expect(VS_RUN_EXPECT(folder, 1, "",
                            "veilsum: column \"a\": its values differ by less than 0.001 of the "
                            "schema's scale 10; give one nearer to them, or skip the column\n",
                            "table", "standardise", "--schema", "schema.csv", "--sums", "flat.npy",
                            "--out", "x.csv"));
    vs_test_folder_remove(folder);
}
