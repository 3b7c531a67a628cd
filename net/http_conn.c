/* One connection: read a request, serve it, write the reply, and again. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/http_impl.h"

enum {
    WRITE_BYTES_PER_MS = 32, /* a peer that takes a long reply more slowly loses it */
    DRAIN_MS = 1000,
    PIECE = 64 * 1024, /* of a file */
};

static void set_state(vs_http_conn *c, vs_http_state state, uint64_t idle_since_ms)
{
    (void)pthread_mutex_lock(&c->http->mutex);
    c->state = state;
    c->idle_since_ms = idle_since_ms;
    (void)pthread_mutex_unlock(&c->http->mutex);
}

static void count_reply(vs_http_conn *c, uint16_t status)
{
    (void)pthread_mutex_lock(&c->http->mutex);
    c->http->counts.requests[status / 100u]++;
    (void)pthread_mutex_unlock(&c->http->mutex);
}

static void release_body(vs_http_conn *c)
{
    (void)pthread_mutex_lock(&c->http->mutex);
    c->http->body_bytes -= c->body != NULL ? c->body_len : 0;
    (void)pthread_mutex_unlock(&c->http->mutex);
    free(c->body);
    c->body = NULL;
    c->body_len = c->body_got = 0;
}

void vs_http_conn_end(vs_http_conn *c)
{
    nng_stream *stream = c->stream;
    bool cut = c->in_len > 0 || c->state == VS_HTTP_WRITING || c->state == VS_HTTP_WAITING;
    release_body(c);
    vs_http_reply_clear(&c->reply);
    vs_buf_free(&c->out);
    free(c->in);
    c->in = NULL;
    c->in_len = c->used = 0;
    c->has_head = c->must_drain = false;
    if (cut && c->state != VS_HTTP_DRAINING) count_reply(c, 0);
    nng_stream_close(stream);
    nng_stream_free(stream);
    (void)pthread_mutex_lock(&c->http->mutex);
    c->stream = NULL;
    c->state = VS_HTTP_FREE;
    c->http->counts.connections--;
    (void)pthread_mutex_unlock(&c->http->mutex);
}

static void move_bytes(vs_http_conn *c, void *bytes, size_t len, bool send)
{
    nng_iov iov = {.iov_buf = bytes, .iov_len = len};
    uint64_t now = vs_http_now_ms();
    uint64_t left = c->deadline_ms > now ? c->deadline_ms - now : 1;
    (void)nng_aio_set_iov(c->aio, 1, &iov);
    nng_aio_set_timeout(c->aio, (nng_duration)left);
    if (send) {
        nng_stream_send(c->stream, c->aio);
    } else {
        nng_stream_recv(c->stream, c->aio);
    }
}

/* --- writing ------------------------------------------------------------------------------------
 */

static void read_on(vs_http_conn *c);

/* The reply is out: close, or look at what came behind the request. */
static void reply_is_out(vs_http_conn *c)
{
    bool drain = c->must_drain;
    count_reply(c, c->reply.status);
    release_body(c);
    vs_http_reply_clear(&c->reply);
    vs_buf_reset(&c->out);
    c->out_sent = 0;
    c->has_head = false;
    c->in_len -= c->used;
    memmove(c->in, c->in + c->used, c->in_len);
    c->used = 0;
    if (c->keep_alive) {
        uint64_t now = vs_http_now_ms();
        set_state(c, VS_HTTP_READING, c->in_len == 0 ? now : 0);
        c->deadline_ms = now + (c->in_len == 0 ? c->http->idle_ms : c->http->request_ms);
        read_on(c);
    } else if (drain) {
        set_state(c, VS_HTTP_DRAINING, 0);
        c->deadline_ms = vs_http_now_ms() + DRAIN_MS;
        move_bytes(c, c->in, VS_HTTP_HEAD_MAX, false);
    } else {
        c->in_len = 0;
        set_state(c, VS_HTTP_READING, 0); /* not cut */
        vs_http_conn_end(c);
    }
}

