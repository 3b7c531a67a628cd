#include <string.h>

#include "base/hash.h"
#include "mpc/share_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decode, and check: a refusal leaves zero; what is accepted has exactly this text. */
static void check(const uint8_t *data, size_t size)
{
    vs_share share;
    vs_diag diag;
    vs_buf again = {0};
    vs_err err = vs_share_decode(&share, data, size, &diag);
    VS_ASSERT(err == VS_OK || (share.payload.p == NULL && share.set.n == 0 && share.x == 0));
    if (err != VS_OK) return;
    VS_ASSERT(share.set.t >= 2 && share.set.t <= share.set.n && share.x <= share.set.n);
    VS_ASSERT(share.payload.len == vs_share_payload_bytes(&share.set));
    VS_ASSERT(vs_share_encode(&again, &share.set, share.x, share.nonce, share.payload.p) == VS_OK);
    VS_ASSERT(again.len == size && memcmp(again.p, data, size) == 0);
    vs_buf_free_secret(&again);
    vs_share_free(&share);
}

/* As it is, and with a checksum that fits, so that the members behind it are reached. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_buf text = {0};
    vs_hash h;
    vs_h32 sum;
    char hex[VS_HEX_CHARS(32)];
    check(data, size);
    if (size < 74) return 0;
    vs_hash_start(&h, "veilsum-share-checksum-v1");
    vs_hash_bytes(&h, data, size - 74);
    vs_hash_final(&h, &sum);
    vs_hex_encode(hex, &sum, sizeof sum);
    vs_buf_bytes(&text, data, size - 74);
    vs_buf_printf(&text, "checksum %s\n", hex);
    VS_ASSERT(vs_buf_check(&text) == VS_OK);
    check(text.p, text.len);
    vs_buf_free(&text);
    return 0;
}
