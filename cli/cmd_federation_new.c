#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/pipeline.h"
#include "net/federation.h"
#include "net/federation_tensors.h"
#include "net/keys.h"

enum { PATH_BYTES = 4096 };

/* --- committee ---------------------------------------------------------------------------------
 */

typedef struct profile_row {
    uint32_t n, t, k;
} profile_row;

/* n >= 3t + k: t liars are corrected. */
static const profile_row robust[] = {{4, 1, 1}, {5, 1, 2}, {7, 1, 4}, {10, 2, 4}, {16, 3, 7}};
/* n >= 2t + k: t liars are detected. */
static const profile_row hiding[] = {{3, 1, 1}, {5, 2, 1}, {7, 2, 3}, {10, 3, 4}, {16, 5, 6}};
enum { N_ROWS = 5 };

static int committee_of_profile(const vs_args *args, vs_committee *c)
{
    const char *name = vs_args_text(args, "profile");
    if (name == NULL) name = c->n == 3 ? "private" : "robust";
    bool is_robust = strcmp(name, "robust") == 0;
    const profile_row *rows = is_robust ? robust : hiding;
    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].n != c->n) continue;
        c->t = rows[i].t;
        c->k = rows[i].k;
        return VS_EXIT_OK;
    }
    return vs_args_usage(args,
                         "profile %s is for %u, %u, %u, %u or %u shareholders, not %u: give "
                         "--privacy-threshold T and --packing K with %uT + K <= %u instead",
                         name, rows[0].n, rows[1].n, rows[2].n, rows[3].n, rows[4].n, c->n,
                         is_robust ? 3 : 2, c->n);
}

static int fill_committee(const vs_args *args, vs_committee *c)
{
    bool t_given = vs_args_given(args, "privacy-threshold");
    bool k_given = vs_args_given(args, "packing");
    int status = VS_EXIT_OK;
    c->n = vs_args_count(args, "shareholder");
    if (t_given != k_given) {
        return vs_args_usage(args, "--privacy-threshold and --packing go together");
    }
    if (t_given && vs_args_given(args, "profile")) {
        return vs_args_usage(args, "--profile: not together with --privacy-threshold");
    }
    if (t_given) {
        c->t = (uint32_t)vs_args_uint(args, "privacy-threshold");
        c->k = (uint32_t)vs_args_uint(args, "packing");
    } else {
        status = committee_of_profile(args, c);
    }
    c->margin = vs_args_given(args, "margin") ? (uint32_t)vs_args_uint(args, "margin") : c->t;
    return status;
}

/* --- parties -----------------------------------------------------------------------------------
 */

/* "FILE.pub@ADDRESS": the file may hold an @, the address starts at the last one before "://". */
static int read_party(const vs_args *args, const char *option, const char *text,
                      vs_fed_party *party, vs_public_keys *keys)
{
    char path[PATH_BYTES];
    vs_diag diag;
    const char *scheme = strstr(text, "://");
    const char *at = NULL;
    for (const char *c = text; scheme != NULL && c < scheme; c++) {
        if (*c == '@') at = c;
    }
    if (at == NULL || at == text || (size_t)(at - text) >= sizeof path ||
        strlen(at + 1) > VS_ADDRESS_MAX) {
        return vs_args_usage(args,
                             "--%s: \"%s\" is not FILE.pub@ADDRESS, as in "
                             "alice.pub@tcp://127.0.0.1:7101",
                             option, text);
    }
    memcpy(path, text, (size_t)(at - text));
    path[at - text] = '\0';
    if (vs_address_check(at + 1, &diag) != VS_OK) {
        return vs_args_usage(args, "--%s: %s", option, diag.text);
    }
    if (vs_public_keys_load(keys, path, &diag) != VS_OK) return vs_out_fail(&diag);
    memcpy(party->name, keys->name, sizeof party->name);
    party->key = keys->identity;
    memcpy(party->address, at + 1, strlen(at + 1) + 1);
    return VS_EXIT_OK;
}

