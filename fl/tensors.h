/* fl/tensors.h - named arrays in one file: .npy, .npz or .safetensors.
 *
 * Opening reads nothing but the headers of .npy and .safetensors (a .npz also for its checksums):
 * values stay in the memory-mapped file until they are asked for. A file is told by its first
 * bytes, not by its name. Errors name file, tensor and what is wrong. Hostile files: every size is
 * checked against the file and against max_n before memory is taken for it. */
#ifndef VS_FL_TENSORS_H
#define VS_FL_TENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "fl/dtype.h"

#define VS_TENSORS_MAX 4096u
#define VS_TENSOR_NAME_MAX 200u /* bytes of UTF-8, no control characters */
#define VS_TENSOR_DIMS_MAX 8u

typedef enum vs_container {
    VS_CONTAINER_NPY, /* one tensor without a name */
    VS_CONTAINER_NPZ,
    VS_CONTAINER_SAFETENSORS,
} vs_container;

typedef struct vs_tensor_shape {
    char name[VS_TENSOR_NAME_MAX + 1]; /* "" in a .npy */
    uint32_t n_dims;                   /* 0: one value */
    uint64_t dims[VS_TENSOR_DIMS_MAX];
} vs_tensor_shape;

typedef struct vs_tensor {
    vs_tensor_shape shape;
    vs_dtype dtype;
    size_t n;            /* values: the product of dims */
    const uint8_t *data; /* n values, little-endian, any alignment; NULL: deflated */
    /* of a deflated member of a .npz */
    const uint8_t *packed;
    size_t packed_len, skip; /* bytes; skip: before the values once it is inflated */
} vs_tensor;

typedef struct vs_tensors {
    vs_container container;
    uint32_t count;
    vs_tensor *list; /* owned; in the file's order of values */
    size_t n;        /* values of all */
    vs_map map;      /* what data and packed point into; empty if they are the caller's */
} vs_tensors;

/* At most max_n values in all. On VS_OK the caller owns *out (vs_tensors_free), else it is zero.
 * The file must not change before that: who truncates it ends this process (SIGBUS).
 * VS_ERR_MALFORMED, VS_ERR_LIMIT, VS_ERR_NOMEM, VS_ERR_IO. */
VS_MUST_CHECK vs_err vs_tensors_open(vs_tensors *out, const char *path, size_t max_n,
                                     vs_diag *diag);
/* The same from borrowed bytes; name is for messages. */
VS_MUST_CHECK vs_err vs_tensors_parse(vs_tensors *out, const uint8_t *bytes, size_t len,
                                      const char *name, size_t max_n, vs_diag *diag);
void vs_tensors_free(vs_tensors *t);

/* All values of t->list[i] to out[n]. Values may be non-finite. name is for messages. VS_ERR_NOMEM;
 * VS_ERR_MALFORMED when the file has changed since it was opened. */
VS_MUST_CHECK vs_err vs_tensors_read(const vs_tensors *t, uint32_t i, double *out, const char *name,
                                     vs_diag *diag);

/* "layer1.weight [784, 200]"; at most size bytes with the zero, cut to fit. */
void vs_tensor_describe(char *out, size_t size, const vs_tensor_shape *shape);
/* "[784, 200]" */
void vs_tensor_dims_text(char *out, size_t size, const vs_tensor_shape *shape);
/* The product of dims, or VS_ERR_LIMIT beyond max_n. A dimension of 0 makes it 0. */
VS_MUST_CHECK vs_err vs_tensor_size(size_t *n, const vs_tensor_shape *shape, size_t max_n);
/* 1 to VS_TENSOR_NAME_MAX bytes of UTF-8 without control characters? *why says what is wrong. */
VS_MUST_CHECK vs_err vs_tensor_name_check(const char *name, size_t len, const char **why);
/* By the extension of a path: .npy, .npz, .safetensors. VS_ERR_MALFORMED with a message. */
VS_MUST_CHECK vs_err vs_container_of_path(vs_container *out, const char *path, vs_diag *diag);
const char *vs_container_extension(vs_container container); /* ".npy", ... */

#endif /* VS_FL_TENSORS_H */
