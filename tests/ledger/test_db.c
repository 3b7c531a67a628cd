#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/db.h"
#include "tests/support.h"

typedef struct place {
    char *dir;
    char path[300];
    char pages[310];
} place;

static place place_new(void)
{
    place p;
    p.dir = vs_test_folder_new();
    (void)snprintf(p.path, sizeof p.path, "%s/t %%?#.db", p.dir); /* needs care in a URI */
    (void)snprintf(p.pages, sizeof p.pages, "%s.pages", p.path);
    return p;
}

static vs_db *opened(const place *p, bool read_only)
{
    vs_db *db;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_db_open(&db, p->path, !read_only, read_only, &diag), VS_OK, "%s", diag.text);
    return db;
}

static void put(vs_db *db, const char *key, const char *value)
{
    vs_diag diag = {{0}};
    cr_assert_eq(vs_db_put(db, key, value, strlen(value), &diag), VS_OK, "%s", diag.text);
}

static void expect_value(vs_db *db, const char *key, const char *want)
{
    vs_buf b = {0};
    bool found = true;
    cr_assert_eq(vs_db_get(db, key, &b, &found, NULL), VS_OK);
    cr_expect_eq(found, want != NULL, "%s", key);
    if (want != NULL) cr_expect(b.len == strlen(want) && memcmp(b.p, want, b.len) == 0, "%s", key);
    vs_buf_free(&b);
}

