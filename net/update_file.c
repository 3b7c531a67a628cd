#include "net/update_file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "fl/tensors_out.h"
#include "mpc/params.h"
#include "net/federation_tensors.h"

/* --- formats --------------------------------------------------------------------------------- */

static vs_err format_new(vs_result_format *f, vs_container container, uint32_t count, vs_diag *diag)
{
    *f = (vs_result_format){.container = container, .count = count};
    f->shapes = calloc(count, sizeof *f->shapes);
    f->dtypes = calloc(count, sizeof *f->dtypes);
    if (f->shapes != NULL && f->dtypes != NULL) return VS_OK;
    vs_result_format_free(f);
    return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
}

void vs_result_format_free(vs_result_format *format)
{
    free(format->shapes);
    free(format->dtypes);
    *format = (vs_result_format){0};
}

/* Of a flat vector: F64 where any part of `like` is, then F32. */
static vs_dtype flat_dtype(const vs_result_format *like, vs_dtype otherwise)
{
    if (like == NULL) return otherwise;
    vs_dtype widest = like->dtypes[0];
    for (uint32_t i = 1; i < like->count; i++) {
        if (vs_dtype_size(like->dtypes[i]) > vs_dtype_size(widest)) widest = like->dtypes[i];
    }
    return widest;
}

vs_err vs_result_format_make(vs_result_format *out, const vs_federation *fed, uint32_t dim,
                             const char *path, const vs_result_format *like, vs_dtype dtype,
                             vs_diag *diag)
{
    vs_container container;
    *out = (vs_result_format){0};
    vs_err err = vs_container_of_path(&container, path, diag);
    if (err != VS_OK) return err;
    const bool flat = container == VS_CONTAINER_NPY;
    const bool named = !flat && fed->n_tensors > 0;
    const bool same = !named && like != NULL && like->count == 1; /* an unnamed array's shape */
    err = format_new(out, container, named ? fed->n_tensors : 1, diag);
    if (err != VS_OK) return err;
    for (uint32_t i = 0; named && i < out->count; i++) {
        out->shapes[i] = fed->tensor[i];
        out->dtypes[i] =
            like != NULL && like->count == out->count ? like->dtypes[i] : flat_dtype(like, dtype);
    }
    if (named) return VS_OK;
    vs_tensor_shape *shape = &out->shapes[0];
    out->dtypes[0] = flat_dtype(like, dtype);
    if (same) *shape = like->shapes[0];
    size_t n;
    if (!same || vs_tensor_size(&n, shape, dim) != VS_OK || n != dim) {
        shape->n_dims = 1;
        shape->dims[0] = dim;
    }
    if (shape->name[0] == '\0') (void)snprintf(shape->name, sizeof shape->name, "mean");
    return VS_OK;
}

/* --- updates --------------------------------------------------------------------------------- */

static bool is_host_order(void)
{
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1;
}

/* The flat vector as it lies in the file, or NULL. */
static const double *in_place(const vs_tensors *t, const uint32_t *order, uint32_t count)
{
    const uint8_t *at = t->list[order[0]].data;
    if (at == NULL || (uintptr_t)at % _Alignof(double) != 0 || !is_host_order()) return NULL;
    for (uint32_t i = 0; i < count; i++) {
        const vs_tensor *x = &t->list[order[i]];
        if (x->dtype != VS_DTYPE_F64 || x->data != at) return NULL;
        at += x->n * sizeof(double);
    }
    return (const double *)(const void *)t->list[order[0]].data;
}

static vs_err convert(vs_update *u, const uint32_t *order, const char *path, vs_diag *diag)
{
    vs_err err = VS_OK;
    size_t at = 0;
    u->own = malloc((size_t)(u->n == 0 ? 1 : u->n) * sizeof *u->own);
    if (u->own == NULL) {
        return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory for %llu values", path,
                       (unsigned long long)u->n);
    }
    for (uint32_t i = 0; err == VS_OK && i < u->format.count; i++) {
        err = vs_tensors_read(&u->file, order[i], u->own + at, path, diag);
        at += u->file.list[order[i]].n;
    }
    u->values = u->own;
    return err;
}

