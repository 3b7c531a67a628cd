/* Round keys, `open`, and the end of a round (net/shareholder_impl.h). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "ledger/dsse.h"
#include "net/shareholder_impl.h"

/* --- round secrets -------------------------------------------------------------------------------
 */

static sh_name secret_name(uint64_t round)
{
    sh_name name;
    (void)snprintf(name.text, sizeof name.text, "round-%016" PRIx64, round);
    return name;
}

vs_err vs_sh_round_secret(vs_shareholder *sh, uint64_t round, vs_buf *secret, bool *found,
                          vs_diag *diag)
{
    sh_name name = secret_name(round);
    vs_buf_reset(secret);
    vs_err err = sh->store.ops->secret_get(sh->store.ctx, name.text, secret, found, diag);
    if (err == VS_OK && *found && secret->len != SH_SECRET_BYTES) {
        err = vs_fail(diag, VS_ERR_IO, "secret %s has %zu bytes, not %u", name.text, secret->len,
                      SH_SECRET_BYTES);
    }
    return err;
}

static int key_at(const vs_shareholder *sh, uint64_t round)
{
    for (uint32_t i = 0; i < sh->n_keys; i++) {
        if (sh->key[i] == round) return (int)i;
    }
    return -1;
}

vs_err vs_sh_erase_secret(vs_shareholder *sh, uint64_t round, vs_diag *diag)
{
    int at = key_at(sh, round);
    if (at < 0) return VS_OK;
    sh_name name = secret_name(round), key = vs_sh_key_at("key", round);
    vs_err err = sh->store.ops->secret_erase(sh->store.ctx, name.text, diag);
    vs_store_item gone = vs_sh_item(&key, NULL, 0);
    if (err == VS_OK) err = vs_sh_put(sh, &gone, 1, diag);
    if (err == VS_OK) sh->key[at] = sh->key[--sh->n_keys];
    return err;
}

/* Requests for keys are not signed, so the numbers in them may be anything: of too many rounds the
 * lowest stay, because the next round is the lowest that is not over. */
static vs_err make_room(vs_shareholder *sh, uint64_t round, bool *room, vs_diag *diag)
{
    *room = true;
    if (sh->n_keys < SH_KEYS_MAX) return VS_OK;
    uint64_t highest = 0;
    for (uint32_t i = 0; i < sh->n_keys; i++) {
        if (sh->key[i] > highest) highest = sh->key[i];
    }
    *room = round < highest;
    return *room ? vs_sh_erase_secret(sh, highest, diag) : VS_OK;
}

/* The list of secrets is durable before the secret, so that none is ever forgotten. */
static vs_err make_secret(vs_shareholder *sh, uint64_t round, vs_buf *secret, vs_diag *diag)
{
    static const uint8_t one = 1;
    sh_name name = secret_name(round), key = vs_sh_key_at("key", round);
    vs_store_item item = vs_sh_item(&key, &one, 1);
    vs_err err = key_at(sh, round) >= 0 ? VS_OK : vs_sh_put(sh, &item, 1, diag);
    if (err != VS_OK) return err;
    if (key_at(sh, round) < 0) sh->key[sh->n_keys++] = round;

    vs_buf_reset(secret);
    uint8_t *bytes = vs_buf_extend(secret, SH_SECRET_BYTES);
    if (bytes == NULL) return vs_fail(diag, VS_ERR_NOMEM, "round key: out of memory");
    err = vs_rng_fill(&sh->rng, bytes, SH_SECRET_BYTES);
    if (err != VS_OK) return vs_fail(diag, err, "round key: no randomness");
    return sh->store.ops->secret_put(sh->store.ctx, name.text, bytes, SH_SECRET_BYTES, diag);
}

static vs_err reply_key(vs_shareholder *sh, uint64_t round, const vs_buf *secret, vs_buf *reply)
{
    vsw_Reply head = {.which_result = vsw_Reply_round_key_tag};
    vs_round_id id = {.federation_id = sh->fed->id, .round = round};
    vs_buf bytes = {0};
    vs_h32 pk;
    vs_seal_public(&pk, secret->p);
    vs_err err = vs_round_key_bytes(&bytes, &id, sh->j, &pk);
    if (err == VS_OK) {
        memcpy(head.result.round_key.key, pk.b, sizeof pk.b);
        vs_sign(head.result.round_key.signature, bytes.p, bytes.len, sh->keys->identity_seed);
        err = vs_reply_encode(reply, &head, NULL, 0);
    }
    vs_buf_free(&bytes);
    return err;
}

