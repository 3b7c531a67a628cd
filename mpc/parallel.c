#include "mpc/parallel.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/* Items are handed out one index at a time under the lock: an item is some microseconds of work
 * at least, taking the lock some tens of nanoseconds. */
struct vs_pool {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a loop has begun, or the end */
    pthread_cond_t idle; /* the last running item is done */
    vs_pool_item run;
    void *ctx;
    size_t next, n_items;
    size_t unfinished; /* items not done */
    uint32_t n_started;
    bool stop;
    uint32_t threads;
    struct worker {
        vs_pool *pool;
        pthread_t id;
        uint32_t number; /* 1 ..; the caller is 0 */
    } worker[];
};

/* Works on items until none is left to take. The lock is held on entry and on return. */
static void take_items(vs_pool *pool, uint32_t thread)
{
    while (pool->next < pool->n_items) {
        size_t item = pool->next++;
        (void)pthread_mutex_unlock(&pool->lock);
        pool->run(pool->ctx, item, thread);
        (void)pthread_mutex_lock(&pool->lock);
        if (--pool->unfinished == 0) (void)pthread_cond_signal(&pool->idle);
    }
}

static void *worker_main(void *arg)
{
    const struct worker *worker = arg;
    vs_pool *pool = worker->pool;
    (void)pthread_mutex_lock(&pool->lock);
    while (!pool->stop) {
        take_items(pool, worker->number);
        if (!pool->stop && pool->next >= pool->n_items) {
            (void)pthread_cond_wait(&pool->work, &pool->lock);
        }
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static vs_err start_workers(vs_pool *pool)
{
    while (pool->n_started + 1 < pool->threads) {
        struct worker *worker = &pool->worker[pool->n_started];
        worker->pool = pool;
        worker->number = pool->n_started + 1;
        if (pthread_create(&worker->id, NULL, worker_main, worker) != 0) return VS_ERR_NOMEM;
        pool->n_started++;
    }
    return VS_OK;
}

vs_err vs_pool_new(vs_pool **out, uint32_t threads)
{
    *out = NULL;
    if (threads < 1 || threads > VS_THREADS_MAX) return VS_ERR_LIMIT;
    vs_pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->worker[0]);
    if (pool == NULL) return VS_ERR_NOMEM;
    pool->threads = threads;
    (void)pthread_mutex_init(&pool->lock, NULL); /* with NULL attributes glibc's cannot fail */
    (void)pthread_cond_init(&pool->work, NULL);
    (void)pthread_cond_init(&pool->idle, NULL);
    if (start_workers(pool) != VS_OK) {
        vs_pool_free(pool);
        return VS_ERR_NOMEM;
    }
    *out = pool;
    return VS_OK;
}

void vs_pool_free(vs_pool *pool)
{
    if (pool == NULL) return;
    (void)pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    (void)pthread_cond_broadcast(&pool->work);
    (void)pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->n_started; i++) (void)pthread_join(pool->worker[i].id, NULL);
    (void)pthread_cond_destroy(&pool->idle);
    (void)pthread_cond_destroy(&pool->work);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

uint32_t vs_pool_threads(const vs_pool *pool)
{
    return pool == NULL ? 1 : pool->threads;
}

void vs_pool_run(vs_pool *pool, size_t n_items, vs_pool_item run, void *ctx)
{
    if (pool == NULL || pool->threads == 1 || n_items < 2) {
        for (size_t i = 0; i < n_items; i++) run(ctx, i, 0);
        return;
    }
    (void)pthread_mutex_lock(&pool->lock);
    pool->run = run;
    pool->ctx = ctx;
    pool->next = 0;
    pool->n_items = n_items;
    pool->unfinished = n_items;
    (void)pthread_cond_broadcast(&pool->work);
    take_items(pool, 0);
    while (pool->unfinished > 0) (void)pthread_cond_wait(&pool->idle, &pool->lock);
    (void)pthread_mutex_unlock(&pool->lock);
}
