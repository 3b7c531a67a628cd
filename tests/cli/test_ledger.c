/* The ledger commands on a small log that is made here: what they print, and what they refuse. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "ledger/log.h"
#include "ledger/tlog_proof.h"
#include "tests/cli/support_run.h"
#include "tests/support.h"

#define ORIGIN "example.org/log"

typedef struct key {
    uint8_t seed[32];
    vs_note_key note;
    char vkey[VS_VKEY_CHARS];
} key;

static key key_of(const char *name, uint8_t type, uint64_t n)
{
    key k = {0};
    vs_h32 public_key;
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    vs_test_bytes(k.seed, sizeof k.seed, n);
    cr_assert_eq(crypto_sign_seed_keypair(public_key.b, secret, k.seed), 0);
    cr_assert_eq(vs_note_key_make(&k.note, name, type, &public_key, NULL), VS_OK);
    vs_note_key_format(k.vkey, &k.note);
    return k;
}

/* FOLDER/agg/ledger: five entries (federation, open, closed, abort, and one that is no envelope),
 * checkpoints of sizes 0, 4 and 5; size 4 is cosigned by two; one blob. */
typedef struct world {
    char *folder;
    key log, w1, w2;
    vs_buf entry[5];
    vs_h32 leaf[5];
} world;

static void put_entry(world *w, uint32_t i, const vs_entry *e)
{
    vs_buf payload = {0};
    const char *kind = vs_entry_kind_name(e->kind);
    cr_assert_eq(vs_entry_encode(&payload, e, NULL), VS_OK);
    cr_assert_eq(vs_dsse_sign(&w->entry[i], kind, payload.p, payload.len, w->log.seed, NULL),
                 VS_OK);
    vs_buf_free(&payload);
}

static vs_entry entry_of(vs_entry_kind kind, uint64_t round)
{
    vs_entry e = {.kind = kind, .origin = ORIGIN, .federation = {{7}}, .round = round};
    if (round > 0) e.prev.b[0] = 1;
    return e;
}

static void make_entries(world *w, const vs_h32 *blob)
{
    vs_entry e = entry_of(VS_ENTRY_FEDERATION, 0);
    e.federation = *blob;
    e.u.federation.file = *blob;
    e.u.federation.log_key = w->log.note;
    put_entry(w, 0, &e);
    e = entry_of(VS_ENTRY_OPEN, 1);
    e.u.open = (vs_entry_open){.dim = 10,
                               .weight_digits = 1,
                               .quantization_bits = 16,
                               .max_clients = 8,
                               .min_clients = 2,
                               .clipping_range = 1,
                               .max_weight = 9,
                               .opened_at = 1700000000,
                               .deadline = 1700000001,
                               .hard_expiry = 1700000002,
                               .n_shareholders = 1,
                               .shareholders = {{.index = 3}}};
    put_entry(w, 1, &e);
    e = entry_of(VS_ENTRY_CLOSED, 1);
    e.u.closed.index = 3;
    put_entry(w, 2, &e);
    e = entry_of(VS_ENTRY_ABORT, 1);
    e.u.abort = (vs_entry_abort){.reason = VS_ABORT_TOO_FEW_CLIENTS,
                                 .detail = "1 of 2 \x7f clients",
                                 .closed = true,
                                 .n_not_voting = 2,
                                 .not_voting = {1, 4}};
    put_entry(w, 3, &e);
    vs_buf_text(&w->entry[4], "{\"of\": \"another\x1b[31m program\"}");
}

static void cosign(vs_log *log, const key *who, uint64_t size)
{
    vs_buf note = {0};
    vs_note_result r;
    uint8_t sig[VS_COSIGNATURE_BYTES];
    cr_assert_eq(vs_log_checkpoint_at(log, size, &note, NULL), VS_OK);
    cr_assert_eq(vs_note_verify(&r, note.p, note.len, vs_log_key(log), 1, NULL), VS_OK);
    vs_cosign(sig, (const char *)note.p, r.text_len, 1700000000, who->seed);
    cr_assert_eq(vs_log_add_cosignature(log, size, &who->note, sig, NULL), VS_OK);
    vs_buf_free(&note);
}

static char *path_in(char out[400], const world *w, const char *name)
{
    (void)snprintf(out, 400, "%s/%s", w->folder, name);
    return out;
}

