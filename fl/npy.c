#include "fl/npy.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/bytes.h"
#include "base/file.h"

static void load_values(double *out, const uint8_t *in, size_t n, size_t item)
{
    for (size_t i = 0; i < n; i++) {
        if (item == 8) {
            uint64_t bits = vs_load_le64(in + 8 * i);
            memcpy(&out[i], &bits, sizeof out[i]);
        } else {
            uint32_t bits = vs_load_le32(in + 4 * i);
            float f;
            memcpy(&f, &bits, sizeof f);
            out[i] = (double)f;
        }
    }
}

/* Shape, and where the values begin. */
static vs_err find_values(vs_npy *out, size_t *at, size_t *item, const uint8_t *bytes, size_t len,
                          const char *name, size_t max_n, vs_diag *diag)
{
    vs_npy_header h;
    memset(out, 0, sizeof *out);
    vs_err err = vs_npy_header_read(&h, bytes, len, len, name, max_n, diag);
    if (err != VS_OK) return err;
    *at = h.data_at;
    *item = h.item;
    out->n = h.n;
    out->n_dims = h.n_dims;
    memcpy(out->dims, h.dims, sizeof out->dims);
    return VS_OK;
}

vs_err vs_npy_parse(vs_npy *out, const uint8_t *bytes, size_t len, const char *name, size_t max_n,
                    vs_diag *diag)
{
    VS_ASSERT(out != NULL && name != NULL && (bytes != NULL || len == 0));
    size_t at = 0;
    size_t item = 0;
    vs_npy npy;
    memset(out, 0, sizeof *out);
    vs_err err = find_values(&npy, &at, &item, bytes, len, name, max_n, diag);
    if (err != VS_OK) return err;
    double *data = malloc((npy.n == 0 ? 1 : npy.n) * sizeof *data);
    if (data == NULL) {
        return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory for %zu values", name, npy.n);
    }
    load_values(data, bytes + at, npy.n, item);
    npy.data = data;
    *out = npy;
    return VS_OK;
}

vs_err vs_npy_read(vs_npy *out, const char *path, size_t max_n, vs_diag *diag)
{
    VS_ASSERT(out != NULL && path != NULL);
    vs_map map;
    memset(out, 0, sizeof *out);
    vs_err err = vs_map_file(&map, path, diag); /* no second copy of a secret to wipe */
    if (err != VS_OK) return err;
    err = vs_npy_parse(out, map.p, map.len, path, max_n, diag);
    vs_unmap(&map);
    return err;
}

static bool is_host_order(void)
{
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1;
}

vs_err vs_npy_map(vs_npy *out, const char *path, size_t max_n, vs_diag *diag)
{
    VS_ASSERT(out != NULL && path != NULL);
    size_t at = 0;
    size_t item = 0;
    vs_map map;
    memset(out, 0, sizeof *out);
    vs_err err = vs_map_file(&map, path, diag);
    if (err != VS_OK) return err;
    err = find_values(out, &at, &item, map.p, map.len, path, max_n, diag);
    bool as_is = item == sizeof(double) && at % _Alignof(double) == 0 && is_host_order();
    if (err == VS_OK && as_is) {
        out->data = (double *)(uintptr_t)(map.p + at);
        out->map = map;
        return VS_OK;
    }
    if (err == VS_OK) err = vs_npy_parse(out, map.p, map.len, path, max_n, diag);
    vs_unmap(&map);
    return err;
}

void vs_npy_free(vs_npy *npy)
{
    if (npy == NULL) return;
    if (npy->map.p != NULL) {
        vs_unmap(&npy->map);
    } else if (npy->data != NULL) {
        sodium_memzero(npy->data, npy->n * sizeof *npy->data);
        free(npy->data);
    }
    memset(npy, 0, sizeof *npy);
}

vs_err vs_npy_write(const char *path, const double *data, const size_t *dims, uint32_t n_dims,
                    vs_diag *diag)
{
    VS_ASSERT(path != NULL && dims != NULL && n_dims >= 1 && n_dims <= VS_NPY_DIMS_MAX);
    size_t n = 1;
    for (uint32_t i = 0; i < n_dims; i++) VS_ASSERT(!__builtin_mul_overflow(n, dims[i], &n));
    VS_ASSERT((data != NULL || n == 0) && n <= (SIZE_MAX >> 4));
    vs_buf head = {0};
    vs_buf file = {0};
    vs_npy_header_put(&head, sizeof *data, dims, n_dims);
    vs_err err = vs_buf_check(&head);
    if (err == VS_OK) { /* one allocation: growing would leave copies behind */
        uint8_t *p = vs_buf_extend(&file, head.len + n * sizeof *data);
        err = vs_buf_check(&file);
        if (err == VS_OK) memcpy(p, head.p, head.len);
        for (size_t i = 0; err == VS_OK && i < n; i++) {
            uint64_t bits;
            memcpy(&bits, &data[i], sizeof bits);
            vs_store_le64(p + head.len + 8 * i, bits);
        }
    }
    if (err != VS_OK) err = vs_fail(diag, err, "%s: out of memory", path);
    if (err == VS_OK) err = vs_file_write_durable(path, file.p, file.len, 0600, diag);
    vs_buf_free(&head);
    vs_buf_free_secret(&file);
    return err;
}
