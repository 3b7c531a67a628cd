/* bench client: from real numbers to the sealed bytes of every shareholder, output discarded. Two
 * passes as the client makes them: shares hashed and committed to; then made again, proven and
 * sealed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/crypto.h"
#include "bench/plan.h"
#include "mpc/pack.h"
#include "mpc/proof.h"
#include "mpc/sharing.h"
#include "net/encoder.h"

#define SEALED_BYTES (VS_CHUNK_BYTES + 64u) /* with the tag, whole lines */
#define RANGE 1.0                           /* coordinates are clipped to -1..1 */

typedef struct client_bench {
    const vs_bench_spec *spec;
    vs_federation *fed;
    vs_round *round;
    double *update;
    vs_encoder *enc;
    vs_share_root root[VS_SHAREHOLDERS_MAX];
    vs_proof_acc *proof; /* r of them */
    vs_fe2 w[VS_SHAREHOLDERS_MAX];
    vs_seal *seal[VS_SHAREHOLDERS_MAX]; /* of pass 2 */
    uint32_t block;                     /* that is hashed or sealed */
    vs_pool *pool;                      /* NULL: one thread */
    uint8_t *plain, *sealed;            /* one chunk for each thread */
    uint32_t last;                      /* thread that sealed shareholder n's last chunk */
    vs_bench_prg share_prg, rounding_prg;
    uint64_t *words;
    vs_bench_crypto crypto;
    vs_err err;
} client_bench;

/* --- set up ----------------------------------------------------------------------------------- */

static vs_err make_round(client_bench *b, vs_diag *diag)
{
    const vs_bench_spec *s = b->spec;
    b->fed = calloc(1, sizeof *b->fed);
    b->round = calloc(1, sizeof *b->round);
    if (b->fed == NULL || b->round == NULL) return VS_ERR_NOMEM;
    b->fed->committee = (vs_committee){.n = s->n, .t = s->t, .k = s->k};
    vs_round *round = b->round;
    round->quantiser = (vs_quantiser){
        .clipping_range = RANGE, .bits = s->bits, .max_weight = 1, .stochastic_rounding = true};
    round->open.dim = (uint32_t)s->len;
    round->open.weight_digits = vs_weight_digits(1, s->bits);
    round->open.n_shareholders = s->n;
    for (uint32_t j = 1; j <= s->n; j++) round->open.shareholders[j - 1].index = j;
    return vs_layout_make(&round->layout, s->bits, s->max_clients, s->k,
                          s->len + round->open.weight_digits, diag);
}

/* A fixed sequence (Steele and Vigna's splitmix64 increment), all within the range. */
static void make_update(double *update, uint64_t dim)
{
    uint64_t x = 1;
    for (uint64_t i = 0; i < dim; i++) {
        x += UINT64_C(0x9e3779b97f4a7c15);
        update[i] = ((double)(x >> 40) / 0x1p23 - 1) * 0.9 * RANGE;
    }
}

static vs_err client_open(client_bench *b, vs_diag *diag)
{
    const vs_bench_spec *s = b->spec;
    vs_err err = make_round(b, diag);
    if (err != VS_OK) return err;
    uint32_t columns = b->round->layout.columns;
    b->update = vs_bench_buffer((size_t)s->len * sizeof *b->update);
    b->proof = calloc(s->t + s->k, sizeof *b->proof);
    b->plain = vs_bench_buffer((size_t)s->threads * VS_CHUNK_BYTES);
    b->sealed = vs_bench_buffer((size_t)s->threads * SEALED_BYTES);
    b->words = calloc(VS_PRG_TILE, sizeof *b->words);
    if (b->update == NULL || b->proof == NULL || b->plain == NULL || b->sealed == NULL ||
        b->words == NULL) {
        return VS_ERR_NOMEM;
    }
    make_update(b->update, s->len);
    if (s->threads > 1) err = vs_pool_new(&b->pool, s->threads);
    if (err == VS_OK) err = vs_bench_prg_new(&b->share_prg, s->t, 1, columns, NULL);
    if (err == VS_OK) err = vs_bench_prg_new(&b->rounding_prg, 1, 0x40, (size_t)s->len, NULL);
    if (err == VS_OK) err = vs_bench_crypto_new(&b->crypto, s->n - s->t, columns);
    return err;
}

