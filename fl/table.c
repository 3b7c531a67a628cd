#include "fl/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "fl/csv.h"
#include "fl/schema.h"

/* A column of the file: its meaning (NULL: plain numbers), and its first feature. */
typedef struct place {
    const vs_schema_column *meaning;
    vs_schema_kind kind;
    uint32_t feature;
} place;

/* What is known of a file while it is read. */
typedef struct table {
    vs_csv csv;
    const char *name;
    const vs_table_options *o;
    vs_diag *diag;
    size_t n_columns, label;  /* of the file; which column is the label */
    place *column;            /* owned: n_columns */
    size_t width;             /* features of a row */
    vs_buf names;             /* owned: of all columns, each with a final zero */
    size_t n_rows, n_missing; /* so far */
    float *values;            /* owned: n_rows of width; missing: NAN */
    uint8_t *labels;          /* owned */
    size_t room;              /* rows */
} table;

static const char *column_name(const table *t, size_t i)
{
    const char *p = (const char *)t->names.p;
    while (i-- > 0) p += strlen(p) + 1;
    return p;
}

/* --- the first record ------------------------------------------------------------------------ */

static vs_err find_label(table *t)
{
    t->label = t->n_columns - 1;
    if (t->o->label == NULL) return VS_OK;
    for (size_t i = 0; i < t->n_columns; i++) {
        if (strcmp(vs_csv_field(&t->csv, i), t->o->label) == 0) {
            t->label = i;
            return VS_OK;
        }
    }
    return vs_fail(t->diag, VS_ERR_MALFORMED, "%s: has no column \"%.80s\" for the label", t->name,
                   t->o->label);
}

/* Without a schema: numbers in the order of the file, and the label. */
static void all_numbers(table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (i == t->label) {
            t->column[i] = (place){.kind = VS_SCHEMA_LABEL};
        } else {
            t->column[i] = (place){.kind = VS_SCHEMA_NUMBER, .feature = (uint32_t)t->width++};
        }
    }
}

/* Column by column, in any order. */
static vs_err by_schema(table *t)
{
    const vs_schema *s = t->o->schema;
    size_t n_used = 0, n_wanted = 0;
    t->width = s->n_features;
    for (size_t i = 0; i < t->n_columns; i++) {
        const vs_schema_column *c = vs_schema_find(s, vs_csv_field(&t->csv, i));
        if (c == NULL) {
            return vs_fail(t->diag, VS_ERR_MALFORMED,
                           "%s: column \"%.60s\" is not in the schema; add it there, as kind skip "
                           "if it is not to be used",
                           t->name, column_name(t, i));
        }
        t->column[i] = (place){.meaning = c, .kind = c->kind, .feature = c->feature};
        if (c->kind == VS_SCHEMA_LABEL) t->label = i;
        n_used += c->kind != VS_SCHEMA_SKIP;
    }
    for (size_t i = 0; i < s->n_columns; i++) n_wanted += s->column[i].kind != VS_SCHEMA_SKIP;
    for (size_t i = 0; i < s->n_columns && n_used < n_wanted; i++) {
        bool found = s->column[i].kind == VS_SCHEMA_SKIP;
        for (size_t k = 0; k < t->n_columns; k++) found |= t->column[k].meaning == &s->column[i];
        if (found) continue;
        return vs_fail(t->diag, VS_ERR_MALFORMED, "%s: has no column \"%.60s\" of the schema",
                       t->name, s->column[i].name);
    }
    return VS_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static vs_err refuse_twins(const table *t)
{
    const char **sorted = malloc(t->n_columns * sizeof *sorted);
    vs_err err = VS_OK;
    if (sorted == NULL) return vs_fail(t->diag, VS_ERR_NOMEM, "%s: out of memory", t->name);
    for (size_t i = 0; i < t->n_columns; i++) sorted[i] = vs_csv_field(&t->csv, i);
    qsort(sorted, t->n_columns, sizeof *sorted, by_text);
    for (size_t i = 1; i < t->n_columns && err == VS_OK; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0) {
            err =
                vs_fail(t->diag, VS_ERR_MALFORMED, "%s: line %zu: two columns are named \"%.80s\"",
                        t->name, t->csv.line, sorted[i]);
        }
    }
    free(sorted);
    return err;
}

