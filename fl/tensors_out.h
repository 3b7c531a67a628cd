/* fl/tensors_out.h - writes named arrays as .npy, .npz (stored) or .safetensors, value by value.
 *
 * Names, shapes and types are given first, then the values of all of them in this order, any number
 * at a time: memory is a few hundred kilobytes, whatever is written. The file appears whole and
 * durable or not at all, readable by its owner only. */
#ifndef VS_FL_TENSORS_OUT_H
#define VS_FL_TENSORS_OUT_H

#include "base/err.h"
#include "fl/tensors.h"

typedef struct vs_tensors_out vs_tensors_out;

/* count tensors, 1..VS_TENSORS_MAX, borrowed until free: distinct names as vs_tensor_name_check
 * wants them (in a .npy: one tensor, its name is not written). .npy and .npz have F64 and F32 only:
 * half types become F32 there. On VS_OK the caller owns *out, else it is NULL. */
VS_MUST_CHECK vs_err vs_tensors_out_new(vs_tensors_out **out, const char *path,
                                        vs_container container, const vs_tensor_shape *shapes,
                                        const vs_dtype *dtypes, uint32_t count, vs_diag *diag);
/* The next n values; more than the shapes hold is a caller bug. */
VS_MUST_CHECK vs_err vs_tensors_out_put(vs_tensors_out *t, const double *values, size_t n,
                                        vs_diag *diag);
/* All values have been put: in place and durable. */
VS_MUST_CHECK vs_err vs_tensors_out_commit(vs_tensors_out *t, vs_diag *diag);
void vs_tensors_out_free(vs_tensors_out *t); /* NULL is a no-op */

#endif /* VS_FL_TENSORS_OUT_H */
