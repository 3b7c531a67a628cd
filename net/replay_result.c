/* A `result` entry is recomputed from the published sum shares (net/replay.h). */
#include <inttypes.h>
#include <string.h>

#include "net/replay_impl.h"
#include "net/result.h"

typedef struct sums {
    const vs_replay *rp;
    const vs_h32 *blob[VS_SHAREHOLDERS_MAX]; /* by position of the logged answer; NULL: none */
    uint64_t size[VS_SHAREHOLDERS_MAX];
    vs_hash hash; /* of the decoded sums: the name of sum_blob */
} sums;

static vs_err sum_size(void *ctx, uint32_t a, uint64_t *bytes)
{
    const sums *s = ctx;
    *bytes = s->size[a];
    return VS_OK;
}

static vs_err sum_read(void *ctx, uint32_t a, uint64_t first, uint8_t *out, size_t count)
{
    const sums *s = ctx;
    const vs_blob_source *blobs = &s->rp->blobs;
    vs_err err = blobs->read(blobs->ctx, s->blob[a], first * VS_FE_BYTES, out, count * VS_FE_BYTES);
    return err == VS_OK ? VS_OK : VS_ERR_IO; /* it was whole a moment ago */
}

static vs_err take_sums(void *ctx, uint64_t first, const uint64_t *values, size_t n)
{
    sums *s = ctx;
    (void)first; /* they come in order */
    for (size_t i = 0; i < n; i++) vs_hash_u64(&s->hash, values[i]);
    return VS_OK;
}

/* Find the blob of each logged answer. One of another length is an erasure (size says so); one of
 * the right length must hash to its name. */
static vs_err find_blobs(sums *s, const vs_entry_result *result, vs_diag *diag)
{
    const vs_round_view *v = &s->rp->view;
    const vs_blob_source *blobs = &s->rp->blobs;
    const uint64_t whole = (uint64_t)v->round.layout.columns * VS_FE_BYTES;
    uint32_t a = 0;
    for (uint32_t i = 0; i < result->n_answers; i++) {
        const vs_entry_blob *named = &result->answers[i];
        while (a < v->n_answers && v->answer_index[a] < named->index) a++;
        if (a == v->n_answers || v->answer_index[a] != named->index ||
            (i > 0 && result->answers[i - 1].index >= named->index)) {
            return vs_fail(diag, VS_ERR_PROOF,
                           "result uses an answer of shareholder %u that is not in the log",
                           named->index);
        }
        vs_err err = blobs->size(blobs->ctx, &named->blob, &s->size[a]);
        if (err == VS_OK && s->size[a] == whole) {
            err = vs_replay_read_blob(s->rp, &named->blob, whole, NULL, diag);
        } else if (err != VS_OK) {
            (void)vs_fail(diag, err, "its blob is not here");
        }
        if (err != VS_OK) {
            vs_diag_prefix(diag, "result: sum share of shareholder %u", named->index);
            return err;
        }
        s->blob[a] = &named->blob;
    }
    return VS_OK;
}

static const char *verdict_text(vs_result_verdict verdict)
{
    switch (verdict) {
    case VS_RESULT_OK: return "decode";
    case VS_RESULT_TOO_FEW: return "are too few";
    case VS_RESULT_UNDECODABLE: return "do not decode";
    case VS_RESULT_UNCERTAIN: return "decode with less than the federation's margin";
    case VS_RESULT_RANGE: return "give sums out of range";
    }
    return "have an unknown verdict";
}

/* The located positions must be exactly the listed shareholders. */
static bool same_wrong(const vs_round_view *v, const vs_result *found, const uint32_t *listed,
                       uint32_t n_listed)
{
    uint32_t k = 0;
    for (uint32_t a = 0; a < v->n_answers; a++) {
        if (!found->wrong[a]) continue;
        if (k == n_listed || listed[k] != v->answer_index[a]) return false;
        k++;
    }
    return k == n_listed;
}

