/* A receipt is completed from a published log: nobody is asked, so nobody learns who asks. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "ledger/export.h"
#include "ledger/tile_log.h"
#include "ledger/tlog_proof.h"
#include "net/receipt_impl.h"

typedef struct maker {
    const vs_federation *fed;
    const vs_fetch *fetch;
    vs_receipt *r;
    vs_tile_log *log;
    vs_buf note; /* the cosigned checkpoint */
    uint64_t size;
    vs_entry *e; /* the entry that was read last */
    vs_entry_set set;
    vs_diag *diag;
} maker;

/* --- entries -----------------------------------------------------------------------------------
 */

static vs_err open_log(maker *m)
{
    vs_policy_result *who = malloc(sizeof *who);
    if (who == NULL) return VS_ERR_NOMEM;
    vs_err err =
        m->fetch->get(m->fetch->ctx, VS_EXPORT_COSIGNED, VS_NOTE_MAX_BYTES, &m->note, m->diag);
    if (err == VS_OK) {
        err = vs_policy_verify(who, &m->fed->policy, m->note.p, m->note.len, m->diag);
    }
    if (err == VS_OK) {
        m->size = who->checkpoint.size;
        err = vs_tile_log_new(&m->log, m->fetch, m->size);
    }
    free(who);
    return err;
}

static vs_err read_entry(maker *m, uint64_t index, vs_buf *envelope)
{
    vs_dsse dsse = {0};
    vs_buf_reset(envelope);
    vs_err err = vs_tile_log_entry(m->log, index, envelope, m->diag);
    if (err == VS_OK) err = vs_dsse_parse(&dsse, envelope->p, envelope->len, m->diag);
    if (err == VS_OK) {
        err = vs_entry_decode(m->e, dsse.kind, dsse.payload.p, dsse.payload.len, m->diag);
    }
    if (err != VS_OK) vs_diag_prefix(m->diag, "entry %" PRIu64, index);
    vs_dsse_free(&dsse);
    return err;
}

/* The first entry whose round is not below the client's: rounds never fall in a log. */
static vs_err find_round(maker *m, uint64_t *index)
{
    uint64_t low = 0;
    uint64_t high = m->size;
    vs_buf envelope = {0};
    vs_err err = VS_OK;
    while (err == VS_OK && low < high) {
        uint64_t middle = low + (high - low) / 2;
        err = read_entry(m, middle, &envelope);
        if (m->e->round < m->r->claim.round)
            low = middle + 1;
        else
            high = middle;
    }
    *index = low;
    vs_buf_free(&envelope);
    return err;
}

static vs_err take(maker *m, vs_receipt_entry *out, uint64_t index, const vs_buf *envelope)
{
    vs_tlog_proof proof = {.index = index};
    vs_tree_reader tree = vs_tile_log_tree(m->log);
    vs_err err = vs_tree_prove_inclusion(&tree, index, m->size, &proof.path);
    if (err != VS_OK) {
        return vs_fail(m->diag, err, "entry %" PRIu64 ": its tiles cannot be read", index);
    }
    proof.checkpoint = m->note; /* borrowed */
    vs_buf_reset(&out->envelope);
    vs_buf_reset(&out->proof);
    vs_buf_bytes(&out->envelope, envelope->p, envelope->len);
    err = vs_tlog_proof_format(&out->proof, &proof);
    return err == VS_OK ? vs_buf_check(&out->envelope) : err;
}

/* `set` (if there is one) and the end of the round. */
static vs_err take_round(maker *m)
{
    uint64_t index = 0;
    bool ended = false;
    vs_buf envelope = {0};
    vs_err err = find_round(m, &index);
    for (; err == VS_OK && !ended && index < m->size; index++) {
        err = read_entry(m, index, &envelope);
        if (err != VS_OK || m->e->round != m->r->claim.round) break;
        if (m->e->kind == VS_ENTRY_SET) {
            m->set = m->e->u.set;
            m->r->has_set = true;
            err = take(m, &m->r->set, index, &envelope);
        }
        ended = m->e->kind == VS_ENTRY_RESULT || m->e->kind == VS_ENTRY_ABORT;
        if (err == VS_OK && ended) err = take(m, &m->r->end, index, &envelope);
    }
    vs_buf_free(&envelope);
    if (err == VS_OK && !ended) {
        err = vs_fail(m->diag, VS_ERR_STATE,
                      "round %" PRIu64 " has no end yet that a quorum has cosigned: ask later",
                      m->r->claim.round);
    }
    return err;
}

/* --- the record --------------------------------------------------------------------------------
 */

typedef struct leaves {
    vs_h32 *hash;
    uint64_t n;
} leaves;

