/* bench accumulate, expand, prove, verify: one share vector (prove: r of them) of len / k
 * elements. */
#include <stdlib.h>
#include <string.h>

#include "bench/plan.h"
#include "mpc/kernels.h"
#include "mpc/proof.h"

static const vs_fe2 rho = {{UINT64_C(0x0123456789abcdef)}, {UINT64_C(0x1edcba9876543210)}};

typedef struct vector_bench {
    const vs_bench_spec *spec;
    size_t cols;
    vs_bench_rows x;   /* share vectors */
    vs_bench_rows sum; /* one row */
    vs_bench_prg prg;
    vs_pool *pool;     /* NULL: one thread */
    vs_proof_acc *acc; /* one for each row of x */
    vs_fe2 w;          /* of the last row, last run */
} vector_bench;

static vs_err vector_new(vector_bench *b, uint32_t n_rows)
{
    vs_err err = vs_bench_rows_new(&b->x, n_rows, b->cols);
    if (err == VS_OK) err = vs_bench_rows_new(&b->sum, 1, b->cols);
    if (err == VS_OK) err = vs_bench_rows_random(&b->x, 0x80);
    if (err == VS_OK && b->spec->threads > 1) err = vs_pool_new(&b->pool, b->spec->threads);
    b->acc = calloc(n_rows, sizeof *b->acc);
    return err == VS_OK && b->acc == NULL ? VS_ERR_NOMEM : err;
}

static void vector_free(vector_bench *b)
{
    vs_bench_rows_free(&b->x);
    vs_bench_rows_free(&b->sum);
    vs_bench_prg_free(&b->prg);
    vs_pool_free(b->pool);
    free(b->acc);
}

/* sum must be runs times x. */
static vs_err check_sum(vector_bench *b, uint64_t runs, vs_diag *diag)
{
    if (b->spec->corrupt) b->sum.row[0][b->cols - 1].v ^= 1;
    for (size_t c = 0; c < b->cols; c++) {
        vs_fe want = vs_fe_mul((vs_fe){runs}, b->x.row[0][c]);
        if (b->sum.row[0][c].v != want.v) return vs_bench_wrong(b->spec, diag, c);
    }
    return VS_OK;
}

/* --- accumulate ------------------------------------------------------------------------------- */

static void accumulate_slice(void *ctx, size_t item, uint32_t thread)
{
    const vector_bench *b = ctx;
    size_t at = item * VS_BENCH_SLICE, left = b->cols - at;
    (void)thread;
    vs_fe_add_many(b->sum.row[0] + at, b->x.row[0] + at,
                   left < VS_BENCH_SLICE ? left : VS_BENCH_SLICE);
}

static void accumulate_run(void *ctx)
{
    vector_bench *b = ctx;
    vs_pool_run(b->pool, vs_bench_slices(b->cols), accumulate_slice, b);
}

vs_err vs_bench_accumulate(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag)
{
    vector_bench b = {.spec = spec, .cols = (size_t)(spec->len / spec->k)};
    double elements = (double)b.cols * spec->k;
    vs_bench_plan plan = {.bytes = (double)b.cols * 24};
    vs_bench_rows spare = {.n_rows = 0};
    vs_err err = vector_new(&b, 1);
    if (err == VS_OK) err = vs_bench_rows_new(&spare, 1, b.cols);
    vs_bench_floors floors;
    plan.work[VS_BENCH_OP] = (vs_bench_work){accumulate_run, &b, elements};
    vs_bench_floor_change(&plan, &floors, &spare, b.x.row[0], b.pool, elements);
    if (err == VS_OK) {
        for (int i = 0; i < 3; i++) accumulate_run(&b);
        err = check_sum(&b, 3, diag);
    }
    if (err == VS_OK) err = vs_bench_plan_run(out, &plan, spec);
    vs_bench_rows_free(&spare);
    vector_free(&b);
    return err;
}

/* --- expand ----------------------------------------------------------------------------------- */

/* Only the last slice is not whole tiles, so only one thread uses the stream's cache. */
static void expand_slice(void *ctx, size_t item, uint32_t thread)
{
    const vector_bench *b = ctx;
    size_t at = item * VS_BENCH_SLICE, left = b->cols - at;
    (void)thread;
    vs_prg_fill(b->prg.stream[0], b->sum.row[0] + at, at,
                left < VS_BENCH_SLICE ? left : VS_BENCH_SLICE);
}

static void expand_run(void *ctx)
{
    vector_bench *b = ctx;
    /* libcrypto's streams are not shared by threads. */
    bool shared = vs_prg_is_native(b->prg.stream[0]);
    vs_pool_run(shared ? b->pool : NULL, vs_bench_slices(b->cols), expand_slice, b);
}

static vs_err expand_check(vector_bench *b, vs_diag *diag)
{
    uint8_t seed[VS_SEED_BYTES];
    vs_prg *prg = NULL;
    expand_run(b);
    if (b->spec->corrupt) b->sum.row[0][b->cols - 1].v ^= 1;
    vs_bench_seed(seed, 1);
    vs_err err = vs_prg_new_for(&prg, vs_kernels_by_name("portable"), seed, VS_PRG_SHARE);
    if (err != VS_OK) return err;
    vs_prg_fill(prg, b->x.row[0], 0, b->cols);
    vs_prg_free(prg);
    for (size_t c = 0; c < b->cols; c++) {
        if (b->sum.row[0][c].v != b->x.row[0][c].v) return vs_bench_wrong(b->spec, diag, c);
    }
    return VS_OK;
}

