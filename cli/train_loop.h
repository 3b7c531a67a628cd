/* cli/train_loop.h - the client with built-in training: round after round until told to stop. */
#ifndef VS_CLI_TRAIN_LOOP_H
#define VS_CLI_TRAIN_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/stop.h"
#include "cli/workload.h"
#include "fl/model.h"
#include "fl/train.h"
#include "net/federation.h"
#include "net/keys.h"
#include "net/round.h"
#include "net/store.h"

/* Everything is borrowed but own, round, params and delta, which vs_trainer_clear releases. */
typedef struct vs_trainer {
    const vs_federation *fed;
    const vs_keys *keys;
    vs_store store;
    uint8_t enrolment[64];
    vs_workload work;
    uint32_t client; /* 1..work.n_clients: the part that is ours */
    vs_model model;
    vs_train_options options; /* seed: set anew for each round */
    uint32_t threads;         /* of the encoder */
    const char *reveal;       /* folder for quantised updates, in a demo federation; else NULL */
    const char *receipts;     /* folder for round-N.receipt, or NULL */
    bool json;
    vs_stop *stop;

    vs_dataset own;
    vs_round *round;
    double *params, *delta; /* n_params each */
    size_t n_params;
    uint64_t last_round; /* the newest one we took part in */
} vs_trainer;

/* Load our rows and make room; the caller has filled in the borrowed part. On error everything
 * owned is released. */
VS_MUST_CHECK vs_err vs_trainer_init(vs_trainer *t, vs_diag *diag);
void vs_trainer_clear(vs_trainer *t); /* wipes */

/* Take part in n_rounds rounds, each as soon as it is open, one line each on stdout; or until told
 * to stop. A round that goes wrong costs that round. Returns how many did. */
uint64_t vs_trainer_run(vs_trainer *t, uint64_t n_rounds);

#endif /* VS_CLI_TRAIN_LOOP_H */
