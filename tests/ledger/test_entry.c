#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/entry.h"
#include "tests/ledger/support_ledger.h"
#include "tests/support.h"

static vs_buf encode(const vs_entry *e)
{
    vs_buf b = {0};
    vs_diag diag = {{0}};
    cr_assert_eq(vs_entry_encode(&b, e, &diag), VS_OK, "%s", diag.text);
    return b;
}

/* Decodes to an error; the message must name the member. */
static void expect_refused(vs_entry_kind kind, const char *text, size_t len, const char *member)
{
    vs_diag diag = {{0}};
    vs_entry *e = malloc(sizeof *e);
    vs_err err = vs_entry_decode(e, vs_entry_kind_name(kind), text, len, &diag);
    cr_expect(err == VS_ERR_MALFORMED || err == VS_ERR_LIMIT, "%s: %s", member, vs_err_name(err));
    cr_expect(strstr(diag.text, member) != NULL, "no \"%s\" in: %s", member, diag.text);
    cr_expect_eq(e->kind, 0, "output must be zero");
    free(e);
}

static void expect_refused_json(vs_entry_kind kind, const json_t *j, const char *member)
{
    char *text = json_dumps(j, JSON_COMPACT);
    expect_refused(kind, text, strlen(text), member);
    free(text);
}

static json_t *sample_object(vs_entry_kind kind)
{
    vs_entry e = sample_entry(kind);
    vs_buf b = encode(&e);
    json_t *j = json_loadb((const char *)b.p, b.len, 0, NULL);
    vs_buf_free(&b);
    return j;
}

Test(entry, decode_of_encode_is_identity)
{
    for (int k = VS_ENTRY_FEDERATION; k <= VS_ENTRY_KIND_LAST; k++) {
        vs_entry e = sample_entry((vs_entry_kind)k);
        vs_entry *back = malloc(sizeof *back);
        vs_diag diag = {{0}};
        vs_buf b = encode(&e);
        cr_assert_lt(b.len, 49000, "an envelope must hold it");
        cr_assert_eq(vs_entry_decode(back, vs_entry_kind_name(e.kind), b.p, b.len, &diag), VS_OK,
                     "%s", diag.text);
        cr_expect_eq(memcmp(back, &e, sizeof e), 0, "%s", vs_entry_kind_name(e.kind));
        vs_buf again = encode(back);
        cr_assert_eq(again.len, b.len);
        cr_expect_eq(memcmp(again.p, b.p, b.len), 0);
        vs_buf_free(&again);
        vs_buf_free(&b);
        free(back);
    }
}

Test(entry, bytes_of_closed_are_fixed)
{
    vs_entry e = {.kind = VS_ENTRY_CLOSED, .origin = "o", .round = 1};
    e.u.closed.index = 2;
    vs_buf b = encode(&e);
    vs_buf_u8(&b, 0);
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
    cr_expect_str_eq((const char *)b.p, "{\"origin\":\"o\",\"federation\":\"" ZEROS
                                        "\",\"round\":1,\"kind\":\"closed\",\"prev\":\"" ZEROS
                                        "\",\"index\":2,\"params_hash\":\"" ZEROS "\"}");
    vs_buf_free(&b);
}

#define NO_KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
Test(entry, each_missing_member_is_named)
{
    for (int k = VS_ENTRY_FEDERATION; k <= VS_ENTRY_KIND_LAST; k++) {
        json_t *whole = sample_object((vs_entry_kind)k);
        const char *name;
        json_t *value;
        json_object_foreach(whole, name, value)
        {
            json_t *cut = json_copy(whole);
            json_object_del(cut, name);
            expect_refused_json((vs_entry_kind)k, cut, name);
            json_decref(cut);
        }
        json_decref(whole);
    }
}

Test(entry, each_member_of_a_wrong_type_is_named)
{
    for (int k = VS_ENTRY_FEDERATION; k <= VS_ENTRY_KIND_LAST; k++) {
        json_t *whole = sample_object((vs_entry_kind)k);
        const char *name;
        json_t *value;
        json_object_foreach(whole, name, value)
        {
            json_t *wrong[] = {json_null(),       json_string("?"), json_integer(-1000),
                               json_real(-0.5),   json_object(),    json_pack("[s]", "x"),
                               json_string("\t"), json_string("")};
            for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
                bool text = strcmp(name, "detail") == 0 || strcmp(name, "origin") == 0;
                bool fine = text && json_is_string(wrong[i]) && i == 1;
                fine = fine || (strcmp(name, "detail") == 0 && i == 7);
                json_t *bent = json_copy(whole);
                json_object_set(bent, name, wrong[i]);
                if (!fine) expect_refused_json((vs_entry_kind)k, bent, name);
                json_decref(bent);
                json_decref(wrong[i]);
            }
        }
        json_decref(whole);
    }
}

