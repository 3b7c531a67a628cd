/* The program that tests/ledger/crash/crash.py kills, starves and cuts the power of.
 *
 *   victim run DIR           append and export what the fixed plan says next, then close
 *   victim check DIR A P     fsck of both, at least A entries in the log and P published, all of
 *                            them the plan's; the log opens for writing and the export goes on
 *
 * The plan: entry i is a text of i; every fifth append carries a blob that a `set` entry names.
 * stdout: "acked N" after the commit, "published N" after the export, unbuffered.
 *
 * fsync and fdatasync are ours: with VS_SHADOW=FOLDER each call also writes down what has become
 * durable (content of a file by inode, entries of a folder); with VS_CUT_AT=K the K-th call is the
 * last thing that happens. crash.py puts the disk together from it that a power cut would leave. */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "ledger/export.h"
#include "ledger/fsck.h"
#include "ledger/log.h"

long syscall(long number, ...); /* not in POSIX's unistd.h */

#define ORIGIN "example.org/crash"
enum { PATH_BYTES = 2000, APPENDS = 2, BATCH = 2 };

/* --- what is durable ---------------------------------------------------------------------------
 */

static void shadow_file(const char *shadow, int fd, const struct stat *st)
{
    char name[PATH_BYTES], from[64], block[65536];
    ssize_t n;
    (void)snprintf(name, sizeof name, "%s/file.%llu", shadow, (unsigned long long)st->st_ino);
    (void)snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(name, "wb");
    if (in == NULL || out == NULL) abort();
    while ((n = (ssize_t)fread(block, 1, sizeof block, in)) > 0) {
        if (fwrite(block, 1, (size_t)n, out) != (size_t)n) abort();
    }
    (void)fclose(in);
    if (fclose(out) != 0) abort();
}

static void shadow_folder(const char *shadow, int fd, const struct stat *st)
{
    char name[PATH_BYTES], from[64];
    const struct dirent *e;
    (void)snprintf(name, sizeof name, "%s/folder.%llu", shadow, (unsigned long long)st->st_ino);
    (void)snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    DIR *d = opendir(from);
    FILE *out = fopen(name, "wb");
    if (d == NULL || out == NULL) abort();
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        (void)fprintf(out, "%llu %s\n", (unsigned long long)e->d_ino, e->d_name);
    }
    (void)closedir(d);
    if (fclose(out) != 0) abort();
}

