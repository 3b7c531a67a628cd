/* ledger/fsck.h - is this data folder whole? Everything is recomputed, nothing is believed. */
#ifndef VS_LEDGER_FSCK_H
#define VS_LEDGER_FSCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/note.h"

typedef struct vs_fsck_report {
    uint64_t n_entries;
    uint64_t n_checkpoints;
    uint64_t n_cosignatures;
    uint64_t n_blobs;
    uint32_t n_problems;
    bool unclean_stop; /* no page-hash file: unused bytes could not be checked */
} vs_fsck_report;

/* Called once per problem with one line naming what is wrong ("entry 7: ..."). */
typedef void (*vs_fsck_problem)(void *ctx, const char *text);

/* Check: database integrity and page hashes, every leaf hash and tile, every checkpoint's
 * signature (against vkey when given, else the one the log was created with), root and
 * cosignatures, every blob's name. VS_OK if the check could run to the end (problems are in the
 * report), else why it could not. */
VS_MUST_CHECK vs_err vs_fsck(const char *dir, const vs_note_key *vkey, vs_fsck_problem problem,
                             void *ctx, vs_fsck_report *report, vs_diag *diag);

/* The same for a published log (ledger/export.h, or what another implementation wrote as C2SP
 * tlog-tiles): the checkpoint's signature against vkey, every entry against its leaf hash, every
 * tile and partial tile against the hashes below, the root, every blob, `checkpoint.cosigned` and
 * `federation.json` where they are there. A tile or bundle that a problem names is the file's name.
 * Where an entry and its leaf hash differ, the signed root says which of them is wrong. Files that
 * no checkpoint covers yet are not looked at. */
VS_MUST_CHECK vs_err vs_fsck_folder(const char *dir, const vs_note_key *vkey,
                                    vs_fsck_problem problem, void *ctx, vs_fsck_report *report,
                                    vs_diag *diag);

#endif /* VS_LEDGER_FSCK_H */
