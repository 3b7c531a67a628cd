#include "fl/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "fl/csv.h"

/* What is known of a file while it is read. */
typedef struct table {
    vs_csv csv;
    const char *name;
    const vs_table_options *o;
    vs_diag *diag;
    size_t n_columns, label;  /* of the file; which column is the label */
    vs_buf names;             /* owned: of all columns, each with a final zero */
    size_t n_rows, n_missing; /* so far */
    float *values;            /* owned: n_rows of n_columns - 1; missing: NAN */
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
    err = vs_buf_check(&t->names);
    if (err == VS_OK) err = refuse_twins(t);
    if (err == VS_OK) err = find_label(t);
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

static vs_err read_value(table *t, size_t i, float *out)
{
    const char *field = vs_csv_field(&t->csv, i);
    char *end;
    *out = NAN;
    if (is_missing(field)) {
        t->n_missing++;
        if (t->o->impute != VS_IMPUTE_NONE) return VS_OK;
        return vs_fail(t->diag, VS_ERR_MALFORMED,
                       "%s: line %zu: column \"%.60s\": the value is missing; fill it in, or ask "
                       "for impute zero or mean",
                       t->name, t->csv.line, column_name(t, i));
    }
    float v = strtof(field, &end);
    if (*end != '\0' || end == field || strpbrk(field, "xXnN") != NULL) {
        return bad_field(t, i, "is not a decimal number");
    }
    if (!isfinite(v)) return bad_field(t, i, "is too large");
    *out = v;
    return VS_OK;
}

static vs_err read_label(table *t, uint8_t *out)
{
    const char *field = vs_csv_field(&t->csv, t->label);
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
    const size_t width = t->n_columns - 1;
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
    float *out = t->values + t->n_rows * (t->n_columns - 1);
    for (size_t i = 0; i < t->n_columns && err == VS_OK; i++) {
        if (i != t->label) err = read_value(t, i, out++);
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

/* Missing values of one column: zero, or the mean of the others. */
static vs_err fill_column(table *t, size_t column, size_t feature)
{
    const size_t width = t->n_columns - 1;
    double sum = 0.0;
    size_t n = 0;
    for (size_t row = 0; row < t->n_rows; row++) {
        float v = t->values[row * width + feature];
        if (isnan(v)) continue;
        sum += (double)v;
        n++;
    }
    if (n == 0 && t->o->impute == VS_IMPUTE_MEAN) {
        return vs_fail(t->diag, VS_ERR_MALFORMED,
                       "%s: column \"%.60s\" has no value, so no mean; leave it out, or ask for "
                       "impute zero",
                       t->name, column_name(t, column));
    }
    const float fill = t->o->impute == VS_IMPUTE_MEAN ? (float)(sum / (double)n) : 0.0f;
    for (size_t row = 0; row < t->n_rows; row++) {
        float *v = &t->values[row * width + feature];
        if (isnan(*v)) *v = fill;
    }
    return VS_OK;
}

static vs_err fill_missing(table *t)
{
    size_t feature = 0;
    vs_err err = VS_OK;
    if (t->n_missing == 0) return VS_OK;
    for (size_t i = 0; i < t->n_columns && err == VS_OK; i++) {
        if (i != t->label) err = fill_column(t, i, feature++);
    }
    return err;
}

/* --- the file -------------------------------------------------------------------------------- */

static void give(vs_dataset *out, vs_buf *columns, table *t)
{
    uint8_t most = 0;
    for (size_t i = 0; i < t->n_rows; i++) most = t->labels[i] > most ? t->labels[i] : most;
    *out = (vs_dataset){.n_rows = t->n_rows,
                        .n_features = (uint32_t)(t->n_columns - 1),
                        .n_classes = (uint32_t)most + 1,
                        .values = t->values,
                        .labels = t->labels};
    t->values = NULL;
    t->labels = NULL;
    for (size_t i = 0; columns != NULL && i < t->n_columns; i++) {
        const char *name = column_name(t, i);
        if (i != t->label) vs_buf_bytes(columns, name, strlen(name) + 1);
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
    if (err == VS_OK) {
        give(out, columns, &t);
        err = columns != NULL ? vs_buf_check(columns) : VS_OK;
        if (err != VS_OK) vs_dataset_free(out);
    }
    vs_csv_free(&t.csv);
    vs_buf_free(&t.names);
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
