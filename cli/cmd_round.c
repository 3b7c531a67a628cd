/* veilsum round: what the administrator and members do with a round. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "cli/stop.h"
#include "net/call_wait.h"
#include "net/federation_tensors.h"
#include "net/update_file.h"

enum { PATH_BYTES = 4096, CALL_TIMEOUT_MS = 15000, POLL_MS = 200, AWAY_MS = 15000 };

/* Who asks, loaded from --federation, --key and (for a client's key) the enrolment beside it. */
typedef struct asker {
    vs_federation *fed;
    vs_keys *keys;
    uint8_t enrolment[64];
    vs_caller caller;
} asker;

static vs_err load_enrolment(asker *a, const char *key_path, vs_diag *diag)
{
    char path[PATH_BYTES];
    vs_h32 federation_id, client_key;
    size_t len = strlen(key_path);
    if (len > 4 && strcmp(key_path + len - 4, ".key") == 0) len -= 4;
    int n = snprintf(path, sizeof path, "%.*s.enrolment", (int)len, key_path);
    if (n < 0 || n >= PATH_BYTES || !vs_file_exists(path)) return VS_OK; /* no client's key */
    vs_err err = vs_enrolment_load(path, &federation_id, &client_key, a->enrolment, diag);
    if (err == VS_OK) a->caller.enrolment = a->enrolment;
    return err;
}

static vs_err asker_load(asker *a, const vs_args *args, bool with_key, vs_diag *diag)
{
    const char *key = with_key ? vs_args_text(args, "key") : NULL;
    *a = (asker){0};
    vs_err err = vs_federation_load(&a->fed, vs_args_text(args, "federation"), diag);
    if (err == VS_OK && key != NULL) err = vs_keys_load(&a->keys, key, diag);
    if (err == VS_OK && key != NULL) err = load_enrolment(a, key, diag);
    a->caller.fed = a->fed;
    a->caller.keys = a->keys;
    a->caller.timeout_ms = CALL_TIMEOUT_MS;
    return err;
}

static void asker_clear(asker *a)
{
    vs_keys_free(a->keys);
    vs_federation_free(a->fed);
}

static int finish(asker *a, vs_err err, const vs_diag *diag, int status)
{
    asker_clear(a);
    return err == VS_OK ? status : vs_out_fail(diag);
}

/* --round, or the newest one. */
static vs_err which_round(const asker *a, const vs_args *args, vsw_RoundInfo *info, vs_diag *diag)
{
    return vs_call_round_info(&a->caller, vs_args_uint(args, "round"), info, NULL, NULL, diag);
}

/* --- open
 * ------------------------------------------------------------------------------------------ */

/* Upload --model: its hash and number of values. */
static vs_err put_model(const asker *a, const char *path, vs_call_open *open, vs_diag *diag)
{
    vs_tensors model = {0};
    uint32_t *order = NULL;
    vs_err err = vs_tensors_open(&model, path, VS_DIM_MAX, diag);
    if (err != VS_OK) return err;
    order = calloc((size_t)vs_federation_match_count(a->fed, &model), sizeof *order);
    if (order == NULL) err = vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    if (err == VS_OK && model.count == 0) err = vs_fail(diag, VS_ERR_MALFORMED, "%s: empty", path);
    if (err == VS_OK) err = vs_federation_match(order, a->fed, &model, path, diag);
    if (err == VS_OK) {
        err = vs_call_put_blob(&a->caller, model.map.p, model.map.len, &open->model_hash, diag);
    }
    open->dim = (uint32_t)model.n;
    free(order);
    vs_tensors_free(&model);
    return err;
}

/* The `open` entry as everybody reads it. */
static vs_err fetch_open(const asker *a, uint64_t number, vs_round *round, vs_diag *diag)
{
    vsw_RoundInfo info;
    vs_buf open = {0};
    vs_err err = vs_call_round_info(&a->caller, number, &info, &open, NULL, diag);
    if (err == VS_OK) err = vs_round_from_open(round, a->fed, open.p, open.len, diag);
    vs_buf_free(&open);
    return err;
}

