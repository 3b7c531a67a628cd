#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "net/keys.h"
#include "tests/support.h"

static vs_keys *keys_of(uint64_t seed, const char *name)
{
    vs_test_rng state = {.seed = seed};
    vs_rng rng = vs_test_rng_of(&state);
    vs_keys *keys;
    vs_diag diag;
    cr_assert_eq(vs_keys_generate(&keys, name, &rng, &diag), VS_OK);
    return keys;
}

static char *in_folder(const char *folder, const char *name)
{
    size_t len = strlen(folder) + strlen(name) + 2;
    char *path = malloc(len);
    cr_assert_not_null(path);
    (void)snprintf(path, len, "%s/%s", folder, name);
    return path;
}

static vs_err parse_public(const char *text, vs_diag *diag)
{
    vs_public_keys pub;
    return vs_public_keys_parse(&pub, (const uint8_t *)text, strlen(text), "a.pub", diag);
}

/* From an independent computation: tests/net/keys_vector.py. */
Test(keys, derives_role_keys_as_an_independent_program_does)
{
    uint8_t seed[32];
    char hex[VS_HEX_CHARS(32)];
    vs_keys *keys;
    vs_diag diag;
    for (size_t i = 0; i < sizeof seed; i++) seed[i] = (uint8_t)i;
    cr_assert_eq(vs_keys_from_seed(&keys, "alice", seed, &diag), VS_OK);
    vs_hex_encode(hex, keys->identity_seed, 32);
    cr_expect_str_eq(hex, "d90b1a3b68e272cda55da63304bbfc733f4fc3ae43b48da27a2d6ee4202a6423");
    vs_hex_encode(hex, keys->log_seed, 32);
    cr_expect_str_eq(hex, "94650af8dcfcb3a89f2bb32443fadeff34ee2566aca51e82c56ccf7f3b8a222d");
    vs_hex_encode(hex, keys->cosigner_seed, 32);
    cr_expect_str_eq(hex, "c1afe6abd3ee6371f6e66db7b7778ee8e9c6a2d6f79ea77c30eccb1cb153eb41");
    vs_keys_free(keys);
}

Test(keys, come_back_from_their_files_unchanged)
{
    char *folder = vs_test_folder_new();
    char *key_path = in_folder(folder, "alice.key");
    char *pub_path = in_folder(folder, "alice.pub");
    vs_keys *keys = keys_of(1, "alice");
    vs_keys *again;
    vs_public_keys pub;
    vs_diag diag;
    struct stat st;
    cr_assert_eq(vs_keys_save(keys, key_path, &diag), VS_OK);
    cr_expect_eq(stat(key_path, &st), 0);
    cr_expect_eq(st.st_mode & 0777u, 0600u);
    cr_assert_eq(vs_keys_load(&again, key_path, &diag), VS_OK);
    cr_expect_arr_eq(again, keys, sizeof *keys);
    cr_assert_eq(vs_public_keys_load(&pub, pub_path, &diag), VS_OK);
    cr_expect_str_eq(pub.name, "alice");
    cr_expect(vs_h32_equal(&pub.identity, &keys->pub.identity));
    cr_expect(vs_h32_equal(&pub.log.public_key, &keys->pub.log.public_key));
    cr_expect_eq(pub.cosigner.id, keys->pub.cosigner.id);
    vs_keys_free(again);
    vs_keys_free(keys);
    free(key_path);
    free(pub_path);
    vs_test_folder_remove(folder);
}

Test(keys, never_overwrite_a_file_and_leave_no_half_pair)
{
    char *folder = vs_test_folder_new();
    char *key_path = in_folder(folder, "a.key");
    char *pub_path = in_folder(folder, "a.pub");
    char *plain_path = in_folder(folder, "plain");
    char *plain_pub = in_folder(folder, "plain.pub");
    vs_keys *keys = keys_of(1, "a");
    vs_diag diag;
    cr_assert_eq(vs_file_write_durable(pub_path, "x", 1, 0644, &diag), VS_OK);
    cr_expect_eq(vs_keys_save(keys, key_path, &diag), VS_ERR_STATE);
    cr_expect(strstr(diag.text, "a.pub: exists already, not overwritten") != NULL);
    cr_expect(!vs_file_exists(key_path));
    cr_assert_eq(vs_keys_save(keys, plain_path, &diag), VS_OK);
    cr_expect(vs_file_exists(plain_pub));
    cr_expect_eq(vs_file_remove(plain_pub, &diag), VS_OK);
    cr_expect_eq(vs_keys_save(keys, plain_path, &diag), VS_ERR_STATE);
    cr_expect(!vs_file_exists(plain_pub));
    vs_keys_free(keys);
    free(key_path);
    free(pub_path);
    free(plain_path);
    free(plain_pub);
    vs_test_folder_remove(folder);
}

