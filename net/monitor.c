#include "net/monitor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/monitor_impl.h"

#define QUESTION_CONN UINT64_MAX /* no connection has this number */

static const char *const ops[VS_MONITOR_OPS] = {
    [vsw_Request_status_tag] = "status",
    [vsw_Request_round_key_tag] = "round_key",
    [vsw_Request_open_tag] = "open",
    [vsw_Request_submit_begin_tag] = "submit_begin",
    [vsw_Request_submit_chunk_tag] = "submit_chunk",
    [vsw_Request_submit_finish_tag] = "submit_finish",
    [vsw_Request_list_tag] = "list",
    [vsw_Request_vote_tag] = "vote",
    [vsw_Request_log_entries_tag] = "log_entries",
    [vsw_Request_cosign_tag] = "cosign",
    [vsw_Request_answer_tag] = "answer",
    [vsw_Request_answer_chunk_tag] = "answer_chunk",
    [vsw_Request_sum_share_tag] = "sum_share",
    [vsw_Request_close_tag] = "close",
    [vsw_Request_round_info_tag] = "round_info",
    [vsw_Request_manifest_tag] = "manifest",
    [vsw_Request_closure_tag] = "closure",
    [vsw_Request_blob_tag] = "blob",
    [vsw_Request_entry_tag] = "entry",
    [vsw_Request_control_open_tag] = "control_open",
    [vsw_Request_control_close_tag] = "control_close",
    [vsw_Request_control_cancel_tag] = "control_cancel",
    [vsw_Request_control_blob_tag] = "control_blob",
};

const char *vs_monitor_op(uint32_t op)
{
    return op < VS_MONITOR_OPS ? ops[op] : NULL;
}

uint64_t vs_monitor_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void notice(const vs_monitor *m, const char *fmt, ...) VS_PRINTF(2, 3);
static void notice(const vs_monitor *m, const char *fmt, ...)
{
    vs_diag line;
    va_list args;
    if (m->notice == NULL) return;
    va_start(args, fmt);
    (void)vsnprintf(line.text, sizeof line.text, fmt, args);
    va_end(args);
    m->notice(m->notice_ctx, line.text);
}

/* --- making -------------------------------------------------------------------------------------
 */

static vs_err make_question(vs_monitor *m, uint32_t k, pb_size_t op)
{
    vsw_Request head = {.which_op = op};
    memcpy(head.federation_id, m->fed->id.b, VS_H32_BYTES);
    return vs_request_encode(&m->question[k], &head, NULL, 0);
}

vs_err vs_monitor_new(vs_monitor **out, const vs_federation *fed, uint32_t index, vs_edge *edge,
                      void (*tell)(void *ctx, const char *text), void *ctx, vs_diag *diag)
{
    *out = NULL;
    vs_monitor *m = calloc(1, sizeof *m);
    if (m == NULL) return vs_fail(diag, VS_ERR_NOMEM, "monitor: out of memory");
    m->fed = fed;
    m->index = index;
    m->edge = edge;
    m->notice = tell;
    m->notice_ctx = ctx;
    m->start_ms = vs_monitor_now_ms();
    vs_err err = make_question(m, 0, vsw_Request_status_tag);
    if (err == VS_OK && index == 0) err = make_question(m, 1, vsw_Request_round_info_tag);
    if (err != VS_OK) {
        vs_monitor_free(m);
        return vs_fail(diag, err, "monitor: out of memory");
    }
    *out = m;
    return VS_OK;
}

void vs_monitor_free(vs_monitor *m)
{
    if (m == NULL) return;
    vs_buf_free(&m->question[0]);
    vs_buf_free(&m->question[1]);
    free(m);
}

bool vs_monitor_question(vs_monitor *m, uint32_t k, vs_event *event)
{
    if (k >= 2 || m->question[k].len == 0) return false;
    *event = (vs_event){.kind = VS_EVENT_REQUEST,
                        .conn = QUESTION_CONN,
                        .msg = m->question[k].p,
                        .len = m->question[k].len};
    return true;
}

/* --- what goes in -------------------------------------------------------------------------------
 */

