#include "cli/plot.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { PATH_BYTES = 4096 };

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text), n = strlen(ending);
    return len >= n && strcmp(text + len - n, ending) == 0;
}

void vs_plot_quote(FILE *out, const char *text)
{
    (void)fputc('\'', out);
    for (; *text != '\0'; text++) {
        if (*text == '\'') (void)fputc('\'', out);
        (void)fputc(*text, out);
    }
    (void)fputc('\'', out);
}

void vs_plot_output(FILE *out, const char *picture, unsigned width, unsigned height)
{
    if (ends_with(picture, ".png")) {
        (void)fprintf(out, "set terminal pngcairo size %u,%u font 'sans,12'\n", width, height);
    } else {
        (void)fprintf(out, "set terminal svg size %u,%u font 'sans,14' background 'white'\n", width,
                      height);
    }
    (void)fputs("set output ", out);
    vs_plot_quote(out, picture);
    (void)fputc('\n', out);
}

vs_err vs_plot_run(const char *script, vs_diag *diag)
{
    char program[] = "gnuplot", path[PATH_BYTES];
    char *const argv[] = {program, path, NULL};
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid;
    int status;
    (void)snprintf(path, sizeof path, "%s", script);
    (void)sigemptyset(&none);
    if (posix_spawnattr_init(&attr) != 0) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    int failure = posix_spawnp(&pid, program, NULL, &attr, argv, environ);
    (void)posix_spawnattr_destroy(&attr);
    if (failure != 0) {
        return vs_fail(diag, VS_ERR_STATE,
                       "gnuplot cannot be started (%s); install it: apt-get "
                       "install gnuplot-nox",
                       strerror(failure));
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return VS_OK;
    return vs_fail(diag, VS_ERR_IO, "gnuplot failed on %s", script);
}
