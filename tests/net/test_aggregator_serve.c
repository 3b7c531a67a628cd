/* What the aggregator answers to clients, admins and members, and to everybody else. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "net/aggregator_impl.h"
#include "tests/net/support_world.h"

static const vs_committee FOUR = {.n = 4, .t = 1, .k = 1, .margin = 1};

static vs_world *world_of(uint64_t seed, bool public_results)
{
    vs_world_config config = {.committee = FOUR,
                              .n_clients = 3,
                              .min_clients = 2,
                              .max_clients = 4,
                              .dim = 12,
                              .public_results = public_results,
                              .seed = seed};
    return vs_world_new(&config);
}

static vsw_Code call_code(vs_world *w, const vsw_Request *head, const void *body, size_t len)
{
    vs_reply reply = vs_world_call(w, head, body, len);
    bool failed = reply.head.which_result == vsw_Reply_error_tag;
    return failed ? reply.head.result.error.code : vsw_Code_OK;
}

/* --- control ---------------------------------------------------------------------------------- */

static vsw_Request open_request(const vs_world *w, const vs_keys *keys)
{
    vsw_Request head = {.which_op = vsw_Request_control_open_tag};
    vsw_ControlOpen *m = &head.op.control_open;
    vs_buf arguments = {0};
    m->round = 1;
    m->dim = 12;
    m->collect_s = 20;
    vs_buf_u32(&arguments, m->dim);
    vs_buf_bytes(&arguments, m->model_hash, sizeof m->model_hash);
    vs_buf_u32(&arguments, m->target_clients);
    vs_buf_u32(&arguments, m->collect_s);
    m->has_control = true;
    m->control = vs_world_control(w, keys, VS_OPERATION_OPEN, m->round, &arguments);
    vs_buf_free(&arguments);
    return head;
}

static void c_none(vsw_ControlOpen *m)
{
    m->has_control = false;
}
static void c_signature(vsw_ControlOpen *m)
{
    m->control.signature[3] ^= 1;
}
static void c_time(vsw_ControlOpen *m)
{
    m->control.unix_time++;
}
static void c_key(vsw_ControlOpen *m)
{
    m->control.key[0] ^= 1;
}
static void c_round(vsw_ControlOpen *m)
{
    m->round++;
}
static void c_dim(vsw_ControlOpen *m)
{
    m->dim++;
}
static void c_model(vsw_ControlOpen *m)
{
    m->model_hash[31] = 1;
}
static void c_target(vsw_ControlOpen *m)
{
    m->target_clients = 3;
}
static void c_collect(vsw_ControlOpen *m)
{
    m->collect_s++;
}

Test(aggregator_serve, refuses_to_open_by_a_control_with_any_field_changed)
{
    void (*change[])(vsw_ControlOpen *) = {c_none, c_signature, c_time,   c_key,    c_round,
                                           c_dim,  c_model,     c_target, c_collect};
    vs_world *w = world_of(1, false);
    for (size_t i = 0; i < sizeof change / sizeof change[0]; i++) {
        vsw_Request head = open_request(w, w->tf->admin);
        change[i](&head.op.control_open);
        cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_UNAUTHORISED, "change %zu", i);
    }
    const vs_keys *others[] = {w->tf->aggregator, w->tf->shareholder[0], w->tf->client[0]};
    for (size_t i = 0; i < 3; i++) {
        vsw_Request head = open_request(w, others[i]);
        cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_UNAUTHORISED, "key %zu", i);
    }
    cr_expect_eq(vs_world_info(w, 0).phase, vsw_Phase_IDLE);
    vsw_Request head = open_request(w, w->tf->admin);
    cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_OK);
    cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_BUSY, "the same again does nothing");
    vs_world_free(w);
}

Test(aggregator_serve, refuses_control_that_is_older_or_newer_than_300_s)
{
    vs_world *w = world_of(2, false);
    vsw_Request head = open_request(w, w->tf->admin);
    uint64_t now = w->now_ms;
    w->now_ms = now + 301000;
    cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_UNAUTHORISED);
    w->now_ms = now - 301000;
    cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_UNAUTHORISED);
    w->now_ms = now + 299000;
    cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_OK);
    vs_world_free(w);
}