static uint64_t round_of(const vsw_Request *r)
{
    switch (r->which_op) {
    case vsw_Request_round_key_tag: return r->op.round_key.round;
    case vsw_Request_open_tag: return r->op.open.round;
    case vsw_Request_submit_finish_tag: return r->op.submit_finish.round;
    case vsw_Request_submit_begin_tag: return r->op.submit_begin.round;
    case vsw_Request_submit_chunk_tag: return r->op.submit_chunk.round;
    case vsw_Request_list_tag: return r->op.list.round;
    case vsw_Request_vote_tag: return r->op.vote.round;
    case vsw_Request_answer_tag: return r->op.answer.round;
    case vsw_Request_close_tag: return r->op.close.round;
    case vsw_Request_manifest_tag: return r->op.manifest.round;
    default: return 0;
    }
}

void vs_monitor_in(vs_monitor *m, const vs_event *event)
{
    if (event->kind == VS_EVENT_REPLY || event->kind == VS_EVENT_LOST) {
        vs_peer_counts *p = event->peer < VS_PEERS_MAX ? &m->peers[event->peer] : NULL;
        m->bytes_in += event->len;
        if (p != NULL && event->kind == VS_EVENT_LOST) p->lost++;
        if (p != NULL && event->kind == VS_EVENT_REPLY) {
            p->replies++;
            p->last_reply_ms = vs_monitor_now_ms();
        }
        return;
    }
    if (event->kind != VS_EVENT_REQUEST || event->conn == QUESTION_CONN) return;
    vs_asked *a = &m->asked[event->conn % VS_MONITOR_PLACES];
    vs_request request;
    *a = (vs_asked){.conn = event->conn};
    m->bytes_in += event->len;
    if (vs_request_decode(&request, event->msg, event->len) != VS_OK) return;
    a->op = request.head.which_op < VS_MONITOR_OPS ? request.head.which_op : 0;
    a->round = round_of(&request.head);
}

/* --- what comes out -----------------------------------------------------------------------------
 */

static void take_status(vs_monitor *m, const vsw_StatusReply *s)
{
    vsw_StatusReply old = m->status;
    uint64_t now = vs_monitor_now_ms();
    m->status = *s;
    if (old.phase == s->phase && old.round == s->round && m->phase_since_ms != 0) return;
    if (m->phase_since_ms != 0 && now > m->phase_since_ms && old.phase < VS_MONITOR_PHASES) {
        vs_histogram_add(&m->phases[old.phase], (double)(now - m->phase_since_ms) / 1000.0);
    }
    bool known = m->phase_since_ms != 0;
    m->phase_since_ms = now;
    if (s->round != old.round) m->round_accepted = m->round_rejected = 0;
    if (!known || m->index != 0) return;
    bool collects = s->phase == vsw_Phase_COLLECT && old.phase != vsw_Phase_COLLECT;
    if (collects)
        notice(m, "round %" PRIu64 ": [ROUND %" PRIu64 "] collecting", s->round, s->round);
    m->rounds_final += s->phase == vsw_Phase_FINAL && old.phase != vsw_Phase_FINAL;
    m->rounds_aborted += s->phase == vsw_Phase_ABORTED && old.phase != vsw_Phase_ABORTED;
}

/* After collection: how many came, in the words that users of other frameworks know. */
static void take_info(vs_monitor *m, const vsw_RoundInfo *info)
{
    bool was_collecting = m->has_info && m->info.phase == vsw_Phase_COLLECT;
    m->info = *info;
    m->has_info = true;
    if (!was_collecting || info->phase == vsw_Phase_COLLECT) return;
    notice(m, "round %" PRIu64 ": received %u results and %" PRIu64 " failures", info->round,
           (unsigned)info->clients_submitted, m->round_rejected);
}

static bool is_submission(uint32_t op)
{
    return op == vsw_Request_submit_begin_tag || op == vsw_Request_submit_chunk_tag ||
           op == vsw_Request_submit_finish_tag || op == vsw_Request_manifest_tag;
}

