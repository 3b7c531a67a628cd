#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fl/draw.h"
#include "fl/partition.h"
#include "tests/support.h"

static uint8_t *labels_of(size_t n)
{
    uint8_t *labels = malloc(n);
    cr_assert_not_null(labels);
    vs_test_bytes(labels, n, 21);
    for (size_t i = 0; i < n; i++) labels[i] %= 10;
    return labels;
}

static vs_partition make(vs_partition_kind kind, const uint8_t *labels, size_t n_rows,
                         uint32_t n_clients, uint64_t seed)
{
    vs_partition p;
    vs_diag diag = {0};
    cr_assert_eq(vs_partition_make(&p, (vs_partition_rule){kind, 0.5}, labels, n_rows, n_clients,
                                   seed, &diag),
                 VS_OK, "%s", diag.text);
    return p;
}

static void expect_each_row_once(const vs_partition *p, size_t n_rows)
{
    uint8_t *seen = calloc(n_rows, 1);
    size_t total = 0;
    cr_assert_not_null(seen);
    for (uint32_t k = 0; k < p->n_clients; k++) {
        size_t n;
        const uint32_t *rows = vs_partition_rows(p, k, &n);
        for (size_t i = 0; i < n; i++) {
            cr_assert_lt(rows[i], n_rows);
            cr_assert_eq(seen[rows[i]]++, 0, "row %u twice", rows[i]);
        }
        total += n;
    }
    cr_expect_eq(total, n_rows);
    free(seen);
}

Test(partition, covers_each_row_exactly_once)
{
    const size_t n_rows[] = {20, 21, 39, 1000, 6000};
    for (size_t i = 0; i < 5; i++) {
        uint8_t *labels = labels_of(n_rows[i]);
        for (int kind = 0; kind <= VS_PARTITION_DIRICHLET; kind++) {
            for (uint32_t k = 1; k <= 10; k++) {
                vs_partition p = make((vs_partition_kind)kind, labels, n_rows[i], k, 3);
                expect_each_row_once(&p, n_rows[i]);
                vs_partition_free(&p);
            }
        }
        free(labels);
    }
}

/* numpy: [len(x) for x in np.array_split(range(23), 5)] == [5, 5, 5, 4, 4] */
Test(partition, sizes_are_those_of_array_split)
{
    const size_t want[] = {5, 5, 5, 4, 4};
    for (int kind = VS_PARTITION_IID; kind <= VS_PARTITION_STRIDED; kind += 2) {
        vs_partition p = make((vs_partition_kind)kind, NULL, 23, 5, 1);
        for (uint32_t k = 0; k < 5; k++) {
            size_t n;
            (void)vs_partition_rows(&p, k, &n);
            cr_expect_eq(n, want[k], "kind %d client %u", kind, k);
        }
        vs_partition_free(&p);
    }
}

Test(partition, strided_takes_every_kth_row)
{
    vs_partition p = make(VS_PARTITION_STRIDED, NULL, 103, 10, 0);
    for (uint32_t k = 0; k < 10; k++) {
        size_t n;
        const uint32_t *rows = vs_partition_rows(&p, k, &n);
        cr_expect_eq(n, k < 3 ? 11 : 10);
        for (size_t i = 0; i < n; i++) cr_expect_eq(rows[i], k + 10 * i);
    }
    vs_partition_free(&p);
}

static unsigned count_classes(const uint8_t *labels, const uint32_t *rows, size_t n)
{
    unsigned seen = 0;
    for (size_t i = 0; i < n; i++) seen |= 1u << labels[rows[i]];
    return (unsigned)__builtin_popcount(seen);
}

/* Balanced classes: each shard lies in one class, so a client sees at most two. */
Test(partition, shards_hold_two_classes)
{
    uint8_t labels[6000];
    unsigned most_mixed = 0;
    for (size_t i = 0; i < 6000; i++) labels[i] = (uint8_t)(i * 7 % 10);
    vs_partition p = make(VS_PARTITION_SHARDS, labels, 6000, 100, 4);
    for (uint32_t k = 0; k < 100; k++) {
        size_t n;
        const uint32_t *rows = vs_partition_rows(&p, k, &n);
        cr_expect_eq(n, 60);
        unsigned classes = count_classes(labels, rows, n);
        cr_expect_leq(classes, 2);
        most_mixed = classes > most_mixed ? classes : most_mixed;
        for (size_t i = 1; i < n / 2; i++) cr_expect_lt(rows[i - 1], rows[i], "stable sort");
    }
    cr_expect_eq(most_mixed, 2);
    vs_partition_free(&p);
}

