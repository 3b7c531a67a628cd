/* Receipts: what became of a submission, proven from the file alone. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/export.h"
#include "ledger/log.h"
#include "net/receipt.h"
#include "tests/net/support_sim.h"
#include "tests/support.h"

typedef struct scene {
    vs_sim *sim;
    char *dir;
    vs_buf pending[3], done[3];
    vs_err err[3];
    vs_diag diag[3];
} scene;

static void publish(scene *s)
{
    vs_export *e;
    vs_log *log;
    vs_diag diag = {{0}};
    char folder[400];
    (void)snprintf(folder, sizeof folder, "%s/ledger", vs_sim_ledger_folder(s->sim));
    vs_sim_crash(s->sim, 0, false); /* the aggregator lets go of its ledger */
    cr_assert_eq(vs_log_open_read(&log, folder, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(
        vs_export_open(&e, s->dir, log, &vs_sim_federation(s->sim)->policy, false, true, &diag),
        VS_OK, "%s", diag.text);
    cr_assert_eq(vs_export_update(e, &diag), VS_OK, "%s", diag.text);
    vs_export_free(e);
    vs_log_close(log);
}

/* A finished round of three clients, each with a completed receipt. */
static scene scene_new(uint64_t seed, bool cancel)
{
    const vs_sim_config config = {.committee = {.n = 4, .t = 1, .k = 1, .margin = 1},
                                  .n_clients = 3,
                                  .max_clients = 8,
                                  .min_clients = 2,
                                  .dim = 20,
                                  .seed = seed};
    scene s = {.sim = vs_sim_new(&config), .dir = vs_test_folder_new()};
    const vs_federation *fed = vs_sim_federation(s.sim);
    vs_fetch fetch = vs_fetch_folder(s.dir);
    uint64_t round;
    cr_assert_eq(vs_sim_open(s.sim, cancel ? 0 : 3, &round), vsw_Code_OK);
    for (uint32_t i = 0; i < 3; i++) vs_sim_client_start(s.sim, i, round, "");
    if (cancel) {
        (void)vs_sim_run(s.sim, NULL, NULL, 5000);
        cr_assert_eq(vs_sim_control(s.sim, VS_OPERATION_CANCEL, round), vsw_Code_OK);
    }
    cr_assert(vs_sim_run_round(s.sim, 100000));
    (void)vs_sim_run(s.sim, NULL, NULL, 3000);
    publish(&s);
    for (uint32_t i = 0; i < 3; i++) {
        const vs_client_status *c = vs_sim_client(s.sim, i);
        const vs_receipt_claim claim = {.federation = fed->id,
                                        .pseudonym = c->pseudonym,
                                        .manifest_hash = c->manifest_hash,
                                        .round = c->round};
        cr_assert_eq(vs_receipt_begin(&s.pending[i], &claim), VS_OK);
        s.err[i] = vs_receipt_complete(&s.done[i], s.pending[i].p, s.pending[i].len, fed, &fetch,
                                       &s.diag[i]);
    }
    return s;
}

static void scene_free(scene *s)
{
    for (uint32_t i = 0; i < 3; i++) {
        vs_buf_free(&s->pending[i]);
        vs_buf_free(&s->done[i]);
    }
    vs_sim_free(s->sim);
    vs_test_folder_remove(s->dir);
}

Test(receipt, proves_from_the_file_alone_that_a_submission_was_counted)
{
    vs_receipt_verdict v;
    scene s = scene_new(1, false);
    for (uint32_t i = 0; i < 3; i++) {
        vs_diag diag = {{0}};
        cr_assert_eq(s.err[i], VS_OK, "%s", s.diag[i].text);
        for (int own = 0; own < 2; own++) {
            vs_err err = vs_receipt_verify(&v, s.done[i].p, s.done[i].len,
                                           own ? NULL : vs_sim_federation(s.sim), &diag);
            cr_assert_eq(err, VS_OK, "%s", diag.text);
            cr_expect_eq(v.outcome, VS_RECEIPT_COUNTED);
            cr_expect_eq(v.included, 3);
            cr_expect(v.certain && v.own_federation == (own == 1));
            cr_expect_geq(v.n_cosignatures, 3);
        }
    }
    cr_assert_eq(vs_receipt_verify(&v, s.pending[0].p, s.pending[0].len, NULL, NULL), VS_OK);
    cr_expect_eq(v.outcome, VS_RECEIPT_PENDING);
    scene_free(&s);
}

/* One character at every place of the file: never another verdict. */
Test(receipt, no_changed_character_passes)
{
    scene s = scene_new(2, false);
    vs_buf *b = &s.done[1];
    vs_receipt_verdict good, v;
    uint32_t passed = 0;
    cr_assert_eq(s.err[1], VS_OK, "%s", s.diag[1].text);
    cr_assert_eq(vs_receipt_verify(&good, b->p, b->len, vs_sim_federation(s.sim), NULL), VS_OK);
    for (size_t i = 0; i < b->len; i += 7) {
        uint8_t old = b->p[i];
        b->p[i] = old == 'A' ? 'B' : 'A';
        vs_err err = vs_receipt_verify(&v, b->p, b->len, vs_sim_federation(s.sim), NULL);
        b->p[i] = old;
        if (err != VS_OK) continue;
        passed++; /* the client key (no salt is there to bind it), cosignatures beyond the quorum */
        cr_expect(v.outcome == good.outcome && v.included == good.included &&
                      vs_h32_equal(&v.claim.manifest_hash, &good.claim.manifest_hash) &&
                      vs_h32_equal(&v.claim.pseudonym, &good.claim.pseudonym) &&
                      v.claim.round == good.claim.round,
                  "byte %zu", i);
    }
    cr_expect_lt(passed, b->len / 7 / 2, "%u of %zu", passed, b->len / 7);
    scene_free(&s);
}

Test(receipt, of_another_submission_cannot_be_completed)
{
    vs_diag diag = {{0}};
    scene s = scene_new(3, false);
    const vs_federation *fed = vs_sim_federation(s.sim);
    vs_fetch fetch = vs_fetch_folder(s.dir);
    const vs_client_status *c = vs_sim_client(s.sim, 0);
    vs_receipt_claim claim = {.federation = fed->id,
                              .pseudonym = c->pseudonym,
                              .manifest_hash = vs_sim_client(s.sim, 1)->manifest_hash,
                              .round = c->round};
    vs_buf text = {0}, done = {0};
    cr_assert_eq(vs_receipt_begin(&text, &claim), VS_OK);
    cr_expect_eq(vs_receipt_complete(&done, text.p, text.len, fed, &fetch, &diag), VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "of another submission"), "%s", diag.text);
    claim.pseudonym.b[0] ^= 1;
    vs_buf_reset(&text);
    cr_assert_eq(vs_receipt_begin(&text, &claim), VS_OK);
    cr_expect_eq(vs_receipt_complete(&done, text.p, text.len, fed, &fetch, &diag), VS_ERR_STATE);
    cr_expect_not_null(strstr(diag.text, "neither among the included"), "%s", diag.text);
    claim.round = 2;
    vs_buf_reset(&text);
    cr_assert_eq(vs_receipt_begin(&text, &claim), VS_OK);
    cr_expect_eq(vs_receipt_complete(&done, text.p, text.len, fed, &fetch, &diag), VS_ERR_STATE);
    cr_expect_not_null(strstr(diag.text, "has no end yet"), "%s", diag.text);
    cr_expect_eq(done.len, 0);
    vs_buf_free(&text);
    vs_buf_free(&done);
    scene_free(&s);
}

