#include "net/round.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "fl/rotate.h"
#include "ledger/dsse.h"
#include "net/keys.h"
#include "net/submission.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* gcc: off in ISO mode */
#endif

/* --- numbers of a round --------------------------------------------------------------------------
 */

uint64_t vs_round_coordinates(const vs_federation *fed, uint32_t dim)
{
    return (uint64_t)dim + vs_federation_n_metrics(fed) +
           vs_weight_digits(fed->quantiser.max_weight, fed->quantiser.bits);
}

/* The quantiser of a round, and its noise. Correctly rounded operations only: equal everywhere. */
vs_err vs_round_derive(vs_quantiser *q, vs_privacy_round *p, const vs_federation *fed, uint32_t dim,
                       double clip_norm, vs_diag *diag)
{
    *q = fed->quantiser;
    q->clip_norm = clip_norm;
    if (fed->rotation) q->clipping_range = fed->k_stddevs * clip_norm / sqrt((double)dim);
    vs_err err = vs_quantiser_check(q, diag);
    if (err == VS_OK) {
        err = vs_privacy_round_make(p, &fed->privacy, q, fed->min_clients, fed->max_clients, dim,
                                    vs_federation_n_metrics(fed), diag);
    }
    if (err == VS_OK && p->variance != 0) q->signal_levels = p->signal_levels;
    return err;
}

vs_err vs_round_fill_open(vs_entry_open *o, const vs_federation *fed, vs_diag *diag)
{
    vs_quantiser q;
    vs_privacy_round p;
    VS_ASSERT(o != NULL && fed != NULL && o->dim >= 1);
    if (fed->num_params != 0 && o->dim != fed->num_params) {
        return vs_fail(diag, VS_ERR_LIMIT, "dim is %u, the federation's num_params is %u", o->dim,
                       fed->num_params);
    }
    vs_err err = vs_round_derive(&q, &p, fed, o->dim, o->clip_norm, diag);
    if (err != VS_OK) return err;
    o->weight_digits = vs_weight_digits(q.max_weight, q.bits);
    o->quantization_bits = q.bits;
    o->max_clients = fed->max_clients;
    o->min_clients = fed->min_clients;
    o->clipping_range = q.clipping_range;
    o->max_weight = q.max_weight;
    o->stochastic_rounding = q.stochastic_rounding;
    o->rotation = fed->rotation;
    o->metrics = vs_federation_n_metrics(fed);
    o->signal_levels = q.signal_levels;
    o->noise_variance = p.variance;
    return VS_OK;
}

/* --- checking `open` -----------------------------------------------------------------------------
 */

static vs_err check_clip(const vs_federation *fed, double clip_norm, vs_diag *diag)
{
    const double ours = fed->quantiser.clip_norm;
    if (fed->target_unclipped_quantile == 0 && clip_norm != ours) {
        return vs_fail(diag, VS_ERR_PROOF, "clip_norm is %g, the federation says %g", clip_norm,
                       ours);
    }
    if (!(clip_norm >= ours / VS_CLIP_SPAN && clip_norm <= ours * VS_CLIP_SPAN)) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "clip_norm is %g: adaptive clipping stays within a factor of %g of the "
                       "federation's %g",
                       clip_norm, VS_CLIP_SPAN, ours);
    }
    return VS_OK;
}

/* The members that follow from the federation, dim and clip_norm, and nothing else. */
static vs_err check_pipeline(const vs_entry_open *open, const vs_entry_open *want, vs_diag *diag)
{
    if (open->rotation != want->rotation) {
        return vs_fail(diag, VS_ERR_PROOF, "rotation is %s, the federation says %s",
                       open->rotation ? "true" : "false", want->rotation ? "true" : "false");
    }
    if (open->metrics != want->metrics) {
        return vs_fail(diag, VS_ERR_PROOF, "metrics is %u, the federation says %u", open->metrics,
                       want->metrics);
    }
    if (open->signal_levels != want->signal_levels) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "signal_levels is %" PRIu64 ", the federation's noise gives %" PRIu64,
                       open->signal_levels, want->signal_levels);
    }
    if (open->noise_variance != want->noise_variance) {
        return vs_fail(diag, VS_ERR_PROOF,
                       "noise_variance is %" PRIu64 ", the federation's noise gives %" PRIu64,
                       open->noise_variance, want->noise_variance);
    }
    return VS_OK;
}

