/* net/encoder.h - the client's pipeline: real update to share vectors, a block of columns at a
 * time.
 *
 * rotate -> round -> add noise -> pack -> share, deterministic from the submission seed, so that
 * pass 2 makes exactly what pass 1 hashed. Memory is O(n x block), whatever L is. Derived values:
 * BLAKE2b-256(key = submission seed, "veilsum/v1 derive" || 0x00 || what || 0x00 || u32 j). */
#ifndef VS_NET_ENCODER_H
#define VS_NET_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "mpc/commit.h"
#include "mpc/parallel.h"
#include "net/federation.h"
#include "net/round.h"

typedef struct vs_encoder vs_encoder;

/* update: dim doubles, borrowed. Scans it (non-finite, norm) and checks the weight. Under
 * differential privacy also chooses the rounding, which reads it once or a few times more. */
VS_MUST_CHECK vs_err vs_encoder_new(vs_encoder **out, const vs_federation *fed,
                                    const vs_round *round, const uint8_t submission_seed[32],
                                    const double *update, uint64_t dim, uint64_t weight,
                                    vs_diag *diag);
void vs_encoder_free(vs_encoder *enc);
/* In a round with metrics, before the first block (checked values: vs_metrics_check). */
VS_MUST_CHECK vs_err vs_encoder_set_metrics(vs_encoder *enc, double loss, double accuracy);

/* Let the pool's threads share (borrowed; NULL: this thread only). Same bytes. */
void vs_encoder_use_pool(vs_encoder *enc, vs_pool *pool);

uint32_t vs_encoder_blocks(const vs_encoder *enc); /* ceil((M + 2) / 8192): one 64 KiB chunk each */
/* Make block b (8192 columns, fewer at the end; mask columns at the very end). Afterwards
 * vs_encoder_share(enc, j, ...) gives shareholder j's elements of it. */
VS_MUST_CHECK vs_err vs_encoder_block(vs_encoder *enc, uint32_t b);
const vs_fe *vs_encoder_share(const vs_encoder *enc, uint32_t j, size_t *n);

/* Derived values of the submission. */
void vs_encoder_salt(const vs_encoder *enc, vs_h32 *salt);
void vs_encoder_nonce(const vs_encoder *enc, uint32_t j, uint8_t nonce[32]);
void vs_encoder_seed(const vs_encoder *enc, uint32_t j, uint8_t seed[32]); /* j <= t */
void vs_encoder_ephemeral_secret(const vs_encoder *enc, uint32_t j, uint8_t secret[32]);

/* The quantised coordinates with weight digits (L of them), for the demo's exactness check. */
VS_MUST_CHECK vs_err vs_encoder_coordinates(vs_encoder *enc, uint32_t *coords);
uint64_t vs_encoder_clipped(const vs_encoder *enc); /* after every block was made once */
double vs_encoder_norm(const vs_encoder *enc, bool *norm_clipped);

#endif /* VS_NET_ENCODER_H */