Test(aggregator_serve, refuses_a_control_signed_for_another_operation_or_round)
{
    vs_world *w = world_of(3, false);
    cr_assert_eq(vs_world_open(w, 1, 0), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    vsw_Request head = {.which_op = vsw_Request_control_cancel_tag};
    vsw_ControlRound *m = &head.op.control_cancel;
    m->round = 1;
    m->has_control = true;
    m->control = vs_world_control(w, w->tf->admin, VS_OPERATION_CLOSE, 1, NULL);
    cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_UNAUTHORISED);
    m->control = vs_world_control(w, w->tf->admin, VS_OPERATION_CANCEL, 2, NULL);
    cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_UNAUTHORISED);
    cr_expect_eq(vs_world_end(w, VS_OPERATION_CANCEL, 2), vsw_Code_UNKNOWN_ROUND);
    m->control = vs_world_control(w, w->tf->client[0], VS_OPERATION_CANCEL, 1, NULL);
    cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_UNAUTHORISED);
    cr_expect_eq(vs_world_info(w, 1).phase, vsw_Phase_COLLECT);
    vs_world_free(w);
}

Test(aggregator_serve, refuses_parameters_that_the_federation_does_not_allow)
{
    const struct {
        uint32_t dim, target, collect;
    } row[] = {{0, 0, 10}, {12, 1, 10}, {12, 5, 10}, {12, 0, 61}, {1u << 31, 0, 10}};
    vs_world *w = world_of(4, false);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        vsw_Request head = {.which_op = vsw_Request_control_open_tag};
        vsw_ControlOpen *m = &head.op.control_open;
        vs_buf arguments = {0};
        *m = (vsw_ControlOpen){.round = 1,
                               .dim = row[i].dim,
                               .target_clients = row[i].target,
                               .collect_s = row[i].collect,
                               .has_control = true};
        vs_buf_u32(&arguments, m->dim);
        vs_buf_bytes(&arguments, m->model_hash, sizeof m->model_hash);
        vs_buf_u32(&arguments, m->target_clients);
        vs_buf_u32(&arguments, m->collect_s);
        m->control = vs_world_control(w, w->tf->admin, VS_OPERATION_OPEN, 1, &arguments);
        vs_buf_free(&arguments);
        cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_REFUSED, "row %zu", i);
    }
    vs_world_free(w);
}

/* --- anybody ---------------------------------------------------------------------------------- */

Test(aggregator_serve, answers_every_message_and_survives_each)
{
    vs_world *w = world_of(5, false);
    vsw_Request head = {.which_op = vsw_Request_status_tag};
    cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_OK);
    head.federation_id[0] = 1;
    cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_WRONG_FEDERATION);
    for (pb_size_t op = vsw_Request_round_key_tag; op <= vsw_Request_control_blob_tag; op++) {
        vsw_Request empty = {.which_op = op};
        vs_reply reply = vs_world_call(w, &empty, "x", 1);
        cr_expect(reply.head.which_result != 0, "operation %u", (unsigned)op);
    }
    for (uint64_t i = 0; i < 300; i++) { /* noise */
        uint8_t bytes[80];
        vs_outbox box = {0};
        vs_test_bytes(bytes, sizeof bytes, i);
        if (i % 2 == 0) vs_store_le32(bytes, (uint32_t)(i % 70));
        vs_event event = {.kind = VS_EVENT_REQUEST, .conn = 1, .msg = bytes, .len = i % 80};
        cr_assert_eq(vs_aggregator_step(w->ag, w->now_ms, &event, &box, NULL), VS_OK);
        cr_assert_geq(box.n, 1);
        vs_outbox_free(&box);
    }
    vs_event stray = {.kind = VS_EVENT_REPLY, .peer = 200, .tag = 7};
    vs_outbox box = {0};
    cr_expect_eq(vs_aggregator_step(w->ag, w->now_ms, &stray, &box, NULL), VS_OK);
    vs_outbox_free(&box);
    vs_world_free(w);
}

Test(aggregator_serve, knows_only_rounds_and_entries_that_are_there)
{
    vs_world *w = world_of(6, false);
    vsw_RoundInfo info = vs_world_info(w, 0);
    cr_expect(info.round == 0 && info.next_round == 1 && info.phase == vsw_Phase_IDLE);
    vsw_Request head = {.which_op = vsw_Request_round_info_tag, .op.round_info = {.round = 2}};
    cr_expect_eq(call_code(w, &head, NULL, 0), vsw_Code_UNKNOWN_ROUND);
    vsw_Request entry = {.which_op = vsw_Request_entry_tag};
    memcpy(entry.op.entry.kind, "federation", sizeof "federation");
    cr_expect_eq(call_code(w, &entry, NULL, 0), vsw_Code_OK);
    entry.op.entry.nth = 1;
    cr_expect_eq(call_code(w, &entry, NULL, 0), vsw_Code_NOT_FOUND);
    memcpy(entry.op.entry.kind, "nonsense", sizeof "nonsense");
    cr_expect_eq(call_code(w, &entry, NULL, 0), vsw_Code_NOT_FOUND);
    vsw_Request closure = {.which_op = vsw_Request_closure_tag, .op.closure = {.round = 1}};
    cr_expect_eq(call_code(w, &closure, NULL, 0), vsw_Code_NOT_FOUND);
    vs_world_free(w);
}

