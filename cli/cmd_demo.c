/* veilsum demo: private rounds of real training, with real processes. (cli/demo.h) */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/demo.h"
#include "cli/out.h"
#include "cli/pipeline.h"
#include "net/audit.h"

#define ACCURACY_GAP 0.01 /* of the last round, to plain training */
enum { STOP_MS = 10000, LOG_LINES = 8 };

/* --- options -------------------------------------------------------------------------------------
 */

static int fill_training(const vs_args *args, vs_demo_options *o)
{
    vs_diag diag;
    o->work = (vs_workload){.data = vs_args_text(args, "data"),
                            .n_clients = (uint32_t)vs_args_uint(args, "clients"),
                            .seed = vs_args_uint(args, "seed")};
    o->training = (vs_train_options){.local_epochs = (uint32_t)vs_args_uint(args, "local-epochs"),
                                     .batch_size = (uint32_t)vs_args_uint(args, "batch-size"),
                                     .learning_rate = vs_args_real(args, "learning-rate"),
                                     .shuffle = true};
    if (vs_model_parse(&o->model, vs_args_text(args, "model"), &diag) != VS_OK) {
        return vs_args_usage(args, "--model: %s", diag.text);
    }
    if (vs_partition_parse(&o->work.partition, vs_args_text(args, "partition"), &diag) != VS_OK) {
        return vs_args_usage(args, "--partition: %s", diag.text);
    }
    if (vs_train_check(&o->training, &diag) != VS_OK) return vs_args_usage(args, "%s", diag.text);
    return VS_EXIT_OK;
}

/* Who is killed; what is not said becomes smaller where the default is too much. */
static int fill_drops(const vs_args *args, vs_demo_options *o)
{
    const uint32_t lost = vs_federation_tolerance(&o->committee).lost_after_set;
    const uint32_t n = o->work.n_clients;
    o->drop_clients = (uint32_t)vs_args_uint(args, "drop-clients");
    o->drop_shareholders = (uint32_t)vs_args_uint(args, "drop-shareholders");
    if (!vs_args_given(args, "drop-clients") && o->drop_clients > n - 2) o->drop_clients = n - 2;
    if (!vs_args_given(args, "drop-shareholders") && o->drop_shareholders > lost) {
        o->drop_shareholders = lost;
    }
    if (o->drop_clients > n - 2) {
        return vs_args_usage(args, "--drop-clients: of %u clients at most %u: two must remain", n,
                             n - 2);
    }
    if (o->drop_shareholders > lost) {
        return vs_args_usage(args, "--drop-shareholders: %u shareholders can lose at most %u",
                             o->shareholders, lost);
    }
    /* At least 60 % of the clients, unless fewer are to remain. */
    o->min_clients = (6 * n + 9) / 10;
    if (o->min_clients > n - o->drop_clients) o->min_clients = n - o->drop_clients;
    if (o->min_clients < 2) o->min_clients = 2;
    o->drop_round = (o->rounds + 1) / 2;
    return VS_EXIT_OK;
}

static int fill_options(const vs_args *args, vs_demo_options *o)
{
    int status = fill_training(args, o);
    if (status != VS_EXIT_OK) return status;
    o->shareholders = (uint32_t)vs_args_uint(args, "shareholders");
    o->rounds = (uint32_t)vs_args_uint(args, "rounds");
    o->json = vs_args_text(args, "json");
    o->keep = vs_args_text(args, "keep");
    o->picture = vs_args_text(args, "picture");
    o->http = vs_args_text(args, "http");
    o->committee = vs_pipeline_committee(o->shareholders);
    status = fill_drops(args, o);
    if (status != VS_EXIT_OK) return status;
    o->pipeline->min_clients = o->min_clients;
    status = vs_pipeline_fill(args, o->pipeline, false);
    /* The mean of everybody, unless somebody is lost. */
    if (o->pipeline->privacy.mechanism != VS_MECHANISM_NONE &&
        !vs_args_given(args, "clients-per-round")) {
        o->pipeline->privacy.clients_per_round = o->work.n_clients;
    }
    return status;
}

/* --- the run
 * --------------------------------------------------------------------------------------- */

static void print_problem(void *ctx, const char *text)
{
    (void)ctx;
    (void)printf("audit: %s\n", text);
}

/* The aggregator has ended: read what it leaves behind, as an auditor would. */
static vs_err audit(vs_demo *d, vs_diag *diag)
{
    char folder[VS_PROCESS_PATH_BYTES];
    vs_audit_report report;
    vs_err err = vs_loopback_path(&d->here, folder, "aggregator/ledger", diag);
    if (err == VS_OK) {
        err = vs_audit_dir(&report, folder, d->here.fed, NULL, print_problem, NULL, diag);
    }
    if (err != VS_OK) {
        vs_diag_prefix(diag, "audit");
        return err;
    }
    d->ledger_size = report.size;
    d->audit_ok = report.ok;
    (void)printf("ledger: %" PRIu64 " entries, audit %s\n", report.size,
                 report.ok ? "ok" : "FAILED");
    return VS_OK;
}

