#include <criterion/criterion.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "ledger/export.h"
#include "ledger/log.h"
#include "net/call.h"
#include "net/daemon.h"
#include "net/edge.h"
#include "tests/net/support_fed.h"
#include "tests/net/support_proxy.h"
#include "tests/support.h"

typedef struct process {
    vs_daemon daemon;
    vs_err (*run)(const vs_daemon *d, vs_diag *diag);
    pthread_t thread;
    atomic_bool stop;
    atomic_uint notices;
    vs_err err;
    vs_diag diag;
} process;

static bool asked(void *ctx)
{
    process *p = ctx;
    return atomic_load(&p->stop);
}

static void count_notice(void *ctx, const char *text)
{
    process *p = ctx;
    cr_expect_null(strchr(text, '\n'), "one line: %s", text);
    atomic_fetch_add(&p->notices, 1);
}

static void *run(void *arg)
{
    process *p = arg;
    p->err = p->run(&p->daemon, &p->diag);
    return NULL;
}

static process *prepare(bool aggregator, const vs_test_fed *tf, const vs_keys *keys,
                        const char *dir, const char *listen)
{
    process *p = calloc(1, sizeof *p);
    cr_assert_not_null(p);
    p->run = aggregator ? vs_daemon_run_aggregator : vs_daemon_run_shareholder;
    p->daemon = (vs_daemon){.fed = tf->fed,
                            .keys = keys,
                            .dir = dir,
                            .listen = listen,
                            .stop = asked,
                            .notice = count_notice,
                            .ctx = p};
    return p;
}

static void go(process *p)
{
    cr_assert_eq(pthread_create(&p->thread, NULL, run, p), 0);
}

static process *start(bool aggregator, const vs_test_fed *tf, const vs_keys *keys, const char *dir,
                      const char *listen)
{
    process *p = prepare(aggregator, tf, keys, dir, listen);
    go(p);
    return p;
}

/* Ask it to stop and wait for it; its result and message. */
static vs_err end(process *p, vs_diag *diag)
{
    atomic_store(&p->stop, true);
    (void)pthread_join(p->thread, NULL);
    vs_err err = p->err;
    *diag = p->diag;
    free(p);
    return err;
}

static void expect_end(process *p, vs_err want, const char *text)
{
    vs_diag diag;
    cr_expect_eq(end(p, &diag), want, "%s", diag.text);
    if (text != NULL) cr_expect_not_null(strstr(diag.text, text), "%s", diag.text);
}

/* Its status, as soon as it listens. */
static vsw_StatusReply status_of(const vs_test_fed *tf, const char *address)
{
    vs_caller caller = {.fed = tf->fed, .timeout_ms = 1000};
    vsw_StatusReply status = {0};
    vs_diag diag = {0};
    vs_err err = VS_ERR_IO;
    for (uint32_t i = 0; (err == VS_ERR_IO || err == VS_ERR_TIMEOUT) && i < 200; i++) {
        struct timespec wait = {.tv_nsec = 50000000};
        err = vs_call_status(&caller, address, &status, &diag);
        if (err != VS_OK) (void)nanosleep(&wait, NULL);
    }
    cr_assert_eq(err, VS_OK, "%s", diag.text);
    return status;
}

static void any_address(char out[64])
{
    (void)snprintf(out, 64, "tcp://127.0.0.1:%u", vs_test_free_port());
}

Test(daemon, shareholder_serves_stops_and_goes_on_in_its_folder)
{
    char *dir = vs_test_folder_new();
    vs_test_fed *tf = vs_test_federation_of(4, 1, 1, 8, 0);
    for (uint32_t turn = 0; turn < 2; turn++) {
        char address[64];
        any_address(address);
        process *p = start(false, tf, tf->shareholder[1], dir, address);
        vsw_StatusReply status = status_of(tf, address);
        cr_expect_str_eq(status.role, "shareholder");
        cr_expect_eq(status.index, 2);
        cr_expect_geq(atomic_load(&p->notices), 1);
        expect_end(p, VS_OK, NULL);
    }
    vs_test_federation_free(tf);
    vs_test_folder_remove(dir);
}

/* The log of a first start holds the federation entry; a second start finds it again. */
Test(daemon, aggregator_makes_its_log_once)
{
    char *dir = vs_test_folder_new();
    vs_test_fed *tf = vs_test_federation_of(4, 1, 1, 8, 0);
    for (uint32_t turn = 0; turn < 2; turn++) {
        char address[64];
        any_address(address);
        process *p = start(true, tf, tf->aggregator, dir, address);
        vsw_StatusReply status = status_of(tf, address);
        cr_expect_str_eq(status.role, "aggregator");
        cr_expect_eq(status.log_size, 1, "turn %u", turn);
        expect_end(p, VS_OK, NULL);
    }
    vs_test_federation_free(tf);
    vs_test_folder_remove(dir);
}

