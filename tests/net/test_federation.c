#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "net/json_text.h"
#include "tests/net/support_fed.h"
#include "tests/support.h"

static vs_err parse(const vs_buf *text, vs_diag *diag)
{
    vs_federation *fed;
    vs_err err = vs_federation_parse(&fed, text->p, text->len, "federation.json", diag);
    cr_expect_eq(fed == NULL, err != VS_OK);
    vs_federation_free(fed);
    return err;
}

/* text with the first `from` at or after the start of line `line` replaced. */
static vs_buf edited(const vs_buf *text, uint32_t line, const char *from, const char *to)
{
    vs_buf copy = {0};
    vs_buf out = {0};
    vs_buf_bytes(&copy, text->p, text->len);
    vs_buf_u8(&copy, '\0');
    char *at = (char *)copy.p;
    for (uint32_t i = 1; i < line; i++) at = strchr(at, '\n') + 1;
    at = strstr(at, from);
    cr_assert_not_null(at, "no \"%s\" from line %u on", from, line);
    vs_buf_bytes(&out, copy.p, (size_t)(at - (char *)copy.p));
    vs_buf_text(&out, to);
    vs_buf_text(&out, at + strlen(from));
    cr_assert_eq(vs_buf_check(&out), VS_OK);
    vs_buf_free(&copy);
    return out;
}

typedef struct edit {
    uint32_t line; /* where to edit */
    const char *from, *to;
    const char *message; /* after "federation.json: " */
} edit;

static void expect_all(const vs_test_fed *tf, const edit *edits, size_t n, vs_err want)
{
    for (size_t i = 0; i < n; i++) {
        vs_diag diag = {{0}};
        char message[VS_DIAG_BYTES];
        vs_buf text = edited(&tf->fed->file, edits[i].line, edits[i].from, edits[i].to);
        (void)snprintf(message, sizeof message, "federation.json: %s", edits[i].message);
        cr_expect_eq(parse(&text, &diag), want, "%zu: %s", i, edits[i].message);
        cr_expect_str_eq(diag.text, message, "%zu: %s", i, diag.text);
        vs_buf_free(&text);
    }
}

#define EXPECT_ALL(tf, edits, want) expect_all(tf, edits, sizeof(edits) / sizeof(edits)[0], want)

Test(federation, file_comes_back_as_it_was_written)
{
    vs_test_fed *tf = vs_test_federation_of(7, 2, 3, 40, 3);
    const vs_federation *fed = tf->fed;
    vs_buf text = {0};
    vs_diag diag;
    vs_h32 id;
    cr_assert_eq(vs_federation_format(&text, fed, &diag), VS_OK);
    cr_expect_eq(text.len, fed->file.len);
    cr_expect_arr_eq(text.p, fed->file.p, text.len);
    vs_sha256(&id, text.p, text.len);
    cr_expect(vs_h32_equal(&id, &fed->id));
    cr_expect_eq(fed->committee.n, 7);
    cr_expect_eq(fed->committee.t, 2);
    cr_expect_eq(fed->committee.k, 3);
    cr_expect_eq(fed->committee.margin, 2);
    cr_expect_eq(fed->max_clients, 40);
    cr_expect_eq(fed->max_missing, 0.05);
    cr_expect_eq(fed->quantiser.bits, 16);
    cr_expect_eq(fed->quantiser.max_weight, 1000);
    cr_expect(fed->quantiser.stochastic_rounding);
    cr_expect(!fed->demo && !fed->public_results);
    cr_expect_eq(fed->policy.quorum, vs_committee_q(&fed->committee));
    cr_expect_eq(fed->policy.n_cosigners, 7);
    cr_expect_eq(fed->policy.cosigner[6].id, tf->shareholder[6]->pub.cosigner.id);
    cr_expect_str_eq(fed->log_key.name, fed->origin);
    for (uint32_t j = 1; j <= 7; j++) {
        cr_expect_eq(vs_federation_shareholder(fed, &tf->shareholder[j - 1]->pub.identity), j);
    }
    cr_expect_eq(vs_federation_shareholder(fed, &tf->aggregator->pub.identity), 0);
    vs_buf_free(&text);
    vs_test_federation_free(tf);
}

