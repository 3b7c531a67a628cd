/* mpc/kernels_slots_pairs.h - packing of two slots an element, by vectors. Inside kernels_slots.h.
 *
 * Both coordinates of an element are one 64-bit load (x86 is little-endian). Elements of two rows
 * stand beside each other in each column, k pairs of coordinates after those of the column before:
 * four columns of two rows at a time are two vectors. */
#ifndef VS_MPC_KERNELS_SLOTS_PAIRS_H
#define VS_MPC_KERNELS_SLOTS_PAIRS_H

#include "mpc/kernels.h"

#if defined(__AVX2__)
#include <immintrin.h>

enum { SLOTS_LANES = 4 };

static inline __m256i slots_join(__m256i x, __m128i width)
{
    const __m256i low = _mm256_and_si256(x, _mm256_set1_epi64x(UINT32_MAX));
    return _mm256_or_si256(low, _mm256_sll_epi64(_mm256_srli_epi64(x, 32), width));
}

/* The element pairs at a and b. */
static inline __m256i slots_load(const uint32_t *a, const uint32_t *b)
{
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)a)),
        _mm_loadu_si128((const __m128i *)(const void *)b), 1);
}

static inline void slots_store(vs_fe *row, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)row, v);
}

/* Rows i and i + 1 of cols columns, a multiple of 4. */
static inline void slots_two_rows(const vs_layout *layout, vs_fe *const *rows, uint32_t i,
                                  size_t first, const uint32_t *coords, size_t cols)
{
    const __m128i width = _mm_cvtsi32_si128((int)layout->slot_width);
    const size_t column = (size_t)layout->packing * 2;
    const uint32_t *next = coords + (size_t)i * 2;
    vs_fe *even = rows[i] + first, *odd = rows[i + 1] + first;
    for (size_t c = 0; c < cols; c += SLOTS_LANES, next += SLOTS_LANES * column) {
        const __m256i a = slots_join(slots_load(next, next + 2 * column), width);
        const __m256i b = slots_join(slots_load(next + column, next + 3 * column), width);
        slots_store(even + c, _mm256_unpacklo_epi64(a, b));
        slots_store(odd + c, _mm256_unpackhi_epi64(a, b));
    }
}

#if defined(__AVX512F__)

enum { SLOTS_WIDE = 8, SLOTS_WIDE_K = 4 };

/* Lanes i, i + k, i + 2k, ... of x[0..k) as one sequence. */
static inline __attribute__((always_inline)) __m512i slots_row(const __m512i *x, uint32_t k,
                                                               uint32_t i)
{
    uint64_t lane[SLOTS_WIDE]; /* of x[0] and x[1], or of x[2] and x[3] */
    __mmask8 second = 0;
    if (k == 1) return x[0];
    for (uint32_t l = 0; l < SLOTS_WIDE; l++) {
        uint32_t at = i + k * l;
        lane[l] = at % (2 * SLOTS_WIDE);
        if (at >= 2 * SLOTS_WIDE) second |= (__mmask8)(1u << l);
    }
    const __m512i index = _mm512_loadu_si512(lane);
    const __m512i out = _mm512_permutex2var_epi64(x[0], index, x[1]);
    if (k == 2) return out;
    if (k == 3) return _mm512_mask_permutexvar_epi64(out, second, index, x[2]);
    return _mm512_mask_mov_epi64(out, second, _mm512_permutex2var_epi64(x[2], index, x[3]));
}

/* Few rows: vectors of elements as they come are dealt out to them. */
static inline __attribute__((always_inline)) void slots_deal(const vs_layout *layout, uint32_t k,
                                                             vs_fe *const *rows, size_t first,
                                                             const uint32_t *coords, size_t cols)
{
    const __m128i width = _mm_cvtsi32_si128((int)layout->slot_width);
    const __m512i mask = _mm512_set1_epi64(UINT32_MAX);
    for (size_t c = 0; c < cols; c += SLOTS_WIDE) {
        __m512i x[SLOTS_WIDE_K];
#pragma GCC unroll 4
        for (uint32_t i = 0; i < k; i++) {
            x[i] = _mm512_loadu_si512(coords + (c * k + SLOTS_WIDE * (size_t)i) * 2);
            x[i] = _mm512_or_si512(_mm512_and_si512(x[i], mask),
                                   _mm512_sll_epi64(_mm512_srli_epi64(x[i], 32), width));
        }
#pragma GCC unroll 4
        for (uint32_t i = 0; i < k; i++) {
            _mm512_storeu_si512(rows[i] + first + c, slots_row(x, k, i));
        }
    }
}

static inline size_t slots_pairs_wide(const vs_layout *layout, vs_fe *const *rows, size_t first,
                                      const uint32_t *coords, size_t cols)
{
    const size_t whole = cols / SLOTS_WIDE * SLOTS_WIDE;
    switch (layout->packing) {
    case 1: slots_deal(layout, 1, rows, first, coords, whole); break;
    case 2: slots_deal(layout, 2, rows, first, coords, whole); break;
    case 3: slots_deal(layout, 3, rows, first, coords, whole); break;
    case 4: slots_deal(layout, 4, rows, first, coords, whole); break;
    default: return 0;
    }
    return whole;
}

#else

static inline size_t slots_pairs_wide(const vs_layout *layout, vs_fe *const *rows, size_t first,
                                      const uint32_t *coords, size_t cols)
{
    (void)layout, (void)rows, (void)first, (void)coords, (void)cols;
    return 0;
}

#endif

/* Whole vectors of columns; how many columns that were. */
static inline size_t slots_pairs(const vs_layout *layout, vs_fe *const *rows, size_t first,
                                 const uint32_t *coords, size_t cols)
{
    const uint32_t k = layout->packing;
    const size_t whole = cols / SLOTS_LANES * SLOTS_LANES;
    const size_t wide = slots_pairs_wide(layout, rows, first, coords, cols);
    if (wide != 0) return wide;
    if (k == 1) {
        const __m128i width = _mm_cvtsi32_si128((int)layout->slot_width);
        for (size_t c = 0; c < whole; c += SLOTS_LANES) {
            const uint32_t *next = coords + 2 * c;
            slots_store(rows[0] + first + c, slots_join(slots_load(next, next + 4), width));
        }
        return whole;
    }
    for (uint32_t i = 0; i < k; i += 2) { /* the last two rows overlap the others where k is odd */
        slots_two_rows(layout, rows, i + 1 < k ? i : k - 2, first, coords, whole);
    }
    return whole;
}

#else

static inline size_t slots_pairs(const vs_layout *layout, vs_fe *const *rows, size_t first,
                                 const uint32_t *coords, size_t cols)
{
    (void)layout, (void)rows, (void)first, (void)coords, (void)cols;
    return 0;
}

#endif

#endif /* VS_MPC_KERNELS_SLOTS_PAIRS_H */
