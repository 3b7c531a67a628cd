/* Plain C that compilers turn into vectors (built with -O3), once per instruction set. */
#include "fl/quantise_loops.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* gcc: off in ISO mode */
#endif

#define LANES VS_QUANTISE_LANES
#define AHEAD_BYTES 8192 /* a prefetch never faults */
#define INLINE static inline __attribute__((always_inline))

INLINE void scan(vs_quantise_seen *seen, const double *x, size_t len)
{
    double max[LANES], sum[LANES];
    uint64_t bad[LANES] = {0};
    memcpy(max, seen->max, sizeof max);
    memcpy(sum, seen->sum, sizeof sum);
    size_t whole = len / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            double a = fabs(x[i + l]);
            bad[l] |= a <= DBL_MAX ? 0 : UINT64_MAX;
            max[l] = a > max[l] ? a : max[l];
            sum[l] += a * a;
        }
    }
    for (size_t i = whole; i < len; i++) {
        double a = fabs(x[i]);
        bad[0] |= a <= DBL_MAX ? 0 : UINT64_MAX;
        max[0] = a > max[0] ? a : max[0];
        sum[i - whole] += a * a;
    }
    for (size_t l = 0; l < LANES; l++) seen->bad |= bad[l];
    memcpy(seen->max, max, sizeof max);
    memcpy(seen->sum, sum, sizeof sum);
}

INLINE double squares(const double *x, size_t len, double scale)
{
    double sum[LANES] = {0};
    size_t whole = len / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            double y = x[i + l] * scale;
            sum[l] += y * y;
        }
    }
    for (size_t i = whole; i < len; i++) {
        double y = x[i] * scale;
        sum[i - whole] += y * y;
    }
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t l = 0; l < half; l++) sum[l] += sum[l + half];
    }
    return sum[0];
}

/* 52 bits as a number in [0, 1): they are the fraction of a double in [1, 2). */
INLINE double unit_of(uint64_t word)
{
    uint64_t bits = word >> 12 | UINT64_C(0x3ff0000000000000);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d - 1.0;
}

/* floor of 0 <= z < 2^51: adding 2^52 rounds to a whole number, one too many where it went up;
 * its low bits are then the integer. */
INLINE uint32_t floor_of(double z)
{
    double r = (z + 0x1p52) - 0x1p52;
    double whole = r - (r > z ? 1.0 : 0.0) + 0x1p52;
    uint64_t bits;
    memcpy(&bits, &whole, sizeof bits);
    return (uint32_t)bits;
}

INLINE size_t quantise(bool stochastic, uint32_t *out, const vs_quantise_numbers *q,
                       const double *delta, const uint64_t *rnd, size_t count)
{
    const double factor = q->factor, range = q->range, levels = q->levels, scale = q->scale;
    uint64_t n_clipped = 0;
    for (size_t i = 0; i < count; i++) {
        double x = delta[i] * factor;
        double u = stochastic ? unit_of(rnd[i]) : 0.5;
        n_clipped += (x > range ? 1U : 0U) | (x < -range ? 1U : 0U);
        x = x < -range ? -range : x;
        /* -R gives 0 and +R gives levels exactly. */
        double y = x >= range ? levels : (x + range) * scale;
        double z = y + u;
        z = z > levels ? levels : z; /* levels + u may round up */
        out[i] = floor_of(z);
    }
    return (size_t)n_clipped;
}

INLINE void narrow(uint8_t *out, const uint32_t *in, uint32_t width, size_t count)
{
    if (width == 1) {
        for (size_t i = 0; i < count; i++) out[i] = (uint8_t)in[i];
    } else if (width == 2) {
        for (size_t i = 0; i < count; i++) {
            uint16_t v = (uint16_t)in[i];
            memcpy(out + 2 * i, &v, sizeof v);
        }
    } else if (count > 0) {
        memcpy(out, in, count * sizeof *in);
    }
}

INLINE void widen(uint32_t *out, const uint8_t *in, uint32_t width, size_t count)
{
    /* Callers come back for the next piece; a prefetch never faults. */
    for (size_t at = 0; at < count * width; at += 64) __builtin_prefetch(in + AHEAD_BYTES + at);
    if (width == 1) {
        for (size_t i = 0; i < count; i++) out[i] = in[i];
    } else if (width == 2) {
        for (size_t i = 0; i < count; i++) {
            uint16_t v;
            memcpy(&v, in + 2 * i, sizeof v);
            out[i] = v;
        }
    } else if (count > 0) {
        memcpy(out, in, count * sizeof *out);
    }
}

#define TABLE(isa, target)                                                                         \
    target static void scan_##isa(vs_quantise_seen *seen, const double *x, size_t len)             \
    {                                                                                              \
        scan(seen, x, len);                                                                        \
    }                                                                                              \
    target static double squares_##isa(const double *x, size_t len, double scale)                  \
    {                                                                                              \
        return squares(x, len, scale);                                                             \
    }                                                                                              \
    target static size_t quantise_##isa(uint32_t *out, const vs_quantise_numbers *q,               \
                                        const double *delta, const uint64_t *rnd, size_t count)    \
    {                                                                                              \
        return q->stochastic ? quantise(true, out, q, delta, rnd, count)                           \
                             : quantise(false, out, q, delta, rnd, count);                         \
    }                                                                                              \
    target static void narrow_##isa(uint8_t *out, const uint32_t *in, uint32_t width,              \
                                    size_t count)                                                  \
    {                                                                                              \
        narrow(out, in, width, count);                                                             \
    }                                                                                              \
    target static void widen_##isa(uint32_t *out, const uint8_t *in, uint32_t width, size_t count) \
    {                                                                                              \
        widen(out, in, width, count);                                                              \
    }                                                                                              \
    static const vs_quantise_loops loops_##isa = {scan_##isa, squares_##isa, quantise_##isa,       \
                                                  narrow_##isa, widen_##isa};

