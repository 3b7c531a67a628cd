/* Slow, idle, flooding and lying connections: each loses its own and costs the others little. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "net/gate.h"
#include "net/wire.h"
#include "tests/net/support_proxy.h"
#include "tests/net/support_raw.h"
#include "tests/support.h"

#define MIB (UINT64_C(1) << 20)
/* AddressSanitizer keeps 256 MiB of what was freed. */
#ifdef __SANITIZE_ADDRESS__
#define RSS_SLACK (400 * MIB)
#else
#define RSS_SLACK (64 * MIB)
#endif

/* --- a server that echoes ------------------------------------------------------------------------
 */

typedef struct server {
    vs_queue queue;
    vs_gate *gate;
    uint16_t port;
    pthread_t thread;
    atomic_bool stop;
    atomic_bool mute; /* takes requests and does not answer */
    size_t reply_len; /* 0: echo */
} server;

static void answer(server *s, uint64_t conn, const vs_event *event)
{
    vs_buf reply = {0};
    if (s->reply_len == 0) {
        vs_buf_bytes(&reply, event->msg, event->len);
    } else {
        memset(vs_buf_extend(&reply, s->reply_len), 'r', s->reply_len);
    }
    vs_gate_reply(s->gate, conn, &reply);
    vs_buf_free(&reply);
}

static void *serve(void *arg)
{
    server *s = arg;
    while (!atomic_load(&s->stop)) {
        vs_event event;
        vs_gate_body body = {0};
        vs_gate_look(s->gate);
        vs_queue_node *node = vs_queue_take(&s->queue);
        if (node == NULL) {
            (void)vs_queue_sleep(&s->queue, 20);
        } else if (vs_gate_take(s->gate, node, &event, &body)) {
            if (!atomic_load(&s->mute)) answer(s, event.conn, &event);
            vs_gate_release(s->gate, &body);
        }
    }
    return NULL;
}

/* Short times, so that a test ends soon; a sanitized build on a busy machine still makes them. */
static const vs_gate_limits quick = {.hello_ms = 1000,
                                     .idle_ms = 60000,
                                     .message_ms = 1500,
                                     .bytes_per_ms = 8192,
                                     .reply_ms = 1500,
                                     .patience_ms = 300};

static server *server_of(const vs_gate_limits *limits, size_t reply_len)
{
    char address[64];
    vs_diag diag = {{0}};
    server *s = calloc(1, sizeof *s);
    cr_assert_not_null(s);
    s->port = vs_test_free_port();
    s->reply_len = reply_len;
    (void)snprintf(address, sizeof address, "tcp://127.0.0.1:%u", s->port);
    cr_assert_eq(vs_queue_init(&s->queue, NULL), VS_OK);
    cr_assert_eq(vs_gate_new(&s->gate, &s->queue, address, NULL, limits, &diag), VS_OK, "%s",
                 diag.text);
    cr_assert_eq(pthread_create(&s->thread, NULL, serve, s), 0);
    return s;
}

static void server_free(server *s)
{
    atomic_store(&s->stop, true);
    vs_queue_wake(&s->queue);
    (void)pthread_join(s->thread, NULL);
    vs_gate_stop(s->gate);
    while (vs_queue_take(&s->queue) != NULL) continue;
    vs_gate_free(s->gate);
    vs_queue_clear(&s->queue);
    free(s);
}

static int greeted(const server *s)
{
    int fd = vs_raw_connect(s->port);
    cr_assert(vs_raw_hello(fd), "no greeting");
    return fd;
}

/* One honest request and its reply, on a connection of its own. */
static void expect_service(const server *s)
{
    char got[64];
    uint32_t id = 0;
    int fd = greeted(s);
    cr_assert(vs_raw_request(fd, 77, "honest", 6));
    cr_expect_eq(vs_raw_reply(fd, &id, got, sizeof got, 10000), 6);
    cr_expect_eq(id, 77);
    cr_expect_eq(memcmp(got, "honest", 6), 0);
    (void)close(fd);
}

