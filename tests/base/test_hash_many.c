/* Several leaf hashes at once: the same as libcrypto's one by one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/hash.h"
#include "base/sha256_lanes.h"
#include "tests/support.h"

enum { LEN_MAX = 300, MANY = 40, CHUNK = 65536 };

static const char *const names[] = {"sha-ni", "avx512"};

/* Piece i of `count`, each at an address of its own alignment. */
static const uint8_t **pieces(uint8_t **memory, size_t len, size_t count)
{
    const uint8_t **data = calloc(count, sizeof *data);
    *memory = malloc(count * (len + 65) + 1);
    cr_assert(data != NULL && *memory != NULL);
    vs_test_bytes(*memory, count * (len + 65) + 1, len + count);
    for (size_t i = 0; i < count; i++) data[i] = *memory + i * (len + 65);
    return data;
}

static void expect_leaves(const vs_h32 *got, const uint8_t *const *data, size_t len, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vs_h32 want;
        vs_merkle_leaf(&want, data[i], len);
        cr_assert(vs_h32_equal(&got[i], &want), "piece %zu of %zu, %zu bytes", i, count, len);
    }
}

static void check(const vs_sha256_lanes *k, size_t len, size_t count)
{
    vs_h32 got[MANY + 1];
    uint8_t *memory;
    const uint8_t **data = pieces(&memory, len, count);
    memset(got, 0xee, sizeof got);
    if (k == NULL) {
        vs_merkle_leaves(got, data, len, count);
    } else {
        vs_sha256_leaves(k, got, data, len, (uint32_t)count);
    }
    expect_leaves(got, data, len, count);
    for (size_t i = 0; i < sizeof got[count].b; i++) {
        cr_assert_eq(got[count].b[i], 0xee, "written past the end");
    }
    free(memory);
    free(data);
}

Test(hash_many, every_length_and_every_number_of_lanes)
{
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        const vs_sha256_lanes *k = vs_sha256_lanes_by_name(names[n]);
        if (k == NULL) {
            (void)fprintf(stderr, "SKIPPED: this machine cannot run %s\n", names[n]);
            continue;
        }
        cr_assert_str_eq(k->name, names[n]);
        for (size_t len = 0; len <= LEN_MAX; len++) check(k, len, 1 + len % k->lanes);
        for (uint32_t count = 1; count <= k->lanes; count++) check(k, 130, count);
        check(k, CHUNK, k->lanes);
        check(k, CHUNK - 1, 1);
    }
}

Test(hash_many, any_number_of_pieces)
{
    for (size_t count = 0; count <= MANY; count++) check(NULL, 200, count);
    for (size_t len = 0; len <= LEN_MAX; len++) check(NULL, len, 19);
    check(NULL, CHUNK, 7);
    cr_expect_null(vs_sha256_lanes_by_name("portable"));
    cr_expect_null(vs_sha256_lanes_by_name(""));
}

/* RFC 6962 section 2.1: H(0x00) is the leaf without bytes. */
Test(hash_many, known_leaf)
{
    const uint8_t *data[17];
    vs_h32 got[17], want;
    cr_assert_eq(vs_hex_decode(want.b, sizeof want.b,
                               "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
                 VS_OK);
    for (size_t i = 0; i < 17; i++) data[i] = want.b;
    vs_merkle_leaves(got, data, 0, 17);
    for (size_t i = 0; i < 17; i++) cr_expect(vs_h32_equal(&got[i], &want));
}

/* FIPS 180-4's examples of one and two blocks, a different one in each lane. */
Test(hash_many, fips_examples_through_the_compression_functions)
{
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    static const uint32_t abc[8] = {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
                                    0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad};
    static const uint32_t two[8] = {0x248d6a61, 0xd20638b8, 0xe5c02693, 0x0c3e6039,
                                    0xa33ce459, 0x64ff2167, 0xf6ecedd4, 0x19db06c1};
    static const char text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    uint8_t block[3][64] = {"abc"};
    block[0][3] = 0x80;
    block[0][63] = 24; /* bits */
    memcpy(block[1], text, sizeof text - 1);
    block[1][sizeof text - 1] = 0x80;
    block[2][62] = 1; /* 448 bits */
    block[2][63] = 0xc0;
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        const vs_sha256_lanes *k = vs_sha256_lanes_by_name(names[n]);
        if (k == NULL) continue;
        for (uint32_t which = 0; which < k->lanes; which++) { /* this lane: two blocks */
            uint32_t state[8 * VS_SHA256_LANES_MAX];
            const uint8_t *data[VS_SHA256_LANES_MAX];
            for (uint32_t i = 0; i < 8 * k->lanes; i++) state[i] = initial[i / k->lanes];
            for (uint32_t l = 0; l < k->lanes; l++) data[l] = block[l == which ? 1 : 0];
            k->blocks(state, data, 1);
            for (uint32_t i = 0; i < 8 * k->lanes; i++) {
                if (i % k->lanes != which) cr_assert_eq(state[i], abc[i / k->lanes]);
            }
            k->blocks(state, data, 0); /* nothing */
            data[which] = block[2];
            k->blocks(state, data, 1);
            for (uint32_t i = 0; i < 8; i++) cr_assert_eq(state[i * k->lanes + which], two[i]);
        }
    }
}
