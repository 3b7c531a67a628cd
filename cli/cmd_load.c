/* veilsum load: how many clients a committee on this machine takes, and what it costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <jansson.h>

#include "base/file.h"
#include "bench/bench.h"
#include "cli/commands.h"
#include "cli/load.h"
#include "cli/out.h"
#include "cli/pipeline.h"

#define MIB (1024.0 * 1024.0)

/* --- results -------------------------------------------------------------------------------------
 */

static const vs_load_row *last_row(const vs_load *l)
{
    return &l->row[l->n_rows - 1];
}

static vs_load_result plain_mean(const vs_load *l)
{
    vs_load_result mean = {0};
    for (uint32_t i = 0; i < l->n_plain; i++) {
        mean.seconds += l->plain[i].seconds / l->n_plain;
        mean.bytes = l->plain[i].bytes;
    }
    return mean;
}

static void print_rows(const vs_load *l)
{
    static const char *const heads[] = {"clients",    "included", "collect s", "per s",
                                        "finish s",   "upload",   "agg RSS",   "sh RSS",
                                        "client RSS", "agg CPU",  "sh CPU",    "client CPU"};
    vs_table t = {.columns = sizeof heads / sizeof heads[0], .right = 0xfff};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) vs_table_cell(&t, "%s", heads[i]);
    for (uint32_t i = 0; i < l->n_rows; i++) {
        const vs_load_row *r = &l->row[i];
        vs_table_cell(&t, "%u", r->clients);
        vs_table_cell(&t, "%u", r->included);
        vs_table_cell(&t, "%.2f", r->load.seconds);
        vs_table_cell(&t, "%.1f", r->clients / r->load.seconds);
        vs_table_cell(&t, "%.2f", r->finish_s);
        vs_table_cell(&t, "%.1f MiB", (double)r->load.bytes / MIB);
        vs_table_cell(&t, "%.1f MiB", (double)r->aggregator.peak_rss / MIB);
        vs_table_cell(&t, "%.1f MiB", (double)r->shareholder.peak_rss / MIB);
        vs_table_cell(&t, "%.1f MiB", (double)r->generator.peak_rss / MIB);
        vs_table_cell(&t, "%.2f s", r->aggregator.cpu_s);
        vs_table_cell(&t, "%.2f s", r->shareholder.cpu_s);
        vs_table_cell(&t, "%.2f s", r->generator.cpu_s);
    }
    (void)vs_table_print(&t, stdout);
    vs_table_free(&t);
}

static void print_report(const vs_load *l)
{
    const vs_load_row *r = last_row(l);
    (void)printf("%u shareholders (t %u, k %u), L %u, M %llu, %u clients at a time\n\n",
                 l->committee.n, l->committee.t, l->committee.k, l->o.dim,
                 (unsigned long long)l->columns, l->o.parallel);
    print_rows(l);
    (void)printf("\nRSS: peak of one process; sh: the shareholder that took most; client: all "
                 "clients in one process.\nOne client: median %.3f s, longest %.3f s. One vector "
                 "share: %.1f KiB.\n",
                 r->load.median_s, r->load.worst_s, (double)r->upload_bytes / 1024);
    if (l->n_plain == 0) return;
    const vs_load_result plain = plain_mean(l);
    (void)printf("Unprotected: %.2f s, %.1f MiB. Protected / unprotected: bytes %.2f, time to "
                 "collect %.2f, to the result %.2f.\n",
                 plain.seconds, (double)plain.bytes / MIB,
                 (double)r->load.bytes / (double)plain.bytes, r->load.seconds / plain.seconds,
                 r->total_s / plain.seconds);
}

static json_t *usage_json(const vs_usage *u)
{
    return json_pack("{s:I, s:f}", "peak_rss_bytes", (json_int_t)u->peak_rss, "cpu_seconds",
                     u->cpu_s);
}

static json_t *row_json(const vs_load_row *r)
{
    return json_pack("{s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:o, s:o, s:f, s:o, s:b}",
                     "clients", (int)r->clients, "included", (int)r->included, "seconds",
                     r->load.seconds, "submissions_per_second", r->clients / r->load.seconds,
                     "finish_seconds", r->finish_s, "total_seconds", r->total_s, "client_median_s",
                     r->load.median_s, "client_worst_s", r->load.worst_s, "bytes",
                     (json_int_t)r->load.bytes, "vector_share_bytes", (json_int_t)r->upload_bytes,
                     "aggregator", usage_json(&r->aggregator), "shareholder",
                     usage_json(&r->shareholder), "shareholders_cpu_seconds", r->shareholders_cpu_s,
                     "clients_process", usage_json(&r->generator), "audit_ok", (int)r->audit_ok);
}

static json_t *plain_json(const vs_load *l)
{
    const vs_load_result plain = plain_mean(l);
    const vs_load_row *r = last_row(l);
    json_t *runs = json_array();
    if (l->n_plain == 0) {
        json_decref(runs);
        return json_null();
    }
    for (uint32_t i = 0; i < l->n_plain; i++) {
        (void)json_array_append_new(runs, json_real(l->plain[i].seconds));
    }
    return json_pack("{s:f, s:o, s:I, s:f, s:f, s:f}", "seconds", plain.seconds, "runs", runs,
                     "bytes", (json_int_t)plain.bytes, "ratio_bytes",
                     (double)r->load.bytes / (double)plain.bytes, "ratio_collect",
                     r->load.seconds / plain.seconds, "ratio_total", r->total_s / plain.seconds);
}

