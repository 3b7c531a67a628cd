#include "net/round.h"

#include <inttypes.h>
#include <string.h>

#include "ledger/dsse.h"
#include "net/keys.h"
#include "net/submission.h"

/* The aggregator chooses dim, model and times; everything else is the federation's word. */
static vs_err check_quantiser(const vs_federation *fed, const vs_entry_open *open, vs_diag *diag)
{
    const vs_quantiser *q = &fed->quantiser;
    if (open->quantization_bits != q->bits) {
        return vs_fail(diag, VS_ERR_PROOF, "quantization_bits is %u, the federation says %u",
                       open->quantization_bits, q->bits);
    }
    if (open->clip_norm != q->clip_norm) {
        return vs_fail(diag, VS_ERR_PROOF, "clip_norm is %g, the federation says %g",
                       open->clip_norm, q->clip_norm);
    }
    if (open->clipping_range != q->clipping_range) {
        return vs_fail(diag, VS_ERR_PROOF, "clipping_range is %g, the federation says %g",
                       open->clipping_range, q->clipping_range);
    }
    if (open->max_weight != q->max_weight) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "max_weight is %" PRIu64 ", the federation says %" PRIu64, open->max_weight,
                       q->max_weight);
    }
    if (open->stochastic_rounding != q->stochastic_rounding) {
        return vs_fail(diag, VS_ERR_PROOF, "stochastic_rounding is %s, the federation says %s",
                       open->stochastic_rounding ? "true" : "false",
                       q->stochastic_rounding ? "true" : "false");
    }
    uint32_t digits = vs_weight_digits(q->max_weight, q->bits);
    if (open->weight_digits != digits) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "weight_digits is %u, max_weight and quantization_bits give %u",
                       open->weight_digits, digits);
    }
    return VS_OK;
}

static vs_err check_clients(const vs_federation *fed, const vs_entry_open *open, vs_diag *diag)
{
    if (open->max_clients != fed->max_clients) {
        return vs_fail(diag, VS_ERR_PROOF, "max_clients is %u, the federation says %u",
                       open->max_clients, fed->max_clients);
    }
    if (open->min_clients != fed->min_clients) {
        return vs_fail(diag, VS_ERR_PROOF, "min_clients is %u, the federation says %u",
                       open->min_clients, fed->min_clients);
    }
    return VS_OK;
}

static vs_err check_times(const vs_federation *fed, const vs_entry_open *open, vs_diag *diag)
{
    if (open->opened_at > open->deadline || open->deadline > open->hard_expiry) {
        return vs_fail(diag, VS_ERR_MALFORMED,
                       "opened_at, deadline and hard_expiry are not in this order");
    }
    if (open->deadline - open->opened_at > fed->round_timeout_s) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "deadline is %" PRIu64
                       " s after opened_at, the federation's round_timeout is %u s",
                       open->deadline - open->opened_at, fed->round_timeout_s);
    }
    if (open->hard_expiry - open->deadline > fed->answer_timeout_s) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "hard_expiry is %" PRIu64
                       " s after deadline, the federation's answer_timeout is %u s",
                       open->hard_expiry - open->deadline, fed->answer_timeout_s);
    }
    return VS_OK;
}

