#include <criterion/criterion.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "net/http.h"
#include "net/http_impl.h"
#include "tests/net/support_proxy.h"
#include "tests/support.h"

/* --- a client of bare sockets -------------------------------------------------------------------
 */

static int dial(const vs_http *http)
{
    int fd = vs_test_connect(vs_http_port(http));
    struct timeval patience = {.tv_sec = 20};
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    return fd;
}

static void say_bytes(int fd, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0) return; /* the server may have refused already */
        p += n;
        len -= (size_t)n;
    }
}

static void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

typedef struct heard {
    char *text; /* head and body, zero-terminated */
    size_t len;
    unsigned status;
    const char *body;
    size_t body_len;
} heard;

static size_t content_length(const char *text)
{
    const char *at = strstr(text, "Content-Length: ");
    return at == NULL ? 0 : strtoul(at + 16, NULL, 10);
}

/* One reply; status 0 when the connection ended without one. */
static heard listen_for(int fd, bool has_body)
{
    heard h = {.text = calloc(1, 1)};
    for (;;) {
        char *end = strstr(h.text, "\r\n\r\n");
        if (end != NULL) {
            h.body = end + 4;
            h.body_len = has_body ? content_length(h.text) : 0;
            if (h.len - (size_t)(h.body - h.text) >= h.body_len) break;
        }
        /* No byte of the next reply: one at a time until the head is there. */
        size_t want = end == NULL ? 1 : h.body_len - (h.len - (size_t)(h.body - h.text));
        h.text = realloc(h.text, h.len + want + 1);
        ssize_t n = recv(fd, h.text + h.len, want, 0);
        if (n <= 0) return h;
        h.len += (size_t)n;
        h.text[h.len] = '\0';
    }
    h.status = (unsigned)strtoul(h.text + 9, NULL, 10);
    return h;
}

static unsigned ask(const vs_http *http, const char *request)
{
    int fd = dial(http);
    say(fd, request);
    heard h = listen_for(fd, true);
    unsigned status = h.status;
    free(h.text);
    (void)close(fd);
    return status;
}

static bool is_closed(int fd)
{
    char c;
    return recv(fd, &c, 1, 0) <= 0;
}

/* --- the server ---------------------------------------------------------------------------------
 */

static void echo(void *ctx, const vs_http_request *request, vs_http_response *response)
{
    (void)ctx;
    vs_buf_printf(&response->body, "%s|%s|%s|", request->path, request->rest, request->query);
    vs_buf_bytes(&response->body, request->body, request->body_len);
    const char *extra = vs_http_request_header(request, "x-extra");
    if (extra != NULL) vs_http_response_header(response, "X-Extra", extra);
}

static vs_http *server(void)
{
    vs_http *http;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_http_new(&http, "http://127.0.0.1:0", &diag), VS_OK, "%s", diag.text);
    vs_http_route get = {.method = "GET", .path = "/get", .handler = echo};
    vs_http_route tree = {.method = "GET", .path = "/tile", .is_prefix = true, .handler = echo};
    vs_http_route post = {.method = "POST", .path = "/post", .body_max = 100000, .handler = echo};
    vs_http_route both = {.method = "POST", .path = "/get", .body_max = 10, .handler = echo};
    vs_http_add(http, &get);
    vs_http_add(http, &tree);
    vs_http_add(http, &post);
    vs_http_add(http, &both);
    return http;
}

static vs_http *started(void)
{
    vs_http *http = server();
    vs_http_start(http, NULL, NULL);
    return http;
}

#define HOST "Host: x\r\n"

