/* The text of a share: one negative case per member; and what a set of shares can tell. */
#include <criterion/criterion.h>

#include <stdio.h>

#include <sodium.h>

#include "tests/mpc/share_sample.h"

#define SECRET "correct horse battery staple"

static vs_buf text_of(const vs_split *split, uint32_t x)
{
    vs_buf text = {0};
    cr_assert_eq(vs_split_text(split, &text, x), VS_OK);
    return text;
}

static vs_share share_of(const vs_split *split, uint32_t x)
{
    vs_share share;
    vs_diag diag;
    vs_buf text = text_of(split, x);
    cr_assert_eq(vs_share_decode(&share, text.p, text.len, &diag), VS_OK, "%s", diag.text);
    vs_buf_free_secret(&text);
    return share;
}

Test(share_text, every_text_reads_back_to_itself)
{
    static const char *const secrets[] = {"", "a", SECRET};
    for (size_t i = 0; i < 3; i++) {
        vs_split *split = sample_split(7, 4, secrets[i], i);
        for (uint32_t x = 1; x <= 7; x++) {
            vs_buf text = text_of(split, x), again = {0};
            vs_share share = share_of(split, x);
            cr_assert_eq(share.x, x);
            cr_assert_eq(vs_share_encode(&again, &share.set, x, share.nonce, share.payload.p),
                         VS_OK);
            cr_assert(again.len == text.len && memcmp(again.p, text.p, text.len) == 0);
            vs_share_free(&share);
            vs_buf_free(&text);
            vs_buf_free(&again);
        }
        vs_split_free(split);
    }
}

/* The line that starts with `name`, as it stands. */
static void line_of(char out[200], const vs_buf *text, const char *name)
{
    for (size_t i = 0; i + strlen(name) < text->len; i++) {
        if (memcmp(text->p + i, name, strlen(name)) != 0 || (i > 0 && text->p[i - 1] != '\n')) {
            continue;
        }
        const uint8_t *lf = memchr(text->p + i, '\n', text->len - i);
        size_t len = (size_t)(lf - (text->p + i)) + 1;
        memcpy(out, text->p + i, len);
        out[len] = '\0';
        return;
    }
    cr_assert_fail("%s", name);
}

/* Replace the line by `to` ("" removes it), seal again, expect this error and these words. */
static void refused(const vs_split *split, const char *name, const char *to, vs_err want,
                    const char *words)
{
    vs_share share;
    vs_diag diag = {""};
    char line[200];
    vs_buf text = text_of(split, 2);
    line_of(line, &text, name);
    cr_assert(sample_replace(&text, line, to));
    sample_seal(&text);
    vs_err err = vs_share_decode(&share, text.p, text.len, &diag);
    cr_expect_eq(err, want, "%s -> %s: %s", name, to, vs_err_name(err));
    cr_expect_not_null(strstr(diag.text, words), "%s -> %s: %s", name, to, diag.text);
    cr_expect(sodium_is_zero((const uint8_t *)&share, sizeof share));
    vs_buf_free(&text);
}

#define HEX16 "0123456789abcdef"
#define HEX64 HEX16 HEX16 HEX16 HEX16