static void client_close(client_bench *b)
{
    vs_bench_crypto_free(&b->crypto);
    vs_bench_prg_free(&b->share_prg);
    vs_bench_prg_free(&b->rounding_prg);
    vs_pool_free(b->pool);
    free(b->words);
    free(b->proof);
    free(b->plain);
    free(b->sealed);
    free(b->update);
    free(b->round);
    free(b->fed);
}

/* --- the client's work ------------------------------------------------------------------------ */

static vs_err pass_hash(client_bench *b)
{
    const vs_bench_spec *s = b->spec;
    vs_share_root *roots[VS_SHAREHOLDERS_MAX] = {NULL};
    const uint32_t blocks = vs_encoder_blocks(b->enc), group = vs_encoder_group(b->enc);
    vs_err err = VS_OK;
    for (uint32_t j = s->t + 1; j <= s->n; j++) {
        roots[j - 1] = &b->root[j - 1];
        vs_share_root_init(roots[j - 1]);
    }
    for (uint32_t i = 0; err == VS_OK && i < blocks; i += group) {
        uint32_t count = blocks - i < group ? blocks - i : group;
        err = vs_encoder_make_vectors(b->enc, i, count);
        if (err == VS_OK) err = vs_encoder_hash(b->enc, roots, s->n, i, count, b->pool);
    }
    return err;
}

static vs_err commit(client_bench *b, vs_fe2 *rho, const vs_h32 *ctx)
{
    vs_h32 c[VS_SHAREHOLDERS_MAX], root;
    uint8_t secret[32];
    for (uint32_t j = 1; j <= b->spec->n; j++) {
        if (j <= b->spec->t) {
            vs_encoder_seed(b->enc, j, secret);
            vs_share_root_seed(&root, secret);
        } else {
            vs_share_root_final(&b->root[j - 1], &root);
        }
        vs_encoder_nonce(b->enc, j, secret);
        vs_commit_share(&c[j - 1], ctx, j, secret, &root);
    }
    vs_commit_root(&root, c, b->spec->n);
    return vs_challenge(rho, ctx, &root);
}

/* Shareholder item + 1. */
static void seal_row(void *ctx, size_t item, uint32_t thread)
{
    client_bench *b = ctx;
    size_t count;
    const vs_fe *row = vs_encoder_share(b->enc, (uint32_t)item + 1, b->block, &count);
    if (item < b->spec->t + b->spec->k) vs_proof_update(&b->proof[item], row, count);
    if (item < b->spec->t) return;
    if (item + 1 == b->spec->n) b->last = thread; /* takes no other item after it */
    VS_ASSERT(vs_seal_chunk(b->seal[item], b->sealed + (size_t)thread * SEALED_BYTES,
                            vs_fe_bytes(row, count, b->plain + (size_t)thread * VS_CHUNK_BYTES),
                            count * VS_FE_BYTES, b->block + 1,
                            b->block + 1 == vs_encoder_blocks(b->enc)) == VS_OK);
}

static vs_err pass_seal(client_bench *b, vs_fe2 rho, const vs_h32 *ctx)
{
    const vs_bench_spec *s = b->spec;
    vs_err err = VS_OK;
    for (uint32_t j = s->t + 1; err == VS_OK && j <= s->n; j++) {
        err = vs_bench_seal_pair(&b->seal[j - 1], NULL, ctx, j);
    }
    for (uint32_t i = 0; i < s->t + s->k; i++) {
        vs_proof_start(&b->proof[i], rho, b->round->layout.columns);
    }
    for (uint32_t i = 0; err == VS_OK && i < vs_encoder_blocks(b->enc); i++) {
        err = vs_encoder_make(b->enc, i, 1);
        b->block = i;
        if (err == VS_OK) vs_pool_run(b->pool, s->n, seal_row, b);
    }
    for (uint32_t i = 0; err == VS_OK && i < s->t + s->k; i++) {
        b->w[i] = vs_proof_final(&b->proof[i]);
    }
    for (uint32_t j = 0; j < s->n; j++) {
        vs_seal_free(b->seal[j]);
        b->seal[j] = NULL;
    }
    return err;
}

