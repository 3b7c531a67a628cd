/* net/round.h - the parameters of one round as `open` fixes them, checked against the federation.
 */
#ifndef VS_NET_ROUND_H
#define VS_NET_ROUND_H

#include <stdint.h>

#include "base/err.h"
#include "ledger/entry.h"
#include "mpc/commit.h"
#include "mpc/params.h"
#include "net/federation.h"

typedef struct vs_round {
    vs_round_id id;
    vs_entry_open open; /* decoded payload */
    vs_h32 params_hash; /* SHA-256 of the payload bytes */
    vs_layout layout;   /* L = dim + weight_digits */
    vs_quantiser quantiser;
} vs_round;

/* From an `open` envelope: signature of the aggregator, every parameter allowed by the federation
 * (bits, N, min_clients, quantiser, weight digits, deadlines in order and within its timeouts),
 * round keys signed by their shareholders, at least max(q, r + margin) of them. VS_ERR_PROOF or
 * VS_ERR_MALFORMED with a message naming the rule. */
VS_MUST_CHECK vs_err vs_round_from_open(vs_round *out, const vs_federation *fed,
                                        const uint8_t *envelope, size_t len, vs_diag *diag);
/* Position of shareholder j in open.shareholders, or -1. */
int vs_round_position(const vs_round *round, uint32_t j);

#endif /* VS_NET_ROUND_H */
