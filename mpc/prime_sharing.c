#include "mpc/prime_sharing.h"

#include <string.h>

#include <gmp.h>
#include <sodium.h>

#include "base/bytes.h"
#include "base/ct.h"

_Static_assert(GMP_NUMB_BITS == 64 && sizeof(mp_limb_t) == 8, "limbs of 64 bits");

enum {
    CHECK_REPS = 40,   /* GMP: Baillie-PSW and 40 - 24 rounds of Miller-Rabin */
    DRAWS_MAX = 256,   /* each is below p with probability over 1/2 */
    LAZY_STEPS = 7,    /* x <= 255: seven steps of Horner grow a value by 56 bits, one limb */
    DECIMAL_MAX = 1234 /* digits of 2^4096 */
};

vs_err vs_prime_read(vs_prime *out, const char *text, vs_diag *diag)
{
    memset(out, 0, sizeof *out);
    bool hex = text[0] == '0' && text[1] == 'x';
    const char *digits = hex ? text + 2 : text;
    size_t len = strlen(digits);
    if (len == 0 || strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != len) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "the prime is neither decimal digits nor 0x and hexadecimal digits");
    }
    if (len > (hex ? VS_PRIME_BITS_MAX / 4 : DECIMAL_MAX)) {
        return vs_fail(diag, VS_ERR_LIMIT, "the prime has more than %u bits", VS_PRIME_BITS_MAX);
    }
    mpz_t z;
    mpz_init(z);
    vs_err err = VS_OK;
    VS_ASSERT(mpz_set_str(z, digits, hex ? 16 : 10) == 0);
    size_t bits = mpz_sizeinbase(z, 2);
    if (bits < VS_PRIME_BITS_MIN || bits > VS_PRIME_BITS_MAX) {
        err = vs_fail(diag, VS_ERR_LIMIT, "the prime has %zu bits; %u to %u are allowed", bits,
                      VS_PRIME_BITS_MIN, VS_PRIME_BITS_MAX);
    } else if (mpz_even_p(z)) {
        err = vs_fail(diag, VS_ERR_LIMIT, "the number given as prime is even");
    } else {
        out->bits = (uint32_t)bits;
        out->bytes = (uint32_t)(bits + 7) / 8;
        out->limbs = (uint32_t)mpz_size(z);
        memcpy(out->p, mpz_limbs_read(z), out->limbs * sizeof out->p[0]);
    }
    mpz_clear(z);
    return err;
}

vs_err vs_prime_check(const vs_prime *p, vs_diag *diag)
{
    mpz_t z;
    if (mpz_probab_prime_p(mpz_roinit_n(z, p->p, (mp_size_t)p->limbs), CHECK_REPS) != 0) {
        return VS_OK;
    }
    return vs_fail(diag, VS_ERR_LIMIT, "the number of %u bits given as prime is not prime",
                   p->bits);
}

void vs_prime_format(char out[VS_PRIME_TEXT_CHARS], const vs_prime *p)
{
    static const char digit[] = "0123456789abcdef";
    uint32_t n = (p->bits + 3) / 4;
    out[0] = '0';
    out[1] = 'x';
    for (uint32_t i = 0; i < n; i++)
        out[2 + i] = digit[p->p[(n - 1 - i) / 16] >> (n - 1 - i) % 16 * 4 & 15];
    out[2 + n] = '\0';
}

bool vs_prime_has_points(const vs_prime *p, uint32_t n)
{
    return p->limbs > 1 || p->p[0] > n;
}

size_t vs_prime_blocks(const vs_prime *p, size_t len)
{
    VS_ASSERT(len <= SIZE_MAX / 16);
    return (8 * len + p->bits - 2) / (p->bits - 1);
}

size_t vs_prime_share_bytes(const vs_prime *p, size_t len)
{
    return vs_prime_blocks(p, len) * p->bytes;
}

/* --- blocks of a bit string ---------------------------------------------------------------------
 */

