/* Following the log: entries are replayed and kept as they come, and become ours with the
 * checkpoint that covers them (net/shareholder_impl.h).
 *
 * "log/entry/<i>" beyond "log/head" is provisional: a restart forgets it, and other entries may
 * replace it as long as no checkpoint was cosigned over it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/keys.h"
#include "net/shareholder_impl.h"

/* --- blobs for the replay ------------------------------------------------------------------------
 */

/* A published sum share that we were given for the round that is being replayed. */
static vs_err find_blob(vs_shareholder *sh, const vs_h32 *name, sh_name *blob)
{
    uint64_t round = sh->ahead == NULL ? 0 : vs_replay_last_round(sh->ahead);
    sh_name key = vs_sh_key(round, "blob", name);
    vs_buf value = {0};
    bool found = false;
    vs_err err = vs_sh_get(sh, &key, &value, &found, NULL);
    if (err == VS_OK && (!found || value.len != 4)) err = VS_ERR_STATE;
    if (err == VS_OK) *blob = vs_sh_sum_name(round, vs_load_le32(value.p));
    vs_buf_free(&value);
    return err;
}

static vs_err blob_size(void *ctx, const vs_h32 *name, uint64_t *bytes)
{
    vs_shareholder *sh = ctx;
    sh_name blob;
    bool found = false;
    vs_err err = find_blob(sh, name, &blob);
    if (err != VS_OK) return err;
    err = sh->store.ops->blob_size(sh->store.ctx, blob.text, bytes, &found, NULL);
    return err == VS_OK && !found ? VS_ERR_STATE : err;
}

static vs_err blob_read(void *ctx, const vs_h32 *name, uint64_t offset, uint8_t *out, size_t len)
{
    vs_shareholder *sh = ctx;
    sh_name blob;
    bool found = false;
    vs_err err = find_blob(sh, name, &blob);
    if (err != VS_OK) return err;
    vs_buf_reset(&sh->sealed);
    err =
        sh->store.ops->blob_read(sh->store.ctx, blob.text, offset, len, &sh->sealed, &found, NULL);
    if (err == VS_OK && (!found || sh->sealed.len != len)) err = VS_ERR_STATE;
    if (err == VS_OK) memcpy(out, sh->sealed.p, len);
    return err;
}

/* --- replaying our own store ---------------------------------------------------------------------
 */

static vs_err stored_entry(vs_shareholder *sh, uint64_t index, vs_buf *entry, vs_diag *diag)
{
    sh_name key = vs_sh_key_at("log/entry", index);
    bool found = false;
    vs_err err = vs_sh_get(sh, &key, entry, &found, diag);
    if (err == VS_OK && !found) err = vs_fail(diag, VS_ERR_IO, "%s is lost", key.text);
    return err;
}

/* Entries up to `size` that were checked before. */
static vs_err replay_stored(vs_shareholder *sh, vs_replay *rp, uint64_t size, vs_diag *diag)
{
    vs_buf entry = {0};
    vs_err err = VS_OK;
    vs_replay_set_trusted(rp, true);
    while (err == VS_OK && vs_replay_size(rp) < size) {
        err = stored_entry(sh, vs_replay_size(rp), &entry, diag);
        if (err == VS_OK) err = vs_replay_entry(rp, entry.p, entry.len, diag);
    }
    vs_replay_set_trusted(rp, false);
    vs_buf_free(&entry);
    return err;
}

static vs_err reset_ahead(vs_shareholder *sh)
{
    vs_replay *copy = NULL;
    vs_err err = vs_replay_clone(&copy, sh->log);
    if (err != VS_OK) return err;
    vs_replay_free(sh->ahead);
    sh->ahead = copy;
    return VS_OK;
}

static vs_err clean_up(vs_shareholder *sh, uint64_t from, vs_diag *diag);

