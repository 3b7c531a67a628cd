/* net/http.h - a small HTTP/1.1 server: metrics, status, tiles, a page.
 *
 * nng's streams carry the bytes (TCP and TLS); the request is read by our own strict parser
 * (net/http_head.h), because nng 1.5.2's own HTTP server bounds neither the connections (3,000 idle
 * ones are all held, until no descriptor is left for the federation's port) nor the time that a
 * request may take. Here everything is bounded: connections (an idle one makes room for a new one),
 * the head, the body, all bodies together, and the time of each request and reply.
 *
 * Threads: a handler runs on one of nng's threads, several at the same time, and must come back
 * within milliseconds; it may read only what is thread safe. A handler of kind VS_HTTP_IN_LOOP
 * runs on the thread that calls vs_http_serve_pending, one at a time: role state is read there.
 * Routes are added before vs_http_start. vs_http_new, _start, _serve_pending and _free belong to
 * one thread; _free must not be called by a handler. */
#ifndef VS_NET_HTTP_H
#define VS_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define VS_HTTP_CONNECTIONS_MAX 128u           /* at once; the idlest makes room */
#define VS_HTTP_BODY_MAX (UINT32_C(1) << 20)   /* bytes of one request's body */
#define VS_HTTP_BODIES_MAX (UINT32_C(8) << 20) /* bytes of all bodies that are being received */
#define VS_HTTP_ROUTES_MAX 32u

typedef struct vs_http vs_http;

/* Borrowed for the call of the handler. */
typedef struct vs_http_request {
    const char *method; /* "GET" also for HEAD: the server leaves the body out */
    const char *path;   /* from '/', percent-decoded once, without . .. // and control characters */
    const char *rest;   /* the part of path after the route's prefix, without its first '/' */
    const char *query;  /* after '?', not decoded; "" without one */
    const uint8_t *body;
    size_t body_len;
    const struct vs_http_head *head; /* for vs_http_request_header */
} vs_http_request;

/* The first header of this name (any case), or NULL. */
const char *vs_http_request_header(const vs_http_request *request, const char *name);

/* Filled by the handler; it starts as 200, text/plain, no-store, empty. The server owns it. */
typedef struct vs_http_response {
    uint16_t status;
    const char *content_type;  /* a literal */
    const char *cache_control; /* a literal */
    vs_buf body;
    vs_buf headers; /* further header lines, by vs_http_response_header */
    int fd;         /* >= 0: the body is this file's first file_len bytes; the server closes it */
    uint64_t file_len;
} vs_http_response;

/* One more header line. Caller bug: a control character in it. */
void vs_http_response_header(vs_http_response *response, const char *name, const char *value);
/* A reply of one line of plain text, as errors have. */
void vs_http_response_text(vs_http_response *response, uint16_t status, const char *text);
/* The bytes of a regular file, sent without loading it whole, with the content type of its name;
 * 404 if it is not there. Symbolic links are not followed at the end of the path. */
void vs_http_response_file(vs_http_response *response, const char *path);
/* By the end of a file name: "text/html; charset=utf-8"; "application/octet-stream" if unknown. */
const char *vs_http_content_type(const char *path);

typedef void (*vs_http_handler)(void *ctx, const vs_http_request *request,
                                vs_http_response *response);

typedef enum vs_http_kind {
    VS_HTTP_ANY_THREAD,
    VS_HTTP_IN_LOOP, /* see above */
} vs_http_kind;

typedef struct vs_http_route {
    const char *method; /* "GET" or "POST", ... */
    const char *path;   /* "/metrics"; "/tile" is also a prefix with is_prefix */
    bool is_prefix;     /* path itself, and everything below path + "/" */
    vs_http_kind kind;
    uint32_t body_max; /* bytes, <= VS_HTTP_BODY_MAX; a longer body is refused with 413 */
    vs_http_handler handler;
    void *ctx;
} vs_http_route;

/* address: http://HOST:PORT, HOST a name, an IPv4 address or [IPv6]; port 0 takes a free one.
 * Errors name the address: VS_ERR_MALFORMED, VS_ERR_IO (in use), VS_ERR_NOMEM. It listens;
 * nothing is read before vs_http_start. */
VS_MUST_CHECK vs_err vs_http_new(vs_http **out, const char *address, vs_diag *diag);
/* The route is copied, its strings are borrowed. The longest path that fits wins. */
void vs_http_add(vs_http *http, const vs_http_route *route);
/* Serve the regular files below folder (borrowed) at prefix ("" for the root). Names that begin
 * with a dot are not served; a folder gives its index.html. */
void vs_http_add_folder(vs_http *http, const char *prefix, const char *folder,
                        const char *cache_control);
/* wake (may be NULL without IN_LOOP routes) is called from nng's threads when a request waits for
 * vs_http_serve_pending; e.g. vs_edge_wake. */
void vs_http_start(vs_http *http, void (*wake)(void *ctx), void *ctx);
/* Run the handlers of all waiting IN_LOOP requests. */
void vs_http_serve_pending(vs_http *http);
uint16_t vs_http_port(const vs_http *http); /* that it listens on */
/* Stop at once: connections are closed, replies under way are cut. NULL is a no-op. */
void vs_http_free(vs_http *http);

typedef struct vs_http_counts {
    uint64_t connections; /* open now */
    uint64_t accepted;    /* connections since start */
    uint64_t refused;     /* connections, for want of room */
    uint64_t requests[6]; /* replies by the first digit of their status; [0]: closed without one */
} vs_http_counts;
vs_http_counts vs_http_count(vs_http *http); /* any thread */

#endif /* VS_NET_HTTP_H */
