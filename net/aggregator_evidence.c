/* Evidence into the log: the aggregator's own, and what shareholders keep (net/evidence.h). Between
 * rounds only: after a set its round's entries come first. Key entries too. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/aggregator_impl.h"
#include "net/evidence.h"
#include "net/keys.h"

/* Entries of one round: a lying shareholder must not fill the log. */
#define PROOFS_MAX 256u
#define STATEMENTS_MAX 128u
#define OWN_PREFIX "evidence/own/"

static bool is_between_rounds(const ag_t *ag)
{
    return ag->phase == vsw_Phase_IDLE || ag->phase == vsw_Phase_FINAL ||
           ag->phase == vsw_Phase_ABORTED;
}

static void next_key(char out[VS_STORE_NAME_MAX + 1], uint32_t j)
{
    (void)snprintf(out, VS_STORE_NAME_MAX + 1, "evidence/next/%03u", j);
}

vs_err vs_ag_evidence_restore(ag_t *ag)
{
    char key[VS_STORE_NAME_MAX + 1];
    vs_err err = VS_OK;
    for (uint32_t j = 1; j <= ag->fed->committee.n && err == VS_OK; j++) {
        vs_buf value = {0};
        bool found;
        next_key(key, j);
        err = vs_ag_get(ag, key, &value, &found);
        if (err == VS_OK && found && value.len == 8) {
            ag->peer[j].evidence_next = vs_load_le64(value.p);
        }
        vs_buf_free(&value);
    }
    return err;
}

/* --- into the log ----------------------------------------------------------------------------- */

/* One entry for one deed: whoever else reports it adds nothing. */
static void seen_key(char out[VS_STORE_NAME_MAX + 1], const vs_entry_evidence *e)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hash h;
    vs_h32 who;
    vs_hash_start(&h, "veilsum/v1 aggregator evidence");
    vs_hash_h32(&h, &e->key);
    vs_hash_h32(&h, &e->pseudonym);
    vs_hash_u32(&h, e->claim == VS_CLAIM_STATEMENT ? e->index : 0);
    vs_hash_final(&h, &who);
    vs_hex_encode(hex, who.b, sizeof who.b);
    (void)snprintf(out, VS_STORE_NAME_MAX + 1, "evidence/seen/%08" PRIu64 "/%u/%s", e->about,
                   (unsigned)e->claim, hex);
}

static vs_err append(ag_t *ag, const vs_entry_evidence *found)
{
    vs_buf envelope = {0};
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    vs_ag_entry_begin(ag, entry, VS_ENTRY_EVIDENCE, ag->last_round);
    entry->u.evidence = *found;
    vs_err err = vs_ag_entry_sign(ag, &envelope, entry);
    if (err == VS_OK) {
        vs_entry_kind kind = VS_ENTRY_EVIDENCE;
        vs_bytes bytes = {envelope.p, envelope.len};
        err = vs_ag_append(ag, ag->last_round, &kind, &bytes, 1, NULL);
    }
    vs_buf_free(&envelope);
    free(entry);
    return err;
}

/* Log it, unless it proves nothing or is known. j: who gave it, 0 for our own. */
static vs_err take(ag_t *ag, uint32_t j, const vs_buf *bytes)
{
    char key[VS_STORE_NAME_MAX + 1];
    vs_entry_evidence e;
    vs_diag text = {{0}};
    vs_buf value = {0};
    vs_h32 blob;
    bool seen = false;
    vs_err err = vs_evidence_check(&e, ag->fed, bytes->p, bytes->len, &text);
    if (err == VS_ERR_NOMEM) return err;
    if (err != VS_OK || e.about > ag->last_round ||
        (j != 0 && e.claim == VS_CLAIM_STATEMENT && e.index != j)) {
        vs_ag_notice(ag, "shareholder %u: what it gave as evidence is none: %s", j, text.text);
        return VS_OK;
    }
    uint32_t *count = e.claim == VS_CLAIM_STATEMENT ? &ag->n_statements : &ag->n_proofs;
    if (*count >= (e.claim == VS_CLAIM_STATEMENT ? STATEMENTS_MAX : PROOFS_MAX)) return VS_OK;
    seen_key(key, &e);
    err = vs_ag_get(ag, key, &value, &seen);
    vs_buf_free(&value);
    if (err != VS_OK || seen) return err;
    err = vs_log_blob_put(ag->log, bytes->p, bytes->len, &blob, ag->diag);
    if (err == VS_OK) err = append(ag, &e);
    if (err == VS_OK) err = vs_ag_put(ag, key, "", 0);
    if (err != VS_OK) return err;
    (*count)++;
    vs_evidence_describe(&text, &e);
    vs_ag_notice(ag, "round %" PRIu64 ": evidence: %s", ag->last_round, text.text);
    return VS_OK;
}

