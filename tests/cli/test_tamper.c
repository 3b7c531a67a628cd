/* A changed byte anywhere in a finished ledger is named by `ledger fsck` or by `audit`.
 *
 * The ledger is a real one: two rounds of a whole federation, a result and an abort, cosigned. Each
 * test takes its pristine files, changes one thing as a disk or a tamperer would, and looks. Most
 * looks call vs_fsck, which is all that the command runs; a sample goes through the program. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/db.h"
#include "ledger/dsse.h"
#include "ledger/fsck.h"
#include "ledger/log.h"
#include "tests/cli/support_run.h"
#include "tests/net/support_world.h"
#include "tests/support.h"

enum { FILE_MAX = 1 << 22, PAGE = 4096, SAMPLE = 32 /* every so manieth through the program */ };

typedef struct scene {
    vs_world *w;
    char db[400], pages[400];
    vs_buf db_bytes, pages_bytes; /* as the clean stop left them */
    vs_buf found;                 /* lines of the last look */
    vs_fsck_report report;
} scene;

static vs_buf read_file(const char *path)
{
    vs_buf b = {0};
    cr_assert_eq(vs_file_read(&b, path, FILE_MAX, NULL), VS_OK, "%s", path);
    return b;
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(data, 1, len, f), len);
    cr_assert_eq(fclose(f), 0);
}

static void path_in(char out[400], const scene *s, const char *name)
{
    (void)snprintf(out, 400, "%s/%s", s->w->folder, name);
}

/* Round 1 ends with a result, round 2 is cancelled, and the aggregator stops cleanly. */
static scene scene_new(uint64_t seed)
{
    vs_world_config config = {.committee = {.n = 4, .t = 1, .k = 1, .margin = 1},
                              .n_clients = 3,
                              .min_clients = 2,
                              .max_clients = 8,
                              .dim = 20,
                              .seed = seed};
    scene s = {.w = vs_world_new(&config)};
    vs_world *w = s.w;
    char path[400];
    cr_assert_eq(vs_world_open(w, 1, 3), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    for (uint32_t i = 0; i < 3; i++) vs_world_submit(w, i);
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 60000));
    cr_assert_eq(vs_world_open(w, 2, 0), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    cr_assert_eq(vs_world_end(w, VS_OPERATION_CANCEL, 2), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_ABORTED, 60000));
    vs_world_run_for(w, 2000); /* the abort gets its cosignatures */
    vs_aggregator_free(w->ag);
    vs_log_close(w->log);
    w->ag = NULL;
    w->log = NULL;
    path_in(s.db, &s, "ledger.db");
    path_in(s.pages, &s, "ledger.db.pages");
    s.db_bytes = read_file(s.db);
    s.pages_bytes = read_file(s.pages);
    path_in(path, &s, "federation.json");
    write_file(path, w->tf->fed->file.p, w->tf->fed->file.len);
    return s;
}

static void scene_free(scene *s)
{
    vs_buf_free(&s->db_bytes);
    vs_buf_free(&s->pages_bytes);
    vs_buf_free(&s->found);
    vs_world_free(s->w);
}

/* The database as the clean stop left it. */
static void restore(const scene *s)
{
    char wal[420];
    (void)snprintf(wal, sizeof wal, "%s-wal", s->db);
    (void)unlink(wal);
    write_file(s->db, s->db_bytes.p, s->db_bytes.len);
    write_file(s->pages, s->pages_bytes.p, s->pages_bytes.len);
}

static void set_byte(const char *path, size_t at, uint8_t v)
{
    int fd = open(path, O_WRONLY);
    cr_assert(fd >= 0 && pwrite(fd, &v, 1, (off_t)at) == 1 && close(fd) == 0);
}

/* --- looking -----------------------------------------------------------------------------------
 */

static void remember(void *ctx, const char *text)
{
    vs_buf_printf(ctx, "%s\n", text);
}

static const char *fsck(scene *s)
{
    vs_diag diag = {{0}};
    vs_buf_reset(&s->found);
    vs_err err = vs_fsck(s->w->folder, NULL, remember, &s->found, &s->report, &diag);
    cr_assert_eq(err, VS_OK, "it could not be checked: %s", diag.text);
    vs_buf_u8(&s->found, 0);
    return (const char *)s->found.p;
}