static vs_err read_names(table *t)
{
    bool more;
    vs_err err = vs_csv_next(&t->csv, &more, t->diag);
    if (err != VS_OK) return err;
    if (!more) return vs_fail(t->diag, VS_ERR_MALFORMED, "%s: empty, not a CSV file", t->name);
    t->n_columns = t->csv.n_fields;
    if (t->n_columns < 2) {
        return vs_fail(t->diag, VS_ERR_MALFORMED,
                       "%s: line %zu: one column; want the names of features and a label", t->name,
                       t->csv.line);
    }
    for (size_t i = 0; i < t->n_columns; i++) {
        const char *name = vs_csv_field(&t->csv, i);
        vs_buf_bytes(&t->names, name, strlen(name) + 1);
    }
    t->column = calloc(t->n_columns, sizeof *t->column);
    if (vs_buf_check(&t->names) != VS_OK || t->column == NULL) {
        return vs_fail(t->diag, VS_ERR_NOMEM, "%s: out of memory", t->name);
    }
    err = refuse_twins(t);
    if (err == VS_OK && t->o->schema != NULL) return by_schema(t);
    if (err == VS_OK) err = find_label(t);
    if (err == VS_OK) all_numbers(t);
    return err;
}

/* --- rows ------------------------------------------------------------------------------------ */

static bool is_missing(const char *field)
{
    static const char *const words[] = {"", "na", "nan", "null", "?"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(field, words[i]) == 0) return true;
    }
    return false;
}

static vs_err bad_field(const table *t, size_t i, const char *want)
{
    return vs_fail(t->diag, VS_ERR_MALFORMED, "%s: line %zu: column \"%.60s\": \"%.40s\" %s",
                   t->name, t->csv.line, column_name(t, i), vs_csv_field(&t->csv, i), want);
}

/* Is the value missing, and may it be? */
static vs_err look_for_value(table *t, size_t i, bool *missing)
{
    *missing = is_missing(vs_csv_field(&t->csv, i));
    if (!*missing || t->o->impute != VS_IMPUTE_NONE) return VS_OK;
    return vs_fail(t->diag, VS_ERR_MALFORMED,
                   "%s: line %zu: column \"%.60s\": the value is missing; fill it in, or ask "
                   "for impute zero or mean",
                   t->name, t->csv.line, column_name(t, i));
}

static vs_err read_value(table *t, size_t i, float *out)
{
    const char *field = vs_csv_field(&t->csv, i);
    char *end;
    bool missing;
    *out = NAN;
    vs_err err = look_for_value(t, i, &missing);
    if (err != VS_OK) return err;
    if (missing) {
        t->n_missing++;
        return VS_OK;
    }
    float v = strtof(field, &end);
    if (*end != '\0' || end == field || strpbrk(field, "xXnN") != NULL) {
        return bad_field(t, i, "is not a decimal number");
    }
    if (!isfinite(v)) return bad_field(t, i, "is too large");
    *out = v;
    return VS_OK;
}

/* One feature for each category, all 0 where the value is missing. */
static vs_err read_category(table *t, size_t i, float *out)
{
    const vs_schema_column *c = t->column[i].meaning;
    uint32_t which;
    bool missing;
    for (uint32_t k = 0; k < c->n_values; k++) out[k] = 0;
    if (!vs_schema_value(&which, c, vs_csv_field(&t->csv, i)) ||
        (c->other && which == c->n_values - 1)) {
        vs_err err = look_for_value(t, i, &missing);
        if (err != VS_OK || missing) return err;
        if (!c->other) return bad_field(t, i, "is not among the schema's categories");
    }
    out[which] = 1;
    return VS_OK;
}

