/* federation show, federation enrol. (federation new: cmd_federation_new.c) */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "net/federation.h"
#include "net/keys.h"

enum { PATH_BYTES = 4096 };

/* --- federation show ---------------------------------------------------------------------------
 */

static json_t *tolerance_json(const vs_federation *fed)
{
    vs_tolerance t = vs_federation_tolerance(&fed->committee);
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:f}", "colluders", (int)t.colluders,
                     "shareholders_lost_before_set", (int)t.lost_before_set,
                     "shareholders_lost_after_set", (int)t.lost_after_set, "liars_detected",
                     (int)t.liars_detected, "liars_corrected", (int)t.liars_corrected,
                     "upload_factor", t.upload_factor);
}

/* The file itself, and what follows from it. */
static int show_json(const vs_federation *fed)
{
    char id[VS_HEX_CHARS(32)];
    vs_hex_encode(id, fed->id.b, 32);
    json_t *root = json_loadb((const char *)fed->file.p, fed->file.len, 0, NULL);
    int failed = json_object_set_new(root, "federation_id", json_string(id));
    failed |=
        json_object_set_new(root, "votes_needed", json_integer(vs_committee_q(&fed->committee)));
    failed |= json_object_set_new(root, "shareholders_needed",
                                  json_integer(vs_committee_needed(&fed->committee)));
    failed |= json_object_set_new(root, "tolerates", tolerance_json(fed));
    if (failed != 0) {
        json_decref(root);
        root = NULL;
    }
    return vs_out_json(root);
}

static void row(vs_table *t, const char *name, const char *fmt, ...) VS_PRINTF(3, 4);
static void row(vs_table *t, const char *name, const char *fmt, ...)
{
    char text[512];
    va_list list;
    va_start(list, fmt);
    (void)vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    vs_table_cell(t, "%s", name);
    vs_table_cell(t, "%s", text);
}

static void pipeline_rows(vs_table *t, const vs_federation *fed)
{
    const vs_privacy *p = &fed->privacy;
    if (fed->rotation) row(t, "rotation", "hadamard, in blocks of 65536");
    if (fed->metrics) row(t, "metrics", "loss, accuracy, part of the clients within clip_norm");
    if (fed->target_unclipped_quantile != 0) {
        row(t, "adaptive clipping", "to %g %% of the clients, rate %g",
            100 * fed->target_unclipped_quantile, fed->adaptive_clip_learning_rate);
    }
    if (p->mechanism == VS_MECHANISM_NONE) {
        row(t, "noise", "none: a sum may tell of one client what the others do not hide");
        return;
    }
    row(t, "noise", "%s, noise_multiplier %g, enough with %u honest clients (%u may collude)",
        vs_mechanism_name(p->mechanism), p->noise_multiplier,
        fed->min_clients - p->colluding_clients, p->colluding_clients);
    row(t, "privacy budget", "epsilon %g, delta %g over all rounds", p->max_epsilon, p->delta);
    row(t, "mean", "the sum divided by %u, whoever takes part", p->clients_per_round);
}

