/* net/daemon.h - a role, its durable state and the network edge, joined into a process.
 *
 * One thread takes events from the edge and steps the role; a tick comes at least every 100 ms. A
 * folder belongs to one process: a second one is refused and told which to stop. */
#ifndef VS_NET_DAEMON_H
#define VS_NET_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/policy_text.h"
#include "net/federation.h"
#include "net/keys.h"

typedef struct vs_daemon {
    const vs_federation *fed;
    const vs_keys *keys;
    const char *dir;    /* data folder, made if it is not there */
    const char *listen; /* NULL: the address in the federation file */
    const char
        *http; /* http://HOST:PORT to serve metrics, status and the published log at; NULL: none */
    /* Shareholder: the logs of others that it witnesses (POST /add-checkpoint; needs http).
     * Aggregator: outside witnesses with URLs that are asked to cosign its log. NULL: none. */
    const vs_tlog_policy *witness;
    /* Asked after every event and tick: true ends the run cleanly. */
    bool (*stop)(void *ctx);
    /* One line worth logging; never a secret. */
    void (*notice)(void *ctx, const char *text);
    void *ctx;
} vs_daemon;

#define VS_DAEMON_PUBLIC "public" /* folder within DIR */

/* Run until stopped. VS_OK after a clean stop; otherwise the reason (port in use, folder in use,
 * key of nobody in the federation, disk full, ...). DIR/ledger holds the log, DIR/public the log as
 * files for any web server (ledger/export.h), DIR/state the rest. */
VS_MUST_CHECK vs_err vs_daemon_run_aggregator(const vs_daemon *d, vs_diag *diag);
/* DIR is a vs_store_disk. */
VS_MUST_CHECK vs_err vs_daemon_run_shareholder(const vs_daemon *d, vs_diag *diag);

#endif /* VS_NET_DAEMON_H */
