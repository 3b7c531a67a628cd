/* Constant-time cases of mpc/. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/ct.h"
#include "mpc/commit.h"
#include "mpc/field.h"
#include "mpc/pack.h"
#include "mpc/prg.h"
#include "mpc/prime_sharing.h"
#include "mpc/proof.h"
#include "mpc/share_text.h"
#include "mpc/sharing.h"
#include "tests/ctime/ctime.h"

enum { COLS = 70, N = 10, T = 3, K = 4, R = T + K }; /* two tiles, shares beyond r */

/* Values 0, p - 1 and something between; a branch on any of them shows. */
static void fill(vs_fe *x, size_t n, uint64_t salt)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t v = (i + 1) * salt * UINT64_C(0x9e3779b97f4a7c15);
        x[i] = i % 3 == 0 ? vs_fe_of_u64(v) : (vs_fe){i % 3 == 1 ? 0 : VS_FE_P - 1};
    }
    VS_CT_SECRET(x, n * sizeof *x);
}

static bool is_canonical(vs_fe *x, size_t n)
{
    bool good = true;
    VS_CT_PUBLIC(x, n * sizeof *x);
    for (size_t i = 0; i < n; i++) good = good && x[i].v < VS_FE_P;
    return good;
}

static bool field_arithmetic(void)
{
    vs_fe x[8];
    fill(x, 8, 3);
    for (size_t i = 0; i + 1 < 8; i++) {
        x[i] = vs_fe_add(vs_fe_mul(x[i], x[i + 1]), vs_fe_neg(x[i + 1]));
        x[i] = vs_fe_sub(x[i], vs_fe_inv(x[i + 1]));
        x[i] = vs_fe_add(x[i], vs_fe_of_u64(x[i].v << 3));
        vs_fe2 z = vs_fe2_inv((vs_fe2){x[i], x[i + 1]});
        z = vs_fe2_mul(z, vs_fe2_scale(z, x[i]));
        x[i].v ^= vs_fe2_equal(z, vs_fe2_add(z, z)) & 1;
    }
    vs_fe_add_many(x, x + 4, 4);
    vs_fe_sub_many(x, x + 4, 4);
    VS_CT_PUBLIC(x, sizeof x);
    return true;
}

/* Both verdicts; only the verdict becomes public. */
static bool field_decode(void)
{
    uint8_t bytes[8 * VS_FE_BYTES];
    vs_fe x[8];
    fill(x, 8, 5);
    vs_fe_encode_many(bytes, x, 8);
    if (vs_fe_decode_many(x, bytes, 8) != VS_OK) return false;
    memset(bytes + 24, 0xff, 8);
    VS_CT_SECRET(bytes, sizeof bytes);
    return vs_fe_decode_many(x, bytes, 8) == VS_ERR_MALFORMED && is_canonical(x, 8);
}

static bool share_and_reconstruct(void)
{
    static vs_fe share[N][COLS];
    static vs_fe secret[K][COLS];
    static vs_fe got[K][COLS];
    const uint32_t idx[R] = {10, 1, 8, 3, 5, 6, 9};
    vs_fe *out[N - T];
    vs_fe *got_rows[K];
    const vs_fe *seeds[T];
    const vs_fe *secrets[K];
    const vs_fe *chosen[R];
    vs_sharing *sharing = NULL;
    vs_recon *rec = NULL;
    for (uint32_t j = 0; j < T; j++) fill(share[j], COLS, 7 + j);
    for (uint32_t i = 0; i < K; i++) fill(secret[i], COLS, 70 + i);
    for (uint32_t j = 0; j < T; j++) seeds[j] = share[j];
    for (uint32_t j = T; j < N; j++) out[j - T] = share[j];
    for (uint32_t i = 0; i < K; i++) secrets[i] = secret[i];
    for (uint32_t i = 0; i < K; i++) got_rows[i] = got[i];
    for (uint32_t a = 0; a < R; a++) chosen[a] = share[idx[a] - 1];
    bool good = vs_sharing_new(&sharing, N, T, K) == VS_OK;
    good = good && vs_recon_new(&rec, N, T, K, idx) == VS_OK;
    if (good) {
        vs_share_columns(sharing, out, secrets, seeds, COLS);
        vs_recon_columns(rec, got_rows, chosen, COLS);
        VS_CT_PUBLIC(got, sizeof got);
        VS_CT_PUBLIC(secret, sizeof secret);
        good = memcmp(got, secret, sizeof got) == 0;
        vs_recon_share(rec, got[0], 2, chosen, COLS);
        VS_CT_PUBLIC(got[0], sizeof got[0]);
        VS_CT_PUBLIC(share[1], sizeof share[1]);
        good = good && memcmp(got[0], share[1], sizeof got[0]) == 0;
    }
    vs_sharing_free(sharing);
    vs_recon_free(rec);
    return good;
}

