/* The k-th allocation fails, for every k: of our calls (led here by the linker, tests/extra.cmake)
 * and of jansson's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include "base/file.h"
#include "fl/tensors_out.h"
#include "tests/support.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static uint32_t calls, fail_at; /* fail_at 0: none; test programs have globals */

static bool fails(void)
{
    return fail_at != 0 && ++calls == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

static const vs_tensor_shape SHAPES[] = {{"w", 2, {3, 2}}, {"b", 1, {4}}};
static const vs_dtype DTYPES[] = {VS_DTYPE_F32, VS_DTYPE_F64};
static const double VALUES[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

static vs_err write_all(const char *path, vs_container container, vs_diag *diag)
{
    vs_tensors_out *out;
    vs_err err = vs_tensors_out_new(&out, path, container, SHAPES, DTYPES, 2, diag);
    if (err == VS_OK) err = vs_tensors_out_put(out, VALUES, 10, diag);
    if (err == VS_OK) err = vs_tensors_out_commit(out, diag);
    vs_tensors_out_free(out);
    return err;
}

static vs_err read_all(const char *path, vs_diag *diag)
{
    vs_tensors t;
    double values[10];
    vs_err err = vs_tensors_open(&t, path, 10, diag);
    for (uint32_t i = 0; err == VS_OK && i < t.count; i++) {
        err = vs_tensors_read(&t, i, values, path, diag);
    }
    vs_tensors_free(&t);
    return err;
}

Test(tensors_nomem, every_failing_allocation_is_reported_and_nothing_is_left)
{
    char *folder = vs_test_folder_new(), path[300];
    json_set_alloc_funcs(malloc, free); /* ours: through the wraps */
    for (int c = VS_CONTAINER_NPZ; c <= VS_CONTAINER_SAFETENSORS; c++) {
        vs_err err = VS_ERR_NOMEM;
        uint32_t k = 0;
        (void)snprintf(path, sizeof path, "%s/x", folder);
        for (; err != VS_OK; k++) {
            vs_diag diag = {{0}};
            calls = 0;
            fail_at = k + 1;
            err = write_all(path, (vs_container)c, &diag);
            fail_at = 0;
            cr_assert(err == VS_OK || err == VS_ERR_NOMEM, "write %u: %s", k, diag.text);
            cr_expect_eq(vs_file_exists(path), err == VS_OK);
        }
        cr_expect_gt(k, 5);
        err = VS_ERR_NOMEM;
        for (k = 0; err != VS_OK; k++) {
            vs_diag diag = {{0}};
            calls = 0;
            fail_at = k + 1;
            err = read_all(path, &diag);
            fail_at = 0;
            /* jansson says NOMEM only where it knows it. */
            cr_assert(err == VS_OK || err == VS_ERR_NOMEM || c == VS_CONTAINER_SAFETENSORS,
                      "read %u: %s", k, diag.text);
            cr_expect(err == VS_OK || diag.text[0] != '\0');
        }
        cr_expect_gt(k, 2);
        cr_assert_eq(vs_file_remove(path, NULL), VS_OK);
    }
    vs_test_folder_remove(folder);
}
