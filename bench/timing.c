#include "bench/timing.h"

#include <stdlib.h>
#include <time.h>

enum { REPS_MIN = 7, REPS_MAX = 201 };
static const double sample_ns = 2e5; /* clock steps and calls are far below */
static const double budget_ns = 2e9;

static double now(bool wall)
{
    struct timespec ts;
    VS_ASSERT(clock_gettime(wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &ts) == 0);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double time_of(const vs_bench_work *w, uint32_t times, bool wall)
{
    double start = now(wall);
    for (uint32_t i = 0; i < times; i++) w->run(w->ctx);
    return now(wall) - start;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, uint32_t n, double q)
{
    double at = q * (n - 1);
    uint32_t low = (uint32_t)at;
    if (low + 1 >= n) return sorted[n - 1];
    return sorted[low] + (at - low) * (sorted[low + 1] - sorted[low]);
}

/* How often each work is run in one sample, and the time of one sample of all of them. */
static double calibrate(uint32_t *times, const vs_bench_work *work, uint32_t n_works, bool wall)
{
    double total = 0;
    for (uint32_t w = 0; w < n_works; w++) {
        double once = time_of(&work[w], 1, wall); /* warm-up: pages, tables, clock frequency */
        if (once < budget_ns / 4) once = time_of(&work[w], 1, wall);
        times[w] = 1;
        while (once * times[w] < sample_ns && times[w] < 1000000) times[w] *= 2;
        total += once * times[w];
    }
    return total;
}

static uint32_t choose_reps(double sample)
{
    double reps = sample > 0 ? budget_ns / sample : REPS_MAX;
    if (reps > REPS_MAX) return REPS_MAX;
    return reps < REPS_MIN ? REPS_MIN : (uint32_t)reps;
}

vs_err vs_bench_measure(vs_bench_stat *stat, const vs_bench_work *work, uint32_t n_works, bool wall,
                        uint32_t *reps)
{
    uint32_t times[VS_BENCH_WORKS_MAX];
    VS_ASSERT(n_works >= 1 && n_works <= VS_BENCH_WORKS_MAX && *reps <= VS_BENCH_REPS_MAX);
    double sample = calibrate(times, work, n_works, wall);
    if (*reps == 0) *reps = choose_reps(sample);
    double *ns = calloc((size_t)*reps * n_works, sizeof *ns);
    if (ns == NULL) return VS_ERR_NOMEM;
    for (uint32_t i = 0; i < *reps; i++) {
        for (uint32_t w = 0; w < n_works; w++) {
            ns[(size_t)w * *reps + i] =
                time_of(&work[w], times[w], wall) / times[w] / work[w].elements;
        }
    }
    for (uint32_t w = 0; w < n_works; w++) {
        double *mine = ns + (size_t)w * *reps;
        qsort(mine, *reps, sizeof *mine, compare);
        stat[w] = (vs_bench_stat){.median = quantile(mine, *reps, 0.5),
                                  .p10 = quantile(mine, *reps, 0.1),
                                  .p90 = quantile(mine, *reps, 0.9),
                                  .min = mine[0]};
    }
    free(ns);
    return VS_OK;
}
