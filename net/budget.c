#include "net/budget.h"

#include <inttypes.h>
#include <math.h>

/* Clamped noise may add at most this part to delta. */
#define EXTRA_DELTA_PART 0.01

void vs_budget_init(vs_budget *b, const vs_federation *fed)
{
    *b = (vs_budget){.clip_norm = fed->quantiser.clip_norm};
}

bool vs_budget_agrees(double claim, double ours)
{
    return fabs(claim - ours) <= 1e-9 * fabs(ours);
}

/* Epsilon with one more round. */
static double epsilon_with(const vs_budget *b, const vs_federation *fed,
                           const vs_privacy_round *next)
{
    vs_rdp curve = b->spent;
    vs_privacy_add(&curve, next);
    return vs_rdp_epsilon(&curve, fed->privacy.delta, NULL);
}

static vs_err check_limits(const vs_budget *b, const vs_federation *fed,
                           const vs_privacy_round *next, double epsilon, vs_diag *diag)
{
    const vs_privacy *p = &fed->privacy;
    const double extra = vs_privacy_extra_delta(epsilon, b->overflow + next->overflow);
    if (epsilon > p->max_epsilon) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "max_epsilon %g is reached: %" PRIu64
                       " rounds have spent %.4g, one more would make it %.4g",
                       p->max_epsilon, b->rounds, vs_budget_epsilon(b, fed), epsilon);
    }
    if (!(extra <= EXTRA_DELTA_PART * p->delta)) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "noise beyond the grid would add %.3g to delta %g: use more bits or a "
                       "smaller epsilon",
                       extra, p->delta);
    }
    return VS_OK;
}

vs_err vs_budget_next(const vs_budget *b, const vs_federation *fed, vs_entry_open *o, vs_diag *diag)
{
    vs_quantiser q = fed->quantiser;
    vs_privacy_round next;
    o->clip_norm = b->clip_norm;
    o->epsilon = 0;
    if (fed->privacy.mechanism == VS_MECHANISM_NONE) return VS_OK;
    vs_err err = vs_round_derive(&q, &next, fed, o->dim, o->clip_norm, diag);
    if (err != VS_OK) return err;
    const double epsilon = epsilon_with(b, fed, &next);
    err = check_limits(b, fed, &next, epsilon, diag);
    if (err == VS_OK) o->epsilon = epsilon;
    return err;
}

vs_err vs_budget_check(const vs_budget *b, const vs_federation *fed, const vs_round *round,
                       vs_diag *diag)
{
    const vs_entry_open *o = &round->open;
    if (o->clip_norm != b->clip_norm) {
        return vs_fail(diag, VS_ERR_PROOF, "open: clip_norm is %.17g, the round before gives %.17g",
                       o->clip_norm, b->clip_norm);
    }
    if (fed->privacy.mechanism == VS_MECHANISM_NONE) return VS_OK;
    const double epsilon = epsilon_with(b, fed, &round->privacy);
    if (!vs_budget_agrees(o->epsilon, epsilon)) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "open: epsilon is %.12g, the rounds in the log and this one give %.12g",
                       o->epsilon, epsilon);
    }
    vs_err err = check_limits(b, fed, &round->privacy, epsilon, diag);
    if (err == VS_OK) return VS_OK;
    vs_diag_prefix(diag, "open");
    return VS_ERR_PROOF;
}

void vs_budget_take(vs_budget *b, const vs_privacy_round *round, double next_clip_norm, bool closed)
{
    if (next_clip_norm != 0) b->clip_norm = next_clip_norm;
    if (closed) return;
    vs_privacy_add(&b->spent, round);
    b->overflow += round->overflow;
    b->rounds++;
}

double vs_budget_epsilon(const vs_budget *b, const vs_federation *fed)
{
    if (fed->privacy.mechanism == VS_MECHANISM_NONE || b->rounds == 0) return 0.0;
    return vs_rdp_epsilon(&b->spent, fed->privacy.delta, NULL);
}

double vs_budget_next_clip(const vs_federation *fed, const vs_round *round,
                           const uint64_t *metric_sums, uint32_t n_clients, uint64_t weight_sum)
{
    const double first = fed->quantiser.clip_norm;
    vs_metrics mean;
    if (fed->target_unclipped_quantile == 0) return 0.0;
    vs_round_metrics(&mean, round, metric_sums, n_clients, weight_sum);
    double next =
        vs_metrics_next_clip(round->open.clip_norm, mean.unclipped, fed->target_unclipped_quantile,
                             fed->adaptive_clip_learning_rate);
    return fmin(fmax(next, first / VS_CLIP_SPAN), first * VS_CLIP_SPAN);
}
