/* The source itself is included, so that the counter block of a redraw (which the real cipher
 * reaches once in 2^51 tiles) can be checked as well. */
#include "mpc/prg.c"

#include <signal.h>

#include <criterion/criterion.h>

#include "tests/mpc/vectors.h"
#include "tests/support.h"

enum { N = 3 * VS_PRG_TILE + 100 };

static void seed_of(uint8_t seed[VS_SEED_BYTES])
{
    for (size_t i = 0; i < VS_SEED_BYTES; i++) seed[i] = (uint8_t)i;
}

static vs_prg *real_prg(uint32_t stream)
{
    uint8_t seed[VS_SEED_BYTES];
    vs_prg *prg = NULL;
    seed_of(seed);
    cr_assert_eq(vs_prg_new_for(&prg, &vs_kernels_portable, seed, stream), VS_OK);
    return prg;
}

static void expect_elements(uint32_t stream, uint64_t first, const uint64_t *want, size_t count)
{
    vs_prg *prg = real_prg(stream);
    vs_fe got[8];
    vs_prg_fill(prg, got, first, count);
    for (size_t i = 0; i < count; i++) cr_expect_eq(got[i].v, want[i], "element %zu", i);
    vs_prg_free(prg);
}

Test(prg, matches_the_python_reference)
{
    expect_elements(VS_PRG_SHARE, 0, PRG_SHARE_0, 5);
    expect_elements(VS_PRG_SHARE, 1022, PRG_SHARE_1022, 4);         /* over a tile border */
    expect_elements(VS_PRG_SHARE, 33554430, PRG_SHARE_33554430, 3); /* over 2^25 */
    expect_elements(VS_PRG_CHALLENGE, 0, PRG_CHALLENGE_0, 2);
    expect_elements(VS_PRG_LOCATE, 0, PRG_LOCATE_0, 2);
    vs_prg *prg = real_prg(0x51);
    uint64_t words[4];
    vs_prg_words(prg, words, 7, 4);
    for (size_t i = 0; i < 4; i++) cr_expect_eq(words[i], PRG_WORDS_7[i]);
    vs_prg_free(prg);
}

/* The counter block of a redraw, and that neither stream is taken for the other's continuation. */
Test(prg, redraw_has_its_own_counter_block)
{
    vs_prg *prg = real_prg(VS_PRG_CHALLENGE);
    uint8_t redraw[32];
    uint64_t words[4];
    aes_source(&prg->aes, redraw, sizeof redraw, 3, 2, 1, 0);
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(vs_load_le64(redraw + 8 * i), AES_TILE_3_ATTEMPT_2[i]);
    }
    vs_prg_words(prg, words, 4, 2); /* begins at the byte where the redraw ended */
    cr_expect_neq(words[0], AES_TILE_3_ATTEMPT_2[4]);
    vs_prg_words(prg, words, 0, 4);
    cr_expect_eq(words[0] & VS_FE_P, PRG_CHALLENGE_0[0]);
    cr_expect_eq(words[1] & VS_FE_P, PRG_CHALLENGE_0[1]);
    aes_source(&prg->aes, redraw, 16, 3, 2, 1, 32); /* begins where the words ended */
    cr_expect_eq(vs_load_le64(redraw), AES_TILE_3_ATTEMPT_2[4]);
    cr_expect_eq(vs_load_le64(redraw + 8), AES_TILE_3_ATTEMPT_2[5]);
    vs_prg_free(prg);
}

/* One direct libcrypto call over the whole stream. */
static void direct(uint8_t *out, size_t len, uint32_t stream)
{
    uint8_t seed[VS_SEED_BYTES];
    uint8_t iv[16] = {0};
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int got = 0;
    seed_of(seed);
    vs_store_le32(iv + 8, stream);
    memset(out, 0, len);
    cr_assert_eq(EVP_EncryptInit_ex(cipher, EVP_aes_256_ctr(), NULL, seed, iv), 1);
    cr_assert_eq(EVP_EncryptUpdate(cipher, out, &got, out, (int)len), 1);
    EVP_CIPHER_CTX_free(cipher);
}

