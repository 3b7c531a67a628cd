#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ledger/tree.h"
#include "tests/ledger/support_ledger.h"
#include "tests/support.h"

static vs_buf from_hex(const char *hex)
{
    vs_buf b = {0};
    size_t len = strlen(hex) / 2;
    uint8_t *at = vs_buf_extend(&b, len);
    cr_assert_eq(vs_hex_decode(at, len, hex), VS_OK);
    return b;
}

static vs_h32 hash_of_hex(const json_t *j)
{
    vs_h32 h;
    cr_assert_eq(vs_hex_decode(h.b, sizeof h.b, json_string_value(j)), VS_OK);
    return h;
}

static uint64_t u64_of(const json_t *j) /* values above 2^63 come as reals */
{
    double d = json_number_value(j);
    if (json_is_integer(j)) return (uint64_t)json_integer_value(j);
    return d >= 18446744073709551615.0 ? UINT64_MAX : (uint64_t)d;
}

Test(tree_vectors, hashes_and_roots)
{
    json_t *j = sample_json("vectors/ledger/merkle/known_answers.json");
    if (j == NULL) return;
    size_t i;
    json_t *v;
    vs_h32 got;
    vs_merkle m;
    vs_merkle_init(&m);
    vs_merkle_root(&m, &got);
    vs_h32 want = hash_of_hex(json_object_get(j, "empty_root"));
    cr_expect(vs_h32_equal(&got, &want));
    json_array_foreach(json_object_get(j, "leaf_hashes"), i, v)
    {
        vs_buf d = from_hex(json_string_value(json_object_get(v, "leaf_hex")));
        vs_merkle_leaf(&got, d.p, d.len);
        want = hash_of_hex(json_object_get(v, "hash"));
        cr_expect(vs_h32_equal(&got, &want), "leaf %zu", i);
        vs_buf_free(&d);
    }
    json_array_foreach(json_object_get(j, "node_hashes"), i, v)
    {
        vs_buf left = from_hex(json_string_value(json_object_get(v, "left")));
        vs_buf right = from_hex(json_string_value(json_object_get(v, "right")));
        want = hash_of_hex(json_object_get(v, "hash"));
        if (left.len == VS_H32_BYTES && right.len == VS_H32_BYTES) {
            vs_h32 l, r;
            memcpy(l.b, left.p, sizeof l.b);
            memcpy(r.b, right.p, sizeof r.b);
            vs_merkle_node(&got, &l, &r);
        } else { /* children of another length: only the prefix is told by it */
            vs_buf all = {0};
            vs_buf_u8(&all, 1);
            vs_buf_bytes(&all, left.p, left.len);
            vs_buf_bytes(&all, right.p, right.len);
            vs_sha256(&got, all.p, all.len);
            vs_buf_free(&all);
        }
        cr_expect(vs_h32_equal(&got, &want), "node %zu", i);
        vs_buf_free(&left);
        vs_buf_free(&right);
    }
    cr_expect_eq(i, 2);
    json_array_foreach(json_object_get(j, "tree_leaves_hex"), i, v)
    {
        vs_buf d = from_hex(json_string_value(v));
        vs_merkle_leaf(&got, d.p, d.len);
        vs_merkle_append(&m, &got);
        vs_merkle_root(&m, &got);
        want = hash_of_hex(json_array_get(json_object_get(j, "roots_size_1_to_8"), i));
        cr_expect(vs_h32_equal(&got, &want), "root %zu", i);
        vs_buf_free(&d);
    }
    json_decref(j);
}

static vs_err read_node(void *ctx, uint32_t level, uint64_t index, vs_h32 *out)
{
    const vs_h32 *leaf = ctx;
    vs_merkle m;
    vs_merkle_init(&m);
    for (uint64_t i = index << level; i < (index + 1) << level; i++) vs_merkle_append(&m, &leaf[i]);
    vs_merkle_root(&m, out);
    return VS_OK;
}

static void expect_path(const vs_tree_path *p, const json_t *proof)
{
    cr_assert_eq(p->n, json_array_size(proof));
    for (uint32_t i = 0; i < p->n; i++) {
        vs_h32 want = hash_of_hex(json_array_get(proof, i));
        cr_expect(vs_h32_equal(&p->node[i], &want));
    }
}

