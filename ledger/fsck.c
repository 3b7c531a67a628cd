#include "ledger/fsck.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/db_pages.h"
#include "ledger/fsck_tree.h"
#include "ledger/log_store.h"

/* --- what the checks share ------------------------------------------------------------------- */

void vs_fsck_found(vs_fsck_run *run, const char *fmt, ...)
{
    vs_diag line;
    char text[VS_DIAG_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)vs_fail(&line, VS_OK, "%s", text); /* makes it printable */
    run->report->n_problems++;
    if (run->problem != NULL) run->problem(run->ctx, line.text);
}

bool vs_fsck_damage(vs_fsck_run *run, const char *what, vs_err err, const vs_diag *diag)
{
    if (err == VS_OK) return false;
    if (err == VS_ERR_NOMEM) {
        run->stop = err;
    } else {
        vs_fsck_found(run, "%s: %s", what, diag->text);
    }
    return true;
}

/* --- database file --------------------------------------------------------------------------- */

static void page_problem(void *ctx, const char *text)
{
    vs_fsck_found(ctx, "%s", text);
}

static void check_pages(vs_fsck_run *run, const char *path)
{
    vs_diag diag = {{0}};
    uint32_t n = 0;
    bool wal = vs_db_has_wal(path);
    run->report->unclean_stop = wal || !vs_pages_exist(path);
    if (!vs_pages_exist(path)) return;
    vs_err err = vs_pages_check(path, page_problem, run, &n, &diag);
    (void)vs_fsck_damage(run, "page hashes", err, &diag);
    if (wal) vs_fsck_found(run, VS_LOG_DB_NAME "-wal: is there although the last stop was clean");
}

static void check_integrity(vs_fsck_run *run, vs_db *db)
{
    vs_stmt *s;
    bool row = false;
    vs_diag diag = {{0}};
    vs_err err = vs_stmt_new(&s, db, "PRAGMA integrity_check(20)", &diag);
    if (err == VS_OK) err = vs_stmt_step(s, &row, &diag);
    while (err == VS_OK && row) {
        const char *text = vs_stmt_text(s, 0);
        if (strcmp(text, "ok") != 0) vs_fsck_found(run, VS_LOG_DB_NAME ": %s", text);
        err = vs_stmt_step(s, &row, &diag);
    }
    (void)vs_fsck_damage(run, "integrity check", err, &diag);
    vs_stmt_free(s);
}

/* --- blobs ----------------------------------------------------------------------------------- */

static void check_blob(vs_fsck_run *run, const char *file)
{
    vs_h32 name;
    vs_h32 got;
    vs_map map = {0};
    vs_diag diag = {{0}};
    if (strstr(file, ".tmp-") != NULL) return; /* a write that a crash cut off; never referred to */
    if (vs_hex_decode(name.b, sizeof name.b, file) != VS_OK || strpbrk(file, "ABCDEF") != NULL) {
        vs_fsck_found(run, "blobs/%s: its name is not a SHA-256", file);
        return;
    }
    char *path = vs_log_blob_name(run->dir, &name);
    if (path == NULL) {
        run->stop = VS_ERR_NOMEM;
        return;
    }
    run->report->n_blobs++;
    vs_err err = vs_map_file(&map, path, &diag);
    if (!vs_fsck_damage(run, "blob", err, &diag)) {
        vs_sha256(&got, map.p, map.len);
        if (!vs_h32_equal(&got, &name)) {
            vs_fsck_found(run, "blobs/%s: its bytes do not hash to its name", file);
        }
    }
    vs_unmap(&map);
    free(path);
}

static void check_blobs(vs_fsck_run *run)
{
    char *folder = vs_log_path(run->dir, VS_LOG_BLOBS_NAME);
    DIR *d = folder == NULL ? NULL : opendir(folder);
    if (folder == NULL) run->stop = VS_ERR_NOMEM;
    if (folder != NULL && d == NULL) vs_fsck_found(run, "blobs: cannot be read");
    const struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) check_blob(run, e->d_name);
    }
    if (d != NULL) (void)closedir(d);
    free(folder);
}

/* --- all ------------------------------------------------------------------------------------- */

static void check_log(vs_fsck_run *run, vs_db *db, const vs_note_key *vkey)
{
    vs_log_store store;
    vs_note_key key;
    bool found = false;
    vs_diag diag = {{0}};
    vs_err err = vs_log_store_key(db, &key, &found, &diag);
    if (vs_fsck_damage(run, "log key", err, &diag)) return;
    if (!found) {
        vs_fsck_found(run, VS_LOG_DB_NAME ": there is no log in it");
        return;
    }
    if (vkey != NULL && (key.id != vkey->id || strcmp(key.name, vkey->name) != 0 ||
                         !vs_h32_equal(&key.public_key, &vkey->public_key))) {
        vs_fsck_found(run, "log key: the log says %s+%08x, not %s+%08x", key.name, (unsigned)key.id,
                      vkey->name, (unsigned)vkey->id);
    }
    err = vs_log_store_open(&store, db, &diag);
    if (!vs_fsck_damage(run, VS_LOG_DB_NAME, err, &diag)) {
        vs_fsck_tree(run, &store, vkey == NULL ? &key : vkey);
    }
    vs_log_store_close(&store);
}

vs_err vs_fsck(const char *dir, const vs_note_key *vkey, vs_fsck_problem problem, void *ctx,
               vs_fsck_report *report, vs_diag *diag)
{
    vs_db *db = NULL;
    vs_diag why = {{0}};
    *report = (vs_fsck_report){0};
    vs_fsck_run run = {.dir = dir, .problem = problem, .ctx = ctx, .report = report};
    char *path = vs_log_path(dir, VS_LOG_DB_NAME);
    if (path == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = vs_db_open(&db, path, false, true, &why);
    /* some bytes of the file header, changed, make SQLite give errors that are not of damage */
    bool damaged = err == VS_ERR_MALFORMED || (err == VS_ERR_IO && vs_file_exists(path));
    if (err == VS_OK || damaged) check_pages(&run, path);
    if (damaged) {
        vs_fsck_found(&run, "%s", why.text); /* and nothing in it can be read */
        err = VS_OK;
    }
    if (err == VS_OK && db != NULL) {
        check_integrity(&run, db);
        check_log(&run, db, vkey);
    }
    if (err == VS_OK) check_blobs(&run);
    vs_db_close(db);
    free(path);
    if (err != VS_OK) return vs_fail(diag, err, "%s", why.text);
    return run.stop == VS_OK ? VS_OK : vs_fail(diag, run.stop, "out of memory");
}
