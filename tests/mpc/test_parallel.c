#include <stdatomic.h>
#include <string.h>

#include <criterion/criterion.h>

#include "mpc/parallel.h"

enum { ITEMS = 1000 };

typedef struct counts {
    _Atomic uint32_t item[ITEMS];
    _Atomic uint32_t bad_thread;
    uint32_t threads;
} counts;

static void count(void *ctx, size_t item, uint32_t thread)
{
    counts *c = ctx;
    c->item[item]++;
    if (thread >= c->threads) c->bad_thread++;
}

static void expect_each_once(vs_pool *pool, size_t n_items)
{
    static counts c;
    memset(&c, 0, sizeof c);
    c.threads = vs_pool_threads(pool);
    vs_pool_run(pool, n_items, count, &c);
    for (size_t i = 0; i < ITEMS; i++) cr_assert_eq(c.item[i], i < n_items, "item %zu", i);
    cr_assert_eq(c.bad_thread, 0);
}

Test(parallel, runs_every_item_once_with_any_number_of_threads)
{
    for (uint32_t threads = 1; threads < 20; threads += 3) {
        vs_pool *pool = NULL;
        cr_assert_eq(vs_pool_new(&pool, threads), VS_OK);
        cr_expect_eq(vs_pool_threads(pool), threads);
        for (size_t n = 0; n < 40; n++) expect_each_once(pool, n);
        for (int again = 0; again < 50; again++) expect_each_once(pool, ITEMS);
        vs_pool_free(pool);
    }
}

Test(parallel, no_pool_is_a_plain_loop)
{
    cr_expect_eq(vs_pool_threads(NULL), 1);
    expect_each_once(NULL, 0);
    expect_each_once(NULL, ITEMS);
    vs_pool_free(NULL);
}

Test(parallel, refuses_no_threads_and_too_many)
{
    vs_pool *pool = (vs_pool *)&pool;
    cr_expect_eq(vs_pool_new(&pool, 0), VS_ERR_LIMIT);
    cr_expect_null(pool);
    cr_expect_eq(vs_pool_new(&pool, VS_THREADS_MAX + 1), VS_ERR_LIMIT);
    cr_expect_null(pool);
}

/* Threads that never had work end as well. */
Test(parallel, an_idle_pool_ends)
{
    for (int i = 0; i < 20; i++) {
        vs_pool *pool = NULL;
        cr_assert_eq(vs_pool_new(&pool, 4), VS_OK);
        vs_pool_free(pool);
    }
}
