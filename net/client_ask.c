#include "net/client_internal.h"

#include <inttypes.h>

#include <sodium.h>

/* --- asking ------------------------------------------------------------------------------------
 */

/* Report a finished record without sending anything. */
static vs_err report_done(vs_client *c, vs_diag *diag)
{
    const vs_client_record *r = &c->record;
    vs_client_status *s = &c->status;
    s->round = r->round;
    s->pseudonym = r->pseudonym;
    s->manifest_hash = r->manifest_hash;
    s->receipts = r->receipts;
    s->listed = r->listed;
    s->needed = vs_committee_needed(&c->fed->committee);
    s->bytes_sent = s->bytes_total = r->bytes;
    s->clipped = r->clipped;
    s->norm = r->norm;
    s->norm_clipped = r->norm_clipped;
    s->error.text[0] = '\0';
    s->phase = VS_CLIENT_DONE;
    return vs_client_record_erase_seed(c, diag); /* a crash may have come before it */
}

static bool same_update(const vs_client *c)
{
    vs_h32 hash;
    vs_client_input_hash(&hash, c, c->record.salt);
    return vs_h32_equal(&hash, &c->record.update_hash);
}

static const char *model_words(const vs_client *c)
{
    return vs_h32_is_zero(&c->input.model_hash) ? "without a model" : "for this model";
}

static vs_err go_on(vs_client *c)
{
    if (c->encoder == NULL) return VS_OK; /* refused: phase FAILED */
    c->status.error.text[0] = '\0';
    c->status.phase = VS_CLIENT_HASHING;
    return vs_client_hash_start(c);
}

/* The record speaks of this very round. */
static vs_err same_round(vs_client *c, uint64_t now_ms, vsw_Phase phase, vs_diag *diag)
{
    const vs_client_record *r = &c->record;
    if (!same_update(c)) {
        vs_client_fail(c,
                       "round %" PRIu64
                       ": this client has submitted another update %s%s%s%s in this "
                       "round; a second one is never sent",
                       r->round, model_words(c), c->purpose[0] ? " (purpose \"" : "", c->purpose,
                       c->purpose[0] ? "\")" : "");
        return VS_OK;
    }
    if (!vs_h32_equal(&r->params_hash, &c->round.params_hash)) {
        bool kept = false;
        vs_err err = vs_client_accuse(c, &kept, diag);
        if (err != VS_OK) return err;
        vs_client_fail(c,
                       "round %" PRIu64
                       ": the aggregator now shows another `open` of this round than "
                       "the one that the submission was started for: refused%s",
                       r->round, kept ? "; both are kept as evidence" : "");
        return VS_OK;
    }
    if (r->state == VS_CLIENT_RECORD_DONE) return report_done(c, diag);
    if (r->state == VS_CLIENT_RECORD_LATE) {
        vs_client_fail(c,
                       "round %" PRIu64 ": this update did not get enough receipts by the deadline",
                       r->round);
        return VS_OK;
    }
    /* Enough receipts came before a restart, and now nobody takes anything more. */
    if (r->state == VS_CLIENT_RECORD_SENT &&
        (phase != vsw_Phase_COLLECT || now_ms >= c->round.open.deadline * 1000)) {
        vs_err err = report_done(c, diag);
        return err == VS_OK ? vs_client_record_end(c, VS_CLIENT_RECORD_DONE, diag) : err;
    }
    c->resumed = true;
    vs_err err = vs_client_record_resume(c, diag);
    return err == VS_OK ? go_on(c) : err;
}

static bool still_collects(vs_client *c, uint64_t now_ms, vsw_Phase phase)
{
    uint64_t deadline_ms = c->round.open.deadline * 1000;
    if (now_ms >= deadline_ms) {
        vs_client_fail(c, "round %" PRIu64 ": its collection ended %" PRIu64 " s ago",
                       c->round.id.round, (now_ms - deadline_ms) / 1000);
    } else if (phase != vsw_Phase_COLLECT) {
        vs_client_fail(c, "round %" PRIu64 ": it collects no more updates, it is %s",
                       c->round.id.round, vs_phase_name(phase));
    }
    return c->status.phase != VS_CLIENT_FAILED;
}

