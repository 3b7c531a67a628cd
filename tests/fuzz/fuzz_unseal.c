/* Sealed chunks: the bytes that were sealed open under their own number and flag, and nothing else
 * opens. */
#include <stdlib.h>
#include <string.h>

#include "net/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t round_secret[32] = {1};
static const uint8_t ephemeral_secret[32] = {2};
static const vs_h32 ctx = {{3}};

static bool is_zero(const uint8_t *p, size_t len)
{
    uint8_t all = 0;
    for (size_t i = 0; i < len; i++) all |= p[i];
    return all == 0;
}

/* Any bytes as a chunk. */
static void raw(vs_seal *receiver, const uint8_t *data, size_t size)
{
    uint8_t *out = malloc(size + 1);
    VS_ASSERT(out != NULL);
    memset(out, 0xee, size + 1);
    if (size >= VS_SEAL_TAG_BYTES && size <= VS_SEAL_CHUNK_MAX + VS_SEAL_TAG_BYTES) {
        VS_ASSERT(vs_unseal_chunk(receiver, out, data, size, 0, true) == VS_ERR_PROOF);
        VS_ASSERT(is_zero(out, size - VS_SEAL_TAG_BYTES));
    }
    free(out);
}

/* A chunk of ours, and what the input does to it. */
static void changed(vs_seal *sender, vs_seal *receiver, vs_reader *in)
{
    uint32_t number = vs_read_u32(in), other = vs_read_u8(in);
    bool last = vs_read_u8(in) & 1, flip = vs_read_u8(in) % 4 == 0;
    size_t at = vs_read_u32(in);
    uint8_t mask = vs_read_u8(in);
    size_t len = in->left < VS_SEAL_CHUNK_MAX ? in->left : VS_SEAL_CHUNK_MAX;
    uint8_t *sealed = malloc(len + VS_SEAL_TAG_BYTES), *out = malloc(len + 1);
    VS_ASSERT(sealed != NULL && out != NULL);
    VS_ASSERT(vs_seal_chunk(sender, sealed, in->next, len, number, last) == VS_OK);
    at %= len + VS_SEAL_TAG_BYTES;
    sealed[at] ^= mask;
    vs_err err = vs_unseal_chunk(receiver, out, sealed, len + VS_SEAL_TAG_BYTES, number ^ other,
                                 last != flip);
    VS_ASSERT(err == (mask == 0 && other == 0 && !flip ? VS_OK : VS_ERR_PROOF));
    VS_ASSERT(err == VS_OK ? len == 0 || memcmp(out, in->next, len) == 0 : is_zero(out, len));
    free(sealed);
    free(out);
}

/* Any 32 bytes as the other side's key: a key of small order is refused. */
static void keys(vs_reader *in)
{
    vs_h32 key;
    vs_seal *seal = NULL;
    vs_read_h32(in, &key);
    vs_err err = vs_seal_new_receiver(&seal, round_secret, &key, &ctx, 1);
    VS_ASSERT((err == VS_OK) == (seal != NULL) && (err == VS_OK || err == VS_ERR_PROOF));
    vs_seal_free(seal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_reader in = vs_reader_of(data, size);
    vs_seal *sender = NULL, *receiver = NULL;
    vs_h32 round_key, ephemeral_key;
    vs_seal_public(&round_key, round_secret);
    vs_seal_public(&ephemeral_key, ephemeral_secret);
    VS_ASSERT(vs_seal_new_sender(&sender, ephemeral_secret, &round_key, &ctx, 1) == VS_OK);
    VS_ASSERT(vs_seal_new_receiver(&receiver, round_secret, &ephemeral_key, &ctx, 1) == VS_OK);
    switch (vs_read_u8(&in) % 3) {
    case 0: raw(receiver, in.next, in.left); break;
    case 1: changed(sender, receiver, &in); break;
    default: keys(&in); break;
    }
    vs_seal_free(sender);
    vs_seal_free(receiver);
    return 0;
}
