/* fl/dataset.h - labelled images held as bytes, from IDX files or generated (fl/digits.h).
 *
 * Shape: n_rows rows of n_features pixels (0..255) and one label (0..n_classes-1) each. Features
 * become doubles, pixel/255, one batch at a time: a client's memory stays at one byte a pixel.
 * Private to the client that holds it; nothing here is constant time. */
#ifndef VS_FL_DATASET_H
#define VS_FL_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define VS_DATASET_ROWS_MAX (UINT32_C(1) << 24)
#define VS_DATASET_FEATURES_MAX 65536u

typedef struct vs_dataset {
    size_t n_rows;
    uint32_t n_features;
    uint32_t n_classes; /* largest label + 1, at most 256 */
    uint8_t *pixels;    /* owned; n_rows * n_features, row-major */
    uint8_t *labels;    /* owned; n_rows */
} vs_dataset;

/* Read train-images-idx3-ubyte, train-labels-idx1-ubyte and the two t10k- files, each plain or
 * with .gz, from folder. Both sets get the larger n_classes. On VS_OK the caller owns both
 * (vs_dataset_free), else both are zero. Errors name the file: missing, truncated, wrong magic,
 * images and labels that differ in number. */
VS_MUST_CHECK vs_err vs_dataset_load(vs_dataset *train, vs_dataset *test, const char *folder,
                                     vs_diag *diag);
/* One pair of files. */
VS_MUST_CHECK vs_err vs_dataset_load_pair(vs_dataset *out, const char *images_path,
                                          const char *labels_path, vs_diag *diag);
void vs_dataset_free(vs_dataset *set);

/* A set of its own with the listed rows, in that order; the caller may then free the large one.
 * Every rows[i] < set->n_rows. Keeps n_classes. VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_dataset_take(vs_dataset *out, const vs_dataset *set, const uint32_t *rows,
                                     size_t n);

/* Copy the listed rows to features[n][n_features] as pixel/255. rows NULL means first, first+1,
 * ...; first is ignored otherwise. */
void vs_dataset_features(double *features, const vs_dataset *set, const uint32_t *rows,
                         size_t first, size_t n);

#endif /* VS_FL_DATASET_H */
