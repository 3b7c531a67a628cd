/* cli/stop.h - SIGTERM, SIGINT and SIGHUP as a question instead of an interruption. */
#ifndef VS_CLI_STOP_H
#define VS_CLI_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Zero-initialise to -1 by init; clear closes. */
typedef struct vs_stop {
    int fd; /* signalfd */
    bool asked;
} vs_stop;

/* Block the three signals in this thread (and those it starts) and watch for them. */
VS_MUST_CHECK vs_err vs_stop_init(vs_stop *stop, vs_diag *diag);
void vs_stop_clear(vs_stop *stop);
/* Has one come? Stays true. */
bool vs_stop_asked(vs_stop *stop);
/* Sleep that ends early when one comes. The same answer. */
bool vs_stop_sleep(vs_stop *stop, uint32_t ms);

#endif /* VS_CLI_STOP_H */
