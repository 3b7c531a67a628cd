/* bench/load.h - many clients at once, from one process, over real sockets.
 *
 * vs_load_clients runs real clients (net/client_run.h), each with a key, an enrolment, a submission
 * and connections of its own, `parallel` of them at a time. What a client would keep on its disk is
 * kept in memory: that disk is the client's own machine's.
 *
 * vs_load_plain is the same round without protection, for comparison: one server adds plain float
 * vectors, the same network edge and sizes of messages, no cryptography, no files. */
#ifndef VS_BENCH_LOAD_H
#define VS_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/federation.h"
#include "net/keys.h"

#define VS_LOAD_CLIENTS_MAX 32768u
#define VS_LOAD_PARALLEL_MAX 1024u

typedef struct vs_load_spec {
    const vs_federation *fed;
    const vs_keys *admin; /* enrols the clients */
    uint64_t round;
    uint32_t clients, parallel;
    uint32_t dim;
    uint32_t patience_s; /* without progress of one client */
    /* Called about ten times a second; true ends the run. May be NULL. */
    bool (*watch)(void *ctx, uint32_t done);
    void *watch_ctx;
} vs_load_spec;

typedef struct vs_load_result {
    uint32_t done, failed;
    uint64_t bytes;           /* sent by the clients that are done, as they count them */
    double seconds;           /* from the first start to the last end */
    double median_s, worst_s; /* of one client, from its start to its end */
    vs_diag first_failure;
} vs_load_result;

/* VS_OK when every client was run, failed or not; VS_ERR_STATE when told to stop. */
VS_MUST_CHECK vs_err vs_load_clients(vs_load_result *out, const vs_load_spec *spec, vs_diag *diag);

/* Coordinate c of every client's update, in [-1, 1]; client i (from 0) has weight 1. */
double vs_load_coordinate(uint32_t client, uint32_t c);

typedef struct vs_plain_spec {
    const char *address; /* to listen on */
    uint32_t clients, parallel, dim;
    bool (*watch)(void *ctx, uint32_t done);
    void *watch_ctx;
} vs_plain_spec;

/* As above; bytes: of the vectors. VS_ERR_PROOF when the server's sum is not the sum. */
VS_MUST_CHECK vs_err vs_load_plain(vs_load_result *out, const vs_plain_spec *spec, vs_diag *diag);

/* --- shared by the two (load_pool.c) -----------------------------------------------------------
 */

/* One client's work, on one of the pool's threads; *bytes: what it sent. stop(stop_ctx) may be
 * asked at any time. */
typedef vs_err (*vs_load_job)(void *ctx, uint32_t client, bool (*stop)(void *), void *stop_ctx,
                              uint64_t *bytes, vs_diag *diag);

typedef struct vs_load_pool {
    uint32_t clients, parallel;
    vs_load_job job;
    void *ctx;
    bool (*watch)(void *ctx, uint32_t done);
    void *watch_ctx;
} vs_load_pool;
VS_MUST_CHECK vs_err vs_load_pool_run(vs_load_result *out, const vs_load_pool *pool, vs_diag *diag);

#endif /* VS_BENCH_LOAD_H */
