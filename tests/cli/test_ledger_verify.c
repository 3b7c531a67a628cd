/* ledger prove, and the commands that verify without a ledger. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "tests/cli/support_log.h"

/* --- prove, verify-proof -----------------------------------------------------------------------
 */

Test(cli_ledger_verify, a_receipt_proves_its_entry_and_no_other)
{
    small_log w = small_log_new();
    char base64[VS_BASE64_CHARS(32)];
    for (int i = 0; i < 5; i++) {
        char index[12], proof[32], entry[32], text[200];
        (void)snprintf(index, sizeof index, "%d", i);
        (void)snprintf(proof, sizeof proof, "%d.tlog-proof", i);
        (void)snprintf(entry, sizeof entry, "%d.json", i);
        int size = i < 4 ? 4 : 5; /* entry 4 has a checkpoint without cosignatures only */
        (void)snprintf(text, sizeof text,
                       "%s: entry %d is in the tree of %d entries, %d cosignatures\n", proof, i,
                       size, i < 4 ? 2 : 0);
        cr_expect(VS_RUN_EXPECT(w.folder, 0, text, "", "ledger", "prove", "agg", "--index", index,
                                "--out", proof));
        small_log_save(&w, entry, w.entry[i].p, w.entry[i].len);
        vs_base64_encode(base64, w.leaf[i].b, 32);
        cr_expect(VS_RUN_EXPECT(w.folder, 0, NULL, "", "ledger", "verify-proof", "--vkey",
                                w.log.vkey, "--entry", entry, proof));
        (void)snprintf(text, sizeof text,
                       "valid: entry %d of " ORIGIN ", tree of %d entries, 0 cosignatures\n", i,
                       size);
        cr_expect(VS_RUN_EXPECT(w.folder, 0, text, "", "ledger", "verify-proof", "--vkey",
                                w.log.vkey, "--leaf-hash", base64, proof));
        vs_base64_encode(base64, w.leaf[(i + 1) % 5].b, 32);
        (void)snprintf(text, sizeof text,
                       "veilsum: invalid: receipt: the entry is not entry %d of the tree of size "
                       "%d\n",
                       i, size);
        cr_expect(VS_RUN_EXPECT(w.folder, 1, "", text, "ledger", "verify-proof", "--vkey",
                                w.log.vkey, "--leaf-hash", base64, proof));
    }
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "",
                            "veilsum: 0.tlog-proof: exists already, not overwritten\n", "ledger",
                            "prove", "agg", "--index", "0", "--out", "0.tlog-proof"));
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "", "veilsum: entry 5: the log has 5 entries\n", "ledger",
                            "prove", "agg", "--index", "5"));
    small_log_free(&w);
}

Test(cli_ledger_verify, prove_prints_the_receipt_and_json)
{
    small_log w = small_log_new();
    vs_run run = VS_RUN(w.folder, "ledger", "prove", "agg", "--index", "2");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_expect_eq(strncmp(run.out, "c2sp.org/tlog-proof@v1\nindex 2\n", 31), 0, "%s", run.out);
    vs_run as_json = VS_RUN(w.folder, "ledger", "prove", "agg", "--index", "2", "--json");
    json_t *j = small_log_json(&as_json);
    cr_expect_str_eq(json_string_value(json_object_get(j, "receipt")), run.out);
    cr_expect_eq(json_integer_value(json_object_get(j, "cosignatures")), 2);
    json_decref(j);
    vs_run_free(&as_json);
    vs_run_free(&run);
    small_log_free(&w);
}

Test(cli_ledger_verify, verify_proof_counts_cosigners)
{
    small_log w = small_log_new();
    small_key w3 = small_log_key("w3", VS_NOTE_COSIGNATURE, 4);
    char base64[VS_BASE64_CHARS(32)];
    vs_base64_encode(base64, w.leaf[1].b, 32);
    cr_expect(VS_RUN_EXPECT(w.folder, 0, NULL, "", "ledger", "prove", "agg", "--index", "1",
                            "--out", "p"));
#define VERIFY(...)                                                                                \
    "ledger", "verify-proof", "--vkey", w.log.vkey, "--leaf-hash", base64, "p", __VA_ARGS__
    cr_expect(VS_RUN_EXPECT(w.folder, 0,
                            "valid: entry 1 of " ORIGIN ", tree of 4 entries, 2 cosignatures\n", "",
                            VERIFY("--vkey", w.w1.vkey, "--vkey", w.w2.vkey)));
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "",
                            "veilsum: invalid: checkpoint of size 4: 1 of 2 cosignatures, 2 "
                            "needed\n",
                            VERIFY("--vkey", w.w1.vkey, "--vkey", w3.vkey)));
    cr_expect(VS_RUN_EXPECT(w.folder, 0, NULL, "",
                            VERIFY("--vkey", w.w1.vkey, "--vkey", w3.vkey, "--quorum", "1")));
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "", NULL, VERIFY("--vkey", w.log.vkey)));
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "", NULL, VERIFY("--quorum", "1")));
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "",
                            "veilsum: invalid: --vkey: 0 log keys (type 0x01) are given, must be "
                            "one\n",
                            "ledger", "verify-proof", "--vkey", w.w1.vkey, "--leaf-hash", base64,
                            "p"));