static world world_new(void)
{
    world w = {.log = key_of(ORIGIN, VS_NOTE_ED25519, 1),
               .w1 = key_of("w1", VS_NOTE_COSIGNATURE, 2),
               .w2 = key_of("w2", VS_NOTE_COSIGNATURE, 3)};
    char dir[400];
    vs_log *log;
    vs_h32 blob;
    uint64_t first;
    w.folder = vs_test_folder_new();
    cr_assert_eq(
        vs_log_create(&log, path_in(dir, &w, "agg/ledger"), ORIGIN, &w.log.note, w.log.seed, NULL),
        VS_OK);
    cr_assert_eq(vs_log_blob_put(log, "federation", 10, &blob, NULL), VS_OK);
    make_entries(&w, &blob);
    vs_bytes e[5];
    for (int i = 0; i < 5; i++) e[i] = (vs_bytes){w.entry[i].p, w.entry[i].len};
    cr_assert_eq(vs_log_append(log, e, 4, &first, w.leaf, NULL), VS_OK);
    cosign(log, &w.w1, 4);
    cosign(log, &w.w2, 4);
    cr_assert_eq(vs_log_append(log, e + 4, 1, &first, w.leaf + 4, NULL), VS_OK);
    vs_log_close(log);
    return w;
}

static void world_free(world *w)
{
    for (int i = 0; i < 5; i++) vs_buf_free(&w->entry[i]);
    vs_test_folder_remove(w->folder);
}

static json_t *json_of(const vs_run *run)
{
    json_t *j = json_loads(run->out, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(j, "%s%s", run->out, run->err);
    return j;
}

static void expect_in(const char *text, const char *what)
{
    cr_expect_not_null(strstr(text, what), "no \"%s\" in:\n%s", what, text);
}

static void save(const world *w, const char *name, const void *data, size_t len)
{
    char path[400];
    cr_assert_eq(vs_file_write_durable(path_in(path, w, name), data, len, 0644, NULL), VS_OK);
}

/* --- show --------------------------------------------------------------------------------------
 */

Test(cli_ledger, show_lists_every_entry_and_who_cosigned)
{
    world w = world_new();
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
    world_free(&w);
}

Test(cli_ledger, show_prints_json)
{
    world w = world_new();
    vs_run run = VS_RUN(w.folder, "ledger", "show", "agg", "--json");
    cr_assert_eq(run.status, 0, "%s", run.err);
    json_t *j = json_of(&run);
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
    world_free(&w);
}

Test(cli_ledger, show_prints_one_entry)
{
    world w = world_new();
    vs_run run = VS_RUN(w.folder, "ledger", "show", "agg", "--entry", "3");
    cr_assert_eq(run.status, 0, "%s", run.err);
    expect_in(run.out, "entry      3, abort, ");
    expect_in(run.out, "\"not_voting\": [");
    vs_run_free(&run);
    run = VS_RUN(w.folder, "ledger", "show", "agg", "--entry", "3", "--json");
    json_t *j = json_of(&run);
    const json_t *payload = json_object_get(j, "payload");
    cr_expect_str_eq(json_string_value(json_object_get(payload, "reason")), "too-few-clients");
    cr_expect_not_null(json_object_get(json_object_get(j, "envelope"), "signatures"));
    cr_expect_eq(json_array_size(json_object_get(j, "signed_by")), 1);
    json_decref(j);
    vs_run_free(&run);
    run = VS_RUN(w.folder, "ledger", "show", "agg", "--entry", "4", "--json");
    j = json_of(&run);
    cr_expect(json_is_null(json_object_get(j, "payload")));
    json_decref(j);
    vs_run_free(&run);
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "", "veilsum: entry 5: the log has 5 entries\n", "ledger",
                            "show", "agg", "--entry", "5"));
    world_free(&w);
}

Test(cli_ledger, show_raw_gives_the_exact_bytes)
{
    world w = world_new();
    for (int i = 0; i < 5; i++) {
        char index[12];
        (void)snprintf(index, sizeof index, "%d", i);
        vs_buf_u8(&w.entry[i], 0);
        cr_expect(VS_RUN_EXPECT(w.folder, 0, (const char *)w.entry[i].p, "", "ledger", "show",
                                "agg", "--entry", index, "--raw"));
    }
    cr_expect(VS_RUN_EXPECT(w.folder, 2, "", NULL, "ledger", "show", "agg", "--raw"));
    world_free(&w);
}

Test(cli_ledger, a_log_in_use_names_the_process)
{
    world w = world_new();
    char dir[400], want[80];
    vs_log *log;
    cr_assert_eq(vs_log_open(&log, path_in(dir, &w, "agg/ledger"), &w.log.note, w.log.seed, NULL),
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
                            "ledger\n",
                            "ledger", "fsck", "nowhere"));
    world_free(&w);
}

/* --- fsck --------------------------------------------------------------------------------------
 */