static void parameter_rows(vs_table *t, const vs_federation *fed)
{
    const vs_committee *c = &fed->committee;
    const vs_quantiser *q = &fed->quantiser;
    row(t, "shareholders", "%u", c->n);
    row(t, "privacy threshold", "%u (so many of them together learn nothing)", c->t);
    row(t, "packing", "%u (secrets in one polynomial)", c->k);
    row(t, "reconstruction", "%u (sum shares that give the sum)", vs_committee_r(c));
    row(t, "margin", "%u (sum shares beyond them that a result needs)", c->margin);
    row(t, "votes", "%u (to fix a set, and to cosign the log)", vs_committee_q(c));
    row(t, "clients", "%u to %u in one round", fed->min_clients, fed->max_clients);
    row(t, "set", "a shareholder may miss %g %%; a voter's own list is covered to %g %%",
        100 * fed->max_missing, 100 * fed->min_cover);
    if (fed->reward_included + fed->reward_rejected > 0) {
        row(t, "reward", "%u credits for a submission in a sum, -%u for a rejected one",
            fed->reward_included, fed->reward_rejected);
    }
    row(t, "timeouts", "collect %u s, then %u s to the end", fed->round_timeout_s,
        fed->answer_timeout_s);
    char range[64];
    (void)snprintf(range, sizeof range, fed->rotation ? "k_stddevs %g" : "clipping_range %g",
                   fed->rotation ? fed->k_stddevs : q->clipping_range);
    row(t, "quantiser", "%u bits, clip_norm %g, %s, max_weight %llu, %s", q->bits, q->clip_norm,
        range, (unsigned long long)q->max_weight,
        q->stochastic_rounding ? "stochastic rounding" : "rounding to nearest");
    pipeline_rows(t, fed);
    if (fed->num_params != 0) {
        row(t, "update", "%u values%s", fed->num_params,
            fed->n_tensors > 0 ? " in the tensors below" : "");
    }
    row(t, "results", "%s", fed->public_results ? "served to everyone" : "for members only");
    if (fed->demo) row(t, "demo", "yes: clients may reveal their updates; not for real data");
}

static void tensor_rows(vs_table *t, const vs_federation *fed)
{
    char dims[200];
    for (uint32_t i = 0; i < fed->n_tensors; i++) {
        vs_tensor_dims_text(dims, sizeof dims, &fed->tensor[i]);
        row(t, fed->tensor[i].name, "%s", dims);
    }
}

static void tolerance_rows(vs_table *t, const vs_federation *fed)
{
    vs_tolerance tol = vs_federation_tolerance(&fed->committee);
    row(t, "colluders", "%u (shareholders, with the aggregator and any clients)", tol.colluders);
    row(t, "lost before the set", "%u (shareholders)", tol.lost_before_set);
    row(t, "lost after the set", "%u (shareholders)", tol.lost_after_set);
    row(t, "liars detected", "%u (wrong sum shares that cannot bend a result unseen)",
        tol.liars_detected);
    row(t, "liars corrected", "%u (wrong sum shares, if all answer; they are named)",
        tol.liars_corrected);
    row(t, "upload factor", "%.2f (field elements sent per packed element)", tol.upload_factor);
}

static void party_row(vs_table *t, const char *role, const char *name, const vs_h32 *key,
                      const char *address)
{
    char base64[VS_BASE64_CHARS(32)];
    vs_base64_encode(base64, key->b, 32);
    vs_table_cell(t, "%s", role);
    vs_table_cell(t, "%s", name);
    vs_table_cell(t, "%s", base64);
    vs_table_cell(t, "%s", address);
}

static int show_parties(const vs_federation *fed)
{
    vs_table t = {.columns = 4, .indent = 2};
    char role[32];
    party_row(&t, "admin", fed->admin_name, &fed->admin_key, "");
    party_row(&t, "aggregator", fed->aggregator.name, &fed->aggregator.key,
              fed->aggregator.address);
    for (uint32_t j = 1; j <= fed->committee.n; j++) {
        const vs_fed_party *p = &fed->shareholder[j - 1].party;
        (void)snprintf(role, sizeof role, "shareholder %u", j);
        party_row(&t, role, p->name, &p->key, p->address);
    }
    int status = vs_table_print(&t, stdout);
    vs_table_free(&t);
    return status;
}

