#include "tests/net/support_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "net/budget.h"
#include "net/seal.h"
#include "net/submission.h"
#include "tests/support.h"

vs_test_open *vs_test_open_new(const vs_test_fed *tf, uint64_t round, uint32_t dim,
                               uint64_t opened_at_s, uint64_t seed)
{
    const vs_federation *fed = tf->fed;
    vs_test_open *t = calloc(1, sizeof *t);
    VS_ASSERT(t != NULL);
    t->entry.kind = VS_ENTRY_OPEN;
    memcpy(t->entry.origin, fed->origin, sizeof t->entry.origin);
    t->entry.federation = fed->id;
    t->entry.round = round;
    vs_entry_open *o = &t->entry.u.open;
    o->dim = dim;
    vs_budget budget;
    vs_diag diag = {{0}};
    vs_budget_init(&budget, fed);
    VS_ASSERT(vs_budget_next(&budget, fed, o, &diag) == VS_OK);
    VS_ASSERT(vs_round_fill_open(o, fed, &diag) == VS_OK);
    o->opened_at = opened_at_s;
    o->deadline = opened_at_s + 30;
    o->hard_expiry = opened_at_s + 60;
    vs_test_bytes(t->aggregator_secret, 32, seed * 1000);
    vs_seal_public(&o->aggregator_key, t->aggregator_secret);
    o->n_shareholders = fed->committee.n;
    for (uint32_t j = 1; j <= fed->committee.n; j++) {
        vs_test_bytes(t->round_secret[j - 1], 32, seed * 1000 + j);
        o->shareholders[j - 1].index = j;
        vs_seal_public(&o->shareholders[j - 1].key, t->round_secret[j - 1]);
    }
    vs_test_open_sign_keys(t, tf);
    return t;
}

void vs_test_open_free(vs_test_open *open)
{
    free(open);
}

void vs_test_open_sign_keys(vs_test_open *open, const vs_test_fed *tf)
{
    vs_entry_open *o = &open->entry.u.open;
    const vs_round_id id = {.federation_id = open->entry.federation, .round = open->entry.round};
    for (uint32_t i = 0; i < o->n_shareholders; i++) {
        vs_entry_shareholder *s = &o->shareholders[i];
        vs_buf bytes = {0};
        VS_ASSERT(vs_round_key_bytes(&bytes, &id, s->index, &s->key) == VS_OK);
        vs_sign(s->sig, bytes.p, bytes.len, tf->shareholder[s->index - 1]->identity_seed);
        vs_buf_free(&bytes);
    }
}

void vs_test_open_unlist(vs_test_open *open, uint32_t j)
{
    vs_entry_open *o = &open->entry.u.open;
    uint32_t at = 0;
    for (uint32_t i = 0; i < o->n_shareholders; i++) {
        if (o->shareholders[i].index != j) o->shareholders[at++] = o->shareholders[i];
    }
    o->n_shareholders = at;
}

void vs_test_open_envelope(vs_buf *out, const vs_test_open *open, const vs_test_fed *tf)
{
    vs_buf payload = {0};
    vs_diag diag = {{0}};
    vs_err err = vs_entry_encode(&payload, &open->entry, &diag);
    if (err == VS_OK) {
        err =
            vs_dsse_sign(out, "open", payload.p, payload.len, tf->aggregator->identity_seed, &diag);
    }
    if (err != VS_OK) (void)fprintf(stderr, "open: %s\n", diag.text);
    VS_ASSERT(err == VS_OK);
    vs_buf_free(&payload);
}

vs_round vs_test_open_round(const vs_test_open *open, const vs_test_fed *tf)
{
    vs_buf envelope = {0};
    vs_round round;
    vs_diag diag = {{0}};
    vs_test_open_envelope(&envelope, open, tf);
    vs_err err = vs_round_from_open(&round, tf->fed, envelope.p, envelope.len, &diag);
    if (err != VS_OK) (void)fprintf(stderr, "%s\n", diag.text);
    VS_ASSERT(err == VS_OK);
    vs_buf_free(&envelope);
    return round;
}
