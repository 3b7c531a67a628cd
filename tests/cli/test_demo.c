/* The demo with real processes, and that it never leaves any behind. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/cli/support_run.h"
#include "tests/support.h"

#define SMALL "--clients", "3", "--model", "784-10", "--data", "digits:600"

static bool is_empty(const char *folder)
{
    uint32_t n = 0;
    DIR *dir = opendir(folder);
    cr_assert_not_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) n++;
    (void)closedir(dir);
    return n == 2; /* . and .. */
}

static json_t *load_json(const char *folder, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    json_t *all = json_load_file(path, 0, NULL);
    cr_assert_not_null(all, "%s", path);
    return all;
}

static double number(const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);
    cr_assert(json_is_number(value), "%s", name);
    return json_number_value(value);
}

Test(cli_demo, ends_well_with_exact_sums_an_audited_ledger_and_its_numbers_as_json)
{
    char *folder = vs_test_folder_new();
    char *temporary = vs_test_folder_new();
    cr_assert_eq(setenv("TMPDIR", temporary, 1), 0);
    vs_run run = VS_RUN(folder, "demo", "--rounds", "1", SMALL, "--json", "demo.json");
    cr_assert_eq(run.status, 0, "%s\n%s", run.out, run.err);
    cr_expect(strstr(run.out, "[ROUND 1/1]") != NULL, "%s", run.out);
    cr_expect(strstr(run.out, "sum exact: yes") != NULL, "%s", run.out);
    cr_expect(strstr(run.out, " entries, audit ok") != NULL, "%s", run.out);
    cr_expect(is_empty(temporary));
    json_t *all = load_json(folder, "demo.json");
    const json_t *row = json_array_get(json_object_get(all, "rounds"), 0);
    const json_t *ledger = json_object_get(all, "ledger");
    cr_expect_eq(json_array_size(json_object_get(all, "rounds")), 1);
    cr_expect_eq(json_object_size(row), 10);
    cr_expect_eq(number(row, "round"), 1);
    cr_expect(number(row, "accuracy") > 0.1 && number(row, "accuracy") <= 1);
    cr_expect_float_eq(number(row, "accuracy"), number(row, "plain_accuracy"), 0.01);
    cr_expect_eq(number(row, "clients_submitted"), 2);
    cr_expect_eq(number(row, "clients_included"), 2);
    cr_expect_eq(number(row, "clients_dropped"), 1);
    cr_expect(number(row, "shareholders_answered") >= 4);
    cr_expect(json_is_true(json_object_get(row, "sum_exact")));
    cr_expect(number(row, "upload_bytes_per_client") > 7850);
    cr_expect(number(row, "seconds") > 0);
    cr_expect(number(ledger, "size") >= 8); /* federation, open, set, 4 answers, result */
    cr_expect(json_is_true(json_object_get(ledger, "audit_ok")));
    json_decref(all);
    vs_run_free(&run);
    vs_test_folder_remove(folder);
    vs_test_folder_remove(temporary);
}

Test(cli_demo, refuses_what_no_round_could_survive)
{
    char *folder = vs_test_folder_new();
    cr_expect(VS_RUN_EXPECT(folder, 2, "",
                            "veilsum demo: --drop-clients: of 3 clients at most 1: two must "
                            "remain\nSee: veilsum demo --help\n",
                            "demo", "--clients", "3", "--drop-clients", "2"));
    cr_expect(VS_RUN_EXPECT(folder, 2, "",
                            "veilsum demo: --drop-shareholders: 5 shareholders can lose at most "
                            "1\nSee: veilsum demo --help\n",
                            "demo", "--drop-shareholders", "2"));
    cr_expect(VS_RUN_EXPECT(folder, 2, "", NULL, "demo", "--clients", "1"));
    cr_expect(VS_RUN_EXPECT(folder, 2, "", NULL, "demo", "--model", "784"));
    cr_expect(VS_RUN_EXPECT(folder, 2, "", NULL, "demo", "--partition", "halves"));
    cr_expect(VS_RUN_EXPECT(folder, 2, "", NULL, "demo", "--learning-rate", "-1"));
    vs_test_folder_remove(folder);
}

Test(cli_demo, names_the_data_that_are_missing_or_do_not_fit_and_leaves_nothing)
{
    char *folder = vs_test_folder_new();
    cr_assert_eq(setenv("TMPDIR", folder, 1), 0);
    vs_run run = VS_RUN(folder, "demo", "--data", "nowhere");
    cr_expect_eq(run.status, 1);
    cr_expect(strstr(run.err, "nowhere: has no train-images-idx3-ubyte") != NULL, "%s", run.err);
    vs_run_free(&run);
    run = VS_RUN(folder, "demo", "--data", "digits:100", "--model", "100-10");
    cr_expect_eq(run.status, 1);
    cr_expect(strstr(run.err, "784") != NULL, "%s", run.err);
    vs_run_free(&run);
    run = VS_RUN(folder, "demo", "--data", "digits:5");
    cr_expect_eq(run.status, 1);
    cr_expect(strstr(run.err, "10..1000000") != NULL, "%s", run.err);
    vs_run_free(&run);
    cr_expect(is_empty(folder));
    vs_test_folder_remove(folder);
}

/* --- a demo that is interrupted ------------------------------------------------------------------
 */

