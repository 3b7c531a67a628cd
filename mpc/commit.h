/* mpc/commit.h - commitments, context and challenges (PROTOCOL.md "Commitments", fixed).
 *
 * H = SHA-256 with a label; integers little-endian. c_j hides share j by its 32 fresh random
 * bytes nonce_j; C binds all of them; rho is drawn from C. */
#ifndef VS_MPC_COMMIT_H
#define VS_MPC_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "mpc/field.h"
#include "mpc/parallel.h"

#define VS_CHUNK_BYTES 65536u                            /* leaves of R_j */
#define VS_CHUNK_ELEMENTS (VS_CHUNK_BYTES / VS_FE_BYTES) /* 8192 */
#define VS_NONCE_BYTES 32u

typedef struct vs_round_id {
    vs_h32 federation_id;
    uint64_t round;
} vs_round_id;

/* pseudonym = H("veilsum/v1 pseudonym" || federation_id || round || client_key || salt) */
void vs_pseudonym(vs_h32 *out, const vs_round_id *id, const vs_h32 *client_key, const vs_h32 *salt);
/* ctx = H("veilsum/v1 context" || federation_id || round || model || params || pseudonym) */
void vs_context(vs_h32 *out, const vs_round_id *id, const vs_h32 *model_hash,
                const vs_h32 *params_hash, const vs_h32 *pseudonym);

/* R_j: RFC 6962 root over share bytes cut into 65,536-byte leaves. Feed bytes in any pieces. */
typedef struct vs_share_root {
    vs_merkle tree;
    vs_hash leaf;
    uint32_t leaf_len;
    bool ended; /* the last leaf, shorter than the others, is in */
} vs_share_root;
void vs_share_root_init(vs_share_root *r);
void vs_share_root_update(vs_share_root *r, const void *data, size_t len);
/* Whole leaves of several vectors at once: data[i][0..len) is the next leaf of roots[i], which may
 * stand there several times. len is VS_CHUNK_BYTES, or less for the last leaf of each; no root may
 * be inside a leaf or past its last (VS_ASSERT). Same roots as vs_share_root_update, faster; the
 * pool's threads hash (NULL: this one only). */
void vs_share_root_leaves(vs_share_root *const *roots, const uint8_t *const *data, size_t len,
                          size_t count, vs_pool *pool);
void vs_share_root_final(vs_share_root *r, vs_h32 *out);
/* init, all of data[0..len), final: leaves hashed many at once. */
void vs_share_root_of(vs_h32 *out, const void *data, size_t len);
/* R_j of a seed share (j <= t): the single leaf is the 32-byte seed. */
void vs_share_root_seed(vs_h32 *out, const uint8_t seed[32]);

/* c_j = H("veilsum/v1 share" || ctx || u32 j || nonce_j || R_j) */
void vs_commit_share(vs_h32 *out, const vs_h32 *ctx, uint32_t j, const uint8_t nonce[32],
                     const vs_h32 *root);
/* C = RFC 6962 root with leaf data c[0], c[1], ... */
void vs_commit_root(vs_h32 *out, const vs_h32 *c, uint32_t count);
/* rho = elements 0 and 1 of stream 1 under H("veilsum/v1 challenge" || ctx || C). */
VS_MUST_CHECK vs_err vs_challenge(vs_fe2 *rho, const vs_h32 *ctx, const vs_h32 *commit_root);

/* H("veilsum/v1 answer" || federation_id || round || u32 j || M elements): start, feed the
 * element bytes, final. */
void vs_answer_hash_start(vs_hash *h, const vs_round_id *id, uint32_t j);
/* H("veilsum/v1 result" || federation_id || round || u32 |U| || L sums as u64): start, feed
 * each sum with vs_hash_u64, final. */
void vs_result_hash_start(vs_hash *h, const vs_round_id *id, uint32_t n_clients);

#endif /* VS_MPC_COMMIT_H */