/* What a log of two entries under the same key leaves in DIR/public. */
static void publish_two(const vs_test_fed *tf, const char *dir)
{
    char path[400];
    vs_log *log;
    vs_export *export;
    uint64_t first;
    vs_bytes two[] = {{(const uint8_t *)"one", 3}, {(const uint8_t *)"two", 3}};
    (void)snprintf(path, sizeof path, "%s/other", dir);
    cr_assert_eq(vs_log_create(&log, path, tf->fed->origin, &tf->fed->log_key,
                               tf->aggregator->log_seed, NULL),
                 VS_OK);
    cr_assert_eq(vs_log_append(log, two, 2, &first, NULL, NULL), VS_OK);
    (void)snprintf(path, sizeof path, "%s/" VS_DAEMON_PUBLIC, dir);
    cr_assert_eq(vs_export_open(&export, path, log, NULL, false, false, NULL), VS_OK);
    cr_assert_eq(vs_export_update(export, NULL), VS_OK);
    vs_export_free(export);
    vs_log_close(log);
}

/* DATA/public follows the log, and an aggregator whose log lags behind it does not start. */
Test(daemon, aggregator_publishes_its_log_and_refuses_an_old_copy)
{
    char address[64], path[400];
    vs_buf note = {0};
    vs_note_result who;
    vs_checkpoint c = {0};
    char *dir = vs_test_folder_new();
    vs_test_fed *tf = vs_test_federation_of(4, 1, 1, 8, 0);
    any_address(address);
    process *p = start(true, tf, tf->aggregator, dir, address);
    (void)status_of(tf, address);
    expect_end(p, VS_OK, NULL);
    (void)snprintf(path, sizeof path, "%s/public/checkpoint", dir);
    cr_assert_eq(vs_file_read(&note, path, 10000, NULL), VS_OK);
    cr_assert_eq(vs_note_verify(&who, note.p, note.len, &tf->fed->log_key, 1, NULL), VS_OK);
    cr_assert_eq(vs_checkpoint_parse(&c, note.p, who.text_len, NULL), VS_OK);
    cr_expect_eq(c.size, 1);
    vs_buf_free(&note);
    vs_test_folder_remove(dir);

    /* published: two entries; the log: none */
    dir = vs_test_folder_new();
    publish_two(tf, dir);
    p = start(true, tf, tf->aggregator, dir, address);
    (void)pthread_join(p->thread, NULL); /* it ends by itself */
    cr_expect_eq(p->err, VS_ERR_PROOF);
    cr_expect_not_null(strstr(p->diag.text, "published 2 entries, this copy of it has 1"), "%s",
                       p->diag.text);
    free(p);
    vs_test_federation_free(tf);
    vs_test_folder_remove(dir);
}

/* An aggregator asks a shareholder of another federation to witness its log: its cosignature stands
 * in the published checkpoint. */
Test(daemon, a_shareholder_witnesses_the_log_of_another_federation)
{
    char address[2][64], http[64], path[400];
    vs_note_result who;
    bool cosigned = false;
    const vs_test_fed_config other = {.seed = 77};
    char *dir[2] = {vs_test_folder_new(), vs_test_folder_new()};
    vs_test_fed *tf = vs_test_federation_of(4, 1, 1, 8, 0);
    vs_test_fed *tf2 = vs_test_federation_new(&other);
    vs_tlog_policy *logs = calloc(1, sizeof *logs), *witnesses = calloc(1, sizeof *witnesses);
    cr_assert(logs != NULL && witnesses != NULL);
    (void)snprintf(http, sizeof http, "http://127.0.0.1:%u", vs_test_free_port());
    logs->n_logs = witnesses->n_witnesses = 1;
    logs->log[0].key = tf->fed->log_key;
    witnesses->witness[0].key = tf2->fed->shareholder[1].cosigner_key;
    (void)snprintf(witnesses->witness[0].url, sizeof witnesses->witness[0].url, "%s", http);
    any_address(address[0]);
    any_address(address[1]);
    (void)snprintf(tf2->fed->origin, sizeof tf2->fed->origin, "another.test/log");
    process *s = prepare(false, tf2, tf2->shareholder[1], dir[1], address[1]);
    s->daemon.http = http;
    s->daemon.witness = logs;
    go(s);
    (void)status_of(tf2, address[1]);
    process *a = prepare(true, tf, tf->aggregator, dir[0], address[0]);
    a->daemon.witness = witnesses;
    go(a);
    (void)snprintf(path, sizeof path, "%s/public/checkpoint", dir[0]);
    for (uint32_t i = 0; !cosigned && i < 300; i++) {
        struct timespec wait = {.tv_nsec = 50000000};
        vs_buf note = {0};
        cosigned =
            vs_file_exists(path) && vs_file_read(&note, path, 100000, NULL) == VS_OK &&
            vs_note_verify(&who, note.p, note.len, &witnesses->witness[0].key, 1, NULL) == VS_OK;
        vs_buf_free(&note);
        (void)nanosleep(&wait, NULL);
    }
    cr_expect(cosigned, "no cosignature of the witness in %s", path);
    expect_end(a, VS_OK, NULL);
    expect_end(s, VS_OK, NULL);
    vs_test_federation_free(tf);
    vs_test_federation_free(tf2);
    for (uint32_t i = 0; i < 2; i++) vs_test_folder_remove(dir[i]);
    free(logs);
    free(witnesses);
}

