#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "net/round.h"
#include "tests/net/support_open.h"
#include "tests/support.h"

#define NOW 1800000000u

static vs_err parse(vs_round *round, const vs_test_fed *tf, const vs_test_open *open, vs_diag *diag)
{
    vs_buf envelope = {0};
    vs_test_open_envelope(&envelope, open, tf);
    vs_err err = vs_round_from_open(round, tf->fed, envelope.p, envelope.len, diag);
    vs_buf_free(&envelope);
    return err;
}

Test(open, gives_the_round)
{
    vs_test_fed *tf = vs_test_federation_of(5, 1, 2, 16, 0);
    vs_test_open *open = vs_test_open_new(tf, 3, 1000, NOW, 1);
    vs_test_open_unlist(open, 2);
    vs_round round;
    vs_diag diag = {{0}};
    cr_assert_eq(parse(&round, tf, open, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(round.id.round, 3);
    cr_expect(vs_h32_equal(&round.id.federation_id, &tf->fed->id));
    cr_expect_eq(round.open.dim, 1000);
    cr_expect_eq(round.layout.dim, 1000 + round.open.weight_digits);
    cr_expect_eq(round.layout.packing, 2);
    cr_expect_eq(vs_round_position(&round, 1), 0);
    cr_expect_eq(vs_round_position(&round, 2), -1);
    cr_expect_eq(vs_round_position(&round, 5), 3);

    vs_buf payload = {0};
    vs_h32 hash;
    cr_assert_eq(vs_entry_encode(&payload, &open->entry, NULL), VS_OK);
    vs_sha256(&hash, payload.p, payload.len);
    cr_expect(vs_h32_equal(&hash, &round.params_hash));
    vs_buf_free(&payload);
    vs_test_open_free(open);
    vs_test_federation_free(tf);
}

/* One rule broken at a time: refused, the message names it, the output stays. */
typedef void (*breaker)(vs_test_open *open);
static void break_bits(vs_test_open *o)
{
    o->entry.u.open.quantization_bits = 8;
}
static void break_max_clients(vs_test_open *o)
{
    o->entry.u.open.max_clients++;
}
static void break_min_clients(vs_test_open *o)
{
    o->entry.u.open.min_clients++;
}
static void break_clip_norm(vs_test_open *o)
{
    o->entry.u.open.clip_norm = 1e6;
}
static void break_clipping_range(vs_test_open *o)
{
    o->entry.u.open.clipping_range *= 2;
}
static void break_max_weight(vs_test_open *o)
{
    o->entry.u.open.max_weight++;
}
static void break_rounding(vs_test_open *o)
{
    o->entry.u.open.stochastic_rounding = !o->entry.u.open.stochastic_rounding;
}
static void break_digits(vs_test_open *o)
{
    o->entry.u.open.weight_digits++;
}
static void break_deadline(vs_test_open *o)
{
    o->entry.u.open.deadline = o->entry.u.open.opened_at + 61;
    o->entry.u.open.hard_expiry = o->entry.u.open.deadline + 1;
}
static void break_hard_expiry(vs_test_open *o)
{
    o->entry.u.open.hard_expiry = o->entry.u.open.deadline + 61;
}
static void break_origin(vs_test_open *o)
{
    o->entry.origin[0] = 'x';
}
static void break_federation(vs_test_open *o)
{
    o->entry.federation.b[0] ^= 1;
}
static void break_count(vs_test_open *o)
{
    o->entry.u.open.n_shareholders = 3; /* needed: max(q = 4, r + margin = 4) */
}
static void break_index(vs_test_open *o)
{
    o->entry.u.open.shareholders[4].index = 6;
}
static void break_key(vs_test_open *o)
{
    o->entry.u.open.shareholders[1].key.b[0] ^= 1;
}
static void break_key_sig(vs_test_open *o)
{
    o->entry.u.open.shareholders[2].sig[0] ^= 1;
}
static void swap_keys(vs_test_open *o)
{
    vs_entry_shareholder *s = o->entry.u.open.shareholders, t = s[0];
    s[0] = s[1];
    s[1] = t;
    s[0].index = 1;
    s[1].index = 2;
}
static void break_round(vs_test_open *o)
{
    o->entry.round++; /* the round keys are signed for another round */
}

Test(open, refuses_every_broken_rule_and_names_it)
{
    const struct {
        breaker change;
        const char *word;
    } cases[] = {{break_bits, "quantization_bits"},
                 {break_max_clients, "max_clients"},
                 {break_min_clients, "min_clients"},
                 {break_clip_norm, "clip_norm"},
                 {break_clipping_range, "clipping_range"},
                 {break_max_weight, "max_weight"},
                 {break_rounding, "stochastic_rounding"},
                 {break_digits, "weight_digits"},
                 {break_deadline, "deadline"},
                 {break_hard_expiry, "hard_expiry"},
                 {break_origin, "origin"},
                 {break_federation, "federation"},
                 {break_count, "shareholders"},
                 {break_index, "shareholders"},
                 {break_key, "shareholder 2"},
                 {break_key_sig, "shareholder 3"},
                 {swap_keys, "shareholder 1"},
                 {break_round, "shareholder 1"}};
    vs_test_fed *tf = vs_test_federation_of(5, 1, 2, 16, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vs_test_open *open = vs_test_open_new(tf, 3, 1000, NOW, 1);
        vs_round round;
        vs_diag diag = {{0}};
        memset(&round, 0xaa, sizeof round);
        cases[i].change(open);
        vs_err err = parse(&round, tf, open, &diag);
        cr_expect(err == VS_ERR_PROOF || err == VS_ERR_MALFORMED, "%s: %d", cases[i].word, err);
        cr_expect_not_null(strstr(diag.text, cases[i].word), "%s: %s", cases[i].word, diag.text);
        cr_expect_eq(round.open.dim, 0xaaaaaaaa);
        vs_test_open_free(open);
    }
    vs_test_federation_free(tf);
}

Test(open, refuses_other_signers_kinds_and_damage)
{
    vs_test_fed *tf = vs_test_federation_of(5, 1, 2, 16, 0);
    vs_test_open *open = vs_test_open_new(tf, 3, 1000, NOW, 1);
    vs_buf payload = {0}, envelope = {0};
    vs_round round;
    vs_diag diag;
    cr_assert_eq(vs_entry_encode(&payload, &open->entry, NULL), VS_OK);
    cr_assert_eq(vs_dsse_sign(&envelope, "open", payload.p, payload.len,
                              tf->shareholder[0]->identity_seed, NULL),
                 VS_OK);
    cr_expect_eq(vs_round_from_open(&round, tf->fed, envelope.p, envelope.len, &diag),
                 VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "aggregator"), "%s", diag.text);

    vs_buf_reset(&envelope);
    cr_assert_eq(
        vs_dsse_sign(&envelope, "set", payload.p, payload.len, tf->aggregator->identity_seed, NULL),
        VS_OK);
    cr_expect_eq(vs_round_from_open(&round, tf->fed, envelope.p, envelope.len, &diag),
                 VS_ERR_MALFORMED);
    vs_buf_reset(&payload);
    vs_entry closed = {.kind = VS_ENTRY_CLOSED, .round = 3};
    memcpy(closed.origin, tf->fed->origin, sizeof closed.origin);
    closed.federation = tf->fed->id;
    closed.u.closed.index = 1;
    cr_assert_eq(vs_entry_encode(&payload, &closed, NULL), VS_OK);
    vs_buf_reset(&envelope);
    cr_assert_eq(vs_dsse_sign(&envelope, "closed", payload.p, payload.len,
                              tf->aggregator->identity_seed, NULL),
                 VS_OK);
    cr_expect_eq(vs_round_from_open(&round, tf->fed, envelope.p, envelope.len, &diag),
                 VS_ERR_MALFORMED);
    cr_expect_not_null(strstr(diag.text, "closed"), "%s", diag.text);

    vs_buf_reset(&envelope);
    vs_test_open_envelope(&envelope, open, tf);
    for (size_t len = 0; len < envelope.len; len += 1 + envelope.len / 200) {
        cr_expect_neq(vs_round_from_open(&round, tf->fed, envelope.p, len, &diag), VS_OK);
    }
    for (size_t at = 0; at < envelope.len; at += 1 + envelope.len / 200) {
        envelope.p[at] ^= 1;
        cr_expect_neq(vs_round_from_open(&round, tf->fed, envelope.p, envelope.len, &diag), VS_OK,
                      "byte %zu", at);
        envelope.p[at] ^= 1;
    }
    vs_buf_free(&payload);
    vs_buf_free(&envelope);
    vs_test_open_free(open);
    vs_test_federation_free(tf);
}

Test(open, refuses_a_layout_that_does_not_fit)
{
    vs_test_fed *tf = vs_test_federation_of(5, 1, 2, 16, 0);
    vs_test_open *open = vs_test_open_new(tf, 3, 1u << 25, NOW, 1);
    vs_round round;
    vs_diag diag = {{0}};
    vs_err err = parse(&round, tf, open, &diag); /* S = 3, k = 2: 2^25 / 6 columns, it fits */
    cr_expect_eq(err, VS_OK, "%s", diag.text);
    vs_test_open_free(open);
    vs_test_federation_free(tf);
}
