#include <string.h>

#include <criterion/criterion.h>

#include "mpc/kernels.h"
#include "mpc/pack.h"
#include "tests/support.h"

enum { CELLS = 4096 };

typedef struct fixture {
    vs_layout layout;
    uint32_t coords[CELLS];
    uint64_t sums[CELLS];
    vs_fe cells[VS_SHAREHOLDERS_MAX][CELLS];
    vs_fe *rows[VS_SHAREHOLDERS_MAX];
} fixture;

static fixture F; /* large: not on the stack; each test is a process of its own */

static void make(uint32_t bits, uint32_t clients, uint32_t k, uint64_t dim)
{
    cr_assert_eq(vs_layout_make(&F.layout, bits, clients, k, dim, NULL), VS_OK);
    cr_assert_leq(F.layout.columns, CELLS);
    cr_assert_leq(dim, CELLS);
    for (uint32_t i = 0; i < k; i++) F.rows[i] = F.cells[i];
    for (size_t i = 0; i < dim; i++) {
        F.coords[i] = (uint32_t)(vs_test_u64(bits, i) & ((UINT64_C(1) << bits) - 1));
    }
}

static vs_err unpack(size_t cap, size_t cols, uint64_t max_sum)
{
    return vs_unpack_columns(&F.layout, F.sums, cap, (const vs_fe *const *)F.rows, cols, max_sum);
}

Test(pack, puts_coordinates_where_the_protocol_says)
{
    make(8, 16, 2, 23); /* 12-bit slots, 5 per element, 5 elements, 3 columns */
    for (uint32_t i = 0; i < 23; i++) F.coords[i] = 100 + i;
    vs_pack_columns(&F.layout, F.rows, F.coords, 23, 3);
    for (uint32_t e = 0; e < 6; e++) {
        uint64_t want = 0;
        for (uint32_t s = 0; s < 5; s++) {
            uint32_t i = 5 * e + s;
            if (i < 23) want += (uint64_t)(100 + i) << (12 * s);
        }
        cr_expect_eq(F.cells[e % 2][e / 2].v, want, "element %u", e);
    }
}

Test(pack, unpacks_what_was_packed_for_every_width)
{
    for (uint32_t bits = 1; bits <= 32; bits++) {
        static const uint32_t clients[] = {2, 3, 1000, VS_CLIENTS_MAX};
        for (uint32_t i = 0; i < 4; i++) {
            make(bits, clients[i], 1 + (bits + i) % 5, 37 + bits);
            size_t dim = F.layout.dim;
            vs_pack_columns(&F.layout, F.rows, F.coords, dim, F.layout.columns);
            memset(F.sums, 0xff, sizeof F.sums);
            cr_assert_eq(unpack(dim, F.layout.columns, (UINT64_C(1) << bits) - 1), VS_OK);
            for (size_t c = 0; c < dim; c++) cr_assert_eq(F.sums[c], F.coords[c]);
            cr_assert_eq(F.sums[dim], UINT64_MAX, "wrote beyond the cap");
        }
    }
}

/* N clients, all with the largest value: the slots hold, in the field. */
/* Vectors, single columns after them and any number of rows: as the definition says. */
static void expect_packs(const vs_kernels *kernels, uint32_t bits, uint32_t k, size_t cols)
{
    enum { FIRST = 3, AFTER = 9 };
    const uint32_t slots = F.layout.slots, width = F.layout.slot_width;
    for (uint32_t i = 0; i < k; i++) {
        memset(F.cells[i], 0xee, (FIRST + cols + AFTER) * sizeof(vs_fe));
    }
    kernels->pack(&F.layout, F.rows, FIRST, F.coords, cols);
    for (size_t c = 0; c < FIRST + cols + AFTER; c++) {
        for (uint32_t i = 0; i < k; i++) {
            uint64_t want = UINT64_C(0xeeeeeeeeeeeeeeee);
            if (c >= FIRST && c < FIRST + cols) {
                const uint32_t *next = F.coords + ((c - FIRST) * k + i) * slots;
                want = 0;
                for (uint32_t s = 0; s < slots; s++) want += (uint64_t)next[s] << (s * width);
            }
            cr_assert_eq(F.cells[i][c].v, want, "%s: %u bits, row %u of %u, column %zu of %zu",
                         kernels->name, bits, i, k, c, cols);
        }
    }
}

