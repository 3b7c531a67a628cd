/* tests/net/support_fakes.h - a scripted aggregator and scripted shareholders around one client.
 *
 * Honest unless told otherwise. They check all that a client must never do: send two headers for
 * one round, change a byte that it sent before, send a share that does not open its commitment or
 * fails the proof. A client is driven step by step and can be killed after any of them. */
#ifndef VS_TESTS_NET_SUPPORT_FAKES_H
#define VS_TESTS_NET_SUPPORT_FAKES_H

#include <stdbool.h>
#include <stdint.h>

#include "net/client.h"
#include "net/wire.h"
#include "tests/net/support_fed.h"
#include "tests/net/support_open.h"
#include "tests/support.h"

typedef struct vs_fake_shareholder {
    /* script */
    bool down;
    uint32_t busy;          /* so many requests get BUSY first */
    uint32_t unknown;       /* so many get UNKNOWN_ROUND first */
    vsw_Code refuse_begin;  /* 0: no */
    vsw_Code refuse_finish; /* 0: no */
    bool wrong_signature, wrong_manifest, wrong_total, garbage, other_reply;
    uint32_t forget_after; /* forget the upload after this many requests, once */
    uint32_t lose_every;   /* every n-th reply is lost after the request was obeyed */
    /* state */
    vs_buf header, sealed;
    uint32_t next;
    bool has_receipt;
    uint32_t requests, chunk_requests;
} vs_fake_shareholder;

typedef struct vs_fakes {
    vs_test_fed *tf;
    vs_test_open *open;
    vs_round round;
    vs_buf envelope;
    vs_store store;
    vs_test_rng rng;
    uint64_t now_ms;
    double *update;
    vs_client_input input;
    vs_fake_shareholder sh[VS_SHAREHOLDERS_MAX + 1]; /* by j */
    /* Instead of the scripted shareholders; false: the reply is lost. */
    bool (*stand_in)(void *ctx, uint32_t j, const uint8_t *msg, size_t len, vs_buf *reply);
    void *stand_in_ctx;
    /* aggregator's script */
    vsw_Phase phase;
    uint32_t aggregator_lost, aggregator_busy; /* so many requests first */
    vsw_Code refuse_manifest;
    vs_buf closure; /* body of the reply to `closure` */
    uint32_t closure_asked, manifests, info_asked;
    vs_buf header; /* the one header of this round */
    uint32_t steps;
} vs_fakes;

/* n = 5, t = 1, k = 2, margin 1 (needed 4); round 3; update of dim values from the seed. */
vs_fakes *vs_fakes_new(uint32_t dim, uint64_t seed);
void vs_fakes_free(vs_fakes *w);
/* After a change of w->open: sign, make the envelope; new round: shareholders forget. */
void vs_fakes_reopen(vs_fakes *w);
/* Append a `closed` envelope of shareholder j for `round` and params, signed by `signer`. */
void vs_fakes_add_closed(vs_fakes *w, uint32_t j, uint64_t round, const vs_h32 *params,
                         const vs_keys *signer);

/* What a peer answers to one message; false: nothing, the reply is lost. */
bool vs_fakes_answer(vs_fakes *w, uint32_t peer, const uint8_t *msg, size_t len, vs_buf *reply);

vs_client *vs_fakes_client(vs_fakes *w);
/* Drive until DONE, FAILED, an error of the machine, max_steps steps (0 = no limit) or two minutes
 * of virtual time. */
vs_err vs_fakes_run(vs_fakes *w, vs_client *client, uint32_t max_steps, vs_diag *diag);

#endif /* VS_TESTS_NET_SUPPORT_FAKES_H */
