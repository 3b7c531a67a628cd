/* ledger fsck, ledger prove. (ledger show: cmd_ledger_show.c; the checks that need no ledger:
 * cmd_ledger_verify.c) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "base/hash.h"
#include "cli/commands.h"
#include "cli/ledger.h"
#include "cli/out.h"
#include "ledger/export.h"
#include "ledger/fsck.h"
#include "ledger/log.h"
#include "ledger/policy_text.h"
#include "ledger/tile_log.h"
#include "ledger/tlog_proof.h"

#define PUBLISHED_POSITIONAL                                                                       \
    {                                                                                              \
        .name = "DIR", .min = 1, .max = 1,                                                         \
        .help =                                                                                    \
            "A ledger's folder (the one with ledger.db), the data folder of an aggregator, or a "  \
            "published log (the folder with checkpoint and tile/, whoever wrote it)."              \
    }

/* --- ledger fsck -------------------------------------------------------------------------------
 */

static void print_problem(void *ctx, const char *text)
{
    (void)ctx;
    (void)printf("problem: %s\n", text);
}

static void keep_problem(void *ctx, const char *text)
{
    (void)json_array_append_new(ctx, vs_ledger_json_text(text)); /* the count tells */
}

static int fsck_text(const vs_fsck_report *r)
{
    if (r->unclean_stop) {
        (void)printf("note: the last stop was not clean, so bytes that the database does not use "
                     "could not be checked\n");
    }
    (void)printf("ledger: %llu entries, %llu checkpoints, %llu cosignatures, %llu blobs, ",
                 (unsigned long long)r->n_entries, (unsigned long long)r->n_checkpoints,
                 (unsigned long long)r->n_cosignatures, (unsigned long long)r->n_blobs);
    if (r->n_problems == 0) {
        (void)printf("no problem\n");
    } else {
        (void)printf("%u problem%s\n", (unsigned)r->n_problems, r->n_problems == 1 ? "" : "s");
    }
    return VS_EXIT_OK;
}

static int fsck_json(const vs_fsck_report *r, json_t *problems)
{
    return vs_out_json(json_pack(
        "{s:b, s:I, s:I, s:I, s:I, s:b, s:I, s:O}", "ok", r->n_problems == 0, "entries",
        (json_int_t)r->n_entries, "checkpoints", (json_int_t)r->n_checkpoints, "cosignatures",
        (json_int_t)r->n_cosignatures, "blobs", (json_int_t)r->n_blobs, "unused_bytes_checked",
        !r->unclean_stop, "n_problems", (json_int_t)r->n_problems, "problems", problems));
}

