#include "net/aggregator.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/aggregator_impl.h"

void vs_ag_notice(ag_t *ag, const char *fmt, ...)
{
    vs_diag line;
    va_list args;
    if (ag->notice == NULL) return;
    va_start(args, fmt);
    (void)vsnprintf(line.text, sizeof line.text, fmt, args);
    va_end(args);
    for (char *c = line.text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F) *c = '?'; /* a peer may have written it */
    }
    ag->notice(ag->notice_ctx, line.text);
}

vs_round_id vs_ag_id(const ag_t *ag, uint64_t round)
{
    return (vs_round_id){.federation_id = ag->fed->id, .round = round};
}

void vs_ag_enter(ag_t *ag, vsw_Phase phase)
{
    ag->phase = phase;
    ag->phase_ms = ag->now_ms;
    ag->enough_ms = 0;
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        ag_peer *p = &ag->peer[j];
        p->op = AG_NONE;
        p->tag = 0;
        p->retry_ms = 0;
        p->backoff_ms = 0;
        p->done = p->failed = p->behind = false;
        p->evidence_done = false;
    }
    ag->own_logged = false;
    ag->evidence_from = 0;
    vs_buf_free(&ag->evidence);
}

/* --- shareholders ----------------------------------------------------------------------------- */

vs_err vs_ag_send(ag_t *ag, uint32_t j, ag_op op, vsw_Request *head, const void *body,
                  size_t body_len, uint32_t timeout_ms)
{
    ag_peer *p = &ag->peer[j];
    VS_ASSERT(p->op == AG_NONE);
    memcpy(head->federation_id, ag->fed->id.b, sizeof head->federation_id);
    vs_out *item = vs_outbox_send(ag->out, j, ++ag->last_tag, timeout_ms);
    if (item == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_request_encode(&item->msg, head, body, body_len);
    if (err != VS_OK) return err;
    p->op = op;
    p->tag = ag->last_tag;
    return VS_OK;
}

void vs_ag_peer_ok(ag_peer *p)
{
    p->retry_ms = 0;
    p->backoff_ms = 0;
}

void vs_ag_peer_retry(ag_t *ag, uint32_t j)
{
    ag_peer *p = &ag->peer[j];
    p->backoff_ms = p->backoff_ms == 0 ? VS_AG_BACKOFF_MIN_MS : 2 * p->backoff_ms;
    if (p->backoff_ms > VS_AG_BACKOFF_MAX_MS) p->backoff_ms = VS_AG_BACKOFF_MAX_MS;
    p->retry_ms = ag->now_ms + p->backoff_ms;
}

void vs_ag_peer_fail(ag_t *ag, uint32_t j, const char *fmt, ...)
{
    char why[300];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    ag->peer[j].failed = true;
    vs_ag_notice(ag, "shareholder %u is lost for %s: %s", j, vs_phase_name(ag->phase), why);
}

void vs_ag_peer_error(ag_t *ag, uint32_t j, const vsw_Error *error)
{
    switch (error->code) {
    case vsw_Code_UNKNOWN_ROUND: /* it may lack log entries, or `open` */
    case vsw_Code_STATE:
    case vsw_Code_NOT_FOUND:
        ag->peer[j].behind = true;
        ag->peer[j].opened = false;
        ag->peer[j].log_known = false;
        ag->peer[j].cosigned_size = 0;
        vs_ag_peer_retry(ag, j);
        return;
    case vsw_Code_BUSY: vs_ag_peer_retry(ag, j); return;
    default: vs_ag_peer_fail(ag, j, "%s: %s", vs_code_name(error->code), error->text); return;
    }
}

uint32_t vs_ag_count_done(const ag_t *ag)
{
    uint32_t n = 0;
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) n += ag->peer[j].done;
    return n;
}

bool vs_ag_any_waiting(const ag_t *ag, bool listed_only)
{
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        const ag_peer *p = &ag->peer[j];
        if (!p->done && !p->failed && (p->listed || !listed_only)) return true;
    }
    return false;
}

