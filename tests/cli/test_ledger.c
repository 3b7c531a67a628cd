/* ledger show and fsck on a small log that is made here: what they print, and what they refuse. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/cli/support_log.h"

/* --- show --------------------------------------------------------------------------------------
 */

Test(cli_ledger, show_lists_every_entry_and_who_cosigned)
{
    small_log w = small_log_new();
    char hex[VS_HEX_CHARS(32)];
    vs_run run = VS_RUN(w.folder, "ledger", "show", "agg/ledger");
    cr_assert_eq(run.status, 0, "%s", run.err);
    expect_in(run.out, "\n    0  federation      0  ");
    expect_in(run.out, "begins the log of a federation, key " ORIGIN "+");
    expect_in(run.out, "10 coordinates of 16 bits, 2 to 8 clients, 1 shareholders\n");
    expect_in(run.out, "shareholder 3 will never vote in it\n");
    expect_in(run.out, "too-few-clients: 1 of 2 ? clients, closed, not voting: 1 4\n");
    expect_in(run.out, "\n    4  ?               0  ");
    expect_in(run.out, "\norigin  " ORIGIN "\nsize    5\nroot    ");
    expect_in(run.out, "checkpoint of size 5, signed by the log, 0 cosignatures\n"
                       "checkpoint of size 4, signed by the log, 2 cosignatures\n    w1+");
    expect_in(run.out, "  2023-11-14 22:13:20 UTC\n    w2+");
    for (int i = 0; i < 5; i++) {
        vs_hex_encode(hex, w.leaf[i].b, 32);
        hex[16] = '\0';
        expect_in(run.out, hex);
    }
    cr_expect_null(strchr(run.out, '\x1b'), "a peer's text steers no terminal");
    vs_run again = VS_RUN(w.folder, "ledger", "show", "agg"); /* the data folder does too */
    cr_expect_str_eq(again.out, run.out);
    vs_run_free(&again);
    vs_run_free(&run);
    small_log_free(&w);
}

Test(cli_ledger, show_prints_json)
{
    small_log w = small_log_new();
    vs_run run = VS_RUN(w.folder, "ledger", "show", "agg", "--json");
    cr_assert_eq(run.status, 0, "%s", run.err);
    json_t *j = small_log_json(&run);
    json_t *entries = json_object_get(j, "entries");
    const json_t *abort = json_array_get(entries, 3);
    cr_expect_eq(json_integer_value(json_object_get(j, "size")), 5);
    cr_expect_eq(json_array_size(entries), 5);
    cr_expect_str_eq(json_string_value(json_object_get(j, "vkey")), w.log.vkey);
    cr_expect_str_eq(json_string_value(json_object_get(abort, "kind")), "abort");
    cr_expect_eq(json_integer_value(json_object_get(abort, "round")), 1);
    cr_expect_eq((size_t)json_integer_value(json_object_get(abort, "bytes")), w.entry[3].len);
    json_decref(j);
    vs_run_free(&run);
    small_log_free(&w);
}

Test(cli_ledger, show_prints_one_entry)
{
    small_log w = small_log_new();
    vs_run run = VS_RUN(w.folder, "ledger", "show", "agg", "--entry", "3");
    cr_assert_eq(run.status, 0, "%s", run.err);
    expect_in(run.out, "entry      3, abort, ");
    expect_in(run.out, "\"not_voting\": [");
    vs_run_free(&run);
    run = VS_RUN(w.folder, "ledger", "show", "agg", "--entry", "3", "--json");
    json_t *j = small_log_json(&run);
    const json_t *payload = json_object_get(j, "payload");
    cr_expect_str_eq(json_string_value(json_object_get(payload, "reason")), "too-few-clients");
    cr_expect_not_null(json_object_get(json_object_get(j, "envelope"), "signatures"));
    cr_expect_eq(json_array_size(json_object_get(j, "signed_by")), 1);
    json_decref(j);
    vs_run_free(&run);
    run = VS_RUN(w.folder, "ledger", "show", "agg", "--entry", "4", "--json");
    j = small_log_json(&run);
    cr_expect(json_is_null(json_object_get(j, "payload")));
    json_decref(j);
    vs_run_free(&run);
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "", "veilsum: entry 5: the log has 5 entries\n", "ledger",
                            "show", "agg", "--entry", "5"));
    small_log_free(&w);
}

Test(cli_ledger, show_raw_gives_the_exact_bytes)
{
    small_log w = small_log_new();
    for (int i = 0; i < 5; i++) {
        char index[12];
        (void)snprintf(index, sizeof index, "%d", i);
        vs_buf_u8(&w.entry[i], 0);
        cr_expect(VS_RUN_EXPECT(w.folder, 0, (const char *)w.entry[i].p, "", "ledger", "show",
                                "agg", "--entry", index, "--raw"));
    }
    cr_expect(VS_RUN_EXPECT(w.folder, 2, "", NULL, "ledger", "show", "agg", "--raw"));
    small_log_free(&w);
}

