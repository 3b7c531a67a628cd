/* mpc/share_set.h - split a byte string into shares, and combine shares that came back.
 *
 * What is shared is 32 random bytes (the salt) followed by the secret; a commitment to both stands
 * in every share, so that a wrong reconstruction cannot pass and a guess of a weak password cannot
 * be tested. Every share also lists a commitment to each share: whoever holds one genuine share, or
 * the set id, recognises every wrong one. */
#ifndef VS_MPC_SHARE_SET_H
#define VS_MPC_SHARE_SET_H

#include "mpc/share_text.h"

/* Most element steps (blocks * n * t) of one split: about a minute. Only primes that are tiny
 * beside a long secret reach it. */
#define VS_SHARE_WORK_MAX (UINT64_C(1) << 31)

/* One split, all shares of it; opaque: it holds secrets. */
typedef struct vs_split vs_split;

/* 2 <= t <= n <= 255, n below the prime, len <= VS_SHARE_SECRET_MAX: LIMIT otherwise. Checks that
 * the prime is one. Other errors: NOMEM, IO (randomness). *out is NULL on error. */
VS_MUST_CHECK vs_err vs_split_new(vs_split **out, const vs_prime *prime, uint32_t n, uint32_t t,
                                  const uint8_t *secret, size_t len, const vs_rng *rng,
                                  vs_diag *diag);
const vs_share_set *vs_split_set(const vs_split *split);
/* Append the text of share x, 1..n. Errors: NOMEM. */
VS_MUST_CHECK vs_err vs_split_text(const vs_split *split, vs_buf *out, uint32_t x);
/* Wipe and release. NULL is a no-op. */
void vs_split_free(vs_split *split);

/* Of these decoded shares: do they belong to one set, are they different and enough? set: the one
 * wanted, or NULL: the one that most of them belong to. name[i] stands for share i in the message.
 * Errors: PROOF (another set: foreign), STATE (the same share twice), LIMIT (too few). */
VS_MUST_CHECK vs_err vs_share_check(const vs_share *share, const char *const *name, uint32_t n,
                                    const vs_h32 *set, vs_diag *diag);

/* Append the secret, from the first `threshold` of n shares that vs_share_check accepted. Errors:
 * LIMIT (the prime is none), PROOF (it is not the secret that was committed to: whoever split it
 * made wrong shares), NOMEM; *secret keeps its length then. */
VS_MUST_CHECK vs_err vs_share_combine(vs_buf *secret, const vs_share *share, uint32_t n,
                                      vs_diag *diag);

#endif /* VS_MPC_SHARE_SET_H */
