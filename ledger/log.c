#include "ledger/log.h"

#include <string.h>

#include "ledger/dsse.h"
#include "ledger/log_internal.h"

/* --- append ---------------------------------------------------------------------------------- */

vs_err vs_log_sign_head(vs_log *log, const vs_tiles *t, vs_diag *diag)
{
    vs_checkpoint c = {.size = t->range.size};
    vs_buf text = {0};
    vs_buf note = {0};
    memcpy(c.origin, log->key.name, sizeof c.origin);
    vs_merkle_root(&t->range, &c.root);
    vs_err err = vs_checkpoint_format(&text, &c);
    if (err == VS_OK) {
        err = vs_note_sign(&note, (const char *)text.p, text.len, &log->key, log->seed);
    }
    if (err != VS_OK) {
        err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    } else {
        err = vs_log_store_put_checkpoint(&log->store, c.size, &c.root, note.p, note.len, diag);
    }
    vs_buf_free(&text);
    vs_buf_free(&note);
    return err;
}

typedef struct tile_writer {
    vs_log *log;
    vs_diag *diag;
} tile_writer;

static vs_err write_tile(void *ctx, uint32_t level, uint64_t number, const vs_h32 *hashes,
                         uint32_t n)
{
    tile_writer *w = ctx;
    return vs_log_store_put_tile(&w->log->store, level, number, hashes, n, w->diag);
}

/* Everything of one append, on the work copy; within a transaction. */
static vs_err append_all(vs_log *log, const vs_bytes *entries, uint32_t n, vs_h32 *leaf_hashes,
                         vs_diag *diag)
{
    tile_writer w = {log, diag};
    vs_tiles *t = log->next;
    vs_err err = VS_OK;
    for (uint32_t i = 0; err == VS_OK && i < n; i++) {
        vs_h32 leaf;
        uint64_t index = t->range.size;
        vs_merkle_leaf(&leaf, entries[i].p, entries[i].len);
        if (leaf_hashes != NULL) leaf_hashes[i] = leaf;
        err = vs_log_store_put_entry(&log->store, index, entries[i].p, entries[i].len, diag);
        if (err == VS_OK) err = vs_tiles_append(t, &leaf, write_tile, &w);
    }
    if (err == VS_OK) err = vs_tiles_partial(t, write_tile, &w);
    if (err == VS_OK) err = vs_log_sign_head(log, t, diag);
    return err;
}

vs_err vs_log_append(vs_log *log, const vs_bytes *entries, uint32_t n, uint64_t *first,
                     vs_h32 *leaf_hashes, vs_diag *diag)
{
    VS_ASSERT(n > 0 && log->seed != NULL);
    for (uint32_t i = 0; i < n; i++) {
        if (entries[i].len == 0 || entries[i].len > VS_ENTRY_MAX_BYTES) {
            return vs_fail(diag, VS_ERR_LIMIT, "an entry of %zu bytes is not within 1..%u",
                           entries[i].len, VS_ENTRY_MAX_BYTES);
        }
    }
    vs_err err = vs_db_begin(log->db, diag);
    if (err != VS_OK) return err;
    *log->next = *log->edge;
    err = append_all(log, entries, n, leaf_hashes, diag);
    if (err != VS_OK) {
        vs_db_rollback(log->db);
        return err;
    }
    err = vs_db_commit(log->db, diag);
    if (err != VS_OK) return err; /* the database is closed to every further write */
    *first = log->edge->range.size;
    vs_tiles *old = log->edge;
    log->edge = log->next;
    log->next = old;
    log->changes++;
    return VS_OK;
}

