/* The rules of the log: who signs what, in which order (net/replay.h). Sets are checked in
 * replay_set.c, results in replay_result.c. */
#include "net/replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "net/replay_impl.h"

vs_err vs_replay_new(vs_replay **out, const vs_federation *fed, const vs_blob_source *blobs,
                     bool check_records)
{
    VS_ASSERT(out != NULL && fed != NULL && blobs != NULL);
    *out = NULL;
    vs_replay *rp = calloc(1, sizeof *rp);
    if (rp == NULL) return VS_ERR_NOMEM;
    rp->fed = fed;
    rp->blobs = *blobs;
    rp->check_records = check_records;
    vs_merkle_init(&rp->tree);
    vs_budget_init(&rp->budget, fed);
    *out = rp;
    return VS_OK;
}

void vs_replay_free(vs_replay *rp)
{
    if (rp != NULL) vs_keyring_free(&rp->keys);
    free(rp);
}

vs_err vs_replay_clone(vs_replay **out, const vs_replay *rp)
{
    VS_ASSERT(out != NULL && rp != NULL);
    *out = malloc(sizeof **out);
    if (*out == NULL) return VS_ERR_NOMEM;
    **out = *rp;
    vs_err err = vs_keyring_copy(&(*out)->keys, &rp->keys);
    if (err != VS_OK) {
        free(*out);
        *out = NULL;
    }
    return err;
}

void vs_replay_set_trusted(vs_replay *rp, bool trusted)
{
    rp->trusted = trusted;
}

void vs_replay_allow_private(vs_replay *rp)
{
    rp->allow_private = !rp->fed->public_results;
}

uint64_t vs_replay_size(const vs_replay *rp)
{
    return rp->tree.size;
}

void vs_replay_root(const vs_replay *rp, vs_h32 *root)
{
    vs_merkle_root(&rp->tree, root);
}

const vs_keyring *vs_replay_keys(const vs_replay *rp)
{
    return &rp->keys;
}

vs_replay_count vs_replay_counts(const vs_replay *rp)
{
    return rp->count;
}

void vs_replay_prev(const vs_replay *rp, vs_h32 *prev)
{
    *prev = rp->prev;
}

uint64_t vs_replay_last_round(const vs_replay *rp)
{
    return rp->last_round;
}

const vs_round_view *vs_replay_round(const vs_replay *rp, uint64_t round)
{
    return round != 0 && round == rp->last_round ? &rp->view : NULL;
}

/* --- one entry at a time -------------------------------------------------------------------------
 */

typedef struct entry_in {
    vs_dsse dsse;
    vs_entry entry;
    vs_h32 leaf;
    const uint8_t *envelope;
    size_t len;
    vs_round round; /* of an `open` */
} entry_in;

static vs_err broken(vs_diag *diag, const char *rule)
{
    return vs_fail(diag, VS_ERR_PROOF, "%s", rule);
}

/* The shareholder that must sign this entry, 0 for the aggregator. */
static uint32_t signer_of(const vs_entry *entry)
{
    if (entry->kind == VS_ENTRY_ANSWER) return entry->u.answer.index;
    if (entry->kind == VS_ENTRY_CLOSED) return entry->u.closed.index;
    return 0;
}

static vs_err check_signature(const vs_replay *rp, const entry_in *in, vs_diag *diag)
{
    uint32_t j = signer_of(&in->entry);
    if (j > rp->fed->committee.n) {
        return vs_fail(diag, VS_ERR_PROOF, "%s of shareholder %u: the federation has %u",
                       in->dsse.kind, j, rp->fed->committee.n);
    }
    if (rp->trusted) return VS_OK;
    const vs_h32 *key = j == 0 ? &rp->fed->aggregator.key : &rp->fed->shareholder[j - 1].party.key;
    vs_err err = vs_dsse_verify(&in->dsse, key, diag);
    if (err == VS_OK) return VS_OK;
    if (j == 0) {
        vs_diag_prefix(diag, "%s is not signed by the aggregator", in->dsse.kind);
    } else {
        vs_diag_prefix(diag, "%s of shareholder %u is not signed by it", in->dsse.kind, j);
    }
    return err;
}