/* Uneven classes: a shard may straddle two, so a client sees at most four, mostly fewer. */
Test(partition, shards_of_uneven_classes_stay_narrow)
{
    uint8_t *labels = labels_of(5000);
    size_t n_narrow = 0;
    vs_partition p = make(VS_PARTITION_SHARDS, labels, 5000, 50, 4);
    for (uint32_t k = 0; k < 50; k++) {
        size_t n;
        const uint32_t *rows = vs_partition_rows(&p, k, &n);
        unsigned classes = count_classes(labels, rows, n);
        cr_expect_leq(classes, 4);
        n_narrow += classes <= 3;
    }
    cr_expect_geq(n_narrow, 48);
    vs_partition_free(&p);
    free(labels);
}

Test(partition, follows_the_seed)
{
    uint8_t *labels = labels_of(500);
    for (int kind = 0; kind <= VS_PARTITION_DIRICHLET; kind++) {
        if (kind == VS_PARTITION_STRIDED) continue;
        vs_partition a = make((vs_partition_kind)kind, labels, 500, 7, 1);
        vs_partition b = make((vs_partition_kind)kind, labels, 500, 7, 1);
        vs_partition c = make((vs_partition_kind)kind, labels, 500, 7, 2);
        cr_expect_eq(memcmp(a.rows, b.rows, 500 * sizeof(uint32_t)), 0);
        cr_expect_neq(memcmp(a.rows, c.rows, 500 * sizeof(uint32_t)), 0);
        vs_partition_free(&a);
        vs_partition_free(&b);
        vs_partition_free(&c);
    }
    free(labels);
}

Test(partition, refuses_too_few_rows_and_bad_names)
{
    const uint8_t labels[20] = {0};
    vs_partition p;
    vs_diag diag;
    vs_partition_rule rule;
    cr_expect_eq(
        vs_partition_make(&p, (vs_partition_rule){VS_PARTITION_IID, 0}, labels, 20, 0, 1, &diag),
        VS_ERR_LIMIT);
    cr_expect_eq(
        vs_partition_make(&p, (vs_partition_rule){VS_PARTITION_IID, 0}, labels, 20, 21, 1, &diag),
        VS_ERR_LIMIT);
    cr_expect_eq(vs_partition_make(&p, (vs_partition_rule){VS_PARTITION_SHARDS, 0}, labels, 20, 11,
                                   1, &diag),
                 VS_ERR_LIMIT);
    cr_expect_str_eq(diag.text, "20 rows cannot be cut into 22 parts for 11 clients");
    cr_expect_null(p.rows);
    const char *const names[] = {"iid", "shards", "strided", "dirichlet:0.25"};
    for (int k = 0; k < 4; k++) {
        char text[VS_PARTITION_TEXT_BYTES];
        cr_expect_eq(vs_partition_parse(&rule, names[k], &diag), VS_OK);
        cr_expect_eq((int)rule.kind, k);
        vs_partition_format(text, rule);
        cr_expect_str_eq(text, names[k]);
    }
    cr_expect_eq(vs_partition_parse(&rule, "dirichlet", &diag), VS_OK);
    cr_expect_eq(rule.alpha, 0.5);
    const char *const bad[] = {"non-iid",      "dirichlet:",  "dirichlet:0",   "dirichlet:nan",
                               "dirichlet:1x", "dirichlet-1", "dirichlet:1e9", "dirichletty"};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        cr_expect_eq(vs_partition_parse(&rule, bad[k], &diag), VS_ERR_MALFORMED, "%s", bad[k]);
    }
}

/* With a large alpha every client's labels are as in the whole; with a small one a few clients own
 * most of each label. */
