#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/note.h"
#include "ledger/tree.h"
#include "tests/ledger/support_ledger.h"
#include "tests/support.h"

static const char *str(const json_t *j, const char *name)
{
    return json_string_value(json_object_get(j, name));
}

static vs_note_key key_of(const char *vkey)
{
    vs_note_key k;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_note_key_parse(&k, vkey, &diag), VS_OK, "%s", diag.text);
    return k;
}

static vs_buf shared_file(const char *name)
{
    vs_buf b = {0};
    char *path = vs_test_shared(name);
    if (path == NULL) {
        vs_test_skip("no vectors on this machine");
        return b;
    }
    cr_assert_eq(vs_file_read(&b, path, VS_NOTE_MAX_BYTES, NULL), VS_OK);
    free(path);
    return b;
}

Test(note_vectors, verifier_keys)
{
    json_t *j = sample_json("vectors/ledger/note/vkeys.json");
    size_t i;
    json_t *v;
    vs_note_key k;
    if (j == NULL) return;
    json_array_foreach(json_object_get(j, "ok"), i, v)
    {
        const char *vkey = str(v, "vkey");
        char back[VS_VKEY_CHARS];
        json_int_t type = json_integer_value(json_object_get(v, "type"));
        if (type != VS_NOTE_ED25519 && type != VS_NOTE_COSIGNATURE) {
            cr_expect_eq(vs_note_key_parse(&k, vkey, NULL), VS_ERR_MALFORMED, "not our type");
            continue;
        }
        k = key_of(vkey);
        cr_expect_eq(k.type, type);
        vs_note_key_format(back, &k);
        cr_expect_str_eq(back, vkey);
    }
    json_array_foreach(json_object_get(j, "bad"), i, v)
    {
        cr_expect_eq(vs_note_key_parse(&k, json_string_value(v), NULL), VS_ERR_MALFORMED, "%s",
                     json_string_value(v));
    }
    json_decref(j);
}

static void run_case(const json_t *c)
{
    vs_buf note = sample_base64(str(c, "note_b64"));
    vs_note_key keys[8];
    uint32_t n_keys = (uint32_t)json_array_size(json_object_get(c, "vkeys"));
    vs_note_result r;
    vs_diag diag = {{0}};
    const char *expect = str(c, "expect");
    cr_assert_leq(n_keys, 8);
    for (uint32_t i = 0; i < n_keys; i++) {
        keys[i] = key_of(json_string_value(json_array_get(json_object_get(c, "vkeys"), i)));
    }
    vs_err err = vs_note_verify(&r, note.p, note.len, keys, n_keys, &diag);
    vs_err want = strcmp(expect, "ok") == 0          ? VS_OK
                  : strcmp(expect, "malformed") == 0 ? VS_ERR_MALFORMED
                                                     : VS_ERR_PROOF;
    cr_expect_eq(err, want, "%s: %s", str(c, "desc"), diag.text);
    if (err == VS_OK) {
        cr_expect_eq(r.n_verified, json_integer_value(json_object_get(c, "sigs")), "%s",
                     str(c, "desc"));
    }
    vs_buf_free(&note);
}

Test(note_vectors, signed_notes)
{
    json_t *j = sample_json("vectors/ledger/note/signed_note.json");
    size_t i;
    json_t *c;
    if (j == NULL) return;
    json_array_foreach(json_object_get(j, "cases"), i, c) run_case(c);
    /* Sign again, byte for byte. The private form is PRIVATE+KEY+name+id+base64(type || seed). */
    const json_t *s = json_object_get(j, "sign");
    vs_buf secret = sample_base64(strstr(str(s, "skey"), "+AYE") + 1);
    vs_buf want = sample_base64(str(s, "note_b64"));
    vs_note_key key = key_of(str(s, "vkey"));
    vs_buf got = {0};
    cr_assert_eq(secret.len, 33);
    cr_assert_eq(vs_note_sign(&got, str(s, "text"), strlen(str(s, "text")), &key, secret.p + 1),
                 VS_OK);
    cr_assert_eq(got.len, want.len);
    cr_expect_eq(memcmp(got.p, want.p, got.len), 0);
    vs_buf_free(&secret);
    vs_buf_free(&want);
    vs_buf_free(&got);
    json_decref(j);
}