static void expect_named(scene *s, const char *what, const char *where)
{
    const char *found = fsck(s);
    cr_expect_gt(s->report.n_problems, 0, "%s", where);
    cr_expect_not_null(strstr(found, what), "%s: no \"%s\" in:\n%s", where, what, found);
}

/* The program says so, and exits with 1. */
static void expect_printed(const scene *s, const char *what, const char *command)
{
    const char *args[] = {command, s->w->folder, "--federation", "federation.json", NULL};
    const char *fsck_args[] = {"ledger", "fsck", s->w->folder, NULL};
    bool audit = strcmp(command, "audit") == 0;
    vs_run run = vs_run_program(s->w->folder, audit ? args : fsck_args);
    cr_expect_eq(run.status, 1, "%s", run.out);
    cr_expect_not_null(strstr(run.out, what), "no \"%s\" in:\n%s%s", what, run.out, run.err);
    vs_run_free(&run);
}

static void expect_whole(const scene *s)
{
    vs_run run = VS_RUN(s->w->folder, "ledger", "fsck", s->w->folder);
    cr_expect_eq(run.status, 0, "%s", run.out);
    cr_expect_not_null(strstr(run.out, "blobs, no problem\n"), "%s", run.out);
    vs_run_free(&run);
    run = VS_RUN(s->w->folder, "audit", s->w->folder, "--federation", "federation.json");
    cr_expect_eq(run.status, 0, "%s", run.out);
    cr_expect_not_null(strstr(run.out, "audit ok\n"), "%s", run.out);
    vs_run_free(&run);
}

Test(tamper, the_ledger_is_whole_to_begin_with)
{
    scene s = scene_new(1);
    expect_whole(&s);
    scene_free(&s);
}

/* --- bytes of the files ------------------------------------------------------------------------
 */

static vs_err any_cosigner(void *ctx, const vs_note_key *key, uint64_t time_s, bool verified)
{
    (void)ctx;
    (void)time_s;
    return key->name[0] != '\0' || !verified ? VS_OK : VS_ERR_PROOF;
}

/* What readers do with a damaged ledger: an answer or an error, never a crash. */
static void read_all(const scene *s)
{
    vs_log *log;
    vs_buf bytes = {0};
    vs_diag diag;
    uint64_t size = 0;
    uint32_t n = 0;
    if (vs_log_open_read(&log, s->w->folder, &diag) != VS_OK) return;
    for (uint64_t i = 0; i < vs_log_size(log); i++) {
        (void)!vs_log_entry(log, i, &bytes, &diag);
        (void)!vs_log_best_checkpoint(log, i, &size, &n, &diag);
        (void)!vs_log_cosigners(log, i, any_cosigner, NULL, &diag);
    }
    vs_log_close(log);
    vs_buf_free(&bytes);
}

/* One bit of the byte at `at`; named by the page that it is in. */
static void flip_db(scene *s, size_t at, bool program)
{
    char page[64], where[64];
    uint8_t bit = (uint8_t)(1u << vs_test_u64(5, at) % 8);
    (void)snprintf(page, sizeof page, "ledger.db: page %zu (bytes ", at / PAGE + 1);
    (void)snprintf(where, sizeof where, "byte %zu, bit %02x", at, bit);
    set_byte(s->db, at, s->db_bytes.p[at] ^ bit);
    expect_named(s, page, where);
    if (program) expect_printed(s, page, "ledger fsck");
    read_all(s);
    set_byte(s->db, at, s->db_bytes.p[at]);
}

Test(tamper, every_byte_of_the_database_header_counts)
{
    scene s = scene_new(2);
    for (size_t at = 0; at < 116; at++) flip_db(&s, at, at % 29 == 0); /* page 1's header too */
    expect_whole(&s);
    scene_free(&s);
}

