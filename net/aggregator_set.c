/* VOTING on the proposed set, and SETTING: the set's checkpoint gets its cosignatures. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "net/aggregator_impl.h"

#define PROPOSAL_LABEL "veilsum/v1 aggregator proposal"
#define VOTES_IN_FLIGHT_BYTES (UINT32_C(64) << 20) /* a vote request holds every record */

/* --- the proposal ----------------------------------------------------------------------------- */

static vs_err build_vote_body(ag_t *ag, const vs_buf *records, const vs_buf *rejected)
{
    vs_buf_free(&ag->vote_body);
    vs_err err = vs_proposal_encode(&ag->vote_body, &ag->proposal);
    vs_buf_bytes(&ag->vote_body, records->p, records->len);
    vs_buf_bytes(&ag->vote_body, rejected->p, rejected->len);
    if (err == VS_OK) err = vs_buf_check(&ag->vote_body);
    return err == VS_OK ? vs_ag_order_sign(ag, VS_ORDER_VOTE, &ag->vote_body) : err;
}

/* Never NULL: nobody may be rejected. */
static const uint8_t *bytes_of(const vs_buf *b)
{
    static const uint8_t none[1] = {0};
    return b->p == NULL ? none : b->p;
}

/* Durable before the first vote is asked for: records as blobs, then the proposal. */
static vs_err store_proposal(ag_t *ag, const ag_choice *c)
{
    char key[VS_STORE_NAME_MAX + 1];
    vs_buf value = {0};
    vs_err err = vs_log_blob_put(ag->log, bytes_of(&c->records), c->records.len, &ag->records_blob,
                                 ag->diag);
    if (err == VS_OK) {
        err = vs_log_blob_put(ag->log, bytes_of(&c->rejected), c->rejected.len, &ag->rejected_blob,
                              ag->diag);
    }
    if (err != VS_OK) return err;
    vs_buf_label(&value, PROPOSAL_LABEL);
    vs_buf_h32(&value, &ag->records_blob);
    vs_buf_h32(&value, &ag->rejected_blob);
    for (uint32_t j = 0; j < VS_SHAREHOLDERS_MAX; j++) vs_buf_u8(&value, ag->covers[j]);
    err = vs_proposal_encode(&value, &ag->proposal);
    if (err == VS_OK) err = vs_buf_check(&value);
    vs_ag_key(key, ag->last_round, "proposal");
    if (err == VS_OK) err = vs_ag_put(ag, key, value.p, value.len);
    vs_buf_free(&value);
    return err;
}

/* Does shareholder j's list hold all of U? Both are sorted. */
static bool list_covers(const ag_peer *p, const vs_buf *records)
{
    uint32_t at = 0;
    if (p->list == NULL) return false;
    for (size_t i = 0; i < records->len; i += VS_RECORD_BYTES) {
        const uint8_t *want = records->p + i;
        const uint8_t *have = p->list;
        while (at < p->n_list &&
               memcmp(have + (size_t)at * VS_RECORD_BYTES, want, VS_H32_BYTES) < 0) {
            at++;
        }
        if (at == p->n_list) return false;
        if (memcmp(have + (size_t)at * VS_RECORD_BYTES, want, VS_RECORD_BYTES) != 0) return false;
    }
    return true;
}

static vs_err propose(ag_t *ag, const ag_choice *c)
{
    ag->proposal = (vs_proposal){.id = vs_ag_id(ag, ag->last_round),
                                 .params_hash = ag->round.params_hash,
                                 .count = c->count,
                                 .rejected_count = c->rejected_count};
    vs_err err = vs_records_root(&ag->proposal.root, bytes_of(&c->records), c->count);
    if (err == VS_OK) {
        err =
            vs_records_root(&ag->proposal.rejected_root, bytes_of(&c->rejected), c->rejected_count);
    }
    VS_ASSERT(err == VS_OK); /* both came out of an ascending walk */
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        ag->covers[j - 1] = list_covers(&ag->peer[j], &c->records);
    }
    err = store_proposal(ag, c);
    if (err == VS_OK) err = build_vote_body(ag, &c->records, &c->rejected);
    if (err != VS_OK) return err;
    ag->proposed = true;
    ag->included = c->count;
    vs_ag_enter(ag, vsw_Phase_VOTING);
    vs_ag_notice(ag, "round %" PRIu64 ": proposed a set of %u clients, %u left out", ag->last_round,
                 c->count, c->rejected_count);
    return VS_OK;
}

