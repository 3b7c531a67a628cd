/* bench pack: quantised coordinates into the k rows of secrets. */
#include <stdlib.h>
#include <string.h>

#include "bench/plan.h"
#include "bench/traffic.h"
#include "mpc/kernels.h"
#include "mpc/pack.h"

typedef struct pack_bench {
    const vs_bench_spec *spec;
    vs_layout layout;
    uint32_t *coords;
    size_t n_coords;
    vs_bench_rows out;
} pack_bench;

static void pack_run(void *ctx)
{
    pack_bench *b = ctx;
    vs_pack_columns(&b->layout, b->out.row, b->coords, b->n_coords, b->out.cols);
}

/* Coordinates are bytes of memory like any other. */
static void read_coords(void *ctx)
{
    const pack_bench *b = ctx;
    volatile uint64_t sink =
        vs_bench_traffic_get(0)->read((const vs_fe *)(const void *)b->coords, b->n_coords / 2);
    (void)sink;
}

static vs_err pack_open(pack_bench *b, vs_diag *diag)
{
    const vs_bench_spec *s = b->spec;
    size_t cols = (size_t)(s->len / s->k);
    uint8_t seed[VS_SEED_BYTES];
    vs_prg *prg = NULL;
    vs_err err = vs_layout_make(&b->layout, s->bits, s->max_clients, s->k, 1, diag);
    if (err != VS_OK) return err;
    uint64_t dim = (uint64_t)cols * s->k * b->layout.slots;
    err = vs_layout_make(&b->layout, s->bits, s->max_clients, s->k, dim, diag);
    if (err != VS_OK) return err;
    b->n_coords = (size_t)dim;
    b->coords = vs_bench_buffer((b->n_coords + 2) * sizeof *b->coords);
    err = b->coords == NULL ? VS_ERR_NOMEM : vs_bench_rows_new(&b->out, s->k, cols);
    vs_bench_seed(seed, 1);
    if (err == VS_OK) err = vs_prg_new(&prg, seed, VS_PRG_SHARE);
    if (err != VS_OK) return err;
    vs_prg_words(prg, (uint64_t *)(void *)b->coords, 0, (b->n_coords + 1) / 2);
    vs_prg_free(prg);
    for (size_t i = 0; i < b->n_coords; i++) b->coords[i] >>= 32 - s->bits;
    return VS_OK;
}

static vs_err pack_check(pack_bench *b, vs_diag *diag)
{
    const vs_kernels *portable = vs_kernels_by_name("portable");
    vs_bench_rows want;
    vs_err err = vs_bench_rows_new(&want, b->spec->k, b->out.cols);
    if (err == VS_OK) {
        pack_run(b);
        if (b->spec->corrupt) b->out.row[0][b->out.cols - 1].v ^= 1;
        portable->pack(&b->layout, want.row, 0, b->coords, b->out.cols);
        for (uint32_t i = 0; err == VS_OK && i < b->spec->k; i++) {
            if (memcmp(want.row[i], b->out.row[i], b->out.cols * sizeof(vs_fe)) != 0) {
                err = vs_bench_wrong(b->spec, diag, 0);
            }
        }
    }
    vs_bench_rows_free(&want);
    return err;
}

vs_err vs_bench_pack(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag)
{
    pack_bench b = {.spec = spec};
    const size_t whole = spec->len / spec->k * spec->k; /* elements of full columns */
    double elements = (double)whole;
    vs_bench_plan plan = {.bytes = 0};
    vs_err err = pack_open(&b, diag);
    if (err == VS_OK) err = pack_check(&b, diag);
    plan.bytes = (double)b.n_coords * 4 + elements * 8;
    vs_bench_floors floors;
    plan.work[VS_BENCH_OP] = (vs_bench_work){pack_run, &b, elements};
    vs_bench_floor_plan(&plan, &floors, NULL, &b.out, NULL, elements);
    plan.work[VS_BENCH_READ] = (vs_bench_work){read_coords, &b, elements};
    if (err == VS_OK) err = vs_bench_plan_run(out, &plan, spec);
    vs_bench_rows_free(&b.out);
    free(b.coords);
    return err;
}
