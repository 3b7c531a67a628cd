/* A shareholder under a script of good, damaged and made-up requests: it answers each of them, the
 * process never stops, and no sum leaves before a set was shown to it. */
#include <stdlib.h>
#include <string.h>

#include "net/shareholder.h"
#include "net/wire.h"
#include "tests/net/support_open.h"
#include "tests/net/support_round.h"
#include "tests/support.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1700000000, J = 4, CLIENTS = 2, DIM = 40, MESSAGES_MAX = 32, STEPS_MAX = 64 };

/* Made once, before the first input. */
static struct {
    vs_test_fed *tf;
    vs_buf message[MESSAGES_MAX];
    uint32_t n;
    uint32_t set_message; /* the one that shows the set */
} good;

static vs_shareholder *shareholder_new(vs_store *store, vs_test_rng *rng)
{
    vs_shareholder *sh = NULL;
    VS_ASSERT(vs_store_mem_open(store) == VS_OK);
    VS_ASSERT(vs_shareholder_new(&sh, good.tf->fed, good.tf->shareholder[J - 1], *store,
                                 vs_test_rng_of(rng), UINT64_C(1000) * NOW, NULL) == VS_OK);
    return sh;
}

static void add(vsw_Request *head, const void *body, size_t len)
{
    VS_ASSERT(good.n < MESSAGES_MAX);
    memcpy(head->federation_id, good.tf->fed->id.b, 32);
    VS_ASSERT(vs_request_encode(&good.message[good.n++], head, body, len) == VS_OK);
}

static void add_round(pb_size_t op, const void *body, size_t len)
{
    vsw_Request head = {.which_op = op}; /* every one of these starts with its round */
    head.op.round_key.round = 1;
    add(&head, body, len);
}

static void add_order(pb_size_t op, vs_order order)
{
    vs_buf body = {0};
    vs_test_order(&body, good.tf, 1, order);
    add_round(op, body.p, body.len);
    vs_buf_free(&body);
}

static void add_submission(const vs_test_sub *s)
{
    vsw_Request chunk = {.which_op = vsw_Request_submit_chunk_tag};
    vsw_Request finish = {.which_op = vsw_Request_submit_finish_tag};
    chunk.op.submit_chunk.round = finish.op.submit_finish.round = 1;
    memcpy(chunk.op.submit_chunk.submission, s->h.submission.b, 32);
    memcpy(finish.op.submit_finish.submission, s->h.submission.b, 32);
    add_round(vsw_Request_submit_begin_tag, s->begin.p, s->begin.len);
    add(&chunk, s->sealed[J - 1].p, s->sealed[J - 1].len);
    add(&finish, s->finish.p, s->finish.len);
}

static void add_entries(const vs_test_log *log, uint32_t from)
{
    vsw_Request head = {.which_op = vsw_Request_log_entries_tag};
    vs_buf body = {0};
    for (uint32_t i = from; i < log->n; i++) {
        vs_buf_u32(&body, (uint32_t)log->entry[i].len);
        vs_buf_bytes(&body, log->entry[i].p, log->entry[i].len);
    }
    head.op.log_entries.first_index = from;
    head.op.log_entries.count = log->n - from;
    add(&head, body.p, body.len);
    vs_buf_free(&body);
}

static void add_note(const vs_test_log *log, pb_size_t op, uint32_t cosigners)
{
    vs_buf note = {0};
    vs_test_log_note(log, &note, cosigners);
    add_round(op, note.p, note.len);
    vs_buf_free(&note);
}

static void log_add(vs_test_log *log, const vs_entry *e)
{
    vs_buf envelope = {0};
    vs_test_sign_entry(&envelope, e, good.tf->aggregator->identity_seed);
    vs_test_log_add(log, &envelope, e->kind);
    vs_buf_free(&envelope);
}

/* The key that a fresh shareholder gives for round 1: its randomness is a fixed seed. */
static void take_round_key(vs_entry_shareholder *s)
{
    vs_store store;
    vs_test_rng rng = {.seed = 3};
    vs_shareholder *sh = shareholder_new(&store, &rng);
    vs_event event = {.kind = VS_EVENT_REQUEST};
    vs_outbox box = {0};
    vs_reply reply;
    event.msg = good.message[0].p;
    event.len = good.message[0].len;
    VS_ASSERT(vs_shareholder_step(sh, UINT64_C(1000) * NOW, &event, &box, NULL) == VS_OK);
    VS_ASSERT(vs_reply_decode(&reply, box.item[0].msg.p, box.item[0].msg.len) == VS_OK);
    VS_ASSERT(reply.head.which_result == vsw_Reply_round_key_tag);
    memcpy(s->key.b, reply.head.result.round_key.key, 32);
    memcpy(s->sig, reply.head.result.round_key.signature, 64);
    vs_outbox_free(&box);
    vs_shareholder_free(sh);
    vs_store_mem_close(&store);
}

