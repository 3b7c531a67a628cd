/* tests/cli/support_tamper.h - a finished ledger to change things in, and what is said about it.
 *
 * The ledger is a real one: two rounds of a whole federation, a result and an abort, cosigned. Most
 * looks call vs_fsck, which is all that the command runs; a sample goes through the program. */
#ifndef VS_TESTS_CLI_SUPPORT_TAMPER_H
#define VS_TESTS_CLI_SUPPORT_TAMPER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "ledger/fsck.h"
#include "tests/net/support_world.h"

typedef struct tamper_scene {
    vs_world *w;                  /* stopped; w->folder is the ledger's, with federation.json */
    char db[400], pages[400];     /* paths */
    vs_buf db_bytes, pages_bytes; /* as the clean stop left them */
    vs_buf found;                 /* lines of the last look */
    vs_fsck_report report;
} tamper_scene;

tamper_scene tamper_scene_new(uint64_t seed);
void tamper_scene_free(tamper_scene *s);
void tamper_path_in(char out[400], const tamper_scene *s, const char *name);
/* The database as the clean stop left it. */
void tamper_restore(const tamper_scene *s);

vs_buf tamper_read_file(const char *path);
void tamper_write_file(const char *path, const void *data, size_t len);
void tamper_set_byte(const char *path, size_t at, uint8_t v);

/* fsck finds problems, and one of them holds this text. where is for the message. */
void tamper_expect_named(tamper_scene *s, const char *what, const char *where);
/* The program ("ledger fsck" or "audit") prints this text, and exits with 1. */
void tamper_expect_printed(const tamper_scene *s, const char *what, const char *command);
/* Both say that the ledger is whole. */
void tamper_expect_whole(const tamper_scene *s);

#endif /* VS_TESTS_CLI_SUPPORT_TAMPER_H */
