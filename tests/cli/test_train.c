/* veilsum train: what it refuses, and that it waits and stops. Whole rounds: test_demo.c. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/cli/support_run.h"
#include "tests/support.h"

/* Keys of three shareholders, an aggregator that does not run, an admin and two clients of which
 * alice is enrolled. */
static char *folder_of(const char *demo)
{
    static const char *const names[] = {"admin", "agg", "s1", "s2", "s3", "alice", "bob"};
    char *folder = vs_test_folder_new();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char file[32];
        (void)snprintf(file, sizeof file, "%s.key", names[i]);
        cr_assert(VS_RUN_EXPECT(folder, 0, NULL, "", "keygen", "--out", file));
    }
    cr_assert(VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "new", "--name", "t", "--admin",
                            "admin.pub", "--aggregator", "agg.pub@ipc:///nowhere/agg",
                            "--shareholder", "s1.pub@ipc:///nowhere/1", "--shareholder",
                            "s2.pub@ipc:///nowhere/2", "--shareholder", "s3.pub@ipc:///nowhere/3",
                            "--max-weight", "100", demo));
    cr_assert(VS_RUN_EXPECT(folder, 0, NULL, "", "federation", "enrol", "--federation",
                            "federation.json", "--key", "admin.key", "alice.pub"));
    return folder;
}

#define TRAIN "train", "--federation", "federation.json", "--num-clients", "10", "--model", "784-10"
#define ALICE TRAIN, "--key", "alice.key", "--client-index", "3"

static void expect_failure(const char *folder, int status, const char *message,
                           const char *const *args)
{
    vs_run run = vs_run_program(folder, args);
    cr_expect_eq(run.status, status, "%s%s", run.out, run.err);
    cr_expect_str_empty(run.out);
    cr_expect(strstr(run.err, message) != NULL, "%s", run.err);
    vs_run_free(&run);
}
#define EXPECT_FAILURE(folder, status, message, ...)                                               \
    expect_failure((folder), (status), (message), (const char *const[]){__VA_ARGS__, NULL})

Test(cli_train, refuses_to_reveal_updates_outside_a_demo)
{
    char *folder = folder_of("--public-results");
    EXPECT_FAILURE(folder, 1, "is not marked demo", ALICE, "--reveal", "out");
    vs_test_folder_remove(folder);
}

Test(cli_train, says_what_it_cannot_use)
{
    char *folder = folder_of("--demo");
    EXPECT_FAILURE(folder, 2, "--client-index: 11 is above --num-clients 10", TRAIN, "--key",
                   "alice.key", "--client-index", "11");
    EXPECT_FAILURE(folder, 2, "--partition", ALICE, "--partition", "halves");
    EXPECT_FAILURE(folder, 2, "learning_rate", ALICE, "--learning-rate", "0");
    EXPECT_FAILURE(folder, 1, "bob.enrolment", TRAIN, "--key", "bob.key", "--client-index", "1");
    EXPECT_FAILURE(folder, 1, "does not enrol key \"bob\"", TRAIN, "--key", "bob.key",
                   "--client-index", "1", "--enrolment", "alice.enrolment");
    EXPECT_FAILURE(folder, 1, "nowhere: has no train-images", ALICE, "--data", "nowhere");
    EXPECT_FAILURE(folder, 1, "200 rows are a weight above the federation's max_weight 100", ALICE,
                   "--data", "digits:2000");
    vs_test_folder_remove(folder);
}

static bool has(const char *folder, const char *name, const char *text)
{
    char path[512];
    vs_buf b = {0};
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    bool found = vs_file_read(&b, path, 1 << 20, NULL) == VS_OK;
    vs_buf_u8(&b, 0);
    found = found && strstr((const char *)b.p, text) != NULL;
    vs_buf_free(&b);
    return found;
}

Test(cli_train, waits_for_an_aggregator_that_is_not_there_and_stops_when_told)
{
    static const char *const args[] = {VS_PROGRAM, ALICE, "--data", "digits:500", "--json", NULL};
    char *folder = folder_of("--demo");
    char *argv[32];
    int status = -1;
    for (size_t i = 0; i < sizeof args / sizeof args[0]; i++) {
        argv[i] = (char *)(uintptr_t)args[i];
    }
    pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) {
        if (chdir(folder) == 0 && freopen("out", "w", stdout) != NULL &&
            freopen("err", "w", stderr) != NULL) {
            (void)alarm(60);
            (void)execv(VS_PROGRAM, argv);
        }
        _exit(127);
    }
    for (int i = 0; i < 1000 && !has(folder, "err", "waiting: ipc:///nowhere/agg"); i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    cr_expect(has(folder, "out", "{\"event\":\"ready\",\"client\":3,\"rows\":50,"));
    cr_expect(has(folder, "err", "waiting: ipc:///nowhere/agg"));
    cr_assert_eq(kill(pid, SIGTERM), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect_eq(status, 0);
    vs_test_folder_remove(folder);
}
