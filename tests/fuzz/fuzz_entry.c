#include <stdlib.h>
#include <string.h>

#include "ledger/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte picks the kind, the rest is the payload. Property: what decodes encodes, and
 * decodes again to the same entry. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_diag diag;
    if (size == 0) return 0;
    int number = data[0] < 128 ? 1 + data[0] % 7 : VS_ENTRY_EVIDENCE + data[0] % 2;
    const char *kind = vs_entry_kind_name((vs_entry_kind)number);
    vs_entry *e = malloc(sizeof *e);
    vs_entry *again = malloc(sizeof *again);
    VS_ASSERT(e != NULL && again != NULL);
    if (vs_entry_decode(e, kind, data + 1, size - 1, &diag) == VS_OK) {
        vs_buf b = {0};
        VS_ASSERT(vs_entry_encode(&b, e, &diag) == VS_OK);
        VS_ASSERT(vs_entry_decode(again, kind, b.p, b.len, &diag) == VS_OK);
        VS_ASSERT(memcmp(e, again, sizeof *e) == 0);
        vs_buf_free(&b);
    } else {
        VS_ASSERT(e->kind == 0);
    }
    free(e);
    free(again);
    return 0;
}
