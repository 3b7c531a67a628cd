/* tests/net/support_sim.h - a whole federation in one process: the real roles, a virtual clock, a
 * network that the test bends.
 *
 * Actors: 0 is the aggregator, j = 1..n shareholder j, VS_SIM_CLIENT + i client i. Every message is
 * one queue item; a hook sees each one before delivery and may drop, delay, change or repeat it.
 * Crashed actors lose what is not in their store; restarting rebuilds them from it. */
#ifndef VS_TESTS_NET_SUPPORT_SIM_H
#define VS_TESTS_NET_SUPPORT_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/aggregator.h"
#include "net/client.h"
#include "net/shareholder.h"
#include "net/submission.h"
#include "net/wire.h"
#include "tests/net/support_fault.h"

#define VS_SIM_CLIENT 1000u
#define VS_SIM_ADMIN 9000u

typedef enum vs_sim_fate {
    VS_SIM_DELIVER,
    VS_SIM_DROP,   /* the connection breaks: the sender gets LOST after 50 ms */
    VS_SIM_SILENT, /* nothing comes: the sender gets LOST when it times out */
    VS_SIM_TWICE,  /* delivered, and once more later (the second reply is dropped) */
    VS_SIM_LATER,  /* delivered 700 ms later */
} vs_sim_fate;

/* is_reply: the reply on its way back. The hook may change the bytes in place or replace them. */
typedef vs_sim_fate (*vs_sim_hook)(void *ctx, uint32_t from, uint32_t to, bool is_reply,
                                   vs_buf *msg);

typedef struct vs_sim_config {
    vs_committee committee;
    uint32_t n_clients;   /* clients with keys and enrolment */
    uint32_t max_clients; /* N */
    uint32_t min_clients;
    uint32_t dim;
    uint64_t seed; /* of keys, updates and the order of delivery */
    bool shuffle;  /* deliver in random order instead of first in, first out */
    /* One fault, or NULL. A party that it stops is restarted after half a second. Borrowed. */
    vs_fault *fault;
    /* Where parties keep their state; NULL: in memory. Otherwise opened when a party starts, closed
     * when it stops. */
    vs_err (*open_store)(vs_store *out, const char *dir, vs_diag *diag);
    void (*close_store)(vs_store *store);
    bool group; /* commit in groups, as daemons do: stores that can hold (net/store.h) */
    void (*restarting)(void);             /* before the fault's actor starts again; or NULL */
    const char *folder;                   /* an existing empty one, borrowed; NULL: a fresh one */
    void (*adjust)(vs_federation *draft); /* as of vs_test_fed_config */
} vs_sim_config;

typedef struct vs_sim vs_sim;

vs_sim *vs_sim_new(const vs_sim_config *config);
void vs_sim_free(vs_sim *sim);
void vs_sim_hook_set(vs_sim *sim, vs_sim_hook hook, void *ctx);

uint64_t vs_sim_now(const vs_sim *sim); /* ms */
const vs_federation *vs_sim_federation(const vs_sim *sim);
const char *vs_sim_ledger_folder(const vs_sim *sim);
vs_store *vs_sim_store(vs_sim *sim, uint32_t actor);
/* Every byte that travelled so far (requests and replies), when recording was asked for. */
void vs_sim_record(vs_sim *sim);
const vs_buf *vs_sim_recorded(const vs_sim *sim);

void vs_sim_crash(vs_sim *sim, uint32_t actor, bool power_cut);
void vs_sim_restart(vs_sim *sim, uint32_t actor);
bool vs_sim_is_up(const vs_sim *sim, uint32_t actor);

uint32_t vs_sim_n_clients(const vs_sim *sim);
/* The newest round whose `open` is in the log; 0 before the first. */
uint64_t vs_sim_newest(vs_sim *sim);
/* Is there an entry of this kind and round in the log? True too while the aggregator is down. */
bool vs_sim_logged(vs_sim *sim, uint64_t round, const char *kind);
/* Why the fault's actor stopped last; "" if it did not. */
const char *vs_sim_why_stopped(const vs_sim *sim);

/* Update of client i: dim doubles in [-1, 1], from the seed. Weight of client i: 1 + i, or 1 where
 * max_weight is 1. Its metrics: loss 0.5 + i/4, accuracy i/16. */
const double *vs_sim_update(const vs_sim *sim, uint32_t i);
/* Start client i's submission for `round` (0 = newest). */
void vs_sim_client_start(vs_sim *sim, uint32_t i, uint64_t round, const char *purpose);
const vs_client_status *vs_sim_client(const vs_sim *sim, uint32_t i);
/* What client i quantised (L values), once it has started sending; NULL before. */
const uint32_t *vs_sim_coordinates(const vs_sim *sim, uint32_t i, uint32_t *n);

/* Admin operations; the reply's code (OK on success). */
vsw_Code vs_sim_open(vs_sim *sim, uint32_t target_clients, uint64_t *round);
vsw_Code vs_sim_control(vs_sim *sim, vs_operation op, uint64_t round);
/* One request to an actor in the admin's name; the reply message is appended to *reply. */
void vs_sim_call(vs_sim *sim, uint32_t actor, const vsw_Request *head, const void *body,
                 size_t body_len, vs_buf *reply);
vsw_RoundInfo vs_sim_round_info(vs_sim *sim, uint64_t round);

/* Deliver and tick until done() or until max_ms of virtual time have passed; true iff done. */
bool vs_sim_run(vs_sim *sim, bool (*done)(void *ctx, vs_sim *sim), void *ctx, uint64_t max_ms);
/* Until the newest round is FINAL or ABORTED. */
bool vs_sim_run_round(vs_sim *sim, uint64_t max_ms);

/* The records of the logged set and the rejected ones, appended; false if there is none. */
bool vs_sim_records(vs_sim *sim, uint64_t round, vs_buf *records, vs_buf *rejected);
/* One request of the admin's that nobody waits for, any bytes. */
void vs_sim_throw(vs_sim *sim, uint32_t actor, const vs_buf *msg);
/* True iff the logged set of `round` holds client i's submission. */
bool vs_sim_included(vs_sim *sim, uint64_t round, uint32_t i);
/* Decoded sums of the finished round, read from the ledger's blobs (malloc'd, L values), or NULL.
 */
uint64_t *vs_sim_sums(vs_sim *sim, uint64_t round, uint32_t *n);

#endif /* VS_TESTS_NET_SUPPORT_SIM_H */
