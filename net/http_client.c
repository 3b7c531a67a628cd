#include "net/http_client.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/supplemental/http/http.h>
#include <nng/supplemental/tls/tls.h>

enum { URL_BYTES = 1024, PIECE_BYTES = 65536 };

struct vs_http_client {
    char base[URL_BYTES]; /* without a final '/' */
    nng_url *url;
    nng_http_client *client;
    nng_http_conn *conn; /* NULL: none now */
    nng_aio *aio;
};

static vs_err failed(const char *url, int rv, const char *doing, vs_diag *diag)
{
    vs_err err = rv == NNG_ETIMEDOUT ? VS_ERR_TIMEOUT : rv == NNG_ENOMEM ? VS_ERR_NOMEM : VS_ERR_IO;
    return vs_fail(diag, err, "%s: cannot %s: %s", url, doing, nng_strerror(rv));
}

/* --- making ------------------------------------------------------------------------------------
 */

static vs_err use_tls(vs_http_client *c, vs_diag *diag)
{
    nng_tls_config *tls = NULL;
    const char *named = getenv("SSL_CERT_FILE");
    const char *file = named != NULL ? named : "/etc/ssl/certs/ca-certificates.crt";
    int rv = nng_tls_config_alloc(&tls, NNG_TLS_MODE_CLIENT);
    if (rv == 0) rv = nng_tls_config_auth_mode(tls, NNG_TLS_AUTH_MODE_REQUIRED);
    if (rv == 0) rv = nng_tls_config_server_name(tls, c->url->u_hostname);
    if (rv == 0) rv = nng_tls_config_ca_file(tls, file);
    if (rv == 0) rv = nng_http_client_set_tls(c->client, tls);
    if (tls != NULL) nng_tls_config_free(tls); /* the client holds it */
    return rv == 0 ? VS_OK : failed(c->base, rv, "set up TLS", diag);
}

