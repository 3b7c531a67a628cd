/* base/file.h - whole files: bounded reads, durable atomic writes, read-only maps.
 *
 * Every error message names the path and says what the system said. */
#ifndef VS_BASE_FILE_H
#define VS_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* Append the whole file to *out; more than max_len bytes is VS_ERR_LIMIT, anything else that
 * fails VS_ERR_IO. On error *out keeps its old length. */
VS_MUST_CHECK vs_err vs_file_read(vs_buf *out, const char *path, size_t max_len, vs_diag *diag);

/* Replace path by data so that after a crash it holds the old or the new bytes, never a mix:
 * temporary file in the same folder, fsync, rename, fsync of the folder. mode e.g. 0600. */
VS_MUST_CHECK vs_err vs_file_write_durable(const char *path, const void *data, size_t len,
                                           unsigned mode, vs_diag *diag);
/* The same, but refuses (VS_ERR_STATE) to replace a file that is there. */
VS_MUST_CHECK vs_err vs_file_create_durable(const char *path, const void *data, size_t len,
                                            unsigned mode, vs_diag *diag);
/* Overwrite with zeros, fsync, unlink, fsync of the folder. A missing file is VS_OK. */
VS_MUST_CHECK vs_err vs_file_erase(const char *path, vs_diag *diag);
VS_MUST_CHECK vs_err vs_file_remove(const char *path, vs_diag *diag); /* missing is VS_OK */
/* fsync the folder that holds path. */
VS_MUST_CHECK vs_err vs_file_sync_folder_of(const char *path, vs_diag *diag);
/* mkdir -p with the given mode for the last part. Existing is VS_OK. */
VS_MUST_CHECK vs_err vs_file_make_folders(const char *path, unsigned mode, vs_diag *diag);
bool vs_file_exists(const char *path);

/* A read-only memory map. Zero-initialise; unmap releases. Empty files map to len 0. */
typedef struct vs_map {
    const uint8_t *p;
    size_t len;
} vs_map;
VS_MUST_CHECK vs_err vs_map_file(vs_map *out, const char *path, vs_diag *diag);
void vs_unmap(vs_map *map);

#endif /* VS_BASE_FILE_H */
