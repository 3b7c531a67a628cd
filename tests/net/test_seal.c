#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "net/seal.h"
#include "tests/support.h"

#define J 3u

typedef struct ends {
    uint8_t ephemeral_secret[32], round_secret[32];
    vs_h32 ephemeral_key, round_key, ctx;
    vs_seal *sender, *receiver;
} ends;

static ends ends_of(uint64_t seed)
{
    ends e;
    vs_test_bytes(e.ephemeral_secret, 32, seed);
    vs_test_bytes(e.round_secret, 32, seed + 1);
    vs_test_bytes(e.ctx.b, 32, seed + 2);
    vs_seal_public(&e.ephemeral_key, e.ephemeral_secret);
    vs_seal_public(&e.round_key, e.round_secret);
    cr_assert_eq(vs_seal_new_sender(&e.sender, e.ephemeral_secret, &e.round_key, &e.ctx, J), VS_OK);
    cr_assert_eq(vs_seal_new_receiver(&e.receiver, e.round_secret, &e.ephemeral_key, &e.ctx, J),
                 VS_OK);
    return e;
}

static void ends_free(ends *e)
{
    vs_seal_free(e->sender);
    vs_seal_free(e->receiver);
}

Test(seal, opens_what_was_sealed_at_every_size)
{
    const size_t sizes[] = {0, 1, 15, 16, 17, 32, 1000, 65535, 65536};
    uint8_t *plain = malloc(65536), *opened = malloc(65536), *sealed = malloc(65536 + 16);
    ends e = ends_of(1);
    vs_test_bytes(plain, 65536, 7);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int last = 0; last < 2; last++) {
            uint32_t chunk = (uint32_t)(i * 2);
            memset(opened, 0xaa, 65536);
            cr_assert_eq(vs_seal_chunk(e.sender, sealed, plain, sizes[i], chunk, last != 0), VS_OK);
            cr_expect_eq(
                vs_unseal_chunk(e.receiver, opened, sealed, sizes[i] + 16, chunk, last != 0),
                VS_OK);
            cr_expect(memcmp(plain, opened, sizes[i]) == 0, "size %zu", sizes[i]);
        }
    }
    ends_free(&e);
    free(plain);
    free(opened);
    free(sealed);
}

Test(seal, gives_the_same_bytes_when_asked_again_in_any_order)
{
    uint8_t a[3][64 + 16], b[3][64 + 16], plain[64];
    ends e = ends_of(20), again = ends_of(20);
    vs_test_bytes(plain, sizeof plain, 3);
    for (uint32_t c = 0; c < 3; c++) {
        cr_assert_eq(vs_seal_chunk(e.sender, a[c], plain, 64, c, c == 2), VS_OK);
    }
    for (uint32_t c = 3; c-- > 0;) {
        cr_assert_eq(vs_seal_chunk(again.sender, b[c], plain, 64, c, c == 2), VS_OK);
    }
    cr_expect(memcmp(a, b, sizeof a) == 0);
    cr_expect(memcmp(a[0], a[1], sizeof a[0]) != 0);
    ends_free(&e);
    ends_free(&again);
}

Test(seal, one_object_can_change_direction)
{
    uint8_t sealed[16 + 16], opened[16], plain[16];
    ends e = ends_of(30);
    vs_test_bytes(plain, sizeof plain, 3);
    for (uint32_t c = 0; c < 3; c++) {
        cr_assert_eq(vs_seal_chunk(e.sender, sealed, plain, 16, c, false), VS_OK);
        cr_expect_eq(vs_unseal_chunk(e.sender, opened, sealed, 32, c, false), VS_OK);
        cr_expect(memcmp(plain, opened, 16) == 0);
    }
    ends_free(&e);
}

static void refused(vs_seal *seal, const uint8_t *sealed, size_t len, uint32_t chunk, bool last,
                    const char *what)
{
    uint8_t opened[256];
    memset(opened, 0xaa, sizeof opened);
    cr_expect_eq(vs_unseal_chunk(seal, opened, sealed, len, chunk, last), VS_ERR_PROOF, "%s", what);
    for (size_t i = 0; i + 16 < len; i++) cr_expect_eq(opened[i], 0, "%s leaked", what);
}

Test(seal, refuses_wrong_index_wrong_last_and_truncation)
{
    uint8_t sealed[100 + 16], opened[100], plain[100];
    ends e = ends_of(40);
    vs_test_bytes(plain, sizeof plain, 9);
    cr_assert_eq(vs_seal_chunk(e.sender, sealed, plain, 100, 5, false), VS_OK);
    refused(e.receiver, sealed, 116, 4, false, "index 4");
    refused(e.receiver, sealed, 116, 6, false, "index 6");
    refused(e.receiver, sealed, 116, 5, true, "last");
    for (size_t len = 16; len < 116; len++) refused(e.receiver, sealed, len, 5, false, "cut");
    cr_expect_eq(vs_unseal_chunk(e.receiver, opened, sealed, 116, 5, false), VS_OK);
    ends_free(&e);
}