static void await_connections(server *s, uint32_t at_most)
{
    for (int i = 0; i < 1000 && vs_gate_count(s->gate).connections > at_most; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    vs_gate_counts c = vs_gate_count(s->gate);
    cr_expect_leq(c.connections, at_most, "of %llu", (unsigned long long)c.accepted);
}

/* --- protocol ------------------------------------------------------------------------------------
 */

Test(gate, echoes_messages_of_every_size_up_to_the_largest)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 262144, 1000003, VS_WIRE_MESSAGE_MAX};
    server *s = server_of(NULL, 0);
    uint8_t *bytes = malloc(VS_WIRE_MESSAGE_MAX), *got = malloc(VS_WIRE_MESSAGE_MAX);
    vs_test_bytes(bytes, VS_WIRE_MESSAGE_MAX, 1);
    int fd = greeted(s);
    for (uint32_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t id = 0;
        cr_assert(vs_raw_request(fd, 100 + i, bytes, sizes[i]));
        cr_assert_eq(vs_raw_reply(fd, &id, got, VS_WIRE_MESSAGE_MAX, 10000), (long)sizes[i]);
        cr_expect_eq(id, 100 + i);
        cr_expect_eq(memcmp(got, bytes, sizes[i]), 0, "size %zu", sizes[i]);
    }
    (void)close(fd);
    free(bytes);
    free(got);
    await_connections(s, 0);
    vs_gate_counts c = vs_gate_count(s->gate);
    cr_expect(c.body_bytes == 0 && c.reply_bytes == 0);
    server_free(s);
}

/* A message that comes byte by byte, and many of them at once: each has its own reply. */
Test(gate, requests_may_come_in_pieces_and_one_behind_the_other)
{
    server *s = server_of(NULL, 0);
    int fd = greeted(s);
    uint8_t all[50 * 17];
    for (uint32_t i = 0; i < 50; i++) {
        uint8_t *m = all + i * 17;
        memset(m, 0, 17);
        m[7] = 4 + 5;
        m[8] = 0x80;
        m[11] = (uint8_t)i;
        memcpy(m + 12, "hello", 5);
    }
    for (size_t at = 0; at < sizeof all; at += 7) {
        size_t n = sizeof all - at < 7 ? sizeof all - at : 7;
        cr_assert(vs_raw_send(fd, all + at, n));
    }
    for (uint32_t i = 0; i < 50; i++) {
        char got[8];
        uint32_t id = 0;
        cr_assert_eq(vs_raw_reply(fd, &id, got, sizeof got, 10000), 5, "reply %u", i);
        cr_expect_eq(id, i);
    }
    (void)close(fd);
    server_free(s);
}

static void expect_refused(const server *s, const void *bytes, size_t len, bool greet)
{
    int fd = greet ? greeted(s) : vs_raw_connect(s->port);
    (void)vs_raw_send(fd, bytes, len);
    cr_expect(vs_raw_is_closed(fd, 5000));
    (void)close(fd);
}

Test(gate, bytes_that_are_no_protocol_cost_their_sender_the_connection)
{
    static const uint8_t not_req[8] = {0, 'S', 'P', 0, 0, 0x10, 0, 0};
    static const uint8_t short_length[12] = {0, 0, 0, 0, 0, 0, 0, 3, 0x80, 0, 0, 1};
    static const uint8_t no_last_id[12] = {0, 0, 0, 0, 0, 0, 0, 5, 0x7f, 0, 0, 1};
    static const uint8_t huge[12] = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 1};
    static const uint8_t one_too_many[12] = {0, 0, 0, 0, 0, 0x41, 0, 5, 0x80, 0, 0, 1};
    uint8_t garbage[4096];
    server *s = server_of(NULL, 0);
    cr_assert_eq(VS_WIRE_MESSAGE_MAX, UINT32_C(0x410000));
    expect_refused(s, "GET / HTTP/1.1\r\n\r\n", 18, false);
    expect_refused(s, not_req, sizeof not_req, false);
    expect_refused(s, short_length, sizeof short_length, true);
    expect_refused(s, no_last_id, sizeof no_last_id, true);
    expect_refused(s, huge, sizeof huge, true);
    expect_refused(s, one_too_many, sizeof one_too_many, true);
    for (uint64_t i = 0; i < 50; i++) {
        vs_test_bytes(garbage, sizeof garbage, i);
        garbage[0] |= 1; /* never a greeting, never a length within bounds */
        expect_refused(s, garbage, sizeof garbage, i % 2 == 0);
    }
    expect_service(s);
    await_connections(s, 0);
    server_free(s);
}

/* --- slow ----------------------------------------------------------------------------------------
 */

