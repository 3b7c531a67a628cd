/* COLLECT: clients' manifests. LISTING: whom does each shareholder hold? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/aggregator_impl.h"
#include "net/evidence.h"

#define MANIFEST_VALUE_BYTES (VS_RECORD_BYTES + 1u) /* record, u8 duplicate */

/* --- manifests -------------------------------------------------------------------------------- */

/* Position of the first manifest whose client key is not below `key`. */
static uint32_t manifest_position(const ag_t *ag, const vs_h32 *key)
{
    uint32_t first = 0;
    uint32_t end = ag->n_manifests;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        if (vs_h32_compare_vartime(&ag->manifests[middle].client_key, key) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

static vs_err manifest_insert(ag_t *ag, uint32_t at, const ag_manifest *m)
{
    if (ag->n_manifests == ag->cap_manifests) {
        uint32_t cap = ag->cap_manifests == 0 ? 64 : 2 * ag->cap_manifests;
        ag_manifest *grown = realloc(ag->manifests, cap * sizeof *grown);
        if (grown == NULL) return VS_ERR_NOMEM;
        ag->manifests = grown;
        ag->cap_manifests = cap;
    }
    memmove(ag->manifests + at + 1, ag->manifests + at,
            (ag->n_manifests - at) * sizeof *ag->manifests);
    ag->manifests[at] = *m;
    ag->n_manifests++;
    return VS_OK;
}

static void manifest_key(char out[VS_STORE_NAME_MAX + 1], uint64_t round, const vs_h32 *client)
{
    char rest[32 + VS_HEX_CHARS(VS_H32_BYTES)] = "manifest/";
    vs_hex_encode(rest + strlen(rest), client->b, sizeof client->b);
    vs_ag_key(out, round, rest);
}

/* Where the signed bytes of a manifest are kept: they are evidence if another one comes. */
static void body_key(char out[VS_STORE_NAME_MAX + 1], uint64_t round, const vs_h32 *client)
{
    char rest[32 + VS_HEX_CHARS(VS_H32_BYTES)] = "signed/";
    vs_hex_encode(rest + strlen(rest), client->b, sizeof client->b);
    vs_ag_key(out, round, rest);
}

/* body: the manifest as it came, or NULL when it is stored already. */
static vs_err manifest_store(ag_t *ag, const ag_manifest *m, const uint8_t *body, size_t len)
{
    char key[VS_STORE_NAME_MAX + 1], signed_key[VS_STORE_NAME_MAX + 1];
    uint8_t value[MANIFEST_VALUE_BYTES];
    manifest_key(key, ag->last_round, &m->client_key);
    body_key(signed_key, ag->last_round, &m->client_key);
    vs_record_encode(value, &m->record);
    value[VS_RECORD_BYTES] = m->duplicate;
    vs_store_item items[] = {{.key = key, .value = value, .len = sizeof value},
                             {.key = signed_key, .value = body, .len = len}};
    return ag->store.ops->put(ag->store.ctx, items, body == NULL ? 1 : 2, ag->diag);
}

static vs_err visit_manifest(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    ag_t *ag = ctx;
    ag_manifest m;
    const char *hex = strrchr(key, '/');
    if (hex == NULL || len != MANIFEST_VALUE_BYTES ||
        vs_hex_decode(m.client_key.b, sizeof m.client_key.b, hex + 1) != VS_OK) {
        return vs_fail(ag->diag, VS_ERR_IO, "the aggregator's store: bad record \"%s\"", key);
    }
    vs_record_decode(&m.record, value);
    m.duplicate = value[VS_RECORD_BYTES] != 0;
    return manifest_insert(ag, manifest_position(ag, &m.client_key), &m);
}

/* Manifests, and whether collection has ended. The caller moves on if the round is further. */
vs_err vs_ag_collect_restore(ag_t *ag)
{
    char key[VS_STORE_NAME_MAX + 1];
    vs_buf value = {0};
    bool found = false;
    vs_ag_key(key, ag->last_round, "manifest/");
    vs_err err = ag->store.ops->scan(ag->store.ctx, key, visit_manifest, ag, ag->diag);
    vs_ag_key(key, ag->last_round, "secret");
    if (err == VS_OK) {
        err = ag->store.ops->secret_get(ag->store.ctx, key, &value, &found, ag->diag);
    }
    if (err == VS_OK && (!found || value.len != sizeof ag->round_secret)) {
        err = vs_fail(ag->diag, VS_ERR_STATE,
                      "the key of round %" PRIu64 " is missing from the aggregator's store",
                      ag->last_round);
    }
    if (err == VS_OK) memcpy(ag->round_secret, value.p, value.len);
    vs_buf_free_secret(&value);
    value = (vs_buf){0};
    vs_ag_key(key, ag->last_round, "collected");
    if (err == VS_OK) err = vs_ag_get(ag, key, &value, &found);
    if (err == VS_OK && found && value.len == 8) ag->collected_ms = vs_load_le64(value.p);
    vs_buf_free(&value);
    vs_ag_enter(ag, ag->collected_ms == 0 ? vsw_Phase_COLLECT : vsw_Phase_LISTING);
    return err;
}

typedef struct manifest_parts {
    const uint8_t *header, *trailer;
    size_t header_len, trailer_len;
    uint8_t header_sig[64], enrolment[64], trailer_sig[64];
    vs_fe2 w[VS_SHAREHOLDERS_MAX];
} manifest_parts;

/* Shapes only. */
static bool split_manifest(manifest_parts *out, const ag_t *ag, const uint8_t *body, size_t len)
{
    vs_reader r = vs_reader_of(body, len);
    const uint8_t *sig[3];
    out->header_len = vs_header_len(ag->round.open.n_shareholders);
    out->trailer_len = vs_trailer_len(vs_committee_r(&ag->fed->committee));
    out->header = vs_read_bytes(&r, out->header_len);
    sig[0] = vs_read_bytes(&r, 64);
    sig[1] = vs_read_bytes(&r, 64);
    out->trailer = vs_read_bytes(&r, out->trailer_len);
    sig[2] = vs_read_bytes(&r, 64);
    if (!vs_reader_done(&r)) return false;
    memcpy(out->header_sig, sig[0], 64);
    memcpy(out->enrolment, sig[1], 64);
    memcpy(out->trailer_sig, sig[2], 64);
    return true;
}

/* Is this header for this round: its parameters, model, shareholders and sizes? */
static vsw_Code check_header(const ag_t *ag, const vs_header *h)
{
    const vs_entry_open *open = &ag->round.open;
    if (!vs_h32_equal(&h->id.federation_id, &ag->fed->id)) return vsw_Code_WRONG_FEDERATION;
    if (h->id.round != ag->last_round) return vsw_Code_UNKNOWN_ROUND;
    if (!vs_h32_equal(&h->params_hash, &ag->round.params_hash) ||
        !vs_h32_equal(&h->model_hash, &open->model_hash)) {
        return vsw_Code_MODEL_MISMATCH;
    }
    if (h->count != open->n_shareholders) return vsw_Code_MALFORMED;
    for (uint32_t i = 0; i < h->count; i++) {
        uint32_t j = open->shareholders[i].index;
        uint64_t want = vs_sealed_share_len(ag->round.layout.columns, j <= ag->fed->committee.t);
        if (h->share[i].j != j || h->share[i].sealed_len != want) return vsw_Code_MALFORMED;
    }
    return vsw_Code_OK;
}

/* All checks of a manifest; OK fills *out. */
static vsw_Code check_manifest(const ag_t *ag, ag_manifest *out, const uint8_t *body, size_t len)
{
    manifest_parts m;
    vs_header h;
    uint32_t r = vs_committee_r(&ag->fed->committee);
    if (!split_manifest(&m, ag, body, len)) return vsw_Code_MALFORMED;
    if (vs_header_decode(&h, m.header, m.header_len) != VS_OK) return vsw_Code_MALFORMED;
    vsw_Code code = check_header(ag, &h);
    if (code != vsw_Code_OK) return code;
    if (vs_keyring_admits(&ag->ring, ag->fed, &h.client_key, m.enrolment) != VS_OK) {
        return vsw_Code_UNREGISTERED;
    }
    if (vs_verify(m.header_sig, m.header, m.header_len, &h.client_key) != VS_OK ||
        vs_verify(m.trailer_sig, m.trailer, m.trailer_len, &h.client_key) != VS_OK) {
        return vsw_Code_BAD_SIGNATURE;
    }
    if (vs_trailer_decode(m.w, r, &h.id, &h.submission, m.trailer, m.trailer_len) != VS_OK) {
        return vsw_Code_MALFORMED;
    }
    *out = (ag_manifest){.client_key = h.client_key,
                         .record = {.pseudonym = h.pseudonym, .commit_root = h.commit_root}};
    vs_manifest_hash(&out->record.manifest_hash, m.header, m.header_len, m.w, r);
    return vsw_Code_OK;
}

static bool same_record(const vs_record *a, const vs_record *b)
{
    return vs_h32_equal(&a->pseudonym, &b->pseudonym) &&
           vs_h32_equal(&a->manifest_hash, &b->manifest_hash) &&
           vs_h32_equal(&a->commit_root, &b->commit_root);
}

static vs_err reply_ok(ag_t *ag, uint64_t conn)
{
    vsw_Reply head = {.which_result = vsw_Reply_ok_tag};
    return vs_ag_reply(ag, conn, &head, NULL, 0);
}

/* Two manifests of one client: two headers, or two proofs for one. */
static vs_err accuse(ag_t *ag, const ag_manifest *known, const uint8_t *body, size_t len)
{
    const vs_round_id id = vs_ag_id(ag, ag->last_round);
    const size_t header = vs_header_len(ag->round.open.n_shareholders), trailer = header + 128;
    char key[VS_STORE_NAME_MAX + 1];
    vs_buf first = {0}, bytes = {0};
    bool found = false;
    body_key(key, ag->last_round, &known->client_key);
    vs_err err = vs_ag_get(ag, key, &first, &found);
    if (err == VS_OK && found && first.len == len && len > trailer) {
        bool proofs = memcmp(first.p, body, header) == 0;
        vs_evidence_begin(&bytes, &id, proofs ? VS_CLAIM_TWO_PROOFS : VS_CLAIM_TWO_SUBMISSIONS, 0,
                          proofs ? 3 : 2);
        vs_evidence_part(&bytes, first.p, header + 64);
        if (proofs) vs_evidence_part(&bytes, first.p + trailer, len - trailer);
        vs_evidence_part(&bytes, proofs ? body + trailer : body,
                         proofs ? len - trailer : header + 64);
        err = vs_ag_evidence_keep(ag, &bytes);
    }
    vs_buf_free(&first);
    vs_buf_free(&bytes);
    return err;
}

/* A client that signed two manifests is left out of the round. */
static vs_err second_manifest(ag_t *ag, uint64_t conn, ag_manifest *known, const uint8_t *body,
                              size_t len)
{
    if (!known->duplicate) {
        ag_manifest marked = *known;
        marked.duplicate = true;
        vs_err err = accuse(ag, known, body, len);
        if (err == VS_OK) err = manifest_store(ag, &marked, NULL, 0);
        if (err != VS_OK) return err;
        known->duplicate = true;
        vs_ag_notice(ag, "round %" PRIu64 ": a client signed two manifests and is left out",
                     ag->last_round);
    }
    return vs_ag_reply_error(ag, conn, vsw_Code_DUPLICATE, 0,
                             "another manifest of this client is known for round %" PRIu64,
                             ag->last_round);
}

vs_err vs_ag_manifest(ag_t *ag, uint64_t conn, uint64_t round, const uint8_t *body, size_t len)
{
    ag_manifest m;
    if (round == 0 || round != ag->last_round) {
        return vs_ag_reply_error(ag, conn, vsw_Code_UNKNOWN_ROUND, ag->last_round,
                                 "round %" PRIu64 " is not the newest round, %" PRIu64, round,
                                 ag->last_round);
    }
    vsw_Code code = check_manifest(ag, &m, body, len);
    if (code != vsw_Code_OK) {
        return vs_ag_reply_error(ag, conn, code, 0, "manifest refused: %s", vs_code_name(code));
    }
    uint32_t at = manifest_position(ag, &m.client_key);
    if (at < ag->n_manifests && vs_h32_equal(&ag->manifests[at].client_key, &m.client_key)) {
        if (!same_record(&ag->manifests[at].record, &m.record)) {
            return second_manifest(ag, conn, &ag->manifests[at], body, len);
        }
        return reply_ok(ag, conn);
    }
    if (ag->phase != vsw_Phase_COLLECT && ag->phase != vsw_Phase_LISTING) {
        return vs_ag_reply_error(ag, conn, vsw_Code_LATE, 0,
                                 "the set of round %" PRIu64 " is fixed", round);
    }
    if (ag->n_manifests >= ag->round.open.max_clients) {
        return vs_ag_reply_error(ag, conn, vsw_Code_QUOTA, ag->round.open.max_clients,
                                 "round %" PRIu64 " has its %u clients", round,
                                 ag->round.open.max_clients);
    }
    vs_err err = manifest_store(ag, &m, body, len);
    if (err == VS_OK) err = manifest_insert(ag, at, &m);
    return err == VS_OK ? reply_ok(ag, conn) : err;
}

/* --- COLLECT ---------------------------------------------------------------------------------- */

vs_err vs_ag_send_open(ag_t *ag, uint32_t j)
{
    uint64_t index = 0;
    vs_buf envelope = {0};
    bool found = vs_ag_find(ag, ag->last_round, VS_ENTRY_OPEN, 0, &index);
    VS_ASSERT(found);
    vs_err err = vs_log_entry(ag->log, index, &envelope, ag->diag);
    if (err == VS_OK) {
        vsw_Request head = {.which_op = vsw_Request_open_tag, .op.open = {.round = ag->last_round}};
        err = vs_ag_send(ag, j, AG_OPEN, &head, envelope.p, envelope.len, VS_AG_SHORT_TIMEOUT_MS);
    }
    vs_buf_free(&envelope);
    return err;
}

vs_err vs_ag_collect_next(ag_t *ag, uint32_t j)
{
    ag_peer *p = &ag->peer[j];
    if (!p->listed || p->opened) return vs_ag_follow_next(ag, j);
    if (!p->behind) return vs_ag_send_open(ag, j);
    /* It refused `open`: bring its log up to date, then try again. */
    vs_err err = vs_ag_follow_next(ag, j);
    if (err == VS_OK && p->op == AG_NONE) p->behind = false;
    return err;
}

vs_err vs_ag_collect_reply(ag_t *ag, uint32_t j, const vs_reply *reply)
{
    if (reply->head.which_result == vsw_Reply_error_tag) {
        vs_ag_peer_error(ag, j, &reply->head.result.error);
    } else {
        vs_ag_peer_ok(&ag->peer[j]);
        ag->peer[j].opened = true;
    }
    return VS_OK;
}

vs_err vs_ag_collect_end(ag_t *ag)
{
    char key[VS_STORE_NAME_MAX + 1];
    uint8_t value[8];
    vs_store_le64(value, ag->now_ms);
    vs_ag_key(key, ag->last_round, "collected");
    vs_err err = vs_ag_put(ag, key, value, sizeof value);
    if (err != VS_OK) return err;
    ag->collected_ms = ag->now_ms;
    vs_ag_enter(ag, vsw_Phase_LISTING);
    vs_ag_notice(ag, "round %" PRIu64 ": collection ended, %u manifests", ag->last_round,
                 ag->n_manifests);
    return VS_OK;
}

vs_err vs_ag_collect_advance(ag_t *ag, bool *moved)
{
    const vs_entry_open *open = &ag->round.open;
    bool full = open->target_clients > 0 && ag->n_manifests >= open->target_clients;
    if (ag->now_ms < open->deadline * 1000 && !full) return VS_OK;
    *moved = true;
    return vs_ag_collect_end(ag);
}

/* --- LISTING ---------------------------------------------------------------------------------- */

vs_err vs_ag_list_next(ag_t *ag, uint32_t j)
{
    ag_peer *p = &ag->peer[j];
    if (!p->listed || p->done) return VS_OK;
    vs_err err = vs_ag_catch_up(ag, j);
    if (err != VS_OK || p->op != AG_NONE) return err;
    vsw_Request head = {.which_op = vsw_Request_list_tag, .op.list = {.round = ag->last_round}};
    vs_buf body = {0};
    err = vs_ag_order_sign(ag, VS_ORDER_LIST, &body);
    if (err == VS_OK) {
        err = vs_ag_send(ag, j, AG_LIST, &head, body.p, body.len, VS_AG_LONG_TIMEOUT_MS);
    }
    vs_buf_free(&body);
    return err;
}

/* NULL, or what is wrong with a list. */
static const char *list_fault(const ag_t *ag, uint32_t j, const vs_reply *reply, vs_err *err)
{
    const vsw_ListReply *m = &reply->head.result.list;
    vs_round_id id = vs_ag_id(ag, ag->last_round);
    vs_buf statement = {0};
    vs_h32 root;
    const char *fault = NULL;
    if (m->count > ag->round.open.max_clients) return "it holds more clients than the round admits";
    if (reply->body_len != (size_t)m->count * VS_RECORD_BYTES) return "its list has a wrong length";
    if (vs_records_root(&root, reply->body, m->count) != VS_OK) return "its list is not sorted";
    *err = vs_list_bytes(&statement, &id, j, m->count, &root);
    if (*err == VS_OK && vs_verify(m->signature, statement.p, statement.len,
                                   &ag->fed->shareholder[j - 1].party.key) != VS_OK) {
        fault = "the signature of its list is wrong";
    }
    vs_buf_free(&statement);
    return fault;
}

vs_err vs_ag_list_reply(ag_t *ag, uint32_t j, const vs_reply *reply)
{
    ag_peer *p = &ag->peer[j];
    vs_err err = VS_OK;
    if (reply->head.which_result == vsw_Reply_error_tag) {
        vs_ag_peer_error(ag, j, &reply->head.result.error);
        return VS_OK;
    }
    if (reply->head.which_result != vsw_Reply_list_tag) {
        vs_ag_peer_fail(ag, j, "its reply is not a list");
        return VS_OK;
    }
    const char *fault = list_fault(ag, j, reply, &err);
    if (err != VS_OK) return err;
    if (fault != NULL) {
        vs_ag_peer_fail(ag, j, "%s", fault);
        return VS_OK;
    }
    uint8_t *copy = malloc(reply->body_len == 0 ? 1 : reply->body_len);
    if (copy == NULL) return VS_ERR_NOMEM;
    if (reply->body_len > 0) memcpy(copy, reply->body, reply->body_len);
    free(p->list);
    p->list = copy;
    p->n_list = reply->head.result.list.count;
    p->done = true;
    vs_ag_peer_ok(p);
    return VS_OK;
}

vs_err vs_ag_list_advance(ag_t *ag, bool *moved)
{
    uint32_t needed = vs_committee_needed(&ag->fed->committee);
    uint32_t have = vs_ag_count_done(ag);
    bool over = vs_ag_grace_over(ag, have >= needed);
    bool waiting = vs_ag_any_waiting(ag, true);
    if (have >= needed && (over || !waiting)) {
        *moved = true;
        return vs_ag_propose(ag);
    }
    if (have < needed && (vs_ag_phase_expired(ag, 1) || !waiting)) {
        *moved = true;
        return vs_ag_closing_begin(ag, VS_ABORT_TOO_FEW_SHAREHOLDERS,
                                   "%u of %u shareholders returned a list, %u are needed", have,
                                   ag->round.open.n_shareholders, needed);
    }
    return VS_OK;
}
