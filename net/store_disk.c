#include "net/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/db.h"

enum { PATH_BYTES = 4096, OPEN_FILES = 16 };

/* A blob's descriptor stays open while it is in use: uploads write one blob many times. */
typedef struct open_file {
    char name[VS_STORE_NAME_MAX + 1]; /* "" : free */
    int fd;
    uint64_t used; /* clock of the last use: the oldest is closed for a new one */
} open_file;

typedef struct disk_store {
    char *dir;
    vs_db *db;
    open_file file[OPEN_FILES];
    uint64_t clock;
} disk_store;

/* DIR/<folder>/<name with '%' for '/'>: one flat folder, so one folder to fsync. */
static vs_err path_of(char path[PATH_BYTES], const disk_store *s, const char *folder,
                      const char *name, vs_diag *diag)
{
    vs_err err = vs_store_check_name(name, diag);
    if (err != VS_OK) return err;
    int len = snprintf(path, PATH_BYTES, "%s/%s/%s", s->dir, folder, name);
    if (len < 0 || len >= PATH_BYTES)
        return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", s->dir);
    for (char *c = path + len - strlen(name); *c != '\0'; c++) {
        if (*c == '/') *c = '%';
    }
    return VS_OK;
}

static vs_err io_fail(vs_diag *diag, const char *path, const char *doing)
{
    return vs_fail(diag, VS_ERR_IO, "%s: cannot %s: %s", path, doing, strerror(errno));
}

/* --- values -------------------------------------------------------------------------------------
 */

static vs_err put(void *ctx, const vs_store_item *items, size_t n, vs_diag *diag)
{
    disk_store *s = ctx;
    for (size_t i = 0; i < n; i++) {
        vs_err err = vs_store_check_name(items[i].key, diag);
        if (err != VS_OK) return err;
    }
    vs_err err = vs_db_begin(s->db, diag);
    if (err != VS_OK) return err;
    for (size_t i = 0; err == VS_OK && i < n; i++) {
        err = items[i].value == NULL
                  ? vs_db_delete(s->db, items[i].key, diag)
                  : vs_db_put(s->db, items[i].key, items[i].value, items[i].len, diag);
    }
    if (err == VS_OK) return vs_db_commit(s->db, diag);
    vs_db_rollback(s->db);
    return err;
}

static vs_err get(void *ctx, const char *key, vs_buf *out, bool *found, vs_diag *diag)
{
    disk_store *s = ctx;
    *found = false;
    vs_err err = vs_store_check_name(key, diag);
    return err == VS_OK ? vs_db_get(s->db, key, out, found, diag) : err;
}

static vs_err scan(void *ctx, const char *prefix, vs_store_visit visit, void *visit_ctx,
                   vs_diag *diag)
{
    disk_store *s = ctx;
    return vs_db_scan(s->db, prefix, visit, visit_ctx, diag);
}

/* --- blobs
 * ---------------------------------------------------------------------------------------- */

static void close_file(open_file *f)
{
    if (f->name[0] != '\0') (void)close(f->fd);
    f->name[0] = '\0';
}

/* The open descriptor of a blob; without create a missing one gives *fd = -1 and VS_OK. */
static vs_err open_blob(disk_store *s, const char *name, bool create, int *fd, vs_diag *diag)
{
    char path[PATH_BYTES];
    open_file *oldest = &s->file[0];
    *fd = -1;
    vs_err err = path_of(path, s, "blobs", name, diag);
    if (err != VS_OK) return err;
    for (uint32_t i = 0; i < OPEN_FILES; i++) {
        open_file *f = &s->file[i];
        if (f->name[0] != '\0' && strcmp(f->name, name) == 0) {
            f->used = ++s->clock;
            *fd = f->fd;
            return VS_OK;
        }
        if (f->name[0] == '\0' || (oldest->name[0] != '\0' && f->used < oldest->used)) oldest = f;
    }
    int opened = open(path, (create ? O_CREAT : 0) | O_RDWR | O_CLOEXEC, 0600);
    if (opened < 0) return errno == ENOENT && !create ? VS_OK : io_fail(diag, path, "open");
    close_file(oldest);
    (void)snprintf(oldest->name, sizeof oldest->name, "%s", name);
    oldest->fd = opened;
    oldest->used = ++s->clock;
    *fd = opened;
    return VS_OK;
}

static vs_err blob_write(void *ctx, const char *name, uint64_t offset, const void *data, size_t len,
                         vs_diag *diag)
{
    disk_store *s = ctx;
    const uint8_t *next = data;
    int fd;
    if (offset > VS_STORE_BLOB_MAX || len > VS_STORE_BLOB_MAX - offset) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: blob larger than the limit", name);
    }
    vs_err err = open_blob(s, name, true, &fd, diag);
    while (err == VS_OK && len > 0) {
        ssize_t done = pwrite(fd, next, len, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return io_fail(diag, name, "write");
        next += done;
        offset += (uint64_t)done;
        len -= (size_t)done;
    }
    if (err != VS_OK) return err;
    struct stat st; /* a write of nothing extends as well */
    if (fstat(fd, &st) != 0) return io_fail(diag, name, "stat");
    if ((uint64_t)st.st_size < offset && ftruncate(fd, (off_t)offset) != 0) {
        return io_fail(diag, name, "extend");
    }
    return VS_OK;
}

