/* mpc/prg.h - exactly uniform field elements from a 32-byte seed (fixed by the protocol).
 *
 * AES-256-CTR, key = seed. Counter block: u32 tile, u32 attempt, u32 stream id (little-endian),
 * then 4 bytes big-endian block counter from 0. Element i is the little-endian u64 at keystream
 * byte 8i of (tile 0, attempt 0), masked with p: one continuous stream. If any of the 1024 masked
 * values of a tile equals p, the whole tile tau is drawn again from block 0 with (tau, attempt),
 * attempt = 1, 2, ...: exactly uniform, probability of a redraw 2^-51 per tile.
 * Secret: seed and output. Timing: depends on lengths, and on a redraw (which tells nothing
 * about the values that are kept). */
#ifndef VS_MPC_PRG_H
#define VS_MPC_PRG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mpc/field.h"

#define VS_SEED_BYTES 32u
#define VS_PRG_TILE 1024u /* elements */

/* Stream ids (fixed). */
enum { VS_PRG_SHARE = 0, VS_PRG_CHALLENGE = 1, VS_PRG_LOCATE = 2 };

typedef struct vs_prg vs_prg; /* opaque: holds the key schedule */

/* On VS_OK the caller owns *out. Errors: VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_prg_new(vs_prg **out, const uint8_t seed[VS_SEED_BYTES], uint32_t stream);
/* Wipe and release. NULL is a no-op. */
void vs_prg_free(vs_prg *prg);

/* out[0..count) = elements first .. first+count-1. Any first; fastest when it goes on where the
 * last call ended. first + count <= 2^25 + 1024. */
void vs_prg_fill(vs_prg *prg, vs_fe *out, uint64_t first, size_t count);

/* Raw keystream words (64 uniform bits each) of the same stream, without masking or redraw:
 * for stochastic rounding. */
void vs_prg_words(vs_prg *prg, uint64_t *out, uint64_t first, size_t count);

/* True: its AES is ours. Then vs_prg_words does not change prg (threads may share it) and short
 * pieces are as fast as long ones. */
bool vs_prg_is_native(const vs_prg *prg);

/* Where keystream comes from: fill len bytes of (tile, attempt, stream) from byte offset (a
 * multiple of 16). Tests replace it to reach the redraw. */
typedef void (*vs_prg_source)(void *ctx, uint8_t *out, size_t len, uint32_t tile, uint32_t attempt,
                              uint32_t stream, uint64_t offset);
VS_MUST_CHECK vs_err vs_prg_new_from_source(vs_prg **out, vs_prg_source source, void *ctx,
                                            uint32_t stream);

/* The two challenge elements (re, im) = elements 0 and 1 of the stream under key. */
VS_MUST_CHECK vs_err vs_prg_fe2(vs_fe2 *out, const vs_h32 *key, uint32_t stream);

#endif /* VS_MPC_PRG_H */
