#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "net/step.h"
#include "net/wire.h"
#include "tests/support.h"

/* Fill the whole struct with reproducible bytes, then make what must be text or an enum valid. */
static vsw_Request request_of(pb_size_t op)
{
    vsw_Request head;
    vs_test_bytes(&head, sizeof head, op);
    head.which_op = op;
    if (op == vsw_Request_entry_tag) memcpy(head.op.entry.kind, "result", 7);
    if (op == vsw_Request_blob_tag) head.op.blob.has_control = true;
    if (op == vsw_Request_control_open_tag) head.op.control_open.has_control = true;
    if (op == vsw_Request_control_close_tag) head.op.control_close.has_control = true;
    if (op == vsw_Request_control_cancel_tag) head.op.control_cancel.has_control = true;
    if (op == vsw_Request_control_blob_tag) head.op.control_blob.has_control = true;
    return head;
}

static vsw_Reply reply_of(pb_size_t result)
{
    vsw_Reply head;
    vs_test_bytes(&head, sizeof head, 1000u + result);
    head.which_result = result;
    if (result == vsw_Reply_error_tag) {
        head.result.error.code = vsw_Code_LATE;
        memset(head.result.error.text, 'e', sizeof head.result.error.text);
        head.result.error.text[sizeof head.result.error.text - 1] = '\0';
    }
    if (result == vsw_Reply_status_tag) {
        head.result.status.phase = vsw_Phase_VOTING;
        memcpy(head.result.status.role, "shareholder", 12);
        memcpy(head.result.status.version, "0.1.0", 6);
    }
    if (result == vsw_Reply_round_info_tag) {
        head.result.round_info.phase = vsw_Phase_ABORTED;
        memset(head.result.round_info.detail, 'd', sizeof head.result.round_info.detail);
        head.result.round_info.detail[sizeof head.result.round_info.detail - 1] = '\0';
    }
    return head;
}

static vs_buf encode_request(const vsw_Request *head, const void *body, size_t body_len)
{
    vs_buf out = {0};
    cr_assert_eq(vs_request_encode(&out, head, body, body_len), VS_OK);
    return out;
}

static vs_buf encode_reply(const vsw_Reply *head, const void *body, size_t body_len)
{
    vs_buf out = {0};
    cr_assert_eq(vs_reply_encode(&out, head, body, body_len), VS_OK);
    return out;
}

/* A message whose head is `len` given bytes, with a body of one byte. */
static vs_buf raw(const void *head, size_t len)
{
    vs_buf out = {0};
    vs_buf_u32(&out, (uint32_t)len);
    vs_buf_bytes(&out, head, len);
    vs_buf_u8(&out, 0xaa);
    return out;
}

static void expect_request(vs_buf msg, vs_err want, const char *what)
{
    vs_request got;
    cr_expect_eq(vs_request_decode(&got, msg.p, msg.len), want, "%s", what);
    if (want != VS_OK) cr_expect(got.head.which_op == 0 && got.body == NULL, "%s", what);
    vs_buf_free(&msg);
}

static void expect_reply(vs_buf msg, vs_err want, const char *what)
{
    vs_reply got;
    cr_expect_eq(vs_reply_decode(&got, msg.p, msg.len), want, "%s", what);
    if (want != VS_OK) cr_expect(got.head.which_result == 0 && got.body == NULL, "%s", what);
    vs_buf_free(&msg);
}

Test(wire, every_request_round_trips_and_every_truncation_of_its_head_is_refused)
{
    for (pb_size_t op = vsw_Request_status_tag; op <= vsw_Request_control_blob_tag; op++) {
        vsw_Request head = request_of(op);
        vs_request got;
        uint8_t body[100];
        vs_test_bytes(body, sizeof body, op);
        vs_buf msg = encode_request(&head, body, sizeof body);
        cr_assert_eq(vs_request_decode(&got, msg.p, msg.len), VS_OK, "op %u", op);
        cr_expect_eq(got.head.which_op, op);
        cr_expect_arr_eq(got.head.federation_id, head.federation_id, 32);
        cr_assert_eq(got.body_len, sizeof body);
        cr_expect_arr_eq(got.body, body, sizeof body);

        /* Every field came through: encoding again gives the same bytes. */
        vs_buf again = encode_request(&got.head, body, sizeof body);
        cr_assert_eq(again.len, msg.len, "op %u", op);
        cr_expect_arr_eq(again.p, msg.p, msg.len, "op %u", op);

        /* Cut anywhere inside length and head; from a copy of that size, so that a read past the
         * end is found by the sanitizer. */
        for (size_t len = 0; len < msg.len - sizeof body; len++) {
            vs_buf cut = {0};
            vs_buf_bytes(&cut, msg.p, len);
            expect_request(cut, VS_ERR_MALFORMED, "truncated");
        }
        vs_buf_free(&again);
        vs_buf_free(&msg);
    }
}

