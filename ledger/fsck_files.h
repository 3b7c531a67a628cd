/* ledger/fsck_files.h - inside ledger/ only: the parts of fsck of a published log that are not its
 * walk over the entries. */
#ifndef VS_LEDGER_FSCK_FILES_H
#define VS_LEDGER_FSCK_FILES_H

#include "ledger/fsck_tree.h"
#include "ledger/policy_text.h"
#include "ledger/tile_log.h"

/* A checkpoint note, signed by key, whose name is its origin. policy (may be NULL): no witness of
 * it has a wrong cosignature there, and with `quorum` they meet it. */
VS_MUST_CHECK vs_err vs_fsck_checkpoint(vs_checkpoint *out, const vs_buf *note,
                                        const vs_note_key *key, const vs_tlog_policy *policy,
                                        bool quorum, vs_diag *diag);
/* The blobs that entry `index` names must be there (sum shares and sums may be missing). */
void vs_fsck_blobs_of(vs_fsck_run *run, uint64_t index, const vs_buf *entry);
/* Every file below tile/ and blob/, and federation.json: names, and bytes where the walk has not
 * looked at them. */
void vs_fsck_files(vs_fsck_run *run, vs_tile_log *log, uint64_t size);

#endif /* VS_LEDGER_FSCK_FILES_H */
