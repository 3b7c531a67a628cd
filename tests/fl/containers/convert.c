/* convert IN OUT [DTYPE] - read a container and write it as another, for
 * tests/fl/containers/containers.py. Status 1 and one line on stderr where the file is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "fl/tensors_out.h"

static vs_err convert(const vs_tensors *in, const char *from, const char *to, const char *type,
                      vs_diag *diag)
{
    vs_container container;
    vs_tensors_out *out = NULL;
    double *values = malloc((in->n + 1) * sizeof *values);
    vs_tensor_shape *shapes = calloc(in->count + 1, sizeof *shapes);
    vs_dtype *dtypes = calloc(in->count + 1, sizeof *dtypes);
    vs_err err = values == NULL || shapes == NULL || dtypes == NULL
                     ? vs_fail(diag, VS_ERR_NOMEM, "out of memory")
                     : vs_container_of_path(&container, to, diag);
    for (uint32_t i = 0; err == VS_OK && i < in->count; i++) {
        shapes[i] = in->list[i].shape;
        dtypes[i] = in->list[i].dtype;
        if (type != NULL && !vs_dtype_parse(&dtypes[i], type)) {
            err = vs_fail(diag, VS_ERR_MALFORMED, "no dtype %s", type);
        }
        if (shapes[i].name[0] == '\0') (void)snprintf(shapes[i].name, sizeof shapes[i].name, "x");
    }
    if (err == VS_OK) {
        err = vs_tensors_out_new(&out, to, container, shapes, dtypes, in->count, diag);
    }
    for (uint32_t i = 0; err == VS_OK && i < in->count; i++) {
        err = vs_tensors_read(in, i, values, from, diag);
        if (err == VS_OK) err = vs_tensors_out_put(out, values, in->list[i].n, diag);
    }
    if (err == VS_OK) err = vs_tensors_out_commit(out, diag);
    vs_tensors_out_free(out);
    free(dtypes);
    free(shapes);
    free(values);
    return err;
}

int main(int argc, char **argv)
{
    vs_tensors in;
    vs_diag diag = {{0}};
    if (argc < 3 || argc > 4) {
        (void)fprintf(stderr, "usage: convert IN OUT [DTYPE]\n");
        return 2;
    }
    vs_err err = vs_tensors_open(&in, argv[1], 1u << 24, &diag);
    if (err == VS_OK) {
        err = convert(&in, argv[1], argv[2], argc == 4 ? argv[3] : NULL, &diag);
        vs_tensors_free(&in);
    }
    if (err != VS_OK) (void)fprintf(stderr, "%s\n", diag.text);
    return err == VS_OK ? 0 : 1;
}
