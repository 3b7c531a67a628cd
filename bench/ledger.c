#include "bench/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "bench/ledger_impl.h"
#include "net/keys.h"

enum { REPS = 200, PATH_BYTES = 4096, BLOCK = 4096, DEPTH_MAX = 8 };

double vs_bench_now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double vs_bench_quantile(double *us, uint32_t n, double p)
{
    qsort(us, n, sizeof *us, ascending);
    return us[(uint32_t)((double)(n - 1) * p + 0.5)];
}

void vs_bench_say(const vs_bench_ledger_spec *spec, const char *fmt, ...)
{
    char text[VS_DIAG_BYTES];
    va_list args;
    if (spec->progress == NULL) return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    spec->progress(spec->ctx, text);
}

vs_err vs_bench_log_key_make(vs_bench_log_key *out, vs_diag *diag)
{
    static const uint8_t seed[32] = {'b', 'e', 'n', 'c', 'h'};
    vs_keys *keys = NULL;
    (void)vs_rng_system(); /* starts libsodium */
    vs_err err = vs_keys_from_seed(&keys, "bench.example/log", seed, diag);
    if (err != VS_OK) return err;
    memcpy(out->seed, keys->log_seed, sizeof out->seed);
    out->key = keys->pub.log;
    vs_keys_free(keys);
    return VS_OK;
}

/* --- appends beside fsyncs ---------------------------------------------------------------------
 */

typedef struct appends {
    const vs_bench_ledger_spec *spec;
    vs_log *log;
    int fd; /* of the file that is synced bare */
    uint8_t *entries;
    vs_bytes *bytes;
    uint32_t reps;
    double *fsync, *single, *batch;
    uint32_t n_batches;
} appends;

static vs_err sync_once(appends *a, uint32_t i, vs_diag *diag)
{
    uint8_t block[BLOCK];
    memset(block, (int)i, sizeof block);
    double from = vs_bench_now_us();
    if (pwrite(a->fd, block, sizeof block, 0) != BLOCK || fsync(a->fd) != 0) {
        return vs_fail(diag, VS_ERR_IO, "bench: fsync: %s", strerror(errno));
    }
    a->fsync[i] = vs_bench_now_us() - from;
    return VS_OK;
}

static vs_err append(appends *a, uint32_t n, double *us, vs_diag *diag)
{
    uint64_t first = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t index = vs_log_size(a->log) + i; /* no two entries alike */
        vs_store_le64(a->entries + (size_t)i * a->spec->entry_bytes, index);
    }
    double from = vs_bench_now_us();
    vs_err err = vs_log_append(a->log, a->bytes, n, &first, NULL, diag);
    *us = vs_bench_now_us() - from;
    return err;
}

static vs_err measure(appends *a, vs_diag *diag)
{
    double warm;
    vs_err err = append(a, 1, &warm, diag);
    for (uint32_t i = 0; err == VS_OK && i < a->reps; i++) {
        err = sync_once(a, i, diag);
        if (err == VS_OK) err = append(a, 1, &a->single[i], diag);
        if (err == VS_OK && i % 4 == 0) {
            err = append(a, a->spec->batch, &a->batch[a->n_batches], diag);
            a->n_batches++;
        }
    }
    return err;
}

static vs_err prepare(appends *a, const char *dir, vs_diag *diag)
{
    char path[PATH_BYTES + 16];
    vs_bench_log_key key;
    uint8_t block[BLOCK] = {0};
    uint32_t n = a->spec->batch;
    a->fsync = calloc(3 * (size_t)a->reps, sizeof *a->fsync);
    a->single = a->fsync + a->reps;
    a->batch = a->single + a->reps;
    a->entries = calloc(n, a->spec->entry_bytes);
    a->bytes = calloc(n, sizeof *a->bytes);
    if (a->fsync == NULL || a->entries == NULL || a->bytes == NULL) return VS_ERR_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        a->bytes[i] =
            (vs_bytes){a->entries + (size_t)i * a->spec->entry_bytes, a->spec->entry_bytes};
    }
    (void)snprintf(path, sizeof path, "%s/bare", dir);
    a->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (a->fd < 0 || pwrite(a->fd, block, sizeof block, 0) != BLOCK || fsync(a->fd) != 0) {
        return vs_fail(diag, VS_ERR_IO, "%s: %s", path, strerror(errno));
    }
    (void)snprintf(path, sizeof path, "%s/appends", dir);
    vs_err err = vs_bench_log_key_make(&key, diag);
    return err == VS_OK ? vs_log_create(&a->log, path, key.key.name, &key.key, key.seed, diag)
                        : err;
}

