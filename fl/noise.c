#include "fl/noise.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/bytes.h"
#include "base/ct.h"

__extension__ typedef unsigned __int128 u128;

#define COIN_BYTES 1024u
#define GEOMETRIC_MAX 1000u /* a discrete Laplace beyond 1000 scales: e^-1000, drawn again */
#define GUIDE_BITS 10u

static const char *const names[] = {[VS_MECHANISM_NONE] = "none",
                                    [VS_MECHANISM_DISCRETE_GAUSSIAN] = "discrete_gaussian",
                                    [VS_MECHANISM_SKELLAM] = "skellam"};

const char *vs_mechanism_name(vs_mechanism m)
{
    VS_ASSERT(m >= VS_MECHANISM_NONE && m <= VS_MECHANISM_SKELLAM);
    return names[m];
}

vs_err vs_mechanism_parse(vs_mechanism *out, const char *name)
{
    for (int m = VS_MECHANISM_NONE; m <= VS_MECHANISM_SKELLAM; m++) {
        if (strcmp(name, names[m]) != 0) continue;
        *out = (vs_mechanism)m;
        return VS_OK;
    }
    return VS_ERR_MALFORMED;
}

/* --- coins ---------------------------------------------------------------------------------------
 */

typedef struct coins {
    const vs_rng *rng;
    vs_err err; /* sticky: every loop below ends on it */
    uint32_t at;
    uint8_t byte[COIN_BYTES];
} coins;

static uint8_t next_byte(coins *c)
{
    if (c->at == COIN_BYTES) {
        if (c->err == VS_OK) c->err = vs_rng_fill(c->rng, c->byte, COIN_BYTES);
        if (c->err != VS_OK) sodium_memzero(c->byte, COIN_BYTES);
        c->at = 0;
    }
    return c->byte[c->at++];
}

static unsigned bits_of(u128 v)
{
    uint64_t high = (uint64_t)(v >> 64), low = (uint64_t)v;
    if (high != 0) return 128 - (unsigned)__builtin_clzll(high);
    return low != 0 ? 64 - (unsigned)__builtin_clzll(low) : 0;
}

/* The same for n - 1 = last < 2^64, `bits` bits: the usual case, a word at a time. */
static uint64_t below_64(coins *c, uint64_t last, unsigned bits)
{
    const uint64_t mask = bits == 0 ? 0 : UINT64_MAX >> (64 - bits);
    const uint32_t n_bytes = (bits + 7) / 8;
    for (;;) {
        uint64_t v = 0;
        if (c->at + 8 <= COIN_BYTES) {
            v = vs_load_le64(c->byte + c->at);
            c->at += n_bytes;
        } else {
            for (uint32_t b = 0; b < n_bytes; b++) v |= (uint64_t)next_byte(c) << (8 * b);
        }
        v &= mask;
        if (v <= last || c->err != VS_OK) return v <= last ? v : 0;
    }
}

/* Exactly uniform in [0, n), n >= 1: ceil(bits(n - 1) / 8) bytes, little-endian, masked to the
 * bits of n - 1, until below n. */
static u128 below(coins *c, u128 n)
{
    const unsigned bits = bits_of(n - 1);
    const u128 mask = bits == 128 ? ~(u128)0 : ((u128)1 << bits) - 1;
    if (bits <= 64) return below_64(c, (uint64_t)(n - 1), bits);
    for (;;) {
        u128 v = 0;
        if (c->at + 16 <= COIN_BYTES) {
            v = (u128)vs_load_le64(c->byte + c->at + 8) << 64 | vs_load_le64(c->byte + c->at);
            c->at += (bits + 7) / 8;
        } else {
            for (unsigned b = 0; b < bits; b += 8) v |= (u128)next_byte(c) << b;
        }
        v &= mask;
        if (v < n || c->err != VS_OK) return v < n ? v : 0;
    }
}

/* Bernoulli(exp(-num/den)), 0 <= num <= den: the first K for which Bernoulli(num / (den K)) fails
 * is odd. */
static bool exp_of_fraction(coins *c, u128 num, u128 den)
{
    uint32_t k = 1;
    while (c->err == VS_OK && below(c, den * k) < num) k++;
    return k % 2 == 1;
}

