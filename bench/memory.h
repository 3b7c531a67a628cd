/* bench/memory.h - buffers of rows, and how fast memory alone could be read and written. */
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

/* Streaming over a row: all bytes read; all bytes written by ordinary and by non-temporal stores;
 * read, changed and written in place with a second row read beside it. */
uint64_t vs_bench_read(const vs_fe *row, size_t cols);
void vs_bench_write(vs_fe *row, size_t cols);
void vs_bench_write_past(vs_fe *row, size_t cols); /* vs_bench_fence after the last one */
void vs_bench_fence(void);
void vs_bench_change(vs_fe *row, const vs_fe *other, size_t cols);

#endif /* VS_BENCH_MEMORY_H */
