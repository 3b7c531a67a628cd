/* veilsum table: schemas of CSV files, and their centre and spread from a round of sums. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "fl/npy.h"
#include "fl/scale.h"
#include "fl/schema.h"
#include "fl/table.h"

/* Values are within +-1 for sums; a deviation below this part of that drowns in rounding. */
#define FLOOR 1e-3

static const char *const kind_names[] = {"number", "category", "label", "skip"};

/* --- table show ------------------------------------------------------------------------------ */

static int show_json(const vs_schema *s)
{
    json_t *all = json_pack("{s:I, s:I, s:[]}", "features", (json_int_t)s->n_features, "numbers",
                            (json_int_t)s->n_numbers, "columns");
    json_t *list = json_object_get(all, "columns");
    for (size_t i = 0; i < s->n_columns; i++) {
        const vs_schema_column *c = &s->column[i];
        json_t *row = json_pack("{s:s, s:s, s:I}", "name", c->name, "kind", kind_names[c->kind],
                                "values", (json_int_t)c->n_values);
        if (row != NULL && c->scaled) {
            (void)json_object_set_new(row, "centre", json_real(c->centre));
            (void)json_object_set_new(row, "scale", json_real(c->scale));
        }
        (void)json_array_append_new(list, row);
    }
    return vs_out_json(all);
}

static void show_column(vs_table *t, const vs_schema_column *c)
{
    vs_table_cell(t, "%s", c->name);
    vs_table_cell(t, "%s", kind_names[c->kind]);
    if (c->kind == VS_SCHEMA_NUMBER) {
        vs_table_cell(t, "%u", c->feature + 1);
        vs_table_cell(t, c->scaled ? "(value - %g) / %g" : "as it is", c->centre, c->scale);
    } else if (c->kind == VS_SCHEMA_CATEGORY) {
        vs_table_cell(t, "%u-%u", c->feature + 1, c->feature + c->n_values);
        vs_table_cell(t, "%u values%s", c->n_values, c->other ? ", the last for all others" : "");
    } else {
        vs_table_cell(t, "-");
        vs_table_cell(t, "%s",
                      c->kind == VS_SCHEMA_SKIP ? "not used"
                      : c->n_values > 0         ? "named classes"
                                                : "whole numbers");
    }
}

static int run_show(const vs_args *args)
{
    vs_schema s;
    vs_diag diag;
    if (vs_schema_read(&s, vs_args_positional(args, 0), &diag) != VS_OK) return vs_out_fail(&diag);
    int status;
    if (vs_args_flag(args, "json")) {
        status = show_json(&s);
    } else {
        vs_table t = {.columns = 4};
        static const char *const head[] = {"column", "kind", "features", "meaning"};
        for (int i = 0; i < 4; i++) vs_table_cell(&t, "%s", head[i]);
        for (size_t i = 0; i < s.n_columns; i++) show_column(&t, &s.column[i]);
        status = vs_table_print(&t, stdout);
        vs_table_free(&t);
        (void)printf("%u features: --model %u-1 is logistic regression for two classes\n",
                     s.n_features, s.n_features);
    }
    vs_schema_free(&s);
    return status;
}

static const vs_opt show_options[] = {VS_OPT_JSON, {0}};
static const vs_positional show_positionals[] = {{"SCHEMA", 1, 1, "The schema file."}, {0}};

const vs_command vs_cmd_table_show = {
    .name = "table show",
    .summary = "check a schema of CSV files and explain it",
    .description =
        "A schema says what the columns of CSV files mean. All parties that train together use "
        "the same file, so that a feature means the same everywhere. It is a CSV file itself, a "
        "line for each column, in the order of the features:\n\n"
        "    amount,number\n    amount,number,80,250\n    shop,category,\"Food, drink\",Fuel,*\n"
        "    fraud,label\n    fraud,label,no,yes\n    card,skip\n\n"
        "A number is taken as it is, or less a centre and divided by a scale. A category becomes "
        "one feature for each value listed, 1 or 0; a last * stands for every other value, and "
        "without it such a value is an error. A label is a whole number, or one of the words "
        "listed (the first is class 0). Columns of kind skip are not used; a column that is not in "
        "the schema is an error.",
    .options = show_options,
    .positionals = show_positionals,
    .examples = "veilsum table show schema.csv",
    .run = run_show};

