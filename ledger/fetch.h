/* ledger/fetch.h - files of a published log, from a folder or from anywhere else.
 *
 * Names are as in ledger/export.h: "checkpoint", "tile/0/000.p/7", "blob/<sha256>". What comes is
 * not trusted: every reader checks it. */
#ifndef VS_LEDGER_FETCH_H
#define VS_LEDGER_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

typedef struct vs_fetch {
    /* Append the whole file to *out, at most max bytes. VS_ERR_STATE: it is not there (any other
     * error: it could not be asked for, or is too long). On error *out keeps its length. */
    vs_err (*get)(void *ctx, const char *name, size_t max, vs_buf *out, vs_diag *diag);
    void *ctx;
} vs_fetch;

/* Files below a folder; the string is borrowed. */
vs_fetch vs_fetch_folder(const char *folder);

#endif /* VS_LEDGER_FETCH_H */
