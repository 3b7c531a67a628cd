/* Cases of suite "errors" that need keys: shares, sealed chunks, signatures. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "net/keys.h"
#include "net/seal.h"
#include "net/vectors_errors.h"

typedef vs_errors_making making;

/* --- shares ------------------------------------------------------------------------------------
 */

enum { N = 4, T = 1, K = 2, R = T + K, COLS_MAX = 16 };

typedef struct share {
    vs_h32 ctx, commitment;
    uint32_t j, columns;
    uint8_t nonce[VS_NONCE_BYTES];
    vs_fe2 rho, w[R];
    uint8_t bytes[(COLS_MAX + 1) * VS_FE_BYTES];
    size_t len;
} share;

/* Share j of a core object. */
static void share_of(making *m, share *s, json_t *core, uint32_t j)
{
    vs_case c = {.in = core};
    size_t n;
    memset(s, 0, sizeof *s);
    s->j = j;
    s->columns = (uint32_t)vs_case_uint(&c, "columns", 1, COLS_MAX - VS_MASK_COLUMNS);
    vs_case_h32(&c, "ctx", &s->ctx);
    vs_entry_hex(&c, vs_case_array(&c, "commitments", N, N, &n), j - 1, "", s->commitment.b, 32);
    vs_entry_hex(&c, vs_case_array(&c, "nonces", N, N, &n), j - 1, "", s->nonce, 32);
    const json_t *rho = vs_case_array(&c, "rho", 2, 2, &n);
    s->rho = (vs_fe2){vs_entry_fe(&c, rho, 0, ""), vs_entry_fe(&c, rho, 1, "")};
    const json_t *w = vs_case_array(&c, "W", R, R, &n);
    for (size_t i = 0; i < n; i++) s->w[i] = vs_entry_fe2(&c, w, i, "");
    if (j <= T) {
        s->len = 32;
        vs_entry_hex(&c, vs_case_array(&c, "seeds", T, T, &n), j - 1, "", s->bytes, s->len);
    } else {
        uint32_t cols = s->columns + VS_MASK_COLUMNS;
        const json_t *rows = vs_case_array(&c, "shares", N, N, &n);
        const json_t *row = vs_entry_array(&c, rows, j - 1, "", cols);
        for (uint32_t i = 0; i < cols; i++) {
            vs_fe_encode(s->bytes + (size_t)i * VS_FE_BYTES, vs_entry_fe(&c, row, i, ""));
        }
        s->len = cols * (size_t)VS_FE_BYTES;
    }
    if (m->err == VS_OK) m->err = c.err;
}

static void share_case(making *m, const share *s, const char *name, const char *why)
{
    vs_case c = vs_errors_open(m, "share", name, why);
    vs_case_put_h32(&c, "ctx", &s->ctx);
    vs_case_put_uint(&c, "j", s->j);
    vs_case_put_uint(&c, "t", T);
    vs_case_put_uint(&c, "columns", s->columns);
    vs_case_put_hex(&c, "nonce", s->nonce, sizeof s->nonce);
    vs_case_put_h32(&c, "commitment", &s->commitment);
    vs_case_put(&c, "rho", vs_json_fe2(s->rho));
    vs_case_put(&c, "W", vs_json_fe2s(s->w, R));
    vs_case_put_hex(&c, "bytes", s->bytes, s->len);
    vs_errors_close(m, &c);
}

/* Element 0 plus 1 mod p. */
static void add_one(share *s)
{
    vs_fe x;
    (void)vs_fe_decode(&x, s->bytes);
    vs_fe_encode(s->bytes, vs_fe_add(x, (vs_fe){1}));
}

/* Commit to the bytes as they are now. */
static void commit_again(share *s)
{
    vs_share_root tree;
    vs_h32 root;
    vs_share_root_init(&tree);
    vs_share_root_update(&tree, s->bytes, s->len);
    vs_share_root_final(&tree, &root);
    vs_commit_share(&s->commitment, &s->ctx, s->j, s->nonce, &root);
}

static void wrong_bytes(making *m, const share *good)
{
    uint8_t first[VS_FE_BYTES];
    share s = *good;
    s.len -= VS_FE_BYTES;
    share_case(m, &s, "one element short", "a share has M + 2 elements");
    s.len += (size_t)2 * VS_FE_BYTES;
    share_case(m, &s, "one element more", "a share has M + 2 elements");
    s = *good;
    vs_store_le64(s.bytes, vs_load_le64(s.bytes) + VS_FE_P);
    share_case(m, &s, "p added to an element", "an element that is not canonical");
    s = *good;
    add_one(&s);
    share_case(m, &s, "an element wrong", "the commitment does not open to this share");
    s = *good;
    memcpy(first, s.bytes, VS_FE_BYTES);
    memcpy(s.bytes, s.bytes + VS_FE_BYTES, VS_FE_BYTES);
    memcpy(s.bytes + VS_FE_BYTES, first, VS_FE_BYTES);
    share_case(m, &s, "two elements swapped", "the commitment does not open to this share");
}

