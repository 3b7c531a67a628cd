#include "net/dp_plan.h"

#include <math.h>

#include "net/budget.h"
#include "net/round.h"
#include "net/seal.h"

#define MULTIPLIER_MIN 1e-3
#define MULTIPLIER_MAX 1e6
#define BISECTIONS 60
#define BITS_MIN 6u
#define ROUNDING_COST 1.02 /* noise over that without rounding, at most */
#define PLAIN_BITS 16u

/* --- noise without rounding ----------------------------------------------------------------------
 */

/* a/(2 z^2) for the update, and the same for the metrics. */
static double ideal_epsilon(const vs_dp_goal *goal, double z)
{
    const vs_privacy *p = &goal->fed->privacy;
    const double zm = p->metrics_noise_multiplier != 0 ? p->metrics_noise_multiplier : z;
    vs_rdp curve = {{0}};
    for (uint32_t i = 0; i < VS_RDP_ORDERS; i++) {
        const double a = (double)(i + VS_RDP_ORDER_MIN);
        curve.at[i] = goal->rounds * a / (2 * z * z);
        if (goal->fed->metrics) curve.at[i] += goal->rounds * a / (2 * zm * zm);
    }
    return vs_rdp_epsilon(&curve, p->delta, NULL);
}

/* The least z whose epsilon is at most what is wanted; 0 if there is none. */
typedef double (*epsilon_of)(void *ctx, double z);

static double least_multiplier(epsilon_of f, void *ctx, double wanted)
{
    double low = log(MULTIPLIER_MIN), high = log(MULTIPLIER_MAX);
    if (!(f(ctx, MULTIPLIER_MAX) <= wanted)) return 0;
    for (int i = 0; i < BISECTIONS; i++) {
        const double middle = (low + high) / 2;
        if (f(ctx, exp(middle)) <= wanted)
            high = middle;
        else
            low = middle;
    }
    return exp(high);
}

static double ideal_of(void *ctx, double z)
{
    return ideal_epsilon(ctx, z);
}

/* --- a candidate ---------------------------------------------------------------------------------
 */

typedef struct candidate {
    const vs_dp_goal *goal;
    vs_federation *fed; /* of the plan: bits and noise_multiplier change */
    vs_quantiser q;
    vs_privacy_round round;
    uint32_t order;
    vs_diag why;
} candidate;

/* Infinite where these bits cannot hold the noise. */
static double epsilon_of_candidate(void *ctx, double z)
{
    candidate *c = ctx;
    vs_rdp curve = {{0}};
    vs_privacy *p = &c->fed->privacy;
    p->noise_multiplier = z;
    if (c->fed->metrics && c->goal->fed->privacy.metrics_noise_multiplier == 0) {
        p->metrics_noise_multiplier = z;
    }
    if (vs_round_derive(&c->q, &c->round, c->fed, c->goal->dim, c->fed->quantiser.clip_norm,
                        &c->why) != VS_OK) {
        return INFINITY;
    }
    vs_privacy_add(&curve, &c->round);
    for (uint32_t i = 0; i < VS_RDP_ORDERS; i++) curve.at[i] *= c->goal->rounds;
    return vs_rdp_epsilon(&curve, p->delta, &c->order);
}

/* With these bits. Too much noise does not fit them, too little is not enough: the largest z that
 * still fits is looked for first. 0: none. */
static double multiplier_with(candidate *c, uint32_t bits, double ideal)
{
    const double wanted = c->goal->fed->privacy.max_epsilon;
    c->fed->quantiser.bits = bits;
    double low = ideal, high = ideal;
    while (epsilon_of_candidate(c, high) > wanted) {
        if (high > 4 * ideal || isinf(epsilon_of_candidate(c, high))) return 0;
        low = high;
        high *= 1.05;
    }
    for (int i = 0; i < BISECTIONS && high > low; i++) {
        const double middle = (low + high) / 2;
        if (epsilon_of_candidate(c, middle) <= wanted)
            high = middle;
        else
            low = middle;
    }
    return high;
}

