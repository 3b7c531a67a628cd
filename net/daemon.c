#include "net/daemon.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/file.h"
#include "ledger/export.h"
#include "ledger/log.h"
#include "net/aggregator.h"
#include "net/edge.h"
#include "net/http.h"
#include "net/monitor.h"
#include "net/page.h"
#include "net/serve_log.h"
#include "net/shareholder.h"
#include "net/store.h"
#include "net/witness.h"
#include "net/witness_feed.h"

enum {
    PATH_BYTES = 4096,
    TICK_MS = 100,
    INFLIGHT = 64,
    BATCH_EVENTS = 256,    /* whose results become durable together, at most */
    BATCH_BYTES = 4 << 20, /* of replies that wait for it */
};

typedef vs_err (*role_step)(void *role, uint64_t now_ms, const vs_event *event, vs_outbox *out,
                            vs_diag *diag);

static uint64_t unix_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Connections and uploads are files: as many as the system lets us have (net/gate.h). */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void notice(const vs_daemon *d, const char *fmt, ...) VS_PRINTF(2, 3);
static void notice(const vs_daemon *d, const char *fmt, ...)
{
    char text[VS_DIAG_BYTES];
    va_list args;
    if (d->notice == NULL) return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    d->notice(d->ctx, text);
}

/* A role at work. */
typedef struct work {
    const vs_daemon *d;
    vs_edge *edge;
    vs_store store;
    vs_monitor *monitor;
    vs_http *http;         /* NULL: none */
    vs_export *export;     /* of the log; NULL: there is none */
    vs_witness_feed *feed; /* outside witnesses; NULL: none */
    void *role;
    role_step step;
    bool (*busy)(const void *role); /* wants a tick at once; NULL: never */
    vs_outbox box;                  /* what may leave once everything promised is durable */
} work;

/* Everything that was promised (all: and what may be stored later) becomes durable and what is new
 * in the log is exported, then the replies leave. */
static vs_err let_go(work *w, bool all, vs_diag *diag)
{
    bool promised = vs_store_promised(&w->store);
    double start = seconds();
    vs_err err = promised || all ? vs_store_flush(&w->store, diag) : VS_OK;
    if (promised) vs_monitor_committed(w->monitor, seconds() - start);
    if (err == VS_OK && w->export != NULL) err = vs_export_update(w->export, diag);
    return err == VS_OK ? vs_edge_flush(w->edge, &w->box, diag) : err;
}

/* One step, seen by the monitor. */
static vs_err step(work *w, const vs_event *event, vs_diag *diag)
{
    size_t from = w->box.n;
    double start = seconds();
    vs_monitor_in(w->monitor, event);
    vs_err err = w->step(w->role, unix_ms(), event, &w->box, diag);
    if (err == VS_OK) vs_monitor_out(w->monitor, event, &w->box, from, seconds() - start);
    return err;
}

/* A tick, and then the role is asked how it is. */
static vs_err tick(work *w, vs_diag *diag)
{
    vs_event event = {.kind = VS_EVENT_TICK};
    vs_err err = step(w, &event, diag);
    for (uint32_t k = 0; err == VS_OK && vs_monitor_question(w->monitor, k, &event); k++) {
        err = step(w, &event, diag);
    }
    if (err == VS_OK && w->feed != NULL) err = vs_witness_feed_tick(w->feed, unix_ms(), diag);
    return err == VS_OK ? let_go(w, true, diag) : err;
}

static size_t box_bytes(const vs_outbox *box)
{
    size_t sum = 0;
    for (size_t i = 0; i < box->n; i++) sum += box->item[i].msg.len;
    return sum;
}

/* Group commit: as long as more events wait, what they promise is made durable together. An event
 * that promises nothing, before any that does, is answered at once. */
static vs_err take_events(work *w, vs_event *event, vs_diag *diag)
{
    for (uint32_t n = 1;; n++) {
        vs_err err = VS_OK;
        if (event->kind != VS_EVENT_TICK) err = step(w, event, diag);
        if (err != VS_OK) return err;
        if (!vs_store_promised(&w->store)) {
            err = let_go(w, false, diag);
            if (err != VS_OK) return err;
        }
        if (n >= BATCH_EVENTS || box_bytes(&w->box) >= BATCH_BYTES) break;
        if (vs_edge_wait(w->edge, event, 0) != VS_OK) break;
    }
    return let_go(w, false, diag);
}

/* Take events until told to stop. A step that fails is the machine's fault: nothing it made leaves.
 */