static vs_err play_rounds(vs_demo *d, vs_diag *diag)
{
    const size_t n = vs_model_n_params(&d->o.model);
    double *params = malloc(n * sizeof *params);
    vs_plain *plain = NULL;
    if (params == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_model_init(params, &d->o.model, d->o.work.seed);
    vs_err err = vs_plain_new(&plain, d, params, diag);
    if (err == VS_OK) vs_demo_print_head();
    for (uint32_t r = 1; err == VS_OK && r <= d->o.rounds; r++) {
        err = vs_demo_round(d, plain, r, params, &d->row[r - 1], diag);
        vs_demo_progress_end();
        if (err != VS_OK) break;
        d->n_rows = r;
        err = vs_demo_write_metrics(d, diag);
        vs_demo_print_row(&d->row[r - 1], d);
    }
    vs_plain_free(plain);
    free(params);
    return err;
}

static vs_err prepare(vs_demo *d, vs_diag *diag)
{
    vs_demo_progress("loading the data");
    vs_err err = vs_workload_all(&d->train, &d->test, &d->parts, &d->o.work, diag);
    if (err == VS_OK) err = vs_model_fits(&d->o.model, &d->train, diag);
    if (err == VS_OK) {
        vs_demo_progress("starting %u processes", 1 + d->o.shareholders + d->o.work.n_clients);
        err = vs_demo_start(d, diag);
    }
    vs_demo_progress_end();
    return err;
}

/* What failed, in whose words. */
static void explain(const vs_demo *d, const vs_diag *diag)
{
    (void)vs_out_fail(diag);
    if (d->here.stop.asked) return; /* by the user, who knows why */
    for (uint32_t i = 0; i < d->here.n_processes; i++) {
        const vs_process *p = &d->here.process[i];
        size_t len = strlen(p->name);
        bool named = len > 0 && strncmp(diag->text, p->name, len) == 0 && diag->text[len] == ' ';
        if (named || (i == 0 && d->n_rows < d->o.rounds)) vs_process_print_log(p, LOG_LINES);
    }
}

static int verdict(const vs_demo *d)
{
    int status = VS_EXIT_OK;
    const vs_demo_row *last = &d->row[d->n_rows - 1];
    const double gap = last->accuracy - last->plain_accuracy;
    for (uint32_t i = 0; i < d->n_rows; i++) {
        if (!d->row[i].sum_exact) {
            status = vs_out_error("round %u: the sum is not exact", d->row[i].round);
        }
    }
    const bool noisy = d->here.fed->privacy.mechanism != VS_MECHANISM_NONE;
    if (!noisy && (gap > ACCURACY_GAP || gap < -ACCURACY_GAP)) {
        status = vs_out_error("round %u: accuracy differs by %.2f points from plain training",
                              last->round, 100 * gap);
    }
    if (!d->audit_ok) status = vs_out_error("the audit of the ledger failed");
    return status;
}

static int run_all(vs_demo *d)
{
    vs_diag diag;
    vs_err err = prepare(d, &diag);
    if (err == VS_OK) {
        vs_demo_print_intro(d);
        err = play_rounds(d, &diag);
    }
    if (err == VS_OK) {
        /* Clients and daemons end on SIGTERM; then the ledger is nobody's. */
        (void)vs_process_stop_all(d->here.process, d->here.n_processes, STOP_MS);
        (void)printf("\n");
        err = audit(d, &diag);
    }
    if (err != VS_OK) {
        explain(d, &diag);
        return VS_EXIT_FAILED;
    }
    int status = verdict(d);
    if (vs_demo_draw(d, &diag) == VS_OK) {
        (void)printf("picture: %s\n", d->o.picture);
    } else {
        (void)fprintf(stderr, "veilsum: no picture: %s\n", diag.text);
    }
    if (d->o.json != NULL && vs_demo_write_json(d, &diag) != VS_OK) status = vs_out_fail(&diag);
    return status;
}

static int run_demo(const vs_args *args)
{
    vs_diag diag;
    vs_demo *d = calloc(1, sizeof *d);
    vs_federation *pipeline = calloc(1, sizeof *pipeline);
    if (d == NULL || pipeline == NULL) {
        free(pipeline);
        free(d);
        return vs_out_error("out of memory");
    }
    d->o.pipeline = pipeline;
    int status = fill_options(args, &d->o);
    if (status != VS_EXIT_OK) {
        free(pipeline);
        free(d);
        return status;
    }
    if (vs_stop_init(&d->here.stop, &diag) == VS_OK) {
        status = run_all(d);
    } else {
        status = vs_out_fail(&diag);
    }
    vs_loopback_end(&d->here, STOP_MS);
    vs_stop_clear(&d->here.stop);
    vs_dataset_free(&d->train);
    vs_dataset_free(&d->test);
    vs_partition_free(&d->parts);
    free(pipeline);
    free(d);
    return status;
}

#define UINT(n, a, lo, hi, f, h)                                                                   \
    {                                                                                              \
        .name = n, .arg = a, .kind = VS_OPT_UINT, .min = lo, .max = hi, .fallback = f, .help = h   \
    }

static const vs_opt options[] = {
    UINT("clients", "N", 2, VS_LOOPBACK_CLIENTS_MAX, "10", "Client processes."),
    UINT("shareholders", "N", 3, VS_LOOPBACK_SHAREHOLDERS_MAX, "5", "Shareholder processes."),
    UINT("rounds", "R", 1, VS_DEMO_ROUNDS_MAX, "5", "Rounds of training."),
    {.name = "data",
     .arg = "DIR|digits",
     .kind = VS_OPT_TEXT,
     .fallback = "digits",
     .help = "Folder with train-images-idx3-ubyte and its three companions (plain or .gz), with "
             "train.csv and test.csv, or with train-x.npy, train-y.npy, test-x.npy, test-y.npy; or "
             "digits (20000 generated images of digits, 4000 to test), or digits:ROWS."},
    UINT("drop-clients", "N", 0, VS_LOOPBACK_CLIENTS_MAX, "2",
         "Clients that are killed before they submit, in the middle round."),
    UINT("drop-shareholders", "N", 0, VS_LOOPBACK_SHAREHOLDERS_MAX, "1",
         "Shareholders that are killed right after the set of that round is fixed."),
    {.name = "model",
     .arg = "WIDTHS",
     .kind = VS_OPT_TEXT,
     .fallback = "784-200-10",
     .help = "Layers joined by '-': inputs, hidden layers (ReLU), classes; 28x28-c8k5-p2-10 has 8 "
             "filters of 5 x 5 and pools of 2 x 2."},
    {.name = "partition",
     .arg = "KIND",
     .kind = VS_OPT_TEXT,
     .fallback = "iid",
     .help = "How the data are cut: iid, shards (two classes per client, mostly), strided, or "
             "dirichlet:ALPHA."},
    UINT("local-epochs", "E", 1, VS_TRAIN_EPOCHS_MAX, "1",
         "Passes over a client's rows in a round."),
    UINT("batch-size", "B", 1, VS_TRAIN_BATCH_MAX, "50", "Rows of one step."),
    {.name = "learning-rate",
     .arg = "X",
     .kind = VS_OPT_REAL,
     .fallback = "0.1",
     .help = "Of plain SGD."},
    VS_PIPELINE_OPTIONS,
    VS_PIPELINE_DIVISOR,
    UINT("seed", "S", 0, 0, "1",
         "Of first weights, partition, shuffles and generated data. Keys and shares are always "
         "random."),
    {.name = "json",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "Write the table as JSON. Accuracies are fractions, 0 to 1."},
    {.name = "picture",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .fallback = "veilsum-demo.svg",
     .help = "Accuracy over rounds; .svg or .png."},
    {.name = "http",
     .arg = "http://HOST:PORT",
     .kind = VS_OPT_TEXT,
     .help = "The aggregator serves its ledger there while the demo runs, with a page on which the "
             "rounds can be watched and verified."},
    {.name = "keep",
     .arg = "DIR",
     .kind = VS_OPT_TEXT,
     .help = "Work in this folder and leave everything there: keys, ledger, logs, revealed "
             "updates."},
    {0}};

const vs_command vs_cmd_demo = {
    .name = "demo",
    .summary = "train a model in private rounds on this machine",
    .description =
        "Starts an aggregator, shareholders and clients as processes of their own that talk over "
        "loopback TCP, and trains a model in private rounds: clients send shares of their updates, "
        "and only the sum is ever put together. In the middle round some parties are killed; the "
        "round ends all the same, and they come back for the next one.\n\n"
        "Three things are checked. The decoded sum of each round must equal, in every coordinate, "
        "the integer sum of the quantised updates of the included clients: the demo's federation "
        "is "
        "marked `demo`, so clients leave theirs in its folder. The accuracy of the last round must "
        "be within one point of plain federated averaging with the same data, clients and seeds "
        "(not under a --mechanism: noise costs accuracy). "
        "The ledger must pass an audit. Status 0 means that all of it holds.",
    .options = options,
    .examples = "veilsum demo\n"
                "veilsum demo --data fashion-mnist --rounds 10 --partition shards\n"
                "veilsum demo --rounds 50 --http http://127.0.0.1:8080\n"
                "veilsum demo --clients 3 --rounds 2 --model 784-10 --json result.json\n"
                "veilsum demo --clients 40 --model 784-10 --rotation hadamard --metrics \\\n"
                "    --clip-norm 1 --quantization-bits 20 --mechanism skellam \\\n"
                "    --noise-multiplier 2 --metrics-noise-multiplier 8 --delta 1e-5 \\\n"
                "    --max-epsilon 20",
    .run = run_demo};
