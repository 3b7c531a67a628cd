#include "ledger/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "ledger/entry_blobs.h"
#include "ledger/export_files.h"
#include "ledger/log_internal.h"
#include "ledger/policy_text.h"
#include "ledger/tile_path.h"

struct vs_export {
    vs_export_files files;
    vs_log *log;       /* borrowed */
    vs_policy *policy; /* NULL: none */
    bool results;
    bool whole;
    uint64_t size;     /* that the folder has */
    uint64_t cosigned; /* size of checkpoint.cosigned */
    uint64_t changes;  /* of the log, when it was last looked at */
    bool fresh;        /* no update yet */
};

/* --- what the folder has -----------------------------------------------------------------------
 */

/* The exported checkpoint must be of a tree that our log has, or began with. */
static vs_err check_exported(vs_export *e, const vs_buf *note, vs_diag *diag)
{
    vs_note_result *who = malloc(sizeof *who);
    vs_checkpoint c;
    vs_h32 root;
    vs_tree_reader tree = vs_log_tree(e->log);
    if (who == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = vs_note_verify(who, note->p, note->len, vs_log_key(e->log), 1, diag);
    if (err == VS_OK) err = vs_checkpoint_parse(&c, note->p, who->text_len, diag);
    free(who);
    if (err != VS_OK) return err;
    if (c.size > vs_log_size(e->log)) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "the log has published %" PRIu64 " entries, this copy of it has %" PRIu64
                       ": a restored backup must not go on under the same origin",
                       c.size, vs_log_size(e->log));
    }
    err = vs_tree_root(&tree, c.size, &root);
    if (err != VS_OK) return vs_fail(diag, err, "tiles: cannot be read; run veilsum ledger fsck");
    if (!vs_h32_equal(&root, &c.root)) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "the log has published another tree of %" PRIu64 " entries than it has now",
                       c.size);
    }
    e->size = c.size;
    return VS_OK;
}