static vs_err loop(work *w, vs_diag *diag)
{
    uint64_t next_tick = 0;
    vs_err err = VS_OK;
    vs_store_hold(&w->store);
    while (err == VS_OK && !w->d->stop(w->d->ctx)) {
        vs_event event;
        uint64_t now = unix_ms();
        bool busy = w->busy != NULL && w->busy(w->role);
        uint64_t wait = next_tick > now && !busy ? next_tick - now : 0;
        vs_err got = vs_edge_wait(w->edge, &event, wait < TICK_MS ? (uint32_t)wait : TICK_MS);
        if (got != VS_OK && got != VS_ERR_TIMEOUT) {
            err = vs_fail(diag, got, "the network edge failed (%s)", vs_err_name(got));
            break;
        }
        if (got == VS_OK) err = take_events(w, &event, diag);
        if (err == VS_OK && w->http != NULL) vs_http_serve_pending(w->http);
        now = unix_ms();
        /* Also when the wall clock was set back: no tick may wait for the old time. */
        if (err == VS_OK && (busy || now >= next_tick || next_tick - now > TICK_MS)) {
            err = tick(w, diag);
            next_tick = now + TICK_MS;
        }
    }
    if (err == VS_OK) err = vs_store_flush(&w->store, diag);
    if (err == VS_OK) notice(w->d, "stopping: what was promised is written, connections close");
    vs_outbox_free(&w->box);
    return err;
}

static void wake_edge(void *edge)
{
    vs_edge_wake(edge);
}

/* /metrics, /status, /healthz, and the published log when there is one. folder is borrowed. */
static vs_err open_http(vs_http **http, const vs_daemon *d, vs_monitor *monitor, vs_edge *edge,
                        const char *folder, vs_witness *witness, vs_diag *diag)
{
    if (d->http == NULL) return VS_OK;
    vs_err err = vs_http_new(http, d->http, diag);
    if (err != VS_OK) return err;
    vs_monitor_serve(monitor, *http);
    if (folder != NULL) vs_serve_log_add(*http, folder);
    if (witness != NULL) vs_witness_serve(witness, *http);
    vs_http_start(*http, wake_edge, edge);
    if (folder != NULL) notice(d, "the ledger is served at %s", d->http);
    notice(d, "metrics and status at %s (port %u)", d->http, (unsigned)vs_http_port(*http));
    return VS_OK;
}

static vs_err path_in(char path[PATH_BYTES], const char *dir, const char *name, vs_diag *diag)
{
    int len = snprintf(path, PATH_BYTES, "%s/%s", dir, name);
    if (len < 0 || len >= PATH_BYTES) return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", dir);
    return VS_OK;
}

/* --- shareholder
 * ---------------------------------------------------------------------------------- */

static vs_err step_shareholder(void *role, uint64_t now_ms, const vs_event *event, vs_outbox *out,
                               vs_diag *diag)
{
    return vs_shareholder_step(role, now_ms, event, out, diag);
}

static bool shareholder_is_busy(const void *role)
{
    return vs_shareholder_is_busy(role);
}

/* The logs of others that this shareholder witnesses. */
static vs_err open_witness(vs_witness **witness, const vs_daemon *d, vs_store store, vs_diag *diag)
{
    if (d->witness == NULL) return VS_OK;
    if (d->http == NULL) return vs_fail(diag, VS_ERR_STATE, "a witness needs an HTTP address");
    for (uint32_t i = 0; i < d->witness->n_logs; i++) {
        if (strcmp(d->witness->log[i].key.name, d->fed->origin) != 0) continue;
        return vs_fail(diag, VS_ERR_STATE,
                       "%s is this federation's own log: it is cosigned after replaying it, not "
                       "witnessed",
                       d->fed->origin);
    }
    return vs_witness_new(witness, d->witness, &d->keys->pub.cosigner, d->keys->cosigner_seed,
                          store, diag);
}

vs_err vs_daemon_run_shareholder(const vs_daemon *d, vs_diag *diag)
{
    vs_store store = {0};
    vs_witness *witness = NULL;
    vs_shareholder *role = NULL;
    vs_edge *edge = NULL;
    vs_monitor *monitor = NULL;
    vs_http *http = NULL;
    uint32_t j = vs_federation_shareholder(d->fed, &d->keys->pub.identity);
    if (j == 0) {
        return vs_fail(diag, VS_ERR_STATE,
                       "the key of \"%s\" is no shareholder's of federation \"%s\"",
                       d->keys->pub.name, d->fed->name);
    }
    raise_file_limit();
    const char *address = d->listen != NULL ? d->listen : d->fed->shareholder[j - 1].party.address;
    vs_err err = vs_store_disk_open(&store, d->dir, diag);
    if (err == VS_OK) {
        err = vs_shareholder_new(&role, d->fed, d->keys, store, vs_rng_system(), unix_ms(), diag);
    }
    if (err == VS_OK) err = vs_edge_new_tls(&edge, address, INFLIGHT, d->fed->tls, diag);
    if (err == VS_OK) err = vs_monitor_new(&monitor, d->fed, j, edge, d->notice, d->ctx, diag);
    if (err == VS_OK) err = open_witness(&witness, d, store, diag);
    if (err == VS_OK) err = open_http(&http, d, monitor, edge, NULL, witness, diag);
    if (err == VS_OK) {
        vs_shareholder_on_notice(role, d->notice, d->ctx);
        notice(d, "shareholder %u of \"%s\" listens on %s", j, d->fed->name, address);
        work w = {.d = d,
                  .edge = edge,
                  .store = store,
                  .monitor = monitor,
                  .http = http,
                  .role = role,
                  .step = step_shareholder,
                  .busy = shareholder_is_busy};
        err = loop(&w, diag);
    }
    vs_http_free(http); /* first: it wakes the edge and asks the monitor */
    vs_witness_free(witness);
    vs_edge_free(edge);
    vs_monitor_free(monitor);
    vs_shareholder_free(role);
    vs_store_disk_close(&store);
    return err;
}

