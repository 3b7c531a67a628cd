#define _GNU_SOURCE /* memmem */
/* Whole rounds in one process: the real roles, a network that loses, repeats, delays and reorders,
 * parties that die and come back. The decoded sum must equal the exact integer sum, or the round
 * must abort. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "net/audit.h"
#include "net/encoder.h"
#include "net/round.h"
#include "tests/net/support_sim.h"
#include "tests/support.h"

static const vs_sim_config SMALL = {.committee = {.n = 5, .t = 1, .k = 2, .margin = 1},
                                    .n_clients = 6,
                                    .max_clients = 8,
                                    .min_clients = 3,
                                    .dim = 50,
                                    .seed = 1};

static vs_sim *sim_with_round(const vs_sim_config *config, uint32_t n_start, uint64_t *round)
{
    vs_sim *sim = vs_sim_new(config);
    cr_assert_eq(vs_sim_open(sim, n_start, round), vsw_Code_OK);
    for (uint32_t i = 0; i < n_start; i++) vs_sim_client_start(sim, i, *round, "");
    return sim;
}

/* The published sums are the exact integer sums of the quantised updates of the clients in the set,
 * and the set has `expected` of them. */
static void expect_exact(vs_sim *sim, uint64_t round, uint32_t expected)
{
    uint32_t n = 0;
    uint64_t *sums = vs_sim_sums(sim, round, &n);
    cr_assert_not_null(sums, "round %llu has no sums", (unsigned long long)round);
    uint64_t *want = calloc(n, sizeof *want);
    uint32_t included = 0;
    for (uint32_t i = 0; i < SMALL.n_clients; i++) {
        uint32_t len = 0;
        if (!vs_sim_included(sim, round, i)) continue;
        const uint32_t *coords = vs_sim_coordinates(sim, i, &len);
        cr_assert_eq(len, n);
        for (uint32_t c = 0; c < n; c++) want[c] += coords[c];
        included++;
    }
    cr_assert_eq(included, vs_sim_round_info(sim, round).clients_included);
    cr_assert_eq(included, expected, "%u included, %u expected", included, expected);
    cr_assert_arr_eq(sums, want, n * sizeof *sums);
    free(want);
    free(sums);
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
    if (vs_sim_is_up(sim, VS_PEER_AGGREGATOR)) vs_sim_crash(sim, VS_PEER_AGGREGATOR, false);
    cr_assert_eq(
        vs_audit_dir(&report, folder, vs_sim_federation(sim), NULL, print_problem, NULL, &diag),
        VS_OK, "%s", diag.text);
    cr_assert(report.ok, "the audit found %u problems", report.n_problems);
}

static void expect_phase(vs_sim *sim, uint64_t round, vsw_Phase phase)
{
    vsw_RoundInfo info = vs_sim_round_info(sim, round);
    cr_assert_eq(info.phase, phase, "phase is %s (%s), not %s", vs_phase_name(info.phase),
                 info.detail, vs_phase_name(phase));
}

Test(round, sums_exactly_and_passes_the_audit)
{
    uint64_t round = 0;
    vs_sim *sim = sim_with_round(&SMALL, 6, &round);
    cr_assert(vs_sim_run_round(sim, 120000));
    expect_phase(sim, round, vsw_Phase_FINAL);
    expect_exact(sim, round, 6);
    expect_audit_ok(sim);
    vs_sim_free(sim);
}

/* Three rounds in a row on one ledger; the clients use a purpose each time, because there is no
 * model. */
Test(round, rounds_follow_each_other)
{
    vs_sim *sim = vs_sim_new(&SMALL);
    for (uint64_t want = 1; want <= 3; want++) {
        uint64_t round = 0;
        char purpose[32];
        (void)snprintf(purpose, sizeof purpose, "repeat %llu", (unsigned long long)want);
        cr_assert_eq(vs_sim_open(sim, 6, &round), vsw_Code_OK);
        cr_assert_eq(round, want);
        for (uint32_t i = 0; i < 6; i++) vs_sim_client_start(sim, i, round, purpose);
        cr_assert(vs_sim_run_round(sim, 120000));
        expect_phase(sim, round, vsw_Phase_FINAL);
        expect_exact(sim, round, 6);
    }
    expect_audit_ok(sim);
    vs_sim_free(sim);
}