/* Every form of the share kernels: t in registers and in memory, one secret, small and large
 * coefficients, whole vectors and rests; and the stream in front of them. */
static bool share_of(uint32_t n, uint32_t t, uint32_t k)
{
    enum { STREAM_COLS = VS_PRG_TILE + 5, ROWS = 32 };
    static _Alignas(64) vs_fe cell[ROWS][STREAM_COLS + 3];
    const vs_fe *secrets[ROWS];
    vs_prg *streams[ROWS] = {NULL};
    vs_fe *out[ROWS], *seed_out[ROWS];
    vs_sharing *sharing = NULL;
    bool good = n + k <= ROWS && vs_sharing_new(&sharing, n, t, k) == VS_OK;
    for (uint32_t j = 0; j < t; j++) {
        uint8_t seed[VS_SEED_BYTES] = {(uint8_t)j};
        VS_CT_SECRET(seed, sizeof seed);
        good = good && vs_prg_new(&streams[j], seed, VS_PRG_SHARE) == VS_OK;
        seed_out[j] = cell[j];
    }
    for (uint32_t j = t; j < n; j++) out[j - t] = cell[j];
    for (uint32_t i = 0; i < k; i++) {
        fill(cell[n + i], STREAM_COLS, 13 + i);
        secrets[i] = cell[n + i];
    }
    for (int to_memory = 0; good && to_memory < 2; to_memory++) {
        const vs_share_job job = {.out = out,
                                  .secrets = secrets,
                                  .streams = streams,
                                  .seed_out = seed_out,
                                  .cols = STREAM_COLS,
                                  .to_memory = to_memory == 1};
        good = vs_share_stream(sharing, &job) == VS_OK;
        for (uint32_t j = 0; j < n && good; j++) good = is_canonical(cell[j], STREAM_COLS);
    }
    for (uint32_t j = 0; j < t; j++) vs_prg_free(streams[j]);
    vs_sharing_free(sharing);
    return good;
}

static bool share_stream(void)
{
    static const uint32_t ntk[][3] = {{3, 1, 1},  {5, 1, 2},  {5, 2, 1},  {8, 4, 1}, {7, 2, 3},
                                      {10, 3, 4}, {16, 5, 6}, {12, 8, 2}, {20, 1, 4}};
    bool good = true;
    for (size_t i = 0; i < sizeof ntk / sizeof ntk[0]; i++) {
        good = good && share_of(ntk[i][0], ntk[i][1], ntk[i][2]);
    }
    return good && share_of(20, 1, 12); /* coefficients of more than 21 bits */
}

static bool add_rows(void)
{
    static vs_fe x[9][COLS];
    const vs_fe *rows[8];
    for (size_t i = 0; i < 9; i++) fill(x[i], COLS, 17 + i);
    for (size_t i = 0; i < 8; i++) rows[i] = x[i + 1];
    vs_fe_add_rows(x[0], rows, 8, COLS);
    return is_canonical(x[0], COLS);
}

static bool prg(void)
{
    static vs_fe x[VS_PRG_TILE + 100];
    uint8_t seed[VS_SEED_BYTES] = {1, 2, 3};
    uint64_t words[5];
    vs_prg *p = NULL;
    VS_CT_SECRET(seed, sizeof seed);
    if (vs_prg_new(&p, seed, VS_PRG_SHARE) != VS_OK) return false;
    vs_prg_fill(p, x, 0, VS_PRG_TILE + 100);
    vs_prg_fill(p, x, 7, 50);
    vs_prg_words(p, words, 3, 5);
    vs_prg_free(p);
    VS_CT_PUBLIC(words, sizeof words);
    return is_canonical(x, VS_PRG_TILE + 100);
}