Test(note_vectors, checkpoint_bodies)
{
    json_t *j = sample_json("vectors/ledger/checkpoint/parse_body.json");
    size_t i;
    json_t *c;
    if (j == NULL) return;
    json_array_foreach(json_object_get(j, "cases"), i, c)
    {
        vs_checkpoint cp;
        const char *body = str(c, "body");
        bool want = json_is_true(json_object_get(c, "strict_ok")); /* absent: not ok at all */
        cr_expect_eq(vs_checkpoint_parse(&cp, (const uint8_t *)body, strlen(body), NULL) == VS_OK,
                     want, "%s", str(c, "desc"));
    }
    json_decref(j);
}

static vs_checkpoint verified_checkpoint(const char *name, const vs_note_key *key)
{
    vs_note_result r;
    vs_checkpoint c;
    vs_diag diag = {{0}};
    vs_buf note = shared_file(name);
    memset(&c, 0, sizeof c);
    if (note.p == NULL) return c;
    cr_assert_eq(vs_note_verify(&r, note.p, note.len, key, 1, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(vs_checkpoint_parse(&c, note.p, r.text_len, &diag), VS_OK, "%s", diag.text);
    vs_buf body = {0};
    cr_assert_eq(vs_checkpoint_format(&body, &c), VS_OK);
    cr_expect(body.len == r.text_len && memcmp(body.p, note.p, body.len) == 0);
    vs_buf_free(&body);
    vs_buf_free(&note);
    return c;
}

Test(note_vectors, checkpoints_of_a_real_log)
{
    vs_buf vkey = shared_file("vectors/ledger/tiles/tessera-15/vkey");
    if (vkey.p == NULL) return;
    while (vkey.len > 0 && vkey.p[vkey.len - 1] <= ' ') vkey.len--;
    vs_buf_u8(&vkey, 0);
    vs_note_key key = key_of((const char *)vkey.p);
    static const unsigned sizes[] = {0, 1, 2, 3, 5, 8, 13};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char name[128];
        (void)snprintf(name, sizeof name,
                       "vectors/ledger/checkpoint/tessera-testdata-%u.checkpoint", sizes[i]);
        vs_checkpoint c = verified_checkpoint(name, &key);
        cr_expect_eq(c.size, sizes[i]);
        cr_expect_str_eq(c.origin, key.name);
    }
    /* The level-0 tile of its 15 leaves leads to the signed root; so do the entries. */
    vs_checkpoint c = verified_checkpoint("vectors/ledger/tiles/tessera-15/checkpoint", &key);
    vs_buf tile = shared_file("vectors/ledger/tiles/tessera-15/tile/0/000.p/15");
    vs_buf bundle = shared_file("vectors/ledger/tiles/tessera-15/tile/entries/000.p/15");
    vs_merkle m;
    vs_h32 root;
    vs_merkle_init(&m);
    cr_assert_eq(tile.len, 15 * 32);
    size_t at = 0;
    for (size_t i = 0; i < 15; i++) {
        vs_h32 leaf;
        vs_h32 hashed;
        memcpy(leaf.b, tile.p + 32 * i, 32);
        cr_assert_leq(at + 2, bundle.len);
        size_t len = (size_t)bundle.p[at] << 8 | bundle.p[at + 1];
        cr_assert_leq(at + 2 + len, bundle.len);
        vs_merkle_leaf(&hashed, bundle.p + at + 2, len);
        cr_expect(vs_h32_equal(&hashed, &leaf), "entry %zu", i);
        vs_merkle_append(&m, &leaf);
        at += 2 + len;
    }
    cr_expect_eq(at, bundle.len);
    vs_merkle_root(&m, &root);
    cr_expect(vs_h32_equal(&root, &c.root));
    vs_buf_free(&tile);
    vs_buf_free(&bundle);
    vs_buf_free(&vkey);
}

static void resign(const json_t *c)
{
    char name[128];
    uint8_t seed[32];
    uint8_t sig[VS_COSIGNATURE_BYTES];
    vs_note_result r;
    vs_diag diag = {{0}};
    vs_buf line = {0};
    uint64_t time_s = (uint64_t)json_integer_value(json_object_get(c, "time"));
    vs_note_key key = key_of(str(c, "vkey"));
    (void)snprintf(name, sizeof name, "vectors/ledger/cosig/%s", str(c, "file"));
    vs_buf note = shared_file(name);
    cr_assert_eq(vs_note_verify(&r, note.p, note.len, &key, 1, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(r.verified_time[0], time_s);
    cr_assert_eq(vs_hex_decode(seed, sizeof seed, str(c, "seed_hex")), VS_OK);
    vs_cosign(sig, (const char *)note.p, r.text_len, time_s, seed);
    cr_assert_eq(vs_note_add_line(&line, &key, sig, sizeof sig), VS_OK);
    vs_buf_u8(&line, 0);
    vs_buf_u8(&note, 0);
    cr_expect_not_null(strstr((const char *)note.p, (const char *)line.p), "%s", name);
    vs_buf_free(&line);
    vs_buf_free(&note);
}

Test(note_vectors, cosignatures_are_made_again_byte_for_byte)
{
    json_t *j = sample_json("vectors/ledger/cosig/index.json");
    size_t i;
    json_t *c;
    if (j == NULL) return;
    json_array_foreach(json_object_get(j, "cosignatures"), i, c) resign(c);
    json_decref(j);
}

/* Lines that are not by the witness key are ignored, before and after the good one. */
Test(note_vectors, foreign_cosignature_lines)
{
    json_t *j = sample_json("vectors/ledger/cosig/index.json");
    if (j == NULL) return;
    const json_t *s = json_object_get(j, "sigsum");
    sample_key k;
    uint8_t sig[VS_COSIGNATURE_BYTES];
    vs_buf line = {0};
    vs_note_result r;
    memset(&k, 0, sizeof k);
    cr_assert_eq(vs_hex_decode(k.seed, sizeof k.seed, str(s, "seed_hex")), VS_OK);
    vs_h32 pk = sample_public_key(k.seed);
    cr_assert_eq(vs_note_key_make(&k.key, str(s, "name"), VS_NOTE_COSIGNATURE, &pk, NULL), VS_OK);
    vs_cosign(sig, str(s, "text"), strlen(str(s, "text")),
              (uint64_t)json_integer_value(json_object_get(s, "time")), k.seed);
    cr_assert_eq(vs_note_add_line(&line, &k.key, sig, sizeof sig), VS_OK);
    vs_buf_u8(&line, 0);
    cr_expect_str_eq((const char *)line.p, str(s, "good_line"));
    size_t i;
    json_t *foreign;
    json_array_foreach(json_object_get(s, "foreign_lines"), i, foreign)
    {
        vs_buf note = {0};
        vs_buf_printf(&note, "%s\n%s", str(s, "text"), json_string_value(foreign));
        cr_expect_eq(vs_note_verify(&r, note.p, note.len, &k.key, 1, NULL), VS_ERR_PROOF,
                     "line %zu alone", i);
        vs_buf_text(&note, str(s, "good_line"));
        cr_expect_eq(vs_note_verify(&r, note.p, note.len, &k.key, 1, NULL), VS_OK, "line %zu", i);
        cr_expect_eq(r.n_verified, 1);
        vs_buf_free(&note);
    }
    vs_buf_free(&line);
    json_decref(j);
}

/* Signatures without their notes: the time stands in those that have a cosignature's length. */
Test(note_vectors, time_of_a_cosignature_line)
{
    size_t i;
    json_t *c;
    json_t *j = sample_json("vectors/ledger/cosig/index.json");
    if (j == NULL) return;
    json_array_foreach(json_object_get(j, "timestamp_only"), i, c)
    {
        vs_buf sig = sample_base64(str(c, "sig_b64"));
        const json_t *t = json_object_get(c, "time");
        cr_expect_eq(sig.len == 4 + VS_COSIGNATURE_BYTES, !json_is_null(t), "case %zu", i);
        if (!json_is_null(t)) {
            cr_expect_eq((json_int_t)vs_load_be64(sig.p + 4), json_integer_value(t));
        }
        vs_buf_free(&sig);
    }
    cr_expect_eq(i, 2);
    json_decref(j);
}