/* --- a bad network
 * -------------------------------------------------------------------------------------- */

typedef struct weather {
    uint64_t seed, count;
    uint32_t drop, twice, later; /* of 100 */
} weather;

static vs_sim_fate bad_weather(void *ctx, uint32_t from, uint32_t to, bool is_reply, vs_buf *msg)
{
    weather *w = ctx;
    (void)msg;
    if (from >= VS_SIM_ADMIN || to >= VS_SIM_ADMIN) return VS_SIM_DELIVER;
    uint64_t dice = vs_test_u64(w->seed, w->count++) % 100;
    if (dice < w->drop) return VS_SIM_DROP;
    dice -= w->drop;
    if (dice < w->twice) return is_reply ? VS_SIM_LATER : VS_SIM_TWICE;
    dice -= w->twice;
    return dice < w->later ? VS_SIM_LATER : VS_SIM_DELIVER;
}

static vs_sim *sim_in_weather(weather *w, uint64_t *round)
{
    vs_sim_config config = SMALL;
    config.seed = w->seed;
    config.shuffle = true;
    vs_sim *sim = sim_with_round(&config, 6, round);
    vs_sim_hook_set(sim, bad_weather, w);
    cr_assert(vs_sim_run_round(sim, 400000), "seed %llu hangs", (unsigned long long)w->seed);
    vs_sim_hook_set(sim, NULL, NULL);
    return sim;
}

Test(round, survives_repeated_late_and_reordered_messages)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        weather w = {.seed = seed, .twice = 15, .later = 15};
        uint64_t round = 0;
        vs_sim *sim = sim_in_weather(&w, &round);
        expect_phase(sim, round, vsw_Phase_FINAL);
        expect_exact(sim, round, 6);
        expect_audit_ok(sim);
        vs_sim_free(sim);
    }
}

/* With messages lost (each costs its sender a time-out) clients may be left out and a round may
 * even abort; what is published is exact all the same. */
Test(round, is_exact_or_aborts_when_messages_are_lost)
{
    uint32_t finals = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        weather w = {.seed = seed, .drop = 10, .twice = 6, .later = 6};
        uint64_t round = 0;
        vs_sim *sim = sim_in_weather(&w, &round);
        vsw_RoundInfo info = vs_sim_round_info(sim, round);
        if (info.phase == vsw_Phase_FINAL) {
            expect_exact(sim, round, info.clients_included);
            finals++;
        } else {
            expect_phase(sim, round, vsw_Phase_ABORTED);
            cr_assert_null(vs_sim_sums(sim, round, &(uint32_t){0}));
        }
        expect_audit_ok(sim);
        vs_sim_free(sim);
    }
    cr_assert_geq(finals, 9, "only %u of 12 rounds came to a result", finals);
}

/* --- parties that leave
 * ------------------------------------------------------------------------------------ */

typedef struct wait_for {
    uint64_t round;
    vsw_Phase phase;
} wait_for;

static bool phase_reached(void *ctx, vs_sim *sim)
{
    const wait_for *w = ctx;
    return vs_sim_round_info(sim, w->round).phase >= w->phase;
}

Test(round, ends_without_any_one_shareholder_lost_at_any_phase)
{
    const vsw_Phase phases[] = {vsw_Phase_COLLECT, vsw_Phase_LISTING,   vsw_Phase_VOTING,
                                vsw_Phase_SETTING, vsw_Phase_ANSWERING, vsw_Phase_PUBLISHING};
    for (size_t p = 0; p < sizeof phases / sizeof phases[0]; p++) {
        for (uint32_t j = 1; j <= 5; j += 2) {
            uint64_t round = 0;
            vs_sim *sim = sim_with_round(&SMALL, 6, &round);
            wait_for w = {.round = round, .phase = phases[p]};
            cr_assert(vs_sim_run(sim, phase_reached, &w, 100000));
            vs_sim_crash(sim, j, true);
            cr_assert(vs_sim_run_round(sim, 200000));
            expect_phase(sim, round, vsw_Phase_FINAL);
            expect_exact(sim, round, 6);
            expect_audit_ok(sim);
            vs_sim_free(sim);
        }
    }
}

