/* /metrics, /status and /healthz: what the monitor has counted, as Prometheus text and JSON. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <jansson.h>

#include "net/monitor_impl.h"

/* --- the process --------------------------------------------------------------------------------
 */

static uint64_t resident_bytes(void)
{
    char line[128] = "";
    char *end = line;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL) return 0;
    if (fgets(line, sizeof line, f) == NULL) line[0] = '\0';
    (void)fclose(f);
    (void)strtoull(line, &end, 10);                              /* all of it */
    const unsigned long long resident = strtoull(end, NULL, 10); /* 0 where nothing is */
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_files(void)
{
    uint64_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) return 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n - 1; /* the one that looks */
}

static void process_metrics(vs_buf *out, const vs_monitor *m)
{
    struct rusage use;
    struct rlimit files = {0};
    (void)getrusage(RUSAGE_SELF, &use);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    vs_metrics_family(out, "process_cpu_seconds_total", "counter", "User and system time.");
    vs_metrics_real(out, "process_cpu_seconds_total", NULL, cpu);
    vs_metrics_family(out, "process_resident_memory_bytes", "gauge", "Memory in use.");
    vs_metrics_uint(out, "process_resident_memory_bytes", NULL, resident_bytes());
    vs_metrics_family(out, "process_open_fds", "gauge", "Open file descriptors.");
    vs_metrics_uint(out, "process_open_fds", NULL, open_files());
    vs_metrics_family(out, "process_max_fds", "gauge", "Limit of open file descriptors.");
    vs_metrics_uint(out, "process_max_fds", NULL, (uint64_t)files.rlim_cur);
    vs_metrics_family(out, "process_start_time_seconds", "gauge", "Start, Unix time.");
    vs_metrics_real(out, "process_start_time_seconds", NULL, (double)m->start_ms / 1000.0);
}

/* --- rounds and requests ------------------------------------------------------------------------
 */

static void round_metrics(vs_buf *out, const vs_monitor *m)
{
    char label[64];
    vs_metrics_family(out, "veilsum_build_info", "gauge", "1; version and role of the process.");
    (void)snprintf(label, sizeof label, "version=\"%s\",role=\"%s\",index=\"%" PRIu32 "\"",
                   VS_VERSION, m->index == 0 ? "aggregator" : "shareholder", m->index);
    vs_metrics_uint(out, "veilsum_build_info", label, 1);
    vs_metrics_family(out, "veilsum_round", "gauge", "Number of the newest round.");
    vs_metrics_uint(out, "veilsum_round", NULL, m->status.round);
    vs_metrics_family(out, "veilsum_phase", "gauge", "1 for the phase of the newest round.");
    for (uint32_t p = 0; p <= vsw_Phase_ABORTED; p++) {
        (void)snprintf(label, sizeof label, "phase=\"%s\"", vs_phase_name((vsw_Phase)p));
        vs_metrics_uint(out, "veilsum_phase", label, (uint32_t)m->status.phase == p);
    }
    vs_metrics_family(out, "veilsum_phase_duration_seconds", "histogram", "Time in each phase.");
    for (uint32_t p = 0; p <= vsw_Phase_ABORTED; p++) {
        (void)snprintf(label, sizeof label, "phase=\"%s\"", vs_phase_name((vsw_Phase)p));
        vs_metrics_histogram(out, "veilsum_phase_duration_seconds", label, &m->phases[p]);
    }
    vs_metrics_family(out, "veilsum_log_entries", "gauge", "Entries in the log, or followed.");
    vs_metrics_uint(out, "veilsum_log_entries", NULL, m->status.log_size);
    if (m->index != 0) return;
    vs_metrics_family(out, "veilsum_rounds_total", "counter", "Rounds that ended since the start.");
    vs_metrics_uint(out, "veilsum_rounds_total", "outcome=\"final\"", m->rounds_final);
    vs_metrics_uint(out, "veilsum_rounds_total", "outcome=\"aborted\"", m->rounds_aborted);
    vs_metrics_family(out, "veilsum_round_clients", "gauge", "Clients of the newest round.");
    vs_metrics_uint(out, "veilsum_round_clients", "state=\"submitted\"", m->info.clients_submitted);
    vs_metrics_uint(out, "veilsum_round_clients", "state=\"included\"", m->info.clients_included);
    vs_metrics_family(out, "veilsum_round_shareholders", "gauge",
                      "Shareholders of the newest round.");
    vs_metrics_uint(out, "veilsum_round_shareholders", "state=\"open\"", m->info.shareholders_open);
    vs_metrics_uint(out, "veilsum_round_shareholders", "state=\"answered\"",
                    m->info.shareholders_answered);
}

