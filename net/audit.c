#include "net/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "ledger/log.h"
#include "net/replay.h"

typedef struct audit {
    vs_audit_report *report;
    vs_log *log;
    const vs_federation *fed;
    vs_federation *own_fed; /* the one that the log names, when the auditor brought none */
    vs_replay *rp;
    bool replaying;       /* until an entry is refused: what follows hangs in the air */
    vs_merkle tree;       /* of the entries, apart from the log's own tiles */
    vs_policy any;        /* the federation's policy with quorum 0 */
    uint64_t final_round; /* newest round that is over */
    uint64_t result_size; /* entries up to the newest result */
    uint64_t result_round;
    vs_h32 mapped; /* the blob that is mapped */
    vs_map map;
    void (*on_round)(void *ctx, const vs_audit_round *round);
    void (*on_problem)(void *ctx, const char *text);
    void *ctx;
    vs_diag *diag;
} audit;

static void problem(audit *a, const char *fmt, ...) VS_PRINTF(2, 3);
static void problem(audit *a, const char *fmt, ...)
{
    char text[VS_DIAG_BYTES + 80];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    a->report->n_problems++;
    if (a->on_problem != NULL) a->on_problem(a->ctx, text);
}

static bool is_of_machine(vs_err err)
{
    return err == VS_ERR_NOMEM || err == VS_ERR_TIMEOUT;
}

/* --- blobs ------------------------------------------------------------------------------------ */

/* Map a blob; the last one stays mapped. */
static vs_err map_blob(audit *a, const vs_h32 *name)
{
    vs_diag why = {{0}};
    if (a->map.p != NULL && vs_h32_equal(name, &a->mapped)) return VS_OK;
    char *path = vs_log_blob_path(a->log, name);
    if (path == NULL) return VS_ERR_NOMEM;
    vs_unmap(&a->map);
    vs_err err = vs_file_exists(path) ? vs_map_file(&a->map, path, &why) : VS_ERR_STATE;
    free(path);
    if (err == VS_OK) a->mapped = *name;
    return err == VS_ERR_IO ? VS_ERR_STATE : err;
}

static vs_err blob_size(void *ctx, const vs_h32 *name, uint64_t *bytes)
{
    audit *a = ctx;
    vs_err err = map_blob(a, name);
    if (err == VS_OK) *bytes = a->map.len;
    return err;
}

static vs_err blob_read(void *ctx, const vs_h32 *name, uint64_t offset, uint8_t *out, size_t len)
{
    audit *a = ctx;
    vs_err err = map_blob(a, name);
    if (err != VS_OK) return err;
    if (offset > a->map.len || len > a->map.len - offset) return VS_ERR_STATE;
    if (len > 0) memcpy(out, a->map.p + offset, len);
    return VS_OK;
}

/* A blob that the replay names and does not read itself: is it whole? */
static vs_err check_blob(audit *a, const vs_h32 *name, const char *what)
{
    static const uint8_t none[1] = {0};
    vs_h32 hash;
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_err err = map_blob(a, name);
    if (is_of_machine(err)) return err;
    vs_hex_encode(hex, name->b, sizeof name->b);
    if (err != VS_OK) {
        problem(a, "%s: blob %s is not here", what, hex);
        return VS_OK;
    }
    vs_sha256(&hash, a->map.p == NULL ? none : a->map.p, a->map.len);
    if (!vs_h32_equal(&hash, name)) problem(a, "%s: blob %s does not hash to its name", what, hex);
    return VS_OK;
}

/* --- the federation --------------------------------------------------------------------------- */

/* The file that the first entry names. */
static vs_err named_federation(audit *a)
{
    vs_buf envelope = {0};
    vs_buf file = {0};
    vs_dsse dsse = {0};
    char *path = NULL;
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_log_size(a->log) == 0 ? vs_fail(a->diag, VS_ERR_STATE, "the log has no entries")
                                          : vs_log_entry(a->log, 0, &envelope, a->diag);
    if (err == VS_OK) err = vs_dsse_parse(&dsse, envelope.p, envelope.len, a->diag);
    if (err == VS_OK) {
        err = vs_entry_decode(entry, dsse.kind, dsse.payload.p, dsse.payload.len, a->diag);
    }
    if (err == VS_OK && entry->kind != VS_ENTRY_FEDERATION) {
        err = vs_fail(a->diag, VS_ERR_MALFORMED, "the first entry is not a federation entry");
    }
    if (err == VS_OK) {
        path = vs_log_blob_path(a->log, &entry->u.federation.file);
        err = path == NULL ? VS_ERR_NOMEM
                           : vs_file_read(&file, path, VS_FEDERATION_FILE_MAX, a->diag);
    }
    if (err == VS_OK) {
        err = vs_federation_parse(&a->own_fed, file.p, file.len, "the log's federation file",
                                  a->diag);
    }
    if (err != VS_OK) vs_diag_prefix(a->diag, "cannot tell the federation from the log");
    a->fed = a->own_fed;
    free(path);
    free(entry);
    vs_dsse_free(&dsse);
    vs_buf_free(&file);
    vs_buf_free(&envelope);
    return err;
}

