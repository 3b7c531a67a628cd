/* Receipts as JSON: strict both ways. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "net/receipt_impl.h"

void vs_receipt_free(vs_receipt *r)
{
    vs_buf_free(&r->federation);
    vs_buf_free(&r->set.envelope);
    vs_buf_free(&r->set.proof);
    vs_buf_free(&r->end.envelope);
    vs_buf_free(&r->end.proof);
    vs_buf_free(&r->record);
    *r = (vs_receipt){0};
}

/* --- writing -----------------------------------------------------------------------------------
 */

static json_t *hex(const vs_h32 *h)
{
    char text[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hex_encode(text, h->b, sizeof h->b);
    return json_string(text);
}

static json_t *base64(const void *p, size_t len)
{
    static const uint8_t none[1] = {0};
    char *text = malloc(VS_BASE64_CHARS(len));
    if (text == NULL) return NULL;
    vs_base64_encode(text, p == NULL ? none : p, len);
    json_t *j = json_string(text);
    free(text);
    return j;
}

static json_t *entry_json(const vs_receipt_entry *e)
{
    return json_pack("{s:o, s:o}", "entry", base64(e->envelope.p, e->envelope.len), "proof",
                     json_stringn((const char *)e->proof.p, e->proof.len));
}

static json_t *record_json(const vs_receipt *r)
{
    json_t *path = json_array();
    for (uint32_t i = 0; i < r->path.n; i++) {
        if (json_array_append_new(path, base64(r->path.node[i].b, VS_H32_BYTES)) != 0) {
            json_decref(path);
            return NULL;
        }
    }
    return json_pack("{s:s, s:o, s:I, s:o}", "list", r->rejected ? "rejected" : "included", "bytes",
                     base64(r->record.p, r->record.len), "index", (json_int_t)r->record_index,
                     "path", path);
}

vs_err vs_receipt_encode(vs_buf *out, const vs_receipt *r)
{
    const vs_receipt_claim *c = &r->claim;
    json_t *j = json_pack("{s:i, s:o, s:I, s:o, s:o, s:o, s:o}", "veilsum_receipt", 1, "federation",
                          hex(&c->federation), "round", (json_int_t)c->round, "client_key",
                          hex(&c->client_key), "salt", hex(&c->salt), "pseudonym",
                          hex(&c->pseudonym), "manifest", hex(&c->manifest_hash));
    int bad = j == NULL;
    if (!bad && r->complete) {
        bad |=
            json_object_set_new(j, "federation_file", base64(r->federation.p, r->federation.len));
        bad |= json_object_set_new(j, "end", entry_json(&r->end));
        if (r->has_set) {
            bad |= json_object_set_new(j, "set", entry_json(&r->set));
            bad |= json_object_set_new(j, "record", record_json(r));
        }
    }
    char *text = bad ? NULL : json_dumps(j, JSON_INDENT(1));
    if (text != NULL) {
        vs_buf_text(out, text);
        vs_buf_u8(out, '\n');
    }
    free(text);
    json_decref(j);
    return text == NULL ? VS_ERR_NOMEM : vs_buf_check(out);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static bool read_hex(vs_h32 *out, const json_t *j, const char *name)
{
    const char *text = json_string_value(json_object_get(j, name));
    return text != NULL && vs_hex_decode(out->b, sizeof out->b, text) == VS_OK;
}

static bool read_base64(vs_buf *out, const json_t *j, size_t max)
{
    const char *text = json_string_value(j);
    size_t len = json_string_length(j);
    size_t n = 0;
    if (text == NULL || len / 4 * 3 > max + 3) return false;
    uint8_t *at = vs_buf_extend(out, len / 4 * 3 + 3);
    if (at == NULL || vs_base64_decode(at, len / 4 * 3 + 3, &n, text, len) != VS_OK) return false;
    out->len = n;
    return n <= max;
}

static bool read_entry(vs_receipt_entry *out, const json_t *j)
{
    const json_t *proof = json_object_get(j, "proof");
    if (json_object_size(j) != 2 || !json_is_string(proof)) return false;
    vs_buf_bytes(&out->proof, json_string_value(proof), json_string_length(proof));
    return !out->proof.failed && read_base64(&out->envelope, json_object_get(j, "entry"), 65535);
}

static bool read_record(vs_receipt *r, const json_t *j)
{
    const char *list = json_string_value(json_object_get(j, "list"));
    const json_t *index = json_object_get(j, "index");
    const json_t *path = json_object_get(j, "path");
    if (json_object_size(j) != 4 || list == NULL || !json_is_integer(index) ||
        json_integer_value(index) < 0 || !json_is_array(path) ||
        json_array_size(path) > VS_TREE_PATH_MAX) {
        return false;
    }
    r->rejected = strcmp(list, "rejected") == 0;
    if (!r->rejected && strcmp(list, "included") != 0) return false;
    r->record_index = (uint64_t)json_integer_value(index);
    for (size_t i = 0; i < json_array_size(path); i++) {
        vs_buf hash = {0};
        bool ok =
            read_base64(&hash, json_array_get(path, i), VS_H32_BYTES) && hash.len == VS_H32_BYTES;
        if (ok) memcpy(r->path.node[r->path.n++].b, hash.p, VS_H32_BYTES);
        vs_buf_free(&hash);
        if (!ok) return false;
    }
    return read_base64(&r->record, json_object_get(j, "bytes"), VS_RECORD_BYTES) &&
           r->record.len == VS_RECORD_BYTES;
}

static bool read_all(vs_receipt *r, const json_t *j)
{
    vs_receipt_claim *c = &r->claim;
    const json_t *round = json_object_get(j, "round");
    const json_t *set = json_object_get(j, "set");
    size_t members = 7;
    if (json_integer_value(json_object_get(j, "veilsum_receipt")) != 1 || !json_is_integer(round) ||
        json_integer_value(round) <= 0 || !read_hex(&c->federation, j, "federation") ||
        !read_hex(&c->client_key, j, "client_key") || !read_hex(&c->salt, j, "salt") ||
        !read_hex(&c->pseudonym, j, "pseudonym") || !read_hex(&c->manifest_hash, j, "manifest")) {
        return false;
    }
    c->round = (uint64_t)json_integer_value(round);
    r->complete = json_object_get(j, "end") != NULL;
    r->has_set = set != NULL;
    if (r->complete) {
        members += 2;
        if (!read_entry(&r->end, json_object_get(j, "end")) ||
            !read_base64(&r->federation, json_object_get(j, "federation_file"),
                         VS_FEDERATION_FILE_MAX)) {
            return false;
        }
    }
    if (r->has_set) {
        members += 2;
        if (!r->complete || !read_entry(&r->set, set) ||
            !read_record(r, json_object_get(j, "record"))) {
            return false;
        }
    }
    return json_object_size(j) == members;
}

vs_err vs_receipt_decode(vs_receipt *out, const uint8_t *text, size_t len, vs_diag *diag)
{
    json_error_t why;
    *out = (vs_receipt){0};
    if (len > VS_RECEIPT_MAX_BYTES) {
        return vs_fail(diag, VS_ERR_LIMIT, "receipt: more than %u bytes", VS_RECEIPT_MAX_BYTES);
    }
    json_t *j = json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, &why);
    if (j == NULL) return vs_fail(diag, VS_ERR_MALFORMED, "receipt: not JSON: %s", why.text);
    bool ok = read_all(out, j);
    json_decref(j);
    if (ok) return VS_OK;
    vs_receipt_free(out);
    return vs_fail(diag, VS_ERR_MALFORMED, "receipt: a member is missing, unknown or malformed");
}