static int fill_aggregator(const vs_args *args, vs_federation *fed)
{
    vs_public_keys keys;
    vs_diag diag;
    int status =
        read_party(args, "aggregator", vs_args_text(args, "aggregator"), &fed->aggregator, &keys);
    if (status != VS_EXIT_OK) return status;
    const char *origin = vs_args_text(args, "origin");
    if (origin == NULL) origin = keys.log.name;
    if (vs_note_key_make(&fed->log_key, origin, VS_NOTE_ED25519, &keys.log.public_key, &diag) !=
        VS_OK) {
        return vs_args_usage(args, "--origin: %s", diag.text);
    }
    memcpy(fed->origin, fed->log_key.name, sizeof fed->origin);
    return VS_EXIT_OK;
}

static int fill_parties(const vs_args *args, vs_federation *fed)
{
    vs_public_keys keys;
    vs_diag diag;
    if (vs_public_keys_load(&keys, vs_args_text(args, "admin"), &diag) != VS_OK) {
        return vs_out_fail(&diag);
    }
    memcpy(fed->admin_name, keys.name, sizeof fed->admin_name);
    fed->admin_key = keys.identity;
    int status = fill_aggregator(args, fed);
    for (uint32_t i = 0; status == VS_EXIT_OK && i < fed->committee.n; i++) {
        status = read_party(args, "shareholder", vs_args_nth(args, "shareholder", i),
                            &fed->shareholder[i].party, &keys);
        if (status == VS_EXIT_OK) fed->shareholder[i].cosigner_key = keys.cosigner;
    }
    return status;
}

/* --- the rest ----------------------------------------------------------------------------------
 */

static int fill_numbers(const vs_args *args, vs_federation *fed)
{
    const char *name = vs_args_text(args, "name");
    if (name[0] == '\0' || strlen(name) > VS_NOTE_NAME_MAX) {
        return vs_args_usage(args, "--name: must have 1 to %u bytes", VS_NOTE_NAME_MAX);
    }
    memcpy(fed->name, name, strlen(name) + 1);
    fed->demo = vs_args_flag(args, "demo");
    fed->public_results = vs_args_flag(args, "public-results");
    fed->max_clients = (uint32_t)vs_args_uint(args, "max-clients");
    fed->min_clients = (uint32_t)vs_args_uint(args, "min-clients");
    fed->max_missing = vs_args_real(args, "max-missing");
    fed->min_cover = vs_args_real(args, "min-cover");
    fed->reward_included = (uint32_t)vs_args_uint(args, "reward-included");
    fed->reward_rejected = (uint32_t)vs_args_uint(args, "reward-rejected");
    fed->round_timeout_s = (uint32_t)vs_args_uint(args, "round-timeout");
    fed->answer_timeout_s = (uint32_t)vs_args_uint(args, "answer-timeout");
    fed->quantiser.max_weight = vs_args_uint(args, "max-weight");
    fed->quantiser.stochastic_rounding = strcmp(vs_args_text(args, "rounding"), "stochastic") == 0;
    int status = vs_pipeline_fill(args, fed, false);
    if (fed->privacy.mechanism != VS_MECHANISM_NONE && !vs_args_given(args, "max-weight")) {
        fed->quantiser.max_weight = 1;
    }
    return status;
}

static int fill_tensors(const vs_args *args, vs_federation *fed)
{
    const char *path = vs_args_text(args, "tensors-from");
    vs_tensors from;
    vs_diag diag;
    if (path == NULL) {
        fed->num_params = (uint32_t)vs_args_uint(args, "num-params");
        return VS_EXIT_OK;
    }
    if (vs_args_given(args, "num-params")) {
        return vs_args_usage(args, "--num-params: not together with --tensors-from");
    }
    vs_err err = vs_tensors_open(&from, path, VS_DIM_MAX, &diag);
    if (err != VS_OK) return vs_out_fail(&diag);
    err = vs_federation_set_tensors(fed, &from, path, &diag);
    vs_tensors_free(&from);
    return err == VS_OK ? VS_EXIT_OK : vs_out_fail(&diag);
}

