#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/db.h"
#include "net/store.h"

enum {
    OPEN_MAX_BLOBS = 16,
    PROMISED_MAX_BLOBS = 256, /* synced together at the latest */
    PATH_BYTES = 4096,
};

/* A blob's open file, closed when its place is needed. Closing loses nothing: a later fsync through
 * another descriptor covers the same file. */
typedef struct open_blob {
    char name[VS_STORE_NAME_MAX + 1];
    int fd;
    uint64_t used; /* when, by disk_store.uses; 0 = free place */
} open_blob;

typedef struct disk_store {
    vs_db *db;
    char *dir;
    open_blob open[OPEN_MAX_BLOBS];
    uint64_t uses;
    bool folder_changed; /* a blob was made since the folder was synced */
    bool values_promised;
    bool held; /* put and blob_sync promise only; the promised values are an open transaction */
    char (*promised)[VS_STORE_NAME_MAX + 1]; /* blobs, PROMISED_MAX_BLOBS places */
    uint32_t n_promised;
} disk_store;

static vs_err flush(void *ctx, vs_diag *diag);

static vs_err io_fail(vs_diag *diag, const char *path, const char *doing)
{
    return vs_fail(diag, VS_ERR_IO, "%s: cannot %s: %s", path, doing, strerror(errno));
}

/* Of an open blob: the message names the folder, so that a full or broken disk can be found. */
static vs_err blob_fail(vs_diag *diag, const disk_store *s, const char *name, const char *doing)
{
    return vs_fail(diag, VS_ERR_IO, "%s/blobs: blob %s: cannot %s: %s", s->dir, name, doing,
                   strerror(errno));
}

/* DIR/<folder>/<name with '%' for '/'>: one flat folder, so that one fsync covers every name. */
static vs_err path_of(char path[PATH_BYTES], const disk_store *s, const char *folder,
                      const char *name, vs_diag *diag)
{
    vs_err err = vs_store_check_name(name, diag);
    if (err != VS_OK) return err;
    int n = snprintf(path, PATH_BYTES, "%s/%s/%s", s->dir, folder, name);
    if (n < 0 || n >= PATH_BYTES) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", s->dir);
    }
    for (char *c = path + (size_t)n - strlen(name); *c != '\0'; c++) {
        if (*c == '/') *c = '%';
    }
    return VS_OK;
}

/* --- keyed values -------------------------------------------------------------------------------
 */

static vs_err put_later(void *ctx, const vs_store_item *items, size_t n, vs_diag *diag)
{
    disk_store *s = ctx;
    vs_err err = VS_OK;
    for (size_t i = 0; err == VS_OK && i < n; i++) err = vs_store_check_name(items[i].key, diag);
    if (err != VS_OK || n == 0) return err;
    if (!vs_db_in_transaction(s->db)) err = vs_db_begin(s->db, diag);
    if (err != VS_OK) return err;
    for (size_t i = 0; err == VS_OK && i < n; i++) {
        err = items[i].value == NULL
                  ? vs_db_delete(s->db, items[i].key, diag)
                  : vs_db_put(s->db, items[i].key, items[i].value, items[i].len, diag);
    }
    if (err == VS_OK && s->held) return VS_OK;
    if (err == VS_OK) return vs_db_commit(s->db, diag);
    vs_db_rollback(s->db); /* with all that was promised: the process stops */
    return err;
}

static vs_err put(void *ctx, const vs_store_item *items, size_t n, vs_diag *diag)
{
    disk_store *s = ctx;
    vs_err err = put_later(s, items, n, diag);
    if (err == VS_OK && n > 0) s->values_promised = s->held;
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

/* --- blobs --------------------------------------------------------------------------------------
 */

static void close_blob(open_blob *o)
{
    if (o->used != 0) (void)close(o->fd);
    *o = (open_blob){0};
}

/* The open place of this blob, or NULL; *victim is where it should be opened: a free place, else
 * the one used least recently. */
static open_blob *find_open(disk_store *s, const char *name, open_blob **victim)
{
    *victim = &s->open[0];
    for (size_t i = 0; i < OPEN_MAX_BLOBS; i++) {
        open_blob *o = &s->open[i];
        if (o->used != 0 && strcmp(o->name, name) == 0) return o;
        if (o->used < (*victim)->used) *victim = o;
    }
    return NULL;
}

/* *fd = -1 with VS_OK: it is not there and make is false. */
static vs_err open_fd(int *fd, disk_store *s, const char *name, bool make, vs_diag *diag)
{
    char path[PATH_BYTES];
    open_blob *victim;
    *fd = -1;
    vs_err err = path_of(path, s, "blobs", name, diag);
    if (err != VS_OK) return err;
    open_blob *o = find_open(s, name, &victim);
    if (o == NULL) {
        int got = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (got < 0 && errno == ENOENT && !make) return VS_OK;
        if (got < 0 && errno == ENOENT) {
            got = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_CREAT, 0600);
            s->folder_changed = true;
        }
        if (got < 0) return io_fail(diag, path, "open");
        close_blob(victim);
        o = victim;
        o->fd = got;
        memcpy(o->name, name, strlen(name) + 1);
    }
    o->used = ++s->uses;
    *fd = o->fd;
    return VS_OK;
}