/* --- rounds ----------------------------------------------------------------------------------- */

/* ", shareholder 3 wrong" */
static void tell_wrong(vs_audit_round *r, const vs_entry_result *result)
{
    uint32_t n = r->certain ? result->n_wrong : result->n_outvoted;
    const uint32_t *who = r->certain ? result->wrong : result->outvoted;
    for (uint32_t i = 0; i < n; i++) {
        size_t used = strlen(r->detail);
        (void)snprintf(r->detail + used, sizeof r->detail - used, ", shareholder %u %s", who[i],
                       r->certain ? "proven wrong" : "outvoted");
    }
}

static void tell_round(audit *a, const vs_round_view *v)
{
    vs_audit_round r = {.round = v->round.id.round,
                        .aborted = v->phase == VS_REPLAY_ABORT,
                        .answers = v->n_answers};
    bool has_set = v->set.count > 0;
    if (has_set) {
        r.included = v->set.count;
        r.rejected = v->set.rejected_count;
    }
    switch (v->phase) {
    case VS_REPLAY_RESULT:
        r.certain = v->result.certain;
        (void)snprintf(r.detail, sizeof r.detail, "%u of %u clients, %u answers, %s", r.included,
                       r.included + r.rejected, r.answers, r.certain ? "certain" : "uncertain");
        tell_wrong(&r, &v->result);
        break;
    case VS_REPLAY_ABORT:
        (void)snprintf(r.detail, sizeof r.detail, "aborted, %s%s%s%s",
                       vs_abort_reason_name(v->abort.reason), v->abort.detail[0] ? ": " : "",
                       v->abort.detail, v->abort.closed ? " (closed)" : "");
        a->report->n_aborted++;
        break;
    case VS_REPLAY_OPEN: (void)snprintf(r.detail, sizeof r.detail, "open, no set yet"); break;
    case VS_REPLAY_SET:
        (void)snprintf(r.detail, sizeof r.detail, "set of %u clients, no result yet", r.included);
        break;
    }
    a->report->n_rounds++;
    if (a->on_round != NULL) a->on_round(a->ctx, &r);
}

static vs_err finish_round(audit *a, const vs_round_view *v)
{
    char what[64];
    a->final_round = v->round.id.round;
    if (v->phase == VS_REPLAY_RESULT) {
        a->result_round = v->round.id.round;
        a->result_size = vs_replay_size(a->rp);
    }
    tell_round(a, v);
    if (v->phase != VS_REPLAY_RESULT) return VS_OK;
    (void)snprintf(what, sizeof what, "round %" PRIu64 ": sums", v->round.id.round);
    return check_blob(a, &v->result.sum_blob, what);
}

static vs_err replay_entry(audit *a, const vs_buf *envelope)
{
    vs_diag why = {{0}};
    if (!a->replaying) return VS_OK;
    vs_err err = vs_replay_entry(a->rp, envelope->p, envelope->len, &why);
    if (is_of_machine(err)) return vs_fail(a->diag, err, "%s", why.text);
    if (err != VS_OK) {
        problem(a, "%s; what follows cannot be checked", why.text);
        a->replaying = false;
        return VS_OK;
    }
    const vs_round_view *v = vs_replay_round(a->rp, vs_replay_last_round(a->rp));
    bool over = v != NULL && a->final_round != v->round.id.round &&
                (v->phase == VS_REPLAY_RESULT || v->phase == VS_REPLAY_ABORT);
    return over ? finish_round(a, v) : VS_OK;
}

/* --- checkpoints ------------------------------------------------------------------------------ */

/* The checkpoint of the first `size` entries, if one was made: signed by the log, over the root of
 * exactly these entries (so all of them are consistent with each other), every cosignature right.
 */