vs_err vs_sh_on_round_key(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    uint64_t round = req->head.op.round_key.round;
    uint64_t past = vs_replay_last_round(sh->log);
    if (sh->newest > past) past = sh->newest;
    bool open = sh->round != NULL && round == sh->newest && !sh->round->over;
    if (round == 0 || (round <= past && !open)) {
        return vs_reply_error(reply, vsw_Code_STATE, past,
                              "round %" PRIu64 " was opened already or is over", round);
    }
    vs_buf secret = {0};
    bool found = false, room = true;
    vs_err err = vs_sh_round_secret(sh, round, &secret, &found, diag);
    if (err == VS_OK && !found && open) {
        err = vs_reply_error(reply, vsw_Code_CANNOT, round, "the secret of this round is erased");
    } else if (err == VS_OK && !found) {
        if (key_at(sh, round) < 0) err = make_room(sh, round, &room, diag);
        if (err == VS_OK && room) err = make_secret(sh, round, &secret, diag);
        if (err == VS_OK && !room) {
            err = vs_reply_error(reply, vsw_Code_BUSY, past,
                                 "keys of %u rounds are out and none of them is open", SH_KEYS_MAX);
        }
    }
    if (err == VS_OK && reply->len == 0) err = reply_key(sh, round, &secret, reply);
    vs_buf_free_secret(&secret);
    return err;
}

/* --- round state in memory -----------------------------------------------------------------------
 */

void vs_sh_round_free(sh_round *r)
{
    if (r == NULL) return;
    vs_sh_sum_wipe(r);
    vs_buf_free(&r->open);
    vs_buf_free(&r->vote);
    vs_buf_free(&r->list);
    free(r->client);
    free(r->by_key);
    free(r->by_submission);
    free(r);
}

/* prev of the round's entries stands in its `open`. */
static vs_err read_prev(vs_h32 *prev, const uint8_t *envelope, size_t len, vs_diag *diag)
{
    vs_dsse dsse = {0};
    vs_entry *entry = malloc(sizeof *entry);
    vs_err err = entry == NULL ? VS_ERR_NOMEM : vs_dsse_parse(&dsse, envelope, len, diag);
    if (err == VS_OK) {
        err = vs_entry_decode(entry, dsse.kind, dsse.payload.p, dsse.payload.len, diag);
    }
    if (err == VS_OK) *prev = entry->prev;
    vs_dsse_free(&dsse);
    free(entry);
    return err;
}

/* Check `open` and make the round's state. Nothing is stored. */
static vs_err round_new(vs_shareholder *sh, sh_round **out, const uint8_t *envelope, size_t len,
                        vs_diag *diag)
{
    *out = NULL;
    sh_round *r = calloc(1, sizeof *r);
    if (r == NULL) return vs_fail(diag, VS_ERR_NOMEM, "open: out of memory");
    vs_err err = vs_round_from_open(&r->round, sh->fed, envelope, len, diag);
    if (err == VS_OK) err = read_prev(&r->prev, envelope, len, diag);
    if (err == VS_OK && vs_round_position(&r->round, sh->j) < 0) {
        err = vs_fail(diag, VS_ERR_PROOF, "open does not list shareholder %u", sh->j);
    }
    vs_buf_bytes(&r->open, envelope, len);
    if (err == VS_OK) err = vs_buf_check(&r->open);
    if (err != VS_OK) {
        vs_sh_round_free(r);
        return err;
    }
    r->is_seed = sh->j <= sh->fed->committee.t;
    r->chunks = vs_sealed_share_chunks(r->round.layout.columns, r->is_seed);
    r->sum.columns = r->round.layout.columns;
    *out = r;
    return VS_OK;
}

static vs_err load_flags(vs_shareholder *sh, sh_round *r, vs_diag *diag)
{
    const uint64_t round = sh->newest;
    const struct {
        const char *what;
        bool *flag;
    } flags[] = {{"over", &r->over},
                 {"sitout", &r->sit_out},
                 {"closed", &r->closed},
                 {"answer", &r->answered}};
    vs_err err = VS_OK;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0] && err == VS_OK; i++) {
        sh_name key = vs_sh_key(round, flags[i].what, NULL);
        err = vs_sh_has(sh, &key, flags[i].flag, diag);
    }
    sh_name vote = vs_sh_key(round, "vote", NULL);
    bool found = false;
    if (err == VS_OK) err = vs_sh_get(sh, &vote, &r->vote, &found, diag);
    return err;
}

