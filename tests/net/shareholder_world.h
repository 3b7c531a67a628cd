/* tests/net/shareholder_world.h - one real shareholder, its store and clock; aggregator, clients
 * and the other shareholders are scripted by the test. */
#ifndef VS_TESTS_NET_SHAREHOLDER_WORLD_H
#define VS_TESTS_NET_SHAREHOLDER_WORLD_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/seal.h"
#include "net/shareholder.h"
#include "net/wire.h"
#include "tests/net/support_open.h"
#include "tests/net/support_round.h"
#include "tests/support.h"

/* n 5, t 1, k 2, margin 1: q = 4; shareholder 1 holds seeds, 2..5 vectors. */
enum { DIM = 40, LONG_DIM = 60000, NOW = 1700000000, SUBS = 40 };

typedef struct world {
    vs_test_fed *tf;
    vs_store store;
    vs_test_rng rng;
    uint32_t j;
    uint64_t now_ms;
    vs_shareholder *sh;
    vs_test_open *open;
    vs_buf open_bytes;
    vs_round round;
    vs_test_sub *sub[SUBS];
    vs_test_log *log;
    vs_outbox box;
    vs_reply reply; /* of the last call; borrows from box */
} world;

static inline void start(world *w)
{
    vs_diag diag = {{0}};
    cr_assert_eq(vs_shareholder_new(&w->sh, w->tf->fed, w->tf->shareholder[w->j - 1], w->store,
                                    vs_test_rng_of(&w->rng), w->now_ms, &diag),
                 VS_OK, "%s", diag.text);
}

static inline void restart(world *w)
{
    vs_shareholder_free(w->sh);
    w->sh = NULL;
    start(w);
}

static inline world *world_new_adjusted(uint32_t j, uint32_t n_clients, uint32_t max_clients,
                                        void (*adjust)(vs_federation *draft))
{
    const vs_test_fed_config config = {
        .n_clients = n_clients, .max_clients = max_clients, .seed = 11, .adjust = adjust};
    world *w = calloc(1, sizeof *w);
    w->tf = vs_test_federation_new(&config);
    w->rng.seed = 3;
    w->j = j;
    w->now_ms = UINT64_C(1000) * NOW;
    w->log = vs_test_log_new(w->tf);
    cr_assert_eq(vs_store_mem_open(&w->store), VS_OK);
    start(w);
    return w;
}

static inline world *world_new(uint32_t j, uint32_t n_clients, uint32_t max_clients)
{
    return world_new_adjusted(j, n_clients, max_clients, NULL);
}

static inline void world_free(world *w)
{
    vs_shareholder_free(w->sh);
    for (uint32_t i = 0; i < SUBS; i++) vs_test_sub_free(w->sub[i]);
    vs_test_open_free(w->open);
    vs_buf_free(&w->open_bytes);
    vs_test_log_free(w->log);
    vs_outbox_free(&w->box);
    vs_store_mem_close(&w->store);
    vs_test_federation_free(w->tf);
    free(w);
}

/* One request. Anything but VS_OK is the machine's: then there is no reply. */
static inline vs_err try_call(world *w, vsw_Request *head, const void *body, size_t len)
{
    vs_buf msg = {0};
    vs_event event = {.kind = VS_EVENT_REQUEST, .conn = 77};
    vs_diag diag = {{0}};
    memcpy(head->federation_id, w->tf->fed->id.b, 32);
    cr_assert_eq(vs_request_encode(&msg, head, body, len), VS_OK);
    event.msg = msg.p;
    event.len = msg.len;
    vs_outbox_clear(&w->box);
    vs_err err = vs_shareholder_step(w->sh, w->now_ms, &event, &w->box, &diag);
    vs_buf_free(&msg);
    if (err != VS_OK) return err;
    cr_assert_eq(w->box.n, 1, "exactly one reply");
    cr_assert_eq(w->box.item[0].kind, VS_OUT_REPLY);
    cr_assert_eq(w->box.item[0].conn, 77);
    cr_assert_eq(vs_reply_decode(&w->reply, w->box.item[0].msg.p, w->box.item[0].msg.len), VS_OK);
    return VS_OK;
}

