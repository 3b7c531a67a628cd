/* veilsum model: the model between rounds, for whoever coordinates training. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/workload.h"
#include "fl/evaluate.h"
#include "fl/linear.h"
#include "fl/model.h"
#include "fl/npy.h"
#include "fl/server_opt.h"
#include "fl/table.h"
#include "fl/tensors_out.h"
#include "net/federation_tensors.h"
#include "net/update_file.h"

/* --- model new ------------------------------------------------------------------------------- */

static int run_new(const vs_args *args)
{
    vs_model m;
    vs_diag diag;
    const char *out = vs_args_text(args, "out");
    if (vs_model_parse(&m, vs_args_text(args, "model"), &diag) != VS_OK) {
        return vs_args_usage(args, "--model: %s", diag.text);
    }
    const size_t n = vs_model_n_params(&m);
    double *params = malloc(n * sizeof *params);
    if (params == NULL) return vs_out_error("out of memory for %zu parameters", n);
    vs_model_init(params, &m, vs_args_uint(args, "seed"));
    vs_err err = vs_npy_write(out, params, &n, 1, &diag);
    free(params);
    if (err != VS_OK) return vs_out_fail(&diag);
    (void)printf("%s: %zu parameters\n", out, n);
    return VS_EXIT_OK;
}

#define MODEL_OPTION                                                                               \
    {                                                                                              \
        .name = "model", .arg = "SPEC", .kind = VS_OPT_TEXT, .required = true,                     \
        .help = "Layers joined by '-', as in veilsum train: 784-200-10; 30-1 is logistic "         \
                "regression."                                                                      \
    }

static const vs_opt new_options[] = {
    MODEL_OPTION,
    {.name = "seed",
     .arg = "S",
     .kind = VS_OPT_UINT,
     .fallback = "1",
     .help = "Of the start values. Softmax and logistic regression start at zero."},
    {.name = "out",
     .arg = "FILE.npy",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "Where the parameters go: float64, flat."},
    {0}};

const vs_command vs_cmd_model_new = {
    .name = "model new",
    .summary = "start values of a model",
    .description = "Writes the parameters that the first round of training starts from.",
    .options = new_options,
    .examples = "veilsum model new --model 784-200-10 --out model-0.npy",
    .run = run_new};

/* --- model step ------------------------------------------------------------------------------ */

/* What the rule remembers: m, then v, n values each; of no file: the start values. */
static vs_err load_state(vs_server_opt *s, const char *path, vs_diag *diag)
{
    vs_npy file;
    const size_t n = s->len * ((s->m != NULL) + (size_t)(s->v != NULL));
    if (path == NULL || !vs_file_exists(path)) return VS_OK;
    vs_err err = vs_npy_read(&file, path, n, diag);
    if (err != VS_OK) return err;
    if (file.n != n) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: %zu values; this model and rule have %zu", path,
                      file.n, n);
    } else {
        if (s->m != NULL) memcpy(s->m, file.data, s->len * sizeof *s->m);
        if (s->v != NULL) memcpy(s->v, file.data + s->len, s->len * sizeof *s->v);
    }
    vs_npy_free(&file);
    return err;
}

static vs_err save_state(const vs_server_opt *s, const char *path, vs_diag *diag)
{
    const size_t dims[] = {(s->m != NULL) + (size_t)(s->v != NULL), s->len};
    double *all = malloc(dims[0] * s->len * sizeof *all);
    if (all == NULL) return vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", path);
    if (s->m != NULL) memcpy(all, s->m, s->len * sizeof *all);
    if (s->v != NULL) memcpy(all + s->len, s->v, s->len * sizeof *all);
    vs_err err = vs_npy_write(path, all, dims, 2, diag);
    free(all);
    return err;
}

/* The model and the round's mean as flat vectors in the order of the model's tensors. */
typedef struct vectors {
    vs_update params, mean;
} vectors;

/* names: a federation without anything but the tensors, those of the model. */
static vs_err load_vectors(vectors *v, vs_federation *names, const char *params, const char *mean,
                           vs_diag *diag)
{
    vs_tensors model = {0};
    vs_err err = vs_tensors_open(&model, params, VS_MODEL_PARAMS_MAX, diag);
    if (err == VS_OK && model.container != VS_CONTAINER_NPY) {
        err = vs_federation_set_tensors(names, &model, params, diag);
    }
    if (err == VS_OK) err = vs_update_take(&v->params, names, &model, params, diag);
    vs_tensors_free(&model);
    if (err == VS_OK) err = vs_update_open(&v->mean, names, mean, diag);
    if (err == VS_OK && (v->mean.n != v->params.n || v->mean.n == 0)) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: %" PRIu64 " values, the model has %" PRIu64,
                      mean, v->mean.n, v->params.n);
    }
    return err;
}

static void free_vectors(vectors *v)
{
    vs_update_free(&v->params);
    vs_update_free(&v->mean);
}

