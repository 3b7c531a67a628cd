/* The head of an HTTP request: what is accepted has the promised form. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "net/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > VS_HTTP_HEAD_MAX) return 0;
    char *bytes = malloc(size + 1);
    if (bytes == NULL) return 0;
    memcpy(bytes, data, size);
    size_t len = vs_http_head_length(bytes, size);
    vs_http_head head;
    VS_ASSERT(len <= size);
    if (len > 0 && vs_http_head_read(&head, bytes, len) == 0) {
        VS_ASSERT(head.path[0] == '/' && strstr(head.path, "/../") == NULL);
        VS_ASSERT(strstr(head.path, "//") == NULL && strlen(head.method) > 0);
        VS_ASSERT(head.n <= VS_HTTP_HEADERS_MAX);
        for (uint32_t i = 0; i < head.n; i++) {
            VS_ASSERT(strlen(head.name[i]) > 0 && strpbrk(head.value[i], "\r\n") == NULL);
        }
    }
    free(bytes);
    return 0;
}
