#include "cli/plot.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

extern char **environ;

enum { PATH_BYTES = 4096, PICTURE_BYTES_MAX = 64 << 20 };

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

/* Length of a group without anything in it at p, "<g ...> </g>"; else 0. */
static size_t empty_group(const char *p)
{
    if (strncmp(p, "<g ", 3) != 0) return 0;
    const char *end = strchr(p, '>');
    if (end == NULL) return 0;
    for (end++; isspace((unsigned char)*end);) end++;
    if (strncmp(end, "</g>", 4) != 0) return 0;
    for (end += 4; isspace((unsigned char)*end);) end++;
    return (size_t)(end - p);
}

vs_err vs_plot_tidy(const char *picture, vs_diag *diag)
{
    vs_buf in = {0}, out = {0};
    if (!ends_with(picture, ".svg")) return VS_OK;
    vs_err err = vs_file_read(&in, picture, PICTURE_BYTES_MAX, diag);
    if (err != VS_OK) return err;
    vs_buf_u8(&in, 0);
    err = vs_buf_check(&in);
    for (const char *p = (const char *)in.p; err == VS_OK && *p != '\0';) {
        size_t skip = empty_group(p);
        if (skip == 0) vs_buf_u8(&out, (uint8_t)*p++);
        p += skip;
    }
    if (err == VS_OK) err = vs_buf_check(&out);
    if (err != VS_OK) (void)vs_fail(diag, err, "%s: out of memory", picture);
    if (err == VS_OK) err = vs_file_write_durable(picture, out.p, out.len, 0644, diag);
    vs_buf_free(&in);
    vs_buf_free(&out);
    return err;
}
