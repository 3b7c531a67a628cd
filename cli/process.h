/* cli/process.h - child processes of demo and load: this very program, started with other
 * arguments.
 *
 * Each has its log file, its own process group (a Ctrl-C is ours to handle) and ends with us, even
 * when we are killed. They are signalled by their own process id only. */
#ifndef VS_CLI_PROCESS_H
#define VS_CLI_PROCESS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define VS_PROCESS_ARGS_MAX 40u
#define VS_PROCESS_PATH_BYTES 1024u

typedef struct vs_process {
    char name[32]; /* "shareholder 3" */
    char log[VS_PROCESS_PATH_BYTES];
    pid_t pid;         /* 0: not running */
    uint32_t n_starts; /* so far */
} vs_process;

/* Start with these arguments (after the program's name; NULL ends them). stdout and stderr are
 * appended to the log. */
VS_MUST_CHECK vs_err vs_process_start(vs_process *p, const char *const *args, vs_diag *diag);
/* SIGKILL, now, and wait for the end. Not running: nothing. */
void vs_process_kill(vs_process *p);
/* SIGTERM to all n, SIGKILL to those that have not ended after wait_ms. Returns how many did not
 * end by themselves with status 0. */
uint32_t vs_process_stop_all(vs_process *p, uint32_t n, uint32_t wait_ms);
/* VS_ERR_STATE when one that should run has ended: which, how, and its last words. */
VS_MUST_CHECK vs_err vs_process_check(vs_process *p, uint32_t n, vs_diag *diag);
/* The last line of the log that is not empty, cut to fit; "" when there is none. */
void vs_process_last_line(const vs_process *p, char *out, uint32_t cap);
/* The last n_lines lines of the log to stderr, with the process's name. */
void vs_process_print_log(const vs_process *p, uint32_t n_lines);
/* Does the log hold this text? */
bool vs_process_log_has(const vs_process *p, const char *text);
/* What the log holds that can be read as one line of JSON with this event and round: calls visit
 * with each. (struct json_t: jansson's json_t.) */
struct json_t;
void vs_process_events(const vs_process *p, const char *event, uint64_t round,
                       void (*visit)(void *ctx, const struct json_t *line), void *ctx);

#endif /* VS_CLI_PROCESS_H */
