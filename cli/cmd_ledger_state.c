/* ledger state: what a ledger amounts to; ledger claim: a client shows its pseudonyms. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/beside.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/log_place.h"
#include "cli/out.h"
#include "net/claim.h"
#include "net/ledger_state.h"

/* --- ledger state ------------------------------------------------------------------------------
 */

/* One claim, and what the log says of its pseudonyms. */
typedef struct claimed {
    vs_claim_file file;
    const char *path;
    uint64_t accepted, rejected, open; /* submissions found; open: of rounds without a result */
    int64_t credits;
} claimed;

typedef struct view {
    bool json, all;
    const vs_federation *fed;
    vs_ledger_state state;
    claimed *claim; /* owned */
    uint32_t n_claims;
    json_t *list; /* of submissions */
    bool failed;
} view;

static void match(claimed *c, const vs_state_submission *s)
{
    uint32_t lo = 0, hi = c->file.n;
    while (lo < hi) { /* rounds ascend */
        uint32_t mid = lo + (hi - lo) / 2;
        if (c->file.item[mid].round < s->round) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo == c->file.n || c->file.item[lo].round != s->round ||
        !vs_h32_equal(&c->file.item[lo].pseudonym, &s->pseudonym)) {
        return;
    }
    c->accepted += s->counted && s->accepted;
    c->rejected += s->counted && !s->accepted;
    c->open += !s->counted;
    c->credits += s->credits;
}

static void on_submission(void *ctx, const vs_state_submission *s)
{
    view *v = ctx;
    char hex[VS_HEX_CHARS(32)];
    for (uint32_t i = 0; i < v->n_claims; i++) match(&v->claim[i], s);
    if (!v->all) return;
    vs_hex_encode(hex, s->pseudonym.b, 32);
    const char *what = !s->counted   ? "no result"
                       : s->accepted ? "accepted"
                                     : vs_reject_name(s->reason);
    if (!v->json) {
        (void)printf("round %-8" PRIu64 " %s  %-20s %+" PRId64 "\n", s->round, hex, what,
                     s->credits);
        return;
    }
    json_t *item = json_pack("{s:I, s:s, s:s, s:I}", "round", (json_int_t)s->round, "pseudonym",
                             hex, "state", what, "credits", (json_int_t)s->credits);
    v->failed |= json_array_append_new(v->list, item) != 0;
}

static void print_problem(void *ctx, const char *text)
{
    (void)ctx;
    (void)fprintf(stderr, "veilsum: audit: %s\n", text);
}

static vs_err load_claims(view *v, const vs_args *args, vs_diag *diag)
{
    v->n_claims = vs_args_count(args, "claim");
    v->claim = calloc(v->n_claims + 1, sizeof *v->claim);
    if (v->claim == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    for (uint32_t i = 0; i < v->n_claims; i++) {
        claimed *c = &v->claim[i];
        vs_buf bytes = {0};
        c->path = vs_args_nth(args, "claim", i);
        vs_err err = vs_file_read(&bytes, c->path, VS_CLAIM_FILE_MAX, diag);
        if (err == VS_OK) err = vs_claim_parse(&c->file, bytes.p, bytes.len, c->path, diag);
        if (err == VS_OK && !vs_h32_equal(&c->file.federation_id, &v->fed->id)) {
            err = vs_fail(diag, VS_ERR_STATE, "%s: is a claim in another federation", c->path);
        }
        vs_buf_free(&bytes);
        if (err != VS_OK) return err;
    }
    return VS_OK;
}

static json_t *shareholders_json(const view *v)
{
    json_t *list = json_array();
    for (uint32_t j = 1; list != NULL && j <= v->fed->committee.n; j++) {
        json_t *one = json_pack("{s:I, s:s, s:b}", "index", (json_int_t)j, "name",
                                v->fed->shareholder[j - 1].party.name, "revoked",
                                v->state.keys.revoked[j] ? 1 : 0);
        if (json_array_append_new(list, one) == 0) continue;
        json_decref(list);
        list = NULL;
    }
    return list;
}

static json_t *claims_json(const view *v)
{
    json_t *list = json_array();
    for (uint32_t i = 0; list != NULL && i < v->n_claims; i++) {
        const claimed *c = &v->claim[i];
        char key[VS_BASE64_CHARS(32)];
        vs_base64_encode(key, c->file.client_key.b, 32);
        json_t *one =
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "client", key, "for", c->file.reader,
                      "submissions", (json_int_t)c->file.n, "accepted", (json_int_t)c->accepted,
                      "rejected", (json_int_t)c->rejected, "without_result", (json_int_t)c->open,
                      "credits", (json_int_t)c->credits);
        if (json_array_append_new(list, one) == 0) continue;
        json_decref(list);
        list = NULL;
    }
    return list;
}

