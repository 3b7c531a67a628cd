#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "cli/commands.h"
#include "cli/doctor.h"
#include "cli/out.h"

static const char *const words[] = {"ok", "warn", "FAIL"};

void vs_doctor_say(vs_doctor *d, const char *check, vs_health health, const char *fmt, ...)
{
    vs_finding *f;
    char text[sizeof f->found + sizeof f->advice];
    va_list args;
    if (d->n == d->cap) {
        size_t cap = d->cap == 0 ? 32 : 2 * d->cap;
        vs_finding *grown = realloc(d->finding, cap * sizeof *grown);
        if (grown == NULL) {
            d->failed = true;
            return;
        }
        d->finding = grown;
        d->cap = cap;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    char *advice = strrchr(text, '|');
    if (advice != NULL) *advice++ = '\0';
    f = &d->finding[d->n++];
    f->health = health;
    (void)snprintf(f->check, sizeof f->check, "%s", check);
    (void)snprintf(f->found, sizeof f->found, "%.*s", (int)sizeof f->found - 1, text);
    (void)snprintf(f->advice, sizeof f->advice, "%.*s", (int)sizeof f->advice - 1,
                   advice == NULL ? "" : advice);
}

static void load(vs_doctor *d, const vs_args *args)
{
    vs_diag diag = {{0}};
    if (vs_federation_load(&d->fed, d->federation_path, &diag) != VS_OK) {
        vs_doctor_say(d, "federation file", VS_HEALTH_FAIL,
                      "%s|ask the admin for the file: all must have the same bytes", diag.text);
    } else if (vs_args_given(args, "tls") &&
               vs_federation_use_tls(d->fed, vs_args_text(args, "tls"), &diag) != VS_OK) {
        vs_doctor_say(d, "TLS folder", VS_HEALTH_FAIL,
                      "%s|it must hold ca.pem, and host.pem for a daemon: veilsum tls new",
                      diag.text);
    }
    if (d->fed != NULL) {
        char id[VS_HEX_CHARS(VS_H32_BYTES)];
        vs_hex_encode(id, d->fed->id.b, VS_H32_BYTES);
        vs_doctor_say(d, "federation file", VS_HEALTH_OK,
                      "\"%s\", %u shareholders, id %.16s...: compare it with the others'|",
                      d->fed->name, (unsigned)d->fed->committee.n, id);
    }
    if (d->key_path != NULL && vs_keys_load(&d->keys, d->key_path, &diag) != VS_OK) {
        vs_doctor_say(d, "key", VS_HEALTH_FAIL, "%s|", diag.text);
    }
}

static uint32_t count(const vs_doctor *d, vs_health health)
{
    uint32_t n = 0;
    for (size_t i = 0; i < d->n; i++) n += d->finding[i].health == health;
    return n;
}

static int print_json(const vs_doctor *d)
{
    json_t *all = json_array();
    for (size_t i = 0; i < d->n; i++) {
        static const char *const names[] = {"ok", "warn", "fail"};
        const vs_finding *f = &d->finding[i];
        (void)json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s}", "check", f->check,
                                                   "status", names[f->health], "found", f->found,
                                                   "advice", f->advice));
    }
    uint32_t bad = count(d, VS_HEALTH_FAIL);
    return vs_out_json(json_pack("{s:b, s:I, s:I, s:o}", "ok", (int)(bad == 0), "problems",
                                 (json_int_t)bad, "warnings", (json_int_t)count(d, VS_HEALTH_WARN),
                                 "checks", all));
}

static int print_table(const vs_doctor *d)
{
    vs_table t = {.columns = 3};
    for (size_t i = 0; i < d->n; i++) {
        const vs_finding *f = &d->finding[i];
        vs_table_cell(&t, "%s", words[f->health]);
        vs_table_cell(&t, "%s", f->check);
        vs_table_cell(&t, "%s", f->found);
        if (f->advice[0] == '\0') continue;
        vs_table_cell(&t, " ");
        vs_table_cell(&t, " ");
        vs_table_cell(&t, "-> %s", f->advice);
    }
    int status = vs_table_print(&t, stdout);
    vs_table_free(&t);
    uint32_t bad = count(d, VS_HEALTH_FAIL);
    (void)printf("\n%u problem%s, %u warning%s\n", bad, bad == 1 ? "" : "s",
                 count(d, VS_HEALTH_WARN), count(d, VS_HEALTH_WARN) == 1 ? "" : "s");
    return status;
}