/* A byte every 100 ms at every stage: each is cut by its deadline, and others are served. */
Test(gate, a_slow_connection_is_cut_at_every_stage)
{
    server *s = server_of(&quick, 0);
    uint64_t start = vs_raw_now_ms();
    int fd[4] = {vs_raw_connect(s->port), greeted(s), greeted(s), greeted(s)};
    cr_assert(vs_raw_send(fd[1], "", 1));     /* a length that begins */
    cr_assert(vs_raw_head(fd[2], 100000, 1)); /* a body that never begins */
    cr_assert(vs_raw_head(fd[3], 1000, 1) && vs_raw_send(fd[3], "slow", 4));
    bool gone[4] = {false};
    for (uint32_t left = 4; left > 0 && vs_raw_now_ms() < start + 20000;) {
        for (uint32_t i = 0; i < 4; i++) {
            if (gone[i]) continue;
            if (i == 0 || i == 3) (void)vs_raw_send(fd[i], "", 1);
            gone[i] = vs_raw_is_closed(fd[i], 25);
            left -= gone[i];
        }
    }
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect(gone[i], "stage %u", i);
        (void)close(fd[i]);
    }
    cr_expect_geq(vs_gate_count(s->gate).expired, 3);
    expect_service(s);
    server_free(s);
}

