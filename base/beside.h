/* base/beside.h - files that belong to a key file and lie beside it. */
#ifndef VS_BASE_BESIDE_H
#define VS_BASE_BESIDE_H

#include "base/err.h"

#define VS_BESIDE_BYTES 4096u

/* KEY with .key replaced by ending, or the ending appended: "dir/alice.key", ".state" gives
 * "dir/alice.state". VS_ERR_LIMIT when it is too long. */
VS_MUST_CHECK vs_err vs_path_beside(char out[VS_BESIDE_BYTES], const char *key, const char *ending,
                                    vs_diag *diag);

#endif /* VS_BASE_BESIDE_H */