Test(round, needs_only_min_clients)
{
    uint64_t round = 0;
    vs_sim *sim = sim_with_round(&SMALL, 3, &round);
    cr_assert(vs_sim_run_round(sim, 200000));
    expect_phase(sim, round, vsw_Phase_FINAL);
    expect_exact(sim, round, 3);
    expect_audit_ok(sim);
    vs_sim_free(sim);
}

Test(round, aborts_closed_below_min_clients_and_clients_may_submit_again)
{
    uint64_t round = 0;
    vs_sim *sim = vs_sim_new(&SMALL);
    cr_assert_eq(vs_sim_open(sim, 0, &round), vsw_Code_OK);
    for (uint32_t i = 0; i < 2; i++) vs_sim_client_start(sim, i, round, "");
    cr_assert(vs_sim_run_round(sim, 400000));
    expect_phase(sim, round, vsw_Phase_ABORTED);
    cr_assert_null(vs_sim_sums(sim, round, &(uint32_t){0}));

    cr_assert_eq(vs_sim_open(sim, 6, &round), vsw_Code_OK);
    for (uint32_t i = 0; i < 6; i++) vs_sim_client_start(sim, i, round, "");
    cr_assert(vs_sim_run_round(sim, 200000));
    expect_phase(sim, round, vsw_Phase_FINAL);
    expect_exact(sim, round, 6);
    expect_audit_ok(sim);
    vs_sim_free(sim);
}

/* Counts answers that leave shareholders. */
static vs_sim_fate count_answers(void *ctx, uint32_t from, uint32_t to, bool is_reply, vs_buf *msg)
{
    uint32_t *n = ctx;
    vs_reply reply;
    (void)to;
    if (is_reply && from >= 1 && from <= 128 &&
        vs_reply_decode(&reply, msg->p, msg->len) == VS_OK &&
        reply.head.which_result == vsw_Reply_answer_tag) {
        (*n)++;
    }
    return VS_SIM_DELIVER;
}

Test(round, aborts_below_the_threshold_and_releases_nothing)
{
    for (uint32_t lost = 2; lost <= 4; lost++) {
        uint64_t round = 0;
        uint32_t answers = 0;
        vs_sim *sim = sim_with_round(&SMALL, 6, &round);
        vs_sim_hook_set(sim, count_answers, &answers);
        wait_for w = {.round = round, .phase = vsw_Phase_LISTING};
        cr_assert(vs_sim_run(sim, phase_reached, &w, 100000));
        for (uint32_t j = 1; j <= lost; j++) vs_sim_crash(sim, j, false);
        cr_assert(vs_sim_run_round(sim, 700000));
        expect_phase(sim, round, vsw_Phase_ABORTED);
        cr_assert_eq(answers, 0);
        cr_assert_null(vs_sim_sums(sim, round, &(uint32_t){0}));
        vs_sim_free(sim);
    }
}

Test(round, goes_on_after_every_party_was_killed_and_restarted_at_every_phase)
{
    const vsw_Phase phases[] = {vsw_Phase_COLLECT, vsw_Phase_LISTING,   vsw_Phase_VOTING,
                                vsw_Phase_SETTING, vsw_Phase_ANSWERING, vsw_Phase_PUBLISHING};
    for (size_t p = 0; p < sizeof phases / sizeof phases[0]; p++) {
        uint64_t round = 0;
        vs_sim *sim = sim_with_round(&SMALL, 6, &round);
        wait_for w = {.round = round, .phase = phases[p]};
        cr_assert(vs_sim_run(sim, phase_reached, &w, 100000));
        for (uint32_t a = 0; a <= 5; a++) {
            vs_sim_crash(sim, a, true);
            vs_sim_restart(sim, a);
        }
        for (uint32_t i = 0; i < 6; i++) {
            vs_sim_crash(sim, VS_SIM_CLIENT + i, true);
            vs_sim_restart(sim, VS_SIM_CLIENT + i);
        }
        cr_assert(vs_sim_run_round(sim, 300000), "phase %s hangs", vs_phase_name(phases[p]));
        (void)vs_sim_run(sim, NULL, NULL, 5000); /* late clients see that they are in */
        expect_phase(sim, round, vsw_Phase_FINAL);
        expect_exact(sim, round, 6);
        expect_audit_ok(sim);
        vs_sim_free(sim);
    }
}

