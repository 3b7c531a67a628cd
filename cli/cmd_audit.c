/* audit: re-check a whole ledger. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cli/commands.h"
#include "cli/ledger.h"
#include "cli/log_place.h"
#include "cli/out.h"
#include "net/audit.h"

typedef struct listing {
    bool json;
    json_t *rounds, *problems; /* JSON only */
    uint32_t n_problems;
    bool failed;
} listing;

static void on_round(void *ctx, const vs_audit_round *r)
{
    listing *l = ctx;
    if (!l->json) {
        (void)printf("round %" PRIu64 ": %s\n", r->round, r->detail);
        return;
    }
    json_t *item =
        json_pack("{s:I, s:b, s:i, s:i, s:i, s:i, s:b, s:b, s:s}", "round", (json_int_t)r->round,
                  "aborted", r->aborted ? 1 : 0, "included", (int)r->included, "rejected",
                  (int)r->rejected, "votes", (int)r->votes, "answers", (int)r->answers, "certain",
                  r->certain ? 1 : 0, "recomputed", r->recomputed ? 1 : 0, "detail", r->detail);
    l->failed |= json_array_append_new(l->rounds, item) != 0;
}

static void on_problem(void *ctx, const char *text)
{
    listing *l = ctx;
    l->n_problems++;
    if (l->json)
        l->failed |= json_array_append_new(l->problems, vs_ledger_json_text(text)) != 0;
    else
        (void)printf("problem: %s\n", text);
}

