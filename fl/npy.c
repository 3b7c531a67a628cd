#include "fl/npy.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/bytes.h"
#include "base/file.h"
#include "fl/dtype.h"

/* A whole number of item little-endian bytes, two's complement. */
static double load_integer(const uint8_t *in, size_t item, bool is_signed)
{
    uint64_t v = 0;
    VS_ASSERT(item >= 1 && item <= 8);
    for (size_t i = item; i-- > 0;) v = v << 8 | in[i];
    if (!is_signed) return (double)v;
    const unsigned unused = 64 - 8 * (unsigned)item;
    const uint64_t sign = UINT64_C(1) << 63;
    v <<= unused;
    return (v & sign) != 0 ? -(double)((~v >> unused) + 1) : (double)(v >> unused);
}

static void load_values(double *out, const uint8_t *in, const vs_npy_header *h)
{
    if (h->kind == 'f') {
        vs_dtype_load(out, in, h->n, h->item == 8 ? VS_DTYPE_F64 : VS_DTYPE_F32);
        return;
    }
    for (size_t i = 0; i < h->n; i++)
        out[i] = load_integer(in + i * h->item, h->item, h->kind == 'i');
}

vs_err vs_npy_parse(vs_npy *out, const uint8_t *bytes, size_t len, const char *name, size_t max_n,
                    vs_diag *diag)
{
    VS_ASSERT(out != NULL && name != NULL && (bytes != NULL || len == 0));
    vs_npy_header h;
    memset(out, 0, sizeof *out);
    vs_err err = vs_npy_header_read(&h, bytes, len, len, true, name, max_n, diag);
    if (err != VS_OK) return err;
    double *data = malloc((h.n == 0 ? 1 : h.n) * sizeof *data);
    if (data == NULL) {
        return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory for %zu values", name, h.n);
    }
    load_values(data, bytes + h.data_at, &h);
    *out = (vs_npy){.data = data, .n = h.n, .n_dims = h.n_dims};
    memcpy(out->dims, h.dims, sizeof out->dims);
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

void vs_npy_free(vs_npy *npy)
{
    if (npy == NULL) return;
    if (npy->data != NULL) {
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