static vs_err node(void *ctx, uint32_t level, uint64_t index, vs_h32 *out)
{
    const leaves *l = ctx;
    vs_merkle m;
    uint64_t first = index << level;
    if (level > 31 || first >= l->n || l->n - first < UINT64_C(1) << level) return VS_ERR_LIMIT;
    vs_merkle_init(&m);
    for (uint64_t i = 0; i < UINT64_C(1) << level; i++) vs_merkle_append(&m, &l->hash[first + i]);
    vs_merkle_root(&m, out);
    return VS_OK;
}

static vs_err prove_record(maker *m, const vs_buf *list, uint64_t index)
{
    leaves l = {.n = list->len / VS_RECORD_BYTES};
    vs_tree_reader tree = {.node = node, .ctx = &l};
    l.hash = calloc(l.n, sizeof *l.hash);
    if (l.hash == NULL) return VS_ERR_NOMEM;
    for (uint64_t i = 0; i < l.n; i++) {
        vs_merkle_leaf(&l.hash[i], list->p + i * VS_RECORD_BYTES, VS_RECORD_BYTES);
    }
    vs_err err = vs_tree_prove_inclusion(&tree, index, l.n, &m->r->path);
    m->r->record_index = index;
    vs_buf_bytes(&m->r->record, list->p + index * VS_RECORD_BYTES, VS_RECORD_BYTES);
    free(l.hash);
    return err == VS_OK ? vs_buf_check(&m->r->record) : err;
}

/* Look for the pseudonym in one list. */
static vs_err look_in(maker *m, const vs_h32 *blob, uint32_t count, bool *found)
{
    char name[sizeof VS_EXPORT_BLOBS + VS_HEX_CHARS(VS_H32_BYTES)];
    vs_buf list = {0};
    memcpy(name, VS_EXPORT_BLOBS "/", sizeof VS_EXPORT_BLOBS);
    vs_hex_encode(name + sizeof VS_EXPORT_BLOBS, blob->b, sizeof blob->b);
    size_t size = (size_t)count * VS_RECORD_BYTES;
    vs_err err = m->fetch->get(m->fetch->ctx, name, size, &list, m->diag);
    if (err == VS_OK && list.len != size) {
        err = vs_fail(m->diag, VS_ERR_PROOF, "%s: has %zu bytes, not %zu", name, list.len, size);
    }
    for (uint32_t i = 0; err == VS_OK && !*found && i < count; i++) {
        const uint8_t *at = list.p + (size_t)i * VS_RECORD_BYTES;
        if (memcmp(at, m->r->claim.pseudonym.b, VS_H32_BYTES) != 0) continue;
        *found = true;
        err = prove_record(m, &list, i);
    }
    vs_buf_free(&list);
    return err;
}

static vs_err take_record(maker *m)
{
    bool found = false;
    if (!m->r->has_set) return VS_OK; /* aborted before there was one */
    vs_err err = look_in(m, &m->set.records_blob, m->set.count, &found);
    if (err == VS_OK && !found) {
        m->r->rejected = true;
        err = look_in(m, &m->set.rejected_blob, m->set.rejected_count, &found);
    }
    if (err == VS_OK && !found) {
        err = vs_fail(m->diag, VS_ERR_STATE,
                      "round %" PRIu64 " names this pseudonym neither among the included nor among "
                      "the rejected clients",
                      m->r->claim.round);
    }
    return err;
}

vs_err vs_receipt_complete(vs_buf *out, const uint8_t *receipt, size_t len,
                           const vs_federation *fed, const vs_fetch *log, vs_diag *diag)
{
    vs_receipt old = {0};
    vs_receipt r = {.complete = true};
    vs_receipt_verdict verdict = {0};
    maker m = {.fed = fed, .fetch = log, .r = &r, .diag = diag, .e = calloc(1, sizeof *m.e)};
    vs_err err = m.e == NULL ? VS_ERR_NOMEM : vs_receipt_decode(&old, receipt, len, diag);
    r.claim = old.claim;
    if (err == VS_OK && !vs_h32_equal(&old.claim.federation, &fed->id)) {
        err = vs_fail(diag, VS_ERR_PROOF, "receipt: is of another federation than %s", fed->name);
    }
    if (err == VS_OK) err = open_log(&m);
    if (err == VS_OK) err = take_round(&m);
    if (err == VS_OK) err = take_record(&m);
    if (err == VS_OK) {
        vs_buf_bytes(&r.federation, fed->file.p, fed->file.len);
        err = vs_buf_check(&r.federation);
    }
    if (err == VS_OK)
        err = vs_receipt_check(&verdict, &r, fed, diag); /* never hand out a bad one */
    if (err == VS_OK) err = vs_receipt_encode(out, &r);
    if (err == VS_ERR_NOMEM) (void)vs_fail(diag, err, "receipt: out of memory");
    vs_tile_log_free(m.log);
    vs_buf_free(&m.note);
    free(m.e);
    vs_receipt_free(&old);
    vs_receipt_free(&r);
    return err;
}
