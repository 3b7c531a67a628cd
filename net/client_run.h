/* net/client_run.h - drive one client over the network until it is done or has failed. */
#ifndef VS_NET_CLIENT_RUN_H
#define VS_NET_CLIENT_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/client.h"

typedef struct vs_client_run_options {
    uint64_t patience_ms; /* give up after so long without any progress; 0 = never */
    /* Called after every step; may be NULL. */
    void (*progress)(void *ctx, const vs_client_status *status);
    void *progress_ctx;
    /* Asked after every step; true ends the run with VS_ERR_STATE. May be NULL. */
    bool (*stop)(void *ctx);
    void *stop_ctx;
} vs_client_run_options;

/* Submit by the addresses of the federation file; real time, system randomness. VS_OK iff DONE.
 * VS_ERR_STATE: refused; VS_ERR_TIMEOUT: out of patience (run again to go on); both with a message
 * for the user. *status (without secrets) is set in every case. */
VS_MUST_CHECK vs_err vs_client_run(vs_client_status *status, const vs_federation *fed,
                                   const vs_keys *keys, vs_store store,
                                   const vs_client_input *input,
                                   const vs_client_run_options *options, vs_diag *diag);

#endif /* VS_NET_CLIENT_RUN_H */
