#include <string.h>

#include "fl/safetensors.h"

enum { MANY = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Property: a refused file leaves nothing but a message; in an accepted one every tensor has a
 * name, its values are inside the file and follow each other to its end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_tensors t = {0};
    vs_diag diag = {{0}};
    double values[MANY];
    if (vs_safetensors_parse(&t, data, size, "fuzz", MANY, &diag) != VS_OK) {
        VS_ASSERT(strncmp(diag.text, "fuzz: ", 6) == 0);
        vs_tensors_free(&t);
        return 0;
    }
    const uint8_t *at = data + size;
    size_t n = 0;
    for (uint32_t i = t.count; i > 0; i--) {
        const vs_tensor *x = &t.list[i - 1];
        const char *why;
        VS_ASSERT(vs_tensor_name_check(x->shape.name, strlen(x->shape.name), &why) == VS_OK);
        at -= x->n * vs_dtype_size(x->dtype);
        VS_ASSERT(at == x->data);
        VS_ASSERT(vs_tensors_read(&t, i - 1, values, "fuzz", &diag) == VS_OK);
        n += x->n;
    }
    VS_ASSERT(n == t.n && n <= MANY && at >= data + 8);
    vs_tensors_free(&t);
    return 0;
}
