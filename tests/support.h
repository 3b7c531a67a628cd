/* tests/support.h - helpers for every test: reproducible bytes, temporary folders, skipping. */
#ifndef VS_TESTS_SUPPORT_H
#define VS_TESTS_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

/* A reproducible generator (libsodium's ChaCha20 expansion of seed); each call goes on.
 * fail_at > 0 makes that call (counted from 1) fail with VS_ERR_IO. */
typedef struct vs_test_rng {
    uint64_t seed;
    uint64_t calls;
    uint64_t fail_at;
} vs_test_rng;
vs_rng vs_test_rng_of(vs_test_rng *state);
void vs_test_bytes(void *out, size_t len, uint64_t seed);
uint64_t vs_test_u64(uint64_t seed, uint64_t index);

/* A fresh empty folder; the path is malloc'd. Remove it with vs_test_folder_remove. */
char *vs_test_folder_new(void);
void vs_test_folder_remove(char *path);

/* Path of a development data file below the shared folder, or NULL when it is not there. The
 * result is malloc'd. On NULL a test says so by vs_test_skip and returns. */
char *vs_test_shared(const char *name);
/* Prints "SKIPPED: why" (ctest counts the program as skipped). Keep such tests in programs of
 * their own, so that a skip does not hide others. */
void vs_test_skip(const char *why);

#endif /* VS_TESTS_SUPPORT_H */
