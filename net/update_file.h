/* net/update_file.h - an update from an array file, and results into files of the same kind. */
#ifndef VS_NET_UPDATE_FILE_H
#define VS_NET_UPDATE_FILE_H

#include <stdint.h>

#include "base/err.h"
#include "fl/tensors.h"
#include "net/call_result.h"
#include "net/federation.h"

/* What a result is written as. */
typedef struct vs_result_format {
    vs_container container;
    uint32_t count; /* parts of the flat vector, in its order */
    vs_tensor_shape *shapes;
    vs_dtype *dtypes;
} vs_result_format;
void vs_result_format_free(vs_result_format *format);

typedef struct vs_update {
    const double *values; /* n, in the federation's order */
    uint64_t n;
    vs_result_format format; /* the file's own container, names and types */
    vs_tensors file;         /* mapped while values are in it */
    double *own;             /* or here */
} vs_update;

/* An .npy, .npz or .safetensors file as the flat vector of an update (net/federation_tensors.h).
 * float64 values that follow each other in the federation's order stay in the memory-mapped file,
 * which must not change before vs_update_free: nothing is copied, and their pages may be dropped
 * again. Everything else is converted: 8 bytes per value. VS_ERR_LIMIT, VS_ERR_MALFORMED naming
 * file and tensor, VS_ERR_NOMEM, VS_ERR_IO; *out is zero then. */
VS_MUST_CHECK vs_err vs_update_open(vs_update *out, const vs_federation *fed, const char *path,
                                    vs_diag *diag);
/* The same from tensors that are open already; name is for messages. On VS_OK *out owns what is in
 * *t (which is zero then): its list and its map. Values in borrowed memory stay borrowed. */
VS_MUST_CHECK vs_err vs_update_take(vs_update *out, const vs_federation *fed, vs_tensors *t,
                                    const char *name, vs_diag *diag);
/* The values are not needed any more, the format is. */
void vs_update_drop_values(vs_update *u);
void vs_update_free(vs_update *u); /* wipes what it owns: an update is secret */

/* A result of dim values to path, whose extension chooses the container: named and shaped as the
 * federation says, or as `like` (an update's format; may be NULL) where it says nothing; types like
 * those of `like`, else dtype. A .npy holds the flat vector. The caller releases *out. */
VS_MUST_CHECK vs_err vs_result_format_make(vs_result_format *out, const vs_federation *fed,
                                           uint32_t dim, const char *path,
                                           const vs_result_format *like, vs_dtype dtype,
                                           vs_diag *diag);

/* The result of a finished round to a file, durable and atomic; memory is bounded, the sums pass
 * through a temporary file beside path. sums_path (may be NULL) gets the exact sums: 64-bit
 * little-endian, weight digits last. *out has no sums and no mean (vs_call_result otherwise). */
VS_MUST_CHECK vs_err vs_result_to_file(vs_fetched_result *out, const vs_caller *caller,
                                       uint64_t round, const char *path,
                                       const vs_result_format *like, vs_dtype dtype,
                                       const char *sums_path, vs_diag *diag);

#endif /* VS_NET_UPDATE_FILE_H */