static int print_opened(const vs_args *args, const asker *a, const vsw_RoundInfo *info,
                        const vs_round *round)
{
    const vs_entry_open *o = &round->open;
    if (vs_args_flag(args, "json")) {
        return vs_out_json(json_pack(
            "{s:I, s:I, s:I, s:I, s:f, s:f}", "round", (json_int_t)info->round, "dim",
            (json_int_t)o->dim, "deadline", (json_int_t)info->deadline, "shareholders",
            (json_int_t)info->shareholders_open, "clip_norm", o->clip_norm, "epsilon", o->epsilon));
    }
    (void)printf("round %" PRIu64 " is open with %u shareholders: updates of %u values\n",
                 info->round, info->shareholders_open, o->dim);
    if (o->noise_variance != 0) {
        (void)printf("epsilon %.4g of %g with this round (delta %g), clip_norm %.4g\n", o->epsilon,
                     a->fed->privacy.max_epsilon, a->fed->privacy.delta, o->clip_norm);
    }
    (void)printf("clients: veilsum submit --federation %s --round %" PRIu64
                 " --key KEY --update FILE.npy --weight W\n",
                 vs_args_text(args, "federation"), info->round);
    return VS_EXIT_OK;
}

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The request is taken; the round opens when the shareholders have handed in their keys. It is
 * asked for by its number: the newest round would be the one before it once the aggregator gave up.
 * The aggregator has the request on disk, so one that is away for a moment is waited for. */
static vs_err wait_open(const asker *a, uint64_t round, vsw_RoundInfo *info, vs_diag *diag)
{
    uint64_t heard_ms = monotonic_ms();
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    for (;;) {
        vs_err err = vs_call_round_info(&a->caller, round, info, NULL, NULL, diag);
        uint64_t now_ms = monotonic_ms();
        if (err == VS_OK) {
            heard_ms = now_ms;
        } else if (err == VS_ERR_STATE || now_ms - heard_ms >= AWAY_MS) {
            return err;
        } else {
            (void)nanosleep(&pause, NULL);
            continue;
        }
        if (info->phase == vsw_Phase_IDLE || info->phase == vsw_Phase_ABORTED) {
            return vs_fail(diag, VS_ERR_STATE, "the round could not be opened: %s",
                           info->detail[0] == '\0' ? "the aggregator gave up" : info->detail);
        }
        if (info->phase > vsw_Phase_OPENING) return VS_OK;
        (void)nanosleep(&pause, NULL);
    }
}

/* Ask for the round. An aggregator that goes away meanwhile may have the request on disk, or not:
 * it is asked which, and told again. */
static vs_err ask_open(const asker *a, const vs_call_open *open, vs_diag *diag)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    uint64_t start_ms = monotonic_ms();
    vs_err err = vs_call_open_round(&a->caller, open, diag);
    while ((err == VS_ERR_IO || err == VS_ERR_TIMEOUT) && monotonic_ms() - start_ms < AWAY_MS) {
        vsw_RoundInfo info = vsw_RoundInfo_init_zero;
        (void)nanosleep(&pause, NULL);
        vs_err heard = vs_call_round_info(&a->caller, 0, &info, NULL, NULL, NULL);
        if (heard != VS_OK && heard != VS_ERR_STATE) continue;
        if (heard == VS_OK && (info.phase == vsw_Phase_OPENING || info.next_round > open->round)) {
            return VS_OK; /* taken; whose it is shows when it is open */
        }
        err = vs_call_open_round(&a->caller, open, diag);
    }
    return err;
}

