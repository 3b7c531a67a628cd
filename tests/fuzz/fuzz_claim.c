#include <stdlib.h>

#include "net/claim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Property: a claim is refused with a message, or has ascending rounds and a signature that holds.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_claim_file claim;
    vs_diag diag = {0};
    if (vs_claim_parse(&claim, data, size, "f", &diag) != VS_OK) {
        VS_ASSERT(claim.item == NULL && diag.text[0] == 'f');
        return 0;
    }
    VS_ASSERT(claim.n >= 1 && claim.n <= VS_CLAIM_MAX && claim.reader[0] != '\0');
    for (uint32_t i = 1; i < claim.n; i++) {
        VS_ASSERT(claim.item[i].round > claim.item[i - 1].round);
    }
    vs_claim_free(&claim);
    return 0;
}
