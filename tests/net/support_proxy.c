#define _GNU_SOURCE /* memmem */
#include "tests/net/support_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"

enum { LINKS_MAX = 128, HELD_MAX = 1 << 20, BLOCK = 65536, STEP_MS = 5 };

/* Bytes on their way in one direction; `due` counts from when the oldest came. */
typedef struct flow {
    vs_buf held;
    uint64_t due_ms;
} flow;

typedef struct link {
    int fd[2];    /* 0: who connected, 1: the target */
    flow flow[2]; /* flow[i] goes to fd[i] */
} link_t;

struct vs_test_proxy {
    pthread_mutex_t mutex; /* guards everything below; the thread holds it except while it sleeps */
    pthread_t thread;
    int listener;
    uint16_t port, target;
    bool stop, partition, cut, refuse;
    uint32_t delay_ms;
    link_t link[LINKS_MAX];
    size_t n_links;
    vs_buf record;
    uint64_t bytes;
};

static uint64_t now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return in;
}

static int listen_on(uint16_t *port)
{
    int one = 1;
    struct sockaddr_in in = loopback(*port);
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    VS_ASSERT(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    VS_ASSERT(bind(fd, (struct sockaddr *)&in, sizeof in) == 0);
    VS_ASSERT(listen(fd, 64) == 0);
    VS_ASSERT(getsockname(fd, (struct sockaddr *)&in, &len) == 0);
    *port = ntohs(in.sin_port);
    return fd;
}

uint16_t vs_test_free_port(void)
{
    uint16_t port = 0;
    (void)close(listen_on(&port));
    return port;
}

int vs_test_connect(uint16_t port)
{
    struct sockaddr_in in = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    VS_ASSERT(fd >= 0);
    VS_ASSERT(connect(fd, (struct sockaddr *)&in, sizeof in) == 0);
    return fd;
}

static void set_up(int fd)
{
    int one = 1;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void drop_link(vs_test_proxy *p, size_t i)
{
    link_t *l = &p->link[i];
    for (size_t side = 0; side < 2; side++) {
        (void)close(l->fd[side]);
        vs_buf_free(&l->flow[side].held);
    }
    p->link[i] = p->link[--p->n_links];
}

static void accept_one(vs_test_proxy *p)
{
    struct sockaddr_in in = loopback(p->target);
    int from = accept(p->listener, NULL, NULL);
    if (from < 0) return;
    int to = socket(AF_INET, SOCK_STREAM, 0);
    bool ok = to >= 0 && !p->refuse && p->n_links < LINKS_MAX;
    if (!ok || connect(to, (struct sockaddr *)&in, sizeof in) != 0) {
        (void)close(from);
        if (to >= 0) (void)close(to);
        return;
    }
    set_up(from);
    set_up(to);
    p->link[p->n_links++] = (link_t){.fd = {from, to}};
}

/* Take what has come for the other side. False: this side is closed. */
static bool take(vs_test_proxy *p, link_t *l, size_t side, uint64_t now)
{
    uint8_t block[BLOCK];
    flow *f = &l->flow[1 - side];
    if (f->held.len >= HELD_MAX) return true;
    ssize_t n = recv(l->fd[side], block, sizeof block, 0);
    if (n < 0) return true; /* nothing there after all, or an error that the next poll repeats */
    if (n == 0) return false;
    if (f->held.len == 0) f->due_ms = now + p->delay_ms;
    vs_buf_bytes(&f->held, block, (size_t)n);
    p->bytes += (uint64_t)n;
    if (p->record.len < VS_TEST_PROXY_RECORD_MAX) vs_buf_bytes(&p->record, block, (size_t)n);
    return true;
}

static bool give(link_t *l, size_t side, uint64_t now)
{
    flow *f = &l->flow[side];
    if (f->held.len == 0 || now < f->due_ms) return true;
    ssize_t n = send(l->fd[side], f->held.p, f->held.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0) return n < 0; /* full: later; a broken one shows when it is read */
    memmove(f->held.p, f->held.p + n, f->held.len - (size_t)n);
    f->held.len -= (size_t)n;
    return true;
}

/* One look at everything; mutex held. */
static void step(vs_test_proxy *p, const struct pollfd *fd)
{
    uint64_t now = now_ms();
    if (p->cut) {
        while (p->n_links > 0) drop_link(p, 0);
        p->cut = false;
    }
    if (!p->partition) {
        for (size_t i = p->n_links; i-- > 0;) {
            bool ok = true;
            for (size_t side = 0; ok && side < 2; side++) {
                short got = fd[1 + 2 * i + side].revents;
                if (got & (POLLIN | POLLHUP | POLLERR)) ok = take(p, &p->link[i], side, now);
                if (ok) ok = give(&p->link[i], 1 - side, now);
            }
            if (!ok) drop_link(p, i);
        }
    }
    if (fd[0].revents & POLLIN) accept_one(p);
}

static void *run(void *arg)
{
    vs_test_proxy *p = arg;
    struct pollfd fd[1 + 2 * LINKS_MAX];
    (void)pthread_mutex_lock(&p->mutex);
    while (!p->stop) {
        size_t n = 1 + 2 * p->n_links;
        bool holding = p->partition;
        fd[0] = (struct pollfd){.fd = p->listener, .events = POLLIN};
        for (size_t i = 0; i < p->n_links; i++) {
            for (size_t side = 0; side < 2; side++) {
                /* A partitioned link is not polled: its hang-ups would spin. */
                int polled = p->partition ? -1 : p->link[i].fd[side];
                fd[1 + 2 * i + side] = (struct pollfd){.fd = polled, .events = POLLIN};
                holding |= p->link[i].flow[side].held.len != 0;
            }
        }
        (void)pthread_mutex_unlock(&p->mutex);
        (void)poll(fd, (nfds_t)n, holding ? 1 : STEP_MS);
        (void)pthread_mutex_lock(&p->mutex);
        step(p, fd);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return NULL;
}

vs_test_proxy *vs_test_proxy_new(uint16_t port, uint16_t target)
{
    vs_test_proxy *p = calloc(1, sizeof *p);
    VS_ASSERT(p != NULL);
    p->port = port;
    p->target = target;
    p->listener = listen_on(&p->port);
    set_up(p->listener);
    (void)pthread_mutex_init(&p->mutex, NULL);
    VS_ASSERT(pthread_create(&p->thread, NULL, run, p) == 0);
    return p;
}

void vs_test_proxy_free(vs_test_proxy *p)
{
    if (p == NULL) return;
    (void)pthread_mutex_lock(&p->mutex);
    p->stop = true;
    (void)pthread_mutex_unlock(&p->mutex);
    (void)pthread_join(p->thread, NULL);
    while (p->n_links > 0) drop_link(p, 0);
    (void)close(p->listener);
    vs_buf_free(&p->record);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p);
}

uint16_t vs_test_proxy_port(const vs_test_proxy *p)
{
    return p->port;
}

/* The mutex of a proxy that only the caller's eyes see as const. */
static vs_test_proxy *lock(const vs_test_proxy *p)
{
    vs_test_proxy *mine = (vs_test_proxy *)(uintptr_t)p;
    (void)pthread_mutex_lock(&mine->mutex);
    return mine;
}

void vs_test_proxy_delay(vs_test_proxy *p, uint32_t delay_ms)
{
    (void)lock(p);
    p->delay_ms = delay_ms;
    (void)pthread_mutex_unlock(&p->mutex);
}

void vs_test_proxy_partition(vs_test_proxy *p, bool on)
{
    (void)lock(p);
    p->partition = on;
    (void)pthread_mutex_unlock(&p->mutex);
}

void vs_test_proxy_cut(vs_test_proxy *p, bool refuse)
{
    (void)lock(p);
    p->cut = true;
    p->refuse = refuse;
    (void)pthread_mutex_unlock(&p->mutex);
}

uint8_t *vs_test_proxy_record(const vs_test_proxy *proxy, size_t *len)
{
    vs_test_proxy *p = lock(proxy);
    uint8_t *copy = malloc(p->record.len + 1);
    VS_ASSERT(copy != NULL && !p->record.failed);
    if (p->record.len != 0) memcpy(copy, p->record.p, p->record.len);
    *len = p->record.len;
    (void)pthread_mutex_unlock(&p->mutex);
    return copy;
}

uint64_t vs_test_proxy_bytes(const vs_test_proxy *proxy)
{
    vs_test_proxy *p = lock(proxy);
    uint64_t bytes = p->bytes;
    (void)pthread_mutex_unlock(&p->mutex);
    return bytes;
}

bool vs_test_proxy_saw(const vs_test_proxy *proxy, const void *bytes, size_t len)
{
    vs_test_proxy *p = lock(proxy);
    VS_ASSERT(!p->record.failed);
    bool saw = p->record.len != 0 && memmem(p->record.p, p->record.len, bytes, len) != NULL;
    (void)pthread_mutex_unlock(&p->mutex);
    return saw;
}
