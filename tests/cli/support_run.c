#include "tests/cli/support_run.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"

enum { ARGS_MAX = 200, TIMEOUT_S = 60 };

/* A file that is gone when it is closed. */
static int open_capture(void)
{
    char name[] = "/tmp/veilsum-run-XXXXXX";
    int fd = mkstemp(name);
    VS_ASSERT(fd >= 0);
    (void)unlink(name);
    return fd;
}

static char *read_capture(int fd)
{
    vs_buf text = {0};
    uint8_t block[4096];
    ssize_t got;
    VS_ASSERT(lseek(fd, 0, SEEK_SET) == 0);
    while ((got = read(fd, block, sizeof block)) > 0) vs_buf_bytes(&text, block, (size_t)got);
    vs_buf_u8(&text, '\0');
    VS_ASSERT(got == 0 && vs_buf_check(&text) == VS_OK);
    (void)close(fd);
    return (char *)text.p;
}

static void child(const char *folder, char **argv, int out, int err)
{
    int in = open("/dev/null", O_RDONLY);
    if (in < 0 || chdir(folder) != 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) {
        _exit(126);
    }
    (void)alarm(TIMEOUT_S); /* survives exec */
    (void)execv(argv[0], argv);
    _exit(127);
}

vs_run vs_run_program(const char *folder, const char *const *args)
{
    char *argv[ARGS_MAX + 2] = {NULL};
    int n = 0;
    argv[n++] = strdup(VS_PROGRAM);
    for (; *args != NULL; args++) {
        VS_ASSERT(n <= ARGS_MAX);
        argv[n++] = strdup(*args);
    }
    int out = open_capture();
    int err = open_capture();
    (void)fflush(NULL);
    pid_t pid = fork();
    VS_ASSERT(pid >= 0);
    if (pid == 0) child(folder, argv, out, err);
    int status = 0;
    VS_ASSERT(waitpid(pid, &status, 0) == pid);
    for (int i = 0; i < n; i++) free(argv[i]);
    return (vs_run){.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                    .out = read_capture(out),
                    .err = read_capture(err)};
}

void vs_run_free(vs_run *run)
{
    free(run->out);
    free(run->err);
    *run = (vs_run){0};
}

static int differs(const char *what, const char *want, const char *got)
{
    if (want == NULL || strcmp(want, got) == 0) return 0;
    (void)fprintf(stderr, "%s is:\n%s\nbut should be:\n%s\n", what, got, want);
    return 1;
}

int vs_run_expect(const char *folder, int status, const char *out, const char *err,
                  const char *const *args)
{
    vs_run run = vs_run_program(folder, args);
    int bad = differs("stdout", out, run.out) + differs("stderr", err, run.err);
    if (run.status != status) {
        (void)fprintf(stderr, "status is %d but should be %d; stderr: %s\n", run.status, status,
                      run.err);
        bad++;
    }
    vs_run_free(&run);
    return bad == 0;
}
