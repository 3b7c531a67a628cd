/* ledger/entry_blobs.h - the blobs that an entry names. */
#ifndef VS_LEDGER_ENTRY_BLOBS_H
#define VS_LEDGER_ENTRY_BLOBS_H

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/entry.h"

typedef enum vs_blob_kind {
    VS_BLOB_FEDERATION = 1, /* the federation file */
    VS_BLOB_RECORDS,        /* included or rejected clients of a set */
    VS_BLOB_EVIDENCE,       /* what anyone must be able to check */
    VS_BLOB_RESULT,         /* a sum share, or the sums: public only where the federation says so */
} vs_blob_kind;

/* Anything but VS_OK ends the walk and is returned. */
typedef vs_err (*vs_entry_blob_visit)(void *ctx, vs_blob_kind kind, const vs_h32 *name);
/* Every blob of a decoded entry, zero names left out. */
VS_MUST_CHECK vs_err vs_entry_blobs(const vs_entry *entry, vs_entry_blob_visit visit, void *ctx);
/* The same from an envelope's bytes. What cannot be decoded names no blob: VS_OK. VS_ERR_NOMEM, or
 * what visit returned. */
VS_MUST_CHECK vs_err vs_entry_blobs_of(const void *envelope, size_t len, vs_entry_blob_visit visit,
                                       void *ctx);

#endif /* VS_LEDGER_ENTRY_BLOBS_H */