static vs_err read_label(table *t, uint8_t *out)
{
    const char *field = vs_csv_field(&t->csv, t->label);
    const vs_schema_column *c = t->column[t->label].meaning;
    uint32_t which;
    if (c != NULL && c->n_values > 0) {
        if (!vs_schema_value(&which, c, field)) {
            return bad_field(t, t->label, "is not among the schema's labels");
        }
        *out = (uint8_t)which;
        return VS_OK;
    }
    unsigned v = 0;
    size_t len = strlen(field);
    for (size_t k = 0; k < len && v < 256; k++) {
        v = field[k] >= '0' && field[k] <= '9' ? 10 * v + (unsigned)(field[k] - '0') : 256;
    }
    if (len == 0 || v > 255) return bad_field(t, t->label, "is not a label: want 0, 1, ... 255");
    *out = (uint8_t)v;
    return VS_OK;
}

static vs_err make_room(table *t)
{
    const size_t width = t->width;
    const size_t most = VS_DATASET_BYTES_MAX / (width * sizeof *t->values);
    if (t->n_rows < t->room) return VS_OK;
    if (t->n_rows >= VS_DATASET_ROWS_MAX || t->n_rows >= most) {
        return vs_fail(t->diag, VS_ERR_LIMIT, "%s: line %zu: more rows than the limit of %zu",
                       t->name, t->csv.line,
                       most < VS_DATASET_ROWS_MAX ? most : VS_DATASET_ROWS_MAX);
    }
    const size_t room = t->room == 0 ? 256 : 2 * t->room;
    float *values = realloc(t->values, room * width * sizeof *values);
    if (values != NULL) t->values = values;
    uint8_t *labels = realloc(t->labels, room);
    if (labels != NULL) t->labels = labels;
    if (values == NULL || labels == NULL) {
        return vs_fail(t->diag, VS_ERR_NOMEM, "%s: out of memory for %zu rows", t->name, room);
    }
    t->room = room;
    return VS_OK;
}

static vs_err read_row(table *t)
{
    if (t->csv.n_fields != t->n_columns) {
        return vs_fail(t->diag, VS_ERR_MALFORMED,
                       "%s: line %zu: %zu fields, the first line has %zu", t->name, t->csv.line,
                       t->csv.n_fields, t->n_columns);
    }
    vs_err err = make_room(t);
    if (err != VS_OK) return err;
    float *row = t->values + t->n_rows * t->width;
    for (size_t i = 0; i < t->n_columns && err == VS_OK; i++) {
        float *out = row + t->column[i].feature;
        if (t->column[i].kind == VS_SCHEMA_NUMBER) err = read_value(t, i, out);
        if (t->column[i].kind == VS_SCHEMA_CATEGORY) err = read_category(t, i, out);
    }
    if (err == VS_OK) err = read_label(t, &t->labels[t->n_rows]);
    if (err == VS_OK) t->n_rows++;
    return err;
}

static vs_err read_rows(table *t)
{
    for (;;) {
        bool more;
        vs_err err = vs_csv_next(&t->csv, &more, t->diag);
        if (err == VS_OK && more) err = read_row(t);
        if (err != VS_OK) return err;
        if (!more) break;
    }
    if (t->n_rows > 0) return VS_OK;
    return vs_fail(t->diag, VS_ERR_MALFORMED, "%s: has no rows after its first line", t->name);
}

/* Missing values of one column: zero, the schema's centre, or the mean of the others. */
static vs_err fill_column(table *t, size_t column)
{
    const size_t width = t->width, feature = t->column[column].feature;
    const vs_schema_column *c = t->column[column].meaning;
    const bool given = c != NULL && c->scaled;
    double sum = 0.0;
    size_t n = 0;
    for (size_t row = 0; row < t->n_rows; row++) {
        float v = t->values[row * width + feature];
        if (isnan(v)) continue;
        sum += (double)v;
        n++;
    }
    if (n == 0 && t->o->impute == VS_IMPUTE_MEAN && !given) {
        return vs_fail(t->diag, VS_ERR_MALFORMED,
                       "%s: column \"%.60s\" has no value, so no mean; leave it out, or ask for "
                       "impute zero",
                       t->name, column_name(t, column));
    }
    const double mean = given ? c->centre : sum / (double)n;
    const float fill = t->o->impute == VS_IMPUTE_MEAN ? (float)mean : 0.0f;
    for (size_t row = 0; row < t->n_rows; row++) {
        float *v = &t->values[row * width + feature];
        if (isnan(*v)) *v = fill;
    }
    return VS_OK;
}

