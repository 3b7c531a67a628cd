/* fl/npz.h - the .npz format: a ZIP archive of .npy members, as numpy.savez and savez_compressed
 * write it (APPNOTE.TXT 6.3.10: stored or deflated members, ZIP64; no encryption, no other disks).
 *
 * The directory at the end is believed only where the local headers agree with it; members do not
 * overlap, so inflating all of them is at most 1032 times the file. Values of stored members stay
 * in the file; those of deflated ones are inflated where they are read. */
#ifndef VS_FL_NPZ_H
#define VS_FL_NPZ_H

#include "base/bytes.h"
#include "fl/tensors.h"

/* See vs_tensors_parse. Checks every CRC-32. On error the caller frees what is in *out. */
VS_MUST_CHECK vs_err vs_npz_parse(vs_tensors *out, const uint8_t *bytes, size_t len,
                                  const char *name, size_t max_n, vs_diag *diag);
/* Values of a deflated member; see vs_tensors_read. */
VS_MUST_CHECK vs_err vs_npz_inflate(const vs_tensor *tensor, double *out, const char *name,
                                    vs_diag *diag);

#endif /* VS_FL_NPZ_H */
