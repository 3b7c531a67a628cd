/* The round without protection: clients send float vectors, one server adds them (bench/load.h). */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "net/edge.h"

enum {
    PIECE_BYTES = 8 * 65536, /* of one message: as a client's eight chunks */
    HEAD_BYTES = 12,         /* u32 client, u64 offset in bytes */
    INFLIGHT = 64,           /* as a daemon's */
    WAIT_MS = 100,
    REPLY_MS = 30000,
    CHECK_STEP = 997, /* every so many coordinates the sum is checked */
};

/* --- server --------------------------------------------------------------------------------------
 */

typedef struct server {
    vs_edge *edge;
    float *sum; /* dim */
    uint32_t dim;
    atomic_bool stop;
    uint64_t bytes; /* of vectors, added */
    vs_err err;
} server;

/* False: not a piece of a vector. */
static bool add_piece(server *s, const uint8_t *msg, size_t len)
{
    if (len < HEAD_BYTES || (len - HEAD_BYTES) % sizeof(float) != 0) return false;
    uint64_t offset = vs_load_le64(msg + 4) / sizeof(float);
    size_t n = (len - HEAD_BYTES) / sizeof(float);
    if (offset > s->dim || n > s->dim - offset) return false;
    for (size_t i = 0; i < n; i++) {
        float x;
        memcpy(&x, msg + HEAD_BYTES + i * sizeof x, sizeof x);
        s->sum[offset + i] += x;
    }
    s->bytes += n * sizeof(float);
    return true;
}

static void *serve(void *arg)
{
    server *s = arg;
    vs_outbox box = {0};
    while (s->err == VS_OK && !atomic_load(&s->stop)) {
        vs_event event;
        vs_err err = vs_edge_wait(s->edge, &event, WAIT_MS);
        if (err == VS_ERR_TIMEOUT || (err == VS_OK && event.kind != VS_EVENT_REQUEST)) continue;
        bool good = err == VS_OK && add_piece(s, event.msg, event.len);
        vs_out *out = err == VS_OK ? vs_outbox_reply(&box, event.conn) : NULL;
        if (out == NULL) {
            s->err = err == VS_OK ? VS_ERR_NOMEM : err;
        } else {
            vs_buf_u8(&out->msg, good);
            s->err = vs_edge_flush(s->edge, &box, NULL);
        }
    }
    vs_outbox_free(&box);
    return NULL;
}

/* --- client --------------------------------------------------------------------------------------
 */

static vs_err send_piece(vs_edge *edge, uint32_t client, const float *vector, uint64_t offset,
                         size_t len, vs_diag *diag)
{
    vs_outbox box = {0};
    vs_event event;
    vs_out *out = vs_outbox_send(&box, VS_PEER_AGGREGATOR, offset + 1, REPLY_MS);
    if (out == NULL) return VS_ERR_NOMEM;
    vs_buf_u32(&out->msg, client);
    vs_buf_u64(&out->msg, offset);
    vs_buf_bytes(&out->msg, (const uint8_t *)vector + offset, len);
    vs_err err = vs_buf_check(&out->msg);
    if (err == VS_OK) err = vs_edge_flush(edge, &box, diag);
    vs_outbox_free(&box);
    while (err == VS_OK && vs_edge_wait(edge, &event, REPLY_MS) != VS_OK) continue;
    if (err != VS_OK) return err;
    if (event.kind == VS_EVENT_LOST) return vs_fail(diag, VS_ERR_IO, "plain: %s", event.text);
    if (event.len == 1 && event.msg[0] == 1) return VS_OK;
    return vs_fail(diag, VS_ERR_PROOF, "plain: the server refused a piece");
}

static vs_err run_one(void *ctx, uint32_t client, bool (*stop)(void *), void *stop_ctx,
                      uint64_t *bytes, vs_diag *diag)
{
    const vs_plain_spec *spec = ctx;
    const size_t total = spec->dim * sizeof(float);
    vs_edge *edge = NULL;
    float *vector = malloc(total);
    if (vector == NULL) return vs_fail(diag, VS_ERR_NOMEM, "plain: out of memory");
    for (uint32_t c = 0; c < spec->dim; c++) vector[c] = (float)vs_load_coordinate(client, c);
    vs_err err = vs_edge_new(&edge, NULL, 1, diag);
    if (err == VS_OK) err = vs_edge_set_peer(edge, VS_PEER_AGGREGATOR, spec->address, diag);
    for (size_t at = 0; err == VS_OK && at < total; at += PIECE_BYTES) {
        size_t len = total - at < PIECE_BYTES ? total - at : PIECE_BYTES;
        if (stop(stop_ctx)) err = vs_fail(diag, VS_ERR_STATE, "told to stop");
        if (err == VS_OK) err = send_piece(edge, client, vector, at, len, diag);
    }
    if (err == VS_OK) *bytes = total;
    vs_edge_free(edge);
    free(vector);
    return err;
}

/* --- both ----------------------------------------------------------------------------------------
 */

static vs_err check_sum(const server *s, const vs_plain_spec *spec, vs_diag *diag)
{
    if (s->bytes != (uint64_t)spec->clients * spec->dim * sizeof(float)) {
        return vs_fail(diag, VS_ERR_PROOF, "plain: the server added %llu bytes",
                       (unsigned long long)s->bytes);
    }
    for (uint32_t c = 0; c < spec->dim; c += CHECK_STEP) {
        double want = 0;
        for (uint32_t i = 0; i < spec->clients; i++) want += vs_load_coordinate(i, c);
        if (fabs(want - (double)s->sum[c]) > 1e-3 * (1 + sqrt((double)spec->clients))) {
            return vs_fail(diag, VS_ERR_PROOF, "plain: coordinate %u of the sum is wrong", c);
        }
    }
    return VS_OK;
}

vs_err vs_load_plain(vs_load_result *out, const vs_plain_spec *spec, vs_diag *diag)
{
    server s = {.dim = spec->dim, .sum = calloc(spec->dim, sizeof(float))};
    pthread_t thread;
    *out = (vs_load_result){0};
    if (s.sum == NULL) return vs_fail(diag, VS_ERR_NOMEM, "plain: out of memory");
    vs_err err = vs_edge_new(&s.edge, spec->address, INFLIGHT, diag);
    bool started = err == VS_OK && pthread_create(&thread, NULL, serve, &s) == 0;
    if (err == VS_OK && !started) err = vs_fail(diag, VS_ERR_IO, "plain: no thread");
    if (err == VS_OK) {
        vs_plain_spec copy = *spec;
        const vs_load_pool pool = {.clients = spec->clients,
                                   .parallel = spec->parallel,
                                   .job = run_one,
                                   .ctx = &copy,
                                   .watch = spec->watch,
                                   .watch_ctx = spec->watch_ctx};
        err = vs_load_pool_run(out, &pool, diag);
    }
    atomic_store(&s.stop, true);
    if (started) (void)pthread_join(thread, NULL);
    vs_edge_free(s.edge);
    if (err == VS_OK && s.err != VS_OK) err = vs_fail(diag, s.err, "plain: the server failed");
    if (err == VS_OK && out->failed > 0) {
        err = vs_fail(diag, VS_ERR_STATE, "plain: %u clients failed: %s", out->failed,
                      out->first_failure.text);
    }
    if (err == VS_OK) err = check_sum(&s, spec, diag);
    free(s.sum);
    return err;
}
