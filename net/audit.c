#include "net/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "ledger/tiles.h"
#include "net/audit_source.h"
#include "net/audit_state.h"
#include "net/replay.h"

typedef struct audit {
    vs_audit_report *report;
    const vs_audit_source *src;
    const vs_audit_in *in;
    const vs_federation *fed;
    vs_federation *own_fed; /* the one that the log names, when the auditor brought none */
    vs_replay *rp;
    bool replaying;  /* until an entry is refused: what follows hangs in the air */
    vs_tiles *tiles; /* of the entries, apart from the log's own */
    vs_tlog_policy *policy;
    vs_audit_state state;
    bool forked; /* this log contradicts what an earlier audit saw */
    vs_buf state_path;
    vs_buf newest;        /* checkpoint of all entries, once verified */
    uint64_t final_round; /* newest round that is over */
    uint64_t result_size; /* entries up to the newest result */
    uint64_t result_round;
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
    if (a->in->on_problem != NULL) a->in->on_problem(a->in->ctx, text);
}

static bool is_of_machine(vs_err err)
{
    return err == VS_ERR_NOMEM || err == VS_ERR_TIMEOUT;
}

/* --- blobs ------------------------------------------------------------------------------------ */

static vs_err blob_size(void *ctx, const vs_h32 *name, uint64_t *bytes)
{
    const audit *a = ctx;
    const uint8_t *p = NULL;
    size_t len = 0;
    vs_err err = a->src->blob(a->src->ctx, name, &p, &len, NULL);
    if (err == VS_OK) *bytes = len;
    return err;
}

static vs_err blob_read(void *ctx, const vs_h32 *name, uint64_t offset, uint8_t *out, size_t len)
{
    const audit *a = ctx;
    const uint8_t *p = NULL;
    size_t all = 0;
    vs_err err = a->src->blob(a->src->ctx, name, &p, &all, NULL);
    if (err != VS_OK) return err;
    if (offset > all || len > all - offset) return VS_ERR_STATE;
    if (len > 0) memcpy(out, p + offset, len);
    return VS_OK;
}

/* A blob that the replay names and does not read itself: is it whole? */
static vs_err check_blob(audit *a, const vs_h32 *name, const char *what)
{
    static const uint8_t none[1] = {0};
    vs_h32 hash;
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    const uint8_t *p = NULL;
    size_t len = 0;
    vs_err err = a->src->blob(a->src->ctx, name, &p, &len, NULL);
    if (is_of_machine(err)) return err;
    vs_hex_encode(hex, name->b, sizeof name->b);
    if (err != VS_OK) {
        problem(a, "%s: blob %s is not here", what, hex);
        return VS_OK;
    }
    vs_sha256(&hash, p == NULL ? none : p, len);
    if (!vs_h32_equal(&hash, name)) problem(a, "%s: blob %s does not hash to its name", what, hex);
    return VS_OK;
}

/* --- the federation --------------------------------------------------------------------------- */

/* The file that the first entry names. */
static vs_err named_federation(audit *a)
{
    vs_buf envelope = {0};
    vs_dsse dsse = {0};
    const uint8_t *file = NULL;
    size_t len = 0;
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    vs_err err = a->src->size == 0 ? vs_fail(a->diag, VS_ERR_STATE, "the log has no entries")
                                   : a->src->entry(a->src->ctx, 0, &envelope, a->diag);
    if (err == VS_OK) err = vs_dsse_parse(&dsse, envelope.p, envelope.len, a->diag);
    if (err == VS_OK) {
        err = vs_entry_decode(entry, dsse.kind, dsse.payload.p, dsse.payload.len, a->diag);
    }
    if (err == VS_OK && entry->kind != VS_ENTRY_FEDERATION) {
        err = vs_fail(a->diag, VS_ERR_MALFORMED, "the first entry is not a federation entry");
    }
    if (err == VS_OK) {
        err = a->src->blob(a->src->ctx, &entry->u.federation.file, &file, &len, a->diag);
        if (err == VS_ERR_STATE) (void)vs_fail(a->diag, err, "its federation file is not here");
    }
    if (err == VS_OK) {
        err = vs_federation_parse(&a->own_fed, file, len, "the log's federation file", a->diag);
    }
    if (err != VS_OK) vs_diag_prefix(a->diag, "cannot tell the federation from the log");
    a->fed = a->own_fed;
    free(entry);
    vs_dsse_free(&dsse);
    vs_buf_free(&envelope);
    return err;
}

/* --- rounds ----------------------------------------------------------------------------------- */

