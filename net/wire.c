#include "net/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <pb_decode.h>
#include <pb_encode.h>

/* The largest head of either kind, from the bounds in net/veilsum.options. */
#define HEAD_MAX (vsw_Request_size > vsw_Reply_size ? vsw_Request_size : vsw_Reply_size)
#define LEN_BYTES 4u

static vs_err encode(vs_buf *out, const pb_msgdesc_t *fields, const void *head, const void *body,
                     size_t body_len)
{
    uint8_t bytes[HEAD_MAX];
    size_t before = out->len;
    if (body_len > VS_WIRE_BODY_MAX) return VS_ERR_LIMIT;

    pb_ostream_t stream = pb_ostream_from_buffer(bytes, sizeof bytes);
    bool encoded = pb_encode(&stream, fields, head);
    VS_ASSERT(encoded); /* only an unterminated string can fail: a caller's bug */
    vs_buf_u32(out, (uint32_t)stream.bytes_written);
    vs_buf_bytes(out, bytes, stream.bytes_written);
    vs_buf_bytes(out, body, body_len);
    vs_err err = vs_buf_check(out);
    if (err != VS_OK) out->len = before;
    return err;
}

vs_err vs_request_encode(vs_buf *out, const vsw_Request *head, const void *body, size_t body_len)
{
    VS_ASSERT(head->which_op != 0);
    return encode(out, vsw_Request_fields, head, body, body_len);
}

vs_err vs_reply_encode(vs_buf *out, const vsw_Reply *head, const void *body, size_t body_len)
{
    VS_ASSERT(head->which_result != 0);
    return encode(out, vsw_Reply_fields, head, body, body_len);
}

/* One kind of head. Its operations are the fields first_op..last_op; at most one plain field comes
 * before them (federation_id of a request). Every one of these fields is length-delimited. */
typedef struct shape {
    const pb_msgdesc_t *fields;
    size_t head_max;
    uint32_t first_op, last_op;
} shape;

static const shape request_shape = {vsw_Request_fields, vsw_Request_size, vsw_Request_status_tag,
                                    vsw_Request_control_key_tag};
static const shape reply_shape = {vsw_Reply_fields, vsw_Reply_size, vsw_Reply_error_tag,
                                  vsw_Reply_count_tag};

/* What protobuf would let pass and we do not: a field that is not in the schema, one given twice
 * (the last would win), no operation at all. */
static bool is_strict(const shape *s, const uint8_t *head, size_t len)
{
    pb_istream_t stream = pb_istream_from_buffer(head, len);
    uint32_t n_ops = 0;
    uint32_t n_before = 0;
    while (stream.bytes_left > 0) {
        pb_wire_type_t type;
        uint32_t tag;
        bool eof;
        if (!pb_decode_tag(&stream, &type, &tag, &eof)) return false;
        if (type != PB_WT_STRING || tag > s->last_op) return false;
        if (!pb_skip_field(&stream, type)) return false;
        if (tag >= s->first_op) {
            n_ops++;
        } else {
            n_before++;
        }
    }
    return n_ops == 1 && n_before <= 1;
}

/* Split the message and decode its head; the body is what follows it. */
static vs_err decode(const shape *s, void *head, const uint8_t **body, size_t *body_len,
                     const uint8_t *msg, size_t len)
{
    if (len < LEN_BYTES) return VS_ERR_MALFORMED;
    size_t head_len = vs_load_le32(msg);
    size_t left = len - LEN_BYTES;
    if (head_len > s->head_max || head_len > left) return VS_ERR_MALFORMED;
    if (left - head_len > VS_WIRE_BODY_MAX) return VS_ERR_MALFORMED;
    if (!is_strict(s, msg + LEN_BYTES, head_len)) return VS_ERR_MALFORMED;

    pb_istream_t stream = pb_istream_from_buffer(msg + LEN_BYTES, head_len);
    if (!pb_decode(&stream, s->fields, head) || stream.bytes_left != 0) return VS_ERR_MALFORMED;
    *body = msg + LEN_BYTES + head_len;
    *body_len = left - head_len;
    return VS_OK;
}

