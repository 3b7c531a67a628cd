/* Blobs: the log's are read, model files are uploaded and read. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "net/aggregator_impl.h"

/* Store: "upload" -> name of the upload under way; "model/<hex>" -> u64 size, u64 unix time in ms;
 * blob "model/<hex>" -> bytes. */
#define UPLOAD_KEY "upload"
#define MODEL_VALUE_BYTES 16u
#define MODEL_NAME_CHARS 80u

static void model_name(char out[MODEL_NAME_CHARS], const vs_h32 *name)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hex_encode(hex, name->b, sizeof name->b);
    (void)snprintf(out, MODEL_NAME_CHARS, "model/%s", hex);
}

vs_err vs_ag_model_known(ag_t *ag, const vs_h32 *name, bool *known)
{
    char key[MODEL_NAME_CHARS];
    vs_buf value = {0};
    model_name(key, name);
    vs_err err = vs_ag_get(ag, key, &value, known);
    vs_buf_free(&value);
    return err;
}

static vs_err drop_upload(ag_t *ag, const vs_h32 *name)
{
    char blob[MODEL_NAME_CHARS];
    model_name(blob, name);
    vs_err err = ag->store.ops->blob_remove(ag->store.ctx, blob, ag->diag);
    if (err == VS_OK) err = vs_ag_put(ag, UPLOAD_KEY, NULL, 0);
    ag->upload = (ag_upload){0};
    return err;
}

/* An upload that was under way is dropped: its sender starts again. */
vs_err vs_ag_blob_restore(ag_t *ag)
{
    vs_buf value = {0};
    vs_h32 name;
    bool found = false;
    vs_err err = vs_ag_get(ag, UPLOAD_KEY, &value, &found);
    if (err == VS_OK && found && value.len == sizeof name.b) {
        memcpy(name.b, value.p, sizeof name.b);
        err = drop_upload(ag, &name);
    }
    vs_buf_free(&value);
    return err;
}

/* --- reading ---------------------------------------------------------------------------------- */

static vs_err reply_page(ag_t *ag, uint64_t conn, uint64_t offset, uint64_t total, const void *p,
                         size_t len)
{
    vsw_Reply head = {.which_result = vsw_Reply_progress_tag,
                      .result.progress = {.next = offset + len, .total = total}};
    return vs_ag_reply(ag, conn, &head, p, len);
}

static vs_err past_the_end(ag_t *ag, uint64_t conn, uint64_t total)
{
    return vs_ag_reply_error(ag, conn, vsw_Code_MALFORMED, total,
                             "the offset is beyond the blob's %" PRIu64 " bytes", total);
}

static vs_err serve_log_blob(ag_t *ag, uint64_t conn, const char *path, uint64_t offset)
{
    vs_map map = {0};
    vs_err err = vs_map_file(&map, path, ag->diag);
    if (err != VS_OK) return err;
    if (offset > map.len) {
        err = past_the_end(ag, conn, map.len);
    } else {
        uint64_t left = map.len - offset;
        size_t len = left < VS_AG_BLOB_PAGE ? (size_t)left : VS_AG_BLOB_PAGE;
        err = reply_page(ag, conn, offset, map.len, len > 0 ? map.p + offset : NULL, len);
    }
    vs_unmap(&map);
    return err;
}

static vs_err serve_model(ag_t *ag, uint64_t conn, const vs_h32 *name, uint64_t offset)
{
    char blob[MODEL_NAME_CHARS];
    vs_buf page = {0};
    uint64_t size = 0;
    bool found = false;
    model_name(blob, name);
    vs_err err = ag->store.ops->blob_size(ag->store.ctx, blob, &size, &found, ag->diag);
    if (err == VS_OK && offset > size) return past_the_end(ag, conn, size);
    if (err == VS_OK) {
        err = ag->store.ops->blob_read(ag->store.ctx, blob, offset, VS_AG_BLOB_PAGE, &page, &found,
                                       ag->diag);
    }
    if (err == VS_OK) err = reply_page(ag, conn, offset, size, page.p, page.len);
    vs_buf_free(&page);
    return err;
}

