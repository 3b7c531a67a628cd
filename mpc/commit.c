#include "mpc/commit.h"

#include <sodium.h>

#include "mpc/prg.h"

#define LEAVES_AT_ONCE 128u
#define LEAVES_TOGETHER 16u /* of one vector */

static void start_round(vs_hash *h, const char *label, const vs_round_id *id)
{
    vs_hash_start(h, label);
    vs_hash_h32(h, &id->federation_id);
    vs_hash_u64(h, id->round);
}

void vs_pseudonym(vs_h32 *out, const vs_round_id *id, const vs_h32 *client_key, const vs_h32 *salt)
{
    vs_hash h;
    start_round(&h, "veilsum/v1 pseudonym", id);
    vs_hash_h32(&h, client_key);
    vs_hash_h32(&h, salt);
    vs_hash_final(&h, out);
}

void vs_context(vs_h32 *out, const vs_round_id *id, const vs_h32 *model_hash,
                const vs_h32 *params_hash, const vs_h32 *pseudonym)
{
    vs_hash h;
    start_round(&h, "veilsum/v1 context", id);
    vs_hash_h32(&h, model_hash);
    vs_hash_h32(&h, params_hash);
    vs_hash_h32(&h, pseudonym);
    vs_hash_final(&h, out);
}

void vs_share_root_init(vs_share_root *r)
{
    vs_merkle_init(&r->tree);
    r->leaf_len = 0;
    r->ended = false;
}

static void end_leaf(vs_share_root *r)
{
    vs_h32 leaf;
    vs_hash_final(&r->leaf, &leaf);
    vs_merkle_append(&r->tree, &leaf);
    r->leaf_len = 0;
}

void vs_share_root_update(vs_share_root *r, const void *data, size_t len)
{
    const uint8_t leaf_prefix = 0x00; /* RFC 6962 section 2.1 */
    const uint8_t *next = data;
    VS_ASSERT(len == 0 || !r->ended);
    while (len > 0) {
        if (r->leaf_len == 0) {
            vs_hash_init(&r->leaf);
            vs_hash_bytes(&r->leaf, &leaf_prefix, 1);
        }
        size_t room = VS_CHUNK_BYTES - r->leaf_len;
        size_t part = len < room ? len : room;
        vs_hash_bytes(&r->leaf, next, part);
        r->leaf_len += (uint32_t)part;
        next += part;
        len -= part;
        if (r->leaf_len == VS_CHUNK_BYTES) end_leaf(r);
    }
}

typedef struct leaf_work {
    vs_h32 leaf[LEAVES_AT_ONCE];
    const uint8_t *const *data;
    size_t len, count;
    size_t piece; /* leaves that a thread takes at a time */
} leaf_work;

static void hash_leaves(void *ctx, size_t item, uint32_t thread)
{
    leaf_work *w = ctx;
    size_t at = item * w->piece, left = w->count - at;
    (void)thread;
    vs_merkle_leaves(w->leaf + at, w->data + at, w->len, left < w->piece ? left : w->piece);
}

void vs_share_root_leaves(vs_share_root *const *roots, const uint8_t *const *data, size_t len,
                          size_t count, vs_pool *pool)
{
    leaf_work w = {.len = len};
    const size_t threads = vs_pool_threads(pool);
    VS_ASSERT(len >= 1 && len <= VS_CHUNK_BYTES);
    for (size_t done = 0; done < count; done += w.count) {
        w.data = data + done;
        w.count = count - done < LEAVES_AT_ONCE ? count - done : LEAVES_AT_ONCE;
        w.piece = (w.count + threads - 1) / threads;
        vs_pool_run(pool, (w.count + w.piece - 1) / w.piece, hash_leaves, &w);
        for (size_t i = 0; i < w.count; i++) {
            vs_share_root *r = roots[done + i];
            VS_ASSERT(r->leaf_len == 0 && !r->ended);
            vs_merkle_append(&r->tree, &w.leaf[i]);
            r->ended = len < VS_CHUNK_BYTES;
        }
    }
    sodium_memzero(&w, sizeof w);
}

void vs_share_root_final(vs_share_root *r, vs_h32 *out)
{
    if (r->leaf_len != 0) end_leaf(r);
    vs_merkle_root(&r->tree, out);
    /* Hashes of low-entropy chunks without a nonce would let a reader test guesses. */
    sodium_memzero(r, sizeof *r);
}

void vs_share_root_of(vs_h32 *out, const void *data, size_t len)
{
    vs_share_root root, *roots[LEAVES_TOGETHER];
    const uint8_t *piece[LEAVES_TOGETHER], *next = data;
    vs_share_root_init(&root);
    for (size_t i = 0; i < LEAVES_TOGETHER; i++) roots[i] = &root;
    while (len >= VS_CHUNK_BYTES) {
        size_t n = 0;
        for (; n < LEAVES_TOGETHER && len >= VS_CHUNK_BYTES; n++, len -= VS_CHUNK_BYTES) {
            piece[n] = next;
            next += VS_CHUNK_BYTES;
        }
        vs_share_root_leaves(roots, piece, VS_CHUNK_BYTES, n, NULL);
    }
    vs_share_root_update(&root, next, len);
    vs_share_root_final(&root, out);
}

void vs_share_root_seed(vs_h32 *out, const uint8_t seed[32])
{
    vs_merkle_leaf(out, seed, 32);
}

void vs_commit_share(vs_h32 *out, const vs_h32 *ctx, uint32_t j, const uint8_t nonce[32],
                     const vs_h32 *root)
{
    vs_hash h;
    vs_hash_start(&h, "veilsum/v1 share");
    vs_hash_h32(&h, ctx);
    vs_hash_u32(&h, j);
    vs_hash_bytes(&h, nonce, VS_NONCE_BYTES);
    vs_hash_h32(&h, root);
    vs_hash_final(&h, out);
}

void vs_commit_root(vs_h32 *out, const vs_h32 *c, uint32_t count)
{
    vs_merkle tree;
    vs_merkle_init(&tree);
    for (uint32_t i = 0; i < count; i++) {
        vs_h32 leaf;
        vs_merkle_leaf(&leaf, c[i].b, sizeof c[i].b);
        vs_merkle_append(&tree, &leaf);
    }
    vs_merkle_root(&tree, out);
}

vs_err vs_challenge(vs_fe2 *rho, const vs_h32 *ctx, const vs_h32 *commit_root)
{
    vs_hash h;
    vs_h32 key;
    vs_hash_start(&h, "veilsum/v1 challenge");
    vs_hash_h32(&h, ctx);
    vs_hash_h32(&h, commit_root);
    vs_hash_final(&h, &key);
    return vs_prg_fe2(rho, &key, VS_PRG_CHALLENGE);
}

void vs_answer_hash_start(vs_hash *h, const vs_round_id *id, uint32_t j)
{
    start_round(h, "veilsum/v1 answer", id);
    vs_hash_u32(h, j);
}

void vs_result_hash_start(vs_hash *h, const vs_round_id *id, uint32_t n_clients)
{
    start_round(h, "veilsum/v1 result", id);
    vs_hash_u32(h, n_clients);
}
