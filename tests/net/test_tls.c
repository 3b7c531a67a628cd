#include <criterion/criterion.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "net/edge.h"
#include "net/tls.h"
#include "tests/net/support_proxy.h"
#include "tests/support.h"

/* --- a folder with a CA and hosts, and a server that answers by the same bytes ------------------
 */

static char *in(const char *dir, const char *name)
{
    char *path = malloc(4096);
    (void)snprintf(path, 4096, "%s/%s", dir, name);
    return path;
}

static void make_ca(const char *dir)
{
    vs_diag diag = {{0}};
    cr_assert_eq(vs_tls_make_ca(dir, "test CA", 30, &diag), VS_OK, "%s", diag.text);
}

static vs_tls *host_of(const char *ca_dir, const char *name, uint32_t days)
{
    static const char *const local[] = {"localhost", "127.0.0.1", "::1"};
    vs_diag diag = {{0}};
    vs_tls *tls;
    char *out = in(ca_dir, name);
    bool is_local = strcmp(name, "local") == 0 || strcmp(name, "expired") == 0;
    vs_err err =
        vs_tls_make_host(ca_dir, out, is_local ? local : &name, is_local ? 3 : 1, days, &diag);
    if (err == VS_OK) err = vs_tls_load(&tls, out, &diag);
    cr_assert_eq(err, VS_OK, "%s", diag.text);
    free(out);
    return tls;
}

static vs_tls *client_of(const char *ca_dir)
{
    vs_diag diag = {{0}};
    vs_tls *tls;
    cr_assert_eq(vs_tls_load(&tls, ca_dir, &diag), VS_OK, "%s", diag.text);
    cr_assert_null(tls->host);
    return tls;
}

typedef struct server {
    vs_edge *edge;
    pthread_t thread;
    atomic_bool stop;
} server;

static void *serve(void *arg)
{
    server *s = arg;
    vs_outbox box = {0};
    while (!atomic_load(&s->stop)) {
        vs_event event;
        if (vs_edge_wait(s->edge, &event, 100) != VS_OK || event.kind != VS_EVENT_REQUEST) continue;
        vs_buf_bytes(&vs_outbox_reply(&box, event.conn)->msg, event.msg, event.len);
        cr_assert_eq(vs_edge_flush(s->edge, &box, NULL), VS_OK);
    }
    vs_outbox_free(&box);
    return NULL;
}

