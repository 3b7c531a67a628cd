/* ledger/db.h - the one place that speaks to SQLite: durable key-value tables and statements.
 *
 * One connection: locking_mode=EXCLUSIVE before journal_mode=WAL, synchronous=FULL, mmap_size=0,
 * application_id, user_version; each PRAGMA is checked to have taken effect. A second process
 * gets VS_ERR_STATE and a message naming the process to stop (its id is kept in a lock file).
 * An error from COMMIT is fatal for the handle: every later call returns VS_ERR_IO.
 * Damage that SQLite notices is VS_ERR_MALFORMED. Threads: one owner. */
#ifndef VS_LEDGER_DB_H
#define VS_LEDGER_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

typedef struct vs_db vs_db;

/* Open or create path (mode 0600). create=false: VS_ERR_IO if it is not there. read_only opens
 * without taking ownership (still refuses while another process holds it) and changes no file.
 * After a clean stop the page hashes are checked, unless read_only; after an unclean stop the WAL
 * is recovered and quick_check runs. The caller owns *out. */
VS_MUST_CHECK vs_err vs_db_open(vs_db **out, const char *path, bool create, bool read_only,
                                vs_diag *diag);
/* Clean close (NULL is a no-op; an open transaction is rolled back): WAL checkpointed and
 * truncated, then the page-hash file `<path>.pages` written, by which fsck finds any changed byte,
 * even in unused space (docs/LEDGER.md). */
void vs_db_close(vs_db *db);

VS_MUST_CHECK vs_err vs_db_begin(vs_db *db, vs_diag *diag);
/* On return from VS_OK what was written is durable. */
VS_MUST_CHECK vs_err vs_db_commit(vs_db *db, vs_diag *diag);
void vs_db_rollback(vs_db *db);
bool vs_db_in_transaction(const vs_db *db);

/* Key-value table "kv" (key text, value blob). Outside begin/commit each call is its own
 * durable transaction. */
VS_MUST_CHECK vs_err vs_db_put(vs_db *db, const char *key, const void *value, size_t len,
                               vs_diag *diag);
VS_MUST_CHECK vs_err vs_db_delete(vs_db *db, const char *key, vs_diag *diag);
/* Append the value to *out. *found = false leaves *out alone. */
VS_MUST_CHECK vs_err vs_db_get(vs_db *db, const char *key, vs_buf *out, bool *found, vs_diag *diag);
/* Every key that starts with prefix, in byte order. The callback returns VS_OK to go on. It must
 * not write to the database. */
typedef vs_err (*vs_db_visit)(void *ctx, const char *key, const uint8_t *value, size_t len);
VS_MUST_CHECK vs_err vs_db_scan(vs_db *db, const char *prefix, vs_db_visit visit, void *ctx,
                                vs_diag *diag);

/* --- statements, for tables of one's own -------------------------------------------------------
 */

/* Run statements that give no rows, such as CREATE TABLE. Within begin/commit. */
VS_MUST_CHECK vs_err vs_db_exec(vs_db *db, const char *sql, vs_diag *diag);

/* One prepared statement. Freed before its database is closed. */
typedef struct vs_stmt vs_stmt;
/* The caller owns *out. */
VS_MUST_CHECK vs_err vs_stmt_new(vs_stmt **out, vs_db *db, const char *sql, vs_diag *diag);
void vs_stmt_free(vs_stmt *stmt); /* NULL is a no-op */
/* Parameters count from 1; text and blobs are borrowed until the next reset. An error shows at
 * the next step. v < 2^63. */
void vs_stmt_bind_u64(vs_stmt *stmt, int at, uint64_t v);
void vs_stmt_bind_text(vs_stmt *stmt, int at, const char *text);
void vs_stmt_bind_blob(vs_stmt *stmt, int at, const void *data, size_t len);
/* *row = true: a row is there to read, until the next step or reset. A statement that writes
 * must be within begin/commit. */
VS_MUST_CHECK vs_err vs_stmt_step(vs_stmt *stmt, bool *row, vs_diag *diag);
/* Ready for new parameters. A SELECT that was not stepped to its end must be reset before commit.
 */
void vs_stmt_reset(vs_stmt *stmt);
/* Columns count from 0. A value of another type reads as 0 or as empty. */
uint64_t vs_stmt_u64(vs_stmt *stmt, int column);
const char *vs_stmt_text(vs_stmt *stmt, int column); /* "" when out of memory or NULL */
const uint8_t *vs_stmt_blob(vs_stmt *stmt, int column, size_t *len);

#endif /* VS_LEDGER_DB_H */
