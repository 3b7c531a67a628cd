#include "cli/workload.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fl/digits.h"
#include "fl/draw.h"
#include "fl/scale.h"
#include "fl/schema.h"

/* Sub-seeds of the one seed. Rounds start at 1, so these meet no (round, client). */
enum { SEED_TRAIN = 1, SEED_TEST = 2, SEED_PARTITION = 3 };

static uint64_t sub_seed(const vs_workload *w, uint64_t what)
{
    return vs_draw_derive(w->seed, 0, what);
}

uint64_t vs_workload_seed(const vs_workload *w, uint64_t round, uint32_t client)
{
    return vs_draw_derive(w->seed, round, client);
}

/* "digits" or "digits:ROWS"? *rows = 0: it is a folder. */
static vs_err digits_rows(uint32_t *rows, const char *data, vs_diag *diag)
{
    static const char word[] = "digits";
    const size_t len = sizeof word - 1;
    *rows = 0;
    if (strncmp(data, word, len) != 0) return VS_OK;
    if (data[len] == '\0') *rows = VS_DIGITS_TRAIN_ROWS;
    if (data[len] != ':') return VS_OK;
    char *end = NULL;
    unsigned long v = strtoul(data + len + 1, &end, 10);
    if (data[len + 1] < '0' || data[len + 1] > '9' || *end != '\0' || v < 10 || v > 1000000) {
        return vs_fail(diag, VS_ERR_LIMIT, "data \"%s\": ROWS of digits:ROWS must be 10..1000000",
                       data);
    }
    *rows = (uint32_t)v;
    return VS_OK;
}

static vs_err cut(vs_partition *parts, const vs_workload *w, const uint8_t *labels, size_t n_rows,
                  vs_diag *diag)
{
    return vs_partition_make(parts, w->partition, labels, n_rows, w->n_clients,
                             sub_seed(w, SEED_PARTITION), diag);
}

static vs_err digits_part(vs_dataset *own, const vs_workload *w, uint32_t n_rows, uint32_t client,
                          vs_diag *diag)
{
    vs_partition parts = {0};
    uint8_t *labels = NULL;
    const uint64_t seed = sub_seed(w, SEED_TRAIN);
    vs_err err = vs_digits_labels(&labels, n_rows, seed, diag);
    if (err == VS_OK) err = cut(&parts, w, labels, n_rows, diag);
    if (err == VS_OK) {
        size_t n;
        const uint32_t *rows = vs_partition_rows(&parts, client - 1, &n);
        err = vs_digits_take(own, n_rows, seed, rows, n, diag);
    }
    vs_partition_free(&parts);
    free(labels);
    return err;
}

/* A folder by its schema, if there is one. test may be NULL. */
static vs_err load_folder(vs_dataset *train, vs_dataset *test, const vs_workload *w, vs_diag *diag)
{
    vs_schema schema = {0};
    vs_table_options table = w->table;
    vs_err err = w->schema == NULL ? VS_OK : vs_schema_read(&schema, w->schema, diag);
    if (err != VS_OK) return err;
    if (w->schema != NULL) table.schema = &schema;
    err = vs_dataset_load(train, test, w->data, &table, diag);
    if (err == VS_OK && w->schema != NULL && train->n_features != schema.n_features) {
        err = vs_fail(diag, VS_ERR_LIMIT, "%s: a schema is for CSV files", w->schema);
        vs_dataset_free(train);
        if (test != NULL) vs_dataset_free(test);
    }
    vs_schema_free(&schema);
    return err;
}

static vs_err folder_part(vs_dataset *own, const vs_workload *w, uint32_t client, vs_diag *diag)
{
    vs_dataset train = {0};
    vs_partition parts = {0};
    vs_err err = load_folder(&train, NULL, w, diag);
    if (err == VS_OK) err = cut(&parts, w, train.labels, train.n_rows, diag);
    if (err == VS_OK) {
        size_t n;
        const uint32_t *rows = vs_partition_rows(&parts, client - 1, &n);
        err = vs_dataset_take(own, &train, rows, n);
        if (err != VS_OK) (void)vs_fail(diag, err, "%s: out of memory", w->data);
    }
    vs_partition_free(&parts);
    vs_dataset_free(&train);
    return err;
}

vs_err vs_workload_part(vs_dataset *own, const vs_workload *w, uint32_t client, vs_diag *diag)
{
    uint32_t rows;
    VS_ASSERT(client >= 1 && client <= w->n_clients);
    *own = (vs_dataset){0};
    vs_err err = digits_rows(&rows, w->data, diag);
    if (err != VS_OK) return err;
    return rows > 0 ? digits_part(own, w, rows, client, diag) : folder_part(own, w, client, diag);
}

/* What all clients' sums would give, and both sets by it. */
static vs_err standardise(vs_dataset *train, vs_dataset *test, const vs_workload *w, vs_diag *diag)
{
    vs_schema schema = {0};
    uint32_t *list = NULL, n = 0;
    double *room = NULL;
    vs_err err = VS_OK;
    if (train->values == NULL) {
        return vs_fail(diag, VS_ERR_LIMIT, "standardise: pixels are scaled to 0..1 already");
    }
    if (w->schema != NULL) err = vs_schema_read(&schema, w->schema, diag);
    if (err != VS_OK) return err;
    const size_t width = train->n_features;
    list = calloc(width, sizeof *list);
    room = calloc(width * (VS_SCALE_N + 2), sizeof *room);
    if (list == NULL || room == NULL) {
        err = vs_fail(diag, VS_ERR_NOMEM, "out of memory for %zu features", width);
    } else {
        double *centre = room + width * VS_SCALE_N, *deviation = centre + width;
        vs_scale_list(list, &n, train->n_features, w->schema == NULL ? NULL : &schema);
        vs_scale_fractions(room, NULL, train, list, n, INFINITY);
        (void)vs_scale_fit(centre, deviation, room, n, 0);
        vs_scale_apply(train, list, centre, deviation, n);
        vs_scale_apply(test, list, centre, deviation, n);
    }
    free(list);
    free(room);
    vs_schema_free(&schema);
    return err;
}

vs_err vs_workload_all(vs_dataset *train, vs_dataset *test, vs_partition *parts,
                       const vs_workload *w, vs_diag *diag)
{
    uint32_t rows;
    *train = *test = (vs_dataset){0};
    *parts = (vs_partition){0};
    vs_err err = digits_rows(&rows, w->data, diag);
    if (err == VS_OK && rows > 0) {
        uint32_t test_rows = rows / (VS_DIGITS_TRAIN_ROWS / VS_DIGITS_TEST_ROWS);
        err = vs_digits_make(train, rows, sub_seed(w, SEED_TRAIN), diag);
        if (err == VS_OK) err = vs_digits_make(test, test_rows, sub_seed(w, SEED_TEST), diag);
    } else if (err == VS_OK) {
        err = load_folder(train, test, w, diag);
    }
    if (err == VS_OK && w->standardise) err = standardise(train, test, w, diag);
    if (err == VS_OK) err = cut(parts, w, train->labels, train->n_rows, diag);
    if (err != VS_OK) {
        vs_dataset_free(train);
        vs_dataset_free(test);
        vs_partition_free(parts);
    }
    return err;
}