enum { CHILDREN_MAX = 32 };

typedef struct running {
    pid_t pid;
    char out[256], err[256];
    pid_t child[CHILDREN_MAX]; /* process ids */
    uint32_t n_children;
} running;

static void start(running *r, const char *folder)
{
    static const char *const args[] = {VS_PROGRAM, "demo", "--rounds", "50", SMALL, NULL};
    (void)snprintf(r->out, sizeof r->out, "%s/out", folder);
    (void)snprintf(r->err, sizeof r->err, "%s/err", folder);
    r->n_children = 0;
    r->pid = fork();
    cr_assert(r->pid >= 0);
    if (r->pid != 0) return;
    char *argv[16];
    for (size_t i = 0; i < sizeof args / sizeof args[0]; i++) {
        argv[i] = (char *)(uintptr_t)args[i];
    }
    if (chdir(folder) == 0 && freopen("out", "w", stdout) != NULL &&
        freopen("err", "w", stderr) != NULL) {
        (void)alarm(60);
        (void)execv(VS_PROGRAM, argv);
    }
    _exit(127);
}

static pid_t parent_of(pid_t pid)
{
    char path[64], line[512] = "";
    int parent = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "r");
    if (in == NULL) return 0;
    (void)fgets(line, sizeof line, in);
    (void)fclose(in);
    const char *end = strrchr(line, ')'); /* the name before it may hold anything */
    if (end == NULL || sscanf(end + 1, " %*c %d", &parent) != 1) return 0;
    return parent;
}

static void find_children(running *r)
{
    DIR *proc = opendir("/proc");
    cr_assert_not_null(proc);
    r->n_children = 0;
    for (struct dirent *e = readdir(proc); e != NULL; e = readdir(proc)) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        if (pid > 0 && parent_of(pid) == r->pid && r->n_children < CHILDREN_MAX) {
            r->child[r->n_children++] = pid;
        }
    }
    (void)closedir(proc);
}

static bool file_has(const char *path, const char *text)
{
    vs_buf b = {0};
    bool has = vs_file_read(&b, path, 1 << 20, NULL) == VS_OK;
    vs_buf_u8(&b, 0);
    has = has && strstr((const char *)b.p, text) != NULL;
    vs_buf_free(&b);
    return has;
}

static void nap(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* All processes are there and a round has ended. */
static void wait_running(running *r)
{
    for (int i = 0; i < 2500 && !file_has(r->out, "[ROUND 1/50]"); i++) nap();
    cr_assert(file_has(r->out, "[ROUND 1/50]"));
    find_children(r);
    cr_assert_eq(r->n_children, 1 + 5 + 3);
}

static void expect_no_child(const running *r)
{
    for (uint32_t i = 0; i < r->n_children; i++) {
        cr_expect(kill(r->child[i], 0) != 0 && errno == ESRCH, "%d", (int)r->child[i]);
    }
}

static int wait_end(const running *r)
{
    int status;
    cr_assert_eq(waitpid(r->pid, &status, 0), r->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Test(cli_demo, ends_every_process_and_its_folder_when_it_is_told_to_stop)
{
    char *folder = vs_test_folder_new();
    char *temporary = vs_test_folder_new();
    running r;
    cr_assert_eq(setenv("TMPDIR", temporary, 1), 0);
    start(&r, folder);
    wait_running(&r);
    cr_assert_eq(kill(r.pid, SIGINT), 0);
    cr_expect_eq(wait_end(&r), 1);
    cr_expect(file_has(r.err, "stopped by a signal"));
    expect_no_child(&r);
    cr_expect(is_empty(temporary));
    vs_test_folder_remove(folder);
    vs_test_folder_remove(temporary);
}

Test(cli_demo, names_a_process_that_dies_and_shows_its_last_words)
{
    char *folder = vs_test_folder_new();
    running r;
    cr_assert_eq(setenv("TMPDIR", folder, 1), 0);
    start(&r, folder);
    wait_running(&r);
    pid_t first = r.child[0]; /* the aggregator is started first */
    for (uint32_t i = 1; i < r.n_children; i++) {
        if (r.child[i] < first) first = r.child[i];
    }
    cr_assert_eq(kill(first, SIGKILL), 0);
    cr_expect_eq(wait_end(&r), 1);
    cr_expect(file_has(r.err, "aggregator"));
    cr_expect(file_has(r.err, "last lines of aggregator"));
    expect_no_child(&r);
    vs_test_folder_remove(folder);
}

Test(cli_demo, takes_its_processes_along_when_it_is_killed)
{
    char *folder = vs_test_folder_new();
    running r;
    cr_assert_eq(setenv("TMPDIR", folder, 1), 0);
    start(&r, folder);
    wait_running(&r);
    cr_assert_eq(kill(r.pid, SIGKILL), 0);
    cr_expect_eq(wait_end(&r), 128 + SIGKILL);
    for (int i = 0; i < 250 && kill(r.child[r.n_children - 1], 0) == 0; i++) nap();
    for (int i = 0; i < 25; i++) nap();
    for (uint32_t i = 0; i < r.n_children; i++) {
        /* gone, or waiting for whoever adopted it to notice */
        char path[64];
        (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)r.child[i]);
        cr_expect(access(path, R_OK) != 0, "%d", (int)r.child[i]);
    }
    vs_test_folder_remove(folder);
}
