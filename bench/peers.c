#include "bench/peers.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

vs_err vs_bench_peer_new(vs_bench_peer **out, uint32_t n, uint32_t t, size_t cols,
                         size_t block_bytes)
{
    uint8_t seed[VS_SEED_BYTES], iv[16] = {0};
    *out = NULL;
    vs_bench_peer *p = calloc(1, sizeof *p);
    if (p == NULL) return VS_ERR_NOMEM;
    p->n = n;
    p->t = t;
    p->cols = cols;
    p->block_bytes = block_bytes;
    vs_bench_seed(seed, 0x50);
    p->random = vs_bench_buffer(t * block_bytes);
    p->cipher = EVP_CIPHER_CTX_new();
    if (p->random == NULL || p->cipher == NULL ||
        EVP_EncryptInit_ex(p->cipher, EVP_aes_256_ctr(), NULL, seed, iv) != 1 ||
        vs_bench_rows_new(&p->secret, 1, cols) != VS_OK ||
        vs_bench_rows_new(&p->shares, n, cols) != VS_OK ||
        vs_bench_rows_new(&p->back, 1, cols) != VS_OK ||
        vs_bench_rows_random(&p->secret, 0x60) != VS_OK) {
        vs_bench_peer_free(p);
        return VS_ERR_NOMEM;
    }
    *out = p;
    return VS_OK;
}

void vs_bench_peer_free(vs_bench_peer *p)
{
    if (p == NULL) return;
    if (p->free_own != NULL) p->free_own(p->own);
    EVP_CIPHER_CTX_free(p->cipher);
    free(p->random);
    vs_bench_rows_free(&p->secret);
    vs_bench_rows_free(&p->shares);
    vs_bench_rows_free(&p->back);
    free(p);
}

void vs_bench_peer_random(vs_bench_peer *p)
{
    static const uint8_t zeros[8192] = {0};
    VS_ASSERT(p->block_bytes <= sizeof zeros);
    for (uint32_t i = 0; i < p->t; i++) {
        int got = 0;
        VS_ASSERT(EVP_EncryptUpdate(p->cipher, p->random + i * p->block_bytes, &got, zeros,
                                    (int)p->block_bytes) == 1);
    }
}

void vs_bench_peer_coefficients(vs_bench_peer *p)
{
    vs_bench_peer_random(p);
    uint64_t *word = (uint64_t *)(void *)p->random;
    for (size_t i = 0; i < p->t * p->block_bytes / 8; i++) word[i] &= VS_FE_P;
}

void vs_bench_peer_lambda(vs_fe *lambda, uint32_t m)
{
    for (uint32_t a = 1; a <= m; a++) {
        vs_fe num = {1}, den = {1};
        for (uint32_t b = 1; b <= m; b++) {
            if (b == a) continue;
            num = vs_fe_mul(num, (vs_fe){b});
            const vs_fe gap = {b > a ? b - a : a - b};
            den = vs_fe_mul(den, b > a ? gap : vs_fe_neg(gap));
        }
        lambda[a - 1] = vs_fe_mul(num, vs_fe_inv(den));
    }
}

/* Share, take back, compare. */
static vs_err settle(vs_err err, vs_bench_peer *p, const char *name, vs_diag *diag)
{
    if (err == VS_ERR_STATE) return VS_OK; /* not built in */
    if (err != VS_OK) return err;
    p->share(p);
    p->reconstruct(p);
    if (memcmp(p->back.row[0], p->secret.row[0], p->cols * sizeof(vs_fe)) != 0) {
        return vs_fail(diag, VS_ERR_PROOF, "bench: the %s baseline does not give secrets back",
                       name);
    }
    return VS_OK;
}

vs_err vs_bench_peers_new(vs_bench_peers *out, uint32_t n, uint32_t t, size_t cols, vs_diag *diag)
{
    memset(out, 0, sizeof *out);
    vs_err err = vs_bench_peer_gmp(&out->gmp, n, t, cols);
    err = settle(err, out->gmp, "GMP", diag);
    if (err == VS_OK) {
        err = vs_bench_peer_flint(&out->flint, n, t, cols);
        err = settle(err, out->flint, "FLINT", diag);
    }
    if (err == VS_OK) {
        err = vs_bench_peer_isal(&out->isal, n, t, cols);
        err = settle(err, out->isal, "ISA-L", diag);
    }
    if (err != VS_OK) vs_bench_peers_free(out);
    return err;
}

void vs_bench_peers_free(vs_bench_peers *peers)
{
    vs_bench_peer_free(peers->gmp);
    vs_bench_peer_free(peers->flint);
    vs_bench_peer_free(peers->isal);
    memset(peers, 0, sizeof *peers);
}