Test(entry, unknown_and_duplicate_members_are_named)
{
    for (int k = VS_ENTRY_FEDERATION; k <= VS_ENTRY_KIND_LAST; k++) {
        json_t *whole = sample_object((vs_entry_kind)k);
        json_object_set_new(whole, "surplus", json_integer(1));
        expect_refused_json((vs_entry_kind)k, whole, "surplus");
        json_decref(whole);
        vs_entry e = sample_entry((vs_entry_kind)k);
        vs_buf b = encode(&e);
        b.len--; /* the last brace */
        vs_buf_text(&b, ",\"round\":7}");
        expect_refused((vs_entry_kind)k, (const char *)b.p, b.len, "round");
        vs_buf_free(&b);
    }
}

/* Every list element: missing, unknown, wrong, out of order, too many, none where one is needed. */
static void bend_list(vs_entry_kind kind, const char *list, bool objects, bool may_be_empty)
{
    json_t *whole = sample_object(kind);
    json_t *a = json_object_get(whole, list);
    json_t *first = json_array_get(a, 0);
    if (objects) {
        const char *name;
        json_t *value;
        json_t *old = json_deep_copy(first);
        json_object_foreach(old, name, value)
        {
            json_object_del(first, name);
            expect_refused_json(kind, whole, name);
            json_object_set_new(first, name, json_string("?"));
            expect_refused_json(kind, whole, name);
            json_object_update(first, old);
        }
        json_decref(old);
        json_object_set_new(first, "more", json_true());
        expect_refused_json(kind, whole, list);
        json_object_del(first, "more");
    } else {
        json_array_set_new(a, 0, json_integer(0));
        expect_refused_json(kind, whole, list);
        json_array_set_new(a, 0, json_integer(129));
        expect_refused_json(kind, whole, list);
    }
    json_array_append(a, json_array_get(a, 0)); /* not ascending, or one too many */
    expect_refused_json(kind, whole, list);
    json_array_clear(a);
    if (!may_be_empty) expect_refused_json(kind, whole, list);
    json_decref(whole);
}

Test(entry, list_elements_are_checked)
{
    bend_list(VS_ENTRY_OPEN, "shareholders", true, false);
    bend_list(VS_ENTRY_SET, "votes", true, false);
    bend_list(VS_ENTRY_RESULT, "answers", true, false);
    bend_list(VS_ENTRY_RESULT, "wrong", false, true);
    bend_list(VS_ENTRY_RESULT, "outvoted", false, true);
    bend_list(VS_ENTRY_ABORT, "not_voting", false, true);
}

static void expect_integer_refused(vs_entry_kind kind, const char *name, json_int_t v)
{
    json_t *whole = sample_object(kind);
    json_object_set_new(whole, name, json_integer(v));
    expect_refused_json(kind, whole, name);
    json_decref(whole);
}

Test(entry, integers_beyond_their_bounds_are_named)
{
    expect_integer_refused(VS_ENTRY_OPEN, "round", 0);
    expect_integer_refused(VS_ENTRY_FEDERATION, "round", 1);
    expect_integer_refused(VS_ENTRY_OPEN, "dim", 0);
    expect_integer_refused(VS_ENTRY_OPEN, "dim", (int64_t)VS_ENTRY_DIM_MAX + 1);
    expect_integer_refused(VS_ENTRY_OPEN, "weight_digits", 65);
    expect_integer_refused(VS_ENTRY_OPEN, "quantization_bits", 33);
    expect_integer_refused(VS_ENTRY_OPEN, "max_clients", 32769);
    expect_integer_refused(VS_ENTRY_OPEN, "min_clients", 1);
    expect_integer_refused(VS_ENTRY_OPEN, "min_clients", 65);
    expect_integer_refused(VS_ENTRY_OPEN, "target_clients", 65);
    expect_integer_refused(VS_ENTRY_OPEN, "max_weight", (json_int_t)1 << 49);
    expect_integer_refused(VS_ENTRY_OPEN, "deadline", 1699999999);
    expect_integer_refused(VS_ENTRY_OPEN, "hard_expiry", 1700000599);
    expect_integer_refused(VS_ENTRY_OPEN, "opened_at", 253402300800);
    expect_integer_refused(VS_ENTRY_SET, "count", 0);
    expect_integer_refused(VS_ENTRY_ANSWER, "index", 129);
    expect_integer_refused(VS_ENTRY_ANSWER, "checkpoint_size", 0);
    expect_integer_refused(VS_ENTRY_RESULT, "margin", 129);
    expect_integer_refused(VS_ENTRY_RESULT, "margin", -129);
    expect_integer_refused(VS_ENTRY_CLOSED, "index", 0);
    expect_integer_refused(VS_ENTRY_EVIDENCE, "index",
                           0); /* a share's complaint names who complains */
    expect_integer_refused(VS_ENTRY_EVIDENCE, "reason", 3);
    expect_integer_refused(VS_ENTRY_EVIDENCE, "size", 0);
    expect_integer_refused(VS_ENTRY_KEY, "index", 1);
}

