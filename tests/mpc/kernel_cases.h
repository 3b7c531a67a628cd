/* Every kernel of the table ISA against the plainest code and against the portable table, on
 * random values and on the largest sums, at all short lengths and alignments. Included by one
 * program per instruction set. */
#include "tests/mpc/kernel_aes_cases.h"
#include "tests/mpc/kernel_share_cases.h"
#include "tests/mpc/kernel_values.h"

Test(ISA_SUITE, add_and_sub_equal_the_scalar_ones)
{
    const vs_kernels *k = table();
    if (k == NULL) return;
    for (int kind = 0; kind < KINDS; kind++) {
        fill(kind);
        for (size_t at = 0; at < 8; at++) {
            for (size_t n = 0; n <= LENGTHS; n++) {
                vs_fe sum[COLS];
                vs_fe diff[COLS];
                memcpy(sum, row[0], sizeof sum);
                memcpy(diff, row[0], sizeof diff);
                k->add(sum + at, row[1] + n % 8, n);
                k->sub(diff + at, row[1] + n % 8, n);
                for (size_t c = 0; c < n; c++) {
                    cr_assert_eq(sum[at + c].v, vs_fe_add(row[0][at + c], row[1][n % 8 + c]).v);
                    cr_assert_eq(diff[at + c].v, vs_fe_sub(row[0][at + c], row[1][n % 8 + c]).v);
                }
                expect_outside_kept(sum, row[0], at, n);
                expect_outside_kept(diff, row[0], at, n);
            }
        }
    }
}

Test(ISA_SUITE, add_rows_equals_additions)
{
    const vs_kernels *k = table();
    if (k == NULL) return;
    for (int kind = 0; kind < KINDS; kind++) {
        fill(kind);
        for (uint32_t n_rows = 0; n_rows <= VS_ADD_ROWS; n_rows++) {
            for (size_t n = 0; n <= LENGTHS; n++) {
                vs_fe sum[COLS];
                memcpy(sum, row[9], sizeof sum);
                k->add_rows(sum + n % 5, rows, n_rows, n % 7, n);
                for (size_t c = 0; c < n; c++) {
                    vs_fe want = row[9][n % 5 + c];
                    for (uint32_t a = 0; a < n_rows; a++) {
                        want = vs_fe_add(want, row[a][n % 7 + c]);
                    }
                    cr_assert_eq(sum[n % 5 + c].v, want.v, "%u rows, %zu", n_rows, n);
                }
                expect_outside_kept(sum, row[9], n % 5, n);
            }
        }
    }
}

Test(ISA_SUITE, combine_equals_one_product_at_a_time)
{
    static const uint32_t counts[] = {0, 1, 2, 7, 63, 64, 65, 127, 128};
    const vs_kernels *k = table();
    if (k == NULL) return;
    for (int kind = 0; kind < KINDS; kind++) {
        fill(kind);
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            for (size_t cols = 0; cols <= LENGTHS; cols += cols < 40 ? 1 : 29) {
                vs_fe out[COLS];
                memcpy(out, row[5], sizeof out);
                k->combine(out + 3, coef, rows, counts[i], 5, cols);
                for (uint32_t c = 0; c < cols; c++) {
                    vs_fe want = {0};
                    for (uint32_t a = 0; a < counts[i]; a++) {
                        want = vs_fe_add(want, vs_fe_mul(coef[a], row[a][5 + c]));
                    }
                    cr_assert_eq(out[3 + c].v, want.v, "%u rows", counts[i]);
                }
                expect_outside_kept(out, row[5], 3, cols);
            }
        }
    }
}

/* More rows than one lazy sum takes, all terms as large as they can be. */
Test(ISA_SUITE, combine_of_very_many_rows_does_not_overflow)
{
    enum { MANY = 5000 };
    static vs_fe many_coef[MANY];
    static const vs_fe *many[MANY];
    const vs_kernels *k = table();
    vs_fe out[9];
    vs_fe want = {0};
    if (k == NULL) return;
    fill(0);
    for (size_t a = 0; a < MANY; a++) {
        many_coef[a].v = VS_FE_P - 1;
        many[a] = row[0];
        want = vs_fe_add(want, vs_fe_mul(many_coef[a], row[0][0]));
    }
    k->combine(out, many_coef, many, MANY, 0, 9);
    for (size_t c = 0; c < 9; c++) cr_assert_eq(out[c].v, want.v);
}

