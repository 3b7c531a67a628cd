/* AVX-512 (F, BW, VL, DQ, IFMA, VAES): the table and its simple loops. */
#include "mpc/kernels_avx512.h"

#include "mpc/kernels_slots.h"

/* Ahead of loops that stream from memory: 16 lines, which is what the latency costs. A prefetch
 * never faults, so it may run past the end. */
#define PREFETCH_ELEMENTS 128u

INLINE void prefetch(const vs_fe *x)
{
    _mm_prefetch((const char *)((uintptr_t)x + PREFETCH_ELEMENTS * sizeof *x), _MM_HINT_T0);
}

static void add(vs_fe *acc, const vs_fe *x, size_t n)
{
    for (size_t i = 0; i < n; i += V8_LANES) {
        __mmask8 m = n - i < V8_LANES ? v8_first(n - i) : 0xff;
        prefetch(acc + i);
        prefetch(x + i);
        v8_store(acc + i, m, v8_add(v8_load(acc + i, m), v8_load(x + i, m)));
    }
}

static void sub(vs_fe *acc, const vs_fe *x, size_t n)
{
    for (size_t i = 0; i < n; i += V8_LANES) {
        __mmask8 m = n - i < V8_LANES ? v8_first(n - i) : 0xff;
        v8_store(acc + i, m, v8_sub(v8_load(acc + i, m), v8_load(x + i, m)));
    }
}

/* 8 canonical values are below 2^64: one reduction for all rows. */
INLINE void add_n_rows(vs_fe *acc, const vs_fe *const *rows, unsigned n_rows, size_t first,
                       size_t n)
{
    for (size_t i = 0; i < n; i += V8_LANES) {
        __mmask8 m = n - i < V8_LANES ? v8_first(n - i) : 0xff;
        v8 sum = v8_load(acc + i, m);
        prefetch(acc + i);
        UNROLL for (unsigned a = 0; a < n_rows; a++)
        {
            prefetch(rows[a] + first + i);
            sum = _mm512_add_epi64(sum, v8_load(rows[a] + first + i, m));
        }
        v8_store(acc + i, m, v8_reduce(sum));
    }
}

static void add_rows(vs_fe *acc, const vs_fe *const *rows, uint32_t n_rows, size_t first, size_t n)
{
    switch (n_rows) {
    case 0: break;
    case 1: add(acc, rows[0] + first, n); break;
    case 2: add_n_rows(acc, rows, 2, first, n); break;
    case 3: add_n_rows(acc, rows, 3, first, n); break;
    case 4: add_n_rows(acc, rows, 4, first, n); break;
    case 5: add_n_rows(acc, rows, 5, first, n); break;
    case 6: add_n_rows(acc, rows, 6, first, n); break;
    default: add_n_rows(acc, rows, 7, first, n); break;
    }
}

INLINE v8 combine_8(const vs_fe *coef, const vs_fe *const *rows, uint32_t n_rows, size_t at,
                    __mmask8 m)
{
    v8 sum = _mm512_setzero_si512();
    for (uint32_t a = 0; a < n_rows;) {
        uint32_t end = n_rows - a < V8_SUM_PRODUCTS ? n_rows : a + V8_SUM_PRODUCTS;
        v8_sum s = v8_sum_zero();
        for (; a < end; a++) {
            v8 c = v8_set(coef[a].v);
            v8 x = v8_load(rows[a] + at, m);
            s = v8_sum_add(s, x, _mm512_srli_epi64(x, 52), c, v8_set(coef[a].v >> 52));
        }
        sum = v8_add(sum, v8_sum_reduce(s));
    }
    return sum;
}