/* The next piece of the file into out. False: the file is shorter than it was. */
static bool read_piece(vs_http_conn *c)
{
    size_t len = c->file_left < PIECE ? (size_t)c->file_left : PIECE;
    vs_buf_reset(&c->out);
    c->out_sent = 0;
    uint8_t *p = vs_buf_extend(&c->out, len);
    if (p == NULL || pread(c->reply.fd, p, len, (off_t)c->file_at) != (ssize_t)len) return false;
    c->file_at += len;
    c->file_left -= len;
    return true;
}

static void write_on(vs_http_conn *c)
{
    if (c->out_sent == c->out.len && c->file_left > 0 && !read_piece(c)) {
        vs_http_conn_end(c);
        return;
    }
    if (c->out_sent == c->out.len) {
        reply_is_out(c);
        return;
    }
    move_bytes(c, c->out.p + c->out_sent, c->out.len - c->out_sent, true);
}

static void start_writing(vs_http_conn *c)
{
    vs_http_response *r = &c->reply;
    if (vs_buf_check(&r->body) != VS_OK || vs_buf_check(&r->headers) != VS_OK) {
        vs_http_reply_clear(r);
        vs_http_response_text(r, 500, "out of memory");
        c->keep_alive = false;
    }
    VS_ASSERT(r->status >= 200 && r->status <= 599);
    uint64_t len = r->fd >= 0 ? r->file_len : r->body.len;
    bool has_body = !c->head.is_head && r->status != 204 && r->status != 304;
    vs_http_reply_head(&c->out, r, c->keep_alive);
    if (has_body && r->fd < 0) vs_buf_bytes(&c->out, r->body.p, r->body.len);
    vs_buf_free(&r->body);
    c->file_at = 0;
    c->file_left = has_body && r->fd >= 0 ? r->file_len : 0;
    c->deadline_ms =
        vs_http_now_ms() + c->http->write_ms + (has_body ? len / WRITE_BYTES_PER_MS : 0);
    set_state(c, VS_HTTP_WRITING, 0);
    if (vs_buf_check(&c->out) != VS_OK) {
        vs_http_conn_end(c);
    } else {
        write_on(c);
    }
}

/* --- serving ------------------------------------------------------------------------------------
 */

/* Refuse before the request was read whole: the connection ends with it. */
static void refuse(vs_http_conn *c, uint16_t status, const char *why)
{
    c->keep_alive = false;
    c->must_drain = true;
    vs_http_response_text(&c->reply, status, why);
    if (status == 405) {
        char methods[64];
        vs_http_methods(c->http, c->head.path, methods);
        vs_http_response_header(&c->reply, "Allow", methods);
    }
    start_writing(c);
}

void vs_http_conn_serve(vs_http_conn *c)
{
    vs_http_request request = {.method = c->head.method,
                               .path = c->head.path,
                               .query = c->head.query,
                               .body = c->body,
                               .body_len = c->body_len,
                               .head = &c->head};
    uint16_t status;
    (void)vs_http_find(c->http, c->head.method, c->head.path, &request.rest, &status);
    c->route->handler(c->route->ctx, &request, &c->reply);
    start_writing(c);
}

static void hand_to_loop(vs_http_conn *c)
{
    vs_http *http = c->http;
    (void)pthread_mutex_lock(&http->mutex);
    c->state = VS_HTTP_WAITING;
    c->next_pending = NULL;
    if (http->first_pending == NULL) {
        http->first_pending = c;
    } else {
        http->last_pending->next_pending = c;
    }
    http->last_pending = c;
    (void)pthread_mutex_unlock(&http->mutex);
    if (http->wake != NULL) http->wake(http->wake_ctx);
}

/* --- reading ------------------------------------------------------------------------------------
 */

/* Memory for the body, within what all may have together. */
static bool take_body(vs_http_conn *c, size_t len)
{
    (void)pthread_mutex_lock(&c->http->mutex);
    bool fits = c->http->body_bytes + len <= VS_HTTP_BODIES_MAX;
    if (fits) c->body = malloc(len);
    if (c->body != NULL) c->http->body_bytes += len;
    (void)pthread_mutex_unlock(&c->http->mutex);
    c->body_len = c->body != NULL ? len : 0;
    c->body_got = 0;
    return c->body != NULL;
}

