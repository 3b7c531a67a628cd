/* veilsum watch: an external trainer exchanges files with us. */
#include <string.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/watch.h"
#include "mpc/parallel.h"

static vs_err watch(vs_watch *w, const vs_args *args, const vs_member_paths *paths,
                    vs_member *member, uint64_t *failed, vs_diag *diag)
{
    vs_stop stop;
    vs_err err = vs_member_load(member, paths, diag);
    if (err == VS_OK) err = vs_file_make_folders(w->dir, 0700, diag);
    if (err == VS_OK) err = vs_member_open_store(member, paths, diag);
    if (err != VS_OK) return err;
    err = vs_stop_init(&stop, diag);
    if (err != VS_OK) return err;
    w->member = member;
    w->stop = &stop;
    err = vs_watch_run(w, vs_args_uint(args, "rounds"), failed, diag);
    w->stop = NULL;
    vs_stop_clear(&stop);
    return err;
}

static int run_watch(const vs_args *args)
{
    const vs_member_paths paths = {.federation = vs_args_text(args, "federation"),
                                   .key = vs_args_text(args, "key"),
                                   .enrolment = vs_args_text(args, "enrolment"),
                                   .data = vs_args_text(args, "data")};
    const char *purpose = vs_args_text(args, "purpose");
    vs_watch w = {.dir = vs_args_positional(args, 0),
                  .words.weight = vs_args_uint(args, "weight"),
                  .threads = (uint32_t)vs_args_uint(args, "threads"),
                  .patience_ms = vs_args_uint(args, "timeout") * 1000,
                  .json = vs_args_flag(args, "json")};
    vs_member member = {0};
    vs_diag diag = {{0}};
    uint64_t failed = 0;
    if (strlen(purpose) >= sizeof w.words.purpose) {
        return vs_args_usage(args, "--purpose: longer than %zu bytes", sizeof w.words.purpose - 1);
    }
    memcpy(w.words.purpose, purpose, strlen(purpose) + 1);
    vs_err err = watch(&w, args, &paths, &member, &failed, &diag);
    vs_member_free(&member);
    if (err != VS_OK) return vs_out_fail(&diag);
    return failed == 0 ? VS_EXIT_OK : VS_EXIT_FAILED;
}

static const vs_opt options[] = {
    {.name = "federation",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "Federation file."},
    {.name = "key",
     .arg = "FILE.key",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "Secret key file of this client."},
    {.name = "weight",
     .arg = "W",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = VS_QUANTISE_WEIGHT_MAX,
     .fallback = "1",
     .help = "Weight of an update (its number of examples) where update-N.json names none."},
    {.name = "purpose",
     .arg = "TEXT",
     .kind = VS_OPT_TEXT,
     .fallback = "",
     .help = "As of veilsum submit, where update-N.json names none."},
    {.name = "rounds",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .fallback = "0",
     .help = "End after so many rounds that were taken part in; 0 goes on until it is stopped."},
    {.name = "enrolment",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "Enrolment of this key. Default: the key's path with .enrolment for .key."},
    {.name = "data",
     .arg = "DIR",
     .kind = VS_OPT_TEXT,
     .help = "Where the client keeps what it has submitted; made if needed. Default: the key's "
             "path with .state for .key."},
    {.name = "timeout",
     .arg = "S",
     .kind = VS_OPT_UINT,
     .max = 1000000,
     .fallback = "60",
     .help = "Begin a submission anew after so many seconds without any progress; 0 never does."},
    {.name = "threads",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = VS_THREADS_MAX,
     .fallback = "1",
     .help = "Threads that quantise, share, hash and prove."},
    {.name = "json", .kind = VS_OPT_FLAG, .help = "One JSON object per line."},
    {0}};
static const vs_positional positionals[] = {
    {.name = "DIR",
     .min = 1,
     .max = 1,
     .help = "The folder in which files are exchanged; made if it is not there."},
    {0}};

const vs_command vs_cmd_watch = {
    .name = "watch",
    .summary = "take part with your own trainer, by files",
    .description =
        "For every round that opens, writes round-N.json (what the round wants, until when) and "
        "global-N.safetensors (the round's model; without one, the mean of the round before) into "
        "the folder, waits for update-N.safetensors (or .npz, .npy), submits it, waits for the end "
        "and writes result-N with the same ending. The trainer is any program: it waits for "
        "round-N.json, reads the model, trains, writes its update under another name and renames "
        "it. A half-written or misshapen file is refused with a line, and waited for again.\n\n"
        "update-N.json, put there before the update, may hold weight, loss, accuracy and "
        "purpose.\n\n"
        "After a crash, run the same command again: what was begun goes on with the same bytes, "
        "what was done is not done twice. SIGTERM ends it between two steps.",
    .options = options,
    .positionals = positionals,
    .examples = "veilsum watch --federation federation.json --key alice.key --weight 120 \\\n"
                "    exchange\n"
                "veilsum watch --federation federation.json --key alice.key --rounds 10 \\\n"
                "    --json exchange",
    .run = run_watch};
