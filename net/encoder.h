/* net/encoder.h - the client's pipeline: real update to share vectors, a block of columns at a
 * time.
 *
 * rotate -> round -> add noise -> pack -> share, deterministic from the submission seed, so that
 * pass 2 makes exactly what pass 1 hashed. Memory is O(n x block), and the rounded coordinates (1,
 * 2 or 4 bytes each) where they fit VS_ENCODER_KEEP_MAX: then pass 2 packs these, else it starts
 * from the update again. Derived values: BLAKE2b-256(key = submission seed, "veilsum/v1 derive" ||
 * 0x00 || what || 0x00 || u32 j). */
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

/* Bytes: with 100 million coordinates all of a client stays below 1.5 GB. */
#define VS_ENCODER_KEEP_MAX (UINT64_C(256) << 20)

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
/* Keep coordinates up to so many bytes, not VS_ENCODER_KEEP_MAX. Before the first block. */
void vs_encoder_keep(vs_encoder *enc, uint64_t bytes);
bool vs_encoder_keeps(const vs_encoder *enc); /* after the first block: are they kept? */

/* Let the pool's threads round, pack and share (borrowed; NULL: this thread only). Same bytes. */
void vs_encoder_use_pool(vs_encoder *enc, vs_pool *pool);

uint32_t vs_encoder_blocks(const vs_encoder *enc); /* ceil((M + 2) / 8192): one 64 KiB chunk each */
/* How many blocks can be made at once: for pass 1, which hashes faster then. */
uint32_t vs_encoder_group(const vs_encoder *enc);
/* Make blocks first .. first+count-1, count <= vs_encoder_group (8192 columns each, fewer at the
 * end; mask columns at the very end). Afterwards vs_encoder_share(enc, j, b, ...) gives shareholder
 * j's elements of any of them. Any order, any number of times. Errors: VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_encoder_make(vs_encoder *enc, uint32_t first, uint32_t count);
/* The same without the rows of shareholders 1..t, whose shares are seeds: faster, for pass 1. */
VS_MUST_CHECK vs_err vs_encoder_make_vectors(vs_encoder *enc, uint32_t first, uint32_t count);
const vs_fe *vs_encoder_share(const vs_encoder *enc, uint32_t j, uint32_t b, size_t *n);
/* Feed blocks first .. first+count-1, which were made last, to roots[j-1] for j <= n (NULL: not
 * this one), on the pool's threads. Errors: VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_encoder_hash(const vs_encoder *enc, vs_share_root *const *roots, uint32_t n,
                                     uint32_t first, uint32_t count, vs_pool *pool);

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
