#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "ledger/dsse.h"
#include "tests/ledger/support_ledger.h"
#include "tests/support.h"

static const char payload[] = "{\"hello\":1}";

static vs_buf sealed(const sample_key *k)
{
    vs_buf b = {0};
    vs_diag diag = {{0}};
    cr_assert_eq(vs_dsse_sign(&b, "open", payload, strlen(payload), k->seed, &diag), VS_OK, "%s",
                 diag.text);
    return b;
}

static vs_err parse_text(const char *text)
{
    vs_dsse d;
    vs_diag diag = {{0}};
    vs_err err = vs_dsse_parse(&d, (const uint8_t *)text, strlen(text), &diag);
    cr_expect_eq(err == VS_OK, diag.text[0] == '\0', "%s", text);
    if (err != VS_OK) cr_expect(d.payload.p == NULL && d.n_signatures == 0);
    vs_dsse_free(&d);
    return err;
}

Test(dsse, sign_parse_verify)
{
    sample_key k = sample_key_of("k", VS_NOTE_ED25519, 1);
    vs_buf b = sealed(&k);
    vs_dsse d;
    cr_assert_eq(vs_dsse_parse(&d, b.p, b.len, NULL), VS_OK);
    cr_expect_str_eq(d.kind, "open");
    cr_expect(d.payload.len == strlen(payload) && memcmp(d.payload.p, payload, d.payload.len) == 0);
    cr_expect_eq(d.n_signatures, 1);
    cr_expect(vs_h32_equal(&d.keyid[0], &k.key.public_key));
    cr_expect_eq(vs_dsse_verify(&d, &k.key.public_key, NULL), VS_OK);
    vs_h32 other = sample_hash(1);
    cr_expect_eq(vs_dsse_verify(&d, &other, NULL), VS_ERR_PROOF);
    d.sig[0][3] ^= 1;
    cr_expect_eq(vs_dsse_verify(&d, &k.key.public_key, NULL), VS_ERR_PROOF);
    d.sig[0][3] ^= 1;
    d.payload.p[2] ^= 1;
    cr_expect_eq(vs_dsse_verify(&d, &k.key.public_key, NULL), VS_ERR_PROOF);
    d.payload.p[2] ^= 1;
    d.kind[0] = 'q'; /* the type is signed too */
    cr_expect_eq(vs_dsse_verify(&d, &k.key.public_key, NULL), VS_ERR_PROOF);
    vs_dsse_free(&d);
    vs_buf_free(&b);
}

/* The DSSE pre-authentication encoding, written out. */
Test(dsse, the_signature_is_over_the_pae)
{
    sample_key k = sample_key_of("k", VS_NOTE_ED25519, 1);
    static const char pae[] = "DSSEv1 36 application/vnd.veilsum.open.v1+json 11 {\"hello\":1}";
    vs_buf b = sealed(&k);
    vs_dsse d;
    cr_assert_eq(vs_dsse_parse(&d, b.p, b.len, NULL), VS_OK);
    cr_expect_eq(crypto_sign_verify_detached(d.sig[0], (const uint8_t *)pae, strlen(pae),
                                             k.key.public_key.b),
                 0);
    vs_dsse_free(&d);
    vs_buf_free(&b);
}

