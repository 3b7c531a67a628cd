/* fl/dataset.h - labelled rows: images held as bytes (IDX files, fl/digits.h), or numbers (CSV,
 * .npy).
 *
 * Shape: n_rows rows of n_features pixels (0..255) or values, and one label (0..n_classes-1) each.
 * Features become doubles one batch at a time, a pixel as pixel/255: a client's memory stays at one
 * byte a pixel, four a value. Private to the client that holds it; nothing here is constant time.
 */
#ifndef VS_FL_DATASET_H
#define VS_FL_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* How a CSV file is read; zero is the default. */
typedef enum vs_impute {
    VS_IMPUTE_NONE, /* a missing value is an error */
    VS_IMPUTE_ZERO,
    VS_IMPUTE_MEAN, /* the schema's centre; without one, of the column's values in the same file */
    VS_IMPUTE_KEEP, /* they stay NAN: for fl/scale.h, not for training */
} vs_impute;

struct vs_schema;

typedef struct vs_table_options {
    const char *label; /* borrowed: name of the label's column; NULL: the last */
    vs_impute impute;
    const struct vs_schema *schema; /* borrowed: what columns mean (fl/schema.h), the label too;
                                       NULL: all are numbers */
} vs_table_options;

#define VS_DATASET_ROWS_MAX (UINT32_C(1) << 24)
#define VS_DATASET_FEATURES_MAX 65536u
#define VS_DATASET_BYTES_MAX ((size_t)8 << 30) /* of pixels or values */

typedef struct vs_dataset {
    size_t n_rows;
    uint32_t n_features;
    uint32_t n_classes; /* largest label + 1, at most 256 */
    uint8_t *pixels;    /* owned; n_rows * n_features, row-major; or NULL and then */
    float *values;      /* owned; as many, finite */
    uint8_t *labels;    /* owned; n_rows */
} vs_dataset;

/* Read a training and a test set from folder, which holds one of
 *   train-images-idx3-ubyte, train-labels-idx1-ubyte and the two t10k- files, each plain or .gz;
 *   train.csv and test.csv (fl/table.h; options may be NULL: the defaults);
 *   train-x.npy [rows, features...], train-y.npy [rows], test-x.npy and test-y.npy.
 * Both sets get the larger n_classes. On VS_OK the caller owns both (vs_dataset_free), else both
 * are zero. Errors name the file: missing, truncated, wrong magic, rows and labels that differ in
 * number. test may be NULL: then train.csv alone, or the training half, is enough. */
VS_MUST_CHECK vs_err vs_dataset_load(vs_dataset *train, vs_dataset *test, const char *folder,
                                     const vs_table_options *options, vs_diag *diag);
/* One pair of IDX files, or of .npy files (labels: whole numbers 0 to 255). */
VS_MUST_CHECK vs_err vs_dataset_load_pair(vs_dataset *out, const char *images_path,
                                          const char *labels_path, vs_diag *diag);
VS_MUST_CHECK vs_err vs_dataset_load_arrays(vs_dataset *out, const char *x_path, const char *y_path,
                                            vs_diag *diag);
void vs_dataset_free(vs_dataset *set); /* wipes */

/* A set of its own with the listed rows, in that order; the caller may then free the large one.
 * Every rows[i] < set->n_rows. Keeps n_classes. VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_dataset_take(vs_dataset *out, const vs_dataset *set, const uint32_t *rows,
                                     size_t n);

/* Copy the listed rows to features[n][n_features], pixels as pixel/255. rows NULL means first,
 * first+1,
 * ...; first is ignored otherwise. */
void vs_dataset_features(double *features, const vs_dataset *set, const uint32_t *rows,
                         size_t first, size_t n);

#endif /* VS_FL_DATASET_H */
