#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fl/fedavg.h"
#include "fl/model.h"
#include "fl/train.h"
#include "tests/support.h"

static vs_model model_of(const char *spec)
{
    vs_model m;
    vs_diag diag = {0};
    cr_assert_eq(vs_model_parse(&m, spec, &diag), VS_OK, "%s", diag.text);
    return m;
}

/* Pixels are noise plus a bright spot that tells the class. */
static vs_dataset dataset_of(size_t n_rows, uint32_t n_features, uint32_t n_classes)
{
    vs_dataset set = {.n_rows = n_rows, .n_features = n_features, .n_classes = n_classes};
    set.pixels = malloc(n_rows * n_features);
    set.labels = malloc(n_rows);
    cr_assert(set.pixels != NULL && set.labels != NULL);
    vs_test_bytes(set.pixels, n_rows * n_features, 11);
    for (size_t i = 0; i < n_rows; i++) {
        set.labels[i] = (uint8_t)(i % n_classes);
        for (uint32_t j = 0; j < n_features; j++) set.pixels[i * n_features + j] /= 2;
        set.pixels[i * n_features + set.labels[i]] = 255;
    }
    return set;
}

static double *params_of(const vs_model *m, uint64_t seed)
{
    double *params = malloc(vs_model_n_params(m) * sizeof *params);
    cr_assert_not_null(params);
    vs_model_init(params, m, seed);
    return params;
}

Test(model, spec_round_trips)
{
    const char *const specs[] = {"784-10",      "784-200-10",         "784-128-64-10", "1-2",
                                 "65536-1-256", "2-3-4-5-6-7-8-9-10", "65536-100-2"};
    const size_t n_params[] = {7850, 159010, 109386, 4, 66049, 380, 6553902};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        char text[VS_MODEL_SPEC_BYTES];
        vs_model m = model_of(specs[i]);
        vs_model_format(text, &m);
        cr_expect_str_eq(text, specs[i]);
        cr_expect_eq(vs_model_n_params(&m), n_params[i], "%s: %zu", specs[i],
                     vs_model_n_params(&m));
    }
}

Test(model, refuses_bad_specs_and_quotes_them)
{
    const struct {
        const char *spec;
        vs_err want;
    } bad[] = {
        {"", VS_ERR_MALFORMED},
        {"784", VS_ERR_LIMIT},
        {"784-", VS_ERR_MALFORMED},
        {"-784-10", VS_ERR_MALFORMED},
        {"784--10", VS_ERR_MALFORMED},
        {"784-10 ", VS_ERR_MALFORMED},
        {" 784-10", VS_ERR_MALFORMED},
        {"784x10", VS_ERR_MALFORMED},
        {"784-+10", VS_ERR_MALFORMED},
        {"784-010", VS_ERR_MALFORMED},
        {"784-0-10", VS_ERR_MALFORMED},
        {"784-1", VS_ERR_LIMIT},
        {"784-257", VS_ERR_LIMIT},
        {"65537-10", VS_ERR_LIMIT},
        {"99999999999999999999-10", VS_ERR_LIMIT},
        {"1-2-3-4-5-6-7-8-9-10", VS_ERR_LIMIT},
        {"65536-65536-10", VS_ERR_LIMIT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vs_model m = {.n_layers = 3};
        vs_diag diag = {0};
        cr_expect_eq(vs_model_parse(&m, bad[i].spec, &diag), bad[i].want, "%s", bad[i].spec);
        cr_expect_eq(m.n_layers, 0);
        cr_expect_not_null(strstr(diag.text, bad[i].spec), "%s", diag.text);
    }
}

Test(model, init_is_seeded_and_has_the_stated_variance)
{
    vs_model m = model_of("300-200-10");
    const size_t n = 300 * 200;
    double *a = params_of(&m, 1);
    double *b = params_of(&m, 1);
    double *c = params_of(&m, 2);
    cr_expect_eq(memcmp(a, b, vs_model_n_params(&m) * sizeof *a), 0);
    cr_expect_neq(memcmp(a, c, vs_model_n_params(&m) * sizeof *a), 0);
    double sum = 0.0;
    double squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i];
        squares += a[i] * a[i];
    }
    double variance = 2.0 / 300;
    cr_expect_leq(fabs(sum / (double)n), 5 * sqrt(variance / (double)n));
    cr_expect_leq(fabs(squares / (double)n / variance - 1), 5 * sqrt(2.0 / (double)n));
    for (size_t i = n; i < n + 200; i++) cr_assert_eq(a[i], 0.0, "bias");

    vs_model softmax = model_of("300-10");
    vs_model_init(a, &softmax, 1);
    for (size_t i = 0; i < vs_model_n_params(&softmax); i++) cr_assert_eq(a[i], 0.0);
    free(a);
    free(b);
    free(c);
}

