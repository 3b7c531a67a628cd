/* fl/dtype.h - floating-point types of array files: little-endian bytes to double and back.
 *
 * Secret: values. Timing: depends on counts only (the conversions of half types branch on classes
 * of values and are not claimed constant time). */
#ifndef VS_FL_DTYPE_H
#define VS_FL_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum vs_dtype {
    VS_DTYPE_F64,
    VS_DTYPE_F32,
    VS_DTYPE_F16,  /* IEEE 754 binary16 */
    VS_DTYPE_BF16, /* the upper half of binary32 */
} vs_dtype;

size_t vs_dtype_size(vs_dtype dtype);      /* bytes of a value: 8, 4, 2, 2 */
const char *vs_dtype_name(vs_dtype dtype); /* as in .safetensors: "F64", ... */
/* False for another name. */
bool vs_dtype_parse(vs_dtype *out, const char *name);

/* n values of in (any alignment) to double: exact. */
void vs_dtype_load(double *out, const uint8_t *in, size_t n, vs_dtype dtype);
/* Rounded to the nearest (ties to even); what is too large becomes infinite. */
void vs_dtype_store(uint8_t *out, const double *in, size_t n, vs_dtype dtype);

#endif /* VS_FL_DTYPE_H */
