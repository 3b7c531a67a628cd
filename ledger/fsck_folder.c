/* fsck of a published log: the walk over its entries. What else lies in the folder is checked in
 * fsck_files.c. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "ledger/export.h"
#include "ledger/fsck_files.h"
#include "ledger/tile_log.h"

typedef struct walk {
    vs_fsck_run *run;
    vs_tile_log *log;
    vs_checkpoint head;
    bool tiles_signed;   /* the level-0 tiles have the root that was signed */
    vs_tiles *tiles;     /* recomputed */
    uint64_t bad_bundle; /* number + 1 of a bundle that was told already */
    uint64_t n_tile;     /* number + 1 of the level-0 tile in `tile` */
    bool have_tile;
    vs_h32 tile[VS_TILE_WIDTH];
    const vs_note_key *key;
    vs_tlog_policy *policy; /* the folder's own, of this log; NULL: none */
    vs_buf cosigned;        /* checkpoint.cosigned, if it is there */
    vs_checkpoint earlier;  /* what it says; size above the head's: none to compare */
} walk;

/* --- leaf hashes -------------------------------------------------------------------------------
 */

static uint32_t width_of(uint64_t size, uint64_t number)
{
    uint64_t left = size - number * VS_TILE_WIDTH;
    return left < VS_TILE_WIDTH ? (uint32_t)left : VS_TILE_WIDTH;
}

/* The leaf hash as the level-0 tile has it. */
static bool tile_leaf(walk *w, uint64_t index, vs_h32 *leaf)
{
    uint64_t number = index / VS_TILE_WIDTH;
    if (w->n_tile != number + 1) {
        w->n_tile = number + 1;
        w->have_tile = vs_tile_log_tile(w->log, 0, number, width_of(w->head.size, number), w->tile,
                                        NULL) == VS_OK;
    }
    if (w->have_tile) *leaf = w->tile[index % VS_TILE_WIDTH];
    return w->have_tile;
}

static bool tiles_are_signed(walk *w)
{
    vs_merkle m;
    vs_h32 leaf;
    vs_h32 root;
    vs_merkle_init(&m);
    for (uint64_t i = 0; i < w->head.size; i++) {
        if (!tile_leaf(w, i, &leaf)) return false;
        vs_merkle_append(&m, &leaf);
    }
    vs_merkle_root(&m, &root);
    return vs_h32_equal(&root, &w->head.root);
}

static void name_bundle(char out[VS_TILE_PATH_CHARS], const walk *w, uint64_t index)
{
    uint64_t number = index / VS_TILE_WIDTH;
    vs_tile_path at = {VS_TILE_ENTRIES, number, width_of(w->head.size, number)};
    vs_tile_path_format(out, &at);
}

/* Leaf hash of entry `index` to go on with; false: there is none. */
static bool check_entry(walk *w, uint64_t index, vs_buf *entry, vs_h32 *leaf)
{
    char bundle[VS_TILE_PATH_CHARS];
    vs_h32 in_tile;
    vs_diag diag = {{0}};
    bool have_tile = tile_leaf(w, index, &in_tile);
    vs_buf_reset(entry);
    vs_err err = vs_tile_log_entry(w->log, index, entry, &diag);
    if (err == VS_ERR_NOMEM) {
        w->run->stop = err;
        return false;
    }
    if (err != VS_OK) {
        if (w->bad_bundle != index / VS_TILE_WIDTH + 1) vs_fsck_found(w->run, "%s", diag.text);
        w->bad_bundle = index / VS_TILE_WIDTH + 1;
        *leaf = in_tile;
        return have_tile;
    }
    w->run->report->n_entries++;
    vs_merkle_leaf(leaf, entry->p, entry->len);
    if (have_tile && w->tiles_signed && !vs_h32_equal(leaf, &in_tile)) {
        name_bundle(bundle, w, index);
        vs_fsck_found(w->run, "%s: entry %" PRIu64 ": its bytes do not match its leaf hash", bundle,
                      index);
        *leaf = in_tile;
    }
    vs_fsck_blobs_of(w->run, index, entry);
    return true;
}

/* --- tiles -------------------------------------------------------------------------------------
 */

static vs_err compare_tile(void *ctx, uint32_t level, uint64_t number, const vs_h32 *hashes,
                           uint32_t n)
{
    walk *w = ctx;
    char name[VS_TILE_PATH_CHARS];
    vs_h32 stored[VS_TILE_WIDTH];
    vs_diag diag = {{0}};
    vs_tile_path_format(name, &(vs_tile_path){level, number, n});
    vs_err err = vs_tile_log_tile(w->log, level, number, n, stored, &diag);
    if (err == VS_ERR_NOMEM) w->run->stop = err;
    if (err != VS_OK) {
        vs_fsck_found(w->run, "%s", diag.text);
        return VS_OK;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (vs_h32_equal(&stored[i], &hashes[i])) continue;
        vs_fsck_found(w->run, "%s: hash %u is wrong", name, (unsigned)i);
    }
    return VS_OK;
}

