/* net/keys.h - key files, and the role keys derived from them.
 *
 * A secret key file (mode 0600) is JSON {"veilsum_secret_key": 1, "name", "seed": base64 of 32
 * bytes}; the public file beside it (.pub) {"veilsum_public_key": 1, "name", "identity": base64
 * Ed25519, "log": vkey, "cosigner": vkey}. One key per role: each Ed25519 seed is BLAKE2b-256(key =
 * master seed, "veilsum/v1 key" || 0x00 || role || 0x00), role "identity", "log" or "cosigner". The
 * note keys carry `name`, which has no quote, backslash or control character. */
#ifndef VS_NET_KEYS_H
#define VS_NET_KEYS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/rng.h"
#include "ledger/note.h"

typedef struct vs_public_keys {
    char name[VS_NOTE_NAME_MAX + 1];
    vs_h32 identity;      /* Ed25519: signs envelopes, votes, receipts, round keys, control */
    vs_note_key log;      /* type 0x01: signs checkpoints (aggregator). A federation names this
                             key by its origin: use vs_federation.log_key, with our log_seed */
    vs_note_key cosigner; /* type 0x04: cosigns checkpoints (shareholder) */
} vs_public_keys;

/* Lives in sodium_malloc memory; free wipes. */
typedef struct vs_keys {
    vs_public_keys pub;
    uint8_t master_seed[32];
    uint8_t identity_seed[32];
    uint8_t log_seed[32];
    uint8_t cosigner_seed[32];
} vs_keys;

VS_MUST_CHECK vs_err vs_keys_generate(vs_keys **out, const char *name, const vs_rng *rng,
                                      vs_diag *diag);
/* The same from a master seed that the caller has (and wipes). */
VS_MUST_CHECK vs_err vs_keys_from_seed(vs_keys **out, const char *name, const uint8_t seed[32],
                                       vs_diag *diag);
/* Write PATH (0600, never over an existing file) and PATH with .key replaced by .pub, or .pub
 * appended. */
VS_MUST_CHECK vs_err vs_keys_save(const vs_keys *keys, const char *path, vs_diag *diag);
/* That path of the public file. cap: bytes at out. */
VS_MUST_CHECK vs_err vs_keys_public_path(char *out, size_t cap, const char *path, vs_diag *diag);
/* Refuses a file that others may read. */
VS_MUST_CHECK vs_err vs_keys_load(vs_keys **out, const char *path, vs_diag *diag);
void vs_keys_free(vs_keys *keys);
VS_MUST_CHECK vs_err vs_public_keys_load(vs_public_keys *out, const char *path, vs_diag *diag);
/* The same from bytes; name is for messages. */
VS_MUST_CHECK vs_err vs_public_keys_parse(vs_public_keys *out, const uint8_t *bytes, size_t len,
                                          const char *name, vs_diag *diag);

/* Ed25519 over exact bytes. verify: VS_ERR_PROOF. */
void vs_sign(uint8_t sig[64], const void *msg, size_t len, const uint8_t seed[32]);
VS_MUST_CHECK vs_err vs_verify(const uint8_t sig[64], const void *msg, size_t len,
                               const vs_h32 *public_key);

/* Enrolment: the admin's signature that admits a client key (docs/WIRE.md). The file is JSON
 * {"veilsum_enrolment": 1, "federation", "client", "name", "signature"}. */
void vs_enrolment_sign(uint8_t sig[64], const vs_h32 *federation_id, const vs_h32 *client_key,
                       const uint8_t admin_seed[32]);
VS_MUST_CHECK vs_err vs_enrolment_verify(const uint8_t sig[64], const vs_h32 *federation_id,
                                         const vs_h32 *client_key, const vs_h32 *admin_key);
/* What a client checks of its own enrolment: the admin's signature, or 64 zero bytes, which stand
 * for "admitted by a rotation in the log" (net/keyring.h): there the log decides. VS_ERR_PROOF. */
VS_MUST_CHECK vs_err vs_enrolment_check(const uint8_t sig[64], const vs_h32 *federation_id,
                                        const vs_h32 *client_key, const vs_h32 *admin_key);
VS_MUST_CHECK vs_err vs_enrolment_save(const char *path, const vs_h32 *federation_id,
                                       const vs_public_keys *client, const uint8_t sig[64],
                                       vs_diag *diag);
VS_MUST_CHECK vs_err vs_enrolment_load(const char *path, vs_h32 *federation_id, vs_h32 *client_key,
                                       uint8_t sig[64], vs_diag *diag);
/* The same from bytes; name is for messages. The signature is not checked here. */
VS_MUST_CHECK vs_err vs_enrolment_parse(vs_h32 *federation_id, vs_h32 *client_key, uint8_t sig[64],
                                        const uint8_t *bytes, size_t len, const char *name,
                                        vs_diag *diag);

#endif /* VS_NET_KEYS_H */
