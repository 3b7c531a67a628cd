#include <criterion/criterion.h>

#include <string.h>

#include "net/evidence.h"
#include "tests/net/client_expect.h"

/* --- an aggregator that lies -------------------------------------------------------------------
 */

Test(client_faults, refuses_another_dimension_model_or_round)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    w->open->entry.u.open.dim = 51;
    vs_fakes_reopen(w);
    expect_failed(w, "51 coordinates");
    w->open->entry.u.open.dim = 50;
    w->open->entry.u.open.model_hash.b[0] = 1;
    vs_fakes_reopen(w);
    expect_failed(w, "--model");
    w->input.model_hash.b[0] = 2;
    expect_failed(w, "another model");
    memset(&w->open->entry.u.open.model_hash, 0, 32);
    vs_fakes_reopen(w);
    expect_failed(w, "without a model");
    memset(&w->input.model_hash, 0, 32);
    w->open->entry.round = 4;
    vs_fakes_reopen(w);
    expect_failed(w, "round 4");
    cr_expect_eq(w->header.len, 0);
    cr_expect_eq(vs_store_mem_calls(&w->store), 0);
    vs_fakes_free(w);
}

Test(client_faults, refuses_parameters_that_break_the_federations_rules)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    w->open->entry.u.open.clipping_range = 1e9;
    vs_fakes_reopen(w);
    expect_failed(w, "clipping_range");
    w->open->entry.u.open.clipping_range = 1;
    w->open->entry.u.open.n_shareholders = 3;
    vs_fakes_reopen(w);
    expect_failed(w, "shareholders");
    cr_expect_eq(vs_store_mem_calls(&w->store), 0);
    vs_fakes_free(w);
}

/* The same round with other keys would get other shares of the same update. */
Test(client_faults, refuses_another_open_of_a_round_it_started)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    vs_client *client = vs_fakes_client(w);
    vs_diag diag;
    cr_assert_eq(vs_fakes_run(w, client, 5, &diag), VS_OK);
    vs_client_free(client);
    w->open->entry.u.open.target_clients = 9;
    vs_fakes_reopen(w);
    expect_failed(w, "both are kept as evidence");
    cr_expect_eq(w->header.len, 0);
    vs_buf bytes = {0};
    vs_entry_evidence e;
    bool found = false;
    cr_assert_eq(w->store.ops->blob_read(w->store.ctx, "evidence-0000000000000003", 0, 1 << 20,
                                         &bytes, &found, &diag),
                 VS_OK);
    cr_assert(found);
    cr_assert_eq(vs_evidence_check(&e, w->tf->fed, bytes.p, bytes.len, &diag), VS_OK, "%s",
                 diag.text);
    cr_expect_eq(e.party, VS_PARTY_AGGREGATOR, "anybody can check who lied");
    vs_buf_free(&bytes);
    vs_fakes_free(w);
}

Test(client_faults, refuses_a_round_that_is_over_or_aborted)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    w->phase = vsw_Phase_VOTING;
    expect_failed(w, "voting");
    w->phase = vsw_Phase_COLLECT;
    w->now_ms += 31000;
    expect_failed(w, "ended 1 s ago");
    cr_expect_eq(vs_store_mem_calls(&w->store), 0);
    vs_fakes_free(w);
}

Test(client_faults, is_done_even_if_the_aggregator_does_not_take_the_manifest)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    w->refuse_manifest = vsw_Code_LATE;
    vs_client *client;
    const vs_client_status *s = run(w, &client);
    cr_expect_eq(s->phase, VS_CLIENT_DONE);
    cr_expect_not_null(strstr(s->error.text, "manifest"), "%s", s->error.text);
    vs_client_free(client);
    vs_fakes_free(w);
}

/* --- shareholders that fail or lie -------------------------------------------------------------
 */