/* --- manifests -------------------------------------------------------------------------------- */

static vsw_Code send_manifest(vs_world *w, uint64_t round, const uint8_t *body, size_t len)
{
    vsw_Request head = {.which_op = vsw_Request_manifest_tag, .op.manifest = {.round = round}};
    return call_code(w, &head, body, len);
}

/* A world that collects; a real manifest of client 0 in w->manifest. */
static vs_world *world_with_manifest(uint64_t seed)
{
    vs_world *w = world_of(seed, false);
    cr_assert_eq(vs_world_open(w, 1, 0), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    vs_world_submit(w, 0);
    cr_assert(vs_world_run_client(w, 0, 10000));
    cr_assert_eq(vs_world_info(w, 1).clients_submitted, 1);
    return w;
}

Test(aggregator_serve, counts_a_manifest_once_and_survives_a_restart_with_it)
{
    vs_world *w = world_with_manifest(10);
    cr_expect_eq(send_manifest(w, 1, w->manifest.p, w->manifest.len), vsw_Code_OK);
    cr_expect_eq(vs_world_info(w, 1).clients_submitted, 1);
    vs_world_restart(w);
    cr_expect_eq(vs_world_info(w, 1).clients_submitted, 1);
    cr_expect_eq(send_manifest(w, 1, w->manifest.p, w->manifest.len), vsw_Code_OK);
    cr_expect_eq(vs_world_info(w, 1).clients_submitted, 1);
    cr_expect_eq(send_manifest(w, 2, w->manifest.p, w->manifest.len), vsw_Code_UNKNOWN_ROUND);
    cr_expect_eq(send_manifest(w, 0, w->manifest.p, w->manifest.len), vsw_Code_UNKNOWN_ROUND);
    vs_world_free(w);
}

Test(aggregator_serve, knows_how_many_had_submitted_to_a_round_that_ended_before_its_set)
{
    vs_world *w = world_with_manifest(12);
    cr_assert_eq(vs_world_end(w, VS_OPERATION_CANCEL, 1), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_ABORTED, 10000));
    cr_expect_eq(vs_world_info(w, 1).clients_submitted, 1);
    vs_world_restart(w);
    cr_expect_eq(vs_world_info(w, 1).clients_submitted, 1);
    cr_assert_eq(vs_world_open(w, 2, 0), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    cr_expect_eq(vs_world_info(w, 1).clients_submitted, 1);
    cr_expect_eq(vs_world_info(w, 2).clients_submitted, 0);
    vs_world_free(w);
}

/* One bit anywhere: refused. */
Test(aggregator_serve, refuses_a_manifest_with_any_byte_changed)
{
    vs_world *w = world_with_manifest(11);
    for (size_t i = 0; i < w->manifest.len; i += 1 + i % 3) {
        w->manifest.p[i] ^= 0x10;
        cr_expect_neq(send_manifest(w, 1, w->manifest.p, w->manifest.len), vsw_Code_OK,
                      "byte %zu of %zu", i, w->manifest.len);
        w->manifest.p[i] ^= 0x10;
    }
    cr_expect_neq(send_manifest(w, 1, w->manifest.p, w->manifest.len - 1), vsw_Code_OK);
    cr_expect_neq(send_manifest(w, 1, w->manifest.p, 0), vsw_Code_OK);
    cr_expect_eq(vs_world_info(w, 1).clients_submitted, 1);
    vs_world_free(w);
}

/* The manifest of client 0 signed again with other content. */
static void resign(vs_world *w, vs_buf *out, void (*change)(vs_header *h), uint32_t signer)
{
    size_t header_len = vs_header_len(4);
    vs_header h;
    vs_buf header = {0}, trailer = {0};
    uint8_t sig[64];
    vs_fe2 weights[2] = {{{1}, {2}}, {{3}, {4}}};
    const vs_keys *keys = w->tf->client[signer];
    cr_assert_eq(vs_header_decode(&h, w->manifest.p, header_len), VS_OK);
    if (change != NULL) change(&h);
    cr_assert_eq(vs_header_encode(&header, &h), VS_OK);
    vs_sha256(&h.submission, header.p, header.len);
    cr_assert_eq(vs_trailer_encode(&trailer, &h.id, &h.submission, weights, 2), VS_OK);
    vs_buf_reset(out);
    vs_buf_bytes(out, header.p, header.len);
    vs_sign(sig, header.p, header.len, keys->identity_seed);
    vs_buf_bytes(out, sig, 64);
    vs_buf_bytes(out, w->tf->enrolment[signer], 64);
    vs_buf_bytes(out, trailer.p, trailer.len);
    vs_sign(sig, trailer.p, trailer.len, keys->identity_seed);
    vs_buf_bytes(out, sig, 64);
    vs_buf_free(&header);
    vs_buf_free(&trailer);
}

static void h_round(vs_header *h)
{
    h->id.round = 2;
}
static void h_federation(vs_header *h)
{
    h->id.federation_id.b[0] ^= 1;
}
static void h_model(vs_header *h)
{
    h->model_hash.b[0] ^= 1;
}
static void h_params(vs_header *h)
{
    h->params_hash.b[0] ^= 1;
}
static void h_len(vs_header *h)
{
    h->share[1].sealed_len++;
}
static void h_index(vs_header *h)
{
    h->share[3].j = 9;
}
static void h_salt(vs_header *h)
{
    h->salt.b[0] ^= 1;
}

Test(aggregator_serve, refuses_a_signed_manifest_of_another_round_model_or_shape)
{
    const struct {
        void (*change)(vs_header *);
        uint32_t signer;
        vsw_Code code;
    } row[] = {{h_round, 0, vsw_Code_UNKNOWN_ROUND},
               {h_model, 0, vsw_Code_MODEL_MISMATCH},
               {h_params, 0, vsw_Code_MODEL_MISMATCH},
               {h_len, 0, vsw_Code_MALFORMED},
               {h_index, 0, vsw_Code_MALFORMED},
               {NULL, 1, vsw_Code_UNREGISTERED},
               {h_federation, 0, vsw_Code_WRONG_FEDERATION}};
    vs_world *w = world_with_manifest(12);
    vs_buf body = {0};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        resign(w, &body, row[i].change, row[i].signer);
        vsw_Code code = send_manifest(w, 1, body.p, body.len);
        cr_expect_eq(code, row[i].code, "row %zu: %s", i, vs_code_name(code));
    }
    vs_buf_free(&body);
    vs_world_free(w);
}