Test(share_text, refuses_each_member_that_is_wrong)
{
    static const struct {
        const char *name, *to, *words;
        vs_err err;
    } cases[] = {
        {"set ", "set " HEX64 "\n", "set id", VS_ERR_PROOF},
        {"set ", "set " HEX16 "\n", "\"set\" is not 64", VS_ERR_MALFORMED},
        {"set ", "", "\"set\" is not where", VS_ERR_MALFORMED},
        {"shares ", "shares 4\n", "\"share\" is not where", VS_ERR_MALFORMED},
        {"shares ", "shares 6\n", "\"commit\" is not where", VS_ERR_MALFORMED},
        {"shares ", "shares 1\n", "\"shares\" is not a number", VS_ERR_MALFORMED},
        {"shares ", "shares 256\n", "\"shares\" is not a number", VS_ERR_MALFORMED},
        {"shares ", "shares 05\n", "\"shares\" is not a number", VS_ERR_MALFORMED},
        {"shares ", "shares 5 \n", "\"shares\" is not a number", VS_ERR_MALFORMED},
        {"shares ", "shares \n", "\"shares\" is not a number", VS_ERR_MALFORMED},
        {"shares ", "shares 123456789\n", "\"shares\" is too long", VS_ERR_MALFORMED},
        {"shares ", "", "\"shares\" is not where", VS_ERR_MALFORMED},
        {"threshold ", "threshold 2\n", "set id", VS_ERR_PROOF},
        {"threshold ", "threshold 1\n", "\"threshold\" is not", VS_ERR_MALFORMED},
        {"threshold ", "threshold 6\n", "\"threshold\" is not", VS_ERR_MALFORMED},
        {"threshold ", "", "\"threshold\" is not where", VS_ERR_MALFORMED},
        {"bytes ", "bytes 27\n", "set id", VS_ERR_PROOF},
        {"bytes ", "bytes 99\n", "\"payload\" has not the length", VS_ERR_MALFORMED},
        {"bytes ", "bytes 1048577\n", "\"bytes\" is not", VS_ERR_MALFORMED},
        {"bytes ", "bytes -1\n", "\"bytes\" is not", VS_ERR_MALFORMED},
        {"bytes ", "", "\"bytes\" is not where", VS_ERR_MALFORMED},
        {"prime ", "prime 0xfb\n", "\"payload\" has not the length", VS_ERR_MALFORMED},
        {"prime ", "prime 251\n", "\"prime\" is not", VS_ERR_MALFORMED},
        {"prime ", "prime 0xFB\n", "\"prime\" is not", VS_ERR_MALFORMED},
        {"prime ", "prime 0x0fb\n", "\"prime\" is not", VS_ERR_MALFORMED},
        {"prime ", "prime 0xfa\n", "\"prime\" is not", VS_ERR_MALFORMED},
        {"prime ", "prime 0x7f\n", "\"prime\" is not", VS_ERR_MALFORMED},
        {"prime ", "", "\"prime\" is not where", VS_ERR_MALFORMED},
        {"secret ", "secret " HEX64 "\n", "set id", VS_ERR_PROOF},
        {"secret ", "secret x\n", "\"secret\" is not 64", VS_ERR_MALFORMED},
        {"secret ", "", "\"secret\" is not where", VS_ERR_MALFORMED},
        {"commit ", "commit " HEX64 "\n", "set id", VS_ERR_PROOF},
        {"commit ", "commit A\n", "\"commit\" is not 64", VS_ERR_MALFORMED},
        {"commit ", "", "\"commit\" is not where", VS_ERR_MALFORMED},
        {"share 2", "share 3\n", "was split as share 3", VS_ERR_PROOF},
        {"share 2", "share 0\n", "\"share\" is not", VS_ERR_MALFORMED},
        {"share 2", "share 6\n", "\"share\" is not", VS_ERR_MALFORMED},
        {"share 2", "", "\"share\" is not where", VS_ERR_MALFORMED},
        {"nonce ", "nonce " HEX64 "\n", "was split as share 2", VS_ERR_PROOF},
        {"nonce ", "nonce " HEX64 HEX16 "\n", "\"nonce\" is too long", VS_ERR_MALFORMED},
        {"nonce ", "", "\"nonce\" is not where", VS_ERR_MALFORMED},
        {"payload", "payload \n", "\"payload\" is not where", VS_ERR_MALFORMED},
        {"payload", "", "\"payload\" is not where", VS_ERR_MALFORMED},
        {"payload", "payload\n\n", "\"payload\" has not the length", VS_ERR_MALFORMED},
    };
    vs_split *split = sample_split(5, 3, SECRET, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refused(split, cases[i].name, cases[i].to, cases[i].err, cases[i].words);
    }
    vs_split_free(split);
}

Test(share_text, refuses_a_payload_that_is_changed_not_base64_or_too_large)
{
    vs_split *split = sample_split(5, 3, SECRET, 1);
    vs_share share;
    for (uint32_t k = 0; k < 3; k++) {
        static const char *const words[] = {"was split as share 2", "not base64",
                                            "below the prime"};
        vs_diag diag = {""};
        vs_buf text = text_of(split, 2);
        uint8_t *line = text.p;
        while (memcmp(line, "payload\n", 8) != 0) line++;
        line += 8;
        if (k == 0) line[3] = line[3] == 'A' ? 'B' : 'A';
        if (k == 1) line[5] = '-';
        if (k == 2) memset(line, '/', 76); /* the first element: all ones */
        if (k == 2) memset(line + 77, '/', 12);
        sample_seal(&text);
        cr_expect_neq(vs_share_decode(&share, text.p, text.len, &diag), VS_OK);
        cr_expect_not_null(strstr(diag.text, words[k]), "%s", diag.text);
        vs_buf_free(&text);
    }
    vs_split_free(split);
}