/* Parse, decode, and what every entry must have. */
static vs_err read_entry(const vs_replay *rp, entry_in *in, vs_diag *diag)
{
    if (in->len == 0 || in->len > VS_ENTRY_MAX_BYTES) {
        return vs_fail(diag, VS_ERR_MALFORMED, "has %zu bytes, an entry has 1 to %u", in->len,
                       VS_ENTRY_MAX_BYTES);
    }
    vs_err err = vs_dsse_parse(&in->dsse, in->envelope, in->len, diag);
    if (err == VS_OK) {
        err = vs_entry_decode(&in->entry, in->dsse.kind, in->dsse.payload.p, in->dsse.payload.len,
                              diag);
    }
    if (err == VS_ERR_NOMEM) return err;
    if (err != VS_OK) return VS_ERR_MALFORMED; /* keeps the message */

    const vs_entry *e = &in->entry;
    if (strcmp(e->origin, rp->fed->origin) != 0) return broken(diag, "origin is another log's");
    if (!vs_h32_equal(&e->federation, &rp->fed->id)) {
        return broken(diag, "federation is another one's id");
    }
    if (!vs_h32_equal(&e->prev, &rp->prev)) {
        return broken(diag, "prev is not the leaf hash of the previous result, abort or federation "
                            "entry");
    }
    vs_merkle_leaf(&in->leaf, in->envelope, in->len);
    return check_signature(rp, in, diag);
}

static vs_err check_federation(const vs_replay *rp, const vs_entry *e, vs_diag *diag)
{
    const vs_note_key *named = &e->u.federation.log_key, *ours = &rp->fed->log_key;
    if (rp->tree.size != 0) return broken(diag, "a second federation entry");
    if (e->round != 0) return broken(diag, "federation entry: round is not 0");
    if (!vs_h32_equal(&e->u.federation.file, &rp->fed->id)) {
        return broken(diag, "federation entry: file is not the federation's id");
    }
    if (strcmp(named->name, ours->name) != 0 || named->type != ours->type ||
        !vs_h32_equal(&named->public_key, &ours->public_key)) {
        return broken(diag, "federation entry: log_key is not that of the federation file");
    }
    return VS_OK;
}

static bool finished(const vs_replay *rp)
{
    return rp->last_round == 0 || rp->view.phase == VS_REPLAY_RESULT ||
           rp->view.phase == VS_REPLAY_ABORT;
}

static vs_err check_open(const vs_replay *rp, entry_in *in, vs_diag *diag)
{
    uint64_t round = in->entry.round;
    if (round == rp->last_round) {
        return vs_fail(diag, VS_ERR_PROOF, "a second open of round %" PRIu64, round);
    }
    if (round != rp->last_round + 1) {
        return vs_fail(diag, VS_ERR_PROOF, "open of round %" PRIu64 ", the next one is %" PRIu64,
                       round, rp->last_round + 1);
    }
    if (!finished(rp)) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "open of round %" PRIu64 " before round %" PRIu64 " has a result or abort",
                       round, rp->last_round);
    }
    vs_err err = vs_round_from_open(&in->round, rp->fed, in->envelope, in->len, diag);
    for (uint32_t i = 0; err == VS_OK && i < in->round.open.n_shareholders; i++) {
        uint32_t j = in->round.open.shareholders[i].index;
        if (!rp->keys.revoked[j]) continue;
        err = vs_fail(diag, VS_ERR_PROOF, "open lists shareholder %u, whose key is revoked", j);
    }
    return err == VS_OK ? vs_budget_check(&rp->budget, rp->fed, &in->round, diag) : err;
}

vs_err vs_replay_check_open(const vs_replay *rp, const vs_round *round, vs_diag *diag)
{
    if (round->id.round != rp->last_round + 1 || !finished(rp)) {
        return vs_fail(diag, VS_ERR_STATE, "the log here does not end with the round before");
    }
    return vs_budget_check(&rp->budget, rp->fed, round, diag);
}

double vs_replay_epsilon(const vs_replay *rp)
{
    if (!finished(rp)) return rp->view.round.open.epsilon; /* checked when it was opened */
    return vs_budget_epsilon(&rp->budget, rp->fed);
}