static inline vsw_Code code(const world *w)
{
    return w->reply.head.which_result == vsw_Reply_error_tag ? w->reply.head.result.error.code
                                                             : vsw_Code_OK;
}

static inline const char *text(const world *w)
{
    return code(w) == vsw_Code_OK ? "ok" : w->reply.head.result.error.text;
}

static inline vsw_Code call(world *w, vsw_Request *head, const void *body, size_t len)
{
    cr_assert_eq(try_call(w, head, body, len), VS_OK);
    return code(w);
}

#define expect_code(w, got, expected)                                                              \
    do {                                                                                           \
        vsw_Code got_ = (got);                                                                     \
        cr_expect_eq(got_, expected, "%s expected, got %s: %s", vs_code_name(expected),            \
                     vs_code_name(got_), text(w));                                                 \
    } while (0)
#define must_be(w, got)                                                                            \
    do {                                                                                           \
        vsw_Code got_ = (got);                                                                     \
        cr_assert_eq(got_, vsw_Code_OK, "%s: %s", vs_code_name(got_), text(w));                    \
    } while (0)

/* --- rounds --------------------------------------------------------------------------------------
 */

static inline vsw_Code ask_key(world *w, uint64_t round)
{
    vsw_Request head = {.which_op = vsw_Request_round_key_tag, .op.round_key.round = round};
    return call(w, &head, NULL, 0);
}

/* An open of this round that names the key of the last round_key reply for us. */
static inline void make_open(world *w, uint64_t round, uint32_t dim)
{
    vs_test_open_free(w->open);
    w->open = vs_test_open_new(w->tf, round, dim, w->now_ms / 1000, 21);
    vs_entry_shareholder *ours = &w->open->entry.u.open.shareholders[w->j - 1];
    memcpy(ours->key.b, w->reply.head.result.round_key.key, 32);
    memcpy(ours->sig, w->reply.head.result.round_key.signature, 64);
    w->open->entry.prev = w->log->prev;
    w->round = vs_test_open_round(w->open, w->tf);
    vs_buf_reset(&w->open_bytes);
    vs_test_open_envelope(&w->open_bytes, w->open, w->tf);
}

static inline vsw_Code send_open(world *w)
{
    vsw_Request head = {.which_op = vsw_Request_open_tag, .op.open.round = w->round.id.round};
    return call(w, &head, w->open_bytes.p, w->open_bytes.len);
}

static inline void log_entry(world *w, const vs_entry *e, const uint8_t *seed)
{
    vs_buf envelope = {0};
    vs_test_sign_entry(&envelope, e, seed);
    vs_test_log_add(w->log, &envelope, e->kind);
    vs_buf_free(&envelope);
}

/* Round `round` is open at the shareholder and in the (not yet followed) log. */
static inline void open_round(world *w, uint64_t round, uint32_t dim)
{
    if (w->log->n == 0) {
        vs_entry e = vs_test_entry_federation(w->log);
        log_entry(w, &e, w->tf->aggregator->identity_seed);
    }
    must_be(w, ask_key(w, round));
    make_open(w, round, dim);
    must_be(w, send_open(w));
    vs_test_log_add(w->log, &w->open_bytes, VS_ENTRY_OPEN);
}

/* --- submissions ---------------------------------------------------------------------------------
 */

static inline vs_test_sub *sub_of(world *w, uint32_t i, const vs_test_cheat *cheat)
{
    if (w->sub[i] == NULL) w->sub[i] = vs_test_sub_new(w->tf, &w->round, i, 500 + i, cheat);
    return w->sub[i];
}

static inline vs_err try_begin(world *w, const vs_test_sub *s)
{
    vsw_Request head = {.which_op = vsw_Request_submit_begin_tag,
                        .op.submit_begin.round = s->h.id.round};
    return try_call(w, &head, s->begin.p, s->begin.len);
}

static inline vsw_Code begin(world *w, const vs_test_sub *s)
{
    cr_assert_eq(try_begin(w, s), VS_OK);
    return code(w);
}

