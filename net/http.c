#include "net/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/address.h"
#include "net/http_impl.h"
#include "net/nng_error.h"

enum { PAUSE_MS = 100, IDLE_MS = 30000, REQUEST_MS = 15000, WRITE_MS = 15000 };

typedef struct vs_http_folder {
    struct vs_http_folder *next;
    const char *path, *cache_control;
} vs_http_folder;

uint64_t vs_http_now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* --- accepting ----------------------------------------------------------------------------------
 */

/* A free place, and, when there are many, the idlest connection is asked to go. */
static vs_http_conn *take_place(vs_http *http, nng_stream *stream)
{
    vs_http_conn *place = NULL, *idlest = NULL;
    (void)pthread_mutex_lock(&http->mutex);
    for (uint32_t i = 0; i < VS_HTTP_PLACES; i++) {
        vs_http_conn *c = &http->conns[i];
        if (c->state == VS_HTTP_FREE && place == NULL) place = c;
        bool idle = c->state == VS_HTTP_READING && c->idle_since_ms != 0;
        if (idle && (idlest == NULL || c->idle_since_ms < idlest->idle_since_ms)) idlest = c;
    }
    http->counts.accepted++;
    if (place == NULL) {
        http->counts.refused++;
    } else {
        http->counts.connections++;
        place->state = VS_HTTP_READING;
        place->stream = stream;
        place->idle_since_ms = vs_http_now_ms();
    }
    if (idlest != NULL && http->counts.connections > VS_HTTP_CONNECTIONS_MAX) {
        idlest->idle_since_ms = 0; /* ask another one next time */
        nng_aio_abort(idlest->aio, NNG_ECANCELED);
    }
    (void)pthread_mutex_unlock(&http->mutex);
    return place;
}

static void on_accept(void *arg)
{
    vs_http *http = arg;
    int rv = nng_aio_result(http->accept_aio);
    bool was_pause = http->pausing;
    http->pausing = false;
    if (rv == 0 && !was_pause) {
        nng_stream *stream = nng_aio_get_output(http->accept_aio, 0);
        vs_http_conn *c = take_place(http, stream);
        if (c != NULL) {
            vs_http_conn_begin(c);
        } else {
            nng_stream_free(stream);
        }
    }
    (void)pthread_mutex_lock(&http->mutex);
    bool closing = http->closing;
    (void)pthread_mutex_unlock(&http->mutex);
    if (closing || rv == NNG_ECLOSED || rv == NNG_ECANCELED) return;
    http->pausing = rv != 0;
    if (rv != 0) {
        nng_sleep_aio(PAUSE_MS, http->accept_aio);
    } else {
        nng_stream_listener_accept(http->listener, http->accept_aio);
    }
}

/* --- opening and closing ------------------------------------------------------------------------
 */

/* http://HOST:PORT as the address of a stream. Port 0 is right here, nowhere else. */
static vs_err stream_address(char out[VS_ADDRESS_MAX + 2], const char *address, vs_diag *diag)
{
    static const char scheme[] = "http://";
    char check[VS_ADDRESS_MAX + 2];
    size_t len = strlen(address);
    if (strncmp(address, scheme, sizeof scheme - 1) != 0 || len > VS_ADDRESS_MAX) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "address \"%.100s\": must be http://HOST:PORT for the HTTP server", address);
    }
    (void)snprintf(out, VS_ADDRESS_MAX + 2, "tcp://%s", address + sizeof scheme - 1);
    memcpy(check, out, sizeof check);
    len = strlen(check);
    if (len > 2 && strcmp(check + len - 2, ":0") == 0) check[len - 1] = '1';
    if (vs_address_check(check, NULL) == VS_OK) return VS_OK;
    return vs_fail(diag, VS_ERR_MALFORMED, "address \"%.100s\": must be http://HOST:PORT", address);
}

static vs_err open_places(vs_http *http)
{
    http->conns = calloc(VS_HTTP_PLACES, sizeof *http->conns);
    if (http->conns == NULL) return VS_ERR_NOMEM;
    for (uint32_t i = 0; i < VS_HTTP_PLACES; i++) {
        vs_http_conn *c = &http->conns[i];
        c->http = http;
        vs_http_reply_init(&c->reply);
        if (nng_aio_alloc(&c->aio, vs_http_on_io, c) != 0) return VS_ERR_NOMEM;
    }
    return nng_aio_alloc(&http->accept_aio, on_accept, http) == 0 ? VS_OK : VS_ERR_NOMEM;
}

