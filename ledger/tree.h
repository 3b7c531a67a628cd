/* ledger/tree.h - RFC 6962 / RFC 9162 proofs, apart from any storage.
 *
 * Verifiers follow RFC 9162 2.1.3.2 and 2.1.4.2 and refuse surplus path elements, more than 63
 * elements, and size1 = 0. Provers read complete subtrees through a callback. Public data. */
#ifndef VS_LEDGER_TREE_H
#define VS_LEDGER_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define VS_TREE_PATH_MAX 63u

typedef struct vs_tree_path {
    uint32_t n;
    vs_h32 node[VS_TREE_PATH_MAX];
} vs_tree_path;

/* VS_OK, or VS_ERR_PROOF: not a proof that leaf_hash is leaf `index` of the tree (size, root). */
VS_MUST_CHECK vs_err vs_tree_verify_inclusion(const vs_h32 *leaf_hash, uint64_t index,
                                              uint64_t size, const vs_h32 *root,
                                              const vs_tree_path *path);
/* VS_OK, or VS_ERR_PROOF: tree (size1, root1) is not shown to be a prefix of (size2, root2). */
VS_MUST_CHECK vs_err vs_tree_verify_consistency(uint64_t size1, const vs_h32 *root1, uint64_t size2,
                                                const vs_h32 *root2, const vs_tree_path *path);

/* Hash of the complete subtree of 2^level leaves starting at leaf index * 2^level. */
typedef struct vs_tree_reader {
    vs_err (*node)(void *ctx, uint32_t level, uint64_t index, vs_h32 *out);
    void *ctx;
} vs_tree_reader;

/* Root of the first `size` leaves. Errors: the reader's. */
VS_MUST_CHECK vs_err vs_tree_root(const vs_tree_reader *tree, uint64_t size, vs_h32 *root);
/* index < size. Errors: VS_ERR_LIMIT, the reader's. */
VS_MUST_CHECK vs_err vs_tree_prove_inclusion(const vs_tree_reader *tree, uint64_t index,
                                             uint64_t size, vs_tree_path *out);
/* 0 < size1 <= size2. Errors: VS_ERR_LIMIT, the reader's. */
VS_MUST_CHECK vs_err vs_tree_prove_consistency(const vs_tree_reader *tree, uint64_t size1,
                                               uint64_t size2, vs_tree_path *out);

#endif /* VS_LEDGER_TREE_H */