#undef VERIFY
    small_key other = small_log_key(ORIGIN, VS_NOTE_ED25519, 9);
    vs_run run = VS_RUN(w.folder, "ledger", "verify-proof", "--vkey", other.vkey, "--leaf-hash",
                        base64, "p", "--json");
    cr_expect_eq(run.status, 1);
    json_t *j = small_log_json(&run);
    cr_expect(json_is_false(json_object_get(j, "valid")));
    cr_expect_str_eq(json_string_value(json_object_get(j, "reason")),
                     "note: not signed by any known key");
    json_decref(j);
    vs_run_free(&run);
    small_log_free(&w);
}

/* Every byte of a receipt changed: none of them is accepted with another meaning. */
Test(cli_ledger_verify, verify_proof_refuses_changed_receipts)
{
    small_log w = small_log_new();
    char base64[VS_BASE64_CHARS(32)], path[400];
    vs_buf text = {0};
    vs_base64_encode(base64, w.leaf[4].b, 32);
    cr_expect(VS_RUN_EXPECT(w.folder, 0, NULL, "", "ledger", "prove", "agg", "--index", "4",
                            "--out", "p"));
    cr_assert_eq(vs_file_read(&text, small_log_path(path, &w, "p"), 1 << 16, NULL), VS_OK);
    for (size_t at = 0; at < text.len; at += 3 + at % 7) {
        text.p[at] ^= 1;
        small_log_save(&w, "q", text.p, text.len);
        cr_expect(VS_RUN_EXPECT(w.folder, 1, "", NULL, "ledger", "verify-proof", "--vkey",
                                w.log.vkey, "--leaf-hash", base64, "q"),
                  "byte %zu", at);
        text.p[at] ^= 1;
    }
    cr_expect(
        VS_RUN_EXPECT(w.folder, 2, "", NULL, "ledger", "verify-proof", "--vkey", w.log.vkey, "p"));
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "",
                            "veilsum: none: cannot open: No such file or directory\n", "ledger",
                            "verify-proof", "--vkey", w.log.vkey, "--leaf-hash", base64, "none"));
    vs_buf_free(&text);
    small_log_free(&w);
}

/* --- verify-note -------------------------------------------------------------------------------
 */

static void save_checkpoint(const small_log *w, uint64_t size, const char *name)
{
    char dir[400];
    vs_log *log;
    vs_buf note = {0};
    cr_assert_eq(vs_log_open_read(&log, small_log_path(dir, w, "agg/ledger"), NULL), VS_OK);
    cr_assert_eq(vs_log_checkpoint_at(log, size, &note, NULL), VS_OK);
    small_log_save(w, name, note.p, note.len);
    vs_buf_free(&note);
    vs_log_close(log);
}

Test(cli_ledger_verify, verify_note_tells_who_signed)
{
    small_log w = small_log_new();
    small_key w3 = small_log_key("w3", VS_NOTE_COSIGNATURE, 4);
    save_checkpoint(&w, 4, "c");
    vs_run run = VS_RUN(w.folder, "ledger", "verify-note", "--vkey", w.log.vkey, "--vkey",
                        w.w2.vkey, "--vkey", w3.vkey, "c");
    cr_expect_eq(run.status, 0, "%s", run.err);
    expect_in(run.out, "valid: 2 of 3 keys signed\n    " ORIGIN "+");
    expect_in(run.out, "2023-11-14 22:13:20 UTC\ncheckpoint of " ORIGIN "\nsize  4\nroot  ");
    vs_run_free(&run);
    run = VS_RUN(w.folder, "ledger", "verify-note", "--vkey", w.w1.vkey, "c", "--json");
    json_t *j = small_log_json(&run);
    cr_expect_eq(json_integer_value(json_object_get(json_object_get(j, "checkpoint"), "size")), 4);
    cr_expect_eq(json_array_size(json_object_get(j, "signed_by")), 1);
    json_decref(j);
    vs_run_free(&run);
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "",
                            "veilsum: invalid: note: not signed by any known key\n", "ledger",
                            "verify-note", "--vkey", w3.vkey, "c"));
    cr_expect(VS_RUN_EXPECT(w.folder, 2, "", NULL, "ledger", "verify-note", "c"));
    small_log_free(&w);
}

Test(cli_ledger_verify, verify_note_takes_any_text_unless_it_must_be_a_checkpoint)
{
    small_log w = small_log_new();
    vs_buf note = {0};
    cr_assert_eq(vs_note_sign(&note, "some words\n", 11, &w.log.note, w.log.seed), VS_OK);
    small_log_save(&w, "n", note.p, note.len);
    vs_run run = VS_RUN(w.folder, "ledger", "verify-note", "--vkey", w.log.vkey, "n");
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_null(strstr(run.out, "checkpoint"));
    vs_run_free(&run);
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "", NULL, "ledger", "verify-note", "--checkpoint",
                            "--vkey", w.log.vkey, "n"));
    vs_buf_free(&note);
    small_log_free(&w);
}

