#include "ledger/dsse.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "ledger/text.h"

static const char type_head[] = "application/vnd.veilsum.";
static const char type_tail[] = ".v1+json";
enum {
    KIND_BYTES = 24, /* of vs_dsse.kind */
    TYPE_BYTES = 64, /* "application/vnd.veilsum.<23 chars>.v1+json" and the final zero */
};
_Static_assert(sizeof(((vs_dsse *)0)->kind) == KIND_BYTES, "see kind_ok");

static bool kind_ok(const char *kind, size_t len)
{
    if (len == 0 || len >= KIND_BYTES) return false;
    for (size_t i = 0; i < len; i++) {
        bool lower = kind[i] >= 'a' && kind[i] <= 'z';
        if (!lower && kind[i] != '-') return false;
    }
    return true;
}

static void type_of_kind(char out[TYPE_BYTES], const char *kind)
{
    int n = snprintf(out, TYPE_BYTES, "%s%s%s", type_head, kind, type_tail);
    VS_ASSERT(n > 0 && n < TYPE_BYTES);
}

/* Append "DSSEv1 SP len(type) SP type SP len(payload) SP payload". */
static void put_pae(vs_buf *out, const char *kind, const void *payload, size_t len)
{
    char type[TYPE_BYTES];
    type_of_kind(type, kind);
    vs_buf_printf(out, "DSSEv1 %zu %s %zu ", strlen(type), type, len);
    vs_buf_bytes(out, payload, len);
}

static void put_base64(vs_buf *out, const void *data, size_t len)
{
    uint8_t *at = vs_buf_extend(out, VS_BASE64_CHARS(len));
    if (at == NULL) return;
    vs_base64_encode((char *)at, data, len);
    out->len--; /* the final zero */
}

vs_err vs_dsse_sign(vs_buf *envelope, const char *kind, const void *payload, size_t payload_len,
                    const uint8_t seed[32], vs_diag *diag)
{
    vs_h32 public_key;
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    uint8_t sig[crypto_sign_BYTES];
    char type[TYPE_BYTES];
    char keyid[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_buf pae = {0};
    size_t before = envelope->len;
    VS_ASSERT(kind_ok(kind, strlen(kind)));
    if (payload_len > VS_ENTRY_MAX_BYTES) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s entry: a payload of %zu bytes is too long", kind,
                       payload_len);
    }
    put_pae(&pae, kind, payload, payload_len);
    if (pae.failed) {
        vs_buf_free(&pae);
        return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    (void)crypto_sign_seed_keypair(public_key.b, secret, seed); /* cannot fail */
    (void)crypto_sign_detached(sig, NULL, pae.p, pae.len, secret);
    sodium_memzero(secret, sizeof secret);
    vs_buf_free(&pae);
    type_of_kind(type, kind);
    vs_hex_encode(keyid, public_key.b, sizeof public_key.b);
    vs_buf_text(envelope, "{\"payload\":\"");
    put_base64(envelope, payload, payload_len);
    vs_buf_printf(envelope,
                  "\",\"payloadType\":\"%s\",\"signatures\":[{\"keyid\":\"%s\",\"sig\":\"", type,
                  keyid);
    put_base64(envelope, sig, sizeof sig);
    vs_buf_text(envelope, "\"}]}");
    vs_err err = VS_OK;
    if (envelope->failed) {
        err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    } else if (envelope->len - before > VS_ENTRY_MAX_BYTES) {
        err = vs_fail(diag, VS_ERR_LIMIT, "%s entry: %zu bytes, an entry holds at most %u", kind,
                      envelope->len - before, VS_ENTRY_MAX_BYTES);
    }
    if (err != VS_OK) envelope->len = before;
    return err;
}

/* --- parsing --------------------------------------------------------------------------------- */

static vs_err bad(vs_diag *diag, const char *why)
{
    return vs_fail(diag, VS_ERR_MALFORMED, "envelope: %s", why);
}

static vs_err get_kind(vs_dsse *out, const json_t *v, vs_diag *diag)
{
    const char *type = json_string_value(v);
    size_t head = sizeof type_head - 1;
    size_t tail = sizeof type_tail - 1;
    if (type == NULL) return bad(diag, "payloadType is not a string");
    size_t len = strlen(type);
    if (len <= head + tail || memcmp(type, type_head, head) != 0 ||
        memcmp(type + len - tail, type_tail, tail) != 0 ||
        !kind_ok(type + head, len - head - tail)) {
        return bad(diag, "payloadType is not application/vnd.veilsum.<kind>.v1+json");
    }
    memcpy(out->kind, type + head, len - head - tail);
    return VS_OK;
}

