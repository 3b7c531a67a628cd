/* tests/net/support_proxy.h - a TCP proxy on loopback that sees and disturbs what two parties say.
 *
 * One thread of its own forwards both ways between a port that it listens on and a target port,
 * records every byte, and can delay, stop forwarding, or cut. */
#ifndef VS_TESTS_NET_SUPPORT_PROXY_H
#define VS_TESTS_NET_SUPPORT_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct vs_test_proxy vs_test_proxy;

/* A port on 127.0.0.1 that was free a moment ago. */
uint16_t vs_test_free_port(void);
/* A plain connection to that port; the caller closes it. */
int vs_test_connect(uint16_t port);

/* Forward 127.0.0.1:port (0 = any) to 127.0.0.1:target. Aborts the test if it cannot listen. */
vs_test_proxy *vs_test_proxy_new(uint16_t port, uint16_t target);
void vs_test_proxy_free(vs_test_proxy *proxy); /* closes every connection */
uint16_t vs_test_proxy_port(const vs_test_proxy *proxy);

/* Hold every byte back this long (0 = none). */
void vs_test_proxy_delay(vs_test_proxy *proxy, uint32_t delay_ms);
/* Partition: connections stay up and new ones are accepted, but no byte moves until it is lifted.
 */
void vs_test_proxy_partition(vs_test_proxy *proxy, bool on);
/* Close every connection now; with refuse, new ones are closed at once until it is lifted. */
void vs_test_proxy_cut(vs_test_proxy *proxy, bool refuse);

/* All bytes so far, both ways, in the order in which they came. Copy is malloc'd; *len its length.
 * At most VS_TEST_PROXY_RECORD_MAX are kept; the count goes on. */
#define VS_TEST_PROXY_RECORD_MAX (UINT64_C(1) << 28)
uint8_t *vs_test_proxy_record(const vs_test_proxy *proxy, size_t *len);
uint64_t vs_test_proxy_bytes(const vs_test_proxy *proxy);
/* True iff the bytes occur in the record. */
bool vs_test_proxy_saw(const vs_test_proxy *proxy, const void *bytes, size_t len);

#endif /* VS_TESTS_NET_SUPPORT_PROXY_H */