Test(tamper, bytes_all_over_the_database_count)
{
    scene s = scene_new(3);
    size_t n_pages = s.db_bytes.len / PAGE;
    size_t n = 0;
    cr_assert_geq(n_pages, 10);
    for (size_t page = 0; page < n_pages; page++) {
        const size_t fixed[] = {0, 3, 7, 8, 11, PAGE - 1};
        for (size_t i = 0; i < 24; i++) {
            size_t at = i < 6 ? fixed[i] : (size_t)(vs_test_u64(6, 100 * page + i) % PAGE);
            flip_db(&s, page * PAGE + at, n++ % SAMPLE == 0);
        }
    }
    cr_expect_geq(n, 200);
    expect_whole(&s);
    scene_free(&s);
}

Test(tamper, every_field_of_the_page_hashes_counts)
{
    scene s = scene_new(4);
    size_t n_pages = s.db_bytes.len / PAGE;
    size_t head = s.pages_bytes.len - 32 * (n_pages + 1);
    for (size_t at = 0; at < s.pages_bytes.len; at += at < head ? 1 : 16) {
        char where[32];
        (void)snprintf(where, sizeof where, "byte %zu", at);
        set_byte(s.pages, at, s.pages_bytes.p[at] ^ 0x10);
        expect_named(&s, "ledger.db.pages", where);
        if (at % 64 == 0) expect_printed(&s, "ledger.db.pages", "ledger fsck");
        set_byte(s.pages, at, s.pages_bytes.p[at]);
    }
    for (size_t cut = 0; cut < s.pages_bytes.len; cut += 61) { /* 0: an empty file */
        write_file(s.pages, s.pages_bytes.p, cut);
        expect_named(&s, "ledger.db.pages", "cut");
    }
    restore(&s);
    expect_whole(&s);
    scene_free(&s);
}

Test(tamper, a_database_of_another_length_is_named)
{
    scene s = scene_new(5);
    static const uint8_t more[PAGE] = {0};
    vs_buf longer = {0};
    vs_buf_bytes(&longer, s.db_bytes.p, s.db_bytes.len);
    vs_buf_bytes(&longer, more, sizeof more);
    write_file(s.db, longer.p, longer.len);
    expect_named(&s, "bytes long", "a page more");
    write_file(s.db, longer.p, s.db_bytes.len + 1);
    expect_named(&s, "bytes long", "a byte more");
    write_file(s.db, longer.p, s.db_bytes.len - 1);
    expect_named(&s, "bytes long", "a byte less");
    write_file(s.db, longer.p, s.db_bytes.len - PAGE);
    expect_printed(&s, "bytes long", "ledger fsck");
    write_file(s.db, longer.p, 0);
    expect_printed(&s, "ledger.db", "ledger fsck");
    vs_buf_free(&longer);
    scene_free(&s);
}

Test(tamper, a_write_ahead_log_that_appears_is_named)
{
    scene s = scene_new(13);
    char wal[420];
    (void)snprintf(wal, sizeof wal, "%s-wal", s.db);
    write_file(wal, "anything", 8);
    expect_named(&s, "ledger.db-wal: is there although the last stop was clean", "8 bytes");
    write_file(wal, s.db_bytes.p, s.db_bytes.len);
    expect_printed(&s, "ledger.db-wal: is there", "ledger fsck");
    restore(&s);
    expect_whole(&s);
    scene_free(&s);
}

Test(tamper, every_blob_counts)
{
    scene s = scene_new(6);
    char folder[400];
    uint32_t n = 0;
    path_in(folder, &s, "blobs");
    DIR *dir = opendir(folder);
    cr_assert_not_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[700];
        if (strlen(e->d_name) != 64) continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        vs_buf b = read_file(path);
        const size_t at[] = {0, b.len / 2, b.len - 1};
        for (size_t i = 0; b.len > 0 && i < 3; i++) {
            set_byte(path, at[i], b.p[at[i]] ^ 4);
            expect_named(&s, e->d_name, "one bit");
            set_byte(path, at[i], b.p[at[i]]);
        }
        if (b.len > 0) write_file(path, b.p, b.len - 1);
        if (b.len > 0) expect_named(&s, e->d_name, "cut");
        vs_buf_u8(&b, 0);
        write_file(path, b.p, b.len);
        expect_named(&s, e->d_name, "longer");
        if (n < 3) expect_printed(&s, "problem: ", "audit");
        cr_assert_eq(unlink(path), 0);
        expect_named(&s, e->d_name, "gone");
        if (n < 3) expect_printed(&s, e->d_name, "ledger fsck");
        write_file(path, b.p, b.len - 1);
        vs_buf_free(&b);
        n++;
    }
    (void)closedir(dir);
    cr_expect_geq(n, 6);
    expect_whole(&s);
    scene_free(&s);
}

