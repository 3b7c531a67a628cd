/* A federation file from anywhere: refused with one line, or the same again after format. */
#include <stdlib.h>
#include <string.h>

#include "net/federation.h"
#include "net/json_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"", "name", "admin.key", "shareholders[1].address",
                                        "a[0][1]"};
    vs_federation *fed;
    vs_diag diag = {{0}};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        VS_ASSERT(vs_json_line(data, size, paths[i]) >= 1);
    }
    if (vs_federation_parse(&fed, data, size, "fuzz", &diag) != VS_OK) {
        VS_ASSERT(fed == NULL && diag.text[0] != '\0');
        VS_ASSERT(strchr(diag.text, '\n') == NULL);
        return 0;
    }
    vs_buf text = {0};
    vs_buf again = {0};
    vs_federation *second;
    VS_ASSERT(vs_federation_format(&text, fed, &diag) == VS_OK);
    VS_ASSERT(vs_federation_parse(&second, text.p, text.len, "fuzz", &diag) == VS_OK);
    VS_ASSERT(vs_federation_format(&again, second, &diag) == VS_OK);
    VS_ASSERT(again.len == text.len && memcmp(again.p, text.p, text.len) == 0);
    vs_federation_free(second);
    vs_federation_free(fed);
    vs_buf_free(&text);
    vs_buf_free(&again);
    return 0;
}