Test(aggregator_serve, leaves_out_a_client_that_signs_two_manifests)
{
    vs_world *w = world_with_manifest(13);
    vs_buf body = {0};
    for (uint32_t i = 1; i < 3; i++) vs_world_submit(w, i);
    vs_buf first = {0};
    vs_buf_bytes(&first, w->manifest.p, w->manifest.len);
    resign(w, &body, h_salt, 0);
    cr_expect_eq(send_manifest(w, 1, body.p, body.len), vsw_Code_DUPLICATE);
    cr_expect_eq(send_manifest(w, 1, first.p, first.len), vsw_Code_OK, "the first one stays");
    for (uint32_t i = 1; i < 3; i++) cr_assert(vs_world_run_client(w, i, 10000));
    vs_world_restart(w); /* it is not forgotten */
    cr_assert_eq(vs_world_end(w, VS_OPERATION_CLOSE, 1), vsw_Code_OK);
    bool over = vs_world_run_to(w, vsw_Phase_FINAL, 60000);
    vs_entry *e = calloc(1, sizeof *e);
    if (over) {
        cr_assert(vs_world_entry(w, 1, VS_ENTRY_SET, 0, e));
        cr_expect(e->u.set.count == 2 && e->u.set.rejected_count == 1);
        vs_world_expect_sums(w, 1, 6);
    } else { /* 2 of 3 is below min_cover: no votes */
        cr_assert(vs_world_run_to(w, vsw_Phase_ABORTED, 60000));
        cr_assert(vs_world_entry(w, 1, VS_ENTRY_ABORT, 0, e));
        cr_expect_eq(e->u.abort.reason, VS_ABORT_TOO_FEW_VOTES);
        cr_expect(e->u.abort.closed);
    }
    vs_world_expect_valid_log(w);
    free(e);
    vs_buf_free(&first);
    vs_buf_free(&body);
    vs_world_free(w);
}

