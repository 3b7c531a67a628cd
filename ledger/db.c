#include "ledger/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/file.h"
#include "ledger/db_internal.h"
#include "ledger/db_lock.h"
#include "ledger/db_pages.h"

enum {
    APPLICATION_ID = 0x5645494c, /* "VEIL" */
    USER_VERSION = 1,
    VALUE_MAX = 1 << 30, /* bytes of one blob */
};

/* --- pragmas --------------------------------------------------------------------------------- */

/* Run one statement and hand out its first column as text; "" when it gives no row. */
static vs_err ask(vs_db *db, const char *sql, char *out, size_t cap, vs_diag *diag)
{
    sqlite3_stmt *st = NULL;
    out[0] = '\0';
    int rc = sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(st, 0);
        (void)snprintf(out, cap, "%s", text == NULL ? "" : (const char *)text);
    }
    vs_err err = rc == SQLITE_ROW || rc == SQLITE_DONE ? VS_OK : vs_db_fail(db, rc, sql, diag);
    (void)sqlite3_finalize(st);
    return err;
}

static vs_err pragma(vs_db *db, const char *set, const char *get, const char *want, vs_diag *diag)
{
    char got[64];
    vs_err err = VS_OK;
    if (set != NULL) err = ask(db, set, got, sizeof got, diag);
    if (err == VS_OK) err = ask(db, get, got, sizeof got, diag);
    if (err == VS_OK && strcmp(got, want) != 0) {
        err = vs_fail(diag, VS_ERR_IO, "%s: %s is \"%s\" and cannot be set to \"%s\"", db->path,
                      get, got, want);
    }
    return err;
}

/* Ours, of this version? *empty: nobody's yet, made just now or before a crash. */
static vs_err check_identity(vs_db *db, bool *empty, vs_diag *diag)
{
    char id[32];
    char version[32];
    char tables[32];
    char want[32];
    vs_err err = ask(db, "PRAGMA application_id", id, sizeof id, diag);
    if (err == VS_OK) err = ask(db, "PRAGMA user_version", version, sizeof version, diag);
    if (err == VS_OK) {
        err = ask(db, "SELECT count(*) FROM sqlite_schema", tables, sizeof tables, diag);
    }
    if (err != VS_OK) return err;
    *empty = strcmp(id, "0") == 0 && strcmp(tables, "0") == 0;
    (void)snprintf(want, sizeof want, "%d", (int)APPLICATION_ID);
    if (!*empty && strcmp(id, want) != 0) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: is not a veilsum database", db->path);
    }
    (void)snprintf(want, sizeof want, "%d", (int)USER_VERSION);
    if (!*empty && strcmp(version, want) != 0) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: has format version %s, this program reads %s",
                       db->path, version, want);
    }
    return VS_OK;
}

/* exclusive locking comes first: then the WAL index stays in this process's memory */
static vs_err set_pragmas(vs_db *db, bool wal, vs_diag *diag)
{
    vs_err err =
        pragma(db, "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA locking_mode", "exclusive", diag);
    if (err == VS_OK) {
        err = pragma(db, "PRAGMA synchronous=FULL", "PRAGMA synchronous", "2", diag);
    }
    if (err == VS_OK) err = pragma(db, "PRAGMA mmap_size=0", "PRAGMA mmap_size", "0", diag);
    if (err == VS_OK) {
        err = pragma(db, "PRAGMA trusted_schema=OFF", "PRAGMA trusted_schema", "0", diag);
    }
    if (err == VS_OK) {
        err = pragma(db, "PRAGMA cell_size_check=ON", "PRAGMA cell_size_check", "1", diag);
    }
    if (err == VS_OK && wal) {
        err = pragma(db, "PRAGMA journal_mode=WAL", "PRAGMA journal_mode", "wal", diag);
    }
    return err;
}

/* First transaction of a new file. */
static vs_err make_tables(vs_db *db, vs_diag *diag)
{
    char sql[320];
    bool empty;
    (void)snprintf(sql, sizeof sql,
                   "BEGIN IMMEDIATE; PRAGMA application_id=%d; PRAGMA user_version=%d;"
                   "CREATE TABLE kv (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT "
                   "ROWID; COMMIT",
                   (int)APPLICATION_ID, (int)USER_VERSION);
    int rc = sqlite3_exec(db->sql, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK) return vs_db_fail(db, rc, "create tables", diag);
    vs_err err = check_identity(db, &empty, diag);
    return err == VS_OK ? pragma(db, NULL, "PRAGMA page_size", "4096", diag) : err;
}

/* --- open and close -------------------------------------------------------------------------- */

static vs_err connect(vs_db *db, bool wal_left, vs_diag *diag)
{
    char uri[VS_DB_URI_BYTES];
    const char *name = db->path;
    int flags = SQLITE_OPEN_READWRITE;
    if (db->read_only && !wal_left) {
        vs_err err = vs_db_immutable_uri(uri, db->path, diag);
        if (err != VS_OK) return err;
        name = uri;
        flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
    }
    int rc = sqlite3_open_v2(name, &db->sql, flags, NULL);
    if (rc != SQLITE_OK) return vs_db_fail(db, rc, "open", diag);
    (void)sqlite3_extended_result_codes(db->sql, 1);
    (void)sqlite3_limit(db->sql, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    if (db->read_only) {
        /* a WAL that was left behind is read, not moved into the file */
        (void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    return VS_OK;
}

static vs_err quick_check(vs_db *db, vs_diag *diag)
{
    char first[200];
    vs_err err = ask(db, "PRAGMA quick_check", first, sizeof first, diag);
    if (err == VS_OK && strcmp(first, "ok") != 0) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: damaged: %s; run veilsum ledger fsck", db->path,
                      first);
    }
    return err;
}

static void first_problem(void *ctx, const char *text)
{
    vs_diag *diag = ctx;
    if (diag->text[0] == '\0') (void)snprintf(diag->text, sizeof diag->text, "%s", text);
}

/* After a clean stop every page must still hash as it did. */
static vs_err check_pages(vs_db *db, vs_diag *diag)
{
    vs_diag first = {{0}};
    uint32_t n = 0;
    vs_err err = vs_pages_check(db->path, first_problem, &first, &n, diag);
    if (err == VS_OK && n > 0) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: damaged: %s; run veilsum ledger fsck", db->path,
                      first.text);
    }
    return err;
}

