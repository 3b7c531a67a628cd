#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/net/client_expect.h"

/* --- all well ----------------------------------------------------------------------------------
 */

Test(client, submits_to_everybody_and_wipes_the_seed)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    vs_client *client;
    const vs_client_status *s = run(w, &client);
    cr_assert_eq(s->phase, VS_CLIENT_DONE, "%s", s->error.text);
    cr_expect_str_eq(s->error.text, "");
    cr_expect_eq(s->round, 3);
    cr_expect_eq(s->receipts, 5);
    cr_expect_eq(s->listed, 5);
    cr_expect_eq(s->needed, 4);
    cr_expect_eq(s->bytes_sent, s->bytes_total);
    cr_expect_gt(s->bytes_total, 5000);
    cr_expect_eq(w->manifests, 1);
    for (uint32_t j = 1; j <= 5; j++) cr_expect(w->sh[j].has_receipt);
    vs_client_free(client);
    cr_expect_eq(n_secrets(w), 0);
    vs_fakes_free(w);
}

/* 98,304 columns: 13 blocks, two windows. */
Test(client, submits_a_large_update_in_windows)
{
    vs_fakes *w = vs_fakes_new(590000, 1);
    w->input.weight = 1000;
    w->sh[3].lose_every = 3;
    w->sh[4].busy = 1;
    vs_client *client;
    const vs_client_status *s = run(w, &client);
    cr_assert_eq(s->phase, VS_CLIENT_DONE, "%s", s->error.text);
    cr_expect_eq(s->receipts, 5);
    cr_expect_gt(w->sh[2].chunk_requests, 1);
    vs_client_free(client);
    vs_fakes_free(w);
}

Test(client, takes_the_newest_round_when_none_is_named)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    w->input.round = 0;
    expect_done(w);
    vs_fakes_free(w);
}

Test(client, waits_while_the_aggregator_is_away_busy_or_opening)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    vs_client *client = vs_fakes_client(w);
    vs_diag diag;
    w->aggregator_lost = 3;
    w->aggregator_busy = 3;
    w->phase = vsw_Phase_OPENING;
    cr_assert_eq(vs_fakes_run(w, client, 40, &diag), VS_OK);
    cr_expect_eq(vs_client_state(client)->phase, VS_CLIENT_ASKING);
    cr_expect_eq(w->header.len, 0);
    w->phase = vsw_Phase_COLLECT;
    cr_assert_eq(vs_fakes_run(w, client, 0, &diag), VS_OK);
    cr_expect_eq(vs_client_state(client)->phase, VS_CLIENT_DONE);
    cr_expect_lt(w->info_asked, 15); /* backoff */
    vs_client_free(client);
    vs_fakes_free(w);
}

Test(client, submits_when_only_some_shareholders_are_listed)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    vs_test_open_unlist(w->open, 2); /* needed for W, yet not listed */
    vs_fakes_reopen(w);
    expect_done(w);
    cr_expect_eq(w->sh[2].requests, 0);
    vs_fakes_free(w);
}

Test(client, survives_losses_restarts_and_busy_shareholders)
{
    vs_fakes *w = vs_fakes_new(200000, 1);
    w->sh[1].unknown = 2;
    w->sh[2].busy = 3;
    w->sh[3].lose_every = 3;
    w->sh[4].forget_after = 3; /* restarts in the middle of the upload */
    w->sh[5].lose_every = 4;
    vs_client *client;
    const vs_client_status *s = run(w, &client);
    cr_assert_eq(s->phase, VS_CLIENT_DONE, "%s", s->error.text);
    cr_expect_eq(s->receipts, 5);
    vs_client_free(client);
    vs_fakes_free(w);
}

static void collect(void *ctx, uint64_t round, const uint32_t *coords, uint32_t n)
{
    uint32_t *calls = ctx;
    cr_expect_eq(round, 3);
    cr_expect_gt(n, 50);
    cr_expect_lt(coords[0], 65536);
    (*calls)++;
}

