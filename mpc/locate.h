/* mpc/locate.h - which of the answers are wrong: one Reed-Solomon word over F_{p^2}.
 *
 * The challenge is rho = stream 2 under H("veilsum/v1 locate" || leaf hash of `set` || for every
 * logged answer, ascending j: u32 j || answer hash). Symbol j = sum over m of rho^(m+1)
 * answer_j[m]. Berlekamp-Welch over the word of length m and dimension r finds up to floor((m-r)/2)
 * wrong positions. Everything here is public. */
#ifndef VS_MPC_LOCATE_H
#define VS_MPC_LOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "mpc/field.h"
#include "mpc/params.h"
#include "mpc/proof.h"

typedef struct vs_answer_ref {
    uint32_t j;         /* shareholder index */
    vs_h32 answer_hash; /* as logged */
} vs_answer_ref;

/* answers ascending by j (VS_ASSERT). */
VS_MUST_CHECK vs_err vs_locate_challenge(vs_fe2 *rho, const vs_h32 *set_leaf_hash,
                                         const vs_answer_ref *answers, uint32_t n_answers);

/* Symbol of one answer: start, feed its M elements in order, read .sum. */
typedef vs_power_sum vs_symbol_acc;
void vs_symbol_start(vs_symbol_acc *acc, vs_fe2 rho);
void vs_symbol_update(vs_symbol_acc *acc, const vs_fe *x, size_t count);

typedef struct vs_location {
    bool decodable;
    bool certain; /* m - r - e >= t */
    uint32_t n_wrong;
    bool wrong[VS_SHAREHOLDERS_MAX]; /* by position in the input */
} vs_location;

/* Symbol i belongs to shareholder points[i], 1..128, all different (VS_ASSERT); erasures are left
 * out by the caller. A word is decodable iff a polynomial of degree < r agrees with all but at most
 * floor((m - r) / 2) symbols (then it is the only one); m < r never is. wrong, n_wrong and certain
 * are false and 0 when it is not. More errors than that may also decode to another codeword:
 * only `certain` rules that out, and only while at most t answers lie. Errors: VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_locate(vs_location *out, const uint32_t *points, const vs_fe2 *symbols,
                               uint32_t m, uint32_t r, uint32_t t);

#endif /* VS_MPC_LOCATE_H */