static vs_err compare(const vs_round_view *v, const vs_result *found, const vs_entry_result *result,
                      vs_diag *diag)
{
    if (found->verdict != VS_RESULT_OK) {
        return vs_fail(diag, VS_ERR_PROOF, "result: the published sum shares %s",
                       verdict_text(found->verdict));
    }
    if (!vs_h32_equal(&found->sum_hash, &result->sum_hash)) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "result: sum_hash is not that of the sum of the published shares");
    }
    if (found->weight_sum != result->weight_sum) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "result: weight_sum is %" PRIu64 ", the shares give %" PRIu64,
                       result->weight_sum, found->weight_sum);
    }
    if (found->margin != result->margin || found->certain != result->certain) {
        return vs_fail(diag, VS_ERR_PROOF, "result: margin %d, %s; the shares give margin %d, %s",
                       result->margin, result->certain ? "certain" : "uncertain", found->margin,
                       found->certain ? "certain" : "uncertain");
    }
    const uint32_t *listed = found->certain ? result->wrong : result->outvoted;
    uint32_t n_listed = found->certain ? result->n_wrong : result->n_outvoted;
    uint32_t n_other = found->certain ? result->n_outvoted : result->n_wrong;
    if (n_other != 0 || !same_wrong(v, found, listed, n_listed)) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "result: %s does not name exactly the shareholders that are wrong",
                       found->certain ? "wrong" : "outvoted");
    }
    return VS_OK;
}

/* The clip_norm of the next round follows from the summed metric. */
static vs_err check_clip(const vs_replay *rp, const vs_result *found, const vs_entry_result *result,
                         vs_diag *diag)
{
    const double next = vs_budget_next_clip(rp->fed, &rp->view.round, found->metric_sum,
                                            result->count, found->weight_sum);
    if (vs_budget_agrees(result->next_clip_norm, next)) return VS_OK;
    return vs_fail(diag, VS_ERR_PROOF, "result: next_clip_norm is %.12g, the sums give %.12g",
                   result->next_clip_norm, next);
}

static vs_err recompute(const vs_replay *rp, const vs_entry_result *result, vs_diag *diag)
{
    const vs_round_view *v = &rp->view;
    sums s = {.rp = rp};
    vs_sum_source source = {.size = sum_size, .read = sum_read, .ctx = &s};
    vs_sum_sink sink = {.sums = take_sums, .ctx = &s};
    vs_result_in in = {.committee = &rp->fed->committee,
                       .layout = &v->round.layout,
                       .id = v->round.id,
                       .n_clients = v->set.count,
                       .weight_digits = v->round.open.weight_digits,
                       .n_metrics = v->round.open.metrics,
                       .set_leaf_hash = v->set_leaf,
                       .n_answers = v->n_answers};
    vs_result found;
    vs_h32 blob;
    memcpy(in.index, v->answer_index, sizeof in.index);
    memcpy(in.answer_hash, v->answer_hash, sizeof in.answer_hash);
    vs_hash_init(&s.hash);
    vs_err err = find_blobs(&s, result, diag);
    if (err == VS_OK) err = vs_result_compute(&found, &in, &source, &sink, diag);
    if (err == VS_OK) err = compare(v, &found, result, diag);
    if (err == VS_OK) err = check_clip(rp, &found, result, diag);
    vs_hash_final(&s.hash, &blob);
    if (err == VS_OK && !vs_h32_equal(&blob, &result->sum_blob)) {
        err = vs_fail(diag, VS_ERR_PROOF, "result: sum_blob does not name the decoded sums");
    }
    return err;
}

/* Is none of the sum shares here? One that is here and wrong is never passed over. */
static bool none_here(const vs_replay *rp, const vs_entry_result *result)
{
    for (uint32_t i = 0; i < result->n_answers; i++) {
        uint64_t bytes;
        if (rp->blobs.size(rp->blobs.ctx, &result->answers[i].blob, &bytes) != VS_ERR_STATE) {
            return false;
        }
    }
    return true;
}

vs_err vs_replay_check_result(const vs_replay *rp, const vs_entry_result *result, vs_diag *diag)
{
    const vs_round_view *v = &rp->view;
    if (v->phase != VS_REPLAY_SET) {
        return vs_fail(diag, VS_ERR_PROOF, "result of a round without a set, or that is over");
    }
    if (!vs_h32_equal(&result->set, &v->set_leaf)) {
        return vs_fail(diag, VS_ERR_PROOF, "result names another set");
    }
    if (result->count != v->set.count) {
        return vs_fail(diag, VS_ERR_PROOF, "result: count is %u, the set has %u clients",
                       result->count, v->set.count);
    }
    if (!vs_h32_equal(&result->model_hash, &v->round.open.model_hash)) {
        return vs_fail(diag, VS_ERR_PROOF, "result: model_hash is not the open's");
    }
    if (rp->trusted || (rp->allow_private && none_here(rp, result))) return VS_OK;
    return recompute(rp, result, diag);
}
