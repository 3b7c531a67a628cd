/* mpc/pack.h - coordinates into field elements and back (slots), elements into columns.
 *
 * Element e holds coordinates e*S .. e*S+S-1, the first in the lowest bits, each in a slot of
 * w bits that N clients' sums cannot overflow. Element e sits in column floor(e/k), secret
 * position e mod k. Padding is zero. Constant time in the values. */
#ifndef VS_MPC_PACK_H
#define VS_MPC_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "mpc/field.h"
#include "mpc/params.h"

/* Secrets of columns [first_col, first_col + cols) as k rows: rows[i][c] is secret i+1 of column
 * first_col + c. coords points at coordinate first_col*k*S and holds coords_len values
 * < 2^bits (checked by VS_VERIFY only); coordinates beyond it count as zero. */
void vs_pack_columns(const vs_layout *layout, vs_fe *const *rows, const uint32_t *coords,
                     size_t coords_len, size_t cols);

/* The reverse for sums: coords receives min(coords_cap, k*S*cols) sums. Returns VS_ERR_LIMIT if
 * an element is >= 2^(S*w) or a slot exceeds max_sum or a coordinate at or beyond coords_cap is
 * not zero (the caller passes coords_cap = how many of these coordinates are below L). */
VS_MUST_CHECK vs_err vs_unpack_columns(const vs_layout *layout, uint64_t *coords, size_t coords_cap,
                                       const vs_fe *const *rows, size_t cols, uint64_t max_sum);

#endif /* VS_MPC_PACK_H */
