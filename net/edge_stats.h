/* net/edge_stats.h - two things that nng knows and tells in its statistics only.
 *
 * nng redials in the background and says to nobody that a dial failed; the edge looks while a
 * request waits for a connection, to give it up as soon as nobody listens there and not only after
 * its timeout. And a socket can be closed without a hang only when nng has let go of all it held.
 */
#ifndef VS_NET_EDGE_STATS_H
#define VS_NET_EDGE_STATS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct vs_dials {
    uint64_t refused; /* nobody listens */
    uint64_t auth;    /* TLS: a certificate was not accepted */
    uint64_t failed;  /* for any reason */
} vs_dials;

/* Counts since each of n dialers was made, by nng's id. False when nng keeps no statistics. */
bool vs_stats_dials(vs_dials *out, const int *dialer, uint32_t n);

/* Connections, dialers and listeners that these sockets hold together, by nng's id; 0 when nng
 * keeps no statistics. */
uint64_t vs_stats_held(const int *socket, uint32_t n);

#endif /* VS_NET_EDGE_STATS_H */
