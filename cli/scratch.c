#define _XOPEN_SOURCE 700 /* nftw */
#include "cli/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

vs_err vs_scratch_make(char *out, size_t cap, const char *what, const char *keep, vs_diag *diag)
{
    const char *base = getenv("TMPDIR");
    int len;
    if (keep != NULL) {
        len = snprintf(out, cap, "%s", keep);
    } else {
        len = snprintf(out, cap, "%s/veilsum-%s-XXXXXX",
                       base != NULL && base[0] == '/' ? base : "/tmp", what);
    }
    if (len <= 0 || (size_t)len >= cap) {
        out[0] = '\0';
        return vs_fail(diag, VS_ERR_LIMIT, "the folder of the %s: its path is empty or too long",
                       what);
    }
    if (keep != NULL) return vs_file_make_folders(out, 0700, diag);
    if (mkdtemp(out) != NULL) return VS_OK;
    const int failure = errno;
    vs_err err =
        vs_fail(diag, VS_ERR_IO, "%.300s: cannot make a folder: %s", out, strerror(failure));
    out[0] = '\0'; /* nothing to remove */
    return err;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

void vs_scratch_remove(const char *folder)
{
    if (folder[0] == '\0') return;
    if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        (void)fprintf(stderr, "veilsum: %s: could not be removed: %s\n", folder, strerror(errno));
    }
}