Test(client, reveals_once_and_in_demo_federations_only)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    uint32_t calls = 0;
    w->input.reveal = collect;
    w->input.reveal_ctx = &calls;
    expect_done(w);
    cr_expect_eq(calls, 1);
    w->tf->fed->demo = false;
    vs_client *client;
    vs_diag diag;
    cr_expect_eq(vs_client_new(&client, w->tf->fed, w->tf->client[0], w->store,
                               vs_test_rng_of(&w->rng), &w->input, &diag),
                 VS_ERR_STATE);
    vs_fakes_free(w);
}

/* The sum then holds the update as it is; nobody but the client could know. */
Test(client, skips_its_clipping_in_demo_federations_without_noise_only)
{
    for (int skip = 0; skip < 2; skip++) {
        vs_fakes *w = vs_fakes_new(50, 1);
        w->tf->fed->demo = true;
        w->input.skip_norm_clip = skip == 1;
        for (size_t i = 0; i < 50; i++) w->update[i] *= 1000; /* norm 41 */
        vs_client *client;
        const vs_client_status *s = run(w, &client);
        cr_assert_eq(s->phase, VS_CLIENT_DONE, "%s", s->error.text);
        cr_expect_gt(s->norm, w->tf->fed->quantiser.clip_norm);
        cr_expect_eq(s->norm_clipped, skip == 0);
        vs_client_free(client);
        vs_fakes_free(w);
    }
    vs_fakes *w = vs_fakes_new(50, 1);
    vs_client *client;
    vs_diag diag = {0};
    w->input.skip_norm_clip = true;
    w->tf->fed->demo = false;
    cr_expect_eq(vs_client_new(&client, w->tf->fed, w->tf->client[0], w->store,
                               vs_test_rng_of(&w->rng), &w->input, &diag),
                 VS_ERR_STATE);
    cr_expect_str_eq(diag.text,
                     "updates stay unclipped only in a federation marked demo, without noise");
    vs_fakes_free(w);
}