Test(daemon, what_cannot_start_says_why)
{
    char *dir = vs_test_folder_new();
    char *other = vs_test_folder_new();
    char address[64];
    char free_address[64];
    vs_test_fed *tf = vs_test_federation_of(4, 1, 1, 8, 0);
    any_address(address);
    any_address(free_address);
    process *p = start(false, tf, tf->shareholder[0], dir, address);
    (void)status_of(tf, address);
    /* A start that fails returns by itself: stop is never asked for. */
    expect_end(start(false, tf, tf->shareholder[1], other, address), VS_ERR_IO, "Address in use");
    expect_end(start(false, tf, tf->shareholder[0], dir, free_address), VS_ERR_STATE, dir);
    expect_end(start(false, tf, tf->admin, other, free_address), VS_ERR_STATE, "no shareholder");
    expect_end(start(true, tf, tf->shareholder[0], other, free_address), VS_ERR_STATE,
               "not the aggregator");
    expect_end(start(false, tf, tf->shareholder[1], other, "tcp://nowhere"), VS_ERR_MALFORMED,
               "tcp://nowhere");
    expect_end(p, VS_OK, NULL);
    vs_test_federation_free(tf);
    vs_test_folder_remove(dir);
    vs_test_folder_remove(other);
}

Test(daemon, folder_of_another_shareholder_is_refused)
{
    char *dir = vs_test_folder_new();
    char address[64];
    vs_test_fed *tf = vs_test_federation_of(4, 1, 1, 8, 0);
    any_address(address);
    process *p = start(false, tf, tf->shareholder[0], dir, address);
    (void)status_of(tf, address);
    expect_end(p, VS_OK, NULL);
    expect_end(start(false, tf, tf->shareholder[1], dir, address), VS_ERR_STATE, NULL);
    vs_test_federation_free(tf);
    vs_test_folder_remove(dir);
}

/* Random bytes as whole requests: an Error reply each, and the process lives. */
Test(daemon, junk_requests_get_an_error_reply)
{
    char *dir = vs_test_folder_new();
    char address[64];
    vs_test_fed *tf = vs_test_federation_of(4, 1, 1, 8, 0);
    any_address(address);
    process *p = start(false, tf, tf->shareholder[0], dir, address);
    (void)status_of(tf, address);
    for (uint64_t i = 0; i < 20; i++) {
        vs_buf request = {0};
        vs_buf bytes = {0};
        vs_reply reply;
        vs_diag diag = {0};
        size_t len = (size_t)vs_test_u64(i, 1) % 300;
        vs_test_bytes(vs_buf_extend(&request, len), len, i);
        if (i % 2 == 0 && len > 4) vs_store_le32(request.p, (uint32_t)len / 2);
        cr_assert_eq(vs_edge_call(address, &request, 5000, &bytes, &diag), VS_OK, "%s", diag.text);
        cr_assert_eq(vs_reply_decode(&reply, bytes.p, bytes.len), VS_OK);
        cr_expect_eq(reply.head.which_result, vsw_Reply_error_tag);
        vs_buf_free(&request);
        vs_buf_free(&bytes);
    }
    (void)status_of(tf, address);
    expect_end(p, VS_OK, NULL);
    vs_test_federation_free(tf);
    vs_test_folder_remove(dir);
}
