#include "net/call_result.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/hash.h"
#include "ledger/dsse.h"

vs_err vs_call_checked_entry(const vs_caller *caller, uint64_t round, vs_entry_kind kind,
                             uint32_t nth, vs_entry *out, vs_diag *diag)
{
    const char *name = vs_entry_kind_name(kind);
    vs_buf envelope = {0};
    vs_dsse dsse = {0};
    vs_err err = vs_call_entry(caller, round, name, nth, &envelope, diag);
    if (err == VS_OK) err = vs_dsse_parse(&dsse, envelope.p, envelope.len, diag);
    if (err == VS_OK) err = vs_dsse_verify(&dsse, &caller->fed->aggregator.key, diag);
    if (err == VS_OK) err = vs_entry_decode(out, dsse.kind, dsse.payload.p, dsse.payload.len, diag);
    if (err == VS_OK && (out->round != round || out->kind != kind ||
                         !vs_h32_equal(&out->federation, &caller->fed->id))) {
        err =
            vs_fail(diag, VS_ERR_PROOF,
                    "the aggregator sent another entry than \"%s\" of round %" PRIu64, name, round);
    }
    vs_dsse_free(&dsse);
    vs_buf_free(&envelope);
    return err;
}

vs_err vs_call_check_tail(vs_fetched_result *f, const uint64_t *tail, vs_diag *diag)
{
    const vs_entry_open *o = &f->round.open;
    const vs_entry_result *r = &f->result;
    uint64_t weight = 0;
    vs_err err =
        vs_dequantise_weight(&weight, tail + o->metrics, o->weight_digits, f->round.quantiser.bits);
    if (err != VS_OK || weight != r->weight_sum || weight == 0) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "the summed weight %" PRIu64 " is not the logged %" PRIu64, weight,
                       r->weight_sum);
    }
    if (o->metrics > 0) {
        vs_round_metrics(&f->metrics, &f->round, tail, r->count, r->weight_sum);
    }
    return VS_OK;
}

/* sums[L] from the blob; they must hash to what `result` says. */
static vs_err check_sums(vs_fetched_result *f, const vs_buf *blob, vs_diag *diag)
{
    const uint32_t dim = f->round.layout.dim;
    const vs_entry_result *r = &f->result;
    vs_hash h;
    vs_h32 hash;
    if (blob->len != (size_t)dim * 8) {
        return vs_fail(diag, VS_ERR_PROOF, "the result has %zu bytes of sums, %zu are right",
                       blob->len, (size_t)dim * 8);
    }
    f->sums = malloc(blob->len);
    if (f->sums == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory for %u sums", dim);
    vs_result_hash_start(&h, &f->round.id, r->count);
    for (uint32_t c = 0; c < dim; c++) {
        f->sums[c] = vs_load_le64(blob->p + 8 * (size_t)c);
        vs_hash_u64(&h, f->sums[c]);
    }
    vs_hash_final(&h, &hash);
    if (!vs_h32_equal(&hash, &r->sum_hash)) {
        return vs_fail(diag, VS_ERR_PROOF, "the sums do not hash to the logged result hash");
    }
    return vs_call_check_tail(f, f->sums + f->round.open.dim, diag);
}

static vs_err fetch_round(vs_fetched_result *f, const vs_caller *caller, uint64_t round,
                          vs_diag *diag)
{
    vsw_RoundInfo info;
    vs_buf open = {0};
    vs_err err = vs_call_round_info(caller, round, &info, &open, NULL, diag);
    if (err == VS_OK && info.phase == vsw_Phase_ABORTED) {
        err = vs_fail(diag, VS_ERR_STATE, "round %" PRIu64 " was aborted: %s", round, info.detail);
    } else if (err == VS_OK && info.phase != vsw_Phase_FINAL &&
               info.phase != vsw_Phase_PUBLISHING) {
        err = vs_fail(diag, VS_ERR_STATE, "round %" PRIu64 " has no result yet: its phase is %s",
                      round, vs_phase_name(info.phase));
    }
    if (err == VS_OK) err = vs_round_from_open(&f->round, caller->fed, open.p, open.len, diag);
    if (err == VS_OK && f->round.id.round != round) {
        err = vs_fail(diag, VS_ERR_PROOF, "the aggregator sent another round than %" PRIu64, round);
    }
    vs_buf_free(&open);
    return err;
}

vs_err vs_call_result_head(vs_fetched_result *out, const vs_caller *caller, uint64_t round,
                           vs_diag *diag)
{
    vs_entry entry;
    *out = (vs_fetched_result){0};
    vs_err err = fetch_round(out, caller, round, diag);
    if (err == VS_OK) err = vs_call_checked_entry(caller, round, VS_ENTRY_RESULT, 0, &entry, diag);
    if (err == VS_OK) out->result = entry.u.result;
    return err;
}

vs_err vs_call_result(vs_fetched_result *out, const vs_caller *caller, uint64_t round,
                      vs_diag *diag)
{
    vs_buf blob = {0};
    vs_err err = vs_call_result_head(out, caller, round, diag);
    if (err == VS_OK) {
        err = vs_call_get_blob(caller, &out->result.sum_blob, (size_t)out->round.layout.dim * 8,
                               &blob, diag);
    }
    if (err == VS_OK) err = check_sums(out, &blob, diag);
    if (err == VS_OK) {
        out->mean = malloc(out->round.open.dim * sizeof *out->mean);
        if (out->mean == NULL) err = vs_fail(diag, VS_ERR_NOMEM, "out of memory for the mean");
    }
    if (err == VS_OK) {
        vs_round_decode(out->mean, &out->round, out->sums, out->result.count,
                        out->result.weight_sum);
    } else {
        vs_fetched_result_free(out);
    }
    vs_buf_free(&blob);
    return err;
}

void vs_fetched_result_free(vs_fetched_result *result)
{
    free(result->sums);
    free(result->mean);
    *result = (vs_fetched_result){0};
}
