/* ledger/db_internal.h - inside ledger/ only: what db.c and db_stmt.c share. */
#ifndef VS_LEDGER_DB_INTERNAL_H
#define VS_LEDGER_DB_INTERNAL_H

#include "ledger/db.h"

struct sqlite3;

struct vs_db {
    struct sqlite3 *sql;
    char *path;
    int lock_fd; /* -1: none */
    bool read_only;
    bool in_txn;
    bool dead;  /* COMMIT failed: what is on the disk is unknown */
    bool clean; /* the page-hash file is there and true */
};

/* "<path>: <doing>: <what SQLite says>" for SQLite's error rc. */
VS_MUST_CHECK vs_err vs_db_fail(const vs_db *db, int rc, const char *doing, vs_diag *diag);
/* What every call says after a COMMIT that failed. */
VS_MUST_CHECK vs_err vs_db_is_dead(const vs_db *db, vs_diag *diag);

#endif /* VS_LEDGER_DB_INTERNAL_H */
