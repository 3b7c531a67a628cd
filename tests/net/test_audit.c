/* The audit of a real ledger: whole, then with each input of each check changed once. */
#include "net/audit.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/db.h"
#include "ledger/dsse.h"
#include "tests/net/support_world.h"

static const vs_committee FOUR = {.n = 4, .t = 1, .k = 1, .margin = 1};

typedef struct findings {
    vs_buf rounds, problems;
} findings;

static void on_round(void *ctx, const vs_audit_round *r)
{
    findings *f = ctx;
    vs_buf_printf(&f->rounds, "%llu: %s\n", (unsigned long long)r->round, r->detail);
}

static void on_problem(void *ctx, const char *text)
{
    findings *f = ctx;
    vs_buf_printf(&f->problems, "%s\n", text);
}

static vs_audit_report audit(const char *dir, const vs_federation *fed, findings *f)
{
    vs_audit_report r;
    vs_diag diag = {{0}};
    *f = (findings){0};
    vs_err err = vs_audit_dir(&r, dir, fed, on_round, on_problem, f, &diag);
    cr_assert_eq(err, VS_OK, "%s", diag.text);
    vs_buf_u8(&f->rounds, 0);
    vs_buf_u8(&f->problems, 0);
    return r;
}

static void findings_free(findings *f)
{
    vs_buf_free(&f->rounds);
    vs_buf_free(&f->problems);
}

/* A ledger of two rounds: a result, and an abort. The aggregator has stopped: w->folder is whole.
 */
static vs_world *ledger_of_two_rounds(uint64_t seed)
{
    vs_world_config config = {.committee = FOUR,
                              .n_clients = 3,
                              .min_clients = 2,
                              .max_clients = 8,
                              .dim = 20,
                              .seed = seed};
    vs_world *w = vs_world_new(&config);
    cr_assert_eq(vs_world_open(w, 1, 3), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    for (uint32_t i = 0; i < 3; i++) vs_world_submit(w, i);
    cr_assert(vs_world_run_to(w, vsw_Phase_FINAL, 60000));
    cr_assert_eq(vs_world_open(w, 2, 0), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_COLLECT, 10000));
    cr_assert_eq(vs_world_end(w, VS_OPERATION_CANCEL, 2), vsw_Code_OK);
    cr_assert(vs_world_run_to(w, vsw_Phase_ABORTED, 60000));
    vs_world_run_for(w, 2000); /* the abort gets its cosignatures */
    vs_aggregator_free(w->ag);
    vs_log_close(w->log);
    w->ag = NULL;
    w->log = NULL;
    return w;
}

Test(audit, accepts_a_whole_ledger_and_tells_its_rounds)
{
    vs_world *w = ledger_of_two_rounds(1);
    findings f;
    for (int own = 0; own < 2; own++) {
        vs_audit_report r = audit(w->folder, own ? NULL : w->tf->fed, &f);
        cr_expect(r.ok, "%s", (char *)f.problems.p);
        cr_expect(r.n_rounds == 2 && r.n_aborted == 1);
        cr_expect_eq(r.cosigned_size, r.size);
        cr_expect_geq(r.cosignatures, 3);
        cr_expect_not_null(strstr((char *)f.rounds.p, "1: 3 of 3 clients, 4 answers, certain"));
        cr_expect_not_null(strstr((char *)f.rounds.p, "2: aborted, cancelled"));
        findings_free(&f);
    }
    vs_world_free(w);
}

Test(audit, refuses_another_federation)
{
    vs_world *w = ledger_of_two_rounds(2);
    vs_test_fed *other = vs_test_federation_of(4, 1, 1, 8, 2);
    findings f;
    vs_audit_report r = audit(w->folder, other->fed, &f);
    cr_expect_not(r.ok);
    cr_expect_not_null(strstr((char *)f.problems.p, "entry 0: federation"), "%s",
                       (char *)f.problems.p);
    findings_free(&f);
    vs_test_federation_free(other);
    vs_world_free(w);
}