static void wrong_proofs(making *m, const share *good)
{
    share s = *good;
    s.nonce[0] ^= 1;
    share_case(m, &s, "other nonce", "the commitment does not open to this share");
    s = *good;
    s.commitment.b[0] ^= 1;
    share_case(m, &s, "other commitment", "the commitment does not open to this share");
    s = *good;
    s.ctx.b[0] ^= 1;
    share_case(m, &s, "other context", "the commitment is bound to its context");
    s = *good;
    s.j = 4;
    share_case(m, &s, "the share of another", "the commitment is bound to its shareholder");
    s = *good;
    s.w[2].re = vs_fe_add(s.w[2].re, (vs_fe){1});
    share_case(m, &s, "W wrong at 3", "the share does not give W(j)");
    s = *good;
    s.j = 4;
    commit_again(&s);
    share_case(m, &s, "the share of another, committed to as one's own",
               "the share does not give W(j)");
    s = *good;
    add_one(&s);
    commit_again(&s);
    share_case(m, &s, "a wrong element that was committed to", "the share does not give W(j)");
}

void vs_errors_shares(making *m)
{
    const vs_vectors_params params = {N, T, K, 20, 8, 10};
    vs_case inputs = {.out = json_object()};
    vs_case core = {.in = inputs.out, .out = json_object()};
    share vector, seed;
    if (inputs.out == NULL || core.out == NULL) m->err = VS_ERR_NOMEM;
    if (m->err == VS_OK) {
        vs_core_make(&inputs, &params, m->draw);
        core.err = inputs.err;
        if (core.err == VS_OK) vs_core_compute(&core);
        m->err = core.err;
    }
    if (m->err == VS_OK) {
        share_of(m, &vector, core.out, 3);
        share_of(m, &seed, core.out, 1);
        share_case(m, &vector, "a vector as it should be", "");
        share_case(m, &seed, "a seed as it should be", "");
        wrong_bytes(m, &vector);
        wrong_proofs(m, &vector);
        share_of(m, &vector, core.out, 4); /* beyond r: W(4) follows from W at 1..3 */
        share_case(m, &vector, "a vector beyond r as it should be", "");
        vector.w[0].im = vs_fe_add(vector.w[0].im, (vs_fe){1});
        share_case(m, &vector, "W wrong at 1, seen at 4", "the share does not give W(j)");
        seed.len--;
        share_case(m, &seed, "31 bytes of seed", "a seed has 32 bytes");
        seed.len++;
        seed.bytes[31] ^= 1;
        share_case(m, &seed, "other seed", "the commitment does not open to this seed");
    }
    json_decref(inputs.out);
    json_decref(core.out);
}

/* --- sealed chunks -----------------------------------------------------------------------------
 */

enum { CHUNKS = 3, CHUNK_MAX = 128 };

typedef struct sealed {
    uint8_t round_secret[32];
    vs_h32 ephemeral_key, ctx;
    uint32_t j, count;
    uint8_t chunk[CHUNKS + 1][CHUNK_MAX];
    size_t len[CHUNKS + 1];
} sealed;

static void seal_all(making *m, sealed *s)
{
    static const size_t plain_len[CHUNKS] = {32, 100, 50};
    vs_seal *seal = NULL;
    vs_h32 round_key;
    vs_h32 secret = vs_draw_h32(m->draw, "sealed ephemeral_secret", 0);
    memset(s, 0, sizeof *s);
    s->j = 2;
    s->count = CHUNKS;
    s->ctx = vs_draw_h32(m->draw, "sealed ctx", 0);
    vs_draw_bytes(m->draw, "sealed round_secret", 0, s->round_secret, 32);
    vs_seal_public(&s->ephemeral_key, secret.b);
    vs_seal_public(&round_key, s->round_secret);
    if (m->err == VS_OK) m->err = vs_seal_new_sender(&seal, secret.b, &round_key, &s->ctx, s->j);
    for (uint32_t i = 0; m->err == VS_OK && i < CHUNKS; i++) {
        uint8_t plain[CHUNK_MAX];
        vs_draw_bytes(m->draw, "sealed plain", i, plain, plain_len[i]);
        s->len[i] = plain_len[i] + VS_SEAL_TAG_BYTES;
        m->err = vs_seal_chunk(seal, s->chunk[i], plain, plain_len[i], i, i + 1 == CHUNKS);
    }
    vs_seal_free(seal);
}

static void sealed_case(making *m, const sealed *s, const char *name, const char *why)
{
    json_t *chunks = json_array();
    vs_case c = vs_errors_open(m, "sealed", name, why);
    for (uint32_t i = 0; i < s->count; i++) {
        if (!vs_json_push(chunks, vs_json_hex(s->chunk[i], s->len[i]))) m->err = VS_ERR_NOMEM;
    }
    vs_case_put_hex(&c, "round_secret", s->round_secret, 32);
    vs_case_put_h32(&c, "ephemeral_key", &s->ephemeral_key);
    vs_case_put_h32(&c, "ctx", &s->ctx);
    vs_case_put_uint(&c, "j", s->j);
    vs_case_put(&c, "chunks", chunks);
    vs_errors_close(m, &c);
}

