/* Plain C that compilers turn into vectors (built with -O3), once per instruction set. */
#include "fl/quantise_loops.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* gcc: off in ISO mode */
#endif

#define LANES 16u
#define INLINE static inline __attribute__((always_inline))

INLINE double largest(uint64_t *bad, const double *x, size_t len)
{
    double max[LANES] = {0};
    uint64_t seen[LANES] = {0};
    size_t whole = len / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            double a = fabs(x[i + l]);
            seen[l] |= a <= DBL_MAX ? 0 : UINT64_MAX;
            max[l] = a > max[l] ? a : max[l];
        }
    }
    for (size_t i = whole; i < len; i++) {
        double a = fabs(x[i]);
        seen[0] |= a <= DBL_MAX ? 0 : UINT64_MAX;
        max[0] = a > max[0] ? a : max[0];
    }
    for (size_t l = 1; l < LANES; l++) {
        seen[0] |= seen[l];
        max[0] = max[l] > max[0] ? max[l] : max[0];
    }
    *bad = seen[0];
    return max[0];
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

#define TABLE(isa, target)                                                                         \
    target static double largest_##isa(uint64_t *bad, const double *x, size_t len)                 \
    {                                                                                              \
        return largest(bad, x, len);                                                               \
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
    static const vs_quantise_loops loops_##isa = {largest_##isa, squares_##isa, quantise_##isa};

TABLE(portable, )
#if defined(__x86_64__)
TABLE(avx2, __attribute__((target("avx2"))))
TABLE(avx512, __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,prefer-vector-width=512"))))
#endif

const vs_quantise_loops *vs_quantise_loops_by_name(const char *name)
{
    if (strcmp(name, "portable") == 0) return &loops_portable;
#if defined(__x86_64__)
    if (strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2")) return &loops_avx2;
    if (strcmp(name, "avx512") == 0 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw")) {
        return &loops_avx512;
    }
#endif
    return NULL;
}

const vs_quantise_loops *vs_quantise_loops_get(void)
{
    const vs_quantise_loops *loops = vs_quantise_loops_by_name("avx512");
    if (loops == NULL) loops = vs_quantise_loops_by_name("avx2");
    return loops == NULL ? &loops_portable : loops;
}
