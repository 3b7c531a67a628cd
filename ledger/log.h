/* ledger/log.h - the transparency log: entries, tree, signed checkpoints, blobs, in one folder.
 *
 * DIR/ledger.db is the record (SQLite); DIR/blobs/<sha256 hex> holds what is too long for an
 * entry. Order of an append: blobs durable -> one transaction with entries, tiles, tree head and
 * the signed checkpoint -> caller may speak about it. (Formats: docs/LEDGER.md.) */
#ifndef VS_LEDGER_LOG_H
#define VS_LEDGER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/db.h"
#include "ledger/note.h"
#include "ledger/policy.h"
#include "ledger/tree.h"

typedef struct vs_log vs_log;

/* Create DIR (if needed) with an empty log of this origin, signed by log_key (type 0x01) /
 * seed. VS_ERR_STATE if a log is there. */
VS_MUST_CHECK vs_err vs_log_create(vs_log **out, const char *dir, const char *origin,
                                   const vs_note_key *log_key, const uint8_t seed[32],
                                   vs_diag *diag);
/* Open for appending: recompute the root from the stored right edge, verify our own checkpoint. */
VS_MUST_CHECK vs_err vs_log_open(vs_log **out, const char *dir, const vs_note_key *log_key,
                                 const uint8_t seed[32], vs_diag *diag);
/* Open, or create where there is none: a daemon's first start, which may have been killed at any
 * point before. A folder that has blobs but no log in its database is refused (VS_ERR_PROOF). */
VS_MUST_CHECK vs_err vs_log_open_or_create(vs_log **out, const char *dir, const char *origin,
                                           const vs_note_key *log_key, const uint8_t seed[32],
                                           vs_diag *diag);
/* Open to read only (ledger show, prove, audit): no key needed. */
VS_MUST_CHECK vs_err vs_log_open_read(vs_log **out, const char *dir, vs_diag *diag);
void vs_log_close(vs_log *log); /* wipes the seed */

/* The database of this log, for the round state that must live beside it (keys not starting
 * with "log/"). */
vs_db *vs_log_db(vs_log *log);
const char *vs_log_origin(const vs_log *log);
const vs_note_key *vs_log_key(const vs_log *log); /* its name is the origin */
uint64_t vs_log_size(const vs_log *log);
void vs_log_root(const vs_log *log, vs_h32 *root);
/* Grows with every append and every cosignature stored since this handle was opened. */
uint64_t vs_log_changes(const vs_log *log);

typedef struct vs_bytes {
    const uint8_t *p;
    size_t len;
} vs_bytes;
/* Append n entries (each 1..65,535 bytes) in one durable transaction. *first = index of the
 * first. leaf_hashes (n, may be NULL) receives their leaf hashes. */
VS_MUST_CHECK vs_err vs_log_append(vs_log *log, const vs_bytes *entries, uint32_t n,
                                   uint64_t *first, vs_h32 *leaf_hashes, vs_diag *diag);
/* Append the exact bytes of entry `index` to *out. VS_ERR_LIMIT beyond the end. */
VS_MUST_CHECK vs_err vs_log_entry(vs_log *log, uint64_t index, vs_buf *out, vs_diag *diag);
VS_MUST_CHECK vs_err vs_log_leaf_hash(vs_log *log, uint64_t index, vs_h32 *out, vs_diag *diag);
/* Complete subtree hashes, for ledger/tree.h. */
vs_tree_reader vs_log_tree(vs_log *log);

/* The signed checkpoint note of the newest size, with every cosignature line stored for it,
 * appended to *out. */
VS_MUST_CHECK vs_err vs_log_checkpoint(vs_log *log, vs_buf *out, vs_diag *diag);
/* The same for an older size that was once the newest; VS_ERR_STATE if there was none. */
VS_MUST_CHECK vs_err vs_log_checkpoint_at(vs_log *log, uint64_t size, vs_buf *out, vs_diag *diag);
/* Of the checkpoints that cover entry `index` (size > index): the one with the most cosignatures
 * stored, the newest of those. VS_ERR_LIMIT if no checkpoint covers it. */
VS_MUST_CHECK vs_err vs_log_best_checkpoint(vs_log *log, uint64_t index, uint64_t *size,
                                            uint32_t *n_cosignatures, vs_diag *diag);
/* The newest checkpoint whose stored cosignatures meet the policy. *found = false: none does. */
VS_MUST_CHECK vs_err vs_log_cosigned_by(vs_log *log, const vs_policy *policy, uint64_t *size,
                                        bool *found, vs_diag *diag);
/* Each cosignature stored for a size, ordered by key; verified: it is right. time_s as it says. */
typedef vs_err (*vs_log_cosigner)(void *ctx, const vs_note_key *key, uint64_t time_s,
                                  bool verified);
VS_MUST_CHECK vs_err vs_log_cosigners(vs_log *log, uint64_t size, vs_log_cosigner visit, void *ctx,
                                      vs_diag *diag);
/* Store a verified cosignature line (durable, idempotent per key and size). */
VS_MUST_CHECK vs_err vs_log_add_cosignature(vs_log *log, uint64_t size, const vs_note_key *key,
                                            const uint8_t sig[VS_COSIGNATURE_BYTES], vs_diag *diag);

/* Blobs: named by SHA-256, durable before the call returns. */
VS_MUST_CHECK vs_err vs_log_blob_put(vs_log *log, const void *data, size_t len, vs_h32 *name,
                                     vs_diag *diag);
/* Path of a blob ("DIR/blobs/<hex>"), to stream or map it. The result is malloc'd, NULL when out
 * of memory; the file need not exist. */
char *vs_log_blob_path(const vs_log *log, const vs_h32 *name);

#endif /* VS_LEDGER_LOG_H */
