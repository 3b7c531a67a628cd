/* The shareholder: opening, dispatch, status (net/shareholder.h). What each request does is in
 * shareholder_<part>.c. */
#include "net/shareholder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "net/shareholder_impl.h"

vs_err vs_sh_ok(vs_buf *reply)
{
    const vsw_Reply head = {.which_result = vsw_Reply_ok_tag};
    return vs_reply_encode(reply, &head, NULL, 0);
}

vs_err vs_sh_progress(vs_buf *reply, uint64_t next, uint64_t total)
{
    vsw_Reply head = {.which_result = vsw_Reply_progress_tag};
    head.result.progress.next = next;
    head.result.progress.total = total;
    return vs_reply_encode(reply, &head, NULL, 0);
}

vsw_Code vs_sh_code(vs_err err)
{
    switch (err) {
    case VS_ERR_MALFORMED: return vsw_Code_MALFORMED;
    case VS_ERR_STATE: return vsw_Code_CANNOT;
    default: return vsw_Code_REFUSED;
    }
}

bool vs_sh_is_fatal(vs_err err)
{
    return err == VS_ERR_NOMEM || err == VS_ERR_IO || err == VS_ERR_TIMEOUT;
}

sh_round *vs_sh_active(vs_shareholder *sh, uint64_t round, vs_buf *reply, vs_err *err)
{
    if (sh->round != NULL && round == sh->newest) return sh->round;
    if (round == 0 || round > sh->newest) {
        *err = vs_reply_error(reply, vsw_Code_UNKNOWN_ROUND, sh->newest,
                              "round %" PRIu64 " is not open here", round);
    } else {
        *err = vs_reply_error(reply, vsw_Code_STATE, sh->newest,
                              "round %" PRIu64 " is over, round %" PRIu64 " is open", round,
                              sh->newest);
    }
    return NULL;
}

bool vs_sh_is_order(vs_shareholder *sh, vs_order order, const vs_request *req, size_t *body_len,
                    vs_buf *reply, vs_err *err)
{
    const vs_round_id id = {.federation_id = sh->fed->id, .round = sh->newest};
    vs_buf bytes = {0};
    bool good = false;
    if (req->body_len >= 64) {
        *body_len = req->body_len - 64;
        *err = vs_order_bytes(&bytes, &id, order, req->body, *body_len);
        good = *err == VS_OK && vs_verify(req->body + *body_len, bytes.p, bytes.len,
                                          &sh->fed->aggregator.key) == VS_OK;
    }
    vs_buf_free(&bytes);
    if (!good && *err == VS_OK) {
        *err = vs_reply_error(reply, vsw_Code_UNAUTHORISED, 0,
                              "the aggregator's signature of this order fails");
    }
    return good;
}

/* --- open and close ------------------------------------------------------------------------------
 */

/* The store belongs to one shareholder of one federation for ever. */
static vs_err check_owner(vs_shareholder *sh, vs_diag *diag)
{
    const sh_name key = {"shareholder"};
    uint8_t owner[VS_H32_BYTES + VS_H32_BYTES];
    vs_buf stored = {0};
    bool found = false;
    memcpy(owner, sh->fed->id.b, VS_H32_BYTES);
    memcpy(owner + VS_H32_BYTES, sh->keys->pub.identity.b, VS_H32_BYTES);
    vs_err err = vs_sh_get(sh, &key, &stored, &found, diag);
    if (err == VS_OK && !found) {
        vs_store_item item = vs_sh_item(&key, owner, sizeof owner);
        err = vs_sh_put(sh, &item, 1, diag);
    } else if (err == VS_OK &&
               (stored.len != sizeof owner || memcmp(stored.p, owner, sizeof owner) != 0)) {
        err = vs_fail(diag, VS_ERR_STATE,
                      "the data folder belongs to another federation or shareholder");
    }
    vs_buf_free(&stored);
    return err;
}