static vs_err blob_sync(void *ctx, const char *name, vs_diag *diag)
{
    disk_store *s = ctx;
    char path[PATH_BYTES];
    int fd;
    vs_err err = open_blob(s, name, false, &fd, diag);
    if (err != VS_OK) return err;
    if (fd < 0) return vs_fail(diag, VS_ERR_IO, "%s: there is no such blob to sync", name);
    if (fsync(fd) != 0) return io_fail(diag, name, "fsync");
    err = path_of(path, s, "blobs", name, diag);
    return err == VS_OK ? vs_file_sync_folder_of(path, diag) : err;
}

static vs_err blob_read(void *ctx, const char *name, uint64_t offset, size_t len, vs_buf *out,
                        bool *found, vs_diag *diag)
{
    disk_store *s = ctx;
    struct stat st;
    int fd;
    *found = false;
    vs_err err = open_blob(s, name, false, &fd, diag);
    if (err != VS_OK || fd < 0) return err;
    if (fstat(fd, &st) != 0) return io_fail(diag, name, "stat");
    *found = true;
    uint64_t left = offset < (uint64_t)st.st_size ? (uint64_t)st.st_size - offset : 0;
    if (len > left) len = (size_t)left;
    size_t before = out->len;
    uint8_t *at = vs_buf_extend(out, len);
    if (at == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", name);
    while (len > 0) {
        ssize_t got = pread(fd, at, len, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            out->len = before;
            return got < 0 ? io_fail(diag, name, "read")
                           : vs_fail(diag, VS_ERR_IO, "%s: it became shorter while read", name);
        }
        at += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return VS_OK;
}

static vs_err blob_size(void *ctx, const char *name, uint64_t *size, bool *found, vs_diag *diag)
{
    disk_store *s = ctx;
    struct stat st;
    int fd;
    *size = 0;
    *found = false;
    vs_err err = open_blob(s, name, false, &fd, diag);
    if (err != VS_OK || fd < 0) return err;
    if (fstat(fd, &st) != 0) return io_fail(diag, name, "stat");
    *size = (uint64_t)st.st_size;
    *found = true;
    return VS_OK;
}

static vs_err blob_remove(void *ctx, const char *name, vs_diag *diag)
{
    disk_store *s = ctx;
    char path[PATH_BYTES];
    vs_err err = path_of(path, s, "blobs", name, diag);
    if (err != VS_OK) return err;
    for (uint32_t i = 0; i < OPEN_FILES; i++) {
        if (strcmp(s->file[i].name, name) == 0) close_file(&s->file[i]);
    }
    return vs_file_remove(path, diag);
}

/* --- secrets
 * --------------------------------------------------------------------------------------- */

static vs_err secret_put(void *ctx, const char *name, const uint8_t *data, size_t len,
                         vs_diag *diag)
{
    char path[PATH_BYTES];
    if (len > VS_STORE_SECRET_MAX) return vs_fail(diag, VS_ERR_LIMIT, "%s: secret too long", name);
    vs_err err = path_of(path, ctx, "secrets", name, diag);
    return err == VS_OK ? vs_file_write_durable(path, data, len, 0600, diag) : err;
}

static vs_err secret_get(void *ctx, const char *name, vs_buf *out, bool *found, vs_diag *diag)
{
    char path[PATH_BYTES];
    *found = false;
    vs_err err = path_of(path, ctx, "secrets", name, diag);
    if (err != VS_OK || !vs_file_exists(path)) return err;
    *found = true;
    return vs_file_read(out, path, VS_STORE_SECRET_MAX, diag);
}

static vs_err secret_erase(void *ctx, const char *name, vs_diag *diag)
{
    char path[PATH_BYTES];
    vs_err err = path_of(path, ctx, "secrets", name, diag);
    return err == VS_OK ? vs_file_erase(path, diag) : err;
}

static const vs_store_ops disk_ops = {
    .put = put,
    .get = get,
    .scan = scan,
    .blob_write = blob_write,
    .blob_sync = blob_sync,
    .blob_read = blob_read,
    .blob_size = blob_size,
    .blob_remove = blob_remove,
    .secret_put = secret_put,
    .secret_get = secret_get,
    .secret_erase = secret_erase,
};

vs_err vs_store_disk_open(vs_store *out, const char *dir, vs_diag *diag)
{
    char path[PATH_BYTES];
    *out = (vs_store){0};
    disk_store *s = calloc(1, sizeof *s);
    if (s == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", dir);
    vs_store opened = {.ops = &disk_ops, .ctx = s};
    s->dir = strdup(dir);
    vs_err err = s->dir == NULL ? vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", dir) : VS_OK;
    static const char *const folder[] = {"", "/blobs", "/secrets"};
    for (size_t i = 0; err == VS_OK && i < sizeof folder / sizeof folder[0]; i++) {
        int len = snprintf(path, sizeof path, "%s%s", dir, folder[i]);
        err = len < 0 || len >= PATH_BYTES ? vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", dir)
                                           : vs_file_make_folders(path, 0700, diag);
        if (err == VS_OK) err = vs_file_sync_folder_of(path, diag);
    }
    if (err == VS_OK) {
        (void)snprintf(path, sizeof path, "%s/state.db", dir);
        err = vs_db_open(&s->db, path, true, false, diag);
    }
    if (err == VS_OK) {
        *out = opened;
    } else {
        vs_store_disk_close(&opened);
    }
    return err;
}

void vs_store_disk_close(vs_store *store)
{
    disk_store *s = store->ctx;
    *store = (vs_store){0};
    if (s == NULL) return;
    for (uint32_t i = 0; i < OPEN_FILES; i++) close_file(&s->file[i]);
    if (s->db != NULL) vs_db_close(s->db);
    free(s->dir);
    free(s);
}
