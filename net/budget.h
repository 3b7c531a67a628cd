/* net/budget.h - what a federation's rounds have spent: privacy, and the clip_norm of the next.
 *
 * A round counts from its `open` unless it was closed before its set (`abort` with closed true):
 * in every other case a set certificate may exist, and its sum may be known. Aggregator,
 * shareholders and auditors each add up what the log says; nobody believes a logged epsilon. */
#ifndef VS_NET_BUDGET_H
#define VS_NET_BUDGET_H

#include <stdbool.h>

#include "base/err.h"
#include "fl/rdp.h"
#include "net/federation.h"
#include "net/round.h"

typedef struct vs_budget {
    vs_rdp spent;
    double overflow;  /* summed probabilities of clamped noise */
    double clip_norm; /* of the next round */
    uint64_t rounds;  /* that count */
} vs_budget;

void vs_budget_init(vs_budget *b, const vs_federation *fed);
/* Set o->clip_norm and o->epsilon of a next round of o->dim coordinates (vs_round_fill_open does
 * the rest). VS_ERR_LIMIT: it would exceed max_epsilon, or clamping would add too much to delta. */
VS_MUST_CHECK vs_err vs_budget_next(const vs_budget *b, const vs_federation *fed, vs_entry_open *o,
                                    vs_diag *diag);
/* `open` of the next round, checked alone by vs_round_from_open, against what was spent before.
 * VS_ERR_PROOF names the claim that is wrong. */
VS_MUST_CHECK vs_err vs_budget_check(const vs_budget *b, const vs_federation *fed,
                                     const vs_round *round, vs_diag *diag);
/* The end of a round. next_clip_norm: of its result, 0 otherwise. closed: no certificate can be. */
void vs_budget_take(vs_budget *b, const vs_privacy_round *round, double next_clip_norm,
                    bool closed);
/* Epsilon so far. */
double vs_budget_epsilon(const vs_budget *b, const vs_federation *fed);

/* next_clip_norm of a result with these sums of metrics; 0 without adaptive clipping. */
double vs_budget_next_clip(const vs_federation *fed, const vs_round *round,
                           const uint64_t *metric_sums, uint32_t n_clients, uint64_t weight_sum);
/* A claim of another machine, whose exp and log may differ in the last digits. */
bool vs_budget_agrees(double claim, double ours);

#endif /* VS_NET_BUDGET_H */
