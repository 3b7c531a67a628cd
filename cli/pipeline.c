#include "cli/pipeline.h"

#include <string.h>

static int fill_privacy(const vs_args *args, vs_federation *fed, bool sampled)
{
    vs_privacy *p = &fed->privacy;
    VS_ASSERT(vs_mechanism_parse(&p->mechanism, vs_args_text(args, "mechanism")) == VS_OK);
    p->noise_multiplier = vs_args_real(args, "noise-multiplier");
    p->delta = vs_args_real(args, "delta");
    p->max_epsilon = vs_args_real(args, "max-epsilon");
    p->beta = vs_args_real(args, "beta");
    p->colluding_clients = (uint32_t)vs_args_uint(args, "colluding-clients");
    p->clients_per_round = (uint32_t)vs_args_uint(args, "clients-per-round");
    p->metrics_noise_multiplier = vs_args_real(args, "metrics-noise-multiplier");
    static const char *const names[] = {"noise-multiplier",
                                        "delta",
                                        "max-epsilon",
                                        "beta",
                                        "colluding-clients",
                                        "clients-per-round",
                                        "metrics-noise-multiplier"};
    for (size_t i = 0; i < 7 && p->mechanism == VS_MECHANISM_NONE; i++) {
        const bool free = sampled && strcmp(names[i], "clients-per-round") == 0;
        if (free || !vs_args_given(args, names[i])) continue;
        return vs_args_usage(args, "--%s: only with --mechanism discrete_gaussian or skellam",
                             names[i]);
    }
    if (p->mechanism == VS_MECHANISM_NONE) {
        p->clients_per_round = 0;
        return VS_EXIT_OK;
    }
    const char *const *needed = names; /* the first three */
    for (size_t i = 0; i < 3; i++) {
        if (vs_args_given(args, needed[i])) continue;
        return vs_args_usage(args, "--%s is needed with --mechanism %s", needed[i],
                             vs_mechanism_name(p->mechanism));
    }
    if (p->clients_per_round == 0) p->clients_per_round = fed->min_clients;
    return VS_EXIT_OK;
}

int vs_pipeline_fill(const vs_args *args, vs_federation *fed, bool sampled)
{
    vs_quantiser *q = &fed->quantiser;
    q->clip_norm = vs_args_real(args, "clip-norm");
    q->clipping_range = vs_args_real(args, "clipping-range");
    q->bits = (uint32_t)vs_args_uint(args, "quantization-bits");
    fed->rotation = strcmp(vs_args_text(args, "rotation"), "hadamard") == 0;
    fed->k_stddevs = vs_args_real(args, "k-stddevs");
    fed->metrics = vs_args_flag(args, "metrics");
    fed->target_unclipped_quantile = vs_args_real(args, "target-unclipped-quantile");
    fed->adaptive_clip_learning_rate = vs_args_real(args, "adaptive-clip-learning-rate");
    if (fed->rotation && vs_args_given(args, "clipping-range")) {
        return vs_args_usage(args, "--clipping-range: not together with --rotation hadamard");
    }
    if (!fed->rotation && vs_args_given(args, "k-stddevs")) {
        return vs_args_usage(args, "--k-stddevs: only with --rotation hadamard");
    }
    return fill_privacy(args, fed, sampled);
}

vs_committee vs_pipeline_committee(uint32_t n)
{
    vs_committee c = {.n = n, .t = n / 5 > 0 ? n / 5 : 1};
    c.k = n > 3 * c.t ? n - 3 * c.t : 1;
    c.margin = c.t;
    return c;
}

void vs_pipeline_use(vs_federation *to, const vs_federation *from, const vs_partition *parts,
                     uint32_t n_clients)
{
    to->quantiser = from->quantiser;
    to->quantiser.stochastic_rounding = true;
    to->quantiser.max_weight = 1;
    to->rotation = from->rotation;
    to->k_stddevs = from->k_stddevs;
    to->metrics = from->metrics;
    to->target_unclipped_quantile = from->target_unclipped_quantile;
    to->adaptive_clip_learning_rate = from->adaptive_clip_learning_rate;
    to->privacy = from->privacy;
    if (to->privacy.mechanism != VS_MECHANISM_NONE) return;
    for (uint32_t i = 0; i < n_clients; i++) {
        size_t rows;
        (void)vs_partition_rows(parts, i, &rows);
        if (rows > to->quantiser.max_weight) to->quantiser.max_weight = rows;
    }
}
