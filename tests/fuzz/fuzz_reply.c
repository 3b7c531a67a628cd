/* Whatever bytes arrive as a reply: refused, or decoded into something that encodes again. */
#include "net/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_reply got;
    vs_reply again;
    vs_buf out = {0};
    if (vs_reply_decode(&got, data, size) != VS_OK) return 0;
    VS_ASSERT(got.body + got.body_len == data + size);
    VS_ASSERT(vs_reply_encode(&out, &got.head, got.body, got.body_len) == VS_OK);
    VS_ASSERT(vs_reply_decode(&again, out.p, out.len) == VS_OK);
    VS_ASSERT(again.head.which_result == got.head.which_result && again.body_len == got.body_len);
    vs_buf_free(&out);
    return 0;
}
