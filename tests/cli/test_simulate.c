/* veilsum simulate: what it writes, and what it is asked for wrongly. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/cli/support_run.h"
#include "tests/support.h"

/* The text of a file in folder, malloc'd; "" when there is none. */
static char *text_of(const char *folder, const char *name)
{
    char path[4096];
    vs_buf bytes = {0};
    vs_diag diag;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    vs_err err = vs_file_read(&bytes, path, 1 << 20, &diag);
    char *text = calloc(bytes.len + 1, 1);
    cr_assert_not_null(text);
    if (err == VS_OK) memcpy(text, bytes.p, bytes.len);
    vs_buf_free(&bytes);
    return text;
}

static void expect_words(const char *text, bool there, const char *const *words)
{
    for (; *words != NULL; words++) {
        cr_expect_eq(strstr(text, *words) != NULL, there, "%s in: %s", *words, text);
    }
}
#define EXPECT_WORDS(text, there, ...)                                                             \
    expect_words((text), (there), (const char *const[]){__VA_ARGS__, NULL})

static bool has_gnuplot(void)
{
    return system("command -v gnuplot >/dev/null 2>&1") == 0; /* NOLINT: a fixed text */
}

#define SMALL "simulate", "--data", "digits:400", "--clients", "8"

/* Accuracy, epsilon, clients, clipping, bytes and phases each have their panel; gnuplot has nothing
 * to complain about. */
Test(cli_simulate, draws_epsilon_and_losses_where_there_are_any)
{
    char *folder = vs_test_folder_new();
    if (!has_gnuplot()) {
        vs_test_skip("no gnuplot");
        vs_test_folder_remove(folder);
        return;
    }
    vs_run run =
        VS_RUN(folder, SMALL, "--rounds", "2", "--dropout", "0.3", "--rotation", "hadamard",
               "--clip-norm", "1", "--quantization-bits", "18", "--mechanism", "skellam",
               "--noise-multiplier", "2", "--delta", "1e-5", "--max-epsilon", "9", "--picture",
               "noisy.svg", "--csv", "noisy.csv", "--json", "noisy.json");
    cr_expect_eq(run.status, 0, "%s%s", run.out, run.err);
    cr_expect_str_empty(run.err);
    vs_run_free(&run);
    char *picture = text_of(folder, "noisy.svg");
    EXPECT_WORDS(picture, true, "accuracy on the test set, %", "epsilon spent (delta 1e-05)",
                 "max epsilon 9", "clients of a round", "clipped, %", "upload of one client, kB",
                 "seconds of a private round", "training", "sharing", "closing");
    EXPECT_WORDS(picture, false, "ROC");
    free(picture);
    char *csv = text_of(folder, "noisy.csv"), *json = text_of(folder, "noisy.json");
    EXPECT_WORDS(csv, true, "round,accuracy,plain_accuracy,", ",epsilon,", "\n1,0.", "\n2,0.");
    EXPECT_WORDS(json, true, "\"epsilon\"", "\"clipped_fraction\"", "\"upload_bytes_per_client\"",
                 "\"train_seconds\"", "\"submit_seconds\"", "\"aggregate_seconds\"");
    free(csv);
    free(json);
    vs_test_folder_remove(folder);
}

Test(cli_simulate, draws_one_round_without_complaint)
{
    char *folder = vs_test_folder_new();
    if (!has_gnuplot()) {
        vs_test_skip("no gnuplot");
        vs_test_folder_remove(folder);
        return;
    }
    vs_run run = VS_RUN(folder, SMALL, "--rounds", "1", "--picture", "one.svg");
    cr_expect_eq(run.status, 0, "%s%s", run.out, run.err);
    cr_expect_str_empty(run.err);
    vs_run_free(&run);
    char *picture = text_of(folder, "one.svg");
    EXPECT_WORDS(picture, true, "accuracy on the test set, %", "upload of one client, kB");
    EXPECT_WORDS(picture, false, "epsilon", "clients of a round", "ROC");
    free(picture);
    vs_test_folder_remove(folder);
}

/* Two classes: the area under the ROC curve in the table, CSV, JSON and picture. */
Test(cli_simulate, reports_auc_of_two_classes)
{
    static const char *const names[] = {"schema.csv", "train.csv", "test.csv"};
    static const char *const texts[] = {
        "a,number\nb,category,\"x, y\",z\nc,label,no,yes\n",
        "b,c,a\n\"x, y\",no,10\nz,yes,90\nz,no,\nz,yes,70\n\"x, y\",no,20\nz,yes,95\n",
        "a,b,c\n15,\"x, y\",no\n80,z,yes\n"};
    char *folder = vs_test_folder_new(), path[4096];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        cr_assert_eq(vs_file_write_durable(path, texts[i], strlen(texts[i]), 0600, NULL), VS_OK);
    }
    vs_run run = VS_RUN(folder, "simulate", "--data", ".", "--schema", "schema.csv", "--impute",
                        "mean", "--standardise", "--model", "3-1", "--clients", "2", "--rounds",
                        "2", "--csv", "out.csv", "--json", "out.json");
    cr_expect_eq(run.status, 0, "%s%s", run.out, run.err);
    EXPECT_WORDS(run.out, true, "AUC 1.0000, plain 1.0000", "area under the ROC curve: private 1");
    vs_run_free(&run);
    char *csv = text_of(folder, "out.csv"), *json = text_of(folder, "out.json");
    EXPECT_WORDS(csv, true, ",auc,plain_auc,", ",1.000000,1.000000,");
    EXPECT_WORDS(json, true, "\"auc\": 1.0", "\"plain_auc\": 1.0");
    free(csv);
    free(json);
    vs_test_folder_remove(folder);
}

