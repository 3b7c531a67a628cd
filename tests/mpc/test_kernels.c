/* Every table of kernels against the plainest code, at the bounds of the lazy sums. */
#include <string.h>

#include <criterion/criterion.h>

#include "mpc/kernels.h"
#include "tests/support.h"

static const vs_kernels *const TABLES[] = {&vs_kernels_portable};
enum { N_TABLES = sizeof TABLES / sizeof TABLES[0], ROWS = VS_SHAREHOLDERS_MAX, COLS = 70 };

static vs_fe row[ROWS][COLS];
static const vs_fe *rows[ROWS];
static vs_fe coef[ROWS];

/* kind 0: all p - 1, the largest sums; kind 1: random. */
static void fill(int kind)
{
    for (uint32_t a = 0; a < ROWS; a++) {
        rows[a] = row[a];
        coef[a].v = kind == 0 ? VS_FE_P - 1 : vs_test_u64(1, a) % VS_FE_P;
        for (uint32_t c = 0; c < COLS; c++) {
            row[a][c].v = kind == 0 ? VS_FE_P - 1 : vs_test_u64(2, a * COLS + c) % VS_FE_P;
        }
    }
}

Test(kernels, the_chosen_table_is_one_of_them)
{
    bool found = false;
    for (size_t k = 0; k < N_TABLES; k++) found = found || vs_kernels_get() == TABLES[k];
    cr_expect(found);
}

Test(kernels, combine_equals_one_product_at_a_time)
{
    static const uint32_t counts[] = {0, 1, 2, 63, 64, 65, 127, 128};
    for (int kind = 0; kind < 2; kind++) {
        fill(kind);
        for (size_t k = 0; k < N_TABLES; k++) {
            for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
                vs_fe out[COLS];
                out[6].v = 4711;
                TABLES[k]->combine(out, coef, rows, counts[i], 3, 6);
                for (uint32_t c = 0; c < 6; c++) {
                    vs_fe want = {0};
                    for (uint32_t a = 0; a < counts[i]; a++) {
                        want = vs_fe_add(want, vs_fe_mul(coef[a], row[a][3 + c]));
                    }
                    cr_assert_eq(out[c].v, want.v, "%s, %u rows", TABLES[k]->name, counts[i]);
                }
                cr_assert_eq(out[6].v, 4711);
            }
        }
    }
}

Test(kernels, inner_equals_one_product_at_a_time)
{
    vs_fe2 table[VS_LAZY_PRODUCTS];
    for (int kind = 0; kind < 2; kind++) {
        fill(kind);
        for (size_t i = 0; i < VS_LAZY_PRODUCTS; i++) table[i] = (vs_fe2){coef[i], row[i][1]};
        for (size_t k = 0; k < N_TABLES; k++) {
            for (size_t n = 0; n <= VS_LAZY_PRODUCTS; n++) {
                vs_fe2 want = {{0}, {0}};
                for (size_t i = 0; i < n; i++) {
                    want = vs_fe2_add(want, vs_fe2_scale(table[i], row[2][i]));
                }
                cr_assert(vs_fe2_equal(TABLES[k]->inner(table, row[2], n), want));
            }
        }
    }
}

Test(kernels, add_and_sub_equal_the_scalar_ones)
{
    for (int kind = 0; kind < 2; kind++) {
        for (size_t k = 0; k < N_TABLES; k++) {
            for (size_t n = 0; n <= COLS; n++) {
                vs_fe sum[COLS];
                vs_fe diff[COLS];
                fill(kind);
                memcpy(sum, row[0], sizeof sum);
                memcpy(diff, row[0], sizeof diff);
                TABLES[k]->add(sum, row[1], n);
                TABLES[k]->sub(diff, row[1], n);
                for (size_t c = 0; c < COLS; c++) {
                    vs_fe none = row[0][c];
                    cr_assert_eq(sum[c].v, (c < n ? vs_fe_add(none, row[1][c]) : none).v);
                    cr_assert_eq(diff[c].v, (c < n ? vs_fe_sub(none, row[1][c]) : none).v);
                }
            }
        }
    }
}
