#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/fsck.h"
#include "ledger/log.h"
#include "tests/ledger/support_ledger.h"
#include "tests/support.h"

#define ORIGIN "example.org/log"
enum { ENTRIES = 300, FILE_MAX = 1 << 22 };

typedef struct folder {
    char *dir;
    char db[300];
    char pages[300];
    char blob[400];
    sample_key log;
    vs_buf text; /* of the problems, one per line */
    vs_fsck_report report;
} folder;

static void remember(void *ctx, const char *text)
{
    vs_buf_printf(ctx, "%s\n", text);
}

static vs_err check(folder *f)
{
    vs_diag diag = {{0}};
    f->text.len = 0;
    vs_err err = vs_fsck(f->dir, &f->log.key, remember, &f->text, &f->report, &diag);
    vs_buf_u8(&f->text, 0);
    cr_expect_eq(err == VS_OK, diag.text[0] == '\0');
    return err;
}

static void expect_clean(folder *f)
{
    cr_assert_eq(check(f), VS_OK);
    cr_expect_eq(f->report.n_problems, 0, "%s", (const char *)f->text.p);
}

static void expect_problem(folder *f, const char *what)
{
    cr_assert_eq(check(f), VS_OK);
    cr_expect_gt(f->report.n_problems, 0, "%s", what);
    cr_expect_not_null(strstr((const char *)f->text.p, what), "no \"%s\" in:\n%s", what,
                       (const char *)f->text.p);
}

/* 300 entries in two appends, so two tile levels and three checkpoints; a real `set` entry whose
 * blobs are there; one cosignature of the newest size. Closed cleanly. */
static folder folder_new(void)
{
    folder f = {.log = sample_key_of(ORIGIN, VS_NOTE_ED25519, 1)};
    sample_key w = sample_key_of("w1", VS_NOTE_COSIGNATURE, 2);
    vs_log *log;
    vs_h32 name;
    uint64_t first;
    char text[ENTRIES][64];
    vs_bytes e[ENTRIES];
    f.dir = vs_test_folder_new();
    (void)snprintf(f.db, sizeof f.db, "%s/ledger.db", f.dir);
    (void)snprintf(f.pages, sizeof f.pages, "%s/ledger.db.pages", f.dir);
    cr_assert_eq(vs_log_create(&log, f.dir, ORIGIN, &f.log.key, f.log.seed, NULL), VS_OK);
    cr_assert_eq(vs_log_blob_put(log, "records", 7, &name, NULL), VS_OK);
    char *path = vs_log_blob_path(log, &name);
    (void)snprintf(f.blob, sizeof f.blob, "%s", path);
    free(path);
    vs_entry set = sample_entry(VS_ENTRY_SET);
    set.u.set.records_blob = name;
    set.u.set.rejected_blob = name;
    vs_buf payload = {0};
    vs_buf envelope = {0};
    cr_assert_eq(vs_entry_encode(&payload, &set, NULL), VS_OK);
    cr_assert_eq(vs_dsse_sign(&envelope, "set", payload.p, payload.len, f.log.seed, NULL), VS_OK);
    e[0] = (vs_bytes){envelope.p, envelope.len};
    for (int i = 1; i < ENTRIES; i++) {
        e[i].len = (size_t)snprintf(text[i], sizeof text[i], "this is the entry <%03d>", i);
        e[i].p = (const uint8_t *)text[i];
    }
    cr_assert_eq(vs_log_append(log, e, 5, &first, NULL, NULL), VS_OK);
    cr_assert_eq(vs_log_append(log, e + 5, ENTRIES - 5, &first, NULL, NULL), VS_OK);
    vs_buf note = {0};
    vs_note_result who;
    uint8_t sig[VS_COSIGNATURE_BYTES];
    cr_assert_eq(vs_log_checkpoint(log, &note, NULL), VS_OK);
    cr_assert_eq(vs_note_verify(&who, note.p, note.len, &f.log.key, 1, NULL), VS_OK);
    vs_cosign(sig, (const char *)note.p, who.text_len, 1700000000, w.seed);
    cr_assert_eq(vs_log_add_cosignature(log, ENTRIES, &w.key, sig, NULL), VS_OK);
    vs_log_close(log);
    vs_buf_free(&note);
    vs_buf_free(&payload);
    vs_buf_free(&envelope);
    return f;
}