Test(share_text, notices_every_changed_byte_and_every_cut)
{
    vs_split *split = sample_split(3, 2, SECRET, 4);
    vs_buf text = text_of(split, 1);
    vs_share share;
    for (size_t i = 0; i < text.len; i++) {
        text.p[i] ^= 1;
        cr_assert_neq(vs_share_decode(&share, text.p, text.len, NULL), VS_OK, "byte %zu", i);
        text.p[i] ^= 1;
        cr_assert_neq(vs_share_decode(&share, text.p, i, NULL), VS_OK, "cut at %zu", i);
    }
    vs_buf_u8(&text, '\n');
    cr_expect_eq(vs_share_decode(&share, text.p, text.len, NULL), VS_ERR_MALFORMED);
    vs_buf_free(&text);
    vs_split_free(split);
}

Test(share_text, says_which_version_and_what_is_no_share)
{
    static const struct {
        const char *text, *words;
        vs_err err;
    } cases[] = {
        {"veilsum-share-v2\nset", "another version, \"veilsum-share-v2\"", VS_ERR_STATE},
        {"veilsum-share-v10\n", "\"veilsum-share-v10\"", VS_ERR_STATE},
        {"veilsum-share-v1", "another version", VS_ERR_STATE},
        {"", "is not a share", VS_ERR_MALFORMED},
        {"hello", "is not a share", VS_ERR_MALFORMED},
        {"veilsum-share-v1\n", "checksum line", VS_ERR_MALFORMED},
    };
    vs_share share;
    vs_diag diag;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = cases[i].text;
        cr_expect_eq(vs_share_decode(&share, text, strlen(text), &diag), cases[i].err);
        cr_expect_not_null(strstr(diag.text, cases[i].words), "%s", diag.text);
    }
    cr_expect_eq(vs_share_decode(&share, "v", VS_SHARE_TEXT_MAX + 1, &diag), VS_ERR_LIMIT);
}

/* --- sets ---------------------------------------------------------------------------------------
 */

static const char *const NAMES[] = {"a", "b", "c", "d", "e"};

Test(share_set, names_foreign_duplicate_and_missing_shares)
{
    vs_split *one = sample_split(5, 3, SECRET, 1), *two = sample_split(5, 3, SECRET, 2);
    vs_diag diag;
    vs_share s[5] = {share_of(one, 1), share_of(two, 2), share_of(one, 3), share_of(one, 3),
                     share_of(two, 5)};
    const vs_h32 set = vs_split_set(two)->id;
    cr_expect_eq(vs_share_check(s, NAMES, 3, NULL, &diag), VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "b: foreign share: it is of another set than a"));
    cr_expect_eq(vs_share_check(s + 1, NAMES, 3, NULL, &diag), VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "a: foreign share: it is of another set than b"));
    cr_expect_eq(vs_share_check(s, NAMES, 3, &set, &diag), VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "a: foreign share: it is of another set than the one"));
    cr_expect_eq(vs_share_check(s, NAMES, 2, NULL, &diag), VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "a and b are shares of different secrets"));
    cr_expect_eq(vs_share_check(s + 1, NAMES, 4, NULL, &diag), VS_ERR_PROOF); /* two and two */
    cr_expect_not_null(strstr(diag.text, "a and b are"));
    cr_expect_eq(vs_share_check(s + 2, NAMES, 2, NULL, &diag), VS_ERR_STATE);
    cr_expect_not_null(strstr(diag.text, "b: duplicate share: a is share 3 too"));
    cr_expect_eq(vs_share_check(s + 2, NAMES, 1, NULL, &diag), VS_ERR_LIMIT);
    cr_expect_not_null(strstr(diag.text, "1 of the 3 needed, 2 more are missing"));
    for (uint32_t i = 0; i < 5; i++) vs_share_free(&s[i]);
    vs_split_free(one);
    vs_split_free(two);
}

Test(share_set, any_three_of_five_give_the_secret)
{
    vs_split *split = sample_split(5, 3, SECRET, 1);
    vs_share s[5];
    vs_diag diag;
    for (uint32_t x = 1; x <= 5; x++) s[x - 1] = share_of(split, x);
    for (uint32_t a = 0; a < 5; a++) {
        for (uint32_t b = 0; b < 5; b++) {
            for (uint32_t c = 0; c < 5; c++) {
                if (a == b || a == c || b == c) continue;
                const vs_share three[3] = {s[a], s[b], s[c]};
                vs_buf got = {0};
                cr_assert_eq(vs_share_check(three, NAMES, 3, NULL, &diag), VS_OK);
                cr_assert_eq(vs_share_combine(&got, three, 3, &diag), VS_OK, "%s", diag.text);
                cr_assert(got.len == strlen(SECRET) && memcmp(got.p, SECRET, got.len) == 0);
                vs_buf_free(&got);
            }
        }
    }
    for (uint32_t i = 0; i < 5; i++) vs_share_free(&s[i]);
    vs_split_free(split);
}

