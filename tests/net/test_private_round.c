/* Whole rounds with rotation, metrics, adaptive clipping and noise: what comes out, what the ledger
 * says of it, and where it stops. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "net/audit.h"
#include "net/budget.h"
#include "net/round.h"
#include "tests/net/support_sim.h"
#include "tests/support.h"

enum { CLIENTS = 6, DIM = 300 };

static vs_sim_config config_of(void (*adjust)(vs_federation *draft))
{
    return (vs_sim_config){.committee = {.n = 4, .t = 1, .k = 1, .margin = 1},
                           .n_clients = CLIENTS,
                           .max_clients = 8,
                           .min_clients = 4,
                           .dim = DIM,
                           .seed = 1,
                           .adjust = adjust};
}

static void read_round(vs_sim *sim, uint64_t number, vs_round *round)
{
    vs_buf msg = {0};
    vs_reply reply;
    vs_diag diag = {{0}};
    vsw_Request head = {.which_op = vsw_Request_round_info_tag};
    head.op.round_info.round = number;
    vs_sim_call(sim, VS_PEER_AGGREGATOR, &head, NULL, 0, &msg);
    cr_assert_eq(vs_reply_decode(&reply, msg.p, msg.len), VS_OK);
    cr_assert_eq(
        vs_round_from_open(round, vs_sim_federation(sim), reply.body, reply.body_len, &diag), VS_OK,
        "%s", diag.text);
    vs_buf_free(&msg);
}

static void run_round(vs_sim *sim, uint64_t want, vs_round *round)
{
    uint64_t number = 0;
    char purpose[32];
    (void)snprintf(purpose, sizeof purpose, "round %llu", (unsigned long long)want);
    cr_assert_eq(vs_sim_open(sim, CLIENTS, &number), vsw_Code_OK);
    cr_assert_eq(number, want);
    for (uint32_t i = 0; i < CLIENTS; i++) vs_sim_client_start(sim, i, number, purpose);
    cr_assert(vs_sim_run_round(sim, 120000));
    vsw_RoundInfo info = vs_sim_round_info(sim, number);
    cr_assert_eq(info.phase, vsw_Phase_FINAL, "%s: %s", vs_phase_name(info.phase), info.detail);
    read_round(sim, number, round);
}

static void print_problem(void *ctx, const char *text)
{
    (void)ctx;
    cr_log_error("audit: %s", text);
}

static void expect_audit_ok(vs_sim *sim)
{
    vs_audit_report report;
    vs_diag diag = {{0}};
    char folder[600];
    (void)snprintf(folder, sizeof folder, "%s/ledger", vs_sim_ledger_folder(sim));
    vs_sim_crash(sim, VS_PEER_AGGREGATOR, false);
    cr_assert_eq(
        vs_audit_dir(&report, folder, vs_sim_federation(sim), NULL, print_problem, NULL, &diag),
        VS_OK, "%s", diag.text);
    cr_assert(report.ok, "the audit found %u problems", report.n_problems);
}

/* The published sums; they are the exact sums of the integers that the clients sent. */
static uint64_t *exact_sums(vs_sim *sim, uint64_t round)
{
    uint32_t n = 0;
    uint64_t *sums = vs_sim_sums(sim, round, &n);
    cr_assert_not_null(sums);
    uint64_t *want = calloc(n, sizeof *want);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        uint32_t len = 0;
        cr_assert(vs_sim_included(sim, round, i));
        const uint32_t *coords = vs_sim_coordinates(sim, i, &len);
        cr_assert_eq(len, n);
        for (uint32_t c = 0; c < n; c++) want[c] += coords[c];
    }
    cr_assert_arr_eq(sums, want, n * sizeof *sums);
    free(want);
    return sums;
}

/* Mean of the updates, L2-clipped, weighted as the clients are; divisor 0: the summed weight. */
static void plain_mean(vs_sim *sim, double mean[DIM], double clip, bool weighted, double divisor)
{
    double sum = 0;
    memset(mean, 0, DIM * sizeof *mean);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        const double *u = vs_sim_update(sim, i), w = weighted ? 1.0 + i : 1.0;
        double norm = 0;
        for (uint32_t d = 0; d < DIM; d++) norm += u[d] * u[d];
        norm = sqrt(norm);
        for (uint32_t d = 0; d < DIM; d++) mean[d] += w * u[d] * (norm > clip ? clip / norm : 1);
        sum += w;
    }
    for (uint32_t d = 0; d < DIM; d++) mean[d] /= divisor != 0 ? divisor : sum;
}

