/* Published sum shares: kept while their result is reviewed (net/shareholder_impl.h). */
#include <inttypes.h>
#include <string.h>

#include "net/shareholder_impl.h"

/* The round that a sum share is of: followed up to its set, or opened here. */
static const vs_round *find_round(const vs_shareholder *sh, uint64_t round, bool *finished)
{
    const vs_round_view *v = vs_replay_round(sh->ahead, round);
    const vs_round_view *logged = vs_replay_round(sh->log, round);
    *finished =
        logged != NULL && (logged->phase == VS_REPLAY_RESULT || logged->phase == VS_REPLAY_ABORT);
    if (v != NULL) return &v->round;
    return sh->round != NULL && sh->newest == round ? &sh->round->round : NULL;
}

/* All bytes are here: durable, and found by their SHA-256 from now on. */
static vs_err complete(vs_shareholder *sh, uint64_t round, uint32_t j, uint64_t total,
                       vs_diag *diag)
{
    sh_name blob = vs_sh_sum_name(round, j);
    uint8_t number[4];
    vs_hash h;
    vs_h32 name;
    bool found = false;
    vs_err err = sh->store.ops->blob_sync(sh->store.ctx, blob.text, diag);
    vs_hash_init(&h);
    for (uint64_t at = 0; at < total && err == VS_OK; at += sh->sealed.len) {
        vs_buf_reset(&sh->sealed);
        err = sh->store.ops->blob_read(sh->store.ctx, blob.text, at, VS_SEAL_CHUNK_MAX, &sh->sealed,
                                       &found, diag);
        if (err == VS_OK && sh->sealed.len == 0) {
            err = vs_fail(diag, VS_ERR_IO, "blob %s is cut short", blob.text);
        }
        if (err == VS_OK) vs_hash_bytes(&h, sh->sealed.p, sh->sealed.len);
    }
    vs_hash_final(&h, &name);
    if (err != VS_OK) return err;
    sh_name key = vs_sh_key(round, "blob", &name);
    vs_store_le32(number, j);
    vs_store_item item = vs_sh_item(&key, number, sizeof number);
    return vs_sh_put(sh, &item, 1, diag);
}

/* Does the body repeat what is stored from offset on? */
static vs_err repeats(vs_shareholder *sh, const sh_name *blob, uint64_t offset,
                      const vs_request *req, bool *same, vs_diag *diag)
{
    bool found = false;
    vs_buf_reset(&sh->sealed);
    vs_err err = sh->store.ops->blob_read(sh->store.ctx, blob->text, offset, req->body_len,
                                          &sh->sealed, &found, diag);
    *same = err == VS_OK && found && sh->sealed.len <= req->body_len && sh->sealed.len != 0 &&
            memcmp(sh->sealed.p, req->body, sh->sealed.len) == 0;
    return err;
}

static vs_err take_bytes(vs_shareholder *sh, const vsw_SumShare *op, const vs_request *req,
                         vs_buf *reply, vs_diag *diag)
{
    sh_name blob = vs_sh_sum_name(op->round, op->index);
    uint64_t have = 0;
    bool found = false, same = true;
    vs_err err = sh->store.ops->blob_size(sh->store.ctx, blob.text, &have, &found, diag);
    if (err == VS_OK && op->offset > have) return vs_sh_progress(reply, have, op->total);
    if (err == VS_OK && op->offset < have) {
        err = repeats(sh, &blob, op->offset, req, &same, diag);
        if (err == VS_OK && !same) { /* other bytes: start again with these */
            err = sh->store.ops->blob_remove(sh->store.ctx, blob.text, diag);
            have = 0;
            if (err == VS_OK && op->offset != 0) return vs_sh_progress(reply, 0, op->total);
        } else if (err == VS_OK && op->offset + req->body_len <= have && have < op->total) {
            return vs_sh_progress(reply, have, op->total);
        }
    }
    uint64_t end = op->offset + req->body_len;
    if (err == VS_OK && end > have) {
        err = sh->store.ops->blob_write(sh->store.ctx, blob.text, op->offset, req->body,
                                        req->body_len, diag);
        have = end;
    }
    if (err == VS_OK && have == op->total) {
        err = complete(sh, op->round, op->index, op->total, diag);
    }
    return err == VS_OK ? vs_sh_progress(reply, have, op->total) : err;
}

vs_err vs_sh_on_sum_share(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    const vsw_SumShare *op = &req->head.op.sum_share;
    bool finished = false;
    const vs_round *round = find_round(sh, op->round, &finished);
    if (round == NULL) {
        return vs_reply_error(reply, vsw_Code_UNKNOWN_ROUND, vs_replay_size(sh->ahead),
                              "round %" PRIu64 " is not known: send its log entries first",
                              op->round);
    }
    if (vs_round_position(round, op->index) < 0) {
        return vs_reply_error(reply, vsw_Code_MALFORMED, 0,
                              "shareholder %u is not listed in the round", op->index);
    }
    const uint64_t total = (uint64_t)round->layout.columns * VS_FE_BYTES;
    if (op->total != total || op->offset >= total || req->body_len == 0 ||
        req->body_len > total - op->offset) {
        return vs_reply_error(reply, vsw_Code_MALFORMED, total, "a sum share has %" PRIu64 " bytes",
                              total);
    }
    if (finished) return vs_sh_progress(reply, total, total);
    return take_bytes(sh, op, req, reply, diag);
}