/* The bound is on columns, not on coordinates: three of them fit an element here. */
Test(client, takes_more_coordinates_than_a_vector_has_columns)
{
    const size_t dim = (size_t)VS_COLUMNS_MAX + 1000;
    vs_fakes *w = vs_fakes_new(50, 1);
    vs_client *client = NULL;
    vs_diag diag;
    void *zeros = mmap(NULL, dim * sizeof(double), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(zeros, MAP_FAILED);
    w->input.update = zeros;
    w->input.dim = dim;
    cr_expect_eq(vs_client_new(&client, w->tf->fed, w->tf->client[0], w->store,
                               vs_test_rng_of(&w->rng), &w->input, &diag),
                 VS_OK, "%s", diag.text);
    vs_client_free(client);
    w->input.dim = (uint64_t)VS_DIM_MAX + 1;
    cr_expect_eq(vs_client_new(&client, w->tf->fed, w->tf->client[0], w->store,
                               vs_test_rng_of(&w->rng), &w->input, &diag),
                 VS_ERR_LIMIT);
    (void)munmap(zeros, dim * sizeof(double));
    vs_fakes_free(w);
}

Test(client, submits_with_several_threads)
{
    vs_fakes *w = vs_fakes_new(30000, 1);
    w->input.threads = 3;
    expect_done(w);
    vs_client *client = NULL;
    vs_diag diag;
    w->input.threads = VS_THREADS_MAX + 1;
    cr_expect_eq(vs_client_new(&client, w->tf->fed, w->tf->client[0], w->store,
                               vs_test_rng_of(&w->rng), &w->input, &diag),
                 VS_ERR_LIMIT);
    cr_expect_null(client);
    vs_fakes_free(w);
}

/* --- crashes ------------------------------------------------------------------------------------
 */

static void crash_everywhere(uint32_t dim)
{
    for (uint32_t k = 1;; k++) {
        vs_fakes *w = vs_fakes_new(dim, 1);
        vs_client *client = vs_fakes_client(w);
        vs_diag diag;
        cr_assert_eq(vs_fakes_run(w, client, k, &diag), VS_OK);
        bool over = vs_client_state(client)->phase == VS_CLIENT_DONE;
        vs_client_free(client);
        w->rng.seed = 1000 + k; /* a new process has other randomness: it must not matter */
        expect_done(w);         /* the fakes assert that no byte differs */
        for (uint32_t j = 1; j <= 5; j++) cr_expect(w->sh[j].has_receipt, "killed at %u", k);
        cr_expect_eq(n_secrets(w), 0);
        vs_fakes_free(w);
        if (over) break;
        cr_assert_lt(k, 1000);
    }
}

Test(client, killed_after_any_step_it_sends_the_same_bytes)
{
    crash_everywhere(50);
}

Test(client, killed_after_any_step_of_a_chunked_upload_it_sends_the_same_bytes)
{
    crash_everywhere(60000);
}

Test(client, killed_twice_it_sends_the_same_bytes)
{
    for (uint32_t k = 1; k < 20; k += 2) {
        vs_fakes *w = vs_fakes_new(50, 1);
        vs_diag diag;
        for (uint32_t i = 0; i < 3; i++) {
            vs_client *client = vs_fakes_client(w);
            cr_assert_eq(vs_fakes_run(w, client, k, &diag), VS_OK);
            vs_client_free(client);
        }
        expect_done(w);
        vs_fakes_free(w);
    }
}

Test(client, every_failing_store_call_stops_it_and_a_restart_goes_on)
{
    for (uint64_t k = 1;; k++) {
        vs_fakes *w = vs_fakes_new(50, 1);
        vs_client *client = vs_fakes_client(w);
        vs_diag diag = {{0}};
        vs_store_mem_fail_at(&w->store, k);
        vs_err err = vs_fakes_run(w, client, 0, &diag);
        vs_client_free(client);
        vs_store_mem_fail_at(&w->store, 0);
        if (err == VS_OK) {
            vs_fakes_free(w);
            cr_expect_gt(k, 4); /* seed, record, end, erase */
            break;
        }
        cr_expect_eq(err, VS_ERR_IO);
        cr_expect_neq(diag.text[0], '\0');
        if (k <= 2) cr_expect_eq(w->header.len, 0, "bytes left before the record was durable");
        expect_done(w);
        cr_expect_eq(n_secrets(w), 0);
        vs_fakes_free(w);
    }
}

Test(client, failing_randomness_stops_it_before_anything_is_stored_or_sent)
{
    for (uint64_t k = 1; k <= 2; k++) {
        vs_fakes *w = vs_fakes_new(50, 1);
        w->rng.fail_at = k;
        vs_client *client = vs_fakes_client(w);
        vs_diag diag = {{0}};
        cr_expect_eq(vs_fakes_run(w, client, 0, &diag), VS_ERR_IO);
        cr_expect_not_null(strstr(diag.text, "randomness"));
        cr_expect_eq(w->header.len, 0);
        cr_expect_eq(vs_store_mem_calls(&w->store), 0);
        vs_client_free(client);
        vs_fakes_free(w);
    }
}

Test(client, repeated_after_the_end_it_reports_done_without_sending)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    expect_done(w);
    uint32_t before[6];
    for (uint32_t j = 1; j <= 5; j++) before[j] = w->sh[j].requests;
    vs_client *client;
    const vs_client_status *s = run(w, &client);
    cr_expect_eq(s->phase, VS_CLIENT_DONE);
    cr_expect_eq(s->receipts, 5);
    cr_expect_eq(s->listed, 5);
    cr_expect_gt(s->bytes_sent, 0);
    for (uint32_t j = 1; j <= 5; j++) cr_expect_eq(w->sh[j].requests, before[j]);
    cr_expect_eq(w->manifests, 1);
    cr_expect_eq(w->info_asked, 1); /* not even the aggregator is needed */
    vs_client_free(client);

    w->phase = vsw_Phase_FINAL; /* also long after, and as the newest round */
    w->now_ms += 100000;
    expect_done(w);
    w->input.round = 0;
    expect_done(w);
    cr_expect_eq(w->info_asked, 2);
    vs_fakes_free(w);
}

