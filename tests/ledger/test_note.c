#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "ledger/note.h"
#include "tests/ledger/support_ledger.h"
#include "tests/support.h"

static const char text[] = "example.org/log\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

static vs_buf signed_note(const sample_key *k)
{
    vs_buf b = {0};
    cr_assert_eq(vs_note_sign(&b, text, strlen(text), &k->key, k->seed), VS_OK);
    return b;
}

static void add_cosignature(vs_buf *note, const sample_key *k, uint64_t time_s)
{
    uint8_t sig[VS_COSIGNATURE_BYTES];
    vs_cosign(sig, text, strlen(text), time_s, k->seed);
    cr_assert_eq(vs_note_add_line(note, &k->key, sig, sizeof sig), VS_OK);
}

static vs_err verify(vs_note_result *r, const vs_buf *note, const sample_key *k, uint32_t n)
{
    vs_note_key keys[8];
    vs_diag diag = {{0}};
    for (uint32_t i = 0; i < n; i++) keys[i] = k[i].key;
    vs_err err = vs_note_verify(r, note->p, note->len, keys, n, &diag);
    cr_expect_eq(err == VS_OK, diag.text[0] == '\0');
    return err;
}

static vs_err verify_text(const char *note, const sample_key *k)
{
    vs_buf b = {0};
    vs_note_result *r = malloc(sizeof *r);
    vs_buf_text(&b, note);
    vs_err err = verify(r, &b, k, 1);
    vs_buf_free(&b);
    free(r);
    return err;
}

Test(note, log_signature_and_cosignatures_verify)
{
    sample_key k[3] = {sample_key_of("example.org/log", VS_NOTE_ED25519, 1),
                       sample_key_of("w1", VS_NOTE_COSIGNATURE, 2),
                       sample_key_of("w2", VS_NOTE_COSIGNATURE, 3)};
    vs_note_result r;
    vs_buf note = signed_note(&k[0]);
    add_cosignature(&note, &k[2], 1700000000);
    add_cosignature(&note, &k[2], 1700000005); /* again, later: counts once */
    cr_assert_eq(verify(&r, &note, k, 3), VS_OK);
    cr_expect_eq(r.n_verified, 2);
    cr_expect_eq(r.text_len, strlen(text));
    cr_expect(r.verified[0] && !r.verified[1] && r.verified[2]);
    cr_expect_eq(r.verified_time[0], 0);
    cr_expect_eq(r.verified_time[2], 1700000005);
    vs_buf_free(&note);
}

