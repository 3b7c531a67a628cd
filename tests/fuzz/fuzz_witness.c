/* Bodies of add-checkpoint: what parses is written the same way. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "net/witness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_witness_request q;
    vs_buf again = {0};
    if (vs_witness_request_parse(&q, data, size, NULL) == VS_OK) {
        VS_ASSERT(vs_witness_request_format(&again, &q) == VS_OK);
        VS_ASSERT(again.len == size && memcmp(again.p, data, size) == 0);
    }
    vs_buf_free(&again);
    return 0;
}
