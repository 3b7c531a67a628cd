#include "tests/net/support_fault_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/net/support_watch.h"

const vs_sim_config vs_fault_loop_round = {.committee = {.n = 4, .t = 1, .k = 1, .margin = 1},
                                           .n_clients = 2,
                                           .max_clients = 4,
                                           .min_clients = 2,
                                           .dim = 20,
                                           .seed = 7};

static vs_sim_fate look(void *ctx, uint32_t from, uint32_t to, bool is_reply, vs_buf *msg)
{
    vs_watch_message(ctx, from, to, is_reply, msg);
    return VS_SIM_DELIVER;
}

/* The admin asks until the round is open: a reply that got lost is asked for again. */
static void open_round(vs_sim *sim)
{
    for (int tries = 0; tries < 20 && vs_sim_newest(sim) == 0; tries++) {
        uint64_t round = 0;
        vsw_RoundInfo info = vs_sim_round_info(sim, 0);
        if (info.phase == vsw_Phase_IDLE && info.next_round == 1) {
            (void)vs_sim_open(sim, vs_fault_loop_round.n_clients, &round);
        }
        (void)vs_sim_run(sim, NULL, NULL, 1000);
    }
}

/* By the log: asking the aggregator would be more messages to be killed at. */
static bool round_over(void *ctx, vs_sim *sim)
{
    (void)ctx;
    return vs_sim_newest(sim) == 1 &&
           (vs_sim_logged(sim, 1, "result") || vs_sim_logged(sim, 1, "abort")) &&
           vs_sim_is_up(sim, VS_PEER_AGGREGATOR);
}

static bool clients_over(void *ctx, vs_sim *sim)
{
    (void)ctx;
    for (uint32_t i = 0; i < vs_fault_loop_round.n_clients; i++) {
        const vs_client_status *s = vs_sim_client(sim, i);
        if (s == NULL || (s->phase != VS_CLIENT_DONE && s->phase != VS_CLIENT_FAILED)) return false;
    }
    return true;
}

/* What to print when a check of the run stops the program. */
static void announce(const vs_fault *f)
{
    if (getenv("VEILSUM_SIM_VERBOSE") == NULL) return;
    (void)fprintf(stderr, "--- party %u, %s %llu%s\n", f->actor, vs_fault_name(f->kind),
                  (unsigned long long)f->at, f->power_cut ? ", power cut" : "");
}

void vs_fault_loop_one(const vs_sim_config *given, vs_fault *fault, vs_fault_loop *loop)
{
    vs_sim_config config = given == NULL ? vs_fault_loop_round : *given;
    uint32_t included = 0;
    const vs_fault as_given = *fault;
    config.fault = fault;
    loop->why[0] = '\0';
    announce(fault);
    vs_sim *sim = vs_sim_new(&config);
    vs_watch *watch = vs_watch_new(sim);
    vs_sim_hook_set(sim, look, watch);
    open_round(sim);
    for (uint32_t i = 0; i < vs_fault_loop_round.n_clients; i++) vs_sim_client_start(sim, i, 1, "");
    bool ended = vs_sim_run(sim, round_over, NULL, 600000);
    ended &= vs_sim_run(sim, clients_over, NULL, 100000);
    (void)vs_sim_run(sim, NULL, NULL, 3000);
    if (!fault->fired) fault->kind = VS_FAULT_NONE; /* the round had no such place */
    ended &= vs_sim_run_round(sim, 600000);
    if (!ended) {
        (void)fprintf(stderr, "party %u, %s %llu: the round hangs in %s\n", as_given.actor,
                      vs_fault_name(as_given.kind), (unsigned long long)as_given.at,
                      vs_phase_name(vs_sim_round_info(sim, 1).phase));
        abort();
    }
    bool final = vs_watch_end(watch, 1, &included);
    if (fault->fired) {
        loop->places++;
        loop->stops += vs_sim_why_stopped(sim)[0] != '\0';
        (void)snprintf(loop->why, sizeof loop->why, "%s", vs_sim_why_stopped(sim));
        loop->results += final && included == vs_fault_loop_round.n_clients;
        loop->aborts += !final;
    } else {
        VS_ASSERT(final && included == vs_fault_loop_round.n_clients); /* the undisturbed round */
    }
    vs_watch_free(watch);
    vs_sim_free(sim);
}

vs_fault_loop vs_fault_loop_run(vs_fault_kind kind, uint32_t actor, bool power_cut, uint32_t stride)
{
    vs_fault_loop loop = {0};
    bool fired = true;
    const char *from = getenv("VEILSUM_FAULT_FROM"); /* the k of a failure, to look at it */
    for (uint64_t k = from == NULL ? 1 : strtoull(from, NULL, 10); fired; k += stride) {
        vs_fault fault = {.kind = kind, .actor = actor, .at = k, .power_cut = power_cut};
        vs_fault_loop_one(NULL, &fault, &loop);
        fired = fault.fired;
    }
    printf("party %4u, %s%s: %u places tried; %u exact sums, %u aborts, %u stops\n", actor,
           vs_fault_name(kind), power_cut ? " with a power cut" : "", loop.places, loop.results,
           loop.aborts, loop.stops);
    (void)fflush(stdout);
    return loop;
}