/* --- table sums ------------------------------------------------------------------------------ */

static vs_err take_sums(const vs_schema *schema, const vs_dataset *set, const char *out,
                        vs_diag *diag)
{
    const uint32_t width = set->n_features;
    uint32_t n;
    uint32_t *list = calloc(width, sizeof *list);
    size_t *outside = calloc(width, sizeof *outside);
    double *fractions = calloc((size_t)width * VS_SCALE_N, sizeof *fractions);
    vs_err err = VS_OK;
    if (list == NULL || outside == NULL || fractions == NULL) {
        err = vs_fail(diag, VS_ERR_NOMEM, "out of memory for %u features", width);
        goto cleanup;
    }
    vs_scale_list(list, &n, width, schema);
    vs_scale_fractions(fractions, outside, set, list, n, 1.0);
    for (uint32_t i = 0, at = 0; i < schema->n_columns; i++) {
        const vs_schema_column *c = &schema->column[i];
        if (c->kind != VS_SCHEMA_NUMBER || outside[at++] == 0) continue;
        (void)printf("%s: %zu of %zu values are more than %g from %g and count as that far\n",
                     c->name, outside[at - 1], set->n_rows, c->scale, c->centre);
    }
    const size_t dims = (size_t)n * VS_SCALE_N;
    err = vs_npy_write(out, fractions, &dims, 1, diag);
    if (err == VS_OK) {
        (void)printf("%s: %zu values of %u columns; submit it with --weight %zu\n", out, dims, n,
                     set->n_rows);
    }
cleanup:
    if (fractions != NULL) {
        sodium_memzero(fractions, (size_t)width * VS_SCALE_N * sizeof *fractions);
    }
    free(list);
    free(outside);
    free(fractions);
    return err;
}

static int run_sums(const vs_args *args)
{
    vs_schema schema;
    vs_dataset set = {0};
    vs_diag diag;
    vs_err err = vs_schema_read(&schema, vs_args_text(args, "schema"), &diag);
    if (err != VS_OK) return vs_out_fail(&diag);
    const vs_table_options o = {.impute = VS_IMPUTE_KEEP, .schema = &schema};
    if (schema.n_numbers == 0) {
        err = vs_fail(&diag, VS_ERR_STATE, "the schema has no column of numbers");
    }
    if (err == VS_OK) err = vs_table_read(&set, NULL, vs_args_positional(args, 0), &o, &diag);
    if (err == VS_OK) err = take_sums(&schema, &set, vs_args_text(args, "out"), &diag);
    vs_dataset_free(&set);
    vs_schema_free(&schema);
    return err == VS_OK ? VS_EXIT_OK : vs_out_fail(&diag);
}

static const vs_opt sums_options[] = {
    {.name = "schema",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help =
         "The schema that all parties use. Its centre and scale of each number say where values "
         "lie, as far as is known without looking: within centre - scale .. centre + scale."},
    {.name = "out",
     .arg = "FILE.npy",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "Where the update goes: it stays secret until it is summed."},
    {0}};
static const vs_positional sums_positionals[] = {{"FILE.csv", 1, 1, "This party's rows."}, {0}};

const vs_command vs_cmd_table_sums = {
    .name = "table sums",
    .summary = "a table's sums and squares, as an update",
    .description =
        "Writes three values for each column of numbers: the mean of its scaled values, of their "
        "squares, and the part of the rows that have a value. Submitted with the number of rows as "
        "weight, their mean over all parties gives mean and deviation of all rows together "
        "(veilsum table standardise), and no party's own.\n\n"
        "Values beyond centre +- scale count as the nearest of the two; how many do is printed. "
        "Every value of the update is within -1..1: the federation's clip-norm must be at least "
        "the square root of their number (or 0), its clipping-range 1.",
    .options = sums_options,
    .positionals = sums_positionals,
    .examples = "veilsum table sums train.csv --schema schema.csv --out sums.npy",
    .run = run_sums};

