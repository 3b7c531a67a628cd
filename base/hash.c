#include "base/hash.h"

#include <string.h>

/* The low-level SHA-256 calls: no allocation, no provider lookup per hash (which costs more
 * than hashing a Merkle node), nothing that can fail. Deprecated in name only since 3.0. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(vs_hash), "vs_hash is too small");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(vs_hash), "vs_hash is misaligned");

static SHA256_CTX *ctx_of(vs_hash *h)
{
    return (SHA256_CTX *)(void *)h->state;
}

void vs_hash_init(vs_hash *h)
{
    (void)SHA256_Init(ctx_of(h));
}

void vs_hash_start(vs_hash *h, const char *label)
{
    vs_hash_init(h);
    vs_hash_bytes(h, label, strlen(label) + 1);
}

void vs_hash_bytes(vs_hash *h, const void *data, size_t len)
{
    if (len != 0) (void)SHA256_Update(ctx_of(h), data, len);
}

void vs_hash_u32(vs_hash *h, uint32_t v)
{
    uint8_t le[4];
    vs_store_le32(le, v);
    vs_hash_bytes(h, le, sizeof le);
}

void vs_hash_u64(vs_hash *h, uint64_t v)
{
    uint8_t le[8];
    vs_store_le64(le, v);
    vs_hash_bytes(h, le, sizeof le);
}

void vs_hash_h32(vs_hash *h, const vs_h32 *v)
{
    vs_hash_bytes(h, v->b, sizeof v->b);
}

void vs_hash_final(vs_hash *h, vs_h32 *out)
{
    (void)SHA256_Final(out->b, ctx_of(h));
    OPENSSL_cleanse(h, sizeof *h);
}

void vs_sha256(vs_h32 *out, const void *data, size_t len)
{
    vs_hash h;
    vs_hash_init(&h);
    vs_hash_bytes(&h, data, len);
    vs_hash_final(&h, out);
}

void vs_merkle_leaf(vs_h32 *out, const void *data, size_t len)
{
    const uint8_t prefix = 0x00;
    vs_hash h;
    vs_hash_init(&h);
    vs_hash_bytes(&h, &prefix, 1);
    vs_hash_bytes(&h, data, len);
    vs_hash_final(&h, out);
}

void vs_merkle_node(vs_h32 *out, const vs_h32 *left, const vs_h32 *right)
{
    const uint8_t prefix = 0x01;
    vs_hash h;
    vs_hash_init(&h);
    vs_hash_bytes(&h, &prefix, 1);
    vs_hash_h32(&h, left);
    vs_hash_h32(&h, right);
    vs_hash_final(&h, out);
}

void vs_merkle_init(vs_merkle *m)
{
    memset(m, 0, sizeof *m);
}

void vs_merkle_append(vs_merkle *m, const vs_h32 *leaf_hash)
{
    VS_ASSERT(m->size < UINT64_MAX / 2);
    VS_ASSERT(m->n_nodes < 64);
    m->node[m->n_nodes++] = *leaf_hash;
    /* Like a binary counter: every trailing one bit of the old size is a carry. */
    for (uint64_t carry = m->size; (carry & 1) != 0; carry >>= 1) {
        vs_merkle_node(&m->node[m->n_nodes - 2], &m->node[m->n_nodes - 2],
                       &m->node[m->n_nodes - 1]);
        m->n_nodes--;
    }
    m->size++;
}

void vs_merkle_root(const vs_merkle *m, vs_h32 *out)
{
    if (m->size == 0) {
        vs_sha256(out, NULL, 0);
        return;
    }
    vs_h32 acc = m->node[m->n_nodes - 1];
    for (uint32_t i = m->n_nodes - 1; i > 0; i--) vs_merkle_node(&acc, &m->node[i - 1], &acc);
    *out = acc;
}