Test(client_faults, is_done_without_one_that_is_down)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    w->sh[4].down = true;
    uint64_t start = w->now_ms;
    vs_client *client;
    const vs_client_status *s = run(w, &client);
    cr_expect_eq(s->phase, VS_CLIENT_DONE);
    cr_expect_eq(s->receipts, 4);
    cr_expect_not_null(strstr(s->error.text, "shareholder 4"), "%s", s->error.text);
    cr_expect_not_null(strstr(s->error.text, "connection refused"), "%s", s->error.text);
    cr_expect_geq(w->now_ms - start, 3000);
    cr_expect_lt(w->now_ms - start, 5000);
    vs_client_free(client);
    vs_fakes_free(w);
}

Test(client_faults, waits_for_two_that_are_down_until_one_comes_back)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    w->sh[4].down = w->sh[1].down = true;
    vs_client *client = vs_fakes_client(w);
    vs_diag diag;
    cr_assert_eq(vs_fakes_run(w, client, 150, &diag), VS_OK);
    cr_expect_eq(vs_client_state(client)->phase, VS_CLIENT_SENDING);
    cr_expect_eq(vs_client_state(client)->receipts, 3);
    w->sh[1].down = false;
    cr_assert_eq(vs_fakes_run(w, client, 0, &diag), VS_OK);
    cr_expect_eq(vs_client_state(client)->phase, VS_CLIENT_DONE);
    vs_client_free(client);
    vs_fakes_free(w);
}

Test(client_faults, fails_at_the_deadline_and_wipes_the_seed)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    w->sh[4].down = w->sh[1].down = true;
    expect_failed(w, "3 of 4 needed receipts");
    cr_expect_eq(n_secrets(w), 0);
    expect_failed(w, "did not get enough receipts");
    vs_fakes_free(w);
}

Test(client_faults, fails_at_once_when_too_many_refuse_and_says_who)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    w->sh[2].refuse_begin = vsw_Code_UNREGISTERED;
    w->sh[5].refuse_finish = vsw_Code_LATE;
    uint64_t start = w->now_ms;
    expect_failed(w, "shareholder 2 refused: unregistered");
    cr_expect_lt(w->now_ms - start, 2000);
    vs_fakes_free(w);
}

/* Everything that one shareholder can answer wrongly: never counted, never fatal alone. */
Test(client_faults, counts_no_receipt_of_a_shareholder_that_lies)
{
    for (int kind = 0; kind < 8; kind++) {
        vs_fakes *w = vs_fakes_new(50, 1);
        vs_fake_shareholder *liar = &w->sh[2 + kind % 3];
        switch (kind) {
        case 0: liar->wrong_signature = true; break;
        case 1: liar->wrong_manifest = true; break;
        case 2: liar->wrong_total = true; break;
        case 3: liar->garbage = true; break;
        case 4: liar->other_reply = true; break;
        case 5: liar->refuse_finish = vsw_Code_SHARE_INCONSISTENT; break;
        case 6: liar->refuse_begin = vsw_Code_DUPLICATE; break;
        default: liar->busy = 1000000; break;
        }
        vs_client *client;
        const vs_client_status *s = run(w, &client);
        cr_expect_eq(s->phase, VS_CLIENT_DONE, "kind %d: %s", kind, s->error.text);
        cr_expect_eq(s->receipts, 4, "kind %d", kind);
        cr_expect_neq(s->error.text[0], '\0');
        vs_client_free(client);
        vs_fakes_free(w);
    }
}

Test(client_faults, a_round_key_of_low_order_is_that_shareholders_fault)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    memset(&w->open->entry.u.open.shareholders[2].key, 0, 32);
    vs_fakes_reopen(w);
    vs_client *client;
    const vs_client_status *s = run(w, &client);
    cr_expect_eq(s->phase, VS_CLIENT_DONE, "%s", s->error.text);
    cr_expect_eq(s->receipts, 4);
    cr_expect_not_null(strstr(s->error.text, "round key"), "%s", s->error.text);
    cr_expect_eq(w->sh[3].requests, 0);
    vs_client_free(client);
    vs_fakes_free(w);
}