/* The 64 bits from `bit` on, zeros after the end. */
static uint64_t get_bits(const uint8_t *s, size_t len, size_t bit)
{
    size_t at = bit / 8;
    unsigned shift = bit % 8;
    uint64_t v = 0;
    for (size_t i = 0; i < 8 && at + i < len; i++) v |= (uint64_t)s[at + i] << 8 * i;
    v >>= shift;
    if (shift != 0 && at + 8 < len) v |= (uint64_t)s[at + 8] << (64 - shift);
    return v;
}

/* Set zero bits from `bit` on to v; what would lie after the end is returned. */
static uint64_t put_bits(uint8_t *s, size_t len, size_t bit, uint64_t v)
{
    unsigned shift = bit % 8;
    uint64_t lost = 0;
    for (size_t i = 0; i < 9; i++) {
        uint64_t part = i == 0 ? v << shift : (i == 8 && shift == 0 ? 0 : v >> (8 * i - shift));
        if (bit / 8 + i < len) {
            s[bit / 8 + i] |= (uint8_t)part;
        } else {
            lost |= part & 0xff;
        }
    }
    return lost;
}

/* Width of the limb at position l of a block: 0..64 bits. */
static uint32_t limb_width(const vs_prime *p, uint32_t l)
{
    uint32_t left = p->bits - 1 > 64 * l ? p->bits - 1 - 64 * l : 0;
    return left < 64 ? left : 64;
}

static uint64_t low_bits(uint32_t width)
{
    return width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
}

static void get_block(mp_limb_t *out, const vs_prime *p, const uint8_t *s, size_t len, size_t block)
{
    for (uint32_t l = 0; l < p->limbs; l++) {
        size_t bit = block * (p->bits - 1) + 64 * (size_t)l;
        out[l] = get_bits(s, len, bit) & low_bits(limb_width(p, l));
    }
}

/* Returns non-zero when the value has more bits than a block, or than the string has left. */
static uint64_t put_block(uint8_t *s, size_t len, size_t block, const mp_limb_t *v,
                          const vs_prime *p)
{
    uint64_t bad = 0;
    for (uint32_t l = 0; l < p->limbs; l++) {
        uint64_t mask = low_bits(limb_width(p, l));
        size_t bit = block * (p->bits - 1) + 64 * (size_t)l;
        bad |= (v[l] & ~mask) | put_bits(s, len, bit, v[l] & mask);
    }
    return bad;
}

static void encode_element(uint8_t *out, const mp_limb_t *v, const vs_prime *p)
{
    for (uint32_t i = 0; i < p->bytes; i++) out[i] = (uint8_t)(v[i / 8] >> i % 8 * 8);
}

static void decode_element(mp_limb_t *out, const uint8_t *in, const vs_prime *p)
{
    for (uint32_t l = 0; l < p->limbs; l++) out[l] = get_bits(in, p->bytes, 64 * (size_t)l);
}

/* 1 iff v < p. The borrow is a value, no branch; difference is wiped by its owner. */
static uint64_t is_below(mp_limb_t *difference, const mp_limb_t *v, const vs_prime *p)
{
    return mpn_sub_n(difference, v, p->p, (mp_size_t)p->limbs);
}

/* Memory for n limbs that hold secrets, or NULL; sodium_free wipes it. */
static mp_limb_t *secret_limbs(size_t n)
{
    VS_ASSERT(sodium_init() >= 0); /* sodium_malloc stops the program without it */
    return sodium_malloc(n * sizeof(mp_limb_t));
}

/* --- sharing ------------------------------------------------------------------------------------
 */

/* Uniform below p: uniform among bits(p)-bit numbers, drawn again when not below p. Which draw was
 * the first below p is independent of its value, so the verdicts may be public. */