static vs_err load_keys(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    vs_shareholder *sh = ctx;
    (void)value;
    (void)len;
    if (sh->n_keys < SH_KEYS_MAX) sh->key[sh->n_keys++] = strtoull(key + 4, NULL, 16);
    return VS_OK;
}

static vs_err load_newest(vs_shareholder *sh, vs_diag *diag)
{
    const sh_name newest = {"newest"};
    vs_buf value = {0};
    bool found = false;
    vs_err err = vs_sh_get(sh, &newest, &value, &found, diag);
    if (err == VS_OK && found) {
        vs_reader in = vs_reader_of(value.p, value.len);
        sh->newest = vs_read_u64(&in);
        sh_name open = vs_sh_key(sh->newest, "open", NULL);
        if (!vs_reader_done(&in)) err = vs_fail(diag, VS_ERR_IO, "newest is not a round number");
        if (err == VS_OK) err = vs_sh_get(sh, &open, &value, &found, diag);
        if (err == VS_OK) err = round_new(sh, &sh->round, value.p, value.len, diag);
        if (err != VS_OK) vs_diag_prefix(diag, "stored round %" PRIu64, sh->newest);
    }
    vs_buf_free(&value);
    return err;
}

vs_err vs_sh_load(vs_shareholder *sh, vs_diag *diag)
{
    sh->sweeping = true; /* what an earlier run left */
    vs_err err = sh->store.ops->scan(sh->store.ctx, "key/", load_keys, sh, diag);
    if (err == VS_OK) err = load_newest(sh, diag);
    if (err != VS_OK || sh->round == NULL) return err;
    sh_round *r = sh->round;
    err = load_flags(sh, r, diag);
    if (err == VS_OK && r->over) return vs_sh_erase_secret(sh, sh->newest, diag);
    if (err == VS_OK) err = vs_sh_list_load(sh, r, diag);
    if (err == VS_OK) err = vs_sh_clients_load(sh, r, diag);
    if (err == VS_OK && r->answered) err = vs_sh_erase_secret(sh, sh->newest, diag);
    return err;
}

/* --- open ----------------------------------------------------------------------------------------
 */

/* Within our clock's skew: the aggregator must not open rounds in the future, and after the
 * deadline there is nothing left to collect. */
static bool times_are_sane(const vs_shareholder *sh, const vs_entry_open *open)
{
    return open->opened_at <= sh->now_s + SH_SKEW_S && open->deadline + SH_SKEW_S >= sh->now_s &&
           open->hard_expiry > sh->now_s;
}

/* Is the round key that `open` names for us the one whose secret we hold? */
static vs_err check_our_key(vs_shareholder *sh, const sh_round *r, bool *ours, vs_diag *diag)
{
    vs_buf secret = {0};
    bool found = false;
    vs_h32 pk;
    *ours = false;
    vs_err err = vs_sh_round_secret(sh, r->round.id.round, &secret, &found, diag);
    if (err == VS_OK && found) {
        int at = vs_round_position(&r->round, sh->j);
        vs_seal_public(&pk, secret.p);
        *ours = vs_h32_equal(&pk, &r->round.open.shareholders[at].key);
    }
    vs_buf_free_secret(&secret);
    return err;
}

/* An `open` of a round that we have or had: the same bytes are fine, others contradict. */
static vs_err known_open(vs_shareholder *sh, uint64_t round, const vs_request *req, vs_buf *reply,
                         vs_diag *diag)
{
    sh_name key = vs_sh_key(round, "open", NULL);
    vs_buf stored = {0};
    bool found = false;
    vs_err err = vs_sh_get(sh, &key, &stored, &found, diag);
    bool same = found && stored.len == req->body_len && stored.len != 0 &&
                memcmp(stored.p, req->body, stored.len) == 0;
    if (err == VS_OK && found && !same) {
        err = vs_sh_accuse_entries(sh, stored.p, stored.len, req->body, req->body_len, diag);
    }
    vs_buf_free(&stored);
    if (err != VS_OK) return err;
    if (same) return vs_sh_ok(reply);
    if (found) {
        return vs_reply_error(reply, vsw_Code_CONFLICT, round,
                              "round %" PRIu64 " has another open already", round);
    }
    return vs_reply_error(reply, vsw_Code_STATE, sh->newest,
                          "round %" PRIu64 " is behind round %" PRIu64, round, sh->newest);
}

