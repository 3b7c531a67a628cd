/* base/rng.h - randomness as an argument.
 *
 * Roles and key generation take a vs_rng, so that a test can replay a round and can make the
 * k-th call fail. The only source in the program is vs_rng_system: libsodium's randombytes. */
#ifndef VS_BASE_RNG_H
#define VS_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct vs_rng {
    /* Fill out with len uniform bytes, or return VS_ERR_IO and zero bytes. */
    vs_err (*fill)(void *ctx, void *out, size_t len);
    void *ctx;
} vs_rng;

/* libsodium randombytes_buf. Starts libsodium; VS_ASSERTs that it could start. */
vs_rng vs_rng_system(void);

static inline VS_MUST_CHECK vs_err vs_rng_fill(const vs_rng *rng, void *out, size_t len)
{
    return rng->fill(rng->ctx, out, len);
}

#endif /* VS_BASE_RNG_H */
