#include <criterion/criterion.h>

#include <string.h>

#include "net/shareholder.h"
#include "tests/net/support_fakes.h"

/* The real client against five real shareholders; only the aggregator is scripted. */
typedef struct world {
    vs_fakes *w;
    vs_store store[5];
    vs_test_rng rng[5];
    vs_shareholder *sh[5];
    uint32_t messages;
    uint32_t restart_every; /* kill the shareholder before every n-th message to it */
    uint32_t damage_every;  /* flip a bit in the body of every n-th message */
    uint32_t lose_every;    /* every n-th reply is lost */
} world;

static void start(world *x, uint32_t j)
{
    vs_diag diag = {{0}};
    vs_shareholder_free(x->sh[j - 1]);
    cr_assert_eq(vs_shareholder_new(&x->sh[j - 1], x->w->tf->fed, x->w->tf->shareholder[j - 1],
                                    x->store[j - 1], vs_test_rng_of(&x->rng[j - 1]), x->w->now_ms,
                                    &diag),
                 VS_OK, "%s", diag.text);
}

static void ask(world *x, uint32_t j, const uint8_t *msg, size_t len, vs_buf *reply)
{
    const vs_event event = {.kind = VS_EVENT_REQUEST, .conn = 1, .msg = msg, .len = len};
    vs_outbox out = {0};
    vs_diag diag = {{0}};
    cr_assert_eq(vs_shareholder_step(x->sh[j - 1], x->w->now_ms, &event, &out, &diag), VS_OK, "%s",
                 diag.text);
    cr_assert_eq(out.n, 1);
    vs_buf_bytes(reply, out.item[0].msg.p, out.item[0].msg.len);
    vs_outbox_free(&out);
}

static bool answer(void *ctx, uint32_t j, const uint8_t *msg, size_t len, vs_buf *reply)
{
    world *x = ctx;
    vs_buf copy = {0};
    vs_request req;
    x->messages++;
    vs_buf_bytes(&copy, msg, len);
    cr_assert_eq(vs_request_decode(&req, msg, len), VS_OK);
    if (x->damage_every != 0 && x->messages % x->damage_every == 0 &&
        req.head.which_op == vsw_Request_submit_chunk_tag) {
        copy.p[len - 20] ^= 4;
    }
    if (x->restart_every != 0 && x->messages % x->restart_every == 0) start(x, j);
    ask(x, j, copy.p, len, reply);
    vs_buf_free(&copy);
    return x->lose_every == 0 || x->messages % x->lose_every != 0;
}

static void call(world *x, uint32_t j, vsw_Request *head, const vs_buf *body, vs_buf *reply)
{
    vs_buf msg = {0};
    memcpy(head->federation_id, x->w->tf->fed->id.b, 32);
    cr_assert_eq(vs_request_encode(&msg, head, body ? body->p : NULL, body ? body->len : 0), VS_OK);
    ask(x, j, msg.p, msg.len, reply);
    vs_buf_free(&msg);
}

/* Round keys from the shareholders into `open`, and `open` to them. */
static void open_round(world *x)
{
    for (uint32_t j = 1; j <= 5; j++) {
        vsw_Request head = vsw_Request_init_zero;
        vs_buf msg = {0};
        vs_reply reply;
        head.which_op = vsw_Request_round_key_tag;
        head.op.round_key.round = 3;
        call(x, j, &head, NULL, &msg);
        cr_assert_eq(vs_reply_decode(&reply, msg.p, msg.len), VS_OK);
        cr_assert_eq(reply.head.which_result, vsw_Reply_round_key_tag);
        memcpy(x->w->open->entry.u.open.shareholders[j - 1].key.b, reply.head.result.round_key.key,
               32);
        vs_buf_free(&msg);
    }
    vs_fakes_reopen(x->w);
    for (uint32_t j = 1; j <= 5; j++) {
        vsw_Request head = vsw_Request_init_zero;
        vs_buf msg = {0};
        vs_reply reply;
        head.which_op = vsw_Request_open_tag;
        head.op.open.round = 3;
        call(x, j, &head, &x->w->envelope, &msg);
        cr_assert_eq(vs_reply_decode(&reply, msg.p, msg.len), VS_OK);
        cr_assert_eq(reply.head.which_result, vsw_Reply_ok_tag, "%s", reply.head.result.error.text);
        vs_buf_free(&msg);
    }
}