Test(wire, every_reply_round_trips_and_every_truncation_of_its_head_is_refused)
{
    for (pb_size_t result = vsw_Reply_error_tag; result <= vsw_Reply_count_tag; result++) {
        vsw_Reply head = reply_of(result);
        vs_reply got;
        uint8_t body[33];
        vs_test_bytes(body, sizeof body, result);
        vs_buf msg = encode_reply(&head, body, sizeof body);
        cr_assert_eq(vs_reply_decode(&got, msg.p, msg.len), VS_OK, "result %u", result);
        cr_expect_eq(got.head.which_result, result);
        cr_assert_eq(got.body_len, sizeof body);
        cr_expect_arr_eq(got.body, body, sizeof body);
        vs_buf again = encode_reply(&got.head, body, sizeof body);
        cr_assert_eq(again.len, msg.len, "result %u", result);
        cr_expect_arr_eq(again.p, msg.p, msg.len, "result %u", result);
        for (size_t len = 0; len < msg.len - sizeof body; len++) {
            vs_buf cut = {0};
            vs_buf_bytes(&cut, msg.p, len);
            expect_reply(cut, VS_ERR_MALFORMED, "truncated");
        }
        vs_buf_free(&again);
        vs_buf_free(&msg);
    }
}

Test(wire, fields_arrive_by_name)
{
    vsw_Request head = {.which_op = vsw_Request_sum_share_tag};
    head.op.sum_share = (vsw_SumShare){.round = 7, .index = 3, .offset = 65536, .total = 99999};
    memset(head.federation_id, 0x11, 32);
    vs_buf msg = encode_request(&head, NULL, 0);
    vs_request got;
    cr_assert_eq(vs_request_decode(&got, msg.p, msg.len), VS_OK);
    cr_expect_eq(got.head.op.sum_share.round, 7);
    cr_expect_eq(got.head.op.sum_share.index, 3);
    cr_expect_eq(got.head.op.sum_share.offset, 65536);
    cr_expect_eq(got.head.op.sum_share.total, 99999);
    cr_expect_eq(got.body_len, 0);
    vs_buf_free(&msg);
}

Test(wire, absent_fixed_length_fields_decode_as_zeros)
{
    const uint8_t chunk_without_submission[] = {0x32, 0x02, 0x08, 0x05}; /* {round: 5} */
    const uint8_t zeros[32] = {0};
    vs_buf msg = raw(chunk_without_submission, sizeof chunk_without_submission);
    vs_request got;
    memset(&got, 0xff, sizeof got);
    cr_assert_eq(vs_request_decode(&got, msg.p, msg.len), VS_OK);
    cr_expect_eq(got.head.op.submit_chunk.round, 5);
    cr_expect_arr_eq(got.head.op.submit_chunk.submission, zeros, 32);
    cr_expect_arr_eq(got.head.federation_id, zeros, 32);
    cr_expect_eq(got.body_len, 1);
    vs_buf_free(&msg);
}

Test(wire, body_may_be_as_long_as_the_limit_and_no_longer)
{
    uint8_t *body = calloc(1, VS_WIRE_BODY_MAX + 1);
    vsw_Request head = request_of(vsw_Request_submit_chunk_tag);
    vsw_Reply reply = reply_of(vsw_Reply_error_tag);
    vs_buf msg = encode_request(&head, body, VS_WIRE_BODY_MAX);
    vs_buf back = encode_reply(&reply, body, VS_WIRE_BODY_MAX);
    vs_request got;
    vs_reply answer;
    cr_expect_leq(msg.len, VS_WIRE_MESSAGE_MAX);
    cr_expect_leq(back.len, VS_WIRE_MESSAGE_MAX);
    cr_expect_eq(vs_request_decode(&got, msg.p, msg.len), VS_OK);
    cr_expect_eq(vs_reply_decode(&answer, back.p, back.len), VS_OK);
    cr_expect_eq(answer.body_len, VS_WIRE_BODY_MAX);

    vs_buf_u8(&msg, 0);
    vs_buf_u8(&back, 0);
    cr_expect_eq(vs_request_decode(&got, msg.p, msg.len), VS_ERR_MALFORMED);
    cr_expect_eq(vs_reply_decode(&answer, back.p, back.len), VS_ERR_MALFORMED);

    vs_buf out = {0};
    vs_buf_text(&out, "kept");
    cr_expect_eq(vs_request_encode(&out, &head, body, VS_WIRE_BODY_MAX + 1), VS_ERR_LIMIT);
    cr_expect_eq(vs_reply_encode(&out, &reply, body, VS_WIRE_BODY_MAX + 1), VS_ERR_LIMIT);
    cr_expect_eq(out.len, 4, "a refused message leaves the buffer alone");
    vs_buf_free(&out);
    vs_buf_free(&msg);
    vs_buf_free(&back);
    free(body);
}