/* What does the record allow for the round that c->round describes? */
static vs_err check_record(vs_client *c, uint64_t now_ms, vsw_Phase phase, vs_diag *diag)
{
    bool found = false;
    vs_err err = vs_client_record_load(c, &found, diag);
    if (err != VS_OK) return err;
    if (found && !vs_h32_equal(&c->record.federation_id, &c->fed->id)) {
        vs_client_fail(c,
                       "this client has submitted an update %s to another federation; if this is "
                       "other work, say so with --purpose TEXT",
                       model_words(c));
        return VS_OK;
    }
    if (found && c->record.round == c->round.id.round) return same_round(c, now_ms, phase, diag);
    if (!still_collects(c, now_ms, phase)) return VS_OK;
    if (found) { /* another round: only if that one can never give a sum */
        c->asking_closure = true;
        return VS_OK;
    }
    err = vs_client_record_begin(c, diag);
    return err == VS_OK ? go_on(c) : err;
}

static void check_round(vs_client *c, uint64_t said_round)
{
    const vs_round *round = &c->round;
    uint64_t wanted = c->input.round != 0 ? c->input.round : said_round;
    if (round->id.round != wanted) {
        vs_client_fail(c, "the aggregator sent the `open` of round %" PRIu64 " for round %" PRIu64,
                       round->id.round, wanted);
    } else if (round->open.dim != c->input.dim) {
        vs_client_fail(
            c, "round %" PRIu64 ": it takes updates of %u coordinates, this one has %" PRIu64,
            wanted, round->open.dim, c->input.dim);
    } else if (!vs_h32_equal(&round->open.model_hash, &c->input.model_hash)) {
        vs_client_fail(c, "round %" PRIu64 ": %s", wanted,
                       vs_h32_is_zero(&c->input.model_hash)
                           ? "it is for a model, and this update names none (--model FILE)"
                       : vs_h32_is_zero(&round->open.model_hash)
                           ? "it is for updates without a model, and this one names a model"
                           : "it is for another model than this update was computed from");
    }
}

static vs_err take_round_info(vs_client *c, uint64_t now_ms, const vs_reply *reply, vs_diag *diag)
{
    const vsw_RoundInfo *info = &reply->head.result.round_info;
    vs_diag why = {{0}};
    if (info->phase == vsw_Phase_IDLE || info->phase == vsw_Phase_OPENING || reply->body_len == 0) {
        if (info->phase == vsw_Phase_ABORTED) {
            vs_client_fail(c, "round %" PRIu64 " was aborted: %s", info->round, info->detail);
            return VS_OK;
        }
        vs_client_wait(c, now_ms, "waiting for the round to open", info->detail);
        return VS_OK;
    }
    vs_err err = vs_round_from_open(&c->round, c->fed, reply->body, reply->body_len, &why);
    if (err == VS_ERR_NOMEM) return vs_fail(diag, err, "%s", why.text);
    if (err != VS_OK) {
        vs_client_fail(c, "the aggregator's round breaks a rule: %s", why.text);
        return VS_OK;
    }
    vs_buf_reset(&c->open);
    vs_buf_bytes(&c->open, reply->body, reply->body_len);
    err = vs_buf_check(&c->open);
    if (err != VS_OK) return vs_fail(diag, err, "client: out of memory");
    vs_client_link_ok(&c->aggregator);
    check_round(c, info->round);
    if (c->status.phase == VS_CLIENT_FAILED) return VS_OK;
    c->status.round = c->round.id.round;
    return check_record(c, now_ms, info->phase, diag);
}

