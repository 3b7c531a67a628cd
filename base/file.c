#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

enum { PATH_BYTES = 4096 };

static vs_err io_fail(vs_diag *diag, const char *path, const char *doing)
{
    return vs_fail(diag, VS_ERR_IO, "%s: cannot %s: %s", path, doing, strerror(errno));
}

bool vs_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

vs_err vs_file_read(vs_buf *out, const char *path, size_t max_len, vs_diag *diag)
{
    size_t before = out->len;
    vs_err err = VS_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return io_fail(diag, path, "open");
    uint8_t block[16384];
    for (;;) {
        ssize_t got = read(fd, block, sizeof block);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) err = io_fail(diag, path, "read");
        if (got <= 0) break;
        if ((size_t)got > max_len - (out->len - before)) {
            err = vs_fail(diag, VS_ERR_LIMIT, "%s: larger than the limit of %zu bytes", path,
                          max_len);
            break;
        }
        vs_buf_bytes(out, block, (size_t)got);
        if (out->failed) {
            err = vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", path);
            break;
        }
    }
    (void)close(fd);
    sodium_memzero(block, sizeof block); /* key files come through here */
    if (err != VS_OK) out->len = before;
    return err;
}

static vs_err write_all(int fd, const char *path, const uint8_t *data, size_t len, vs_diag *diag)
{
    while (len > 0) {
        ssize_t done = write(fd, data, len);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return io_fail(diag, path, "write");
        data += done;
        len -= (size_t)done;
    }
    return VS_OK;
}

vs_err vs_file_sync_folder_of(const char *path, vs_diag *diag)
{
    char folder[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 1 : (slash == path ? 1 : (size_t)(slash - path));
    if (len >= sizeof folder) return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", path);
    memcpy(folder, slash == NULL ? "." : path, len);
    folder[len] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return io_fail(diag, folder, "open folder");
    vs_err err = fsync(fd) == 0 ? VS_OK : io_fail(diag, folder, "fsync folder");
    (void)close(fd);
    return err;
}

/* Write and fsync a new temporary file beside path; its name goes to temp. */
static vs_err write_temp(char temp[PATH_BYTES], const char *path, const void *data, size_t len,
                         unsigned mode, vs_diag *diag)
{
    int n = snprintf(temp, PATH_BYTES, "%s.tmp-XXXXXX", path);
    if (n < 0 || n >= PATH_BYTES) return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", path);
    int fd = mkstemp(temp);
    if (fd < 0) return io_fail(diag, path, "create temporary file");
    vs_err err = write_all(fd, path, data, len, diag);
    if (err == VS_OK && fchmod(fd, (mode_t)mode) != 0) err = io_fail(diag, path, "set mode");
    if (err == VS_OK && fsync(fd) != 0) err = io_fail(diag, path, "fsync");
    if (close(fd) != 0 && err == VS_OK) err = io_fail(diag, path, "close");
    if (err != VS_OK) (void)unlink(temp);
    return err;
}

vs_err vs_file_write_durable(const char *path, const void *data, size_t len, unsigned mode,
                             vs_diag *diag)
{
    char temp[PATH_BYTES];
    vs_err err = write_temp(temp, path, data, len, mode, diag);
    if (err != VS_OK) return err;
    if (rename(temp, path) != 0) {
        err = io_fail(diag, path, "rename into place");
        (void)unlink(temp);
        return err;
    }
    return vs_file_sync_folder_of(path, diag);
}

vs_err vs_file_create_durable(const char *path, const void *data, size_t len, unsigned mode,
                              vs_diag *diag)
{
    char temp[PATH_BYTES];
    vs_err err = write_temp(temp, path, data, len, mode, diag);
    if (err != VS_OK) return err;
    if (link(temp, path) != 0) { /* unlike rename, link never replaces */
        err = errno == EEXIST
                  ? vs_fail(diag, VS_ERR_STATE, "%s: exists already, not overwritten", path)
                  : io_fail(diag, path, "link into place");
    }
    (void)unlink(temp);
    return err == VS_OK ? vs_file_sync_folder_of(path, diag) : err;
}

vs_err vs_file_remove(const char *path, vs_diag *diag)
{
    if (unlink(path) != 0) return errno == ENOENT ? VS_OK : io_fail(diag, path, "remove");
    return vs_file_sync_folder_of(path, diag);
}

vs_err vs_file_erase(const char *path, vs_diag *diag)
{
    static const uint8_t zeros[4096] = {0};
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? VS_OK : io_fail(diag, path, "open to erase");
    struct stat st;
    vs_err err = fstat(fd, &st) == 0 ? VS_OK : io_fail(diag, path, "stat");
    for (off_t done = 0; err == VS_OK && done < st.st_size; done += (off_t)sizeof zeros) {
        off_t left = st.st_size - done;
        size_t len = left < (off_t)sizeof zeros ? (size_t)left : sizeof zeros;
        err = write_all(fd, path, zeros, len, diag);
    }
    if (err == VS_OK && fsync(fd) != 0) err = io_fail(diag, path, "fsync");
    (void)close(fd);
    return err == VS_OK ? vs_file_remove(path, diag) : err;
}

vs_err vs_file_make_folders(const char *path, unsigned mode, vs_diag *diag)
{
    char part[PATH_BYTES];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) {
        return vs_fail(diag, VS_ERR_LIMIT, "folder name is empty or too long");
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        mode_t m = i == len ? (mode_t)mode : (mode_t)0755;
        if (mkdir(part, m) != 0 && errno != EEXIST) return io_fail(diag, part, "make folder");
    }
    struct stat st;
    if (stat(path, &st) != 0) return io_fail(diag, path, "stat");
    if (!S_ISDIR(st.st_mode)) return vs_fail(diag, VS_ERR_IO, "%s: is not a folder", path);
    return VS_OK;
}

vs_err vs_map_file(vs_map *out, const char *path, vs_diag *diag)
{
    *out = (vs_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return io_fail(diag, path, "open");
    struct stat st;
    vs_err err = VS_OK;
    if (fstat(fd, &st) != 0) err = io_fail(diag, path, "stat");
    if (err == VS_OK && !S_ISREG(st.st_mode)) {
        err = vs_fail(diag, VS_ERR_IO, "%s: is not a regular file", path);
    }
    if (err == VS_OK && st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            err = io_fail(diag, path, "map");
        } else {
            *out = (vs_map){.p = p, .len = (size_t)st.st_size};
        }
    }
    (void)close(fd);
    return err;
}

void vs_unmap(vs_map *map)
{
    if (map->p != NULL) (void)munmap((void *)(uintptr_t)map->p, map->len);
    *map = (vs_map){0};
}