static void check_earlier(walk *w)
{
    vs_h32 root;
    if (w->cosigned.len == 0 || w->earlier.size != w->tiles->range.size) return;
    vs_merkle_root(&w->tiles->range, &root);
    if (!vs_h32_equal(&root, &w->earlier.root)) {
        vs_fsck_found(w->run,
                      VS_EXPORT_COSIGNED ": its root is not that of the first %" PRIu64 " entries",
                      w->earlier.size);
    }
}

static void walk_entries(walk *w)
{
    vs_buf entry = {0};
    vs_h32 root;
    bool whole = true;
    check_earlier(w);
    for (uint64_t i = 0; whole && i < w->head.size && w->run->stop == VS_OK; i++) {
        vs_h32 leaf;
        whole = check_entry(w, i, &entry, &leaf) &&
                vs_tiles_append(w->tiles, &leaf, compare_tile, w) == VS_OK;
        if (!whole && w->run->stop == VS_OK) {
            vs_fsck_found(w->run,
                          "entry %" PRIu64 ": neither entry nor leaf hash; the check of the tree "
                          "ends here",
                          i);
        }
        if (whole) check_earlier(w);
    }
    vs_buf_free(&entry);
    if (!whole || vs_tiles_partial(w->tiles, compare_tile, w) != VS_OK) return;
    vs_merkle_root(&w->tiles->range, &root);
    if (!vs_h32_equal(&root, &w->head.root)) {
        vs_fsck_found(w->run,
                      VS_EXPORT_CHECKPOINT ": its root is not that of the %" PRIu64 " entries",
                      w->head.size);
    }
}

/* --- all ---------------------------------------------------------------------------------------
 */

static bool check_file(walk *w, const vs_fetch *fetch, const char *name, bool needed, vs_buf *note,
                       vs_checkpoint *c)
{
    vs_diag diag = {{0}};
    vs_err err = fetch->get(fetch->ctx, name, VS_NOTE_MAX_BYTES, note, &diag);
    if (err == VS_ERR_STATE && !needed) return false;
    if (err == VS_OK) {
        w->run->report->n_checkpoints++;
        err = vs_fsck_checkpoint(c, note, w->key, w->policy, !needed, &diag);
    }
    if (err != VS_OK) note->len = 0;
    return !vs_fsck_damage(w->run, name, err, &diag);
}

/* The folder's policy, where it has one for this log's key. */
static vs_err load_policy(walk *w)
{
    vs_diag diag = {{0}};
    char *path = vs_log_path(w->run->dir, VS_EXPORT_POLICY);
    if (path == NULL) return VS_ERR_NOMEM;
    bool there = vs_file_exists(path);
    vs_tlog_policy *policy = there ? malloc(sizeof *policy) : NULL;
    vs_err err = there && policy == NULL ? VS_ERR_NOMEM : VS_OK;
    if (err == VS_OK && there) {
        vs_err parsed = vs_tlog_policy_load(policy, path, &diag);
        if (vs_fsck_damage(w->run, VS_EXPORT_POLICY, parsed, &diag)) {
            /* told */
        } else if (policy->n_logs == 1 &&
                   vs_h32_equal(&policy->log[0].key.public_key, &w->key->public_key)) {
            w->policy = policy;
            policy = NULL;
        } else {
            vs_fsck_found(w->run, VS_EXPORT_POLICY ": is not of the log %s", w->key->name);
        }
    }
    free(policy);
    free(path);
    return err;
}

static vs_err check(vs_fsck_run *run, const vs_note_key *vkey)
{
    vs_fetch fetch = vs_fetch_folder(run->dir);
    vs_buf note = {0};
    walk *w = calloc(1, sizeof *w);
    if (w == NULL) return VS_ERR_NOMEM;
    w->run = run;
    w->key = vkey;
    w->tiles = malloc(sizeof *w->tiles);
    vs_err err = w->tiles == NULL ? VS_ERR_NOMEM : load_policy(w);
    if (err == VS_OK && check_file(w, &fetch, VS_EXPORT_CHECKPOINT, true, &note, &w->head)) {
        if (check_file(w, &fetch, VS_EXPORT_COSIGNED, false, &w->cosigned, &w->earlier) &&
            w->earlier.size > w->head.size) {
            vs_fsck_found(run, VS_EXPORT_COSIGNED ": is of a larger tree than checkpoint");
        }
        vs_tiles_init(w->tiles);
        err = vs_tile_log_new(&w->log, &fetch, w->head.size);
        if (err == VS_OK) {
            w->tiles_signed = tiles_are_signed(w);
            walk_entries(w);
            vs_fsck_files(run, w->log, w->head.size);
        }
    }
    vs_tile_log_free(w->log);
    vs_buf_free(&note);
    vs_buf_free(&w->cosigned);
    free(w->policy);
    free(w->tiles);
    free(w);
    return err == VS_OK ? run->stop : err;
}

vs_err vs_fsck_folder(const char *dir, const vs_note_key *vkey, vs_fsck_problem problem, void *ctx,
                      vs_fsck_report *report, vs_diag *diag)
{
    *report = (vs_fsck_report){0};
    vs_fsck_run run = {.dir = dir, .problem = problem, .ctx = ctx, .report = report};
    vs_err err = check(&run, vkey);
    return err == VS_OK ? VS_OK : vs_fail(diag, err, "out of memory");
}