static vs_err check_keys(vs_shareholder *sh, vs_diag *diag)
{
    sh->j = vs_federation_shareholder(sh->fed, &sh->keys->pub.identity);
    if (sh->j == 0) {
        return vs_fail(diag, VS_ERR_STATE, "key %s is not a shareholder of federation %s",
                       sh->keys->pub.name, sh->fed->name);
    }
    const vs_note_key *named = &sh->fed->shareholder[sh->j - 1].cosigner_key;
    if (!vs_h32_equal(&named->public_key, &sh->keys->pub.cosigner.public_key)) {
        return vs_fail(diag, VS_ERR_STATE,
                       "the federation file has another cosigner key for shareholder %u", sh->j);
    }
    return VS_OK;
}

static void set_time(vs_shareholder *sh, uint64_t now_ms)
{
    sh->now_ms = now_ms;
    sh->now_s = now_ms / 1000;
}

vs_err vs_shareholder_new(vs_shareholder **out, const vs_federation *fed, const vs_keys *keys,
                          vs_store store, vs_rng rng, uint64_t now_ms, vs_diag *diag)
{
    VS_ASSERT(out != NULL && fed != NULL && keys != NULL);
    *out = NULL;
    vs_shareholder *sh = calloc(1, sizeof *sh);
    if (sh == NULL) return vs_fail(diag, VS_ERR_NOMEM, "shareholder: out of memory");
    sh->fed = fed;
    sh->keys = keys;
    sh->store = store;
    sh->rng = rng;
    set_time(sh, now_ms);
    sh->plain = sodium_malloc(VS_SEAL_CHUNK_MAX);
    sh->elements = sodium_malloc(VS_CHUNK_ELEMENTS * sizeof *sh->elements);
    vs_err err = sh->plain == NULL || sh->elements == NULL
                     ? vs_fail(diag, VS_ERR_NOMEM, "shareholder: out of memory")
                     : VS_OK;
    if (err == VS_OK) err = check_keys(sh, diag);
    if (err == VS_OK) err = check_owner(sh, diag);
    if (err == VS_OK) err = vs_sh_load(sh, diag);
    if (err == VS_OK) err = vs_sh_log_load(sh, diag);
    if (err == VS_OK) err = vs_sh_evidence_load(sh, diag);
    if (err == VS_OK) err = vs_sh_expire(sh, diag);
    if (err != VS_OK) {
        vs_shareholder_free(sh);
        return err;
    }
    *out = sh;
    return VS_OK;
}

void vs_shareholder_free(vs_shareholder *sh)
{
    if (sh == NULL) return;
    vs_sh_upload_drop(sh, NULL);
    vs_sh_round_free(sh->round);
    vs_replay_free(sh->log);
    vs_replay_free(sh->ahead);
    sodium_free(sh->plain);
    sodium_free(sh->elements);
    vs_buf_free(&sh->sealed);
    free(sh);
}

void vs_shareholder_on_notice(vs_shareholder *sh, void (*notice)(void *ctx, const char *text),
                              void *ctx)
{
    sh->notice = notice;
    sh->notice_ctx = ctx;
}

uint32_t vs_shareholder_index(const vs_shareholder *sh)
{
    return sh->j;
}

bool vs_shareholder_is_busy(const vs_shareholder *sh)
{
    return vs_sh_sum_is_behind(sh->round);
}

/* --- requests ------------------------------------------------------------------------------------
 */

static vsw_Phase phase_of(const vs_shareholder *sh)
{
    const sh_round *r = sh->round;
    if (r == NULL) return vsw_Phase_IDLE;
    const vs_round_view *view = vs_replay_round(sh->log, sh->newest);
    if (view != NULL && view->phase == VS_REPLAY_RESULT) return vsw_Phase_FINAL;
    if (view != NULL && view->phase == VS_REPLAY_ABORT) return vsw_Phase_ABORTED;
    if (r->closed) return vsw_Phase_CLOSING;
    if (r->over) return vsw_Phase_IDLE;
    if (r->answered) return vsw_Phase_PUBLISHING;
    if (view != NULL && view->phase == VS_REPLAY_SET) return vsw_Phase_ANSWERING;
    if (r->vote.len != 0) return vsw_Phase_SETTING;
    if (r->frozen) return vsw_Phase_VOTING;
    return vsw_Phase_COLLECT;
}

