/* bench shareholder: one sealed share vector opened, hashed, checked and added to the sum. */
#include <stdlib.h>
#include <string.h>

#include "bench/crypto.h"
#include "bench/plan.h"
#include "mpc/proof.h"

#define SHAREHOLDER 1u

typedef struct holder_bench {
    const vs_bench_spec *spec;
    uint32_t columns, chunks;
    vs_bench_rows x, sum; /* x: columns + 2 elements */
    uint8_t *sealed, *plain;
    vs_fe *elements; /* one chunk */
    vs_proof_acc *proof;
    vs_fe2 w;
    vs_h32 root;
    vs_bench_crypto crypto;
    vs_err err;
} holder_bench;

static const vs_h32 context = {{4}};
static const vs_fe2 rho = {{UINT64_C(0x0123456789abcdef)}, {UINT64_C(0x1edcba9876543210)}};

static size_t chunk_at(uint32_t chunk) /* chunk >= 1 */
{
    return (size_t)(chunk - 1) * (VS_CHUNK_BYTES + VS_SEAL_TAG_BYTES);
}

static vs_err seal_all(holder_bench *b)
{
    vs_seal *seal = NULL;
    vs_err err = vs_bench_seal_pair(&seal, NULL, &context, SHAREHOLDER);
    for (uint32_t i = 1; err == VS_OK && i < b->chunks; i++) {
        size_t len = vs_sealed_share_plain(b->columns, false, i);
        vs_fe_encode_many(b->plain, b->x.row[0] + (size_t)(i - 1) * VS_CHUNK_ELEMENTS,
                          len / VS_FE_BYTES);
        err = vs_seal_chunk(seal, b->sealed + chunk_at(i), b->plain, len, i, i + 1 == b->chunks);
    }
    vs_seal_free(seal);
    return err;
}

static vs_err holder_open(holder_bench *b)
{
    vs_err err = vs_bench_rows_new(&b->x, 1, b->columns + VS_MASK_COLUMNS);
    if (err == VS_OK) err = vs_bench_rows_random(&b->x, 0x80);
    if (err == VS_OK) err = vs_bench_rows_new(&b->sum, 1, b->columns);
    if (err == VS_OK) err = vs_bench_crypto_new(&b->crypto, 1, b->columns);
    if (err != VS_OK) return err;
    b->sealed = vs_bench_buffer(chunk_at(b->chunks));
    b->plain = vs_bench_buffer(VS_CHUNK_BYTES);
    b->elements = vs_bench_buffer(VS_CHUNK_BYTES);
    b->proof = calloc(1, sizeof *b->proof);
    if (b->sealed == NULL || b->plain == NULL || b->elements == NULL || b->proof == NULL) {
        return VS_ERR_NOMEM;
    }
    return seal_all(b);
}

static void holder_close(holder_bench *b)
{
    vs_bench_crypto_free(&b->crypto);
    vs_bench_rows_free(&b->x);
    vs_bench_rows_free(&b->sum);
    free(b->sealed);
    free(b->plain);
    free(b->elements);
    free(b->proof);
}

/* Data columns are checked and added in one pass, mask columns checked only. */
static void feed(holder_bench *b, uint32_t chunk, size_t count)
{
    size_t first = (size_t)(chunk - 1) * VS_CHUNK_ELEMENTS, data = count;
    if (first >= b->columns) {
        data = 0;
    } else if (first + count > b->columns) {
        data = b->columns - first;
    }
    if (data != 0) vs_proof_update_add(b->proof, b->sum.row[0] + first, b->elements, data);
    if (data != count) vs_proof_update(b->proof, b->elements + data, count - data);
}

static void holder_run(void *ctx)
{
    holder_bench *b = ctx;
    vs_seal *seal = NULL;
    vs_share_root root;
    vs_share_root_init(&root);
    vs_proof_start(b->proof, rho, b->columns);
    vs_err err = vs_bench_seal_pair(NULL, &seal, &context, SHAREHOLDER);
    for (uint32_t i = 1; err == VS_OK && i < b->chunks; i++) {
        size_t len = vs_sealed_share_plain(b->columns, false, i);
        err = vs_unseal_chunk(seal, b->plain, b->sealed + chunk_at(i), len + VS_SEAL_TAG_BYTES, i,
                              i + 1 == b->chunks);
        if (err == VS_OK) err = vs_fe_decode_many(b->elements, b->plain, len / VS_FE_BYTES);
        if (err != VS_OK) break;
        vs_share_root_update(&root, b->plain, len);
        feed(b, i, len / VS_FE_BYTES);
    }
    vs_share_root_final(&root, &b->root);
    if (err == VS_OK) b->w = vs_proof_final(b->proof);
    vs_seal_free(seal);
    if (err != VS_OK) b->err = err;
}

/* Horner's rule one by one, the hash of the elements, and the sum of one submission. */
static vs_err holder_check(holder_bench *b, vs_diag *diag)
{
    const vs_fe *x = b->x.row[0];
    vs_fe2 want = {{0}, {0}};
    vs_share_root root;
    vs_h32 want_root;
    holder_run(b);
    if (b->err != VS_OK) return b->err;
    if (b->spec->corrupt) b->sum.row[0][b->columns - 1].v ^= 1;
    vs_share_root_init(&root);
    for (size_t c = 0; c < b->x.cols; c++) {
        uint8_t le[VS_FE_BYTES];
        vs_fe_encode(le, x[c]);
        vs_share_root_update(&root, le, sizeof le);
        if (c < b->columns && b->sum.row[0][c].v != x[c].v) return vs_bench_wrong(b->spec, diag, c);
    }
    vs_share_root_final(&root, &want_root);
    for (size_t c = b->columns; c-- > 0;) {
        want = vs_fe2_mul(vs_fe2_add(want, (vs_fe2){x[c], {0}}), rho);
    }
    want = vs_fe2_add(want, (vs_fe2){x[b->columns], x[b->columns + 1]});
    if (vs_fe2_equal(want, b->w) != 1 || !vs_h32_equal(&want_root, &b->root)) {
        return vs_bench_wrong(b->spec, diag, 0);
    }
    return VS_OK;
}

vs_err vs_bench_shareholder(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag)
{
    holder_bench b = {.spec = spec, .columns = (uint32_t)(spec->len / spec->k)};
    double elements = (double)b.columns * spec->k;
    vs_bench_plan plan = {.part_name = {"hash", "open", NULL}, .bytes = (double)b.columns * 24};
    b.chunks = vs_sealed_share_chunks(b.columns, false);
    vs_err err = holder_open(&b);
    if (err == VS_OK) err = holder_check(&b, diag);
    plan.work[VS_BENCH_OP] = (vs_bench_work){holder_run, &b, elements};
    plan.work[VS_BENCH_PART] = (vs_bench_work){vs_bench_crypto_hash, &b.crypto, elements};
    plan.work[VS_BENCH_PART + 1] = (vs_bench_work){vs_bench_crypto_open, &b.crypto, elements};
    if (err == VS_OK) err = vs_bench_plan_run(out, &plan, spec);
    if (err == VS_OK) err = b.err;
    holder_close(&b);
    return err;
}
