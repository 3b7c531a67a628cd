/* cli/log_place.h - where a log is that a command reads: a URL, a published folder, a ledger's
 * folder. */
#ifndef VS_CLI_LOG_PLACE_H
#define VS_CLI_LOG_PLACE_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/ledger.h"
#include "ledger/fetch.h"
#include "net/audit.h"
#include "net/audit_source.h"
#include "net/http_client.h"

/* Zero-initialise; clear releases. */
typedef struct vs_log_place {
    vs_http_client *http; /* owned */
    vs_fetch fetch;       /* where published */
    bool published;
    char folder[VS_LEDGER_PATH_BYTES];
} vs_log_place;

VS_MUST_CHECK vs_err vs_log_place_find(vs_log_place *p, const char *where, vs_diag *diag);
void vs_log_place_clear(vs_log_place *p);
VS_MUST_CHECK vs_err vs_log_place_audit(vs_audit_report *report, const vs_log_place *p,
                                        const vs_audit_in *in, vs_diag *diag);
/* The caller frees with source->free(source->ctx) after VS_OK. */
VS_MUST_CHECK vs_err vs_log_place_source(vs_audit_source *out, const vs_log_place *p,
                                         vs_diag *diag);

#endif /* VS_CLI_LOG_PLACE_H */
