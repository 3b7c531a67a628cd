#include "fl/tensors_out.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/file_out.h"
#include "fl/npy_header.h"
#include "fl/safetensors.h"
#include "fl/zip.h"

enum {
    WINDOW_VALUES = 8192,
    WINDOW_BYTES = 8 * WINDOW_VALUES,
    MEMBER_BYTES = VS_TENSOR_NAME_MAX + sizeof ".npy"
};

struct vs_tensors_out {
    vs_file_out *file;
    vs_container container;
    const vs_tensor_shape *shapes; /* borrowed */
    vs_dtype *dtypes;              /* as they are written */
    uint32_t count;
    uint32_t at;        /* tensor being written; count: all are */
    uint64_t left;      /* values of it */
    bool begun;         /* its header is written */
    uLong crc;          /* of its bytes so far, .npz */
    vs_zip_stored *zip; /* .npz: one for each */
    char (*members)[MEMBER_BYTES];
    uint8_t *window;
};

static uint64_t size_of(const vs_tensor_shape *shape)
{
    size_t n;
    VS_ASSERT(vs_tensor_size(&n, shape, SIZE_MAX >> 4) == VS_OK);
    return n;
}

static vs_err put_bytes(vs_tensors_out *t, const vs_buf *b, vs_diag *diag)
{
    if (vs_buf_check(b) != VS_OK) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    return vs_file_out_write(t->file, b->p, b->len, diag);
}

/* The .npy header of the current tensor. */
static void put_npy_header(const vs_tensors_out *t, vs_buf *out)
{
    const vs_tensor_shape *s = &t->shapes[t->at];
    size_t dims[VS_NPY_DIMS_MAX];
    for (uint32_t i = 0; i < s->n_dims; i++) dims[i] = (size_t)s->dims[i];
    vs_npy_header_put(out, vs_dtype_size(t->dtypes[t->at]), dims, s->n_dims);
}

static vs_err begin_member(vs_tensors_out *t, vs_diag *diag)
{
    vs_buf local = {0}, head = {0};
    vs_zip_stored *e = &t->zip[t->at];
    put_npy_header(t, &head);
    (void)snprintf(t->members[t->at], MEMBER_BYTES, "%s.npy", t->shapes[t->at].name);
    *e = (vs_zip_stored){.name = t->members[t->at],
                         .len = head.len + t->left * vs_dtype_size(t->dtypes[t->at]),
                         .at = vs_file_out_len(t->file)};
    vs_zip_local_put(&local, e); /* its checksum comes later */
    vs_err err = put_bytes(t, &local, diag);
    if (err == VS_OK) err = put_bytes(t, &head, diag);
    if (err == VS_OK) t->crc = crc32(crc32(0, NULL, 0), head.p, (uInt)head.len);
    vs_buf_free(&head);
    vs_buf_free(&local);
    return err;
}

static vs_err begin(vs_tensors_out *t, vs_diag *diag)
{
    vs_err err = VS_OK;
    t->left = size_of(&t->shapes[t->at]);
    t->begun = true;
    if (t->container == VS_CONTAINER_NPZ) return begin_member(t, diag);
    if (t->container == VS_CONTAINER_NPY) {
        vs_buf head = {0};
        put_npy_header(t, &head);
        err = put_bytes(t, &head, diag);
        vs_buf_free(&head);
    }
    return err;
}

static vs_err end(vs_tensors_out *t, vs_diag *diag)
{
    vs_err err = VS_OK;
    if (t->container == VS_CONTAINER_NPZ) {
        vs_zip_stored *e = &t->zip[t->at];
        uint8_t le[4];
        e->crc = (uint32_t)t->crc;
        vs_store_le32(le, e->crc);
        err = vs_file_out_patch(t->file, e->at + VS_ZIP_CRC_AT, le, sizeof le, diag);
    }
    t->at++;
    t->begun = false;
    return err;
}

/* Headers, and tensors without values, up to where the next value goes. */
static vs_err advance(vs_tensors_out *t, vs_diag *diag)
{
    vs_err err = VS_OK;
    while (err == VS_OK && t->at < t->count) {
        if (!t->begun) err = begin(t, diag);
        if (err != VS_OK || t->left > 0) break;
        err = end(t, diag);
    }
    return err;
}