Test(seal, refuses_any_changed_byte)
{
    uint8_t sealed[100 + 16], plain[100];
    ends e = ends_of(50);
    vs_test_bytes(plain, sizeof plain, 9);
    cr_assert_eq(vs_seal_chunk(e.sender, sealed, plain, 100, 0, true), VS_OK);
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 0x10;
        refused(e.receiver, sealed, sizeof sealed, 0, true, "flipped bit");
        sealed[i] ^= 0x10;
    }
    ends_free(&e);
}

Test(seal, refuses_reordered_chunks)
{
    uint8_t sealed[2][32 + 16], plain[32];
    ends e = ends_of(60);
    vs_test_bytes(plain, sizeof plain, 9);
    for (uint32_t c = 0; c < 2; c++) {
        cr_assert_eq(vs_seal_chunk(e.sender, sealed[c], plain, 32, c, c == 1), VS_OK);
    }
    refused(e.receiver, sealed[1], 48, 0, false, "chunk 1 as 0");
    refused(e.receiver, sealed[0], 48, 1, true, "chunk 0 as 1");
    ends_free(&e);
}

Test(seal, key_depends_on_every_input)
{
    uint8_t sealed[32 + 16], plain[32];
    ends e = ends_of(70), other = ends_of(80);
    vs_seal *seal;
    vs_h32 ctx = e.ctx;
    vs_test_bytes(plain, sizeof plain, 9);
    cr_assert_eq(vs_seal_chunk(e.sender, sealed, plain, 32, 0, true), VS_OK);

    refused(other.receiver, sealed, 48, 0, true, "another pair");
    cr_assert_eq(vs_seal_new_receiver(&seal, other.round_secret, &e.ephemeral_key, &e.ctx, J),
                 VS_OK);
    refused(seal, sealed, 48, 0, true, "round secret");
    vs_seal_free(seal);
    cr_assert_eq(vs_seal_new_receiver(&seal, e.round_secret, &other.ephemeral_key, &e.ctx, J),
                 VS_OK);
    refused(seal, sealed, 48, 0, true, "ephemeral key");
    vs_seal_free(seal);
    ctx.b[31] ^= 1;
    cr_assert_eq(vs_seal_new_receiver(&seal, e.round_secret, &e.ephemeral_key, &ctx, J), VS_OK);
    refused(seal, sealed, 48, 0, true, "context");
    vs_seal_free(seal);
    cr_assert_eq(vs_seal_new_receiver(&seal, e.round_secret, &e.ephemeral_key, &e.ctx, J + 1),
                 VS_OK);
    refused(seal, sealed, 48, 0, true, "shareholder");
    vs_seal_free(seal);
    ends_free(&e);
    ends_free(&other);
}

/* Low-order points give a shared secret that everybody knows. */
Test(seal, refuses_an_all_zero_shared_secret)
{
    vs_h32 low = {{0}}, ctx = {{1}};
    uint8_t secret[32];
    vs_seal *seal = (vs_seal *)secret; /* must be set to NULL */
    vs_test_bytes(secret, 32, 5);
    cr_expect_eq(vs_seal_new_sender(&seal, secret, &low, &ctx, 1), VS_ERR_PROOF);
    cr_expect_null(seal);
    cr_expect_eq(vs_seal_new_receiver(&seal, secret, &low, &ctx, 1), VS_ERR_PROOF);
    low.b[0] = 1;
    cr_expect_eq(vs_seal_new_receiver(&seal, secret, &low, &ctx, 1), VS_ERR_PROOF);
    cr_expect_null(seal);
}

Test(seal, shapes_add_up)
{
    const uint32_t columns[] = {1, 2, 100, 8189, 8190, 8191, 8192, 16382, 16383, 100000};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        for (int seed = 0; seed < 2; seed++) {
            uint32_t n = vs_sealed_share_chunks(columns[i], seed != 0);
            uint64_t sum = 0;
            for (uint32_t c = 0; c < n; c++) {
                uint32_t plain = vs_sealed_share_plain(columns[i], seed != 0, c);
                cr_expect(plain > 0 && plain <= VS_SEAL_CHUNK_MAX);
                sum += plain + VS_SEAL_TAG_BYTES;
            }
            cr_expect_eq(sum, vs_sealed_share_len(columns[i], seed != 0));
        }
    }
    cr_expect_eq(vs_sealed_share_chunks(8190, false), 2);
    cr_expect_eq(vs_sealed_share_chunks(8191, false), 3);
    cr_expect_eq(vs_sealed_share_plain(8191, false, 2), 8);
    cr_expect_eq(vs_sealed_share_chunks(100000, true), 2);
    cr_expect_eq(vs_sealed_sum_chunks(8192), 1);
    cr_expect_eq(vs_sealed_sum_chunks(8193), 2);
}
