/* ledger show: the table of entries, or one of them. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cli/commands.h"
#include "cli/ledger.h"
#include "cli/out.h"
#include "ledger/log.h"

enum { SHORT_HASH = 16 }; /* hex digits of a hash in the table */

static vs_err read_line(vs_ledger_line *line, vs_dsse *dsse, vs_buf *bytes, vs_log *log,
                        uint64_t index, vs_diag *diag)
{
    vs_buf_reset(bytes);
    vs_err err = vs_log_entry(log, index, bytes, diag);
    if (err == VS_OK) vs_ledger_read(line, dsse, index, bytes);
    return err;
}

/* --- the log as a table ------------------------------------------------------------------------
 */

static void print_line(const vs_ledger_line *line, int index_width)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hex_encode(hex, line->leaf_hash.b, VS_H32_BYTES);
    (void)printf("%*llu  %-10s  %5llu  %5zu  %.*s  %s\n", index_width,
                 (unsigned long long)line->index, line->kind, (unsigned long long)line->e.round,
                 line->len, (int)SHORT_HASH, hex, line->says.text);
}

static vs_err print_cosigner(void *ctx, const vs_note_key *key, uint64_t time_s, bool verified)
{
    char when[32];
    vs_table *t = ctx;
    vs_ledger_time(when, time_s);
    vs_table_cell(t, "%s+%08x", key->name, (unsigned)key->id);
    vs_table_cell(t, "%s", verified ? when : "the signature is wrong");
    return VS_OK;
}

static vs_err print_checkpoint(vs_log *log, uint64_t size, vs_diag *diag)
{
    vs_table t = {.columns = 2, .indent = 4};
    vs_err err = vs_log_cosigners(log, size, print_cosigner, &t, diag);
    if (err == VS_OK) {
        (void)printf("checkpoint of size %llu, signed by the log, %zu cosignature%s\n",
                     (unsigned long long)size, t.n / 2, t.n == 2 ? "" : "s");
        if (vs_table_print(&t, stdout) != VS_EXIT_OK) err = VS_ERR_NOMEM;
    }
    vs_table_free(&t);
    return err;
}

/* The newest checkpoint, and the one that receipts lead to if that is another. */
static vs_err print_head(vs_log *log, vs_diag *diag)
{
    vs_h32 root;
    char base64[VS_BASE64_CHARS(VS_H32_BYTES)];
    uint64_t size = vs_log_size(log);
    uint64_t best = size;
    uint32_t n = 0;
    vs_log_root(log, &root);
    vs_base64_encode(base64, root.b, VS_H32_BYTES);
    (void)printf("\norigin  %s\nsize    %llu\nroot    %s\n", vs_log_origin(log),
                 (unsigned long long)size, base64);
    vs_err err = print_checkpoint(log, size, diag);
    if (err == VS_OK && size > 0) err = vs_log_best_checkpoint(log, 0, &best, &n, diag);
    if (err == VS_OK && best != size) err = print_checkpoint(log, best, diag);
    return err;
}

static int show_table(vs_log *log)
{
    vs_diag diag = {{0}};
    vs_ledger_line line;
    vs_buf bytes = {0};
    uint64_t size = vs_log_size(log);
    int width = snprintf(NULL, 0, "%llu", (unsigned long long)size);
    vs_err err = VS_OK;
    if (width < 5) width = 5;
    (void)printf("%*s  %-10s  %5s  %5s  %-*s  %s\n", width, "index", "kind", "round", "bytes",
                 (int)SHORT_HASH, "leaf hash", "says");
    for (uint64_t i = 0; err == VS_OK && i < size; i++) {
        err = read_line(&line, NULL, &bytes, log, i, &diag);
        if (err == VS_OK) print_line(&line, width);
    }
    vs_buf_free(&bytes);
    if (err == VS_OK) err = print_head(log, &diag);
    return err == VS_OK ? VS_EXIT_OK : vs_out_fail(&diag);
}

/* --- the log as JSON ---------------------------------------------------------------------------
 */

static json_t *line_json(const vs_ledger_line *line)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    char base64[VS_BASE64_CHARS(VS_H32_BYTES)];
    vs_hex_encode(hex, line->leaf_hash.b, VS_H32_BYTES);
    vs_base64_encode(base64, line->leaf_hash.b, VS_H32_BYTES);
    return json_pack("{s:I, s:s, s:I, s:I, s:s, s:s, s:o}", "index", (json_int_t)line->index,
                     "kind", line->kind, "round", (json_int_t)line->e.round, "bytes",
                     (json_int_t)line->len, "leaf_hash", hex, "leaf_hash_base64", base64, "says",
                     vs_ledger_json_text(line->says.text));
}

