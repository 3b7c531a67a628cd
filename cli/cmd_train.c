/* veilsum train: the client with built-in training. (The rounds: cli/train_loop.c) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/beside.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/train_loop.h"
#include "fl/table.h"
#include "mpc/parallel.h"

/* What the words on the command line mean, apart from files. */
static int fill_training(const vs_args *args, vs_trainer *t)
{
    vs_diag diag;
    t->work = (vs_workload){.data = vs_args_text(args, "data"),
                            .n_clients = (uint32_t)vs_args_uint(args, "num-clients"),
                            .seed = vs_args_uint(args, "seed"),
                            .table = {.label = vs_args_text(args, "label")},
                            .schema = vs_args_text(args, "schema")};
    t->client = (uint32_t)vs_args_uint(args, "client-index");
    t->options = (vs_train_options){.local_epochs = (uint32_t)vs_args_uint(args, "local-epochs"),
                                    .batch_size = (uint32_t)vs_args_uint(args, "batch-size"),
                                    .learning_rate = vs_args_real(args, "learning-rate"),
                                    .momentum = vs_args_real(args, "momentum"),
                                    .proximal_mu = vs_args_real(args, "proximal-mu"),
                                    .shuffle = true};
    t->reveal = vs_args_text(args, "reveal");
    t->receipts = vs_args_text(args, "receipts");
    t->threads = (uint32_t)vs_args_uint(args, "threads");
    t->json = vs_args_flag(args, "json");
    if (t->client > t->work.n_clients) {
        return vs_args_usage(args, "--client-index: %u is above --num-clients %u", t->client,
                             t->work.n_clients);
    }
    if (vs_model_parse(&t->model, vs_args_text(args, "model"), &diag) != VS_OK) {
        return vs_args_usage(args, "--model: %s", diag.text);
    }
    if (vs_partition_parse(&t->work.partition, vs_args_text(args, "partition"), &diag) != VS_OK) {
        return vs_args_usage(args, "--partition: %s", diag.text);
    }
    if (vs_impute_parse(&t->work.table.impute, vs_args_text(args, "impute"), &diag) != VS_OK) {
        return vs_args_usage(args, "--impute: %s", diag.text);
    }
    if (vs_train_check(&t->options, &diag) != VS_OK) return vs_args_usage(args, "%s", diag.text);
    return VS_EXIT_OK;
}

static vs_err load_enrolment(const vs_args *args, vs_trainer *t, vs_diag *diag)
{
    char beside[VS_BESIDE_BYTES];
    const char *path = vs_args_text(args, "enrolment");
    vs_h32 federation, client;
    vs_err err = vs_path_beside(beside, vs_args_text(args, "key"), ".enrolment", diag);
    if (err != VS_OK) return err;
    if (path == NULL) path = beside;
    err = vs_enrolment_load(path, &federation, &client, t->enrolment, diag);
    if (err != VS_OK) return err;
    if (!vs_h32_equal(&client, &t->keys->pub.identity) ||
        vs_enrolment_check(t->enrolment, &t->fed->id, &client, &t->fed->admin_key) != VS_OK) {
        return vs_fail(diag, VS_ERR_PROOF, "%s: does not enrol key \"%s\" to the federation \"%s\"",
                       path, t->keys->pub.name, t->fed->name);
    }
    return VS_OK;
}

static vs_err open_state(const vs_args *args, vs_store *store, vs_diag *diag)
{
    char beside[VS_BESIDE_BYTES];
    const char *path = vs_args_text(args, "state");
    vs_err err = vs_path_beside(beside, vs_args_text(args, "key"), ".state", diag);
    if (err != VS_OK) return err;
    return vs_store_disk_open(store, path == NULL ? beside : path, diag);
}

static int train_rounds(const vs_args *args, vs_trainer *t)
{
    vs_stop stop;
    vs_diag diag;
    vs_err err = vs_stop_init(&stop, &diag);
    t->stop = &stop;
    if (err == VS_OK) err = vs_trainer_init(t, &diag);
    if (err != VS_OK) {
        t->stop = NULL;
        vs_stop_clear(&stop);
        return vs_out_fail(&diag);
    }
    uint64_t n_failed = vs_trainer_run(t, vs_args_uint(args, "rounds"));
    vs_trainer_clear(t);
    t->stop = NULL;
    vs_stop_clear(&stop);
    return n_failed == 0 ? VS_EXIT_OK : VS_EXIT_FAILED;
}

static int run_train(const vs_args *args)
{
    vs_federation *fed = NULL;
    vs_keys *keys = NULL;
    vs_trainer t = {0};
    vs_diag diag;
    int status = fill_training(args, &t);
    if (status != VS_EXIT_OK) return status;
    vs_err err = vs_federation_load(&fed, vs_args_text(args, "federation"), &diag);
    if (err == VS_OK && t.reveal != NULL && !fed->demo) {
        err = vs_fail(&diag, VS_ERR_STATE,
                      "--reveal: the federation \"%s\" is not marked demo; updates stay secret",
                      fed->name);
    }
    if (err == VS_OK) err = vs_keys_load(&keys, vs_args_text(args, "key"), &diag);
    t.fed = fed;
    t.keys = keys;
    if (err == VS_OK) err = load_enrolment(args, &t, &diag);
    if (err == VS_OK && t.reveal != NULL) err = vs_file_make_folders(t.reveal, 0700, &diag);
    if (err == VS_OK && t.receipts != NULL) err = vs_file_make_folders(t.receipts, 0700, &diag);
    if (err == VS_OK) err = open_state(args, &t.store, &diag);
    if (err == VS_OK) {
        status = train_rounds(args, &t);
        vs_store_disk_close(&t.store);
    } else {
        status = vs_out_fail(&diag);
    }
    vs_keys_free(keys);
    vs_federation_free(fed);
    return status;
}