/* The step that one batch takes, over the learning rate, against central differences of the
 * loss, for every parameter. */
static void expect_gradient(const char *spec)
{
    const double rate = 1e-3;
    const double h = 1e-5;
    vs_model m = model_of(spec);
    vs_dataset set = dataset_of(9, m.width[0], m.width[m.n_layers]);
    const size_t n = vs_model_n_params(&m);
    double *params = params_of(&m, 5);
    double *delta = malloc(n * sizeof *delta);
    const vs_train_options o = {.local_epochs = 1, .batch_size = 9, .learning_rate = rate};
    cr_assert_not_null(delta);
    for (size_t i = 0; i < n; i++) params[i] += 0.05 * sin((double)i + 0.5); /* no zero biases */
    cr_assert_eq(vs_train_local(delta, NULL, &m, params, &set, NULL, 9, &o, NULL), VS_OK);
    for (size_t i = 0; i < n; i++) {
        vs_evaluation up;
        vs_evaluation down;
        double at = params[i];
        params[i] = at + h;
        cr_assert_eq(vs_model_evaluate(&up, &m, params, &set, NULL), VS_OK);
        params[i] = at - h;
        cr_assert_eq(vs_model_evaluate(&down, &m, params, &set, NULL), VS_OK);
        params[i] = at;
        double want = -rate * (up.loss - down.loss) / (2 * h);
        cr_assert_leq(fabs(delta[i] - want), 1e-8 * rate + 1e-6 * fabs(want),
                      "%s parameter %zu: %.12g, want %.12g", spec, i, delta[i], want);
    }
    vs_dataset_free(&set);
    free(params);
    free(delta);
}

Test(model, gradient_matches_finite_differences)
{
    expect_gradient("6-3");
    expect_gradient("6-5-3");
    expect_gradient("6-7-5-4-3");
}

Test(model, evaluates_zero_parameters_as_chance)
{
    vs_model m = model_of("12-4");
    vs_dataset set = dataset_of(1001, 12, 4); /* more than one batch, last one short */
    double *params = params_of(&m, 0);
    vs_evaluation e;
    cr_assert_eq(vs_model_evaluate(&e, &m, params, &set, NULL), VS_OK);
    cr_expect_float_eq(e.loss, log(4.0), 1e-12);
    cr_expect_float_eq(e.accuracy, 251.0 / 1001.0, 1e-12, "a tie goes to the first class");
    cr_expect_eq(e.n_rows, 1001);
    vs_dataset_free(&set);
    free(params);
}

Test(model, loss_of_extreme_logits_is_finite)
{
    double logits[] = {-1000.0, 2000.0, 1999.0};
    uint32_t best;
    double loss = vs_model_softmax(logits, 3, 0, &best);
    cr_expect_eq(best, 1);
    cr_expect_float_eq(loss, 3000.0 + log1p(exp(-1.0)), 1e-9);
    cr_expect_float_eq(logits[0] + logits[1] + logits[2], 1.0, 1e-12);
}

Test(model, says_when_data_do_not_fit)
{
    vs_model m = model_of("12-4");
    double *params = params_of(&m, 0);
    double *delta = params_of(&m, 0);
    const vs_train_options o = {.local_epochs = 1, .batch_size = 5, .learning_rate = 0.1};
    vs_dataset narrow = dataset_of(20, 11, 4);
    vs_dataset classes = dataset_of(20, 12, 5);
    vs_evaluation e;
    vs_diag diag;
    cr_expect_eq(vs_model_evaluate(&e, &m, params, &narrow, &diag), VS_ERR_LIMIT);
    cr_expect_str_eq(diag.text, "model 12-4 takes 12 inputs, the data have 11 features");
    cr_expect_eq(vs_train_local(delta, NULL, &m, params, &classes, NULL, 20, &o, &diag),
                 VS_ERR_LIMIT);
    cr_expect_str_eq(diag.text, "model 12-4 knows 4 classes, the data have 5");
    vs_dataset_free(&narrow);
    vs_dataset_free(&classes);
    free(params);
    free(delta);
}