static void folder_free(folder *f)
{
    vs_buf_free(&f->text);
    vs_test_folder_remove(f->dir);
}

static vs_buf read_file(const char *path)
{
    vs_buf b = {0};
    cr_assert_eq(vs_file_read(&b, path, FILE_MAX, NULL), VS_OK);
    return b;
}

static void write_file(const char *path, const vs_buf *b)
{
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(b->p, 1, b->len, f), b->len);
    cr_assert_eq(fclose(f), 0);
}

/* Where these bytes are in the file; they must be there `times` times, the k-th is taken. */
static size_t find(const vs_buf *b, const void *what, size_t len, unsigned k)
{
    for (size_t at = 0; at + len <= b->len; at++) {
        if (memcmp(b->p + at, what, len) == 0 && k-- == 0) return at;
    }
    cr_assert_fail("not in the file");
    return 0;
}

static void flip(folder *f, const char *path, size_t at)
{
    vs_buf b = read_file(path);
    (void)f;
    b.p[at] ^= 0x01;
    write_file(path, &b);
    vs_buf_free(&b);
}

Test(fsck, a_whole_folder_is_clean)
{
    folder f = folder_new();
    expect_clean(&f);
    cr_expect_eq(f.report.n_entries, ENTRIES);
    cr_expect_eq(f.report.n_checkpoints, 3);
    cr_expect_eq(f.report.n_cosignatures, 1);
    cr_expect_eq(f.report.n_blobs, 1);
    cr_expect(!f.report.unclean_stop);
    cr_assert_eq(vs_file_remove(f.pages, NULL), VS_OK);
    expect_clean(&f);
    cr_expect(f.report.unclean_stop);
    folder_free(&f);
}

/* Each kind of content, changed by one bit; with page hashes (both problems) and without. */
static void expect_named(const char *needle, size_t needle_len, unsigned k, const char *problem)
{
    folder f = folder_new();
    vs_buf b = read_file(f.db);
    size_t at = find(&b, needle, needle_len, k) + needle_len - 1;
    char page[128];
    (void)snprintf(page, sizeof page, "ledger.db: page %zu (bytes %zu..%zu)", at / 4096 + 1,
                   at / 4096 * 4096, at / 4096 * 4096 + 4095);
    vs_buf_free(&b);
    flip(&f, f.db, at);
    expect_problem(&f, problem);
    cr_expect_not_null(strstr((const char *)f.text.p, page), "no \"%s\" in:\n%s", page,
                       (const char *)f.text.p);
    vs_log *log;
    cr_expect_neq(vs_log_open(&log, f.dir, &f.log.key, f.log.seed, NULL), VS_OK);
    cr_assert_eq(vs_file_remove(f.pages, NULL), VS_OK);
    expect_problem(&f, problem);
    folder_free(&f);
}

Test(fsck, a_changed_entry_is_named)
{
    const char *text = "this is the entry <123";
    expect_named(text, strlen(text), 0, "entry 123: its bytes do not match its leaf hash");
}

Test(fsck, a_changed_tile_is_named)
{
    vs_h32 leaf;
    const char *text = "this is the entry <123>";
    vs_merkle_leaf(&leaf, text, strlen(text));
    expect_named((const char *)leaf.b, sizeof leaf.b, 0, "tile 0/0: hash 123 is wrong");
    text = "this is the entry <260>";
    vs_merkle_leaf(&leaf, text, strlen(text));
    expect_named((const char *)leaf.b, sizeof leaf.b, 0, "tile 0/1: hash 4 is wrong");
}

Test(fsck, a_changed_checkpoint_is_named)
{
    expect_named(ORIGIN "\n5\n", strlen(ORIGIN) + 3, 0, "checkpoint of size 5: ");
}