/* A .npy as flat float64, as `model new` makes it; else the model's names, shapes and types. */
static vs_err write_model(const char *path, const vs_federation *names, const vs_update *params,
                          const double *values, vs_diag *diag)
{
    const size_t n = (size_t)params->n;
    vs_result_format format;
    vs_tensors_out *out = NULL;
    vs_err err = vs_result_format_make(&format, names, (uint32_t)n, path, &params->format,
                                       VS_DTYPE_F64, diag);
    if (err != VS_OK) return err;
    if (format.container == VS_CONTAINER_NPY) {
        err = vs_npy_write(path, values, &n, 1, diag);
    } else {
        err = vs_tensors_out_new(&out, path, format.container, format.shapes, format.dtypes,
                                 format.count, diag);
        if (err == VS_OK) err = vs_tensors_out_put(out, values, n, diag);
        if (err == VS_OK) err = vs_tensors_out_commit(out, diag);
        vs_tensors_out_free(out);
    }
    vs_result_format_free(&format);
    return err;
}

static vs_err step(const vs_args *args, const vs_server_options *o, vs_diag *diag)
{
    vectors v = {0};
    vs_federation *names = calloc(1, sizeof *names);
    vs_server_opt s = {0};
    const char *state = vs_args_text(args, "state"), *mean_path = vs_args_text(args, "mean");
    double norm = 0, *next = NULL;
    vs_err err = names == NULL
                     ? vs_fail(diag, VS_ERR_NOMEM, "out of memory")
                     : load_vectors(&v, names, vs_args_text(args, "params"), mean_path, diag);
    const size_t n = (size_t)v.params.n;
    for (size_t i = 0; err == VS_OK && i < n; i++) norm += v.mean.values[i] * v.mean.values[i];
    if (err == VS_OK && !isfinite(norm)) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: has values that are not finite", mean_path);
    }
    if (err == VS_OK) {
        err = vs_server_opt_init(&s, o, n);
        next = malloc(n * sizeof *next);
        if (next == NULL) err = VS_ERR_NOMEM;
        if (err != VS_OK) (void)vs_fail(diag, err, "out of memory for %zu parameters", n);
    }
    if (err == VS_OK && s.m != NULL) err = load_state(&s, state, diag);
    if (err == VS_OK) {
        memcpy(next, v.params.values, n * sizeof *next);
        vs_server_opt_step(&s, next, v.mean.values);
        err = write_model(vs_args_text(args, "out"), names, &v.params, next, diag);
    }
    if (err == VS_OK && s.m != NULL) err = save_state(&s, state, diag);
    if (err == VS_OK) {
        (void)printf("%s: %zu parameters, %s of rate %g along a mean of norm %.4g\n",
                     vs_args_text(args, "out"), n, vs_server_rule_name(o->rule), o->learning_rate,
                     sqrt(norm));
    }
    vs_server_opt_clear(&s);
    free(next);
    free_vectors(&v);
    vs_federation_free(names);
    return err;
}

static int run_step(const vs_args *args)
{
    vs_diag diag;
    vs_server_rule rule;
    vs_server_options o;
    vs_err err = vs_server_rule_parse(&rule, vs_args_text(args, "server"), &diag);
    if (err == VS_OK) {
        o = vs_server_defaults(rule);
        if (vs_args_given(args, "server-learning-rate")) {
            o.learning_rate = vs_args_real(args, "server-learning-rate");
        }
        err = vs_server_check(&o, &diag);
    }
    if (err != VS_OK) return vs_args_usage(args, "%s", diag.text);
    if ((rule == VS_SERVER_FEDAVG) == vs_args_given(args, "state")) {
        return vs_args_usage(args, rule == VS_SERVER_FEDAVG ? "--state: fedavg remembers nothing"
                                                            : "--state is needed: this rule "
                                                              "remembers earlier rounds");
    }
    return step(args, &o, &diag) == VS_OK ? VS_EXIT_OK : vs_out_fail(&diag);
}

