/* tests/attack/support_arena_impl.h - what the parts of an arena share. */
#ifndef VS_TESTS_ATTACK_SUPPORT_ARENA_IMPL_H
#define VS_TESTS_ATTACK_SUPPORT_ARENA_IMPL_H

#include "tests/attack/support_arena.h"

#define ARENA_CALL_MS 20000u

/* Stops the test. */
void arena_fail(const char *what, const char *text);
void arena_must(vs_err err, const vs_diag *diag, const char *what);
uint64_t arena_now_ms(void);
/* A file in the arena's folder; the name of the aggregator (0) or shareholder j. */
void arena_path(char out[400], const arena *a, const char *name);
const char *arena_party(char out[16], uint32_t party);
void arena_write_file(const arena *a, const char *name, const void *data, size_t len);

#endif /* VS_TESTS_ATTACK_SUPPORT_ARENA_IMPL_H */
