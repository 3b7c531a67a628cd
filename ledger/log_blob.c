#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/log.h"
#include "ledger/log_store.h"

/* Is the file there with the bytes its name says? */
static bool is_whole(const char *path, const vs_h32 *name)
{
    vs_map map = {0};
    vs_h32 got;
    if (!vs_file_exists(path) || vs_map_file(&map, path, NULL) != VS_OK) return false;
    vs_sha256(&got, map.p, map.len);
    vs_unmap(&map);
    return vs_h32_equal(&got, name);
}

vs_err vs_log_blob_put(vs_log *log, const void *data, size_t len, vs_h32 *name, vs_diag *diag)
{
    vs_sha256(name, data, len);
    char *path = vs_log_blob_path(log, name);
    if (path == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    /* A crash may have come between rename and fsync of the folder. */
    vs_err err = is_whole(path, name) ? vs_file_sync_folder_of(path, diag)
                                      : vs_file_write_durable(path, data, len, 0600, diag);
    free(path);
    return err;
}