static const vs_opt step_options[] = {
    {.name = "params",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The model that the round was opened with: .npy, .npz or .safetensors."},
    {.name = "mean",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The round's result (veilsum round result), with the model's tensors or as a flat "
             ".npy."},
    {.name = "server",
     .arg = "RULE",
     .kind = VS_OPT_TEXT,
     .fallback = "fedavg",
     .help = "fedavg, fedavgm, fedadam or fedyogi."},
    {.name = "server-learning-rate",
     .arg = "X",
     .kind = VS_OPT_REAL,
     .help = "Default: 1, or 0.01 for fedadam and fedyogi."},
    {.name = "state",
     .arg = "FILE.npy",
     .kind = VS_OPT_TEXT,
     .help = "What the rule remembers from round to round, made by the first; not for fedavg."},
    {.name = "out",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "Where the next model goes: .npy (flat float64), .npz or .safetensors with the "
             "model's names and types."},
    {0}};

const vs_command vs_cmd_model_step = {
    .name = "model step",
    .summary = "the next model from a round's mean",
    .description = "Moves a model along the mean of the clients' updates, by the server's rule. "
                   "Open the next round with what it writes.",
    .options = step_options,
    .examples = "veilsum model step --params model-0.npy --mean mean-1.npy --out model-1.npy\n"
                "veilsum model step --params model-1.npy --mean mean-2.npy --server fedadam \\\n"
                "    --state adam.npy --out model-2.npy\n"
                "veilsum model step --params model-0.safetensors \\\n"
                "    --mean mean-1.safetensors --out model-1.safetensors",
    .run = run_step};

/* --- model evaluate -------------------------------------------------------------------------- */

static void tell(const vs_evaluation *e, size_t most, bool json_wanted)
{
    const double always = (double)most / (double)e->n_rows;
    if (json_wanted) {
        json_t *all = json_pack("{s:I, s:f, s:f, s:f}", "rows", (json_int_t)e->n_rows, "loss",
                                e->loss, "accuracy", e->accuracy, "largest_class", always);
        if (all != NULL && !isnan(e->auc)) {
            (void)json_object_set_new(all, "auc", json_real(e->auc));
        }
        (void)vs_out_json(all);
        return;
    }
    (void)printf("rows      %zu\nloss      %.4f\naccuracy  %.2f %% (always the largest class: "
                 "%.2f %%)\n",
                 e->n_rows, e->loss, 100 * e->accuracy, 100 * always);
    if (!isnan(e->auc)) (void)printf("AUC       %.4f\n", e->auc);
}

static vs_err evaluate(const vs_model *m, const vs_npy *params, const vs_workload *w,
                       bool json_wanted, vs_diag *diag)
{
    vs_dataset train, test;
    vs_partition parts;
    vs_evaluation e;
    size_t count[256] = {0}, most = 0;
    vs_err err = vs_workload_all(&train, &test, &parts, w, diag);
    if (err != VS_OK) return err;
    vs_linear_init();
    err = vs_model_evaluate(&e, m, params->data, &test, diag);
    for (size_t i = 0; i < test.n_rows; i++) {
        const size_t n = ++count[test.labels[i]];
        most = n > most ? n : most;
    }
    if (err == VS_OK) tell(&e, most, json_wanted);
    vs_partition_free(&parts);
    vs_dataset_free(&train);
    vs_dataset_free(&test);
    return err;
}

static int run_evaluate(const vs_args *args)
{
    vs_model m;
    vs_npy params = {0};
    vs_diag diag;
    vs_workload w = {.data = vs_args_text(args, "data"),
                     .n_clients = 1,
                     .partition = {.kind = VS_PARTITION_IID},
                     .seed = vs_args_uint(args, "seed"),
                     .table = {.label = vs_args_text(args, "label")},
                     .schema = vs_args_text(args, "schema")};
    const char *path = vs_args_text(args, "params");
    if (vs_model_parse(&m, vs_args_text(args, "model"), &diag) != VS_OK) {
        return vs_args_usage(args, "--model: %s", diag.text);
    }
    if (vs_impute_parse(&w.table.impute, vs_args_text(args, "impute"), &diag) != VS_OK) {
        return vs_args_usage(args, "--impute: %s", diag.text);
    }
    vs_err err = vs_npy_read(&params, path, VS_MODEL_PARAMS_MAX, &diag);
    if (err == VS_OK && params.n != vs_model_n_params(&m)) {
        err = vs_fail(&diag, VS_ERR_MALFORMED, "%s: %zu values, the model has %zu", path, params.n,
                      vs_model_n_params(&m));
    }
    if (err == VS_OK) err = evaluate(&m, &params, &w, vs_args_flag(args, "json"), &diag);
    vs_npy_free(&params);
    return err == VS_OK ? VS_EXIT_OK : vs_out_fail(&diag);
}

static const vs_opt evaluate_options[] = {
    MODEL_OPTION,
    {.name = "params",
     .arg = "FILE.npy",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "Its parameters."},
    {.name = "data",
     .arg = "DIR|digits",
     .kind = VS_OPT_TEXT,
     .fallback = "digits",
     .help = "Training and test set, as in veilsum simulate; the test set counts."},
    {.name = "label",
     .arg = "COLUMN",
     .kind = VS_OPT_TEXT,
     .help = "Column of the label in CSV files. Default: the last."},
    {.name = "schema",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "What the columns of CSV files mean (veilsum table show)."},
    {.name = "impute",
     .arg = "HOW",
     .kind = VS_OPT_TEXT,
     .fallback = "none",
     .help = "Missing values in CSV files: none, zero or mean."},
    {.name = "seed",
     .arg = "S",
     .kind = VS_OPT_UINT,
     .fallback = "1",
     .help = "Of generated data; as in veilsum train."},
    VS_OPT_JSON,
    {0}};

const vs_command vs_cmd_model_evaluate = {
    .name = "model evaluate",
    .summary = "loss, accuracy and AUC on a test set",
    .description = "Of two classes the area under the ROC curve too: the chance that a row of "
                   "class 1 scores above one of class 0. Where one class is rare, accuracy says "
                   "little; compare it with that of always naming the largest class.",
    .options = evaluate_options,
    .examples = "veilsum model evaluate --model 784-200-10 --params model-5.npy --data digits",
    .run = run_evaluate};