Test(client, an_interrupted_submission_without_its_seed_is_refused)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    vs_client *client = vs_fakes_client(w);
    vs_diag diag;
    char name[128];
    cr_assert_eq(vs_fakes_run(w, client, 5, &diag), VS_OK);
    (void)snprintf(name, sizeof name, "seed-%.32s-3", client->record_key + strlen("submission/"));
    vs_client_free(client);
    cr_assert_eq(w->store.ops->secret_put(w->store.ctx, name, w->header.p, 32, &diag), VS_OK);
    expect_failed(w, "seed is damaged");
    cr_assert_eq(w->store.ops->secret_erase(w->store.ctx, name, &diag), VS_OK);
    expect_failed(w, "seed is gone");
    vs_fakes_free(w);
}

Test(client, a_damaged_record_stops_the_process)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    expect_done(w);
    vs_client *client = vs_fakes_client(w);
    vs_diag diag = {{0}};
    const vs_store_item item = {.key = client->record_key, .value = "veilsum", .len = 7};
    cr_assert_eq(w->store.ops->put(w->store.ctx, &item, 1, &diag), VS_OK);
    cr_expect_eq(vs_fakes_run(w, client, 0, &diag), VS_ERR_IO);
    cr_expect_not_null(strstr(diag.text, "damaged"), "%s", diag.text);
    vs_client_free(client);
    vs_fakes_free(w);
}

/* --- one update for one model ------------------------------------------------------------------
 */

Test(client, a_second_update_for_the_same_round_is_refused)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    expect_done(w);
    w->update[7] += 1e-9;
    expect_failed(w, "another update");
    w->update[7] -= 1e-9;
    w->input.weight++;
    expect_failed(w, "another update");
    vs_fakes_free(w);
}

static void next_round(vs_fakes *w)
{
    w->open->entry.round++;
    w->input.round = w->open->entry.round;
    w->open->entry.u.open.opened_at = w->now_ms / 1000;
    w->open->entry.u.open.deadline = w->now_ms / 1000 + 30;
    w->open->entry.u.open.hard_expiry = w->now_ms / 1000 + 60;
    vs_fakes_reopen(w);
}

Test(client, a_second_update_for_the_same_model_is_refused_in_a_later_round)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    expect_done(w);
    next_round(w);
    expect_failed(w, "--purpose");
    cr_expect_eq(w->closure_asked, 1);
    w->update[7] += 1e-9;
    expect_failed(w, "round 3");
    cr_expect_eq(w->header.len, 0);
    w->input.purpose = "second training run";
    expect_done(w);
    vs_fakes_free(w);
}

/* n + t - q + 1 = 3 statements. */
Test(client, submits_again_after_a_real_closure)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    expect_done(w);
    vs_h32 params = w->round.params_hash;
    next_round(w);
    for (uint32_t j = 2; j <= 4; j++) {
        vs_fakes_add_closed(w, j, 3, &params, w->tf->shareholder[j - 1]);
    }
    w->aggregator_busy = 0;
    expect_done(w);
    cr_expect_eq(w->closure_asked, 1);
    cr_expect_eq(n_secrets(w), 0);
    vs_fakes_free(w);
}

Test(client, refuses_a_forged_closure)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    expect_done(w);
    vs_h32 params = w->round.params_hash, other = params;
    vs_keys **sh = w->tf->shareholder;
    other.b[0] ^= 1;
    next_round(w);
    for (int kind = 0; kind < 7; kind++) {
        vs_buf_reset(&w->closure);
        vs_fakes_add_closed(w, 1, 3, &params, sh[0]);
        vs_fakes_add_closed(w, 2, 3, &params, sh[1]);
        switch (kind) {
        case 0: break;                                               /* one too few */
        case 1: vs_fakes_add_closed(w, 2, 3, &params, sh[1]); break; /* twice */
        case 2: vs_fakes_add_closed(w, 3, 3, &params, sh[3]); break; /* another's key */
        case 3: vs_fakes_add_closed(w, 3, 4, &params, sh[2]); break; /* another round */
        case 4: vs_fakes_add_closed(w, 3, 3, &other, sh[2]); break;  /* another open */
        case 5: vs_fakes_add_closed(w, 9, 3, &params, sh[2]); break; /* no such index */
        case 6: vs_fakes_add_closed(w, 3, 3, &params, w->tf->aggregator); break;
        default: break;
        }
        expect_failed(w, "2 of 3 statements");
    }
    w->tf->fed->origin[0] ^= 1; /* statements of another log */
    vs_fakes_add_closed(w, 3, 3, &params, sh[2]);
    w->tf->fed->origin[0] ^= 1;
    expect_failed(w, "2 of 3 statements");
    vs_buf_u32(&w->closure, 1000000); /* a length that is not there */
    expect_failed(w, "2 of 3 statements");
    cr_expect_eq(w->header.len, 0);
    vs_fakes_free(w);
}