Test(prg, fill_and_words_agree_with_libcrypto_at_any_offset)
{
    static uint8_t stream[N * 8];
    static vs_fe got[N];
    static uint64_t words[N];
    direct(stream, sizeof stream, 5);
    vs_prg *prg = real_prg(5);
    for (uint64_t i = 0; i < 200; i++) {
        uint64_t first = i == 0 ? 0 : vs_test_u64(1, i) % N;
        size_t count = (size_t)(i == 0 ? N : vs_test_u64(2, i) % (N - first + 1));
        if (i % 2) count %= 70; /* short pieces, mostly inside a tile */
        vs_prg_fill(prg, got, first, count);
        vs_prg_words(prg, words, first, count);
        for (size_t k = 0; k < count; k++) {
            uint64_t want = vs_load_le64(stream + (first + k) * 8);
            cr_assert_eq(words[k], want, "word %zu of %zu from %llu", k, count,
                         (unsigned long long)first);
            cr_assert_eq(got[k].v, want & VS_FE_P);
        }
    }
    vs_prg_free(prg);
}

Test(prg, goes_on_in_pieces_of_any_size)
{
    static vs_fe whole[N];
    static vs_fe pieces[N];
    vs_prg *prg = real_prg(VS_PRG_SHARE);
    vs_prg_fill(prg, whole, 0, N);
    static const size_t sizes[] = {1, 64, 1000, 1024, 2048};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        memset(pieces, 0xff, sizeof pieces);
        for (size_t at = 0; at < N; at += sizes[s]) {
            vs_prg_fill(prg, pieces + at, at, N - at < sizes[s] ? N - at : sizes[s]);
        }
        cr_assert_arr_eq(whole, pieces, sizeof whole, "pieces of %zu", sizes[s]);
    }
    vs_prg_free(prg);
}

Test(prg, seeds_and_streams_differ)
{
    uint8_t seed[VS_SEED_BYTES] = {0};
    vs_fe a[4];
    vs_fe b[4];
    vs_prg *prg = NULL;
    cr_assert_eq(vs_prg_new(&prg, seed, 0), VS_OK);
    vs_prg_fill(prg, a, 0, 4);
    vs_prg_free(prg);
    cr_assert_eq(vs_prg_new(&prg, seed, 1), VS_OK);
    vs_prg_fill(prg, b, 0, 4);
    vs_prg_free(prg);
    cr_expect_arr_neq(a, b, sizeof a);
    seed[31] = 1;
    cr_assert_eq(vs_prg_new(&prg, seed, 0), VS_OK);
    vs_prg_fill(prg, b, 0, 4);
    vs_prg_free(prg);
    cr_expect_arr_neq(a, b, sizeof a);
}

/* --- the redraw, by a source that hits p on purpose ------------------------------------------- */

typedef struct stub {
    uint32_t bad_tile;     /* whose draws hit p ... */
    uint32_t bad_attempts; /* ... on attempts 0 .. bad_attempts - 1 */
    size_t bad_at;         /* at this element */
    uint64_t bad_value;
    uint32_t stream;
    uint32_t redraws; /* calls with attempt > 0 */
} stub;

static uint64_t stub_word(uint32_t tile, uint32_t attempt, uint64_t i)
{
    return ((uint64_t)tile << 40) + ((uint64_t)attempt << 32) + i;
}

static void stub_source(void *ctx, uint8_t *out, size_t len, uint32_t tile, uint32_t attempt,
                        uint32_t stream, uint64_t offset)
{
    stub *s = ctx;
    cr_assert_eq(stream, s->stream);
    cr_assert_eq(offset % 16, 0);
    if (attempt > 0) {
        cr_assert_eq(tile, s->bad_tile);
        cr_assert_eq(offset, 0);
        s->redraws++;
    } else {
        cr_assert_eq(tile, 0, "attempt 0 is one continuous stream");
    }
    for (size_t k = 0; k < len / 8; k++) {
        uint64_t i = offset / 8 + k;
        uint64_t of_tile = attempt > 0 ? tile : i / VS_PRG_TILE;
        bool hit =
            of_tile == s->bad_tile && attempt < s->bad_attempts && i % VS_PRG_TILE == s->bad_at;
        vs_store_le64(out + 8 * k, hit ? s->bad_value : stub_word(tile, attempt, i));
    }
}

