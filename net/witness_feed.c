#include "net/witness_feed.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_client.h"
#include "net/witness.h"

enum { CALL_MS = 5000, PAUSE_MS = 30000, REPLY_MAX = 65536 };

typedef enum job_state { IDLE, READY, RUNNING, DONE } job_state;

typedef struct peer {
    vs_note_key key;
    char url[VS_TLOG_URL_MAX + 1];
    /* of the tick's thread */
    uint64_t known;   /* entries that it has cosigned, as far as we know */
    uint64_t have;    /* size of the newest checkpoint that we have its cosignature of */
    uint64_t asked;   /* size of the checkpoint in the request */
    uint64_t next_ms; /* not before */
    bool complained;  /* the last call failed, and that was told */
    bool ahead;       /* it knows a larger log than ours: not asked again */
    /* of both, under the lock */
    job_state state;
    vs_buf request;
    vs_http_reply reply;
    vs_err err;
    vs_diag diag;
} peer;

struct vs_witness_feed {
    vs_log *log;
    void (*notice)(void *ctx, const char *text);
    void *ctx;
    uint32_t n;
    peer *peer;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t ready;
    bool stop;
};

/* --- the thread --------------------------------------------------------------------------------
 */

static peer *next_ready(vs_witness_feed *f)
{
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->peer[i].state == READY) return &f->peer[i];
    }
    return NULL;
}

static void call(peer *p)
{
    vs_http_client *c = NULL;
    p->err = vs_http_client_new(&c, p->url, CALL_MS, &p->diag);
    if (p->err == VS_OK) {
        p->err = vs_http_client_call(c, "add-checkpoint", p->request.p, p->request.len, REPLY_MAX,
                                     &p->reply, &p->diag);
    }
    vs_http_client_free(c);
}

