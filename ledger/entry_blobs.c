#include "ledger/entry_blobs.h"

#include <stdlib.h>

#include "ledger/dsse.h"

static vs_err tell(vs_entry_blob_visit visit, void *ctx, vs_blob_kind kind, const vs_h32 *name)
{
    return vs_h32_is_zero(name) ? VS_OK : visit(ctx, kind, name);
}

vs_err vs_entry_blobs(const vs_entry *entry, vs_entry_blob_visit visit, void *ctx)
{
    vs_err err = VS_OK;
    if (entry->kind == VS_ENTRY_FEDERATION) {
        err = tell(visit, ctx, VS_BLOB_FEDERATION, &entry->u.federation.file);
    }
    if (entry->kind == VS_ENTRY_SET) {
        err = tell(visit, ctx, VS_BLOB_RECORDS, &entry->u.set.records_blob);
        if (err == VS_OK) err = tell(visit, ctx, VS_BLOB_RECORDS, &entry->u.set.rejected_blob);
    }
    if (entry->kind == VS_ENTRY_EVIDENCE) {
        err = tell(visit, ctx, VS_BLOB_EVIDENCE, &entry->u.evidence.blob);
    }
    if (entry->kind == VS_ENTRY_RESULT) {
        const vs_entry_result *r = &entry->u.result;
        err = tell(visit, ctx, VS_BLOB_RESULT, &r->sum_blob);
        for (uint32_t i = 0; err == VS_OK && i < r->n_answers; i++) {
            err = tell(visit, ctx, VS_BLOB_RESULT, &r->answers[i].blob);
        }
    }
    return err;
}

vs_err vs_entry_blobs_of(const void *envelope, size_t len, vs_entry_blob_visit visit, void *ctx)
{
    vs_dsse dsse = {0};
    vs_entry *e = malloc(sizeof *e);
    if (e == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_dsse_parse(&dsse, envelope, len, NULL);
    if (err == VS_OK) {
        err = vs_entry_decode(e, dsse.kind, dsse.payload.p, dsse.payload.len, NULL);
    }
    if (err == VS_OK)
        err = vs_entry_blobs(e, visit, ctx);
    else if (err != VS_ERR_NOMEM)
        err = VS_OK;
    vs_dsse_free(&dsse);
    free(e);
    return err;
}