/* --- table standardise ----------------------------------------------------------------------- */

static vs_err standardise(vs_schema *schema, const vs_npy *sums, const char *path, vs_diag *diag)
{
    if (sums->n != (size_t)schema->n_numbers * VS_SCALE_N) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: %zu values; want %u for each of %u columns",
                       path, sums->n, VS_SCALE_N, schema->n_numbers);
    }
    const double *f = sums->data;
    for (size_t i = 0; i < schema->n_columns; i++) {
        vs_schema_column *c = &schema->column[i];
        double centre, deviation;
        if (c->kind != VS_SCHEMA_NUMBER) continue;
        if (vs_scale_fit(&centre, &deviation, f, 1, FLOOR) > 0) {
            return vs_fail(diag, VS_ERR_STATE,
                           "column \"%.60s\": its values differ by less than %g of the schema's "
                           "scale %g; give one nearer to them, or skip the column",
                           c->name, FLOOR, c->scale);
        }
        c->centre += c->scale * centre;
        c->scale *= deviation;
        c->scaled = true;
        f += VS_SCALE_N;
        (void)printf("%s: mean %.6g, deviation %.6g, known in %.2f %% of the rows\n", c->name,
                     c->centre, c->scale, 100 * f[-1]);
    }
    return VS_OK;
}

static int run_standardise(const vs_args *args)
{
    vs_schema schema = {0};
    vs_npy sums = {0};
    vs_buf text = {0};
    vs_diag diag;
    const char *path = vs_args_text(args, "sums"), *out = vs_args_text(args, "out");
    vs_err err = vs_schema_read(&schema, vs_args_text(args, "schema"), &diag);
    if (err == VS_OK)
        err = vs_npy_read(&sums, path, (size_t)VS_DATASET_FEATURES_MAX * VS_SCALE_N, &diag);
    if (err == VS_OK) err = standardise(&schema, &sums, path, &diag);
    if (err == VS_OK) {
        vs_schema_format(&text, &schema);
        err = vs_buf_check(&text);
        if (err != VS_OK) (void)vs_fail(&diag, err, "%s: out of memory", out);
    }
    if (err == VS_OK) err = vs_file_write_durable(out, text.p, text.len, 0644, &diag);
    vs_buf_free(&text);
    vs_npy_free(&sums);
    vs_schema_free(&schema);
    return err == VS_OK ? VS_EXIT_OK : vs_out_fail(&diag);
}

static const vs_opt standardise_options[] = {{.name = "schema",
                                              .arg = "FILE",
                                              .kind = VS_OPT_TEXT,
                                              .required = true,
                                              .help = "The schema that the sums were made with."},
                                             {.name = "sums",
                                              .arg = "FILE.npy",
                                              .kind = VS_OPT_TEXT,
                                              .required = true,
                                              .help = "The round's result (veilsum round result)."},
                                             {.name = "out",
                                              .arg = "FILE",
                                              .kind = VS_OPT_TEXT,
                                              .required = true,
                                              .help = "Where the new schema goes."},
                                             {0}};

const vs_command vs_cmd_table_standardise = {
    .name = "table standardise",
    .summary = "a schema with centre and scale from a sum",
    .description = "Writes the schema again with each number's mean as its centre and its standard "
                   "deviation as its scale, over the rows of all parties whose veilsum table sums "
                   "are in the round. Everybody makes the same file of the same result.",
    .options = standardise_options,
    .examples = "veilsum table standardise --schema schema.csv --sums mean.npy \\\n"
                "    --out schema-2.csv",
    .run = run_standardise};
