/* SHA-256 of 16 messages at once: word i of all messages is one vector (FIPS 180-4 section 6.2). */
#include "base/sha256_lanes.h"

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { LANES = 16, WORDS = 8 };

typedef __m512i v16; /* 16 words of 32 bits */

#ifdef VS_CTIME_MSAN /* does not know the ternary logic instruction */
#define XOR3(a, b, c) _mm512_xor_si512(_mm512_xor_si512((a), (b)), (c))
#define CHOOSE(a, b, c) _mm512_or_si512(_mm512_and_si512((a), (b)), _mm512_andnot_si512((a), (c)))
#define MAJORITY(a, b, c)                                                                          \
    _mm512_or_si512(_mm512_and_si512((a), (b)), _mm512_and_si512((c), _mm512_or_si512((a), (b))))
#else /* truth tables: bit 4a + 2b + c */
#define XOR3(a, b, c) _mm512_ternarylogic_epi32((a), (b), (c), 0x96)
#define CHOOSE(a, b, c) _mm512_ternarylogic_epi32((a), (b), (c), 0xca)
#define MAJORITY(a, b, c) _mm512_ternarylogic_epi32((a), (b), (c), 0xe8)
#endif

#define SIGMA(x, i, j, k)                                                                          \
    XOR3(_mm512_ror_epi32((x), (i)), _mm512_ror_epi32((x), (j)), _mm512_ror_epi32((x), (k)))
#define SIGMA_SHIFT(x, i, j, k)                                                                    \
    XOR3(_mm512_ror_epi32((x), (i)), _mm512_ror_epi32((x), (j)), _mm512_srli_epi32((x), (k)))

INLINE v16 add(v16 a, v16 b)
{
    return _mm512_add_epi32(a, b);
}

/* Round 16 turn + i; s is a ring of a..h that moves by one each round. */
INLINE void one_round(v16 *s, v16 *w, unsigned turn, unsigned i)
{
#define AT(letter) s[((letter)-i) & 7]
    enum { A, B, C, D, E, F, G, H };
    v16 k = _mm512_set1_epi32((int)vs_sha256_k[16 * turn + i]);
    v16 t =
        add(add(AT(H), add(w[i], k)), add(SIGMA(AT(E), 6, 11, 25), CHOOSE(AT(E), AT(F), AT(G))));
    AT(D) = add(AT(D), t);
    AT(H) = add(t, add(SIGMA(AT(A), 2, 13, 22), MAJORITY(AT(A), AT(B), AT(C))));
    if (turn < 3) { /* the word of 16 rounds later */
        v16 old = w[(i + 1) & 15], recent = w[(i + 14) & 15];
        w[i] = add(add(w[i], w[(i + 9) & 15]),
                   add(SIGMA_SHIFT(old, 7, 18, 3), SIGMA_SHIFT(recent, 17, 19, 10)));
    }
#undef AT
}

/* Row l of 16 words becomes lane l of 16 vectors: pairs, fours, eights, halves. */
INLINE void transpose(v16 *w)
{
    v16 t[LANES];
#pragma GCC unroll 16
    for (unsigned i = 0; i < LANES; i += 2) {
        t[i] = _mm512_unpacklo_epi32(w[i], w[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(w[i], w[i + 1]);
    }
#pragma GCC unroll 16
    for (unsigned i = 0; i < LANES;
         i += 4) { /* w[i + c]: words c of rows i..i+3, in each quarter */
        w[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        w[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        w[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        w[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 16
    for (unsigned i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(w[i], w[i + 4], 0x44);
        t[i + 4] = _mm512_shuffle_i32x4(w[i], w[i + 4], 0xee);
        t[i + 8] = _mm512_shuffle_i32x4(w[i + 8], w[i + 12], 0x44);
        t[i + 12] = _mm512_shuffle_i32x4(w[i + 8], w[i + 12], 0xee);
    }
#pragma GCC unroll 16
    for (unsigned i = 0; i < 4; i++) {
        w[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        w[i + 4] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        w[i + 8] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        w[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

INLINE void load_words(v16 *w, const uint8_t *const *data, size_t at)
{
    const v16 big_endian = _mm512_broadcast_i32x4(
        _mm_set_epi64x(INT64_C(0x0c0d0e0f08090a0b), INT64_C(0x0405060700010203)));
#pragma GCC unroll 16
    for (unsigned l = 0; l < LANES; l++) w[l] = _mm512_loadu_si512(data[l] + at);
    transpose(w);
#pragma GCC unroll 16
    for (unsigned l = 0; l < LANES; l++) w[l] = _mm512_shuffle_epi8(w[l], big_endian);
}

TARGET static void blocks(uint32_t *state, const uint8_t *const *data, size_t n_blocks)
{
    v16 s[WORDS], w[LANES];
#pragma GCC unroll 8
    for (size_t i = 0; i < WORDS; i++) s[i] = _mm512_loadu_si512(state + i * LANES);
    for (size_t b = 0; b < n_blocks; b++) {
        load_words(w, data, b * VS_SHA256_BLOCK_BYTES);
#pragma GCC unroll 4
        for (unsigned turn = 0; turn < 4; turn++) {
#pragma GCC unroll 16
            for (unsigned i = 0; i < 16; i++) one_round(s, w, turn, i);
        }
#pragma GCC unroll 8
        for (size_t i = 0; i < WORDS; i++) {
            s[i] = add(s[i], _mm512_loadu_si512(state + i * LANES));
            _mm512_storeu_si512(state + i * LANES, s[i]);
        }
    }
}

const vs_sha256_lanes vs_sha256_avx512 = {
    .name = "avx512", .lanes = LANES, .least = 10, .least_alone = 5, .blocks = blocks};
