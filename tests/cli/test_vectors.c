/* vectors generate and check as a user meets them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "tests/cli/support_run.h"
#include "tests/support.h"

#define CORE "--n", "3", "--t", "1", "--k", "1", "--len", "9", "--bits", "8", "--max-clients", "10"

static void save(const char *folder, const char *name, const char *text)
{
    char path[512];
    vs_diag diag;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(vs_file_write_durable(path, text, strlen(text), 0600, &diag), VS_OK);
}

Test(cli_vectors, what_generate_prints_check_accepts)
{
    char *folder = vs_test_folder_new();
    vs_run core = VS_RUN(folder, "vectors", "generate", CORE, "--seed", "00FF");
    vs_run suite = VS_RUN(folder, "vectors", "generate", "--suite", "quantiser", "--seed", "01");
    cr_assert_eq(core.status, 0, "%s", core.err);
    cr_assert_eq(suite.status, 0, "%s", suite.err);
    save(folder, "core.json", core.out);
    save(folder, "suite.json", suite.out);
    cr_expect(VS_RUN_EXPECT(folder, 0, "core.json: ok\nsuite.json: ok\n", "", "vectors", "check",
                            "core.json", "suite.json"));
    cr_expect(VS_RUN_EXPECT(folder, 0, "core.json: ok\n", "", "vectors", "check", "--seed", "00ff",
                            "core.json"));
    vs_run_free(&core);
    vs_run_free(&suite);
    vs_test_folder_remove(folder);
}

Test(cli_vectors, check_goes_on_after_a_bad_file_and_fails)
{
    char *folder = vs_test_folder_new();
    vs_run suite = VS_RUN(folder, "vectors", "generate", "--suite", "quantiser", "--seed", "01");
    save(folder, "good.json", suite.out);
    char *digit = strstr(suite.out, "\"n_digits\":") + strlen("\"n_digits\":");
    *digit = '9';
    save(folder, "bad.json", suite.out);
    cr_expect(VS_RUN_EXPECT(folder, 1, "good.json: ok\n",
                            "bad.json: cases[0].n_digits: the file has 9, computed is 1\n"
                            "veilsum: none.json: cannot open: No such file or directory\n",
                            "vectors", "check", "bad.json", "none.json", "good.json"));
    vs_run_free(&suite);
    vs_test_folder_remove(folder);
}

Test(cli_vectors, wrong_usage_is_told_apart_from_a_failed_check)
{
    static const char *const help = "See: veilsum vectors generate --help\n";
    static const struct {
        const char *args[20];
        int status;
        const char *message;
    } bad[] = {
        {{"--n", "3", "--seed", "00"}, 2, "--t is missing"},
        {{"--suite", "errors", "--n", "3", "--seed", "00"}, 2, "--n: a suite has its own numbers"},
        {{CORE, "--seed", "0"}, 2, "--seed: must be 1 to 64 bytes in hex"},
        {{CORE, "--seed", ""}, 2, "--seed: must be 1 to 64 bytes in hex"},
        {{CORE, "--seed", "0g"}, 2, "--seed: must be 1 to 64 bytes in hex"},
        {{"--suite", "sums", "--seed", "00"}, 1, "\"sums\" is not a suite: there are "},
    };
    char *folder = vs_test_folder_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *args[24] = {"vectors", "generate"};
        for (size_t a = 0; a < 20 && bad[i].args[a] != NULL; a++) args[a + 2] = bad[i].args[a];
        vs_run run = vs_run_program(folder, args);
        cr_expect_eq(run.status, bad[i].status, "%s", bad[i].message);
        cr_expect_not_null(strstr(run.err, bad[i].message), "%s: %s", bad[i].message, run.err);
        cr_expect_eq(strstr(run.err, help) != NULL, bad[i].status == 2, "%s", run.err);
        cr_expect_str_eq(run.out, "");
        vs_run_free(&run);
    }
    vs_test_folder_remove(folder);
}
