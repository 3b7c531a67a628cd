/* bench/timing.h - samples of several pieces of work, taken in turn.
 *
 * Thread CPU time where one thread works (another process on the same core does not count), wall
 * time where several do. */
#ifndef VS_BENCH_TIMING_H
#define VS_BENCH_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/bench.h"

#define VS_BENCH_WORKS_MAX 24u

typedef struct vs_bench_work {
    void (*run)(void *ctx);
    void *ctx;
    double elements; /* that one run handles: what its time is divided by */
} vs_bench_work;

/* Run each once to warm up, then take reps samples of each in turn (0: about two seconds, 7 to 201
 * samples). A sample runs the work as often as needed for a readable time. *reps: how many. */
VS_MUST_CHECK vs_err vs_bench_measure(vs_bench_stat *stat, const vs_bench_work *work,
                                      uint32_t n_works, bool wall, uint32_t *reps);

#endif /* VS_BENCH_TIMING_H */