static inline size_t chunk_offset(const world *w, uint32_t chunk)
{
    size_t at = 0;
    for (uint32_t c = 0; c < chunk; c++) {
        at += vs_sealed_share_plain(w->round.layout.columns, w->j == 1, c) + VS_SEAL_TAG_BYTES;
    }
    return at;
}

static inline uint32_t chunk_count(const world *w)
{
    return vs_sealed_share_chunks(w->round.layout.columns, w->j == 1);
}

/* Chunks first .. first + n. */
static inline vs_err try_chunks(world *w, const vs_test_sub *s, uint32_t first, uint32_t n)
{
    vsw_Request head = {.which_op = vsw_Request_submit_chunk_tag};
    size_t from = chunk_offset(w, first), to = chunk_offset(w, first + n);
    head.op.submit_chunk.round = s->h.id.round;
    head.op.submit_chunk.first_chunk = first;
    memcpy(head.op.submit_chunk.submission, s->h.submission.b, 32);
    return try_call(w, &head, s->sealed[w->j - 1].p + from, to - from);
}

static inline vsw_Code chunks(world *w, const vs_test_sub *s, uint32_t first, uint32_t n)
{
    cr_assert_eq(try_chunks(w, s, first, n), VS_OK);
    return code(w);
}

static inline vs_err try_finish(world *w, const vs_test_sub *s)
{
    vsw_Request head = {.which_op = vsw_Request_submit_finish_tag,
                        .op.submit_finish.round = s->h.id.round};
    memcpy(head.op.submit_finish.submission, s->h.submission.b, 32);
    return try_call(w, &head, s->finish.p, s->finish.len);
}

static inline vsw_Code finish(world *w, const vs_test_sub *s)
{
    cr_assert_eq(try_finish(w, s), VS_OK);
    return code(w);
}

static inline uint64_t next(const world *w)
{
    cr_assert_eq(w->reply.head.which_result, vsw_Reply_progress_tag, "%s", text(w));
    return w->reply.head.result.progress.next;
}

/* The receipt in the last reply names this submission and is signed by the shareholder. */
static inline void expect_receipt(const world *w, const vs_test_sub *s)
{
    vs_buf bytes = {0};
    cr_assert_eq(w->reply.head.which_result, vsw_Reply_receipt_tag, "%s", text(w));
    const vsw_Receipt *r = &w->reply.head.result.receipt;
    cr_expect(memcmp(r->manifest_hash, s->manifest.b, 32) == 0);
    cr_assert_eq(vs_receipt_bytes(&bytes, &w->round.id, w->j, &s->manifest), VS_OK);
    cr_expect_eq(
        vs_verify(r->signature, bytes.p, bytes.len, &w->tf->shareholder[w->j - 1]->pub.identity),
        VS_OK);
    vs_buf_free(&bytes);
}

static inline vsw_Code submit(world *w, const vs_test_sub *s)
{
    if (begin(w, s) != vsw_Code_OK) return code(w);
    uint32_t from = (uint32_t)next(w);
    if (from < chunk_count(w) && chunks(w, s, from, chunk_count(w) - from) != vsw_Code_OK) {
        return code(w);
    }
    return finish(w, s);
}

/* Honest submissions of clients 0..n-1, all accepted. */
static inline void submit_all(world *w, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        must_be(w, submit(w, sub_of(w, i, NULL)));
        expect_receipt(w, w->sub[i]);
    }
}

/* --- set -----------------------------------------------------------------------------------------
 */

static inline vs_err try_list(world *w)
{
    vsw_Request head = {.which_op = vsw_Request_list_tag, .op.list.round = w->round.id.round};
    vs_buf body = {0};
    vs_test_order(&body, w->tf, w->round.id.round, VS_ORDER_LIST);
    vs_err err = try_call(w, &head, body.p, body.len);
    vs_buf_free(&body);
    return err;
}

static inline vsw_Code list(world *w)
{
    cr_assert_eq(try_list(w), VS_OK);
    return code(w);
}

