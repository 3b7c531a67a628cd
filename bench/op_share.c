/* bench share: one column to n shares, seed shares expanded on the way. */
#include <string.h>

#include "bench/peers.h"
#include "bench/plan.h"
#include "mpc/kernels.h"
#include "mpc/sharing.h"

#define PAST_CACHES ((size_t)8 << 20) /* bytes of output that no reader finds in a cache */
#define CHECK_COLUMNS 3000u

typedef struct share_bench {
    const vs_bench_spec *spec;
    size_t cols;
    vs_sharing *sharing;
    vs_pool *pool;
    vs_bench_rows secrets, out;
    const vs_fe *in[VS_SHAREHOLDERS_MAX];
    vs_bench_prg prg;
    vs_bench_peers peers;
    vs_err err;
} share_bench;

static void share_run(void *ctx)
{
    share_bench *b = ctx;
    const vs_share_job job = {.out = b->out.row,
                              .secrets = b->in,
                              .streams = b->prg.stream,
                              .cols = b->cols,
                              .to_memory = b->out.n_rows * b->cols * sizeof(vs_fe) > PAST_CACHES,
                              .pool = b->pool};
    vs_err err = vs_share_stream(b->sharing, &job);
    if (err != VS_OK) b->err = err;
}

static vs_err expect_shares(vs_bench_rows *want, vs_bench_rows *seeds, const share_bench *b,
                            size_t at, size_t cols)
{
    const vs_kernels *portable = vs_kernels_by_name("portable");
    _Alignas(64) uint64_t scratch[VS_SHARE_SCRATCH];
    const vs_fe *secrets[VS_SHAREHOLDERS_MAX], *rows[VS_SHAREHOLDERS_MAX];
    uint8_t seed[VS_SEED_BYTES];
    for (uint32_t i = 0; i < b->spec->k; i++) secrets[i] = b->in[i] + at;
    for (uint32_t j = 0; j < b->spec->t; j++) {
        vs_prg *prg = NULL;
        vs_bench_seed(seed, (uint8_t)(1 + j));
        vs_err err = vs_prg_new_for(&prg, portable, seed, VS_PRG_SHARE);
        if (err != VS_OK) return err;
        vs_prg_fill(prg, seeds->row[j], at, cols);
        vs_prg_free(prg);
        rows[j] = seeds->row[j];
    }
    const vs_share_work work = {
        .out = want->row, .secrets = secrets, .seeds = rows, .cols = cols, .scratch = scratch};
    portable->share(b->sharing, &work);
    return VS_OK;
}

static vs_err share_check(const share_bench *b, size_t at, vs_diag *diag)
{
    size_t cols = b->cols - at < CHECK_COLUMNS ? b->cols - at : CHECK_COLUMNS;
    vs_bench_rows want, seeds;
    memset(&seeds, 0, sizeof seeds);
    vs_err err = vs_bench_rows_new(&want, b->out.n_rows, cols);
    if (err == VS_OK) err = vs_bench_rows_new(&seeds, b->spec->t, cols);
    if (err == VS_OK) err = expect_shares(&want, &seeds, b, at, cols);
    for (uint32_t j = 0; err == VS_OK && j < b->out.n_rows; j++) {
        if (memcmp(want.row[j], b->out.row[j] + at, cols * sizeof(vs_fe)) != 0) {
            err = vs_bench_wrong(b->spec, diag, at);
        }
    }
    vs_bench_rows_free(&want);
    vs_bench_rows_free(&seeds);
    return err;
}

static vs_err share_open(share_bench *b, vs_diag *diag)
{
    const vs_bench_spec *s = b->spec;
    vs_err err = vs_sharing_new(&b->sharing, s->n, s->t, s->k);
    if (err == VS_OK && s->threads > 1) err = vs_pool_new(&b->pool, s->threads);
    if (err == VS_OK) err = vs_bench_prg_new(&b->prg, s->t, 1, b->cols, NULL);
    if (err == VS_OK) err = vs_bench_rows_new(&b->secrets, s->k, b->cols);
    if (err == VS_OK) err = vs_bench_rows_new(&b->out, s->n - s->t, b->cols);
    if (err == VS_OK) err = vs_bench_rows_random(&b->secrets, 0x80);
    if (err == VS_OK && s->baselines) {
        err = vs_bench_peers_new(&b->peers, s->n, s->t, (size_t)s->len, diag);
    }
    if (err != VS_OK) return err;
    for (uint32_t i = 0; i < s->k; i++) b->in[i] = b->secrets.row[i];
    /* Streams of libcrypto may not be shared by threads. */
    if (vs_prg_is_native(b->prg.stream[0])) b->prg.pool = b->pool;
    share_run(b);
    err = b->err;
    if (s->corrupt) b->out.row[0][b->cols - 1].v ^= 1;
    if (err == VS_OK) err = share_check(b, 0, diag);
    if (err == VS_OK && b->cols > CHECK_COLUMNS) {
        err = share_check(b, b->cols - CHECK_COLUMNS, diag);
    }
    return err;
}

static void peer_work(vs_bench_plan *plan, uint32_t slot, const vs_bench_peer *p)
{
    if (p == NULL) return;
    plan->work[slot] = (vs_bench_work){p->share, (void *)(uintptr_t)p, (double)p->cols};
}

vs_err vs_bench_share(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag)
{
    share_bench b = {.spec = spec, .cols = (size_t)(spec->len / spec->k)};
    double elements = (double)b.cols * spec->k;
    vs_bench_plan plan = {.bytes = (double)b.cols * 8 * (spec->n - spec->t + spec->k)};
    vs_err err = share_open(&b, diag);
    vs_bench_floors floors;
    plan.work[VS_BENCH_OP] = (vs_bench_work){share_run, &b, elements};
    plan.work[VS_BENCH_PRG] = (vs_bench_work){vs_bench_prg_run, &b.prg, elements};
    vs_bench_floor_plan(&plan, &floors, &b.secrets, &b.out, b.pool, elements);
    peer_work(&plan, VS_BENCH_GMP, b.peers.gmp);
    peer_work(&plan, VS_BENCH_FLINT, b.peers.flint);
    peer_work(&plan, VS_BENCH_ISAL, b.peers.isal);
    if (err == VS_OK) err = vs_bench_plan_run(out, &plan, spec);
    if (err == VS_OK) err = b.err;
    vs_bench_peers_free(&b.peers);
    vs_bench_prg_free(&b.prg);
    vs_bench_rows_free(&b.secrets);
    vs_bench_rows_free(&b.out);
    vs_pool_free(b.pool);
    vs_sharing_free(b.sharing);
    return err;
}