Test(round, cancel_before_the_set_closes_the_round)
{
    uint64_t round = 0;
    vs_sim *sim = vs_sim_new(&SMALL);
    cr_assert_eq(vs_sim_open(sim, 0, &round), vsw_Code_OK);
    vs_sim_client_start(sim, 0, round, "");
    (void)vs_sim_run(sim, NULL, NULL, 2000);
    cr_assert_eq(vs_sim_control(sim, VS_OPERATION_CANCEL, round), vsw_Code_OK);
    cr_assert(vs_sim_run_round(sim, 60000));
    expect_phase(sim, round, vsw_Phase_ABORTED);
    expect_audit_ok(sim);
    vs_sim_free(sim);
}

/* --- nothing readable on the wire ---------------------------------------------------------------
 */

static bool on_wire(const vs_sim *sim, const void *needle, size_t len)
{
    const vs_buf *wire = vs_sim_recorded(sim);
    return memmem(wire->p, wire->len, needle, len) != NULL;
}

/* The round as its `open` fixes it. */
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

/* Everything that client i kept secret, remade from its submission seed, the first thing it drew.
 */
static void expect_hidden(vs_sim *sim, const vs_round *round, uint32_t i)
{
    vs_test_rng state = {.seed = SMALL.seed + 5000 + i};
    vs_rng rng = vs_test_rng_of(&state);
    uint8_t seed[32], derived[32];
    vs_h32 salt;
    vs_encoder *enc = NULL;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_rng_fill(&rng, seed, sizeof seed), VS_OK);
    cr_assert_eq(vs_encoder_new(&enc, vs_sim_federation(sim), round, seed, vs_sim_update(sim, i),
                                SMALL.dim, 1 + i, &diag),
                 VS_OK, "%s", diag.text);
    vs_encoder_salt(enc, &salt);
    cr_assert(on_wire(sim, salt.b, 32), "not the seed that client %u used", i); /* it is public */
    cr_assert(!on_wire(sim, seed, 16), "submission seed of client %u", i);
    cr_assert_eq(vs_encoder_make(enc, 0, 1), VS_OK);
    for (uint32_t j = 1; j <= 5; j++) {
        size_t n = 0;
        const vs_fe *share = vs_encoder_share(enc, j, 0, &n);
        for (size_t e = 0; e + 1 < n; e++) {
            cr_assert(!on_wire(sim, &share[e], 8), "client %u, share %u, element %zu", i, j, e);
        }
        vs_encoder_nonce(enc, j, derived);
        cr_assert(!on_wire(sim, derived, 16), "nonce %u of client %u", j, i);
        vs_encoder_ephemeral_secret(enc, j, derived);
        cr_assert(!on_wire(sim, derived, 16), "ephemeral secret %u of client %u", j, i);
    }
    vs_encoder_seed(enc, 1, derived);
    cr_assert(!on_wire(sim, derived, 16), "seed share of client %u", i);
    vs_encoder_free(enc);
}

Test(round, carries_no_share_seed_or_update_in_clear)
{
    uint64_t number = 0;
    vs_round *round = calloc(1, sizeof *round);
    vs_sim *sim = vs_sim_new(&SMALL);
    cr_assert_not_null(round);
    vs_sim_record(sim);
    cr_assert_eq(vs_sim_open(sim, 6, &number), vsw_Code_OK);
    for (uint32_t i = 0; i < 6; i++) vs_sim_client_start(sim, i, number, "");
    cr_assert(vs_sim_run_round(sim, 120000));
    expect_phase(sim, number, vsw_Phase_FINAL);
    read_round(sim, number, round);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t n = 0;
        const uint32_t *coords = vs_sim_coordinates(sim, i, &n);
        for (uint32_t c = 0; c + 2 < SMALL.dim; c += 2) {
            cr_assert(!on_wire(sim, &vs_sim_update(sim, i)[c], 8), "update of client %u", i);
            cr_assert(!on_wire(sim, &coords[c], 8), "coordinates of client %u", i);
        }
        expect_hidden(sim, round, i);
    }
    vs_sim_free(sim);
    free(round);
}
