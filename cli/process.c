#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/file.h"

enum { LOG_MAX = 16 << 20, POLL_MS = 10 };

/* In the child, between fork and exec: async-signal-safe calls only. */
static _Noreturn void become(int log, pid_t parent, char *const *argv)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)sigemptyset(&none);
    if (setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
        null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(log, STDOUT_FILENO) >= 0 &&
        dup2(log, STDERR_FILENO) >= 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0) {
        (void)execv("/proc/self/exe", argv);
    }
    _exit(127);
}

vs_err vs_process_start(vs_process *p, const char *const *args, vs_diag *diag)
{
    char *argv[VS_PROCESS_ARGS_MAX + 2];
    char program[] = "veilsum";
    uint32_t n = 1;
    VS_ASSERT(p->pid == 0);
    argv[0] = program;
    for (; args[n - 1] != NULL; n++) {
        VS_ASSERT(n <= VS_PROCESS_ARGS_MAX);
        argv[n] = (char *)(uintptr_t)args[n - 1]; /* exec does not write to them */
    }
    argv[n] = NULL;
    int log = open(p->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0) return vs_fail(diag, VS_ERR_IO, "%s: %s", p->log, strerror(errno));
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) become(log, parent, argv);
    int failure = errno;
    (void)close(log);
    if (pid < 0) {
        return vs_fail(diag, VS_ERR_IO, "%s: cannot start it: %s", p->name, strerror(failure));
    }
    p->pid = pid;
    p->n_starts++;
    return VS_OK;
}

void vs_process_kill(vs_process *p)
{
    if (p->pid == 0) return;
    (void)kill(p->pid, SIGKILL);
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) continue;
    p->pid = 0;
}

static uint64_t now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

uint32_t vs_process_stop_all(vs_process *p, uint32_t n, uint32_t wait_ms)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    const uint64_t until = now_ms() + wait_ms;
    uint32_t n_bad = 0, running = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (p[i].pid != 0) (void)kill(p[i].pid, SIGTERM);
    }
    do {
        running = 0;
        for (uint32_t i = 0; i < n; i++) {
            int status;
            if (p[i].pid == 0) continue;
            if (waitpid(p[i].pid, &status, WNOHANG) == p[i].pid) {
                p[i].pid = 0;
                n_bad += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
            } else {
                running++;
            }
        }
        if (running > 0) (void)nanosleep(&pause, NULL);
    } while (running > 0 && now_ms() < until);
    for (uint32_t i = 0; i < n; i++) vs_process_kill(&p[i]);
    return n_bad + running;
}

vs_err vs_process_check(vs_process *p, uint32_t n, vs_diag *diag)
{
    for (uint32_t i = 0; i < n; i++) {
        char last[200];
        int status;
        if (p[i].pid == 0 || waitpid(p[i].pid, &status, WNOHANG) != p[i].pid) continue;
        p[i].pid = 0;
        vs_process_last_line(&p[i], last, sizeof last);
        if (WIFEXITED(status)) {
            return vs_fail(diag, VS_ERR_STATE, "%s ended with status %d%s%s", p[i].name,
                           WEXITSTATUS(status), last[0] == '\0' ? "" : ": ", last);
        }
        return vs_fail(diag, VS_ERR_STATE, "%s was ended by signal %d (%s)%s%s", p[i].name,
                       WTERMSIG(status), strsignal(WTERMSIG(status)), last[0] == '\0' ? "" : ": ",
                       last);
    }
    return VS_OK;
}

/* --- logs ----------------------------------------------------------------------------------------
 */

/* The whole log as a C string; "" when it cannot be read. The caller releases text. */
static const char *read_log(const vs_process *p, vs_buf *text)
{
    if (vs_file_read(text, p->log, LOG_MAX, NULL) != VS_OK) return "";
    vs_buf_u8(text, 0);
    return vs_buf_check(text) == VS_OK ? (const char *)text->p : "";
}

/* Where the last n lines start. */
static const char *last_lines(const char *text, uint32_t n)
{
    const char *at = text + strlen(text);
    if (at > text && at[-1] == '\n') at--;
    while (at > text && (at[-1] != '\n' || --n > 0)) at--;
    return at;
}

void vs_process_last_line(const vs_process *p, char *out, uint32_t cap)
{
    vs_buf text = {0};
    const char *line = last_lines(read_log(p, &text), 1);
    (void)snprintf(out, cap, "%.*s", (int)strcspn(line, "\n"), line);
    vs_buf_free(&text);
}

void vs_process_print_log(const vs_process *p, uint32_t n_lines)
{
    vs_buf text = {0};
    const char *lines = last_lines(read_log(p, &text), n_lines);
    (void)fprintf(stderr, "last lines of %s (%s):\n", p->name, p->log);
    while (*lines != '\0') {
        size_t len = strcspn(lines, "\n");
        (void)fprintf(stderr, "    %.*s\n", (int)len, lines);
        lines += len + (lines[len] == '\n');
    }
    vs_buf_free(&text);
}

bool vs_process_log_has(const vs_process *p, const char *text)
{
    vs_buf log = {0};
    bool has = strstr(read_log(p, &log), text) != NULL;
    vs_buf_free(&log);
    return has;
}

void vs_process_events(const vs_process *p, const char *event, uint64_t round,
                       void (*visit)(void *ctx, const struct json_t *line), void *ctx)
{
    vs_buf text = {0};
    const char *at = read_log(p, &text);
    while (*at != '\0') {
        size_t len = strcspn(at, "\n");
        json_t *line = at[0] == '{' ? json_loadb(at, len, 0, NULL) : NULL;
        const char *name = json_string_value(json_object_get(line, "event"));
        if (name != NULL && strcmp(name, event) == 0 &&
            json_integer_value(json_object_get(line, "round")) == (json_int_t)round) {
            visit(ctx, line);
        }
        json_decref(line);
        at += len + (at[len] == '\n');
    }
    vs_buf_free(&text);
}