static bool pack_and_unpack(void)
{
    uint32_t coords[23];
    uint64_t sums[23];
    vs_fe row[2][3];
    vs_fe *rows[2] = {row[0], row[1]};
    vs_layout layout;
    if (vs_layout_make(&layout, 8, 16, 2, 23, NULL) != VS_OK) return false;
    for (uint32_t i = 0; i < 23; i++) coords[i] = i * 11 % 256;
    VS_CT_SECRET(coords, sizeof coords);
    vs_pack_columns(&layout, rows, coords, 23, 3);
    bool good = vs_unpack_columns(&layout, sums, 23, (const vs_fe *const *)rows, 3, 255) == VS_OK;
    VS_CT_PUBLIC(sums, sizeof sums);
    good = good && sums[22] == 22 * 11 % 256;
    VS_CT_SECRET(sums, sizeof sums);
    return good &&
           vs_unpack_columns(&layout, sums, 23, (const vs_fe *const *)rows, 3, 9) == VS_ERR_LIMIT;
}

static bool proof(void)
{
    vs_fe x[COLS + VS_MASK_COLUMNS];
    vs_proof_acc acc;
    fill(x, COLS + VS_MASK_COLUMNS, 11);
    vs_proof_start(&acc, (vs_fe2){{12345}, {67890}}, COLS);
    vs_fe sum[33];
    fill(sum, 33, 19);
    vs_proof_update_add(&acc, sum, x, 33);
    if (!is_canonical(sum, 33)) return false;
    vs_proof_update(&acc, x + 33, COLS + VS_MASK_COLUMNS - 33);
    vs_fe2 w = vs_proof_final(&acc);
    /* The shareholder compares it with the published W. */
    uint64_t equal = vs_fe2_equal(w, (vs_fe2){{1}, {2}});
    VS_CT_PUBLIC(&equal, sizeof equal);
    return equal == 0;
}

/* Leaves of shares, several at once; an even number, so that none is left to libcrypto. */
static bool leaves_of_secret(void)
{
    enum { LEAVES = 18, BYTES = 1000 };
    static uint8_t share[LEAVES][BYTES];
    const uint8_t *data[LEAVES];
    vs_share_root root[LEAVES], *roots[LEAVES];
    bool good = true;
    for (size_t i = 0; i < LEAVES; i++) {
        share[i][i] = 1;
        data[i] = share[i];
        roots[i] = &root[i];
        vs_share_root_init(&root[i]);
    }
    VS_CT_SECRET(share, sizeof share);
    vs_share_root_leaves(roots, data, BYTES, LEAVES, NULL);
    for (size_t i = 0; i < LEAVES; i++) {
        vs_h32 got;
        vs_share_root_final(&root[i], &got);
        VS_CT_PUBLIC(&got, sizeof got);
        good = good && !vs_h32_is_zero(&got);
    }
    return good;
}

#ifndef VS_CTIME_MSAN /* libcrypto and GMP are not built with it */
/* A share is hashed before anyone may see it: SHA-256 itself must not branch on it. */
static bool hash_of_secret(void)
{
    static uint8_t share[VS_CHUNK_BYTES + 1000];
    uint8_t nonce[VS_NONCE_BYTES] = {9};
    const vs_h32 ctx = {{1}};
    vs_share_root tree;
    vs_h32 root;
    vs_h32 c;
    VS_CT_SECRET(share, sizeof share);
    VS_CT_SECRET(nonce, sizeof nonce);
    vs_share_root_init(&tree);
    vs_share_root_update(&tree, share, sizeof share);
    vs_share_root_final(&tree, &root);
    vs_commit_share(&c, &ctx, 4, nonce, &root);
    vs_share_root_seed(&root, nonce);
    VS_CT_PUBLIC(&c, sizeof c); /* c_j is published */
    VS_CT_PUBLIC(&root, sizeof root);
    return !vs_h32_is_zero(&c) && !vs_h32_equal(&c, &root);
}

