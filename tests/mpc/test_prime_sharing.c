/* Textbook sharing over any prime: exhaustive over tiny primes, and against mpz for large ones. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

static size_t allocations_left = SIZE_MAX;

static void *failing_sodium_malloc(size_t size)
{
    return allocations_left-- == 0 ? NULL : sodium_malloc(size);
}

/* The source is included with an allocator that fails on demand. */
#define sodium_malloc failing_sodium_malloc
#include "mpc/prime_sharing.c"
#undef sodium_malloc

#include <criterion/criterion.h>

#include "tests/support.h"

enum { N_MAX = 255 };

typedef struct shares {
    uint8_t *p[N_MAX];
    size_t len;
} shares;

static shares shares_new(const vs_prime *p, uint32_t n, size_t secret_len)
{
    shares s = {.len = vs_prime_share_bytes(p, secret_len)};
    for (uint32_t j = 0; j < n; j++) {
        s.p[j] = malloc(s.len + 1); /* never malloc(0) */
        cr_assert_not_null(s.p[j]);
        memset(s.p[j], 0xaa, s.len + 1);
    }
    return s;
}

static void shares_free(shares *s)
{
    for (uint32_t j = 0; j < N_MAX; j++) free(s->p[j]);
}

static vs_prime prime_of(const char *text)
{
    vs_prime p;
    vs_diag diag;
    cr_assert_eq(vs_prime_read(&p, text, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(vs_prime_check(&p, &diag), VS_OK, "%s", diag.text);
    return p;
}

/* The smallest prime from 2^(bits - 1) + salt on. */
static vs_prime next_prime(uint32_t bits, unsigned long salt)
{
    char text[VS_PRIME_TEXT_CHARS + 2] = "0x";
    mpz_t z;
    mpz_init_set_ui(z, 1);
    mpz_mul_2exp(z, z, bits - 1);
    mpz_add_ui(z, z, salt);
    mpz_nextprime(z, z);
    (void)mpz_get_str(text + 2, 16, z);
    mpz_clear(z);
    return prime_of(text);
}

/* A generator that gives prepared bytes, and fails after them. */
typedef struct script {
    const uint8_t *next;
    size_t left;
} script;

static vs_err fill_script(void *ctx, void *out, size_t len)
{
    script *s = ctx;
    if (len > s->left) return VS_ERR_IO;
    memcpy(out, s->next, len);
    s->next += len;
    s->left -= len;
    return VS_OK;
}

/* --- tiny primes: everything --------------------------------------------------------------------
 */

static void share_byte(const vs_prime *p, uint32_t n, uint32_t t, uint8_t block, const uint8_t *c,
                       uint8_t out[4])
{
    /* One block of 7 bits is the low part of one byte; the second block holds its top bit, 0. */
    uint8_t coefficients[4] = {0};
    uint8_t raw[4][2];
    uint8_t *share[4] = {raw[0], raw[1], raw[2], raw[3]};
    memcpy(coefficients, c, t - 1);
    script s = {coefficients, 2 * (t - 1)};
    vs_rng rng = {fill_script, &s};
    cr_assert_eq(vs_prime_split(share, p, n, t, &block, 1, &rng), VS_OK);
    cr_assert_eq(s.left, 0);
    for (uint32_t j = 0; j < n; j++) out[j] = raw[j][0];
}

/* For every secret and every polynomial of degree 1: share x takes each value exactly once, so one
 * share is independent of the secret; every two shares give the secret. */
Test(prime_sharing, one_share_of_threshold_2_is_independent_of_the_secret)
{
    static const char *const primes[] = {"131", "251"};
    for (size_t i = 0; i < 2; i++) {
        vs_prime p = prime_of(primes[i]);
        for (uint32_t secret = 0; secret < 128; secret += i == 0 ? 1 : 127) {
            uint8_t seen[4][256] = {0};
            for (uint32_t a = 0; a < p.p[0]; a++) {
                const uint8_t c[1] = {(uint8_t)a};
                uint8_t share[4];
                share_byte(&p, 4, 2, (uint8_t)secret, c, share);
                for (uint32_t j = 0; j < 4; j++) {
                    cr_assert_eq(share[j], (secret + a * (j + 1)) % p.p[0]);
                    seen[j][share[j]]++;
                }
            }
            for (uint32_t j = 0; j < 4; j++) {
                for (uint32_t v = 0; v < p.p[0]; v++) cr_assert_eq(seen[j][v], 1);
            }
        }
    }
}

/* Threshold 3: over all polynomials, every pair of shares takes every pair of values once. */
Test(prime_sharing, two_shares_of_threshold_3_are_independent_of_the_secret)
{
    static uint8_t seen[6][131][131];
    vs_prime p = prime_of("131");
    for (uint32_t secret = 0; secret < 128; secret += 127) {
        memset(seen, 0, sizeof seen);
        for (uint32_t a = 0; a < 131; a++) {
            for (uint32_t b = 0; b < 131; b++) {
                const uint8_t c[2] = {(uint8_t)a, (uint8_t)b};
                uint8_t s[4];
                share_byte(&p, 4, 3, (uint8_t)secret, c, s);
                uint32_t pair = 0;
                for (uint32_t i = 0; i < 4; i++) {
                    for (uint32_t j = i + 1; j < 4; j++) seen[pair++][s[i]][s[j]]++;
                }
            }
        }
        for (size_t i = 0; i < sizeof seen; i++) cr_assert_eq(((uint8_t *)seen)[i], 1);
    }
}

static void every_subset(const vs_prime *p, uint32_t n, uint32_t t, const uint8_t *secret,
                         size_t len)
{
    vs_test_rng state = {.seed = 5};
    vs_rng rng = vs_test_rng_of(&state);
    shares s = shares_new(p, n, len);
    uint8_t *got = malloc(len + 1);
    cr_assert_eq(vs_prime_split(s.p, p, n, t, secret, len, &rng), VS_OK);
    for (uint32_t set = 0; set < 1u << n; set++) {
        uint32_t x[8];
        const uint8_t *share[8];
        uint32_t m = 0;
        for (uint32_t j = n; j > 0; j--) { /* descending: the order is free */
            if ((set >> (j - 1) & 1) != 0) share[m] = s.p[j - 1], x[m++] = j;
        }
        if (m != t) continue;
        memset(got, 0x55, len + 1);
        cr_assert_eq(vs_prime_combine(got, len, p, t, x, share), VS_OK);
        cr_assert(memcmp(got, secret, len) == 0 && got[len] == 0x55);
    }
    free(got);
    shares_free(&s);
}

Test(prime_sharing, every_subset_gives_the_secret)
{
    uint8_t all[128];
    for (uint32_t i = 0; i < sizeof all; i++) all[i] = (uint8_t)(i * 37 + 1);
    vs_prime p = prime_of("251");
    for (uint32_t n = 2; n <= 7; n++) {
        for (uint32_t t = 2; t <= n; t++) every_subset(&p, n, t, all, sizeof all);
    }
}

/* --- against mpz --------------------------------------------------------------------------------
 */

/* f(0) by Lagrange on mpz for one block, from shares 2, 4, .. and 1. */
static void oracle(mpz_t out, const vs_prime *p, uint32_t t, const uint32_t *x,
                   const uint8_t *const *share, size_t block)
{
    mpz_t m, y, num, den;
    mpz_inits(m, y, num, den, NULL);
    mpz_import(m, p->limbs, -1, 8, 0, 0, p->p);
    mpz_set_ui(out, 0);
    for (uint32_t a = 0; a < t; a++) {
        mpz_import(y, p->bytes, -1, 1, 0, 0, share[a] + block * p->bytes);
        cr_assert(mpz_cmp(y, m) < 0);
        mpz_set_ui(den, 1);
        for (uint32_t b = 0; b < t; b++) {
            if (a == b) continue;
            mpz_mul_ui(y, y, x[b]);
            mpz_set_si(num, (long)x[b] - (long)x[a]);
            mpz_mul(den, den, num);
        }
        mpz_mod(den, den, m);
        cr_assert(mpz_invert(den, den, m));
        mpz_addmul(out, y, den);
    }
    mpz_mod(out, out, m);
    mpz_clears(m, y, num, den, NULL);
}

/* The secret's block by mpz: bits [block w, (block + 1) w) of the little-endian number. */
static void expected_block(mpz_t out, const vs_prime *p, const uint8_t *secret, size_t len,
                           size_t block)
{
    mpz_import(out, len, -1, 1, 0, 0, secret);
    mpz_fdiv_q_2exp(out, out, block * (p->bits - 1));
    mpz_fdiv_r_2exp(out, out, p->bits - 1);
}

static void against_mpz(const vs_prime *p, uint32_t n, uint32_t t, const uint8_t *secret,
                        size_t len)
{
    uint32_t x[N_MAX];
    const uint8_t *share[N_MAX];
    vs_test_rng state = {.seed = p->bits};
    vs_rng rng = vs_test_rng_of(&state);
    shares s = shares_new(p, n, len);
    uint8_t *got = malloc(len + 1);
    mpz_t f0, want;
    mpz_inits(f0, want, NULL);
    cr_assert_eq(vs_prime_split(s.p, p, n, t, secret, len, &rng), VS_OK);
    for (uint32_t a = 0; a < t; a++) {
        x[a] = n - a; /* the largest points */
        share[a] = s.p[x[a] - 1];
        cr_assert(vs_prime_share_is_canonical(p, share[a], s.len));
        cr_assert_eq(share[a][s.len], 0xaa);
    }
    for (size_t b = 0; b < vs_prime_blocks(p, len); b++) {
        oracle(f0, p, t, x, share, b);
        expected_block(want, p, secret, len, b);
        cr_assert(mpz_cmp(f0, want) == 0, "%u bits, block %zu", p->bits, b);
    }
    cr_assert_eq(vs_prime_combine(got, len, p, t, x, share), VS_OK);
    cr_assert(memcmp(got, secret, len) == 0, "%u bits, %zu bytes", p->bits, len);
    mpz_clears(f0, want, NULL);
    free(got);
    shares_free(&s);
}

Test(prime_sharing, agrees_with_mpz_for_primes_of_every_size)
{
    static const uint32_t bits[] = {8,   9,   10,  15,  16,  17,  31,   32,  33,
                                    61,  63,  64,  65,  66,  127, 128,  129, 192,
                                    193, 255, 256, 257, 521, 600, 1024, 1025};
    uint8_t secret[3][600];
    memset(secret[0], 0, sizeof secret[0]);
    memset(secret[1], 0xff, sizeof secret[1]);
    vs_test_bytes(secret[2], sizeof secret[2], 9);
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        /* Just above a power of two, and 3/4 of the range. */
        vs_prime p[2] = {next_prime(bits[i], 1), next_prime(bits[i], 1ul << (bits[i] - 2) % 60)};
        for (size_t k = 0; k < 6; k++) {
            size_t len = k < 3 ? 600 : 33;
            uint32_t n = p[k & 1].p[0] < 260 && p[k & 1].limbs == 1 ? 100 : 255;
            against_mpz(&p[k & 1], k < 3 ? 5 : n, k < 3 ? 3 : 20, secret[k % 3], len);
        }
    }
}

/* The largest prime that may be given, and 2^3217 - 1. */
Test(prime_sharing, agrees_with_mpz_for_the_largest_primes)
{
    uint8_t secret[1100];
    char text[VS_PRIME_TEXT_CHARS] = "0x1";
    vs_prime p;
    vs_diag diag;
    memset(secret, 0xff, sizeof secret);
    memset(text + 2, 'f', 1024);
    memcpy(text + 2 + 1021, "60b", 3); /* 2^4096 - 2549 */
    p = prime_of(text);
    against_mpz(&p, 255, 9, secret, sizeof secret);
    text[2] = '1';
    memset(text + 3, 'f', 804);
    text[3 + 804] = '\0';
    cr_assert_eq(vs_prime_read(&p, text, &diag), VS_OK);
    cr_expect_eq(p.bits, 3217);
    against_mpz(&p, 5, 3, secret, sizeof secret);
}

Test(prime_sharing, takes_the_default_prime_and_any_length)
{
    uint8_t secret[400];
    vs_prime p = prime_of(VS_PRIME_DEFAULT);
    mpz_t z, m;
    mpz_inits(z, m, NULL);
    mpz_setbit(m, 521);
    mpz_sub_ui(m, m, 1);
    mpz_import(z, p.limbs, -1, 8, 0, 0, p.p);
    cr_expect_eq(mpz_cmp(z, m), 0);
    mpz_clears(z, m, NULL);
    cr_expect_eq(vs_prime_blocks(&p, 65), 1);
    cr_expect_eq(vs_prime_blocks(&p, 66), 2);
    vs_test_bytes(secret, sizeof secret, 3);
    for (size_t len = 0; len <= sizeof secret; len += len < 140 ? 1 : 65) {
        against_mpz(&p, 4, 3, secret, len);
    }
}

Test(prime_sharing, threshold_255_of_255)
{
    uint8_t secret[70];
    vs_prime p = prime_of("257");
    memset(secret, 0xff, sizeof secret);
    against_mpz(&p, 255, 255, secret, sizeof secret);
    p = prime_of(VS_PRIME_DEFAULT);
    against_mpz(&p, 255, 255, secret, sizeof secret);
}

/* --- what must be refused -----------------------------------------------------------------------
 */

Test(prime_sharing, draws_again_what_is_not_below_the_prime)
{
    /* 251..255 are refused; with 131 (8 bits) too; masking keeps 9 bits of two bytes for 257. */
    static const uint8_t drawn[] = {251, 255, 252, 250, 0};
    vs_prime p = prime_of("251");
    uint8_t raw[2][2], secret[1] = {1};
    uint8_t *share[2] = {raw[0], raw[1]};
    script s = {drawn, sizeof drawn};
    vs_rng rng = {fill_script, &s};
    cr_assert_eq(vs_prime_split(share, &p, 2, 2, secret, 1, &rng), VS_OK);
    cr_expect(raw[0][0] == 0 && raw[1][0] == 250); /* 1 - x mod 251 */
    cr_expect(raw[0][1] == 0 && raw[1][1] == 0);

    static const uint8_t wide[] = {1, 0xff, 0x00, 0xfe, 0, 0}; /* 257: refused; 0; 0 */
    uint8_t raw2[2][2];
    uint8_t *share2[2] = {raw2[0], raw2[1]};
    p = prime_of("257");
    s = (script){wide, sizeof wide};
    cr_assert_eq(vs_prime_split(share2, &p, 2, 2, secret, 1, &rng), VS_OK);
    cr_expect_eq(s.left, 2); /* one block of 8 bits, two draws */
    cr_expect(raw2[0][0] == 1 && raw2[0][1] == 0);
}

static vs_err fill_ones(void *ctx, void *out, size_t len)
{
    ++*(size_t *)ctx;
    memset(out, 0xff, len);
    return VS_OK;
}

Test(prime_sharing, a_broken_generator_ends)
{
    size_t calls = 0;
    vs_rng rng = {fill_ones, &calls};
    vs_prime p = prime_of("251");
    uint8_t raw[2][2], secret[1] = {1};
    uint8_t *share[2] = {raw[0], raw[1]};
    cr_expect_eq(vs_prime_split(share, &p, 2, 2, secret, 1, &rng), VS_ERR_IO);
    cr_expect_eq(calls, DRAWS_MAX);
}

Test(prime_sharing, every_failing_draw_and_allocation_leaves_zero_shares)
{
    vs_prime p = prime_of(VS_PRIME_DEFAULT);
    uint8_t secret[131];
    vs_test_bytes(secret, sizeof secret, 1);
    for (uint64_t k = 1;; k++) {
        vs_test_rng state = {.seed = 1, .fail_at = k};
        vs_rng rng = vs_test_rng_of(&state);
        shares s = shares_new(&p, 4, sizeof secret);
        vs_err err = vs_prime_split(s.p, &p, 4, 3, secret, sizeof secret, &rng);
        for (uint32_t j = 0; err != VS_OK && j < 4; j++) {
            cr_assert(sodium_is_zero(s.p[j], s.len));
        }
        shares_free(&s);
        if (err == VS_OK) {
            cr_expect_eq(k, 3 * 2 + 1);
            break;
        }
        cr_assert_eq(err, VS_ERR_IO);
    }
    vs_test_rng state = {.seed = 1};
    vs_rng rng = vs_test_rng_of(&state);
    shares s = shares_new(&p, 4, sizeof secret);
    allocations_left = 0;
    cr_expect_eq(vs_prime_split(s.p, &p, 4, 3, secret, sizeof secret, &rng), VS_ERR_NOMEM);
    cr_expect(sodium_is_zero(s.p[0], s.len));
    allocations_left = 0;
    const uint32_t x[3] = {1, 2, 3};
    cr_expect_eq(vs_prime_combine(secret, sizeof secret, &p, 3, x, (const uint8_t *const *)s.p),
                 VS_ERR_NOMEM);
    cr_expect(sodium_is_zero(secret, sizeof secret));
    shares_free(&s);
}

Test(prime_sharing, refuses_shares_that_give_too_large_a_block)
{
    /* f(0) = 250 has more than 7 bits; then one whose last block has more bits than are left. */
    vs_prime p = prime_of("251");
    const uint32_t x[2] = {1, 2};
    const uint8_t a[2] = {250, 0}, b[2] = {0, 2};
    const uint8_t *large[2] = {a, a}, *beyond[2] = {b, b};
    uint8_t secret[1] = {9};
    cr_expect_eq(vs_prime_combine(secret, 1, &p, 2, x, large), VS_ERR_MALFORMED);
    cr_expect_eq(secret[0], 0);
    cr_expect_eq(vs_prime_combine(secret, 1, &p, 2, x, beyond), VS_ERR_MALFORMED);
    cr_expect_eq(secret[0], 0);
}

Test(prime_sharing, refuses_elements_that_are_not_below_the_prime)
{
    vs_prime p = prime_of("257");
    const uint8_t good[4] = {0, 1, 255, 0}, equal[4] = {0, 0, 1, 1}, above[4] = {0, 2, 0, 0};
    cr_expect(vs_prime_share_is_canonical(&p, good, 4));
    cr_expect_not(vs_prime_share_is_canonical(&p, equal, 4));
    cr_expect_not(vs_prime_share_is_canonical(&p, above, 4));
    cr_expect_not(vs_prime_share_is_canonical(&p, good, 3));
}

Test(prime_sharing, reads_and_writes_primes)
{
    static const char *const good[][2] = {{"131", "0x83"},
                                          {"0x00FB", "0xfb"},
                                          {"257", "0x101"},
                                          {"2305843009213693951", "0x1fffffffffffffff"}};
    static const char *const bad[] = {"",     "0x",   "12a", "-251", "+251",
                                      " 251", "251 ", "0xg", "0X83", "0b1001",
                                      "127",  "0",    "256", "0x7f", "1e9"};
    char text[VS_PRIME_TEXT_CHARS];
    char large[1300];
    vs_prime p;
    vs_diag diag;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        p = prime_of(good[i][0]);
        vs_prime_format(text, &p);
        cr_expect_str_eq(text, good[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_neq(vs_prime_read(&p, bad[i], &diag), VS_OK, "\"%s\"", bad[i]);
        cr_expect_eq(p.bits, 0);
    }
    memset(large, '9', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    cr_expect_eq(vs_prime_read(&p, large, &diag), VS_ERR_LIMIT);
    large[1234] = '\0'; /* as many digits as 2^4096 has, and larger */
    cr_expect_eq(vs_prime_read(&p, large, &diag), VS_ERR_LIMIT);
    memset(large, 'f', 1026);
    memcpy(large, "0x", 2);
    large[2 + 1024] = '\0';
    cr_expect_eq(vs_prime_read(&p, large, &diag), VS_OK);
    cr_expect_eq(vs_prime_check(&p, &diag), VS_ERR_LIMIT);
    large[2 + 1024] = 'f';
    large[2 + 1025] = '\0';
    cr_expect_eq(vs_prime_read(&p, large, &diag), VS_ERR_LIMIT);
    vs_prime_format(text, &p);
}

Test(prime_sharing, refuses_composites)
{
    /* Carmichael numbers, a square, strong pseudoprimes to the first bases. */
    static const char *const composite[] = {"561",
                                            "41041",
                                            "825265",
                                            "62710561",
                                            "3215031751",
                                            "3825123056546413051",
                                            "318665857834031151167461",
                                            "0x3fffffffffffffff0000000000000001"};
    for (size_t i = 0; i < sizeof composite / sizeof composite[0]; i++) {
        vs_prime p;
        vs_diag diag;
        cr_assert_eq(vs_prime_read(&p, composite[i], &diag), VS_OK);
        cr_expect_eq(vs_prime_check(&p, &diag), VS_ERR_LIMIT, "%s", composite[i]);
        cr_expect_not_null(strstr(diag.text, "not prime"));
    }
}