Test(pack, every_instruction_set_packs_the_same)
{
    static const char *const names[] = {"portable", "avx2", "avx512"};
    static const uint32_t bits[] = {4, 16, 20, 32}; /* 5, 2, 2, 1 slots of 100 clients */
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        const vs_kernels *kernels = vs_kernels_by_name(names[n]);
        for (size_t b = 0; kernels != NULL && b < sizeof bits / sizeof bits[0]; b++) {
            for (uint32_t k = 1; k <= 9; k++) {
                make(bits[b], 100, k, CELLS);
                for (size_t cols = 0; cols <= 20; cols++) expect_packs(kernels, bits[b], k, cols);
            }
            make(bits[b], 100, VS_SHAREHOLDERS_MAX - 1, CELLS);
            expect_packs(kernels, bits[b], VS_SHAREHOLDERS_MAX - 1, 5);
        }
    }
}

Test(pack, full_slots_add_up_without_carry)
{
    make(16, 1000, 3, 50);
    for (size_t c = 0; c < 50; c++) F.coords[c] = c % 2 ? 0xffff : 0;
    vs_pack_columns(&F.layout, F.rows, F.coords, 50, F.layout.columns);
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t c = 0; c < F.layout.columns; c++) {
            F.cells[i][c] = vs_fe_mul(F.cells[i][c], vs_fe_of_u64(1000));
        }
    }
    cr_assert_eq(unpack(50, F.layout.columns, 1000 * 0xffff), VS_OK);
    for (size_t c = 0; c < 50; c++) cr_assert_eq(F.sums[c], c % 2 ? 1000 * 0xffff : 0);
}

Test(pack, works_in_pieces_of_columns)
{
    make(10, 100, 3, 200);
    vs_pack_columns(&F.layout, F.rows, F.coords, 200, F.layout.columns);
    size_t per_col = F.layout.packing * F.layout.slots;
    for (uint32_t c = 0; c < F.layout.columns; c++) {
        vs_fe one[3];
        vs_fe *rows[3] = {&one[0], &one[1], &one[2]};
        size_t at = c * per_col;
        vs_pack_columns(&F.layout, rows, F.coords + at, 200 - at, 1);
        for (uint32_t i = 0; i < 3; i++) cr_assert_eq(one[i].v, F.cells[i][c].v);
        size_t cap = 200 - at < per_col ? 200 - at : per_col;
        uint64_t sums[64];
        cr_assert_eq(vs_unpack_columns(&F.layout, sums, cap, (const vs_fe *const *)rows, 1, 1023),
                     VS_OK);
        for (size_t i = 0; i < cap; i++) cr_assert_eq(sums[i], F.coords[at + i]);
    }
}

/* Set up a good vector of sums; each refusal changes one thing. */
static void make_good(void)
{
    make(8, 16, 2, 23);
    vs_pack_columns(&F.layout, F.rows, F.coords, 23, 3);
    cr_assert_eq(unpack(23, 3, 255), VS_OK);
}

static void expect_refused(vs_fe *element, uint64_t v)
{
    uint64_t old = element->v;
    element->v = v;
    memset(F.sums, 0xff, sizeof F.sums);
    cr_expect_eq(unpack(23, 3, 255), VS_ERR_LIMIT, "element %llx", (unsigned long long)v);
    for (size_t i = 0; i < 23; i++) cr_assert_eq(F.sums[i], 0, "output must be zero");
    element->v = old;
    cr_expect_eq(unpack(23, 3, 255), VS_OK);
}