Test(train, check_names_the_field)
{
    const vs_train_options good = {.local_epochs = 1, .batch_size = 50, .learning_rate = 0.1};
    const double bad_rates[] = {0.0, -0.1, NAN, INFINITY, 1001.0};
    vs_train_options o = good;
    vs_diag diag;
    cr_expect_eq(vs_train_check(&o, &diag), VS_OK);
    o.local_epochs = 0;
    cr_expect_eq(vs_train_check(&o, &diag), VS_ERR_LIMIT);
    cr_expect_not_null(strstr(diag.text, "local_epochs"));
    o = good;
    o.batch_size = 0;
    cr_expect_eq(vs_train_check(&o, &diag), VS_ERR_LIMIT);
    cr_expect_not_null(strstr(diag.text, "batch_size"));
    for (size_t i = 0; i < 5; i++) {
        o = good;
        o.learning_rate = bad_rates[i];
        cr_expect_eq(vs_train_check(&o, &diag), VS_ERR_LIMIT);
        cr_expect_not_null(strstr(diag.text, "learning_rate"));
    }
}

/* Same seed, same update; another seed or no shuffle, another one; all of them learn. */
Test(train, shuffles_by_seed_and_learns)
{
    vs_model m = model_of("16-12-4");
    vs_dataset set = dataset_of(203, 16, 4);
    const size_t n = vs_model_n_params(&m);
    double *params = params_of(&m, 3);
    double *delta[4];
    vs_train_options o = {.local_epochs = 4, .batch_size = 20, .learning_rate = 0.3};
    for (size_t i = 0; i < 4; i++) {
        vs_train_report report;
        delta[i] = params_of(&m, 0);
        o.shuffle = i < 3;
        o.seed = i == 2 ? 8 : 7;
        cr_assert_eq(vs_train_local(delta[i], &report, &m, params, &set, NULL, 203, &o, NULL),
                     VS_OK);
        cr_expect_eq(report.n_rows, 203);
        cr_expect_eq(report.n_batches, 4 * 11, "the short batch counts");
        cr_expect_lt(report.loss, 1.0, "loss %g", report.loss);
    }
    cr_expect_eq(memcmp(delta[0], delta[1], n * sizeof(double)), 0);
    cr_expect_neq(memcmp(delta[0], delta[2], n * sizeof(double)), 0);
    cr_expect_neq(memcmp(delta[0], delta[3], n * sizeof(double)), 0);
    for (size_t i = 0; i < 4; i++) free(delta[i]);
    free(params);
    vs_dataset_free(&set);
}

/* Listed rows of the large set and a set of its own with them give the same update. */
Test(train, own_copy_of_the_rows_trains_the_same)
{
    vs_model m = model_of("16-4");
    vs_dataset set = dataset_of(100, 16, 4);
    vs_dataset own;
    uint32_t rows[30];
    double *params = params_of(&m, 0);
    double *a = params_of(&m, 0);
    double *b = params_of(&m, 0);
    const vs_train_options o = {
        .local_epochs = 2, .batch_size = 8, .learning_rate = 0.1, .shuffle = true, .seed = 1};
    for (uint32_t i = 0; i < 30; i++) rows[i] = 99 - 3 * i;
    cr_assert_eq(vs_dataset_take(&own, &set, rows, 30), VS_OK);
    cr_assert_eq(vs_train_local(a, NULL, &m, params, &set, rows, 30, &o, NULL), VS_OK);
    cr_assert_eq(vs_train_local(b, NULL, &m, params, &own, NULL, 30, &o, NULL), VS_OK);
    cr_expect_eq(memcmp(a, b, vs_model_n_params(&m) * sizeof *a), 0);
    cr_expect_eq(vs_train_local(a, NULL, &m, params, &set, rows, 0, &o, NULL), VS_ERR_LIMIT);
    vs_dataset_free(&own);
    vs_dataset_free(&set);
    free(params);
    free(a);
    free(b);
}

Test(fedavg, is_the_weighted_mean)
{
    const double a[] = {1.0, -2.0, 0.0};
    const double b[] = {4.0, 1.0, 3.0};
    double mean[3];
    double params[3] = {10.0, 20.0, 30.0};
    vs_fedavg f;
    cr_assert_eq(vs_fedavg_init(&f, 3), VS_OK);
    vs_fedavg_add(&f, a, 1);
    vs_fedavg_add(&f, b, 2);
    vs_fedavg_mean(mean, &f);
    cr_expect_eq(f.n_updates, 2);
    cr_expect_eq(f.weight_sum, 3);
    cr_expect_eq(mean[0], 3.0);
    cr_expect_eq(mean[1], 0.0);
    cr_expect_eq(mean[2], 2.0);
    vs_fedavg_step(params, mean, 3, 0.5);
    cr_expect_eq(params[0], 11.5);
    vs_fedavg_reset(&f);
    vs_fedavg_add(&f, a, 5);
    vs_fedavg_mean(mean, &f);
    cr_expect_eq(mean[1], -2.0);
    vs_fedavg_clear(&f);
}
