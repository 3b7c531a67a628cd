/* The audit of a published log: from a folder and over HTTP, with a policy of the auditor's own,
 * with what an earlier audit saw, with every file changed. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/export.h"
#include "ledger/log.h"
#include "net/audit.h"
#include "net/http.h"
#include "net/http_client.h"
#include "net/serve_log.h"
#include "tests/net/support_world.h"

static const vs_committee FOUR = {.n = 4, .t = 1, .k = 1, .margin = 1};

typedef struct scene {
    vs_world *w;
    char *dir;
    char public[300], state[300];
    vs_audit_in in;
    vs_buf rounds, problems;
    vs_audit_report report;
} scene;

static void on_round(void *ctx, const vs_audit_round *r)
{
    scene *s = ctx;
    vs_buf_printf(&s->rounds, "%llu: %s\n", (unsigned long long)r->round, r->detail);
}

static void on_problem(void *ctx, const char *text)
{
    scene *s = ctx;
    vs_buf_printf(&s->problems, "%s\n", text);
}

static void publish(scene *s, const char *folder, bool results)
{
    vs_export *e;
    vs_log *log;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_log_open_read(&log, s->w->folder, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(vs_export_open(&e, folder, log, &s->w->tf->fed->policy, results, true, &diag),
                 VS_OK, "%s", diag.text);
    cr_assert_eq(vs_export_update(e, &diag), VS_OK, "%s", diag.text);
    vs_export_free(e);
    vs_log_close(log);
}

/* A finished round; the aggregator has stopped. */
static scene scene_new(uint64_t seed, bool results)
{
    vs_world_config config = {.committee = FOUR,
                              .n_clients = 3,
                              .min_clients = 2,
                              .max_clients = 8,
                              .dim = 20,
                              .seed = seed};
    scene s = {.w = vs_world_new(&config), .dir = vs_test_folder_new()};
    cr_assert_eq(vs_world_open(s.w, 1, 3), vsw_Code_OK);
    cr_assert(vs_world_run_to(s.w, vsw_Phase_COLLECT, 10000));
    for (uint32_t i = 0; i < 3; i++) vs_world_submit(s.w, i);
    cr_assert(vs_world_run_to(s.w, vsw_Phase_FINAL, 60000));
    vs_world_run_for(s.w, 2000);
    vs_aggregator_free(s.w->ag);
    vs_log_close(s.w->log);
    s.w->ag = NULL;
    s.w->log = NULL;
    (void)snprintf(s.public, sizeof s.public, "%s/public", s.dir);
    (void)snprintf(s.state, sizeof s.state, "%s/state/seen", s.dir);
    publish(&s, s.public, results);
    return s;
}

static void scene_free(scene *s)
{
    vs_world_free(s->w);
    vs_buf_free(&s->rounds);
    vs_buf_free(&s->problems);
    vs_test_folder_remove(s->dir);
}

static vs_err try_audit(scene *s, const vs_fetch *fetch, vs_diag *diag)
{
    s->rounds.len = s->problems.len = 0;
    s->in.on_round = on_round;
    s->in.on_problem = on_problem;
    s->in.ctx = s;
    vs_err err = vs_audit_published(&s->report, fetch, &s->in, diag);
    vs_buf_u8(&s->rounds, 0);
    vs_buf_u8(&s->problems, 0);
    return err;
}

static const char *audit(scene *s)
{
    vs_diag diag = {{0}};
    vs_fetch fetch = vs_fetch_folder(s->public);
    cr_assert_eq(try_audit(s, &fetch, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(s->report.ok, s->report.n_problems == 0);
    return (const char *)s->problems.p;
}

static void expect_in(const char *text, const char *what)
{
    cr_expect_not_null(strstr(text, what), "no \"%s\" in \"%s\"", what, text);
}

/* --- whole -------------------------------------------------------------------------------------
 */

Test(audit_published, a_folder_proves_all_that_the_ledger_proves)
{
    scene s = scene_new(1, true);
    for (int own = 0; own < 2; own++) {
        s.in.fed = own ? NULL : s.w->tf->fed;
        cr_expect_str_eq(audit(&s), "");
        cr_expect_eq(s.report.n_rounds, 1);
        cr_expect_eq(s.report.cosigned_size, s.report.size);
        cr_expect_geq(s.report.cosignatures, 3);
        cr_expect_eq(s.report.n_not_recomputed, 0);
        expect_in((const char *)s.rounds.p, "1: 3 of 3 clients, 4 answers, certain\n");
    }
    scene_free(&s);
}

Test(audit_published, private_results_are_counted_as_not_recomputed)
{
    scene s = scene_new(2, false);
    s.in.fed = s.w->tf->fed;
    cr_assert_not(s.in.fed->public_results);
    cr_expect_str_eq(audit(&s), "");
    cr_expect_eq(s.report.n_not_recomputed, 1);
    expect_in((const char *)s.rounds.p, "not recomputed: its sum shares are not public");
    scene_free(&s);
}

Test(audit_published, over_http_from_our_own_server)
{
    char url[64];
    vs_diag diag = {{0}};
    vs_http *http;
    vs_http_client *client;
    scene s = scene_new(3, true);
    s.in.fed = s.w->tf->fed;
    cr_assert_eq(vs_http_new(&http, "http://127.0.0.1:0", &diag), VS_OK, "%s", diag.text);
    vs_serve_log_add(http, s.public);
    vs_http_start(http, NULL, NULL);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)vs_http_port(http));
    cr_assert_eq(vs_http_client_new(&client, url, 10000, &diag), VS_OK, "%s", diag.text);
    vs_fetch fetch = vs_fetch_http(client);
    cr_assert_eq(try_audit(&s, &fetch, &diag), VS_OK, "%s", diag.text);
    cr_expect_str_eq((const char *)s.problems.p, "");
    cr_expect(s.report.ok && s.report.n_not_recomputed == 0);
    vs_http_free(http);
    cr_expect_eq(try_audit(&s, &fetch, &diag), VS_ERR_IO, "the server is gone");
    expect_in(diag.text, "/checkpoint.cosigned: cannot connect");
    vs_http_client_free(client);
    scene_free(&s);
}

