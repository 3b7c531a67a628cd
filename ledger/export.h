/* ledger/export.h - a log as a folder that any web server can serve (C2SP tlog-tiles).
 *
 * FOLDER/checkpoint            newest checkpoint with the cosignatures it has; the one mutable file
 * FOLDER/checkpoint.cosigned   newest checkpoint that meets the policy (mutable; ours, not C2SP's)
 * FOLDER/tile/...              tiles and entry bundles (ledger/tile_path.h)
 * FOLDER/blob/<sha256>         blobs that entries name; sum shares and sums only with `results`
 * FOLDER/federation.json       the federation file that the log's newest federation entry names
 * FOLDER/policy                the policy as C2SP tlog-policy
 *
 * A pure function of the log: whatever is missing is written again. Every file is durable before
 * `checkpoint` names a size that needs it, so a reader never finds a hole. Partial tiles go when
 * their tile is full. Threads: the log's owner. Public data. */
#ifndef VS_LEDGER_EXPORT_H
#define VS_LEDGER_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/log.h"
#include "ledger/policy.h"

#define VS_EXPORT_CHECKPOINT "checkpoint"
#define VS_EXPORT_COSIGNED "checkpoint.cosigned"
#define VS_EXPORT_BLOBS "blob"
#define VS_EXPORT_FEDERATION "federation.json"
#define VS_EXPORT_POLICY "policy"

typedef struct vs_export vs_export;

/* folder is made if needed. log is borrowed. policy (may be NULL: no policy file and no
 * checkpoint.cosigned) is copied. whole: compare every file with the log at the first update,
 * instead of going on from the exported checkpoint. VS_ERR_PROOF when the folder holds a checkpoint
 * of a tree that this log does not have: the log is an old copy, or another one. */
VS_MUST_CHECK vs_err vs_export_open(vs_export **out, const char *folder, vs_log *log,
                                    const vs_policy *policy, bool results, bool whole,
                                    vs_diag *diag);
void vs_export_free(vs_export *e); /* NULL is a no-op */

/* Write what the folder lacks. Cheap when nothing changed. VS_ERR_IO: the folder is behind, never
 * wrong; the next update goes on. */
VS_MUST_CHECK vs_err vs_export_update(vs_export *e, vs_diag *diag);
uint64_t vs_export_n_files(const vs_export *e); /* files written so far */

/* A file beside the log's own (a page, say): durable, only written when its bytes differ. name is a
 * relative path without "..". */
VS_MUST_CHECK vs_err vs_export_put(vs_export *e, const char *name, const void *data, size_t len,
                                   vs_diag *diag);

#endif /* VS_LEDGER_EXPORT_H */