static int run_open(const vs_args *args)
{
    asker a;
    vs_diag diag = {{0}};
    vsw_RoundInfo info = vsw_RoundInfo_init_zero;
    const char *model = vs_args_text(args, "model");
    if (model != NULL && vs_args_given(args, "dim")) {
        return vs_args_usage(args, "give either --dim or --model");
    }
    vs_call_open open = {.dim = (uint32_t)vs_args_uint(args, "dim"),
                         .target_clients = (uint32_t)vs_args_uint(args, "clients"),
                         .collect_s = (uint32_t)vs_args_uint(args, "collect")};
    vs_err err = asker_load(&a, args, true, &diag);
    if (err == VS_OK && model == NULL && open.dim == 0) {
        open.dim = a.fed->num_params;
        if (open.dim == 0) {
            asker_clear(&a);
            return vs_args_usage(args, "give either --dim or --model: the federation file has no "
                                       "num_params");
        }
    }
    if (err == VS_OK && model != NULL) err = put_model(&a, model, &open, &diag);
    if (err == VS_OK) err = vs_call_round_info(&a.caller, 0, &info, NULL, NULL, &diag);
    open.round = info.next_round;
    if (err == VS_OK) err = ask_open(&a, &open, &diag);
    if (err == VS_OK) err = wait_open(&a, open.round, &info, &diag);
    vs_round round;
    if (err == VS_OK) err = fetch_open(&a, open.round, &round, &diag);
    return finish(&a, err, &diag, err == VS_OK ? print_opened(args, &a, &info, &round) : 0);
}

/* --- status, wait
 * ------------------------------------------------------------------------------------ */

static int print_info(const vs_args *args, const vsw_RoundInfo *info)
{
    if (vs_args_flag(args, "json")) {
        return vs_out_json(
            json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "round",
                      (json_int_t)info->round, "phase", vs_phase_name(info->phase), "detail",
                      info->detail, "clients_submitted", (json_int_t)info->clients_submitted,
                      "clients_included", (json_int_t)info->clients_included, "shareholders_open",
                      (json_int_t)info->shareholders_open, "shareholders_answered",
                      (json_int_t)info->shareholders_answered, "deadline",
                      (json_int_t)info->deadline, "hard_expiry", (json_int_t)info->hard_expiry,
                      "next_round", (json_int_t)info->next_round));
    }
    if (info->round == 0) {
        (void)printf("no round yet; the next one is %" PRIu64 "\n", info->next_round);
        return VS_EXIT_OK;
    }
    (void)printf("round %" PRIu64 ": %s%s%s\n", info->round, vs_phase_name(info->phase),
                 info->detail[0] == '\0' ? "" : ", ", info->detail);
    (void)printf("  clients       %u submitted, %u in the set\n", info->clients_submitted,
                 info->clients_included);
    (void)printf("  shareholders  %u open, %u answered\n", info->shareholders_open,
                 info->shareholders_answered);
    return VS_EXIT_OK;
}

static int run_status(const vs_args *args)
{
    asker a;
    vs_diag diag = {{0}};
    vsw_RoundInfo info = vsw_RoundInfo_init_zero;
    vs_err err = asker_load(&a, args, false, &diag);
    if (err == VS_OK) err = which_round(&a, args, &info, &diag);
    return finish(&a, err, &diag, err == VS_OK ? print_info(args, &info) : 0);
}

typedef struct waiting {
    vs_stop stop;
    vs_progress progress;
    char label[160];
} waiting;

static bool sleep_or_stop(void *ctx, uint32_t ms)
{
    return vs_stop_sleep(&((waiting *)ctx)->stop, ms);
}

static void show_waiting(void *ctx, const vsw_RoundInfo *info)
{
    waiting *w = ctx;
    (void)snprintf(w->label, sizeof w->label, "round %" PRIu64 ": %s, %u submitted, %u answered",
                   info->round, vs_phase_name(info->phase), info->clients_submitted,
                   info->shareholders_answered);
    vs_progress_set(&w->progress, (uint64_t)info->phase, vsw_Phase_FINAL);
}

