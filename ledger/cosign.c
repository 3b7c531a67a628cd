#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "ledger/note.h"

enum { HEAD_MAX = 64 };

/* "cosignature/v1\ntime <t>\n" || text; returns its length. */
static size_t make_message(uint8_t out[HEAD_MAX + VS_NOTE_MAX_BYTES], const char *text,
                           size_t text_len, uint64_t unix_time_s)
{
    char head[HEAD_MAX];
    int n =
        snprintf(head, sizeof head, "cosignature/v1\ntime %llu\n", (unsigned long long)unix_time_s);
    VS_ASSERT(n > 0 && n < HEAD_MAX);
    memcpy(out, head, (size_t)n);
    memcpy(out + n, text, text_len);
    return (size_t)n + text_len;
}

void vs_cosign(uint8_t out[VS_COSIGNATURE_BYTES], const char *text, size_t text_len,
               uint64_t unix_time_s, const uint8_t seed[32])
{
    uint8_t message[HEAD_MAX + VS_NOTE_MAX_BYTES];
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    VS_ASSERT(text_len <= VS_NOTE_MAX_BYTES);
    size_t len = make_message(message, text, text_len, unix_time_s);
    (void)crypto_sign_seed_keypair(public_key, secret, seed); /* cannot fail */
    vs_store_be64(out, unix_time_s);
    (void)crypto_sign_detached(out + 8, NULL, message, len, secret);
    sodium_memzero(secret, sizeof secret);
}

vs_err vs_cosign_verify(const uint8_t sig[VS_COSIGNATURE_BYTES], const char *text, size_t text_len,
                        const vs_note_key *key)
{
    uint8_t message[HEAD_MAX + VS_NOTE_MAX_BYTES];
    if (text_len > VS_NOTE_MAX_BYTES || key->type != VS_NOTE_COSIGNATURE) return VS_ERR_PROOF;
    size_t len = make_message(message, text, text_len, vs_load_be64(sig));
    int bad = crypto_sign_verify_detached(sig + 8, message, len, key->public_key.b);
    return bad == 0 ? VS_OK : VS_ERR_PROOF;
}
