/* A vector file from anywhere: computed, or refused with one line, or answered with a report whose
 * lines end; the same again for the same bytes. */
#include <string.h>

#include "net/vectors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed_bytes[] = {1};
    const vs_vectors_seed seed = {.bytes = seed_bytes, .len = sizeof seed_bytes};
    vs_buf report = {0}, again = {0};
    vs_diag diag = {{0}};
    vs_err err = vs_vectors_check(&report, data, size, "fuzz", NULL, &diag);
    VS_ASSERT((err == VS_OK) == (report.len == 0 && diag.text[0] == '\0'));
    VS_ASSERT(report.len == 0 || (err == VS_ERR_PROOF && report.p[report.len - 1] == '\n'));
    VS_ASSERT(strchr(diag.text, '\n') == NULL);
    VS_ASSERT(vs_vectors_check(&again, data, size, "fuzz", NULL, &diag) == err);
    VS_ASSERT(again.len == report.len &&
              (report.len == 0 || memcmp(again.p, report.p, report.len) == 0));
    vs_buf_reset(&again);
    (void)!vs_vectors_check(&again, data, size, "fuzz", &seed, &diag);
    vs_buf_free(&report);
    vs_buf_free(&again);
    return 0;
}
