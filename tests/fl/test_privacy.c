#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fl/privacy.h"
#include "tests/support.h"

static const vs_privacy GOOD = {.mechanism = VS_MECHANISM_DISCRETE_GAUSSIAN,
                                .noise_multiplier = 1,
                                .delta = 1e-6,
                                .max_epsilon = 8,
                                .beta = VS_PRIVACY_BETA,
                                .colluding_clients = 10,
                                .clients_per_round = 120};
static const vs_quantiser Q = {.clip_norm = 1,
                               .clipping_range = 0.01,
                               .bits = 18,
                               .max_weight = 1,
                               .stochastic_rounding = true};

static void expect_refused(const vs_privacy *p, const vs_quantiser *q, uint32_t n_metrics,
                           const char *member)
{
    vs_diag diag = {{0}};
    cr_expect_eq(vs_privacy_check(p, q, 110, 200, n_metrics, &diag), VS_ERR_LIMIT, "%s", member);
    cr_expect_eq(strncmp(diag.text, member, strlen(member)), 0, "%s: %s", member, diag.text);
}

#define BAD(member, value)                                                                         \
    do {                                                                                           \
        vs_privacy p = GOOD;                                                                       \
        p.member = (value);                                                                        \
        expect_refused(&p, &Q, 0, #member);                                                        \
    } while (0)

Test(privacy, every_rule_names_its_member)
{
    vs_diag diag = {{0}};
    cr_expect_eq(vs_privacy_check(&GOOD, &Q, 110, 200, 0, &diag), VS_OK, "%s", diag.text);
    BAD(noise_multiplier, 0);
    BAD(noise_multiplier, NAN);
    BAD(noise_multiplier, INFINITY);
    BAD(delta, 0);
    BAD(delta, 1);
    BAD(max_epsilon, 0);
    BAD(max_epsilon, INFINITY);
    BAD(beta, -0.1);
    BAD(beta, 1);
    BAD(colluding_clients, 109);
    BAD(clients_per_round, 109);
    BAD(clients_per_round, 201);
    BAD(metrics_noise_multiplier, 1);
    expect_refused(&GOOD, &Q, 3, "metrics_noise_multiplier");
    vs_quantiser q = Q;
    q.clip_norm = 0;
    expect_refused(&GOOD, &q, 0, "clip_norm");
    q = Q;
    q.max_weight = 2;
    expect_refused(&GOOD, &q, 0, "max_weight");
    q = Q;
    q.stochastic_rounding = false;
    expect_refused(&GOOD, &q, 0, "stochastic_rounding");
}

Test(privacy, without_a_mechanism_its_words_are_refused)
{
    vs_privacy p = {.mechanism = VS_MECHANISM_NONE, .beta = VS_PRIVACY_BETA};
    cr_expect_eq(vs_privacy_check(&p, &Q, 110, 200, 3, NULL), VS_OK);
    p.max_epsilon = 1;
    expect_refused(&p, &Q, 0, "max_epsilon");
}

static vs_privacy_round make(const vs_privacy *p, const vs_quantiser *q, uint32_t dim,
                             uint32_t n_metrics)
{
    vs_privacy_round r;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_privacy_round_make(&r, p, q, 110, 200, dim, n_metrics, &diag), VS_OK, "%s",
                 diag.text);
    return r;
}

/* min_clients - colluding_clients clients' noise adds up to z * clip_norm at least, by less than
 * one grid step^2 of variance more, and the noise has its room on both sides. */
Test(privacy, noise_is_calibrated_to_the_honest_survivors_and_fits_the_grid)
{
    for (uint64_t i = 0; i < 400; i++) {
        vs_privacy p = GOOD;
        vs_quantiser q = Q;
        p.mechanism = i % 2 ? VS_MECHANISM_SKELLAM : VS_MECHANISM_DISCRETE_GAUSSIAN;
        p.noise_multiplier = 0.1 + (double)(vs_test_u64(1, i) % 1000) / 100;
        q.clip_norm = 0.01 + (double)(vs_test_u64(2, i) % 1000) / 100;
        q.clipping_range = q.clip_norm * (double)(1 + vs_test_u64(3, i) % 1000) / 1000;
        q.bits = 14 + (uint32_t)(vs_test_u64(4, i) % 5);
        vs_privacy_round r = make(&p, &q, 5000, 0);
        const double sum = sqrt(100.0 * (double)r.variance) * r.grid;
        cr_expect_geq(sum, p.noise_multiplier * q.clip_norm * (1 - 1e-12));
        cr_expect_leq(100.0 * ((double)r.variance - 2.0) * r.grid * r.grid,
                      pow(p.noise_multiplier * q.clip_norm, 2));
        cr_expect_eq(r.signal_levels % 2, 0);
        const double room = ((double)((1u << q.bits) - 1) - (double)r.signal_levels - 1) / 2;
        cr_expect_geq(room, VS_PRIVACY_HEADROOM * sqrt((double)r.variance));
        cr_expect_eq(r.n_noising, 100);
        cr_expect_eq(r.update.variance, (double)r.variance);
        if (p.mechanism == VS_MECHANISM_SKELLAM) cr_expect_eq(r.variance % 2, 0);
    }
}