vs_err vs_sh_log_load(vs_shareholder *sh, vs_diag *diag)
{
    const vs_blob_source blobs = {.size = blob_size, .read = blob_read, .ctx = sh};
    const sh_name key = {"log/head"};
    vs_buf head = {0};
    vs_h32 root, kept;
    bool found = false;
    vs_err err = vs_replay_new(&sh->log, sh->fed, &blobs, false);
    if (err == VS_OK) err = vs_sh_get(sh, &key, &head, &found, diag);
    if (err == VS_OK && found) {
        vs_reader in = vs_reader_of(head.p, head.len);
        uint64_t size = vs_read_u64(&in);
        vs_read_h32(&in, &kept);
        err = replay_stored(sh, sh->log, size, diag);
        vs_replay_root(sh->log, &root);
        if (err == VS_OK && (!vs_reader_done(&in) || !vs_h32_equal(&root, &kept))) {
            err = vs_fail(diag, VS_ERR_IO,
                          "the stored log of %" PRIu64 " entries does not have the root that was "
                          "cosigned",
                          size);
        }
        if (err != VS_OK) vs_diag_prefix(diag, "stored log");
    }
    vs_buf_free(&head);
    if (err == VS_OK) err = reset_ahead(sh);
    if (err != VS_OK) return err;
    uint64_t last = vs_replay_last_round(sh->log);
    return last == 0 ? VS_OK : clean_up(sh, last - 1, diag); /* may be half done */
}

/* --- statements of our own in the log ------------------------------------------------------------
 */

static vs_err sit_out(vs_shareholder *sh, uint64_t round, vs_diag *diag)
{
    static const uint8_t one = 1;
    sh_name key = vs_sh_key(round, "sitout", NULL);
    vs_store_item item = vs_sh_item(&key, &one, 1);
    vs_err err = vs_sh_put(sh, &item, 1, diag);
    if (err == VS_OK && sh->round != NULL && round == sh->newest) sh->round->sit_out = true;
    return err;
}

/* Is the vote that the log shows of us the one that we remember? */
static vs_err remembers_vote(vs_shareholder *sh, const vs_round_view *v, bool *yes, vs_diag *diag)
{
    sh_name key = vs_sh_key(v->round.id.round, "vote", NULL);
    vs_buf stored = {0};
    vs_proposal p = {0};
    uint8_t sig[64];
    bool found = false;
    vs_err err = vs_sh_get(sh, &key, &stored, &found, diag);
    *yes = err == VS_OK && found && vs_sh_vote_parse(&p, sig, &stored) == VS_OK &&
           p.count == v->set.count && vs_h32_equal(&p.root, &v->set.records) &&
           p.rejected_count == v->set.rejected_count &&
           vs_h32_equal(&p.rejected_root, &v->set.rejected);
    vs_buf_free(&stored);
    return err;
}

static vs_err remembers_answer(vs_shareholder *sh, const vs_round_view *v, uint32_t at, bool *yes,
                               vs_diag *diag)
{
    sh_name key = vs_sh_key(v->round.id.round, "answer", NULL);
    vs_buf stored = {0};
    bool found = false;
    vs_err err = vs_sh_get(sh, &key, &stored, &found, diag);
    *yes = err == VS_OK && found && stored.len > 68 &&
           memcmp(stored.p + 36, v->answer_hash[at].b, VS_H32_BYTES) == 0;
    vs_buf_free(&stored);
    return err;
}

/* A restored backup does not know what it signed since: it must not sign again in that round. */
static vs_err check_own_statements(vs_shareholder *sh, vs_diag *diag)
{
    uint64_t round = vs_replay_last_round(sh->ahead);
    const vs_round_view *v = vs_replay_round(sh->ahead, round);
    bool known = true;
    vs_err err = VS_OK;
    if (v == NULL) return VS_OK;
    if (v->phase == VS_REPLAY_OPEN && v->closed[sh->j]) {
        sh_name key = vs_sh_key(round, "closed", NULL);
        err = vs_sh_has(sh, &key, &known, diag);
    }
    for (uint32_t i = 0; v->phase == VS_REPLAY_SET && i < v->set.n_votes && err == VS_OK; i++) {
        if (known && v->set.votes[i].index == sh->j) err = remembers_vote(sh, v, &known, diag);
    }
    for (uint32_t i = 0; v->phase == VS_REPLAY_SET && i < v->n_answers && err == VS_OK; i++) {
        if (known && v->answer_index[i] == sh->j) err = remembers_answer(sh, v, i, &known, diag);
    }
    return err == VS_OK && !known ? sit_out(sh, round, diag) : err;
}