/* --- policy ------------------------------------------------------------------------------------
 */

Test(audit_published, a_policy_of_the_auditors_own_is_asked)
{
    scene s = scene_new(4, true);
    vs_tlog_policy *policy = calloc(1, sizeof *policy);
    cr_assert_not_null(policy);
    vs_tlog_policy_of(policy, &s.w->tf->fed->policy);
    s.in.policy = policy;
    cr_expect_str_eq(audit(&s), "");
    vs_h32 other = {{7}};
    vs_note_key log = policy->log[0].key;
    cr_assert_eq(vs_note_key_make(&policy->log[0].key, log.name, VS_NOTE_ED25519, &other, NULL),
                 VS_OK);
    expect_in(audit(&s), "checkpoint");
    policy->log[0].key = log;
    /* a witness that never signs must be among them */
    cr_assert_eq(
        vs_note_key_make(&policy->witness[4].key, "absent", VS_NOTE_COSIGNATURE, &other, NULL),
        VS_OK);
    policy->n_witnesses = 5;
    policy->group[0].member[4] = true;
    policy->group[0].k = 5;
    cr_expect_str_eq(audit(&s), "");
    cr_expect_eq(s.report.not_final, 1, "its cosignatures may be on their way");
    cr_expect_eq(s.report.cosigned_size, 0);
    free(policy);
    scene_free(&s);
}

/* --- what an earlier audit saw ------------------------------------------------------------------
 */

Test(audit_published, remembers_and_detects_a_rollback)
{
    char old[320];
    scene s = scene_new(5, true);
    s.in.fed = s.w->tf->fed;
    s.in.state = s.state;
    cr_expect_str_eq(audit(&s), "");
    cr_expect_not(s.report.remembered);
    cr_expect_str_eq(audit(&s), "");
    cr_expect(s.report.remembered && s.report.earlier_size == s.report.size);
    /* an older state of the same log */
    vs_log *log;
    vs_export *e;
    uint64_t first;
    vs_buf entry = {0};
    (void)snprintf(old, sizeof old, "%s/old", s.dir);
    cr_assert_eq(vs_log_create(&log, old, s.in.fed->origin, &s.in.fed->log_key,
                               s.w->tf->aggregator->log_seed, NULL),
                 VS_OK);
    vs_log *whole;
    cr_assert_eq(vs_log_open_read(&whole, s.w->folder, NULL), VS_OK);
    cr_assert_eq(vs_log_entry(whole, 0, &entry, NULL), VS_OK);
    vs_h32 name;
    cr_assert_eq(vs_log_blob_put(log, s.in.fed->file.p, s.in.fed->file.len, &name, NULL), VS_OK);
    vs_bytes one = {entry.p, entry.len};
    cr_assert_eq(vs_log_append(log, &one, 1, &first, NULL, NULL), VS_OK);
    (void)snprintf(s.public, sizeof s.public, "%s/rolled-back", s.dir);
    cr_assert_eq(vs_export_open(&e, s.public, log, &s.in.fed->policy, true, false, NULL), VS_OK);
    cr_assert_eq(vs_export_update(e, NULL), VS_OK);
    expect_in(audit(&s), "the log was rolled back: an earlier audit saw");
    (void)snprintf(old, sizeof old, "%s.fork", s.state);
    cr_expect(vs_file_exists(old), "the contradiction is kept");
    /* and one that goes on differently, to more entries */
    vs_buf padding = {0};
    for (uint64_t i = 1; i < vs_log_size(whole) + 2; i++) {
        vs_bytes other = {(const uint8_t *)"x", 1};
        cr_assert_eq(vs_log_append(log, &other, 1, &first, NULL, NULL), VS_OK);
    }
    cr_assert_eq(vs_export_update(e, NULL), VS_OK);
    expect_in(audit(&s), "the log has forked: an earlier audit saw another tree of");
    vs_buf_free(&padding);
    vs_buf_free(&entry);
    vs_export_free(e);
    vs_log_close(log);
    vs_log_close(whole);
    scene_free(&s);
}