static vs_err write_json(const vs_load *l, vs_diag *diag)
{
    char cpu[200];
    vs_bench_cpu(cpu, sizeof cpu);
    json_t *rows = json_array();
    for (uint32_t i = 0; i < l->n_rows; i++) {
        (void)json_array_append_new(rows, row_json(&l->row[i]));
    }
    json_t *all = json_pack("{s:i, s:i, s:I, s:i, s:i, s:i, s:i, s:s, s:o, s:o}", "clients",
                            (int)l->o.clients, "len", (int)l->o.dim, "columns",
                            (json_int_t)l->columns, "shareholders", (int)l->committee.n, "t",
                            (int)l->committee.t, "k", (int)l->committee.k, "parallel",
                            (int)l->o.parallel, "cpu", cpu, "rows", rows, "plain", plain_json(l));
    char *text = all == NULL ? NULL : json_dumps(all, JSON_INDENT(2));
    vs_err err = text == NULL ? vs_fail(diag, VS_ERR_NOMEM, "out of memory")
                              : vs_file_write_durable(l->o.json, text, strlen(text), 0644, diag);
    free(text);
    json_decref(all);
    return err;
}

/* --- the run -------------------------------------------------------------------------------------
 */

static vs_err run_all(vs_load *l, vs_diag *diag)
{
    static const uint32_t small[] = {10, 100};
    vs_err err = l->o.plain ? vs_load_plain_round(l, diag) : VS_OK;
    for (uint32_t i = 0; err == VS_OK && i <= 2; i++) {
        uint32_t clients = i < 2 ? small[i] : l->o.clients;
        if (i < 2 && (l->o.single || clients >= l->o.clients)) continue;
        err = vs_load_round(l, clients, &l->row[l->n_rows], diag);
        if (err == VS_OK) l->n_rows++;
    }
    if (err == VS_OK && l->o.plain) err = vs_load_plain_round(l, diag);
    return err;
}

static int verdict(const vs_load *l)
{
    int status = VS_EXIT_OK;
    for (uint32_t i = 0; i < l->n_rows; i++) {
        const vs_load_row *r = &l->row[i];
        if (r->included != r->clients) {
            status = vs_out_error("%u of %u clients are in the result", r->included, r->clients);
        }
        if (!r->audit_ok) status = vs_out_error("%u clients: the audit failed", r->clients);
    }
    return status;
}

/* Every client has a connection to every party: as many files as the system lets us have. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int run_load(const vs_args *args)
{
    vs_diag diag = {{0}};
    int status = VS_EXIT_OK;
    vs_load *l = calloc(1, sizeof *l);
    if (l == NULL) return vs_out_error("out of memory");
    l->o = (vs_load_options){.clients = (uint32_t)vs_args_uint(args, "clients"),
                             .dim = (uint32_t)vs_args_uint(args, "len"),
                             .shareholders = (uint32_t)vs_args_uint(args, "shareholders"),
                             .parallel = (uint32_t)vs_args_uint(args, "parallel"),
                             .single = vs_args_flag(args, "single"),
                             .plain = !vs_args_flag(args, "no-plain"),
                             .json = vs_args_text(args, "json")};
    l->committee = vs_pipeline_committee(l->o.shareholders);
    raise_file_limit();
    vs_err err = vs_stop_init(&l->here.stop, &diag);
    if (err == VS_OK) err = run_all(l, &diag);
    if (err == VS_OK) {
        print_report(l);
        status = verdict(l);
        if (l->o.json != NULL) err = write_json(l, &diag);
    }
    if (err != VS_OK) status = vs_out_fail(&diag);
    vs_load_end(l);
    vs_stop_clear(&l->here.stop);
    free(l);
    return status;
}

#define UINT(n, a, lo, hi, f, h)                                                                   \
    {                                                                                              \
        .name = n, .arg = a, .kind = VS_OPT_UINT, .min = lo, .max = hi, .fallback = f, .help = h   \
    }

static const vs_opt options[] = {
    UINT("clients", "N", 2, VS_LOAD_CLIENTS_MAX, "1000", "Clients of the round."),
    UINT("len", "L", 1, 1u << 24, "100000", "Coordinates of each update."),
    UINT("shareholders", "N", 3, VS_LOOPBACK_SHAREHOLDERS_MAX, "5", "Shareholder processes."),
    UINT("parallel", "N", 1, VS_LOAD_PARALLEL_MAX, "32",
         "Clients that run at the same time. Each has a connection to every party."),
    {.name = "single",
     .kind = VS_OPT_FLAG,
     .help = "Only this number of clients, without rounds of 10 and 100 beside it."},
    {.name = "no-plain", .kind = VS_OPT_FLAG, .help = "Without the unprotected rounds."},
    {.name = "json", .arg = "FILE", .kind = VS_OPT_TEXT, .help = "Write what was measured."},
    {0}};

const vs_command vs_cmd_load = {
    .name = "load",
    .summary = "measure a round of many clients on this machine",
    .description =
        "Starts an aggregator and shareholders as processes of their own on loopback TCP, with "
        "their data in a temporary folder, and runs real clients against them, many at a time, "
        "from one process: each has its own key, enrolment, submission and connections. The round "
        "is played with 10, 100 and N clients, in fresh processes each time, and the peak memory "
        "of each process is read from the system. Afterwards an audit recomputes every "
        "sum.\n\n"
        "Before and after, an unprotected round with N clients: one server adds plain float "
        "vectors that come over the same network code in messages of the same size, without "
        "cryptography and without files. Ratios to it are printed.\n\n"
        "Status 0 means that every client is in its round's result and every audit passed.",
    .options = options,
    .examples = "veilsum load --clients 1000 --len 100000 --json load.json\n"
                "veilsum load --clients 100 --len 1000000 --single\n"
                "veilsum load --clients 10000 --len 1000 --parallel 200",
    .run = run_load};