/* The `open` in the log must be the one that was sent to us. Writes the refusal. */
static vs_err check_open_is_ours(vs_shareholder *sh, const uint8_t *entry, size_t len,
                                 vs_buf *reply, vs_diag *diag)
{
    const vs_round_view *v = vs_replay_round(sh->ahead, sh->newest);
    if (sh->round == NULL || v == NULL ||
        vs_h32_equal(&v->round.params_hash, &sh->round->round.params_hash)) {
        return VS_OK;
    }
    vs_err err = vs_sh_accuse_entries(sh, sh->round->open.p, sh->round->open.len, entry, len, diag);
    if (err != VS_OK) return err;
    return vs_reply_error(reply, vsw_Code_REFUSED, vs_replay_size(sh->log),
                          "the log's open of round %" PRIu64 " is not the one that was sent",
                          sh->newest);
}

/* --- log_entries ---------------------------------------------------------------------------------
 */

/* A second set of the round that has one: does it contradict the first? */
static vs_err accuse_second_set(vs_shareholder *sh, const uint8_t *entry, size_t len, vs_diag *diag)
{
    const vs_round_view *v = vs_replay_round(sh->ahead, vs_replay_last_round(sh->ahead));
    vs_buf first = {0};
    if (v == NULL || v->set.count == 0) return VS_OK;
    vs_err err = stored_entry(sh, v->set_index, &first, diag);
    if (err == VS_OK) err = vs_sh_accuse_entries(sh, first.p, first.len, entry, len, diag);
    vs_buf_free(&first);
    return err;
}

/* The first entry that we refuse at this place, as it was signed ("refused-<index>" among the
 * blobs, to be published), and why. */
static vs_err keep_refused(vs_shareholder *sh, uint64_t index, const char *text,
                           const uint8_t *entry, size_t len, vs_diag *diag)
{
    sh_name key = vs_sh_key_at("log/refused", index), file;
    vs_store_item item = vs_sh_item(&key, text, strlen(text));
    const vs_store_ops *ops = sh->store.ops;
    vs_diag line;
    bool there = false;
    vs_err err = vs_sh_has(sh, &key, &there, diag);
    if (err != VS_OK || there) return err;
    (void)snprintf(file.text, sizeof file.text, "refused-%016" PRIx64, index);
    err = ops->blob_remove(sh->store.ctx, file.text, diag); /* half of one */
    if (err == VS_OK) err = ops->blob_write(sh->store.ctx, file.text, 0, entry, len, diag);
    if (err == VS_OK) err = ops->blob_sync(sh->store.ctx, file.text, diag);
    if (err == VS_OK) err = vs_sh_put(sh, &item, 1, diag);
    if (err == VS_OK && sh->notice != NULL) {
        (void)vs_fail(&line, VS_OK, "evidence kept in %s: refused %s", file.text, text);
        sh->notice(sh->notice_ctx, line.text);
    }
    return err;
}

static vs_err refuse_entry(vs_shareholder *sh, vs_err why, const char *text, const uint8_t *entry,
                           size_t len, vs_buf *reply, vs_diag *diag)
{
    uint64_t index = vs_replay_size(sh->ahead);
    vs_err err = why == VS_ERR_STATE ? VS_OK : keep_refused(sh, index, text, entry, len, diag);
    if (err == VS_OK && why != VS_ERR_STATE) err = accuse_second_set(sh, entry, len, diag);
    return err == VS_OK ? vs_reply_error(reply, vs_sh_code(why), index, "%s", text) : err;
}