static vs_err write_at(const disk_store *s, int fd, const char *name, uint64_t offset,
                       const uint8_t *data, size_t len, vs_diag *diag)
{
    while (len > 0) {
        ssize_t done = pwrite(fd, data, len, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return blob_fail(diag, s, name, "write");
        data += done;
        offset += (uint64_t)done;
        len -= (size_t)done;
    }
    return VS_OK;
}

static vs_err size_of(const disk_store *s, int fd, const char *name, uint64_t *size, vs_diag *diag)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return blob_fail(diag, s, name, "stat");
    *size = (uint64_t)st.st_size;
    return VS_OK;
}

/* A write of nothing at an offset extends as well. */
static vs_err extend_to(const disk_store *s, int fd, const char *name, uint64_t offset,
                        vs_diag *diag)
{
    uint64_t size = 0;
    vs_err err = size_of(s, fd, name, &size, diag);
    if (err != VS_OK || size >= offset) return err;
    return ftruncate(fd, (off_t)offset) == 0 ? VS_OK : blob_fail(diag, s, name, "extend");
}

static vs_err blob_write(void *ctx, const char *name, uint64_t offset, const void *data, size_t len,
                         vs_diag *diag)
{
    int fd;
    vs_err err = vs_store_check_name(name, diag);
    if (err != VS_OK) return err;
    if (offset > VS_STORE_BLOB_MAX || len > VS_STORE_BLOB_MAX - offset) {
        return vs_fail(diag, VS_ERR_LIMIT, "blob %s: over the largest size", name);
    }
    err = open_fd(&fd, ctx, name, true, diag);
    if (err == VS_OK && len == 0) err = extend_to(ctx, fd, name, offset, diag);
    return err == VS_OK ? write_at(ctx, fd, name, offset, data, len, diag) : err;
}

static vs_err blob_size(void *ctx, const char *name, uint64_t *size, bool *found, vs_diag *diag);

/* The folder's entry of the blob is durable with the folder. */
static vs_err sync_blobs_folder(disk_store *s, vs_diag *diag)
{
    char path[PATH_BYTES];
    if (!s->folder_changed) return VS_OK;
    vs_err err = path_of(path, s, "blobs", "any", diag);
    if (err == VS_OK) err = vs_file_sync_folder_of(path, diag);
    if (err == VS_OK) s->folder_changed = false;
    return err;
}

static vs_err sync_one(disk_store *s, const char *name, vs_diag *diag)
{
    int fd;
    vs_err err = open_fd(&fd, s, name, false, diag);
    if (err != VS_OK) return err;
    if (fd < 0) return vs_fail(diag, VS_ERR_IO, "blob %s: is not there", name);
    return fsync(fd) == 0 ? VS_OK : blob_fail(diag, s, name, "fsync");
}

static vs_err blob_sync(void *ctx, const char *name, vs_diag *diag)
{
    disk_store *s = ctx;
    uint64_t size;
    bool found;
    if (!s->held) {
        vs_err err = sync_one(s, name, diag);
        return err == VS_OK ? sync_blobs_folder(s, diag) : err;
    }
    vs_err err = blob_size(s, name, &size, &found, diag);
    if (err == VS_OK && !found) err = vs_fail(diag, VS_ERR_IO, "blob %s: is not there", name);
    if (err == VS_OK && s->n_promised == PROMISED_MAX_BLOBS) err = flush(s, diag);
    if (err != VS_OK) return err;
    for (uint32_t i = 0; i < s->n_promised; i++) {
        if (strcmp(s->promised[i], name) == 0) return VS_OK;
    }
    memcpy(s->promised[s->n_promised++], name, strlen(name) + 1);
    return VS_OK;
}

