/* The published log over HTTP: content types, caching, names that are none. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "net/http.h"
#include "net/serve_log.h"
#include "tests/net/support_proxy.h"
#include "tests/support.h"

enum { REPLY_BYTES = 8192 };

/* The whole reply to a GET, zero-terminated. */
static void get(char reply[REPLY_BYTES], const vs_http *http, const char *path)
{
    char request[600];
    size_t len = 0;
    int fd = vs_test_connect(vs_http_port(http));
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    cr_assert_eq(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
    for (ssize_t got = 1; got > 0 && len<REPLY_BYTES - 1; len += got> 0 ? (size_t)got : 0) {
        got = recv(fd, reply + len, REPLY_BYTES - 1 - len, 0);
    }
    reply[len] = '\0';
    (void)close(fd);
}

static void save(const char *dir, const char *name)
{
    char path[500];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    *strrchr(path, '/') = '\0';
    cr_assert_eq(vs_file_make_folders(path, 0755, NULL), VS_OK);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    cr_assert_eq(vs_file_write_durable(path, name, strlen(name), 0644, NULL), VS_OK);
}

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

typedef struct expected {
    const char *path, *status, *type, *cache;
} expected;

Test(serve_log, names_types_and_caching)
{
    static const char forever[] = "Cache-Control: public, max-age=31536000, immutable\r\n";
    static const char fresh[] = "Cache-Control: no-cache\r\n";
    static const expected all[] = {
        {"/checkpoint", "200", "text/plain; charset=utf-8", fresh},
        {"/policy", "200", "text/plain; charset=utf-8", fresh},
        {"/federation.json", "200", "application/json", fresh},
        {"/tile/0/x001/x234/067", "200", "application/octet-stream", forever},
        {"/tile/entries/000.p/7", "200", "application/octet-stream", forever},
        {"/blob/" HEX, "200", "application/octet-stream", forever},
        {"/index.html", "200", "text/html; charset=utf-8", fresh},
        {"/checkpoint.cosigned", "404", NULL, NULL},
        {"/tile/0/000.p/8", "404", NULL, NULL},
        {"/tile/0/0", "404", NULL, NULL},
        {"/tile/0/000.p/256", "404", NULL, NULL},
        {"/tile", "404", NULL, NULL},
        {"/blob/..%2fcheckpoint", "40", NULL, NULL},
        {"/blob/" HEX "00", "404", NULL, NULL},
    };
    char reply[REPLY_BYTES];
    vs_http *http;
    vs_diag diag = {{0}};
    char *dir = vs_test_folder_new();
    for (size_t i = 0; i < 7; i++) save(dir, all[i].path + 1);
    cr_assert_eq(vs_http_new(&http, "http://127.0.0.1:0", &diag), VS_OK, "%s", diag.text);
    vs_serve_log_add(http, dir);
    vs_http_start(http, NULL, NULL);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        get(reply, http, all[i].path);
        cr_expect_eq(strncmp(reply + 9, all[i].status, strlen(all[i].status)), 0, "%s: %s",
                     all[i].path, reply);
        if (all[i].type == NULL) continue;
        cr_expect_not_null(strstr(reply, all[i].type), "%s: %s", all[i].path, reply);
        cr_expect_not_null(strstr(reply, all[i].cache), "%s: %s", all[i].path, reply);
        const char *body = strstr(reply, "\r\n\r\n");
        cr_assert_not_null(body);
        cr_expect_str_eq(body + 4, all[i].path + 1);
        if (strcmp(all[i].path, "/index.html") == 0) continue;
        cr_expect_not_null(strstr(reply, "Access-Control-Allow-Origin: *\r\n"), "%s", reply);
    }
    vs_http_free(http);
    vs_test_folder_remove(dir);
}