void vs_avx512_combine(vs_fe *out, const vs_fe *coef, const vs_fe *const *rows, uint32_t n_rows,
                       size_t first, size_t cols)
{
    size_t c = 0;
    for (; cols - c >= 2 * V8_LANES; c += 2 * V8_LANES) { /* two chains of IFMA hide its latency */
        v8 x = combine_8(coef, rows, n_rows, first + c, 0xff);
        v8 y = combine_8(coef, rows, n_rows, first + c + V8_LANES, 0xff);
        v8_store(out + c, 0xff, x);
        v8_store(out + c + V8_LANES, 0xff, y);
    }
    for (; c < cols; c += V8_LANES) {
        __mmask8 m = cols - c < V8_LANES ? v8_first(cols - c) : 0xff;
        v8_store(out + c, m, combine_8(coef, rows, n_rows, first + c, m));
    }
}

/* --- inner products with powers ---------------------------------------------------------------
 *
 * At most VS_POWER_TABLE / 8 = 128 products per lane. */

typedef struct inner_sums {
    v8_sum re, im;
} inner_sums;

INLINE inner_sums inner_step(inner_sums s, const vs_powers *rho, size_t i, v8 x, __mmask8 m)
{
    v8 x1 = _mm512_srli_epi64(x, 52);
    v8 re = v8_load(rho->re + i, m);
    v8 im = v8_load(rho->im + i, m);
    s.re = v8_sum_add(s.re, re, _mm512_srli_epi64(re, 52), x, x1);
    s.im = v8_sum_add(s.im, im, _mm512_srli_epi64(im, 52), x, x1);
    return s;
}

INLINE vs_fe2 inner_loop(vs_fe *acc, const vs_powers *rho, const vs_fe *x, size_t n)
{
    inner_sums s = {v8_sum_zero(), v8_sum_zero()};
    for (size_t i = 0; i < n; i += V8_LANES) {
        __mmask8 m = n - i < V8_LANES ? v8_first(n - i) : 0xff;
        v8 v = v8_load(x + i, m);
        prefetch(x + i);
        s = inner_step(s, rho, i, v, m);
        if (acc == NULL) continue;
        prefetch(acc + i);
        v8_store(acc + i, m, v8_add(v8_load(acc + i, m), v));
    }
    return (vs_fe2){v8_horizontal(v8_sum_reduce(s.re)), v8_horizontal(v8_sum_reduce(s.im))};
}

vs_fe2 vs_avx512_inner(const vs_powers *rho, const vs_fe *x, size_t n)
{
    return inner_loop(NULL, rho, x, n);
}

vs_fe2 vs_avx512_add_inner(vs_fe *acc, const vs_powers *rho, const vs_fe *x, size_t n)
{
    return inner_loop(acc, rho, x, n);
}

/* --- decoding ----------------------------------------------------------------------------------
 */

static uint64_t decode(vs_fe *out, const uint8_t *in, size_t n)
{
    __mmask8 bad = 0; /* no early exit: the time must not tell which element was bad */
    for (size_t i = 0; i < n; i += V8_LANES) {
        __mmask8 m = n - i < V8_LANES ? v8_first(n - i) : 0xff;
        v8 x = _mm512_maskz_loadu_epi64(m, in + i * VS_FE_BYTES);
        __mmask8 wrong = _mm512_cmpge_epu64_mask(x, v8_p());
        bad |= wrong;
        v8_store(out + i, m, _mm512_maskz_mov_epi64((__mmask8)~wrong, x));
    }
    return bad;
}

const vs_kernels vs_kernels_avx512 = {
    .name = "avx512",
    .add = add,
    .sub = sub,
    .add_rows = add_rows,
    .share = vs_avx512_share,
    .draws = vs_avx512_draws,
    .share_drawn = vs_avx512_share_drawn,
    .finish = vs_avx512_finish,
    .combine = vs_avx512_combine,
    .inner = vs_avx512_inner,
    .add_inner = vs_avx512_add_inner,
    .decode = decode,
    .pack = vs_slots_pack,
    .unpack = vs_slots_unpack,
    .aes_key = vs_avx512_aes_key,
    .words = vs_avx512_words,
    .elements = vs_avx512_elements,
};
