/* A changed byte anywhere in the files of a finished ledger is named by `ledger fsck`. (What is
 * changed through SQLite: test_tamper_rows.c) */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ledger/log.h"
#include "tests/cli/support_run.h"
#include "tests/cli/support_tamper.h"
#include "tests/support.h"

enum { PAGE = 4096, SAMPLE = 32 /* every so manieth through the program */ };

Test(tamper, the_ledger_is_whole_to_begin_with)
{
    tamper_scene s = tamper_scene_new(1);
    tamper_expect_whole(&s);
    tamper_scene_free(&s);
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
static void read_all(const tamper_scene *s)
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
static void flip_db(tamper_scene *s, size_t at, bool program)
{
    char page[64], where[64];
    uint8_t bit = (uint8_t)(1u << vs_test_u64(5, at) % 8);
    (void)snprintf(page, sizeof page, "ledger.db: page %zu (bytes ", at / PAGE + 1);
    (void)snprintf(where, sizeof where, "byte %zu, bit %02x", at, bit);
    tamper_set_byte(s->db, at, s->db_bytes.p[at] ^ bit);
    tamper_expect_named(s, page, where);
    if (program) tamper_expect_printed(s, page, "ledger fsck");
    read_all(s);
    tamper_set_byte(s->db, at, s->db_bytes.p[at]);
}

Test(tamper, every_byte_of_the_database_header_counts)
{
    tamper_scene s = tamper_scene_new(2);
    for (size_t at = 0; at < 116; at++) flip_db(&s, at, at % 29 == 0); /* page 1's header too */
    tamper_expect_whole(&s);
    tamper_scene_free(&s);
}

Test(tamper, bytes_all_over_the_database_count)
{
    tamper_scene s = tamper_scene_new(3);
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
    tamper_expect_whole(&s);
    tamper_scene_free(&s);
}

Test(tamper, every_field_of_the_page_hashes_counts)
{
    tamper_scene s = tamper_scene_new(4);
    size_t n_pages = s.db_bytes.len / PAGE;
    size_t head = s.pages_bytes.len - 32 * (n_pages + 1);
    for (size_t at = 0; at < s.pages_bytes.len; at += at < head ? 1 : 16) {
        char where[32];
        (void)snprintf(where, sizeof where, "byte %zu", at);
        tamper_set_byte(s.pages, at, s.pages_bytes.p[at] ^ 0x10);
        tamper_expect_named(&s, "ledger.db.pages", where);
        if (at % 64 == 0) tamper_expect_printed(&s, "ledger.db.pages", "ledger fsck");
        tamper_set_byte(s.pages, at, s.pages_bytes.p[at]);
    }
    for (size_t cut = 0; cut < s.pages_bytes.len; cut += 61) { /* 0: an empty file */
        tamper_write_file(s.pages, s.pages_bytes.p, cut);
        tamper_expect_named(&s, "ledger.db.pages", "cut");
    }
    tamper_restore(&s);
    tamper_expect_whole(&s);
    tamper_scene_free(&s);
}

Test(tamper, a_database_of_another_length_is_named)
{
    tamper_scene s = tamper_scene_new(5);
    static const uint8_t more[PAGE] = {0};
    vs_buf longer = {0};
    vs_buf_bytes(&longer, s.db_bytes.p, s.db_bytes.len);
    vs_buf_bytes(&longer, more, sizeof more);
    tamper_write_file(s.db, longer.p, longer.len);
    tamper_expect_named(&s, "bytes long", "a page more");
    tamper_write_file(s.db, longer.p, s.db_bytes.len + 1);
    tamper_expect_named(&s, "bytes long", "a byte more");
    tamper_write_file(s.db, longer.p, s.db_bytes.len - 1);
    tamper_expect_named(&s, "bytes long", "a byte less");
    tamper_write_file(s.db, longer.p, s.db_bytes.len - PAGE);
    tamper_expect_printed(&s, "bytes long", "ledger fsck");
    tamper_write_file(s.db, longer.p, 0);
    tamper_expect_printed(&s, "ledger.db", "ledger fsck");
    vs_buf_free(&longer);
    tamper_scene_free(&s);
}

Test(tamper, a_write_ahead_log_that_appears_is_named)
{
    tamper_scene s = tamper_scene_new(13);
    char wal[420];
    (void)snprintf(wal, sizeof wal, "%s-wal", s.db);
    tamper_write_file(wal, "anything", 8);
    tamper_expect_named(&s, "ledger.db-wal: is there although the last stop was clean", "8 bytes");
    tamper_write_file(wal, s.db_bytes.p, s.db_bytes.len);
    tamper_expect_printed(&s, "ledger.db-wal: is there", "ledger fsck");
    tamper_restore(&s);
    tamper_expect_whole(&s);
    tamper_scene_free(&s);
}

Test(tamper, every_blob_counts)
{
    tamper_scene s = tamper_scene_new(6);
    char folder[400];
    uint32_t n = 0;
    tamper_path_in(folder, &s, "blobs");
    DIR *dir = opendir(folder);
    cr_assert_not_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[700];
        if (strlen(e->d_name) != 64) continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        vs_buf b = tamper_read_file(path);
        const size_t at[] = {0, b.len / 2, b.len - 1};
        for (size_t i = 0; b.len > 0 && i < 3; i++) {
            tamper_set_byte(path, at[i], b.p[at[i]] ^ 4);
            tamper_expect_named(&s, e->d_name, "one bit");
            tamper_set_byte(path, at[i], b.p[at[i]]);
        }
        if (b.len > 0) tamper_write_file(path, b.p, b.len - 1);
        if (b.len > 0) tamper_expect_named(&s, e->d_name, "cut");
        vs_buf_u8(&b, 0);
        tamper_write_file(path, b.p, b.len);
        tamper_expect_named(&s, e->d_name, "longer");
        if (n < 3) tamper_expect_printed(&s, "problem: ", "audit");
        cr_assert_eq(unlink(path), 0);
        tamper_expect_named(&s, e->d_name, "gone");
        if (n < 3) tamper_expect_printed(&s, e->d_name, "ledger fsck");
        tamper_write_file(path, b.p, b.len - 1);
        vs_buf_free(&b);
        n++;
    }
    (void)closedir(dir);
    cr_expect_geq(n, 6);
    tamper_expect_whole(&s);
    tamper_scene_free(&s);
}