Test(client, keeps_records_apart_by_model_and_purpose)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    expect_done(w);
    next_round(w);
    w->input.model_hash.b[5] = 1;
    w->open->entry.u.open.model_hash.b[5] = 1;
    vs_fakes_reopen(w);
    expect_done(w);
    cr_expect_eq(w->closure_asked, 0);
    vs_fakes_free(w);
}

/* --- input -------------------------------------------------------------------------------------
 */

static void refused(vs_fakes *w, const vs_client_input *input, const char *words)
{
    vs_client *client = NULL;
    vs_diag diag = {{0}};
    cr_expect_neq(vs_client_new(&client, w->tf->fed, w->tf->client[0], w->store,
                                vs_test_rng_of(&w->rng), input, &diag),
                  VS_OK);
    cr_expect_null(client);
    cr_expect_not_null(strstr(diag.text, words), "wanted \"%s\", got: %s", words, diag.text);
}

Test(client, refuses_bad_input_before_the_network)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    vs_client_input in = w->input;
    in.weight = 0;
    refused(w, &in, "weight");
    in.weight = 1001;
    refused(w, &in, "max_weight");
    in = w->input;
    in.dim = 0;
    refused(w, &in, "0 coordinates");
    in = w->input;
    in.enrolment[3] ^= 1;
    refused(w, &in, "enrolment");
    char purpose[300];
    memset(purpose, 'x', sizeof purpose);
    purpose[299] = '\0';
    in = w->input;
    in.purpose = purpose;
    refused(w, &in, "purpose");
    w->update[9] = INFINITY;
    refused(w, &w->input, "coordinate 9");
    vs_fakes_free(w);
}

Test(client, ignores_replies_that_nobody_waits_for)
{
    vs_fakes *w = vs_fakes_new(50, 1);
    vs_client *client = vs_fakes_client(w);
    vs_outbox out = {0};
    vs_diag diag;
    const uint8_t junk[8] = {0};
    for (uint32_t peer = 0; peer < 7; peer++) {
        vs_event e = {.kind = VS_EVENT_REPLY, .peer = peer, .tag = 77, .msg = junk, .len = 8};
        cr_expect_eq(vs_client_step(client, w->now_ms, &e, &out, &diag), VS_OK);
        e.kind = VS_EVENT_LOST;
        cr_expect_eq(vs_client_step(client, w->now_ms, &e, &out, &diag), VS_OK);
    }
    cr_expect_eq(out.n, 1); /* round_info, once */
    vs_outbox_free(&out);
    vs_client_free(client);
    vs_fakes_free(w);
}

Test(client, update_hash_depends_on_every_byte)
{
    uint8_t salt[32] = {1};
    double update[3] = {0.5, -0.25, 0.0};
    vs_h32 base, other;
    vs_client_update_hash(&base, salt, update, 3, 5, NULL);
    uint8_t *bytes = (uint8_t *)update;
    for (size_t i = 0; i < sizeof update; i++) {
        bytes[i] ^= 1;
        vs_client_update_hash(&other, salt, update, 3, 5, NULL);
        cr_expect(!vs_h32_equal(&base, &other));
        bytes[i] ^= 1;
    }
    vs_client_update_hash(&other, salt, update, 2, 5, NULL);
    cr_expect(!vs_h32_equal(&base, &other));
    vs_client_update_hash(&other, salt, update, 3, 6, NULL);
    cr_expect(!vs_h32_equal(&base, &other));
    salt[31] ^= 1;
    vs_client_update_hash(&other, salt, update, 3, 5, NULL);
    cr_expect(!vs_h32_equal(&base, &other));
}
