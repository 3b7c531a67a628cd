/* Vector files: what cannot be read is named, what was changed is found with and without its seed.
 * (Every member of every kind of file: tests/reference/vectors.py tamper.) */
#include "net/vectors.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t seed_bytes[] = {0xab, 0xcd};
static const vs_vectors_seed seed = {seed_bytes, sizeof seed_bytes};

static vs_buf core_text(void)
{
    const vs_vectors_params params = {5, 2, 2, 23, 8, 10};
    vs_buf text = {0};
    vs_diag diag;
    cr_assert_eq(vs_vectors_generate(&text, &params, seed, &diag), VS_OK, "%s", diag.text);
    return text;
}

/* text with the first `from` after `after` replaced. */
static vs_buf edited(const vs_buf *text, const char *after, const char *from, const char *to)
{
    vs_buf copy = {0}, out = {0};
    vs_buf_bytes(&copy, text->p, text->len);
    vs_buf_u8(&copy, '\0');
    char *at = strstr((char *)copy.p, after);
    cr_assert_not_null(at, "no \"%s\"", after);
    at = strstr(at, from);
    cr_assert_not_null(at, "no \"%s\" after \"%s\"", from, after);
    vs_buf_bytes(&out, copy.p, (size_t)(at - (char *)copy.p));
    vs_buf_text(&out, to);
    vs_buf_text(&out, at + strlen(from));
    cr_assert_eq(vs_buf_check(&out), VS_OK);
    vs_buf_free(&copy);
    return out;
}

/* Status of a check; what it said, as one text, must hold `says`. */
static void expect(const vs_buf *text, const vs_vectors_seed *with, vs_err want, const char *says)
{
    vs_buf report = {0};
    vs_diag diag = {{0}};
    vs_err err = vs_vectors_check(&report, text->p, text->len, "f", with, &diag);
    vs_buf_text(&report, diag.text);
    vs_buf_u8(&report, '\0');
    cr_expect_eq(err, want, "%s instead of %s: %s", vs_err_name(err), vs_err_name(want), report.p);
    cr_expect_not_null(strstr((char *)report.p, says), "\"%s\" is not in: %s", says, report.p);
    vs_buf_free(&report);
}

static void expect_text(const char *json, vs_err want, const char *says)
{
    vs_buf text = {0};
    vs_buf_text(&text, json);
    expect(&text, NULL, want, says);
    expect(&text, &seed, want, says);
    vs_buf_free(&text);
}

Test(vectors, check_refuses_what_is_no_vector_file)
{
    expect_text("", VS_ERR_MALFORMED, "f: line ");
    expect_text("[]", VS_ERR_MALFORMED, "f: must be a JSON object");
    expect_text("{\"n\": 5, \"n\": 5}", VS_ERR_MALFORMED, "f: line 1: duplicate object key");
    expect_text("{\"n\": 99999999999999999999}", VS_ERR_MALFORMED, "f: line 1: too big integer");
    expect_text("{}", VS_ERR_MALFORMED, "f: n: the member is missing");
    expect_text("{\"suite\": \"sums\"}", VS_ERR_MALFORMED, "\"sums\" is not a suite: there are ");
    expect_text("{\"suite\": 5}", VS_ERR_MALFORMED, "f: suite: must be a string");
    expect_text("{\"suite\": \"redraw\"}", VS_ERR_MALFORMED, "f: cases: the member is missing");
    expect_text("{\"suite\": \"redraw\", \"cases\": []}", VS_ERR_MALFORMED,
                "f: cases: has 0 entries, must have 1 to 256");
    expect_text("{\"cases\": [{}]}", VS_ERR_MALFORMED, "f: suite: the member is missing");
}

Test(vectors, check_refuses_json_that_is_nested_without_end)
{
    vs_buf text = {0};
    for (int i = 0; i < 100000; i++) vs_buf_u8(&text, '[');
    expect(&text, NULL, VS_ERR_MALFORMED, "maximum parsing depth");
    vs_buf_free(&text);
}

