#include "ledger/db_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, NAME_BYTES = 80 };

/* "4711 (veilsum aggregator)": id, program and, if it has one, its command. */
static void describe_self(char out[NAME_BYTES])
{
    char args[256] = {0};
    size_t len = 0;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t got = read(fd, args, sizeof args - 2);
        len = got > 0 ? (size_t)got : 0;
        (void)close(fd);
    }
    const char *slash = strrchr(args, '/');
    const char *program = slash == NULL ? args : slash + 1;
    const char *command = "";
    size_t first = strlen(args) + 1;
    if (first < len && args[first] != '-') command = args + first;
    (void)snprintf(out, NAME_BYTES, "%ld (%.30s%s%.30s)", (long)getpid(),
                   program[0] == '\0' ? "veilsum" : program, command[0] == '\0' ? "" : " ",
                   command);
}

static vs_err in_use(int fd, const char *path, vs_diag *diag)
{
    char who[NAME_BYTES] = {0};
    ssize_t got = pread(fd, who, sizeof who - 1, 0);
    who[got > 0 ? got : 0] = '\0';
    who[strcspn(who, "\n")] = '\0';
    if (who[0] == '\0') {
        return vs_fail(diag, VS_ERR_STATE, "%s: is in use by another process; stop it first", path);
    }
    return vs_fail(diag, VS_ERR_STATE, "%s: is in use by process %s; stop it first", path, who);
}

vs_err vs_db_lock(int *out, const char *path, bool shared, vs_diag *diag)
{
    char name[PATH_BYTES];
    char who[NAME_BYTES];
    *out = -1;
    int n = snprintf(name, sizeof name, "%s.lock", path);
    if (n < 0 || n >= (int)sizeof name) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", path);
    }
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && shared) fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && shared && (errno == EACCES || errno == EROFS || errno == ENOENT)) return VS_OK;
    if (fd < 0) {
        return vs_fail(diag, VS_ERR_IO, "%s: cannot open: %s", name, strerror(errno));
    }
    if (flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
        vs_err err = errno == EWOULDBLOCK
                         ? in_use(fd, path, diag)
                         : vs_fail(diag, VS_ERR_IO, "%s: cannot lock: %s", name, strerror(errno));
        (void)close(fd);
        return err;
    }
    if (!shared) { /* information only: a failure to write it changes nothing */
        describe_self(who);
        if (ftruncate(fd, 0) == 0 && pwrite(fd, who, strlen(who), 0) < 0) (void)ftruncate(fd, 0);
    }
    *out = fd;
    return VS_OK;
}

void vs_db_unlock(int fd)
{
    if (fd >= 0) (void)close(fd); /* the file stays: unlinking it would race with the next opener */
}
