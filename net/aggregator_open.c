/* Opening a round: the admin's request, the shareholders' round keys, the `open` entry. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/aggregator_impl.h"

#define REQUEST_KEY "request"
#define REQUEST_LABEL "veilsum/v1 aggregator request"

/* --- the request ------------------------------------------------------------------------------ */

static vs_err store_request(ag_t *ag, const ag_request *q)
{
    vs_buf value = {0};
    vs_buf_label(&value, REQUEST_LABEL);
    vs_buf_u64(&value, q->round);
    vs_buf_u32(&value, q->dim);
    vs_buf_u32(&value, q->target_clients);
    vs_buf_u32(&value, q->collect_s);
    vs_buf_h32(&value, &q->model_hash);
    vs_err err = vs_buf_check(&value);
    if (err == VS_OK) err = vs_ag_put(ag, REQUEST_KEY, value.p, value.len);
    vs_buf_free(&value);
    return err;
}

static vs_err drop_request(ag_t *ag)
{
    return vs_ag_put(ag, REQUEST_KEY, NULL, 0);
}

/* Every shareholder is asked for the size of its log first: one that knows more than this ledger
 * has shows that the folder is an old copy, and gets no new round out of it. */
static void begin_opening(ag_t *ag, const ag_request *q)
{
    ag->request = *q;
    vs_ag_enter(ag, vsw_Phase_OPENING);
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        ag->peer[j].log_known = ag->peer[j].forked = false;
    }
}

/* A request that was accepted before a restart goes on. */
vs_err vs_ag_open_restore(ag_t *ag)
{
    vs_buf value = {0};
    bool found = false;
    ag_request q = {0};
    vs_err err = vs_ag_get(ag, REQUEST_KEY, &value, &found);
    if (err == VS_OK && found) {
        vs_reader r = vs_reader_of(value.p, value.len);
        vs_read_label(&r, REQUEST_LABEL);
        q.round = vs_read_u64(&r);
        q.dim = vs_read_u32(&r);
        q.target_clients = vs_read_u32(&r);
        q.collect_s = vs_read_u32(&r);
        vs_read_h32(&r, &q.model_hash);
        if (!vs_reader_done(&r)) {
            err = vs_fail(ag->diag, VS_ERR_IO, "the aggregator's store: bad record \"request\"");
        }
    }
    vs_buf_free(&value);
    if (err != VS_OK || !found) return err;
    if (q.round != ag->last_round + 1) return drop_request(ag); /* it was opened */
    begin_opening(ag, &q);
    return VS_OK;
}

/* NULL, or the rule that the request breaks. */
static const char *broken_rule(const ag_t *ag, const ag_request *q, vs_diag *why)
{
    const vs_federation *fed = ag->fed;
    vs_layout layout;
    vs_entry_open next = {.dim = q->dim};
    if (q->dim == 0) return "dim is 0";
    if (q->target_clients > fed->max_clients) return "target_clients is above max_clients";
    if (q->target_clients > 0 && q->target_clients < fed->min_clients) {
        return "target_clients is below min_clients";
    }
    if (q->collect_s > fed->round_timeout_s) return "collect_s is above the round timeout";
    vs_err err = vs_layout_make(&layout, fed->quantiser.bits, fed->max_clients, fed->committee.k,
                                vs_round_coordinates(fed, q->dim), why);
    if (err == VS_OK) err = vs_budget_next(&ag->budget, fed, &next, why);
    if (err == VS_OK) err = vs_round_fill_open(&next, fed, why);
    return err == VS_OK ? NULL : why->text;
}

static bool open_is_signed(const ag_t *ag, const vsw_ControlOpen *m)
{
    vs_buf arguments = {0};
    vs_buf_u32(&arguments, m->dim);
    vs_buf_bytes(&arguments, m->model_hash, sizeof m->model_hash);
    vs_buf_u32(&arguments, m->target_clients);
    vs_buf_u32(&arguments, m->collect_s);
    bool ok =
        vs_ag_is_admin(ag, m->has_control, &m->control, VS_OPERATION_OPEN, m->round, &arguments);
    vs_buf_free(&arguments);
    return ok;
}

static bool is_between_rounds(const ag_t *ag)
{
    return ag->phase == vsw_Phase_IDLE || ag->phase == vsw_Phase_FINAL ||
           ag->phase == vsw_Phase_ABORTED;
}