static int print_new(const vs_federation *fed, const char *path, const vs_buf *text, bool json)
{
    vs_federation *again;
    vs_diag diag;
    char id[VS_HEX_CHARS(32)];
    vs_tolerance t = vs_federation_tolerance(&fed->committee);
    if (vs_federation_parse(&again, text->p, text->len, path, &diag) != VS_OK) {
        return vs_out_fail(&diag);
    }
    vs_hex_encode(id, again->id.b, 32);
    vs_federation_free(again);
    if (json) {
        return vs_out_json(json_pack("{s:s, s:s}", "file", path, "federation_id", id));
    }
    (void)printf(
        "%s\nfederation %s\nshareholders %u, may collude %u, may be lost %u; liars detected "
        "%u, corrected %u\nGive this very file to every party.\n",
        path, id, fed->committee.n, t.colluders, t.lost_after_set, t.liars_detected,
        t.liars_corrected);
    return VS_EXIT_OK;
}

static int write_new(const vs_args *args, const vs_federation *fed)
{
    const char *path = vs_args_text(args, "out");
    vs_buf text = {0};
    vs_diag diag;
    vs_err err = vs_federation_format(&text, fed, &diag);
    if (err == VS_OK) err = vs_file_create_durable(path, text.p, text.len, 0644, &diag);
    int status =
        err == VS_OK ? print_new(fed, path, &text, vs_args_flag(args, "json")) : vs_out_fail(&diag);
    vs_buf_free(&text);
    return status;
}

static int run_new(const vs_args *args)
{
    uint32_t n = vs_args_count(args, "shareholder");
    if (n < 2 || n > VS_SHAREHOLDERS_MAX) {
        return vs_args_usage(args, "--shareholder: given %u times, must be 2 to %u", n,
                             VS_SHAREHOLDERS_MAX);
    }
    vs_federation *fed = calloc(1, sizeof *fed);
    if (fed == NULL) return vs_out_error("out of memory");
    int status = fill_committee(args, &fed->committee);
    if (status == VS_EXIT_OK) status = fill_numbers(args, fed);
    if (status == VS_EXIT_OK) status = fill_tensors(args, fed);
    if (status == VS_EXIT_OK) status = fill_parties(args, fed);
    if (status == VS_EXIT_OK) status = write_new(args, fed);
    vs_federation_free(fed);
    return status;
}

#define TEXT(n, a, h)                                                                              \
    {                                                                                              \
        .name = n, .arg = a, .kind = VS_OPT_TEXT, .help = h                                        \
    }
#define NEEDED(n, a, h)                                                                            \
    {                                                                                              \
        .name = n, .arg = a, .kind = VS_OPT_TEXT, .required = true, .help = h                      \
    }
#define UINT(n, a, hi, f, h)                                                                       \
    {                                                                                              \
        .name = n, .arg = a, .kind = VS_OPT_UINT, .max = hi, .fallback = f, .help = h              \
    }
#define REAL(n, a, f, h)                                                                           \
    {                                                                                              \
        .name = n, .arg = a, .kind = VS_OPT_REAL, .fallback = f, .help = h                         \
    }

