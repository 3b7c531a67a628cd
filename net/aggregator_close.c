/* CLOSING: an abort before a certificate exists, with statements that none ever will. And any
 * abort. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/aggregator_impl.h"
#include "net/evidence.h"

#define CLOSING_LABEL "veilsum/v1 aggregator closing"
#define CLOSING_MIN_MS 2000u
#define CLOSING_MAX_MS 30000u

/* --- time ------------------------------------------------------------------------------------- */

uint64_t vs_ag_expiry_ms(const ag_t *ag)
{
    return ag->round.open.hard_expiry * 1000;
}

bool vs_ag_phase_expired(const ag_t *ag, uint32_t part)
{
    uint64_t third = (uint64_t)ag->fed->answer_timeout_s * 1000 / 3;
    if (ag->now_ms >= vs_ag_expiry_ms(ag)) return true;
    /* phase_ms: a restart gives the phase its time again */
    return ag->now_ms >= ag->collected_ms + part * third && ag->now_ms - ag->phase_ms >= third;
}

static uint64_t closing_ms(const ag_t *ag)
{
    uint64_t third = (uint64_t)ag->fed->answer_timeout_s * 1000 / 3;
    if (third < CLOSING_MIN_MS) return CLOSING_MIN_MS;
    return third > CLOSING_MAX_MS ? CLOSING_MAX_MS : third;
}

/* --- into CLOSING ----------------------------------------------------------------------------- */

/* Durable before the first `close` is asked for: there is no way back to a vote. */
static vs_err store_closing(ag_t *ag)
{
    char key[VS_STORE_NAME_MAX + 1];
    vs_buf value = {0};
    vs_buf_label(&value, CLOSING_LABEL);
    vs_buf_u8(&value, (uint8_t)ag->closing_reason);
    for (uint32_t j = 0; j < VS_SHAREHOLDERS_MAX; j++) {
        vs_buf_u8(&value, ag->closing_not_voting[j]);
    }
    vs_buf_text(&value, ag->detail);
    vs_err err = vs_buf_check(&value);
    vs_ag_key(key, ag->last_round, "closing");
    if (err == VS_OK) err = vs_ag_put(ag, key, value.p, value.len);
    vs_buf_free(&value);
    return err;
}

static void format_detail(ag_t *ag, const char *fmt, va_list args)
{
    char text[VS_ENTRY_DETAIL_MAX + 1];
    (void)vsnprintf(text, sizeof text, fmt, args);
    (void)snprintf(ag->detail, sizeof ag->detail, "%s", text);
}

vs_err vs_ag_closing_begin(ag_t *ag, vs_abort_reason reason, const char *fmt, ...)
{
    va_list args;
    bool asked = ag->phase == vsw_Phase_VOTING && reason == VS_ABORT_TOO_FEW_VOTES;
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        ag->closing_not_voting[j - 1] = asked && ag->covers[j - 1] && !ag->peer[j].done;
    }
    va_start(args, fmt);
    format_detail(ag, fmt, args);
    va_end(args);
    ag->closing_reason = reason;
    vs_err err = store_closing(ag);
    if (err != VS_OK) return err;
    vs_ag_enter(ag, vsw_Phase_CLOSING);
    vs_ag_notice(ag, "round %" PRIu64 ": closing, %s: %s", ag->last_round,
                 vs_abort_reason_name(reason), ag->detail);
    return VS_OK;
}