/* Durable first; then the older round ends, because its successor is open. */
static vs_err take_open(vs_shareholder *sh, sh_round *r, vs_diag *diag)
{
    uint64_t round = r->round.id.round, before = sh->newest;
    sh_name open = vs_sh_key(round, "open", NULL), newest = {"newest"};
    uint8_t number[8];
    vs_store_le64(number, round);
    vs_store_item items[] = {vs_sh_item(&open, r->open.p, r->open.len),
                             vs_sh_item(&newest, number, sizeof number)};
    vs_err err = vs_sh_put(sh, items, 2, diag);
    if (err != VS_OK) {
        vs_sh_round_free(r);
        return err;
    }
    if (before != 0) err = vs_sh_finish(sh, before, diag);
    vs_sh_round_free(sh->round);
    sh->round = r;
    sh->newest = round;
    if (err == VS_OK) err = load_flags(sh, r, diag); /* the log may say that we sit it out */
    for (uint32_t i = 0; i < sh->n_keys && err == VS_OK;) {
        if (sh->key[i] < round) {
            err = vs_sh_erase_secret(sh, sh->key[i], diag);
        } else {
            i++;
        }
    }
    return err;
}

/* The log has an `open` of this round already, and it is another one. */
static bool contradicts_log(const vs_shareholder *sh, const sh_round *r)
{
    const vs_round_view *view = vs_replay_round(sh->ahead, r->round.id.round);
    return view != NULL && !vs_h32_equal(&view->round.params_hash, &r->round.params_hash);
}

/* 0, or a shareholder of `open` whose key is revoked. */
static uint32_t revoked_of(const vs_shareholder *sh, const sh_round *r)
{
    const vs_entry_open *open = &r->round.open;
    for (uint32_t i = 0; i < open->n_shareholders; i++) {
        if (vs_replay_keys(sh->ahead)->revoked[open->shareholders[i].index]) {
            return open->shareholders[i].index;
        }
    }
    return 0;
}

static bool is_final(const vs_shareholder *sh, uint64_t round)
{
    const vs_round_view *view = vs_replay_round(sh->log, round);
    return view != NULL && (view->phase == VS_REPLAY_RESULT || view->phase == VS_REPLAY_ABORT);
}

/* What the rounds of the log have spent, with this one. A round that the log has already was
 * checked there. The log may be behind where nothing is counted. */
static vs_err check_budget(const vs_shareholder *sh, const sh_round *r, vs_diag *why)
{
    const vs_federation *fed = sh->fed;
    if (vs_replay_round(sh->ahead, r->round.id.round) != NULL) return VS_OK;
    if (fed->privacy.mechanism == VS_MECHANISM_NONE && fed->target_unclipped_quantile == 0) {
        return VS_OK;
    }
    return vs_replay_check_open(sh->ahead, &r->round, why);
}

vs_err vs_sh_on_open(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    uint64_t round = req->head.op.open.round;
    uint64_t logged = vs_replay_last_round(sh->log);
    sh_round *r = NULL;
    vs_diag why = {{0}};
    bool ours = false;
    vs_err budget;
    if (round <= sh->newest) return known_open(sh, round, req, reply, diag);
    vs_err err = round_new(sh, &r, req->body, req->body_len, &why);
    if (err != VS_OK) {
        if (vs_sh_is_fatal(err)) return vs_fail(diag, err, "%s", why.text);
        return vs_reply_error(reply, vs_sh_code(err), 0, "%s", why.text);
    }
    err = check_our_key(sh, r, &ours, diag);
    if (err == VS_OK && r->round.id.round != round) {
        err = vs_reply_error(reply, vsw_Code_MALFORMED, 0, "open is of another round");
    } else if (err == VS_OK && (round < logged || is_final(sh, round))) {
        err = vs_reply_error(reply, vsw_Code_STATE, logged, "round %" PRIu64 " is over in the log",
                             round);
    } else if (err == VS_OK && contradicts_log(sh, r)) {
        err = vs_reply_error(reply, vsw_Code_CONFLICT, round,
                             "the log has another open of round %" PRIu64, round);
    } else if (err == VS_OK && revoked_of(sh, r) != 0) {
        err = vs_reply_error(reply, vsw_Code_REFUSED, revoked_of(sh, r),
                             "open lists shareholder %u, whose key is revoked", revoked_of(sh, r));
    } else if (err == VS_OK && !ours) {
        err =
            vs_reply_error(reply, vsw_Code_CANNOT, 0,
                           "the round key of shareholder %u in open is not the one we hold", sh->j);
    } else if (err == VS_OK && (budget = check_budget(sh, r, &why)) != VS_OK) {
        /* STATE: it sends what our log lacks, then asks again. */
        err = vs_reply_error(reply, budget == VS_ERR_STATE ? vsw_Code_STATE : vsw_Code_REFUSED,
                             vs_replay_size(sh->ahead), "%s", why.text);
    } else if (err == VS_OK && !times_are_sane(sh, &r->round.open)) {
        err = vs_reply_error(reply, vsw_Code_REFUSED, sh->now_s,
                             "opened_at, deadline or hard_expiry are more than %u s off our clock",
                             SH_SKEW_S);
    } else if (err == VS_OK) {
        err = take_open(sh, r, diag);
        return err == VS_OK ? vs_sh_ok(reply) : err;
    }
    vs_sh_round_free(r);
    return err;
}

