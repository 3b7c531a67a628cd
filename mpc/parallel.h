/* mpc/parallel.h - a small thread pool: one loop over independent items at a time.
 *
 * Results must not depend on the number of threads, so an item writes only what is its own.
 * One owner: vs_pool_run is not called from two threads, nor from inside an item. */
#ifndef VS_MPC_PARALLEL_H
#define VS_MPC_PARALLEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define VS_THREADS_MAX 256u

typedef struct vs_pool vs_pool;

/* threads 1..VS_THREADS_MAX (else VS_ERR_LIMIT), the caller's own counted. The caller owns *out.
 * Errors: VS_ERR_LIMIT, VS_ERR_NOMEM (no memory or no thread). */
VS_MUST_CHECK vs_err vs_pool_new(vs_pool **out, uint32_t threads);
/* Ends the threads. NULL is a no-op. */
void vs_pool_free(vs_pool *pool);
uint32_t vs_pool_threads(const vs_pool *pool); /* 1 for NULL */

/* run(ctx, item, thread) once for every item < n_items, in any order; thread < vs_pool_threads
 * tells the running thread, for storage of its own. Returns when all are done. NULL pool: a plain
 * loop. */
typedef void (*vs_pool_item)(void *ctx, size_t item, uint32_t thread);
void vs_pool_run(vs_pool *pool, size_t n_items, vs_pool_item run, void *ctx);

#endif /* VS_MPC_PARALLEL_H */