vs_err vs_ag_closing_restore(ag_t *ag, bool *closing)
{
    char key[VS_STORE_NAME_MAX + 1];
    vs_buf value = {0};
    vs_ag_key(key, ag->last_round, "closing");
    vs_err err = vs_ag_get(ag, key, &value, closing);
    if (err == VS_OK && *closing) {
        vs_reader r = vs_reader_of(value.p, value.len);
        vs_read_label(&r, CLOSING_LABEL);
        ag->closing_reason = (vs_abort_reason)vs_read_u8(&r);
        for (uint32_t j = 0; j < VS_SHAREHOLDERS_MAX; j++) {
            ag->closing_not_voting[j] = vs_read_u8(&r) != 0;
        }
        size_t len = r.left < VS_ENTRY_DETAIL_MAX ? r.left : VS_ENTRY_DETAIL_MAX;
        const uint8_t *text = vs_read_bytes(&r, len);
        if (!vs_reader_done(&r)) {
            err = vs_fail(ag->diag, VS_ERR_IO, "the aggregator's store: bad record \"%s\"", key);
        } else {
            if (len > 0) memcpy(ag->detail, text, len);
            ag->detail[len] = '\0';
            vs_ag_enter(ag, vsw_Phase_CLOSING);
        }
    }
    vs_buf_free(&value);
    return err;
}

/* --- statements ------------------------------------------------------------------------------- */

vs_err vs_ag_close_next(ag_t *ag, uint32_t j)
{
    ag_peer *p = &ag->peer[j];
    if (!p->listed || p->done) return VS_OK;
    vs_err err = vs_ag_catch_up(ag, j);
    if (err != VS_OK || p->op != AG_NONE) return err;
    vsw_Request head = {.which_op = vsw_Request_close_tag, .op.close = {.round = ag->last_round}};
    vs_buf body = {0};
    err = vs_ag_order_sign(ag, VS_ORDER_CLOSE, &body);
    if (err == VS_OK) {
        err = vs_ag_send(ag, j, AG_CLOSE, &head, body.p, body.len, VS_AG_SHORT_TIMEOUT_MS);
    }
    vs_buf_free(&body);
    return err;
}

/* Is this shareholder j's `closed` entry of this round? */
static vs_err check_closed(const ag_t *ag, uint32_t j, const vs_reply *reply)
{
    vs_dsse dsse = {0};
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_dsse_parse(&dsse, reply->body, reply->body_len, NULL);
    if (err == VS_OK) {
        err = vs_dsse_verify(&dsse, &ag->fed->shareholder[j - 1].party.key, NULL);
    }
    if (err == VS_OK) {
        err = vs_entry_decode(entry, dsse.kind, dsse.payload.p, dsse.payload.len, NULL);
    }
    if (err == VS_OK &&
        (dsse.n_signatures != 1 || entry->kind != VS_ENTRY_CLOSED ||
         strcmp(entry->origin, ag->fed->origin) != 0 ||
         !vs_h32_equal(&entry->federation, &ag->fed->id) || entry->round != ag->last_round ||
         !vs_h32_equal(&entry->prev, &ag->prev) || entry->u.closed.index != j ||
         !vs_h32_equal(&entry->u.closed.params_hash, &ag->round.params_hash))) {
        err = VS_ERR_PROOF;
    }
    vs_dsse_free(&dsse);
    free(entry);
    return err;
}

/* It voted in this round (as far as this process remembers): then its closed is a lie. */
static vs_err accuse_voter(ag_t *ag, uint32_t j, const vs_reply *reply)
{
    static const uint8_t none[64];
    vs_buf bytes = {0}, proposal = {0};
    if (!ag->proposed || memcmp(ag->peer[j].vote, none, sizeof none) == 0) return VS_OK;
    vs_err err = vs_proposal_encode(&proposal, &ag->proposal);
    if (err == VS_OK) {
        vs_evidence_begin(&bytes, &ag->proposal.id, VS_CLAIM_VOTE_AND_CLOSED, j, 2);
        vs_evidence_part2(&bytes, proposal.p, proposal.len, ag->peer[j].vote, 64);
        vs_evidence_part(&bytes, reply->body, reply->body_len);
        err = vs_ag_evidence_keep(ag, &bytes);
    }
    vs_buf_free(&proposal);
    vs_buf_free(&bytes);
    return err;
}