Test(ISA_SUITE, inner_and_add_inner_equal_one_product_at_a_time)
{
    static vs_powers rho;
    static vs_fe x[VS_POWER_TABLE + 8];
    static vs_fe acc[VS_POWER_TABLE + 8];
    const vs_kernels *k = table();
    if (k == NULL) return;
    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < VS_POWER_TABLE + 8; i++) {
            vs_fe v[3] = {{VS_FE_P - 1}, {vs_test_u64(8, i) % VS_FE_P}, edge(9, i)};
            x[i] = v[kind];
            if (i < VS_POWER_TABLE) rho.re[i] = kind == 0 ? v[0] : edge(10, i);
            if (i < VS_POWER_TABLE) rho.im[i] = kind == 0 ? v[0] : edge(11, i);
        }
        vs_fe2 want = {{0}, {0}};
        const vs_fe *from = x + 3;
        for (size_t n = 0; n <= VS_POWER_TABLE; n++) {
            if (n <= LENGTHS || n > VS_POWER_TABLE - 10) {
                vs_fe2 got = k->inner(&rho, from, n);
                cr_assert(vs_fe2_equal(got, want), "n = %zu", n);
                for (size_t i = 0; i < VS_POWER_TABLE + 8; i++) acc[i] = edge(12, i);
                got = k->add_inner(acc + 1, &rho, from, n);
                cr_assert(vs_fe2_equal(got, want), "n = %zu", n);
                for (size_t i = 0; i < VS_POWER_TABLE + 7; i++) {
                    vs_fe sum = edge(12, i + 1);
                    if (i < n) sum = vs_fe_add(sum, from[i]);
                    cr_assert_eq(acc[i + 1].v, sum.v);
                }
            }
            if (n == VS_POWER_TABLE) break;
            vs_fe2 w = {rho.re[n], rho.im[n]};
            want = vs_fe2_add(want, vs_fe2_scale(w, from[n]));
        }
    }
}

Test(ISA_SUITE, decode_refuses_exactly_the_values_from_p_on)
{
    static const uint64_t bad[] = {VS_FE_P, VS_FE_P + 1, UINT64_C(1) << 63, UINT64_MAX};
    static uint8_t bytes[COLS * 8 + 1];
    const vs_kernels *k = table();
    if (k == NULL) return;
    fill(2);
    for (size_t n = 0; n <= LENGTHS; n++) {
        uint8_t *in = bytes + n % 2;
        vs_fe out[COLS];
        for (size_t i = 0; i < COLS - 1; i++) vs_fe_encode(in + 8 * i, row[3][i]);
        memcpy(out, row[4], sizeof out);
        cr_assert_eq(k->decode(out + 2, in, n), 0);
        expect_same(out + 2, row[3], n, "decode");
        expect_outside_kept(out, row[4], 2, n);
        if (n == 0) continue;
        size_t at = vs_test_u64(20, n) % n;
        vs_store_le64(in + 8 * at, bad[n % 4]);
        cr_assert_neq(k->decode(out + 2, in, n), 0, "%zu of %zu", at, n);
        cr_assert_eq(out[2 + at].v, 0);
        vs_fe_encode(in + 8 * at, row[3][at]);
        vs_store_le64(in + 8 * n, VS_FE_P); /* one behind the end does not count */
        cr_assert_eq(k->decode(out + 2, in, n), 0);
    }
}

/* --- slots --------------------------------------------------------------------------------------
 */

Test(ISA_SUITE, pack_and_unpack_equal_shifting_by_hand)
{
    static uint32_t coords[20000];
    static uint64_t sums[20000];
    static vs_fe to[8][64];
    vs_fe *out[8];
    const vs_kernels *kernels = table();
    if (kernels == NULL) return;
    for (uint32_t i = 0; i < 8; i++) out[i] = to[i];
    for (uint32_t bits = 1; bits <= 32; bits++) {
        for (uint32_t k = 1; k <= 8; k += bits % 3 + 1) {
            vs_layout l;
            cr_assert_eq(vs_layout_make(&l, bits, bits % 2 ? 2 : 4000, k, 1000, NULL), VS_OK);
            size_t cols = 31 + bits % 4;
            size_t n = cols * k * l.slots;
            cr_assert_lt(n, sizeof coords / sizeof coords[0]);
            for (size_t i = 0; i < n; i++) {
                coords[i] = (uint32_t)(vs_test_u64(bits, i) & ((UINT64_C(1) << bits) - 1));
                if (i % 5 == 0) coords[i] = (uint32_t)((UINT64_C(1) << bits) - 1);
            }
            kernels->pack(&l, out, 2, coords, cols);
            for (size_t i = 0; i < n; i++) {
                size_t element = i / l.slots;
                uint64_t v = to[element % k][2 + element / k].v;
                uint64_t slot = v >> (i % l.slots * l.slot_width);
                cr_assert_eq(slot & ((UINT64_C(1) << l.slot_width) - 1), coords[i]);
                if (i % l.slots == l.slots - 1) cr_assert_eq(slot >> l.slot_width, 0);
            }
            uint64_t most = (UINT64_C(1) << bits) - 1;
            const vs_fe *const *in = (const vs_fe *const *)out;
            cr_assert_eq(kernels->unpack(&l, sums, in, 2, cols, most), 0);
            for (size_t i = 0; i < n; i++) cr_assert_eq(sums[i], coords[i]);
            cr_assert_neq(kernels->unpack(&l, sums, in, 2, cols, most - 1), 0);
            vs_fe *last = &to[k - 1][2 + cols - 1];
            uint32_t used = l.slots * l.slot_width;
            last->v |= UINT64_C(1) << used;
            if (used < 61) cr_assert_neq(kernels->unpack(&l, sums, in, 2, cols, most), 0);
        }
    }
}