/* Bernoulli(exp(-num/den)) for any num >= 0. */
static bool exp_of(coins *c, u128 num, u128 den)
{
    while (num > den && c->err == VS_OK) {
        if (!exp_of_fraction(c, 1, 1)) return false;
        num -= den;
    }
    return exp_of_fraction(c, num, den);
}

/* --- discrete Gaussian ---------------------------------------------------------------------------
 */

static uint64_t root_of(uint64_t v)
{
    uint64_t r = 0;
    for (uint64_t bit = UINT64_C(1) << 31; bit != 0; bit >>= 1) {
        if ((r + bit) * (r + bit) <= v) r += bit;
    }
    return r;
}

/* P(x) proportional to exp(-|x| / t). */
static int64_t discrete_laplace(coins *c, uint64_t t)
{
    while (c->err == VS_OK) {
        uint64_t u = (uint64_t)below(c, t);
        uint64_t v = 0;
        if (!exp_of_fraction(c, u, t)) continue;
        while (v <= GEOMETRIC_MAX && c->err == VS_OK && exp_of_fraction(c, 1, 1)) v++;
        if (v > GEOMETRIC_MAX) continue;
        int64_t x = (int64_t)(u + t * v);
        bool negative = below(c, 2) == 1;
        if (negative && x == 0) continue; /* zero once, not twice */
        return negative ? -x : x;
    }
    return 0;
}

/* variance <= 2^40, t <= 2^20 + 1: |y| t < 2^51, num < 2^102, den < 2^82. */
static int64_t discrete_gaussian(coins *c, uint64_t variance, uint64_t t)
{
    const u128 den = (u128)2 * variance * t * t;
    while (c->err == VS_OK) {
        int64_t y = discrete_laplace(c, t);
        int64_t off = (y < 0 ? -y : y) * (int64_t)t - (int64_t)variance;
        u128 distance = (u128)(off < 0 ? -off : off);
        if (exp_of(c, distance * distance, den)) return y;
    }
    return 0;
}

/* --- Skellam -------------------------------------------------------------------------------------
 */

struct vs_noise {
    vs_mechanism mechanism;
    uint64_t variance;
    uint64_t t;      /* Gaussian: floor(sqrt(variance)) + 1 */
    uint64_t lowest; /* Skellam: the smallest k of the table */
    uint32_t n;      /* values of the table */
    unsigned shift;  /* guide[u >> shift] is where to look for u */
    u128 *cdf;       /* [i]: weights of lowest .. lowest + i; cdf[n-1] is the total */
    uint32_t guide[(1u << GUIDE_BITS) + 1];
};

/* w(k - 1) and w(k + 1) from w(k): the ratios of Poisson(mean), rounded down. w * mean < 2^127. */
static u128 step_down(u128 w, uint64_t k, uint64_t mean)
{
    return w * k / mean;
}

static u128 step_up(u128 w, uint64_t k, uint64_t mean)
{
    return w * mean / (k + 1);
}

static vs_err make_table(vs_noise *n)
{
    const uint64_t mean = n->variance / 2;
    const u128 top = (u128)1 << (127 - bits_of(mean));
    uint64_t low = mean, high = mean;
    u128 w = top;
    for (; low > 0 && (w = step_down(w, low, mean)) != 0; low--) {
    }
    for (w = top; (w = step_up(w, high, mean)) != 0; high++) {
    }
    n->lowest = low;
    n->n = (uint32_t)(high - low + 1);
    n->cdf = calloc(n->n, sizeof *n->cdf);
    if (n->cdf == NULL) return VS_ERR_NOMEM;
    w = top; /* weights first: from the mode to both ends */
    for (uint64_t k = mean;; k--) {
        n->cdf[k - low] = w;
        if (k == low) break;
        w = step_down(w, k, mean);
    }
    w = top;
    for (uint64_t k = mean; k < high; k++) {
        w = step_up(w, k, mean);
        n->cdf[k + 1 - low] = w;
    }
    for (uint32_t i = 1; i < n->n; i++) n->cdf[i] += n->cdf[i - 1];
    return VS_OK;
}

