/* fl/rotate.h - random signs and a fast Walsh-Hadamard transform, block by block.
 *
 * Spreads the energy of an update over its coordinates, so that a narrow clipping range suffices.
 * Blocks of 2^16 coordinates from the front, the rest cut into falling powers of two, so nothing is
 * padded: 200,000 = 3 * 65536 + 2048 + 1024 + 256 + 64. A block is x -> H D x / sqrt(length), H the
 * Walsh-Hadamard matrix (natural order), D the signs: coordinate i is negated iff bit i mod 8 of
 * byte floor(i/8) of the ChaCha20 keystream (key = seed, nonce zero) is set. Orthonormal: norms
 * stay. The seed is public and of one round (net/round.h).
 * Secret: x. Timing: depends on lengths only. No function here can fail, but vs_rotated_new. */
#ifndef VS_FL_ROTATE_H
#define VS_FL_ROTATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define VS_ROTATE_BLOCK 65536u /* coordinates of the longest block */

/* The block that holds coordinate i < dim: its first coordinate and its length. */
void vs_rotate_block(uint64_t i, uint64_t dim, uint64_t *first, uint32_t *len);
/* One block in place, and back. x[len], first and len as vs_rotate_block says. */
void vs_rotate_forward(double *x, const uint8_t seed[32], uint64_t first, uint32_t len);
void vs_rotate_inverse(double *x, const uint8_t seed[32], uint64_t first, uint32_t len);
/* Every block of x[dim] back, in place. */
void vs_rotate_inverse_all(double *x, const uint8_t seed[32], uint64_t dim);

/* A rotated view of an update that is read from front to back, some coordinates at a time: one
 * block in memory, whatever dim is. Reading in any order gives the same values. */
typedef struct vs_rotated vs_rotated;

/* x[dim] is borrowed. VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_rotated_new(vs_rotated **out, const uint8_t seed[32], const double *x,
                                    uint64_t dim);
void vs_rotated_free(vs_rotated *r); /* wipes */
/* Where coordinates first.. are, and how many of count stand there; valid until the next call. */
const double *vs_rotated_read(vs_rotated *r, uint64_t first, size_t count, size_t *n);

#endif /* VS_FL_ROTATE_H */
