#include <string.h>

#include "fl/npy.h"

enum { MANY = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Property: a refused file leaves a zero result and a message; an accepted one has as many values
 * as its shape says, all of them from the file's own bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_npy npy;
    vs_diag diag = {0};
    if (vs_npy_parse(&npy, data, size, "fuzz.npy", MANY, &diag) != VS_OK) {
        VS_ASSERT(npy.data == NULL && npy.n == 0 && npy.n_dims == 0);
        VS_ASSERT(strncmp(diag.text, "fuzz.npy: ", 10) == 0);
        return 0;
    }
    size_t n = 1;
    VS_ASSERT(npy.n_dims <= VS_NPY_DIMS_MAX && npy.n <= MANY && npy.n < size);
    for (uint32_t i = 0; i < npy.n_dims; i++) n *= npy.dims[i];
    VS_ASSERT(n == npy.n);
    double last = npy.n > 0 ? npy.data[npy.n - 1] : 0.0; /* readable to its end */
    VS_ASSERT(last == last || last != last);
    vs_npy_free(&npy);
    return 0;
}