Test(receipt, of_an_aborted_round_says_so)
{
    vs_receipt_verdict v;
    vs_diag diag = {{0}};
    scene s = scene_new(4, true);
    cr_assert_eq(s.err[0], VS_OK, "%s", s.diag[0].text);
    cr_assert_eq(vs_receipt_verify(&v, s.done[0].p, s.done[0].len, NULL, &diag), VS_OK, "%s",
                 diag.text);
    cr_expect_eq(v.outcome, VS_RECEIPT_ABORTED);
    cr_expect_not_null(strstr(v.abort, "cancelled"), "%s", v.abort);
    scene_free(&s);
}

/* Clients 0 and 1 each miss one shareholder: one of the two shareholders can be left out of the
 * certificate, not both, so one client is not on every list. */
static vs_sim_fate cut_off(void *ctx, uint32_t from, uint32_t to, bool is_reply, vs_buf *msg)
{
    (void)ctx;
    (void)is_reply;
    (void)msg;
    return (from == VS_SIM_CLIENT && to == 5) || (from == VS_SIM_CLIENT + 1 && to == 4)
               ? VS_SIM_DROP
               : VS_SIM_DELIVER;
}

Test(receipt, of_a_rejected_submission_gives_the_reason)
{
    const vs_sim_config config = {.committee = {.n = 5, .t = 1, .k = 1, .margin = 1},
                                  .n_clients = 7,
                                  .max_clients = 8,
                                  .min_clients = 2,
                                  .dim = 20,
                                  .seed = 5};
    scene s = {.sim = vs_sim_new(&config), .dir = vs_test_folder_new()};
    const vs_federation *fed = vs_sim_federation(s.sim);
    vs_fetch fetch = vs_fetch_folder(s.dir);
    uint32_t n_rejected = 0;
    uint64_t round;
    vs_sim_hook_set(s.sim, cut_off, NULL);
    cr_assert_eq(vs_sim_open(s.sim, 7, &round), vsw_Code_OK);
    for (uint32_t i = 0; i < 7; i++) vs_sim_client_start(s.sim, i, round, "");
    cr_assert(vs_sim_run_round(s.sim, 400000));
    (void)vs_sim_run(s.sim, NULL, NULL, 3000);
    bool in_set[7];
    for (uint32_t i = 0; i < 7; i++) in_set[i] = vs_sim_included(s.sim, round, i);
    publish(&s);
    for (uint32_t i = 0; i < 7; i++) {
        vs_diag diag = {{0}};
        vs_buf pending = {0}, done = {0};
        vs_receipt_verdict v;
        const vs_client_status *c = vs_sim_client(s.sim, i);
        const vs_receipt_claim claim = {.federation = fed->id,
                                        .pseudonym = c->pseudonym,
                                        .manifest_hash = c->manifest_hash,
                                        .round = round};
        cr_assert_eq(vs_receipt_begin(&pending, &claim), VS_OK);
        vs_err err = vs_receipt_complete(&done, pending.p, pending.len, fed, &fetch, &diag);
        cr_assert_eq(err, VS_OK, "client %u: %s", i, diag.text);
        cr_assert_eq(vs_receipt_verify(&v, done.p, done.len, fed, &diag), VS_OK, "%s", diag.text);
        cr_expect_eq(v.outcome, in_set[i] ? VS_RECEIPT_COUNTED : VS_RECEIPT_REJECTED, "client %u",
                     i);
        if (!in_set[i]) {
            n_rejected++;
            cr_expect_eq(v.reason, VS_REJECT_INCOMPLETE);
        }
        vs_buf_free(&pending);
        vs_buf_free(&done);
    }
    cr_expect_eq(n_rejected, 1);
    scene_free(&s);
}

/* The pseudonym is bound to the client's key where the salt was kept. */
Test(receipt, the_salt_binds_the_pseudonym)
{
    vs_diag diag = {{0}};
    vs_receipt_verdict v;
    vs_buf text = {0};
    vs_receipt_claim claim = {.federation = {{1}}, .client_key = {{2}}, .salt = {{3}}, .round = 4};
    const vs_round_id id = {.federation_id = claim.federation, .round = 4};
    vs_pseudonym(&claim.pseudonym, &id, &claim.client_key, &claim.salt);
    cr_assert_eq(vs_receipt_begin(&text, &claim), VS_OK);
    cr_expect_eq(vs_receipt_verify(&v, text.p, text.len, NULL, &diag), VS_OK, "%s", diag.text);
    claim.client_key.b[0] ^= 1;
    vs_buf_reset(&text);
    cr_assert_eq(vs_receipt_begin(&text, &claim), VS_OK);
    cr_expect_eq(vs_receipt_verify(&v, text.p, text.len, NULL, &diag), VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "not that of the client key and salt"), "%s", diag.text);
    vs_buf_free(&text);
}
