#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "mpc/commit.h"
#include "mpc/locate.h"
#include "mpc/prg.h"
#include "tests/mpc/vectors.h"

static void expect_h32(const vs_h32 *got, const char *want)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hex_encode(hex, got->b, sizeof got->b);
    cr_expect_str_eq(hex, want);
}

static vs_h32 filled(int byte)
{
    vs_h32 h;
    memset(h.b, byte, sizeof h.b);
    return h;
}

static vs_round_id round_id(void)
{
    return (vs_round_id){.federation_id = filled(0xf1), .round = UINT64_C(0x1122334455667788)};
}

static uint8_t *pattern(size_t len)
{
    uint8_t *p = malloc(len + 1);
    cr_assert_not_null(p);
    for (size_t i = 0; i < len; i++) p[i] = (uint8_t)(i * 7 + (i >> 8) * 13 + 5);
    return p;
}

static vs_h32 context(void)
{
    const vs_round_id id = round_id();
    const vs_h32 key = filled(0xc1);
    const vs_h32 salt = filled(0x5a);
    const vs_h32 model = filled(0x3d);
    const vs_h32 params = filled(0x9a);
    vs_h32 pseudonym;
    vs_h32 ctx;
    vs_pseudonym(&pseudonym, &id, &key, &salt);
    expect_h32(&pseudonym, PSEUDONYM);
    vs_context(&ctx, &id, &model, &params, &pseudonym);
    return ctx;
}

static void share_root(vs_h32 *out, size_t len, size_t piece)
{
    uint8_t *data = pattern(len);
    vs_share_root r;
    vs_share_root_init(&r);
    for (size_t at = 0; at < len; at += piece) {
        vs_share_root_update(&r, data + at, len - at < piece ? len - at : piece);
    }
    vs_share_root_final(&r, out);
    free(data);
}

static void commitments(vs_h32 c[7])
{
    const vs_h32 ctx = context();
    for (uint32_t j = 1; j <= 7; j++) {
        vs_h32 root;
        const vs_h32 nonce = filled((int)j);
        share_root(&root, 24 * j, 8);
        vs_commit_share(&c[j - 1], &ctx, j, nonce.b, &root);
    }
}

Test(commit, context_and_pseudonym_match_the_reference)
{
    const vs_h32 ctx = context();
    expect_h32(&ctx, CONTEXT);
}

/* Around chunk borders, and fed in pieces that do and do not divide a chunk. */
Test(commit, share_root_matches_the_reference_in_any_pieces)
{
    static const struct {
        size_t len;
        const char *want;
    } known[] = {
        {24, SHARE_ROOT_24},
        {65536, SHARE_ROOT_65536},
        {65544, SHARE_ROOT_65544},
        {3 * 65536, SHARE_ROOT_196608},
        {5 * 65536 + 8, SHARE_ROOT_327688},
    };
    static const size_t pieces[] = {777, 4096, 65535, 65536, 65537, 1000000};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
            vs_h32 root;
            share_root(&root, known[i].len, pieces[k]);
            expect_h32(&root, known[i].want);
        }
        vs_h32 root;
        uint8_t *data = pattern(known[i].len);
        vs_share_root_of(&root, data, known[i].len);
        expect_h32(&root, known[i].want);
        free(data);
    }
}

/* `vectors` of 2 whole chunks and one of tail bytes (0: none), leaf by leaf of all of them. */
static void expect_leaves_at_once(size_t vectors, size_t tail, vs_pool *pool)
{
    enum { WHOLE = 2, MAX = 70 };
    static uint8_t bytes[WHOLE * VS_CHUNK_BYTES + VS_CHUNK_BYTES + MAX];
    static vs_share_root root[MAX], *roots[MAX * WHOLE];
    static const uint8_t *data[MAX * WHOLE];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * i + i / 255);
    for (size_t v = 0; v < vectors; v++) vs_share_root_init(&root[v]);
    for (size_t i = 0; i < vectors * WHOLE; i++) { /* a root's two leaves in order */
        roots[i] = &root[i / WHOLE];
        data[i] = bytes + i / WHOLE + i % WHOLE * VS_CHUNK_BYTES; /* vectors differ by a shift */
    }
    vs_share_root_leaves(roots, data, VS_CHUNK_BYTES, vectors * WHOLE, pool);
    for (size_t v = 0; v < vectors; v++) {
        roots[v] = &root[v];
        data[v] = bytes + v + WHOLE * (size_t)VS_CHUNK_BYTES;
    }
    if (tail > 0) vs_share_root_leaves(roots, data, tail, vectors, pool);
    for (size_t v = 0; v < vectors; v++) {
        vs_share_root one_by_one;
        vs_h32 want, got;
        vs_share_root_init(&one_by_one);
        vs_share_root_update(&one_by_one, bytes + v, WHOLE * VS_CHUNK_BYTES + tail);
        vs_share_root_final(&one_by_one, &want);
        vs_share_root_final(&root[v], &got);
        cr_assert(vs_h32_equal(&got, &want), "vector %zu of %zu, tail %zu", v, vectors, tail);
    }
}

