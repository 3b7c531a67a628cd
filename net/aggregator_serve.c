/* Requests of clients, admins and auditors. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/aggregator_impl.h"

#define CONTROL_WINDOW_S 300u

/* --- replies ---------------------------------------------------------------------------------- */

vs_err vs_ag_reply(ag_t *ag, uint64_t conn, const vsw_Reply *head, const void *body,
                   size_t body_len)
{
    vs_out *item = vs_outbox_reply(ag->out, conn);
    if (item == NULL) return VS_ERR_NOMEM;
    return vs_reply_encode(&item->msg, head, body, body_len);
}

vs_err vs_ag_reply_error(ag_t *ag, uint64_t conn, vsw_Code code, uint64_t value, const char *fmt,
                         ...)
{
    char text[sizeof((vsw_Error *)0)->text];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    vs_out *item = vs_outbox_reply(ag->out, conn);
    if (item == NULL) return VS_ERR_NOMEM;
    return vs_reply_error(&item->msg, code, value, "%s", text);
}

static vs_err reply_body(ag_t *ag, uint64_t conn, const vs_buf *body)
{
    vsw_Reply head = {.which_result = vsw_Reply_ok_tag};
    return vs_ag_reply(ag, conn, &head, body->p, body->len);
}

/* --- who may ---------------------------------------------------------------------------------- */

static bool is_fresh_and_signed(const ag_t *ag, const vsw_Control *c, vs_operation op,
                                uint64_t round, const vs_buf *arguments)
{
    static const uint8_t none[1] = {0};
    vs_round_id id = vs_ag_id(ag, round);
    uint64_t now = ag->now_ms / 1000;
    uint64_t apart = now > c->unix_time ? now - c->unix_time : c->unix_time - now;
    vs_buf statement = {0};
    vs_h32 hash;
    vs_h32 key;
    if (apart > CONTROL_WINDOW_S || arguments->failed) return false;
    vs_sha256(&hash, arguments->p == NULL ? none : arguments->p, arguments->len);
    memcpy(key.b, c->key, sizeof key.b);
    bool ok = vs_control_bytes(&statement, &id, op, c->unix_time, &hash) == VS_OK &&
              vs_verify(c->signature, statement.p, statement.len, &key) == VS_OK;
    vs_buf_free(&statement);
    return ok;
}

bool vs_ag_is_admin(const ag_t *ag, bool has_control, const vsw_Control *control, vs_operation op,
                    uint64_t round, const vs_buf *arguments)
{
    if (!has_control || memcmp(control->key, ag->fed->admin_key.b, VS_H32_BYTES) != 0) return false;
    return is_fresh_and_signed(ag, control, op, round, arguments);
}

bool vs_ag_is_member(const ag_t *ag, bool has_control, const vsw_Control *control,
                     const vs_buf *arguments)
{
    vs_h32 key;
    if (!has_control) return false;
    memcpy(key.b, control->key, sizeof key.b);
    uint32_t j = vs_federation_shareholder(ag->fed, &key);
    bool member = vs_h32_equal(&key, &ag->fed->admin_key) || (j != 0 && !ag->ring.revoked[j]) ||
                  vs_keyring_admits(&ag->ring, ag->fed, &key, control->enrolment) == VS_OK;
    return member && is_fresh_and_signed(ag, control, VS_OPERATION_READ_BLOB, 0, arguments);
}

/* --- round_info ------------------------------------------------------------------------------- */

