#include <criterion/criterion.h>
#include <string.h>

#include "base/hash.h"
#include "ledger/tree.h"
#include "tests/support.h"

enum { LEAVES = 70 };

static void leaf_hash(vs_h32 *out, uint64_t i)
{
    uint8_t data[8];
    vs_store_le64(data, i);
    vs_merkle_leaf(out, data, sizeof data);
}

/* RFC 6962 section 2.1, word for word. */
static vs_h32 mth(uint64_t start, uint64_t n)
{
    vs_h32 r;
    vs_h32 left;
    vs_h32 right;
    if (n == 0) {
        vs_sha256(&r, "", 0);
        return r;
    }
    if (n == 1) {
        leaf_hash(&r, start);
        return r;
    }
    uint64_t k = 1;
    while (2 * k < n) k *= 2;
    left = mth(start, k);
    right = mth(start + k, n - k);
    vs_merkle_node(&r, &left, &right);
    return r;
}

static void naive_path(uint64_t m, uint64_t start, uint64_t n, vs_tree_path *out)
{
    uint64_t k = 1;
    if (n == 1) return;
    while (2 * k < n) k *= 2;
    if (m < k) {
        naive_path(m, start, k, out);
        out->node[out->n++] = mth(start + k, n - k);
    } else {
        naive_path(m - k, start + k, n - k, out);
        out->node[out->n++] = mth(start, k);
    }
}

static void naive_subproof(uint64_t m, uint64_t start, uint64_t n, bool whole, vs_tree_path *out)
{
    uint64_t k = 1;
    if (m == n) {
        if (!whole) out->node[out->n++] = mth(start, n);
        return;
    }
    while (2 * k < n) k *= 2;
    if (m <= k) {
        naive_subproof(m, start, k, whole, out);
        out->node[out->n++] = mth(start + k, n - k);
    } else {
        naive_subproof(m - k, start + k, n - k, false, out);
        out->node[out->n++] = mth(start, k);
    }
}

static vs_err read_node(void *ctx, uint32_t level, uint64_t index, vs_h32 *out)
{
    uint64_t *size = ctx;
    cr_assert_leq((index + 1) << level, *size, "only complete subtrees are read");
    *out = mth(index << level, UINT64_C(1) << level);
    return VS_OK;
}

static void expect_path_eq(const vs_tree_path *a, const vs_tree_path *b)
{
    cr_assert_eq(a->n, b->n);
    cr_assert_eq(memcmp(a->node, b->node, a->n * sizeof a->node[0]), 0);
}

Test(tree, roots_of_all_small_sizes)
{
    vs_merkle m;
    vs_merkle_init(&m);
    for (uint64_t n = 0; n <= LEAVES; n++) {
        vs_h32 want = mth(0, n);
        vs_h32 got;
        vs_tree_reader reader = {read_node, &n};
        cr_assert_eq(vs_tree_root(&reader, n, &got), VS_OK);
        cr_expect(vs_h32_equal(&got, &want));
        vs_merkle_root(&m, &got);
        cr_expect(vs_h32_equal(&got, &want));
        leaf_hash(&got, n);
        vs_merkle_append(&m, &got);
    }
}