/* --- rotation and metrics ------------------------------------------------------------------------
 */

static void rotated(vs_federation *f)
{
    f->rotation = true;
    f->k_stddevs = 6;
    f->metrics = true;
    f->quantiser.max_weight = 8;
    f->quantiser.clip_norm = 10;
}

Test(private_round, rotation_and_metrics_decode_to_the_weighted_means)
{
    const vs_sim_config config = config_of(rotated);
    vs_sim *sim = vs_sim_new(&config);
    vs_round *round = calloc(1, sizeof *round);
    double mean[DIM], want[DIM];
    vs_metrics m;
    run_round(sim, 1, round);
    uint64_t *sums = exact_sums(sim, 1);
    cr_expect(round->open.rotation && round->open.metrics == 3 && round->open.epsilon == 0);
    cr_expect_float_eq(round->open.clipping_range, 6 * 10 / sqrt(DIM), 1e-12);
    cr_expect_eq(round->layout.dim, DIM + 3 + round->open.weight_digits);
    vs_round_decode(mean, round, sums, CLIENTS, 21);
    plain_mean(sim, want, 10, true, 0);
    /* Steps of 2R/65535 with 8/21 * 6 clients' rounding, spread over a block: a few steps. */
    const double step = 2 * round->open.clipping_range / 65535;
    for (uint32_t d = 0; d < DIM; d++) {
        cr_expect_lt(fabs(mean[d] - want[d]), 6 * step, "%u: %g %g", d, mean[d], want[d]);
    }
    double loss = 0, accuracy = 0;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        loss += (1 + i) * (0.5 + 0.25 * i) / 21;
        accuracy += (1 + i) * 0.0625 * i / 21;
    }
    vs_round_metrics(&m, round, sums + DIM, CLIENTS, 21);
    cr_expect_float_eq(m.loss, loss, 1e-3);
    cr_expect_float_eq(m.accuracy, accuracy, 1e-4);
    uint32_t within = 0;
    for (uint32_t i = 0; i < CLIENTS; i++) within += !vs_sim_client(sim, i)->norm_clipped;
    cr_expect_float_eq(m.unclipped, within / 6.0, 1e-12);
    cr_expect(within > 0, "the test wants some within the norm");
    expect_audit_ok(sim);
    free(sums);
    free(round);
    vs_sim_free(sim);
}

/* --- adaptive clipping ---------------------------------------------------------------------------
 */

static void adaptive(vs_federation *f)
{
    rotated(f);
    f->target_unclipped_quantile = 0.5;
    f->adaptive_clip_learning_rate = 0.2;
    f->quantiser.clip_norm = 40; /* far above every norm (about 10) */
}

Test(private_round, the_clip_norm_follows_the_summed_norm_bits)
{
    const vs_sim_config config = config_of(adaptive);
    vs_sim *sim = vs_sim_new(&config);
    vs_round *round = calloc(1, sizeof *round);
    double clip = 40;
    for (uint64_t r = 1; r <= 3; r++) {
        run_round(sim, r, round);
        cr_expect_float_eq(round->open.clip_norm, clip, 1e-9 * clip, "round %u", (unsigned)r);
        cr_expect_float_eq(round->open.clipping_range, 6 * clip / sqrt(DIM), 1e-8);
        clip *= exp(-0.2 * (1 - 0.5)); /* all clients are within it */
    }
    expect_audit_ok(sim);
    free(round);
    vs_sim_free(sim);
}

/* --- noise ---------------------------------------------------------------------------------------
 */

static void gaussian(vs_federation *f)
{
    f->rotation = true;
    f->k_stddevs = 4;
    f->metrics = true;
    f->quantiser.max_weight = 1;
    f->quantiser.clip_norm = 2;
    f->quantiser.bits = 20;
    f->privacy = (vs_privacy){.mechanism = VS_MECHANISM_DISCRETE_GAUSSIAN,
                              .noise_multiplier = 1,
                              .delta = 1e-5,
                              .max_epsilon = 12,
                              .beta = VS_PRIVACY_BETA,
                              .colluding_clients = 1,
                              .clients_per_round = 5,
                              .metrics_noise_multiplier = 3};
}

static void skellam(vs_federation *f)
{
    gaussian(f);
    f->privacy.mechanism = VS_MECHANISM_SKELLAM;
    f->quantiser.bits = 18;
}

/* Error against the clipped mean over the fixed divisor: six clients' noise of local deviation
 * z clip / sqrt(4 - 1), over 5. */