static void add_set(vs_test_log *log, const vs_round *round, vs_test_sub *const *subs)
{
    vsw_Request head = {.which_op = vsw_Request_vote_tag};
    vs_buf records = {0}, body = {0};
    vs_test_records(&records, subs, CLIENTS);
    vs_proposal p = vs_test_proposal(round, &records);
    VS_ASSERT(vs_proposal_encode(&body, &p) == VS_OK);
    vs_buf_bytes(&body, records.p, records.len);
    vs_test_order(&body, good.tf, 1, VS_ORDER_VOTE);
    head.op.vote.round = 1;
    head.op.vote.record_count = CLIENTS;
    add(&head, body.p, body.len);
    vs_entry e = vs_test_entry_set(log, round, &records, 4);
    log_add(log, &e);
    vs_buf_free(&records);
    vs_buf_free(&body);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const vs_test_fed_config config = {.n_clients = CLIENTS, .seed = 11};
    vs_test_sub *subs[CLIENTS];
    vs_buf open_bytes = {0}, sum = {0};
    (void)argc;
    (void)argv;
    good.tf = vs_test_federation_new(&config);
    vs_test_log *log = vs_test_log_new(good.tf);
    vs_entry e = vs_test_entry_federation(log);
    log_add(log, &e);
    add_round(vsw_Request_round_key_tag, NULL, 0);
    vs_test_open *open = vs_test_open_new(good.tf, 1, DIM, NOW, 21);
    take_round_key(&open->entry.u.open.shareholders[J - 1]);
    open->entry.prev = log->prev;
    const vs_round round = vs_test_open_round(open, good.tf);
    vs_test_open_envelope(&open_bytes, open, good.tf);
    vs_test_log_add(log, &open_bytes, VS_ENTRY_OPEN);
    add_round(vsw_Request_open_tag, open_bytes.p, open_bytes.len);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        subs[i] = vs_test_sub_new(good.tf, &round, i, 500 + i, NULL);
        add_submission(subs[i]);
    }
    add_order(vsw_Request_list_tag, VS_ORDER_LIST);
    add_entries(log, 0);
    add_note(log, vsw_Request_cosign_tag, 0);
    add_note(log, vsw_Request_answer_tag, 4);
    add_set(log, &round, subs);
    good.set_message = good.n;
    add_entries(log, 2);
    add_note(log, vsw_Request_cosign_tag, 0);
    add_note(log, vsw_Request_answer_tag, 4);
    add_round(vsw_Request_answer_chunk_tag, NULL, 0);
    vsw_Request share = {.which_op = vsw_Request_sum_share_tag};
    vs_test_sum_share(&sum, subs, CLIENTS, 2);
    share.op.sum_share.round = 1;
    share.op.sum_share.index = 2;
    share.op.sum_share.total = sum.len;
    add(&share, sum.p, sum.len);
    add_order(vsw_Request_close_tag, VS_ORDER_CLOSE);
    add_round(vsw_Request_status_tag, NULL, 0);
    for (uint32_t i = 0; i < CLIENTS; i++) vs_test_sub_free(subs[i]);
    vs_buf_free(&sum);
    vs_buf_free(&open_bytes);
    vs_test_open_free(open);
    vs_test_log_free(log);
    return 0;
}

/* Send one message: exactly one reply, and no sum without a set. */
static void send(vs_shareholder *sh, uint64_t now_ms, const vs_buf *msg, bool set_shown)
{
    vs_event event = {.kind = VS_EVENT_REQUEST, .msg = msg->p, .len = msg->len};
    vs_outbox box = {0};
    vs_reply reply;
    vs_diag diag = {{0}};
    VS_ASSERT(vs_shareholder_step(sh, now_ms, &event, &box, &diag) == VS_OK);
    VS_ASSERT(box.n == 1);
    VS_ASSERT(vs_reply_decode(&reply, box.item[0].msg.p, box.item[0].msg.len) == VS_OK);
    VS_ASSERT(set_shown || reply.head.which_result != vsw_Reply_answer_tag);
    VS_ASSERT(set_shown || reply.head.which_result != vsw_Reply_progress_tag ||
              reply.body_len == 0);
    vs_outbox_free(&box);
}

/* A message of ours with some bytes changed. */
static void damage(vs_buf *msg, vs_reader *in)
{
    uint32_t n = vs_read_u8(in) % 8;
    for (uint32_t i = 0; i < n && msg->len > 0; i++) {
        size_t at = (size_t)vs_read_u8(in) << 8 | vs_read_u8(in);
        msg->p[at % msg->len] ^= vs_read_u8(in);
    }
    msg->len -= n == 7 ? msg->len / 3 : 0;
}

/* Our federation id, then whatever the input says. */
static void make_up(vs_buf *msg, vs_reader *in)
{
    uint32_t head = vs_read_u8(in), body = (uint32_t)vs_read_u8(in) << 4;
    if (head > in->left) head = (uint32_t)in->left;
    vs_buf_u32(msg, 34 + head);
    vs_buf_u8(msg, 0x0a);
    vs_buf_u8(msg, 32);
    vs_buf_h32(msg, &good.tf->fed->id);
    vs_buf_bytes(msg, vs_read_bytes(in, head), head);
    if (body > in->left) body = (uint32_t)in->left;
    vs_buf_bytes(msg, vs_read_bytes(in, body), body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_store store;
    vs_test_rng rng = {.seed = 3};
    uint64_t now_ms = UINT64_C(1000) * NOW;
    bool set_shown = false;
    vs_shareholder *sh = shareholder_new(&store, &rng);
    vs_reader in = vs_reader_of(data, size);
    for (uint32_t step = 0; step < STEPS_MAX && in.left > 0; step++) {
        uint8_t op = vs_read_u8(&in);
        vs_buf msg = {0};
        if (op < 0xc0) {
            uint32_t i = (op & 0x3f) % good.n;
            vs_buf_bytes(&msg, good.message[i].p, good.message[i].len);
            if (op >= 0x40) damage(&msg, &in);
            set_shown |= i == good.set_message;
        } else if (op < 0xf8) {
            make_up(&msg, &in);
        } else {
            now_ms += 10000;
        }
        if (msg.len > 0) send(sh, now_ms, &msg, set_shown);
        vs_buf_free(&msg);
    }
    vs_shareholder_free(sh);
    vs_store_mem_close(&store);
    return 0;
}
