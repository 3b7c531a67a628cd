#include "fl/draw.h"

#include <math.h>
#include <string.h>

#include <sodium.h>

#include "base/bytes.h"

void vs_draw_init(vs_draw *d, uint64_t seed, vs_draw_stream stream)
{
    VS_ASSERT(d != NULL && sodium_init() >= 0);
    memset(d, 0, sizeof *d);
    vs_store_le64(d->key, seed);
    vs_store_le64(d->key + 8, (uint64_t)stream);
    d->at = sizeof d->block; /* empty */
}

uint64_t vs_draw_derive(uint64_t seed, uint64_t a, uint64_t b)
{
    uint8_t in[24];
    uint8_t out[crypto_generichash_BYTES_MIN];
    vs_store_le64(in, seed);
    vs_store_le64(in + 8, a);
    vs_store_le64(in + 16, b);
    static const char label[] = "veilsum/v1 draw"; /* the key separates this use of BLAKE2b */
    VS_ASSERT(crypto_generichash(out, sizeof out, in, sizeof in, (const uint8_t *)label,
                                 sizeof label) == 0);
    return vs_load_le64(out);
}

static void refill(vs_draw *d)
{
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES] = {0};
    memset(d->block, 0, sizeof d->block);
    VS_ASSERT(crypto_stream_chacha20_xor_ic(d->block, d->block, sizeof d->block, nonce, d->n_blocks,
                                            d->key) == 0);
    d->n_blocks += sizeof d->block / 64;
    d->at = 0;
}

uint64_t vs_draw_u64(vs_draw *d)
{
    if (d->at == sizeof d->block) refill(d);
    uint64_t v = vs_load_le64(d->block + d->at);
    d->at += 8;
    return v;
}

uint32_t vs_draw_below(vs_draw *d, uint32_t n)
{
    VS_ASSERT(n > 0);
    const uint64_t span = (UINT64_MAX / n) * n; /* draws at or above would be uneven */
    uint64_t v;
    do {
        v = vs_draw_u64(d);
    } while (v >= span);
    return (uint32_t)(v % n);
}

double vs_draw_unit(vs_draw *d)
{
    return (double)(vs_draw_u64(d) >> 11) * 0x1p-53;
}

double vs_draw_between(vs_draw *d, double lo, double hi)
{
    return lo + (hi - lo) * vs_draw_unit(d);
}

/* Box-Muller; the second value is not kept, so that a draw has no hidden state. */
double vs_draw_normal(vs_draw *d)
{
    const double two_pi = 6.283185307179586;
    double r = sqrt(-2.0 * log(1.0 - vs_draw_unit(d))); /* 1 - u is in (0, 1] */
    return r * cos(two_pi * vs_draw_unit(d));
}

double vs_draw_gamma(vs_draw *d, double shape)
{
    VS_ASSERT(shape > 0.0);
    if (shape < 1.0) { /* Gamma(a) = Gamma(a + 1) U^(1/a) */
        double g = vs_draw_gamma(d, shape + 1.0);
        return g * pow(1.0 - vs_draw_unit(d), 1.0 / shape);
    }
    const double third = shape - 1.0 / 3.0;
    const double c = 1.0 / sqrt(9.0 * third);
    for (;;) {
        double x = vs_draw_normal(d);
        double v = 1.0 + c * x;
        double u = 1.0 - vs_draw_unit(d); /* in (0, 1] */
        if (v <= 0.0) continue;
        v = v * v * v;
        if (log(u) < 0.5 * x * x + third * (1.0 - v + log(v))) return third * v;
    }
}

/* Selection sampling (Knuth, Algorithm S): ascending, each number looked at once. */
void vs_draw_choose(vs_draw *d, uint32_t *picked, uint32_t n_picked, uint32_t n)
{
    VS_ASSERT(n_picked <= n && (picked != NULL || n_picked == 0));
    uint32_t k = 0;
    for (uint32_t i = 0; k < n_picked; i++) {
        if (vs_draw_below(d, n - i) < n_picked - k) picked[k++] = i;
    }
}

void vs_draw_shuffle(vs_draw *d, uint32_t *items, size_t n)
{
    VS_ASSERT(items != NULL || n == 0);
    VS_ASSERT(n <= UINT32_MAX);
    for (size_t i = n; i > 1; i--) {
        uint32_t j = vs_draw_below(d, (uint32_t)i);
        uint32_t t = items[i - 1];
        items[i - 1] = items[j];
        items[j] = t;
    }
}