Test(db, values_survive_a_reopen)
{
    place p = place_new();
    vs_db *db = opened(&p, false);
    put(db, "a", "1");
    put(db, "b", "2");
    put(db, "a", "3");
    put(db, "empty", "");
    cr_expect_eq(vs_db_delete(db, "b", NULL), VS_OK);
    vs_db_close(db);
    for (int read_only = 0; read_only < 2; read_only++) {
        db = opened(&p, read_only == 1);
        expect_value(db, "a", "3");
        expect_value(db, "b", NULL);
        expect_value(db, "empty", "");
        vs_db_close(db);
    }
    struct stat st;
    cr_assert_eq(stat(p.path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    vs_test_folder_remove(p.dir);
}

Test(db, rollback_forgets_and_commit_keeps)
{
    place p = place_new();
    vs_db *db = opened(&p, false);
    cr_assert_eq(vs_db_begin(db, NULL), VS_OK);
    put(db, "a", "1");
    vs_db_rollback(db);
    expect_value(db, "a", NULL);
    cr_assert_eq(vs_db_begin(db, NULL), VS_OK);
    put(db, "a", "2");
    cr_assert_eq(vs_db_commit(db, NULL), VS_OK);
    cr_assert_eq(vs_db_begin(db, NULL), VS_OK);
    put(db, "a", "3");
    vs_db_close(db); /* rolls back */
    db = opened(&p, false);
    expect_value(db, "a", "2");
    vs_db_close(db);
    vs_test_folder_remove(p.dir);
}

static vs_err collect(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    vs_buf *b = ctx;
    vs_buf_printf(b, "%s=%.*s ", key, (int)len, (const char *)value);
    return strcmp(key, "k/stop") == 0 ? VS_ERR_LIMIT : VS_OK;
}

Test(db, scan_gives_a_prefix_in_byte_order)
{
    place p = place_new();
    vs_db *db = opened(&p, false);
    vs_buf b = {0};
    put(db, "k/2", "two");
    put(db, "k0", "no");
    put(db, "k/10", "ten");
    put(db, "j/1", "no");
    cr_expect_eq(vs_db_scan(db, "k/", collect, &b, NULL), VS_OK);
    vs_buf_u8(&b, 0);
    cr_expect_str_eq((const char *)b.p, "k/10=ten k/2=two ");
    put(db, "k/stop", "x");
    put(db, "k/z", "x");
    vs_buf_reset(&b);
    cr_expect_eq(vs_db_scan(db, "k/", collect, &b, NULL), VS_ERR_LIMIT, "the visitor's error");
    vs_buf_u8(&b, 0);
    cr_expect_str_eq((const char *)b.p, "k/10=ten k/2=two k/stop=x ");
    vs_buf_free(&b);
    vs_db_close(db);
    vs_test_folder_remove(p.dir);
}

Test(db, opening_what_is_not_there_or_not_ours)
{
    place p = place_new();
    vs_db *db;
    vs_diag diag = {{0}};
    cr_expect_eq(vs_db_open(&db, p.path, false, false, &diag), VS_ERR_IO);
    cr_expect_not_null(strstr(diag.text, "no such database"), "%s", diag.text);
    cr_expect_null(db);
    cr_expect_eq(vs_db_open(&db, p.path, true, true, &diag), VS_ERR_IO);
    cr_assert_eq(vs_file_write_durable(p.path, "hello, this is text", 19, 0600, NULL), VS_OK);
    cr_expect_eq(vs_db_open(&db, p.path, true, false, &diag), VS_ERR_MALFORMED, "%s", diag.text);
    cr_expect_null(db);
    vs_test_folder_remove(p.dir);
}

/* A second process is refused and told whom to stop. */
Test(db, a_second_process_is_refused_by_name)
{
    place p = place_new();
    vs_db *db = opened(&p, false);
    char want[64];
    (void)snprintf(want, sizeof want, "is in use by process %ld (", (long)getpid());
    for (int read_only = 0; read_only < 2; read_only++) {
        pid_t pid = fork();
        if (pid == 0) {
            vs_db *other;
            vs_diag diag = {{0}};
            vs_err err = vs_db_open(&other, p.path, true, read_only == 1, &diag);
            bool named = strstr(diag.text, want) != NULL && strstr(diag.text, "stop it first");
            _exit(err == VS_ERR_STATE && named ? 0 : 1);
        }
        int status;
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    put(db, "still", "works");
    vs_db_close(db);
    db = opened(&p, true);
    vs_db *second = opened(&p, true); /* readers share */
    vs_db *writer;
    cr_expect_eq(vs_db_open(&writer, p.path, false, false, NULL), VS_ERR_STATE);
    vs_db_close(second);
    vs_db_close(db);
    vs_test_folder_remove(p.dir);
}

Test(db, a_killed_owner_leaves_no_lock_and_loses_nothing_committed)
{
    place p = place_new();
    vs_db_close(opened(&p, false));
    int ready[2];
    char c;
    cr_assert_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        vs_db *db = opened(&p, false);
        put(db, "committed", "yes");
        (void)!vs_db_begin(db, NULL);
        put(db, "uncommitted", "yes");
        if (write(ready[1], "x", 1) != 1) _exit(1);
        (void)pause();
        _exit(0);
    }
    cr_assert_eq(read(ready[0], &c, 1), 1);
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_expect(!vs_file_exists(p.pages), "writing removed the page hashes");
    vs_buf before = {0};
    vs_buf after = {0};
    cr_assert_eq(vs_file_read(&before, p.path, 1 << 20, NULL), VS_OK);
    vs_db *db = opened(&p, true); /* reads the WAL, changes nothing */
    expect_value(db, "committed", "yes");
    expect_value(db, "uncommitted", NULL);
    vs_db_close(db);
    cr_expect(!vs_file_exists(p.pages));
    cr_assert_eq(vs_file_read(&after, p.path, 1 << 20, NULL), VS_OK);
    cr_expect(before.len == after.len && memcmp(before.p, after.p, after.len) == 0);
    db = opened(&p, false);
    expect_value(db, "committed", "yes");
    vs_db_close(db);
    cr_expect(vs_file_exists(p.pages));
    vs_buf_free(&before);
    vs_buf_free(&after);
    vs_test_folder_remove(p.dir);
}

Test(db, page_hashes_go_before_the_first_write_only)
{
    place p = place_new();
    vs_db *db = opened(&p, false);
    cr_expect(!vs_file_exists(p.pages));
    vs_db_close(db);
    cr_expect(vs_file_exists(p.pages));
    db = opened(&p, false);
    expect_value(db, "a", NULL);
    cr_expect(vs_file_exists(p.pages), "reading keeps them");
    put(db, "a", "1");
    cr_expect(!vs_file_exists(p.pages));
    vs_db_close(db);
    db = opened(&p, true);
    vs_db_close(db);
    cr_expect(vs_file_exists(p.pages));
    vs_test_folder_remove(p.dir);
}

/* An owner refuses a database that changed while it was closed, wherever the byte. */
Test(db, a_byte_changed_while_closed_is_refused)
{
    place p = place_new();
    vs_db *db = opened(&p, false);
    put(db, "a", "1");
    vs_db_close(db);
    vs_buf b = {0};
    cr_assert_eq(vs_file_read(&b, p.path, 1 << 20, NULL), VS_OK);
    for (size_t at = 0; at < b.len; at += 97) {
        vs_diag diag = {{0}};
        b.p[at] ^= 0x10;
        cr_assert_eq(vs_file_write_durable(p.path, b.p, b.len, 0600, NULL), VS_OK);
        cr_expect_eq(vs_db_open(&db, p.path, false, false, &diag), VS_ERR_MALFORMED, "%zu", at);
        cr_expect_not_null(strstr(diag.text, "page"), "%s", diag.text);
        b.p[at] ^= 0x10;
    }
    vs_buf_free(&b);
    vs_test_folder_remove(p.dir);
}

Test(db, statements_report_bad_sql_and_bad_types)
{
    place p = place_new();
    vs_db *db = opened(&p, false);
    vs_stmt *s;
    bool row;
    vs_diag diag = {{0}};
    cr_expect_eq(vs_stmt_new(&s, db, "SELEC 1", &diag), VS_ERR_IO);
    cr_expect_null(s);
    cr_assert_eq(vs_db_begin(db, NULL), VS_OK);
    cr_assert_eq(vs_db_exec(db, "CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB) STRICT", NULL),
                 VS_OK);
    cr_assert_eq(vs_stmt_new(&s, db, "INSERT INTO t VALUES (?1, ?2)", NULL), VS_OK);
    vs_stmt_bind_u64(s, 1, INT64_MAX);
    vs_stmt_bind_text(s, 2, "text where bytes belong");
    cr_expect_eq(vs_stmt_step(s, &row, &diag), VS_ERR_IO, "STRICT");
    vs_stmt_reset(s);
    vs_stmt_bind_u64(s, 1, INT64_MAX);
    vs_stmt_bind_blob(s, 2, NULL, 0);
    cr_expect_eq(vs_stmt_step(s, &row, &diag), VS_OK);
    vs_stmt_reset(s);
    vs_stmt_bind_u64(s, 9, 1);
    cr_expect_eq(vs_stmt_step(s, &row, &diag), VS_ERR_IO, "no parameter 9");
    vs_stmt_free(s);
    cr_assert_eq(vs_stmt_new(&s, db, "SELECT a, b FROM t", NULL), VS_OK);
    cr_assert_eq(vs_stmt_step(s, &row, NULL), VS_OK);
    cr_expect(row && vs_stmt_u64(s, 0) == INT64_MAX);
    vs_stmt_free(s);
    cr_assert_eq(vs_db_commit(db, NULL), VS_OK);
    vs_db_close(db);
    vs_test_folder_remove(p.dir);
}
