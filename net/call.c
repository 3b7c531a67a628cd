#include "net/call.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "net/edge.h"
#include "net/step.h"

enum { PIECE_BYTES = 1 << 20, TRIES = 3, AGAIN_MS = 100 };

/* One exchange with `address`: *reply borrows from *memory, which the caller releases. An Error
 * reply is VS_ERR_STATE; any result but `expected` is VS_ERR_MALFORMED. */
static vs_err exchange(const vs_caller *caller, const char *address, vsw_Request *head,
                       const void *body, size_t body_len, pb_size_t expected, vs_buf *memory,
                       vs_reply *reply, vs_diag *diag)
{
    vs_buf request = {0};
    memcpy(head->federation_id, caller->fed->id.b, VS_H32_BYTES);
    vs_err err = vs_request_encode(&request, head, body, body_len);
    if (err != VS_OK) {
        (void)vs_fail(diag, err, "%s: cannot encode the request", address);
    } else if (caller->send != NULL) {
        VS_ASSERT(strcmp(address, caller->fed->aggregator.address) == 0);
        err = caller->send(caller->send_ctx, VS_PEER_AGGREGATOR, &request, memory, diag);
    } else {
        err =
            vs_edge_call_tls(address, caller->fed->tls, &request, caller->timeout_ms, memory, diag);
    }
    vs_buf_free(&request);
    if (err != VS_OK) return err;
    if (vs_reply_decode(reply, memory->p, memory->len) != VS_OK) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: its reply does not decode", address);
    }
    if (reply->head.which_result == vsw_Reply_error_tag) {
        const vsw_Error *e = &reply->head.result.error;
        const char *name = vs_code_name(e->code);
        const bool plain = strcmp(name, "refused") == 0 && e->text[0] != '\0'; /* say it once */
        return vs_fail(diag, VS_ERR_STATE, "refused: %s%s%s", plain ? "" : name,
                       plain || e->text[0] == '\0' ? "" : ": ", e->text);
    }
    if (reply->head.which_result != expected) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: its reply is of another kind", address);
    }
    return VS_OK;
}

/* The same to the aggregator. */
static vs_err ask(const vs_caller *caller, vsw_Request *head, const void *body, size_t body_len,
                  pb_size_t expected, vs_buf *memory, vs_reply *reply, vs_diag *diag)
{
    return exchange(caller, caller->fed->aggregator.address, head, body, body_len, expected, memory,
                    reply, diag);
}

/* A question that changes nothing: asked again when the connection breaks. */
static vs_err ask_again(const vs_caller *caller, vsw_Request *head, pb_size_t expected,
                        vs_buf *memory, vs_reply *reply, vs_diag *diag)
{
    const struct timespec pause = {.tv_nsec = AGAIN_MS * 1000000L};
    vs_err err = VS_ERR_IO;
    for (int i = 0; i < TRIES && err == VS_ERR_IO; i++) {
        if (i > 0) (void)nanosleep(&pause, NULL);
        err = ask(caller, head, NULL, 0, expected, memory, reply, diag);
    }
    return err;
}

/* Sign an operation over its arguments (released here). */
static vs_err sign(const vs_caller *caller, vsw_Control *out, vs_operation op, uint64_t round,
                   vs_buf *arguments, vs_diag *diag)
{
    vs_round_id id = {.federation_id = caller->fed->id, .round = round};
    vs_buf statement = {0};
    vs_h32 hash;
    VS_ASSERT(caller->keys != NULL);
    const uint64_t now = caller->unix_time > 0 ? caller->unix_time : (uint64_t)time(NULL);
    *out = (vsw_Control){.unix_time = now};
    vs_err err = vs_buf_check(arguments);
    if (err == VS_OK) {
        vs_sha256(&hash, arguments->p, arguments->len);
        err = vs_control_bytes(&statement, &id, op, out->unix_time, &hash);
    }
    if (err == VS_OK) {
        memcpy(out->key, caller->keys->pub.identity.b, sizeof out->key);
        vs_sign(out->signature, statement.p, statement.len, caller->keys->identity_seed);
        if (caller->enrolment != NULL) memcpy(out->enrolment, caller->enrolment, 64);
    } else {
        (void)vs_fail(diag, err, "out of memory");
    }
    vs_buf_free(&statement);
    vs_buf_free(arguments);
    return err;
}

vs_err vs_call_status(const vs_caller *caller, const char *address, vsw_StatusReply *out,
                      vs_diag *diag)
{
    vsw_Request head = {.which_op = vsw_Request_status_tag};
    vs_buf memory = {0};
    vs_reply reply;
    vs_err err =
        exchange(caller, address, &head, NULL, 0, vsw_Reply_status_tag, &memory, &reply, diag);
    if (err == VS_OK) *out = reply.head.result.status;
    vs_buf_free(&memory);
    return err;
}