vs_err vs_ag_open_request(ag_t *ag, uint64_t conn, const vsw_ControlOpen *m)
{
    ag_request q = {.round = m->round,
                    .dim = m->dim,
                    .target_clients = m->target_clients,
                    .collect_s = m->collect_s == 0 ? ag->fed->round_timeout_s : m->collect_s};
    vs_diag why = {{0}};
    bool known = true;
    memcpy(q.model_hash.b, m->model_hash, sizeof q.model_hash.b);
    if (!open_is_signed(ag, m)) {
        return vs_ag_reply_error(ag, conn, vsw_Code_UNAUTHORISED, 0,
                                 "only the federation's admin key opens rounds");
    }
    if (!is_between_rounds(ag)) {
        uint64_t busy = ag->phase == vsw_Phase_OPENING ? ag->request.round : ag->last_round;
        return vs_ag_reply_error(ag, conn, vsw_Code_BUSY, busy,
                                 "round %" PRIu64 " is still in phase %s", busy,
                                 vs_phase_name(ag->phase));
    }
    if (q.round != ag->last_round + 1) {
        return vs_ag_reply_error(ag, conn, vsw_Code_CONFLICT, ag->last_round + 1,
                                 "the next round is %" PRIu64, ag->last_round + 1);
    }
    vs_err err = vs_ag_budget(ag);
    if (err != VS_OK) return err;
    const char *rule = broken_rule(ag, &q, &why);
    if (rule != NULL) return vs_ag_reply_error(ag, conn, vsw_Code_REFUSED, 0, "%s", rule);
    if (!vs_h32_is_zero(&q.model_hash)) {
        err = vs_ag_model_known(ag, &q.model_hash, &known);
        if (err != VS_OK) return err;
    }
    if (!known) {
        return vs_ag_reply_error(ag, conn, vsw_Code_NOT_FOUND, 0,
                                 "the model file of this hash was not uploaded");
    }
    err = store_request(ag, &q);
    if (err != VS_OK) return err;
    ag->detail[0] = '\0';
    begin_opening(ag, &q);
    vsw_Reply head = {.which_result = vsw_Reply_ok_tag};
    return vs_ag_reply(ag, conn, &head, NULL, 0);
}

/* --- OPENING ---------------------------------------------------------------------------------- */

vs_err vs_ag_open_next(ag_t *ag, uint32_t j)
{
    ag_peer *p = &ag->peer[j];
    if (p->done) return VS_OK;
    if (ag->ring.revoked[j]) {
        vs_ag_peer_fail(ag, j, "its key is revoked");
        return VS_OK;
    }
    if (p->forked) {
        vs_ag_peer_fail(ag, j, "it knows a larger log than this ledger");
        return VS_OK;
    }
    if (!p->log_known) return vs_ag_follow_status(ag, j);
    vs_err err = vs_ag_catch_up(ag, j);
    if (err != VS_OK || p->op != AG_NONE) return err;
    vsw_Request head = {.which_op = vsw_Request_round_key_tag,
                        .op.round_key = {.round = ag->request.round}};
    return vs_ag_send(ag, j, AG_ROUND_KEY, &head, NULL, 0, VS_AG_SHORT_TIMEOUT_MS);
}

vs_err vs_ag_open_reply(ag_t *ag, uint32_t j, const vs_reply *reply)
{
    ag_peer *p = &ag->peer[j];
    vs_round_id id = vs_ag_id(ag, ag->request.round);
    vs_buf statement = {0};
    if (reply->head.which_result == vsw_Reply_error_tag) {
        vs_ag_peer_error(ag, j, &reply->head.result.error);
        return VS_OK;
    }
    if (reply->head.which_result != vsw_Reply_round_key_tag) {
        vs_ag_peer_fail(ag, j, "its reply is not a round key");
        return VS_OK;
    }
    const vsw_RoundKeyReply *m = &reply->head.result.round_key;
    memcpy(p->round_key.b, m->key, sizeof p->round_key.b);
    memcpy(p->round_key_sig, m->signature, sizeof p->round_key_sig);
    vs_err err = vs_round_key_bytes(&statement, &id, j, &p->round_key);
    if (err == VS_OK && vs_verify(p->round_key_sig, statement.p, statement.len,
                                  &ag->fed->shareholder[j - 1].party.key) != VS_OK) {
        vs_ag_peer_fail(ag, j, "the signature of its round key is wrong");
    } else if (err == VS_OK) {
        vs_ag_peer_ok(p);
        p->done = true;
    }
    vs_buf_free(&statement);
    return err;
}

static vs_err make_secret(ag_t *ag, vs_h32 *key)
{
    char name[VS_STORE_NAME_MAX + 1];
    vs_err err = vs_rng_fill(&ag->rng, ag->round_secret, sizeof ag->round_secret);
    if (err != VS_OK) return vs_fail(ag->diag, err, "aggregator: no randomness for a round key");
    vs_ag_key(name, ag->request.round, "secret");
    err = ag->store.ops->secret_put(ag->store.ctx, name, ag->round_secret, sizeof ag->round_secret,
                                    ag->diag);
    if (err == VS_OK) vs_seal_public(key, ag->round_secret);
    return err;
}

