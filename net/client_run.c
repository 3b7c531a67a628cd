#include "net/client_run.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "net/edge.h"

#define TICK_MS 100u

static uint64_t now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static vs_err dial(vs_edge *edge, const vs_federation *fed, vs_diag *diag)
{
    vs_err err = vs_edge_set_peer(edge, VS_PEER_AGGREGATOR, fed->aggregator.address, diag);
    for (uint32_t j = 1; err == VS_OK && j <= fed->committee.n; j++) {
        err = vs_edge_set_peer(edge, j, fed->shareholder[j - 1].party.address, diag);
    }
    return err;
}

/* What counts as progress: anything that the user could see. */
typedef struct mark {
    vs_client_phase phase;
    uint32_t receipts;
    uint64_t bytes, at_ms;
} mark;

static bool is_patient(mark *m, const vs_client_status *s, uint64_t now, uint64_t patience_ms)
{
    if (m->phase != s->phase || m->receipts != s->receipts || m->bytes != s->bytes_sent) {
        *m = (mark){s->phase, s->receipts, s->bytes_sent, now};
    }
    return patience_ms == 0 || now < m->at_ms + patience_ms;
}

static vs_err out_of_patience(const vs_client_status *s, uint64_t patience_ms, vs_diag *diag)
{
    if (s->phase == VS_CLIENT_SENDING || s->phase == VS_CLIENT_MANIFEST) {
        return vs_fail(diag, VS_ERR_TIMEOUT,
                       "round %" PRIu64 ": no progress for %" PRIu64
                       " s with %u of %u receipts, %u needed; run it again to go on",
                       s->round, patience_ms / 1000, s->receipts, s->listed, s->needed);
    }
    return vs_fail(diag, VS_ERR_TIMEOUT, "no progress for %" PRIu64 " s: %s", patience_ms / 1000,
                   s->error.text[0] != '\0' ? s->error.text : "no answer");
}

static vs_err loop(vs_client *client, vs_edge *edge, vs_outbox *out,
                   const vs_client_run_options *options, vs_diag *diag)
{
    const vs_client_status *s = vs_client_state(client);
    mark m = {.phase = s->phase, .at_ms = now_ms()};
    vs_event event = {.kind = VS_EVENT_TICK};
    for (;;) {
        uint64_t now = now_ms();
        vs_err err = vs_client_step(client, now, &event, out, diag);
        if (options->progress != NULL) options->progress(options->progress_ctx, s);
        if (err != VS_OK || s->phase == VS_CLIENT_DONE) return err;
        if (s->phase == VS_CLIENT_FAILED) return vs_fail(diag, VS_ERR_STATE, "%s", s->error.text);
        if (!is_patient(&m, s, now, options->patience_ms)) {
            return out_of_patience(s, options->patience_ms, diag);
        }
        if (options->stop != NULL && options->stop(options->stop_ctx)) {
            return vs_fail(diag, VS_ERR_STATE, "told to stop; run it again to go on");
        }
        err = vs_edge_flush(edge, out, diag);
        if (err != VS_OK) return err;
        err = vs_edge_wait(edge, &event, vs_client_is_busy(client) ? 0 : TICK_MS);
        if (err != VS_OK && err != VS_ERR_TIMEOUT) {
            return vs_fail(diag, err, "waiting for the network: %s", vs_err_name(err));
        }
        if (err == VS_ERR_TIMEOUT) event = (vs_event){.kind = VS_EVENT_TICK};
    }
}

vs_err vs_client_run(vs_client_status *status, const vs_federation *fed, const vs_keys *keys,
                     vs_store store, const vs_client_input *input,
                     const vs_client_run_options *options, vs_diag *diag)
{
    VS_ASSERT(status != NULL && fed != NULL && keys != NULL && input != NULL && options != NULL);
    vs_client *client = NULL;
    vs_edge *edge = NULL;
    vs_outbox out = {0};
    *status = (vs_client_status){0};
    vs_err err = vs_client_new(&client, fed, keys, store, vs_rng_system(), input, diag);
    if (err != VS_OK) return err;
    err = vs_edge_new_tls(&edge, NULL, fed->committee.n + 1, fed->tls, diag);
    if (err == VS_OK) err = dial(edge, fed, diag);
    if (err == VS_OK) err = loop(client, edge, &out, options, diag);
    *status = *vs_client_state(client);
    vs_outbox_free(&out);
    vs_edge_free(edge);
    vs_client_free(client);
    return err;
}
