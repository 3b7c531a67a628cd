#include <criterion/criterion.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "net/edge.h"
#include "net/wire.h"
#include "tests/net/support_proxy.h"
#include "tests/support.h"

static uint64_t now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static void sleep_ms(uint32_t ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&ts, NULL);
}

/* --- a server in a thread: answers what begins with 'e' by the same bytes, ignores the rest ------
 */

typedef struct server {
    vs_edge *edge;
    pthread_t thread;
    atomic_bool stop;
    atomic_uint requests;
} server;

static void *serve(void *arg)
{
    server *s = arg;
    vs_outbox box = {0};
    while (!atomic_load(&s->stop)) {
        vs_event event;
        if (vs_edge_wait(s->edge, &event, 1000) != VS_OK) continue;
        cr_assert_eq(event.kind, VS_EVENT_REQUEST);
        atomic_fetch_add(&s->requests, 1);
        if (event.len == 0 || event.msg[0] != 'e') continue;
        vs_buf_bytes(&vs_outbox_reply(&box, event.conn)->msg, event.msg, event.len);
        cr_assert_eq(vs_edge_flush(s->edge, &box, NULL), VS_OK);
    }
    vs_outbox_free(&box);
    return NULL;
}

static server *server_new(const char *address, uint32_t contexts)
{
    server *s = calloc(1, sizeof *s);
    vs_diag diag = {0};
    cr_assert_eq(vs_edge_new(&s->edge, address, contexts, &diag), VS_OK, "%s", diag.text);
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

/* --- a client ------------------------------------------------------------------------------- */

static vs_edge *client_of(const char *address)
{
    vs_edge *edge;
    vs_diag diag = {0};
    cr_assert_eq(vs_edge_new(&edge, NULL, 1, NULL), VS_OK);
    cr_assert_eq(vs_edge_set_peer(edge, 3, address, &diag), VS_OK, "%s", diag.text);
    return edge;
}

static void ask(vs_edge *edge, uint64_t tag, const void *msg, size_t len, uint32_t timeout_ms)
{
    vs_outbox box = {0};
    vs_buf_bytes(&vs_outbox_send(&box, 3, tag, timeout_ms)->msg, msg, len);
    cr_assert_eq(vs_edge_flush(edge, &box, NULL), VS_OK);
    cr_assert_eq(box.n, 0);
    vs_outbox_free(&box);
}

static vs_event await(vs_edge *edge)
{
    vs_event event;
    cr_assert_eq(vs_edge_wait(edge, &event, 20000), VS_OK, "no event came");
    cr_assert_eq(event.peer, 3);
    return event;
}

static void expect_echo(vs_edge *edge, uint64_t tag, size_t len)
{
    uint8_t *msg = malloc(len);
    vs_test_bytes(msg, len, tag);
    msg[0] = 'e';
    ask(edge, tag, msg, len, 20000);
    vs_event event = await(edge);
    cr_assert_eq(event.kind, VS_EVENT_REPLY, "%s", event.text == NULL ? "" : event.text);
    cr_expect_eq(event.tag, tag);
    cr_assert_eq(event.len, len);
    cr_expect_eq(memcmp(event.msg, msg, len), 0);
    free(msg);
}

static void expect_lost(vs_edge *edge, uint64_t tag, const char *text)
{
    vs_event event = await(edge);
    cr_expect_eq(event.kind, VS_EVENT_LOST);
    cr_expect_eq(event.tag, tag);
    cr_assert_not_null(event.text);
    cr_expect_str_eq(event.text, text);
}

static void tcp_address(char out[64], uint16_t port)
{
    (void)snprintf(out, 64, "tcp://127.0.0.1:%u", port);
}

static void check_echo(const char *address)
{
    server *s = server_new(address, 4);
    vs_edge *c = client_of(address);
    for (uint64_t i = 0; i < 5; i++) expect_echo(c, i, 1 + 1000 * i);
    expect_echo(c, 9, VS_WIRE_MESSAGE_MAX - 64);
    vs_edge_free(c);
    server_free(s);
}

Test(edge, echoes_in_process)
{
    check_echo("inproc://edge-test");
}

Test(edge, echoes_over_tcp)
{
    char address[64];
    tcp_address(address, vs_test_free_port());
    check_echo(address);
}

Test(edge, echoes_over_ipc)
{
    char *folder = vs_test_folder_new();
    char address[128];
    (void)snprintf(address, sizeof address, "ipc://%s/sock", folder);
    check_echo(address);
    vs_test_folder_remove(folder);
}

/* kill -9 leaves the socket's file behind; the next start must not trip over it. */
Test(edge, listens_where_a_dead_process_left_its_ipc_socket)
{
    char *folder = vs_test_folder_new();
    char address[128];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s/sock", folder);
    (void)snprintf(address, sizeof address, "ipc://%s", un.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    (void)close(fd);
    check_echo(address);
    vs_test_folder_remove(folder);
}

static void check_refused(const char *address)
{
    vs_edge *c = client_of(address);
    for (uint64_t tag = 0; tag < 3; tag++) {
        uint64_t start = now_ms();
        ask(c, tag, "e", 1, 15000);
        expect_lost(c, tag, "connection refused");
        cr_expect_lt(now_ms() - start, 5000, "at once, not after the timeout");
    }
    vs_edge_free(c);
}

Test(edge, nobody_listening_is_lost_at_once)
{
    char *folder = vs_test_folder_new();
    char address[128];
    tcp_address(address, vs_test_free_port());
    check_refused(address);
    (void)snprintf(address, sizeof address, "ipc://%s/none", folder);
    check_refused(address);
    check_refused("inproc://nobody");
    vs_test_folder_remove(folder);
}

Test(edge, unknown_host_is_lost_at_once)
{
    vs_edge *c = client_of("tcp://no-such-host.invalid:7101");
    ask(c, 1, "e", 1, 15000);
    expect_lost(c, 1, "cannot connect");
    vs_edge_free(c);
}

Test(edge, peer_without_address_is_lost)
{
    vs_edge *c;
    vs_outbox box = {0};
    vs_event event;
    cr_assert_eq(vs_edge_new(&c, NULL, 1, NULL), VS_OK);
    for (uint64_t tag = 0; tag < 3; tag++) (void)vs_outbox_send(&box, 5, tag, 1000);
    cr_assert_eq(vs_edge_flush(c, &box, NULL), VS_OK);
    for (uint64_t tag = 0; tag < 2; tag++) {
        cr_assert_eq(vs_edge_wait(c, &event, 1000), VS_OK);
        cr_expect(event.kind == VS_EVENT_LOST && event.peer == 5 && event.tag == tag);
        cr_expect_str_eq(event.text, "no address");
    }
    vs_outbox_free(&box); /* the third event is still in the queue: freed with the edge */
    vs_edge_free(c);
}

Test(edge, silent_peer_is_lost_after_the_timeout_and_its_context_comes_back)
{
    char address[64];
    tcp_address(address, vs_test_free_port());
    server *s = server_new(address, 2);
    vs_edge *c = client_of(address);
    uint64_t start = now_ms();
    ask(c, 7, "silence", 7, 300);
    expect_lost(c, 7, "no reply in time");
    cr_expect(now_ms() - start >= 290 && now_ms() - start < 5000);
    for (uint64_t i = 0; i < 10; i++) expect_echo(c, i, 10); /* one context is held, one works */
    vs_edge_free(c);
    server_free(s);
}

Test(edge, connection_lost_before_the_reply_is_lost_at_once_and_peer_is_found_again)
{
    char address[64];
    tcp_address(address, vs_test_free_port());
    server *s = server_new(address, 4);
    vs_edge *c = client_of(address);
    expect_echo(c, 1, 100);
    ask(c, 2, "silence", 7, 15000);
    while (atomic_load(&s->requests) < 2) sleep_ms(1);
    uint64_t start = now_ms();
    server_free(s);
    expect_lost(c, 2, "connection lost before the reply");
    cr_expect_lt(now_ms() - start, 5000);
    ask(c, 3, "e", 1, 15000);
    expect_lost(c, 3, "connection refused");

    s = server_new(address, 4);
    uint64_t tag = 4;
    for (vs_event event = {.kind = VS_EVENT_LOST}; event.kind == VS_EVENT_LOST; tag++) {
        ask(c, tag, "e", 1, 15000); /* a dial from before the restart may still fail */
        event = await(c);
    }
    cr_expect_lt(tag, 8);
    expect_echo(c, 100, 1000);
    vs_edge_free(c);
    server_free(s);
}

Test(edge, hundred_requests_at_once_each_get_their_own_reply)
{
    char address[64];
    bool seen[100] = {false};
    tcp_address(address, vs_test_free_port());
    server *s = server_new(address, 8);
    vs_edge *c = client_of(address);
    for (uint32_t turn = 0; turn < 3; turn++) {
        memset(seen, 0, sizeof seen);
        for (uint32_t i = 0; i < 100; i++) {
            uint8_t msg[2000] = {'e'};
            vs_store_le32(msg + 4, i + 1000 * turn);
            ask(c, i, msg, 100 + i, 20000);
        }
        for (uint32_t i = 0; i < 100; i++) {
            vs_event event = await(c);
            cr_assert_eq(event.kind, VS_EVENT_REPLY, "%s", event.text == NULL ? "" : event.text);
            cr_assert_lt(event.tag, 100);
            cr_expect_eq(event.len, 100 + event.tag);
            cr_expect_eq(vs_load_le32(event.msg + 4), event.tag + 1000 * turn);
            cr_expect_not(seen[event.tag]);
            seen[event.tag] = true;
        }
    }
    vs_edge_free(c);
    server_free(s);
}

Test(edge, more_requests_than_its_bound_are_lost_not_queued)
{
    char address[64];
    uint32_t lost = 0;
    tcp_address(address, vs_test_free_port());
    server *s = server_new(address, 1);
    vs_edge *c = client_of(address);
    for (uint32_t i = 0; i < 1030; i++) ask(c, i, "e", 1, 30000);
    for (uint32_t i = 0; i < 1030; i++) {
        vs_event event = await(c);
        if (event.kind == VS_EVENT_REPLY) continue;
        cr_expect_str_eq(event.text, "too many requests under way");
        lost++;
    }
    cr_expect_leq(lost, 6);
    vs_edge_free(c);
    server_free(s);
}

Test(edge, oversize_message_costs_its_sender_the_connection_and_nobody_else)
{
    char address[64];
    tcp_address(address, vs_test_free_port());
    server *s = server_new(address, 4);
    vs_edge *bad = client_of(address);
    vs_edge *good = client_of(address);
    size_t len = VS_WIRE_MESSAGE_MAX + 1;
    uint8_t *big = malloc(len);
    memset(big, 'e', len);
    expect_echo(good, 1, 100);
    ask(bad, 1, big, len, 10000);
    expect_lost(bad, 1, "connection lost before the reply");
    cr_expect_eq(atomic_load(&s->requests), 1, "it did not arrive");
    expect_echo(good, 2, 100);
    free(big);
    vs_edge_free(bad);
    vs_edge_free(good);
    server_free(s);
}

Test(edge, bytes_that_are_no_protocol_do_no_harm)
{
    uint16_t port = vs_test_free_port();
    char address[64];
    tcp_address(address, port);
    server *s = server_new(address, 4);
    vs_edge *c = client_of(address);
    for (uint64_t i = 0; i < 30; i++) {
        uint8_t junk[512];
        vs_test_bytes(junk, sizeof junk, i);
        /* Half of them with a proper greeting of REQ, so that lengths are read from the junk. */
        if (i % 2 == 0) memcpy(junk, "\0SP\0\0\x30\0\0", 8);
        int fd = vs_test_connect(port);
        (void)send(fd, junk, sizeof junk, MSG_NOSIGNAL);
        (void)close(fd);
    }
    expect_echo(c, 1, 100);
    vs_edge_free(c);
    server_free(s);
}

static vs_edge *to_wake;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    vs_edge_wake(to_wake);
}

Test(edge, signal_handler_ends_the_wait)
{
    vs_event event = {.kind = VS_EVENT_LOST};
    cr_assert_eq(vs_edge_new(&to_wake, NULL, 1, NULL), VS_OK);
    cr_assert_neq(signal(SIGALRM, on_alarm), SIG_ERR);
    (void)alarm(1);
    uint64_t start = now_ms();
    cr_expect_eq(vs_edge_wait(to_wake, &event, 15000), VS_ERR_TIMEOUT);
    cr_expect_lt(now_ms() - start, 10000);
    cr_expect_eq(event.kind, VS_EVENT_TICK);

    vs_edge_wake(to_wake); /* before the wait: not lost */
    start = now_ms();
    cr_expect_eq(vs_edge_wait(to_wake, &event, 15000), VS_ERR_TIMEOUT);
    cr_expect_lt(now_ms() - start, 5000);

    start = now_ms(); /* and it wakes once */
    cr_expect_eq(vs_edge_wait(to_wake, &event, 50), VS_ERR_TIMEOUT);
    cr_expect_geq(now_ms() - start, 49);
    vs_edge_free(to_wake);
}

Test(edge, late_and_double_replies_are_dropped)
{
    vs_edge *s;
    vs_edge *c;
    vs_event event;
    vs_outbox box = {0};
    cr_assert_eq(vs_edge_new(&s, "inproc://double", 1, NULL), VS_OK);
    c = client_of("inproc://double");
    for (uint64_t tag = 1; tag <= 3; tag++) {
        ask(c, tag, "e", 1, 5000);
        cr_assert_eq(vs_edge_wait(s, &event, 5000), VS_OK);
        uint64_t conn = event.conn;
        vs_buf_text(&vs_outbox_reply(&box, conn)->msg, "first");
        vs_buf_text(&vs_outbox_reply(&box, conn)->msg, "second");
        vs_buf_text(&vs_outbox_reply(&box, conn - 256)->msg, "old");
        vs_buf_text(&vs_outbox_reply(&box, 77)->msg, "never was");
        cr_assert_eq(vs_edge_flush(s, &box, NULL), VS_OK);
        event = await(c);
        cr_expect(event.kind == VS_EVENT_REPLY && event.tag == tag && event.len == 5);
    }
    vs_outbox_free(&box);
    vs_edge_free(c);
    vs_edge_free(s);
}

Test(edge, is_freed_while_requests_are_under_way)
{
    for (uint32_t turn = 0; turn < 8; turn++) {
        char address[64];
        tcp_address(address, vs_test_free_port());
        server *s = server_new(address, 4);
        vs_edge *c = client_of(address);
        if (turn % 2 == 0) expect_echo(c, 1, 100);
        for (uint32_t i = 0; i < 50; i++) ask(c, i, i % 2 == 0 ? "e" : "silence", 1, 15000);
        if (turn % 3 == 0) sleep_ms(turn);
        if (turn % 2 == 0) {
            vs_edge_free(c);
            server_free(s);
        } else {
            server_free(s);
            vs_edge_free(c);
        }
    }
}

Test(edge, port_in_use_and_bad_addresses_are_clear_errors)
{
    static const char *const bad[] = {"",
                                      "127.0.0.1:7101",
                                      "tcp://127.0.0.1",
                                      "tcp://127.0.0.1:",
                                      "tcp://127.0.0.1:0",
                                      "tcp://127.0.0.1:65536",
                                      "tcp://127.0.0.1:7x",
                                      "tcp://:7101",
                                      "http://127.0.0.1:80",
                                      "ipc://",
                                      "inproc://",
                                      "tcp://a b:7101",
                                      "tcp://\x1b[0m:7101"};
    vs_edge *first;
    vs_edge *second;
    char address[64];
    vs_diag diag = {0};
    tcp_address(address, vs_test_free_port());
    cr_assert_eq(vs_edge_new(&first, address, 1, &diag), VS_OK);
    cr_expect_eq(vs_edge_new(&second, address, 1, &diag), VS_ERR_IO);
    char want[128];
    (void)snprintf(want, sizeof want, "%s: cannot listen: Address in use", address);
    cr_expect_str_eq(diag.text, want);
    cr_expect_null(second);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(vs_edge_new(&second, bad[i], 1, &diag), VS_ERR_MALFORMED, "%s", bad[i]);
        cr_expect_eq(vs_edge_set_peer(first, 1, bad[i], &diag), VS_ERR_MALFORMED, "%s", bad[i]);
        cr_expect_not_null(strstr(diag.text, "address \""), "%s", diag.text);
    }
    cr_expect_eq(vs_edge_new(&second, "tcp://192.0.2.7:7101", 1, &diag), VS_ERR_IO);
    cr_expect_eq(vs_edge_new(&second, "ipc:///no-such-folder/x", 1, &diag), VS_ERR_IO);
    vs_edge_free(first);
}