#if defined(__x86_64__)

/* By hand, since compilers keep the lanes above in memory. The same operations lane by lane. */
#define AVX512 __attribute__((target("avx512f")))

AVX512 static void scan_by_hand(vs_quantise_seen *seen, const double *x, size_t len)
{
    const __m512d most = _mm512_set1_pd(DBL_MAX);
    __m512d max[2], sum[2];
    __mmask8 bad = 0;
    for (size_t h = 0; h < 2; h++) {
        max[h] = _mm512_loadu_pd(seen->max + h * 8);
        sum[h] = _mm512_loadu_pd(seen->sum + h * 8);
    }
    for (size_t i = 0; i < len; i += LANES) {
        for (size_t h = 0; h < 2; h++) {
            _mm_prefetch((const char *)((uintptr_t)(x + i + h * 8) + AHEAD_BYTES), _MM_HINT_T0);
            size_t left = len - i > h * 8 ? len - i - h * 8 : 0;
            __mmask8 m = (__mmask8)(left < 8 ? (1U << left) - 1 : 0xff);
            __m512d a = _mm512_abs_pd(_mm512_maskz_loadu_pd(m, x + i + h * 8));
            bad |= (__mmask8)~_mm512_cmp_pd_mask(a, most, _CMP_LE_OQ);
            max[h] = _mm512_mask_mov_pd(max[h], _mm512_cmp_pd_mask(a, max[h], _CMP_GT_OQ), a);
            /* A zero added to a sum that is not negative changes nothing. */
            sum[h] = _mm512_add_pd(sum[h], _mm512_mul_pd(a, a));
        }
    }
    for (size_t h = 0; h < 2; h++) {
        _mm512_storeu_pd(seen->max + h * 8, max[h]);
        _mm512_storeu_pd(seen->sum + h * 8, sum[h]);
    }
    seen->bad |= bad;
}

AVX512 static size_t quantise_by_hand(uint32_t *out, const vs_quantise_numbers *q,
                                      const double *delta, const uint64_t *rnd, size_t count)
{
    const __m512d factor = _mm512_set1_pd(q->factor), range = _mm512_set1_pd(q->range);
    const __m512d low = _mm512_set1_pd(-q->range), levels = _mm512_set1_pd(q->levels);
    const __m512d scale = _mm512_set1_pd(q->scale), one = _mm512_set1_pd(1.0);
    const __m512i one_bits = _mm512_castpd_si512(one);
    size_t whole = count / 8 * 8;
    uint64_t n_clipped = 0;
    for (size_t i = 0; i < whole; i += 8) {
        /* Callers work in pieces of a few KiB, at each of which the hardware would start anew. */
        _mm_prefetch((const char *)((uintptr_t)(delta + i) + AHEAD_BYTES), _MM_HINT_T0);
        __m512d x = _mm512_mul_pd(_mm512_loadu_pd(delta + i), factor);
        __m512d u = _mm512_set1_pd(0.5);
        if (q->stochastic) {
            __m512i bits = _mm512_srli_epi64(_mm512_loadu_si512(rnd + i), 12);
            u = _mm512_sub_pd(_mm512_castsi512_pd(_mm512_or_si512(bits, one_bits)), one);
        }
        n_clipped +=
            (uint64_t)__builtin_popcount(_mm512_cmp_pd_mask(_mm512_abs_pd(x), range, _CMP_GT_OQ));
        x = _mm512_max_pd(x, low);
        __m512d y = _mm512_mask_mul_pd(levels, _mm512_cmp_pd_mask(x, range, _CMP_LT_OQ),
                                       _mm512_add_pd(x, range), scale);
        __m512d z = _mm512_min_pd(_mm512_add_pd(y, u), levels);
        _mm256_storeu_si256((__m256i *)(void *)(out + i), _mm512_cvttpd_epu32(z));
    }
    for (size_t i = whole; i < count; i++) {
        const uint64_t *word = q->stochastic ? rnd + i : NULL;
        n_clipped += quantise(q->stochastic, out + i, q, delta + i, word, 1);
    }
    return (size_t)n_clipped;
}

#endif

TABLE(portable, )
#if defined(__x86_64__)
TABLE(avx2, __attribute__((target("avx2"))))

__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,prefer-vector-width=512"))) static double
squares_avx512(const double *x, size_t len, double scale)
{
    return squares(x, len, scale);
}

static const vs_quantise_loops loops_avx512 = {scan_by_hand, squares_avx512, quantise_by_hand,
                                               narrow_avx2, widen_avx2};

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}

const vs_quantise_loops *vs_quantise_loops_by_name(const char *name)
{
    if (strcmp(name, "portable") == 0) return &loops_portable;
    if (strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2")) return &loops_avx2;
    if (strcmp(name, "avx512") == 0 && has_avx512()) return &loops_avx512;
    return NULL;
}

const vs_quantise_loops *vs_quantise_loops_get(void)
{
    if (has_avx512()) return &loops_avx512;
    return __builtin_cpu_supports("avx2") ? &loops_avx2 : &loops_portable;
}

#else

const vs_quantise_loops *vs_quantise_loops_by_name(const char *name)
{
    return strcmp(name, "portable") == 0 ? &loops_portable : NULL;
}

const vs_quantise_loops *vs_quantise_loops_get(void)
{
    return &loops_portable;
}

#endif
