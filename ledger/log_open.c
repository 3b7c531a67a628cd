#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/file.h"
#include "ledger/log_internal.h"

static vs_err no_memory(vs_diag *diag)
{
    return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
}

static vs_err log_alloc(vs_log **out, const char *dir, const uint8_t *seed, vs_diag *diag)
{
    VS_ASSERT(sodium_init() >= 0);
    vs_log *log = calloc(1, sizeof *log);
    *out = log;
    if (log == NULL) return no_memory(diag);
    log->dir = strdup(dir);
    log->edge = calloc(1, sizeof *log->edge);
    log->next = calloc(1, sizeof *log->next);
    if (seed != NULL) log->seed = sodium_malloc(32);
    bool got_all = log->dir != NULL && log->edge != NULL && log->next != NULL;
    if (!got_all || (seed != NULL && log->seed == NULL)) return no_memory(diag);
    if (seed != NULL) memcpy(log->seed, seed, 32);
    vs_tiles_init(log->edge);
    return VS_OK;
}

void vs_log_close(vs_log *log)
{
    if (log == NULL) return;
    vs_log_store_close(&log->store);
    vs_db_close(log->db);
    sodium_free(log->seed); /* wipes */
    free(log->edge);
    free(log->next);
    free(log->dir);
    free(log);
}

/* The last tile of every level, as a tree of this size must have it. */
static vs_err load_edge(vs_log *log, uint64_t size, vs_diag *diag)
{
    vs_tiles *t = log->edge;
    vs_tiles_init(t);
    for (uint32_t level = 0; level < VS_TILE_LEVELS; level++) {
        uint64_t number;
        uint32_t want;
        uint32_t got;
        vs_tiles_last(size, level, &number, &want);
        t->n[level] = number * VS_TILE_WIDTH + want;
        if (want == 0) continue;
        vs_err err = vs_log_store_tile(&log->store, level, number, t->tile[level], &got, diag);
        if (err != VS_OK) return err;
        if (got != want) {
            return vs_fail(diag, VS_ERR_PROOF, "tile %u/%llu: %u hashes, not %u", (unsigned)level,
                           (unsigned long long)number, (unsigned)got, (unsigned)want);
        }
    }
    /* the compact range: one node per set bit of size, largest subtree first */
    t->range.size = size;
    for (uint32_t bit = 63; bit-- > 0;) { /* SQLite holds sizes below 2^63 */
        if ((size >> bit & 1) == 0) continue;
        uint32_t n = UINT32_C(1) << (bit % 8);
        uint64_t first = (size >> (bit + 1) << (bit + 1)) >> (bit / 8 * 8);
        vs_tiles_fold(&t->range.node[t->range.n_nodes++], &t->tile[bit / 8][first % VS_TILE_WIDTH],
                      n);
    }
    return VS_OK;
}

/* Our newest checkpoint must be ours, and of the tree that the tiles give. */
static vs_err check_head(vs_log *log, uint64_t size, const vs_h32 *stored_root, vs_diag *diag)
{
    vs_buf note = {0};
    vs_note_result who;
    vs_checkpoint c;
    vs_h32 root;
    vs_merkle_root(&log->edge->range, &root);
    vs_err err = vs_log_store_note(&log->store, size, &note, diag);
    if (err == VS_OK) err = vs_note_verify(&who, note.p, note.len, &log->key, 1, diag);
    if (err == VS_OK) err = vs_checkpoint_parse(&c, note.p, who.text_len, diag);
    if (err == VS_OK && (strcmp(c.origin, log->key.name) != 0 || c.size != size ||
                         !vs_h32_equal(&c.root, &root) || !vs_h32_equal(&c.root, stored_root))) {
        err = vs_fail(diag, VS_ERR_PROOF,
                      "checkpoint of size %llu: does not match the tree; run veilsum ledger fsck",
                      (unsigned long long)size);
    }
    vs_buf_free(&note);
    return err;
}

static vs_err query_u64(vs_db *db, const char *sql, uint64_t *out, vs_diag *diag)
{
    vs_stmt *s;
    bool row;
    *out = 0;
    vs_err err = vs_stmt_new(&s, db, sql, diag);
    if (err != VS_OK) return err;
    err = vs_stmt_step(s, &row, diag);
    if (err == VS_OK && row) *out = vs_stmt_u64(s, 0);
    vs_stmt_free(s);
    return err;
}