/* --- verify-inclusion, verify-consistency ------------------------------------------------------
 */

#define LEAF "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="
#define INCLUSION(leaf, index, size, root)                                                         \
    "ledger", "verify-inclusion", "--leaf-hash", leaf, "--index", index, "--size", size, "--root", \
        root

Test(cli_ledger_verify, verify_inclusion_answers_with_its_status)
{
    cr_expect(VS_RUN_EXPECT("/", 0, "valid: the leaf hash is in the tree\n", "",
                            INCLUSION(LEAF, "0", "1", LEAF)));
    cr_expect(VS_RUN_EXPECT("/", 0, "{\n  \"valid\": true\n}\n", "",
                            INCLUSION(LEAF, "0", "1", LEAF), "--json"));
    cr_expect(VS_RUN_EXPECT("/", 1, "",
                            "veilsum: invalid: the path does not lead from the leaf hash to the "
                            "root\n",
                            INCLUSION(LEAF, "0", "1", LEAF), "--path", LEAF));
    cr_expect(VS_RUN_EXPECT("/", 1, "",
                            "veilsum: invalid: --path: \"\" is not the base64 of 32 bytes\n",
                            INCLUSION(LEAF, "0", "1", LEAF), "--path", ""));
    const char *const number[] = {"-1",
                                  "-9223372036854775808",
                                  "18446744073709551616",
                                  "",
                                  "1x",
                                  " 1",
                                  "+1",
                                  "0x1",
                                  "99999999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
        cr_expect(VS_RUN_EXPECT("/", 1, "", NULL, INCLUSION(LEAF, number[i], "1", LEAF)), "%s",
                  number[i]);
        cr_expect(VS_RUN_EXPECT("/", 1, "", NULL, INCLUSION(LEAF, "0", number[i], LEAF)), "%s",
                  number[i]);
    }
    cr_expect(VS_RUN_EXPECT("/", 1, "",
                            "veilsum: invalid: a tree of 1 entries has no entry "
                            "18446744073709551615\n",
                            INCLUSION(LEAF, "18446744073709551615", "1", LEAF)));
    const char *const hash[] = {"",
                                "AAAA",
                                "=",
                                LEAF LEAF,
                                LEAF "\n",
                                "bjQL",
                                "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB1="};
    for (size_t i = 0; i < sizeof hash / sizeof hash[0]; i++) {
        cr_expect(VS_RUN_EXPECT("/", 1, "", NULL, INCLUSION(hash[i], "0", "1", LEAF)));
        cr_expect(VS_RUN_EXPECT("/", 1, "", NULL, INCLUSION(LEAF, "0", "1", hash[i])));
    }
    cr_expect(VS_RUN_EXPECT("/", 2, "", NULL, "ledger", "verify-inclusion", "--index", "0"));
}

Test(cli_ledger_verify, verify_inclusion_takes_63_hashes_at_most)
{
    const char *args[160] = {INCLUSION(LEAF, "0", "1", LEAF)};
    size_t n = 10;
    for (int i = 0; i < 64; i++) {
        args[n++] = "--path";
        args[n++] = LEAF;
    }
    vs_run run = vs_run_program("/", args);
    cr_expect_eq(run.status, 1);
    expect_in(run.err, "invalid: --path: given 64 times, a path has at most 63 hashes");
    vs_run_free(&run);
}

#define CONSISTENCY(size1, root1, size2, root2)                                                    \
    "ledger", "verify-consistency", "--size1", size1, "--root1", root1, "--size2", size2,          \
        "--root2", root2

Test(cli_ledger_verify, verify_consistency_answers_with_its_status)
{
    cr_expect(VS_RUN_EXPECT("/", 0, "valid: the second tree extends the first\n", "",
                            CONSISTENCY("1", LEAF, "1", LEAF)));
    cr_expect(VS_RUN_EXPECT("/", 1, "",
                            "veilsum: invalid: size1 0 is not of 1 to size2 1: nothing could be "
                            "proven\n",
                            CONSISTENCY("0", LEAF, "1", LEAF)));
    cr_expect(VS_RUN_EXPECT("/", 1, "", NULL, CONSISTENCY("-1", LEAF, "1", LEAF)));
    cr_expect(
        VS_RUN_EXPECT("/", 1, "", NULL, CONSISTENCY("1", LEAF, "18446744073709551616", LEAF)));
    cr_expect(VS_RUN_EXPECT("/", 1, "", NULL, CONSISTENCY("2", LEAF, "1", LEAF)));
    cr_expect(VS_RUN_EXPECT("/", 1, "", NULL, CONSISTENCY("1", "", "1", LEAF)));
    cr_expect(VS_RUN_EXPECT("/", 1, "", NULL, CONSISTENCY("1", LEAF, "1", "AAAA")));
    cr_expect(VS_RUN_EXPECT("/", 1, "", NULL, CONSISTENCY("1", LEAF, "2", LEAF), "--path", LEAF));
}
