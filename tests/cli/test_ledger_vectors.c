/* Every external ledger vector, through the program. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "ledger/note.h"
#include "tests/cli/support_run.h"
#include "tests/support.h"

enum { ARGS_MAX = 60, LINE_BYTES = 16384 };

static const char *str(const json_t *j, const char *name)
{
    return json_string_value(json_object_get(j, name));
}

/* The path below the shared folder, or NULL after a counted skip. */
static char *vectors(const char *name)
{
    char *path = vs_test_shared(name);
    if (path == NULL) vs_test_skip("no vectors on this machine");
    return path;
}

static json_t *load(const char *name)
{
    char *path = vectors(name);
    if (path == NULL) return NULL;
    json_t *j = json_load_file(path, JSON_ALLOW_NUL, NULL);
    cr_assert_not_null(j, "%s", path);
    free(path);
    return j;
}

/* --- Merkle proofs -----------------------------------------------------------------------------
 */

/* The digits after "name": as they stand in the line: some are above 2^63. */
static void number_in(char out[32], const char *line, const char *name)
{
    char quoted[32];
    (void)snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *at = strstr(line, quoted);
    cr_assert_not_null(at, "%s in %s", name, line);
    at += strlen(quoted);
    size_t len = strspn(at, "-0123456789");
    cr_assert(len > 0 && len < 32);
    memcpy(out, at, len);
    out[len] = '\0';
}

typedef struct probe_shape {
    const char *command;
    struct {
        const char *option, *member;
    } number[2], hash[2];
} probe_shape;

static void run_probe(const probe_shape *shape, const char *line)
{
    const char *args[ARGS_MAX] = {"ledger", shape->command};
    char number[2][32];
    size_t n = 2;
    size_t i;
    json_t *node;
    json_t *j = json_loads(line, 0, NULL);
    if (j == NULL) j = json_loads(line, JSON_DECODE_INT_AS_REAL, NULL); /* above 2^63 */
    cr_assert_not_null(j, "%s", line);
    for (size_t k = 0; k < 2; k++) {
        number_in(number[k], line, shape->number[k].member);
        args[n++] = shape->number[k].option;
        args[n++] = number[k];
        args[n++] = shape->hash[k].option;
        args[n++] = str(j, shape->hash[k].member) == NULL ? "" : str(j, shape->hash[k].member);
    }
    json_array_foreach(json_object_get(j, "proof"), i, node)
    {
        cr_assert_lt(n + 2, ARGS_MAX);
        args[n++] = "--path";
        args[n++] = json_string_value(node);
    }
    vs_run run = vs_run_program("/", args);
    cr_expect_eq(run.status, json_is_true(json_object_get(j, "wantErr")) ? 1 : 0, "%s: %s%s",
                 str(j, "file"), run.out, run.err);
    vs_run_free(&run);
    json_decref(j);
}

static void run_probes(const char *name, const probe_shape *shape)
{
    char line[LINE_BYTES];
    unsigned n = 0;
    char *path = vectors(name);
    if (path == NULL) return;
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        run_probe(shape, line);
        n++;
    }
    cr_expect_eq(n, 49);
    (void)fclose(f);
    free(path);
}

Test(cli_ledger_vectors, inclusion_probes)
{
    const probe_shape shape = {.command = "verify-inclusion",
                               .number = {{"--index", "leafIdx"}, {"--size", "treeSize"}},
                               .hash = {{"--leaf-hash", "leafHash"}, {"--root", "root"}}};
    run_probes("vectors/ledger/merkle/inclusion.jsonl", &shape);
}

Test(cli_ledger_vectors, consistency_probes)
{
    const probe_shape shape = {.command = "verify-consistency",
                               .number = {{"--size1", "size1"}, {"--size2", "size2"}},
                               .hash = {{"--root1", "root1"}, {"--root2", "root2"}}};
    run_probes("vectors/ledger/merkle/consistency.jsonl", &shape);
}

/* --- notes -------------------------------------------------------------------------------------
 */

