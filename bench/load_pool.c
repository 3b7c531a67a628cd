/* A number of threads that take clients one after the other (bench/load.h). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/load.h"

enum { STACK_BYTES = 512 << 10, WATCH_MS = 100, POLL_MS = 5 };

typedef struct pool {
    const vs_load_pool *p;
    atomic_uint next, done, failed, running;
    atomic_bool stop;
    atomic_ullong bytes;
    double *took; /* by client, seconds; negative: failed */
    pthread_mutex_t mutex;
    vs_diag first_failure; /* under the mutex */
} pool;

static double now_s(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool asked_to_stop(void *ctx)
{
    pool *x = ctx;
    return atomic_load(&x->stop);
}

static void keep_failure(pool *x, const vs_diag *diag)
{
    (void)pthread_mutex_lock(&x->mutex);
    if (x->first_failure.text[0] == '\0') x->first_failure = *diag;
    (void)pthread_mutex_unlock(&x->mutex);
}

static void *work(void *arg)
{
    pool *x = arg;
    for (;;) {
        uint32_t client = atomic_fetch_add(&x->next, 1);
        uint64_t bytes = 0;
        vs_diag diag = {{0}};
        if (client >= x->p->clients || atomic_load(&x->stop)) break;
        double start = now_s();
        vs_err err = x->p->job(x->p->ctx, client, asked_to_stop, x, &bytes, &diag);
        x->took[client] = err == VS_OK ? now_s() - start : -1;
        (void)atomic_fetch_add(&x->bytes, bytes);
        (void)atomic_fetch_add(err == VS_OK ? &x->done : &x->failed, 1);
        if (err != VS_OK) keep_failure(x, &diag);
    }
    (void)atomic_fetch_sub(&x->running, 1);
    return NULL;
}

static void watch(pool *x)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    double next = now_s();
    while (atomic_load(&x->running) > 0) {
        (void)nanosleep(&pause, NULL);
        if (x->p->watch == NULL || now_s() < next) continue;
        next = now_s() + WATCH_MS / 1000.0;
        uint32_t ended = atomic_load(&x->done) + atomic_load(&x->failed);
        if (x->p->watch(x->p->watch_ctx, ended)) atomic_store(&x->stop, true);
    }
}

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void summarise(vs_load_result *out, pool *x, double seconds)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->p->clients; i++) {
        if (x->took[i] >= 0) x->took[n++] = x->took[i];
    }
    qsort(x->took, n, sizeof *x->took, ascending);
    *out = (vs_load_result){.done = atomic_load(&x->done),
                            .failed = atomic_load(&x->failed),
                            .bytes = atomic_load(&x->bytes),
                            .seconds = seconds,
                            .median_s = n == 0 ? 0 : x->took[n / 2],
                            .worst_s = n == 0 ? 0 : x->took[n - 1],
                            .first_failure = x->first_failure};
}

static vs_err start_threads(pool *x, pthread_t *thread, uint32_t *n, vs_diag *diag)
{
    pthread_attr_t attr;
    uint32_t want = x->p->parallel < x->p->clients ? x->p->parallel : x->p->clients;
    vs_err err = VS_OK;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    for (*n = 0; *n < want && err == VS_OK;) {
        (void)atomic_fetch_add(&x->running, 1);
        if (pthread_create(&thread[*n], &attr, work, x) == 0) {
            (*n)++;
        } else {
            (void)atomic_fetch_sub(&x->running, 1);
            atomic_store(&x->stop, true);
            err = vs_fail(diag, VS_ERR_IO, "load: the system gives %u threads, not %u", *n, want);
        }
    }
    (void)pthread_attr_destroy(&attr);
    return err;
}

vs_err vs_load_pool_run(vs_load_result *out, const vs_load_pool *p, vs_diag *diag)
{
    VS_ASSERT(p->parallel >= 1 && p->clients >= 1);
    uint32_t n = 0;
    pool *x = calloc(1, sizeof *x);
    pthread_t *thread = calloc(p->parallel, sizeof *thread);
    double *took = calloc(p->clients, sizeof *took);
    *out = (vs_load_result){0};
    if (x == NULL || thread == NULL || took == NULL) {
        free(x);
        free(thread);
        free(took);
        return vs_fail(diag, VS_ERR_NOMEM, "load: out of memory");
    }
    x->p = p;
    x->took = took;
    for (uint32_t i = 0; i < p->clients; i++) took[i] = -1;
    (void)pthread_mutex_init(&x->mutex, NULL);
    double start = now_s();
    vs_err err = start_threads(x, thread, &n, diag);
    if (err == VS_OK) watch(x);
    for (uint32_t i = 0; i < n; i++) (void)pthread_join(thread[i], NULL);
    summarise(out, x, now_s() - start);
    if (err == VS_OK && atomic_load(&x->stop)) err = vs_fail(diag, VS_ERR_STATE, "told to stop");
    (void)pthread_mutex_destroy(&x->mutex);
    free(took);
    free(thread);
    free(x);
    return err;
}
