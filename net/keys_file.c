/* The JSON files of keys and enrolments. */
#include "net/keys.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sodium.h>

#include "base/file.h"
#include "net/json_text.h"

enum { KEY_FILE_MAX = 4096, PATH_BYTES = 4096 }; /* bytes */

vs_err vs_keys_public_path(char *out, size_t cap, const char *path, vs_diag *diag)
{
    size_t len = strlen(path);
    if (len > 4 && strcmp(path + len - 4, ".key") == 0) len -= 4;
    if (len + sizeof ".pub" > cap) return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", path);
    memcpy(out, path, len);
    memcpy(out + len, ".pub", sizeof ".pub");
    return VS_OK;
}

static void format_public(vs_buf *out, const vs_public_keys *pub)
{
    char identity[VS_BASE64_CHARS(32)];
    char log_key[VS_VKEY_CHARS];
    char cosigner[VS_VKEY_CHARS];
    vs_base64_encode(identity, pub->identity.b, 32);
    vs_note_key_format(log_key, &pub->log);
    vs_note_key_format(cosigner, &pub->cosigner);
    vs_buf_printf(out,
                  "{\n  \"veilsum_public_key\": 1,\n  \"name\": \"%s\",\n  \"identity\": \"%s\",\n"
                  "  \"log\": \"%s\",\n  \"cosigner\": \"%s\"\n}\n",
                  pub->name, identity, log_key, cosigner);
}

/* Not by printf: it may leave the seed in a buffer of its own. */
static void format_secret(vs_buf *out, const vs_keys *keys)
{
    char seed[VS_BASE64_CHARS(32)];
    vs_base64_encode(seed, keys->master_seed, 32);
    vs_buf_text(out, "{\n  \"veilsum_secret_key\": 1,\n  \"name\": \"");
    vs_buf_text(out, keys->pub.name);
    vs_buf_text(out, "\",\n  \"seed\": \"");
    vs_buf_text(out, seed);
    vs_buf_text(out, "\"\n}\n");
    sodium_memzero(seed, sizeof seed);
}

vs_err vs_keys_save(const vs_keys *keys, const char *path, vs_diag *diag)
{
    char pub_path[PATH_BYTES];
    vs_buf pub = {0};
    vs_buf secret = {0};
    vs_err err = vs_keys_public_path(pub_path, sizeof pub_path, path, diag);
    if (err != VS_OK) return err;
    if (vs_file_exists(pub_path)) {
        return vs_fail(diag, VS_ERR_STATE, "%s: exists already, not overwritten", pub_path);
    }
    format_public(&pub, &keys->pub);
    format_secret(&secret, keys);
    if (vs_buf_check(&pub) != VS_OK || vs_buf_check(&secret) != VS_OK) {
        err = vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", path);
        goto cleanup;
    }
    err = vs_file_create_durable(path, secret.p, secret.len, 0600, diag);
    if (err != VS_OK) goto cleanup;
    err = vs_file_create_durable(pub_path, pub.p, pub.len, 0644, diag);
    if (err != VS_OK) { /* nobody has used this key yet: leave no half of a pair */
        vs_err erased = vs_file_erase(path, NULL);
        if (erased != VS_OK) vs_diag_prefix(diag, "%s: could not be removed again", path);
    }
cleanup:
    vs_buf_free(&pub);
    vs_buf_free_secret(&secret);
    return err;
}

static vs_err check_version(const vs_json_member *version, const char *path, vs_diag *diag)
{
    if (version->len == 1 && version->p[0] == '1') return VS_OK;
    return vs_fail(diag, VS_ERR_MALFORMED, "%s: line %u: \"%s\" must be 1", path, version->line,
                   version->name);
}

static vs_err read_base64(uint8_t *out, size_t len, const vs_json_member *m, const char *path,
                          vs_diag *diag)
{
    uint8_t raw[64];
    size_t got = 0;
    VS_ASSERT(len <= sizeof raw);
    vs_err err = vs_base64_decode(raw, sizeof raw, &got, m->p, m->len);
    if (err == VS_OK && got == len) {
        memcpy(out, raw, len);
    } else {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: line %u: \"%s\" must be base64 of %zu bytes",
                      path, m->line, m->name, len);
    }
    sodium_memzero(raw, sizeof raw);
    return err;
}

