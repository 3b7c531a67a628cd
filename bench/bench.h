/* bench/bench.h - `veilsum bench`: what one operation costs, and what it could cost at best.
 *
 * An operation and the floors and baselines it is compared with are measured in turn, many short
 * repetitions each, so that a noisy machine disturbs all of them alike; medians are reported. The
 * result of the operation is checked once, against the portable kernels or plain arithmetic. */
#ifndef VS_BENCH_BENCH_H
#define VS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define VS_BENCH_LEN_MAX (UINT64_C(1) << 27)
#define VS_BENCH_REPS_MAX 10000u

typedef struct vs_bench_spec {
    const char *name;     /* one of vs_bench_name */
    uint32_t n, t, k;     /* committee */
    uint64_t len;         /* packed elements, k * columns (client: coordinates) */
    uint32_t threads;     /* more than 1: share, reconstruct, accumulate, expand, client */
    uint32_t reps;        /* samples of each part; 0: what takes a few seconds */
    uint32_t bits;        /* pack, client: quantised bits */
    uint32_t max_clients; /* pack, client: N */
    bool baselines;       /* GMP, FLINT, ISA-L as well */
    bool corrupt;         /* tests: damage the result before it is checked */
} vs_bench_spec;

/* ns per element of len; NAN where it does not apply. */
typedef struct vs_bench_stat {
    double median, p10, p90, min;
} vs_bench_stat;

#define VS_BENCH_PARTS_MAX 6u
typedef struct vs_bench_part {
    const char *name;
    double ns;
} vs_bench_part;

typedef struct vs_bench_result {
    vs_bench_stat time;
    uint64_t len; /* as measured: whole columns */
    uint32_t reps;
    double gb_per_s;                /* bytes read and written by the operation */
    double floor_prg, floor_memory; /* ns per element */
    double ratio_to_floor;          /* larger floor / median */
    double gmp, flint, isal;        /* ns per element, k = 1 */
    double accumulate;              /* verify: accumulate alone */
    uint32_t n_parts;               /* client, shareholder: unavoidable parts */
    vs_bench_part part[VS_BENCH_PARTS_MAX];
    double ratio_to_parts;     /* median / their sum */
    double hash_many;          /* client: the part "hash" by our hash of many leaves at once */
    double ratio_to_own_parts; /* median / the sum with that instead */
    double peak_memory_mb;     /* client: of this process */
} vs_bench_result;

/* Names in the order of the manual; NULL at the end. */
const char *vs_bench_name(uint32_t i);
/* VS_ERR_LIMIT: parameters; VS_ERR_PROOF: the result is wrong; VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_bench_run(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag);
/* Model name of this machine's processor, or "unknown". */
void vs_bench_cpu(char *out, uint32_t cap);

#endif /* VS_BENCH_BENCH_H */
