#define _DEFAULT_SOURCE /* madvise: large pages */
#include "bench/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mpc/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

#if defined(__x86_64__)

/* Lines of 64 bytes, software prefetch 1 KiB ahead as in the kernels; AVX where there is AVX. */
#define AHEAD 1024
#define AVX __attribute__((target("avx")))

static AVX uint64_t read_avx(const vs_fe *row, size_t cols)
{
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    uint64_t out[4];
    size_t i = 0;
    for (; i + 16 <= cols; i += 16) {
        const char *p = (const char *)(row + i);
        _mm_prefetch(p + AHEAD, _MM_HINT_T0);
        _mm_prefetch(p + AHEAD + 64, _MM_HINT_T0);
        a = _mm256_castps_si256(
            _mm256_xor_ps(_mm256_castsi256_ps(a), _mm256_loadu_ps((const float *)(const void *)p)));
        b = _mm256_castps_si256(_mm256_xor_ps(
            _mm256_castsi256_ps(b), _mm256_loadu_ps((const float *)(const void *)(p + 32))));
        c = _mm256_castps_si256(_mm256_xor_ps(
            _mm256_castsi256_ps(c), _mm256_loadu_ps((const float *)(const void *)(p + 64))));
        d = _mm256_castps_si256(_mm256_xor_ps(
            _mm256_castsi256_ps(d), _mm256_loadu_ps((const float *)(const void *)(p + 96))));
    }
    _mm256_storeu_si256((__m256i *)(void *)out, a);
    uint64_t sum = out[0] ^ out[1] ^ out[2] ^ out[3];
    _mm256_storeu_si256((__m256i *)(void *)out, b);
    sum ^= out[0];
    _mm256_storeu_si256((__m256i *)(void *)out, c);
    sum ^= out[0];
    _mm256_storeu_si256((__m256i *)(void *)out, d);
    sum ^= out[0];
    for (; i < cols; i++) sum ^= row[i].v;
    return sum;
}

static AVX void write_avx(vs_fe *row, size_t cols)
{
    const __m256i v = _mm256_set1_epi64x(0x0123456789abcdef);
    size_t i = 0;
    for (; i + 8 <= cols; i += 8) {
        _mm256_storeu_si256((__m256i *)(void *)(row + i), v);
        _mm256_storeu_si256((__m256i *)(void *)(row + i + 4), v);
    }
    for (; i < cols; i++) row[i].v = 1;
}

static AVX void write_past_avx(vs_fe *row, size_t cols)
{
    const __m256i v = _mm256_set1_epi64x(0x0123456789abcdef);
    size_t i = 0;
    for (; i + 8 <= cols; i += 8) {
        _mm256_stream_si256((__m256i *)(void *)(row + i), v);
        _mm256_stream_si256((__m256i *)(void *)(row + i + 4), v);
    }
    for (; i < cols; i++) row[i].v = 1;
}

static __attribute__((target("avx512f"))) void write_past_avx512(vs_fe *row, size_t cols)
{
    const __m512i v = _mm512_set1_epi64(0x0123456789abcdef);
    size_t i = 0;
    for (; i + 8 <= cols; i += 8) _mm512_stream_si512((__m512i *)(void *)(row + i), v);
    for (; i < cols; i++) row[i].v = 1;
}

static __attribute__((target("avx2"))) void change_avx2(vs_fe *row, const vs_fe *other, size_t cols)
{
    size_t i = 0;
    for (; i + 8 <= cols; i += 8) {
        __m256i *p = (__m256i *)(void *)(row + i);
        const __m256i *q = (const __m256i *)(const void *)(other + i);
        _mm_prefetch((const char *)p + AHEAD, _MM_HINT_T0);
        _mm_prefetch((const char *)q + AHEAD, _MM_HINT_T0);
        _mm256_storeu_si256(p, _mm256_xor_si256(_mm256_loadu_si256(p), _mm256_loadu_si256(q)));
        _mm256_storeu_si256(p + 1,
                            _mm256_xor_si256(_mm256_loadu_si256(p + 1), _mm256_loadu_si256(q + 1)));
    }
    for (; i < cols; i++) row[i].v ^= other[i].v;
}

uint64_t vs_bench_read(const vs_fe *row, size_t cols)
{
    if (vs_isa_supported("avx2")) return read_avx(row, cols);
    uint64_t sum = 0;
    for (size_t i = 0; i < cols; i++) sum ^= row[i].v;
    return sum;
}

void vs_bench_write(vs_fe *row, size_t cols)
{
    if (vs_isa_supported("avx2")) {
        write_avx(row, cols);
    } else {
        memset(row, 1, cols * sizeof *row);
    }
}

void vs_bench_write_past(vs_fe *row, size_t cols)
{
    if (vs_isa_supported("avx512")) {
        write_past_avx512(row, cols);
    } else if (vs_isa_supported("avx2")) {
        write_past_avx(row, cols);
    } else {
        memset(row, 1, cols * sizeof *row);
    }
}

void vs_bench_fence(void)
{
    _mm_sfence();
}

void vs_bench_change(vs_fe *row, const vs_fe *other, size_t cols)
{
    if (vs_isa_supported("avx2")) {
        change_avx2(row, other, cols);
    } else {
        for (size_t i = 0; i < cols; i++) row[i].v ^= other[i].v;
    }
}

#else

uint64_t vs_bench_read(const vs_fe *row, size_t cols)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < cols; i++) sum ^= row[i].v;
    return sum;
}

void vs_bench_write(vs_fe *row, size_t cols)
{
    memset(row, 1, cols * sizeof *row);
}

void vs_bench_write_past(vs_fe *row, size_t cols)
{
    memset(row, 1, cols * sizeof *row);
}

void vs_bench_fence(void)
{
}

void vs_bench_change(vs_fe *row, const vs_fe *other, size_t cols)
{
    for (size_t i = 0; i < cols; i++) row[i].v ^= other[i].v;
}

#endif
