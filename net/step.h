/* net/step.h - what goes into and out of a role.
 *
 * A role is a pure state machine: step(role, now, event, outbox). It owns no socket, clock or
 * randomness; its durable state is behind a vs_store. The daemon loop (net/daemon.h) and the
 * simulation (tests/net/support_sim.h) drive the same code. */
#ifndef VS_NET_STEP_H
#define VS_NET_STEP_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "mpc/params.h"

#define VS_PEER_AGGREGATOR 0u /* peer 0; shareholder j is peer j */
#define VS_PEERS_MAX (VS_SHAREHOLDERS_MAX + 1)

typedef enum vs_event_kind {
    VS_EVENT_TICK,    /* time has passed */
    VS_EVENT_REQUEST, /* a request arrived; answer it in this or a later step by its `conn` */
    VS_EVENT_REPLY,   /* the reply to what we sent to `peer` with `tag` */
    VS_EVENT_LOST,    /* no reply to it: refused, unreachable or timed out; text says which */
} vs_event_kind;

typedef struct vs_event {
    vs_event_kind kind;
    uint64_t conn;      /* REQUEST: names the connection that waits for our reply */
    uint32_t peer;      /* REPLY, LOST */
    uint64_t tag;       /* REPLY, LOST: as given in the outbox */
    const uint8_t *msg; /* REQUEST, REPLY: borrowed for the step */
    size_t len;
    const char *text; /* LOST */
} vs_event;

typedef enum vs_out_kind {
    VS_OUT_REPLY, /* to `conn` */
    VS_OUT_SEND,  /* to `peer` with `tag`; comes back as REPLY or LOST exactly once */
} vs_out_kind;

typedef struct vs_out {
    vs_out_kind kind;
    uint64_t conn;
    uint32_t peer;
    uint64_t tag;
    uint32_t timeout_ms; /* SEND: LOST after this long */
    vs_buf msg;          /* owned by the outbox */
} vs_out;

typedef struct vs_outbox {
    vs_out *item;
    size_t n, cap;
    bool failed; /* out of memory: the step fails */
} vs_outbox;

/* New item at the end whose msg the caller fills; NULL when out of memory (failed is set). */
vs_out *vs_outbox_reply(vs_outbox *box, uint64_t conn);
vs_out *vs_outbox_send(vs_outbox *box, uint32_t peer, uint64_t tag, uint32_t timeout_ms);
void vs_outbox_clear(vs_outbox *box); /* frees messages, keeps memory */
void vs_outbox_free(vs_outbox *box);

#endif /* VS_NET_STEP_H */
