/* A client's receipt, from anywhere. */
#include <stddef.h>
#include <stdint.h>

#include "net/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_receipt_verdict verdict;
    (void)!vs_receipt_verify(&verdict, data, size, NULL, NULL);
    return 0;
}
