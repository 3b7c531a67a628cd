#include "ledger/fsck_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "ledger/entry_blobs.h"

/* Leaf hashes come from two places: the entries, and the level-0 tiles. The newest checkpoint with
 * a good signature says which of them to believe where they differ. */
typedef enum source { FROM_ENTRIES, FROM_TILES } source;

typedef struct walk {
    vs_fsck_run *run;
    vs_log_store *store;
    const vs_note_key *key;
    uint64_t size;  /* of the newest checkpoint */
    bool have_head; /* its signature is good */
    vs_checkpoint head;
    vs_tiles *tiles; /* recomputed */
    vs_stmt *next;   /* checkpoints in order of size, beside the walk over the entries */
    bool row;
} walk;

static vs_err entry_leaf(walk *w, uint64_t index, vs_h32 *leaf, vs_diag *diag)
{
    vs_buf b = {0};
    vs_err err = vs_log_store_entry(w->store, index, &b, diag);
    if (err == VS_OK) vs_merkle_leaf(leaf, b.p, b.len);
    vs_buf_free(&b);
    return err;
}

/* --- checkpoints ----------------------------------------------------------------------------- */

/* Signature and form of the checkpoint stored for size. */
static bool read_checkpoint(walk *w, uint64_t size, vs_checkpoint *c, vs_diag *diag)
{
    vs_buf note = {0};
    vs_note_result who;
    vs_err err = vs_log_store_note(w->store, size, &note, diag);
    if (err == VS_OK) err = vs_note_verify(&who, note.p, note.len, w->key, 1, diag);
    if (err == VS_OK) err = vs_checkpoint_parse(c, note.p, who.text_len, diag);
    vs_buf_free(&note);
    return err == VS_OK;
}

/* w->next stands on the row of `size`: compare it with the recomputed root. */
static void check_checkpoint(walk *w, uint64_t size)
{
    vs_checkpoint c;
    vs_h32 root;
    vs_diag diag = {{0}};
    size_t len = 0;
    unsigned long long n = size;
    w->run->report->n_checkpoints++;
    const uint8_t *stored = vs_stmt_blob(w->next, 1, &len);
    vs_merkle_root(&w->tiles->range, &root);
    if (!read_checkpoint(w, size, &c, &diag)) {
        vs_fsck_found(w->run, "checkpoint of size %llu: %s", n, diag.text);
    } else {
        if (c.size != size) vs_fsck_found(w->run, "checkpoint of size %llu: says another size", n);
        if (strcmp(c.origin, w->key->name) != 0) {
            vs_fsck_found(w->run, "checkpoint of size %llu: its origin is %s", n, c.origin);
        }
        if (!vs_h32_equal(&c.root, &root)) {
            vs_fsck_found(w->run, "checkpoint of size %llu: its root is not that of the entries",
                          n);
        }
    }
    if (len != sizeof root.b || memcmp(stored, root.b, len) != 0) {
        vs_fsck_found(w->run, "checkpoint of size %llu: the root beside it is wrong", n);
    }
}

/* Check all checkpoints of the size that has been reached. */
static void checkpoints_until(walk *w, uint64_t size)
{
    vs_diag diag = {{0}};
    while (w->row && vs_stmt_u64(w->next, 0) <= size) {
        if (vs_stmt_u64(w->next, 0) == size) check_checkpoint(w, size);
        vs_err err = vs_stmt_step(w->next, &w->row, &diag);
        if (vs_fsck_damage(w->run, "checkpoints", err, &diag)) w->row = false;
    }
}

/* --- tiles ----------------------------------------------------------------------------------- */

static vs_err compare_tile(void *ctx, uint32_t level, uint64_t number, const vs_h32 *hashes,
                           uint32_t n)
{
    walk *w = ctx;
    vs_h32 stored[VS_TILE_WIDTH];
    uint32_t got = 0;
    vs_diag diag = {{0}};
    vs_err err = vs_log_store_tile(w->store, level, number, stored, &got, &diag);
    if (vs_fsck_damage(w->run, "tile", err, &diag)) return VS_OK;
    if (got != n) {
        vs_fsck_found(w->run, "tile %u/%llu: %u hashes, not %u", (unsigned)level,
                      (unsigned long long)number, (unsigned)got, (unsigned)n);
    }
    for (uint32_t i = 0; i < got && i < n; i++) {
        if (vs_h32_equal(&stored[i], &hashes[i])) continue;
        vs_fsck_found(w->run, "tile %u/%llu: hash %u is wrong", (unsigned)level,
                      (unsigned long long)number, (unsigned)i);
    }
    return VS_OK;
}

