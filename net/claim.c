#include "net/claim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define CLAIM_LABEL "veilsum/v1 claim"
#define ITEM_LABEL "veilsum/v1 client pseudonym"
#define KEY_PREFIX "pseudonym/"

void vs_claim_free(vs_claim_file *claim)
{
    if (claim == NULL) return;
    free(claim->item);
    memset(claim, 0, sizeof *claim);
}

void vs_claim_key(char out[VS_CLAIM_KEY_CHARS], uint64_t round)
{
    (void)snprintf(out, VS_CLAIM_KEY_CHARS, KEY_PREFIX "%020" PRIu64, round);
}

void vs_claim_value(vs_buf *out, const vs_round_id *id, const vs_h32 *salt)
{
    vs_buf_label(out, ITEM_LABEL);
    vs_buf_h32(out, &id->federation_id);
    vs_buf_u64(out, id->round);
    vs_buf_h32(out, salt);
}

/* What is signed. */
static vs_err statement(vs_buf *out, const vs_claim_file *claim)
{
    const uint32_t len = (uint32_t)strlen(claim->reader);
    vs_buf_label(out, CLAIM_LABEL);
    vs_buf_h32(out, &claim->federation_id);
    vs_buf_h32(out, &claim->client_key);
    vs_buf_u32(out, len);
    vs_buf_bytes(out, claim->reader, len);
    vs_buf_u32(out, claim->n);
    for (uint32_t i = 0; i < claim->n; i++) {
        vs_buf_u64(out, claim->item[i].round);
        vs_buf_h32(out, &claim->item[i].salt);
    }
    return vs_buf_check(out);
}

/* --- making ------------------------------------------------------------------------------------
 */

typedef struct gather {
    vs_claim_file *claim;
    uint32_t room;
} gather;

static vs_err make_room(gather *g)
{
    if (g->claim->n < g->room) return VS_OK;
    if (g->room >= VS_CLAIM_MAX) return VS_ERR_LIMIT;
    uint32_t room = g->room == 0 ? 64 : 2 * g->room;
    vs_claim_item *item = realloc(g->claim->item, room * sizeof *item);
    if (item == NULL) return VS_ERR_NOMEM;
    g->claim->item = item;
    g->room = room;
    return VS_OK;
}

/* Keys come in byte order, so rounds ascend. */
static vs_err take_item(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    gather *g = ctx;
    vs_claim_item item = {0};
    vs_h32 federation_id;
    vs_reader in = vs_reader_of(value, len);
    (void)key;
    vs_read_label(&in, ITEM_LABEL);
    vs_read_h32(&in, &federation_id);
    item.round = vs_read_u64(&in);
    vs_read_h32(&in, &item.salt);
    if (!vs_reader_done(&in)) return VS_ERR_MALFORMED;
    if (!vs_h32_equal(&federation_id, &g->claim->federation_id)) return VS_OK;
    vs_err err = make_room(g);
    if (err == VS_OK) g->claim->item[g->claim->n++] = item;
    return err;
}

static vs_err check_reader(const char *reader, vs_diag *diag)
{
    const size_t len = strlen(reader);
    bool ok = len >= 1 && len <= VS_CLAIM_FOR_MAX;
    for (size_t i = 0; i < len; i++) ok &= (unsigned char)reader[i] >= 0x20 && reader[i] != 0x7f;
    if (ok) return VS_OK;
    return vs_fail(diag, VS_ERR_LIMIT,
                   "claim: for whom it is must have 1 to %u bytes and no control character",
                   VS_CLAIM_FOR_MAX);
}

static vs_err format(vs_buf *out, const vs_claim_file *claim, const uint8_t sig[64], vs_diag *diag)
{
    char hex[VS_HEX_CHARS(32)], key[VS_BASE64_CHARS(32)], signature[VS_BASE64_CHARS(64)];
    json_t *list = json_array();
    bool ok = list != NULL;
    for (uint32_t i = 0; ok && i < claim->n; i++) {
        vs_hex_encode(hex, claim->item[i].salt.b, 32);
        ok = json_array_append_new(list,
                                   json_pack("{s:I, s:s}", "round",
                                             (json_int_t)claim->item[i].round, "salt", hex)) == 0;
    }
    vs_hex_encode(hex, claim->federation_id.b, 32);
    vs_base64_encode(key, claim->client_key.b, 32);
    vs_base64_encode(signature, sig, 64);
    json_t *all =
        json_pack("{s:i, s:s, s:s, s:s, s:o, s:s}", "veilsum_claim", 1, "federation", hex, "client",
                  key, "for", claim->reader, "submissions", list, "signature", signature);
    char *text = ok && all != NULL ? json_dumps(all, JSON_INDENT(2)) : NULL;
    json_decref(all);
    if (text == NULL) {
        return vs_fail(diag, VS_ERR_NOMEM, "claim: out of memory, or the text is no UTF-8");
    }
    vs_buf_text(out, text);
    vs_buf_text(out, "\n");
    free(text);
    return vs_buf_check(out);
}

