/* mpc/sharing.h - packed Shamir secret sharing in systematic form with seed shares.
 *
 * Shareholder j holds the value at x = j. Per column: shares 1..t are pseudo-random; g is the
 * polynomial of degree < t through them; share t+i of secret i (i = 1..k) is secret_i + g(t+i);
 * f is the polynomial of degree < r = t+k through shares 1..r; shares j > r are f(j).
 * (Shamir 1979; packing: Franklin and Yung 1992; systematic form: PROTOCOL.md.)
 * Consecutive integer points: g by a backward-difference table, additions only; shares beyond r
 * by Newton extrapolation from the differences of shares 1..r.
 * Secret: every share and secret. Public: n, t, k, cols. Constant time in all values. */
#ifndef VS_MPC_SHARING_H
#define VS_MPC_SHARING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mpc/field.h"
#include "mpc/parallel.h"
#include "mpc/params.h"
#include "mpc/prg.h"

typedef struct vs_sharing vs_sharing; /* precomputed public coefficients for (n, t, k) */

/* 1 <= t < n <= 128, k >= 1, t + k <= n (else VS_ERR_LIMIT). The caller owns *out. */
VS_MUST_CHECK vs_err vs_sharing_new(vs_sharing **out, uint32_t n, uint32_t t, uint32_t k);
void vs_sharing_free(vs_sharing *s);

/* Share cols columns.
 *   secrets[i], i < k:      row of secret i+1, cols elements
 *   seed_shares[j], j < t:  row of shareholder j+1 (its PRG expansion), cols elements
 *   out[j], j < n-t:        row of shareholder t+1+j, cols elements, must not alias an input;
 *                           NULL: this shareholder takes no part, its row is not computed */
void vs_share_columns(const vs_sharing *s, vs_fe *const *out, const vs_fe *const *secrets,
                      const vs_fe *const *seed_shares, size_t cols);

/* Share columns first .. first+cols-1 of a vector whose seed shares are streams: each is expanded
 * a piece at a time, used while it is in L1 and not written to memory. Same result as
 * vs_prg_fill and vs_share_columns. Rows point at the first column of the call. */
typedef struct vs_share_job {
    vs_fe *const *out;           /* n-t rows, NULL allowed, as above */
    const vs_fe *const *secrets; /* k rows */
    vs_prg *const *streams;      /* t streams: shareholder j+1's */
    vs_fe *const *seed_out;      /* NULL, or t rows (NULL allowed) that receive the expansions */
    uint64_t first;              /* fastest when a multiple of VS_PRG_TILE */
    size_t cols;
    bool to_memory; /* rows are far larger than the caches and not read soon: store past the
                     * caches where a row of out is aligned to 64 bytes */
    vs_pool *pool;  /* NULL: this thread only. Used where the PRG is not libcrypto's. */
} vs_share_job;
/* Errors: VS_ERR_NOMEM, before anything is written. */
VS_MUST_CHECK vs_err vs_share_stream(const vs_sharing *s, const vs_share_job *job);

/* --- reconstruction from r shares ------------------------------------------------------------ */

typedef struct vs_recon vs_recon; /* precomputed public coefficients for one list of indexes */

/* idx[0..r): distinct shareholder indexes 1..n, any order. VS_ERR_LIMIT if not. */
VS_MUST_CHECK vs_err vs_recon_new(vs_recon **out, uint32_t n, uint32_t t, uint32_t k,
                                  const uint32_t *idx);
void vs_recon_free(vs_recon *rec);

/* secrets[i], i < k, from shares[a] (a < r, the row of shareholder idx[a]): interpolate f at
 * 1..r, subtract g. Outputs must not alias inputs. */
void vs_recon_columns(const vs_recon *rec, vs_fe *const *secrets, const vs_fe *const *shares,
                      size_t cols);

/* The share that shareholder j (1..n) must hold, from the same r shares: out[cols] = f(j). */
void vs_recon_share(const vs_recon *rec, vs_fe *out, uint32_t j, const vs_fe *const *shares,
                    size_t cols);

#endif /* VS_MPC_SHARING_H */
