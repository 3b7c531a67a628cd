#include <string.h>

#include "ledger/db.h"

/* Step a writing statement whose parameters are bound; its own transaction if there is none. */
static vs_err write_once(vs_db *db, vs_stmt *stmt, vs_diag *diag)
{
    bool row;
    bool own = !vs_db_in_transaction(db);
    vs_err err = own ? vs_db_begin(db, diag) : VS_OK;
    if (err != VS_OK) return err;
    err = vs_stmt_step(stmt, &row, diag);
    vs_stmt_reset(stmt);
    if (own && err == VS_OK) return vs_db_commit(db, diag);
    if (own) vs_db_rollback(db);
    return err;
}

vs_err vs_db_put(vs_db *db, const char *key, const void *value, size_t len, vs_diag *diag)
{
    vs_stmt *put;
    vs_err err =
        vs_stmt_new(&put, db, "INSERT OR REPLACE INTO kv (key, value) VALUES (?1, ?2)", diag);
    if (err != VS_OK) return err;
    vs_stmt_bind_text(put, 1, key);
    vs_stmt_bind_blob(put, 2, value, len);
    err = write_once(db, put, diag);
    vs_stmt_free(put);
    return err;
}

vs_err vs_db_delete(vs_db *db, const char *key, vs_diag *diag)
{
    vs_stmt *del;
    vs_err err = vs_stmt_new(&del, db, "DELETE FROM kv WHERE key = ?1", diag);
    if (err != VS_OK) return err;
    vs_stmt_bind_text(del, 1, key);
    err = write_once(db, del, diag);
    vs_stmt_free(del);
    return err;
}

vs_err vs_db_get(vs_db *db, const char *key, vs_buf *out, bool *found, vs_diag *diag)
{
    vs_stmt *get;
    size_t len = 0;
    *found = false;
    vs_err err = vs_stmt_new(&get, db, "SELECT value FROM kv WHERE key = ?1", diag);
    if (err != VS_OK) return err;
    vs_stmt_bind_text(get, 1, key);
    err = vs_stmt_step(get, found, diag);
    if (err == VS_OK && *found) {
        const uint8_t *value = vs_stmt_blob(get, 0, &len);
        vs_buf_bytes(out, value, len);
        if (out->failed) err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    vs_stmt_free(get);
    return err;
}

vs_err vs_db_scan(vs_db *db, const char *prefix, vs_db_visit visit, void *ctx, vs_diag *diag)
{
    vs_stmt *scan;
    bool row = false;
    size_t prefix_len = strlen(prefix);
    vs_err err =
        vs_stmt_new(&scan, db, "SELECT key, value FROM kv WHERE key >= ?1 ORDER BY key", diag);
    if (err != VS_OK) return err;
    vs_stmt_bind_text(scan, 1, prefix);
    err = vs_stmt_step(scan, &row, diag);
    while (err == VS_OK && row) {
        size_t len = 0;
        const char *key = vs_stmt_text(scan, 0);
        if (strncmp(key, prefix, prefix_len) != 0) break;
        const uint8_t *value = vs_stmt_blob(scan, 1, &len);
        err = visit(ctx, key, value, len);
        if (err == VS_OK) err = vs_stmt_step(scan, &row, diag);
    }
    vs_stmt_free(scan);
    return err;
}
