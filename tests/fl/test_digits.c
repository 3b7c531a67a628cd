#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fl/digits.h"
#include "fl/evaluate.h"
#include "fl/fedavg.h"
#include "fl/model.h"
#include "fl/train.h"

static vs_dataset make(uint32_t n_rows, uint64_t seed)
{
    vs_dataset set;
    vs_diag diag = {0};
    cr_assert_eq(vs_digits_make(&set, n_rows, seed, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(set.n_rows, n_rows);
    cr_assert_eq(set.n_features, 784);
    cr_assert_eq(set.n_classes, 10);
    return set;
}

Test(digits, follow_the_seed)
{
    vs_dataset a = make(300, 1);
    vs_dataset b = make(300, 1);
    vs_dataset c = make(300, 2);
    cr_expect_eq(memcmp(a.pixels, b.pixels, 300 * 784), 0);
    cr_expect_eq(memcmp(a.labels, b.labels, 300), 0);
    cr_expect_neq(memcmp(a.pixels, c.pixels, 300 * 784), 0);
    cr_expect_neq(memcmp(a.labels, c.labels, 300), 0);
    vs_dataset_free(&a);
    vs_dataset_free(&b);
    vs_dataset_free(&c);
}

Test(digits, classes_are_equal_in_number)
{
    size_t count[10] = {0};
    vs_dataset set = make(1003, 5);
    for (size_t i = 0; i < 1003; i++) {
        cr_assert_lt(set.labels[i], 10);
        count[set.labels[i]]++;
    }
    for (size_t c = 0; c < 10; c++) cr_expect(count[c] == 100 || count[c] == 101, "class %zu", c);
    vs_dataset_free(&set);
}

Test(digits, a_client_can_draw_its_own_rows_alone)
{
    const uint32_t rows[] = {199, 0, 57};
    vs_dataset all = make(200, 9);
    vs_dataset own;
    uint8_t *labels;
    cr_assert_eq(vs_digits_take(&own, 200, 9, rows, 3, NULL), VS_OK);
    cr_assert_eq(vs_digits_labels(&labels, 200, 9, NULL), VS_OK);
    cr_expect_eq(memcmp(labels, all.labels, 200), 0);
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(own.labels[i], all.labels[rows[i]]);
        cr_expect_eq(memcmp(own.pixels + i * 784, all.pixels + rows[i] * 784, 784), 0);
    }
    free(labels);
    vs_dataset_free(&own);
    vs_dataset_free(&all);
}

/* The pen leaves ink: noise alone stays far below. */
Test(digits, every_image_has_a_glyph)
{
    vs_dataset set = make(500, 6);
    for (size_t i = 0; i < 500; i++) {
        size_t n_ink = 0;
        for (size_t j = 0; j < 784; j++) n_ink += set.pixels[i * 784 + j] > 100;
        cr_expect(n_ink >= 12 && n_ink < 400, "image %zu, class %u: %zu dark pixels", i,
                  set.labels[i], n_ink);
    }
    vs_dataset_free(&set);
}

Test(digits, refuse_zero_and_too_many)
{
    vs_dataset set;
    vs_diag diag;
    cr_expect_eq(vs_digits_make(&set, 0, 1, &diag), VS_ERR_LIMIT);
    cr_expect_eq(vs_digits_make(&set, VS_DATASET_ROWS_MAX + 1, 1, &diag), VS_ERR_LIMIT);
    cr_expect_null(set.pixels);
}

static double accuracy_after(const char *spec, uint32_t epochs, const vs_dataset *train,
                             const vs_dataset *test)
{
    vs_model m;
    vs_evaluation e;
    const vs_train_options o = {
        .local_epochs = epochs, .batch_size = 50, .learning_rate = 0.1, .shuffle = true, .seed = 1};
    cr_assert_eq(vs_model_parse(&m, spec, NULL), VS_OK);
    const size_t n = vs_model_n_params(&m);
    double *params = malloc(n * sizeof *params);
    double *delta = malloc(n * sizeof *delta);
    cr_assert(params != NULL && delta != NULL);
    vs_model_init(params, &m, 1);
    cr_assert_eq(vs_train_local(delta, NULL, &m, params, train, NULL, train->n_rows, &o, NULL),
                 VS_OK);
    vs_fedavg_step(params, delta, n, 1.0);
    cr_assert_eq(vs_model_evaluate(&e, &m, params, test, NULL), VS_OK);
    free(params);
    free(delta);
    return e.accuracy;
}

/* Hard enough for a demo to show progress: a linear model does not solve it, an MLP does better. */
Test(digits, are_neither_trivial_nor_hopeless)
{
    vs_dataset train = make(6000, 1);
    vs_dataset test = make(1000, 2);
    double softmax = accuracy_after("784-10", 6, &train, &test);
    double mlp = accuracy_after("784-100-10", 10, &train, &test);
    cr_log_info("softmax %.3f, 784-100-10 %.3f", softmax, mlp);
    cr_expect(softmax > 0.60 && softmax < 0.92, "softmax regression: %.3f", softmax);
    cr_expect(mlp > softmax + 0.04 && mlp < 0.995, "784-100-10: %.3f", mlp);
    vs_dataset_free(&train);
    vs_dataset_free(&test);
}