vs_err vs_ag_propose(ag_t *ag)
{
    ag_choice c = {0};
    vs_err err = vs_ag_choose(ag, &c);
    if (err == VS_OK && c.count < ag->round.open.min_clients) {
        err = vs_ag_closing_begin(ag, VS_ABORT_TOO_FEW_CLIENTS,
                                  "%u clients are on the lists of %u shareholders, %u are needed",
                                  c.count, c.n_q, ag->round.open.min_clients);
    } else if (err == VS_OK) {
        err = propose(ag, &c);
    }
    vs_buf_free(&c.records);
    vs_buf_free(&c.rejected);
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        free(ag->peer[j].list);
        ag->peer[j].list = NULL;
        ag->peer[j].n_list = 0;
    }
    return err;
}

/* After a restart: the same proposal again, if there was one. */
vs_err vs_ag_set_restore(ag_t *ag)
{
    char key[VS_STORE_NAME_MAX + 1];
    vs_buf value = {0};
    vs_buf records = {0};
    vs_buf rejected = {0};
    bool found = false;
    vs_ag_key(key, ag->last_round, "proposal");
    vs_err err = vs_ag_get(ag, key, &value, &found);
    if (err != VS_OK || !found) goto cleanup;

    vs_reader r = vs_reader_of(value.p, value.len);
    vs_read_label(&r, PROPOSAL_LABEL);
    vs_read_h32(&r, &ag->records_blob);
    vs_read_h32(&r, &ag->rejected_blob);
    for (uint32_t j = 0; j < VS_SHAREHOLDERS_MAX; j++) ag->covers[j] = vs_read_u8(&r) != 0;
    size_t len = r.left;
    const uint8_t *bytes = vs_read_bytes(&r, len);
    if (!vs_reader_done(&r) || vs_proposal_decode(&ag->proposal, bytes, len) != VS_OK) {
        err = vs_fail(ag->diag, VS_ERR_IO, "the aggregator's store: bad record \"%s\"", key);
        goto cleanup;
    }
    err = vs_ag_blob_read(ag, &ag->records_blob, VS_WIRE_BODY_MAX, &records);
    if (err == VS_OK) err = vs_ag_blob_read(ag, &ag->rejected_blob, VS_WIRE_BODY_MAX, &rejected);
    if (err == VS_OK) err = build_vote_body(ag, &records, &rejected);
    if (err != VS_OK) goto cleanup;
    ag->proposed = true;
    ag->included = ag->proposal.count;
    vs_ag_enter(ag, vsw_Phase_VOTING);

cleanup:
    vs_buf_free(&rejected);
    vs_buf_free(&records);
    vs_buf_free(&value);
    return err;
}

/* --- VOTING ----------------------------------------------------------------------------------- */

static bool has_room(const ag_t *ag)
{
    size_t out = 0;
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) out += ag->peer[j].op == AG_VOTE;
    return out == 0 || (out + 1) * ag->vote_body.len <= VOTES_IN_FLIGHT_BYTES;
}

vs_err vs_ag_vote_next(ag_t *ag, uint32_t j)
{
    ag_peer *p = &ag->peer[j];
    if (!p->listed || p->done || !has_room(ag)) return VS_OK;
    vs_err err = vs_ag_catch_up(ag, j);
    if (err != VS_OK || p->op != AG_NONE) return err;
    vsw_Request head = {.which_op = vsw_Request_vote_tag,
                        .op.vote = {.round = ag->last_round,
                                    .record_count = ag->proposal.count,
                                    .rejected_count = ag->proposal.rejected_count}};
    return vs_ag_send(ag, j, AG_VOTE, &head, ag->vote_body.p, ag->vote_body.len,
                      VS_AG_LONG_TIMEOUT_MS);
}