/* A new entry at the end of `ahead`. On refusal the reply is written. */
static vs_err take_entry(vs_shareholder *sh, const uint8_t *entry, size_t len, vs_buf *reply,
                         vs_diag *diag)
{
    vs_diag why = {{0}};
    sh_name key = vs_sh_key_at("log/entry", vs_replay_size(sh->ahead));
    vs_store_item item = vs_sh_item(&key, entry, len);
    vs_err err = vs_replay_entry(sh->ahead, entry, len, &why);
    if (err != VS_OK) {
        return vs_sh_is_fatal(err) ? vs_fail(diag, err, "%s", why.text)
                                   : refuse_entry(sh, err, why.text, entry, len, reply, diag);
    }
    err = vs_sh_put(sh, &item, 1, diag);
    if (err == VS_OK) err = check_own_statements(sh, diag);
    if (err == VS_OK) err = check_open_is_ours(sh, entry, len, reply, diag);
    if (err == VS_OK && reply->len != 0) err = reset_ahead(sh);
    return err;
}

/* An entry that we have at this index already. Other bytes: a fork if we cosigned it, else what was
 * provisional is forgotten. */
static vs_err compare_entry(vs_shareholder *sh, uint64_t index, const uint8_t *entry, size_t len,
                            vs_buf *reply, vs_diag *diag)
{
    vs_buf stored = {0};
    vs_err err = stored_entry(sh, index, &stored, diag);
    bool same = err == VS_OK && stored.len == len && memcmp(stored.p, entry, len) == 0;
    if (err == VS_OK && !same) {
        err = vs_sh_accuse_entries(sh, stored.p, stored.len, entry, len, diag);
    }
    vs_buf_free(&stored);
    if (err != VS_OK || same) return err;
    uint64_t size = vs_replay_size(sh->log);
    if (index < size) {
        return vs_reply_error(reply, vsw_Code_CONFLICT, size,
                              "entry %" PRIu64 " is not the one that was cosigned", index);
    }
    err = reset_ahead(sh);
    return err == VS_OK ? vs_sh_progress(reply, size, size) : err;
}

/* True iff the body is exactly count entries of 1 to 65,535 bytes. */
static bool well_formed(const vs_request *req)
{
    vs_reader in = vs_reader_of(req->body, req->body_len);
    uint32_t count = req->head.op.log_entries.count;
    if (count > SH_LOG_BATCH_MAX) return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t len = vs_read_u32(&in);
        if (len == 0 || len > UINT16_MAX || vs_read_bytes(&in, len) == NULL) return false;
    }
    return vs_reader_done(&in);
}

vs_err vs_sh_on_entries(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    const vsw_LogEntries *op = &req->head.op.log_entries;
    vs_reader in = vs_reader_of(req->body, req->body_len);
    vs_err err = VS_OK;
    if (!well_formed(req)) {
        return vs_reply_error(reply, vsw_Code_MALFORMED, 0,
                              "not %" PRIu32 " entries with their lengths (at most %u)", op->count,
                              SH_LOG_BATCH_MAX);
    }
    for (uint32_t i = 0; i < op->count && err == VS_OK && reply->len == 0; i++) {
        uint64_t size = vs_replay_size(sh->ahead);
        if (op->first_index > size || i > size - op->first_index) break; /* a gap */
        uint32_t len = vs_read_u32(&in);
        const uint8_t *entry = vs_read_bytes(&in, len);
        if (op->first_index + i < size)
            err = compare_entry(sh, op->first_index + i, entry, len, reply, diag);
        else
            err = take_entry(sh, entry, len, reply, diag);
    }
    if (err != VS_OK || reply->len != 0) return err;
    return vs_sh_progress(reply, vs_replay_size(sh->ahead), vs_replay_size(sh->ahead));
}

/* --- checkpoints ---------------------------------------------------------------------------------
 */

