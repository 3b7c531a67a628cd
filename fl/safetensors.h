/* fl/safetensors.h - the .safetensors format (huggingface.co/docs/safetensors).
 *
 * u64 little-endian length of the header; the header, a JSON object of
 * "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]} and perhaps
 * "__metadata__" (strings), padded with spaces; then the values, little-endian, in C order: offsets
 * count from there, without overlap or hole, to the end of the file. */
#ifndef VS_FL_SAFETENSORS_H
#define VS_FL_SAFETENSORS_H

#include "base/bytes.h"
#include "fl/tensors.h"

#define VS_SAFETENSORS_HEADER_MAX (UINT32_C(1) << 21) /* bytes */

/* See vs_tensors_parse. On error the caller frees what is in *out. */
VS_MUST_CHECK vs_err vs_safetensors_parse(vs_tensors *out, const uint8_t *bytes, size_t len,
                                          const char *name, size_t max_n, vs_diag *diag);
/* Append length and header for these tensors, whose values follow each other in this order. Its
 * length is a multiple of 8. */
void vs_safetensors_head_put(vs_buf *out, const vs_tensor_shape *shapes, const vs_dtype *dtypes,
                             uint32_t count);

#endif /* VS_FL_SAFETENSORS_H */
