/* base/hash.h - SHA-256 (FIPS 180-4) with labels, and the RFC 6962 tree root.
 *
 * H in the protocol is vs_hash over a label (its ASCII bytes and one zero byte) followed
 * by fixed little-endian fields. Merkle hashes are unlabelled, as RFC 6962 section 2.1 says.
 * Timing: depends on lengths only. No function here can fail or allocates. */
#ifndef VS_BASE_HASH_H
#define VS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

typedef struct vs_hash {
    uint64_t state[16]; /* libcrypto's SHA256_CTX, kept out of this header */
} vs_hash;

void vs_hash_init(vs_hash *h);
/* init, then the label and its zero byte. */
void vs_hash_start(vs_hash *h, const char *label);
void vs_hash_bytes(vs_hash *h, const void *data, size_t len);
void vs_hash_u32(vs_hash *h, uint32_t v);
void vs_hash_u64(vs_hash *h, uint64_t v);
void vs_hash_h32(vs_hash *h, const vs_h32 *v);
/* Writes the digest and wipes the state. */
void vs_hash_final(vs_hash *h, vs_h32 *out);

/* Plain SHA-256 of one buffer, for content addresses and what other standards define. */
void vs_sha256(vs_h32 *out, const void *data, size_t len);

/* --- RFC 6962 section 2.1 ---------------------------------------------------------------- */

void vs_merkle_leaf(vs_h32 *out, const void *data, size_t len);            /* H(0x00 || d) */
void vs_merkle_node(vs_h32 *out, const vs_h32 *left, const vs_h32 *right); /* H(0x01 || l || r) */
/* out[i] = H(0x00 || data[i][0..len)) for i < count: the leaves of equal length of one or several
 * trees, several of them at once where the processor can (VEILSUM_ISA as in mpc/isa.h). */
void vs_merkle_leaves(vs_h32 *out, const uint8_t *const *data, size_t len, size_t count);

/* Compact range of an append-only tree: one hash per set bit of size, largest subtree first.
 * Copyable; size < 2^63. */
typedef struct vs_merkle {
    uint64_t size;
    uint32_t n_nodes;
    vs_h32 node[64];
} vs_merkle;

void vs_merkle_init(vs_merkle *m);
void vs_merkle_append(vs_merkle *m, const vs_h32 *leaf_hash);
/* Root of the leaves so far; SHA-256 of nothing for size 0. */
void vs_merkle_root(const vs_merkle *m, vs_h32 *out);

#endif /* VS_BASE_HASH_H */