Test(commit, leaves_at_once_give_the_same_roots)
{
    static const size_t tails[] = {0, 1, 8, 65535, 65536};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        expect_leaves_at_once(1, tails[i], NULL);
        expect_leaves_at_once(33, tails[i], NULL);
    }
    expect_leaves_at_once(64, 8, NULL); /* leaves: as many as are hashed at a time, and more */
    expect_leaves_at_once(65, 8, NULL);
    vs_share_root_leaves(NULL, NULL, 1, 0, NULL);
}

Test(commit, threads_give_the_same_roots)
{
    static const uint32_t threads[] = {1, 2, 3, 8};
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        vs_pool *pool = NULL;
        cr_assert_eq(vs_pool_new(&pool, threads[i]), VS_OK);
        expect_leaves_at_once(1, 8, pool);
        expect_leaves_at_once(7, 8, pool);
        expect_leaves_at_once(65, 0, pool);
        vs_pool_free(pool);
    }
}

/* Leaves would be cut at the wrong places. */
Test(commit, no_leaf_after_bytes_that_do_not_fill_one, .signal = SIGABRT)
{
    vs_share_root r, *roots[] = {&r};
    const uint8_t data[8] = {0}, *pieces[] = {data};
    vs_share_root_init(&r);
    vs_share_root_update(&r, data, sizeof data);
    vs_share_root_leaves(roots, pieces, sizeof data, 1, NULL);
}

Test(commit, no_leaf_after_the_last, .signal = SIGABRT)
{
    vs_share_root r, *roots[] = {&r, &r};
    const uint8_t data[8] = {0}, *pieces[] = {data, data};
    vs_share_root_init(&r);
    vs_share_root_leaves(roots, pieces, sizeof data, 2, NULL);
}

Test(commit, no_bytes_after_the_last_leaf, .signal = SIGABRT)
{
    vs_share_root r, *roots[] = {&r};
    const uint8_t data[8] = {0}, *pieces[] = {data};
    vs_share_root_init(&r);
    vs_share_root_leaves(roots, pieces, sizeof data, 1, NULL);
    vs_share_root_update(&r, data, 1);
}

Test(commit, nothing_may_follow_the_last_leaf)
{
    vs_share_root r, *roots[] = {&r};
    vs_h32 got, want;
    const uint8_t data[8] = {0}, *pieces[] = {data};
    vs_share_root_init(&r);
    vs_share_root_leaves(roots, pieces, sizeof data, 1, NULL);
    vs_share_root_update(&r, data, 0);
    vs_share_root_final(&r, &got);
    vs_merkle_leaf(&want, data, sizeof data);
    cr_expect(vs_h32_equal(&got, &want));
}

Test(commit, a_leaf_is_not_empty, .signal = SIGABRT)
{
    const uint8_t data[8] = {0}, *pieces[] = {data};
    vs_share_root r, *roots[] = {&r};
    vs_share_root_init(&r);
    vs_share_root_leaves(roots, pieces, 0, 1, NULL);
}

Test(commit, a_leaf_is_not_longer_than_a_chunk, .signal = SIGABRT)
{
    static const uint8_t data[VS_CHUNK_BYTES + 1];
    const uint8_t *pieces[] = {data};
    vs_share_root r, *roots[] = {&r};
    vs_share_root_init(&r);
    vs_share_root_leaves(roots, pieces, sizeof data, 1, NULL);
}

/* More than are hashed together; nothing at all. */
Test(commit, root_of_bytes_is_the_root_of_their_pieces)
{
    static const size_t lens[] = {0, 1, 16 * 65536, 16 * 65536 + 1, 17 * 65536, 33 * 65536 - 1};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        vs_h32 want, got;
        vs_share_root r;
        uint8_t *data = pattern(lens[i]);
        for (size_t at = 0; at < lens[i]; at += 65536) data[at] = (uint8_t)(at >> 16); /* differ */
        vs_share_root_init(&r);
        vs_share_root_update(&r, data, lens[i]);
        vs_share_root_final(&r, &want);
        vs_share_root_of(&got, data, lens[i]);
        cr_expect(vs_h32_equal(&got, &want), "%zu bytes", lens[i]);
        free(data);
    }
}

