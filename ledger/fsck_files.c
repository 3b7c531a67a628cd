#include "ledger/fsck_files.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/entry_blobs.h"
#include "ledger/export.h"

enum { NAME_BYTES = 300, DEPTH_MAX = 12 };

/* Cosignatures by the witnesses that the folder's own policy names; quorum: they must meet it. */
static vs_err check_witnesses(const vs_tlog_policy *policy, const vs_buf *note, bool quorum,
                              vs_diag *diag)
{
    vs_tlog_result *who = malloc(sizeof *who);
    if (who == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = vs_tlog_policy_verify(who, policy, note->p, note->len, diag);
    if (err == VS_OK && quorum && !who->quorum) {
        err = vs_fail(diag, VS_ERR_PROOF, "%u cosignatures do not meet the policy",
                      (unsigned)who->n_cosigned);
    }
    free(who);
    return err;
}

vs_err vs_fsck_checkpoint(vs_checkpoint *out, const vs_buf *note, const vs_note_key *key,
                          const vs_tlog_policy *policy, bool quorum, vs_diag *diag)
{
    vs_note_result *who = malloc(sizeof *who);
    if (who == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    vs_err err = vs_note_verify(who, note->p, note->len, key, 1, diag);
    if (err == VS_OK) err = vs_checkpoint_parse(out, note->p, who->text_len, diag);
    if (err == VS_OK && strcmp(out->origin, key->name) != 0) {
        err = vs_fail(diag, VS_ERR_PROOF, "its origin is %s, not the key's name %s", out->origin,
                      key->name);
    }
    if (err == VS_OK && policy != NULL) err = check_witnesses(policy, note, quorum, diag);
    free(who);
    return err;
}

/* --- blobs -------------------------------------------------------------------------------------
 */

typedef struct blob_check {
    vs_fsck_run *run;
    uint64_t index;
} blob_check;

static vs_err check_blob_of(void *ctx, vs_blob_kind kind, const vs_h32 *name)
{
    const blob_check *c = ctx;
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    char file[NAME_BYTES];
    if (kind == VS_BLOB_RESULT) return VS_OK; /* private unless the federation says otherwise */
    vs_hex_encode(hex, name->b, sizeof name->b);
    (void)snprintf(file, sizeof file, VS_EXPORT_BLOBS "/%s", hex);
    char *path = vs_log_path(c->run->dir, file);
    if (path == NULL) return VS_ERR_NOMEM;
    if (!vs_file_exists(path)) {
        vs_fsck_found(c->run, "entry %" PRIu64 ": its blob %s is missing", c->index, file);
    }
    free(path);
    return VS_OK;
}

void vs_fsck_blobs_of(vs_fsck_run *run, uint64_t index, const vs_buf *entry)
{
    blob_check c = {run, index};
    vs_err err = vs_entry_blobs_of(entry->p, entry->len, check_blob_of, &c);
    if (err != VS_OK) run->stop = err;
}

static void check_blob(vs_fsck_run *run, const char *path, const char *name, const char *hex)
{
    vs_h32 want;
    vs_h32 got;
    vs_map map = {0};
    vs_diag diag = {{0}};
    if (vs_hex_decode(want.b, sizeof want.b, hex) != VS_OK || strpbrk(hex, "ABCDEF") != NULL) {
        vs_fsck_found(run, "%s: its name is not a SHA-256", name);
        return;
    }
    run->report->n_blobs++;
    vs_err err = vs_map_file(&map, path, &diag);
    if (!vs_fsck_damage(run, "blob", err, &diag)) {
        vs_sha256(&got, map.p, map.len);
        if (!vs_h32_equal(&got, &want)) {
            vs_fsck_found(run, "%s: its bytes do not hash to its name", name);
        }
    }
    vs_unmap(&map);
}

/* federation.json must be one of the blobs: the newest that an entry names. */
static void check_federation(vs_fsck_run *run)
{
    char file[NAME_BYTES] = VS_EXPORT_BLOBS "/";
    vs_map map = {0};
    vs_h32 hash;
    vs_diag diag = {{0}};
    char *path = vs_log_path(run->dir, VS_EXPORT_FEDERATION);
    char *blob = NULL;
    if (path != NULL && vs_file_exists(path)) {
        vs_err err = vs_map_file(&map, path, &diag);
        if (!vs_fsck_damage(run, VS_EXPORT_FEDERATION, err, &diag)) {
            vs_sha256(&hash, map.p, map.len);
            vs_hex_encode(file + sizeof VS_EXPORT_BLOBS, hash.b, sizeof hash.b);
            blob = vs_log_path(run->dir, file);
            if (blob != NULL && !vs_file_exists(blob)) {
                vs_fsck_found(run, VS_EXPORT_FEDERATION ": is not the file that the log names");
            }
        }
    }
    if (path == NULL) run->stop = VS_ERR_NOMEM;
    vs_unmap(&map);
    free(path);
    free(blob);
}

/* --- tiles that the walk has not met: partial ones of older sizes -------------------------------
 */

static void check_hashes(vs_fsck_run *run, vs_tile_log *log, const char *name,
                         const vs_tile_path *at, uint64_t n, const vs_buf *bytes)
{
    uint64_t have =
        n - at->number * VS_TILE_WIDTH; /* the walk has looked at the tile that holds them */
    uint32_t width = have < VS_TILE_WIDTH ? (uint32_t)have : VS_TILE_WIDTH;
    vs_h32 want[VS_TILE_WIDTH];
    if (bytes->len != (size_t)at->width * VS_H32_BYTES) {
        vs_fsck_found(run, "%s: has %zu bytes, not %u", name, bytes->len,
                      (unsigned)(at->width * VS_H32_BYTES));
        return;
    }
    if (vs_tile_log_tile(log, at->level, at->number, width, want, NULL) != VS_OK) return;
    for (uint32_t i = 0; i < at->width; i++) {
        if (memcmp(bytes->p + (size_t)i * VS_H32_BYTES, want[i].b, VS_H32_BYTES) == 0) continue;
        vs_fsck_found(run, "%s: hash %u is wrong", name, (unsigned)i);
    }
}

static void check_bundle(vs_fsck_run *run, vs_tile_log *log, const char *name,
                         const vs_tile_path *at, const vs_buf *bytes)
{
    uint32_t end[VS_TILE_WIDTH];
    vs_buf entry = {0};
    vs_diag diag = {{0}};
    if (vs_bundle_cut(bytes, at->width, false, end, &diag) != VS_OK) {
        vs_fsck_found(run, "%s: %s", name, diag.text);
        return;
    }
    for (uint32_t i = 0; i < at->width; i++) {
        uint32_t from = (i == 0 ? 0 : end[i - 1]) + 2;
        uint64_t index = at->number * VS_TILE_WIDTH + i;
        vs_buf_reset(&entry);
        if (vs_tile_log_entry(log, index, &entry, NULL) != VS_OK) break; /* told by the walk */
        if (entry.len != end[i] - from || memcmp(entry.p, bytes->p + from, entry.len) != 0) {
            vs_fsck_found(run, "%s: entry %" PRIu64 " is not the one of the larger bundle", name,
                          index);
        }
    }
    vs_buf_free(&entry);
}

static void check_tile(vs_fsck_run *run, vs_tile_log *log, uint64_t size, const char *path,
                       const char *name)
{
    vs_tile_path at;
    vs_buf bytes = {0};
    vs_diag diag = {{0}};
    if (vs_tile_path_parse(&at, name) != VS_OK) {
        vs_fsck_found(run, "%s: is not the name of a tile", name);
        return;
    }
    bool entries = at.level == VS_TILE_ENTRIES;
    uint64_t n = entries ? size : at.level >= VS_TILE_LEVELS ? 0 : size >> (8 * at.level);
    bool covered =
        at.number < UINT64_MAX / VS_TILE_WIDTH - 1 && at.number * VS_TILE_WIDTH + at.width <= n;
    bool walked = at.width == VS_TILE_WIDTH || at.number * VS_TILE_WIDTH + at.width == n;
    if (!covered || walked) return;
    vs_err err =
        vs_file_read(&bytes, path, (size_t)VS_TILE_WIDTH * (2u + VS_ENTRY_MAX_BYTES), &diag);
    if (!vs_fsck_damage(run, name, err, &diag)) {
        if (entries)
            check_bundle(run, log, name, &at, &bytes);
        else
            check_hashes(run, log, name, &at, n, &bytes);
    }
    vs_buf_free(&bytes);
}

/* --- the folder --------------------------------------------------------------------------------
 */

typedef struct tree {
    vs_fsck_run *run;
    vs_tile_log *log; /* NULL: blobs */
    uint64_t size;
} tree;

static void visit(const tree *t, const char *name, int depth);

static void visit_entry(const tree *t, const char *name, const char *file, int depth)
{
    char inner[NAME_BYTES];
    struct stat st;
    if (strcmp(file, ".") == 0 || strcmp(file, "..") == 0) return;
    if (strstr(file, ".tmp-") != NULL) return; /* a write that a crash cut off */
    int n = snprintf(inner, sizeof inner, "%s/%s", name, file);
    char *path = n > 0 && n < NAME_BYTES ? vs_log_path(t->run->dir, inner) : NULL;
    if (path == NULL || depth == DEPTH_MAX || stat(path, &st) != 0) {
        vs_fsck_found(t->run, "%s: holds something that cannot be read", name);
    } else if (S_ISDIR(st.st_mode)) {
        visit(t, inner, depth + 1);
    } else if (t->log == NULL) {
        check_blob(t->run, path, inner, file);
    } else {
        check_tile(t->run, t->log, t->size, path, inner);
    }
    free(path);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Files in order of their names: the first problem told is the first one there is. The depth is
 * bounded, the names are ours. */
static void visit(const tree *t, const char *name, int depth)
{
    char *path = vs_log_path(t->run->dir, name);
    char **files = NULL;
    size_t n = 0;
    size_t cap = 0;
    const struct dirent *e;
    DIR *d = path == NULL ? NULL : opendir(path);
    if (path == NULL) t->run->stop = VS_ERR_NOMEM;
    while (d != NULL && t->run->stop == VS_OK && (e = readdir(d)) != NULL) {
        if (n == cap) {
            cap = cap == 0 ? 64 : 2 * cap;
            char **more = realloc(files, cap * sizeof *files);
            if (more == NULL) {
                t->run->stop = VS_ERR_NOMEM;
                break;
            }
            files = more;
        }
        char *copy = strdup(e->d_name);
        if (copy == NULL)
            t->run->stop = VS_ERR_NOMEM;
        else
            files[n++] = copy;
    }
    if (d != NULL) (void)closedir(d);
    if (n > 0) qsort(files, n, sizeof *files, by_name);
    for (size_t i = 0; i < n; i++) {
        if (t->run->stop == VS_OK) visit_entry(t, name, files[i], depth);
        free(files[i]);
    }
    free(files);
    free(path);
}

void vs_fsck_files(vs_fsck_run *run, vs_tile_log *log, uint64_t size)
{
    tree tiles = {run, log, size};
    tree blobs = {run, NULL, 0};
    visit(&tiles, "tile", 0);
    visit(&blobs, VS_EXPORT_BLOBS, 0);
    check_federation(run);
}