static vs_err check_answer(const vs_replay *rp, const vs_entry_answer *a, vs_diag *diag)
{
    const vs_round_view *v = &rp->view;
    if (v->phase != VS_REPLAY_SET) {
        return vs_fail(diag, VS_ERR_PROOF, "answer of shareholder %u: there is no set to answer",
                       a->index);
    }
    if (vs_round_position(&v->round, a->index) < 0) {
        return vs_fail(diag, VS_ERR_PROOF, "answer of shareholder %u: open does not list it",
                       a->index);
    }
    if (v->closed[a->index]) {
        return vs_fail(diag, VS_ERR_PROOF, "answer of shareholder %u after its closed", a->index);
    }
    for (uint32_t i = 0; i < v->n_answers; i++) {
        if (v->answer_index[i] == a->index) {
            return vs_fail(diag, VS_ERR_PROOF, "a second answer of shareholder %u", a->index);
        }
    }
    if (!vs_h32_equal(&a->set, &v->set_leaf)) {
        return vs_fail(diag, VS_ERR_PROOF, "answer of shareholder %u names another set", a->index);
    }
    if (a->checkpoint_size <= v->set_index || a->checkpoint_size > rp->tree.size) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "answer of shareholder %u: its checkpoint of size %" PRIu64
                       " does not cover the set, or is not of this log",
                       a->index, a->checkpoint_size);
    }
    uint64_t at = a->checkpoint_size - v->set_index - 1;
    VS_ASSERT(at < rp->n_roots);
    if (!vs_h32_equal(&a->checkpoint_root, &rp->root[at])) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "answer of shareholder %u: its checkpoint has another root than this log",
                       a->index);
    }
    return VS_OK;
}

static vs_err check_closed(const vs_replay *rp, const vs_entry_closed *c, vs_diag *diag)
{
    const vs_round_view *v = &rp->view;
    if (v->phase != VS_REPLAY_OPEN) {
        return vs_fail(diag, VS_ERR_PROOF, "closed of shareholder %u: the round is not open",
                       c->index);
    }
    if (vs_round_position(&v->round, c->index) < 0) {
        return vs_fail(diag, VS_ERR_PROOF, "closed of shareholder %u: open does not list it",
                       c->index);
    }
    if (!vs_h32_equal(&c->params_hash, &v->round.params_hash)) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "closed of shareholder %u: params_hash is not the open's", c->index);
    }
    if (v->closed[c->index]) {
        return vs_fail(diag, VS_ERR_PROOF, "a second closed of shareholder %u", c->index);
    }
    return VS_OK;
}

static bool needs_set(vs_abort_reason reason)
{
    return reason == VS_ABORT_TOO_FEW_ANSWERS || reason == VS_ABORT_UNDECODABLE ||
           reason == VS_ABORT_UNCERTAIN || reason == VS_ABORT_RANGE;
}

static vs_err check_abort(const vs_replay *rp, const vs_entry_abort *a, vs_diag *diag)
{
    const vs_round_view *v = &rp->view;
    if (finished(rp)) return broken(diag, "abort of a round that is over");
    bool closed =
        v->phase == VS_REPLAY_OPEN && v->n_closed >= vs_committee_closed(&rp->fed->committee);
    if (a->closed != closed) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "abort: closed is %s, but %u closed statements are logged, %u prove it, %s",
                       a->closed ? "true" : "false", v->n_closed,
                       vs_committee_closed(&rp->fed->committee),
                       v->phase == VS_REPLAY_OPEN ? "and there is no set" : "and there is a set");
    }
    if (v->phase == VS_REPLAY_OPEN && needs_set(a->reason)) {
        return vs_fail(diag, VS_ERR_PROOF, "abort: reason %s without a set",
                       vs_abort_reason_name(a->reason));
    }
    for (uint32_t i = 0; i < a->n_not_voting; i++) {
        if (vs_round_position(&v->round, a->not_voting[i]) < 0) {
            return vs_fail(diag, VS_ERR_PROOF,
                           "abort: not_voting names shareholder %u, open "
                           "does not",
                           a->not_voting[i]);
        }
    }
    return VS_OK;
}