static int show_text(const vs_federation *fed)
{
    char id[VS_HEX_CHARS(32)];
    vs_table head = {.columns = 2};
    vs_table parameters = {.columns = 2, .indent = 2};
    vs_table tolerance = {.columns = 2, .indent = 2};
    vs_table tensors = {.columns = 2, .indent = 2};
    vs_hex_encode(id, fed->id.b, 32);
    row(&head, "federation", "%s", fed->name);
    row(&head, "id", "%s", id);
    row(&head, "log", "%s", fed->origin);
    parameter_rows(&parameters, fed);
    tolerance_rows(&tolerance, fed);
    tensor_rows(&tensors, fed);
    int status = vs_table_print(&head, stdout);
    (void)printf("\nParameters\n");
    if (status == VS_EXIT_OK) status = vs_table_print(&parameters, stdout);
    if (fed->n_tensors > 0) {
        (void)printf("\nTensors of an update\n");
        if (status == VS_EXIT_OK) status = vs_table_print(&tensors, stdout);
    }
    (void)printf("\nTolerates\n");
    if (status == VS_EXIT_OK) status = vs_table_print(&tolerance, stdout);
    (void)printf("\nParties\n");
    if (status == VS_EXIT_OK) status = show_parties(fed);
    vs_table_free(&head);
    vs_table_free(&parameters);
    vs_table_free(&tensors);
    vs_table_free(&tolerance);
    return status;
}

static int run_show(const vs_args *args)
{
    vs_federation *fed;
    vs_diag diag;
    if (vs_federation_load(&fed, vs_args_positional(args, 0), &diag) != VS_OK) {
        return vs_out_fail(&diag);
    }
    int status = vs_args_flag(args, "json") ? show_json(fed) : show_text(fed);
    vs_federation_free(fed);
    return status;
}

static const vs_opt show_options[] = {VS_OPT_JSON, {0}};
static const vs_positional show_positionals[] = {
    {.name = "FILE", .min = 1, .max = 1, .help = "The federation file."}, {0}};

const vs_command vs_cmd_federation_show = {
    .name = "federation show",
    .summary = "check a federation file and say what it tolerates",
    .description =
        "Reads the file by the same rules as every party, and prints its id (what all parties must "
        "agree on), all parameters, and what the federation survives: how many shareholders may "
        "collude, be lost, or lie.\n\nA broken rule is named with its line.",
    .options = show_options,
    .positionals = show_positionals,
    .examples = "veilsum federation show federation.json",
    .run = run_show};

/* --- federation enrol --------------------------------------------------------------------------
 */

/* alice.pub -> alice.enrolment */
static vs_err enrolment_path(char out[PATH_BYTES], const char *pub_path, vs_diag *diag)
{
    size_t len = strlen(pub_path);
    if (len > 4 && strcmp(pub_path + len - 4, ".pub") == 0) len -= 4;
    if (len + sizeof ".enrolment" > PATH_BYTES) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", pub_path);
    }
    memcpy(out, pub_path, len);
    memcpy(out + len, ".enrolment", sizeof ".enrolment");
    return VS_OK;
}

/* A file that admits to another federation, or another client, is not replaced. */
static vs_err check_replaceable(const char *path, const vs_h32 *federation_id,
                                const vs_h32 *client_key, vs_diag *diag)
{
    vs_h32 other_federation, other_client;
    uint8_t sig[64];
    if (!vs_file_exists(path)) return VS_OK;
    vs_err err = vs_enrolment_load(path, &other_federation, &other_client, sig, diag);
    if (err != VS_OK) return err;
    if (vs_h32_equal(&other_federation, federation_id) && vs_h32_equal(&other_client, client_key)) {
        return VS_OK;
    }
    return vs_fail(diag, VS_ERR_STATE,
                   "%s: enrols another client or to another federation; not overwritten, use --out",
                   path);
}

