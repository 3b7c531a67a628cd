#include "ledger/log_store.h"

#include <stdlib.h>
#include <string.h>

static const char key_name[] = "log/key";

vs_err vs_log_store_create(vs_db *db, const vs_note_key *key, vs_diag *diag)
{
    char vkey[VS_VKEY_CHARS];
    vs_err err = vs_db_exec(
        db,
        "CREATE TABLE entries (idx INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
        "CREATE TABLE tiles (level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL,"
        " PRIMARY KEY (level, number)) STRICT;"
        "CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, root BLOB NOT NULL,"
        " note BLOB NOT NULL) STRICT;"
        "CREATE TABLE cosignatures (size INTEGER NOT NULL, vkey TEXT NOT NULL, sig BLOB NOT NULL,"
        " PRIMARY KEY (size, vkey)) STRICT, WITHOUT ROWID",
        diag);
    if (err != VS_OK) return err;
    vs_note_key_format(vkey, key);
    return vs_db_put(db, key_name, vkey, strlen(vkey), diag);
}

vs_err vs_log_store_key(vs_db *db, vs_note_key *out, bool *found, vs_diag *diag)
{
    vs_buf vkey = {0};
    vs_err err = vs_db_get(db, key_name, &vkey, found, diag);
    if (err == VS_OK && *found) {
        vs_buf_u8(&vkey, 0);
        err = vkey.failed ? vs_fail(diag, VS_ERR_NOMEM, "out of memory")
                          : vs_note_key_parse(out, (const char *)vkey.p, diag);
    }
    vs_buf_free(&vkey);
    return err;
}

vs_err vs_log_store_open(vs_log_store *out, vs_db *db, vs_diag *diag)
{
    vs_note_key key;
    bool found = false;
    *out = (vs_log_store){.db = db};
    const struct {
        vs_stmt **stmt;
        const char *sql;
    } all[] = {
        {&out->put_entry, "INSERT INTO entries (idx, data) VALUES (?1, ?2)"},
        {&out->put_tile, "INSERT INTO tiles (level, number, hashes) VALUES (?1, ?2, ?3)"
                         " ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes"},
        {&out->put_checkpoint, "INSERT INTO checkpoints (size, root, note) VALUES (?1, ?2, ?3)"},
        {&out->put_cosignature, "INSERT INTO cosignatures (size, vkey, sig) VALUES (?1, ?2, ?3)"
                                " ON CONFLICT DO NOTHING"},
        {&out->get_entry, "SELECT data FROM entries WHERE idx = ?1"},
        {&out->get_tile, "SELECT hashes FROM tiles WHERE level = ?1 AND number = ?2"},
        {&out->get_checkpoint, "SELECT note FROM checkpoints WHERE size = ?1"},
        {&out->get_cosignatures, "SELECT vkey, sig FROM cosignatures WHERE size = ?1"
                                 " ORDER BY vkey"},
        {&out->get_last, "SELECT size, root FROM checkpoints ORDER BY size DESC LIMIT 1"},
    };
    vs_err err = vs_log_store_key(db, &key, &found, diag);
    if (err == VS_OK && !found) err = vs_fail(diag, VS_ERR_STATE, "there is no log in it");
    for (size_t i = 0; err == VS_OK && i < sizeof all / sizeof all[0]; i++) {
        err = vs_stmt_new(all[i].stmt, db, all[i].sql, diag);
    }
    return err;
}

void vs_log_store_close(vs_log_store *s)
{
    vs_stmt *all[] = {s->put_entry,       s->put_tile,         s->put_checkpoint,
                      s->put_cosignature, s->get_entry,        s->get_tile,
                      s->get_checkpoint,  s->get_cosignatures, s->get_last};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) vs_stmt_free(all[i]);
    *s = (vs_log_store){0};
}

static vs_err write_row(vs_stmt *stmt, vs_diag *diag)
{
    bool row;
    vs_err err = vs_stmt_step(stmt, &row, diag);
    vs_stmt_reset(stmt);
    return err;
}

vs_err vs_log_store_put_entry(vs_log_store *s, uint64_t index, const void *data, size_t len,
                              vs_diag *diag)
{
    vs_stmt_bind_u64(s->put_entry, 1, index);
    vs_stmt_bind_blob(s->put_entry, 2, data, len);
    return write_row(s->put_entry, diag);
}

vs_err vs_log_store_put_tile(vs_log_store *s, uint32_t level, uint64_t number, const vs_h32 *hashes,
                             uint32_t n, vs_diag *diag)
{
    vs_stmt_bind_u64(s->put_tile, 1, level);
    vs_stmt_bind_u64(s->put_tile, 2, number);
    vs_stmt_bind_blob(s->put_tile, 3, hashes, n * sizeof hashes[0]);
    return write_row(s->put_tile, diag);
}

vs_err vs_log_store_put_checkpoint(vs_log_store *s, uint64_t size, const vs_h32 *root,
                                   const void *note, size_t len, vs_diag *diag)
{
    vs_stmt_bind_u64(s->put_checkpoint, 1, size);
    vs_stmt_bind_blob(s->put_checkpoint, 2, root->b, sizeof root->b);
    vs_stmt_bind_blob(s->put_checkpoint, 3, note, len);
    return write_row(s->put_checkpoint, diag);
}

