/* What a trainer says about its update (update-N.json): refused with one line, or words in their
 * ranges. */
#include <string.h>

#include "cli/watch_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_watch_words words = {.weight = 7, .purpose = "before"};
    const vs_watch_words before = words;
    vs_diag diag = {{0}};
    if (vs_watch_parse_words(&words, data, size, "fuzz", &diag) != VS_OK) {
        VS_ASSERT(strncmp(diag.text, "fuzz: ", 6) == 0);
        VS_ASSERT(words.weight == before.weight && !words.has_metrics);
        VS_ASSERT(strcmp(words.purpose, before.purpose) == 0);
        return 0;
    }
    VS_ASSERT(words.weight >= 1);
    VS_ASSERT(memchr(words.purpose, '\0', sizeof words.purpose) != NULL);
    return 0;
}