/* --- damage at rest --------------------------------------------------------------------------- */

static void sql(const vs_world *w, const char *text)
{
    char path[300];
    vs_db *db = NULL;
    vs_stmt *s = NULL;
    bool row = false;
    vs_diag diag = {{0}};
    (void)snprintf(path, sizeof path, "%s/ledger.db", w->folder);
    cr_assert_eq(vs_db_open(&db, path, false, false, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(vs_db_begin(db, &diag), VS_OK);
    cr_assert_eq(vs_stmt_new(&s, db, text, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(vs_stmt_step(s, &row, &diag), VS_OK, "%s: %s", text, diag.text);
    vs_stmt_free(s);
    cr_assert_eq(vs_db_commit(db, &diag), VS_OK, "%s", diag.text);
    vs_db_close(db);
}

/* Changes the last byte of a blob column in the row that the condition names. */
#define FLIP(column)                                                                               \
    column " = CAST(substr(" column ", 1, length(" column ") - 1) || "                             \
           "CASE substr(" column ", -1) WHEN X'41' THEN X'42' ELSE X'41' END AS BLOB)"

Test(audit, names_what_was_changed_in_the_database)
{
    const struct {
        const char *sql, *named;
    } row[] = {
        {"UPDATE entries SET " FLIP("data") " WHERE idx = 1", "entry 1"},
        {"UPDATE entries SET data = (SELECT data FROM entries WHERE idx = 4) WHERE idx = 3",
         "entry 4: a second answer"},
        {"UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 1) "
         "WHERE size = 2",
         "checkpoint 2"},
        {"UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 2) "
         "WHERE size = (SELECT max(size) FROM checkpoints)",
         "checkpoint"},
        {"UPDATE cosignatures SET sig = (SELECT min(sig) FROM cosignatures)",
         "no checkpoint with 3 cosignatures covers its end"},
        {"DELETE FROM cosignatures", "no checkpoint with 3 cosignatures covers its end"},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        vs_world *w = ledger_of_two_rounds(3);
        findings f;
        sql(w, row[i].sql);
        vs_audit_report r = audit(w->folder, w->tf->fed, &f);
        cr_expect_not(r.ok, "%s", row[i].sql);
        cr_expect_geq(r.n_problems, 1);
        cr_expect_not_null(strstr((char *)f.problems.p, row[i].named), "%s: %s", row[i].sql,
                           (char *)f.problems.p);
        findings_free(&f);
        vs_world_free(w);
    }
}

/* Every blob of the ledger: one bit changed, then gone. */
Test(audit, notices_every_changed_or_missing_blob)
{
    vs_world *w = ledger_of_two_rounds(4);
    char folder[300];
    uint32_t n = 0;
    (void)snprintf(folder, sizeof folder, "%s/blobs", w->folder);
    DIR *dir = opendir(folder);
    cr_assert_not_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[600];
        vs_buf bytes = {0};
        findings f;
        if (strlen(e->d_name) != 64) continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        cr_assert_eq(vs_file_read(&bytes, path, 1 << 20, NULL), VS_OK);
        vs_buf_u8(&bytes, 0); /* the empty blob of rejected records must change too */
        bytes.p[0] ^= 1;
        cr_assert_eq(vs_file_write_durable(path, bytes.p, bytes.len - (bytes.len > 1), 0600, NULL),
                     VS_OK);
        vs_audit_report r = audit(w->folder, w->tf->fed, &f);
        cr_expect_not(r.ok, "%s changed", e->d_name);
        cr_expect_not_null(strstr((char *)f.problems.p, e->d_name), "%s", (char *)f.problems.p);
        findings_free(&f);
        cr_assert_eq(vs_file_remove(path, NULL), VS_OK);
        r = audit(w->folder, w->tf->fed, &f);
        cr_expect_not(r.ok, "%s missing", e->d_name);
        cr_expect_not_null(strstr((char *)f.problems.p, "not here"), "%s", (char *)f.problems.p);
        findings_free(&f);
        bytes.p[0] ^= 1;
        cr_assert_eq(vs_file_write_durable(path, bytes.p, bytes.len - 1, 0600, NULL), VS_OK);
        r = audit(w->folder, w->tf->fed, &f);
        cr_expect(r.ok, "%s back", e->d_name);
        findings_free(&f);
        vs_buf_free(&bytes);
        n++;
    }
    (void)closedir(dir);
    cr_expect_geq(n, 8, "federation, records, rejected, 4 sum shares, sums: %u", n);
    vs_world_free(w);
}

/* --- an operator that lies, with all of its keys ---------------------------------------------- */

typedef void (*change_entry)(vs_entry *e);

static void change_vote(vs_entry *e)
{
    e->u.set.votes[1].sig[0] ^= 1;
}
static void drop_votes(vs_entry *e)
{
    e->u.set.n_votes = 2;
}
static void change_records(vs_entry *e)
{
    e->u.set.records.b[0] ^= 1;
}
static void change_count(vs_entry *e)
{
    e->u.set.count--;
}
static void change_sum(vs_entry *e)
{
    e->u.result.sum_hash.b[0] ^= 1;
}
static void change_weight(vs_entry *e)
{
    e->u.result.weight_sum++;
}
static void claim_wrong(vs_entry *e)
{
    e->u.result.wrong[e->u.result.n_wrong++] = 2;
}
static void change_margin(vs_entry *e)
{
    e->u.result.margin++;
}
static void change_prev(vs_entry *e)
{
    e->prev.b[0] ^= 1;
}
static void change_round(vs_entry *e)
{
    e->round++;
}
static void claim_closed(vs_entry *e)
{
    e->u.abort.closed = !e->u.abort.closed;
}

/* The entry changed and signed again. */
static void change(vs_buf *envelope, const vs_world *w, change_entry how)
{
    vs_dsse dsse = {0};
    vs_buf payload = {0};
    vs_entry *e = calloc(1, sizeof *e);
    cr_assert_not_null(e);
    cr_assert_eq(vs_dsse_parse(&dsse, envelope->p, envelope->len, NULL), VS_OK);
    cr_assert_eq(vs_entry_decode(e, dsse.kind, dsse.payload.p, dsse.payload.len, NULL), VS_OK);
    how(e);
    cr_assert_eq(vs_entry_encode(&payload, e, NULL), VS_OK);
    vs_buf_reset(envelope);
    cr_assert_eq(vs_dsse_sign(envelope, dsse.kind, payload.p, payload.len,
                              w->tf->aggregator->identity_seed, NULL),
                 VS_OK);
    vs_buf_free(&payload);
    vs_dsse_free(&dsse);
    free(e);
}

/* All shareholders cosign the newest checkpoint of this log. */
static void cosign_all(const vs_world *w, vs_log *log)
{
    vs_checkpoint c = {.size = vs_log_size(log)};
    vs_buf text = {0};
    (void)snprintf(c.origin, sizeof c.origin, "%s", w->tf->fed->origin);
    vs_log_root(log, &c.root);
    cr_assert_eq(vs_checkpoint_format(&text, &c), VS_OK);
    for (uint32_t j = 1; j <= 4; j++) {
        uint8_t sig[VS_COSIGNATURE_BYTES];
        vs_diag diag = {{0}};
        vs_cosign(sig, (const char *)text.p, text.len, w->now_ms / 1000,
                  w->tf->shareholder[j - 1]->cosigner_seed);
        cr_assert_eq(vs_log_add_cosignature(
                         log, c.size, &w->tf->fed->shareholder[j - 1].cosigner_key, sig, &diag),
                     VS_OK, "%s", diag.text);
    }
    vs_buf_free(&text);
}

/* A copy of the ledger in which entries of a kind are changed: new tree, new checkpoints. Blobs
 * come from the old folder. */
static char *forge(const vs_world *w, const char *kind, change_entry how)
{
    char *dir = vs_test_folder_new();
    char old_blobs[300], new_blobs[300];
    vs_log *from = NULL;
    vs_log *to = NULL;
    vs_diag diag = {{0}};
    cr_assert_eq(vs_log_open_read(&from, w->folder, &diag), VS_OK, "%s", diag.text);
    cr_assert_eq(vs_log_create(&to, dir, w->tf->fed->origin, &w->tf->fed->log_key,
                               w->tf->aggregator->log_seed, &diag),
                 VS_OK, "%s", diag.text);
    for (uint64_t i = 0; i < vs_log_size(from); i++) {
        vs_buf envelope = {0};
        vs_dsse dsse = {0};
        uint64_t first = 0;
        cr_assert_eq(vs_log_entry(from, i, &envelope, &diag), VS_OK);
        cr_assert_eq(vs_dsse_parse(&dsse, envelope.p, envelope.len, NULL), VS_OK);
        if (how != NULL && strcmp(dsse.kind, kind) == 0) change(&envelope, w, how);
        vs_bytes bytes = {envelope.p, envelope.len};
        cr_assert_eq(vs_log_append(to, &bytes, 1, &first, NULL, &diag), VS_OK, "%s", diag.text);
        vs_dsse_free(&dsse);
        vs_buf_free(&envelope);
    }
    cosign_all(w, to);
    vs_log_close(to);
    vs_log_close(from);
    (void)snprintf(old_blobs, sizeof old_blobs, "%s/blobs", w->folder);
    (void)snprintf(new_blobs, sizeof new_blobs, "%s/blobs", dir);
    (void)remove(new_blobs); /* empty */
    cr_assert_eq(symlink(old_blobs, new_blobs), 0);
    return dir;
}

Test(audit, names_the_rule_that_a_lying_operator_breaks)
{
    const struct {
        const char *kind;
        change_entry how;
        const char *named;
    } row[] = {{"set", change_vote, "vote fails"},
               {"set", drop_votes, "set has 2 votes, 3 are needed"},
               {"set", change_records, "set: "},
               {"set", change_count, "set: "},
               {"result", change_sum, "sum_hash"},
               {"result", change_weight, "weight_sum"},
               {"result", claim_wrong, "wrong"},
               {"result", change_margin, "margin"},
               {"open", change_round, "open of round 2, the next one is 1"},
               {"result", change_prev, "prev"},
               {"abort", claim_closed, "closed is"}};
    vs_world *w = ledger_of_two_rounds(5);
    findings f;
    char *same = forge(w, "", NULL);
    vs_audit_report r = audit(same, w->tf->fed, &f);
    cr_expect(r.ok, "the forger's tools alone change nothing: %s", (char *)f.problems.p);
    findings_free(&f);
    vs_test_folder_remove(same);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char *dir = forge(w, row[i].kind, row[i].how);
        r = audit(dir, w->tf->fed, &f);
        cr_expect_not(r.ok, "row %zu", i);
        cr_expect_not_null(strstr((char *)f.problems.p, row[i].named), "row %zu: %s", i,
                           (char *)f.problems.p);
        findings_free(&f);
        vs_test_folder_remove(dir);
    }
    vs_world_free(w);
}

Test(audit, says_why_it_cannot_run)
{
    vs_audit_report r;
    vs_diag diag = {{0}};
    char *dir = vs_test_folder_new();
    cr_expect_neq(vs_audit_dir(&r, dir, NULL, NULL, NULL, NULL, &diag), VS_OK);
    cr_expect_neq(diag.text[0], '\0');
    cr_expect_not(r.ok);
    vs_test_folder_remove(dir);
}