/* What everybody sees without the log; net/budget.h has the rest. */
static vs_err check_epsilon(const vs_federation *fed, const vs_round *round, vs_diag *diag)
{
    const vs_privacy *p = &fed->privacy;
    const double claim = round->open.epsilon;
    vs_rdp curve = {{0}};
    if (p->mechanism == VS_MECHANISM_NONE) {
        if (claim == 0) return VS_OK;
        return vs_fail(diag, VS_ERR_PROOF, "epsilon is %g, the federation has no mechanism", claim);
    }
    vs_privacy_add(&curve, &round->privacy);
    const double alone = vs_rdp_epsilon(&curve, p->delta, NULL);
    if (!(claim >= alone * (1 - 1e-9))) {
        return vs_fail(diag, VS_ERR_PROOF, "epsilon is %g, this round alone spends %g", claim,
                       alone);
    }
    if (claim > p->max_epsilon) {
        return vs_fail(diag, VS_ERR_PROOF, "epsilon is %g, above the federation's max_epsilon %g",
                       claim, p->max_epsilon);
    }
    return VS_OK;
}

/* The aggregator chooses dim, model and times; everything else is the federation's word. */
static vs_err check_quantiser(const vs_federation *fed, const vs_entry_open *open, vs_diag *diag)
{
    const vs_quantiser *q = &fed->quantiser;
    if (open->quantization_bits != q->bits) {
        return vs_fail(diag, VS_ERR_PROOF, "quantization_bits is %u, the federation says %u",
                       open->quantization_bits, q->bits);
    }
    vs_entry_open want = {.dim = open->dim, .clip_norm = open->clip_norm};
    vs_err err = check_clip(fed, open->clip_norm, diag);
    if (err == VS_OK) err = vs_round_fill_open(&want, fed, diag);
    if (err != VS_OK) return VS_ERR_PROOF;
    if (open->clipping_range != want.clipping_range) {
        return vs_fail(diag, VS_ERR_PROOF, "clipping_range is %g, the federation says %g",
                       open->clipping_range, want.clipping_range);
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
    return check_pipeline(open, &want, diag);
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
    round->divisor =
        fed->privacy.mechanism == VS_MECHANISM_NONE ? 0 : fed->privacy.clients_per_round;

    vs_err err = check_clients(fed, open, diag);
    if (err == VS_OK) err = check_quantiser(fed, open, diag);
    if (err == VS_OK) {
        err = vs_round_derive(&round->quantiser, &round->privacy, fed, open->dim, open->clip_norm,
                              diag);
    }
    if (err == VS_OK) err = check_epsilon(fed, round, diag);
    if (err == VS_OK) err = check_times(fed, open, diag);
    if (err == VS_OK) {
        err = vs_layout_make(&round->layout, open->quantization_bits, open->max_clients,
                             fed->committee.k, vs_round_coordinates(fed, open->dim), diag);
        if (err != VS_OK) err = VS_ERR_MALFORMED; /* keeps the message */
    }
    if (err == VS_OK) err = check_round_keys(fed, &round->id, open, diag);
    return err;
}

/* Public, and not known before the round is open. */
static void make_rotation_seed(vs_round *round)
{
    vs_hash h;
    vs_hash_start(&h, "veilsum/v1 rotation");
    vs_hash_h32(&h, &round->id.federation_id);
    vs_hash_u64(&h, round->id.round);
    vs_hash_h32(&h, &round->params_hash);
    vs_hash_final(&h, &round->rotation_seed);
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
    make_rotation_seed(&round);
    *out = round;

cleanup:
    if (err != VS_OK) vs_diag_prefix(diag, "open");
    vs_dsse_free(&dsse);
    return err;
}

void vs_round_decode(double *mean, const vs_round *round, const uint64_t *sums, uint32_t n_clients,
                     uint64_t weight_sum)
{
    const uint32_t dim = round->open.dim;
    const uint64_t divisor = round->divisor != 0 ? round->divisor : weight_sum;
    vs_dequantise(mean, &round->quantiser, sums, dim, n_clients, divisor);
    if (round->open.rotation) vs_rotate_inverse_all(mean, round->rotation_seed.b, dim);
}

void vs_round_decode_block(double *mean, const vs_round *round, const uint64_t *sums,
                           uint64_t first, uint32_t n, uint32_t n_clients, uint64_t weight_sum)
{
    const uint64_t divisor = round->divisor != 0 ? round->divisor : weight_sum;
    vs_dequantise(mean, &round->quantiser, sums, n, n_clients, divisor);
    if (round->open.rotation) vs_rotate_inverse(mean, round->rotation_seed.b, first, n);
}

void vs_round_metrics(vs_metrics *mean, const vs_round *round, const uint64_t *metric_sums,
                      uint32_t n_clients, uint64_t weight_sum)
{
    VS_ASSERT(round->open.metrics == VS_METRICS_N);
    vs_metrics_decode(mean, metric_sums, &round->quantiser, &round->privacy, n_clients, weight_sum);
}

int vs_round_position(const vs_round *round, uint32_t j)
{
    VS_ASSERT(round != NULL);
    for (uint32_t i = 0; i < round->open.n_shareholders; i++) {
        if (round->open.shareholders[i].index == j) return (int)i;
    }
    return -1;
}