static bool may_read(const ag_t *ag, const vsw_Blob *m, bool is_model)
{
    vs_buf arguments = {0};
    if (memcmp(m->name, ag->fed->id.b, VS_H32_BYTES) == 0) return true; /* the federation file */
    if (ag->fed->public_results && !is_model) return true;
    vs_buf_bytes(&arguments, m->name, sizeof m->name);
    vs_buf_u64(&arguments, m->offset);
    bool ok = vs_ag_is_member(ag, m->has_control, &m->control, &arguments);
    vs_buf_free(&arguments);
    return ok;
}

vs_err vs_ag_blob_serve(ag_t *ag, uint64_t conn, const vsw_Blob *m)
{
    vs_h32 name;
    bool is_model = false;
    memcpy(name.b, m->name, sizeof name.b);
    vs_err err = vs_ag_model_known(ag, &name, &is_model);
    if (err != VS_OK) return err;
    if (!may_read(ag, m, is_model)) { /* before anything tells whether it is there */
        return vs_ag_reply_error(ag, conn, vsw_Code_UNAUTHORISED, 0,
                                 "this blob is for members: sign the request with the admin's, a "
                                 "shareholder's or an enrolled client's key");
    }
    if (is_model) return serve_model(ag, conn, &name, m->offset);
    char *path = vs_log_blob_path(ag->log, &name);
    if (path == NULL) return VS_ERR_NOMEM;
    if (vs_file_exists(path)) {
        err = serve_log_blob(ag, conn, path, m->offset);
    } else {
        err = vs_ag_reply_error(ag, conn, vsw_Code_NOT_FOUND, 0, "no such blob here");
    }
    free(path);
    return err;
}

/* --- upload ----------------------------------------------------------------------------------- */

static vs_err reply_progress(ag_t *ag, uint64_t conn, uint64_t next, uint64_t total)
{
    vsw_Reply head = {.which_result = vsw_Reply_progress_tag,
                      .result.progress = {.next = next, .total = total}};
    return vs_ag_reply(ag, conn, &head, NULL, 0);
}

static bool upload_is_signed(const ag_t *ag, const vsw_ControlBlob *m, const uint8_t *body,
                             size_t len)
{
    vs_buf arguments = {0};
    vs_h32 hash;
    vs_sha256(&hash, body, len);
    vs_buf_bytes(&arguments, m->name, sizeof m->name);
    vs_buf_u64(&arguments, m->offset);
    vs_buf_u64(&arguments, m->total);
    vs_buf_h32(&arguments, &hash);
    bool ok = vs_ag_is_admin(ag, m->has_control, &m->control, VS_OPERATION_PUT_BLOB, 0, &arguments);
    vs_buf_free(&arguments);
    return ok;
}

typedef struct oldest {
    const ag_t *ag;
    char key[MODEL_NAME_CHARS];
    uint64_t time;
    uint32_t n;
} oldest;

static vs_err visit_model(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    oldest *o = ctx;
    char in_use[MODEL_NAME_CHARS];
    if (len != MODEL_VALUE_BYTES) return VS_OK;
    o->n++;
    model_name(in_use, &o->ag->round.open.model_hash);
    uint64_t time = vs_load_le64(value + 8);
    if (strcmp(key, in_use) == 0 || time >= o->time) return VS_OK;
    o->time = time;
    (void)snprintf(o->key, sizeof o->key, "%s", key);
    return VS_OK;
}

/* At most VS_AG_MODELS_KEPT files stay; the newest round's is never removed. */
static vs_err drop_old_models(ag_t *ag)
{
    for (;;) {
        oldest o = {.ag = ag, .time = UINT64_MAX};
        vs_err err = ag->store.ops->scan(ag->store.ctx, "model/", visit_model, &o, ag->diag);
        if (err != VS_OK || o.n <= VS_AG_MODELS_KEPT || o.key[0] == '\0') return err;
        err = vs_ag_put(ag, o.key, NULL, 0);
        if (err == VS_OK) err = ag->store.ops->blob_remove(ag->store.ctx, o.key, ag->diag);
        if (err != VS_OK) return err;
    }
}

