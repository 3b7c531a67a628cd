#include "net/audit_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "ledger/export.h"
#include "ledger/log.h"
#include "ledger/tile_log.h"

/* --- a ledger's folder -------------------------------------------------------------------------
 */

typedef struct ledger {
    vs_log *log;
    bool have; /* map holds the blob `name` */
    vs_h32 name;
    vs_map map;
} ledger;

static vs_err ledger_entry(void *ctx, uint64_t index, vs_buf *out, vs_diag *diag)
{
    const ledger *s = ctx;
    return vs_log_entry(s->log, index, out, diag);
}

static vs_err ledger_checkpoint(void *ctx, uint64_t size, bool again, vs_buf *out, vs_diag *diag)
{
    const ledger *s = ctx;
    if (again) return VS_ERR_STATE;
    return vs_log_checkpoint_at(s->log, size, out, diag);
}

static vs_err ledger_blob(void *ctx, const vs_h32 *name, const uint8_t **p, size_t *len,
                          vs_diag *diag)
{
    ledger *s = ctx;
    if (!s->have || !vs_h32_equal(name, &s->name)) {
        char *path = vs_log_blob_path(s->log, name);
        if (path == NULL) return VS_ERR_NOMEM;
        vs_unmap(&s->map);
        vs_err err = vs_file_exists(path) ? vs_map_file(&s->map, path, diag) : VS_ERR_STATE;
        free(path);
        s->have = err == VS_OK;
        s->name = *name;
        if (err != VS_OK) return err == VS_ERR_IO ? VS_ERR_STATE : err;
    }
    *p = s->map.p;
    *len = s->map.len;
    return VS_OK;
}

static void ledger_free(void *ctx)
{
    ledger *s = ctx;
    vs_unmap(&s->map);
    vs_log_close(s->log);
    free(s);
}

vs_err vs_audit_source_ledger(vs_audit_source *out, const char *dir, vs_diag *diag)
{
    ledger *s = calloc(1, sizeof *s);
    if (s == NULL) return vs_fail(diag, VS_ERR_NOMEM, "audit: out of memory");
    vs_err err = vs_log_open_read(&s->log, dir, diag);
    if (err != VS_OK) {
        free(s);
        return err;
    }
    *out = (vs_audit_source){.size = vs_log_size(s->log),
                             .entry = ledger_entry,
                             .checkpoint = ledger_checkpoint,
                             .blob = ledger_blob,
                             .free = ledger_free,
                             .ctx = s};
    vs_log_root(s->log, &out->root);
    return VS_OK;
}

/* --- a published log ---------------------------------------------------------------------------
 */

typedef struct published {
    vs_fetch fetch;
    vs_tile_log *log;
    vs_buf newest, cosigned; /* checkpoint notes as they came */
    uint64_t size, cosigned_size;
    bool have;
    vs_h32 name;
    vs_buf blob;
} published;

static vs_err published_entry(void *ctx, uint64_t index, vs_buf *out, vs_diag *diag)
{
    published *s = ctx;
    return vs_tile_log_entry(s->log, index, out, diag);
}

static vs_err published_checkpoint(void *ctx, uint64_t size, bool again, vs_buf *out, vs_diag *diag)
{
    const published *s = ctx;
    const vs_buf *note = NULL;
    if (size == s->size && !again) note = &s->newest;
    if (size == s->cosigned_size && (again || size != s->size)) note = &s->cosigned;
    if (note == NULL || (again && size != s->size)) {
        return vs_fail(diag, VS_ERR_STATE, "no checkpoint of this size is published");
    }
    vs_buf_bytes(out, note->p, note->len);
    return vs_buf_check(out);
}

