#include "fl/dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/file.h"
#include "fl/idx.h"
#include "fl/npy.h"
#include "fl/table.h"

enum { PATH_BYTES = 4096 };

void vs_dataset_free(vs_dataset *set)
{
    if (set == NULL) return;
    const size_t n = set->n_rows * set->n_features;
    if (set->pixels != NULL) sodium_memzero(set->pixels, n);
    if (set->values != NULL) sodium_memzero(set->values, n * sizeof *set->values);
    if (set->labels != NULL) sodium_memzero(set->labels, set->n_rows);
    free(set->pixels);
    free(set->values);
    free(set->labels);
    memset(set, 0, sizeof *set);
}

static uint32_t count_classes(const uint8_t *labels, size_t n)
{
    uint8_t max = 0;
    for (size_t i = 0; i < n; i++) max = labels[i] > max ? labels[i] : max;
    return (uint32_t)max + 1;
}

vs_err vs_dataset_load_pair(vs_dataset *out, const char *images_path, const char *labels_path,
                            vs_diag *diag)
{
    VS_ASSERT(out != NULL && images_path != NULL && labels_path != NULL);
    vs_idx images;
    vs_idx labels = {0};
    memset(out, 0, sizeof *out);
    vs_err err = vs_idx_read(&images, images_path, 3, diag);
    if (err == VS_OK) err = vs_idx_read(&labels, labels_path, 1, diag);
    if (err == VS_OK && images.dims[0] != labels.dims[0]) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s has %u images, but %s has %u labels", images_path,
                      images.dims[0], labels_path, labels.dims[0]);
    }
    size_t n_features = err == VS_OK ? (size_t)images.dims[1] * images.dims[2] : 0;
    if (err == VS_OK &&
        (images.dims[0] > VS_DATASET_ROWS_MAX || n_features > VS_DATASET_FEATURES_MAX)) {
        err = vs_fail(diag, VS_ERR_LIMIT,
                      "%s: %u images of %zu pixels, the limits are %u images and %u pixels",
                      images_path, images.dims[0], n_features, VS_DATASET_ROWS_MAX,
                      VS_DATASET_FEATURES_MAX);
    }
    if (err == VS_OK) {
        out->n_rows = images.dims[0];
        out->n_features = (uint32_t)n_features;
        out->n_classes = count_classes(labels.data, labels.n);
        out->pixels = images.data; /* moved */
        out->labels = labels.data;
        images.data = NULL;
        labels.data = NULL;
    }
    vs_idx_free(&images);
    vs_idx_free(&labels);
    return err;
}

/* folder/stem or folder/stem.gz, whichever is there; plain wins. */
static vs_err find_file(char path[PATH_BYTES], const char *folder, const char *stem, vs_diag *diag)
{
    static const char *const ends[] = {"", ".gz"};
    for (size_t i = 0; i < 2; i++) {
        int n = snprintf(path, PATH_BYTES, "%s/%s%s", folder, stem, ends[i]);
        if (n < 0 || n >= PATH_BYTES) {
            return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", folder);
        }
        if (vs_file_exists(path)) return VS_OK;
    }
    return vs_fail(diag, VS_ERR_IO, "%s: has no %s or %s.gz", folder, stem, stem);
}

static vs_err load_idx_half(vs_dataset *out, const char *folder, const char *half, vs_diag *diag)
{
    char stem[64];
    char images[PATH_BYTES];
    char labels[PATH_BYTES];
    (void)snprintf(stem, sizeof stem, "%s-images-idx3-ubyte", half);
    vs_err err = find_file(images, folder, stem, diag);
    if (err != VS_OK) return err;
    (void)snprintf(stem, sizeof stem, "%s-labels-idx1-ubyte", half);
    err = find_file(labels, folder, stem, diag);
    if (err != VS_OK) return err;
    return vs_dataset_load_pair(out, images, labels, diag);
}

static vs_err load_idx(vs_dataset *train, vs_dataset *test, const char *folder, vs_diag *diag)
{
    vs_err err = load_idx_half(train, folder, "train", diag);
    return err == VS_OK && test != NULL ? load_idx_half(test, folder, "t10k", diag) : err;
}

/* --- arrays ---------------------------------------------------------------------------------- */

