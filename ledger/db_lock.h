/* ledger/db_lock.h - inside ledger/ only: one process at a time per database.
 *
 * "<path>.lock" is held with flock, which the kernel drops when the process ends, however it ends:
 * a stale file never locks. The process id in it is only there for the message. */
#ifndef VS_LEDGER_DB_LOCK_H
#define VS_LEDGER_DB_LOCK_H

#include <stdbool.h>

#include "base/err.h"

/* Take the lock: alone, or shared with other readers. *fd is -1 if shared and the folder cannot be
 * written (then nobody else can own it either). VS_ERR_STATE names the process that holds it. */
VS_MUST_CHECK vs_err vs_db_lock(int *fd, const char *path, bool shared, vs_diag *diag);
void vs_db_unlock(int fd); /* -1 is a no-op */

#endif /* VS_LEDGER_DB_LOCK_H */
