/* net/call.h - requests of short commands: of a coordinator or member to the aggregator, of anyone
 * for a daemon's status.
 *
 * Each call sends one request over net/edge.h and waits for its reply (blobs: as many as needed).
 * An Error reply becomes VS_ERR_STATE with the aggregator's own words; *code (where there is one)
 * tells which. Nothing here keeps state. */
#ifndef VS_NET_CALL_H
#define VS_NET_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/federation.h"
#include "net/keyring.h"
#include "net/keys.h"
#include "net/submission.h"
#include "net/wire.h"

#define VS_CALL_BLOB_MAX (UINT64_C(1) << 31) /* bytes of a blob that is read into memory */

/* Who asks. All borrowed. */
typedef struct vs_caller {
    const vs_federation *fed;
    const vs_keys *keys;      /* signs control; NULL for what needs none */
    const uint8_t *enrolment; /* 64 bytes of a client's enrolment; NULL for admin, shareholder */
    uint32_t timeout_ms;      /* of each request */
    /* Another way than the network to one party (0: the aggregator), and its clock: a federation in
     * this process (net/local.h). NULL: the addresses of the federation file. *reply is empty. */
    vs_err (*send)(void *ctx, uint32_t peer, const vs_buf *request, vs_buf *reply, vs_diag *diag);
    void *send_ctx;
    uint64_t unix_time; /* 0: the system's clock */
} vs_caller;

/* A daemon at any address of the federation. */
VS_MUST_CHECK vs_err vs_call_status(const vs_caller *caller, const char *address,
                                    vsw_StatusReply *out, vs_diag *diag);
/* round 0: the newest. The `open` envelope is appended to *open unless that is NULL. Without any
 * round yet: VS_ERR_STATE, *code UNKNOWN_ROUND or NOT_FOUND. code may be NULL. */
VS_MUST_CHECK vs_err vs_call_round_info(const vs_caller *caller, uint64_t round,
                                        vsw_RoundInfo *info, vs_buf *open, vsw_Code *code,
                                        vs_diag *diag);
/* Append the envelope of the nth entry of a kind ("set", ...) of a round. */
VS_MUST_CHECK vs_err vs_call_entry(const vs_caller *caller, uint64_t round, const char *kind,
                                   uint32_t nth, vs_buf *envelope, vs_diag *diag);

/* --- the admin's -------------------------------------------------------------------------------
 */

typedef struct vs_call_open {
    uint64_t round; /* the next one, as round_info says */
    uint32_t dim;
    vs_h32 model_hash;       /* zeros: none */
    uint32_t target_clients; /* 0: collect until the deadline */
    uint32_t collect_s;      /* 0: the federation's round_timeout */
} vs_call_open;

VS_MUST_CHECK vs_err vs_call_open_round(const vs_caller *caller, const vs_call_open *open,
                                        vs_diag *diag);
/* op: VS_OPERATION_CLOSE or VS_OPERATION_CANCEL. */
VS_MUST_CHECK vs_err vs_call_end_round(const vs_caller *caller, vs_operation op, uint64_t round,
                                       vs_diag *diag);
/* Store a model file at the aggregator; *name is its SHA-256. */
VS_MUST_CHECK vs_err vs_call_put_blob(const vs_caller *caller, const void *data, size_t len,
                                      vs_h32 *name, vs_diag *diag);

/* A signed change of a key (net/keyring.h), by whomever its signer is. */
VS_MUST_CHECK vs_err vs_call_key(const vs_caller *caller, const vs_entry_key *key, vs_diag *diag);

/* --- a member's --------------------------------------------------------------------------------
 */

/* Read the blob of this name, at most max_len bytes (VS_ERR_LIMIT beyond), appended to *out, and
 * check its SHA-256 (VS_ERR_PROOF; *out keeps its length on every error). */
VS_MUST_CHECK vs_err vs_call_get_blob(const vs_caller *caller, const vs_h32 *name, size_t max_len,
                                      vs_buf *out, vs_diag *diag);
/* The same piece by piece: put gets the bytes in order (its error ends this), nothing is checked
 * but that they are at most max_len. */
VS_MUST_CHECK vs_err vs_call_blob_pieces(const vs_caller *caller, const vs_h32 *name,
                                         size_t max_len,
                                         vs_err (*put)(void *ctx, const uint8_t *bytes, size_t len,
                                                       vs_diag *diag),
                                         void *ctx, vs_diag *diag);

#endif /* VS_NET_CALL_H */
