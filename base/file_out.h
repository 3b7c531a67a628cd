/* base/file_out.h - a file written piece by piece that appears whole or not at all.
 *
 * A temporary file in the same folder; commit makes it durable and renames it into place (see
 * vs_file_write_durable). Whatever is not committed is removed. Messages name the path. */
#ifndef VS_BASE_FILE_OUT_H
#define VS_BASE_FILE_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct vs_file_out vs_file_out;

/* mode e.g. 0600. On VS_OK the caller owns *out (vs_file_out_free), else it is NULL. VS_ERR_IO,
 * VS_ERR_NOMEM, VS_ERR_LIMIT (path too long). */
VS_MUST_CHECK vs_err vs_file_out_new(vs_file_out **out, const char *path, unsigned mode,
                                     vs_diag *diag);
/* Append. After an error the file can only be given up. */
VS_MUST_CHECK vs_err vs_file_out_write(vs_file_out *f, const void *data, size_t len, vs_diag *diag);
/* Replace bytes that were written. */
VS_MUST_CHECK vs_err vs_file_out_patch(vs_file_out *f, uint64_t at, const void *data, size_t len,
                                       vs_diag *diag);
/* Read back bytes that were written: exactly len of them. */
VS_MUST_CHECK vs_err vs_file_out_read(vs_file_out *f, uint64_t at, void *out, size_t len,
                                      vs_diag *diag);
uint64_t vs_file_out_len(const vs_file_out *f); /* bytes appended */
/* In place and durable. */
VS_MUST_CHECK vs_err vs_file_out_commit(vs_file_out *f, vs_diag *diag);
/* Removes what was not committed. NULL is a no-op. */
void vs_file_out_free(vs_file_out *f);

#endif /* VS_BASE_FILE_OUT_H */
