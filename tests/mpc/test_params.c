#include <signal.h>
#include <string.h>

#include <criterion/criterion.h>

#include "mpc/params.h"

/* The profiles of the design document, and the numbers that follow from them. */
Test(params, accepts_the_documented_profiles)
{
    static const struct {
        vs_committee c;
        uint32_t r, q;
    } good[] = {
        {{4, 1, 1, 1}, 2, 3},         {{5, 1, 2, 1}, 3, 4},    {{7, 1, 4, 1}, 5, 5},
        {{10, 2, 4, 2}, 6, 7},        {{16, 3, 7, 3}, 10, 10}, {{3, 1, 1, 1}, 2, 3},
        {{5, 2, 1, 2}, 3, 4},         {{7, 2, 3, 2}, 5, 5},    {{10, 3, 4, 3}, 7, 7},
        {{16, 5, 6, 5}, 11, 11},      {{2, 1, 1, 0}, 2, 2},    {{128, 1, 127, 0}, 128, 128},
        {{128, 127, 1, 0}, 128, 128},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const vs_committee *c = &good[i].c;
        vs_diag diag = {""};
        cr_expect_eq(vs_committee_check(c, &diag), VS_OK, "case %zu: %s", i, diag.text);
        cr_expect_eq(vs_committee_r(c), good[i].r, "case %zu", i);
        cr_expect_eq(vs_committee_q(c), good[i].q, "case %zu", i);
        cr_expect_leq(vs_committee_q(c), c->n, "case %zu", i);
        cr_expect_eq(vs_committee_closed(c), c->n + c->t - good[i].q + 1, "case %zu", i);
    }
}

/* For every n and t: two sets of q votes share more than t voters, so an honest one; and closed
 * statements leave fewer than q possible votes. */
Test(params, two_certificates_always_share_an_honest_voter)
{
    for (uint32_t n = 2; n <= VS_SHAREHOLDERS_MAX; n++) {
        for (uint32_t t = 1; t < n; t++) {
            vs_committee c = {.n = n, .t = t, .k = 1, .margin = 0};
            uint32_t q = vs_committee_q(&c);
            cr_assert_leq(q, n);
            cr_assert_gt(2 * q, n + t);
            cr_assert_lt(n - vs_committee_closed(&c) + t, q);
            cr_assert_eq(vs_committee_check(&c, NULL), VS_OK);
        }
    }
}

Test(params, needed_is_the_larger_of_votes_and_answers)
{
    cr_expect_eq(vs_committee_needed(&(vs_committee){10, 2, 4, 2}), 8);
    cr_expect_eq(vs_committee_needed(&(vs_committee){10, 2, 1, 0}), 7);
    cr_expect_eq(vs_committee_needed(&(vs_committee){4, 1, 1, 1}), 3);
}

