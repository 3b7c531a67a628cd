#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS /* it would make open another name of open64: both are replaced here */
#include "tests/net/disk_shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FDS_MAX = 4096, ROOTS = 2 };

/* --- what is watched ----------------------------------------------------------------------------
 */

typedef struct watched_fd {
    bool on;
    char *path;
} watched_fd;

typedef enum undo_kind {
    UNDO_BYTES,  /* path: bytes at offset were these, the file had size bytes */
    UNDO_CREATE, /* path was not there */
    UNDO_RENAME, /* path was called other; backup: what path was before, or NULL */
    UNDO_UNLINK, /* path was backup */
} undo_kind;

typedef struct undo {
    undo_kind kind;
    dev_t dev;
    ino_t ino;
    char *path, *other, *backup;
    uint8_t *old;
    off_t offset, size;
    size_t old_len, new_len;
} undo;

static struct {
    char *root[ROOTS];
    bool armed, dead, full, fired;
    disk_fault kind;
    uint64_t at, seen;
    void (*hit)(void *ctx);
    void *ctx;
    watched_fd fd[FDS_MAX];
    undo *undo;
    size_t n_undo, cap_undo;
    uint64_t n_backups;
    bool preloaded;
} shim;

static long sys_open(const char *path, int flags, mode_t mode)
{
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Absolute form of path when it is below a root, else NULL. malloc'd. */
static char *watched_path(const char *path)
{
    char whole[PATH_MAX * 2];
    if (!shim.armed || path == NULL) return NULL;
    if (path[0] == '/') {
        (void)snprintf(whole, sizeof whole, "%s", path);
    } else {
        char cwd[PATH_MAX];
        if (syscall(SYS_getcwd, cwd, sizeof cwd) < 0) return NULL;
        (void)snprintf(whole, sizeof whole, "%s/%s", cwd, path);
    }
    for (int r = 0; r < ROOTS; r++) {
        size_t len = shim.root[r] == NULL ? 0 : strlen(shim.root[r]);
        if (len != 0 && strncmp(whole, shim.root[r], len) == 0 &&
            (whole[len] == '/' || whole[len] == '\0')) {
            return strdup(whole);
        }
    }
    return NULL;
}

static const char *path_of_fd(int fd)
{
    return shim.armed && fd >= 0 && fd < FDS_MAX && shim.fd[fd].on ? shim.fd[fd].path : NULL;
}

static void folder_of(char out[PATH_MAX], const char *path)
{
    (void)snprintf(out, PATH_MAX, "%s", path);
    char *slash = strrchr(out, '/');
    if (slash != NULL) *slash = '\0';
}

/* --- undo ---------------------------------------------------------------------------------------
 */

static undo *undo_add(undo_kind kind, const char *path)
{
    struct stat st = {0};
    if (shim.n_undo == shim.cap_undo) {
        shim.cap_undo = shim.cap_undo == 0 ? 64 : 2 * shim.cap_undo;
        shim.undo = realloc(shim.undo, shim.cap_undo * sizeof *shim.undo);
        if (shim.undo == NULL) abort();
    }
    (void)stat(path, &st);
    undo *u = &shim.undo[shim.n_undo++];
    *u = (undo){.kind = kind, .path = strdup(path), .dev = st.st_dev, .ino = st.st_ino};
    return u;
}

static void undo_clear(undo *u, bool remove_backup)
{
    if (remove_backup && u->backup != NULL) (void)syscall(SYS_unlink, u->backup);
    free(u->path);
    free(u->other);
    free(u->backup);
    free(u->old);
}

static void undo_forget(bool (*which)(const undo *u, const void *ctx), const void *ctx)
{
    size_t kept = 0;
    for (size_t i = 0; i < shim.n_undo; i++) {
        if (which == NULL || which(&shim.undo[i], ctx)) {
            undo_clear(&shim.undo[i], true);
        } else {
            shim.undo[kept++] = shim.undo[i];
        }
    }
    shim.n_undo = kept;
}

static bool is_of_file(const undo *u, const void *ctx)
{
    const struct stat *st = ctx;
    return u->kind == UNDO_BYTES && u->dev == st->st_dev && u->ino == st->st_ino;
}

static bool is_of_folder(const undo *u, const void *ctx)
{
    char folder[PATH_MAX];
    folder_of(folder, u->path);
    return u->kind != UNDO_BYTES && strcmp(folder, ctx) == 0;
}

/* Keep a second name of what is at path, outside of the watched folders. NULL: nothing there. */
static char *keep(const char *path)
{
    char name[PATH_MAX];
    struct stat st;
    if (lstat(path, &st) != 0) return NULL;
    (void)snprintf(name, sizeof name, "%s.shim-%llu", shim.root[0],
                   (unsigned long long)shim.n_backups++);
    if (syscall(SYS_link, path, name) != 0) return NULL;
    return strdup(name);
}

static void remember_bytes(int fd, const char *path, off_t offset, size_t len)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return;
    undo *u = undo_add(UNDO_BYTES, path);
    u->dev = st.st_dev;
    u->ino = st.st_ino;
    u->offset = offset;
    u->size = st.st_size;
    u->new_len = len;
    if (offset >= st.st_size) return;
    size_t there = (size_t)(st.st_size - offset);
    u->old_len = len < there ? len : there;
    u->old = malloc(u->old_len + 1);
    int reader = (int)sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (u->old == NULL || reader < 0 ||
        syscall(SYS_pread64, reader, u->old, u->old_len, offset) != (long)u->old_len) {
        abort();
    }
    (void)syscall(SYS_close, reader);
}

