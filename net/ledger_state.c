#include "net/ledger_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"

/* A log is replayed entry by entry. */
typedef struct fold {
    vs_ledger_state *s;
    const vs_audit_source *source;
    const vs_federation *fed;
    void (*on_submission)(void *ctx, const vs_state_submission *submission);
    void *ctx;
    vs_diag *diag;
    bool have_set;
    vs_entry_set set; /* of the running round */
} fold;

void vs_ledger_state_free(vs_ledger_state *state)
{
    if (state == NULL) return;
    vs_keyring_free(&state->keys);
    memset(state, 0, sizeof *state);
}

/* --- the records of a set ----------------------------------------------------------------------
 */

static vs_err read_records(const fold *f, const vs_h32 *blob, const vs_h32 *root, uint32_t count,
                           vs_buf *out)
{
    const uint8_t *p;
    size_t len;
    vs_h32 found;
    char hex[VS_HEX_CHARS(32)];
    vs_hex_encode(hex, blob->b, 32);
    vs_err err = f->source->blob(f->source->ctx, blob, &p, &len, f->diag);
    if (err == VS_ERR_STATE) {
        return vs_fail(f->diag, err, "round %" PRIu64 ": the blob %.16s... of records is missing",
                       f->s->running, hex);
    }
    if (err != VS_OK) return err;
    if (len != (size_t)count * VS_RECORD_BYTES || vs_records_root(&found, p, count) != VS_OK ||
        !vs_h32_equal(&found, root)) {
        return vs_fail(f->diag, VS_ERR_PROOF,
                       "round %" PRIu64 ": the blob %.16s... does not hold the records of the set",
                       f->s->running, hex);
    }
    vs_buf_bytes(out, p, len);
    return vs_buf_check(out);
}

static void tell(const fold *f, const uint8_t *record, bool accepted, bool counted)
{
    vs_state_submission one = {.round = f->s->running, .accepted = accepted, .counted = counted};
    memcpy(one.pseudonym.b, record, 32);
    if (!accepted) one.reason = (vs_reject)record[64];
    if (counted) {
        one.credits =
            accepted ? (int64_t)f->fed->reward_included : -(int64_t)f->fed->reward_rejected;
        f->s->credits += one.credits;
        f->s->accepted += accepted;
        f->s->rejected += !accepted;
    }
    if (f->on_submission != NULL) f->on_submission(f->ctx, &one);
}

static vs_err tell_all(const fold *f, bool counted)
{
    vs_buf in = {0}, out = {0};
    if (!f->have_set) return VS_OK;
    vs_err err = read_records(f, &f->set.records_blob, &f->set.records, f->set.count, &in);
    if (err == VS_OK) {
        err = read_records(f, &f->set.rejected_blob, &f->set.rejected, f->set.rejected_count, &out);
    }
    for (uint32_t i = 0; err == VS_OK && i < f->set.count; i++) {
        tell(f, in.p + (size_t)i * VS_RECORD_BYTES, true, counted);
    }
    for (uint32_t i = 0; err == VS_OK && i < f->set.rejected_count; i++) {
        tell(f, out.p + (size_t)i * VS_RECORD_BYTES, false, counted);
    }
    vs_buf_free(&in);
    vs_buf_free(&out);
    return err;
}

/* --- entries -----------------------------------------------------------------------------------
 */

static vs_err end_round(fold *f, bool final)
{
    vs_err err = tell_all(f, final);
    f->have_set = false;
    f->s->running = 0;
    if (final) {
        f->s->n_final++;
    } else {
        f->s->n_aborted++;
    }
    return err;
}

static vs_err take_key(fold *f, const vs_entry_key *k)
{
    if (k->party == VS_PARTY_CLIENT) {
        f->s->n_client_keys_revoked += k->action == VS_KEY_REVOKE;
        f->s->n_client_keys_rotated += k->action == VS_KEY_ROTATE;
    }
    return vs_keyring_take(&f->s->keys, k);
}

static vs_err take(fold *f, const vs_entry *e)
{
    switch (e->kind) {
    case VS_ENTRY_OPEN:
        f->s->n_rounds++;
        f->s->running = e->round;
        return VS_OK;
    case VS_ENTRY_SET:
        f->set = e->u.set;
        f->have_set = true;
        return VS_OK;
    case VS_ENTRY_RESULT: return end_round(f, true);
    case VS_ENTRY_ABORT: return end_round(f, false);
    case VS_ENTRY_KEY: return take_key(f, &e->u.key);
    case VS_ENTRY_EVIDENCE: f->s->n_evidence++; return VS_OK;
    case VS_ENTRY_FEDERATION:
    case VS_ENTRY_ANSWER:
    case VS_ENTRY_CLOSED: return VS_OK;
    }
    return VS_ERR_MALFORMED;
}

