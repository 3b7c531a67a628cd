#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/fsck.h"
#include "ledger/log.h"
#include "tests/ledger/support_ledger.h"
#include "tests/support.h"

#define ORIGIN "example.org/log"

static vs_log *created(const char *dir, const sample_key *k)
{
    vs_log *log;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_log_create(&log, dir, ORIGIN, &k->key, k->seed, &diag), VS_OK, "%s", diag.text);
    return log;
}

static vs_log *opened(const char *dir, const sample_key *k)
{
    vs_log *log;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_log_open(&log, dir, &k->key, k->seed, &diag), VS_OK, "%s", diag.text);
    return log;
}

static size_t entry_of(char out[64], uint64_t i)
{
    return (size_t)snprintf(out, 64, "entry number %llu", (unsigned long long)i);
}

/* n entries in one append, numbered from the size. */
static void append(vs_log *log, uint32_t n)
{
    char(*text)[64] = calloc(n, sizeof *text);
    vs_bytes *e = calloc(n, sizeof *e);
    vs_h32 *leaf = calloc(n, sizeof *leaf);
    uint64_t size = vs_log_size(log);
    uint64_t first = 0;
    vs_diag diag = {{0}};
    for (uint32_t i = 0; i < n; i++) {
        e[i].len = entry_of(text[i], size + i);
        e[i].p = (const uint8_t *)text[i];
    }
    cr_assert_eq(vs_log_append(log, e, n, &first, leaf, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(first, size);
    cr_expect_eq(vs_log_size(log), size + n);
    for (uint32_t i = 0; i < n; i++) {
        vs_h32 want;
        vs_merkle_leaf(&want, e[i].p, e[i].len);
        cr_expect(vs_h32_equal(&want, &leaf[i]));
    }
    free(text);
    free(e);
    free(leaf);
}

static vs_h32 leaf_of(uint64_t i)
{
    char text[64];
    vs_h32 leaf;
    vs_merkle_leaf(&leaf, text, entry_of(text, i));
    return leaf;
}

static vs_h32 root_of(uint64_t size)
{
    vs_merkle m;
    vs_h32 root;
    vs_merkle_init(&m);
    for (uint64_t i = 0; i < size; i++) {
        vs_h32 leaf = leaf_of(i);
        vs_merkle_append(&m, &leaf);
    }
    vs_merkle_root(&m, &root);
    return root;
}

/* The whole log is as the entries say: bytes, leaf hashes, root, proofs, signed checkpoint. */
static void expect_log(vs_log *log, const vs_note_key *key, uint64_t size, uint64_t step)
{
    vs_tree_reader tree = vs_log_tree(log);
    vs_h32 root = root_of(size);
    vs_h32 got;
    vs_buf b = {0};
    vs_tree_path path;
    cr_assert_eq(vs_log_size(log), size);
    vs_log_root(log, &got);
    cr_expect(vs_h32_equal(&got, &root));
    for (uint64_t i = 0; i < size; i += step) {
        char text[64];
        size_t len = entry_of(text, i);
        vs_h32 leaf = leaf_of(i);
        vs_buf_reset(&b);
        cr_assert_eq(vs_log_entry(log, i, &b, NULL), VS_OK);
        cr_expect(b.len == len && memcmp(b.p, text, len) == 0);
        cr_assert_eq(vs_log_leaf_hash(log, i, &got, NULL), VS_OK);
        cr_expect(vs_h32_equal(&got, &leaf));
        cr_assert_eq(vs_tree_prove_inclusion(&tree, i, size, &path), VS_OK);
        cr_expect_eq(vs_tree_verify_inclusion(&leaf, i, size, &root, &path), VS_OK);
        if (i > 0) {
            vs_h32 old = root_of(i);
            cr_assert_eq(vs_tree_prove_consistency(&tree, i, size, &path), VS_OK);
            cr_expect_eq(vs_tree_verify_consistency(i, &old, size, &root, &path), VS_OK);
        }
    }
    cr_expect_eq(vs_log_entry(log, size, &b, NULL), VS_ERR_LIMIT);
    cr_expect_eq(vs_log_leaf_hash(log, size, &got, NULL), VS_ERR_LIMIT);
    vs_note_result who;
    vs_checkpoint c;
    vs_buf_reset(&b);
    cr_assert_eq(vs_log_checkpoint(log, &b, NULL), VS_OK);
    cr_assert_eq(vs_note_verify(&who, b.p, b.len, key, 1, NULL), VS_OK);
    cr_assert_eq(vs_checkpoint_parse(&c, b.p, who.text_len, NULL), VS_OK);
    cr_expect_str_eq(c.origin, ORIGIN);
    cr_expect(c.size == size && vs_h32_equal(&c.root, &root));
    vs_buf_free(&b);
}

Test(log, append_reopen_prove)
{
    sample_key k = sample_key_of(ORIGIN, VS_NOTE_ED25519, 1);
    char *dir = vs_test_folder_new();
    vs_log *log = created(dir, &k);
    cr_expect_str_eq(vs_log_origin(log), ORIGIN);
    expect_log(log, &k.key, 0, 1);
    uint64_t size = 0;
    for (uint32_t n = 1; n <= 9; n++) {
        append(log, n);
        size += n;
        expect_log(log, &k.key, size, 3);
        vs_log_close(log);
        log = opened(dir, &k);
        expect_log(log, &k.key, size, 7);
    }
    vs_log_close(log);
    vs_diag diag = {{0}};
    cr_assert_eq(vs_log_open_read(&log, dir, &diag), VS_OK, "%s", diag.text);
    expect_log(log, &k.key, size, 1);
    vs_log_close(log);
    vs_test_folder_remove(dir);
}

/* Across the edges of level-0 and level-1 tiles, reopened at each side. */
Test(log, tile_edges)
{
    static const uint32_t step[] = {255, 1, 1, 254, 1, 65023, 1, 1, 300};
    sample_key k = sample_key_of(ORIGIN, VS_NOTE_ED25519, 1);
    char *dir = vs_test_folder_new();
    vs_log *log = created(dir, &k);
    uint64_t size = 0;
    for (size_t i = 0; i < sizeof step / sizeof step[0]; i++) {
        append(log, step[i]);
        size += step[i];
        vs_log_close(log);
        log = opened(dir, &k);
        expect_log(log, &k.key, size, size < 600 ? 37 : 16001);
    }
    vs_log_close(log);
    vs_test_folder_remove(dir);
}

Test(log, create_and_open_refuse_what_does_not_belong)
{
    sample_key k = sample_key_of(ORIGIN, VS_NOTE_ED25519, 1);
    sample_key other = sample_key_of(ORIGIN, VS_NOTE_ED25519, 2);
    sample_key renamed = sample_key_of("other", VS_NOTE_ED25519, 1);
    sample_key cosigner = sample_key_of(ORIGIN, VS_NOTE_COSIGNATURE, 1);
    char *dir = vs_test_folder_new();
    vs_log *log;
    vs_diag diag = {{0}};
    cr_expect_eq(vs_log_open(&log, dir, &k.key, k.seed, &diag), VS_ERR_IO, "%s", diag.text);
    cr_expect_eq(vs_log_create(&log, dir, ORIGIN, &renamed.key, k.seed, &diag), VS_ERR_STATE);
    cr_expect_eq(vs_log_create(&log, dir, ORIGIN, &cosigner.key, k.seed, &diag), VS_ERR_STATE);
    cr_expect_eq(vs_log_create(&log, dir, ORIGIN, &k.key, other.seed, &diag), VS_ERR_STATE);
    cr_expect_null(log);
    vs_log_close(created(dir, &k));
    cr_expect_eq(vs_log_create(&log, dir, ORIGIN, &k.key, k.seed, &diag), VS_ERR_STATE);
    cr_expect_not_null(strstr(diag.text, "already"), "%s", diag.text);
    cr_expect_eq(vs_log_open(&log, dir, &other.key, other.seed, &diag), VS_ERR_STATE);
    cr_expect_eq(vs_log_open(&log, dir, &k.key, other.seed, &diag), VS_ERR_STATE);
    cr_expect_null(log);
    vs_test_folder_remove(dir);
}

/* A daemon killed in its first start leaves a database without a log. */
Test(log, a_creation_that_was_cut_short_is_done_again)
{
    char *dir = vs_test_folder_new();
    char path[600];
    sample_key k = sample_key_of("example.org/log", VS_NOTE_ED25519, 1);
    vs_db *db = NULL;
    vs_log *log = NULL;
    vs_diag diag = {{0}};
    (void)snprintf(path, sizeof path, "%s/ledger.db", dir);
    cr_assert_eq(vs_db_open(&db, path, true, false, &diag), VS_OK, "%s", diag.text);
    vs_db_close(db);
    cr_expect_eq(vs_log_open(&log, dir, &k.key, k.seed, &diag), VS_ERR_STATE);
    for (uint64_t size = 0; size < 2; size++) {
        cr_assert_eq(vs_log_open_or_create(&log, dir, k.key.name, &k.key, k.seed, &diag), VS_OK,
                     "%s", diag.text);
        cr_expect_eq(vs_log_size(log), size);
        append(log, 1);
        vs_log_close(log);
    }
    sample_key other = sample_key_of("example.org/log", VS_NOTE_ED25519, 2);
    cr_expect_eq(vs_log_open_or_create(&log, dir, other.key.name, &other.key, other.seed, &diag),
                 VS_ERR_STATE);
    cr_expect_null(log);
    vs_test_folder_remove(dir);
}

Test(log, entries_have_1_to_65535_bytes)
{
    sample_key k = sample_key_of(ORIGIN, VS_NOTE_ED25519, 1);
    char *dir = vs_test_folder_new();
    vs_log *log = created(dir, &k);
    uint8_t *big = calloc(1, VS_ENTRY_MAX_BYTES + 1);
    uint64_t first;
    vs_bytes e[2] = {{big, 1}, {big, VS_ENTRY_MAX_BYTES + 1}};
    cr_expect_eq(vs_log_append(log, e, 2, &first, NULL, NULL), VS_ERR_LIMIT);
    e[1].len = 0;
    cr_expect_eq(vs_log_append(log, e, 2, &first, NULL, NULL), VS_ERR_LIMIT);
    cr_expect_eq(vs_log_size(log), 0);
    e[1].len = VS_ENTRY_MAX_BYTES;
    cr_expect_eq(vs_log_append(log, e, 2, &first, NULL, NULL), VS_OK);
    vs_log_close(log);
    free(big);
    vs_test_folder_remove(dir);
}

Test(log, cosignatures_come_with_their_checkpoint)
{
    sample_key k = sample_key_of(ORIGIN, VS_NOTE_ED25519, 1);
    sample_key w[2] = {sample_key_of("w1", VS_NOTE_COSIGNATURE, 5),
                       sample_key_of("w2", VS_NOTE_COSIGNATURE, 6)};
    char *dir = vs_test_folder_new();
    vs_log *log = created(dir, &k);
    append(log, 3);
    vs_buf note = {0};
    vs_note_result who;
    uint8_t sig[VS_COSIGNATURE_BYTES];
    cr_assert_eq(vs_log_checkpoint(log, &note, NULL), VS_OK);
    cr_assert_eq(vs_note_verify(&who, note.p, note.len, &k.key, 1, NULL), VS_OK);
    for (int i = 0; i < 2; i++) {
        vs_cosign(sig, (const char *)note.p, who.text_len, 1700000000, w[i].seed);
        cr_expect_eq(vs_log_add_cosignature(log, 3, &w[i].key, sig, NULL), VS_OK);
        cr_expect_eq(vs_log_add_cosignature(log, 3, &w[i].key, sig, NULL), VS_OK, "idempotent");
        cr_expect_eq(vs_log_add_cosignature(log, 3, &w[1 - i].key, sig, NULL), VS_ERR_PROOF);
        cr_expect_eq(vs_log_add_cosignature(log, 2, &w[i].key, sig, NULL), VS_ERR_STATE);
    }
    append(log, 1);
    for (int again = 0; again < 2; again++) {
        vs_note_key keys[3] = {k.key, w[0].key, w[1].key};
        vs_buf_reset(&note);
        cr_assert_eq(vs_log_checkpoint_at(log, 3, &note, NULL), VS_OK);
        cr_assert_eq(vs_note_verify(&who, note.p, note.len, keys, 3, NULL), VS_OK);
        cr_expect_eq(who.n_verified, 3);
        vs_buf_reset(&note);
        cr_assert_eq(vs_log_checkpoint(log, &note, NULL), VS_OK);
        cr_assert_eq(vs_note_verify(&who, note.p, note.len, keys, 3, NULL), VS_OK);
        cr_expect_eq(who.n_verified, 1);
        cr_expect_eq(vs_log_checkpoint_at(log, 2, &note, NULL), VS_ERR_STATE);
        vs_log_close(log);
        log = opened(dir, &k);
    }
    vs_log_close(log);
    vs_buf_free(&note);
    vs_test_folder_remove(dir);
}

Test(log, blobs_are_named_by_their_hash)
{
    sample_key k = sample_key_of(ORIGIN, VS_NOTE_ED25519, 1);
    char *dir = vs_test_folder_new();
    vs_log *log = created(dir, &k);
    vs_h32 name;
    vs_h32 want;
    vs_buf b = {0};
    cr_assert_eq(vs_log_blob_put(log, "hello", 5, &name, NULL), VS_OK);
    vs_sha256(&want, "hello", 5);
    cr_expect(vs_h32_equal(&name, &want));
    char *path = vs_log_blob_path(log, &name);
    cr_assert_eq(vs_file_read(&b, path, 100, NULL), VS_OK);
    cr_expect(b.len == 5 && memcmp(b.p, "hello", 5) == 0);
    cr_assert_eq(vs_file_write_durable(path, "hellO", 5, 0600, NULL), VS_OK); /* damaged */
    cr_assert_eq(vs_log_blob_put(log, "hello", 5, &name, NULL), VS_OK);
    vs_buf_reset(&b);
    cr_assert_eq(vs_file_read(&b, path, 100, NULL), VS_OK);
    cr_expect(memcmp(b.p, "hello", 5) == 0, "put again, whole again");
    cr_assert_eq(vs_log_blob_put(log, "", 0, &name, NULL), VS_OK);
    free(path);
    vs_buf_free(&b);
    vs_log_close(log);
    vs_test_folder_remove(dir);
}

Test(log, round_state_lives_beside_the_log)
{
    sample_key k = sample_key_of(ORIGIN, VS_NOTE_ED25519, 1);
    char *dir = vs_test_folder_new();
    vs_log *log = created(dir, &k);
    vs_buf b = {0};
    bool found;
    cr_assert_eq(vs_db_put(vs_log_db(log), "round/7", "x", 1, NULL), VS_OK);
    vs_log_close(log);
    log = opened(dir, &k);
    cr_assert_eq(vs_db_get(vs_log_db(log), "round/7", &b, &found, NULL), VS_OK);
    cr_expect(found && b.len == 1);
    vs_buf_free(&b);
    vs_log_close(log);
    vs_test_folder_remove(dir);
}

/* Append without end, telling the parent each size that is durable. */
static void append_for_ever(const char *dir, const sample_key *k, int out)
{
    vs_log *log = opened(dir, k);
    for (uint32_t n = 1;; n = n % 5 + 1) {
        append(log, n);
        uint64_t size = vs_log_size(log);
        if (write(out, &size, sizeof size) != (ssize_t)sizeof size) _exit(1);
    }
}

Test(log, killed_in_the_middle_of_appends, .timeout = 120)
{
    sample_key k = sample_key_of(ORIGIN, VS_NOTE_ED25519, 1);
    char *dir = vs_test_folder_new();
    vs_log_close(created(dir, &k));
    for (uint32_t turn = 0; turn < 12; turn++) {
        int pipe_fd[2];
        uint64_t told = 0;
        uint64_t size;
        cr_assert_eq(pipe(pipe_fd), 0);
        pid_t pid = fork();
        if (pid == 0) append_for_ever(dir, &k, pipe_fd[1]);
        (void)close(pipe_fd[1]);
        struct timespec pause_time = {0, (long)(1 + vs_test_u64(1, turn) % 9) * 1000000};
        cr_assert_eq(read(pipe_fd[0], &told, sizeof told), (ssize_t)sizeof told);
        (void)nanosleep(&pause_time, NULL);
        cr_assert_eq(kill(pid, SIGKILL), 0);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
        while (read(pipe_fd[0], &size, sizeof size) == (ssize_t)sizeof size) told = size;
        (void)close(pipe_fd[0]);
        vs_fsck_report report;
        vs_diag diag = {{0}};
        cr_assert_eq(vs_fsck(dir, &k.key, NULL, NULL, &report, &diag), VS_OK, "%s", diag.text);
        cr_expect_eq(report.n_problems, 0);
        cr_expect(report.unclean_stop);
        vs_log *log = opened(dir, &k);
        size = vs_log_size(log);
        cr_expect_geq(size, told, "nothing that was told may be lost");
        cr_expect_leq(size, told + 5);
        expect_log(log, &k.key, size, size / 7 + 1);
        vs_log_close(log);
    }
    vs_test_folder_remove(dir);
}

/* A disk that gets full: the append fails whole, and what was committed stays. */
Test(log, a_failing_write_loses_nothing_committed)
{
    sample_key k = sample_key_of(ORIGIN, VS_NOTE_ED25519, 1);
    for (rlim_t room = 4096; room < 200000; room += 20000) {
        char *dir = vs_test_folder_new();
        vs_log *log = created(dir, &k);
        append(log, 2);
        uint8_t *big = calloc(1, VS_ENTRY_MAX_BYTES);
        vs_bytes e = {big, VS_ENTRY_MAX_BYTES};
        uint64_t first;
        uint64_t size = 2;
        vs_err err = VS_OK;
        vs_diag diag = {{0}};
        struct rlimit old;
        (void)signal(SIGXFSZ, SIG_IGN);
        cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){room, old.rlim_max}), 0);
        for (int i = 0; i < 10 && err == VS_OK; i++) {
            err = vs_log_append(log, &e, 1, &first, NULL, &diag);
            if (err == VS_OK) size++;
        }
        cr_expect_eq(err, VS_ERR_IO, "%s", diag.text);
        cr_expect_eq(vs_log_size(log), size);
        vs_log_close(log);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        vs_fsck_report report;
        cr_assert_eq(vs_fsck(dir, &k.key, NULL, NULL, &report, &diag), VS_OK, "%s", diag.text);
        cr_expect_eq(report.n_problems, 0);
        log = opened(dir, &k);
        cr_expect_eq(vs_log_size(log), size);
        cr_expect_eq(vs_log_append(log, &e, 1, &first, NULL, NULL), VS_OK);
        vs_log_close(log);
        free(big);
        vs_test_folder_remove(dir);
    }
}
