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
    cr_assert_eq(vs_partition_make(&p, kind, labels, n_rows, n_clients, seed, &diag), VS_OK, "%s",
                 diag.text);
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
        for (int kind = 0; kind <= VS_PARTITION_STRIDED; kind++) {
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
    for (int kind = 0; kind <= VS_PARTITION_SHARDS; kind++) {
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
    vs_partition_kind kind;
    cr_expect_eq(vs_partition_make(&p, VS_PARTITION_IID, labels, 20, 0, 1, &diag), VS_ERR_LIMIT);
    cr_expect_eq(vs_partition_make(&p, VS_PARTITION_IID, labels, 20, 21, 1, &diag), VS_ERR_LIMIT);
    cr_expect_eq(vs_partition_make(&p, VS_PARTITION_SHARDS, labels, 20, 11, 1, &diag),
                 VS_ERR_LIMIT);
    cr_expect_str_eq(diag.text, "20 rows cannot be cut into 22 parts for 11 clients");
    cr_expect_null(p.rows);
    for (int k = 0; k <= VS_PARTITION_STRIDED; k++) {
        const char *name = vs_partition_name((vs_partition_kind)k);
        cr_expect_eq(vs_partition_parse(&kind, name, &diag), VS_OK);
        cr_expect_eq((int)kind, k);
    }
    cr_expect_eq(vs_partition_parse(&kind, "non-iid", &diag), VS_ERR_MALFORMED);
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
