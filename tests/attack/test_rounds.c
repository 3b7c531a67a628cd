/* Attacks on what goes from round to round: receipts, a second round for one model, old and forked
 * ledgers, revoked shareholders. Clients are the real program where their own rules are attacked.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/keys.h"
#include "tests/attack/support_arena.h"

typedef struct lie {
    bool forged_receipts;
    bool silent_answer;
} lie;

static void hook(void *ctx, arena *a, uint32_t j, const vs_request *q, vs_buf *reply)
{
    const lie *l = ctx;
    vs_reply real;
    (void)a;
    (void)j;
    if (l->silent_answer && q->head.which_op == vsw_Request_answer_tag) vs_buf_reset(reply);
    if (!l->forged_receipts || q->head.which_op != vsw_Request_submit_finish_tag) return;
    cr_assert_eq(vs_reply_decode(&real, reply->p, reply->len), VS_OK);
    vsw_Reply head = real.head;
    if (head.which_result != vsw_Reply_receipt_tag) return;
    head.result.receipt.signature[3] ^= 1;
    vs_buf_reset(reply);
    cr_assert_eq(vs_reply_encode(reply, &head, NULL, 0), VS_OK);
}

/* The real client program submits for the holder of this key. */
static int submit_as(arena *a, const char *key, const char *round)
{
    const char *args[] = {"submit", "--federation", "federation.json", "--key",    key, "--round",
                          round,    "--update",     "u0.npy",          "--weight", "3", "--json",
                          NULL};
    return arena_run(a, args);
}

static int submit(arena *a, const char *round)
{
    return submit_as(a, "c0.key", round);
}

static void expect_printed(const arena *a, int status, int want, const char *words)
{
    cr_assert_eq(status, want, "status %d: %s", status, (const char *)a->text.p);
    cr_assert_not_null(strstr((const char *)a->text.p, words), "\"%s\" expected in: %s", words,
                       (const char *)a->text.p);
}

static void others_submit(arena *a)
{
    for (uint32_t i = 1; i <= 2; i++) (void)arena_submit(a, i);
}

/* n 7, t 2, k 1, margin 2: five answers are needed; the test plays `liars`. */
static arena *begin(lie *l, uint32_t liars)
{
    arena *a = arena_new(
        &(arena_config){.committee = {.n = 7, .t = 2, .k = 1, .margin = 2}, .liars = liars});
    a->hook = hook;
    a->hook_ctx = l;
    arena_client_files(a, 0);
    arena_open(a, NULL);
    return a;
}

Test(attack_rounds, forged_receipts)
{
    lie l = {.forged_receipts = true};
    arena *a = begin(&l, 1 << 7);
    expect_printed(a, submit(a, "1"), 0, "\"receipts\": 6"); /* the seventh is none */
    l.forged_receipts = false;
    others_submit(a);
    cr_assert_eq(arena_finish(a), vsw_Phase_FINAL);
    cr_expect_eq(arena_entry(a, VS_ENTRY_RESULT, 0).u.result.count, 3);
    arena_expect_audit(a);
    arena_free(a);
}

Test(attack_rounds, abort_after_votes_and_a_second_round_for_the_same_model)
{
    lie l = {.silent_answer = true};
    arena *a = begin(&l, 1 << 5 | 1 << 6 | 1 << 7);
    expect_printed(a, submit(a, "1"), 0, "\"receipts\": 7");
    others_submit(a);
    arena_control(a, VS_OPERATION_CLOSE);
    cr_assert_eq(arena_wait(a, vsw_Phase_ANSWERING), vsw_Phase_ANSWERING);
    arena_control(a, VS_OPERATION_CANCEL);
    cr_assert_eq(arena_wait(a, vsw_Phase_ABORTED), vsw_Phase_ABORTED);
    cr_expect_not(arena_entry(a, VS_ENTRY_ABORT, 0).u.abort.closed, "a certificate exists");
    l.silent_answer = false;
    arena_open(a, NULL);
    expect_printed(a, submit(a, "2"), 1, "round 1"); /* its update may count as released there */
    for (uint32_t i = 1; i <= 3; i++)
        (void)arena_submit(a, i); /* those whose rules are not these */
    cr_assert_eq(arena_finish(a), vsw_Phase_FINAL);
    arena_expect_sum(a, a->sub + 1, 3);
    arena_expect_audit(a);
    arena_free(a);
}

static void copy_folder(const arena *a, const char *from, const char *to)
{
    char command[900];
    (void)snprintf(command, sizeof command, "rm -rf '%s/%s' && cp -r '%s/%s' '%s/%s'", a->folder,
                   to, a->folder, from, a->folder, to);
    cr_assert_eq(system(command), 0);
}