/* A leaf hash as the level-0 tile has it; keeps the tile it read last. */
typedef struct tile_cache {
    uint64_t number;
    uint32_t n;
    vs_h32 hash[VS_TILE_WIDTH];
} tile_cache;

static bool tile_leaf(walk *w, tile_cache *cache, uint64_t index, vs_h32 *leaf)
{
    if (cache->n == 0 || cache->number != index / VS_TILE_WIDTH) {
        cache->number = index / VS_TILE_WIDTH;
        if (vs_log_store_tile(w->store, 0, cache->number, cache->hash, &cache->n, NULL) != VS_OK) {
            cache->n = 0;
        }
    }
    if (index % VS_TILE_WIDTH >= cache->n) return false;
    *leaf = cache->hash[index % VS_TILE_WIDTH];
    return true;
}

/* --- the two walks --------------------------------------------------------------------------- */

/* Does the tree from this source have the root that the log signed? */
static bool source_is_signed(walk *w, source from)
{
    tile_cache cache = {0};
    vs_merkle m;
    vs_h32 root;
    vs_merkle_init(&m);
    for (uint64_t i = 0; i < w->size; i++) {
        vs_h32 leaf;
        vs_diag diag;
        bool ok = from == FROM_TILES ? tile_leaf(w, &cache, i, &leaf)
                                     : entry_leaf(w, i, &leaf, &diag) == VS_OK;
        if (!ok) return false;
        vs_merkle_append(&m, &leaf);
    }
    vs_merkle_root(&m, &root);
    return w->have_head && w->head.size == w->size && vs_h32_equal(&root, &w->head.root);
}

typedef struct blob_check {
    walk *w;
    uint64_t index;
} blob_check;

/* Blobs that an entry names must be there (their bytes are checked with the folder). */
static vs_err check_blob_of(void *ctx, vs_blob_kind kind, const vs_h32 *name)
{
    const blob_check *c = ctx;
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    char *path = vs_log_blob_name(c->w->run->dir, name);
    (void)kind;
    if (path == NULL) return VS_ERR_NOMEM;
    vs_hex_encode(hex, name->b, sizeof name->b);
    if (!vs_file_exists(path)) {
        vs_fsck_found(c->w->run, "entry %llu: its blob %s is missing", (unsigned long long)c->index,
                      hex);
    }
    free(path);
    return VS_OK;
}

static void check_blobs_of(walk *w, uint64_t index)
{
    blob_check c = {w, index};
    vs_buf b = {0};
    if (vs_log_store_entry(w->store, index, &b, NULL) == VS_OK &&
        vs_entry_blobs_of(b.p, b.len, check_blob_of, &c) != VS_OK) {
        w->run->stop = VS_ERR_NOMEM;
    }
    vs_buf_free(&b);
}

/* Compare entry `index` with the tiles; gives the leaf hash to go on with. */
static bool check_entry(walk *w, tile_cache *cache, source believe, uint64_t index, vs_h32 *leaf)
{
    vs_h32 in_tile;
    vs_diag diag = {{0}};
    unsigned long long n = index;
    bool have_tile = tile_leaf(w, cache, index, &in_tile);
    vs_err err = entry_leaf(w, index, leaf, &diag);
    if (err != VS_OK) {
        vs_fsck_found(w->run, "entry %llu: %s", n, err == VS_ERR_STATE ? "is missing" : diag.text);
        *leaf = in_tile;
        return have_tile;
    }
    w->run->report->n_entries++;
    if (have_tile && !vs_h32_equal(leaf, &in_tile) && believe == FROM_TILES) {
        vs_fsck_found(w->run, "entry %llu: its bytes do not match its leaf hash", n);
        *leaf = in_tile;
    }
    check_blobs_of(w, index);
    return true;
}

static void walk_entries(walk *w, source believe)
{
    tile_cache cache = {0};
    checkpoints_until(w, 0);
    for (uint64_t i = 0; i < w->size && w->run->stop == VS_OK; i++) {
        vs_h32 leaf;
        if (!check_entry(w, &cache, believe, i, &leaf)) {
            vs_fsck_found(w->run,
                          "entry %llu: neither entry nor leaf hash; the check of the tree "
                          "ends here",
                          (unsigned long long)i);
            return;
        }
        if (vs_tiles_append(w->tiles, &leaf, compare_tile, w) != VS_OK) return;
        checkpoints_until(w, i + 1);
    }
    if (vs_tiles_partial(w->tiles, compare_tile, w) != VS_OK) return;
}