bool vs_ag_grace_over(ag_t *ag, bool met)
{
    if (!met) return false;
    if (ag->enough_ms == 0) ag->enough_ms = ag->now_ms;
    return ag->now_ms - ag->enough_ms >= VS_AG_GRACE_MS;
}

/* --- the pump --------------------------------------------------------------------------------- */

static vs_err advance(ag_t *ag, bool *moved)
{
    *moved = false;
    switch (ag->phase) {
    case vsw_Phase_OPENING: return vs_ag_open_advance(ag, moved);
    case vsw_Phase_COLLECT: return vs_ag_collect_advance(ag, moved);
    case vsw_Phase_LISTING: return vs_ag_list_advance(ag, moved);
    case vsw_Phase_VOTING: return vs_ag_vote_advance(ag, moved);
    case vsw_Phase_SETTING: return vs_ag_setting_advance(ag, moved);
    case vsw_Phase_ANSWERING: return vs_ag_answer_advance(ag, moved);
    case vsw_Phase_PUBLISHING: return vs_ag_publish_advance(ag, moved);
    case vsw_Phase_CLOSING: return vs_ag_close_advance(ag, moved);
    case vsw_Phase_IDLE:
    case vsw_Phase_FINAL:
    case vsw_Phase_ABORTED: return VS_OK;
    }
    return VS_OK;
}

/* Between rounds: the log first, then evidence. */
static vs_err idle_next(ag_t *ag, uint32_t j)
{
    vs_err err = vs_ag_follow_next(ag, j);
    return err == VS_OK && ag->peer[j].op == AG_NONE ? vs_ag_evidence_next(ag, j) : err;
}

static vs_err next_request(ag_t *ag, uint32_t j)
{
    switch (ag->phase) {
    case vsw_Phase_OPENING: return vs_ag_open_next(ag, j);
    case vsw_Phase_COLLECT: return vs_ag_collect_next(ag, j);
    case vsw_Phase_LISTING: return vs_ag_list_next(ag, j);
    case vsw_Phase_VOTING: return vs_ag_vote_next(ag, j);
    case vsw_Phase_ANSWERING: return vs_ag_answer_next(ag, j);
    case vsw_Phase_CLOSING: return vs_ag_close_next(ag, j);
    case vsw_Phase_SETTING:
    case vsw_Phase_PUBLISHING: return vs_ag_follow_next(ag, j);
    case vsw_Phase_IDLE:
    case vsw_Phase_FINAL:
    case vsw_Phase_ABORTED: return idle_next(ag, j);
    }
    return VS_OK;
}

static vs_err pump(ag_t *ag)
{
    bool moved = true;
    while (moved) { /* phases only go forward: it ends */
        vs_err err = advance(ag, &moved);
        if (err != VS_OK) return err;
    }
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        ag_peer *p = &ag->peer[j];
        if (p->op != AG_NONE || p->failed || p->retry_ms > ag->now_ms) continue;
        vs_err err = next_request(ag, j);
        if (err != VS_OK) return err;
    }
    return VS_OK;
}

/* --- events ----------------------------------------------------------------------------------- */

static vs_err take_reply(ag_t *ag, uint32_t j, ag_op op, const vs_reply *reply)
{
    switch (op) {
    case AG_ROUND_KEY: return vs_ag_open_reply(ag, j, reply);
    case AG_OPEN: return vs_ag_collect_reply(ag, j, reply);
    case AG_LIST: return vs_ag_list_reply(ag, j, reply);
    case AG_VOTE: return vs_ag_vote_reply(ag, j, reply);
    case AG_ANSWER:
    case AG_ANSWER_CHUNK: return vs_ag_answer_reply(ag, j, op, reply);
    case AG_CLOSE: return vs_ag_close_reply(ag, j, reply);
    case AG_EVIDENCE: return vs_ag_evidence_reply(ag, j, reply);
    case AG_STATUS:
    case AG_LOG_ENTRIES:
    case AG_SUM_SHARE:
    case AG_COSIGN: return vs_ag_follow_reply(ag, j, op, reply);
    case AG_NONE: break;
    }
    return VS_OK;
}

