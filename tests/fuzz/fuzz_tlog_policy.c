/* Policies as text: parsed, and asked about a note that is not one. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ledger/policy_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_tlog_policy *policy = malloc(sizeof *policy);
    vs_tlog_result *result = malloc(sizeof *result);
    if (policy != NULL && result != NULL &&
        vs_tlog_policy_parse(policy, data, size, NULL) == VS_OK) {
        (void)!vs_tlog_policy_verify(result, policy, data, size, NULL);
    }
    free(policy);
    free(result);
    return 0;
}