static vs_err take_closure(vs_client *c, uint64_t now_ms, const vs_reply *reply, vs_diag *diag)
{
    uint32_t n_valid, needed = vs_committee_closed(&c->fed->committee);
    vs_err err = vs_client_closure_count(c, reply->body, reply->body_len, &n_valid);
    if (err != VS_OK) return err;
    if (n_valid < needed) {
        vs_client_fail(c,
                       "an update %s was submitted in round %" PRIu64
                       ", and that round is not closed (%u "
                       "of %u statements): a second one could reveal the difference; if this is "
                       "other work, say so with --purpose TEXT",
                       model_words(c), c->record.round, n_valid, needed);
        return VS_OK;
    }
    c->asking_closure = false;
    vs_client_link_ok(&c->aggregator);
    if (!still_collects(c, now_ms, vsw_Phase_COLLECT)) return VS_OK;
    err = vs_client_record_begin(c, diag);
    return err == VS_OK ? go_on(c) : err;
}

bool vs_client_is_transient(vsw_Code code)
{
    return code == vsw_Code_BUSY || code == vsw_Code_UNKNOWN_ROUND || code == vsw_Code_NOT_FOUND;
}

vs_err vs_client_ask_reply(vs_client *c, uint64_t now_ms, const vs_reply *reply, vs_diag *diag)
{
    const vsw_Error *error = &reply->head.result.error;
    pb_size_t got = reply->head.which_result;
    if (got == vsw_Reply_error_tag) {
        if (vs_client_is_transient(error->code) &&
            !(c->asking_closure && error->code != vsw_Code_BUSY)) {
            vs_client_wait(c, now_ms, vs_code_name(error->code), error->text);
        } else if (c->asking_closure) {
            const vs_reply none = {0}; /* no closure there: the refusal tells the way out */
            return take_closure(c, now_ms, &none, diag);
        } else {
            vs_client_fail(c, "the aggregator refused: %s%s%s", vs_code_name(error->code),
                           error->text[0] ? ": " : "", error->text);
        }
        return VS_OK;
    }
    if (!c->asking_closure && got == vsw_Reply_round_info_tag) {
        return take_round_info(c, now_ms, reply, diag);
    }
    if (c->asking_closure && got == vsw_Reply_count_tag) {
        return take_closure(c, now_ms, reply, diag);
    }
    vs_client_wait(c, now_ms, "the aggregator answered something else than was asked", "");
    return VS_OK;
}

/* A named round that is finished needs no network to be reported. */
static vs_err look_up(vs_client *c, vs_diag *diag)
{
    bool found = false;
    c->looked_up = true;
    if (c->input.round == 0) return VS_OK;
    vs_err err = vs_client_record_load(c, &found, diag);
    if (err != VS_OK) return err;
    if (found && c->record.round == c->input.round && c->record.state == VS_CLIENT_RECORD_DONE &&
        vs_h32_equal(&c->record.federation_id, &c->fed->id) && same_update(c)) {
        return report_done(c, diag);
    }
    c->record = (vs_client_record){0}; /* judged when the round is known */
    return VS_OK;
}

vs_err vs_client_ask(vs_client *c, uint64_t now_ms, vs_outbox *out, vs_diag *diag)
{
    if (!c->looked_up) {
        vs_err err = look_up(c, diag);
        if (err != VS_OK || c->status.phase == VS_CLIENT_DONE) return err;
    }
    if (c->aggregator.in_flight || now_ms < c->aggregator.retry_at) return VS_OK;
    if (c->asking_closure && !still_collects(c, now_ms, vsw_Phase_COLLECT)) return VS_OK;
    vsw_Request head = vs_client_request(c, c->asking_closure ? vsw_Request_closure_tag
                                                              : vsw_Request_round_info_tag);
    if (c->asking_closure) {
        head.op.closure.round = c->record.round;
    } else {
        head.op.round_info.round = c->input.round;
    }
    vs_out *item = vs_client_post(c, out, VS_PEER_AGGREGATOR, &c->aggregator, now_ms,
                                  VS_CLIENT_ASK_TIMEOUT_MS);
    if (item == NULL) return VS_ERR_NOMEM;
    return vs_request_encode(&item->msg, &head, NULL, 0);
}
