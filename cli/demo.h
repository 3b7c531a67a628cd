/* cli/demo.h - what the parts of `veilsum demo` share: the options, and the federation that runs.
 *
 * cmd_demo.c reads the options and holds the order of things; demo_setup.c says what the
 * federation is like, demo_start.c starts it (loopback.h) and the clients; demo_round.c plays the
 * coordinator of one round and drops parties; demo_check.c fetches the result and compares it with
 * what clients left; demo_plain.c trains without protection beside it; demo_report.c prints,
 * demo_picture.c draws. */
#ifndef VS_CLI_DEMO_H
#define VS_CLI_DEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/loopback.h"
#include "cli/workload.h"
#include "fl/metrics.h"
#include "fl/model.h"
#include "fl/train.h"

#define VS_DEMO_ROUNDS_MAX 200u

typedef struct vs_demo_options {
    vs_workload work; /* data, partition, number of clients, seed */
    vs_model model;
    vs_train_options training; /* of every client; the seed is set per round */
    uint32_t shareholders, rounds;
    uint32_t drop_clients, drop_shareholders;
    uint32_t drop_round;    /* in which they are killed */
    const char *json;       /* file, or NULL */
    const char *keep;       /* folder, or NULL: a temporary one */
    const char *picture;    /* file */
    const char *http;       /* http://HOST:PORT of the page, or NULL: no page is served */
    vs_committee committee; /* from the number of shareholders */
    uint32_t min_clients;
    vs_federation *pipeline; /* its clipping, rotation, metrics and noise are the federation's */
} vs_demo_options;

/* What a round was like: a row of the table. */
typedef struct vs_demo_row {
    uint32_t round;
    double accuracy, plain_accuracy; /* 0..1 */
    uint32_t submitted, included, dropped, answered;
    bool sum_exact;
    uint64_t upload_bytes; /* of one client, mean over the included */
    double seconds;
    double epsilon, clip_norm; /* epsilon 0: no noise */
    bool has_metrics;
    vs_metrics metrics;
} vs_demo_row;

typedef struct vs_demo {
    vs_demo_options o;
    vs_loopback here; /* processes: aggregator, shareholders, clients */
    vs_dataset train, test;
    vs_partition parts; /* client i has part i - 1 */
    uint32_t n_rows;
    vs_demo_row row[VS_DEMO_ROUNDS_MAX];
    uint64_t ledger_size;
    bool audit_ok;
} vs_demo;

static inline vs_process *vs_demo_aggregator(vs_demo *d)
{
    return &d->here.process[0];
}

static inline vs_process *vs_demo_shareholder(vs_demo *d, uint32_t j) /* 1..shareholders */
{
    return &d->here.process[j];
}

static inline vs_process *vs_demo_client(vs_demo *d, uint32_t i) /* 1..n_clients */
{
    return &d->here.process[d->o.shareholders + i];
}

/* --- demo_setup.c
 * --------------------------------------------------------------------------------- */

/* Everything of the federation but parties and keys. */
void vs_demo_draft(const vs_demo *d, vs_federation *draft);
/* Keys and enrolments of all clients in the folder; demo is a vs_demo. */
VS_MUST_CHECK vs_err vs_demo_enrol_clients(void *demo, vs_diag *diag);

/* --- demo_start.c
 * --------------------------------------------------------------------------------- */

/* Daemons and clients, until all are ready. */
VS_MUST_CHECK vs_err vs_demo_start(vs_demo *d, vs_diag *diag);
/* (Re)start a client and do not wait for it. */
VS_MUST_CHECK vs_err vs_demo_start_client(vs_demo *d, uint32_t i, vs_diag *diag);
/* Until every client has its data. */
VS_MUST_CHECK vs_err vs_demo_wait_clients(vs_demo *d, vs_diag *diag);

/* --- demo_round.c, demo_check.c
 * ------------------------------------------------------------------- */

typedef struct vs_plain vs_plain;

/* One round from params[n_params], which becomes the new global model. Fills a row. */
VS_MUST_CHECK vs_err vs_demo_round(vs_demo *d, vs_plain *plain, uint32_t round, double *params,
                                   vs_demo_row *row, vs_diag *diag);

/* What the finished round gave. */
typedef struct vs_demo_result {
    double *mean; /* owned by the caller of vs_demo_fetch_result; n_params */
    bool included[VS_LOOPBACK_CLIENTS_MAX + 1]; /* [i]: client i */
    uint32_t n_included;
    bool exact;
    uint64_t upload_bytes;
    double epsilon, clip_norm;
    bool has_metrics;
    vs_metrics metrics;
} vs_demo_result;

/* Read set, records, result and sum from the aggregator; compare the sum with what the included
 * clients have left. */
VS_MUST_CHECK vs_err vs_demo_fetch_result(vs_demo *d, uint32_t round, vs_demo_result *out,
                                          vs_diag *diag);

/* --- demo_plain.c: federated averaging without protection, in a thread of its own
 * ------------------- */

VS_MUST_CHECK vs_err vs_plain_new(vs_plain **out, const vs_demo *d, const double *params,
                                  vs_diag *diag);
void vs_plain_free(vs_plain *p); /* waits for the thread */
/* Start a round's training of the clients that are expected to be in it ([i]: client i). */
VS_MUST_CHECK vs_err vs_plain_begin(vs_plain *p, uint32_t round, const bool *expected,
                                    vs_diag *diag);
/* Average those included, step, evaluate. */
VS_MUST_CHECK vs_err vs_plain_end(vs_plain *p, const bool *included, double *accuracy,
                                  vs_diag *diag);

/* --- demo_report.c, demo_picture.c
 * ------------------------------------------------------------------ */

void vs_demo_print_intro(const vs_demo *d);
void vs_demo_print_head(void);
void vs_demo_print_row(const vs_demo_row *row, const vs_demo *d);
/* A line on the terminal that the next one replaces; NULL clears it. Nothing elsewhere. */
void vs_demo_progress(const char *fmt, ...) VS_PRINTF(1, 2);
void vs_demo_progress_end(void);
/* The accuracy of the rounds so far, for the page beside the aggregator's published log. */
VS_MUST_CHECK vs_err vs_demo_write_metrics(const vs_demo *d, vs_diag *diag);
VS_MUST_CHECK vs_err vs_demo_write_json(const vs_demo *d, vs_diag *diag);
/* Accuracy over rounds, by gnuplot, as SVG or PNG by the file's ending. */
VS_MUST_CHECK vs_err vs_demo_draw(const vs_demo *d, vs_diag *diag);

#endif /* VS_CLI_DEMO_H */
