/* mpc/kernels_avx512_aes.h - counter blocks of AES-256-CTR, 4 in a register. Included by
 * kernels_avx512*.c only. */
#ifndef VS_MPC_KERNELS_AVX512_AES_H
#define VS_MPC_KERNELS_AVX512_AES_H

#include "mpc/kernels_avx512.h"

enum { ROUNDS = 14 };

INLINE v8 round_key(const vs_aes_key *key, unsigned round)
{
    return _mm512_broadcast_i32x4(
        _mm_loadu_si128((const __m128i *)(const void *)key->round[round]));
}

/* Counter blocks with the block number in little-endian order; blocks n .. n+3. */
INLINE v8 counter_first(const vs_ctr *ctr)
{
    v8 c = _mm512_broadcast_i32x4(
        _mm_set_epi32((int)ctr->block, (int)ctr->stream, (int)ctr->attempt, (int)ctr->tile));
    return _mm512_add_epi32(c, _mm512_set_epi32(3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0));
}

INLINE v8 counter_step(v8 c, int blocks)
{
    return _mm512_add_epi32(c, _mm512_broadcast_i32x4(_mm_set_epi32(blocks, 0, 0, 0)));
}

/* The wire has the block number big-endian. */
INLINE v8 counter_bytes(v8 c)
{
    return _mm512_shuffle_epi8(c, _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8,
                                                                      7, 6, 5, 4, 3, 2, 1, 0)));
}

#endif /* VS_MPC_KERNELS_AVX512_AES_H */