static void world_new(world *x, uint32_t dim)
{
    *x = (world){.w = vs_fakes_new(dim, 1)};
    for (uint32_t j = 1; j <= 5; j++) {
        x->rng[j - 1].seed = j;
        cr_assert_eq(vs_store_mem_open(&x->store[j - 1]), VS_OK);
        start(x, j);
    }
    open_round(x);
    x->w->stand_in = answer;
    x->w->stand_in_ctx = x;
}

static void world_free(world *x)
{
    for (uint32_t j = 1; j <= 5; j++) {
        vs_shareholder_free(x->sh[j - 1]);
        vs_store_mem_close(&x->store[j - 1]);
    }
    vs_fakes_free(x->w);
}

static void expect_done(world *x, vs_client *client)
{
    vs_diag diag = {{0}};
    cr_assert_eq(vs_fakes_run(x->w, client, 0, &diag), VS_OK, "%s", diag.text);
    const vs_client_status *s = vs_client_state(client);
    cr_expect_eq(s->phase, VS_CLIENT_DONE, "%s", s->error.text);
    cr_expect_eq(s->receipts, 5, "%s", s->error.text);
    vs_client_free(client);
}

Test(client_shareholder, real_shareholders_accept_it)
{
    const uint32_t dims[] = {1, 50, 60000, 400000}; /* 1 to 9 blocks */
    for (size_t i = 0; i < 4; i++) {
        world x;
        world_new(&x, dims[i]);
        expect_done(&x, vs_fakes_client(x.w));
        world_free(&x);
    }
}

Test(client_shareholder, it_survives_damage_on_the_way_losses_and_restarts_of_shareholders)
{
    for (uint32_t kind = 0; kind < 4; kind++) {
        world x;
        world_new(&x, 300000);
        if (kind == 0 || kind == 3) x.damage_every = 5;
        if (kind == 1 || kind == 3) x.restart_every = 4;
        if (kind == 2 || kind == 3) x.lose_every = 7;
        expect_done(&x, vs_fakes_client(x.w));
        world_free(&x);
    }
}

Test(client_shareholder, killed_after_any_step_it_is_accepted_on_its_second_run)
{
    for (uint32_t k = 1; k < 60; k += 2) {
        world x;
        vs_diag diag;
        world_new(&x, 2000);
        vs_client *client = vs_fakes_client(x.w);
        cr_assert_eq(vs_fakes_run(x.w, client, k, &diag), VS_OK);
        bool over = vs_client_state(client)->phase == VS_CLIENT_DONE;
        vs_client_free(client);
        expect_done(&x, vs_fakes_client(x.w));
        world_free(&x);
        if (over) break;
    }
}

Test(client_shareholder, a_client_whose_record_was_lost_is_recognised_as_a_duplicate)
{
    world x;
    vs_diag diag;
    world_new(&x, 50);
    expect_done(&x, vs_fakes_client(x.w));
    vs_store_mem_close(&x.w->store); /* a disk replaced by an empty one */
    cr_assert_eq(vs_store_mem_open(&x.w->store), VS_OK);
    x.w->rng.seed = 77;
    vs_client *client = vs_fakes_client(x.w);
    cr_assert_eq(vs_fakes_run(x.w, client, 0, &diag), VS_OK);
    const vs_client_status *s = vs_client_state(client);
    cr_expect_eq(s->phase, VS_CLIENT_FAILED);
    cr_expect_not_null(strstr(s->error.text, "duplicate"), "%s", s->error.text);
    vs_client_free(client);
    world_free(&x);
}