Test(tree_vectors, proofs_we_make)
{
    json_t *j = sample_json("vectors/ledger/merkle/known_answers.json");
    if (j == NULL) return;
    vs_h32 leaf[8];
    size_t i;
    json_t *v;
    vs_tree_path p;
    vs_tree_reader reader = {read_node, leaf};
    json_array_foreach(json_object_get(j, "tree_leaves_hex"), i, v)
    {
        vs_buf d = from_hex(json_string_value(v));
        vs_merkle_leaf(&leaf[i], d.p, d.len);
        vs_buf_free(&d);
    }
    json_array_foreach(json_object_get(j, "inclusion"), i, v)
    {
        cr_assert_eq(vs_tree_prove_inclusion(&reader, u64_of(json_object_get(v, "leaf_index")),
                                             u64_of(json_object_get(v, "tree_size")), &p),
                     VS_OK);
        expect_path(&p, json_object_get(v, "proof"));
    }
    json_array_foreach(json_object_get(j, "consistency"), i, v)
    {
        cr_assert_eq(vs_tree_prove_consistency(&reader, u64_of(json_object_get(v, "size1")),
                                               u64_of(json_object_get(v, "size2")), &p),
                     VS_OK);
        expect_path(&p, json_object_get(v, "proof"));
    }
    json_decref(j);
}

/* base64 of exactly 32 bytes; false for anything else, which is refused before any proof. */
static bool get_hash(vs_h32 *out, const json_t *j)
{
    const char *text = json_string_value(j);
    size_t len = 0;
    return text != NULL &&
           vs_base64_decode(out->b, sizeof out->b, &len, text, strlen(text)) == VS_OK &&
           len == sizeof out->b;
}

static bool get_path(vs_tree_path *p, const json_t *proof)
{
    p->n = 0;
    if (json_array_size(proof) > VS_TREE_PATH_MAX) return false;
    for (size_t i = 0; i < json_array_size(proof); i++) {
        if (!get_hash(&p->node[p->n++], json_array_get(proof, i))) return false;
    }
    return true;
}

static vs_err probe_inclusion(const json_t *j)
{
    vs_h32 root;
    vs_h32 leaf;
    vs_tree_path p;
    if (!get_hash(&root, json_object_get(j, "root"))) return VS_ERR_MALFORMED;
    if (!get_hash(&leaf, json_object_get(j, "leafHash"))) return VS_ERR_MALFORMED;
    if (!get_path(&p, json_object_get(j, "proof"))) return VS_ERR_MALFORMED;
    return vs_tree_verify_inclusion(&leaf, u64_of(json_object_get(j, "leafIdx")),
                                    u64_of(json_object_get(j, "treeSize")), &root, &p);
}

static vs_err probe_consistency(const json_t *j)
{
    vs_h32 root1;
    vs_h32 root2;
    vs_tree_path p;
    if (!get_hash(&root1, json_object_get(j, "root1"))) return VS_ERR_MALFORMED;
    if (!get_hash(&root2, json_object_get(j, "root2"))) return VS_ERR_MALFORMED;
    if (!get_path(&p, json_object_get(j, "proof"))) return VS_ERR_MALFORMED;
    return vs_tree_verify_consistency(u64_of(json_object_get(j, "size1")), &root1,
                                      u64_of(json_object_get(j, "size2")), &root2, &p);
}

static void run_probes(const char *name, vs_err (*probe)(const json_t *), unsigned want_lines)
{
    char *path = vs_test_shared(name);
    char line[16384];
    unsigned n = 0;
    if (path == NULL) {
        vs_test_skip("no vectors on this machine");
        return;
    }
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        json_t *j = json_loads(line, 0, NULL);
        if (j == NULL) j = json_loads(line, JSON_DECODE_INT_AS_REAL, NULL); /* above 2^63 */
        cr_assert_not_null(j, "%s", line);
        bool refuse = json_is_true(json_object_get(j, "wantErr"));
        cr_expect_eq(probe(j) != VS_OK, refuse, "%s",
                     json_string_value(json_object_get(j, "file")));
        json_decref(j);
        n++;
    }
    cr_expect_eq(n, want_lines);
    (void)fclose(f);
    free(path);
}

Test(tree_vectors, inclusion_probes)
{
    run_probes("vectors/ledger/merkle/inclusion.jsonl", probe_inclusion, 49);
}

Test(tree_vectors, consistency_probes)
{
    run_probes("vectors/ledger/merkle/consistency.jsonl", probe_consistency, 49);
}
