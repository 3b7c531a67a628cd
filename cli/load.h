/* cli/load.h - what the parts of `veilsum load` share.
 *
 * cmd_load.c reads the options and prints; load_setup.c says what the federation is like;
 * load_run.c plays one round and measures it. The clients are in bench/load.h. */
#ifndef VS_CLI_LOAD_H
#define VS_CLI_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/load.h"
#include "cli/loopback.h"
#include "cli/out.h"

#define VS_LOAD_SCALES_MAX 3u

typedef struct vs_load_options {
    uint32_t clients, shareholders, parallel, dim;
    bool single; /* only this number of clients */
    bool plain;  /* the unprotected round too */
    const char *json;
} vs_load_options;

/* What a process took. */
typedef struct vs_usage {
    uint64_t peak_rss; /* bytes */
    double cpu_s;
} vs_usage;

/* One round with this many clients, in fresh daemons. */
typedef struct vs_load_row {
    uint32_t clients, included;
    vs_load_result load;
    double finish_s;           /* from the last client's end to the final phase */
    double total_s;            /* from the first client's start to the final phase */
    uint64_t upload_bytes;     /* to one shareholder with a vector share, and on its disk */
    vs_usage aggregator;       /* */
    vs_usage shareholder;      /* the largest RSS, the largest time */
    double shareholders_cpu_s; /* all of them together */
    vs_usage generator;        /* all clients together */
    bool audit_ok;
} vs_load_row;

typedef struct vs_load {
    vs_load_options o;
    vs_loopback here; /* of the round that runs; stop is of all */
    vs_committee committee;
    uint32_t n_rows;
    vs_load_row row[VS_LOAD_SCALES_MAX];
    uint64_t columns; /* M */
    uint32_t n_plain;
    vs_load_result plain[2]; /* before and after */
    vs_progress progress;
} vs_load;

/* --- load_setup.c --- */

/* Folder, keys, federation file, running daemons. end releases everything, also after a failure. */
VS_MUST_CHECK vs_err vs_load_begin(vs_load *l, vs_diag *diag);
void vs_load_end(vs_load *l);

/* --- load_run.c --- */

VS_MUST_CHECK vs_err vs_load_round(vs_load *l, uint32_t clients, vs_load_row *row, vs_diag *diag);
VS_MUST_CHECK vs_err vs_load_plain_round(vs_load *l, vs_diag *diag);

#endif /* VS_CLI_LOAD_H */
