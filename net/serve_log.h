/* net/serve_log.h - a published log (ledger/export.h) over HTTP.
 *
 * tile/ and blob/ never change: a year, immutable. checkpoint and what stands beside it: no-cache.
 * Every reply may be read by pages of other origins (they hold no secret). Other files of the
 * folder (a page) are served as they are, no-cache. */
#ifndef VS_NET_SERVE_LOG_H
#define VS_NET_SERVE_LOG_H

#include "net/http.h"

/* Routes for everything below folder, which is borrowed until http is freed. Before
 * vs_http_start. */
void vs_serve_log_add(vs_http *http, const char *folder);

#endif /* VS_NET_SERVE_LOG_H */
