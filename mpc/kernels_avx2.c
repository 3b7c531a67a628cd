/* AVX2 with AES-NI: the table and its simple loops. */
#include "mpc/kernels_avx2.h"

#include "mpc/kernels_slots.h"

/* Ahead of loops that stream from memory: 16 lines. A prefetch never faults, so it may run past
 * the end. */
#define PREFETCH_ELEMENTS 128u

INLINE void prefetch(const vs_fe *x)
{
    _mm_prefetch((const char *)((uintptr_t)x + PREFETCH_ELEMENTS * sizeof *x), _MM_HINT_T0);
}

static void add(vs_fe *acc, const vs_fe *x, size_t n)
{
    size_t i = 0;
    for (; n - i >= 2 * V4_LANES; i += 2 * V4_LANES) { /* one line */
        prefetch(acc + i);
        prefetch(x + i);
        v4_store(acc + i, v4_add(v4_load(acc + i), v4_load(x + i)));
        v4_store(acc + i + V4_LANES,
                 v4_add(v4_load(acc + i + V4_LANES), v4_load(x + i + V4_LANES)));
    }
    for (; i < n; i++) acc[i] = vs_fe_add(acc[i], x[i]);
}

static void sub(vs_fe *acc, const vs_fe *x, size_t n)
{
    size_t i = 0;
    for (; n - i >= V4_LANES; i += V4_LANES) {
        v4_store(acc + i, v4_sub(v4_load(acc + i), v4_load(x + i)));
    }
    for (; i < n; i++) acc[i] = vs_fe_sub(acc[i], x[i]);
}

