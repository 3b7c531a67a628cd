/* tests/cli/support_log.h - a small log on disk for the ledger commands. */
#ifndef VS_TESTS_CLI_SUPPORT_LOG_H
#define VS_TESTS_CLI_SUPPORT_LOG_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "ledger/log.h"
#include "ledger/note.h"
#include "tests/cli/support_run.h"

#define ORIGIN "example.org/log"

typedef struct small_key {
    uint8_t seed[32];
    vs_note_key note;
    char vkey[VS_VKEY_CHARS];
} small_key;

/* FOLDER/agg/ledger: five entries (federation, open, closed, abort, and one that is no envelope),
 * checkpoints of sizes 0, 4 and 5; size 4 is cosigned by two; one blob. */
typedef struct small_log {
    char *folder;
    small_key log, w1, w2;
    vs_buf entry[5];
    vs_h32 leaf[5];
} small_log;

small_log small_log_new(void);
void small_log_free(small_log *w);
small_key small_log_key(const char *name, uint8_t type, uint64_t n);
char *small_log_path(char out[400], const small_log *w, const char *name);
/* Write a file into the folder. */
void small_log_save(const small_log *w, const char *name, const void *data, size_t len);
/* What a command printed, which must be JSON. */
json_t *small_log_json(const vs_run *run);
void expect_in(const char *text, const char *what);

#endif /* VS_TESTS_CLI_SUPPORT_LOG_H */
