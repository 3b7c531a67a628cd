#include <string.h>

#include <criterion/criterion.h>

#include "base/hash.h"
#include "tests/support.h"

static void expect_hex(const vs_h32 *got, const char *want)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hex_encode(hex, got->b, sizeof got->b);
    cr_expect_str_eq(hex, want);
}

/* FIPS 180-4 examples. */
Test(hash, sha256_known_answers)
{
    vs_h32 h;
    vs_sha256(&h, NULL, 0);
    expect_hex(&h, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    vs_sha256(&h, "abc", 3);
    expect_hex(&h, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    vs_sha256(&h, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
    expect_hex(&h, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

Test(hash, label_and_integers_are_laid_out_as_documented)
{
    uint8_t bytes[4 + 4 + 8 + 32 + 3];
    vs_h32 id;
    vs_h32 want;
    vs_h32 got;
    vs_hash h;
    vs_test_bytes(id.b, sizeof id.b, 1);
    memcpy(bytes, "abc", 4); /* the label's zero byte is hashed */
    vs_store_le32(bytes + 4, 0x01020304);
    vs_store_le64(bytes + 8, UINT64_C(0x1112131415161718));
    memcpy(bytes + 16, id.b, 32);
    memcpy(bytes + 48, "xyz", 3);
    vs_sha256(&want, bytes, sizeof bytes);
    vs_hash_start(&h, "abc");
    vs_hash_u32(&h, 0x01020304);
    vs_hash_u64(&h, UINT64_C(0x1112131415161718));
    vs_hash_h32(&h, &id);
    vs_hash_bytes(&h, "xyz", 3);
    vs_hash_bytes(&h, NULL, 0);
    vs_hash_final(&h, &got);
    cr_expect(vs_h32_equal(&want, &got));
    for (size_t i = 0; i < sizeof h.state / sizeof h.state[0]; i++) cr_expect_eq(h.state[i], 0);
}

Test(hash, a_label_is_no_prefix_of_another)
{
    vs_hash h;
    vs_h32 a;
    vs_h32 b;
    vs_hash_start(&h, "ab");
    vs_hash_bytes(&h, "c", 1);
    vs_hash_final(&h, &a);
    vs_hash_start(&h, "abc");
    vs_hash_final(&h, &b);
    cr_expect_not(vs_h32_equal(&a, &b));
}

/* --- RFC 6962: the definition, by recursion over the leaves ----------------------------------- */

enum { LEAVES = 70 };

static void leaf(vs_h32 *out, uint32_t i)
{
    uint8_t data[4];
    vs_store_le32(data, i);
    vs_merkle_leaf(out, data, i % 5); /* lengths 0..4 */
}

static void definition(vs_h32 *out, uint32_t first, uint32_t count)
{
    vs_h32 left;
    vs_h32 right;
    uint32_t k = 1;
    if (count == 1) {
        leaf(out, first);
        return;
    }
    while (2 * k < count) k *= 2; /* the largest power of two below count */
    definition(&left, first, k);
    definition(&right, first + k, count - k);
    vs_merkle_node(out, &left, &right);
}

Test(hash, merkle_root_equals_the_definition_for_every_size)
{
    vs_merkle m;
    vs_merkle_init(&m);
    for (uint32_t size = 1; size <= LEAVES; size++) {
        vs_h32 hash;
        vs_h32 got;
        vs_h32 want;
        leaf(&hash, size - 1);
        vs_merkle_append(&m, &hash);
        vs_merkle_root(&m, &got);
        definition(&want, 0, size);
        cr_assert(vs_h32_equal(&got, &want), "size %u", size);
        cr_assert_eq(m.size, size);
        cr_assert_eq(m.n_nodes, (uint32_t)__builtin_popcount(size));
    }
}

Test(hash, merkle_leaf_and_node_have_their_prefixes)
{
    uint8_t bytes[65] = {0x01};
    vs_h32 a;
    vs_h32 b;
    vs_h32 got;
    vs_h32 want;
    vs_test_bytes(a.b, sizeof a.b, 1);
    vs_test_bytes(b.b, sizeof b.b, 2);
    memcpy(bytes + 1, a.b, 32);
    memcpy(bytes + 33, b.b, 32);
    vs_sha256(&want, bytes, 65);
    vs_merkle_node(&got, &a, &b);
    cr_expect(vs_h32_equal(&got, &want));
    vs_merkle_leaf(&got, bytes + 1, 64);
    cr_expect_not(vs_h32_equal(&got, &want), "a leaf must not pass as a node");
    bytes[0] = 0x00;
    vs_sha256(&want, bytes, 65);
    cr_expect(vs_h32_equal(&got, &want));
}

Test(hash, merkle_root_of_nothing_is_the_hash_of_nothing)
{
    vs_merkle m;
    vs_h32 root;
    vs_merkle_init(&m);
    vs_merkle_root(&m, &root);
    expect_hex(&root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