/* --- cosignatures ---------------------------------------------------------------------------- */

static void check_cosignature(walk *w, vs_stmt *s)
{
    vs_note_key key;
    vs_buf note = {0};
    vs_note_result who;
    vs_diag diag = {{0}};
    size_t len = 0;
    uint64_t size = vs_stmt_u64(s, 0);
    const uint8_t *sig = vs_stmt_blob(s, 2, &len);
    w->run->report->n_cosignatures++;
    vs_err err = vs_note_key_parse(&key, vs_stmt_text(s, 1), &diag);
    if (err == VS_OK) err = vs_log_store_note(w->store, size, &note, &diag);
    if (err == VS_OK) err = vs_note_verify(&who, note.p, note.len, w->key, 1, &diag);
    if (err == VS_OK &&
        (len != VS_COSIGNATURE_BYTES ||
         vs_cosign_verify(sig, (const char *)note.p, who.text_len, &key) != VS_OK)) {
        err = vs_fail(&diag, VS_ERR_PROOF, "the signature is wrong");
    }
    if (err != VS_OK) {
        vs_fsck_found(w->run, "cosignature of size %llu by %.80s: %s", (unsigned long long)size,
                      vs_stmt_text(s, 1), diag.text);
    }
    vs_buf_free(&note);
}

static void check_cosignatures(walk *w)
{
    vs_stmt *s;
    bool row = false;
    vs_diag diag = {{0}};
    vs_err err = vs_stmt_new(&s, w->store->db,
                             "SELECT size, vkey, sig FROM cosignatures ORDER BY size, vkey", &diag);
    if (err == VS_OK) err = vs_stmt_step(s, &row, &diag);
    while (err == VS_OK && row) {
        check_cosignature(w, s);
        err = vs_stmt_step(s, &row, &diag);
    }
    (void)vs_fsck_damage(w->run, "cosignatures", err, &diag);
    vs_stmt_free(s);
}

/* Rows that no walk meets: entries and tiles beyond the newest checkpoint. */
static void check_surplus(walk *w, const char *sql, const char *what)
{
    vs_stmt *s;
    bool row = false;
    vs_diag diag = {{0}};
    vs_err err = vs_stmt_new(&s, w->store->db, sql, &diag);
    if (err == VS_OK) {
        vs_stmt_bind_u64(s, 1, w->size);
        err = vs_stmt_step(s, &row, &diag);
    }
    if (err == VS_OK && row && vs_stmt_u64(s, 0) != 0) {
        vs_fsck_found(w->run, "%llu %s beyond the newest checkpoint",
                      (unsigned long long)vs_stmt_u64(s, 0), what);
    }
    (void)vs_fsck_damage(w->run, what, err, &diag);
    vs_stmt_free(s);
}

void vs_fsck_tree(vs_fsck_run *run, vs_log_store *store, const vs_note_key *key)
{
    vs_h32 root;
    vs_diag diag = {{0}};
    walk w = {.run = run, .store = store, .key = key};
    if (vs_fsck_damage(run, "newest checkpoint", vs_log_store_head(store, &w.size, &root, &diag),
                       &diag)) {
        return;
    }
    w.have_head = read_checkpoint(&w, w.size, &w.head, &diag);
    w.tiles = malloc(sizeof *w.tiles);
    if (w.tiles == NULL) {
        run->stop = VS_ERR_NOMEM;
        return;
    }
    vs_tiles_init(w.tiles);
    source believe = source_is_signed(&w, FROM_ENTRIES) ? FROM_ENTRIES : FROM_TILES;
    vs_err err =
        vs_stmt_new(&w.next, store->db, "SELECT size, root FROM checkpoints ORDER BY size", &diag);
    if (err == VS_OK) err = vs_stmt_step(w.next, &w.row, &diag);
    if (!vs_fsck_damage(run, "checkpoints", err, &diag)) walk_entries(&w, believe);
    vs_stmt_free(w.next);
    free(w.tiles);
    check_cosignatures(&w);
    check_surplus(&w, "SELECT count(*) FROM entries WHERE idx >= ?1 OR idx < 0", "entries");
    check_surplus(&w,
                  "SELECT count(*) FROM tiles WHERE level NOT BETWEEN 0 AND 7 OR number < 0 OR"
                  " number * 256 >= (?1 >> (8 * level))",
                  "tiles");
}
