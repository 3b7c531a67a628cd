/* fl/npy.h - .npy files (format v1.0, v2.0; C order).
 *
 * A vector is any array read flat; reading converts to double: little-endian f4 and f8, and whole
 * numbers of 1 to 8 bytes (beyond 2^53 rounded to the nearest). Updates in any format:
 * fl/tensors.h. Errors name the file and what is wrong: not a .npy, truncated (N of M bytes),
 * dtype, Fortran order, header too long, too many elements. */
#ifndef VS_FL_NPY_H
#define VS_FL_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fl/npy_header.h"

typedef struct vs_npy {
    double *data; /* owned; n values */
    size_t n;
    uint32_t n_dims;
    size_t dims[VS_NPY_DIMS_MAX];
} vs_npy;

/* Read at most max_n values. On VS_OK the caller owns *out (vs_npy_free), else it is zero. */
VS_MUST_CHECK vs_err vs_npy_read(vs_npy *out, const char *path, size_t max_n, vs_diag *diag);
/* The same as vs_npy_read from memory; name is for messages. Values may be non-finite
 * (vs_quantise_scan refuses those). Errors: VS_ERR_MALFORMED, VS_ERR_LIMIT, VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_npy_parse(vs_npy *out, const uint8_t *bytes, size_t len, const char *name,
                                  size_t max_n, vs_diag *diag);
void vs_npy_free(vs_npy *npy); /* wipes: an update is secret */

/* Write float64, durable and atomic (base/file.h), readable by the owner only. 1 to
 * VS_NPY_DIMS_MAX dimensions; data holds their product. */
VS_MUST_CHECK vs_err vs_npy_write(const char *path, const double *data, const size_t *dims,
                                  uint32_t n_dims, vs_diag *diag);

#endif /* VS_FL_NPY_H */