static vs_err on_answer(ag_t *ag, const vs_event *event)
{
    vs_reply reply;
    if (event->peer < 1 || event->peer > ag->fed->committee.n) return VS_OK;
    ag_peer *p = &ag->peer[event->peer];
    if (p->op == AG_NONE || p->tag != event->tag) return VS_OK; /* of an earlier phase */
    ag_op op = p->op;
    p->op = AG_NONE;
    p->tag = 0;
    if (event->kind == VS_EVENT_LOST) {
        if (op == AG_EVIDENCE) vs_ag_evidence_lost(ag, event->peer);
        vs_ag_peer_retry(ag, event->peer);
        return VS_OK;
    }
    if (vs_reply_decode(&reply, event->msg, event->len) != VS_OK) {
        vs_ag_peer_fail(ag, event->peer, "its reply does not decode");
        return VS_OK;
    }
    return take_reply(ag, event->peer, op, &reply);
}

vs_err vs_aggregator_step(vs_aggregator *ag, uint64_t now_ms, const vs_event *event, vs_outbox *out,
                          vs_diag *diag)
{
    vs_err err = VS_OK;
    ag->now_ms = now_ms;
    ag->out = out;
    ag->diag = diag;
    switch (event->kind) {
    case VS_EVENT_TICK: break;
    case VS_EVENT_REQUEST: err = vs_ag_serve(ag, event->conn, event->msg, event->len); break;
    case VS_EVENT_REPLY:
    case VS_EVENT_LOST: err = on_answer(ag, event); break;
    }
    if (err == VS_OK) err = pump(ag);
    if (err == VS_OK && out->failed) err = VS_ERR_NOMEM;
    if (err == VS_ERR_NOMEM) (void)vs_fail(diag, err, "aggregator: out of memory");
    ag->out = NULL;
    ag->diag = NULL;
    return err;
}

/* --- life ------------------------------------------------------------------------------------- */

vs_err vs_aggregator_new(vs_aggregator **out, const vs_federation *fed, const vs_keys *keys,
                         vs_log *log, vs_store store, vs_rng rng, uint64_t now_ms, vs_diag *diag)
{
    *out = NULL;
    if (!vs_h32_equal(&keys->pub.identity, &fed->aggregator.key)) {
        return vs_fail(
            diag, VS_ERR_STATE,
            "key %s is not the aggregator's key of federation %s: use the key file of %s",
            keys->pub.name, fed->name, fed->aggregator.name);
    }
    ag_t *ag = sodium_malloc(sizeof *ag); /* it holds the round's secret */
    if (ag == NULL) return vs_fail(diag, VS_ERR_NOMEM, "aggregator: out of memory");
    memset(ag, 0, sizeof *ag);
    ag->fed = fed;
    ag->keys = keys;
    ag->log = log;
    ag->store = store;
    ag->rng = rng;
    ag->now_ms = now_ms;
    ag->diag = diag;
    vs_err err = vs_ag_restore(ag);
    ag->diag = NULL;
    if (err != VS_OK) {
        vs_aggregator_free(ag);
        return err;
    }
    *out = ag;
    return VS_OK;
}

void vs_aggregator_free(vs_aggregator *ag)
{
    if (ag == NULL) return;
    for (uint32_t j = 1; j <= VS_SHAREHOLDERS_MAX; j++) {
        ag_peer *p = &ag->peer[j];
        free(p->list);
        vs_buf_free(&p->closed);
        vs_ag_answer_forget(p);
    }
    vs_buf_free(&ag->vote_body);
    vs_buf_free(&ag->evidence);
    vs_keyring_free(&ag->ring);
    free(ag->entries);
    free(ag->manifests);
    sodium_free(ag); /* wipes */
}

void vs_aggregator_on_notice(vs_aggregator *ag, void (*notice)(void *ctx, const char *text),
                             void *ctx)
{
    ag->notice = notice;
    ag->notice_ctx = ctx;
}
