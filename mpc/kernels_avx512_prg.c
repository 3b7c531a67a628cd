/* AVX-512 with VAES: AES-256-CTR, 4 blocks per instruction, 32 in flight. */
#include "mpc/kernels_avx512_aes.h"

#include "mpc/kernels_aes_key.h"

enum { IN_FLIGHT = 8 };

typedef struct schedule {
    v8 round[ROUNDS + 1]; /* in registers */
} schedule;

INLINE schedule schedule_load(const vs_aes_key *key)
{
    schedule k;
    UNROLL for (unsigned r = 0; r <= ROUNDS; r++)
    {
        k.round[r] = round_key(key, r);
    }
    return k;
}

INLINE void encrypt(v8 *b, unsigned count, const schedule *k)
{
    UNROLL for (unsigned u = 0; u < count; u++) b[u] = _mm512_xor_si512(b[u], k->round[0]);
    UNROLL for (unsigned r = 1; r < ROUNDS; r++)
    {
        UNROLL for (unsigned u = 0; u < count; u++) b[u] = _mm512_aesenc_epi128(b[u], k->round[r]);
    }
    UNROLL for (unsigned u = 0; u < count; u++)
    {
        b[u] = _mm512_aesenclast_epi128(b[u], k->round[ROUNDS]);
    }
}

/* count vectors of keystream to out, the last of them only where m says. With masking, x + 1 has
 * bit 61 set iff x = p; those are gathered in *above. */
INLINE v8 emit(uint64_t *out, v8 c, unsigned count, __mmask8 m, const schedule *k, bool mask,
               v8 *above)
{
    v8 b[IN_FLIGHT];
    UNROLL for (unsigned u = 0; u < count; u++)
    {
        b[u] = counter_bytes(c);
        c = counter_step(c, 4);
    }
    encrypt(b, count, k);
    UNROLL for (unsigned u = 0; u < count; u++)
    {
        if (mask) {
            b[u] = _mm512_and_si512(b[u], v8_p());
            v8 next = _mm512_add_epi64(b[u], v8_set(1));
            *above = _mm512_mask_or_epi64(*above, m, *above, next);
        }
        _mm512_mask_storeu_epi64(out + u * V8_LANES, m, b[u]);
    }
    return c;
}

INLINE uint64_t expand(const vs_aes_key *key, const vs_ctr *ctr, uint64_t *out, size_t n, bool mask)
{
    const schedule k = schedule_load(key);
    v8 c = counter_first(ctr);
    v8 above = _mm512_setzero_si512();
    for (; n >= IN_FLIGHT * V8_LANES; n -= IN_FLIGHT * V8_LANES, out += IN_FLIGHT * V8_LANES) {
        c = emit(out, c, IN_FLIGHT, 0xff, &k, mask, &above);
    }
    for (; n > V8_LANES; n -= V8_LANES, out += V8_LANES) {
        c = emit(out, c, 1, 0xff, &k, mask, &above);
    }
    if (n > 0) (void)emit(out, c, 1, v8_first(n), &k, mask, &above);
    return (uint64_t)_mm512_reduce_or_epi64(above) >> 61;
}

void vs_avx512_aes_key(vs_aes_key *key, const uint8_t seed[VS_SEED_BYTES])
{
    aes_key_expand(key, seed);
}

void vs_avx512_words(const vs_aes_key *key, const vs_ctr *ctr, uint64_t *out, size_t n)
{
    (void)expand(key, ctr, out, n, false);
}

uint64_t vs_avx512_elements(const vs_aes_key *key, const vs_ctr *ctr, vs_fe *out, size_t n)
{
    return expand(key, ctr, &out->v, n, true);
}