static void wrong_order(making *m, const sealed *good)
{
    sealed s = *good;
    memcpy(s.chunk[0], good->chunk[1], CHUNK_MAX);
    memcpy(s.chunk[1], good->chunk[0], CHUNK_MAX);
    s.len[0] = good->len[1];
    s.len[1] = good->len[0];
    sealed_case(m, &s, "two chunks swapped", "the chunk's number is in the nonce");
    s = *good;
    s.count = CHUNKS - 1;
    sealed_case(m, &s, "last chunk missing", "the last chunk says so in the nonce");
    s = *good;
    memcpy(s.chunk[CHUNKS], good->chunk[CHUNKS - 1], CHUNK_MAX);
    s.len[CHUNKS] = good->len[CHUNKS - 1];
    s.count = CHUNKS + 1;
    sealed_case(m, &s, "last chunk twice", "nothing follows the last chunk");
}

void vs_errors_sealed(making *m)
{
    sealed good, s;
    seal_all(m, &good);
    if (m->err != VS_OK) return;
    sealed_case(m, &good, "as it should be", "");
    wrong_order(m, &good);
    s = good;
    s.j = 3;
    sealed_case(m, &s, "other shareholder", "the key is bound to its shareholder");
    s = good;
    s.ctx.b[0] ^= 1;
    sealed_case(m, &s, "other context", "the key is bound to its context");
    s = good;
    s.chunk[1][0] ^= 1;
    sealed_case(m, &s, "a bit of the ciphertext", "the tag does not fit");
    s = good;
    s.chunk[2][s.len[2] - 1] ^= 0x80;
    sealed_case(m, &s, "a bit of the tag", "the tag does not fit");
    s = good;
    s.len[2] = VS_SEAL_TAG_BYTES - 1;
    sealed_case(m, &s, "a chunk shorter than its tag", "a chunk has at least 16 bytes");
    s = good;
    memset(s.ephemeral_key.b, 0, 32);
    sealed_case(m, &s, "ephemeral key 0", "the shared secret is all-zero");
    memset(s.ephemeral_key.b, 0, 32);
    s.ephemeral_key.b[0] = 1;
    sealed_case(m, &s, "ephemeral key 1", "the shared secret is all-zero");
}

/* --- signatures --------------------------------------------------------------------------------
 */

static void signature_case(making *m, const vs_h32 *key, const uint8_t message[64],
                           const uint8_t signature[64], const char *name, const char *why)
{
    vs_case c = vs_errors_open(m, "signature", name, why);
    vs_case_put_h32(&c, "public_key", key);
    vs_case_put_hex(&c, "message", message, 64);
    vs_case_put_hex(&c, "signature", signature, 64);
    vs_errors_close(m, &c);
}

/* s + L in place of s: the same equation, other bytes (RFC 8032 5.1.7 refuses it). */
static void add_order(uint8_t s[32])
{
    /* L = 2^252 + 27742317777372353535851937790883648493, little-endian */
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
                                      0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                      0,    0,    0,    0,    0,    0,    0,    0,
                                      0,    0,    0,    0,    0,    0,    0,    0x10};
    unsigned carry = 0;
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)s[i] + order[i];
        s[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

void vs_errors_signatures(making *m)
{
    uint8_t message[64], signature[64], changed[64];
    uint8_t sk[crypto_sign_SECRETKEYBYTES];
    vs_h32 key, other;
    vs_h32 seed = vs_draw_h32(m->draw, "signature seed", 0);
    vs_h32 other_seed = vs_draw_h32(m->draw, "signature seed", 1);
    vs_draw_bytes(m->draw, "signature message", 0, message, sizeof message);
    (void)crypto_sign_seed_keypair(key.b, sk, seed.b);
    (void)crypto_sign_seed_keypair(other.b, sk, other_seed.b);
    vs_sign(signature, message, sizeof message, seed.b);
    signature_case(m, &key, message, signature, "as it should be", "");
    signature_case(m, &other, message, signature, "other key", "another key did not sign this");
    memcpy(changed, signature, 64);
    changed[0] ^= 1;
    signature_case(m, &key, message, changed, "a bit of R", "the signature does not fit");
    memcpy(changed, signature, 64);
    changed[32] ^= 1;
    signature_case(m, &key, message, changed, "a bit of s", "the signature does not fit");
    memcpy(changed, signature, 64);
    add_order(changed + 32);
    signature_case(m, &key, message, changed, "s + L", "s must be below the group's order");
    message[63] ^= 1;
    signature_case(m, &key, message, signature, "a bit of the message",
                   "the signature does not fit");
}