static void save(const char *folder, const char *name, const void *data, size_t len)
{
    char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(vs_file_write_durable(path, data, len, 0644, NULL), VS_OK);
}

static void save_base64(const char *folder, const char *text)
{
    size_t len = 0;
    uint8_t *bytes = malloc(strlen(text) + 1);
    cr_assert_eq(vs_base64_decode(bytes, strlen(text), &len, text, strlen(text)), VS_OK);
    save(folder, "note", bytes, len);
    free(bytes);
}

static void run_note_case(const char *folder, const json_t *c)
{
    const char *args[ARGS_MAX] = {"ledger", "verify-note", "--json", "note"};
    size_t n = 4;
    size_t i;
    json_t *vkey;
    bool ok = strcmp(str(c, "expect"), "ok") == 0;
    save_base64(folder, str(c, "note_b64"));
    json_array_foreach(json_object_get(c, "vkeys"), i, vkey)
    {
        args[n++] = "--vkey";
        args[n++] = json_string_value(vkey);
    }
    vs_run run = vs_run_program(folder, args);
    json_t *out = json_loads(run.out, 0, NULL);
    cr_assert_not_null(out, "%s: %s", str(c, "desc"), run.err);
    cr_expect_eq(run.status, ok ? 0 : 1, "%s: %s", str(c, "desc"), run.out);
    cr_expect_eq(json_is_true(json_object_get(out, "valid")), ok);
    if (ok) {
        cr_expect_eq((json_int_t)json_array_size(json_object_get(out, "signed_by")),
                     json_integer_value(json_object_get(c, "sigs")), "%s", str(c, "desc"));
    }
    json_decref(out);
    vs_run_free(&run);
}

Test(cli_ledger_vectors, signed_notes)
{
    size_t i;
    json_t *c;
    json_t *j = load("vectors/ledger/note/signed_note.json");
    if (j == NULL) return;
    char *folder = vs_test_folder_new();
    json_array_foreach(json_object_get(j, "cases"), i, c)
    {
        /* without a key there is nothing to ask: the one case of it is wrong usage */
        if (json_array_size(json_object_get(c, "vkeys")) == 0) {
            cr_expect_str_eq(str(c, "expect"), "unverified");
            save_base64(folder, str(c, "note_b64"));
            cr_expect(VS_RUN_EXPECT(folder, 2, "", NULL, "ledger", "verify-note", "note"));
            continue;
        }
        run_note_case(folder, c);
    }
    cr_expect_eq(i, 16);
    vs_test_folder_remove(folder);
    json_decref(j);
}

/* A key that the vectors call good is taken (the note is merely not signed by it), of the two types
 * that there are here; every other is refused by name. */
Test(cli_ledger_vectors, verifier_keys)
{
    size_t i;
    json_t *v;
    json_t *j = load("vectors/ledger/note/vkeys.json");
    char *note = j == NULL ? NULL : vectors("vectors/ledger/note/peterneumann.note");
    if (note == NULL) return;
    json_array_foreach(json_object_get(j, "ok"), i, v)
    {
        json_int_t type = json_integer_value(json_object_get(v, "type"));
        bool signer = strncmp(str(v, "vkey"), "PeterNeumann+", 13) == 0;
        bool ours = type == VS_NOTE_ED25519 || type == VS_NOTE_COSIGNATURE;
        vs_run run = VS_RUN("/", "ledger", "verify-note", "--vkey", str(v, "vkey"), note);
        cr_expect_eq(run.status, signer ? 0 : 1, "%s: %s", str(v, "vkey"), run.err);
        cr_expect_eq(strstr(run.err, "--vkey") == NULL, ours, "%s: %s", str(v, "vkey"), run.err);
        vs_run_free(&run);
    }
    json_array_foreach(json_object_get(j, "bad"), i, v)
    {
        vs_run run = VS_RUN("/", "ledger", "verify-note", "--vkey", json_string_value(v), note);
        cr_expect_eq(run.status, 1);
        cr_expect_not_null(strstr(run.err, "invalid: --vkey: key"), "%s", run.err);
        vs_run_free(&run);
    }
    free(note);
    json_decref(j);
}