static vs_err read_exported(vs_export *e, vs_diag *diag)
{
    vs_buf note = {0};
    char *path = vs_log_path(e->files.folder, VS_EXPORT_CHECKPOINT);
    if (path == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = VS_OK;
    if (vs_file_exists(path)) {
        err = vs_file_read(&note, path, VS_NOTE_MAX_BYTES, diag);
        if (err == VS_OK) err = check_exported(e, &note, diag);
        if (err != VS_OK) vs_diag_prefix(diag, "%s", path);
    }
    if (e->whole) e->size = 0;
    vs_buf_free(&note);
    free(path);
    return err;
}

vs_err vs_export_open(vs_export **out, const char *folder, vs_log *log, const vs_policy *policy,
                      bool results, bool whole, vs_diag *diag)
{
    vs_export *e = calloc(1, sizeof *e);
    *out = NULL;
    if (e == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    *e = (vs_export){.log = log, .results = results, .whole = whole, .fresh = true};
    vs_err err = vs_export_files_init(&e->files, folder, diag);
    if (err == VS_OK && policy != NULL) {
        e->policy = malloc(sizeof *e->policy);
        if (e->policy == NULL)
            err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
        else
            *e->policy = *policy;
    }
    if (err == VS_OK) err = read_exported(e, diag);
    if (err != VS_OK) {
        vs_export_free(e);
        return err;
    }
    *out = e;
    return VS_OK;
}

void vs_export_free(vs_export *e)
{
    if (e == NULL) return;
    vs_export_files_clear(&e->files);
    free(e->policy);
    free(e);
}

uint64_t vs_export_n_files(const vs_export *e)
{
    return e->files.n_written;
}

vs_err vs_export_put(vs_export *e, const char *name, const void *data, size_t len, vs_diag *diag)
{
    return vs_export_files_put(&e->files, name, data, len, diag);
}

/* --- tiles and bundles -------------------------------------------------------------------------
 */

static vs_err put_tile(vs_export *e, const vs_tile_path *at, vs_diag *diag)
{
    char name[VS_TILE_PATH_CHARS];
    vs_h32 hashes[VS_TILE_WIDTH];
    uint32_t n = 0;
    vs_err err = vs_log_store_tile(&e->log->store, at->level, at->number, hashes, &n, diag);
    if (err != VS_OK) return err;
    if (n < at->width) {
        return vs_fail(diag, VS_ERR_MALFORMED, "tile %u/%llu is cut short; run veilsum ledger fsck",
                       (unsigned)at->level, (unsigned long long)at->number);
    }
    vs_tile_path_format(name, at);
    return vs_export_files_put(&e->files, name, hashes, (size_t)at->width * VS_H32_BYTES, diag);
}

static vs_err put_bundle(vs_export *e, const vs_tile_path *at, vs_diag *diag)
{
    char name[VS_TILE_PATH_CHARS];
    vs_buf bundle = {0};
    vs_buf entry = {0};
    vs_err err = VS_OK;
    for (uint64_t i = 0; err == VS_OK && i < at->width; i++) {
        vs_buf_reset(&entry);
        err = vs_log_store_entry(&e->log->store, at->number * VS_TILE_WIDTH + i, &entry, diag);
        vs_buf_u8(&bundle, (uint8_t)(entry.len >> 8));
        vs_buf_u8(&bundle, (uint8_t)entry.len);
        vs_buf_bytes(&bundle, entry.p, entry.len);
    }
    if (err == VS_OK && bundle.failed) err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_tile_path_format(name, at);
    if (err == VS_OK) err = vs_export_files_put(&e->files, name, bundle.p, bundle.len, diag);
    vs_buf_free(&bundle);
    vs_buf_free(&entry);
    return err;
}

static vs_err put_any(vs_export *e, const vs_tile_path *at, vs_diag *diag)
{
    return at->level == VS_TILE_ENTRIES ? put_bundle(e, at, diag) : put_tile(e, at, diag);
}

/* What a tree of `to` entries has of this level that one of `from` did not: hashes from..to-1. */
static vs_err put_level(vs_export *e, uint32_t level, uint64_t from, uint64_t to, vs_diag *diag)
{
    vs_err err = VS_OK;
    if (from == to) return VS_OK;
    for (uint64_t n = from / VS_TILE_WIDTH; err == VS_OK && n < to / VS_TILE_WIDTH; n++) {
        err = put_any(e, &(vs_tile_path){level, n, VS_TILE_WIDTH}, diag);
    }
    if (err == VS_OK && to % VS_TILE_WIDTH != 0) {
        vs_tile_path at = {level, to / VS_TILE_WIDTH, (uint32_t)(to % VS_TILE_WIDTH)};
        err = put_any(e, &at, diag);
    }
    return err;
}

static vs_err put_tiles(vs_export *e, uint64_t size, vs_diag *diag)
{
    vs_err err = put_level(e, VS_TILE_ENTRIES, e->size, size, diag);
    for (uint32_t level = 0; err == VS_OK && level < VS_TILE_LEVELS; level++) {
        err = put_level(e, level, e->size >> (8 * level), size >> (8 * level), diag);
    }
    return err;
}

/* Partial tiles of a tile that has become full; after `checkpoint` is out. */
static void drop_partials(vs_export *e, uint32_t level, uint64_t from, uint64_t to)
{
    for (uint64_t n = from / VS_TILE_WIDTH; n < to / VS_TILE_WIDTH; n++) {
        char name[VS_TILE_PATH_CHARS];
        vs_tile_path_format(name, &(vs_tile_path){level, n, VS_TILE_WIDTH});
        vs_export_files_drop_partials(&e->files, name);
    }
}

/* --- blobs -------------------------------------------------------------------------------------
 */

typedef struct blob_walk {
    vs_export *e;
    vs_diag *diag;
} blob_walk;

static vs_err put_blob(void *ctx, vs_blob_kind kind, const vs_h32 *name)
{
    blob_walk *w = ctx;
    char to[sizeof VS_EXPORT_BLOBS + VS_HEX_CHARS(VS_H32_BYTES)];
    vs_map map = {0};
    if (kind == VS_BLOB_RESULT && !w->e->results) return VS_OK;
    memcpy(to, VS_EXPORT_BLOBS "/", sizeof VS_EXPORT_BLOBS);
    vs_hex_encode(to + sizeof VS_EXPORT_BLOBS, name->b, sizeof name->b);
    if (!w->e->whole && vs_export_files_have(&w->e->files, to))
        return VS_OK; /* its name is its hash */
    char *from = vs_log_blob_path(w->e->log, name);
    if (from == NULL) return vs_fail(w->diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = vs_map_file(&map, from, w->diag);
    if (err == VS_OK) err = vs_export_files_put(&w->e->files, to, map.p, map.len, w->diag);
    if (err == VS_OK && kind == VS_BLOB_FEDERATION) {
        err = vs_export_files_put(&w->e->files, VS_EXPORT_FEDERATION, map.p, map.len, w->diag);
    }
    vs_unmap(&map);
    free(from);
    return err;
}

static vs_err put_blobs(vs_export *e, uint64_t size, vs_diag *diag)
{
    blob_walk w = {e, diag};
    vs_buf entry = {0};
    vs_err err = VS_OK;
    for (uint64_t i = e->size; err == VS_OK && i < size; i++) {
        vs_buf_reset(&entry);
        err = vs_log_store_entry(&e->log->store, i, &entry, diag);
        if (err == VS_OK) err = vs_entry_blobs_of(entry.p, entry.len, put_blob, &w);
    }
    vs_buf_free(&entry);
    return err;
}

/* --- checkpoints -------------------------------------------------------------------------------
 */

static vs_err put_checkpoint(vs_export *e, const char *name, uint64_t size, vs_diag *diag)
{
    vs_buf note = {0};
    vs_err err = vs_log_checkpoint_at(e->log, size, &note, diag);
    if (err == VS_OK) err = vs_export_files_put(&e->files, name, note.p, note.len, diag);
    vs_buf_free(&note);
    return err;
}

static vs_err put_cosigned(vs_export *e, vs_diag *diag)
{
    uint64_t size = 0;
    bool found = false;
    if (e->policy == NULL) return VS_OK;
    vs_err err = vs_log_cosigned_by(e->log, e->policy, &size, &found, diag);
    if (err == VS_OK && found) err = put_checkpoint(e, VS_EXPORT_COSIGNED, size, diag);
    return err;
}

static vs_err put_policy(vs_export *e, vs_diag *diag)
{
    vs_buf text = {0};
    if (e->policy == NULL) return VS_OK;
    vs_err err = vs_policy_text_format(&text, e->policy);
    if (err != VS_OK) err = vs_fail(diag, err, "out of memory");
    if (err == VS_OK)
        err = vs_export_files_put(&e->files, VS_EXPORT_POLICY, text.p, text.len, diag);
    vs_buf_free(&text);
    return err;
}

vs_err vs_export_update(vs_export *e, vs_diag *diag)
{
    uint64_t size = vs_log_size(e->log);
    uint64_t before = e->size;
    uint64_t changes = vs_log_changes(e->log);
    if (!e->fresh && changes == e->changes) return VS_OK;
    vs_err err = e->fresh ? put_policy(e, diag) : VS_OK;
    if (err == VS_OK) err = put_blobs(e, size, diag);
    if (err == VS_OK) err = put_tiles(e, size, diag);
    if (err == VS_OK) err = put_checkpoint(e, VS_EXPORT_CHECKPOINT, size, diag);
    if (err == VS_OK) err = put_cosigned(e, diag);
    if (err != VS_OK) {
        vs_diag_prefix(diag, "export");
        return err;
    }
    e->size = size;
    e->changes = changes;
    e->fresh = e->whole = false;
    drop_partials(e, VS_TILE_ENTRIES, before, size);
    for (uint32_t level = 0; level < VS_TILE_LEVELS; level++) {
        drop_partials(e, level, before >> (8 * level), size >> (8 * level));
    }
    return VS_OK;
}
