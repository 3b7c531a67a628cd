#include "fl/tensors.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/npy_header.h"
#include "fl/npz.h"
#include "fl/safetensors.h"

static const char *const extensions[] = {".npy", ".npz", ".safetensors"};

const char *vs_container_extension(vs_container container)
{
    return extensions[container];
}

vs_err vs_container_of_path(vs_container *out, const char *path, vs_diag *diag)
{
    const size_t len = strlen(path);
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        const size_t n = strlen(extensions[i]);
        if (len <= n || strcmp(path + len - n, extensions[i]) != 0) continue;
        *out = (vs_container)i;
        return VS_OK;
    }
    return vs_fail(diag, VS_ERR_MALFORMED,
                   "%s: its name must end in .npy, .npz or .safetensors: that chooses the format",
                   path);
}

/* --- shapes -------------------------------------------------------------------------------- */

void vs_tensor_dims_text(char *out, size_t size, const vs_tensor_shape *shape)
{
    size_t at = 0;
    for (uint32_t i = 0; i <= shape->n_dims && at < size; i++) {
        int n = i < shape->n_dims ? snprintf(out + at, size - at, "%s%llu", i == 0 ? "[" : ", ",
                                             (unsigned long long)shape->dims[i])
                                  : snprintf(out + at, size - at, "%s", i == 0 ? "[]" : "]");
        at += n < 0 ? 0 : (size_t)n;
    }
}

void vs_tensor_describe(char *out, size_t size, const vs_tensor_shape *shape)
{
    char dims[200];
    vs_tensor_dims_text(dims, sizeof dims, shape);
    (void)snprintf(out, size, "%s %s", shape->name, dims);
}

vs_err vs_tensor_size(size_t *n, const vs_tensor_shape *shape, size_t max_n)
{
    size_t product = 1;
    bool over = false;
    *n = 0;
    for (uint32_t i = 0; i < shape->n_dims; i++) {
        if (shape->dims[i] == 0) return VS_OK;
        over = over || __builtin_mul_overflow(product, shape->dims[i], &product);
    }
    if (over || product > max_n) return VS_ERR_LIMIT;
    *n = product;
    return VS_OK;
}

/* Bytes of the UTF-8 character at p, 0 if there is none (RFC 3629: shortest form, no surrogates).
 */
static size_t utf8_char(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80) return 1;
    const size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || len > left) return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;
    if (p[0] == 0xed && p[1] > 0x9f) return 0;
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
    return len;
}

vs_err vs_tensor_name_check(const char *name, size_t len, const char **why)
{
    const uint8_t *p = (const uint8_t *)name;
    *why = "is empty";
    if (len == 0) return VS_ERR_MALFORMED;
    *why = "is longer than 200 bytes";
    if (len > VS_TENSOR_NAME_MAX) return VS_ERR_LIMIT;
    for (size_t i = 0; i < len;) {
        const size_t n = utf8_char(p + i, len - i);
        *why = "is not UTF-8";
        if (n == 0) return VS_ERR_MALFORMED;
        *why = "holds a control character";
        if (n == 1 && (p[i] < 0x20 || p[i] == 0x7f)) return VS_ERR_MALFORMED;
        i += n;
    }
    return VS_OK;
}

/* --- open, read, free ---------------------------------------------------------------------- */

static vs_err parse_npy(vs_tensors *out, const uint8_t *bytes, size_t len, const char *name,
                        size_t max_n, vs_diag *diag)
{
    vs_npy_header h;
    vs_err err = vs_npy_header_read(&h, bytes, len, len, false, name, max_n, diag);
    if (err != VS_OK) return err;
    out->list = calloc(1, sizeof *out->list);
    if (out->list == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", name);
    vs_tensor *t = out->list;
    t->dtype = h.item == 8 ? VS_DTYPE_F64 : VS_DTYPE_F32;
    t->n = h.n;
    t->data = bytes + h.data_at;
    t->shape.n_dims = h.n_dims;
    for (uint32_t i = 0; i < h.n_dims; i++) t->shape.dims[i] = h.dims[i];
    out->container = VS_CONTAINER_NPY;
    out->count = 1;
    out->n = h.n;
    return VS_OK;
}

vs_err vs_tensors_parse(vs_tensors *out, const uint8_t *bytes, size_t len, const char *name,
                        size_t max_n, vs_diag *diag)
{
    VS_ASSERT(out != NULL && name != NULL && (bytes != NULL || len == 0));
    vs_tensors t = {0};
    vs_err err;
    *out = t;
    if (len >= 4 && memcmp(bytes, "\x93NUM", 4) == 0) {
        err = parse_npy(&t, bytes, len, name, max_n, diag);
    } else if (len >= 4 && memcmp(bytes, "PK", 2) == 0) {
        err = vs_npz_parse(&t, bytes, len, name, max_n, diag);
    } else if (len > 8 && bytes[8] == '{') {
        err = vs_safetensors_parse(&t, bytes, len, name, max_n, diag);
    } else {
        err = vs_fail(diag, VS_ERR_MALFORMED,
                      len == 0 ? "%s: empty, not a .npy, .npz or .safetensors file"
                               : "%s: not a .npy, .npz or .safetensors file by its first bytes",
                      name);
    }
    if (err != VS_OK) {
        vs_tensors_free(&t);
        return err;
    }
    *out = t;
    return VS_OK;
}

vs_err vs_tensors_open(vs_tensors *out, const char *path, size_t max_n, vs_diag *diag)
{
    VS_ASSERT(out != NULL && path != NULL);
    vs_map map;
    *out = (vs_tensors){0};
    vs_err err = vs_map_file(&map, path, diag);
    if (err != VS_OK) return err;
    err = vs_tensors_parse(out, map.p, map.len, path, max_n, diag);
    if (err != VS_OK) {
        vs_unmap(&map);
        return err;
    }
    out->map = map;
    return VS_OK;
}

void vs_tensors_free(vs_tensors *t)
{
    if (t == NULL) return;
    free(t->list);
    vs_unmap(&t->map);
    *t = (vs_tensors){0};
}

vs_err vs_tensors_read(const vs_tensors *t, uint32_t i, double *out, const char *name,
                       vs_diag *diag)
{
    VS_ASSERT(t != NULL && i < t->count && out != NULL);
    const vs_tensor *tensor = &t->list[i];
    if (tensor->data == NULL) return vs_npz_inflate(tensor, out, name, diag);
    vs_dtype_load(out, tensor->data, tensor->n, tensor->dtype);
    return VS_OK;
}
