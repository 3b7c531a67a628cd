/* A client that is shown two `open`s of one round keeps both: they are evidence against the
 * aggregator (net/evidence.h), in the file "evidence-<round>" among the blobs of its store. */
#include <inttypes.h>
#include <stdio.h>

#include "net/client_internal.h"
#include "net/evidence.h"

static void open_name(char out[128], const vs_client *c)
{
    (void)snprintf(out, 128, "%s.open", c->record_key);
}

vs_err vs_client_open_keep(vs_client *c, vs_diag *diag)
{
    char name[128];
    open_name(name, c);
    const vs_store_item item = {.key = name, .value = c->open.p, .len = c->open.len};
    return c->store.ops->put(c->store.ctx, &item, 1, diag);
}

vs_err vs_client_accuse(vs_client *c, bool *kept, vs_diag *diag)
{
    char name[128];
    vs_buf first = {0}, bytes = {0};
    vs_entry_evidence found;
    const vs_store_ops *ops = c->store.ops;
    *kept = false;
    open_name(name, c);
    vs_err err = ops->get(c->store.ctx, name, &first, kept, diag);
    if (err != VS_OK || !*kept) goto cleanup;
    vs_evidence_begin(&bytes, &c->round.id, VS_CLAIM_TWO_ENTRIES, 0, 2);
    vs_evidence_part(&bytes, first.p, first.len);
    vs_evidence_part(&bytes, c->open.p, c->open.len);
    err = vs_buf_check(&bytes);
    if (err != VS_OK) goto cleanup;
    *kept = vs_evidence_check(&found, c->fed, bytes.p, bytes.len, NULL) == VS_OK;
    if (!*kept) goto cleanup;
    (void)snprintf(name, sizeof name, VS_CLIENT_EVIDENCE_NAME, c->round.id.round);
    err = ops->blob_write(c->store.ctx, name, 0, bytes.p, bytes.len, diag);
    if (err == VS_OK) err = ops->blob_sync(c->store.ctx, name, diag);

cleanup:
    vs_buf_free(&first);
    vs_buf_free(&bytes);
    return err;
}