Test(pack, refuses_a_slot_above_the_largest_sum)
{
    make_good();
    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t s = 0; s < 5; s++) {
            vs_fe *e = &F.cells[i][1];
            uint64_t others = e->v & ~(UINT64_C(0xfff) << (12 * s));
            expect_refused(e, others | (UINT64_C(256) << (12 * s)));
            expect_refused(e, others | (UINT64_C(0xfff) << (12 * s)));
        }
    }
}

Test(pack, refuses_bits_above_the_slots)
{
    make_good(); /* 5 * 12 = 60 bits: bit 60 is the one that is left over */
    expect_refused(&F.cells[0][0], F.cells[0][0].v | (UINT64_C(1) << 60));
    expect_refused(&F.cells[1][2], UINT64_C(1) << 60);
    expect_refused(&F.cells[0][1], VS_FE_P - 1);
    make(16, 100, 1, 4); /* 2 * 23 = 46 bits */
    vs_pack_columns(&F.layout, F.rows, F.coords, 4, 2);
    cr_assert_eq(unpack(4, 2, 0xffff), VS_OK);
    F.cells[0][1].v |= UINT64_C(1) << 46;
    cr_expect_eq(unpack(4, 2, 0xffff), VS_ERR_LIMIT);
}

Test(pack, refuses_padding_that_is_not_zero)
{
    make_good(); /* coordinates 23, 24 are slots 3, 4 of element 4; element 5 is padding */
    expect_refused(&F.cells[0][2], F.cells[0][2].v | (UINT64_C(1) << 36));
    expect_refused(&F.cells[0][2], F.cells[0][2].v | (UINT64_C(1) << 48));
    expect_refused(&F.cells[1][2], 1);
}

Test(pack, largest_sum_itself_is_allowed)
{
    make_good();
    F.cells[0][0].v = 255;
    cr_expect_eq(unpack(23, 3, 255), VS_OK);
    cr_expect_eq(F.sums[0], 255);
    cr_expect_eq(unpack(23, 3, 254), VS_ERR_LIMIT);
}

/* Two of three columns: what the third would fill is not ours to clear. */
Test(pack, a_refusal_clears_what_its_columns_cover_and_no_more)
{
    make_good(); /* ten coordinates in a column */
    F.cells[0][0].v |= UINT64_C(1) << 60;
    memset(F.sums, 0xff, sizeof F.sums);
    cr_expect_eq(unpack(23, 2, 255), VS_ERR_LIMIT);
    for (size_t i = 0; i < 20; i++) cr_expect_eq(F.sums[i], 0, "coordinate %zu", i);
    for (size_t i = 20; i < 23; i++) cr_expect_eq(F.sums[i], UINT64_MAX, "coordinate %zu", i);
}

/* The last column is only partly coordinates: its slots are judged as all others are. */
Test(pack, every_slot_of_the_last_column_is_checked)
{
    make_good(); /* 23 coordinates, ten in a column */
    const uint64_t most = 255;
    cr_assert_eq(unpack(23, 3, most), VS_OK);
    for (uint32_t i = 0; i < 23; i++) {
        vs_fe *cell = &F.cells[i / 5 % 2][i / 10];
        const uint64_t before = cell->v, slot = UINT64_C(0xfff) << (12 * (i % 5));
        cell->v = (before & ~slot) | (most + 1) << (12 * (i % 5));
        cr_expect_eq(unpack(23, 3, most), VS_ERR_LIMIT, "coordinate %u", i);
        cell->v = (before & ~slot) | most << (12 * (i % 5));
        cr_expect_eq(unpack(23, 3, most), VS_OK, "coordinate %u", i);
        cell->v = before;
    }
}

Test(pack, a_refusal_clears_no_more_than_there_is_room_for)
{
    make_good();
    F.cells[0][0].v |= UINT64_C(1) << 60;
    memset(F.sums, 0xff, sizeof F.sums);
    cr_expect_eq(unpack(15, 2, 255), VS_ERR_LIMIT);
    for (size_t i = 0; i < 15; i++) cr_expect_eq(F.sums[i], 0, "coordinate %zu", i);
    for (size_t i = 15; i < 23; i++) cr_expect_eq(F.sums[i], UINT64_MAX, "coordinate %zu", i);
}