static vs_err draw(mp_limb_t *out, mp_limb_t *difference, const vs_prime *p, const vs_rng *rng)
{
    for (uint32_t i = 0; i < DRAWS_MAX; i++) {
        uint8_t bytes[VS_PRIME_BITS_MAX / 8];
        vs_err err = vs_rng_fill(rng, bytes, p->bytes);
        bytes[p->bytes - 1] &= (uint8_t)(0xff >> (8 * p->bytes - p->bits));
        decode_element(out, bytes, p);
        sodium_memzero(bytes, sizeof bytes);
        if (err != VS_OK) return err;
        uint64_t below = is_below(difference, out, p);
        VS_CT_PUBLIC(&below, sizeof below);
        if (below != 0) return VS_OK;
    }
    return VS_ERR_IO; /* chance below 2^-256: the generator is broken */
}

/* acc[limbs + 1] = f(x) for the polynomial c[0..t) (limbs each); x <= 255. */
static void evaluate(mp_limb_t *acc, const mp_limb_t *c, const vs_prime *p, uint32_t t, uint32_t x,
                     mp_limb_t *scratch)
{
    mp_size_t limbs = (mp_size_t)p->limbs;
    uint32_t steps = 0;
    mpn_copyi(acc, c + (size_t)(t - 1) * p->limbs, limbs);
    acc[limbs] = 0;
    for (uint32_t k = t - 1; k > 0; k--) {
        /* After s steps acc < p (x^s + ... + 1) <= p 256^s: no carry leaves the extra limb. */
        (void)mpn_mul_1(acc, acc, limbs + 1, x);
        acc[limbs] += mpn_add_n(acc, acc, c + (size_t)(k - 1) * p->limbs, limbs);
        if (++steps < LAZY_STEPS && k > 1) continue;
        mpn_sec_div_r(acc, limbs + 1, p->p, limbs, scratch);
        acc[limbs] = 0;
        steps = 0;
    }
}

vs_err vs_prime_split(uint8_t *const *share, const vs_prime *p, uint32_t n, uint32_t t,
                      const uint8_t *secret, size_t len, const vs_rng *rng)
{
    VS_ASSERT(t >= 2 && t <= n && n <= VS_PRIME_SHARES_MAX && vs_prime_has_points(p, n));
    mp_size_t limbs = (mp_size_t)p->limbs;
    size_t n_scratch = (size_t)mpn_sec_div_r_itch(limbs + 1, limbs);
    size_t n_blocks = vs_prime_blocks(p, len);
    vs_err err = VS_OK;
    mp_limb_t *c = secret_limbs((size_t)t * p->limbs + p->limbs + 1 + n_scratch);
    if (c == NULL) err = VS_ERR_NOMEM;
    for (size_t b = 0; err == VS_OK && b < n_blocks; b++) {
        mp_limb_t *acc = c + (size_t)t * p->limbs;
        get_block(c, p, secret, len, b);
        for (uint32_t k = 1; err == VS_OK && k < t; k++) {
            err = draw(c + (size_t)k * p->limbs, acc, p, rng);
        }
        for (uint32_t j = 1; err == VS_OK && j <= n; j++) {
            evaluate(acc, c, p, t, j, acc + p->limbs + 1);
            encode_element(share[j - 1] + b * p->bytes, acc, p);
        }
    }
    sodium_free(c);
    for (uint32_t j = 0; err != VS_OK && j < n; j++) {
        if (n_blocks != 0) sodium_memzero(share[j], n_blocks * p->bytes);
    }
    return err;
}

/* --- reconstruction -----------------------------------------------------------------------------
 */

bool vs_prime_share_is_canonical(const vs_prime *p, const uint8_t *share, size_t len)
{
    mp_limb_t v[VS_PRIME_LIMBS_MAX];
    mp_limb_t difference[VS_PRIME_LIMBS_MAX];
    uint64_t good = len % p->bytes == 0;
    for (size_t at = 0; at + p->bytes <= len; at += p->bytes) {
        decode_element(v, share + at, p);
        good &= is_below(difference, v, p);
    }
    sodium_memzero(v, sizeof v);
    sodium_memzero(difference, sizeof difference);
    VS_CT_PUBLIC(&good, sizeof good); /* honest shares always are */
    return good != 0;
}

