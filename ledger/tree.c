#include "ledger/tree.h"

#include <stdbool.h>

#include "base/hash.h"

/* With at most 2^62 leaves no path is longer than 63: 62 levels and, for consistency, the subtree
 * where the descent ends. */
static const uint64_t size_max = UINT64_C(1) << 62;

vs_err vs_tree_verify_inclusion(const vs_h32 *leaf_hash, uint64_t index, uint64_t size,
                                const vs_h32 *root, const vs_tree_path *path)
{
    if (index >= size || path->n > VS_TREE_PATH_MAX) return VS_ERR_PROOF;
    uint64_t fn = index;
    uint64_t sn = size - 1;
    vs_h32 r = *leaf_hash;
    for (uint32_t i = 0; i < path->n; i++) {
        if (sn == 0) return VS_ERR_PROOF; /* surplus element */
        if ((fn & 1) == 1 || fn == sn) {
            vs_merkle_node(&r, &path->node[i], &r);
            while (fn != 0 && (fn & 1) == 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            vs_merkle_node(&r, &r, &path->node[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && vs_h32_equal(&r, root) ? VS_OK : VS_ERR_PROOF;
}

vs_err vs_tree_verify_consistency(uint64_t size1, const vs_h32 *root1, uint64_t size2,
                                  const vs_h32 *root2, const vs_tree_path *path)
{
    if (size1 == 0 || size1 > size2 || path->n > VS_TREE_PATH_MAX) return VS_ERR_PROOF;
    if (size1 == size2) {
        return path->n == 0 && vs_h32_equal(root1, root2) ? VS_OK : VS_ERR_PROOF;
    }
    bool power_of_two = (size1 & (size1 - 1)) == 0; /* then root1 is the first node, not sent */
    if (path->n == 0) return VS_ERR_PROOF;
    uint64_t fn = size1 - 1;
    uint64_t sn = size2 - 1;
    while ((fn & 1) == 1) {
        fn >>= 1;
        sn >>= 1;
    }
    vs_h32 fr = power_of_two ? *root1 : path->node[0];
    vs_h32 sr = fr;
    for (uint32_t i = power_of_two ? 0 : 1; i < path->n; i++) {
        const vs_h32 *c = &path->node[i];
        if (sn == 0) return VS_ERR_PROOF; /* surplus element */
        if ((fn & 1) == 1 || fn == sn) {
            vs_merkle_node(&fr, c, &fr);
            vs_merkle_node(&sr, c, &sr);
            while (fn != 0 && (fn & 1) == 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            vs_merkle_node(&sr, &sr, c);
        }
        fn >>= 1;
        sn >>= 1;
    }
    bool same = vs_h32_equal(&fr, root1) && vs_h32_equal(&sr, root2);
    return sn == 0 && same ? VS_OK : VS_ERR_PROOF;
}

/* --- provers --------------------------------------------------------------------------------- */

/* floor(log2(n)), n > 0. */
static uint32_t log2_floor(uint64_t n)
{
    uint32_t level = 0;
    while (n >>= 1) level++;
    return level;
}

/* Largest power of two below n, n > 1. */
static uint64_t split_of(uint64_t n)
{
    return UINT64_C(1) << log2_floor(n - 1);
}

/* MTH of leaves start..start+n-1, n > 0, where start is a multiple of a power of two >= n: its
 * complete subtrees from left to right, folded from the right. */
static vs_err range_hash(const vs_tree_reader *tree, uint64_t start, uint64_t n, vs_h32 *out)
{
    vs_h32 part[64] = {{{0}}};
    uint32_t n_parts = 0;
    VS_ASSERT(n > 0);
    while (n > 0) {
        uint32_t level = log2_floor(n);
        vs_err err = tree->node(tree->ctx, level, start >> level, &part[n_parts++]);
        if (err != VS_OK) return err;
        start += UINT64_C(1) << level;
        n -= UINT64_C(1) << level;
    }
    vs_h32 r = part[n_parts - 1];
    for (uint32_t i = n_parts - 1; i > 0; i--) vs_merkle_node(&r, &part[i - 1], &r);
    *out = r;
    return VS_OK;
}

static void reverse(vs_tree_path *path)
{
    for (uint32_t i = 0; i < path->n / 2; i++) {
        vs_h32 swap = path->node[i];
        path->node[i] = path->node[path->n - 1 - i];
        path->node[path->n - 1 - i] = swap;
    }
}

vs_err vs_tree_root(const vs_tree_reader *tree, uint64_t size, vs_h32 *root)
{
    if (size > size_max) return VS_ERR_LIMIT;
    if (size == 0) {
        vs_sha256(root, "", 0);
        return VS_OK;
    }
    return range_hash(tree, 0, size, root);
}

vs_err vs_tree_prove_inclusion(const vs_tree_reader *tree, uint64_t index, uint64_t size,
                               vs_tree_path *out)
{
    out->n = 0;
    if (index >= size || size > size_max) return VS_ERR_LIMIT;
    uint64_t start = 0;
    uint64_t n = size;
    while (n > 1) { /* down from the root; the path runs upward */
        uint64_t k = split_of(n);
        bool left = index - start < k;
        vs_err err = left ? range_hash(tree, start + k, n - k, &out->node[out->n])
                          : range_hash(tree, start, k, &out->node[out->n]);
        if (err != VS_OK) {
            out->n = 0;
            return err;
        }
        out->n++;
        start += left ? 0 : k;
        n = left ? k : n - k;
    }
    reverse(out);
    return VS_OK;
}

vs_err vs_tree_prove_consistency(const vs_tree_reader *tree, uint64_t size1, uint64_t size2,
                                 vs_tree_path *out)
{
    out->n = 0;
    if (size1 == 0 || size1 > size2 || size2 > size_max) return VS_ERR_LIMIT;
    uint64_t start = 0;
    uint64_t n = size2;
    uint64_t m = size1; /* leaves of the old tree within start..start+n-1 */
    vs_err err = VS_OK;
    while (m != n && err == VS_OK) {
        uint64_t k = split_of(n);
        bool left = m <= k;
        err = left ? range_hash(tree, start + k, n - k, &out->node[out->n])
                   : range_hash(tree, start, k, &out->node[out->n]);
        out->n++;
        start += left ? 0 : k;
        m -= left ? 0 : k;
        n = left ? k : n - k;
    }
    if (err == VS_OK && start != 0) err = range_hash(tree, start, n, &out->node[out->n++]);
    if (err != VS_OK) {
        out->n = 0;
        return err;
    }
    reverse(out);
    return VS_OK;
}