vs_err vs_request_decode(vs_request *out, const uint8_t *msg, size_t len)
{
    vs_request got = {0};
    vs_err err = decode(&request_shape, &got.head, &got.body, &got.body_len, msg, len);
    if (err != VS_OK) got = (vs_request){0};
    *out = got;
    return err;
}

/* Enumerations arrive as any integer; a value outside the schema is not a reply of ours. */
static bool values_are_known(const vsw_Reply *head)
{
    uint32_t code = vsw_Code_MALFORMED;
    uint32_t phase = vsw_Phase_IDLE;
    if (head->which_result == vsw_Reply_error_tag) code = (uint32_t)head->result.error.code;
    if (head->which_result == vsw_Reply_status_tag) phase = (uint32_t)head->result.status.phase;
    if (head->which_result == vsw_Reply_round_info_tag) {
        phase = (uint32_t)head->result.round_info.phase;
    }
    return code != vsw_Code_OK && code <= _vsw_Code_MAX && phase <= _vsw_Phase_MAX;
}

vs_err vs_reply_decode(vs_reply *out, const uint8_t *msg, size_t len)
{
    vs_reply got = {0};
    vs_err err = decode(&reply_shape, &got.head, &got.body, &got.body_len, msg, len);
    if (err == VS_OK && !values_are_known(&got.head)) err = VS_ERR_MALFORMED;
    if (err != VS_OK) got = (vs_reply){0};
    *out = got;
    return err;
}

vs_err vs_reply_error(vs_buf *out, vsw_Code code, uint64_t value, const char *fmt, ...)
{
    VS_ASSERT(code != vsw_Code_OK);
    vsw_Reply head = {.which_result = vsw_Reply_error_tag};
    vsw_Error *error = &head.result.error;
    va_list args;
    error->code = code;
    error->value = value;
    va_start(args, fmt);
    (void)vsnprintf(error->text, sizeof error->text, fmt, args);
    va_end(args);
    /* Printable ASCII: safe in every log, and valid protobuf text wherever it was cut. */
    for (char *c = error->text; *c != '\0'; c++) {
        if (*c < 0x20 || *c > 0x7e) *c = '?';
    }
    return vs_reply_encode(out, &head, NULL, 0);
}

const char *vs_code_name(vsw_Code code)
{
    switch (code) {
    case vsw_Code_OK: return "ok";
    case vsw_Code_MALFORMED: return "malformed";
    case vsw_Code_WRONG_FEDERATION: return "wrong-federation";
    case vsw_Code_UNKNOWN_ROUND: return "unknown-round";
    case vsw_Code_LATE: return "late";
    case vsw_Code_BAD_SIGNATURE: return "bad-signature";
    case vsw_Code_UNREGISTERED: return "unregistered";
    case vsw_Code_DUPLICATE: return "duplicate";
    case vsw_Code_SHARE_INCONSISTENT: return "share-inconsistent";
    case vsw_Code_COMMITMENT_MISMATCH: return "commitment-mismatch";
    case vsw_Code_MODEL_MISMATCH: return "model-mismatch";
    case vsw_Code_QUOTA: return "quota";
    case vsw_Code_STATE: return "state";
    case vsw_Code_CONFLICT: return "conflict";
    case vsw_Code_CANNOT: return "cannot";
    case vsw_Code_REFUSED: return "refused";
    case vsw_Code_NOT_FOUND: return "not-found";
    case vsw_Code_BUSY: return "busy";
    case vsw_Code_UNAUTHORISED: return "unauthorised";
    }
    return "unknown";
}

const char *vs_phase_name(vsw_Phase phase)
{
    switch (phase) {
    case vsw_Phase_IDLE: return "idle";
    case vsw_Phase_OPENING: return "opening";
    case vsw_Phase_COLLECT: return "collect";
    case vsw_Phase_LISTING: return "listing";
    case vsw_Phase_VOTING: return "voting";
    case vsw_Phase_SETTING: return "setting";
    case vsw_Phase_ANSWERING: return "answering";
    case vsw_Phase_PUBLISHING: return "publishing";
    case vsw_Phase_FINAL: return "final";
    case vsw_Phase_CLOSING: return "closing";
    case vsw_Phase_ABORTED: return "aborted";
    }
    return "unknown";
}
