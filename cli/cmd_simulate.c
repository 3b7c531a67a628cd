/* veilsum simulate: thousands of clients in one process, beside plain federated averaging. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/pipeline.h"
#include "cli/scratch.h"
#include "cli/simulate.h"
#include "fl/table.h"
#include "net/audit.h"

static int fill_training(const vs_args *args, vs_simulate_options *o)
{
    vs_diag diag;
    o->training = (vs_train_options){.local_epochs = (uint32_t)vs_args_uint(args, "local-epochs"),
                                     .batch_size = (uint32_t)vs_args_uint(args, "batch-size"),
                                     .learning_rate = vs_args_real(args, "learning-rate"),
                                     .momentum = vs_args_real(args, "momentum"),
                                     .proximal_mu = vs_args_real(args, "proximal-mu"),
                                     .shuffle = true};
    vs_server_rule rule;
    vs_err err = vs_server_rule_parse(&rule, vs_args_text(args, "server"), &diag);
    if (err == VS_OK) {
        o->server = vs_server_defaults(rule);
        if (vs_args_given(args, "server-learning-rate")) {
            o->server.learning_rate = vs_args_real(args, "server-learning-rate");
        }
        err = vs_server_check(&o->server, &diag);
    }
    if (err == VS_OK) err = vs_train_check(&o->training, &diag);
    return err == VS_OK ? VS_EXIT_OK : vs_args_usage(args, "%s", diag.text);
}

static int fill_committee(const vs_args *args, vs_simulate_options *o)
{
    vs_diag diag;
    const uint32_t n = (uint32_t)vs_args_uint(args, "num-shares");
    const uint32_t t = (uint32_t)vs_args_uint(args, "privacy-threshold");
    if (3 * t + 1 > n) {
        return vs_args_usage(args, "--privacy-threshold: %u needs at least %u shareholders", t,
                             3 * t + 1);
    }
    o->committee = (vs_committee){.n = n, .t = t, .k = n - 3 * t, .margin = t};
    o->pipeline->min_clients = (uint32_t)vs_args_uint(args, "min-clients");
    o->pipeline->quantiser = (vs_quantiser){.max_weight = 1, .stochastic_rounding = true};
    int status = vs_pipeline_fill(args, o->pipeline, true);
    if (status != VS_EXIT_OK) return status;
    if (o->pipeline->privacy.mechanism != VS_MECHANISM_NONE) {
        o->pipeline->privacy.clients_per_round = o->clients_per_round;
    }
    if (!o->pipeline->rotation && vs_quantiser_check(&o->pipeline->quantiser, &diag) != VS_OK) {
        return vs_args_usage(args, "%s", diag.text);
    }
    return VS_EXIT_OK;
}

static int fill_clients(const vs_args *args, vs_simulate_options *o)
{
    vs_diag diag;
    o->work = (vs_workload){.data = vs_args_text(args, "data"),
                            .n_clients = (uint32_t)vs_args_uint(args, "clients"),
                            .seed = vs_args_uint(args, "seed"),
                            .table = {.label = vs_args_text(args, "label")},
                            .schema = vs_args_text(args, "schema"),
                            .standardise = vs_args_flag(args, "standardise")};
    o->clients_per_round = (uint32_t)vs_args_uint(args, "clients-per-round");
    if (o->clients_per_round == 0) o->clients_per_round = o->work.n_clients;
    o->dropout = vs_args_real(args, "dropout");
    if (o->clients_per_round < 2 || o->clients_per_round > o->work.n_clients) {
        return vs_args_usage(args, "--clients-per-round: %u is not 2 to --clients %u",
                             o->clients_per_round, o->work.n_clients);
    }
    if (!(o->dropout >= 0.0 && o->dropout < 1.0)) {
        return vs_args_usage(args, "--dropout: %g is not at least 0 and below 1", o->dropout);
    }
    if (vs_partition_parse(&o->work.partition, vs_args_text(args, "partition"), &diag) != VS_OK) {
        return vs_args_usage(args, "--partition: %s", diag.text);
    }
    if (vs_impute_parse(&o->work.table.impute, vs_args_text(args, "impute"), &diag) != VS_OK) {
        return vs_args_usage(args, "--impute: %s", diag.text);
    }
    return VS_EXIT_OK;
}

static int fill_attackers(const vs_args *args, vs_simulate_options *o)
{
    vs_attackers *a = &o->attackers;
    vs_diag diag;
    a->n = (uint32_t)vs_args_uint(args, "attackers");
    a->skip_clipping = vs_args_flag(args, "attackers-skip-clipping");
    if (vs_attack_parse(a, vs_args_text(args, "attack"), &diag) != VS_OK) {
        return vs_args_usage(args, "--attack: %s", diag.text);
    }
    if ((a->n > 0 || a->skip_clipping) != (a->kind != VS_ATTACK_NONE) ||
        (a->n == 0 && a->skip_clipping)) {
        return vs_args_usage(args, "--attack and --attackers: give both of them");
    }
    if (a->n > o->work.n_clients) {
        return vs_args_usage(args, "--attackers: %u is above --clients %u", a->n,
                             o->work.n_clients);
    }
    if (a->skip_clipping && o->pipeline->privacy.mechanism != VS_MECHANISM_NONE) {
        return vs_args_usage(args, "--attackers-skip-clipping: not together with --mechanism");
    }
    return VS_EXIT_OK;
}

static int fill_options(const vs_args *args, vs_simulate_options *o)
{
    o->rounds = (uint32_t)vs_args_uint(args, "rounds");
    o->model = vs_args_text(args, "model");
    o->hidden = vs_args_text(args, "hidden");
    o->plain = !vs_args_flag(args, "no-plain");
    o->json = vs_args_text(args, "json");
    o->csv = vs_args_text(args, "csv");
    o->picture = vs_args_text(args, "picture");
    o->keep = vs_args_text(args, "keep");
    o->threads = (uint32_t)vs_args_uint(args, "threads");
    if (o->threads == 0) {
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        o->threads = cpus < 1                               ? 1
                     : cpus > (long)VS_SIMULATE_THREADS_MAX ? VS_SIMULATE_THREADS_MAX
                                                            : (uint32_t)cpus;
    }
    if (o->model != NULL && o->hidden != NULL) {
        return vs_args_usage(args, "--model and --hidden: give one of them");
    }
    int status = fill_clients(args, o);
    if (status == VS_EXIT_OK) status = fill_training(args, o);
    if (status == VS_EXIT_OK) status = fill_committee(args, o);
    if (status == VS_EXIT_OK) status = fill_attackers(args, o);
    return status;
}

/* The spec that was given, or one that fits the data. */
static vs_err choose_model(vs_simulate *s, vs_diag *diag)
{
    char spec[VS_MODEL_SPEC_BYTES];
    if (s->o.model != NULL) {
        vs_err err = vs_model_parse(&s->model, s->o.model, diag);
        return err == VS_OK ? vs_model_fits(&s->model, &s->train, diag) : err;
    }
    int len = snprintf(spec, sizeof spec, "%u%s%s-%u", s->train.n_features,
                       s->o.hidden != NULL ? "-" : "", s->o.hidden != NULL ? s->o.hidden : "",
                       s->train.n_classes < 2 ? 2 : s->train.n_classes);
    if (len <= 0 || len >= (int)sizeof spec) {
        return vs_fail(diag, VS_ERR_LIMIT, "--hidden: too many layers");
    }
    for (char *p = spec; *p != '\0'; p++) *p = *p == ',' ? '-' : *p;
    return vs_model_parse(&s->model, spec, diag);
}