/* --- our own ---------------------------------------------------------------------------------- */

vs_err vs_ag_evidence_keep(ag_t *ag, const vs_buf *bytes)
{
    char key[VS_STORE_NAME_MAX + 1] = OWN_PREFIX;
    vs_entry_evidence e;
    vs_err err = vs_buf_check(bytes);
    if (err == VS_OK) err = vs_evidence_check(&e, ag->fed, bytes->p, bytes->len, NULL);
    if (err == VS_ERR_NOMEM) return err;
    if (err != VS_OK) return VS_OK; /* it contradicts nothing after all */
    vs_hex_encode(key + strlen(key), e.blob.b, sizeof e.blob.b);
    return vs_ag_put(ag, key, bytes->p, bytes->len);
}

typedef struct first_own {
    char key[VS_STORE_NAME_MAX + 1];
    vs_buf bytes;
} first_own;

static vs_err visit_own(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    first_own *first = ctx;
    if (first->key[0] != '\0') return VS_OK;
    (void)snprintf(first->key, sizeof first->key, "%s", key);
    vs_buf_bytes(&first->bytes, value, len);
    return vs_buf_check(&first->bytes);
}

static vs_err log_own(ag_t *ag)
{
    vs_err err = VS_OK;
    bool more = true;
    while (err == VS_OK && more) {
        first_own first = {{0}, {0}};
        err = ag->store.ops->scan(ag->store.ctx, OWN_PREFIX, visit_own, &first, ag->diag);
        more = first.key[0] != '\0';
        if (err == VS_OK && more) err = take(ag, 0, &first.bytes);
        vs_store_item gone = {.key = first.key};
        if (err == VS_OK && more) err = ag->store.ops->put(ag->store.ctx, &gone, 1, ag->diag);
        vs_buf_free(&first.bytes);
    }
    return err;
}

/* --- of shareholders -------------------------------------------------------------------------- */

static void stop_fetching(ag_t *ag, uint32_t j)
{
    if (ag->evidence_from != j) return;
    ag->evidence_from = 0;
    vs_buf_free(&ag->evidence);
}

/* What a share of the largest round that this federation had can take. */
static uint64_t size_max(const ag_t *ag)
{
    return (uint64_t)ag->round.layout.columns * VS_FE_BYTES + UINT64_C(4) * VS_ENTRY_MAX_BYTES;
}

vs_err vs_ag_evidence_next(ag_t *ag, uint32_t j)
{
    ag_peer *p = &ag->peer[j];
    const vs_round_id id = vs_ag_id(ag, 0);
    if (!is_between_rounds(ag) || ag->last_round == 0) return VS_OK;
    if (!ag->own_logged) {
        ag->own_logged = true;
        vs_err own = log_own(ag);
        if (own != VS_OK) return own;
    }
    if (p->evidence_done || p->op != AG_NONE) return VS_OK;
    if (ag->evidence_from != 0 && ag->evidence_from != j) return VS_OK; /* one at a time */
    ag->evidence_from = j;
    vsw_Request head = {.which_op = vsw_Request_evidence_tag,
                        .op.evidence = {.number = p->evidence_next, .offset = ag->evidence.len}};
    uint8_t sig[64];
    vs_buf order = {0};
    vs_err err = vs_order_bytes(&order, &id, VS_ORDER_EVIDENCE, "", 0);
    if (err == VS_OK) {
        vs_sign(sig, order.p, order.len, ag->keys->identity_seed);
        err = vs_ag_send(ag, j, AG_EVIDENCE, &head, sig, sizeof sig, VS_AG_SHORT_TIMEOUT_MS);
    }
    vs_buf_free(&order);
    return err;
}