/* x[rows][features...] and y[rows] fit together. */
static vs_err check_arrays(const vs_npy *x, const vs_npy *y, const char *x_path, const char *y_path,
                           vs_diag *diag)
{
    if (x->n_dims < 2 || x->n == 0) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: want an array of rows x features", x_path);
    }
    if (y->n != x->dims[0]) {
        return vs_fail(diag, VS_ERR_MALFORMED, "%s has %zu rows, but %s has %zu labels", x_path,
                       x->dims[0], y_path, y->n);
    }
    if (x->dims[0] > VS_DATASET_ROWS_MAX || x->n / x->dims[0] > VS_DATASET_FEATURES_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "%s: %zu rows of %zu features, the limits are %u rows and %u features",
                       x_path, x->dims[0], x->n / x->dims[0], VS_DATASET_ROWS_MAX,
                       VS_DATASET_FEATURES_MAX);
    }
    for (size_t i = 0; i < y->n; i++) {
        if (y->data[i] >= 0.0 && y->data[i] <= 255.0 && floor(y->data[i]) == y->data[i]) continue;
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: label %zu is %g: want 0, 1, ... 255", y_path, i,
                       y->data[i]);
    }
    for (size_t i = 0; i < x->n; i++) {
        if (isfinite((float)x->data[i])) continue;
        return vs_fail(diag, VS_ERR_MALFORMED, "%s: row %zu: %g is not a finite number", x_path,
                       i / (x->n / x->dims[0]), x->data[i]);
    }
    return VS_OK;
}

vs_err vs_dataset_load_arrays(vs_dataset *out, const char *x_path, const char *y_path,
                              vs_diag *diag)
{
    VS_ASSERT(out != NULL && x_path != NULL && y_path != NULL);
    vs_npy x;
    vs_npy y = {0};
    memset(out, 0, sizeof *out);
    vs_err err = vs_npy_read(&x, x_path, VS_DATASET_BYTES_MAX / sizeof(float), diag);
    if (err == VS_OK) err = vs_npy_read(&y, y_path, VS_DATASET_ROWS_MAX, diag);
    if (err == VS_OK) err = check_arrays(&x, &y, x_path, y_path, diag);
    if (err == VS_OK) {
        *out = (vs_dataset){.n_rows = x.dims[0],
                            .n_features = (uint32_t)(x.n / x.dims[0]),
                            .values = malloc(x.n * sizeof(float)),
                            .labels = malloc(y.n)};
        if (out->values == NULL || out->labels == NULL) {
            free(out->values);
            free(out->labels);
            memset(out, 0, sizeof *out);
            err = vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory for %zu values", x_path, x.n);
        }
    }
    if (err == VS_OK) {
        for (size_t i = 0; i < x.n; i++) out->values[i] = (float)x.data[i];
        for (size_t i = 0; i < y.n; i++) out->labels[i] = (uint8_t)y.data[i];
        out->n_classes = count_classes(out->labels, y.n);
    }
    vs_npy_free(&x);
    vs_npy_free(&y);
    return err;
}

/* --- a folder -------------------------------------------------------------------------------- */

static bool has(char path[PATH_BYTES], const char *folder, const char *name)
{
    int n = snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return n > 0 && n < PATH_BYTES && vs_file_exists(path);
}

static vs_err load_tables(vs_dataset *train, vs_dataset *test, const char *train_path,
                          const char *test_path, const vs_table_options *options, vs_diag *diag)
{
    vs_buf names[2] = {{0}, {0}};
    vs_err err = vs_table_read(train, &names[0], train_path, options, diag);
    if (err == VS_OK && test != NULL) {
        err = vs_table_read(test, &names[1], test_path, options, diag);
    }
    /* By a schema features are the same, in whatever order the columns stand. */
    if (err == VS_OK && test != NULL && (options == NULL || options->schema == NULL) &&
        (names[0].len != names[1].len || memcmp(names[0].p, names[1].p, names[0].len) != 0)) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s and %s differ in the names of their columns",
                      train_path, test_path);
    }
    vs_buf_free(&names[0]);
    vs_buf_free(&names[1]);
    return err;
}

static vs_err load_arrays(vs_dataset *train, vs_dataset *test, const char *folder, vs_diag *diag)
{
    static const char *const stems[] = {"train", "test"};
    vs_dataset *const sets[] = {train, test};
    vs_err err = VS_OK;
    for (int i = 0; i < (test != NULL ? 2 : 1) && err == VS_OK; i++) {
        char x[PATH_BYTES], y[PATH_BYTES];
        int n = snprintf(x, sizeof x, "%s/%s-x.npy", folder, stems[i]);
        VS_ASSERT(n > 0 && n < PATH_BYTES); /* the caller found train-x.npy in it */
        (void)snprintf(y, sizeof y, "%s/%s-y.npy", folder, stems[i]);
        err = vs_dataset_load_arrays(sets[i], x, y, diag);
    }
    return err;
}

