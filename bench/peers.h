/* bench/peers.h - plain Shamir sharing (k = 1) as one would write it on well-kept libraries, with
 * libcrypto's AES-256-CTR for the coefficients: what veilsum is compared with.
 *
 * One foreign library per file. A peer shares cols elements of 8 bytes to n rows, and reconstructs
 * them from rows 1..t+1. */
#ifndef VS_BENCH_PEERS_H
#define VS_BENCH_PEERS_H

#include <stddef.h>
#include <stdint.h>

#include "bench/memory.h"
#include "bench/timing.h"

typedef struct evp_cipher_ctx_st vs_bench_cipher; /* libcrypto's EVP_CIPHER_CTX */

typedef struct vs_bench_peer {
    uint32_t n, t;
    size_t cols;
    vs_bench_rows secret, shares, back;
    uint8_t *random; /* t rows of block_bytes */
    size_t block_bytes;
    vs_bench_cipher *cipher;
    void *own; /* tables of the library */
    void (*free_own)(void *own);
    void (*share)(void *peer);
    void (*reconstruct)(void *peer);
} vs_bench_peer;

/* cols are cut to what takes milliseconds. VS_ERR_STATE: not built in. */
VS_MUST_CHECK vs_err vs_bench_peer_gmp(vs_bench_peer **out, uint32_t n, uint32_t t, size_t cols);
VS_MUST_CHECK vs_err vs_bench_peer_flint(vs_bench_peer **out, uint32_t n, uint32_t t, size_t cols);
VS_MUST_CHECK vs_err vs_bench_peer_isal(vs_bench_peer **out, uint32_t n, uint32_t t, size_t cols);
void vs_bench_peer_free(vs_bench_peer *peer);

/* For the three: buffers, secrets and cipher. */
VS_MUST_CHECK vs_err vs_bench_peer_new(vs_bench_peer **out, uint32_t n, uint32_t t, size_t cols,
                                       size_t block_bytes);
/* Next keystream to rows 0..t-1 of random, block_bytes each. */
void vs_bench_peer_random(vs_bench_peer *peer);
/* The same as elements: masked with p. */
void vs_bench_peer_coefficients(vs_bench_peer *peer);
/* Lagrange coefficients at 0 of points 1..m. */
void vs_bench_peer_lambda(vs_fe *lambda, uint32_t m);

/* All three beside an operation; what is not built in stays NULL. Each shared and reconstructed
 * once, and the secrets compared: VS_ERR_PROOF. */
typedef struct vs_bench_peers {
    vs_bench_peer *gmp, *flint, *isal;
} vs_bench_peers;
VS_MUST_CHECK vs_err vs_bench_peers_new(vs_bench_peers *out, uint32_t n, uint32_t t, size_t cols,
                                        vs_diag *diag);
void vs_bench_peers_free(vs_bench_peers *peers);

#endif /* VS_BENCH_PEERS_H */
