#include <string.h>

#include "base/hash.h"
#include "ledger/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LEAVES_MAX = 600 };

/* Leaf i of every tree here. */
static vs_h32 leaf_of(uint64_t i)
{
    vs_h32 h;
    vs_merkle_leaf(&h, &i, sizeof i);
    return h;
}

static vs_err node(void *ctx, uint32_t level, uint64_t index, vs_h32 *out)
{
    vs_merkle m;
    (void)ctx;
    vs_merkle_init(&m);
    for (uint64_t i = index << level; i < (index + 1) << level; i++) {
        vs_h32 leaf = leaf_of(i);
        vs_merkle_append(&m, &leaf);
    }
    vs_merkle_root(&m, out);
    return VS_OK;
}

/* Change what the input says: a node's bit, the path's length. False: nothing was changed. */
static bool change(vs_tree_path *path, vs_reader *r)
{
    uint32_t before = path->n;
    uint8_t what = vs_read_u8(r);
    uint8_t at = vs_read_u8(r);
    if (what % 3 == 1 && path->n > 0) path->node[at % path->n].b[what % 32] ^= 1;
    if (what % 3 == 1) return path->n > 0;
    if (what % 3 == 2) path->n = at % (VS_TREE_PATH_MAX + 1);
    for (uint32_t i = before; i < path->n; i++) vs_read_h32(r, &path->node[i]);
    return path->n != before;
}

/* Properties: a proof that we make verifies; with a node changed, surplus or missing, or for
 * another leaf or size, it does not; arbitrary bytes as a proof prove nothing and stay in bounds.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_tree_reader tree = {node, NULL};
    vs_reader r = vs_reader_of(data, size);
    vs_tree_path path = {0};
    const vs_h32 nothing = {{0}}; /* the root of no tree */
    vs_h32 root1, root2, leaf;
    uint64_t size2 = 1 + vs_read_u32(&r) % LEAVES_MAX;
    uint64_t size1 = 1 + vs_read_u32(&r) % size2;
    uint64_t index = size1 - 1;
    leaf = leaf_of(index);
    VS_ASSERT(vs_tree_root(&tree, size1, &root1) == VS_OK);
    VS_ASSERT(vs_tree_root(&tree, size2, &root2) == VS_OK);
    VS_ASSERT(vs_tree_prove_inclusion(&tree, index, size2, &path) == VS_OK);
    VS_ASSERT(vs_tree_verify_inclusion(&leaf, index, size2, &root2, &path) == VS_OK);
    VS_ASSERT(vs_tree_verify_inclusion(&leaf, index ^ 1, size2, &root2, &path) != VS_OK);
    uint64_t wild = vs_read_u64(&r);
    bool changed = change(&path, &r);
    vs_err err = vs_tree_verify_inclusion(&leaf, index, size2, &root2, &path);
    VS_ASSERT((err == VS_OK) == !changed);
    VS_ASSERT(vs_tree_verify_inclusion(&leaf, wild, wild + 1, &nothing, &path) != VS_OK);
    VS_ASSERT(vs_tree_prove_consistency(&tree, size1, size2, &path) == VS_OK);
    VS_ASSERT(vs_tree_verify_consistency(size1, &root1, size2, &root2, &path) == VS_OK);
    changed = change(&path, &r);
    err = vs_tree_verify_consistency(size1, &root1, size2, &root2, &path);
    VS_ASSERT((err == VS_OK) == !changed);
    VS_ASSERT(vs_tree_verify_consistency(wild, &root1, wild + 9, &nothing, &path) != VS_OK);
    return 0;
}