/* Again and again until all is well with them, for wait_s seconds at most. */
static void ask_parties(vs_doctor *d, uint64_t wait_s)
{
    const struct timespec pause = {.tv_nsec = 200000000L};
    const vs_doctor before = *d;
    struct timespec start, now;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    for (;;) {
        vs_doctor_parties(d);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        bool bad = false;
        for (size_t i = before.n; i < d->n; i++) bad |= d->finding[i].health == VS_HEALTH_FAIL;
        if (!bad || (uint64_t)(now.tv_sec - start.tv_sec) >= wait_s) return;
        d->n = before.n;
        d->own_answers = before.own_answers;
        d->log_sizes = before.log_sizes;
        (void)nanosleep(&pause, NULL);
    }
}

static int run_doctor(const vs_args *args)
{
    vs_doctor d = {.federation_path = vs_args_text(args, "federation"),
                   .key_path = vs_args_text(args, "key"),
                   .data_dir = vs_args_text(args, "data"),
                   .timeout_ms = (uint32_t)vs_args_uint(args, "timeout") * 1000,
                   .min_free_bytes = vs_args_uint(args, "min-free") * 1000000};
    vs_doctor_program(&d);
    load(&d, args);
    vs_doctor_keys(&d);
    vs_doctor_tls(&d);
    vs_doctor_data(&d);
    ask_parties(&d, vs_args_uint(args, "wait"));
    int status = d.failed ? vs_out_error("out of memory")
                          : (vs_args_flag(args, "json") ? print_json : print_table)(&d);
    if (status == VS_EXIT_OK && count(&d, VS_HEALTH_FAIL) > 0) status = VS_EXIT_FAILED;
    free(d.finding);
    vs_keys_free(d.keys);
    vs_federation_free(d.fed);
    return status;
}

static const vs_opt options[] = {
    {.name = "federation",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The federation file."},
    {.name = "key",
     .arg = "FILE.key",
     .kind = VS_OPT_TEXT,
     .help = "Secret key file of this party: a daemon's, the admin's or a client's."},
    {.name = "data",
     .arg = "DIR",
     .kind = VS_OPT_TEXT,
     .help = "Data folder of this party's daemon."},
    {.name = "tls",
     .arg = "DIR",
     .kind = VS_OPT_TEXT,
     .help = "TLS folder, as the daemon gets it."},
    {.name = "timeout",
     .arg = "SECONDS",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = 60,
     .fallback = "3",
     .help = "Wait so long for each party."},
    {.name = "wait",
     .arg = "SECONDS",
     .kind = VS_OPT_UINT,
     .max = 3600,
     .fallback = "0",
     .help =
         "Ask the parties again for so long, until all is well with them: for scripts that have "
         "just started them."},
    {.name = "min-free",
     .arg = "MEGABYTES",
     .kind = VS_OPT_UINT,
     .max = 1000000000,
     .fallback = "1000",
     .help = "Disk space that must be free. A round needs, at each shareholder, about 8 bytes per "
             "packed element and client."},
    VS_OPT_JSON,
    {.name = NULL},
};

static const vs_positional none[] = {{.name = NULL}};

const vs_command vs_cmd_doctor = {
    .name = "doctor",
    .summary = "check a deployment and say what to do",
    .description =
        "Looks at this host (instruction set, limits, randomness, data folder, disk, durable "
        "writes), at the federation file, key and certificates, and asks every party's daemon for "
        "its status: is it reachable, is it who it should be, its version, its clock, its log.\n\n"
        "Changes nothing. Exit status 1 when something is wrong; warnings do not count.",
    .options = options,
    .positionals = none,
    .examples = "veilsum doctor --federation federation.json\n"
                "veilsum doctor --federation federation.json --key s1.key --data s1-data\n"
                "veilsum doctor --federation federation.json --wait 10",
    .run = run_doctor,
};