static vs_err check_round_keys(const vs_federation *fed, const vs_round_id *id,
                               const vs_entry_open *open, vs_diag *diag)
{
    uint32_t needed = vs_committee_needed(&fed->committee), before = 0;
    vs_buf signed_bytes = {0};
    vs_err err = VS_OK;
    if (open->n_shareholders < needed) {
        return vs_fail(diag, VS_ERR_PROOF, "lists %u shareholders, the federation needs %u",
                       open->n_shareholders, needed);
    }
    for (uint32_t i = 0; i < open->n_shareholders && err == VS_OK; i++) {
        const vs_entry_shareholder *s = &open->shareholders[i];
        if (s->index <= before || s->index > fed->committee.n) {
            err = vs_fail(diag, VS_ERR_MALFORMED,
                          "shareholders are not ascending indices from 1 to %u: %u after %u",
                          fed->committee.n, s->index, before);
            break;
        }
        before = s->index;
        vs_buf_reset(&signed_bytes);
        err = vs_round_key_bytes(&signed_bytes, id, s->index, &s->key);
        if (err == VS_OK && vs_verify(s->sig, signed_bytes.p, signed_bytes.len,
                                      &fed->shareholder[s->index - 1].party.key) != VS_OK) {
            err = vs_fail(diag, VS_ERR_PROOF, "round key of shareholder %u: its signature fails",
                          s->index);
        }
    }
    vs_buf_free(&signed_bytes);
    return err;
}

static vs_err check_open(vs_round *round, const vs_federation *fed, const vs_entry *entry,
                         vs_diag *diag)
{
    const vs_entry_open *open = &entry->u.open;
    if (strcmp(entry->origin, fed->origin) != 0) {
        return vs_fail(diag, VS_ERR_PROOF, "origin is %s, the federation's log is %s",
                       entry->origin, fed->origin);
    }
    if (!vs_h32_equal(&entry->federation, &fed->id)) {
        return vs_fail(diag, VS_ERR_PROOF, "names another federation");
    }
    if (entry->round == 0) return vs_fail(diag, VS_ERR_MALFORMED, "round is 0, rounds start at 1");
    round->id = (vs_round_id){.federation_id = fed->id, .round = entry->round};
    round->open = *open;
    round->quantiser = fed->quantiser;

    vs_err err = check_clients(fed, open, diag);
    if (err == VS_OK) err = check_quantiser(fed, open, diag);
    if (err == VS_OK) err = check_times(fed, open, diag);
    if (err == VS_OK) {
        err = vs_layout_make(&round->layout, open->quantization_bits, open->max_clients,
                             fed->committee.k, (uint64_t)open->dim + open->weight_digits, diag);
        if (err != VS_OK) err = VS_ERR_MALFORMED; /* keeps the message */
    }
    if (err == VS_OK) err = check_round_keys(fed, &round->id, open, diag);
    return err;
}

vs_err vs_round_from_open(vs_round *out, const vs_federation *fed, const uint8_t *envelope,
                          size_t len, vs_diag *diag)
{
    VS_ASSERT(out != NULL && fed != NULL && (envelope != NULL || len == 0));
    vs_dsse dsse = {0};
    vs_entry entry;
    vs_round round = {0};
    vs_err err = vs_dsse_parse(&dsse, envelope, len, diag);
    if (err != VS_OK) goto cleanup;
    err = vs_dsse_verify(&dsse, &fed->aggregator.key, diag);
    if (err != VS_OK) {
        vs_diag_prefix(diag, "not signed by the aggregator");
        goto cleanup;
    }
    err = vs_entry_decode(&entry, dsse.kind, dsse.payload.p, dsse.payload.len, diag);
    if (err == VS_ERR_LIMIT) err = VS_ERR_MALFORMED; /* one meaning here: a bad peer */
    if (err != VS_OK) goto cleanup;
    if (entry.kind != VS_ENTRY_OPEN) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "is an entry of kind %s",
                      vs_entry_kind_name(entry.kind));
        goto cleanup;
    }
    err = check_open(&round, fed, &entry, diag);
    if (err != VS_OK) goto cleanup;
    vs_sha256(&round.params_hash, dsse.payload.p, dsse.payload.len);
    *out = round;

cleanup:
    if (err != VS_OK) vs_diag_prefix(diag, "open");
    vs_dsse_free(&dsse);
    return err;
}

int vs_round_position(const vs_round *round, uint32_t j)
{
    VS_ASSERT(round != NULL);
    for (uint32_t i = 0; i < round->open.n_shareholders; i++) {
        if (round->open.shareholders[i].index == j) return (int)i;
    }
    return -1;
}
