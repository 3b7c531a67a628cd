#include "tests/net/support_storm.h"

#include <stdlib.h>
#include <string.h>

#include "tests/net/support_watch.h"

enum { CLIENTS = 3, N = 4, DOWN_MAX = 16, EVENTS_MAX = 4000 };

typedef struct storm {
    vs_storm_kind kind;
    vs_sim *sim;
    vs_watch *watch;
    vs_reader in;
    uint32_t events;
    uint32_t doomed; /* actor + 1 that dies before the next delivery, 0: nobody */
    bool power_cut;
    uint64_t
        back_at[DOWN_MAX]; /* 0 the aggregator, j shareholder, N + 1 + i client: when up again */
    vs_buf last;           /* to the aggregator: what made-up requests are made of */
    vs_storm_end end;
} storm;

static uint32_t actor_of(uint32_t slot)
{
    return slot <= N ? slot : VS_SIM_CLIENT + slot - N - 1;
}

/* --- messages -----------------------------------------------------------------------------------
 */

static void damage(storm *s, vs_buf *msg)
{
    uint32_t n = 1 + vs_read_u8(&s->in) % 6;
    for (uint32_t i = 0; i < n && msg->len > 0; i++) {
        size_t at = (size_t)vs_read_u8(&s->in) << 8 | vs_read_u8(&s->in);
        msg->p[at % msg->len] ^= vs_read_u8(&s->in);
    }
    if (n == 6) msg->len -= msg->len / 3;
    s->end.damaged++;
}

static bool is_damaged(const storm *s, uint32_t to, bool is_reply)
{
    switch (s->kind) {
    case VS_STORM_SCHEDULE: return false;
    case VS_STORM_AGGREGATOR: return to == VS_PEER_AGGREGATOR;
    case VS_STORM_CLIENT: return is_reply && to >= VS_SIM_CLIENT && to < VS_SIM_ADMIN;
    }
    return false;
}

static vs_sim_fate fate(void *ctx, uint32_t from, uint32_t to, bool is_reply, vs_buf *msg)
{
    storm *s = ctx;
    vs_watch_message(s->watch, from, to, is_reply, msg);
    if (from >= VS_SIM_ADMIN || to >= VS_SIM_ADMIN) return VS_SIM_DELIVER;
    if (s->in.left == 0 || s->events++ > EVENTS_MAX) return VS_SIM_DELIVER;
    uint8_t op = vs_read_u8(&s->in);
    if (op < 0x80) return VS_SIM_DELIVER;
    if (op < 0x90) return is_reply ? VS_SIM_LATER : VS_SIM_TWICE;
    if (op < 0xa0) return VS_SIM_LATER;
    if (op < 0xa8) return VS_SIM_DROP;
    if (op < 0xac) return VS_SIM_SILENT;
    if (op < 0xc0) {
        uint8_t who = vs_read_u8(&s->in);
        s->doomed = 1 + who % (N + 1 + CLIENTS);
        s->power_cut = who >= 0x80;
    } else if (is_damaged(s, to, is_reply)) {
        if (to == VS_PEER_AGGREGATOR && !is_reply) {
            vs_buf_reset(&s->last);
            vs_buf_bytes(&s->last, msg->p, msg->len);
        }
        damage(s, msg);
    }
    return VS_SIM_DELIVER;
}

/* --- deaths -------------------------------------------------------------------------------------
 */

static void kill_and_restart(storm *s)
{
    if (s->doomed != 0) {
        uint32_t slot = s->doomed - 1;
        s->doomed = 0;
        if (vs_sim_is_up(s->sim, actor_of(slot))) {
            vs_sim_crash(s->sim, actor_of(slot), s->power_cut);
            s->back_at[slot] = vs_sim_now(s->sim) + 300;
            s->end.deaths++;
        }
    }
    for (uint32_t slot = 0; slot <= N + CLIENTS; slot++) {
        if (s->back_at[slot] == 0 || vs_sim_now(s->sim) < s->back_at[slot]) continue;
        s->back_at[slot] = 0;
        if (!vs_sim_is_up(s->sim, actor_of(slot))) vs_sim_restart(s->sim, actor_of(slot));
    }
    if (s->last.len > 0) { /* once more, damaged in another way */
        damage(s, &s->last);
        vs_sim_throw(s->sim, VS_PEER_AGGREGATOR, &s->last);
        vs_buf_reset(&s->last);
    }
}

static bool is_over(void *ctx, vs_sim *sim)
{
    storm *s = ctx;
    kill_and_restart(s);
    if (vs_sim_newest(sim) == 0) return false;
    return vs_sim_logged(sim, 1, "result") || vs_sim_logged(sim, 1, "abort");
}

static bool never(void *ctx, vs_sim *sim)
{
    (void)sim;
    kill_and_restart(ctx);
    return false;
}

/* --- the round ----------------------------------------------------------------------------------
 */

static void open_round(storm *s)
{
    for (int tries = 0; tries < 30 && vs_sim_newest(s->sim) == 0; tries++) {
        uint64_t round = 0;
        vsw_RoundInfo info = vs_sim_round_info(s->sim, 0);
        if (info.phase == vsw_Phase_IDLE && info.next_round == 1) {
            (void)vs_sim_open(s->sim, CLIENTS, &round);
        }
        (void)vs_sim_run(s->sim, never, s, 1000);
    }
}

static vs_fault fault_of(vs_reader *in)
{
    uint8_t kind = vs_read_u8(in);
    uint8_t who = vs_read_u8(in);
    uint8_t at = vs_read_u8(in);
    return (vs_fault){.kind = kind % VS_FAULT_ALLOC,
                      .actor = actor_of(who % (N + 1 + CLIENTS)),
                      .at = 1 + at,
                      .power_cut = kind >= 0x80};
}

vs_storm_end vs_storm_run(vs_storm_kind kind, const uint8_t *data, size_t size)
{
    storm s = {.kind = kind, .in = vs_reader_of(data, size)};
    vs_fault fault = {0};
    vs_sim_config config = {.committee = {.n = N, .t = 1, .k = 1, .margin = 1},
                            .n_clients = CLIENTS,
                            .max_clients = 4,
                            .min_clients = 2,
                            .dim = 20,
                            .seed = 3 + (size > 0 ? data[0] & 3u : 0),
                            .shuffle = size > 0 && (data[0] & 4) != 0};
    (void)vs_read_u8(&s.in);
    if (kind == VS_STORM_SCHEDULE) {
        fault = fault_of(&s.in);
        config.fault = &fault;
    }
    s.sim = vs_sim_new(&config);
    s.watch = vs_watch_new(s.sim);
    vs_sim_hook_set(s.sim, fate, &s);
    open_round(&s);
    uint64_t round = vs_sim_newest(s.sim);
    if (round == 1) {
        for (uint32_t i = 0; i < CLIENTS; i++) vs_sim_client_start(s.sim, i, 1, "");
        VS_ASSERT(vs_sim_run(s.sim, is_over, &s, 900000));
    }
    s.in.left = 0; /* calm from here on */
    (void)vs_sim_run(s.sim, never, &s, 3000);
    if (round == 1) VS_ASSERT(vs_sim_run_round(s.sim, 900000));
    if (round == 1) (void)vs_sim_run(s.sim, never, &s, 3000);
    s.end.final = round == 1 && vs_watch_end(s.watch, 1, &s.end.included);
    vs_watch_free(s.watch);
    vs_sim_free(s.sim);
    vs_buf_free(&s.last);
    return s.end;
}
