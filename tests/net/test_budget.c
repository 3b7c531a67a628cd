/* Claims about privacy in the log: recomputed, and refused where they are wrong. */
#include <math.h>

#include "net/budget.h"
#include "tests/net/replay_scene.h"

static void noisy(vs_federation *f)
{
    f->rotation = true;
    f->k_stddevs = 4;
    f->metrics = true;
    f->min_clients = 3;
    f->target_unclipped_quantile = 0.5;
    f->adaptive_clip_learning_rate = 0.2;
    f->quantiser.max_weight = 1;
    f->quantiser.clip_norm = 2;
    f->quantiser.bits = 20;
    f->privacy = (vs_privacy){.mechanism = VS_MECHANISM_DISCRETE_GAUSSIAN,
                              .noise_multiplier = 2,
                              .delta = 1e-5,
                              .max_epsilon = 6,
                              .beta = VS_PRIVACY_BETA,
                              .clients_per_round = 3,
                              .metrics_noise_multiplier = 8};
}

static scene *noisy_scene(void)
{
    scene *s = scene_new_adjusted(false, noisy);
    to_federation(s);
    s->open->entry.prev = s->log->prev;
    return s;
}

/* The open of the scene with one member changed. */
static void expect_open_refused(scene *s, void (*change)(vs_entry_open *o), const char *text)
{
    vs_test_open bent = *s->open;
    change(&bent.entry.u.open);
    refuse(s, &bent.entry, aggregator(s), text);
}

static void lower_epsilon(vs_entry_open *o)
{
    o->epsilon *= 1 - 1e-6;
}
static void raise_epsilon(vs_entry_open *o)
{
    o->epsilon *= 1 + 1e-6;
}
static void no_epsilon(vs_entry_open *o)
{
    o->epsilon = 0;
}
static void huge_epsilon(vs_entry_open *o)
{
    o->epsilon = 7;
}
static void less_noise(vs_entry_open *o)
{
    o->noise_variance--;
}
static void other_levels(vs_entry_open *o)
{
    o->signal_levels -= 2;
}
static void no_rotation(vs_entry_open *o)
{
    o->rotation = false;
}
static void no_metrics(vs_entry_open *o)
{
    o->metrics = 0;
}
static void wider(vs_entry_open *o)
{
    o->clipping_range *= 1 + 1e-15;
}

Test(budget, an_open_that_claims_anything_else_is_refused)
{
    scene *s = noisy_scene();
    expect_open_refused(s, lower_epsilon, "epsilon");
    expect_open_refused(s, raise_epsilon, "epsilon is");
    expect_open_refused(s, no_epsilon, "epsilon");
    expect_open_refused(s, huge_epsilon, "above the federation's max_epsilon");
    expect_open_refused(s, less_noise, "noise_variance");
    expect_open_refused(s, other_levels, "signal_levels");
    expect_open_refused(s, no_rotation, "rotation");
    expect_open_refused(s, no_metrics, "metrics");
    expect_open_refused(s, wider, "clipping_range");
    to_open(s);
    scene_free(s);
}

/* clip_norm is not the aggregator's to choose, even within what adaptive clipping may reach. */
Test(budget, an_open_of_another_clip_norm_is_refused)
{
    scene *s = noisy_scene();
    vs_test_open bent = *s->open;
    vs_entry_open *o = &bent.entry.u.open;
    o->clip_norm = 2.5;
    cr_assert_eq(vs_round_fill_open(o, s->tf->fed, NULL), VS_OK);
    refuse(s, &bent.entry, aggregator(s), "clip_norm is 2.5");
    o->clip_norm = 2.0 * 1025;
    refuse(s, &bent.entry, aggregator(s), "factor of 1024");
    scene_free(s);
}