Test(params, refuses_every_broken_rule_and_names_it)
{
    static const struct {
        vs_committee c;
        const char *says;
    } bad[] = {
        {{1, 1, 1, 0}, "num_shares 1 is outside 2..128"},
        {{0, 0, 0, 0}, "num_shares 0 is outside 2..128"},
        {{129, 1, 1, 0}, "num_shares 129 is outside 2..128"},
        {{4, 0, 1, 0}, "privacy_threshold 0 is below 1"},
        {{4, 4, 1, 0}, "privacy_threshold 4 is not below num_shares 4"},
        {{4, UINT32_MAX, 1, 0}, "privacy_threshold 4294967295 is not below num_shares 4"},
        {{4, 1, 0, 0}, "packing 0 is below 1"},
        {{4, 2, 3, 0}, "num_shares 4 is below reconstruction_threshold 5"},
        {{4, 1, UINT32_MAX, 0}, "num_shares 4 is below reconstruction_threshold 4294967296"},
        {{4, 1, 2, 2}, "num_shares 4 is below reconstruction_threshold 3 + margin 2"},
        {{4, 1, 2, UINT32_MAX},
         "num_shares 4 is below reconstruction_threshold 3 + margin 4294967295"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vs_diag diag = {""};
        cr_expect_eq(vs_committee_check(&bad[i].c, &diag), VS_ERR_LIMIT, "case %zu", i);
        cr_expect_str_eq(diag.text, bad[i].says, "case %zu", i);
    }
}

Test(params, layout_fills_elements_and_columns)
{
    vs_layout l;
    /* 16 bits, 100 clients: 7 bits of room, 23-bit slots, two per element. */
    cr_assert_eq(vs_layout_make(&l, 16, 100, 4, 17, NULL), VS_OK);
    cr_expect_eq(l.slot_width, 23);
    cr_expect_eq(l.slots, 2);
    cr_expect_eq(l.elements, 9);
    cr_expect_eq(l.columns, 3);
    cr_expect_eq(l.packing, 4);
    cr_expect_eq(l.dim, 17);
    /* A power of two of clients needs exactly its exponent. */
    cr_assert_eq(vs_layout_make(&l, 1, 2, 1, 1, NULL), VS_OK);
    cr_expect_eq(l.slot_width, 2);
    cr_expect_eq(l.slots, 30);
    cr_expect_eq(l.columns, 1);
    cr_assert_eq(vs_layout_make(&l, 32, VS_CLIENTS_MAX, 1, 1, NULL), VS_OK);
    cr_expect_eq(l.slot_width, 47);
    cr_expect_eq(l.slots, 1);
}

/* N values of 2^b - 1 stay inside the slot, for every b and for N around powers of two. */
Test(params, sums_never_carry_across_slots)
{
    for (uint32_t b = 1; b <= 32; b++) {
        for (uint32_t e = 1; e <= 15; e++) {
            for (uint32_t n_clients = (1u << e) - 1; n_clients <= (1u << e) + 1; n_clients++) {
                vs_layout l;
                if (n_clients < 2 || n_clients > VS_CLIENTS_MAX) continue;
                cr_assert_eq(vs_layout_make(&l, b, n_clients, 1, 1, NULL), VS_OK);
                uint64_t largest = n_clients * ((UINT64_C(1) << b) - 1);
                cr_assert_eq(largest >> l.slot_width, 0);
                cr_assert_leq(l.slots * l.slot_width, VS_ELEMENT_BITS);
            }
        }
    }
}

Test(params, layout_refuses_what_does_not_fit_and_names_it)
{
    static const struct {
        uint32_t bits, clients, packing;
        uint64_t dim;
        const char *says;
    } bad[] = {
        {0, 10, 1, 1, "bits 0 is outside 1..32"},
        {33, 10, 1, 1, "bits 33 is outside 1..32"},
        {8, 1, 1, 1, "max_clients 1 is outside 2..32768"},
        {8, VS_CLIENTS_MAX + 1, 1, 1, "max_clients 32769 is outside 2..32768"},
        {8, 10, 0, 1, "packing 0 is outside 1..128"},
        {8, 10, 129, 1, "packing 129 is outside 1..128"},
        {8, 10, 1, 0, "dimension 0 is below 1"},
        {32, 10, 1, VS_COLUMNS_MAX - 1, "needs 33554431 columns, more than 33554430"},
        {1, 2, 128, UINT64_C(1) << 32, "dimension 4294967296"},
        {1, 2, 1, UINT64_MAX, "dimension 18446744073709551615"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vs_layout l = {.bits = 1};
        vs_diag diag = {""};
        cr_expect_eq(
            vs_layout_make(&l, bad[i].bits, bad[i].clients, bad[i].packing, bad[i].dim, &diag),
            VS_ERR_LIMIT, "case %zu", i);
        cr_expect_not_null(strstr(diag.text, bad[i].says), "case %zu: %s", i, diag.text);
        cr_expect_eq(l.bits, 0, "case %zu: output must be zero", i);
    }
    vs_layout l;
    cr_expect_eq(vs_layout_make(&l, 32, 10, 1, VS_COLUMNS_MAX - 2, NULL), VS_OK);
    /* 100 million coordinates of 13 bits, 128 clients: three slots. */
    cr_expect_eq(vs_layout_make(&l, 13, 128, 1, 100000000, NULL), VS_OK);
    cr_expect_eq(l.slots, 3);
    cr_expect_leq(l.columns, VS_COLUMNS_MAX - VS_MASK_COLUMNS);
}

Test(params, weight_digits_cover_the_weight)
{
    cr_expect_eq(vs_weight_digits(0, 8), 0);
    cr_expect_eq(vs_weight_digits(1, 8), 1);
    cr_expect_eq(vs_weight_digits(255, 8), 1);
    cr_expect_eq(vs_weight_digits(256, 8), 2);
    cr_expect_eq(vs_weight_digits(UINT64_MAX, 1), 64);
    cr_expect_eq(vs_weight_digits(UINT64_MAX, 32), 2);
    cr_expect_eq(vs_weight_digits(UINT64_C(1) << 32, 32), 2);
}

/* The largest number of coordinates there is a word for, where columns are wide enough for it. */
Test(params, coordinates_end_at_32_bits)
{
    vs_layout l;
    vs_diag diag = {{0}};
    cr_expect_eq(vs_layout_make(&l, 1, 2, 127, UINT32_MAX, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(l.dim, UINT32_MAX);
    cr_expect_eq(vs_layout_make(&l, 1, 2, 127, (uint64_t)UINT32_MAX + 1, &diag), VS_ERR_LIMIT);
}

Test(params, digits_of_0_bits_are_a_caller_bug, .signal = SIGABRT)
{
    (void)vs_weight_digits(1, 0);
}

Test(params, digits_of_33_bits_are_a_caller_bug, .signal = SIGABRT)
{
    (void)vs_weight_digits(1, 33);
}
