#include "bench/traffic.h"

#include <string.h>

#include "mpc/isa.h"

#define LINE ((size_t)8) /* elements of 64 bytes */

#if defined(__x86_64__)

#include <immintrin.h>

#define AHEAD 1024 /* bytes; a prefetch never faults */

/* One line of 64 bytes in registers: 1 of 512 bits or 2 of 256. */
#define INLINE(isa) static inline __attribute__((always_inline, target(isa)))

typedef struct line512 {
    __m512i v;
} line512;

typedef struct line256 {
    __m256i low, high;
} line256;

INLINE("avx512f") line512 load_512(const vs_fe *p)
{
    return (line512){_mm512_loadu_si512(p)};
}

INLINE("avx512f") line512 mix_512(line512 a, line512 b)
{
    return (line512){_mm512_xor_si512(a.v, b.v)};
}

INLINE("avx512f") void put_512(vs_fe *p, line512 x)
{
    _mm512_storeu_si512(p, x.v);
}

INLINE("avx512f") void put_past_512(vs_fe *p, line512 x)
{
    _mm512_stream_si512((void *)p, x.v);
}

INLINE("avx2") line256 load_256(const vs_fe *p)
{
    const __m256i *from = (const __m256i *)(const void *)p;
    return (line256){_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)};
}

INLINE("avx2") line256 mix_256(line256 a, line256 b)
{
    return (line256){_mm256_xor_si256(a.low, b.low), _mm256_xor_si256(a.high, b.high)};
}

INLINE("avx2") void put_256(vs_fe *p, line256 x)
{
    __m256i *to = (__m256i *)(void *)p;
    _mm256_storeu_si256(to, x.low);
    _mm256_storeu_si256(to + 1, x.high);
}

INLINE("avx2") void put_past_256(vs_fe *p, line256 x)
{
    __m256i *to = (__m256i *)(void *)p;
    _mm256_stream_si256(to, x.low);
    _mm256_stream_si256(to + 1, x.high);
}

