#include "net/client_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define BACKOFF_MIN_MS 200u
#define BACKOFF_MAX_MS 2000u
#define MANIFEST_PATIENCE_MS 10000u /* the shareholders have it; the aggregator is only told */

/* --- small parts -------------------------------------------------------------------------------
 */

void vs_client_fail(vs_client *c, const char *fmt, ...)
{
    char text[VS_DIAG_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)vs_fail(&c->status.error, VS_ERR_STATE, "%s", text);
    c->status.phase = VS_CLIENT_FAILED;
}

/* What it waits for: shown when the user's patience ends first. */
void vs_client_wait(vs_client *c, uint64_t now_ms, const char *what, const char *text)
{
    vs_client_link_failed(&c->aggregator, now_ms, "%s%s%s", what, text[0] ? ": " : "", text);
    (void)vs_fail(&c->status.error, VS_OK, "%s", c->aggregator.why);
}

void vs_client_link_failed(vs_client_link *link, uint64_t now_ms, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(link->why, sizeof link->why, fmt, args);
    va_end(args);
    if (link->failing_since == 0) link->failing_since = link->sent_at;
    link->backoff_ms = link->backoff_ms == 0 ? BACKOFF_MIN_MS : 2 * link->backoff_ms;
    if (link->backoff_ms > BACKOFF_MAX_MS) link->backoff_ms = BACKOFF_MAX_MS;
    link->retry_at = now_ms + link->backoff_ms;
}

void vs_client_link_ok(vs_client_link *link)
{
    link->failing_since = 0;
    link->backoff_ms = 0;
    link->retry_at = 0;
    link->why[0] = '\0';
}

vs_out *vs_client_post(vs_client *c, vs_outbox *out, uint32_t peer, vs_client_link *link,
                       uint64_t now_ms, uint32_t timeout_ms)
{
    vs_out *item = vs_outbox_send(out, peer, ++c->last_tag, timeout_ms);
    if (item == NULL) return NULL;
    link->in_flight = true;
    link->tag = c->last_tag;
    link->sent_at = now_ms;
    return item;
}

vsw_Request vs_client_request(const vs_client *c, pb_size_t op)
{
    vsw_Request head = vsw_Request_init_zero;
    memcpy(head.federation_id, c->fed->id.b, 32);
    head.which_op = op;
    return head;
}

/* --- new, free ---------------------------------------------------------------------------------
 */

static vs_err check_input(const vs_federation *fed, const vs_keys *keys,
                          const vs_client_input *input, vs_diag *diag)
{
    vs_quantise_scale scale;
    if (input->skip_norm_clip && (!fed->demo || fed->privacy.mechanism != VS_MECHANISM_NONE)) {
        return vs_fail(diag, VS_ERR_STATE,
                       "updates stay unclipped only in a federation marked demo, without noise");
    }
    if (input->reveal != NULL && !fed->demo) {
        return vs_fail(diag, VS_ERR_STATE,
                       "quantised updates may be revealed only in a federation marked demo");
    }
    if (input->purpose != NULL && strlen(input->purpose) > VS_CLIENT_PURPOSE_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "the purpose is longer than %u bytes",
                       VS_CLIENT_PURPOSE_MAX);
    }
    if (fed->metrics && !input->has_metrics) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "federation %s sums metrics: the loss and the accuracy are missing",
                       fed->name);
    }
    if (fed->metrics) {
        const vs_metrics m = {.loss = input->loss, .accuracy = input->accuracy};
        vs_err err = vs_metrics_check(&m, diag);
        if (err != VS_OK) return err;
    }
    if (input->dim == 0 || input->dim > VS_DIM_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "the update has %" PRIu64 " coordinates: 1 to %u can be sent", input->dim,
                       VS_DIM_MAX);
    }
    if (vs_enrolment_check(input->enrolment, &fed->id, &keys->pub.identity, &fed->admin_key) !=
        VS_OK) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "the enrolment does not admit client key %s to federation %s: ask the "
                       "federation's admin for one",
                       keys->pub.name, fed->name);
    }
    return vs_quantise_scan(&scale, &fed->quantiser, input->update, (size_t)input->dim,
                            input->weight, diag);
}

vs_err vs_client_new(vs_client **out, const vs_federation *fed, const vs_keys *keys, vs_store store,
                     vs_rng rng, const vs_client_input *input, vs_diag *diag)
{
    VS_ASSERT(out != NULL && fed != NULL && keys != NULL && store.ops != NULL && input != NULL);
    VS_ASSERT(input->update != NULL || input->dim == 0);
    *out = NULL;
    vs_err err = check_input(fed, keys, input, diag);
    if (err != VS_OK) return err;
    vs_client *c = calloc(1, sizeof *c);
    if (c == NULL) return vs_fail(diag, VS_ERR_NOMEM, "no memory for a client");
    c->fed = fed;
    c->keys = keys;
    c->store = store;
    c->rng = rng;
    c->input = *input;
    (void)snprintf(c->purpose, sizeof c->purpose, "%s",
                   input->purpose != NULL ? input->purpose : "");
    c->input.purpose = c->purpose;
    if (input->threads > 1) err = vs_pool_new(&c->pool, input->threads);
    if (err != VS_OK) {
        vs_client_free(c);
        return vs_fail(diag, err, "cannot start %u threads (at most %u)", input->threads,
                       VS_THREADS_MAX);
    }
    c->status.phase = VS_CLIENT_ASKING;
    c->status.round = input->round;
    vs_client_record_name(c);
    *out = c;
    return VS_OK;
}

