/* A client's whole way without the cryptography: train, scan, quantise, add integers, decode,
 * step; beside plain federated averaging of the same updates. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fl/digits.h"
#include "fl/draw.h"
#include "fl/evaluate.h"
#include "fl/fedavg.h"
#include "fl/model.h"
#include "fl/partition.h"
#include "fl/quantise.h"
#include "fl/train.h"
#include "tests/support.h"

enum { N_CLIENTS = 6, N_ROUNDS = 4, N_TRAIN = 2000, N_TEST = 1000, N_DIGITS = 2 };

typedef struct run {
    vs_model m;
    vs_dataset train;
    vs_dataset test;
    vs_partition parts;
    vs_quantiser q;
    size_t n_params;
    size_t n_clipped;
    double *params; /* start of each round */
    double *delta;
    double *mean;
    uint64_t *rnd;
    uint32_t *quantised;
    uint64_t *sums;
    uint64_t digit_sums[N_DIGITS];
} run;

static void *room(size_t n, size_t size)
{
    void *p = calloc(n, size);
    cr_assert_not_null(p);
    return p;
}

static void run_open(run *r, uint32_t bits)
{
    memset(r, 0, sizeof *r);
    cr_assert_eq(vs_model_parse(&r->m, "784-10", NULL), VS_OK);
    cr_assert_eq(vs_digits_make(&r->train, N_TRAIN, 1, NULL), VS_OK);
    cr_assert_eq(vs_digits_make(&r->test, N_TEST, 2, NULL), VS_OK);
    cr_assert_eq(vs_partition_make(&r->parts, (vs_partition_rule){VS_PARTITION_IID, 0},
                                   r->train.labels, N_TRAIN, N_CLIENTS, 3, NULL),
                 VS_OK);
    r->q = (vs_quantiser){.clip_norm = 10.0,
                          .clipping_range = 0.5,
                          .bits = bits,
                          .max_weight = 400,
                          .stochastic_rounding = true};
    r->n_params = vs_model_n_params(&r->m);
    r->params = room(r->n_params, sizeof *r->params);
    r->delta = room(r->n_params, sizeof *r->delta);
    r->mean = room(r->n_params, sizeof *r->mean);
    r->rnd = room(r->n_params, sizeof *r->rnd);
    r->quantised = room(r->n_params, sizeof *r->quantised);
    r->sums = room(r->n_params, sizeof *r->sums);
}

static void run_close(run *r)
{
    vs_dataset_free(&r->train);
    vs_dataset_free(&r->test);
    vs_partition_free(&r->parts);
    free(r->params);
    free(r->delta);
    free(r->mean);
    free(r->rnd);
    free(r->quantised);
    free(r->sums);
}

/* Client k trains on its rows; its update goes to plain, and as integers into r's sums. */
static void submit(run *r, vs_fedavg *plain, uint64_t round, uint32_t k)
{
    const vs_train_options o = {.local_epochs = 1,
                                .batch_size = 50,
                                .learning_rate = 0.1,
                                .shuffle = true,
                                .seed = vs_draw_derive(1, round, k)};
    size_t n;
    uint32_t digits[N_DIGITS];
    vs_quantise_scale scale;
    vs_diag diag = {0};
    const uint32_t *rows = vs_partition_rows(&r->parts, k, &n);
    cr_assert_eq(vs_train_local(r->delta, NULL, &r->m, r->params, &r->train, rows, n, &o, &diag),
                 VS_OK, "%s", diag.text);
    vs_fedavg_add(plain, r->delta, n);
    cr_assert_eq(vs_quantise_scan(&scale, &r->q, r->delta, r->n_params, n, &diag), VS_OK, "%s",
                 diag.text);
    cr_assert_not(scale.norm_clipped);
    vs_test_bytes(r->rnd, r->n_params * sizeof *r->rnd, 100 * round + k);
    r->n_clipped += vs_quantise(r->quantised, &r->q, &scale, r->delta, r->rnd, r->n_params);
    for (size_t i = 0; i < r->n_params; i++) r->sums[i] += r->quantised[i];
    vs_quantise_weight(digits, N_DIGITS, n, r->q.bits);
    for (size_t i = 0; i < N_DIGITS; i++) r->digit_sums[i] += digits[i];
}

/* Decodes the sums, compares with plain coordinate by coordinate, and steps. */
static void finish_round(run *r, const vs_fedavg *plain)
{
    uint64_t weight_sum;
    double *want = room(r->n_params, sizeof *want);
    cr_assert_eq(vs_dequantise_weight(&weight_sum, r->digit_sums, N_DIGITS, r->q.bits), VS_OK);
    cr_assert_eq(weight_sum, plain->weight_sum);
    vs_dequantise(r->mean, &r->q, r->sums, r->n_params, N_CLIENTS, weight_sum);
    vs_fedavg_mean(want, plain);
    double step = 2.0 * r->q.clipping_range / (double)((UINT64_C(1) << r->q.bits) - 1);
    double bound = N_CLIENTS * step * (double)r->q.max_weight / (double)weight_sum;
    for (size_t i = 0; i < r->n_params; i++) {
        cr_assert_leq(fabs(r->mean[i] - want[i]), bound, "coordinate %zu: %g, want %g", i,
                      r->mean[i], want[i]);
    }
    vs_fedavg_step(r->params, r->mean, r->n_params, 1.0);
    memset(r->sums, 0, r->n_params * sizeof *r->sums);
    memset(r->digit_sums, 0, sizeof r->digit_sums);
    free(want);
}

/* Test accuracy after N_ROUNDS of quantised averaging. */
static double quantised_accuracy(uint32_t bits)
{
    run r;
    vs_fedavg plain;
    vs_evaluation e;
    run_open(&r, bits);
    cr_assert_eq(vs_fedavg_init(&plain, r.n_params), VS_OK);
    for (uint64_t round = 1; round <= N_ROUNDS; round++) {
        for (uint32_t k = 0; k < N_CLIENTS; k++) submit(&r, &plain, round, k);
        finish_round(&r, &plain);
        vs_fedavg_reset(&plain);
    }
    cr_expect_eq(r.n_clipped, 0);
    cr_assert_eq(vs_model_evaluate(&e, &r.m, r.params, &r.test, NULL), VS_OK);
    vs_fedavg_clear(&plain);
    run_close(&r);
    return e.accuracy;
}

/* 32 bits stand for the unquantised run: its step is 2e-10. */
Test(pipeline, quantised_rounds_decode_and_learn_like_plain_ones)
{
    double fine = quantised_accuracy(32);
    double usual = quantised_accuracy(16);
    double coarse = quantised_accuracy(12);
    cr_log_info("accuracy: 32 bits %.3f, 16 bits %.3f, 12 bits %.3f", fine, usual, coarse);
    cr_expect_gt(fine, 0.40);
    cr_expect_leq(fabs(usual - fine), 0.005);
    cr_expect_leq(fabs(coarse - fine), 0.010);
}