/* --- rows, changed through SQLite --------------------------------------------------------------
 * The database is whole again afterwards and has page hashes of its own; with every other change
 * they are removed, as one would who hides an unclean stop. */

static void close_changed(const scene *s, vs_db *db, bool keep_pages)
{
    vs_db_close(db);
    if (!keep_pages) cr_assert_eq(unlink(s->pages), 0);
}

static void change(const scene *s, const char *sql, bool keep_pages)
{
    vs_db *db = NULL;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_db_open(&db, s->db, false, false, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(vs_db_begin(db, &diag), VS_OK);
    cr_assert_eq(vs_db_exec(db, sql, &diag), VS_OK, "%s: %s", sql, diag.text);
    cr_assert_eq(vs_db_commit(db, &diag), VS_OK);
    close_changed(s, db, keep_pages);
}

/* The rowth row of a query, its first column a number and its second a blob. */
static bool read_row(vs_db *db, const char *query, uint64_t row, uint64_t *number, vs_buf *blob)
{
    vs_stmt *st = NULL;
    bool there = false;
    vs_diag diag = {{0}};
    size_t len = 0;
    cr_assert_eq(vs_stmt_new(&st, db, query, &diag), VS_OK, "%s", diag.text);
    for (uint64_t i = 0; i <= row; i++) {
        cr_assert_eq(vs_stmt_step(st, &there, &diag), VS_OK, "%s", diag.text);
    }
    if (there) {
        *number = vs_stmt_u64(st, 0);
        const uint8_t *p = vs_stmt_blob(st, 1, &len);
        vs_buf_bytes(blob, p, len);
    }
    vs_stmt_free(st);
    return there;
}

/* One bit of the blob of the rowth row, at this part (of 1000) of its length. False: no such row.
 * *number: what the row is of. */
static bool flip_blob(const scene *s, const char *query, const char *update, uint64_t row,
                      size_t part, uint64_t *number)
{
    vs_db *db = NULL;
    vs_stmt *st = NULL;
    vs_buf old = {0}, blob = {0};
    bool more;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_db_open(&db, s->db, false, false, &diag), VS_OK, "%s", diag.text);
    bool there = read_row(db, query, row, number, &old);
    if (there) {
        vs_buf_bytes(&blob, old.p, old.len);
        blob.p[(blob.len - 1) * part / 1000] ^= 1;
        cr_assert_eq(vs_db_begin(db, &diag), VS_OK);
        cr_assert_eq(vs_stmt_new(&st, db, update, &diag), VS_OK, "%s", diag.text);
        vs_stmt_bind_blob(st, 1, blob.p, blob.len);
        vs_stmt_bind_u64(st, 2, *number);
        vs_stmt_bind_blob(st, 3, old.p, old.len);
        cr_assert_eq(vs_stmt_step(st, &more, &diag), VS_OK, "%s", diag.text);
        vs_stmt_free(st);
        cr_assert_eq(vs_db_commit(db, &diag), VS_OK);
    }
    vs_buf_free(&old);
    vs_buf_free(&blob);
    close_changed(s, db, !there || (row + part) % 2 == 0);
    return there;
}

/* Every row of a table: first, middle and last byte of a column. named has one %llu. */
static uint64_t flip_rows(scene *s, const char *query, const char *update, const char *named)
{
    uint64_t row = 0;
    uint64_t number = 0;
    for (;; row++) {
        for (size_t part = 0; part <= 1000; part += 500) {
            char what[80];
            if (!flip_blob(s, query, update, row, part, &number)) return row;
            (void)snprintf(what, sizeof what, "%s%llu", named, (unsigned long long)number);
            expect_named(s, what, update);
            if ((3 * row + part / 500) % SAMPLE == 0) expect_printed(s, what, "ledger fsck");
            restore(s);
        }
    }
}

