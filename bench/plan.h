/* bench/plan.h - inside bench/: one operation beside its floors and baselines. */
#ifndef VS_BENCH_PLAN_H
#define VS_BENCH_PLAN_H

#include "bench/bench.h"
#include "bench/memory.h"
#include "bench/timing.h"
#include "mpc/parallel.h"
#include "mpc/prg.h"

/* What a plan can measure; a slot without run is not measured. */
typedef enum vs_bench_slot {
    VS_BENCH_OP,
    VS_BENCH_PRG,        /* floor: the streams it needs, alone, in cache */
    VS_BENCH_READ,       /* floor: its input read */
    VS_BENCH_WRITE,      /* floor: its output written, ordinary stores */
    VS_BENCH_WRITE_PAST, /* the same, non-temporal stores */
    VS_BENCH_MOVE,       /* both at once, a tile of every row at a time */
    VS_BENCH_CHANGE,     /* floor: read and changed in place */
    VS_BENCH_GMP,
    VS_BENCH_FLINT,
    VS_BENCH_ISAL,
    VS_BENCH_ACCUMULATE, /* of verify */
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
} vs_bench_floor;
void vs_bench_floor_read(void *floor);
void vs_bench_floor_write(void *floor);
void vs_bench_floor_write_past(void *floor);
void vs_bench_floor_change(void *floor);
void vs_bench_floor_move(void *floor);
/* Read in, write out: fills the slots of the plan. */
void vs_bench_floor_plan(vs_bench_plan *plan, vs_bench_floor *in, vs_bench_floor *out,
                         double elements);

/* One line for a wrong result. */
vs_err vs_bench_wrong(const vs_bench_spec *spec, vs_diag *diag, size_t column);

/* The operations. */
typedef vs_err vs_bench_op(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag);
vs_bench_op vs_bench_share, vs_bench_reconstruct, vs_bench_accumulate, vs_bench_expand,
    vs_bench_prove, vs_bench_verify, vs_bench_pack, vs_bench_client, vs_bench_shareholder;

#endif /* VS_BENCH_PLAN_H */
