/* The reference traces: float64, 10 clients, client k owns rows k, k+10, ... of the first 6,000,
 * batch 50, rate 0.1, no shuffle, 3 rounds; made by the reference program in numpy. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include "fl/evaluate.h"
#include "fl/fedavg.h"
#include "fl/model.h"
#include "fl/npy.h"
#include "fl/train.h"
#include "tests/support.h"

enum { N_CLIENTS = 10, N_ROWS = 6000, N_ROUNDS = 3 };

static const double TOLERANCE = 1e-9; /* relative; only the order of summation differs */

typedef struct fixture {
    vs_dataset train;
    vs_dataset test;
    json_t *golden;
    char *folder;
} fixture;

/* False where the developer data are not there. */
static bool open_fixture(fixture *f)
{
    char path[1024];
    vs_diag diag = {0};
    memset(f, 0, sizeof *f);
    char *data = vs_test_shared("data/fashion-mnist");
    f->folder = vs_test_shared("reference/golden");
    if (data == NULL || f->folder == NULL) {
        free(data);
        free(f->folder);
        vs_test_skip("no Fashion-MNIST and golden traces in the shared folder");
        return false;
    }
    cr_assert_eq(vs_dataset_load(&f->train, &f->test, data, NULL, &diag), VS_OK, "%s", diag.text);
    (void)snprintf(path, sizeof path, "%s/golden.json", f->folder);
    f->golden = json_load_file(path, 0, NULL);
    cr_assert_not_null(f->golden);
    free(data);
    return true;
}

static void close_fixture(fixture *f)
{
    vs_dataset_free(&f->train);
    vs_dataset_free(&f->test);
    json_decref(f->golden);
    free(f->folder);
}

static vs_npy read_params(const fixture *f, const char *name, const char *which, size_t n)
{
    char path[1024];
    vs_diag diag = {0};
    vs_npy npy;
    (void)snprintf(path, sizeof path, "%s/%s_%s.npy", f->folder, name, which);
    cr_assert_eq(vs_npy_read(&npy, path, n, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(npy.n, n);
    return npy;
}

static double norm(const double *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum);
}

static void expect_near(double got, double want, const char *what, int round)
{
    cr_expect_leq(fabs(got - want), TOLERANCE * fabs(want), "round %d %s: %.17g, want %.17g", round,
                  what, got, want);
}

static void expect_round(const fixture *f, const char *name, int round, const vs_model *m,
                         const double *w, double client0_norm)
{
    const json_t *want = json_array_get(json_object_get(f->golden, name), (size_t)round - 1);
    vs_evaluation got;
    cr_assert_eq(vs_model_evaluate(&got, m, w, &f->test, NULL), VS_OK);
    expect_near(got.accuracy, json_real_value(json_object_get(want, "test_acc")), "accuracy",
                round);
    expect_near(got.loss, json_real_value(json_object_get(want, "test_loss")), "loss", round);
    expect_near(norm(w, vs_model_n_params(m)), json_real_value(json_object_get(want, "w_l2")),
                "norm", round);
    expect_near(client0_norm, json_real_value(json_object_get(want, "client0_delta_l2")),
                "norm of client 0's delta", round);
}

static void one_round(double *w, double *client0_norm, const fixture *f, const vs_model *m)
{
    const vs_train_options options = {
        .local_epochs = 1, .batch_size = 50, .learning_rate = 0.1, .shuffle = false};
    const size_t n = vs_model_n_params(m);
    double *delta = malloc(n * sizeof *delta);
    vs_fedavg avg;
    cr_assert_not_null(delta);
    cr_assert_eq(vs_fedavg_init(&avg, n), VS_OK);
    for (uint32_t k = 0; k < N_CLIENTS; k++) {
        uint32_t rows[N_ROWS / N_CLIENTS];
        for (uint32_t i = 0; i < N_ROWS / N_CLIENTS; i++) rows[i] = k + i * N_CLIENTS;
        cr_assert_eq(
            vs_train_local(delta, NULL, m, w, &f->train, rows, N_ROWS / N_CLIENTS, &options, NULL),
            VS_OK);
        if (k == 0) *client0_norm = norm(delta, n);
        vs_fedavg_add(&avg, delta, N_ROWS / N_CLIENTS);
    }
    vs_fedavg_mean(delta, &avg);
    vs_fedavg_step(w, delta, n, 1.0);
    vs_fedavg_clear(&avg);
    free(delta);
}

static void expect_trace(const char *name, const char *spec)
{
    fixture f;
    vs_model m;
    if (!open_fixture(&f)) return;
    cr_assert_eq(vs_model_parse(&m, spec, NULL), VS_OK);
    const size_t n = vs_model_n_params(&m);
    vs_npy w = read_params(&f, name, "init", n);
    vs_npy want = read_params(&f, name, "round3", n);
    for (int round = 1; round <= N_ROUNDS; round++) {
        double client0_norm = 0.0;
        one_round(w.data, &client0_norm, &f, &m);
        expect_round(&f, name, round, &m, w.data, client0_norm);
    }
    for (size_t i = 0; i < n; i++) w.data[i] -= want.data[i];
    double apart = norm(w.data, n) / norm(want.data, n);
    cr_expect_leq(apart, TOLERANCE, "parameters differ by %g", apart);
    vs_npy_free(&w);
    vs_npy_free(&want);
    close_fixture(&f);
}

Test(golden, softmax_regression)
{
    expect_trace("softmax", "784-10");
}

Test(golden, one_hidden_layer)
{
    expect_trace("mlp200", "784-200-10");
}

Test(golden, two_hidden_layers)
{
    expect_trace("mlp128", "784-128-64-10");
}