static int print_json(view *v)
{
    const vs_ledger_state *s = &v->state;
    json_t *value = json_pack(
        "{s:s, s:I, s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I}, s:{s:I, s:I, s:I}, s:I, s:{s:I, s:I}, "
        "s:o, s:o}",
        "federation", v->fed->name, "entries", (json_int_t)s->size, "rounds", "opened",
        (json_int_t)s->n_rounds, "final", (json_int_t)s->n_final, "aborted",
        (json_int_t)s->n_aborted, "running", (json_int_t)s->running, "submissions", "accepted",
        (json_int_t)s->accepted, "rejected", (json_int_t)s->rejected, "reward", "included",
        (json_int_t)v->fed->reward_included, "rejected", (json_int_t)v->fed->reward_rejected,
        "granted", (json_int_t)s->credits, "evidence", (json_int_t)s->n_evidence, "client_keys",
        "revoked", (json_int_t)s->n_client_keys_revoked, "rotated",
        (json_int_t)s->n_client_keys_rotated, "shareholders", shareholders_json(v), "claims",
        claims_json(v));
    if (value != NULL && v->all) {
        v->failed |= json_object_set(value, "submission_list", v->list) != 0;
    }
    if (v->failed) {
        json_decref(value);
        value = NULL;
    }
    return vs_out_json(value);
}

static void print_text(const view *v)
{
    const vs_ledger_state *s = &v->state;
    (void)printf("federation    %s: %" PRIu64 " entries, audit ok\n", v->fed->name, s->size);
    (void)printf("rounds        %" PRIu64 ": %" PRIu64 " final, %" PRIu64 " aborted", s->n_rounds,
                 s->n_final, s->n_aborted);
    if (s->running > 0) (void)printf(", round %" PRIu64 " runs", s->running);
    (void)printf("\nsubmissions   %" PRIu64 " accepted, %" PRIu64 " rejected, in final rounds\n",
                 s->accepted, s->rejected);
    (void)printf("clients       keys revoked: %u, rotated: %u; evidence: %u\n",
                 s->n_client_keys_revoked, s->n_client_keys_rotated, s->n_evidence);
    for (uint32_t j = 1; j <= v->fed->committee.n; j++) {
        (void)printf("%-13s %u %s%s\n", j == 1 ? "shareholders" : "", j,
                     v->fed->shareholder[j - 1].party.name, s->keys.revoked[j] ? ": revoked" : "");
    }
    if (v->fed->reward_included + v->fed->reward_rejected == 0) {
        (void)printf("reward        this federation has no reward rule\n");
    } else {
        (void)printf("reward        %u for a submission in a sum, -%u for a rejected one; %" PRId64
                     " credits granted\n",
                     v->fed->reward_included, v->fed->reward_rejected, s->credits);
    }
    for (uint32_t i = 0; i < v->n_claims; i++) {
        const claimed *c = &v->claim[i];
        (void)printf("claim         %s: %u submissions, %" PRIu64 " accepted, %" PRIu64
                     " rejected: %" PRId64 " credits, claimed for \"%s\"\n",
                     c->path, c->file.n, c->accepted, c->rejected, c->credits, c->file.reader);
    }
}

static vs_err compute(view *v, const vs_args *args, const vs_log_place *p, vs_federation **fed,
                      vs_diag *diag)
{
    vs_audit_source source;
    vs_audit_report report;
    vs_err err = vs_log_place_source(&source, p, diag);
    if (err != VS_OK) return err;
    if (*fed == NULL) err = vs_ledger_state_federation(fed, &source, diag);
    source.free(source.ctx);
    if (err != VS_OK) return err;
    v->fed = *fed;
    const vs_audit_in in = {.fed = v->fed, .on_problem = print_problem};
    err = vs_log_place_audit(&report, p, &in, diag);
    if (err == VS_OK && !report.ok) {
        err = vs_fail(diag, VS_ERR_PROOF, "%s: fails its audit; its state means nothing",
                      vs_args_positional(args, 0));
    }
    if (err == VS_OK) err = load_claims(v, args, diag);
    if (err == VS_OK) err = vs_log_place_source(&source, p, diag);
    if (err != VS_OK) return err;
    if (source.size < report.size) {
        err = vs_fail(diag, VS_ERR_PROOF, "the log is not the one that was audited");
    } else {
        err = vs_ledger_state_compute(&v->state, &source, v->fed, report.size, &report.root,
                                      on_submission, v, diag);
    }
    source.free(source.ctx);
    return err;
}