/* --- aggregator
 * ------------------------------------------------------------------------------------ */

static vs_err step_aggregator(void *role, uint64_t now_ms, const vs_event *event, vs_outbox *out,
                              vs_diag *diag)
{
    return vs_aggregator_step(role, now_ms, event, out, diag);
}

static vs_err open_log(vs_log **log, const vs_daemon *d, vs_diag *diag)
{
    char dir[PATH_BYTES];
    vs_err err = path_in(dir, d->dir, "ledger", diag);
    if (err != VS_OK) return err;
    return vs_log_open_or_create(log, dir, d->fed->origin, &d->fed->log_key, d->keys->log_seed,
                                 diag);
}

/* DIR/public follows the log. The log may be behind it (a restored copy): refused here. */
static vs_err open_export(vs_export **export, char folder[PATH_BYTES], const vs_daemon *d,
                          vs_log *log, vs_diag *diag)
{
    vs_err err = path_in(folder, d->dir, VS_DAEMON_PUBLIC, diag);
    if (err == VS_OK) {
        err = vs_export_open(export, folder, log, &d->fed->policy, d->fed->public_results, false,
                             diag);
    }
    if (err == VS_OK) err = vs_export_update(*export, diag);
    return err == VS_OK ? vs_page_put(*export, diag) : err;
}

static vs_err connect_shareholders(vs_edge *edge, const vs_federation *fed, vs_diag *diag)
{
    vs_err err = VS_OK;
    for (uint32_t j = 1; err == VS_OK && j <= fed->committee.n; j++) {
        err = vs_edge_set_peer(edge, j, fed->shareholder[j - 1].party.address, diag);
    }
    return err;
}

vs_err vs_daemon_run_aggregator(const vs_daemon *d, vs_diag *diag)
{
    char state[PATH_BYTES];
    char folder[PATH_BYTES]; /* DIR/public */
    vs_store store = {0};
    vs_log *log = NULL;
    vs_aggregator *role = NULL;
    vs_edge *edge = NULL;
    vs_export *export = NULL;
    vs_witness_feed *feed = NULL;
    vs_monitor *monitor = NULL;
    vs_http *http = NULL;
    if (!vs_h32_equal(&d->keys->pub.identity, &d->fed->aggregator.key)) {
        return vs_fail(diag, VS_ERR_STATE,
                       "the key of \"%s\" is not the aggregator's of federation \"%s\"",
                       d->keys->pub.name, d->fed->name);
    }
    raise_file_limit();
    const char *address = d->listen != NULL ? d->listen : d->fed->aggregator.address;
    vs_err err = path_in(state, d->dir, "state", diag);
    if (err == VS_OK) err = vs_file_make_folders(d->dir, 0700, diag);
    if (err == VS_OK) err = vs_store_disk_open(&store, state, diag);
    if (err == VS_OK) err = open_log(&log, d, diag);
    if (err == VS_OK) err = vs_edge_new_tls(&edge, address, INFLIGHT, d->fed->tls, diag);
    if (err == VS_OK) err = connect_shareholders(edge, d->fed, diag);
    if (err == VS_OK) {
        err =
            vs_aggregator_new(&role, d->fed, d->keys, log, store, vs_rng_system(), unix_ms(), diag);
    }
    if (err == VS_OK) err = open_export(&export, folder, d, log, diag);
    if (err == VS_OK) err = vs_monitor_new(&monitor, d->fed, 0, edge, d->notice, d->ctx, diag);
    if (err == VS_OK) err = open_http(&http, d, monitor, edge, folder, NULL, diag);
    if (err == VS_OK && d->witness != NULL) {
        err = vs_witness_feed_new(&feed, d->witness, log, d->notice, d->ctx, diag);
    }
    if (err == VS_OK) {
        vs_aggregator_on_notice(role, d->notice, d->ctx);
        notice(d, "aggregator of \"%s\" listens on %s; its ledger has %" PRIu64 " entries",
               d->fed->name, address, vs_log_size(log));
        work w = {.d = d,
                  .edge = edge,
                  .store = store,
                  .monitor = monitor,
                  .http = http,
                  .export = export,
                  .feed = feed,
                  .role = role,
                  .step = step_aggregator};
        err = loop(&w, diag);
    }
    vs_http_free(http); /* first: it wakes the edge and asks the monitor */
    vs_witness_feed_free(feed);
    vs_edge_free(edge);
    vs_monitor_free(monitor);
    vs_export_free(export);
    vs_aggregator_free(role);
    vs_log_close(log);
    vs_store_disk_close(&store);
    return err;
}