static vs_err forget_sums(vs_shareholder *sh, uint64_t round, vs_diag *diag)
{
    sh_name blobs = vs_sh_key(round, "blob/", NULL),
            answer = vs_sh_blob_name(round, "answer", NULL);
    bool more = true;
    vs_err err = VS_OK;
    while (err == VS_OK && more) err = vs_sh_delete_some(sh, blobs.text, NULL, &more, diag);
    for (uint32_t j = 1; j <= sh->fed->committee.n && err == VS_OK; j++) {
        sh_name sum = vs_sh_sum_name(round, j);
        err = sh->store.ops->blob_remove(sh->store.ctx, sum.text, diag);
    }
    if (err == VS_OK) err = sh->store.ops->blob_remove(sh->store.ctx, answer.text, diag);
    return err;
}

/* Newest round that is final in this log, 0 if none. */
static uint64_t last_final(const vs_replay *log)
{
    uint64_t last = vs_replay_last_round(log);
    const vs_round_view *v = vs_replay_round(log, last);
    if (v == NULL) return 0;
    return v->phase == VS_REPLAY_RESULT || v->phase == VS_REPLAY_ABORT ? last : last - 1;
}

/* Rounds after `from` that are final in our log give back what they used. */
static vs_err clean_up(vs_shareholder *sh, uint64_t from, vs_diag *diag)
{
    uint64_t end = last_final(sh->log);
    vs_err err = VS_OK;
    for (uint64_t round = from + 1; round <= end && err == VS_OK; round++) {
        err = forget_sums(sh, round, diag);
    }
    for (uint32_t i = 0; i < sh->n_keys && err == VS_OK;) { /* rounds that ran without us */
        if (sh->key[i] <= end && sh->key[i] != sh->newest)
            err = vs_sh_erase_secret(sh, sh->key[i], diag);
        else
            i++;
    }
    if (err == VS_OK && sh->round != NULL && !sh->round->over && sh->newest <= end) {
        err = vs_sh_finish(sh, sh->newest, diag);
    }
    return err;
}

static vs_err store_head(vs_shareholder *sh, uint64_t size, const vs_h32 *root, vs_diag *diag)
{
    const sh_name key = {"log/head"};
    sh_name at = vs_sh_key_at("log/root", size);
    uint8_t value[8 + VS_H32_BYTES];
    vs_store_le64(value, size);
    memcpy(value + 8, root->b, VS_H32_BYTES);
    vs_store_item items[] = {vs_sh_item(&key, value, sizeof value),
                             vs_sh_item(&at, root->b, VS_H32_BYTES)};
    return vs_sh_put(sh, items, 2, diag);
}

/* log := the first `size` entries of ahead, if they have this root. */
static vs_err move_log(vs_shareholder *sh, uint64_t size, const vs_h32 *root, bool *ours,
                       vs_diag *diag)
{
    uint64_t before = last_final(sh->log);
    bool whole = size == vs_replay_size(sh->ahead);
    vs_replay *next = NULL;
    vs_h32 have;
    vs_err err = vs_replay_clone(&next, whole ? sh->ahead : sh->log);
    if (err == VS_OK) err = replay_stored(sh, next, size, diag);
    if (err == VS_OK) {
        vs_replay_root(next, &have);
        *ours = vs_h32_equal(&have, root);
    }
    if (err == VS_OK && *ours) err = store_head(sh, size, root, diag);
    if (err != VS_OK || !*ours) {
        vs_replay_free(next);
        return err;
    }
    vs_replay_free(sh->log);
    sh->log = next;
    return clean_up(sh, before, diag);
}