vs_err vs_http_new(vs_http **out, const char *address, vs_diag *diag)
{
    char stream[VS_ADDRESS_MAX + 2];
    *out = NULL;
    vs_err err = stream_address(stream, address, diag);
    if (err != VS_OK) return err;
    vs_http *http = calloc(1, sizeof *http);
    if (http == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", address);
    http->idle_ms = IDLE_MS;
    http->request_ms = REQUEST_MS;
    http->write_ms = WRITE_MS;
    (void)pthread_mutex_init(&http->mutex, NULL);
    err = open_places(http);
    if (err != VS_OK) (void)vs_fail(diag, err, "%s: out of memory", address);
    int rv = err != VS_OK ? 0 : nng_stream_listener_alloc(&http->listener, stream);
    if (rv != 0) err = vs_nng_fail(diag, address, "make a listener", rv);
    rv = err != VS_OK ? 0 : nng_stream_listener_listen(http->listener);
    if (rv != 0) err = vs_nng_fail(diag, address, "listen", rv);
    int port = 0;
    rv = err != VS_OK ? 0
                      : nng_stream_listener_get_int(http->listener, NNG_OPT_TCP_BOUND_PORT, &port);
    if (rv != 0) err = vs_nng_fail(diag, address, "read its port", rv);
    if (err != VS_OK) {
        vs_http_free(http);
        return err;
    }
    http->port = (uint16_t)port;
    *out = http;
    return VS_OK;
}

void vs_http_free(vs_http *http)
{
    if (http == NULL) return;
    (void)pthread_mutex_lock(&http->mutex);
    http->closing = true;
    (void)pthread_mutex_unlock(&http->mutex);
    if (http->listener != NULL) nng_stream_listener_close(http->listener);
    if (http->accept_aio != NULL) nng_aio_stop(http->accept_aio);
    for (uint32_t i = 0; http->conns != NULL && i < VS_HTTP_PLACES; i++) {
        vs_http_conn *c = &http->conns[i];
        if (c->aio == NULL) continue;
        nng_aio_stop(c->aio); /* its callback has returned, and starts nothing any more */
        if (c->state != VS_HTTP_FREE) vs_http_conn_end(c);
        nng_aio_free(c->aio);
    }
    if (http->accept_aio != NULL) nng_aio_free(http->accept_aio);
    if (http->listener != NULL) nng_stream_listener_free(http->listener);
    for (vs_http_folder *f = http->folders, *next; f != NULL; f = next) {
        next = f->next;
        free(f);
    }
    free(http->conns);
    (void)pthread_mutex_destroy(&http->mutex);
    free(http);
}

/* --- routes -------------------------------------------------------------------------------------
 */

void vs_http_add(vs_http *http, const vs_http_route *route)
{
    VS_ASSERT(http->n_routes < VS_HTTP_ROUTES_MAX && route->handler != NULL);
    VS_ASSERT(route->body_max <= VS_HTTP_BODY_MAX);
    http->routes[http->n_routes++] = *route;
}

static void serve_folder(void *ctx, const vs_http_request *request, vs_http_response *response)
{
    const vs_http_folder *f = ctx;
    char path[4096];
    const char *rest = request->rest;
    size_t len = strlen(rest);
    bool hidden = rest[0] == '.' || strstr(rest, "/.") != NULL;
    const char *index = len == 0 || rest[len - 1] == '/' ? "index.html" : "";
    int n = snprintf(path, sizeof path, "%s/%s%s", f->path, rest, index);
    if (hidden || n < 0 || (size_t)n >= sizeof path) {
        vs_http_response_text(response, 404, "not found");
        return;
    }
    response->cache_control = f->cache_control;
    vs_http_response_file(response, path);
}

void vs_http_add_folder(vs_http *http, const char *prefix, const char *folder,
                        const char *cache_control)
{
    vs_http_folder *f = malloc(sizeof *f);
    VS_ASSERT(f != NULL);
    *f = (vs_http_folder){.next = http->folders, .path = folder, .cache_control = cache_control};
    http->folders = f;
    vs_http_route route = {.method = "GET",
                           .path = prefix,
                           .is_prefix = true,
                           .kind = VS_HTTP_ANY_THREAD,
                           .handler = serve_folder,
                           .ctx = f};
    vs_http_add(http, &route);
}

/* True iff the path is the route's; *rest is what follows it. */
static bool fits(const vs_http_route *route, const char *path, const char **rest)
{
    size_t len = strlen(route->path);
    if (strncmp(path, route->path, len) != 0) return false;
    if (path[len] != '\0' && !(route->is_prefix && path[len] == '/')) return false;
    *rest = path[len] == '/' ? path + len + 1 : path + len;
    return true;
}

const vs_http_route *vs_http_find(const vs_http *http, const char *method, const char *path,
                                  const char **rest, uint16_t *status)
{
    const vs_http_route *best = NULL;
    const char *after;
    *status = 404;
    for (uint32_t i = 0; i < http->n_routes; i++) {
        const vs_http_route *r = &http->routes[i];
        if (!fits(r, path, &after)) continue;
        if (strcmp(r->method, method) != 0) {
            *status = 405;
        } else if (best == NULL || strlen(r->path) > strlen(best->path)) {
            best = r;
            *rest = after;
        }
    }
    return best;
}

void vs_http_methods(const vs_http *http, const char *path, char out[64])
{
    const char *rest;
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < http->n_routes; i++) {
        const vs_http_route *r = &http->routes[i];
        if (!fits(r, path, &rest) || strstr(out, r->method) != NULL) continue;
        int n = snprintf(out + len, 64 - len, "%s%s", len == 0 ? "" : ", ", r->method);
        if (n < 0 || (size_t)n >= 64 - len) return;
        len += (size_t)n;
    }
}

void vs_http_start(vs_http *http, void (*wake)(void *ctx), void *ctx)
{
    http->wake = wake;
    http->wake_ctx = ctx;
    nng_stream_listener_accept(http->listener, http->accept_aio);
}

uint16_t vs_http_port(const vs_http *http)
{
    return http->port;
}

void vs_http_serve_pending(vs_http *http)
{
    for (;;) {
        (void)pthread_mutex_lock(&http->mutex);
        vs_http_conn *c = http->first_pending;
        if (c != NULL) http->first_pending = c->next_pending;
        (void)pthread_mutex_unlock(&http->mutex);
        if (c == NULL) return;
        vs_http_conn_serve(c);
    }
}

vs_http_counts vs_http_count(vs_http *http)
{
    (void)pthread_mutex_lock(&http->mutex);
    vs_http_counts counts = http->counts;
    (void)pthread_mutex_unlock(&http->mutex);
    return counts;
}
