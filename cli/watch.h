/* cli/watch.h - round after round, updates from files that somebody else writes. */
#ifndef VS_CLI_WATCH_H
#define VS_CLI_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/stop.h"
#include "cli/watch_files.h"
#include "net/member.h"
#include "net/round.h"

/* Everything is borrowed but round and rejected, which belong to vs_watch_run. */
typedef struct vs_watch {
    const vs_member *member; /* its store is open */
    const char *dir;         /* is there */
    vs_watch_words words;    /* where update-N.json says nothing */
    uint32_t threads;
    uint64_t patience_ms; /* of a submission without progress; 0: never ends */
    bool json;
    vs_stop *stop;

    vs_caller caller;
    vs_round *round;
    vs_watch_state state;
    char global[64];
    vs_watch_seen rejected; /* the update that was refused: not read again until it changes */
} vs_watch;

/* Until told to stop, or until n_rounds rounds that had an update are over (0: no limit). One line
 * for everything that happens. *failed counts rounds that ended without a result. Errors are those
 * of this machine: the folder cannot be written, out of memory. */
VS_MUST_CHECK vs_err vs_watch_run(vs_watch *w, uint64_t n_rounds, uint64_t *failed, vs_diag *diag);

#endif /* VS_CLI_WATCH_H */