static int sync_and_tell(long number, int fd)
{
    static unsigned long calls;
    const char *shadow = getenv("VS_SHADOW");
    const char *cut = getenv("VS_CUT_AT");
    struct stat st;
    int rv = (int)syscall(number, fd);
    calls++;
    if (rv == 0 && shadow != NULL && fstat(fd, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            shadow_folder(shadow, fd, &st);
        else
            shadow_file(shadow, fd, &st);
    }
    if (cut != NULL && calls == strtoul(cut, NULL, 10)) _exit(99);
    return rv;
}

int fsync(int fd)
{
    return sync_and_tell(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_and_tell(SYS_fdatasync, fd);
}

/* --- the plan ----------------------------------------------------------------------------------
 */

typedef struct victim {
    char ledger[PATH_BYTES], public[PATH_BYTES];
    uint8_t seed[32];
    vs_note_key key;
    vs_log *log;
    vs_export *e;
} victim;

static void must(vs_err err, const vs_diag *diag)
{
    if (err == VS_OK) return;
    (void)fprintf(stderr, "victim: %s: %s\n", vs_err_name(err), diag->text);
    exit(1);
}

/* Entry i of the plan; every fifth names a blob, which is put into the log when log is given. */
static void make_entry(const victim *v, vs_log *log, uint64_t i, vs_buf *out)
{
    vs_diag diag = {{0}};
    vs_buf payload = {0};
    vs_entry *e = calloc(1, sizeof *e);
    vs_h32 name;
    char blob[40];
    if (e == NULL) exit(1);
    if (i % 5 != 0) {
        vs_buf_printf(out, "entry %" PRIu64, i);
        free(e);
        return;
    }
    int len = snprintf(blob, sizeof blob, "records of %" PRIu64, i);
    vs_sha256(&name, blob, (size_t)len);
    if (log != NULL) must(vs_log_blob_put(log, blob, (size_t)len, &name, &diag), &diag);
    e->kind = VS_ENTRY_SET;
    (void)snprintf(e->origin, sizeof e->origin, ORIGIN);
    e->round = i + 1;
    e->u.set.count = 2;
    e->u.set.records_blob = e->u.set.rejected_blob = name;
    e->u.set.n_votes = 1;
    e->u.set.votes[0].index = 1;
    must(vs_entry_encode(&payload, e, &diag), &diag);
    must(vs_dsse_sign(out, "set", payload.p, payload.len, v->seed, &diag), &diag);
    vs_buf_free(&payload);
    free(e);
}

static void append(victim *v)
{
    vs_diag diag = {{0}};
    vs_buf entry[BATCH] = {0};
    vs_bytes bytes[BATCH];
    uint64_t first;
    for (uint64_t i = 0; i < BATCH; i++) {
        make_entry(v, v->log, vs_log_size(v->log) + i, &entry[i]);
        bytes[i] = (vs_bytes){entry[i].p, entry[i].len};
    }
    must(vs_log_append(v->log, bytes, BATCH, &first, NULL, &diag), &diag);
    (void)printf("acked %" PRIu64 "\n", vs_log_size(v->log));
    for (uint64_t i = 0; i < BATCH; i++) vs_buf_free(&entry[i]);
}

static void open_all(victim *v)
{
    vs_diag diag = {{0}};
    vs_policy policy = {.log_key = v->key};
    must(vs_log_open_or_create(&v->log, v->ledger, ORIGIN, &v->key, v->seed, &diag), &diag);
    must(vs_export_open(&v->e, v->public, v->log, &policy, false, false, &diag), &diag);
}

static void publish(victim *v)
{
    vs_diag diag = {{0}};
    must(vs_export_update(v->e, &diag), &diag);
    (void)printf("published %" PRIu64 "\n", vs_log_size(v->log));
}

static void close_all(victim *v)
{
    vs_export_free(v->e);
    vs_log_close(v->log);
}

/* --- check -------------------------------------------------------------------------------------
 */

static void problem(void *ctx, const char *text)
{
    (void)fprintf(stderr, "%s: %s\n", (const char *)ctx, text);
}

static void fsck(const victim *v, uint64_t acked, uint64_t published)
{
    vs_diag diag = {{0}};
    vs_fsck_report r = {0};
    char ledger[] = "ledger";
    char public[] = "public";
    char db[PATH_BYTES + 16], checkpoint[PATH_BYTES + 16];
    (void)snprintf(db, sizeof db, "%s/ledger.db", v->ledger);
    (void)snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", v->public);
    if (acked > 0 || published > 0) {
        must(vs_fsck(v->ledger, &v->key, problem, ledger, &r, &diag), &diag);
        if (r.n_problems > 0 || r.n_entries < acked) {
            (void)fprintf(stderr, "ledger: %u problems, %" PRIu64 " entries of %" PRIu64 "\n",
                          r.n_problems, r.n_entries, acked);
            exit(1);
        }
    }
    uint64_t entries = r.n_entries;
    if (!vs_file_exists(checkpoint) && published == 0) return;
    must(vs_fsck_folder(v->public, &v->key, problem, public, &r, &diag), &diag);
    if (r.n_problems > 0 || r.n_entries < published || (acked > 0 && r.n_entries > entries)) {
        (void)fprintf(stderr, "public: %u problems, %" PRIu64 " entries, %" PRIu64 " published\n",
                      r.n_problems, r.n_entries, published);
        exit(1);
    }
}

static void check_entries(victim *v)
{
    vs_diag diag = {{0}};
    for (uint64_t i = 0; i < vs_log_size(v->log); i++) {
        vs_buf want = {0};
        vs_buf got = {0};
        make_entry(v, NULL, i, &want);
        must(vs_log_entry(v->log, i, &got, &diag), &diag);
        if (got.len != want.len || memcmp(got.p, want.p, want.len) != 0) {
            (void)fprintf(stderr, "entry %" PRIu64 " is another\n", i);
            exit(1);
        }
        vs_buf_free(&want);
        vs_buf_free(&got);
    }
}

int main(int argc, char **argv)
{
    victim v = {.seed = {7}};
    vs_diag diag = {{0}};
    vs_h32 pk;
    uint8_t sk[crypto_sign_SECRETKEYBYTES];
    if (argc < 3 || sodium_init() < 0) return 2;
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    (void)crypto_sign_seed_keypair(pk.b, sk, v.seed);
    must(vs_note_key_make(&v.key, ORIGIN, VS_NOTE_ED25519, &pk, &diag), &diag);
    (void)snprintf(v.ledger, sizeof v.ledger, "%s/ledger", argv[2]);
    (void)snprintf(v.public, sizeof v.public, "%s/public", argv[2]);
    bool check = strcmp(argv[1], "check") == 0;
    uint64_t acked = check && argc == 5 ? strtoull(argv[3], NULL, 10) : 0;
    if (check) fsck(&v, acked, argc == 5 ? strtoull(argv[4], NULL, 10) : 0);
    (void)access("/veilsum-crash-begin", F_OK); /* crash.py counts from here */
    open_all(&v);
    if (check) check_entries(&v);
    for (int i = 0; i < APPENDS; i++) {
        append(&v);
        publish(&v);
    }
    if (check) check_entries(&v);
    close_all(&v);
    if (check) fsck(&v, acked + APPENDS * BATCH, acked + APPENDS * BATCH);
    return 0;
}
