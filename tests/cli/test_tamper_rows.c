/* Whatever row of a finished ledger is changed through SQLite, `ledger fsck` or `audit` names it;
 * the operator as the tamperer included. (Bytes of the files: test_tamper.c) */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ledger/db.h"
#include "ledger/dsse.h"
#include "ledger/log.h"
#include "tests/cli/support_run.h"
#include "tests/cli/support_tamper.h"
#include "tests/support.h"

enum { SAMPLE = 32 /* every so manieth through the program */ };

/* --- rows, changed through SQLite --------------------------------------------------------------
 * The database is whole again afterwards and has page hashes of its own; with every other change
 * they are removed, as one would who hides an unclean stop. */

static void close_changed(const tamper_scene *s, vs_db *db, bool keep_pages)
{
    vs_db_close(db);
    if (!keep_pages) cr_assert_eq(unlink(s->pages), 0);
}

static void change(const tamper_scene *s, const char *sql, bool keep_pages)
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
static bool flip_blob(const tamper_scene *s, const char *query, const char *update, uint64_t row,
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
static uint64_t flip_rows(tamper_scene *s, const char *query, const char *update, const char *named)
{
    uint64_t row = 0;
    uint64_t number = 0;
    for (;; row++) {
        for (size_t part = 0; part <= 1000; part += 500) {
            char what[80];
            if (!flip_blob(s, query, update, row, part, &number)) return row;
            (void)snprintf(what, sizeof what, "%s%llu", named, (unsigned long long)number);
            tamper_expect_named(s, what, update);
            if ((3 * row + part / 500) % SAMPLE == 0) tamper_expect_printed(s, what, "ledger fsck");
            tamper_restore(s);
        }
    }
}

Test(tamper_rows, every_entry_counts)
{
    tamper_scene s = tamper_scene_new(7);
    uint64_t n = flip_rows(&s, "SELECT idx, data FROM entries ORDER BY idx",
                           "UPDATE entries SET data = ?1 WHERE idx = ?2 AND data = ?3", "entry ");
    cr_expect_geq(n, 10);
    tamper_expect_whole(&s);
    tamper_scene_free(&s);
}

Test(tamper_rows, every_checkpoint_counts)
{
    tamper_scene s = tamper_scene_new(8);
    uint64_t n = flip_rows(&s, "SELECT size, note FROM checkpoints ORDER BY size",
                           "UPDATE checkpoints SET note = ?1 WHERE size = ?2 AND note = ?3",
                           "checkpoint of size ");
    cr_expect_geq(n, 6);
    n = flip_rows(&s, "SELECT size, root FROM checkpoints ORDER BY size",
                  "UPDATE checkpoints SET root = ?1 WHERE size = ?2 AND root = ?3",
                  "checkpoint of size ");
    cr_expect_geq(n, 6);
    tamper_expect_whole(&s);
    tamper_scene_free(&s);
}

Test(tamper_rows, every_cosignature_counts)
{
    tamper_scene s = tamper_scene_new(9);
    uint64_t n = flip_rows(&s, "SELECT size, sig FROM cosignatures ORDER BY size, vkey",
                           "UPDATE cosignatures SET sig = ?1 WHERE size = ?2 AND sig = ?3",
                           "cosignature of size ");
    cr_expect_geq(n, 8);
    tamper_expect_whole(&s);
    tamper_scene_free(&s);
}

Test(tamper_rows, every_tile_counts)
{
    tamper_scene s = tamper_scene_new(10);
    uint64_t n =
        flip_rows(&s, "SELECT number, hashes FROM tiles WHERE level = 0",
                  "UPDATE tiles SET hashes = ?1 WHERE number = ?2 AND hashes = ?3", "tile 0/");
    cr_expect_eq(n, 1);
    tamper_expect_whole(&s);
    tamper_scene_free(&s);
}

/* Whole rows: gone, doubled, moved, swapped. */
Test(tamper_rows, rows_that_are_gone_or_moved_are_named)
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
    tamper_scene s = tamper_scene_new(11);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        change(&s, row[i].sql, i % 2 == 0);
        tamper_expect_printed(&s, row[i].named, row[i].command);
        tamper_restore(&s);
    }
    tamper_expect_whole(&s);
    tamper_scene_free(&s);
}

/* --- the operator as the tamperer --------------------------------------------------------------
 */

/* All entries of the ledger, with one of them replaced by what the aggregator signs instead. */
static uint64_t forge(const tamper_scene *s, vs_buf *entry, uint64_t max)
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
Test(tamper_rows, a_ledger_written_anew_with_the_logs_own_key_does_not_pass_the_audit)
{
    tamper_scene s = tamper_scene_new(12);
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
    tamper_expect_printed(&s, "result: weight_sum is 7, the shares give 6", "audit");
    for (uint64_t i = 0; i < size; i++) vs_buf_free(&entry[i]);
    tamper_scene_free(&s);
}