static int print_json(listing *l, const vs_audit_report *r, bool trusted)
{
    char root[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hex_encode(root, r->root.b, sizeof r->root.b);
    json_t *value = json_pack(
        "{s:b, s:s, s:I, s:s, s:i, s:i, s:I, s:i, s:i, s:I, s:I, s:i, s:i, s:i, s:s, s:o, s:o}",
        "ok", r->ok ? 1 : 0, "origin", r->origin, "entries", (json_int_t)r->size, "root", root,
        "rounds", (int)r->n_rounds, "aborted", (int)r->n_aborted, "not_final",
        (json_int_t)r->not_final, "not_recomputed", (int)r->n_not_recomputed, "earlier_entries",
        r->remembered ? (json_int_t)r->earlier_size : (json_int_t)-1, "cosignatures",
        (int)r->cosignatures, "cosigned_entries", (json_int_t)r->cosigned_size, "evidence",
        (int)r->n_proofs, "statements", (int)r->n_statements, "key_changes", (int)r->n_keys,
        "federation", trusted ? "given" : "named by the log", "round_list", l->rounds, "problems",
        l->problems);
    l->rounds = l->problems = NULL; /* json_pack took them */
    if (l->failed) {
        json_decref(value);
        value = NULL;
    }
    int status = vs_out_json(value);
    return status == VS_EXIT_OK && !r->ok ? VS_EXIT_FAILED : status;
}

static int print_text(const vs_audit_report *r, bool trusted)
{
    if (!trusted) {
        (void)printf(
            "federation: the one that the log names; with --federation FILE it is yours\n");
    }
    if (r->cosigned_size > 0) {
        (void)printf("cosigned: the first %" PRIu64 " entries, by %u shareholders\n",
                     r->cosigned_size, r->cosignatures);
    }
    if (r->remembered) {
        (void)printf("seen before: the log of %" PRIu64 " entries%s\n", r->earlier_size,
                     r->ok ? ", which is the beginning of this one" : "");
    }
    if (r->not_final > 0) {
        (void)printf("not final: round %" PRIu64 ": no quorum has cosigned its result yet\n",
                     r->not_final);
    }
    if (r->n_not_recomputed > 0) {
        (void)printf("not recomputed: %u result%s, whose sum shares are not public\n",
                     r->n_not_recomputed, r->n_not_recomputed == 1 ? "" : "s");
    }
    if (r->n_proofs + r->n_statements > 0) {
        (void)printf("evidence: %u proven, %u stated; veilsum ledger show says against whom\n",
                     r->n_proofs, r->n_statements);
    }
    if (r->n_keys > 0) (void)printf("keys: %u revoked or rotated\n", r->n_keys);
    if (r->ok) {
        (void)printf("ledger: %" PRIu64 " entries, audit ok\n", r->size);
        return VS_EXIT_OK;
    }
    (void)printf("ledger: %" PRIu64 " entries, %u problem%s\n", r->size, r->n_problems,
                 r->n_problems == 1 ? "" : "s");
    return VS_EXIT_FAILED;
}

/* The user's state folder, for published logs; "" where nothing is to be remembered in it. */
static vs_err state_folder(char out[VS_LEDGER_PATH_BYTES], const vs_args *args,
                           const vs_log_place *p, vs_diag *diag)
{
    const char *base = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int n = 0;
    out[0] = '\0';
    if (vs_args_flag(args, "forget") || vs_args_given(args, "state") || !p->published) return VS_OK;
    if (base != NULL && base[0] == '/')
        n = snprintf(out, VS_LEDGER_PATH_BYTES, "%s/veilsum/audit", base);
    else if (home != NULL && home[0] == '/')
        n = snprintf(out, VS_LEDGER_PATH_BYTES, "%s/.local/state/veilsum/audit", home);
    if (n < 0 || n >= (int)VS_LEDGER_PATH_BYTES) {
        return vs_fail(diag, VS_ERR_LIMIT, "XDG_STATE_HOME, HOME: the path is too long");
    }
    return VS_OK;
}

static int run_audit(const vs_args *args)
{
    const char *file = vs_args_text(args, "federation");
    const char *policy_file = vs_args_text(args, "policy");
    vs_federation *fed = NULL;
    vs_tlog_policy *policy = NULL;
    vs_audit_report report;
    vs_diag diag = {{0}};
    listing l = {.json = vs_args_flag(args, "json")};
    vs_log_place p = {0};
    char folder[VS_LEDGER_PATH_BYTES];
    int status;
    vs_err err = vs_log_place_find(&p, vs_args_positional(args, 0), &diag);
    if (err == VS_OK) err = state_folder(folder, args, &p, &diag);
    if (err == VS_OK && file != NULL) err = vs_federation_load(&fed, file, &diag);
    if (err == VS_OK && policy_file != NULL) {
        policy = malloc(sizeof *policy);
        err = policy == NULL ? vs_fail(&diag, VS_ERR_NOMEM, "out of memory")
                             : vs_tlog_policy_load(policy, policy_file, &diag);
    }
    if (l.json) {
        l.rounds = json_array();
        l.problems = json_array();
        l.failed = l.rounds == NULL || l.problems == NULL;
    }
    if (err == VS_OK) {
        vs_audit_in in = {.fed = fed,
                          .policy = policy,
                          .state =
                              vs_args_flag(args, "forget") ? NULL : vs_args_text(args, "state"),
                          .state_folder = folder[0] == '\0' ? NULL : folder,
                          .on_round = on_round,
                          .on_problem = on_problem,
                          .ctx = &l};
        err = vs_log_place_audit(&report, &p, &in, &diag);
    }
    if (err != VS_OK)
        status = vs_out_fail(&diag);
    else if (l.json)
        status = print_json(&l, &report, fed != NULL);
    else
        status = print_text(&report, fed != NULL);
    json_decref(l.rounds);
    json_decref(l.problems);
    vs_log_place_clear(&p);
    free(policy);
    vs_federation_free(fed);
    return status;
}

static const vs_opt options[] = {
    {.name = "federation",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "The federation file that you trust. Without it the one that the log names is taken, "
             "which proves less: it is the operator's word, unless --policy says whose log it is."},
    {.name = "policy",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "Whose signatures a checkpoint must bear (C2SP tlog-policy: log, witness, group, "
             "quorum). Default: the federation's log key and a quorum of its shareholders."},
    {.name = "state",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help =
         "Where the checkpoint that this audit accepts is kept; the next audit then detects a "
         "log that was rolled back or has forked, and keeps the proof in FILE.fork. Default for "
         "a published log: a file in $XDG_STATE_HOME/veilsum/audit (or ~/.local/state); for "
         "ledger.db: none."},
    {.name = "forget",
     .kind = VS_OPT_FLAG,
     .help = "Neither compare with an earlier audit nor remember this one."},
    VS_OPT_JSON,
    {0}};

static const vs_positional positionals[] = {
    {.name = "DIR|URL",
     .min = 1,
     .max = 1,
     .help =
         "A published log, in a folder or at http://HOST:PORT/PREFIX; or a ledger's folder (the "
         "one with ledger.db), or the data folder of an aggregator."},
    {0}};

const vs_command vs_cmd_audit = {
    .name = "audit",
    .summary = "check every rule of a ledger from its bytes alone",
    .description =
        "Reads the whole log and its blobs and believes nothing: every signature, every vote, the "
        "order of entries, the lists of included and rejected clients, the challenge that locates "
        "wrong answers, the sum itself recomputed from the published sum shares, every stored "
        "checkpoint with its cosignatures, and that the newest result is under a "
        "checkpoint "
        "that a quorum cosigned.\n\nOne line per round, one per problem, and a verdict at the end. "
        "A running aggregator holds its ledger: audit what it publishes (DATA/public, or the URL "
        "that it serves), or stop it first. Where a federation keeps its results private, a "
        "published log has no sum shares: such results are counted as not recomputed, everything "
        "else is checked.",
    .options = options,
    .positionals = positionals,
    .examples = "veilsum audit agg-data --federation federation.json\n"
                "veilsum audit http://127.0.0.1:8080 --policy policy\n"
                "veilsum audit /srv/www/log --federation federation.json --json",
    .run = run_audit};