Test(note, any_flipped_bit_is_refused)
{
    sample_key k[2] = {sample_key_of("example.org/log", VS_NOTE_ED25519, 1),
                       sample_key_of("w1", VS_NOTE_COSIGNATURE, 2)};
    vs_note_result r;
    vs_buf note = signed_note(&k[0]);
    size_t sig_end = note.len;
    for (size_t i = 0; i < sig_end * 8; i++) {
        note.p[i / 8] ^= (uint8_t)(1u << (i % 8));
        cr_expect_neq(verify(&r, &note, k, 2), VS_OK, "bit %zu", i);
        cr_expect_eq(r.n_verified, 0);
        note.p[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    vs_buf_free(&note);
}

Test(note, a_wrong_signature_by_a_known_key_spoils_the_note)
{
    sample_key k[2] = {sample_key_of("example.org/log", VS_NOTE_ED25519, 1),
                       sample_key_of("w1", VS_NOTE_COSIGNATURE, 2)};
    vs_note_result r;
    uint8_t sig[VS_COSIGNATURE_BYTES];
    vs_buf note = signed_note(&k[0]);
    vs_cosign(sig, text, strlen(text), 5, k[1].seed);
    sig[7] ^= 1; /* another time */
    cr_assert_eq(vs_note_add_line(&note, &k[1].key, sig, sizeof sig), VS_OK);
    cr_expect_eq(verify(&r, &note, k, 2), VS_ERR_PROOF);
    cr_expect_eq(verify(&r, &note, k, 1), VS_OK, "unknown to us: ignored");
    cr_expect_eq(verify(&r, &note, k, 0), VS_ERR_PROOF, "none verified");
    vs_buf_free(&note);
}

Test(note, a_signature_of_another_length_is_no_signature_by_the_key)
{
    sample_key k[2] = {sample_key_of("example.org/log", VS_NOTE_ED25519, 1),
                       sample_key_of("w1", VS_NOTE_COSIGNATURE, 2)};
    vs_note_result r;
    uint8_t sig[VS_COSIGNATURE_BYTES] = {0};
    vs_buf note = signed_note(&k[0]);
    cr_assert_eq(vs_note_add_line(&note, &k[1].key, sig, sizeof sig - 1), VS_OK);
    cr_expect_eq(verify(&r, &note, k, 2), VS_OK);
    cr_expect(!r.verified[1]);
    vs_buf_free(&note);
}

Test(note, role_separation_log_key_cannot_cosign)
{
    sample_key log = sample_key_of("same", VS_NOTE_ED25519, 1);
    sample_key cosigner = sample_key_of("same", VS_NOTE_COSIGNATURE, 1);
    vs_note_result r;
    cr_expect_neq(log.key.id, cosigner.key.id);
    vs_buf note = signed_note(&log);
    cr_expect_eq(verify(&r, &note, &cosigner, 1), VS_ERR_PROOF);
    vs_buf_free(&note);
    uint8_t sig[VS_COSIGNATURE_BYTES];
    vs_cosign(sig, text, strlen(text), 0, log.seed);
    cr_expect_eq(vs_cosign_verify(sig, text, strlen(text), &log.key), VS_ERR_PROOF);
    cr_expect_eq(vs_cosign_verify(sig, text, strlen(text), &cosigner.key), VS_OK);
    cr_expect_eq(vs_cosign_verify(sig, text, strlen(text) - 1, &cosigner.key), VS_ERR_PROOF);
}

Test(note, malformed_notes)
{
    sample_key k = sample_key_of("log", VS_NOTE_ED25519, 1);
    vs_buf good = {0};
    char bent[600];
    cr_assert_eq(vs_note_sign(&good, "hello\n", 6, &k.key, k.seed), VS_OK);
    vs_buf_u8(&good, 0);
    const char *note = (const char *)good.p;
    const char *line = strstr(note, "\xe2\x80\x94");
    cr_expect_eq(verify_text(note, &k), VS_OK);
    const char *bad[] = {"",
                         "\n",
                         "\n\n",
                         "hello\n",
                         "hello\n\n",
                         "hello\n\n\n",
                         "hello\n\njunk\n",
                         "hello\n\n\xe2\x80\x94 log\n",
                         "hello\n\n\xe2\x80\x94 log \n",
                         "hello\n\n\xe2\x80\x94 log AAAAAA==\n",
                         "hello\n\n\xe2\x80\x94 a+b AAAAAAAA\n",
                         "hello\n\n\xe2\x80\x94 a\xc2\xa0"
                         "b AAAAAAAA\n",
                         "hello\n\n\xe2\x80\x94  AAAAAAAA\n",
                         "hello\n\n\xe2\x80\x94 log AAAAAAA\n",
                         "hello\n\n\xe2\x80\x94 log AAAAAAAB==\n",
                         "hello\n\n- log AAAAAAAA\n",
                         "hello\r\n\n\xe2\x80\x94 log AAAAAAAA\n",
                         "h\xc0\xaf\n\n\xe2\x80\x94 log AAAAAAAA\n",
                         "h\xed\xa0\x80\n\n\xe2\x80\x94 log AAAAAAAA\n",
                         "h\xf4\x90\x80\x80\n\n\xe2\x80\x94 log AAAAAAAA\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(verify_text(bad[i], &k), VS_ERR_MALFORMED, "case %zu", i);
    }
    (void)snprintf(bent, sizeof bent, "%sUnexpected\n", note);
    cr_expect_eq(verify_text(bent, &k), VS_ERR_MALFORMED);
    (void)snprintf(bent, sizeof bent, "%s%.*s", note, (int)strlen(line) - 1, line);
    cr_expect_eq(verify_text(bent, &k), VS_ERR_MALFORMED, "no final LF");
    (void)snprintf(bent, sizeof bent, "hello\n\nmore\n\n%s", line);
    cr_expect_eq(verify_text(bent, &k), VS_ERR_PROOF, "signs up to the last blank line");
    vs_buf_free(&good);
}

Test(note, counts_of_signatures_are_bounded)
{
    sample_key k = sample_key_of("log", VS_NOTE_ED25519, 1);
    vs_note_result r;
    vs_buf note = {0};
    uint8_t sig[64] = {0};
    cr_assert_eq(vs_note_sign(&note, text, strlen(text), &k.key, k.seed), VS_OK);
    for (unsigned i = 1; i < VS_NOTE_SIGNATURES_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%u", i);
        sample_key w = sample_key_of(name, VS_NOTE_ED25519, i);
        cr_assert_eq(vs_note_add_line(&note, &w.key, sig, sizeof sig), VS_OK);
    }
    cr_expect_eq(verify(&r, &note, &k, 1), VS_OK);
    sample_key w = sample_key_of("more", VS_NOTE_ED25519, 0);
    cr_assert_eq(vs_note_add_line(&note, &w.key, sig, sizeof sig), VS_OK);
    cr_expect_eq(verify(&r, &note, &k, 1), VS_ERR_MALFORMED);
    vs_buf_reset(&note);
    cr_assert_eq(vs_note_sign(&note, text, strlen(text), &k.key, k.seed), VS_OK);
    size_t one = strlen(text) + 1;
    vs_buf line = {0};
    vs_buf_bytes(&line, note.p + one, note.len - one);
    for (unsigned i = 0; i < 64; i++) vs_buf_bytes(&note, line.p, line.len);
    cr_expect_eq(verify(&r, &note, &k, 1), VS_OK);
    cr_expect_eq(r.n_verified, 1);
    vs_buf_bytes(&note, line.p, line.len);
    cr_expect_eq(verify(&r, &note, &k, 1), VS_ERR_MALFORMED, "65 repeats");
    vs_buf_free(&line);
    vs_buf_free(&note);
    uint8_t *big = calloc(1, VS_NOTE_MAX_BYTES + 1);
    memset(big, 'a', VS_NOTE_MAX_BYTES + 1);
    cr_expect_eq(vs_note_verify(&r, big, VS_NOTE_MAX_BYTES + 1, &k.key, 1, NULL), VS_ERR_MALFORMED);
    free(big);
}

Test(note, key_names)
{
    vs_h32 pk = sample_hash(1);
    vs_note_key key;
    char longest[VS_NOTE_NAME_MAX + 2];
    memset(longest, 'n', sizeof longest);
    longest[VS_NOTE_NAME_MAX + 1] = '\0';
    const char *bad[] = {"",     "a+b",           "a b",          "a\tb",         "a\nb", longest,
                         "\xff", "a\xe2\x80\x83", "\xe3\x80\x80", "\xc2\x85next", "\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(vs_note_key_make(&key, bad[i], VS_NOTE_ED25519, &pk, NULL), VS_ERR_MALFORMED,
                     "case %zu", i);
    }
    longest[VS_NOTE_NAME_MAX] = '\0';
    const char *good[] = {longest, "example.org/log", "\xc3\xbc-log", "\xf0\x9f\x8c\xb2"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char vkey[VS_VKEY_CHARS];
        vs_note_key again;
        cr_assert_eq(vs_note_key_make(&key, good[i], VS_NOTE_COSIGNATURE, &pk, NULL), VS_OK);
        vs_note_key_format(vkey, &key);
        cr_assert_eq(vs_note_key_parse(&again, vkey, NULL), VS_OK, "%s", vkey);
        cr_expect_eq(memcmp(&again, &key, sizeof key), 0);
    }
    cr_expect_eq(vs_note_key_make(&key, "a", 0x02, &pk, NULL), VS_ERR_MALFORMED);
}

Test(note, a_bent_verifier_key_is_refused)
{
    sample_key k = sample_key_of("example.org/log", VS_NOTE_ED25519, 1);
    char vkey[VS_VKEY_CHARS];
    vs_note_key key;
    vs_note_key_format(vkey, &k.key);
    size_t len = strlen(vkey);
    for (size_t i = 0; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            char bent[VS_VKEY_CHARS];
            memcpy(bent, vkey, len + 1);
            bent[i] = (char)(bent[i] ^ (1 << bit));
            cr_expect_neq(vs_note_key_parse(&key, bent, NULL), VS_OK, "%s", bent);
        }
    }
}

