/* RFC 6962 known answers of other implementations, read where the development data is. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include "base/hash.h"
#include "tests/support.h"

static json_t *known_answers(void)
{
    json_error_t error;
    char *path = vs_test_shared("vectors/ledger/merkle/known_answers.json");
    if (path == NULL) {
        vs_test_skip("no known answers for Merkle trees on this machine");
        return NULL;
    }
    json_t *root = json_load_file(path, 0, &error);
    cr_assert_not_null(root, "%s: %s", path, error.text);
    free(path);
    return root;
}

static size_t bytes_of(uint8_t *out, size_t cap, const json_t *hex)
{
    const char *text = json_string_value(hex);
    cr_assert_not_null(text);
    size_t len = strlen(text) / 2;
    cr_assert_leq(len, cap);
    cr_assert_eq(vs_hex_decode(out, len, text), VS_OK);
    return len;
}

static void expect_hex(const vs_h32 *got, const json_t *want)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hex_encode(hex, got->b, sizeof got->b);
    cr_expect_str_eq(hex, json_string_value(want));
}

Test(merkle_shared, leaves_nodes_and_roots)
{
    json_t *all = known_answers();
    const json_t *item;
    size_t i;
    uint8_t data[64];
    vs_h32 h;
    size_t checked = 0;
    if (all == NULL) return;
    json_array_foreach(json_object_get(all, "leaf_hashes"), i, item)
    {
        size_t len = bytes_of(data, sizeof data, json_object_get(item, "leaf_hex"));
        vs_merkle_leaf(&h, data, len);
        expect_hex(&h, json_object_get(item, "hash"));
        checked++;
    }
    json_array_foreach(json_object_get(all, "node_hashes"), i, item)
    {
        vs_h32 left;
        vs_h32 right;
        /* Other implementations take children of any length; ours are hashes. */
        if (strlen(json_string_value(json_object_get(item, "left"))) != 64) continue;
        (void)bytes_of(left.b, 32, json_object_get(item, "left"));
        (void)bytes_of(right.b, 32, json_object_get(item, "right"));
        vs_merkle_node(&h, &left, &right);
        expect_hex(&h, json_object_get(item, "hash"));
        checked++;
    }
    const json_t *roots = json_object_get(all, "roots_size_1_to_8");
    vs_merkle tree;
    vs_merkle_init(&tree);
    vs_merkle_root(&tree, &h);
    expect_hex(&h, json_object_get(all, "empty_root"));
    json_array_foreach(json_object_get(all, "tree_leaves_hex"), i, item)
    {
        size_t len = bytes_of(data, sizeof data, item);
        vs_merkle_leaf(&h, data, len);
        vs_merkle_append(&tree, &h);
        vs_merkle_root(&tree, &h);
        expect_hex(&h, json_array_get(roots, i));
        checked++;
    }
    cr_expect_geq(checked, 13);
    json_decref(all);
}
