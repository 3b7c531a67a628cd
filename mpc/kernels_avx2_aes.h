/* mpc/kernels_avx2_aes.h - blocks of AES-256-CTR. Included by kernels_avx2*.c only. */
#ifndef VS_MPC_KERNELS_AVX2_AES_H
#define VS_MPC_KERNELS_AVX2_AES_H

#include "mpc/kernels_avx2.h"

enum { ROUNDS = 14 };

INLINE __m128i round_key(const vs_aes_key *key, unsigned round)
{
    return _mm_loadu_si128((const __m128i *)(const void *)key->round[round]);
}

/* The counter block with the block number in little-endian order. */
INLINE __m128i counter_first(const vs_ctr *ctr)
{
    return _mm_set_epi32((int)ctr->block, (int)ctr->stream, (int)ctr->attempt, (int)ctr->tile);
}

INLINE __m128i counter_step(__m128i c)
{
    return _mm_add_epi32(c, _mm_set_epi32(1, 0, 0, 0));
}

/* The wire has the block number big-endian. */
INLINE __m128i counter_bytes(__m128i c)
{
    return _mm_shuffle_epi8(c, _mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
}

/* Two blocks to elements; x + 1 has bit 61 set iff x = p. */
INLINE v4 mask_pair(v4 b, v4 *above)
{
    b = _mm256_and_si256(b, v4_p());
    *above = _mm256_or_si256(*above, _mm256_add_epi64(b, v4_set(1)));
    return b;
}

/* Nonzero iff mask_pair saw a value of p. */
INLINE uint64_t any_above(v4 above)
{
    uint64_t lane[V4_LANES];
    v4_store(lane, above);
    return (lane[0] | lane[1] | lane[2] | lane[3]) >> 61;
}

#endif /* VS_MPC_KERNELS_AVX2_AES_H */