vs_err vs_claim_make(vs_buf *out, const vs_h32 *federation_id, const vs_keys *keys,
                     const vs_store *store, const char *reader, vs_diag *diag)
{
    vs_claim_file claim = {.federation_id = *federation_id, .client_key = keys->pub.identity};
    gather g = {.claim = &claim};
    vs_buf signed_bytes = {0};
    uint8_t sig[64];
    vs_err err = check_reader(reader, diag);
    if (err != VS_OK) return err;
    memcpy(claim.reader, reader, strlen(reader) + 1);
    err = store->ops->scan(store->ctx, KEY_PREFIX, take_item, &g, diag);
    if (err == VS_ERR_MALFORMED) {
        err = vs_fail(diag, err, "claim: the client's record of its submissions is damaged");
    } else if (err == VS_ERR_LIMIT) {
        err = vs_fail(diag, err, "claim: more than %u submissions", VS_CLAIM_MAX);
    } else if (err == VS_OK && claim.n == 0) {
        err = vs_fail(diag, VS_ERR_STATE,
                      "claim: this client has no submission to this federation on record");
    }
    if (err == VS_OK) err = statement(&signed_bytes, &claim);
    if (err == VS_OK) {
        vs_sign(sig, signed_bytes.p, signed_bytes.len, keys->identity_seed);
        err = format(out, &claim, sig, diag);
    }
    vs_buf_free(&signed_bytes);
    vs_claim_free(&claim);
    return err;
}

/* --- reading -----------------------------------------------------------------------------------
 */

static vs_err malformed(vs_diag *diag, const char *name, const char *what)
{
    return vs_fail(diag, VS_ERR_MALFORMED, "%s: not a claim: %s", name, what);
}

static bool read_hex(vs_h32 *out, const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && json_string_length(value) == 64 &&
           vs_hex_decode(out->b, 32, text) == VS_OK;
}

static bool read_base64(uint8_t *out, size_t len, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t got = 0;
    return text != NULL &&
           vs_base64_decode(out, len, &got, text, json_string_length(value)) == VS_OK && got == len;
}

static vs_err read_items(vs_claim_file *out, const json_t *list, const char *name, vs_diag *diag)
{
    const size_t n = json_array_size(list);
    if (n < 1 || n > VS_CLAIM_MAX) return malformed(diag, name, "submissions: want 1 to 100000");
    out->item = calloc(n, sizeof *out->item);
    if (out->item == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", name);
    for (size_t i = 0; i < n; i++) {
        vs_claim_item *item = &out->item[i];
        const json_t *object = json_array_get(list, i);
        const json_t *round = json_object_get(object, "round");
        if (json_object_size(object) != 2 || !json_is_integer(round) ||
            json_integer_value(round) < 1 ||
            !read_hex(&item->salt, json_object_get(object, "salt"))) {
            return malformed(diag, name, "a submission wants round (1 or more) and salt (hex)");
        }
        item->round = (uint64_t)json_integer_value(round);
        if (i > 0 && item->round <= out->item[i - 1].round) {
            return malformed(diag, name, "rounds must ascend, each once");
        }
        const vs_round_id id = {.federation_id = out->federation_id, .round = item->round};
        vs_pseudonym(&item->pseudonym, &id, &out->client_key, &item->salt);
        out->n++;
    }
    return VS_OK;
}

static vs_err read_claim(vs_claim_file *out, const json_t *root, const char *name, vs_diag *diag)
{
    uint8_t sig[64];
    vs_buf signed_bytes = {0};
    const char *reader = json_string_value(json_object_get(root, "for"));
    if (json_object_size(root) != 6 ||
        json_integer_value(json_object_get(root, "veilsum_claim")) != 1) {
        return malformed(diag, name, "want veilsum_claim 1 and five members more");
    }
    if (!read_hex(&out->federation_id, json_object_get(root, "federation")) ||
        !read_base64(out->client_key.b, 32, json_object_get(root, "client")) ||
        !read_base64(sig, 64, json_object_get(root, "signature"))) {
        return malformed(diag, name, "federation (hex), client and signature (base64)");
    }
    if (reader == NULL || check_reader(reader, NULL) != VS_OK) {
        return malformed(diag, name, "for: want a text of 1 to 200 bytes");
    }
    memcpy(out->reader, reader, strlen(reader) + 1);
    vs_err err = read_items(out, json_object_get(root, "submissions"), name, diag);
    if (err == VS_OK) err = statement(&signed_bytes, out);
    if (err == VS_OK &&
        vs_verify(sig, signed_bytes.p, signed_bytes.len, &out->client_key) != VS_OK) {
        err = vs_fail(diag, VS_ERR_PROOF, "%s: its signature is not by the client key in it", name);
    }
    vs_buf_free(&signed_bytes);
    return err;
}

vs_err vs_claim_parse(vs_claim_file *out, const uint8_t *bytes, size_t len, const char *name,
                      vs_diag *diag)
{
    json_error_t where;
    VS_ASSERT(out != NULL && name != NULL);
    memset(out, 0, sizeof *out);
    if (len > VS_CLAIM_FILE_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: more than %u bytes", name, VS_CLAIM_FILE_MAX);
    }
    json_t *root = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: line %d: %s", name, where.line, where.text);
    }
    vs_err err = read_claim(out, root, name, diag);
    json_decref(root);
    if (err != VS_OK) vs_claim_free(out);
    return err;
}