static vs_err fill_missing(table *t)
{
    vs_err err = VS_OK;
    if (t->n_missing == 0 || t->o->impute == VS_IMPUTE_KEEP) return VS_OK;
    for (size_t i = 0; i < t->n_columns && err == VS_OK; i++) {
        if (t->column[i].kind == VS_SCHEMA_NUMBER) err = fill_column(t, i);
    }
    return err;
}

/* (value - centre) / scale, where the schema says so. */
static vs_err scale_columns(table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        const vs_schema_column *c = t->column[i].meaning;
        if (c == NULL || !c->scaled) continue;
        for (size_t row = 0; row < t->n_rows; row++) {
            float *v = &t->values[row * t->width + t->column[i].feature];
            *v = (float)(((double)*v - c->centre) / c->scale);
            if (!isinf(*v)) continue;
            return vs_fail(t->diag, VS_ERR_MALFORMED,
                           "%s: column \"%.60s\": too large after scaling by the schema", t->name,
                           column_name(t, i));
        }
    }
    return VS_OK;
}

/* --- the file -------------------------------------------------------------------------------- */

static void give(vs_dataset *out, vs_buf *columns, table *t)
{
    const vs_schema_column *label = t->column[t->label].meaning;
    uint8_t most = label != NULL && label->n_values > 0 ? (uint8_t)(label->n_values - 1) : 0;
    for (size_t i = 0; i < t->n_rows; i++) most = t->labels[i] > most ? t->labels[i] : most;
    *out = (vs_dataset){.n_rows = t->n_rows,
                        .n_features = (uint32_t)t->width,
                        .n_classes = (uint32_t)most + 1,
                        .values = t->values,
                        .labels = t->labels};
    t->values = NULL;
    t->labels = NULL;
    for (size_t i = 0; columns != NULL && i < t->n_columns; i++) {
        const char *name = column_name(t, i);
        const bool used = t->column[i].kind != VS_SCHEMA_SKIP && i != t->label;
        if (used) vs_buf_bytes(columns, name, strlen(name) + 1);
    }
}

vs_err vs_table_parse(vs_dataset *out, vs_buf *columns, const uint8_t *bytes, size_t len,
                      const char *name, const vs_table_options *o, vs_diag *diag)
{
    static const vs_table_options defaults = {0};
    VS_ASSERT(out != NULL && name != NULL);
    table t = {.name = name, .o = o != NULL ? o : &defaults, .diag = diag};
    memset(out, 0, sizeof *out);
    vs_csv_open(&t.csv, bytes, len, name);
    vs_err err = read_names(&t);
    if (err == VS_OK) err = read_rows(&t);
    if (err == VS_OK) err = fill_missing(&t);
    if (err == VS_OK) err = scale_columns(&t);
    if (err == VS_OK) {
        give(out, columns, &t);
        err = columns != NULL ? vs_buf_check(columns) : VS_OK;
        if (err != VS_OK) {
            vs_dataset_free(out);
            (void)vs_fail(diag, err, "%s: out of memory", name);
        }
    }
    vs_csv_free(&t.csv);
    vs_buf_free(&t.names);
    free(t.column);
    free(t.values);
    free(t.labels);
    return err;
}

vs_err vs_table_read(vs_dataset *out, vs_buf *columns, const char *path, const vs_table_options *o,
                     vs_diag *diag)
{
    vs_map map;
    VS_ASSERT(out != NULL && path != NULL);
    memset(out, 0, sizeof *out);
    vs_err err = vs_map_file(&map, path, diag);
    if (err != VS_OK) return err;
    err = vs_table_parse(out, columns, map.p, map.len, path, o, diag);
    vs_unmap(&map);
    return err;
}

vs_err vs_impute_parse(vs_impute *out, const char *name, vs_diag *diag)
{
    static const char *const names[] = {"none", "zero", "mean"};
    VS_ASSERT(out != NULL && name != NULL);
    *out = VS_IMPUTE_NONE;
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (vs_impute)i;
        return VS_OK;
    }
    return vs_fail(diag, VS_ERR_MALFORMED, "impute \"%.40s\": want none, zero or mean", name);
}
