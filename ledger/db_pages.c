#include "ledger/db_pages.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"

enum { PATH_BYTES = 4096 };

static const char label[] = "veilsum/v1 pages";

static vs_err name_of(char out[PATH_BYTES], const char *path, vs_diag *diag)
{
    int n = snprintf(out, PATH_BYTES, "%s.pages", path);
    if (n < 0 || n >= PATH_BYTES) return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", path);
    return VS_OK;
}

bool vs_pages_exist(const char *path)
{
    char name[PATH_BYTES];
    return name_of(name, path, NULL) == VS_OK && vs_file_exists(name);
}

vs_err vs_pages_remove(const char *path, vs_diag *diag)
{
    char name[PATH_BYTES];
    vs_err err = name_of(name, path, diag);
    return err == VS_OK ? vs_file_remove(name, diag) : err;
}

static size_t page_len(size_t file_len, size_t page)
{
    size_t left = file_len - page * VS_PAGE_BYTES;
    return left < VS_PAGE_BYTES ? left : VS_PAGE_BYTES;
}

vs_err vs_pages_write(const char *path, vs_diag *diag)
{
    char name[PATH_BYTES];
    vs_map map = {0};
    vs_buf out = {0};
    vs_h32 hash;
    vs_err err = name_of(name, path, diag);
    if (err == VS_OK) err = vs_map_file(&map, path, diag);
    if (err != VS_OK) return err;
    vs_buf_label(&out, label);
    vs_buf_u32(&out, VS_PAGE_BYTES);
    vs_buf_u64(&out, map.len);
    for (size_t page = 0; page * VS_PAGE_BYTES < map.len; page++) {
        vs_sha256(&hash, map.p + page * VS_PAGE_BYTES, page_len(map.len, page));
        vs_buf_h32(&out, &hash);
    }
    if (!out.failed) {
        vs_sha256(&hash, out.p, out.len);
        vs_buf_h32(&out, &hash);
    }
    err = out.failed ? vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", name)
                     : vs_file_write_durable(name, out.p, out.len, 0600, diag);
    vs_buf_free(&out);
    vs_unmap(&map);
    return err;
}

/* --- check ----------------------------------------------------------------------------------- */

typedef struct sink {
    vs_pages_problem problem;
    void *ctx;
    uint32_t n;
} sink;

static void report(sink *s, const char *fmt, ...) VS_PRINTF(2, 3);
static void report(sink *s, const char *fmt, ...)
{
    char text[VS_DIAG_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    s->n++;
    if (s->problem != NULL) s->problem(s->ctx, text);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static void compare(sink *s, const char *base, const vs_map *db, const vs_map *pages)
{
    vs_reader r = vs_reader_of(pages->p, pages->len < VS_H32_BYTES ? 0 : pages->len - VS_H32_BYTES);
    vs_h32 hash;
    vs_h32 want;
    vs_sha256(&hash, pages->p, r.left);
    if (pages->len < VS_H32_BYTES ||
        memcmp(hash.b, pages->p + pages->len - VS_H32_BYTES, VS_H32_BYTES) != 0) {
        report(s, "%s.pages: changed since the last stop", base);
        return;
    }
    vs_read_label(&r, label);
    uint32_t page_bytes = vs_read_u32(&r);
    uint64_t file_bytes = vs_read_u64(&r);
    if (r.bad || page_bytes != VS_PAGE_BYTES) {
        report(s, "%s.pages: not a page-hash file of this version", base);
        return;
    }
    if (file_bytes != db->len) {
        report(s, "%s: %zu bytes long, was %llu at the last stop", base, db->len,
               (unsigned long long)file_bytes);
    }
    for (size_t page = 0; page * VS_PAGE_BYTES < db->len && r.left > 0; page++) {
        size_t len = page_len(db->len, page);
        vs_read_h32(&r, &want);
        vs_sha256(&hash, db->p + page * VS_PAGE_BYTES, len);
        if (vs_h32_equal(&hash, &want)) continue;
        report(s, "%s: page %zu (bytes %zu..%zu) changed since the last stop", base, page + 1,
               page * VS_PAGE_BYTES, page * VS_PAGE_BYTES + len - 1);
    }
}

vs_err vs_pages_check(const char *path, vs_pages_problem problem, void *ctx, uint32_t *n,
                      vs_diag *diag)
{
    char name[PATH_BYTES];
    vs_map db = {0};
    vs_map pages = {0};
    sink s = {.problem = problem, .ctx = ctx};
    *n = 0;
    vs_err err = name_of(name, path, diag);
    if (err == VS_OK) err = vs_map_file(&db, path, diag);
    if (err == VS_OK) err = vs_map_file(&pages, name, diag);
    if (err == VS_OK) compare(&s, base_name(path), &db, &pages);
    vs_unmap(&db);
    vs_unmap(&pages);
    *n = s.n;
    return err;
}

/* --- files beside the database --------------------------------------------------------------- */

vs_err vs_db_immutable_uri(char out[VS_DB_URI_BYTES], const char *path, vs_diag *diag)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    if (strlen(path) >= PATH_BYTES - 64) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", path);
    }
    n += (size_t)snprintf(out, 16, "%s", path[0] == '/' ? "file://" : "file:");
    for (const char *c = path; *c != '\0'; c++) {
        unsigned char u = (unsigned char)*c;
        bool plain = (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') ||
                     strchr("/._-", u) != NULL;
        if (plain) {
            out[n++] = *c;
        } else {
            out[n++] = '%';
            out[n++] = hex[u >> 4];
            out[n++] = hex[u & 15];
        }
    }
    (void)snprintf(out + n, 32, "?immutable=1");
    return VS_OK;
}

bool vs_db_has_wal(const char *path)
{
    char name[PATH_BYTES];
    struct stat st;
    int n = snprintf(name, sizeof name, "%s-wal", path);
    return n > 0 && n < (int)sizeof name && stat(name, &st) == 0 && st.st_size > 0;
}
