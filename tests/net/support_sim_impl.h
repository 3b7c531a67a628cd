/* tests/net/support_sim_impl.h - what the two files of the simulation share. */
#ifndef VS_TESTS_NET_SUPPORT_SIM_IMPL_H
#define VS_TESTS_NET_SUPPORT_SIM_IMPL_H

#include "ledger/log.h"
#include "tests/net/support_fed.h"
#include "tests/net/support_sim.h"
#include "tests/support.h"

/* One request under way: its reply, or LOST, goes back to `from` exactly once. */
typedef struct call {
    uint64_t id;
    uint32_t from, to;
    uint64_t tag;
    uint64_t timeout_at;
    bool open;
} call;

typedef struct message {
    uint64_t at, call_id;
    bool is_reply;
    vs_buf msg;
} message;

typedef struct client_actor {
    vs_client *role;
    vs_store store;
    vs_client_input input;
    char purpose[64];
    double *update;
    uint32_t *coords;
    uint32_t n_coords;
    bool started;
    vs_test_rng rng;
} client_actor;

struct vs_sim {
    vs_sim_config config;
    vs_test_fed *parties;
    char *folder;
    vs_log *log;
    vs_aggregator *aggregator;
    vs_store aggregator_store;
    vs_test_rng aggregator_rng;
    vs_shareholder *shareholder[VS_SHAREHOLDERS_MAX + 1];
    vs_store shareholder_store[VS_SHAREHOLDERS_MAX + 1];
    vs_test_rng shareholder_rng[VS_SHAREHOLDERS_MAX + 1];
    client_actor *client;
    uint64_t now_ms, next_tick, order;
    call *calls;
    size_t n_calls, cap_calls;
    message *queue;
    size_t n_queue, cap_queue;
    uint64_t next_id;
    vs_sim_hook hook;
    void *hook_ctx;
    bool recording;
    vs_buf record;
    vs_buf admin_reply;
    bool admin_done;
    vs_outbox pending[VS_SHAREHOLDERS_MAX + 1]; /* group: what waits until the store is flushed */
    uint64_t restart_at;                        /* of the fault's actor; 0: not to be restarted */
    char why[VS_DIAG_BYTES];
    uint64_t newest, newest_size; /* newest round, for a log of this size */
};

/* Stop the program unless err is VS_OK. */
void vs_sim_must(vs_err err, const char *what, const vs_diag *diag);
/* A request of the admin: its reply goes to admin_reply. Takes over *msg. */
void vs_sim_ask(vs_sim *sim, uint32_t actor, vs_buf *msg);

#endif /* VS_TESTS_NET_SUPPORT_SIM_IMPL_H */