Test(cli_ledger_vectors, note_files)
{
    char *both = vectors("vectors/ledger/note/peter_and_enoch.note");
    json_t *j = both == NULL ? NULL : load("vectors/ledger/note/signed_note.json");
    if (j == NULL) return;
    const char *peter = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    vs_run run =
        VS_RUN("/", "ledger", "verify-note", "--vkey", peter, "--vkey", str(j, "enoch_vkey"), both);
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_eq(strncmp(run.out, "valid: 2 of 2 keys signed\n", 26), 0, "%s", run.out);
    vs_run_free(&run);
    json_decref(j);
    free(both);
}

/* --- checkpoints -------------------------------------------------------------------------------
 */

Test(cli_ledger_vectors, checkpoint_bodies_signed_here)
{
    size_t i;
    json_t *c;
    uint8_t seed[32] = {1};
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    vs_h32 public_key;
    vs_note_key key;
    char vkey[VS_VKEY_CHARS];
    json_t *j = load("vectors/ledger/checkpoint/parse_body.json");
    if (j == NULL) return;
    char *folder = vs_test_folder_new();
    cr_assert_eq(crypto_sign_seed_keypair(public_key.b, secret, seed), 0);
    cr_assert_eq(vs_note_key_make(&key, "Log", VS_NOTE_ED25519, &public_key, NULL), VS_OK);
    vs_note_key_format(vkey, &key);
    json_array_foreach(json_object_get(j, "cases"), i, c)
    {
        vs_buf note = {0};
        const char *body = str(c, "body");
        bool want = json_is_true(json_object_get(c, "strict_ok")); /* absent: not ok at all */
        if (body[strlen(body) - 1] != '\n') continue;              /* not the text of any note */
        cr_assert_eq(vs_note_sign(&note, body, strlen(body), &key, seed), VS_OK);
        save(folder, "note", note.p, note.len);
        cr_expect(VS_RUN_EXPECT(folder, want ? 0 : 1, NULL, NULL, "ledger", "verify-note",
                                "--checkpoint", "--vkey", vkey, "note"),
                  "%s", str(c, "desc"));
        vs_buf_free(&note);
    }
    vs_test_folder_remove(folder);
    json_decref(j);
}

/* This checkpoint verifies, and says this size. */
static void expect_checkpoint(const char *name, const char *vkey, json_int_t size)
{
    char *path = vectors(name);
    if (path == NULL) return;
    vs_run run =
        VS_RUN("/", "ledger", "verify-note", "--checkpoint", "--json", "--vkey", vkey, path);
    cr_expect_eq(run.status, 0, "%s: %s%s", name, run.out, run.err);
    json_t *out = json_loads(run.out, 0, NULL);
    json_int_t said =
        json_integer_value(json_object_get(json_object_get(out, "checkpoint"), "size"));
    if (size >= 0) cr_expect_eq(said, size, "%s", name);
    json_decref(out);
    vs_run_free(&run);
    free(path);
}

Test(cli_ledger_vectors, checkpoints_of_a_real_log)
{
    vs_buf vkey = {0};
    char *path = vectors("vectors/ledger/tiles/tessera-15/vkey");
    if (path == NULL) return;
    cr_assert_eq(vs_file_read(&vkey, path, 1000, NULL), VS_OK);
    while (vkey.len > 0 && vkey.p[vkey.len - 1] <= ' ') vkey.len--;
    vs_buf_u8(&vkey, 0);
    const char *key = (const char *)vkey.p;
    static const unsigned sizes[] = {0, 1, 2, 3, 5, 8, 13};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char name[128];
        (void)snprintf(name, sizeof name,
                       "vectors/ledger/checkpoint/tessera-testdata-%u.checkpoint", sizes[i]);
        expect_checkpoint(name, key, (json_int_t)sizes[i]);
    }
    expect_checkpoint("vectors/ledger/tiles/tessera-15/checkpoint", key, 15);
    vs_buf_free(&vkey);
    free(path);
}

