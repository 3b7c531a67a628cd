/* SHA-256 of two messages at once by the SHA extensions: one alone waits for its own results. */
#include "base/sha256_lanes.h"

#include <immintrin.h>

#define TARGET __attribute__((target("sha,sse4.1")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { LANES = 2, WORDS = 8 };

/* The instructions take the state as two vectors: a, b, e, f and c, d, g, h (highest first). */
typedef struct lane {
    __m128i abef, cdgh;
    __m128i w[4]; /* the last 16 words of the message schedule, four each; a ring */
} lane;

INLINE __m128i load_words(const uint8_t *p)
{
    const __m128i big_endian =
        _mm_set_epi64x(INT64_C(0x0c0d0e0f08090a0b), INT64_C(0x0405060700010203));
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), big_endian);
}

/* Rounds 4 step .. 4 step + 3, and the four words that take the place of those just used. */
INLINE void four_rounds(lane *l, unsigned step)
{
    __m128i *w = l->w;
    const __m128i k =
        _mm_loadu_si128((const __m128i *)(const void *)(vs_sha256_k + (size_t)4 * step));
    __m128i sum = _mm_add_epi32(w[step % 4], k);
    l->cdgh = _mm_sha256rnds2_epu32(l->cdgh, l->abef, sum);
    l->abef = _mm_sha256rnds2_epu32(l->abef, l->cdgh, _mm_shuffle_epi32(sum, 0x0e));
    if (step < 12) {
        const __m128i last = w[(step + 3) % 4];
        __m128i next = _mm_sha256msg1_epu32(w[step % 4], w[(step + 1) % 4]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(last, w[(step + 2) % 4], 4));
        w[step % 4] = _mm_sha256msg2_epu32(next, last);
    }
}

INLINE void load_state(lane *l, const uint32_t *state, unsigned at)
{
    uint32_t s[WORDS];
    for (unsigned i = 0; i < WORDS; i++) s[i] = state[i * LANES + at];
    l->abef = _mm_set_epi32((int)s[0], (int)s[1], (int)s[4], (int)s[5]);
    l->cdgh = _mm_set_epi32((int)s[2], (int)s[3], (int)s[6], (int)s[7]);
}

INLINE void store_state(const lane *l, uint32_t *state, unsigned at)
{
    static const uint8_t order[2][4] = {{5, 4, 1, 0}, {7, 6, 3, 2}};
    uint32_t v[2][4];
    _mm_storeu_si128((__m128i *)(void *)v[0], l->abef);
    _mm_storeu_si128((__m128i *)(void *)v[1], l->cdgh);
    for (unsigned i = 0; i < 4; i++) {
        state[order[0][i] * LANES + at] = v[0][i];
        state[order[1][i] * LANES + at] = v[1][i];
    }
}

TARGET static void blocks(uint32_t *state, const uint8_t *const *data, size_t n_blocks)
{
    lane l[LANES];
    const uint8_t *next[LANES] = {data[0], data[1]};
    for (unsigned i = 0; i < LANES; i++) load_state(&l[i], state, i);
    for (size_t b = 0; b < n_blocks; b++) {
        const lane before[LANES] = {l[0], l[1]};
#pragma GCC unroll 2
        for (unsigned i = 0; i < LANES; i++) {
#pragma GCC unroll 4
            for (unsigned q = 0; q < 4; q++) l[i].w[q] = load_words(next[i] + 16 * (size_t)q);
            next[i] += VS_SHA256_BLOCK_BYTES;
        }
#pragma GCC unroll 16
        for (unsigned step = 0; step < 16; step++) {
            four_rounds(&l[0], step);
            four_rounds(&l[1], step);
        }
#pragma GCC unroll 2
        for (unsigned i = 0; i < LANES; i++) {
            l[i].abef = _mm_add_epi32(l[i].abef, before[i].abef);
            l[i].cdgh = _mm_add_epi32(l[i].cdgh, before[i].cdgh);
        }
    }
    for (unsigned i = 0; i < LANES; i++) store_state(&l[i], state, i);
}

const vs_sha256_lanes vs_sha256_ni = {
    .name = "sha-ni", .lanes = LANES, .least = 2, .least_alone = 2, .blocks = blocks};