static int run_state(const vs_args *args)
{
    const char *file = vs_args_text(args, "federation");
    vs_log_place p = {0};
    vs_federation *fed = NULL;
    vs_diag diag = {{0}};
    view v = {.json = vs_args_flag(args, "json"), .all = vs_args_flag(args, "submissions")};
    v.list = json_array();
    vs_err err = v.list == NULL ? vs_fail(&diag, VS_ERR_NOMEM, "out of memory") : VS_OK;
    if (err == VS_OK) err = vs_log_place_find(&p, vs_args_positional(args, 0), &diag);
    if (err == VS_OK && file != NULL) err = vs_federation_load(&fed, file, &diag);
    if (err == VS_OK) err = compute(&v, args, &p, &fed, &diag);
    int status = VS_EXIT_OK;
    if (err != VS_OK) {
        status = vs_out_fail(&diag);
    } else if (v.json) {
        status = print_json(&v);
    } else {
        print_text(&v);
    }
    json_decref(v.list);
    for (uint32_t i = 0; v.claim != NULL && i < v.n_claims; i++) vs_claim_free(&v.claim[i].file);
    free(v.claim);
    vs_ledger_state_free(&v.state);
    vs_federation_free(fed);
    vs_log_place_clear(&p);
    return status;
}

static const vs_opt state_options[] = {
    {.name = "federation",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "The federation file that you trust. Default: the one that the log names."},
    {.name = "claim",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .repeat = true,
     .help = "A client's claim (veilsum ledger claim): its signature is checked, and what its "
             "pseudonyms earned is added up."},
    {.name = "submissions", .kind = VS_OPT_FLAG, .help = "List every submission by its pseudonym."},
    VS_OPT_JSON,
    {0}};

static const vs_positional state_positionals[] = {
    {.name = "DIR|URL", .min = 1, .max = 1, .help = "As for veilsum audit."}, {0}};

const vs_command vs_cmd_ledger_state = {
    .name = "ledger state",
    .summary = "members, keys, rounds and credits, by replay",
    .description =
        "Audits the log, then adds up its entries: rounds, accepted and rejected submissions by "
        "pseudonym, revoked and rotated keys, evidence, and the credits that the federation's "
        "reward "
        "rule grants (reward_included and reward_rejected in the federation file; only rounds with "
        "a "
        "result count). Nothing but the log is used, so everybody computes the same.",
    .options = state_options,
    .positionals = state_positionals,
    .examples = "veilsum ledger state aggregator-data\n"
                "veilsum ledger state http://127.0.0.1:8080 --federation federation.json \\\n"
                "    --claim alice.claim",
    .run = run_state};

/* --- ledger claim ------------------------------------------------------------------------------
 */

static int run_claim(const vs_args *args)
{
    char beside[VS_BESIDE_BYTES];
    const char *folder = vs_args_text(args, "state");
    const char *out = vs_args_text(args, "out");
    vs_federation *fed = NULL;
    vs_keys *keys = NULL;
    vs_store store = {0};
    vs_buf text = {0};
    vs_diag diag;
    vs_err err = vs_path_beside(beside, vs_args_text(args, "key"), ".state", &diag);
    if (err == VS_OK) err = vs_federation_load(&fed, vs_args_text(args, "federation"), &diag);
    if (err == VS_OK) err = vs_keys_load(&keys, vs_args_text(args, "key"), &diag);
    if (err == VS_OK) {
        err = vs_store_disk_open(&store, folder == NULL ? beside : folder, &diag);
    }
    if (err == VS_OK) {
        err = vs_claim_make(&text, &fed->id, keys, &store, vs_args_text(args, "for"), &diag);
    }
    if (err == VS_OK && out != NULL) {
        err = vs_file_create_durable(out, text.p, text.len, 0600, &diag);
    }
    int status = VS_EXIT_OK;
    if (err != VS_OK) {
        status = vs_out_fail(&diag);
    } else if (out == NULL) {
        (void)fwrite(text.p, 1, text.len, stdout); /* main sees an error */
    }
    vs_buf_free(&text);
    if (store.ops != NULL) vs_store_disk_close(&store);
    vs_keys_free(keys);
    vs_federation_free(fed);
    return status;
}

static const vs_opt claim_options[] = {
    {.name = "federation",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The federation file."},
    {.name = "key",
     .arg = "FILE.key",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The client's secret key file."},
    {.name = "for",
     .arg = "TEXT",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "For whom the claim is, and why; it is signed with it."},
    {.name = "state",
     .arg = "DIR",
     .kind = VS_OPT_TEXT,
     .help = "The client's state folder. Default: the key file's name with .state."},
    {.name = "out", .arg = "FILE", .kind = VS_OPT_TEXT, .help = "Where to write. Default: stdout."},
    {0}};

const vs_command vs_cmd_ledger_claim = {
    .name = "ledger claim",
    .summary = "show which submissions were a client's own",
    .description =
        "Writes a signed list of the client's submissions to this federation with the salts of "
        "their "
        "pseudonyms. Whoever reads it can compute the pseudonyms and find them in the ledger, and "
        "what "
        "they earned: veilsum ledger state --claim FILE. It ties all of this client's pseudonyms "
        "together for whoever reads it; give it to nobody else.",
    .options = claim_options,
    .examples = "veilsum ledger claim --federation federation.json --key alice.key \\\n"
                "    --for \"the federation's treasurer, 2026\" --out alice.claim",
    .run = run_claim};