Test(tamper, every_entry_counts)
{
    scene s = scene_new(7);
    uint64_t n = flip_rows(&s, "SELECT idx, data FROM entries ORDER BY idx",
                           "UPDATE entries SET data = ?1 WHERE idx = ?2 AND data = ?3", "entry ");
    cr_expect_geq(n, 10);
    expect_whole(&s);
    scene_free(&s);
}

Test(tamper, every_checkpoint_counts)
{
    scene s = scene_new(8);
    uint64_t n = flip_rows(&s, "SELECT size, note FROM checkpoints ORDER BY size",
                           "UPDATE checkpoints SET note = ?1 WHERE size = ?2 AND note = ?3",
                           "checkpoint of size ");
    cr_expect_geq(n, 6);
    n = flip_rows(&s, "SELECT size, root FROM checkpoints ORDER BY size",
                  "UPDATE checkpoints SET root = ?1 WHERE size = ?2 AND root = ?3",
                  "checkpoint of size ");
    cr_expect_geq(n, 6);
    expect_whole(&s);
    scene_free(&s);
}

Test(tamper, every_cosignature_counts)
{
    scene s = scene_new(9);
    uint64_t n = flip_rows(&s, "SELECT size, sig FROM cosignatures ORDER BY size, vkey",
                           "UPDATE cosignatures SET sig = ?1 WHERE size = ?2 AND sig = ?3",
                           "cosignature of size ");
    cr_expect_geq(n, 8);
    expect_whole(&s);
    scene_free(&s);
}

Test(tamper, every_tile_counts)
{
    scene s = scene_new(10);
    uint64_t n =
        flip_rows(&s, "SELECT number, hashes FROM tiles WHERE level = 0",
                  "UPDATE tiles SET hashes = ?1 WHERE number = ?2 AND hashes = ?3", "tile 0/");
    cr_expect_eq(n, 1);
    expect_whole(&s);
    scene_free(&s);
}

/* Whole rows: gone, doubled, moved, swapped. */
Test(tamper, rows_that_are_gone_or_moved_are_named)
{
    static const struct {
        const char *sql, *named, *command;
    } row[] = {
        {"DELETE FROM entries WHERE idx = 3", "entry 3: is missing", "ledger fsck"},
        {"UPDATE entries SET data = (SELECT data FROM entries WHERE idx = 1) WHERE idx = 2",
         "entry 2: its bytes do not match", "ledger fsck"},
        {"UPDATE entries SET idx = -1 WHERE idx = 4", "entry 4: is missing", "ledger fsck"},
        {"INSERT INTO entries SELECT max(idx) + 1, x'7b7d' FROM entries",
         "1 entries beyond the newest checkpoint", "ledger fsck"},
        {"DELETE FROM entries WHERE idx = (SELECT max(idx) FROM entries)", "is missing",
         "ledger fsck"},
        {"DELETE FROM checkpoints WHERE size = (SELECT max(size) FROM checkpoints)",
         "beyond the newest checkpoint", "ledger fsck"},
        {"DELETE FROM checkpoints", "there is no checkpoint", "ledger fsck"},
        {"UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 1) "
         "WHERE size = 2",
         "checkpoint of size 2: says another size", "ledger fsck"},
        {"UPDATE cosignatures SET size = 1 WHERE size = (SELECT max(size) FROM cosignatures)",
         "cosignature of size 1 by", "ledger fsck"},
        {"UPDATE cosignatures SET vkey = 'x' || vkey", "cosignature of size", "ledger fsck"},
        {"UPDATE cosignatures SET vkey = replace(vkey, 'A', 'B') WHERE size = 2",
         "cosignature of size 2", "ledger fsck"},
        {"DELETE FROM cosignatures WHERE size > 7", /* entry 7 is the result */
         "no checkpoint with 3 cosignatures covers its end", "audit"},
        {"DELETE FROM cosignatures", "no checkpoint with 3 cosignatures covers its end", "audit"},
        {"DELETE FROM tiles", "tile 0/0: 0 hashes", "ledger fsck"},
        {"UPDATE tiles SET number = 1", "tiles beyond the newest checkpoint", "ledger fsck"},
        {"DELETE FROM kv WHERE key = 'log/key'", "there is no log in it", "ledger fsck"},
        {"UPDATE kv SET value = CAST('nonsense' AS BLOB) WHERE key = 'log/key'",
         "log key: ", "ledger fsck"},
        {"UPDATE kv SET value = (SELECT CAST(vkey AS BLOB) FROM cosignatures LIMIT 1) "
         "WHERE key = 'log/key'",
         "checkpoint of size ", "ledger fsck"},
        {"DROP TABLE tiles", "tiles", "ledger fsck"},
        {"DROP TABLE cosignatures", "cosignatures", "ledger fsck"},
    };
    scene s = scene_new(11);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        change(&s, row[i].sql, i % 2 == 0);
        expect_printed(&s, row[i].named, row[i].command);
        restore(&s);
    }
    expect_whole(&s);
    scene_free(&s);
}

