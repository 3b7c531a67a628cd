/* net/page.h - the web page that shows a ledger: net/page/, part of the program.
 *
 * It needs nothing but a published log (ledger/export.h) in the same folder, and checks it in the
 * browser. */
#ifndef VS_NET_PAGE_H
#define VS_NET_PAGE_H

#include <stddef.h>

#include "base/err.h"
#include "ledger/export.h"

typedef struct vs_page_file {
    const char *name; /* "index.html" */
    const unsigned char *bytes;
    size_t len;
} vs_page_file;

extern const vs_page_file vs_page_files[]; /* the last has no name; made by net/page/embed.cmake */

/* Put the page beside a published log. */
VS_MUST_CHECK vs_err vs_page_put(vs_export *e, vs_diag *diag);

#endif /* VS_NET_PAGE_H */
