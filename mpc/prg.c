#include "mpc/prg.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "mpc/kernels.h"

enum {
    BLOCK_BYTES = 16,
    TILE_BYTES = VS_PRG_TILE * VS_FE_BYTES,
};

#define NO_TILE UINT64_MAX
#define NO_POSITION UINT64_MAX
#define ELEMENTS_MAX ((UINT64_C(1) << 25) + VS_PRG_TILE)
/* The block counter has 32 bits and must not carry into the attempt number. */
#define WORDS_MAX (UINT64_C(1) << 33)

typedef struct aes_stream {
    EVP_CIPHER_CTX *cipher; /* holds the key schedule; libcrypto wipes it when it is freed */
    uint64_t position;      /* next byte of (tile 0, attempt 0), or NO_POSITION */
} aes_stream;

struct vs_prg {
    const vs_kernels *kernels; /* whose AES is used, or NULL: source */
    vs_aes_key key;            /* with kernels */
    vs_prg_source source;
    void *source_ctx;
    uint32_t stream;
    aes_stream aes;
    uint64_t cached_tile;     /* whose elements are in cache, or NO_TILE */
    vs_fe cache[VS_PRG_TILE]; /* secret */
};

static void aes_source(void *ctx, uint8_t *out, size_t len, uint32_t tile, uint32_t attempt,
                       uint32_t stream, uint64_t offset)
{
    static const uint8_t zeros[TILE_BYTES] = {0};
    aes_stream *aes = ctx;
    VS_ASSERT(offset % BLOCK_BYTES == 0);
    /* Setting the counter block costs more than a block, so a stream that just goes on does not
     * do it. A call that ended inside a block leaves a position that no offset equals. */
    if (tile != 0 || attempt != 0 || offset != aes->position) {
        uint8_t iv[BLOCK_BYTES];
        uint64_t block = offset / BLOCK_BYTES;
        vs_store_le32(iv, tile);
        vs_store_le32(iv + 4, attempt);
        vs_store_le32(iv + 8, stream);
        for (unsigned i = 0; i < 4; i++) iv[12 + i] = (uint8_t)(block >> (24 - 8 * i));
        VS_ASSERT(EVP_EncryptInit_ex(aes->cipher, NULL, NULL, NULL, iv) == 1);
    }
    aes->position = tile == 0 && attempt == 0 ? offset + len : NO_POSITION;
    int got = 0; /* CTR: encrypting zeros gives the keystream */
    VS_ASSERT(len <= sizeof zeros);
    VS_ASSERT(EVP_EncryptUpdate(aes->cipher, out, &got, zeros, (int)len) == 1);
    VS_ASSERT((size_t)got == len);
}

static vs_prg *prg_alloc(uint32_t stream)
{
    vs_prg *prg = calloc(1, sizeof *prg);
    if (prg == NULL) return NULL;
    prg->stream = stream;
    prg->cached_tile = NO_TILE;
    prg->aes.position = NO_POSITION;
    return prg;
}

static vs_err aes_open(aes_stream *aes, const uint8_t seed[VS_SEED_BYTES])
{
    aes->cipher = EVP_CIPHER_CTX_new();
    if (aes->cipher == NULL ||
        EVP_EncryptInit_ex(aes->cipher, EVP_aes_256_ctr(), NULL, seed, NULL) != 1) {
        return VS_ERR_NOMEM;
    }
    return VS_OK;
}

vs_err vs_prg_new_for(vs_prg **out, const vs_kernels *kernels, const uint8_t seed[VS_SEED_BYTES],
                      uint32_t stream)
{
    *out = NULL;
    vs_prg *prg = prg_alloc(stream);
    if (prg == NULL) return VS_ERR_NOMEM;
    if (kernels->aes_key != NULL) {
        prg->kernels = kernels;
        kernels->aes_key(&prg->key, seed);
    } else {
        prg->source = aes_source;
        prg->source_ctx = &prg->aes;
        if (aes_open(&prg->aes, seed) != VS_OK) {
            vs_prg_free(prg);
            return VS_ERR_NOMEM;
        }
    }
    *out = prg;
    return VS_OK;
}

vs_err vs_prg_new(vs_prg **out, const uint8_t seed[VS_SEED_BYTES], uint32_t stream)
{
    return vs_prg_new_for(out, vs_kernels_get(), seed, stream);
}

vs_err vs_prg_new_from_source(vs_prg **out, vs_prg_source source, void *ctx, uint32_t stream)
{
    *out = prg_alloc(stream);
    if (*out == NULL) return VS_ERR_NOMEM;
    (*out)->source = source;
    (*out)->source_ctx = ctx;
    return VS_OK;
}

void vs_prg_free(vs_prg *prg)
{
    if (prg == NULL) return;
    EVP_CIPHER_CTX_free(prg->aes.cipher);
    OPENSSL_cleanse(prg, sizeof *prg);
    free(prg);
}

/* Keystream in out to elements in place. Returns nonzero iff a masked value equals p. */
static uint64_t mask_elements(vs_fe *out, size_t count)
{
    uint64_t hits = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t le[8];
        memcpy(le, &out[i], sizeof le); /* host order may differ from the wire's */
        uint64_t v = vs_load_le64(le) & VS_FE_P;
        hits |= ~vs_ct_mask(v ^ VS_FE_P);
        out[i].v = v;
    }
    return hits;
}