/* All bytes are here: is it what its name says? */
static vs_err finish_upload(ag_t *ag, uint64_t conn)
{
    char blob[MODEL_NAME_CHARS];
    uint8_t value[MODEL_VALUE_BYTES];
    ag_upload u = ag->upload;
    vs_h32 hash;
    vs_hash_final(&u.hash, &hash);
    if (!vs_h32_equal(&hash, &u.name)) {
        vs_err err = drop_upload(ag, &u.name);
        if (err != VS_OK) return err;
        return vs_ag_reply_error(ag, conn, vsw_Code_REFUSED, 0,
                                 "the uploaded bytes do not hash to the name of the blob");
    }
    model_name(blob, &u.name);
    vs_store_le64(value, u.total);
    vs_store_le64(value + 8, ag->now_ms);
    vs_store_item items[] = {{.key = blob, .value = value, .len = sizeof value},
                             {.key = UPLOAD_KEY}};
    vs_err err = ag->store.ops->blob_sync(ag->store.ctx, blob, ag->diag);
    if (err == VS_OK) err = ag->store.ops->put(ag->store.ctx, items, 2, ag->diag);
    ag->upload = (ag_upload){0};
    if (err == VS_OK) err = drop_old_models(ag);
    return err == VS_OK ? reply_progress(ag, conn, u.total, u.total) : err;
}

static vs_err start_upload(ag_t *ag, const vs_h32 *name, uint64_t total)
{
    char blob[MODEL_NAME_CHARS];
    vs_err err = ag->upload.active ? drop_upload(ag, &ag->upload.name) : VS_OK;
    if (err == VS_OK) err = vs_ag_put(ag, UPLOAD_KEY, name->b, sizeof name->b);
    model_name(blob, name);
    if (err == VS_OK) err = ag->store.ops->blob_remove(ag->store.ctx, blob, ag->diag);
    if (err != VS_OK) return err;
    ag->upload = (ag_upload){.active = true, .name = *name, .total = total};
    vs_hash_init(&ag->upload.hash);
    return VS_OK;
}

vs_err vs_ag_blob_take(ag_t *ag, uint64_t conn, const vsw_ControlBlob *m, const uint8_t *body,
                       size_t len)
{
    ag_upload *u = &ag->upload;
    char blob[MODEL_NAME_CHARS];
    vs_h32 name;
    bool known = false;
    memcpy(name.b, m->name, sizeof name.b);
    if (!upload_is_signed(ag, m, body, len)) {
        return vs_ag_reply_error(ag, conn, vsw_Code_UNAUTHORISED, 0,
                                 "only the federation's admin key uploads model files");
    }
    if (m->total == 0 || m->total > VS_AG_MODEL_MAX || m->offset > m->total ||
        len > m->total - m->offset) {
        return vs_ag_reply_error(ag, conn, vsw_Code_REFUSED, VS_AG_MODEL_MAX,
                                 "a model file has 1 to %" PRIu64
                                 " bytes and no piece goes beyond its end",
                                 VS_AG_MODEL_MAX);
    }
    vs_err err = vs_ag_model_known(ag, &name, &known);
    if (err != VS_OK) return err;
    if (known) return reply_progress(ag, conn, m->total, m->total);
    bool same = u->active && vs_h32_equal(&u->name, &name) && u->total == m->total;
    if (!same && m->offset == 0) {
        err = start_upload(ag, &name, m->total);
        if (err != VS_OK) return err;
        same = true;
    }
    if (!same) return reply_progress(ag, conn, 0, m->total); /* begin at the beginning */
    if (m->offset != u->next || len == 0) return reply_progress(ag, conn, u->next, u->total);
    model_name(blob, &name);
    err = ag->store.ops->blob_write(ag->store.ctx, blob, u->next, body, len, ag->diag);
    if (err != VS_OK) return err;
    vs_hash_bytes(&u->hash, body, len);
    u->next += len;
    return u->next == u->total ? finish_upload(ag, conn)
                               : reply_progress(ag, conn, u->next, u->total);
}