vs_err vs_log_store_put_cosignature(vs_log_store *s, uint64_t size, const vs_note_key *key,
                                    const uint8_t sig[VS_COSIGNATURE_BYTES], vs_diag *diag)
{
    char vkey[VS_VKEY_CHARS];
    vs_note_key_format(vkey, key);
    vs_stmt_bind_u64(s->put_cosignature, 1, size);
    vs_stmt_bind_text(s->put_cosignature, 2, vkey);
    vs_stmt_bind_blob(s->put_cosignature, 3, sig, VS_COSIGNATURE_BYTES);
    return write_row(s->put_cosignature, diag);
}

vs_err vs_log_store_head(vs_log_store *s, uint64_t *size, vs_h32 *root, vs_diag *diag)
{
    bool row;
    size_t len = 0;
    vs_err err = vs_stmt_step(s->get_last, &row, diag);
    if (err == VS_OK && !row) {
        err = vs_fail(diag, VS_ERR_MALFORMED, "there is no checkpoint; run veilsum ledger fsck");
    }
    if (err == VS_OK) {
        const uint8_t *p = vs_stmt_blob(s->get_last, 1, &len);
        *size = vs_stmt_u64(s->get_last, 0);
        if (len == sizeof root->b) {
            memcpy(root->b, p, sizeof root->b);
        } else {
            err = vs_fail(diag, VS_ERR_MALFORMED, "checkpoint of size %llu: its root has %zu bytes",
                          (unsigned long long)*size, len);
        }
    }
    vs_stmt_reset(s->get_last);
    return err;
}

/* Append the one blob that a query by number gives. */
static vs_err read_blob(vs_stmt *stmt, uint64_t at, vs_buf *out, const char *what, vs_diag *diag)
{
    bool row;
    size_t len = 0;
    vs_stmt_bind_u64(stmt, 1, at);
    vs_err err = vs_stmt_step(stmt, &row, diag);
    if (err == VS_OK && !row) {
        err = vs_fail(diag, VS_ERR_STATE, "%s %llu is not there", what, (unsigned long long)at);
    }
    if (err == VS_OK) {
        const uint8_t *p = vs_stmt_blob(stmt, 0, &len);
        vs_buf_bytes(out, p, len);
        if (out->failed) err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    vs_stmt_reset(stmt);
    return err;
}

vs_err vs_log_store_entry(vs_log_store *s, uint64_t index, vs_buf *out, vs_diag *diag)
{
    return read_blob(s->get_entry, index, out, "entry", diag);
}

vs_err vs_log_store_note(vs_log_store *s, uint64_t size, vs_buf *out, vs_diag *diag)
{
    return read_blob(s->get_checkpoint, size, out, "checkpoint of size", diag);
}

vs_err vs_log_store_cosignature_lines(vs_log_store *s, uint64_t size, vs_buf *out, vs_diag *diag)
{
    bool row;
    vs_stmt_bind_u64(s->get_cosignatures, 1, size);
    vs_err err = vs_stmt_step(s->get_cosignatures, &row, diag);
    while (err == VS_OK && row) {
        vs_note_key key;
        size_t len = 0;
        err = vs_note_key_parse(&key, vs_stmt_text(s->get_cosignatures, 0), diag);
        const uint8_t *sig = vs_stmt_blob(s->get_cosignatures, 1, &len);
        if (err == VS_OK && len != VS_COSIGNATURE_BYTES) {
            err = vs_fail(diag, VS_ERR_MALFORMED, "cosignature by %s: %zu bytes", key.name, len);
        }
        if (err == VS_OK) err = vs_note_add_line(out, &key, sig, len);
        if (err == VS_OK) err = vs_stmt_step(s->get_cosignatures, &row, diag);
    }
    vs_stmt_reset(s->get_cosignatures);
    return err;
}

vs_err vs_log_store_tile(vs_log_store *s, uint32_t level, uint64_t number,
                         vs_h32 hashes[VS_TILE_WIDTH], uint32_t *n, vs_diag *diag)
{
    bool row;
    size_t len = 0;
    *n = 0;
    vs_stmt_bind_u64(s->get_tile, 1, level);
    vs_stmt_bind_u64(s->get_tile, 2, number);
    vs_err err = vs_stmt_step(s->get_tile, &row, diag);
    if (err == VS_OK && row) {
        const uint8_t *p = vs_stmt_blob(s->get_tile, 0, &len);
        if (len % VS_H32_BYTES != 0 || len > (size_t)VS_TILE_WIDTH * VS_H32_BYTES) {
            err = vs_fail(diag, VS_ERR_MALFORMED, "tile %u/%llu: %zu bytes", (unsigned)level,
                          (unsigned long long)number, len);
        } else {
            memcpy(hashes, p, len);
            *n = (uint32_t)(len / VS_H32_BYTES);
        }
    }
    vs_stmt_reset(s->get_tile);
    return err;
}

char *vs_log_path(const char *dir, const char *name)
{
    vs_buf b = {0};
    vs_buf_printf(&b, "%s/%s", dir, name);
    vs_buf_u8(&b, 0);
    if (!b.failed) return (char *)b.p;
    vs_buf_free(&b);
    return NULL;
}

char *vs_log_blob_name(const char *dir, const vs_h32 *name)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES) + sizeof VS_LOG_BLOBS_NAME];
    memcpy(hex, VS_LOG_BLOBS_NAME "/", sizeof VS_LOG_BLOBS_NAME);
    vs_hex_encode(hex + sizeof VS_LOG_BLOBS_NAME, name->b, sizeof name->b);
    return vs_log_path(dir, hex);
}
