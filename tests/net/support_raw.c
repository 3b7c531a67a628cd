#include "tests/net/support_raw.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t vs_raw_now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

uint64_t vs_raw_rss(void)
{
    unsigned long long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    cr_assert_not_null(f);
    cr_assert_eq(fscanf(f, "%llu %llu", &pages, &resident), 2);
    (void)fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint16_t vs_raw_port(const char *address)
{
    return (uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10);
}

int vs_raw_connect(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0, "port %u", port);
    return fd;
}

bool vs_raw_send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0) return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* Exactly len bytes within timeout_ms. */
static bool read_all(int fd, void *out, size_t len, int timeout_ms)
{
    char *at = out;
    uint64_t end = vs_raw_now_ms() + (uint64_t)timeout_ms;
    while (len > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now = vs_raw_now_ms();
        if (now >= end || poll(&p, 1, (int)(end - now)) <= 0) return false;
        ssize_t n = recv(fd, at, len, 0);
        if (n <= 0) return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool vs_raw_hello(int fd)
{
    static const uint8_t req[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    static const uint8_t rep[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};
    uint8_t got[8];
    return vs_raw_send(fd, req, sizeof req) && read_all(fd, got, sizeof got, 5000) &&
           memcmp(got, rep, sizeof rep) == 0;
}

bool vs_raw_head(int fd, uint64_t len, uint32_t id)
{
    uint8_t head[12];
    for (int i = 0; i < 8; i++) head[i] = (uint8_t)((len + 4) >> (56 - 8 * i));
    for (int i = 0; i < 4; i++) head[8 + i] = (uint8_t)((id | UINT32_C(1) << 31) >> (24 - 8 * i));
    return vs_raw_send(fd, head, sizeof head);
}

bool vs_raw_request(int fd, uint32_t id, const void *bytes, size_t len)
{
    return vs_raw_head(fd, len, id) && vs_raw_send(fd, bytes, len);
}

long vs_raw_reply(int fd, uint32_t *id, void *out, size_t cap, int timeout_ms)
{
    uint8_t head[12];
    uint64_t len = 0;
    if (!read_all(fd, head, sizeof head, timeout_ms)) return -1;
    for (int i = 0; i < 8; i++) len = len << 8 | head[i];
    *id = 0;
    for (int i = 8; i < 12; i++) *id = *id << 8 | head[i];
    *id &= UINT32_MAX >> 1;
    if (len < 4 || len - 4 > cap || !read_all(fd, out, (size_t)len - 4, timeout_ms)) return -1;
    return (long)len - 4;
}

bool vs_raw_is_closed(int fd, int timeout_ms)
{
    char thrown[4096];
    uint64_t end = vs_raw_now_ms() + (uint64_t)timeout_ms;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now = vs_raw_now_ms();
        if (now >= end || poll(&p, 1, (int)(end - now)) <= 0) return false;
        if (recv(fd, thrown, sizeof thrown, 0) <= 0) return true;
    }
}
