#include "net/result.h"

#include <stdlib.h>
#include <string.h>

#include "fl/quantise.h"
#include "mpc/locate.h"
#include "mpc/pack.h"
#include "mpc/sharing.h"

/* One block of columns: at most a chunk of 64 KiB per answer, and at most 8 MiB of decoded sums
 * (k * S of them come out of a column). */
#define BLOCK_COLUMNS_MAX VS_CHUNK_ELEMENTS
#define BLOCK_SUMS_MAX (UINT32_C(1) << 20)
#define DIGITS_MAX 64u /* of a 64-bit weight in base 2 */

typedef struct job {
    const vs_result_in *in;
    const vs_sum_source *source;
    const vs_sum_sink *sink;
    uint32_t block; /* columns */
    uint32_t r;
    uint32_t used[VS_SHAREHOLDERS_MAX]; /* positions of the r answers that are decoded from */
    vs_hash used_hash[VS_SHAREHOLDERS_MAX];
    uint8_t *bytes;  /* block * 8 */
    vs_fe *elements; /* r rows of block */
    vs_fe *secrets;  /* k rows of block */
    uint64_t *sums;  /* k * S * block */
    uint64_t digits[DIGITS_MAX];
    uint64_t metrics[VS_METRICS_N];
    vs_hash sum_hash;
} job;

static uint32_t block_columns(const vs_layout *layout)
{
    uint32_t fit = BLOCK_SUMS_MAX / (layout->packing * layout->slots); /* k, S <= 128, 60 */
    if (fit > BLOCK_COLUMNS_MAX) fit = BLOCK_COLUMNS_MAX;
    return fit < layout->columns ? fit : layout->columns;
}

static void *array(size_t n, size_t size)
{
    return calloc(n == 0 ? 1 : n, size);
}

static vs_err job_new(job *w, const vs_result_in *in)
{
    size_t k = in->layout->packing;
    size_t sums = k * in->layout->slots;
    w->block = block_columns(in->layout);
    w->r = vs_committee_r(in->committee);
    w->bytes = array(w->block, VS_FE_BYTES);
    w->elements = array((size_t)w->r * w->block, sizeof *w->elements);
    w->secrets = array(k * w->block, sizeof *w->secrets);
    w->sums = array(sums * w->block, sizeof *w->sums);
    bool ok = w->bytes != NULL && w->elements != NULL && w->secrets != NULL && w->sums != NULL;
    return ok ? VS_OK : VS_ERR_NOMEM;
}

static void job_clear(job *w)
{
    free(w->bytes);
    free(w->elements);
    free(w->secrets);
    free(w->sums);
}

static uint32_t block_at(const job *w, uint32_t first)
{
    uint32_t left = w->in->layout->columns - first;
    return left < w->block ? left : w->block;
}

/* --- pass 1: which answers can be used, and their symbols ------------------------------------- */

/* Read answer a whole. *usable = it has the right length, hashes to what is logged and is
 * canonical. Its symbol goes to *symbol. */
static vs_err scan_answer(job *w, uint32_t a, vs_fe2 rho, bool *usable, vs_fe2 *symbol)
{
    const vs_result_in *in = w->in;
    uint32_t columns = in->layout->columns;
    uint64_t size = 0;
    vs_hash h;
    vs_h32 hash;
    vs_symbol_acc acc;
    bool canonical = true;

    *usable = false;
    vs_err err = w->source->size(w->source->ctx, a, &size);
    if (err != VS_OK) return err;
    if (size != (uint64_t)columns * VS_FE_BYTES) return VS_OK;

    vs_answer_hash_start(&h, &in->id, in->index[a]);
    vs_symbol_start(&acc, rho);
    for (uint32_t first = 0; first < columns; first += w->block) {
        uint32_t n = block_at(w, first);
        err = w->source->read(w->source->ctx, a, first, w->bytes, n);
        if (err != VS_OK) return err;
        vs_hash_bytes(&h, w->bytes, (size_t)n * VS_FE_BYTES);
        if (canonical) canonical = vs_fe_decode_many(w->elements, w->bytes, n) == VS_OK;
        if (canonical) vs_symbol_update(&acc, w->elements, n);
    }
    vs_hash_final(&h, &hash);
    *usable = canonical && vs_h32_equal(&hash, &in->answer_hash[a]);
    *symbol = acc.sum;
    return VS_OK;
}

