/* The aggregator's log: what stands where, appends, and the phase that follows from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "net/aggregator_impl.h"

/* --- store ------------------------------------------------------------------------------------ */

void vs_ag_key(char out[VS_STORE_NAME_MAX + 1], uint64_t round, const char *rest)
{
    (void)snprintf(out, VS_STORE_NAME_MAX + 1, "round/%08llu/%s", (unsigned long long)round, rest);
}

vs_err vs_ag_put(ag_t *ag, const char *key, const void *value, size_t len)
{
    vs_store_item item = {.key = key, .value = value, .len = len};
    return ag->store.ops->put(ag->store.ctx, &item, 1, ag->diag);
}

vs_err vs_ag_get(ag_t *ag, const char *key, vs_buf *value, bool *found)
{
    *found = false;
    return ag->store.ops->get(ag->store.ctx, key, value, found, ag->diag);
}

vs_err vs_ag_blob_read(ag_t *ag, const vs_h32 *name, size_t max, vs_buf *out)
{
    char *path = vs_log_blob_path(ag->log, name);
    if (path == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_file_read(out, path, max, ag->diag);
    free(path);
    return err == VS_ERR_LIMIT ? VS_ERR_IO : err; /* a file of ours that is not what we wrote */
}

/* --- entries ---------------------------------------------------------------------------------- */

bool vs_ag_find(const ag_t *ag, uint64_t round, vs_entry_kind kind, uint32_t nth, uint64_t *index)
{
    size_t first = 0;
    size_t end = ag->n_entries;
    while (first < end) { /* first entry of the round: rounds ascend in the log */
        size_t middle = first + (end - first) / 2;
        if (ag->entries[middle].round < round)
            first = middle + 1;
        else
            end = middle;
    }
    for (size_t i = first; i < ag->n_entries && ag->entries[i].round == round; i++) {
        if (ag->entries[i].kind != kind) continue;
        if (nth-- == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

static vs_err decode_entry(ag_t *ag, uint64_t index, const vs_buf *envelope, vs_entry *entry)
{
    vs_dsse dsse = {0};
    vs_err err = vs_dsse_parse(&dsse, envelope->p, envelope->len, ag->diag);
    if (err == VS_OK) {
        err = vs_entry_decode(entry, dsse.kind, dsse.payload.p, dsse.payload.len, ag->diag);
    }
    vs_dsse_free(&dsse);
    if (err == VS_OK || err == VS_ERR_NOMEM) return err;
    vs_diag_prefix(ag->diag, "log entry %llu", (unsigned long long)index);
    return VS_ERR_STATE; /* our own log: not a peer's fault */
}

vs_err vs_ag_read_entry(ag_t *ag, uint64_t index, vs_entry *entry, vs_buf *envelope)
{
    vs_buf bytes = {0};
    vs_err err = vs_log_entry(ag->log, index, &bytes, ag->diag);
    if (err == VS_OK) err = decode_entry(ag, index, &bytes, entry);
    if (err == VS_OK && envelope != NULL) {
        vs_buf_bytes(envelope, bytes.p, bytes.len);
        err = vs_buf_check(envelope);
    }
    vs_buf_free(&bytes);
    return err;
}

static vs_err note_entry(ag_t *ag, uint64_t round, vs_entry_kind kind)
{
    if (ag->n_entries == ag->cap_entries) {
        size_t cap = ag->cap_entries == 0 ? 64 : 2 * ag->cap_entries;
        ag_entry *grown = realloc(ag->entries, cap * sizeof *grown);
        if (grown == NULL) return VS_ERR_NOMEM;
        ag->entries = grown;
        ag->cap_entries = cap;
    }
    ag->entries[ag->n_entries++] = (ag_entry){.round = round, .kind = kind};
    if (round > ag->last_round) ag->last_round = round;
    return VS_OK;
}

void vs_ag_entry_begin(const ag_t *ag, vs_entry *entry, vs_entry_kind kind, uint64_t round)
{
    memset(entry, 0, sizeof *entry);
    entry->kind = kind;
    (void)snprintf(entry->origin, sizeof entry->origin, "%s", ag->fed->origin);
    entry->federation = ag->fed->id;
    entry->round = round;
    entry->prev = ag->prev;
}

vs_err vs_ag_order_sign(const ag_t *ag, vs_order order, vs_buf *body)
{
    const vs_round_id id = vs_ag_id(ag, ag->last_round);
    uint8_t sig[64];
    vs_buf bytes = {0};
    vs_err err = vs_order_bytes(&bytes, &id, order, body->p, body->len);
    if (err == VS_OK) {
        vs_sign(sig, bytes.p, bytes.len, ag->keys->identity_seed);
        vs_buf_bytes(body, sig, sizeof sig);
        err = vs_buf_check(body);
    }
    vs_buf_free(&bytes);
    return err;
}

vs_err vs_ag_entry_sign(ag_t *ag, vs_buf *envelope, const vs_entry *entry)
{
    vs_buf payload = {0};
    vs_err err = vs_entry_encode(&payload, entry, ag->diag);
    if (err == VS_OK) {
        err = vs_dsse_sign(envelope, vs_entry_kind_name(entry->kind), payload.p, payload.len,
                           ag->keys->identity_seed, ag->diag);
    }
    vs_buf_free(&payload);
    return err;
}

vs_err vs_ag_append(ag_t *ag, uint64_t round, const vs_entry_kind *kinds, const vs_bytes *envelopes,
                    uint32_t n, vs_h32 *leaf)
{
    vs_h32 leaves[VS_SHAREHOLDERS_MAX + 1];
    uint64_t first = 0;
    VS_ASSERT(n >= 1 && n <= VS_SHAREHOLDERS_MAX + 1);
    /* What was stored before the entry is durable before the entry. */
    vs_err err = vs_store_flush(&ag->store, ag->diag);
    if (err == VS_OK) err = vs_log_append(ag->log, envelopes, n, &first, leaves, ag->diag);
    if (err != VS_OK) return err;
    VS_ASSERT(first == ag->n_entries);
    for (uint32_t i = 0; i < n; i++) {
        err = note_entry(ag, round, kinds[i]);
        if (err != VS_OK) return err; /* the process stops; the log has them */
        if (kinds[i] == VS_ENTRY_RESULT || kinds[i] == VS_ENTRY_ABORT ||
            kinds[i] == VS_ENTRY_FEDERATION) {
            ag->prev = leaves[i];
        }
    }
    if (leaf != NULL) *leaf = leaves[n - 1];
    return VS_OK;
}

/* --- start ------------------------------------------------------------------------------------ */

static vs_err append_federation(ag_t *ag)
{
    const vs_federation *fed = ag->fed;
    vs_buf envelope = {0};
    vs_entry *entry = calloc(1, sizeof *entry);
    vs_h32 name;
    if (entry == NULL) return VS_ERR_NOMEM;
    vs_ag_entry_begin(ag, entry, VS_ENTRY_FEDERATION, 0);
    entry->u.federation.file = fed->id;
    entry->u.federation.log_key = fed->log_key;
    vs_err err = vs_log_blob_put(ag->log, fed->file.p, fed->file.len, &name, ag->diag);
    if (err == VS_OK) err = vs_ag_entry_sign(ag, &envelope, entry);
    if (err == VS_OK) {
        vs_entry_kind kind = VS_ENTRY_FEDERATION;
        vs_bytes bytes = {envelope.p, envelope.len};
        err = vs_ag_append(ag, 0, &kind, &bytes, 1, NULL);
    }
    vs_buf_free(&envelope);
    free(entry);
    return err;
}

static vs_err check_first(ag_t *ag, const vs_entry *entry)
{
    if (entry->kind == VS_ENTRY_FEDERATION && vs_h32_equal(&entry->federation, &ag->fed->id)) {
        return VS_OK;
    }
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hex_encode(hex, entry->federation.b, sizeof entry->federation.b);
    return vs_fail(ag->diag, VS_ERR_STATE,
                   "this ledger belongs to federation %.16s..., not to %s: use another data folder",
                   hex, ag->fed->name);
}

/* Read every entry once. */
static vs_err index_log(ag_t *ag)
{
    vs_err err = VS_OK;
    uint64_t size = vs_log_size(ag->log);
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    if (strcmp(vs_log_origin(ag->log), ag->fed->origin) != 0) {
        err = vs_fail(ag->diag, VS_ERR_STATE, "the ledger's origin is %s, the federation's is %s",
                      vs_log_origin(ag->log), ag->fed->origin);
    }
    for (uint64_t i = 0; err == VS_OK && i < size; i++) {
        err = vs_ag_read_entry(ag, i, entry, NULL);
        if (err == VS_OK && i == 0) err = check_first(ag, entry);
        if (err == VS_OK) err = note_entry(ag, entry->round, entry->kind);
        if (err == VS_OK && entry->kind == VS_ENTRY_KEY) {
            err = vs_keyring_take(&ag->ring, &entry->u.key);
        }
        if (err == VS_OK && (entry->kind == VS_ENTRY_FEDERATION || entry->kind == VS_ENTRY_RESULT ||
                             entry->kind == VS_ENTRY_ABORT)) {
            err = vs_log_leaf_hash(ag->log, i, &ag->prev, ag->diag);
        }
    }
    free(entry);
    return err;
}

static vs_err load_round(ag_t *ag)
{
    uint64_t index = 0;
    vs_buf envelope = {0};
    if (!vs_ag_find(ag, ag->last_round, VS_ENTRY_OPEN, 0, &index)) {
        return vs_fail(ag->diag, VS_ERR_STATE, "the ledger has round %llu without its open entry",
                       (unsigned long long)ag->last_round);
    }
    vs_err err = vs_log_entry(ag->log, index, &envelope, ag->diag);
    if (err == VS_OK) {
        err = vs_round_from_open(&ag->round, ag->fed, envelope.p, envelope.len, ag->diag);
    }
    vs_buf_free(&envelope);
    if (err != VS_OK) return err == VS_ERR_NOMEM ? err : VS_ERR_STATE;
    for (uint32_t i = 0; i < ag->round.open.n_shareholders; i++) {
        ag->peer[ag->round.open.shareholders[i].index].listed = true;
    }
    return VS_OK;
}

static vs_err load_detail(ag_t *ag)
{
    uint64_t index = 0;
    vs_entry *entry = calloc(1, sizeof *entry);
    vs_err err = VS_OK;
    if (entry == NULL) return VS_ERR_NOMEM;
    if (vs_ag_find(ag, ag->last_round, VS_ENTRY_SET, 0, &index)) {
        err = vs_ag_read_entry(ag, index, entry, NULL);
        if (err == VS_OK) ag->included = entry->u.set.count;
    }
    if (err == VS_OK && vs_ag_find(ag, ag->last_round, VS_ENTRY_ABORT, 0, &index)) {
        err = vs_ag_read_entry(ag, index, entry, NULL);
        if (err == VS_OK) {
            (void)snprintf(ag->detail, sizeof ag->detail, "%s: %s",
                           vs_abort_reason_name(entry->u.abort.reason), entry->u.abort.detail);
        }
    }
    free(entry);
    return err;
}

/* The newest round is not finished: where was it? */
static vs_err resume_round(ag_t *ag)
{
    uint64_t index = 0;
    bool closing = false;
    vs_err err = vs_ag_collect_restore(ag);
    if (err != VS_OK) return err;
    if (vs_ag_find(ag, ag->last_round, VS_ENTRY_SET, 0, &index)) {
        ag->set_logged = true;
        ag->set_index = index;
        err = vs_log_leaf_hash(ag->log, index, &ag->set_leaf, ag->diag);
        vs_ag_enter(ag, vsw_Phase_SETTING);
        return err == VS_OK ? vs_ag_answer_restore(ag) : err;
    }
    err = vs_ag_closing_restore(ag, &closing);
    if (err != VS_OK || closing) return err;
    return vs_ag_set_restore(ag);
}

static bool is_finished(const ag_t *ag, vs_entry_kind *how)
{
    uint64_t index;
    *how = VS_ENTRY_RESULT;
    if (vs_ag_find(ag, ag->last_round, VS_ENTRY_RESULT, 0, &index)) return true;
    *how = VS_ENTRY_ABORT;
    return vs_ag_find(ag, ag->last_round, VS_ENTRY_ABORT, 0, &index);
}

vs_err vs_ag_restore(ag_t *ag)
{
    vs_entry_kind how = VS_ENTRY_ABORT;
    vs_err err = index_log(ag);
    if (err == VS_OK && ag->n_entries == 0) err = append_federation(ag);
    if (err == VS_OK) err = vs_ag_blob_restore(ag);
    if (err == VS_OK) err = vs_ag_follow_restore(ag);
    if (err == VS_OK) err = vs_ag_evidence_restore(ag);
    vs_ag_enter(ag, vsw_Phase_IDLE);
    if (err == VS_OK && ag->last_round > 0) {
        err = load_round(ag);
        if (err == VS_OK) err = load_detail(ag);
        if (err == VS_OK && !is_finished(ag, &how)) return resume_round(ag);
        if (err == VS_OK) err = vs_ag_clean(ag, ag->last_round);
        vs_ag_enter(ag, how == VS_ENTRY_RESULT ? vsw_Phase_PUBLISHING : vsw_Phase_ABORTED);
    }
    return err == VS_OK ? vs_ag_open_restore(ag) : err;
}
