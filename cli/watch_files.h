/* cli/watch_files.h - the folder in which `veilsum watch` and a trainer exchange files.
 *
 * Ours, each complete when it appears: round-N.json, global-N.safetensors, result-N.*. The
 * trainer's: update-N.safetensors, .npz or .npy, and before it update-N.json if it has something to
 * say. */
#ifndef VS_CLI_WATCH_FILES_H
#define VS_CLI_WATCH_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "fl/tensors.h"
#include "net/call.h"
#include "net/round.h"

#define VS_WATCH_PATH_BYTES 4096u
#define VS_WATCH_PURPOSE_BYTES 201u

/* "DIR/what-N<ending>" */
VS_MUST_CHECK vs_err vs_watch_path(char out[VS_WATCH_PATH_BYTES], const char *dir, const char *what,
                                   uint64_t round, const char *ending, vs_diag *diag);

/* A file as it was seen: another one, or one that was written to, is not equal. */
typedef struct vs_watch_seen {
    uint64_t device, inode, size;
    int64_t changed_s, changed_ns;
} vs_watch_seen;
bool vs_watch_seen_equal(const vs_watch_seen *a, const vs_watch_seen *b);

/* The trainer's update for a round, if there is one: its path and what it looks like now. */
bool vs_watch_find_update(char path[VS_WATCH_PATH_BYTES], vs_container *container,
                          vs_watch_seen *seen, const char *dir, uint64_t round);
/* Is the result of this round there, in any container? */
bool vs_watch_has_result(const char *dir, uint64_t round);
/* The smallest round below `below` with an update but neither result nor the word of round-N.json
 * that there will be none; 0: none. Of folders with many rounds the first 100,000 names count. */
uint64_t vs_watch_unfinished(const char *dir, uint64_t below);

/* What a trainer says about its update. */
typedef struct vs_watch_words {
    uint64_t weight;
    bool has_metrics;
    double loss, accuracy;
    char purpose[VS_WATCH_PURPOSE_BYTES];
} vs_watch_words;
/* From update-N.json over the defaults that are in *words; no file is VS_OK. */
VS_MUST_CHECK vs_err vs_watch_read_words(vs_watch_words *words, const char *dir, uint64_t round,
                                         vs_diag *diag);

/* The same from memory; name is for messages. VS_ERR_MALFORMED; *words is unchanged then. */
VS_MUST_CHECK vs_err vs_watch_parse_words(vs_watch_words *words, const uint8_t *bytes, size_t len,
                                          const char *name, vs_diag *diag);

/* round-N.json; members that are NULL, 0 or NaN are left out. */
typedef struct vs_watch_state {
    uint64_t round;
    const char *phase, *detail;
    uint32_t dim, clients;
    uint64_t deadline, hard_expiry; /* unix seconds */
    vs_h32 model_hash;
    const char *global, *update, *result; /* file names */
    uint64_t weight_sum;
    double epsilon;
} vs_watch_state;
VS_MUST_CHECK vs_err vs_watch_write_state(const char *dir, const vs_watch_state *state,
                                          vs_diag *diag);

/* The model of the round to global-N.safetensors, or the mean of the round before it where the
 * round names none; *name is "" when there is neither. A .safetensors model arrives byte for byte,
 * others are converted. */
VS_MUST_CHECK vs_err vs_watch_write_global(char name[64], const char *dir, const vs_caller *caller,
                                           const vs_round *round, vs_diag *diag);

#endif /* VS_CLI_WATCH_FILES_H */