static uint64_t stub_want(const stub *s, uint64_t i)
{
    if (i / VS_PRG_TILE != s->bad_tile) return stub_word(0, 0, i);
    return stub_word(s->bad_attempts == 0 ? 0 : s->bad_tile, s->bad_attempts,
                     s->bad_attempts == 0 ? i : i % VS_PRG_TILE);
}

static void expect_redraw(stub s, uint64_t first, size_t count)
{
    static vs_fe got[N];
    vs_prg *prg = NULL;
    cr_assert_eq(vs_prg_new_from_source(&prg, stub_source, &s, s.stream), VS_OK);
    vs_prg_fill(prg, got, first, count);
    for (size_t k = 0; k < count; k++) {
        cr_assert_eq(got[k].v, stub_want(&s, first + k), "element %llu",
                     (unsigned long long)(first + k));
    }
    cr_assert_eq(s.redraws, s.bad_attempts);
    vs_prg_free(prg);
}

Test(prg, a_hit_anywhere_in_a_tile_redraws_the_whole_tile)
{
    static const size_t at[] = {0, 1, 511, 1022, 1023};
    for (uint32_t tile = 0; tile < 3; tile++) {
        for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
            for (uint32_t attempts = 0; attempts < 4; attempts++) {
                stub s = {.bad_tile = tile, .bad_attempts = attempts, .bad_at = at[i]};
                s.bad_value = VS_FE_P;
                s.stream = 77;
                expect_redraw(s, 0, N);
                s.bad_value = UINT64_MAX; /* masked it is p as well */
                expect_redraw(s, 0, N);
            }
        }
    }
}

/* The element that hits p need not be used: tile 1 redraws although only its start is read. */
Test(prg, a_hit_in_the_unused_part_of_a_tile_counts)
{
    stub s = {.bad_tile = 1, .bad_attempts = 1, .bad_at = 1023, .bad_value = VS_FE_P, .stream = 0};
    expect_redraw(s, VS_PRG_TILE, 1);
    expect_redraw(s, VS_PRG_TILE - 5, 10);
    expect_redraw(s, VS_PRG_TILE + 1023, 1);
}

Test(prg, values_next_to_p_are_no_hit)
{
    stub s = {.bad_tile = 9, .bad_attempts = 1, .bad_at = 3, .stream = 0};
    static vs_fe got[VS_PRG_TILE];
    static const uint64_t near[] = {VS_FE_P - 1, VS_FE_P + 1, 0, UINT64_MAX - 1};
    for (size_t i = 0; i < 4; i++) {
        vs_prg *prg = NULL;
        s.bad_tile = 0;
        s.bad_value = near[i];
        s.redraws = 0;
        cr_assert_eq(vs_prg_new_from_source(&prg, stub_source, &s, 0), VS_OK);
        vs_prg_fill(prg, got, 0, VS_PRG_TILE);
        cr_expect_eq(s.redraws, 0);
        cr_expect_eq(got[3].v, near[i] & VS_FE_P);
        vs_prg_free(prg);
    }
}

Test(prg, words_are_never_masked_or_redrawn)
{
    stub s = {.bad_tile = 0, .bad_attempts = 9, .bad_at = 3, .bad_value = UINT64_MAX, .stream = 0};
    uint64_t words[8];
    vs_prg *prg = NULL;
    cr_assert_eq(vs_prg_new_from_source(&prg, stub_source, &s, 0), VS_OK);
    vs_prg_words(prg, words, 0, 8);
    cr_expect_eq(words[3], UINT64_MAX);
    cr_expect_eq(s.redraws, 0);
    vs_prg_free(prg);
}