static void *work(void *arg)
{
    vs_witness_feed *f = arg;
    (void)pthread_mutex_lock(&f->lock);
    while (!f->stop) {
        peer *p = next_ready(f);
        if (p == NULL) {
            (void)pthread_cond_wait(&f->ready, &f->lock);
            continue;
        }
        p->state = RUNNING; /* request, reply, err and diag are this thread's now */
        (void)pthread_mutex_unlock(&f->lock);
        call(p);
        (void)pthread_mutex_lock(&f->lock);
        p->state = DONE;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* --- making ------------------------------------------------------------------------------------
 */

vs_err vs_witness_feed_new(vs_witness_feed **out, const vs_tlog_policy *policy, vs_log *log,
                           void (*notice)(void *ctx, const char *text), void *ctx, vs_diag *diag)
{
    *out = NULL;
    vs_witness_feed *f = calloc(1, sizeof *f);
    peer *peers = calloc(VS_TLOG_WITNESSES_MAX, sizeof *peers);
    if (f == NULL || peers == NULL) {
        free(f);
        free(peers);
        return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    *f = (vs_witness_feed){.log = log, .notice = notice, .ctx = ctx, .peer = peers};
    for (uint32_t i = 0; i < policy->n_witnesses; i++) {
        if (policy->witness[i].url[0] == '\0') continue;
        peers[f->n].key = policy->witness[i].key;
        memcpy(peers[f->n++].url, policy->witness[i].url, sizeof peers[0].url);
    }
    vs_err err = f->n > 0
                     ? VS_OK
                     : vs_fail(diag, VS_ERR_LIMIT, "no witness of the policy has a URL to ask at");
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_cond_init(&f->ready, NULL);
    if (err == VS_OK) {
        f->started = pthread_create(&f->thread, NULL, work, f) == 0;
        if (!f->started) err = vs_fail(diag, VS_ERR_NOMEM, "cannot start a thread for witnesses");
    }
    if (err != VS_OK) {
        vs_witness_feed_free(f);
        return err;
    }
    *out = f;
    return VS_OK;
}

void vs_witness_feed_free(vs_witness_feed *f)
{
    if (f == NULL) return;
    (void)pthread_mutex_lock(&f->lock);
    f->stop = true;
    (void)pthread_cond_signal(&f->ready);
    (void)pthread_mutex_unlock(&f->lock);
    if (f->started) (void)pthread_join(f->thread, NULL);
    for (uint32_t i = 0; i < f->n; i++) {
        vs_buf_free(&f->peer[i].request);
        vs_buf_free(&f->peer[i].reply.body);
    }
    (void)pthread_cond_destroy(&f->ready);
    (void)pthread_mutex_destroy(&f->lock);
    free(f->peer);
    free(f);
}

/* --- the tick ----------------------------------------------------------------------------------
 */

static void tell(const vs_witness_feed *f, const char *fmt, ...) VS_PRINTF(2, 3);
static void tell(const vs_witness_feed *f, const char *fmt, ...)
{
    char text[VS_DIAG_BYTES];
    va_list args;
    if (f->notice == NULL) return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    f->notice(f->ctx, text);
}

static void complain(vs_witness_feed *f, peer *p, uint64_t now_ms, const char *why)
{
    if (!p->complained) tell(f, "witness %s: %s", p->key.name, why); /* once in a row */
    p->complained = true;
    p->next_ms = now_ms + PAUSE_MS;
}

/* DONE: the reply is ours again. */
static vs_err take(vs_witness_feed *f, peer *p, uint64_t now_ms, vs_diag *diag)
{
    bool stored = false;
    uint64_t before = p->known;
    vs_diag why = {{0}};
    vs_err err = p->err;
    if (err != VS_OK) {
        complain(f, p, now_ms, p->diag.text);
        return VS_OK;
    }
    err = vs_witness_take(f->log, p->asked, &p->key, p->reply.status, &p->reply.body, &p->known,
                          &stored, &why);
    if (err == VS_ERR_IO || err == VS_ERR_NOMEM) return vs_fail(diag, err, "%s", why.text);
    if (stored) {
        p->have = p->asked;
        p->complained = false;
    } else if (err != VS_OK) {
        complain(f, p, now_ms, why.text);
    } else if (p->known > vs_log_size(f->log)) {
        p->ahead = true;
        tell(f,
             "witness %s has cosigned %" PRIu64 " entries of this log, it has %" PRIu64
             ": is this data folder an old copy? It is not asked again until a restart",
             p->key.name, p->known, vs_log_size(f->log));
    } else if (p->known == before) {
        complain(f, p, now_ms, "it has cosigned another tree of this size");
    }
    return VS_OK;
}

static vs_err ask(vs_witness_feed *f, peer *p, vs_diag *diag)
{
    vs_buf_reset(&p->request);
    vs_buf_free(&p->reply.body);
    p->reply = (vs_http_reply){0};
    p->asked = vs_log_size(f->log);
    return vs_witness_ask(&p->request, f->log, p->known, diag);
}

vs_err vs_witness_feed_tick(vs_witness_feed *f, uint64_t now_ms, vs_diag *diag)
{
    vs_err err = VS_OK;
    for (uint32_t i = 0; err == VS_OK && i < f->n; i++) {
        peer *p = &f->peer[i];
        (void)pthread_mutex_lock(&f->lock);
        job_state state = p->state;
        if (state == DONE) p->state = IDLE;
        (void)pthread_mutex_unlock(&f->lock);
        if (state == DONE) err = take(f, p, now_ms, diag);
        if (err != VS_OK || state == READY || state == RUNNING) continue;
        if (p->ahead || now_ms < p->next_ms || p->have >= vs_log_size(f->log)) continue;
        err = ask(f, p, diag);
        if (err != VS_OK) break;
        (void)pthread_mutex_lock(&f->lock);
        p->state = READY;
        (void)pthread_cond_signal(&f->ready);
        (void)pthread_mutex_unlock(&f->lock);
    }
    return err;
}