Test(wire, head_length_beyond_message_or_maximum_is_refused)
{
    vsw_Request head = request_of(vsw_Request_status_tag);
    const uint32_t lengths[] = {40, 1000, UINT32_C(1) << 31, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        vs_buf msg = encode_request(&head, NULL, 0);
        vs_store_le32(msg.p, lengths[i]);
        expect_request(msg, VS_ERR_MALFORMED, "head_len past the end");
    }
    uint8_t zeros[2000] = {0};
    for (size_t len = vsw_Request_size + 1; len < sizeof zeros; len += 97) {
        expect_request(raw(zeros, len), VS_ERR_MALFORMED, "head_len over the maximum");
    }
}

Test(wire, shorter_head_length_turns_head_bytes_into_leftovers_and_is_refused)
{
    vsw_Request head = request_of(vsw_Request_control_open_tag);
    vs_buf msg = encode_request(&head, NULL, 0);
    uint32_t head_len = vs_load_le32(msg.p);
    for (uint32_t len = 0; len < head_len; len++) {
        vs_buf copy = {0};
        vs_buf_bytes(&copy, msg.p, msg.len);
        vs_store_le32(copy.p, len);
        expect_request(copy, VS_ERR_MALFORMED, "head cut inside the message");
    }
    vs_buf_free(&msg);
}