static bool coin(size_t i)
{
    uint64_t x = shim.at * UINT64_C(0x9E3779B97F4A7C15) + i * UINT64_C(0xBF58476D1CE4E5B9);
    x ^= x >> 29;
    x *= UINT64_C(0x94D049BB133111EB);
    return (x >> 40 & 1) != 0;
}

static void undo_bytes(const undo *u, bool some)
{
    struct stat st;
    int fd = (int)sys_open(u->path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_ino != u->ino) { /* it has another name now */
        if (fd >= 0) (void)syscall(SYS_close, fd);
        return;
    }
    if (u->old_len != 0) (void)syscall(SYS_pwrite64, fd, u->old, u->old_len, u->offset);
    if (!some) {
        (void)syscall(SYS_ftruncate, fd, u->size);
    } else if (u->new_len > u->old_len) { /* longer, but the bytes did not arrive */
        uint8_t *zeros = calloc(1, u->new_len - u->old_len);
        off_t from = u->offset + (off_t)u->old_len;
        if (zeros == NULL) abort();
        (void)syscall(SYS_pwrite64, fd, zeros, u->new_len - u->old_len, from);
        free(zeros);
    }
    (void)syscall(SYS_close, fd);
}

static void undo_apply(const undo *u, bool some)
{
    switch (u->kind) {
    case UNDO_BYTES: undo_bytes(u, some); break;
    case UNDO_CREATE: (void)syscall(SYS_unlink, u->path); break;
    case UNDO_RENAME:
        (void)syscall(SYS_rename, u->path, u->other);
        if (u->backup != NULL) (void)syscall(SYS_rename, u->backup, u->path);
        break;
    case UNDO_UNLINK:
        if (u->backup != NULL) (void)syscall(SYS_rename, u->backup, u->path);
        break;
    }
}

/* A power cut. `some`: writes are kept by coin, names up to a point in time. */
static void power_cut(bool some)
{
    size_t names_kept = some && shim.n_undo > 0 ? shim.at * 7 % (shim.n_undo + 1) : 0;
    for (size_t i = shim.n_undo; i-- > 0;) {
        const undo *u = &shim.undo[i];
        bool kept = some && (u->kind == UNDO_BYTES ? coin(i) : i < names_kept);
        if (!kept) undo_apply(u, some);
    }
    undo_forget(NULL, NULL);
}

/* --- places -------------------------------------------------------------------------------------
 */

