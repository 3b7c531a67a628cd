/* mpc/prime_sharing.h - textbook Shamir over any prime of 8 to 4096 bits, for byte strings.
 *
 * Shamir (1979) as in the paper: a secret s is f(0) of a random polynomial of degree below t, share
 * x is f(x). A byte string is read as one little-endian number and cut into blocks of bits(p) - 1
 * bits, so that every block is below p whatever it holds; each block gets a polynomial of its own.
 * Any t - 1 shares are independent of the secret; any t give it back.
 *
 * Secret: the string, the coefficients, the shares.  Public: p, n, t, which shares, all lengths.
 * Timing: depends on public values only, with one exception that tells nothing: a coefficient is
 * drawn again when the draw is not below p.
 * GMP stays inside the .c file; it stops the program when it is out of memory, which takes a few
 * kilobytes at most here. */
#ifndef VS_MPC_PRIME_SHARING_H
#define VS_MPC_PRIME_SHARING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

#define VS_PRIME_BITS_MIN 8u
#define VS_PRIME_BITS_MAX 4096u
#define VS_PRIME_LIMBS_MAX (VS_PRIME_BITS_MAX / 64)
#define VS_PRIME_TEXT_CHARS (2 + VS_PRIME_BITS_MAX / 4 + 1) /* 0x, digits, final zero */
#define VS_PRIME_SHARES_MAX 255u

/* 2^521 - 1, a Mersenne prime (Robinson 1952; the field of NIST P-521). Its blocks are exactly 65
 * bytes, so a key of 256 or 512 bits is one block; nobody could have chosen its digits. */
#define VS_PRIME_DEFAULT                                                                           \
    "0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"             \
    "fffffffffffffffffffffffffffffffffffffffffffffffffffff"

/* An odd number of 8 to 4096 bits; a prime once vs_prime_check has said so. Public. */
typedef struct vs_prime {
    uint32_t bits, limbs, bytes; /* bytes of one element, little-endian */
    uint64_t p[VS_PRIME_LIMBS_MAX];
} vs_prime;

/* Read decimal digits, or hexadecimal digits after 0x. Tests form, size and oddness, not
 * primality. Errors: MALFORMED, LIMIT; *out is zero then. */
VS_MUST_CHECK vs_err vs_prime_read(vs_prime *out, const char *text, vs_diag *diag);
/* VS_ERR_LIMIT unless p is a prime (Baillie-PSW and 16 rounds of Miller-Rabin). */
VS_MUST_CHECK vs_err vs_prime_check(const vs_prime *p, vs_diag *diag);
/* 0x and lower-case hexadecimal digits, the first not 0. */
void vs_prime_format(char out[VS_PRIME_TEXT_CHARS], const vs_prime *p);
/* True iff 1..n are different points, none of them 0, modulo p. */
bool vs_prime_has_points(const vs_prime *p, uint32_t n);

/* Blocks of a string of len bytes, and bytes of one share of it. */
size_t vs_prime_blocks(const vs_prime *p, size_t len);
size_t vs_prime_share_bytes(const vs_prime *p, size_t len);

/* share[j - 1] gets vs_prime_share_bytes(p, len) bytes: every polynomial at x = j, for j = 1..n.
 * 2 <= t <= n <= 255 and vs_prime_has_points(p, n), p prime. Errors: NOMEM, IO (randomness); the
 * shares are zero then. */
VS_MUST_CHECK vs_err vs_prime_split(uint8_t *const *share, const vs_prime *p, uint32_t n,
                                    uint32_t t, const uint8_t *secret, size_t len,
                                    const vs_rng *rng);

/* True iff every element of the share is below p. Constant time but for the verdict. */
bool vs_prime_share_is_canonical(const vs_prime *p, const uint8_t *share, size_t len);

/* The string from t canonical shares at different points x[0..t) of 1..255. MALFORMED: they do not
 * come from one string of this length (a block is too large); secret[0..len) is zero on error. */
VS_MUST_CHECK vs_err vs_prime_combine(uint8_t *secret, size_t len, const vs_prime *p, uint32_t t,
                                      const uint32_t *x, const uint8_t *const *share);

#endif /* VS_MPC_PRIME_SHARING_H */