static vs_err prepare(vs_simulate *s, vs_diag *diag)
{
    vs_err err = vs_scratch_make(s->folder, sizeof s->folder, "simulation", s->o.keep, diag);
    if (err == VS_OK) {
        err = vs_workload_all(&s->train, &s->test, &s->parts, &s->o.work, diag);
    }
    if (err == VS_OK) err = choose_model(s, diag);
    if (err != VS_OK) return err;
    if (s->o.attackers.kind != VS_ATTACK_NONE) {
        s->flipped = vs_attack_labels(&s->train);
        if (s->flipped == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    s->n_params = vs_model_n_params(&s->model);
    s->row = calloc(s->o.rounds, sizeof *s->row);
    return s->row != NULL ? VS_OK : vs_fail(diag, VS_ERR_NOMEM, "out of memory");
}

static void print_problem(void *ctx, const char *text)
{
    (void)ctx;
    (void)fprintf(stderr, "veilsum: audit: %s\n", text);
}

/* With the federation as it was made, not as the log tells it. */
static vs_err audit(vs_simulate *s, vs_diag *diag)
{
    char path[VS_SIMULATE_PATH_BYTES + 16];
    vs_federation *fed = NULL;
    vs_audit_report report;
    const vs_buf *file = &vs_local_federation(s->local)->file;
    vs_err err = vs_federation_parse(&fed, file->p, file->len, "simulation", diag);
    vs_local_free(s->local); /* it has the log open */
    s->local = NULL;
    (void)snprintf(path, sizeof path, "%s/" VS_LOCAL_LEDGER, s->folder);
    if (err == VS_OK) err = vs_audit_dir(&report, path, fed, NULL, print_problem, NULL, diag);
    if (err == VS_OK) {
        s->ledger_entries = report.size;
        s->audit_ok = report.ok;
    }
    vs_federation_free(fed);
    return err;
}

static int run_all(vs_simulate *s)
{
    vs_diag diag;
    vs_err err = prepare(s, &diag);
    if (err == VS_OK) {
        vs_simulate_print_intro(s);
        err = vs_simulate_run(s, &diag);
    }
    if (err == VS_OK) err = audit(s, &diag);
    if (err == VS_OK) {
        vs_simulate_print_end(s);
        err = vs_simulate_write(s, &diag);
    }
    if (err != VS_OK) return vs_out_fail(&diag);
    return s->audit_ok ? VS_EXIT_OK : vs_out_error("the audit of the ledger failed");
}

static int run_simulate(const vs_args *args)
{
    vs_diag diag;
    vs_simulate *s = calloc(1, sizeof *s);
    vs_federation *pipeline = calloc(1, sizeof *pipeline);
    if (s == NULL || pipeline == NULL) {
        free(s);
        free(pipeline);
        return vs_out_error("out of memory");
    }
    s->o.pipeline = pipeline;
    int status = fill_options(args, &s->o);
    if (status != VS_EXIT_OK) {
        free(s);
        free(pipeline);
        return status;
    }
    if (vs_stop_init(&s->stop, &diag) == VS_OK) {
        status = run_all(s);
    } else {
        status = vs_out_fail(&diag);
    }
    vs_local_free(s->local);
    if (s->o.keep == NULL) vs_scratch_remove(s->folder);
    vs_stop_clear(&s->stop);
    vs_dataset_free(&s->train);
    vs_dataset_free(&s->test);
    vs_partition_free(&s->parts);
    free(s->flipped);
    free(s->row);
    free(pipeline);
    free(s);
    return status;
}

#define UINT(n, a, lo, hi, f, h)                                                                   \
    {                                                                                              \
        .name = n, .arg = a, .kind = VS_OPT_UINT, .min = lo, .max = hi, .fallback = f, .help = h   \
    }
#define REAL(n, f, h)                                                                              \
    {                                                                                              \
        .name = n, .arg = "X", .kind = VS_OPT_REAL, .fallback = f, .help = h                       \
    }
#define TEXT(n, a, f, h)                                                                           \
    {                                                                                              \
        .name = n, .arg = a, .kind = VS_OPT_TEXT, .fallback = f, .help = h                         \
    }

static const vs_opt options[] = {
    TEXT("data", "DIR|digits", "digits",
         "Folder with train-images-idx3-ubyte and its three companions (plain or .gz), with "
         "train.csv and test.csv, or with train-x.npy, train-y.npy, test-x.npy, test-y.npy; or "
         "digits (20000 generated images of digits), or digits:ROWS."),
    TEXT("label", "COLUMN", NULL, "Column of the label in CSV files. Default: the last."),
    TEXT(
        "schema", "FILE", NULL,
        "What the columns of CSV files mean: numbers, categories, the label (veilsum table show)."),
    TEXT("impute", "HOW", "none",
         "Missing values in CSV files: none (an error), zero, or mean (the schema's centre, or of "
         "the column)."),
    {.name = "standardise",
     .kind = VS_OPT_FLAG,
     .help = "Bring the numbers of tables to mean 0 and deviation 1 over all clients' rows. A real "
             "federation does it with a round of sums: veilsum table sums."},
    UINT("clients", "K", 2, VS_SIMULATE_CLIENTS_MAX, "10", "In how many parts the data are cut."),
    UINT("min-clients", "N", 2, VS_SIMULATE_CLIENTS_MAX, "2",
         "A round with fewer is aborted; under a mechanism the noise is for so many."),
    REAL("dropout", "0", "Chance that a sampled client is lost before it submits."),
    TEXT("partition", "KIND", "iid",
         "How the data are cut: iid, shards (two shards of rows sorted by label for each client), "
         "strided, or dirichlet:ALPHA."),
    TEXT("model", "SPEC", NULL,
         "Layers joined by '-': 784-200-10, 30-1 (logistic regression), or "
         "28x28-c8k5-p2-c16k5-p2-10 (filters of 5 x 5, pools of 2 x 2). Default: softmax "
         "regression, or --hidden."),
    TEXT("hidden", "W[,W]", NULL, "Hidden layers between the features and classes of the data."),
    TEXT("attack", "none|label-flip|scale:X", "none",
         "What attackers do: train with the labels turned round (0 for the last class, and so on), "
         "or that and send X times the update. The plain model meets them too."),
    UINT("attackers", "N", 0, VS_SIMULATE_CLIENTS_MAX, "0",
         "Clients 1 to N attack, whenever they are sampled."),
    {.name = "attackers-skip-clipping",
     .kind = VS_OPT_FLAG,
     .help = "They do not clip to clip-norm either, which nobody can see (docs/POISONING.md)."},
    UINT("rounds", "R", 1, VS_SIMULATE_ROUNDS_MAX, "10", "Rounds of training."),
    UINT("local-epochs", "E", 1, VS_TRAIN_EPOCHS_MAX, "1",
         "Passes over a client's rows in a round."),
    UINT("batch-size", "B", 1, VS_TRAIN_BATCH_MAX, "50", "Rows of one step."),
    REAL("learning-rate", "0.1", "Of the clients' SGD."),
    REAL("momentum", "0", "Of the clients' SGD, 0 to below 1."),
    REAL("proximal-mu", "0", "FedProx: pull towards the round's model."),
    TEXT("server", "RULE", "fedavg", "fedavg, fedavgm, fedadam or fedyogi."),
    {.name = "server-learning-rate",
     .arg = "X",
     .kind = VS_OPT_REAL,
     .help = "Default: 1, or 0.01 for fedadam and fedyogi."},
    UINT("num-shares", "N", 4, VS_SHAREHOLDERS_MAX, "5", "Shareholders."),
    UINT("privacy-threshold", "T", 1, VS_SHAREHOLDERS_MAX / 3, "1",
         "Shareholders that together learn nothing; packing is N - 3 T."),
    VS_PIPELINE_OPTIONS,
    {.name = "clients-per-round",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .max = 32768,
     .help = "Clients sampled for each round; under a mechanism the mean's divisor, too. Default: "
             "all."},
    UINT("seed", "S", 0, 0, "1", "Of everything: the same seed gives the same run."),
    UINT("threads", "T", 0, VS_SIMULATE_THREADS_MAX, "0",
         "For training; 0: one per processor. Results do not depend on it."),
    {.name = "no-plain", .kind = VS_OPT_FLAG, .help = "Do not train without protection beside it."},
    TEXT("json", "FILE", NULL, "Write the rounds as JSON. Accuracies are fractions, 0 to 1."),
    TEXT("csv", "FILE", NULL, "Write the rounds as CSV."),
    TEXT("picture", "FILE", NULL,
         "Accuracy, clipping, bytes, seconds by phase, and epsilon under a mechanism, over the "
         "rounds; "
         ".svg or .png."),
    TEXT("keep", "DIR", NULL, "Work in this folder and leave the ledger there."),
    {0}};

const vs_command vs_cmd_simulate = {
    .name = "simulate",
    .summary = "thousands of clients in one process",
    .description =
        "Plays private rounds of federated training with the same code that daemons and clients "
        "run, in one process and on a clock of its own: each client trains on its part of the "
        "data, shares its update out to the shareholders, and only the sum is put together. Beside "
        "it the same clients train a model by plain federated averaging; each line shows both.\n\n"
        "Everything follows from --seed: keys, shares and rounding too, so that a run can be "
        "repeated. Nothing here protects anybody; use train and submit for that.\n\n"
        "Seconds are wall clock: of the private round all of training, sharing and the "
        "aggregator's and shareholders' work; of the plain one training and averaging. At the end "
        "the ledger is "
        "audited. Status 0: all rounds had a result and the audit passed.",
    .options = options,
    .examples = "veilsum simulate\n"
                "veilsum simulate --data fashion-mnist --clients 100 --partition shards \\\n"
                "    --hidden 200 --rounds 50 --json rounds.json --picture rounds.svg\n"
                "veilsum simulate --clients 200 --clients-per-round 100 --min-clients 80 \\\n"
                "    --rotation hadamard --clip-norm 1 --quantization-bits 18 \\\n"
                "    --mechanism skellam --noise-multiplier 1 --delta 1e-5 --max-epsilon 50\n"
                "veilsum simulate --data tables --label fraud --model 30-1 --clients 20 \\\n"
                "    --dropout 0.1 --server fedadam\n"
                "veilsum simulate --clients 20 --attack scale:10 --attackers 2 --clip-norm 1",
    .run = run_simulate};
