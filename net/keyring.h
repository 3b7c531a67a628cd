/* net/keyring.h - which keys are valid at a position of the log: what its `key` entries did.
 *
 * A key that was revoked or rotated away never becomes valid again. A client key that another was
 * rotated to needs no enrolment of its own. Public data. */
#ifndef VS_NET_KEYRING_H
#define VS_NET_KEYRING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/entry.h"
#include "ledger/policy.h"
#include "net/federation.h"

#define VS_KEYRING_CLIENTS_MAX 1048576u /* keys of clients that entries name */

typedef enum vs_key_state {
    VS_KEY_PLAIN = 0, /* no entry names it: its enrolment decides */
    VS_KEY_REVOKED,
    VS_KEY_ADMITTED, /* a rotation leads to it */
} vs_key_state;

/* Zero-initialise. */
typedef struct vs_keyring {
    vs_buf clients;                        /* sorted: key, u8 state */
    bool revoked[VS_SHAREHOLDERS_MAX + 1]; /* by j */
} vs_keyring;

void vs_keyring_free(vs_keyring *ring);
VS_MUST_CHECK vs_err vs_keyring_copy(vs_keyring *out, const vs_keyring *ring);
vs_key_state vs_keyring_client(const vs_keyring *ring, const vs_h32 *key);
/* May this client key be used: not revoked, and enrolled by the admin or admitted by a rotation. */
VS_MUST_CHECK vs_err vs_keyring_admits(const vs_keyring *ring, const vs_federation *fed,
                                       const vs_h32 *key, const uint8_t enrolment[64]);
/* May this entry come next? Signature of the admin or of the old key, old key valid, new key new.
 * VS_ERR_PROOF names the rule. */
VS_MUST_CHECK vs_err vs_keyring_check(const vs_keyring *ring, const vs_federation *fed,
                                      const vs_entry_key *k, vs_diag *diag);
/* It came. VS_ERR_NOMEM leaves the ring as it was. */
VS_MUST_CHECK vs_err vs_keyring_take(vs_keyring *ring, const vs_entry_key *k);

/* Cosigners of this verified checkpoint whose shareholder is not revoked. */
uint32_t vs_keyring_cosigned(const vs_keyring *ring, const vs_federation *fed,
                             const vs_policy_result *found);

/* "veilsum/v1 key" | federation_id | u8 action | u8 party | u32 index | old_key | new_key
 * | new_cosigner: what `signer` signs (docs/WIRE.md). */
VS_MUST_CHECK vs_err vs_key_statement_bytes(vs_buf *out, const vs_h32 *federation_id,
                                            const vs_entry_key *k);

/* Body of `control_key`: u8 action | u8 party | u32 index | old_key | new_key | new_cosigner |
 * signer | sig | enrolment. Decoding checks the shape and the rules of ledger/entry.h, no
 * signature. */
#define VS_KEY_REQUEST_BYTES (2u + 4u + 4u * VS_H32_BYTES + 2u * 64u)
void vs_key_request_encode(uint8_t out[VS_KEY_REQUEST_BYTES], const vs_entry_key *k);
VS_MUST_CHECK vs_err vs_key_request_decode(vs_entry_key *out, const uint8_t *bytes, size_t len);

#endif /* VS_NET_KEYRING_H */
