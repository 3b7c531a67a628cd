/* Results that need not fit into memory: sums to a file, from there to the mean, block by block. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_out.h"
#include "base/hash.h"
#include "fl/rotate.h"
#include "net/call_result.h"

enum { BLOCK = VS_ROTATE_BLOCK };

/* --- the blob --------------------------------------------------------------------------------- */

typedef struct download {
    vs_file_out *file;
    vs_hash hash;
} download;

static vs_err put_piece(void *ctx, const uint8_t *bytes, size_t len, vs_diag *diag)
{
    download *d = ctx;
    vs_hash_bytes(&d->hash, bytes, len);
    return vs_file_out_write(d->file, bytes, len, diag);
}

/* The sums' blob into the file, its bytes as its name says. */
static vs_err fetch_sums(vs_file_out *file, const vs_caller *caller, const vs_fetched_result *f,
                         vs_diag *diag)
{
    const uint64_t len = (uint64_t)f->round.layout.dim * 8;
    download d = {.file = file};
    vs_h32 hash;
    vs_hash_init(&d.hash);
    vs_err err = vs_call_blob_pieces(caller, &f->result.sum_blob, (size_t)len, put_piece, &d, diag);
    vs_hash_final(&d.hash, &hash);
    if (err != VS_OK) return err;
    if (!vs_h32_equal(&hash, &f->result.sum_blob)) {
        return vs_fail(diag, VS_ERR_PROOF, "the sums do not have the SHA-256 that names them");
    }
    if (vs_file_out_len(file) == len) return VS_OK;
    return vs_fail(diag, VS_ERR_PROOF,
                   "the result has %" PRIu64 " bytes of sums, %" PRIu64 " are right",
                   vs_file_out_len(file), len);
}

static vs_err read_sums(vs_file_out *file, uint64_t first, uint64_t *sums, size_t n, vs_diag *diag)
{
    vs_err err = vs_file_out_read(file, first * 8, sums, n * 8, diag);
    for (size_t i = 0; err == VS_OK && i < n; i++) {
        uint8_t le[8];
        memcpy(le, &sums[i], sizeof le);
        sums[i] = vs_load_le64(le);
    }
    return err;
}

/* The result hash over all sums; then metrics and weight at their end. */
static vs_err check_sums(vs_fetched_result *f, vs_file_out *file, uint64_t *sums, vs_diag *diag)
{
    const uint32_t dim = f->round.layout.dim, tail = dim - f->round.open.dim;
    const vs_entry_result *r = &f->result;
    vs_err err = VS_OK;
    vs_hash h;
    vs_h32 hash;
    vs_result_hash_start(&h, &f->round.id, r->count);
    for (uint64_t at = 0; err == VS_OK && at < dim; at += BLOCK) {
        const size_t n = dim - at < BLOCK ? (size_t)(dim - at) : BLOCK;
        err = read_sums(file, at, sums, n, diag);
        for (size_t i = 0; err == VS_OK && i < n; i++) vs_hash_u64(&h, sums[i]);
    }
    vs_hash_final(&h, &hash);
    if (err == VS_OK && !vs_h32_equal(&hash, &r->sum_hash)) {
        err = vs_fail(diag, VS_ERR_PROOF, "the sums do not hash to the logged result hash");
    }
    VS_ASSERT(tail <= BLOCK);
    if (err == VS_OK) err = read_sums(file, f->round.open.dim, sums, tail, diag);
    return err == VS_OK ? vs_call_check_tail(f, sums, diag) : err;
}

/* --- the mean --------------------------------------------------------------------------------- */

static vs_err decode(const vs_fetched_result *f, vs_file_out *file, uint64_t *sums, double *mean,
                     const vs_mean_sink *sink, vs_diag *diag)
{
    const uint32_t dim = f->round.open.dim;
    vs_err err = VS_OK;
    for (uint64_t at = 0; err == VS_OK && at < dim;) {
        uint64_t first;
        uint32_t n;
        vs_rotate_block(at, dim, &first, &n); /* without rotation as good as any other */
        VS_ASSERT(first == at && n <= BLOCK);
        err = read_sums(file, at, sums, n, diag);
        if (err != VS_OK) break;
        vs_round_decode_block(mean, &f->round, sums, at, n, f->result.count, f->result.weight_sum);
        err = sink->put(sink->ctx, &f->round, mean, n, diag);
        at += n;
    }
    return err;
}

vs_err vs_call_result_to(vs_fetched_result *out, const vs_caller *caller, uint64_t round,
                         const char *path, bool keep, const vs_mean_sink *sink, vs_diag *diag)
{
    VS_ASSERT(out != NULL && caller != NULL && path != NULL && sink != NULL);
    vs_file_out *file = NULL;
    uint64_t *sums = malloc(BLOCK * sizeof *sums);
    double *mean = malloc(BLOCK * sizeof *mean);
    vs_err err = vs_call_result_head(out, caller, round, diag);
    if (err == VS_OK && (sums == NULL || mean == NULL)) {
        err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    if (err == VS_OK) err = vs_file_out_new(&file, path, 0600, diag);
    if (err == VS_OK) err = fetch_sums(file, caller, out, diag);
    if (err == VS_OK) err = check_sums(out, file, sums, diag);
    if (err == VS_OK) err = decode(out, file, sums, mean, sink, diag);
    if (err == VS_OK && keep) err = vs_file_out_commit(file, diag);
    vs_file_out_free(file);
    free(mean);
    free(sums);
    if (err != VS_OK) *out = (vs_fetched_result){0};
    return err;
}
