/* tests/net/support_world.h - an aggregator under test among real shareholders and clients.
 *
 * One thread, a virtual clock, messages delivered first in, first out. A hook sees every message of
 * the aggregator to a shareholder and every reply on its way back. The aggregator can be killed
 * after any of its steps: it comes back from its log and store, and what was under way is lost. */
#ifndef VS_TESTS_NET_SUPPORT_WORLD_H
#define VS_TESTS_NET_SUPPORT_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/entry.h"
#include "net/aggregator.h"
#include "net/client.h"
#include "net/shareholder.h"
#include "net/submission.h"
#include "net/wire.h"
#include "tests/net/support_fed.h"
#include "tests/support.h"

enum { WORLD_N_MAX = 8, WORLD_CLIENTS_MAX = 8 };

typedef struct vs_world vs_world;

typedef enum vs_world_fate { VS_WORLD_DELIVER, VS_WORLD_LOSE } vs_world_fate;
/* request: what the aggregator asks shareholder j. reply NULL: before delivery; else the message
 * that comes back, which may be replaced. */
typedef vs_world_fate (*vs_world_hook)(void *ctx, vs_world *w, uint32_t j,
                                       const vs_request *request, vs_buf *reply);

typedef struct vs_world_config {
    vs_committee committee;
    uint32_t n_clients, min_clients, max_clients, dim;
    bool public_results;
    uint64_t seed;
} vs_world_config;

typedef struct vs_world_reveal {
    vs_world *w;
    uint32_t i;
} vs_world_reveal;

typedef struct vs_world_message {
    struct vs_world_message *next;
    uint32_t from_client; /* i + 1, or 0: from the aggregator */
    uint32_t to;          /* peer number */
    uint64_t tag;
    uint64_t life; /* of the aggregator that sent it */
    vs_buf bytes;
} vs_world_message;

struct vs_world {
    vs_world_config config;
    vs_test_fed *tf;
    uint64_t now_ms;
    vs_world_hook hook;
    void *hook_ctx;
    /* aggregator */
    char *folder;
    vs_log *log;
    vs_store store;
    vs_test_rng rng;
    vs_aggregator *ag;
    uint64_t life;       /* which restart of it */
    uint64_t steps;      /* of all its lives */
    uint64_t kill_after; /* die after this step, 0: never */
    bool failed;         /* it returned an error: down until restarted */
    vs_buf notices;      /* lines */
    /* others */
    bool down[WORLD_N_MAX + 1];
    vs_shareholder *sh[WORLD_N_MAX + 1];
    vs_store sh_store[WORLD_N_MAX + 1];
    vs_test_rng sh_rng[WORLD_N_MAX + 1];
    vs_client *client[WORLD_CLIENTS_MAX];
    vs_store client_store[WORLD_CLIENTS_MAX];
    vs_test_rng client_rng[WORLD_CLIENTS_MAX];
    double *update[WORLD_CLIENTS_MAX];
    uint32_t *coords[WORLD_CLIENTS_MAX]; /* what client i quantised, or NULL */
    vs_world_reveal reveal[WORLD_CLIENTS_MAX];
    uint32_t n_coords;
    vs_buf manifest; /* the last one that a client sent */
    vs_world_message *first, *last;
    vs_buf answer; /* of the aggregator to vs_world_call */
};

vs_world *vs_world_new(const vs_world_config *config);
void vs_world_free(vs_world *w);
/* Free the aggregator and its log; bring them back. */
void vs_world_restart(vs_world *w);
void vs_world_restart_shareholder(vs_world *w, uint32_t j);

/* Client i submits to the newest round. */
void vs_world_submit(vs_world *w, uint32_t i);
/* Deliver everything, then let 50 ms pass; again until the aggregator's newest round is in this
 * phase, at most max_ms. True iff it is. */
bool vs_world_run_to(vs_world *w, vsw_Phase phase, uint64_t max_ms);
void vs_world_run_for(vs_world *w, uint64_t ms);
/* Until client i is done. */
bool vs_world_run_client(vs_world *w, uint32_t i, uint64_t max_ms);

/* One request to the aggregator, its reply decoded (borrowed until the next call). */
vs_reply vs_world_call(vs_world *w, const vsw_Request *head, const void *body, size_t len);
vsw_RoundInfo vs_world_info(vs_world *w, uint64_t round);
/* Sign a control statement with these keys. */
vsw_Control vs_world_control(const vs_world *w, const vs_keys *keys, vs_operation op,
                             uint64_t round, const vs_buf *arguments);
/* The admin's. The code of the reply, OK on success. */
vsw_Code vs_world_open(vs_world *w, uint64_t round, uint32_t target_clients);
vsw_Code vs_world_end(vs_world *w, vs_operation op, uint64_t round);
/* Read a blob as shareholder 1; malloc'd, NULL if refused. */
uint8_t *vs_world_blob(vs_world *w, const vs_h32 *name, size_t *len);
/* Decode the newest round's nth entry of a kind. False if there is none. */
bool vs_world_entry(vs_world *w, uint64_t round, vs_entry_kind kind, uint32_t nth, vs_entry *out);
/* The result's sums are exactly what the clients 0..n-1 (bit i of mask) quantised. */
void vs_world_expect_sums(vs_world *w, uint64_t round, uint32_t mask);
/* The log replays by the rules of net/replay.h, records and results included. */
void vs_world_expect_valid_log(vs_world *w);
bool vs_world_noticed(const vs_world *w, const char *text);

#endif /* VS_TESTS_NET_SUPPORT_WORLD_H */
