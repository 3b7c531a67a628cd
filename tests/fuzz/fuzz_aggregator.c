/* The aggregator under damaged replies, damaged and made-up requests, deaths and losses: the sum is
 * exact or there is none, the log is valid, nobody contradicts itself (tests/net/support_storm.h).
 */
#include "tests/net/support_storm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096) return -1;
    (void)vs_storm_run(VS_STORM_AGGREGATOR, data, size);
    return 0;
}