Test(cli_ledger, a_log_in_use_names_the_process)
{
    small_log w = small_log_new();
    char dir[400], want[80];
    vs_log *log;
    cr_assert_eq(
        vs_log_open(&log, small_log_path(dir, &w, "agg/ledger"), &w.log.note, w.log.seed, NULL),
        VS_OK);
    (void)snprintf(want, sizeof want, "is in use by process %ld", (long)getpid());
    const char *const command[][3] = {{"show", "agg", NULL}, {"fsck", "agg", NULL}};
    for (size_t i = 0; i < 2; i++) {
        vs_run run = VS_RUN(w.folder, "ledger", command[i][0], command[i][1]);
        cr_expect_eq(run.status, 1);
        expect_in(run.err, want);
        expect_in(run.err, "stop it first");
        vs_run_free(&run);
    }
    vs_log_close(log);
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "",
                            "veilsum: nowhere: no ledger.db in this folder, nor in its folder "
                            "ledger, and no checkpoint of a published log\n",
                            "ledger", "fsck", "nowhere"));
    small_log_free(&w);
}

/* --- fsck --------------------------------------------------------------------------------------
 */

Test(cli_ledger, fsck_counts_a_whole_ledger)
{
    small_log w = small_log_new();
    const char *last = "ledger: 5 entries, 3 checkpoints, 2 cosignatures, 1 blobs, no problem\n";
    cr_expect(VS_RUN_EXPECT(w.folder, 0, last, "", "ledger", "fsck", "agg"));
    cr_expect(VS_RUN_EXPECT(w.folder, 0, last, "", "ledger", "fsck", "agg", "--vkey", w.log.vkey));
    vs_run run = VS_RUN(w.folder, "ledger", "fsck", "agg", "--json");
    json_t *j = small_log_json(&run);
    cr_expect(json_is_true(json_object_get(j, "ok")));
    cr_expect(json_is_true(json_object_get(j, "unused_bytes_checked")));
    cr_expect_eq(json_integer_value(json_object_get(j, "entries")), 5);
    json_decref(j);
    vs_run_free(&run);
    small_log_free(&w);
}

Test(cli_ledger, fsck_names_what_is_wrong_and_fails)
{
    small_log w = small_log_new();
    char path[400];
    vs_buf db = {0};
    cr_assert_eq(vs_file_read(&db, small_log_path(path, &w, "agg/ledger/ledger.db"), 1 << 20, NULL),
                 VS_OK);
    size_t at = 0;
    while (memcmp(db.p + at, w.entry[4].p, w.entry[4].len) != 0) at++;
    db.p[at + 3] ^= 1;
    small_log_save(&w, "agg/ledger/ledger.db", db.p, db.len);
    vs_run run = VS_RUN(w.folder, "ledger", "fsck", "agg");
    cr_expect_eq(run.status, 1);
    expect_in(run.out, "problem: ledger.db: page ");
    expect_in(run.out, "problem: entry 4: its bytes do not match its leaf hash\n");
    expect_in(run.out, "\nledger: 5 entries, 3 checkpoints, 2 cosignatures, 1 blobs, 2 problems\n");
    vs_run_free(&run);
    run = VS_RUN(w.folder, "ledger", "fsck", "agg", "--json");
    cr_expect_eq(run.status, 1);
    json_t *j = small_log_json(&run);
    cr_expect(json_is_false(json_object_get(j, "ok")));
    cr_expect_eq(json_array_size(json_object_get(j, "problems")), 2);
    json_decref(j);
    vs_run_free(&run);
    run = VS_RUN(w.folder, "ledger", "prove", "agg", "--index", "4");
    cr_expect_eq(run.status, 1);
    cr_expect_str_empty(run.out, "no receipt that does not hold");
    expect_in(run.err, "the ledger is damaged; run veilsum ledger fsck");
    vs_run_free(&run);
    vs_buf_free(&db);
    small_log_free(&w);
}

Test(cli_ledger, fsck_notices_another_key)
{
    small_log w = small_log_new();
    small_key other = small_log_key(ORIGIN, VS_NOTE_ED25519, 9);
    vs_run run = VS_RUN(w.folder, "ledger", "fsck", "agg", "--vkey", other.vkey);
    cr_expect_eq(run.status, 1);
    expect_in(run.out, "log key: the log says " ORIGIN "+");
    vs_run_free(&run);
    run = VS_RUN(w.folder, "ledger", "fsck", "agg", "--vkey", "nonsense");
    cr_expect_eq(run.status, 1);
    expect_in(run.err, "--vkey: key \"nonsense\": not name+id+base64");
    vs_run_free(&run);
    small_log_free(&w);
}

Test(cli_ledger, fsck_says_when_unused_bytes_could_not_be_checked)
{
    small_log w = small_log_new();
    char path[400];
    cr_assert_eq(vs_file_remove(small_log_path(path, &w, "agg/ledger/ledger.db.pages"), NULL),
                 VS_OK);
    vs_run run = VS_RUN(w.folder, "ledger", "fsck", "agg");
    cr_expect_eq(run.status, 0);
    expect_in(run.out, "note: the last stop was not clean");
    vs_run_free(&run);
    small_log_free(&w);
}
