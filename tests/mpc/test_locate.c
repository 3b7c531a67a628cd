#include <signal.h>
#include <string.h>

#include <criterion/criterion.h>

#include "mpc/locate.h"
#include "tests/support.h"

typedef struct word {
    uint32_t m, r;
    uint32_t point[VS_SHAREHOLDERS_MAX];
    vs_fe2 symbol[VS_SHAREHOLDERS_MAX];
} word;

static vs_fe2 random_fe2(uint64_t seed, uint64_t index)
{
    return (vs_fe2){vs_fe_of_u64(vs_test_u64(seed, 2 * index)),
                    vs_fe_of_u64(vs_test_u64(seed, 2 * index + 1))};
}

static vs_fe2 horner(const vs_fe2 *coef, uint32_t count, uint32_t x)
{
    vs_fe2 v = {{0}, {0}};
    for (uint32_t i = count; i-- > 0;) {
        v = vs_fe2_add(vs_fe2_scale(v, vs_fe_of_u64(x)), coef[i]);
    }
    return v;
}

/* A random codeword at points 2, 4, ... (or 1, 2, ... where that is too many). */
static word codeword(uint32_t m, uint32_t r, uint64_t seed)
{
    word w = {.m = m, .r = r};
    vs_fe2 coef[VS_SHAREHOLDERS_MAX];
    for (uint32_t i = 0; i < r; i++) coef[i] = random_fe2(seed, i);
    for (uint32_t i = 0; i < m; i++) {
        w.point[i] = 2 * m <= VS_SHAREHOLDERS_MAX ? 2 * i + 2 : i + 1;
        w.symbol[i] = horner(coef, r, w.point[i]);
    }
    return w;
}

static vs_location locate(const word *w, uint32_t t)
{
    vs_location l;
    memset(&l, 0xff, sizeof l); /* everything must be set */
    cr_assert_eq(vs_locate(&l, w->point, w->symbol, w->m, w->r, t), VS_OK);
    return l;
}

static void spoil(word *w, uint32_t at, uint64_t seed)
{
    vs_fe2 delta = random_fe2(seed, 1000 + at);
    switch (seed % 3) { /* a change of one part, however small, is a change */
    case 0: delta = (vs_fe2){{1}, {0}}; break;
    case 1: delta = (vs_fe2){{0}, {VS_FE_P - 1}}; break;
    default: break;
    }
    w->symbol[at] = vs_fe2_add(w->symbol[at], delta);
}

static void expect_named(const vs_location *l, const word *w, const bool *wrong, uint32_t t)
{
    uint32_t e = 0;
    for (uint32_t i = 0; i < w->m; i++) e += wrong[i];
    cr_assert(l->decodable, "m=%u r=%u e=%u", w->m, w->r, e);
    cr_assert_eq(l->n_wrong, e);
    for (uint32_t i = 0; i < w->m; i++) cr_assert_eq(l->wrong[i], wrong[i], "position %u", i);
    cr_assert_eq(l->certain, (int64_t)w->m - w->r - e >= (int64_t)t);
}

static void expect_undecodable(const vs_location *l)
{
    cr_assert_not(l->decodable);
    cr_assert_not(l->certain);
    cr_assert_eq(l->n_wrong, 0);
    for (uint32_t i = 0; i < VS_SHAREHOLDERS_MAX; i++) cr_assert_not(l->wrong[i]);
}

/* Every set of wrong positions of words up to length 9: within the radius named exactly, beyond
 * it (with random errors) undecodable. */
Test(locate, names_every_correctable_set_of_errors)
{
    for (uint32_t m = 1; m <= 9; m++) {
        for (uint32_t r = 1; r <= m; r++) {
            for (uint32_t set = 0; set < 1u << m; set++) {
                word w = codeword(m, r, 100 * m + r);
                bool wrong[9] = {false};
                uint32_t e = 0;
                for (uint32_t i = 0; i < m; i++) {
                    wrong[i] = (set >> i) & 1;
                    e += wrong[i];
                    if (wrong[i]) spoil(&w, i, 3 * set + 2);
                }
                if (e > (m - r) / 2 + 1) continue; /* one beyond is enough here */
                vs_location l = locate(&w, 1);
                if (e <= (m - r) / 2) {
                    expect_named(&l, &w, wrong, 1);
                } else if (m > r) { /* m = r has no redundancy: see below */
                    expect_undecodable(&l);
                }
            }
        }
    }
}

