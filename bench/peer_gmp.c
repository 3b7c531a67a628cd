/* GMP, one element at a time: Horner's rule on mpz, reduced once per share. */
#include <stdlib.h>

#include <gmp.h>

#include "bench/peers.h"

enum { BLOCK_COLUMNS = 512, COLUMNS_MOST = 8192 };

typedef struct gmp_own {
    mpz_t p, acc, coef[VS_SHAREHOLDERS_MAX], lambda[VS_SHAREHOLDERS_MAX];
} gmp_own;

static void share_element(vs_bench_peer *peer, gmp_own *g, size_t c, size_t in_block)
{
    const uint64_t *random = (const uint64_t *)(const void *)peer->random;
    mpz_set_ui(g->coef[0], peer->secret.row[0][c].v);
    for (uint32_t i = 1; i <= peer->t; i++) {
        mpz_set_ui(g->coef[i], random[(size_t)(i - 1) * BLOCK_COLUMNS + in_block]);
    }
    for (uint32_t j = 1; j <= peer->n; j++) {
        mpz_set(g->acc, g->coef[peer->t]);
        for (uint32_t i = peer->t; i-- > 0;) {
            mpz_mul_ui(g->acc, g->acc, j);
            mpz_add(g->acc, g->acc, g->coef[i]);
        }
        mpz_mod(g->acc, g->acc, g->p);
        peer->shares.row[j - 1][c].v = mpz_get_ui(g->acc);
    }
}

static void share(void *ctx)
{
    vs_bench_peer *peer = ctx;
    for (size_t c = 0; c < peer->cols; c++) {
        if (c % BLOCK_COLUMNS == 0) vs_bench_peer_coefficients(peer);
        share_element(peer, peer->own, c, c % BLOCK_COLUMNS);
    }
}

static void reconstruct(void *ctx)
{
    vs_bench_peer *peer = ctx;
    gmp_own *g = peer->own;
    for (size_t c = 0; c < peer->cols; c++) {
        mpz_set_ui(g->acc, 0);
        for (uint32_t a = 0; a <= peer->t; a++) {
            mpz_addmul_ui(g->acc, g->lambda[a], peer->shares.row[a][c].v);
        }
        mpz_mod(g->acc, g->acc, g->p);
        peer->back.row[0][c].v = mpz_get_ui(g->acc);
    }
}

static void free_own(void *own)
{
    gmp_own *g = own;
    mpz_clears(g->p, g->acc, NULL);
    for (uint32_t i = 0; i < VS_SHAREHOLDERS_MAX; i++) mpz_clears(g->coef[i], g->lambda[i], NULL);
    free(g);
}

vs_err vs_bench_peer_gmp(vs_bench_peer **out, uint32_t n, uint32_t t, size_t cols)
{
    vs_fe lambda[VS_SHAREHOLDERS_MAX];
    vs_err err = vs_bench_peer_new(out, n, t, cols < COLUMNS_MOST ? cols : COLUMNS_MOST,
                                   BLOCK_COLUMNS * sizeof(vs_fe));
    if (err != VS_OK) return err;
    gmp_own *g = calloc(1, sizeof *g);
    if (g == NULL) {
        vs_bench_peer_free(*out);
        *out = NULL;
        return VS_ERR_NOMEM;
    }
    mpz_inits(g->p, g->acc, NULL);
    mpz_set_ui(g->p, VS_FE_P);
    vs_bench_peer_lambda(lambda, t + 1);
    for (uint32_t i = 0; i < VS_SHAREHOLDERS_MAX; i++) {
        mpz_inits(g->coef[i], g->lambda[i], NULL);
        if (i <= t) mpz_set_ui(g->lambda[i], lambda[i].v);
    }
    (*out)->own = g;
    (*out)->free_own = free_own;
    (*out)->share = share;
    (*out)->reconstruct = reconstruct;
    return VS_OK;
}