/* Every answer's symbol, then the wrong ones. Fills out up to the margin and w->used. */
static vs_err locate(job *w, vs_result *out)
{
    const vs_result_in *in = w->in;
    vs_answer_ref logged[VS_SHAREHOLDERS_MAX];
    uint32_t point[VS_SHAREHOLDERS_MAX];
    uint32_t position[VS_SHAREHOLDERS_MAX] = {0};
    vs_fe2 symbol[VS_SHAREHOLDERS_MAX];
    vs_location found;
    vs_fe2 rho;
    uint32_t m = 0;

    for (uint32_t a = 0; a < in->n_answers; a++) {
        logged[a] = (vs_answer_ref){.j = in->index[a], .answer_hash = in->answer_hash[a]};
    }
    vs_err err = vs_locate_challenge(&rho, &in->set_leaf_hash, logged, in->n_answers);
    for (uint32_t a = 0; err == VS_OK && a < in->n_answers; a++) {
        bool usable = false;
        err = scan_answer(w, a, rho, &usable, &symbol[m]);
        out->wrong[a] = !usable;
        if (!usable) continue;
        point[m] = in->index[a];
        position[m++] = a;
    }
    if (err == VS_OK) err = vs_locate(&found, point, symbol, m, w->r, in->committee->t);
    if (err != VS_OK) return err;

    uint32_t n_used = 0;
    for (uint32_t i = 0; i < m; i++) {
        if (found.wrong[i])
            out->wrong[position[i]] = true;
        else if (n_used < w->r)
            w->used[n_used++] = position[i];
    }
    for (uint32_t a = 0; a < in->n_answers; a++) out->n_wrong += out->wrong[a];
    out->margin = (int32_t)m - (int32_t)w->r - (int32_t)found.n_wrong;
    out->certain = found.decodable && found.certain;
    if (m < w->r)
        out->verdict = VS_RESULT_TOO_FEW;
    else if (!found.decodable)
        out->verdict = VS_RESULT_UNDECODABLE;
    else if (out->margin < (int32_t)in->committee->margin)
        out->verdict = VS_RESULT_UNCERTAIN;
    return VS_OK;
}

/* --- pass 2: the sums ------------------------------------------------------------------------- */

/* The same block of the r answers, hashed again: what is decoded is what was located. */
static vs_err read_block(job *w, uint32_t first, uint32_t n)
{
    for (uint32_t i = 0; i < w->r; i++) {
        vs_err err = w->source->read(w->source->ctx, w->used[i], first, w->bytes, n);
        if (err != VS_OK) return err;
        vs_hash_bytes(&w->used_hash[i], w->bytes, (size_t)n * VS_FE_BYTES);
        err = vs_fe_decode_many(w->elements + (size_t)i * w->block, w->bytes, n);
        if (err != VS_OK) return VS_ERR_IO; /* it was canonical in pass 1 */
    }
    return VS_OK;
}

/* Take n sums that start at coordinate first: hash, keep metrics and the weight's digits, hand on.
 */
static vs_err take_sums(job *w, uint64_t first, size_t n)
{
    uint64_t digits_at = w->in->layout->dim - w->in->weight_digits;
    uint64_t metrics_at = digits_at - w->in->n_metrics;
    for (size_t i = 0; i < n; i++) {
        vs_hash_u64(&w->sum_hash, w->sums[i]);
        if (first + i >= digits_at)
            w->digits[first + i - digits_at] = w->sums[i];
        else if (first + i >= metrics_at)
            w->metrics[first + i - metrics_at] = w->sums[i];
    }
    if (w->sink == NULL || n == 0) return VS_OK;
    return w->sink->sums(w->sink->ctx, first, w->sums, n);
}

static vs_err decode_block(job *w, const vs_recon *recon, uint32_t first, bool *in_range)
{
    const vs_layout *layout = w->in->layout;
    const vs_fe *shares[VS_SHAREHOLDERS_MAX];
    vs_fe *secrets[VS_SHAREHOLDERS_MAX];
    uint32_t n = block_at(w, first);
    uint64_t per_column = (uint64_t)layout->packing * layout->slots;
    uint64_t at = first * per_column; /* coordinate; beyond dim there is only padding */
    uint64_t cap = at < layout->dim ? layout->dim - at : 0;
    uint64_t max_sum = w->in->n_clients * ((UINT64_C(1) << layout->bits) - 1);

    if (cap > per_column * n) cap = per_column * n;
    vs_err err = read_block(w, first, n);
    if (err != VS_OK) return err;
    for (uint32_t i = 0; i < w->r; i++) shares[i] = w->elements + (size_t)i * w->block;
    for (uint32_t i = 0; i < layout->packing; i++) secrets[i] = w->secrets + (size_t)i * w->block;
    vs_recon_columns(recon, secrets, shares, n);
    *in_range =
        vs_unpack_columns(layout, w->sums, cap, (const vs_fe *const *)secrets, n, max_sum) == VS_OK;
    return *in_range ? take_sums(w, at, cap) : VS_OK;
}

