#include "net/seal.h"

#include <string.h>

#include <openssl/evp.h>
#include <sodium.h>

#include "base/ct.h"
#include "mpc/commit.h"
#include "mpc/params.h"

#define KEY_BYTES 32u
#define GCM_NONCE_BYTES 12u

struct vs_seal { /* in sodium_malloc memory */
    uint8_t key[KEY_BYTES];
    EVP_CIPHER_CTX *cipher; /* libcrypto wipes its key schedule when freed */
    int direction;          /* what cipher is set up for: 1 seal, 0 unseal, -1 nothing yet */
};

void vs_seal_public(vs_h32 *pk, const uint8_t secret[32])
{
    VS_ASSERT(pk != NULL && secret != NULL);
    VS_ASSERT(sodium_init() >= 0);
    VS_ASSERT(crypto_scalarmult_base(pk->b, secret) == 0);
}

/* key = BLAKE2b-256(label | shared | ephemeral_key | round_key | ctx | u32 j) */
static void derive_key(uint8_t key[KEY_BYTES], const uint8_t shared[32],
                       const vs_h32 *ephemeral_key, const vs_h32 *round_key, const vs_h32 *ctx,
                       uint32_t j)
{
    static const char label[] = "veilsum/v1 seal"; /* with its zero byte */
    crypto_generichash_state state;
    uint8_t le[4];
    vs_store_le32(le, j);
    VS_ASSERT(crypto_generichash_init(&state, NULL, 0, KEY_BYTES) == 0);
    (void)crypto_generichash_update(&state, (const uint8_t *)label, sizeof label);
    (void)crypto_generichash_update(&state, shared, 32);
    (void)crypto_generichash_update(&state, ephemeral_key->b, sizeof ephemeral_key->b);
    (void)crypto_generichash_update(&state, round_key->b, sizeof round_key->b);
    (void)crypto_generichash_update(&state, ctx->b, sizeof ctx->b);
    (void)crypto_generichash_update(&state, le, sizeof le);
    (void)crypto_generichash_final(&state, key, KEY_BYTES);
    sodium_memzero(&state, sizeof state);
}

/* secret is ours, other is theirs; ephemeral_key and round_key are the same two keys at both
 * ends. */
static vs_err make(vs_seal **out, const uint8_t secret[32], const vs_h32 *other,
                   const vs_h32 *ephemeral_key, const vs_h32 *round_key, const vs_h32 *ctx,
                   uint32_t j)
{
    uint8_t shared[crypto_scalarmult_BYTES];
    vs_err err = VS_OK;
    *out = NULL;
    vs_seal *seal = sodium_malloc(sizeof *seal);
    if (seal == NULL) return VS_ERR_NOMEM;
    memset(seal, 0, sizeof *seal);
    seal->direction = -1;
    seal->cipher = EVP_CIPHER_CTX_new();
    if (seal->cipher == NULL) {
        err = VS_ERR_NOMEM;
        goto cleanup;
    }
    /* libsodium gives -1 for an all-zero result: a low-order point would make the key public. */
    int verdict = crypto_scalarmult(shared, secret, other->b);
    VS_CT_PUBLIC(&verdict, sizeof verdict); /* says something about their key only */
    if (verdict != 0) {
        err = VS_ERR_PROOF;
        goto cleanup;
    }
    derive_key(seal->key, shared, ephemeral_key, round_key, ctx, j);
    *out = seal;
    seal = NULL;

cleanup:
    sodium_memzero(shared, sizeof shared);
    vs_seal_free(seal);
    return err;
}

vs_err vs_seal_new_sender(vs_seal **out, const uint8_t ephemeral_secret[32],
                          const vs_h32 *round_key, const vs_h32 *ctx, uint32_t j)
{
    vs_h32 ephemeral_key;
    VS_ASSERT(out != NULL && ephemeral_secret != NULL && round_key != NULL && ctx != NULL);
    vs_seal_public(&ephemeral_key, ephemeral_secret);
    return make(out, ephemeral_secret, round_key, &ephemeral_key, round_key, ctx, j);
}

vs_err vs_seal_new_receiver(vs_seal **out, const uint8_t round_secret[32],
                            const vs_h32 *ephemeral_key, const vs_h32 *ctx, uint32_t j)
{
    vs_h32 round_key;
    VS_ASSERT(out != NULL && round_secret != NULL && ephemeral_key != NULL && ctx != NULL);
    vs_seal_public(&round_key, round_secret);
    return make(out, round_secret, ephemeral_key, ephemeral_key, &round_key, ctx, j);
}

void vs_seal_free(vs_seal *seal)
{
    if (seal == NULL) return;
    EVP_CIPHER_CTX_free(seal->cipher);
    sodium_free(seal); /* wipes */
}