Test(vectors, check_refuses_a_file_above_its_limit_before_reading_it)
{
    vs_buf report = {0};
    vs_diag diag = {{0}};
    cr_expect_eq(
        vs_vectors_check(&report, seed_bytes, (size_t)VS_VECTORS_FILE_MAX + 1, "f", NULL, &diag),
        VS_ERR_LIMIT);
    cr_expect_str_eq(diag.text, "f: more than 33554432 bytes");
}

Test(vectors, a_core_object_is_what_it_says_with_and_without_its_seed)
{
    vs_buf text = core_text();
    expect(&text, NULL, VS_OK, "");
    expect(&text, &seed, VS_OK, "");
    vs_buf_free(&text);
}

Test(vectors, malformed_members_are_named)
{
    static const struct {
        const char *after, *from, *to, *says;
    } edits[] = {
        {"\"n\":", "5", "-5", "f: n: must be a whole number from 2 to 128"},
        {"\"n\":", "5", "5.0", "f: n: must be a whole number"},
        {"\"n\":", "5", "6", "f: n: is 6, but nonces has 5 entries"},
        {"\"t\":", "2", "3", "f: t: is 3, but seeds has 2 entries"},
        {"\"k\":", "2", "1", "f: k: is 1, but mask_secrets[0] has 2 entries"},
        {"\"bits\":", "8", "33", "f: bits: must be a whole number from 1 to 32"},
        {"\"federation_id\":\"", ":\"", ":\"00", "f: context.federation_id: must be 64 lower-case"},
        {"\"round\":", "\"round\":", "\"round\":\"1\",\"x\":", "context.round: must be a whole"},
        {"\"coordinates\"", "[", "[256,",
         "f: coordinates[0]: must be a whole number from 0 to 255"},
        {"\"coordinates\"", "[", "[null,", "f: coordinates[0]: must be a whole number"},
        {"\"seeds\": [\"", "[\"", "[\"G", "f: seeds[0]: must be 64 lower-case hex digits"},
        {"\"mask_secrets\": [[\"", "[[\"", "[[\"0", "f: mask_secrets[0][0]: must be a decimal"},
        {"\"mask_secrets\": [[\"", "[[\"", "[[\"-", "f: mask_secrets[0][0]: must be a decimal"},
        {"\"mask_secrets\": [[\"", "[[\"", "[[\"2305843009213693951\",\"",
         "f: k: is 2, but mask_secrets[0] has 3 entries"},
        {"\"nonces\": [\"", "[\"", "[\"0", "f: nonces[0]: must be 64 lower-case hex digits"},
    };
    vs_buf text = core_text();
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        vs_buf copy = edited(&text, edits[i].after, edits[i].from, edits[i].to);
        vs_buf report = {0};
        vs_diag diag = {{0}};
        cr_expect_eq(vs_vectors_check(&report, copy.p, copy.len, "f", NULL, &diag),
                     VS_ERR_MALFORMED, "%s", edits[i].says);
        cr_expect_not_null(strstr(diag.text, edits[i].says), "%s: %s", edits[i].says, diag.text);
        cr_expect_eq(report.len, 0);
        vs_buf_free(&copy);
    }
    vs_buf_free(&text);
}

Test(vectors, elements_that_are_not_canonical_are_refused)
{
    vs_buf text = core_text();
    char *start =
        strstr((char *)text.p, "\"mask_secrets\": [[\"") + strlen("\"mask_secrets\": [[\"");
    char old[32] = {0};
    (void)snprintf(old, sizeof old, "%.*s", (int)strcspn(start, "\""), start);
    vs_buf p = edited(&text, "\"mask_secrets\"", old, "2305843009213693951");
    vs_buf last = edited(&text, "\"mask_secrets\"", old, "2305843009213693950");
    vs_buf wrapped = edited(&text, "\"mask_secrets\"", old, "18446744073709551616");
    expect(&p, NULL, VS_ERR_MALFORMED, "at most \"2305843009213693950\"");
    expect(&wrapped, NULL, VS_ERR_MALFORMED, "at most \"2305843009213693950\"");
    expect(&last, NULL, VS_ERR_PROOF, "f: shares[2]"); /* fine as such, but other shares follow */
    vs_buf_free(&p);
    vs_buf_free(&last);
    vs_buf_free(&wrapped);
    vs_buf_free(&text);
}