/* The parts in the federation's order. */
static vs_err arrange(vs_update *u, const vs_federation *fed, const char *path, vs_diag *diag)
{
    const uint32_t count = vs_federation_match_count(fed, &u->file);
    uint32_t *order = calloc(count, sizeof *order);
    if (order == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", path);
    vs_err err = vs_federation_match(order, fed, &u->file, path, diag);
    if (err == VS_OK) err = format_new(&u->format, u->file.container, count, diag);
    for (uint32_t i = 0; err == VS_OK && i < count; i++) {
        const vs_tensor *x = &u->file.list[order[i]];
        u->format.shapes[i] = x->shape;
        u->format.dtypes[i] = x->dtype;
        u->n += x->n;
    }
    if (err == VS_OK) u->values = in_place(&u->file, order, count);
    if (err == VS_OK && u->values == NULL) {
        err = convert(u, order, path, diag);
        vs_tensors_free(&u->file);
    }
    free(order);
    return err;
}

vs_err vs_update_take(vs_update *out, const vs_federation *fed, vs_tensors *t, const char *name,
                      vs_diag *diag)
{
    VS_ASSERT(out != NULL && fed != NULL && t != NULL && name != NULL);
    vs_update u = {.file = *t};
    *out = (vs_update){0};
    vs_err err = t->count > 0 ? arrange(&u, fed, name, diag)
                              : vs_fail(diag, VS_ERR_MALFORMED, "%s: holds no tensor", name);
    if (err != VS_OK) {
        if (u.file.list == NULL) *t = (vs_tensors){0}; /* converted, then refused */
        u.file = (vs_tensors){0};
        vs_update_free(&u);
        return err;
    }
    *t = (vs_tensors){0};
    *out = u;
    return VS_OK;
}

vs_err vs_update_open(vs_update *out, const vs_federation *fed, const char *path, vs_diag *diag)
{
    VS_ASSERT(out != NULL && fed != NULL && path != NULL);
    vs_tensors t;
    *out = (vs_update){0};
    vs_err err = vs_tensors_open(&t, path, VS_DIM_MAX, diag);
    if (err != VS_OK) return err;
    err = vs_update_take(out, fed, &t, path, diag);
    vs_tensors_free(&t); /* empty once it was taken */
    return err;
}

void vs_update_drop_values(vs_update *u)
{
    if (u->own != NULL) sodium_memzero(u->own, (size_t)u->n * sizeof *u->own);
    free(u->own);
    u->own = NULL;
    u->values = NULL;
    vs_tensors_free(&u->file);
}

void vs_update_free(vs_update *u)
{
    if (u == NULL) return;
    vs_update_drop_values(u);
    vs_result_format_free(&u->format);
    *u = (vs_update){0};
}

/* --- results -----------------------------------------------------------------------------------
 */

typedef struct result_file {
    const vs_federation *fed;
    const char *path;
    const vs_result_format *like;
    vs_dtype dtype;
    vs_result_format format;
    vs_tensors_out *out;
} result_file;

static vs_err put_mean(void *ctx, const vs_round *round, const double *mean, size_t n,
                       vs_diag *diag)
{
    result_file *r = ctx;
    vs_err err = VS_OK;
    if (r->out == NULL) {
        err = vs_result_format_make(&r->format, r->fed, round->open.dim, r->path, r->like, r->dtype,
                                    diag);
        if (err == VS_OK) {
            err = vs_tensors_out_new(&r->out, r->path, r->format.container, r->format.shapes,
                                     r->format.dtypes, r->format.count, diag);
        }
    }
    return err == VS_OK ? vs_tensors_out_put(r->out, mean, n, diag) : err;
}

vs_err vs_result_to_file(vs_fetched_result *out, const vs_caller *caller, uint64_t round,
                         const char *path, const vs_result_format *like, vs_dtype dtype,
                         const char *sums_path, vs_diag *diag)
{
    VS_ASSERT(out != NULL && caller != NULL && path != NULL);
    vs_container container;
    result_file r = {.fed = caller->fed, .path = path, .like = like, .dtype = dtype};
    const vs_mean_sink sink = {.put = put_mean, .ctx = &r};
    *out = (vs_fetched_result){0};
    vs_err err = vs_container_of_path(&container, path, diag); /* before anything is fetched */
    if (err != VS_OK) return err;
    err = vs_call_result_to(out, caller, round, sums_path != NULL ? sums_path : path,
                            sums_path != NULL, &sink, diag);
    if (err == VS_OK) err = vs_tensors_out_commit(r.out, diag);
    vs_tensors_out_free(r.out);
    vs_result_format_free(&r.format);
    return err;
}
