#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fl/npy.h"
#include "net/federation.h"
#include "net/keys.h"
#include "tests/cli/support_run.h"
#include "tests/support.h"

static void path_in(char out[512], const char *folder, const char *name)
{
    (void)snprintf(out, 512, "%s/%s", folder, name);
}

static void write_in(const char *folder, const char *name, const void *data, size_t len)
{
    char path[512];
    vs_diag diag;
    path_in(path, folder, name);
    cr_assert_eq(vs_file_write_durable(path, data, len, 0600, &diag), VS_OK, "%s", diag.text);
}

static void keys_in(const char *folder, const char *name, uint8_t number)
{
    char path[512], file[64];
    uint8_t seed[32] = {number};
    vs_keys *keys;
    vs_diag diag;
    (void)snprintf(file, sizeof file, "%s.key", name);
    path_in(path, folder, file);
    cr_assert_eq(vs_keys_from_seed(&keys, name, seed, &diag), VS_OK);
    cr_assert_eq(vs_keys_save(keys, path, &diag), VS_OK);
    vs_keys_free(keys);
}

#define SHAREHOLDER(j) "--shareholder", "s" j ".pub@tcp://127.0.0.1:1" j

/* fed.json, other.json, alice enrolled in fed.json, bob not; a good update.npy. Nobody listens. */
static char *folder_of(void)
{
    static const char *const names[] = {"admin", "agg", "s1", "s2", "s3", "alice", "bob"};
    char *folder = vs_test_folder_new();
    char path[512];
    const double update[4] = {0.1, -0.2, 0.3, 0};
    const size_t dims[1] = {4};
    vs_diag diag;
    for (uint8_t i = 0; i < 7; i++) keys_in(folder, names[i], (uint8_t)(i + 1));
    for (int i = 0; i < 2; i++) {
        cr_assert(VS_RUN_EXPECT(folder, 0, NULL, NULL, "federation", "new", "--name",
                                i == 0 ? "one" : "two", "--admin", "admin.pub", "--aggregator",
                                "agg.pub@tcp://127.0.0.1:1", SHAREHOLDER("1"), SHAREHOLDER("2"),
                                SHAREHOLDER("3"), "--profile", "private", "--out",
                                i == 0 ? "fed.json" : "other.json"));
    }
    cr_assert(VS_RUN_EXPECT(folder, 0, NULL, NULL, "federation", "enrol", "--federation",
                            "fed.json", "--key", "admin.key", "alice.pub"));
    path_in(path, folder, "update.npy");
    cr_assert_eq(vs_npy_write(path, update, dims, 1, &diag), VS_OK);
    return folder;
}

/* Exit status 1 and exactly one line on stderr that contains words. */
static void refused(const char *folder, const char *federation, const char *key, const char *update,
                    const char *weight, const char *words)
{
    vs_run run = VS_RUN(folder, "submit", "--federation", federation, "--key", key, "--update",
                        update, "--weight", weight, "--timeout", "1");
    cr_expect_eq(run.status, 1, "%s: status %d", words, run.status);
    cr_expect_not_null(strstr(run.err, words), "wanted \"%s\", got: %s", words, run.err);
    char *line = strchr(run.err, '\n');
    cr_expect(line != NULL && line[1] == '\0', "not one line: %s", run.err);
    cr_expect_str_eq(run.out, "");
    vs_run_free(&run);
}

Test(cli_submit, says_in_one_line_what_is_wrong_with_its_input)
{
    char *folder = folder_of();
    char path[512];
    vs_buf npy = {0};
    vs_diag diag;
    const double bad[4] = {1, 2, NAN, 4};
    const size_t dims[1] = {4};
    path_in(path, folder, "update.npy");
    cr_assert_eq(vs_file_read(&npy, path, 10000, &diag), VS_OK);
    write_in(folder, "cut.npy", npy.p, npy.len - 3);
    write_in(folder, "empty.npy", "", 0);
    write_in(folder, "text.npy", "hello world, not numbers", 24);
    path_in(path, folder, "nan.npy");
    cr_assert_eq(vs_npy_write(path, bad, dims, 1, &diag), VS_OK);

    refused(folder, "fed.json", "alice.key", "missing.npy", "5", "missing.npy");
    refused(folder, "fed.json", "alice.key", "cut.npy", "5", "cut.npy");
    refused(folder, "fed.json", "alice.key", "empty.npy", "5", "empty.npy");
    refused(folder, "fed.json", "alice.key", "text.npy", "5", "text.npy");
    refused(folder, "fed.json", "alice.key", "nan.npy", "5", "coordinate 2 of 4 is NaN");
    refused(folder, "fed.json", "alice.key", "update.npy", "281474976710656", "max_weight");
    refused(folder, "fed.json", "bob.key", "update.npy", "5", "bob.enrolment");
    refused(folder, "fed.json", "nobody.key", "update.npy", "5", "nobody.key");
    refused(folder, "other.json", "alice.key", "update.npy", "5", "another federation");
    refused(folder, "none.json", "alice.key", "update.npy", "5", "none.json");
    refused(folder, "fed.json", "alice.key", "update.npy", "5", "unreachable");
    vs_buf_free(&npy);
    vs_test_folder_remove(folder);
}

Test(cli_submit, refuses_another_keys_enrolment)
{
    char *folder = folder_of();
    vs_run run =
        VS_RUN(folder, "submit", "--federation", "fed.json", "--key", "bob.key", "--update",
               "update.npy", "--weight", "5", "--enrolment", "alice.enrolment");
    cr_expect_eq(run.status, 1);
    cr_expect_not_null(strstr(run.err, "another key than bob.key"), "%s", run.err);
    vs_run_free(&run);
    vs_test_folder_remove(folder);
}

Test(cli_submit, wants_its_options)
{
    char *folder = vs_test_folder_new();
    vs_run run =
        VS_RUN(folder, "submit", "--federation", "fed.json", "--key", "k.key", "--update", "u.npy");
    cr_expect_eq(run.status, 2);
    cr_expect_not_null(strstr(run.err, "--weight"), "%s", run.err);
    vs_run_free(&run);
    run = VS_RUN(folder, "submit", "--federation", "f", "--key", "k", "--update", "u", "--weight",
                 "0");
    cr_expect_eq(run.status, 2);
    vs_run_free(&run);
    run = VS_RUN(folder, "submit", "--help");
    cr_expect_eq(run.status, 0);
    cr_expect_not_null(strstr(run.out, "--purpose"));
    vs_run_free(&run);
    vs_test_folder_remove(folder);
}
