#include "fl/dtype.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"

static const char *const names[] = {"F64", "F32", "F16", "BF16"};
static const size_t sizes[] = {8, 4, 2, 2};

size_t vs_dtype_size(vs_dtype dtype)
{
    return sizes[dtype];
}

const char *vs_dtype_name(vs_dtype dtype)
{
    return names[dtype];
}

bool vs_dtype_parse(vs_dtype *out, const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (vs_dtype)i;
        return true;
    }
    return false;
}

/* --- half types: sign, exponent of e bits, mantissa of m bits ------------------------------ */

typedef struct format {
    int exponent_bits, mantissa_bits;
} format;

static const format HALF = {5, 10}, BRAIN = {8, 7};

static int bias_of(format f)
{
    return (1 << (f.exponent_bits - 1)) - 1;
}

static double unpack(uint32_t bits, format f)
{
    const uint32_t top = (1u << f.exponent_bits) - 1;
    const uint32_t exponent = bits >> f.mantissa_bits & top;
    const uint32_t mantissa = bits & ((1u << f.mantissa_bits) - 1);
    const uint32_t hidden = exponent == 0 ? 0 : 1u << f.mantissa_bits;
    const int power = (exponent == 0 ? 1 : (int)exponent) - bias_of(f) - f.mantissa_bits;
    double v = ldexp((double)(mantissa | hidden), power);
    if (exponent == top) v = mantissa == 0 ? (double)INFINITY : (double)NAN;
    return bits >> (f.exponent_bits + f.mantissa_bits) != 0 ? -v : v;
}

static uint32_t pack(double v, format f)
{
    const uint32_t sign = (signbit(v) ? 1u : 0u) << (f.exponent_bits + f.mantissa_bits);
    const uint32_t infinite = ((1u << f.exponent_bits) - 1) << f.mantissa_bits;
    const int low = 1 - bias_of(f); /* exponent of the smallest normal value */
    int exponent;
    if (isnan(v)) return sign | infinite | 1u << (f.mantissa_bits - 1);
    if (isinf(v)) return sign | infinite;
    (void)frexp(v, &exponent); /* |v| = [1/2, 1) * 2^exponent */
    exponent = exponent - 1 < low || v == 0 ? low : exponent - 1;
    /* In units of the last place of this exponent: below 2^(m + 1), so exact but for the rounding.
     */
    const double units = nearbyint(ldexp(fabs(v), f.mantissa_bits - exponent));
    if (units >= ldexp(1, f.mantissa_bits + 1) && exponent >= bias_of(f)) return sign | infinite;
    if (exponent > bias_of(f)) return sign | infinite;
    /* A carry out of the mantissa adds one to the exponent: the layout is made for that. */
    const uint32_t whole = (uint32_t)units;
    if (whole < 1u << f.mantissa_bits) return sign | whole; /* subnormal or zero */
    const uint32_t field = (uint32_t)(exponent + bias_of(f));
    return sign | ((field << f.mantissa_bits) + (whole - (1u << f.mantissa_bits)));
}

/* --- vectors --------------------------------------------------------------------------------- */

static void load_f64(double *out, const uint8_t *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = vs_load_le64(in + 8 * i);
        memcpy(&out[i], &bits, sizeof out[i]);
    }
}

static void load_f32(double *out, const uint8_t *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = vs_load_le32(in + 4 * i);
        float f;
        memcpy(&f, &bits, sizeof f);
        out[i] = (double)f;
    }
}

void vs_dtype_load(double *out, const uint8_t *in, size_t n, vs_dtype dtype)
{
    const format f = dtype == VS_DTYPE_F16 ? HALF : BRAIN;
    if (dtype == VS_DTYPE_F64) {
        load_f64(out, in, n);
    } else if (dtype == VS_DTYPE_F32) {
        load_f32(out, in, n);
    } else {
        for (size_t i = 0; i < n; i++) out[i] = unpack(in[2 * i] | (uint32_t)in[2 * i + 1] << 8, f);
    }
}

void vs_dtype_store(uint8_t *out, const double *in, size_t n, vs_dtype dtype)
{
    const format f = dtype == VS_DTYPE_F16 ? HALF : BRAIN;
    for (size_t i = 0; i < n; i++) {
        if (dtype == VS_DTYPE_F64) {
            uint64_t bits;
            memcpy(&bits, &in[i], sizeof bits);
            vs_store_le64(out + 8 * i, bits);
        } else if (dtype == VS_DTYPE_F32) {
            /* Beyond the largest float, a conversion is undefined in C17. */
            const float v =
                fabs(in[i]) >= 0x1.ffffffp127 ? (in[i] < 0 ? -INFINITY : INFINITY) : (float)in[i];
            uint32_t bits;
            memcpy(&bits, &v, sizeof bits);
            vs_store_le32(out + 4 * i, bits);
        } else {
            const uint32_t bits = pack(in[i], f);
            out[2 * i] = (uint8_t)bits;
            out[2 * i + 1] = (uint8_t)(bits >> 8);
        }
    }
}
