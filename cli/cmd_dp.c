/* veilsum dp plan: noise, bits and bandwidth of a promise. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/pipeline.h"
#include "net/dp_plan.h"

enum { SIZE_BYTES = 32 };

/* "1.23 MB" */
static const char *size_text(char out[SIZE_BYTES], double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    int u = 0;
    for (; bytes >= 1000 && u < 4; u++) bytes /= 1000;
    (void)snprintf(out, SIZE_BYTES, "%.3g %s", bytes, units[u]);
    return out;
}

static int fill_goal(const vs_args *args, vs_federation *fed, vs_dp_goal *goal)
{
    const uint32_t clients = (uint32_t)vs_args_uint(args, "clients");
    *goal = (vs_dp_goal){.fed = fed,
                         .rounds = (uint32_t)vs_args_uint(args, "rounds"),
                         .dim = (uint32_t)vs_args_uint(args, "dim")};
    fed->committee = vs_pipeline_committee((uint32_t)vs_args_uint(args, "shareholders"));
    fed->min_clients = clients;
    fed->max_clients =
        vs_args_given(args, "max-clients") ? (uint32_t)vs_args_uint(args, "max-clients") : clients;
    fed->rotation = strcmp(vs_args_text(args, "rotation"), "hadamard") == 0;
    fed->k_stddevs = vs_args_real(args, "k-stddevs");
    fed->metrics = vs_args_flag(args, "metrics");
    fed->quantiser.clip_norm = vs_args_real(args, "clip-norm");
    fed->quantiser.clipping_range = vs_args_real(args, "clipping-range");
    fed->quantiser.bits = (uint32_t)vs_args_uint(args, "quantization-bits");
    fed->privacy.delta = vs_args_real(args, "delta");
    fed->privacy.max_epsilon = vs_args_real(args, "epsilon");
    fed->privacy.beta = vs_args_real(args, "beta");
    fed->privacy.colluding_clients = (uint32_t)vs_args_uint(args, "colluding-clients");
    VS_ASSERT(vs_mechanism_parse(&fed->privacy.mechanism, vs_args_text(args, "mechanism")) ==
              VS_OK);
    if (fed->max_clients < clients) {
        return vs_args_usage(args, "--max-clients: %u is below --clients %u", fed->max_clients,
                             clients);
    }
    if (!fed->rotation && !vs_args_given(args, "clipping-range")) {
        return vs_args_usage(args, "--clipping-range is needed with --rotation none");
    }
    if (fed->rotation && vs_args_given(args, "clipping-range")) {
        return vs_args_usage(args, "--clipping-range: not together with --rotation hadamard");
    }
    return VS_EXIT_OK;
}

/* Noise of one value of the mean when just the promised clients take part. */
static double noise_of_mean(const vs_dp_plan *p)
{
    return sqrt((double)p->fed.min_clients) * p->round.stddev / p->fed.privacy.clients_per_round;
}

static void row(vs_table *t, const char *name, const char *fmt, ...) VS_PRINTF(3, 4);
static void row(vs_table *t, const char *name, const char *fmt, ...)
{
    char text[256];
    va_list list;
    va_start(list, fmt);
    (void)vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    vs_table_cell(t, "%s", name);
    vs_table_cell(t, "%s", text);
}

static void privacy_rows(vs_table *t, const vs_dp_plan *p, const vs_dp_goal *goal)
{
    const vs_privacy *v = &p->fed.privacy;
    row(t, "promise", "epsilon %.4f of %g, delta %g over %u rounds (order %u)", p->epsilon,
        v->max_epsilon, v->delta, goal->rounds, p->order);
    row(t, "holds with", "%u honest clients in each set (%u clients, %u may collude)",
        p->round.n_noising, p->fed.min_clients, v->colluding_clients);
    row(t, "mechanism", "%s", vs_mechanism_name(v->mechanism));
    row(t, "noise_multiplier", "%.6g (%.6g without rounding)", v->noise_multiplier,
        p->ideal_multiplier);
    row(t, "noise of a client", "%.4g in each value, %.4g grid steps", p->round.stddev,
        sqrt((double)p->round.variance));
    row(t, "noise of the mean", "%.4g in each value, norm %.4g (clip_norm / clients is %.4g)",
        noise_of_mean(p), noise_of_mean(p) * sqrt((double)goal->dim),
        p->fed.quantiser.clip_norm / p->fed.min_clients);
    row(t, "clamped noise", "adds %.2g to delta", p->extra_delta);
}