/* The loops once for each width. */
#define TRAFFIC(width, isa)                                                                        \
    __attribute__((target(isa))) static uint64_t read_##width(const vs_fe *row, size_t cols)       \
    {                                                                                              \
        static const vs_fe zeros[LINE];                                                            \
        vs_fe out[LINE];                                                                           \
        line##width a = load_##width(zeros), b = a;                                                \
        uint64_t sum = 0;                                                                          \
        size_t i = 0;                                                                              \
        for (; i + 2 * LINE <= cols; i += 2 * LINE) {                                              \
            const char *ahead = (const char *)((uintptr_t)(row + i) + AHEAD);                      \
            _mm_prefetch(ahead, _MM_HINT_T0);                                                      \
            _mm_prefetch(ahead + 64, _MM_HINT_T0);                                                 \
            a = mix_##width(a, load_##width(row + i));                                             \
            b = mix_##width(b, load_##width(row + i + LINE));                                      \
        }                                                                                          \
        for (; i < cols; i++) sum ^= row[i].v;                                                     \
        put_##width(out, mix_##width(a, b));                                                       \
        for (i = 0; i < LINE; i++) sum ^= out[i].v;                                                \
        return sum;                                                                                \
    }                                                                                              \
    __attribute__((target(isa))) static void write_##width(vs_fe *row, size_t cols)                \
    {                                                                                              \
        static const vs_fe zeros[LINE];                                                            \
        const line##width v = load_##width(zeros);                                                 \
        size_t i = 0;                                                                              \
        for (; i + LINE <= cols; i += LINE) put_##width(row + i, v);                               \
        for (; i < cols; i++) row[i].v = 1;                                                        \
    }                                                                                              \
    __attribute__((target(isa))) static void write_past_##width(vs_fe *row, size_t cols)           \
    {                                                                                              \
        static const vs_fe zeros[LINE];                                                            \
        const line##width v = load_##width(zeros);                                                 \
        size_t i = 0;                                                                              \
        for (; i + LINE <= cols; i += LINE) put_past_##width(row + i, v);                          \
        for (; i < cols; i++) row[i].v = 1;                                                        \
        _mm_sfence();                                                                              \
    }                                                                                              \
    __attribute__((target(isa))) static void change_##width(vs_fe *row, const vs_fe *other,        \
                                                            size_t cols)                           \
    {                                                                                              \
        size_t i = 0;                                                                              \
        for (; i + LINE <= cols; i += LINE) {                                                      \
            _mm_prefetch((const char *)((uintptr_t)(row + i) + AHEAD), _MM_HINT_T0);               \
            _mm_prefetch((const char *)((uintptr_t)(other + i) + AHEAD), _MM_HINT_T0);             \
            put_##width(row + i, mix_##width(load_##width(row + i), load_##width(other + i)));     \
        }                                                                                          \
        for (; i < cols; i++) row[i].v ^= other[i].v;                                              \
    }                                                                                              \
    __attribute__((target(isa))) static uint64_t move_##width(const vs_bench_move_work *w)         \
    {                                                                                              \
        static const vs_fe zeros[LINE];                                                            \
        vs_fe out[LINE];                                                                           \
        line##width v = load_##width(zeros);                                                       \
        size_t whole = w->at + (w->end - w->at) / LINE * LINE;                                     \
        for (size_t at = w->at; at < whole; at += w->tile) {                                       \
            size_t to = whole - at < w->tile ? whole : at + w->tile;                               \
            for (uint32_t i = 0; i < w->n_in; i++) {                                               \
                const vs_fe *row = w->in[i];                                                       \
                for (size_t c = at; c < to; c += LINE) {                                           \
                    _mm_prefetch((const char *)((uintptr_t)(row + c) + AHEAD), _MM_HINT_T0);       \
                    v = mix_##width(v, load_##width(row + c));                                     \
                }                                                                                  \
            }                                                                                      \
            for (uint32_t j = 0; j < w->n_out; j++) {                                              \
                vs_fe *row = w->out[j];                                                            \
                if (w->past) {                                                                     \
                    for (size_t c = at; c < to; c += LINE) put_past_##width(row + c, v);           \
                } else {                                                                           \
                    for (size_t c = at; c < to; c += LINE) put_##width(row + c, v);                \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        for (uint32_t j = 0; j < w->n_out; j++) {                                                  \
            for (size_t c = whole; c < w->end; c++) w->out[j][c].v = 1;                            \
        }                                                                                          \
        _mm_sfence();                                                                              \
        put_##width(out, v);                                                                       \
        return out[0].v;                                                                           \
    }                                                                                              \
    static const vs_bench_traffic traffic_##width = {                                              \
        read_##width, write_##width, write_past_##width, change_##width, move_##width};

TRAFFIC(512, "avx512f")
TRAFFIC(256, "avx2")

#endif

static uint64_t read_plain(const vs_fe *row, size_t cols)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < cols; i++) sum ^= row[i].v;
    return sum;
}

static void write_plain(vs_fe *row, size_t cols)
{
    memset(row, 1, cols * sizeof *row);
}

static void change_plain(vs_fe *row, const vs_fe *other, size_t cols)
{
    for (size_t i = 0; i < cols; i++) row[i].v ^= other[i].v;
}

static uint64_t move_plain(const vs_bench_move_work *w)
{
    uint64_t sum = 0;
    for (size_t at = w->at; at < w->end; at += w->tile) {
        size_t count = w->end - at < w->tile ? w->end - at : w->tile;
        for (uint32_t i = 0; i < w->n_in; i++) sum ^= read_plain(w->in[i] + at, count);
        for (uint32_t j = 0; j < w->n_out; j++) write_plain(w->out[j] + at, count);
    }
    return sum;
}

const vs_bench_traffic *vs_bench_traffic_get(uint32_t i)
{
    static const vs_bench_traffic plain = {read_plain, write_plain, write_plain, change_plain,
                                           move_plain};
#if defined(__x86_64__)
    if (vs_isa_supported("avx512") && i-- == 0) return &traffic_512;
    if (vs_isa_supported("avx2") && i-- == 0) return &traffic_256;
#endif
    return i == 0 ? &plain : NULL;
}