/* A string member as C text; the text holds no zero byte (json_text refuses control characters). */
static vs_err read_text(char *out, size_t cap, const vs_json_member *m, const char *path,
                        vs_diag *diag)
{
    if (m->len == 0 || m->len >= cap) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: line %u: \"%s\" must have 1 to %zu bytes", path,
                       m->line, m->name, cap - 1);
    }
    memcpy(out, m->p, m->len);
    out[m->len] = '\0';
    return VS_OK;
}

static vs_err refuse_readable_by_others(const char *path, vs_diag *diag)
{
    struct stat st;
    /* systemd lets a unit's user read its credentials by an access list, which shows as rights of
     * the group; the folder itself is closed to everybody else. */
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    size_t len = credentials == NULL ? 0 : strlen(credentials);
    bool is_credential = len > 0 && strncmp(path, credentials, len) == 0 && path[len] == '/';
    mode_t others = is_credential ? S_IRWXO : S_IRWXG | S_IRWXO;
    if (stat(path, &st) != 0 || (st.st_mode & others) == 0) return VS_OK; /* reading tells why */
    return vs_fail(diag, VS_ERR_STATE,
                   "%s: others may read this secret key (mode %03o); run: chmod 600 %s", path,
                   (unsigned)st.st_mode & 0777u, path);
}

/* An easy mistake, and the message about rights would mislead. */
static vs_err refuse_public(const char *path, const vs_buf *file, vs_diag *diag)
{
    static const char name[] = "\"veilsum_public_key\"";
    size_t n = sizeof name - 1;
    for (size_t i = 0; i + n <= file->len; i++) {
        if (memcmp(file->p + i, name, n) != 0) continue;
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "%s: is a public key; the secret key file is needed here (it ends in .key)",
                       path);
    }
    return VS_OK;
}

static vs_err parse_secret(vs_keys **out, const vs_buf *file, const char *path, vs_diag *diag)
{
    char name[VS_NOTE_NAME_MAX + 1];
    uint8_t seed[32];
    vs_json_member m[] = {{.name = "veilsum_secret_key", .is_string = false},
                          {.name = "name", .is_string = true},
                          {.name = "seed", .is_string = true}};
    vs_err err = vs_json_flat(m, 3, file->p, file->len, path, diag);
    if (err == VS_OK) err = check_version(&m[0], path, diag);
    if (err == VS_OK) err = read_text(name, sizeof name, &m[1], path, diag);
    if (err == VS_OK) err = read_base64(seed, sizeof seed, &m[2], path, diag);
    if (err != VS_OK) return err;
    err = vs_keys_from_seed(out, name, seed, diag);
    if (err != VS_OK) vs_diag_prefix(diag, "%s", path);
    sodium_memzero(seed, sizeof seed);
    return err;
}

vs_err vs_keys_load(vs_keys **out, const char *path, vs_diag *diag)
{
    *out = NULL;
    vs_buf file = {0};
    vs_err err = vs_file_read(&file, path, KEY_FILE_MAX, diag);
    if (err == VS_OK) err = refuse_public(path, &file, diag);
    if (err == VS_OK) err = refuse_readable_by_others(path, diag);
    if (err == VS_OK) err = parse_secret(out, &file, path, diag);
    vs_buf_free_secret(&file);
    return err;
}

static vs_err read_note_key(vs_note_key *out, const vs_json_member *m, const char *name,
                            uint8_t type, const char *path, vs_diag *diag)
{
    char text[VS_VKEY_CHARS];
    vs_err err = read_text(text, sizeof text, m, path, diag);
    if (err != VS_OK) return err;
    err = vs_note_key_parse(out, text, diag);
    if (err != VS_OK) {
        vs_diag_prefix(diag, "%s: line %u: \"%s\"", path, m->line, m->name);
        return err;
    }
    if (out->type == type && strcmp(out->name, name) == 0) return VS_OK;
    return vs_fail(diag, VS_ERR_MALFORMED,
                   "%s: line %u: \"%s\" must carry the name \"%s\" and key type %u", path, m->line,
                   m->name, name, type);
}

