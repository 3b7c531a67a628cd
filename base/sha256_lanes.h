/* base/sha256_lanes.h - SHA-256 of several messages at once: compression functions of x86-64.
 *
 * Inside base/ and for its tests only; hash_many.c is the dispatch, libcrypto the oracle and the
 * way where none of these runs. Secret: data and state. Constant time. */
#ifndef VS_BASE_SHA256_LANES_H
#define VS_BASE_SHA256_LANES_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define VS_SHA256_BLOCK_BYTES 64u
#define VS_SHA256_LANES_MAX 16u

typedef struct vs_sha256_lanes {
    const char *name;
    uint32_t lanes; /* messages at once */
    /* Fewest messages worth a call (the other lanes repeat one of them), beside the next narrower
     * table or, with nothing between, beside libcrypto. */
    uint32_t least, least_alone;
    /* n_blocks blocks of 64 bytes of each lane (no alignment) into state[word * lanes + lane]. */
    void (*blocks)(uint32_t *state, const uint8_t *const *data, size_t n_blocks);
} vs_sha256_lanes;

extern const vs_sha256_lanes vs_sha256_ni;     /* x86-64 only */
extern const vs_sha256_lanes vs_sha256_avx512; /* x86-64 only */

/* By name ("sha-ni", "avx512"), whatever VEILSUM_ISA says; NULL if this machine cannot run it. */
const vs_sha256_lanes *vs_sha256_lanes_by_name(const char *name);
/* out[i] = H(0x00 || data[i][0..len)) for i < count <= k->lanes. */
void vs_sha256_leaves(const vs_sha256_lanes *k, vs_h32 *out, const uint8_t *const *data, size_t len,
                      uint32_t count);

/* FIPS 180-4 section 4.2.2: first 32 bits of the fractional parts of the cube roots of the first 64
 * primes. */
extern const uint32_t vs_sha256_k[64];

#endif /* VS_BASE_SHA256_LANES_H */
