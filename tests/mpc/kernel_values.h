/* The table under test, ISA, and values for it: random ones and the largest sums. For kernel_*.h.
 */
#ifndef VS_TESTS_MPC_KERNEL_VALUES_H
#define VS_TESTS_MPC_KERNEL_VALUES_H

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "mpc/kernels.h"
#include "tests/support.h"

enum { ROWS = VS_SHAREHOLDERS_MAX, COLS = 232, LENGTHS = 200 };

static vs_fe row[ROWS][COLS];
static const vs_fe *rows[ROWS];
static vs_fe coef[ROWS];

/* The table under test, or NULL (and the program is counted as skipped). */
static const vs_kernels *table(void)
{
    const vs_kernels *k = vs_kernels_by_name(ISA);
    if (k == NULL) vs_test_skip("this machine cannot run " ISA);
    return k;
}

static vs_fe edge(uint64_t seed, uint64_t i)
{
    static const uint64_t edges[] = {0, 1, VS_FE_P - 1, VS_FE_P / 2, (UINT64_C(1) << 52) - 1};
    uint64_t v = vs_test_u64(seed, i);
    return (vs_fe){(v >> 62) == 0 ? edges[v % 5] : v % VS_FE_P};
}

/* kind 0: all p - 1, the largest sums; 1: random; 2: edge values mixed in; 3: all zero. */
enum { KINDS = 4 };
static void fill(int kind)
{
    for (uint32_t a = 0; a < ROWS; a++) {
        rows[a] = row[a];
        coef[a].v = kind == 0 ? VS_FE_P - 1 : vs_test_u64(1, a) % VS_FE_P;
        if (kind == 2) coef[a] = edge(3, a);
        for (uint32_t c = 0; c < COLS; c++) {
            uint64_t at = (uint64_t)a * COLS + c;
            row[a][c].v = kind == 0 ? VS_FE_P - 1 : vs_test_u64(2, at) % VS_FE_P;
            if (kind == 2) row[a][c] = edge(4, at);
            if (kind == 3) row[a][c].v = 0;
        }
    }
}

static void expect_same(const vs_fe *got, const vs_fe *want, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++) cr_assert_eq(got[i].v, want[i].v, "%s: element %zu", what, i);
}

/* A row of COLS that the code under test may change only between from and from + n. */
static void expect_outside_kept(const vs_fe *got, const vs_fe *before, size_t from, size_t n)
{
    for (size_t c = 0; c < COLS; c++) {
        if (c < from || c >= from + n) cr_assert_eq(got[c].v, before[c].v, "column %zu", c);
    }
}

#endif /* VS_TESTS_MPC_KERNEL_VALUES_H */