Test(edge, call_returns_the_reply_or_says_what_is_wrong)
{
    char address[64];
    vs_buf request = {0};
    vs_buf reply = {0};
    vs_diag diag = {0};
    uint16_t port = vs_test_free_port();
    tcp_address(address, port);
    vs_buf_text(&request, "echo this");
    cr_expect_eq(vs_edge_call(address, &request, 10000, &reply, &diag), VS_ERR_IO);
    char want[100];
    (void)snprintf(want, sizeof want, "%s: connection refused", address);
    cr_expect_str_eq(diag.text, want);
    cr_expect_eq(vs_edge_call("nonsense", &request, 10000, &reply, &diag), VS_ERR_MALFORMED);

    server *s = server_new(address, 4);
    vs_buf_text(&reply, ">");
    cr_assert_eq(vs_edge_call(address, &request, 10000, &reply, &diag), VS_OK, "%s", diag.text);
    vs_buf_u8(&reply, 0);
    cr_expect_str_eq((char *)reply.p, ">echo this");
    vs_buf_reset(&request);
    vs_buf_text(&request, "silence");
    cr_expect_eq(vs_edge_call(address, &request, 200, &reply, &diag), VS_ERR_TIMEOUT);
    cr_expect_not_null(strstr(diag.text, "no reply in time"), "%s", diag.text);
    server_free(s);
    vs_buf_free(&request);
    vs_buf_free(&reply);
}