static vs_err parse(const char *body)
{
    vs_checkpoint c;
    vs_diag diag = {{0}};
    vs_err err = vs_checkpoint_parse(&c, (const uint8_t *)body, strlen(body), &diag);
    cr_expect_eq(err == VS_OK, diag.text[0] == '\0');
    return err;
}

#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

Test(checkpoint, format_then_parse_is_identity)
{
    vs_checkpoint c = {.origin = "go.sum database tree", .size = INT64_MAX, .root = sample_hash(2)};
    vs_checkpoint back;
    vs_buf b = {0};
    cr_assert_eq(vs_checkpoint_format(&b, &c), VS_OK);
    cr_assert_eq(vs_checkpoint_parse(&back, b.p, b.len, NULL), VS_OK);
    cr_expect_eq(memcmp(&back, &c, sizeof c), 0);
    vs_buf_free(&b);
}

Test(checkpoint, negative_cases)
{
    const char *bad[] = {"",
                         "o\n",
                         "o\n1\n",
                         "\n1\n" ROOT,
                         "o\n\n" ROOT,
                         "o\n01\n" ROOT,
                         "o\n+1\n" ROOT,
                         "o\n-1\n" ROOT,
                         "o\n 1\n" ROOT,
                         "o\n1 \n" ROOT,
                         "o\n9223372036854775808\n" ROOT,
                         "o\n18446744073709551616\n" ROOT,
                         "o\n1\n\n",
                         "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
                         "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
                         "o\n1\nAA==\n",
                         "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
                         "o\n1\n" ROOT "x",
                         "o\n1\n" ROOT "\n",
                         "\xff\n1\n" ROOT};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(parse(bad[i]), VS_ERR_MALFORMED, "case %zu", i);
    }
    cr_expect_eq(parse("o\n0\n" ROOT), VS_OK);
    cr_expect_eq(parse("o\n1\n" ROOT "extension\nlines\n"), VS_OK);
}
