/* fl/idx.h - IDX files of unsigned bytes (the MNIST format), plain or gzip'd.
 *
 * Layout: 0, 0, 8 (unsigned byte), number of dimensions, each dimension as u32 big-endian, the
 * bytes. Sizes are checked before memory is taken; errors name the file and what is wrong. */
#ifndef VS_FL_IDX_H
#define VS_FL_IDX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define VS_IDX_DIMS_MAX 4u
#define VS_IDX_BYTES_MAX ((size_t)1 << 30) /* of values, after inflating */

typedef struct vs_idx {
    uint8_t *data; /* owned; n bytes */
    size_t n;
    uint32_t n_dims;
    uint32_t dims[VS_IDX_DIMS_MAX];
} vs_idx;

/* n_dims is what the caller needs (3 for images, 1 for labels); another number is an error. On
 * VS_OK the caller owns *out (vs_idx_free), else it is zero. */
VS_MUST_CHECK vs_err vs_idx_read(vs_idx *out, const char *path, uint32_t n_dims, vs_diag *diag);
/* The same from memory; name is for messages. Errors: VS_ERR_MALFORMED, VS_ERR_LIMIT,
 * VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_idx_parse(vs_idx *out, const uint8_t *bytes, size_t len, const char *name,
                                  uint32_t n_dims, vs_diag *diag);
void vs_idx_free(vs_idx *idx);

#endif /* VS_FL_IDX_H */
