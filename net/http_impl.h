/* net/http_impl.h - the server's own parts: http.c opens and closes, http_conn.c serves one
 * connection, http_reply.c makes replies. */
#ifndef VS_NET_HTTP_IMPL_H
#define VS_NET_HTTP_IMPL_H

#include <pthread.h>

#include <nng/nng.h>

#include "net/http.h"
#include "net/http_head.h"

/* Room for those that arrive before an idle one has made room. */
#define VS_HTTP_PLACES (VS_HTTP_CONNECTIONS_MAX + 16u)

typedef enum vs_http_state {
    VS_HTTP_FREE,
    VS_HTTP_READING,
    VS_HTTP_WAITING, /* for vs_http_serve_pending: no operation is under way */
    VS_HTTP_WRITING,
    VS_HTTP_DRAINING, /* refused before its body was read: a close at once could lose the reply */
} vs_http_state;

/* One place for a connection. Its operations follow each other on one aio, so nothing of it is
 * used by two threads at once; stream, state and idle_since are changed under the mutex because
 * others look at them. */
typedef struct vs_http_conn {
    vs_http *http;
    nng_aio *aio;
    nng_stream *stream;
    vs_http_state state;
    uint64_t idle_since_ms; /* 0: in the middle of a request */
    uint64_t deadline_ms;   /* of what is under way */
    char *in;               /* VS_HTTP_HEAD_MAX bytes */
    size_t in_len;
    size_t used; /* of in: head, and body bytes that came with it */
    bool has_head;
    vs_http_head head;
    const vs_http_route *route;
    uint8_t *body;
    size_t body_len, body_got;
    bool keep_alive, must_drain;
    vs_http_response reply;
    vs_buf out; /* being sent: head and body, or one piece of a file */
    size_t out_sent;
    uint64_t file_at, file_left;
    struct vs_http_conn *next_pending;
} vs_http_conn;

struct vs_http {
    pthread_mutex_t mutex;
    nng_stream_listener *listener;
    nng_aio *accept_aio;
    bool pausing; /* accept_aio sleeps: no descriptors were left */
    bool closing;
    uint16_t port;
    vs_http_route routes[VS_HTTP_ROUTES_MAX];
    uint32_t n_routes;
    struct vs_http_folder *folders;
    void (*wake)(void *ctx);
    void *wake_ctx;
    vs_http_conn *conns; /* VS_HTTP_PLACES */
    vs_http_conn *first_pending, *last_pending;
    uint64_t body_bytes;
    vs_http_counts counts;
    uint32_t idle_ms;    /* without the first byte of a request */
    uint32_t request_ms; /* from its first byte to its last */
    uint32_t write_ms;   /* for a reply, and more for a long one */
};

uint64_t vs_http_now_ms(void);
/* Take a new connection into a free place, in state READING already. */
void vs_http_conn_begin(vs_http_conn *c);
void vs_http_on_io(void *conn);
/* Run the route's handler and start to send. */
void vs_http_conn_serve(vs_http_conn *c);
/* Close, release and make the place free. */
void vs_http_conn_end(vs_http_conn *c);

/* "GET, POST": the methods of a path. */
void vs_http_methods(const vs_http *http, const char *path, char out[64]);
/* The route of a path, or NULL with 404 or 405 in *status; *rest as in vs_http_request. */
const vs_http_route *vs_http_find(const vs_http *http, const char *method, const char *path,
                                  const char **rest, uint16_t *status);

void vs_http_reply_init(vs_http_response *r);
void vs_http_reply_clear(vs_http_response *r); /* also closes the file */
/* Status line and headers. */
void vs_http_reply_head(vs_buf *out, const vs_http_response *r, bool keep_alive);

#endif /* VS_NET_HTTP_IMPL_H */