Test(federation, every_flag_and_real_number_survives_the_text)
{
    vs_test_fed_config config = {.quantiser = {.clip_norm = 0.1 + 0.2,
                                               .clipping_range = 1e-7,
                                               .bits = 3,
                                               .max_weight = UINT64_C(1) << 48},
                                 .demo = true,
                                 .public_results = true,
                                 .tcp_port_base = 7100};
    vs_test_fed *tf = vs_test_federation_new(&config);
    cr_expect(tf->fed->demo && tf->fed->public_results);
    cr_expect_eq(tf->fed->quantiser.clip_norm, 0.1 + 0.2);
    cr_expect_eq(tf->fed->quantiser.clipping_range, 1e-7);
    cr_expect_eq(tf->fed->quantiser.max_weight, UINT64_C(1) << 48);
    cr_expect(!tf->fed->quantiser.stochastic_rounding);
    cr_expect_str_eq(tf->fed->aggregator.address, "tcp://127.0.0.1:7100");
    cr_expect_str_eq(tf->fed->shareholder[4].party.address, "tcp://127.0.0.1:7105");
    vs_test_federation_free(tf);
}

Test(federation, members_with_a_default_may_be_left_out)
{
    static const char *const lines[] = {
        "  \"reconstruction_threshold\": 3,\n", "  \"margin\": 1,\n",
        "  \"max_missing\": 0.05,\n",           "  \"min_cover\": 0.8,\n",
        "  \"stochastic_rounding\": true,\n",
    };
    vs_test_fed *tf = vs_test_federation_new(NULL);
    vs_buf text = edited(&tf->fed->file, 1, lines[0], "");
    for (size_t i = 1; i < sizeof lines / sizeof lines[0]; i++) {
        vs_buf shorter = edited(&text, 1, lines[i], "");
        vs_buf_free(&text);
        text = shorter;
    }
    vs_federation *fed;
    vs_diag diag;
    cr_assert_eq(vs_federation_parse(&fed, text.p, text.len, "x", &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(fed->committee.margin, 1);
    cr_expect_eq(fed->max_missing, 0.05);
    cr_expect_eq(fed->min_cover, 0.8);
    cr_expect(fed->quantiser.stochastic_rounding);
    vs_federation_free(fed);
    vs_buf_free(&text);
    vs_test_federation_free(tf);
}

Test(federation, every_broken_rule_of_numbers_names_its_line)
{
    static const edit edits[] = {
        {2, "federation\": 1", "federation\": 2", "line 2: veilsum_federation 2 is outside 1..1"},
        {5, "num_shares\": 5", "num_shares\": 2",
         "line 5: num_shares 2 is below reconstruction_threshold 3"},
        {5, "num_shares\": 5", "num_shares\": 3",
         "line 5: num_shares 3 is below reconstruction_threshold 3 + margin 1"},
        {5, "num_shares\": 5", "num_shares\": 1", "line 5: num_shares 1 is outside 2..128"},
        {5, "num_shares\": 5", "num_shares\": 129", "line 5: num_shares 129 is outside 2..128"},
        {5, "num_shares\": 5", "num_shares\": 4294967301",
         "line 5: num_shares 4294967301 is outside 0..4294967295"},
        {5, "num_shares\": 5", "num_shares\": 6",
         "line 31: shareholders has 5 elements, num_shares is 6"},
        {31, "[\n    {", "[ 1,\n    {", "line 31: shareholders has 6 elements, num_shares is 5"},
        {6, "old\": 1,\n  \"packing\": 2", "old\": 0,\n  \"packing\": 3",
         "line 6: privacy_threshold 0 is below 1"},
        {6, "old\": 1,\n  \"packing\": 2,\n  \"reconstruction_threshold\": 3",
         "old\": 5,\n  \"packing\": 2,\n  \"reconstruction_threshold\": 7",
         "line 6: privacy_threshold 5 is not below num_shares 5"},
        {7, "packing\": 2,\n  \"reconstruction_threshold\": 3",
         "packing\": 0,\n  \"reconstruction_threshold\": 1", "line 7: packing 0 is below 1"},
        {8, "threshold\": 3", "threshold\": 4",
         "line 8: reconstruction_threshold 4 is not privacy_threshold 1 + packing 2 = 3"},
        {9, "margin\": 1", "margin\": 3",
         "line 5: num_shares 5 is below reconstruction_threshold 3 + margin 3"},
        {10, "clients\": 16", "clients\": 1", "line 10: max_clients 1 is outside 2..32768"},
        {10, "clients\": 16", "clients\": 32769", "line 10: max_clients 32769 is outside 2..32768"},
        {11, "clients\": 2", "clients\": 1", "line 11: min_clients 1 is outside 2..32768"},
        {11, "clients\": 2", "clients\": 17", "line 11: min_clients 17 is above max_clients 16"},
        {11, "clients\": 2", "clients\": -2", "line 11: min_clients -2 is outside 2..32768"},
        {12, "0.05", "1", "line 12: max_missing 1 must be at least 0 and below 1"},
        {12, "0.05", "-0.1", "line 12: max_missing -0.1 must be at least 0 and below 1"},
        {13, "0.8", "0", "line 13: min_cover 0 must be above 0 and at most 1"},
        {13, "0.8", "1.5", "line 13: min_cover 1.5 must be above 0 and at most 1"},
        {14, "timeout\": 60", "timeout\": 0", "line 14: round_timeout 0 is outside 1..2592000"},
        {15, "timeout\": 60", "timeout\": 2592001",
         "line 15: answer_timeout 2592001 is outside 1..2592000"},
        {16, "bits\": 16", "bits\": 33", "line 16: quantization_bits is 33: must be 1 to 32"},
        {16, "bits\": 16", "bits\": 0", "line 16: quantization_bits is 0: must be 1 to 32"},
        {17, "norm\": 8", "norm\": -1",
         "line 17: clip_norm is -1: must be 0 (off) or between 1e-100 and 1e+100"},
        {18, "range\": 1", "range\": 0",
         "line 18: clipping_range is 0: must be between 1e-100 and 1e+100"},
        {19, "weight\": 1000", "weight\": 0", "line 19: max_weight is 0: must be 1 to 2^48"},
        {19, "weight\": 1000", "weight\": 281474976710657",
         "line 19: max_weight is 281474976710657: must be 1 to 2^48"},
    };
    vs_test_fed *tf = vs_test_federation_new(NULL);
    EXPECT_ALL(tf, edits, VS_ERR_LIMIT);
    vs_test_federation_free(tf);
}

Test(federation, every_wrong_type_names_its_line)
{
    static const edit edits[] = {
        {1, "{", "[", "line 2: ']' expected near ':'"},
        {2, "\"veilsum_federation\": 1,\n", "", "line 1: member \"veilsum_federation\" is missing"},
        {3, "\"test federation\"", "7", "line 3: name must be a string"},
        {3, "\"test federation\"", "\"a\\u0000b\"",
         "line 3: \\u0000 is not allowed without JSON_ALLOW_NUL"},
        {3, "\"test federation\"", "\"a\\nb\"", "line 3: name holds a control character"},
        {3, "\"name\"", "\"nome\"", "line 3: unknown member \"nome\""},
        {4, "\"origin\": \"veilsum.test/log\",\n", "", "line 1: member \"origin\" is missing"},
        {4, "\"origin\"", "\"name\"", "line 4: duplicate object key near '\"name\"'"},
        {5, "\": 5", "\": 5.0", "line 5: num_shares must be a whole number"},
        {5, "\": 5", "\": \"5\"", "line 5: num_shares must be a whole number"},
        {5, "\": 5", "\": 99999999999999999999",
         "line 5: too big integer near '99999999999999999999'"},
        {12, "0.05", "true", "line 12: max_missing must be a number"},
        {20, "true", "1", "line 20: stochastic_rounding must be true or false"},
        {20, "true", "True", "line 20: invalid token near 'True'"},
        {21, "\"admin\": {", "\"admin\": 1,\n\"adman\": {", "line 22: unknown member \"adman\""},
        {22, "\"name\": \"admin-1\",", "", "line 21: admin: member \"name\" is missing"},
        {22, "\"name\"", "\"naem\"", "line 22: admin: unknown member \"naem\""},
        {23, "=\"", "*\"", "line 23: admin.key must be base64 of 32 bytes"},
        {28, "log+", "log+0", "line 28: aggregator.log_key: key \"veilsum.test/log+0"},
        {33, "1", "\"1\"", "line 33: shareholders[0].index must be a whole number"},
        {39, "\"index\": 2,", "", "line 39: shareholders[1]: member \"index\" is missing"},
        {44, "\"address\"", "\"adress\"", "line 44: shareholders[1]: unknown member \"adress\""},
        {44, "\"inproc", "\"address2", "line 44: shareholders[1].address \"address2"},
    };
    vs_test_fed *tf = vs_test_federation_new(NULL);
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        vs_diag diag = {{0}};
        vs_buf text = edited(&tf->fed->file, edits[i].line, edits[i].from, edits[i].to);
        cr_expect_eq(parse(&text, &diag), VS_ERR_MALFORMED, "%zu: %s", i, diag.text);
        /* the start of it: some go on with a key */
        cr_expect_eq(strncmp(diag.text + strlen("federation.json: "), edits[i].message,
                             strlen(edits[i].message)),
                     0, "%zu: %s", i, diag.text);
        vs_buf_free(&text);
    }
    vs_test_federation_free(tf);
}

Test(federation, parties_that_are_not_distinct_are_refused)
{
    vs_test_fed *tf = vs_test_federation_new(NULL);
    char key[4][VS_BASE64_CHARS(32)];
    char cosigner[VS_VKEY_CHARS], own_cosigner[VS_VKEY_CHARS], other_log[VS_VKEY_CHARS],
        log_key[VS_VKEY_CHARS];
    vs_base64_encode(key[0], tf->admin->pub.identity.b, 32);
    vs_base64_encode(key[1], tf->aggregator->pub.identity.b, 32);
    vs_base64_encode(key[2], tf->shareholder[0]->pub.identity.b, 32);
    vs_base64_encode(key[3], tf->shareholder[1]->pub.identity.b, 32);
    vs_note_key_format(cosigner, &tf->shareholder[0]->pub.cosigner);
    vs_note_key_format(own_cosigner, &tf->shareholder[1]->pub.cosigner);
    vs_note_key_format(other_log, &tf->aggregator->pub.log);
    vs_note_key_format(log_key, &tf->fed->log_key);
    const edit edits[] = {
        {27, key[1], key[0],
         "line 27: aggregator.key is the same key as admin.key; every role needs its own"},
        {42, key[3], key[2],
         "line 42: shareholders[1].key is the same key as shareholders[0].key; every role needs "
         "its "
         "own"},
        {43, own_cosigner, cosigner,
         "line 43: shareholders[1].cosigner_key is the same key as shareholders[0].cosigner_key; "
         "every role needs its own"},
        {41, "shareholder-2", "shareholder-1",
         "line 41: shareholders[1].name is the same as shareholders[0].name"},
        {44, "test-0-2", "test-0-1",
         "line 44: shareholders[1].address is the same as shareholders[0].address"},
        {44, "test-0-2", "test-0-0",
         "line 44: shareholders[1].address is the aggregator's address"},
        {40, "2", "3",
         "line 40: shareholders[1].index 3 is not 2: shareholders stand in the order of their "
         "index"},
        {40, "2", "0", "line 40: shareholders[1].index 0 is outside 1..128"},
        {28, log_key, other_log,
         "line 28: aggregator.log_key has the name \"aggregator-2\", it must be the origin "
         "\"veilsum.test/log\""},
    };
    const edit malformed[] = {
        {42, key[3], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
         "line 42: shareholders[1].key is not an Ed25519 public key"},
        {28, log_key, cosigner, "line 28: aggregator.log_key has key type 0x04, 0x01 is needed"},
        {43, own_cosigner, log_key,
         "line 43: shareholders[1].cosigner_key has key type 0x01, 0x04 is needed"},
        {29, "inproc://veilsum-test-0-0", "tcp://host",
         "line 29: aggregator.address \"tcp://host\": has no port"},
    };
    EXPECT_ALL(tf, edits, VS_ERR_LIMIT);
    EXPECT_ALL(tf, malformed, VS_ERR_MALFORMED);
    vs_test_federation_free(tf);
}

Test(federation, widest_slot_that_the_limits_allow_fits_an_element)
{
    vs_test_fed_config config = {
        .max_clients = 32768,
        .quantiser = {.clip_norm = 1, .clipping_range = 1, .bits = 32, .max_weight = 1}};
    vs_test_fed *tf = vs_test_federation_new(&config); /* 32 + 15 = 47 bits: fine */
    cr_expect_eq(tf->fed->max_clients, 32768);
    vs_test_federation_free(tf);
}

Test(federation, addresses_have_a_sane_shape)
{
    static const char *const good[] = {
        "tcp://127.0.0.1:7101", "tcp://host-1.example.org:1",       "tcp://[::1]:65535",
        "tls+tcp://a:443",      "ipc:///run/veilsum/shareholder-1", "inproc://x"};
    static const struct {
        const char *address, *wrong;
    } bad[] = {
        {"", "must start with tcp://, tls+tcp://, ipc:// or inproc://"},
        {"127.0.0.1:7101", "must start with tcp://, tls+tcp://, ipc:// or inproc://"},
        {"http://a:1", "must start with tcp://, tls+tcp://, ipc:// or inproc://"},
        {"tcp://", "has no host"},
        {"tcp://:80", "has no host"},
        {"tcp://a", "has no port"},
        {"tcp://[::1]", "has no port"},
        {"tcp://[::1:5", "has an IPv6 address without ]"},
        {"tcp://a:", "needs a port from 1 to 65535"},
        {"tcp://a:0", "needs a port from 1 to 65535"},
        {"tcp://a:65536", "needs a port from 1 to 65535"},
        {"tcp://a:8o", "needs a port from 1 to 65535"},
        {"tcp://a:80/x", "needs a port from 1 to 65535"},
        {"tcp://a/b:80", "has a character that no host name has"},
        {"tcp://[fe80::g]:1", "has a character that no host name has"},
        {"tls+tcp://*:1", "has a character that no host name has"},
        {"ipc://", "has no name"},
        {"ipc:///a b", "has a space in it"},
        {"inproc://a\tb", "has a space in it"},
    };
    char message[VS_DIAG_BYTES], long_ipc[160];
    vs_diag diag;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_expect_eq(vs_address_check(good[i], &diag), VS_OK, "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(vs_address_check(bad[i].address, &diag), VS_ERR_MALFORMED);
        (void)snprintf(message, sizeof message, "%s", bad[i].wrong);
        cr_expect(strstr(diag.text, message) != NULL, "%s", diag.text);
    }
    (void)snprintf(long_ipc, sizeof long_ipc, "ipc:///%0106d", 0);
    cr_expect_eq(vs_address_check(long_ipc, &diag), VS_OK);
    (void)snprintf(long_ipc, sizeof long_ipc, "ipc:///%0107d", 0);
    cr_expect_eq(vs_address_check(long_ipc, &diag), VS_ERR_MALFORMED);
}

Test(federation, tolerance_of_the_profiles_is_what_the_design_says)
{
    static const struct {
        vs_committee c;
        uint32_t lost, detected, corrected;
        double upload;
    } cases[] = {
        {{4, 1, 1, 1}, 1, 1, 1, 3},         {{5, 1, 2, 1}, 1, 1, 1, 2},
        {{7, 1, 4, 1}, 1, 1, 1, 1.5},       {{10, 2, 4, 2}, 2, 2, 2, 2},
        {{16, 3, 7, 3}, 3, 3, 3, 13.0 / 7}, {{3, 1, 1, 1}, 0, 1, 0, 2},
        {{5, 2, 1, 2}, 0, 2, 0, 3},         {{7, 2, 3, 2}, 0, 2, 0, 5.0 / 3},
        {{10, 3, 4, 3}, 0, 3, 0, 7.0 / 4},  {{16, 5, 6, 5}, 0, 5, 0, 11.0 / 6},
        {{5, 1, 2, 0}, 1, 0, 1, 2},         {{2, 1, 1, 0}, 0, 0, 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vs_tolerance t = vs_federation_tolerance(&cases[i].c);
        cr_expect_eq(t.colluders, cases[i].c.t);
        cr_expect_eq(t.lost_before_set, cases[i].lost, "%zu: %u", i, t.lost_before_set);
        cr_expect_eq(t.lost_after_set, cases[i].lost);
        cr_expect_eq(t.liars_detected, cases[i].detected);
        cr_expect_eq(t.liars_corrected, cases[i].corrected, "%zu: %u", i, t.liars_corrected);
        cr_expect_float_eq(t.upload_factor, cases[i].upload, 1e-12);
    }
}

Test(federation, biggest_committee_fits_the_file_limit)
{
    vs_test_fed *tf = vs_test_federation_of(128, 40, 48, 100, 0);
    cr_expect_lt(tf->fed->file.len, VS_FEDERATION_FILE_MAX);
    cr_expect_eq(tf->fed->policy.n_cosigners, 128);
    vs_test_federation_free(tf);
}

Test(federation, file_over_the_limit_is_refused_before_it_is_read)
{
    vs_buf text = {0};
    vs_diag diag;
    uint8_t *at = vs_buf_extend(&text, VS_FEDERATION_FILE_MAX + 1);
    cr_assert_not_null(at);
    memset(at, ' ', VS_FEDERATION_FILE_MAX + 1);
    cr_expect_eq(parse(&text, &diag), VS_ERR_LIMIT);
    vs_buf_free(&text);
}

Test(federation, load_names_the_file_that_is_not_there)
{
    vs_federation *fed;
    vs_diag diag;
    cr_expect_eq(vs_federation_load(&fed, "/nowhere/federation.json", &diag), VS_ERR_IO);
    cr_expect(strstr(diag.text, "/nowhere/federation.json: cannot open") != NULL);
    cr_expect_null(fed);
}

Test(federation, test_federation_is_reproducible_and_its_clients_are_enrolled)
{
    vs_test_fed_config config = {.n_clients = 20, .seed = 5};
    vs_test_fed *a = vs_test_federation_new(&config);
    vs_test_fed *b = vs_test_federation_new(&config);
    cr_expect(vs_h32_equal(&a->fed->id, &b->fed->id));
    cr_expect_eq(a->fed->max_clients, 20);
    for (uint32_t i = 0; i < 20; i++) {
        cr_expect_eq(vs_enrolment_verify(a->enrolment[i], &b->fed->id, &b->client[i]->pub.identity,
                                         &b->fed->admin_key),
                     VS_OK);
    }
    vs_test_federation_free(a);
    vs_test_federation_free(b);
}

static void adjust_all(vs_federation *f)
{
    f->rotation = true;
    f->k_stddevs = 3.5;
    f->metrics = true;
    f->target_unclipped_quantile = 0.6;
    f->adaptive_clip_learning_rate = 0.3;
    f->min_clients = 5;
    f->quantiser.max_weight = 1;
    f->privacy = (vs_privacy){.mechanism = VS_MECHANISM_SKELLAM,
                              .noise_multiplier = 1.25,
                              .delta = 1e-6,
                              .max_epsilon = 4,
                              .beta = 0.5,
                              .colluding_clients = 2,
                              .clients_per_round = 7,
                              .metrics_noise_multiplier = 6};
}

Test(federation, pipeline_and_privacy_survive_the_text)
{
    const vs_test_fed_config config = {.adjust = adjust_all};
    vs_test_fed *tf = vs_test_federation_new(&config);
    const vs_federation *f = tf->fed;
    const vs_privacy *p = &f->privacy;
    cr_expect(f->rotation && f->metrics && f->k_stddevs == 3.5);
    cr_expect(f->target_unclipped_quantile == 0.6 && f->adaptive_clip_learning_rate == 0.3);
    cr_expect(p->mechanism == VS_MECHANISM_SKELLAM && p->noise_multiplier == 1.25);
    cr_expect(p->delta == 1e-6 && p->max_epsilon == 4 && p->beta == 0.5);
    cr_expect(p->colluding_clients == 2 && p->clients_per_round == 7);
    cr_expect(p->metrics_noise_multiplier == 6);
    vs_buf text = {0};
    vs_buf_bytes(&text, f->file.p, f->file.len);
    vs_buf_u8(&text, '\0');
    cr_expect_null(strstr((const char *)text.p, "clipping_range"));
    vs_buf_free(&text);
    vs_test_federation_free(tf);
}

Test(federation, every_broken_rule_of_pipeline_and_privacy_names_its_line)
{
    const vs_test_fed_config config = {.adjust = adjust_all};
    vs_test_fed *tf = vs_test_federation_new(&config);
    const edit edits[] = {
        {1, "\"hadamard\"", "\"fourier\"", "line 20: rotation must be \"none\" or \"hadamard\""},
        {1, "\"skellam\"", "\"laplace\"",
         "line 25: mechanism must be \"none\", \"discrete_gaussian\" or \"skellam\""},
    };
    EXPECT_ALL(tf, edits, VS_ERR_MALFORMED);
    const edit limits[] = {
        {1, "\"hadamard\"", "\"hadamard\",\n  \"clipping_range\": 1",
         "line 21: clipping_range does not go with rotation hadamard: it is k_stddevs * clip_norm "
         "/ sqrt(dim) then"},
        {1, "\"k_stddevs\": 3.5", "\"k_stddevs\": 0",
         "line 21: k_stddevs 0 must be above 0 and at most 1000"},
        {1, "  \"metrics\": true,\n", "",
         "line 22: target_unclipped_quantile needs metrics and a clip_norm to begin with"},
        {1, "\"target_unclipped_quantile\": 0.6", "\"target_unclipped_quantile\": 1",
         "line 23: target_unclipped_quantile 1 must be above 0 and below 1, or 0 for a fixed "
         "clip_norm"},
        {1, "\"adaptive_clip_learning_rate\": 0.3", "\"adaptive_clip_learning_rate\": 0",
         "line 24: adaptive_clip_learning_rate 0 must be above 0 and at most 10"},
        {1, "\"skellam\"", "\"none\"",
         "line 32: metrics_noise_multiplier is given, but there is no mechanism (discrete_gaussian "
         "or skellam)"},
        {1, "\"delta\": 1e-06", "\"delta\": 1", "line 27: delta 1 must be above 0 and below 1"},
        {1, "\"max_weight\": 1", "\"max_weight\": 2",
         "line 18: max_weight 2 must be 1: under differential privacy every client counts the "
         "same"},
        {1, "\"colluding_clients\": 2", "\"colluding_clients\": 4",
         "line 30: colluding_clients 4 must be at least 2 below min_clients 5"},
    };
    EXPECT_ALL(tf, limits, VS_ERR_LIMIT);
    vs_test_federation_free(tf);
}

Test(json_text, finds_the_line_of_a_path_and_of_its_longest_part)
{
    static const char text[] =
        "{\n \"a\": [1,\n  {\"b\": \"x\\\"\\n}\", \"c\":\n [[], {}, 5]}\n ],\n"
        " \"b\": {\"a\": 1},\n \"c\"\n: true\n}";
    static const struct {
        const char *path;
        uint32_t line;
    } cases[] = {{"", 1},       {"a", 2},      {"a[0]", 2},      {"a[1]", 3},
                 {"a[1].b", 3}, {"a[1].c", 3}, {"a[1].c[2]", 4}, {"a[1].c[3]", 3},
                 {"a[2]", 2},   {"b", 6},      {"b.a", 6},       {"c", 7},
                 {"d", 1},      {"c.x", 7},    {"a[1].zz", 3},   {"b[0]", 6}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_eq(vs_json_line((const uint8_t *)text, sizeof text - 1, cases[i].path),
                     cases[i].line, "%s", cases[i].path);
    }
    for (size_t len = 0; len < sizeof text; len++) { /* cut anywhere: some line, no harm */
        uint32_t line = vs_json_line((const uint8_t *)text, len, "a[1].c[2]");
        cr_expect(line >= 1 && line <= 9);
    }
}