Test(wire, heads_outside_the_schema_are_refused)
{
    static const struct {
        const char *what;
        size_t len;
        uint8_t head[8];
    } bad[] = {
        {"no operation", 0, {0}},
        {"two operations", 4, {0x12, 0x00, 0x5a, 0x00}},
        {"one operation twice", 4, {0x12, 0x00, 0x12, 0x00}},
        {"unknown field 60", 6, {0x12, 0x00, 0xe2, 0x03, 0x00, 0x00}},
        {"unknown field alone", 3, {0xe2, 0x03, 0x00}},
        {"zero byte after the operation", 3, {0x12, 0x00, 0x00}},
        {"operation as an integer", 2, {0x10, 0x00}},
        {"field number zero", 2, {0x02, 0x00}},
        {"federation id of 1 byte", 5, {0x0a, 0x01, 0x77, 0x12, 0x00}},
        {"length past the head", 2, {0x12, 0x7f}},
        {"endless varint", 8, {0x1a, 0x06, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff}},
        {"group", 2, {0x13, 0x14}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_request(raw(bad[i].head, bad[i].len), VS_ERR_MALFORMED, bad[i].what);
    }
    const uint8_t good[] = {0x12, 0x00};
    expect_request(raw(good, sizeof good), VS_OK, "status alone");
    uint8_t twice[2 * 34 + 2];
    for (size_t i = 0; i < 2; i++) {
        twice[34 * i] = 0x0a;
        twice[34 * i + 1] = 32;
        memset(twice + 34 * i + 2, (int)i, 32);
    }
    memcpy(twice + 68, good, 2);
    expect_request(raw(twice, sizeof twice), VS_ERR_MALFORMED, "federation id twice");
    expect_request(raw(twice + 34, 36), VS_OK, "federation id once");
}

Test(wire, replies_outside_the_schema_are_refused)
{
    static const struct {
        const char *what;
        size_t len;
        uint8_t head[8];
    } bad[] = {
        {"no result", 0, {0}},
        {"two results", 4, {0x12, 0x00, 0x62, 0x00}},
        {"unknown result 13", 2, {0x6a, 0x00}},
        {"error without a code", 2, {0x0a, 0x00}},
        {"error with code 19", 4, {0x0a, 0x02, 0x08, 0x13}},
        {"phase 11 in status", 4, {0x1a, 0x02, 0x28, 0x0b}},
        {"phase 11 in round_info", 4, {0x5a, 0x02, 0x10, 0x0b}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_reply(raw(bad[i].head, bad[i].len), VS_ERR_MALFORMED, bad[i].what);
    }
    const uint8_t good[] = {0x5a, 0x02, 0x10, 0x0a};
    expect_reply(raw(good, sizeof good), VS_OK, "phase aborted");
}

/* A text one byte longer than its buffer, and one without end, must not run over. */
Test(wire, text_longer_than_its_bound_is_refused)
{
    for (size_t len = 398; len <= 401; len++) {
        vs_buf head = {0};
        vs_buf_u8(&head, 0x0a); /* error */
        size_t inner = 2 + 1 + 2 + len;
        vs_buf_u8(&head, (uint8_t)(0x80 | (inner & 0x7f)));
        vs_buf_u8(&head, (uint8_t)(inner >> 7));
        vs_buf_bytes(&head, "\x08\x04", 2); /* code late */
        vs_buf_u8(&head, 0x12);             /* text */
        vs_buf_u8(&head, (uint8_t)(0x80 | (len & 0x7f)));
        vs_buf_u8(&head, (uint8_t)(len >> 7));
        memset(vs_buf_extend(&head, len), 'x', len);
        expect_reply(raw(head.p, head.len), len <= 399 ? VS_OK : VS_ERR_MALFORMED, "long text");
        vs_buf_free(&head);
    }
}

Test(wire, error_reply_carries_code_value_and_printable_text)
{
    vs_buf msg = {0};
    char big[600];
    vs_reply got;
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    cr_assert_eq(vs_reply_error(&msg, vsw_Code_CONFLICT, 12, "size %d\n\x1b[31m\xc3\xa9", 7),
                 VS_OK);
    cr_assert_eq(vs_reply_decode(&got, msg.p, msg.len), VS_OK);
    cr_expect_eq(got.head.result.error.code, vsw_Code_CONFLICT);
    cr_expect_eq(got.head.result.error.value, 12);
    cr_expect_str_eq(got.head.result.error.text, "size 7??[31m??");
    vs_buf_reset(&msg);
    cr_assert_eq(vs_reply_error(&msg, vsw_Code_REFUSED, 0, "%s", big), VS_OK);
    cr_assert_eq(vs_reply_decode(&got, msg.p, msg.len), VS_OK);
    cr_expect_eq(strlen(got.head.result.error.text), 399, "cut to fit");
    vs_buf_free(&msg);
}

Test(wire, every_code_and_phase_has_a_name)
{
    for (int code = 0; code <= _vsw_Code_MAX; code++) {
        cr_expect_str_neq(vs_code_name((vsw_Code)code), "unknown", "code %d", code);
    }
    for (int phase = 0; phase <= _vsw_Phase_MAX; phase++) {
        cr_expect_str_neq(vs_phase_name((vsw_Phase)phase), "unknown", "phase %d", phase);
    }
    cr_expect_str_eq(vs_code_name(vsw_Code_SHARE_INCONSISTENT), "share-inconsistent");
}

/* One flipped bit anywhere in the head: accepted or refused, but never out of bounds, and what is
 * accepted can be encoded again. */
Test(wire, flipped_bits_are_survived)
{
    for (pb_size_t op = vsw_Request_status_tag; op <= vsw_Request_control_blob_tag; op++) {
        vsw_Request head = request_of(op);
        vs_buf msg = encode_request(&head, NULL, 0);
        for (size_t bit = 0; bit < 8 * msg.len; bit++) {
            vs_request got;
            vs_buf copy = {0};
            vs_buf_bytes(&copy, msg.p, msg.len);
            copy.p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            if (vs_request_decode(&got, copy.p, copy.len) == VS_OK) {
                vs_buf again = encode_request(&got.head, got.body, got.body_len);
                vs_buf_free(&again);
            }
            vs_buf_free(&copy);
        }
        vs_buf_free(&msg);
    }
}

Test(step, outbox_keeps_order_and_frees_messages)
{
    vs_outbox box = {0};
    for (uint32_t i = 0; i < 100; i++) {
        vs_out *out = i % 2 == 0 ? vs_outbox_send(&box, i % 5, i, 10) : vs_outbox_reply(&box, i);
        cr_assert_not_null(out);
        vs_buf_u32(&out->msg, i);
    }
    cr_assert_eq(box.n, 100);
    for (uint32_t i = 0; i < 100; i++) {
        cr_expect_eq(box.item[i].kind, i % 2 == 0 ? VS_OUT_SEND : VS_OUT_REPLY);
        cr_expect_eq(vs_load_le32(box.item[i].msg.p), i);
    }
    cr_expect_eq(box.item[6].peer, 1);
    cr_expect_eq(box.item[6].tag, 6);
    cr_expect_eq(box.item[6].timeout_ms, 10);
    cr_expect_eq(box.item[7].conn, 7);
    vs_outbox_clear(&box);
    cr_expect_eq(box.n, 0);
    vs_outbox_free(&box);
}