/* A whole piece of evidence, or one that is skipped: on to the next. */
static vs_err finish_one(ag_t *ag, uint32_t j, bool whole)
{
    ag_peer *p = &ag->peer[j];
    char key[VS_STORE_NAME_MAX + 1];
    uint8_t number[8];
    vs_err err = whole ? take(ag, j, &ag->evidence) : VS_OK;
    stop_fetching(ag, j);
    if (err != VS_OK) return err;
    next_key(key, j);
    vs_store_le64(number, ++p->evidence_next);
    return vs_ag_put(ag, key, number, sizeof number);
}

vs_err vs_ag_evidence_reply(ag_t *ag, uint32_t j, const vs_reply *reply)
{
    ag_peer *p = &ag->peer[j];
    const vsw_Progress *m = &reply->head.result.progress;
    if (reply->head.which_result != vsw_Reply_progress_tag) { /* there is no more, or it refuses */
        p->evidence_done = true;
        stop_fetching(ag, j);
        return VS_OK;
    }
    if (ag->evidence_from != j || m->total > size_max(ag) || m->next > m->total ||
        m->next != ag->evidence.len + reply->body_len || reply->body_len == 0) {
        return finish_one(ag, j, false);
    }
    vs_buf_bytes(&ag->evidence, reply->body, reply->body_len);
    vs_err err = vs_buf_check(&ag->evidence);
    if (err != VS_OK) return err;
    vs_ag_peer_ok(p);
    return m->next == m->total ? finish_one(ag, j, true) : VS_OK;
}

void vs_ag_evidence_lost(ag_t *ag, uint32_t j)
{
    stop_fetching(ag, j); /* others first; it starts again */
}

/* --- keys ------------------------------------------------------------------------------------- */

static vs_err append_key(ag_t *ag, const vs_entry_key *k)
{
    vs_buf envelope = {0};
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    vs_ag_entry_begin(ag, entry, VS_ENTRY_KEY, ag->last_round);
    entry->u.key = *k;
    vs_err err = vs_ag_entry_sign(ag, &envelope, entry);
    if (err == VS_OK) {
        vs_entry_kind kind = VS_ENTRY_KEY;
        vs_bytes bytes = {envelope.p, envelope.len};
        err = vs_ag_append(ag, ag->last_round, &kind, &bytes, 1, NULL);
    }
    if (err == VS_OK) err = vs_keyring_take(&ag->ring, k);
    vs_buf_free(&envelope);
    free(entry);
    return err;
}

vs_err vs_ag_key_request(ag_t *ag, uint64_t conn, const uint8_t *body, size_t len)
{
    vsw_Reply head = {.which_result = vsw_Reply_ok_tag};
    vs_entry_key k;
    vs_diag why = {{0}};
    if (vs_key_request_decode(&k, body, len) != VS_OK) {
        return vs_ag_reply_error(ag, conn, vsw_Code_MALFORMED, 0, "not a signed change of a key");
    }
    vs_err err = vs_keyring_check(&ag->ring, ag->fed, &k, &why);
    if (err == VS_ERR_NOMEM) return err;
    if (err != VS_OK) return vs_ag_reply_error(ag, conn, vsw_Code_REFUSED, 0, "%s", why.text);
    bool may =
        is_between_rounds(ag) || (k.party == VS_PARTY_CLIENT && ag->phase == vsw_Phase_COLLECT);
    if (!may) {
        return vs_ag_reply_error(ag, conn, vsw_Code_BUSY, ag->last_round,
                                 "round %" PRIu64 " is in phase %s: try again when it is over",
                                 ag->last_round, vs_phase_name(ag->phase));
    }
    err = append_key(ag, &k);
    if (err != VS_OK) return err;
    vs_ag_notice(ag, "the key of a %s was %s", vs_party_name(k.party),
                 k.action == VS_KEY_REVOKE ? "revoked" : "rotated");
    return vs_ag_reply(ag, conn, &head, NULL, 0);
}