static server *server_new(const char *address, const vs_tls *tls)
{
    vs_diag diag = {{0}};
    server *s = calloc(1, sizeof *s);
    cr_assert_eq(vs_edge_new_tls(&s->edge, address, 8, tls, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(pthread_create(&s->thread, NULL, serve, s), 0);
    return s;
}

static void server_free(server *s)
{
    atomic_store(&s->stop, true);
    vs_edge_wake(s->edge);
    (void)pthread_join(s->thread, NULL);
    vs_edge_free(s->edge);
    free(s);
}

static vs_err call(const char *address, const vs_tls *tls, uint32_t timeout_ms, vs_diag *diag)
{
    vs_buf request = {0}, reply = {0};
    vs_buf_text(&request, "echo");
    vs_err err = vs_edge_call_tls(address, tls, &request, timeout_ms, &reply, diag);
    if (err == VS_OK) {
        cr_expect_eq(reply.len, 4u);
        cr_expect(memcmp(reply.p, "echo", 4) == 0);
    }
    vs_buf_free(&request);
    vs_buf_free(&reply);
    return err;
}

static void address_of(char out[64], const char *scheme, const char *host, uint16_t port)
{
    (void)snprintf(out, 64, "%s://%s:%u", scheme, host, (unsigned)port);
}

/* --- connections --------------------------------------------------------------------------------
 */

Test(tls, a_certificate_of_the_ca_is_accepted_by_name_and_by_address)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    static const char *const listen[] = {"127.0.0.1", "127.0.0.1", "[::1]"};
    char *dir = vs_test_folder_new();
    make_ca(dir);
    vs_tls *host = host_of(dir, "local", 30), *client = client_of(dir);
    for (size_t i = 0; i < 3; i++) {
        char at[64], to[64];
        vs_diag diag = {{0}};
        uint16_t port = vs_test_free_port();
        address_of(at, "tls+tcp", listen[i], port);
        address_of(to, "tls+tcp", hosts[i], port);
        server *s = server_new(at, host);
        for (int k = 0; k < 3; k++) {
            cr_expect_eq(call(to, client, 10000, &diag), VS_OK, "%s", diag.text);
        }
        server_free(s);
    }
    vs_tls_free(host);
    vs_tls_free(client);
    vs_test_folder_remove(dir);
}

Test(tls, another_ca_another_name_and_an_expired_certificate_are_refused)
{
    char *dir = vs_test_folder_new(), *other = vs_test_folder_new();
    make_ca(dir);
    make_ca(other);
    vs_tls *client = client_of(dir);
    struct {
        vs_tls *host;
        const char *what;
    } cases[] = {{host_of(other, "local", 30), "another CA"},
                 {host_of(dir, "elsewhere.example.org", 30), "another name"},
                 {host_of(dir, "expired", 0), "expired"}};
    struct timespec end = {.tv_sec = 1, .tv_nsec = 100000000};
    (void)nanosleep(&end, NULL); /* of the second in which the last one still holds */
    for (size_t i = 0; i < 3; i++) {
        char at[64];
        vs_diag diag = {{0}};
        address_of(at, "tls+tcp", "127.0.0.1", vs_test_free_port());
        server *s = server_new(at, cases[i].host);
        vs_err err = call(at, client, 5000, &diag);
        cr_expect(err == VS_ERR_IO || err == VS_ERR_TIMEOUT, "%s: %d", cases[i].what, err);
        cr_expect_not_null(strstr(diag.text, at), "%s", diag.text);
        cr_expect_not_null(strstr(diag.text, "certificate"), "%s: %s", cases[i].what, diag.text);
        server_free(s);
        vs_tls_free(cases[i].host);
    }
    vs_tls_free(client);
    vs_test_folder_remove(dir);
    vs_test_folder_remove(other);
}

Test(tls, a_listener_may_require_a_certificate_of_the_client)
{
    char *dir = vs_test_folder_new();
    char at[64];
    vs_diag diag = {{0}};
    make_ca(dir);
    vs_tls *host = host_of(dir, "local", 30), *client = client_of(dir);
    vs_tls *known = host_of(dir, "somebody", 30);
    host->require_client = true;
    address_of(at, "tls+tcp", "127.0.0.1", vs_test_free_port());
    server *s = server_new(at, host);
    cr_expect_neq(call(at, client, 3000, &diag), VS_OK);
    cr_expect_eq(call(at, known, 10000, &diag), VS_OK, "%s", diag.text);
    server_free(s);
    vs_tls_free(host);
    vs_tls_free(client);
    vs_tls_free(known);
    vs_test_folder_remove(dir);
}

/* A peer without TLS, garbage, and one that says nothing do not stop others. */
Test(tls, strangers_on_the_port_do_not_stop_others)
{
    char *dir = vs_test_folder_new();
    char at[64], plain[64];
    uint8_t garbage[3000];
    vs_diag diag = {{0}};
    make_ca(dir);
    vs_tls *host = host_of(dir, "local", 30), *client = client_of(dir);
    uint16_t port = vs_test_free_port();
    address_of(at, "tls+tcp", "127.0.0.1", port);
    address_of(plain, "tcp", "127.0.0.1", port);
    server *s = server_new(at, host);
    int fd[20];
    vs_test_bytes(garbage, sizeof garbage, 1);
    for (int i = 0; i < 20; i++) {
        fd[i] = vs_test_connect(port);
        if (i % 2 == 0) (void)send(fd[i], garbage, sizeof garbage, MSG_NOSIGNAL);
    }
    cr_expect_neq(call(plain, NULL, 500, &diag), VS_OK, "plain TCP is not served");
    cr_expect_eq(call(at, client, 10000, &diag), VS_OK, "%s", diag.text);
    for (int i = 0; i < 20; i++) (void)close(fd[i]);
    server_free(s);
    vs_tls_free(host);
    vs_tls_free(client);
    vs_test_folder_remove(dir);
}

/* Both kinds of address: one edge, its peer goes away and comes back. */
static void expect_reconnection(const char *at, const vs_tls *host, const vs_tls *client)
{
    vs_edge *edge;
    vs_diag diag = {{0}};
    uint32_t replies = 0;
    cr_assert_eq(vs_edge_new_tls(&edge, NULL, 1, client, &diag), VS_OK);
    cr_assert_eq(vs_edge_set_peer(edge, 1, at, &diag), VS_OK, "%s", diag.text);
    for (uint32_t turn = 0; turn < 3; turn++) {
        server *s = server_new(at, host);
        bool replied = false;
        for (uint32_t tries = 0; !replied && tries < 20; tries++) {
            vs_outbox box = {0};
            vs_event event;
            vs_buf_text(&vs_outbox_send(&box, 1, turn, 3000)->msg, "echo");
            cr_assert_eq(vs_edge_flush(edge, &box, &diag), VS_OK);
            while (vs_edge_wait(edge, &event, 5000) != VS_OK) continue;
            replied = event.kind == VS_EVENT_REPLY;
            vs_outbox_free(&box);
        }
        replies += replied;
        server_free(s);
    }
    cr_expect_eq(replies, 3u, "%s", at);
    vs_edge_free(edge);
}

Test(tls, a_peer_that_comes_back_is_found_again)
{
    char *dir = vs_test_folder_new();
    char at[64];
    make_ca(dir);
    vs_tls *host = host_of(dir, "local", 30), *client = client_of(dir);
    address_of(at, "tls+tcp", "127.0.0.1", vs_test_free_port());
    expect_reconnection(at, host, client);
    address_of(at, "tcp", "[::1]", vs_test_free_port());
    expect_reconnection(at, NULL, NULL);
    vs_tls_free(host);
    vs_tls_free(client);
    vs_test_folder_remove(dir);
}

/* --- folders ------------------------------------------------------------------------------------
 */

Test(tls, says_what_an_address_lacks)
{
    char *dir = vs_test_folder_new();
    vs_diag diag = {{0}};
    vs_edge *edge;
    make_ca(dir);
    vs_tls *client = client_of(dir);
    cr_expect_eq(vs_edge_new(&edge, "tls+tcp://127.0.0.1:7101", 1, &diag), VS_ERR_STATE);
    cr_expect_not_null(strstr(diag.text, "ca.pem"), "%s", diag.text);
    cr_expect_eq(vs_edge_new_tls(&edge, "tls+tcp://127.0.0.1:7101", 1, client, &diag),
                 VS_ERR_STATE);
    cr_expect_not_null(strstr(diag.text, "host.pem"), "%s", diag.text);
    cr_expect_eq(call("tls+tcp://127.0.0.1:7101", NULL, 100, &diag), VS_ERR_STATE);
    vs_tls_free(client);
    vs_test_folder_remove(dir);
}

static void expect_load_fails(const char *dir, vs_err want, const char *text)
{
    vs_tls *tls;
    vs_diag diag = {{0}};
    cr_expect_eq(vs_tls_load(&tls, dir, &diag), want, "%s", diag.text);
    cr_expect_null(tls);
    cr_expect_not_null(strstr(diag.text, text), "%s", diag.text);
}

static void copy(const char *to_dir, const char *to, const char *from_dir, const char *from)
{
    vs_buf bytes = {0};
    char *a = in(from_dir, from), *b = in(to_dir, to);
    cr_assert_eq(vs_file_read(&bytes, a, VS_TLS_FILE_MAX, NULL), VS_OK);
    cr_assert_eq(vs_file_write_durable(b, bytes.p, bytes.len, 0600, NULL), VS_OK);
    vs_buf_free(&bytes);
    free(a);
    free(b);
}

Test(tls, a_broken_folder_is_named_with_what_is_wrong)
{
    char *dir = vs_test_folder_new(), *other = vs_test_folder_new();
    char *bad = in(dir, "bad");
    make_ca(dir);
    make_ca(other);
    vs_tls_free(host_of(dir, "one", 30));
    vs_tls_free(host_of(other, "two", 30));
    expect_load_fails("/nowhere", VS_ERR_IO, "/nowhere/ca.pem");
    cr_assert_eq(mkdir(bad, 0700), 0);
    copy(bad, "ca.pem", dir, "ca.key");
    expect_load_fails(bad, VS_ERR_MALFORMED, "bad/ca.pem: holds no certificate of a CA");
    copy(bad, "ca.pem", dir, "one/host.pem");
    expect_load_fails(bad, VS_ERR_MALFORMED, "bad/ca.pem: holds no certificate of a CA");
    copy(bad, "ca.pem", dir, "ca.pem");
    copy(bad, "host.pem", dir, "ca.pem");
    expect_load_fails(bad, VS_ERR_MALFORMED, "bad/host.pem: must hold");
    copy(bad, "host.pem", other, "two/host.pem");
    expect_load_fails(bad, VS_ERR_PROOF, "was not signed by the CA");
    vs_buf mixed = {0};
    char *path = in(dir, "one/host.pem"), *to = in(bad, "host.pem"),
         *from = in(other, "two/host.pem");
    cr_assert_eq(vs_file_read(&mixed, path, VS_TLS_FILE_MAX, NULL), VS_OK);
    vs_buf_u8(&mixed, 0);
    mixed.len = (size_t)(strstr((char *)mixed.p, "-----BEGIN PRIVATE") - (char *)mixed.p);
    vs_buf two = {0};
    cr_assert_eq(vs_file_read(&two, from, VS_TLS_FILE_MAX, NULL), VS_OK);
    vs_buf_u8(&two, 0);
    vs_buf_text(&mixed, strstr((char *)two.p, "-----BEGIN PRIVATE"));
    cr_assert_eq(vs_file_write_durable(to, mixed.p, mixed.len, 0600, NULL), VS_OK);
    expect_load_fails(bad, VS_ERR_PROOF, "does not belong to the certificate");
    vs_buf_free(&mixed);
    vs_buf_free(&two);
    free(path);
    free(to);
    free(from);
    free(bad);
    vs_test_folder_remove(dir);
    vs_test_folder_remove(other);
}

Test(tls, made_files_have_the_right_modes_names_and_dates)
{
    static const char *const names[] = {"s1.example.org", "10.0.0.7"};
    char *dir = vs_test_folder_new(), *key = in(dir, "ca.key"), *out = in(dir, "s1");
    char *host = in(dir, "s1/host.pem");
    struct stat st;
    vs_diag diag = {{0}};
    vs_tls *tls;
    vs_tls_dates dates;
    int64_t now = (int64_t)time(NULL);
    make_ca(dir);
    cr_expect_eq(vs_tls_make_ca(dir, "again", 30, &diag), VS_ERR_STATE, "a CA is not replaced");
    cr_assert_eq(vs_tls_make_host(dir, out, names, 2, 10, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(stat(key, &st), 0);
    cr_expect_eq(st.st_mode & 0777u, 0600u);
    cr_expect_eq(stat(host, &st), 0);
    cr_expect_eq(st.st_mode & 0777u, 0600u);
    cr_assert_eq(vs_tls_load(&tls, out, &diag), VS_OK, "%s", diag.text);
    cr_expect(vs_tls_names_host(tls, "s1.example.org") && vs_tls_names_host(tls, "10.0.0.7"));
    cr_expect_not(vs_tls_names_host(tls, "s2.example.org"));
    cr_assert_eq(vs_tls_read_dates(&dates, tls, &diag), VS_OK);
    cr_expect(dates.host_start < now && dates.ca_start < now);
    cr_expect(dates.host_end > now + 9 * 86400 && dates.host_end < now + 11 * 86400);
    cr_expect(dates.ca_end > now + 29 * 86400 && dates.ca_end < now + 31 * 86400);
    static const char *const bad[] = {"", "a b", "a,IP:1.2.3.4", "a\nb", "*"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(vs_tls_make_host(dir, out, &bad[i], 1, 10, &diag), VS_ERR_MALFORMED, "%s",
                     bad[i]);
    }
    vs_tls_free(tls);
    free(key);
    free(out);
    free(host);
    vs_test_folder_remove(dir);
}

/* The private key never leaves its host; the CA's folder never sees it. */
Test(tls, a_request_is_signed_for_the_names_that_the_ca_gives)
{
    static const char *const local[] = {"127.0.0.1"};
    char *dir = vs_test_folder_new(), *host = vs_test_folder_new();
    char *csr = in(host, "host.csr"), *key = in(host, "host.key"), *cert = in(dir, "new.pem");
    char *pem = in(host, "host.pem"), *ca = in(dir, "ca.pem");
    char at[64];
    vs_diag diag = {{0}};
    vs_buf bytes = {0};
    vs_tls *tls;
    make_ca(dir);
    cr_assert_eq(vs_tls_make_request(host, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(vs_tls_make_request(host, &diag), VS_ERR_STATE, "a key is not replaced");
    cr_assert_eq(vs_tls_sign(dir, csr, cert, local, 1, 30, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(vs_file_read(&bytes, cert, VS_TLS_FILE_MAX, NULL), VS_OK);
    cr_assert_eq(vs_file_read(&bytes, key, VS_TLS_FILE_MAX, NULL), VS_OK);
    cr_assert_eq(vs_file_write_durable(pem, bytes.p, bytes.len, 0600, NULL), VS_OK);
    copy(host, "ca.pem", dir, "ca.pem");
    cr_assert_eq(vs_tls_load(&tls, host, &diag), VS_OK, "%s", diag.text);
    vs_tls *client = client_of(dir);
    address_of(at, "tls+tcp", "127.0.0.1", vs_test_free_port());
    server *s = server_new(at, tls);
    cr_expect_eq(call(at, client, 10000, &diag), VS_OK, "%s", diag.text);
    server_free(s);
    cr_expect_eq(vs_tls_sign(dir, ca, cert, local, 1, 30, &diag), VS_ERR_MALFORMED);
    cr_expect_eq(vs_tls_sign(host, csr, cert, local, 1, 30, &diag), VS_ERR_IO, "no CA there");
    /* one bit of the public key or the signature is another request, or none */
    vs_buf_reset(&bytes);
    cr_assert_eq(vs_file_read(&bytes, csr, VS_TLS_FILE_MAX, NULL), VS_OK);
    bytes.p[bytes.len - 50] = bytes.p[bytes.len - 50] == 'A' ? 'B' : 'A';
    cr_assert_eq(vs_file_write_durable(csr, bytes.p, bytes.len, 0600, NULL), VS_OK);
    vs_err err = vs_tls_sign(dir, csr, cert, local, 1, 30, &diag);
    cr_expect(err == VS_ERR_PROOF || err == VS_ERR_MALFORMED, "%d", err);
    vs_tls_free(tls);
    vs_tls_free(client);
    vs_buf_free_secret(&bytes);
    free(csr), free(key), free(cert), free(pem), free(ca);
    vs_test_folder_remove(dir);
    vs_test_folder_remove(host);
}