static const char *refusal(uint16_t status)
{
    switch (status) {
    case 404: return "not found";
    case 405: return "this path has another method";
    case 413: return "the body is too large";
    case 414: return "the path is too long";
    case 417: return "no expectations, please";
    case 431: return "the header is too large";
    case 501: return "give the body's Content-Length instead of a transfer coding";
    case 503: return "too many bodies at once: try again";
    case 505: return "HTTP/1.1 or HTTP/1.0 only";
    default: return "not a request that this server understands";
    }
}

/* Find out what it wants. 0, or the status to refuse it with. */
static uint16_t look_at_head(vs_http_conn *c, size_t head_len)
{
    const char *rest;
    uint16_t status = vs_http_head_read(&c->head, c->in, head_len);
    if (status != 0) return status;
    c->has_head = true;
    c->used = head_len;
    c->keep_alive = c->head.keep_alive;
    c->route = vs_http_find(c->http, c->head.method, c->head.path, &rest, &status);
    if (c->route == NULL) return status;
    if (c->head.content_length > c->route->body_max) return 413;
    size_t body_len = (size_t)c->head.content_length;
    if (body_len > 0 && !take_body(c, body_len)) return 503;
    size_t behind = c->in_len - head_len;
    c->body_got = behind < body_len ? behind : body_len;
    if (c->body_got > 0) memcpy(c->body, c->in + head_len, c->body_got);
    c->used += c->body_got;
    return 0;
}

/* Do what the bytes so far allow, then wait for more. */
static void read_on(vs_http_conn *c)
{
    if (!c->has_head) {
        size_t head_len = vs_http_head_length(c->in, c->in_len);
        uint16_t status = head_len == 0 && c->in_len == VS_HTTP_HEAD_MAX ? 431 : 0;
        if (head_len > 0) status = look_at_head(c, head_len);
        if (status == 404 && c->head.content_length == 0) {
            vs_http_response_text(&c->reply, status, refusal(status));
            start_writing(c);
            return;
        }
        if (status != 0) {
            refuse(c, status, refusal(status));
            return;
        }
        if (head_len == 0) {
            move_bytes(c, c->in + c->in_len, VS_HTTP_HEAD_MAX - c->in_len, false);
            return;
        }
    }
    if (c->body_got < c->body_len) {
        move_bytes(c, c->body + c->body_got, c->body_len - c->body_got, false);
    } else if (c->route->kind == VS_HTTP_IN_LOOP) {
        hand_to_loop(c);
    } else {
        vs_http_conn_serve(c);
    }
}

void vs_http_conn_begin(vs_http_conn *c)
{
    c->in = malloc(VS_HTTP_HEAD_MAX);
    c->deadline_ms = vs_http_now_ms() + c->http->idle_ms;
    if (c->in == NULL) {
        vs_http_conn_end(c);
    } else {
        read_on(c);
    }
}

static void on_read(vs_http_conn *c, size_t n)
{
    if (c->has_head) {
        c->body_got += n;
    } else {
        if (c->in_len == 0) {
            c->deadline_ms = vs_http_now_ms() + c->http->request_ms;
            set_state(c, VS_HTTP_READING, 0);
        }
        c->in_len += n;
    }
    read_on(c);
}

void vs_http_on_io(void *conn)
{
    vs_http_conn *c = conn;
    size_t n = nng_aio_count(c->aio);
    if (nng_aio_result(c->aio) != 0) {
        vs_http_conn_end(c);
        return;
    }
    switch (c->state) {
    case VS_HTTP_READING: on_read(c, n); break;
    case VS_HTTP_WRITING:
        c->out_sent += n;
        write_on(c);
        break;
    case VS_HTTP_DRAINING: move_bytes(c, c->in, VS_HTTP_HEAD_MAX, false); break;
    case VS_HTTP_FREE:
    case VS_HTTP_WAITING: VS_ASSERT(!"no operation is under way");
    }
}
