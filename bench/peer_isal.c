/* ISA-L: Shamir over GF(2^8) byte by byte, ec_encode_data with a Vandermonde matrix, a block of
 * columns in cache at a time. An element is 8 bytes. */
#include "bench/peers.h"

#ifdef VS_PEERS

#include <stdlib.h>

#include <isa-l/erasure_code.h>

enum { BLOCK_BYTES = 4096, COLUMNS_MOST = 4194304, TABLE_BYTES = 32 };

typedef struct isal_own {
    uint8_t share[TABLE_BYTES * VS_SHAREHOLDERS_MAX * (VS_SHAREHOLDERS_MAX + 1)];
    uint8_t back[TABLE_BYTES * (VS_SHAREHOLDERS_MAX + 1)];
} isal_own;

static uint8_t *bytes(vs_fe *row, size_t at)
{
    return (uint8_t *)(void *)row + at;
}

static int block_len(const vs_bench_peer *p, size_t at)
{
    size_t left = p->cols * sizeof(vs_fe) - at;
    return (int)(left < BLOCK_BYTES ? left : BLOCK_BYTES);
}

static void share(void *ctx)
{
    vs_bench_peer *p = ctx;
    isal_own *own = p->own;
    uint8_t *in[VS_SHAREHOLDERS_MAX + 1], *out[VS_SHAREHOLDERS_MAX];
    for (size_t at = 0; at < p->cols * sizeof(vs_fe); at += BLOCK_BYTES) {
        vs_bench_peer_random(p);
        in[0] = bytes(p->secret.row[0], at);
        for (uint32_t i = 0; i < p->t; i++) in[i + 1] = p->random + (size_t)i * BLOCK_BYTES;
        for (uint32_t j = 0; j < p->n; j++) out[j] = bytes(p->shares.row[j], at);
        ec_encode_data(block_len(p, at), (int)p->t + 1, (int)p->n, own->share, in, out);
    }
}

static void reconstruct(void *ctx)
{
    vs_bench_peer *p = ctx;
    isal_own *own = p->own;
    uint8_t *in[VS_SHAREHOLDERS_MAX + 1], *out[1];
    for (size_t at = 0; at < p->cols * sizeof(vs_fe); at += BLOCK_BYTES) {
        for (uint32_t a = 0; a <= p->t; a++) in[a] = bytes(p->shares.row[a], at);
        out[0] = bytes(p->back.row[0], at);
        ec_encode_data(block_len(p, at), (int)p->t + 1, 1, own->back, in, out);
    }
}

static void make_tables(isal_own *own, uint32_t n, uint32_t t)
{
    uint8_t matrix[VS_SHAREHOLDERS_MAX * (VS_SHAREHOLDERS_MAX + 1)];
    for (uint32_t j = 1; j <= n; j++) {
        uint8_t power = 1;
        for (uint32_t i = 0; i <= t; i++) {
            matrix[(size_t)(j - 1) * (t + 1) + i] = power;
            power = gf_mul(power, (uint8_t)j);
        }
    }
    ec_init_tables((int)t + 1, (int)n, matrix, own->share);
    for (uint32_t a = 1; a <= t + 1; a++) { /* Lagrange at 0 of points 1..t+1; minus is plus */
        uint8_t lambda = 1;
        for (uint32_t b = 1; b <= t + 1; b++) {
            if (b != a) lambda = gf_mul(lambda, gf_mul((uint8_t)b, gf_inv((uint8_t)(a ^ b))));
        }
        matrix[a - 1] = lambda;
    }
    ec_init_tables((int)t + 1, 1, matrix, own->back);
}

vs_err vs_bench_peer_isal(vs_bench_peer **out, uint32_t n, uint32_t t, size_t cols)
{
    vs_err err =
        vs_bench_peer_new(out, n, t, cols < COLUMNS_MOST ? cols : COLUMNS_MOST, BLOCK_BYTES);
    if (err != VS_OK) return err;
    isal_own *own = calloc(1, sizeof *own);
    if (own == NULL) {
        vs_bench_peer_free(*out);
        *out = NULL;
        return VS_ERR_NOMEM;
    }
    make_tables(own, n, t);
    (*out)->own = own;
    (*out)->free_own = free;
    (*out)->share = share;
    (*out)->reconstruct = reconstruct;
    return VS_OK;
}

#else

vs_err vs_bench_peer_isal(vs_bench_peer **out, uint32_t n, uint32_t t, size_t cols)
{
    (void)n, (void)t, (void)cols;
    *out = NULL;
    return VS_ERR_STATE;
}

#endif