static vs_err add_cosigner(void *ctx, const vs_note_key *key, uint64_t time_s, bool verified)
{
    char vkey[VS_VKEY_CHARS];
    vs_note_key_format(vkey, key);
    json_int_t time = time_s > VS_ENTRY_INT_MAX ? -1 : (json_int_t)time_s;
    json_t *item = json_pack("{s:s, s:I, s:b}", "vkey", vkey, "time", time, "valid", verified);
    return json_array_append_new(ctx, item) == 0 ? VS_OK : VS_ERR_NOMEM;
}

static vs_err checkpoint_json(json_t **out, vs_log *log, uint64_t size, vs_diag *diag)
{
    vs_buf note = {0};
    json_t *cosigners = json_array();
    vs_err err = cosigners == NULL ? VS_ERR_NOMEM : VS_OK;
    if (err == VS_OK) err = vs_log_cosigners(log, size, add_cosigner, cosigners, diag);
    if (err == VS_OK) err = vs_log_checkpoint_at(log, size, &note, diag);
    if (err == VS_OK) {
        *out = json_pack("{s:I, s:s%, s:O}", "size", (json_int_t)size, "note", (const char *)note.p,
                         note.len, "cosignatures", cosigners);
        if (*out == NULL) err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    json_decref(cosigners);
    vs_buf_free(&note);
    return err;
}

static vs_err entries_json(json_t *list, vs_log *log, vs_diag *diag)
{
    vs_ledger_line line;
    vs_buf bytes = {0};
    vs_err err = VS_OK;
    for (uint64_t i = 0; err == VS_OK && i < vs_log_size(log); i++) {
        err = read_line(&line, NULL, &bytes, log, i, diag);
        if (err == VS_OK && json_array_append_new(list, line_json(&line)) != 0) {
            err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
        }
    }
    vs_buf_free(&bytes);
    return err;
}

static int show_json(vs_log *log)
{
    vs_diag diag = {{0}};
    vs_h32 root;
    char base64[VS_BASE64_CHARS(VS_H32_BYTES)];
    char vkey[VS_VKEY_CHARS];
    json_t *checkpoint = NULL;
    json_t *list = json_array();
    vs_note_key_format(vkey, vs_log_key(log));
    vs_log_root(log, &root);
    vs_base64_encode(base64, root.b, VS_H32_BYTES);
    vs_err err = list == NULL ? vs_fail(&diag, VS_ERR_NOMEM, "out of memory")
                              : entries_json(list, log, &diag);
    if (err == VS_OK) err = checkpoint_json(&checkpoint, log, vs_log_size(log), &diag);
    int status = VS_EXIT_FAILED;
    if (err == VS_OK) {
        status =
            vs_out_json(json_pack("{s:s, s:s, s:I, s:s, s:O, s:O}", "origin", vs_log_origin(log),
                                  "vkey", vkey, "size", (json_int_t)vs_log_size(log), "root",
                                  base64, "checkpoint", checkpoint, "entries", list));
    } else {
        (void)vs_out_fail(&diag);
    }
    json_decref(checkpoint);
    json_decref(list);
    return status;
}

/* --- one entry ---------------------------------------------------------------------------------
 */

static json_t *signatures_json(const vs_dsse *dsse)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < dsse->n_signatures; i++) {
        char hex[VS_HEX_CHARS(VS_H32_BYTES)];
        vs_hex_encode(hex, dsse->keyid[i].b, VS_H32_BYTES);
        (void)json_array_append_new(list, json_string(hex)); /* a NULL shows in the pack */
    }
    return list;
}

/* What could be read, as JSON: payload and envelope are null where there is none. */
static int entry_json(const vs_ledger_line *line, const vs_dsse *dsse, const vs_buf *bytes)
{
    json_t *payload = json_loadb((const char *)dsse->payload.p, dsse->payload.len, 0, NULL);
    json_t *envelope = json_loadb((const char *)bytes->p, bytes->len, 0, NULL);
    json_t *j = line_json(line);
    int failed = json_object_set_new(j, "signed_by", signatures_json(dsse));
    failed |= json_object_set_new(j, "payload", payload != NULL ? payload : json_null());
    failed |= json_object_set_new(j, "envelope", envelope != NULL ? envelope : json_null());
    if (failed != 0) {
        json_decref(j);
        j = NULL;
    }
    return vs_out_json(j);
}

