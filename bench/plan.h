/* bench/plan.h - inside bench/: one operation beside its floors and baselines. */
#ifndef VS_BENCH_PLAN_H
#define VS_BENCH_PLAN_H

#include "bench/bench.h"
#include "bench/memory.h"
#include "bench/timing.h"
#include "bench/traffic.h"
#include "mpc/parallel.h"
#include "mpc/prg.h"

#define VS_BENCH_MOVES 4u /* ways to read and write at once */

/* Columns that one thread takes at a time. */
#define VS_BENCH_SLICE ((size_t)65536)
static inline size_t vs_bench_slices(size_t cols)
{
    return (cols + VS_BENCH_SLICE - 1) / VS_BENCH_SLICE;
}

/* What a plan can measure; a slot without run is not measured. */
typedef enum vs_bench_slot {
    VS_BENCH_OP,
    VS_BENCH_PRG,        /* floor: the streams it needs, alone, in cache */
    VS_BENCH_READ,       /* floor: its input read */
    VS_BENCH_WRITE,      /* floor: its output written, ordinary stores */
    VS_BENCH_WRITE_PAST, /* the same, non-temporal stores */
    VS_BENCH_MOVE,       /* both at once, a tile of every row at a time: four ways */
    VS_BENCH_CHANGE = VS_BENCH_MOVE + VS_BENCH_MOVES, /* read and changed in place: two ways */
    VS_BENCH_CHANGE_2,
    VS_BENCH_GMP,
    VS_BENCH_FLINT,
    VS_BENCH_ISAL,
    VS_BENCH_ACCUMULATE, /* of verify */
    VS_BENCH_HASH_MANY,  /* client: the first part as our own code does it */
    VS_BENCH_PART,       /* first unavoidable part */
    VS_BENCH_SLOTS = VS_BENCH_PART + 3,
} vs_bench_slot;

typedef struct vs_bench_plan {
    vs_bench_work work[VS_BENCH_SLOTS];
    const char *part_name[VS_BENCH_SLOTS - VS_BENCH_PART];
    double bytes; /* read and written by one run of the operation */
} vs_bench_plan;

/* Measure all of it and fill *out. */
VS_MUST_CHECK vs_err vs_bench_plan_run(vs_bench_result *out, const vs_bench_plan *plan,
                                       const vs_bench_spec *spec);

/* Streams of `streams` for cols elements each, drawn a tile at a time into a buffer in L1. */
typedef struct vs_bench_prg {
    vs_prg *stream[VS_SHAREHOLDERS_MAX];
    uint32_t n;
    size_t cols;
    vs_pool *pool;
} vs_bench_prg;
/* Streams from the fixed seeds salt, salt+1, ... */
VS_MUST_CHECK vs_err vs_bench_prg_new(vs_bench_prg *out, uint32_t n, uint8_t salt, size_t cols,
                                      vs_pool *pool);
void vs_bench_prg_free(vs_bench_prg *prg);
void vs_bench_prg_run(void *prg);

/* Floors over whole rows. */
typedef struct vs_bench_floor {
    vs_bench_rows *rows;
    vs_bench_rows *in;  /* move: read beside rows */
    const vs_fe *other; /* change: the second row */
    vs_pool *pool;
    uint64_t sink; /* keeps reads alive */
    uint32_t way;
    const vs_bench_traffic *traffic;
} vs_bench_floor;
/* Floors of one plan: the same rows, several ways. */
typedef struct vs_bench_floors {
    vs_bench_floor read, write, move[VS_BENCH_MOVES], change[2];
} vs_bench_floors;
/* Read in, write out (either may be NULL): fills the slots of the plan, which borrows floors. */
void vs_bench_floor_plan(vs_bench_plan *plan, vs_bench_floors *floors, vs_bench_rows *in,
                         vs_bench_rows *out, vs_pool *pool, double elements);
/* rows changed in place, other read beside them. */
void vs_bench_floor_change(vs_bench_plan *plan, vs_bench_floors *floors, vs_bench_rows *rows,
                           const vs_fe *other, vs_pool *pool, double elements);

/* One line for a wrong result. */
vs_err vs_bench_wrong(const vs_bench_spec *spec, vs_diag *diag, size_t column);

/* The operations. */
typedef vs_err vs_bench_op(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag);
vs_bench_op vs_bench_share, vs_bench_reconstruct, vs_bench_accumulate, vs_bench_expand,
    vs_bench_prove, vs_bench_verify, vs_bench_pack, vs_bench_client, vs_bench_shareholder;

#endif /* VS_BENCH_PLAN_H */
