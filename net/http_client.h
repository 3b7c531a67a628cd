/* net/http_client.h - HTTP requests to one server, one after the other; the edge is nng's client.
 *
 * For commands and for threads of their own: a call blocks until its reply or its timeout. Every
 * reply is bounded before it is read. http:// and https:// (the system's certificates, or those of
 * the file that SSL_CERT_FILE names). Redirects are not followed: the message names the target. */
#ifndef VS_NET_HTTP_CLIENT_H
#define VS_NET_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/fetch.h"

typedef struct vs_http_client vs_http_client;

/* base: http://HOST[:PORT][/PREFIX]; nothing is sent yet. VS_ERR_MALFORMED, VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_http_client_new(vs_http_client **out, const char *base, uint32_t timeout_ms,
                                        vs_diag *diag);
void vs_http_client_free(vs_http_client *c); /* NULL is a no-op */

typedef struct vs_http_reply {
    uint16_t status;
    char content_type[64]; /* cut to fit; "" without one */
    vs_buf body;           /* owned */
} vs_http_reply;

/* One request to PREFIX/name; body NULL: GET, else POST. A reply of any status is VS_OK (the caller
 * frees reply->body). VS_ERR_IO, VS_ERR_TIMEOUT, VS_ERR_LIMIT (more than max bytes),
 * VS_ERR_MALFORMED: messages name the URL. The connection is kept for the next call. */
VS_MUST_CHECK vs_err vs_http_client_call(vs_http_client *c, const char *name, const void *body,
                                         size_t len, size_t max, vs_http_reply *reply,
                                         vs_diag *diag);

/* Files behind the base URL: 404 and 410 are VS_ERR_STATE. c is borrowed. */
vs_fetch vs_fetch_http(vs_http_client *c);

#endif /* VS_NET_HTTP_CLIENT_H */
