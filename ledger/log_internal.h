/* ledger/log_internal.h - inside ledger/ only: what log_open.c and log.c share. */
#ifndef VS_LEDGER_LOG_INTERNAL_H
#define VS_LEDGER_LOG_INTERNAL_H

#include "ledger/log.h"
#include "ledger/log_store.h"
#include "ledger/tiles.h"

struct vs_log {
    char *dir;
    vs_db *db;
    vs_log_store store;
    vs_note_key key;  /* its name is the origin */
    uint8_t *seed;    /* sodium_malloc'd; NULL: read only */
    vs_tiles *edge;   /* as committed */
    vs_tiles *next;   /* an append's work copy */
    uint64_t changes; /* appends and cosignatures stored since it was opened */
};

/* Sign and store the checkpoint of tree t; within a transaction. */
VS_MUST_CHECK vs_err vs_log_sign_head(vs_log *log, const vs_tiles *t, vs_diag *diag);

#endif /* VS_LEDGER_LOG_INTERNAL_H */
