/* Checks of this host: program, limits, randomness, data folder, disk. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/doctor.h"
#include "mpc/kernels.h"

enum {
    PATH_BYTES = 4096,
    FILES_MIN = 1024,  /* fewer connections are admitted where there are fewer (net/gate.h) */
    FILES_GOOD = 4096, /* 2,048 connections, those of HTTP, peers, files, some room */
    SYNCS = 5,
    SLOW_SYNC_MS = 100,
};

static double now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1000.0 + (double)ts.tv_nsec / 1e6;
}

static void check_isa(vs_doctor *d)
{
    const char *name = vs_kernels_get()->name;
    bool portable = strcmp(name, "portable") == 0;
    vs_doctor_say(d, "cpu", portable ? VS_HEALTH_WARN : VS_HEALTH_OK,
                  portable ? "kernels for %s|correct but several times slower: use a machine with "
                             "AVX2, or unset VEILSUM_ISA"
                           : "kernels for %s|",
                  name);
}

static void check_limits(vs_doctor *d)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        vs_doctor_say(d, "open files", VS_HEALTH_FAIL, "cannot read the limits: %s|",
                      strerror(errno));
        return;
    }
    uint64_t n = files.rlim_max;
    vs_health h = n < FILES_MIN ? VS_HEALTH_FAIL : n < FILES_GOOD ? VS_HEALTH_WARN : VS_HEALTH_OK;
    vs_doctor_say(d, "open files", h,
                  h == VS_HEALTH_OK ? "at most %" PRIu64 "|"
                                    : "at most %" PRIu64
                                      "|raise it: LimitNOFILE=65536 in the unit, "
                                      "or ulimit -Hn 65536",
                  n);
}

/* Randomness is there at once: the kernel's generator has been seeded. */
static void check_entropy(vs_doctor *d)
{
    uint8_t bytes[32];
    bool good = getrandom(bytes, sizeof bytes, GRND_NONBLOCK) == (ssize_t)sizeof bytes;
    memset(bytes, 0, sizeof bytes);
    vs_doctor_say(d, "randomness", good ? VS_HEALTH_OK : VS_HEALTH_FAIL,
                  good ? "the kernel's generator is ready|"
                       : "the kernel's generator is not seeded|wait, or give the machine a source "
                         "(virtio-rng)");
}

void vs_doctor_program(vs_doctor *d)
{
    vs_doctor_say(d, "program", VS_HEALTH_OK, "veilsum %s|", VS_VERSION);
    check_isa(d);
    check_limits(d);
    check_entropy(d);
}

/* --- the data folder ----------------------------------------------------------------------------
 */

static bool check_folder(vs_doctor *d)
{
    struct stat st;
    const char *dir = d->data_dir;
    if (stat(dir, &st) != 0) {
        bool none = errno == ENOENT;
        vs_doctor_say(d, "data folder", none ? VS_HEALTH_WARN : VS_HEALTH_FAIL,
                      none ? "%s: %s|the daemon makes it at its first start: is the path right?"
                           : "%s: %s|",
                      dir, strerror(errno));
        return false;
    }
    unsigned mode = (unsigned)st.st_mode & 0777u;
    if (!S_ISDIR(st.st_mode)) {
        vs_doctor_say(d, "data folder", VS_HEALTH_FAIL, "%s: is no folder|name another one", dir);
    } else if ((mode & 0077u) != 0) {
        vs_doctor_say(d, "data folder", VS_HEALTH_FAIL,
                      "%s: others may look into it (mode %03o)|chmod 700 %s", dir, mode, dir);
    } else if (access(dir, R_OK | W_OK | X_OK) != 0) {
        vs_doctor_say(d, "data folder", VS_HEALTH_FAIL,
                      "%s: this user may not write there|run as the daemon's user, or chown it",
                      dir);
    } else {
        vs_doctor_say(d, "data folder", VS_HEALTH_OK, "%s, mode %03o|", dir, mode);
        return true;
    }
    return S_ISDIR(st.st_mode);
}

static void check_lock(vs_doctor *d)
{
    char path[PATH_BYTES];
    const char *name = d->is_aggregator ? "state/state.db.lock" : "state.db.lock";
    if (snprintf(path, sizeof path, "%s/%s", d->data_dir, name) >= (int)sizeof path) return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    d->holds_lock = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (fd >= 0) (void)close(fd); /* and with it our lock */
}

static void check_space(vs_doctor *d)
{
    struct statvfs fs;
    if (statvfs(d->data_dir, &fs) != 0) {
        vs_doctor_say(d, "disk space", VS_HEALTH_FAIL, "%s: %s|", d->data_dir, strerror(errno));
        return;
    }
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    bool low = free_bytes < d->min_free_bytes;
    bool no_inodes = fs.f_files != 0 && fs.f_favail < 10000;
    vs_doctor_say(d, "disk space", low || no_inodes ? VS_HEALTH_FAIL : VS_HEALTH_OK,
                  low || no_inodes ? "%.1f GB, %" PRIu64
                                     " files free|a full disk stops the round (nothing that "
                                     "was acknowledged is lost): make room"
                                   : "%.1f GB, %" PRIu64 " files free|",
                  (double)free_bytes / 1e9, (uint64_t)fs.f_favail);
}

/* Durable writes work, and how long one takes. */
static void check_sync(vs_doctor *d)
{
    char path[PATH_BYTES];
    vs_diag diag = {{0}};
    double worst = 0;
    vs_err err = VS_OK;
    int n = snprintf(path, sizeof path, "%s/.doctor-%ld", d->data_dir, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof path) return;
    for (int i = 0; err == VS_OK && i < SYNCS; i++) {
        double start = now_ms();
        err = vs_file_write_durable(path, "doctor", 6, 0600, &diag);
        if (now_ms() - start > worst) worst = now_ms() - start;
    }
    if (err == VS_OK) err = vs_file_remove(path, &diag);
    if (err != VS_OK) {
        vs_doctor_say(d, "durable writes", VS_HEALTH_FAIL, "%s|see df and dmesg", diag.text);
        return;
    }
    bool slow = worst > SLOW_SYNC_MS;
    vs_doctor_say(d, "durable writes", slow ? VS_HEALTH_WARN : VS_HEALTH_OK,
                  slow ? "%.1f ms at worst|slow: every submission waits for one; use a local disk"
                       : "%.1f ms at worst|",
                  worst);
}

void vs_doctor_data(vs_doctor *d)
{
    if (d->data_dir == NULL || !check_folder(d)) return;
    check_lock(d);
    check_space(d);
    check_sync(d);
}