/* --- blobs ------------------------------------------------------------------------------------ */

static vs_reply put_piece(vs_world *w, const vs_keys *keys, const vs_h32 *name, uint64_t offset,
                          uint64_t total, const uint8_t *p, size_t len)
{
    vsw_Request head = {.which_op = vsw_Request_control_blob_tag};
    vsw_ControlBlob *m = &head.op.control_blob;
    vs_buf arguments = {0};
    vs_h32 hash;
    *m = (vsw_ControlBlob){.offset = offset, .total = total, .has_control = true};
    memcpy(m->name, name->b, sizeof m->name);
    vs_sha256(&hash, p, len);
    vs_buf_h32(&arguments, name);
    vs_buf_u64(&arguments, offset);
    vs_buf_u64(&arguments, total);
    vs_buf_h32(&arguments, &hash);
    m->control = vs_world_control(w, keys, VS_OPERATION_PUT_BLOB, 0, &arguments);
    vs_buf_free(&arguments);
    return vs_world_call(w, &head, p, len);
}

static void expect_next(const vs_reply *reply, uint64_t next)
{
    cr_assert_eq(reply->head.which_result, vsw_Reply_progress_tag, "%s",
                 reply->head.result.error.text);
    cr_expect_eq(reply->head.result.progress.next, next);
}

Test(aggregator_serve, takes_a_model_file_in_pieces_and_opens_a_round_for_it)
{
    enum { LEN = 5000 };
    uint8_t model[LEN];
    vs_h32 name;
    vs_world *w = world_of(20, false);
    const vs_keys *admin = w->tf->admin;
    size_t len = 0;
    vs_test_bytes(model, LEN, 1);
    vs_sha256(&name, model, LEN);
    vs_reply r = put_piece(w, admin, &name, 2000, LEN, model + 2000, 1000);
    expect_next(&r, 0); /* from the start */
    r = put_piece(w, admin, &name, 0, LEN, model, 2000);
    expect_next(&r, 2000);
    r = put_piece(w, admin, &name, 0, LEN, model, 2000);
    expect_next(&r, 2000); /* again: where it goes on */
    r = put_piece(w, admin, &name, 2000, LEN, model + 2000, 3000);
    expect_next(&r, LEN);
    r = put_piece(w, admin, &name, 0, LEN, model, 2000);
    expect_next(&r, LEN); /* it is here */
    vs_world_restart(w);
    uint8_t *back = vs_world_blob(w, &name, &len);
    cr_assert(back != NULL && len == LEN && memcmp(back, model, LEN) == 0);
    free(back);

    vsw_Request blob = {.which_op = vsw_Request_blob_tag};
    memcpy(blob.op.blob.name, name.b, 32);
    cr_expect_eq(call_code(w, &blob, NULL, 0), vsw_Code_UNAUTHORISED, "models are for members");
    vs_world_free(w);
}

Test(aggregator_serve, drops_an_upload_that_is_not_what_its_name_says)
{
    uint8_t bytes[100] = {1};
    vs_h32 name;
    size_t len = 0;
    vs_world *w = world_of(21, false);
    vs_sha256(&name, bytes, sizeof bytes);
    bytes[50] = 9;
    vs_reply r = put_piece(w, w->tf->admin, &name, 0, sizeof bytes, bytes, sizeof bytes);
    cr_assert_eq(r.head.which_result, vsw_Reply_error_tag);
    cr_expect_eq(r.head.result.error.code, vsw_Code_REFUSED);
    cr_expect_null(vs_world_blob(w, &name, &len));
    bytes[50] = 0;
    r = put_piece(w, w->tf->admin, &name, 0, sizeof bytes, bytes, sizeof bytes);
    expect_next(&r, sizeof bytes); /* the right bytes after that are fine */
    vs_world_free(w);
}