vs_err vs_call_round_info(const vs_caller *caller, uint64_t round, vsw_RoundInfo *info,
                          vs_buf *open, vsw_Code *code, vs_diag *diag)
{
    vsw_Request head = {.which_op = vsw_Request_round_info_tag};
    vs_buf memory = {0};
    vs_reply reply = {0};
    head.op.round_info.round = round;
    if (code != NULL) *code = vsw_Code_OK;
    vs_err err = ask_again(caller, &head, vsw_Reply_round_info_tag, &memory, &reply, diag);
    if (err == VS_OK) {
        *info = reply.head.result.round_info;
        if (open != NULL) {
            vs_buf_bytes(open, reply.body, reply.body_len);
            err = vs_buf_check(open);
        }
    } else if (err == VS_ERR_STATE && code != NULL) {
        *code = reply.head.result.error.code;
    }
    vs_buf_free(&memory);
    return err;
}

vs_err vs_call_entry(const vs_caller *caller, uint64_t round, const char *kind, uint32_t nth,
                     vs_buf *envelope, vs_diag *diag)
{
    vsw_Request head = {.which_op = vsw_Request_entry_tag};
    vs_buf memory = {0};
    vs_reply reply;
    VS_ASSERT(strlen(kind) < sizeof head.op.entry.kind);
    head.op.entry.round = round;
    head.op.entry.nth = nth;
    memcpy(head.op.entry.kind, kind, strlen(kind) + 1);
    vs_err err = ask_again(caller, &head, vsw_Reply_ok_tag, &memory, &reply, diag);
    if (err == VS_OK) {
        vs_buf_bytes(envelope, reply.body, reply.body_len);
        err = vs_buf_check(envelope);
    } else {
        vs_diag_prefix(diag, "entry %s of round %" PRIu64, kind, round);
    }
    vs_buf_free(&memory);
    return err;
}

/* --- the admin's ---------------------------------------------------------------------------------
 */

vs_err vs_call_open_round(const vs_caller *caller, const vs_call_open *open, vs_diag *diag)
{
    vsw_Request head = {.which_op = vsw_Request_control_open_tag};
    vsw_ControlOpen *m = &head.op.control_open;
    vs_buf arguments = {0}, memory = {0};
    vs_reply reply;
    m->has_control = true;
    m->round = open->round;
    m->dim = open->dim;
    memcpy(m->model_hash, open->model_hash.b, sizeof m->model_hash);
    m->target_clients = open->target_clients;
    m->collect_s = open->collect_s;
    vs_buf_u32(&arguments, m->dim);
    vs_buf_h32(&arguments, &open->model_hash);
    vs_buf_u32(&arguments, m->target_clients);
    vs_buf_u32(&arguments, m->collect_s);
    vs_err err = sign(caller, &m->control, VS_OPERATION_OPEN, open->round, &arguments, diag);
    if (err != VS_OK) return err;
    err = ask(caller, &head, NULL, 0, vsw_Reply_ok_tag, &memory, &reply, diag);
    vs_buf_free(&memory);
    return err;
}

vs_err vs_call_end_round(const vs_caller *caller, vs_operation op, uint64_t round, vs_diag *diag)
{
    bool cancel = op == VS_OPERATION_CANCEL;
    vsw_Request head = {.which_op = cancel ? vsw_Request_control_cancel_tag
                                           : vsw_Request_control_close_tag};
    vsw_ControlRound *m = cancel ? &head.op.control_cancel : &head.op.control_close;
    vs_buf arguments = {0}, memory = {0};
    vs_reply reply;
    VS_ASSERT(cancel || op == VS_OPERATION_CLOSE);
    m->has_control = true;
    m->round = round;
    vs_err err = sign(caller, &m->control, op, round, &arguments, diag);
    if (err != VS_OK) return err;
    err = ask(caller, &head, NULL, 0, vsw_Reply_ok_tag, &memory, &reply, diag);
    vs_buf_free(&memory);
    return err;
}

vs_err vs_call_key(const vs_caller *caller, const vs_entry_key *key, vs_diag *diag)
{
    vsw_Request head = {.which_op = vsw_Request_control_key_tag};
    uint8_t body[VS_KEY_REQUEST_BYTES];
    vs_buf memory = {0};
    vs_reply reply;
    vs_key_request_encode(body, key);
    vs_err err = ask(caller, &head, body, sizeof body, vsw_Reply_ok_tag, &memory, &reply, diag);
    vs_buf_free(&memory);
    return err;
}

/* One piece; *next is what the aggregator wants then. */
static vs_err put_piece(const vs_caller *caller, const vs_h32 *name, const uint8_t *data,
                        uint64_t total, uint64_t *next, vs_diag *diag)
{
    vsw_Request head = {.which_op = vsw_Request_control_blob_tag};
    vsw_ControlBlob *m = &head.op.control_blob;
    vs_buf arguments = {0}, memory = {0};
    vs_reply reply;
    vs_h32 hash;
    uint64_t offset = *next;
    size_t len = total - offset < PIECE_BYTES ? (size_t)(total - offset) : PIECE_BYTES;
    m->has_control = true;
    m->offset = offset;
    m->total = total;
    memcpy(m->name, name->b, sizeof m->name);
    vs_sha256(&hash, data + offset, len);
    vs_buf_h32(&arguments, name);
    vs_buf_u64(&arguments, offset);
    vs_buf_u64(&arguments, total);
    vs_buf_h32(&arguments, &hash);
    vs_err err = sign(caller, &m->control, VS_OPERATION_PUT_BLOB, 0, &arguments, diag);
    if (err != VS_OK) return err;
    err = ask(caller, &head, data + offset, len, vsw_Reply_progress_tag, &memory, &reply, diag);
    if (err == VS_OK) *next = reply.head.result.progress.next;
    vs_buf_free(&memory);
    return err;
}