static void request_metrics(vs_buf *out, const vs_monitor *m)
{
    char label[96];
    vs_metrics_family(out, "veilsum_submissions_accepted_total", "counter",
                      "Submissions accepted; a request that is repeated counts again.");
    vs_metrics_uint(out, "veilsum_submissions_accepted_total", NULL, m->accepted);
    vs_metrics_family(out, "veilsum_submissions_rejected_total", "counter",
                      "Requests of submissions that were refused, by reason.");
    for (uint32_t c = 1; c <= vsw_Code_UNAUTHORISED; c++) {
        (void)snprintf(label, sizeof label, "reason=\"%s\"", vs_code_name((vsw_Code)c));
        vs_metrics_uint(out, "veilsum_submissions_rejected_total", label, m->rejected[c]);
    }
    vs_metrics_family(out, "veilsum_requests_total", "counter", "Requests answered.");
    for (uint32_t op = 0; op < VS_MONITOR_OPS; op++) {
        const char *name = op == 0 ? "unknown" : vs_monitor_op(op);
        for (uint32_t c = 0; name != NULL && c <= vsw_Code_UNAUTHORISED; c++) {
            if (m->requests[op][c] == 0 && (c != 0 || op == 0)) continue;
            (void)snprintf(label, sizeof label, "op=\"%s\",code=\"%s\"", name,
                           vs_code_name((vsw_Code)c));
            vs_metrics_uint(out, "veilsum_requests_total", label, m->requests[op][c]);
        }
    }
    vs_metrics_family(out, "veilsum_step_duration_seconds", "histogram",
                      "Time of one step of the role, by what caused it.");
    for (uint32_t op = 0; op < VS_MONITOR_OPS; op++) {
        const char *name = op == 0 ? "tick" : vs_monitor_op(op);
        uint64_t n = 0;
        for (uint32_t b = 0; b <= VS_HISTOGRAM_BUCKETS; b++) n += m->steps[op].count[b];
        if (name == NULL || (n == 0 && op != 0)) continue;
        (void)snprintf(label, sizeof label, "op=\"%s\"", name);
        vs_metrics_histogram(out, "veilsum_step_duration_seconds", label, &m->steps[op]);
    }
    vs_metrics_family(out, "veilsum_commit_duration_seconds", "histogram",
                      "Time to make what was promised durable (fsync).");
    vs_metrics_histogram(out, "veilsum_commit_duration_seconds", NULL, &m->commits);
    vs_metrics_family(out, "veilsum_message_bytes_total", "counter", "Bytes of whole messages.");
    vs_metrics_uint(out, "veilsum_message_bytes_total", "direction=\"in\"", m->bytes_in);
    vs_metrics_uint(out, "veilsum_message_bytes_total", "direction=\"out\"", m->bytes_out);
}

static void peer_metrics(vs_buf *out, const vs_monitor *m, const vs_edge_counts *edge)
{
    static const char *const result[] = {"sent", "reply", "lost"};
    char label[64];
    vs_metrics_family(out, "veilsum_peer_up", "gauge", "1 while a shareholder is connected.");
    for (uint32_t j = 1; j <= m->fed->committee.n; j++) {
        (void)snprintf(label, sizeof label, "peer=\"%" PRIu32 "\"", j);
        vs_metrics_uint(out, "veilsum_peer_up", label, edge->connected[j]);
    }
    vs_metrics_family(out, "veilsum_peer_requests_total", "counter",
                      "Requests to shareholders: sent, with a reply, lost.");
    for (uint32_t j = 1; j <= m->fed->committee.n; j++) {
        const vs_peer_counts *p = &m->peers[j];
        const uint64_t n[] = {p->sent, p->replies, p->lost};
        for (uint32_t r = 0; r < 3; r++) {
            (void)snprintf(label, sizeof label, "peer=\"%" PRIu32 "\",result=\"%s\"", j, result[r]);
            vs_metrics_uint(out, "veilsum_peer_requests_total", label, n[r]);
        }
    }
}

