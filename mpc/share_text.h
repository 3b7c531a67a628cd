/* mpc/share_text.h - one share of a split byte string as a text file (docs/MPC.md).
 *
 *   veilsum-share-v1
 *   set HEX            hash of all public members below, the same in every share of one split
 *   shares N
 *   threshold T
 *   bytes LEN          length of the secret
 *   prime 0xHEX
 *   secret HEX         commitment to the secret
 *   commit HEX         N lines: commitment to each share's payload, in order
 *   share X            which share this is: a value at x = X
 *   nonce HEX
 *   payload            lines of base64, 76 characters each, the last one shorter
 *   checksum HEX       of all bytes above
 *
 * There is exactly one text of a share: numbers without leading zeros, lower-case digits, LF.
 * The nonce and the payload are secret, so a text is; vs_share and texts are wiped when freed. */
#ifndef VS_MPC_SHARE_TEXT_H
#define VS_MPC_SHARE_TEXT_H

#include "base/bytes.h"
#include "mpc/prime_sharing.h"

#define VS_SHARE_SECRET_MAX (UINT32_C(1) << 20) /* bytes of a secret that can be split */
#define VS_SHARE_SALT_BYTES 32u                 /* random bytes shared in front of the secret */
#define VS_SHARE_NONCE_BYTES 32u
#define VS_SHARE_TEXT_MAX (UINT32_C(2) << 20) /* bytes; the largest share takes 1.7 MB */

/* What all shares of one split have in common. All of it is public. */
typedef struct vs_share_set {
    uint32_t n, t;       /* 2 <= t <= n <= 255 */
    uint32_t secret_len; /* <= VS_SHARE_SECRET_MAX */
    vs_prime prime;
    vs_h32 secret;                      /* vs_share_commit_secret */
    vs_h32 commit[VS_PRIME_SHARES_MAX]; /* vs_share_commit of share j at [j - 1] */
    vs_h32 id;                          /* vs_share_set_id of all above */
} vs_share_set;

typedef struct vs_share {
    vs_share_set set;
    uint32_t x; /* 1..n */
    uint8_t nonce[VS_SHARE_NONCE_BYTES];
    vs_buf payload; /* vs_share_payload_bytes */
} vs_share;

/* Bytes of one payload: a share of salt and secret together. */
size_t vs_share_payload_bytes(const vs_share_set *set);

/* H("veilsum-share-secret-v1", len, salt | secret); salted = both, VS_SHARE_SALT_BYTES + len. */
void vs_share_commit_secret(vs_h32 *out, const uint8_t *salted, uint32_t len);
/* H("veilsum-share-commit-v1", x, nonce, payload length, payload). */
void vs_share_commit(vs_h32 *out, uint32_t x, const uint8_t nonce[VS_SHARE_NONCE_BYTES],
                     const uint8_t *payload, size_t len);
/* H("veilsum-share-set-v1", n, t, secret_len, prime's length and bytes, secret, commit[0..n)). */
void vs_share_set_id(vs_h32 *out, const vs_share_set *set);

/* Append the text of share x. Errors: NOMEM; what was appended is then of no use. */
VS_MUST_CHECK vs_err vs_share_encode(vs_buf *out, const vs_share_set *set, uint32_t x,
                                     const uint8_t nonce[VS_SHARE_NONCE_BYTES],
                                     const uint8_t *payload);

/* Read one text and check all that one share can tell: version, checksum, form, set id, and that
 * nonce and payload are the committed ones. Not whether the prime is prime: vs_share_combine does.
 * Errors: MALFORMED (no share, or damaged), STATE (another version), PROOF (altered), LIMIT (text
 * too long), NOMEM; *out is zero then. vs_share_free releases it. */
VS_MUST_CHECK vs_err vs_share_decode(vs_share *out, const void *text, size_t len, vs_diag *diag);
/* Wipe and release; zero is a no-op. */
void vs_share_free(vs_share *share);

#endif /* VS_MPC_SHARE_TEXT_H */
