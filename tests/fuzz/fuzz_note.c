#include <string.h>

#include <sodium.h>

#include "ledger/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Keys of the seeds 00.. and 01.. */
static vs_note_key key_of(uint8_t type, uint8_t fill)
{
    vs_note_key key;
    vs_h32 public_key;
    uint8_t seed[32];
    uint8_t secret[64];
    memset(seed, fill, sizeof seed);
    VS_ASSERT(crypto_sign_seed_keypair(public_key.b, secret, seed) == 0);
    VS_ASSERT(vs_note_key_make(&key, "log", type, &public_key, NULL) == VS_OK);
    return key;
}

/* Properties: a refusal leaves the result zero; an accepted note has a text that ends in LF and at
 * least one verified key; a key that parses formats to the same text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_note_key keys[2] = {key_of(VS_NOTE_ED25519, 0), key_of(VS_NOTE_COSIGNATURE, 1)};
    vs_note_result r;
    vs_diag diag;
    vs_err err = vs_note_verify(&r, data, size, keys, 2, &diag);
    VS_ASSERT(err == VS_OK || (r.n_verified == 0 && r.text_len == 0));
    VS_ASSERT(err != VS_OK || (r.n_verified > 0 && r.text_len > 0 && r.text_len < size));
    VS_ASSERT(err != VS_OK || data[r.text_len - 1] == '\n');
    if (size < VS_VKEY_CHARS) {
        char vkey[VS_VKEY_CHARS];
        char again[VS_VKEY_CHARS];
        vs_note_key key;
        memcpy(vkey, data, size);
        vkey[size] = '\0';
        if (vs_note_key_parse(&key, vkey, &diag) == VS_OK) {
            vs_note_key_format(again, &key);
            VS_ASSERT(strcmp(vkey, again) == 0);
        }
    }
    return 0;
}