/* Ready for one chunk in this direction. The key schedule is made once per direction. */
static vs_err begin(vs_seal *seal, uint32_t chunk, bool last, int direction)
{
    uint8_t nonce[GCM_NONCE_BYTES] = {0};
    bool fresh = seal->direction != direction;
    vs_store_le32(nonce, chunk);
    nonce[4] = last ? 1 : 0;
    int ok = EVP_CipherInit_ex(seal->cipher, fresh ? EVP_aes_256_gcm() : NULL, NULL,
                               fresh ? seal->key : NULL, nonce, direction);
    seal->direction = ok == 1 ? direction : -1;
    return ok == 1 ? VS_OK : VS_ERR_NOMEM; /* libcrypto fails here only for want of memory */
}

vs_err vs_seal_chunk(vs_seal *seal, uint8_t *out, const void *in, size_t len, uint32_t chunk,
                     bool last)
{
    VS_ASSERT(seal != NULL && out != NULL && (in != NULL || len == 0));
    VS_ASSERT(len <= VS_SEAL_CHUNK_MAX);
    int n = 0, n_final = 0;
    vs_err err = begin(seal, chunk, last, 1);
    if (err != VS_OK) goto cleanup;
    if ((len > 0 && EVP_EncryptUpdate(seal->cipher, out, &n, in, (int)len) != 1) ||
        EVP_EncryptFinal_ex(seal->cipher, out + len, &n_final) != 1 ||
        EVP_CIPHER_CTX_ctrl(seal->cipher, EVP_CTRL_AEAD_GET_TAG, VS_SEAL_TAG_BYTES, out + len) !=
            1) {
        err = VS_ERR_NOMEM;
    }

cleanup:
    if (err != VS_OK) sodium_memzero(out, len + VS_SEAL_TAG_BYTES);
    return err;
}

vs_err vs_unseal_chunk(vs_seal *seal, uint8_t *out, const uint8_t *in, size_t len, uint32_t chunk,
                       bool last)
{
    VS_ASSERT(seal != NULL && in != NULL && len >= VS_SEAL_TAG_BYTES);
    VS_ASSERT(len <= VS_SEAL_CHUNK_MAX + VS_SEAL_TAG_BYTES);
    VS_ASSERT(out != NULL || len == VS_SEAL_TAG_BYTES);
    size_t plain = len - VS_SEAL_TAG_BYTES;
    uint8_t tag[VS_SEAL_TAG_BYTES], rest[VS_SEAL_TAG_BYTES];
    int n = 0, n_final = 0;
    memcpy(tag, in + plain, sizeof tag);
    vs_err err = begin(seal, chunk, last, 0);
    if (err == VS_OK &&
        ((plain > 0 && EVP_DecryptUpdate(seal->cipher, out, &n, in, (int)plain) != 1) ||
         EVP_CIPHER_CTX_ctrl(seal->cipher, EVP_CTRL_AEAD_SET_TAG, VS_SEAL_TAG_BYTES, tag) != 1)) {
        err = VS_ERR_NOMEM;
    }
    if (err == VS_OK && EVP_DecryptFinal_ex(seal->cipher, rest, &n_final) != 1) err = VS_ERR_PROOF;
    /* Nothing that was not authenticated is let out. */
    if (err != VS_OK && plain > 0) sodium_memzero(out, plain);
    return err;
}

/* --- shapes ---------------------------------------------------------------------------------- */

static uint64_t vector_bytes(uint32_t columns)
{
    VS_ASSERT(columns <= VS_COLUMNS_MAX - VS_MASK_COLUMNS);
    return (uint64_t)(columns + VS_MASK_COLUMNS) * VS_FE_BYTES;
}

static uint32_t chunks_of(uint64_t bytes)
{
    return (uint32_t)((bytes + VS_SEAL_CHUNK_MAX - 1) / VS_SEAL_CHUNK_MAX);
}

uint32_t vs_sealed_share_chunks(uint32_t columns, bool is_seed)
{
    return 1 + (is_seed ? 1 : chunks_of(vector_bytes(columns)));
}

uint64_t vs_sealed_share_len(uint32_t columns, bool is_seed)
{
    uint64_t plain = VS_NONCE_BYTES + (is_seed ? 32 : vector_bytes(columns));
    return plain + (uint64_t)vs_sealed_share_chunks(columns, is_seed) * VS_SEAL_TAG_BYTES;
}

uint32_t vs_sealed_share_plain(uint32_t columns, bool is_seed, uint32_t c)
{
    VS_ASSERT(c < vs_sealed_share_chunks(columns, is_seed));
    if (c == 0) return VS_NONCE_BYTES;
    if (is_seed) return 32;
    uint64_t left = vector_bytes(columns) - (uint64_t)(c - 1) * VS_SEAL_CHUNK_MAX;
    return left < VS_SEAL_CHUNK_MAX ? (uint32_t)left : VS_SEAL_CHUNK_MAX;
}

uint32_t vs_sealed_sum_chunks(uint32_t columns)
{
    VS_ASSERT(columns <= VS_COLUMNS_MAX - VS_MASK_COLUMNS);
    return chunks_of((uint64_t)columns * VS_FE_BYTES);
}
