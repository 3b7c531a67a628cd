/* tests/net/support_fed.h - a complete federation in memory, with everybody's keys.
 *
 * The file is made by vs_federation_format and read back by vs_federation_parse, so a test works
 * with what a real party would load. The same seed gives the same bytes. Any failure stops the
 * test (VS_ASSERT). */
#ifndef VS_TESTS_NET_SUPPORT_FED_H
#define VS_TESTS_NET_SUPPORT_FED_H

#include <stdbool.h>
#include <stdint.h>

#include "net/federation.h"
#include "net/keys.h"

/* A member that is 0 (NULL, false) takes the default in brackets. */
typedef struct vs_test_fed_config {
    vs_committee committee; /* all of it, margin included; n = 0 means [n 5, t 1, k 2, margin 1] */
    uint32_t n_clients;     /* with keys and enrolment [0] */
    uint32_t max_clients;   /* N [16, or n_clients if that is more] */
    uint32_t min_clients;   /* [2] */
    vs_quantiser quantiser; /* bits = 0: [16 bits, clip_norm 8, clipping_range 1, max_weight 1000,
                               stochastic rounding] */
    uint32_t round_timeout_s;  /* [60] */
    uint32_t answer_timeout_s; /* [60] */
    bool demo;
    bool public_results;
    /* Addresses are tcp://127.0.0.1:<base + i>, i = 0 the aggregator, j shareholder j; 0:
     * [inproc://veilsum-test-<seed>-<i>]. */
    uint32_t tcp_port_base;
    uint64_t seed;
    void (*adjust)(vs_federation *draft); /* last changes to the numbers; NULL: none */
} vs_test_fed_config;

typedef struct vs_test_fed {
    vs_federation *fed; /* its log_key carries the name "veilsum.test/log", not the aggregator's:
                           sign checkpoints with fed->log_key and aggregator->log_seed */
    vs_keys *admin;
    vs_keys *aggregator;
    vs_keys *shareholder[VS_SHAREHOLDERS_MAX]; /* [j-1] is shareholder j */
    uint32_t n_clients;
    vs_keys **client;         /* n_clients */
    uint8_t (*enrolment)[64]; /* n_clients signatures of the admin */
} vs_test_fed;

/* config NULL: all defaults. Free with vs_test_federation_free. */
vs_test_fed *vs_test_federation_new(const vs_test_fed_config *config);
/* n, t, k with margin t, N = max_clients, n_clients clients; everything else default. */
vs_test_fed *vs_test_federation_of(uint32_t n, uint32_t t, uint32_t k, uint32_t max_clients,
                                   uint32_t n_clients);
void vs_test_federation_free(vs_test_fed *tf);

#endif /* VS_TESTS_NET_SUPPORT_FED_H */