vs_err vs_call_put_blob(const vs_caller *caller, const void *data, size_t len, vs_h32 *name,
                        vs_diag *diag)
{
    const uint64_t tries_max = len / PIECE_BYTES + 8; /* a few may start over or jump ahead */
    uint64_t next = 0;
    vs_err err = VS_OK;
    vs_sha256(name, data, len);
    for (uint64_t tries = 0; err == VS_OK && (tries == 0 || next < len); tries++) {
        err = put_piece(caller, name, data, len, &next, diag);
        if (err == VS_OK && (next > len || tries == tries_max)) {
            err = vs_fail(diag, VS_ERR_MALFORMED, "the aggregator wants byte %" PRIu64 " of %zu",
                          next, len);
        }
    }
    if (err != VS_OK) vs_diag_prefix(diag, "model file");
    return err;
}

/* --- a member's ----------------------------------------------------------------------------------
 */

static vs_err get_piece(const vs_caller *caller, const vs_h32 *name, uint64_t offset,
                        size_t max_len, vs_buf *out, uint64_t *total, vs_diag *diag)
{
    vsw_Request head = {.which_op = vsw_Request_blob_tag};
    vsw_Blob *m = &head.op.blob;
    vs_buf arguments = {0}, memory = {0};
    vs_reply reply;
    m->offset = offset;
    memcpy(m->name, name->b, sizeof m->name);
    if (caller->keys != NULL) {
        m->has_control = true;
        vs_buf_h32(&arguments, name);
        vs_buf_u64(&arguments, offset);
        vs_err signed_ok = sign(caller, &m->control, VS_OPERATION_READ_BLOB, 0, &arguments, diag);
        if (signed_ok != VS_OK) return signed_ok;
    }
    vs_err err = ask(caller, &head, NULL, 0, vsw_Reply_progress_tag, &memory, &reply, diag);
    if (err != VS_OK) goto cleanup;
    const vsw_Progress *p = &reply.head.result.progress;
    if (p->total > max_len) {
        err = vs_fail(diag, VS_ERR_LIMIT, "%" PRIu64 " bytes; at most %zu are expected", p->total,
                      max_len);
    } else if (p->next != offset + reply.body_len || p->next > p->total ||
               (reply.body_len == 0 && p->next != p->total)) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "the aggregator's reply does not add up");
    } else {
        vs_buf_bytes(out, reply.body, reply.body_len);
        err = vs_buf_check(out);
        *total = p->total;
    }
cleanup:
    vs_buf_free(&memory);
    return err;
}

/* "blob 0011..: <what happened>" */
static void name_blob(const vs_h32 *name, vs_diag *diag)
{
    char hex[VS_HEX_CHARS(32)];
    vs_hex_encode(hex, name->b, 32);
    vs_diag_prefix(diag, "blob %.16s...", hex);
}

vs_err vs_call_blob_pieces(const vs_caller *caller, const vs_h32 *name, size_t max_len,
                           vs_err (*put)(void *ctx, const uint8_t *bytes, size_t len,
                                         vs_diag *diag),
                           void *ctx, vs_diag *diag)
{
    uint64_t total = 0, at = 0;
    vs_buf piece = {0};
    vs_err err;
    do {
        vs_buf_reset(&piece);
        err = get_piece(caller, name, at, max_len, &piece, &total, diag);
        if (err != VS_OK) {
            name_blob(name, diag);
            break;
        }
        at += piece.len;
        err = put(ctx, piece.p, piece.len, diag);
    } while (err == VS_OK && at < total);
    vs_buf_free(&piece);
    return err;
}

vs_err vs_call_get_blob(const vs_caller *caller, const vs_h32 *name, size_t max_len, vs_buf *out,
                        vs_diag *diag)
{
    const size_t start = out->len;
    uint64_t total = 0;
    vs_h32 hash;
    vs_err err;
    do {
        err = get_piece(caller, name, out->len - start, max_len, out, &total, diag);
    } while (err == VS_OK && out->len - start < total);
    if (err == VS_OK) {
        vs_sha256(&hash, out->p + start, out->len - start);
        if (!vs_h32_equal(&hash, name)) {
            err = vs_fail(diag, VS_ERR_PROOF, "its bytes do not have the SHA-256 that names it");
        }
    }
    if (err != VS_OK) {
        name_blob(name, diag);
        out->len = start;
    }
    return err;
}