Test(vectors, a_changed_input_shows_in_outputs_and_by_its_name_with_the_seed)
{
    vs_buf text = core_text();
    vs_buf copy = edited(&text, "\"coordinates\"", "[", "[");
    char *digit = strstr((char *)copy.p, "\"coordinates\": [") + strlen("\"coordinates\": [");
    *digit = *digit == '1' ? '2' : '1';
    expect(&copy, NULL, VS_ERR_PROOF, "f: elements[0]: the file has \"");
    expect(&copy, &seed, VS_ERR_PROOF, "f: coordinates[0]: the file has ");
    const uint8_t other[] = {1};
    const vs_vectors_seed wrong = {other, sizeof other};
    expect(&text, &wrong, VS_ERR_PROOF, "f: context.federation_id: the file has ");
    vs_buf_free(&copy);
    vs_buf_free(&text);
}

Test(vectors, a_suite_without_its_seed_is_checked_from_its_inputs)
{
    vs_buf text = {0};
    vs_diag diag;
    cr_assert_eq(vs_vectors_generate_suite(&text, "manifest", seed, &diag), VS_OK);
    vs_buf copy = edited(&text, "{", " \"seed\": \"abcd\",\n", "");
    expect(&copy, NULL, VS_OK, "");
    vs_buf bad = edited(&copy, "\"salt\":\"", "\"salt\":\"", "\"salt\":\"00\",\"x\":\"");
    expect(&bad, NULL, VS_ERR_MALFORMED, "f: cases[0].salt: must be 64 lower-case hex digits");
    vs_buf_free(&bad);
    vs_buf_free(&copy);
    vs_buf_free(&text);
}

Test(vectors, generate_names_the_rule_that_is_broken)
{
    static const struct {
        vs_vectors_params p;
        const char *says;
    } bad[] = {
        {{1, 1, 1, 5, 8, 10}, "num_shares 1 is outside 2..128"},
        {{3, 3, 1, 5, 8, 10}, "privacy_threshold 3 is not below num_shares 3"},
        {{3, 1, 3, 5, 8, 10}, "num_shares 3 is below reconstruction_threshold 4"},
        {{3, 1, 1, 0, 8, 10}, "dimension 0 is below 1"},
        {{3, 1, 1, 5, 0, 10}, "bits 0 is outside 1..32"},
        {{3, 1, 1, 5, 8, 1}, "max_clients 1 is outside 2..32768"},
        {{128, 1, 1, 1000000, 32, 32768}, "524288 share elements fit a vector"},
        {{2, 1, 1, 3000000, 1, 2}, "at most 2097152 coordinates"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vs_buf out = {0};
        vs_diag diag = {{0}};
        cr_expect_eq(vs_vectors_generate(&out, &bad[i].p, seed, &diag), VS_ERR_LIMIT);
        cr_expect_not_null(strstr(diag.text, bad[i].says), "%s: %s", bad[i].says, diag.text);
        cr_expect_eq(out.len, 0);
        vs_buf_free(&out);
    }
}

Test(vectors, seeds_differ_in_every_byte_and_in_length)
{
    const vs_vectors_params params = {2, 1, 1, 1, 8, 10};
    const uint8_t a[] = {1, 0}, b[] = {0, 0};
    const vs_vectors_seed seeds[] = {{a, 2}, {a, 1}, {b, 2}, {b, 1}};
    vs_buf text[4] = {{0}};
    vs_diag diag;
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(vs_vectors_generate(&text[i], &params, seeds[i], &diag), VS_OK);
        for (size_t j = 0; j < i; j++) {
            cr_expect(text[i].len != text[j].len || memcmp(text[i].p, text[j].p, text[i].len) != 0);
        }
    }
    for (size_t i = 0; i < 4; i++) vs_buf_free(&text[i]);
}
