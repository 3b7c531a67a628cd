#include "tests/cli/support_tamper.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/cli/support_run.h"

enum { FILE_MAX = 1 << 22 };

vs_buf tamper_read_file(const char *path)
{
    vs_buf b = {0};
    cr_assert_eq(vs_file_read(&b, path, FILE_MAX, NULL), VS_OK, "%s", path);
    return b;
}

void tamper_write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(data, 1, len, f), len);
    cr_assert_eq(fclose(f), 0);
}

void tamper_path_in(char out[400], const tamper_scene *s, const char *name)
{
    (void)snprintf(out, 400, "%s/%s", s->w->folder, name);
}

/* Round 1 ends with a result, round 2 is cancelled, and the aggregator stops cleanly. */
tamper_scene tamper_scene_new(uint64_t seed)
{
    vs_world_config config = {.committee = {.n = 4, .t = 1, .k = 1, .margin = 1},
                              .n_clients = 3,
                              .min_clients = 2,
                              .max_clients = 8,
                              .dim = 20,
                              .seed = seed};
    tamper_scene s = {.w = vs_world_new(&config)};
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
    tamper_path_in(s.db, &s, "ledger.db");
    tamper_path_in(s.pages, &s, "ledger.db.pages");
    s.db_bytes = tamper_read_file(s.db);
    s.pages_bytes = tamper_read_file(s.pages);
    tamper_path_in(path, &s, "federation.json");
    tamper_write_file(path, w->tf->fed->file.p, w->tf->fed->file.len);
    return s;
}

void tamper_scene_free(tamper_scene *s)
{
    vs_buf_free(&s->db_bytes);
    vs_buf_free(&s->pages_bytes);
    vs_buf_free(&s->found);
    vs_world_free(s->w);
}

/* The database as the clean stop left it. */
void tamper_restore(const tamper_scene *s)
{
    char wal[420];
    (void)snprintf(wal, sizeof wal, "%s-wal", s->db);
    (void)unlink(wal);
    tamper_write_file(s->db, s->db_bytes.p, s->db_bytes.len);
    tamper_write_file(s->pages, s->pages_bytes.p, s->pages_bytes.len);
}

void tamper_set_byte(const char *path, size_t at, uint8_t v)
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

static const char *fsck(tamper_scene *s)
{
    vs_diag diag = {{0}};
    vs_buf_reset(&s->found);
    vs_err err = vs_fsck(s->w->folder, NULL, remember, &s->found, &s->report, &diag);
    cr_assert_eq(err, VS_OK, "it could not be checked: %s", diag.text);
    vs_buf_u8(&s->found, 0);
    return (const char *)s->found.p;
}

void tamper_expect_named(tamper_scene *s, const char *what, const char *where)
{
    const char *found = fsck(s);
    cr_expect_gt(s->report.n_problems, 0, "%s", where);
    cr_expect_not_null(strstr(found, what), "%s: no \"%s\" in:\n%s", where, what, found);
}

/* The program says so, and exits with 1. */
void tamper_expect_printed(const tamper_scene *s, const char *what, const char *command)
{
    const char *args[] = {command, s->w->folder, "--federation", "federation.json", NULL};
    const char *fsck_args[] = {"ledger", "fsck", s->w->folder, NULL};
    bool audit = strcmp(command, "audit") == 0;
    vs_run run = vs_run_program(s->w->folder, audit ? args : fsck_args);
    cr_expect_eq(run.status, 1, "%s", run.out);
    cr_expect_not_null(strstr(run.out, what), "no \"%s\" in:\n%s%s", what, run.out, run.err);
    vs_run_free(&run);
}

void tamper_expect_whole(const tamper_scene *s)
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
