#include "ledger/export_files.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/log_store.h"

enum { FILE_MODE = 0644, FOLDER_MODE = 0755 };

vs_err vs_export_files_init(vs_export_files *f, const char *folder, vs_diag *diag)
{
    *f = (vs_export_files){.folder = strdup(folder)};
    if (f->folder == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = vs_file_make_folders(folder, FOLDER_MODE, diag);
    return err == VS_OK ? vs_file_sync_folder_of(folder, diag) : err;
}

void vs_export_files_clear(vs_export_files *f)
{
    free(f->folder);
    *f = (vs_export_files){0};
}

bool vs_export_files_have(const vs_export_files *f, const char *name)
{
    char *path = vs_log_path(f->folder, name);
    bool have = path != NULL && vs_file_exists(path);
    free(path);
    return have;
}

static bool same_bytes(const char *path, const void *data, size_t len)
{
    vs_map map = {0};
    if (!vs_file_exists(path) || vs_map_file(&map, path, NULL) != VS_OK) return false;
    bool same = map.len == len && (len == 0 || memcmp(map.p, data, len) == 0);
    vs_unmap(&map);
    return same;
}

/* Folders of path below the export folder, each durable in the one above it: also when it is there
 * already, since a crash may have come before that (fsync of an unchanged folder costs nothing). */
static vs_err make_way(const vs_export_files *f, char *path, vs_diag *diag)
{
    vs_err err = VS_OK;
    for (char *at = path + strlen(f->folder) + 1; err == VS_OK; at++) {
        at = strchr(at, '/');
        if (at == NULL) break;
        *at = '\0';
        if (!vs_file_exists(path)) err = vs_file_make_folders(path, FOLDER_MODE, diag);
        if (err == VS_OK) err = vs_file_sync_folder_of(path, diag);
        *at = '/';
    }
    return err;
}

vs_err vs_export_files_put(vs_export_files *f, const char *name, const void *data, size_t len,
                           vs_diag *diag)
{
    VS_ASSERT(name[0] != '/' && strstr(name, "..") == NULL);
    char *path = vs_log_path(f->folder, name);
    if (path == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = VS_OK;
    if (same_bytes(path, data, len)) {
        err = vs_file_sync_folder_of(path, diag); /* a crash may have come before the last one */
    } else {
        err = make_way(f, path, diag);
        if (err == VS_OK) err = vs_file_write_durable(path, data, len, FILE_MODE, diag);
        if (err == VS_OK) f->n_written++;
    }
    free(path);
    return err;
}

void vs_export_files_drop_partials(vs_export_files *f, const char *tile)
{
    vs_buf folder = {0};
    vs_buf file = {0};
    const struct dirent *entry;
    vs_buf_printf(&folder, "%s/%s.p", f->folder, tile);
    vs_buf_u8(&folder, 0);
    DIR *d = folder.failed ? NULL : opendir((const char *)folder.p);
    while (d != NULL && (entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        vs_buf_reset(&file);
        vs_buf_printf(&file, "%s/%s", (const char *)folder.p, entry->d_name);
        vs_buf_u8(&file, 0);
        if (!file.failed) (void)unlink((const char *)file.p);
    }
    if (d != NULL) {
        (void)closedir(d);
        (void)rmdir((const char *)folder.p);
    }
    vs_buf_free(&folder);
    vs_buf_free(&file);
}