static void make_guide(vs_noise *n)
{
    const unsigned bits = bits_of(n->cdf[n->n - 1] - 1);
    uint32_t i = 0;
    n->shift = bits > GUIDE_BITS ? bits - GUIDE_BITS : 0;
    for (uint32_t g = 0; g <= 1u << GUIDE_BITS; g++) {
        while (i + 1 < n->n && n->cdf[i] >> n->shift < g) i++;
        n->guide[g] = i;
    }
}

/* The first i with u < cdf[i]. */
static uint64_t poisson(coins *c, const vs_noise *n)
{
    const u128 u = below(c, n->cdf[n->n - 1]);
    const uint32_t g = (uint32_t)(u >> n->shift);
    uint32_t low = n->guide[g], high = n->guide[g + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (u < n->cdf[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return n->lowest + low;
}

/* --- both ----------------------------------------------------------------------------------------
 */

vs_err vs_noise_new(vs_noise **out, vs_mechanism m, uint64_t variance)
{
    VS_ASSERT(out != NULL && variance >= 1);
    VS_ASSERT(m == VS_MECHANISM_DISCRETE_GAUSSIAN || m == VS_MECHANISM_SKELLAM);
    const bool gaussian = m == VS_MECHANISM_DISCRETE_GAUSSIAN;
    VS_ASSERT(variance <= (gaussian ? VS_NOISE_GAUSSIAN_MAX : VS_NOISE_SKELLAM_MAX));
    VS_ASSERT(gaussian || variance % 2 == 0);
    vs_noise *n = calloc(1, sizeof *n);
    *out = n;
    if (n == NULL) return VS_ERR_NOMEM;
    n->mechanism = m;
    n->variance = variance;
    n->t = root_of(variance) + 1;
    if (gaussian) return VS_OK;
    vs_err err = make_table(n);
    if (err == VS_OK) {
        make_guide(n);
    } else {
        vs_noise_free(n);
        *out = NULL;
    }
    return err;
}

void vs_noise_free(vs_noise *n)
{
    if (n == NULL) return;
    free(n->cdf);
    free(n);
}

vs_err vs_noise_fill(const vs_noise *n, const vs_rng *rng, int64_t *out, size_t count)
{
    VS_ASSERT(n != NULL && rng != NULL && (out != NULL || count == 0));
    coins c = {.rng = rng, .err = VS_OK, .at = COIN_BYTES};
    for (size_t i = 0; i < count && c.err == VS_OK; i++) {
        if (n->mechanism == VS_MECHANISM_DISCRETE_GAUSSIAN) {
            out[i] = discrete_gaussian(&c, n->variance, n->t);
        } else {
            uint64_t plus = poisson(&c, n);
            out[i] = (int64_t)plus - (int64_t)poisson(&c, n);
        }
    }
    vs_err err = c.err;
    sodium_memzero(&c, sizeof c);
    if (err != VS_OK) sodium_memzero(out, count * sizeof *out);
    return err;
}

void vs_noise_place(uint32_t *coords, const int64_t *noise, size_t count, uint64_t levels,
                    uint64_t top)
{
    VS_ASSERT((coords != NULL && noise != NULL) || count == 0);
    VS_ASSERT(levels % 2 == 0 && top % 2 == 1 && levels < top && top <= UINT32_MAX);
    const int64_t offset = (int64_t)((top - levels - 1) / 2), end = (int64_t)top;
    for (size_t i = 0; i < count; i++) {
        int64_t v = (int64_t)coords[i] + offset + noise[i];
        /* The barrier keeps compilers from making branches of the masks. */
        const uint64_t low = (uint64_t)v;
        v &= (int64_t)vs_ct_barrier(low >> 63) - 1; /* below 0: 0 */
        const int64_t over = end - v;
        const uint64_t high = (uint64_t)over;
        v += over & -(int64_t)vs_ct_barrier(high >> 63); /* above the end: the end */
        coords[i] = (uint32_t)v;
    }
}

double vs_noise_error(vs_mechanism m, uint64_t variance)
{
    if (m != VS_MECHANISM_SKELLAM) return 0.0;
    return exp2(1.5 * (double)bits_of(variance / 2) - 119.0);
}
