/* bench/traffic.h - how fast memory alone could be read and written: loops that do nothing else,
 * for every width of store that this machine has, so that the fastest of them is a bound.
 *
 * Rows are aligned to 64 bytes. Loops over whole lines; what is left at the end is done one by
 * one. */
#ifndef VS_BENCH_TRAFFIC_H
#define VS_BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mpc/field.h"

/* A tile of every row of in read, then the same columns of every row of out written, columns
 * at .. end-1; at is a multiple of 8. */
typedef struct vs_bench_move_work {
    vs_fe *const *out;
    const vs_fe *const *in;
    uint32_t n_out, n_in;
    size_t at, end, tile; /* columns; tile a multiple of 8 */
    bool past;            /* non-temporal stores */
} vs_bench_move_work;

typedef struct vs_bench_traffic {
    /* All bytes read; the result depends on them. */
    uint64_t (*read)(const vs_fe *row, size_t cols);
    /* All bytes written, by ordinary and by non-temporal stores (which are done on return). */
    void (*write)(vs_fe *row, size_t cols);
    void (*write_past)(vs_fe *row, size_t cols);
    /* Read, changed and written in place with a second row read beside it. */
    void (*change)(vs_fe *row, const vs_fe *other, size_t cols);
    uint64_t (*move)(const vs_bench_move_work *work);
} vs_bench_traffic;

/* Number i, the widest registers of this machine first; NULL past the last. */
const vs_bench_traffic *vs_bench_traffic_get(uint32_t i);

#endif /* VS_BENCH_TRAFFIC_H */