Test(fsck, a_changed_checkpoint_signature_is_named)
{
    folder f = folder_new();
    vs_buf b = read_file(f.db);
    size_t text = find(&b, ORIGIN "\n300\n", strlen(ORIGIN) + 5, 0);
    vs_buf rest = {.p = b.p + text, .len = 400};
    size_t line = find(&rest, "\xe2\x80\x94 " ORIGIN " ", strlen(ORIGIN) + 5, 0);
    flip(&f, f.db, text + line + strlen(ORIGIN) + 5 + 30);
    expect_problem(&f, "checkpoint of size 300: note: signature by " ORIGIN);
    vs_buf_free(&b);
    folder_free(&f);
}

Test(fsck, a_changed_cosignature_is_named)
{
    folder f = folder_new();
    vs_buf b = read_file(f.db);
    char vkey[VS_VKEY_CHARS];
    sample_key w = sample_key_of("w1", VS_NOTE_COSIGNATURE, 2);
    vs_note_key_format(vkey, &w.key);
    size_t at = find(&b, vkey, strlen(vkey), 0);
    flip(&f, f.db, at + strlen(vkey) + 20); /* in the signature, which is stored next */
    expect_problem(&f, "cosignature of size 300 by w1+");
    vs_buf_free(&b);
    folder_free(&f);
}

Test(fsck, a_changed_or_missing_blob_is_named)
{
    folder f = folder_new();
    flip(&f, f.blob, 3);
    expect_problem(&f, strrchr(f.blob, '/') + 1);
    expect_problem(&f, "its bytes do not hash to its name");
    cr_assert_eq(remove(f.blob), 0);
    expect_problem(&f, "entry 0: its blob");
    folder_free(&f);
}

Test(fsck, the_page_hash_file_cannot_change_unseen)
{
    folder f = folder_new();
    vs_buf b = read_file(f.pages);
    for (size_t at = 0; at < b.len; at += 1 + b.len / 60) {
        flip(&f, f.pages, at);
        expect_problem(&f, "ledger.db.pages: changed since the last stop");
        flip(&f, f.pages, at);
    }
    vs_buf cut = {.p = b.p, .len = b.len - 1};
    write_file(f.pages, &cut);
    expect_problem(&f, "ledger.db.pages");
    cut.len = 0;
    write_file(f.pages, &cut);
    expect_problem(&f, "ledger.db.pages");
    write_file(f.pages, &b);
    expect_clean(&f);
    vs_buf_free(&b);
    folder_free(&f);
}

/* Whatever the byte, used or not: the page is named. Every page header, and offsets all over. */
Test(fsck, any_byte_of_the_database_that_changes_is_found, .timeout = 300)
{
    folder f = folder_new();
    vs_buf b = read_file(f.db);
    cr_assert_eq(b.len % 4096, 0);
    cr_expect_geq(b.len / 4096, 10);
    for (size_t page = 0; page < b.len / 4096; page++) {
        const size_t in_page[] = {
            0, 1, 5, 8, page == 0 ? 18 : 12, 100, (size_t)(vs_test_u64(9, page) % 4096), 4095};
        for (size_t i = 0; i < sizeof in_page / sizeof in_page[0]; i++) {
            size_t at = page * 4096 + in_page[i];
            char want[64];
            (void)snprintf(want, sizeof want, "ledger.db: page %zu (", page + 1);
            flip(&f, f.db, at);
            expect_problem(&f, want);
            flip(&f, f.db, at);
        }
    }
    expect_clean(&f);
    vs_buf cut = {.p = b.p, .len = b.len - 4096};
    write_file(f.db, &cut);
    expect_problem(&f, "bytes long");
    vs_buf_free(&b);
    folder_free(&f);
}

Test(fsck, a_slack_byte_that_sqlite_does_not_read_is_found)
{
    folder f = folder_new();
    vs_buf b = read_file(f.db);
    static const uint8_t zeros[64] = {0};
    size_t at = find(&b, zeros, sizeof zeros, 1000); /* deep in unused space */
    flip(&f, f.db, at);
    expect_problem(&f, "changed since the last stop");
    cr_expect_eq(f.report.n_problems, 1, "nothing else sees it:\n%s", (const char *)f.text.p);
    vs_buf_free(&b);
    folder_free(&f);
}

