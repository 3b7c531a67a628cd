/* mpc/params.h - the numbers of a sharing: who may know what, and how coordinates fill columns.
 *
 * n shareholders, privacy threshold t, packing k, reconstruction threshold r = t + k,
 * L coordinates of b bits (weight digits included), at most N clients.
 * Everything here is public. */
#ifndef VS_MPC_PARAMS_H
#define VS_MPC_PARAMS_H

#include <stdint.h>

#include "base/err.h"

#define VS_SHAREHOLDERS_MAX 128u           /* n */
#define VS_CLIENTS_MAX 32768u              /* N: clients of one round */
#define VS_COLUMNS_MAX (UINT32_C(1) << 25) /* M + 2 columns */
/* L with weight digits: it is counted in 32 bits. M + 2 <= VS_COLUMNS_MAX is the bound that counts:
 * at S slots and packing k about S * k * 2^25 coordinates. */
#define VS_DIM_MAX (UINT32_MAX - 64)
#define VS_MASK_COLUMNS 2u  /* columns M and M+1 hide the consistency proof */
#define VS_ELEMENT_BITS 60u /* usable bits of a field element */

/* Committee parameters (design: fixed rules). */
typedef struct vs_committee {
    uint32_t n;      /* shareholders, 2..128 */
    uint32_t t;      /* privacy threshold, 1..n-1: any t shareholders learn nothing */
    uint32_t k;      /* packing: secrets per polynomial, >= 1 */
    uint32_t margin; /* answers beyond r that a result needs; normally t */
} vs_committee;

/* r = t + k: shares that determine the secrets. */
static inline uint32_t vs_committee_r(const vs_committee *c)
{
    return c->t + c->k;
}
/* q = max(floor((n+t)/2) + 1, r): votes in a set certificate; also the cosignature quorum. */
static inline uint32_t vs_committee_q(const vs_committee *c)
{
    uint32_t majority = (c->n + c->t) / 2 + 1;
    uint32_t r = vs_committee_r(c);
    return majority > r ? majority : r;
}
/* max(q, r + margin): shareholders a round needs to open, to fix its set. */
uint32_t vs_committee_needed(const vs_committee *c);
/* n + t - q + 1 signed `closed` statements prove that no set certificate can ever exist. */
uint32_t vs_committee_closed(const vs_committee *c);
/* VS_ERR_LIMIT and a message naming the first rule that is broken and the numbers in it:
 * "num_shares 4 is below reconstruction_threshold 5". Names as in the federation file:
 * num_shares, privacy_threshold, packing, reconstruction_threshold, margin. */
VS_MUST_CHECK vs_err vs_committee_check(const vs_committee *c, vs_diag *diag);

/* Packing of coordinates into columns (PROTOCOL.md "Field and packing"). */
typedef struct vs_layout {
    uint32_t bits;        /* b, 1..32 */
    uint32_t max_clients; /* N */
    uint32_t slot_width;  /* w = b + ceil(log2 N) bits */
    uint32_t slots;       /* S = floor(60 / w) coordinates per element */
    uint32_t dim;         /* L: coordinates, weight digits included */
    uint32_t elements;    /* ceil(L / S) */
    uint32_t columns;     /* M = ceil(elements / k) */
    uint32_t packing;     /* k */
} vs_layout;

/* Fill *out; VS_ERR_LIMIT with a message for: bits outside 1..32, N outside 2..VS_CLIENTS_MAX,
 * b + ceil(log2 N) > 60, dim 0, M + 2 > VS_COLUMNS_MAX. */
VS_MUST_CHECK vs_err vs_layout_make(vs_layout *out, uint32_t bits, uint32_t max_clients,
                                    uint32_t packing, uint64_t dim, vs_diag *diag);

/* D = ceil(bits(max_weight) / b): digits of base 2^b that carry the weight, lowest first. */
uint32_t vs_weight_digits(uint64_t max_weight, uint32_t bits);

#endif /* VS_MPC_PARAMS_H */