/* From the log: a finished round. */
static vs_err info_from_log(ag_t *ag, vsw_RoundInfo *info)
{
    uint64_t index;
    vs_err err = VS_OK;
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    if (vs_ag_find(ag, info->round, VS_ENTRY_OPEN, 0, &index)) {
        err = vs_ag_read_entry(ag, index, entry, NULL);
        info->deadline = entry->u.open.deadline;
        info->hard_expiry = entry->u.open.hard_expiry;
        info->shareholders_open = entry->u.open.n_shareholders;
    }
    if (err == VS_OK && vs_ag_find(ag, info->round, VS_ENTRY_SET, 0, &index)) {
        err = vs_ag_read_entry(ag, index, entry, NULL);
        info->clients_included = entry->u.set.count;
        info->clients_submitted = entry->u.set.count + entry->u.set.rejected_count;
    } else if (err == VS_OK) {
        err = vs_ag_submitted(ag, info->round, &info->clients_submitted);
    }
    while (vs_ag_find(ag, info->round, VS_ENTRY_ANSWER, info->shareholders_answered, &index)) {
        info->shareholders_answered++;
    }
    if (err == VS_OK && vs_ag_find(ag, info->round, VS_ENTRY_ABORT, 0, &index)) {
        err = vs_ag_read_entry(ag, index, entry, NULL);
        info->phase = vsw_Phase_ABORTED;
        (void)snprintf(info->detail, sizeof info->detail, "%s: %s",
                       vs_abort_reason_name(entry->u.abort.reason), entry->u.abort.detail);
    } else if (err == VS_OK && vs_ag_find(ag, info->round, VS_ENTRY_RESULT, 0, &index)) {
        err = vs_ag_read_entry(ag, index, entry, NULL);
        bool publishing = info->round == ag->last_round && ag->phase == vsw_Phase_PUBLISHING;
        info->phase = publishing ? vsw_Phase_PUBLISHING : vsw_Phase_FINAL;
        (void)snprintf(info->detail, sizeof info->detail, "%u clients, %u answers, %s",
                       entry->u.result.count, entry->u.result.n_answers,
                       entry->u.result.certain ? "certain" : "uncertain");
    }
    free(entry);
    return err;
}

/* What a round that runs waits for. */
static void live_detail(const ag_t *ag, vsw_RoundInfo *info)
{
    uint32_t have = vs_ag_count_done(ag);
    const vs_committee *c = &ag->fed->committee;
    char *out = info->detail;
    size_t cap = sizeof info->detail;
    switch (ag->phase) {
    case vsw_Phase_OPENING: (void)snprintf(out, cap, "%u of %u round keys", have, c->n); break;
    case vsw_Phase_COLLECT: (void)snprintf(out, cap, "collecting"); break;
    case vsw_Phase_LISTING: (void)snprintf(out, cap, "%u lists", have); break;
    case vsw_Phase_VOTING:
        (void)snprintf(out, cap, "%u of %u votes", have, vs_committee_q(c));
        break;
    case vsw_Phase_SETTING:
        (void)snprintf(out, cap, "%u of %u cosignatures", vs_ag_cosigned(ag), vs_committee_q(c));
        break;
    case vsw_Phase_ANSWERING:
        (void)snprintf(out, cap, "%u answers, %u wanted", have, vs_committee_r(c) + c->margin);
        break;
    case vsw_Phase_CLOSING:
        (void)snprintf(out, cap, "%u of %u closed statements", have, vs_committee_closed(c));
        break;
    default: break;
    }
}

vs_err vs_ag_round_info(ag_t *ag, uint64_t round, vsw_RoundInfo *info)
{
    uint64_t index;
    *info = (vsw_RoundInfo){.round = round, .next_round = ag->last_round + 1};
    if (round == ag->last_round + 1) { /* opening, or an attempt that failed */
        info->phase = ag->phase == vsw_Phase_OPENING ? vsw_Phase_OPENING : vsw_Phase_IDLE;
        if (ag->phase == vsw_Phase_OPENING)
            live_detail(ag, info);
        else
            (void)snprintf(info->detail, sizeof info->detail, "%s", ag->detail);
        return VS_OK;
    }
    bool finished = vs_ag_find(ag, round, VS_ENTRY_RESULT, 0, &index) ||
                    vs_ag_find(ag, round, VS_ENTRY_ABORT, 0, &index);
    if (finished) return info_from_log(ag, info);
    info->phase = ag->phase;
    info->clients_submitted = ag->n_manifests;
    info->clients_included = ag->included;
    info->shareholders_open = ag->round.open.n_shareholders;
    if (ag->phase == vsw_Phase_ANSWERING) info->shareholders_answered = vs_ag_count_done(ag);
    info->deadline = ag->round.open.deadline;
    info->hard_expiry = ag->round.open.hard_expiry;
    live_detail(ag, info);
    return VS_OK;
}