/* `submit --key alice.pub`: the message is about the mistake, not about rights. */
Test(keys, a_public_file_in_place_of_the_secret_one_is_named_as_such)
{
    char *folder = vs_test_folder_new();
    char *path = in_folder(folder, "a.key");
    char *pub = in_folder(folder, "a.pub");
    vs_keys *keys = keys_of(1, "a");
    vs_keys *again = keys;
    vs_diag diag;
    cr_assert_eq(vs_keys_save(keys, path, &diag), VS_OK);
    cr_expect_eq(vs_keys_load(&again, pub, &diag), VS_ERR_MALFORMED);
    cr_expect_null(again);
    cr_expect(strstr(diag.text, "a.pub: is a public key") != NULL, "%s", diag.text);
    vs_keys_free(keys);
    free(path);
    free(pub);
    vs_test_folder_remove(folder);
}

/* systemd's credentials look readable by a group because of their access list. */
Test(keys, a_credential_of_systemd_is_accepted)
{
    char *folder = vs_test_folder_new();
    char *path = in_folder(folder, "a.key");
    vs_keys *keys = keys_of(1, "a");
    vs_keys *again = NULL;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_keys_save(keys, path, &diag), VS_OK);
    cr_assert_eq(chmod(path, 0440), 0);
    cr_expect_eq(vs_keys_load(&again, path, &diag), VS_ERR_STATE);
    cr_assert_eq(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    cr_expect_eq(vs_keys_load(&again, path, &diag), VS_OK, "%s", diag.text);
    vs_keys_free(again);
    cr_assert_eq(chmod(path, 0444), 0);
    cr_expect_eq(vs_keys_load(&again, path, &diag), VS_ERR_STATE, "others still may not");
    vs_keys_free(keys);
    free(path);
    vs_test_folder_remove(folder);
}

Test(keys, refuse_a_secret_file_that_others_may_read)
{
    char *folder = vs_test_folder_new();
    char *path = in_folder(folder, "a.key");
    vs_keys *keys = keys_of(1, "a");
    vs_keys *again = keys;
    vs_diag diag;
    cr_assert_eq(vs_keys_save(keys, path, &diag), VS_OK);
    cr_assert_eq(chmod(path, 0640), 0);
    cr_expect_eq(vs_keys_load(&again, path, &diag), VS_ERR_STATE);
    cr_expect_null(again);
    cr_expect(strstr(diag.text, "others may read this secret key (mode 640)") != NULL);
    vs_keys_free(keys);
    free(path);
    vs_test_folder_remove(folder);
}

#define GOOD_SEED "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

