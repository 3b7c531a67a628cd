#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "ledger/note.h"
#include "ledger/text.h"

enum { KEY_BYTES = 1 + VS_H32_BYTES }; /* type, public key */

static uint32_t key_id(const char *name, uint8_t type, const vs_h32 *public_key)
{
    vs_hash h;
    vs_h32 digest;
    vs_hash_init(&h);
    vs_hash_bytes(&h, name, strlen(name));
    vs_hash_bytes(&h, "\n", 1);
    vs_hash_bytes(&h, &type, 1);
    vs_hash_h32(&h, public_key);
    vs_hash_final(&h, &digest);
    return (uint32_t)digest.b[0] << 24 | (uint32_t)digest.b[1] << 16 | (uint32_t)digest.b[2] << 8 |
           digest.b[3];
}

/* name is not zero-terminated here. */
static vs_err make_key(vs_note_key *out, const char *name, size_t name_len, uint8_t type,
                       const vs_h32 *public_key, vs_diag *diag)
{
    memset(out, 0, sizeof *out);
    if (!vs_text_name_ok(name, name_len)) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "key name must be 1 to %u bytes of UTF-8 without '+' and spaces",
                       VS_NOTE_NAME_MAX);
    }
    if (type != VS_NOTE_ED25519 && type != VS_NOTE_COSIGNATURE) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "key %.*s: type 0x%02x is neither 0x01 (Ed25519) nor 0x04 (cosignature)",
                       (int)name_len, name, type);
    }
    memcpy(out->name, name, name_len);
    out->type = type;
    out->public_key = *public_key;
    out->id = key_id(out->name, type, public_key);
    return VS_OK;
}

vs_err vs_note_key_make(vs_note_key *out, const char *name, uint8_t type, const vs_h32 *public_key,
                        vs_diag *diag)
{
    return make_key(out, name, strlen(name), type, public_key, diag);
}

vs_err vs_note_key_parse(vs_note_key *out, const char *vkey, vs_diag *diag)
{
    memset(out, 0, sizeof *out);
    const char *plus1 = strchr(vkey, '+');
    const char *plus2 = plus1 == NULL ? NULL : strchr(plus1 + 1, '+');
    if (plus2 == NULL) {
        return vs_fail(diag, VS_ERR_MALFORMED, "key \"%.60s\": not name+id+base64", vkey);
    }
    size_t name_len = (size_t)(plus1 - vkey);
    uint8_t raw[KEY_BYTES];
    size_t raw_len = 0;
    if (vs_base64_decode(raw, sizeof raw, &raw_len, plus2 + 1, strlen(plus2 + 1)) != VS_OK ||
        raw_len != sizeof raw) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "key \"%.60s\": the part after the last '+' is not the base64 of a type and "
                       "32 bytes",
                       vkey);
    }
    vs_h32 public_key;
    memcpy(public_key.b, raw + 1, sizeof public_key.b);
    vs_err err = make_key(out, vkey, name_len, raw[0], &public_key, diag);
    if (err != VS_OK) return err;
    char id[9];
    (void)snprintf(id, sizeof id, "%08x", (unsigned)out->id);
    if (plus2 - plus1 - 1 != 8 || memcmp(id, plus1 + 1, 8) != 0) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "key \"%.60s\": its id should be %s", vkey, id);
        memset(out, 0, sizeof *out);
    }
    return err;
}

void vs_note_key_format(char out[VS_VKEY_CHARS], const vs_note_key *key)
{
    uint8_t raw[KEY_BYTES];
    char b64[VS_BASE64_CHARS(KEY_BYTES)];
    raw[0] = key->type;
    memcpy(raw + 1, key->public_key.b, VS_H32_BYTES);
    vs_base64_encode(b64, raw, sizeof raw);
    /* 255 + 1 + 8 + 1 + 44 + 1 fits in VS_VKEY_CHARS */
    (void)snprintf(out, VS_VKEY_CHARS, "%s+%08x+%s", key->name, (unsigned)key->id, b64);
}