/* --- the operator as the tamperer --------------------------------------------------------------
 */

/* All entries of the ledger, with one of them replaced by what the aggregator signs instead. */
static uint64_t forge(const scene *s, vs_buf *entry, uint64_t max)
{
    vs_log *log;
    vs_dsse dsse;
    vs_entry e;
    vs_diag diag = {{0}};
    uint64_t forged = UINT64_MAX;
    cr_assert_eq(vs_log_open_read(&log, s->w->folder, &diag), VS_OK, "%s", diag.text);
    uint64_t size = vs_log_size(log);
    cr_assert_leq(size, max);
    for (uint64_t i = 0; i < size; i++) {
        vs_buf payload = {0};
        cr_assert_eq(vs_log_entry(log, i, &entry[i], &diag), VS_OK);
        cr_assert_eq(vs_dsse_parse(&dsse, entry[i].p, entry[i].len, &diag), VS_OK);
        cr_assert_eq(vs_entry_decode(&e, dsse.kind, dsse.payload.p, dsse.payload.len, &diag),
                     VS_OK);
        vs_dsse_free(&dsse);
        if (e.kind != VS_ENTRY_RESULT) continue;
        forged = i;
        e.u.result.weight_sum++;
        vs_buf_reset(&entry[i]);
        cr_assert_eq(vs_entry_encode(&payload, &e, &diag), VS_OK);
        cr_assert_eq(vs_dsse_sign(&entry[i], "result", payload.p, payload.len,
                                  s->w->tf->aggregator->identity_seed, &diag),
                     VS_OK);
        vs_buf_free(&payload);
    }
    vs_log_close(log);
    cr_assert_lt(forged, size);
    return size;
}

/* With all of the aggregator's keys a ledger can be written anew so that every byte of it fits;
 * what it says is still checked. (The cosignatures of others are gone too: see above.) */
Test(tamper, a_ledger_written_anew_with_the_logs_own_key_does_not_pass_the_audit)
{
    scene s = scene_new(12);
    vs_buf entry[64] = {{0}};
    vs_bytes bytes[64];
    vs_log *log;
    uint64_t first;
    vs_diag diag = {{0}};
    uint64_t size = forge(&s, entry, 64);
    for (uint64_t i = 0; i < size; i++) bytes[i] = (vs_bytes){entry[i].p, entry[i].len};
    cr_assert(unlink(s.db) == 0 && unlink(s.pages) == 0);
    cr_assert_eq(vs_log_create(&log, s.w->folder, s.w->tf->fed->origin, &s.w->tf->fed->log_key,
                               s.w->tf->aggregator->log_seed, &diag),
                 VS_OK, "%s", diag.text);
    cr_assert_eq(vs_log_append(log, bytes, (uint32_t)size, &first, NULL, &diag), VS_OK);
    vs_log_close(log);
    vs_run run = VS_RUN(s.w->folder, "ledger", "fsck", s.w->folder);
    cr_expect_eq(run.status, 0, "%s", run.out);
    vs_run_free(&run);
    expect_printed(&s, "result: weight_sum is 7, the shares give 6", "audit");
    for (uint64_t i = 0; i < size; i++) vs_buf_free(&entry[i]);
    scene_free(&s);
}
