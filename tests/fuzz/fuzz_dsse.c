#include "ledger/dsse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Properties: a refusal leaves nothing behind; what parses verifies under no key but its own. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const vs_h32 nobody = {{1}};
    vs_dsse d;
    vs_diag diag;
    if (vs_dsse_parse(&d, data, size, &diag) != VS_OK) {
        VS_ASSERT(d.payload.p == NULL && d.n_signatures == 0);
        return 0;
    }
    VS_ASSERT(d.n_signatures >= 1 && d.n_signatures <= VS_DSSE_SIGNATURES_MAX);
    VS_ASSERT(vs_dsse_verify(&d, &nobody, &diag) != VS_OK);
    (void)!vs_dsse_verify(&d, &d.keyid[0], &diag);
    vs_dsse_free(&d);
    return 0;
}