vs_err vs_dataset_load(vs_dataset *train, vs_dataset *test, const char *folder,
                       const vs_table_options *options, vs_diag *diag)
{
    char path[PATH_BYTES], test_path[PATH_BYTES];
    vs_err err;
    VS_ASSERT(train != NULL && folder != NULL);
    memset(train, 0, sizeof *train);
    if (test != NULL) memset(test, 0, sizeof *test);
    if ((has(test_path, folder, "test.csv") || test == NULL) && has(path, folder, "train.csv")) {
        err = load_tables(train, test, path, test_path, options, diag);
    } else if (has(path, folder, "train-x.npy")) {
        err = load_arrays(train, test, folder, diag);
    } else {
        err = load_idx(train, test, folder, diag);
        if (err == VS_ERR_IO && !has(path, folder, "train-images-idx3-ubyte") &&
            !has(path, folder, "train-images-idx3-ubyte.gz")) {
            err =
                vs_fail(diag, err,
                        "%.400s: has no train-images-idx3-ubyte or train-images-idx3-ubyte.gz, no "
                        "train-x.npy, and no train.csv%s",
                        folder, test == NULL ? "" : " with test.csv");
        }
    }
    if (err == VS_OK && test == NULL) return VS_OK;
    if (err == VS_OK && train->n_features != test->n_features) {
        err = vs_fail(diag, VS_ERR_MALFORMED,
                      "%s: the training set has %u features (pixels), the test set has %u", folder,
                      train->n_features, test->n_features);
    }
    if (err != VS_OK) {
        vs_dataset_free(train);
        vs_dataset_free(test);
        return err;
    }
    uint32_t n = train->n_classes > test->n_classes ? train->n_classes : test->n_classes;
    train->n_classes = n;
    test->n_classes = n;
    return VS_OK;
}

/* to[n][width] = the listed rows of from. */
static void *take_rows(const void *from, size_t width, const uint32_t *rows, size_t n)
{
    uint8_t *to = malloc(n * width + 1);
    for (size_t i = 0; to != NULL && i < n; i++) {
        memcpy(to + i * width, (const uint8_t *)from + rows[i] * width, width);
    }
    return to;
}

vs_err vs_dataset_take(vs_dataset *out, const vs_dataset *set, const uint32_t *rows, size_t n)
{
    VS_ASSERT(out != NULL && set != NULL && out != set && (rows != NULL || n == 0));
    VS_ASSERT(n <= VS_DATASET_ROWS_MAX);
    for (size_t i = 0; i < n; i++) VS_ASSERT(rows[i] < set->n_rows);
    *out = (vs_dataset){.n_rows = n, .n_features = set->n_features, .n_classes = set->n_classes};
    if (set->pixels != NULL) {
        out->pixels = take_rows(set->pixels, set->n_features, rows, n);
    } else {
        out->values = take_rows(set->values, set->n_features * sizeof(float), rows, n);
    }
    out->labels = take_rows(set->labels, 1, rows, n);
    if ((out->pixels != NULL || out->values != NULL) && out->labels != NULL) return VS_OK;
    vs_dataset_free(out);
    return VS_ERR_NOMEM;
}

void vs_dataset_features(double *features, const vs_dataset *set, const uint32_t *rows,
                         size_t first, size_t n)
{
    VS_ASSERT(features != NULL && set != NULL);
    const size_t width = set->n_features;
    double unit[256]; /* pixel/255 divided once: as the reference, and no division per pixel */
    for (int v = 0; v < 256; v++) unit[v] = v / 255.0;
    for (size_t i = 0; i < n; i++) {
        size_t row = rows != NULL ? rows[i] : first + i;
        VS_ASSERT(row < set->n_rows);
        double *out = features + i * width;
        if (set->pixels != NULL) {
            const uint8_t *in = set->pixels + row * width;
            for (size_t j = 0; j < width; j++) out[j] = unit[in[j]];
        } else {
            const float *in = set->values + row * width;
            for (size_t j = 0; j < width; j++) out[j] = (double)in[j];
        }
    }
}