/* The aggregator restores a backup: nobody cosigned that history any further, and nobody opens. */
Test(attack_rounds, rolled_back_ledger)
{
    arena *a = arena_new(&(arena_config){0});
    for (int round = 0; round < 2; round++) {
        arena_open(a, NULL);
        for (uint32_t i = 0; i < 2; i++) (void)arena_submit(a, i);
        (void)arena_finish(a);
        arena_expect_honest(a, 2);
        arena_expect_audit(a); /* stops it */
        if (round == 0) {
            copy_folder(a, "agg", "old");
            arena_start(a, 0);
        }
    }
    copy_folder(a, "agg", "new");
    copy_folder(a, "old", "agg");
    arena_start(a, 0);
    a->number = 1; /* it believes that round 2 is the next */
    (void)arena_control_open(a, NULL);
    vsw_RoundInfo info = {0};
    for (int k = 0; k < 2000 && strstr(info.detail, "was not opened") == NULL; k++) {
        arena_pump(a, 10);
        a->number = 2;
        info = arena_info(a);
        if (info.phase == vsw_Phase_IDLE || info.phase == vsw_Phase_FINAL) {
            vsw_Request head = {.which_op = vsw_Request_round_info_tag,
                                .op.round_info = {.round = 2}};
            if (arena_ask(a, 0, &head, NULL, 0) == vsw_Code_OK) {
                info = a->head.head.result.round_info;
            }
        }
    }
    cr_expect_not_null(strstr(info.detail, "round 2 was not opened: 0 of 5 shareholders"), "%s",
                       info.detail);
    arena_stop(a, 0);
    copy_folder(a, "new", "agg"); /* the whole ledger goes on */
    arena_start(a, 0);
    arena_open(a, NULL);
    for (uint32_t i = 0; i < 2; i++) (void)arena_submit(a, i);
    (void)arena_finish(a);
    arena_expect_honest(a, 2);
    arena_expect_audit(a);
    arena_free(a);
}

/* By the program, as an administrator does it: the round goes on with the other four. */
Test(attack_rounds, revoked_shareholder)
{
    arena *a = arena_new(&(arena_config){0});
    char path[400];
    vs_diag diag;
    const char *revoke[] = {"federation", "revoke",    "--federation", "federation.json",
                            "--key",      "admin.key", "s5.pub",       NULL};
    (void)snprintf(path, sizeof path, "%s/admin.key", a->folder);
    cr_assert_eq(vs_keys_save(a->tf->admin, path, &diag), VS_OK, "%s", diag.text);
    expect_printed(a, arena_run(a, revoke), 0, "is revoked");
    expect_printed(a, arena_run(a, revoke), 1, "revoked already");
    arena_open(a, NULL);
    cr_assert_eq(a->round.open.n_shareholders, 4);
    for (uint32_t i = 0; i < 3; i++) (void)arena_submit(a, i);
    (void)arena_finish(a);
    arena_expect_honest(a, 3);
    cr_expect_eq(arena_entry(a, VS_ENTRY_RESULT, 0).u.result.n_answers, 4);
    arena_expect_audit(a);
    arena_free(a);
}

/* Only the admin, or the key's own holder, may. */
Test(attack_rounds, revocation_by_somebody_else)
{
    arena *a = arena_new(&(arena_config){0});
    const char *revoke[] = {"federation", "revoke", "--federation", "federation.json",
                            "--key",      "c1.key", "c0.pub",       NULL};
    const char *rotate[] = {"federation",      "rotate", "--federation",
                            "federation.json", "--key",  "c0.key",
                            "c0.pub",          "c1.pub", NULL};
    arena_client_files(a, 0);
    arena_client_files(a, 1);
    expect_printed(a, arena_run(a, revoke), 1, "neither with the admin's key nor with the old key");
    expect_printed(a, arena_run(a, rotate), 0, "is rotated"); /* its own key may */
    expect_printed(a, arena_run(a, rotate), 1, "revoked already");
    arena_expect_audit(a);
    arena_free(a);
}

/* A client that rotates by itself goes on with the new key, and nobody else with the old one. */
Test(attack_rounds, a_client_that_lost_control_of_its_key_rotates_it)
{
    arena *a = arena_new(&(arena_config){0});
    char path[400];
    const char *rotate[] = {"federation",      "rotate", "--federation",
                            "federation.json", "--key",  "c0.key",
                            "c0.pub",          "c5.pub", NULL};
    arena_client_files(a, 0);
    arena_client_files(a, 5);
    (void)snprintf(path, sizeof path, "%s/c5.enrolment", a->folder);
    cr_assert_eq(remove(path), 0); /* the admin never saw this key */
    expect_printed(a, arena_run(a, rotate), 0, "is rotated");
    arena_open(a, NULL);
    expect_printed(a, submit_as(a, "c5.key", "1"), 0, "\"receipts\": 5");
    expect_printed(a, submit(a, "1"), 1, "the client key was revoked"); /* the thief */
    for (uint32_t i = 1; i <= 2; i++) (void)arena_submit(a, i);
    cr_assert_eq(arena_finish(a), vsw_Phase_FINAL);
    cr_expect_eq(arena_entry(a, VS_ENTRY_RESULT, 0).u.result.count, 3);
    arena_expect_audit(a);
    arena_free(a);
}
