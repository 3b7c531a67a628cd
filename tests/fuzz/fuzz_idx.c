#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "fl/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Property: a refused file leaves a zero result and a message; an accepted one holds the product
 * of its dimensions, no more than the file could (deflate packs at most 1032 to 1). */
static void check(const uint8_t *bytes, size_t len, uint32_t n_dims)
{
    vs_idx idx;
    vs_diag diag = {0};
    if (vs_idx_parse(&idx, bytes, len, "fuzz.idx", n_dims, &diag) != VS_OK) {
        VS_ASSERT(idx.data == NULL && idx.n == 0);
        VS_ASSERT(strncmp(diag.text, "fuzz.idx: ", 10) == 0);
        return;
    }
    size_t n = 1;
    VS_ASSERT(idx.n_dims == n_dims && idx.n >= 1 && idx.n <= len * 1032);
    for (uint32_t i = 0; i < n_dims; i++) n *= idx.dims[i];
    VS_ASSERT(n == idx.n);
    vs_idx_free(&idx);
}

/* The first byte chooses the number of dimensions, and whether the rest is wrapped as a correct
 * gzip member first: random bytes hardly ever get past a checksum. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    uint32_t n_dims = 1 + (data[0] & 3u);
    if ((data[0] & 4) == 0) {
        check(data + 1, size - 1, n_dims);
        return 0;
    }
    z_stream z = {0};
    size_t cap = size + 1024;
    uint8_t *packed = malloc(cap);
    VS_ASSERT(packed != NULL);
    VS_ASSERT(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (z_const Bytef *)(uintptr_t)(data + 1);
    z.avail_in = (uInt)(size - 1);
    z.next_out = packed;
    z.avail_out = (uInt)cap;
    VS_ASSERT(deflate(&z, Z_FINISH) == Z_STREAM_END);
    check(packed, z.total_out, n_dims);
    (void)deflateEnd(&z);
    free(packed);
    return 0;
}
