#include <stdlib.h>
#include <string.h>

#include "mpc/field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Property: accepted iff every element is below p, and then encoding gives the bytes back. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size / VS_FE_BYTES;
    vs_fe *x = malloc((n + 1) * sizeof *x);
    uint8_t *back = malloc(n * VS_FE_BYTES + 1);
    VS_ASSERT(x != NULL && back != NULL);
    bool canonical = true;
    for (size_t i = 0; i < n; i++) {
        canonical = canonical && vs_load_le64(data + i * VS_FE_BYTES) < VS_FE_P;
    }
    VS_ASSERT((vs_fe_decode_many(x, data, n) == VS_OK) == canonical);
    for (size_t i = 0; i < n; i++) VS_ASSERT(x[i].v < VS_FE_P);
    vs_fe_encode_many(back, x, n);
    VS_ASSERT(!canonical || memcmp(back, data, n * VS_FE_BYTES) == 0);
    free(x);
    free(back);
    return 0;
}
