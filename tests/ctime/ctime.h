/* tests/ctime/ctime.h - constant-time cases: one list per module, run by main.c under valgrind.
 *
 * A case marks its inputs VS_CT_SECRET and calls the code under test; valgrind reports a branch
 * or an address that depends on them. What comes out is secret too until VS_CT_PUBLIC. A case
 * returns true iff the code also gave the right kind of result. */
#ifndef VS_TESTS_CTIME_H
#define VS_TESTS_CTIME_H

#include <stdbool.h>

typedef struct vs_ctime_case {
    const char *name;
    bool (*run)(void);
} vs_ctime_case;

/* Each ends with {NULL, NULL}. */
extern const vs_ctime_case vs_ctime_mpc[];
extern const vs_ctime_case vs_ctime_fl[];
extern const vs_ctime_case vs_ctime_net[];

#endif /* VS_TESTS_CTIME_H */