static int entry_text(const vs_ledger_line *line, const vs_dsse *dsse)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    char base64[VS_BASE64_CHARS(VS_H32_BYTES)];
    vs_hex_encode(hex, line->leaf_hash.b, VS_H32_BYTES);
    vs_base64_encode(base64, line->leaf_hash.b, VS_H32_BYTES);
    (void)printf("entry      %llu, %s, %zu bytes\nsays       %s\nleaf hash  %s\n           %s\n",
                 (unsigned long long)line->index, line->kind, line->len, line->says.text, hex,
                 base64);
    for (uint32_t i = 0; i < dsse->n_signatures; i++) {
        vs_hex_encode(hex, dsse->keyid[i].b, VS_H32_BYTES);
        (void)printf("%s  %s\n", i == 0 ? "signed by" : "         ", hex);
    }
    json_t *payload = json_loadb((const char *)dsse->payload.p, dsse->payload.len, 0, NULL);
    return payload == NULL ? VS_EXIT_OK : vs_out_json(payload);
}

static int show_entry(const vs_args *args, vs_log *log)
{
    vs_ledger_line line;
    vs_dsse dsse = {0};
    vs_buf bytes = {0};
    vs_diag diag = {{0}};
    int status = VS_EXIT_OK;
    vs_err err = read_line(&line, &dsse, &bytes, log, vs_args_uint(args, "entry"), &diag);
    if (err != VS_OK) {
        status = vs_out_fail(&diag);
    } else if (vs_args_flag(args, "raw")) {
        (void)fwrite(bytes.p, 1, bytes.len, stdout); /* main sees an error */
    } else {
        status = vs_args_flag(args, "json") ? entry_json(&line, &dsse, &bytes)
                                            : entry_text(&line, &dsse);
    }
    vs_dsse_free(&dsse);
    vs_buf_free(&bytes);
    return status;
}

static int run_show(const vs_args *args)
{
    char folder[VS_LEDGER_PATH_BYTES];
    vs_log *log = NULL;
    vs_diag diag = {{0}};
    bool raw = vs_args_flag(args, "raw");
    bool json = vs_args_flag(args, "json");
    if (raw && (json || !vs_args_given(args, "entry"))) {
        return vs_args_usage(args, "--raw goes with --entry, and without --json");
    }
    vs_err err = vs_ledger_folder(folder, vs_args_positional(args, 0), &diag);
    if (err == VS_OK) err = vs_log_open_read(&log, folder, &diag);
    if (err != VS_OK) return vs_out_fail(&diag);
    int status = vs_args_given(args, "entry") ? show_entry(args, log)
                 : json                       ? show_json(log)
                                              : show_table(log);
    vs_log_close(log);
    return status;
}

static const vs_opt show_options[] = {
    {.name = "entry",
     .arg = "I",
     .kind = VS_OPT_UINT,
     .help = "Print the payload of entry I instead of the table; with --json its envelope too."},
    {.name = "raw",
     .kind = VS_OPT_FLAG,
     .help = "With --entry: print the exact bytes of the entry, which are what its leaf hash is of "
             "and what verify-proof takes."},
    VS_OPT_JSON,
    {0}};
static const vs_positional show_positionals[] = {
    {.name = "DIR",
     .min = 1,
     .max = 1,
     .help = "A ledger's folder (the one with ledger.db), or the data folder of an aggregator."},
    {0}};

const vs_command vs_cmd_ledger_show = {
    .name = "ledger show",
    .summary = "list the entries of a ledger, or print one",
    .description =
        "Prints a line per entry: index, kind, round, bytes, the first digits of the leaf hash as "
        "other entries name it, and what it says. Below stand the newest signed checkpoint and who "
        "has cosigned it.\n\nSignatures of entries are not checked here: see veilsum audit. A "
        "ledger that a running daemon holds cannot be read; the message names the process.",
    .options = show_options,
    .positionals = show_positionals,
    .examples = "veilsum ledger show agg\n"
                "veilsum ledger show agg --entry 3\n"
                "veilsum ledger show agg --entry 3 --raw > entry3.json",
    .run = run_show};
