/* One measured round of `veilsum load` (cli/load.h). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/load.h"
#include "mpc/pack.h"
#include "net/audit.h"
#include "net/call.h"
#include "net/seal.h"

enum { POLL_MS = 20, CALL_MS = 20000, PATIENCE_S = 300, STOP_MS = 20000, LOG_LINES = 8 };

static double now_s(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- what processes take -------------------------------------------------------------------------
 */

/* "VmHWM:   1234 kB" of /proc/<pid>/status, in bytes; 0 when it cannot be read. */
static uint64_t peak_rss(pid_t pid)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) kib = strtoull(line + 6, NULL, 10);
    }
    if (f != NULL) (void)fclose(f);
    return kib * 1024;
}

/* User and system time of /proc/<pid>/stat: fields 14 and 15, after the name in brackets. */
static double cpu_s(pid_t pid)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    size_t n = f == NULL ? 0 : fread(text, 1, sizeof text - 1, f);
    if (f != NULL) (void)fclose(f);
    text[n] = '\0';
    char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 14; field++) at = strchr(at + 1, ' ');
    if (at == NULL) return 0;
    char *end = at;
    double ticks = (double)strtoull(at, &end, 10);
    ticks += (double)strtoull(end, NULL, 10);
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

static vs_usage usage_of(pid_t pid)
{
    return (vs_usage){.peak_rss = peak_rss(pid), .cpu_s = cpu_s(pid)};
}

/* The peak of this process starts again from what it has now. */
static void reset_own_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f == NULL) return;
    (void)fputs("5", f);
    (void)fclose(f);
}

static void measure(vs_load *l, vs_load_row *row, double own_cpu_s)
{
    row->aggregator = usage_of(l->here.process[0].pid);
    for (uint32_t j = 1; j < l->here.n_processes; j++) {
        vs_usage u = usage_of(l->here.process[j].pid);
        row->shareholders_cpu_s += u.cpu_s;
        if (u.cpu_s > row->shareholder.cpu_s) row->shareholder.cpu_s = u.cpu_s;
        if (u.peak_rss > row->shareholder.peak_rss) row->shareholder.peak_rss = u.peak_rss;
    }
    row->generator = usage_of(getpid());
    row->generator.cpu_s -= own_cpu_s;
}

/* --- the round -----------------------------------------------------------------------------------
 */

static vs_err wait_phase(vs_load *l, bool (*reached)(vsw_Phase), vsw_RoundInfo *info, vs_diag *diag)
{
    const vs_caller caller = {.fed = l->here.fed, .keys = l->here.admin, .timeout_ms = CALL_MS};
    for (;;) {
        vs_err err = vs_loopback_alive(&l->here, diag);
        if (err == VS_OK) err = vs_call_round_info(&caller, 1, info, NULL, NULL, diag);
        if (err != VS_OK) return err;
        if (reached(info->phase)) return VS_OK;
        if (info->phase == vsw_Phase_ABORTED || info->phase == vsw_Phase_IDLE) {
            return vs_fail(diag, VS_ERR_STATE, "the round ended without a result: %s",
                           info->detail);
        }
        (void)vs_stop_sleep(&l->here.stop, POLL_MS);
    }
}

static bool collects(vsw_Phase phase)
{
    return phase == vsw_Phase_COLLECT;
}

static bool is_final(vsw_Phase phase)
{
    return phase == vsw_Phase_FINAL;
}

static bool on_watch(void *ctx, uint32_t done)
{
    vs_load *l = ctx;
    vs_diag ignored;
    vs_progress_set(&l->progress, done, l->o.clients);
    return vs_loopback_alive(&l->here, &ignored) != VS_OK;
}

static vs_err open_round(vs_load *l, uint32_t clients, vsw_RoundInfo *info, vs_diag *diag)
{
    const vs_caller caller = {.fed = l->here.fed, .keys = l->here.admin, .timeout_ms = CALL_MS};
    const vs_call_open open = {.round = 1, .dim = l->o.dim, .target_clients = clients};
    vs_err err = vs_call_open_round(&caller, &open, diag);
    return err == VS_OK ? wait_phase(l, collects, info, diag) : err;
}

