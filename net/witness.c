#include "net/witness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "base/hash.h"
#include "ledger/text.h"

/* --- the request -------------------------------------------------------------------------------
 */

static vs_err bad(vs_diag *diag, const char *what)
{
    return vs_fail(diag, VS_ERR_MALFORMED, "add-checkpoint: %s", what);
}

vs_err vs_witness_request_parse(vs_witness_request *out, const uint8_t *body, size_t len,
                                vs_diag *diag)
{
    vs_lines lines = {(const char *)body, len};
    const char *line;
    size_t n = 0;
    *out = (vs_witness_request){0};
    if (!vs_lines_next(&lines, &line, &n) || n < 5 || memcmp(line, "old ", 4) != 0 ||
        !vs_text_decimal(&out->old_size, line + 4, n - 4)) {
        return bad(diag, "the first line is not \"old SIZE\"");
    }
    for (;;) {
        size_t got = 0;
        if (!vs_lines_next(&lines, &line, &n)) return bad(diag, "there is no empty line");
        if (n == 0) break;
        if (out->proof.n == VS_TREE_PATH_MAX) return bad(diag, "more than 63 proof lines");
        if (vs_base64_decode(out->proof.node[out->proof.n].b, VS_H32_BYTES, &got, line, n) !=
                VS_OK ||
            got != VS_H32_BYTES) {
            return bad(diag, "a proof line is not the base64 of a hash");
        }
        out->proof.n++;
    }
    out->note = (const uint8_t *)lines.next;
    out->note_len = lines.left;
    return out->note_len == 0 ? bad(diag, "there is no checkpoint") : VS_OK;
}

vs_err vs_witness_request_format(vs_buf *out, const vs_witness_request *request)
{
    char text[VS_BASE64_CHARS(VS_H32_BYTES)];
    vs_buf_printf(out, "old %" PRIu64 "\n", request->old_size);
    for (uint32_t i = 0; i < request->proof.n; i++) {
        vs_base64_encode(text, request->proof.node[i].b, VS_H32_BYTES);
        vs_buf_printf(out, "%s\n", text);
    }
    vs_buf_u8(out, '\n');
    vs_buf_bytes(out, request->note, request->note_len);
    return vs_buf_check(out);
}

/* --- a witness ---------------------------------------------------------------------------------
 */

struct vs_witness {
    vs_tlog_policy logs;
    vs_note_key key;
    uint8_t *seed; /* sodium_malloc'd */
    vs_store store;
};

vs_err vs_witness_new(vs_witness **out, const vs_tlog_policy *logs, const vs_note_key *key,
                      const uint8_t seed[32], vs_store store, vs_diag *diag)
{
    *out = NULL;
    if (key->type != VS_NOTE_COSIGNATURE) {
        return vs_fail(diag, VS_ERR_STATE, "witness key %s is not of type 0x04", key->name);
    }
    vs_witness *w = calloc(1, sizeof *w);
    uint8_t *copy = sodium_malloc(32);
    if (w == NULL || copy == NULL) {
        sodium_free(copy);
        free(w);
        return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    memcpy(copy, seed, 32);
    *w = (vs_witness){.logs = *logs, .key = *key, .seed = copy, .store = store};
    *out = w;
    return VS_OK;
}

void vs_witness_free(vs_witness *w)
{
    if (w == NULL) return;
    sodium_free(w->seed); /* wipes */
    free(w);
}

static void state_key(char out[VS_STORE_NAME_MAX + 1], const char *origin)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_h32 hash;
    vs_sha256(&hash, origin, strlen(origin));
    vs_hex_encode(hex, hash.b, sizeof hash.b);
    (void)snprintf(out, VS_STORE_NAME_MAX + 1, "witness/%s", hex);
}

/* What was cosigned last; size 0 if nothing was. */
static vs_err load(vs_witness *w, const char *origin, uint64_t *size, vs_h32 *root, vs_diag *diag)
{
    char key[VS_STORE_NAME_MAX + 1];
    vs_buf value = {0};
    bool found = false;
    *size = 0;
    state_key(key, origin);
    vs_err err = w->store.ops->get(w->store.ctx, key, &value, &found, diag);
    if (err == VS_OK && found && value.len != 8 + VS_H32_BYTES) {
        err =
            vs_fail(diag, VS_ERR_IO, "the witness's state of %s has %zu bytes", origin, value.len);
    }
    if (err == VS_OK && found) {
        *size = vs_load_le64(value.p);
        memcpy(root->b, value.p + 8, VS_H32_BYTES);
    }
    vs_buf_free(&value);
    return err;
}