vs_err vs_http_client_new(vs_http_client **out, const char *base, uint32_t timeout_ms,
                          vs_diag *diag)
{
    size_t len = strlen(base);
    *out = NULL;
    while (len > 0 && base[len - 1] == '/') len--;
    bool tls = strncmp(base, "https://", 8) == 0;
    if ((strncmp(base, "http://", 7) != 0 && !tls) || len >= URL_BYTES || len < 8) {
        return vs_fail(diag, VS_ERR_MALFORMED, "\"%.200s\" is not http://HOST[:PORT][/PREFIX]",
                       base);
    }
    vs_http_client *c = calloc(1, sizeof *c);
    if (c == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    memcpy(c->base, base, len);
    int rv = nng_url_parse(&c->url, c->base);
    if (rv == 0 && c->url->u_hostname[0] == '\0') rv = NNG_EADDRINVAL;
    if (rv == 0) rv = nng_http_client_alloc(&c->client, c->url);
    if (rv == 0) rv = nng_aio_alloc(&c->aio, NULL, NULL);
    vs_err err = rv == 0 ? VS_OK : failed(c->base, rv, "use this URL", diag);
    if (err == VS_ERR_IO) err = VS_ERR_MALFORMED;
    if (err == VS_OK) nng_aio_set_timeout(c->aio, (nng_duration)timeout_ms);
    if (err == VS_OK && tls) err = use_tls(c, diag);
    if (err != VS_OK) {
        vs_http_client_free(c);
        return err;
    }
    *out = c;
    return VS_OK;
}

static void hang_up(vs_http_client *c)
{
    if (c->conn != NULL) nng_http_conn_close(c->conn);
    c->conn = NULL;
}

void vs_http_client_free(vs_http_client *c)
{
    if (c == NULL) return;
    hang_up(c);
    if (c->aio != NULL) nng_aio_free(c->aio);
    if (c->client != NULL) nng_http_client_free(c->client);
    if (c->url != NULL) nng_url_free(c->url);
    free(c);
}

/* --- one request -------------------------------------------------------------------------------
 */

typedef struct exchange {
    vs_http_client *c;
    char url[URL_BYTES + 256];
    const void *body;
    size_t len, max;
    nng_http_req *req;
    nng_http_res *res;
    vs_http_reply *reply;
    vs_diag *diag;
} exchange;

static int wait_for(vs_http_client *c)
{
    nng_aio_wait(c->aio);
    return nng_aio_result(c->aio);
}

static vs_err connect_to(exchange *x)
{
    if (x->c->conn != NULL) return VS_OK;
    nng_http_client_connect(x->c->client, x->c->aio);
    int rv = wait_for(x->c);
    if (rv != 0) return failed(x->url, rv, "connect", x->diag);
    x->c->conn = nng_aio_get_output(x->c->aio, 0);
    return VS_OK;
}

static int prepare(exchange *x)
{
    nng_url *url = NULL;
    int rv = nng_url_parse(&url, x->url);
    if (rv == 0) rv = nng_http_req_alloc(&x->req, url);
    if (url != NULL) nng_url_free(url);
    if (rv == 0) rv = nng_http_res_alloc(&x->res);
    if (rv == 0 && x->body != NULL) {
        rv = nng_http_req_set_method(x->req, "POST");
        if (rv == 0) rv = nng_http_req_copy_data(x->req, x->body, x->len);
        if (rv == 0) {
            rv = nng_http_req_set_header(x->req, "Content-Type", "text/plain; charset=utf-8");
        }
    }
    return rv;
}

/* The head of the reply. */
static int ask(exchange *x)
{
    nng_http_conn_write_req(x->c->conn, x->req, x->c->aio);
    int rv = wait_for(x->c);
    if (rv != 0) return rv;
    nng_http_conn_read_res(x->c->conn, x->res, x->c->aio);
    return wait_for(x->c);
}

static vs_err read_piece(exchange *x, size_t want, size_t *got)
{
    uint8_t *at = vs_buf_extend(&x->reply->body, want);
    if (at == NULL) return vs_fail(x->diag, VS_ERR_NOMEM, "%s: out of memory", x->url);
    nng_iov iov = {.iov_buf = at, .iov_len = want};
    int rv = nng_aio_set_iov(x->c->aio, 1, &iov);
    if (rv == 0) {
        nng_http_conn_read(x->c->conn, x->c->aio);
        rv = wait_for(x->c);
    }
    *got = rv == 0 ? nng_aio_count(x->c->aio) : 0;
    x->reply->body.len -= want - *got;
    if (rv == NNG_ECLOSED || rv == NNG_ECONNSHUT) return VS_OK; /* the end */
    return rv == 0 ? VS_OK : failed(x->url, rv, "read the reply", x->diag);
}

/* As long as Content-Length says, else until the server hangs up; max at most. */
static vs_err read_body(exchange *x, const char *length)
{
    unsigned long long n = 0;
    char *end = NULL;
    if (length != NULL) {
        n = strtoull(length, &end, 10);
        if (end == length || *end != '\0' || length[0] == '-') {
            return vs_fail(x->diag, VS_ERR_MALFORMED, "%s: Content-Length is no number", x->url);
        }
    }
    if (n > x->max) {
        return vs_fail(x->diag, VS_ERR_LIMIT, "%s: %llu bytes, at most %zu are taken", x->url, n,
                       x->max);
    }
    for (;;) {
        size_t have = x->reply->body.len;
        size_t left = length != NULL ? (size_t)n - have : x->max + 1 - have;
        size_t got = 0;
        if (left == 0) break;
        vs_err err = read_piece(x, left < PIECE_BYTES ? left : PIECE_BYTES, &got);
        if (err != VS_OK) return err;
        if (got == 0) break;
    }
    if (length != NULL && x->reply->body.len < n) {
        return vs_fail(x->diag, VS_ERR_IO, "%s: the reply was cut short", x->url);
    }
    if (x->reply->body.len > x->max) {
        return vs_fail(x->diag, VS_ERR_LIMIT, "%s: more than %zu bytes", x->url, x->max);
    }
    return VS_OK;
}

static vs_err take_reply(exchange *x)
{
    const char *type = nng_http_res_get_header(x->res, "Content-Type");
    const char *coding = nng_http_res_get_header(x->res, "Transfer-Encoding");
    const char *length = nng_http_res_get_header(x->res, "Content-Length");
    const char *keep = nng_http_res_get_header(x->res, "Connection");
    const char *version = nng_http_res_get_version(x->res);
    x->reply->status = nng_http_res_get_status(x->res);
    if (type != NULL) {
        (void)snprintf(x->reply->content_type, sizeof x->reply->content_type, "%s", type);
    }
    if (coding != NULL) {
        return vs_fail(x->diag, VS_ERR_MALFORMED, "%s: a reply with Transfer-Encoding %.40s",
                       x->url, coding);
    }
    if (x->reply->status >= 300 && x->reply->status < 400) {
        const char *where = nng_http_res_get_header(x->res, "Location");
        return vs_fail(x->diag, VS_ERR_IO, "%s: is redirected to %.200s: give that URL", x->url,
                       where == NULL ? "nowhere" : where);
    }
    vs_err err = read_body(x, length);
    bool kept = err == VS_OK && length != NULL && strcmp(version, "HTTP/1.1") == 0 &&
                (keep == NULL || strcmp(keep, "close") != 0);
    if (!kept) hang_up(x->c);
    return err;
}

vs_err vs_http_client_call(vs_http_client *c, const char *name, const void *body, size_t len,
                           size_t max, vs_http_reply *reply, vs_diag *diag)
{
    exchange x = {.c = c, .body = body, .len = len, .max = max, .reply = reply, .diag = diag};
    *reply = (vs_http_reply){0};
    int n = snprintf(x.url, sizeof x.url, "%s/%s", c->base, name);
    if (n < 0 || n >= (int)sizeof x.url)
        return vs_fail(diag, VS_ERR_LIMIT, "%s: too long", c->base);
    bool again = c->conn != NULL; /* a kept connection may have been closed meanwhile */
    int rv = prepare(&x);
    vs_err err = rv == 0 ? connect_to(&x) : failed(x.url, rv, "ask", diag);
    if (err == VS_OK) {
        rv = ask(&x);
        if (rv != 0 && rv != NNG_ETIMEDOUT && again) {
            hang_up(c);
            err = connect_to(&x);
            if (err == VS_OK) rv = ask(&x);
        }
        if (err == VS_OK) err = rv == 0 ? take_reply(&x) : failed(x.url, rv, "ask", diag);
    }
    if (err != VS_OK) {
        hang_up(c);
        vs_buf_free(&reply->body);
        *reply = (vs_http_reply){0};
    }
    if (x.req != NULL) nng_http_req_free(x.req);
    if (x.res != NULL) nng_http_res_free(x.res);
    return err;
}

/* --- files -------------------------------------------------------------------------------------
 */

static vs_err get_file(void *ctx, const char *name, size_t max, vs_buf *out, vs_diag *diag)
{
    vs_http_client *c = ctx;
    vs_http_reply reply;
    vs_err err = vs_http_client_call(c, name, NULL, 0, max, &reply, diag);
    if (err != VS_OK) return err;
    if (reply.status == 404 || reply.status == 410) {
        err = vs_fail(diag, VS_ERR_STATE, "%s/%s: is not there", c->base, name);
    } else if (reply.status != 200) {
        err = vs_fail(diag, VS_ERR_IO, "%s/%s: status %u", c->base, name, (unsigned)reply.status);
    } else {
        vs_buf_bytes(out, reply.body.p, reply.body.len);
        if (out->failed) err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    vs_buf_free(&reply.body);
    return err;
}

vs_fetch vs_fetch_http(vs_http_client *c)
{
    return (vs_fetch){.get = get_file, .ctx = c};
}