vs_err vs_tensors_out_put(vs_tensors_out *t, const double *values, size_t n, vs_diag *diag)
{
    VS_ASSERT(t != NULL && (values != NULL || n == 0));
    vs_err err = advance(t, diag);
    while (err == VS_OK && n > 0) {
        VS_ASSERT(t->at < t->count);
        const vs_dtype dtype = t->dtypes[t->at];
        size_t part = n < WINDOW_VALUES ? n : WINDOW_VALUES;
        if (part > t->left) part = (size_t)t->left;
        const size_t len = part * vs_dtype_size(dtype);
        vs_dtype_store(t->window, values, part, dtype);
        err = vs_file_out_write(t->file, t->window, len, diag);
        if (t->container == VS_CONTAINER_NPZ) t->crc = crc32(t->crc, t->window, (uInt)len);
        values += part;
        n -= part;
        t->left -= part;
        if (err == VS_OK) err = advance(t, diag);
    }
    return err;
}

vs_err vs_tensors_out_commit(vs_tensors_out *t, vs_diag *diag)
{
    VS_ASSERT(t != NULL);
    vs_err err = advance(t, diag); /* there may be nothing but empty tensors */
    VS_ASSERT(err != VS_OK || t->at == t->count);
    if (err == VS_OK && t->container == VS_CONTAINER_NPZ) {
        vs_buf directory = {0};
        vs_zip_directory_put(&directory, t->zip, t->count, vs_file_out_len(t->file));
        err = put_bytes(t, &directory, diag);
        vs_buf_free(&directory);
    }
    return err == VS_OK ? vs_file_out_commit(t->file, diag) : err;
}

static vs_err start(vs_tensors_out *t, const char *path, const vs_dtype *dtypes, vs_diag *diag)
{
    t->dtypes = calloc(t->count, sizeof *t->dtypes);
    t->window = malloc(WINDOW_BYTES);
    if (t->container == VS_CONTAINER_NPZ) {
        t->zip = calloc(t->count, sizeof *t->zip);
        t->members = calloc(t->count, sizeof *t->members);
    }
    if (t->dtypes == NULL || t->window == NULL ||
        (t->container == VS_CONTAINER_NPZ && (t->zip == NULL || t->members == NULL))) {
        return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", path);
    }
    for (uint32_t i = 0; i < t->count; i++) {
        const bool any = t->container == VS_CONTAINER_SAFETENSORS || dtypes[i] == VS_DTYPE_F64;
        t->dtypes[i] = any ? dtypes[i] : VS_DTYPE_F32;
    }
    vs_err err = vs_file_out_new(&t->file, path, 0600, diag);
    if (err == VS_OK && t->container == VS_CONTAINER_SAFETENSORS) {
        vs_buf head = {0};
        vs_safetensors_head_put(&head, t->shapes, t->dtypes, t->count);
        err = put_bytes(t, &head, diag);
        vs_buf_free(&head);
    }
    return err;
}

vs_err vs_tensors_out_new(vs_tensors_out **out, const char *path, vs_container container,
                          const vs_tensor_shape *shapes, const vs_dtype *dtypes, uint32_t count,
                          vs_diag *diag)
{
    VS_ASSERT(out != NULL && path != NULL && shapes != NULL && dtypes != NULL);
    VS_ASSERT(count >= 1 && count <= VS_TENSORS_MAX);
    VS_ASSERT(container != VS_CONTAINER_NPY || count == 1);
    *out = NULL;
    vs_tensors_out *t = calloc(1, sizeof *t);
    if (t == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", path);
    t->container = container;
    t->shapes = shapes;
    t->count = count;
    vs_err err = start(t, path, dtypes, diag);
    if (err != VS_OK) {
        vs_tensors_out_free(t);
        return err;
    }
    *out = t;
    return VS_OK;
}

void vs_tensors_out_free(vs_tensors_out *t)
{
    if (t == NULL) return;
    vs_file_out_free(t->file);
    if (t->window != NULL) sodium_memzero(t->window, WINDOW_BYTES);
    free(t->window);
    free(t->members);
    free(t->zip);
    free(t->dtypes);
    free(t);
}