/* The list in the last reply is exactly these submissions, signed. */
static inline void expect_list(const world *w, vs_test_sub *const *subs, uint32_t n)
{
    vs_buf records = {0}, bytes = {0};
    vs_h32 root;
    cr_assert_eq(w->reply.head.which_result, vsw_Reply_list_tag, "%s", text(w));
    vs_test_records(&records, subs, n);
    cr_expect_eq(w->reply.head.result.list.count, n);
    cr_assert_eq(w->reply.body_len, records.len);
    cr_expect(n == 0 || memcmp(w->reply.body, records.p, records.len) == 0);
    cr_assert_eq(vs_records_root(&root, w->reply.body, n), VS_OK);
    cr_assert_eq(vs_list_bytes(&bytes, &w->round.id, w->j, n, &root), VS_OK);
    cr_expect_eq(vs_verify(w->reply.head.result.list.signature, bytes.p, bytes.len,
                           &w->tf->shareholder[w->j - 1]->pub.identity),
                 VS_OK);
    vs_buf_free(&records);
    vs_buf_free(&bytes);
}

static inline vs_err try_vote_on(world *w, const vs_proposal *p, const vs_buf *records,
                                 const vs_buf *rejected)
{
    vsw_Request head = {.which_op = vsw_Request_vote_tag, .op.vote.round = w->round.id.round};
    vs_buf body = {0};
    head.op.vote.record_count = (uint32_t)(records->len / VS_RECORD_BYTES);
    head.op.vote.rejected_count = (uint32_t)(rejected->len / VS_RECORD_BYTES);
    cr_assert_eq(vs_proposal_encode(&body, p), VS_OK);
    vs_buf_bytes(&body, records->p, records->len);
    vs_buf_bytes(&body, rejected->p, rejected->len);
    vs_test_order(&body, w->tf, w->round.id.round, VS_ORDER_VOTE);
    vs_err err = try_call(w, &head, body.p, body.len);
    vs_buf_free(&body);
    return err;
}

static inline vs_err try_vote(world *w, vs_test_sub *const *subs, uint32_t n)
{
    const vs_buf none = {0};
    vs_buf records = {0};
    vs_test_records(&records, subs, n);
    vs_proposal p = vs_test_proposal(&w->round, &records);
    vs_err err = try_vote_on(w, &p, &records, &none);
    vs_buf_free(&records);
    return err;
}

static inline vsw_Code vote(world *w, vs_test_sub *const *subs, uint32_t n)
{
    cr_assert_eq(try_vote(w, subs, n), VS_OK);
    return code(w);
}

static inline vsw_Code close_round(world *w)
{
    vsw_Request head = {.which_op = vsw_Request_close_tag, .op.close.round = w->round.id.round};
    vs_buf body = {0};
    vs_test_order(&body, w->tf, w->round.id.round, VS_ORDER_CLOSE);
    vsw_Code got = call(w, &head, body.p, body.len);
    vs_buf_free(&body);
    return got;
}

static inline void log_set(world *w, vs_test_sub *const *subs, uint32_t n)
{
    vs_buf records = {0};
    vs_test_records(&records, subs, n);
    vs_entry e = vs_test_entry_set(w->log, &w->round, &records, 4);
    log_entry(w, &e, w->tf->aggregator->identity_seed);
    vs_buf_free(&records);
}

/* --- log -----------------------------------------------------------------------------------------
 */

static inline vs_err try_push(world *w, uint32_t from)
{
    vsw_Request head = {.which_op = vsw_Request_log_entries_tag};
    vs_buf body = {0};
    for (uint32_t i = from; i < w->log->n; i++) {
        vs_buf_u32(&body, (uint32_t)w->log->entry[i].len);
        vs_buf_bytes(&body, w->log->entry[i].p, w->log->entry[i].len);
    }
    head.op.log_entries.first_index = from;
    head.op.log_entries.count = w->log->n - from;
    vs_err err = try_call(w, &head, body.p, body.len);
    vs_buf_free(&body);
    return err;
}

static inline vsw_Code push(world *w, uint32_t from)
{
    cr_assert_eq(try_push(w, from), VS_OK);
    return code(w);
}