static vs_err run_appends(vs_bench_ledger_result *out, const char *dir,
                          const vs_bench_ledger_spec *spec, vs_diag *diag)
{
    appends a = {.spec = spec, .fd = -1, .reps = spec->reps == 0 ? REPS : spec->reps};
    vs_bench_say(spec, "%u times: an fsync, an append, every fourth time a batch of %u", a.reps,
                 spec->batch);
    vs_err err = prepare(&a, dir, diag);
    if (err == VS_OK) err = measure(&a, diag);
    if (err == VS_OK) {
        out->fsync_us = vs_bench_quantile(a.fsync, a.reps, 0.5);
        out->fsync_p10 = vs_bench_quantile(a.fsync, a.reps, 0.1);
        out->fsync_p90 = vs_bench_quantile(a.fsync, a.reps, 0.9);
        out->single_us = vs_bench_quantile(a.single, a.reps, 0.5);
        out->single_p10 = vs_bench_quantile(a.single, a.reps, 0.1);
        out->single_p90 = vs_bench_quantile(a.single, a.reps, 0.9);
        out->batch_us = vs_bench_quantile(a.batch, a.n_batches, 0.5);
        out->fsyncs_per_s = 1e6 / out->fsync_us;
        out->single_per_s = 1e6 / out->single_us;
        out->batch_per_s = 1e6 * spec->batch / out->batch_us;
        out->single_to_fsync = out->single_per_s / out->fsyncs_per_s;
        out->batch_to_fsync = out->batch_per_s / out->fsyncs_per_s;
    }
    vs_log_close(a.log);
    if (a.fd >= 0) (void)close(a.fd);
    free(a.fsync);
    free(a.entries);
    free(a.bytes);
    return err;
}

/* --- all ---------------------------------------------------------------------------------------
 */

/* What we made ourselves: a few folders deep, no links. */
static void remove_tree(const char *path, int depth)
{
    char inner[PATH_BYTES];
    const struct dirent *e;
    DIR *d = depth < DEPTH_MAX ? opendir(path) : NULL;
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        int n = snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (n > 0 && n < PATH_BYTES && unlink(inner) != 0) remove_tree(inner, depth + 1);
    }
    if (d != NULL) (void)closedir(d);
    (void)rmdir(path);
}

static vs_err check_spec(const vs_bench_ledger_spec *s, vs_diag *diag)
{
    if (s->batch < 1 || s->batch > 4096 || s->entry_bytes < 8 || s->entry_bytes > 65535 ||
        s->n_sizes > VS_BENCH_LEDGER_SIZES_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "bench ledger: a batch has 1 to 4096 entries of 8 to 65535 bytes");
    }
    for (uint32_t i = 0; i < s->n_sizes; i++) {
        if (s->size[i] < 2 || (i > 0 && s->size[i] <= s->size[i - 1])) {
            return vs_fail(diag, VS_ERR_LIMIT, "bench ledger: sizes must ascend from 2");
        }
    }
    return VS_OK;
}

vs_err vs_bench_ledger(vs_bench_ledger_result *out, const vs_bench_ledger_spec *spec, vs_diag *diag)
{
    char dir[PATH_BYTES];
    memset(out, 0, sizeof *out);
    vs_err err = check_spec(spec, diag);
    if (err != VS_OK) return err;
    int n =
        snprintf(dir, sizeof dir, "%s/veilsum-bench-XXXXXX", spec->dir == NULL ? "." : spec->dir);
    if (n < 0 || n >= PATH_BYTES - 64 || mkdtemp(dir) == NULL) {
        return vs_fail(diag, VS_ERR_IO, "%.200s: cannot make a folder in it: %s",
                       spec->dir == NULL ? "." : spec->dir, strerror(errno));
    }
    err = run_appends(out, dir, spec, diag);
    if (err == VS_OK) err = vs_bench_ledger_proofs_run(out, dir, spec, diag);
    if (err == VS_OK && spec->rounds > 0) err = vs_bench_ledger_audit(out, dir, spec, diag);
    remove_tree(dir, 0);
    if (err == VS_ERR_NOMEM) return vs_fail(diag, err, "bench ledger: out of memory");
    return err;
}
