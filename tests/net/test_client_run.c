#include <criterion/criterion.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "net/client_run.h"
#include "net/edge.h"
#include "tests/net/support_fakes.h"

/* The fakes behind real sockets: one edge per party, served by one thread. */
typedef struct server {
    vs_fakes *w;
    vs_edge *edge[6]; /* NULL: not there */
    pthread_t thread;
    atomic_bool stop;
} server;

static void serve_one(server *s, uint32_t peer)
{
    vs_event event;
    vs_outbox out = {0};
    vs_buf reply = {0};
    vs_diag diag;
    if (s->edge[peer] == NULL || vs_edge_wait(s->edge[peer], &event, 1) != VS_OK) return;
    if (event.kind == VS_EVENT_REQUEST &&
        vs_fakes_answer(s->w, peer, event.msg, event.len, &reply)) {
        vs_out *item = vs_outbox_reply(&out, event.conn);
        cr_assert_not_null(item);
        vs_buf_bytes(&item->msg, reply.p, reply.len);
        cr_assert_eq(vs_edge_flush(s->edge[peer], &out, &diag), VS_OK);
    }
    vs_buf_free(&reply);
    vs_outbox_free(&out);
}

static void *serve(void *arg)
{
    server *s = arg;
    while (!atomic_load(&s->stop)) {
        for (uint32_t peer = 0; peer < 6; peer++) serve_one(s, peer);
    }
    return NULL;
}

static vs_fakes *fakes_of_now(void)
{
    vs_fakes *w = vs_fakes_new(5000, 1);
    uint64_t now_s = (uint64_t)time(NULL);
    w->open->entry.u.open.opened_at = now_s;
    w->open->entry.u.open.deadline = now_s + 60;
    w->open->entry.u.open.hard_expiry = now_s + 90;
    vs_fakes_reopen(w);
    return w;
}

/* absent: bit j, that party does not listen. */
static void server_start(server *s, vs_fakes *w, uint32_t absent)
{
    vs_diag diag = {{0}};
    s->w = w;
    for (uint32_t peer = 0; peer < 6; peer++) {
        const char *address = peer == 0 ? w->tf->fed->aggregator.address
                                        : w->tf->fed->shareholder[peer - 1].party.address;
        s->edge[peer] = NULL;
        if ((absent >> peer & 1) != 0) continue;
        cr_assert_eq(vs_edge_new(&s->edge[peer], address, 4, &diag), VS_OK, "%s", diag.text);
    }
    atomic_init(&s->stop, false);
    cr_assert_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(server *s)
{
    atomic_store(&s->stop, true);
    (void)pthread_join(s->thread, NULL);
    for (uint32_t peer = 0; peer < 6; peer++) vs_edge_free(s->edge[peer]);
}

static void count_calls(void *ctx, const vs_client_status *status)
{
    uint32_t *calls = ctx;
    cr_assert_leq(status->bytes_sent, status->bytes_total);
    (*calls)++;
}

static vs_err run(vs_fakes *w, uint64_t patience_ms, vs_client_status *status, vs_diag *diag)
{
    uint32_t calls = 0;
    const vs_client_run_options options = {
        .patience_ms = patience_ms, .progress = count_calls, .progress_ctx = &calls};
    vs_err err =
        vs_client_run(status, w->tf->fed, w->tf->client[0], w->store, &w->input, &options, diag);
    cr_expect_gt(calls, 0);
    return err;
}

Test(client_run, submits_over_sockets)
{
    vs_fakes *w = fakes_of_now();
    vs_client_status status;
    vs_diag diag = {{0}};
    server s;
    server_start(&s, w, 0);
    vs_err err = run(w, 20000, &status, &diag);
    server_stop(&s);
    cr_assert_eq(err, VS_OK, "%s", diag.text);
    cr_expect_eq(status.phase, VS_CLIENT_DONE);
    cr_expect_eq(status.receipts, 5);
    cr_expect_eq(w->manifests, 1);
    vs_fakes_free(w);
}

Test(client_run, submits_without_a_shareholder_that_does_not_listen)
{
    vs_fakes *w = fakes_of_now();
    vs_client_status status;
    vs_diag diag = {{0}};
    server s;
    server_start(&s, w, 1u << 4);
    vs_err err = run(w, 20000, &status, &diag);
    server_stop(&s);
    cr_assert_eq(err, VS_OK, "%s", diag.text);
    cr_expect_eq(status.receipts, 4);
    cr_expect_not_null(strstr(status.error.text, "shareholder 4"), "%s", status.error.text);
    vs_fakes_free(w);
}

Test(client_run, loses_patience_when_nobody_is_there)
{
    vs_fakes *w = fakes_of_now();
    vs_client_status status;
    vs_diag diag = {{0}};
    cr_expect_eq(run(w, 1000, &status, &diag), VS_ERR_TIMEOUT);
    cr_expect_not_null(strstr(diag.text, "aggregator is unreachable"), "%s", diag.text);
    vs_fakes_free(w);
}

Test(client_run, gives_the_clients_refusal_as_its_message)
{
    vs_fakes *w = fakes_of_now();
    vs_client_status status;
    vs_diag diag = {{0}};
    server s;
    w->input.model_hash.b[0] = 1;
    server_start(&s, w, 0);
    cr_expect_eq(run(w, 20000, &status, &diag), VS_ERR_STATE);
    server_stop(&s);
    cr_expect_not_null(strstr(diag.text, "names a model"), "%s", diag.text);
    cr_expect_eq(status.phase, VS_CLIENT_FAILED);
    vs_fakes_free(w);
}

static bool is_told(void *ctx)
{
    uint32_t *asked = ctx;
    return ++*asked == 3;
}

Test(client_run, stops_when_it_is_told)
{
    vs_fakes *w = fakes_of_now();
    vs_client_status status;
    vs_diag diag = {{0}};
    uint32_t asked = 0;
    const vs_client_run_options options = {.stop = is_told, .stop_ctx = &asked};
    cr_expect_eq(
        vs_client_run(&status, w->tf->fed, w->tf->client[0], w->store, &w->input, &options, &diag),
        VS_ERR_STATE);
    cr_expect_eq(asked, 3);
    cr_expect_not_null(strstr(diag.text, "told to stop"), "%s", diag.text);
    vs_fakes_free(w);
}
