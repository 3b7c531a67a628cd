/* ledger/fsck_tree.h - inside ledger/ only: the part of fsck that recomputes the tree. */
#ifndef VS_LEDGER_FSCK_TREE_H
#define VS_LEDGER_FSCK_TREE_H

#include <stdbool.h>

#include "ledger/fsck.h"
#include "ledger/log_store.h"

typedef struct vs_fsck_run {
    const char *dir;
    vs_fsck_problem problem; /* may be NULL */
    void *ctx;
    vs_fsck_report *report;
    vs_err stop; /* why the check could not go on; else VS_OK */
} vs_fsck_run;

/* Count a problem and tell it. */
void vs_fsck_found(vs_fsck_run *run, const char *fmt, ...) VS_PRINTF(2, 3);
/* The same for an error from below: true if there was one. Out of memory stops the check. */
bool vs_fsck_damage(vs_fsck_run *run, const char *what, vs_err err, const vs_diag *diag);

/* Entries, tiles, checkpoints and cosignatures against each other and against key. */
void vs_fsck_tree(vs_fsck_run *run, vs_log_store *store, const vs_note_key *key);

#endif /* VS_LEDGER_FSCK_TREE_H */
