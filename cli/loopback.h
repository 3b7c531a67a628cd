/* cli/loopback.h - a federation of real daemons on this machine, made for one run: a folder, keys,
 * the federation file, one process each for the aggregator and the shareholders.
 *
 * `veilsum demo` adds clients as processes (demo.h), `veilsum load` has them in its own process
 * (load.h). Files in the folder: federation.json, and for each party NAME.key, NAME.log and NAME/,
 * its state. */
#ifndef VS_CLI_LOOPBACK_H
#define VS_CLI_LOOPBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/process.h"
#include "cli/stop.h"
#include "net/call.h"
#include "net/federation.h"
#include "net/keys.h"

#define VS_LOOPBACK_SHAREHOLDERS_MAX 32u
#define VS_LOOPBACK_CLIENTS_MAX 64u
#define VS_LOOPBACK_ADDRESS_BYTES 64u

typedef struct vs_loopback {
    char folder[VS_PROCESS_PATH_BYTES];
    bool keep; /* the folder is the user's and stays */
    vs_federation *fed;
    vs_keys *admin;
    vs_stop stop;         /* begun and cleared by the command */
    uint32_t n_processes; /* in use: the daemons, then the caller's clients */
    vs_process process[1 + VS_LOOPBACK_SHAREHOLDERS_MAX + VS_LOOPBACK_CLIENTS_MAX];
} vs_loopback;

/* What to begin with. */
typedef struct vs_loopback_plan {
    const char *what;           /* in the folder's name: demo, load */
    const char *keep;           /* folder, or NULL: a temporary one */
    const char *http;           /* of the aggregator's page, http://HOST:PORT, or NULL */
    const vs_federation *draft; /* name, committee, numbers; parties and keys are filled here */
    /* After the federation file, before the first process; may be NULL. */
    vs_err (*enrol)(void *ctx, vs_diag *diag);
    void *ctx;
} vs_loopback_plan;

/* Until every daemon answers; again with other ports when someone has taken one meanwhile. To be
 * ended also after a failure. VS_ERR_IO, VS_ERR_TIMEOUT, VS_ERR_STATE (stopped by a signal). */
VS_MUST_CHECK vs_err vs_loopback_begin(vs_loopback *here, const vs_loopback_plan *plan,
                                       vs_diag *diag);
/* Ends all processes within wait_ms, removes the folder unless it stays, forgets the federation. */
void vs_loopback_end(vs_loopback *here, uint32_t wait_ms);

/* (Re)start the aggregator (0) or shareholder j, and do not wait for it. */
VS_MUST_CHECK vs_err vs_loopback_start(vs_loopback *here, uint32_t j, const char *http,
                                       vs_diag *diag);
/* Until the aggregator and every shareholder answer. */
VS_MUST_CHECK vs_err vs_loopback_wait(vs_loopback *here, vs_diag *diag);
/* VS_ERR_STATE: a process has ended that should run, or a signal has come. */
VS_MUST_CHECK vs_err vs_loopback_alive(vs_loopback *here, vs_diag *diag);

/* folder/name; VS_ERR_LIMIT. */
VS_MUST_CHECK vs_err vs_loopback_path(const vs_loopback *here, char out[VS_PROCESS_PATH_BYTES],
                                      const char *name, vs_diag *diag);
/* New keys, saved as NAME.key; *out is the caller's. */
VS_MUST_CHECK vs_err vs_loopback_keys(const vs_loopback *here, vs_keys **out, const char *name,
                                      vs_diag *diag);
/* n different free ports of 127.0.0.1 as addresses; n <= 1 + VS_LOOPBACK_SHAREHOLDERS_MAX. */
VS_MUST_CHECK vs_err vs_loopback_addresses(char (*out)[VS_LOOPBACK_ADDRESS_BYTES], uint32_t n,
                                           vs_diag *diag);
/* Who asks for the admin. */
static inline vs_caller vs_loopback_caller(const vs_loopback *here)
{
    return (vs_caller){.fed = here->fed, .keys = here->admin, .timeout_ms = 10000};
}

#endif /* VS_CLI_LOOPBACK_H */