Test(http, serves_a_route_with_path_query_and_headers)
{
    vs_http *http = started();
    int fd = dial(http);
    say(fd, "GET /tile/0/x%30%31?a=b%20c HTTP/1.1\r\n" HOST "x-EXTRA:  hello \r\n\r\n");
    heard h = listen_for(fd, true);
    cr_expect_eq(h.status, 200u);
    cr_expect_str_eq(h.body, "/tile/0/x01|0/x01|a=b%20c|");
    cr_expect_not_null(strstr(h.text, "\r\nX-Extra: hello\r\n"));
    cr_expect_not_null(strstr(h.text, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    cr_expect_not_null(strstr(h.text, "\r\nCache-Control: no-store\r\n"));
    cr_expect_not_null(strstr(h.text, "\r\nDate: "));
    free(h.text);
    (void)close(fd);
    vs_http_free(http);
}

Test(http, serves_one_request_after_the_other_also_when_sent_at_once)
{
    vs_http *http = started();
    int fd = dial(http);
    say(fd, "GET /get?1 HTTP/1.1\r\n" HOST "\r\n"
            "POST /post HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
            "HEAD /get HTTP/1.1\r\n" HOST "\r\n"
            "GET /none HTTP/1.1\r\n" HOST "\r\n"
            "GET /get?2 HTTP/1.0\r\n\r\n");
    static const char *const body[] = {"/get||1|", "/post|||abc", "", "not found\n", "/get||2|"};
    for (size_t i = 0; i < 5; i++) {
        heard h = listen_for(fd, i != 2);
        cr_expect_eq(h.status, i == 3 ? 404u : 200u, "reply %zu: %s", i, h.text);
        cr_expect_str_eq(h.body == NULL ? "?" : h.body, body[i], "reply %zu", i);
        free(h.text);
    }
    cr_expect(is_closed(fd), "HTTP/1.0 ends the connection");
    (void)close(fd);
    vs_http_counts counts = vs_http_count(http);
    cr_expect_eq(counts.requests[2], 4u);
    cr_expect_eq(counts.requests[4], 1u);
    vs_http_free(http);
}

Test(http, reads_a_body_that_comes_in_pieces)
{
    vs_http *http = started();
    int fd = dial(http);
    char *body = malloc(100000);
    memset(body, 'b', 100000);
    say(fd, "POST /post HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    for (size_t at = 0; at < 100000; at += 10000) {
        struct timespec ts = {.tv_nsec = 2000000};
        say_bytes(fd, body + at, 10000);
        (void)nanosleep(&ts, NULL);
    }
    heard h = listen_for(fd, true);
    cr_expect_eq(h.status, 200u);
    cr_expect_eq(h.body_len, 100000u + strlen("/post|||"));
    cr_expect(memcmp(h.body + 8, body, 100000) == 0);
    free(h.text);
    free(body);
    (void)close(fd);
    vs_http_free(http);
}

Test(http, refuses_what_it_does_not_understand_with_the_right_status)
{
    static const struct {
        const char *request;
        unsigned status;
    } cases[] = {
        {"GET /none HTTP/1.1\r\n" HOST "\r\n", 404},
        {"GET /getx HTTP/1.1\r\n" HOST "\r\n", 404},
        {"GET /get/x HTTP/1.1\r\n" HOST "\r\n", 404},
        {"PUT /get HTTP/1.1\r\n" HOST "\r\n", 405},
        {"GET /get HTTP/1.1\r\n\r\n", 400},
        {"GET /get HTTP/1.1\r\n" HOST HOST "\r\n", 400},
        {"GET /get HTTP/2.0\r\n" HOST "\r\n", 505},
        {"GET /get\r\n\r\n", 400},
        {"GET  /get HTTP/1.1\r\n" HOST "\r\n", 400},
        {"G\x01T /get HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET get HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET http://x/get HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /tile/../get HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /tile/%2e%2E/get HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /tile/..%2fget HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /tile/./get HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /tile//get HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /tile/%00 HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /tile/%0a HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /tile/%5cx HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /tile/%2 HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /tile/%zz HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /get HTTP/1.1\r\n" HOST " folded: x\r\n\r\n", 400},
        {"GET /get HTTP/1.1\r\n" HOST "no colon\r\n\r\n", 400},
        {"GET /get HTTP/1.1\r\n" HOST "a b: c\r\n\r\n", 400},
        {"GET /get HTTP/1.1\r\n" HOST "a: \x02\r\n\r\n", 400},
        {"GET /get HTTP/1.1\n" HOST "\r\n\r\n", 400},
        {"\r\n\r\n", 400},
        {"POST /post HTTP/1.1\r\n" HOST "Content-Length: 5x\r\n\r\n", 400},
        {"POST /post HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
        {"POST /post HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\n", 400},
        {"POST /post HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {"POST /post HTTP/1.1\r\n" HOST "Content-Length: 100001\r\n\r\n", 413},
        {"POST /post HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", 400},
        {"GET /get HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", 413},
        {"POST /post HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 501},
        {"POST /post HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", 417},
    };
    vs_http *http = started();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_eq(ask(http, cases[i].request), cases[i].status, "%s", cases[i].request);
    }
    cr_expect_eq(ask(http, "GET /get HTTP/1.1\r\n" HOST "\r\n"), 200u);
    vs_http_free(http);
}

Test(http, says_which_methods_a_path_has)
{
    vs_http *http = started();
    int fd = dial(http);
    say(fd, "DELETE /get HTTP/1.1\r\n" HOST "\r\n");
    heard h = listen_for(fd, true);
    cr_expect_eq(h.status, 405u);
    cr_expect_not_null(strstr(h.text, "\r\nAllow: GET, POST\r\n"));
    free(h.text);
    (void)close(fd);
    vs_http_free(http);
}

Test(http, bounds_the_head_and_the_path)
{
    vs_http *http = started();
    char *text = malloc(20000);
    (void)snprintf(text, 20000, "GET /%03000d HTTP/1.1\r\n" HOST "\r\n", 0);
    cr_expect_eq(ask(http, text), 414u);
    (void)snprintf(text, 20000, "GET /get HTTP/1.1\r\n" HOST "a: %010000d\r\n\r\n", 0);
    cr_expect_eq(ask(http, text), 431u);
    int n = snprintf(text, 20000, "GET /get HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 64; i++) n += snprintf(text + n, 20000 - (size_t)n, "a: b\r\n");
    (void)snprintf(text + n, 20000 - (size_t)n, "\r\n");
    cr_expect_eq(ask(http, text), 431u, "65 header lines");
    free(text);
    vs_http_free(http);
}

/* The client is still sending when the refusal comes, and must be able to read it. */
Test(http, refuses_a_large_body_so_that_the_client_hears_it)
{
    vs_http *http = started();
    char *body = calloc(1, 3000000);
    int fd = dial(http);
    say(fd, "POST /post HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n");
    say_bytes(fd, body, 3000000);
    heard h = listen_for(fd, true);
    cr_expect_eq(h.status, 413u);
    free(h.text);
    free(body);
    (void)close(fd);
    vs_http_free(http);
}

Test(http, a_slow_request_is_ended_and_a_slow_reader_too)
{
    vs_http *http = server();
    char *dir = vs_test_folder_new();
    char path[4096];
    http->request_ms = 300;
    http->idle_ms = 300;
    http->write_ms = 300;
    vs_http_add_folder(http, "/files", dir, "no-store");
    (void)snprintf(path, sizeof path, "%s/big", dir);
    cr_assert_eq(truncate((fclose(fopen(path, "w")), path), 64 << 20), 0);
    vs_http_start(http, NULL, NULL);
    int slow = dial(http), idle = dial(http), reader = dial(http);
    say(slow, "GET /get HT");
    cr_expect(is_closed(slow));
    cr_expect(is_closed(idle));
    /* 64 MiB at 32 bytes a ms would be half an hour: only look that it does not hang in free. */
    say(reader, "GET /files/big HTTP/1.1\r\n" HOST "\r\n");
    (void)close(slow);
    (void)close(idle);
    vs_http_free(http);
    (void)close(reader);
    vs_test_folder_remove(dir);
}

Test(http, idle_connections_make_room_for_new_ones)
{
    enum { N = 400 };
    static int fd[N];
    vs_http *http = started();
    for (int i = 0; i < N; i++) {
        fd[i] = dial(http);
        if (i % 3 == 0) say(fd[i], "GET /get HTTP/1.1\r\n" HOST "\r\n");
        if (i % 20 == 0)
            cr_expect_eq(ask(http, "GET /get HTTP/1.1\r\n" HOST "\r\n"), 200u, "%d", i);
    }
    cr_expect_eq(ask(http, "GET /get HTTP/1.1\r\n" HOST "\r\n"), 200u);
    cr_expect_leq(vs_http_count(http).connections, (uint64_t)VS_HTTP_PLACES);
    for (int i = 0; i < N; i++) (void)close(fd[i]);
    vs_http_free(http);
}

/* --- folders ------------------------------------------------------------------------------------
 */

static void put(const char *dir, const char *name, const char *text)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

Test(http, serves_a_folder_and_nothing_outside_it)
{
    static const struct {
        const char *path;
        unsigned status;
        const char *type, *body;
    } cases[] = {{"/", 200, "text/html; charset=utf-8", "<p>"},
                 {"/index.html", 200, "text/html; charset=utf-8", "<p>"},
                 {"/a.js", 200, "text/javascript; charset=utf-8", "1"},
                 {"/a.JSON", 200, "application/json", "{}"},
                 {"/sub/x001", 200, "application/octet-stream", "tile"},
                 {"/sub", 404, NULL, NULL},
                 {"/sub/", 404, NULL, NULL},
                 {"/a.js/", 404, NULL, NULL},
                 {"/.hidden", 404, NULL, NULL},
                 {"/link", 404, NULL, NULL},
                 {"/pipe", 404, NULL, NULL},
                 {"/../secret", 400, NULL, NULL},
                 {"/%2e%2e/secret", 400, NULL, NULL},
                 {"/sub/%2e%2e%2f%2e%2e/secret", 400, NULL, NULL}};
    char *top = vs_test_folder_new();
    char dir[4000], path[4096];
    (void)snprintf(dir, sizeof dir, "%s/www", top);
    cr_assert_eq(mkdir(dir, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/sub", dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    put(top, "secret", "secret");
    put(dir, "index.html", "<p>");
    put(dir, "a.js", "1");
    put(dir, "a.JSON", "{}");
    put(dir, ".hidden", "hidden");
    put(dir, "sub/x001", "tile");
    (void)snprintf(path, sizeof path, "%s/link", dir);
    cr_assert_eq(symlink("../secret", path), 0);
    (void)snprintf(path, sizeof path, "%s/pipe", dir);
    cr_assert_eq(mkfifo(path, 0600), 0);
    vs_http *http = server();
    vs_http_add_folder(http, "", dir, "max-age=60");
    vs_http_start(http, NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char request[256];
        int fd = dial(http);
        (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].path);
        say(fd, request);
        heard h = listen_for(fd, true);
        cr_expect_eq(h.status, cases[i].status, "%s", cases[i].path);
        if (cases[i].type != NULL) {
            cr_expect_not_null(strstr(h.text, cases[i].type), "%s", cases[i].path);
            cr_expect_not_null(strstr(h.text, "Cache-Control: max-age=60\r\n"));
            cr_expect_str_eq(h.body, cases[i].body);
        }
        free(h.text);
        (void)close(fd);
    }
    vs_http_free(http);
    vs_test_folder_remove(top);
}

Test(http, sends_a_large_file_whole_and_its_length_for_head)
{
    enum { LEN = 3000001 };
    char *dir = vs_test_folder_new();
    char path[4096];
    uint8_t *bytes = malloc(LEN);
    vs_test_bytes(bytes, LEN, 1);
    (void)snprintf(path, sizeof path, "%s/blob", dir);
    FILE *f = fopen(path, "w");
    cr_assert_eq(fwrite(bytes, 1, LEN, f), (size_t)LEN);
    (void)fclose(f);
    vs_http *http = server();
    vs_http_add_folder(http, "/f", dir, "no-store");
    vs_http_start(http, NULL, NULL);
    int fd = dial(http);
    say(fd, "HEAD /f/blob HTTP/1.1\r\n" HOST "\r\n");
    heard h = listen_for(fd, false);
    cr_expect_eq(h.status, 200u);
    cr_expect_eq(content_length(h.text), (size_t)LEN);
    free(h.text);
    say(fd, "GET /f/blob HTTP/1.1\r\n" HOST "\r\n");
    h = listen_for(fd, true);
    cr_expect_eq(h.body_len, (size_t)LEN);
    cr_expect(memcmp(h.body, bytes, LEN) == 0);
    free(h.text);
    free(bytes);
    (void)close(fd);
    vs_http_free(http);
    vs_test_folder_remove(dir);
}

/* --- the loop's thread --------------------------------------------------------------------------
 */

typedef struct loop {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    unsigned wakes, served;
} loop;

static void wake(void *ctx)
{
    loop *l = ctx;
    (void)pthread_mutex_lock(&l->mutex);
    l->wakes++;
    (void)pthread_cond_signal(&l->woken);
    (void)pthread_mutex_unlock(&l->mutex);
}

static void in_loop(void *ctx, const vs_http_request *request, vs_http_response *response)
{
    loop *l = ctx;
    (void)request;
    cr_expect(pthread_equal(pthread_self(), l->thread), "the handler runs on the loop's thread");
    l->served++;
    vs_buf_text(&response->body, "from the loop");
}

Test(http, hands_requests_to_the_loop)
{
    enum { N = 20 };
    loop l = {.thread = pthread_self(), .mutex = PTHREAD_MUTEX_INITIALIZER};
    (void)pthread_cond_init(&l.woken, NULL);
    vs_http *http = server();
    vs_http_route route = {
        .method = "GET", .path = "/loop", .kind = VS_HTTP_IN_LOOP, .handler = in_loop, .ctx = &l};
    vs_http_add(http, &route);
    vs_http_start(http, wake, &l);
    int fd[N];
    for (int i = 0; i < N; i++) {
        fd[i] = dial(http);
        say(fd[i], "GET /loop HTTP/1.1\r\n" HOST "\r\n");
    }
    while (l.served < N) {
        (void)pthread_mutex_lock(&l.mutex);
        while (l.wakes == 0) (void)pthread_cond_wait(&l.woken, &l.mutex);
        l.wakes--;
        (void)pthread_mutex_unlock(&l.mutex);
        vs_http_serve_pending(http);
    }
    for (int i = 0; i < N; i++) {
        heard h = listen_for(fd[i], true);
        cr_expect_str_eq(h.body, "from the loop");
        free(h.text);
    }
    /* Freed while a request waits for the loop, and while one is half there. */
    say(fd[0], "GET /loop HTTP/1.1\r\n" HOST "\r\n");
    say(fd[1], "GET /loop HTTP");
    (void)pthread_mutex_lock(&l.mutex);
    while (l.wakes == 0) (void)pthread_cond_wait(&l.woken, &l.mutex);
    (void)pthread_mutex_unlock(&l.mutex);
    vs_http_free(http);
    for (int i = 0; i < N; i++) {
        cr_expect(is_closed(fd[i]));
        (void)close(fd[i]);
    }
}

/* --- addresses ----------------------------------------------------------------------------------
 */

Test(http, listens_on_ipv6_and_says_what_is_wrong_with_an_address)
{
    static const char *const bad[] = {"",           "tcp://127.0.0.1:1", "http://127.0.0.1",
                                      "http://:80", "http://x:99999",    "http://[::1:80",
                                      "https://x:1"};
    vs_diag diag = {{0}};
    vs_http *http;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(vs_http_new(&http, bad[i], &diag), VS_ERR_MALFORMED, "%s", bad[i]);
        cr_expect_null(http);
    }
    cr_assert_eq(vs_http_new(&http, "http://[::1]:0", &diag), VS_OK, "%s", diag.text);
    vs_http_start(http, NULL, NULL);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                              .sin6_port = htons(vs_http_port(http)),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    say(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    heard h = listen_for(fd, true);
    cr_expect_eq(h.status, 404u);
    free(h.text);
    (void)close(fd);
    char same[64];
    vs_http *other;
    (void)snprintf(same, sizeof same, "http://[::1]:%u", (unsigned)vs_http_port(http));
    cr_expect_eq(vs_http_new(&other, same, &diag), VS_ERR_IO);
    cr_expect_not_null(strstr(diag.text, same), "%s", diag.text);
    cr_expect_not_null(strstr(diag.text, "in use"), "%s", diag.text);
    vs_http_free(http);
}