/* Secret random bytes; 0xff now and then, so that draws are refused too. */
static vs_err fill_secret(void *ctx, void *out, size_t len)
{
    uint64_t *state = ctx;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + 1;
        ((uint8_t *)out)[i] = *state >> 62 == 0 ? 0xff : (uint8_t)(*state >> 40);
    }
    VS_CT_SECRET(out, len);
    return VS_OK;
}

/* One limb, a few, and the default prime: the string, the coefficients and the shares are secret.
 */
static bool prime_sharing(void)
{
    static const char *const primes[] = {"251", "0x1fffffffffffffff", "18446744073709551629",
                                         VS_PRIME_DEFAULT};
    static uint8_t raw[20][400];
    uint8_t *share[20];
    const uint32_t x[10] = {20, 3, 19, 1, 2, 7, 6, 5, 4, 8};
    bool good = true;
    for (uint32_t j = 0; j < 20; j++) share[j] = raw[j];
    for (size_t i = 0; i < sizeof primes / sizeof primes[0]; i++) {
        uint8_t secret[140], got[140];
        const uint8_t *chosen[10];
        uint64_t state = i;
        const vs_rng rng = {.fill = fill_secret, .ctx = &state};
        vs_prime p;
        for (uint32_t a = 0; a < 10; a++) chosen[a] = share[x[a] - 1];
        memset(secret, 0xa5, sizeof secret);
        VS_CT_SECRET(secret, sizeof secret);
        good = good && vs_prime_read(&p, primes[i], NULL) == VS_OK;
        good = good && vs_prime_split(share, &p, 20, 10, secret, sizeof secret, &rng) == VS_OK;
        size_t len = vs_prime_share_bytes(&p, sizeof secret);
        good = good && vs_prime_share_is_canonical(&p, raw[4], len);
        good = good && vs_prime_combine(got, sizeof got, &p, 10, x, chosen) == VS_OK;
        VS_CT_PUBLIC(got, sizeof got);
        good = good && got[0] == 0xa5 && got[139] == 0xa5;
        if (!good) return false;
        raw[19][0] ^=
            1; /* wrong shares: most likely a block is too large; only the verdict shows */
        (void)!vs_prime_combine(got, sizeof got, &p, 10, x, chosen);
    }
    return good;
}

/* Commitments and the text of a share. Reading is not here: base64 branches on characters that are
 * none. */
static bool share_text(void)
{
    static uint8_t payload[600];
    uint8_t nonce[VS_SHARE_NONCE_BYTES] = {4}, salted[VS_SHARE_SALT_BYTES + 100] = {5};
    vs_share_set set = {.n = 3, .t = 2, .secret_len = 100};
    vs_buf text = {0};
    VS_CT_SECRET(nonce, sizeof nonce);
    VS_CT_SECRET(salted, sizeof salted);
    VS_CT_SECRET(payload, sizeof payload);
    if (vs_prime_read(&set.prime, VS_PRIME_DEFAULT, NULL) != VS_OK) return false;
    if (vs_share_payload_bytes(&set) > sizeof payload) return false;
    vs_share_commit_secret(&set.secret, salted, set.secret_len);
    vs_share_commit(&set.commit[1], 2, nonce, payload, vs_share_payload_bytes(&set));
    vs_share_set_id(&set.id, &set);
    bool good = vs_share_encode(&text, &set, 2, nonce, payload) == VS_OK;
    vs_buf_free_secret(&text);
    return good && !vs_h32_is_zero(&set.id);
}

#endif

const vs_ctime_case vs_ctime_mpc[] = {
    {"field arithmetic", field_arithmetic},
    {"field decode", field_decode},
    {"share and reconstruct", share_and_reconstruct},
    {"share stream", share_stream},
    {"add rows", add_rows},
    {"prg", prg},
    {"pack and unpack", pack_and_unpack},
    {"proof", proof},
    {"leaves of secret", leaves_of_secret},
#ifndef VS_CTIME_MSAN
    {"hash of secret", hash_of_secret},
    {"prime sharing", prime_sharing},
    {"share text", share_text},
#endif
    {NULL, NULL},
};
