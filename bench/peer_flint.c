/* FLINT: Horner's rule on nmod vectors over 2^61 - 1, a block of columns in cache at a time, by
 * the multiplication with a precomputed quotient (Shoup). */
#include "bench/peers.h"

#ifdef VS_PEERS

#include <stdlib.h>

#include <flint/nmod_vec.h>

enum { BLOCK_COLUMNS = 1024, COLUMNS_MOST = 4194304 };

static mp_ptr words(vs_fe *row)
{
    return (mp_ptr)(void *)row;
}

static nmod_t modulus(void)
{
    nmod_t mod;
    nmod_init(&mod, VS_FE_P);
    return mod;
}

static void share_block(vs_bench_peer *p, nmod_t mod, size_t at, slong cols)
{
    mp_ptr random = (mp_ptr)(void *)p->random;
    vs_bench_peer_coefficients(p);
    for (uint32_t j = 1; j <= p->n; j++) {
        mp_ptr out = words(p->shares.row[j - 1] + at);
        mp_srcptr acc = random + (size_t)(p->t - 1) * BLOCK_COLUMNS;
        for (uint32_t i = p->t; i-- > 0;) {
            mp_srcptr add =
                i == 0 ? words(p->secret.row[0] + at) : random + (size_t)(i - 1) * BLOCK_COLUMNS;
            _nmod_vec_scalar_mul_nmod_shoup(out, acc, cols, j, mod);
            _nmod_vec_add(out, out, add, cols, mod);
            acc = out;
        }
    }
}

static void share(void *ctx)
{
    vs_bench_peer *p = ctx;
    nmod_t mod = modulus();
    for (size_t c = 0; c < p->cols; c += BLOCK_COLUMNS) {
        share_block(p, mod, c, (slong)(p->cols - c < BLOCK_COLUMNS ? p->cols - c : BLOCK_COLUMNS));
    }
}

static void reconstruct(void *ctx)
{
    vs_bench_peer *p = ctx;
    const vs_fe *lambda = p->own;
    nmod_t mod = modulus();
    for (size_t c = 0; c < p->cols; c += BLOCK_COLUMNS) {
        slong cols = (slong)(p->cols - c < BLOCK_COLUMNS ? p->cols - c : BLOCK_COLUMNS);
        mp_ptr out = words(p->back.row[0] + c);
        _nmod_vec_scalar_mul_nmod_shoup(out, words(p->shares.row[0] + c), cols, lambda[0].v, mod);
        for (uint32_t a = 1; a <= p->t; a++) {
            _nmod_vec_scalar_addmul_nmod(out, words(p->shares.row[a] + c), cols, lambda[a].v, mod);
        }
    }
}

vs_err vs_bench_peer_flint(vs_bench_peer **out, uint32_t n, uint32_t t, size_t cols)
{
    vs_err err = vs_bench_peer_new(out, n, t, cols < COLUMNS_MOST ? cols : COLUMNS_MOST,
                                   BLOCK_COLUMNS * sizeof(vs_fe));
    if (err != VS_OK) return err;
    vs_fe *lambda = calloc(t + 1, sizeof *lambda);
    if (lambda == NULL) {
        vs_bench_peer_free(*out);
        *out = NULL;
        return VS_ERR_NOMEM;
    }
    vs_bench_peer_lambda(lambda, t + 1);
    (*out)->own = lambda;
    (*out)->free_own = free;
    (*out)->share = share;
    (*out)->reconstruct = reconstruct;
    return VS_OK;
}

#else

vs_err vs_bench_peer_flint(vs_bench_peer **out, uint32_t n, uint32_t t, size_t cols)
{
    (void)n, (void)t, (void)cols;
    *out = NULL;
    return VS_ERR_STATE;
}

#endif