static vs_err get_payload(vs_dsse *out, const json_t *v, vs_diag *diag)
{
    const char *text = json_string_value(v);
    size_t len = json_string_length(v);
    size_t got = 0;
    if (text == NULL) return bad(diag, "payload is not a string");
    uint8_t *at = vs_buf_extend(&out->payload, len + 1);
    if (at == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    if (vs_base64_decode(at, len, &got, text, len) != VS_OK) {
        return bad(diag, "payload is not canonical base64");
    }
    out->payload.len = got;
    return VS_OK;
}

static vs_err get_signature(vs_dsse *out, const json_t *v, vs_diag *diag)
{
    const char *keyid = json_string_value(json_object_get(v, "keyid"));
    const json_t *sig = json_object_get(v, "sig");
    size_t len = 0;
    uint32_t at = out->n_signatures;
    if (keyid == NULL || !json_is_string(sig) || json_object_size(v) != 2) {
        return bad(diag, "a signature does not have exactly the strings keyid and sig");
    }
    if (vs_hex_decode(out->keyid[at].b, VS_H32_BYTES, keyid) != VS_OK ||
        strpbrk(keyid, "ABCDEF") != NULL) {
        return bad(diag, "keyid is not 64 lower-case hex digits");
    }
    if (vs_base64_decode(out->sig[at], sizeof out->sig[at], &len, json_string_value(sig),
                         json_string_length(sig)) != VS_OK ||
        len != sizeof out->sig[at]) {
        return bad(diag, "sig is not the base64 of 64 bytes");
    }
    for (uint32_t i = 0; i < at; i++) {
        if (vs_h32_equal(&out->keyid[i], &out->keyid[at])) return bad(diag, "a keyid is repeated");
    }
    out->n_signatures++;
    return VS_OK;
}

static vs_err parse_object(vs_dsse *out, const json_t *object, vs_diag *diag)
{
    const json_t *signatures = json_object_get(object, "signatures");
    size_t n = json_array_size(signatures);
    if (!json_is_object(object) || json_object_size(object) != 3 || !json_is_array(signatures)) {
        return bad(diag, "not an object of exactly payload, payloadType and the list signatures");
    }
    vs_err err = get_kind(out, json_object_get(object, "payloadType"), diag);
    if (err == VS_OK) err = get_payload(out, json_object_get(object, "payload"), diag);
    if (err == VS_OK && (n == 0 || n > VS_DSSE_SIGNATURES_MAX)) {
        err = vs_fail(diag, VS_ERR_LIMIT, "envelope: %zu signatures, not 1..%u", n,
                      VS_DSSE_SIGNATURES_MAX);
    }
    for (size_t i = 0; err == VS_OK && i < n; i++) {
        err = get_signature(out, json_array_get(signatures, i), diag);
    }
    return err;
}

vs_err vs_dsse_parse(vs_dsse *out, const uint8_t *envelope, size_t len, vs_diag *diag)
{
    json_error_t why;
    memset(out, 0, sizeof *out);
    if (len > VS_ENTRY_MAX_BYTES) {
        return vs_fail(diag, VS_ERR_LIMIT, "envelope: %zu bytes, an entry holds at most %u", len,
                       VS_ENTRY_MAX_BYTES);
    }
    json_t *object = json_loadb((const char *)envelope, len, JSON_REJECT_DUPLICATES, &why);
    if (object == NULL) return vs_fail(diag, VS_ERR_MALFORMED, "envelope: %s", why.text);
    vs_err err = parse_object(out, object, diag);
    json_decref(object);
    if (err != VS_OK) vs_dsse_free(out);
    return err;
}

vs_err vs_dsse_verify(const vs_dsse *dsse, const vs_h32 *public_key, vs_diag *diag)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hex_encode(hex, public_key->b, sizeof public_key->b);
    for (uint32_t i = 0; i < dsse->n_signatures; i++) {
        if (!vs_h32_equal(&dsse->keyid[i], public_key)) continue;
        vs_buf pae = {0};
        put_pae(&pae, dsse->kind, dsse->payload.p, dsse->payload.len);
        int wrong = pae.failed ||
                    crypto_sign_verify_detached(dsse->sig[i], pae.p, pae.len, public_key->b) != 0;
        vs_err err = pae.failed ? VS_ERR_NOMEM : VS_ERR_PROOF;
        vs_buf_free(&pae);
        if (!wrong) return VS_OK;
        return vs_fail(diag, err, "%s entry: the signature by key %.16s... is wrong", dsse->kind,
                       hex);
    }
    return vs_fail(diag, VS_ERR_PROOF, "%s entry: not signed by key %.16s...", dsse->kind, hex);
}

void vs_dsse_free(vs_dsse *dsse)
{
    vs_buf_free(&dsse->payload);
    memset(dsse, 0, sizeof *dsse);
}