vs_err vs_public_keys_parse(vs_public_keys *out, const uint8_t *bytes, size_t len, const char *name,
                            vs_diag *diag)
{
    vs_public_keys pub = {0};
    vs_json_member m[] = {{.name = "veilsum_public_key", .is_string = false},
                          {.name = "name", .is_string = true},
                          {.name = "identity", .is_string = true},
                          {.name = "log", .is_string = true},
                          {.name = "cosigner", .is_string = true}};
    vs_err err = vs_json_flat(m, 5, bytes, len, name, diag);
    if (err == VS_OK) err = check_version(&m[0], name, diag);
    if (err == VS_OK) err = read_text(pub.name, sizeof pub.name, &m[1], name, diag);
    if (err == VS_OK) err = read_base64(pub.identity.b, 32, &m[2], name, diag);
    if (err == VS_OK) {
        err = read_note_key(&pub.log, &m[3], pub.name, VS_NOTE_ED25519, name, diag);
    }
    if (err == VS_OK) {
        err = read_note_key(&pub.cosigner, &m[4], pub.name, VS_NOTE_COSIGNATURE, name, diag);
    }
    if (err == VS_OK) *out = pub;
    return err;
}

vs_err vs_public_keys_load(vs_public_keys *out, const char *path, vs_diag *diag)
{
    vs_buf file = {0};
    vs_err err = vs_file_read(&file, path, KEY_FILE_MAX, diag);
    if (err == VS_OK) err = vs_public_keys_parse(out, file.p, file.len, path, diag);
    vs_buf_free(&file);
    return err;
}

vs_err vs_enrolment_save(const char *path, const vs_h32 *federation_id,
                         const vs_public_keys *client, const uint8_t sig[64], vs_diag *diag)
{
    char federation[VS_HEX_CHARS(32)];
    char key[VS_BASE64_CHARS(32)];
    char signature[VS_BASE64_CHARS(64)];
    vs_buf text = {0};
    vs_hex_encode(federation, federation_id->b, 32);
    vs_base64_encode(key, client->identity.b, 32);
    vs_base64_encode(signature, sig, 64);
    vs_buf_printf(&text,
                  "{\n  \"veilsum_enrolment\": 1,\n  \"federation\": \"%s\",\n"
                  "  \"client\": \"%s\",\n  \"name\": \"%s\",\n  \"signature\": \"%s\"\n}\n",
                  federation, key, client->name, signature);
    vs_err err = vs_buf_check(&text);
    if (err != VS_OK) {
        (void)vs_fail(diag, err, "%s: out of memory", path);
    } else {
        err = vs_file_write_durable(path, text.p, text.len, 0644, diag);
    }
    vs_buf_free(&text);
    return err;
}

vs_err vs_enrolment_parse(vs_h32 *federation_id, vs_h32 *client_key, uint8_t sig[64],
                          const uint8_t *bytes, size_t len, const char *name, vs_diag *diag)
{
    vs_h32 federation = {{0}};
    vs_h32 client = {{0}};
    uint8_t signature[64];
    char hex[VS_HEX_CHARS(32)];
    char client_name[VS_NOTE_NAME_MAX + 1];
    vs_json_member m[] = {{.name = "veilsum_enrolment", .is_string = false},
                          {.name = "federation", .is_string = true},
                          {.name = "client", .is_string = true},
                          {.name = "name", .is_string = true},
                          {.name = "signature", .is_string = true}};
    vs_err err = vs_json_flat(m, 5, bytes, len, name, diag);
    if (err == VS_OK) err = check_version(&m[0], name, diag);
    if (err == VS_OK && (m[1].len != 64 || read_text(hex, sizeof hex, &m[1], name, diag) != VS_OK ||
                         vs_hex_decode(federation.b, 32, hex) != VS_OK)) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: line %u: \"federation\" must be 64 hex digits",
                      name, m[1].line);
    }
    if (err == VS_OK) err = read_base64(client.b, 32, &m[2], name, diag);
    if (err == VS_OK) err = read_text(client_name, sizeof client_name, &m[3], name, diag);
    if (err == VS_OK) err = read_base64(signature, 64, &m[4], name, diag);
    if (err != VS_OK) return err;
    *federation_id = federation;
    *client_key = client;
    memcpy(sig, signature, 64);
    return VS_OK;
}

vs_err vs_enrolment_load(const char *path, vs_h32 *federation_id, vs_h32 *client_key,
                         uint8_t sig[64], vs_diag *diag)
{
    vs_buf file = {0};
    vs_err err = vs_file_read(&file, path, KEY_FILE_MAX, diag);
    if (err == VS_OK) {
        err = vs_enrolment_parse(federation_id, client_key, sig, file.p, file.len, path, diag);
    }
    vs_buf_free(&file);
    return err;
}