static vs_err check_checkpoint(audit *a, uint64_t size)
{
    vs_buf note = {0};
    vs_diag why = {{0}};
    vs_h32 root;
    vs_policy_result *found = calloc(1, sizeof *found);
    if (found == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_log_checkpoint_at(a->log, size, &note, &why);
    if (err == VS_ERR_STATE) { /* none of this size; the newest must be there */
        err = VS_OK;
        if (size == vs_log_size(a->log)) problem(a, "checkpoint %" PRIu64 ": missing", size);
        goto cleanup;
    }
    if (err == VS_OK) err = vs_policy_verify(found, &a->any, note.p, note.len, &why);
    if (is_of_machine(err)) {
        (void)vs_fail(a->diag, err, "%s", why.text);
        goto cleanup;
    }
    if (err != VS_OK) {
        problem(a, "checkpoint %" PRIu64 ": %s", size, why.text);
        err = VS_OK;
        goto cleanup;
    }
    vs_merkle_root(&a->tree, &root);
    if (found->checkpoint.size != size || !vs_h32_equal(&found->checkpoint.root, &root)) {
        problem(a, "checkpoint %" PRIu64 ": its root is not that of the entries", size);
    } else if (vs_keyring_cosigned(vs_replay_keys(a->rp), a->fed, found) >= a->fed->policy.quorum) {
        a->report->cosignatures = vs_keyring_cosigned(vs_replay_keys(a->rp), a->fed, found);
        a->report->cosigned_size = size;
    }

cleanup:
    free(found);
    vs_buf_free(&note);
    return err;
}

/* Every result must be under a quorum's cosignatures. An abort need not: it releases nothing, and
 * the shareholders that it lacks may be the very reason of it. The next quorum covers it. */
static void check_cover(audit *a)
{
    vs_audit_report *r = a->report;
    if (r->cosigned_size >= a->result_size) return;
    problem(a,
            "round %" PRIu64 ": no checkpoint with %u cosignatures covers its end: the newest that "
            "has them is of %" PRIu64 " entries, %" PRIu64 " are needed",
            a->result_round, a->fed->policy.quorum, r->cosigned_size, a->result_size);
}

/* --- all of it -------------------------------------------------------------------------------- */

static vs_err check_entries(audit *a)
{
    vs_buf envelope = {0};
    vs_err err = VS_OK;
    uint64_t size = vs_log_size(a->log);
    for (uint64_t i = 0; err == VS_OK && i < size; i++) {
        vs_h32 leaf;
        vs_diag why = {{0}};
        vs_buf_reset(&envelope);
        err = vs_log_entry(a->log, i, &envelope, &why);
        if (err != VS_OK && !is_of_machine(err)) {
            problem(a, "entry %" PRIu64 ": %s", i, why.text);
            a->replaying = false;
            err = VS_OK;
            break; /* without its bytes no root can be made */
        }
        if (err == VS_OK) err = replay_entry(a, &envelope);
        vs_merkle_leaf(&leaf, envelope.p, envelope.len);
        vs_merkle_append(&a->tree, &leaf);
        if (err == VS_OK) err = check_checkpoint(a, i + 1);
    }
    vs_buf_free(&envelope);
    return err;
}

static vs_err run(audit *a)
{
    vs_audit_report *r = a->report;
    vs_blob_source blobs = {.size = blob_size, .read = blob_read, .ctx = a};
    vs_h32 root;
    r->size = vs_log_size(a->log);
    vs_log_root(a->log, &r->root);
    vs_err err = a->fed == NULL ? named_federation(a) : VS_OK;
    if (err == VS_OK) err = vs_replay_new(&a->rp, a->fed, &blobs, true);
    if (err != VS_OK) return err;
    a->replaying = true;
    a->any = a->fed->policy;
    a->any.quorum = 0;
    vs_merkle_init(&a->tree);
    if (r->size == 0) problem(a, "the log has no entries");
    err = check_blob(a, &a->fed->id, "federation file");
    if (err == VS_OK) err = check_entries(a);
    if (err != VS_OK) return err;
    vs_merkle_root(&a->tree, &root);
    if (a->tree.size == r->size && !vs_h32_equal(&root, &r->root)) {
        problem(a, "the log's root is not that of its entries");
    }
    const vs_round_view *v = vs_replay_round(a->rp, vs_replay_last_round(a->rp));
    if (v != NULL && v->round.id.round != a->final_round) tell_round(a, v);
    check_cover(a);
    r->ok = r->n_problems == 0;
    return VS_OK;
}

vs_err vs_audit_dir(vs_audit_report *report, const char *dir, const vs_federation *fed,
                    void (*on_round)(void *ctx, const vs_audit_round *round),
                    void (*on_problem)(void *ctx, const char *text), void *ctx, vs_diag *diag)
{
    *report = (vs_audit_report){0};
    audit *a = calloc(1, sizeof *a);
    if (a == NULL) return vs_fail(diag, VS_ERR_NOMEM, "audit: out of memory");
    a->report = report;
    a->fed = fed;
    a->on_round = on_round;
    a->on_problem = on_problem;
    a->ctx = ctx;
    a->diag = diag;
    vs_diag why = {{0}};
    vs_err err = vs_log_open_read(&a->log, dir, &why);
    if (err == VS_OK) {
        err = run(a);
    } else if (err == VS_ERR_PROOF || err == VS_ERR_MALFORMED) { /* it is here, and not whole */
        problem(a, "%s", why.text);
        err = VS_OK;
    } else {
        (void)vs_fail(diag, err, "%s", why.text);
    }
    if (err == VS_ERR_NOMEM) (void)vs_fail(diag, err, "audit: out of memory");
    vs_unmap(&a->map);
    vs_replay_free(a->rp);
    vs_federation_free(a->own_fed);
    vs_log_close(a->log);
    free(a);
    return err;
}
