/* tests/net/support_storm.h - one round of a whole federation, in which a string of bytes decides
 * what happens to every message and who dies when: the body of three fuzz targets and of
 * tests/net/test_storm.c. */
#ifndef VS_TESTS_NET_SUPPORT_STORM_H
#define VS_TESTS_NET_SUPPORT_STORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum vs_storm_kind {
    VS_STORM_SCHEDULE,   /* order, loss, repetition, delay, deaths, one fault of the machine */
    VS_STORM_AGGREGATOR, /* what reaches the aggregator is damaged or made up */
    VS_STORM_CLIENT,     /* what reaches the clients is damaged */
} vs_storm_kind;

typedef struct vs_storm_end {
    bool final; /* else aborted, or never opened */
    uint32_t included, deaths, damaged;
} vs_storm_end;

/* Stops the program when a promise of support_watch.h is broken, a role returns an error without a
 * fault of the machine, or the round does not end. */
vs_storm_end vs_storm_run(vs_storm_kind kind, const uint8_t *data, size_t size);

#endif /* VS_TESTS_NET_SUPPORT_STORM_H */
