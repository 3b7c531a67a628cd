/* Suite "sealing": chunks sealed to a round key, and the shapes of sealed shares (docs/WIRE.md
 * "Sealing"). */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "net/seal.h"
#include "net/vectors_impl.h"

enum { CHUNKS_MAX = 8, SHAPE_CHUNKS_MAX = 5000 };

typedef struct recipe {
    const char *name;
    uint32_t j;
    uint32_t n_chunks;
    uint32_t plain[CHUNKS_MAX]; /* bytes */
} recipe;
static const recipe recipes[] = {
    {"seed share: nonce and seed", 1, 2, {32, 32}},
    {"share vector of 40 elements", 4, 2, {32, 320}},
    {"one chunk, at once first and last", 2, 1, {4096}},
    {"many chunks, one empty", 128, 6, {32, 1, 15, 16, 17, 0}},
};
enum { N_RECIPES = sizeof recipes / sizeof recipes[0] };
/* Suite "chunk", too large to keep beside the others. */
static const recipe full_chunk = {"a full chunk and what is left", 3, 3, {32, 65536, 16}};

typedef struct shape {
    uint32_t columns; /* M */
    bool is_seed;
} shape;
static const shape shapes[] = {
    {1, true},     {1, false},   {8189, false},  {8190, false},
    {8191, false}, {8192, true}, {16383, false},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

static json_t *make_chunks(const vs_draw *draw, const recipe *r, uint32_t index)
{
    json_t *chunks = json_array();
    uint8_t *plain = malloc(VS_SEAL_CHUNK_MAX);
    bool ok = plain != NULL;
    for (uint32_t i = 0; ok && i < r->n_chunks; i++) {
        vs_draw_bytes(draw, "plain", 256 * index + i, plain, r->plain[i]);
        ok = vs_json_push(chunks, vs_json_hex(plain, r->plain[i]));
    }
    free(plain);
    if (ok) return chunks;
    json_decref(chunks);
    return NULL;
}

static vs_err make_one(json_t *cases, const vs_draw *draw, const recipe *r, uint32_t index)
{
    vs_err err = VS_OK;
    vs_case c = vs_case_new(cases, r->name, &err);
    vs_h32 h = vs_draw_h32(draw, "ephemeral_secret", index);
    vs_case_put_text(&c, "kind", "chunks");
    vs_case_put_h32(&c, "ephemeral_secret", &h);
    h = vs_draw_h32(draw, "round_secret", index);
    vs_case_put_h32(&c, "round_secret", &h);
    h = vs_draw_h32(draw, "ctx", index);
    vs_case_put_h32(&c, "ctx", &h);
    vs_case_put_uint(&c, "j", r->j);
    vs_case_put(&c, "plain", make_chunks(draw, r, index));
    return err == VS_OK ? c.err : err;
}

static vs_err make(json_t *cases, const vs_draw *draw)
{
    vs_err err = VS_OK;
    for (uint32_t i = 0; err == VS_OK && i < N_RECIPES; i++) {
        err = make_one(cases, draw, &recipes[i], i);
    }
    for (uint32_t i = 0; err == VS_OK && i < N_SHAPES; i++) {
        vs_case c = vs_case_new(cases, "shape of a sealed share", &err);
        vs_case_put_text(&c, "kind", "shape");
        vs_case_put_uint(&c, "columns", shapes[i].columns);
        vs_case_put_bool(&c, "is_seed", shapes[i].is_seed);
        err = c.err;
    }
    return err;
}

/* What net/seal.h keeps to itself, computed on its own. */
static void put_key(vs_case *c, const uint8_t ephemeral_secret[32], const vs_h32 *ephemeral_key,
                    const vs_h32 *round_key, const vs_h32 *ctx, uint32_t j)
{
    uint8_t shared[32], key[32];
    vs_buf in = {0};
    if (crypto_scalarmult(shared, ephemeral_secret, round_key->b) != 0) {
        (void)vs_case_fail(c, VS_ERR_PROOF, "round_secret", "the shared secret is all-zero");
        return;
    }
    vs_buf_label(&in, "veilsum/v1 seal");
    vs_buf_bytes(&in, shared, sizeof shared);
    vs_buf_h32(&in, ephemeral_key);
    vs_buf_h32(&in, round_key);
    vs_buf_h32(&in, ctx);
    vs_buf_u32(&in, j);
    if (vs_buf_check(&in) == VS_OK) {
        (void)crypto_generichash(key, sizeof key, in.p, in.len, NULL, 0);
        vs_case_put_hex(c, "shared", shared, sizeof shared);
        vs_case_put_hex(c, "key", key, sizeof key);
    } else {
        (void)vs_case_fail(c, VS_ERR_NOMEM, "key", "out of memory");
    }
    vs_buf_free(&in);
}

static void put_sealed(vs_case *c, vs_seal *seal, const json_t *plain, size_t count)
{
    json_t *nonces = json_array();
    json_t *sealed = json_array();
    for (size_t i = 0; c->err == VS_OK && i < count; i++) {
        vs_buf in = {0}, out = {0};
        uint8_t nonce[12] = {(uint8_t)i, 0, 0, 0, i + 1 == count};
        vs_entry_blob(c, plain, i, "plain", &in, VS_SEAL_CHUNK_MAX);
        uint8_t *to = vs_buf_extend(&out, in.len + VS_SEAL_TAG_BYTES);
        vs_err err = to == NULL
                         ? VS_ERR_NOMEM
                         : vs_seal_chunk(seal, to, in.p, in.len, (uint32_t)i, i + 1 == count);
        if (err != VS_OK || !vs_json_push(nonces, vs_json_hex(nonce, sizeof nonce)) ||
            !vs_json_push(sealed, vs_json_hex(out.p, out.len))) {
            (void)vs_case_fail(c, VS_ERR_NOMEM, "sealed", "out of memory");
        }
        vs_buf_free(&in);
        vs_buf_free(&out);
    }
    vs_case_put(c, "nonces", nonces);
    vs_case_put(c, "sealed", sealed);
}

static void compute_chunks(vs_case *c)
{
    uint8_t ephemeral_secret[32], round_secret[32];
    vs_h32 ctx, ephemeral_key, round_key;
    vs_seal *seal = NULL;
    size_t count;
    vs_case_hex(c, "ephemeral_secret", ephemeral_secret, 32);
    vs_case_hex(c, "round_secret", round_secret, 32);
    vs_case_h32(c, "ctx", &ctx);
    uint32_t j = (uint32_t)vs_case_uint(c, "j", 1, VS_SHAREHOLDERS_MAX);
    const json_t *plain = vs_case_array(c, "plain", 1, CHUNKS_MAX, &count);
    if (c->err != VS_OK) return;
    vs_seal_public(&ephemeral_key, ephemeral_secret);
    vs_seal_public(&round_key, round_secret);
    vs_case_put_h32(c, "ephemeral_key", &ephemeral_key);
    vs_case_put_h32(c, "round_key", &round_key);
    put_key(c, ephemeral_secret, &ephemeral_key, &round_key, &ctx, j);
    vs_err err = vs_seal_new_sender(&seal, ephemeral_secret, &round_key, &ctx, j);
    if (err != VS_OK) (void)vs_case_fail(c, err, "sealed", "cannot be sealed");
    if (c->err == VS_OK) put_sealed(c, seal, plain, count);
    vs_seal_free(seal);
}

static void compute_shape(vs_case *c)
{
    uint32_t columns = (uint32_t)vs_case_uint(c, "columns", 1, VS_COLUMNS_MAX - VS_MASK_COLUMNS);
    const json_t *is_seed = vs_case_any(c, "is_seed");
    if (c->err == VS_OK && !json_is_boolean(is_seed)) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, "is_seed", "must be true or false");
    }
    if (c->err != VS_OK) return;
    bool seed = json_is_true(is_seed);
    uint32_t chunks = vs_sealed_share_chunks(columns, seed);
    json_t *plain = json_array();
    for (uint32_t i = 0; i < chunks && i < SHAPE_CHUNKS_MAX; i++) {
        if (!vs_json_push(plain, json_integer(vs_sealed_share_plain(columns, seed, i)))) break;
    }
    vs_case_put(c, "plain_len", plain);
    vs_case_put_uint(c, "sealed_len", vs_sealed_share_len(columns, seed));
}

static void compute(vs_case *c)
{
    const char *kind = vs_case_text(c, "kind");
    if (strcmp(kind, "chunks") == 0) {
        compute_chunks(c);
    } else if (strcmp(kind, "shape") == 0) {
        compute_shape(c);
    } else {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, "kind", "must be \"chunks\" or \"shape\"");
    }
}

const vs_suite vs_suite_sealing = {.name = "sealing", .make = make, .compute = compute};

static vs_err make_full(json_t *cases, const vs_draw *draw)
{
    return make_one(cases, draw, &full_chunk, 0);
}

const vs_suite vs_suite_chunk = {.name = "chunk", .make = make_full, .compute = compute};
