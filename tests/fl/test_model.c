#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fl/evaluate.h"
#include "fl/fedavg.h"
#include "fl/model.h"
#include "fl/server_opt.h"
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
    const char *const specs[] = {"784-10",
                                 "784-200-10",
                                 "784-128-64-10",
                                 "1-2",
                                 "65536-1-256",
                                 "2-3-4-5-6-7-8-9-10",
                                 "65536-100-2",
                                 "30-1",
                                 "28x28-c8k5-p2-c16k5-p2-64-10",
                                 "32x32x3-c4k3-10",
                                 "28x28-10",
                                 "1x9-c2k1-2",
                                 "2-3-4-5-6-7-8-9-10-11-12-13-14"};
    const size_t n_params[] = {7850,
                               159010,
                               109386,
                               4,
                               66049,
                               380,
                               6553902,
                               31,
                               208 + 3216 + 257 * 64 + 650,
                               112 + 3601 * 10,
                               7850,
                               4 + 19 * 2,
                               1010};
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
        {"784x10", VS_ERR_LIMIT},
        {"784-+10", VS_ERR_MALFORMED},
        {"784-010", VS_ERR_MALFORMED},
        {"784-0-10", VS_ERR_MALFORMED},
        {"784-c4k3-10", VS_ERR_MALFORMED},
        {"28x28-10-p2-10", VS_ERR_MALFORMED},
        {"28x28x1-10", VS_ERR_MALFORMED},
        {"1x784-10", VS_ERR_MALFORMED},
        {"28x28-c8-10", VS_ERR_MALFORMED},
        {"28x28-p-10", VS_ERR_MALFORMED},
        {"28x28-p0-10", VS_ERR_MALFORMED},
        {"28x28-c8k5x-10", VS_ERR_MALFORMED},
        {"28x28-p2", VS_ERR_LIMIT},
        {"28x28-p29-10", VS_ERR_LIMIT},
        {"28x28-c8k29-10", VS_ERR_LIMIT},
        {"300x300-10", VS_ERR_LIMIT},
        {"65536x65536x65536-10", VS_ERR_LIMIT},
        {"256x256-c17k1-10", VS_ERR_LIMIT},
        {"784-257", VS_ERR_LIMIT},
        {"65537-10", VS_ERR_LIMIT},
        {"99999999999999999999-10", VS_ERR_LIMIT},
        {"1-2-3-4-5-6-7-8-9-10-11-12-13-14", VS_ERR_LIMIT},
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
    vs_dataset set = dataset_of(9, m.width[0], vs_model_n_classes(&m));
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
    expect_gradient("6-1");
    expect_gradient("6-4-1");
    expect_gradient("5x5-c3k2-3");
    expect_gradient("6x5x2-c3k2-p2-4-3");
    expect_gradient("9x8-c2k3-p2-c3k2-p2-2");
    expect_gradient("5x7-p2-3");
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
    double loss = vs_softmax(logits, 3, 0, &best);
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

/* --- training options ------------------------------------------------------------------------ */

enum { N_STEPS = 5 };

/* Full-batch steps, one epoch each, as the formulas say, from gradients that plain steps give. */
static void steps_by_hand(double *w, const vs_model *m, const double *start, const vs_dataset *set,
                          double rate, double momentum, double mu)
{
    const size_t n = vs_model_n_params(m);
    double *v = calloc(n, sizeof *v);
    double *delta = malloc(n * sizeof *delta);
    cr_assert(v != NULL && delta != NULL);
    const vs_train_options plain = {
        .local_epochs = 1, .batch_size = (uint32_t)set->n_rows, .learning_rate = 1.0};
    memcpy(w, start, n * sizeof *w);
    for (int k = 0; k < N_STEPS; k++) {
        cr_assert_eq(vs_train_local(delta, NULL, m, w, set, NULL, set->n_rows, &plain, NULL),
                     VS_OK);
        for (size_t i = 0; i < n; i++) {
            v[i] = momentum * v[i] - delta[i] + mu * (w[i] - start[i]);
            w[i] -= rate * v[i];
        }
    }
    free(v);
    free(delta);
}