static vs_err take_entry(fold *f, vs_merkle *tree, vs_buf *bytes, vs_entry *entry, uint64_t index)
{
    vs_dsse dsse = {0};
    vs_h32 leaf;
    vs_buf_reset(bytes);
    vs_err err = f->source->entry(f->source->ctx, index, bytes, f->diag);
    if (err != VS_OK) return err;
    vs_merkle_leaf(&leaf, bytes->p, bytes->len);
    vs_merkle_append(tree, &leaf);
    err = vs_dsse_parse(&dsse, bytes->p, bytes->len, f->diag);
    if (err == VS_OK) {
        err = vs_entry_decode(entry, dsse.kind, dsse.payload.p, dsse.payload.len, f->diag);
    }
    if (err == VS_OK && vs_h32_equal(&entry->federation, &f->fed->id)) err = take(f, entry);
    if (err != VS_OK) vs_diag_prefix(f->diag, "entry %" PRIu64, index);
    vs_dsse_free(&dsse);
    return err;
}

vs_err vs_ledger_state_compute(vs_ledger_state *out, const vs_audit_source *source,
                               const vs_federation *fed, uint64_t size, const vs_h32 *root,
                               void (*on_submission)(void *ctx, const vs_state_submission *one),
                               void *ctx, vs_diag *diag)
{
    VS_ASSERT(out != NULL && source != NULL && fed != NULL && root != NULL);
    vs_merkle tree;
    vs_buf bytes = {0};
    fold f = {.s = out,
              .source = source,
              .fed = fed,
              .on_submission = on_submission,
              .ctx = ctx,
              .diag = diag};
    *out = (vs_ledger_state){.size = size};
    vs_merkle_init(&tree);
    vs_entry *entry = malloc(sizeof *entry);
    vs_err err = entry == NULL ? vs_fail(diag, VS_ERR_NOMEM, "out of memory") : VS_OK;
    for (uint64_t i = 0; err == VS_OK && i < size; i++) {
        err = take_entry(&f, &tree, &bytes, entry, i);
    }
    if (err == VS_OK && f.have_set) err = tell_all(&f, false); /* it still runs */
    if (err == VS_OK) {
        vs_merkle_root(&tree, &out->root);
        if (!vs_h32_equal(&out->root, root)) {
            err = vs_fail(diag, VS_ERR_PROOF, "the log is not the one that was audited");
        }
    }
    free(entry);
    vs_buf_free(&bytes);
    if (err != VS_OK) vs_ledger_state_free(out);
    return err;
}

vs_err vs_ledger_state_federation(vs_federation **out, const vs_audit_source *source, vs_diag *diag)
{
    vs_buf bytes = {0};
    vs_dsse dsse = {0};
    const uint8_t *p = NULL;
    size_t len = 0;
    vs_h32 hash;
    *out = NULL;
    vs_entry *entry = malloc(sizeof *entry);
    vs_err err = entry == NULL ? vs_fail(diag, VS_ERR_NOMEM, "out of memory") : VS_OK;
    if (err == VS_OK && source->size == 0) {
        err = vs_fail(diag, VS_ERR_STATE, "the log is empty");
    }
    if (err == VS_OK) err = source->entry(source->ctx, 0, &bytes, diag);
    if (err == VS_OK) err = vs_dsse_parse(&dsse, bytes.p, bytes.len, diag);
    if (err == VS_OK) {
        err = vs_entry_decode(entry, dsse.kind, dsse.payload.p, dsse.payload.len, diag);
    }
    if (err == VS_OK && entry->kind != VS_ENTRY_FEDERATION) {
        err = vs_fail(diag, VS_ERR_PROOF, "the log does not begin with a federation entry");
    }
    if (err == VS_OK) {
        err = source->blob(source->ctx, &entry->u.federation.file, &p, &len, diag);
        if (err == VS_ERR_STATE) {
            err = vs_fail(diag, err, "the federation file that the log names is missing");
        }
    }
    if (err == VS_OK) {
        vs_sha256(&hash, p, len);
        if (!vs_h32_equal(&hash, &entry->u.federation.file)) {
            err = vs_fail(diag, VS_ERR_PROOF, "the federation file is not the one the log names");
        }
    }
    if (err == VS_OK) err = vs_federation_parse(out, p, len, "the log's federation file", diag);
    vs_dsse_free(&dsse);
    vs_buf_free(&bytes);
    free(entry);
    return err;
}