/* Everything that could tell the update. */
static void drop_secrets(vs_client *c)
{
    uint32_t r = vs_committee_r(&c->fed->committee);
    vs_client_send_free(c);
    vs_encoder_free(c->encoder);
    c->encoder = NULL;
    if (c->proofs != NULL) sodium_memzero(c->proofs, r * sizeof *c->proofs);
    free(c->proofs);
    c->proofs = NULL;
    if (c->roots != NULL) {
        sodium_memzero(c->roots, c->round.open.n_shareholders * sizeof *c->roots);
    }
    free(c->roots);
    c->roots = NULL;
}

void vs_client_free(vs_client *client)
{
    if (client == NULL) return;
    drop_secrets(client);
    vs_buf_free(&client->header_bytes);
    vs_buf_free(&client->trailer_bytes);
    vs_buf_free(&client->open);
    vs_pool_free(client->pool);
    sodium_memzero(client, sizeof *client);
    free(client);
}

const vs_client_status *vs_client_state(const vs_client *client)
{
    VS_ASSERT(client != NULL);
    return &client->status;
}

bool vs_client_is_busy(const vs_client *client)
{
    VS_ASSERT(client != NULL);
    if (client->status.phase == VS_CLIENT_HASHING) return true;
    if (client->status.phase != VS_CLIENT_SENDING || client->w_ready) return false;
    for (uint32_t i = 0; i < client->n_peers; i++) {
        if (client->peers[i].state == VS_CLIENT_PEER_FINISH) return true;
    }
    return false;
}

/* --- the end -----------------------------------------------------------------------------------
 */

/* note: what the aggregator had against the manifest, or "". */
static vs_err finish(vs_client *c, const char *note, vs_diag *diag)
{
    char excuses[300];
    vs_err err = vs_client_record_end(c, VS_CLIENT_RECORD_DONE, diag);
    if (err != VS_OK) return err;
    vs_client_send_excuses(c, excuses, sizeof excuses);
    (void)vs_fail(&c->status.error, VS_OK, "%s%s%s", excuses,
                  excuses[0] != '\0' && note[0] != '\0' ? "; " : "", note);
    c->status.phase = VS_CLIENT_DONE;
    return VS_OK;
}

static vs_err post_manifest(vs_client *c, uint64_t now_ms, vs_outbox *out)
{
    if (c->aggregator.in_flight || now_ms < c->aggregator.retry_at) return VS_OK;
    vsw_Request head = vs_client_request(c, vsw_Request_manifest_tag);
    vs_buf body = {0};
    head.op.manifest.round = c->round.id.round;
    vs_buf_bytes(&body, c->header_bytes.p, c->header_bytes.len);
    vs_buf_bytes(&body, c->header_sig, sizeof c->header_sig);
    vs_buf_bytes(&body, c->input.enrolment, sizeof c->input.enrolment);
    vs_buf_bytes(&body, c->trailer_bytes.p, c->trailer_bytes.len);
    vs_buf_bytes(&body, c->trailer_sig, sizeof c->trailer_sig);
    vs_err err = vs_buf_check(&body);
    vs_out *item = NULL;
    if (err == VS_OK) {
        item = vs_client_post(c, out, VS_PEER_AGGREGATOR, &c->aggregator, now_ms,
                              VS_CLIENT_ASK_TIMEOUT_MS);
        err = item == NULL ? VS_ERR_NOMEM : vs_request_encode(&item->msg, &head, body.p, body.len);
    }
    vs_buf_free(&body);
    return err;
}

static vs_err take_manifest_reply(vs_client *c, uint64_t now_ms, const vs_event *event,
                                  vs_diag *diag)
{
    vs_reply reply;
    char note[sizeof c->aggregator.why + 64];
    if (event->kind == VS_EVENT_LOST) {
        vs_client_link_failed(&c->aggregator, now_ms, "the aggregator is unreachable: %s",
                              event->text != NULL ? event->text : "");
    } else if (vs_reply_decode(&reply, event->msg, event->len) != VS_OK) {
        vs_client_link_failed(&c->aggregator, now_ms, "the aggregator sent what is not a reply");
    } else if (reply.head.which_result != vsw_Reply_error_tag) {
        return finish(c, "", diag);
    } else if (vs_client_is_transient(reply.head.result.error.code)) {
        vs_client_link_failed(&c->aggregator, now_ms,
                              "the aggregator did not take the manifest: %s",
                              vs_code_name(reply.head.result.error.code));
    } else {
        (void)snprintf(note, sizeof note, "the aggregator did not take the manifest: %s: %.200s",
                       vs_code_name(reply.head.result.error.code), reply.head.result.error.text);
        return finish(c, note, diag);
    }
    if (now_ms >= c->started_ms + MANIFEST_PATIENCE_MS) return finish(c, c->aggregator.why, diag);
    return VS_OK;
}