Test(cli_ledger_vectors, cosigned_checkpoints)
{
    size_t i;
    json_t *c;
    json_t *j = load("vectors/ledger/cosig/index.json");
    if (j == NULL) return;
    json_array_foreach(json_object_get(j, "cosignatures"), i, c)
    {
        char name[128];
        (void)snprintf(name, sizeof name, "vectors/ledger/cosig/%s", str(c, "file"));
        expect_checkpoint(name, str(c, "vkey"), -1);
    }
    json_decref(j);
}

/* --- receipts ----------------------------------------------------------------------------------
 */

#define LEAF "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="

/* Their checkpoint is a placeholder, so none can be valid; what is wrong with the form is said. */
Test(cli_ledger_vectors, receipts_of_bad_form)
{
    size_t i;
    json_t *c;
    const char *vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    json_t *j = load("vectors/ledger/proof/tlog_proof_format.json");
    if (j == NULL) return;
    char *folder = vs_test_folder_new();
    json_array_foreach(json_object_get(j, "bad"), i, c)
    {
        save(folder, "p", json_string_value(c), json_string_length(c));
        vs_run run =
            VS_RUN(folder, "ledger", "verify-proof", "--vkey", vkey, "--leaf-hash", LEAF, "p");
        cr_expect_eq(run.status, 1);
        cr_expect_not_null(strstr(run.err, "invalid: receipt: "), "%s", run.err);
        vs_run_free(&run);
    }
    json_array_foreach(json_object_get(j, "marshal"), i, c)
    {
        save(folder, "p", str(c, "want"), strlen(str(c, "want")));
        vs_run run =
            VS_RUN(folder, "ledger", "verify-proof", "--vkey", vkey, "--leaf-hash", LEAF, "p");
        cr_expect_eq(run.status, 1);
        cr_expect_not_null(strstr(run.err, "invalid: not a signed note: "), "the form is good: %s",
                           run.err);
        vs_run_free(&run);
    }
    vs_test_folder_remove(folder);
    json_decref(j);
}

/* --- tiles -------------------------------------------------------------------------------------
 */

/* `ledger fsck DIR --vkey VKEY` on a folder that another implementation wrote; a damaged copy. */
Test(cli_ledger_vectors, fsck_of_a_tile_folder_of_another_implementation)
{
    char command[1200], key[500];
    char *dir = vectors("vectors/ledger/tiles/tessera-15");
    if (dir == NULL) return;
    char *folder = vs_test_folder_new();
    (void)snprintf(command, sizeof command, "%s/vkey", dir);
    FILE *f = fopen(command, "r");
    cr_assert(f != NULL && fgets(key, sizeof key, f) != NULL);
    (void)fclose(f);
    key[strcspn(key, "\r\n")] = '\0';
    cr_expect(VS_RUN_EXPECT(
        "/", 0, "ledger: 15 entries, 1 checkpoints, 0 cosignatures, 0 blobs, no problem\n", "",
        "ledger", "fsck", dir, "--vkey", key));
    (void)snprintf(command, sizeof command,
                   "cp -r --no-preserve=mode '%s' '%s/t' && printf x | dd status=none conv=notrunc "
                   "bs=1 seek=40 of='%s/t/tile/entries/000.p/15'",
                   dir, folder, folder);
    cr_assert_eq(system(command), 0);
    vs_run run = VS_RUN(folder, "ledger", "fsck", "t", "--vkey", key);
    cr_expect_eq(run.status, 1);
    cr_expect_eq(strncmp(run.out, "problem: tile/entries/000.p/15: entry ", 38), 0, "%s", run.out);
    vs_run_free(&run);
    run = VS_RUN(folder, "ledger", "fsck", "t");
    cr_expect_eq(run.status, 1);
    cr_expect_not_null(strstr(run.err, "give --vkey"), "%s", run.err);
    vs_run_free(&run);
    vs_test_folder_remove(folder);
    free(dir);
}
