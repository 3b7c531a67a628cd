/* cli/pipeline.h - options from the update to the grid: clipping, rotation, metrics, noise. One
 * list for every command that writes a federation file. */
#ifndef VS_CLI_PIPELINE_H
#define VS_CLI_PIPELINE_H

#include "cli/args.h"
#include "fl/partition.h"
#include "net/federation.h"

/* Fill quantiser (max_weight and rounding apart), rotation, metrics, adaptive clipping, privacy.
 * max_clients, min_clients are set. sampled: --clients-per-round also says how many take part, so
 * it may stand without a mechanism. Returns VS_EXIT_OK, or VS_EXIT_USAGE after a message. */
int vs_pipeline_fill(const vs_args *args, vs_federation *fed, bool sampled);

/* Thresholds for n shareholders: those of the robust profile, with 3 of the private one. */
vs_committee vs_pipeline_committee(uint32_t n);

/* The same of another federation, whose clients hold parts 0..n_clients-1 of one machine's data:
 * without a mechanism they weigh as many as their rows, and max_weight is the largest part's, so
 * that no bit is wasted. */
void vs_pipeline_use(vs_federation *to, const vs_federation *from, const vs_partition *parts,
                     uint32_t n_clients);

#define VS_PIPELINE_REAL(n, a, f, h)                                                               \
    {                                                                                              \
        .name = n, .arg = a, .kind = VS_OPT_REAL, .fallback = f, .help = h                         \
    }

/* Elements of a vs_opt table. */
#define VS_PIPELINE_OPTIONS                                                                        \
    {.name = "quantization-bits",                                                                  \
     .arg = "B",                                                                                   \
     .kind = VS_OPT_UINT,                                                                          \
     .max = 32,                                                                                    \
     .fallback = "16",                                                                             \
     .help = "Bits of a quantised coordinate."},                                                   \
        VS_PIPELINE_REAL("clip-norm", "C", "10",                                                   \
                         "L2 norm that an update is clipped to; 0: not clipped."),                 \
        VS_PIPELINE_REAL("clipping-range", "R", "1",                                               \
                         "Coordinates are clipped to -R..R after scaling by weight / max-weight. " \
                         "Not with --rotation hadamard."),                                         \
        {.name = "rotation",                                                                       \
         .arg = "none|hadamard",                                                                   \
         .kind = VS_OPT_CHOICE,                                                                    \
         .fallback = "none",                                                                       \
         .help = "hadamard spreads an update evenly over its coordinates before rounding; the "    \
                 "clipping range is then k-stddevs * clip-norm / sqrt(coordinates)."},             \
        VS_PIPELINE_REAL("k-stddevs", "K", "4", "See --rotation."),                                \
        {.name = "metrics",                                                                        \
         .kind = VS_OPT_FLAG,                                                                      \
         .help = "Clients' loss, accuracy and whether they were within clip-norm are summed in "   \
                 "secret beside the update."},                                                     \
        VS_PIPELINE_REAL("target-unclipped-quantile", "Q", "0",                                    \
                         "Adapt clip-norm from round to round until this part of the clients is "  \
                         "within it; needs --metrics. 0: it stays."),                              \
        VS_PIPELINE_REAL("adaptive-clip-learning-rate", "X", "0.2", "How fast it adapts."),        \
        {.name = "mechanism",                                                                      \
         .arg = "none|discrete_gaussian|skellam",                                                  \
         .kind = VS_OPT_CHOICE,                                                                    \
         .fallback = "none",                                                                       \
         .help = "Noise that every client adds: distributed differential privacy. Every client "   \
                 "counts the same then. Plan it with: veilsum dp plan"},                           \
        VS_PIPELINE_REAL("noise-multiplier", "Z", NULL,                                            \
                         "Standard deviation of the summed noise over clip-norm."),                \
        VS_PIPELINE_REAL("delta", "D", NULL, "Of (epsilon, delta)-differential privacy."),         \
        VS_PIPELINE_REAL("max-epsilon", "E", NULL,                                                 \
                         "No round is opened that would spend more, all rounds together."),        \
        VS_PIPELINE_REAL("beta", "B", "0.6065306597126334",                                        \
                         "Rounding is repeated until the norm is what it is with probability 1 - " \
                         "beta; 0: once."),                                                        \
        {.name = "colluding-clients",                                                              \
         .arg = "N",                                                                               \
         .kind = VS_OPT_UINT,                                                                      \
         .max = 32768,                                                                             \
         .fallback = "0",                                                                          \
         .help = "Clients that may pool what they know: their noise does not count. Noise is for " \
                 "min-clients less these."},                                                       \
        VS_PIPELINE_REAL("metrics-noise-multiplier", "Z", NULL,                                    \
                         "The noise-multiplier of the metrics, under a mechanism.")

/* Where the number of clients in a round is not the command's to choose. */
#define VS_PIPELINE_DIVISOR                                                                        \
    {                                                                                              \
        .name = "clients-per-round", .arg = "N", .kind = VS_OPT_UINT, .max = 32768,                \
        .help = "Fixed divisor of the mean under a mechanism. Default: min-clients."               \
    }

#endif /* VS_CLI_PIPELINE_H */