static const vs_opt options[] = {
    NEEDED("name", "NAME", "What people call the federation."),
    NEEDED("admin", "FILE.pub", "Key that enrols clients and opens rounds."),
    NEEDED("aggregator", "FILE.pub@ADDRESS",
           "Key and address of the aggregator. An address is tcp://HOST:PORT, tls+tcp://HOST:PORT, "
           "ipc://PATH or inproc://NAME."),
    {.name = "shareholder",
     .arg = "FILE.pub@ADDRESS",
     .kind = VS_OPT_TEXT,
     .required = true,
     .repeat = true,
     .help = "Key and address of shareholder 1, 2, ... in this order; 2 to 128 of them."},
    {.name = "profile",
     .arg = "robust|private",
     .kind = VS_OPT_CHOICE,
     .help =
         "Thresholds by the number of shareholders. robust corrects as many liars as may collude "
         "(4, 5, 7, 10 or 16 shareholders); private detects them and lets more collude (3, 5, "
         "7, 10 or 16). Default: robust, with 3 shareholders private."},
    UINT("privacy-threshold", "T", VS_SHAREHOLDERS_MAX, NULL,
         "Any T shareholders together learn nothing. Instead of a profile, with --packing."),
    UINT("packing", "K", VS_SHAREHOLDERS_MAX, NULL,
         "Secrets in one polynomial: T + K sum shares give the sum, and the upload is (n - T) / K "
         "times the packed update."),
    UINT("margin", "M", VS_SHAREHOLDERS_MAX, NULL,
         "Answers beyond T + K that a result needs. Default: T."),
    UINT("max-clients", "N", VS_CLIENTS_MAX, "100", "Most clients in one round."),
    UINT(
        "min-clients", "N", VS_CLIENTS_MAX, "3",
        "Fewest clients in a sum. At least two more than may collude: in a sum of two, each learns "
        "the other's update."),
    REAL("max-missing", "X", "0.05",
         "A shareholder that misses more than this part of the clients leaves the certificate."),
    REAL("min-cover", "X", "0.8", "Part of a voter's own clients that a set must cover."),
    UINT("reward-included", "CREDITS", VS_REWARD_MAX, "0",
         "What a submission in a round's sum earns its pseudonym (veilsum ledger state)."),
    UINT("reward-rejected", "CREDITS", VS_REWARD_MAX, "0",
         "What a rejected submission costs its pseudonym."),
    UINT("round-timeout", "SECONDS", 2592000, "3600", "Longest collection of one round."),
    UINT("answer-timeout", "SECONDS", 2592000, "600", "Longest time from its end to the result."),
    VS_PIPELINE_OPTIONS,
    VS_PIPELINE_DIVISOR,
    UINT("max-weight", "W", UINT64_C(1) << 48, "10000",
         "Largest weight (number of examples) of one client; 1 under a mechanism."),
    {.name = "rounding",
     .arg = "stochastic|nearest",
     .kind = VS_OPT_CHOICE,
     .fallback = "stochastic",
     .help = "How coordinates are rounded; stochastic is unbiased."},
    TEXT("tensors-from", "FILE",
         "An .npz or .safetensors file, for instance the model: an update consists of tensors with "
         "its names and shapes, in every round. Only names and shapes are read."),
    UINT("num-params", "L", VS_DIM_MAX, "0",
         "Number of values of an update in every round; 0: each round says."),
    TEXT("origin", "NAME",
         "Name of the transparency log, best a host name and path that you own. Default: the name "
         "of the aggregator's key."),
    {.name = "demo",
     .kind = VS_OPT_FLAG,
     .help = "Clients may leave their quantised updates in a folder. Never for real data."},
    {.name = "public-results",
     .kind = VS_OPT_FLAG,
     .help = "Results and sum shares are served to everyone, not to members only."},
    {.name = "out",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .fallback = "federation.json",
     .help = "File to write; never over an existing one."},
    VS_OPT_JSON,
    {0}};

const vs_command vs_cmd_federation_new = {
    .name = "federation new",
    .summary = "write a federation file",
    .description =
        "Writes the contract that every party follows: who takes part, the thresholds, the "
        "quantiser, the timeouts. The SHA-256 of its bytes is the federation's id, so nobody can "
        "change a word of it unseen; a changed file is another federation, with new enrolments.\n\n"
        "See what a choice tolerates with: veilsum federation show FILE",
    .options = options,
    .examples = "veilsum federation new --name hospitals --admin admin.pub \\\n"
                "    --aggregator agg.pub@tcp://10.0.0.1:7100 \\\n"
                "    --shareholder s1.pub@tcp://10.0.0.11:7101 \\\n"
                "    --shareholder s2.pub@tcp://10.0.0.12:7101 \\\n"
                "    --shareholder s3.pub@tcp://10.0.0.13:7101 \\\n"
                "    --shareholder s4.pub@tcp://10.0.0.14:7101 \\\n"
                "    --tensors-from model.safetensors\n"
                "veilsum federation new --name sensors --admin admin.pub \\\n"
                "    --aggregator agg.pub@tcp://10.0.0.1:7100 \\\n"
                "    --shareholder s1.pub@tcp://10.0.0.11:7101 \\\n"
                "    --shareholder s2.pub@tcp://10.0.0.12:7101 \\\n"
                "    --shareholder s3.pub@tcp://10.0.0.13:7101 \\\n"
                "    --min-clients 800 --max-clients 1000 --clip-norm 0.5 \\\n"
                "    --rotation hadamard --quantization-bits 18 \\\n"
                "    --mechanism discrete_gaussian --noise-multiplier 8 \\\n"
                "    --delta 1e-6 --max-epsilon 8",
    .run = run_new};