Test(prg, refuses_to_pass_its_last_element, .signal = SIGABRT)
{
    vs_fe x[2];
    vs_prg_fill(real_prg(0), x, ELEMENTS_MAX - 1, 2);
}

Test(prg, refuses_to_let_the_block_counter_carry, .signal = SIGABRT)
{
    uint64_t x[2];
    vs_prg_words(real_prg(0), x, WORDS_MAX - 1, 2);
}

Test(prg, pair_is_elements_0_and_1)
{
    vs_h32 key;
    vs_fe2 rho;
    seed_of(key.b);
    cr_assert_eq(vs_prg_fe2(&rho, &key, VS_PRG_CHALLENGE), VS_OK);
    cr_expect_eq(rho.re.v, PRG_CHALLENGE_0[0]);
    cr_expect_eq(rho.im.v, PRG_CHALLENGE_0[1]);
    vs_prg_free(NULL);
}

/* After a redraw of tile 0 the stream must set its counter again. */
Test(prg, does_not_go_on_from_a_redraw)
{
    vs_prg *fresh = real_prg(VS_PRG_SHARE);
    vs_prg *after = real_prg(VS_PRG_SHARE);
    uint8_t want[32];
    uint8_t got[32];
    aes_source(&fresh->aes, want, sizeof want, 0, 0, VS_PRG_SHARE, sizeof got);
    aes_source(&after->aes, got, sizeof got, 0, 1, VS_PRG_SHARE, 0);
    aes_source(&after->aes, got, sizeof got, 0, 0, VS_PRG_SHARE, sizeof got);
    cr_expect_arr_eq(got, want, sizeof want);
    vs_prg_free(fresh);
    vs_prg_free(after);
}

Test(prg, draws_its_very_last_elements)
{
    vs_prg *prg = real_prg(VS_PRG_SHARE);
    vs_fe drawn[2];
    vs_fe filled[2];
    (void)vs_prg_draw(prg, drawn, ELEMENTS_MAX - 2, 2);
    vs_prg_fill(prg, filled, ELEMENTS_MAX - 2, 2);
    cr_expect_arr_eq(drawn, filled, sizeof filled);
    vs_prg_free(prg);
}

/* --- limits: the last place there is, and one beyond it is a caller bug ------------------------
 */

Test(prg, no_words_from_an_odd_place_write_nothing)
{
    vs_prg *prg = real_prg(VS_PRG_SHARE);
    uint64_t word = 7;
    vs_prg_words(prg, &word, 1, 0);
    cr_expect_eq(word, 7);
    vs_prg_free(prg);
}

Test(prg, gives_its_very_last_words)
{
    vs_prg *prg = real_prg(VS_PRG_SHARE);
    uint64_t pair[2], one;
    vs_prg_words(prg, pair, WORDS_MAX - 2, 2);
    vs_prg_words(prg, &one, WORDS_MAX - 1, 1);
    cr_expect_eq(one, pair[1]);
    cr_expect_eq(WORDS_MAX, UINT64_C(1) << 33); /* 2^32 blocks of two words */
    vs_prg_free(prg);
}

Test(prg, one_word_beyond_is_a_caller_bug, .signal = SIGABRT)
{
    uint64_t pair[2];
    vs_prg_words(real_prg(VS_PRG_SHARE), pair, WORDS_MAX - 1, 2);
}

Test(prg, drawing_from_an_odd_place_is_a_caller_bug, .signal = SIGABRT)
{
    vs_fe pair[2];
    (void)vs_prg_draw(real_prg(VS_PRG_SHARE), pair, 1, 2);
}

Test(prg, drawing_beyond_the_last_element_is_a_caller_bug, .signal = SIGABRT)
{
    vs_fe pair[2];
    (void)vs_prg_draw(real_prg(VS_PRG_SHARE), pair, ELEMENTS_MAX, 2);
}

Test(prg, has_as_many_elements_as_the_longest_share_and_a_tile)
{
    cr_expect_eq(ELEMENTS_MAX, VS_COLUMNS_MAX + UINT64_C(1024));
}
