#include "ledger/fetch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "ledger/log_store.h"

static vs_err get_file(void *ctx, const char *name, size_t max, vs_buf *out, vs_diag *diag)
{
    VS_ASSERT(name[0] != '/' && strstr(name, "..") == NULL);
    char *path = vs_log_path(ctx, name);
    if (path == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = vs_file_exists(path) ? vs_file_read(out, path, max, diag)
                                      : vs_fail(diag, VS_ERR_STATE, "%s: is not there", path);
    free(path);
    return err;
}

vs_fetch vs_fetch_folder(const char *folder)
{
    return (vs_fetch){.get = get_file, .ctx = (void *)(uintptr_t)folder};
}
