/* fl/scale.h - centre and spread of the number columns of tables, from sums that can be added up
 * over parties without showing anybody's own.
 *
 * A party's fractions, three for each feature, over its n rows, z put into [-limit, limit]:
 *     sum of z / n, sum of z^2 / n, rows that have a value / n        (missing values: NAN)
 * Their mean over parties, weighted by n, is the fractions of all rows together; then
 *     centre = f0 / f2, deviation = sqrt(f1 / f2 - centre^2)
 * With limit 1 each is within [-1, 1], as the quantiser wants it. Secret: the rows and a party's
 * fractions; what is fitted becomes public. Not constant time: data stay with their owner. */
#ifndef VS_FL_SCALE_H
#define VS_FL_SCALE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fl/dataset.h"
#include "fl/schema.h"

#define VS_SCALE_N 3u /* fractions of a feature */

/* Which features are numbers: list[n_features] and *n. schema NULL: all. */
void vs_scale_list(uint32_t *list, uint32_t *n, uint32_t n_features, const vs_schema *schema);
/* fractions[VS_SCALE_N * n] of set's values (not pixels; at least one row). outside[n] (may be
 * NULL): how many values were put into the limits. */
void vs_scale_fractions(double *fractions, size_t *outside, const vs_dataset *set,
                        const uint32_t *list, uint32_t n, double limit);
/* centre[n], deviation[n]; a feature without values gets 0 and 1, a constant one deviation 1: its
 * deviation is no more than floor. Returns how many features had either. */
uint32_t vs_scale_fit(double *centre, double *deviation, const double *fractions, uint32_t n,
                      double floor);
/* (value - centre) / deviation, in place. */
void vs_scale_apply(vs_dataset *set, const uint32_t *list, const double *centre,
                    const double *deviation, uint32_t n);

#endif /* VS_FL_SCALE_H */