Test(keys, refuse_every_mutation_of_a_secret_file_and_never_print_the_seed)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "line 1: must start with {"},
        {"[]", "line 1: must start with {"},
        {"{}", "line 1: expected the name of a member"},
        {"{\"veilsum_secret_key\": 2, \"name\": \"a\", \"seed\": \"" GOOD_SEED "\"}",
         "line 1: \"veilsum_secret_key\" must be 1"},
        {"{\"veilsum_secret_key\": \"1\", \"name\": \"a\", \"seed\": \"" GOOD_SEED "\"}",
         "line 1: \"veilsum_secret_key\" must be a whole number"},
        {"{\"name\": \"a\",\n\"seed\": \"" GOOD_SEED "\"}",
         "member \"veilsum_secret_key\" is missing"},
        {"{\"veilsum_secret_key\": 1,\n\"name\": \"a b\",\n\"seed\": \"" GOOD_SEED "\"}",
         "key name must be 1 to 255 bytes of UTF-8 without '+' and spaces"},
        {"{\"veilsum_secret_key\": 1,\n\"name\": \"a\\u0041\",\n\"seed\": \"" GOOD_SEED "\"}",
         "line 2: \"name\" must be a string without escapes"},
        {"{\"veilsum_secret_key\": 1,\n\"name\": \"\",\n\"seed\": \"" GOOD_SEED "\"}",
         "line 2: \"name\" must have 1 to 255 bytes"},
        {"{\"veilsum_secret_key\": 1,\n\"name\": \"a\",\n\"seed\": \"" GOOD_SEED "AAAA\"}",
         "line 3: \"seed\" must be base64 of 32 bytes"},
        {"{\"veilsum_secret_key\": 1,\n\"name\": \"a\",\n\"seed\": 5}",
         "line 3: \"seed\" must be a string without escapes"},
        {"{\"veilsum_secret_key\": 1,\n\"name\": \"a\",\n\"seed\": \"" GOOD_SEED "\",\n\"x\": 1}",
         "line 4: \"x\" is not a known member"},
        {"{\"veilsum_secret_key\": 1,\n\"name\": \"a\",\n\"seed\": \"" GOOD_SEED
         "\",\n\"seed\": \"" GOOD_SEED "\"}",
         "line 4: second member \"seed\""},
        {"{\"veilsum_secret_key\": 1,\n\"name\": \"a\",\n\"seed\": \"" GOOD_SEED "\"",
         "line 3: expected , or }"},
        {"{\"veilsum_secret_key\": 1,\n\"name\": \"a\",\n\"seed\": \"" GOOD_SEED "\"}\nx",
         "line 4: nothing may follow the object"},
        {"{\"veilsum_secret_key\": 01,\n\"name\": \"a\",\n\"seed\": \"" GOOD_SEED "\"}",
         "line 1: \"veilsum_secret_key\" must be a whole number"},
        {"{\"veilsum_secret_key\": 1,\n\"name\": \"a\",\n\"seed\": \"" GOOD_SEED,
         "line 3: \"seed\" must be a string without escapes"},
    };
    char *folder = vs_test_folder_new();
    char *path = in_folder(folder, "a.key");
    vs_keys *keys;
    vs_diag diag;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = cases[i].text;
        cr_assert_eq(vs_file_write_durable(path, text, strlen(text), 0600, &diag), VS_OK);
        cr_expect_eq(vs_keys_load(&keys, path, &diag), VS_ERR_MALFORMED, "case %zu", i);
        cr_expect_null(keys);
        cr_expect_str_eq(diag.text + strlen(path) + 2, cases[i].message, "case %zu: %s", i,
                         diag.text);
        cr_expect_null(strstr(diag.text, "AAECAwQF"), "case %zu prints the seed", i);
    }
    const char *good = "{\"seed\":\"" GOOD_SEED "\",\"name\":\"a\",\"veilsum_secret_key\":1}";
    cr_assert_eq(vs_file_write_durable(path, good, strlen(good), 0600, &diag), VS_OK);
    cr_expect_eq(vs_keys_load(&keys, path, &diag), VS_OK, "any order: %s", diag.text);
    vs_keys_free(keys);
    free(path);
    vs_test_folder_remove(folder);
}

Test(keys, public_file_binds_the_name_and_the_types_of_its_keys)
{
    vs_keys *a = keys_of(1, "alice");
    vs_keys *b = keys_of(2, "bob");
    char identity[VS_BASE64_CHARS(32)], log_a[VS_VKEY_CHARS], cos_a[VS_VKEY_CHARS],
        log_b[VS_VKEY_CHARS], text[2048];
    const char *format = "{\"veilsum_public_key\": 1,\n\"name\": \"alice\",\n\"identity\": \"%s\","
                         "\n\"log\": \"%s\",\n\"cosigner\": \"%s\"}";
    vs_diag diag;
    vs_base64_encode(identity, a->pub.identity.b, 32);
    vs_note_key_format(log_a, &a->pub.log);
    vs_note_key_format(cos_a, &a->pub.cosigner);
    vs_note_key_format(log_b, &b->pub.log);
    (void)snprintf(text, sizeof text, format, identity, log_a, cos_a);
    cr_expect_eq(parse_public(text, &diag), VS_OK);
    (void)snprintf(text, sizeof text, format, identity, log_b, cos_a);
    cr_expect_eq(parse_public(text, &diag), VS_ERR_MALFORMED);
    cr_expect_str_eq(diag.text,
                     "a.pub: line 4: \"log\" must carry the name \"alice\" and key type 1");
    (void)snprintf(text, sizeof text, format, identity, log_a, log_a);
    cr_expect_eq(parse_public(text, &diag), VS_ERR_MALFORMED);
    cr_expect_str_eq(diag.text,
                     "a.pub: line 5: \"cosigner\" must carry the name \"alice\" and key type 4");
    vs_keys_free(a);
    vs_keys_free(b);
}