static vs_err serve_round_info(ag_t *ag, uint64_t conn, uint64_t round)
{
    vsw_Reply head = {.which_result = vsw_Reply_round_info_tag};
    vs_buf envelope = {0};
    uint64_t index;
    bool none = round == 0 && ag->last_round == 0 && ag->phase != vsw_Phase_OPENING;
    if (round == 0) round = ag->last_round + (none || ag->phase == vsw_Phase_OPENING);
    if (round > ag->last_round + 1) {
        return vs_ag_reply_error(ag, conn, vsw_Code_UNKNOWN_ROUND, ag->last_round,
                                 "the newest round is %" PRIu64, ag->last_round);
    }
    vs_err err = vs_ag_round_info(ag, round, &head.result.round_info);
    if (none) head.result.round_info.round = 0;
    if (err == VS_OK && vs_ag_find(ag, round, VS_ENTRY_OPEN, 0, &index)) {
        err = vs_log_entry(ag->log, index, &envelope, ag->diag);
    }
    if (err == VS_OK) err = vs_ag_reply(ag, conn, &head, envelope.p, envelope.len);
    vs_buf_free(&envelope);
    return err;
}

/* --- entries ---------------------------------------------------------------------------------- */

static vs_err serve_entry(ag_t *ag, uint64_t conn, const vsw_Entry *m)
{
    vs_entry_kind kind;
    vs_buf envelope = {0};
    uint64_t index;
    if (vs_entry_kind_parse(&kind, m->kind) != VS_OK) {
        return vs_ag_reply_error(ag, conn, vsw_Code_NOT_FOUND, 0, "no such kind of entry");
    }
    if (!vs_ag_find(ag, m->round, kind, m->nth, &index)) {
        return vs_ag_reply_error(ag, conn, vsw_Code_NOT_FOUND, 0,
                                 "round %" PRIu64 " has no %s entry number %u", m->round, m->kind,
                                 m->nth);
    }
    vs_err err = vs_log_entry(ag->log, index, &envelope, ag->diag);
    if (err == VS_OK) err = reply_body(ag, conn, &envelope);
    vs_buf_free(&envelope);
    return err;
}

/* The closed statements of a round that was closed, and only of such a round. */
static vs_err serve_closure(ag_t *ag, uint64_t conn, uint64_t round)
{
    vsw_Reply head = {.which_result = vsw_Reply_count_tag};
    vs_buf body = {0};
    vs_buf envelope = {0};
    uint64_t index;
    uint32_t n = 0;
    vs_err err = VS_OK;
    while (err == VS_OK && vs_ag_find(ag, round, VS_ENTRY_CLOSED, n, &index)) {
        vs_buf_reset(&envelope);
        err = vs_log_entry(ag->log, index, &envelope, ag->diag);
        vs_buf_u32(&body, (uint32_t)envelope.len);
        vs_buf_bytes(&body, envelope.p, envelope.len);
        if (err == VS_OK) err = vs_buf_check(&body);
        n++;
    }
    head.result.count.count = n;
    if (err == VS_OK && n < vs_committee_closed(&ag->fed->committee)) {
        err = vs_ag_reply_error(ag, conn, vsw_Code_NOT_FOUND, n, "round %" PRIu64 " is not closed",
                                round);
    } else if (err == VS_OK) {
        err = vs_ag_reply(ag, conn, &head, body.p, body.len);
    }
    vs_buf_free(&envelope);
    vs_buf_free(&body);
    return err;
}

/* --- control ---------------------------------------------------------------------------------- */

/* VS_OK and *refused when a reply was sent already. */
static vs_err check_control(ag_t *ag, uint64_t conn, const vsw_ControlRound *m, vs_operation op,
                            bool *refused)
{
    vs_buf none = {0};
    uint64_t current = ag->phase == vsw_Phase_OPENING ? ag->request.round : ag->last_round;
    *refused = true;
    if (!vs_ag_is_admin(ag, m->has_control, &m->control, op, m->round, &none)) {
        return vs_ag_reply_error(ag, conn, vsw_Code_UNAUTHORISED, 0,
                                 "only the federation's admin key controls rounds");
    }
    if (m->round != current || m->round == 0) {
        return vs_ag_reply_error(ag, conn, vsw_Code_UNKNOWN_ROUND, current,
                                 "the newest round is %" PRIu64, current);
    }
    *refused = false;
    return VS_OK;
}

static vs_err wrong_phase(ag_t *ag, uint64_t conn, const char *what)
{
    return vs_ag_reply_error(ag, conn, vsw_Code_STATE, 0,
                             "cannot %s: round %" PRIu64 " is in phase %s", what, ag->last_round,
                             vs_phase_name(ag->phase));
}