Test(locate, names_errors_of_one_part_only)
{
    for (uint64_t seed = 0; seed < 3; seed++) {
        word w = codeword(10, 4, seed);
        bool wrong[10] = {false};
        static const uint32_t at[] = {0, 5, 9};
        for (size_t i = 0; i < 3; i++) {
            wrong[at[i]] = true;
            spoil(&w, at[i], seed);
        }
        vs_location l = locate(&w, 2);
        expect_named(&l, &w, wrong, 2);
    }
}

Test(locate, works_at_the_largest_sizes)
{
    static const uint32_t mr[][2] = {{128, 2}, {128, 40}, {128, 127}, {128, 128}, {101, 30}};
    for (size_t i = 0; i < sizeof mr / sizeof mr[0]; i++) {
        uint32_t m = mr[i][0];
        uint32_t radius = (m - mr[i][1]) / 2;
        word w = codeword(m, mr[i][1], i);
        bool wrong[VS_SHAREHOLDERS_MAX] = {false};
        for (uint32_t e = 0; e < radius; e++) {
            wrong[(e * 37) % m] = true; /* 37 has no factor in common with m: all different */
            spoil(&w, (e * 37) % m, 2 + 3 * e);
        }
        vs_location l = locate(&w, 1);
        expect_named(&l, &w, wrong, 1);
        if (radius == 0) continue;
        for (uint32_t e = radius; e < radius + 3; e++) {
            spoil(&w, (e * 37) % m, 2 + 3 * e);
            if (e + 1 > radius) {
                l = locate(&w, 1);
                expect_undecodable(&l);
            }
        }
    }
}

/* Many wrong answers, all random: never decoded. */
Test(locate, random_words_are_undecodable)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        word w = codeword(10, 6, seed);
        for (uint32_t i = 0; i < 10; i++) w.symbol[i] = random_fe2(seed + 1000, i);
        vs_location l = locate(&w, 2);
        expect_undecodable(&l);
    }
}

Test(locate, certain_is_exactly_the_margin_rule)
{
    for (uint32_t m = 6; m <= 12; m++) {
        for (uint32_t e = 0; e <= (m - 5) / 2; e++) {
            word w = codeword(m, 5, m);
            for (uint32_t i = 0; i < e; i++) spoil(&w, i, 2);
            for (uint32_t t = 1; t <= 8; t++) {
                vs_location l = locate(&w, t);
                cr_assert(l.decodable);
                cr_assert_eq(l.certain, m >= 5 + e + t, "m=%u e=%u t=%u", m, e, t);
            }
        }
    }
}

/* Liars who agree on another codeword that equals the true one at r - 1 honest positions: with
 * enough of them the honest rest is outvoted. That is why `certain` needs m - r - e >= t: while
 * at most t lie, such a word is refused or marked uncertain, whatever the sizes. */
Test(locate, colluding_liars_never_make_a_certain_lie)
{
    uint32_t outvoted = 0;
    for (uint32_t m = 3; m <= 14; m++) {
        for (uint32_t r = 2; r <= m; r++) {
            for (uint32_t t = 1; t < r; t++) {
                for (uint32_t liars = 1; liars <= t && liars + r - 1 <= m; liars++) {
                    word w = codeword(m, r, 31 * m + r);
                    /* delta is 0 at the first r - 1 points; the last `liars` add it. */
                    for (uint32_t i = m - liars; i < m; i++) {
                        vs_fe2 delta = {{1}, {5}};
                        for (uint32_t a = 0; a < r - 1; a++) {
                            vs_fe d = vs_fe_of_u64(w.point[i] - w.point[a]);
                            delta = vs_fe2_scale(delta, d);
                        }
                        w.symbol[i] = vs_fe2_add(w.symbol[i], delta);
                    }
                    vs_location l = locate(&w, t);
                    if (!l.decodable) continue;
                    bool truth = l.n_wrong == liars && l.wrong[m - 1];
                    for (uint32_t i = 0; i < m - liars; i++) truth = truth && !l.wrong[i];
                    outvoted += !truth;
                    cr_assert(truth || !l.certain, "m=%u r=%u t=%u liars=%u", m, r, t, liars);
                }
            }
        }
    }
    cr_assert_gt(outvoted, 0, "no case tried the rule");
}

