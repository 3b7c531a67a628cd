/* AES-NI: AES-256-CTR, 8 blocks in flight. */
#include "mpc/kernels_avx2_aes.h"

#include "mpc/kernels_aes_key.h"

enum { IN_FLIGHT = 8, BLOCK_WORDS = 2 };

INLINE void encrypt(__m128i *b, unsigned count, const vs_aes_key *key)
{
    UNROLL for (unsigned u = 0; u < count; u++) b[u] = _mm_xor_si128(b[u], round_key(key, 0));
    UNROLL for (unsigned r = 1; r < ROUNDS; r++)
    {
        const __m128i k = round_key(key, r);
        UNROLL for (unsigned u = 0; u < count; u++) b[u] = _mm_aesenc_si128(b[u], k);
    }
    UNROLL for (unsigned u = 0; u < count; u++)
    {
        b[u] = _mm_aesenclast_si128(b[u], round_key(key, ROUNDS));
    }
}

INLINE uint64_t expand(const vs_aes_key *key, const vs_ctr *ctr, uint64_t *out, size_t n, bool mask)
{
    __m128i b[IN_FLIGHT];
    __m128i c = counter_first(ctr);
    v4 above = _mm256_setzero_si256();
    uint64_t rest = 0;
    for (; n >= IN_FLIGHT * BLOCK_WORDS; n -= IN_FLIGHT * BLOCK_WORDS) {
        UNROLL for (unsigned u = 0; u < IN_FLIGHT; u++, c = counter_step(c)) b[u] =
            counter_bytes(c);
        encrypt(b, IN_FLIGHT, key);
        UNROLL for (unsigned u = 0; u < IN_FLIGHT; u += 2, out += V4_LANES)
        {
            v4 pair = _mm256_set_m128i(b[u + 1], b[u]);
            v4_store(out, mask ? mask_pair(pair, &above) : pair);
        }
    }
    for (; n > 0; c = counter_step(c)) {
        uint64_t word[BLOCK_WORDS];
        b[0] = counter_bytes(c);
        encrypt(b, 1, key);
        _mm_storeu_si128((__m128i *)(void *)word, b[0]);
        for (unsigned i = 0; i < BLOCK_WORDS && n > 0; i++, n--) {
            *out = mask ? word[i] & VS_FE_P : word[i];
            rest |= *out++ + 1;
        }
    }
    return any_above(above) | (rest >> 61);
}

void vs_avx2_aes_key(vs_aes_key *key, const uint8_t seed[VS_SEED_BYTES])
{
    aes_key_expand(key, seed);
}

void vs_avx2_words(const vs_aes_key *key, const vs_ctr *ctr, uint64_t *out, size_t n)
{
    (void)expand(key, ctr, out, n, false);
}

uint64_t vs_avx2_elements(const vs_aes_key *key, const vs_ctr *ctr, vs_fe *out, size_t n)
{
    return expand(key, ctr, &out->v, n, true);
}