/* Asks for much and takes nothing: its replies go with it. */
Test(gate, who_does_not_take_its_replies_loses_them)
{
    server *s = server_of(&quick, 4 * MIB);
    int fd[8];
    for (uint32_t i = 0; i < 8; i++) {
        fd[i] = greeted(s);
        for (uint32_t k = 0; k < 8; k++) (void)vs_raw_request(fd[i], k, "give", 4);
    }
    for (int i = 0; i < 200 && vs_gate_count(s->gate).reply_bytes == 0; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    cr_expect_gt(vs_gate_count(s->gate).reply_bytes, 0);
    cr_expect_leq(vs_gate_count(s->gate).reply_bytes, VS_GATE_REPLIES_MAX + 4 * MIB);
    await_connections(s, 0);
    cr_expect_eq(vs_gate_count(s->gate).reply_bytes, 0);
    for (uint32_t i = 0; i < 8; i++) (void)close(fd[i]);
    server_free(s);
}

/* --- many ----------------------------------------------------------------------------------------
 */

/* Idle ones may be as many as there are places; a new one finds room, the idlest goes. */
Test(gate, idle_connections_make_room_for_new_ones)
{
    enum { MOST = 64, IDLE = 500 };
    const vs_gate_limits limits = {.connections = MOST};
    server *s = server_of(&limits, 0);
    int fd[IDLE];
    for (uint32_t i = 0; i < IDLE; i++) {
        fd[i] = vs_raw_connect(s->port);
        if (i % 3 != 0) (void)vs_raw_hello(fd[i]); /* half of them do not even greet */
        if (i % 100 == 99) expect_service(s);
    }
    expect_service(s);
    await_connections(s, MOST);
    vs_gate_counts c = vs_gate_count(s->gate);
    cr_expect_geq(c.evicted + c.refused, IDLE - MOST - 16);
    for (uint32_t i = 0; i < IDLE; i++) (void)close(fd[i]);
    await_connections(s, 0);
    server_free(s);
}

/* A connection that works is not the one to go. */
Test(gate, a_connection_with_a_request_under_way_is_not_evicted)
{
    enum { MOST = 8 };
    const vs_gate_limits limits = {.connections = MOST};
    server *s = server_of(&limits, 0);
    int busy = greeted(s), fd[4 * MOST];
    char got[8];
    uint32_t id;
    atomic_store(&s->mute, true);
    cr_assert(vs_raw_request(busy, 5, "wait", 4));
    for (int i = 0; i < 500 && vs_gate_count(s->gate).requests == 0; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    for (uint32_t i = 0; i < 4 * MOST; i++) fd[i] = greeted(s);
    atomic_store(&s->mute, false);
    cr_assert(vs_raw_request(busy, 6, "now", 3));
    cr_expect_eq(vs_raw_reply(busy, &id, got, sizeof got, 10000), 3);
    cr_expect_eq(id, 6);
    for (uint32_t i = 0; i < 4 * MOST; i++) (void)close(fd[i]);
    (void)close(busy);
    server_free(s);
}

/* --- memory --------------------------------------------------------------------------------------
 */

/* 200 connections claim the largest message and send most of it: 800 MiB if it were all kept. What
 * finds no room waits in the system's socket buffers, and honest ones get through. */
Test(gate, half_sent_bodies_are_bounded_together_and_others_get_through)
{
    enum { LIARS = 200, SENT = 1 << 20 };
    vs_gate_limits limits = quick;
    limits.message_ms = 30000;
    limits.bodies = 8u << 20;
    server *s = server_of(&limits, 0);
    uint8_t *bytes = calloc(1, SENT);
    uint64_t before = vs_raw_rss();
    int fd[LIARS];
    for (uint32_t i = 0; i < LIARS; i++) {
        struct timeval wait = {.tv_usec = 20000};
        fd[i] = greeted(s);
        (void)setsockopt(fd[i], SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
        (void)vs_raw_head(fd[i], VS_WIRE_MESSAGE_MAX, i);
        (void)vs_raw_send(fd[i], bytes, SENT); /* as much as is taken */
        cr_expect_leq(vs_gate_count(s->gate).body_bytes, limits.bodies);
        if (i % 40 == 39) expect_service(s);
    }
    expect_service(s);
    cr_expect_leq(vs_raw_rss(), before + RSS_SLACK, "%llu bytes",
                  (unsigned long long)(vs_raw_rss() - before));
    for (uint32_t i = 0; i < LIARS; i++) (void)close(fd[i]);
    await_connections(s, 0);
    cr_expect_eq(vs_gate_count(s->gate).body_bytes, 0);
    free(bytes);
    server_free(s);
}

/* --- ends ----------------------------------------------------------------------------------------
 */

Test(gate, is_freed_with_connections_at_every_stage)
{
    server *s = server_of(NULL, 4 * MIB);
    int fd[5] = {vs_raw_connect(s->port), greeted(s), greeted(s), greeted(s), greeted(s)};
    cr_assert(vs_raw_send(fd[1], "", 1));
    cr_assert(vs_raw_head(fd[2], 100000, 1) && vs_raw_send(fd[2], "part", 4));
    cr_assert(vs_raw_request(fd[3], 1, "give", 4)); /* does not take its reply */
    atomic_store(&s->mute, true);
    cr_assert(vs_raw_request(fd[4], 1, "mute", 4));
    (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    server_free(s);
    for (uint32_t i = 0; i < 5; i++) {
        cr_expect(vs_raw_is_closed(fd[i], 5000), "stage %u", i);
        (void)close(fd[i]);
    }
}

Test(gate, a_late_reply_does_not_meet_the_next_connection_of_its_place)
{
    const vs_gate_limits limits = {.connections = 4};
    vs_queue queue;
    vs_gate *gate;
    char address[64];
    uint16_t port = vs_test_free_port();
    (void)snprintf(address, sizeof address, "tcp://127.0.0.1:%u", port);
    cr_assert_eq(vs_queue_init(&queue, NULL), VS_OK);
    cr_assert_eq(vs_gate_new(&gate, &queue, address, NULL, &limits, NULL), VS_OK);
    uint64_t first = 0;
    for (uint32_t turn = 0; turn < 2; turn++) {
        vs_event event = {0};
        vs_gate_body body = {0};
        vs_queue_node *node = NULL;
        vs_buf reply = {0};
        uint32_t id = 0;
        char got[8];
        int fd = vs_raw_connect(port);
        cr_assert(vs_raw_hello(fd) && vs_raw_request(fd, 3, "q", 1));
        for (int i = 0; i < 500 && (node = vs_queue_take(&queue)) == NULL; i++) {
            (void)vs_queue_sleep(&queue, 20);
        }
        cr_assert(node != NULL && vs_gate_take(gate, node, &event, &body));
        vs_gate_release(gate, &body);
        if (turn == 0) {
            first = event.conn;
            (void)close(fd);
            for (int i = 0; i < 500 && vs_gate_count(gate).connections > 0; i++) {
                (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
            }
            continue;
        }
        cr_expect_neq(event.conn, first);
        vs_buf_bytes(&reply, "late", 4);
        vs_gate_reply(gate, first, &reply);
        vs_buf_free(&reply);
        reply = (vs_buf){0};
        vs_buf_bytes(&reply, "right", 5);
        vs_gate_reply(gate, event.conn, &reply);
        vs_buf_free(&reply);
        cr_expect_eq(vs_raw_reply(fd, &id, got, sizeof got, 5000), 5);
        (void)close(fd);
    }
    vs_gate_stop(gate);
    vs_gate_free(gate);
    vs_queue_clear(&queue);
}