static void expect_string_refused(vs_entry_kind kind, const char *name, const char *v)
{
    json_t *whole = sample_object(kind);
    json_object_set_new(whole, name, json_string(v));
    expect_refused_json(kind, whole, name);
    json_decref(whole);
}

Test(entry, non_canonical_texts_are_named)
{
    char long_detail[VS_ENTRY_DETAIL_MAX + 2];
    memset(long_detail, 'x', sizeof long_detail - 1);
    long_detail[sizeof long_detail - 1] = '\0';
    expect_string_refused(VS_ENTRY_ABORT, "detail", long_detail);
    expect_string_refused(VS_ENTRY_ABORT, "reason", "tired");
    expect_string_refused(VS_ENTRY_ABORT, "origin", "with space");
    expect_string_refused(VS_ENTRY_ABORT, "kind", "closed");
    expect_string_refused(VS_ENTRY_ABORT, "kind", "witness");
    expect_string_refused(VS_ENTRY_FEDERATION, "file", ZEROS);
    expect_string_refused(VS_ENTRY_FEDERATION, "prev",
                          "0100000000000000000000000000000000000000000000000000000000000000");
    expect_string_refused(VS_ENTRY_EVIDENCE, "claim", "rumour");
    expect_string_refused(VS_ENTRY_EVIDENCE, "party", "auditor");
    expect_string_refused(VS_ENTRY_EVIDENCE, "key", NO_KEY);
    expect_string_refused(VS_ENTRY_EVIDENCE, "pseudonym", ZEROS);
    expect_string_refused(VS_ENTRY_KEY, "action", "forget");
    expect_string_refused(VS_ENTRY_KEY, "party", "log");
    expect_string_refused(VS_ENTRY_KEY, "new_key", NO_KEY);
    expect_string_refused(VS_ENTRY_CLOSED, "params_hash",
                          "AB00000000000000000000000000000000000000000000000000000000000000");
    expect_string_refused(VS_ENTRY_OPEN, "aggregator_key",
                          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB="); /* trailing bits */
    vs_note_key cosigner = sample_key_of("example.org/log", VS_NOTE_COSIGNATURE, 1).key;
    char vkey[VS_VKEY_CHARS];
    vs_note_key_format(vkey, &cosigner);
    expect_string_refused(VS_ENTRY_FEDERATION, "log_key", vkey);
}

Test(entry, the_envelope_and_the_payload_must_agree_on_the_kind)
{
    vs_entry e = sample_entry(VS_ENTRY_CLOSED);
    vs_buf b = encode(&e);
    vs_diag diag;
    cr_expect_eq(vs_entry_decode(&e, "answer", b.p, b.len, &diag), VS_ERR_MALFORMED);
    cr_expect_eq(vs_entry_decode(&e, "witness", b.p, b.len, &diag), VS_ERR_MALFORMED);
    cr_expect_eq(vs_entry_decode(&e, "closed", b.p, b.len - 1, &diag), VS_ERR_MALFORMED);
    cr_expect_eq(vs_entry_decode(&e, "closed", "[]", 2, &diag), VS_ERR_MALFORMED);
    cr_expect_eq(vs_entry_decode(&e, "closed", "", 0, &diag), VS_ERR_MALFORMED);
    vs_buf_free(&b);
}

static void expect_not_encoded(const vs_entry *e, const char *member)
{
    vs_buf b = {0};
    vs_diag diag = {{0}};
    vs_buf_text(&b, "before");
    cr_expect_eq(vs_entry_encode(&b, e, &diag), VS_ERR_LIMIT, "%s", member);
    cr_expect(strstr(diag.text, member) != NULL, "no \"%s\" in: %s", member, diag.text);
    cr_expect_eq(b.len, 6, "%s", member);
    vs_buf_free(&b);
}

Test(entry, encoding_refuses_what_decoding_would)
{
    vs_entry e = sample_entry(VS_ENTRY_OPEN);
    e.u.open.clip_norm = NAN;
    expect_not_encoded(&e, "clip_norm");
    e = sample_entry(VS_ENTRY_OPEN);
    e.u.open.clipping_range = 0;
    expect_not_encoded(&e, "clipping_range");
    e = sample_entry(VS_ENTRY_OPEN);
    e.u.open.n_shareholders = VS_ENTRY_SHAREHOLDERS_MAX + 1;
    expect_not_encoded(&e, "shareholders");
    e = sample_entry(VS_ENTRY_SET);
    e.u.set.votes[1].index = 1;
    expect_not_encoded(&e, "votes");
    e = sample_entry(VS_ENTRY_RESULT);
    e.u.result.wrong[0] = 0;
    expect_not_encoded(&e, "wrong");
    e = sample_entry(VS_ENTRY_ABORT);
    e.u.abort.reason = (vs_abort_reason)99;
    expect_not_encoded(&e, "reason");
    e = sample_entry(VS_ENTRY_ABORT);
    (void)strcpy(e.u.abort.detail, "\xff");
    expect_not_encoded(&e, "detail");
    e = sample_entry(VS_ENTRY_ABORT);
    memset(e.origin, 'a', sizeof e.origin); /* no final zero */
    expect_not_encoded(&e, "origin");
    e = sample_entry(VS_ENTRY_FEDERATION);
    e.federation = sample_hash(99);
    expect_not_encoded(&e, "file");
    e = sample_entry(VS_ENTRY_CLOSED);
    e.round = VS_ENTRY_INT_MAX + 1;
    expect_not_encoded(&e, "round");
}

Test(entry, reals_read_back_exactly)
{
    for (uint64_t i = 0; i < 2000; i++) {
        vs_entry e = sample_entry(VS_ENTRY_OPEN);
        vs_entry *back = malloc(sizeof *back);
        vs_diag diag = {{0}};
        uint64_t bits = (vs_test_u64(5, i) >> 1) & ~(UINT64_C(1) << 62); /* 0 < v < 2 */
        memcpy(&e.u.open.clip_norm, &bits, sizeof bits);
        vs_buf b = encode(&e);
        cr_assert_eq(vs_entry_decode(back, "open", b.p, b.len, &diag), VS_OK, "%s", diag.text);
        cr_expect_eq(memcmp(back, &e, sizeof e), 0, "%a", e.u.open.clip_norm);
        vs_buf_free(&b);
        free(back);
        if (i > 50) i += 20; /* an open entry is long */
    }
}

/* Members of features that are off are not there; on, they come back; a 0 of them is refused. */
Test(entry, members_of_features_are_left_out_where_they_are_off)
{
    static const char *const names[] = {"rotation", "metrics", "signal_levels", "noise_variance",
                                        "epsilon"};
    vs_entry e = sample_entry(VS_ENTRY_OPEN);
    vs_entry *back = malloc(sizeof *back);
    json_t *plain = sample_object(VS_ENTRY_OPEN);
    for (size_t i = 0; i < 5; i++) {
        json_t *bent = json_copy(plain);
        cr_expect_null(json_object_get(plain, names[i]));
        json_object_set_new(bent, names[i],
                            i == 0   ? json_false()
                            : i == 4 ? json_real(0.0)
                                     : json_integer(0));
        expect_refused_json(VS_ENTRY_OPEN, bent, names[i]);
        json_decref(bent);
    }
    e.u.open.rotation = true;
    e.u.open.metrics = 3;
    e.u.open.signal_levels = 1000;
    e.u.open.noise_variance = 77;
    e.u.open.epsilon = 0.1;
    vs_buf b = encode(&e);
    cr_assert_eq(vs_entry_decode(back, "open", b.p, b.len, NULL), VS_OK);
    cr_expect_eq(memcmp(back, &e, sizeof e), 0);
    json_t *full = json_loadb((const char *)b.p, b.len, 0, NULL);
    json_object_set_new(full, "surplus", json_integer(1)); /* as many members as the table has */
    json_object_del(full, "rotation");
    expect_refused_json(VS_ENTRY_OPEN, full, "surplus");
    json_object_del(full, "surplus");
    json_object_del(full, "signal_levels");
    expect_refused_json(VS_ENTRY_OPEN, full, "signal_levels");
    json_decref(full);
    json_decref(plain);
    vs_buf_free(&b);
    free(back);
}
