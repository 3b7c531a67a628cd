/* audit: re-check a whole ledger. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cli/commands.h"
#include "cli/ledger.h"
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
        json_pack("{s:I, s:b, s:i, s:i, s:i, s:b, s:s}", "round", (json_int_t)r->round, "aborted",
                  r->aborted ? 1 : 0, "included", (int)r->included, "rejected", (int)r->rejected,
                  "answers", (int)r->answers, "certain", r->certain ? 1 : 0, "detail", r->detail);
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
        "{s:b, s:I, s:s, s:i, s:i, s:i, s:I, s:s, s:o, s:o}", "ok", r->ok ? 1 : 0, "entries",
        (json_int_t)r->size, "root", root, "rounds", (int)r->n_rounds, "aborted", (int)r->n_aborted,
        "cosignatures", (int)r->cosignatures, "cosigned_entries", (json_int_t)r->cosigned_size,
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
    if (r->ok) {
        (void)printf("ledger: %" PRIu64 " entries, audit ok\n", r->size);
        return VS_EXIT_OK;
    }
    (void)printf("ledger: %" PRIu64 " entries, %u problem%s\n", r->size, r->n_problems,
                 r->n_problems == 1 ? "" : "s");
    return VS_EXIT_FAILED;
}

static int run_audit(const vs_args *args)
{
    const char *file = vs_args_text(args, "federation");
    vs_federation *fed = NULL;
    vs_audit_report report;
    vs_diag diag = {{0}};
    listing l = {.json = vs_args_flag(args, "json")};
    char folder[VS_LEDGER_PATH_BYTES];
    int status;
    if (vs_ledger_folder(folder, vs_args_positional(args, 0), &diag) != VS_OK) {
        return vs_out_fail(&diag);
    }
    if (file != NULL && vs_federation_load(&fed, file, &diag) != VS_OK) return vs_out_fail(&diag);
    if (l.json) {
        l.rounds = json_array();
        l.problems = json_array();
        l.failed = l.rounds == NULL || l.problems == NULL;
    }
    vs_err err = vs_audit_dir(&report, folder, fed, on_round, on_problem, &l, &diag);
    if (err != VS_OK)
        status = vs_out_fail(&diag);
    else if (l.json)
        status = print_json(&l, &report, fed != NULL);
    else
        status = print_text(&report, fed != NULL);
    json_decref(l.rounds);
    json_decref(l.problems);
    vs_federation_free(fed);
    return status;
}

static const vs_opt options[] = {
    {.name = "federation",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "The federation file that you trust. Without it the one that the log names is taken, "
             "which proves less: it is the operator's word."},
    VS_OPT_JSON,
    {0}};

static const vs_positional positionals[] = {
    {.name = "DIR",
     .min = 1,
     .max = 1,
     .help = "A ledger's folder (the one with ledger.db), or the data folder of an aggregator."},
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
        "A running aggregator holds its ledger: stop it first, or audit a copy.",
    .options = options,
    .positionals = positionals,
    .examples = "veilsum audit ledger --federation federation.json",
    .run = run_audit};
