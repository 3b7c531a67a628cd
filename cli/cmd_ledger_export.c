/* ledger export: a log as a folder for any web server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/ledger.h"
#include "cli/out.h"
#include "ledger/entry_blobs.h"
#include "ledger/export.h"
#include "ledger/log.h"
#include "net/federation.h"
#include "net/page.h"

static vs_err keep_name(void *ctx, vs_blob_kind kind, const vs_h32 *name)
{
    if (kind == VS_BLOB_FEDERATION) *(vs_h32 *)ctx = *name;
    return VS_OK;
}

/* The federation file that the first entry names; NULL when the log names none. */
static vs_err named_federation(vs_federation **out, vs_log *log, vs_diag *diag)
{
    vs_buf entry = {0};
    vs_h32 name = {{0}};
    vs_err err = VS_OK;
    *out = NULL;
    if (vs_log_size(log) > 0) err = vs_log_entry(log, 0, &entry, diag);
    if (err == VS_OK && entry.len > 0) {
        err = vs_entry_blobs_of(entry.p, entry.len, keep_name, &name);
    }
    vs_buf_free(&entry);
    if (err != VS_OK || vs_h32_is_zero(&name)) return err;
    char *path = vs_log_blob_path(log, &name);
    if (path == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    err = vs_federation_load(out, path, diag);
    free(path);
    return err;
}

static int report(const vs_args *args, const vs_export *e, vs_log *log, bool results)
{
    const char *folder = vs_args_positional(args, 1);
    unsigned long long size = vs_log_size(log);
    unsigned long long files = vs_export_n_files(e);
    if (vs_args_flag(args, "json")) {
        return vs_out_json(json_pack("{s:s, s:I, s:I, s:b}", "origin", vs_log_origin(log),
                                     "entries", (json_int_t)size, "files_written",
                                     (json_int_t)files, "results", results ? 1 : 0));
    }
    (void)printf("%s: %llu entries, %llu file%s written%s\n", folder, size, files,
                 files == 1 ? "" : "s", results ? "" : "; sum shares and results left out");
    return VS_EXIT_OK;
}

static int run_export(const vs_args *args)
{
    char ledger[VS_LEDGER_PATH_BYTES];
    vs_log *log = NULL;
    vs_export *e = NULL;
    vs_federation *fed = NULL;
    vs_diag diag = {{0}};
    vs_err err = vs_ledger_folder(ledger, vs_args_positional(args, 0), &diag);
    if (err == VS_OK) err = vs_log_open_read(&log, ledger, &diag);
    if (err == VS_OK) err = named_federation(&fed, log, &diag);
    bool results = vs_args_flag(args, "results") || (fed != NULL && fed->public_results);
    if (err == VS_OK) {
        err = vs_export_open(&e, vs_args_positional(args, 1), log,
                             fed == NULL ? NULL : &fed->policy, results, true, &diag);
    }
    if (err == VS_OK) err = vs_export_update(e, &diag);
    if (err == VS_OK) err = vs_page_put(e, &diag);
    int status = err == VS_OK ? report(args, e, log, results) : vs_out_fail(&diag);
    vs_export_free(e);
    vs_federation_free(fed);
    vs_log_close(log);
    return status;
}

static const vs_opt options[] = {
    {.name = "results",
     .kind = VS_OPT_FLAG,
     .help = "Also write sum shares and results although the federation does not make them public: "
             "for an auditor who may have them."},
    VS_OPT_JSON,
    {0}};

static const vs_positional positionals[] = {
    {.name = "DIR",
     .min = 1,
     .max = 1,
     .help = "A ledger's folder (the one with ledger.db), or the data folder of an aggregator."},
    {.name = "FOLDER", .min = 1, .max = 1, .help = "Where to write; made if it is not there."},
    {0}};

const vs_command vs_cmd_ledger_export = {
    .name = "ledger export",
    .summary = "write a ledger as files for any web server",
    .description =
        "Writes checkpoint, tiles and entry bundles (C2SP tlog-tiles), the blobs that entries "
        "name, "
        "the federation file and the trust policy (C2SP tlog-policy). Every file is compared with "
        "the ledger and written if it differs; a folder that has seen a larger or another tree is "
        "refused, since then this ledger is an old copy.\n\nA running aggregator keeps such a "
        "folder up to date by itself: DATA/public. This command is for a ledger that nobody runs. "
        "Others check the folder with veilsum audit FOLDER, or veilsum ledger fsck FOLDER --vkey "
        "KEY.",
    .options = options,
    .positionals = positionals,
    .examples = "veilsum ledger export agg-data /srv/www/log",
    .run = run_export};
