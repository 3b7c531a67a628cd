/* ledger/db.h - the one place that speaks to SQLite: durable key-value tables and statements.
 *
 * One connection: locking_mode=EXCLUSIVE before journal_mode=WAL, synchronous=FULL, mmap_size=0,
 * application_id, user_version; each PRAGMA is checked to have taken effect. A second process
 * gets VS_ERR_STATE and a message naming the process to stop (its id is kept in a lock file).
 * An error from COMMIT is fatal for the handle: every later call returns VS_ERR_IO. */
#ifndef VS_LEDGER_DB_H
#define VS_LEDGER_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

typedef struct vs_db vs_db;

/* Open or create path. create=false: VS_ERR_IO if it is not there. read_only opens without
 * taking ownership (still refuses while another process holds it). After an unclean stop the WAL
 * is recovered and quick_check runs. The caller owns *out. */
VS_MUST_CHECK vs_err vs_db_open(vs_db **out, const char *path, bool create, bool read_only,
                                vs_diag *diag);
/* Clean close: WAL checkpointed and truncated, then the page-hash file `<path>.pages` written, by
 * which fsck finds any changed byte, even in unused space (docs/LEDGER.md). */
void vs_db_close(vs_db *db);

VS_MUST_CHECK vs_err vs_db_begin(vs_db *db, vs_diag *diag);
/* On return from VS_OK what was written is durable. */
VS_MUST_CHECK vs_err vs_db_commit(vs_db *db, vs_diag *diag);
void vs_db_rollback(vs_db *db);

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

#endif /* VS_LEDGER_DB_H */