Test(keys, generation_fails_cleanly_without_randomness_or_with_a_bad_name)
{
    static const char *const names[] = {"", "a+b", "a b", "a\"b", "a\\b", "a\nb"};
    vs_test_rng failing = {.seed = 1, .fail_at = 1};
    vs_rng rng = vs_test_rng_of(&failing);
    vs_keys *keys;
    vs_diag diag;
    cr_expect_eq(vs_keys_generate(&keys, "a", &rng, &diag), VS_ERR_IO);
    cr_expect_null(keys);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cr_expect_eq(vs_keys_generate(&keys, names[i], &rng, &diag), VS_ERR_MALFORMED, "%zu", i);
        cr_expect_null(keys);
    }
}

Test(keys, enrolment_admits_one_client_to_one_federation)
{
    vs_keys *admin = keys_of(1, "admin");
    vs_keys *alice = keys_of(2, "alice");
    vs_keys *bob = keys_of(3, "bob");
    vs_h32 fed = {{1}}, other = {{2}};
    uint8_t sig[64];
    const vs_h32 *alice_key = &alice->pub.identity, *admin_key = &admin->pub.identity;
    vs_enrolment_sign(sig, &fed, alice_key, admin->identity_seed);
    cr_expect_eq(vs_enrolment_verify(sig, &fed, alice_key, admin_key), VS_OK);
    cr_expect_eq(vs_enrolment_verify(sig, &other, alice_key, admin_key), VS_ERR_PROOF);
    cr_expect_eq(vs_enrolment_verify(sig, &fed, &bob->pub.identity, admin_key), VS_ERR_PROOF);
    cr_expect_eq(vs_enrolment_verify(sig, &fed, alice_key, &bob->pub.identity), VS_ERR_PROOF);
    for (size_t i = 0; i < sizeof sig; i++) {
        sig[i] ^= 1;
        cr_expect_eq(vs_enrolment_verify(sig, &fed, alice_key, admin_key), VS_ERR_PROOF);
        sig[i] ^= 1;
    }
    vs_keys_free(admin);
    vs_keys_free(alice);
    vs_keys_free(bob);
}

Test(keys, enrolment_file_comes_back_and_refuses_each_bad_member)
{
    static const struct {
        const char *from, *to, *message;
    } edits[] = {
        {"\"veilsum_enrolment\": 1", "\"veilsum_enrolment\": 3",
         "e: line 2: \"veilsum_enrolment\" must be 1"},
        {"\"federation\": \"01", "\"federation\": \"0g",
         "e: line 3: \"federation\" must be 64 hex digits"},
        {"\"federation\": \"01", "\"federation\": \"0",
         "e: line 3: \"federation\" must be 64 hex digits"},
        {"\"client\": \"", "\"client\": \"_", "e: line 4: \"client\" must be base64 of 32 bytes"},
        {"alice", "", "e: line 5: \"name\" must have 1 to 255 bytes"},
        {"\"signature\": \"", "\"signature\": \"_",
         "e: line 6: \"signature\" must be base64 of 64 bytes"},
    };
    char *folder = vs_test_folder_new();
    char *path = in_folder(folder, "alice.enrolment");
    vs_keys *alice = keys_of(2, "alice");
    vs_h32 fed = {{1}}, got_fed, got_key;
    uint8_t sig[64], got_sig[64];
    vs_buf text = {0};
    vs_diag diag;
    vs_test_bytes(sig, sizeof sig, 9);
    cr_assert_eq(vs_enrolment_save(path, &fed, &alice->pub, sig, &diag), VS_OK);
    cr_assert_eq(vs_enrolment_load(path, &got_fed, &got_key, got_sig, &diag), VS_OK);
    cr_expect(vs_h32_equal(&got_fed, &fed));
    cr_expect(vs_h32_equal(&got_key, &alice->pub.identity));
    cr_expect_arr_eq(got_sig, sig, sizeof sig);
    cr_assert_eq(vs_file_read(&text, path, 4096, &diag), VS_OK);
    vs_buf_u8(&text, '\0');
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        const char *at = strstr((char *)text.p, edits[i].from);
        vs_buf changed = {0};
        cr_assert_not_null(at);
        vs_buf_bytes(&changed, text.p, (size_t)(at - (char *)text.p));
        vs_buf_text(&changed, edits[i].to);
        vs_buf_text(&changed, at + strlen(edits[i].from));
        cr_expect_eq(
            vs_enrolment_parse(&got_fed, &got_key, got_sig, changed.p, changed.len, "e", &diag),
            VS_ERR_MALFORMED);
        cr_expect_str_eq(diag.text, edits[i].message, "case %zu: %s", i, diag.text);
        vs_buf_free(&changed);
    }
    vs_buf_free(&text);
    vs_keys_free(alice);
    free(path);
    vs_test_folder_remove(folder);
}