/* Kind by kind. Only `federation`, `open` and `key` may come without an open round. */
static vs_err check_entry(const vs_replay *rp, entry_in *in, vs_diag *diag)
{
    const vs_entry *e = &in->entry;
    if (e->kind == VS_ENTRY_FEDERATION) return check_federation(rp, e, diag);
    if (rp->tree.size == 0) return broken(diag, "the first entry must be the federation's");
    if (e->kind == VS_ENTRY_OPEN) return check_open(rp, in, diag);
    if (e->kind == VS_ENTRY_KEY) return vs_replay_check_key(rp, e, diag);
    if (rp->last_round == 0 || e->round != rp->last_round) {
        return vs_fail(diag, VS_ERR_PROOF, "%s of round %" PRIu64 ", which is not the open round",
                       in->dsse.kind, e->round);
    }
    switch (e->kind) {
    case VS_ENTRY_SET: return vs_replay_check_set(rp, &e->u.set, diag);
    case VS_ENTRY_ANSWER: return check_answer(rp, &e->u.answer, diag);
    case VS_ENTRY_RESULT: return vs_replay_check_result(rp, &e->u.result, diag);
    case VS_ENTRY_ABORT: return check_abort(rp, &e->u.abort, diag);
    case VS_ENTRY_CLOSED: return check_closed(rp, &e->u.closed, diag);
    case VS_ENTRY_EVIDENCE: return vs_replay_check_evidence(rp, e, diag);
    default: return broken(diag, "kind is unknown");
    }
}

/* --- accepted ------------------------------------------------------------------------------------
 */

static void take_answer(vs_round_view *v, const vs_entry_answer *a)
{
    uint32_t at = v->n_answers++;
    for (; at > 0 && v->answer_index[at - 1] > a->index; at--) {
        v->answer_index[at] = v->answer_index[at - 1];
        v->answer_hash[at] = v->answer_hash[at - 1];
    }
    v->answer_index[at] = a->index;
    v->answer_hash[at] = a->answer_hash;
}

static vs_err take_entry(vs_replay *rp, const entry_in *in)
{
    const vs_entry *e = &in->entry;
    vs_round_view *v = &rp->view;
    vs_err err = VS_OK;
    switch (e->kind) {
    case VS_ENTRY_FEDERATION: rp->prev = in->leaf; break;
    case VS_ENTRY_OPEN:
        memset(v, 0, sizeof *v);
        v->round = in->round;
        v->phase = VS_REPLAY_OPEN;
        rp->last_round = e->round;
        rp->n_roots = 0;
        break;
    case VS_ENTRY_SET:
        v->set = e->u.set;
        v->set_leaf = in->leaf;
        v->set_index = rp->tree.size;
        v->phase = VS_REPLAY_SET;
        break;
    case VS_ENTRY_ANSWER: take_answer(v, &e->u.answer); break;
    case VS_ENTRY_CLOSED:
        v->closed[e->u.closed.index] = true;
        v->n_closed++;
        break;
    case VS_ENTRY_RESULT:
        v->result = e->u.result;
        v->phase = VS_REPLAY_RESULT;
        vs_budget_take(&rp->budget, &v->round.privacy, v->result.next_clip_norm, false);
        rp->prev = in->leaf;
        break;
    case VS_ENTRY_ABORT:
        v->abort = e->u.abort;
        v->phase = VS_REPLAY_ABORT;
        vs_budget_take(&rp->budget, &v->round.privacy, 0, v->abort.closed);
        rp->prev = in->leaf;
        break;
    case VS_ENTRY_EVIDENCE:
        rp->count.statements += e->u.evidence.claim == VS_CLAIM_STATEMENT;
        rp->count.proofs += e->u.evidence.claim != VS_CLAIM_STATEMENT;
        break;
    case VS_ENTRY_KEY:
        err = vs_keyring_take(&rp->keys, &e->u.key);
        rp->count.keys += err == VS_OK;
        break;
    }
    if (err != VS_OK) return err;
    vs_merkle_append(&rp->tree, &in->leaf);
    if (v->phase == VS_REPLAY_SET) {
        VS_ASSERT(rp->n_roots < VS_REPLAY_ROOTS_MAX);
        vs_merkle_root(&rp->tree, &rp->root[rp->n_roots++]);
    }
    return VS_OK;
}

vs_err vs_replay_entry(vs_replay *rp, const uint8_t *envelope, size_t len, vs_diag *diag)
{
    VS_ASSERT(rp != NULL && (envelope != NULL || len == 0));
    entry_in *in = calloc(1, sizeof *in);
    if (in == NULL) return vs_fail(diag, VS_ERR_NOMEM, "replay: out of memory");
    in->envelope = envelope;
    in->len = len;
    vs_err err = read_entry(rp, in, diag);
    if (err == VS_OK) err = check_entry(rp, in, diag);
    if (err == VS_OK) err = take_entry(rp, in);
    if (err != VS_OK) vs_diag_prefix(diag, "entry %" PRIu64, rp->tree.size);
    vs_dsse_free(&in->dsse);
    free(in);
    return err;
}