static void cost_rows(vs_table *t, const vs_dp_plan *p, const vs_dp_goal *goal)
{
    char each[SIZE_BYTES], plain[SIZE_BYTES], raw[SIZE_BYTES], all[SIZE_BYTES];
    row(t, "clip_norm", "%g (lengths are proportional to it: near the median norm is usual)",
        p->fed.quantiser.clip_norm);
    row(t, "clipping_range", "%.4g%s", p->clipping_range,
        p->fed.rotation ? " (k_stddevs * clip_norm / sqrt(dim))" : "");
    row(t, "quantization_bits", "%u (%" PRIu64 " grid steps of %.4g from -range to range)",
        p->fed.quantiser.bits, p->round.signal_levels, p->round.grid);
    row(t, "slots", "%u bits each, %u in a field element", p->layout.slot_width, p->layout.slots);
    row(t, "upload", "%s a client and round to %u shareholders",
        size_text(each, (double)p->upload_bytes), p->fed.committee.n);
    row(t, "beside", "%s without noise at 16 bits, %s as float32 in clear",
        size_text(plain, (double)p->plain_bytes), size_text(raw, 4.0 * goal->dim));
    row(t, "all together", "%s for %u clients and %u rounds",
        size_text(all, (double)p->upload_bytes * p->fed.min_clients * goal->rounds),
        p->fed.min_clients, goal->rounds);
}

static int print_text(const vs_dp_plan *p, const vs_dp_goal *goal)
{
    vs_table t = {.columns = 2};
    const vs_privacy *v = &p->fed.privacy;
    privacy_rows(&t, p, goal);
    cost_rows(&t, p, goal);
    int status = vs_table_print(&t, stdout);
    vs_table_free(&t);
    (void)printf("\nveilsum federation new ... \\\n"
                 "    --min-clients %u --max-clients %u --clip-norm %g \\\n",
                 p->fed.min_clients, p->fed.max_clients, p->fed.quantiser.clip_norm);
    if (p->fed.rotation) {
        (void)printf("    --rotation hadamard --k-stddevs %g", p->fed.k_stddevs);
    } else {
        (void)printf("    --clipping-range %g", p->clipping_range);
    }
    (void)printf(" --quantization-bits %u \\\n    --mechanism %s --noise-multiplier %.6g \\\n",
                 p->fed.quantiser.bits, vs_mechanism_name(v->mechanism), v->noise_multiplier);
    (void)printf("    --delta %g --max-epsilon %g --beta %.16g --colluding-clients %u%s", v->delta,
                 v->max_epsilon, v->beta, v->colluding_clients, p->fed.metrics ? " \\\n" : "\n");
    if (p->fed.metrics) {
        (void)printf("    --metrics --metrics-noise-multiplier %.6g\n",
                     v->metrics_noise_multiplier);
    }
    return status;
}

static int print_json(const vs_dp_plan *p, const vs_dp_goal *goal)
{
    const vs_privacy *v = &p->fed.privacy;
    json_t *all = json_pack("{s:f, s:f, s:I, s:I, s:f, s:s, s:f, s:f}", "epsilon", p->epsilon,
                            "delta", v->delta, "rounds", (json_int_t)goal->rounds, "honest_clients",
                            (json_int_t)p->round.n_noising, "extra_delta", p->extra_delta,
                            "mechanism", vs_mechanism_name(v->mechanism), "noise_multiplier",
                            v->noise_multiplier, "ideal_noise_multiplier", p->ideal_multiplier);
    json_t *more = json_pack(
        "{s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:f, s:f}", "noise_of_client", p->round.stddev,
        "noise_of_mean", noise_of_mean(p), "clip_norm", p->fed.quantiser.clip_norm,
        "clipping_range", p->clipping_range, "grid", p->round.grid, "signal_levels",
        (json_int_t)p->round.signal_levels, "noise_variance", (json_int_t)p->round.variance,
        "quantization_bits", (json_int_t)p->fed.quantiser.bits, "beta", v->beta,
        "metrics_noise_multiplier", v->metrics_noise_multiplier);
    json_t *cost =
        json_pack("{s:I, s:I, s:I, s:I}", "slot_width", (json_int_t)p->layout.slot_width, "slots",
                  (json_int_t)p->layout.slots, "upload_bytes", (json_int_t)p->upload_bytes,
                  "plain_upload_bytes", (json_int_t)p->plain_bytes);
    if (json_object_update(all, more) != 0 || json_object_update(all, cost) != 0) {
        json_decref(all);
        all = NULL;
    }
    json_decref(more);
    json_decref(cost);
    return vs_out_json(all);
}

