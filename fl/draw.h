/* fl/draw.h - reproducible draws for training: a ChaCha20 stream (libsodium) named by a seed.
 *
 * For initial weights, shuffles, partitions and generated data, which a user repeats by giving
 * the same seed. Never for a secret: masks, noise and rounding bits come from a vs_rng.
 * The same seed and stream give the same integers everywhere; reals may differ in the last bit
 * between C libraries. No function here can fail or allocates. */
#ifndef VS_FL_DRAW_H
#define VS_FL_DRAW_H

#include <stddef.h>
#include <stdint.h>

/* What the draws are for, so that one seed serves a whole run. */
typedef enum vs_draw_stream {
    VS_DRAW_WEIGHTS = 1,
    VS_DRAW_SHUFFLE,
    VS_DRAW_PARTITION,
    VS_DRAW_DIGITS,
    VS_DRAW_CLIENTS,
    VS_DRAW_PARTY, /* of a simulation: keys, shares, rounding (net/local.h) */
} vs_draw_stream;

typedef struct vs_draw {
    uint8_t key[32];
    uint64_t n_blocks; /* 64-byte ChaCha20 blocks used so far */
    uint32_t at;       /* next unused byte of block */
    uint8_t block[512];
} vs_draw;

void vs_draw_init(vs_draw *d, uint64_t seed, vs_draw_stream stream);
/* A seed of its own for part a, b of a run, e.g. (seed, round, client). */
uint64_t vs_draw_derive(uint64_t seed, uint64_t a, uint64_t b);

uint64_t vs_draw_u64(vs_draw *d);
uint32_t vs_draw_below(vs_draw *d, uint32_t n);           /* exactly uniform in [0, n), n > 0 */
double vs_draw_unit(vs_draw *d);                          /* uniform in [0, 1), 53 bits */
double vs_draw_between(vs_draw *d, double lo, double hi); /* uniform in [lo, hi) */
double vs_draw_normal(vs_draw *d);                        /* mean 0, variance 1 */
/* Gamma(shape, scale 1), shape > 0: Marsaglia and Tsang 2000; may underflow to 0 for tiny shapes.
 */
double vs_draw_gamma(vs_draw *d, double shape);
void vs_draw_shuffle(vs_draw *d, uint32_t *items, size_t n); /* Fisher-Yates, n < 2^32 */
/* picked[n_picked]: so many different numbers below n, ascending; every choice equally likely. */
void vs_draw_choose(vs_draw *d, uint32_t *picked, uint32_t n_picked, uint32_t n);

#endif /* VS_FL_DRAW_H */