static vs_err check_used_hashes(job *w)
{
    for (uint32_t i = 0; i < w->r; i++) {
        vs_h32 hash;
        vs_hash_final(&w->used_hash[i], &hash);
        if (!vs_h32_equal(&hash, &w->in->answer_hash[w->used[i]])) return VS_ERR_IO;
    }
    return VS_OK;
}

static vs_err decode(job *w, vs_result *out)
{
    const vs_result_in *in = w->in;
    const vs_committee *c = in->committee;
    uint32_t index[VS_SHAREHOLDERS_MAX];
    vs_recon *recon = NULL;
    bool in_range = true;

    for (uint32_t i = 0; i < w->r; i++) {
        index[i] = in->index[w->used[i]];
        vs_answer_hash_start(&w->used_hash[i], &in->id, index[i]);
    }
    vs_result_hash_start(&w->sum_hash, &in->id, in->n_clients);
    vs_err err = vs_recon_new(&recon, c->n, c->t, c->k, index);
    VS_ASSERT(err != VS_ERR_LIMIT); /* indexes were checked on entry */
    for (uint32_t first = 0; err == VS_OK && in_range && first < in->layout->columns;
         first += w->block) {
        err = decode_block(w, recon, first, &in_range);
    }
    if (err == VS_OK && in_range) err = check_used_hashes(w);
    vs_recon_free(recon);
    if (err != VS_OK) return err;

    if (in_range) {
        in_range = vs_dequantise_weight(&out->weight_sum, w->digits, in->weight_digits,
                                        in->layout->bits) == VS_OK;
    }
    if (!in_range || out->weight_sum == 0) {
        out->verdict = VS_RESULT_RANGE;
        out->weight_sum = 0;
        return VS_OK;
    }
    vs_hash_final(&w->sum_hash, &out->sum_hash);
    memcpy(out->metric_sum, w->metrics, sizeof out->metric_sum);
    out->verdict = VS_RESULT_OK;
    return VS_OK;
}

static void check_arguments(const vs_result_in *in)
{
    VS_ASSERT(in->committee->n <= VS_SHAREHOLDERS_MAX && in->n_answers <= in->committee->n);
    VS_ASSERT(in->layout->packing == in->committee->k && in->layout->columns > 0);
    VS_ASSERT(in->weight_digits >= 1 && in->weight_digits <= DIGITS_MAX);
    VS_ASSERT(in->n_metrics == 0 || in->n_metrics == VS_METRICS_N);
    VS_ASSERT(in->weight_digits + in->n_metrics < in->layout->dim);
    VS_ASSERT(in->n_clients <=
              in->layout->max_clients); /* else a sum could carry into its neighbour */
    for (uint32_t a = 0; a < in->n_answers; a++) {
        VS_ASSERT(in->index[a] >= 1 && in->index[a] <= in->committee->n);
        VS_ASSERT(a == 0 || in->index[a - 1] < in->index[a]);
    }
}

vs_err vs_result_compute(vs_result *out, const vs_result_in *in, const vs_sum_source *source,
                         const vs_sum_sink *sink, vs_diag *diag)
{
    vs_result found = {.verdict = VS_RESULT_OK};

    *out = (vs_result){.verdict = VS_RESULT_TOO_FEW};
    check_arguments(in);
    job *w = calloc(1, sizeof *w);
    if (w == NULL) return vs_fail(diag, VS_ERR_NOMEM, "result: out of memory");
    w->in = in;
    w->source = source;
    w->sink = sink;
    vs_err err = job_new(w, in);
    if (err == VS_OK) err = locate(w, &found);
    if (err == VS_OK && found.verdict == VS_RESULT_OK) err = decode(w, &found);
    if (err == VS_OK)
        *out = found;
    else
        (void)vs_fail(diag, err, "round %llu: cannot compute the result from the sum shares: %s",
                      (unsigned long long)in->id.round,
                      err == VS_ERR_NOMEM ? "out of memory" : "a sum share cannot be read");
    job_clear(w);
    free(w);
    return err;
}