/* A fraction of the clients takes part, as in McMahan et al. 2017, without any noise. */
Test(cli_simulate, samples_some_of_the_clients_for_each_round)
{
    char *folder = vs_test_folder_new();
    vs_run run = VS_RUN(folder, SMALL, "--clients-per-round", "3", "--rounds", "1", "--no-plain",
                        "--json", "some.json");
    cr_expect_eq(run.status, 0, "%s%s", run.out, run.err);
    vs_run_free(&run);
    char *json = text_of(folder, "some.json");
    EXPECT_WORDS(json, true, "\"num_clients\": 8", "\"clients_sampled\": 3",
                 "\"clients_included\": 3");
    free(json);
    run = VS_RUN(folder, SMALL, "--clients-per-round", "9", "--rounds", "1");
    cr_expect_eq(run.status, 2);
    cr_expect_not_null(strstr(run.err, "--clients-per-round: 9 is not 2 to --clients 8"), "%s",
                       run.err);
    vs_run_free(&run);
    vs_test_folder_remove(folder);
}

/* Accuracy after the last of three rounds, from the CSV; its last column says how many attacked. */
static double accuracy_of(const char *folder, const char *attackers, const char *const *more)
{
    const char *args[40] = {"simulate", "--data", "digits:2000", "--clients", "10",
                            "--rounds", "3",      "--csv",       "out.csv",   "--no-plain"};
    size_t n = 0;
    double accuracy;
    while (args[n] != NULL) n++;
    for (; *more != NULL; more++) args[n++] = *more;
    vs_run run = vs_run_program(folder, args);
    cr_expect_eq(run.status, 0, "%s%s", run.out, run.err);
    vs_run_free(&run);
    char *csv = text_of(folder, "out.csv");
    const char *row = strstr(csv, "\n3,");
    cr_assert_not_null(row, "%s", csv);
    accuracy = strtod(row + 3, NULL);
    cr_expect_str_eq(strrchr(csv, ','), attackers);
    free(csv);
    return accuracy;
}
#define ACCURACY(folder, attackers, ...)                                                           \
    accuracy_of((folder), (attackers), (const char *const[]){__VA_ARGS__, NULL})

/* A boosted update ruins the model, clipping bounds what it can do, and who lies about clipping
 * too is not bounded: exactly as if nobody clipped. */
Test(cli_simulate, attackers_are_held_by_clipping_as_far_as_they_clip)
{
    char *folder = vs_test_folder_new();
    const double honest = ACCURACY(folder, ",0\n", "--clip-norm", "10");
    const double tight = ACCURACY(folder, ",0\n", "--clip-norm", "0.2");
    const double flip = ACCURACY(folder, ",3\n", "--attack", "label-flip", "--attackers", "3");
    const double boosted =
        ACCURACY(folder, ",3\n", "--clip-norm", "10", "--attack", "scale:20", "--attackers", "3");
    const double held =
        ACCURACY(folder, ",3\n", "--clip-norm", "0.2", "--attack", "scale:20", "--attackers", "3");
    const double loose = ACCURACY(folder, ",3\n", "--clip-norm", "0.2", "--attack", "scale:20",
                                  "--attackers", "3", "--attackers-skip-clipping");
    cr_expect_gt(honest, 0.2);
    cr_expect_gt(tight, 0.2);
    cr_expect_lt(flip, honest);
    cr_expect_lt(boosted, honest / 2);
    cr_expect_gt(held, boosted + 0.05, "%g of %g", held, boosted);
    cr_expect_lt(loose, held - 0.05, "%g of %g", loose, held);
    vs_test_folder_remove(folder);
}

Test(cli_simulate, says_which_attack_it_does_not_know)
{
    static const char *const bad[] = {"flip", "scale", "scale:", "scale:0", "scale:x", "scale:1e9"};
    char *folder = vs_test_folder_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vs_run run = VS_RUN(folder, SMALL, "--attack", bad[i], "--attackers", "1");
        cr_expect_eq(run.status, 2, "%s: %s", bad[i], run.err);
        cr_expect_not_null(strstr(run.err, "want none, label-flip or scale:FACTOR"), "%s", run.err);
        vs_run_free(&run);
    }
    cr_expect(VS_RUN_EXPECT(folder, 2, "", NULL, SMALL, "--attack", "label-flip"));
    cr_expect(VS_RUN_EXPECT(folder, 2, "", NULL, SMALL, "--attackers", "1"));
    cr_expect(VS_RUN_EXPECT(folder, 2, "", NULL, SMALL, "--attackers-skip-clipping"));
    cr_expect(
        VS_RUN_EXPECT(folder, 2, "", NULL, SMALL, "--attack", "label-flip", "--attackers", "9"));
    vs_test_folder_remove(folder);
}