/* --- the proxy itself, and the edge over it ------------------------------------------------ */

Test(proxy, records_what_is_said_and_disturbs_it_on_demand)
{
    char direct[64];
    char address[64];
    uint16_t port = vs_test_free_port();
    tcp_address(direct, port);
    server *s = server_new(direct, 4);
    vs_test_proxy *proxy = vs_test_proxy_new(0, port);
    tcp_address(address, vs_test_proxy_port(proxy));
    vs_edge *c = client_of(address);

    ask(c, 1, "every word is heard", 19, 10000);
    cr_expect_eq(await(c).kind, VS_EVENT_REPLY);
    cr_expect(vs_test_proxy_saw(proxy, "every word is heard", 19));
    cr_expect_not(vs_test_proxy_saw(proxy, "every word is unheard", 21));
    expect_echo(c, 2, 3000000);
    cr_expect_gt(vs_test_proxy_bytes(proxy), 6000000);

    vs_test_proxy_delay(proxy, 100);
    uint64_t start = now_ms();
    expect_echo(c, 3, 100);
    cr_expect_geq(now_ms() - start, 200);
    vs_test_proxy_delay(proxy, 0);

    vs_test_proxy_partition(proxy, true);
    ask(c, 4, "e", 1, 300);
    expect_lost(c, 4, "no reply in time");
    vs_test_proxy_partition(proxy, false);
    expect_echo(c, 5, 100);

    ask(c, 6, "silence", 7, 15000);
    while (atomic_load(&s->requests) < 6) sleep_ms(1);
    vs_test_proxy_cut(proxy, false);
    expect_lost(c, 6, "connection lost before the reply");
    expect_echo(c, 7, 100);

    size_t len;
    uint8_t *record = vs_test_proxy_record(proxy, &len);
    cr_expect_eq(len, vs_test_proxy_bytes(proxy));
    free(record);
    vs_edge_free(c);
    vs_test_proxy_free(proxy);
    server_free(s);
}
