/* Shareholders follow the log: entries, sum shares of results, cosignatures. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "net/aggregator_impl.h"

#define BATCH_ENTRIES_MAX 256u

uint32_t vs_ag_cosigned(const ag_t *ag)
{
    uint64_t size = vs_log_size(ag->log);
    uint32_t n = 0;
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        n += ag->peer[j].cosigned_size == size && !ag->ring.revoked[j];
    }
    return n;
}

/* Which cosignatures of the newest checkpoint are stored. */
vs_err vs_ag_follow_restore(ag_t *ag)
{
    uint64_t size = vs_log_size(ag->log);
    vs_buf note = {0};
    vs_policy *policy = malloc(sizeof *policy);
    vs_policy_result *found = malloc(sizeof *found);
    vs_err err = policy == NULL || found == NULL ? VS_ERR_NOMEM : VS_OK;
    if (err == VS_OK) err = vs_log_checkpoint(ag->log, &note, ag->diag);
    if (err == VS_OK) {
        *policy = ag->fed->policy;
        policy->quorum = 0; /* any number of them */
        err = vs_policy_verify(found, policy, note.p, note.len, ag->diag);
        if (err != VS_OK && err != VS_ERR_NOMEM) err = VS_ERR_STATE; /* our own log */
    }
    for (uint32_t i = 0; err == VS_OK && i < policy->n_cosigners; i++) {
        if (found->cosigned[i] == 0) continue;
        for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
            const vs_note_key *key = &ag->fed->shareholder[j - 1].cosigner_key;
            if (vs_h32_equal(&key->public_key, &policy->cosigner[i].public_key)) {
                ag->peer[j].cosigned_size = size;
            }
        }
    }
    free(found);
    free(policy);
    vs_buf_free(&note);
    return err;
}

/* --- requests --------------------------------------------------------------------------------- */

vs_err vs_ag_follow_status(ag_t *ag, uint32_t j)
{
    vsw_Request head = {.which_op = vsw_Request_status_tag};
    return vs_ag_send(ag, j, AG_STATUS, &head, NULL, 0, VS_AG_SHORT_TIMEOUT_MS);
}

/* The first result entry at or after `from`, or the log's size. */
static uint64_t next_result(const ag_t *ag, uint64_t from)
{
    while (from < ag->n_entries && ag->entries[from].kind != VS_ENTRY_RESULT) from++;
    return from;
}

static vs_err send_entries(ag_t *ag, uint32_t j, uint64_t end)
{
    uint64_t first = ag->peer[j].log_next;
    uint32_t count = 0;
    vs_buf body = {0};
    vs_buf envelope = {0};
    vs_err err = VS_OK;
    for (uint64_t i = first; err == VS_OK && i < end && count < BATCH_ENTRIES_MAX; i++) {
        vs_buf_reset(&envelope);
        err = vs_log_entry(ag->log, i, &envelope, ag->diag);
        if (err != VS_OK || (count > 0 && body.len + envelope.len > VS_AG_BATCH_BYTES)) break;
        vs_buf_u32(&body, (uint32_t)envelope.len);
        vs_buf_bytes(&body, envelope.p, envelope.len);
        err = vs_buf_check(&body);
        count++;
    }
    if (err == VS_OK) {
        vsw_Request head = {.which_op = vsw_Request_log_entries_tag,
                            .op.log_entries = {.first_index = first, .count = count}};
        err = vs_ag_send(ag, j, AG_LOG_ENTRIES, &head, body.p, body.len, VS_AG_LONG_TIMEOUT_MS);
    }
    vs_buf_free(&envelope);
    vs_buf_free(&body);
    return err;
}

/* Keep result entry `index` decoded: every piece of its sum shares needs it. */
static vs_err load_result(ag_t *ag, uint64_t index)
{
    if (ag->share_result_index == index) return VS_OK;
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_ag_read_entry(ag, index, entry, NULL);
    if (err == VS_OK) {
        ag->share_result = entry->u.result;
        ag->share_result_round = entry->round;
        ag->share_result_index = index;
    }
    free(entry);
    return err;
}