static vs_err wait_round(const asker *a, const vs_args *args, vsw_RoundInfo *info, vs_diag *diag)
{
    waiting w = {.label = "waiting"};
    const vs_wait_options options = {.timeout_ms = vs_args_uint(args, "timeout") * 1000,
                                     .sleep = sleep_or_stop,
                                     .progress = show_waiting,
                                     .ctx = &w};
    vs_err err = which_round(a, args, info, diag);
    /* An aggregator that is away now is waited for, where it is clear for which round. */
    uint64_t round = err == VS_OK ? info->round : vs_args_uint(args, "round");
    if (err == VS_OK && info->round == 0) {
        return vs_fail(diag, VS_ERR_STATE, "there is no round yet");
    }
    if (err == VS_ERR_STATE) return err;
    err = vs_stop_init(&w.stop, diag);
    w.progress = vs_progress_start(w.label);
    if (err == VS_OK) err = vs_call_wait(&a->caller, round, &options, info, diag);
    vs_progress_end(&w.progress);
    vs_stop_clear(&w.stop);
    return err;
}

static int run_wait(const vs_args *args)
{
    asker a;
    vs_diag diag = {{0}};
    vsw_RoundInfo info = vsw_RoundInfo_init_zero;
    vs_err err = asker_load(&a, args, false, &diag);
    if (err == VS_OK) err = wait_round(&a, args, &info, &diag);
    const bool aborted = err == VS_ERR_STATE && info.phase == vsw_Phase_ABORTED;
    int status = err == VS_OK || aborted ? print_info(args, &info) : VS_EXIT_FAILED;
    return finish(&a, err, &diag, status);
}

/* --- close, cancel
 * ----------------------------------------------------------------------------------- */

static int end_round(const vs_args *args, vs_operation op, const char *said)
{
    asker a;
    vs_diag diag = {{0}};
    vsw_RoundInfo info = vsw_RoundInfo_init_zero;
    vs_err err = asker_load(&a, args, true, &diag);
    if (err == VS_OK) err = which_round(&a, args, &info, &diag);
    if (err == VS_OK && info.round == 0)
        err = vs_fail(&diag, VS_ERR_STATE, "there is no round yet");
    if (err == VS_OK) err = vs_call_end_round(&a.caller, op, info.round, &diag);
    if (err == VS_OK) (void)printf("round %" PRIu64 ": %s\n", info.round, said);
    return finish(&a, err, &diag, VS_EXIT_OK);
}

static int run_close(const vs_args *args)
{
    return end_round(args, VS_OPERATION_CLOSE, "collection is closed, the set is being fixed");
}

static int run_cancel(const vs_args *args)
{
    return end_round(args, VS_OPERATION_CANCEL, "cancelled");
}

/* --- result
 * ------------------------------------------------------------------------------------------- */

/* One quantiser step in the mean: what rounding and nothing else can move a value by. */
static double step_of(const vs_fetched_result *f)
{
    const vs_quantiser *q = &f->round.quantiser;
    double levels =
        (double)(q->signal_levels != 0 ? q->signal_levels : (UINT64_C(1) << q->bits) - 1);
    double divisor = f->round.divisor != 0 ? f->round.divisor : (double)f->result.weight_sum;
    return 2 * q->clipping_range / levels * (double)q->max_weight * f->result.count / divisor;
}

/* epsilon and delta of the round, and its metrics. */
static void print_private(const asker *a, const vs_fetched_result *f)
{
    const vs_privacy *p = &a->fed->privacy;
    if (p->mechanism != VS_MECHANISM_NONE) {
        (void)printf("epsilon %.4g of %g spent (delta %g); noise of %.3g in each value\n",
                     f->round.open.epsilon, p->max_epsilon, p->delta,
                     sqrt((double)f->result.count) * f->round.privacy.stddev / f->round.divisor);
    }
    if (f->round.open.metrics > 0) {
        (void)printf("clients: loss %.4f, accuracy %.2f %%; %.0f %% within clip_norm %.4g\n",
                     f->metrics.loss, 100 * f->metrics.accuracy, 100 * f->metrics.unclipped,
                     f->round.open.clip_norm);
    }
}

