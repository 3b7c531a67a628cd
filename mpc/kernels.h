/* mpc/kernels.h - the inner loops over secrets, one table of functions per instruction set.
 *
 * Inside mpc/ only. kernels_portable.c is plain C and the oracle: every other table must give
 * the same bits. kernels.c picks the table for this machine; tests take a table by name.
 * Secret: every element. Public: coefficients, counts and addresses. Constant time. */
#ifndef VS_MPC_KERNELS_H
#define VS_MPC_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "mpc/field.h"
#include "mpc/params.h"
#include "mpc/sharing.h"

/* Columns worked on at a time, so that all rows of a tile stay in L1 (32-48 KiB): 64 columns
 * are 512 bytes a row. */
#define VS_TILE_COLUMNS 64u

/* Products summed before a reduction: 64 * (p-1)^2 < 2^128. */
#define VS_LAZY_PRODUCTS 64u

/* Most shareholders: their points 1..n must differ mod p, which matters for test primes only. */
#define VS_POINTS_MAX (VS_FE_P - 1 < VS_SHAREHOLDERS_MAX ? VS_FE_P - 1 : VS_SHAREHOLDERS_MAX)

struct vs_sharing {
    uint32_t n, t, k, r;
    /* (n - r) rows of k: what secret i adds to share r+1+row, beyond g (see sharing.c). */
    vs_fe *extra;
};

typedef struct vs_kernels {
    const char *name;
    /* acc[i] += x[i]; acc[i] -= x[i]. */
    void (*add)(vs_fe *acc, const vs_fe *x, size_t n);
    void (*sub)(vs_fe *acc, const vs_fe *x, size_t n);
    /* vs_share_columns for columns first..first+cols-1, cols <= VS_TILE_COLUMNS. scratch: t rows
     * of VS_TILE_COLUMNS, left full of secrets. */
    void (*share)(const vs_sharing *s, vs_fe *const *out, const vs_fe *const *secrets,
                  const vs_fe *const *seed_shares, size_t first, size_t cols, vs_fe *scratch);
    /* out[c] = sum over a < n_rows of coef[a] * rows[a][first + c], any number of rows. */
    void (*combine)(vs_fe *out, const vs_fe *coef, const vs_fe *const *rows, uint32_t n_rows,
                    size_t first, size_t cols);
    /* sum over i < n of x[i] * table[i], n <= VS_LAZY_PRODUCTS. */
    vs_fe2 (*inner)(const vs_fe2 *table, const vs_fe *x, size_t n);
} vs_kernels;

extern const vs_kernels vs_kernels_portable;

/* The table for this machine. */
const vs_kernels *vs_kernels_get(void);

/* Any sum of at most VS_LAZY_PRODUCTS products of two elements, to canonical. Three digits of
 * VS_FIELD_BITS bits (the highest of 128 - 122 = 6 bits) add to less than 2^62 + 64; a second
 * fold leaves at most p + 2 < 2p. */
static inline vs_fe vs_fe_reduce_sum(vs_u128 x)
{
    uint64_t low = (uint64_t)x & VS_FE_P;
    uint64_t mid = (uint64_t)(x >> VS_FIELD_BITS) & VS_FE_P;
    uint64_t top = (uint64_t)(x >> (2 * VS_FIELD_BITS));
    uint64_t s = low + mid + top;
    return vs_fe_reduce_once((s & VS_FE_P) + (s >> VS_FIELD_BITS));
}

#endif /* VS_MPC_KERNELS_H */
