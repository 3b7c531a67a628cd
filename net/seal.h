/* net/seal.h - sealing to a round key: X25519, BLAKE2b, AES-256-GCM per chunk (docs/WIRE.md
 * "Sealing").
 *
 * STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizar 2015): chunk index and "last" flag in
 * the nonce. One fresh key per submission and shareholder, so the nonce never repeats under a key.
 */
#ifndef VS_NET_SEAL_H
#define VS_NET_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define VS_SEAL_TAG_BYTES 16u
#define VS_SEAL_CHUNK_MAX 65536u /* plaintext bytes of a chunk */

typedef struct vs_seal vs_seal; /* opaque: holds the key */

/* Public key of an X25519 secret. */
void vs_seal_public(vs_h32 *pk, const uint8_t secret[32]);

/* Key for sealing with our ephemeral secret to their round key. VS_ERR_PROOF if the shared secret
 * is all-zero. The caller owns *out. */
VS_MUST_CHECK vs_err vs_seal_new_sender(vs_seal **out, const uint8_t ephemeral_secret[32],
                                        const vs_h32 *round_key, const vs_h32 *ctx, uint32_t j);
/* The same key at the receiver. */
VS_MUST_CHECK vs_err vs_seal_new_receiver(vs_seal **out, const uint8_t round_secret[32],
                                          const vs_h32 *ephemeral_key, const vs_h32 *ctx,
                                          uint32_t j);
void vs_seal_free(vs_seal *seal);

/* out: len + 16 bytes; len <= VS_SEAL_CHUNK_MAX. in may be empty but not alias out. */
VS_MUST_CHECK vs_err vs_seal_chunk(vs_seal *seal, uint8_t *out, const void *in, size_t len,
                                   uint32_t chunk, bool last);
/* in: len >= 16 bytes with the tag; out: len - 16 bytes, zeroed on VS_ERR_PROOF. */
VS_MUST_CHECK vs_err vs_unseal_chunk(vs_seal *seal, uint8_t *out, const uint8_t *in, size_t len,
                                     uint32_t chunk, bool last);

/* Shapes. Share of M columns: chunk 0 is the nonce; a vector has ceil(8(M+2)/65536) more chunks, a
 * seed one. */
uint32_t vs_sealed_share_chunks(uint32_t columns, bool is_seed);
uint64_t vs_sealed_share_len(uint32_t columns, bool is_seed);
/* Plaintext length of chunk c of such a share. */
uint32_t vs_sealed_share_plain(uint32_t columns, bool is_seed, uint32_t c);
/* Sum share of M columns: ceil(8M/65536) chunks. */
uint32_t vs_sealed_sum_chunks(uint32_t columns);

#endif /* VS_NET_SEAL_H */