/* A second round after `end`: its epsilon counts the first one unless that was closed. */
static double second_epsilon(bool closed, bool with_set)
{
    scene *s = noisy_scene();
    to_open(s);
    const double once = s->open->entry.u.open.epsilon;
    if (with_set) {
        vs_entry set = set_entry(s);
        accept(s, &set, aggregator(s));
    }
    for (uint32_t j = 1; closed && j <= 3; j++) {
        vs_entry e = closed_entry(s, j);
        accept(s, &e, shareholder(s, j));
    }
    vs_entry end = abort_entry(s, VS_ABORT_EXPIRED, closed);
    accept(s, &end, aggregator(s));
    vs_budget spent;
    vs_entry_open next = {.dim = DIM};
    vs_budget_init(&spent, s->tf->fed);
    vs_budget_take(&spent, &s->round.privacy, 0, closed);
    cr_assert_eq(vs_budget_next(&spent, s->tf->fed, &next, NULL), VS_OK);
    vs_test_open *second = vs_test_open_new(s->tf, 2, DIM, NOW + 100, 8);
    second->entry.prev = s->log->prev;
    second->entry.u.open.epsilon = closed ? once * 1.1 : once; /* the other way round */
    refuse(s, &second->entry, aggregator(s), "epsilon is");
    second->entry.u.open.epsilon = next.epsilon;
    accept(s, &second->entry, aggregator(s));
    cr_expect_eq(vs_replay_epsilon(s->rp), next.epsilon);
    vs_test_open_free(second);
    scene_free(s);
    return next.epsilon / once;
}

Test(budget, a_round_counts_unless_it_was_closed_before_its_set)
{
    cr_expect_eq(second_epsilon(true, false), 1.0);
    cr_expect_gt(second_epsilon(false, false), 1.2, "aborted, but a certificate may exist");
    cr_expect_gt(second_epsilon(false, true), 1.2);
}

Test(budget, a_result_with_another_next_clip_norm_is_refused)
{
    scene *s = noisy_scene();
    to_answers(s);
    vs_entry e = result_entry(s);
    const double right = e.u.result.next_clip_norm;
    cr_expect(right > 1.7 && right < 2.3, "%g", right);
    e.u.result.next_clip_norm = right * (1 + 1e-6);
    refuse(s, &e, aggregator(s), "next_clip_norm");
    e.u.result.next_clip_norm = 0;
    refuse(s, &e, aggregator(s), "next_clip_norm");
    e.u.result.next_clip_norm = right;
    accept(s, &e, aggregator(s));
    /* And the next open must use it. */
    vs_test_open *second = vs_test_open_new(s->tf, 2, DIM, NOW + 100, 8);
    second->entry.prev = s->log->prev;
    refuse(s, &second->entry, aggregator(s), "the round before gives");
    vs_test_open_free(second);
    scene_free(s);
}

Test(budget, rounds_end_where_max_epsilon_does)
{
    scene *s = noisy_scene();
    vs_budget b;
    vs_entry_open next = {.dim = DIM};
    vs_diag diag = {{0}};
    uint32_t rounds = 0;
    s->round = vs_test_open_round(s->open, s->tf);
    vs_budget_init(&b, s->tf->fed);
    double last = 0;
    while (vs_budget_next(&b, s->tf->fed, &next, &diag) == VS_OK) {
        cr_assert(next.epsilon > last && next.epsilon <= 6);
        last = next.epsilon;
        vs_budget_take(&b, &s->round.privacy, 0, false);
        cr_expect_eq(vs_budget_epsilon(&b, s->tf->fed), next.epsilon);
        cr_assert_lt(++rounds, 100);
    }
    cr_expect_gt(rounds, 2);
    cr_expect_not_null(strstr(diag.text, "max_epsilon 6 is reached"), "%s", diag.text);
    scene_free(s);
}

/* Noise that may leave the grid is a part of delta; too large a part is refused. */
Test(budget, clamping_that_would_cost_delta_is_refused)
{
    scene *s = noisy_scene();
    vs_budget b;
    vs_entry_open next = {.dim = DIM};
    vs_diag diag = {{0}};
    vs_budget_init(&b, s->tf->fed);
    b.overflow = 1e-6;
    cr_expect_eq(vs_budget_next(&b, s->tf->fed, &next, &diag), VS_ERR_LIMIT);
    cr_expect_not_null(strstr(diag.text, "to delta"), "%s", diag.text);
    scene_free(s);
}
