#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "base/hash.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/stop.h"
#include "mpc/parallel.h"
#include "net/call_wait.h"
#include "net/client_run.h"
#include "net/member.h"
#include "net/receipt.h"
#include "net/update_file.h"

enum { SIZE_BYTES = 32, CALL_TIMEOUT_MS = 15000 };

/* "48.2 KiB" */
static const char *size_text(char out[SIZE_BYTES], uint64_t bytes)
{
    static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t u = 0;
    while (value >= 1024 && u < 4) {
        value /= 1024;
        u++;
    }
    (void)snprintf(out, SIZE_BYTES, u == 0 ? "%.0f %s" : "%.1f %s", value, unit[u]);
    return out;
}

/* --- input -------------------------------------------------------------------------------------
 */

typedef struct input {
    vs_member_paths paths;
    vs_member member;
    vs_update update;
    vs_client_input client;
    vs_stop stop;
} input;

static vs_err hash_model(vs_h32 *out, const char *path, vs_diag *diag)
{
    vs_map map = {0};
    vs_err err = vs_map_file(&map, path, diag);
    if (err != VS_OK) return err;
    vs_sha256(out, map.p, map.len);
    vs_unmap(&map);
    return VS_OK;
}

static vs_err load(input *in, const vs_args *args, vs_diag *diag)
{
    const char *model = vs_args_text(args, "model"), *out = vs_args_text(args, "out");
    vs_container container;
    in->paths = (vs_member_paths){.federation = vs_args_text(args, "federation"),
                                  .key = vs_args_text(args, "key"),
                                  .enrolment = vs_args_text(args, "enrolment"),
                                  .data = vs_args_text(args, "data")};
    vs_err err = out == NULL ? VS_OK : vs_container_of_path(&container, out, diag);
    if (err == VS_OK) err = vs_member_load(&in->member, &in->paths, diag);
    if (err == VS_OK && model != NULL) err = hash_model(&in->client.model_hash, model, diag);
    if (err == VS_OK) {
        err = vs_update_open(&in->update, in->member.fed, vs_args_text(args, "update"), diag);
    }
    if (err != VS_OK) return err;
    memcpy(in->client.enrolment, in->member.enrolment, sizeof in->client.enrolment);
    in->client.update = in->update.values;
    in->client.dim = in->update.n;
    in->client.round = vs_args_uint(args, "round");
    in->client.weight = vs_args_uint(args, "weight");
    in->client.threads = (uint32_t)vs_args_uint(args, "threads");
    in->client.purpose = vs_args_text(args, "purpose");
    in->client.has_metrics = vs_args_given(args, "loss") && vs_args_given(args, "accuracy");
    in->client.loss = vs_args_real(args, "loss");
    in->client.accuracy = vs_args_real(args, "accuracy");
    return VS_OK;
}

static void unload(input *in)
{
    vs_update_free(&in->update);
    vs_member_free(&in->member);
}

/* --- output ------------------------------------------------------------------------------------
 */

typedef struct bar {
    vs_progress progress;
    char label[96]; /* progress borrows it */
} bar;

static void show_progress(void *ctx, const vs_client_status *s)
{
    bar *b = ctx;
    char sent[SIZE_BYTES], total[SIZE_BYTES];
    if (s->phase != VS_CLIENT_SENDING) return;
    (void)snprintf(b->label, sizeof b->label, "round %" PRIu64 ": %s of %s, %u of %u receipts",
                   s->round, size_text(sent, s->bytes_sent), size_text(total, s->bytes_total),
                   s->receipts, s->listed);
    vs_progress_set(&b->progress, s->bytes_sent, s->bytes_total);
}

static int print_json(const input *in, const vs_client_status *s)
{
    char pseudonym[VS_HEX_CHARS(32)], manifest[VS_HEX_CHARS(32)];
    vs_hex_encode(pseudonym, s->pseudonym.b, 32);
    vs_hex_encode(manifest, s->manifest_hash.b, 32);
    return vs_out_json(json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:b, s:s, s:s, s:s}", "round",
        (json_int_t)s->round, "receipts", (json_int_t)s->receipts, "shareholders",
        (json_int_t)s->listed, "needed", (json_int_t)s->needed, "bytes", (json_int_t)s->bytes_sent,
        "weight", (json_int_t)in->client.weight, "coordinates", (json_int_t)in->client.dim,
        "clipped", (json_int_t)s->clipped, "norm", s->norm, "norm_clipped", s->norm_clipped ? 1 : 0,
        "pseudonym", pseudonym, "manifest", manifest, "note", s->error.text));
}

