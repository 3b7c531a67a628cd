/* bench/crypto.h - hashing and sealing of share vectors alone: parts that no client or shareholder
 * can avoid, a chunk of 64 KiB in cache again and again. */
#ifndef VS_BENCH_CRYPTO_H
#define VS_BENCH_CRYPTO_H

#include <stdint.h>

#include "mpc/commit.h"
#include "net/seal.h"

typedef struct vs_bench_crypto {
    uint32_t vectors, columns; /* so many vectors of columns + 2 elements */
    uint8_t *plain, *sealed;
    vs_seal *sender, *receiver;
} vs_bench_crypto;

VS_MUST_CHECK vs_err vs_bench_crypto_new(vs_bench_crypto *out, uint32_t vectors, uint32_t columns);
void vs_bench_crypto_free(vs_bench_crypto *c);
void vs_bench_crypto_hash(void *crypto);      /* libcrypto, one leaf after the other */
void vs_bench_crypto_hash_many(void *crypto); /* the same leaves, 16 at a time */
void vs_bench_crypto_seal(void *crypto);
void vs_bench_crypto_open(void *crypto);

/* Both ends of shareholder j's channel, from fixed secrets. */
VS_MUST_CHECK vs_err vs_bench_seal_pair(vs_seal **sender, vs_seal **receiver, const vs_h32 *ctx,
                                        uint32_t j);

#endif /* VS_BENCH_CRYPTO_H */