Test(train, momentum_and_proximal_term_follow_their_formulas)
{
    const double cases[][2] = {{0.9, 0.0}, {0.0, 0.3}, {0.5, 0.7}};
    vs_model m = model_of("4x4-c3k2-5-3");
    vs_dataset set = dataset_of(12, 16, 3);
    const size_t n = vs_model_n_params(&m);
    double *start = params_of(&m, 3);
    double *want = malloc(n * sizeof *want);
    double *delta = malloc(n * sizeof *delta);
    cr_assert(want != NULL && delta != NULL);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        const vs_train_options o = {.local_epochs = N_STEPS,
                                    .batch_size = 12,
                                    .learning_rate = 0.1,
                                    .momentum = cases[c][0],
                                    .proximal_mu = cases[c][1]};
        cr_assert_eq(vs_train_local(delta, NULL, &m, start, &set, NULL, 12, &o, NULL), VS_OK);
        steps_by_hand(want, &m, start, &set, 0.1, cases[c][0], cases[c][1]);
        for (size_t i = 0; i < n; i++) {
            cr_assert_leq(fabs(start[i] + delta[i] - want[i]), 1e-12, "case %zu, %zu", c, i);
        }
    }
    vs_dataset_free(&set);
    free(start);
    free(want);
    free(delta);
}

Test(train, refuses_momentum_and_mu_out_of_range)
{
    vs_train_options o = {.local_epochs = 1, .batch_size = 1, .learning_rate = 0.1};
    vs_diag diag = {0};
    cr_expect_eq(vs_train_check(&o, &diag), VS_OK);
    const double bad[] = {-0.1, 1.0, NAN};
    for (int i = 0; i < 3; i++) {
        o.momentum = bad[i];
        cr_expect_eq(vs_train_check(&o, &diag), VS_ERR_LIMIT);
        cr_expect_not_null(strstr(diag.text, "momentum"));
    }
    o.momentum = 0.0;
    const double bad_mu[] = {-0.1, 1e4, NAN};
    for (int i = 0; i < 3; i++) {
        o.proximal_mu = bad_mu[i];
        cr_expect_eq(vs_train_check(&o, &diag), VS_ERR_LIMIT);
        cr_expect_not_null(strstr(diag.text, "proximal_mu"));
    }
}

/* --- evaluation ------------------------------------------------------------------------------ */

Test(evaluate, auc_counts_pairs_in_order)
{
    vs_scored rows[60];
    for (uint64_t seed = 1; seed < 50; seed++) {
        uint8_t noise[120];
        const size_t n = 2 + seed % 58;
        double wins = 0.0, pairs = 0.0;
        vs_test_bytes(noise, sizeof noise, seed);
        for (size_t i = 0; i < n; i++) rows[i] = (vs_scored){noise[i] % 16, noise[60 + i] % 3 == 0};
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++) {
                if (!rows[i].positive || rows[j].positive) continue;
                pairs += 1.0;
                wins += rows[i].score > rows[j].score ? 1.0 : 0.0;
                wins += rows[i].score == rows[j].score ? 0.5 : 0.0;
            }
        }
        double auc = vs_auc(rows, n);
        if (pairs == 0.0) {
            cr_expect(isnan(auc));
        } else {
            cr_expect_float_eq(auc, wins / pairs, 1e-12);
        }
    }
}

Test(evaluate, one_output_says_the_same_as_two)
{
    const double z[] = {-800.0, -3.0, -1e-9, 0.0, 0.5, 40.0, 800.0};
    for (size_t i = 0; i < sizeof z / sizeof z[0]; i++) {
        for (uint32_t label = 0; label < 2; label++) {
            double one[1] = {z[i]};
            double two[2] = {0.0, z[i]};
            uint32_t best_one, best_two;
            double a = vs_softmax(one, 1, label, &best_one);
            double b = vs_softmax(two, 2, label, &best_two);
            cr_expect_float_eq(a, b, 1e-12 * (1 + fabs(b)));
            cr_expect_float_eq(one[0], two[1], 1e-15);
            cr_expect_eq(best_one, best_two);
        }
    }
}