static vs_err read_at(const disk_store *s, int fd, const char *name, uint64_t offset, size_t len,
                      vs_buf *out, vs_diag *diag)
{
    size_t before = out->len;
    uint8_t *at = vs_buf_extend(out, len);
    if (at == NULL) return vs_fail(diag, VS_ERR_NOMEM, "blob %s: out of memory", name);
    while (len > 0) {
        ssize_t done = pread(fd, at, len, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            out->len = before;
            if (done == 0) return vs_fail(diag, VS_ERR_IO, "blob %s: shrank while read", name);
            return blob_fail(diag, s, name, "read");
        }
        at += done;
        offset += (uint64_t)done;
        len -= (size_t)done;
    }
    return VS_OK;
}

/* The length asked for is cut to what is there before any memory is taken. */
static vs_err blob_read(void *ctx, const char *name, uint64_t offset, size_t len, vs_buf *out,
                        bool *found, vs_diag *diag)
{
    int fd;
    uint64_t size = 0;
    *found = false;
    vs_err err = open_fd(&fd, ctx, name, false, diag);
    if (err != VS_OK || fd < 0) return err;
    err = size_of(ctx, fd, name, &size, diag);
    if (err != VS_OK) return err;
    uint64_t left = offset < size ? size - offset : 0;
    err = read_at(ctx, fd, name, offset, len < left ? len : (size_t)left, out, diag);
    *found = err == VS_OK;
    return err;
}

static vs_err blob_size(void *ctx, const char *name, uint64_t *size, bool *found, vs_diag *diag)
{
    int fd;
    *found = false;
    *size = 0;
    vs_err err = open_fd(&fd, ctx, name, false, diag);
    if (err != VS_OK || fd < 0) return err;
    err = size_of(ctx, fd, name, size, diag);
    *found = err == VS_OK;
    return err;
}

static vs_err blob_remove(void *ctx, const char *name, vs_diag *diag)
{
    char path[PATH_BYTES];
    open_blob *victim;
    vs_err err = path_of(path, ctx, "blobs", name, diag);
    if (err == VS_OK) err = flush(ctx, diag);
    if (err != VS_OK) return err;
    open_blob *o = find_open(ctx, name, &victim);
    if (o != NULL) close_blob(o);
    return vs_file_remove(path, diag);
}

/* --- secrets ------------------------------------------------------------------------------------
 */

/* Out of sight first, so that no crash leaves half-erased bytes under the name; what a crash
 * leaves under the other name is swept by the next open. */
static vs_err erase(const char *path, vs_diag *diag)
{
    char gone[PATH_BYTES];
    int n = snprintf(gone, sizeof gone, "%s.tmp-erase", path);
    if (n < 0 || n >= PATH_BYTES) return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", path);
    if (rename(path, gone) != 0) {
        return errno == ENOENT ? VS_OK : io_fail(diag, path, "rename to erase");
    }
    vs_err err = vs_file_sync_folder_of(path, diag);
    return err == VS_OK ? vs_file_erase(gone, diag) : err;
}

/* The old bytes, if any, are kept by a second name while the new ones take their place. */
static vs_err secret_put(void *ctx, const char *name, const uint8_t *data, size_t len,
                         vs_diag *diag)
{
    char path[PATH_BYTES];
    char old[PATH_BYTES];
    vs_err err = path_of(path, ctx, "secrets", name, diag);
    if (err != VS_OK) return err;
    if (len > VS_STORE_SECRET_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "secret %s: over the largest size", name);
    }
    int n = snprintf(old, sizeof old, "%s.tmp-old", path);
    if (n < 0 || n >= PATH_BYTES) return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", path);
    err = flush(ctx, diag);
    if (err != VS_OK) return err;
    if (link(path, old) != 0 && errno != ENOENT) return io_fail(diag, old, "link");
    err = vs_file_write_durable(path, data, len, 0600, diag);
    return err == VS_OK ? vs_file_erase(old, diag) : err;
}

static vs_err secret_get(void *ctx, const char *name, vs_buf *out, bool *found, vs_diag *diag)
{
    char path[PATH_BYTES];
    *found = false;
    vs_err err = path_of(path, ctx, "secrets", name, diag);
    if (err != VS_OK || !vs_file_exists(path)) return err;
    err = vs_file_read(out, path, VS_STORE_SECRET_MAX, diag);
    *found = err == VS_OK;
    return err;
}

static vs_err secret_erase(void *ctx, const char *name, vs_diag *diag)
{
    char path[PATH_BYTES];
    vs_err err = path_of(path, ctx, "secrets", name, diag);
    if (err == VS_OK) err = flush(ctx, diag);
    return err == VS_OK ? erase(path, diag) : err;
}

