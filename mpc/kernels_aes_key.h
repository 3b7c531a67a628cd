/* mpc/kernels_aes_key.h - AES-256 key schedule with AES-NI (FIPS 197 section 5.2), for the x86
 * tables. Included by kernels_*_prg.c only. */
#ifndef VS_MPC_KERNELS_AES_KEY_H
#define VS_MPC_KERNELS_AES_KEY_H

#include <immintrin.h>

#include "mpc/kernels.h"

/* w, w^w', w^w'^w'', ...: the running XOR of the four words of prev, then the new word. */
static inline __m128i aes_key_mix(__m128i prev, __m128i word)
{
    prev = _mm_xor_si128(prev, _mm_slli_si128(prev, 4));
    prev = _mm_xor_si128(prev, _mm_slli_si128(prev, 8));
    return _mm_xor_si128(prev, word);
}

/* The next round key after even (two before the next) and odd: RotWord, SubWord and Rcon. */
#define AES_KEY_EVEN(even, odd, rcon)                                                              \
    aes_key_mix((even), _mm_shuffle_epi32(_mm_aeskeygenassist_si128((odd), (rcon)), 0xff))
/* SubWord only. */
#define AES_KEY_ODD(odd, even)                                                                     \
    aes_key_mix((odd), _mm_shuffle_epi32(_mm_aeskeygenassist_si128((even), 0), 0xaa))

static inline void aes_key_put(vs_aes_key *key, unsigned round, __m128i v)
{
    _mm_storeu_si128((__m128i *)(void *)key->round[round], v);
}

static inline void aes_key_expand(vs_aes_key *key, const uint8_t seed[VS_SEED_BYTES])
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)seed);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(seed + 16));
#ifdef VS_CTIME_MSAN /* does not know AESKEYGENASSIST, which takes no branch */
    VS_CT_PUBLIC(&a, sizeof a);
    VS_CT_PUBLIC(&b, sizeof b);
#endif
    aes_key_put(key, 0, a);
    aes_key_put(key, 1, b);
#define AES_KEY_PAIR(round, rcon)                                                                  \
    a = AES_KEY_EVEN(a, b, (rcon));                                                                \
    aes_key_put(key, (round), a);                                                                  \
    b = AES_KEY_ODD(b, a);                                                                         \
    aes_key_put(key, (round) + 1, b)
    AES_KEY_PAIR(2, 0x01);
    AES_KEY_PAIR(4, 0x02);
    AES_KEY_PAIR(6, 0x04);
    AES_KEY_PAIR(8, 0x08);
    AES_KEY_PAIR(10, 0x10);
    AES_KEY_PAIR(12, 0x20);
#undef AES_KEY_PAIR
    aes_key_put(key, 14, AES_KEY_EVEN(a, b, 0x40));
#ifdef VS_CTIME_MSAN
    VS_CT_SECRET(key, sizeof *key);
#endif
}

#endif /* VS_MPC_KERNELS_AES_KEY_H */