/* A shareholder has no words of its own: these are what its replies mean. */
static void tell(vs_monitor *m, const vs_asked *a, const vsw_Reply *r, const char *refusal)
{
    uint64_t n = a->round;
    if (refusal != NULL) {
        if (is_submission(a->op)) {
            notice(m, "round %" PRIu64 ": submission refused (%s)", n, refusal);
        } else if (a->round != 0) {
            notice(m, "round %" PRIu64 ": %s refused (%s): %s", n, vs_monitor_op(a->op), refusal,
                   r->result.error.text);
        }
        return;
    }
    switch (a->op) {
    case vsw_Request_round_key_tag: notice(m, "round %" PRIu64 ": gave a round key", n); break;
    case vsw_Request_open_tag: notice(m, "round %" PRIu64 ": is open here", n); break;
    case vsw_Request_submit_finish_tag:
        notice(m, "round %" PRIu64 ": submission accepted, %" PRIu64 " so far", n,
               m->round_accepted);
        break;
    case vsw_Request_list_tag:
        notice(m, "round %" PRIu64 ": froze its list of %u clients", n,
               (unsigned)r->result.list.count);
        break;
    case vsw_Request_vote_tag: notice(m, "round %" PRIu64 ": voted", n); break;
    case vsw_Request_answer_tag: notice(m, "round %" PRIu64 ": answered", n); break;
    case vsw_Request_close_tag: notice(m, "round %" PRIu64 ": closed the round", n); break;
    case vsw_Request_cosign_tag:
        notice(m, "cosigned the log's %" PRIu64 " entries", r->result.cosign.size);
        break;
    default: break;
    }
}

static void count_reply(vs_monitor *m, const vs_asked *a, const vsw_Reply *r)
{
    bool failed = r->which_result == vsw_Reply_error_tag;
    uint32_t code = failed ? (uint32_t)r->result.error.code : 0;
    if (code >= VS_MONITOR_CODES) code = 0;
    m->requests[a->op][code]++;
    bool finished = a->op == vsw_Request_submit_finish_tag || a->op == vsw_Request_manifest_tag;
    if (finished && !failed && r->which_result != vsw_Reply_progress_tag) {
        m->accepted++;
        m->round_accepted++;
    }
    if (is_submission(a->op) && failed && code != vsw_Code_BUSY) {
        m->rejected[code]++;
        m->round_rejected++;
    }
    if (m->index != 0 && code != vsw_Code_BUSY) {
        tell(m, a, r, failed ? vs_code_name((vsw_Code)code) : NULL);
    }
}

void vs_monitor_out(vs_monitor *m, const vs_event *event, const vs_outbox *box, size_t from,
                    double seconds)
{
    const vs_asked *now = &m->asked[event->conn % VS_MONITOR_PLACES];
    bool is_request = event->kind == VS_EVENT_REQUEST && event->conn != QUESTION_CONN;
    if (event->conn != QUESTION_CONN || event->kind != VS_EVENT_REQUEST) {
        vs_histogram_add(&m->steps[is_request ? now->op : 0], seconds);
    }
    for (size_t i = from; i < box->n; i++) {
        const vs_out *out = &box->item[i];
        vs_reply reply;
        if (out->kind == VS_OUT_SEND) {
            m->bytes_out += out->msg.len;
            if (out->peer < VS_PEERS_MAX) m->peers[out->peer].sent++;
            continue;
        }
        if (vs_reply_decode(&reply, out->msg.p, out->msg.len) != VS_OK) continue;
        vs_asked *a = &m->asked[out->conn % VS_MONITOR_PLACES];
        if (out->conn == QUESTION_CONN) {
            if (reply.head.which_result == vsw_Reply_status_tag) {
                take_status(m, &reply.head.result.status);
            } else if (reply.head.which_result == vsw_Reply_round_info_tag) {
                take_info(m, &reply.head.result.round_info);
            }
        } else if (a->conn == out->conn) {
            m->bytes_out += out->msg.len;
            count_reply(m, a, &reply.head);
        }
    }
}

void vs_monitor_committed(vs_monitor *m, double seconds)
{
    vs_histogram_add(&m->commits, seconds);
}
