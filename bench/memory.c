#define _DEFAULT_SOURCE /* madvise: large pages */
#include "bench/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES ((size_t)2 << 20)
#define ROW_PAD 72u /* elements: rows of a power of two would share the sets of the caches */

void *vs_bench_buffer(size_t bytes)
{
    size_t align = bytes >= PAGE_BYTES ? PAGE_BYTES : 64;
    void *p = aligned_alloc(align, (bytes + align - 1) / align * align);
    if (p == NULL) return NULL;
    (void)madvise(p, bytes, MADV_HUGEPAGE); /* a wish */
    memset(p, 0, bytes);
    return p;
}

vs_err vs_bench_rows_new(vs_bench_rows *out, uint32_t n_rows, size_t cols)
{
    VS_ASSERT(n_rows <= VS_SHAREHOLDERS_MAX + 1);
    size_t stride = (cols + 7) / 8 * 8 + ROW_PAD;
    memset(out, 0, sizeof *out);
    out->block = vs_bench_buffer((n_rows * stride + 8) * sizeof(vs_fe));
    if (out->block == NULL) return VS_ERR_NOMEM;
    out->n_rows = n_rows;
    out->cols = cols;
    for (uint32_t i = 0; i < n_rows; i++) out->row[i] = (vs_fe *)out->block + i * stride;
    return VS_OK;
}

void vs_bench_rows_free(vs_bench_rows *rows)
{
    free(rows->block);
    memset(rows, 0, sizeof *rows);
}

void vs_bench_seed(uint8_t seed[VS_SEED_BYTES], uint8_t salt)
{
    memset(seed, salt, VS_SEED_BYTES);
}

vs_err vs_bench_rows_random(vs_bench_rows *rows, uint8_t salt)
{
    uint8_t seed[VS_SEED_BYTES];
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        vs_prg *prg = NULL;
        vs_bench_seed(seed, (uint8_t)(salt + i));
        vs_err err = vs_prg_new(&prg, seed, VS_PRG_SHARE);
        if (err != VS_OK) return err;
        vs_prg_fill(prg, rows->row[i], 0, rows->cols);
        vs_prg_free(prg);
    }
    return VS_OK;
}