vs_err vs_ag_close_reply(ag_t *ag, uint32_t j, const vs_reply *reply)
{
    ag_peer *p = &ag->peer[j];
    if (reply->head.which_result == vsw_Reply_error_tag) {
        vs_ag_peer_error(ag, j, &reply->head.result.error);
        return VS_OK;
    }
    vs_err err = check_closed(ag, j, reply);
    if (err == VS_ERR_NOMEM) return err;
    if (err != VS_OK) {
        vs_ag_peer_fail(ag, j, "its closed statement is not valid");
        return VS_OK;
    }
    err = accuse_voter(ag, j, reply);
    if (err != VS_OK) return err;
    vs_buf_reset(&p->closed);
    vs_buf_bytes(&p->closed, reply->body, reply->body_len);
    p->done = true;
    vs_ag_peer_ok(p);
    return vs_buf_check(&p->closed);
}

/* --- the abort entry -------------------------------------------------------------------------- */

static vs_err sign_abort(ag_t *ag, vs_buf *envelope, vs_abort_reason reason, bool closed)
{
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    vs_ag_entry_begin(ag, entry, VS_ENTRY_ABORT, ag->last_round);
    vs_entry_abort *a = &entry->u.abort;
    a->reason = reason;
    a->closed = closed;
    (void)snprintf(a->detail, sizeof a->detail, "%.*s", (int)VS_ENTRY_DETAIL_MAX, ag->detail);
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        if (ag->closing_not_voting[j - 1]) a->not_voting[a->n_not_voting++] = j;
    }
    vs_err err = vs_ag_entry_sign(ag, envelope, entry);
    free(entry);
    return err;
}

/* The statements and the abort in one batch, then the round is over. */
static vs_err log_abort(ag_t *ag, vs_abort_reason reason, bool closing)
{
    vs_bytes bytes[VS_SHAREHOLDERS_MAX + 1];
    vs_entry_kind kinds[VS_SHAREHOLDERS_MAX + 1];
    vs_buf envelope = {0};
    char detail[VS_ENTRY_DETAIL_MAX + 1];
    uint32_t n = 0;
    for (uint32_t j = 1; closing && j <= ag->fed->committee.n; j++) {
        if (!ag->peer[j].done) continue;
        kinds[n] = VS_ENTRY_CLOSED;
        bytes[n++] = (vs_bytes){ag->peer[j].closed.p, ag->peer[j].closed.len};
    }
    bool closed = closing && n >= vs_committee_closed(&ag->fed->committee);
    vs_err err = sign_abort(ag, &envelope, reason, closed);
    if (err == VS_OK) {
        kinds[n] = VS_ENTRY_ABORT;
        bytes[n++] = (vs_bytes){envelope.p, envelope.len};
        err = vs_ag_append(ag, ag->last_round, kinds, bytes, n, NULL);
    }
    vs_buf_free(&envelope);
    if (err != VS_OK) return err;
    (void)snprintf(detail, sizeof detail, "%.*s", (int)VS_ENTRY_DETAIL_MAX, ag->detail);
    (void)snprintf(ag->detail, sizeof ag->detail, "%s: %s", vs_abort_reason_name(reason), detail);
    vs_ag_enter(ag, vsw_Phase_ABORTED);
    vs_ag_notice(ag, "round %" PRIu64 ": aborted, %s (%s)", ag->last_round, ag->detail,
                 closed ? "closed: clients may submit again" : "not closed");
    return vs_ag_clean(ag, ag->last_round);
}

vs_err vs_ag_close_advance(ag_t *ag, bool *moved)
{
    uint32_t have = vs_ag_count_done(ag);
    bool enough = have >= vs_committee_closed(&ag->fed->committee);
    bool expired = ag->now_ms - ag->phase_ms >= closing_ms(ag);
    if (!enough && !expired && vs_ag_any_waiting(ag, true)) return VS_OK;
    *moved = true;
    return log_abort(ag, ag->closing_reason, true);
}

vs_err vs_ag_abort(ag_t *ag, vs_abort_reason reason, const char *fmt, ...)
{
    va_list args;
    memset(ag->closing_not_voting, 0, sizeof ag->closing_not_voting);
    va_start(args, fmt);
    format_detail(ag, fmt, args);
    va_end(args);
    return log_abort(ag, reason, false);
}