Test(cli_ledger, fsck_counts_a_whole_ledger)
{
    world w = world_new();
    const char *last = "ledger: 5 entries, 3 checkpoints, 2 cosignatures, 1 blobs, no problem\n";
    cr_expect(VS_RUN_EXPECT(w.folder, 0, last, "", "ledger", "fsck", "agg"));
    cr_expect(VS_RUN_EXPECT(w.folder, 0, last, "", "ledger", "fsck", "agg", "--vkey", w.log.vkey));
    vs_run run = VS_RUN(w.folder, "ledger", "fsck", "agg", "--json");
    json_t *j = json_of(&run);
    cr_expect(json_is_true(json_object_get(j, "ok")));
    cr_expect(json_is_true(json_object_get(j, "unused_bytes_checked")));
    cr_expect_eq(json_integer_value(json_object_get(j, "entries")), 5);
    json_decref(j);
    vs_run_free(&run);
    world_free(&w);
}

Test(cli_ledger, fsck_names_what_is_wrong_and_fails)
{
    world w = world_new();
    char path[400];
    vs_buf db = {0};
    cr_assert_eq(vs_file_read(&db, path_in(path, &w, "agg/ledger/ledger.db"), 1 << 20, NULL),
                 VS_OK);
    size_t at = 0;
    while (memcmp(db.p + at, w.entry[4].p, w.entry[4].len) != 0) at++;
    db.p[at + 3] ^= 1;
    save(&w, "agg/ledger/ledger.db", db.p, db.len);
    vs_run run = VS_RUN(w.folder, "ledger", "fsck", "agg");
    cr_expect_eq(run.status, 1);
    expect_in(run.out, "problem: ledger.db: page ");
    expect_in(run.out, "problem: entry 4: its bytes do not match its leaf hash\n");
    expect_in(run.out, "\nledger: 5 entries, 3 checkpoints, 2 cosignatures, 1 blobs, 2 problems\n");
    vs_run_free(&run);
    run = VS_RUN(w.folder, "ledger", "fsck", "agg", "--json");
    cr_expect_eq(run.status, 1);
    json_t *j = json_of(&run);
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
    world_free(&w);
}

Test(cli_ledger, fsck_notices_another_key)
{
    world w = world_new();
    key other = key_of(ORIGIN, VS_NOTE_ED25519, 9);
    vs_run run = VS_RUN(w.folder, "ledger", "fsck", "agg", "--vkey", other.vkey);
    cr_expect_eq(run.status, 1);
    expect_in(run.out, "log key: the log says " ORIGIN "+");
    vs_run_free(&run);
    run = VS_RUN(w.folder, "ledger", "fsck", "agg", "--vkey", "nonsense");
    cr_expect_eq(run.status, 1);
    expect_in(run.err, "--vkey: key \"nonsense\": not name+id+base64");
    vs_run_free(&run);
    world_free(&w);
}

Test(cli_ledger, fsck_says_when_unused_bytes_could_not_be_checked)
{
    world w = world_new();
    char path[400];
    cr_assert_eq(vs_file_remove(path_in(path, &w, "agg/ledger/ledger.db.pages"), NULL), VS_OK);
    vs_run run = VS_RUN(w.folder, "ledger", "fsck", "agg");
    cr_expect_eq(run.status, 0);
    expect_in(run.out, "note: the last stop was not clean");
    vs_run_free(&run);
    world_free(&w);
}

/* --- prove, verify-proof -----------------------------------------------------------------------
 */

Test(cli_ledger, a_receipt_proves_its_entry_and_no_other)
{
    world w = world_new();
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
        save(&w, entry, w.entry[i].p, w.entry[i].len);
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
    world_free(&w);
}

Test(cli_ledger, prove_prints_the_receipt_and_json)
{
    world w = world_new();
    vs_run run = VS_RUN(w.folder, "ledger", "prove", "agg", "--index", "2");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_expect_eq(strncmp(run.out, "c2sp.org/tlog-proof@v1\nindex 2\n", 31), 0, "%s", run.out);
    vs_run as_json = VS_RUN(w.folder, "ledger", "prove", "agg", "--index", "2", "--json");
    json_t *j = json_of(&as_json);
    cr_expect_str_eq(json_string_value(json_object_get(j, "receipt")), run.out);
    cr_expect_eq(json_integer_value(json_object_get(j, "cosignatures")), 2);
    json_decref(j);
    vs_run_free(&as_json);
    vs_run_free(&run);
    world_free(&w);
}