static int print_text(const input *in, const vs_client_status *s)
{
    char sent[SIZE_BYTES];
    (void)printf("round %" PRIu64 ": submitted %s to %u of %u shareholders, weight %" PRIu64
                 ", %" PRIu64 " of %" PRIu64 " coordinates clipped",
                 s->round, size_text(sent, s->bytes_sent), s->receipts, s->listed,
                 in->client.weight, s->clipped, in->client.dim);
    if (s->norm_clipped) {
        (void)printf(", norm %.3g clipped to %.3g", s->norm, in->member.fed->quantiser.clip_norm);
    }
    (void)printf("\n");
    if (s->error.text[0] != '\0') (void)fprintf(stderr, "veilsum: note: %s\n", s->error.text);
    return VS_EXIT_OK;
}

/* --- command -----------------------------------------------------------------------------------
 */

static vs_err submit(input *in, const vs_args *args, vs_client_status *status, vs_diag *diag)
{
    bar b = {.label = "submitting"};
    const vs_client_run_options options = {.patience_ms = vs_args_uint(args, "timeout") * 1000,
                                           .progress = show_progress,
                                           .progress_ctx = &b};
    vs_err err = vs_member_open_store(&in->member, &in->paths, diag);
    if (err != VS_OK) return err;
    b.progress = vs_progress_start(b.label);
    err = vs_client_run(status, in->member.fed, in->member.keys, in->member.store, &in->client,
                        &options, diag);
    vs_progress_end(&b.progress);
    return err;
}

/* --- --out ------------------------------------------------------------------------------------
 */

typedef struct waiting {
    bar bar;
    vs_stop *stop;
} waiting;

static bool sleep_or_stop(void *ctx, uint32_t ms)
{
    return vs_stop_sleep(((waiting *)ctx)->stop, ms);
}

static void show_waiting(void *ctx, const vsw_RoundInfo *info)
{
    bar *b = &((waiting *)ctx)->bar;
    (void)snprintf(b->label, sizeof b->label, "round %" PRIu64 ": %s, %u submitted, %u answered",
                   info->round, vs_phase_name(info->phase), info->clients_submitted,
                   info->shareholders_answered);
    vs_progress_set(&b->progress, (uint64_t)info->phase, vsw_Phase_FINAL);
}

/* Wait for the end of the round and write the mean. */
static vs_err fetch_result(input *in, const vs_args *args, uint64_t round, vs_diag *diag)
{
    const char *out = vs_args_text(args, "out");
    const vs_caller caller = vs_member_caller(&in->member, CALL_TIMEOUT_MS);
    waiting w = {.bar = {.label = "waiting"}, .stop = &in->stop};
    const vs_wait_options options = {.away_ms = vs_args_uint(args, "timeout") * 1000,
                                     .sleep = sleep_or_stop,
                                     .progress = show_waiting,
                                     .ctx = &w};
    vsw_RoundInfo info;
    vs_fetched_result result;
    if (out == NULL) return VS_OK;
    vs_update_drop_values(&in->update);
    vs_err err = vs_stop_init(&in->stop, diag);
    if (err != VS_OK) return err;
    w.bar.progress = vs_progress_start(w.bar.label);
    err = vs_call_wait(&caller, round, &options, &info, diag);
    vs_progress_end(&w.bar.progress);
    vs_stop_clear(&in->stop);
    if (err == VS_OK) {
        err = vs_result_to_file(&result, &caller, round, out, &in->update.format, VS_DTYPE_F64,
                                NULL, diag);
    }
    if (err != VS_OK) vs_diag_prefix(diag, "submitted, but there is no result");
    return err;
}

/* --receipt: what the client must keep to prove later what became of this submission. A file that
 * is there stays: it is of the same submission, or of another one that must not be lost. */
static vs_err write_receipt(const input *in, const vs_args *args, const vs_client_status *s,
                            vs_diag *diag)
{
    const char *path = vs_args_text(args, "receipt");
    vs_buf text = {0};
    const vs_receipt_claim claim = {.federation = in->member.fed->id,
                                    .client_key = in->member.keys->pub.identity,
                                    .salt = s->salt,
                                    .pseudonym = s->pseudonym,
                                    .manifest_hash = s->manifest_hash,
                                    .round = s->round};
    if (path == NULL) return VS_OK;
    vs_err err = vs_receipt_begin(&text, &claim);
    if (err != VS_OK) return vs_fail(diag, err, "out of memory");
    err = vs_file_create_durable(path, text.p, text.len, 0600, diag);
    if (err != VS_OK) vs_diag_prefix(diag, "submitted, but no receipt was written");
    vs_buf_free(&text);
    return err;
}

