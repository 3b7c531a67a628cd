#define _XOPEN_SOURCE 700
#include "tests/support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <sodium.h>

#include "base/bytes.h"

#define ROOM_BYTES (UINT64_C(2) << 30)

static void expand(void *out, size_t len, uint64_t seed, uint64_t index)
{
    uint8_t key[randombytes_SEEDBYTES] = {0};
    VS_ASSERT(sodium_init() >= 0);
    vs_store_le64(key, seed);
    vs_store_le64(key + 8, index);
    randombytes_buf_deterministic(out, len, key);
}

static vs_err fill_test(void *ctx, void *out, size_t len)
{
    vs_test_rng *state = ctx;
    state->calls++;
    if (state->calls == state->fail_at) {
        memset(out, 0, len);
        return VS_ERR_IO;
    }
    expand(out, len, state->seed, state->calls);
    return VS_OK;
}

vs_rng vs_test_rng_of(vs_test_rng *state)
{
    return (vs_rng){.fill = fill_test, .ctx = state};
}

void vs_test_bytes(void *out, size_t len, uint64_t seed)
{
    expand(out, len, seed, UINT64_MAX);
}

uint64_t vs_test_u64(uint64_t seed, uint64_t index)
{
    uint8_t le[8];
    expand(le, sizeof le, seed, index);
    return vs_load_le64(le);
}

char *vs_test_folder_new(void)
{
    /* In memory where there is room: most tests wait for the disk otherwise. */
    char in_memory[] = "/dev/shm/veilsum-test-XXXXXX";
    char on_disk[] = "/tmp/veilsum-test-XXXXXX";
    struct statvfs fs;
    bool room = statvfs("/dev/shm", &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize >= ROOM_BYTES;
    if (room && mkdtemp(in_memory) != NULL) return strdup(in_memory);
    VS_ASSERT(mkdtemp(on_disk) != NULL);
    return strdup(on_disk);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void vs_test_folder_remove(char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

char *vs_test_shared(const char *name)
{
    size_t len = strlen(VS_SHARED_DIR) + strlen(name) + 2;
    char *path = malloc(len);
    struct stat st;
    VS_ASSERT(path != NULL);
    (void)snprintf(path, len, "%s/%s", VS_SHARED_DIR, name);
    if (stat(path, &st) == 0) return path;
    free(path);
    return NULL;
}

void vs_test_skip(const char *why)
{
    printf("SKIPPED: %s\n", why);
    (void)fflush(stdout);
}