Test(aggregator_serve, bounds_uploads)
{
    uint8_t bytes[64] = {0};
    vs_h32 name = {{7}};
    vs_world *w = world_of(22, false);
    const struct {
        uint64_t offset, total;
        size_t len;
    } row[] = {{0, 0, 10},  {0, VS_AG_MODEL_MAX + 1, 10}, {0, 9, 10},
               {5, 12, 10}, {UINT64_MAX, 100, 10},        {101, 100, 0}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        vs_reply r =
            put_piece(w, w->tf->admin, &name, row[i].offset, row[i].total, bytes, row[i].len);
        cr_expect(r.head.which_result == vsw_Reply_error_tag &&
                      r.head.result.error.code == vsw_Code_REFUSED,
                  "row %zu", i);
    }
    vs_reply r = put_piece(w, w->tf->shareholder[0], &name, 0, 10, bytes, 10);
    cr_expect_eq(r.head.result.error.code, vsw_Code_UNAUTHORISED);
    /* Many models: the oldest go. */
    for (uint8_t i = 0; i < VS_AG_MODELS_KEPT + 2; i++) {
        bytes[0] = i;
        vs_sha256(&name, bytes, sizeof bytes);
        w->now_ms += 1000;
        r = put_piece(w, w->tf->admin, &name, 0, sizeof bytes, bytes, sizeof bytes);
        expect_next(&r, sizeof bytes);
    }
    for (uint8_t i = 0; i < VS_AG_MODELS_KEPT + 2; i++) {
        size_t len = 0;
        bytes[0] = i;
        vs_sha256(&name, bytes, sizeof bytes);
        uint8_t *p = vs_world_blob(w, &name, &len);
        cr_expect_eq(p != NULL, i >= 2, "model %u", i);
        free(p);
    }
    vs_world_free(w);
}

static vsw_Code read_blob(vs_world *w, const vs_h32 *name, const vs_keys *keys,
                          const uint8_t *enrolment, void (*change)(vsw_Blob *))
{
    vsw_Request head = {.which_op = vsw_Request_blob_tag};
    vsw_Blob *m = &head.op.blob;
    vs_buf arguments = {0};
    memcpy(m->name, name->b, sizeof m->name);
    if (keys != NULL) {
        vs_buf_h32(&arguments, name);
        vs_buf_u64(&arguments, 0);
        m->has_control = true;
        m->control = vs_world_control(w, keys, VS_OPERATION_READ_BLOB, 0, &arguments);
        if (enrolment != NULL) memcpy(m->control.enrolment, enrolment, 64);
        vs_buf_free(&arguments);
    }
    if (change != NULL) change(m);
    return call_code(w, &head, NULL, 0);
}

static void b_offset(vsw_Blob *m)
{
    m->offset = 1;
}
static void b_enrolment(vsw_Blob *m)
{
    m->control.enrolment[0] ^= 1;
}

Test(aggregator_serve, serves_results_to_members_or_to_everyone_where_the_federation_says_so)
{
    for (int open = 0; open < 2; open++) {
        vs_world *w = world_of(23 + (uint64_t)open, open == 1);
        vs_test_fed *t = w->tf;
        cr_assert_eq(vs_world_open(w, 1, 3), vsw_Code_OK);
        cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
        for (uint32_t i = 0; i < 3; i++) vs_world_submit(w, i);
        cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 60000));
        vs_entry *e = calloc(1, sizeof *e);
        cr_assert(vs_world_entry(w, 1, VS_ENTRY_RESULT, 0, e));
        const vs_h32 *sums = &e->u.result.sum_blob;
        vsw_Code closed = open ? vsw_Code_OK : vsw_Code_UNAUTHORISED;
        cr_expect_eq(read_blob(w, sums, NULL, NULL, NULL), closed);
        cr_expect_eq(read_blob(w, sums, t->client[0], NULL, NULL), closed, "not enrolled");
        cr_expect_eq(read_blob(w, sums, t->client[0], t->enrolment[1], NULL), closed);
        cr_expect_eq(read_blob(w, sums, t->client[0], t->enrolment[0], b_enrolment), closed);
        cr_expect_eq(read_blob(w, sums, t->admin, NULL, b_offset), closed, "other arguments");
        cr_expect_eq(read_blob(w, sums, t->client[0], t->enrolment[0], NULL), vsw_Code_OK);
        cr_expect_eq(read_blob(w, sums, t->shareholder[2], NULL, NULL), vsw_Code_OK);
        cr_expect_eq(read_blob(w, sums, t->admin, NULL, NULL), vsw_Code_OK);
        cr_expect_eq(read_blob(w, &t->fed->id, NULL, NULL, NULL), vsw_Code_OK,
                     "the federation file is everybody's");
        vs_h32 none = {{1}};
        cr_expect_eq(read_blob(w, &none, t->admin, NULL, NULL), vsw_Code_NOT_FOUND);
        free(e);
        vs_world_free(w);
    }
}
