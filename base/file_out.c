#include "base/file_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { PATH_BYTES = 4096 };

struct vs_file_out {
    int fd;
    uint64_t len;
    char path[PATH_BYTES];
    char temp[PATH_BYTES]; /* "" once it is in place */
};

static vs_err io_fail(const vs_file_out *f, const char *doing, vs_diag *diag)
{
    return vs_fail(diag, VS_ERR_IO, "%s: cannot %s: %s", f->path, doing, strerror(errno));
}

vs_err vs_file_out_new(vs_file_out **out, const char *path, unsigned mode, vs_diag *diag)
{
    VS_ASSERT(out != NULL && path != NULL);
    *out = NULL;
    vs_file_out *f = calloc(1, sizeof *f);
    if (f == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", path);
    const int n = snprintf(f->path, sizeof f->path, "%s", path);
    const int m = snprintf(f->temp, sizeof f->temp, "%s.tmp-XXXXXX", path);
    if (n < 0 || m < 0 || (size_t)m >= sizeof f->temp) {
        free(f);
        return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", path);
    }
    f->fd = mkstemp(f->temp);
    if (f->fd < 0) {
        vs_err err = io_fail(f, "create temporary file", diag);
        free(f);
        return err;
    }
    if (fchmod(f->fd, (mode_t)mode) != 0) {
        vs_err err = io_fail(f, "set mode", diag);
        vs_file_out_free(f);
        return err;
    }
    *out = f;
    return VS_OK;
}

static vs_err write_at(vs_file_out *f, uint64_t at, const uint8_t *data, size_t len, vs_diag *diag)
{
    while (len > 0) {
        ssize_t done = pwrite(f->fd, data, len, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return io_fail(f, "write", diag);
        data += done;
        at += (uint64_t)done;
        len -= (size_t)done;
    }
    return VS_OK;
}

vs_err vs_file_out_write(vs_file_out *f, const void *data, size_t len, vs_diag *diag)
{
    VS_ASSERT(f != NULL && (data != NULL || len == 0));
    vs_err err = write_at(f, f->len, data, len, diag);
    if (err == VS_OK) f->len += len;
    return err;
}

vs_err vs_file_out_patch(vs_file_out *f, uint64_t at, const void *data, size_t len, vs_diag *diag)
{
    VS_ASSERT(f != NULL && data != NULL && at <= f->len && len <= f->len - at);
    return write_at(f, at, data, len, diag);
}

vs_err vs_file_out_read(vs_file_out *f, uint64_t at, void *out, size_t len, vs_diag *diag)
{
    VS_ASSERT(f != NULL && out != NULL && at <= f->len && len <= f->len - at);
    uint8_t *to = out;
    while (len > 0) {
        ssize_t got = pread(f->fd, to, len, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return io_fail(f, "read back", diag);
        if (got == 0) return vs_fail(diag, VS_ERR_IO, "%s: shorter than was written", f->path);
        to += got;
        at += (uint64_t)got;
        len -= (size_t)got;
    }
    return VS_OK;
}

uint64_t vs_file_out_len(const vs_file_out *f)
{
    return f->len;
}

vs_err vs_file_out_commit(vs_file_out *f, vs_diag *diag)
{
    VS_ASSERT(f != NULL && f->temp[0] != '\0');
    if (fsync(f->fd) != 0) return io_fail(f, "fsync", diag);
    if (rename(f->temp, f->path) != 0) return io_fail(f, "rename into place", diag);
    f->temp[0] = '\0';
    return vs_file_sync_folder_of(f->path, diag);
}

void vs_file_out_free(vs_file_out *f)
{
    if (f == NULL) return;
    (void)close(f->fd);
    if (f->temp[0] != '\0') (void)unlink(f->temp);
    free(f);
}