Test(evaluate, tells_two_classes_apart_and_states_auc)
{
    vs_model m = model_of("6-1");
    vs_dataset set = dataset_of(40, 6, 2);
    double w[7] = {0}, delta[7];
    vs_evaluation before, after;
    const vs_train_options o = {.local_epochs = 60, .batch_size = 8, .learning_rate = 0.5};
    cr_assert_eq(vs_model_evaluate(&before, &m, w, &set, NULL), VS_OK);
    cr_expect_float_eq(before.loss, log(2.0), 1e-12);
    cr_expect_float_eq(before.auc, 0.5, 1e-12);
    cr_assert_eq(vs_train_local(delta, NULL, &m, w, &set, NULL, 40, &o, NULL), VS_OK);
    cr_assert_eq(vs_model_evaluate(&after, &m, delta, &set, NULL), VS_OK);
    cr_expect_eq(after.accuracy, 1.0);
    cr_expect_eq(after.auc, 1.0);
    cr_expect_eq(after.n_right, 40);
    vs_dataset_free(&set);
}

/* --- server optimisers ----------------------------------------------------------------------- */

Test(server_opt, steps_follow_the_papers)
{
    const double mean[3][2] = {{0.5, -0.2}, {0.1, 0.0}, {-0.3, 0.4}};
    for (int rule = 0; rule <= VS_SERVER_FEDYOGI; rule++) {
        vs_server_options o = {(vs_server_rule)rule, 0.5, 0.8, 0.9, 0.01};
        vs_server_opt s;
        double w[2] = {1.0, 2.0}, want[2] = {1.0, 2.0}, m[2] = {0}, v[2] = {1e-4, 1e-4};
        cr_assert_eq(vs_server_opt_init(&s, &o, 2), VS_OK);
        for (int k = 0; k < 3; k++) {
            vs_server_opt_step(&s, w, mean[k]);
            for (int i = 0; i < 2; i++) {
                double d = mean[k][i], q = d * d;
                m[i] = rule == VS_SERVER_FEDAVGM ? 0.8 * m[i] + d : 0.8 * m[i] + 0.2 * d;
                if (rule == VS_SERVER_FEDADAM) v[i] += 0.1 * (q - v[i]);
                if (rule == VS_SERVER_FEDYOGI) v[i] += v[i] < q ? 0.1 * q : v[i] > q ? -0.1 * q : 0;
                if (rule == VS_SERVER_FEDAVG) want[i] += 0.5 * d;
                if (rule == VS_SERVER_FEDAVGM) want[i] += 0.5 * m[i];
                if (rule >= VS_SERVER_FEDADAM) want[i] += 0.5 * m[i] / (sqrt(v[i]) + 0.01);
                cr_expect_float_eq(w[i], want[i], 1e-12, "%s", vs_server_rule_name(o.rule));
            }
        }
        vs_server_opt_clear(&s);
    }
}

Test(server_opt, refuses_what_is_out_of_range_by_name)
{
    vs_diag diag = {0};
    vs_server_rule rule;
    for (int k = 0; k <= VS_SERVER_FEDYOGI; k++) {
        cr_expect_eq(vs_server_rule_parse(&rule, vs_server_rule_name((vs_server_rule)k), &diag),
                     VS_OK);
        cr_expect_eq((int)rule, k);
        vs_server_options o = vs_server_defaults(rule);
        cr_expect_eq(vs_server_check(&o, &diag), VS_OK);
    }
    cr_expect_eq(vs_server_rule_parse(&rule, "adam", &diag), VS_ERR_MALFORMED);
    const struct {
        vs_server_options o;
        const char *word;
    } bad[] = {{{VS_SERVER_FEDAVG, 0.0, 0.9, 0.9, 0.1}, "server_learning_rate"},
               {{VS_SERVER_FEDAVG, NAN, 0.9, 0.9, 0.1}, "server_learning_rate"},
               {{VS_SERVER_FEDADAM, 1.0, 1.0, 0.9, 0.1}, "beta1"},
               {{VS_SERVER_FEDADAM, 1.0, 0.9, -0.1, 0.1}, "beta2"},
               {{VS_SERVER_FEDADAM, 1.0, 0.9, 0.9, 0.0}, "tau"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(vs_server_check(&bad[i].o, &diag), VS_ERR_LIMIT);
        cr_expect_not_null(strstr(diag.text, bad[i].word), "%s", diag.text);
    }
}