/* --- the end of a round --------------------------------------------------------------------------
 */

/* The file of uploads in which this client has the first slot. key: "round/<round>/client/<key>" */
static vs_err remove_uploads(vs_shareholder *sh, const char *key, vs_diag *diag)
{
    uint64_t round = strtoull(key + strlen("round/"), NULL, 16);
    vs_buf value = {0};
    bool found = false;
    vs_err err = sh->store.ops->get(sh->store.ctx, key, &value, &found, diag);
    if (err == VS_OK && found && value.len == SH_CLIENT_BYTES &&
        vs_load_le32(value.p + SH_CLIENT_FILE_AT + 4) == 0) {
        sh_name blob = vs_sh_uploads_name(round, vs_load_le32(value.p + SH_CLIENT_FILE_AT));
        err = sh->store.ops->blob_remove(sh->store.ctx, blob.text, diag);
    }
    vs_buf_free(&value);
    return err;
}

vs_err vs_sh_finish(vs_shareholder *sh, uint64_t round, vs_diag *diag)
{
    static const uint8_t one = 1;
    sh_name over = vs_sh_key(round, "over", NULL), list = vs_sh_key(round, "list", NULL);
    sh_name set = vs_sh_key(round, "set", NULL), sweep = vs_sh_key_at("sweep", round);
    vs_store_item items[] = {vs_sh_item(&over, &one, 1), vs_sh_item(&sweep, &one, 1),
                             vs_sh_item(&list, NULL, 0), vs_sh_item(&set, NULL, 0)};
    vs_err err = vs_sh_erase_secret(sh, round, diag);
    if (err == VS_OK) err = vs_sh_put(sh, items, 4, diag);
    if (err == VS_OK && round == sh->newest && sh->round != NULL) {
        vs_sh_upload_drop(sh, NULL);
        vs_sh_sum_wipe(sh->round);
        sh->round->over = true;
        sh->round->n_clients = sh->round->n_accepted = 0;
        sh->round->n_rejected = sh->round->n_broken = 0;
    }
    sh->sweeping = true;
    return err == VS_OK ? vs_sh_sweep(sh, diag) : err;
}

typedef struct first_sweep {
    bool found;
    uint64_t round;
} first_sweep;

static vs_err take_first(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    first_sweep *first = ctx;
    (void)value;
    (void)len;
    first->found = true;
    first->round = strtoull(key + strlen("sweep/"), NULL, 16);
    return VS_ERR_LIMIT; /* ends the scan */
}

vs_err vs_sh_sweep(vs_shareholder *sh, vs_diag *diag)
{
    static const struct {
        const char *what;
        sh_each before;
    } parts[] = {{"header/", NULL}, {"trailer/", NULL}, {"client/", remove_uploads}};
    first_sweep first = {0};
    bool more = false;
    if (!sh->sweeping) return VS_OK;
    vs_err err = sh->store.ops->scan(sh->store.ctx, "sweep/", take_first, &first, diag);
    if (err != VS_OK && err != VS_ERR_LIMIT) return err;
    sh->sweeping = first.found;
    if (!first.found) return VS_OK;
    err = VS_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && err == VS_OK && !more; i++) {
        sh_name prefix = vs_sh_key(first.round, parts[i].what, NULL);
        err = vs_sh_delete_some(sh, prefix.text, parts[i].before, &more, diag);
    }
    if (err != VS_OK || more) return err;
    sh_name key = vs_sh_key_at("sweep", first.round);
    vs_store_item done = vs_sh_item(&key, NULL, 0);
    return vs_sh_put(sh, &done, 1, diag);
}

vs_err vs_sh_expire(vs_shareholder *sh, vs_diag *diag)
{
    const sh_round *r = sh->round;
    vs_sh_upload_expire(sh);
    if (r == NULL || r->over || sh->now_s < r->round.open.hard_expiry) return VS_OK;
    return vs_sh_finish(sh, sh->newest, diag);
}
