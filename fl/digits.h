/* fl/digits.h - a data set for users without data: ten classes of glyphs that we draw.
 *
 * Each image is one of the digits 0 to 9 as pen strokes: rotated, sheared, scaled, shifted, bent,
 * with pen width and brightness varied, plus stray strokes and noise; 28 x 28 pixels. After 8
 * epochs over 20,000 images softmax regression reaches 84 % and 784-200-10 reaches 97 %
 * (tests/fl/test_digits.c holds the gap). 24,000 images take about a second to draw.
 * Deterministic from the seed, on one C library: the last bit of sin and cos may differ between
 * two. */
#ifndef VS_FL_DIGITS_H
#define VS_FL_DIGITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fl/dataset.h"

#define VS_DIGITS_SIDE 28u
#define VS_DIGITS_FEATURES ((size_t)VS_DIGITS_SIDE * VS_DIGITS_SIDE)
#define VS_DIGITS_CLASSES 10u
#define VS_DIGITS_TRAIN_ROWS 20000u /* what the demo uses */
#define VS_DIGITS_TEST_ROWS 4000u

/* n_rows images, classes in equal numbers (to within one), in random order. Use different seeds
 * for training and test. On VS_OK the caller owns *out (vs_dataset_free), else it is zero.
 * VS_ERR_LIMIT (1..VS_DATASET_ROWS_MAX rows), VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_digits_make(vs_dataset *out, uint32_t n_rows, uint64_t seed, vs_diag *diag);
/* Only the listed rows (each < n_rows) of the set that vs_digits_make would draw: what one client
 * of a simulation needs. rows NULL means all, n = n_rows. */
VS_MUST_CHECK vs_err vs_digits_take(vs_dataset *out, uint32_t n_rows, uint64_t seed,
                                    const uint32_t *rows, size_t n, vs_diag *diag);
/* Only the labels, n_rows of them, for a partition. The caller frees *out. */
VS_MUST_CHECK vs_err vs_digits_labels(uint8_t **out, uint32_t n_rows, uint64_t seed, vs_diag *diag);

/* Draw one image of class digit (0..9) into pixels[VS_DIGITS_FEATURES], from seed. */
void vs_digits_draw(uint8_t *pixels, uint32_t digit, uint64_t seed);

#endif /* VS_FL_DIGITS_H */