static vs_err save(vs_witness *w, const vs_checkpoint *c, vs_diag *diag)
{
    char key[VS_STORE_NAME_MAX + 1];
    uint8_t value[8 + VS_H32_BYTES];
    vs_store_item item = {.key = key, .value = value, .len = sizeof value};
    state_key(key, c->origin);
    vs_store_le64(value, c->size);
    memcpy(value + 8, c->root.b, VS_H32_BYTES);
    vs_err err = w->store.ops->put(w->store.ctx, &item, 1, diag);
    return err == VS_OK ? vs_store_flush(&w->store, diag) : err; /* a daemon's store may hold it */
}

static vs_err answer(vs_witness_reply *r, uint16_t status, const char *text)
{
    r->status = status;
    r->content_type = "text/plain; charset=utf-8";
    vs_buf_printf(&r->body, "%s\n", text);
    return vs_buf_check(&r->body);
}

static vs_err answer_size(vs_witness_reply *r, uint64_t size)
{
    r->status = 409;
    r->content_type = "text/x.tlog.size";
    vs_buf_printf(&r->body, "%" PRIu64 "\n", size);
    return vs_buf_check(&r->body);
}

/* The text of the note says which log it is; then that log's key must have signed it. */
static vs_err read_checkpoint(vs_witness *w, const vs_witness_request *q, vs_checkpoint *c,
                              size_t *text_len, vs_witness_reply *r)
{
    vs_diag why = {{0}};
    size_t end = q->note_len;
    const vs_note_key *key = NULL;
    while (end > 1 && (q->note[end - 1] != '\n' || q->note[end - 2] != '\n')) end--;
    if (end <= 1 || vs_checkpoint_parse(c, q->note, end - 1, &why) != VS_OK) {
        return answer(r, 400, "the checkpoint is malformed");
    }
    for (uint32_t i = 0; i < w->logs.n_logs; i++) {
        if (strcmp(w->logs.log[i].key.name, c->origin) == 0) key = &w->logs.log[i].key;
    }
    if (key == NULL) return answer(r, 404, "this witness does not follow a log of this origin");
    vs_note_result *who = malloc(sizeof *who);
    if (who == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_note_verify(who, q->note, q->note_len, key, 1, &why);
    *text_len = who->text_len;
    free(who);
    if (err == VS_ERR_NOMEM) return err;
    if (err == VS_ERR_MALFORMED) return answer(r, 400, "the checkpoint is not a signed note");
    return err == VS_OK ? VS_OK : answer(r, 403, "not signed by the log's key");
}

static vs_err cosign(vs_witness *w, const vs_witness_request *q, const vs_checkpoint *c,
                     size_t text_len, uint64_t now_s, vs_witness_reply *r, vs_diag *diag)
{
    uint8_t sig[VS_COSIGNATURE_BYTES];
    vs_err err = save(w, c, diag); /* before the signature exists */
    if (err != VS_OK) return err;
    vs_cosign(sig, (const char *)q->note, text_len, now_s, w->seed);
    r->status = 200;
    r->content_type = "text/plain; charset=utf-8";
    return vs_note_add_line(&r->body, &w->key, sig, sizeof sig);
}

vs_err vs_witness_add_checkpoint(vs_witness *w, const uint8_t *body, size_t len, uint64_t now_s,
                                 vs_witness_reply *reply, vs_diag *diag)
{
    vs_witness_request q;
    vs_checkpoint c = {0};
    vs_diag why = {{0}};
    vs_h32 root;
    uint64_t size = 0;
    size_t text_len = 0;
    if (vs_witness_request_parse(&q, body, len, &why) != VS_OK) return answer(reply, 400, why.text);
    vs_err err = read_checkpoint(w, &q, &c, &text_len, reply);
    if (err != VS_OK || reply->status != 0) return err;
    if (q.old_size > c.size) return answer(reply, 400, "old is larger than the checkpoint");
    err = load(w, c.origin, &size, &root, diag);
    if (err != VS_OK) return err;
    if (q.old_size != size) return answer_size(reply, size);
    if (size == 0) {
        if (q.proof.n != 0) return answer(reply, 422, "a proof from size 0 must be empty");
        return cosign(w, &q, &c, text_len, now_s, reply, diag);
    }
    if (c.size == size && !vs_h32_equal(&c.root, &root)) return answer_size(reply, size);
    if (vs_tree_verify_consistency(size, &root, c.size, &c.root, &q.proof) != VS_OK) {
        return answer(reply, 422, "the consistency proof does not hold");
    }
    return cosign(w, &q, &c, text_len, now_s, reply, diag);
}

/* --- over HTTP ---------------------------------------------------------------------------------
 */

static void on_post(void *ctx, const vs_http_request *q, vs_http_response *r)
{
    vs_witness_reply reply = {0};
    vs_diag diag = {{0}};
    vs_err err =
        vs_witness_add_checkpoint(ctx, q->body, q->body_len, (uint64_t)time(NULL), &reply, &diag);
    if (err != VS_OK) {
        vs_http_response_text(r, 500, "this witness cannot keep what it would sign");
    } else {
        r->status = reply.status;
        r->content_type = reply.content_type;
        vs_buf_bytes(&r->body, reply.body.p, reply.body.len);
    }
    vs_buf_free(&reply.body);
}

void vs_witness_serve(vs_witness *w, vs_http *http)
{
    vs_http_add(http, &(vs_http_route){.method = "POST",
                                       .path = "/add-checkpoint",
                                       .kind = VS_HTTP_IN_LOOP,
                                       .body_max = VS_WITNESS_REQUEST_MAX,
                                       .handler = on_post,
                                       .ctx = w});
}

/* --- the log's side ----------------------------------------------------------------------------
 */

vs_err vs_witness_ask(vs_buf *out, vs_log *log, uint64_t old_size, vs_diag *diag)
{
    uint64_t size = vs_log_size(log);
    vs_buf note = {0};
    vs_witness_request q = {.old_size = old_size};
    vs_tree_reader tree = vs_log_tree(log);
    VS_ASSERT(old_size <= size);
    vs_err err = vs_log_checkpoint(log, &note, diag);
    if (err == VS_OK && old_size > 0) {
        err = vs_tree_prove_consistency(&tree, old_size, size, &q.proof);
        if (err != VS_OK) (void)vs_fail(diag, err, "tiles: cannot be read");
    }
    q.note = note.p;
    q.note_len = note.len;
    if (err == VS_OK) err = vs_witness_request_format(out, &q);
    vs_buf_free(&note);
    return err;
}

/* "U+2014 SP name SP base64(id | sig)": the cosignature, if the line is this witness's. */
static bool read_line(const vs_note_key *key, const char *line, size_t len,
                      uint8_t sig[VS_COSIGNATURE_BYTES])
{
    uint8_t bytes[4 + VS_COSIGNATURE_BYTES];
    size_t name = strlen(key->name);
    size_t n = 0;
    if (len < 5 + name || memcmp(line, "\xe2\x80\x94 ", 4) != 0 ||
        memcmp(line + 4, key->name, name) != 0 || line[4 + name] != ' ' ||
        vs_base64_decode(bytes, sizeof bytes, &n, line + 5 + name, len - 5 - name) != VS_OK ||
        n != sizeof bytes) {
        return false;
    }
    uint32_t id =
        (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    memcpy(sig, bytes + 4, VS_COSIGNATURE_BYTES);
    return id == key->id;
}

static vs_err take_lines(vs_log *log, uint64_t size, const vs_note_key *witness, const vs_buf *body,
                         bool *stored, vs_diag *diag)
{
    uint8_t sig[VS_COSIGNATURE_BYTES];
    vs_lines lines = {(const char *)body->p, body->len};
    const char *line;
    size_t n;
    while (vs_lines_next(&lines, &line, &n)) {
        if (!read_line(witness, line, n, sig)) continue; /* of a key that we do not know */
        vs_err err = vs_log_add_cosignature(log, size, witness, sig, diag);
        *stored = err == VS_OK;
        return err;
    }
    return vs_fail(diag, VS_ERR_PROOF, "its reply has no cosignature by %s", witness->name);
}

vs_err vs_witness_take(vs_log *log, uint64_t size, const vs_note_key *witness, uint16_t status,
                       const vs_buf *body, uint64_t *known_size, bool *stored, vs_diag *diag)
{
    vs_lines lines = {(const char *)body->p, body->len};
    const char *line;
    size_t n;
    *stored = false;
    if (status == 200) {
        vs_err err = take_lines(log, size, witness, body, stored, diag);
        if (*stored) *known_size = size;
        return err;
    }
    if (status == 409 && vs_lines_next(&lines, &line, &n) && vs_text_decimal(known_size, line, n)) {
        return VS_OK;
    }
    return vs_fail(diag, VS_ERR_STATE, "%s refuses: status %u: %.*s", witness->name,
                   (unsigned)status, (int)(body->len < 100 ? body->len : 100),
                   body->p == NULL ? "" : (const char *)body->p);
}