static vs_err enrol_one(const vs_federation *fed, const vs_keys *admin, const char *pub_path,
                        const char *out, json_t *list, vs_diag *diag)
{
    vs_public_keys client;
    char path[PATH_BYTES];
    char key[VS_BASE64_CHARS(32)];
    uint8_t sig[64];
    vs_err err = vs_public_keys_load(&client, pub_path, diag);
    if (err == VS_OK) err = enrolment_path(path, pub_path, diag);
    if (err != VS_OK) return err;
    const char *to = out != NULL ? out : path;
    err = check_replaceable(to, &fed->id, &client.identity, diag);
    if (err != VS_OK) return err;
    vs_enrolment_sign(sig, &fed->id, &client.identity, admin->identity_seed);
    err = vs_enrolment_save(to, &fed->id, &client, sig, diag);
    if (err != VS_OK) return err;
    vs_base64_encode(key, client.identity.b, 32);
    json_t *item = json_pack("{s:s, s:s, s:s}", "client", client.name, "key", key, "file", to);
    if (json_array_append_new(list, item) != 0) {
        return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    return VS_OK;
}

static int print_enrolled(json_t *list, bool json)
{
    vs_table t = {.columns = 3};
    size_t i;
    json_t *item;
    if (json) return vs_out_json(list);
    json_array_foreach(list, i, item)
    {
        vs_table_cell(&t, "%s", json_string_value(json_object_get(item, "client")));
        vs_table_cell(&t, "%s", json_string_value(json_object_get(item, "key")));
        vs_table_cell(&t, "%s", json_string_value(json_object_get(item, "file")));
    }
    int status = vs_table_print(&t, stdout);
    vs_table_free(&t);
    json_decref(list);
    return status;
}

static int enrol_all(const vs_args *args, const vs_federation *fed, const vs_keys *admin)
{
    vs_diag diag;
    if (!vs_h32_equal(&admin->pub.identity, &fed->admin_key)) {
        return vs_out_error("%s: holds the key \"%s\", not the federation's admin key \"%s\"",
                            vs_args_text(args, "key"), admin->pub.name, fed->admin_name);
    }
    json_t *list = json_array();
    if (list == NULL) return vs_out_error("out of memory");
    for (uint32_t i = 0; i < vs_args_positionals(args); i++) {
        vs_err err = enrol_one(fed, admin, vs_args_positional(args, i), vs_args_text(args, "out"),
                               list, &diag);
        if (err == VS_OK) continue;
        (void)print_enrolled(list, vs_args_flag(args, "json")); /* those before stand */
        return vs_out_fail(&diag);
    }
    return print_enrolled(list, vs_args_flag(args, "json"));
}

static int run_enrol(const vs_args *args)
{
    vs_federation *fed = NULL;
    vs_keys *admin = NULL;
    vs_diag diag;
    if (vs_args_given(args, "out") && vs_args_positionals(args) > 1) {
        return vs_args_usage(args, "--out: fits one CLIENT.pub only, %u are given",
                             vs_args_positionals(args));
    }
    vs_err err = vs_federation_load(&fed, vs_args_text(args, "federation"), &diag);
    if (err == VS_OK) err = vs_keys_load(&admin, vs_args_text(args, "key"), &diag);
    int status = err == VS_OK ? enrol_all(args, fed, admin) : vs_out_fail(&diag);
    vs_keys_free(admin);
    vs_federation_free(fed);
    return status;
}

static const vs_opt enrol_options[] = {
    {.name = "federation",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The federation file."},
    {.name = "key",
     .arg = "ADMIN.key",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The admin's secret key file."},
    {.name = "out",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "Where to write, for one client. Default: CLIENT.enrolment beside each CLIENT.pub."},
    VS_OPT_JSON,
    {0}};
static const vs_positional enrol_positionals[] = {
    {.name = "CLIENT.pub", .min = 1, .max = 100000, .help = "Public key files of clients."}, {0}};

const vs_command vs_cmd_federation_enrol = {
    .name = "federation enrol",
    .summary = "admit clients to a federation",
    .description =
        "Signs each client's key with the admin's key. The client keeps the enrolment file and "
        "sends "
        "the signature with its submissions; shareholders need no list of clients.\n\nAn enrolment "
        "is for this federation file only: a changed file is another federation.",
    .options = enrol_options,
    .positionals = enrol_positionals,
    .examples = "veilsum federation enrol --federation federation.json --key admin.key \\\n"
                "    alice.pub bob.pub",
    .run = run_enrol};