static void client_run(void *ctx)
{
    client_bench *b = ctx;
    const vs_h32 context = {{3}};
    uint8_t seed[32];
    vs_fe2 rho;
    vs_diag diag;
    vs_bench_seed(seed, 1);
    vs_encoder_free(b->enc);
    b->enc = NULL;
    vs_err err = vs_encoder_new(&b->enc, b->fed, b->round, seed, b->update, b->spec->len, 1, &diag);
    if (err == VS_OK) vs_encoder_use_pool(b->enc, b->pool);
    if (err == VS_OK) err = pass_hash(b);
    if (err == VS_OK) err = commit(b, &rho, &context);
    if (err == VS_OK) err = pass_seal(b, rho, &context);
    if (err != VS_OK) b->err = err;
}

/* The rounding's stream. */
static void rounding_pass(client_bench *b)
{
    for (uint64_t at = 0; at < b->spec->len; at += VS_PRG_TILE) {
        uint64_t left = b->spec->len - at;
        vs_prg_words(b->rounding_prg.stream[0], b->words, at,
                     left < VS_PRG_TILE ? (size_t)left : VS_PRG_TILE);
    }
}

/* The share seeds' streams twice: the challenge of the consistency proof depends on the hash of all
 * shares, so they are made twice unless all of them are stored. The rounding's stream once, unless
 * the coordinates are too many to be kept. */
static void prg_part(void *ctx)
{
    client_bench *b = ctx;
    vs_bench_prg_run(&b->share_prg);
    vs_bench_prg_run(&b->share_prg);
    rounding_pass(b);
    if (!vs_encoder_keeps(b->enc)) rounding_pass(b);
}

/* --- check ------------------------------------------------------------------------------------ */

/* The sealed bytes hold row n of the last block. */
static vs_err check_sealed(client_bench *b, vs_diag *diag)
{
    const vs_h32 context = {{3}};
    uint32_t n = b->spec->n, last = vs_encoder_blocks(b->enc);
    vs_seal *receiver = NULL;
    size_t count;
    const vs_fe *row = vs_encoder_share(b->enc, n, last - 1, &count);
    vs_err err = vs_bench_seal_pair(NULL, &receiver, &context, n);
    if (err == VS_OK) {
        memset(b->plain, 0, VS_CHUNK_BYTES);
        err = vs_unseal_chunk(receiver, b->plain, b->sealed + b->last * (size_t)SEALED_BYTES,
                              count * VS_FE_BYTES + VS_SEAL_TAG_BYTES, last, true);
    }
    for (size_t c = 0; err == VS_OK && c < count; c++) {
        vs_fe v;
        if (vs_fe_decode(&v, b->plain + c * VS_FE_BYTES) != 0 || v.v != row[c].v) {
            err = vs_bench_wrong(b->spec, diag, c);
        }
    }
    vs_seal_free(receiver);
    return err == VS_ERR_PROOF ? vs_bench_wrong(b->spec, diag, 0) : err;
}