Test(partition, dirichlet_follows_alpha)
{
    enum { ROWS = 10000, CLIENTS = 10 };
    const double alphas[] = {1000.0, 0.05};
    uint8_t *labels = labels_of(ROWS);
    for (int a = 0; a < 2; a++) {
        vs_partition p;
        cr_assert_eq(vs_partition_make(&p, (vs_partition_rule){VS_PARTITION_DIRICHLET, alphas[a]},
                                       labels, ROWS, CLIENTS, 6, NULL),
                     VS_OK);
        size_t count[CLIENTS][256] = {{0}}, of_label[256] = {0};
        double most = 0.0; /* mean over labels of the largest client's part */
        size_t n_labels = 0;
        for (uint32_t k = 0; k < CLIENTS; k++) {
            size_t n;
            const uint32_t *rows = vs_partition_rows(&p, k, &n);
            cr_expect_geq(n, 1);
            for (size_t i = 0; i < n; i++) count[k][labels[rows[i]]]++;
            for (size_t i = 0; i < n; i++) of_label[labels[rows[i]]]++;
        }
        for (int v = 0; v < 256; v++) {
            size_t top = 0;
            if (of_label[v] == 0) continue;
            for (int k = 0; k < CLIENTS; k++) top = count[k][v] > top ? count[k][v] : top;
            most += (double)top / (double)of_label[v];
            n_labels++;
        }
        most /= (double)n_labels;
        if (a == 0) {
            cr_expect_lt(most, 0.13, "%g", most);
        } else {
            cr_expect_gt(most, 0.6, "%g", most);
        }
        vs_partition_free(&p);
    }
    free(labels);
}

Test(draw, gamma_has_its_mean_and_variance)
{
    enum { DRAWS = 100000 };
    const double shapes[] = {0.1, 0.5, 1.0, 3.7, 50.0};
    for (size_t s = 0; s < 5; s++) {
        vs_draw d;
        double sum = 0.0, squares = 0.0;
        vs_draw_init(&d, 7, VS_DRAW_PARTITION);
        for (int i = 0; i < DRAWS; i++) {
            double g = vs_draw_gamma(&d, shapes[s]);
            cr_assert(g >= 0.0);
            sum += g;
            squares += (g - shapes[s]) * (g - shapes[s]);
        }
        const double mean = sum / DRAWS, variance = squares / DRAWS;
        const double kurtosis = 3.0 + 6.0 / shapes[s];
        cr_expect_leq(fabs(mean - shapes[s]), 5 * sqrt(shapes[s] / DRAWS));
        cr_expect_leq(fabs(variance / shapes[s] - 1), 5 * sqrt((kurtosis - 1) / DRAWS));
    }
}

Test(draw, chooses_each_client_equally_often)
{
    enum { N = 9, PICKED = 4, DRAWS = 20000 };
    size_t count[N] = {0};
    vs_draw d;
    vs_draw_init(&d, 8, VS_DRAW_CLIENTS);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t picked[PICKED];
        vs_draw_choose(&d, picked, PICKED, N);
        for (int k = 0; k < PICKED; k++) {
            cr_assert_lt(picked[k], N);
            cr_assert(k == 0 || picked[k] > picked[k - 1]);
            count[picked[k]]++;
        }
    }
    const double p = (double)PICKED / N;
    for (int k = 0; k < N; k++) {
        cr_expect_leq(fabs((double)count[k] / DRAWS - p), 5 * sqrt(p * (1 - p) / DRAWS));
    }
}

Test(draw, below_is_uniform_and_in_range)
{
    enum { DRAWS = 70000 };
    size_t count[7] = {0};
    vs_draw d;
    vs_draw_init(&d, 1, VS_DRAW_SHUFFLE);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t v = vs_draw_below(&d, 7);
        cr_assert_lt(v, 7);
        count[v]++;
    }
    for (size_t v = 0; v < 7; v++) {
        cr_expect(count[v] > 9500 && count[v] < 10500, "%zu: %zu", v, count[v]); /* 5 sigma: 463 */
    }
}

Test(draw, streams_and_derived_seeds_differ)
{
    vs_draw a;
    vs_draw b;
    vs_draw_init(&a, 1, VS_DRAW_SHUFFLE);
    vs_draw_init(&b, 1, VS_DRAW_WEIGHTS);
    cr_expect_neq(vs_draw_u64(&a), vs_draw_u64(&b));
    cr_expect_neq(vs_draw_derive(1, 2, 3), vs_draw_derive(1, 3, 2));
    cr_expect_eq(vs_draw_derive(1, 2, 3), vs_draw_derive(1, 2, 3));
}