/* 0: go on; else the errno to fail with. needs_room: a full disk refuses it. */
static int place(bool needs_room)
{
    if (shim.dead) return EIO;
    shim.seen++;
    if (shim.full && needs_room) return ENOSPC;
    if (shim.fired || shim.seen < shim.at) return 0;
    if (shim.kind == DISK_FULL && !needs_room) return 0; /* the next one that does */
    if (shim.seen != shim.at && shim.kind != DISK_FULL) return 0;
    shim.fired = true;
    if (shim.hit != NULL) shim.hit(shim.ctx);
    switch (shim.kind) {
    case DISK_EIO: return EIO;
    case DISK_FULL: shim.full = true; return ENOSPC;
    case DISK_KILL:
    case DISK_POWER:
    case DISK_POWER_SOME: break;
    }
    shim.dead = true;
    if (!shim.preloaded) return EIO;
    if (shim.kind != DISK_KILL) power_cut(shim.kind == DISK_POWER_SOME);
    (void)raise(SIGKILL);
    return EIO;
}

static int failed(int error)
{
    errno = error;
    return -1;
}

void disk_shim_arm(const char *root, const char *second_root, disk_fault kind, uint64_t at,
                   void (*hit)(void *ctx), void *ctx)
{
    disk_shim_off();
    shim.root[0] = strdup(root);
    shim.root[1] = second_root == NULL ? NULL : strdup(second_root);
    shim.kind = kind;
    shim.at = at;
    shim.seen = 0;
    shim.hit = hit;
    shim.ctx = ctx;
    shim.dead = shim.full = shim.fired = false;
    shim.armed = true;
}

void disk_shim_revive(void)
{
    if (shim.dead && shim.kind != DISK_KILL) power_cut(shim.kind == DISK_POWER_SOME);
    shim.dead = shim.full = false;
}

void disk_shim_off(void)
{
    shim.armed = false;
    undo_forget(NULL, NULL);
    free(shim.undo);
    shim.undo = NULL;
    shim.cap_undo = 0;
    for (int fd = 0; fd < FDS_MAX; fd++) {
        free(shim.fd[fd].path);
        shim.fd[fd] = (watched_fd){0};
    }
    for (int r = 0; r < ROOTS; r++) {
        free(shim.root[r]);
        shim.root[r] = NULL;
    }
}

/* --- libc's calls -------------------------------------------------------------------------------
 */

static int open_any(const char *path, int flags, mode_t mode)
{
    char *whole = watched_path(path);
    struct stat st;
    bool makes = whole != NULL && (flags & O_CREAT) != 0 && lstat(whole, &st) != 0;
    int error = makes ? place(true) : 0;
    if (whole != NULL && shim.dead && (flags & O_TRUNC) != 0) error = EIO;
    if (error != 0) {
        free(whole);
        return failed(error);
    }
    int fd = (int)sys_open(path, flags, mode);
    if (fd >= 0 && makes) (void)undo_add(UNDO_CREATE, whole);
    if (fd >= 0 && fd < FDS_MAX && whole != NULL) {
        free(shim.fd[fd].path);
        shim.fd[fd] = (watched_fd){.on = true, .path = whole};
        whole = NULL;
    }
    free(whole);
    return fd;
}

#define MODE_OF(flags)                                                                             \
    mode_t mode = 0;                                                                               \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                                  \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode = (mode_t)va_arg(args, int);                                                          \
        va_end(args);                                                                              \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_any(path, flags, mode);
}

int close(int fd)
{
    if (fd >= 0 && fd < FDS_MAX && shim.fd[fd].on) {
        free(shim.fd[fd].path);
        shim.fd[fd] = (watched_fd){0};
    }
    return (int)syscall(SYS_close, fd);
}

static ssize_t pwrite_any(int fd, const void *data, size_t len, off_t offset)
{
    const char *path = path_of_fd(fd);
    int error = path == NULL ? 0 : place(true);
    if (error != 0) return failed(error);
    if (path != NULL) remember_bytes(fd, path, offset, len);
    return syscall(SYS_pwrite64, fd, data, len, offset);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return pwrite_any(fd, data, len, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset);
ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    return pwrite_any(fd, data, len, offset);
}