static const vs_opt options[] = {
    {.name = "federation",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The federation file."},
    {.name = "key",
     .arg = "FILE.key",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The client's secret key file."},
    {.name = "data",
     .arg = "DIR|digits",
     .kind = VS_OPT_TEXT,
     .fallback = "digits",
     .help = "Folder with train-images-idx3-ubyte and train-labels-idx1-ubyte (plain or .gz), with "
             "train.csv, or with train-x.npy and train-y.npy; or "
             "digits (20000 generated images of digits), or digits:ROWS."},
    {.name = "label",
     .arg = "COLUMN",
     .kind = VS_OPT_TEXT,
     .help = "Column of the label in CSV files. Default: the last."},
    {.name = "schema",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "What the columns of CSV files mean: numbers, categories, the label; the same file at "
             "all parties (veilsum table show)."},
    {.name = "impute",
     .arg = "HOW",
     .kind = VS_OPT_TEXT,
     .fallback = "none",
     .help = "Missing values in CSV files: none (an error), zero, or mean (the schema's centre, or "
             "of the column in this file)."},
    {.name = "model",
     .arg = "SPEC",
     .kind = VS_OPT_TEXT,
     .fallback = "784-200-10",
     .help = "Layers joined by '-': inputs, hidden layers (ReLU), classes; 784-10 is softmax, 30-1 "
             "logistic regression, 28x28-c8k5-p2-10 has 8 filters of 5 x 5 and pools of 2 x 2."},
    {.name = "client-index",
     .arg = "I",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = VS_PARTITION_CLIENTS_MAX,
     .fallback = "1",
     .help = "Which part of the data is ours, from 1."},
    {.name = "num-clients",
     .arg = "K",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = VS_PARTITION_CLIENTS_MAX,
     .fallback = "1",
     .help = "In how many parts the data are cut; 1: all of it is ours."},
    {.name = "partition",
     .arg = "KIND",
     .kind = VS_OPT_TEXT,
     .fallback = "iid",
     .help = "How: iid, shards (two shards of rows sorted by label for each client), strided, or "
             "dirichlet:ALPHA."},
    {.name = "rounds",
     .arg = "R",
     .kind = VS_OPT_UINT,
     .min = 1,
     .fallback = "1",
     .help = "Rounds to take part in; then the program ends."},
    {.name = "local-epochs",
     .arg = "E",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = VS_TRAIN_EPOCHS_MAX,
     .fallback = "1",
     .help = "Passes over our rows in a round."},
    {.name = "batch-size",
     .arg = "B",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = VS_TRAIN_BATCH_MAX,
     .fallback = "50",
     .help = "Rows of one step."},
    {.name = "learning-rate",
     .arg = "X",
     .kind = VS_OPT_REAL,
     .fallback = "0.1",
     .help = "Of SGD."},
    {.name = "momentum", .arg = "X", .kind = VS_OPT_REAL, .fallback = "0", .help = "0 to below 1."},
    {.name = "proximal-mu",
     .arg = "X",
     .kind = VS_OPT_REAL,
     .fallback = "0",
     .help = "FedProx: pull towards the round's model."},
    {.name = "seed",
     .arg = "S",
     .kind = VS_OPT_UINT,
     .fallback = "1",
     .help = "Of the partition, the shuffles and the generated data; the same for all clients of a "
             "simulation. No secret depends on it."},
    {.name = "enrolment",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "Enrolment by the admin. Default: the key file's name with .enrolment."},
    {.name = "state",
     .arg = "DIR",
     .kind = VS_OPT_TEXT,
     .help = "Folder for what must survive a crash. Default: the key file's name with .state."},
    {.name = "receipts",
     .arg = "DIR",
     .kind = VS_OPT_TEXT,
     .help = "Leave a receipt of each round in DIR/round-N.receipt, to be completed from the "
             "published ledger (veilsum receipt complete)."},
    {.name = "reveal",
     .arg = "DIR",
     .kind = VS_OPT_TEXT,
     .help = "Leave the quantised update of each round in DIR/round-N-client-I.u32 (32-bit "
             "little-endian). Only in a federation marked demo: it gives the update away."},
    {.name = "threads",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = VS_THREADS_MAX,
     .fallback = "1",
     .help = "Threads that quantise, share, hash and prove. The bytes sent are the same for any "
             "number."},
    {.name = "json", .kind = VS_OPT_FLAG, .help = "Print one line of JSON for each event."},
    {0}};

const vs_command vs_cmd_train = {
    .name = "train",
    .summary = "take part in rounds with built-in training",
    .description =
        "Waits for the next round, fetches the model file that the round names, trains on its own "
        "rows, submits the difference (weight: number of rows), and goes on to the next "
        "round. Several clients on one machine share a data set by --client-index and "
        "--num-clients.\n\nSIGTERM ends it at any time with status 0; started again with the same "
        "--state it sends what is missing of a submission, byte for byte the same.",
    .options = options,
    .examples = "veilsum train --federation federation.json --key alice.key --data digits \\\n"
                "    --client-index 1 --num-clients 3 --rounds 5",
    .run = run_train};
