#include <string.h>

#include "ledger/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Property: what parses formats to the same first three lines; a refusal leaves zeros. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_checkpoint c;
    vs_diag diag;
    if (vs_checkpoint_parse(&c, data, size, &diag) != VS_OK) {
        VS_ASSERT(c.size == 0 && c.origin[0] == '\0' && vs_h32_is_zero(&c.root));
        return 0;
    }
    vs_buf b = {0};
    VS_ASSERT(vs_checkpoint_format(&b, &c) == VS_OK);
    VS_ASSERT(b.len <= size && memcmp(b.p, data, b.len) == 0);
    vs_buf_free(&b);
    return 0;
}