/* Erase what a crash left behind: no name of ours contains ".tmp-". A failed secret_put may leave
 * its old bytes under two names; then only the second name goes. */
static vs_err sweep(const disk_store *s, vs_diag *diag)
{
    char path[PATH_BYTES];
    vs_err err = VS_OK;
    (void)snprintf(path, sizeof path, "%s/secrets", s->dir);
    DIR *folder = opendir(path);
    if (folder == NULL) return io_fail(diag, path, "open folder");
    for (struct dirent *e; err == VS_OK && (errno = 0, e = readdir(folder)) != NULL;) {
        struct stat st;
        if (strstr(e->d_name, ".tmp-") == NULL) continue;
        int n = snprintf(path, sizeof path, "%s/secrets/%s", s->dir, e->d_name);
        if (n < 0 || n >= PATH_BYTES || lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) continue;
        err = st.st_nlink > 1 ? vs_file_remove(path, diag) : vs_file_erase(path, diag);
    }
    (void)closedir(folder);
    return err;
}

/* --- group commit -------------------------------------------------------------------------------
 */

static void hold(void *ctx)
{
    disk_store *s = ctx;
    s->held = true;
}

static bool promised(const void *ctx)
{
    const disk_store *s = ctx;
    return s->n_promised > 0 || s->values_promised;
}

/* Files before the values that speak of them. */
static vs_err flush(void *ctx, vs_diag *diag)
{
    disk_store *s = ctx;
    vs_err err = VS_OK;
    for (uint32_t i = 0; err == VS_OK && i < s->n_promised; i++) {
        err = sync_one(s, s->promised[i], diag);
    }
    if (err == VS_OK && s->n_promised > 0) err = sync_blobs_folder(s, diag);
    if (err == VS_OK && vs_db_in_transaction(s->db)) err = vs_db_commit(s->db, diag);
    if (err == VS_OK) s->n_promised = 0;
    if (err == VS_OK) s->values_promised = false;
    return err;
}

/* ------------------------------------------------------------------------------------------------
 */

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
    .hold = hold,
    .promised = promised,
    .flush = flush,
    .put_later = put_later,
};

static vs_err make_folder(const char *dir, const char *name, vs_diag *diag)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s%s%s", dir, name[0] == '\0' ? "" : "/", name);
    if (n < 0 || n >= PATH_BYTES) return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", dir);
    vs_err err = vs_file_make_folders(path, 0700, diag);
    return err == VS_OK ? vs_file_sync_folder_of(path, diag) : err;
}

static void free_store(disk_store *s)
{
    for (size_t i = 0; i < OPEN_MAX_BLOBS; i++) close_blob(&s->open[i]);
    if (s->db != NULL) vs_db_close(s->db); /* what is promised is not kept */
    free(s->promised);
    free(s->dir);
    free(s);
}

vs_err vs_store_disk_open(vs_store *out, const char *dir, vs_diag *diag)
{
    char path[PATH_BYTES];
    *out = (vs_store){0};
    disk_store *s = calloc(1, sizeof *s);
    if (s != NULL) s->dir = strdup(dir);
    if (s != NULL) s->promised = calloc(PROMISED_MAX_BLOBS, sizeof *s->promised);
    if (s == NULL || s->dir == NULL || s->promised == NULL) {
        if (s != NULL) free(s->promised);
        if (s != NULL) free(s->dir);
        free(s);
        return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", dir);
    }
    vs_err err = make_folder(dir, "", diag);
    if (err == VS_OK) err = make_folder(dir, "blobs", diag);
    if (err == VS_OK) err = make_folder(dir, "secrets", diag);
    if (err == VS_OK) {
        int n = snprintf(path, sizeof path, "%s/state.db", dir);
        VS_ASSERT(n > 0 && n < PATH_BYTES); /* shorter than DIR/secrets, which could be made */
        err = vs_db_open(&s->db, path, true, false, diag);
    }
    /* Only the owner of the database may sweep. */
    if (err == VS_OK) err = sweep(s, diag);
    if (err != VS_OK) {
        free_store(s);
        return err;
    }
    s->folder_changed = true; /* by an earlier run, perhaps */
    *out = (vs_store){.ops = &disk_ops, .ctx = s};
    return VS_OK;
}

void vs_store_disk_close(vs_store *store)
{
    if (store->ctx == NULL) return;
    VS_ASSERT(store->ops == &disk_ops);
    free_store(store->ctx);
    *store = (vs_store){0};
}
