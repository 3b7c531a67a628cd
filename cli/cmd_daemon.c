#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/stop.h"
#include "net/daemon.h"
#include "net/log_line.h"

typedef struct process {
    vs_stop stop;
    const char *role;
    uint32_t index; /* of the shareholder */
    bool json;
    vs_log_level level;
} process;

static bool asked(void *ctx)
{
    process *p = ctx;
    return vs_stop_asked(&p->stop);
}

/* A notice of the role, as one line to standard error. */
static void log_line(void *ctx, const char *text)
{
    const process *p = ctx;
    struct timespec now;
    vs_buf out = {0};
    vs_log_line line = vs_log_line_of(text);
    if (line.level > p->level) return;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    (p->json ? vs_log_line_json : vs_log_line_text)(&out, &line, ms, p->role, p->index);
    if (vs_buf_check(&out) == VS_OK) (void)fwrite(out.p, 1, out.len, stderr);
    vs_buf_free(&out);
}

typedef vs_err (*daemon_run)(const vs_daemon *d, vs_diag *diag);

/* Why it ends, in the log's format. */
static int fail(const process *p, const vs_diag *diag)
{
    vs_buf out = {0};
    vs_log_line line = {.level = VS_LOG_ERROR, .event = "failed", .text = diag->text};
    if (!p->json) return vs_out_fail(diag);
    vs_log_line_json(&out, &line, (uint64_t)time(NULL) * 1000, p->role, p->index);
    if (vs_buf_check(&out) == VS_OK) (void)fwrite(out.p, 1, out.len, stderr);
    vs_buf_free(&out);
    return VS_EXIT_FAILED;
}

static int run_daemon(const vs_args *args, bool aggregator, daemon_run run)
{
    process p = {.stop = {.fd = -1},
                 .role = aggregator ? "aggregator" : "shareholder",
                 .json = strcmp(vs_args_text(args, "log-format"), "json") == 0};
    (void)vs_log_level_of(&p.level, vs_args_text(args, "log-level"));
    vs_federation *fed = NULL;
    vs_keys *keys = NULL;
    vs_tlog_policy *witness = NULL;
    vs_diag diag = {{0}};
    vs_err err = vs_federation_load(&fed, vs_args_text(args, "federation"), &diag);
    if (err == VS_OK && vs_args_given(args, "tls")) {
        err = vs_federation_use_tls(fed, vs_args_text(args, "tls"), &diag);
    }
    if (err == VS_OK && vs_args_flag(args, "tls-require-client")) {
        if (fed->tls == NULL)
            err = vs_fail(&diag, VS_ERR_STATE, "--tls-require-client needs --tls");
        if (fed->tls != NULL) fed->tls->require_client = true;
    }
    if (err == VS_OK) err = vs_keys_load(&keys, vs_args_text(args, "key"), &diag);
    if (err == VS_OK && vs_args_given(args, "witness")) {
        witness = malloc(sizeof *witness);
        err = witness == NULL ? vs_fail(&diag, VS_ERR_NOMEM, "out of memory")
                              : vs_tlog_policy_load(witness, vs_args_text(args, "witness"), &diag);
    }
    if (err == VS_OK) err = vs_stop_init(&p.stop, &diag);
    if (err == VS_OK) {
        if (!aggregator) p.index = vs_federation_shareholder(fed, &keys->pub.identity);
        vs_daemon d = {.fed = fed,
                       .keys = keys,
                       .dir = vs_args_text(args, "data"),
                       .listen = vs_args_text(args, "listen"),
                       .http = vs_args_text(args, "http"),
                       .witness = witness,
                       .stop = asked,
                       .notice = log_line,
                       .ctx = &p};
        err = run(&d, &diag);
        if (err == VS_OK) log_line(&p, "stopped");
    }
    int status = err == VS_OK ? VS_EXIT_OK : fail(&p, &diag);
    vs_stop_clear(&p.stop);
    free(witness);
    vs_keys_free(keys);
    vs_federation_free(fed);
    return status;
}

static int run_aggregator(const vs_args *args)
{
    return run_daemon(args, true, vs_daemon_run_aggregator);
}

static int run_shareholder(const vs_args *args)
{
    return run_daemon(args, false, vs_daemon_run_shareholder);
}

static const vs_opt options[] = {
    {.name = "federation",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The federation file. It names this party's key and the address to listen on."},
    {.name = "key",
     .arg = "FILE.key",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "Secret key file of this party, made by veilsum keygen."},
    {.name = "data",
     .arg = "DIR",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "Folder for all durable state, made if it is not there. It belongs to one running "
             "process. After a crash, start again with the same folder: the round goes on."},
    {.name = "listen",
     .arg = "ADDRESS",
     .kind = VS_OPT_TEXT,
     .help = "Listen here instead of at the address in the federation file (behind a forwarder, "
             "say)."},
    {.name = "http",
     .arg = "http://HOST:PORT",
     .kind = VS_OPT_TEXT,
     .help = "Serve HTTP here: /metrics (Prometheus), /status (JSON), /healthz; the aggregator "
             "also the ledger as files (checkpoint, tiles, blobs; DATA/public). Default: no HTTP."},
    {.name = "witness",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "C2SP tlog-policy. Aggregator: each witness line with a URL is asked to cosign the "
             "ledger's checkpoints. Shareholder: the logs of others that may ask it to, with POST "
             "add-checkpoint at its --http address; its own federation's log is not among them."},
    {.name = "log-format",
     .arg = "text|json",
     .kind = VS_OPT_CHOICE,
     .fallback = "text",
     .help = "Log lines for people, or one JSON object a line with time, level, role, index, "
             "round, peer, event and text."},
    {.name = "log-level",
     .arg = "error|warn|info|debug",
     .kind = VS_OPT_CHOICE,
     .fallback = "info",
     .help = "The least important lines to log. debug has a line for each submission."},
    {.name = "tls",
     .arg = "DIR",
     .kind = VS_OPT_TEXT,
     .help = "TLS folder with ca.pem and host.pem (veilsum tls new), for tls+tcp:// addresses. "
             "Default: the one that VEILSUM_TLS names, else the folder tls beside the federation "
             "file."},
    {.name = "tls-require-client",
     .kind = VS_OPT_FLAG,
     .help = "Take only connections of peers and clients that show a certificate of the CA."},
    {.name = NULL},
};

static const vs_positional none[] = {{.name = NULL}};

const vs_command vs_cmd_aggregator = {
    .name = "aggregator",
    .summary = "run the aggregator of a federation",
    .description =
        "Opens rounds when the administrator says so, collects, fixes the set of clients with the "
        "shareholders' votes, reconstructs the sum and nothing else, and keeps the ledger in "
        "DIR/ledger.\n\nRuns in the foreground and logs to standard error. SIGTERM or SIGINT stops "
        "it cleanly.",
    .options = options,
    .positionals = none,
    .examples = "veilsum aggregator --federation federation.json --key agg.key \\\n"
                "    --data agg-data",
    .run = run_aggregator,
};

const vs_command vs_cmd_shareholder = {
    .name = "shareholder",
    .summary = "run one shareholder of the committee",
    .description =
        "Holds clients' shares, votes once per round for a set of clients, answers with the sum of "
        "its shares over that set, and cosigns the ledger after recomputing each result. Which "
        "shareholder it is follows from its key.\n\nRuns in the foreground and logs to standard "
        "error. SIGTERM or SIGINT stops it cleanly.",
    .options = options,
    .positionals = none,
    .examples = "veilsum shareholder --federation federation.json --key s1.key \\\n"
                "    --data s1-data",
    .run = run_shareholder,
};