static void print_problem(void *ctx, const char *text)
{
    (void)ctx;
    (void)fprintf(stderr, "veilsum: audit: %s\n", text);
}

/* The daemons have ended: an auditor recomputes the sum from the published shares. */
static vs_err audit(vs_load *l, vs_load_row *row, vs_diag *diag)
{
    char folder[VS_PROCESS_PATH_BYTES];
    vs_audit_report report = {0};
    (void)vs_process_stop_all(l->here.process, l->here.n_processes, STOP_MS);
    vs_err err = vs_loopback_path(&l->here, folder, "aggregator/ledger", diag);
    if (err == VS_OK) {
        err = vs_audit_dir(&report, folder, l->here.fed, NULL, print_problem, NULL, diag);
    }
    row->audit_ok = err == VS_OK && report.ok;
    return err;
}

static vs_err play(vs_load *l, vs_load_row *row, vs_diag *diag)
{
    const vs_load_spec spec = {.fed = l->here.fed,
                               .admin = l->here.admin,
                               .round = 1,
                               .clients = row->clients,
                               .parallel = l->o.parallel,
                               .dim = l->o.dim,
                               .patience_s = PATIENCE_S,
                               .watch = on_watch,
                               .watch_ctx = l};
    vsw_RoundInfo info = {0};
    vs_err err = open_round(l, row->clients, &info, diag);
    if (err != VS_OK) return err;
    reset_own_peak();
    double own = cpu_s(getpid()), start = now_s();
    err = vs_load_clients(&row->load, &spec, diag);
    vs_diag daemon;
    if (err == VS_ERR_STATE && vs_loopback_alive(&l->here, &daemon) != VS_OK) *diag = daemon;
    if (err == VS_OK && row->load.failed > 0) {
        err = vs_fail(diag, VS_ERR_STATE, "%u of %u clients failed; first: %s", row->load.failed,
                      row->clients, row->load.first_failure.text);
    }
    double clients_end = now_s();
    if (err == VS_OK) err = wait_phase(l, is_final, &info, diag);
    row->finish_s = now_s() - clients_end;
    row->total_s = now_s() - start;
    row->included = info.clients_included;
    measure(l, row, own);
    return err;
}

vs_err vs_load_round(vs_load *l, uint32_t clients, vs_load_row *row, vs_diag *diag)
{
    char label[64];
    vs_layout layout;
    *row = (vs_load_row){.clients = clients};
    vs_err err = vs_layout_make(&layout, 16, l->o.clients, l->committee.k, l->o.dim + 1u, diag);
    if (err != VS_OK) return err;
    l->columns = layout.columns;
    row->upload_bytes = vs_sealed_share_len(layout.columns, false);
    (void)snprintf(label, sizeof label, "%u clients", clients);
    l->progress = vs_progress_start(label);
    err = vs_load_begin(l, diag);
    if (err == VS_OK) err = play(l, row, diag);
    vs_progress_end(&l->progress);
    if (err == VS_OK) err = audit(l, row, diag);
    if (err != VS_OK && !l->here.stop.asked) {
        for (uint32_t i = 0; i < l->here.n_processes; i++) {
            if (l->here.process[i].pid == 0 || i < 2)
                vs_process_print_log(&l->here.process[i], LOG_LINES);
        }
    }
    vs_load_end(l);
    return err;
}

vs_err vs_load_plain_round(vs_load *l, vs_diag *diag)
{
    char address[1][64];
    vs_err err = vs_loopback_addresses(address, 1, diag);
    const vs_plain_spec spec = {.address = address[0],
                                .clients = l->o.clients,
                                .parallel = l->o.parallel,
                                .dim = l->o.dim,
                                .watch = on_watch,
                                .watch_ctx = l};
    l->progress = vs_progress_start("plain vectors");
    if (err == VS_OK) err = vs_load_plain(&l->plain[l->n_plain], &spec, diag);
    vs_progress_end(&l->progress);
    if (err == VS_OK) l->n_plain++;
    return err;
}
