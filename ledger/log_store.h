/* ledger/log_store.h - inside ledger/ only: the tables of the log, one function per question.
 *
 * entries(idx, data), tiles(level, number, hashes), checkpoints(size, root, note),
 * cosignatures(size, vkey, sig), and in kv "log/key" (the log's verifier key; its name is the
 * origin). Nothing here is verified: log.c and fsck.c do that. */
#ifndef VS_LEDGER_LOG_STORE_H
#define VS_LEDGER_LOG_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/db.h"
#include "ledger/note.h"
#include "ledger/tiles.h"

#define VS_LOG_DB_NAME "ledger.db"
#define VS_LOG_BLOBS_NAME "blobs"

typedef struct vs_log_store {
    vs_db *db; /* borrowed */
    vs_stmt *put_entry, *put_tile, *put_checkpoint, *put_cosignature;
    vs_stmt *get_entry, *get_tile, *get_checkpoint, *get_cosignatures, *get_last;
} vs_log_store;

/* Within a transaction. */
VS_MUST_CHECK vs_err vs_log_store_create(vs_db *db, const vs_note_key *key, vs_diag *diag);
/* VS_ERR_STATE when the database holds no log. The caller closes *out, also after an error. */
VS_MUST_CHECK vs_err vs_log_store_open(vs_log_store *out, vs_db *db, vs_diag *diag);
void vs_log_store_close(vs_log_store *s);

VS_MUST_CHECK vs_err vs_log_store_key(vs_db *db, vs_note_key *out, bool *found, vs_diag *diag);
/* The largest size that has a checkpoint, with its root. VS_ERR_MALFORMED if there is none. */
VS_MUST_CHECK vs_err vs_log_store_head(vs_log_store *s, uint64_t *size, vs_h32 *root,
                                       vs_diag *diag);

/* Within a transaction. */
VS_MUST_CHECK vs_err vs_log_store_put_entry(vs_log_store *s, uint64_t index, const void *data,
                                            size_t len, vs_diag *diag);
VS_MUST_CHECK vs_err vs_log_store_put_tile(vs_log_store *s, uint32_t level, uint64_t number,
                                           const vs_h32 *hashes, uint32_t n, vs_diag *diag);
VS_MUST_CHECK vs_err vs_log_store_put_checkpoint(vs_log_store *s, uint64_t size, const vs_h32 *root,
                                                 const void *note, size_t len, vs_diag *diag);
VS_MUST_CHECK vs_err vs_log_store_put_cosignature(vs_log_store *s, uint64_t size,
                                                  const vs_note_key *key,
                                                  const uint8_t sig[VS_COSIGNATURE_BYTES],
                                                  vs_diag *diag);

/* Append to *out; VS_ERR_STATE when it is not there. */
VS_MUST_CHECK vs_err vs_log_store_entry(vs_log_store *s, uint64_t index, vs_buf *out,
                                        vs_diag *diag);
VS_MUST_CHECK vs_err vs_log_store_note(vs_log_store *s, uint64_t size, vs_buf *out, vs_diag *diag);
/* Append the signature lines of all cosignatures of a size. */
VS_MUST_CHECK vs_err vs_log_store_cosignature_lines(vs_log_store *s, uint64_t size, vs_buf *out,
                                                    vs_diag *diag);
/* *n = hashes in the tile, 0 if there is none. */
VS_MUST_CHECK vs_err vs_log_store_tile(vs_log_store *s, uint32_t level, uint64_t number,
                                       vs_h32 hashes[VS_TILE_WIDTH], uint32_t *n, vs_diag *diag);

/* A blob's file name: "DIR/blobs/<hex>", malloc'd, NULL when out of memory. */
char *vs_log_blob_name(const char *dir, const vs_h32 *name);
/* "DIR/<name>", malloc'd, NULL when out of memory. */
char *vs_log_path(const char *dir, const char *name);

#endif /* VS_LEDGER_LOG_STORE_H */
