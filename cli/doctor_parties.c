/* Checks of keys, certificates and of every party's daemon. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "cli/doctor.h"
#include "net/address.h"
#include "net/call.h"

enum {
    SKEW_WARN_MS = 5000,
    SKEW_FAIL_MS = 120000, /* control messages are refused beyond 300 s */
    CERT_WARN_DAYS = 30,
    DAY_S = 86400,
    AT_ONCE = 16, /* parties */
};

static uint64_t unix_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- keys ---------------------------------------------------------------------------------------
 */

/* c1.key -> c1.enrolment, as `federation enrol` names it. */
static void check_enrolment(vs_doctor *d)
{
    char path[4096];
    vs_h32 federation_id, client_key;
    uint8_t sig[64];
    vs_diag diag = {{0}};
    size_t len = strlen(d->key_path);
    if (len > 4 && strcmp(d->key_path + len - 4, ".key") == 0) len -= 4;
    int n = snprintf(path, sizeof path, "%.*s.enrolment", (int)len, d->key_path);
    if (n < 0 || (size_t)n >= sizeof path || !vs_file_exists(path)) {
        vs_doctor_say(d, "key", VS_HEALTH_FAIL,
                      "\"%s\" is no party of this federation, and has no enrolment|a client's key: "
                      "let the admin run veilsum federation enrol; a daemon's: is it the right "
                      "federation file?",
                      d->keys->pub.name);
        return;
    }
    vs_err err = vs_enrolment_load(path, &federation_id, &client_key, sig, &diag);
    if (err == VS_OK && !vs_h32_equal(&federation_id, &d->fed->id)) {
        err = vs_fail(&diag, VS_ERR_PROOF, "%s: admits to another federation file", path);
    }
    if (err == VS_OK && !vs_h32_equal(&client_key, &d->keys->pub.identity)) {
        err = vs_fail(&diag, VS_ERR_PROOF, "%s: admits another key", path);
    }
    if (err == VS_OK) {
        err = vs_enrolment_check(sig, &d->fed->id, &client_key, &d->fed->admin_key);
        if (err != VS_OK) (void)vs_fail(&diag, err, "%s: is not signed by the admin", path);
    }
    if (err == VS_OK) {
        vs_doctor_say(d, "key", VS_HEALTH_OK, "client \"%s\", enrolled|", d->keys->pub.name);
    } else {
        vs_doctor_say(d, "key", VS_HEALTH_FAIL, "%s|let the admin enrol this key again", diag.text);
    }
}

void vs_doctor_keys(vs_doctor *d)
{
    if (d->fed == NULL || d->keys == NULL) return;
    const vs_public_keys *pub = &d->keys->pub;
    d->index = vs_federation_shareholder(d->fed, &pub->identity);
    d->is_aggregator = vs_h32_equal(&pub->identity, &d->fed->aggregator.key);
    if (d->index != 0) {
        const vs_note_key *named = &d->fed->shareholder[d->index - 1].cosigner_key;
        bool same = vs_h32_equal(&named->public_key, &pub->cosigner.public_key);
        vs_doctor_say(d, "key", same ? VS_HEALTH_OK : VS_HEALTH_FAIL,
                      same ? "shareholder %" PRIu32 ", \"%s\"|"
                           : "shareholder %" PRIu32 ", \"%s\", but the file has another cosigner "
                             "key|make the federation file again from the right .pub file",
                      d->index, pub->name);
    } else if (d->is_aggregator) {
        vs_doctor_say(d, "key", VS_HEALTH_OK, "aggregator, \"%s\"|", pub->name);
    } else if (vs_h32_equal(&pub->identity, &d->fed->admin_key)) {
        vs_doctor_say(d, "key", VS_HEALTH_OK, "admin, \"%s\"|", pub->name);
    } else {
        check_enrolment(d);
    }
}

/* --- certificates -------------------------------------------------------------------------------
 */

static const char *own_address(const vs_doctor *d)
{
    if (d->is_aggregator) return d->fed->aggregator.address;
    return d->index == 0 ? NULL : d->fed->shareholder[d->index - 1].party.address;
}

static void check_dates(vs_doctor *d, const char *what, int64_t start, int64_t end)
{
    int64_t now = (int64_t)(unix_ms() / 1000);
    int64_t days = (end - now) / DAY_S;
    if (now < start) {
        vs_doctor_say(d, what, VS_HEALTH_FAIL, "is not valid yet|is this clock right?");
    } else if (now >= end) {
        vs_doctor_say(d, what, VS_HEALTH_FAIL,
                      "has expired|make a new one: veilsum tls new (docs/OPERATIONS.md)");
    } else {
        bool soon = days < CERT_WARN_DAYS;
        vs_doctor_say(d, what, soon ? VS_HEALTH_WARN : VS_HEALTH_OK,
                      soon ? "valid for %" PRId64 " days|renew it: veilsum tls new"
                           : "valid for %" PRId64 " days|",
                      days);
    }
}

