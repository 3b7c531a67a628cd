/* net/federation_tensors.h - array files against the tensors that a federation file names.
 *
 * The flat vector of an update is the federation's tensors in the file's order, each in C order.
 * Without that list an update is one array, read flat. */
#ifndef VS_NET_FEDERATION_TENSORS_H
#define VS_NET_FEDERATION_TENSORS_H

#include <stdint.h>

#include "base/err.h"
#include "fl/tensors.h"
#include "net/federation.h"

/* Fill tensor, n_tensors and num_params (all unset) with what a file holds, in its order of values;
 * tensors without values are left out. name is the file's, for messages. On error
 * vs_federation_free releases what was set. */
VS_MUST_CHECK vs_err vs_federation_set_tensors(vs_federation *fed, const vs_tensors *from,
                                               const char *name, vs_diag *diag);

/* Tensors that make the flat vector, and in which order: order[i] is the index in t->list of part
 * i. order holds vs_federation_match_count(fed, t). A file must hold the federation's tensors, with
 * its shapes, in any order, and no others (but empty ones); a .npy the flat vector itself.
 * VS_ERR_MALFORMED names the tensor. */
VS_MUST_CHECK vs_err vs_federation_match(uint32_t *order, const vs_federation *fed,
                                         const vs_tensors *t, const char *name, vs_diag *diag);
uint32_t vs_federation_match_count(const vs_federation *fed, const vs_tensors *t);

#endif /* VS_NET_FEDERATION_TENSORS_H */
