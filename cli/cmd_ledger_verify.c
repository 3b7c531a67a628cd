/* ledger verify-proof, verify-note: checks of single files, no ledger needed. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "base/hash.h"
#include "cli/commands.h"
#include "cli/ledger.h"
#include "cli/out.h"
#include "ledger/tlog_proof.h"

/* --- ledger verify-proof -----------------------------------------------------------------------
 */

/* One log key, and cosigners that all must have signed unless --quorum says less. */
static vs_err policy_of(vs_policy *out, const vs_args *args, vs_diag *diag)
{
    vs_note_key keys[1 + VS_POLICY_COSIGNERS_MAX];
    uint32_t n = 0;
    uint32_t n_logs = 0;
    *out = (vs_policy){0};
    vs_err err = vs_ledger_vkeys(keys, 1 + VS_POLICY_COSIGNERS_MAX, &n, args, diag);
    for (uint32_t i = 0; err == VS_OK && i < n; i++) {
        if (keys[i].type == VS_NOTE_ED25519) {
            out->log_key = keys[i];
            n_logs++;
        } else if (out->n_cosigners < VS_POLICY_COSIGNERS_MAX) {
            out->cosigner[out->n_cosigners++] = keys[i];
        }
    }
    if (err == VS_OK && n_logs != 1) {
        err = vs_fail(diag, VS_ERR_LIMIT, "--vkey: %u log keys (type 0x01) are given, must be one",
                      (unsigned)n_logs);
    }
    out->quorum =
        vs_args_given(args, "quorum") ? (uint32_t)vs_args_uint(args, "quorum") : out->n_cosigners;
    return err == VS_OK ? vs_policy_check(out, diag) : err;
}

static vs_err leaf_hash_of(vs_h32 *out, const vs_args *args, vs_diag *diag)
{
    vs_buf entry = {0};
    if (vs_args_given(args, "leaf-hash")) {
        return vs_ledger_hash(out, "leaf-hash", vs_args_text(args, "leaf-hash"), diag);
    }
    vs_err err = vs_file_read(&entry, vs_args_text(args, "entry"), VS_ENTRY_MAX_BYTES, diag);
    if (err == VS_OK) vs_merkle_leaf(out, entry.p, entry.len);
    vs_buf_free(&entry);
    return err;
}

static int proof_valid(const vs_args *args, const vs_policy_result *r, uint64_t index)
{
    if (vs_args_flag(args, "json")) {
        return vs_out_json(json_pack("{s:b, s:s, s:I, s:I, s:I}", "valid", 1, "origin",
                                     r->checkpoint.origin, "index", (json_int_t)index, "size",
                                     (json_int_t)r->checkpoint.size, "cosignatures",
                                     (json_int_t)r->n_cosigned));
    }
    (void)printf("valid: entry %llu of %s, tree of %llu entries, %u cosignature%s\n",
                 (unsigned long long)index, r->checkpoint.origin,
                 (unsigned long long)r->checkpoint.size, (unsigned)r->n_cosigned,
                 r->n_cosigned == 1 ? "" : "s");
    return VS_EXIT_OK;
}

/* A file that cannot be read is an error of ours, everything else a verdict. */
static int refuse(const vs_args *args, vs_err err, const vs_diag *diag)
{
    return err == VS_ERR_IO || err == VS_ERR_NOMEM ? vs_out_fail(diag)
                                                   : vs_ledger_invalid(args, diag);
}

static int run_verify_proof(const vs_args *args)
{
    vs_policy policy;
    vs_policy_result result;
    vs_tlog_proof proof = {0};
    vs_h32 leaf_hash;
    vs_buf text = {0};
    vs_diag diag = {{0}};
    if (vs_args_given(args, "entry") == vs_args_given(args, "leaf-hash")) {
        return vs_args_usage(args, "give one of --entry FILE and --leaf-hash B64");
    }
    vs_err err = policy_of(&policy, args, &diag);
    if (err == VS_OK) err = leaf_hash_of(&leaf_hash, args, &diag);
    if (err == VS_OK) {
        err = vs_file_read(&text, vs_args_positional(args, 0), VS_TLOG_PROOF_MAX_BYTES, &diag);
    }
    if (err == VS_OK) err = vs_tlog_proof_parse(&proof, text.p, text.len, &diag);
    if (err == VS_OK) err = vs_tlog_proof_verify(&result, &proof, &policy, &leaf_hash, &diag);
    int status = err == VS_OK ? proof_valid(args, &result, proof.index) : refuse(args, err, &diag);
    vs_tlog_proof_free(&proof);
    vs_buf_free(&text);
    return status;
}

static const vs_opt proof_options[] = {
    {.name = "vkey",
     .arg = "VKEY",
     .kind = VS_OPT_TEXT,
     .required = true,
     .repeat = true,
     .help = "The log's verifier key, and any number of cosigners' keys."},
    {.name = "quorum",
     .arg = "Q",
     .kind = VS_OPT_UINT,
     .max = VS_POLICY_COSIGNERS_MAX,
     .help = "So many of the given cosigners must have signed. Default: all of them."},
    {.name = "entry",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "The exact bytes of the entry, from ledger show --raw."},
    {.name = "leaf-hash",
     .arg = "B64",
     .kind = VS_OPT_TEXT,
     .help = "Its leaf hash in base64, instead of the entry."},
    VS_OPT_JSON,
    {0}};
static const vs_positional proof_positionals[] = {
    {.name = "PROOF", .min = 1, .max = 1, .help = "The receipt, a .tlog-proof file."}, {0}};

