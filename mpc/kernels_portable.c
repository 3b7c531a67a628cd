#include "mpc/kernels.h"

#include <string.h>

#include "mpc/kernels_slots.h"

static void add(vs_fe *acc, const vs_fe *x, size_t n)
{
    for (size_t i = 0; i < n; i++) acc[i] = vs_fe_add(acc[i], x[i]);
}

static void sub(vs_fe *acc, const vs_fe *x, size_t n)
{
    for (size_t i = 0; i < n; i++) acc[i] = vs_fe_sub(acc[i], x[i]);
}

static void add_rows(vs_fe *acc, const vs_fe *const *rows, uint32_t n_rows, size_t first, size_t n)
{
    for (uint32_t a = 0; a < n_rows; a++) add(acc, rows[a] + first, n);
}

static void combine(vs_fe *out, const vs_fe *coef, const vs_fe *const *rows, uint32_t n_rows,
                    size_t first, size_t cols)
{
    for (size_t c = 0; c < cols; c++) {
        vs_fe sum = {0};
        for (uint32_t a = 0; a < n_rows;) {
            vs_u128 acc = 0;
            uint32_t end = n_rows - a < VS_LAZY_PRODUCTS ? n_rows : a + VS_LAZY_PRODUCTS;
            for (; a < end; a++) acc += (vs_u128)coef[a].v * rows[a][first + c].v;
            sum = vs_fe_add(sum, vs_fe_reduce_sum(acc));
        }
        out[c] = sum;
    }
}

static vs_fe2 inner(const vs_powers *rho, const vs_fe *x, size_t n)
{
    vs_fe2 sum = {{0}, {0}};
    for (size_t i = 0; i < n;) {
        vs_u128 re = 0;
        vs_u128 im = 0;
        size_t end = n - i < VS_LAZY_PRODUCTS ? n : i + VS_LAZY_PRODUCTS;
        for (; i < end; i++) {
            re += (vs_u128)rho->re[i].v * x[i].v;
            im += (vs_u128)rho->im[i].v * x[i].v;
        }
        sum = vs_fe2_add(sum, (vs_fe2){vs_fe_reduce_sum(re), vs_fe_reduce_sum(im)});
    }
    return sum;
}

static vs_fe2 add_inner(vs_fe *acc, const vs_powers *rho, const vs_fe *x, size_t n)
{
    add(acc, x, n);
    return inner(rho, x, n);
}

/* --- g by a table of backward differences ------------------------------------------------------
 *
 * Row i of diff holds the i-th backward difference of g at the current point. g has degree < t,
 * so the difference of order t-1 is constant and one step to the next integer is t-1 additions. */

typedef vs_fe tile_row[VS_TILE_COLUMNS];

/* diff = differences at x = t, from the values at 1..t. */
static void diff_build(tile_row *diff, const vs_fe *const *at, uint32_t t, size_t first,
                       size_t cols)
{
    for (uint32_t i = 0; i < t; i++) memcpy(diff[i], at[t - 1 - i] + first, cols * sizeof(vs_fe));
    /* After level l, row i >= l holds order l at x = t - (i - l); from the last row down,
     * since each needs its neighbour of the level before. */
    for (uint32_t level = 1; level < t; level++) {
        for (uint32_t i = t - 1; i >= level; i--) {
            for (size_t c = 0; c < cols; c++) diff[i][c] = vs_fe_sub(diff[i - 1][c], diff[i][c]);
        }
    }
}

static void diff_step(tile_row *diff, uint32_t t, size_t cols)
{
    for (uint32_t i = t - 1; i-- > 0;) add(diff[i], diff[i + 1], cols);
}

static void share_tile(const vs_sharing *s, const vs_share_work *w, size_t at, size_t cols)
{
    tile_row *diff = (tile_row *)(void *)w->scratch;
    size_t first = w->first + at;
    diff_build(diff, w->seeds, s->t, w->seed_first + at, cols);
    for (uint32_t j = 0; j < s->n - s->t; j++) {
        diff_step(diff, s->t, cols);
        if (w->out[j] == NULL) continue;
        vs_fe *row = w->out[j] + first;
        if (j < s->k) {
            memcpy(row, w->secrets[j] + first, cols * sizeof *row);
        } else {
            combine(row, s->extra + (size_t)(j - s->k) * s->k, w->secrets, s->k, first, cols);
        }
        add(row, diff[0], cols);
    }
}

static void share(const vs_sharing *s, const vs_share_work *w)
{
    for (size_t at = 0; at < w->cols; at += VS_TILE_COLUMNS) {
        share_tile(s, w, at, w->cols - at < VS_TILE_COLUMNS ? w->cols - at : VS_TILE_COLUMNS);
    }
}

static void finish(void)
{
}

static uint64_t decode(vs_fe *out, const uint8_t *in, size_t n)
{
    uint64_t bad = 0; /* no early exit: the time must not tell which element was bad */
    for (size_t i = 0; i < n; i++) bad |= vs_fe_decode(&out[i], in + i * VS_FE_BYTES);
    return bad;
}

const vs_kernels vs_kernels_portable = {
    .name = "portable",
    .add = add,
    .sub = sub,
    .add_rows = add_rows,
    .share = share,
    .finish = finish,
    .combine = combine,
    .inner = inner,
    .add_inner = add_inner,
    .decode = decode,
    .pack = vs_slots_pack,
    .unpack = vs_slots_unpack,
};