/* No entry beyond the head, no cosignature of a tree larger than ours: a restored backup. */
static vs_err check_not_behind(vs_log *log, uint64_t size, vs_diag *diag)
{
    uint64_t n = 0;
    uint64_t cosigned = 0;
    vs_err err = query_u64(log->db, "SELECT ifnull(max(idx) + 1, 0) FROM entries", &n, diag);
    if (err == VS_OK) {
        err = query_u64(log->db, "SELECT ifnull(max(size), 0) FROM cosignatures", &cosigned, diag);
    }
    if (err == VS_OK && n != size) {
        err = vs_fail(diag, VS_ERR_PROOF, "%llu entries, but the newest checkpoint is of size %llu",
                      (unsigned long long)n, (unsigned long long)size);
    }
    if (err == VS_OK && cosigned > size) {
        err = vs_fail(diag, VS_ERR_PROOF, "a cosigner has seen size %llu, the log has %llu entries",
                      (unsigned long long)cosigned, (unsigned long long)size);
    }
    return err;
}

static vs_err load(vs_log *log, vs_diag *diag)
{
    uint64_t size = 0;
    vs_h32 root;
    bool found;
    vs_err err = vs_log_store_open(&log->store, log->db, diag);
    if (err == VS_OK) err = vs_log_store_key(log->db, &log->key, &found, diag);
    if (err == VS_OK) err = vs_log_store_head(&log->store, &size, &root, diag);
    if (err == VS_OK) err = load_edge(log, size, diag);
    if (err == VS_OK) err = check_head(log, size, &root, diag);
    if (err == VS_OK) err = check_not_behind(log, size, diag);
    if (err != VS_OK) vs_diag_prefix(diag, "%s/%s", log->dir, VS_LOG_DB_NAME);
    return err;
}

static vs_err open_db(vs_log *log, bool create, bool read_only, vs_diag *diag)
{
    char *path = vs_log_path(log->dir, VS_LOG_DB_NAME);
    char *blobs = vs_log_path(log->dir, VS_LOG_BLOBS_NAME);
    vs_err err = path == NULL || blobs == NULL ? no_memory(diag) : VS_OK;
    if (err == VS_OK && create) err = vs_file_make_folders(log->dir, 0700, diag);
    if (err == VS_OK) err = vs_db_open(&log->db, path, create, read_only, diag);
    if (err == VS_OK && !read_only) err = vs_file_make_folders(blobs, 0700, diag);
    if (err == VS_OK && !read_only) err = vs_file_sync_folder_of(blobs, diag);
    free(path);
    free(blobs);
    return err;
}

/* Does the seed belong to the key, and the key to a log of this name? */
static vs_err check_key(const vs_note_key *key, const uint8_t seed[32], const char *origin,
                        vs_diag *diag)
{
    vs_h32 public_key;
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    (void)crypto_sign_seed_keypair(public_key.b, secret, seed); /* cannot fail */
    sodium_memzero(secret, sizeof secret);
    if (key->type != VS_NOTE_ED25519) {
        return vs_fail(diag, VS_ERR_STATE, "log key %s is not of type 0x01", key->name);
    }
    if (!vs_h32_equal(&public_key, &key->public_key)) {
        return vs_fail(diag, VS_ERR_STATE, "log key %s: the secret key belongs to another key",
                       key->name);
    }
    if (strcmp(key->name, origin) != 0) {
        return vs_fail(diag, VS_ERR_STATE, "log key %s: its name must be the origin %s", key->name,
                       origin);
    }
    return VS_OK;
}