static void tell(vs_audit_round *r, const char *text)
{
    size_t used = strlen(r->detail);
    (void)snprintf(r->detail + used, sizeof r->detail - used, "%s", text);
}

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

/* Recomputed when the round was opened. */
static void tell_epsilon(vs_audit_round *r, const vs_round_view *v)
{
    char text[64];
    (void)snprintf(text, sizeof text, ", epsilon %.4g%s", v->round.open.epsilon,
                   v->phase == VS_REPLAY_ABORT && v->abort.closed ? " not spent" : "");
    tell(r, text);
}

static void tell_round(audit *a, const vs_round_view *v)
{
    vs_audit_round r = {.round = v->round.id.round,
                        .aborted = v->phase == VS_REPLAY_ABORT,
                        .answers = v->n_answers,
                        .votes = v->set.n_votes};
    uint64_t bytes;
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
        r.recomputed = blob_size(a, &v->result.answers[0].blob, &bytes) == VS_OK;
        if (!r.recomputed) tell(&r, "; not recomputed: its sum shares are not public");
        a->report->n_not_recomputed += r.recomputed ? 0 : 1;
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
    if (v->round.open.noise_variance != 0) tell_epsilon(&r, v);
    a->report->n_rounds++;
    if (a->in->on_round != NULL) a->in->on_round(a->in->ctx, &r);
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
    uint64_t bytes;
    if (blob_size(a, &v->result.answers[0].blob, &bytes) != VS_OK) return VS_OK; /* private */
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

/* Cosignatures of shareholders whose keys the log has revoked count no more. */
static void drop_revoked(const audit *a, vs_tlog_result *found)
{
    const vs_keyring *ring = vs_replay_keys(a->rp);
    for (uint32_t j = 1; j <= a->fed->committee.n; j++) {
        if (!ring->revoked[j]) continue;
        const vs_h32 *key = &a->fed->shareholder[j - 1].cosigner_key.public_key;
        for (uint32_t i = 0; i < a->policy->n_witnesses; i++) {
            if (!found->cosigned[i] || !vs_h32_equal(&a->policy->witness[i].key.public_key, key)) {
                continue;
            }
            found->cosigned[i] = false;
            found->n_cosigned--;
        }
    }
    found->quorum = vs_tlog_policy_met(a->policy, found->cosigned);
}

/* The checkpoint of the first `size` entries, if one was made: signed by the log, over the root of
 * exactly these entries (so all of them are consistent with each other), every cosignature right.
 */
static vs_err check_checkpoint(audit *a, uint64_t size, bool again)
{
    vs_buf note = {0};
    vs_diag why = {{0}};
    vs_h32 root;
    vs_tlog_result *found = calloc(1, sizeof *found);
    if (found == NULL) return VS_ERR_NOMEM;
    vs_err err = a->src->checkpoint(a->src->ctx, size, again, &note, &why);
    if (err == VS_ERR_STATE) { /* none of this size; the newest must be there */
        err = VS_OK;
        if (size == a->src->size && !again) problem(a, "checkpoint %" PRIu64 ": missing", size);
        goto cleanup;
    }
    if (err == VS_OK) err = vs_tlog_policy_verify(found, a->policy, note.p, note.len, &why);
    if (is_of_machine(err)) {
        (void)vs_fail(a->diag, err, "%s", why.text);
        goto cleanup;
    }
    if (err != VS_OK) {
        problem(a, "checkpoint %" PRIu64 ": %s", size, why.text);
        err = VS_OK;
        goto cleanup;
    }
    vs_merkle_root(&a->tiles->range, &root);
    if (found->checkpoint.size != size || !vs_h32_equal(&found->checkpoint.root, &root)) {
        problem(a, "checkpoint %" PRIu64 ": its root is not that of the entries", size);
        goto cleanup;
    }
    drop_revoked(a, found);
    if (found->quorum) {
        a->report->cosignatures = found->n_cosigned;
        a->report->cosigned_size = size;
    }
    if (size == a->src->size && !again) {
        vs_buf_bytes(&a->newest, note.p, note.len);
        err = vs_buf_check(&a->newest);
    }

cleanup:
    free(found);
    vs_buf_free(&note);
    return err;
}

/* Is what an earlier audit saw part of this log? */
static void check_seen(audit *a, uint64_t size)
{
    vs_h32 root;
    const vs_audit_state *s = &a->state;
    if (!s->found || s->seen.size != size) return;
    vs_merkle_root(&a->tiles->range, &root);
    if (vs_h32_equal(&root, &s->seen.root)) return;
    problem(a,
            "the log has forked: an earlier audit saw another tree of %" PRIu64
            " entries, signed by the log (%s); the two checkpoints prove it",
            size, s->path);
    a->forked = true;
}

/* Every result must be under a quorum's cosignatures. An abort need not: it releases nothing, and
 * the shareholders that it lacks may be the very reason of it. The next quorum covers it. */
static void check_cover(audit *a)
{
    vs_audit_report *r = a->report;
    if (r->cosigned_size >= a->result_size) return;
    /* A log that is read while it grows: the cosignatures of the newest round are on their way. */
    if (a->src->tile != NULL && a->result_round == vs_replay_last_round(a->rp)) {
        r->not_final = a->result_round;
        return;
    }
    if (a->in->policy != NULL) {
        problem(a,
                "round %" PRIu64 ": no checkpoint that meets the policy covers its end: the newest "
                "that does is of %" PRIu64 " entries, %" PRIu64 " are needed",
                a->result_round, r->cosigned_size, a->result_size);
        return;
    }
    problem(a,
            "round %" PRIu64 ": no checkpoint with %u cosignatures covers its end: the newest that "
            "has them is of %" PRIu64 " entries, %" PRIu64 " are needed",
            a->result_round, a->fed->policy.quorum, r->cosigned_size, a->result_size);
}

/* --- all of it -------------------------------------------------------------------------------- */

static vs_err check_tile(void *ctx, uint32_t level, uint64_t number, const vs_h32 *hashes,
                         uint32_t n)
{
    audit *a = ctx;
    vs_diag why = {{0}};
    if (a->src->tile == NULL) return VS_OK;
    vs_err err = a->src->tile(a->src->ctx, level, number, hashes, n, &why);
    if (is_of_machine(err)) return vs_fail(a->diag, err, "%s", why.text);
    if (err != VS_OK) problem(a, "%s", why.text);
    return VS_OK;
}

static vs_err check_entries(audit *a)
{
    vs_buf envelope = {0};
    vs_err err = VS_OK;
    uint64_t size = a->src->size;
    check_seen(a, 0);
    for (uint64_t i = 0; err == VS_OK && i < size; i++) {
        vs_h32 leaf;
        vs_diag why = {{0}};
        vs_buf_reset(&envelope);
        err = a->src->entry(a->src->ctx, i, &envelope, &why);
        if (err != VS_OK && !is_of_machine(err)) {
            problem(a, "entry %" PRIu64 ": %s", i, why.text);
            a->replaying = false;
            err = VS_OK;
            break; /* without its bytes no root can be made */
        }
        if (err == VS_OK) err = replay_entry(a, &envelope);
        vs_merkle_leaf(&leaf, envelope.p, envelope.len);
        if (err == VS_OK) err = vs_tiles_append(a->tiles, &leaf, check_tile, a);
        if (err == VS_OK) err = check_checkpoint(a, i + 1, false);
        if (err == VS_OK) err = check_checkpoint(a, i + 1, true);
        check_seen(a, i + 1);
    }
    if (err == VS_OK && a->tiles->range.size == size) {
        err = vs_tiles_partial(a->tiles, check_tile, a);
    }
    vs_buf_free(&envelope);
    return err;
}

/* What the auditor trusts: a policy of his own, or the federation's. */
static vs_err take_policy(audit *a)
{
    a->policy = malloc(sizeof *a->policy);
    if (a->policy == NULL) return VS_ERR_NOMEM;
    if (a->in->policy != NULL)
        *a->policy = *a->in->policy;
    else
        vs_tlog_policy_of(a->policy, &a->fed->policy);
    return VS_OK;
}

static vs_err load_state(audit *a)
{
    char vkey[VS_VKEY_CHARS];
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_h32 hash;
    const char *path = a->in->state;
    if (path == NULL && a->in->state_folder != NULL) {
        vs_note_key_format(vkey, &a->fed->log_key);
        vs_sha256(&hash, vkey, strlen(vkey));
        vs_hex_encode(hex, hash.b, 16);
        vs_buf_printf(&a->state_path, "%s/%s.checkpoint", a->in->state_folder, hex);
        vs_buf_u8(&a->state_path, 0);
        if (a->state_path.failed) return VS_ERR_NOMEM;
        path = (const char *)a->state_path.p;
    }
    return vs_audit_state_load(&a->state, path, a->policy, a->diag);
}

/* Compare with what an earlier audit saw, and remember this. */
static vs_err finish_state(audit *a)
{
    vs_audit_report *r = a->report;
    r->remembered = a->state.found;
    r->earlier_size = a->state.found ? a->state.seen.size : 0;
    if (a->state.found && a->state.seen.size > r->size) {
        problem(a,
                "the log was rolled back: an earlier audit saw %" PRIu64
                " entries, signed by the log (%s); now it shows %" PRIu64,
                a->state.seen.size, a->state.path, r->size);
        a->forked = true;
    }
    if (a->newest.len == 0) return VS_OK; /* nothing that is worth remembering */
    return vs_audit_state_save(&a->state, &a->newest, a->forked, a->diag);
}

static vs_err run(audit *a)
{
    vs_audit_report *r = a->report;
    vs_blob_source blobs = {.size = blob_size, .read = blob_read, .ctx = a};
    vs_h32 root;
    r->size = a->src->size;
    r->root = a->src->root;
    vs_err err = a->fed == NULL ? named_federation(a) : VS_OK;
    if (err == VS_OK) err = take_policy(a);
    if (err == VS_OK) err = load_state(a);
    if (err == VS_OK) err = vs_replay_new(&a->rp, a->fed, &blobs, true);
    if (err != VS_OK) return err;
    (void)snprintf(r->origin, sizeof r->origin, "%s", a->fed->origin);
    if (a->src->tile != NULL) vs_replay_allow_private(a->rp); /* published */
    a->replaying = true;
    if (r->size == 0) problem(a, "the log has no entries");
    err = check_blob(a, &a->fed->id, "federation file");
    if (err == VS_OK) err = check_entries(a);
    if (err != VS_OK) return err;
    vs_merkle_root(&a->tiles->range, &root);
    if (a->tiles->range.size == r->size && !vs_h32_equal(&root, &r->root)) {
        problem(a, "the log's root is not that of its entries");
    }
    const vs_round_view *v = vs_replay_round(a->rp, vs_replay_last_round(a->rp));
    if (v != NULL && v->round.id.round != a->final_round) tell_round(a, v);
    check_cover(a);
    err = finish_state(a);
    r->n_proofs = vs_replay_counts(a->rp).proofs;
    r->n_statements = vs_replay_counts(a->rp).statements;
    r->n_keys = vs_replay_counts(a->rp).keys;
    r->ok = r->n_problems == 0;
    return err;
}

/* src was opened (opened VS_OK), or why not. */
static vs_err audit_source(vs_audit_report *report, const vs_audit_source *src, vs_err opened,
                           const char *why, const vs_audit_in *in, vs_diag *diag)
{
    audit *a = calloc(1, sizeof *a);
    vs_tiles *tiles = malloc(sizeof *tiles);
    vs_err err = a == NULL || tiles == NULL ? VS_ERR_NOMEM : VS_OK;
    *report = (vs_audit_report){0};
    if (err == VS_OK) {
        *a = (audit){
            .report = report, .src = src, .in = in, .fed = in->fed, .tiles = tiles, .diag = diag};
        vs_tiles_init(tiles);
        if (opened == VS_OK) {
            err = run(a);
        } else if (opened == VS_ERR_PROOF || opened == VS_ERR_MALFORMED) {
            problem(a, "%s", why); /* it is here, and not whole */
        } else {
            err = vs_fail(diag, opened, "%s", why);
        }
        vs_replay_free(a->rp);
        vs_federation_free(a->own_fed);
        vs_buf_free(&a->newest);
        vs_buf_free(&a->state_path);
        free(a->policy);
    }
    if (err == VS_ERR_NOMEM) (void)vs_fail(diag, err, "audit: out of memory");
    if (opened == VS_OK) src->free(src->ctx);
    free(tiles);
    free(a);
    return err;
}

vs_err vs_audit_ledger(vs_audit_report *report, const char *dir, const vs_audit_in *in,
                       vs_diag *diag)
{
    vs_audit_source src = {0};
    vs_diag why = {{0}};
    vs_err opened = vs_audit_source_ledger(&src, dir, &why);
    return audit_source(report, &src, opened, why.text, in, diag);
}

vs_err vs_audit_published(vs_audit_report *report, const vs_fetch *fetch, const vs_audit_in *in,
                          vs_diag *diag)
{
    vs_audit_source src = {0};
    vs_diag why = {{0}};
    vs_err opened = vs_audit_source_published(&src, fetch, &why);
    return audit_source(report, &src, opened, why.text, in, diag);
}

vs_err vs_audit_dir(vs_audit_report *report, const char *dir, const vs_federation *fed,
                    void (*on_round)(void *ctx, const vs_audit_round *round),
                    void (*on_problem)(void *ctx, const char *text), void *ctx, vs_diag *diag)
{
    vs_audit_in in = {.fed = fed, .on_round = on_round, .on_problem = on_problem, .ctx = ctx};
    return vs_audit_ledger(report, dir, &in, diag);
}
