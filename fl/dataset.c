#include "fl/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fl/idx.h"

enum { PATH_BYTES = 4096 };

void vs_dataset_free(vs_dataset *set)
{
    if (set == NULL) return;
    free(set->pixels);
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

static vs_err load_half(vs_dataset *out, const char *folder, const char *half, vs_diag *diag)
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

vs_err vs_dataset_load(vs_dataset *train, vs_dataset *test, const char *folder, vs_diag *diag)
{
    VS_ASSERT(train != NULL && test != NULL && folder != NULL);
    memset(train, 0, sizeof *train);
    memset(test, 0, sizeof *test);
    vs_err err = load_half(train, folder, "train", diag);
    if (err == VS_OK) err = load_half(test, folder, "t10k", diag);
    if (err == VS_OK && train->n_features != test->n_features) {
        err = vs_fail(diag, VS_ERR_MALFORMED,
                      "%s: training images have %u pixels, test images have %u", folder,
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

vs_err vs_dataset_take(vs_dataset *out, const vs_dataset *set, const uint32_t *rows, size_t n)
{
    VS_ASSERT(out != NULL && set != NULL && out != set && (rows != NULL || n == 0));
    VS_ASSERT(n <= VS_DATASET_ROWS_MAX);
    const size_t width = set->n_features;
    memset(out, 0, sizeof *out);
    uint8_t *pixels = malloc(n * width + 1);
    uint8_t *labels = malloc(n + 1);
    if (pixels == NULL || labels == NULL) {
        free(pixels);
        free(labels);
        return VS_ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        VS_ASSERT(rows[i] < set->n_rows);
        memcpy(pixels + i * width, set->pixels + rows[i] * width, width);
        labels[i] = set->labels[rows[i]];
    }
    *out = (vs_dataset){.n_rows = n,
                        .n_features = set->n_features,
                        .n_classes = set->n_classes,
                        .pixels = pixels,
                        .labels = labels};
    return VS_OK;
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
        const uint8_t *in = set->pixels + row * width;
        double *out = features + i * width;
        for (size_t j = 0; j < width; j++) out[j] = unit[in[j]];
    }
}