vs_err vs_ag_vote_reply(ag_t *ag, uint32_t j, const vs_reply *reply)
{
    ag_peer *p = &ag->peer[j];
    vs_buf statement = {0};
    if (reply->head.which_result == vsw_Reply_error_tag) {
        vs_ag_peer_error(ag, j, &reply->head.result.error);
        return VS_OK;
    }
    if (reply->head.which_result != vsw_Reply_vote_tag) {
        vs_ag_peer_fail(ag, j, "its reply is not a vote");
        return VS_OK;
    }
    const uint8_t *sig = reply->head.result.vote.signature;
    vs_err err = vs_vote_bytes(&statement, &ag->proposal, j);
    if (err == VS_OK && vs_verify(sig, statement.p, statement.len,
                                  &ag->fed->shareholder[j - 1].party.key) != VS_OK) {
        vs_ag_peer_fail(ag, j, "the signature of its vote is wrong");
    } else if (err == VS_OK) {
        memcpy(p->vote, sig, sizeof p->vote);
        p->done = true;
        vs_ag_peer_ok(p);
    }
    vs_buf_free(&statement);
    return err;
}

static vs_err log_set(ag_t *ag)
{
    vs_buf envelope = {0};
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    vs_ag_entry_begin(ag, entry, VS_ENTRY_SET, ag->last_round);
    vs_entry_set *set = &entry->u.set;
    set->params_hash = ag->proposal.params_hash;
    set->count = ag->proposal.count;
    set->records = ag->proposal.root;
    set->rejected_count = ag->proposal.rejected_count;
    set->rejected = ag->proposal.rejected_root;
    set->records_blob = ag->records_blob;
    set->rejected_blob = ag->rejected_blob;
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        if (!ag->peer[j].done) continue;
        set->votes[set->n_votes].index = j;
        memcpy(set->votes[set->n_votes++].sig, ag->peer[j].vote, 64);
    }
    uint32_t votes = set->n_votes;
    vs_err err = vs_ag_entry_sign(ag, &envelope, entry);
    if (err == VS_OK) {
        vs_entry_kind kind = VS_ENTRY_SET;
        vs_bytes bytes = {envelope.p, envelope.len};
        err = vs_ag_append(ag, ag->last_round, &kind, &bytes, 1, &ag->set_leaf);
    }
    vs_buf_free(&envelope);
    free(entry);
    if (err != VS_OK) return err;
    ag->set_logged = true;
    ag->set_index = vs_log_size(ag->log) - 1;
    vs_buf_free(&ag->vote_body);
    vs_ag_enter(ag, vsw_Phase_SETTING);
    vs_ag_notice(ag, "round %" PRIu64 ": set fixed, %u clients, %u votes", ag->last_round,
                 ag->included, votes);
    return VS_OK;
}

vs_err vs_ag_vote_advance(ag_t *ag, bool *moved)
{
    uint32_t q = vs_committee_q(&ag->fed->committee);
    uint32_t have = vs_ag_count_done(ag);
    if (have >= q) {
        *moved = true;
        return log_set(ag);
    }
    if (vs_ag_any_waiting(ag, true) && !vs_ag_phase_expired(ag, 2)) return VS_OK;
    *moved = true;
    bool expired = ag->now_ms >= vs_ag_expiry_ms(ag);
    return vs_ag_closing_begin(ag, expired ? VS_ABORT_EXPIRED : VS_ABORT_TOO_FEW_VOTES,
                               "%u shareholders voted, %u are needed", have, q);
}

/* --- SETTING ---------------------------------------------------------------------------------- */

vs_err vs_ag_setting_advance(ag_t *ag, bool *moved)
{
    uint32_t q = vs_committee_q(&ag->fed->committee);
    uint32_t have = vs_ag_cosigned(ag);
    if (have >= q) {
        *moved = true;
        vs_ag_enter(ag, vsw_Phase_ANSWERING);
        return VS_OK;
    }
    if (ag->now_ms < vs_ag_expiry_ms(ag)) return VS_OK;
    *moved = true;
    return vs_ag_abort(ag, VS_ABORT_EXPIRED,
                       "the set's checkpoint has %u cosignatures, %u are needed", have, q);
}