vs_err vs_bench_expand(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag)
{
    vector_bench b = {.spec = spec, .cols = (size_t)(spec->len / spec->k)};
    double elements = (double)b.cols * spec->k;
    vs_bench_plan plan = {.bytes = (double)b.cols * 8};
    vs_err err = vector_new(&b, 1);
    if (err == VS_OK) err = vs_bench_prg_new(&b.prg, 1, 1, b.cols, NULL);
    if (err == VS_OK && vs_prg_is_native(b.prg.stream[0])) b.prg.pool = b.pool;
    vs_bench_floors floors;
    plan.work[VS_BENCH_OP] = (vs_bench_work){expand_run, &b, elements};
    plan.work[VS_BENCH_PRG] = (vs_bench_work){vs_bench_prg_run, &b.prg, elements};
    vs_bench_floor_plan(&plan, &floors, NULL, &b.x, b.pool, elements);
    if (err == VS_OK) err = expand_check(&b, diag);
    if (err == VS_OK) err = vs_bench_plan_run(out, &plan, spec);
    vector_free(&b);
    return err;
}

/* --- prove and verify ------------------------------------------------------------------------- */

/* The mask columns are nothing here: two zeros. */
static vs_fe2 finish_proof(vs_proof_acc *acc)
{
    static const vs_fe zeros[VS_MASK_COLUMNS] = {{0}, {0}};
    vs_proof_update(acc, zeros, VS_MASK_COLUMNS);
    return vs_proof_final(acc);
}

static void prove_run(void *ctx)
{
    vector_bench *b = ctx;
    for (uint32_t a = 0; a < b->x.n_rows; a++) {
        vs_proof_start(&b->acc[a], rho, (uint32_t)b->cols);
        vs_proof_update(&b->acc[a], b->x.row[a], b->cols);
        b->w = finish_proof(&b->acc[a]);
    }
}

static void verify_run(void *ctx)
{
    vector_bench *b = ctx;
    vs_proof_start(&b->acc[0], rho, (uint32_t)b->cols);
    vs_proof_update_add(&b->acc[0], b->sum.row[0], b->x.row[0], b->cols);
    b->w = finish_proof(&b->acc[0]);
}

/* Horner's rule over the last row, one by one. */
static vs_err check_proof(vector_bench *b, vs_diag *diag)
{
    const vs_fe *x = b->x.row[b->x.n_rows - 1];
    vs_fe2 want = {{0}, {0}};
    for (size_t c = b->cols; c-- > 0;) {
        want = vs_fe2_mul(vs_fe2_add(want, (vs_fe2){x[c], {0}}), rho);
    }
    if (b->spec->corrupt) b->w.im.v ^= 1;
    return vs_fe2_equal(want, b->w) == 1 ? VS_OK : vs_bench_wrong(b->spec, diag, 0);
}

vs_err vs_bench_prove(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag)
{
    vector_bench b = {.spec = spec, .cols = (size_t)(spec->len / spec->k)};
    double elements = (double)b.cols * spec->k;
    uint32_t r = spec->t + spec->k;
    vs_bench_plan plan = {.bytes = (double)b.cols * 8 * r};
    vs_err err = vector_new(&b, r);
    vs_bench_floors floors;
    plan.work[VS_BENCH_OP] = (vs_bench_work){prove_run, &b, elements};
    vs_bench_floor_plan(&plan, &floors, &b.x, NULL, NULL, elements);
    if (err == VS_OK) {
        prove_run(&b);
        err = check_proof(&b, diag);
    }
    if (err == VS_OK) err = vs_bench_plan_run(out, &plan, spec);
    vector_free(&b);
    return err;
}

vs_err vs_bench_verify(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag)
{
    vector_bench b = {.spec = spec, .cols = (size_t)(spec->len / spec->k)};
    double elements = (double)b.cols * spec->k;
    vs_bench_plan plan = {.bytes = (double)b.cols * 24};
    vs_bench_rows spare = {.n_rows = 0};
    vs_err err = vector_new(&b, 1);
    if (err == VS_OK) err = vs_bench_rows_new(&spare, 1, b.cols);
    vs_bench_floors floors;
    plan.work[VS_BENCH_OP] = (vs_bench_work){verify_run, &b, elements};
    plan.work[VS_BENCH_ACCUMULATE] = (vs_bench_work){accumulate_run, &b, elements};
    vs_bench_floor_change(&plan, &floors, &spare, b.x.row[0], NULL, elements);
    if (err == VS_OK) {
        verify_run(&b);
        err = check_proof(&b, diag);
    }
    if (err == VS_OK) err = check_sum(&b, 1, diag);
    if (err == VS_OK) err = vs_bench_plan_run(out, &plan, spec);
    vs_bench_rows_free(&spare);
    vector_free(&b);
    return err;
}