/* The log's key as the published folder's own policy names it. */
static vs_err published_key(vs_note_key *out, const char *folder, vs_diag *diag)
{
    char path[VS_LEDGER_PATH_BYTES + 16];
    vs_tlog_policy *policy = malloc(sizeof *policy);
    if (policy == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    (void)snprintf(path, sizeof path, "%s/" VS_EXPORT_POLICY, folder);
    vs_err err = vs_file_exists(path)
                     ? vs_tlog_policy_load(policy, path, diag)
                     : vs_fail(diag, VS_ERR_STATE, "%s has no file policy: give --vkey", folder);
    if (err == VS_OK && policy->n_logs != 1) {
        err = vs_fail(diag, VS_ERR_STATE, "%s names %u logs: give --vkey", path,
                      (unsigned)policy->n_logs);
    }
    if (err == VS_OK) *out = policy->log[0].key;
    free(policy);
    return err;
}

static int run_fsck(const vs_args *args)
{
    char folder[VS_LEDGER_PATH_BYTES];
    vs_note_key key;
    uint32_t n_keys = 0;
    vs_fsck_report report = {0};
    vs_diag diag = {{0}};
    bool json = vs_args_flag(args, "json");
    bool published = false;
    vs_err err = vs_ledger_vkeys(&key, 1, &n_keys, args, &diag);
    if (err == VS_OK) {
        err = vs_ledger_or_published(folder, &published, vs_args_positional(args, 0), &diag);
    }
    if (err == VS_OK && published && n_keys == 0) err = published_key(&key, folder, &diag);
    if (err != VS_OK) return vs_out_fail(&diag);
    json_t *problems = json_array();
    if (problems == NULL) return vs_out_error("out of memory");
    vs_fsck_problem problem = json ? keep_problem : print_problem;
    if (published)
        err = vs_fsck_folder(folder, &key, problem, problems, &report, &diag);
    else
        err = vs_fsck(folder, n_keys == 0 ? NULL : &key, problem, problems, &report, &diag);
    int status = err != VS_OK ? vs_out_fail(&diag)
                 : json       ? fsck_json(&report, problems)
                              : fsck_text(&report);
    json_decref(problems);
    return status == VS_EXIT_OK && report.n_problems > 0 ? VS_EXIT_FAILED : status;
}

static const vs_opt fsck_options[] = {
    {.name = "vkey",
     .arg = "VKEY",
     .kind = VS_OPT_TEXT,
     .help = "The log's verifier key, as you have it from elsewhere. Without it the key that the "
             "ledger itself names is taken."},
    VS_OPT_JSON,
    {0}};
static const vs_positional fsck_positionals[] = {PUBLISHED_POSITIONAL, {0}};

const vs_command vs_cmd_ledger_fsck = {
    .name = "ledger fsck",
    .summary = "is this ledger's folder whole?",
    .description =
        "Computes everything again: every page of the database, every leaf hash and tile, every "
        "checkpoint with its signature and root, every cosignature, every blob. Prints a line per "
        "problem, naming what is wrong, and a last line that counts. Exit status 1 if there is "
        "any problem. In a published log the first bad tile or entry is named by its "
        "file.\n\nNothing is "
        "repaired. What the entries mean is checked by veilsum audit.",
    .options = fsck_options,
    .positionals = fsck_positionals,
    .examples = "veilsum ledger fsck agg\n"
                "veilsum ledger fsck copy-of-the-ledger --vkey 'log.example.org+ab12...'\n"
                "veilsum ledger fsck /srv/www/log --vkey 'log.example.org+ab12...'",
    .run = run_fsck};

/* --- ledger prove ------------------------------------------------------------------------------
 */

typedef struct proven {
    vs_h32 leaf_hash;
    uint64_t size; /* of the checkpoint */
    uint32_t n_cosignatures;
    vs_buf receipt;
} proven;

/* A receipt is handed out only if it holds: the entry's bytes lead to the root that was signed. */
static vs_err check_proof(vs_log *log, const vs_tlog_proof *proof, const vs_h32 *leaf_hash,
                          vs_diag *diag)
{
    vs_policy policy = {.log_key = *vs_log_key(log)};
    vs_err err = vs_tlog_proof_verify(NULL, proof, &policy, leaf_hash, diag);
    if (err != VS_OK) vs_diag_prefix(diag, "the ledger is damaged; run veilsum ledger fsck");
    return err;
}

static vs_err prove(proven *out, vs_log *log, uint64_t index, vs_diag *diag)
{
    vs_tlog_proof proof = {.index = index};
    vs_buf entry = {0};
    vs_tree_reader tree = vs_log_tree(log);
    vs_err err = vs_log_entry(log, index, &entry, diag);
    if (err == VS_OK) {
        vs_merkle_leaf(&out->leaf_hash, entry.p, entry.len);
        err = vs_log_best_checkpoint(log, index, &out->size, &out->n_cosignatures, diag);
    }
    if (err == VS_OK) err = vs_log_checkpoint_at(log, out->size, &proof.checkpoint, diag);
    if (err == VS_OK) {
        err = vs_tree_prove_inclusion(&tree, index, out->size, &proof.path);
        if (err != VS_OK)
            (void)vs_fail(diag, err, "tiles: cannot be read; run veilsum ledger fsck");
    }
    if (err == VS_OK) err = check_proof(log, &proof, &out->leaf_hash, diag);
    if (err == VS_OK) {
        err = vs_tlog_proof_format(&out->receipt, &proof);
        if (err != VS_OK)
            (void)vs_fail(diag, err, "entry %llu: no receipt can be written",
                          (unsigned long long)index);
    }
    vs_buf_free(&entry);
    vs_tlog_proof_free(&proof);
    return err;
}

/* The same of a published log, from its tiles: under checkpoint.cosigned where that covers the
 * entry, else under checkpoint. The log's key is that of the folder's policy. */
static vs_err prove_published(proven *out, const char *folder, uint64_t index, vs_diag *diag)
{
    vs_fetch fetch = vs_fetch_folder(folder);
    vs_tlog_proof proof = {.index = index};
    vs_policy policy = {0};
    vs_policy_result who;
    vs_tile_log *log = NULL;
    vs_buf entry = {0};
    vs_err err = published_key(&policy.log_key, folder, diag);
    for (int i = 0; err == VS_OK && i < 2 && out->size <= index; i++) {
        vs_buf_reset(&proof.checkpoint);
        err = fetch.get(fetch.ctx, i == 0 ? VS_EXPORT_COSIGNED : VS_EXPORT_CHECKPOINT,
                        VS_NOTE_MAX_BYTES, &proof.checkpoint, diag);
        if (err == VS_ERR_STATE && i == 0) {
            err = VS_OK;
            continue;
        }
        if (err == VS_OK) {
            err = vs_policy_verify(&who, &policy, proof.checkpoint.p, proof.checkpoint.len, diag);
        }
        if (err == VS_OK) out->size = who.checkpoint.size;
    }
    if (err == VS_OK && out->size <= index) {
        err = vs_fail(diag, VS_ERR_LIMIT, "entry %llu: the log has %llu entries",
                      (unsigned long long)index, (unsigned long long)out->size);
    }
    if (err == VS_OK) err = vs_tile_log_new(&log, &fetch, out->size);
    if (err == VS_OK) err = vs_tile_log_entry(log, index, &entry, diag);
    if (err == VS_OK) {
        vs_tree_reader tree = vs_tile_log_tree(log);
        vs_merkle_leaf(&out->leaf_hash, entry.p, entry.len);
        err = vs_tree_prove_inclusion(&tree, index, out->size, &proof.path);
        if (err != VS_OK)
            (void)vs_fail(diag, err, "tiles: cannot be read; run veilsum ledger fsck");
    }
    if (err == VS_OK) {
        err = vs_tlog_proof_verify(NULL, &proof, &policy, &out->leaf_hash, diag);
        if (err != VS_OK)
            vs_diag_prefix(diag, "the published log is damaged; run veilsum ledger fsck");
    }
    if (err == VS_OK) err = vs_tlog_proof_format(&out->receipt, &proof);
    vs_tile_log_free(log);
    vs_buf_free(&entry);
    vs_tlog_proof_free(&proof);
    return err;
}

static int prove_json(const proven *p, uint64_t index, const char *out)
{
    char base64[VS_BASE64_CHARS(VS_H32_BYTES)];
    vs_base64_encode(base64, p->leaf_hash.b, VS_H32_BYTES);
    json_t *j =
        json_pack("{s:I, s:s, s:I, s:I}", "index", (json_int_t)index, "leaf_hash_base64", base64,
                  "size", (json_int_t)p->size, "cosignatures", (json_int_t)p->n_cosignatures);
    json_t *where = out != NULL ? vs_ledger_json_text(out)
                                : json_stringn((const char *)p->receipt.p, p->receipt.len);
    if (json_object_set_new(j, out != NULL ? "file" : "receipt", where) != 0) {
        json_decref(j);
        j = NULL;
    }
    return vs_out_json(j);
}

static int print_proof(const vs_args *args, const proven *p, uint64_t index)
{
    vs_diag diag;
    const char *out = vs_args_text(args, "out");
    if (out != NULL &&
        vs_file_create_durable(out, p->receipt.p, p->receipt.len, 0644, &diag) != VS_OK) {
        return vs_out_fail(&diag);
    }
    if (vs_args_flag(args, "json")) return prove_json(p, index, out);
    if (out == NULL) {
        (void)fwrite(p->receipt.p, 1, p->receipt.len, stdout); /* main sees an error */
    } else {
        (void)printf("%s: entry %llu is in the tree of %llu entries, %u cosignature%s\n", out,
                     (unsigned long long)index, (unsigned long long)p->size,
                     (unsigned)p->n_cosignatures, p->n_cosignatures == 1 ? "" : "s");
    }
    return VS_EXIT_OK;
}

static int run_prove(const vs_args *args)
{
    char folder[VS_LEDGER_PATH_BYTES];
    vs_log *log = NULL;
    proven p = {0};
    vs_diag diag = {{0}};
    uint64_t index = vs_args_uint(args, "index");
    bool published = false;
    vs_err err = vs_ledger_or_published(folder, &published, vs_args_positional(args, 0), &diag);
    if (err == VS_OK && published) {
        err = prove_published(&p, folder, index, &diag);
    } else {
        if (err == VS_OK) err = vs_log_open_read(&log, folder, &diag);
        if (err == VS_OK) err = prove(&p, log, index, &diag);
    }
    int status = err == VS_OK ? print_proof(args, &p, index) : vs_out_fail(&diag);
    vs_buf_free(&p.receipt);
    vs_log_close(log);
    return status;
}

static const vs_opt prove_options[] = {
    {.name = "index",
     .arg = "I",
     .kind = VS_OPT_UINT,
     .required = true,
     .help = "The entry, counted from 0 as ledger show does."},
    {.name = "out",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "Where to write the receipt, by custom FILE.tlog-proof; a file that is there is not "
             "replaced. Default: standard output."},
    VS_OPT_JSON,
    {0}};
static const vs_positional prove_positionals[] = {PUBLISHED_POSITIONAL, {0}};

const vs_command vs_cmd_ledger_prove = {
    .name = "ledger prove",
    .summary = "write a receipt: this entry is in the log",
    .description =
        "The receipt (c2sp.org/tlog-proof@v1) holds the entry's path in the tree and the signed "
        "checkpoint that it leads to: of those that cover the entry, the one with the most "
        "cosignatures, the newest of those. Anyone who knows the log's key can check it with "
        "veilsum ledger verify-proof or another tool for the format.",
    .options = prove_options,
    .positionals = prove_positionals,
    .examples = "veilsum ledger prove agg --index 3 --out entry3.tlog-proof\n"
                "veilsum ledger show agg --entry 3 --raw > entry3.json\n"
                "veilsum ledger verify-proof --vkey 'log.example.org+ab12...' \\\n"
                "    --entry entry3.json entry3.tlog-proof",
    .run = run_prove};
