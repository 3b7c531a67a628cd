/* cli/scratch.h - a folder for a run, removed at its end unless the user wants to keep it. */
#ifndef VS_CLI_SCRATCH_H
#define VS_CLI_SCRATCH_H

#include <stddef.h>

#include "base/err.h"

/* out[cap] = keep, made if needed; or, keep NULL, a new folder below $TMPDIR or /tmp whose name
 * says what it is for. On error out is "". */
VS_MUST_CHECK vs_err vs_scratch_make(char *out, size_t cap, const char *what, const char *keep,
                                     vs_diag *diag);
/* The folder and everything in it; "" is a no-op. What cannot be removed is said on stderr. */
void vs_scratch_remove(const char *folder);

#endif /* VS_CLI_SCRATCH_H */