/* Every way to bend an inclusion proof by one step must be refused. */
static void expect_bent_inclusion_refused(uint64_t i, uint64_t n, const vs_h32 *leaf,
                                          const vs_h32 *root, const vs_tree_path *good)
{
    vs_tree_path p = *good;
    for (uint32_t e = 0; e < good->n; e++) {
        p = *good;
        p.node[e].b[(i + e) % 32] ^= 1;
        cr_expect_eq(vs_tree_verify_inclusion(leaf, i, n, root, &p), VS_ERR_PROOF);
        p = *good; /* element lost */
        memmove(&p.node[e], &p.node[e + 1], (p.n - e - 1) * sizeof p.node[0]);
        p.n--;
        cr_expect_eq(vs_tree_verify_inclusion(leaf, i, n, root, &p), VS_ERR_PROOF);
    }
    for (uint32_t e = 0; e <= good->n; e++) { /* element too many, at each place */
        p = *good;
        memmove(&p.node[e + 1], &p.node[e], (p.n - e) * sizeof p.node[0]);
        p.node[e] = *root;
        p.n++;
        cr_expect_eq(vs_tree_verify_inclusion(leaf, i, n, root, &p), VS_ERR_PROOF);
    }
    vs_h32 other = *leaf;
    other.b[31] ^= 0x80;
    cr_expect_eq(vs_tree_verify_inclusion(&other, i, n, root, good), VS_ERR_PROOF);
    other = *root;
    other.b[0] ^= 1;
    cr_expect_eq(vs_tree_verify_inclusion(leaf, i, n, &other, good), VS_ERR_PROOF);
    cr_expect_eq(vs_tree_verify_inclusion(leaf, n, n, root, good), VS_ERR_PROOF);
    cr_expect_eq(vs_tree_verify_inclusion(leaf, i + n, n, root, good), VS_ERR_PROOF);
    if (n > 1) cr_expect_eq(vs_tree_verify_inclusion(leaf, i ^ 1, n, root, good), VS_ERR_PROOF);
}

Test(tree, inclusion_of_all_leaves_of_all_small_sizes)
{
    for (uint64_t n = 1; n <= LEAVES; n++) {
        vs_h32 root = mth(0, n);
        vs_tree_reader reader = {read_node, &n};
        for (uint64_t i = 0; i < n; i++) {
            vs_h32 leaf;
            vs_tree_path want = {0};
            vs_tree_path got;
            leaf_hash(&leaf, i);
            naive_path(i, 0, n, &want);
            cr_assert_eq(vs_tree_prove_inclusion(&reader, i, n, &got), VS_OK);
            expect_path_eq(&got, &want);
            cr_expect_eq(vs_tree_verify_inclusion(&leaf, i, n, &root, &got), VS_OK);
            expect_bent_inclusion_refused(i, n, &leaf, &root, &got);
        }
    }
}

static void expect_bent_consistency_refused(uint64_t m, const vs_h32 *root1, uint64_t n,
                                            const vs_h32 *root2, const vs_tree_path *good)
{
    vs_tree_path p;
    for (uint32_t e = 0; e < good->n; e++) {
        p = *good;
        p.node[e].b[(m + e) % 32] ^= 2;
        cr_expect_eq(vs_tree_verify_consistency(m, root1, n, root2, &p), VS_ERR_PROOF);
        p = *good;
        memmove(&p.node[e], &p.node[e + 1], (p.n - e - 1) * sizeof p.node[0]);
        p.n--;
        cr_expect_eq(vs_tree_verify_consistency(m, root1, n, root2, &p), VS_ERR_PROOF);
    }
    for (uint32_t e = 0; e <= good->n; e++) {
        p = *good;
        memmove(&p.node[e + 1], &p.node[e], (p.n - e) * sizeof p.node[0]);
        p.node[e] = *root2;
        p.n++;
        cr_expect_eq(vs_tree_verify_consistency(m, root1, n, root2, &p), VS_ERR_PROOF);
    }
    vs_h32 other = *root1;
    other.b[5] ^= 1;
    cr_expect_eq(vs_tree_verify_consistency(m, &other, n, root2, good), VS_ERR_PROOF);
    other = *root2;
    other.b[6] ^= 1;
    cr_expect_eq(vs_tree_verify_consistency(m, root1, n, &other, good), VS_ERR_PROOF);
    cr_expect_eq(vs_tree_verify_consistency(0, root1, n, root2, good), VS_ERR_PROOF);
    cr_expect_eq(vs_tree_verify_consistency(n + 1, root1, n, root2, good), VS_ERR_PROOF);
    if (m != n) {
        cr_expect_eq(vs_tree_verify_consistency(n, root2, m, root1, good), VS_ERR_PROOF);
    }
}