Test(privacy, more_clients_than_promised_are_never_counted)
{
    vs_privacy p = GOOD;
    p.colluding_clients = 0;
    vs_privacy_round all = make(&p, &Q, 5000, 0), fewer = make(&GOOD, &Q, 5000, 0);
    cr_expect_eq(all.n_noising, 110);
    cr_expect_gt(fewer.stddev, all.stddev, "those who collude subtract their noise");
}

Test(privacy, bits_that_leave_no_room_for_noise_are_refused)
{
    vs_privacy_round r;
    vs_diag diag = {{0}};
    vs_quantiser q = Q;
    q.bits = 5;
    cr_expect_eq(vs_privacy_round_make(&r, &GOOD, &q, 110, 200, 10, 0, &diag), VS_ERR_LIMIT);
    cr_expect_not_null(strstr(diag.text, "too few"), "%s", diag.text);
    cr_expect_eq(r.variance, 0);
    q.bits = 32;
    vs_privacy p = GOOD;
    p.mechanism = VS_MECHANISM_SKELLAM;
    cr_expect_eq(vs_privacy_round_make(&r, &p, &q, 110, 200, 10, 0, &diag), VS_ERR_LIMIT);
    cr_expect_not_null(strstr(diag.text, "fewer bits"), "%s", diag.text);
}

Test(privacy, clamping_is_rarer_than_any_delta)
{
    vs_privacy_round r = make(&GOOD, &Q, 33000000, 0);
    cr_expect_lt(vs_privacy_extra_delta(8, 1000 * r.overflow), 1e-26, "%g", r.overflow);
    vs_privacy p = GOOD;
    p.mechanism = VS_MECHANISM_SKELLAM;
    r = make(&p, &Q, 160000, 0);
    cr_expect_lt(vs_privacy_extra_delta(8, 100 * r.overflow), 1e-10, "%g", r.overflow);
}

/* Skellam's tail is heavier than a Gaussian's where the variance is small: it must count. */
Test(privacy, skellam_with_little_noise_overflows_more)
{
    vs_quantiser q = Q;
    vs_privacy g = GOOD, s = GOOD;
    g.noise_multiplier = s.noise_multiplier = 1e-3;
    s.mechanism = VS_MECHANISM_SKELLAM;
    q.clipping_range = 1;
    q.bits = 12;
    cr_expect_gt(make(&s, &q, 1000, 0).overflow, 1e6 * make(&g, &q, 1000, 0).overflow);
}

Test(privacy, metrics_have_noise_of_their_own_and_are_accounted)
{
    vs_privacy p = GOOD;
    p.metrics_noise_multiplier = 5;
    vs_privacy_round r = make(&p, &Q, 5000, 3);
    vs_rdp update = {{0}}, both = {{0}}, metrics = {{0}};
    cr_expect_geq(100.0 * (double)r.metric_variance,
                  3 * 25 * (double)r.metric_levels * (double)r.metric_levels * (1 - 1e-12));
    vs_rdp_add(&update, &r.update, 1);
    vs_rdp_add(&metrics, &r.metrics, 1);
    vs_privacy_add(&both, &r);
    for (int i = 0; i < 511; i++) {
        cr_expect_float_eq(both.at[i], update.at[i] + metrics.at[i], 1e-9 * both.at[i]);
    }
    cr_expect_float_eq(metrics.at[0], 1.0 / 25, 1e-3, "a/2 / z^2 at order 2");
}

Test(privacy, without_a_mechanism_the_whole_grid_is_signal)
{
    const vs_privacy none = {.mechanism = VS_MECHANISM_NONE};
    vs_privacy_round r = make(&none, &Q, 10, 3);
    vs_rdp curve = {{0}};
    vs_privacy_add(&curve, &r);
    cr_expect_eq(r.signal_levels, (1u << 18) - 1);
    cr_expect_eq(r.metric_levels, (1u << 18) - 1);
    cr_expect(r.variance == 0 && curve.at[0] == 0.0);
}