/* tls+tcp://HOST:PORT; the host without brackets. */
static void host_of(char host[VS_TLS_HOST_MAX + 1], const char *address)
{
    const char *start = strstr(address, "://") + 3;
    const char *end = strrchr(start, ':');
    if (*start == '[') {
        start++;
        end--;
    }
    (void)snprintf(host, VS_TLS_HOST_MAX + 1, "%.*s", (int)(end - start), start);
}

void vs_doctor_tls(vs_doctor *d)
{
    vs_tls_dates dates;
    vs_diag diag = {{0}};
    bool needed = false;
    if (d->fed == NULL) return;
    const char *own = own_address(d);
    needed = vs_tls_is_address(d->fed->aggregator.address);
    for (uint32_t j = 0; j < d->fed->committee.n; j++) {
        needed |= vs_tls_is_address(d->fed->shareholder[j].party.address);
    }
    if (!needed) return;
    if (d->fed->tls == NULL) {
        vs_doctor_say(d, "TLS CA", VS_HEALTH_FAIL,
                      "no TLS folder|put the federation's ca.pem into a folder tls beside the "
                      "federation file, or name the folder by --tls");
        return;
    }
    if (vs_tls_read_dates(&dates, d->fed->tls, &diag) != VS_OK) {
        vs_doctor_say(d, "TLS CA", VS_HEALTH_FAIL, "%s|", diag.text);
        return;
    }
    check_dates(d, "TLS CA", dates.ca_start, dates.ca_end);
    if (d->fed->tls->host != NULL) {
        check_dates(d, "TLS certificate", dates.host_start, dates.host_end);
    }
    if (own == NULL || !vs_tls_is_address(own)) return;
    char host[VS_TLS_HOST_MAX + 1];
    host_of(host, own);
    if (d->fed->tls->host == NULL) {
        vs_doctor_say(d, "TLS certificate", VS_HEALTH_FAIL,
                      "no host.pem|veilsum tls new CA --host %s, and bring it here", host);
    } else if (!vs_tls_names_host(d->fed->tls, host)) {
        vs_doctor_say(d, "TLS name", VS_HEALTH_FAIL,
                      "host.pem does not name %s|veilsum tls new CA --host %s", host, host);
    } else {
        vs_doctor_say(d, "TLS name", VS_HEALTH_OK, "%s|", host);
    }
}

/* --- parties ------------------------------------------------------------------------------------
 */

typedef struct party {
    uint32_t index; /* 0: aggregator */
    const char *name, *address;
    char check[40];
    bool is_own;
    vsw_StatusReply status;
    uint64_t before_ms, after_ms;
    const vs_federation *fed;
    uint32_t timeout_ms;
    vs_err err;
    vs_diag diag;
    pthread_t thread;
    bool has_thread;
} party;

static void check_clock(vs_doctor *d, const party *p)
{
    if (p->status.unix_ms == 0) return; /* an older version that does not tell */
    int64_t middle = (int64_t)(p->before_ms + (p->after_ms - p->before_ms) / 2);
    int64_t skew = (int64_t)p->status.unix_ms - middle;
    int64_t off = skew < 0 ? -skew : skew;
    int64_t unsure = (int64_t)(p->after_ms - p->before_ms) / 2;
    off = off > unsure ? off - unsure : 0;
    if (off <= SKEW_WARN_MS) return;
    vs_doctor_say(d, p->check, off > SKEW_FAIL_MS ? VS_HEALTH_FAIL : VS_HEALTH_WARN,
                  "its clock is %.1f s %s ours|set both clocks: timedatectl set-ntp true",
                  (double)off / 1000.0, skew < 0 ? "behind" : "ahead of");
}

static void check_who(vs_doctor *d, const party *p)
{
    const vsw_StatusReply *s = &p->status;
    const char *want = p->index == 0 ? "aggregator" : "shareholder";
    if (strcmp(s->role, want) != 0 || s->index != p->index) {
        vs_doctor_say(d, p->check, VS_HEALTH_FAIL,
                      "%s %" PRIu32 " answers there|two addresses are mixed up, or a forwarder is",
                      s->role, s->index);
    }
    if (strcmp(s->version, VS_VERSION) != 0) {
        vs_doctor_say(d, p->check, VS_HEALTH_WARN,
                      "runs version %s, here is %s|upgrade the older one between rounds",
                      s->version, VS_VERSION);
    }
}