const vs_command vs_cmd_ledger_verify_proof = {
    .name = "ledger verify-proof",
    .summary = "check a receipt against the log's key",
    .description =
        "Checks offline that the log signed the checkpoint in the receipt, that the cosigners "
        "did, and that the entry is in the tree it commits to. Exit status 0 if all holds, else 1 "
        "and the reason.",
    .options = proof_options,
    .positionals = proof_positionals,
    .examples = "veilsum ledger verify-proof --vkey 'log.example.org+ab12...' \\\n"
                "    --entry entry3.json entry3.tlog-proof",
    .run = run_verify_proof};

/* --- ledger verify-note ------------------------------------------------------------------------
 */

typedef struct note_check {
    uint32_t n_keys;
    vs_note_key keys[VS_NOTE_SIGNATURES_MAX];
    vs_note_result who;
    bool is_checkpoint;
    vs_checkpoint checkpoint;
} note_check;

static vs_err check_note(note_check *c, const vs_args *args, vs_diag *diag)
{
    vs_buf note = {0};
    vs_diag why;
    vs_err err = vs_ledger_vkeys(c->keys, VS_NOTE_SIGNATURES_MAX, &c->n_keys, args, diag);
    if (err == VS_OK) {
        err = vs_file_read(&note, vs_args_positional(args, 0), VS_NOTE_MAX_BYTES, diag);
    }
    if (err == VS_OK) err = vs_note_verify(&c->who, note.p, note.len, c->keys, c->n_keys, diag);
    if (err == VS_OK) {
        vs_err parsed = vs_checkpoint_parse(&c->checkpoint, note.p, c->who.text_len, &why);
        c->is_checkpoint = parsed == VS_OK;
        if (!c->is_checkpoint && vs_args_flag(args, "checkpoint")) {
            *diag = why;
            err = parsed;
        }
    }
    vs_buf_free(&note);
    return err;
}

static int note_json(const note_check *c)
{
    char base64[VS_BASE64_CHARS(VS_H32_BYTES)];
    json_t *signers = json_array();
    for (uint32_t i = 0; i < c->n_keys; i++) {
        char vkey[VS_VKEY_CHARS];
        uint64_t t = c->who.verified_time[i];
        if (!c->who.verified[i]) continue;
        vs_note_key_format(vkey, &c->keys[i]);
        json_t *item = json_pack("{s:s, s:I}", "vkey", vkey, "time",
                                 t > VS_ENTRY_INT_MAX ? (json_int_t)-1 : (json_int_t)t);
        (void)json_array_append_new(signers, item); /* the count tells */
    }
    if (json_array_size(signers) != c->who.n_verified) {
        json_decref(signers);
        signers = NULL;
    }
    if (!c->is_checkpoint) {
        return vs_out_json(json_pack("{s:b, s:o}", "valid", 1, "signed_by", signers));
    }
    vs_base64_encode(base64, c->checkpoint.root.b, VS_H32_BYTES);
    return vs_out_json(json_pack("{s:b, s:o, s:{s:s, s:I, s:s}}", "valid", 1, "signed_by", signers,
                                 "checkpoint", "origin", c->checkpoint.origin, "size",
                                 (json_int_t)c->checkpoint.size, "root", base64));
}

static int note_text(const note_check *c)
{
    char base64[VS_BASE64_CHARS(VS_H32_BYTES)];
    char when[32];
    vs_table t = {.columns = 2, .indent = 4};
    (void)printf("valid: %u of %u keys signed\n", (unsigned)c->who.n_verified, (unsigned)c->n_keys);
    for (uint32_t i = 0; i < c->n_keys; i++) {
        if (!c->who.verified[i]) continue;
        vs_ledger_time(when, c->who.verified_time[i]);
        vs_table_cell(&t, "%s+%08x", c->keys[i].name, (unsigned)c->keys[i].id);
        vs_table_cell(&t, "%s", c->who.verified_time[i] == 0 ? "" : when);
    }
    int status = vs_table_print(&t, stdout);
    vs_table_free(&t);
    if (c->is_checkpoint) {
        vs_base64_encode(base64, c->checkpoint.root.b, VS_H32_BYTES);
        (void)printf("checkpoint of %s\nsize  %llu\nroot  %s\n", c->checkpoint.origin,
                     (unsigned long long)c->checkpoint.size, base64);
    }
    return status;
}

static int run_verify_note(const vs_args *args)
{
    note_check c = {0};
    vs_diag diag = {{0}};
    vs_err err = check_note(&c, args, &diag);
    if (err != VS_OK) return refuse(args, err, &diag);
    return vs_args_flag(args, "json") ? note_json(&c) : note_text(&c);
}

static const vs_opt note_options[] = {
    {.name = "vkey",
     .arg = "VKEY",
     .kind = VS_OPT_TEXT,
     .required = true,
     .repeat = true,
     .help = "A verifier key, type 0x01 (Ed25519) or 0x04 (cosigner)."},
    {.name = "checkpoint",
     .kind = VS_OPT_FLAG,
     .help = "Refuse a note that is not a checkpoint too."},
    VS_OPT_JSON,
    {0}};
static const vs_positional note_positionals[] = {
    {.name = "FILE", .min = 1, .max = 1, .help = "The signed note, such as a checkpoint."}, {0}};

const vs_command vs_cmd_ledger_verify_note = {
    .name = "ledger verify-note",
    .summary = "check the signatures of a note or checkpoint",
    .description =
        "By the rules of C2SP signed notes: lines of other keys are ignored, one wrong signature "
        "by a given key makes the whole note bad, and so does a note that none of the given keys "
        "signed. Exit status 0 if it is good, else 1 and the reason.",
    .options = note_options,
    .positionals = note_positionals,
    .examples = "veilsum ledger verify-note --vkey 'log.example.org+ab12...' checkpoint",
    .run = run_verify_note};