Test(commit, share_root_state_is_wiped)
{
    vs_share_root r;
    vs_h32 root;
    const uint8_t data[100] = {1};
    vs_share_root_init(&r);
    vs_share_root_update(&r, data, sizeof data);
    vs_share_root_final(&r, &root);
    const uint8_t *bytes = (const uint8_t *)&r;
    for (size_t i = 0; i < sizeof r; i++) cr_assert_eq(bytes[i], 0, "byte %zu", i);
}

Test(commit, seed_share_is_one_leaf)
{
    uint8_t seed[32];
    vs_h32 root;
    for (size_t i = 0; i < sizeof seed; i++) seed[i] = (uint8_t)i;
    vs_share_root_seed(&root, seed);
    expect_h32(&root, SHARE_ROOT_SEED);
}

Test(commit, commitments_root_and_challenge_match_the_reference)
{
    vs_h32 c[7];
    vs_h32 root;
    commitments(c);
    expect_h32(&c[2], COMMIT_3);
    vs_commit_root(&root, c, 1);
    expect_h32(&root, COMMIT_ROOT_1);
    vs_commit_root(&root, c, 4);
    expect_h32(&root, COMMIT_ROOT_4);
    vs_commit_root(&root, c, 7);
    expect_h32(&root, COMMIT_ROOT_7);
    vs_fe2 rho;
    const vs_h32 ctx = context();
    cr_assert_eq(vs_challenge(&rho, &ctx, &root), VS_OK);
    cr_expect_eq(rho.re.v, CHALLENGE[0]);
    cr_expect_eq(rho.im.v, CHALLENGE[1]);
}

/* Every input must move every output, or it is not bound. */
Test(commit, every_field_is_bound)
{
    const vs_h32 ctx = context();
    const vs_h32 root = filled(1);
    const vs_h32 nonce = filled(2);
    vs_h32 base;
    vs_h32 other;
    vs_commit_share(&base, &ctx, 3, nonce.b, &root);
    for (size_t bit = 0; bit < 256; bit += 85) {
        vs_h32 x = ctx;
        x.b[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        vs_commit_share(&other, &x, 3, nonce.b, &root);
        cr_expect_not(vs_h32_equal(&base, &other));
        x = nonce;
        x.b[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        vs_commit_share(&other, &ctx, 3, x.b, &root);
        cr_expect_not(vs_h32_equal(&base, &other));
        x = root;
        x.b[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        vs_commit_share(&other, &ctx, 3, nonce.b, &x);
        cr_expect_not(vs_h32_equal(&base, &other));
    }
    vs_commit_share(&other, &ctx, 4, nonce.b, &root);
    cr_expect_not(vs_h32_equal(&base, &other));
}

Test(commit, answer_and_result_hashes_match_the_reference)
{
    const vs_round_id id = round_id();
    uint8_t *data = pattern(80);
    vs_hash h;
    vs_h32 out;
    vs_answer_hash_start(&h, &id, 9);
    vs_hash_bytes(&h, data, 30);
    vs_hash_bytes(&h, data + 30, 50);
    vs_hash_final(&h, &out);
    expect_h32(&out, ANSWER_HASH);
    free(data);
    vs_result_hash_start(&h, &id, 42);
    vs_hash_u64(&h, 1);
    vs_hash_u64(&h, UINT64_C(1) << 40);
    vs_hash_u64(&h, 3);
    vs_hash_final(&h, &out);
    expect_h32(&out, RESULT_HASH);
}

Test(commit, locate_challenge_matches_the_reference)
{
    const vs_h32 leaf = filled(0x5e);
    const vs_answer_ref answers[3] = {{1, filled(0x81)}, {4, filled(0x84)}, {9, filled(0x89)}};
    vs_fe2 rho;
    cr_assert_eq(vs_locate_challenge(&rho, &leaf, answers, 3), VS_OK);
    cr_expect_eq(rho.re.v, LOCATE[0]);
    cr_expect_eq(rho.im.v, LOCATE[1]);
}

Test(commit, locate_challenge_wants_ascending_answers, .signal = SIGABRT)
{
    const vs_h32 leaf = filled(0x5e);
    const vs_answer_ref answers[2] = {{4, filled(0x84)}, {4, filled(0x81)}};
    vs_fe2 rho;
    (void)!vs_locate_challenge(&rho, &leaf, answers, 2);
}