Test(audit_published, a_state_file_of_something_else_stops_the_audit)
{
    vs_diag diag = {{0}};
    scene s = scene_new(6, true);
    vs_fetch fetch = vs_fetch_folder(s.public);
    s.in.state = s.state;
    cr_assert_str_eq(audit(&s), "");
    cr_assert_eq(vs_file_write_durable(s.state, "nonsense", 8, 0600, NULL), VS_OK);
    cr_expect_eq(try_audit(&s, &fetch, &diag), VS_ERR_STATE);
    expect_in(diag.text, "not a checkpoint of this log");
    scene_free(&s);
}

/* One file per log key in the user's folder: copies of a log are compared with each other. */
Test(audit_published, copies_share_what_was_seen)
{
    scene s = scene_new(7, true);
    s.in.state_folder = s.state;
    cr_expect_str_eq(audit(&s), "");
    (void)snprintf(s.public, sizeof s.public, "%s/copy", s.dir);
    publish(&s, s.public, true);
    cr_expect_str_eq(audit(&s), "");
    cr_expect(s.report.remembered);
    scene_free(&s);
}

/* --- changed files ------------------------------------------------------------------------------
 */

/* Every file, one byte of it changed in turn at some places: never ok. */
static void change_all(scene *s, const char *name, uint32_t *n)
{
    char path[600];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s%s%s", s->public, name[0] ? "/" : "", name);
    cr_assert_eq(stat(path, &st), 0);
    if (S_ISDIR(st.st_mode)) {
        const struct dirent *e;
        DIR *d = opendir(path);
        while ((e = readdir(d)) != NULL) {
            char inner[300];
            if (e->d_name[0] == '.') continue;
            (void)snprintf(inner, sizeof inner, "%s%s%s", name, name[0] ? "/" : "", e->d_name);
            change_all(s, inner, n);
        }
        (void)closedir(d);
        return;
    }
    /* convenience, not trust; the entries and blobs beside them are what counts */
    if (strcmp(name, VS_EXPORT_POLICY) == 0 || strcmp(name, VS_EXPORT_FEDERATION) == 0) return;
    vs_buf b = {0};
    cr_assert_eq(vs_file_read(&b, path, 1 << 24, NULL), VS_OK);
    for (size_t at = 0; at < b.len; at += b.len / 3 + 1, (*n)++) {
        vs_diag diag = {{0}};
        vs_fetch fetch = vs_fetch_folder(s->public);
        b.p[at] ^= 4;
        cr_assert_eq(vs_file_write_durable(path, b.p, b.len, 0644, NULL), VS_OK);
        vs_err err = try_audit(s, &fetch, &diag);
        bool rest =
            strcmp(name, VS_EXPORT_CHECKPOINT) == 0 && at > 120; /* of unknown keys, maybe */
        cr_expect(rest || err != VS_OK || !s->report.ok, "%s: byte %zu", name, at);
        b.p[at] ^= 4;
    }
    cr_assert_eq(vs_file_write_durable(path, b.p, b.len, 0644, NULL), VS_OK);
    vs_buf_free(&b);
}

Test(audit_published, no_changed_file_passes)
{
    uint32_t n = 0;
    scene s = scene_new(8, true);
    s.in.fed = s.w->tf->fed;
    cr_assert_str_eq(audit(&s), "");
    change_all(&s, "", &n);
    cr_expect_gt(n, 30);
    cr_expect_str_eq(audit(&s), "");
    scene_free(&s);
}

Test(audit_published, missing_files_are_named)
{
    char path[600];
    vs_diag diag = {{0}};
    scene s = scene_new(9, true);
    vs_fetch fetch = vs_fetch_folder(s.public);
    s.in.fed = s.w->tf->fed;
    (void)audit(&s);
    (void)snprintf(path, sizeof path, "%s/tile/entries/000.p/%llu", s.public,
                   (unsigned long long)s.report.size);
    cr_assert_eq(unlink(path), 0);
    expect_in(audit(&s), "entry 0: ");
    (void)snprintf(path, sizeof path, "%s/checkpoint", s.public);
    cr_assert_eq(unlink(path), 0);
    cr_expect_eq(try_audit(&s, &fetch, &diag), VS_ERR_STATE);
    expect_in(diag.text, "checkpoint: is not there");
    scene_free(&s);
}