static vs_err fill_open(ag_t *ag, vs_entry_open *o)
{
    const vs_federation *fed = ag->fed;
    const ag_request *q = &ag->request;
    o->dim = q->dim;
    vs_err err = vs_ag_budget(ag);
    if (err == VS_OK) err = vs_budget_next(&ag->budget, fed, o, ag->diag);
    if (err == VS_OK) err = vs_round_fill_open(o, fed, ag->diag);
    if (err != VS_OK) return err;
    o->target_clients = q->target_clients;
    o->model_hash = q->model_hash;
    o->opened_at = ag->now_ms / 1000;
    o->deadline = o->opened_at + q->collect_s;
    o->hard_expiry = o->deadline + fed->answer_timeout_s;
    for (uint32_t j = 1; j <= fed->committee.n; j++) {
        const ag_peer *p = &ag->peer[j];
        if (!p->done) continue;
        vs_entry_shareholder *s = &o->shareholders[o->n_shareholders++];
        s->index = j;
        s->key = p->round_key;
        memcpy(s->sig, p->round_key_sig, sizeof s->sig);
    }
    return VS_OK;
}

/* Forget what belongs to the last round. */
static void reset_round(ag_t *ag)
{
    ag->collected_ms = 0;
    ag->n_manifests = 0;
    ag->included = 0;
    ag->proposed = ag->set_logged = ag->answers_logged = false;
    ag->tried_answers = 0;
    ag->detail[0] = '\0';
    ag->n_proofs = ag->n_statements = 0;
    vs_buf_free(&ag->vote_body);
    memset(ag->covers, 0, sizeof ag->covers);
    memset(ag->closing_not_voting, 0, sizeof ag->closing_not_voting);
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        ag_peer *p = &ag->peer[j];
        p->listed = p->done;
        p->opened = false;
        memset(p->vote, 0, sizeof p->vote);
        free(p->list);
        p->list = NULL;
        p->n_list = 0;
        vs_buf_free(&p->closed);
        vs_ag_answer_forget(p);
    }
}

static vs_err open_round(ag_t *ag)
{
    uint64_t number = ag->request.round;
    vs_buf envelope = {0};
    vs_entry *entry = calloc(1, sizeof *entry);
    vs_round *round = calloc(1, sizeof *round);
    vs_err err = entry == NULL || round == NULL ? VS_ERR_NOMEM : VS_OK;
    if (err == VS_OK) {
        vs_ag_entry_begin(ag, entry, VS_ENTRY_OPEN, number);
        err = fill_open(ag, &entry->u.open);
    }
    if (err == VS_OK) {
        err = make_secret(ag, &entry->u.open.aggregator_key);
    }
    if (err == VS_OK) err = vs_ag_entry_sign(ag, &envelope, entry);
    /* What is appended can never be taken back: check it as everybody else will. */
    if (err == VS_OK) err = vs_round_from_open(round, ag->fed, envelope.p, envelope.len, ag->diag);
    if (err == VS_OK) {
        vs_entry_kind kind = VS_ENTRY_OPEN;
        vs_bytes bytes = {envelope.p, envelope.len};
        err = vs_ag_append(ag, number, &kind, &bytes, 1, NULL);
    }
    if (err == VS_OK) {
        ag->round = *round;
        reset_round(ag);
        err = drop_request(ag);
        vs_ag_enter(ag, vsw_Phase_COLLECT);
        vs_ag_notice(ag, "round %" PRIu64 ": open with %u of %u shareholders, %u coordinates",
                     number, round->open.n_shareholders, ag->fed->committee.n, round->open.dim);
        if (round->open.noise_variance != 0) {
            vs_ag_notice(ag, "round %" PRIu64 ": epsilon %.4g of %g once it counts", number,
                         round->open.epsilon, ag->fed->privacy.max_epsilon);
        }
    }
    free(round);
    free(entry);
    vs_buf_free(&envelope);
    return err;
}

static vs_err give_up(ag_t *ag, uint32_t have, uint32_t needed)
{
    uint64_t number = ag->request.round;
    vs_err err = drop_request(ag);
    if (err != VS_OK) return err;
    (void)snprintf(ag->detail, sizeof ag->detail,
                   "round %" PRIu64 " was not opened: %u of %u shareholders gave a round key, %u "
                   "are needed",
                   number, have, ag->fed->committee.n, needed);
    vs_ag_notice(ag, "%s", ag->detail);
    vs_ag_enter(ag, vsw_Phase_IDLE);
    return VS_OK;
}

vs_err vs_ag_open_cancel(ag_t *ag)
{
    vs_err err = drop_request(ag);
    if (err != VS_OK) return err;
    (void)snprintf(ag->detail, sizeof ag->detail, "round %" PRIu64 " was not opened: cancelled",
                   ag->request.round);
    vs_ag_enter(ag, vsw_Phase_IDLE);
    return VS_OK;
}

vs_err vs_ag_open_advance(ag_t *ag, bool *moved)
{
    uint32_t needed = vs_committee_needed(&ag->fed->committee);
    uint32_t have = vs_ag_count_done(ag);
    bool over = vs_ag_grace_over(ag, have >= needed);
    bool waiting = vs_ag_any_waiting(ag, false);
    bool expired = ag->now_ms - ag->phase_ms >= VS_AG_OPENING_MS;
    if (have >= needed && (over || !waiting)) {
        *moved = true;
        return open_round(ag);
    }
    if (have < needed && (expired || !waiting)) {
        *moved = true;
        return give_up(ag, have, needed);
    }
    return VS_OK;
}