/* count elements from byte offset of (tile, attempt), a multiple of 16; nonzero iff one is p. */
static uint64_t draw(vs_prg *prg, vs_fe *out, size_t count, uint32_t tile, uint32_t attempt,
                     uint64_t offset)
{
    if (prg->kernels != NULL) {
        vs_ctr ctr = {tile, attempt, prg->stream, (uint32_t)(offset / BLOCK_BYTES)};
        return prg->kernels->elements(&prg->key, &ctr, out, count);
    }
    prg->source(prg->source_ctx, (uint8_t *)out, count * VS_FE_BYTES, tile, attempt, prg->stream,
                offset);
    return mask_elements(out, count);
}

/* All VS_PRG_TILE elements of a tile. */
void vs_prg_draw_tile(vs_prg *prg, vs_fe *out, uint32_t tile)
{
    uint64_t hits = draw(prg, out, VS_PRG_TILE, 0, 0, (uint64_t)tile * TILE_BYTES);
    VS_CT_PUBLIC(&hits, sizeof hits); /* says nothing about the values that are kept */
    for (uint32_t attempt = 1; hits != 0; attempt++) {
        hits = draw(prg, out, VS_PRG_TILE, tile, attempt, 0);
        VS_CT_PUBLIC(&hits, sizeof hits);
    }
}

uint64_t vs_prg_draw(vs_prg *prg, vs_fe *out, uint64_t first, size_t count)
{
    VS_ASSERT(first % 2 == 0 && first <= ELEMENTS_MAX && count <= ELEMENTS_MAX - first);
    return draw(prg, out, count, 0, 0, first * VS_FE_BYTES);
}

bool vs_prg_is_native(const vs_prg *prg)
{
    return prg->kernels != NULL;
}

const vs_aes_key *vs_prg_key(const vs_prg *prg)
{
    VS_ASSERT(prg->kernels != NULL);
    return &prg->key;
}

vs_ctr vs_prg_counter(const vs_prg *prg, uint64_t first)
{
    VS_ASSERT(first % 2 == 0 && first <= ELEMENTS_MAX);
    return (vs_ctr){0, 0, prg->stream, (uint32_t)(first / 2)};
}

void vs_prg_fill(vs_prg *prg, vs_fe *out, uint64_t first, size_t count)
{
    VS_ASSERT(first <= ELEMENTS_MAX && count <= ELEMENTS_MAX - first);
    while (count > 0) {
        uint64_t tile = first / VS_PRG_TILE;
        size_t at = (size_t)(first % VS_PRG_TILE);
        size_t part = VS_PRG_TILE - at < count ? VS_PRG_TILE - at : count;
        if (part == VS_PRG_TILE && prg->cached_tile != tile) {
            vs_prg_draw_tile(prg, out, (uint32_t)tile);
        } else {
            /* A tile is redrawn whole or not at all, so a part needs all of it too. */
            if (prg->cached_tile != tile) {
                vs_prg_draw_tile(prg, prg->cache, (uint32_t)tile);
                prg->cached_tile = tile;
            }
            memcpy(out, prg->cache + at, part * sizeof *out);
        }
        out += part;
        first += part;
        count -= part;
    }
}

static void native_words(vs_prg *prg, uint64_t *out, uint64_t first, size_t count)
{
    vs_ctr ctr = {0, 0, prg->stream, (uint32_t)(first / 2)};
    if (first % 2 != 0 && count > 0) { /* the second half of a block */
        uint64_t pair[2];
        prg->kernels->words(&prg->key, &ctr, pair, 2);
        *out++ = pair[1];
        count--;
        ctr.block++;
        OPENSSL_cleanse(pair, sizeof pair);
    }
    prg->kernels->words(&prg->key, &ctr, out, count);
}

void vs_prg_words(vs_prg *prg, uint64_t *out, uint64_t first, size_t count)
{
    VS_ASSERT(first <= WORDS_MAX && count <= WORDS_MAX - first);
    if (prg->kernels != NULL) {
        native_words(prg, out, first, count);
        return;
    }
    uint8_t block[512];
    while (count > 0) {
        size_t skip = (size_t)(first % 2); /* blocks hold two words */
        size_t part = sizeof block / 8 - skip < count ? sizeof block / 8 - skip : count;
        prg->source(prg->source_ctx, block, (skip + part) * 8, 0, 0, prg->stream,
                    (first - skip) * 8);
        for (size_t i = 0; i < part; i++) out[i] = vs_load_le64(block + (skip + i) * 8);
        out += part;
        first += part;
        count -= part;
    }
    OPENSSL_cleanse(block, sizeof block);
}

vs_err vs_prg_fe2(vs_fe2 *out, const vs_h32 *key, uint32_t stream)
{
    vs_prg *prg = NULL;
    vs_fe pair[2];
    *out = (vs_fe2){{0}, {0}};
    vs_err err = vs_prg_new(&prg, key->b, stream);
    if (err != VS_OK) return err;
    vs_prg_fill(prg, pair, 0, 2);
    vs_prg_free(prg);
    *out = (vs_fe2){pair[0], pair[1]};
    return VS_OK;
}