static vs_err serve_close(ag_t *ag, uint64_t conn, const vsw_ControlRound *m)
{
    bool refused = false;
    vs_buf none = {0};
    vs_err err = check_control(ag, conn, m, VS_OPERATION_CLOSE, &refused);
    if (err != VS_OK || refused) return err;
    if (ag->phase != vsw_Phase_COLLECT) return wrong_phase(ag, conn, "close collection");
    err = vs_ag_collect_end(ag);
    return err == VS_OK ? reply_body(ag, conn, &none) : err;
}

static vs_err serve_cancel(ag_t *ag, uint64_t conn, const vsw_ControlRound *m)
{
    bool refused = false;
    vs_buf none = {0};
    vs_err err = check_control(ag, conn, m, VS_OPERATION_CANCEL, &refused);
    if (err != VS_OK || refused) return err;
    switch (ag->phase) {
    case vsw_Phase_OPENING: err = vs_ag_open_cancel(ag); break;
    case vsw_Phase_COLLECT:
    case vsw_Phase_LISTING:
    case vsw_Phase_VOTING:
        err = vs_ag_closing_begin(ag, VS_ABORT_CANCELLED, "by the admin in phase %s",
                                  vs_phase_name(ag->phase));
        break;
    case vsw_Phase_SETTING:
    case vsw_Phase_ANSWERING:
        err = vs_ag_abort(ag, VS_ABORT_CANCELLED, "by the admin, after the set was fixed");
        break;
    case vsw_Phase_CLOSING: break; /* it ends anyway */
    default: return wrong_phase(ag, conn, "cancel");
    }
    return err == VS_OK ? reply_body(ag, conn, &none) : err;
}

static vs_err serve_status(ag_t *ag, uint64_t conn)
{
    vsw_Reply head = {.which_result = vsw_Reply_status_tag};
    vsw_StatusReply *s = &head.result.status;
    (void)snprintf(s->role, sizeof s->role, "aggregator");
    (void)snprintf(s->version, sizeof s->version, "%s", VS_VERSION);
    s->round = ag->phase == vsw_Phase_OPENING ? ag->request.round : ag->last_round;
    s->phase = ag->phase;
    s->log_size = vs_log_size(ag->log);
    s->unix_ms = ag->now_ms;
    return vs_ag_reply(ag, conn, &head, NULL, 0);
}

/* --- dispatch --------------------------------------------------------------------------------- */

vs_err vs_ag_serve(ag_t *ag, uint64_t conn, const uint8_t *msg, size_t len)
{
    vs_request *q = malloc(sizeof *q);
    if (q == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_request_decode(q, msg, len);
    const vsw_Request *h = &q->head;
    if (err != VS_OK) {
        err = vs_ag_reply_error(ag, conn, vsw_Code_MALFORMED, 0, "the request does not decode");
    } else if (memcmp(h->federation_id, ag->fed->id.b, VS_H32_BYTES) != 0) {
        err = vs_ag_reply_error(ag, conn, vsw_Code_WRONG_FEDERATION, 0,
                                "this aggregator serves federation %s", ag->fed->name);
    } else {
        switch (h->which_op) {
        case vsw_Request_status_tag: err = serve_status(ag, conn); break;
        case vsw_Request_round_info_tag:
            err = serve_round_info(ag, conn, h->op.round_info.round);
            break;
        case vsw_Request_manifest_tag:
            err = vs_ag_manifest(ag, conn, h->op.manifest.round, q->body, q->body_len);
            break;
        case vsw_Request_closure_tag: err = serve_closure(ag, conn, h->op.closure.round); break;
        case vsw_Request_blob_tag: err = vs_ag_blob_serve(ag, conn, &h->op.blob); break;
        case vsw_Request_entry_tag: err = serve_entry(ag, conn, &h->op.entry); break;
        case vsw_Request_control_open_tag:
            err = vs_ag_open_request(ag, conn, &h->op.control_open);
            break;
        case vsw_Request_control_close_tag:
            err = serve_close(ag, conn, &h->op.control_close);
            break;
        case vsw_Request_control_cancel_tag:
            err = serve_cancel(ag, conn, &h->op.control_cancel);
            break;
        case vsw_Request_control_blob_tag:
            err = vs_ag_blob_take(ag, conn, &h->op.control_blob, q->body, q->body_len);
            break;
        case vsw_Request_control_key_tag:
            err = vs_ag_key_request(ag, conn, q->body, q->body_len);
            break;
        default:
            err = vs_ag_reply_error(ag, conn, vsw_Code_REFUSED, 0,
                                    "this request is for a shareholder, not for the aggregator");
        }
    }
    free(q);
    return err;
}