vs_err vs_sh_log_reach(vs_shareholder *sh, uint64_t size, const vs_h32 *root, bool *ours,
                       vs_diag *diag)
{
    vs_h32 have;
    uint64_t known = vs_replay_size(sh->log);
    *ours = false;
    if (size == 0 || size > vs_replay_size(sh->ahead)) return VS_OK;
    if (size > known) return move_log(sh, size, root, ours, diag);
    if (size == known) {
        vs_replay_root(sh->log, &have);
        *ours = vs_h32_equal(&have, root);
        return VS_OK;
    }
    sh_name key = vs_sh_key_at("log/root", size);
    vs_buf value = {0};
    bool found = false;
    vs_err err = vs_sh_get(sh, &key, &value, &found, diag);
    *ours = err == VS_OK && found && value.len == VS_H32_BYTES &&
            memcmp(value.p, root->b, VS_H32_BYTES) == 0;
    vs_buf_free(&value);
    return err;
}

/* The log's own signature over (origin, size, root). On refusal the reply is written. */
static vs_err read_checkpoint(vs_shareholder *sh, const vs_request *req, vs_checkpoint *c,
                              size_t *text_len, vs_buf *reply, vs_diag *diag)
{
    vs_diag why = {{0}};
    vs_note_result *result = malloc(sizeof *result);
    if (result == NULL) return vs_fail(diag, VS_ERR_NOMEM, "cosign: out of memory");
    vs_err err = vs_note_verify(result, req->body, req->body_len, &sh->fed->log_key, 1, &why);
    *text_len = result->text_len;
    free(result);
    if (err == VS_ERR_PROOF) {
        return vs_reply_error(reply, vsw_Code_BAD_SIGNATURE, 0, "checkpoint: %s", why.text);
    }
    if (err == VS_OK) err = vs_checkpoint_parse(c, req->body, *text_len, &why);
    if (err != VS_OK) {
        if (vs_sh_is_fatal(err)) return vs_fail(diag, err, "%s", why.text);
        return vs_reply_error(reply, vsw_Code_MALFORMED, 0, "checkpoint: %s", why.text);
    }
    if (strcmp(c->origin, sh->fed->origin) != 0) {
        return vs_reply_error(reply, vsw_Code_REFUSED, 0, "the checkpoint is of another log");
    }
    return VS_OK;
}

vs_err vs_sh_on_cosign(vs_shareholder *sh, const vs_request *req, vs_buf *reply, vs_diag *diag)
{
    vsw_Reply head = {.which_result = vsw_Reply_cosign_tag};
    vs_checkpoint c = {0};
    size_t text_len = 0;
    bool ours = false;
    vs_err err = read_checkpoint(sh, req, &c, &text_len, reply, diag);
    if (err != VS_OK || reply->len != 0) return err;
    uint64_t known = vs_replay_size(sh->log), ahead = vs_replay_size(sh->ahead);
    if (c.size < known) {
        err = vs_sh_accuse_log(sh, &c, req->body, req->body_len, diag);
        if (err != VS_OK) return err;
        return vs_reply_error(reply, vsw_Code_CONFLICT, known, "cosigned size %" PRIu64 " already",
                              known);
    }
    if (c.size > ahead || c.size == 0) {
        return vs_reply_error(reply, vsw_Code_STATE, ahead,
                              "the checkpoint has %" PRIu64 " entries, %" PRIu64 " were sent",
                              c.size, ahead);
    }
    err = vs_sh_log_reach(sh, c.size, &c.root, &ours, diag);
    if (err != VS_OK) return err;
    if (!ours) {
        err = vs_sh_accuse_log(sh, &c, req->body, req->body_len, diag);
        if (err != VS_OK) return err;
        return vs_reply_error(reply, vsw_Code_CONFLICT, known,
                              "the checkpoint of size %" PRIu64
                              " has another root than the entries that were sent",
                              c.size);
    }
    err = vs_sh_note_checkpoint(sh, req->body, req->body_len, text_len, diag);
    if (err != VS_OK) return err;
    vs_cosign(head.result.cosign.cosignature, (const char *)req->body, text_len, sh->now_s,
              sh->keys->cosigner_seed);
    head.result.cosign.size = c.size;
    return vs_reply_encode(reply, &head, NULL, 0);
}
