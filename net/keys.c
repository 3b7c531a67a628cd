#include "net/keys.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

/* --- deriving ----------------------------------------------------------------------------------
 */

static void derive_seed(uint8_t out[32], const uint8_t master[32], const char *role)
{
    static const char label[] = "veilsum/v1 key";
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, master, 32, 32);
    (void)crypto_generichash_update(&state, (const uint8_t *)label, sizeof label);
    (void)crypto_generichash_update(&state, (const uint8_t *)role, strlen(role) + 1);
    (void)crypto_generichash_final(&state, out, 32);
    sodium_memzero(&state, sizeof state);
}

static void public_of(vs_h32 *out, const uint8_t seed[32])
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    (void)crypto_sign_seed_keypair(out->b, secret, seed);
    sodium_memzero(secret, sizeof secret);
}

/* Names go into JSON files and note lines as they are, so they must not need an escape. */
static vs_err check_name(const char *name, vs_diag *diag)
{
    for (const char *c = name; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '"' || *c == '\\') {
            return vs_fail(diag, VS_ERR_MALFORMED,
                           "key name \"%s\": must be without quotes, backslashes and control "
                           "characters",
                           name);
        }
    }
    return VS_OK;
}

/* Everything that follows from the name and the master seed. */
static vs_err derive_all(vs_keys *keys, const char *name, vs_diag *diag)
{
    vs_h32 log_key;
    vs_h32 cosigner_key;
    vs_err err = check_name(name, diag);
    if (err != VS_OK) return err;
    derive_seed(keys->identity_seed, keys->master_seed, "identity");
    derive_seed(keys->log_seed, keys->master_seed, "log");
    derive_seed(keys->cosigner_seed, keys->master_seed, "cosigner");
    public_of(&keys->pub.identity, keys->identity_seed);
    public_of(&log_key, keys->log_seed);
    public_of(&cosigner_key, keys->cosigner_seed);
    err = vs_note_key_make(&keys->pub.log, name, VS_NOTE_ED25519, &log_key, diag);
    if (err != VS_OK) return err;
    err = vs_note_key_make(&keys->pub.cosigner, name, VS_NOTE_COSIGNATURE, &cosigner_key, diag);
    if (err != VS_OK) return err;
    (void)snprintf(keys->pub.name, sizeof keys->pub.name, "%s",
                   name); /* make() checked its length */
    return VS_OK;
}

static vs_err alloc_keys(vs_keys **out, vs_diag *diag)
{
    VS_ASSERT(sodium_init() >= 0);
    *out = sodium_malloc(sizeof **out);
    if (*out == NULL) {
        return vs_fail(diag, VS_ERR_NOMEM, "no locked memory for keys (ulimit -l)");
    }
    sodium_memzero(*out, sizeof **out);
    return VS_OK;
}

vs_err vs_keys_from_seed(vs_keys **out, const char *name, const uint8_t seed[32], vs_diag *diag)
{
    *out = NULL;
    vs_keys *keys;
    vs_err err = alloc_keys(&keys, diag);
    if (err != VS_OK) return err;
    memcpy(keys->master_seed, seed, sizeof keys->master_seed);
    err = derive_all(keys, name, diag);
    if (err != VS_OK) {
        vs_keys_free(keys);
        return err;
    }
    *out = keys;
    return VS_OK;
}

vs_err vs_keys_generate(vs_keys **out, const char *name, const vs_rng *rng, vs_diag *diag)
{
    *out = NULL;
    uint8_t seed[32];
    vs_err err = vs_rng_fill(rng, seed, sizeof seed);
    if (err != VS_OK) {
        (void)vs_fail(diag, err, "no randomness for a new key");
    } else {
        err = vs_keys_from_seed(out, name, seed, diag);
    }
    sodium_memzero(seed, sizeof seed);
    return err;
}

void vs_keys_free(vs_keys *keys)
{
    sodium_free(keys); /* wipes; NULL is fine */
}

/* --- signatures --------------------------------------------------------------------------------
 */

void vs_sign(uint8_t sig[64], const void *msg, size_t len, const uint8_t seed[32])
{
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    (void)crypto_sign_seed_keypair(public_key, secret, seed);
    (void)crypto_sign_detached(sig, NULL, msg, len, secret);
    sodium_memzero(secret, sizeof secret);
}

vs_err vs_verify(const uint8_t sig[64], const void *msg, size_t len, const vs_h32 *public_key)
{
    return crypto_sign_verify_detached(sig, msg, len, public_key->b) == 0 ? VS_OK : VS_ERR_PROOF;
}

/* --- enrolment ---------------------------------------------------------------------------------
 */

/* docs/WIRE.md: "veilsum/v1 enrolment" | federation_id | u64 0 | client_key */
enum { ENROLMENT_BYTES = sizeof "veilsum/v1 enrolment" + 32 + 8 + 32 };

static void enrolment_message(uint8_t out[ENROLMENT_BYTES], const vs_h32 *federation_id,
                              const vs_h32 *client_key)
{
    static const char label[] = "veilsum/v1 enrolment";
    memcpy(out, label, sizeof label);
    memcpy(out + sizeof label, federation_id->b, 32);
    vs_store_le64(out + sizeof label + 32, 0);
    memcpy(out + sizeof label + 40, client_key->b, 32);
}

void vs_enrolment_sign(uint8_t sig[64], const vs_h32 *federation_id, const vs_h32 *client_key,
                       const uint8_t admin_seed[32])
{
    uint8_t message[ENROLMENT_BYTES];
    enrolment_message(message, federation_id, client_key);
    vs_sign(sig, message, sizeof message, admin_seed);
}

vs_err vs_enrolment_verify(const uint8_t sig[64], const vs_h32 *federation_id,
                           const vs_h32 *client_key, const vs_h32 *admin_key)
{
    uint8_t message[ENROLMENT_BYTES];
    enrolment_message(message, federation_id, client_key);
    return vs_verify(sig, message, sizeof message, admin_key);
}

vs_err vs_enrolment_check(const uint8_t sig[64], const vs_h32 *federation_id,
                          const vs_h32 *client_key, const vs_h32 *admin_key)
{
    static const uint8_t rotated[64];
    if (memcmp(sig, rotated, sizeof rotated) == 0) return VS_OK;
    return vs_enrolment_verify(sig, federation_id, client_key, admin_key);
}