/* In a thread of its own: those that are down cost their time together. */
static void *ask_party(void *arg)
{
    party *p = arg;
    const vs_caller caller = {.fed = p->fed, .timeout_ms = p->timeout_ms};
    p->before_ms = unix_ms();
    p->err = vs_call_status(&caller, p->address, &p->status, &p->diag);
    p->after_ms = unix_ms();
    return NULL;
}

static void ask_all(party *all, uint32_t n)
{
    for (uint32_t first = 0; first < n; first += AT_ONCE) {
        uint32_t end = first + AT_ONCE < n ? first + AT_ONCE : n;
        for (uint32_t i = first; i < end; i++) {
            all[i].has_thread = pthread_create(&all[i].thread, NULL, ask_party, &all[i]) == 0;
            if (!all[i].has_thread) (void)ask_party(&all[i]);
        }
        for (uint32_t i = first; i < end; i++) {
            if (all[i].has_thread) (void)pthread_join(all[i].thread, NULL);
        }
    }
}

static void check_party(vs_doctor *d, party *p)
{
    if (p->index == 0) {
        (void)snprintf(p->check, sizeof p->check, "aggregator");
    } else {
        (void)snprintf(p->check, sizeof p->check, "shareholder %" PRIu32, p->index);
    }
    if (p->err != VS_OK && !vs_address_is_known(p->address)) {
        vs_doctor_say(d, p->check, VS_HEALTH_FAIL,
                      "%s: this host name is not known here|see DNS, or /etc/hosts", p->address);
        return;
    }
    if (p->err != VS_OK) {
        vs_doctor_say(d, p->check, VS_HEALTH_FAIL, "%s|%s", p->diag.text,
                      p->is_own ? "start the daemon here: systemctl start; see its log"
                                : "is it running there, and do the firewalls between let it "
                                  "through?");
        return;
    }
    if (p->is_own) d->own_answers = true;
    vs_doctor_say(d, p->check, VS_HEALTH_OK,
                  "%s answers in %" PRIu64 " ms: version %s, round %" PRIu64 ", %s, %" PRIu64
                  " log entries|",
                  p->address, p->after_ms - p->before_ms, p->status.version, p->status.round,
                  vs_phase_name(p->status.phase), p->status.log_size);
    check_who(d, p);
    check_clock(d, p);
}

/* The aggregator's log is the longest: else it is an old copy. */
static void check_logs(vs_doctor *d, const party *all, uint32_t n)
{
    for (uint32_t j = 1; j <= n; j++) {
        if (all[0].status.role[0] == '\0' || all[j].status.role[0] == '\0') continue;
        if (all[j].status.log_size > all[0].status.log_size) {
            vs_doctor_say(d, "ledger", VS_HEALTH_FAIL,
                          "shareholder %" PRIu32 " knows %" PRIu64
                          " entries, the aggregator has %" PRIu64
                          "|the aggregator's folder is an old copy: restore the newest "
                          "(docs/OPERATIONS.md)",
                          j, all[j].status.log_size, all[0].status.log_size);
        }
    }
}

/* The daemon that answers is the one that has this folder. */
static void check_own(vs_doctor *d)
{
    if (d->data_dir == NULL || (d->index == 0 && !d->is_aggregator)) return;
    if (d->own_answers && !d->holds_lock) {
        vs_doctor_say(d, "lock", VS_HEALTH_FAIL,
                      "the daemon that answers does not use %s|another folder, or another host: "
                      "two daemons of one party contradict each other",
                      d->data_dir);
    } else if (!d->own_answers && d->holds_lock) {
        vs_doctor_say(d, "lock", VS_HEALTH_WARN,
                      "a process uses %s but does not answer at its address|see its log; is "
                      "--listen or the forwarder right?",
                      d->data_dir);
    } else {
        vs_doctor_say(d, "lock", VS_HEALTH_OK, "%s|",
                      d->holds_lock ? "held by the running daemon" : "free");
    }
}

void vs_doctor_parties(vs_doctor *d)
{
    if (d->fed == NULL) return;
    uint32_t n = d->fed->committee.n;
    party *all = calloc(n + 1, sizeof *all);
    if (all == NULL) {
        d->failed = true;
        return;
    }
    for (uint32_t j = 0; j <= n; j++) {
        const vs_fed_party *named =
            j == 0 ? &d->fed->aggregator : &d->fed->shareholder[j - 1].party;
        all[j] = (party){.index = j, .name = named->name, .address = named->address};
        all[j].is_own = j == 0 ? d->is_aggregator : d->index == j;
        all[j].fed = d->fed;
        all[j].timeout_ms = d->timeout_ms;
    }
    ask_all(all, n + 1);
    for (uint32_t j = 0; j <= n; j++) check_party(d, &all[j]);
    check_logs(d, all, n);
    check_own(d);
    free(all);
}
