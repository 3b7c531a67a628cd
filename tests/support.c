#define _XOPEN_SOURCE 700
#include "tests/support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/bytes.h"

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
    char name[] = "/tmp/veilsum-test-XXXXXX";
    VS_ASSERT(mkdtemp(name) != NULL);
    return strdup(name);
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
