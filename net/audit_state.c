#include "net/audit_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { PATH_BYTES = 4096 };

vs_err vs_audit_state_load(vs_audit_state *out, const char *path, const vs_tlog_policy *policy,
                           vs_diag *diag)
{
    vs_buf note = {0};
    *out = (vs_audit_state){.path = path};
    if (path == NULL || !vs_file_exists(path)) return VS_OK;
    vs_tlog_result *who = malloc(sizeof *who);
    if (who == NULL) return vs_fail(diag, VS_ERR_NOMEM, "audit: out of memory");
    vs_err err = vs_file_read(&note, path, VS_NOTE_MAX_BYTES, diag);
    if (err == VS_OK) {
        err = vs_tlog_policy_verify(who, policy, note.p, note.len, diag);
        if (err != VS_OK && err != VS_ERR_NOMEM) {
            vs_diag_prefix(diag, "%s: not a checkpoint of this log", path);
            err = VS_ERR_STATE;
        }
    }
    if (err == VS_OK) {
        out->found = true;
        out->seen = who->checkpoint;
    }
    free(who);
    vs_buf_free(&note);
    return err;
}

/* The folders on the way to the file. */
static vs_err make_way(const char *path, vs_diag *diag)
{
    char folder[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) return VS_OK;
    int n = snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    if (n < 0 || n >= PATH_BYTES) return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", path);
    return vs_file_exists(folder) ? VS_OK : vs_file_make_folders(folder, 0700, diag);
}

vs_err vs_audit_state_save(const vs_audit_state *state, const vs_buf *note, bool fork,
                           vs_diag *diag)
{
    char path[PATH_BYTES];
    if (state->path == NULL) return VS_OK;
    int n = snprintf(path, sizeof path, "%s%s", state->path, fork ? ".fork" : "");
    if (n < 0 || n >= PATH_BYTES) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", state->path);
    }
    vs_err err = make_way(path, diag);
    return err == VS_OK ? vs_file_write_durable(path, note->p, note->len, 0600, diag) : err;
}
