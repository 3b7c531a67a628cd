/* tests/net/support_fault_loop.h - the same round again and again, with a fault at its k-th place.
 */
#ifndef VS_TESTS_NET_SUPPORT_FAULT_LOOP_H
#define VS_TESTS_NET_SUPPORT_FAULT_LOOP_H

#include "tests/net/support_sim.h"

/* What n = 4, t = 1, k = 1 and two clients of 20 coordinates do. Shareholder 1 holds seeds (j <=
 * t), shareholder 2 is one of the first r, shareholder 4 beyond them. */
enum { FAULT_SEED_HOLDER = 1, FAULT_VECTOR_HOLDER = 2, FAULT_EXTRA_HOLDER = 4 };

typedef struct vs_fault_loop {
    uint32_t places;  /* found: each was tried once */
    uint32_t results; /* runs that ended in the exact sum over all clients */
    uint32_t aborts;  /* that ended without a sum */
    uint32_t stops;   /* in which the process stopped */
    char why[480];    /* of the last stop */
} vs_fault_loop;

/* One run; config NULL: the usual round. fault->fired tells whether it found its place. */
void vs_fault_loop_one(const vs_sim_config *config, vs_fault *fault, vs_fault_loop *loop);
extern const vs_sim_config vs_fault_loop_round; /* the usual round */

/* k = 1, 1 + stride, ... until the round has no k-th place; prints the counts. The whole story is
 * checked by support_watch.h; any failure ends the program with the k that made it. */
vs_fault_loop vs_fault_loop_run(vs_fault_kind kind, uint32_t actor, bool power_cut,
                                uint32_t stride);

#endif /* VS_TESTS_NET_SUPPORT_FAULT_LOOP_H */
