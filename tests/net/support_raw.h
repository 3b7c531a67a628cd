/* Raw TCP sockets that speak nng's REQ/REP by hand, well or badly. */
#ifndef VS_TESTS_NET_SUPPORT_RAW_H
#define VS_TESTS_NET_SUPPORT_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Connected to 127.0.0.1:port, blocking; fails the test otherwise. */
int vs_raw_connect(uint16_t port);
/* False: the other end has closed. */
bool vs_raw_send(int fd, const void *bytes, size_t len);
bool vs_raw_hello(int fd); /* send the greeting of a REQ peer and read the other one */
/* The head of a request of len bytes, with this id. */
bool vs_raw_head(int fd, uint64_t len, uint32_t id);
bool vs_raw_request(int fd, uint32_t id, const void *bytes, size_t len);
/* Read a whole reply into out (cap bytes): its length, or -1 when the other end closes or nothing
 * comes for timeout_ms. */
long vs_raw_reply(int fd, uint32_t *id, void *out, size_t cap, int timeout_ms);
/* True when the other end closes within timeout_ms; bytes that come are thrown away. */
bool vs_raw_is_closed(int fd, int timeout_ms);

uint64_t vs_raw_now_ms(void);
uint64_t vs_raw_rss(void);                 /* of this process, bytes */
uint16_t vs_raw_port(const char *address); /* of tcp://HOST:PORT */

#endif /* VS_TESTS_NET_SUPPORT_RAW_H */