/* The lock is held. */
static vs_err open_locked(vs_db *db, bool create, vs_diag *diag)
{
    bool empty = false;
    vs_err err = VS_OK;
    if (!vs_file_exists(db->path)) {
        if (!create || db->read_only) {
            return vs_fail(diag, VS_ERR_IO, "%s: no such database", db->path);
        }
        err = vs_file_create_durable(db->path, "", 0, 0600, diag);
    }
    bool wal_left = vs_db_has_wal(db->path);
    db->clean = !wal_left && vs_pages_exist(db->path);
    if (err == VS_OK && db->clean && !db->read_only) err = check_pages(db, diag);
    if (err == VS_OK && wal_left && !db->read_only) err = vs_pages_remove(db->path, diag);
    if (err == VS_OK) err = connect(db, wal_left, diag);
    if (err == VS_OK) err = set_pragmas(db, !db->read_only, diag);
    if (err == VS_OK) err = check_identity(db, &empty, diag);
    if (err == VS_OK && empty) {
        err = create && !db->read_only ? make_tables(db, diag)
                                       : vs_fail(diag, VS_ERR_MALFORMED, "%s: is empty", db->path);
    }
    if (err == VS_OK && !db->clean && !db->read_only) err = quick_check(db, diag);
    if (err == VS_OK && db->read_only) {
        err = pragma(db, "PRAGMA query_only=ON", "PRAGMA query_only", "1", diag);
    }
    return err;
}

static void disconnect(vs_db *db)
{
    int rc = sqlite3_close(db->sql);
    VS_ASSERT(rc != SQLITE_BUSY); /* the caller forgot a statement */
    db->sql = NULL;
}

static void release(vs_db *db)
{
    vs_db_unlock(db->lock_fd);
    free(db->path);
    free(db);
}

vs_err vs_db_open(vs_db **out, const char *path, bool create, bool read_only, vs_diag *diag)
{
    *out = NULL;
    vs_db *db = calloc(1, sizeof *db);
    if (db != NULL) db->path = strdup(path);
    if (db == NULL || db->path == NULL) {
        free(db);
        return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    db->read_only = read_only;
    db->lock_fd = -1;
    vs_err err = VS_OK;
    if (!create && !vs_file_exists(path)) {
        err = vs_fail(diag, VS_ERR_IO, "%s: no such database", path); /* and no lock file either */
    }
    if (err == VS_OK) err = vs_db_lock(&db->lock_fd, path, read_only, diag);
    if (err == VS_OK) err = open_locked(db, create, diag);
    if (err != VS_OK) {
        disconnect(db);
        release(db);
        return err;
    }
    *out = db;
    return VS_OK;
}

void vs_db_close(vs_db *db)
{
    if (db == NULL) return;
    if (db->in_txn) vs_db_rollback(db);
    bool keep = !db->read_only && !db->dead && !db->clean;
    if (keep) {
        keep = sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
               SQLITE_OK;
    }
    disconnect(db);
    /* a failure leaves no page-hash file: the next open takes it for an unclean stop */
    if (keep && !vs_db_has_wal(db->path) && vs_pages_write(db->path, NULL) != VS_OK) {
        (void)!vs_pages_remove(db->path, NULL);
    }
    release(db);
}

/* --- transactions ---------------------------------------------------------------------------- */

static vs_err run(vs_db *db, const char *sql, vs_diag *diag)
{
    int rc = sqlite3_exec(db->sql, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? VS_OK : vs_db_fail(db, rc, sql, diag);
}

vs_err vs_db_begin(vs_db *db, vs_diag *diag)
{
    VS_ASSERT(!db->in_txn && !db->read_only);
    if (db->dead) return vs_db_is_dead(db, diag);
    if (db->clean) { /* from here on the page hashes no longer tell the truth */
        vs_err err = vs_pages_remove(db->path, diag);
        if (err != VS_OK) return err;
        db->clean = false;
    }
    vs_err err = run(db, "BEGIN IMMEDIATE", diag);
    db->in_txn = err == VS_OK;
    return err;
}

vs_err vs_db_commit(vs_db *db, vs_diag *diag)
{
    VS_ASSERT(db->in_txn);
    vs_err err = run(db, "COMMIT", diag);
    if (err != VS_OK) {
        (void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
        db->dead = true;
    }
    db->in_txn = false;
    return err;
}

void vs_db_rollback(vs_db *db)
{
    VS_ASSERT(db->in_txn);
    db->in_txn = false;
    /* some errors have rolled back already; only a transaction that stays open is trouble */
    (void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    if (sqlite3_get_autocommit(db->sql) == 0) db->dead = true;
}

vs_err vs_db_exec(vs_db *db, const char *sql, vs_diag *diag)
{
    VS_ASSERT(db->in_txn);
    return run(db, sql, diag);
}

bool vs_db_in_transaction(const vs_db *db)
{
    return db->in_txn;
}