static inline vs_err try_cosign(world *w)
{
    vsw_Request head = {.which_op = vsw_Request_cosign_tag};
    vs_buf note = {0};
    vs_test_log_note(w->log, &note, 0);
    vs_err err = try_call(w, &head, note.p, note.len);
    vs_buf_free(&note);
    return err;
}

static inline vsw_Code cosign(world *w)
{
    cr_assert_eq(try_cosign(w), VS_OK);
    return code(w);
}

static inline vs_err try_answer(world *w, uint32_t cosigners)
{
    vsw_Request head = {.which_op = vsw_Request_answer_tag, .op.answer.round = w->round.id.round};
    vs_buf note = {0};
    vs_test_log_note(w->log, &note, cosigners);
    vs_err err = try_call(w, &head, note.p, note.len);
    vs_buf_free(&note);
    return err;
}

static inline vsw_Code answer(world *w, uint32_t cosigners)
{
    cr_assert_eq(try_answer(w, cosigners), VS_OK);
    return code(w);
}

/* Fetch and open the sealed answer of the last `answer` reply: it must be exactly the sum over
 * these submissions, M columns long. */
static inline void expect_sum(world *w, vs_test_sub *const *subs, uint32_t n)
{
    vs_h32 key, ctx;
    vs_buf sealed = {0}, expected = {0};
    vs_seal *seal = NULL;
    cr_assert_eq(w->reply.head.which_result, vsw_Reply_answer_tag, "%s", text(w));
    uint32_t n_chunks = w->reply.head.result.answer.chunks;
    memcpy(key.b, w->reply.head.result.answer.ephemeral_key, 32);
    vs_answer_context(&ctx, &w->round.id, &w->log->leaf[w->log->n - 1]);
    cr_assert_eq(vs_seal_new_receiver(&seal, w->open->aggregator_secret, &key, &ctx, w->j), VS_OK);
    vsw_Request head = {.which_op = vsw_Request_answer_chunk_tag};
    head.op.answer_chunk.round = w->round.id.round;
    must_be(w, call(w, &head, NULL, 0));
    vs_buf_bytes(&sealed, w->reply.body, w->reply.body_len);
    vs_test_sum_share(&expected, subs, n, w->j);
    cr_assert_eq(sealed.len, expected.len + n_chunks * VS_SEAL_TAG_BYTES, "M columns, no masks");
    for (size_t at = 0, from = 0, c = 0; c < n_chunks; c++) {
        uint8_t plain[VS_SEAL_CHUNK_MAX];
        size_t len = expected.len - at < VS_SEAL_CHUNK_MAX ? expected.len - at : VS_SEAL_CHUNK_MAX;
        cr_assert_eq(vs_unseal_chunk(seal, plain, sealed.p + from, len + VS_SEAL_TAG_BYTES,
                                     (uint32_t)c, c + 1 == n_chunks),
                     VS_OK);
        cr_assert(memcmp(plain, expected.p + at, len) == 0, "chunk %zu is not the sum's", c);
        at += len;
        from += len + VS_SEAL_TAG_BYTES;
    }
    vs_seal_free(seal);
    vs_buf_free(&sealed);
    vs_buf_free(&expected);
}

static inline bool has_secret(world *w, uint64_t round)
{
    char name[64];
    vs_buf secret = {0};
    bool found = false;
    (void)snprintf(name, sizeof name, "round-%016llx", (unsigned long long)round);
    cr_assert_eq(w->store.ops->secret_get(w->store.ctx, name, &secret, &found, NULL), VS_OK);
    vs_buf_free_secret(&secret);
    return found;
}

static inline vs_err count_key(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    (void)key;
    (void)value;
    (void)len;
    ++*(uint32_t *)ctx;
    return VS_OK;
}

/* Keys of the store that start with prefix. */
static inline uint32_t count_keys(world *w, const char *prefix)
{
    uint32_t n = 0;
    cr_assert_eq(w->store.ops->scan(w->store.ctx, prefix, count_key, &n, NULL), VS_OK);
    return n;
}

#endif /* VS_TESTS_NET_SHAREHOLDER_WORLD_H */