static vs_err send_share(ag_t *ag, uint32_t j)
{
    ag_peer *p = &ag->peer[j];
    const vs_entry_blob *answer = &ag->share_result.answers[p->share_answer];
    vs_map map = {0};
    char *path = vs_log_blob_path(ag->log, &answer->blob);
    if (path == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_map_file(&map, path, ag->diag);
    free(path);
    if (err != VS_OK) return err;
    if (p->share_offset > map.len) p->share_offset = 0;
    uint64_t left = map.len - p->share_offset;
    size_t len = left < VS_AG_PIECE_BYTES ? (size_t)left : VS_AG_PIECE_BYTES;
    vsw_Request head = {.which_op = vsw_Request_sum_share_tag,
                        .op.sum_share = {.round = ag->share_result_round,
                                         .index = answer->index,
                                         .offset = p->share_offset,
                                         .total = map.len}};
    err =
        vs_ag_send(ag, j, AG_SUM_SHARE, &head, map.p + p->share_offset, len, VS_AG_LONG_TIMEOUT_MS);
    vs_unmap(&map);
    return err;
}

static vs_err send_cosign(ag_t *ag, uint32_t j)
{
    vs_buf note = {0};
    vsw_Request head = {.which_op = vsw_Request_cosign_tag};
    vs_err err = vs_log_checkpoint(ag->log, &note, ag->diag);
    if (err == VS_OK) {
        ag->peer[j].sent_size = vs_log_size(ag->log);
        err = vs_ag_send(ag, j, AG_COSIGN, &head, note.p, note.len, VS_AG_LONG_TIMEOUT_MS);
    }
    vs_buf_free(&note);
    return err;
}

vs_err vs_ag_follow_next(ag_t *ag, uint32_t j)
{
    ag_peer *p = &ag->peer[j];
    uint64_t size = vs_log_size(ag->log);
    if (p->cosigned_size == size || p->forked) return VS_OK;
    if (!p->log_known) return vs_ag_follow_status(ag, j);
    if (p->log_next >= size) return send_cosign(ag, j);

    uint64_t result = next_result(ag, p->log_next);
    if (result > p->log_next) return send_entries(ag, j, result);
    vs_err err = load_result(ag, result);
    if (err != VS_OK) return err;
    if (p->share_entry != result) {
        p->share_entry = result;
        p->share_answer = 0;
        p->share_offset = 0;
    }
    if (p->share_answer < ag->share_result.n_answers) return send_share(ag, j);
    return send_entries(ag, j, next_result(ag, result + 1));
}

vs_err vs_ag_catch_up(ag_t *ag, uint32_t j)
{
    ag_peer *p = &ag->peer[j];
    if (!p->behind) return VS_OK;
    if (p->listed && !p->opened && ag->phase != vsw_Phase_OPENING) return vs_ag_send_open(ag, j);
    vs_err err = vs_ag_follow_next(ag, j);
    if (err == VS_OK && p->op == AG_NONE) p->behind = false;
    return err;
}

/* --- replies ---------------------------------------------------------------------------------- */

/* It says that it has `size` entries. */
static void learn_size(ag_t *ag, uint32_t j, uint64_t size)
{
    ag_peer *p = &ag->peer[j];
    if (size > vs_log_size(ag->log)) {
        p->forked = true;
        vs_ag_notice(ag,
                     "shareholder %u knows %" PRIu64 " log entries, this ledger has %" PRIu64
                     ": is this data folder an old copy? It takes no part until a restart",
                     j, size, vs_log_size(ag->log));
        return;
    }
    p->log_next = size;
    p->log_known = true;
}

static void on_share(ag_t *ag, uint32_t j, const vsw_Progress *m)
{
    ag_peer *p = &ag->peer[j];
    if (m->next == m->total && m->total > 0) {
        p->share_answer++;
        p->share_offset = 0;
    } else if (m->next > p->share_offset && m->next < m->total) {
        p->share_offset = m->next;
    } else {
        if (m->next < m->total) p->share_offset = m->next;
        vs_ag_peer_retry(ag, j); /* no progress: not at once again */
        return;
    }
    vs_ag_peer_ok(p);
}

static vs_err on_cosign(ag_t *ag, uint32_t j, const vsw_CosignReply *m)
{
    ag_peer *p = &ag->peer[j];
    const vs_note_key *key = &ag->fed->shareholder[j - 1].cosigner_key;
    vs_checkpoint c = {.size = vs_log_size(ag->log)};
    vs_buf text = {0};
    if (c.size != p->sent_size || m->size != p->sent_size) {
        vs_ag_peer_retry(ag, j);
        return VS_OK;
    }
    memcpy(c.origin, ag->fed->origin, sizeof c.origin);
    vs_log_root(ag->log, &c.root);
    vs_err err = vs_checkpoint_format(&text, &c);
    if (err == VS_OK &&
        vs_cosign_verify(m->cosignature, (const char *)text.p, text.len, key) != VS_OK) {
        vs_ag_peer_fail(ag, j, "its cosignature is wrong");
    } else if (err == VS_OK) {
        err = vs_log_add_cosignature(ag->log, c.size, key, m->cosignature, ag->diag);
        p->cosigned_size = c.size;
        vs_ag_peer_ok(p);
    }
    vs_buf_free(&text);
    return err;
}

static void on_error(ag_t *ag, uint32_t j, const vsw_Error *error)
{
    ag_peer *p = &ag->peer[j];
    bool new = p->backoff_ms == 0; /* tell it once in a row */
    if (new && (error->code == vsw_Code_REFUSED || error->code == vsw_Code_CONFLICT)) {
        vs_ag_notice(ag, "shareholder %u does not follow the log: %s", j, error->text);
    }
    if (error->code == vsw_Code_CONFLICT && error->value > vs_log_size(ag->log)) {
        learn_size(ag, j, error->value);
    }
    p->log_known = false; /* ask where it is */
    p->share_entry = 0;   /* and give it the sum shares again */
    vs_ag_peer_retry(ag, j);
}

vs_err vs_ag_follow_reply(ag_t *ag, uint32_t j, ag_op op, const vs_reply *reply)
{
    ag_peer *p = &ag->peer[j];
    const vsw_Reply *head = &reply->head;
    pb_size_t want = op == AG_STATUS   ? vsw_Reply_status_tag
                     : op == AG_COSIGN ? vsw_Reply_cosign_tag
                                       : vsw_Reply_progress_tag;
    if (head->which_result == vsw_Reply_error_tag) {
        on_error(ag, j, &head->result.error);
        return VS_OK;
    }
    if (head->which_result != want) {
        vs_ag_peer_fail(ag, j, "its reply is of another kind");
        return VS_OK;
    }
    if (op == AG_COSIGN) return on_cosign(ag, j, &head->result.cosign);
    if (op == AG_STATUS) {
        learn_size(ag, j, head->result.status.log_size);
        vs_ag_peer_ok(p);
    } else if (op == AG_SUM_SHARE) {
        on_share(ag, j, &head->result.progress);
    } else {
        if (head->result.progress.next > p->log_next)
            vs_ag_peer_ok(p);
        else
            vs_ag_peer_retry(ag, j); /* it took none */
        learn_size(ag, j, head->result.progress.next);
    }
    return VS_OK;
}