static int run_submit(const vs_args *args)
{
    input in = {0};
    vs_client_status status;
    vs_diag diag;
    int exit_status;
    vs_err err = load(&in, args, &diag);
    if (err == VS_OK) err = submit(&in, args, &status, &diag);
    if (err == VS_OK) err = write_receipt(&in, args, &status, &diag);
    if (err == VS_OK) err = fetch_result(&in, args, status.round, &diag);
    if (err != VS_OK) {
        exit_status = vs_out_fail(&diag);
    } else if (vs_args_flag(args, "json")) {
        exit_status = print_json(&in, &status);
    } else {
        exit_status = print_text(&in, &status);
    }
    unload(&in);
    return exit_status;
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
    {.name = "update",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The update: an .npy, .npz or .safetensors file of floating-point numbers. Where the "
             "federation names tensors, exactly these with these shapes, in any order (or, as a "
             ".npy, the flat vector); else one array, read flat. It never leaves this machine in "
             "clear. It is memory-mapped: it must not change meanwhile."},
    {.name = "out",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "Wait for the end of the round and write the mean here, as .npy, .npz or "
             ".safetensors by its name, with the names and types of the update."},
    {.name = "weight",
     .arg = "W",
     .kind = VS_OPT_UINT,
     .required = true,
     .min = 1,
     .max = VS_QUANTISE_WEIGHT_MAX,
     .help = "Weight of the update in the mean: the number of examples behind it. It stays secret "
             "as well."},
    {.name = "loss",
     .arg = "X",
     .kind = VS_OPT_REAL,
     .help = "Mean loss on this client's examples, where the federation sums metrics; it stays "
             "secret as well."},
    {.name = "accuracy",
     .arg = "X",
     .kind = VS_OPT_REAL,
     .help = "Part of them that is right, 0 to 1; goes with --loss."},
    {.name = "round",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .fallback = "0",
     .help = "Round to submit to; 0 takes the newest one. Waits for it to open."},
    {.name = "model",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "The model that the update was computed from, if the round is for one; its exact "
             "bytes count."},
    {.name = "purpose",
     .arg = "TEXT",
     .kind = VS_OPT_TEXT,
     .fallback = "",
     .help = "Tells unrelated submissions for one model (or without a model) apart. Each of them "
             "spends privacy, so this is your decision and never the aggregator's."},
    {.name = "enrolment",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "Enrolment of this key. Default: the key's path with .enrolment for .key."},
    {.name = "data",
     .arg = "DIR",
     .kind = VS_OPT_TEXT,
     .help = "Where the client keeps what it has submitted; made if needed. Default: the key's "
             "path with .state for .key."},
    {.name = "receipt",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help =
         "Write a receipt, to be completed from the published ledger (veilsum receipt complete) "
         "when the round is over; a file that is there is not replaced."},
    {.name = "timeout",
     .arg = "S",
     .kind = VS_OPT_UINT,
     .max = 1000000,
     .fallback = "60",
     .help = "Give up after so many seconds without any progress; 0 never does. Run the same "
             "command again to go on."},
    {.name = "threads",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = VS_THREADS_MAX,
     .fallback = "1",
     .help = "Threads that quantise, share, hash and prove. The bytes sent are the same for any "
             "number."},
    VS_OPT_JSON,
    {0}};

const vs_command vs_cmd_submit = {
    .name = "submit",
    .summary = "send one update to a round",
    .description =
        "Clips and quantises the update, splits it into shares, seals each share to one "
        "shareholder and uploads them. It is done when the shareholders have signed receipts; then "
        "the client may leave for good. An interrupted submission goes on where it was, with "
        "exactly the same bytes, when the command is run again.\n\n"
        "A client never sends two different updates for one model, because their difference could "
        "be revealed. It does so only after a round that was closed without a result, or for "
        "another --purpose.",
    .options = options,
    .examples = "veilsum submit --federation federation.json --key alice.key \\\n"
                "    --update delta.npy --weight 120\n"
                "veilsum submit --federation federation.json --key alice.key --round 3 \\\n"
                "    --model model.npy --update delta.npy --weight 120 --json\n"
                "veilsum submit --federation federation.json --key alice.key \\\n"
                "    --update delta.safetensors --weight 120 --out mean.safetensors",
    .run = run_submit};
