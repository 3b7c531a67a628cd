/* bench reconstruct: k rows of secrets from the last r shares. */
#include <string.h>

#include "bench/peers.h"
#include "bench/plan.h"
#include "mpc/sharing.h"

typedef struct recon_bench {
    const vs_bench_spec *spec;
    size_t cols;
    vs_recon *recon;
    vs_pool *pool;        /* NULL: one thread */
    vs_bench_rows shares; /* r rows */
    const vs_fe *in[VS_SHAREHOLDERS_MAX];
    vs_bench_rows out;
    vs_bench_peers peers;
} recon_bench;

static void recon_slice(void *ctx, size_t item, uint32_t thread)
{
    const recon_bench *b = ctx;
    const vs_fe *in[VS_SHAREHOLDERS_MAX];
    vs_fe *out[VS_SHAREHOLDERS_MAX];
    size_t at = item * VS_BENCH_SLICE, left = b->cols - at;
    (void)thread;
    for (uint32_t a = 0; a < b->shares.n_rows; a++) in[a] = b->in[a] + at;
    for (uint32_t i = 0; i < b->out.n_rows; i++) out[i] = b->out.row[i] + at;
    vs_recon_columns(b->recon, out, in, left < VS_BENCH_SLICE ? left : VS_BENCH_SLICE);
}

static void recon_run(void *ctx)
{
    recon_bench *b = ctx;
    vs_pool_run(b->pool, vs_bench_slices(b->cols), recon_slice, b);
}

/* Shares of random secrets into b->shares; secrets are what must come back. */
static vs_err make_shares(recon_bench *b, vs_bench_rows *secrets)
{
    const vs_bench_spec *s = b->spec;
    vs_fe *out[VS_SHAREHOLDERS_MAX];
    const vs_fe *in[VS_SHAREHOLDERS_MAX];
    vs_bench_prg prg;
    vs_sharing *sharing = NULL;
    uint32_t r = s->t + s->k, skipped = s->n - r; /* shareholders that do not answer */
    memset(&prg, 0, sizeof prg);
    vs_err err = vs_sharing_new(&sharing, s->n, s->t, s->k);
    if (err == VS_OK) err = vs_bench_prg_new(&prg, s->t, 1, b->cols, NULL);
    if (err == VS_OK) err = vs_bench_rows_random(secrets, 0x80);
    if (err == VS_OK) {
        vs_fe *seeds[VS_SHAREHOLDERS_MAX];
        for (uint32_t i = 0; i < s->k; i++) in[i] = secrets->row[i];
        for (uint32_t j = 1; j <= s->n; j++) {
            vs_fe *row = j > skipped ? b->shares.row[j - skipped - 1] : NULL;
            if (j <= s->t) seeds[j - 1] = row;
            if (j > s->t) out[j - s->t - 1] = row;
        }
        const vs_share_job job = {
            .out = out, .secrets = in, .streams = prg.stream, .seed_out = seeds, .cols = b->cols};
        err = vs_share_stream(sharing, &job);
    }
    vs_bench_prg_free(&prg);
    vs_sharing_free(sharing);
    return err;
}

static vs_err recon_check(recon_bench *b, vs_diag *diag)
{
    vs_bench_rows secrets;
    vs_err err = vs_bench_rows_new(&secrets, b->spec->k, b->cols);
    if (err == VS_OK) err = make_shares(b, &secrets);
    if (err == VS_OK) {
        recon_run(b);
        if (b->spec->corrupt) b->out.row[0][b->cols - 1].v ^= 1;
        for (uint32_t i = 0; err == VS_OK && i < b->spec->k; i++) {
            for (size_t c = 0; err == VS_OK && c < b->cols; c++) {
                if (b->out.row[i][c].v != secrets.row[i][c].v) {
                    err = vs_bench_wrong(b->spec, diag, c);
                }
            }
        }
    }
    vs_bench_rows_free(&secrets);
    return err;
}

static vs_err recon_open(recon_bench *b, vs_diag *diag)
{
    const vs_bench_spec *s = b->spec;
    uint32_t idx[VS_SHAREHOLDERS_MAX], r = s->t + s->k;
    for (uint32_t a = 0; a < r; a++) idx[a] = s->n - r + a + 1;
    vs_err err = vs_recon_new(&b->recon, s->n, s->t, s->k, idx);
    if (err == VS_OK && s->threads > 1) err = vs_pool_new(&b->pool, s->threads);
    if (err == VS_OK) err = vs_bench_rows_new(&b->shares, r, b->cols);
    if (err == VS_OK) err = vs_bench_rows_new(&b->out, s->k, b->cols);
    for (uint32_t a = 0; err == VS_OK && a < r; a++) b->in[a] = b->shares.row[a];
    if (err == VS_OK) err = recon_check(b, diag);
    if (err == VS_OK && s->baselines) {
        err = vs_bench_peers_new(&b->peers, s->n, s->t, (size_t)s->len, diag);
    }
    return err;
}

static void peer_work(vs_bench_plan *plan, uint32_t slot, const vs_bench_peer *p)
{
    if (p == NULL) return;
    plan->work[slot] = (vs_bench_work){p->reconstruct, (void *)(uintptr_t)p, (double)p->cols};
}

vs_err vs_bench_reconstruct(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag)
{
    recon_bench b = {.spec = spec, .cols = (size_t)(spec->len / spec->k)};
    double elements = (double)b.cols * spec->k;
    vs_bench_plan plan = {.bytes = (double)b.cols * 8 * (spec->t + 2 * spec->k)};
    vs_err err = recon_open(&b, diag);
    vs_bench_floors floors;
    plan.work[VS_BENCH_OP] = (vs_bench_work){recon_run, &b, elements};
    vs_bench_floor_plan(&plan, &floors, &b.shares, &b.out, b.pool, elements);
    peer_work(&plan, VS_BENCH_GMP, b.peers.gmp);
    peer_work(&plan, VS_BENCH_FLINT, b.peers.flint);
    peer_work(&plan, VS_BENCH_ISAL, b.peers.isal);
    if (err == VS_OK) err = vs_bench_plan_run(out, &plan, spec);
    vs_bench_peers_free(&b.peers);
    vs_bench_rows_free(&b.shares);
    vs_bench_rows_free(&b.out);
    vs_recon_free(b.recon);
    vs_pool_free(b.pool);
    return err;
}
