/* Statements, and what SQLite's error codes become. */
#include <stdlib.h>

#include <sqlite3.h>

#include "ledger/db_internal.h"

struct vs_stmt {
    sqlite3_stmt *st;
    vs_db *db;
    int bind_error; /* first that failed since the last reset */
};

/* --- errors ---------------------------------------------------------------------------------- */

static vs_err err_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM: return VS_ERR_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return VS_ERR_STATE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return VS_ERR_MALFORMED;
    case SQLITE_TOOBIG: return VS_ERR_LIMIT;
    default: return VS_ERR_IO;
    }
}

vs_err vs_db_fail(const vs_db *db, int rc, const char *doing, vs_diag *diag)
{
    return vs_fail(diag, err_of(rc), "%s: %s: %s (SQLite error %d)", db->path, doing,
                   db->sql == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(db->sql), rc);
}

vs_err vs_db_is_dead(const vs_db *db, vs_diag *diag)
{
    return vs_fail(diag, VS_ERR_IO, "%s: an earlier write failed; stop and check the disk",
                   db->path);
}

/* --- statements ------------------------------------------------------------------------------ */

vs_err vs_stmt_new(vs_stmt **out, vs_db *db, const char *sql, vs_diag *diag)
{
    *out = NULL;
    vs_stmt *s = calloc(1, sizeof *s);
    if (s == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    s->db = db;
    int rc = sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->st, NULL);
    if (rc != SQLITE_OK) {
        free(s);
        return vs_db_fail(db, rc, "prepare", diag);
    }
    *out = s;
    return VS_OK;
}

void vs_stmt_free(vs_stmt *stmt)
{
    if (stmt == NULL) return;
    (void)sqlite3_finalize(stmt->st);
    free(stmt);
}

static void bound(vs_stmt *stmt, int rc)
{
    if (stmt->bind_error == SQLITE_OK) stmt->bind_error = rc;
}

void vs_stmt_bind_u64(vs_stmt *stmt, int at, uint64_t v)
{
    VS_ASSERT(v <= (uint64_t)INT64_MAX);
    bound(stmt, sqlite3_bind_int64(stmt->st, at, (sqlite3_int64)v));
}

void vs_stmt_bind_text(vs_stmt *stmt, int at, const char *text)
{
    bound(stmt, sqlite3_bind_text(stmt->st, at, text, -1, SQLITE_STATIC));
}

void vs_stmt_bind_blob(vs_stmt *stmt, int at, const void *data, size_t len)
{
    /* NULL would bind SQL NULL, not an empty blob */
    bound(stmt, sqlite3_bind_blob64(stmt->st, at, len == 0 ? "" : data, len, SQLITE_STATIC));
}

vs_err vs_stmt_step(vs_stmt *stmt, bool *row, vs_diag *diag)
{
    vs_db *db = stmt->db;
    *row = false;
    if (db->dead) return vs_db_is_dead(db, diag);
    VS_ASSERT(db->in_txn || sqlite3_stmt_readonly(stmt->st) != 0);
    if (stmt->bind_error != SQLITE_OK) return vs_db_fail(db, stmt->bind_error, "bind", diag);
    int rc = sqlite3_step(stmt->st);
    *row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? VS_OK : vs_db_fail(db, rc, "step", diag);
}

void vs_stmt_reset(vs_stmt *stmt)
{
    (void)sqlite3_reset(stmt->st); /* repeats the error of step, which was reported */
    (void)sqlite3_clear_bindings(stmt->st);
    stmt->bind_error = SQLITE_OK;
}

uint64_t vs_stmt_u64(vs_stmt *stmt, int column)
{
    sqlite3_int64 v = sqlite3_column_int64(stmt->st, column);
    return v < 0 ? 0 : (uint64_t)v;
}

const char *vs_stmt_text(vs_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt->st, column);
    return text == NULL ? "" : (const char *)text;
}

const uint8_t *vs_stmt_blob(vs_stmt *stmt, int column, size_t *len)
{
    static const uint8_t none[1] = {0};
    const void *p = sqlite3_column_blob(stmt->st, column);
    *len = p == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt->st, column);
    return p == NULL ? none : p;
}