static void expect_noise(vs_sim *sim, const vs_round *round, const uint64_t *sums)
{
    double mean[DIM], want[DIM], squares = 0;
    const double deviation = sqrt(6.0) * 1 * 2 / sqrt(3.0) / 5;
    vs_round_decode(mean, round, sums, CLIENTS, CLIENTS);
    plain_mean(sim, want, 2, false, 5);
    for (uint32_t d = 0; d < DIM; d++) {
        squares += pow((mean[d] - want[d]) / deviation, 2);
    }
    /* Chi-square of 300: 4 deviations are 98. */
    cr_expect(fabs(squares - DIM) < 100, "sum of squares %g of %d", squares, DIM);
}

static void expect_private(void (*adjust)(vs_federation *draft))
{
    const vs_sim_config config = config_of(adjust);
    vs_sim *sim = vs_sim_new(&config);
    vs_round *round = calloc(1, sizeof *round);
    const vs_federation *fed = vs_sim_federation(sim);
    vs_rdp curve = {{0}};
    for (uint64_t r = 1; r <= 2; r++) {
        run_round(sim, r, round);
        uint64_t *sums = exact_sums(sim, r);
        expect_noise(sim, round, sums);
        vs_privacy_add(&curve, &round->privacy);
        cr_expect_float_eq(round->open.epsilon, vs_rdp_epsilon(&curve, 1e-5, NULL), 1e-12);
        cr_expect_eq(round->open.noise_variance, round->privacy.variance);
        cr_expect_eq(round->privacy.n_noising, 3);
        free(sums);
    }
    cr_expect_gt(round->open.epsilon, 1);
    cr_expect_eq(fed->privacy.mechanism, round->privacy.update.mechanism);
    expect_audit_ok(sim);
    free(round);
    vs_sim_free(sim);
}

Test(private_round, gaussian_noise_has_its_variance_and_its_epsilon)
{
    expect_private(gaussian);
}

Test(private_round, skellam_noise_has_its_variance_and_its_epsilon)
{
    expect_private(skellam);
}

static void three_rounds(vs_federation *f)
{
    vs_rdp curve = {{0}};
    vs_quantiser q;
    vs_privacy_round p;
    gaussian(f);
    cr_assert_eq(vs_round_derive(&q, &p, f, DIM, f->quantiser.clip_norm, NULL), VS_OK);
    for (int r = 0; r < 3; r++) vs_privacy_add(&curve, &p);
    f->privacy.max_epsilon = vs_rdp_epsilon(&curve, f->privacy.delta, NULL) * 1.001;
}

static bool collects(void *ctx, vs_sim *sim)
{
    return vs_sim_round_info(sim, *(uint64_t *)ctx).phase == vsw_Phase_COLLECT;
}

/* Training ends when the budget does; a restarted aggregator knows what was spent. A round that
 * was closed before its set costs nothing. */
Test(private_round, no_round_is_opened_beyond_max_epsilon)
{
    const vs_sim_config config = config_of(three_rounds);
    vs_sim *sim = vs_sim_new(&config);
    vs_round *round = calloc(1, sizeof *round);
    uint64_t number = 0;
    run_round(sim, 1, round);
    const double once = round->open.epsilon;
    cr_assert_eq(vs_sim_open(sim, CLIENTS, &number), vsw_Code_OK);
    cr_assert(vs_sim_run(sim, collects, &number, 60000));
    read_round(sim, 2, round);
    const double twice = round->open.epsilon;
    cr_expect_gt(twice, once);
    cr_assert_eq(vs_sim_control(sim, VS_OPERATION_CANCEL, 2), vsw_Code_OK);
    cr_assert(vs_sim_run_round(sim, 120000));
    cr_assert_eq(vs_sim_round_info(sim, 2).phase, vsw_Phase_ABORTED);
    vs_sim_crash(sim, VS_PEER_AGGREGATOR, false);
    vs_sim_restart(sim, VS_PEER_AGGREGATOR);
    run_round(sim, 3, round);
    cr_expect_eq(round->open.epsilon, twice, "round 2 was closed: it does not count");
    vs_sim_crash(sim, 2, false);
    vs_sim_restart(sim, 2);
    run_round(sim, 4, round);
    cr_expect_gt(round->open.epsilon, twice);
    cr_expect_eq(vs_sim_open(sim, CLIENTS, &number), vsw_Code_REFUSED);
    expect_audit_ok(sim);
    free(round);
    vs_sim_free(sim);
}