static int print_result(const vs_args *args, const asker *a, const vs_fetched_result *f)
{
    const vs_entry_result *r = &f->result;
    const char *out = vs_args_text(args, "out");
    if (vs_args_flag(args, "json")) {
        json_t *line =
            json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:I, s:f, s:s, s:f, s:f}", "round",
                      (json_int_t)f->round.id.round, "clients", (json_int_t)r->count, "weight_sum",
                      (json_int_t)r->weight_sum, "dim", (json_int_t)f->round.open.dim, "answers",
                      (json_int_t)r->n_answers, "certain", r->certain ? 1 : 0, "margin",
                      (json_int_t)r->margin, "wrong",
                      (json_int_t)r->n_wrong + (json_int_t)r->n_outvoted, "step", step_of(f), "out",
                      out, "epsilon", f->round.open.epsilon, "clip_norm", f->round.open.clip_norm);
        if (line != NULL && f->round.open.metrics > 0) {
            (void)json_object_set_new(line, "metrics",
                                      json_pack("{s:f, s:f, s:f}", "loss", f->metrics.loss,
                                                "accuracy", f->metrics.accuracy, "unclipped",
                                                f->metrics.unclipped));
        }
        return vs_out_json(line);
    }
    (void)printf("round %" PRIu64 ": mean of %u clients, summed weight %" PRIu64
                 ", %s (margin %d), to %s\n",
                 f->round.id.round, r->count, r->weight_sum, r->certain ? "certain" : "not certain",
                 r->margin, out);
    (void)printf("one quantiser step is %.3g\n", step_of(f));
    print_private(a, f);
    return VS_EXIT_OK;
}

static int run_result(const vs_args *args)
{
    asker a;
    vs_diag diag = {{0}};
    vsw_RoundInfo info = vsw_RoundInfo_init_zero;
    vs_fetched_result f = {0};
    int status = VS_EXIT_FAILED;
    vs_err err = asker_load(&a, args, true, &diag);
    if (err == VS_OK) err = which_round(&a, args, &info, &diag);
    if (err == VS_OK && info.round == 0)
        err = vs_fail(&diag, VS_ERR_STATE, "there is no round yet");
    if (err == VS_OK) {
        err = vs_result_to_file(&f, &a.caller, info.round, vs_args_text(args, "out"), NULL,
                                strcmp(vs_args_text(args, "dtype"), "float32") == 0 ? VS_DTYPE_F32
                                                                                    : VS_DTYPE_F64,
                                vs_args_text(args, "sums"), &diag);
    }
    if (err == VS_OK) status = print_result(args, &a, &f);
    return finish(&a, err, &diag, status);
}

/* --- manual pages
 * --------------------------------------------------------------------------------------- */

#define OPT_FEDERATION                                                                             \
    {                                                                                              \
        .name = "federation", .arg = "FILE", .kind = VS_OPT_TEXT, .required = true,                \
        .help = "The federation file."                                                             \
    }
#define OPT_ROUND                                                                                  \
    {                                                                                              \
        .name = "round", .arg = "N", .kind = VS_OPT_UINT, .fallback = "0",                         \
        .help = "Number of the round; 0 is the newest one."                                        \
    }
#define OPT_ADMIN_KEY                                                                              \
    {                                                                                              \
        .name = "key", .arg = "FILE.key", .kind = VS_OPT_TEXT, .required = true,                   \
        .help = "The administrator's secret key."                                                  \
    }

static const vs_opt open_options[] = {
    OPT_FEDERATION,
    OPT_ADMIN_KEY,
    {.name = "dim",
     .arg = "L",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = VS_DIM_MAX,
     .help = "Number of values of an update, for a round without a model. Default: num_params of "
             "the federation."},
    {.name = "model",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "The model that updates are computed from, an .npy, .npz or .safetensors file. It is "
             "uploaded to the aggregator, its values are counted, and every submission is bound to "
             "its hash."},
    {.name = "clients",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .max = VS_CLIENTS_MAX,
     .fallback = "0",
     .help = "End collection as soon as so many clients have submitted; 0 waits for the deadline."},
    {.name = "collect",
     .arg = "S",
     .kind = VS_OPT_UINT,
     .max = 2592000,
     .fallback = "0",
     .help = "Seconds to collect; 0 takes round_timeout of the federation."},
    VS_OPT_JSON,
    {0}};