/* 8 canonical values are below 2^64: one reduction for all rows. */
INLINE void add_n_rows(vs_fe *acc, const vs_fe *const *rows, unsigned n_rows, size_t first,
                       size_t n)
{
    size_t i = 0;
    for (; n - i >= 2 * V4_LANES; i += 2 * V4_LANES) {
        v4 low = v4_load(acc + i);
        v4 high = v4_load(acc + i + V4_LANES);
        prefetch(acc + i);
        UNROLL for (unsigned a = 0; a < n_rows; a++)
        {
            const vs_fe *x = rows[a] + first + i;
            prefetch(x);
            low = _mm256_add_epi64(low, v4_load(x));
            high = _mm256_add_epi64(high, v4_load(x + V4_LANES));
        }
        v4_store(acc + i, v4_reduce(low));
        v4_store(acc + i + V4_LANES, v4_reduce(high));
    }
    vs_kernels_portable.add_rows(acc + i, rows, n_rows, first + i, n - i);
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

/* Coefficients cut into limbs once for all columns. */
#define COMBINE_ROWS 128u
typedef uint64_t coef_limbs[3];

INLINE v4 combine_4(const coef_limbs *c, const vs_fe *const *rows, uint32_t n_rows, size_t at)
{
    v4_sum s = v4_sum_zero(); /* n_rows < V4_SUM_PRODUCTS */
    for (uint32_t a = 0; a < n_rows; a++) {
        const v4_c limbs = {v4_set(c[a][0]), v4_set(c[a][1]), v4_set(c[a][2])};
        s = v4_sum_add(s, v4_x_of(v4_load(rows[a] + at)), limbs);
    }
    return v4_sum_reduce(s);
}

static void combine(vs_fe *out, const vs_fe *coef, const vs_fe *const *rows, uint32_t n_rows,
                    size_t first, size_t cols)
{
    coef_limbs c[COMBINE_ROWS];
    size_t whole = cols - cols % V4_LANES;
    uint32_t done = 0;
    do {
        uint32_t part = n_rows - done < COMBINE_ROWS ? n_rows - done : COMBINE_ROWS;
        for (uint32_t a = 0; a < part; a++) {
            uint64_t v = coef[done + a].v;
            c[a][0] = v & ((1u << 21) - 1);
            c[a][1] = (v >> 21) & ((1u << 21) - 1);
            c[a][2] = v >> 42;
        }
        for (size_t i = 0; i < whole; i += V4_LANES) {
            v4 sum = combine_4((const coef_limbs *)c, rows + done, part, first + i);
            v4_store(out + i, done == 0 ? sum : v4_add(sum, v4_load(out + i)));
        }
        done += part;
    } while (done < n_rows);
    vs_kernels_portable.combine(out + whole, coef, rows, n_rows, first + whole, cols - whole);
}

/* --- inner products with powers: at most VS_POWER_TABLE / 4 = 256 products per lane --------------
 */

INLINE vs_fe horizontal(v4 x) /* 4 canonical lanes add to less than 2^63 */
{
    uint64_t lane[V4_LANES];
    v4_store(lane, x);
    return vs_fe_reduce_word(lane[0] + lane[1] + lane[2] + lane[3]);
}

INLINE vs_fe2 inner_loop(vs_fe *acc, const vs_powers *rho, const vs_fe *x, size_t n)
{
    v4_sum re = v4_sum_zero();
    v4_sum im = v4_sum_zero();
    size_t i = 0;
    for (; n - i >= V4_LANES; i += V4_LANES) {
        v4 v = v4_load(x + i);
        v4_x limbs = v4_x_of(v);
        re = v4_sum_add(re, limbs, v4_c_of(v4_load(rho->re + i)));
        im = v4_sum_add(im, limbs, v4_c_of(v4_load(rho->im + i)));
        prefetch(x + i);
        if (acc == NULL) continue;
        prefetch(acc + i);
        v4_store(acc + i, v4_add(v4_load(acc + i), v));
    }
    vs_fe2 sum = {horizontal(v4_sum_reduce(re)), horizontal(v4_sum_reduce(im))};
    for (; i < n; i++) {
        sum = vs_fe2_add(sum, vs_fe2_scale((vs_fe2){rho->re[i], rho->im[i]}, x[i]));
        if (acc != NULL) acc[i] = vs_fe_add(acc[i], x[i]);
    }
    return sum;
}

static vs_fe2 inner(const vs_powers *rho, const vs_fe *x, size_t n)
{
    return inner_loop(NULL, rho, x, n);
}

static vs_fe2 add_inner(vs_fe *acc, const vs_powers *rho, const vs_fe *x, size_t n)
{
    return inner_loop(acc, rho, x, n);
}

/* --- decoding ----------------------------------------------------------------------------------
 */

static uint64_t decode(vs_fe *out, const uint8_t *in, size_t n)
{
    v4 bad = _mm256_setzero_si256(); /* no early exit: the time must not tell which was bad */
    uint64_t rest = 0;
    size_t i = 0;
    for (; n - i >= V4_LANES; i += V4_LANES) {
        v4 x = v4_load(in + i * VS_FE_BYTES);
        /* Signed: from 2^63 on x is negative, so that needs a look at the top bit too. */
        v4 above = _mm256_cmpgt_epi64(x, v4_set(VS_FE_P - 1));
        v4 wrong = _mm256_or_si256(above, _mm256_cmpgt_epi64(_mm256_setzero_si256(), x));
        bad = _mm256_or_si256(bad, wrong);
        v4_store(out + i, _mm256_andnot_si256(wrong, x));
    }
    for (; i < n; i++) rest |= vs_fe_decode(&out[i], in + i * VS_FE_BYTES);
    return rest | (uint64_t)(uint32_t)_mm256_movemask_epi8(bad);
}

const vs_kernels vs_kernels_avx2 = {
    .name = "avx2",
    .add = add,
    .sub = sub,
    .add_rows = add_rows,
    .share = vs_avx2_share,
    .draws = vs_avx2_knows,
    .share_drawn = vs_avx2_share_drawn,
    .finish = vs_avx2_finish,
    .combine = combine,
    .inner = inner,
    .add_inner = add_inner,
    .decode = decode,
    .pack = vs_slots_pack,
    .unpack = vs_slots_unpack,
    .aes_key = vs_avx2_aes_key,
    .words = vs_avx2_words,
    .elements = vs_avx2_elements,
};
