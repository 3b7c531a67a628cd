/* fl/npy_header.h - the header of a .npy file or of a member of a .npz: shape and type of its
 * values.
 *
 * Formats v1.0 and v2.0, C order; little-endian f4 and f8, and where whole numbers are wanted
 * (labels, pixels) b1, u1 to u8 and i1 to i8. */
#ifndef VS_FL_NPY_HEADER_H
#define VS_FL_NPY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define VS_NPY_DIMS_MAX 8u
#define VS_NPY_HEADER_MAX 10000u                  /* bytes of the text header; numpy's own limit */
#define VS_NPY_HEAD_MAX (12u + VS_NPY_HEADER_MAX) /* bytes before the values */

typedef struct vs_npy_header {
    char kind;   /* 'f', 'i', 'u', 'b' (0 or 1) */
    size_t item; /* bytes of a value: 4 or 8 for 'f', else 1, 2, 4 or 8 */
    size_t n;    /* values */
    uint32_t n_dims;
    size_t dims[VS_NPY_DIMS_MAX];
    size_t data_at; /* bytes before the values */
} vs_npy_header;

/* From the first len bytes of a file of total bytes, len >= min(total, VS_NPY_HEAD_MAX): the values
 * fill the rest of it exactly. integers: not only 'f' is accepted. name is for messages.
 * VS_ERR_MALFORMED, VS_ERR_LIMIT (more than max_n values, ...); *out is zero then. */
VS_MUST_CHECK vs_err vs_npy_header_read(vs_npy_header *out, const uint8_t *bytes, size_t len,
                                        size_t total, bool integers, const char *name, size_t max_n,
                                        vs_diag *diag);
/* Append a v1.0 header; item is 4 or 8, n_dims at most VS_NPY_DIMS_MAX. Its length is a multiple of
 * 64. */
void vs_npy_header_put(vs_buf *out, size_t item, const size_t *dims, uint32_t n_dims);

#endif /* VS_FL_NPY_HEADER_H */