Test(cli_ledger, verify_proof_counts_cosigners)
{
    world w = world_new();
    key w3 = key_of("w3", VS_NOTE_COSIGNATURE, 4);
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
    key other = key_of(ORIGIN, VS_NOTE_ED25519, 9);
    vs_run run = VS_RUN(w.folder, "ledger", "verify-proof", "--vkey", other.vkey, "--leaf-hash",
                        base64, "p", "--json");
    cr_expect_eq(run.status, 1);
    json_t *j = json_of(&run);
    cr_expect(json_is_false(json_object_get(j, "valid")));
    cr_expect_str_eq(json_string_value(json_object_get(j, "reason")),
                     "note: not signed by any known key");
    json_decref(j);
    vs_run_free(&run);
    world_free(&w);
}

/* Every byte of a receipt changed: none of them is accepted with another meaning. */
Test(cli_ledger, verify_proof_refuses_changed_receipts)
{
    world w = world_new();
    char base64[VS_BASE64_CHARS(32)], path[400];
    vs_buf text = {0};
    vs_base64_encode(base64, w.leaf[4].b, 32);
    cr_expect(VS_RUN_EXPECT(w.folder, 0, NULL, "", "ledger", "prove", "agg", "--index", "4",
                            "--out", "p"));
    cr_assert_eq(vs_file_read(&text, path_in(path, &w, "p"), 1 << 16, NULL), VS_OK);
    for (size_t at = 0; at < text.len; at += 3 + at % 7) {
        text.p[at] ^= 1;
        save(&w, "q", text.p, text.len);
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
    world_free(&w);
}

/* --- verify-note -------------------------------------------------------------------------------
 */

static void save_checkpoint(const world *w, uint64_t size, const char *name)
{
    char dir[400];
    vs_log *log;
    vs_buf note = {0};
    cr_assert_eq(vs_log_open_read(&log, path_in(dir, w, "agg/ledger"), NULL), VS_OK);
    cr_assert_eq(vs_log_checkpoint_at(log, size, &note, NULL), VS_OK);
    save(w, name, note.p, note.len);
    vs_buf_free(&note);
    vs_log_close(log);
}

Test(cli_ledger, verify_note_tells_who_signed)
{
    world w = world_new();
    key w3 = key_of("w3", VS_NOTE_COSIGNATURE, 4);
    save_checkpoint(&w, 4, "c");
    vs_run run = VS_RUN(w.folder, "ledger", "verify-note", "--vkey", w.log.vkey, "--vkey",
                        w.w2.vkey, "--vkey", w3.vkey, "c");
    cr_expect_eq(run.status, 0, "%s", run.err);
    expect_in(run.out, "valid: 2 of 3 keys signed\n    " ORIGIN "+");
    expect_in(run.out, "2023-11-14 22:13:20 UTC\ncheckpoint of " ORIGIN "\nsize  4\nroot  ");
    vs_run_free(&run);
    run = VS_RUN(w.folder, "ledger", "verify-note", "--vkey", w.w1.vkey, "c", "--json");
    json_t *j = json_of(&run);
    cr_expect_eq(json_integer_value(json_object_get(json_object_get(j, "checkpoint"), "size")), 4);
    cr_expect_eq(json_array_size(json_object_get(j, "signed_by")), 1);
    json_decref(j);
    vs_run_free(&run);
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "",
                            "veilsum: invalid: note: not signed by any known key\n", "ledger",
                            "verify-note", "--vkey", w3.vkey, "c"));
    cr_expect(VS_RUN_EXPECT(w.folder, 2, "", NULL, "ledger", "verify-note", "c"));
    world_free(&w);
}

Test(cli_ledger, verify_note_takes_any_text_unless_it_must_be_a_checkpoint)
{
    world w = world_new();
    vs_buf note = {0};
    cr_assert_eq(vs_note_sign(&note, "some words\n", 11, &w.log.note, w.log.seed), VS_OK);
    save(&w, "n", note.p, note.len);
    vs_run run = VS_RUN(w.folder, "ledger", "verify-note", "--vkey", w.log.vkey, "n");
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_null(strstr(run.out, "checkpoint"));
    vs_run_free(&run);
    cr_expect(VS_RUN_EXPECT(w.folder, 1, "", NULL, "ledger", "verify-note", "--checkpoint",
                            "--vkey", w.log.vkey, "n"));
    vs_buf_free(&note);
    world_free(&w);
}

/* --- verify-inclusion, verify-consistency ------------------------------------------------------
 */

#define LEAF "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="
#define INCLUSION(leaf, index, size, root)                                                         \
    "ledger", "verify-inclusion", "--leaf-hash", leaf, "--index", index, "--size", size, "--root", \
        root

Test(cli_ledger, verify_inclusion_answers_with_its_status)
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

Test(cli_ledger, verify_inclusion_takes_63_hashes_at_most)
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

Test(cli_ledger, verify_consistency_answers_with_its_status)
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
