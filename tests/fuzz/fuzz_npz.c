#include <string.h>

#include "fl/npz.h"

enum { MANY = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Property: a refused archive leaves nothing but a message; in an accepted one every member is read
 * without an error, whatever it is packed in. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_tensors t = {0};
    vs_diag diag = {{0}};
    double values[MANY];
    if (vs_npz_parse(&t, data, size, "fuzz", MANY, &diag) != VS_OK) {
        VS_ASSERT(strncmp(diag.text, "fuzz: ", 6) == 0);
        vs_tensors_free(&t);
        return 0;
    }
    size_t n = 0;
    for (uint32_t i = 0; i < t.count; i++) {
        const vs_tensor *x = &t.list[i];
        const char *why;
        VS_ASSERT(vs_tensor_name_check(x->shape.name, strlen(x->shape.name), &why) == VS_OK);
        VS_ASSERT(vs_tensors_read(&t, i, values, "fuzz", &diag) == VS_OK);
        n += x->n;
    }
    VS_ASSERT(n == t.n && n <= MANY);
    vs_tensors_free(&t);
    return 0;
}