/* With t + 1 liars the claim ends: they can make a certain lie (m = r + t, e = 0). */
Test(locate, more_than_t_liars_are_outside_the_claim)
{
    word w = codeword(6, 4, 3); /* t = 2: three answers lie, three are true */
    for (uint32_t i = 3; i < 6; i++) {
        vs_fe2 delta = {{1}, {0}};
        for (uint32_t a = 0; a < 3; a++) {
            delta = vs_fe2_scale(delta, vs_fe_of_u64(w.point[i] - w.point[a]));
        }
        w.symbol[i] = vs_fe2_add(w.symbol[i], delta);
    }
    vs_location l = locate(&w, 2);
    cr_expect(l.decodable && l.certain && l.n_wrong == 0);
}

Test(locate, zero_and_constant_words_are_codewords)
{
    word w = codeword(7, 3, 1);
    memset(w.symbol, 0, sizeof w.symbol);
    const bool none[7] = {false};
    vs_location l = locate(&w, 2);
    expect_named(&l, &w, none, 2);
    w.symbol[4] = (vs_fe2){{0}, {1}};
    const bool one[7] = {[4] = true};
    l = locate(&w, 2);
    expect_named(&l, &w, one, 2);
    for (uint32_t i = 0; i < 7; i++) w.symbol[i] = (vs_fe2){{9}, {9}};
    l = locate(&w, 2);
    expect_named(&l, &w, none, 2);
}

Test(locate, too_few_answers_are_undecodable)
{
    word w = codeword(4, 4, 1);
    w.r = 5;
    vs_location l = locate(&w, 1);
    expect_undecodable(&l);
    w.m = 0;
    l = locate(&w, 1);
    expect_undecodable(&l);
}

/* Exactly r answers always fit some polynomial, so nothing can be known about them. */
Test(locate, r_answers_decode_but_are_not_certain)
{
    word w = codeword(4, 4, 1);
    spoil(&w, 2, 2);
    vs_location l = locate(&w, 1);
    cr_expect(l.decodable);
    cr_expect_not(l.certain);
    cr_expect_eq(l.n_wrong, 0);
}

Test(locate, symbols_are_power_sums_from_rho_to_the_one)
{
    const vs_fe2 rho = {{123}, {456}};
    vs_fe x[100];
    vs_fe2 want = {{0}, {0}};
    vs_fe2 power = rho;
    vs_symbol_acc acc;
    for (size_t i = 0; i < 100; i++) {
        x[i] = vs_fe_of_u64(vs_test_u64(9, i));
        want = vs_fe2_add(want, vs_fe2_scale(power, x[i]));
        power = vs_fe2_mul(power, rho);
    }
    vs_symbol_start(&acc, rho);
    vs_symbol_update(&acc, x, 1);
    vs_symbol_update(&acc, x + 1, 70);
    vs_symbol_update(&acc, x + 71, 0);
    vs_symbol_update(&acc, x + 71, 29);
    cr_expect(vs_fe2_equal(acc.sum, want));
}

static void locate_points(uint32_t a, uint32_t b)
{
    word w = codeword(3, 2, 1);
    w.point[0] = a;
    w.point[1] = b;
    (void)locate(&w, 1);
}

Test(locate, point_0_is_a_caller_bug, .signal = SIGABRT)
{
    locate_points(0, 1);
}

Test(locate, point_129_is_a_caller_bug, .signal = SIGABRT)
{
    locate_points(129, 1);
}

Test(locate, equal_points_are_a_caller_bug, .signal = SIGABRT)
{
    locate_points(5, 5);
}
