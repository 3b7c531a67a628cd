/* net/witness.h - cosigning checkpoints of other logs (C2SP tlog-witness), and asking others to
 * cosign ours.
 *
 * A witness remembers, for each log that it is configured with, the newest checkpoint that it
 * cosigned, and cosigns only what is proven to extend it: durable before the signature leaves. Its
 * cosignature says "consistent with all I have seen", not "recomputed": a shareholder does not
 * witness its own federation's log this way, whose checkpoints it cosigns after replaying them. */
#ifndef VS_NET_WITNESS_H
#define VS_NET_WITNESS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/log.h"
#include "ledger/policy_text.h"
#include "ledger/tree.h"
#include "net/http.h"
#include "net/store.h"

#define VS_WITNESS_REQUEST_MAX (VS_NOTE_MAX_BYTES + 8192u) /* bytes */

/* --- the request -------------------------------------------------------------------------------
 */

typedef struct vs_witness_request {
    uint64_t old_size;
    vs_tree_path proof;
    const uint8_t *note; /* borrowed */
    size_t note_len;
} vs_witness_request;

/* "old SIZE LF {base64 hash LF} LF checkpoint". VS_ERR_MALFORMED. */
VS_MUST_CHECK vs_err vs_witness_request_parse(vs_witness_request *out, const uint8_t *body,
                                              size_t len, vs_diag *diag);
VS_MUST_CHECK vs_err vs_witness_request_format(vs_buf *out, const vs_witness_request *request);

/* --- a witness ---------------------------------------------------------------------------------
 */

typedef struct vs_witness vs_witness;

/* logs: whose `log` lines are the logs that may ask; copied. key and seed: of the cosigner (type
 * 0x04); the seed is kept in guarded memory. store holds keys "witness/<hash of origin>". */
VS_MUST_CHECK vs_err vs_witness_new(vs_witness **out, const vs_tlog_policy *logs,
                                    const vs_note_key *key, const uint8_t seed[32], vs_store store,
                                    vs_diag *diag);
void vs_witness_free(vs_witness *w); /* NULL is a no-op */

typedef struct vs_witness_reply {
    uint16_t status;          /* 200, 400, 403, 404, 409, 422 as C2SP tlog-witness says */
    const char *content_type; /* a literal */
    vs_buf body;              /* owned */
} vs_witness_reply;

/* One POST add-checkpoint. VS_OK with any status; errors are the machine's. Frees nothing in
 * *reply, which starts zeroed. */
VS_MUST_CHECK vs_err vs_witness_add_checkpoint(vs_witness *w, const uint8_t *body, size_t len,
                                               uint64_t now_s, vs_witness_reply *reply,
                                               vs_diag *diag);

/* POST /add-checkpoint, run by vs_http_serve_pending. w outlives http. Before vs_http_start. */
void vs_witness_serve(vs_witness *w, vs_http *http);

/* --- the log's side ----------------------------------------------------------------------------
 */

/* The request that asks a witness which knows `old_size` entries for a cosignature of our newest
 * checkpoint; old_size at most the log's. */
VS_MUST_CHECK vs_err vs_witness_ask(vs_buf *out, vs_log *log, uint64_t old_size, vs_diag *diag);
/* The reply of a witness to such a request for size `size`: stores its cosignature (*stored), or
 * learns the size that it knows (*known_size). VS_ERR_PROOF: it is nonsense; VS_ERR_STATE: refused.
 */
VS_MUST_CHECK vs_err vs_witness_take(vs_log *log, uint64_t size, const vs_note_key *witness,
                                     uint16_t status, const vs_buf *body, uint64_t *known_size,
                                     bool *stored, vs_diag *diag);

#endif /* VS_NET_WITNESS_H */