/* weight[a] = product over b != a of x_b / (x_b - x_a) mod p, limbs each. All of it is public. */
static void weights(mp_limb_t *weight, const vs_prime *p, uint32_t t, const uint32_t *x)
{
    mpz_t modulus, num, den;
    mpz_srcptr m = mpz_roinit_n(modulus, p->p, (mp_size_t)p->limbs);
    mpz_inits(num, den, NULL);
    for (uint32_t a = 0; a < t; a++) {
        mpz_set_ui(num, 1);
        mpz_set_ui(den, 1);
        for (uint32_t b = 0; b < t; b++) {
            if (b == a) continue;
            mpz_mul_ui(num, num, x[b]);
            mpz_mod(num, num, m);
            mpz_mul_si(den, den, (long)x[b] - (long)x[a]);
            mpz_mod(den, den, m);
        }
        VS_ASSERT(mpz_invert(den, den, m) != 0); /* points differ and p is prime */
        mpz_mul(num, num, den);
        mpz_mod(num, num, m);
        mpn_zero(weight + (size_t)a * p->limbs, (mp_size_t)p->limbs);
        mpn_copyi(weight + (size_t)a * p->limbs, mpz_limbs_read(num), (mp_size_t)mpz_size(num));
    }
    mpz_clears(num, den, NULL);
}

vs_err vs_prime_combine(uint8_t *secret, size_t len, const vs_prime *p, uint32_t t,
                        const uint32_t *x, const uint8_t *const *share)
{
    VS_ASSERT(t >= 2 && t <= VS_PRIME_SHARES_MAX);
    for (uint32_t a = 0; a < t; a++) VS_ASSERT(x[a] != 0 && vs_prime_has_points(p, x[a]));
    mp_size_t limbs = (mp_size_t)p->limbs;
    size_t wide = 2 * (size_t)p->limbs;
    size_t n_scratch = (size_t)mpn_sec_div_r_itch(2 * limbs + 1, limbs);
    size_t n_mul = (size_t)mpn_sec_mul_itch(limbs, limbs);
    if (n_scratch < n_mul) n_scratch = n_mul;
    if (len != 0) memset(secret, 0, len);
    /* The sum of t products of 2 limbs(p) limbs needs one limb more. */
    size_t total = (size_t)t * p->limbs + p->limbs + wide + wide + 1 + n_scratch;
    mp_limb_t *weight = secret_limbs(total);
    if (weight == NULL) return VS_ERR_NOMEM;
    mp_limb_t *element = weight + (size_t)t * p->limbs;
    mp_limb_t *product = element + p->limbs;
    mp_limb_t *sum = product + wide;
    mp_limb_t *scratch = sum + wide + 1;
    uint64_t bad = 0;
    weights(weight, p, t, x);
    for (size_t b = 0; b < vs_prime_blocks(p, len); b++) {
        mpn_zero(sum, 2 * limbs + 1);
        for (uint32_t a = 0; a < t; a++) {
            decode_element(element, share[a] + b * p->bytes, p);
            mpn_sec_mul(product, element, limbs, weight + (size_t)a * p->limbs, limbs, scratch);
            sum[wide] += mpn_add_n(sum, sum, product, 2 * limbs);
        }
        mpn_sec_div_r(sum, 2 * limbs + 1, p->p, limbs, scratch);
        bad |= put_block(secret, len, b, sum, p);
    }
    sodium_free(weight);
    bad = vs_ct_mask(bad);
    VS_CT_PUBLIC(&bad, sizeof bad); /* the verdict; honest shares never give it */
    if (bad != 0 && len != 0) sodium_memzero(secret, len);
    return bad == 0 ? VS_OK : VS_ERR_MALFORMED;
}