/* No bit of an envelope can change unseen: parse fails, or the key's signature does. */
Test(dsse, any_flipped_bit_is_refused)
{
    sample_key k = sample_key_of("k", VS_NOTE_ED25519, 1);
    vs_buf b = sealed(&k);
    for (size_t i = 0; i < b.len * 8; i++) {
        vs_dsse d;
        b.p[i / 8] ^= (uint8_t)(1u << (i % 8));
        vs_err err = vs_dsse_parse(&d, b.p, b.len, NULL);
        if (err == VS_OK) err = vs_dsse_verify(&d, &k.key.public_key, NULL);
        cr_expect_neq(err, VS_OK, "bit %zu", i);
        vs_dsse_free(&d);
        b.p[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    vs_buf_free(&b);
}

#define TYPE "\"payloadType\":\"application/vnd.veilsum.open.v1+json\""
#define ID "\"keyid\":\"aa00000000000000000000000000000000000000000000000000000000000000\""
#define ID2 "\"keyid\":\"bb00000000000000000000000000000000000000000000000000000000000000\""
#define A21 "AAAAAAAAAAAAAAAAAAAAA"
#define SIG "\"sig\":\"" A21 A21 A21 A21 "AA==\""
#define ONE "{" ID "," SIG "}"

Test(dsse, strict_members)
{
    cr_expect_eq(parse_text("{\"payload\":\"AA==\"," TYPE ",\"signatures\":[" ONE "]}"), VS_OK);
    cr_expect_eq(parse_text(" {" TYPE ",\n\"signatures\":[" ONE "],\"payload\":\"\"}\n"), VS_OK);
    const char *bad[] = {
        "",
        "[]",
        "{}",
        "{\"payload\":\"AA==\"," TYPE "}",
        "{\"payload\":\"AA==\",\"signatures\":[" ONE "]}",
        "{" TYPE ",\"signatures\":[" ONE "]}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[" ONE "],\"more\":1}",
        "{\"payload\":\"AA==\",\"payload\":\"AA==\"," TYPE ",\"signatures\":[" ONE "]}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[" ONE "]}x",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[" ONE "]",
        "{\"payload\":\"AB==\"," TYPE ",\"signatures\":[" ONE "]}",
        "{\"payload\":\"AA\"," TYPE ",\"signatures\":[" ONE "]}",
        "{\"payload\":\"A A==\"," TYPE ",\"signatures\":[" ONE "]}",
        "{\"payload\":\"_-==\"," TYPE ",\"signatures\":[" ONE "]}",
        "{\"payload\":\"\xc3\xbc==\"," TYPE ",\"signatures\":[" ONE "]}",
        "{\"payload\":7," TYPE ",\"signatures\":[" ONE "]}",
        "{\"payload\":\"AA==\",\"payloadType\":7,\"signatures\":[" ONE "]}",
        "{\"payload\":\"AA==\",\"payloadType\":\"open\",\"signatures\":[" ONE "]}",
        "{\"payload\":\"AA==\",\"payloadType\":\"application/vnd.veilsum..v1+json\","
        "\"signatures\":[" ONE "]}",
        "{\"payload\":\"AA==\",\"payloadType\":\"application/vnd.veilsum.v1+json\","
        "\"signatures\":[" ONE "]}",
        "{\"payload\":\"AA==\",\"payloadType\":\"application/vnd.veilsum.Open.v1+json\","
        "\"signatures\":[" ONE "]}",
        "{\"payload\":\"AA==\",\"payloadType\":\"application/vnd.veilsum.open.v2+json\","
        "\"signatures\":[" ONE "]}",
        "{\"payload\":\"AA==\",\"payloadType\":"
        "\"application/vnd.veilsum.abcdefghijklmnopqrstuvwx.v1+json\",\"signatures\":[" ONE "]}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":{}}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[7]}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[{" ID "}]}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[{" SIG "}]}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[{" ID "," SIG ",\"x\":1}]}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[{" ID "," SIG "," ID "}]}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[" ONE "," ONE "]}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[{\"keyid\":\"aa\"," SIG "}]}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[{\"keyid\":"
        "\"AA00000000000000000000000000000000000000000000000000000000000000\"," SIG "}]}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[{" ID ",\"sig\":\"AA==\"}]}",
        "{\"payload\":\"AA==\"," TYPE ",\"signatures\":[{" ID ",\"sig\":\"" A21 A21 A21 A21
        "AAAA\"}]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(parse_text(bad[i]), VS_ERR_MALFORMED, "%s", bad[i]);
    }
    cr_expect_eq(parse_text("{\"payload\":\"AA==\"," TYPE ",\"signatures\":[]}"), VS_ERR_LIMIT);
    cr_expect_eq(
        parse_text("{\"payload\":\"AA==\"," TYPE ",\"signatures\":[" ONE ",{" ID2 "," SIG "}]}"),
        VS_OK);
    cr_expect_eq(parse_text("{\"payload\":\"AA==\"," TYPE ",\"signatures\":[1,2,3,4,5]}"),
                 VS_ERR_LIMIT);
}

Test(dsse, entries_are_at_most_65535_bytes)
{
    sample_key k = sample_key_of("k", VS_NOTE_ED25519, 1);
    uint8_t *big = calloc(1, VS_ENTRY_MAX_BYTES + 1);
    size_t most = (VS_ENTRY_MAX_BYTES - 270) / 4 * 3; /* what base64 leaves room for */
    vs_buf b = {0};
    vs_dsse d;
    vs_buf_text(&b, "before");
    cr_expect_eq(vs_dsse_sign(&b, "open", big, VS_ENTRY_MAX_BYTES, k.seed, NULL), VS_ERR_LIMIT);
    cr_expect_eq(vs_dsse_sign(&b, "open", big, VS_ENTRY_MAX_BYTES + 1, k.seed, NULL), VS_ERR_LIMIT);
    cr_expect_eq(b.len, 6);
    cr_expect_eq(vs_dsse_sign(&b, "open", big, most, k.seed, NULL), VS_OK);
    cr_assert_eq(vs_dsse_parse(&d, b.p + 6, b.len - 6, NULL), VS_OK);
    cr_expect_eq(vs_dsse_verify(&d, &k.key.public_key, NULL), VS_OK);
    vs_dsse_free(&d);
    cr_expect_eq(vs_dsse_parse(&d, big, VS_ENTRY_MAX_BYTES + 1, NULL), VS_ERR_LIMIT);
    vs_buf_free(&b);
    free(big);
}
