#include "bench/crypto.h"

#include <stdlib.h>
#include <string.h>

#include "bench/memory.h"

static const uint8_t ephemeral_secret[32] = {1}, round_secret[32] = {2};

vs_err vs_bench_seal_pair(vs_seal **sender, vs_seal **receiver, const vs_h32 *ctx, uint32_t j)
{
    vs_h32 ephemeral_key, round_key;
    vs_seal_public(&ephemeral_key, ephemeral_secret);
    vs_seal_public(&round_key, round_secret);
    vs_err err = VS_OK;
    if (sender != NULL) err = vs_seal_new_sender(sender, ephemeral_secret, &round_key, ctx, j);
    if (err == VS_OK && receiver != NULL) {
        err = vs_seal_new_receiver(receiver, round_secret, &ephemeral_key, ctx, j);
    }
    return err;
}

vs_err vs_bench_crypto_new(vs_bench_crypto *out, uint32_t vectors, uint32_t columns)
{
    const vs_h32 ctx = {{0}};
    memset(out, 0, sizeof *out);
    out->vectors = vectors;
    out->columns = columns;
    out->plain = vs_bench_buffer(VS_CHUNK_BYTES);
    out->sealed = vs_bench_buffer(VS_CHUNK_BYTES + VS_SEAL_TAG_BYTES);
    if (out->plain == NULL || out->sealed == NULL) return VS_ERR_NOMEM;
    return vs_bench_seal_pair(&out->sender, &out->receiver, &ctx, 1);
}

void vs_bench_crypto_free(vs_bench_crypto *c)
{
    vs_seal_free(c->sender);
    vs_seal_free(c->receiver);
    free(c->plain);
    free(c->sealed);
    memset(c, 0, sizeof *c);
}

void vs_bench_crypto_hash(void *crypto)
{
    const vs_bench_crypto *c = crypto;
    uint32_t chunks = vs_sealed_share_chunks(c->columns, false);
    for (uint32_t v = 0; v < c->vectors; v++) {
        vs_share_root root;
        vs_h32 out;
        vs_share_root_init(&root);
        for (uint32_t i = 1; i < chunks; i++) {
            vs_share_root_update(&root, c->plain, vs_sealed_share_plain(c->columns, false, i));
        }
        vs_share_root_final(&root, &out);
    }
}

/* Whole leaves of all vectors 16 at a time, then the short ones at the ends. */
void vs_bench_crypto_hash_many(void *crypto)
{
    enum { AT_ONCE = 16 };
    const vs_bench_crypto *c = crypto;
    const uint32_t chunks = vs_sealed_share_chunks(c->columns, false) - 1;
    const size_t end = vs_sealed_share_plain(c->columns, false, chunks);
    vs_share_root root, *roots[AT_ONCE];
    const uint8_t *data[AT_ONCE];
    vs_h32 out;
    for (uint32_t i = 0; i < AT_ONCE; i++) {
        roots[i] = &root;
        data[i] = c->plain;
    }
    vs_share_root_init(&root);
    for (uint64_t left = (uint64_t)c->vectors * (chunks - 1); left > 0;) {
        size_t n = left < AT_ONCE ? (size_t)left : AT_ONCE;
        vs_share_root_leaves(roots, data, VS_CHUNK_BYTES, n, NULL);
        left -= n;
    }
    vs_share_root_final(&root, &out);
    vs_share_root ends[VS_SHAREHOLDERS_MAX];
    for (uint32_t at = 0; at < c->vectors;) {
        uint32_t n = c->vectors - at < AT_ONCE ? c->vectors - at : AT_ONCE;
        for (uint32_t i = 0; i < n; i++) {
            roots[i] = &ends[i];
            vs_share_root_init(roots[i]);
        }
        vs_share_root_leaves(roots, data, end, n, NULL);
        at += n;
    }
}

void vs_bench_crypto_seal(void *crypto)
{
    vs_bench_crypto *c = crypto;
    uint32_t chunks = vs_sealed_share_chunks(c->columns, false);
    for (uint32_t v = 0; v < c->vectors; v++) {
        for (uint32_t i = 1; i < chunks; i++) {
            size_t len = vs_sealed_share_plain(c->columns, false, i);
            VS_ASSERT(vs_seal_chunk(c->sender, c->sealed, c->plain, len, i, false) == VS_OK);
        }
    }
}

/* Opening the right bytes under the wrong index would fail, so each length is sealed once. */
void vs_bench_crypto_open(void *crypto)
{
    vs_bench_crypto *c = crypto;
    uint32_t chunks = vs_sealed_share_chunks(c->columns, false);
    size_t sealed_len = 0;
    for (uint32_t v = 0; v < c->vectors; v++) {
        for (uint32_t i = 1; i < chunks; i++) {
            size_t len = vs_sealed_share_plain(c->columns, false, i);
            if (len != sealed_len) {
                VS_ASSERT(vs_seal_chunk(c->sender, c->sealed, c->plain, len, 1, false) == VS_OK);
                sealed_len = len;
            }
            VS_ASSERT(vs_unseal_chunk(c->receiver, c->plain, c->sealed, len + VS_SEAL_TAG_BYTES, 1,
                                      false) == VS_OK);
        }
    }
}