static vs_err choose(candidate *c, vs_dp_plan *out, vs_diag *diag)
{
    const uint32_t given = c->goal->fed->quantiser.bits;
    const uint32_t first = given != 0 ? given : BITS_MIN;
    const uint32_t last = given != 0 ? given : VS_QUANTISE_BITS_MAX;
    double z = 0;
    for (uint32_t bits = first; bits <= last; bits++) {
        z = multiplier_with(c, bits, out->ideal_multiplier);
        /* Few steps of noise: its variance is rounded up to a whole number of them as well. */
        const double real = z == 0 ? 0
                                   : c->round.stddev * sqrt((double)c->round.n_noising) /
                                         c->fed->quantiser.clip_norm;
        const double most = ROUNDING_COST * out->ideal_multiplier;
        if (z != 0 && (given != 0 || (z <= most && real <= most))) break;
        z = 0;
    }
    if (z == 0) {
        const double epsilon = epsilon_of_candidate(c, out->ideal_multiplier);
        if (isinf(epsilon)) return vs_fail(diag, VS_ERR_LIMIT, "%s", c->why.text);
        return vs_fail(diag, VS_ERR_LIMIT,
                       "no noise gives epsilon %g with %u bits: rounding alone costs too much; use "
                       "more bits, more clients or fewer rounds",
                       c->goal->fed->privacy.max_epsilon, c->fed->quantiser.bits);
    }
    /* A multiplier that a person can copy: six digits, rounded up, and judged once more. */
    const double unit = pow(10, floor(log10(z)) - 5);
    z = ceil(z / unit) * unit;
    out->epsilon = epsilon_of_candidate(c, z);
    out->order = c->order;
    if (out->epsilon <= c->goal->fed->privacy.max_epsilon) return VS_OK;
    return vs_fail(diag, VS_ERR_LIMIT, "%u bits just miss epsilon %g: use one more",
                   c->fed->quantiser.bits, c->goal->fed->privacy.max_epsilon);
}

/* --- bandwidth -----------------------------------------------------------------------------------
 */

static uint64_t upload_of(const vs_federation *fed, const vs_layout *layout)
{
    const vs_committee *c = &fed->committee;
    return c->t * vs_sealed_share_len(layout->columns, true) +
           (uint64_t)(c->n - c->t) * vs_sealed_share_len(layout->columns, false);
}

static vs_err measure(vs_dp_plan *p, const vs_dp_goal *goal, vs_diag *diag)
{
    vs_layout plain;
    vs_federation *f = &p->fed;
    vs_err err = vs_layout_make(&p->layout, f->quantiser.bits, f->max_clients, f->committee.k,
                                vs_round_coordinates(f, goal->dim), diag);
    if (err == VS_OK) {
        err = vs_layout_make(&plain, PLAIN_BITS, f->max_clients, f->committee.k,
                             (uint64_t)goal->dim + 1, diag);
    }
    if (err != VS_OK) return err;
    p->upload_bytes = upload_of(f, &p->layout);
    p->plain_bytes = upload_of(f, &plain);
    return VS_OK;
}

static vs_err check_goal(const vs_dp_goal *goal, vs_federation *fed, vs_diag *diag)
{
    vs_privacy p = fed->privacy;
    p.noise_multiplier = 1;
    if (fed->metrics && p.metrics_noise_multiplier == 0) p.metrics_noise_multiplier = 1;
    if (goal->rounds < 1 || goal->dim < 1) {
        return vs_fail(diag, VS_ERR_LIMIT, "rounds and dim must be at least 1");
    }
    if (p.mechanism == VS_MECHANISM_NONE) {
        return vs_fail(diag, VS_ERR_LIMIT, "mechanism none: there is nothing to plan");
    }
    return vs_privacy_check(&p, &fed->quantiser, fed->min_clients, fed->max_clients,
                            vs_federation_n_metrics(fed), diag);
}

vs_err vs_dp_plan_make(vs_dp_plan *out, const vs_dp_goal *goal, vs_diag *diag)
{
    VS_ASSERT(out != NULL && goal != NULL && goal->fed != NULL);
    *out = (vs_dp_plan){.fed = *goal->fed};
    vs_federation *fed = &out->fed;
    fed->file = (vs_buf){0};
    fed->tensor = NULL;
    fed->n_tensors = fed->num_params = 0; /* the goal says how many */
    fed->quantiser.max_weight = 1;
    fed->quantiser.stochastic_rounding = true;
    if (fed->privacy.clients_per_round == 0) fed->privacy.clients_per_round = fed->min_clients;
    if (fed->rotation) fed->quantiser.clipping_range = fed->quantiser.clip_norm;
    vs_err err = check_goal(goal, fed, diag);
    if (err != VS_OK) return err;
    out->ideal_multiplier =
        least_multiplier(ideal_of, (void *)(uintptr_t)goal, fed->privacy.max_epsilon);
    if (out->ideal_multiplier == 0) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "no noise gives epsilon %g: it is below what delta %g leaves, or the "
                       "metrics' noise alone spends more",
                       fed->privacy.max_epsilon, fed->privacy.delta);
    }
    candidate c = {.goal = goal, .fed = fed};
    err = choose(&c, out, diag);
    if (err != VS_OK) return err;
    out->round = c.round;
    out->clipping_range = c.q.clipping_range;
    out->extra_delta = vs_privacy_extra_delta(out->epsilon, c.round.overflow * goal->rounds);
    return measure(out, goal, diag);
}