Test(tree, consistency_of_all_pairs_of_small_sizes)
{
    for (uint64_t n = 1; n <= LEAVES; n++) {
        vs_h32 root2 = mth(0, n);
        vs_tree_reader reader = {read_node, &n};
        for (uint64_t m = 1; m <= n; m++) {
            vs_h32 root1 = mth(0, m);
            vs_tree_path want = {0};
            vs_tree_path got;
            naive_subproof(m, 0, n, true, &want);
            cr_assert_eq(vs_tree_prove_consistency(&reader, m, n, &got), VS_OK);
            expect_path_eq(&got, &want);
            cr_expect_eq(vs_tree_verify_consistency(m, &root1, n, &root2, &got), VS_OK);
            expect_bent_consistency_refused(m, &root1, n, &root2, &got);
        }
    }
}

Test(tree, sizes_that_make_no_sense_are_refused)
{
    uint64_t n = 8;
    vs_tree_reader reader = {read_node, &n};
    vs_tree_path p = {0};
    vs_h32 root = mth(0, 8);
    cr_expect_eq(vs_tree_prove_inclusion(&reader, 8, 8, &p), VS_ERR_LIMIT);
    cr_expect_eq(vs_tree_prove_inclusion(&reader, 0, 0, &p), VS_ERR_LIMIT);
    cr_expect_eq(vs_tree_prove_inclusion(&reader, 0, UINT64_MAX, &p), VS_ERR_LIMIT);
    cr_expect_eq(vs_tree_prove_consistency(&reader, 0, 8, &p), VS_ERR_LIMIT);
    cr_expect_eq(vs_tree_prove_consistency(&reader, 9, 8, &p), VS_ERR_LIMIT);
    cr_expect_eq(vs_tree_root(&reader, UINT64_MAX, &root), VS_ERR_LIMIT);
    p.n = VS_TREE_PATH_MAX + 1;
    cr_expect_eq(vs_tree_verify_inclusion(&root, 0, UINT64_MAX, &root, &p), VS_ERR_PROOF);
    cr_expect_eq(vs_tree_verify_consistency(1, &root, UINT64_MAX, &root, &p), VS_ERR_PROOF);
}

static vs_err any_node(void *ctx, uint32_t level, uint64_t index, vs_h32 *out)
{
    (void)ctx;
    memset(out, (int)(level * 7 + index % 251), sizeof *out);
    return VS_OK;
}

/* The longest paths stay within VS_TREE_PATH_MAX. */
Test(tree, paths_of_the_largest_trees_fit)
{
    vs_tree_reader reader = {any_node, NULL};
    vs_tree_path p;
    uint64_t size = UINT64_C(1) << 62;
    cr_expect_eq(vs_tree_prove_inclusion(&reader, 0, size, &p), VS_OK);
    cr_expect_eq(p.n, 62);
    cr_expect_eq(vs_tree_prove_consistency(&reader, size - 1, size, &p), VS_OK);
    cr_expect_eq(p.n, 63);
    cr_expect_eq(vs_tree_prove_inclusion(&reader, size - 2, size - 1, &p), VS_OK);
}

static vs_err failing_node(void *ctx, uint32_t level, uint64_t index, vs_h32 *out)
{
    int *left = ctx;
    if ((*left)-- == 0) return VS_ERR_IO;
    return any_node(NULL, level, index, out);
}

Test(tree, an_error_of_the_reader_comes_back)
{
    for (int fail_at = 0; fail_at < 4; fail_at++) {
        int left = fail_at;
        vs_tree_reader reader = {failing_node, &left};
        vs_tree_path p;
        cr_expect_eq(vs_tree_prove_inclusion(&reader, 20, 1000, &p), VS_ERR_IO);
        cr_expect_eq(p.n, 0);
        left = fail_at;
        cr_expect_eq(vs_tree_prove_consistency(&reader, 20, 1000, &p), VS_ERR_IO);
        cr_expect_eq(p.n, 0);
    }
}
