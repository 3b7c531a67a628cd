/* net/audit_source.h - inside of the audit: where the log and its blobs come from. */
#ifndef VS_NET_AUDIT_SOURCE_H
#define VS_NET_AUDIT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/fetch.h"
#include "ledger/tiles.h"

#define VS_AUDIT_BLOB_MAX (UINT64_C(1) << 31) /* bytes: sums of 2^28 coordinates */

typedef struct vs_audit_source {
    uint64_t size; /* entries, as the newest checkpoint says: not verified */
    vs_h32 root;
    /* Append entry `index` < size. */
    vs_err (*entry)(void *ctx, uint64_t index, vs_buf *out, vs_diag *diag);
    /* Append the checkpoint of this size; VS_ERR_STATE: none was made or kept. again: another
     * file with one of the same size. */
    vs_err (*checkpoint)(void *ctx, uint64_t size, bool again, vs_buf *out, vs_diag *diag);
    /* A blob's bytes, valid until the next call; VS_ERR_STATE: not here. */
    vs_err (*blob)(void *ctx, const vs_h32 *name, const uint8_t **p, size_t *len, vs_diag *diag);
    /* Compare a tile with the recomputed one; NULL: there is nothing to compare. VS_ERR_PROOF:
     * it is another one. */
    vs_err (*tile)(void *ctx, uint32_t level, uint64_t number, const vs_h32 *hashes, uint32_t n,
                   vs_diag *diag);
    void (*free)(void *ctx);
    void *ctx;
} vs_audit_source;

/* The caller frees with source->free(source->ctx) after VS_OK. */
VS_MUST_CHECK vs_err vs_audit_source_ledger(vs_audit_source *out, const char *dir, vs_diag *diag);
VS_MUST_CHECK vs_err vs_audit_source_published(vs_audit_source *out, const vs_fetch *fetch,
                                               vs_diag *diag);

#endif /* VS_NET_AUDIT_SOURCE_H */
