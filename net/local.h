/* net/local.h - a whole federation in this process: the real roles, messages passed in memory.
 *
 * For simulations: no sockets, no threads, a clock of its own that jumps to the next thing to do.
 * Keys, shares and rounding come from a seed, so a run can be repeated bit for bit; nothing here
 * protects anybody. The log is a real one, in a folder. */
#ifndef VS_NET_LOCAL_H
#define VS_NET_LOCAL_H

#include <stdint.h>

#include "base/err.h"
#include "net/call.h"
#include "net/client.h"
#include "net/federation.h"

#define VS_LOCAL_CLIENTS_MAX (UINT32_C(1) << 20)
#define VS_LOCAL_LEDGER "ledger" /* folder within the folder: the log */

typedef struct vs_local_options {
    /* The numbers of the federation: everything but id, file, keys, names, addresses, policy. */
    const vs_federation *draft;
    uint32_t n_clients; /* 1..VS_LOCAL_CLIENTS_MAX, who may submit */
    uint64_t seed;
    const char *folder; /* there is one; gets VS_LOCAL_LEDGER and, with keep_on_disk, state-0... */
    bool keep_on_disk;  /* sealed shares in files (fsynced), not in memory */
} vs_local_options;

typedef struct vs_local vs_local;

/* On VS_OK the caller owns *out. Only options->folder is remembered, copied. */
VS_MUST_CHECK vs_err vs_local_new(vs_local **out, const vs_local_options *options, vs_diag *diag);
void vs_local_free(vs_local *local);

const vs_federation *vs_local_federation(const vs_local *local);
/* For the functions of net/call.h and call_result.h, in the admin's name; valid for one call, since
 * the clock goes on. */
vs_caller vs_local_caller(vs_local *local);

/* Client i (1..n_clients) submits: input as in vs_client_new, but enrolment, which is filled in.
 * VS_OK when enough receipts are in and the aggregator knows; VS_ERR_STATE when it was refused. */
VS_MUST_CHECK vs_err vs_local_submit(vs_local *local, uint32_t i, const vs_client_input *input,
                                     vs_client_status *status, vs_diag *diag);
/* Go on until the round is final or aborted: *phase says. VS_ERR_TIMEOUT if it never is. */
VS_MUST_CHECK vs_err vs_local_finish(vs_local *local, uint64_t round, vsw_Phase *phase,
                                     vs_diag *diag);

/* Bytes of all messages so far: of clients (both ways), and between the aggregator and the
 * shareholders. */
typedef struct vs_local_bytes {
    uint64_t clients, committee;
} vs_local_bytes;
vs_local_bytes vs_local_traffic(const vs_local *local);

#endif /* VS_NET_LOCAL_H */
