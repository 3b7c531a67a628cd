/* ledger/dsse.h - DSSE envelopes (JSON), the form of every ledger entry.
 *
 * {"payload": base64, "payloadType": "application/vnd.veilsum.<kind>.v1+json",
 *  "signatures": [{"keyid", "sig"}]}; Ed25519 over the DSSE pre-authentication encoding
 * "DSSEv1 SP len(type) SP type SP len(payload) SP payload". keyid = lower-case hex of the
 * public key. The leaf data are the exact envelope bytes; nothing is re-serialised to check. */
#ifndef VS_LEDGER_DSSE_H
#define VS_LEDGER_DSSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define VS_ENTRY_MAX_BYTES 65535u
#define VS_DSSE_SIGNATURES_MAX 4u

typedef struct vs_dsse {
    char kind[24];  /* from payloadType, e.g. "open" */
    vs_buf payload; /* decoded bytes, owned */
    uint32_t n_signatures;
    vs_h32 keyid[VS_DSSE_SIGNATURES_MAX];
    uint8_t sig[VS_DSSE_SIGNATURES_MAX][64];
} vs_dsse;

/* Append the envelope of payload, signed with one Ed25519 seed. VS_ERR_LIMIT over 65,535 bytes. */
VS_MUST_CHECK vs_err vs_dsse_sign(vs_buf *envelope, const char *kind, const void *payload,
                                  size_t payload_len, const uint8_t seed[32], vs_diag *diag);
/* Parse strictly (no duplicate or unknown members, canonical base64). On VS_OK the caller
 * releases *out; on error it is empty. Does not verify. */
VS_MUST_CHECK vs_err vs_dsse_parse(vs_dsse *out, const uint8_t *envelope, size_t len,
                                   vs_diag *diag);
/* VS_OK iff a signature by public_key is there and verifies; VS_ERR_PROOF otherwise. */
VS_MUST_CHECK vs_err vs_dsse_verify(const vs_dsse *dsse, const vs_h32 *public_key, vs_diag *diag);
void vs_dsse_free(vs_dsse *dsse);

#endif /* VS_LEDGER_DSSE_H */
