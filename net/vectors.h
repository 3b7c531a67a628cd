/* net/vectors.h - test vectors for other implementers: files of all random inputs and all outputs
 * (docs/VECTORS.md).
 *
 * A file is one JSON object: the core object (one client's submission) or a suite of cases. Every
 * random input derives from a seed, so anyone can make the same files; `check` takes the inputs
 * from the file, computes everything again and names the members that differ. All data are public
 * test data, whatever they are called. */
#ifndef VS_NET_VECTORS_H
#define VS_NET_VECTORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define VS_VECTORS_SEED_MAX 64u                   /* bytes of a seed; at least 1 */
#define VS_VECTORS_FILE_MAX (UINT32_C(32) << 20)  /* bytes of a file */
#define VS_VECTORS_CELLS_MAX (UINT32_C(1) << 19)  /* n * (columns + 2) share elements */
#define VS_VECTORS_LENGTH_MAX (UINT32_C(1) << 21) /* coordinates */

typedef struct vs_vectors_seed {
    const uint8_t *bytes; /* borrowed */
    size_t len;           /* 1..VS_VECTORS_SEED_MAX */
} vs_vectors_seed;

typedef struct vs_vectors_params {
    uint32_t n, t, k, len, bits, max_clients;
} vs_vectors_params;

/* Append the text of the core object. VS_ERR_LIMIT names the rule that is broken. */
VS_MUST_CHECK vs_err vs_vectors_generate(vs_buf *out, const vs_vectors_params *params,
                                         vs_vectors_seed seed, vs_diag *diag);
/* Append the text of a suite; VS_ERR_LIMIT names the suites there are. */
VS_MUST_CHECK vs_err vs_vectors_generate_suite(vs_buf *out, const char *suite, vs_vectors_seed seed,
                                               vs_diag *diag);

/* Compute a file again. Every top-level member (of every case) that differs adds one line
 * "<name>: <member path>: ..." to report. VS_OK: nothing differs and report is as it was.
 * VS_ERR_PROOF: report has lines. VS_ERR_MALFORMED, VS_ERR_LIMIT: cannot be computed; diag says why
 * and report is as it was. seed may be NULL; with it (or with a suite's own member "seed") the
 * inputs must also be what the seed gives. name is for messages. */
VS_MUST_CHECK vs_err vs_vectors_check(vs_buf *report, const uint8_t *text, size_t len,
                                      const char *name, const vs_vectors_seed *seed, vs_diag *diag);

#endif /* VS_NET_VECTORS_H */
