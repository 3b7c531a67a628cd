/* net/encoder_stage.h - inside of the encoder: what stands between an update and its integers.
 *
 * Rotation before rounding, the choice of the rounding, noise after it: a tile at a time, the same
 * values in any order and any pass. Secret: everything. The number of rounding attempts and the
 * noise are not constant time (fl/noise.h). */
#ifndef VS_NET_ENCODER_STAGE_H
#define VS_NET_ENCODER_STAGE_H

#include <stddef.h>
#include <stdint.h>

#include "fl/quantise.h"
#include "mpc/prg.h"
#include "net/round.h"

/* BLAKE2b-256(key = submission seed, "veilsum/v1 derive" || 0x00 || what || 0x00 || u32 j) */
void vs_encoder_derive(uint8_t out[32], const uint8_t seed[32], const char *what, uint32_t j);
VS_MUST_CHECK vs_err vs_encoder_prg(vs_prg **out, const uint8_t seed[32], const char *what,
                                    uint32_t j);

typedef struct vs_stage vs_stage;

/* update: round->open.dim values, borrowed, scanned to *scale. Under differential privacy this
 * rounds the whole update, with attempt 0, 1, ..., until its norm is within the sensitivity.
 * VS_ERR_LIMIT when that never happens (probability beta^1000). */
VS_MUST_CHECK vs_err vs_stage_new(vs_stage **out, const vs_round *round,
                                  const uint8_t submission_seed[32], const double *update,
                                  const vs_quantise_scale *scale, vs_diag *diag);
void vs_stage_free(vs_stage *s);
/* The values to be rounded, from coordinate first: where they are; *n, at most count, stand there.
 * Valid until the next call. */
const double *vs_stage_read(vs_stage *s, uint64_t first, size_t count, size_t *n);
/* Words for the rounding of coordinates first.. (NULL stream: not stochastic). */
vs_prg *vs_stage_rounding(vs_stage *s);
/* True: reading, rounding words and noise change nothing in it (several threads may do so). */
bool vs_stage_is_stateless(const vs_stage *s);
/* True: nothing stands between the update's values and their rounding, nor after it. */
bool vs_stage_is_plain(const vs_stage *s);
/* Rounded coordinates first.. to the middle of the grid, plus noise. Without noise: as they are. */
VS_MUST_CHECK vs_err vs_stage_noise(vs_stage *s, uint32_t *coords, uint64_t first, size_t count);
/* The metrics' integers: rounding words follow the update's, noise is of its own. */
VS_MUST_CHECK vs_err vs_stage_metrics(vs_stage *s, uint32_t out[VS_METRICS_N],
                                      const vs_metrics *metrics, uint64_t weight);

#endif /* VS_NET_ENCODER_STAGE_H */