/* The first columns' shares r.. give the numbers back, within one step of the quantiser. */
static vs_err compare(client_bench *b, vs_bench_rows *secrets, uint64_t *sums, vs_diag *diag)
{
    const vs_layout *l = &b->round->layout;
    size_t n = l->dim, cap = secrets->cols * l->packing * l->slots;
    double step = 2 * RANGE / (double)((UINT64_C(1) << l->bits) - 1);
    if (n > cap) n = cap;
    if (vs_unpack_columns(l, sums, n, (const vs_fe *const *)secrets->row, secrets->cols,
                          (UINT64_C(1) << l->bits) - 1) != VS_OK) {
        return vs_bench_wrong(b->spec, diag, 0);
    }
    for (size_t i = 0; i < n && i < b->spec->len; i++) {
        if (fabs((double)sums[i] * step - RANGE - b->update[i]) > step * 1.001) {
            return vs_bench_wrong(b->spec, diag, i / ((size_t)l->packing * l->slots));
        }
    }
    return VS_OK;
}

static vs_err check_shares(client_bench *b, vs_diag *diag)
{
    const vs_bench_spec *s = b->spec;
    const vs_fe *row[VS_SHAREHOLDERS_MAX];
    uint32_t idx[VS_SHAREHOLDERS_MAX], r = s->t + s->k;
    vs_recon *recon = NULL;
    vs_bench_rows secrets;
    memset(&secrets, 0, sizeof secrets);
    uint64_t *sums = NULL;
    size_t count, cols = b->round->layout.columns;
    vs_err err = vs_encoder_make(b->enc, 0, 1);
    for (uint32_t a = 0; err == VS_OK && a < r; a++) {
        idx[a] = s->n - r + 1 + a;
        row[a] = vs_encoder_share(b->enc, idx[a], 0, &count);
        if (count < cols) cols = count;
    }
    if (err == VS_OK) err = vs_recon_new(&recon, s->n, s->t, s->k, idx);
    if (err == VS_OK) err = vs_bench_rows_new(&secrets, s->k, cols);
    if (err == VS_OK) sums = calloc(cols * s->k * b->round->layout.slots, sizeof *sums);
    if (err == VS_OK && sums == NULL) err = VS_ERR_NOMEM;
    if (err == VS_OK) {
        vs_recon_columns(recon, secrets.row, row, cols);
        if (s->corrupt) secrets.row[0][0].v ^= UINT64_C(1) << (s->bits - 1);
        err = compare(b, &secrets, sums, diag);
    }
    free(sums);
    vs_bench_rows_free(&secrets);
    vs_recon_free(recon);
    return err;
}

vs_err vs_bench_client(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag)
{
    client_bench *b = calloc(1, sizeof *b);
    if (b == NULL) return VS_ERR_NOMEM;
    b->spec = spec;
    vs_bench_plan plan = {.part_name = {"hash", "seal", "prg"}};
    const double elements = (double)spec->len;
    vs_err err = client_open(b, diag);
    if (err == VS_OK) {
        client_run(b);
        err = b->err;
    }
    if (err == VS_OK) err = check_sealed(b, diag);
    if (err == VS_OK) err = check_shares(b, diag);
    plan.work[VS_BENCH_OP] = (vs_bench_work){client_run, b, elements};
    plan.work[VS_BENCH_PART] = (vs_bench_work){vs_bench_crypto_hash, &b->crypto, elements};
    plan.work[VS_BENCH_HASH_MANY] =
        (vs_bench_work){vs_bench_crypto_hash_many, &b->crypto, elements};
    plan.work[VS_BENCH_PART + 1] = (vs_bench_work){vs_bench_crypto_seal, &b->crypto, elements};
    plan.work[VS_BENCH_PART + 2] = (vs_bench_work){prg_part, b, elements};
    if (err == VS_OK) {
        plan.bytes = elements * 8 + 8.0 * b->round->layout.columns * (spec->n - spec->t);
        err = vs_bench_plan_run(out, &plan, spec);
    }
    if (err == VS_OK) err = b->err;
    struct rusage use;
    if (err == VS_OK && getrusage(RUSAGE_SELF, &use) == 0) {
        out->peak_memory_mb = (double)use.ru_maxrss / 1024; /* Linux: KiB */
    }
    vs_encoder_free(b->enc);
    client_close(b);
    free(b);
    return err;
}
