/* net/dp_plan.h - how much noise a promise needs, and what it costs: for `veilsum dp plan`.
 *
 * The same functions that open and check a round (net/round.h, net/budget.h) judge every
 * candidate, so that planner and accountant cannot disagree. Public numbers only. */
#ifndef VS_NET_DP_PLAN_H
#define VS_NET_DP_PLAN_H

#include "base/err.h"
#include "fl/privacy.h"
#include "mpc/params.h"
#include "net/federation.h"

/* What is wanted. fed: committee, min_clients, max_clients, metrics, rotation, k_stddevs,
 * quantiser.clip_norm, clipping_range (without rotation), privacy's mechanism, delta,
 * max_epsilon (all rounds together), beta, colluding_clients, metrics_noise_multiplier (0: as the
 * update's) are set; quantiser.bits 0: the planner's choice. The rest is not read. */
typedef struct vs_dp_goal {
    const vs_federation *fed;
    uint32_t rounds;
    uint32_t dim;
} vs_dp_goal;

typedef struct vs_dp_plan {
    vs_federation fed; /* with noise_multiplier, bits and everything a round needs; file: none */
    vs_privacy_round round; /* its numbers */
    vs_layout layout;
    double clipping_range;   /* of a round */
    double epsilon;          /* after all rounds, at most what is wanted */
    uint32_t order;          /* where the accountant's minimum is */
    double ideal_multiplier; /* of continuous noise without rounding: the least there can be */
    double extra_delta;      /* by clamped noise, after all rounds */
    uint64_t upload_bytes;   /* of one client in one round, all shareholders */
    uint64_t plain_bytes;    /* the same without noise, at 16 bits */
} vs_dp_plan;

/* Bits are the fewest with which rounding costs at most 2 % more noise. VS_ERR_LIMIT: a rule is
 * broken, or no noise is enough with these bits (the message says which). */
VS_MUST_CHECK vs_err vs_dp_plan_make(vs_dp_plan *out, const vs_dp_goal *goal, vs_diag *diag);

#endif /* VS_NET_DP_PLAN_H */
