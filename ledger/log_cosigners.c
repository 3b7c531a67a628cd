/* Questions about stored cosignatures, for readers of a log. */
#include <stdlib.h>

#include "ledger/log_internal.h"

vs_err vs_log_best_checkpoint(vs_log *log, uint64_t index, uint64_t *size, uint32_t *n_cosignatures,
                              vs_diag *diag)
{
    vs_stmt *s;
    bool row = false;
    if (index >= vs_log_size(log)) {
        return vs_fail(diag, VS_ERR_LIMIT, "entry %llu: the log has %llu entries",
                       (unsigned long long)index, (unsigned long long)vs_log_size(log));
    }
    vs_err err = vs_stmt_new(&s, log->db,
                             "SELECT size, (SELECT count(*) FROM cosignatures s"
                             " WHERE s.size = checkpoints.size) AS n"
                             " FROM checkpoints WHERE size > ?1 ORDER BY n DESC, size DESC LIMIT 1",
                             diag);
    if (err != VS_OK) return err;
    vs_stmt_bind_u64(s, 1, index);
    err = vs_stmt_step(s, &row, diag);
    if (err == VS_OK && !row) {
        err = vs_fail(diag, VS_ERR_LIMIT, "entry %llu: no checkpoint covers it",
                      (unsigned long long)index);
    }
    if (err == VS_OK) {
        *size = vs_stmt_u64(s, 0);
        *n_cosignatures = (uint32_t)vs_stmt_u64(s, 1);
    }
    vs_stmt_free(s);
    return err;
}

/* Does the checkpoint of this size meet the policy? */
static vs_err meets(vs_log *log, uint64_t size, const vs_policy *policy, bool *yes, vs_diag *diag)
{
    vs_buf note = {0};
    vs_policy_result *who = malloc(sizeof *who);
    vs_err err = who == NULL ? vs_fail(diag, VS_ERR_NOMEM, "out of memory")
                             : vs_log_checkpoint_at(log, size, &note, diag);
    if (err == VS_OK) {
        err = vs_policy_verify(who, policy, note.p, note.len, diag);
        *yes = err == VS_OK;
        if (err == VS_ERR_PROOF || err == VS_ERR_MALFORMED) err = VS_OK;
    }
    vs_buf_free(&note);
    free(who);
    return err;
}

vs_err vs_log_cosigned_by(vs_log *log, const vs_policy *policy, uint64_t *size, bool *found,
                          vs_diag *diag)
{
    vs_stmt *s;
    bool row = false;
    *found = false;
    vs_err err = vs_stmt_new(
        &s, log->db,
        policy->quorum == 0 ? "SELECT size FROM checkpoints WHERE ?1 = 0 ORDER BY size DESC"
                            : "SELECT size FROM cosignatures GROUP BY size HAVING count(*) >= ?1"
                              " ORDER BY size DESC",
        diag);
    if (err != VS_OK) return err;
    vs_stmt_bind_u64(s, 1, policy->quorum);
    err = vs_stmt_step(s, &row, diag);
    while (err == VS_OK && row && !*found) {
        *size = vs_stmt_u64(s, 0);
        err = meets(log, *size, policy, found, diag);
        if (err == VS_OK && !*found) err = vs_stmt_step(s, &row, diag);
    }
    vs_stmt_free(s);
    return err;
}

/* One row (vkey, sig) over this text. */
static vs_err tell(vs_stmt *s, const vs_buf *note, size_t text_len, vs_log_cosigner visit,
                   void *ctx, vs_diag *diag)
{
    vs_note_key key;
    size_t len = 0;
    vs_err err = vs_note_key_parse(&key, vs_stmt_text(s, 0), diag);
    if (err != VS_OK) return err;
    const uint8_t *sig = vs_stmt_blob(s, 1, &len);
    bool whole = len == VS_COSIGNATURE_BYTES && key.type == VS_NOTE_COSIGNATURE;
    bool verified = whole && vs_cosign_verify(sig, (const char *)note->p, text_len, &key) == VS_OK;
    return visit(ctx, &key, whole ? vs_load_be64(sig) : 0, verified);
}

vs_err vs_log_cosigners(vs_log *log, uint64_t size, vs_log_cosigner visit, void *ctx, vs_diag *diag)
{
    vs_buf note = {0};
    vs_note_result who = {0};
    vs_stmt *s = NULL;
    bool row = false;
    vs_err err = vs_log_store_note(&log->store, size, &note, diag);
    if (err == VS_OK) err = vs_note_verify(&who, note.p, note.len, &log->key, 1, diag);
    if (err == VS_OK) {
        err = vs_stmt_new(&s, log->db,
                          "SELECT vkey, sig FROM cosignatures WHERE size = ?1 ORDER BY vkey", diag);
    }
    if (err == VS_OK) {
        vs_stmt_bind_u64(s, 1, size);
        err = vs_stmt_step(s, &row, diag);
    }
    while (err == VS_OK && row) {
        err = tell(s, &note, who.text_len, visit, ctx, diag);
        if (err == VS_OK) err = vs_stmt_step(s, &row, diag);
    }
    vs_stmt_free(s);
    vs_buf_free(&note);
    return err;
}