/* --- step --------------------------------------------------------------------------------------
 */

static vs_err take_aggregator(vs_client *c, uint64_t now_ms, const vs_event *event, vs_diag *diag)
{
    vs_reply reply;
    if (c->status.phase == VS_CLIENT_MANIFEST) {
        return take_manifest_reply(c, now_ms, event, diag);
    }
    if (c->status.phase != VS_CLIENT_ASKING) return VS_OK;
    if (event->kind == VS_EVENT_LOST) {
        vs_client_wait(c, now_ms, "the aggregator is unreachable",
                       event->text != NULL ? event->text : "");
        return VS_OK;
    }
    if (vs_reply_decode(&reply, event->msg, event->len) != VS_OK) {
        vs_client_wait(c, now_ms, "the aggregator sent what is not a reply", "");
        return VS_OK;
    }
    return vs_client_ask_reply(c, now_ms, &reply, diag);
}

static vs_err take(vs_client *c, uint64_t now_ms, const vs_event *event, vs_diag *diag)
{
    if (event->peer == VS_PEER_AGGREGATOR) {
        if (!c->aggregator.in_flight || event->tag != c->aggregator.tag) return VS_OK;
        c->aggregator.in_flight = false;
        return take_aggregator(c, now_ms, event, diag);
    }
    for (uint32_t i = 0; i < c->n_peers; i++) {
        vs_client_peer *p = &c->peers[i];
        if (p->j != event->peer || !p->link.in_flight || p->link.tag != event->tag) continue;
        p->link.in_flight = false;
        return vs_client_send_reply(c, p, now_ms, event);
    }
    return VS_OK; /* late, or of nobody: ignored */
}

static vs_err reveal(vs_client *c)
{
    if (c->input.reveal == NULL) return VS_OK;
    uint32_t n = c->round.layout.dim;
    uint32_t *coords = malloc((size_t)n * sizeof *coords);
    if (coords == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_encoder_coordinates(c->encoder, coords);
    if (err == VS_OK) c->input.reveal(c->input.reveal_ctx, c->round.id.round, coords, n);
    sodium_memzero(coords, (size_t)n * sizeof *coords);
    free(coords);
    return err;
}

static vs_err hash(vs_client *c, uint64_t now_ms, vs_outbox *out, vs_diag *diag)
{
    bool done = false;
    vs_err err = vs_client_hash_slice(c, &done);
    if (err != VS_OK || !done) return err;
    err = vs_client_send_start(c, now_ms);
    if (err == VS_OK) err = reveal(c);
    return err == VS_OK ? vs_client_send_pump(c, now_ms, out, diag) : err;
}

static vs_err advance(vs_client *c, uint64_t now_ms, vs_outbox *out, vs_diag *diag)
{
    vs_err err = VS_OK;
    if (c->status.phase == VS_CLIENT_ASKING) err = vs_client_ask(c, now_ms, out, diag);
    if (err == VS_OK && c->status.phase == VS_CLIENT_HASHING) err = hash(c, now_ms, out, diag);
    if (err == VS_OK && c->status.phase == VS_CLIENT_SENDING) {
        err = vs_client_send_pump(c, now_ms, out, diag);
    }
    if (err == VS_OK && c->status.phase == VS_CLIENT_MANIFEST) err = post_manifest(c, now_ms, out);
    return err;
}

vs_err vs_client_step(vs_client *client, uint64_t now_ms, const vs_event *event, vs_outbox *out,
                      vs_diag *diag)
{
    VS_ASSERT(client != NULL && event != NULL && out != NULL);
    VS_ASSERT(event->kind != VS_EVENT_REQUEST);
    vs_client_status *s = &client->status;
    if (s->phase == VS_CLIENT_DONE || s->phase == VS_CLIENT_FAILED) return VS_OK;
    vs_err err = VS_OK;
    if (diag != NULL) diag->text[0] = '\0';
    if (event->kind != VS_EVENT_TICK) err = take(client, now_ms, event, diag);
    if (err == VS_OK) err = advance(client, now_ms, out, diag);
    if (s->phase == VS_CLIENT_DONE || s->phase == VS_CLIENT_FAILED) drop_secrets(client);
    if (err != VS_OK && diag != NULL && diag->text[0] == '\0') {
        return vs_fail(diag, err, "the client cannot go on: %s", vs_err_name(err));
    }
    return err;
}
