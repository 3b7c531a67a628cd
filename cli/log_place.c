#include "cli/log_place.h"

#include <string.h>

enum { HTTP_TIMEOUT_MS = 20000 };

vs_err vs_log_place_find(vs_log_place *p, const char *where, vs_diag *diag)
{
    if (strstr(where, "://") != NULL) {
        vs_err err = vs_http_client_new(&p->http, where, HTTP_TIMEOUT_MS, diag);
        if (err != VS_OK) return err;
        p->fetch = vs_fetch_http(p->http);
        p->published = true;
        return VS_OK;
    }
    vs_err err = vs_ledger_or_published(p->folder, &p->published, where, diag);
    if (err == VS_OK && p->published) p->fetch = vs_fetch_folder(p->folder);
    return err;
}

void vs_log_place_clear(vs_log_place *p)
{
    vs_http_client_free(p->http);
    *p = (vs_log_place){0};
}

vs_err vs_log_place_audit(vs_audit_report *report, const vs_log_place *p, const vs_audit_in *in,
                          vs_diag *diag)
{
    return p->published ? vs_audit_published(report, &p->fetch, in, diag)
                        : vs_audit_ledger(report, p->folder, in, diag);
}

vs_err vs_log_place_source(vs_audit_source *out, const vs_log_place *p, vs_diag *diag)
{
    return p->published ? vs_audit_source_published(out, &p->fetch, diag)
                        : vs_audit_source_ledger(out, p->folder, diag);
}
