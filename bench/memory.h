/* bench/memory.h - buffers of rows. */
#ifndef VS_BENCH_MEMORY_H
#define VS_BENCH_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "mpc/field.h"
#include "mpc/params.h"
#include "mpc/prg.h"

/* n_rows rows of cols elements in one block, each aligned to 64 bytes, on large pages where the
 * system has them, touched. */
typedef struct vs_bench_rows {
    vs_fe *row[VS_SHAREHOLDERS_MAX + 1];
    uint32_t n_rows;
    size_t cols;
    void *block;
} vs_bench_rows;
VS_MUST_CHECK vs_err vs_bench_rows_new(vs_bench_rows *out, uint32_t n_rows, size_t cols);
void vs_bench_rows_free(vs_bench_rows *rows);
/* A plain aligned and touched buffer (free with free()), NULL without memory. */
void *vs_bench_buffer(size_t bytes);
/* Uniform elements from a fixed seed: row i from stream of seed byte `salt + i`. */
VS_MUST_CHECK vs_err vs_bench_rows_random(vs_bench_rows *rows, uint8_t salt);
/* The seed of every bench: the same byte 32 times. */
void vs_bench_seed(uint8_t seed[VS_SEED_BYTES], uint8_t salt);

#endif /* VS_BENCH_MEMORY_H */