static void network_metrics(vs_buf *out, const vs_monitor *m)
{
    char label[64];
    vs_edge_counts edge;
    vs_edge_count(m->edge, &edge);
    vs_metrics_family(out, "veilsum_connections", "gauge", "Connections of others, open now.");
    vs_metrics_uint(out, "veilsum_connections", NULL, edge.accepted);
    vs_metrics_family(out, "veilsum_queue_depth", "gauge", "Requests without an answer yet.");
    vs_metrics_uint(out, "veilsum_queue_depth", "queue=\"theirs\"", edge.waiting);
    vs_metrics_uint(out, "veilsum_queue_depth", "queue=\"ours\"", edge.asking);
    if (m->index == 0) peer_metrics(out, m, &edge);
    vs_http_counts http = vs_http_count(m->http);
    vs_metrics_family(out, "veilsum_http_connections", "gauge", "HTTP connections open now.");
    vs_metrics_uint(out, "veilsum_http_connections", NULL, http.connections);
    vs_metrics_family(out, "veilsum_http_replies_total", "counter", "HTTP replies by status.");
    for (uint32_t s = 2; s < 6; s++) {
        (void)snprintf(label, sizeof label, "status=\"%uxx\"", (unsigned)s);
        vs_metrics_uint(out, "veilsum_http_replies_total", label, http.requests[s]);
    }
}

static void serve_metrics(void *ctx, const vs_http_request *request, vs_http_response *response)
{
    const vs_monitor *m = ctx;
    (void)request;
    response->content_type = VS_METRICS_TYPE;
    round_metrics(&response->body, m);
    request_metrics(&response->body, m);
    network_metrics(&response->body, m);
    process_metrics(&response->body, m);
}

/* --- status -------------------------------------------------------------------------------------
 */

static json_t *peers_json(const vs_monitor *m)
{
    vs_edge_counts edge;
    json_t *all = json_array();
    uint64_t now = vs_monitor_now_ms();
    vs_edge_count(m->edge, &edge);
    for (uint32_t j = 1; j <= m->fed->committee.n; j++) {
        const vs_peer_counts *p = &m->peers[j];
        json_t *ago = p->last_reply_ms == 0 || now < p->last_reply_ms
                          ? json_null()
                          : json_integer((json_int_t)((now - p->last_reply_ms) / 1000));
        (void)json_array_append_new(
            all, json_pack("{s:I, s:s, s:b, s:o}", "shareholder", (json_int_t)j, "name",
                           m->fed->shareholder[j - 1].party.name, "connected",
                           (int)edge.connected[j], "last_reply_seconds_ago", ago));
    }
    return all;
}

static void serve_status(void *ctx, const vs_http_request *request, vs_http_response *response)
{
    const vs_monitor *m = ctx;
    char id[VS_HEX_CHARS(VS_H32_BYTES)];
    uint64_t now = vs_monitor_now_ms();
    (void)request;
    vs_hex_encode(id, m->fed->id.b, VS_H32_BYTES);
    json_t *all = json_pack(
        "{s:s, s:I, s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:I}", "role", m->status.role, "index",
        (json_int_t)m->index, "version", VS_VERSION, "federation", m->fed->name, "federation_id",
        id, "round", (json_int_t)m->status.round, "phase", vs_phase_name(m->status.phase),
        "log_entries", (json_int_t)m->status.log_size, "unix_time", (json_int_t)(now / 1000),
        "uptime_seconds", (json_int_t)((now - m->start_ms) / 1000));
    if (all != NULL && m->index == 0 && m->has_info) {
        json_t *info = json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "clients_submitted",
                                 (json_int_t)m->info.clients_submitted, "clients_included",
                                 (json_int_t)m->info.clients_included, "shareholders_open",
                                 (json_int_t)m->info.shareholders_open, "shareholders_answered",
                                 (json_int_t)m->info.shareholders_answered, "deadline",
                                 (json_int_t)m->info.deadline, "detail", m->info.detail);
        (void)json_object_set_new(all, "round_info", info);
    }
    if (all != NULL && m->index == 0) (void)json_object_set_new(all, "shareholders", peers_json(m));
    char *text = all == NULL ? NULL : json_dumps(all, JSON_INDENT(2));
    if (text == NULL) {
        vs_http_response_text(response, 500, "out of memory");
    } else {
        response->content_type = "application/json";
        vs_buf_printf(&response->body, "%s\n", text);
    }
    free(text);
    json_decref(all);
}

/* It comes from the role's own loop: a loop that hangs does not answer. */
static void serve_health(void *ctx, const vs_http_request *request, vs_http_response *response)
{
    (void)ctx;
    (void)request;
    vs_http_response_text(response, 200, "ok");
}

void vs_monitor_serve(vs_monitor *m, vs_http *http)
{
    static const struct {
        const char *path;
        vs_http_handler handler;
    } routes[] = {
        {"/metrics", serve_metrics}, {"/status", serve_status}, {"/healthz", serve_health}};
    m->http = http;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        vs_http_route route = {.method = "GET",
                               .path = routes[i].path,
                               .kind = VS_HTTP_IN_LOOP,
                               .handler = routes[i].handler,
                               .ctx = m};
        vs_http_add(http, &route);
    }
}
