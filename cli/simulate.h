/* cli/simulate.h - what the parts of `veilsum simulate` share.
 *
 * cmd_simulate.c reads the options; simulate_run.c holds the two models, private and plain, and
 * plays the rounds; simulate_train.c trains clients on several threads,
 * simulate_attack.c what some of them make of it; simulate_report.c prints,
 * and writes JSON and CSV; simulate_picture.c draws. */
#ifndef VS_CLI_SIMULATE_H
#define VS_CLI_SIMULATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/stop.h"
#include "cli/workload.h"
#include "fl/evaluate.h"
#include "fl/metrics.h"
#include "fl/model.h"
#include "fl/server_opt.h"
#include "fl/train.h"
#include "net/federation.h"
#include "net/local.h"

#define VS_SIMULATE_CLIENTS_MAX 100000u
#define VS_SIMULATE_ROUNDS_MAX 10000u
#define VS_SIMULATE_THREADS_MAX 64u
#define VS_SIMULATE_PATH_BYTES 4096u

/* Clients 1 to n lie about their data; they keep to the protocol. */
typedef enum vs_attack {
    VS_ATTACK_NONE,
    VS_ATTACK_LABEL_FLIP, /* train on labels turned round: the last class for the first, and so on
                           */
    VS_ATTACK_SCALE,      /* so too, and send factor times the update */
} vs_attack;

typedef struct vs_attackers {
    vs_attack kind;
    double factor;
    uint32_t n;
    bool skip_clipping; /* nor do they clip to clip_norm */
} vs_attackers;

#define VS_ATTACK_TEXT_BYTES 40u
#define VS_ATTACK_FACTOR_MAX 1e6
/* "none", "label-flip", "scale:FACTOR" (not 0, at most VS_ATTACK_FACTOR_MAX either way). n and
 * skip_clipping stay. VS_ERR_MALFORMED. */
VS_MUST_CHECK vs_err vs_attack_parse(vs_attackers *out, const char *text, vs_diag *diag);
void vs_attack_format(char out[VS_ATTACK_TEXT_BYTES], const vs_attackers *a);
/* n_rows labels turned round, malloc'd; NULL: out of memory. */
uint8_t *vs_attack_labels(const vs_dataset *set);

typedef struct vs_simulate_options {
    vs_workload work;   /* data, partition, number of clients, seed */
    const char *model;  /* spec, or NULL: softmax regression, or with */
    const char *hidden; /* "200" or "200,64": widths between the data's features and classes */
    vs_train_options training;
    vs_server_options server;
    uint32_t rounds, clients_per_round; /* 0: all */
    double dropout;                     /* chance that a sampled client is lost before it submits */
    vs_attackers attackers;
    vs_committee committee;
    vs_federation *pipeline; /* owned: quantiser, rotation, metrics, noise; min_clients */
    uint32_t threads;
    bool plain;                              /* train the unprotected model too */
    const char *json, *csv, *picture, *keep; /* NULL: none */
} vs_simulate_options;

/* What a round was like. Seconds are wall clock. */
typedef struct vs_simulate_row {
    uint32_t round, sampled, submitted, included;
    uint32_t attackers; /* of those that submitted */
    vs_evaluation private_, plain;
    double clipped;                        /* part of the coordinates */
    double epsilon;                        /* spent after this round; 0 without a mechanism */
    double clip_norm;                      /* of this round */
    vs_metrics metrics;                    /* as the clients report them, summed in secret */
    double norm_clipped;                   /* part of the clients */
    uint64_t upload_bytes;                 /* of one client, mean */
    double train_s, submit_s, aggregate_s; /* private */
    double plain_train_s, plain_average_s;
} vs_simulate_row;

typedef struct vs_simulate {
    vs_simulate_options o;
    char folder[VS_SIMULATE_PATH_BYTES];
    vs_stop stop;
    vs_model model;
    size_t n_params;
    vs_dataset train, test;
    uint8_t *flipped; /* owned: labels of train as attackers have them; NULL: no attack */
    vs_partition parts;
    vs_local *local;
    vs_simulate_row *row; /* owned; o.rounds */
    uint32_t n_rows;
    uint64_t ledger_entries;
    bool audit_ok;
    vs_diag why_stopped; /* before o.rounds: the privacy budget is spent; "" otherwise */
} vs_simulate;

/* Update of each listed client (1..) from params, n_updates * n_params: on o.threads threads, the
 * same for any number of them. */
VS_MUST_CHECK vs_err vs_simulate_train(double *updates, const vs_simulate *s, const double *params,
                                       const uint32_t *clients, uint32_t n_clients, uint32_t round,
                                       vs_diag *diag);

/* All rounds. Each row is reported as soon as it is known. */
VS_MUST_CHECK vs_err vs_simulate_run(vs_simulate *s, vs_diag *diag);

void vs_simulate_print_intro(const vs_simulate *s);
void vs_simulate_print_row(const vs_simulate *s, const vs_simulate_row *row);
void vs_simulate_print_end(const vs_simulate *s);
/* The picture that was asked for (cli/simulate_picture.c). */
VS_MUST_CHECK vs_err vs_simulate_draw(const vs_simulate *s, vs_diag *diag);
/* The files that were asked for. */
VS_MUST_CHECK vs_err vs_simulate_write(const vs_simulate *s, vs_diag *diag);
/* Mean accuracy of the last ten rounds (or all). */
double vs_simulate_m10(const vs_simulate *s, bool plain);

#endif /* VS_CLI_SIMULATE_H */