/* Whoever splits can make shares that fit each other and still give something else: not accepted.
 */
Test(share_set, a_wrong_secret_and_a_composite_are_refused)
{
    vs_split *split = sample_split(3, 2, SECRET, 1);
    vs_share s[2] = {share_of(split, 1), share_of(split, 3)};
    vs_diag diag;
    vs_buf got = {0};
    s[0].payload.p[0] ^= 1;
    s[1].payload.p[0] ^= 1;
    cr_expect_eq(vs_share_combine(&got, s, 2, &diag), VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "wrong when they were made"));
    s[0].payload.p[0] ^= 1;
    s[1].payload.p[0] ^= 1;
    s[0].set.prime.p[0] -= 2;
    cr_expect_eq(vs_share_combine(&got, s, 2, &diag), VS_ERR_LIMIT);
    cr_expect_not_null(strstr(diag.text, "not prime"));
    cr_expect_eq(got.len, 0);
    vs_share_free(&s[0]);
    vs_share_free(&s[1]);
    vs_split_free(split);
}

Test(share_set, refuses_what_cannot_be_split_and_survives_no_randomness)
{
    static const struct {
        uint32_t n, t;
        size_t len;
        const char *prime;
    } cases[] = {{1, 1, 5, "257"},   {256, 2, 5, "65537"},
                 {5, 1, 5, "257"},   {5, 6, 5, "257"},
                 {251, 2, 5, "251"}, {5, 3, VS_SHARE_SECRET_MAX + 1, "257"},
                 {5, 3, 5, "0x801"}, {250, 250, VS_SHARE_SECRET_MAX, "251"}};
    static uint8_t secret[VS_SHARE_SECRET_MAX + 1];
    vs_test_rng state = {.seed = 1};
    vs_rng rng = vs_test_rng_of(&state);
    vs_split *split = (vs_split *)&state;
    vs_prime p;
    vs_diag diag;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(vs_prime_read(&p, cases[i].prime, &diag), VS_OK);
        cr_expect_eq(
            vs_split_new(&split, &p, cases[i].n, cases[i].t, secret, cases[i].len, &rng, &diag),
            VS_ERR_LIMIT, "case %zu", i);
        cr_expect_null(split);
    }
    cr_assert_eq(vs_prime_read(&p, VS_PRIME_DEFAULT, &diag), VS_OK);
    vs_err err = VS_ERR_IO;
    for (uint64_t k = 1; err != VS_OK; k++) {
        state = (vs_test_rng){.seed = 1, .fail_at = k};
        err = vs_split_new(&split, &p, 3, 3, secret, 100, &rng, &diag);
        cr_assert(err == VS_OK || (err == VS_ERR_IO && split == NULL));
        cr_assert(err != VS_OK || k == 2 + 3 * 2 + 1);
    }
    vs_split_free(split);
}

/* The largest secret fits, and the smallest prime makes the longest text. */
Test(share_set, one_mebibyte)
{
    static uint8_t secret[VS_SHARE_SECRET_MAX];
    static const char *const primes[] = {"131", VS_PRIME_DEFAULT};
    vs_test_bytes(secret, sizeof secret, 8);
    for (size_t i = 0; i < 2; i++) {
        vs_test_rng state = {.seed = 1};
        vs_rng rng = vs_test_rng_of(&state);
        vs_split *split = NULL;
        vs_prime p;
        vs_diag diag;
        vs_buf got = {0};
        cr_assert_eq(vs_prime_read(&p, primes[i], &diag), VS_OK);
        cr_assert_eq(vs_split_new(&split, &p, 2, 2, secret, sizeof secret, &rng, &diag), VS_OK);
        vs_share s[2] = {share_of(split, 2), share_of(split, 1)};
        cr_assert_eq(vs_share_combine(&got, s, 2, &diag), VS_OK);
        cr_assert(got.len == sizeof secret && memcmp(got.p, secret, got.len) == 0);
        vs_share_free(&s[0]);
        vs_share_free(&s[1]);
        vs_split_free(split);
        vs_buf_free(&got);
    }
}