static const vs_opt look_options[] = {OPT_FEDERATION, OPT_ROUND, VS_OPT_JSON, {0}};

static const vs_opt wait_options[] = {
    OPT_FEDERATION,
    OPT_ROUND,
    {.name = "timeout",
     .arg = "S",
     .kind = VS_OPT_UINT,
     .max = 10000000,
     .fallback = "0",
     .help = "Give up waiting after so many seconds; 0 never does. The round goes on."},
    VS_OPT_JSON,
    {0}};

static const vs_opt end_options[] = {OPT_FEDERATION, OPT_ADMIN_KEY, OPT_ROUND, {0}};

static const vs_opt result_options[] = {
    OPT_FEDERATION,
    {.name = "key",
     .arg = "FILE.key",
     .kind = VS_OPT_TEXT,
     .help = "A member's secret key: the administrator's, a shareholder's, or a client's with its "
             "enrolment "
             "beside it. Not needed where the federation's results are public."},
    OPT_ROUND,
    {.name = "out",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help =
         "Where the weighted mean goes, as .npy (one vector), .npz or .safetensors by its name: "
         "the federation's tensors, or one named mean."},
    {.name = "dtype",
     .arg = "float64|float32",
     .kind = VS_OPT_CHOICE,
     .fallback = "float64",
     .help = "Type of its values."},
    {.name = "sums",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "Where the exact integer sums go as well: 64-bit little-endian, weight digits last."},
    VS_OPT_JSON,
    {0}};

const vs_command vs_cmd_round_open = {
    .name = "round open",
    .summary = "open the next round",
    .description =
        "Asks the aggregator to open the next round: it collects a fresh key from every "
        "shareholder and logs what the round is about. Clients can submit as soon as this command "
        "ends.",
    .options = open_options,
    .examples = "veilsum round open --federation federation.json --key admin.key --dim 7850\n"
                "veilsum round open --federation federation.json --key admin.key \\\n"
                "    --model model.npy --clients 10",
    .run = run_open};

const vs_command vs_cmd_round_status = {
    .name = "round status",
    .summary = "say where a round stands",
    .description =
        "Prints the phase of a round, what it waits for, and how many clients and shareholders "
        "have done their part.",
    .options = look_options,
    .examples = "veilsum round status --federation federation.json\n"
                "veilsum round status --federation federation.json --round 3 --json",
    .run = run_status};

const vs_command vs_cmd_round_wait = {
    .name = "round wait",
    .summary = "wait for the end of a round",
    .description =
        "Waits until a round is final (exit status 0) or aborted (exit status 1, with the reason). "
        "An aggregator that is restarted meanwhile is waited for.",
    .options = wait_options,
    .examples = "veilsum round wait --federation federation.json --round 3 --timeout 600",
    .run = run_wait};

const vs_command vs_cmd_round_close = {
    .name = "round close",
    .summary = "end the collection of a round early",
    .description =
        "No more submissions are waited for: the set is fixed from what is there, if it is at "
        "least min_clients.",
    .options = end_options,
    .examples = "veilsum round close --federation federation.json --key admin.key",
    .run = run_close};

const vs_command vs_cmd_round_cancel = {
    .name = "round cancel",
    .summary = "abort a round",
    .description =
        "Ends a round as `abort`. Before its set is fixed the round is closed: the shareholders "
        "sign that they never will vote in it, and clients may submit again for the same model. "
        "After that, the updates count as released and no sum is published.",
    .options = end_options,
    .examples = "veilsum round cancel --federation federation.json --key admin.key --round 3",
    .run = run_cancel};

const vs_command vs_cmd_round_result = {
    .name = "round result",
    .summary = "fetch the mean of a finished round",
    .description =
        "Fetches the result that the ledger names, checks the aggregator's signature and that the "
        "sums hash to the logged result, and writes the weighted mean.",
    .options = result_options,
    .examples = "veilsum round result --federation federation.json --key admin.key \\\n"
                "    --round 3 --out mean.npy",
    .run = run_result};