static int run_plan(const vs_args *args)
{
    vs_dp_goal goal;
    vs_diag diag;
    vs_federation *fed = calloc(1, sizeof *fed);
    vs_dp_plan *plan = calloc(1, sizeof *plan);
    int status = VS_EXIT_OK;
    if (fed == NULL || plan == NULL) {
        status = vs_out_error("out of memory");
        goto cleanup;
    }
    status = fill_goal(args, fed, &goal);
    if (status == VS_EXIT_OK && vs_dp_plan_make(plan, &goal, &diag) != VS_OK) {
        status = vs_out_fail(&diag);
    } else if (status == VS_EXIT_OK) {
        status = vs_args_flag(args, "json") ? print_json(plan, &goal) : print_text(plan, &goal);
    }

cleanup:
    free(plan);
    free(fed);
    return status;
}

#define REAL(n, a, f, h)                                                                           \
    {                                                                                              \
        .name = n, .arg = a, .kind = VS_OPT_REAL, .fallback = f, .help = h                         \
    }
#define UINT(n, a, lo, hi, f, h)                                                                   \
    {                                                                                              \
        .name = n, .arg = a, .kind = VS_OPT_UINT, .min = lo, .max = hi, .fallback = f, .help = h   \
    }

static const vs_opt options[] = {
    {.name = "epsilon",
     .arg = "E",
     .kind = VS_OPT_REAL,
     .required = true,
     .help = "Promise to keep over all rounds together."},
    {.name = "delta", .arg = "D", .kind = VS_OPT_REAL, .required = true, .help = "Its delta."},
    {.name = "clients",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .required = true,
     .min = 2,
     .max = VS_CLIENTS_MAX,
     .help = "Clients that surely are in every set: min-clients."},
    {.name = "rounds",
     .arg = "T",
     .kind = VS_OPT_UINT,
     .required = true,
     .min = 1,
     .max = 1000000,
     .help = "Rounds in all. Each one in which a sum may come out counts."},
    UINT("max-clients", "N", 2, VS_CLIENTS_MAX, NULL,
         "Most clients of a round. Default: --clients."),
    UINT("colluding-clients", "N", 0, VS_CLIENTS_MAX, "0",
         "Clients that may pool what they know: their noise does not count."),
    UINT("dim", "L", 1, VS_COLUMNS_MAX, "159010", "Values of an update."),
    {.name = "mechanism",
     .arg = "discrete_gaussian|skellam",
     .kind = VS_OPT_CHOICE,
     .fallback = "discrete_gaussian",
     .help = "Noise that every client adds."},
    REAL("clip-norm", "C", "1", "L2 norm that an update is clipped to."),
    {.name = "rotation",
     .arg = "none|hadamard",
     .kind = VS_OPT_CHOICE,
     .fallback = "hadamard",
     .help = "Whether updates are rotated before rounding."},
    REAL("k-stddevs", "K", "4", "Range of a rotated coordinate: K * clip-norm / sqrt(dim)."),
    REAL("clipping-range", "R", NULL, "Range of a coordinate, without rotation."),
    UINT(
        "quantization-bits", "B", 0, 32, "0",
        "Bits of a coordinate, noise included. 0: the fewest with which rounding costs at most 2 % "
        "more noise."),
    REAL("beta", "B", "0.6065306597126334", "See veilsum federation new."),
    {.name = "metrics",
     .kind = VS_OPT_FLAG,
     .help = "Loss, accuracy and clipping are summed too, with the same noise-multiplier."},
    UINT("shareholders", "N", 3, 128, "5", "Shareholders, for the cost in bandwidth."),
    VS_OPT_JSON,
    {0}};

const vs_command vs_cmd_dp_plan = {
    .name = "dp plan",
    .summary = "noise, bits and bandwidth of a privacy promise",
    .description =
        "Finds the least noise that keeps (epsilon, delta)-differential privacy of a client's "
        "whole contribution over all rounds, and prints what it does to the mean and to the "
        "upload. Every candidate is judged by the very accountant that opens and audits rounds.\n\n"
        "Neighbours differ in one client's updates, replaced by zeros. Nothing is gained from "
        "sampling clients: who takes part is public.",
    .options = options,
    .examples = "veilsum dp plan --epsilon 4 --delta 1e-6 --clients 1000 --rounds 100\n"
                "veilsum dp plan --epsilon 8 --delta 1e-6 --clients 200 --rounds 50 \\\n"
                "    --mechanism skellam --dim 7850 --clip-norm 0.5 --json",
    .run = run_plan};