vs_err vs_log_add_cosignature(vs_log *log, uint64_t size, const vs_note_key *key,
                              const uint8_t sig[VS_COSIGNATURE_BYTES], vs_diag *diag)
{
    vs_buf note = {0};
    vs_note_result who;
    VS_ASSERT(log->seed != NULL);
    vs_err err = vs_log_store_note(&log->store, size, &note, diag);
    if (err == VS_OK) err = vs_note_verify(&who, note.p, note.len, &log->key, 1, diag);
    if (err == VS_OK && vs_cosign_verify(sig, (const char *)note.p, who.text_len, key) != VS_OK) {
        err = vs_fail(diag, VS_ERR_PROOF, "cosignature of size %llu by %s is wrong",
                      (unsigned long long)size, key->name);
    }
    vs_buf_free(&note);
    bool own = !vs_db_in_transaction(log->db);
    if (err == VS_OK && own) err = vs_db_begin(log->db, diag);
    if (err != VS_OK) return err;
    err = vs_log_store_put_cosignature(&log->store, size, key, sig, diag);
    if (err == VS_OK) log->changes++;
    if (!own) return err;
    if (err == VS_OK) return vs_db_commit(log->db, diag);
    vs_db_rollback(log->db);
    return err;
}

/* --- read ------------------------------------------------------------------------------------ */

vs_db *vs_log_db(vs_log *log)
{
    return log->db;
}

const char *vs_log_origin(const vs_log *log)
{
    return log->key.name;
}

const vs_note_key *vs_log_key(const vs_log *log)
{
    return &log->key;
}

uint64_t vs_log_size(const vs_log *log)
{
    return log->edge->range.size;
}

uint64_t vs_log_changes(const vs_log *log)
{
    return log->changes;
}

void vs_log_root(const vs_log *log, vs_h32 *root)
{
    vs_merkle_root(&log->edge->range, root);
}

vs_err vs_log_entry(vs_log *log, uint64_t index, vs_buf *out, vs_diag *diag)
{
    if (index >= vs_log_size(log)) {
        return vs_fail(diag, VS_ERR_LIMIT, "entry %llu: the log has %llu entries",
                       (unsigned long long)index, (unsigned long long)vs_log_size(log));
    }
    return vs_log_store_entry(&log->store, index, out, diag);
}

static vs_err read_node(vs_log *log, uint32_t level, uint64_t index, vs_h32 *out, vs_diag *diag)
{
    vs_h32 hashes[VS_TILE_WIDTH];
    uint32_t n = 0;
    uint32_t width = UINT32_C(1) << (level % 8);
    if (level > 62 || index > UINT64_MAX >> (level % 8) || index + 1 == 0 ||
        index >= vs_log_size(log) >> level) {
        return vs_fail(diag, VS_ERR_LIMIT, "node %llu of level %u is beyond the end",
                       (unsigned long long)index, (unsigned)level);
    }
    uint64_t first = index << (level % 8);
    uint64_t tile = first / VS_TILE_WIDTH;
    vs_err err = vs_log_store_tile(&log->store, level / 8, tile, hashes, &n, diag);
    if (err != VS_OK) return err;
    uint32_t at = (uint32_t)(first % VS_TILE_WIDTH);
    if (at + width > n) {
        return vs_fail(diag, VS_ERR_MALFORMED, "tile %u/%llu is cut short", (unsigned)(level / 8),
                       (unsigned long long)tile);
    }
    vs_tiles_fold(out, hashes + at, width);
    return VS_OK;
}

vs_err vs_log_leaf_hash(vs_log *log, uint64_t index, vs_h32 *out, vs_diag *diag)
{
    return read_node(log, 0, index, out, diag);
}

static vs_err tree_node(void *ctx, uint32_t level, uint64_t index, vs_h32 *out)
{
    return read_node(ctx, level, index, out, NULL);
}

vs_tree_reader vs_log_tree(vs_log *log)
{
    return (vs_tree_reader){.node = tree_node, .ctx = log};
}

vs_err vs_log_checkpoint_at(vs_log *log, uint64_t size, vs_buf *out, vs_diag *diag)
{
    size_t before = out->len;
    vs_err err = vs_log_store_note(&log->store, size, out, diag);
    if (err == VS_OK) err = vs_log_store_cosignature_lines(&log->store, size, out, diag);
    if (err != VS_OK) out->len = before;
    return err;
}

vs_err vs_log_checkpoint(vs_log *log, vs_buf *out, vs_diag *diag)
{
    return vs_log_checkpoint_at(log, vs_log_size(log), out, diag);
}

char *vs_log_blob_path(const vs_log *log, const vs_h32 *name)
{
    return vs_log_blob_name(log->dir, name);
}