Test(fsck, another_key_is_noticed)
{
    folder f = folder_new();
    f.log = sample_key_of(ORIGIN, VS_NOTE_ED25519, 9);
    expect_problem(&f, "log key: the log says " ORIGIN);
    folder_free(&f);
}

Test(fsck, a_log_in_use_or_absent_cannot_be_checked)
{
    folder f = folder_new();
    vs_log *log;
    cr_assert_eq(vs_log_open(&log, f.dir, &f.log.key, f.log.seed, NULL), VS_OK);
    cr_expect_eq(check(&f), VS_ERR_STATE);
    vs_log_close(log);
    expect_clean(&f);
    cr_assert_eq(remove(f.db), 0);
    cr_expect_eq(check(&f), VS_ERR_IO);
    folder_free(&f);
}

/* Rows that do not belong: an entry beyond the head, a tile, a checkpoint, a cosignature. */
static void expect_row_problem(const char *sql, const char *problem)
{
    folder f = folder_new();
    vs_db *db;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_db_open(&db, f.db, false, false, NULL), VS_OK);
    cr_assert_eq(vs_db_begin(db, NULL), VS_OK);
    cr_assert_eq(vs_db_exec(db, sql, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(vs_db_commit(db, NULL), VS_OK);
    vs_db_close(db);
    expect_problem(&f, problem);
    vs_log *log;
    if (strstr(problem, "beyond") == NULL) {
        folder_free(&f);
        return;
    }
    (void)!vs_log_open(&log, f.dir, &f.log.key, f.log.seed, NULL);
    vs_log_close(log);
    folder_free(&f);
}

Test(fsck, rows_that_are_too_many_or_missing)
{
    expect_row_problem("INSERT INTO entries VALUES (300, x'00')", "1 entries beyond");
    expect_row_problem("INSERT INTO tiles VALUES (0, 2, x'00')", "1 tiles beyond");
    expect_row_problem("INSERT INTO tiles VALUES (9, 0, x'00')", "1 tiles beyond");
    expect_row_problem("DELETE FROM entries WHERE idx = 77", "entry 77: is missing");
    expect_row_problem("DELETE FROM entries WHERE idx = 299", "entry 299");
    expect_row_problem("DELETE FROM tiles WHERE level = 1", "tile 1/0: 0 hashes, not 1");
    expect_row_problem("UPDATE tiles SET hashes = zeroblob(32) WHERE level = 1",
                       "tile 1/0: hash 0");
    expect_row_problem("DELETE FROM checkpoints", "newest checkpoint");
    expect_row_problem("UPDATE checkpoints SET size = 301 WHERE size = 300",
                       "entry 300: is missing");
    expect_row_problem("UPDATE checkpoints SET size = 7 WHERE size = 5", "checkpoint of size 7");
    expect_row_problem("UPDATE checkpoints SET root = zeroblob(32) WHERE size = 5",
                       "checkpoint of size 5: the root beside it is wrong");
    expect_row_problem("UPDATE cosignatures SET size = 5", "cosignature of size 5");
    expect_row_problem("UPDATE cosignatures SET size = 400", "cosignature of size 400");
    expect_row_problem("DELETE FROM kv WHERE key = 'log/key'", "no log in it");
}

/* A restored snapshot: a cosigner has seen more than the log has. */
Test(fsck, a_log_behind_its_cosigners_is_not_opened)
{
    folder f = folder_new();
    vs_db *db;
    vs_log *log;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_db_open(&db, f.db, false, false, NULL), VS_OK);
    cr_assert_eq(vs_db_begin(db, NULL), VS_OK);
    cr_assert_eq(vs_db_exec(db, "UPDATE cosignatures SET size = 400", NULL), VS_OK);
    cr_assert_eq(vs_db_commit(db, NULL), VS_OK);
    vs_db_close(db);
    cr_expect_eq(vs_log_open(&log, f.dir, &f.log.key, f.log.seed, &diag), VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "a cosigner has seen size 400"), "%s", diag.text);
    folder_free(&f);
}