/* Tables and the checkpoint of size 0 in one transaction. */
static vs_err create_tables(vs_log *log, const vs_note_key *key, vs_diag *diag)
{
    vs_note_key there;
    bool found = false;
    vs_err err = vs_log_store_key(log->db, &there, &found, diag);
    if (err == VS_OK && found) {
        err = vs_fail(diag, VS_ERR_STATE, "%s: there is a log here already (%s)", log->dir,
                      there.name);
    }
    if (err != VS_OK) return err;
    err = vs_db_begin(log->db, diag);
    if (err != VS_OK) return err;
    log->key = *key;
    err = vs_log_store_create(log->db, key, diag);
    if (err == VS_OK) err = vs_log_store_open(&log->store, log->db, diag);
    if (err == VS_OK) err = vs_log_sign_head(log, log->edge, diag);
    if (err == VS_OK) return vs_db_commit(log->db, diag);
    vs_db_rollback(log->db);
    return err;
}

/* Hand out, or close and give NULL. */
static vs_err finish_open(vs_log **out, vs_log *log, vs_err err)
{
    *out = log;
    if (err != VS_OK) {
        vs_log_close(log);
        *out = NULL;
    }
    return err;
}

vs_err vs_log_create(vs_log **out, const char *dir, const char *origin, const vs_note_key *log_key,
                     const uint8_t seed[32], vs_diag *diag)
{
    vs_log *log;
    vs_err err = log_alloc(&log, dir, seed, diag);
    if (err == VS_OK) err = check_key(log_key, seed, origin, diag);
    if (err == VS_OK) err = open_db(log, true, false, diag);
    if (err == VS_OK) err = create_tables(log, log_key, diag);
    return finish_open(out, log, err);
}

static vs_err load_own(vs_log *log, const vs_note_key *log_key, const uint8_t seed[32],
                       vs_diag *diag)
{
    vs_err err = load(log, diag);
    if (err == VS_OK) err = check_key(log_key, seed, log->key.name, diag);
    if (err == VS_OK && !vs_h32_equal(&log_key->public_key, &log->key.public_key)) {
        err = vs_fail(diag, VS_ERR_STATE, "%s: the log was created with another key than %s",
                      log->dir, log_key->name);
    }
    return err;
}

vs_err vs_log_open(vs_log **out, const char *dir, const vs_note_key *log_key,
                   const uint8_t seed[32], vs_diag *diag)
{
    vs_log *log;
    vs_err err = log_alloc(&log, dir, seed, diag);
    if (err == VS_OK) err = open_db(log, false, false, diag);
    if (err == VS_OK) err = load_own(log, log_key, seed, diag);
    return finish_open(out, log, err);
}

/* Was something kept here once? A log's first commit comes before its first blob. */
static bool has_blobs(const char *dir)
{
    bool any = false;
    const struct dirent *e;
    char *folder = vs_log_path(dir, VS_LOG_BLOBS_NAME);
    DIR *d = folder == NULL ? NULL : opendir(folder);
    while (d != NULL && !any && (e = readdir(d)) != NULL) any = e->d_name[0] != '.';
    if (d != NULL) (void)closedir(d);
    free(folder);
    return any;
}

vs_err vs_log_open_or_create(vs_log **out, const char *dir, const char *origin,
                             const vs_note_key *log_key, const uint8_t seed[32], vs_diag *diag)
{
    vs_log *log;
    vs_note_key there;
    bool found = false;
    vs_err err = log_alloc(&log, dir, seed, diag);
    if (err == VS_OK) err = check_key(log_key, seed, origin, diag);
    if (err == VS_OK) err = open_db(log, true, false, diag);
    if (err == VS_OK) err = vs_log_store_key(log->db, &there, &found, diag);
    if (err == VS_OK && found) err = load_own(log, log_key, seed, diag);
    if (err == VS_OK && !found && has_blobs(dir)) {
        err =
            vs_fail(diag, VS_ERR_PROOF,
                    "%s: has blobs, but " VS_LOG_DB_NAME " is gone or empty: a new log here would "
                    "be a fork of the one that was",
                    dir);
    }
    if (err == VS_OK && !found) err = create_tables(log, log_key, diag);
    return finish_open(out, log, err);
}

vs_err vs_log_open_read(vs_log **out, const char *dir, vs_diag *diag)
{
    vs_log *log;
    vs_err err = log_alloc(&log, dir, NULL, diag);
    if (err == VS_OK) err = open_db(log, false, true, diag);
    if (err == VS_OK) err = load(log, diag);
    return finish_open(out, log, err);
}