ssize_t write(int fd, const void *data, size_t len)
{
    const char *path = path_of_fd(fd);
    int error = path == NULL ? 0 : place(true);
    if (error != 0) return failed(error);
    if (path != NULL) remember_bytes(fd, path, (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR), len);
    return syscall(SYS_write, fd, data, len);
}

static int truncate_any(int fd, off_t size)
{
    const char *path = path_of_fd(fd);
    struct stat st;
    int error = path == NULL ? 0 : place(false);
    if (error != 0) return failed(error);
    if (path != NULL && fstat(fd, &st) == 0) {
        remember_bytes(fd, path, size, st.st_size > size ? (size_t)(st.st_size - size) : 0);
    }
    return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size)
{
    return truncate_any(fd, size);
}

int ftruncate64(int fd, off64_t size);
int ftruncate64(int fd, off64_t size)
{
    return truncate_any(fd, size);
}

static int sync_any(int fd, long number)
{
    const char *path = path_of_fd(fd);
    struct stat st;
    int error = path == NULL ? 0 : place(false);
    if (error != 0) return failed(error);
    int done = (int)syscall(number, fd);
    if (path != NULL && done == 0 && fstat(fd, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            undo_forget(is_of_folder, path);
        } else {
            undo_forget(is_of_file, &st);
        }
    }
    return done;
}

int fsync(int fd)
{
    return sync_any(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_any(fd, SYS_fdatasync);
}

int rename(const char *from, const char *to)
{
    char *whole_from = watched_path(from);
    char *whole = watched_path(to);
    int error = whole == NULL ? 0 : place(false);
    char *backup = error == 0 && whole != NULL ? keep(whole) : NULL;
    int done = error != 0 ? failed(error) : (int)syscall(SYS_rename, from, to);
    if (done == 0 && whole != NULL && whole_from != NULL) {
        undo *u = undo_add(UNDO_RENAME, whole);
        u->other = whole_from;
        u->backup = backup;
        whole_from = backup = NULL;
    }
    if (backup != NULL) (void)syscall(SYS_unlink, backup);
    free(backup);
    free(whole_from);
    free(whole);
    return done;
}

int link(const char *from, const char *to)
{
    char *whole = watched_path(to);
    int error = whole == NULL ? 0 : place(true);
    int done = error != 0 ? failed(error) : (int)syscall(SYS_link, from, to);
    if (done == 0 && whole != NULL) (void)undo_add(UNDO_CREATE, whole);
    free(whole);
    return done;
}

int unlink(const char *path)
{
    char *whole = watched_path(path);
    int error = whole == NULL ? 0 : place(false);
    char *backup = error == 0 && whole != NULL ? keep(whole) : NULL;
    int done = error != 0 ? failed(error) : (int)syscall(SYS_unlink, path);
    if (done == 0 && whole != NULL) {
        undo_add(UNDO_UNLINK, whole)->backup = backup;
        backup = NULL;
    }
    if (backup != NULL) (void)syscall(SYS_unlink, backup);
    free(backup);
    free(whole);
    return done;
}

/* --- preloaded ----------------------------------------------------------------------------------
 */

__attribute__((constructor)) static void preload(void)
{
    static const char *const names[] = {"kill", "power", "some", "eio", "full"};
    const char *root = getenv("VEILSUM_DISK_ROOT");
    const char *fault = getenv("VEILSUM_DISK_FAULT");
    const char *at = getenv("VEILSUM_DISK_AT");
    if (root == NULL || fault == NULL || at == NULL) return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], fault) != 0) continue;
        disk_shim_arm(root, NULL, (disk_fault)i, strtoull(at, NULL, 10), NULL, NULL);
        shim.preloaded = true;
    }
}

__attribute__((destructor)) static void count(void)
{
    const char *path = getenv("VEILSUM_DISK_COUNT");
    char text[32];
    if (!shim.preloaded || path == NULL) return;
    int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)shim.seen);
    int fd = (int)sys_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) (void)syscall(SYS_write, fd, text, (size_t)n);
    if (fd >= 0) (void)syscall(SYS_close, fd);
}