static vs_err published_blob(void *ctx, const vs_h32 *name, const uint8_t **p, size_t *len,
                             vs_diag *diag)
{
    published *s = ctx;
    char file[sizeof VS_EXPORT_BLOBS + VS_HEX_CHARS(VS_H32_BYTES)];
    if (!s->have || !vs_h32_equal(name, &s->name)) {
        memcpy(file, VS_EXPORT_BLOBS "/", sizeof VS_EXPORT_BLOBS);
        vs_hex_encode(file + sizeof VS_EXPORT_BLOBS, name->b, sizeof name->b);
        s->have = false;
        vs_buf_reset(&s->blob);
        vs_err err = s->fetch.get(s->fetch.ctx, file, VS_AUDIT_BLOB_MAX, &s->blob, diag);
        if (err != VS_OK) return err;
        s->have = true;
        s->name = *name;
    }
    *p = s->blob.p;
    *len = s->blob.len;
    return VS_OK;
}

static vs_err published_tile(void *ctx, uint32_t level, uint64_t number, const vs_h32 *hashes,
                             uint32_t n, vs_diag *diag)
{
    published *s = ctx;
    vs_h32 there[VS_TILE_WIDTH];
    char name[VS_TILE_PATH_CHARS];
    vs_err err = vs_tile_log_tile(s->log, level, number, n, there, diag);
    if (err != VS_OK) return err;
    for (uint32_t i = 0; i < n; i++) {
        if (vs_h32_equal(&there[i], &hashes[i])) continue;
        vs_tile_path_format(name, &(vs_tile_path){level, number, n});
        return vs_fail(diag, VS_ERR_PROOF, "%s: hash %u is not that of the entries", name,
                       (unsigned)i);
    }
    return VS_OK;
}

static void published_free(void *ctx)
{
    published *s = ctx;
    vs_tile_log_free(s->log);
    vs_buf_free(&s->newest);
    vs_buf_free(&s->cosigned);
    vs_buf_free(&s->blob);
    free(s);
}

/* What the text of a checkpoint says; whether it is signed is asked later. */
static vs_err read_text(vs_checkpoint *c, const vs_buf *note, const char *name, vs_diag *diag)
{
    size_t end = note->len;
    while (end > 1 && (note->p[end - 1] != '\n' || note->p[end - 2] != '\n')) end--;
    vs_err err = end <= 1 ? vs_fail(diag, VS_ERR_MALFORMED, "not a signed note")
                          : vs_checkpoint_parse(c, note->p, end - 1, diag);
    if (err != VS_OK) vs_diag_prefix(diag, "%s", name);
    return err;
}

/* The cosigned one first: then the newest is at least as large, also while the log grows. */
static vs_err load(published *s, vs_h32 *root, vs_diag *diag)
{
    vs_checkpoint c;
    vs_diag why = {{0}};
    s->cosigned_size = UINT64_MAX;
    vs_err err =
        s->fetch.get(s->fetch.ctx, VS_EXPORT_COSIGNED, VS_NOTE_MAX_BYTES, &s->cosigned, &why);
    if (err == VS_OK) {
        err = read_text(&c, &s->cosigned, VS_EXPORT_COSIGNED, diag);
        if (err == VS_OK) s->cosigned_size = c.size;
    } else {
        err = err == VS_ERR_STATE ? VS_OK : vs_fail(diag, err, "%s", why.text);
    }
    if (err == VS_OK) {
        err = s->fetch.get(s->fetch.ctx, VS_EXPORT_CHECKPOINT, VS_NOTE_MAX_BYTES, &s->newest, diag);
    }
    if (err == VS_OK) err = read_text(&c, &s->newest, VS_EXPORT_CHECKPOINT, diag);
    if (err != VS_OK) return err;
    s->size = c.size;
    *root = c.root;
    return vs_tile_log_new(&s->log, &s->fetch, s->size);
}

vs_err vs_audit_source_published(vs_audit_source *out, const vs_fetch *fetch, vs_diag *diag)
{
    published *s = calloc(1, sizeof *s);
    if (s == NULL) return vs_fail(diag, VS_ERR_NOMEM, "audit: out of memory");
    s->fetch = *fetch;
    *out = (vs_audit_source){.entry = published_entry,
                             .checkpoint = published_checkpoint,
                             .blob = published_blob,
                             .tile = published_tile,
                             .free = published_free,
                             .ctx = s};
    vs_err err = load(s, &out->root, diag);
    out->size = s->size;
    if (err != VS_OK) published_free(s);
    return err;
}