static vs_err on_status(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    vsw_Reply head = {.which_result = vsw_Reply_status_tag};
    vsw_StatusReply *s = &head.result.status;
    (void)req;
    (void)diag;
    memcpy(s->role, "shareholder", sizeof "shareholder");
    memcpy(s->version, VS_VERSION, sizeof VS_VERSION);
    s->index = sh->j;
    s->round = sh->newest;
    s->phase = phase_of(sh);
    s->log_size = vs_replay_size(sh->log);
    s->unix_ms = sh->now_ms;
    return vs_reply_encode(reply, &head, NULL, 0);
}

static sh_handler handler_of(pb_size_t op)
{
    switch (op) {
    case vsw_Request_status_tag: return on_status;
    case vsw_Request_round_key_tag: return vs_sh_on_round_key;
    case vsw_Request_open_tag: return vs_sh_on_open;
    case vsw_Request_submit_begin_tag: return vs_sh_on_begin;
    case vsw_Request_submit_chunk_tag: return vs_sh_on_chunk;
    case vsw_Request_submit_finish_tag: return vs_sh_on_submitted;
    case vsw_Request_list_tag: return vs_sh_on_list;
    case vsw_Request_vote_tag: return vs_sh_on_vote;
    case vsw_Request_log_entries_tag: return vs_sh_on_entries;
    case vsw_Request_cosign_tag: return vs_sh_on_cosign;
    case vsw_Request_answer_tag: return vs_sh_on_answer;
    case vsw_Request_answer_chunk_tag: return vs_sh_on_answer_chunk;
    case vsw_Request_sum_share_tag: return vs_sh_on_sum_share;
    case vsw_Request_close_tag: return vs_sh_on_close;
    case vsw_Request_evidence_tag: return vs_sh_on_evidence;
    default: return NULL;
    }
}

static vs_err answer_request(vs_shareholder *sh, const vs_event *event, vs_buf *reply,
                             vs_diag *diag)
{
    vs_request req;
    vs_err err = vs_request_decode(&req, event->msg, event->len);
    if (err == VS_ERR_MALFORMED) {
        return vs_reply_error(reply, vsw_Code_MALFORMED, 0, "not a request");
    }
    if (err != VS_OK) return err;
    if (memcmp(req.head.federation_id, sh->fed->id.b, VS_H32_BYTES) != 0) {
        return vs_reply_error(reply, vsw_Code_WRONG_FEDERATION, 0,
                              "this is a shareholder of another federation");
    }
    sh_handler handler = handler_of(req.head.which_op);
    if (handler == NULL) {
        return vs_reply_error(reply, vsw_Code_REFUSED, 0,
                              "this is a shareholder: ask the aggregator");
    }
    err = handler(sh, &req, reply, diag);
    if (err != VS_OK && !vs_sh_is_fatal(err)) { /* nothing a peer sends stops the process */
        vs_buf_reset(reply);
        err = vs_reply_error(reply, vs_sh_code(err), 0, "%s",
                             diag != NULL ? diag->text : vs_err_name(err));
    }
    VS_ASSERT(err != VS_OK || reply->len != 0);
    return err;
}

vs_err vs_shareholder_step(vs_shareholder *sh, uint64_t now_ms, const vs_event *event,
                           vs_outbox *out, vs_diag *diag)
{
    VS_ASSERT(sh != NULL && event != NULL && out != NULL);
    set_time(sh, now_ms);
    vs_err err = vs_sh_expire(sh, diag);
    if (err == VS_OK) err = vs_sh_sweep(sh, diag);
    if (err == VS_OK && event->kind == VS_EVENT_TICK && vs_sh_sum_is_behind(sh->round)) {
        err = vs_sh_sum_slice(sh, diag);
    }
    if (err != VS_OK || event->kind != VS_EVENT_REQUEST) return err;
    vs_out *item = vs_outbox_reply(out, event->conn);
    if (item == NULL) return vs_fail(diag, VS_ERR_NOMEM, "shareholder: out of memory");
    err = answer_request(sh, event, &item->msg, diag);
    if (err != VS_OK) vs_buf_reset(&item->msg); /* nothing leaves when state may be half stored */
    return err;
}
